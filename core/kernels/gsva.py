"""GSVA: gene-set variation across a cohort (Hänzelmann 2013, 10.1186/1471-2105-14-7).

Four steps, one function each::

    widths = bandwidths(values)                       # a quarter of each gene's standard deviation
    levels = table_levels(values, widths, table)      # kernel CDF of each gene at each sample, as R computes it
             exact_levels(values, widths)             # ... or without R's coarse table
    order  = sorted_genes(-levels)[0]                 # of `ranks`: genes of each sample, most expressed first
    scores = walk(order, sets, starts, sizes, ...)    # random walk down that order

Only the order of the genes reaches the walk, so that a difference in the last bit decides between genes that are
equal in truth (the same values, spread differently over the samples). `table_levels` therefore adds in R's order,
`normal_table` rounds as R does, and genes, not samples, are put side by side.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import get_num_threads, prange

from theracast.kernels.jit import helper, kernel, strict

#: R's table: the normal CDF at 0, 0.001, ..., 10; read at the next lower entry.
LAST = 10_000
#: Genes of a block of the exact form: one cache line.
LANES = 8
#: Numbers that a block of the table form keeps at hand, 512 kB: half a common second-level cache.
AT_HAND = 65_536
#: Where the exact form lets go of the Gaussian: beyond, less than 1e-12 of it is left.
REACH = 7.2
#: The exact form rounds to 2^-41, so that its rounding errors cannot order genes that are equal.
GRAIN = 2.0**41

# Cody 1969 (10.1090/S0025-5718-1969-0247736-4), as R's pnorm uses it: numerator and denominator, highest power first.
# fmt: off
_CENTRE = (
    (0.065682337918207449, 2.2352520354606839287, 161.02823106855587881, 1067.6894854603709582, 18154.981253343561249),
    (1.0, 47.20258190468824187, 976.09855173777669322, 10260.932208618978205, 45507.789335026729956),
)
_FLANK = (
    (1.0765576773720192317e-8, 0.39894151208813466764, 8.8831497943883759412, 93.506656132177855979,
     597.27027639480026226, 2494.5375852903726711, 6848.1904505362823326, 11602.651437647350124, 9842.7148383839780218),
    (1.0, 22.266688044328115691, 235.38790178262499861, 1519.377599407554805, 6485.558298266760755,
     18615.571640885098091, 34900.952721145977266, 38912.003286093271411, 19685.429676859990727),
)
# fmt: on


def normal_table() -> np.ndarray:
    """Tabulate the normal CDF at 0, 0.001, ..., 10 with the rounding of R's pnorm.

    Cost: 10,001 entries.

    Returns
    -------
    ndarray of float64, shape (10001,)
        From 0.5 to 1.

    Examples
    --------
    >>> normal_table()[[0, 1960]].round(4).tolist()
    [0.5, 0.975]
    """
    x = 10.0 * np.arange(LAST + 1) / LAST
    top, bottom = (np.polyval(c, x * x) for c in _CENTRE)
    centre = 0.5 + x * top / bottom
    top, bottom = (np.polyval(c, x) for c in _FLANK)
    near = np.trunc(x * 16.0) / 16.0
    rest = (x - near) * (x + near)
    bell = np.array([math.exp(-n * n * 0.5) * math.exp(-r * 0.5) for n, r in zip(near, rest, strict=True)])
    tail = np.array([0.5 * math.erfc(v / math.sqrt(2.0)) for v in x])
    return np.where(x <= 0.67448975, centre, 1.0 - np.where(x <= math.sqrt(32.0), bell * (top / bottom), tail))


def bandwidths(values: np.ndarray) -> np.ndarray:
    """Width of each gene's Gaussian: a quarter of its standard deviation over the samples.

    Summed in extended precision, sample by sample, as R does. Cost: O(samples x genes).

    Parameters
    ----------
    values : ndarray of float32 or float64, shape (n_samples, n_genes)
        Expression on a log-like scale.

    Returns
    -------
    ndarray of float64, shape (n_genes,)
        NaN for one sample, and where a value is NaN or infinite.

    Examples
    --------
    >>> bandwidths(np.array([[1.0, 5.0], [5.0, 5.0], [9.0, 5.0]]))
    array([1., 0.])
    """
    out = np.full(values.shape[1], np.nan)
    if len(values) > 1:
        genes = np.array_split(np.arange(out.size), get_num_threads())
        _side_by_side(_widths, [(values[:, g[0] : g[-1] + 1], out[g[0] : g[-1] + 1]) for g in genes if g.size])
    return out


def _widths(values: np.ndarray, out: np.ndarray) -> None:
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        rows, n = values.astype(np.float64), len(values)
        mean = _total(rows) / n
        mean += _total(row - mean for row in rows) / n
        centre = mean.astype(np.float64)
        square = _total((row - centre) ** 2 for row in rows)
        out[:] = np.sqrt((square / (n - 1)).astype(np.float64)) / 4.0


def _total(rows: Iterable[np.ndarray]) -> np.ndarray:
    total = np.zeros(1, dtype=np.longdouble)
    for row in rows:
        total = total + row
    return total


def _side_by_side(function: Callable[..., None], calls: list[tuple]) -> None:
    """Run numpy, which lets go of the interpreter, on as many threads as the kernels use."""
    with ThreadPoolExecutor(get_num_threads()) as pool:
        list(pool.map(lambda arguments: function(*arguments), calls))


def table_levels(values: np.ndarray, widths: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Level of each gene in each sample: log odds of its Gaussian kernel CDF, by table as in R GSVA 1.46.

    ``F(j) = mean over i of table((values[j] - values[i]) / width)``, ``level = -log((1 - F) / F)``, summed in the
    order of the samples. Each pair is looked up once: the CDF of the opposite difference is one minus it.
    Cost: O(samples^2 x genes) look-ups, halved.

    Parameters
    ----------
    values : ndarray of float32 or float64, shape (n_samples, n_genes)
        Expression.
    widths : ndarray of float64, shape (n_genes,)
        From `bandwidths`.
    table : ndarray of float64, shape (10001,)
        From `normal_table`.

    Returns
    -------
    ndarray of float64, shape (n_samples, n_genes)
        NaN for a gene without a positive, finite width.

    Examples
    --------
    >>> x = np.array([[1.0], [5.0], [9.0]])
    >>> table_levels(x, bandwidths(x), normal_table()).ravel().round(3).tolist()
    [-1.609, -0.0, 1.609]
    """
    with np.errstate(invalid="ignore"):
        out = _table_sums(values, widths, table, max(8, min(64, AT_HAND // (2 * len(values) + 1) // 8 * 8)))
        out /= len(values)  # by numpy: the compiler may turn a division into a product, one bit away
        np.divide(1.0 - out, out, out=out)
    _negative_log(out)
    return out


@kernel
def _negative_log(values: np.ndarray) -> None:
    for i in prange(values.shape[0]):
        for g in range(values.shape[1]):
            values[i, g] = -math.log(values[i, g])


@kernel
def _table_sums(values: np.ndarray, widths: np.ndarray, table: np.ndarray, lanes: int) -> np.ndarray:
    """Sum the CDF over the samples; `lanes` is no constant, or the compiler would put samples side by side."""
    n_samples, n_genes = values.shape
    out = np.empty((n_samples, n_genes))
    for block in prange((n_genes + lanes - 1) // lanes):
        first = block * lanes
        count = min(lanes, n_genes - first)
        x, width, total = np.zeros((n_samples, lanes)), np.ones(lanes), np.full((n_samples, lanes), np.nan)
        for g in range(count):
            if np.isfinite(widths[first + g]) and widths[first + g] > 0:
                width[g] = widths[first + g]
                for j in range(n_samples):
                    x[j, g] = values[j, first + g]
                    total[j, g] = 0.0
        for i in range(n_samples):
            for g in range(lanes):
                total[i, g] += 0.5
            for j in range(i + 1, n_samples):
                for g in range(lanes):
                    difference = x[j, g] - x[i, g]
                    above = table[_entry(difference, width[g])]
                    below = 1.0 - above
                    total[j, g] += below if difference < 0 else above
                    total[i, g] += above if difference < 0 else below
        for j in range(n_samples):
            for g in range(count):
                out[j, first + g] = total[j, g]
    return out


@strict
def _entry(difference: float, width: float) -> int:
    return int(min(abs(difference / width) / 10.0 * 10000.0, 10000.0))


@kernel
def exact_levels(values: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """Level of each gene in each sample: its Gaussian kernel CDF itself, without a table.

    The sum of normal CDFs over all samples is split into sines. Over the range ``T`` of a gene, in widths, the normal
    CDF equals a smoothed square wave of half-period ``L = T + 7.2``:
    ``1/2 + 2/pi * sum over odd k of exp(-(k w)^2 / 2) / k * sin(k w t)``, ``w = pi / L``, and
    ``sin(a - b) = sin a cos b - cos a sin b`` separates the sample from the sum over the others. About ``1.15 L``
    sines reach 1e-12. Cost: O(samples x genes x T); T is about 25 and grows with outliers, at most
    ``4 sqrt(2 samples)``.

    Up to 2e-4 from the table of R, whose CDF is read at the next lower of 1,000 steps per width.

    Parameters
    ----------
    values : ndarray of float32 or float64, shape (n_samples, n_genes)
        Expression.
    widths : ndarray of float64, shape (n_genes,)
        From `bandwidths`.

    Returns
    -------
    ndarray of float64, shape (n_samples, n_genes)
        In (0, 1), rounded to 2^-41 so that equal genes stay equal; NaN for a gene without a positive, finite width.

    Examples
    --------
    >>> x = np.array([[1.0], [5.0], [9.0]])
    >>> exact_levels(x, bandwidths(x)).ravel().round(6).tolist()
    [0.166677, 0.5, 0.833323]
    """
    n_samples, n_genes = values.shape
    out = np.empty((n_samples, n_genes))
    for block in prange((n_genes + LANES - 1) // LANES):
        x, cosine, sine = np.empty(n_samples), np.empty(n_samples), np.empty(n_samples)
        work = (np.empty(n_samples), np.empty(n_samples), np.empty(n_samples))
        for gene in range(block * LANES, min((block + 1) * LANES, n_genes)):
            width = widths[gene]
            if not (np.isfinite(width) and width > 0):
                out[:, gene] = np.nan
                continue
            for j in range(n_samples):
                x[j] = values[j, gene]
            _sines(x, width, cosine, sine, work)
            for j in range(n_samples):
                out[j, gene] = np.rint((0.5 + x[j] / n_samples) * GRAIN) / GRAIN
    return out


@helper
def _sines(x: np.ndarray, width: float, cosine: np.ndarray, sine: np.ndarray, work: tuple) -> None:
    """Replace the values by the sum of (normal CDF - 1/2) over all their differences."""
    cosine2, sine2, total = work
    low, high = x.min(), x.max()
    w = math.pi / ((high - low) / width + REACH)
    all_cosines, all_sines = 0.0, 0.0
    for j in range(x.size):
        angle = ((x[j] - low) - 0.5 * (high - low)) / width * w  # within +-pi/2: eleven terms are exact to a bit
        t = angle * angle
        c, s = 1.0, 1.0
        for k in range(22, 0, -2):
            c = 1.0 - t / (k * (k - 1)) * c
            s = 1.0 - t / (k * (k + 1)) * s
        s *= angle
        cosine[j], sine[j], total[j] = c, s, 0.0
        cosine2[j], sine2[j] = c * c - s * s, 2 * s * c
        all_cosines += c
        all_sines += s
    k = 1
    while k * w < REACH:
        weight = 2 / math.pi * math.exp(-0.5 * (k * w) ** 2) / k
        all_cosines *= weight
        all_sines *= weight
        for j in range(x.size):  # two short loops: the compiler vectorises them, but not one long one
            total[j] += sine[j] * all_cosines - cosine[j] * all_sines
        all_cosines, all_sines = 0.0, 0.0
        for j in range(x.size):
            c, s = cosine[j] * cosine2[j] - sine[j] * sine2[j], sine[j] * cosine2[j] + cosine[j] * sine2[j]
            cosine[j], sine[j] = c, s
            all_cosines += c
            all_sines += s
        k += 2
    x[:] = total


@kernel
def walk(order: np.ndarray, sets: np.ndarray, starts: np.ndarray, sizes: np.ndarray, max_diff: bool) -> np.ndarray:
    """Score sets by a random walk down the ordered genes of each sample.

    A member at position p (from 0) of n raises the walk by ``|n - p - n/2|``, in units of the set's total; any other
    gene lowers it by ``1 / (n - size)``. The walk peaks after a member and dips before one, so that only members are
    visited, all sets in one pass. Cost: O(genes + sum of set sizes) per sample.

    Parameters
    ----------
    order : ndarray of int32, shape (n_samples, n_genes)
        Genes of each sample, the highest level first; all of them.
    sets : ndarray of int64, shape (sum of set sizes,)
        The sets of each gene, gene after gene; no set twice for one gene.
    starts : ndarray of int64, shape (n_genes + 1,)
        Gene ``g`` is in ``sets[starts[g]:starts[g + 1]]``.
    sizes : ndarray of int64, shape (n_sets,)
        Genes of each set.
    max_diff : bool
        Whether the score is the highest plus the lowest point of the walk, or the farther one of both.

    Returns
    -------
    ndarray of float64, shape (n_samples, n_sets)
        In [-1, 1]; NaN for a set of no genes.

    Examples
    --------
    >>> order = np.array([[2, 0, 1, 3]], dtype=np.int32)
    >>> walk(order, np.array([0, 0]), np.array([0, 1, 1, 2, 2]), np.array([2]), True)
    array([[1.]])
    """
    (n_samples, n_genes), n_sets = order.shape, sizes.size
    out = np.empty((n_samples, n_sets))
    for i in prange(n_samples):
        total, inside, high, low = np.zeros((4, n_sets))
        seen = np.zeros(n_sets, dtype=np.int64)
        for p in range(n_genes):
            gene = order[i, p]
            for k in range(starts[gene], starts[gene + 1]):
                total[sets[k]] += abs(n_genes - p - 0.5 * n_genes)
        for p in range(n_genes):
            gene = order[i, p]
            for k in range(starts[gene], starts[gene + 1]):
                s = sets[k]
                fallen = (p - seen[s]) / max(n_genes - sizes[s], 1)
                low[s] = min(low[s], (inside[s] / total[s] if seen[s] > 0 else 0.0) - fallen)
                inside[s] += abs(n_genes - p - 0.5 * n_genes)
                seen[s] += 1
                if total[s] > 0:  # else the set is the one gene in the middle, which weighs nothing: as in R
                    high[s] = max(high[s], inside[s] / total[s] - fallen)
        for s in range(n_sets):
            if sizes[s] == 0:
                out[i, s] = np.nan
            elif max_diff:
                out[i, s] = high[s] + low[s]
            else:
                out[i, s] = high[s] if high[s] > -low[s] else low[s]
    return out
