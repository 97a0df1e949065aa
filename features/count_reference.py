"""Counts against a frozen reference: what `tmm_factors` and `size_factors` compare, learned from training patients.

A patient's factor comes from that patient and the reference: alone as in a crowd. On the training patients themselves
the factors and the log counts per million are those of edgeR, and the size factors those of DESeq2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from theracast.errors import DataError
from theracast.features.normalisation import LEVEL_TRIM, RATIO_TRIM, nearest_to_mean, upper_quartiles
from theracast.features.scales import column_blocks, row_blocks
from theracast.kernels.normalise import mean_logs, median_ratios, trimmed_means

#: edgeR's prior count.
PRIOR = 2.0


@dataclass(frozen=True)
class CountReference:
    """What counts are scaled against; JSON-ready by `dataclasses.asdict`.

    Attributes
    ----------
    method : {"tmm", "ratios"}
        Trimmed mean of M-values (DOI 10.1186/gb-2010-11-3-r25) or median of ratios (DOI 10.1186/gb-2010-11-10-r106).
    genes : list of str
        Genes that make up a library, sorted.
    levels : list of float
        Their counts in the reference sample, or their geometric means (0 where a training patient had none).
    scale : float
        Geometric mean of the training patients' raw factors; 1 for ratios.
    depth : float
        Mean of their library sizes times their factors.

    Examples
    --------
    >>> counts = pd.DataFrame({"a": [10, 20], "b": [30, 60], "c": [0, 7]}, index=["p1", "p2"])
    >>> reference = learn_reference(counts, "ratios")
    >>> reference.factors(counts.to_numpy(float)).round(4).tolist()
    [0.7071, 1.4142]
    """

    method: Literal["tmm", "ratios"]
    genes: list[str]
    levels: list[float]
    scale: float = 1.0
    depth: float = 1.0

    def factors(self, values: np.ndarray) -> np.ndarray:
        """Scale each patient against the reference.

        Parameters
        ----------
        values : ndarray of float64, shape (n_patients, n_genes)
            Counts of `genes`, in their order; NaN where not counted.

        Returns
        -------
        ndarray of float64, shape (n_patients,)
            TMM: how many times larger the effective library is than its sum; ratios: by what the counts are divided.
            NaN where nothing was counted, or half of the genes compared are zero.

        Examples
        --------
        >>> CountReference("ratios", ["a"], [5.0]).factors(np.array([[10.0], [np.nan]])).tolist()
        [2.0, nan]
        """
        levels = np.asarray(self.levels)
        sizes = np.nansum(values, axis=1)
        out = np.full(len(values), np.nan)
        counted = np.flatnonzero(sizes > 0)
        if self.method == "tmm":
            seen = np.flatnonzero(levels)
            target = levels[seen] / levels.sum()
            logs = np.array([math.log2(t) for t in target])
            shares = values[np.ix_(counted, seen)] / sizes[counted, None]
            found = trimmed_means(
                shares / target, shares, sizes[counted], target, logs, levels.sum(), RATIO_TRIM, LEVEL_TRIM
            )
            out[counted] = np.exp2(found) / self.scale
            return out
        shared = np.flatnonzero(levels)
        whole = ~np.isnan(values[:, shared]).any(axis=1)
        rows = np.flatnonzero(whole & (sizes > 0))
        out[rows] = median_ratios(values[rows], shared, levels[shared])
        for i in np.flatnonzero(~whole & (sizes > 0)):
            some = shared[~np.isnan(values[i, shared])]
            if some.size:
                out[i] = median_ratios(values[i : i + 1], some, levels[some])[0]
        return np.where(out > 0, out, np.nan)

    def logs(self, values: np.ndarray) -> np.ndarray:
        """Normalise counts and take their logarithm.

        Parameters
        ----------
        values : ndarray of float64, shape (n_patients, n_genes)
            As in `factors`.

        Returns
        -------
        ndarray of float64, same shape
            TMM: log2 counts per million, as ``edgeR::cpm(log = TRUE)``; ratios: log2(count / factor + 1).

        Examples
        --------
        >>> CountReference("ratios", ["a"], [5.0]).logs(np.array([[15.0]])).round(2).tolist()
        [[2.58]]
        """
        factors = self.factors(values)[:, None]
        if self.method == "ratios":
            return np.log2(values / factors + 1.0)
        sizes = np.nansum(values, axis=1, keepdims=True) * factors
        priors = PRIOR * sizes / self.depth
        return np.log2((values + priors) / (sizes + 2.0 * priors) * 1e6)


def learn_reference(counts: pd.DataFrame, method: Literal["tmm", "ratios"]) -> CountReference:
    """Learn from training patients what counts are scaled against.

    Parameters
    ----------
    counts : DataFrame of shape (n_patients, n_genes)
        Raw or expected counts; NaN where not counted. Genes counted in fewer than half of the patients are left out;
        the reference is made from the patients in whom all others were counted. The order of rows and columns does not
        matter.
    method : {"tmm", "ratios"}
        As in `CountReference`.

    Returns
    -------
    CountReference
        Frozen.

    Raises
    ------
    DataError
        THX-D08 no patient has all genes; THX-D12 all counts are zero, or no gene is above zero in every patient.

    Examples
    --------
    >>> genes = {f"g{i}": [10 + i, 20 + 2 * i, 10 + i] for i in range(20)}
    >>> counts = pd.DataFrame(genes | {"burst": [0, 0, 500]}, index=["a", "b", "c"])
    >>> reference = learn_reference(counts, "tmm")
    >>> reference.factors(counts[reference.genes].to_numpy(float)).round(3).tolist()
    [1.317, 1.317, 0.577]
    """
    genes = shared_genes(counts)
    places = counts.columns.get_indexer(pd.Index(genes))
    order = np.argsort(counts.index.to_numpy(dtype=str), kind="stable")  # rows in any order give the same sums
    sizes, whole, most = np.zeros(len(counts)), np.zeros(len(counts), bool), np.zeros(len(genes))
    for part, values in row_blocks(counts, genes):
        sizes[part] = np.nansum(values, axis=1)
        whole[part] = ~np.isnan(values).any(axis=1) & (sizes[part] > 0)
        most = np.maximum(most, values[whole[part]].max(axis=0, initial=0.0))
    rows = order[whole[order]]
    if not rows.size:
        raise DataError(
            "no training patient has counts of all genes",
            code="THX-D08" if sizes.any() else "THX-D12",
            where="counts",
            got=f"{len(counts)} patients, {len(genes)} genes",
            fix="Give the genes that every patient was counted for, and leave out samples without counts.",
        )
    if method == "ratios":
        means = np.concatenate([mean_logs(values[rows]) for _, values in column_blocks(counts, places)])
        if not np.isfinite(means).any():
            raise DataError(
                "no gene is above zero in every training patient",
                code="THX-D12",
                where="counts",
                got=f"{rows.size} patients, {len(genes)} genes",
                fix="Leave out samples with few counts, or use normalise='tmm'.",
            )
        return CountReference(method, genes, np.where(np.isfinite(means), np.exp(means), 0.0).tolist())
    quartiles = np.zeros(len(counts))
    for part, values in row_blocks(counts, genes):
        never = int((most == 0).sum())
        quartiles[part] = upper_quartiles(np.nan_to_num(values), np.maximum(sizes[part], 1.0), never)
    chosen = rows[nearest_to_mean(quartiles[rows], lambda: _roots(counts, genes)[rows])]
    (_, values), *_ = row_blocks(counts.iloc[[chosen]], genes)
    first = CountReference(method, genes, values[0].tolist())
    raw = np.concatenate([first.factors(values) for _, values in row_blocks(counts, genes)])[rows]
    scale = float(np.exp(np.log(raw).mean()))
    return CountReference(method, genes, first.levels, scale, float((sizes[rows] * (raw / scale)).mean()))


def _roots(counts: pd.DataFrame, genes: list[str]) -> np.ndarray:
    return np.concatenate([np.nansum(np.sqrt(values), axis=1) for _, values in row_blocks(counts, genes)])


def shared_genes(table: pd.DataFrame) -> list[str]:
    """Name the genes that at least half of the patients have who have any.

    Parameters
    ----------
    table : DataFrame of shape (n_patients, n_genes)
        NaN where not measured.

    Returns
    -------
    list of str
        Sorted.

    Examples
    --------
    >>> shared_genes(pd.DataFrame({"B": [1.0, 2.0, None], "A": [1.0, None, None], "C": [None, None, None]}))
    ['A', 'B']
    """
    known, anyone = np.zeros(table.shape[1], dtype=int), np.zeros(len(table), dtype=bool)
    for places, values in column_blocks(table):
        there = ~np.isnan(values)
        known[places] = there.sum(axis=0)
        anyone |= there.any(axis=1)
    return sorted(table.columns[(known > 0) & (2 * known >= anyone.sum())])
