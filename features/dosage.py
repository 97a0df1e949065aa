"""Polygenic sums in memory: dosages times weights. From files, plink2 is as fast and reads them itself."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from theracast.errors import DataError, UsageError
from theracast.kernels.linear import mean_dosages, weighted_sums


def weighted_dosage(
    dosages: pd.DataFrame,
    weights: pd.Series,
    missing: Literal["mean", "skip"] = "mean",
    means: pd.Series | None = None,
) -> pd.Series:
    """Sum of weight times dosage over the variants of a score, for every patient.

    Parameters
    ----------
    dosages : DataFrame of int8, shape (n_patients, n_variants)
        Copies of the effect allele, 0, 1 or 2; negative is missing. Built from one int8 array, it is not copied.
    weights : Series of shape (n_variants,)
        Effect per copy, by the columns of `dosages`.
    missing : {"mean", "skip"}, default "mean"
        A missing dosage counts as the variant's mean, or as 0.
    means : Series of shape (n_variants,), optional
        Mean dosages of the training patients (twice the allele's frequency), by the columns of `dosages`. Without,
        the mean of these patients is taken, and a patient's sum depends on the others in the table.

    Returns
    -------
    Series of float64, shape (n_patients,)
        Sums, in the unit of the weights. A variant that no patient has, without `means`, adds nothing.

    Raises
    ------
    DataError
        When the dosages are not int8 or above 2, or a variant has no finite weight or mean.
    UsageError
        When `missing` is unknown, or `means` are given to ``missing="skip"``.

    Examples
    --------
    >>> table = pd.DataFrame(np.array([[2, 0], [1, -1], [0, 1]], dtype=np.int8), columns=["rs1", "rs2"])
    >>> weighted_dosage(table, pd.Series({"rs2": 1.0, "rs1": 0.25})).tolist()
    [0.5, 0.75, 1.0]
    """
    if missing not in ("mean", "skip"):
        raise UsageError("missing is unknown", got=repr(missing), wanted="'mean' or 'skip'")
    if means is not None and missing == "skip":
        raise UsageError("means are given, but missing dosages are to be skipped", fix="Leave out one of the two.")
    values = np.ascontiguousarray(dosages.to_numpy())
    if values.dtype != np.int8:
        kind = str(values.dtype)
        raise DataError("dosages are not int8", code="THX-D13", where="dosages", got=kind, fix="Use -1 for missing.")
    if values.max(initial=0) > 2:
        raise DataError("dosages are above 2", code="THX-D15", where="dosages", wanted="0, 1, 2 or negative (missing)")
    effect = _by_variant(weights, dosages, "weights")
    if missing == "skip":
        fill = np.zeros(effect.size)
    elif means is not None:
        fill = effect * _by_variant(means, dosages, "means")
    else:
        fill = effect * np.nan_to_num(mean_dosages(values))
    return pd.Series(weighted_sums(values, effect, fill), index=dosages.index, name="weighted_dosage")


def _by_variant(given: pd.Series, dosages: pd.DataFrame, name: str) -> np.ndarray:
    if not given.index.equals(dosages.columns):
        if not given.index.is_unique:
            raise DataError("variants repeat", code="THX-D17", where=name, fix="Keep one row per variant.")
        given = given.reindex(dosages.columns)
    values = given.to_numpy(dtype=np.float64, na_value=np.nan)
    unknown = int((~np.isfinite(values)).sum())
    if unknown:
        raise DataError(
            "variants have no finite value",
            code="THX-D32",
            where=name,
            got=f"{unknown} of {values.size} columns of the dosages",
            fix="Give the dosages of the score's variants only.",
        )
    return np.ascontiguousarray(values)
