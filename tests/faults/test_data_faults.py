"""Wrong data, named by the id of the fault: refused or abstained, every row accounted for, no value repeated."""

import json

import numpy as np
import pandas as pd
import pytest
from faults.judge import CANARY, cohort_of, fates, refused, scored

from theracast.errors import DataError
from theracast.features.blocks.pathology import PROXY_SETS
from theracast.features.blocks.signatures import SignaturesBlock
from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.features.readers import read_cohort
from theracast.features.scores import genes_of
from theracast.models.base import ResponseModel


def wide(**columns):
    table = pd.DataFrame({k.replace("__", ":"): v for k, v in columns.items()})
    return table.set_axis([f"p{i}" for i in range(len(table))], axis=0)


# D03: duplicate gene columns


def test_D03_repeated_genes_are_refused_unless_a_rule_is_declared(genes, predictor):
    twice = pd.concat([genes, genes[["CD274", "CD8A"]] + 1.0], axis=1)
    message = refused(lambda: cohort_of(twice), "THX-D03")
    assert "CD274, CD8A" in message
    for rule, wanted in (("max", genes["CD274"] + 1.0), ("mean", genes["CD274"] + 0.5)):
        cohort = Cohort.from_tables({"expression": twice}, units={"duplicate_genes": rule})
        np.testing.assert_allclose(cohort.table("expression")["CD274"], wanted, rtol=1e-6)
        assert scored(predictor, cohort).rows_in == 12


def test_D03_repeated_columns_of_a_csv_are_seen(tmp_path):
    (tmp_path / "clinical.csv").write_text(f"patient_id,age,age\na,61,{CANARY}\n")
    refused(lambda: read_cohort(tmp_path), "THX-D03")
    (tmp_path / "clinical.csv").unlink()
    (tmp_path / "expression.csv").write_text("patient_id,CD8A,CD8A\na,1.5,2.5\n")
    refused(lambda: read_cohort(tmp_path), "THX-D03")


# D04, D05, D06: the scale of expression


def test_D04_counts(tpm):
    counts = np.floor(tpm * 20.0)
    for unit in (None, "TPM", "log2(TPM+1)"):
        refused(lambda unit=unit: cohort_of(counts, unit), "THX-D04")
    for unit in ("counts", "raw counts", "log2(count+1)"):
        refused(lambda unit=unit: cohort_of(np.log2(counts + 1.0), unit), "THX-D04")


@pytest.mark.parametrize(
    ("make", "unit"),
    [
        (lambda x: x, None),
        (lambda x: x, "log2(TPM+1)"),
        (lambda x: np.log2(np.log2(x + 1.0) + 1.0), None),
        (lambda x: np.log10(x + 1.0), None),
        (lambda x: np.log10(x + 1.0), "log2(TPM+1)"),
        (lambda x: np.log2(x + 1.0), "TPM"),
        (lambda x: np.log2(x + 1.0), "FPKM"),
        (lambda x: np.log2(x + 1.0), "RSEM"),
        (lambda x: np.log2(x + 1e-3), None),
    ],
    ids=[
        *("linear undeclared", "linear declared log", "logged twice", "log10 undeclared", "log10 declared log2"),
        *("log declared TPM", "log declared FPKM", "unknown unit", "negative"),
    ],
)
def test_D05_the_wrong_scale(tpm, make, unit):
    message = refused(lambda: cohort_of(make(tpm), unit), "THX-D05")
    assert "do: " in message


@pytest.mark.parametrize("make", [lambda x: (x - x.mean()) / (x.std() + 1e-9), lambda x: x - x.mean()])
def test_D06_scaled_or_centred(genes, make):
    refused(lambda: cohort_of(make(genes)), "THX-D06")
    refused(lambda: cohort_of(make(genes), "log2(TPM+1)"), "THX-D06")


def test_D04_D05_D06_the_right_declaration_scores_the_same(genes, tpm, predictor):
    wanted = scored(predictor, cohort_of(genes)).table.probability
    for data, unit in ((tpm, "TPM"), (genes / np.log2(10.0), "log10(TPM+1)"), (genes / np.log2(np.e), "ln (TPM + 1)")):
        got = scored(predictor, cohort_of(data, unit)).table.probability
        np.testing.assert_allclose(got, wanted, atol=1e-4)


def test_D05_fpkm_of_a_panel_cannot_become_tpm(tpm):
    assert tpm.shape[1] < 10_000
    assert "all genes" in refused(lambda: cohort_of(tpm, "FPKM"), "THX-D05")


# D07: transposed


def test_D07_transposed(genes):
    refused(lambda: cohort_of(genes.T.rename_axis("patient_id")), "THX-D07")
    refused(lambda: cohort_of(genes.rename_axis("gene")), "THX-D07")
    unknown = genes.set_axis([f"g{i}" for i in range(genes.shape[1])], axis=1)
    clinical = pd.DataFrame({"age": 61.0}, index=genes.index)
    refused(lambda: cohort_of(unknown.T.rename_axis("sample"), clinical=clinical), "THX-D07")


# D08: genes that the platform lacks


def test_D08_fewer_genes_never_mean_more_coverage_or_fewer_abstentions(predictor):
    cohort = load_cohort("riaz2017_mel")
    sets = [*SignaturesBlock.sets.values(), *PROXY_SETS]
    read = [g for g in genes_of(sets) if g in cohort.tables["expression"].columns]
    order = np.random.default_rng(8).permutation(read)
    coverage, without = [], []
    for share in np.linspace(0, 1, 11):
        lacking = order[: round(share * len(order))]
        tables = {
            "clinical": cohort.tables["clinical"],
            "expression": cohort.tables["expression"].drop(columns=lacking),
        }
        table = scored(predictor, Cohort.from_tables(tables)).table
        coverage.append(table.coverage_signatures.to_numpy())
        words = table.reason
        lacks = words.str.contains("covers") | words.str.contains("is known")
        assert (table.decision[lacks] == "abstain").all()
        assert lacks[(table.coverage_signatures < 0.8)].all()
        without.append(lacks.to_numpy())
    coverage, without = np.array(coverage), np.array(without)
    assert (np.diff(coverage, axis=0) <= 0).all()
    assert (np.diff(without.astype(int), axis=0) >= 0).all()
    measured = cohort.ids.isin(cohort.tables["expression"].index)
    assert not without[0][measured].any()
    assert without[-1].all()


# D10: nothing known


def test_D10_nothing_known_is_an_abstention_without_a_number(predictor):
    table = Cohort.from_tables({"clinical": pd.DataFrame({"patient_id": ["a", "b"]})})
    scores = scored(predictor, table)
    assert scores.account() == {"rows_in": 2, "scored": 0, "abstained": 2, "rejected": 0}
    assert scores.table[["probability", "lower", "upper"]].isna().all(axis=None)
    assert scores.table.reason.tolist() == ["nothing the model reads is known"] * 2


# D11: numbers that are none


@pytest.mark.parametrize("bad", [np.inf, -np.inf, 1e308, -1e308])
def test_D11_infinite_rows_are_rejected_alone(predictor, genes, bad):
    assert fates(predictor, wide(clinical__age=[61.0, bad, 62.0]), "clinical:age", "THX-D11") == [1]
    spoilt = genes.copy()
    spoilt.iloc[3, 5] = bad
    assert fates(predictor, cohort_of(spoilt), "expression:", "THX-D11") == [3]
    means = pd.DataFrame({"signatures:Ayers_IFNg18": [1.0, bad], "signatures:Reference_NanoString09": 1.0})
    assert fates(predictor, means, "signatures:", "THX-D11") == [1]


@pytest.mark.parametrize("bad", [-3.0, 900.0])
def test_D11_set_means_that_cannot_be(predictor, bad):
    means = pd.DataFrame({"signatures:CytoxAct_Rooney": [1.0, bad], "signatures:Reference_NanoString09": 1.0})
    assert fates(predictor, means, "signatures:", "THX-D05") == [1]


def test_D11_missing_and_negative_zero(predictor, genes):
    assert fates(predictor, wide(clinical__age=[np.nan, 61.0]), "clinical:age") == []
    zero = genes.where(genes > 0, 0.0)
    wanted = scored(predictor, cohort_of(zero)).table.drop(columns="patient_id")
    pd.testing.assert_frame_equal(scored(predictor, cohort_of(zero.replace(0.0, -0.0))).table[wanted.columns], wanted)
    holes = genes.copy()
    holes.iloc[0] = np.nan
    assert scored(predictor, cohort_of(holes)).table.decision[0] == "abstain"


# D13: text where a number is wanted


@pytest.mark.parametrize(
    "cell", ["1,5", "1.234,5", "1,234", "<0.1", ">= 5", "ND", "1 000", "12*", CANARY, "=1+1", "0x1F"]
)
def test_D13_text_is_refused_by_row(predictor, cell):
    table = wide(clinical__ldh=["310", cell, "1e3 ", " 250", "", "n/a", "Not available"], clinical__ldh_unit="U/L")
    assert fates(predictor, table, "clinical:ldh", "THX-D13") == [1]


def test_D13_text_among_genes_is_refused_by_row(predictor, genes):
    table = genes.astype(object)
    table.iloc[2, 7] = CANARY
    table.iloc[5, 0] = "1,5"
    table.iloc[6, 0] = "1.5"
    assert fates(predictor, cohort_of(table), "expression:", "THX-D13") == [2, 5]
    means = pd.DataFrame({"signatures:Ayers_IFNg18": ["1.0", CANARY], "signatures:Reference_NanoString09": 1.0})
    assert fates(predictor, means, "signatures:", "THX-D13") == [1]


# D14: PD-L1 and TIL


def stain(values, units, name="pdl1"):
    return wide(**{f"pathology__{name}": values, f"pathology__{name}_unit": units})


@pytest.mark.parametrize("cell", ["49-1%", "low", "1,5", CANARY])
def test_D14_words_that_are_no_score_are_refused_by_row(predictor, cell):
    assert fates(predictor, stain(["60", cell], "TPS %"), "pathology:pdl1", "THX-D13") == [1]


@pytest.mark.parametrize("unit", ["", "percent", "22C3", None, CANARY])
def test_D14_a_stain_without_its_score_is_refused(predictor, unit):
    assert fates(predictor, stain([60, 60], ["TPS %", unit]), "pathology:pdl1", "THX-D14") == [1]


@pytest.mark.parametrize(
    ("value", "unit"),
    [(101, "TPS %"), (-1, "TPS %"), (4, "SP142 IC level"), (2, "IHC tumour membrane >=1% (0/1)"), (120, "CPS")],
)
def test_D14_outside_the_scale_of_its_score(predictor, value, unit):
    assert fates(predictor, stain([1, value], unit), "pathology:pdl1", "THX-D14") == [1]


def test_D14_fractions_for_percent(predictor):
    refused(lambda: predictor.score(stain([0.5, 0.02, 0.9, 0.0], "TPS %")), "THX-D14")
    assert fates(predictor, stain([60, 0.5, 10], "TPS %"), "pathology:pdl1", "THX-D14") == [1]
    assert fates(predictor, stain([0.5], "TPS %"), "pathology:pdl1", "THX-D14") == [0]
    refused(lambda: predictor.score(stain([0.1, 0.5], "TIL %", "til")), "THX-D14")


def test_D14_tps_is_not_cps(predictor):
    table = stain([10, 10], ["TPS %", "CPS"])
    assert fates(predictor, table, "") == []
    placed = predictor.model.assembler_.transform(table)["pathology__pdl1"]
    assert placed.iloc[0] < placed.iloc[1]


# D15: age and sex


@pytest.mark.parametrize("cell", [-1, 200, 121, "-1"])
def test_D15_ages_that_cannot_be(predictor, cell):
    assert fates(predictor, wide(clinical__age=[61, cell]), "clinical:age") == [1]


@pytest.mark.parametrize("cell", ["45y", "90+", "1960-01-01", "12.03.1960", "sixty", f"61 {CANARY}"])
def test_D15_ages_in_words(predictor, cell):
    assert fates(predictor, wide(clinical__age=["61", cell]), "clinical:age", "THX-D13") == [1]


def test_D15_the_old_are_pooled(predictor):
    age = predictor.model.assembler_.transform(wide(clinical__age=[0, 89, 90, 104]))["clinical__age"]
    assert age.tolist() == [0, 89, 90, 90]


def test_D15_sex(predictor):
    words = ["M", "f", " Male ", "FEMALE", "unknown", "", None, "not reported", 1, "2", "x", CANARY]
    table = wide(clinical__sex=words, clinical__age=61)
    assert fates(predictor, table, "clinical:sex") == [8, 9, 10, 11]
    male = predictor.model.assembler_.transform(table.iloc[:8])["clinical__male"]
    np.testing.assert_array_equal(male, [1, 0, 1, 0] + [np.nan] * 4)


# D16: units


def test_D16_counts_called_mut_per_mb(predictor):
    refused(
        lambda: predictor.score(wide(clinical__tmb=[350.0, 200, 900, 410, 160], clinical__tmb_unit="mut/Mb")), "THX-D16"
    )
    assert fates(
        predictor, wide(clinical__tmb=[9.0, 2000], clinical__tmb_unit="mut/Mb"), "clinical:tmb", "THX-D16"
    ) == [1]


def test_D16_one_patient_is_judged_as_in_the_crowd(predictor):
    crowd = wide(clinical__tmb=[9.0, 11, 160, 4, 7, 3], clinical__tmb_unit="mut/Mb")
    assert fates(predictor, crowd, "") == []
    assert fates(predictor, crowd.iloc[[2]], "") == []


def test_D16_a_burden_without_unit_or_territory(predictor):
    table = wide(
        clinical__tmb=[9.0, 9.0, 200.0, 200.0, 20_001, -1],
        clinical__tmb_unit=["mut/Mb", "", "count", "count (exome)", "count (exome)", "mut/Mb"],
    )
    assert fates(predictor, table, "clinical:tmb", "THX-D16") == [1, 2, 4, 5]


def test_D16_ldh_in_the_other_unit(predictor):
    swapped = wide(clinical__ldh=[310.0, 450, 1.2, 1.2, 310], clinical__ldh_unit=["U/L", "xULN", "xULN", "U/L", None])
    scores = scored(predictor, swapped)
    assert (scores.rejects.row.astype(int) - 1).tolist() == [1, 3]
    assert set(scores.rejects.code) == {"THX-D16"}
    assert scores.rejects.reason.str.contains("say so in ldh_unit").all()


# D17: who is who


def test_D17_an_identical_repeat_is_scored_once_and_emitted_twice(predictor):
    part = load_cohort("riaz2017_mel").wide().iloc[:3]
    scores = scored(predictor, part.iloc[[0, 1, 0, 2]])
    assert scores.account()["rows_in"] == 4
    first, second = scores.table.iloc[0], scores.table.iloc[2]
    same = [c for c in scores.table.columns if c != "notes"]
    assert first[same].equals(second[same])
    assert second.notes.endswith("same as row 1")
    assert "same as" not in first.notes


def test_D17_different_rows_of_one_patient_are_both_refused(predictor):
    table = wide(clinical__age=[61, 62, 63], clinical__site=[CANARY] * 3).set_axis(["a", "a", "b"], axis=0)
    scores = scored(predictor, table)
    assert scores.rejects.row.tolist() == [1, 2]
    assert set(scores.rejects.code) == {"THX-D17"}


def test_D17_a_conflict_in_any_table_refuses_the_patient(predictor, genes):
    twice = pd.concat([genes, genes.iloc[[0]] + 1.0])
    clinical = pd.DataFrame({"age": 61.0}, index=genes.index)
    assert fates(predictor, cohort_of(twice, clinical=clinical), "expression", "THX-D17") == [0]


def test_D17_blank_ids(predictor):
    table = pd.DataFrame({"patient_id": ["a", None, " ", "b"], "clinical:age": [61, 62, 63, 64]})
    assert fates(predictor, table, "patient_id", "THX-D17") == [1, 2]


@pytest.mark.parametrize(
    ("ids", "hint"),
    [(["007", "008"], "leading zeros"), (["PT7", "PT8"], "upper/lower case"), (["x", "y"], "same ids in every table")],
)
def test_D17_ids_that_match_nowhere(ids, hint):
    first = ["7", "8"] if ids[0] == "007" else ["pt7", "pt8"]
    tables = {
        "clinical": pd.DataFrame({"patient_id": first, "age": [61, 62]}),
        "mutations": pd.DataFrame({"patient_id": ids, "tmb": [9.0, 8.0]}),
    }
    assert hint in refused(lambda: Cohort.from_tables(tables), "THX-D17")


# D24: one class


@pytest.mark.parametrize("labels", [["R"] * 12, ["NR"] * 12, [None] * 12])
def test_D24_one_class_trains_nothing(genes, labels):
    clinical = pd.DataFrame({"response": pd.Series(labels, dtype=object).to_numpy()}, index=genes.index)
    refused(lambda: ResponseModel("melanoma_ici").fit(cohort_of(genes, clinical=clinical)), "THX-D24")


# D34: the order of columns


def test_D34_the_order_of_columns_and_rows_does_not_change_a_bit(predictor, rng):
    table = load_cohort("riaz2017_mel").wide()
    other = table.iloc[rng.permutation(len(table)), rng.permutation(table.shape[1])]
    wanted = scored(predictor, table).table.set_index("patient_id")
    got = scored(predictor, other).table.set_index("patient_id").loc[wanted.index]
    pd.testing.assert_frame_equal(got, wanted, check_exact=True)
    numbers = ["probability", "lower", "upper"]
    assert got[numbers].to_numpy().tobytes() == wanted[numbers].to_numpy().tobytes()


# all of them: one bad row never kills a batch, and a record can be written


def test_one_bad_row_of_each_kind_leaves_the_others_alone(predictor):
    good = load_cohort("riaz2017_mel").wide().iloc[:4].astype(object)
    bad = good.assign(**{"clinical:age": None, "clinical:sex": None})
    bad.loc[bad.index[1], "clinical:age"] = "45y"
    bad.loc[bad.index[2], "clinical:sex"] = CANARY
    bad.loc[bad.index[3], "signatures:Ayers_IFNg18"] = CANARY
    scores = scored(predictor, bad)
    assert scores.rejects.row.tolist() == [2, 3, 4]
    assert scores.rejects.code.tolist() == ["THX-D13", "THX-D15", "THX-D13"]
    alone = scored(predictor, good.iloc[:1]).table.iloc[0]
    assert scores.table.iloc[0].probability == alone.probability
    assert CANARY not in json.dumps(scores.prediction(alone.patient_id).to_dict())
    with pytest.raises(DataError) as caught:
        predictor.score(bad, strict=True)
    assert CANARY not in str(caught.value)
