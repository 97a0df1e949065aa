"""What a feature says about a class, and about another feature: mutual information, F, correlation."""

from __future__ import annotations

import numpy as np
from numba import prange

from theracast.kernels.jit import helper, kernel


@helper
def _count_within(ordered: np.ndarray, at: int, radius: float) -> int:
    """Count values within `radius` of the one at a position, itself included, by galloping from it."""
    n, here = ordered.size, ordered[at]
    inside, step = at, 1
    while inside + step < n and ordered[inside + step] - here <= radius:
        inside += step
        step *= 2
    while step > 0:
        if inside + step < n and ordered[inside + step] - here <= radius:
            inside += step
        step //= 2
    right = inside
    inside, step = at, 1
    while inside - step >= 0 and here - ordered[inside - step] <= radius:
        inside -= step
        step *= 2
    while step > 0:
        if inside - step >= 0 and here - ordered[inside - step] <= radius:
            inside -= step
        step //= 2
    return right - inside + 1


@kernel
def neighbour_information(
    ordered: np.ndarray, labels: np.ndarray, counts: np.ndarray, k: int, digammas: np.ndarray
) -> np.ndarray:
    """Mutual information of continuous features and classes, by nearest neighbours; in nats.

    ``psi(N) + <psi(k)> - <psi(N_class)> - <psi(m)>``, where m counts the samples nearer than the k-th neighbour of the
    same class, the sample itself included. In one dimension the k nearest of a class are among the k sorted to
    either side, and m is a search in the sorted feature. Cost: O(n (k + log m)) per feature after the sort.
    DOI 10.1371/journal.pone.0087357

    Parameters
    ----------
    ordered : ndarray of float64, shape (n_features, n_samples)
        Each feature sorted.
    labels : ndarray of int64, shape (n_features, n_samples)
        The class of each sorted sample, from 0.
    counts : ndarray of int64, shape (n_classes,)
        Samples in each class, at least 2.
    k : int
        Neighbours, at least 1; one fewer than its members in a class of k or fewer.
    digammas : ndarray of float64, shape (n_samples + 1,)
        The digamma function of 0, 1, 2, ...; the first is not read.

    Returns
    -------
    ndarray of float64, shape (n_features,)
        At least 0.

    Examples
    --------
    >>> x, y = np.array([[0.0, 0.1, 0.2, 5.0, 5.1, 5.2]]), np.array([[0, 0, 0, 1, 1, 1]])
    >>> psi = np.array([np.nan, -0.57721566, 0.42278434, 0.92278434, 1.25611767, 1.50611767, 1.70611767])
    >>> neighbour_information(x, y, np.array([3, 3]), 1, psi).round(3)
    array([0.783])
    """
    n_features, n = ordered.shape
    starts = np.zeros(counts.size + 1, np.int64)
    starts[1:] = np.cumsum(counts)
    out = np.zeros(n_features)
    for f in prange(n_features):
        places = np.empty(n, np.int64)
        filled = starts.copy()
        for i in range(n):
            places[filled[labels[f, i]]] = i
            filled[labels[f, i]] += 1
        total = 0.0
        for c in range(counts.size):
            near = min(k, counts[c] - 1)
            for i in range(starts[c], starts[c + 1]):
                here = ordered[f, places[i]]
                radius = np.inf
                for left in range(max(starts[c], i - near), min(i, starts[c + 1] - 1 - near) + 1):
                    reach = max(here - ordered[f, places[left]], ordered[f, places[left + near]] - here)
                    radius = min(radius, reach)
                m = _count_within(ordered[f], places[i], np.nextafter(radius, 0.0))
                total += digammas[near] - digammas[counts[c]] - digammas[m]
        if n > 0:
            out[f] = max(0.0, digammas[n] + total / n)
    return out


@kernel
def f_statistics(features: np.ndarray, labels: np.ndarray, n_classes: int) -> np.ndarray:
    """One-way analysis of variance of each feature over the classes, without its missing samples.

    ``F = (between / (classes - 1)) / (within / (n - classes))`` with sums of squares about means. Cost: O(n) per
    feature.

    Parameters
    ----------
    features : ndarray of float32 or float64, shape (n_features, n_samples)
        NaN is missing.
    labels : ndarray of int64, shape (n_samples,)
        Class of each sample, from 0.
    n_classes : int
        How many classes there may be.

    Returns
    -------
    ndarray of float64, shape (n_features,)
        0 where fewer than two classes were seen, or nothing varies; infinite where only the classes differ.

    Examples
    --------
    >>> f_statistics(np.array([[1.0, 2.0, 3.0, 4.0]]), np.array([0, 0, 1, 1]), 2)
    array([8.])
    """
    out = np.zeros(features.shape[0])
    for f in prange(features.shape[0]):
        sums, counts = np.zeros(n_classes), np.zeros(n_classes)
        for i in range(labels.size):
            if not np.isnan(features[f, i]):
                sums[labels[i]] += features[f, i]
                counts[labels[i]] += 1
        n, total, seen = 0.0, 0.0, 0
        for c in range(n_classes):
            if counts[c] > 0:
                n, total, seen = n + counts[c], total + sums[c], seen + 1
        if seen > 1:
            between, within = 0.0, 0.0
            for c in range(n_classes):
                if counts[c] > 0:
                    between += counts[c] * (sums[c] / counts[c] - total / n) ** 2
                    sums[c] /= counts[c]
            for i in range(labels.size):
                if not np.isnan(features[f, i]):
                    within += (features[f, i] - sums[labels[i]]) ** 2
            if between > 0.0 and n > seen:
                out[f] = between / (seen - 1) / (within / (n - seen)) if within > 0.0 else np.inf
    return out


@kernel
def correlations(features: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Pearson correlation of each feature with one target, over the samples that both have.

    Two passes, so that a large mean costs no digits. Cost: O(n) per feature.

    Parameters
    ----------
    features : ndarray of float32 or float64, shape (n_features, n_samples)
        NaN is missing.
    target : ndarray of float32 or float64, shape (n_samples,)
        NaN is missing.

    Returns
    -------
    ndarray of float64, shape (n_features,)
        In [-1, 1]; NaN where fewer than two samples are shared or one of both does not vary.

    Examples
    --------
    >>> correlations(np.array([[1.0, 2.0, 3.0], [3.0, 2.0, np.nan]]), np.array([2.0, 4.0, 6.0]))
    array([ 1., -1.])
    """
    out = np.empty(features.shape[0])
    for f in prange(features.shape[0]):
        n, sum_x, sum_y = 0, 0.0, 0.0
        for i in range(target.size):
            x, y = np.float64(features[f, i]), np.float64(target[i])
            there = not (np.isnan(x) or np.isnan(y))
            n += there
            sum_x += x if there else 0.0
            sum_y += y if there else 0.0
        xx, yy, xy = 0.0, 0.0, 0.0
        mean_x, mean_y = sum_x / max(n, 1), sum_y / max(n, 1)
        for i in range(target.size):
            x, y = np.float64(features[f, i]), np.float64(target[i])
            there = not (np.isnan(x) or np.isnan(y))
            dx, dy = (x - mean_x if there else 0.0), (y - mean_y if there else 0.0)
            xx += dx * dx
            yy += dy * dy
            xy += dx * dy
        scale = np.sqrt(xx) * np.sqrt(yy)
        out[f] = max(-1.0, min(1.0, xy / scale)) if n > 1 and scale > 0.0 else np.nan
    return out
