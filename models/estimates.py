"""A number with its uncertainty, and what every metric asks of its input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from theracast.errors import DataError, UsageError


@dataclass(frozen=True)
class Estimate:
    """A number with its uncertainty.

    Attributes
    ----------
    value, lower, upper, se : float
        Estimate, ends of its interval and standard error, in one unit; NaN when not estimable.

    Examples
    --------
    >>> print(Estimate(0.634, 0.52, 0.73, 0.05), Estimate(0.1, -0.05, 0.25, 0.08), sep="; ")
    .63 (.52-.73); .10 (-.05 to .25)
    """

    value: float
    lower: float
    upper: float
    se: float

    def contains(self, x: float) -> bool:
        """Tell whether a value lies within the interval, ends included; never when it is not estimable.

        Parameters
        ----------
        x : float
            The value, in the unit of the estimate.

        Returns
        -------
        bool
            Whether it does.

        Examples
        --------
        >>> Estimate(0.6, 0.4, 0.8, 0.1).contains(0.5)
        True
        """
        return bool(self.lower <= x <= self.upper)

    def __str__(self) -> str:
        if np.isnan(self.value):
            return "not estimable"
        # + 0.0 turns a rounded -0.0 into 0.0
        texts = [f"{round(v, 2) + 0.0:.2f}" for v in (self.value, self.lower, self.upper)]
        value, lower, upper = (t.replace("0.", ".", 1) if abs(float(t)) < 1 else t for t in texts)
        return f"{value} ({lower}{' to ' if '-' in lower + upper else '-'}{upper})"


#: What the data cannot tell.
NOT_ESTIMABLE = Estimate(float("nan"), float("nan"), float("nan"), float("nan"))


def read_columns(**columns: ArrayLike) -> list[np.ndarray]:
    """Read columns of one length; the name of a column says what it may hold.

    Parameters
    ----------
    **columns : array-like of shape (n,)
        ``y`` and ``decision`` hold 0 and 1, ``p`` and ``reference`` probabilities; other names any number.

    Returns
    -------
    list of ndarray of float64
        In the order given.

    Raises
    ------
    DataError
        On text, missing values, values outside what the name allows, or unequal lengths.

    Examples
    --------
    >>> read_columns(y=[0, 1], p=[0.2, 0.6])[1].tolist()
    [0.2, 0.6]
    """
    arrays = []
    for name, values in columns.items():
        try:
            array = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise DataError("wanted numbers", where=name) from error
        if array.ndim != 1:
            raise DataError("wanted one value per row", where=name, got=f"{array.ndim} dimensions")
        if np.isnan(array).any():
            raise DataError("holds missing values", where=name, fix="Leave these rows out first.")
        if name in ("y", "decision") and not np.isin(array, (0, 1)).all():
            raise DataError("holds other values than 0 and 1", where=name)
        if name in ("p", "reference") and not ((array >= 0) & (array <= 1)).all():
            raise DataError("holds probabilities outside 0-1", where=name)
        arrays.append(array)
    if len({a.size for a in arrays}) > 1:
        raise DataError("unequal lengths", where=", ".join(columns), got=", ".join(str(a.size) for a in arrays))
    return arrays


def read_cohorts(cohorts: ArrayLike, size: int) -> np.ndarray:
    """Read the cohort of each patient.

    Parameters
    ----------
    cohorts : array-like of str, shape (n,)
        Names.
    size : int
        How many patients there are.

    Returns
    -------
    ndarray of str, shape (n,)
        As text.

    Raises
    ------
    DataError
        On another number of names.

    Examples
    --------
    >>> read_cohorts(["a", "b"], 2).tolist()
    ['a', 'b']
    """
    names = np.asarray(cohorts).astype(str)
    if names.shape != (size,):
        raise DataError("unequal lengths", where="cohorts", got=f"{names.size} and {size}")
    return names


def normal_quantile(level: float) -> float:
    """Half width, in standard errors, of a normal interval.

    Parameters
    ----------
    level : float
        Coverage, in (0, 1).

    Returns
    -------
    float
        1.96 for .95.

    Raises
    ------
    UsageError
        On a level that is no share.

    Examples
    --------
    >>> round(normal_quantile(0.95), 2)
    1.96
    """
    if not 0 < level < 1:
        raise UsageError("the level of an interval lies between 0 and 1", got=str(level))
    return float(ndtri((1 + level) / 2))


def wilson(successes: ArrayLike, n: ArrayLike, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Interval of a share that is counted, which stays in 0-1 (Wilson 1927, 10.1080/01621459.1927.10502953).

    Parameters
    ----------
    successes, n : array-like of shape (m,)
        How many of how many.
    level : float, default 0.95
        Coverage, in (0, 1).

    Returns
    -------
    lower, upper : ndarray of float64, shape (m,)
        In [0, 1]; NaN where `n` is 0 or not known.

    Raises
    ------
    UsageError
        On a level that is no share.

    Examples
    --------
    >>> [float(end.round(3)) for end in wilson(8, 10)]
    [0.49, 0.943]
    """
    k, count = np.asarray(successes, dtype=np.float64), np.asarray(n, dtype=np.float64)
    z2 = normal_quantile(level) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        share = k / count
        middle = (share + z2 / (2.0 * count)) / (1.0 + z2 / count)
        reach = np.sqrt(z2 * (share * (1.0 - share) / count + z2 / (4.0 * count**2))) / (1.0 + z2 / count)
    some = count > 0
    # where none or all succeed that end is exact, and rounding would leave the unit interval
    lower, upper = np.where(some & (k == 0), 0.0, middle - reach), np.where(some & (k == count), 1.0, middle + reach)
    return np.where(some, lower, np.nan), np.where(some, upper, np.nan)
