"""The best order of tests: against a slow look at every order, and cases whose answer is known."""

from itertools import chain, combinations, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theracast.errors import UsageError
from theracast.models.sequences import EXACT, SEARCHED, best_sequences


def table(draws):
    return lambda tests: np.array([draws[tests]])


def slow(settled, costs, budget):
    """Every order of every set within the budget, one draw after the other."""
    best = None
    for subset in chain.from_iterable(combinations(costs, k) for k in range(len(costs) + 1)):
        if budget is not None and sum(costs[t] for t in subset) > budget:
            continue
        share = settled[subset].mean()
        for order in permutations(subset):
            spent = 0.0
            for draw in range(len(settled[()])):
                done = ()
                for test in order:
                    if settled[tuple(t for t in costs if t in done)][draw]:
                        break
                    spent += costs[test]
                    done = (*done, test)
            key = (-round(share, 9), round(sum(costs[t] for t in subset), 9), len(subset))
            spent = round(spent / len(settled[()]), 9)
            if best is None or (key, spent) < (best[0], best[1]):
                best = (key, spent, order)
    return best


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_it_is_what_a_slow_look_at_every_order_finds(data):
    names = "abcd"[: data.draw(st.integers(1, 4))]
    costs = {n: data.draw(st.sampled_from([1.0, 2.0, 5.0])) for n in names}
    budget = data.draw(st.sampled_from([None, 1.0, 4.0, 7.0]))
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    subsets = list(chain.from_iterable(combinations(names, k) for k in range(len(names) + 1)))
    settled = {s: rng.random(8) < 0.2 * len(s) for s in subsets}
    (found,) = best_sequences(lambda tests: settled[tests][None], costs, budget)
    key, spent, _ = slow(settled, costs, budget)
    assert settled[tuple(t for t in costs if t in found.tests)].mean() == pytest.approx(-key[0])
    assert found.expected_cost == pytest.approx(spent)
    assert sum(costs[t] for t in found.tests) == pytest.approx(key[1])
    assert found.exact


def test_the_likelier_of_two_equal_tests_comes_first_and_the_cheaper_of_two_alike():
    draws = {(): [0, 0, 0, 0], ("a",): [1, 0, 0, 0], ("b",): [1, 1, 1, 0], ("a", "b"): [1, 1, 1, 1]}
    draws = {k: np.array(v, dtype=bool) for k, v in draws.items()}
    (one,) = best_sequences(table(draws), {"a": 1.0, "b": 1.0})
    assert (one.tests, one.reached, one.expected_tests) == (("b", "a"), (0.75, 1.0), 1.25)
    draws = {(): [0, 0], ("a",): [1, 0], ("b",): [1, 0], ("a", "b"): [1, 0]}
    (one,) = best_sequences(table({k: np.array(v, dtype=bool) for k, v in draws.items()}), {"a": 9.0, "b": 1.0})
    assert one.tests == ("b",)


def test_who_is_settled_or_cannot_be_gets_no_test():
    draws = {(): [1, 1], ("a",): [1, 1]}
    assert best_sequences(table({k: np.array(v, dtype=bool) for k, v in draws.items()}), {"a": 1.0})[0].tests == ()
    draws = {(): [0, 0], ("a",): [0, 0]}
    (none,) = best_sequences(table({k: np.array(v, dtype=bool) for k, v in draws.items()}), {"a": 1.0})
    assert (none.tests, none.reached, none.expected_cost) == ((), (), 0.0)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_more_budget_never_reaches_less(data):
    names = "abcdefgh"[: data.draw(st.integers(2, 8))]
    costs = {n: data.draw(st.sampled_from([1.0, 2.0, 5.0])) for n in names}
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    needs = rng.random((8, len(names))) < 0.4  # a draw is settled once its tests are done, and some by nothing

    def settled(tests):
        done = np.array([n in tests for n in names])
        return (needs.any(axis=1) & ~(needs & ~done).any(axis=1))[None]

    reached = []
    for budget in (*np.arange(1.0, 20.0, 1.0), None):
        (plan,) = best_sequences(settled, costs, budget)
        assert budget is None or sum(costs[t] for t in plan.tests) <= budget
        assert plan.expected_cost <= sum(costs[t] for t in plan.tests) + 1e-9
        assert list(plan.reached) == sorted(plan.reached)
        reached.append(plan.reached[-1] if plan.tests else 0.0)
    assert reached == sorted(reached)


def test_of_seven_tests_the_dear_one_is_not_taken_before_two_cheap_ones():
    """Per cost the first test is the best, and leaves no money for the pair that would settle more."""
    names = [f"t{k}" for k in range(EXACT + 1)]
    found = {"t0": [0, 1, 2, 3, 4], "t1": [0, 1, 2], "t2": [5, 6, 7]}

    def settled(tests):
        return np.isin(np.arange(10), [d for t in tests for d in found.get(t, [])])[None]

    (plan,) = best_sequences(settled, {**dict.fromkeys(names, 9.0), "t0": 3.0, "t1": 2.0, "t2": 2.0}, 4.0)
    assert (plan.tests, plan.exact) == (("t1", "t2"), False)
    assert plan.reached == pytest.approx((0.3, 0.6))


def test_beyond_ten_tests_it_is_greedy_and_says_so():
    names = [f"t{k}" for k in range(SEARCHED + 1)]
    useful = {"t3": 0.5, "t5": 0.25}

    def settled(tests):
        share = sum(useful.get(t, 0.0) for t in tests)
        return np.arange(8)[None] < 8 * share

    (found,) = best_sequences(settled, dict.fromkeys(names, 1.0))
    assert (found.tests, found.exact) == (("t3", "t5"), False)
    (poor,) = best_sequences(settled, dict.fromkeys(names, 2.0), 3.0)
    assert poor.tests == ("t3",)
    (none,) = best_sequences(settled, dict.fromkeys(names, 2.0), 1.0)
    assert none.tests == ()


def test_each_patient_gets_a_plan_of_his_own_in_his_place():
    draws = {(): [[0], [0], [1]], ("a",): [[1], [0], [1]], ("b",): [[0], [1], [1]], ("a", "b"): [[1], [1], [1]]}
    found = best_sequences(lambda tests: np.array(draws[tests], dtype=bool), {"a": 1.0, "b": 1.0})
    assert [f.tests for f in found] == [("a",), ("b",), ()]


@pytest.mark.parametrize("cost", [0.0, -1.0, float("nan")])
def test_a_cost_that_is_none_is_refused(cost):
    with pytest.raises(UsageError, match="above 0"):
        best_sequences(lambda tests: np.zeros((1, 1), dtype=bool), {"a": cost})
