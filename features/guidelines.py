"""What CPIC recommends for a drug. It supports the decision of a clinician and takes none."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from theracast.features.tables import load_table
from theracast.registry import Registry

#: The recommendations shipped are those of this month; later guidelines are not among them.
RECOMMENDED = "2023-08"


def recommendations(drug: str, phenotypes: Mapping[str, str], population: str | None = None) -> pd.DataFrame:
    """Look up what CPIC recommends for a drug, given what is known of a patient's genes.

    Parameters
    ----------
    drug : str
        Generic name as CPIC writes it, such as ``clopidogrel``.
    phenotypes : mapping of str to str
        Gene to phenotype, or to activity score where CPIC goes by it (CYP2C9, CYP2D6, DPYD): ``{"DPYD": "1.0"}``.
        A gene that is not given counts as not tested.
    population : str, optional
        One of CPIC's populations, such as ``CVI ACS PCI``; all by default.

    Returns
    -------
    DataFrame
        Rows of CPIC with ``population``, ``lookup``, ``implications``, ``recommendation``, ``classification``
        (strength) and ``comments``. Empty when CPIC has none for these phenotypes. ``attrs["date"]`` is 2023-08:
        newer guidelines may differ. For decision support only.

    Raises
    ------
    UsageError
        CPIC has no recommendation of this drug in the table; names the nearest.

    Examples
    --------
    >>> found = recommendations("clopidogrel", {"CYP2C19": "Poor Metabolizer"}, "CVI ACS PCI")
    >>> found.classification.tolist(), found.attrs["date"]
    (['Strong'], '2023-08')
    """
    table = load_table("cpic_recommendations")
    known = Registry("drug with a recommendation of CPIC", {d: d for d in sorted(table["drug"].unique())})
    rows = table[table["drug"] == known[drug.strip().lower()]]
    if population is not None:
        kinds = sorted(rows["population"].unique())
        rows = rows[rows["population"] == Registry("population", {p: p for p in kinds})[population]]
    fits = [_holds(lookup, phenotypes) for lookup in rows["lookup"]]
    out = rows[fits].drop(columns="drug").reset_index(drop=True)
    out.attrs.update(date=RECOMMENDED, source="CPIC 1.28", use="supports the decision of a clinician")
    return out


def _holds(lookup: str, phenotypes: Mapping[str, str]) -> bool:
    wanted = dict(part.split("=", 1) for part in lookup.split("; "))
    return all(str(phenotypes.get(gene, "No Result")) == value for gene, value in wanted.items())
