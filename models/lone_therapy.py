"""LoneTherapy: a study in which everybody got the same, so that there is a prediction and nothing to choose between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.base import BaseEstimator

from theracast.errors import DataError
from theracast.models.arm_evidence import arm_evidence, pack_evidence, unpack_evidence
from theracast.models.estimates import normal_quantile
from theracast.models.meta_learners import Heads, Treated, t_learner
from theracast.models.ranking import INSUFFICIENT, NOT_COMPARABLE, RANKING, TRIED, Ranking
from theracast.models.ridge_folds import folds_of
from theracast.models.selector import AS_TREATED
from theracast.models.treated_cohort import read_outcomes, read_patients, read_treatments

ALONE = "all patients of this study got it: nothing to compare with"


class LoneTherapy(BaseEstimator):
    """Predict response to the one therapy of a study; never rank it.

    The model is the calibrated head of `theracast.models.selector.TherapySelector`, and so are its evidence and its
    intervals. There is no gain and no propensity: nobody got anything else.

    Parameters
    ----------
    folds : int, default 5
        Of the cross-fitting.
    level : float, default 0.9
        Coverage of intervals, of the AUC too.
    min_treated : int, default 20
        A therapy with fewer patients is insufficient.
    seed : int, default 0
        Chooses the folds.

    Attributes
    ----------
    therapies_ : tuple of str
        The one.
    columns_ : tuple of str
        Features, in alphabetical order.
    evidence_ : DataFrame
        As of `theracast.models.selector.TherapySelector`; ``state`` is not comparable or insufficient.

    Examples
    --------
    >>> X = pd.DataFrame({"crp": np.arange(60.0)}, index=[f"p{i}" for i in range(60)])
    >>> lone = LoneTherapy().fit(X, ["drug"] * 60, [0] * 30 + [1] * 30)
    >>> lone.rank(X.tail(1)).table[["state", "rank"]].values.tolist()
    [['not comparable', nan]]
    """

    def __init__(self, folds: int = 5, level: float = 0.9, min_treated: int = 20, seed: int = 0) -> None:
        self.folds, self.level, self.min_treated, self.seed = folds, level, min_treated, seed

    def fit(self, X: pd.DataFrame, treatment: Any, y: Any, mechanisms: Mapping[str, str] | None = None) -> Self:
        """Learn from patients who all got one therapy.

        Parameters
        ----------
        X : DataFrame of float64, shape (n_patients, n_features)
            Indexed by patient; NaN where not known.
        treatment : array-like of str, shape (n_patients,)
            The same for all.
        y : array-like of 0 and 1, shape (n_patients,)
            1 responded.
        mechanisms : mapping of str to str, optional
            What the therapy acts on.

        Returns
        -------
        self
            Fitted; the same to the bit in any order of rows and columns.

        Raises
        ------
        DataError
            THX-D35 on two therapies or more; else as `theracast.models.selector.TherapySelector.fit`.

        Examples
        --------
        >>> X = pd.DataFrame({"age": np.arange(40.0)})
        >>> LoneTherapy().fit(X, ["drug"] * 40, [0, 1] * 20).evidence_["state"].tolist()
        ['insufficient']
        """
        table = read_patients(X)
        names, outcome = read_treatments(treatment, table), read_outcomes(y, table)
        self.therapies_ = tuple(sorted(set(names)))
        if len(self.therapies_) > 1:
            raise DataError("patients got different therapies", code="THX-D35", got=", ".join(self.therapies_))
        order = np.argsort(table.index.to_numpy(), kind="stable")
        self.columns_ = tuple(sorted(table.columns))
        matrix, outcome = table[list(self.columns_)].to_numpy(dtype=np.float64)[order], outcome[order]
        self.mechanism_ = str((mechanisms or {}).get(self.therapies_[0], ""))
        folds = folds_of([str(int(v)) for v in outcome], self.folds, self.seed)
        enough = bool(np.bincount(outcome.astype(int), minlength=2).min() >= self.folds)
        nobody_else = np.ones((len(matrix), 1))
        data = Treated(matrix, np.zeros(len(matrix), dtype=np.int64), outcome, folds, nobody_else, (enough,), 0)
        self.heads_, scores = t_learner(data)
        evidence = arm_evidence(data, scores, self.therapies_, self.min_treated, self.level)
        alone = evidence["state"] != INSUFFICIENT
        self.evidence_ = evidence.assign(
            state=np.where(alone, NOT_COMPARABLE, INSUFFICIENT), reason=np.where(alone, ALONE, evidence["reason"])
        )
        return self

    def rank(self, X: pd.DataFrame, tried: Mapping[str, Sequence[str]] | None = None, utility: Any = None) -> Ranking:
        """Give the probability of response of each patient, without a rank.

        Parameters
        ----------
        X : DataFrame of float64, shape (n_patients, n_features)
            Indexed by patient; the features of `fit`, in any order.
        tried : mapping of str to sequence of str, optional
            Therapies that failed already, by patient.
        utility : Utility, optional
            As of `theracast.models.selector.TherapySelector.rank`.

        Returns
        -------
        Ranking
            One line per patient.

        Raises
        ------
        DataError
            As `theracast.models.selector.TherapySelector.rank`.

        Examples
        --------
        >>> X = pd.DataFrame({"age": np.arange(40.0)}, index=[f"p{i}" for i in range(40)])
        >>> lone = LoneTherapy().fit(X, ["drug"] * 40, [0, 1] * 20)
        >>> lone.rank(X.head(1), tried={"p0": ["drug"]}).table["state"].tolist()
        ['tried']
        """
        table = read_patients(X, self.columns_)
        numbers = table[list(self.columns_)].to_numpy(dtype=np.float64)
        margin, se, _ = (part[:, 0] for part in self.heads_.predict(numbers))
        half = normal_quantile(self.level) * se
        p, lower, upper = (np.where(np.isnan(numbers).all(axis=1), np.nan, expit(m)) for m in
                           (margin, margin - half, margin + half))  # fmt: skip
        therapy, evidence = self.therapies_[0], self.evidence_.iloc[0]
        failed = np.array([therapy in (tried or {}).get(i, ()) for i in table.index])
        blank = np.isnan(p)
        lines = pd.DataFrame({
            "patient_id": table.index,
            "therapy": therapy,
            "mechanism": self.mechanism_,
            "state": np.select([failed, blank], [TRIED, INSUFFICIENT], evidence["state"]),
            "probability": p,
            "lower": lower,
            "upper": upper,
            "utility": p if utility is None else utility.of(therapy, p),
            "n_treated": int(evidence["n"]),
            "reason": np.select(
                [failed, blank], ["it failed already", "nothing that the model reads is known"], evidence["reason"]
            ),
        })  # fmt: skip
        nothing = [c for c in RANKING if c not in lines]
        return Ranking(lines.assign(**dict.fromkeys(nothing, np.nan))[list(RANKING)], AS_TREATED)

    def state(self) -> dict[str, Any]:
        """Return everything that decides a prediction, JSON-ready.

        Returns
        -------
        dict
            Plain numbers, strings and lists; no NaN.

        Examples
        --------
        >>> X = pd.DataFrame({"age": np.arange(40.0)})
        >>> lone = LoneTherapy().fit(X, ["drug"] * 40, [0, 1] * 20)
        >>> LoneTherapy.from_state(lone.state()).state() == lone.state()
        True
        """
        return {
            "params": self.get_params(deep=False),
            "columns": list(self.columns_),
            "therapy": self.therapies_[0],
            "mechanism": self.mechanism_,
            "heads": self.heads_.state(),
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
        LoneTherapy
            Gives the same numbers, to the bit.

        Examples
        --------
        >>> X = pd.DataFrame({"age": np.arange(40.0)})
        >>> LoneTherapy.from_state(LoneTherapy().fit(X, ["drug"] * 40, [0, 1] * 20).state()).therapies_
        ('drug',)
        """
        self = cls(**state["params"])
        self.columns_, self.therapies_ = tuple(state["columns"]), (state["therapy"],)
        self.mechanism_, self.heads_ = state["mechanism"], Heads.from_state(state["heads"])
        self.evidence_ = unpack_evidence(state["evidence"])
        return self
