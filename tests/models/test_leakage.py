"""The sentinels one by one: what each must see, and what it must let pass."""

import json

import numpy as np
import pandas as pd
import pytest
from leaks import PLANTED, experiment

from theracast.errors import UsageError
from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.models import leakage_folds
from theracast.models.base import ResponseModel
from theracast.models.config import Experiment
from theracast.models.indications import INDICATIONS
from theracast.models.leakage import SENTINELS, Finding, LeakError, Sentinel, look
from theracast.models.leakage_evidence import Evidence, Fold, Leak, is_outcome
from theracast.models.leakage_features import late_feature, outcome_column, single_feature
from theracast.models.leakage_folds import near_duplicate, patient_in_two_folds
from theracast.models.leakage_labels import permuted, permuted_auc
from theracast.models.linkage import Records, linked
from theracast.models.splits import leave_one_cohort_out

BUNDLED = (*INDICATIONS["melanoma_ici"].cohorts, *INDICATIONS["melanoma_ici"].holdout)


def cohort(name="a", **tables):
    return Cohort.from_tables({t: pd.DataFrame(c, index=c.pop("ids")) for t, c in tables.items()}, name=name)


@pytest.fixture(scope="module")
def clean():
    """The bundled cohorts, and who trains for whom."""
    cohorts = {n: load_cohort(n) for n in BUNDLED}
    trains = {n: [o for o in others if o != "mgh2022_mel"] for n, others in leave_one_cohort_out(BUNDLED)}
    return Evidence(ResponseModel(), cohorts, trains)


@pytest.mark.parametrize("sentinel", [n for n, s in SENTINELS.items() if s.when == "before"])
def test_the_bundled_cohorts_pass(sentinel, clean):
    assert list(SENTINELS[sentinel].look(clean)) == []


def test_there_are_eight():
    assert set(SENTINELS) == {
        "patient_in_two_folds", "near_duplicate", "fit_on_test_rows", "late_feature", "outcome_column",
        "single_feature", "cohort_too_good", "permuted_labels",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        *((n, True) for n in (
            "RECIST", "recist_1.1", "irRECIST", "response", "Response.source", "best overall response", "BOR", "DCB",
            "benefit_curated", "no durable benefit", "PFS", "pfs_months", "OS.event", "os", "DFS_time", "relapse",
            "time_to_progression", "overall survival", "vital_status", "death_date", "outcome", "compass_label",
            "responder", "EULAR response", "ACR20", "remission_week6", "days_to_death",
        )),
        *((n, False) for n in (
            "age", "stage", "prior_treatment", "ldh", "tmb", "IFN_response", "Type_I_IFN_Response", "pdl1", "cohort",
            "nlr", "OSM", "OS9X", "PDCD1", "CD274", "benefits_officer", "osteocytes", "sample_timing", "year_start",
        )),
    ],
)  # fmt: skip
def test_names_of_outcomes(name, outcome):
    assert is_outcome(name) is outcome


def test_genes_of_such_names_are_genes():
    """EFS is a gene, and event-free survival."""
    ids = [f"p{i}" for i in range(3)]
    genes = {"proteins": {"ids": ids, "EFS": [1.0, 2.0, 3.0], "unit": ["NPX"] * 3}}
    model = ResponseModel(blocks=("proteins",))
    plain = Evidence(model, {"a": cohort(**{k: dict(v) for k, v in genes.items()})}, {})
    assert list(outcome_column(plain)) == []
    genes["proteins"]["EFS_months"] = [1.0, 2.0, 3.0]
    found = list(outcome_column(Evidence(model, {"a": cohort(**genes)}, {})))
    assert [leak.where for leak in found][:1] == ["a, proteins: EFS_months"]


def test_a_feature_made_of_survival_is_seen_and_survival_itself_is_not():
    rng = np.random.default_rng(0)
    n = 40
    months = rng.exponential(12, n)
    table = {
        "ids": [f"p{i}" for i in range(n)],
        "response": np.where(months > np.median(months), "R", "NR"),
        "os_months": months,
        "recist": rng.choice(["CR", "PR", "SD", "PD"], n),
        "albumin": 30 + np.log(months + 1),
        "age": rng.uniform(30, 80, n),
        "ecog": 0.0,
    }
    table["ecog"] = np.where(np.isin(table["recist"], ["SD", "PD"]), 1.0, 0.0)
    evidence = Evidence(ResponseModel(blocks=("clinical",)), {"a": cohort(clinical=table)}, {})
    assert {leak.where for leak in outcome_column(evidence)} == {
        "a, clinical__albumin of clinical:os_months",
        "a, clinical__ecog of clinical:recist",
    }


@pytest.mark.parametrize(
    ("column", "cells", "late"),
    [
        ("sample_timing", ["pre-treatment", "on-treatment", "post"], 2),
        ("sample_date", ["2024-01-01", "2024-03-01", None], 1),
        ("albumin_date", ["2024-01-01", "2024-02-01", "2024-02-02"], 1),
        ("albumin_day", [-3, 0, 4], 1),
        ("progression_date", ["2024-05-01", "2024-05-01", "2024-05-01"], 0),
        ("last_follow_up_date", ["2025-05-01", "2025-05-01", "2025-05-01"], 0),
        ("sample_timing", ["baseline", "pre", None], 0),
    ],
)
def test_what_was_measured_after_treatment_began(column, cells, late):
    table = {"ids": ["p1", "p2", "p3"], "treatment_start": ["2024-02-01"] * 3, "albumin": [40.0, 41.0, 42.0]}
    found = list(late_feature(Evidence(ResponseModel(), {"a": cohort(clinical={**table, column: cells})}, {})))
    assert [leak.what.split()[0] for leak in found] == ([str(late)] if late else [])


@pytest.mark.parametrize(("landmark", "late"), [(0.0, False), (42.0, True)])
def test_late_samples_may_stand_where_no_feature_rests_on_them(landmark, late, monkeypatch):
    """The block of serial ctDNA leaves later samples out, unless the decision is later."""
    from theracast.features.blocks import BLOCKS

    class Later(BLOCKS["ctdna"]):
        def __init__(self, landmark_day=landmark):
            super().__init__(landmark_day=landmark_day)

    monkeypatch.setitem(BLOCKS._items, "ctdna", Later)
    samples = {"ids": ["p", "p"], "day": [0, 21], "tumour_fraction": [0.04, 0.01], "unit": ["fraction"] * 2}
    found = list(late_feature(Evidence(ResponseModel(blocks=("ctdna",)), {"a": cohort(ctdna=samples)}, {})))
    assert bool(found) is late
    assert all("1 rows after treatment began" in leak.what for leak in found)


def test_few_patients_cannot_make_a_feature_too_good():
    def of(n):
        y = np.arange(n) % 2
        table = {"ids": [f"p{i}" for i in range(n)], "response": np.where(y, "R", "NR"), "albumin": 40.0 + y}
        return list(single_feature(Evidence(ResponseModel(blocks=("clinical",)), {"a": cohort(clinical=table)}, {})))

    assert of(18) == []
    assert [leak.where for leak in of(40)] == ["a, clinical__albumin"]


def test_equal_features_are_told_from_chance():
    """Forty patients of whom two whole numbers are known agree often; four precise values never do."""
    rng = np.random.default_rng(0)
    rough = [pd.DataFrame(rng.integers(0, 9, (40, 3)).astype(float), columns=list("abc")) for _ in range(2)]
    assert linked(*(Records.of(t) for t in rough)) == 0
    fine = [pd.DataFrame(rng.normal(size=(40, 4)), columns=list("abcd")) for _ in range(2)]
    fine[1].iloc[7] = fine[0].iloc[3]
    assert linked(*(Records.of(t) for t in fine)) == 1
    fine[1].iloc[7, 0] += 1.0  # one that disagrees speaks against, three still for it
    assert linked(*(Records.of(t) for t in fine)) in (0, 1)
    same_ids = [t.set_axis([f"Pt{i}" for i in range(40)]) for t in rough]
    assert linked(*(Records.of(t) for t in same_ids), ids=True) == 0


@pytest.mark.shared
def test_d18_the_patients_of_checkmate_009_are_found_without_being_told(shared_data):
    cohorts = {n: load_cohort(str(shared_data / "ici" / n)) for n in ("miao2018_rcc", "braun2020_rcc")}
    names = list(cohorts)
    evidence = Evidence(ResponseModel(), cohorts, {names[0]: [names[1]]})
    assert [leak.where for leak in patient_in_two_folds(evidence)] == ["miao2018_rcc and braun2020_rcc"]


def test_profiles_are_compared_over_what_both_have(monkeypatch):
    rng = np.random.default_rng(0)
    genes = [f"g{i}" for i in range(80)]
    one = pd.DataFrame(rng.normal(5, 2, (6, 80)), columns=genes)
    other = pd.DataFrame(rng.normal(5, 2, (5, 60)), columns=genes[20:])
    other.iloc[2] = one.iloc[4, 20:].to_numpy() * 1.1 + 0.3 + rng.normal(0, 0.02, 60)
    assert leakage_folds._alike(one, other) == 1
    assert leakage_folds._alike(one, other.iloc[:, :40]) == 0  # too few to say
    other.iloc[2] += rng.normal(0, 1.0, 60)
    assert leakage_folds._alike(one, other) == 0
    assert leakage_folds._alike(one * 0, other) == 0


def test_permuted_labels_move_with_everything_that_tells_them(clean):
    liu = clean.cohorts["liu2019_mel"]
    moved = permuted(liu, np.random.default_rng(0))
    before, after = (c.table("clinical")[["response", "recist", "pfs_months"]] for c in (liu, moved))
    assert not after.equals(before)
    key = [f.fillna("").astype(str).agg("|".join, axis=1).sort_values().tolist() for f in (before, after)]
    assert key[0] == key[1]
    kept = [c for c in liu.table("clinical") if not is_outcome(c)]
    pd.testing.assert_frame_equal(liu.table("clinical")[kept], moved.table("clinical")[kept])


def test_nothing_is_said_of_permuted_labels_where_nothing_can_be_told():
    one = cohort(clinical={"ids": ["p", "q"], "response": ["R", "NR"], "albumin": [40.0, 41.0]})
    mean = permuted_auc(Evidence(ResponseModel(blocks=("clinical",)), {"a": one, "b": one}, {"a": ["b"], "b": ["a"]}))
    assert mean.lower <= 0.5 <= mean.upper


def test_a_costly_look_is_spared_where_another_stops(monkeypatch):
    asked = []

    def sentinel(name, leaks, costly=False):
        return Sentinel(lambda e: (asked.append(name), leaks)[1], "before", "THX-D23", "Look.", costly)

    monkeypatch.setattr(
        SENTINELS,
        "_items",
        {"first": sentinel("first", [Leak("seen", "here")]), "last": sentinel("last", [], costly=True)},
    )
    with pytest.raises(LeakError) as error:
        look(Evidence(ResponseModel(), {}, {}), "before")
    assert asked == ["first"]
    assert error.value.findings == (Finding("first", "seen", "here"),)
    assert look(Evidence(ResponseModel(), {}, {}), "before", {"first": "known"})[0].waived
    assert asked == ["first", "first", "last"]


def test_a_fold_that_holds_repeated_rows_is_told():
    found = SENTINELS["fit_on_test_rows"].look(Evidence(ResponseModel(), {}, {}, [Fold("a", 40, {"clinical": 40}, 2)]))
    assert ["2 patients it is judged on" in leak.what for leak in found] == [True]


def test_findings_are_plain():
    finding = Finding("near_duplicate", "two profiles", "a and b", True, "left out together")
    assert json.loads(json.dumps(finding.to_dict())) == {
        "sentinel": "near_duplicate", "what": "two profiles", "where": "a and b", "waived": True,
        "reason": "left out together",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("waive", "said"),
    [
        ({"near_duplicates": "why"}, "Did you mean 'near_duplicate'"),
        ({"near_duplicate": ""}, "waive: near_duplicate"),
        ({"near_duplicate": "  "}, "without a reason"),
    ],
)
def test_a_waiver_has_a_name_and_a_reason(waive, said):
    with pytest.raises(UsageError) as error:
        Experiment(indication="melanoma_ici", waive=waive)
    assert said in str(error.value)


def test_waivers_do_not_decide_the_model():
    one, other = (Experiment(indication="melanoma_ici", waive=w) for w in ({}, {"near_duplicate": "left out together"}))
    assert one.digest == other.digest


def test_near_duplicates_are_of_pairs_that_train_for_each_other(clean):
    """A family is left out together: its profiles may be equal."""
    riaz = clean.cohorts["riaz2017_mel"]
    twins = {"riaz2017_mel": riaz, "twin": riaz}
    assert list(near_duplicate(Evidence(ResponseModel(), twins, {}))) == []
    assert list(near_duplicate(Evidence(ResponseModel(), twins, {"twin": ["riaz2017_mel"]}))) != []


def test_patients_sampled_late_are_left_out_where_the_experiment_says_so(tmp_path, monkeypatch):
    paths = PLANTED["late_feature"](tmp_path, monkeypatch)
    asked = experiment(paths).model_copy(update={"late": "leave_out"})
    kept = {p: asked.admitted(load_cohort(p)) for p in paths}
    assert {n: len(load_cohort(n)) - len(c) for n, c in kept.items() if len(c) < len(load_cohort(n))} == {paths[1]: 3}
    assert list(late_feature(Evidence(ResponseModel(), kept, {}))) == []
    assert experiment(paths).admitted(load_cohort(paths[1])).ids.equals(load_cohort(paths[1]).ids)
    assert asked.digest != experiment(paths).digest
