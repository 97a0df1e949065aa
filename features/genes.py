"""Expression tables: which way round they lie, on which scale they are, whose genes they hold."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from theracast.checks import listed
from theracast.errors import DataError
from theracast.features.tables import load_table

#: The one scale every block reads.
CANONICAL = "log2(TPM+1)"


def _from_fpkm(values: np.ndarray) -> np.ndarray:
    return np.log2(values * (1e6 / np.nansum(values, axis=1, keepdims=True)) + 1.0)


_TO_CANONICAL = {
    "log2(tpm+1)": lambda x: x,
    "log10(tpm+1)": lambda x: x / np.log10(2.0),
    "ln(tpm+1)": lambda x: x / np.log(2.0),
    "tpm": lambda x: np.log2(x + 1.0),
    "fpkm": _from_fpkm,
    "log2(fpkm+1)": lambda x: _from_fpkm(np.exp2(x) - 1.0),
}
#: FPKM become TPM by their sum over all genes; over a part of them every value would be too high.
_TRANSCRIPTOME = 10_000
_FIX = f"Declare it in units.yaml ('expression: TPM') or give {CANONICAL}. Known: {', '.join(_TO_CANONICAL)}."


def known_symbols() -> frozenset[str]:
    """Return the symbols of the shipped gene sets, used to tell genes from patients.

    Returns
    -------
    frozenset of str
        As the sets spell them.

    Examples
    --------
    >>> "CD274" in known_symbols()
    True
    """
    return frozenset(g for text in load_table("immune_sets")["genes"] for g in text.split(":"))


def patients_in_rows(table: pd.DataFrame, where: str, other_ids: frozenset[str] = frozenset()) -> pd.DataFrame:
    """Turn an expression table so that patients are rows, or say that it looks transposed.

    Parameters
    ----------
    table : DataFrame
        Either genes x patients with the index named ``gene``, or patients x genes.
    where : str
        Table or file, for the message.
    other_ids : frozenset of str
        Patient ids of the other tables.

    Returns
    -------
    DataFrame
        Patients x genes.

    Raises
    ------
    DataError
        THX-D07 when the labels say that the table lies the other way round than declared.

    Examples
    --------
    >>> t = pd.DataFrame({"p1": [1.0]}, index=pd.Index(["CD274"], name="gene"))
    >>> patients_in_rows(t, "expression").index.tolist()
    ['p1']
    """
    declared = table.index.name == "gene"
    turned = table.T if declared else table
    genes = known_symbols()
    right = sum(str(c) in genes for c in turned.columns) + sum(str(i) in other_ids for i in turned.index)
    wrong = sum(str(i) in genes for i in turned.index) + sum(str(c) in other_ids for c in turned.columns)
    if wrong > right:
        raise DataError(
            "the expression table looks transposed",
            code="THX-D07",
            where=where,
            got=f"{wrong} labels on the wrong axis, {right} on the right one",
            wanted="genes in rows with the index named 'gene', or patients in rows",
            fix="Transpose it, or name the index 'gene' (genes in rows) or 'patient_id' (patients in rows).",
        )
    return turned


def unique_genes(table: pd.DataFrame, where: str, rule: str = "refuse") -> pd.DataFrame:
    """Leave one column per gene.

    Parameters
    ----------
    table : DataFrame
        Patients x genes.
    where : str
        Table or file, for the message.
    rule : {"refuse", "max", "mean"}, default "refuse"
        What to do with columns of the same gene.

    Returns
    -------
    DataFrame
        Patients x distinct genes.

    Raises
    ------
    DataError
        THX-D03 on duplicates under ``"refuse"``.

    Examples
    --------
    >>> t = pd.DataFrame([[1.0, 3.0]], columns=["CD8A", "CD8A"])
    >>> unique_genes(t, "expression", rule="mean")["CD8A"].tolist()
    [2.0]
    """
    repeated = table.columns[table.columns.duplicated()].unique()
    if repeated.empty:
        return table
    if rule not in ("max", "mean"):
        raise DataError(
            "genes occur more than once",
            code="THX-D03",
            where=where,
            got=f"{len(repeated)} repeated: {listed(repeated)}",
            wanted="one column per gene",
            fix="Keep one, or declare 'duplicate_genes: max' (or mean) in units.yaml.",
        )
    return table.T.groupby(level=0, sort=False).agg(rule).T


def to_canonical(table: pd.DataFrame, declared: str | None, where: str) -> pd.DataFrame:
    """Bring expression to log2(TPM+1), or refuse with the reason.

    The scale is checked against the values whether it was declared or not: a wrong declaration is the commoner
    mistake.

    Parameters
    ----------
    table : DataFrame
        Patients x genes, numeric.
    declared : str or None
        Unit as the user wrote it; None infers a log2 scale when the values leave no doubt.
    where : str
        Table or file, for the message.

    Returns
    -------
    DataFrame of float32
        Same shape, log2(TPM+1).

    Raises
    ------
    DataError
        THX-D04 raw counts; THX-D05 linear for log, log for linear or log twice; THX-D06 z-scores; THX-D11 infinite.

    Examples
    --------
    >>> t = pd.DataFrame([[0.0, 1023.0, 3.5]], columns=["A", "B", "C"])
    >>> to_canonical(t, "TPM", "expression")["B"].tolist()
    [10.0]
    """
    try:
        values = table.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        raise DataError(
            "the expression table holds text",
            code="THX-D13",
            where=where,
            wanted="numbers only",
            fix="Drop annotation columns; leave unknown cells empty.",
        ) from None
    if values.size == 0 or np.isnan(values).all():
        return table.astype(np.float32)
    if np.isinf(values).any():
        raise DataError(
            "the expression table holds infinite values", code="THX-D11", where=where, fix="Leave unknown cells empty."
        )
    unit = re.sub(r"\s", "", declared or "").lower()
    seen = _look(values)
    refusal = _refusal(unit, seen, values.shape[1])
    if refusal:
        code, what, fix = refusal
        raise DataError(what, code=code, where=where, got=seen["text"], wanted=declared or CANONICAL, fix=fix)
    convert = _TO_CANONICAL[unit or CANONICAL.lower()]
    with np.errstate(divide="ignore", invalid="ignore"):
        return pd.DataFrame(convert(values).astype(np.float32), index=table.index, columns=table.columns)


def _look(values: np.ndarray) -> dict:
    finite = values[~np.isnan(values)]
    low, high = float(finite.min()), float(finite.max())
    negative = float((finite < 0).mean())
    return {
        "high": high,
        "negative": negative,
        "centred": negative > 0.2 and abs(float(finite.mean())) < 0.5,
        "whole": bool((finite == np.floor(finite)).all()),
        "text": f"range {low:.3g} to {high:.3g}, {negative:.0%} negative",
    }


def _refusal(unit: str, seen: dict, n_genes: int) -> tuple[str, str, str] | None:
    """Say why the values cannot be what they are declared to be: (code, what, fix)."""
    if unit and "count" in unit:
        return "THX-D04", "raw counts cannot be compared between genes", "Divide by gene length and depth: give TPM."
    if unit and unit not in _TO_CANONICAL:
        return "THX-D05", "the expression unit is not known", _FIX
    if seen["centred"]:
        return (
            "THX-D06",
            "expression looks z-scored or batch-corrected: its absolute level is lost",
            "Give TPM before scaling.",
        )
    if seen["negative"] > 0:
        return "THX-D05", "expression holds negative values", _FIX
    if "fpkm" in unit and n_genes < _TRANSCRIPTOME:
        return "THX-D05", f"FPKM of {n_genes} genes cannot become TPM", "Give the FPKM of all genes, or TPM."
    linear = unit in ("tpm", "fpkm")
    if seen["whole"] and seen["high"] > 50:
        return (
            "THX-D04",
            "expression looks like raw counts, not " + (unit or CANONICAL),
            "Divide by gene length and depth: give TPM.",
        )
    if not linear and seen["high"] > 30:
        return "THX-D05", f"expression looks linear (TPM or FPKM), not {unit or CANONICAL}", _FIX
    if linear and seen["high"] < 30 and n_genes >= 50:
        return "THX-D05", f"expression looks logged, not {unit.upper()}", _FIX
    if unit in ("", CANONICAL.lower()) and seen["high"] < 6 and n_genes >= 50:
        return "THX-D05", f"expression looks logged twice, or log10, not {CANONICAL}", _FIX
    return None
