"""AnnData, MuData and GCT files in a cohort's folder, as patients' tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from theracast.errors import DataError
from theracast.features.containers import scverse
from theracast.features.genes import patients_in_rows
from theracast.features.intake import EXPRESSION
from theracast.features.memory import memory
from theracast.provenance import sha256_file

if TYPE_CHECKING:
    from anndata import AnnData

#: What others call a modality, and the table it is here.
MODALITIES = {
    **dict.fromkeys(("rna", "mrna", "gex", "expression", "transcriptome", "rnaseq"), EXPRESSION),
    **dict.fromkeys(("prot", "protein", "proteins", "proteome", "cytokines"), "proteins"),
    **dict.fromkeys(("metab", "metabolite", "metabolites", "metabolome", "lipids"), "metabolites"),
    **dict.fromkeys(("microbiome", "taxa", "16s"), "microbiome"),
}
CLINICAL = "clinical"


def read_h5ad(path: str | Path) -> dict[str, pd.DataFrame]:
    """Read an AnnData file: its main matrix, and what it says of each patient.

    Parameters
    ----------
    path : str or Path
        Patients in `obs`, genes in `var`; a file named after another table (``proteins.h5ad``) holds that. Layers
        and `raw` are left alone.

    Returns
    -------
    dict of str to DataFrame
        ``expression`` (or the table the file is named after) and ``clinical`` (the columns of `obs`, if any),
        indexed by patient.

    Raises
    ------
    DataError
        THX-D07 when it lies on its side; THX-D32 a damaged file, or more than the memory of this machine.
    SetupError
        When anndata is not installed.

    Examples
    --------
    >>> import tempfile
    >>> from anndata import AnnData
    >>> file = f"{tempfile.mkdtemp()}/tumour.h5ad"
    >>> obs = pd.DataFrame({"age": [61.0]}, index=pd.Index(["p1"], dtype=object))
    >>> genes = pd.DataFrame(index=pd.Index(["CD8A", "CD274"], dtype=object))
    >>> AnnData(np.ones((1, 2)), obs, genes).write_h5ad(file)
    >>> {name: t.columns.tolist() for name, t in read_h5ad(file).items()}
    {'expression': ['CD8A', 'CD274'], 'clinical': ['age']}
    """
    path = Path(path)
    table = MODALITIES.get(path.stem.lower(), EXPRESSION)
    return _tables({table: _opened(path, "anndata", "read_h5ad")}, path)


def read_h5mu(path: str | Path) -> dict[str, pd.DataFrame]:
    """Read a MuData file: one table per modality, and what it says of each patient.

    Parameters
    ----------
    path : str or Path
        Patients in `obs` of every modality. `MODALITIES` says which table a name stands for; others keep their name.

    Returns
    -------
    dict of str to DataFrame
        The tables and ``clinical`` (the columns of `obs`, if any), indexed by patient.

    Raises
    ------
    DataError
        As `read_h5ad`.
    SetupError
        When mudata is not installed.

    Examples
    --------
    >>> MODALITIES["rna"]
    'expression'
    """
    path = Path(path)
    with scverse("mudata").set_options(pull_on_update=False):
        data = _opened(path, "mudata", "read_h5mu")
    parts = {MODALITIES.get(str(name).lower(), str(name)): part for name, part in data.mod.items()}
    return _tables(parts, path, data.obs)


def _opened(path: Path, package: str, reader: str) -> Any:
    module = scverse(package)
    _fits(path)
    try:
        return getattr(module, reader)(path)
    except Exception as error:  # h5py and anndata raise half a dozen kinds on a damaged file
        raise DataError(
            "the HDF5 file cannot be read",
            code="THX-D32",
            where=str(path),
            got=f"{type(error).__name__}, {path.stat().st_size} bytes, sha256 {sha256_file(path)[:12]}",
            fix="Copy it again and compare its digest; it may be cut off.",
        ) from None


def _fits(path: Path) -> None:
    """Refuse, before anything is decoded, a file that unpacks to more than this machine holds."""
    sizes: list[int] = []

    def add(_: str, item: Any) -> None:
        if hasattr(item, "nbytes"):
            sizes.append(int(item.nbytes))

    try:
        with scverse("h5py").File(path) as file:
            file.visititems(add)
    except OSError:
        return  # not HDF5 at all: the reader says so
    if sum(sizes) > memory():
        raise DataError(
            "the file is larger than the memory of this machine",
            code="THX-D32",
            where=str(path),
            got=f"{sum(sizes) / 1e9:.3g} GB, sha256 {sha256_file(path)[:12]}",
            wanted=f"at most {memory() / 1e9:.3g} GB",
        )


def _tables(parts: Mapping[str, AnnData], path: Path, obs: pd.DataFrame | None = None) -> dict[str, pd.DataFrame]:
    tables = {name: _measured(part, name, path) for name, part in parts.items()}
    said = [p.obs.set_axis(p.obs_names.astype(str), axis=0) for p in parts.values()]
    if obs is not None:
        said.insert(0, obs.set_axis(obs.index.astype(str), axis=0))
    columns: dict[str, pd.Series] = {}
    for frame in said:
        for name, cells in frame.items():
            text = isinstance(cells.dtype, pd.CategoricalDtype)
            columns.setdefault(str(name), cells.astype(object) if text else cells)
    if columns:
        tables[CLINICAL] = pd.DataFrame(columns).rename_axis("patient_id")
    return tables


def _measured(part: AnnData, name: str, path: Path) -> pd.DataFrame:
    cells = part.X.toarray() if hasattr(part.X, "toarray") else np.asarray(part.X)
    table = pd.DataFrame(cells, index=part.obs_names.astype(str), columns=part.var_names.astype(str), copy=False)
    table = table.rename_axis("patient_id")
    return patients_in_rows(table, str(path)) if name == EXPRESSION else table


def read_gct(path: str | Path) -> dict[str, pd.DataFrame]:
    r"""Read a GCT file, version 1.2 or 1.3: genes in rows, patients in columns.

    Parameters
    ----------
    path : str or Path
        Text, tab-separated. Rows are known by their first column (``Name`` or ``id``).

    Returns
    -------
    dict of str to DataFrame
        ``expression``, genes in rows with the index named ``gene``; and ``clinical`` where version 1.3 says something
        of the columns.

    Raises
    ------
    DataError
        THX-D31 when it is not such a file, or its lines do not fit its header.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "tumour.gct")
    >>> _ = file.write_text("#1.2\n1\t2\nName\tDescription\tp1\tp2\nCD8A\tna\t1.5\t2.5\n")
    >>> read_gct(file)["expression"].loc["CD8A"].tolist()
    [1.5, 2.5]
    """
    path = Path(path)
    try:
        lines = [line.rstrip("\r").split("\t") for line in path.read_bytes().decode("utf-8-sig").split("\n")]
    except UnicodeDecodeError as error:
        raise _unreadable(path, f"byte {error.start} is not UTF-8") from None
    while lines and lines[-1] == [""]:
        lines.pop()
    version = lines[0][0].strip() if lines else ""
    if version not in ("#1.2", "#1.3") or len(lines) < 3:
        raise _unreadable(path, "it does not begin with #1.2 or #1.3 and two lines of header")
    sizes = [int(n) for n in lines[1] if n.strip().isdigit()]
    if len(sizes) < (2 if version == "#1.2" else 4):
        raise _unreadable(path, "line 2 does not say how many rows and columns there are")
    rows, patients = sizes[:2]
    before, above = (1, 0) if version == "#1.2" else (sizes[2], sizes[3])
    wide = 1 + before + patients
    for number, line in enumerate(lines[2:], start=3):
        if len(line) != wide:
            raise _unreadable(path, f"line {number} has {len(line)} columns, line 2 promises {wide}")
    if len(lines) - 3 != above + rows:
        raise _unreadable(path, f"{len(lines) - 3} rows below the header, line 2 promises {above + rows}")
    ids = [i.strip() for i in lines[2][1 + before :]]
    said, body = lines[3 : 3 + above], lines[3 + above :]
    genes = pd.Index([line[0].strip() for line in body], name="gene", dtype=object)
    tables = {EXPRESSION: pd.DataFrame([line[1 + before :] for line in body], index=genes, columns=ids)}
    tables[EXPRESSION] = tables[EXPRESSION].apply(_numbers)
    if said:
        clinical = pd.DataFrame({line[0].strip(): _numbers(pd.Series(line[1 + before :])) for line in said})
        tables[CLINICAL] = clinical.set_axis(pd.Index(ids, name="patient_id"), axis=0)
    return tables


def _numbers(cells: pd.Series) -> pd.Series:
    """Read a column as numbers where every cell is one, or is empty; else leave it for the checks to see."""
    words = cells.astype(str).str.strip()
    empty = words.str.lower().isin(("", "na", "nan", "-666"))
    numbers = pd.to_numeric(words.mask(empty), errors="coerce")
    return words.mask(empty) if (numbers.isna() & ~empty).any() else numbers.astype(np.float64)


def _unreadable(path: Path, why: str) -> DataError:
    return DataError(
        f"the GCT file cannot be parsed: {why}",
        code="THX-D31",
        where=str(path),
        wanted="GCT version 1.2 or 1.3",
        fix="Export it again.",
    )
