"""Policies of testing, and how they compare: experiments/next_test.py has asked the model, here is only counting.

A policy starts with no test done. It may stop when all other tests together would, with some chance, leave the decision
and the call (which side of the average patient) as they are; otherwise it names the next test. Random order is the
average over all orders, not a draw.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from theracast.models.metrics import auc
from theracast.models.resampling import reweighted_aucs

if TYPE_CHECKING:
    from next_test import Answers

EVERYTHING, ADAPTIVE, FIXED, RANDOM = "everything", "next-test", "fixed order, same stop", "random order, same stop"
LABEL, DECISION = "next-test until one label", "next-test, decision alone"
FIRST, ANY = "fixed order, first tests", "random tests"
#: Chances at which testing stops, for the curve.
STOPS = (0.0, *np.round(np.arange(0.5, 0.96, 0.05), 2).tolist(), 0.975, 0.99, 1.0)
#: Edges of what was told, for the calibration.
EDGES = (0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 1.0)
FEW = 30

#: Of each patient, per order or pick: tests done, decision, probability.
Walk = list[tuple[np.ndarray, np.ndarray, np.ndarray]]
Walks = dict[tuple[str, float], Walk]


def walk(
    answers: Answers, pick: Callable[[frozenset[str], int], str], stop: Callable[[frozenset[str], int], bool]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Test each patient until the policy stops or nothing is left."""
    n = len(answers.y)
    done, decision, probability = np.zeros(n), np.empty(n, dtype=object), np.empty(n)
    for i in range(n):
        state: frozenset[str] = frozenset()
        while len(state) < len(answers.tests) and not stop(state, i):
            state |= {pick(state, i)}
        done[i], decision[i] = len(state), answers.decision[state][i]
        probability[i] = answers.probability[state][i]
    return done, decision, probability


def walked(answers: Answers, settings: Mapping[str, Any]) -> Walks:
    """Walk every policy at every chance to stop at."""
    fixed = tuple(t for t in settings["order"] if t in answers.tests)
    orders = list(permutations(answers.tests))

    def after(order: tuple[str, ...]) -> Callable[[frozenset[str], int], str]:
        return lambda state, i: next(t for t in order if t not in state)

    def advised(state: frozenset[str], i: int) -> str:
        return str(answers.following[state][i])

    def sure(chance: float) -> Callable[[frozenset[str], int], bool]:
        return lambda state, i: bool(min(answers.same[state][i], answers.side[state][i]) >= chance)

    out: Walks = {(EVERYTHING, 1.0): [walk(answers, after(fixed), lambda state, i: False)]}
    out[LABEL, 1.0] = [walk(answers, advised, lambda state, i: answers.decision[state][i] != "abstain")]
    settled = settings["sure"]
    out[DECISION, settled] = [walk(answers, advised, lambda state, i: bool(answers.same[state][i] >= settled))]
    for chance in sorted({*STOPS, settings["sure"]}):
        out[ADAPTIVE, chance] = [walk(answers, advised, sure(chance))]
        out[FIXED, chance] = [walk(answers, after(fixed), sure(chance))]
        out[RANDOM, chance] = [walk(answers, after(order), sure(chance)) for order in orders]
    for k in range(len(fixed) + 1):
        enough = _number(k)
        out[FIRST, k / len(fixed)] = [walk(answers, after(fixed), enough)]
        out[ANY, k / len(fixed)] = [walk(answers, after(order), enough) for order in orders]
    return out


def _number(k: int) -> Callable[[frozenset[str], int], bool]:
    return lambda state, i: len(state) >= k


def measures(answers: Answers, one: Walk, rows: np.ndarray) -> dict[str, float]:
    """Measure a policy on some patients, averaged over its orders."""
    everything = frozenset(answers.tests)
    full, whole = answers.decision[everything][rows], answers.probability[everything][rows] >= answers.prior
    y = answers.y[rows]
    found = []
    for done, decision, probability in one:
        p, d = probability[rows], decision[rows]
        call = p >= answers.prior
        known = ~np.isnan(p)
        both = known.all() and 0 < y.mean() < 1
        decided = d != "abstain"
        right = (d == "response") == (y == 1)
        found.append(
            {
                "used": done[rows].mean() / len(answers.tests),
                "agreement": (d == full).mean(),
                "same_call": (call == whole).mean(),
                "alike": ((d == full) & (call == whole)).mean(),
                "accuracy": (call == y)[known].mean() if known.any() else np.nan,
                "balanced": (call[y == 1].mean() + (~call)[y == 0].mean()) / 2 if both else np.nan,
                "auc": auc(y, p).value if both else np.nan,
                "decided": decided.mean(),
                "right_when_decided": right[decided].mean() if decided.any() else np.nan,
            }
        )
    return pd.DataFrame(found).mean().to_dict()


def judged(
    answers: Mapping[str, Answers], walks: Mapping[str, Walks], settings: Mapping[str, Any]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compare the policies at the chance that was set beforehand, and draw their curves."""
    rng = np.random.default_rng(settings["seed"])
    draws = {c: rng.integers(0, len(a.y), (settings["draws"], len(a.y))) for c, a in answers.items()}
    rows, curve = [], []
    means: dict[str, list[pd.DataFrame]] = {}
    for cohort, a in answers.items():
        everyone = np.arange(len(a.y))
        whole = measures(a, walks[cohort][EVERYTHING, 1.0], everyone)
        for (policy, chance), one in walks[cohort].items():
            mine = measures(a, one, everyone)
            curve.append({"cohort": cohort, "policy": policy, "stop_at": chance, "n": len(a.y), **mine})
            if policy in (EVERYTHING, LABEL, DECISION) or (
                policy in (ADAPTIVE, FIXED, RANDOM) and chance == settings["sure"]
            ):
                again = _again(a, one, walks[cohort][EVERYTHING, 1.0], draws[cohort])
                means.setdefault(policy, []).append(again)
                rows.append(_row(cohort, len(a.y), policy, mine, whole, again, len(a.tests)))
    for policy, parts in means.items():
        theirs = [r for r in rows if r["policy"] == policy and r["cohort"] != "mean"]
        middle = {k: float(np.nanmean([r[k] for r in theirs])) for k in (*_SHOWN, "d_accuracy", "d_auc")}
        among = rng.integers(0, len(parts), (settings["draws"], len(parts)))
        stack = np.array([p.to_numpy() for p in parts])
        both = np.nanmean(stack[among, np.arange(settings["draws"])[:, None]], axis=1)
        again = pd.DataFrame(both, columns=parts[0].columns)
        row = {"cohort": "mean", "policy": policy, "n": sum(len(a.y) for a in answers.values()), "tests": np.nan}
        rows.append({**row, **middle, **_ends(again), "note": "mean of the cohorts"})
    return pd.DataFrame(rows), pd.DataFrame(curve)


_SHOWN = ("saved", "agreement", "same_call", "accuracy", "auc", "decided", "right_when_decided")


def _again(a: Answers, one: Walk, everything: Walk, draws: np.ndarray) -> pd.DataFrame:
    """Measure again on patients drawn with replacement, beside everything on the same ones."""
    full = frozenset(a.tests)
    call = a.probability[full] >= a.prior
    times = np.array([np.bincount(rows, minlength=len(a.y)) for rows in draws], dtype=np.float64)

    def mean(values: np.ndarray) -> np.ndarray:
        return times @ values / times.sum(axis=1)

    def right(walk: Walk) -> np.ndarray:
        return np.mean([(p >= a.prior) == a.y for _, _, p in walk], axis=0)

    def area(p: np.ndarray) -> np.ndarray:
        if np.isnan(p).any():
            return np.full(len(times), np.nan)
        return reweighted_aucs(a.y, pd.DataFrame({"p": p}), times)["p"].to_numpy()

    return pd.DataFrame(
        {
            "saved": 1.0 - mean(np.mean([done for done, _, _ in one], axis=0)) / len(a.tests),
            "agreement": mean(np.mean([d == a.decision[full] for _, d, _ in one], axis=0)),
            "same_call": mean(np.mean([(p >= a.prior) == call for _, _, p in one], axis=0)),
            "d_accuracy": mean(right(one) - right(everything)),
            "d_auc": np.mean([area(p) for _, _, p in one], axis=0) - area(everything[0][2]),
        }
    )


def _ends(again: pd.DataFrame) -> dict[str, float]:
    low, high = again.quantile(0.025), again.quantile(0.975)
    return {f"{k}_lower": low[k] for k in again} | {f"{k}_upper": high[k] for k in again}


def _row(
    cohort: str, n: int, policy: str, mine: dict[str, float], whole: dict[str, float], again: pd.DataFrame, tests: int
) -> dict[str, Any]:
    shown = {k: 1.0 - mine["used"] if k == "saved" else mine[k] for k in _SHOWN}
    less = {f"d_{k}": mine[k] - whole[k] for k in ("accuracy", "auc")}
    note = "too few for a claim" if n < FEW else ""
    return {"cohort": cohort, "policy": policy, "n": n, "tests": tests, **shown, **less, **_ends(again), "note": note}


def needed(curve: pd.DataFrame, level: float) -> float:
    """Read from the curve of a policy the least share of tests at which as many patients are as with all tests."""
    points = curve.groupby("used")["alike"].max().sort_index()
    reaching = points.index[points >= level]
    return float(reaching[0]) if len(reaching) else float("nan")


def told_and_seen(answers: Mapping[str, Answers], settings: Mapping[str, Any]) -> pd.DataFrame:
    """Hold what was told against what was seen, over every patient and set of tests; intervals over patients."""
    rng = np.random.default_rng(settings["seed"])
    parts = []
    for cohort, a in answers.items():
        full = a.decision[frozenset(a.tests)]
        for (done, test), told in a.decides.items():
            seen = a.single[done | {test}]
            parts.append(_frame(cohort, "decides", told, seen))
        call = a.probability[frozenset(a.tests)] >= a.prior
        for done in a.same:
            parts.append(_frame(cohort, "same_decision", a.same[done], a.decision[done] == full))
            parts.append(_frame(cohort, "same_side", a.side[done], (a.probability[done] >= a.prior) == call))
    every = pd.concat(parts).dropna()
    every["bin"] = pd.cut(every["told"], EDGES, include_lowest=True).astype(str)
    rows = []
    for (what, where), part in every.groupby(["what", "bin"], sort=True):
        people = part.groupby(["cohort", "patient"])["seen"].agg(["sum", "count"]).to_numpy(dtype=float)
        picks = rng.integers(0, len(people), (settings["draws"], len(people)))
        shares = people[picks, 0].sum(axis=1) / people[picks, 1].sum(axis=1)
        low, high = np.quantile(shares, (0.025, 0.975))
        rows.append(
            {"what": what, "told_in": where, "patients": len(people), "answers": len(part), "told": part["told"].mean(),
             "seen": part["seen"].mean(), "seen_lower": low, "seen_upper": high}
        )  # fmt: skip
    for (what, cohort), part in every.groupby(["what", "cohort"], sort=True):
        rows.append(
            {"what": what, "told_in": cohort, "patients": part["patient"].nunique(), "answers": len(part),
             "told": part["told"].mean(), "seen": part["seen"].mean()}
        )  # fmt: skip
    return pd.DataFrame(rows)


def _frame(cohort: str, what: str, told: np.ndarray, seen: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {"cohort": cohort, "what": what, "patient": np.arange(len(told)), "told": told, "seen": seen.astype(float)}
    )
