"""Equity audit: groups as they are written, gaps that are there and none that are not, and nobody who can be known."""

import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import fisher_exact

from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.models.decision_curve import TOO_FEW
from theracast.models.estimates import Estimate
from theracast.models.fairness import COLUMNS, METRICS, Gap, _exact, _tell, equity_audit, holm
from theracast.models.metrics import auc, brier, brier_skill
from theracast.models.pooling import pooled_auc, random_effects
from theracast.models.subgroups import ATTRIBUTES, NOT_KNOWN, OTHERS, of_predictions, subgroups
from theracast.models.validate import MODEL, leave_cohorts_out

GOLDEN = Path(__file__).parents[1] / "golden"


def made(sexes, cohorts, y, p, decision=None, said=None, prior=0.4):
    """SIMULATED predictions and their cohorts; ids begin with 'patient' so that a leak would be seen."""
    ids = [f"patient{i}" for i in range(len(y))]
    said = np.full(len(y), "both") if said is None else said
    table = pd.DataFrame(
        {"cohort": cohorts, "y": np.asarray(y, dtype=float), MODEL: p, "prior": prior, "set": said,
         "decision": said if decision is None else decision}, index=ids)  # fmt: skip
    table["decision"] = table["decision"].replace("both", "abstain")
    clinical = pd.DataFrame({"sex": sexes}, index=ids)
    names = dict.fromkeys(cohorts)
    held = {n: Cohort.from_tables({"clinical": clinical[np.asarray(cohorts) == n]}, name=n) for n in names}
    return table, held


def drawn(rng, n=300, cohorts=3, useless=None, missed=None):
    """SIMULATED: calibrated predictions of patients half of whom are women; what is planted is planted among women."""
    sex = rng.choice(["F", "M"], n)
    p = rng.uniform(0.1, 0.8, n)
    y = (rng.random(n) < p).astype(int)
    if useless:
        women = sex == "F"
        y[women] = rng.random(women.sum()) < p[women].mean()
    said = np.where(p > 0.6, "response", np.where(p < 0.3, "no_response", "both"))
    if missed:
        said[(sex == "F") & (y == 1)] = "no_response"
    return made(sex, np.repeat([f"study{k}" for k in range(cohorts)], n // cohorts), y, p, said=said)


def by_group(audit, attribute="sex"):
    return audit[audit["attribute"] == attribute].set_index("group")


# ---------------------------------------------------------------- who belongs to which group


def test_groups_are_read_as_the_clinical_block_reads_them():
    clinical = pd.DataFrame(
        {
            "sex": ["F", "male", "unknown", None],
            "age": [49.9, 50, 75, None],
            "race": ["WHITE", " Black  or African American", "UNKNOWN", None],
            "ethnicity": [None, None, "Hispanic", None],
            "cancer_type": ["Kidney", "melanoma", "chordoma", None],
            "prior_ici": ["none", "CTLA4", "PD1", None],
            "prior_treatment": ["yes", "0", None, None],
        },
        index=list("abcd"),
    )
    found = subgroups(Cohort.from_tables({"clinical": clinical}, name="made_up"))
    assert list(found) == list(ATTRIBUTES)
    assert found["sex"].tolist() == ["female", "male", NOT_KNOWN, NOT_KNOWN]
    assert found["age"].tolist() == ["below 50", "50 to 64", "75 and over", NOT_KNOWN]
    assert found["ancestry"].tolist() == ["white", "black or african american", "hispanic", NOT_KNOWN]
    assert found["tumour"].tolist() == ["renal", "melanoma", NOT_KNOWN, NOT_KNOWN]
    assert found["prior_ici"].tolist() == ["no", "yes", "yes", NOT_KNOWN]
    assert found["prior_treatment"].tolist() == ["yes", "no", NOT_KNOWN, NOT_KNOWN]
    assert set(found["study"]) == {"made_up"}


@pytest.mark.parametrize(
    ("counts", "left"),
    [
        ({"F": 20, "M": 20}, {"female": 20, "male": 20}),
        ({"F": 20, "M": 17, None: 3}, {"female": 20, OTHERS: 20}),  # three alone would be the whole less the others
        ({"F": 4, "M": 3}, {OTHERS: 7}),
        ({"F": 20, None: 5}, {"female": 20, NOT_KNOWN: 5}),
        ({None: 30}, {NOT_KNOWN: 30}),
    ],
)
def test_no_group_of_fewer_than_five_is_told_and_none_can_be_worked_out(counts, left):
    sexes = [s for s, n in counts.items() for _ in range(n)]
    table, cohorts = made(sexes, ["a"] * len(sexes), [0] * len(sexes), [0.5] * len(sexes))
    assert of_predictions(table, cohorts)["sex"].value_counts().to_dict() == left


def test_ids_that_two_cohorts_share_are_not_mixed_up():
    clinical = {n: pd.DataFrame({"sex": [s] * 6}, index=list("abcdef")) for n, s in (("x", "F"), ("y", "M"))}
    cohorts = {n: Cohort.from_tables({"clinical": t}, name=n) for n, t in clinical.items()}
    predictions = pd.DataFrame({"cohort": ["y"] * 6 + ["x"] * 6}, index=list("fedcba") * 2)
    assert of_predictions(predictions, cohorts)["sex"].tolist() == ["male"] * 6 + ["female"] * 6


# ---------------------------------------------------------------- figures


def test_figures_are_those_of_the_metrics_within_cohorts(rng):
    table, cohorts = drawn(rng, 360)
    women = by_group(equity_audit(table, cohorts)).loc["female"]
    mine = table[of_predictions(table, cohorts)["sex"].to_numpy() == "female"]
    parts = [p for _, p in mine.groupby("cohort")]
    areas = [auc(p.y, p[MODEL]) for p in parts]
    assert women.auc == pooled_auc(areas, modified=True).mean.value
    assert women.cohorts == 3
    off = [(p.y - p[MODEL]).mean() for p in parts]
    ses = [np.sqrt((p[MODEL] * (1 - p[MODEL])).sum()) / len(p) for p in parts]
    assert women.calibration == random_effects(off, ses, modified=True).mean.value
    assert women.brier == brier(mine.y, mine[MODEL])
    assert women.brier_skill == brier_skill(mine.y, mine[MODEL], 0.4)
    assert (women.n, women.R, women.NR) == (len(mine), (mine.y == 1).sum(), (mine.y == 0).sum())
    whole = auc(mine.y, mine[MODEL]).value
    assert women.auc != whole, "patients of different cohorts are never pooled into one AUC"


def test_shares_are_those_of_fairlearn():
    told = json.loads((GOLDEN / "fairness_fairlearn.json").read_text("utf-8"))["by_group"]
    t = pd.read_csv(GOLDEN / "fairness_input.csv", keep_default_na=False)
    columns = {name: t[name].to_numpy() for name in ("y", "decision")}
    table, cohorts = made(list(t["sex"]), list(t["cohort"]), p=t[MODEL].to_numpy(), said=t["set"].to_numpy(), **columns)
    found = by_group(equity_audit(table, cohorts))
    assert set(found.index) == set(told)
    for group, figures in told.items():
        for name, value in figures.items():
            if not (name == "missed" and np.isnan(found.loc[group, name])):
                assert found.loc[group, name] == pytest.approx(value, abs=1e-12), (group, name)
    assert found["missed"].notna().sum() >= 2


def test_a_share_of_training_is_of_the_cohorts_that_train():
    table, cohorts = made(["F"] * 30 + ["M"] * 10 + ["F"] * 40, ["a"] * 40 + ["b"] * 40, [0, 1] * 40, [0.5] * 80)
    found = by_group(equity_audit(table, cohorts, holdout=["b"]))
    assert found["trained"].to_dict() == {"female": 0.75, "male": 0.25}
    assert found["share"].to_dict() == {"female": 0.875, "male": 0.125}
    assert by_group(equity_audit(table, cohorts, holdout=["a", "b"]))["trained"].isna().all()


def test_patients_of_whom_nothing_is_known_abstain_and_have_no_auc(rng):
    table, cohorts = drawn(rng)
    table.loc[table.index[:60], MODEL] = np.nan
    found = by_group(equity_audit(table, cohorts))
    known = table[table[MODEL].notna().to_numpy() & (of_predictions(table, cohorts)["sex"] == "male").to_numpy()]
    assert found.loc["male", "brier"] == brier(known.y, known[MODEL])
    assert found["n"].sum() == len(table)


# ---------------------------------------------------------------- too few to tell


def test_below_ten_of_a_class_nothing_is_told_but_how_many_and_how_often_it_abstains(rng):
    sexes = ["F"] * 40 + ["M"] * 40
    y = [1] * 9 + [0] * 31 + [0, 1] * 20
    table, cohorts = made(sexes, ["a"] * 80, y, rng.uniform(0.1, 0.9, 80))
    found = by_group(equity_audit(table, cohorts))
    women, men = found.loc["female"], found.loc["male"]
    assert women["note"] == TOO_FEW
    assert (women.n, women.R, women.NR, women.abstains) == (40, 9, 31, 1.0)
    blank = [c for c in COLUMNS[8:-1] if not c.startswith("abstains")]
    assert women[blank].isna().all()
    assert men.auc == men.auc
    assert found[[f"{m}_gap" for m in METRICS]].isna().all(axis=None), "nor is the rest compared with them"


def test_counts_below_five_are_not_told(rng):
    sexes = ["F"] * 20 + ["M"] * 60
    table, cohorts = made(sexes, ["a"] * 80, [1] * 4 + [0] * 16 + [0, 1] * 30, rng.uniform(0.1, 0.9, 80))
    women = by_group(equity_audit(table, cohorts)).loc["female"]
    assert women[["R", "NR"]].isna().all()
    assert women.n == 20
    few, cohorts = made(["F"] * 3, ["a"] * 3, [0, 1, 0], [0.2, 0.4, 0.6])
    lone = by_group(equity_audit(few, cohorts))
    assert lone.index.tolist() == [OTHERS]
    assert lone.loc[OTHERS, "n"] != lone.loc[OTHERS, "n"]
    assert lone.loc[OTHERS, "note"] == TOO_FEW


def test_a_group_with_too_few_in_every_cohort_has_no_auc_and_says_so(rng):
    y = [1, 1, 1, 0, 0, 0] * 6
    table, cohorts = made(["F"] * 36, np.repeat(list("abcdef"), 6), y, rng.uniform(0.1, 0.9, 36))
    row = by_group(equity_audit(table, cohorts)).loc["female"]
    assert np.isnan(row.auc)
    assert row["note"] == f"{TOO_FEW} of the AUC: no cohort has 5 of each class"
    assert row.brier == row.brier


def test_no_patients_no_rows():
    empty = equity_audit(pd.DataFrame(), {})
    assert empty.empty
    assert list(empty) == list(COLUMNS)


def test_nobody_can_be_found_in_it(rng):
    table, cohorts = drawn(rng)
    assert "patient" not in equity_audit(table, cohorts).to_csv()


# ---------------------------------------------------------------- gaps


def test_a_model_that_is_useless_for_women_is_found_out(rng):
    found = by_group(equity_audit(*drawn(rng, 1200, useless=True)))
    assert found.loc["female", "auc_gap_p"] < 0.01
    assert found.loc["female", "auc_gap"] < -0.15
    assert found.loc["female", "auc_gap"] == -found.loc["male", "auc_gap"]
    assert "differs from the rest in auc (3 cohorts)" in found.loc["female", "note"]


def test_women_whose_response_is_missed_are_found_out(rng):
    found = by_group(equity_audit(*drawn(rng, missed=True)))
    assert found.loc["female", "missed"] == 1.0
    assert found.loc["female", "missed_gap_p"] < 0.001
    assert found.loc["female", "missed_gap"] > 0.4


@pytest.mark.nightly
def test_false_alarms_are_as_rare_as_they_say():
    """SIMULATED: where the groups are alike, one audit in twenty or fewer names a gap."""
    alarms = [
        equity_audit(*drawn(np.random.default_rng(seed), 240))["note"].str.contains("differs").any()
        for seed in range(120)
    ]
    assert np.mean(alarms) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 120)


def test_a_cohort_of_many_women_and_many_responders_is_no_gap(rng):
    """SIMULATED Simpson: women respond more often only because their cohort does, and the model does not know it."""
    n = 400
    cohort = np.repeat(["high", "low"], n // 2)
    sex = np.where(rng.random(n) < np.where(cohort == "high", 0.9, 0.1), "F", "M")
    y = (rng.random(n) < np.where(cohort == "high", 0.7, 0.2)).astype(int)
    table, cohorts = made(sex, cohort, y, rng.uniform(0.4, 0.5, n))
    found = by_group(equity_audit(table, cohorts))
    crude = (table.y - table[MODEL]).groupby(sex).mean()
    assert crude["F"] - crude["M"] > 0.2
    assert abs(found.loc["female", "calibration_gap"]) < 0.1
    assert found.loc["female", "calibration_gap_p"] > 0.05


def test_p_values_are_adjusted_over_every_test_once(rng):
    """Women and men of one cohort are one test a metric: five are made, and the smallest counts five times."""
    table, cohorts = drawn(rng, 300, cohorts=1, missed=True)
    women = by_group(equity_audit(table, cohorts)).loc["female"]
    sex = of_predictions(table, cohorts)["sex"].to_numpy()
    answered = table[(table.y == 1).to_numpy() & (table.decision != "abstain").to_numpy()]
    own = sex[[table.index.get_loc(i) for i in answered.index]]
    cells = pd.crosstab(own, answered.decision == "no_response").to_numpy()
    assert women.missed_gap_p == pytest.approx(min(1.0, 5 * fisher_exact(cells).pvalue))


def test_two_groups_without_any_gap_are_two_tests():
    """Every age abstains by half: four groups, four tests of abstentions with nothing to find, none of them lost."""
    rows, gaps = [], []
    for n in (20, 30, 50, 60):
        rows.append({"attribute": "age", "n": float(n), "note": ""})
        gaps.append({"abstains": Gap(Estimate(0.0, -0.1, 0.1, 0.05), 2, 1.0)})
    rows.append({"attribute": "sex", "n": 80.0, "note": ""})
    rows.append({"attribute": "sex", "n": 80.0, "note": ""})
    gaps += [{"missed": Gap(Estimate(v, -0.5, 0.5, 0.05), 2, 0.009)} for v in (0.2, -0.2)]
    _tell(rows, gaps, 160)
    assert [r["missed_gap_p"] for r in rows[4:]] == pytest.approx([0.045, 0.045])


def test_what_is_known_in_one_cohort_only_rests_on_it_and_says_so(rng):
    table, cohorts = drawn(rng, 360, missed=True)
    for name in ("study1", "study2"):
        silent = cohorts[name].table("clinical").assign(sex=[None] * len(cohorts[name]))
        cohorts[name] = Cohort.from_tables({"clinical": silent}, name=name)
    found = by_group(equity_audit(table, cohorts))
    assert found.index.tolist() == ["female", "male", NOT_KNOWN]
    assert found.loc[NOT_KNOWN, "n"] == 240
    assert found.loc["female", "cohorts"] == 1
    assert "missed (1 cohort)" in found.loc["female", "note"]
    assert found.loc["female", "missed_gap"] == -found.loc["male", "missed_gap"]
    assert found.loc[NOT_KNOWN, [f"{m}_gap" for m in METRICS]].isna().all(), "it has no rest in its own cohorts"


def test_a_group_of_whom_nobody_responded_is_counted_and_too_few(rng):
    sexes = ["F"] * 40 + ["M"] * 60
    table, cohorts = made(sexes, ["a"] * 100, [0] * 40 + [0, 1] * 30, rng.uniform(0.1, 0.9, 100))
    women = by_group(equity_audit(table, cohorts)).loc["female"]
    assert (women.n, women["note"]) == (40, TOO_FEW)
    assert women[["auc", "calibration", "brier", "coverage", "missed"]].isna().all()
    assert women[["R", "NR"]].isna().all(), "that nobody of them responded would tell it of each"


def test_holm_by_hand():
    assert holm([]).tolist() == []
    assert holm([0.02]).tolist() == [0.02]
    assert holm([0.01, 0.02, 0.04]).tolist() == pytest.approx([0.03, 0.04, 0.04])
    assert holm([0.04, 0.9, 0.011, 0.8]).tolist() == pytest.approx([0.12, 1.0, 0.044, 1.0])


def test_the_exact_test_is_fishers_and_with_two_cohorts_a_count_of_all_deals():
    one = pd.Series([1, 1, 1, 0, 0]), pd.Series([0, 0, 0, 0, 1, 0])
    assert _exact([one]) == pytest.approx(fisher_exact([[3, 2], [1, 5]]).pvalue)
    two = pd.Series([1, 1, 0]), pd.Series([0, 0, 0])
    deals = []
    for cell in (one, two):
        values = np.concatenate(cell)
        deals.append([values[list(w)].sum() for w in itertools.combinations(range(len(values)), len(cell[0]))])
    sums = np.add.outer(*deals).ravel()
    chance = {s: np.mean(sums == s) for s in set(sums)}
    assert _exact([one, two]) == pytest.approx(sum(c for c in chance.values() if c <= chance[5.0] * (1 + 1e-9)))


def test_p_values_are_those_of_r():
    told = json.loads((GOLDEN / "fairness_r.json").read_text("utf-8"))
    found = []
    for cells in told["tables"]:
        cohorts = np.reshape(cells, (3, 2, 2))  # cohort, group, outcome
        pairs = [tuple(pd.Series([1.0] * yes + [0.0] * no) for yes, no in groups) for groups in cohorts]
        found.append(_exact(pairs))
    assert found == pytest.approx(told["p"], rel=1e-9)
    assert holm(found) == pytest.approx(told["holm"], rel=1e-9)


def test_a_validation_has_it_for_every_attribute():
    names = ("liu2019_mel", "riaz2017_mel", "mgh2022_mel")
    cohorts = {n: load_cohort(n) for n in names}
    found = leave_cohorts_out(ResponseModel(blocks=("mutations",)), cohorts, ("mgh2022_mel",))
    assert set(found.equity["attribute"]) == set(ATTRIBUTES)
    assert found.equity.groupby("attribute")["n"].sum().eq(len(found.predictions)).all()
    assert by_group(found.equity, "study").loc["mgh2022_mel", "trained"] == 0.0
    pd.testing.assert_frame_equal(
        found.equity, equity_audit(found.predictions, cohorts, holdout=["mgh2022_mel"]), check_exact=True
    )
