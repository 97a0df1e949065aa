"""The linear algebra of ComBat: its design, its fit with missing values, its shrinkage over features."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from theracast.errors import DataError, UsageError

#: Relative change at which the published iteration ends.
ENOUGH = 1e-4
#: Pairs of features that the empirical prior weighs at once: 40 MB a table.
PAIRS = 5_000_000


def as_batches(batch: Any, n: int, only: str = "") -> np.ndarray:
    """Read the batch of each patient.

    Parameters
    ----------
    batch : array-like of shape (n,), or None
        Names or numbers; none may be missing.
    n : int
        Patients.
    only : str
        The batch of all when none is given.

    Returns
    -------
    ndarray of str, shape (n,)
        Names.

    Raises
    ------
    UsageError
        On another length.
    DataError
        THX-D20 when the batch of a patient is not known.

    Examples
    --------
    >>> as_batches([1, 2], 2).tolist()
    ['1', '2']
    """
    if batch is None:
        return np.full(n, only, dtype=object)
    given = np.asarray(batch, dtype=object)
    if given.shape != (n,):
        raise UsageError("the batches do not fit the patients", got=f"shape {given.shape}", wanted=f"({n},)")
    missing = int(pd.isna(given).sum())
    if missing:
        raise DataError(
            "patients have no batch", code="THX-D20", got=f"{missing} of {n}", fix="Say which, or leave them out."
        )
    return np.array([str(b) for b in given], dtype=object)


def read_covariates(
    covariates: Any, n: int, learned: list[dict[str, Any]] | None = None
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Turn covariates into numbers: words become one column per level but the first.

    Parameters
    ----------
    covariates : DataFrame or array-like of shape (n, n_covariates), or None
        Known for every patient.
    n : int
        Patients.
    learned : list of dict, optional
        Names and levels seen in training; learned here when not given.

    Returns
    -------
    numbers : ndarray of float64, shape (n, n_columns)
        For the design.
    learned : list of dict
        ``{"name": ..., "levels": [...] or None}``, JSON-ready.

    Raises
    ------
    UsageError
        When there are none, or others, than in training.
    DataError
        THX-D20 on a missing value or a level that was not seen.

    Examples
    --------
    >>> read_covariates(pd.DataFrame({"sex": ["F", "M"]}), 2)[0].tolist()
    [[0.0], [1.0]]
    """
    table = pd.DataFrame(index=range(n)) if covariates is None else pd.DataFrame(covariates).reset_index(drop=True)
    numeric = [pd.api.types.is_numeric_dtype(t) for t in table.dtypes]
    if learned is None:
        levels = [
            None if m else sorted({str(v) for v in table[c].dropna()}) for c, m in zip(table, numeric, strict=True)
        ]
        learned = [{"name": str(c), "levels": found} for c, found in zip(table, levels, strict=True)]
    names = [x["name"] for x in learned]
    if len(table) != n or [str(c) for c in table] != names:
        raise UsageError(
            "the covariates do not fit",
            got=f"{table.shape}",
            wanted=f"({n}, {len(names)}): {', '.join(names) or 'none'}",
        )
    columns = []
    for known, (_, cells) in zip(learned, table.items(), strict=True):
        words = None if known["levels"] is None else cells.map(str).where(cells.notna())
        if cells.isna().any() or (words is not None and not words.isin(known["levels"]).all()):
            raise DataError(
                "covariates are missing, or hold levels that were not seen in training",
                code="THX-D20",
                where=known["name"],
                fix="Leave these patients out.",
            )
        if words is None:
            columns.append(cells.to_numpy(dtype=np.float64))
        else:
            columns += [(words == level).to_numpy(dtype=np.float64) for level in known["levels"][1:]]
    return (np.column_stack(columns) if columns else np.zeros((n, 0))), learned


def design_of(batches: np.ndarray, names: list[str], extra: np.ndarray) -> np.ndarray:
    """Put one column per batch before the covariates.

    Parameters
    ----------
    batches : ndarray of str, shape (n,)
        Batch of each patient.
    names : list of str
        Batches, in order.
    extra : ndarray of float64, shape (n, n_columns)
        Covariates.

    Returns
    -------
    ndarray of float64, shape (n, n_batches + n_columns)
        Of full rank.

    Raises
    ------
    DataError
        When the covariates tell the batches apart, so that neither effect can be told from the other.

    Examples
    --------
    >>> design_of(np.array(["a", "b"]), ["a", "b"], np.zeros((2, 0))).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    design = np.column_stack([*((batches == b).astype(np.float64) for b in names), extra])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise DataError(
            "batches and covariates cannot be told apart",
            code="THX-D12",
            got=f"{len(names)} batches, {extra.shape[1]} columns of covariates",
            fix="Leave out a covariate that is constant, repeats another, or differs only between batches.",
        )
    return design


def least_squares(values: np.ndarray, design: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit every feature on the design, over the patients who have it.

    Parameters
    ----------
    values : ndarray of float64, shape (n, n_features)
        NaN is missing.
    design : ndarray of float64, shape (n, k)
        Of full rank.

    Returns
    -------
    coefficients : ndarray of float64, shape (k, n_features)
        0 where a feature cannot be fitted.
    fits : ndarray of bool, shape (n_features,)
        Whether it can: not when the patients who have it leave a column of the design out.

    Examples
    --------
    >>> least_squares(np.array([[1.0], [3.0], [np.nan]]), np.ones((3, 1)))[0].tolist()
    [[2.0]]
    """
    n, k = design.shape
    known = ~np.isnan(values)
    products = (design[:, :, None] * design[:, None, :]).reshape(n, k * k)
    normal = (known.T.astype(np.float64) @ products).reshape(-1, k, k)
    fits = np.linalg.matrix_rank(normal, hermitian=True) == k
    normal[~fits] = np.eye(k)
    right = np.where(known, values, 0.0).T @ design
    solved = np.linalg.solve(normal, right[:, :, None])[:, :, 0]
    return np.where(fits[:, None], solved, 0.0).T, fits


def shrink(standard: np.ndarray, parametric: bool) -> tuple[np.ndarray, np.ndarray]:
    """Estimate location and scale of one batch for each feature, drawn towards those of all features.

    Parameters
    ----------
    standard : ndarray of float64, shape (n_patients_of_batch, n_features)
        Standardised values; NaN is missing, two or more known in each column.
    parametric : bool
        Normal and inverse gamma priors, or the empirical one.

    Returns
    -------
    location, scale : ndarray of float64, shape (n_features,)
        Additive effect and factor of the variance. A single feature is not drawn anywhere.

    Notes
    -----
    Johnson, Li and Rabinovic 2007, sections 3.2 and appendix A, DOI 10.1093/biostatistics/kxj037. O(n_features) per
    step, or O(n_features^2) with the empirical prior.

    Examples
    --------
    >>> shrink(np.array([[1.0], [3.0]]), True)
    (array([2.]), array([2.]))
    """
    known = ~np.isnan(standard)
    n = known.sum(axis=0)
    location = np.where(known, standard, 0.0).sum(axis=0) / n
    squares = (np.where(known, standard - location, 0.0) ** 2).sum(axis=0)
    scale = squares / (n - 1)
    if len(n) < 2:
        return location, scale
    return (_parametric if parametric else _empirical)(n, location, scale, squares)


def _parametric(
    n: np.ndarray, location: np.ndarray, scale: np.ndarray, squares: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Iterate between the posterior means, until the published rule says that it is enough."""
    centre, width = location.mean(), location.var(ddof=1)
    mean, variance = scale.mean(), scale.var(ddof=1)
    if variance == 0:  # every feature has one scale: there is nowhere to draw it
        return (width * n * location + scale * centre) / (width * n + scale), scale
    shape, rate = (2 * variance + mean**2) / variance, (mean * variance + mean**3) / variance
    old, spread, change = location, scale, 1.0
    while change > ENOUGH:
        new = (width * n * location + spread * centre) / (width * n + spread)
        wide = (0.5 * (squares + n * (location - new) ** 2) + rate) / (n / 2 + shape - 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            # divided by the signed value, as published: it decides where the iteration ends
            change = max(np.nanmax(np.abs(new - old) / old), np.nanmax(np.abs(wide - spread) / spread))
        old, spread = new, wide
    return old, spread


def _empirical(
    n: np.ndarray, location: np.ndarray, scale: np.ndarray, squares: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weigh the estimates of all other features by how likely they make a feature's values."""
    found = np.empty((2, len(n)))
    step = max(1, PAIRS // len(n))
    for start in range(0, len(n), step):
        mine = np.arange(start, min(start + step, len(n)))
        away = squares[mine, None] + n[mine, None] * (location[mine, None] - location) ** 2
        likely = -0.5 * n[mine, None] * np.log(2 * np.pi * scale) - away / (2 * scale)
        likely[np.arange(len(mine)), mine] = -np.inf
        weight = np.exp(likely - likely.max(axis=1, keepdims=True))
        weight /= weight.sum(axis=1, keepdims=True)
        found[0, mine], found[1, mine] = weight @ location, weight @ scale
    return found[0], found[1]
