"""FeatureAssembler: blocks fitted on a cohort, one matrix out, the same for one patient as for a crowd."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, clone

from theracast.checks import Problem
from theracast.features.base import OmicsBlock, refuse
from theracast.features.blocks import BLOCKS
from theracast.features.cohort import Cohort, as_cohort
from theracast.features.matrix import FeatureMatrix
from theracast.features.spec import Feature
from theracast.provenance import Lineage, digest_rows


class FeatureAssembler(TransformerMixin, BaseEstimator):
    """Fit blocks on a cohort; give one patient the features that a crowd would have.

    Parameters
    ----------
    blocks : sequence of str or OmicsBlock
        Names in `theracast.features.blocks.BLOCKS`, or configured blocks.

    Attributes
    ----------
    blocks_ : list of OmicsBlock
        The fitted blocks.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> assembler = FeatureAssembler(["clinical", "mutations"]).set_output(transform="pandas")
    >>> assembler.fit_transform(load_cohort("riaz2017_mel")).shape
    (51, 9)
    """

    def __init__(
        self, blocks: Sequence[str | OmicsBlock] = ("clinical", "pathology", "mutations", "signatures")
    ) -> None:
        self.blocks = blocks

    def fit(self, X: Cohort | pd.DataFrame, y: object = None) -> Self:
        """Fit every block.

        Parameters
        ----------
        X : Cohort or wide DataFrame
            Training patients.
        y : ignored
            For scikit-learn.

        Returns
        -------
        self
            Fitted.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> len(FeatureAssembler(["mutations"]).fit(load_cohort("riaz2017_mel")).blocks_)
        1
        """
        cohort = as_cohort(X)
        self.blocks_ = [(BLOCKS[b]() if isinstance(b, str) else clone(b)).fit(cohort) for b in self.blocks]
        return self

    def transform(self, X: Cohort | pd.DataFrame) -> pd.DataFrame:
        """Compute every block's features.

        Parameters
        ----------
        X : Cohort or wide DataFrame
            Patients.

        Returns
        -------
        DataFrame of float64, shape (n_patients, n_features)
            NaN is not known.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> FeatureAssembler(["mutations"]).fit_transform(load_cohort("riaz2017_mel")).columns.tolist()
        ['mutations__tmb']
        """
        return self.matrix(X).values

    def check(self, X: Cohort | pd.DataFrame) -> list[Problem]:
        """List what every block finds implausible.

        Parameters
        ----------
        X : Cohort or wide DataFrame
            Patients.

        Returns
        -------
        list of Problem
            Block after block.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> FeatureAssembler(["mutations"]).fit(load_cohort("riaz2017_mel")).check(load_cohort("hugo2016_mel"))
        []
        """
        cohort = as_cohort(X)
        return [problem for block in self.blocks_ for problem in block.check(cohort)]

    def matrix(self, X: Cohort | pd.DataFrame, *, checked: bool = False) -> FeatureMatrix:
        """Compute features with masks, lineage, notes and digests.

        Parameters
        ----------
        X : Cohort or wide DataFrame
            Patients.
        checked : bool, default False
            Whether the caller has checked these patients and dealt with what was found.

        Returns
        -------
        FeatureMatrix
            Rows as in the cohort.

        Raises
        ------
        DataError
            When a value is implausible.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> c = load_cohort("imvigor210_uc")
        >>> FeatureAssembler(["pathology"]).fit(c).matrix(c).lineage["pathology__pdl1"].kind
        'mixed'
        """
        cohort = as_cohort(X)
        if not checked:
            refuse(self.check(cohort))
        measured = {b.spec.name: b.measure(cohort) for b in self.blocks_}
        values = pd.concat([m.values.add_prefix(f"{n}__") for n, m in measured.items()], axis=1)
        proxies, limits = (
            pd.concat([_anywhere(getattr(m, mask)).add_prefix(f"{n}__") for n, m in measured.items()], axis=1)
            for mask in ("proxy", "censored")
        )
        notes: dict[str, list[str]] = {}
        for m in measured.values():
            for i, lines in m.notes.items():
                notes.setdefault(i, []).extend(lines)
        lineage = {
            name: _lineage(name, block, feature, values[name], proxies.get(name), cohort)
            for block in self.blocks_
            for name, feature in zip(block.names, block.outputs(), strict=True)
        }
        digests = digest_rows(values)
        coverage = pd.DataFrame({n: m.coverage for n, m in measured.items()})
        return FeatureMatrix(values, proxies, coverage, lineage, notes, digests, cohort.studies, limits)

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Name the columns of `transform`.

        Parameters
        ----------
        input_features : ignored
            For scikit-learn.

        Returns
        -------
        ndarray of str
            ``<block>__<feature>``.

        Examples
        --------
        >>> FeatureAssembler(["mutations"]).get_feature_names_out().tolist()
        ['mutations__tmb']
        """
        blocks = getattr(self, "blocks_", None) or [BLOCKS[b]() if isinstance(b, str) else b for b in self.blocks]
        return np.array([name for b in blocks for name in b.names], dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "blocks_")


def _anywhere(mask: pd.DataFrame) -> pd.DataFrame:
    """Keep the columns of a mask that say something."""
    return mask.loc[:, mask.astype(bool).any()]


def _lineage(
    name: str, block: OmicsBlock, feature: Feature, values: pd.Series, proxy: pd.Series | None, cohort: Cohort
) -> Lineage:
    known = values.notna()
    stand_in = known & (False if proxy is None else proxy)
    if not known.any():
        kind = "absent"
    elif not stand_in.any():
        kind = "measured"
    else:
        kind = "proxy" if stand_in.sum() == known.sum() else "mixed"
    readable = {*block.spec.tables, "expression", "signatures"} if stand_in.any() else set(block.spec.tables)
    sources = tuple(f"{s.name}:{s.sha256[:12]}" for s in cohort.sources if s.name in readable | {"wide"})
    return Lineage(name, block.spec.name, feature.unit, feature.about, feature.reference, kind, sources)
