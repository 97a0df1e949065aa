"""The molecular fingerprint of a patient: where each feature and each block stands against a reference cohort.

A percentile is a position among the quantiles that a model keeps of its training patients; nothing is filled in for
what is not known, and a block without a value has no position.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from theracast.checks import listed
from theracast.errors import UsageError
from theracast.features.feature_names import block_of
from theracast.features.matrix import FeatureMatrix
from theracast.models.positions import normal_score, percentiles

MEASURED, IN_PART, NOT_MEASURED, NO_REFERENCE = "measured", "in part", "not measured", "no reference"
#: What lies outside these percentiles is said to be beyond the reference cohort.
OUTER = (5.0, 95.0)


@dataclass(frozen=True)
class Fingerprint:
    """Positions of patients against a reference cohort, by feature and by block.

    Attributes
    ----------
    percentiles : DataFrame of float, shape (n_patients, n_features)
        In [0, 100]; NaN where the value is not known, or the reference does not hold the feature.
    beyond : DataFrame of int8, same shape
        -1 below the 5th percentile of the reference cohort, 1 above the 95th, else 0.
    values : DataFrame of float, same shape
        What was measured, in native units; NaN is not known.
    indirect : DataFrame of bool, same shape
        True where the value is a stand-in (proxy) or only a limit (below detection).
    blocks : DataFrame, indexed by patient and block
        ``position``: mean of the features' normal scores, in standard deviations of the reference cohort, within about
        +-2.6 (0 = as its median patient; positive = higher values, or, with weights, values that speak for response);
        ``beyond``: share of the known features outside the 5th to 95th percentile, in [0, 1]; ``expected``: that share
        in the reference cohort, .1 but for ties; ``known`` of ``features`` that the reference holds; ``coverage``:
        share of what the block reads that was there, in [0, 1]; ``state``: ``measured``, ``in part``, ``not measured``
        or ``no reference``.
    units, about : dict of str to str
        Per feature.
    cohort : str
        Name of the reference cohort.
    weighted : bool
        Whether positions are weighted and signed by what a model reads.

    Examples
    --------
    >>> from theracast import ResponseModel, load_cohort
    >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
    >>> f = fingerprint(model.matrix(load_cohort("riaz2017_mel")), model.reference_, cohort="liu2019_mel")
    >>> f.blocks.loc[("Pt1", "mutations"), "state"]
    'not measured'
    """

    percentiles: pd.DataFrame
    beyond: pd.DataFrame
    values: pd.DataFrame
    indirect: pd.DataFrame
    blocks: pd.DataFrame
    units: dict[str, str]
    about: dict[str, str]
    cohort: str = ""
    weighted: bool = False

    def frame(self) -> pd.DataFrame:
        """Lay everything out as one vector per patient.

        Returns
        -------
        DataFrame of float, shape (n_patients, 3 n_blocks + n_features)
            ``<block>:position``, ``<block>:beyond`` and ``<block>:known`` (share of features known, in [0, 1]), block
            after block, then the percentile of each feature; NaN is not known.

        Examples
        --------
        >>> from theracast import ResponseModel, load_cohort
        >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
        >>> fingerprint(model.matrix(load_cohort("riaz2017_mel")), model.reference_).frame().columns[:3].tolist()
        ['pathology:position', 'pathology:beyond', 'pathology:known']
        """
        share = self.blocks.known / self.blocks.features.where(self.blocks.features > 0)
        parts = self.blocks[["position", "beyond"]].assign(known=share).astype(float)
        names = self.blocks.index.get_level_values("block").unique()
        wide = {f"{b}:{c}": parts[c].xs(b, level="block").reindex(self.percentiles.index) for b in names for c in parts}
        return pd.concat([pd.DataFrame(wide, index=self.percentiles.index), self.percentiles], axis=1)

    def of(self, patient_id: str) -> dict[str, Any]:
        """Tell everything of one patient, JSON-ready.

        Parameters
        ----------
        patient_id : str
            One of the patients.

        Returns
        -------
        dict
            ``patient_id``, ``cohort``, ``state`` (a sentence), ``blocks`` and ``features``: lists of records in the
            order of the matrix; None is not known.

        Raises
        ------
        UsageError
            When there is no such patient.

        Examples
        --------
        >>> from theracast import ResponseModel, load_cohort
        >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
        >>> fingerprint(model.matrix(load_cohort("riaz2017_mel")), model.reference_).of("Pt1")["state"]
        '3 of 4 blocks are known, at least in part'
        """
        if patient_id not in self.percentiles.index:
            raise UsageError("no such patient in the fingerprint", fix="Check the id.")
        blocks = self.blocks.xs(patient_id, level="patient_id").reset_index()
        known, there = int((blocks.known > 0).sum()), len(blocks)
        names = pd.Series(self.percentiles.columns)
        features = pd.DataFrame(
            {
                "feature": names,
                "block": _owner(names),
                "about": names.map(self.about),
                "value": self.values.loc[patient_id].to_numpy(dtype=float),
                "unit": names.map(self.units),
                "percentile": self.percentiles.loc[patient_id].to_numpy(),
                "beyond": self.beyond.loc[patient_id].to_numpy(),
                "indirect": self.indirect.loc[patient_id].to_numpy(),
            }
        )
        return {
            "patient_id": patient_id,
            "cohort": self.cohort,
            "state": f"{known} of {there} blocks are known, at least in part" if known else "nothing is known",
            "blocks": _records(blocks),
            "features": _records(features),
        }

    def to_json(self) -> str:
        """Write all patients as JSON.

        Returns
        -------
        str
            A list of what `of` gives; null is not known.

        Examples
        --------
        >>> from theracast import ResponseModel, load_cohort
        >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
        >>> text = fingerprint(model.matrix(load_cohort("riaz2017_mel")), model.reference_).to_json()
        >>> len(json.loads(text)), "NaN" in text
        (51, False)
        """
        return json.dumps([self.of(p) for p in self.percentiles.index], allow_nan=False)


def fingerprint(
    matrix: FeatureMatrix,
    reference: Mapping[str, Sequence[float]],
    weights: Mapping[str, float] | None = None,
    cohort: str = "",
) -> Fingerprint:
    """Place patients among the reference cohort, each alone.

    Parameters
    ----------
    matrix : FeatureMatrix
        Patients.
    reference : mapping of str to sequence of float
        Quantiles of each feature at equal steps from the least to the greatest value, in native units:
        `ResponseModel.reference_`, or `theracast.models.positions.reference_of`.
    weights : mapping of str to float, optional
        How much each feature counts for the position of its block, with the sign of its direction (positive = higher
        values speak for response), such as `weights_of`; a feature without one counts for nothing. By default all
        count alike, and higher values are higher.
    cohort : str, optional
        Name of the reference cohort.

    Returns
    -------
    Fingerprint
        One row per patient.

    Raises
    ------
    UsageError
        The reference or the weights hold no feature of the matrix, or are no quantiles or numbers.

    Examples
    --------
    >>> from theracast import ResponseModel, load_cohort
    >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
    >>> f = fingerprint(model.matrix(load_cohort("riaz2017_mel")), model.reference_)
    >>> f.percentiles["mutations__tmb"].notna().sum().item()
    42
    """
    values = matrix.values
    placed = [c for c in values.columns if c in reference]
    if not placed:
        raise UsageError("the reference holds no feature of the matrix", wanted="the model that made the matrix")
    known = {name: _quantiles(name, reference[name]) for name in placed}
    found = percentiles(values, known)
    low, high, expected = np.full((3, values.shape[1]), np.nan)
    for k, name in enumerate(values.columns):
        if name in known:
            quantiles = known[name]
            low[k], high[k] = np.quantile(quantiles, np.array(OUTER) / 100)
            expected[k] = ((quantiles < low[k]).sum() + (quantiles > high[k]).sum()) / (quantiles.size - 1)
    given = values.to_numpy(dtype=np.float64)
    sides = (given > high).astype(np.int8) - (given < low).astype(np.int8)
    beyond = pd.DataFrame(sides, values.index, values.columns, copy=False)
    return Fingerprint(
        percentiles=found,
        beyond=beyond,
        values=values,
        indirect=matrix.proxy | (matrix.censored != 0),
        blocks=_blocks(matrix, found, sides, expected, set(placed), _weights(weights, values.columns)),
        units={name: x.unit for name, x in matrix.lineage.items()},
        about={name: x.about for name, x in matrix.lineage.items()},
        cohort=cohort,
        weighted=weights is not None,
    )


def weights_of(contributions: pd.DataFrame, values: pd.DataFrame) -> pd.Series:
    """Read from a model's contributions how much each feature counts, and in which direction.

    Parameters
    ----------
    contributions : DataFrame of float, shape (n_patients, n_features)
        Of each feature to the margin, such as `Fusion.split` gives.
    values : DataFrame of float
        The features of the same patients; NaN is not known.

    Returns
    -------
    Series of float, shape (n_features,)
        Standard deviation of the contribution, with the sign of its rank correlation with the value; 0 where that is 0
        or fewer than three patients have a value.

    Examples
    --------
    >>> x = pd.DataFrame({"a__x": [0.0, 1.0, 2.0], "a__y": [1.0, 2.0, 3.0]})
    >>> weights_of(pd.DataFrame({"a__x": [0.0, -1.0, -2.0], "a__y": 0.0}), x).tolist()
    [-1.0, 0.0]
    """
    found = {}
    for name, given in contributions.items():
        known = values[name].notna() & given.notna()
        spread = given[known].std() if known.sum() > 2 else 0.0
        # what differs by rounding only has no direction
        moves = spread > 1e-12 and values.loc[known, name].std() > 0
        found[name] = spread * np.sign(given[known].rank().corr(values.loc[known, name].rank())) if moves else 0.0
    return pd.Series(found, dtype=float)


def by_block(contributions: pd.DataFrame) -> pd.DataFrame:
    """Sum contributions of features over their blocks.

    Parameters
    ----------
    contributions : DataFrame of float, shape (n_rows, n_features)
        One row per therapy or patient; columns ``<block>__<feature>``; NaN where a feature had no say.

    Returns
    -------
    DataFrame of float, shape (n_rows, n_blocks)
        NaN where no feature of the block had a say.

    Examples
    --------
    >>> by_block(pd.DataFrame({"a__x": [1.0], "a__y": [-3.0], "b__z": [np.nan]}, index=["drug"])).loc["drug"].tolist()
    [-2.0, nan]
    """
    return contributions.T.groupby(_owner(pd.Series(contributions.columns)).to_numpy(), sort=False).sum(min_count=1).T


def _blocks(
    matrix: FeatureMatrix,
    found: pd.DataFrame,
    sides: np.ndarray,
    expected: np.ndarray,
    placed: set[str],
    weights: pd.Series,
) -> pd.DataFrame:
    places, weight_of = found.to_numpy(), weights.to_numpy()
    owner, has = _owner(pd.Series(found.columns)).to_numpy(), np.array([c in placed for c in found.columns])
    parts: dict[str, list[np.ndarray]] = {}
    for block in matrix.blocks:
        mine = np.flatnonzero((owner == block) & has)
        # row by row in memory, or numpy adds one patient in another order than fifty, and the last bit differs
        here = np.take(places, mine, axis=1)
        there = ~np.isnan(here)
        known = there.sum(axis=1)
        weight = there * np.abs(weight_of[mine])
        scores = np.where(there, normal_score(here), 0.0) * np.sign(weight_of[mine])
        of = np.where(known > 0, known, np.nan)
        total = weight.sum(axis=1)
        measured = np.select([known == len(mine), known > 0], [MEASURED, IN_PART], NOT_MEASURED)
        told = {
            "position": (scores * weight).sum(axis=1) / np.where(total > 0, total, np.nan),
            "beyond": (np.abs(np.take(sides, mine, axis=1)) * there).sum(axis=1) / of,
            "expected": (there * expected[mine]).sum(axis=1) / of,
            "known": known,
            "features": np.full(len(known), len(mine)),
            "coverage": matrix.coverage[block].to_numpy(dtype=float),
            "state": measured if len(mine) else np.full(len(known), NO_REFERENCE),
        }
        for name, column in told.items():
            parts.setdefault(name, []).append(column)
    patients, blocks = found.index, pd.Index(matrix.blocks)
    codes = [np.tile(np.arange(len(patients)), len(blocks)), np.repeat(np.arange(len(blocks)), len(patients))]
    index = pd.MultiIndex([patients, blocks], codes, names=["patient_id", "block"], verify_integrity=False)
    return pd.DataFrame({name: np.concatenate(columns) for name, columns in parts.items()}, index)


def _quantiles(name: str, given: Sequence[float]) -> np.ndarray:
    quantiles = np.asarray(given, dtype=np.float64)
    if quantiles.ndim != 1 or quantiles.size < 2 or not np.isfinite(quantiles).all() or (np.diff(quantiles) < 0).any():
        raise UsageError("the reference is no list of quantiles", where=name, wanted="ascending finite numbers")
    return quantiles


def _weights(weights: Mapping[str, float] | None, columns: pd.Index) -> pd.Series:
    if weights is None:
        return pd.Series(1.0, index=columns)
    found = pd.Series(dict(weights), dtype=float)
    wrong = found.index[~np.isfinite(found)]
    if len(wrong):
        raise UsageError("a weight is not a number", got=listed(wrong))
    if not found.index.intersection(columns).size:
        raise UsageError("the weights hold no feature of the matrix", wanted="<block>__<feature>")
    return found.reindex(columns, fill_value=0.0)


def _owner(names: pd.Series) -> pd.Series:
    return names.astype(str).map(block_of)


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return list(json.loads(table.to_json(orient="records", double_precision=15)))
