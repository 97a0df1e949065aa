"""Expression: genes as features, on one scale that a patient has alone as in a crowd."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from theracast.checks import Problem
from theracast.errors import UsageError
from theracast.features.base import Measured, OmicsBlock
from theracast.features.cohort import Cohort
from theracast.features.count_reference import CountReference, learn_reference, shared_genes
from theracast.features.scales import ARRAY, COUNTS, EXPRESSION, column_blocks, row_blocks
from theracast.features.spec import BlockSpec, Column, Feature
from theracast.features.swaps import sex_by_genes, swapped
from theracast.features.symbols import approved
from theracast.kernels.ranks import ranks

#: Per normalisation: unit, reference, and the tables it reads, the first with any patient in training.
_WAYS = {
    "log2tpm": ("log2(TPM+1)", "10.1007/s12064-012-0162-3", (EXPRESSION,)),
    "tmm": ("log2 counts per million", "10.1186/gb-2010-11-3-r25", (COUNTS,)),
    "ratios": ("log2(normalised count+1)", "10.1186/gb-2010-11-10-r106", (COUNTS,)),
    "rank": ("rank 0-1", "10.1186/s12859-018-2435-4", (EXPRESSION, COUNTS, ARRAY)),
}
#: Share of the training patients' median of detected genes below which a sample is noted as poor.
_POOR = 0.5


class ExpressionBlock(OmicsBlock):
    """Genes as features: TPM as they are, counts against a frozen reference, or ranks within the sample.

    Parameters
    ----------
    normalise : {"log2tpm", "tmm", "ratios", "rank"}, default "log2tpm"
        ``log2tpm`` reads table ``expression``. ``tmm`` and ``ratios`` read table ``counts`` and compare each patient
        with what was learned from the training patients (edgeR's trimmed mean of M-values; DESeq2's median of ratios).
        ``rank`` reads any of ``expression``, ``counts`` and ``array``, always the one it was trained on, and gives the
        rank of a gene among the genes of the training tables, from 0 (lowest) to 1; ties share theirs.
    genes : sequence of str, optional
        Genes wanted, by any spelling; all genes that half of the training patients have, by default.
    most_variable : int, optional
        Keep as many genes, those whose normalised values vary most between the training patients.
    min_coverage : float, default 0.8
        Least share of the training tables' genes that a patient must have for ``tmm``, ``ratios`` and ``rank``.
    swaps : {"refuse", "note"}, default "refuse"
        What to do with samples whose genes tell another sex than ``clinical:sex``.

    Attributes
    ----------
    table_ : str
        Table that is read.
    genes_ : list of str
        Features, sorted.
    read_ : list of str
        Genes that are read to make them, sorted.
    dropped_ : list of str
        Genes left out as all training patients have the same value.
    reference_ : dict
        What counts are scaled against (`theracast.features.count_reference.CountReference`); empty without counts.
    detected_ : float
        Median share of the genes read that training patients have above zero.

    Examples
    --------
    >>> genes = pd.DataFrame({"PDL1": [1.0, 2.0, 4.5], "CD8A": [3.0, 3.0, 3.0]}, index=["a", "b", "c"])
    >>> block = ExpressionBlock()
    >>> block.fit_transform(Cohort.from_tables({"expression": genes}))["expression__CD274"].tolist()
    [1.0, 2.0, 4.5]
    >>> block.dropped_
    ['CD8A']
    """

    spec = BlockSpec(
        "expression",
        "Genes as features, on a scale that does not depend on the other patients.",
        (EXPRESSION, COUNTS, ARRAY),
        (
            Column("<gene symbol>", "table 'expression': one column (or row) per gene", "log2(TPM+1)", example="4.21"),
            Column("<gene symbol>", "or table 'counts', for tmm, ratios and rank", "raw counts", example="118"),
            Column("<gene symbol>", "or table 'array', for rank", "log2 intensity", example="7.9"),
        ),
        (),
    )

    def __init__(
        self,
        normalise: str = "log2tpm",
        genes: Sequence[str] | None = None,
        most_variable: int | None = None,
        min_coverage: float = 0.8,
        swaps: str = "refuse",
    ) -> None:
        self.normalise, self.genes, self.most_variable = normalise, genes, most_variable
        self.min_coverage, self.swaps = min_coverage, swaps

    @classmethod
    def example(cls) -> dict[str, pd.DataFrame]:
        """Return a table of a few genes.

        Returns
        -------
        dict of str to DataFrame
            ``expression``, made up.

        Examples
        --------
        >>> ExpressionBlock.example()["expression"].shape
        (3, 5)
        """
        genes = {"CD274": [1.5, 4.0, 0.25], "CD8A": [2.0, 5.5, 0.5], "GZMB": [1.25, 4.5, 0.0]}
        genes |= {"RPS4Y1": [7.5, 0.0, 6.5], "TGFB1": [5.0, 4.75, 6.25]}
        return {"expression": pd.DataFrame(genes, pd.Index(["p1", "p2", "p3"], name="patient_id"))}

    def outputs(self) -> tuple[Feature, ...]:
        """List the genes: those learned, or, before, those asked for.

        Returns
        -------
        tuple of Feature
            One per gene.

        Examples
        --------
        >>> [f.name for f in ExpressionBlock(genes=["HER2", "CD8A"]).outputs()]
        ['CD8A', 'ERBB2']
        """
        unit, reference, _ = self._way()
        names = getattr(self, "genes_", None)
        if names is None:
            names = self._asked()
        return tuple(Feature(gene, unit, f"expression of {gene}", reference) for gene in names)

    def learn(self, cohort: Cohort) -> None:
        """Choose the table and the genes, and keep what counts are compared with.

        Parameters
        ----------
        cohort : Cohort
            Training patients.

        Raises
        ------
        UsageError
            On an option that cannot be.

        Examples
        --------
        >>> block = ExpressionBlock(most_variable=2)
        >>> block.learn(Cohort.from_tables(ExpressionBlock.example()))
        >>> block.genes_
        ['CD8A', 'RPS4Y1']
        """
        *_, tables = self._way()
        self.table_ = next((t for t in tables if cohort.table(t).size), tables[0])
        table = cohort.table(self.table_)
        shared = shared_genes(table)
        self.genes_ = self._asked() or shared
        self.read_ = self.genes_ if self.normalise == "log2tpm" else shared
        self.dropped_: list[str] = []
        self.reference_: dict[str, Any] = {}
        self.detected_ = 0.0
        if not shared:
            return
        if self.table_ == COUNTS and self.normalise != "rank":
            self.reference_ = asdict(learn_reference(table, self.normalise))  # type: ignore[arg-type]
        choose = not self._asked() or self.most_variable is not None
        if self.normalise == "log2tpm":  # the table is what is looked at: no copy of it is made
            if choose:
                self.genes_ = [g for g in self.genes_ if g in table.columns]
                self._select(table, table.columns.get_indexer(pd.Index(self.genes_)))
            self.read_ = self.genes_
            _, seen, detected = self._values(table, [])
        else:
            values, seen, detected = self._values(table, self.genes_)
            if choose:
                self._select(pd.DataFrame(values, copy=False), np.arange(len(self.genes_)))
        if (seen > 0).any():
            self.detected_ = float(np.median(detected[seen > 0]))

    def check(self, cohort: Cohort) -> list[Problem]:
        """Refuse samples that seem to be another patient's.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        list of Problem
            THX-D19 by row; none when swaps are noted only.

        Examples
        --------
        >>> tables = ExpressionBlock.example() | {"clinical": pd.DataFrame({"sex": ["M"]}, index=["p1"])}
        >>> ExpressionBlock().check(Cohort.from_tables(tables))
        []
        """
        self._way()
        return swapped(cohort) if self.swaps == "refuse" else []

    def measure(self, cohort: Cohort) -> Measured:
        """Normalise each sample and take the genes.

        Parameters
        ----------
        cohort : Cohort
            With the table that was trained on.

        Returns
        -------
        Measured
            Values in float32. Coverage is the share of the genes read that were measured; below `min_coverage` counts
            and ranks are unknown, with a note.

        Examples
        --------
        >>> block = ExpressionBlock(normalise="rank")
        >>> c = Cohort.from_tables(ExpressionBlock.example())
        >>> block.fit(c).measure(c).values.loc["p1"].tolist()
        [0.5, 0.0, 1.0]
        """
        values, seen, detected = self._values(cohort.table(self.table_), self.genes_)
        frame = pd.DataFrame(values, index=cohort.ids, columns=pd.Index(self.genes_, dtype=object), copy=False)
        notes: dict[str, list[str]] = {}
        other = self._elsewhere(cohort)
        for row, i in enumerate(cohort.ids):
            lines = self._notes(seen[row], detected[row])
            if not seen[row] and other[row]:
                lines.append(f"genes are given as {other[row]}, the model was trained on {self.table_}: not read")
            if lines:
                notes[i] = lines
        if self.swaps == "note":
            for problem in swapped(cohort):
                for row in problem.rows:
                    told = sex_by_genes(cohort.subset(cohort.ids[[row]])).iloc[0]
                    line = f"the genes are those of {'a man' if told == 'M' else 'a woman'}: a swapped sample?"
                    notes.setdefault(cohort.ids[row], []).append(line)
        return Measured.of(frame, coverage=pd.Series(seen, index=cohort.ids), notes=notes)

    def _way(self) -> tuple[str, str, tuple[str, ...]]:
        """Say how it is normalised; refuse options that cannot be."""
        wrong = {
            "normalise": self.normalise not in _WAYS,
            "swaps": self.swaps not in ("refuse", "note"),
            "most_variable": self.most_variable is not None and self.most_variable < 1,
            "min_coverage": not 0 <= self.min_coverage <= 1,
        }
        for name, bad in wrong.items():
            if bad:
                wanted = (
                    f"normalise: {', '.join(_WAYS)}; swaps: refuse, note; most_variable: 1 or more; min_coverage: 0-1"
                )
                raise UsageError(f"{name} cannot be {getattr(self, name)!r}", where="block expression", wanted=wanted)
        return _WAYS[self.normalise]

    def _asked(self) -> list[str]:
        return sorted(set(approved(self.genes))) if self.genes else []

    def _values(self, table: pd.DataFrame, genes: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Normalise some patients at a time: values, share of genes read that were measured, share above zero."""
        out = np.full((len(genes), len(table)), np.nan, dtype=np.float32).T  # as pandas keeps it: no copy
        seen, detected = np.zeros(len(table)), np.zeros(len(table))
        if not self.read_ or not len(table):
            return out, seen, detected
        reference = CountReference(**self.reference_) if self.reference_ else None
        places = pd.Index(self.read_).get_indexer(pd.Index(genes))
        there = np.flatnonzero(places >= 0)
        for part, values in row_blocks(table, self.read_):
            known = ~np.isnan(values)
            seen[part] = known.mean(axis=1)
            detected[part] = (values > 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
            if reference is not None:
                values = reference.logs(values)
            elif self.normalise == "rank":
                values = (ranks(values) - 1.0) / np.maximum(known.sum(axis=1, keepdims=True) - 1.0, 1.0)
            if self.normalise != "log2tpm":
                values[seen[part] < self.min_coverage] = np.nan
            out[part, there] = values[:, places[there]]
        return out, seen, detected

    def _select(self, table: pd.DataFrame, places: np.ndarray) -> None:
        """Drop the genes that do not vary, and keep those that vary most; rows in any order give the same."""
        spread, anyone, first = np.zeros(len(places)), np.zeros(len(table), dtype=bool), 0
        for _, part in column_blocks(table, places):
            part = np.array(part.T, order="C")  # a copy: one patient's row is contiguous already, and sorted below
            anyone |= ~np.isnan(part).all(axis=0)
            part.sort(axis=1)
            known = ~np.isnan(part)
            n = np.maximum(known.sum(axis=1), 1)
            means = np.where(known, part, 0.0).sum(axis=1) / n
            variances = np.where(known, (part - means[:, None]) ** 2, 0.0).sum(axis=1) / n
            variances[np.fmin.reduce(part, axis=1) == np.fmax.reduce(part, axis=1)] = 0.0
            spread[first : first + len(part)] = variances
            first += len(part)
        if anyone.sum() < 2:  # one patient does not tell what varies
            return
        self.dropped_ = [g for g, s in zip(self.genes_, spread, strict=True) if not s > 0]
        order = np.lexsort((np.arange(len(spread)), -spread))  # of two that vary alike, the first by name
        self.genes_ = [self.genes_[i] for i in np.sort(order[: self.most_variable]) if spread[i] > 0]

    def _notes(self, seen: float, detected: float) -> list[str]:
        lines = []
        if 0 < seen < 1:
            lacks = self.normalise != "log2tpm" and seen < self.min_coverage
            lines.append(f"expression covers {seen:.0%} of the genes read" + (": too few, left out" if lacks else ""))
        if seen and detected < _POOR * self.detected_:
            lines.append(
                f"only {detected:.0%} of the genes are above zero, in training {self.detected_:.0%}: poor sample?"
            )
        return lines

    def _elsewhere(self, cohort: Cohort) -> np.ndarray:
        """Name the table of genes that a patient has who has not the one that is read."""
        found: np.ndarray[Any, Any] = np.full(len(cohort), "", dtype=object)
        for name in self.spec.tables:
            if name != self.table_ and name in cohort.tables:
                found[cohort.ids.isin(cohort.tables[name].index)] = name
        return found
