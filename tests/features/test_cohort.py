"""Cohort: rows accounted for, ids joined, scale and direction of expression found out."""

import numpy as np
import pandas as pd
import pytest

from theracast.errors import DataError
from theracast.features.cohort import Cohort, as_cohort
from theracast.features.datasets import load_cohort
from theracast.features.scales import to_canonical


def clinical(**columns):
    return pd.DataFrame({"patient_id": ["a", "b", "c"], **columns})


def test_fates_of_rows():
    table = pd.DataFrame({"patient_id": ["a", "b", "b", "c", "c", ""], "age": [1, 2, 2, 3, 4, 5]})
    cohort = Cohort.from_tables({"clinical": table})
    assert cohort.ids.tolist() == ["a", "b"]
    assert cohort.roster.repeats.tolist() == [-1, -1, 1, -1, -1, -1]
    assert cohort.roster.code.tolist() == ["", "", "", "THX-D17", "THX-D17", "THX-D17"]


def test_a_patient_of_one_table_only_is_kept():
    cohort = Cohort.from_tables(
        {"clinical": clinical(age=[1, 2, 3]), "signatures": pd.DataFrame({"s": [1.0, 2.0]}, index=["b", "d"])}
    )
    assert cohort.ids.tolist() == ["a", "b", "c", "d"]
    assert cohort.table("signatures")["s"].isna().tolist() == [True, False, True, False]
    assert cohort.table("nothing").shape == (4, 0)


def test_ids_are_text_and_trimmed():
    cohort = Cohort.from_tables({"clinical": pd.DataFrame({"patient_id": [7, " 8 "], "age": [1, 2]})})
    assert cohort.ids.tolist() == ["7", "8"]


def test_response_words():
    words = ["R", "nr ", 1, 0.0, "response", "no_response", None, ""]
    cohort = Cohort.from_tables({"clinical": pd.DataFrame({"response": words}, index=list("abcdefgh"))})
    np.testing.assert_array_equal(cohort.response, [1, 0, 1, 0, 1, 0, np.nan, np.nan])
    with pytest.raises(DataError, match="THX-D15"):
        _ = Cohort.from_tables({"clinical": clinical(response=["CR", "PD", "R"])}).response


def test_wide_and_back():
    cohort = load_cohort("hugo2016_mel")
    again = Cohort.from_wide(cohort.wide())
    assert again.ids.tolist() == cohort.ids.tolist()
    for name in cohort.tables:
        pd.testing.assert_frame_equal(
            again.table(name), cohort.table(name), check_dtype=False, check_names=False, check_index_type=False
        )
    assert as_cohort(cohort) is cohort


def test_subset_keeps_the_order_given():
    cohort = load_cohort("hugo2016_mel")
    part = cohort.subset(cohort.ids[[5, 2]])
    assert part.ids.tolist() == cohort.ids[[5, 2]].tolist()
    assert part.response.tolist() == cohort.response.iloc[[5, 2]].tolist()
    assert len(part.roster) == 2
    with pytest.raises(DataError, match="THX-D17"):
        cohort.subset(["nobody"])


def test_concat_keeps_the_account_of_every_row():
    def cohort(name):
        return Cohort.from_tables({"clinical": pd.DataFrame({"age": [61, 50, 50]}, index=["p", "q", "q"])}, name=name)

    both = Cohort.concat([cohort("a"), cohort("b")])
    assert both.roster.patient_id.tolist() == ["a:p", "a:q", "a:q", "b:p", "b:q", "b:q"]
    assert both.roster.repeats.tolist() == [-1, -1, 1, -1, -1, 4]
    assert both.ids.tolist() == ["a:p", "a:q", "b:p", "b:q"]
    assert both.subset(both.roster.patient_id[both.roster.repeats < 0]).ids.tolist() == both.ids.tolist()


def test_concat_keeps_studies_apart():
    both = Cohort.concat([load_cohort("hugo2016_mel"), load_cohort("mgh2022_mel")])
    assert len(both) == 60
    assert both.studies.value_counts().to_dict() == {"mgh2022_mel": 34, "hugo2016_mel": 26}
    assert both.ids.is_unique
    assert both.response.notna().sum() == 60


def test_genes_in_rows_or_in_columns_are_the_same():
    genes = pd.DataFrame({"CD274": [1.0, 7.5], "CD8A": [2.0, 3.0]}, index=["a", "b"])
    rows = Cohort.from_tables({"expression": genes.T.rename_axis("gene")})
    column = Cohort.from_tables({"expression": genes.T.rename_axis("gene").reset_index()})
    columns = Cohort.from_tables({"expression": genes})
    for other in (rows, column):
        pd.testing.assert_frame_equal(other.table("expression"), columns.table("expression"), check_names=False)


@pytest.mark.parametrize("unit", ["log2(TPM+1)", "log10(TPM+1)", "ln(TPM+1)", "TPM", "FPKM", "log2(FPKM+1)"])
def test_every_unit_comes_to_one_scale(unit, rng):
    tpm = rng.lognormal(2.0, 2.0, (3, 12_000))
    tpm *= 1e6 / tpm.sum(axis=1, keepdims=True)
    made = {
        "log2(TPM+1)": np.log2(tpm + 1),
        "log10(TPM+1)": np.log10(tpm + 1),
        "ln(TPM+1)": np.log(tpm + 1),
        "TPM": tpm,
        "FPKM": tpm * 3.0,
        "log2(FPKM+1)": np.log2(tpm * 3.0 + 1),
    }[unit]
    got = to_canonical(pd.DataFrame(made), unit, "expression").to_numpy()
    np.testing.assert_allclose(got, np.log2(tpm + 1), rtol=1e-5)


def test_a_repeated_id_column_is_refused():
    table = pd.DataFrame([["a", "b", 1]], columns=["patient_id", "patient_id", "age"])
    with pytest.raises(DataError, match="THX-D03"):
        Cohort.from_tables({"clinical": table})
    with pytest.raises(DataError, match="THX-D33"):
        Cohort.from_tables({})
