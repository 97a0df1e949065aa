"""Pathways: the biological programme that each feature tells of, from a visible table.

Correlated features share the credit of one programme among them by chance; summed by programme, what they say is
steadier than gene by gene.
"""

from __future__ import annotations

import re
from functools import cache

from theracast.features.symbols import approved
from theracast.features.tables import load_table

#: Rows that stand for all sets of a group in ``tables/immune_sets.csv``.
_GROUP = "gene_sets:"


def pathways() -> dict[str, str]:
    """Name the programme of each feature.

    Most rows of ``tables/feature_pathways.csv`` name one feature. A row of a group of gene sets stands for each set of
    it, and for the expression of the genes of which all such sets tell the same.

    Returns
    -------
    dict of str to str
        Feature as ``<block>__<name>`` to its programme; a copy of its own. What tells of no one programme is left out.

    Examples
    --------
    >>> pathways()["signatures__t_cell_inflamed"], pathways()["expression__GZMB"]
    ('T-cell inflammation', 'T-cell inflammation')
    >>> "clinical__age" in pathways()
    False
    """
    return _read().copy()


@cache
def _read() -> dict[str, str]:
    table = load_table("feature_pathways")
    told = dict(zip(table["feature"], table["pathway"], strict=True))
    groups = {f.removeprefix(_GROUP): p for f, p in told.items() if f.startswith(_GROUP)}
    found = {f: p for f, p in told.items() if not f.startswith(_GROUP)}
    sets = load_table("immune_sets")
    of_gene: dict[str, set[str]] = {}
    for name, genes, group in zip(sets["name"], sets["genes"], sets["pathway"], strict=True):
        if group not in groups:
            continue
        # as the block of gene sets names its features
        found["gene_sets__" + re.sub(r"[\s\[\]<>]+", "_", name)] = groups[group]
        for gene in approved(genes.split(":")):
            of_gene.setdefault(gene, set()).add(groups[group])
    found |= {f"expression__{g}": next(iter(p)) for g, p in sorted(of_gene.items()) if len(p) == 1}
    return found
