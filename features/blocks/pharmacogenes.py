"""Pharmacogenes: diplotypes to the phenotypes and activity scores of CPIC. They support decisions, they make none."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from theracast.checks import UNKNOWN, Problem, listed
from theracast.errors import UsageError
from theracast.features.base import Measured, OmicsBlock
from theracast.features.cohort import Cohort
from theracast.features.spec import BlockSpec, Column, Feature
from theracast.features.star_calls import (
    CALLED,
    COPIED,
    call_diplotypes,
    columns_of,
    defined_bases,
    positions,
    read_genotype,
)
from theracast.features.stars import CPIC_SAYS, INDETERMINATE, examples_of_diplotypes, pharmacogenes, read_diplotype
from theracast.features.tables import load_table
from theracast.features.weights import build_of
from theracast.registry import Registry

#: Genes for which CPIC adds up the activity of both alleles.
_SCORED = ("CYP2C9", "CYP2D6", "DPYD")
#: The guideline by which the phenotypes of a gene are used.
_REFERENCES = {
    "ABCG2": "10.1002/cpt.2557", "CACNA1S": "10.1002/cpt.1319", "CFTR": "10.1038/clpt.2014.54",
    "CYP2B6": "10.1002/cpt.1477", "CYP2C19": "10.1002/cpt.2526", "CYP2C9": "10.1002/cpt.2008",
    "CYP2D6": "10.1111/cts.12692", "CYP3A4": "10.1038/gim.2016.87", "CYP3A5": "10.1002/cpt.113",
    "DPYD": "10.1002/cpt.911", "G6PD": "10.1002/cpt.2735", "MT-RNR1": "10.1002/cpt.2309",
    "NAT2": "10.1038/gim.2016.87", "NUDT15": "10.1002/cpt.1304", "RYR1": "10.1002/cpt.1319",
    "SLCO1B1": "10.1002/cpt.2557", "TPMT": "10.1002/cpt.1304", "UGT1A1": "10.1002/cpt.269",
    "VKORC1": "10.1002/cpt.668",
}  # fmt: skip
#: More than this share of bases that no allele has, at so many positions, is another build and no rare variant.
_MISMATCHES, _STRANGE = 0.01, 3


class PharmacogenesBlock(OmicsBlock):
    """Phenotype, activity score and actionability of each pharmacogene.

    The table ``diplotypes`` has a column per gene (``*1/*4``). Where it says nothing of a gene, the table
    ``genotypes`` is asked: bases at the positions that define the alleles, columns ``chr10:94781859`` (GRCh38) or
    rsids. An unknown allele, an absent position or candidates that disagree make a phenotype indeterminate, never the
    reference; a phenotype that CPIC calls likely or possible is a proxy.

    Parameters
    ----------
    genes : sequence of str, optional
        Some of `theracast.features.stars.pharmacogenes`; all by default.

    Examples
    --------
    >>> c = Cohort.from_tables({"diplotypes": pd.DataFrame({"CYP2C9": ["*3/*1"]}, index=["p"])})
    >>> PharmacogenesBlock(["CYP2C9"]).fit_transform(c).iloc[0].tolist()
    [1.0, 1.0, 1.0]
    """

    spec = BlockSpec(
        "pharmacogenes",
        "Pharmacogenes: phenotype, activity score and whether CPIC advises otherwise than usual (2023-08).",
        ("diplotypes", "genotypes"),
        (
            *(
                Column(g, f"diplotype of {g}", "alleles as CPIC names them", example=d)
                for g, d in examples_of_diplotypes().items()
            ),
            Column("<chr10:94781859>", "bases at a defining position, GRCh38, table genotypes", "G/A", example="G/A"),
        ),
        (),
    )

    def __init__(self, genes: Sequence[str] | None = None) -> None:
        self.genes = genes

    @classmethod
    def example(cls) -> dict[str, pd.DataFrame]:
        """Return diplotypes of three made-up patients, and genotypes of two genes that were not typed.

        Returns
        -------
        dict of str to DataFrame
            Tables ``diplotypes`` and ``genotypes``.

        Examples
        --------
        >>> PharmacogenesBlock.example()["diplotypes"]["CYP2D6"].tolist()
        ['*1/*4', '*1x2/*2', '*4/*5']
        """
        ids = pd.Index(["p1", "p2", "p3"], name="patient_id")
        typed = {
            "CYP2C19": ["*1/*2", "*17/*1", "*2/*2"],
            "CYP2D6": ["*1/*4", "*1x2/*2", "*4/*5"],
            "DPYD": ["Reference/Reference", "Reference/c.1905+1G>A (*2A)", "Reference/Reference"],
            "TPMT": ["*1/*1", "*1/*3A", "*1/*3A;*3B/*3C"],
        }
        usual = {p.name: "/".join([p.reference] * 2) for p in positions("CYP3A5")}
        read = pd.DataFrame([{**usual, "rs9923231": g} for g in ("C/T", "C/C", "T/T")], index=ids)
        read.iloc[1, 0] = ""
        return {"diplotypes": pd.DataFrame(typed, index=ids), "genotypes": read}

    def outputs(self) -> tuple[Feature, ...]:
        """List the features of the chosen genes.

        Returns
        -------
        tuple of Feature
            ``<gene>_phenotype`` (ordered code), ``<gene>_activity`` where CPIC scores it, ``<gene>_actionable``
            where a recommendation of 2023-08 names the gene.

        Examples
        --------
        >>> [f.name for f in PharmacogenesBlock(["DPYD"]).outputs()]
        ['DPYD_phenotype', 'DPYD_activity', 'DPYD_actionable']
        """
        found = []
        for gene, codes in self._codes().items():
            named = codes[codes["code"].notna() & (codes["unsure"] == 0)]
            scale = ", ".join(f"{int(c)} {p}" for c, p in zip(named["code"], named["phenotype"], strict=True))
            cited = _REFERENCES[gene]
            found.append(Feature(f"{gene}_phenotype", "ordered code", f"{gene}: {scale}", cited))
            if gene in _SCORED:
                found.append(Feature(f"{gene}_activity", "activity score", f"{gene}: activity of both alleles", cited))
            if codes["actionable"].notna().any():
                about = f"{gene}: CPIC (2023-08) advises otherwise than for the usual phenotype, for some drug"
                found.append(Feature(f"{gene}_actionable", "0/1", about, cited))
        return tuple(found)

    def check(self, cohort: Cohort) -> list[Problem]:
        """Refuse genotypes of another genome build, and columns that are nearly a gene.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        list of Problem
            THX-D02, THX-D26.

        Examples
        --------
        >>> c = Cohort.from_tables({"diplotypes": pd.DataFrame({"cyp2c9": ["*3/*1"]}, index=["p"])})
        >>> PharmacogenesBlock().check(c)[0].what
        'has columns that are genes in another spelling: cyp2c9; write CYP2C9'
        """
        found = []
        columns = cohort.tables["diplotypes"].columns if "diplotypes" in cohort.tables else []
        known = {re.sub(r"\W", "", g).upper(): g for g in pharmacogenes()}
        odd = {str(c): known[k] for c in columns if (k := re.sub(r"\W", "", str(c)).upper()) in known and c != known[k]}
        if odd:
            what = f"has columns that are genes in another spelling: {listed(odd)}; write {listed(odd.values())}"
            found.append(Problem("THX-D02", "diplotypes", what))
        return found + self._genotype_problems(cohort) if "genotypes" in cohort.tables else found

    def ignored(self, cohort: Cohort) -> list[Problem]:
        """List diplotypes and genotypes that tell no phenotype.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        list of Problem
            THX-D28 where alleles are not known or candidates disagree, THX-D27 where positions are not covered.

        Examples
        --------
        >>> c = Cohort.from_tables({"diplotypes": pd.DataFrame({"TPMT": ["*1/*3Z"]}, index=["p"])})
        >>> print(PharmacogenesBlock().ignored(c)[0])
        THX-D28: tells no phenotype: an allele is not known to CPIC | where: diplotypes:TPMT | rows: 1
        """
        found = []
        for gene, calls in self.calls(cohort).items():
            reasons: dict[tuple[str, str, str], list[int]] = {}
            for row, call in enumerate(calls):
                if call.why and call.why != CPIC_SAYS:
                    absent = "not covered" in call.why
                    code, table = ("THX-D27", "genotypes") if absent else ("THX-D28", "diplotypes")
                    why = "positions are not covered, the reference is not assumed" if absent else call.why
                    reasons.setdefault((code, table, why.split(";")[0]), []).append(row)
            found += [
                Problem(code, f"{table}:{gene}", f"tells no phenotype: {why}", tuple(rows))
                for (code, table, why), rows in sorted(reasons.items())
            ]
        return found

    def calls(self, cohort: Cohort) -> dict[str, pd.Series]:
        """Translate the diplotypes, and call those that only genotypes tell.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        dict of str to Series of StarCall
            By gene, one call per patient.

        Examples
        --------
        >>> c = Cohort.from_tables({"diplotypes": pd.DataFrame({"TPMT": ["*3A/*1"]}, index=["p"])})
        >>> PharmacogenesBlock(["TPMT"]).calls(c)["TPMT"]["p"].phenotype
        'Intermediate Metabolizer'
        """
        return {gene: self._calls(cohort, gene) for gene in self._codes()}

    def measure(self, cohort: Cohort) -> Measured:
        """Turn the calls into numbers.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        Measured
            An activity score of at least so much is censored; coverage is the share of genes that were told.

        Examples
        --------
        >>> c = Cohort.from_tables({"diplotypes": pd.DataFrame({"CYP2D6": ["*1x3/*1"]}, index=["p"])})
        >>> m = PharmacogenesBlock(["CYP2D6"]).measure(c)
        >>> m.values["CYP2D6_activity"].tolist(), m.censored["CYP2D6_activity"].tolist()
        ([4.0], [1])
        """
        values: dict[str, pd.Series] = {}
        proxy: dict[str, pd.Series] = {}
        censored: dict[str, pd.Series] = {}
        notes: dict[str, list[str]] = {}
        told = pd.Series(0.0, index=cohort.ids)
        codes = self._codes()
        for gene, known in codes.items():
            calls = self._calls(cohort, gene)
            phenotype = calls.map(lambda c: c.phenotype).astype(object)
            told += (~phenotype.isin(["", INDETERMINATE])).astype(float)
            by = known.set_index("phenotype")
            values[f"{gene}_phenotype"] = phenotype.map(by["code"].astype(float)).astype(float)
            unsure = phenotype.map(by["unsure"].astype(float)).astype(float) == 1.0
            proxy[f"{gene}_phenotype"] = unsure & values[f"{gene}_phenotype"].notna()
            if gene in _SCORED:
                score = calls.map(lambda c: c.score).astype(object)
                values[f"{gene}_activity"] = pd.to_numeric(score.str.lstrip("≥").replace("", np.nan)).astype(float)
                censored[f"{gene}_activity"] = score.str.startswith("≥").fillna(False).astype(np.int8)
            if known["actionable"].notna().any():
                values[f"{gene}_actionable"] = phenotype.map(by["actionable"].astype(float)).astype(float)
            for i, call in calls[calls.map(lambda c: bool(c.why))].items():
                notes.setdefault(str(i), []).append(f"{gene} is indeterminate: {call.why}")
            for i in unsure.index[unsure]:
                notes.setdefault(str(i), []).append(f"{gene}: CPIC calls the phenotype likely or possible only")
        frame = pd.DataFrame(values, index=cohort.ids)
        share = (told / len(codes)).clip(upper=1.0)
        return Measured.of(
            frame,
            proxy=pd.DataFrame(proxy, index=cohort.ids),
            censored=pd.DataFrame(censored, index=cohort.ids),
            coverage=share,
            notes=notes,
        )

    def _codes(self) -> dict[str, pd.DataFrame]:
        genes = pharmacogenes() if self.genes is None else tuple(self.genes)
        known = Registry("pharmacogene", {g: g for g in pharmacogenes()})
        table = load_table("cpic_codes")
        if not genes:
            raise UsageError("no genes are chosen", fix="Name some, or leave genes=None for all.")
        return {known[g]: table[table["gene"] == g] for g in genes}

    def _genotype_problems(self, cohort: Cohort) -> list[Problem]:
        build = build_of(cohort.units.get("genome_build", ""))
        if build not in ("", "GRCh38"):
            what = f"are on {build}; the alleles are defined on GRCh38: lift the genotypes over"
            return [Problem("THX-D26", "genotypes", what)]
        found, covered, strange, where = [], 0, 0, []
        table = cohort.tables["genotypes"].reindex(cohort.ids).astype(object)
        for gene in (g for g in CALLED if g in self._codes()):
            defined = defined_bases(gene)
            for place in positions(gene):
                for name in (n for n in columns_of(place) if n in table.columns):
                    cells = table[name].where(table[name].notna(), "")
                    read = {c: read_genotype(place, c) for c in cells.unique()}
                    unread = cells.map(lambda c, read=read: read[c] == ("", "")).to_numpy(dtype=bool)
                    if unread.any():
                        what = "holds cells that are not genotypes; write bases such as G/A, ref, or leave empty"
                        rows = tuple(int(i) for i in np.flatnonzero(unread))
                        found.append(Problem("THX-D13", f"genotypes:{name}", what, rows))
                    counts = cells[~unread].value_counts()
                    covered += int(sum(n for c, n in counts.items() if read[c]))
                    odd = int(sum(n for c, n in counts.items() if set(read[c] or ()) - defined[place.name]))
                    strange += odd
                    where += [name] if odd else []
        if len(where) >= _STRANGE and strange > _MISMATCHES * covered:
            what = (
                f"{strange} of {covered} genotypes have bases of no known allele ({listed(where)}): another genome "
                "build or the other strand; give GRCh38, forward strand"
            )
            found.append(Problem("THX-D26", "genotypes", what))
        return found

    def _calls(self, cohort: Cohort, gene: str) -> pd.Series:
        typed = cohort.table("diplotypes").get(gene, pd.Series(np.nan, index=cohort.ids)).astype(object)
        typed = typed.where(typed.notna(), "").map(lambda v: str(v).strip())
        known = {cell: read_diplotype(gene, cell) for cell in typed.unique()}
        calls = [known[cell] for cell in typed]
        if gene in (*CALLED, *COPIED) and "genotypes" in cohort.tables:
            table = cohort.tables["genotypes"]
            names = [n for p in positions(gene) for n in columns_of(p) if n in table.columns]
            part = table[names].reindex(cohort.ids).astype(object)
            cells = part.where(part.notna(), "").to_numpy()
            for row, cell in enumerate(typed):
                if cell.lower() in UNKNOWN and names:
                    calls[row] = call_diplotypes(gene, dict(zip(names, cells[row], strict=True)))
        return pd.Series(calls, index=cohort.ids, dtype=object)
