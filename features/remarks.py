"""What a reader should know of each patient: kept once for all whom it concerns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

#: Beyond this, combinations of notes are counted anew.
_MANY = 2**40


class Remarks(Mapping[str, list[str]]):
    """Lines per patient id, in the order in which they were added; a patient without any is not in it.

    Parameters
    ----------
    ids : Index of str
        The patients.

    Examples
    --------
    >>> notes = Remarks(pd.Index(["a", "b"]))
    >>> notes.add(np.array([True, False]), "the stage is not known")
    >>> dict(notes)
    {'a': ['the stage is not known']}
    """

    def __init__(self, ids: pd.Index) -> None:
        self._ids = ids
        # of each patient which lines of one layer, or -1
        self._layers: list[tuple[np.ndarray, tuple[tuple[str, ...], ...]]] = []

    def add(self, rows: np.ndarray, line: str) -> None:
        """Say one thing of some patients.

        Parameters
        ----------
        rows : ndarray of bool, shape (n_patients,)
            Whom it concerns.
        line : str
            What is said.

        Examples
        --------
        >>> notes = Remarks(pd.Index(["a"]))
        >>> notes.add(np.array([False]), "nothing")
        >>> len(notes)
        0
        """
        if rows.any():
            self._layers.append((np.where(rows, 0, -1), ((line,),)))

    def add_each(self, rows: np.ndarray, lines: Sequence[str]) -> None:
        """Say of some patients what is written for each.

        Parameters
        ----------
        rows : ndarray of int
            Their positions.
        lines : sequence of str
            One for each of them.

        Examples
        --------
        >>> notes = Remarks(pd.Index(["a", "b"]))
        >>> notes.add_each(np.array([1]), ["of b"])
        >>> notes["b"]
        ['of b']
        """
        if len(rows):
            which = {line: k for k, line in enumerate(dict.fromkeys(lines))}
            codes = np.full(len(self._ids), -1)
            codes[rows] = [which[line] for line in lines]
            self._layers.append((codes, tuple((line,) for line in which)))

    def extend(self, more: Mapping[str, Sequence[str]]) -> None:
        """Say after this what another account says.

        Parameters
        ----------
        more : Remarks or mapping of str to sequence of str
            Lines per patient id; of the same patients.

        Examples
        --------
        >>> notes = Remarks(pd.Index(["a"]))
        >>> notes.extend({"a": ["one", "two"]})
        >>> notes["a"]
        ['one', 'two']
        """
        if isinstance(more, Remarks) and more._ids.equals(self._ids):
            self._layers += more._layers
        elif more:
            said = [tuple(lines) for lines in more.values()]
            which = {lines: k for k, lines in enumerate(dict.fromkeys(said))}
            codes = np.full(len(self._ids), -1)
            codes[self._ids.get_indexer(pd.Index(list(more), dtype=object))] = [which[lines] for lines in said]
            self._layers.append((codes, tuple(which)))

    def grouped(self) -> tuple[np.ndarray, list[tuple[str, ...]]]:
        """Find the patients of whom the same is said.

        Returns
        -------
        codes : ndarray of int, shape (n_patients,)
            Which of the lines.
        lines : list of tuple of str
            Each combination that occurs.

        Examples
        --------
        >>> notes = Remarks(pd.Index(["a", "b"]))
        >>> notes.add(np.array([True, True]), "of both")
        >>> notes.grouped()[1]
        [('of both',)]
        """
        joint, size = np.zeros(len(self._ids), dtype=np.int64), 1
        for codes, lines in self._layers:
            if size * (len(lines) + 1) > _MANY:
                joint, kinds = pd.factorize(joint)
                size = len(kinds)
            joint, size = joint * (len(lines) + 1) + codes + 1, size * (len(lines) + 1)
        joint, kinds = pd.factorize(joint)
        first = np.empty(len(kinds), dtype=np.intp)
        first[joint[::-1]] = np.arange(len(joint))[::-1]
        return joint, [self._of(row) for row in first.tolist()]

    def take(self, rows: np.ndarray) -> Remarks:
        """Keep some patients.

        Parameters
        ----------
        rows : ndarray of int or bool
            Which.

        Returns
        -------
        Remarks
            Of these.

        Examples
        --------
        >>> notes = Remarks(pd.Index(["a", "b"]))
        >>> notes.add(np.array([True, True]), "of both")
        >>> list(notes.take(np.array([1])))
        ['b']
        """
        part = Remarks(self._ids[rows])
        part._layers = [(codes[rows], lines) for codes, lines in self._layers]
        return part

    def __getitem__(self, patient: str) -> list[str]:
        lines = self._of(int(self._ids.get_loc(patient)))
        if not lines:
            raise KeyError(patient)
        return list(lines)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids[self.concerned])

    def __len__(self) -> int:
        return int(self.concerned.sum())

    def __repr__(self) -> str:
        return repr(dict(self))

    def _of(self, row: int) -> tuple[str, ...]:
        return tuple(line for codes, lines in self._layers if codes[row] >= 0 for line in lines[codes[row]])

    @property
    def concerned(self) -> np.ndarray:
        """Say of whom anything is said.

        Returns
        -------
        ndarray of bool, shape (n_patients,)
            True where there is a line.

        Examples
        --------
        >>> Remarks(pd.Index(["a"])).concerned.tolist()
        [False]
        """
        some = np.zeros(len(self._ids), dtype=bool)
        for codes, _ in self._layers:
            some |= codes >= 0
        return some


def together(ids: pd.Index, parts: Iterable[Mapping[str, Sequence[str]]]) -> Remarks:
    """Put several accounts of the same patients together.

    Parameters
    ----------
    ids : Index of str
        The patients.
    parts : iterable of Remarks or mapping of str to sequence of str
        Accounts, in the order in which they are told.

    Returns
    -------
    Remarks
        All of them.

    Examples
    --------
    >>> together(pd.Index(["a"]), [{"a": ["one"]}, {"a": ["two"]}])["a"]
    ['one', 'two']
    """
    notes = Remarks(ids)
    for part in parts:
        notes.extend(part)
    return notes
