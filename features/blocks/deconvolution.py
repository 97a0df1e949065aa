"""Deconvolution: which cells a bulk sample is made of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from theracast.errors import DataError, UsageError
from theracast.features.base import Measured, OmicsBlock
from theracast.features.cohort import Cohort
from theracast.features.deconvolution import MARKERS, SHIPPED, fit_nnls, fit_nusvr, read_signature
from theracast.features.gene_sets import GeneSets, gene_sets, immune_sets
from theracast.features.set_methods import measured_share
from theracast.features.spec import BlockSpec, Column, Feature

_FITS = {"nnls": fit_nnls, "nusvr": fit_nusvr}
_PAPERS = {
    "nnls": "10.1371/journal.pone.0006098",
    "nusvr": "10.1038/nmeth.3337",
    "markers": "10.1186/s13059-016-1070-5",
}


class DeconvolutionBlock(OmicsBlock):
    """Cell fractions of each sample by a signature matrix, or mean expression of each cell type's markers.

    The fractions are shares of the cell types of the signature: they add to 1 in every sample, however few of these
    cells there are. Expression, log2(TPM+1), is brought back to linear TPM for them; ``markers`` stays in
    log2(TPM+1) and compares one cell type between samples, not cell types with each other.

    The matrix that ships, ``"blood_cells"``, is coarse: four cell types of the blood of one donor, by single-cell
    sequencing. Of a tumour it explains the immune part alone, and that roughly: read ``fit_correlation``. LM22 and
    others may not be redistributed: give their file in `signature`.

    Parameters
    ----------
    method : {"nnls", "nusvr", "markers"}, default "nnls"
        Non-negative least squares; nu support vector regression as in CIBERSORT; mean of published markers.
    signature : str, Path, DataFrame or mapping, default "blood_cells"
        As in `theracast.features.deconvolution.read_signature`; ``markers`` does not read it. What was read at `fit`
        is kept: a stored model needs no file.
    min_coverage : float, default 0.8
        Least share of the signature's genes (``markers``: of each cell type's) that must be measured in a patient;
        else NaN.

    Examples
    --------
    >>> block = DeconvolutionBlock()
    >>> cohort = Cohort.from_tables(block.example())
    >>> block.fit_transform(cohort).filter(like="cells").sum(axis=1).round(6).tolist()
    [1.0, 1.0, 1.0]
    """

    spec = BlockSpec(
        "deconvolution",
        "Cell types of a bulk sample: fractions by a signature matrix, or marker means.",
        ("expression",),
        (Column("<gene symbol>", "table 'expression': one column per gene", "log2(TPM+1)", example="4.21"),),
        (),
    )

    def __init__(
        self,
        method: str = "nnls",
        signature: str | Path | pd.DataFrame | Mapping[str, Mapping[str, float]] = SHIPPED,
        min_coverage: float = 0.8,
    ) -> None:
        self.method = method
        self.signature = signature
        self.min_coverage = min_coverage

    @classmethod
    def example(cls) -> dict[str, pd.DataFrame]:
        """Return simulated mixtures of the signature that ships.

        Returns
        -------
        dict of str to DataFrame
            ``expression``, log2(TPM+1), made up.

        Examples
        --------
        >>> DeconvolutionBlock.example()["expression"].index.tolist()
        ['p1', 'p2', 'p3']
        """
        signature = read_signature(SHIPPED)
        parts = np.array([[5, 2, 1, 2], [1, 6, 1, 2], [3, 2, 2, 3]]) / 10
        ids = pd.Index(["p1", "p2", "p3"], name="patient_id")
        mixed = np.log2(parts @ signature.to_numpy().T + 1)
        return {"expression": pd.DataFrame(mixed.round(4), ids, signature.index.tolist())}

    def outputs(self) -> tuple[Feature, ...]:
        """List one feature per cell type; with a signature, the quality of the fit too.

        Returns
        -------
        tuple of Feature
            Named after the cell types, in lower case.

        Examples
        --------
        >>> [f.name for f in DeconvolutionBlock().outputs()][-3:]
        ['t_cells', 'fit_correlation', 'fit_rmse']
        >>> DeconvolutionBlock("markers").outputs()[0].unit
        'log2(TPM+1)'
        """
        paper = _PAPERS[self._method()]
        if self.method == "markers":
            papers = immune_sets(names=MARKERS.values()).references
            return tuple(
                Feature(cell, "log2(TPM+1)", f"mean of the markers of {cell.replace('_', ' ')}", papers.get(s, paper))
                for cell, s in MARKERS.items()
            )
        cells = self._signature().columns
        names = [re.sub(r"\W+", "_", c.strip().lower()).strip("_") for c in cells]
        if len({*names, "fit_correlation", "fit_rmse"}) < len(names) + 2:
            raise DataError(
                "two cell types have one name",
                code="THX-D03",
                where="signature matrix",
                fix="Let names differ in letters or digits.",
            )
        return (
            *(
                Feature(n, "fraction", f"{c} among the cell types of the signature", paper)
                for n, c in zip(names, cells, strict=True)
            ),
            Feature("fit_correlation", "Pearson r", "reconstructed against measured profile", paper),
            Feature("fit_rmse", "SD of the profile", "what the reconstruction leaves unexplained", paper),
        )

    def learn(self, cohort: Cohort) -> None:
        """Keep the signature.

        Parameters
        ----------
        cohort : Cohort
            Training patients.

        Raises
        ------
        DataError
            THX-D08 when the expression holds no gene of the signature; as `read_signature`.

        Examples
        --------
        >>> block = DeconvolutionBlock().fit(Cohort.from_tables(DeconvolutionBlock.example()))
        >>> sorted(block.signature_)
        ['cells', 'genes', 'values']
        """
        if self._method() == "markers":
            return
        signature = read_signature(self.signature)
        measured = cohort.table("expression").dropna(axis=1, how="all").columns
        if len(measured) and not set(measured) & set(signature.index):
            raise DataError(
                "no gene of the signature was measured",
                code="THX-D08",
                where="expression",
                got=f"{len(measured)} genes, none of the {len(signature)} of the signature",
                wanted="names of one kind",
                fix="Name the genes of the table and of the signature alike, by HGNC symbols.",
            )
        self.signature_ = {
            "genes": signature.index.tolist(),
            "cells": signature.columns.tolist(),
            "values": signature.to_numpy().tolist(),
        }

    def measure(self, cohort: Cohort) -> Measured:
        """Estimate the cells of every sample.

        Parameters
        ----------
        cohort : Cohort
            With ``expression``.

        Returns
        -------
        Measured
            Coverage is the share of the genes read that were measured.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> DeconvolutionBlock("markers").measure(load_cohort("hugo2016_mel")).values["t_cells"].iloc[0].round(1).item()
        2.8
        """
        if self._method() == "markers":
            return self._markers(cohort)
        signature = self._signature()
        table = cohort.table("expression").reindex(columns=signature.index).astype(np.float64)
        known = table.notna().to_numpy()
        coverage = pd.Series(known.mean(axis=1), index=cohort.ids)
        names = [f.name for f in self.outputs()]
        rows, notes = np.full((len(table), len(names)), np.nan), {}
        for i, (here, log) in enumerate(zip(known, table.to_numpy(), strict=True)):
            if here.any() and here.mean() >= self.min_coverage:
                fit = _FITS[self.method](np.exp2(log[here]) - 1.0, np.ascontiguousarray(signature.to_numpy()[here]))
                rows[i] = [*fit.fractions, fit.correlation, fit.rmse]
                if np.isnan(fit.fractions).any():
                    notes[cohort.ids[i]] = ["the sample holds none of the signature's cells, or its profile is flat"]
            elif here.any():
                what = f"{here.mean():.0%} of the signature's genes measured, under {self.min_coverage:.0%}"
                notes[cohort.ids[i]] = [f"cell fractions left out: {what}"]
        return Measured.of(pd.DataFrame(rows, cohort.ids, names), coverage=coverage, notes=notes)

    def _markers(self, cohort: Cohort) -> Measured:
        sets = gene_sets(immune_sets(names=MARKERS.values()))
        markers = GeneSets({cell: sets.weights[name] for cell, name in MARKERS.items()})
        table = cohort.table("expression").reindex(columns=list(markers.genes)).astype(np.float64)
        share = measured_share(table, markers.weights)
        means = {cell: table[sorted(genes)].mean(axis=1) for cell, genes in markers.weights.items()}
        values = pd.DataFrame(means, index=cohort.ids).where(share >= self.min_coverage)
        coverage = table.notna().mean(axis=1)
        notes = {
            i: [f"{thin} cell types left out, under {self.min_coverage:.0%} of their markers measured"]
            for i, thin in (share < self.min_coverage).sum(axis=1).items()
            if thin and coverage[i] > 0
        }
        return Measured.of(values, coverage=coverage, notes=notes)

    def _method(self) -> str:
        if self.method not in _PAPERS:
            raise UsageError(
                "unknown method", got=repr(self.method), wanted=", ".join(_PAPERS), fix="Choose one of these."
            )
        return self.method

    def _signature(self) -> pd.DataFrame:
        if hasattr(self, "signature_"):
            stored = self.signature_
            return pd.DataFrame(stored["values"], stored["genes"], stored["cells"])
        return read_signature(self.signature)
