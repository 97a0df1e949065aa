"""Files of microbial communities: BIOM, and the text tables of QIIME 2 and MetaPhlAn, whose rows are taxa."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd

from theracast.errors import DataError, SetupError

#: How such a text file begins; a table of patients begins with patient_id.
_BEGINS = ("# Constructed from biom", "#OTU ID", "#OTUID", "#mpa", "clade_name", "#SampleID", "Feature ID", "#NAME")
#: Columns that are no samples.
_NO_SAMPLES = ("taxonomy", "Taxon", "Confidence", "NCBI_tax_id", "clade_taxid", "additional_species")


def is_taxa_text(path: str | Path) -> bool:
    r"""Say whether a text file begins as QIIME 2 or MetaPhlAn write tables of taxa.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    bool
        By its first line.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "microbiome.tsv")
    >>> _ = file.write_text("#OTU ID\tp1\n")
    >>> is_taxa_text(file)
    True
    """
    with Path(path).open("rb") as file:
        first = file.readline(1000).decode("utf-8-sig", errors="replace")
    return first.startswith(_BEGINS)


def read_taxa_text(path: str | Path) -> pd.DataFrame:
    r"""Read a table of taxa x samples as patients x taxa.

    Parameters
    ----------
    path : str or Path
        Tab-separated; comment lines before the header are skipped. A column ``taxonomy`` names the taxa, those of one
        lineage are added up; without it the first column names them.

    Returns
    -------
    DataFrame
        Indexed by ``patient_id``.

    Raises
    ------
    DataError
        THX-D31 when there is no header, or a row is longer or shorter.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "microbiome.tsv")
    >>> _ = file.write_text("# Constructed from biom file\n#OTU ID\tp1\tp2\ttaxonomy\na\t3\t0\tg__A\nb\t4\t1\tg__A\n")
    >>> read_taxa_text(file)["g__A"].tolist()
    [7, 1]
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise _broken(path, "it is not UTF-8") from None
    lines = [line for line in lines if line.strip()]
    start = next((i for i, line in enumerate(lines) if "\t" in line), len(lines))
    widths = {line.count("\t") for line in lines[start:]}
    if len(widths) != 1:
        raise _broken(path, "its rows are of different length" if widths else "it has no header")
    table = pd.read_csv(io.StringIO("\n".join(lines[start:])), sep="\t", dtype={0: str}, low_memory=False, quoting=3)
    names = table.columns[0]
    lineage = next((c for c in ("taxonomy", "Taxon") if c in table), names)
    table = table.set_index(table[lineage].astype(str).str.strip())
    table = table.drop(columns=[c for c in (names, *_NO_SAMPLES) if c in table])
    if table.index.has_duplicates and all(pd.api.types.is_numeric_dtype(t) for t in table.dtypes):
        table = table.groupby(level=0, sort=True).sum()
    return table.T.rename_axis(index="patient_id", columns=None)


def read_biom(path: str | Path, taxonomy: bool = True) -> pd.DataFrame:
    """Read a BIOM table, format 1 (JSON) or 2 (HDF5), as patients x taxa.

    Parameters
    ----------
    path : str or Path
        The file; its samples are patients.
    taxonomy : bool, default True
        Name taxa by their lineage where the file holds one for each, adding up those of one lineage; else by their
        id, as the tips of a tree are.

    Returns
    -------
    DataFrame of float64
        Indexed by ``patient_id``.

    Raises
    ------
    SetupError
        When biom-format is not installed.
    DataError
        THX-D32 when the file cannot be read.

    Examples
    --------
    >>> try:
    ...     read_biom("no_such_file.biom")
    ... except (DataError, SetupError) as refused:
    ...     print(refused.exit_code in (3, 5))
    True
    """
    try:
        from biom import load_table
    except ImportError:
        raise SetupError(
            "BIOM files need the package biom-format", fix="Install it: pip install 'theracast[microbiome]'."
        ) from None
    try:
        table = load_table(str(path))
    except Exception as error:  # h5py and json raise half a dozen kinds on a damaged file
        raise DataError(
            "the BIOM file cannot be read",
            code="THX-D32",
            where=str(path),
            got=type(error).__name__,
            fix="Copy it again, or export it as TSV.",
        ) from None
    ids = pd.Index([str(i) for i in table.ids("sample")], name="patient_id")
    counts = pd.DataFrame(table.matrix_data.T.toarray(), index=ids, columns=[str(i) for i in table.ids("observation")])
    lines = [_lineage(m) for m in table.metadata(axis="observation") or ()]
    if taxonomy and lines and all(lines):
        counts = counts.set_axis(lines, axis=1).T.groupby(level=0, sort=True).sum().T
    return counts


def _lineage(metadata: object) -> str:
    """Join the ranks that a taxon's metadata lists."""
    taxonomy = metadata.get("taxonomy") if hasattr(metadata, "get") else None
    return taxonomy if isinstance(taxonomy, str) else ";".join(str(t).strip() for t in taxonomy or ())


def _broken(path: str | Path, why: str) -> DataError:
    return DataError(
        f"the table of taxa cannot be parsed: {why}",
        code="THX-D31",
        where=str(path),
        wanted="tab-separated text, a header of samples, a row per taxon",
        fix="Export it again.",
    )
