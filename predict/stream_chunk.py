"""One chunk of a long table: scored as if it stood in the whole, and brought to the columns of the output."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from theracast.features.cohort import Cohort
from theracast.features.intake import split_wide
from theracast.models.recalibration import AS_TRAINED, Recalibration
from theracast.predict.explain import explain
from theracast.predict.made_of import column_sums
from theracast.predict.predictor import Predictor
from theracast.predict.records import Scores
from theracast.predict.rows import Place
from theracast.predict.stream_repeats import Repeats
from theracast.predict.told import told
from theracast.provenance import Source

#: What stands where an explanation is asked for and there was no time for it.
NOT_COMPUTED = "not computed"
#: Patients that are explained at a time: between two times the budget is looked at.
_AT_ONCE = 500


@dataclass(frozen=True)
class Settings:
    """How the rows of a job are scored.

    Attributes
    ----------
    explain : {"none", "top5", "all"}
        Features that are told of each patient.
    explain_seconds : float
        Time for the explanations of one chunk, in seconds.
    site : Recalibration
        As in `Predictor.score`.
    units : mapping of str to str
        Declared units.
    strict : bool
        Whether one refused row stops everything.
    source : Source
        What is read, for the lineage.

    Examples
    --------
    >>> Settings().explain
    'none'
    """

    explain: str = "none"
    explain_seconds: float = float("inf")
    site: Recalibration = AS_TRAINED
    units: Mapping[str, str] = field(default_factory=dict)
    strict: bool = False
    source: Source = field(default_factory=lambda: Source("wide", "memory", ""))


def score_chunk(
    predictor: Predictor, frame: pd.DataFrame, start: int, repeats: Repeats, settings: Settings
) -> tuple[dict[str, Any], pa.Table, pa.Table]:
    """Score some rows of a table; numbers and fates are those that they have in the whole.

    Parameters
    ----------
    predictor : Predictor
        The model.
    frame : DataFrame
        The rows.
    start : int
        Row (from 0) of the first.
    repeats : Repeats
        What the whole table says of repeated ids.
    settings : Settings
        How.

    Returns
    -------
    facts : dict
        ``rows``, ``scored``, ``abstained``, ``rejected``; how many for each ``reasons`` and ``codes``; and the ``sums``
        of the columns as read.
    scores : Table
        `theracast.predict.records.COLUMNS` and coverage; with explanations a column ``explanation``, the JSON of what
        `theracast.predict.told.told` tells.
    rejects : Table
        ``row`` (from 1), ``patient_id``, ``code``, ``reason``.

    Raises
    ------
    DataError
        As `Predictor.score`; rows are numbered as in the whole table.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> from theracast.models.base import ResponseModel
    >>> predictor = Predictor(ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel")), "0" * 64)
    >>> wide = pd.DataFrame({"patient_id": ["a", "b"], "clinical:age": [61.0, -1.0]})
    >>> score_chunk(predictor, wide, 100, Repeats(), Settings())[2].column("row").to_pylist()
    [102]
    """
    scores = score_rows(predictor, frame, np.arange(start, start + len(frame)), repeats, settings)
    table, fates = scores.table, scores.account()
    facts = {
        "rows": scores.rows_in,
        "start": start,
        "scored": fates["scored"],
        "abstained": fates["abstained"],
        "rejected": fates["rejected"],
        "reasons": _counted(table.reason[(table.decision == "abstain").to_numpy()]),
        "codes": _counted(scores.rejects.code),
        "sums": column_sums(frame),
    }
    return facts, _arrow(table), _arrow(scores.rejects.sort_values("row", kind="stable"))


def score_rows(
    predictor: Predictor, frame: pd.DataFrame, numbers: np.ndarray, repeats: Repeats, settings: Settings
) -> Scores:
    """Score rows of a table that need not follow each other.

    Parameters
    ----------
    predictor : Predictor
        The model.
    frame : DataFrame
        The rows.
    numbers : ndarray of int64, shape (n_rows,)
        Row (from 0) of each in the whole table.
    repeats : Repeats
        What the whole table says of repeated ids.
    settings : Settings
        How.

    Returns
    -------
    Scores
        `Scores.positions` and the rejects are numbered as in the whole table.

    Raises
    ------
    DataError
        As `Predictor.score`.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> from theracast.models.base import ResponseModel
    >>> predictor = Predictor(ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel")), "0" * 64)
    >>> wide = pd.DataFrame({"patient_id": ["a", "b"], "clinical:age": [61.0, 48.0]})
    >>> score_rows(predictor, wide, np.array([7, 70]), Repeats(), Settings()).positions
    (7, 70)
    """
    refused = [(row + 1, *repeats.conflicts[row]) for row in numbers.tolist() if row in repeats.conflicts]
    if refused:
        left = np.isin(numbers, list(repeats.conflicts), invert=True)
        frame, numbers = frame.iloc[np.flatnonzero(left)], numbers[left]
    lost = pd.DataFrame([(row, i, "THX-D17", why) for row, i, why in refused], columns=_REJECTS)
    cohort = Cohort.from_tables(
        split_wide(frame, allow_empty=False), name="wide", units=settings.units, sources=[settings.source]
    )
    place = Place(numbers, repeats.first)
    scores = predictor.score(cohort, strict=settings.strict, site=settings.site, place=place)
    table = scores.table
    if settings.explain != "none":
        said = _explanations(predictor, cohort, table, settings)
        table = table.assign(explanation=[said.get(i, "") for i in table.patient_id])
    rejects = pd.concat([scores.rejects, lost]) if len(lost) else scores.rejects
    return replace(scores, table=table, rejects=rejects, rows_in=scores.rows_in + len(lost))


def _counted(words: pd.Series) -> dict[str, int]:
    """Count words, in the order in which they come."""
    codes, cells = pd.factorize(words)
    return dict(zip(cells.tolist(), np.bincount(codes, minlength=len(cells)).tolist(), strict=True))


_REJECTS = ["row", "patient_id", "code", "reason"]


def _explanations(predictor: Predictor, cohort: Cohort, table: pd.DataFrame, settings: Settings) -> dict[str, str]:
    """Explain each patient, while there is time; the prediction stands in any case."""
    ends = time.monotonic() + settings.explain_seconds
    most = 5 if settings.explain == "top5" else None
    patients = list(dict.fromkeys(table.patient_id))
    said = dict.fromkeys(patients, NOT_COMPUTED)
    if not patients or time.monotonic() >= ends:
        return said
    predicted = table.drop_duplicates("patient_id").probability.to_numpy()
    matrix = predictor.model.matrix(cohort.subset(patients), checked=True)
    for first in range(0, len(patients), _AT_ONCE):
        if time.monotonic() >= ends:
            break
        rows = np.arange(first, min(first + _AT_ONCE, len(patients)))
        found = explain(predictor.model, matrix.subset(rows), settings.site, predicted=predicted[rows])
        for patient, content in told(found, most):
            said[patient] = json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return said


def _arrow(table: pd.DataFrame) -> pa.Table:
    """Give every chunk the same schema, whatever stands in it."""
    columns = {}
    for name, column in table.items():
        kind = pa.float64() if column.dtype.kind == "f" else pa.int64() if name == "row" else pa.string()
        text = isinstance(column.dtype, pd.StringDtype)  # Arrow already: no object is made for any cell
        values = column.array if text else column.to_numpy(dtype=object if kind == pa.string() else None)
        columns[str(name)] = pa.array(values, type=kind)
    return pa.table(columns)
