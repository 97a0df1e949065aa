"""The tables of experiments/ici.py on SIMULATED predictions, its folds on bundled cohorts, and what is committed."""

import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.models.baselines import BASELINES
from theracast.models.config import Experiment
from theracast.models.metrics import auc, auc_difference, brier
from theracast.models.pooling import random_effects
from theracast.models.splits import family
from theracast.models.validate import leave_cohorts_out
from theracast.provenance import sha256_file

FOLDER = Path(__file__).parents[2] / "experiments"
SMALL = ["hugo2016_mel", "liu2019_mel", "riaz2017_mel"]
BLOCKS = ["pathology", "mutations", "signatures", "clinical"]


@pytest.fixture(scope="module")
def rooms():
    """The modules of experiments/, which are no package."""
    sys.path.insert(0, str(FOLDER))
    try:
        import ici
        import ici_page
        import ici_plots
        import ici_runs
        import ici_tables

        yield SimpleNamespace(ici=ici, page=ici_page, plots=ici_plots, runs=ici_runs, tables=ici_tables)
    finally:
        sys.path.remove(str(FOLDER))


@pytest.fixture
def simulated(rng):
    """SIMULATED: three cohorts, labels drawn from a known probability, scores that know more and more of it."""
    parts = []
    for name, n in (("a", 240), ("b", 160), ("c", 40)):
        margin = rng.normal(-0.8, 1.2, n)
        part = pd.DataFrame({"y": (rng.random(n) < expit(margin)).astype(float), "theracast": expit(margin)})
        part = part.assign(cohort=name, prior=0.35, prevalence=0.35, patient=[f"{name}{i}" for i in range(n)])
        part["noise"], part["half"] = rng.normal(size=n), margin + rng.normal(0, 1.2, n)
        parts.append(part)
    return pd.concat(parts).set_index("patient")


def test_a_step_is_paired_on_the_same_patients_and_random_over_cohorts(rooms, simulated):
    frame = simulated.copy()
    frame.loc[frame.index[::3], "half"] = np.nan
    found = rooms.tables.mean_difference(frame, "theracast", "half")
    both = [p for _, p in frame.dropna(subset="half").groupby("cohort")]
    steps = [auc_difference(p.y, p.theracast, p.half) for p in both]
    pooled = random_effects([s.value for s in steps], [s.se for s in steps], modified=True).mean
    assert (found["step"], found["step_upper"]) == pytest.approx((pooled.value, pooled.upper))
    assert found["plain_step"] == pytest.approx(np.mean([s.value for s in steps]))
    assert found["step_n"] == sum(map(len, both))


def test_equal_order_is_no_difference_of_unknown_size(rooms, simulated):
    frame = simulated.assign(again=np.where(simulated.cohort == "a", simulated.half, simulated.theracast * 0.5))
    found = rooms.tables.mean_difference(frame, "theracast", "again")
    assert (found["step_cohorts"], found["step_all"]) == (1, 3)
    only = frame[frame.cohort == "a"]
    assert found["step"] == pytest.approx(auc_difference(only.y, only.theracast, only.half).value)
    assert found["plain_step"] == pytest.approx(found["step"] / 3)


def test_the_ladder_stands_on_rungs_below_and_says_what_each_adds(rooms, simulated):
    rungs = [r for r, _ in rooms.tables.LADDER]
    assert all(below == "" or below in rungs[:at] for at, (_, below) in enumerate(rooms.tables.LADDER))
    assert set(BASELINES) <= set(rungs), "the dull ones are the first rungs"
    assert [*rooms.ici.RUNGS, rooms.ici.FINAL] == rungs[-4:]
    frame = simulated.assign(**dict.fromkeys(rungs, simulated.noise)).assign(**{"+ clinical": simulated.half})
    table = rooms.tables.ladder(frame.assign(prevalence=0.35), {"all": ["a", "b", "c"], "one": ["a"], "none": []})
    rows = table[table["set"] == "all"].set_index("rung")
    assert rows.loc["prevalence", "auc"] == 0.5
    assert rows.loc["+ clinical", "step"] > 0.1
    assert rows.loc["tumour types known", "step"] == pytest.approx(-rows.loc["+ clinical", "step"]), "down as well"
    assert table[table["set"] == "one"].set_index("rung").loc["+ clinical", "step_lower"] > 0
    assert table[table["set"] == "none"].auc.isna().all()


def test_beside_published_averages_seeds_and_counts_cohorts_once(rooms, simulated):
    names = rooms.tables.COMPASS_COHORTS
    frame = simulated.assign(cohort=simulated.cohort.map({"a": "liu2019_mel", "b": "kim2018_gastric", "c": "d"}))
    frame = frame.assign(expanded_immune=frame.noise, **{"PD-L1": frame.half})
    methods = [f"{m}_{s}" if m.endswith("FT") else m for m in rooms.tables.COMPASS_METHODS for s in (1, 2)]
    published = pd.DataFrame(
        [(m, c, 0.6 if m.endswith("_1") else 0.8) for m in dict.fromkeys(methods) for c in names.values()],
        columns=["method", "test_cohort", "ROC"],
    )
    sets = {"A": ["liu2019_mel", "kim2018_gastric"]}
    table = rooms.tables.beside_published({"ours": frame}, published, sets).set_index("cohort")
    assert table.loc["hugo2016_mel", "COMPASS PFT"] == pytest.approx(0.7)
    assert table.loc["mean, set A", "GEP"] == pytest.approx(0.8)
    areas = [auc(p.y, p.theracast).value for _, p in frame[frame.cohort != "d"].groupby("cohort")]
    assert table.loc["mean, set A", "ours"] == pytest.approx(np.mean(areas))
    assert "COMPASS's label" not in " ".join(table.index)


def test_loris_is_compared_where_both_can_say(rooms, simulated):
    frame = simulated.assign(loris_pan=simulated.half.where(simulated.cohort != "c"))
    frame.iloc[:40, frame.columns.get_loc("loris_pan")] = np.nan
    frame.iloc[40:50, frame.columns.get_loc("theracast")] = np.nan
    table = rooms.tables.loris({"ours": frame}, ["a", "b", "c"]).set_index("cohort")
    assert table.n.to_dict() == {"a": 190, "b": 160, "mean": 350}
    assert table.loc["mean", "plain_step"] == pytest.approx(table.step[["a", "b"]].mean())
    b = frame[frame.cohort == "b"]
    assert table.loc["b", "published"] == pytest.approx(auc(b.y, b.loris_pan).value)


def test_dropped_blocks_are_judged_on_those_who_had_them(rooms, simulated):
    frame = simulated.assign(without_clinical=simulated.noise, had_clinical=simulated.cohort != "c")
    frame.iloc[:7, frame.columns.get_loc("without_clinical")] = np.nan
    row = rooms.tables.dropped(frame, ["clinical"], {"all": ["a", "b", "c"]}).iloc[0]
    assert (row.n, row.nothing_left, row.cohorts) == (393, 7, 2)
    assert row.auc > row.without_auc
    assert row.step == pytest.approx(row.auc - row.without_auc, abs=0.02)


def test_calibration_is_of_large_cohorts_beside_two_constants(rooms, simulated):
    table = rooms.tables.calibrated(simulated).set_index("cohort")
    assert list(table.index) == ["a", "b"], "40 patients say nothing of a slope"
    assert table.slope_could_be.all(), "SIMULATED: the probabilities are right"
    assert table.brier_below.all()
    a = simulated[simulated.cohort == "a"]
    assert table.loc["a", "brier_own_rate"] == pytest.approx(a.y.mean() * (1 - a.y.mean()))
    assert table.loc["a", "brier_prevalence"] == pytest.approx(brier(a.y, a.prevalence))
    bold = rooms.tables.calibrated(simulated.assign(theracast=expit(3 * np.log(simulated.theracast / 0.5))))
    assert not bold.slope_within.any()


def test_groups_of_a_calibration_curve(rooms, simulated):
    table = rooms.tables.reliability(simulated)
    a = table[table.cohort == "a"]
    assert a.n.tolist() == [48] * 5
    assert a.predicted.is_monotonic_increasing
    assert (a.rate * a.n).sum() == simulated[simulated.cohort == "a"].y.sum()
    # Wilson's interval of 5 in 10: .2366 to .7634
    middle, half = rooms.tables._wilson(0.5, 10)
    assert (middle - half, middle + half) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert rooms.tables.decisions(simulated).cohort.unique().tolist() == ["a", "b"]


@pytest.fixture(scope="module")
def small():
    given = Experiment.from_yaml(FOLDER / "pan_ici.yaml")
    return given.model_copy(update={"cohorts": SMALL, "options": {"C": 0.1}, "sets": {"A": SMALL}})


@pytest.fixture(scope="module")
def predicted(rooms, small, tmp_path_factory):
    runs = rooms.runs.Runs(small, jobs=1, folder=tmp_path_factory.mktemp("folds"))
    return runs, runs.predictions("test", runs.settings(), runs.strict(), full=True)


def test_folds_are_those_of_leave_cohorts_out(small, predicted):
    cohorts = {n: load_cohort(n) for n in SMALL}
    expected = leave_cohorts_out(ResponseModel(small.indication, options=small.options), cohorts).predictions
    found = predicted[1][expected.columns]
    pd.testing.assert_frame_equal(found, expected, check_names=False, check_dtype=False)


def test_a_fold_is_predicted_once_and_anew_by_other_code(rooms, predicted, monkeypatch, small):
    runs, frame = predicted

    def refuse(*given):
        raise RuntimeError("fits again")

    monkeypatch.setattr(rooms.runs, "predict_fold", refuse)
    pd.testing.assert_frame_equal(runs.predictions("test", runs.settings(), runs.strict(), full=True), frame)
    with pytest.raises(RuntimeError, match="fits again"):
        runs.predictions("test", runs.settings(tumour_aware=False), runs.strict(), full=True)
    later = rooms.runs.Runs(small, jobs=1, folder=runs.folder)
    later.code = "0" * 64
    with pytest.raises(RuntimeError, match="fits again"):
        later.predictions("test", runs.settings(), runs.strict(), full=True)
    later.kept = True
    pd.testing.assert_frame_equal(later.predictions("test", runs.settings(), runs.strict(), full=True), frame)
    assert later.codes == {runs.code[:12]}, "what is read says whose it is"


@pytest.mark.parametrize("block", [*BLOCKS, "rna"])
def test_a_dropped_block_leaves_no_value_and_moves_no_other(rooms, block):
    """SIMULATED loss: no reference value stands in, nothing crashes, and the model says that the block is missing."""
    model = ResponseModel("pan_ici").fit(load_cohort("liu2019_mel"))
    matrix = model.matrix(load_cohort("hugo2016_mel"))
    less, had = rooms.runs.without(matrix, block)
    assert had.sum() >= 25, "one patient has no TMB"
    gone = matrix.values.notna() & less.values.isna()
    inside = less.block("signatures" if block == "rna" else block)
    assert inside.isna().all(axis=None)
    assert less.coverage.loc[:, "signatures" if block == "rna" else block].eq(0).all()
    others = [c for c in matrix.values if c not in inside]
    if block == "rna":
        assert gone[others].equals(matrix.proxy[others] & matrix.observed[others])
        assert gone[others].any(axis=None), "PD-L1 and TIL by expression are of RNA too"
    else:
        assert less.values[others].equals(matrix.values[others])
    base, parts = model.fusion_.split(less)
    assert parts[less.values.columns[less.values.isna().all()].intersection(parts.columns)].eq(0).all(axis=None)
    table = model.respond(less).table
    if block != "rna":
        assert table.blocks_missing.str.split(",").map(lambda m: block in m).all()
    assert table.probability.notna().any()
    assert np.allclose(table.probability, expit(base + parts.sum(axis=1)), equal_nan=True)


def test_an_imputing_model_is_found_out(rooms):
    model = ResponseModel("pan_ici").fit(load_cohort("liu2019_mel"))
    matrix, honest = model.matrix(load_cohort("hugo2016_mel")), model.fusion_.split
    model.fusion_.split = lambda m: (honest(m)[0], honest(m)[1] + 0.1)
    with pytest.raises(SystemExit, match="not known has a say"):
        list(rooms.runs.dropped_blocks(model, matrix))


def test_no_model_beside_loris_saw_a_judged_patient(rooms, simulated):
    """Chowell train may teach the model that judges Chowell test; Vanguri, which has patients of both, may not."""
    asked = {}

    class Runs:
        def settings(self, **changes):
            return changes

        def predictions(self, what, settings, folds, full=False):
            asked[what] = folds
            return final

    final = simulated.assign(loris_pan=simulated.half, loris_nsclc=simulated.noise)
    names = [*rooms.ici.LORIS, rooms.ici.CHOWELL[0], "liu2019_mel"]
    strict = {n: [o for o in names if o not in family(n)] for n in names}
    rooms.ici.loris_table(Runs(), strict, final)
    train, test = rooms.ici.CHOWELL
    folds = asked["trained as LORIS was"]
    assert train in folds[test]
    assert "loris_vanguri_nsclc" not in folds[test]
    for name, others in folds.items():
        assert not set(others) & (family(name) - {train if name == test else ""})
    assert set(asked["Chowell train alone"]) == set(rooms.ici.LORIS)


def test_a_part_of_the_cohorts_is_not_taken_for_the_evidence(rooms, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["ici.py", "--cohorts", "liu2019_mel"])
    with pytest.raises(SystemExit, match="no evidence"):
        rooms.ici.main()


class TestCommitted:
    """What stands in experiments/ici was made from the experiments as they are, and the page shows it."""

    @pytest.fixture
    def made(self):
        return json.loads((FOLDER / "ici" / "made.json").read_text())

    @pytest.mark.parametrize("name", ["pan_ici", "melanoma_ici"])
    def test_of_the_experiment_as_it_is(self, name, made):
        written = Experiment.from_yaml(FOLDER / f"{name}.yaml")
        assert made[name]["experiment"] == written.digest, "the YAML has changed: run `make ici`"
        cohorts = pd.read_csv(FOLDER / "ici" / "cohorts.csv").query("experiment == @name and model == 'theracast'")
        assert set(cohorts.cohort) == {*written.cohorts, *written.holdout}
        means = pd.read_csv(FOLDER / "ici" / "means.csv").query("experiment == @name and model == 'theracast'")
        assert means.set_index("set").cohorts[list(written.sets)].tolist() == [len(s) for s in written.sets.values()]

    def test_no_table_was_touched(self, made):
        found = {f.name: sha256_file(f) for f in (FOLDER / "ici").glob("*.csv")}
        assert found == made["files"]

    def test_the_page_shows_the_tables(self, rooms):
        page = (FOLDER / "README.md").read_text("utf-8")
        (part,) = re.findall("<!-- begin ici -->\n(.*?)<!-- end ici -->", page, flags=re.DOTALL)
        assert part == rooms.page.ici_part(FOLDER / "ici") + "\n"
        pictures = re.findall(r"\]\((ici/\w+\.png)\)", part)
        assert len(pictures) == 4
        assert all((FOLDER / p).stat().st_size > 10_000 for p in pictures)

    def test_no_patient_is_in_a_table(self):
        columns = {c for f in (FOLDER / "ici").glob("*.csv") for c in pd.read_csv(f, nrows=0)}
        assert not columns & {"patient", "y", "patient_id"}
