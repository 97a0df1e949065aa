"""How many kinds there are in a sample, and how evenly: clones of a repertoire, taxa of a community.

Shannon 1948, 10.1002/j.1538-7305.1948.tb01338.x (natural logarithm). Simpson 1949, 10.1038/163688a0. Pielou 1966,
10.1016/0022-5193(66)90013-0. Gini 1921, 10.2307/2223319. Rarefaction: Hurlbert 1971, 10.2307/1934145; Chao 2014,
10.1890/13-0133.1.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln

#: What `diversity` gives, in this order, and what of it can be brought to a common depth.
INDICES = (*("kinds", "total", "shannon", "pielou", "simpson", "gini", "d50", "d20", "clonality", "top_share"),)
RAREFIED = ("kinds", "shannon", "pielou", "simpson", "clonality")


def diversity(counts: np.ndarray) -> dict[str, float]:
    """Compute the indices of one sample at the depth it was read to.

    Parameters
    ----------
    counts : ndarray of shape (n_kinds,)
        Counts or shares; zeros are left out, order does not matter.

    Returns
    -------
    dict of str to float
        ``kinds`` and their ``total``; ``shannon`` (nats) and ``pielou``, its share of the greatest possible (NaN for
        a single kind); ``simpson``, the chance that two draws differ; ``gini`` of the counts (0 even, towards 1 one
        kind rules); ``d50`` and ``d20``, the least kinds that hold half or a fifth of the total; ``clonality``,
        1 - pielou; ``top_share`` of the greatest kind. All NaN for an empty sample.

    Examples
    --------
    >>> {k: round(v, 3) for k, v in diversity(np.array([6, 2, 2])).items() if k in ("kinds", "simpson", "d50")}
    {'kinds': 3.0, 'simpson': 0.56, 'd50': 1.0}
    """
    sizes = np.sort(np.asarray(counts, dtype=np.float64)[np.asarray(counts) > 0])
    n, total = len(sizes), float(sizes.sum())
    if not n:
        return dict.fromkeys(INDICES, np.nan)
    shares = sizes / total
    shannon = float(-(shares * np.log(shares)).sum()) + 0.0
    held = np.cumsum(sizes[::-1])
    pielou = shannon / np.log(n) if n > 1 else np.nan
    found = (
        *(float(n), total, shannon, float(pielou), float(1 - (shares**2).sum())),
        float(2 * (np.arange(1, n + 1) * sizes).sum() / (n * total) - (n + 1) / n),
        *(float(np.searchsorted(held, total * part) + 1) for part in (0.5, 0.2)),
        *(float(1 - pielou), float(shares[-1])),
    )
    return dict(zip(INDICES, found, strict=True))


def rarefied(counts: np.ndarray, depth: int) -> dict[str, float]:
    """Compute what `depth` draws without replacement would show on average: in closed form, without drawing.

    Parameters
    ----------
    counts : ndarray of int, shape (n_kinds,)
        Counts; zeros are left out.
    depth : int
        Draws.

    Returns
    -------
    dict of str to float
        `RAREFIED`: kinds, Shannon, Simpson, and Pielou and clonality of the expected Shannon over the logarithm of
        the expected kinds. NaN when the sample holds fewer than `depth`.

    Examples
    --------
    >>> rarefied(np.array([1, 1, 1, 1]), 2)["kinds"], rarefied(np.array([1, 1, 1, 1]), 5)["kinds"]
    (2.0, nan)
    """
    sizes, times = np.unique(np.asarray(counts, dtype=np.int64), return_counts=True)
    sizes, times = sizes[sizes > 0], times[sizes > 0]
    total = int((sizes * times).sum())
    if total < depth or depth < 1:
        return dict.fromkeys(RAREFIED, np.nan)
    ways = _log_choose(total, depth)
    absent = np.where(total - sizes >= depth, np.exp(_log_choose(np.maximum(total - sizes, depth), depth) - ways), 0.0)
    kinds = float((times * (1 - absent)).sum())
    shannon = 0.0
    for size, many in zip(sizes, times, strict=True):
        drawn = np.arange(max(1, depth - (total - size)), min(size, depth) + 1)
        chance = np.exp(_log_choose(size, drawn) + _log_choose(total - size, depth - drawn) - ways)
        shannon += int(many) * float((chance * (drawn / depth) * np.log(depth / drawn)).sum())
    same = float((times * sizes * (sizes - 1.0)).sum()) / (total * (total - 1.0)) if total > 1 else 1.0
    simpson = 1 - (1 / depth + (depth - 1) / depth * same)
    pielou = shannon / np.log(kinds) if kinds > 1 else np.nan
    return dict(zip(RAREFIED, (kinds, shannon, float(pielou), simpson, float(1 - pielou)), strict=True))


def _log_choose(n: np.ndarray | int, k: np.ndarray | int) -> np.ndarray:
    return gammaln(np.add(n, 1)) - gammaln(np.add(k, 1)) - gammaln(np.subtract(n, k) + 1)
