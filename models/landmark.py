"""Landmarking: serial measurements update a baseline probability as time goes on.

At a landmark only those count who are still at risk, and only what was measured until then is read (van Houwelingen
2007, 10.1111/j.1467-9469.2006.00529.x). One logistic model is fitted to the landmarks stacked below each other, with
weights for those who were lost before the horizon. Times are of one unit throughout, counted from one origin.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import pandas as pd
from scipy.special import logit
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.utils.validation import check_is_fitted

from theracast.errors import DataError, UsageError
from theracast.models.longitudinal import SUMMARIES, series_features
from theracast.models.survival import outcome_until

_EDGE = 1e-4
_FOLDS = 5
_OF_BASELINE = ("baseline", "baseline x landmark")


def outcome_within(time: pd.Series, event: pd.Series, landmark: float, horizon: float) -> pd.DataFrame:
    """Say who had the event within a horizon of the landmark, among those at risk there.

    Parameters
    ----------
    time, event : Series
        Time of the event or last seen; 1 = happened, 0 = censored. Indexed by patient.
    landmark, horizon : float
        In the unit of `time`; the event counts in (landmark, landmark + horizon].

    Returns
    -------
    DataFrame
        One row per patient at risk: ``y`` (1, 0; NaN when lost before the horizon) and ``weight``, the inverse
        probability not to have been lost, by Kaplan-Meier of the censoring among them; 0 for those lost.

    Raises
    ------
    DataError
        As `theracast.models.survival.kaplan_meier`; on a missing time too.

    Examples
    --------
    >>> time, event = pd.Series([1, 4, 5, 9.0]), pd.Series([1, 0, 1, 0])
    >>> outcome_within(time, event, 2, 5).round(2).values.tolist()
    [[nan, 0.0], [1.0, 1.5], [0.0, 1.5]]
    """
    here = ~(time <= landmark)  # a missing time is not left out, but refused
    return outcome_until(time[here], event[here], landmark + horizon).set_axis(time.index[here])


class DynamicModel(BaseEstimator):
    """Update a baseline probability by what was measured until a landmark.

    Parameters
    ----------
    landmarks : sequence of float
        Times at which the model is fitted; it answers between the first and the last.
    horizon : float, optional
        How long after the landmark the event counts. Without it the outcome is fixed, such as response at week 6.
    uses : sequence of str
        Of `SUMMARIES`; none is a model of the baseline alone.
    margin : bool, default True
        Whether the baseline is read.
    penalties : sequence of float
        Values of C, the inverse strength of the ridge penalty; the best on patients left out is taken.

    Attributes
    ----------
    coef_ : Series
        Log-odds per standard deviation of each term.
    penalty_ : float
        The C taken.
    baseline_used_ : bool
        Whether the baseline is read: not where it stands the wrong way round among patients it had not seen.
    n_ : dict of float to int
        Patients whose outcome is known, per landmark.

    Examples
    --------
    >>> rng = np.random.default_rng(0)  # simulated
    >>> ids = [f"p{i}" for i in range(200)]
    >>> marker = rng.normal(size=200)
    >>> visits = pd.DataFrame({"patient_id": ids, "time": 1.0, "marker": marker})
    >>> y = pd.Series((marker + rng.normal(size=200) > 0).astype(float), ids)
    >>> model = DynamicModel([1.0]).fit(pd.Series(0.5, ids), visits, pd.DataFrame({"y": y}))
    >>> bool(model.predict(pd.Series(0.5, ids), visits, 1.0).corr(pd.Series(marker, ids)) > 0.9)
    True
    """

    def __init__(
        self,
        landmarks: Sequence[float],
        horizon: float | None = None,
        uses: Sequence[str] = SUMMARIES,
        margin: bool = True,
        penalties: Sequence[float] = (0.01, 0.1, 1.0),
    ) -> None:
        self.landmarks, self.horizon, self.uses, self.margin = landmarks, horizon, uses, margin
        self.penalties = penalties

    def fit(self, baseline: pd.Series, visits: pd.DataFrame, outcome: pd.DataFrame) -> Self:
        """Fit on the patients at risk at each landmark.

        Parameters
        ----------
        baseline : Series of float
            Probability before any visit, from a model that had not seen the patient; indexed by patient.
        visits : DataFrame
            As `series_features` takes it.
        outcome : DataFrame
            ``time`` and ``event`` where there is a horizon, else ``y`` (1, 0, NaN unknown); of the same patients.

        Returns
        -------
        self
            Fitted.

        Raises
        ------
        DataError
            THX-D24 when a class is missing, patients differ or are there twice, or a baseline is no probability;
            THX-D22 as `theracast.models.longitudinal.series_features`.
        UsageError
            Without a landmark or a penalty.

        Examples
        --------
        >>> ids = list("abcdefghij")  # simulated
        >>> visits = pd.DataFrame({"patient_id": ids, "time": 1.0, "m": range(10)})
        >>> outcome = pd.DataFrame({"time": [9.0, 8, 9, 7, 9, 3, 3, 4, 2, 5], "event": [0] * 5 + [1] * 5}, index=ids)
        >>> DynamicModel([1.0], horizon=5.0).fit(pd.Series(0.3, ids), visits, outcome).n_
        {1.0: 10}
        """
        self.__dict__.pop("baseline_used_", None)
        if not len(self.landmarks) or not len(self.penalties):
            raise UsageError("a dynamic model needs a landmark and a penalty", wanted="one or more of each")
        if not baseline.index.equals(outcome.index) or baseline.index.has_duplicates:
            raise DataError("baseline and outcome are not of the same patients, each once", code="THX-D24")
        parts, truth = [], []
        for s in self.landmarks:
            told = self.outcome_at(outcome, s)
            told = told[told["y"].notna()]
            truth.append(told)
            parts.append(self._terms(baseline.loc[told.index], visits, s))
        self.n_ = {float(s): len(t) for s, t in zip(self.landmarks, truth, strict=True)}
        X, rows = pd.concat(parts), pd.concat(truth)
        y, weight = rows["y"].to_numpy(), rows["weight"].to_numpy()
        if not np.array_equal(np.unique(y), [0, 1]):
            raise DataError("the outcome wants 0 and 1, and both", code="THX-D24", got=f"{len(rows)} rows")
        self.mean_, spread = X.mean(), X.std(ddof=0)
        self.sd_ = spread.where(spread > 0, 1.0)
        Z = self._scaled(X)
        self.penalty_ = self._choose(Z, y, weight, X.index)
        self._fitted = self._regress(Z, y, weight, self.penalty_)
        # a baseline without skill may stand the wrong way round among patients left out: then it says nothing
        self.baseline_used_ = self.margin and bool(self._fitted.coef_[0][X.columns.get_loc("baseline")] > 0)
        if self.margin and not self.baseline_used_:
            X = X.assign(**dict.fromkeys(_OF_BASELINE, 0.0))
            self.mean_, self.sd_ = self.mean_.mask(self._of_baseline(), 0.0), self.sd_.mask(self._of_baseline(), 1.0)
            self._fitted = self._regress(self._scaled(X), y, weight, self.penalty_)
        self.coef_ = pd.Series(self._fitted.coef_[0], index=X.columns)
        return self

    def predict(self, baseline: pd.Series, visits: pd.DataFrame, landmark: float) -> pd.Series:
        """Update the probability at a landmark.

        Parameters
        ----------
        baseline : Series of float
            Probability before any visit, indexed by patient.
        visits : DataFrame
            As `series_features` takes it; rows after the landmark are not read.
        landmark : float
            Between the first and the last that the model was fitted at.

        Returns
        -------
        Series of float64
            Probability of the event within the horizon of the landmark, or of the fixed outcome, in [0, 1]. For whoever
            is still at risk: that is for the caller to know.

        Raises
        ------
        UsageError
            Outside the landmarks fitted.
        DataError
            On other markers than those of the fit, and as `fit`.

        Examples
        --------
        >>> DynamicModel([1.0, 2.0]).predict(pd.Series(0.5, ["a"]), pd.DataFrame(), 3.0)
        Traceback (most recent call last):
        ...
        theracast.errors.UsageError: the model was not fitted so late or early | got: 3 | wanted: 1 to 2
        """
        low, high = min(self.landmarks), max(self.landmarks)
        if not low <= landmark <= high:
            raise UsageError(
                "the model was not fitted so late or early", got=f"{landmark:g}", wanted=f"{low:g} to {high:g}"
            )
        check_is_fitted(self, "coef_")
        X = self._terms(baseline, visits, landmark)
        if not X.columns.equals(self.mean_.index):
            raise DataError("visits want the markers of the fit, in their order", code="THX-D22", where="visits")
        return pd.Series(self._fitted.predict_proba(self._scaled(X))[:, 1], index=X.index)

    def outcome_at(self, outcome: pd.DataFrame, landmark: float) -> pd.DataFrame:
        """Say what is to be predicted at a landmark, and for whom.

        Parameters
        ----------
        outcome : DataFrame
            As `fit` takes it.
        landmark : float
            In the unit of the times.

        Returns
        -------
        DataFrame
            ``y`` and ``weight``, as `outcome_within` has them; of a fixed outcome every weight is 1.

        Examples
        --------
        >>> DynamicModel([1.0]).outcome_at(pd.DataFrame({"y": [1.0, None]}), 1.0)["weight"].tolist()
        [1.0, 0.0]
        """
        if self.horizon is not None:
            return outcome_within(outcome["time"], outcome["event"], landmark, self.horizon)
        return pd.DataFrame({"y": outcome["y"], "weight": outcome["y"].notna().astype(float)}, index=outcome.index)

    def _terms(self, baseline: pd.Series, visits: pd.DataFrame, landmark: float) -> pd.DataFrame:
        """Lay out what the regression reads; without a visit the series say nothing, and that is a term."""
        middle = (min(self.landmarks) + max(self.landmarks)) / 2
        half = (max(self.landmarks) - min(self.landmarks)) / 2 or 1.0
        when = (landmark - middle) / half
        terms: dict[str, np.ndarray] = {"landmark": np.full(len(baseline), when)}
        if self.margin:
            if not baseline.between(0, 1).all():
                raise DataError("wants probabilities, and of everyone", code="THX-D24", where="baseline")
            log_odds = logit(np.clip(baseline.to_numpy(float), _EDGE, 1 - _EDGE))
            log_odds = log_odds if getattr(self, "baseline_used_", True) else 0 * log_odds
            terms |= dict(zip(_OF_BASELINE, (log_odds, log_odds * when), strict=True))
        if len(self.uses):
            series = series_features(visits, baseline.index, landmark, self.uses)
            terms["no visit"] = series.isna().all(axis=1).to_numpy(float)
            terms |= {str(c): v.fillna(0.0).to_numpy() for c, v in series.items()}
        return pd.DataFrame(terms, index=baseline.index)

    def _of_baseline(self) -> np.ndarray:
        return np.asarray(self.mean_.index.isin(_OF_BASELINE))

    def _scaled(self, X: pd.DataFrame) -> np.ndarray:
        return ((X - self.mean_) / self.sd_).to_numpy()

    @staticmethod
    def _regress(Z: np.ndarray, y: np.ndarray, weight: np.ndarray, C: float) -> LogisticRegression:
        # a handful of terms: Newton's steps are quicker than a quasi-Newton method's, and end nearer to the optimum
        return LogisticRegression(C=C, max_iter=1000, solver="newton-cholesky").fit(Z, y, sample_weight=weight)

    def _choose(self, Z: np.ndarray, y: np.ndarray, weight: np.ndarray, patients: pd.Index) -> float:
        """Take the penalty that loses least likelihood on patients left out; a patient is in one fold."""
        folds = min(_FOLDS, patients.nunique())
        if len(self.penalties) == 1 or folds < 2:
            return float(self.penalties[0])
        lost = np.zeros(len(self.penalties))
        for train, test in GroupKFold(folds, shuffle=True, random_state=0).split(Z, groups=patients):
            if len(np.unique(y[train])) < 2:
                continue
            for k, C in enumerate(self.penalties):
                p = self._regress(Z[train], y[train], weight[train], C).predict_proba(Z[test])[:, 1]
                lost[k] -= weight[test] @ np.log(np.clip(np.where(y[test] == 1, p, 1 - p), 1e-12, 1))
        return float(self.penalties[int(np.argmin(lost))])
