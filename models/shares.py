"""Shares: each margin split into one contribution per feature, block by block, a few thousand patients at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from theracast.features.feature_names import block_of
from theracast.features.matrix import FeatureMatrix
from theracast.models.combiner import Combiner, best_combiner, patterns
from theracast.models.experts import Expert
from theracast.models.logistic import Kinds

#: Patients at a time: what is made on the way stays small beside the result.
_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class Shares:
    """Margins and what each feature adds to them.

    Attributes
    ----------
    margin : ndarray of float64, shape (n_patients,)
        Log-odds, to the bit as `theracast.models.fusion.Fusion.margin`; NaN where nothing is known.
    base : ndarray of float64, shape (n_patients,)
        Log-odds before any feature is read, given the blocks the patient has.
    parts : ndarray of float64, shape (n_patients, n_features)
        Log-odds; ``base + parts.sum(axis=1)`` is the margin.
    weights : ndarray of float64, shape (n_patients, n_blocks)
        What the margin of each block's expert was multiplied by; 0 where it has no say.
    names, blocks : tuple of str
        Of the features, and of the blocks that have an expert.

    Examples
    --------
    >>> Shares(np.ones(1), np.zeros(1), np.ones((1, 1)), np.ones((1, 1)), ("clinical__age",), ("clinical",)).names
    ('clinical__age',)
    """

    margin: np.ndarray
    base: np.ndarray
    parts: np.ndarray
    weights: np.ndarray
    names: tuple[str, ...]
    blocks: tuple[str, ...]


def shares_of(
    experts: Mapping[str, Expert],
    combiners: Mapping[tuple[str, ...], Combiner],
    matrix: FeatureMatrix,
    tumours: Kinds,
    blocks: Iterable[str],
) -> Shares:
    """Split the margins of a fusion, or of one of its replicas.

    Cost: each expert looks at each patient once; beside the result a few thousand rows are held.

    Parameters
    ----------
    experts : mapping of str to Expert
        By block.
    combiners : mapping of tuple of str to Combiner
        By their sets of blocks.
    matrix : FeatureMatrix
        Patients.
    tumours : Kinds
        Tumour type of each patient.
    blocks : iterable of str
        Their features get a column each, as in the matrix; those that no expert reads get zeros.

    Returns
    -------
    Shares
        A patient's do not depend on the others, to the bit.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> from theracast.models.base import ResponseModel
    >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
    >>> matrix, one = model.matrix(load_cohort("riaz2017_mel")), model.fusion_
    >>> found = shares_of(one.experts, one.combiners, matrix, Kinds.of(matrix.tumours.to_numpy()), matrix.blocks)
    >>> bool(np.allclose(found.base + found.parts.sum(axis=1), found.margin))
    True
    """
    told = set(blocks)
    names = [name for name in matrix.values.columns if block_of(name) in told]
    n, place = len(matrix), {name: k for k, name in enumerate(names)}
    judged = [b for b in matrix.blocks if b in experts]
    read = [[f"{b}__{f.name}" for f in experts[b].features] for b in judged]
    sources = [matrix.values.columns.get_indexer(pd.Index(cells)) for cells in read]
    targets = [_span(np.array([place[name] for name in cells])) for cells in read]
    margin, base = np.full((2, n), np.nan)
    parts, weights = np.zeros((n, len(names))), np.zeros((n, len(judged)))
    for first in range(0, n, _AT_ONCE):
        rows = slice(first, first + _AT_ONCE)
        kinds, part = tumours[np.arange(n)[rows]], matrix.values.iloc[rows]
        margins = np.full((len(part), len(judged)), np.nan)
        shares = []
        for k, (b, source) in enumerate(zip(judged, sources, strict=True)):
            values = part.iloc[:, _span(source)].to_numpy(dtype=np.float64)
            share = np.ascontiguousarray(experts[b].split(np.ascontiguousarray(values), kinds)[1])
            known = ~np.isnan(values).all(axis=1)
            margins[known, k] = share.sum(axis=1)[known]
            shares.append(share)
        for there, mine in patterns(pd.DataFrame(~np.isnan(margins), columns=judged)):
            combiner = best_combiner(combiners, there)
            if combiner:
                columns = np.ix_(mine, np.array([judged.index(b) for b in combiner.blocks]))
                weights[first + columns[0], columns[1]] = combiner.fit.weights(kinds[mine])
                base[first + mine] = combiner.fit.intercepts(kinds[mine])
                margin[first + mine] = combiner.total(margins[columns], kinds[mine])
        for k, (share, target) in enumerate(zip(shares, targets, strict=True)):
            share *= weights[rows, k, None]
            parts[rows, target] = share
    return Shares(margin, base, parts, weights, tuple(names), tuple(judged))


def _span(places: np.ndarray) -> slice | np.ndarray:
    """Say it as a slice where the places follow each other: a frame is then read without a copy."""
    if len(places) and (np.diff(places) == 1).all():
        return slice(int(places[0]), int(places[-1]) + 1)
    return places
