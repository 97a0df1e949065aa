"""Validation results as people read them: one line per cohort, AUC with its interval."""

from __future__ import annotations

import pandas as pd

from theracast.models.baselines import BASELINES
from theracast.models.estimates import Estimate
from theracast.models.validate import MODEL, Validation


def cohort_rows(validation: Validation) -> pd.DataFrame:
    """Set the model beside the baselines, cohort by cohort.

    Parameters
    ----------
    validation : Validation
        From `leave_cohorts_out`.

    Returns
    -------
    DataFrame of str
        ``cohort``, ``n (R/NR)``, the model's AUC with interval, the AUC of each baseline, the model's balanced
        accuracy, its Brier score with that of the prevalence, its calibration slope with interval, a note.

    Examples
    --------
    >>> from theracast.models.validate import cohort_table, mean_table
    >>> p = pd.DataFrame({"cohort": "a", "y": [0, 1, 0, 1], "prior": 0.4, "theracast": [0.2, 0.8, 0.9, 0.7],
    ...                   "prevalence": 0.5})
    >>> cohort_rows(Validation(p, cohort_table(p), mean_table(p)))["n (R/NR)"].tolist()
    ['4 (2/2)']
    """
    table = validation.table
    ours = table[table.model == MODEL].set_index("cohort")
    out = pd.DataFrame(index=ours.index)
    out["n (R/NR)"] = [f"{r.n} ({r.R}/{r.NR})" for r in ours.itertuples()]
    out[MODEL] = [str(_estimate(r, "auc")) for _, r in ours.iterrows()]
    for name in table.model.unique():
        if name in BASELINES and name != "prevalence":
            out[name] = table[table.model == name].set_index("cohort").auc.map(_short)
    out["balanced acc."] = ours.balanced_accuracy.map(_short)
    out["Brier (prevalence)"] = [
        f"{_short(a, 3)} ({_short(b, 3)})"
        for a, b in zip(ours.brier, table[table.model == "prevalence"].set_index("cohort").brier, strict=True)
    ]
    out["cal. slope"] = [str(_estimate(r, "calibration_slope")) for _, r in ours.iterrows()]
    out["note"] = ours.note
    return out.reset_index()


def mean_rows(validation: Validation) -> pd.DataFrame:
    """Give the random-effects mean AUC of each model.

    Parameters
    ----------
    validation : Validation
        From `leave_cohorts_out`.

    Returns
    -------
    DataFrame of str
        ``model``, ``mean AUC``, ``theracast above it`` (paired, on the same patients), ``cohorts``.

    Examples
    --------
    >>> m = pd.DataFrame({"model": ["a"], "auc": [0.6], "auc_lower": [0.5], "auc_upper": [0.7], "cohorts": [3],
    ...                   "gain": [0.1], "gain_lower": [0.0], "gain_upper": [0.2]})
    >>> mean_rows(Validation(pd.DataFrame(), pd.DataFrame(), m))["mean AUC"].tolist()
    ['.60 (.50-.70)']
    """
    mean = validation.mean
    text = [str(_estimate(r, "auc")) if r.model != "prevalence" else ".50 (by definition)" for _, r in mean.iterrows()]
    gain = ["" if r.model == MODEL else str(_estimate(r, "gain")) for _, r in mean.iterrows()]
    return pd.DataFrame({"model": mean.model, "mean AUC": text, f"{MODEL} above it": gain, "cohorts": mean.cohorts})


def markdown(frame: pd.DataFrame) -> str:
    """Write a table in Markdown.

    Parameters
    ----------
    frame : DataFrame
        Any; printed as text.

    Returns
    -------
    str
        One line per row.

    Examples
    --------
    >>> print(markdown(pd.DataFrame({"a": [1]})))
    | a |
    |---|
    | 1 |
    """
    lines = [
        [str(c) for c in frame.columns],
        ["---"] * frame.shape[1],
        *([str(v) for v in row] for row in frame.to_numpy()),
    ]
    return "\n".join("|" + "|".join(c if c == "---" else f" {c} " for c in line) + "|" for line in lines)


def _estimate(row: pd.Series, name: str) -> Estimate:
    return Estimate(row[name], row[f"{name}_lower"], row[f"{name}_upper"], float("nan"))


def _short(value: float, digits: int = 2) -> str:
    return "n/e" if value != value else f"{value:.{digits}f}".removeprefix("0")
