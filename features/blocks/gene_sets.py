"""Gene sets: any sets, scored in one sample by the method of your choice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from theracast.checks import listed
from theracast.errors import DataError, UsageError
from theracast.features.base import Measured, OmicsBlock
from theracast.features.cohort import Cohort
from theracast.features.gene_sets import GeneSets, gene_sets
from theracast.features.set_methods import METHODS, measured_share, score_sets
from theracast.features.spec import BlockSpec, Column, Feature


class GeneSetsBlock(OmicsBlock):
    """Single-sample scores of gene sets: a shipped collection, a GMT file, or sets of your own.

    ``ssgsea`` (the default), ``singscore``, ``aucell`` and ``ulm`` read one sample and nothing else. ``zscore``,
    ``plage`` and ``gsva`` compare patients with each other: here each patient is compared with the training patients,
    whose means (``zscore``), metagenes (``plage``) or values (``gsva``) are kept, so that one patient scores alone as
    in a crowd. Training patients score as by R's GSVA. Before `fit`, or when no training patient had expression, these
    three know nothing and give NaN.

    All but ``zscore`` and ``plage`` rank or regress over every gene measured: a score depends on which genes a
    platform has, and platforms should not be mixed.

    Parameters
    ----------
    sets : str, Path or mapping, default "immune"
        A name in `theracast.features.gene_sets.COLLECTIONS`, the path of a ``.gmt`` file, or set name to genes (or to
        gene and weight, which only ``ulm`` reads). What was read at `fit` is kept: a stored model needs no file.
    method : str, default "ssgsea"
        A name in `theracast.features.set_methods.METHODS`.
    min_coverage : float, default 0.8
        Least share of a set's genes that must be measured in a patient; else the score is NaN.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> block = GeneSetsBlock("interferon", method="singscore").fit(load_cohort("riaz2017_mel"))
    >>> block.transform(load_cohort("hugo2016_mel"))["gene_sets__Ayers_IFNg6"].notna().sum().item()
    26
    """

    spec = BlockSpec(
        "gene_sets",
        "Gene-set scores of one sample, by a published method, over sets that ship or that you give.",
        ("expression",),
        (Column("<gene symbol>", "table 'expression': one column per gene", "log2(TPM+1)", example="4.21"),),
        (),
    )

    def __init__(
        self,
        sets: str | Path | Mapping[str, Iterable[str] | Mapping[str, float]] = "immune",
        method: str = "ssgsea",
        min_coverage: float = 0.8,
    ) -> None:
        self.sets = sets
        self.method = method
        self.min_coverage = min_coverage

    @classmethod
    def example(cls) -> dict[str, pd.DataFrame]:
        """Return a table of the genes of the default sets.

        Returns
        -------
        dict of str to DataFrame
            ``expression``, made up.

        Examples
        --------
        >>> GeneSetsBlock.example()["expression"].shape[0]
        3
        """
        genes = gene_sets("immune").genes
        values = 2.0 + (np.arange(3 * len(genes)).reshape(3, -1) * 11 % 97) / 10.0
        return {"expression": pd.DataFrame(values, pd.Index(["p1", "p2", "p3"], name="patient_id"), list(genes))}

    def outputs(self) -> tuple[Feature, ...]:
        """List one feature per set.

        Returns
        -------
        tuple of Feature
            Named after the sets; white space and brackets become underscores.

        Examples
        --------
        >>> feature = GeneSetsBlock({"own": ["GZMA", "PRF1"]}, method="ulm").outputs()[0]
        >>> feature.name, feature.unit, feature.reference
        ('own', 't-value', '10.1093/bioadv/vbac016')
        """
        sets, method = self._known_sets(), METHODS[self.method]
        names = [re.sub(r"[\s\[\]<>]+", "_", name) for name in sets.weights]
        if len(set(names)) < len(names):
            raise DataError(
                "two sets have one name",
                code="THX-D03",
                where="gene sets",
                got=listed(sorted({n for n in names if names.count(n) > 1})),
                fix="Let names differ in more than white space.",
            )
        return tuple(
            Feature(
                name,
                method.unit,
                f"{sets.about.get(s) or s}: {method.about}",
                sets.references.get(s, method.reference),
            )
            for name, s in zip(names, sets.weights, strict=True)
        )

    def learn(self, cohort: Cohort) -> None:
        """Keep the sets, and what the method compares patients with.

        Parameters
        ----------
        cohort : Cohort
            Training patients.

        Raises
        ------
        DataError
            THX-D08 when the expression holds no gene of any set.
        UsageError
            Weights below 0 with a method that reads membership only; no such method or collection.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> block = GeneSetsBlock("interferon", "zscore").fit(load_cohort("riaz2017_mel"))
        >>> round(block.learned_["mean"]["STAT1"], 2)
        6.89
        """
        sets, method = gene_sets(self.sets), METHODS[self.method]
        if self.method != "ulm" and any(w < 0 for genes in sets.weights.values() for w in genes.values()):
            raise UsageError(
                f"{self.method} reads membership only, and some genes have weights below 0",
                wanted="method='ulm'",
                fix="Use method='ulm', or give the genes of both directions as two sets.",
            )
        expression = cohort.table("expression")
        expression = expression.loc[expression.notna().any(axis=1), expression.notna().any()]
        if expression.size and not set(sets.genes) & set(expression.columns):
            raise DataError(
                "no gene of any set was measured",
                code="THX-D08",
                where="expression",
                got=f"{expression.shape[1]} genes, none of the {len(sets.genes)} of the sets",
                wanted="names of one kind",
                fix="Name the genes of the table and of the sets alike, by HGNC symbols.",
            )
        self.sets_ = {name: dict(genes) for name, genes in sets.weights.items()}
        self.about_, self.references_ = dict(sets.about), dict(sets.references)
        ordered = expression.sort_index()  # by id: sums over patients must not depend on the order of rows
        ordered = ordered[sorted(ordered.columns)]
        self.learned_: dict[str, Any] = method.learn(ordered, self.sets_) if method.learn and ordered.size else {}

    def measure(self, cohort: Cohort) -> Measured:
        """Score every set in every sample.

        Parameters
        ----------
        cohort : Cohort
            With ``expression``.

        Returns
        -------
        Measured
            Coverage is the share of the genes of all sets that were measured.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> GeneSetsBlock("proliferation").measure(load_cohort("hugo2016_mel")).values.shape
        (26, 6)
        """
        sets = self._known_sets().weights
        expression = cohort.table("expression")
        share = measured_share(expression, sets)
        scores = score_sets(expression, sets, self.method, getattr(self, "learned_", {}), share >= self.min_coverage)
        values = scores.set_axis([f.name for f in self.outputs()], axis=1)
        genes = sorted({g for members in sets.values() for g in members})
        coverage = expression.reindex(columns=genes).notna().mean(axis=1)
        notes = {
            i: [self._thin(missing[missing].index)]
            for (i, missing), known in zip((share < self.min_coverage).iterrows(), coverage, strict=True)
            if known > 0 and missing.any()
        }
        return Measured.of(values, coverage=coverage, notes=notes)

    def _thin(self, names: pd.Index) -> str:
        return (
            f"{len(names)} gene sets left out, under {self.min_coverage:.0%} of their genes measured: {listed(names)}"
        )

    def _known_sets(self) -> GeneSets:
        if hasattr(self, "sets_"):
            return GeneSets(self.sets_, self.about_, self.references_)
        return gene_sets(self.sets)
