"""Columns of text in which each different one is kept, and read, a single time."""

from __future__ import annotations

import re
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa


@dataclass(frozen=True, eq=False)
class Texts:
    """The text of every cell of a column, as a number that says which.

    Attributes
    ----------
    codes : ndarray of intp, shape (n,)
        Position of the text of each cell among `cells`.
    cells : tuple of str
        The texts; the empty string where a cell is empty. One may stand there twice.

    Examples
    --------
    >>> Texts.of(pd.Series(["M ", None, "M "])).map(str.strip).tolist()
    ['M', '', 'M']
    """

    codes: np.ndarray
    cells: tuple[str, ...]

    @classmethod
    def of(cls, values: pd.Series) -> Texts:
        """Read a column.

        Parameters
        ----------
        values : Series of shape (n,)
            Any cells; an empty one is read as the empty string.

        Returns
        -------
        Texts
            In the order of the column.

        Examples
        --------
        >>> Texts.of(pd.Series([1, "1", 1.0, True], dtype=object)).tolist()
        ['1', '1', '1.0', 'True']
        """
        # 1, 1.0 and True are one key, and three texts
        if values.dtype == object and pd.api.types.infer_dtype(values.to_numpy(), skipna=True) != "string":
            values = values.map(str, na_action="ignore")
        codes, cells = pd.factorize(values)
        return cls(codes + 1, ("", *map(str, cells.tolist())))  # -1, no cell, is the first

    @classmethod
    def nothing(cls, n: int) -> Texts:
        """Stand for a column that is not there.

        Parameters
        ----------
        n : int
            Rows.

        Returns
        -------
        Texts
            Empty cells.

        Examples
        --------
        >>> Texts.nothing(2).tolist()
        ['', '']
        """
        return cls(np.zeros(n, dtype=np.intp), ("",))

    def __len__(self) -> int:
        return len(self.codes)

    def read(self, rule: Callable[[str], Any], kind: Any = object) -> np.ndarray:
        """Read every cell, each different one a single time.

        Parameters
        ----------
        rule : callable
            Of the text of a cell.
        kind : dtype, default object
            Of what it gives.

        Returns
        -------
        ndarray of shape (n,)
            What was read.

        Examples
        --------
        >>> Texts.of(pd.Series(["ab", None])).read(len, int).tolist()
        [2, 0]
        """
        found = np.empty(len(self.cells), dtype=kind)
        found[:] = [rule(c) for c in self.cells]
        return found[self.codes]

    def map(self, rule: Callable[[str], str]) -> Texts:
        """Put another text in the place of each.

        Parameters
        ----------
        rule : callable
            Of the text of a cell.

        Returns
        -------
        Texts
            Of the same cells.

        Examples
        --------
        >>> Texts.of(pd.Series(["A", "b"])).map(str.lower).tolist()
        ['a', 'b']
        """
        return Texts(self.codes, tuple(rule(c) for c in self.cells))

    def isin(self, words: Container[str]) -> np.ndarray:
        """Say which cells hold one of some words.

        Parameters
        ----------
        words : container of str
            The words.

        Returns
        -------
        ndarray of bool, shape (n,)
            One per cell.

        Examples
        --------
        >>> Texts.of(pd.Series(["a", None])).isin({"a"}).tolist()
        [True, False]
        """
        return self.read(lambda c: c in words, bool)

    def matches(self, pattern: str) -> np.ndarray:
        """Say in which cells a pattern is found.

        Parameters
        ----------
        pattern : str
            A regular expression.

        Returns
        -------
        ndarray of bool, shape (n,)
            One per cell.

        Examples
        --------
        >>> Texts.of(pd.Series(["pd-1", None])).matches("pd-?1").tolist()
        [True, False]
        """
        found = re.compile(pattern)
        return self.read(lambda c: found.search(c) is not None, bool)

    def take(self, rows: np.ndarray) -> Texts:
        """Keep some rows.

        Parameters
        ----------
        rows : ndarray of int or bool
            Which.

        Returns
        -------
        Texts
            Of these cells.

        Examples
        --------
        >>> Texts.of(pd.Series(["a", "b"])).take(np.array([1])).tolist()
        ['b']
        """
        return Texts(self.codes[rows], self.cells)

    def series(self, index: pd.Index) -> pd.Series:
        """Write the cells out as a column of text; no object is made for any cell.

        Parameters
        ----------
        index : Index of length n
            Of the column.

        Returns
        -------
        Series of str
            As pandas would make it of a list.

        Examples
        --------
        >>> Texts.of(pd.Series(["a", "b"])).series(pd.Index([7, 8])).dtype
        <StringDtype(na_value=nan)>
        """
        cells = pa.array(self.cells, pa.large_string()).take(pa.array(self.codes))
        return cells.to_pandas().set_axis(index)

    def tolist(self) -> list[str]:
        """Write the cells out.

        Returns
        -------
        list of str
            One per cell.

        Examples
        --------
        >>> Texts.nothing(1).tolist()
        ['']
        """
        return [self.cells[k] for k in self.codes]
