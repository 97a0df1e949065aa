"""TherapySelector: several therapies for one patient, side by side, and which of them may be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from theracast.errors import DataError, UsageError
from theracast.models.arm_evidence import arm_evidence, pack_evidence, unpack_evidence
from theracast.models.estimates import normal_quantile
from theracast.models.meta_learners import LEARNERS, SURFACES
from theracast.models.overlap import Overlap, Propensity, fit_propensity
from theracast.models.ranking import INSUFFICIENT, NOT_COMPARABLE, RANKED, RANKING, TRIED, Ranking
from theracast.models.ridge_folds import folds_of
from theracast.models.treated_cohort import (
    Treated,
    read_outcomes,
    read_patients,
    read_shares,
    read_treatments,
    read_tried,
)
from theracast.registry import Registry

#: Name of the standard when none is given.
AS_TREATED = "as treated"
_FORMAT = 2


class TherapySelector(BaseEstimator):
    """Rank therapies for a patient by the probability of response, where they may be ranked at all.

    One calibrated ridge logistic head per therapy (`learner` says from whom it learns), beside the propensity of each
    therapy and the number of comparable treated patients. Learned from patients who each got one therapy: it is
    assumed that nothing unmeasured moves both the choice of the therapy and the response.

    The intervals cover the true probability of response for about `level` of patients, when the truth is about
    additive in log-odds: they hold what the finite number of patients leaves open in weights and calibration, not
    unmeasured confounding, a wrong form of the model or another population. In simulated cohorts of 100 to 2,000
    treated patients and 5 to 200 features .82 to .93 of the truth lay within intervals of .9; a single small arm with a
    weak signal may fall to .6.

    Parameters
    ----------
    learner : {"t", "x", "dr"}, default "t"
        Each therapy from its own patients; imputed effects against a reference; doubly robust.
    standard : str, default ""
        Therapy that a gain is measured against; empty: what patients like this one got, as treated.
    folds : int, default 5
        Of the cross-fitting.
    level : float, default 0.9
        Coverage of intervals, of the AUC too.
    min_propensity : float, default 0.02
        A therapy that fewer than this share of patients like this one got is not comparable.
    min_ess : float, default 10
        Nor is one with a smaller effective sample size of comparable patients.
    min_treated : int, default 20
        A therapy with fewer patients is insufficient.
    seed : int, default 0
        Chooses the folds.
    propensity : mapping of str to float, optional
        Share of each therapy in a randomised trial; estimated from the patients by default.

    Attributes
    ----------
    therapies_ : tuple of str
        In alphabetical order.
    evidence_ : DataFrame
        One line per therapy: ``therapy``, ``n``, ``responders``, ``rate``; ``auc``, ``auc_lower``, ``auc_upper`` and
        ``brier`` of its patients by models that did not see them; ``brier_rate``, that of the rate alone; ``state`` and
        ``reason``.
    columns_ : tuple of str
        Features, in alphabetical order.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"crp": rng.normal(size=400)}, index=[f"p{i}" for i in range(400)])
    >>> drug = rng.choice(["anti-IL-6", "anti-TNF"], 400)
    >>> helped = np.where(drug == "anti-TNF", X.crp < 0, X.crp > 0) ^ (rng.random(400) < 0.2)
    >>> selector = TherapySelector().fit(X, drug, helped.astype(int))
    >>> selector.rank(pd.DataFrame({"crp": [-1.0, 1.0]}, index=["a", "b"])).best().to_dict()
    {'a': 'anti-TNF', 'b': 'anti-IL-6'}
    """

    def __init__(
        self,
        learner: str = "t",
        *,
        standard: str = "",
        folds: int = 5,
        level: float = 0.9,
        min_propensity: float = 0.02,
        min_ess: float = 10.0,
        min_treated: int = 20,
        seed: int = 0,
        propensity: Mapping[str, float] | None = None,
    ) -> None:
        self.learner, self.standard, self.folds, self.level = learner, standard, folds, level
        self.min_propensity, self.min_ess, self.min_treated = min_propensity, min_ess, min_treated
        self.seed, self.propensity = seed, propensity

    def fit(self, X: pd.DataFrame, treatment: Any, y: Any, mechanisms: Mapping[str, str] | None = None) -> Self:
        """Learn from patients who each got one of the therapies.

        Parameters
        ----------
        X : DataFrame of float64, shape (n_patients, n_features)
            Indexed by patient; NaN where not known.
        treatment : array-like of str, shape (n_patients,)
            Therapy that each got, in the order of `X`.
        y : array-like of 0 and 1, shape (n_patients,)
            1 responded.
        mechanisms : mapping of str to str, optional
            What each therapy acts on.

        Returns
        -------
        self
            Fitted; the same to the bit in any order of rows and columns.

        Raises
        ------
        DataError
            THX-D33 without patients or features; THX-D17 on repeated patients; THX-D03 on repeated features; THX-D13 on
            text; THX-D11 on infinite values; THX-D24 on outcomes other than 0 and 1, or of another number than
            patients; THX-D21 on treatments that are not known; THX-D35 on one therapy alone.
        UsageError
            On an unknown learner, standard, or therapy in `propensity`; on impossible parameters.

        Examples
        --------
        >>> X = pd.DataFrame({"age": np.arange(80.0)})
        >>> fitted = TherapySelector().fit(X, ["a", "b"] * 40, [0, 0, 1, 1] * 20)
        >>> fitted.therapies_, fitted.evidence_.state.tolist()
        (('a', 'b'), ['insufficient', 'insufficient'])
        """
        _ = LEARNERS[self.learner]
        self._check_params()
        table = read_patients(X)
        names, outcome = read_treatments(treatment, table), read_outcomes(y, table)
        order = np.argsort(table.index.to_numpy(), kind="stable")
        self.columns_ = tuple(sorted(table.columns))
        matrix = table[list(self.columns_)].to_numpy(dtype=np.float64)[order]
        names, outcome = names[order], outcome[order]
        self.therapies_ = tuple(sorted(set(names)))
        if len(self.therapies_) < 2:
            raise DataError("there is one therapy: nothing to choose between", code="THX-D35", wanted="two or more")
        known = Registry("therapy", {t: t for t in self.therapies_})
        self.standard_ = known[self.standard] if self.standard else ""
        self.mechanisms_ = {t: str(m) for t, m in (mechanisms or {}).items() if t in known}
        arm = np.searchsorted(self.therapies_, names)
        self.treated_ = tuple(int(n) for n in np.bincount(arm))
        # many small products: more threads are slower, and their sums differ from machine to machine
        with threadpool_limits(limits=1, user_api="blas"):
            self._learn(matrix, arm, outcome, known)
        return self

    def rank(self, X: pd.DataFrame, tried: Mapping[str, Sequence[str]] | None = None, utility: Any = None) -> Ranking:
        """Lay the therapies side by side for each patient, and rank those that may be compared.

        A therapy is ``insufficient`` when too few got it, when all of them fared alike, when the AUC interval of its
        held-out patients does not lie above .5, or when nothing is known of the patient; ``not comparable`` when too
        few patients like this one got it, or nobody beyond a value of one feature; ``tried`` when it failed already.

        Parameters
        ----------
        X : DataFrame of float64, shape (n_patients, n_features)
            Indexed by patient; the features of `fit`, in any order.
        tried : mapping of str to sequence of str, optional
            Therapies that failed already, by patient. No patient with an earlier failure is known to have been learned
            from; the reason says so, and names a failed therapy of the same mechanism.
        utility : Utility, optional
            Turns probabilities into what the rank is by; the probability itself by default.

        Returns
        -------
        Ranking
            One line per patient and therapy, patients in the order of `X`. Equal utilities are ranked by name.

        Raises
        ------
        DataError
            As `fit`; THX-D08 when the features are others than those of `fit`; THX-D21 on a therapy in `tried` that the
            selector does not know.

        Examples
        --------
        >>> X = pd.DataFrame({"age": np.arange(80.0)}, index=[f"p{i}" for i in range(80)])
        >>> fitted = TherapySelector().fit(X, ["a", "b"] * 40, [0, 0, 1, 1] * 20)
        >>> fitted.rank(X.head(1), tried={"p0": ["a"]}).table[["therapy", "state"]].to_numpy().tolist()
        [['a', 'tried'], ['b', 'insufficient']]
        """
        check_is_fitted(self)
        table = read_patients(X, self.columns_)
        failed = read_tried(tried or {}, table, Registry("therapy", {t: t for t in self.therapies_}))
        columns = self._numbers(table[list(self.columns_)].to_numpy(dtype=np.float64), utility)
        n, k = columns["probability"].shape
        states, reasons = self._states(columns, failed)
        columns["rank"] = _ranks(columns["utility"], states)
        lines = {
            "patient_id": np.repeat(table.index.to_numpy(), k),
            "therapy": np.tile(np.array(self.therapies_, dtype=object), n),
            "mechanism": np.tile(np.array([self.mechanisms_.get(t, "") for t in self.therapies_], dtype=object), n),
            "state": states.ravel(),
            "n_treated": np.tile(self.treated_, n),
            "reason": reasons.ravel(),
            **{name: values.ravel() for name, values in columns.items()},
        }
        return Ranking(pd.DataFrame(lines)[list(RANKING)], self.standard_ or AS_TREATED)

    def state(self) -> dict[str, Any]:
        """Return everything that decides a ranking, JSON-ready.

        Returns
        -------
        dict
            Plain numbers, strings and lists; no NaN.

        Examples
        --------
        >>> X = pd.DataFrame({"age": np.arange(80.0)})
        >>> fitted = TherapySelector().fit(X, ["a", "b"] * 40, [0, 0, 1, 1] * 20)
        >>> TherapySelector.from_state(fitted.state()).state() == fitted.state()
        True
        """
        check_is_fitted(self)
        params = self.get_params(deep=False)
        return {
            "format": _FORMAT,
            "params": {**params, "propensity": None if self.propensity is None else dict(self.propensity)},
            "columns": list(self.columns_),
            "therapies": list(self.therapies_),
            "mechanisms": self.mechanisms_,
            "treated": list(self.treated_),
            "surface": self.surface_.state(),
            "propensity": self.propensity_.state(),
            "overlap": self.overlap_.state(),
            "evidence": pack_evidence(self.evidence_),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild from `state`.

        Parameters
        ----------
        state : mapping
            From `state`, also after a trip through JSON.

        Returns
        -------
        TherapySelector
            Ranks to the bit as the one that was written.

        Raises
        ------
        UsageError
            When the state is of another format.

        Examples
        --------
        >>> X = pd.DataFrame({"age": np.arange(80.0)})
        >>> fitted = TherapySelector().fit(X, ["a", "b"] * 40, [0, 0, 1, 1] * 20)
        >>> TherapySelector.from_state(fitted.state()).therapies_
        ('a', 'b')
        """
        if state.get("format") != _FORMAT:
            raise UsageError("the selector is of another format", got=str(state.get("format")), wanted=str(_FORMAT))
        self = cls(**state["params"])
        self.standard_, self.columns_ = self.standard, tuple(state["columns"])
        self.therapies_, self.treated_ = tuple(state["therapies"]), tuple(state["treated"])
        self.mechanisms_ = dict(state["mechanisms"])
        self.surface_ = SURFACES[state["surface"]["kind"]].from_state(state["surface"])
        self.propensity_ = Propensity.from_state(state["propensity"])
        self.overlap_ = Overlap.from_state(state["overlap"])
        self.evidence_ = unpack_evidence(state["evidence"])
        return self

    def _check_params(self) -> None:
        normal_quantile(self.level)
        if self.folds < 3:
            raise UsageError("three folds or more are needed", got=str(self.folds))
        if not 0 <= self.min_propensity < 1:
            raise UsageError("the least propensity is a share", where="min_propensity", got=str(self.min_propensity))
        for name in ("min_ess", "min_treated", "seed"):
            if getattr(self, name) < 0:
                raise UsageError("is below 0", where=name, got=str(getattr(self, name)))

    def _learn(self, X: np.ndarray, arm: np.ndarray, y: np.ndarray, known: Registry[str]) -> None:
        k = len(self.therapies_)
        folds = folds_of([f"{a} {int(v)}" for a, v in zip(arm, y, strict=True)], self.folds, self.seed)
        if self.propensity is None:
            self.propensity_, held_out = fit_propensity(X, arm, k, folds)
        else:
            self.propensity_ = Propensity(read_shares(self.propensity, known))
            held_out = self.propensity_.of(X)
        self.overlap_ = Overlap.of(self.propensity_.of(X), arm, X if self.propensity is None else None)
        rarer = [int(np.bincount(y[arm == a].astype(int), minlength=2).min()) for a in range(k)]
        enough = tuple(r >= self.folds for r in rarer)
        reference = self.therapies_.index(self.standard_) if self.standard_ else int(np.argmax(self.treated_))
        data = Treated(X, arm, y, folds, held_out, enough, reference, self.propensity_)
        self.surface_, scores = LEARNERS[self.learner](data)
        self.evidence_ = arm_evidence(data, scores, self.therapies_, self.min_treated, self.level)

    def _numbers(self, X: np.ndarray, utility: Any) -> dict[str, np.ndarray]:
        """All that is given whatever the state, patients by therapies."""
        margin, se, own = self.surface_.predict(X)
        z = normal_quantile(self.level)
        propensity = self.propensity_.of(X)
        n_comparable, ess = self.overlap_.comparable(propensity, X)
        p, lower, upper = (expit(m) for m in (margin, margin - z * se, margin + z * se))
        weights = propensity
        if self.standard_:
            weights = np.zeros_like(propensity)
            weights[:, self.therapies_.index(self.standard_)] = 1.0
        gain = p - (weights * p).sum(axis=1, keepdims=True)
        # var of p_k - sum_j w_j p_j, the p_j being independent
        spread = (weights**2 * own).sum(axis=1, keepdims=True) + (1.0 - 2.0 * weights) * own
        half = z * np.sqrt(np.maximum(spread, 0.0))
        nothing = np.isnan(X).all(axis=1)
        known = {
            "probability": p,
            "lower": lower,
            "upper": upper,
            "gain": gain,
            "gain_lower": np.maximum(gain - half, -1.0),
            "gain_upper": np.minimum(gain + half, 1.0),
            "propensity": propensity,
            "ess": ess,
        }
        for values in known.values():
            values[nothing] = np.nan
        useful = (
            p if utility is None else np.column_stack([utility.of(t, p[:, k]) for k, t in enumerate(self.therapies_)])
        )
        never = self.overlap_.positivity.reasons(X, len(self.therapies_), self.columns_)
        count = np.where(nothing[:, None], 0, n_comparable)
        return {**known, "utility": useful, "n_comparable": count, "never": never}

    def _states(
        self, columns: Mapping[str, np.ndarray], failed: Mapping[int, Sequence[str]]
    ) -> tuple[np.ndarray, np.ndarray]:
        """State and reason, patients by therapies; the gravest is said."""
        p, count, ess = columns["propensity"], columns["n_comparable"], columns["ess"]
        states, reasons = np.full((2, *p.shape), "", dtype=object)
        states[:] = RANKED
        for i, k in zip(*np.nonzero((ess < self.min_ess) | (count == 0)), strict=True):
            states[i, k] = NOT_COMPARABLE
            reasons[i, k] = (
                f"{count[i, k]} comparable patients count as {ess[i, k]:.1f}; at least {self.min_ess:g} are asked"
                if count[i, k]
                else "no patient like this one got it"
            )
        for i, k in zip(*np.nonzero(p < self.min_propensity), strict=True):
            states[i, k] = NOT_COMPARABLE
            reasons[i, k] = (
                f"{p[i, k]:.1%} of patients like this one got it; at least {self.min_propensity:.0%} are asked"
            )
        never = columns["never"] != ""
        states[never], reasons[never] = NOT_COMPARABLE, columns["never"][never]
        for k, line in enumerate(self.evidence_.itertuples()):
            if line.state == INSUFFICIENT:
                states[:, k], reasons[:, k] = INSUFFICIENT, line.reason
        blank = np.isnan(columns["utility"])
        states[blank], reasons[blank] = INSUFFICIENT, "its utility is not known"
        nothing = np.isnan(columns["probability"])
        states[nothing], reasons[nothing] = INSUFFICIENT, "nothing that the selector reads is known"
        for i, therapies in failed.items():
            acted_on = {m: t for t in therapies if (m := self.mechanisms_.get(t, ""))}
            for k, therapy in enumerate(self.therapies_):
                twin = acted_on.get(self.mechanisms_.get(therapy, ""))
                if therapy in therapies:
                    states[i, k], reasons[i, k] = TRIED, "it failed already"
                elif states[i, k] == RANKED:
                    same = f"same mechanism as {twin}, which failed; " if twin else ""
                    reasons[i, k] = f"{same}no patient with an earlier failure is known to have been learned from"
        return states, reasons


def _ranks(utility: np.ndarray, states: np.ndarray) -> np.ndarray:
    """1 is best; therapies stand in order of their names, which a stable sort keeps among equals."""
    ranked = states == RANKED
    order = np.argsort(np.where(ranked, -utility, np.inf), axis=1, kind="stable")
    ranks = np.empty(utility.shape)
    np.put_along_axis(
        ranks, order, np.arange(1.0, utility.shape[1] + 1.0)[None, :].repeat(len(utility), axis=0), axis=1
    )
    return np.where(ranked, ranks, np.nan)
