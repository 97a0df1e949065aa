"""Pictures of an explanation: every dot is where it must be, what is not known is grey, the same picture every time."""

import io
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from explanations import FEATURES, explained, one_explained
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from theracast.errors import UsageError
from theracast.predict.importance import ALL, importance
from theracast.predict.report.beeswarm_plot import LOW_TO_HIGH, swarm
from theracast.predict.report.plots import STYLE, to_svg
from theracast.predict.report.printed import PALETTE

NAN = float("nan")


@pytest.fixture(scope="module")
def e():
    return explained(60)


def png(figure):
    sheet = io.BytesIO()
    figure.savefig(sheet, format="png", metadata={"Software": None})
    return sheet.getvalue()


def texts(figure):
    return [t.get_text() for t in figure.findobj(lambda a: hasattr(a, "get_text")) if t.get_text()]


def dots(ax):
    return [c for c in ax.collections if isinstance(c, PathCollection) and len(c.get_offsets())]


def all_figures(e):
    p = e.points.index[0]
    yield e.plot.waterfall(p)
    yield e.plot.fingerprint(p)
    yield e.plot.beeswarm()
    yield e.plot.dependence("tmb")
    yield e.plot.dependence("tmb", by="nlr")
    yield e.plot.importance()
    yield e.plot.importance("feature")


def test_what_there_is_can_be_found(e):
    names = [n for n in dir(e.plot) if not n.startswith("_")]
    assert set(names) >= {"waterfall", "fingerprint", "beeswarm", "dependence", "importance"}
    assert all(n in repr(e.plot) for n in names if n != "explanation")
    assert all(getattr(e.plot, n).__doc__ for n in names)


def test_each_is_a_figure_and_the_same_every_time(e):
    for one, again in zip(all_figures(e), all_figures(e), strict=True):
        assert isinstance(one, Figure)
        assert png(one) == png(again)
        assert to_svg(one, "simulated").startswith("<svg")


def test_no_id_is_drawn(e):
    for figure in all_figures(e):
        assert not [t for t in texts(figure) if "p00000" in t]


def test_the_beeswarm_has_a_dot_for_each_known_value_at_its_points(e):
    ax = e.plot.beeswarm().axes[0]
    drawn = sorted(round(float(x), 6) for c in dots(ax) for x, _ in c.get_offsets())
    moved = e.values.notna() | (e.points.abs() > 1e-9)
    wanted = sorted(round(float(100 * v), 6) for v in e.points.to_numpy()[moved.to_numpy()])
    assert drawn == pytest.approx(wanted, abs=1e-5)
    rows = [t for t in texts(ax.figure) if t.endswith("known")]
    assert len(rows) == len(FEATURES)
    assert f"{e.values.mutations__tmb.notna().sum()} of 60 known" in rows


def test_the_heaviest_stands_on_top_and_dots_stay_in_their_row(e):
    figure = e.plot.beeswarm(3)
    weights = e.points.abs().mean().sort_values(ascending=False)
    bold = [t.get_text() for t in figure.axes[0].texts if t.get_weight() == "bold"]
    assert len(bold) == 3
    assert {"mutations__tmb": "TMB", "pathology__pdl1": "PD-L1", "clinical__nlr": "NLR"}[weights.index[0]] == bold[0]
    assert any("3 lighter features not drawn" in t for t in texts(figure))
    y = np.concatenate([c.get_offsets()[:, 1] for c in dots(figure.axes[0])])
    assert np.abs(y - np.round(y)).max() <= 0.42 + 1e-9


def test_what_is_not_known_is_hollow_and_said_so():
    e = explained(60)
    unknown = e.values.mutations__tmb.isna()
    points = e.points.copy()
    points.loc[unknown, "mutations__tmb"] = 0.07
    figure = replace(e, points=points).plot.beeswarm()
    hollow = [c for c in dots(figure.axes[0]) if not len(c.get_facecolors())]
    assert [len(c.get_offsets()) for c in hollow] == [unknown.sum()]
    assert "not known: no evidence" in texts(figure)
    assert "not known: no evidence" not in texts(e.plot.beeswarm())


def test_low_is_blue_and_high_is_orange(e):
    ax = e.plot.beeswarm(1).axes[0]
    (c,) = dots(ax)
    by_place = np.argsort(c.get_array())
    assert c.get_cmap() is LOW_TO_HIGH
    assert c.get_array()[by_place[0]] < 0.1
    assert c.get_array()[by_place[-1]] == 1.0


@pytest.mark.parametrize("n", [1, 2, 7, 500])
def test_a_swarm_spreads_evenly_and_stays_within(n):
    x = np.zeros(n)
    offset = swarm(x, 1.0, 0.1, 0.4)
    assert len(np.unique(offset)) == n
    assert np.abs(offset).max() <= 0.4 + 1e-12
    assert offset.tolist() == swarm(x, 1.0, 0.1, 0.4).tolist()


def test_dependence_in_native_units_with_the_median_and_a_colour_per_study(e):
    ax = e.plot.dependence("mutations__tmb").axes[0]
    known = e.values.mutations__tmb.notna()
    drawn = np.concatenate([np.asarray(c.get_offsets()) for c in dots(ax)])
    wanted = pd.DataFrame({"x": e.values.mutations__tmb[known], "y": 100 * e.points.mutations__tmb[known]})
    assert sorted(map(tuple, drawn.round(6))) == sorted(map(tuple, wanted.to_numpy().round(6)))
    assert len(dots(ax)) == 3
    vertical = [line for line in ax.lines if len(set(line.get_xdata())) == 1 and line.get_xdata()[0] != 0]
    assert vertical[0].get_xdata()[0] == e.median.mutations__tmb
    assert ax.get_xlabel() == "TMB, mut/Mb"
    assert "expected: higher speaks for response" in texts(ax.figure)


def test_dependence_coloured_by_another_feature(e):
    figure = e.plot.dependence("tmb", by="nlr")
    assert any(t == "NLR, percentile" for t in texts(figure))
    (seen, hollow) = dots(figure.axes[0])
    known = e.values.mutations__tmb.notna()
    assert len(seen.get_offsets()) == (known & e.values.clinical__nlr.notna()).sum()
    assert len(hollow.get_offsets()) == (known & e.values.clinical__nlr.isna()).sum()


def test_dependence_of_a_yes_or_no_and_of_a_code_in_words(e):
    ticks = [t.get_text() for t in e.plot.dependence("prior_ici").axes[0].get_xticklabels()]
    assert ticks == ["no", "yes"]
    assert [t.get_text() for t in e.plot.dependence("smoking").axes[0].get_xticklabels()] == [
        "never",
        "former",
        "current",
    ]


def test_points_of_what_is_not_known_stand_apart():
    e = explained(60)
    unknown = e.values.mutations__tmb.isna()
    points = e.points.copy()
    points.loc[unknown, "mutations__tmb"] = 0.07
    figure = replace(e, points=points).plot.dependence("tmb")
    assert len(figure.axes) == 2
    assert f"not known\n({unknown.sum()})" in texts(figure)


def test_a_skewed_scale_is_logarithmic_and_zero_stays_on_it(e):
    values = e.values.copy()
    values["mutations__tmb"] = np.geomspace(0.01, 500, 60)
    assert replace(e, values=values).plot.dependence("tmb").axes[0].get_xscale() == "log"
    values.iloc[0, values.columns.get_loc("mutations__tmb")] = 0.0
    assert replace(e, values=values).plot.dependence("tmb").axes[0].get_xscale() == "symlog"


def test_many_studies_share_the_last_colour():
    e = explained(90, studies=9)
    figure = e.plot.dependence("tmb")
    assert len(dots(figure.axes[0])) == len(PALETTE)
    assert any(t.startswith("4 other studies") for t in texts(figure))


@pytest.mark.parametrize("name", ["tbm", "nothing"])
def test_an_unknown_feature_is_a_wrong_call_that_names_near_ones(e, name):
    with pytest.raises(UsageError, match="no such feature") as caught:
        e.plot.dependence(name)
    assert name != "tbm" or "tmb" in str(caught.value)


def test_importance_draws_each_cohort_where_it_is(e):
    ax = e.plot.importance("feature").axes[0]
    rows = importance(e)
    rows = rows[rows.level == "feature"]
    names = rows[rows.cohort == ALL].name.tolist()
    assert [p.get_width() for p in ax.patches] == pytest.approx((100 * rows[rows.cohort == ALL].points).tolist())
    legend = [t.get_text() for t in ax.get_legend().get_texts()]
    for k, study in enumerate(e.studies.unique()):
        line = next(x for x in ax.lines if x.get_color() == PALETTE[k])
        wanted = 100 * rows[rows.cohort == study].set_index("name").points.reindex(names)
        assert line.get_xdata() == pytest.approx(wanted.to_numpy())
        assert legend[k + 1] == f"{study} (20)"


def test_one_cohort_is_too_few_to_tell():
    assert any("too few to tell" in t for t in texts(explained(30, studies=1).plot.importance()))


def test_the_waterfall_says_what_is_no_evidence():
    e = one_explained(0.3, [0.05, 0.02], values=[1.0, NAN], directions={"clinical__nlr": -1})
    said = texts(e.plot.waterfall("p"))
    assert "1, median 0.5, against expectation" in said
    assert "not known, no evidence" in said
    noisy = one_explained(0.3, [0.05, 0.02], spread=[0.1, 0.001], replicas=pd.Series({"p": 5}))
    figure = noisy.plot.waterfall("p")
    assert "1, median 0.5, within noise" in texts(figure)
    assert [p.get_alpha() for p in figure.axes[0].patches] == [0.4, 1.0]


def test_the_fingerprint_of_an_explanation_is_that_of_the_scores(scores):
    from theracast.predict.explanation_plots import _fingerprint_of

    e, f = scores.explanation, scores.fingerprint
    for p in e.points.index:
        mine = _fingerprint_of(e, p)
        assert mine.percentiles.loc[p].equals(f.percentiles.loc[p].rename(p))
        columns = ["known", "features", "state"]
        assert mine.blocks.xs(p)[columns].astype(str).equals(f.blocks.xs(p, level="patient_id")[columns].astype(str))
        graded = [c for c in e.points if e.units[c] != "0/1"]
        assert mine.beyond.loc[p, graded].eq(f.beyond.loc[p, graded]).mean() > 0.9


@pytest.mark.parametrize("draw", ["waterfall", "fingerprint"])
def test_somebody_else_is_a_wrong_call(e, draw):
    with pytest.raises(UsageError, match="no such patient"):
        getattr(e.plot, draw)("secret")


def test_nobody_explained_is_a_sentence():
    e = replace(explained(12), points=explained(12).points * NAN)
    for figure in (e.plot.beeswarm(), e.plot.importance(), e.plot.dependence("tmb"), e.plot.waterfall("p00000")):
        assert len(texts(figure)) >= 1
        assert png(figure)


def test_nothing_runs_out_of_the_figure(e):
    import matplotlib as mpl

    for figure in all_figures(e):
        with mpl.rc_context(STYLE):
            canvas = FigureCanvasAgg(figure)
            canvas.draw()
            width, height = canvas.get_width_height()
            for ax in figure.axes:
                box = ax.get_tightbbox(canvas.get_renderer())
                assert box.x0 >= -1, figure
                assert box.x1 <= width + 1, figure
                assert box.y0 >= -1, figure
                assert box.y1 <= height + 1, figure


def test_ten_thousand_patients_are_drawn_in_seconds():
    e = explained(10_000)
    start = time.perf_counter()
    figure = e.plot.beeswarm()
    assert len(png(figure)) > 1000
    assert time.perf_counter() - start < 10
    assert len(to_svg(figure, "simulated")) < 2_000_000
