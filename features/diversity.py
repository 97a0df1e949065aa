"""Distances between microbial communities, with or without a tree: Bray-Curtis, UniFrac and Faith's diversity.

Tables are samples x taxa, counts or shares, none missing or negative. Diversity without a tree (Shannon, Simpson) is
a line of numpy and has no function here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from theracast.errors import DataError, UsageError
from theracast.kernels.diversity import branch_totals, overlaps

#: Distances that are finished at a time: 1 MB, which stays in the cache.
_AT_HAND = 131_072


@dataclass(frozen=True)
class Tree:
    """A rooted tree with branch lengths, nodes numbered so that a parent follows its children.

    Attributes
    ----------
    parent : ndarray of int64
        Parent of each node; -1 for the root, which is the last.
    lengths : ndarray of float64
        Length of the branch above each node.
    tips : dict of str to int
        Node of each tip.

    Examples
    --------
    >>> sorted(read_newick("((a:1,b:2):1,c:3);").tips)
    ['a', 'b', 'c']
    """

    parent: np.ndarray
    lengths: np.ndarray
    tips: dict[str, int]


def read_newick(text: str) -> Tree:
    """Read a tree in Newick format.

    Names may be quoted; comments in brackets are skipped; a missing length is 0. Underscores are kept as they are.

    Parameters
    ----------
    text : str
        One tree, ended by a semicolon.

    Returns
    -------
    Tree
        Rooted as written.

    Raises
    ------
    DataError
        On text that is no tree, negative lengths, or tips without a name or with one name.

    Examples
    --------
    >>> tree = read_newick("((a:1,b:2)ab:1,'c d':3);")
    >>> tree.parent.tolist(), tree.lengths.tolist(), tree.tips
    ([2, 2, 4, 4, -1], [1.0, 2.0, 1.0, 3.0, 0.0], {'a': 0, 'b': 1, 'c d': 3})
    """
    parent: list[int] = []
    lengths: list[float] = []
    tips: dict[str, int] = {}
    waiting: list[list[int]] = [[]]  # finished children of each open bracket
    children: list[int] = []
    name, length, ended = "", 0.0, False

    for part in re.findall(r"\[[^\]]*\]|'(?:[^']|'')*'|[(),:;]|[^\s(),:;\[\]']+", text):
        if ended:
            raise DataError("text follows the semicolon", where="Newick tree")
        if part == "(":
            waiting.append([])
        elif part in ",);":
            _finish(parent, tips, children, name)
            lengths.append(length)
            waiting[-1].append(len(parent) - 1)
            children, name, length = [], "", 0.0
            if part == ")":
                children = waiting.pop()
            ended = part == ";"
            if not waiting or (ended and (len(waiting) > 1 or len(waiting[0]) > 1)):
                raise DataError("brackets do not match", where="Newick tree")
        elif part == ":":
            name = name or ""
            length = float("nan")  # the next part says
        elif part[0] != "[":
            if np.isnan(length):
                try:
                    length = float(part)
                except ValueError as error:
                    raise DataError("a branch length is no number", where="Newick tree") from error
                if not 0 <= length < np.inf:
                    raise DataError("a branch length is negative or infinite", where="Newick tree")
            else:
                name = part[1:-1].replace("''", "'") if part[0] == "'" else part
    if not ended or np.isnan(lengths).any():
        raise DataError("the tree is not complete", where="Newick tree", wanted="(a:1,b:2);")
    return Tree(np.array(parent, dtype=np.int64), np.array(lengths), tips)


def bray_curtis(table: pd.DataFrame) -> pd.DataFrame:
    """Bray-Curtis dissimilarity of every pair of samples: ``sum |a - b| / sum (a + b)`` (10.2307/1942268).

    Parameters
    ----------
    table : DataFrame, samples x taxa
        Counts of one depth, or shares.

    Returns
    -------
    DataFrame, samples x samples
        On 0-1; 0 between two empty samples.

    Raises
    ------
    DataError
        On text, missing, infinite or negative values.

    Examples
    --------
    >>> table = pd.DataFrame([[1, 3], [3, 1]], index=["s1", "s2"], columns=["t1", "t2"])
    >>> float(bray_curtis(table).loc["s1", "s2"])
    0.5
    """
    return _square(_differences(_counts(_read(table)), "totals"), table)


def unifrac(table: pd.DataFrame, tree: Tree, weighted: bool = False, normalized: bool = False) -> pd.DataFrame:
    """UniFrac distance of every pair of samples.

    Unweighted: the share of the branch length below which taxa of only one of both lie (Lozupone 2005,
    10.1128/AEM.71.12.8228-8235.2005), as products of matrices. Weighted: branch lengths times the difference of the
    shares below them (Lozupone 2007, 10.1128/AEM.01996-06); normalised by the mean distance of the taxa from the root.

    Parameters
    ----------
    table : DataFrame, samples x taxa
        Counts; columns are tips of the tree.
    tree : Tree
        May hold tips that the table lacks.
    weighted, normalized : bool, default False
        Which distance; only the weighted one can be normalised.

    Returns
    -------
    DataFrame, samples x samples
        0 between two empty samples.

    Raises
    ------
    DataError
        As `bray_curtis`, and on a taxon that the tree lacks.
    UsageError
        On `normalized` without `weighted`.

    Examples
    --------
    >>> tree = read_newick("((a:1,b:2):1,c:3);")
    >>> table = pd.DataFrame([[1, 0, 0], [0, 1, 0]], index=["s1", "s2"], columns=["a", "b", "c"])
    >>> float(unifrac(table, tree).loc["s1", "s2"]), float(unifrac(table, tree, weighted=True).loc["s1", "s2"])
    (0.75, 3.0)
    """
    if normalized and not weighted:
        raise UsageError("unweighted UniFrac is normalised already", fix="Pass weighted=True as well.")
    values = _read(table)
    if weighted:
        depth = values.sum(axis=1, keepdims=True)
        shares = values / np.where(depth > 0, depth, 1)
        lengths = _branches(shares, table, tree) * tree.lengths
        return _square(_differences(lengths, "totals" if normalized else "one"), table)
    present = _branches(values > 0, table, tree)
    np.minimum(present, 1, out=present)
    present *= tree.lengths
    return _square(_differences(present, "union"), table)


def faith_pd(table: pd.DataFrame, tree: Tree) -> pd.Series:
    """Faith's phylogenetic diversity: the branch length from the root to all taxa of a sample.

    Faith 1992, 10.1016/0006-3207(92)91201-3.

    Parameters
    ----------
    table : DataFrame, samples x taxa
        Counts; columns are tips of the tree.
    tree : Tree
        May hold tips that the table lacks.

    Returns
    -------
    Series
        One value per sample, in the unit of the branch lengths; 0 for an empty one.

    Raises
    ------
    DataError
        As `unifrac`.

    Examples
    --------
    >>> table = pd.DataFrame([[5, 0, 1]], index=["s1"], columns=["a", "b", "c"])
    >>> float(faith_pd(table, read_newick("((a:1,b:2):1,c:3);"))["s1"])
    5.0
    """
    present = _branches(_read(table) > 0, table, tree) > 0
    # no product of matrices: its bits depend on how many samples there are
    return pd.Series(np.where(present, tree.lengths, 0.0).sum(axis=1), index=table.index, name="faith_pd")


def _finish(parent: list[int], tips: dict[str, int], children: list[int], name: str) -> None:
    """Add a node above its children, or a tip."""
    for child in children:
        parent[child] = len(parent)
    if not children:
        if not name or name in tips:
            raise DataError("two tips have one name" if name else "a tip has no name", where="Newick tree")
        tips[name] = len(parent)
    parent.append(-1)


def _read(table: pd.DataFrame) -> np.ndarray:
    try:
        values = np.ascontiguousarray(table.to_numpy(dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise DataError("wanted numbers", where="abundance table") from error
    if not np.isfinite(values).all():
        raise DataError("holds missing or infinite values", where="abundance table")
    if (values < 0).any():
        raise DataError("holds negative values", where="abundance table", fix="Pass counts, not logs.")
    return values


def _branches(values: np.ndarray, table: pd.DataFrame, tree: Tree) -> np.ndarray:
    absent = [str(c) for c in table.columns if c not in tree.tips]
    if absent:
        raise DataError(
            "taxa are not in the tree", where=", ".join(absent[:5]), got=f"{len(absent)} of {table.shape[1]}"
        )
    nodes = np.array([tree.tips[c] for c in table.columns], dtype=np.int64)
    return branch_totals(values, nodes, tree.parent)


def _counts(values: np.ndarray) -> np.ndarray:
    """Whole numbers as the smallest type that holds every sample's total."""
    most = values.sum(axis=1).max(initial=0.0)
    kind = next((k for k in (np.uint16, np.uint32) if most <= np.iinfo(k).max), np.float64)
    counts = values.astype(kind)
    return counts if (counts == values).all() else values


def _differences(values: np.ndarray, over: Literal["one", "totals", "union"]) -> np.ndarray:
    """Sum of the differences of every pair of rows: as it is, over both totals, or over what either row has.

    In place, some rows at a time: fresh memory of the size of the result costs as much as the sums.
    """
    out = overlaps(values)
    own = out.diagonal().copy()
    step = max(1, _AT_HAND // max(len(out), 1))
    for begin in range(0, len(out), step):
        part, both = out[begin : begin + step], own[begin : begin + step, None] + own
        part *= -2
        part += both
        if over == "union":
            both += part
            part *= 2
        if over != "one":
            np.divide(part, both, out=part, where=both > 0)  # 0 where there is nothing to share
    return out


def _square(distance: np.ndarray, table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(distance, index=table.index, columns=table.index)
