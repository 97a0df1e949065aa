"""Signatures: published immune gene sets, scored within one sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pandas as pd

from theracast.checks import Problem
from theracast.features.base import Measured, OmicsBlock
from theracast.features.cohort import Cohort
from theracast.features.remarks import Remarks
from theracast.features.scores import genes_of, implausible, relative_only, set_scores
from theracast.features.spec import BlockSpec, Column, Feature

_RATIO = "ratio to housekeeping"


class SignaturesBlock(OmicsBlock):
    """Immune and stromal gene-set scores of one sample, relative to its own housekeeping genes.

    Parameters
    ----------
    min_coverage : float, default 0.8
        Least share of a set's genes that must be measured.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> block = SignaturesBlock()
    >>> cohort = load_cohort("hugo2016_mel")
    >>> alone = block.fit_transform(cohort.subset(cohort.ids[:1]))
    >>> bool((alone == block.transform(cohort).iloc[:1]).all(axis=None))
    True
    """

    #: Name in ``tables/immune_sets.csv`` of each feature.
    sets: ClassVar[dict[str, str]] = {
        "t_cell_inflamed": "Ayers_IFNg18",
        "cytolytic_activity": "CytoxAct_Rooney",
        "tertiary_lymphoid": "TLS_v1_Cabrita20",
        "tgf_beta": "TGFb_pan",
        "fibroblasts": "Fibroblast_sc",
        "macrophages": "Macrophage_TAM",
        "cell_cycle": "Cell_cycle",
        "proliferation": "Proliferating_G2M_sc",
        "dna_replication": "DNA_replication",
        "apobec": "APOBEC_set",
    }

    spec = BlockSpec(
        "signatures",
        "Published immune and stromal gene sets, scored within one sample.",
        ("expression", "signatures"),
        (
            Column("<gene symbol>", "table 'expression': one column (or row) per gene", "log2(TPM+1)", example="4.21"),
            Column(
                "<set name>",
                "or table 'signatures': published COMPASS set means",
                "mean of scaled genes",
                example="1.05",
            ),
        ),
        (
            Feature("t_cell_inflamed", _RATIO, "18-gene T-cell-inflamed expression", "10.1172/JCI91190", 1),
            Feature("cytolytic_activity", _RATIO, "GZMA and PRF1", "10.1016/j.cell.2014.12.033", 1),
            Feature(
                "tertiary_lymphoid", _RATIO, "tertiary lymphoid structures, 8 genes", "10.1038/s41586-019-1914-8", 1
            ),
            Feature("tgf_beta", _RATIO, "TGF-beta response of fibroblasts", "10.1038/nature25501", -1),
            Feature("fibroblasts", _RATIO, "fibroblast markers", "PMID:34761219", -1),
            Feature("macrophages", _RATIO, "tumour-associated macrophages", "PMID:30127393"),
            Feature("cell_cycle", _RATIO, "cell cycle", "10.1038/nature25501"),
            Feature("proliferation", _RATIO, "G2/M genes", "PMID:34761219"),
            Feature("dna_replication", _RATIO, "DNA replication", "10.1038/nature25501"),
            Feature("apobec", _RATIO, "APOBEC3A and APOBEC3B", "10.1038/nature25501"),
        ),
    )

    def __init__(self, min_coverage: float = 0.8) -> None:
        self.min_coverage = min_coverage

    @classmethod
    def example(cls) -> dict[str, pd.DataFrame]:
        """Return a table of the genes that the block reads.

        Returns
        -------
        dict of str to DataFrame
            ``expression``, made up.

        Examples
        --------
        >>> SignaturesBlock.example()["expression"].shape[0]
        3
        """
        genes = genes_of(list(cls.sets.values()))
        values = 3.0 + (np.arange(3 * len(genes)).reshape(3, -1) * 7 % 50) / 10.0
        return {"expression": pd.DataFrame(values, pd.Index(["p1", "p2", "p3"], name="patient_id"), list(genes))}

    def check(self, cohort: Cohort) -> list[Problem]:
        """Refuse published set means that cannot be, and genes on a scale that scores cannot be made of.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        list of Problem
            THX-D04, THX-D05.

        Examples
        --------
        >>> c = Cohort.from_tables({"signatures": pd.DataFrame({"Ayers_IFNg18": [-3.0]}, index=["p"])})
        >>> SignaturesBlock().check(c)[0].code
        'THX-D05'
        """
        return super().check(cohort) + implausible(cohort, list(self.sets.values())) + relative_only(cohort)

    def measure(self, cohort: Cohort) -> Measured:
        """Score every set in every sample.

        Parameters
        ----------
        cohort : Cohort
            With ``expression`` or ``signatures``.

        Returns
        -------
        Measured
            Coverage is the share of the genes read that were measured.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> SignaturesBlock().measure(load_cohort("mgh2022_mel")).values.shape
        (34, 10)
        """
        scores = set_scores(cohort, list(self.sets.values()), self.min_coverage)
        values = scores.values.set_axis(list(self.sets), axis=1)
        share, notes = scores.coverage.to_numpy(), Remarks(cohort.ids)
        part = np.flatnonzero((share > 0) & (share < 1))
        said = {s: f"expression covers {s:.0%} of the genes the signatures read" for s in np.unique(share[part])}
        notes.add_each(part, [said[s] for s in share[part]])
        return Measured.of(values, coverage=scores.coverage, notes=notes)

    @classmethod
    def set_names(cls) -> Sequence[str]:
        """Name the gene sets that are read.

        Returns
        -------
        sequence of str
            Names in ``tables/immune_sets.csv``.

        Examples
        --------
        >>> "Ayers_IFNg18" in SignaturesBlock.set_names()
        True
        """
        return tuple(cls.sets.values())
