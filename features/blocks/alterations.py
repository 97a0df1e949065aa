"""Alterations: mutated genes, hotspots, pathways, classes of variants, microsatellites, fusions and copy number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from theracast.checks import UNKNOWN, Problem, to_numbers
from theracast.features.alterations import (
    KINDS,
    class_counts,
    copy_flags,
    fusion_flags,
    gene_states,
    gene_table,
    hotspot_counts,
    hotspot_flags,
    pathway_counts,
    pathway_members,
)
from theracast.features.base import Measured, OmicsBlock
from theracast.features.cohort import Cohort
from theracast.features.gene_panels import panel_genes, panel_names, panel_problems
from theracast.features.spec import BlockSpec, Column, Feature
from theracast.features.symbols import approved
from theracast.features.tables import load_table
from theracast.features.variants import NONSYNONYMOUS, UNSEEN, per_patient, tidy_variants, variant_problems

HOTSPOTS = (
    "BRAF V600", "BRAF V600E", "NRAS Q61", "NRAS Q61R", "KRAS G12", "KRAS G12C", "EGFR L858R", "PIK3CA E545",
    "PIK3CA H1047", "IDH1 R132", "POLE P286",
)  # fmt: skip
FUSIONS = ("ALK", "ROS1", "RET", "NTRK1", "NTRK2", "NTRK3", "FGFR2", "FGFR3")
AMPLIFIED = ("CCND1", "CDK4", "EGFR", "ERBB2", "FGFR1", "MDM2", "MET", "MYC")
DELETED = ("B2M", "CDKN2A", "PTEN", "RB1", "STK11")

_CHANG, _PATHWAYS, _FUSED = "10.1038/nbt.3391", "10.1016/j.cell.2018.03.035", "10.1016/j.celrep.2018.03.050"
_INDELS = "10.1016/S1470-2045(17)30516-8"
_COPIES = "10.1186/gb-2011-12-4-r41"
_MSI_WORDS = {
    **dict.fromkeys(("msi-h", "msih", "msi", "msi-high", "high", "dmmr", "instable", "unstable", "mmrd"), 1.0),
    **dict.fromkeys(("mss", "msi-l", "msil", "msi-low", "low", "pmmr", "stable", "mmrp"), 0.0),
}
#: MSIsensor: 10 or more is high, 3 to 10 indeterminate (10.1200/PO.17.00084).
_MSI_HIGH, _MSI_LOW = 10.0, 3.0
#: A note beside an unknown MSI status, no call: so many coding variants, and this share of indels.
_FEWEST, _MANY_INDELS = 20, 0.25


def _features(genes: Mapping[str, tuple[str, str]], **named: Sequence[str]) -> tuple[Feature, ...]:
    found = [Feature(g, "0/1", f"mutated: {about}", doi) for g, (about, doi) in genes.items()]
    found += [Feature(h.replace(" ", "_"), "0/1", f"{h} mutated", _CHANG) for h in named["hotspots"]]
    found.append(Feature("n_hotspots", "count", "variants at residues mutated more often than chance", _CHANG))
    paths = load_table("pathways")
    found += [
        Feature(f"pathway_{p}", "count", f"mutated genes of {p}", doi)
        for p, doi in zip(paths["pathway"], paths["reference"], strict=True)
    ]
    found += [Feature(f"share_{k}", "share", f"{k} among the coding variants", _INDELS) for k in KINDS]
    found.append(Feature("msi_high", "0/1", "microsatellite instability, high", "10.1126/science.aan6733", 1))
    found += [Feature(f"fusion_{g}", "0/1", f"fusion of {g}", _FUSED) for g in named["fusions"]]
    found += [Feature(f"amp_{g}", "0/1", f"high amplification of {g}", _COPIES) for g in named["amplified"]]
    found += [Feature(f"del_{g}", "0/1", f"deep deletion of {g}", _COPIES) for g in named["deleted"]]
    found.append(Feature("cna_fraction", "share", "genes with a gain or a loss", "10.1126/science.aaf8399", -1))
    return tuple(found)


def _drivers(indication: str) -> dict[str, tuple[str, str]]:
    table = load_table("drivers")
    mine = table[[indication in text.split(":") for text in table["indications"]]]
    return {g: (about, doi) for g, about, doi in zip(mine["gene"], mine["about"], mine["reference"], strict=True)}


class AlterationsBlock(OmicsBlock):
    """Mutated driver genes, hotspots, pathways, classes, MSI, fusions and copy number of named genes.

    A gene without a variant is wild type only where it was read: the patient's ``panel`` (``mutations`` or
    ``clinical``) is declared and holds the gene, or table ``mutation_matrix`` says 0. Elsewhere it is unknown. The
    burden is the block `mutations`.

    Parameters
    ----------
    indication : str, default "ici"
        Which driver genes of ``features/tables/drivers.csv``: ici, melanoma, nsclc, crc, rcc, urothelial, breast or
        ovarian.
    genes : sequence of str, optional
        Driver genes instead of those.
    hotspots : sequence of str, optional
        ``"BRAF V600"`` any change of the residue, ``"BRAF V600E"`` that one; `HOTSPOTS` when not given.
    fusions, amplified, deleted : sequence of str, optional
        Genes; `FUSIONS`, `AMPLIFIED` and `DELETED` when not given.
    panels : mapping of str to sequence of str, optional
        Genes of further panels, by the name written in column ``panel``.
    min_vaf : float, default 0
        Variants with a known allele fraction below it are left out.
    deep : float, default 2
        Copy-number level from which a gene counts as amplified (and below minus which as deleted). Tables of -1, 0
        and 1 say gain and loss only: with 1 they are counted.

    Examples
    --------
    >>> rows = {"patient_id": ["p"], "gene": ["BRAF"], "consequence": ["missense"], "protein": ["V600E"]}
    >>> panel = pd.DataFrame({"panel": ["MSK-IMPACT468"]}, index=["p"])
    >>> cohort = Cohort.from_tables({"mutations": panel, "variants": pd.DataFrame(rows)})
    >>> row = AlterationsBlock().fit_transform(cohort).iloc[0]
    >>> row[["alterations__BRAF_V600E", "alterations__NF1", "alterations__SERPINB3"]].tolist()
    [1.0, 0.0, nan]
    """

    spec = BlockSpec(
        "alterations",
        "What is altered in the tumour: genes, hotspots, pathways, microsatellites, fusions, copy number.",
        ("mutations", "clinical", "variants", "mutation_matrix", "copy_number"),
        (
            Column("gene", "variants: symbol; of a fusion both partners", "symbol", example="BRAF"),
            Column(
                "consequence", "variants: what it does", "MAF or Sequence Ontology word", example="missense_variant"
            ),
            Column("protein", "variants: change of the protein", "HGVS", example="p.Val600Glu"),
            Column("chrom", "variants: chromosome", "1-22, X, Y, MT", example="7"),
            Column("pos", "variants: position", "bases", example="140453136"),
            Column("ref", "variants: reference allele", "bases", example="A"),
            Column("alt", "variants: alternate allele", "bases", example="T"),
            Column("build", "variants: genome build", "GRCh37, GRCh38", example="GRCh37"),
            Column("vaf", "variants: allele fraction", "fraction", example="0.41"),
            Column("<gene>", "or table 'mutation_matrix': one column per gene", "0/1", example="1"),
            Column("<gene copies>", "table 'copy_number': one column per gene", "-2..2", example="-2"),
            Column("panel", "what was sequenced", "MSK-IMPACT468, FoundationOneCDx, exome ...", example="exome"),
            Column("panel_mb", "size of what was sequenced", "Mb", 0.01, 100, "THX-D16", "1.2"),
            Column("fusions_tested", "whether fusions were looked for", "yes, no", example="yes"),
            Column("msi", "microsatellite status or score", "MSI-H, MSS, or a number by msi_unit", example="MSS"),
            Column("msi_unit", "what a number in msi is", "MSIsensor score, 0/1", example="status"),
        ),
        _features(_drivers("ici"), hotspots=HOTSPOTS, fusions=FUSIONS, amplified=AMPLIFIED, deleted=DELETED),
    )

    def __init__(
        self,
        indication: str = "ici",
        genes: Sequence[str] | None = None,
        hotspots: Sequence[str] | None = None,
        fusions: Sequence[str] | None = None,
        amplified: Sequence[str] | None = None,
        deleted: Sequence[str] | None = None,
        panels: Mapping[str, Sequence[str]] | None = None,
        min_vaf: float = 0.0,
        deep: float = 2.0,
    ) -> None:
        self.indication, self.genes, self.hotspots, self.fusions = indication, genes, hotspots, fusions
        self.amplified, self.deleted, self.panels = amplified, deleted, panels
        self.min_vaf, self.deep = min_vaf, deep

    def outputs(self) -> tuple[Feature, ...]:
        """List the features: of the genes, hotspots and changes that were asked for.

        Returns
        -------
        tuple of Feature
            In the order of `measure`.

        Examples
        --------
        >>> [f.name for f in AlterationsBlock(genes=["VHL"]).outputs()][:2]
        ['VHL', 'BRAF_V600']
        """
        named = {n: self._named(n) for n in ("hotspots", "fusions", "amplified", "deleted")}
        return _features(self._drivers(), **named)

    @classmethod
    def example(cls) -> dict[str, pd.DataFrame]:
        """Return small tables that the block reads.

        Returns
        -------
        dict of str to DataFrame
            ``mutations``, ``variants``, ``copy_number`` and ``mutation_matrix``, made up.

        Examples
        --------
        >>> sorted(AlterationsBlock.example())
        ['copy_number', 'mutation_matrix', 'mutations', 'variants']
        """
        ids = pd.Index(["p1", "p2", "p3", "p4"], name="patient_id")
        declared = {
            "panel": ["exome", "MSK-IMPACT468", "", "FoundationOneCDx"],
            "fusions_tested": ["no", "yes", "", "yes"],
            "msi": ["MSS", "MSI-H", "", "MSS"],
        }
        rows = [
            ("p1", "BRAF", "missense_variant", "p.Val600Glu", "7", 140453136, "A", "T", "GRCh37", 0.41),
            ("p1", "TP53", "stop_gained", "p.Arg213*", "17", 7578212, "G", "A", "GRCh37", 0.35),
            ("p1", "TTN", "synonymous_variant", "p.Ala5=", "2", 179669360, "G", "A", "GRCh37", 0.2),
            ("p2", "KRAS", "Missense_Mutation", "p.G12C", "12", 25398285, "C", "A", "GRCh37", 0.3),
            ("p2", "STK11", "Frame_Shift_Del", "p.F354fs", "19", 1223125, "C", "-", "GRCh37", 0.5),
            ("p2", "EML4::ALK", "fusion", "", "", None, "", "", "", None),
        ]
        events = pd.DataFrame(
            rows,
            columns=["patient_id", "gene", "consequence", "protein", "chrom", "pos", "ref", "alt", "build", "vaf"],
        ).set_index("patient_id")
        copies = {"EGFR": [0, 2, None, 1], "CDKN2A": [-2, 0, None, -1], "B2M": [0, -1, None, 0]}
        matrix = {"NRAS": [None, None, 1, None], "NF1": [None, None, 0, None]}
        return {
            "mutations": pd.DataFrame(declared, index=ids),
            "variants": events,
            "copy_number": pd.DataFrame(copies, index=ids, dtype=float),
            "mutation_matrix": pd.DataFrame(matrix, index=ids, dtype=float),
        }

    def check(self, cohort: Cohort) -> list[Problem]:
        """Refuse unknown panels, variants in the wrong build, MSI numbers of unknown kind, and wrong levels of genes.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        list of Problem
            THX-D11, THX-D13, THX-D16, THX-D20 and THX-D26.

        Examples
        --------
        >>> c = Cohort.from_tables({"copy_number": pd.DataFrame({"EGFR": [7.0]}, index=["p"])})
        >>> AlterationsBlock().check(c)[0].what
        'should hold -2, -1, 0, 1 or 2; copy numbers and log ratios want a cut-off first'
        """
        found = super().check(cohort)
        where, _ = cohort.column("panel", self.spec.tables)
        size = self.numbers(cohort, "panel_mb")
        found += panel_problems(where, self.words(cohort, "panel"), size, self.panels or ())
        where, _ = cohort.column("msi", self.spec.tables)
        if (rows := self._msi(cohort)[1]).any():
            what = "is a number: say in msi_unit what it is (MSIsensor score, 0/1), or write MSI-H and MSS"
            found.append(Problem("THX-D16", where, what, _rows(rows)))
        for table, levels, what in (
            ("mutation_matrix", (0, 1), "should hold 0 and 1: a gene is mutated or it is not"),
            (
                "copy_number",
                (-2, -1, 0, 1, 2),
                "should hold -2, -1, 0, 1 or 2; copy numbers and log ratios want a cut-off first",
            ),
        ):
            found += _level_problems(cohort, table, levels, what)
        return found + variant_problems(cohort)

    def ignored(self, cohort: Cohort) -> list[Problem]:
        """List consequences and microsatellite words that are not known here.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        list of Problem
            THX-D20; rows are patients.

        Examples
        --------
        >>> odd = pd.DataFrame({"patient_id": ["p"], "gene": ["NF1"], "consequence": ["odd"]})
        >>> AlterationsBlock().ignored(Cohort.from_tables({"variants": odd}))[0].where
        'variants:consequence'
        """
        tidy = tidy_variants(cohort.event("variants"))
        unseen = pd.Series(cohort.ids.isin(tidy.index[(tidy["consequence"] == UNSEEN).to_numpy()].unique()))
        where, _ = cohort.column("msi", self.spec.tables)
        status, number = self._msi(cohort)
        words = status.isna() & ~number & ~self.words(cohort, "msi").isin(UNKNOWN) & ~self._scored(cohort)
        texts = (
            ("variants:consequence", unseen, "holds words that are not known here: these variants are counted nowhere"),
            (where, words, "holds words that are not known here: write MSI-H or MSS"),
        )
        return [Problem("THX-D20", place, what, _rows(mask)) for place, mask, what in texts if mask.any()]

    def measure(self, cohort: Cohort) -> Measured:
        """Read the variants, the gene tables and the declared status of each patient.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        Measured
            `censored` is 1 where a count is a lower limit, because genes were not read or words not understood.

        Examples
        --------
        >>> measured = AlterationsBlock().measure(Cohort.from_tables(AlterationsBlock.example()))
        >>> measured.values.loc["p2", ["KRAS_G12C", "fusion_ALK", "amp_EGFR", "msi_high"]].tolist()
        [1.0, 1.0, 1.0, 1.0]
        """
        ids = cohort.ids
        variants = tidy_variants(cohort.event("variants"), self.min_vaf)
        drivers, hotspots = list(self._drivers()), self._named("hotspots")
        genes = {*drivers, *(h.split(" ")[0] for h in hotspots)}.union(*pathway_members().values())
        words = self.words(cohort, "panel")
        called = "variants" in cohort.events
        covered = panel_genes(words, sorted(genes), self.panels) & called
        states = gene_states(variants, covered, gene_table(cohort.table("mutation_matrix")))
        spots, unnamed = hotspot_counts(variants, ids)
        exome = (panel_names(words) == "exome") & called
        pathways, limits = pathway_counts(states)
        counts = class_counts(variants, ids)
        unseen = counts.get(UNSEEN, pd.Series(0.0, index=ids)) > 0
        coding = counts.reindex(columns=NONSYNONYMOUS, fill_value=0.0).sum(axis=1)
        shares = {k: counts.reindex(columns=c, fill_value=0.0).sum(axis=1) / coding for k, c in KINDS.items()}
        known = spots.where(covered.any(axis=1) | (spots > 0))
        msi, _ = self._msi(cohort)
        tested = self.words(cohort, "fusions_tested").isin(("yes", "y", "1", "true"))
        copies = gene_table(cohort.table("copy_number"))
        values = pd.concat(
            [
                states[drivers],
                hotspot_flags(variants, states, hotspots).rename(columns=lambda h: h.replace(" ", "_")),
                known.rename("n_hotspots"),
                pathways.add_prefix("pathway_"),
                pd.DataFrame(shares).where(coding > 0).add_prefix("share_"),
                msi.rename("msi_high"),
                fusion_flags(variants, tested, self._named("fusions")).add_prefix("fusion_"),
                copy_flags(copies, self._named("amplified"), self._named("deleted"), self.deep),
            ],
            axis=1,
        )
        censored = limits.add_prefix("pathway_")
        censored["n_hotspots"] = (known.notna() & (~exome | unnamed | unseen)).astype(np.int8)
        texts = {
            "many of the coding variants are indels and MSI is not declared: a hint, not a call": msi.isna()
            & (coding >= _FEWEST)
            & (shares["indel"] >= _MANY_INDELS),
            "variants with a consequence that is not known here are counted nowhere": unseen,
            "no panel is declared: genes without a variant are unknown, not wild type": (words == "")
            & (per_patient(variants, ids) > 0),
        }
        notes: dict[str, list[str]] = {}
        for text, rows in texts.items():
            for i in ids[rows.to_numpy(dtype=bool)]:
                notes.setdefault(i, []).append(text)
        return Measured.of(values[[f.name for f in self.outputs()]], censored=censored, notes=notes)

    def _drivers(self) -> dict[str, tuple[str, str]]:
        listed = _drivers(self.indication)
        if self.genes is None:
            return listed
        return {g: listed.get(g, ("named by the user", _PATHWAYS)) for g in approved(self.genes)}

    def _named(self, which: str) -> list[str]:
        given = getattr(self, which)
        if given is None:
            return list({"hotspots": HOTSPOTS, "fusions": FUSIONS, "amplified": AMPLIFIED, "deleted": DELETED}[which])
        if which == "hotspots":
            return [" ".join([approved([h.split(" ", 1)[0]])[0], h.split(" ", 1)[1]]) for h in given]
        return approved(given)

    def _scored(self, cohort: Cohort) -> pd.Series:
        return pd.to_numeric(self.words(cohort, "msi"), errors="coerce").notna()

    def _msi(self, cohort: Cohort) -> tuple[pd.Series, pd.Series]:
        """Read the status; and say where it is a number that nobody explains."""
        words, unit = self.words(cohort, "msi"), self.words(cohort, "msi_unit")
        score = pd.to_numeric(words, errors="coerce").astype(float)
        sensor, binary = unit.str.contains("msisensor"), unit.isin(("0/1", "binary"))
        status = words.map(_MSI_WORDS).astype(float)
        status = status.mask(sensor & (score >= _MSI_HIGH), 1.0).mask(sensor & (score < _MSI_LOW), 0.0)
        status = status.mask(binary & score.isin((0.0, 1.0)), score)
        return status, score.notna() & ~sensor & ~(binary & score.isin((0.0, 1.0)))


def _level_problems(cohort: Cohort, name: str, levels: Sequence[int], what: str) -> list[Problem]:
    table = cohort.table(name)
    found: dict[str, np.ndarray] = {}
    for column in table.columns:
        numbers, problems = to_numbers(table[column], f"{name}:{column}")
        for p in problems:
            found.setdefault(p.code, np.zeros(len(table), dtype=bool))[list(p.rows)] = True
        odd = (numbers.notna() & ~numbers.isin(levels)).to_numpy()
        if odd.any():
            found["THX-D16"] = found.get("THX-D16", np.zeros(len(table), dtype=bool)) | odd
    return [Problem(code, name, what, _rows(pd.Series(mask))) for code, mask in sorted(found.items())]


def _rows(mask: pd.Series) -> tuple[int, ...]:
    return tuple(int(i) for i in np.flatnonzero(mask.to_numpy(dtype=bool)))
