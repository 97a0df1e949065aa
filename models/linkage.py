"""Record linkage: the same patient in two tables, told by values that agree more often than chance lets them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile
from typing import Self

import numpy as np
import pandas as pd

#: Expected number of pairs of different patients that are taken for one.
_FALSE = 1e-3
#: How often two records of one patient agree in a value that both have.
_AGREE = 0.95
#: A value is telling where at most this share of different patients agree in it; so many of them are wanted.
_RARE, _TELLING = 0.1, 3
#: What most share tells nobody from anybody; of many namesakes at once it may, unless nearly all share it.
_COMMON, _SHARED_BY_ALL = 0.5, 0.9
#: How often two tables of other patients are taken for one where their ids agree; and the fewest ids that are judged.
_FALSE_TABLES, _NAMESAKES = 1e-5, 3


@dataclass(frozen=True)
class Records:
    """Facts of patients, and how often two different patients agree in each.

    Attributes
    ----------
    ids : ndarray of str
        Ids, in lower case and without signs.
    cores : ndarray of str
        What is left of them without the words at their ends that all share, and without leading zeros.
    values : dict of str to ndarray of float64
        Fact to a number per patient; words stand as numbers of their own, NaN is not known.
    chance : dict of str to float
        Fact to the share of pairs that agree; a pair more than was seen, so that it is never 0.

    Examples
    --------
    >>> Records.of(pd.DataFrame({"sex": ["F", "M", None]}, index=["P-1", "P-2", "P-3"])).ids.tolist()
    ['p1', 'p2', 'p3']
    """

    ids: np.ndarray
    cores: np.ndarray
    values: dict[str, np.ndarray]
    chance: dict[str, float]

    @classmethod
    def of(cls, facts: pd.DataFrame) -> Self:
        """Read a table.

        Parameters
        ----------
        facts : DataFrame, indexed by patient id
            A column per fact, numbers or words.

        Returns
        -------
        Records
            Of the facts that not nearly all pairs share.

        Examples
        --------
        >>> Records.of(pd.DataFrame({"age": [61.0, 62.0, 61.0], "drug": "a"})).chance
        {'age': 0.5}
        """
        values, chance = {}, {}
        for name, cells in facts.items():
            column = _numbers(cells)
            counts = np.unique(column[~np.isnan(column)], return_counts=True)[1]
            n = counts.sum()
            share = float((1 + (counts * (counts - 1)).sum() / 2) / (1 + n * (n - 1) / 2))
            if share <= _SHARED_BY_ALL:
                values[str(name)], chance[str(name)] = column, share
        ids = facts.index.astype(str).str.lower().str.replace(r"[^a-z0-9]", "", regex=True)
        return cls(ids.to_numpy(dtype=object), _cores(facts.index), values, chance)

    def __len__(self) -> int:
        return len(self.ids)


def linked(a: Records, b: Records, ids: bool = False) -> int:
    """Count the patients of one table who are in the other, under whatever name.

    Fellegi and Sunter's weights (10.1080/01621459.1969.10501049): a value that agrees speaks for one patient by the
    logarithm of how rarely two patients of one table agree in it, one that does not speaks against. Pairs are linked
    that look more alike than any two different patients would in 999 of 1,000 such tables.

    Parameters
    ----------
    a, b : Records
        Facts; those that both have are compared, and a missing value says nothing. Of one table, given twice, nobody is
        linked to themselves.
    ids : bool, default False
        Whether an id that agrees is a fact too; one that does not says nothing, and one alone is never enough: most
        studies call their first patient 1.

    Returns
    -------
    int
        Patients of `a` who are linked to one of `b`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> a = pd.DataFrame(rng.normal(size=(50, 4)).round(2), columns=list("wxyz"))
    >>> b = pd.DataFrame(rng.normal(size=(40, 4)).round(2), columns=list("wxyz"))
    >>> [linked(Records.of(a), Records.of(t)) for t in (b, pd.concat([b, a.iloc[[3]]]))]
    [0, 1]
    """
    chance = {f: max(p, b.chance[f]) for f, p in a.chance.items() if f in b.chance}
    chance = {f: p for f, p in chance.items() if p <= _COMMON}
    telling = np.zeros((len(a), len(b)), dtype=np.int8)
    for fact, p in chance.items():
        if p <= _RARE:
            telling += a.values[fact][:, None] == b.values[fact]
    same = a.ids[:, None] == b.ids if ids else np.zeros(telling.shape, dtype=bool)
    if a is b:
        np.fill_diagonal(telling, 0)
        np.fill_diagonal(same, False)
    left, right = np.nonzero(telling + same >= _TELLING)
    weight = np.where(same[left, right], np.log(_AGREE * max(len(a), len(b), 1)), 0.0)
    for fact, p in chance.items():
        one, other = a.values[fact][left], b.values[fact][right]
        known = ~(np.isnan(one) | np.isnan(other))
        weight += np.where(one == other, np.log(_AGREE / p), np.where(known, np.log((1 - _AGREE) / (1 - p)), 0.0))
    return len(np.unique(left[weight > np.log(max(telling.size, 1) / _FALSE)]))


def namesakes(a: Records, b: Records) -> int:
    """Count the patients of one table whose ids are in the other too, if taken together they are the same people.

    One id that agrees says little, and one sex or response less. All of them at once do: of other patients who happen
    to have the same numbers about half would differ in such a fact. Ids count as the same that differ in case, signs,
    leading zeros, or in words at their ends that all ids of a table share.

    Parameters
    ----------
    a, b : Records
        Facts; those that both have are compared, and a missing value says nothing.

    Returns
    -------
    int
        Patients of `a`; 0 where their facts do not agree, or are not known, and of one table that is given twice.

    Examples
    --------
    >>> sex = list("FMMFMFFMMFFFMMFMMFFF")
    >>> a = pd.DataFrame({"sex": sex}, index=[f"Pat{i:02}" for i in range(20)])
    >>> b = a.set_axis([f"SITE-PT{i}-pre" for i in range(20)])
    >>> [namesakes(Records.of(a), Records.of(t)) for t in (b, b.assign(sex=sex[::-1]))]
    [20, 0]
    """
    if a is b:
        return 0
    best = 0
    for one, other in ((a.ids, b.ids), (a.cores, b.cores)):
        unique = len(set(one)) == len(one) and len(set(other)) == len(other)
        _, left, right = np.intersect1d(one.astype(str), other.astype(str), return_indices=True)
        if unique and len(left) >= _NAMESAKES:
            weight = 0.0
            for fact in a.chance.keys() & b.chance.keys():
                p, x, y = max(a.chance[fact], b.chance[fact]), a.values[fact][left], b.values[fact][right]
                agree, known = int((x == y).sum()), int((~(np.isnan(x) | np.isnan(y))).sum())
                weight += agree * np.log(_AGREE / p) + (known - agree) * np.log((1 - _AGREE) / (1 - p))
            best = max(best, len(left) if weight > -np.log(_FALSE_TABLES) else 0)
    return best


def _cores(index: pd.Index) -> np.ndarray:
    words = [re.findall(r"[a-z0-9]+", str(i).lower()) or [""] for i in index]
    if not words:
        return np.array([], dtype=object)
    for end in (0, -1):
        while len(words) > 1 and min(map(len, words)) > 1 and len({w[end] for w in words}) == 1:
            words = [w[1:] if end == 0 else w[:-1] for w in words]
    joined = ["".join(w) for w in words]
    # what the first and the last in order begin with, all begin with
    shared = takewhile(
        lambda pair: pair[0] == pair[1] and pair[0].isalpha(), zip(min(joined), max(joined), strict=False)
    )
    begins = len(list(shared)) if len(joined) > 1 else 0
    return np.array([re.sub(r"(?<!\d)0+(?=\d)", "", j[begins:]) for j in joined], dtype=object)


def _numbers(cells: pd.Series) -> np.ndarray:
    numbers = pd.to_numeric(cells, errors="coerce")
    if numbers.notna().sum() == cells.notna().sum():
        return numbers.to_numpy(dtype=np.float64)
    words = cells.astype(str).str.strip().str.lower().to_numpy(dtype=object)
    return np.where(cells.isna(), np.nan, pd.util.hash_array(words).astype(np.float64))
