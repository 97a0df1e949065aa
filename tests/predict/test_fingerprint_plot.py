"""The picture of a fingerprint: what is not measured is hatched, what is named is true, no id is written."""

import re
from dataclasses import replace
from html import unescape

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Rectangle
from matrices import matrix_of

from theracast.errors import UsageError
from theracast.features.datasets import load_cohort
from theracast.models.fingerprint import fingerprint
from theracast.models.positions import normal_score
from theracast.predict.report.fingerprint_plot import DOTS, fingerprint_figure, fingerprint_words
from theracast.predict.report.plots import to_png, to_svg

NAN = np.nan
HUNDRED = list(np.arange(101.0))


def simulated(values):
    """SIMULATED: blocks a (six features) and b (five) against 0 to 100."""
    matrix = matrix_of(np.array(values, dtype=float))
    return fingerprint(matrix, dict.fromkeys(matrix.values, HUNDRED), cohort="simulated")


@pytest.fixture(scope="module")
def one():
    """One patient: block a within but for one above, block b not measured."""
    return simulated([[10, 30, 50, 70, 90, 99, *[NAN] * 5]])


@pytest.fixture
def drivers():
    """SIMULATED contributions to six therapies."""
    names = [f"a__f{i}" for i in range(6)]
    table = pd.DataFrame(0.0, index=[f"drug {k}" for k in "ABCDEF"], columns=names)
    table.loc["drug A", ["a__f0", "a__f5"]] = [0.5, -0.2]
    table.loc["drug B"] = NAN
    table.loc["drug C", "a__f0"] = -0.004
    return table


def placed(values):
    """SIMULATED: one patient, one block of any features, against 0 to 100."""
    small = matrix_of(np.full((1, 11), 50.0))
    block = values.columns[0].split("__")[0]
    coverage, nothing = pd.DataFrame({block: [1.0]}, index=values.index), pd.DataFrame(index=values.index)
    matrix = replace(small, values=values, coverage=coverage, lineage={}, proxies=nothing)
    return fingerprint(matrix, dict.fromkeys(values.columns, HUNDRED))


def texts(figure):
    """Every text of a figure."""
    return [t.get_text() for t in figure.findobj(lambda a: hasattr(a, "get_text")) if t.get_text()]


def dots(figure, row):
    """Positions of the markers within a row of the strips."""
    lines = [x for x in figure.axes[0].lines if x.get_marker() in "<o>"]
    return sorted(float(x.get_xdata()[0]) for x in lines if abs(float(x.get_ydata()[0]) - row) < 0.4)


def hatched(figure, row):
    return [
        p
        for p in figure.axes[0].patches
        if isinstance(p, Rectangle) and p.get_hatch() and abs(p.get_y() + 0.2 - row) < 0.3
    ]


@pytest.mark.parametrize("phone", [False, True])
def test_each_known_feature_has_its_mark_at_its_percentile(one, phone):
    figure = fingerprint_figure(one, "p000", phone=phone)
    np.testing.assert_allclose(dots(figure, 0), normal_score(np.array([10, 30, 50, 70, 90, 99.0])))
    by_place = {float(x.get_xdata()[0]): x.get_marker() for x in figure.axes[0].lines if x.get_marker() in "<o>"}
    assert [by_place[k] for k in sorted(by_place)] == ["o"] * 5 + [">"]
    assert not hatched(figure, 0)


@pytest.mark.parametrize("phone", [False, True])
def test_what_is_not_measured_is_hatched_and_has_no_mark(one, phone):
    figure = fingerprint_figure(one, "p000", phone=phone)
    assert len(hatched(figure, 1)) == 2
    assert dots(figure, 1) == []
    assert "not measured" in texts(figure)
    assert any("0 of 5 known" in t for t in texts(figure))


def test_the_bands_are_the_middle_half_and_the_middle_nine_tenths(one):
    bands = [p for p in fingerprint_figure(one, "p000").axes[0].patches if isinstance(p, Rectangle) and p.get_fill()]
    ends = sorted({round(p.get_x() + p.get_width(), 3) for p in bands})
    assert ends == pytest.approx(normal_score(np.array([75.0, 95.0])), abs=1e-3)


def test_only_what_lies_beyond_or_counts_most_is_named(one, drivers):
    plain = " ".join(texts(fingerprint_figure(one, "p000")))
    assert "f5 99" in plain
    assert not re.search(r"\bf[0-4] ", plain)
    driven = " ".join(texts(fingerprint_figure(one, "p000", drivers)))
    assert "f0 10" in driven
    assert "f5 99" in driven
    assert not re.search(r"\bf[1-4] ", driven)


def test_of_many_beyond_three_are_named_and_the_others_counted():
    f = simulated([[200, 300, 400, 500, 600, 50, *[NAN] * 5]])
    assert (
        "A: 6 of 6 known, 5 outside the middle 90% (high: f0 200 U/L, f1 300 U/L, f2 400 U/L, 2 more)."
        in fingerprint_words(f, "p000")
    )


def test_names_of_a_strip_do_not_run_into_each_other():
    names = [f"a__{side}_{what}_of_long_name" for side in ("low", "high") for what in ("tumour", "cell", "signal")]
    f = placed(pd.DataFrame([[-1.0, -2, -3, 101, 102, 103]], index=["p000"], columns=names))
    for phone in (False, True):
        figure = fingerprint_figure(f, "p000", pd.DataFrame(1.0, ["x"], names[:1]), phone=phone)
        FigureCanvasAgg(figure).draw()
        low, high = (next(t for t in figure.axes[0].texts if t.get_text().startswith(w)) for w in ("low", "high"))
        assert low.get_window_extent().x1 < high.get_window_extent().x0


@pytest.mark.parametrize(("phone", "columns"), [(False, 4), (True, 3)])
def test_therapies_have_a_bar_per_block(one, drivers, phone, columns):
    figure = fingerprint_figure(one, "p000", drivers, phone=phone)
    sheets = figure.axes[1:]
    assert [ax.get_title() for ax in sheets] == [f"drug {k}" for k in "ABCDEF"[:columns]]
    bars = [[round(p.get_width(), 3) for p in ax.patches] for ax in sheets]
    assert bars[:3] == [[0.3], [], [-0.004]]
    amounts = [t.get_text() for t in sheets[0].texts if t.get_text() not in "AB"]
    assert amounts == ["+0.30", "–"]  # block b had no say
    assert len({ax.get_xlim() for ax in sheets}) == 1
    assert any(f"{6 - columns} more in the table" in t for t in texts(figure))


@pytest.mark.parametrize("phone", [False, True])
@pytest.mark.parametrize("therapies", [1, 4])
def test_nothing_runs_out_of_the_figure(one, drivers, phone, therapies):
    table = drivers.iloc[:therapies].set_axis(
        ["methotrexate + leflunomide", "tocilizumab", "a therapy with a long name of many words", "x"][:therapies]
    )
    figure = fingerprint_figure(one, "p000", table, phone=phone)
    FigureCanvasAgg(figure).draw()
    width, height = figure.canvas.get_width_height()
    for text in figure.findobj(lambda a: hasattr(a, "get_text")):
        if text.get_text() and text.get_visible():
            box = text.get_window_extent()
            assert min(box.x0, box.y0) > -1, text.get_text()
            assert box.x1 < width + 1, text.get_text()
            assert box.y1 < height + 1, text.get_text()


def test_many_features_are_a_density():
    """SIMULATED: 900 proteins; heights times widths are the share of features, and none has a mark of its own."""
    rng = np.random.default_rng(5)
    names = [f"proteins__p{i}" for i in range(900)]
    values = pd.DataFrame(rng.uniform(-20, 120, size=(1, 900)), index=["p000"], columns=names)
    f = placed(values)
    figure = fingerprint_figure(f, "p000")
    assert len(names) > DOTS
    assert dots(figure, 0) == []
    bars = [p for p in figure.axes[0].patches if isinstance(p, Rectangle) and p.get_height() < 0]
    shares = np.array([-p.get_height() * p.get_width() for p in bars])
    outer = np.array([abs(p.get_x() + p.get_width() / 2) > 1.645 for p in bars])
    wanted = (values.lt(5) | values.gt(95)).mean(axis=None)
    assert shares[outer].sum() / shares.sum() == pytest.approx(wanted, abs=0.01)
    assert sum(len(t) for t in texts(figure)) < 400


def test_stand_ins_and_limits_are_hollow():
    values = np.full((1, 11), 50.0)
    index = pd.Index(["p000"])
    proxies = pd.DataFrame({"a__f1": [True]}, index=index)
    limits = pd.DataFrame({"b__f2": [np.int8(-1)]}, index=index)
    f = fingerprint(matrix_of(values, proxies, limits), {f"{b}__f{i}": HUNDRED for b in "ab" for i in range(5)})
    figure = fingerprint_figure(f, "p000")
    hollow = [x for x in figure.axes[0].lines if x.get_marker() == "o" and x.get_markerfacecolor() == "none"]
    assert sorted(round(float(x.get_ydata()[0])) for x in hollow) == [0, 1]
    assert "stand-in or limit" in texts(figure)


def test_the_words_say_each_block_and_each_therapy(one, drivers):
    said = fingerprint_words(one, "p000", drivers)
    assert said.startswith("Molecular fingerprint against simulated. A: 6 of 6 known, 1 outside the middle 90% (")
    assert "B: not measured." in said
    assert "Contributions to drug A, log-odds: A +0.30, B unknown." in said
    assert "Contributions to drug F, log-odds: A 0.00, B unknown." in said


def test_a_patient_of_whom_nothing_is_known():
    f = simulated([[NAN] * 11])
    figure = fingerprint_figure(f, "p000")
    assert len(hatched(figure, 0)) == len(hatched(figure, 1)) == 2
    assert fingerprint_words(f, "p000") == "Molecular fingerprint against simulated. A: not measured. B: not measured."


def test_strangers_are_refused(one):
    with pytest.raises(UsageError, match="no such patient"):
        fingerprint_figure(one, "p999")
    with pytest.raises(UsageError, match="a driver is no feature"):
        fingerprint_words(one, "p000", pd.DataFrame({"c__x": [1.0]}, index=["drug"]))


@pytest.mark.parametrize("phone", [False, True])
def test_a_bundled_cohort_in_svg_and_png(model, phone, tmp_path):
    matrix = model.matrix(load_cohort("riaz2017_mel"))
    f = fingerprint(matrix, model.reference_, cohort="liu2019_mel")
    _, parts = model.fusion_.split(matrix)
    drivers = parts.loc[["Pt1"]].set_axis(["anti-PD-1 <b>"])
    words = fingerprint_words(f, "Pt1", drivers)
    figure = fingerprint_figure(f, "Pt1", drivers, phone=phone)
    svg = to_svg(figure, words)
    assert svg == to_svg(fingerprint_figure(f, "Pt1", drivers, phone=phone), words)
    assert "nan" not in re.sub(r"[a-z]*nan[a-z]+", "", svg.lower())
    assert not any(re.search(rf">\s*{re.escape(i)}\s*<|\b{re.escape(i)}\b", svg) for i in matrix.values.index)
    assert "<metadata" not in svg
    assert "<b>" not in svg
    assert "currentColor" in svg
    for block in matrix.blocks:
        assert f"{block}:" in unescape(re.search('aria-label="(.*?)"', svg)[1])
        assert f">{block}<" in svg
    to_png(figure, tmp_path / "f.png")
    assert (tmp_path / "f.png").stat().st_size > 5000
    assert b"Pt1" not in (tmp_path / "f.png").read_bytes()
