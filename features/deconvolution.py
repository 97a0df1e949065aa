"""Cell fractions of bulk expression: non-negative least squares, nu-SVR, and marker means.

Expression comes in log2(TPM+1). A mixture of cells is a sum of TPM, not of their logarithms: everything here but the
marker means works in linear TPM, ``2 ** x - 1``, and signature matrices are linear.

Fractions are shares of the cell types *of the signature*: tumour and other cells that it does not hold are left out of
the whole, and cells with more RNA weigh more.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from scipy.optimize import nnls
from sklearn.svm import NuSVR

from theracast.checks import listed, table_to_numbers
from theracast.errors import DataError, UsageError
from theracast.features.symbols import approved
from theracast.features.tables import load_table

Source: TypeAlias = str | Path | pd.DataFrame | Mapping[str, Mapping[str, float]]
#: The matrix that ships with the package, in ``tables/``.
SHIPPED = "blood_cells"
#: A linear signature reaches further; a logged one does not.
_LEAST_TOP = 50.0
#: Values of nu that compete (Newman et al. 2015).
NUS = (0.25, 0.5, 0.75)
#: Published marker sets of `tables/immune_sets.csv` for each cell type.
MARKERS = {
    "t_cells": "Tcell_l_Danaher17",
    "cd8_t_cells": "CD8Tcell_sc",
    "regulatory_t_cells": "RegTcell_sc",
    "cytotoxic_cells": "Cytotoxic_l_Danaher17",
    "b_cells": "Bcell_l_Danaher17",
    "plasma_cells": "Plasma_sc",
    "nk_cells": "NK_l_Danaher17",
    "monocytes": "Monocyte_sc",
    "macrophages": "Macrophage_l_Danaher17",
    "dendritic_cells": "cDC_sc",
    "plasmacytoid_dendritic_cells": "pDC_sc",
    "neutrophils": "Neutrophil_sc",
    "mast_cells": "Mast_l_Danaher17",
    "fibroblasts": "Fibroblast_sc",
    "endothelial_cells": "Endothelial_sc",
}


class Fit(NamedTuple):
    """Cell fractions of one sample and how well they explain it.

    Attributes
    ----------
    fractions : ndarray of shape (n_cell_types,)
        Non-negative, adding to 1; NaN when nothing was found.
    correlation : float
        Pearson correlation of the reconstructed profile with the measured one, over the signature's genes in TPM.
    rmse : float
        Root mean square of measured minus reconstructed, in standard deviations of the measured profile.

    Examples
    --------
    >>> Fit(np.array([1.0]), 1.0, 0.0).rmse
    0.0
    """

    fractions: np.ndarray
    correlation: float
    rmse: float


def read_signature(source: Source) -> pd.DataFrame:
    """Read a signature matrix: mean expression of each gene in each cell type, linear.

    Parameters
    ----------
    source : str, Path, DataFrame or mapping
        ``"blood_cells"``, which ships; a ``.csv``, ``.tsv`` or ``.txt`` (tabs) with genes in the first column and
        a column per cell type, as LM22 or TIL10 come from their authors; or the matrix itself, cell type to gene to
        value when it is a mapping.

    Returns
    -------
    DataFrame of float64, shape (n_genes, n_cell_types)
        Genes by approved symbols, sorted; a gene that would then stand twice keeps its spelling.

    Raises
    ------
    UsageError
        The source is neither.
    DataError
        THX-D03 on repeated genes or cell types; THX-D06 on negative values; THX-D05 on logged ones; THX-D13 on text;
        THX-D11 on values that are missing or infinite; THX-D08 on fewer genes than cell types; THX-D12 on a cell
        type without expression; THX-D33 on an empty matrix; THX-D31 on a file that cannot be read as a table.

    Examples
    --------
    >>> read_signature("blood_cells").columns.tolist()
    ['B cells', 'Myeloid cells', 'NK cells', 'T cells']
    """
    if isinstance(source, pd.DataFrame):
        table = source
    elif isinstance(source, Mapping):
        table = pd.DataFrame({cell: dict(genes) for cell, genes in source.items()})
    elif source == SHIPPED:
        table = load_table(SHIPPED).set_index("gene")
    elif Path(source).is_file():
        table = _read_file(Path(source))
    else:
        raise UsageError(
            "no such signature matrix",
            got=Path(str(source)).name,
            wanted=f"'{SHIPPED}', the path of a table, or a table",
            fix="Check the path.",
        )
    return _checked(table)


def _read_file(path: Path) -> pd.DataFrame:
    separator = "," if path.suffix.lower() == ".csv" else "\t"
    try:
        rows = pd.read_csv(path, sep=separator, header=None, comment="#", encoding="utf-8-sig", dtype=str)
    except (UnicodeDecodeError, ValueError):  # pandas' own errors are ValueErrors too
        rows = pd.DataFrame()
    if len(rows) < 2 or rows.shape[1] < 2:
        _refuse("the file is no table with the separator of its ending", "THX-D31", f"{len(rows)} lines read")
    return rows.iloc[1:, 1:].set_axis(rows.iloc[1:, 0], axis=0).set_axis(rows.iloc[0, 1:].astype(str), axis=1)


def _checked(table: pd.DataFrame) -> pd.DataFrame:
    table = table.set_axis(table.index.map(lambda g: str(g).strip()), axis=0)
    if not table.size:
        _refuse("the matrix is empty, or not separated as its ending says", "THX-D33", f"{table.shape[1]} cell types")
    for what, names in (("genes", table.index), ("cell types", table.columns)):
        if names.has_duplicates:
            _refuse(f"{what} occur more than once", "THX-D03", listed(names[names.duplicated()].unique()))
    values, problems = table_to_numbers(table, "signature matrix")
    if problems:
        _refuse(f"a cell {problems[0].what}", problems[0].code, f"{len(problems)} cell types concerned")
    values = values.astype(np.float64)
    if values.isna().any(axis=None):
        _refuse("cells are empty", "THX-D11", f"{int(values.isna().to_numpy().sum())} cells")
    if (values < 0).any(axis=None):
        _refuse("values are negative: z-scores or batch-corrected numbers, not expression", "THX-D06", "values below 0")
    if values.to_numpy().max() < _LEAST_TOP:
        _refuse("values look logged, or scaled to a small unit", "THX-D05", f"a greatest value below {_LEAST_TOP:g}")
    if len(values) <= values.shape[1]:
        _refuse("there are not more genes than cell types", "THX-D08", f"{values.shape[0]} x {values.shape[1]}")
    if not values.any().all():
        _refuse("a cell type has no expression at all", "THX-D12", listed(values.columns[~values.any()]))
    symbols = pd.Index(approved(values.index))
    return values.set_axis(symbols.where(~symbols.duplicated(keep=False), values.index), axis=0).sort_index()


def _refuse(what: str, code: str, got: str) -> None:
    raise DataError(
        what,
        code=code,
        where="signature matrix",
        got=got,
        wanted="genes x cell types, linear and non-negative, such as mean TPM",
        fix="Correct the matrix; take anti-logarithms of logged values.",
    )


def fit_nnls(mixture: np.ndarray, signature: np.ndarray) -> Fit:
    """Explain a sample by non-negative least squares (Lawson and Hanson 1974; `scipy.optimize.nnls`).

    Parameters
    ----------
    mixture : ndarray of shape (n_genes,)
        TPM, linear.
    signature : ndarray of shape (n_genes, n_cell_types)
        Linear.

    Returns
    -------
    Fit
        Coefficients over their sum.

    References
    ----------
    Abbas et al. 2009, DOI 10.1371/journal.pone.0006098.

    Examples
    --------
    >>> s = np.array([[900.0, 1.0], [3.0, 500.0], [40.0, 60.0]])
    >>> fit_nnls(s @ [0.2, 0.8], s).fractions.round(6).tolist()
    [0.2, 0.8]
    """
    coefficients, residual = nnls(signature, mixture)
    total, spread = coefficients.sum(), mixture.std()
    if not (total > 0 and spread > 0):
        return _none(signature)
    rmse = residual / np.sqrt(mixture.size) / spread
    return Fit(coefficients / total, _correlation(signature @ coefficients, mixture), float(rmse))


def fit_nusvr(mixture: np.ndarray, signature: np.ndarray) -> Fit:
    """Explain a sample by nu support vector regression (Newman et al. 2015, DOI 10.1038/nmeth.3337).

    Signature (as a whole) and mixture are standardised; a linear NuSVR is fitted for nu of 0.25, 0.5 and 0.75;
    negative coefficients are set to 0 and the rest divided by their sum; the nu of the smallest error wins.

    Parameters
    ----------
    mixture : ndarray of shape (n_genes,)
        TPM, linear.
    signature : ndarray of shape (n_genes, n_cell_types)
        Linear.

    Returns
    -------
    Fit
        Correlation and error are those of standardised profiles, as in the paper.

    Examples
    --------
    >>> s = read_signature("blood_cells").to_numpy()
    >>> fit_nusvr(s @ [0.1, 0.2, 0.3, 0.4], s).fractions.round(1).tolist()
    [0.1, 0.2, 0.3, 0.4]
    """
    if not mixture.std() > 0 or not signature.std() > 0:
        return _none(signature)
    s, y = (signature - signature.mean()) / signature.std(), (mixture - mixture.mean()) / mixture.std()
    best = _none(signature)
    for nu in NUS:
        weights = np.maximum(NuSVR(kernel="linear", nu=nu).fit(s, y).coef_.ravel(), 0.0)
        if not weights.sum() > 0:
            continue
        fractions = weights / weights.sum()
        made = s @ fractions
        rmse = float(np.sqrt(((made - y) ** 2).mean()))
        if not rmse >= best.rmse:
            best = Fit(fractions, _correlation(made, y), rmse)
    return best


def _none(signature: np.ndarray) -> Fit:
    return Fit(np.full(signature.shape[1], np.nan), np.nan, np.nan)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    size = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / size) if size > 0 else np.nan
