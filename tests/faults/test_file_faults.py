"""Wrong files, named by the id of the fault: unreadable, damaged, empty."""

import pandas as pd
import pytest
from faults.judge import CANARY, fates, refused, scored

from theracast.features.cohort import Cohort
from theracast.features.readers import read_cohort

# D31: text files


@pytest.mark.parametrize(
    "data",
    [
        f"patient_id,age\na,61\nb,{CANARY}\n".encode("utf-16"),
        f"patient_id,age\na,61\nb,{CANARY}\n".encode("utf-16-le"),
        f"patient_id,site\na,{CANARY}é\n".encode("latin-1"),
        f"patient_id,age\na,61\nb,62,{CANARY}\n".encode(),
        f"patient_id,age\na,61,{CANARY}\nb,62,x\n".encode(),
        f"patient_id,age,site\na,61,x\n{CANARY},62\n".encode(),
        f"patient_id,age\na,6\0{CANARY}\n".encode(),
        f'patient_id,site\na,"{CANARY}\nb,62\n'.encode(),
        f'patient_id,site\na,"{CANARY}"x\n'.encode(),
        b"patient_id,site\na," + b"z" * 200_000 + b"\n",
    ],
    ids=[
        *("UTF-16", "UTF-16 without mark", "Latin-1", "a long row", "all rows long", "a short row", "NUL"),
        *("open quote", "text after a quote", "endless cell"),
    ],
)
def test_D31_text_that_cannot_be_parsed(tmp_path, data):
    (tmp_path / "clinical.csv").write_bytes(data)
    assert "cannot be parsed" in refused(lambda: read_cohort(tmp_path), "THX-D31")


def test_D31_the_line_is_named(tmp_path):
    (tmp_path / "clinical.csv").write_text("patient_id,age\na,61\n\nb,62,x\n")
    assert "line 4 has 3 columns, the header 2" in refused(lambda: read_cohort(tmp_path), "THX-D31")


def test_D31_what_is_harmless_is_read(tmp_path, predictor):
    rows = b"\xef\xbb\xbfpatient_id,age,site\r\na,61,x\r\nb,62,=cmd|calc\n\nc,63,+1\r\n"
    (tmp_path / "clinical.csv").write_bytes(rows)
    cohort = read_cohort(tmp_path)
    assert cohort.ids.tolist() == ["a", "b", "c"]
    assert scored(predictor, cohort).account()["rejected"] == 0


# D32: Parquet files


def test_D32_truncated_anywhere(tmp_path, genes):
    file = tmp_path / "expression.parquet"
    genes.T.rename_axis("gene").to_parquet(file)
    whole = file.read_bytes()
    for size in {0, 1, 4, 8, *range(4096, len(whole), len(whole) // 12), len(whole) - 8, len(whole) - 1}:
        file.write_bytes(whole[:size])
        assert f"{size} bytes" in refused(lambda: read_cohort(tmp_path), "THX-D32")
    file.write_text(f"patient_id,age\n{CANARY},61\n")
    refused(lambda: read_cohort(tmp_path), "THX-D32")


def test_D32_zero_rows_and_another_schema(tmp_path, predictor):
    file = tmp_path / "clinical.parquet"
    pd.DataFrame({"patient_id": pd.Series(dtype=str), "age": pd.Series(dtype=float)}).to_parquet(file)
    assert scored(predictor, read_cohort(tmp_path)).account()["rows_in"] == 0
    pd.DataFrame({"subject": [CANARY], "value": [1.0]}).to_parquet(file)
    refused(lambda: read_cohort(tmp_path), "THX-D17")
    pd.DataFrame({"patient_id": ["a", "b"], "age": [{"years": CANARY}, {"years": "61"}]}).to_parquet(file)
    assert fates(predictor, read_cohort(tmp_path), "clinical:age", "THX-D13") == [0, 1]


# D33: nothing there


@pytest.mark.parametrize("text", ["", "\n", "\n\n\r\n", "\ufeff"])
def test_D33_an_empty_file(tmp_path, text):
    (tmp_path / "clinical.csv").write_text(text, encoding="utf-8")
    refused(lambda: read_cohort(tmp_path), "THX-D33")
    refused(lambda: read_cohort(tmp_path / "clinical.csv"), "THX-D33")


def test_D33_a_header_alone_is_no_patients(tmp_path, predictor):
    (tmp_path / "clinical.csv").write_text("patient_id,age,response\n")
    scores = scored(predictor, read_cohort(tmp_path))
    assert scores.account() == {"rows_in": 0, "scored": 0, "abstained": 0, "rejected": 0}
    (tmp_path / "clinical.csv").unlink()
    (tmp_path / "expression.csv").write_text("gene,a\n")
    assert scored(predictor, read_cohort(tmp_path)).account()["rejected"] == 0


def test_D33_no_columns_and_no_tables(tmp_path, predictor):
    refused(lambda: read_cohort(tmp_path), "THX-D33")
    refused(lambda: Cohort.from_wide(pd.DataFrame({"age": [61]}, index=["a"])), "THX-D33")
    (tmp_path / "clinical.csv").write_text("patient_id\na\nb\n")
    assert scored(predictor, read_cohort(tmp_path)).account()["abstained"] == 2
