"""Gene sets: read and write GMT files, and the collections that ship with the package.

A set is a mapping of gene to weight, 1 where nothing is known but membership. Weights matter to the univariate linear
model alone (`theracast.features.set_methods`); the other methods read membership.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from theracast.checks import listed
from theracast.errors import DataError, UsageError
from theracast.features.symbols import approved
from theracast.features.tables import load_table
from theracast.registry import Registry

#: Where the footprint weights come from.
PROGENY = "10.1038/s41467-017-02391-6"
#: No symbol holds one of these: where one does, the cells were separated by something else than tabs.
_SEPARATORS = frozenset(",;:| ")


@dataclass(frozen=True)
class GeneSets:
    """Gene sets by name, with what is known of each.

    Attributes
    ----------
    weights : mapping of str to mapping of str to float
        Set name to gene to weight.
    about : mapping of str to str
        Meaning of a set, where it is known.
    references : mapping of str to str
        DOI or PMID of a set, where it is known.

    Examples
    --------
    >>> GeneSets({"cytolytic": {"GZMA": 1.0, "PRF1": 1.0}}).genes
    ('GZMA', 'PRF1')
    """

    weights: Mapping[str, Mapping[str, float]]
    about: Mapping[str, str] = field(default_factory=dict)
    references: Mapping[str, str] = field(default_factory=dict)

    @property
    def genes(self) -> tuple[str, ...]:
        """All genes of all sets.

        Returns
        -------
        tuple of str
            Each once, sorted.

        Examples
        --------
        >>> GeneSets({"a": {"PRF1": 1.0}, "b": {"GZMA": 1.0, "PRF1": 1.0}}).genes
        ('GZMA', 'PRF1')
        """
        return tuple(sorted({g for genes in self.weights.values() for g in genes}))


def read_gmt(path: str | Path) -> GeneSets:
    r"""Read a GMT file: one set a line, its name, a description and its genes, separated by tabs.

    Parameters
    ----------
    path : str or Path
        UTF-8 text, as from MSigDB, Enrichr or `write_gmt`.

    Returns
    -------
    GeneSets
        In the order of the file; a gene named twice in a set counts once, all weights are 1.

    Raises
    ------
    DataError
        THX-D33 on an empty file; THX-D31 on a file that is no text or a line that is no set, by line; THX-D03 on two
        sets of one name.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "own.gmt"
    ...     _ = file.write_text("cytolytic\tRooney 2015\tGZMA\tPRF1\tGZMA\n")
    ...     read_gmt(file).weights
    {'cytolytic': {'GZMA': 1.0, 'PRF1': 1.0}}
    """
    path = Path(path)
    weights: dict[str, dict[str, float]] = {}
    about: dict[str, str] = {}
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        name, *rest = (cell.strip() for cell in line.split("\t"))
        genes = dict.fromkeys((g for g in rest[1:] if g), 1.0)
        where = f"{path.name}, line {number}"
        if not name or not genes or any(_SEPARATORS & set(g) for g in genes):
            raise DataError(
                "the line is no gene set",
                code="THX-D31",
                where=where,
                got=f"{len(rest) + 1} cells between tabs, {len(genes)} genes",
                wanted="name, description and one gene or more, each between tabs",
                fix="Separate all of them by tabs; leave an empty cell where there is no description.",
            )
        if name in weights:
            raise DataError(
                "two sets have one name", code="THX-D03", where=where, fix="Give each set a name of its own."
            )
        weights[name] = genes
        if rest[0]:
            about[name] = rest[0]
    if not weights:
        raise DataError("the file holds no gene set", code="THX-D33", where=path.name, fix="Give one set a line.")
    return GeneSets(weights, about)


def write_gmt(sets: GeneSets | Mapping[str, Iterable[str]], path: str | Path) -> Path:
    r"""Write sets as a GMT file; weights have no place in it.

    Parameters
    ----------
    sets : GeneSets or mapping of str to iterable of str
        Genes of each set.
    path : str or Path
        File to write.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    DataError
        THX-D31 when a name or a gene holds a tab or a line break.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_gmt({"cytolytic": ["GZMA", "PRF1"]}, Path(folder) / "own.gmt").read_text()
    'cytolytic\t\tGZMA\tPRF1\n'
    """
    known = sets if isinstance(sets, GeneSets) else gene_sets(sets)
    rows = [[name, " ".join(known.about.get(name, "").split()), *genes] for name, genes in known.weights.items()]
    if any(set("\t\r\n") & set(cell) for row in rows for cell in row):
        raise DataError("a name holds a tab or a line break", code="THX-D31", where="gene sets", fix="Take it out.")
    path = Path(path)
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    return path


def gene_sets(source: str | Path | GeneSets | Mapping[str, Iterable[str] | Mapping[str, float]]) -> GeneSets:
    """Find gene sets: a shipped collection by name, a GMT file by path, or sets as they are given.

    Parameters
    ----------
    source : str, Path, GeneSets or mapping
        A name in `COLLECTIONS`; a path that ends in ``.gmt``; or set name to genes, or to gene and weight.

    Returns
    -------
    GeneSets
        Ready to be scored: genes by their approved symbols (`theracast.features.symbols.approved`), as the tables of
        a cohort name them; the first of two spellings of one gene counts.

    Raises
    ------
    UsageError
        No collection of this name; a set that is one text.
    DataError
        As `read_gmt`, and THX-D33 for no sets or a set without genes, THX-D11 for weights that are zero or no
        finite numbers.

    Examples
    --------
    >>> sorted(gene_sets("interferon").weights)[:2]
    ['Ayers_IFNg18', 'Ayers_IFNg6']
    >>> gene_sets({"cytolytic": ["GZMA", "PRF1"]}).weights["cytolytic"]["PRF1"]
    1.0
    """
    found = _found(source)
    return replace(found, weights={name: _approved(genes) for name, genes in found.weights.items()})


def _found(source: Any) -> GeneSets:
    if isinstance(source, GeneSets):
        return source
    if isinstance(source, Path) or (isinstance(source, str) and source.lower().endswith(".gmt")):
        if not Path(source).is_file():
            raise UsageError("no such GMT file", where=Path(source).name, fix="Check the path.")
        return read_gmt(source)
    if isinstance(source, str):
        return COLLECTIONS[source]()
    texts = [name for name, genes in source.items() if isinstance(genes, str)]
    if texts:
        raise UsageError(
            f"set {listed(texts)} is one text", wanted="several genes", fix="Give a list of genes: split the text."
        )
    weights = {
        str(name): dict(genes) if isinstance(genes, Mapping) else dict.fromkeys(genes, 1.0)
        for name, genes in source.items()
    }
    if not weights or not all(weights.values()):
        raise DataError("no genes", code="THX-D33", where="gene sets", fix="Give one set or more, each with genes.")
    if not all(np.isfinite(w) and w != 0 for genes in weights.values() for w in genes.values()):
        raise DataError(
            "weights are zero or no finite numbers", code="THX-D11", where="gene sets", fix="Leave such genes out."
        )
    return GeneSets(weights)


def immune_sets(pathways: Iterable[str] = (), names: Iterable[str] = ()) -> GeneSets:
    """Select published sets of ``tables/immune_sets.csv``.

    Parameters
    ----------
    pathways, names : iterable of str
        Values of its columns ``pathway`` and ``name``; without any, all sets but the housekeeping ones.

    Returns
    -------
    GeneSets
        In the order of the table.

    Examples
    --------
    >>> list(immune_sets(["TLS"]).weights)
    ['TLS_v1_Cabrita20', 'TLS_v2_Cabrita20']
    """
    table = load_table("immune_sets")
    pathways, names = set(pathways), set(names)
    chosen = table["pathway"].isin(pathways) | table["name"].isin(names)
    table = table[chosen if pathways or names else table["pathway"] != "Reference"]
    papers = table["reference"].fillna("").str.replace("PMID ", "PMID:")
    return GeneSets(
        {n: dict.fromkeys(g.split(":"), 1.0) for n, g in zip(table["name"], table["genes"], strict=True)},
        dict(zip(table["name"], table["about"].str.strip(), strict=True)),
        {n: p for n, p in zip(table["name"], papers, strict=True) if p.startswith("PMID:")},
    )


def progeny() -> GeneSets:
    """Pathway footprints: the genes that answer best to each of 14 pathways, with their weights (PROGENy).

    Returns
    -------
    GeneSets
        The 100 genes of the smallest p-value per pathway; a weight below 0 says that the pathway lowers the gene.

    References
    ----------
    Schubert et al. 2018, DOI 10.1038/s41467-017-02391-6; Holland et al. 2020, DOI 10.1016/j.bbagrm.2019.194431.

    Examples
    --------
    >>> {name: len(genes) for name, genes in progeny().weights.items()}["JAK-STAT"]
    100
    """
    table = load_table("pathway_footprints")
    weights = {
        str(name): dict(zip(part["gene"], part["weight"].astype(float), strict=True))
        for name, part in table.groupby("pathway")
    }
    about = {n: f"activity of the {n} pathway, by the genes that answer to it" for n in weights}
    return GeneSets(weights, about, dict.fromkeys(weights, PROGENY))


#: Shipped collections, from the tables of this package.
COLLECTIONS: Registry[Callable[[], GeneSets]] = Registry(
    "collection of gene sets",
    {
        "immune": immune_sets,
        "interferon": partial(immune_sets, ("IFNg_pathway",), ("Cytokine_IFNs",)),
        "proliferation": partial(
            immune_sets, ("Cell_proliferation",), ("Cell_cycle", "Cell_cycle_reg", "DNA_replication")
        ),
        "progeny": progeny,
    },
)


def _approved(genes: Mapping[str, float]) -> dict[str, float]:
    spelled: dict[str, float] = {}
    for symbol, weight in zip(approved(genes), genes.values(), strict=True):
        spelled.setdefault(symbol, weight)
    return spelled


def _lines(path: Path) -> list[str]:
    """Read text, or say that it is none."""
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise DataError(
            "the file is no UTF-8 text", code="THX-D31", where=path.name, wanted="a GMT file", fix="Save it as UTF-8."
        )
    return text.splitlines()
