"""Figures of a validation in words: an estimate with its interval, the strongest rival, how far cohorts differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from theracast.models.estimates import Estimate
from theracast.models.published import PUBLISHED
from theracast.models.validate import MODEL, Validation

#: What is printed where there is nothing to estimate.
NOTHING = "–"
#: A rival of the model by chance alone.
CHANCE = "prevalence"
_SAID = {MODEL: "this model", CHANCE: "response rate in training"}


def estimate(row: Mapping[str, Any], name: str, percent: bool = False) -> str:
    """Print an estimate with its interval.

    Parameters
    ----------
    row : mapping
        With ``name``, ``name_lower`` and ``name_upper``.
    name : str
        Of the estimate.
    percent : bool, default False
        Whether it is a share to be printed in percent.

    Returns
    -------
    str
        A dash where it is not known.

    Examples
    --------
    >>> estimate({"auc": 0.65, "auc_lower": 0.58, "auc_upper": 0.72}, "auc")
    '.65 (.58–.72)'
    >>> estimate({"abstains": 0.5, "abstains_lower": 0.4, "abstains_upper": 0.6}, "abstains", percent=True)
    '50% (40–60%)'
    """
    value, lower, upper = (_number(row.get(k)) for k in (name, f"{name}_lower", f"{name}_upper"))
    if value != value:
        return NOTHING
    if lower != lower or upper != upper:
        return f"{value:.0%}" if percent else short(value)
    if percent:
        between = " to " if lower < 0 else "–"
        return f"{value:.0%} ({100 * lower:.0f}{between}{upper:.0%})".replace("-", "−")
    text = str(Estimate(value, lower, upper, float("nan")))
    return text.replace("-", "−" if " to " in text else "–")


def short(value: object, digits: int = 2) -> str:
    """Print a number without its leading zero.

    Parameters
    ----------
    value : object
        Number, None or NaN.
    digits : int, default 2
        After the point.

    Returns
    -------
    str
        A dash where it is not known.

    Examples
    --------
    >>> short(0.251), short(None), short(-0.05)
    ('.25', '–', '−.05')
    """
    number = _number(value)
    if number != number:
        return NOTHING
    return (
        f"{number + 0.0:.{digits}f}".replace("0.", ".", 1).replace("-", "−")
        if abs(number) < 1
        else f"{number:.{digits}f}"
    )


def share(value: object) -> str:
    """Print a share in percent.

    Parameters
    ----------
    value : object
        On 0-1, None or NaN.

    Returns
    -------
    str
        A dash where it is not known.

    Examples
    --------
    >>> share(0.251), share(None)
    ('25%', '–')
    """
    number = _number(value)
    return NOTHING if number != number else f"{number:.0%}"


def listing(names: Sequence[str], most: int = 0) -> str:
    """Join names as a sentence does.

    Parameters
    ----------
    names : sequence of str
        At least one.
    most : int, default 0
        Names that are told; all by default.

    Returns
    -------
    str
        With ``and`` before the last.

    Examples
    --------
    >>> listing(["a", "b", "c"]), listing(["a", "b", "c"], 1)
    ('a, b and c', 'a and 2 more')
    """
    told = [str(n) for n in names]
    if most and len(told) > most:
        told = [*told[:most], f"{len(told) - most} more"]
    return told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"


def attribute_title(name: str) -> str:
    """Give an attribute of people as it is written in a sentence.

    Parameters
    ----------
    name : str
        As in the tables.

    Returns
    -------
    str
        Words.

    Examples
    --------
    >>> attribute_title("prior_ici"), attribute_title("age")
    ('prior ICI', 'age')
    """
    return name.replace("_", " ").replace(" ici", " ICI")


def model_title(name: str) -> str:
    """Give a model of a validation as people call it.

    Parameters
    ----------
    name : str
        As in the tables.

    Returns
    -------
    str
        Title of a published score; ``this model`` for the model itself; other names as they are.

    Examples
    --------
    >>> model_title("PD-L1")
    'PD-L1'
    """
    return PUBLISHED[name].title if name in PUBLISHED else _SAID.get(name, name)


def ours(table: pd.DataFrame) -> dict[str, Any] | None:
    """Find the row of the model itself.

    Parameters
    ----------
    table : DataFrame
        With ``model``.

    Returns
    -------
    dict or None
        None where it is not there.

    Examples
    --------
    >>> ours(pd.DataFrame({"model": ["theracast"], "auc": [0.6]}))["auc"]
    0.6
    """
    rows = table[table.model == MODEL].to_dict("records") if len(table) else []
    return {str(k): v for k, v in rows[0].items()} if rows else None


def rivals(mean: pd.DataFrame) -> list[dict[str, Any]]:
    """List what stands beside the model, the strongest first.

    Parameters
    ----------
    mean : DataFrame
        `theracast.models.validate.Validation.mean`.

    Returns
    -------
    list of dict
        Baselines and published scores whose AUC is known, without the one by chance.

    Examples
    --------
    >>> rivals(pd.DataFrame({"model": ["theracast", "TIL"], "auc": [0.6, 0.5]}))[0]["model"]
    'TIL'
    """
    if mean.empty:
        return []
    kept = mean[~mean.model.isin([MODEL, CHANCE]) & mean.auc.notna()].sort_values("auc", ascending=False)
    return [{str(k): v for k, v in row.items()} for row in kept.to_dict("records")]


def best_rival(validation: Validation) -> str:
    """Say which baseline or published score is the strongest, and how far the model lies above it.

    Parameters
    ----------
    validation : Validation
        With the means.

    Returns
    -------
    str
        Empty where nothing stands beside it.

    Examples
    --------
    >>> best_rival(Validation(pd.DataFrame(), pd.DataFrame(), pd.DataFrame()))
    ''
    """
    found = rivals(validation.mean)
    if not found:
        return ""
    first = found[0]
    told = f"{model_title(str(first['model']))}, mean AUC {estimate(first, 'auc')} over {first['cohorts']:.0f} cohorts"
    gain = estimate(first, "gain")
    return told if gain == NOTHING else f"{told}; the model's lies {gain} above it on the same patients"


def heterogeneous(validation: Validation, mean: Mapping[str, Any]) -> str:
    """Say how far cohorts differ.

    Parameters
    ----------
    validation : Validation
        With the table.
    mean : mapping
        Row of the model in the means.

    Returns
    -------
    str
        A sentence.

    Examples
    --------
    >>> table = pd.DataFrame({"model": ["theracast"] * 2, "cohort": ["a", "b"], "auc": [0.55, 0.7]})
    >>> heterogeneous(Validation(table, table, table), {"tau2": 0.01})
    'AUC by cohort from .55 (a) to .70 (b); tau2 of its log-odds .01.'
    """
    table = validation.table[(validation.table.model == MODEL) & validation.table.auc.notna()]
    if table.empty:
        return ""
    low, high = table.loc[table.auc.idxmin()], table.loc[table.auc.idxmax()]
    spread = f"AUC by cohort from {short(low.auc)} ({low.cohort}) to {short(high.auc)} ({high.cohort})"
    return f"{spread}; tau2 of its log-odds {short(mean.get('tau2'))}."


def overlapping(validation: Validation) -> str:
    """Say what the model is above, and what it was not shown to be above.

    Parameters
    ----------
    validation : Validation
        With the means.

    Returns
    -------
    str
        One or two sentences; empty where nothing stands beside it.

    Examples
    --------
    >>> mean = pd.DataFrame({"model": ["TIL"], "auc": [0.5], "gain": [0.1], "gain_lower": [-0.1], "gain_upper": [0.3]})
    >>> overlapping(Validation(mean, mean, mean))
    'Not shown to be above TIL: the interval of the difference holds 0.'
    """
    known = [r for r in rivals(validation.mean) if _number(r.get("gain_lower")) == _number(r.get("gain_lower"))]
    above = [model_title(str(r["model"])) for r in known if _number(r["gain_lower"]) > 0]
    below = [model_title(str(r["model"])) for r in known if _number(r["gain_upper"]) < 0]
    rest = [model_title(str(r["model"])) for r in known if _number(r["gain_lower"]) <= 0 <= _number(r["gain_upper"])]
    said = [f"Above {listing(above)} on the same patients."] if above else []
    said += [f"Below {listing(below)}."] if below else []
    said += [f"Not shown to be above {listing(rest)}: the interval of the difference holds 0."] if rest else []
    return " ".join(said)


def _number(value: object) -> float:
    return float("nan") if value is None or isinstance(value, str) else float(value)  # type: ignore[arg-type]
