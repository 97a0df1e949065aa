"""Scales of gene tables: what the values are declared to be, what they look like, and how they become one scale."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from theracast.errors import DataError

#: The one scale of table ``expression``.
CANONICAL = "log2(TPM+1)"
#: Tables of genes: log2(TPM+1); raw counts, compared between patients after normalisation; log2 intensities of an
#: array, of which only the order within a sample is read.
EXPRESSION, COUNTS, ARRAY = "expression", "counts", "array"
_KINDS = {
    **dict.fromkeys(("counts", "count", "rawcounts", "readcounts", "expectedcounts"), COUNTS),
    **dict.fromkeys(("array", "microarray", "rma", "log2intensity", "log2(intensity)"), ARRAY),
}
#: Values looked at or converted at a time, as float64.
_AT_ONCE = 1_000_000


_TO_CANONICAL: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "log2(tpm+1)": lambda x: x,
    "log10(tpm+1)": lambda x: x / np.log10(2.0),
    "ln(tpm+1)": lambda x: x / np.log(2.0),
    "tpm": lambda x: np.log2(x + 1.0),
    "fpkm": lambda x: x,
    "log2(fpkm+1)": lambda x: np.exp2(x) - 1.0,
}
#: FPKM become TPM by their sum over all genes; over a part of them every value would be too high.
_TRANSCRIPTOME = 10_000
#: Genes from which a table without any value near zero cannot be RNA-seq.
_MANY = 1_000
_FIX = (
    f"Declare it in units.yaml ('expression: TPM') or give {CANONICAL}. Known: {', '.join(_TO_CANONICAL)}, "
    "counts, array."
)
_COUNTED = (
    "Divide by gene length and depth: give TPM (gene lengths are not known here). Or declare 'expression: counts': "
    "block 'expression' reads counts."
)


def kind_of(declared: str | None) -> str:
    """Say which table an ``expression`` table is by its declared unit.

    Parameters
    ----------
    declared : str or None
        Unit as the user wrote it.

    Returns
    -------
    {"expression", "counts", "array"}
        ``expression`` for everything that can become log2(TPM+1).

    Examples
    --------
    >>> kind_of("raw counts"), kind_of("RMA"), kind_of("TPM")
    ('counts', 'array', 'expression')
    """
    return _KINDS.get(_plain(declared), EXPRESSION)


def to_canonical(table: pd.DataFrame, declared: str | None, where: str) -> pd.DataFrame:
    """Bring expression to log2(TPM+1), or refuse with the reason.

    The scale is checked against the values whether it was declared or not: a wrong declaration is the commoner
    mistake. A float32 table that is on this scale already is returned without a copy.

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
        THX-D04 raw counts; THX-D05 linear for log, log for linear, log twice or an array; THX-D06 z-scores; THX-D11
        infinite.

    Examples
    --------
    >>> t = pd.DataFrame([[0.0, 1023.0, 3.5]], columns=["A", "B", "C"])
    >>> to_canonical(t, "TPM", "expression")["B"].tolist()
    [10.0]
    """
    unit = _plain(declared)
    seen = _look(table, where)
    if not seen["known"]:
        return _float32(table)
    refusal = _refusal(unit, seen, table.shape[1])
    if refusal:
        code, what, fix = refusal
        raise DataError(what, code=code, where=where, got=seen["text"], wanted=declared or CANONICAL, fix=fix)
    unit = unit or CANONICAL.lower()
    return _float32(table) if unit == CANONICAL.lower() else _converted(table, unit)


def as_counts(table: pd.DataFrame, where: str) -> pd.DataFrame:
    """Check raw or expected counts.

    Parameters
    ----------
    table : DataFrame
        Patients x genes, numeric.
    where : str
        Table or file, for the message.

    Returns
    -------
    DataFrame of float32
        Same values; exact up to 16,777,216.

    Raises
    ------
    DataError
        THX-D04 logged or scaled to a million; THX-D05 negative; THX-D06 z-scores; THX-D11 infinite.

    Examples
    --------
    >>> as_counts(pd.DataFrame({"A": [0, 17]}), "counts")["A"].tolist()
    [0.0, 17.0]
    """
    seen, what, code = _look(table, where), "", "THX-D04"
    if seen["centred"]:
        what, code = "counts look z-scored or batch-corrected", "THX-D06"
    elif seen["negative"]:
        what, code = "counts hold negative values", "THX-D05"
    elif seen["known"] and not seen["whole"] and seen["high"] < 30 and table.shape[1] >= 50:
        what = "counts look logged"
    elif not seen["whole"] and table.shape[1] >= _MANY and (abs(_row_sums(table) / 1e6 - 1) < 0.01).all():
        what = "counts add up to a million in every sample: they look like TPM"
    if what:
        fix = "Give the counts as they came from the aligner, or expected counts of RSEM or Salmon."
        raise DataError(what, code=code, where=where, got=seen["text"], wanted="counts from 0, not logged", fix=fix)
    return _float32(table)


def as_array(table: pd.DataFrame, where: str) -> pd.DataFrame:
    """Check log2 intensities of a microarray (RMA-like).

    Parameters
    ----------
    table : DataFrame
        Patients x genes, numeric.
    where : str
        Table or file, for the message.

    Returns
    -------
    DataFrame of float32
        Same values.

    Raises
    ------
    DataError
        THX-D05 linear intensities; THX-D06 z-scores; THX-D11 infinite.

    Examples
    --------
    >>> as_array(pd.DataFrame({"A": [3.5, 11.25]}), "array")["A"].tolist()
    [3.5, 11.25]
    """
    seen = _look(table, where)
    if seen["centred"]:
        raise DataError(
            "array intensities look z-scored or batch-corrected: their order within a sample is lost",
            code="THX-D06",
            where=where,
            got=seen["text"],
            wanted="log2 intensities",
            fix="Give them before scaling, such as RMA gives them.",
        )
    if seen["high"] > 30:
        raise DataError(
            "array intensities look linear",
            code="THX-D05",
            where=where,
            got=seen["text"],
            wanted="log2 intensities",
            fix="Give their log2, such as RMA gives it.",
        )
    return _float32(table)


def column_blocks(table: pd.DataFrame, order: np.ndarray | None = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Go through a table by some columns at a time, so that it is never copied whole.

    Parameters
    ----------
    table : DataFrame of shape (n_patients, n_genes)
        Numeric.
    order : ndarray of int, optional
        Positions of the columns wanted, in this order; all as they stand by default.

    Yields
    ------
    places : ndarray of int
        Positions of these columns.
    values : ndarray of float64, shape (n_patients, n_places)
        Their values, C-contiguous; NaN where not measured.

    Examples
    --------
    >>> [values.shape for _, values in column_blocks(pd.DataFrame({"A": [1.0], "B": [2.0]}))]
    [(1, 2)]
    """
    n_columns = table.shape[1] if order is None else len(order)
    width = max(1, _AT_ONCE // max(len(table), 1))
    for first in range(0, n_columns, width):
        places = np.arange(first, min(first + width, n_columns))
        if order is not None:
            places = order[places]
        part = table.iloc[:, first : first + width] if order is None else table.iloc[:, places]
        yield places, np.ascontiguousarray(part.to_numpy(dtype=np.float64, na_value=np.nan))


def _plain(declared: str | None) -> str:
    return re.sub(r"\s", "", declared or "").lower()


def _float32(table: pd.DataFrame) -> pd.DataFrame:
    if all(t == np.float32 for t in table.dtypes):
        return table
    return _converted(table, CANONICAL.lower())


def _converted(table: pd.DataFrame, unit: str) -> pd.DataFrame:
    """Convert into a new float32 table, a block of columns after the other."""
    out = np.empty(table.shape[::-1], dtype=np.float32).T  # as pandas keeps it: no copy
    million = 1e6 / _row_sums(table, _TO_CANONICAL[unit])[:, None] if "fpkm" in unit else None
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for places, values in column_blocks(table):
            values = _TO_CANONICAL[unit](values)
            out[:, places] = values if million is None else np.log2(values * million + 1.0)
    return pd.DataFrame(out, index=table.index, columns=table.columns, copy=False)


def _row_sums(table: pd.DataFrame, convert: Callable[[np.ndarray], np.ndarray] = lambda x: x) -> np.ndarray:
    """Sum of each patient, the genes in the order of their names: that of the columns must not change a bit."""
    sums = np.zeros(len(table))
    order = np.argsort(table.columns.to_numpy(dtype=str), kind="stable")
    for _, values in column_blocks(table, order):
        sums += np.nansum(convert(values), axis=1)
    return sums


def _look(table: pd.DataFrame, where: str) -> dict:
    low, high, total, negative, known, whole = np.inf, -np.inf, 0.0, 0, 0, True
    try:
        for _, values in column_blocks(table):
            finite = values[~np.isnan(values)]
            if not finite.size:
                continue
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
            total, known = total + float(finite.sum()), known + finite.size
            negative += int((finite < 0).sum())
            whole = whole and bool((finite == np.floor(finite)).all())
    except (TypeError, ValueError):
        raise DataError(
            "the expression table holds text",
            code="THX-D13",
            where=where,
            wanted="numbers only",
            fix="Drop annotation columns; leave unknown cells empty.",
        ) from None
    if known and (np.isinf(low) or np.isinf(high)):
        raise DataError(
            "the expression table holds infinite values", code="THX-D11", where=where, fix="Leave unknown cells empty."
        )
    share, mean = negative / max(known, 1), total / max(known, 1)
    return {
        "known": known,
        "low": low,
        "high": high,
        "negative": negative,
        "centred": share > 0.2 and abs(mean) < 0.5,
        "whole": whole,
        "text": f"range {low:.3g} to {high:.3g}, {share:.0%} negative",
    }


def _refusal(unit: str, seen: dict, n_genes: int) -> tuple[str, str, str] | None:
    """Say why the values cannot be what they are declared to be: (code, what, fix)."""
    if unit and "count" in unit:
        return "THX-D04", "raw counts cannot be compared between genes", _COUNTED
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
        return "THX-D04", "expression looks like raw counts, not " + (unit or CANONICAL), _COUNTED
    if not linear and seen["high"] > 30:
        return "THX-D05", f"expression looks linear (TPM or FPKM), not {unit or CANONICAL}", _FIX
    if linear and seen["high"] < 30 and n_genes >= 50:
        return "THX-D05", f"expression looks logged, not {unit.upper()}", _FIX
    if unit in ("", CANONICAL.lower()) and seen["high"] < 6 and n_genes >= 50:
        return "THX-D05", f"expression looks logged twice, or log10, not {CANONICAL}", _FIX
    if not linear and seen["low"] >= 1 and n_genes >= _MANY:
        what = f"expression has no gene near zero: it looks like array intensities, not {unit or CANONICAL}"
        return "THX-D05", what, "Declare 'expression: array' in units.yaml; only their order within a sample is read."
    return None


def row_blocks(table: pd.DataFrame, genes: list[str], rows: int = 256) -> Iterator[tuple[slice, np.ndarray]]:
    """Go through some genes of a table by some patients at a time, so that it is never copied whole.

    Parameters
    ----------
    table : DataFrame of shape (n_patients, n_genes)
        Numeric.
    genes : list of str
        Columns wanted, in this order; one that is not there is NaN.
    rows : int, default 256
        Patients at a time.

    Yields
    ------
    part : slice
        Positions of these patients.
    values : ndarray of float64, shape (n_part, len(genes))
        Their values, C-contiguous; NaN where not measured.

    Examples
    --------
    >>> [values.tolist() for _, values in row_blocks(pd.DataFrame({"A": [1.0], "B": [2.0]}), ["B", "C"])]
    [[[2.0, nan]]]
    """
    places = table.columns.get_indexer(pd.Index(genes))
    there = np.flatnonzero(places >= 0)
    for first in range(0, len(table), rows):
        part = slice(first, min(first + rows, len(table)))
        values = np.full((part.stop - first, len(genes)), np.nan)
        values[:, there] = table.iloc[part].to_numpy(na_value=np.nan)[:, places[there]]
        yield part, values
