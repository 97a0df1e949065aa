"""Gene sets as the kernels read them: which columns belong to which set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain, count
from typing import NamedTuple

import numpy as np
import pandas as pd

from theracast.errors import DataError, UsageError

Sets = Mapping[str, Iterable[str]]


class Layout(NamedTuple):
    """Sets of columns, one after another.

    Attributes
    ----------
    names : list of str
        Of the sets.
    members : ndarray of int64, shape (sum of set sizes,)
        Column of each gene, each once in its set; -1 for a gene without a column.
    offsets : ndarray of int64, shape (n_sets + 1,)
        Set ``s`` holds ``members[offsets[s]:offsets[s + 1]]``.
    thin : ndarray of bool, shape (n_sets,)
        Whether too few of a set's genes have a column.
    coverage : dict of str to float
        Share of each set's genes that have a column, in [0, 1].

    Examples
    --------
    >>> lay_out(pd.Index(["A", "B"]), {"s": ["B", "Z"]}, 1).members.tolist()
    [1, -1]
    """

    names: list[str]
    members: np.ndarray
    offsets: np.ndarray
    thin: np.ndarray
    coverage: dict[str, float]

    def frame(self, values: np.ndarray, patients: pd.Index) -> pd.DataFrame:
        """Name scores; those of thin sets become NaN.

        Parameters
        ----------
        values : ndarray of float64, shape (n_patients, n_sets)
            Scores; changed in place.
        patients : Index
            Their ids.

        Returns
        -------
        DataFrame of shape (n_patients, n_sets)
            With ``attrs["coverage"]``.

        Examples
        --------
        >>> layout = lay_out(pd.Index(["A", "B"]), {"s": ["A", "B"]}, 1)
        >>> layout.frame(np.array([[0.5]]), pd.Index(["p1"])).loc["p1", "s"].item()
        0.5
        """
        values[:, self.thin] = np.nan
        out = pd.DataFrame(values, index=patients, columns=self.names)
        out.attrs["coverage"] = self.coverage
        return out


def lay_out(columns: pd.Index, sets: Sets, min_size: int) -> Layout:
    """Find the genes of sets among the columns of a table.

    Parameters
    ----------
    columns : Index of str
        Genes of the table, each once.
    sets : mapping of str to iterable of str
        Genes of each set; one that is named twice counts once.
    min_size : int
        Least number of a set's genes that must have a column.

    Returns
    -------
    Layout
        As the kernels read it.

    Raises
    ------
    UsageError
        No set, a set that is one text, or a `min_size` below 1.
    DataError
        THX-D08 where no set has enough genes.

    Examples
    --------
    >>> layout = lay_out(pd.Index(["A", "B", "C"]), {"s": ["C", "A", "C"], "t": ["Z"]}, 2)
    >>> layout.members.tolist(), layout.offsets.tolist(), layout.thin.tolist()
    ([2, 0, -1], [0, 2, 3], [False, True])
    """
    lists = {name: genes_of(name, genes) for name, genes in sets.items()}
    if not lists or min_size < 1:
        got = "no set" if not lists else f"min_size={min_size}"
        raise UsageError("nothing to score", got=got, wanted="at least one set and one gene", fix="Name sets of genes.")
    members, offsets = _members(columns, list(lists.values()))
    found = np.diff(np.append(0, np.cumsum(members >= 0))[offsets])
    coverage = dict(zip(lists, (found / np.maximum(np.diff(offsets), 1)).tolist(), strict=True))
    if (found < min_size).all():
        raise DataError(
            "no gene set can be scored",
            code="THX-D08",
            where="expression",
            got=f"at most {found.max()} genes of a set among {len(columns)} usable columns",
            wanted=f"{min_size} genes of a set or more",
            fix="Check that genes are in columns and spelt as in the sets, or lower min_size.",
        )
    return Layout(list(lists), members, offsets, found < min_size, coverage)


def genes_of(name: str, genes: Iterable[str]) -> list[str]:
    """List the genes of a set; one text is no list.

    Parameters
    ----------
    name : str
        Of the set, for the message.
    genes : iterable of str
        Its genes.

    Returns
    -------
    list of str
        As given.

    Raises
    ------
    UsageError
        The genes are one text.

    Examples
    --------
    >>> genes_of("s", ("A", "B"))
    ['A', 'B']
    """
    if isinstance(genes, str):
        raise UsageError(
            f"set '{name}' is one text", got="str", wanted="several genes", fix="Give a list of genes: split the text."
        )
    return genes if isinstance(genes, list) else list(genes)


def _members(columns: pd.Index, lists: list[list[str]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the column of each gene of each set, and where each set begins."""
    place = dict(zip(columns.tolist(), range(len(columns)), strict=True))
    sizes = np.array([len(genes) for genes in lists])
    total = int(sizes.sum())
    # genes without a column get numbers behind the last one, so that numbers say which genes are the same
    numbered = map(place.setdefault, chain.from_iterable(lists), count(len(columns)))
    numbers = np.fromiter(numbered, np.int64, count=total)
    keys = np.repeat(np.arange(len(lists)) * (len(columns) + total), sizes) + numbers
    ordered = np.sort(keys)
    if (ordered[1:] == ordered[:-1]).any():
        kept = np.sort(np.unique(keys, return_index=True)[1])
        sizes = np.bincount(np.repeat(np.arange(len(lists)), sizes)[kept], minlength=len(lists))
        numbers = numbers[kept]
    return np.where(numbers < len(columns), numbers, -1), np.append(0, np.cumsum(sizes)).astype(np.int64)
