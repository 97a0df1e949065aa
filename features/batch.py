"""ComBat that is fitted on training patients and then applied, to a crowd or to one patient.

The published libraries are transductive: they change a whole table at once, so that a test patient's values depend on
the other test patients and, worse, the training data on the test patients. Here the location and scale of each batch
are learned from the training rows and kept. On the rows it was fitted on the result is that of R's ``sva::ComBat``.
"""

from __future__ import annotations

import copy
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from theracast.checks import listed
from theracast.errors import DataError, UsageError
from theracast.features.batch_design import as_batches, design_of, least_squares, read_covariates, shrink

#: Patients without whom a new site is not adapted to: the scale of ten has a standard error of 24%.
LEAST = 10


class ComBat(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Take location and scale of batches out of a table, with parameters shrunk over its features.

    Give values on a scale on which differences mean the same, such as log2(TPM+1). What the batches differ in by
    biology goes too, unless it is told as a covariate; the outcome must never be one. A batch stands for a site, a
    platform or a run.

    Parameters
    ----------
    reference : str, optional
        Batch whose values stay as they are and to which the others are brought; the mean of all by default. With a
        reference, new sites can be adapted to later.
    parametric : bool, default True
        Normal and inverse gamma priors; else the empirical prior, which costs the square of the number of features.

    Attributes
    ----------
    batches_ : list of str
        The batches known, sorted.
    unadjusted_ : dict of str to list of int
        Per batch, the columns that stay as they are: constant, or fewer than two values, in some batch.

    References
    ----------
    Johnson, Li and Rabinovic 2007, DOI 10.1093/biostatistics/kxj037; ``sva`` 3.46 for the order of steps. Unlike
    there, the pooled variance of a feature with missing values is its mean squared residual, as that of the others is.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> X = rng.normal(size=(40, 5))
    >>> site = np.repeat(["a", "b"], 20)
    >>> X[20:] = 2.0 * X[20:] + 3.0
    >>> combat = ComBat(reference="a").fit(X, batch=site)
    >>> bool(abs(combat.transform(X, batch=site)[20:].mean() - X[:20].mean()) < 0.1)
    True
    """

    def __init__(self, reference: str | None = None, parametric: bool = True) -> None:
        self.reference = reference
        self.parametric = parametric

    def fit(self, X: Any, y: object = None, *, batch: Any = None, covariates: Any = None) -> Self:
        """Learn location and scale of each batch from training patients.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n_training, n_features)
            Numbers; NaN is missing, infinity is refused.
        y : ignored
            For scikit-learn.
        batch : array-like of shape (n_training,), optional
            Batch of each patient; all are of one by default, and nothing is adjusted.
        covariates : DataFrame or ndarray of shape (n_training, n_covariates), optional
            What must be kept, known for every patient: numbers, or words.

        Returns
        -------
        self
            Fitted.

        Raises
        ------
        DataError
            A batch of one patient; batches that the covariates tell apart.
        UsageError
            When the reference is not among the batches.

        Examples
        --------
        >>> ComBat().fit(np.eye(4), batch=["a", "a", "b", "b"]).batches_
        ['a', 'b']
        """
        values = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan")
        batches = as_batches(batch, len(values))
        self.batches_ = sorted(set(batches))
        counts = {b: int((batches == b).sum()) for b in self.batches_}
        if self.reference is not None and self.reference not in counts:
            raise UsageError("the reference is not among the batches", wanted=f"one of {listed(self.batches_)}")
        alone = [b for b, n in counts.items() if n < 2]
        if alone and len(counts) > 1:
            raise DataError(
                "batches of one patient have no scale",
                code="THX-D25",
                got=f"{len(alone)} batches",
                fix="Leave them out.",
            )
        # a single batch is its own reference: nothing moves, and others can be adapted to it
        self.reference_ = self.reference if len(counts) > 1 else self.batches_[0]
        extra, self.covariates_ = read_covariates(covariates, len(values))
        design = design_of(batches, self.batches_, extra)
        coefficients, fits = least_squares(values, design)
        for b in self.batches_:
            fits &= _varies(values[batches == b])
        weights = [float(b == self.reference_) if self.reference_ else n / len(values) for b, n in counts.items()]
        coefficients[:, ~fits] = 0.0
        mean = np.array(weights) @ coefficients[: len(weights)]
        residuals = values - design @ coefficients
        spread = np.sqrt(_mean_squares(residuals[batches == self.reference_] if self.reference_ else residuals))
        fits &= spread > 0
        self.mean_ = np.where(fits, mean, 0.0).tolist()
        self.spread_ = np.where(fits, spread, 1.0).tolist()
        self.effects_ = np.where(fits, coefficients[len(weights) :], 0.0).tolist()
        self.location_: dict[str, list[float]] = {}
        self.scale_: dict[str, list[float]] = {}
        self.unadjusted_: dict[str, list[int]] = {}
        standard = self._standardised(values, extra)
        for b in self.batches_:
            self._learn(b, standard[batches == b], fits)
        return self

    def transform(self, X: Any, *, batch: Any = None, covariates: Any = None) -> np.ndarray:
        """Bring patients of known batches to the common location and scale, each row alone.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n_patients, n_features)
            The columns of `fit`, in their order; one row is enough.
        batch : array-like of shape (n_patients,), optional
            Batch of each patient; may be left out only after a fit on a single batch.
        covariates : DataFrame or ndarray of shape (n_patients, n_covariates), optional
            The columns of `fit`.

        Returns
        -------
        ndarray of float64, shape (n_patients, n_features)
            NaN stays NaN. A DataFrame after ``set_output(transform="pandas")``.

        Raises
        ------
        DataError
            THX-D20 when a batch is unknown.

        Examples
        --------
        >>> combat = ComBat(reference="a").fit([[0.0], [2.0], [10.0], [14.0]], batch=["a", "a", "b", "b"])
        >>> combat.transform([[12.0]], batch=["b"]).round(6).tolist()
        [[1.0]]
        """
        check_is_fitted(self)
        values = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", copy=True, reset=False)
        if batch is None and len(self.batches_) > 1:
            raise UsageError("the batch of each patient is needed", wanted=f"batch=, of {listed(self.batches_)}")
        batches = as_batches(batch, len(values), self.batches_[0])
        unknown = sorted(set(batches) - set(self.batches_))
        if unknown:
            raise DataError(
                "batches were not seen in training",
                code="THX-D20",
                got=f"{len(unknown)} unknown",
                wanted=f"one of {listed(self.batches_)}",
                fix=f"Give at least {LEAST} of its patients to 'adapt', or leave the patients out.",
            )
        extra, _ = read_covariates(covariates, len(values), self.covariates_)
        standard = self._standardised(values, extra)
        for b in set(batches) - {self.reference_}:
            rows = batches == b
            moved = (standard[rows] - self.location_[b]) / np.sqrt(self.scale_[b])
            changed = np.ones(values.shape[1], dtype=bool)
            changed[self.unadjusted_[b]] = False
            values[np.ix_(rows, changed)] = (moved * self.spread_ + self._expected(extra[rows]))[:, changed]
        return values

    def fit_transform(self, X: Any, y: object = None, *, batch: Any = None, covariates: Any = None) -> np.ndarray:
        """Fit, and transform the same rows: what the published libraries do.

        Parameters
        ----------
        X, y, batch, covariates : Any
            As in `fit`.

        Returns
        -------
        ndarray of float64, shape (n_training, n_features)
            As `transform`.

        Examples
        --------
        >>> ComBat().fit_transform([[1.0, 2.0]]).tolist()
        [[1.0, 2.0]]
        """
        return self.fit(X, y, batch=batch, covariates=covariates).transform(X, batch=batch, covariates=covariates)

    def adapt(self, X: Any, batch: str, *, covariates: Any = None) -> ComBat:
        """Add a new site, from its patients without their outcomes; what was learned before stays.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n_new, n_features)
            At least `LEAST` (10) patients of the new site. They must be like those of the reference but for the
            site: a difference in case mix is taken out with it.
        batch : str
            Name of the new site.
        covariates : DataFrame or ndarray of shape (n_new, n_covariates), optional
            The columns of `fit`.

        Returns
        -------
        ComBat
            A fitted copy that knows the site too.

        Raises
        ------
        DataError
            THX-D25 on too few patients.
        UsageError
            Without a reference, or when the batch is known already.

        Examples
        --------
        >>> rng = np.random.default_rng(2)
        >>> here = ComBat().fit(rng.normal(size=(50, 3)))
        >>> there = rng.normal(size=(30, 3)) + 5.0
        >>> bool(abs(here.adapt(there, "new").transform(there, batch=["new"] * 30).mean()) < 0.3)
        True
        """
        check_is_fitted(self)
        if self.reference_ is None:
            raise UsageError("only a fit with a reference can be adapted", fix="Fit ComBat(reference=...).")
        if str(batch) in self.batches_:
            raise UsageError("the batch is known already", got=repr(str(batch)), fix="Give the site another name.")
        values = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        if len(values) < LEAST:
            raise DataError(
                "too few patients of the new site",
                code="THX-D25",
                got=f"{len(values)}",
                wanted=f"at least {LEAST}, to know its scale",
            )
        extra, _ = read_covariates(covariates, len(values), self.covariates_)
        new = copy.deepcopy(self)
        new.batches_ = sorted([*self.batches_, str(batch)])
        fits = np.ones(values.shape[1], dtype=bool)
        fits[self.unadjusted_[self.reference_]] = False
        new._learn(str(batch), self._standardised(values, extra), fits & _varies(values))
        return new

    def state(self) -> dict[str, Any]:
        """Return what was learned, ready for JSON.

        Returns
        -------
        dict
            For `from_state`.

        Examples
        --------
        >>> sorted(ComBat().fit([[1.0], [2.0]]).state())[:3]
        ['batches_', 'covariates_', 'effects_']
        """
        check_is_fitted(self)
        learned = {k: v for k, v in vars(self).items() if k.endswith("_")}
        return {
            **learned,
            **{k: v.tolist() for k, v in learned.items() if isinstance(v, np.ndarray)},
            **self.get_params(),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> ComBat:
        """Make the estimator that `state` was taken from.

        Parameters
        ----------
        state : dict
            Of `state`.

        Returns
        -------
        ComBat
            Fitted.

        Examples
        --------
        >>> ComBat.from_state(ComBat().fit([[1.0], [2.0]]).state()).transform([[3.0]]).tolist()
        [[3.0]]
        """
        made = cls(reference=state["reference"], parametric=state["parametric"])
        for name, value in state.items():
            if name.endswith("_"):
                setattr(made, name, np.array(value, dtype=object) if name == "feature_names_in_" else value)
        return made

    def _expected(self, extra: np.ndarray) -> np.ndarray:
        """Say what patients with these covariates have, batch aside; summed one by one, the same in any crowd."""
        expected = np.tile(np.array(self.mean_), (len(extra), 1))
        for column, effect in zip(extra.T, self.effects_, strict=True):
            expected += column[:, None] * np.array(effect)
        return expected

    def _standardised(self, values: np.ndarray, extra: np.ndarray) -> np.ndarray:
        return (values - self._expected(extra)) / np.array(self.spread_)

    def _learn(self, batch: str, standard: np.ndarray, fits: np.ndarray) -> None:
        location, scale = np.zeros(len(fits)), np.ones(len(fits))
        if batch != self.reference_ and fits.any():
            location[fits], scale[fits] = shrink(standard[:, fits], self.parametric)
        scale[scale == 0] = 1.0  # the covariates explain all of it
        self.location_[batch], self.scale_[batch] = location.tolist(), scale.tolist()
        self.unadjusted_[batch] = np.flatnonzero(~fits).tolist()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _varies(values: np.ndarray) -> np.ndarray:
    """Find the columns with at least two known values that are not all the same."""
    known = ~np.isnan(values)
    low = np.where(known, values, np.inf).min(axis=0)
    return (known.sum(axis=0) > 1) & (np.where(known, values, -np.inf).max(axis=0) > low)


def _mean_squares(residuals: np.ndarray) -> np.ndarray:
    known = ~np.isnan(residuals)
    return (np.where(known, residuals, 0.0) ** 2).sum(axis=0) / np.maximum(1, known.sum(axis=0))
