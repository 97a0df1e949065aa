"""Positivity: edges of a feature beyond which nobody got a therapy, which a smooth propensity does not see."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from itertools import product
from typing import Any, Self

import numpy as np

#: Chance that any edge is found, in all features and therapies together, where patients are treated at random.
_CHANCE = 0.01
#: An edge is said of this many patients or more, and a value that this many share is nobody's own.
_FEWEST = 5
#: Edges are rounded outward to a power of ten at most this many standard deviations apart.
_FINE = 0.01
#: Logarithms of nothing are avoided by this.
_LEAST_CHANCE = 1e-15


@dataclass(frozen=True)
class Edge:
    """A value of a feature beyond which nobody got a therapy.

    Attributes
    ----------
    therapy, feature : int
        Positions.
    above : bool
        Whether it is the values above the edge that did not get it, or those below.
    value : float
        In the unit of the feature; rounded, unless five patients or more share it.
    patients : int
        Training patients beyond it.

    Examples
    --------
    >>> Edge(0, 1, True, 3.2, 84).reason(["age", "crp"])
    'nobody with crp above 3.2 got it, of 84 such patients'
    """

    therapy: int
    feature: int
    above: bool
    value: float
    patients: int

    def reason(self, names: Sequence[str]) -> str:
        """Say it.

        Parameters
        ----------
        names : sequence of str
            Of the features.

        Returns
        -------
        str
            A plain sentence.

        Examples
        --------
        >>> Edge(0, 0, False, 18.0, 40).reason(["age"])
        'nobody with age below 18 got it, of 40 such patients'
        """
        side = "above" if self.above else "below"
        return f"nobody with {names[self.feature]} {side} {self.value:.6g} got it, of {self.patients} such patients"


@dataclass(frozen=True)
class Positivity:
    """Edges beyond which nobody got a therapy, the one with most patients beyond it first.

    Attributes
    ----------
    edges : tuple of Edge
        None, for a trial: the draw reaches everyone.

    Examples
    --------
    >>> one = Positivity((Edge(1, 0, True, 3.2, 84),))
    >>> one.which(np.array([[3.0], [3.3], [np.nan]]), 2).tolist()
    [[-1, -1], [-1, 0], [-1, -1]]
    """

    edges: tuple[Edge, ...] = ()

    @classmethod
    def of(cls, X: np.ndarray, arm: np.ndarray, therapies: int) -> Self:
        """Learn from the training patients.

        An edge of a therapy with the share s is one with m patients beyond it, none of whom got the therapy, though
        ``(1 - s)^m < .01 / (2 p k)``, which bounds the chance that the m greatest of values that do not matter are all
        of others. Where treatment is at random at most 1% of cohorts have any edge. A range between treated
        patients that nobody got the therapy in is not looked for.

        Parameters
        ----------
        X : ndarray of float64, shape (n, p)
            Native units; who has NaN is beyond no edge, and does not count.
        arm : ndarray of int, shape (n,)
            Therapy of each, 0 to k - 1.
        therapies : int
            k.

        Returns
        -------
        Positivity
            The same in any order of the patients.

        Examples
        --------
        >>> crp, arm = np.arange(100.0)[:, None], np.arange(100) % 2
        >>> arm[60:] = 0
        >>> Positivity.of(crp, arm, 2).edges
        (Edge(therapy=1, feature=0, above=True, value=59.1, patients=40),)
        """
        known = ~np.isnan(X)
        low, high = np.where(known, X, np.inf).min(axis=0), np.where(known, X, -np.inf).max(axis=0)
        level = _CHANCE / (2.0 * max(int((low < high).sum()), 1) * therapies)
        found = []
        for k, above in product(range(therapies), (False, True)):
            mine, side = (arm == k)[:, None] & known, X if above else -X
            last = np.where(mine, side, -np.inf).max(axis=0)
            others = 1.0 - mine.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
            least = np.maximum(_FEWEST, np.log(level) / np.log(np.clip(others, _LEAST_CHANCE, 1.0 - _LEAST_CHANCE)))
            for j in np.flatnonzero(mine.any(axis=0) & ((side > last).sum(axis=0) >= least)):
                values = np.sort(side[known[:, j], j])
                edge = _rounded(float(last[j]), values)
                beyond = int((values > edge).sum())
                if beyond >= least[j]:
                    found.append(Edge(k, int(j), above, edge if above else -edge, beyond))
        return cls(tuple(sorted(found, key=lambda e: (-e.patients, e.therapy, e.feature))))

    def which(self, X: np.ndarray, therapies: int) -> np.ndarray:
        """Find the edge that each patient is beyond.

        Parameters
        ----------
        X : ndarray of float64, shape (n, p)
            Native units, NaN where not known.
        therapies : int
            k.

        Returns
        -------
        ndarray of int, shape (n, k)
            Position in `edges` of the first; -1 for none.

        Examples
        --------
        >>> Positivity().which(np.zeros((2, 3)), 1).tolist()
        [[-1], [-1]]
        """
        found = np.full((len(X), therapies), -1)
        for i in reversed(range(len(self.edges))):
            e = self.edges[i]
            values = X[:, e.feature]
            found[values > e.value if e.above else values < e.value, e.therapy] = i
        return found

    def reasons(self, X: np.ndarray, therapies: int, names: Sequence[str]) -> np.ndarray:
        """Say why each therapy is out of reach.

        Parameters
        ----------
        X : ndarray of float64, shape (n, p)
            Native units, NaN where not known.
        therapies : int
            k.
        names : sequence of str, length p
            Of the features.

        Returns
        -------
        ndarray of str, shape (n, k)
            Empty where it is not.

        Examples
        --------
        >>> Positivity((Edge(0, 0, True, 3.2, 84),)).reasons(np.array([[3.0], [4.0]]), 1, ["crp"]).tolist()
        [[''], ['nobody with crp above 3.2 got it, of 84 such patients']]
        """
        # -1 is the last
        return np.array([*(e.reason(names) for e in self.edges), ""], dtype=object)[self.which(X, therapies)]

    def state(self) -> list[list[Any]]:
        """Return the edges, JSON-ready.

        Returns
        -------
        list of list
            Therapy, feature, whether above, value and patients of each.

        Examples
        --------
        >>> Positivity((Edge(0, 0, True, 3.2, 84),)).state()
        [[0, 0, True, 3.2, 84]]
        """
        return [[e.therapy, e.feature, e.above, e.value, e.patients] for e in self.edges]

    @classmethod
    def from_state(cls, state: Iterable[Sequence[Any]]) -> Self:
        """Rebuild from `state`.

        Parameters
        ----------
        state : iterable of sequence
            From `state`.

        Returns
        -------
        Positivity
            The same numbers, to the bit.

        Examples
        --------
        >>> Positivity.from_state([[0, 0, True, 3.2, 84]]).edges[0].value
        3.2
        """
        return cls(tuple(Edge(int(k), int(j), bool(a), float(v), int(m)) for k, j, a, v, m in state))


def _rounded(last: float, values: np.ndarray) -> float:
    """Round upward to a number that is nobody's own."""
    if (values == last).sum() >= _FEWEST:
        return last
    step = Decimal(1).scaleb(int(np.floor(np.log10(max(_FINE * values.std(), np.finfo(np.float64).tiny)))))
    for part in (step, step / 2, step / 4, step / 8):
        # counts lie on the steps themselves
        edge = float(((Decimal(last) / part).to_integral_value(ROUND_FLOOR) + 1) * part)
        if edge not in values:
            break
    return edge
