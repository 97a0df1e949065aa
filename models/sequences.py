"""Which tests in which order: the set of tests that most often settles a patient, in the order that costs least.

Testing stops as soon as the patient is settled, so what a sequence is expected to cost depends on its order. Up to six
tests every set and every order is looked at; up to ten every set of six or fewer, so that more budget never reaches
less. Of still more, the test that adds most per cost is taken next, and more budget may then do worse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, combinations, permutations

import numpy as np

from theracast.errors import UsageError

#: Up to as many tests every order is looked at.
EXACT = 6
#: Up to as many every set of `EXACT` or fewer.
SEARCHED = 10
#: Less than one draw in ten thousand: not a difference.
_SAME = 1e-9

Settled = Callable[[tuple[str, ...]], np.ndarray]


@dataclass(frozen=True)
class Plan:
    """The tests of one patient in order; each is done only while those before have not settled it.

    Attributes
    ----------
    tests : tuple of str
        In order; empty when none would help, or the patient is settled already.
    reached : tuple of float
        By each test, the share of draws that are settled then, in [0, 1].
    expected_cost : float
        In the unit of the costs.
    expected_tests : float
        How many are done on average.
    exact : bool
        Whether every set and order was looked at.

    Examples
    --------
    >>> Plan(("a",), (0.5,), 10.0, 1.0, True).tests
    ('a',)
    """

    tests: tuple[str, ...]
    reached: tuple[float, ...]
    expected_cost: float
    expected_tests: float
    exact: bool


def best_sequences(settled: Settled, costs: Mapping[str, float], budget: float | None = None) -> list[Plan]:
    """Find the best sequence within a budget, for each of several patients.

    Parameters
    ----------
    settled : callable
        Takes a set of tests, in the order of `costs`; gives whether each patient is settled with them in each draw,
        an ndarray of bool, shape (n_patients, n_draws).
    costs : mapping of str to float
        Of each test, above 0, in one unit.
    budget : float, optional
        What all tests together may cost; no limit by default.

    Returns
    -------
    list of Plan
        Of the sets within the budget the one that settles the patient in most draws, or the cheapest of several; of
        its orders the one of least expected cost, or the first in the order of `costs`.

    Raises
    ------
    UsageError
        When a cost is not above 0.

    Examples
    --------
    >>> draws = {(): [False, False], ("a",): [True, False], ("b",): [False, False], ("a", "b"): [True, True]}
    >>> (one,) = best_sequences(lambda tests: np.array([draws[tests]]), {"a": 1.0, "b": 1.0})
    >>> one.tests, one.reached, one.expected_tests
    (('a', 'b'), (0.5, 1.0), 1.5)
    """
    if not all(c > 0 for c in costs.values()):
        raise UsageError("a test costs nothing, so nothing could be weighed against it", wanted="a cost above 0")
    look = _remembered(settled, costs)
    exact, searched = len(costs) <= EXACT, len(costs) <= SEARCHED
    chosen = _sets(look, costs, budget) if searched else _greedy(look, costs, budget)
    out: list[Plan | None] = [None] * len(look(()))
    for tests in dict.fromkeys(chosen):
        rows = np.array([k for k, c in enumerate(chosen) if c == tests])
        orders = list(permutations(tests)) if searched else [tests]
        walks = [_walk(look, order, costs, rows) for order in orders]
        best = np.argmin([np.round(spent, 9) for _, spent, _ in walks], axis=0)
        for place, row in enumerate(rows):
            reached, spent, done = walks[best[place]]
            out[row] = Plan(
                orders[best[place]], tuple(reached[:, place].tolist()), float(spent[place]), float(done[place]), exact
            )
    return [s for s in out if s is not None]


def _remembered(settled: Settled, costs: Mapping[str, float]) -> Settled:
    """Ask for each set once, whatever its order."""
    known: dict[tuple[str, ...], np.ndarray] = {}

    def look(tests: tuple[str, ...]) -> np.ndarray:
        in_order = tuple(t for t in costs if t in tests)
        if in_order not in known:
            known[in_order] = np.asarray(settled(in_order))
        return known[in_order]

    return look


def _sets(look: Settled, costs: Mapping[str, float], budget: float | None) -> list[tuple[str, ...]]:
    """Choose the set of each patient among all within the budget."""
    within = sorted(_within(costs, budget), key=lambda a: (sum(costs[t] for t in a), len(a)))
    reached = np.array([look(a).mean(axis=1) for a in within])
    # the first of those that are as good as the best: they stand by cost
    first = (reached >= reached.max(axis=0) - _SAME).argmax(axis=0)
    return [within[k] for k in first]


def _within(costs: Mapping[str, float], budget: float | None) -> Iterator[tuple[str, ...]]:
    every = chain.from_iterable(combinations(costs, k) for k in range(min(len(costs), EXACT) + 1))
    return (a for a in every if budget is None or sum(costs[t] for t in a) <= budget + _SAME)


def _greedy(look: Settled, costs: Mapping[str, float], budget: float | None) -> list[tuple[str, ...]]:
    """Take what adds most per cost, until nothing adds or can be afforded."""
    chosen: list[tuple[str, ...]] = [()] * len(look(()))
    for row in range(len(chosen)):
        while True:
            now, spent = float(look(chosen[row])[row].mean()), sum(costs[t] for t in chosen[row])
            left = [t for t in costs if t not in chosen[row] and (budget is None or spent + costs[t] <= budget + _SAME)]
            gains = [(float(look((*chosen[row], t))[row].mean()) - now) / costs[t] for t in left]
            if not gains or max(gains) <= _SAME:
                break
            chosen[row] = (*chosen[row], left[int(np.argmax(gains))])
    return chosen


def _walk(
    look: Settled, order: tuple[str, ...], costs: Mapping[str, float], rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Do the tests in order while a draw is not settled: the share settled by each, what is spent, how many done."""
    open_still = ~look(())[rows]
    spent, done = np.zeros(len(rows)), np.zeros(len(rows))
    reached = np.empty((len(order), len(rows)))
    for k, test in enumerate(order):
        share = open_still.mean(axis=1)
        spent += costs[test] * share
        done += share
        open_still &= ~look(order[: k + 1])[rows]
        reached[k] = 1.0 - open_still.mean(axis=1)
    return reached, spent, done
