"""Patients who have the same blocks: what each missing test could change, and the best order of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from theracast.models.base import ResponseModel
from theracast.models.conformal import SETS
from theracast.models.logistic import Kinds
from theracast.models.recalibration import Recalibration
from theracast.models.sequences import Plan, best_sequences
from theracast.models.value_of_tests import PossibleResults, entropy, information
from theracast.predict.diagnostic_tests import DiagnosticTests
from theracast.predict.open_blocks import EARLIER, FEW, NOTHING

#: Why a row claims nothing.
COMPLETE = "nothing is missing that a test of the list gives"
NO_SETS = "the model has no label sets: nothing could settle it"
#: Below this chance no test is said to be likely to settle a patient.
UNLIKELY = 0.1
_BOTH = SETS.index("both")


@dataclass(frozen=True)
class Alike:
    """Patients who have the same blocks, whose tests are therefore the same.

    Attributes
    ----------
    model : ResponseModel
        Fitted.
    margins : DataFrame of float64, shape (n_patients, n_blocks)
        Log-odds by each expert; NaN where the block is missing.
    tumours : Kinds, shape (n_patients,)
        Tumour type of each patient.
    now : DataFrame
        What `ResponseModel.respond` says of them.
    held : ndarray of bool, shape (n_patients,)
        Who stays without a decision whatever a test says.
    core : bool
        Whether a core block is known.
    site : Recalibration
        As in `ResponseModel.respond`.

    Examples
    --------
    >>> Alike.__dataclass_fields__.keys() >= {"margins", "held"}
    True
    """

    model: ResponseModel
    margins: pd.DataFrame
    tumours: Kinds
    now: pd.DataFrame
    held: np.ndarray
    core: bool
    site: Recalibration

    def lines(
        self,
        missing: Mapping[str, tuple[str, ...]],
        usable: Mapping[str, tuple[str, ...]],
        tests: DiagnosticTests,
        budget: float | None,
    ) -> list[dict[str, Any]]:
        """Write the rows of these patients.

        Parameters
        ----------
        missing : mapping of str to tuple of str
            Test to the missing blocks that it gives; at least one each.
        usable : mapping of str to tuple of str
            Those of them whose results can be drawn.
        tests : DiagnosticTests
            Costs and days.
        budget : float or None
            As in `theracast.predict.next_test.next_tests`.

        Returns
        -------
        list of dict
            The columns of `theracast.predict.next_test.next_tests`; in the order of the tests, not of their ranks.

        Examples
        --------
        >>> hasattr(Alike, "lines")
        True
        """
        sets = self.model.fusion_.sets
        numbers = {t: self._numbers(t, blocks) for t, blocks in usable.items()}
        plans, same, side, best = self._planned(usable, tests, budget)
        out = []
        for k, patient in enumerate(self.now.index):
            mine = self.now.iloc[k]
            plan, cost = plans[k]
            said = {
                "patient_id": patient,
                "probability": mine["probability"],
                "decision": mine["decision"],
                "same_decision": same[k],
                "same_side": side[k],
                "expected_tests": plan.expected_tests,
                "expected_cost": plan.expected_cost if cost else np.nan,
                "outlook": _outlook(mine, bool(self.held[k]), same[k], best[k], plan) if usable and sets else "",
            }
            if not missing:
                out.append({**said, "test": "", "gives": "", "currency": "", "note": COMPLETE})
                continue
            rows = []
            for t, blocks in missing.items():
                one = tests.tests[t]
                row = {**said, "test": t, "gives": ",".join(blocks), "currency": tests.currency if one.cost else ""}
                row |= {"cost": one.cost.value if one.cost else np.nan, "days": one.days.value if one.days else np.nan}
                row["cost_year"] = one.cost.year if one.cost else None
                row |= {n: v[k] for n, v in numbers[t].items()} if t in numbers else {}
                row["value_per_cost"] = row["changes"] / row["cost"] if t in numbers else np.nan
                row["note"] = self._note(t in usable)
                if t in plan.tests:
                    row["step"] = plan.tests.index(t) + 1
                    row["reached"] = plan.reached[row["step"] - 1]
                rows.append(row)
            out += _ranked(rows)
        return out

    def _note(self, can: bool) -> str:
        if self.model.fusion_.block_margins is None:
            return EARLIER
        if not can:
            return FEW
        if self.model.fusion_.sets is None:
            return NO_SETS
        return "" if self.margins.notna().any(axis=None) else NOTHING

    def _decisions(self, results: PossibleResults, tests: tuple[str, ...], set_only: bool = False) -> np.ndarray:
        """Positions in `SETS` of what the model would decide; both is to abstain."""
        sets, after = self.model.fusion_.sets, results.after(tests)
        if sets is None:
            return np.full(after.shape, _BOTH)
        found = sets.which(after.ravel()).reshape(after.shape)
        if not set_only:
            found[self.held] = _BOTH
            if not (self.core or {*self.model.spec.core} & {b for t in tests for b in results.gives[t]}):
                found[:] = _BOTH
        return found

    def _numbers(self, test: str, blocks: tuple[str, ...]) -> dict[str, np.ndarray]:
        results = PossibleResults(self.model.fusion_, self.margins, self.tumours, {test: blocks})
        after = expit(self.site.apply(results.after([test])))
        sets = self._decisions(results, (test,), set_only=True)
        before, size = entropy(self.now["probability"].to_numpy()), 1.0 + (self.now["set"] == "both").to_numpy()
        found = {
            "decides": (sets != _BOTH).mean(axis=1),
            "changes": (self._decisions(results, (test,)) != self._current()[:, None]).mean(axis=1),
            "information": information(after),
            "entropy_reduction": before - entropy(after).mean(axis=1),
            "set_reduction": size - 1.0 - (sets == _BOTH).mean(axis=1),
        }
        if self.model.fusion_.sets is None:
            found |= dict.fromkeys(("decides", "changes", "set_reduction"), np.full(len(self.now), np.nan))
        return found

    def _current(self) -> np.ndarray:
        names = {"no_response": 0, "response": 1, "abstain": _BOTH}
        return self.now["decision"].astype(str).map(names).to_numpy(dtype=int)

    def _planned(
        self, usable: Mapping[str, tuple[str, ...]], tests: DiagnosticTests, budget: float | None
    ) -> tuple[list[tuple[Plan, bool]], np.ndarray, np.ndarray, np.ndarray]:
        """Plan; the shares of draws in which all tests change nothing; the best chance that any set of them settles."""
        n, nothing = len(self.now), Plan((), (), 0.0, 0.0, True)
        if not usable or self.model.fusion_.sets is None:
            unknown = np.full(n, np.nan)
            return [(nothing, False)] * n, unknown, unknown, unknown
        results = PossibleResults(self.model.fusion_, self.margins, self.tumours, usable)
        same = (self._decisions(results, tuple(usable)) == self._current()[:, None]).mean(axis=1)
        average = logit(self.model.fusion_.prior)
        before = results.after(())
        side = ((results.after(tuple(usable)) >= average) == (before >= average)).mean(axis=1)
        side[np.isnan(before).any(axis=1)] = np.nan
        figures = {t: tests.tests[t].cost for t in usable}
        money = {t: f.value for t, f in figures.items() if f is not None}
        priced = budget is not None or len(money) == len(usable)

        def settled(done: tuple[str, ...]) -> np.ndarray:
            return self._decisions(results, done) != _BOTH

        anything = best_sequences(settled, dict.fromkeys(usable, 1.0))
        plans = best_sequences(settled, money, budget) if priced else anything
        best = np.array([p.reached[-1] if p.tests else 0.0 for p in anything])
        return [(p, priced) for p in plans], same, side, best


def _ranked(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    told = [r for r in rows if not np.isnan(r.get("changes", np.nan))]
    key = "changes" if any(np.isnan(r["cost"]) for r in told) else "value_per_cost"
    told.sort(key=lambda r: (-r[key], -r["information"]))
    for k, row in enumerate(told):
        row["rank"] = k + 1
    return rows


def _outlook(now: pd.Series, held: bool, same: float, best: float, plan: Plan) -> str:
    if held:
        return f"no test would settle it: {now['reason']}"
    if now["decision"] != "abstain":
        return f"decided: all tests together would change it in {1.0 - same:.0%}"
    if best < UNLIKELY:
        return f"no test is likely to settle it: {best:.0%} chance at most" if best else "no test would settle it"
    if not plan.tests:
        return f"no test within the budget would settle it: {best:.0%} with all of them"
    return f"the sequence could settle it: {plan.reached[-1]:.0%}"
