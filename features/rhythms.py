"""Rhythms of rest and activity: how alike the days are, how broken up, and how regular the sleep."""

from __future__ import annotations

import numpy as np


def interdaily_stability(hours: np.ndarray) -> float:
    """How much of the variance of hourly activity the mean day explains (Witting 1990, 10.1016/0006-3223(90)90523-5).

    ``n sum_h (m_h - m)**2 / (24 sum_i (x_i - m)**2)`` with ``m_h`` the mean of an hour of the day over the days.

    Parameters
    ----------
    hours : ndarray of float, shape (n_days, 24)
        Activity of each hour, any unit; NaN is not known.

    Returns
    -------
    float
        0 for noise to 1 for days that are all alike; NaN where an hour was never seen, or nothing changes.

    Examples
    --------
    >>> interdaily_stability(np.tile(np.arange(24.0), (3, 1)))
    1.0
    """
    known = hours[~np.isnan(hours)]
    if np.isnan(hours).all(axis=0).any() or not len(hours):
        return np.nan
    spread = ((known - known.mean()) ** 2).sum()
    between = ((np.nanmean(hours, axis=0) - known.mean()) ** 2).sum()
    return float(known.size * between / (24 * spread)) if spread > 0 else np.nan


def intradaily_variability(hours: np.ndarray) -> float:
    """How often rest and activity change (Witting 1990, 10.1016/0006-3223(90)90523-5).

    ``n sum (x_i - x_(i-1))**2 / (pairs * sum (x_i - m)**2)`` over hours that follow each other.

    Parameters
    ----------
    hours : ndarray of float, shape (n_days, 24)
        Activity of each hour, days in order; NaN is not known.

    Returns
    -------
    float
        Near 0 for one slow wave, about 2 for noise; NaN where no two hours follow each other, or nothing changes.

    Examples
    --------
    >>> round(intradaily_variability(np.tile([0.0, 1.0], (1, 12))), 2)
    4.0
    """
    x = hours.ravel()
    known, steps = x[~np.isnan(x)], np.diff(x)
    steps = steps[~np.isnan(steps)]
    spread = ((known - known.mean()) ** 2).sum() if known.size else 0.0
    return float(known.size * (steps**2).sum() / (steps.size * spread)) if steps.size and spread > 0 else np.nan


def relative_amplitude(hours: np.ndarray) -> float:
    """Contrast of the most active ten hours and the least active five (Van Someren 1999, 10.3109/07420529908998724).

    Parameters
    ----------
    hours : ndarray of float, shape (n_days, 24)
        Activity of each hour; NaN is not known.

    Returns
    -------
    float
        ``(M10 - L5) / (M10 + L5)`` of the mean day, which has no beginning: 0 flat, 1 for five hours without any
        activity; NaN where an hour was never seen, or there was no activity.

    Examples
    --------
    >>> relative_amplitude(np.repeat([[1.0, 3.0]], [14, 10], axis=1))
    0.5
    """
    if np.isnan(hours).all(axis=0).any() or not len(hours):
        return np.nan
    day = np.tile(np.nanmean(hours, axis=0), 2)
    most, least = (np.convolve(day, np.ones(n) / n, "valid")[:24] for n in (10, 5))
    total = most.max() + least.min()
    return float((most.max() - least.min()) / total) if total > 0 else np.nan


def sleep_regularity(asleep: np.ndarray) -> float:
    """Sleep regularity index (Phillips 2017, 10.1038/s41598-017-03171-4).

    Parameters
    ----------
    asleep : ndarray of float, shape (n_days, n_times)
        1 asleep, 0 awake, at the same times of every day, days in order; NaN is not known.

    Returns
    -------
    float
        ``200 p - 100`` with ``p`` the share of times at which the state is that of 24 hours before: 100 always the
        same, 0 chance; NaN where no time is known on two days that follow each other.

    Examples
    --------
    >>> sleep_regularity(np.array([[1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]]))
    50.0
    """
    before, after = asleep[:-1], asleep[1:]
    known = ~np.isnan(before) & ~np.isnan(after)
    return float(200 * (before == after)[known].mean() - 100) if known.any() else np.nan
