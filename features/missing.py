"""What absence means: the mask first; a fill only on request, from training patients, and marked in every cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from theracast.errors import DataError, UsageError
from theracast.features.feature_names import block_of
from theracast.features.imputation import NearestPatientsImputer
from theracast.features.matrix import FeatureMatrix
from theracast.provenance import Lineage, digest_json

#: Patients that are filled at once. Always so many: the size of a product decides its last bits, hence ties.
TOGETHER = 32


class MatrixImputer(BaseEstimator):
    """Fill the gaps of a feature matrix from training patients; the result says which cells are guesses.

    A filled cell is marked as a proxy, counts as such in `FeatureMatrix.describe`, is noted under the patient, and the
    lineage of its feature names the training patients it came from by their digest. A block of which nothing is known
    for a patient stays missing, for the models of this package know what to do without it. A feature that no
    training patient has stays missing too.

    Parameters
    ----------
    how : {"nearest", "median"}, default "nearest"
        Mean of the nearest training patients, over all features of `blocks` in units of their training spread; or the
        training median.
    blocks : sequence of str, optional
        Blocks to fill; all by default.
    n_neighbors : int, default 5
        Donors per cell under ``"nearest"``.
    whole_blocks : bool, default False
        Whether to guess blocks of which nothing is known too.
    indicators : bool, default False
        Whether to add ``<feature>_missing`` beside each feature with a gap in training: 1 filled, 0 known, NaN where
        nothing of the block is known.

    Attributes
    ----------
    features_ : list of str
        Columns of the training matrix, in order.
    medians_, spreads_ : dict of str to float
        Of each feature to fill, in its unit.
    gaps_ : list of str
        Features to fill that had a gap in training.
    source_ : str
        ``imputed:`` and the digest of the training patients.

    Examples
    --------
    >>> from theracast import FeatureAssembler, load_cohort
    >>> c = load_cohort("riaz2017_mel")
    >>> matrix = FeatureAssembler(["clinical", "mutations"]).fit(c).matrix(c)
    >>> imputer = MatrixImputer("median", whole_blocks=True).fit(matrix.subset(range(40)))
    >>> filled = imputer.transform(matrix.subset(range(40, 51)))
    >>> filled.lineage["mutations__tmb"].kind, int(filled.proxy["mutations__tmb"].sum())
    ('mixed', 1)
    """

    def __init__(
        self,
        how: Literal["nearest", "median"] = "nearest",
        *,
        blocks: Sequence[str] | None = None,
        n_neighbors: int = 5,
        whole_blocks: bool = False,
        indicators: bool = False,
    ) -> None:
        self.how = how
        self.blocks = blocks
        self.n_neighbors = n_neighbors
        self.whole_blocks = whole_blocks
        self.indicators = indicators

    def fit(self, X: FeatureMatrix, y: object = None) -> Self:
        """Keep what is needed of the training patients.

        Parameters
        ----------
        X : FeatureMatrix
            Training patients only: ``matrix.subset(train)``.
        y : ignored
            For scikit-learn.

        Returns
        -------
        self
            Fitted. Under ``"nearest"`` it holds the training values themselves: guard it as you guard them.

        Raises
        ------
        UsageError
            On an unknown way or block.

        Examples
        --------
        >>> from theracast import FeatureAssembler, load_cohort
        >>> c = load_cohort("riaz2017_mel")
        >>> MatrixImputer("median").fit(FeatureAssembler(["mutations"]).fit(c).matrix(c)).gaps_
        ['mutations__tmb']
        """
        if self.how not in ("nearest", "median"):
            raise UsageError("how is unknown", got=repr(self.how), wanted="'nearest' or 'median'")
        chosen = X.blocks if self.blocks is None else tuple(self.blocks)
        if set(chosen) - set(X.blocks):
            raise UsageError("no such block in the matrix", wanted=f"of {', '.join(X.blocks)}")
        values = pd.concat([X.block(b) for b in chosen], axis=1).astype(np.float64)
        values = values.loc[:, values.notna().any(axis=0)]
        self.features_ = X.values.columns.tolist()
        self.medians_ = {str(k): float(v) for k, v in values.median().items()}
        spread = values.std(ddof=0)
        self.spreads_ = {str(k): float(v) for k, v in spread.where(spread > 0, 1.0).items()}  # constant: no scale
        self.gaps_ = [c for c in values if values[c].isna().any()]
        self.source_ = f"imputed:{digest_json(sorted(X.digests))[:12]}"
        if self.how == "nearest" and len(self.medians_):
            self.nearest_ = NearestPatientsImputer(self.n_neighbors).fit(self._scaled(values))
        return self

    def mask(self, X: FeatureMatrix) -> pd.DataFrame:
        """Say which cells `transform` would fill.

        Parameters
        ----------
        X : FeatureMatrix
            With the columns of `fit`.

        Returns
        -------
        DataFrame of bool, shape (n_patients, n_filled)
            The features that training patients have.

        Raises
        ------
        DataError
            When the columns are others than in training.

        Examples
        --------
        >>> from theracast import FeatureAssembler, load_cohort
        >>> c = load_cohort("riaz2017_mel")
        >>> m = FeatureAssembler(["clinical"]).fit(c).matrix(c)
        >>> int(MatrixImputer().fit(m).mask(m)["clinical__stage"].sum())
        11
        """
        check_is_fitted(self, "source_")
        if X.values.columns.tolist() != self.features_:
            raise DataError(
                "the matrix has other columns than in training",
                code="THX-D08",
                got=f"{X.values.shape[1]} columns",
                wanted=f"the {len(self.features_)} of training, in their order",
                fix="Use one fitted assembler for both.",
            )
        absent = X.values[list(self.medians_)].isna()
        if not self.whole_blocks:
            present = X.present()
            for name in absent:
                absent[name] &= present[block_of(name)]
        return absent

    def transform(self, X: FeatureMatrix) -> FeatureMatrix:
        """Fill the gaps; no other patient of `X` has a say in it.

        Parameters
        ----------
        X : FeatureMatrix
            With the columns of `fit`.

        Returns
        -------
        FeatureMatrix
            Digests and coverage are those of what was measured.

        Examples
        --------
        >>> from theracast import FeatureAssembler, load_cohort
        >>> c = load_cohort("riaz2017_mel")
        >>> m = FeatureAssembler(["clinical"]).fit(c).matrix(c)
        >>> filled = MatrixImputer().fit(m).transform(m)
        >>> filled.notes[c.ids[filled.proxy["clinical__stage"]][0]][-1]
        '1 value is a guess from 51 training patients (nearest 5)'
        """
        absent = self.mask(X)
        fill = self._fill(X.values[list(absent)], absent)
        everywhere = absent.reindex(columns=X.values.columns, fill_value=False)
        values = X.values.where(~everywhere, fill.reindex(columns=X.values.columns).astype(X.values.dtypes))
        guessed = absent.loc[:, absent.any(axis=0)]
        proxies = X.proxies.reindex(columns=[c for c in X.values if c in X.proxies or c in guessed], fill_value=False)
        proxies = proxies.astype(bool) | guessed.reindex(columns=proxies.columns, fill_value=False)
        lineage = {f: self._said(x, values, proxies) if f in guessed else x for f, x in X.lineage.items()}
        filled = replace(X, values=values, proxies=proxies, lineage=lineage, notes=self._noted(X, absent))
        return self._indicated(filled, X) if self.indicators else filled

    def fit_transform(self, X: FeatureMatrix, y: object = None) -> FeatureMatrix:
        """Fit on training patients and fill their own gaps.

        Parameters
        ----------
        X : FeatureMatrix
            Training patients.
        y : ignored
            For scikit-learn.

        Returns
        -------
        FeatureMatrix
            As `transform`.

        Examples
        --------
        >>> from theracast import FeatureAssembler, load_cohort
        >>> c = load_cohort("riaz2017_mel")
        >>> m = FeatureAssembler(["clinical"]).fit(c).matrix(c)
        >>> bool(MatrixImputer("median").fit_transform(m).values["clinical__stage"].notna().all())
        True
        """
        return self.fit(X, y).transform(X)

    def _scaled(self, values: pd.DataFrame) -> np.ndarray:
        spreads = np.array(list(self.spreads_.values()))
        return values.to_numpy(dtype=np.float64) / spreads

    def _fill(self, values: pd.DataFrame, absent: pd.DataFrame) -> pd.DataFrame:
        if self.how == "median":
            return pd.DataFrame({c: np.full(len(values), m) for c, m in self.medians_.items()}, index=values.index)
        filled = values.to_numpy(dtype=np.float64, copy=True)
        rows = np.flatnonzero(absent.to_numpy().any(axis=1))
        scaled = self._scaled(values)
        for start in range(0, len(rows), TOGETHER):
            mine = rows[start : start + TOGETHER]
            padded = np.resize(mine, TOGETHER)
            filled[mine] = self.nearest_.transform(scaled[padded])[: len(mine)] * list(self.spreads_.values())
        return pd.DataFrame(filled, index=values.index, columns=values.columns)

    def _said(self, known: Lineage, values: pd.DataFrame, proxies: pd.DataFrame) -> Lineage:
        n, stand_ins = int(values[known.feature].notna().sum()), int(proxies[known.feature].sum())
        kind = "proxy" if stand_ins == n else "mixed"
        return replace(known, kind=kind, sources=(*known.sources, self.source_))

    def _noted(self, X: FeatureMatrix, absent: pd.DataFrame) -> dict[str, list[str]]:
        n_training = len(self.nearest_.donors_) if self.how == "nearest" and len(self.medians_) else 0
        where = f"{n_training} training patients (nearest {self.n_neighbors})" if n_training else "the training median"
        notes = {i: list(lines) for i, lines in X.notes.items()}
        counts = absent.sum(axis=1)
        for i, count in counts[counts > 0].items():
            what = "1 value is a guess" if count == 1 else f"{count} values are guesses"
            notes.setdefault(str(i), []).append(f"{what} from {where}")
        return notes

    def _indicated(self, filled: FeatureMatrix, before: FeatureMatrix) -> FeatureMatrix:
        """Add what was missing, beside the features of each block: a block of which nothing is known stays unknown."""
        parts: list[pd.DataFrame] = []
        lineage: dict[str, Lineage] = {}
        present = before.present()
        for block in filled.blocks:
            names = [c for c in self.gaps_ if filled.lineage[c].block == block]
            flags = before.values[names].isna().astype(np.float64)
            flags.loc[~present[block]] = np.nan
            parts += [filled.block(block), flags.add_suffix("_missing")]
            lineage |= {f: x for f, x in filled.lineage.items() if x.block == block}
            for name in names:
                known = before.lineage[name]
                about = f"1 where {known.feature} was not known, 0 where it was"
                lineage[f"{name}_missing"] = replace(known, feature=f"{name}_missing", unit="0/1", about=about)
        return replace(filled, values=pd.concat(parts, axis=1), lineage=lineage)
