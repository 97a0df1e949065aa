"""How much of a feature matrix is known: by patient, by study and block, and for one feature."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from theracast.errors import UsageError
from theracast.provenance import Lineage

if TYPE_CHECKING:
    from theracast.features.matrix import FeatureMatrix

#: Cells that are looked at in one go: their mask takes 20 MB.
CELLS = 20_000_000


def known_by_patient(values: pd.DataFrame) -> np.ndarray:
    """Count the known values of each patient, without a mask of the whole table.

    Parameters
    ----------
    values : DataFrame of shape (n_patients, n_features)
        NaN is not known.

    Returns
    -------
    ndarray of int64, shape (n_patients,)
        0 to `n_features`.

    Examples
    --------
    >>> known_by_patient(pd.DataFrame({"a": [1.0, np.nan], "b": [2.0, np.nan]})).tolist()
    [2, 0]
    """
    counts = np.zeros(len(values), dtype=np.int64)
    step = max(1, CELLS // max(1, len(values)))
    for start in range(0, values.shape[1], step):
        counts += values.iloc[:, start : start + step].notna().to_numpy().sum(axis=1)
    return counts


def known_by_feature(values: pd.DataFrame) -> np.ndarray:
    """Count the known values of each feature, without a mask of the whole table.

    Parameters
    ----------
    values : DataFrame of shape (n_patients, n_features)
        NaN is not known.

    Returns
    -------
    ndarray of int64, shape (n_features,)
        0 to `n_patients`.

    Examples
    --------
    >>> known_by_feature(pd.DataFrame({"a": [1.0, np.nan], "b": [2.0, 3.0]})).tolist()
    [1, 2]
    """
    step = max(1, CELLS // max(1, len(values)))
    starts = range(0, values.shape[1], step)
    counts = [values.iloc[:, s : s + step].notna().to_numpy().sum(axis=0) for s in starts]
    return np.concatenate(counts) if counts else np.zeros(0, dtype=np.int64)


def spread_mask(narrow: pd.DataFrame, values: pd.DataFrame, nowhere: bool | int, kind: type) -> pd.DataFrame:
    """Give every feature a column of a mask.

    Parameters
    ----------
    narrow : DataFrame
        The features of which the mask says something.
    values : DataFrame of shape (n_patients, n_features)
        The features.
    nowhere : bool or int
        What the mask says of the others.
    kind : type
        Of the cells.

    Returns
    -------
    DataFrame of shape (n_patients, n_features)
        As `values`.

    Examples
    --------
    >>> values = pd.DataFrame({"a": [1.0], "b": [2.0]})
    >>> spread_mask(pd.DataFrame({"b": [True]}), values, False, bool).iloc[0].tolist()
    [False, True]
    """
    return narrow.reindex(index=values.index, columns=values.columns, fill_value=nowhere).astype(kind)


def describe(matrix: FeatureMatrix) -> pd.DataFrame:
    """Summarise what is known, by study and block: the work of `FeatureMatrix.describe`.

    Parameters
    ----------
    matrix : FeatureMatrix
        Any number of studies.

    Returns
    -------
    DataFrame of shape (n_studies x n_blocks, 8)
        Indexed by study, blocks of one study together.

    Examples
    --------
    >>> from theracast import FeatureAssembler, load_cohort
    >>> c = load_cohort("riaz2017_mel")
    >>> describe(FeatureAssembler(["pathology"]).fit(c).matrix(c)).loc["riaz2017_mel", "proxy"].item()
    1.0
    """
    studies = matrix.studies.to_numpy(dtype=object)
    order = {study: i for i, study in enumerate(dict.fromkeys(studies))}
    parts = []
    for at, name in enumerate(matrix.blocks):
        width = matrix.block(name).shape[1]
        known = known_by_patient(matrix.block(name))
        rows = pd.DataFrame(
            {
                "n": 1,
                "present": (known > 0).astype(np.int64),
                "coverage": matrix.coverage[name].to_numpy(dtype=np.float64),
                "known": known,
                "proxy": _masked_by_patient(matrix.proxies, name),
                "censored": _masked_by_patient(matrix.limits, name, len(matrix)),
            }
        )
        by = rows.groupby(studies, sort=False)
        sums = by.sum()
        part = pd.DataFrame({"block": name, "n": sums["n"], "features": width, "present": sums["present"]})
        part["coverage"] = by["coverage"].mean()
        part["known"] = sums["known"] / (sums["n"] * max(1, width))
        for mask in ("proxy", "censored"):
            part[mask] = (sums[mask] / sums["known"]).where(sums["known"] > 0, 0.0)
        parts.append(part.assign(_study=[order[s] for s in part.index], _block=at))
    if not parts:
        return pd.DataFrame(columns=list(_COLUMNS)).rename_axis("study")
    table = pd.concat(parts).sort_values(["_study", "_block"])
    return table[list(_COLUMNS)].rename_axis("study")


_COLUMNS = ("block", "n", "features", "present", "coverage", "known", "proxy", "censored")


def _masked_by_patient(mask: pd.DataFrame, block: str, n: int | None = None) -> np.ndarray:
    mine = mask.loc[:, [str(c).startswith(f"{block}__") for c in mask.columns]]
    if not mine.shape[1]:
        return np.zeros(len(mask) if n is None else n, dtype=np.int64)
    return (mine.to_numpy() != 0).sum(axis=1)


@dataclass(frozen=True)
class Trace:
    """Where one feature comes from and how much of it is known.

    Attributes
    ----------
    lineage : Lineage
        Unit, meaning, block, reference, kind and sources with their digests.
    patients, known, proxies, censored : int
        Patients, and how many have a value, a stand-in, a limit.
    low, high : float
        Least and greatest value, in the unit; NaN when none is known.
    studies : dict of str to tuple of int
        Study to (known, patients).

    Examples
    --------
    >>> lineage = Lineage("b__f", "b", "years", "age", "10.1/x", "measured", ("clinical:0123456789ab",))
    >>> print(Trace(lineage, 3, 2, 0, 0, 40.0, 61.0, {"a": (2, 3)}))
    b__f: age
      unit       years
      block      b
      reference  10.1/x
      kind       measured
      sources    clinical (sha256 0123456789ab)
      known      2 of 3 patients; by proxy 0, censored 0
      range      40 to 61
      studies    a 2 of 3
    """

    lineage: Lineage
    patients: int
    known: int
    proxies: int
    censored: int
    low: float
    high: float
    studies: dict[str, tuple[int, int]]

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-ready form.

        Returns
        -------
        dict
            The lineage and the counts; `low` and `high` are None when nothing is known.

        Examples
        --------
        >>> Trace(Lineage("f", "b", "", "", "", "absent", ()), 1, 0, 0, 0, np.nan, np.nan, {}).as_dict()["low"] is None
        True
        """
        low, high = (None if np.isnan(v) else v for v in (self.low, self.high))
        counts = {"patients": self.patients, "known": self.known, "proxies": self.proxies, "censored": self.censored}
        studies = {s: {"known": known, "patients": n} for s, (known, n) in self.studies.items()}
        sources = [_source(s) for s in self.lineage.sources]
        return {**self.lineage.as_dict(), "sources": sources, **counts, "low": low, "high": high, "studies": studies}

    def __str__(self) -> str:
        at = self.lineage
        sources = [f"{s['name']} (sha256 {s['sha256']})" for s in map(_source, at.sources)]
        lines = {
            "unit": at.unit,
            "block": at.block,
            "reference": at.reference,
            "kind": at.kind,
            "sources": ", ".join(sources),
            "known": f"{self.known} of {self.patients} patients; by proxy {self.proxies}, censored {self.censored}",
            "range": f"{self.low:.6g} to {self.high:.6g}" if self.known else "nothing is known",
            "studies": ", ".join(f"{s} {known} of {n}" for s, (known, n) in self.studies.items()),
        }
        return "\n".join([f"{at.feature}: {at.about}", *(f"  {k:<9}  {v}".rstrip() for k, v in lines.items())])


def _source(written: str) -> dict[str, str]:
    name, _, digest = written.rpartition(":")
    return {"name": name, "sha256": digest}


def trace(matrix: FeatureMatrix, feature: str) -> Trace:
    """Follow one feature back: the work of `FeatureMatrix.trace`.

    Parameters
    ----------
    matrix : FeatureMatrix
        That holds it.
    feature : str
        ``<block>__<feature>``.

    Returns
    -------
    Trace
        Lineage and counts.

    Raises
    ------
    UsageError
        When there is no such feature.

    Examples
    --------
    >>> from theracast import FeatureAssembler, load_cohort
    >>> c = load_cohort("riaz2017_mel")
    >>> trace(FeatureAssembler(["mutations"]).fit(c).matrix(c), "mutations__tmb").studies
    {'riaz2017_mel': (42, 51)}
    """
    if feature not in matrix.lineage:
        near = difflib.get_close_matches(feature, matrix.lineage, n=1)
        raise UsageError(
            f"no feature named {feature!r}",
            wanted=f"one of the {len(matrix.lineage)} columns of the matrix",
            fix=f"Did you mean {near[0]!r}?" if near else "",
        )
    values = matrix.values[feature].to_numpy(dtype=np.float64)
    known = ~np.isnan(values)
    by = pd.DataFrame({"known": known}).groupby(matrix.studies.to_numpy(dtype=object), sort=False)["known"]
    studies = {str(s): (int(part.sum()), len(part)) for s, part in by}
    low, high = (float(values[known].min()), float(values[known].max())) if known.any() else (np.nan, np.nan)
    proxies, limits = (int((m[feature] != 0).sum()) if feature in m else 0 for m in (matrix.proxies, matrix.limits))
    return Trace(matrix.lineage[feature], len(values), int(known.sum()), proxies, limits, low, high, studies)
