"""DrugRanker: every drug predicted for one cell line, and two orders of them, by response and by what is unusual."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.base import BaseEstimator, clone
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GroupKFold, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted

from theracast.errors import DataError, UsageError
from theracast.models.masked_ridge import MaskedRidge
from theracast.models.ranking import INSUFFICIENT, RANKED

#: A drug that is known by its mean alone: it has a place by response, none among the unusually good.
MEAN_ONLY = "mean only"
#: Penalties on standardised features; hundreds of lines and thousands of genes choose 1,000 to 10,000.
ALPHAS = (1.0, 10.0, 100.0, 1000.0, 3000.0, 10000.0, 30000.0)
_FLAT = 1e-12
#: Columns of the answer of `DrugRanker.rank`, in order.
DRUG_RANKING = (
    "line",
    "drug",
    "state",
    "rank",
    "rank_relative",
    "predicted",
    "lower",
    "upper",
    "relative",
    "relative_lower",
    "relative_upper",
    "usual",
    "n_lines",
    "reason",
)


class DrugRanker(BaseEstimator):
    """Predict the response of a cell line to every drug, and rank the drugs within the line.

    Response is lower = more sensitive, such as the area under the dose-response curve (AUC, 0-1). There are two orders.
    By response, the drug with the lowest predicted response comes first: mostly drugs that kill nearly every line. By
    relative sensitivity, the response less the drug's mean over the training lines, in units of the drug's spread over
    them, the drug comes first that works unusually well in this line. Targets are learnt on the relative scale, so that
    one penalty suits drugs of small and of large spread.

    Parameters
    ----------
    estimator : estimator, optional
        Of scikit-learn, for many targets with gaps, which deals itself with missing features; `scaled_ridge` by
        default.
    floor : float, default 0.05
        Least spread (standard deviation) of a drug, in units of response: below it a difference is assay noise, and
        dividing by it would make the noise look large.
    bounds : tuple of float, optional
        Within which a response lies, (0, 1) by default; None for no bounds, as of ln IC50.
    level : float, default 0.9
        Coverage that the intervals aim at, per drug.
    folds : int, default 5
        Folds inside the training lines for the intervals and the evidence.
    min_lines : int, default 20
        A drug tested on fewer training lines is not ranked.
    min_coverage : float, default 0.5
        A line with a smaller share of the features known is not ranked.
    seed : int, default 0
        Chooses the folds.

    Attributes
    ----------
    drugs_ : tuple of str
        Drugs, in the order of the training table.
    evidence_ : DataFrame, indexed by drug
        ``n_lines``: training lines tested; ``mean``, ``spread``: of the response; ``r``: correlation of predicted and
        measured relative response of lines held out; ``explained``: 1 - squared error over that of the drug's mean,
        held out; ``half``: half width of the interval, in spreads; ``state``; ``reason``.
    feature_names_in_ : ndarray of str
        Features.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(60, 2)), columns=["gene_a", "gene_b"])  # simulated
    >>> Y = pd.DataFrame({"drug_a": 0.6 + 0.1 * X.gene_a, "drug_b": 0.5 + 0.1 * X.gene_b}).clip(0, 1)
    >>> answer = DrugRanker().fit(X, Y).rank(pd.DataFrame({"gene_a": [-2.0], "gene_b": [1.0]}, index=["new"]))
    >>> answer.loc[answer["rank"] == 1, "drug"].tolist()
    ['drug_a']
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        floor: float = 0.05,
        bounds: tuple[float, float] | None = (0.0, 1.0),
        level: float = 0.9,
        folds: int = 5,
        min_lines: int = 20,
        min_coverage: float = 0.5,
        seed: int = 0,
    ) -> None:
        self.estimator, self.floor, self.bounds, self.level = estimator, floor, bounds, level
        self.folds, self.min_lines, self.min_coverage, self.seed = folds, min_lines, min_coverage, seed

    def fit(self, X: pd.DataFrame, Y: pd.DataFrame, groups: Sequence[Any] | None = None) -> Self:
        """Learn from the measured pairs of line and drug.

        Parameters
        ----------
        X : DataFrame of float, lines x features
            NaN where a feature was not measured.
        Y : DataFrame of float, lines x drugs
            Response, lower = more sensitive; NaN where a pair was not tested, which is never filled in.
        groups : sequence of shape (n_lines,), optional
            Lines that belong together (a tissue, one donor) and are held out together for the intervals.

        Returns
        -------
        self
            Fitted.

        Raises
        ------
        DataError
            THX-D17 when a name repeats, THX-D15 when a response lies outside `bounds`, THX-D10 when there is nothing
            to learn from; also when the tables do not hold the same lines.
        UsageError
            On an impossible floor, level or number of folds.

        Examples
        --------
        >>> X = pd.DataFrame({"gene": np.linspace(-1, 1, 30)})
        >>> model = DrugRanker().fit(X, pd.DataFrame({"drug": 0.5 + 0.2 * X.gene, "untested": np.nan}))
        >>> model.evidence_.state.to_dict()
        {'drug': 'ranked', 'untested': 'insufficient'}
        """
        if not (self.floor > 0 and 0 < self.level < 1 and self.folds >= 2):
            raise UsageError("cannot fit", got="floor, level or folds", wanted="floor > 0, level in (0, 1), folds >= 2")
        y = _response(X, Y, self.bounds)
        known = ~np.isnan(y)
        use = known.any(axis=1) & X.notna().any(axis=1).to_numpy()
        if use.sum() < self.folds:
            raise DataError("too few lines with features and a tested drug", code="THX-D10", got=f"{use.sum()} lines")
        features, y, known = X.loc[use, X.notna().any()], y[use], known[use]
        n = known.sum(axis=0)
        count = np.maximum(n, 1)
        mean = np.where(known, y, 0.0).sum(axis=0) / count
        spread = np.sqrt(np.where(known, (y - mean) ** 2, 0.0).sum(axis=0) / count)
        self.scale_ = np.maximum(spread, self.floor)
        z = (y - mean) / self.scale_
        self.feature_names_in_ = np.asarray(features.columns, dtype=object)
        self.drugs_ = tuple(str(d) for d in Y.columns)
        held_out = np.full(z.shape, np.nan)
        for train, test in self._folds(len(z), None if groups is None else np.asarray(groups)[use]):
            self._learn(features.iloc[train], z[train])
            held_out[test] = self._ask(features.iloc[test])
        self._learn(features, z)
        self.evidence_ = self._judge(z, held_out, n, mean, spread)
        return self

    def predict(self, X: pd.DataFrame) -> pd.DataFrame:
        """Predict the response to every drug.

        Parameters
        ----------
        X : DataFrame of float, lines x features
            Columns as in `fit`, in any order; further ones are ignored.

        Returns
        -------
        DataFrame of float, lines x drugs
            In units of the response, lower = more sensitive; NaN where a drug or a line is insufficiently known.

        Examples
        --------
        >>> X = pd.DataFrame({"gene": np.linspace(-1, 1, 30)})
        >>> model = DrugRanker().fit(X, pd.DataFrame({"drug": 0.5 + 0.2 * X.gene}))
        >>> bool((model.predict(X).drug.diff().dropna() > 0).all())
        True
        """
        said = self.evidence_["mean"].to_numpy() + self.scale_ * self.predict_relative(X)
        return said if self.bounds is None else said.clip(*self.bounds)

    def predict_relative(self, X: pd.DataFrame) -> pd.DataFrame:
        """Predict how unusual the response to every drug is.

        Parameters
        ----------
        X : DataFrame of float, lines x features
            As in `predict`.

        Returns
        -------
        DataFrame of float, lines x drugs
            Response less the drug's mean, in spreads of the drug; below 0 = more sensitive than usual; 0 where only the
            mean is known; NaN where a drug or a line is insufficiently known.

        Examples
        --------
        >>> X = pd.DataFrame({"gene": np.linspace(-1, 1, 30)})
        >>> model = DrugRanker().fit(X, pd.DataFrame({"drug": 0.5 + 0.2 * X.gene}))
        >>> bool(model.predict_relative(X.head(1)).loc[0, "drug"] < -1)
        True
        """
        check_is_fitted(self)
        rows = X.reindex(columns=self.feature_names_in_)
        enough = self._coverage(X) >= self.min_coverage
        said = np.full((len(X), len(self.drugs_)), np.nan)
        if enough.any():
            said[enough] = self._ask(rows[enough])
        state = self.evidence_["state"].to_numpy()
        said[np.ix_(enough, state == MEAN_ONLY)] = 0.0
        said[:, state == INSUFFICIENT] = np.nan
        return pd.DataFrame(said, X.index, list(self.drugs_))

    def rank(self, X: pd.DataFrame, drugs: Sequence[str] | None = None) -> pd.DataFrame:
        """Set the drugs side by side within each line.

        Parameters
        ----------
        X : DataFrame of float, lines x features
            As in `predict`.
        drugs : sequence of str, optional
            Drugs to choose from; all by default.

        Returns
        -------
        DataFrame
            Columns `DRUG_RANKING`, one row per line and drug. ``predicted``, ``lower``, ``upper`` in units of the
            response, ``relative`` and its interval in spreads, both lower = more sensitive; ``usual``: the drug's mean;
            ``rank`` by response and ``rank_relative``, 1 is best, ties share the better, NaN where there is none.

        Raises
        ------
        DataError
            THX-D21 for a drug that the training table does not name; the nearest names are offered.

        Examples
        --------
        >>> X = pd.DataFrame({"gene": np.linspace(-1, 1, 30)})
        >>> model = DrugRanker().fit(X, pd.DataFrame({"drug": 0.5 + 0.2 * X.gene, "untested": np.nan}))
        >>> model.rank(X.head(1))[["drug", "state", "rank"]].values.tolist()
        [['drug', 'ranked', 1.0], ['untested', 'insufficient', nan]]
        """
        check_is_fitted(self)
        wanted = list(self.drugs_) if drugs is None else list(dict.fromkeys(drugs))
        for drug in wanted:
            if drug not in self.evidence_.index:
                near = ", ".join(get_close_matches(drug, self.drugs_, n=3)) or "none is near"
                raise DataError("a drug is not known", code="THX-D21", where="drugs", got=drug, wanted=near)
        evidence = self.evidence_.loc[wanted]
        relative = self.predict_relative(X)[wanted]
        scale = pd.Series(self.scale_, self.drugs_)[wanted].to_numpy()
        half, usual = evidence["half"].to_numpy(), evidence["mean"].to_numpy()
        state = np.tile(evidence["state"].to_numpy(dtype=object), (len(X), 1))
        reason = np.tile(evidence["reason"].to_numpy(dtype=object), (len(X), 1))
        coverage = self._coverage(X)
        for row in np.flatnonzero(coverage < self.min_coverage):
            state[row] = INSUFFICIENT
            reason[row] = f"{coverage[row]:.0%} of the features are known; at least {self.min_coverage:.0%} are asked"
        z = relative.to_numpy()
        limits = (-np.inf, np.inf) if self.bounds is None else self.bounds
        values = {
            "predicted": np.clip(usual + scale * z, *limits),
            "lower": np.clip(usual + scale * (z - half), *limits),
            "upper": np.clip(usual + scale * (z + half), *limits),
            "relative": z,
            "relative_lower": z - half,
            "relative_upper": z + half,
        }
        order = {
            "rank": rankdata(usual + scale * z, method="min", axis=1, nan_policy="omit"),
            "rank_relative": rankdata(np.where(state == MEAN_ONLY, np.nan, z), method="min", axis=1, nan_policy="omit"),
        }
        table = pd.DataFrame({"line": np.repeat(X.index.to_numpy(), len(wanted)), "drug": wanted * len(X)})
        table["state"], table["reason"] = state.ravel(), reason.ravel()
        table["usual"] = np.tile(np.where(evidence["state"] == INSUFFICIENT, np.nan, usual), len(X))
        table["n_lines"] = np.tile(evidence["n_lines"].to_numpy(), len(X))
        return table.assign(**{k: v.ravel() for k, v in (values | order).items()})[list(DRUG_RANKING)]

    def _learn(self, features: pd.DataFrame, z: np.ndarray) -> None:
        self.varying_ = list(features.columns[features.max() > features.min()])
        self.model_ = scaled_ridge() if self.estimator is None else clone(self.estimator)
        if self.varying_:
            self.model_.fit(features[self.varying_], z)

    def _ask(self, features: pd.DataFrame) -> np.ndarray:
        if not self.varying_:
            return np.zeros((len(features), len(self.drugs_)))
        return np.asarray(self.model_.predict(features[self.varying_]), dtype=np.float64)

    def _folds(self, n: int, groups: np.ndarray | None) -> Any:
        if groups is None:
            return KFold(self.folds, shuffle=True, random_state=self.seed).split(np.zeros(n))
        if len(groups) != n or len(set(groups)) < self.folds:
            raise DataError(
                "too few groups for the folds", where="groups", got=str(len(set(groups))), wanted=str(self.folds)
            )
        return GroupKFold(self.folds, shuffle=True, random_state=self.seed).split(np.zeros(n), groups=groups)

    def _coverage(self, X: pd.DataFrame) -> np.ndarray:
        return X.reindex(columns=self.feature_names_in_).notna().mean(axis=1).to_numpy()

    def _judge(
        self, z: np.ndarray, said: np.ndarray, n: np.ndarray, mean: np.ndarray, spread: np.ndarray
    ) -> pd.DataFrame:
        rows = []
        for drug in range(z.shape[1]):
            both = ~np.isnan(z[:, drug]) & ~np.isnan(said[:, drug])
            true, told = z[both, drug], said[both, drug]
            power = float((true**2).sum())
            explained = 1 - float(((true - told) ** 2).sum()) / power if power > _FLAT else 0.0
            r = float(np.corrcoef(true, told)[0, 1]) if both.sum() > 2 and min(true.std(), told.std()) > _FLAT else 0.0
            state, reason = RANKED, ""
            if n[drug] < self.min_lines:
                state, reason = INSUFFICIENT, f"tested on {n[drug]} training lines; at least {self.min_lines} are asked"
            elif explained <= 0:
                state, reason, told = MEAN_ONLY, "held out, the drug's mean predicts its response as well", 0.0 * told
            errors = np.sort(np.abs(true - told))
            at = int(np.ceil((errors.size + 1) * self.level)) - 1
            half = float(errors[at]) if at < errors.size else np.inf
            if state == INSUFFICIENT:
                r = explained = half = np.nan
            rows.append((int(n[drug]), mean[drug], spread[drug], r, explained, half, state, reason))
        columns = ["n_lines", "mean", "spread", "r", "explained", "half", "state", "reason"]
        return pd.DataFrame(rows, pd.Index(self.drugs_, name="drug"), columns)


def scaled_ridge(alphas: Sequence[float] = ALPHAS) -> Any:
    """Ridge regression for features on any scale, some missing, and targets with gaps.

    Parameters
    ----------
    alphas : sequence of float
        Penalties to choose from, on standardised features.

    Returns
    -------
    Pipeline
        Medians for missing features, standardisation and `MaskedRidge`.

    Examples
    --------
    >>> [name for name, _ in scaled_ridge().steps]
    ['simpleimputer', 'standardscaler', 'maskedridge']
    """
    return make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), MaskedRidge(alphas))


def _response(X: pd.DataFrame, Y: pd.DataFrame, bounds: tuple[float, float] | None) -> np.ndarray:
    for table, what in ((X, "lines"), (X.T, "features"), (Y.T, "drugs")):
        if table.index.has_duplicates:
            raise DataError(f"names of {what} repeat", code="THX-D17", fix="Keep one of each.")
    if not X.index.equals(Y.index):
        raise DataError("features and responses are not of the same lines", where="X and Y", fix="Align them first.")
    y = Y.to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isinf(y).any() or (bounds is not None and ((y < bounds[0]) | (y > bounds[1])).any()):
        wanted = "finite numbers" if bounds is None else f"{bounds[0]:g}-{bounds[1]:g}"
        raise DataError(
            "responses lie outside their bounds", code="THX-D15", wanted=wanted, fix="Give `bounds`, or another table."
        )
    return y
