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
from itertools import chain, combinations
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.stats import t as student
from threadpoolctl import threadpool_limits

from theracast.checks import listed
from theracast.errors import DataError, ModelError
from theracast.features.matrix import FeatureMatrix
from theracast.features.spec import Feature
from theracast.models.block_margins import BlockMargins
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
from theracast.models.conformal import ConformalSets
from theracast.models.crossfit import cross_fit, enough, margins_each, margins_of, values_of
from theracast.models.experts import EXPERTS, Expert
from theracast.models.logistic import Kinds
from theracast.models.shares import Shares, shares_of

#: Share of the patients of each class whose label set shall hold their label.
SET_LEVEL = 0.9


class Fusion:
    """Late fusion of block experts with intervals over studies.

    Parameters
    ----------
    features : mapping of str to sequence of Feature
        Block name to the features that are read.
    learner : {"logistic", "xgboost"}
        Kind of expert.
    options : mapping, optional
        Options of the expert; a list is a choice that each block makes for itself (`crossfit`).
    tumour_aware : bool, default True
        Whether tumour types have weights and response rates of their own.

    Examples
    --------
    >>> from theracast.features.spec import Feature
    >>> Fusion({"mutations": [Feature("tmb", "mut/Mb", "", scale="log2")]}, "logistic").learner
    'logistic'
    """

    def __init__(
        self,
        features: Mapping[str, Sequence[Feature]],
        learner: str,
        options: Mapping[str, Any] | None = None,
        tumour_aware: bool = True,
    ) -> None:
        self.features = {b: tuple(f) for b, f in features.items()}
        self.learner, self.options, self.tumour_aware = learner, dict(options or {}), tumour_aware
        self.block_margins: BlockMargins | None = None  # models of earlier versions do not know it

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
        tumours, studies = self._tumours(matrix), matrix.studies.to_numpy()
        fits = cross_fit(self.features, self.learner, self.options, matrix, y, tumours)
        self.experts, self.block_margins = fits.experts, BlockMargins.of(fits.unseen, balanced_weights(studies))
        self.combiners = self._combiners(fits.unseen, y, studies, tumours, np.ones(len(y), dtype=bool))
        margins = margins_of(self.experts, matrix, tumours)
        levels = {blocks: c.margin(margins, tumours) for blocks, c in self.combiners.items()}
        self.replicas, seen = [], []
        blind = np.full(len(y), np.nan)
        for k, experts in fits.replicas.items():
            out = fits.folds == k
            combiners = self._combiners(fits.unseen, y, studies, tumours, ~out)
            blind[out] = combine(combiners, fits.unseen[out], tumours[out])
            there = margins_of(experts, matrix, tumours)
            self.replicas.append((experts, recentred(combiners, there, levels, tumours)))
            seen.append(there)
        typical = np.sqrt(self._jackknife(seen, tumours))
        for blocks, combiner in self.combiners.items():
            mine = margins[list(blocks)].notna().all(axis=1).to_numpy()
            self.combiners[blocks] = replace(combiner, error=float(np.nanmedian(typical[mine])))
        known = ~np.isnan(blind)
        # neither the experts nor their weights had seen the study of the patient
        both = len(np.unique(y[known])) == 2
        self.sets = ConformalSets(SET_LEVEL).fit(blind[known], y[known], studies[known]) if both else None

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
        >>> model.fusion_.margin(model.matrix(load_cohort("riaz2017_mel"))).shape
        (51,)
        """
        tumours = Kinds.of(self._tumours(matrix))
        return combine(self.combiners, margins_of(self.experts, matrix, tumours), tumours)

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
        >>> lower, upper = model.fusion_.interval(model.matrix(load_cohort("riaz2017_mel")), 0.9)
        >>> bool((lower <= upper).all())
        True
        """
        return self.estimate(matrix, level)[1:]

    def estimate(self, matrix: FeatureMatrix, level: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Give margin and interval at once: experts and replicas read each block together.

        Parameters
        ----------
        matrix : FeatureMatrix
            Patients.
        level : float
            Coverage aimed at, in (0, 1).

        Returns
        -------
        margin, lower, upper : ndarray of float64, shape (n_patients,)
            Log-odds, as `margin` and `interval` say.

        Examples
        --------
        >>> hasattr(Fusion, "estimate")
        True
        """
        tumours = Kinds.of(self._tumours(matrix))
        known, *others = margins_each([self.experts, *(e for e, _ in self.replicas)], matrix, tumours)
        margin = combine(self.combiners, known, tumours)
        typical = np.full(len(margin), np.nan)
        for blocks, rows in patterns(known.notna()):
            combiner = best_combiner(self.combiners, blocks)
            typical[rows] = combiner.error if combiner else np.nan
        variance = (self._jackknife(others, tumours) + typical**2) / 2
        reach = student.ppf(0.5 + level / 2, 2 * (len(self.replicas) - 1)) * np.sqrt(variance)
        return margin, margin - reach, margin + reach

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
        >>> matrix = model.matrix(load_cohort("riaz2017_mel"))
        >>> base, parts = model.fusion_.split(matrix)
        >>> bool(np.allclose(base + parts.sum(axis=1), model.fusion_.margin(matrix)))
        True
        """
        found = self.shares(matrix)
        return found.base, pd.DataFrame(found.parts, matrix.values.index, list(found.names), copy=False)

    def shares(self, matrix: FeatureMatrix, replica: int | None = None) -> Shares:
        """Give margin and split at once, of the whole or of a replica (fitted without one study).

        Parameters
        ----------
        matrix : FeatureMatrix
            Patients.
        replica : int, optional
            Position among `replicas`.

        Returns
        -------
        Shares
            With a column for each feature of the blocks of the whole; what no training patient had counts for nothing.

        Examples
        --------
        >>> hasattr(Fusion, "shares")
        True
        """
        experts, combiners = (self.experts, self.combiners) if replica is None else self.replicas[replica]
        return shares_of(experts, combiners, matrix, Kinds.of(self._tumours(matrix)), self.experts)

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
        >>> int(model.fit(cohort).fusion_.present(model.matrix(cohort))["clinical"].sum())
        121
        """
        known = {b: values_of(matrix, b, f).notna().to_numpy().any(axis=1) for b, f in self.features.items()}
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
        ['combiners', 'experts', 'features', 'learner', 'options', 'prior', 'replicas', 'sets', 'tumour_aware']
        """
        return {
            "learner": self.learner,
            "options": self.options,
            "tumour_aware": self.tumour_aware,
            "prior": self.prior,
            "sets": self.sets.state() if self.sets else None,
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
        fusion = cls(read, state["learner"], state["options"], state["tumour_aware"])
        fusion.prior = state["prior"]
        fusion.sets = ConformalSets.from_state(state["sets"]) if state["sets"] else None
        fusion.experts, fusion.combiners = fusion._unpack(state)
        fusion.replicas = [fusion._unpack(s) for s in state["replicas"]]
        return fusion

    def _jackknife(self, there: Sequence[pd.DataFrame], tumours: np.ndarray | Kinds) -> np.ndarray:
        margins = [combine(c, m, tumours) for (_, c), m in zip(self.replicas, there, strict=True)]
        return jackknife_variance(np.array(margins))

    def _tumours(self, matrix: FeatureMatrix) -> np.ndarray:
        return matrix.tumours.to_numpy() if self.tumour_aware else np.full(len(matrix.values), "", dtype=object)

    def _unpack(self, state: Mapping[str, Any]) -> tuple[dict[str, Expert], dict[tuple[str, ...], Combiner]]:
        make = EXPERTS[self.learner]
        experts: dict[str, Expert] = {b: make.from_state(s, self.features[b]) for b, s in state["experts"].items()}
        return experts, {c.blocks: c for c in map(Combiner.from_state, state["combiners"])}

    def _combiners(
        self, unseen: pd.DataFrame, y: np.ndarray, studies: np.ndarray, tumours: np.ndarray, rows: np.ndarray
    ) -> dict[tuple[str, ...], Combiner]:
        found = {}
        for blocks in chain.from_iterable(combinations(self.features, k + 1) for k in range(len(self.features))):
            margins = unseen[list(blocks)].to_numpy()
            mine = rows & ~np.isnan(margins).any(axis=1)
            if enough(y[mine]):
                found[blocks] = fit_combiner(blocks, margins[mine], y[mine], studies[mine], tumours[mine])
        return found


def _pack(experts: Mapping[str, Expert], combiners: Mapping[tuple[str, ...], Combiner]) -> dict[str, Any]:
    return {"experts": {b: e.state() for b, e in experts.items()}, "combiners": [c.state() for c in combiners.values()]}
