"""What a validation shows on a page: the model beside others, cohort by cohort, and how often the sets held."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from theracast.models.baselines import BASELINES
from theracast.models.estimates import Estimate
from theracast.models.published import PUBLISHED
from theracast.models.validate import MODEL, Validation
from theracast.predict.tables import coverage_rows, decision_rows, equity_rows


def judged(validation: Validation | None) -> dict[str, Any] | None:
    """Put a validation into the tables of a page.

    Parameters
    ----------
    validation : Validation or None
        As kept with a model.

    Returns
    -------
    dict or None
        ``models``, the names beside the model; ``cohorts``, one row per cohort with the AUC of each; ``means``, one
        list of rows per set of cohorts, with the gain over each; ``coverage``, one row per cohort, and the names of
        the cohorts that lie ``below``; ``worth``, the net benefit per cohort at a few thresholds, and ``groups``, the
        equity audit, as `theracast.predict.tables` has them. None where there is no validation.

    Examples
    --------
    >>> row = {"cohort": "a", "model": "theracast", "n": 40, "R": 15, "NR": 25, "auc": 0.7, "auc_lower": 0.5,
    ...        "auc_upper": 0.85, "note": ""}
    >>> judged(Validation(pd.DataFrame(), pd.DataFrame([row]), pd.DataFrame()))["cohorts"][0]["auc"]
    '.70 (.50–.85)'
    """
    if validation is None:
        return None
    table = validation.table
    models = [m for m in table.model.unique() if m not in (MODEL, "prevalence")]
    means = {"all cohorts": validation.mean} | {f"set {name}": mean for name, mean in validation.sets.items()}
    coverage = coverage_rows(validation)
    return {
        "models": [_title(m) for m in models],
        "cohorts": [_cohort(str(name), part, models) for name, part in table.groupby("cohort", sort=False)],
        "means": [(name, [_mean(r) for r in mean.to_dict("records")]) for name, mean in means.items() if len(mean)],
        "coverage": coverage.replace("n/e", "–").rename(columns=lambda c: c.replace(" ", "_")).to_dict("records"),
        "below": [] if coverage.empty else validation.coverage.cohort[~validation.coverage.holds.astype(bool)].tolist(),
        "worth": decision_rows(validation).to_dict("records"),
        "groups": equity_rows(validation).rename(columns=lambda c: re.sub(r"\W+", "_", c)).to_dict("records"),
    }


def _cohort(name: str, part: pd.DataFrame, models: list[str]) -> dict[str, Any]:
    auc = part.set_index("model").auc.astype(float)
    ours = part[part.model == MODEL].to_dict("records")
    own = ours[0] if ours else part.iloc[0].to_dict()
    return {
        "cohort": name,
        "n": f"{own['n']:.0f} ({own['R']:.0f} / {own['NR']:.0f})",
        "auc": _estimate(own, "auc") if ours else "–",
        "others": ["–" if pd.isna(auc.get(m)) else f"{auc[m]:.2f}".removeprefix("0") for m in models],
        "note": own["note"] or "",
    }


def _mean(row: dict[str, Any]) -> dict[str, Any]:
    name = str(row["model"])
    kind = "published" if name in PUBLISHED else "baseline" if name in BASELINES else ""
    return {
        "model": _title(name),
        "kind": kind,
        "ours": name == MODEL,
        "auc": ".50" if name == "prevalence" else _estimate(row, "auc"),
        "gain": "" if name == MODEL else _estimate(row, "gain"),
        "cohorts": f"{row['cohorts']:.0f}",
    }


def _title(name: str) -> str:
    return PUBLISHED[name].title if name in PUBLISHED else name


def _estimate(row: dict[str, Any], name: str) -> str:
    spread = [row.get(k) for k in (name, f"{name}_lower", f"{name}_upper")]
    value, lower, upper = (float("nan") if v is None else float(v) for v in spread)
    text = str(Estimate(value, lower, upper, float("nan")))
    return text.replace("-", "−" if " to " in text else "–")
