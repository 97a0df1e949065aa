"""Validation results as people read them: one line per cohort, AUC with its interval."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from theracast.models.baselines import BASELINES
from theracast.models.estimates import Estimate
from theracast.models.fusion import SET_LEVEL
from theracast.models.ranking import NOT_COMPARABLE, RANKED
from theracast.models.selection import ONE_LEFT, SelectionModel
from theracast.models.subgroups import ATTRIBUTES, SMALLEST
from theracast.models.validate import MODEL, Validation

#: Thresholds of a decision curve that a table shows.
SHOWN = 4
EQUITY_SHOWN = tuple(a for a in ATTRIBUTES if a != "study")


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
        ``model``, ``mean AUC`` (random effects), ``theracast above it`` (paired, on the same patients), ``plain mean``
        (arithmetic, as other papers give) and ``cohorts``.

    Examples
    --------
    >>> m = pd.DataFrame({"model": ["a"], "auc": [0.6], "auc_lower": [0.5], "auc_upper": [0.7], "cohorts": [3],
    ...                   "gain": [0.1], "gain_lower": [0.0], "gain_upper": [0.2]})
    >>> mean_rows(Validation(pd.DataFrame(), pd.DataFrame(), m))["mean AUC"].tolist()
    ['.60 (.50-.70)']
    """
    return _mean_rows(validation.mean)


def set_rows(validation: Validation) -> dict[str, pd.DataFrame]:
    """Give the same as `mean_rows` for each named set of cohorts.

    Parameters
    ----------
    validation : Validation
        From `leave_cohorts_out`.

    Returns
    -------
    dict of str to DataFrame of str
        By the name of the set.

    Examples
    --------
    >>> m = pd.DataFrame({"model": ["a"], "auc": [0.6], "auc_lower": [0.5], "auc_upper": [0.7], "cohorts": [3],
    ...                   "gain": [0.1], "gain_lower": [0.0], "gain_upper": [0.2]})
    >>> set_rows(Validation(pd.DataFrame(), pd.DataFrame(), m, {"A": m}))["A"]["theracast above it"].tolist()
    ['.10 (.00-.20)']
    """
    return {name: _mean_rows(mean) for name, mean in validation.sets.items()}


def coverage_rows(validation: Validation) -> pd.DataFrame:
    """Say for each cohort how often the label sets held the answer, and how often they decided.

    Parameters
    ----------
    validation : Validation
        From `leave_cohorts_out`.

    Returns
    -------
    DataFrame of str
        ``cohort``, ``n``, ``coverage``, that among responders (``R``) and non-responders (``NR``), ``both`` (share of
        patients whose set holds both answers), ``right when single``, and ``below 90%``: whether the coverage is more
        than two standard errors too low. No rows where the label sets were not kept.

    Examples
    --------
    >>> from theracast.models.conformal import coverage_table
    >>> p = pd.DataFrame({"cohort": "a", "y": [0, 1, 1], "set": ["both", "response", "no_response"]})
    >>> coverage_rows(Validation(p, p, p, coverage=coverage_table(p))).iloc[0].tolist()
    ['a', '3', '67%', '50%', '100%', '33%', '50%', '']
    """
    held = validation.coverage
    if held.empty:
        return pd.DataFrame()
    shares = {
        "coverage": "coverage",
        "R": "coverage_response",
        "NR": "coverage_no_response",
        "both": "abstained",
        "right when single": "right_when_single",
    }
    out = pd.DataFrame({"cohort": held.cohort, "n": held.n.astype(str)})
    for name, column in shares.items():
        out[name] = ["n/e" if v != v else f"{v:.0%}" for v in held[column]]
    out[f"below {SET_LEVEL:.0%}"] = ["" if holds else "yes" for holds in held.holds]
    return out


def decision_rows(validation: Validation) -> pd.DataFrame:
    """Say what treating by the model is worth on each cohort, at each of a few thresholds.

    Parameters
    ----------
    validation : Validation
        From `leave_cohorts_out`.

    Returns
    -------
    DataFrame of str
        ``cohort``; per threshold, ``treat from 30%`` and so on, the net benefit above the better of treating everyone
        and no one, in responses per 100 patients with its interval; ``note``. At most `SHOWN` thresholds. No rows
        where none were kept.

    Examples
    --------
    >>> from theracast.models.decision_curve import decision_table
    >>> p = pd.DataFrame({"cohort": "a", "y": [0, 1] * 10, "theracast": [0.2, 0.8] * 10})
    >>> worth = decision_table(p, "theracast", [0.5])
    >>> decision_rows(Validation(p, p, p, net_benefit=worth)).columns.tolist()
    ['cohort', 'treat from 50%', 'note']
    """
    held = validation.net_benefit
    if held.empty:
        return pd.DataFrame()
    thresholds = sorted(held["threshold"].unique())
    step = -(-len(thresholds) // SHOWN)
    # every step-th, and the same ones whatever the cohort: of .05 to .6, .15 .3 .45 .6
    chosen = thresholds[step - 1 :: step]
    rows = []
    for cohort, part in held.groupby("cohort", sort=False):
        at = part.set_index("threshold")
        texts = {f"treat from {t:.0%}": _per_hundred(at.loc[t]) for t in chosen}
        rows.append({"cohort": cohort} | texts | {"note": at["state"].iloc[0]})
    return pd.DataFrame(rows)


def equity_rows(validation: Validation, attributes: Sequence[str] = EQUITY_SHOWN) -> pd.DataFrame:
    """Say of each group how the model did on it, and how many of it there were.

    Parameters
    ----------
    validation : Validation
        From `leave_cohorts_out`.
    attributes : sequence of str
        Of `theracast.models.subgroups.ATTRIBUTES`, those to show; by default all but the study, which the other tables
        are told by.

    Returns
    -------
    DataFrame of str
        ``attribute``, ``group``, ``in training`` (share of the training patients), ``n (R/NR)``, ``AUC`` with
        interval, ``observed - expected`` response rate with interval, ``covered``, ``abstains``, ``missed`` (share of
        responders with a decision who were told no response) and ``note``. No rows where no groups were looked at.

    Examples
    --------
    >>> equity_rows(Validation(pd.DataFrame(), pd.DataFrame(), pd.DataFrame())).empty
    True
    """
    if validation.equity.empty:
        return pd.DataFrame()
    rows = []
    for _, r in validation.equity[validation.equity["attribute"].isin(attributes)].iterrows():
        classes = f"{r['R']:.0f}/{r['NR']:.0f}" if r["R"] == r["R"] else "-"
        rows.append(
            {
                "attribute": r["attribute"].replace("_", " "),
                "group": r["group"],
                "in training": _percent(r["trained"]),
                "n (R/NR)": f"{r['n']:.0f} ({classes})" if r["n"] == r["n"] else f"below {SMALLEST}",
                "AUC": str(_estimate(r, "auc")).replace("not estimable", ""),
                "observed - expected": str(_estimate(r, "calibration")).replace("not estimable", ""),
                "covered": _percent(r["coverage"]),
                "abstains": _percent(r["abstains"]),
                "missed": _percent(r["missed"]),
                "note": r["note"],
            }
        )
    return pd.DataFrame(rows)


def as_met(evidence: pd.DataFrame) -> pd.DataFrame:
    """Give the evidence of each therapy as patients meet it: one that no other of its study can stand beside is alone.

    Parameters
    ----------
    evidence : DataFrame
        One row per therapy: ``study``, ``state``, ``reason``.

    Returns
    -------
    DataFrame
        The same, with ``not comparable`` for a therapy that is alone.

    Examples
    --------
    >>> line = {"study": "certifi", "therapy": "ustekinumab", "state": "ranked", "reason": ""}
    >>> as_met(pd.DataFrame([line])).state.tolist()
    ['not comparable']
    """
    ranked = evidence["state"] == RANKED
    alone = ranked & (ranked.groupby(evidence["study"]).transform("sum") < 2)
    return evidence.assign(
        state=evidence["state"].where(~alone, NOT_COMPARABLE), reason=evidence["reason"].where(~alone, ONE_LEFT)
    )


def evidence_rows(model: SelectionModel) -> pd.DataFrame:
    """Say what the model of each therapy rests on.

    Parameters
    ----------
    model : SelectionModel
        Fitted.

    Returns
    -------
    DataFrame of str
        ``therapy``, ``study``, ``reads``, ``n (responders)``, ``AUC``, ``Brier (rate)``, ``state``, ``reason``.

    Examples
    --------
    >>> callable(evidence_rows)
    True
    """
    reads = {(a.study, a.therapy): a.reads for a in model.selection.arms}
    rows = []
    for _, r in as_met(model.evidence_).iterrows():
        rows.append(
            {
                "therapy": r["therapy"],
                "study": r["study"],
                "reads": reads.get((r["study"], r["therapy"]), ""),
                "n (responders)": f"{r['n']:.0f} ({r['responders']:.0f})",
                "AUC": str(_estimate(r, "auc")),
                "Brier (rate)": f"{_short(r['brier'], 3)} ({_short(r['brier_rate'], 3)})",
                "state": "can be ranked" if r["state"] == RANKED else r["state"],
                "reason": r["reason"],
            }
        )
    return pd.DataFrame(rows)


def _mean_rows(mean: pd.DataFrame) -> pd.DataFrame:
    text = [str(_estimate(r, "auc")) if r.model != "prevalence" else ".50 (by definition)" for _, r in mean.iterrows()]
    gain = ["" if r.model == MODEL else str(_estimate(r, "gain")) for _, r in mean.iterrows()]
    plain = ["" if v != v else _short(v) for v in mean.get("plain", pd.Series(float("nan"), mean.index))]
    return pd.DataFrame(
        {
            "model": mean.model,
            "mean AUC": text,
            f"{MODEL} above it": gain,
            "plain mean": plain,
            "cohorts": mean.cohorts,
        }
    )


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


def _per_hundred(row: pd.Series) -> str:
    value, lower, upper = (round(100 * row[k], 1) + 0.0 for k in ("gain", "gain_lower", "gain_upper"))
    return f"{value:.1f} ({lower:.1f} to {upper:.1f})"


def _percent(share: float) -> str:
    return "" if share != share else f"{share:.0%}"


def _estimate(row: pd.Series, name: str) -> Estimate:
    return Estimate(row[name], row[f"{name}_lower"], row[f"{name}_upper"], float("nan"))


def _short(value: float, digits: int = 2) -> str:
    return "n/e" if value != value else f"{value:.{digits}f}".removeprefix("0")
