"""Fusion: one expert per block, combined over the blocks that a patient has.

For each set of blocks that a patient may have, a small logistic model with non-negative weights combines the margins
of their experts. It is fitted on margins for studies that the experts had not seen, so that an expert that does not
travel to a new study gets little weight, and the result is a calibrated probability. A missing block is left out of
the sum: nothing is imputed.

The interval is a jackknife over studies: where the patient would have stood, against the average patient, had any one
study been missing. The average itself, the response rate of the training studies, is an assumption that is stated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.stats import t as student
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits

from theracast.checks import listed
from theracast.errors import DataError, ModelError
from theracast.features.matrix import FeatureMatrix
from theracast.features.spec import Feature
from theracast.models.combiner import (
    Combiner,
    balanced_weights,
    best_combiner,
    combine,
    fit_combiner,
    jackknife_variance,
    patterns,
    recentred,
)
from theracast.models.experts import EXPERTS, Expert

#: Fewest labelled patients, and of each class, on which a combination of blocks is fitted.
_FEWEST = 20
_FEWEST_CLASS = 5


class Fusion:
    """Late fusion of block experts with intervals over studies.

    Parameters
    ----------
    features : mapping of str to sequence of Feature
        Block name to the features that are read.
    learner : {"logistic", "xgboost"}
        Kind of expert.
    options : mapping, optional
        Options of the expert.

    Examples
    --------
    >>> from theracast.features.spec import Feature
    >>> Fusion({"mutations": [Feature("tmb", "mut/Mb", "", scale="log2")]}, "logistic").learner
    'logistic'
    """

    def __init__(
        self, features: Mapping[str, Sequence[Feature]], learner: str, options: Mapping[str, Any] | None = None
    ) -> None:
        self.features = {b: tuple(f) for b, f in features.items()}
        self.learner, self.options = learner, dict(options or {})

    def fit(self, matrix: FeatureMatrix, y: np.ndarray) -> Self:
        """Fit experts, combiners and the replicas without each study.

        Parameters
        ----------
        matrix : FeatureMatrix
            Labelled training patients.
        y : ndarray of 0 and 1
            1 responded.

        Returns
        -------
        self
            Fitted.

        Raises
        ------
        DataError
            THX-D24 when only one class is there.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> from theracast.models.base import ResponseModel
        >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
        >>> model.fusion_.combiners[("mutations",)].n
        119
        """
        if len(np.unique(y)) < 2:
            raise DataError(
                "one class only", code="THX-D24", got=f"{len(y)} patients", wanted="responders and non-responders"
            )
        self.prior = float(np.average(y, weights=balanced_weights(matrix.studies.to_numpy())))
        # a few hundred rows by ten: BLAS threads would spend their time waiting for each other
        with threadpool_limits(limits=1, user_api="blas"):
            self._fit(matrix, y)
        return self

    def _fit(self, matrix: FeatureMatrix, y: np.ndarray) -> None:
        folds = _folds(matrix.studies.to_numpy(), y)
        everything = np.ones(len(y), dtype=bool)
        self.experts = self._experts(matrix, y, everything)
        replicas = {k: self._experts(matrix, y, folds != k) for k in np.unique(folds)}
        unseen = pd.DataFrame(np.nan, index=matrix.values.index, columns=list(self.features))
        for k, experts in replicas.items():
            part = matrix.subset(folds == k)
            unseen.loc[part.values.index] = _margins(experts, part)
        studies = matrix.studies.to_numpy()
        self.combiners = self._combiners(unseen, y, studies, everything)
        margins = _margins(self.experts, matrix)
        self.replicas = []
        for k, experts in replicas.items():
            combiners = self._combiners(unseen, y, studies, folds != k)
            self.replicas.append((experts, recentred(combiners, _margins(experts, matrix), self.combiners, margins)))
        typical = np.sqrt(self._jackknife(matrix))
        for blocks, combiner in self.combiners.items():
            mine = margins[list(blocks)].notna().all(axis=1).to_numpy()
            self.combiners[blocks] = replace(combiner, error=float(np.nanmedian(typical[mine])))

    def margin(self, matrix: FeatureMatrix) -> np.ndarray:
        """Log-odds of response from the blocks each patient has.

        Parameters
        ----------
        matrix : FeatureMatrix
            Patients.

        Returns
        -------
        ndarray of float64, shape (n_patients,)
            NaN where no block is known.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> from theracast.models.base import ResponseModel
        >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
        >>> model.fusion_.margin(model.assembler_.matrix(load_cohort("riaz2017_mel"))).shape
        (51,)
        """
        return combine(self.combiners, _margins(self.experts, matrix))

    def interval(self, matrix: FeatureMatrix, level: float) -> tuple[np.ndarray, np.ndarray]:
        """Jackknife interval over studies, on the log-odds.

        A handful of studies gives a variance by luck near zero now and then; it is averaged with that of the typical
        training patient, in the manner of Smyth's moderated t (DOI 10.2202/1544-6115.1027).

        Parameters
        ----------
        matrix : FeatureMatrix
            Patients.
        level : float
            Coverage aimed at, in (0, 1).

        Returns
        -------
        lower, upper : ndarray of float64, shape (n_patients,)
            Log-odds.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> from theracast.models.base import ResponseModel
        >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
        >>> lower, upper = model.fusion_.interval(model.assembler_.matrix(load_cohort("riaz2017_mel")), 0.9)
        >>> bool((lower <= upper).all())
        True
        """
        margin = self.margin(matrix)
        typical = np.full(len(margin), np.nan)
        for blocks, rows in patterns(_margins(self.experts, matrix).notna()):
            combiner = best_combiner(self.combiners, blocks)
            typical[rows] = combiner.error if combiner else np.nan
        variance = (self._jackknife(matrix) + typical**2) / 2
        reach = student.ppf(0.5 + level / 2, 2 * (len(self.replicas) - 1)) * np.sqrt(variance)
        return margin - reach, margin + reach

    def split(self, matrix: FeatureMatrix) -> tuple[np.ndarray, pd.DataFrame]:
        """Split each margin exactly into one contribution per feature.

        Parameters
        ----------
        matrix : FeatureMatrix
            Patients.

        Returns
        -------
        base : ndarray of float64, shape (n_patients,)
            Log-odds before any feature is read, given the blocks the patient has.
        contributions : DataFrame of float64, shape (n_patients, n_features)
            Log-odds; ``base + contributions.sum(axis=1)`` is `margin`.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> from theracast.models.base import ResponseModel
        >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
        >>> matrix = model.assembler_.matrix(load_cohort("riaz2017_mel"))
        >>> base, parts = model.fusion_.split(matrix)
        >>> bool(np.allclose(base + parts.sum(axis=1), model.fusion_.margin(matrix)))
        True
        """
        weights, base = self._weights(matrix)
        parts = []
        for b, expert in self.experts.items():
            block = _block(matrix, b, expert.features)
            level, shares = expert.split(block)
            weight = weights[b].to_numpy()
            base = base + weight * level
            parts.append(pd.DataFrame(shares * weight[:, None], index=block.index, columns=block.columns))
        shares = pd.concat(parts, axis=1)
        mine = [c for c in matrix.values if c.split("__", 1)[0] in self.experts]
        return base, shares.reindex(columns=mine, fill_value=0.0)  # what no training patient had counts for nothing

    def present(self, matrix: FeatureMatrix) -> pd.DataFrame:
        """Say of which blocks each patient has something that the model reads.

        Parameters
        ----------
        matrix : FeatureMatrix
            Patients.

        Returns
        -------
        DataFrame of bool, shape (n_patients, n_blocks)
            Indexed by patient.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> from theracast.models.base import ResponseModel
        >>> model, cohort = ResponseModel("melanoma_ici"), load_cohort("liu2019_mel")
        >>> int(model.fit(cohort).fusion_.present(model.assembler_.matrix(cohort))["clinical"].sum())
        121
        """
        known = {b: _block(matrix, b, f).notna().any(axis=1) for b, f in self.features.items()}
        return pd.DataFrame(known, index=matrix.values.index)

    def state(self) -> dict[str, Any]:
        """Return everything that was learned, JSON-ready.

        Returns
        -------
        dict
            Experts, combiners and replicas.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> from theracast.models.base import ResponseModel
        >>> sorted(ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel")).fusion_.state())
        ['combiners', 'experts', 'features', 'learner', 'options', 'prior', 'replicas']
        """
        return {
            "learner": self.learner,
            "options": self.options,
            "prior": self.prior,
            "features": {b: [f.name for f in features] for b, features in self.features.items()},
            **_pack(self.experts, self.combiners),
            "replicas": [_pack(e, c) for e, c in self.replicas],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], features: Mapping[str, Sequence[Feature]]) -> Self:
        """Rebuild a fusion.

        Parameters
        ----------
        state : mapping
            From `state`.
        features : mapping of str to sequence of Feature
            Block name to what the block gives; those that the model reads are taken by name.

        Returns
        -------
        Fusion
            Gives the same numbers.

        Raises
        ------
        ModelError
            THX-R06 when a block no longer gives a feature that the model reads.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> from theracast.models.base import ResponseModel
        >>> one = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel")).fusion_
        >>> Fusion.from_state(one.state(), one.features).prior == one.prior
        True
        """
        given = {b: {f.name: f for f in found} for b, found in features.items()}
        lost = [f"{b}__{n}" for b, names in state["features"].items() for n in names if n not in given.get(b, {})]
        if lost:
            raise ModelError(
                "the model reads features that this version does not give",
                code="THX-R06",
                got=listed(lost),
                fix="Install the theracast version that wrote it, or train again.",
            )
        read = {b: [given[b][n] for n in state["features"][b]] for b in features}
        fusion = cls(read, state["learner"], state["options"])
        fusion.prior = state["prior"]
        fusion.experts, fusion.combiners = fusion._unpack(state)
        fusion.replicas = [fusion._unpack(s) for s in state["replicas"]]
        return fusion

    def _jackknife(self, matrix: FeatureMatrix) -> np.ndarray:
        return jackknife_variance(np.array([combine(c, _margins(e, matrix)) for e, c in self.replicas]))

    def _unpack(self, state: Mapping[str, Any]) -> tuple[dict[str, Expert], dict[tuple[str, ...], Combiner]]:
        make = EXPERTS[self.learner]
        experts: dict[str, Expert] = {b: make.from_state(s, self.features[b]) for b, s in state["experts"].items()}
        combiners = [
            Combiner(**{**c, "blocks": tuple(c["blocks"]), "weights": tuple(c["weights"])}) for c in state["combiners"]
        ]
        return experts, {c.blocks: c for c in combiners}

    def _experts(self, matrix: FeatureMatrix, y: np.ndarray, rows: np.ndarray) -> dict[str, Expert]:
        present = self.present(matrix)
        experts: dict[str, Expert] = {}
        for b, features in self.features.items():
            mine = rows & present[b].to_numpy()
            if not _enough(y[mine]):
                continue
            weights = balanced_weights(matrix.studies.to_numpy()[mine])
            expert = EXPERTS[self.learner](features, **self.options)
            block = _block(matrix, b, features)[mine]
            experts[b] = expert.fit(block, y[mine], weights, matrix.studies.to_numpy()[mine])
        return experts

    def _combiners(
        self, unseen: pd.DataFrame, y: np.ndarray, studies: np.ndarray, rows: np.ndarray
    ) -> dict[tuple[str, ...], Combiner]:
        found = {}
        for size in range(1, len(self.features) + 1):
            for blocks in combinations(self.features, size):
                margins = unseen[list(blocks)].to_numpy()
                mine = rows & ~np.isnan(margins).any(axis=1)
                if _enough(y[mine]):
                    found[blocks] = fit_combiner(blocks, margins[mine], y[mine], studies[mine])
        return found

    def _weights(self, matrix: FeatureMatrix) -> tuple[pd.DataFrame, np.ndarray]:
        """Give each patient the weights of the largest set of blocks that was fitted."""
        known = _margins(self.experts, matrix).notna()
        weights = pd.DataFrame(0.0, index=known.index, columns=list(self.experts))
        intercept = np.full(len(known), np.nan)
        for blocks, rows in patterns(known):
            combiner = best_combiner(self.combiners, blocks)
            if combiner:
                weights.loc[known.index[rows], list(combiner.blocks)] = combiner.weights
                intercept[rows] = combiner.intercept
        return weights, intercept


def _enough(y: np.ndarray) -> bool:
    return len(y) >= _FEWEST and min(y.sum(), len(y) - y.sum()) >= _FEWEST_CLASS


def _folds(studies: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Whole studies, or five stratified parts where there is one study only, large enough to be parted."""
    if len(np.unique(studies)) > 1 or not _enough(y):
        return np.unique(studies, return_inverse=True)[1]
    folds = np.zeros(len(y), dtype=int)
    for k, (_, test) in enumerate(StratifiedKFold(5, shuffle=True, random_state=0).split(np.zeros(len(y)), y)):
        folds[test] = k
    return folds


def _margins(experts: Mapping[str, Expert], matrix: FeatureMatrix) -> pd.DataFrame:
    out = pd.DataFrame(np.nan, index=matrix.values.index, columns=list(matrix.blocks))
    for b, expert in experts.items():
        block = _block(matrix, b, expert.features)
        base, shares = expert.split(block)
        # row by row in memory, or numpy adds one patient in another order than fifty, and the last bit differs
        out[b] = np.where(block.notna().any(axis=1), base + np.ascontiguousarray(shares).sum(axis=1), np.nan)
    return out


def _block(matrix: FeatureMatrix, name: str, features: Sequence[Feature]) -> pd.DataFrame:
    """Return what a model reads of one block."""
    return matrix.values[[f"{name}__{f.name}" for f in features]]


def _pack(experts: Mapping[str, Expert], combiners: Mapping[tuple[str, ...], Combiner]) -> dict[str, Any]:
    return {"experts": {b: e.state() for b, e in experts.items()}, "combiners": [vars(c) for c in combiners.values()]}
