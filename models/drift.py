"""Drift: how far new patients lie from those before them, feature by feature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import chi2

from theracast.errors import DataError

#: A population stability index above it is called a shift in credit scoring, where the index comes from.
SHIFTED = 0.2
#: Below this many new values nothing is said.
FEW = 50
DRIFTED, AS_BEFORE, TOO_FEW = "drifted", "as before", "too few"
_BINS = 10


def stability(reference: ArrayLike, values: ArrayLike, bins: int = 10) -> tuple[float, int]:
    """Sum ``(q - p) log(q / p)`` over bins that hold alike of the reference: the population stability index.

    Parameters
    ----------
    reference : array-like
        Values before, or their quantiles at equal steps; NaN are left out.
    values : array-like
        New values; NaN are left out.
    bins : int, default 10
        How many bins; fewer where values repeat.

    Returns
    -------
    index : float
        0 is the same share in every bin; NaN without values on either side.
    bins : int
        Bins that were used.

    Raises
    ------
    DataError
        On fewer than two bins.

    Examples
    --------
    >>> stability(range(100), range(100))
    (0.0, 10)
    >>> round(stability(range(100), range(50, 150))[0], 1)
    2.3
    """
    if bins < 2:
        raise DataError("an index of stability wants two bins or more", got=str(bins))
    before, now = (v[~np.isnan(v)] for v in (np.asarray(reference, float), np.asarray(values, float)))
    if not (before.size and now.size):
        return float("nan"), 0
    edges, counts = _counts(before, now, bins)
    # half a patient in an empty bin: its logarithm would be infinite
    p, q = (np.maximum(c, 0.5) / c.sum() for c in counts)
    return float(((q - p) * np.log(q / p)).sum()), len(edges) + 1


def drift_table(
    reference: Mapping[str, Sequence[float]], values: pd.DataFrame, n_reference: float = float("inf")
) -> pd.DataFrame:
    """Hold new patients against those before, column by column.

    A column has drifted when its index is above `SHIFTED`, and the bins differ by a chi-squared test at .01 divided
    among the columns: at most 1 of 100 tables without any drift has a notice, where the size of the reference is told.
    Where it is not, the reference counts as the truth, and notices by chance are several times as many.

    Parameters
    ----------
    reference : mapping of str to sequence of float
        Values before, or their quantiles, by column.
    values : DataFrame
        New patients; NaN where something was not measured. Columns without a reference are left out.
    n_reference : float, optional
        How many patients the reference is of; as many as to have no noise where that is not known.

    Returns
    -------
    DataFrame
        One row per column: ``block`` (what stands before ``__``), ``feature``, ``n`` (values), ``missing`` (share,
        0-1), ``psi``, ``p`` (of the chi-squared test) and ``state``.

    Examples
    --------
    >>> rng = np.random.default_rng(0)  # simulated
    >>> new = pd.DataFrame({"clinical__age": rng.normal(75, 10, 200)})
    >>> drift_table({"clinical__age": rng.normal(60, 10, 500)}, new, 500)["state"].tolist()
    ['drifted']
    """
    columns = [c for c in values if c in reference]
    rows = []
    for name in columns:
        v = values[name].to_numpy(dtype=np.float64, na_value=np.nan)
        n = int((~np.isnan(v)).sum())
        psi, p = stability(reference[name], v, _BINS)[0], _chance(reference[name], v, n_reference)
        state = TOO_FEW if n < FEW else DRIFTED if psi > SHIFTED and p < 0.01 / len(columns) else AS_BEFORE
        block, _, feature = str(name).rpartition("__")
        rows.append((block, feature, n, float(1 - n / len(v)) if len(v) else float("nan"), psi, p, state))
    return pd.DataFrame(rows, columns=["block", "feature", "n", "missing", "psi", "p", "state"])


def by_block(table: pd.DataFrame) -> pd.DataFrame:
    """Sum up a table of drift by block.

    Parameters
    ----------
    table : DataFrame
        From `drift_table`.

    Returns
    -------
    DataFrame
        One row per block: ``block``, ``features``, ``judged`` (of enough values), ``drifted``, ``worst`` (the feature
        of the greatest index among those judged), ``psi`` (its index) and ``missing`` (the mean share).

    Examples
    --------
    >>> rows = [("a", "x", 90, 0.1, 0.5, 0.0, "drifted"), ("a", "y", 9, 0.9, 0.7, 0.2, "too few")]
    >>> one = pd.DataFrame(rows, columns=["block", "feature", "n", "missing", "psi", "p", "state"])
    >>> by_block(one)[["features", "judged", "drifted", "worst"]].values.tolist()
    [[2, 1, 1, 'x']]
    """
    rows = []
    for block, part in table.groupby("block", sort=False):
        told = part[part["state"] != TOO_FEW]
        worst = told.loc[told["psi"].idxmax()] if told["psi"].notna().any() else None
        drifted = int((told["state"] == DRIFTED).sum())
        named = ("", float("nan")) if worst is None else (str(worst["feature"]), float(worst["psi"]))
        rows.append((block, len(part), len(told), drifted, *named, float(part["missing"].mean())))
    return pd.DataFrame(rows, columns=["block", "features", "judged", "drifted", "worst", "psi", "missing"])


def _counts(before: np.ndarray, now: np.ndarray, bins: int) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Count both in bins of the quantiles of the first; a value that repeats is an edge once."""
    edges = np.unique(np.quantile(before, np.linspace(0, 1, bins + 1)[1:-1], method="lower"))
    edges = edges[edges < before.max()]
    placed = (np.searchsorted(edges, v, side="left") for v in (before, now))
    first, second = (np.bincount(k, minlength=len(edges) + 1) for k in placed)
    return edges, (first, second)


def _chance(reference: ArrayLike, values: np.ndarray, n_reference: float) -> float:
    """Give the p of a chi-squared test over the bins: of two samples, or against shares that are known."""
    before, now = (v[~np.isnan(v)] for v in (np.asarray(reference, float), values))
    if not (before.size and now.size):
        return float("nan")
    edges, (first, second) = _counts(before, now, _BINS)
    if not len(edges):
        return 1.0
    share = np.maximum(first, 0.5) / before.size
    if np.isinf(n_reference):
        expected = share * now.size
        return float(chi2.sf(((second - expected) ** 2 / expected).sum(), len(edges)))
    known = share * n_reference
    return float(
        chi2.sf(
            ((second - known * now.size / n_reference) ** 2 / (second + known)).sum() * n_reference / now.size,
            len(edges),
        )
    )
