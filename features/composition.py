"""Compositions: parts of a whole, of which only ratios mean something.

Rows are samples, columns parts, on any positive scale: only shares count. Centred log-ratio: Aitchison 1982,
10.1111/j.2517-6161.1982.tb01195.x. Robust centred log-ratio: Martino 2019, 10.1128/mSystems.00016-19. Multiplicative
replacement of zeros: Martin-Fernandez 2003, 10.1023/A:1023866030544.
"""

from __future__ import annotations

import numpy as np

from theracast.errors import DataError


def closure(parts: np.ndarray) -> np.ndarray:
    """Divide every sample by its total.

    Parameters
    ----------
    parts : ndarray of shape (n_samples, n_parts)
        Not negative, none missing.

    Returns
    -------
    ndarray of float64, same shape
        Shares that add up to 1; NaN for a sample of nothing.

    Raises
    ------
    DataError
        On negative, missing or infinite parts.

    Examples
    --------
    >>> closure(np.array([[1, 3]])).tolist()
    [[0.25, 0.75]]
    """
    parts = np.ascontiguousarray(parts, dtype=np.float64)
    if not (np.isfinite(parts).all() and (parts >= 0).all()):
        raise DataError(
            "parts of a composition are negative, missing or infinite",
            code="THX-D11",
            where="abundance table",
            fix="Pass counts or shares, not logarithms.",
        )
    total = parts.sum(axis=1, keepdims=True)
    return np.divide(parts, total, out=np.full(parts.shape, np.nan), where=total > 0)


def replace_zeros(parts: np.ndarray, delta: float | np.ndarray | None = None) -> np.ndarray:
    """Put a small share where a part is zero, and shrink the others so that their ratios stay.

    Parameters
    ----------
    parts : ndarray of shape (n_samples, n_parts)
        Not negative, none missing.
    delta : float or ndarray of shape (n_samples,), optional
        Share put in place of a zero; ``1 / n_parts ** 2`` when not given. 65% of the detection limit is advised.

    Returns
    -------
    ndarray of float64, same shape
        Shares that add up to 1, all positive; NaN for a sample of nothing.

    Raises
    ------
    DataError
        When the replaced shares would leave nothing for the others.

    Examples
    --------
    >>> replace_zeros(np.array([[0.2, 0.4, 0.4, 0.0]])).tolist()
    [[0.1875, 0.375, 0.375, 0.0625]]
    """
    shares = closure(parts)
    zero = shares == 0
    small = np.broadcast_to(1 / max(shares.shape[1], 1) ** 2 if delta is None else delta, len(shares))[:, None]
    left = 1 - zero.sum(axis=1, keepdims=True) * small
    if (left <= 0).any():
        raise DataError(
            "the shares put in place of zeros add up to 1 or more", where="abundance table", fix="Use a smaller delta."
        )
    return np.where(zero, small, shares * left)


def clr(parts: np.ndarray) -> np.ndarray:
    """Centred log-ratio: the logarithm of every part over the geometric mean of its sample.

    Parameters
    ----------
    parts : ndarray of shape (n_samples, n_parts)
        Positive; NaN for a sample of which nothing is known.

    Returns
    -------
    ndarray of float64, same shape
        Natural logarithms that add up to 0 in every sample.

    Raises
    ------
    DataError
        On zeros or negative parts.

    Examples
    --------
    >>> clr(np.array([[1.0, np.e, np.e**2]])).round(12).tolist()
    [[-1.0, 0.0, 1.0]]
    """
    parts = np.ascontiguousarray(parts, dtype=np.float64)
    if (parts <= 0).any():
        raise DataError(
            "zeros have no logarithm",
            where="abundance table",
            fix="Replace them with replace_zeros, or use robust_clr.",
        )
    logs = np.log(parts)
    return logs - logs.mean(axis=1, keepdims=True) if logs.shape[1] else logs


def robust_clr(parts: np.ndarray) -> np.ndarray:
    """Robust centred log-ratio: of the parts that are there, zeros are not known.

    Parameters
    ----------
    parts : ndarray of shape (n_samples, n_parts)
        Not negative; NaN is not there.

    Returns
    -------
    ndarray of float64, same shape
        Natural logarithms that add up to 0 over the positive parts of a sample; NaN for the others.

    Raises
    ------
    DataError
        On negative parts.

    Examples
    --------
    >>> robust_clr(np.array([[1.0, 0.0, np.e**2]])).round(12).tolist()
    [[-1.0, nan, 1.0]]
    """
    parts = np.ascontiguousarray(parts, dtype=np.float64)
    if (parts < 0).any():
        raise DataError("holds negative values", code="THX-D05", where="abundance table", fix="Pass counts, not logs.")
    there = parts > 0
    logs = np.log(np.where(there, parts, 1.0))
    mean = logs.sum(axis=1, keepdims=True) / np.maximum(there.sum(axis=1, keepdims=True), 1)
    return np.where(there, logs - mean, np.nan)
