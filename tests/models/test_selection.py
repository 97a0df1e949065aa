"""Selection over SIMULATED studies: ranked within a study, never across; nothing known, nothing said."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from theracast.errors import DataError, UsageError
from theracast.features.cohort import Cohort
from theracast.models.lone_therapy import ALONE, LoneTherapy
from theracast.models.ranking import INSUFFICIENT, NOT_COMPARABLE, RANKED, RANKING, TRIED
from theracast.models.selection import ELSEWHERE, ONE_LEFT, SelectionModel
from theracast.models.selection_spec import Arm, SelectionSpec
from theracast.models.utility import Burden, Utility

ARMS = (
    Arm("anti-TNF", "TNF", "two", ("clinical",), "age and sex"),
    Arm("anti-IL-6", "IL-6", "two", ("clinical",), "age and sex"),
    Arm("csDMARD", "conventional", "one", ("metabolites",), "lipids"),
    Arm("noise a", "", "noise", ("disease_activity",), "activity"),
    Arm("noise b", "", "noise", ("disease_activity",), "activity"),
)
SPEC = SelectionSpec("simulated", "Simulated", "response", "week 6", "nobody", ARMS, "Tests.", "Care.")
LIPIDS = ["A", "B", "C", "D"]


def trial(arms, seed=0, n=200, effect=2.0):
    """SIMULATED: age moves the response to the first therapy up and to the second down."""
    rng = np.random.default_rng(seed)
    age = rng.uniform(20, 80, n)
    given = rng.integers(len(arms), size=n)
    sign = np.where(given == 0, 1.0, -1.0) * effect
    response = rng.random(n) < expit(sign * (age - 50) / 10)
    table = pd.DataFrame({"age": age, "sex": rng.choice(["M", "F"], n), "treatment": np.array(arms)[given]})
    return table.assign(response=np.where(response, "R", "NR")).rename(index=lambda i: f"t{i}")


def lipid_study(seed=1, n=80, effect=1.5):
    rng = np.random.default_rng(seed)
    levels = np.exp2(rng.normal(4, 1.5, (n, len(LIPIDS))))
    response = rng.random(n) < expit(effect * (np.log2(levels[:, 0]) - 4))
    index = pd.Index([f"l{i}" for i in range(n)], name="patient_id")
    clinical = pd.DataFrame({"treatment": "csDMARD", "response": np.where(response, "R", "NR")}, index=index)
    return Cohort.from_tables(
        {"clinical": clinical, "metabolites": pd.DataFrame(levels, index, LIPIDS)}, units={"metabolites": "pg/mL"}
    )


def noise_study(seed=2, n=120):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"das28_crp": rng.uniform(2, 7, n), "treatment": rng.choice(["noise a", "noise b"], n)})
    table["response"] = rng.choice(["R", "NR"], n)
    return Cohort.from_tables({"clinical": table.rename(index=lambda i: f"n{i}")})


@pytest.fixture(scope="module")
def cohorts():
    two = Cohort.from_tables({"clinical": trial(["anti-TNF", "anti-IL-6"])})
    return {"two": two, "one": lipid_study(), "noise": noise_study()}


@pytest.fixture(scope="module")
def model(cohorts):
    return SelectionModel(SPEC).fit(cohorts)


@pytest.fixture(scope="module")
def patients():
    """Age alone, lipids alone, everything, nothing."""
    ids = pd.Index(["age", "lipids", "all", "none"], name="patient_id")
    nan = np.nan
    clinical = {"age": [70, nan, 30, nan], "sex": ["F", None, "M", None], "das28_crp": [nan, nan, 5.0, nan]}
    levels = pd.DataFrame([[nan] * 4, [64, 9, 9, 9], [2, 9, 9, 9], [nan] * 4], ids, LIPIDS)
    tables = {"clinical": pd.DataFrame(clinical, index=ids), "metabolites": levels}
    return Cohort.from_tables(tables, units={"metabolites": "pg/mL"})


def line(table, patient, therapy):
    return table[(table["patient_id"] == patient) & (table["therapy"] == therapy)].iloc[0]


def test_every_arm_stands_beside_the_others(model, patients):
    table = model.rank(patients).table
    assert table.columns.tolist() == list(RANKING)
    assert len(table) == len(patients) * len(ARMS)
    assert table["patient_id"].tolist() == np.repeat(patients.ids, len(ARMS)).tolist()
    given = table.groupby("patient_id")["therapy"].agg(set)
    assert (given == {a.therapy for a in ARMS}).all()


def test_within_a_study_the_better_is_first(model, patients):
    ranking = model.rank(patients)
    assert ranking.best().to_dict() == {"age": "anti-TNF", "lipids": "", "all": "anti-IL-6", "none": ""}
    assert sorted(ranking.table["rank"].dropna().unique()) == [1, 2]


def test_one_arm_has_a_probability_and_no_rank(model, patients):
    table = model.rank(patients).table
    for patient, least, most in (("lipids", 0.6, 1.0), ("all", 0.0, 0.4)):
        said = line(table, patient, "csDMARD")
        assert said["state"] == NOT_COMPARABLE
        assert said["reason"] == ALONE
        assert np.isnan(said["rank"])
        assert np.isnan(said["gain"])
        assert least < said["probability"] < most
        assert said["lower"] < said["probability"] < said["upper"]


def test_nothing_known_is_no_prediction(model, patients):
    table = model.rank(patients).table
    nothing = table[table["patient_id"] == "none"]
    assert (nothing["state"] == INSUFFICIENT).all()
    assert nothing["probability"].isna().all()
    assert set(nothing["reason"]) == {"no age and sex known", "no lipids known", "no activity known"}
    assert line(table, "age", "csDMARD")["reason"] == "no lipids known"
    assert np.isnan(line(table, "age", "csDMARD")["probability"])


def test_noise_is_insufficient(model, patients):
    table = model.rank(patients).table
    for therapy in ("noise a", "noise b"):
        said = line(table, "all", therapy)
        assert said["state"] == INSUFFICIENT
        assert "no signal" in said["reason"]
        assert np.isnan(said["rank"])


def test_less_than_half_of_a_block_is_not_known(model, cohorts):
    """One of four lipids is 1/10 of levels, ratios and totals that a model could read."""
    few = pd.DataFrame([[64.0, np.nan, np.nan, np.nan]], ["p"], LIPIDS)
    cohort = Cohort.from_tables({"metabolites": few}, units={"metabolites": "pg/mL"})
    assert line(model.rank(cohort).table, "p", "csDMARD")["reason"] == "no lipids known"


def test_ranks_of_two_studies_are_not_compared(cohorts):
    arms = (*ARMS[:2], Arm("x", "", "more", ("clinical",), "age"), Arm("y", "", "more", ("clinical",), "age"))
    spec = SelectionSpec("simulated", "", "", "", "", arms, "", "")
    more = Cohort.from_tables({"clinical": trial(["x", "y"], seed=5)})
    ranking = SelectionModel(spec).fit({"two": cohorts["two"], "more": more}).rank(more.subset(more.ids[:5]))
    ranked = ranking.table[ranking.table["state"] == RANKED]
    assert (ranked["reason"] == ELSEWHERE).all()
    assert ranked.groupby("patient_id")["rank"].agg(sorted).map(lambda r: r == [1, 1, 2, 2]).all()
    assert (ranking.best() == "").all()  # two firsts are no first


def test_one_that_is_left_has_no_rank(cohorts):
    """Of the second therapy there are too few: nothing to compare the first with."""
    table = trial(["anti-TNF", "anti-IL-6"])
    few = table[table["treatment"] == "anti-IL-6"].index[8:]
    spec = SelectionSpec("simulated", "", "", "", "", ARMS[:2], "", "")
    model = SelectionModel(spec).fit({"two": Cohort.from_tables({"clinical": table.drop(few)})})
    said = line(model.rank(cohorts["two"].subset(cohorts["two"].ids[:1])).table, "t0", "anti-TNF")
    assert (said["state"], said["reason"]) == (NOT_COMPARABLE, ONE_LEFT)
    assert np.isnan(said["rank"])
    assert said["probability"] > 0


def test_a_failed_therapy_is_not_offered_again(model, patients):
    tried = {"age": ["anti-TNF"], "all": ["csDMARD"], "none": ["csDMARD"]}
    table = model.rank(patients, tried=tried).table
    assert line(table, "age", "anti-TNF")["state"] == TRIED
    assert line(table, "age", "anti-IL-6")["rank"] == 1  # try next
    assert line(table, "all", "csDMARD")["state"] == TRIED
    assert line(table, "none", "csDMARD")["state"] == TRIED
    with pytest.raises(UsageError, match=r"THX-D21.*Did you mean 'anti-TNF'"):
        model.rank(patients, tried={"age": ["anti-TFN"]})


def test_a_utility_moves_ranks_and_no_probability(model, patients):
    dear = Utility(currency="EUR", response_value=10_000, therapies={
        "anti-TNF": Burden(price=10_000), **{a.therapy: Burden(price=0) for a in ARMS[1:]},
    })  # fmt: skip
    plain, weighed = model.rank(patients).table, model.rank(patients, utility=dear).table
    pd.testing.assert_series_equal(plain["probability"], weighed["probability"])
    assert line(weighed, "age", "anti-TNF")["rank"] == 2


def test_the_standard_is_that_of_its_own_study(cohorts, patients):
    spec = SelectionSpec("simulated", "", "", "", "", ARMS, "", "", standard="anti-IL-6")
    ranking = SelectionModel(spec).fit(cohorts).rank(patients)
    assert ranking.standard == "anti-IL-6"
    assert line(ranking.table, "age", "anti-IL-6")["gain"] == 0


def test_an_unknown_treatment_is_refused_with_the_nearest():
    table = trial(["anti-TNF", "anti-IL6"])
    spec = SelectionSpec("simulated", "", "", "", "", ARMS[:2], "", "")
    with pytest.raises(DataError, match=r"THX-D21.*Did you mean 'anti-IL-6'"):
        SelectionModel(spec).fit({"two": Cohort.from_tables({"clinical": table})})


def test_a_study_must_be_there(cohorts):
    with pytest.raises(UsageError, match="patients of a study are missing"):
        SelectionModel(SPEC).fit({"two": cohorts["two"]})


def test_who_got_nothing_known_is_not_learned_from(cohorts, patients):
    """Patients without treatment, outcome or features beside the others change nothing."""
    more = lipid_study(seed=9, n=3)
    tables = {k: t.copy() for k, t in more.tables.items()}
    tables["clinical"].index = tables["metabolites"].index = ["x", "y", "z"]
    tables["clinical"].loc["x", "treatment"] = None
    tables["clinical"].loc["y", "response"] = None
    tables["metabolites"].loc["z"] = np.nan
    both = {k: pd.concat([cohorts["one"].tables[k], t]) for k, t in tables.items()}
    padded = {**cohorts, "one": Cohort.from_tables(both, units={"metabolites": "pg/mL"})}
    one, other = (SelectionModel(SPEC).fit(c).rank(patients).table for c in (cohorts, padded))
    pd.testing.assert_frame_equal(one, other)


def test_state_through_json_gives_the_same(model, patients):
    again = SelectionModel.from_state(json.loads(json.dumps(model.state(), allow_nan=False)))
    pd.testing.assert_frame_equal(model.rank(patients).table, again.rank(patients).table)
    pd.testing.assert_frame_equal(model.evidence_, again.evidence_)
    assert again.studies_ == model.studies_ == SPEC.studies
    assert again.selection == SPEC


def test_one_patient_is_as_in_the_crowd(model, patients):
    alone = model.rank(patients.subset(["all"])).table
    crowd = model.rank(patients).table
    crowd = crowd[crowd["patient_id"] == "all"].reset_index(drop=True)
    pd.testing.assert_frame_equal(alone, crowd)


def test_the_evidence_names_the_study(model):
    assert model.evidence_[["study", "therapy"]].to_numpy().tolist() == [
        ["two", "anti-IL-6"], ["two", "anti-TNF"], ["one", "csDMARD"], ["noise", "noise a"], ["noise", "noise b"],
    ]  # fmt: skip


def test_a_lone_therapy_is_alone():
    X = pd.DataFrame({"a": np.arange(40.0)})
    with pytest.raises(DataError, match="THX-D35"):
        LoneTherapy().fit(X, ["a", "b"] * 20, [0, 1] * 20)
    few = LoneTherapy().fit(X.head(12), ["a"] * 12, [0, 1] * 6)
    assert few.evidence_["reason"].tolist() == ["12 got it; at least 20 are asked"]
