"""ResponseModel: patients' tables in, calibrated probabilities with intervals and abstentions out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from theracast.errors import DataError
from theracast.features.assembler import FeatureAssembler
from theracast.features.cohort import Cohort, as_cohort
from theracast.features.matrix import FeatureMatrix
from theracast.features.remarks import together
from theracast.features.tumours import COARSE, UNLISTED
from theracast.models.combiner import patterns
from theracast.models.conformal import SETS
from theracast.models.fusion import SET_LEVEL, Fusion
from theracast.models.indications import INDICATIONS
from theracast.models.recalibration import AS_TRAINED, Recalibration
from theracast.models.spec import ResponseSpec
from theracast.texts import Texts

#: Coverage that the interval aims at.
LEVEL = 0.8
#: How the reason begins of a patient who is none of those that the model was made for.
OUTSIDE = "out of domain"
#: A feature that is the same for all of this many patients of a study was not measured in each of them.
_CONSTANT_N = 20
_QUANTILES = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True)
class Response:
    """What the model says of each patient.

    Attributes
    ----------
    table : DataFrame, indexed by patient id
        ``probability``, ``lower``, ``upper`` in [0, 1] (higher = more likely to respond; NaN when nothing is known),
        ``set`` (``response``, ``no_response`` or ``both``: the labels that a 90% conformal set cannot exclude),
        ``decision`` (``response``, ``no_response``, ``abstain``), ``reason`` (why it abstains, or empty),
        ``blocks_used``, ``blocks_missing`` (comma-separated), and ``coverage_<block>`` in [0, 1].

    Examples
    --------
    >>> Response(pd.DataFrame({"decision": ["abstain"]})).table.decision.tolist()
    ['abstain']
    """

    table: pd.DataFrame


class ResponseModel(ClassifierMixin, BaseEstimator):
    """Probability of response for one indication, from raw tables, tolerant of missing blocks.

    Parameters
    ----------
    indication : str
        Name in `theracast.models.indications.INDICATIONS`.
    learner : {"logistic", "xgboost"}, default "logistic"
        Kind of expert per block.
    blocks : sequence of str, optional
        Blocks to use; those of the indication by default.
    options : mapping, optional
        Options of the expert, such as ``{"C": 0.1}``; a list is a choice that each block makes for itself on studies
        left out.
    tumour_aware : bool, default True
        Whether tumour types have weights and response rates of their own.

    Attributes
    ----------
    assembler_ : FeatureAssembler
        Fitted blocks.
    fusion_ : Fusion
        Fitted experts and combiners.
    reference_ : dict of str to list of float
        101 quantiles of each feature among the labelled training patients, in native units.
    studies_ : tuple of str
        The studies it was trained on.
    tumours_ : tuple of str
        The tumour types it was trained on.
    classes_ : ndarray
        ``[0, 1]``; 1 responded.
    digests_ : frozenset of str
        Digests of the labelled rows it was fitted on; not kept with the model, they are of patients.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
    >>> model.predict_proba(load_cohort("riaz2017_mel")).shape
    (51, 2)
    """

    def __init__(
        self,
        indication: str = "melanoma_ici",
        learner: str = "logistic",
        blocks: tuple[str, ...] | None = None,
        options: Mapping[str, Any] | None = None,
        tumour_aware: bool = True,
    ) -> None:
        self.indication, self.learner, self.blocks, self.options = indication, learner, blocks, options
        self.tumour_aware = tumour_aware

    @property
    def spec(self) -> ResponseSpec:
        """What is predicted, for whom.

        Returns
        -------
        ResponseSpec
            Of the indication.

        Examples
        --------
        >>> ResponseModel("melanoma_ici").spec.name
        'melanoma_ici'
        """
        return INDICATIONS[self.indication]

    def fit(self, X: Cohort | pd.DataFrame, y: np.ndarray | None = None) -> Self:
        """Learn from labelled patients; those without a label only help to place proxies.

        Parameters
        ----------
        X : Cohort or wide DataFrame
            Training patients; `Cohort.studies` are the folds.
        y : ndarray of 0, 1 and NaN, optional
            1 responded; the cohort's own ``response`` by default.

        Returns
        -------
        self
            Fitted.

        Raises
        ------
        DataError
            THX-D24 when a class is missing, or labels are not 0, 1 and NaN.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> ResponseModel(learner="xgboost").fit(load_cohort("liu2019_mel")).classes_.tolist()
        [0, 1]
        """
        cohort = as_cohort(X)
        labels = cohort.response.to_numpy() if y is None else np.asarray(y, dtype=np.float64)
        if len(labels) != len(cohort):
            raise DataError(
                "labels and patients differ in number", code="THX-D24", got=f"{len(labels)} and {len(cohort)}"
            )
        if not np.isin(labels[~np.isnan(labels)], (0, 1)).all():
            raise DataError("labels are something else than 0 and 1", code="THX-D24", wanted="1 responded, 0 did not")
        blocks = self.blocks or self.spec.blocks
        self.assembler_ = FeatureAssembler(blocks).fit(cohort)
        known = ~np.isnan(labels)
        labelled = self.matrix(cohort).subset(known)
        self.digests_ = frozenset(labelled.digests)
        matrix = _measured(labelled)
        # what no training patient had has no weight: a model of it would be of chance
        seen = matrix.observed.any()
        fitted = self.assembler_.blocks_
        read = {b.spec.name: [f for f, n in zip(b.outputs(), b.names, strict=True) if seen[n]] for b in fitted}
        self.fusion_ = Fusion(read, self.learner, self.options, self.tumour_aware)
        self.fusion_.fit(matrix, labels[known].astype(int))
        self.reference_ = {
            name: np.quantile(values.dropna(), _QUANTILES).tolist()
            for name, values in matrix.values.items()
            if values.notna().any()
        }
        self.studies_ = tuple(sorted(set(matrix.studies)))
        self.tumours_ = tuple(sorted(set(matrix.tumours) - {""}))
        self.classes_ = np.array([0, 1])
        return self

    def matrix(self, X: Cohort | pd.DataFrame, checked: bool = False) -> FeatureMatrix:
        """Measure patients as the model reads them.

        Parameters
        ----------
        X : Cohort or wide DataFrame
            Patients.
        checked : bool, default False
            Whether the tables were checked already.

        Returns
        -------
        FeatureMatrix
            A patient of whom no tumour type is written is taken to be of the model's one population, if it has one,
            and a note says so.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
        >>> wide = pd.DataFrame({"clinical:age": [61.0]}, index=["p1"])
        >>> model.matrix(wide).notes["p1"]
        ['tumour type is not given: taken to be melanoma']
        """
        matrix = self.assembler_.matrix(X, checked=checked)
        if len(self.spec.tumours) != 1:
            return matrix
        (only,) = self.spec.tumours
        tumours, notes = matrix.tumours.copy(), together(matrix.values.index, [matrix.notes])
        untold = (tumours == "").to_numpy(copy=True)
        which, kinds = notes.take(untold).grouped()
        untold[untold] = np.array([not _unclear(lines) for lines in kinds], dtype=bool)[which]
        if not untold.any():
            return matrix
        tumours[untold] = only
        notes.add(untold, f"tumour type is not given: taken to be {only}")
        return replace(matrix, tumours=tumours, notes=notes)

    def respond(self, X: Cohort | pd.DataFrame | FeatureMatrix, site: Recalibration = AS_TRAINED) -> Response:
        """Predict with interval, decision and reason.

        The decision is the one label that the 90% conformal set leaves. The model abstains when the set holds both,
        when no core block is known, when a block covers less than it was tested with, and when the tumour type is
        outside what it was made for or trained on; the probability is given all the same.

        Parameters
        ----------
        X : Cohort, wide DataFrame or FeatureMatrix
            Patients.
        site : Recalibration, optional
            What is known of the site, such as its response rate; that of the training studies is assumed otherwise.
            It moves probabilities and intervals, not the sets, which hold at any rate.

        Returns
        -------
        Response
            One row per patient.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
        >>> model.respond(load_cohort("riaz2017_mel")).table.shape[0]
        51
        """
        check_is_fitted(self)
        matrix = X if isinstance(X, FeatureMatrix) else self.matrix(X)
        index = matrix.values.index
        margin, lower, upper = self.fusion_.estimate(matrix, LEVEL)
        sets = self.fusion_.sets
        said = Texts(sets.which(margin) if sets else np.full(len(index), SETS.index("both")), SETS)
        present = self.fusion_.present(matrix)
        reasons = self._reasons(matrix, present, np.isnan(margin), said.isin({"both"}))
        abstains = ~reasons.isin({""})
        used, missing = np.empty(len(index), dtype=np.intp), list[tuple[str, str]]()
        for blocks, rows in patterns(present):  # few sets of blocks, however many patients
            used[rows] = len(missing)
            missing.append((",".join(blocks), ",".join(b for b in present.columns if b not in blocks)))
        texts = {
            "set": said,
            "decision": Texts(np.where(abstains, len(SETS), said.codes), (*SETS, "abstain")),
            "reason": reasons,
            "blocks_used": Texts(used, tuple(b for b, _ in missing)),
            "blocks_missing": Texts(used, tuple(b for _, b in missing)),
        }
        table = pd.DataFrame(
            {name: expit(site.apply(m)) for name, m in (("probability", margin), ("lower", lower), ("upper", upper))}
            | {name: column.series(index) for name, column in texts.items()}
            | {f"coverage_{name}": share.to_numpy() for name, share in matrix.coverage.items()},
            index=index,
        )
        return Response(table)

    def predict_proba(self, X: Cohort | pd.DataFrame) -> np.ndarray:
        """Probability of each class.

        Parameters
        ----------
        X : Cohort or wide DataFrame
            Patients.

        Returns
        -------
        ndarray of shape (n_patients, 2)
            No response, response; NaN where nothing is known.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
        >>> float(model.predict_proba(load_cohort("riaz2017_mel")).sum(axis=1).max().round(6))
        1.0
        """
        check_is_fitted(self)
        p = expit(self.fusion_.margin(self.matrix(X)))
        return np.column_stack([1.0 - p, p])

    def predict(self, X: Cohort | pd.DataFrame) -> np.ndarray:
        """Say 1 where response is likelier than in the average training patient.

        Parameters
        ----------
        X : Cohort or wide DataFrame
            Patients.

        Returns
        -------
        ndarray of int, shape (n_patients,)
            0 also where nothing is known; `respond` tells the two apart.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
        >>> set(model.predict(load_cohort("riaz2017_mel")).tolist()) <= {0, 1}
        True
        """
        return (self.predict_proba(X)[:, 1] >= self.fusion_.prior).astype(int)

    def _reasons(self, matrix: FeatureMatrix, present: pd.DataFrame, unknown: np.ndarray, both: np.ndarray) -> Texts:
        """Say why each patient gets no decision; the empty string where there is none. The gravest is said."""
        codes, cells = np.zeros(len(present), dtype=np.intp), [""]

        def say(rows: np.ndarray, why: str) -> None:
            codes[rows] = len(cells)
            cells.append(why)

        say(both, f"the evidence does not separate: the {SET_LEVEL:.0%} set holds both answers")
        core = [b for b in self.spec.core if b in present]
        without = ~present[core].to_numpy().any(axis=1)
        for b, least in self.spec.min_coverage.items():
            if b in matrix.coverage:
                share = matrix.coverage[b].to_numpy()
                thin = (share > 0) & (share < least)
                for s in np.unique(share[thin]):
                    say(share == s, f"{b} covers {s:.0%} of what the model reads; tested with {least:.0%} or more")
                without &= ~thin
        say(without, f"none of {', '.join(self.spec.core)} is known")
        say(unknown, "nothing the model reads is known")
        made_for = self.spec.tumours or self.tumours_
        tumours = Texts.of(matrix.tumours)
        for k, tumour in enumerate(tumours.cells):
            if tumour and tumour not in made_for:
                why = f"{OUTSIDE}: the tumour type is {tumour}, the model is of {', '.join(made_for)}"
                say(tumours.codes == k, why)
        silent = np.flatnonzero(tumours.isin({""}))
        which, kinds = together(matrix.values.index, [matrix.notes]).take(silent).grouped()
        for k, lines in enumerate(kinds):
            note = _unclear(lines)
            # 'lung' is one of several trained types to a model of many, and foreign to a model of one
            if note.startswith(UNLISTED) or (note and self.spec.tumours):
                say(silent[which == k], f"{OUTSIDE}: {note}")
        return Texts(codes, tuple(cells))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "fusion_")


def _unclear(lines: Sequence[str]) -> str:
    """Find the note of a patient whose tumour type is written, but is none that is known here."""
    return next((n for n in lines if n.startswith((UNLISTED, COARSE))), "")


def _measured(matrix: FeatureMatrix) -> FeatureMatrix:
    """Forget what is the same for everyone in a study: it was filled in, or says nothing within the study.

    Two public cohorts have one albumin and one neutrophil-to-lymphocyte ratio for all their patients.
    """
    values = matrix.values.copy()
    for study in matrix.studies.unique():
        mine = (matrix.studies == study).to_numpy()
        part = values[mine]
        if len(part) >= _CONSTANT_N:
            values.loc[mine, part.columns[(part.min() == part.max()).to_numpy()]] = np.nan
    return replace(matrix, values=values)
