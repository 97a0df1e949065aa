"""FeatureAssembler: blocks fitted on a cohort, one matrix out, the same for one patient as for a crowd."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin, clone

from theracast.checks import Problem, refuse
from theracast.features.base import Measured, OmicsBlock
from theracast.features.blocks import BLOCKS
from theracast.features.cohort import Cohort, as_cohort
from theracast.features.coverage import known_by_feature
from theracast.features.matrix import FeatureMatrix
from theracast.features.remarks import together
from theracast.features.tumours import tumour_notes
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
    >>> len(assembler.fit_transform(load_cohort("riaz2017_mel")))
    51
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
        DataFrame of float64 or float32, shape (n_patients, n_features)
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

    def scaled(self, values: pd.DataFrame) -> pd.DataFrame:
        """Put features on the scale on which their differences mean the same (`Feature.scale`, `Feature.most`).

        Parameters
        ----------
        values : DataFrame of float
            Columns of the matrix, in native units; any of them, in any order.

        Returns
        -------
        DataFrame of float
            The same columns; NaN stays NaN.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> assembler = FeatureAssembler(["mutations"]).fit(load_cohort("riaz2017_mel"))
        >>> assembler.scaled(pd.DataFrame({"mutations__tmb": [3.0, 1000.0]})).round(2)["mutations__tmb"].tolist()
        [3.0, 50.0]
        """
        known = {n: f for b in self.blocks_ for n, f in zip(b.names, b.outputs(), strict=True)}
        most = values.clip(upper=pd.Series({c: known[c].most for c in values}), axis=1)
        log = [c for c in values if known[c].scale == "log2"]
        return most.assign(**{c: np.log2(1.0 + most[c].clip(lower=0.0)) for c in log})

    def state(self) -> list[dict[str, Any]]:
        """Return what every block was given and learned, JSON-ready.

        Returns
        -------
        list of dict
            Name, parameters and fitted attributes of each block.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> FeatureAssembler(["mutations"]).fit(load_cohort("riaz2017_mel")).state()[0]["name"]
        'mutations'
        """
        fitted = [{k: v for k, v in vars(b).items() if k.endswith("_")} for b in self.blocks_]
        pairs = zip(self.blocks_, fitted, strict=True)
        return [{"name": b.spec.name, "params": b.get_params(), "fitted": f} for b, f in pairs]

    @classmethod
    def from_state(cls, state: Sequence[Mapping[str, Any]]) -> Self:
        """Rebuild fitted blocks.

        Parameters
        ----------
        state : sequence of mapping
            From `state`, also after a way through JSON.

        Returns
        -------
        FeatureAssembler
            Gives the same matrix.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> one = FeatureAssembler(["mutations"]).fit(load_cohort("riaz2017_mel"))
        >>> FeatureAssembler.from_state(one.state()).blocks
        ['mutations']
        """
        made = cls([b["name"] for b in state])
        made.blocks_ = []
        for kept in state:
            block = BLOCKS[kept["name"]](**kept["params"])
            for key, value in kept["fitted"].items():
                setattr(block, key, value)
            made.blocks_.append(block)
        return made

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
        values, proxies, limits = (
            pd.concat([part(m).add_prefix(f"{n}__") for n, m in measured.items()], axis=1)
            for part in (lambda m: m.values, lambda m: _anywhere(m.proxy), lambda m: _anywhere(m.censored))
        )
        notes = together(cohort.ids, (tumour_notes(cohort), *(m.notes for m in measured.values())))
        lineage = {
            x.feature: x for b, m in zip(self.blocks_, measured.values(), strict=True) for x in _lineage(b, m, cohort)
        }
        coverage = pd.DataFrame({n: m.coverage for n, m in measured.items()})
        tumours = cohort.tumours
        digests = _digests(values, tumours)
        return FeatureMatrix(values, proxies, coverage, lineage, notes, digests, cohort.studies, limits, tumours)

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
    return mask.loc[:, mask.any(axis=0).to_numpy(dtype=bool)]


def _digests(values: pd.DataFrame, tumours: pd.Series) -> pd.Series:
    """Digest what is known of each patient: equal features of another tumour type are another input."""
    digests = digest_rows(values)
    types = tumours.to_numpy(dtype=object)
    if not any(types):
        return digests
    # as `digest_json` of the two: a digest needs no escape, and the types are few
    ends, begun = {t: f'",{json.dumps(t)}]' for t in set(types)}, sha256(b'["')
    marks = np.empty(len(types), dtype=object)
    for row, (digest, t) in enumerate(zip(digests.to_numpy(), types, strict=True)):
        if t:
            one = begun.copy()
            one.update(f"{digest}{ends[t]}".encode())
            digest = one.hexdigest()
        marks[row] = digest
    return pd.Series(marks, index=digests.index, dtype=object)


def _lineage(block: OmicsBlock, measured: Measured, cohort: Cohort) -> Iterator[Lineage]:
    """Say of every feature of a block what it is and rests on; the table is looked through once."""
    own, any_proxy = (_sources(cohort, {*block.spec.tables, *more}) for more in ((), ("expression", "signatures")))
    known = dict(zip(measured.values.columns, known_by_feature(measured.values), strict=True))
    stand_ins = {c: int((m != 0).sum()) for c, m in _anywhere(measured.proxy).items()}
    for feature in block.outputs():
        name, n, proxies = f"{block.spec.name}__{feature.name}", known[feature.name], stand_ins.get(feature.name, 0)
        kind = "absent" if not n else "measured" if not proxies else "proxy" if proxies == n else "mixed"
        sources = any_proxy if proxies else own
        yield Lineage(name, block.spec.name, feature.unit, feature.about, feature.reference, kind, sources)


def _sources(cohort: Cohort, tables: set[str]) -> tuple[str, ...]:
    return tuple(f"{s.name}:{s.sha256[:12]}" for s in cohort.sources if s.name in tables | {"wide"})
