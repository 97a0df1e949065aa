import numpy as np
import pandas as pd
import pytest
from scipy.special import logit

from theracast.errors import DataError, ModelError, UsageError
from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.models.combiner import patterns
from theracast.models.recalibration import Recalibration
from theracast.models.storage import save_model
from theracast.predict.predictor import Predictor
from theracast.predict.records import COLUMNS, Scores
from theracast.predict.rows import Place
from theracast.provenance import digest_json, digest_rows


@pytest.fixture(scope="module")
def predictor():
    cohort = Cohort.concat([load_cohort("liu2019_mel"), load_cohort("riaz2017_mel")])
    return Predictor(ResponseModel().fit(cohort), "0" * 64, uri="models:/m@champion", version="3")


def wide():
    """Six rows: fine, refused age, fine, identical repeat of the first, and one patient twice with other values."""
    return pd.DataFrame(
        {
            "clinical:age": [61.0, -1.0, 70.0, 61.0, 50.0, 51.0],
            "clinical:sex": ["F", "M", "M", "F", "M", "M"],
            "mutations:tmb": [9.0, 3.0, 20.0, 9.0, 1.0, 1.0],
            "mutations:tmb_unit": "mut/Mb",
        },
        index=["p1", "p2", "p3", "p1", "p4", "p4"],
    )


def test_every_row_is_accounted_for(predictor):
    scores = predictor.score(wide())
    assert scores.account() == {"rows_in": 6, "scored": 0, "abstained": 3, "rejected": 3}
    assert scores.rejects.row.tolist() == [2, 5, 6]
    assert scores.rejects.patient_id.tolist() == ["p2", "p4", "p4"]
    assert scores.rejects.code.tolist() == ["THX-D15", "THX-D17", "THX-D17"]
    assert scores.table.patient_id.tolist() == ["p1", "p3", "p1"]
    assert "-1 " not in " ".join(scores.rejects.reason)  # reasons never hold values


def test_an_identical_repeat_is_scored_once_and_linked(predictor):
    table = predictor.score(wide()).table
    first, again = table.iloc[0], table.iloc[2]
    assert (again.probability, again.provenance) == (first.probability, first.provenance)
    assert "same as row 1" in again.notes
    assert "same as row" not in first.notes


def test_a_repeat_shares_the_fate_of_a_refused_row(predictor):
    scores = predictor.score(wide().iloc[[1, 1, 2]])
    assert scores.rejects.row.tolist() == [1, 2]
    assert scores.account()["rejected"] == 2


def test_rows_without_an_id_are_refused_one_by_one(predictor):
    scores = predictor.score(wide().iloc[[0, 2]].set_axis(["", "p3"]))
    assert scores.rejects.code.tolist() == ["THX-D17"]
    assert scores.table.patient_id.tolist() == ["p3"]


@pytest.mark.parametrize(("rows", "where"), [([0, 1], "row 2"), ([0, 4, 5], "row 2")])
def test_strict_stops_at_the_first_refused_row(predictor, rows, where):
    with pytest.raises(DataError, match=where):
        predictor.score(wide().iloc[rows], strict=True)
    assert predictor.score(wide().iloc[[0, 2, 3]], strict=True).account()["rejected"] == 0


def test_a_column_that_is_wrong_as_a_whole_stops_everything(predictor):
    table = pd.concat([wide().iloc[[0]]] * 40).set_axis([f"p{i}" for i in range(40)])
    with pytest.raises(DataError, match=r"THX-D16.*mutations:tmb"):
        predictor.score(table.assign(**{"mutations:tmb": 350.0}))


def test_aligned_has_one_line_per_row_in_order(predictor):
    scores = predictor.score(wide())
    lines = scores.aligned()
    assert lines.patient_id.tolist() == list(wide().index)
    assert lines.decision.tolist() == ["abstain", "rejected", "abstain", "abstain", "rejected", "rejected"]
    assert lines.probability.isna().tolist() == [False, True, False, False, True, True]
    assert lines.columns.tolist() == scores.table.columns.tolist()
    assert lines.reason[1].startswith("THX-D15: clinical:age")


def provenance(predictor, table):
    return predictor.score(table).table.provenance.tolist()


@pytest.mark.parametrize("change", [{"clinical:age": 62.0}, {"mutations:tmb": 9.1}, {"clinical:sex": "M"}])
def test_provenance_follows_every_input_value(predictor, change):
    one = wide().iloc[[0, 2]]
    other = one.copy()
    for column, value in change.items():
        other.loc["p1", column] = value
    before, after = provenance(predictor, one), provenance(predictor, other)
    assert before[0] != after[0]
    assert before[1] == after[1]


def test_provenance_and_numbers_do_not_follow_order(predictor):
    one = wide().iloc[[0, 2]]
    assert provenance(predictor, one[one.columns[::-1]]) == provenance(predictor, one)
    assert provenance(predictor, one.iloc[::-1]) == provenance(predictor, one)[::-1]
    cohort = load_cohort("mgh2022_mel")
    turned = {k: t[t.columns[::-1]] for k, t in cohort.tables.items()}
    same = Cohort.from_tables(turned, units=cohort.units)
    pd.testing.assert_frame_equal(predictor.score(same).table, predictor.score(cohort).table, check_exact=True)


def test_provenance_follows_the_model(predictor):
    other = Predictor(predictor.model, "1" * 64)
    assert provenance(other, wide()) != provenance(predictor, wide())


def test_every_line_names_its_model(predictor):
    table = predictor.score(wide()).table
    assert set(table.model_uri) == {"models:/m@champion"}
    assert set(table.model_version) == {"3"}
    assert list(table.columns[: len(COLUMNS)]) == list(COLUMNS)


@pytest.mark.parametrize("explained", [False, True])
def test_d33_header_only_gives_an_empty_table_with_all_columns(predictor, explained):
    empty = pd.DataFrame(columns=["patient_id", "clinical:age", "mutations:tmb", "mutations:tmb_unit"])
    scores = predictor.score(empty, explained=explained)
    assert scores.account() == {"rows_in": 0, "scored": 0, "abstained": 0, "rejected": 0}
    assert scores.table.columns.tolist() == predictor.score(wide()).table.columns.tolist()
    assert scores.aligned().empty


def test_a_cohort_of_refused_rows_only(predictor):
    scores = predictor.score(wide().iloc[[1]])
    assert scores.account() == {"rows_in": 1, "scored": 0, "abstained": 0, "rejected": 1}
    assert scores.aligned().decision.tolist() == ["rejected"]


def test_the_input_is_left_alone(predictor):
    table = wide()
    predictor.score(table)
    pd.testing.assert_frame_equal(table, wide())


def test_a_lost_row_is_never_silent():
    with pytest.raises(ModelError, match="THX-S01"):
        Scores(pd.DataFrame({"decision": ["response"]}), pd.DataFrame(), 2).account()


def test_one_patients_record_is_json_ready(predictor):
    scores = predictor.score(wide())
    record = scores.prediction("p1").to_dict()
    assert record["patient_id"] == "p1"
    assert 0 < record["probability"] < 1
    assert set(record) == set(COLUMNS)
    with pytest.raises(ModelError, match="no such patient"):
        scores.prediction("p2")


# ---------------------------------------------------------------- what is known of the site


@pytest.fixture(scope="module")
def mgh():
    return load_cohort("mgh2022_mel")


def test_a_told_rate_becomes_the_mean_and_changes_no_rank_no_set_no_decision(predictor, mgh):
    site = predictor.site(mgh, rate=0.15)
    plain, moved = predictor.score(mgh), predictor.score(mgh, site=site)
    assert moved.table.probability.mean() == pytest.approx(0.15, abs=1e-6)
    for same in ("set", "decision", "reason"):
        assert moved.table[same].tolist() == plain.table[same].tolist()
    assert moved.table.probability.rank().tolist() == plain.table.probability.rank().tolist()
    assert ((moved.table.lower < moved.table.probability) & (moved.table.probability < moved.table.upper)).all()
    assert moved.table.notes.str.contains("response rate given: 15%, matched to the mean of 34 patients").all()
    assert moved.assumptions() == {"prior": predictor.model.fusion_.prior, "site": site.state()}
    assert plain.assumptions()["site"]["note"] == ""


def test_few_patients_move_from_the_rate_assumed_for_such_patients(predictor, mgh):
    few = mgh.subset(mgh.ids[:5])
    site, alone = predictor.site(few, rate=0.15), predictor.site(rate=0.15)
    prior = predictor.model.fusion_.prior
    assert alone.intercept == pytest.approx(logit(0.15) - logit(prior))
    assert "instead of the assumed" in site.note
    reference = predictor.score(few, explained=True).explanation.reference
    assert site.intercept == pytest.approx(logit(0.15) - logit(reference.mean()))
    # the assumed rate given back: nothing moves
    assert predictor.site(few, rate=float(reference.mean())).intercept == pytest.approx(0.0, abs=1e-9)


def test_explanations_follow_the_site(predictor, mgh):
    scores = predictor.score(mgh, explained=True, site=predictor.site(mgh, rate=0.15))
    e = scores.explanation
    np.testing.assert_allclose(e.probability, scores.table.probability, atol=1e-12)
    np.testing.assert_allclose(e.reference + e.points.sum(axis=1), e.probability, atol=1e-9)


def test_labels_give_intercept_and_slope_and_say_how_many(predictor, mgh):
    site = predictor.site(labelled=mgh)
    margin, y = logit(predictor.score(mgh).table.probability.to_numpy()), mgh.response.to_numpy()
    by_hand = Recalibration.from_labels(margin, y, predictor.model.fusion_.prior)
    assert (site.intercept, site.slope) == pytest.approx((by_hand.intercept, by_hand.slope))
    assert site.note == f"fitted to 34 labelled patients, {int(y.sum())} of them responders"
    some = Cohort.from_tables(
        {k: t.assign(response=t.response.where(np.arange(34) < 9)) if k == "clinical" else t
         for k, t in mgh.tables.items()}, units=mgh.units)  # fmt: skip
    assert predictor.site(labelled=some).note.startswith("fitted to 9 labelled patients")


def test_one_class_of_labels_is_taken_in_the_open(predictor, mgh):
    responders = mgh.subset(mgh.ids[(mgh.response == 1).to_numpy()])
    site = predictor.site(labelled=responders)
    assert site.note == f"fitted to {len(responders)} labelled patients, {len(responders)} of them responders"
    assert site.intercept > 0


def test_labels_of_training_studies_are_told(predictor):
    assert "10 of them responders, 49 of studies that the model was trained on" in predictor.site(
        labelled=load_cohort("riaz2017_mel")).note  # fmt: skip


def test_without_rate_and_labels_nothing_is_known(predictor, mgh):
    assert predictor.site() == predictor.site(mgh) == Recalibration()


def unlabelled():
    return wide().iloc[[0, 2]]


@pytest.mark.parametrize("rate", [0.0, 1.0, 2.0, -0.1, float("nan")])
@pytest.mark.parametrize("with_patients", [True, False])
def test_an_impossible_rate_is_a_wrong_call(predictor, rate, with_patients):
    with pytest.raises(UsageError, match="a response rate lies between 0 and 1"):
        predictor.site(unlabelled() if with_patients else None, rate=rate)


def test_rate_and_labels_exclude_each_other(predictor, mgh):
    with pytest.raises(UsageError, match="a response rate and labelled patients"):
        predictor.site(rate=0.3, labelled=mgh)


def labelled(words, **columns):
    table = pd.DataFrame({"clinical:age": 60.0, "mutations:tmb": 9.0, "mutations:tmb_unit": "mut/Mb"} | columns,
                         index=[f"p{i}" for i in range(len(words))])  # fmt: skip
    return table.assign(**{"clinical:response": words})


@pytest.mark.parametrize("words", [[None, None], ["", None]])
def test_d24_no_labels_are_a_data_error(predictor, words):
    for cohort in (labelled(words), labelled(words).drop(columns="clinical:response")):
        with pytest.raises(DataError, match=r"THX-D24: no labels.*2 patients, none.*do: Add labels"):
            predictor.site(labelled=cohort)


def test_labels_of_another_tumour_teach_nothing(predictor):
    cohort = labelled(["R", "NR", "NR"], **{"clinical:cancer_type": "Kidney"})
    with pytest.raises(DataError, match=r"THX-D24: no labelled patient.*3 with a label, 3 of 3 out of domain"):
        predictor.site(labelled=cohort)
    mixed = labelled(["R", "NR", "NR"], **{"clinical:cancer_type": ["Kidney", "melanoma", "melanoma"]})
    assert predictor.site(labelled=mixed).note == "fitted to 2 labelled patients, 0 of them responders"


def test_labels_that_are_no_labels(predictor):
    with pytest.raises(DataError, match="response holds other words"):
        predictor.site(labelled=labelled(["R", "maybe"]))


def test_refused_rows_do_not_count(predictor):
    cohort = labelled(["R", "NR", "NR"], **{"clinical:age": [60.0, -1.0, 61.0]})
    assert predictor.site(labelled=cohort).note.startswith("fitted to 2 labelled patients")


def test_patients_out_of_domain_do_not_move_the_others(predictor, mgh):
    foreign = mgh.wide().assign(**{"clinical:cancer_type": "Kidney"}).rename(index=lambda i: f"x{i}")
    both = Cohort.from_wide(pd.concat([mgh.wide(), foreign]), units=mgh.units)
    assert predictor.site(both, rate=0.2).intercept == pytest.approx(predictor.site(mgh, rate=0.2).intercept)
    nobody = predictor.site(Cohort.from_wide(foreign, units=mgh.units), rate=0.2)
    assert nobody.intercept == predictor.site(rate=0.2).intercept


def test_every_line_says_which_tumour_type_was_read(predictor):
    table = wide().iloc[[0, 2, 4]].assign(**{"clinical:cancer_type": ["Skin Cutaneous Melanoma", "RCC", "chordoma"]})
    lines = predictor.score(table).table
    assert lines.tumour_type.tolist() == ["melanoma", "renal", ""]
    assert lines.reason.str.startswith("out of domain").tolist() == [False, True, True]
    assert predictor.score(wide().iloc[[0]]).table.tumour_type.tolist() == ["melanoma"]  # the model's one population
    assert predictor.score(table).prediction("p3").to_dict()["tumour_type"] == "renal"
    assert predictor.score(table).prediction("p3").to_dict()["set"] in ("response", "no_response", "both")


def test_explanations_come_when_asked(predictor):
    scores = predictor.score(wide(), explained=True)
    assert predictor.score(wide()).explanation is None
    assert scores.explanation.points.index.tolist() == ["p1", "p3"]


def test_a_saved_predictor_gives_the_same_numbers(predictor, tmp_path):
    save_model(predictor.model, tmp_path, {"experiment": {"name": "x"}})
    again = Predictor.from_folder(tmp_path)
    assert again.about == {"experiment": {"name": "x"}}
    assert again.uri == str(tmp_path)
    cohort = load_cohort("mgh2022_mel")
    np.testing.assert_array_equal(again.score(cohort).table.probability, predictor.score(cohort).table.probability)


@pytest.mark.parametrize("blocks", [1, 4, 16, 17])
def test_sets_of_blocks_are_those_that_sorting_finds(blocks):
    r = np.random.default_rng(blocks)
    known = pd.DataFrame(r.random((300, blocks)) < 0.7, columns=[f"b{k}" for k in range(blocks)])
    kinds, which = np.unique(known.to_numpy(), axis=0, return_inverse=True)
    slow = [(tuple(known.columns[kind]), np.flatnonzero(which.ravel() == k)) for k, kind in enumerate(kinds)]
    fast = patterns(known)
    assert [b for b, _ in fast] == [b for b, _ in slow]
    assert all((a == b).all() for (_, a), (_, b) in zip(fast, slow, strict=True))
    assert patterns(known.iloc[:0]) == []


def test_rows_of_a_longer_table_keep_their_numbers(predictor):
    scores = predictor.score(wide().iloc[:4], place=Place(np.array([10, 11, 12, 13]), {10: 3, 13: 3}))
    assert scores.positions == (10, 12, 13)
    assert scores.rejects.row.tolist() == [12]
    assert scores.table.notes.str.contains("same as row 4").tolist() == [True, False, True]
    with pytest.raises(DataError, match="row 12"):
        predictor.score(wide().iloc[:4], strict=True, place=Place(np.array([10, 11, 12, 13])))


def test_many_refused_patients_are_refused_each(predictor):
    n = 3000
    table = pd.DataFrame({"clinical:age": np.full(n, -1.0)}, index=[f"p{i}" for i in range(n)])
    assert len(predictor.score(table).rejects) == n


def test_the_digest_of_a_patient_is_that_of_values_and_tumour_type(predictor):
    table = wide().iloc[[0, 2]].assign(**{"clinical:cancer_type": ["melanoma", None]})
    matrix = predictor.model.assembler_.matrix(table)
    rows = digest_rows(matrix.values).tolist()
    assert matrix.digests.tolist() == [digest_json([rows[0], "melanoma"]), rows[1]]


def test_a_cohort_without_any_trouble_is_accounted_for_like_one_with():
    """The short way through a tidy table, and the long way of one with a repeat, a conflict and a row without id."""
    tidy = wide().iloc[[0, 1, 2]]
    short = Cohort.from_wide(tidy)
    long = Cohort.from_wide(pd.concat([tidy, wide().iloc[3:], wide().iloc[[2]].set_axis([""])]))
    pd.testing.assert_frame_equal(short.roster, long.roster.iloc[:3])
    assert short.roster.dtypes.tolist() == long.roster.dtypes.tolist()
    assert list(short.ids) == list(long.ids)
    for name in short.tables:
        pd.testing.assert_frame_equal(short.tables[name], long.tables[name], check_dtype=False)
    everyone, some = short.subset(short.ids), long.subset(long.ids)
    for name in everyone.tables:
        pd.testing.assert_frame_equal(everyone.tables[name], some.tables[name], check_dtype=False)
    with pytest.raises(DataError, match="1 unknown"):
        short.subset(["p1", "p9", "p9"])


def test_ids_of_the_other_tables_follow_those_of_the_first():
    clinical = pd.DataFrame({"age": [61, 50]}, index=["a", "b"])
    mutations = pd.DataFrame({"tmb": [1.0, 2.0], "tmb_unit": "mut/Mb"}, index=["c", "a"])
    cohort = Cohort.from_tables({"clinical": clinical, "mutations": mutations})
    assert cohort.roster.patient_id.tolist() == ["a", "b", "c"]
    assert cohort.roster.repeats.tolist() == [-1, -1, -1]
