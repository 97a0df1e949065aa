"""A validation as it is kept with a model: plain records and the tables again, metrics, files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from theracast.models.validate import MODEL, Validation

#: What every reader of a table may rely on, also where a model was kept by an earlier version.
_COLUMNS = ("cohort", "model", "n", "R", "NR", "auc", "auc_lower", "auc_upper", "note")
_WORDS = ("cohort", "model", "note", "holds", "within", "state", "attribute", "group")


def pack_validation(validation: Validation) -> dict[str, Any]:
    """Turn the tables of a validation into records.

    Parameters
    ----------
    validation : Validation
        From `leave_cohorts_out`; the predictions of single patients are not kept.

    Returns
    -------
    dict
        JSON-ready: ``validation``, ``mean``, ``sets``, ``coverage``, ``net_benefit`` and ``equity``.

    Examples
    --------
    >>> from theracast.models.validate import judged
    >>> p = pd.DataFrame({"cohort": "a", "y": [0, 1, 0, 1], "prior": 0.4, "theracast": [0.2, 0.8, 0.9, 0.7],
    ...                   "set": "both"})
    >>> pack_validation(judged(p, {"A": ["a"]}))["coverage"][0]["coverage"]
    1.0
    """
    return {
        "validation": _records(validation.table),
        "mean": _records(validation.mean),
        "sets": {name: _records(mean) for name, mean in validation.sets.items()},
        "coverage": _records(validation.coverage),
        "net_benefit": _records(validation.net_benefit),
        "equity": _records(validation.equity),
    }


def unpack_validation(about: Mapping[str, Any]) -> Validation | None:
    """Read back what `pack_validation` made.

    Parameters
    ----------
    about : mapping
        What was kept with a model; what an earlier version did not keep is empty.

    Returns
    -------
    Validation or None
        Without the predictions of single patients; None where no validation was kept.

    Examples
    --------
    >>> unpack_validation({}) is None
    True
    """
    if not about.get("validation"):
        return None
    table = _frame(about["validation"])
    return Validation(
        pd.DataFrame(),
        table.reindex(columns=[*table.columns, *(c for c in _COLUMNS if c not in table)]),
        _frame(about.get("mean") or []),
        {name: _frame(records) for name, records in (about.get("sets") or {}).items()},
        *(_frame(about.get(name) or []) for name in ("coverage", "net_benefit", "equity")),
    )


def validation_metrics(validation: Validation) -> dict[str, float]:
    """Name the figures of a validation that a tracking store can plot.

    Parameters
    ----------
    validation : Validation
        From `leave_cohorts_out`.

    Returns
    -------
    dict of str to float
        ``auc.<cohort>``, ``brier.<cohort>``, ``coverage.<cohort>``, ``mean_auc.<model>`` and
        ``mean_auc.<set>.<model>``; what could not be estimated is left out.

    Examples
    --------
    >>> from theracast.models.validate import judged
    >>> p = pd.DataFrame({"cohort": "a", "y": [0, 1, 0, 1], "prior": 0.4, "theracast": [0.2, 0.8, 0.3, 0.7]})
    >>> validation_metrics(judged(p, {"A": ["a"]}))["mean_auc.A.theracast"]
    1.0
    """
    ours = validation.table[validation.table.model == MODEL].set_index("cohort")
    values = {f"auc.{c}": v for c, v in ours.auc.items()} | {f"brier.{c}": v for c, v in ours.brier.items()}
    values |= {f"mean_auc.{m}": v for m, v in validation.mean.set_index("model").auc.items()}
    for name, mean in validation.sets.items():
        values |= {f"mean_auc.{name}.{m}": v for m, v in mean.set_index("model").auc.items()}
    if len(validation.coverage):
        values |= {f"coverage.{c}": v for c, v in validation.coverage.set_index("cohort").coverage.items()}
    return {re.sub(r"[^\w./-]", "_", str(k)): float(v) for k, v in values.items() if pd.notna(v)}


def validation_files(validation: Validation) -> dict[str, pd.DataFrame]:
    """Name the tables of a validation as files.

    Parameters
    ----------
    validation : Validation
        From `leave_cohorts_out`.

    Returns
    -------
    dict of str to DataFrame
        ``validation.csv``, ``mean.csv``, ``coverage.csv``, ``net_benefit.csv``; ``equity.csv`` where groups were
        looked at, ``sets.csv`` where cohorts have named sets.

    Examples
    --------
    >>> from theracast.models.validate import judged
    >>> p = pd.DataFrame({"cohort": "a", "y": [0, 1, 0, 1], "prior": 0.4, "theracast": [0.2, 0.8, 0.3, 0.7]})
    >>> validation_files(judged(p, {"A": ["a"]}))["sets.csv"][["set", "auc"]].to_numpy().tolist()
    [['A', 1.0]]
    """
    sets = [mean.assign(set=name) for name, mean in validation.sets.items()]
    tables = {"validation.csv": validation.table, "mean.csv": validation.mean, "coverage.csv": validation.coverage}
    tables |= {"net_benefit.csv": validation.net_benefit}
    tables |= {"equity.csv": validation.equity} if len(validation.equity) else {}
    return tables | ({"sets.csv": pd.concat(sets)} if sets else {})


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{k: None if pd.isna(v) else v for k, v in row.items()} for row in table.to_dict("records")]


def _frame(records: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(records)
    # a column of nothing but None would be of objects, and no number could be compared with it
    return frame.assign(**{c: pd.to_numeric(frame[c]) for c in frame if c not in _WORDS})
