"""What monitoring reads: scores with their account, and outcomes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from theracast.errors import DataError
from theracast.features.cohort import Cohort
from theracast.features.readers import read_table
from theracast.models.conformal import SETS

#: Cells of a scores table without which nothing can be judged.
_NEEDED = ("patient_id", "probability", "set", "decision")


def one_model(scores: pd.DataFrame) -> pd.DataFrame:
    """Check that a table holds the scores of one model, and each patient once or twice alike.

    Parameters
    ----------
    scores : DataFrame
        As read.

    Returns
    -------
    DataFrame
        With ids as text.

    Raises
    ------
    DataError
        THX-D33 when it is no table of scores, THX-D17 when a patient has two scores or the table two models, THX-D20
        for unknown sets, THX-D11 for probabilities outside 0-1.

    Examples
    --------
    >>> one_model(pd.DataFrame({"patient_id": ["a"], "probability": [0.2], "set": "both", "decision": "abstain"})).shape
    (1, 4)
    """
    missing = [c for c in _NEEDED if c not in scores]
    if missing:
        raise DataError(
            "this is no table of scores",
            code="THX-D33",
            where="scores",
            got=f"without {', '.join(missing)}",
            fix="Give the Parquet file that 'theracast score' wrote.",
        )
    if scores["patient_id"].isna().any():
        raise DataError("rows without a patient", code="THX-D17", where="scores:patient_id")
    table = scores.assign(patient_id=scores["patient_id"].astype(str))
    same = [c for c in ("model_uri", "model_version") if c in table]
    if same and len(table[same].drop_duplicates()) > 1:
        raise DataError(
            "the scores are of several models", code="THX-D17", where="scores", fix="Monitor one version at a time."
        )
    differ = table[["patient_id", "probability", "set"]].drop_duplicates()["patient_id"].duplicated()
    if differ.any():
        raise DataError(
            "a patient has two different scores",
            code="THX-D17",
            where="scores",
            got=f"{int(differ.sum())} patients",
            fix="Keep the one that was told before the outcome and acted on.",
        )
    if not table["set"].isin(SETS).all():
        raise DataError("holds other sets than are known", code="THX-D20", where="scores:set", wanted=", ".join(SETS))
    if not (table["probability"].dropna().between(0, 1)).all():
        raise DataError("holds probabilities outside 0-1", code="THX-D11", where="scores:probability")
    return table


def read_outcomes(outcomes: pd.DataFrame) -> pd.Series:
    """Read R and NR by patient.

    Parameters
    ----------
    outcomes : DataFrame
        ``patient_id`` and ``response``.

    Returns
    -------
    Series of float64
        1 responded, 0 did not, NaN not known yet; a patient who is there twice alike is there once.

    Raises
    ------
    DataError
        THX-D33 when a column is missing, THX-D17 when a patient has two outcomes, THX-D15 for other words.

    Examples
    --------
    >>> read_outcomes(pd.DataFrame({"patient_id": ["a", "b"], "response": ["NR", None]})).tolist()
    [0.0, nan]
    """
    missing = [c for c in ("patient_id", "response") if c not in outcomes]
    if missing:
        raise DataError(
            "outcomes want a column patient_id and a column response",
            code="THX-D33",
            where="outcomes",
            got=f"without {', '.join(missing)}",
            fix="Write R, NR or leave the response empty.",
        )
    if outcomes["patient_id"].isna().any():
        raise DataError("rows without a patient", code="THX-D17", where="outcomes:patient_id")
    # read by position: an id may be anything, and is not to be judged here
    ids = outcomes["patient_id"].astype(str).to_numpy()
    clinical = pd.DataFrame({"response": outcomes["response"].to_numpy()}, index=[f"r{i}" for i in range(len(ids))])
    y = Cohort.from_tables({"clinical": clinical}).response.to_numpy() if len(ids) else np.zeros(0)
    labels = pd.DataFrame({"patient_id": ids, "y": y}).drop_duplicates()
    twice = labels["patient_id"].duplicated()
    if twice.any():
        raise DataError(
            "a patient has two different outcomes",
            code="THX-D17",
            where="outcomes",
            got=f"{int(twice.sum())} patients",
            fix="Keep the one that counts.",
        )
    return labels.set_index("patient_id")["y"]


def read_scores(path: str | Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read scores and the account beside them.

    Parameters
    ----------
    path : str or Path
        The Parquet file or folder that ``theracast score`` wrote.

    Returns
    -------
    scores : DataFrame
        As stored.
    account : dict
        Of the JSON beside it; empty where there is none, or it is none.

    Raises
    ------
    DataError
        THX-D32 when the Parquet cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> pd.DataFrame({"patient_id": ["a"]}).to_parquet(folder / "s.parquet")
    >>> read_scores(folder / "s.parquet")[1]
    {}
    """
    path = Path(path)
    scores = read_table(path) if path.suffix == ".parquet" or path.is_file() else read_folder(path)
    beside = path.with_suffix(".json") if path.suffix == ".parquet" else path.with_name(f"{path.name}.json")
    try:
        account = json.loads(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        account = {}
    return scores, account if isinstance(account, dict) else {}


def read_folder(path: Path) -> pd.DataFrame:
    """Read a folder of Parquet files, refused rows left out.

    Parameters
    ----------
    path : Path
        As Spark wrote it.

    Returns
    -------
    DataFrame
        All rows that were scored.

    Raises
    ------
    DataError
        THX-D32 when it cannot be read.

    Examples
    --------
    >>> read_folder(Path("no/such/folder"))
    Traceback (most recent call last):
    ...
    theracast.errors.DataError: THX-D32: the scores cannot be read | where: no/such/folder | ...
    """
    try:
        table = pd.read_parquet(path)
    except Exception as error:  # pyarrow raises half a dozen kinds on a damaged file
        raise DataError(
            "the scores cannot be read", code="THX-D32", where=str(path), got=type(error).__name__
        ) from None
    return table[table["decision"].notna()] if "decision" in table else table
