"""Conformal sets of labels for patients of a cohort that no one has seen.

Cohorts differ in response rate, so each label is judged against the calibration patients who carry it:
label-conditional (Mondrian) conformal prediction, Vovk 2013, DOI 10.1007/s10994-013-5355-6. How many respond at a new
site then does not matter. Patients of one cohort resemble each other, so each cohort counts the same: CDF pooling for
two-layer data, Dunn, Wasserman and Ramdas 2022, DOI 10.1080/01621459.2022.2060112. Coverage is meant over cohorts: one
whose margins have drifted lies above or below the level, and `coverage_table` shows which.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from theracast.errors import DataError, UsageError
from theracast.models.estimates import read_cohorts, read_columns

#: What a set may say.
SETS = ("no_response", "response", "both")


class ConformalSets:
    """Sets that hold the true label with a stated probability, in each class.

    Parameters
    ----------
    level : float, default 0.9
        Share of the patients of each class whose set shall hold their label, in (0, 1).

    Attributes
    ----------
    scores : list of ndarray of float64
        For no response and response, the calibration margins in ascending order.
    weights : list of ndarray of float64
        Their weights. They sum to Kish's effective number of patients, and the new patient weighs 1: with one cohort
        this is the textbook p-value, ``(1 + as strange or stranger) / (1 + n)``.

    Examples
    --------
    >>> one = ConformalSets(0.75).fit([-2, -1, 0, 1, 0, 1, 2, 3], [0, 0, 0, 0, 1, 1, 1, 1], ["a"] * 8)
    >>> one.sets([-1.0, 0.5, 2.5]).tolist()
    ['no_response', 'both', 'response']
    """

    def __init__(self, level: float = 0.9) -> None:
        if not 0 < level < 1:
            raise UsageError("the level of a set lies between 0 and 1", got=str(level))
        self.level = level
        self.scores: list[np.ndarray] = []
        self.weights: list[np.ndarray] = []

    def fit(self, margin: ArrayLike, y: ArrayLike, cohorts: ArrayLike) -> Self:
        """Keep the margins of patients whose whole cohort the model had not seen.

        Parameters
        ----------
        margin : array-like of shape (n_patients,)
            Log-odds of response, each by a model (experts and their combination) fitted without the patient's cohort.
        y : array-like of 0 and 1, shape (n_patients,)
            1 responded.
        cohorts : array-like of str, shape (n_patients,)
            Cohort of each patient.

        Returns
        -------
        self
            Fitted.

        Raises
        ------
        DataError
            THX-D24 when a class is missing; also on missing values and unequal lengths.

        Examples
        --------
        >>> ConformalSets().fit([0.1, -0.2, 0.4], [1, 0, 1], ["a", "a", "b"]).scores[1].tolist()
        [0.1, 0.4]
        """
        values, truth = read_columns(margin=margin, y=y)
        names = read_cohorts(cohorts, values.size)
        if len(np.unique(truth)) < 2:
            raise DataError(
                "one class only",
                code="THX-D24",
                got=f"{values.size} calibration patients",
                wanted="responders and non-responders: each label has a calibration of its own",
            )
        self.scores, self.weights = [], []
        for label in (0, 1):
            mine = truth == label
            order = np.argsort(values[mine], kind="stable")
            self.scores.append(values[mine][order])
            self.weights.append(_balanced(names[mine])[order])
        return self

    def p_values(self, margin: ArrayLike) -> np.ndarray:
        """Say how usual each margin would be among the patients of each class.

        Parameters
        ----------
        margin : array-like of shape (n_patients,)
            Log-odds of response by the model that saw every cohort; NaN where nothing is known.

        Returns
        -------
        ndarray of float64, shape (n_patients, 2)
            For no response (small when the margin is high for a non-responder) and response (small when it is low for
            a responder), in (0, 1]; NaN where the margin is.

        Raises
        ------
        UsageError
            Before `fit`.

        Examples
        --------
        >>> ConformalSets().fit([-1, 0, 1, 2], [0, 0, 1, 1], ["a"] * 4).p_values([0.5]).round(2).tolist()
        [[0.33, 0.33]]
        """
        if not self.scores:
            raise UsageError("the conformal sets are not calibrated", fix="Call fit first.")
        values = np.asarray(margin, dtype=np.float64)
        above = self.weights[0].sum() - np.concatenate([[0.0], np.cumsum(self.weights[0])])
        below = np.concatenate([[0.0], np.cumsum(self.weights[1])])
        no = 1.0 + above[np.searchsorted(self.scores[0], values, side="left")]
        yes = 1.0 + below[np.searchsorted(self.scores[1], values, side="right")]
        p = np.column_stack([no / (1.0 + self.weights[0].sum()), yes / (1.0 + self.weights[1].sum())])
        p[np.isnan(values)] = np.nan
        return np.clip(p, 0.0, 1.0)

    def sets(self, margin: ArrayLike) -> np.ndarray:
        """Give the labels that cannot be excluded.

        Read from a margin, an empty set could only mean that the classes part so well that 90% of each leave a gap
        between them. It says nothing of the domain, so the likelier label is kept: coverage can only rise.

        Parameters
        ----------
        margin : array-like of shape (n_patients,)
            As in `p_values`.

        Returns
        -------
        ndarray of str, shape (n_patients,)
            ``no_response``, ``response`` or ``both`` (nothing can be excluded; also where the margin is NaN, and for
            everyone where the calibration has too few patients of a class for the level).

        Raises
        ------
        UsageError
            Before `fit`.

        Examples
        --------
        >>> ConformalSets(0.5).fit([-1, 0, 1, 2], [0, 0, 1, 1], ["a"] * 4).sets([0.4, -1, float("nan")]).tolist()
        ['both', 'no_response', 'both']
        """
        return np.array(SETS)[self.which(margin)]

    def which(self, margin: ArrayLike) -> np.ndarray:
        """Give the sets as positions in `SETS`.

        Parameters
        ----------
        margin : array-like of shape (n_patients,)
            As in `p_values`.

        Returns
        -------
        ndarray of int, shape (n_patients,)
            As `sets` has them.

        Raises
        ------
        UsageError
            Before `fit`.

        Examples
        --------
        >>> ConformalSets(0.5).fit([-1, 0, 1, 2], [0, 0, 1, 1], ["a"] * 4).which([0.4, -1, float("nan")]).tolist()
        [2, 0, 2]
        """
        p = self.p_values(margin)
        # 1 - 0.9 is a little less than 0.1
        inside = p > 1.0 - self.level + 1e-9
        inside |= np.isnan(p)
        none = ~inside.any(axis=1)
        inside[none] = p[none] == p[none].max(axis=1, keepdims=True)
        return np.where(inside.all(axis=1), 2, inside[:, 1].astype(int))

    def state(self) -> dict[str, Any]:
        """Return the calibration, JSON-ready.

        Returns
        -------
        dict
            ``level``, ``scores`` and ``weights``.

        Examples
        --------
        >>> ConformalSets().fit([0, 1], [0, 1], ["a", "a"]).state()["weights"]
        [[1.0], [1.0]]
        """
        return {
            "level": self.level,
            "scores": [s.tolist() for s in self.scores],
            "weights": [w.tolist() for w in self.weights],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild from `state`.

        Parameters
        ----------
        state : mapping
            From `state`.

        Returns
        -------
        ConformalSets
            Gives the same sets.

        Examples
        --------
        >>> one = ConformalSets(0.8).fit([0, 1], [0, 1], ["a", "a"])
        >>> ConformalSets.from_state(one.state()).level
        0.8
        """
        made = cls(state["level"])
        made.scores = [np.asarray(s, dtype=np.float64) for s in state["scores"]]
        made.weights = [np.asarray(w, dtype=np.float64) for w in state["weights"]]
        return made


def coverage_table(predictions: pd.DataFrame, level: float = 0.9) -> pd.DataFrame:
    """Hold the sets against the labels, cohort by cohort.

    Parameters
    ----------
    predictions : DataFrame
        One row per labelled patient: ``cohort``, ``y`` (1 responded) and ``set`` as in `ConformalSets.sets`, from a
        model and a calibration that had not seen the cohort.
    level : float, default 0.9
        Coverage aimed at.

    Returns
    -------
    DataFrame
        One row per cohort: ``n``; ``coverage`` and that among responders and non-responders; ``se``, the binomial
        standard error of the coverage, were it the level; ``abstained``, the share whose set is not single;
        ``right_when_single``; ``holds``, whether coverage is no more than two standard errors below the level, and
        ``within``, whether it is no more than two off on either side. NaN where no one is to be counted.

    Raises
    ------
    DataError
        On unknown sets, and labels that are not 0 and 1.

    Examples
    --------
    >>> p = pd.DataFrame({"cohort": "a", "y": [0, 1, 1], "set": ["both", "response", "no_response"]})
    >>> coverage_table(p)[["coverage", "abstained", "holds"]].round(2).values.tolist()
    [[0.67, 0.33, True]]
    """
    (y,) = read_columns(y=predictions["y"])
    said = predictions["set"].astype(str).to_numpy()
    if not np.isin(said, SETS).all():
        raise DataError("holds other sets than are known", where="set", wanted=", ".join(SETS))
    both = said == "both"
    hit = pd.Series(both | (said == np.where(y == 1, "response", "no_response")), index=predictions.index, dtype=float)
    cohort = predictions["cohort"]
    rows = pd.DataFrame(
        {
            "coverage": hit,
            "coverage_response": hit.where(y == 1),
            "coverage_no_response": hit.where(y == 0),
            "abstained": both.astype(float),
            "right_when_single": hit.where(~both),
        }
    )
    grouped = rows.groupby(cohort, sort=False)
    table = grouped.mean()
    table.insert(0, "n", grouped.size())
    table.insert(2, "se", np.sqrt(level * (1.0 - level) / table["n"]))
    off = (table["coverage"] - level) / table["se"]
    return table.assign(holds=off >= -2.0 - 1e-9, within=off.abs() <= 2.0 + 1e-9).reset_index()


def _balanced(cohorts: np.ndarray) -> np.ndarray:
    """Weigh each cohort the same; the weights sum to Kish's effective number, ``sum(w)^2 / sum(w^2)``."""
    _, inverse, counts = np.unique(cohorts, return_inverse=True, return_counts=True)
    weights = 1.0 / counts[inverse]
    return weights * (weights.sum() / (weights**2).sum())
