"""Repertoire: how many clones each receptor chain has, how even they are, and which genes they use."""

from __future__ import annotations

import numpy as np
import pandas as pd

from theracast.checks import Problem
from theracast.errors import UsageError
from theracast.features.base import Measured, OmicsBlock
from theracast.features.censored import declared, read_cells
from theracast.features.cohort import Cohort
from theracast.features.repertoires import (
    INDICES,
    by_patient,
    clone_indices,
    gene_usage,
    read_clones,
    ready_made,
    ready_name,
)
from theracast.features.richness import RAREFIED
from theracast.features.spec import BlockSpec, Column, Feature

_TABLE = "repertoire"
#: Indices that are shares, by the end of their name.
_SHARES = ("pielou", "simpson", "gini", "clonality", "top_share")
_ABOUT = {
    "clones": ("clones", "clones seen", "10.3389/fimmu.2018.02206", 0, "log2"),
    "reads": ("reads", "reads or molecules", "10.3389/fimmu.2018.02206", 0, "log2"),
    "shannon": ("nats", "Shannon diversity of the clones", "10.1002/j.1538-7305.1948.tb01338.x", 0, "linear"),
    "pielou": ("0-1", "normalised Shannon: over its greatest", "10.1016/0022-5193(66)90013-0", 0, "linear"),
    "simpson": ("0-1", "chance that two reads differ in clone", "10.1038/163688a0", 0, "linear"),
    "gini": ("0-1", "inequality of the clones' sizes", "10.1186/s12915-025-02236-5", 0, "linear"),
    "d50": ("clones", "least clones that hold half of the reads", "10.1186/s12915-025-02236-5", 0, "log2"),
    "d20": ("clones", "least clones that hold a fifth of the reads", "10.1186/s12915-025-02236-5", 0, "log2"),
    "clonality": ("0-1", "1 - normalised Shannon", "10.1038/nature13954", 0, "linear"),
    "top_share": ("0-1", "share of the greatest clone", "10.1038/nature13954", 0, "linear"),
}


class RepertoireBlock(OmicsBlock):
    """Diversity, clonality and gene usage of every T and B cell receptor chain.

    From rows of clones (events ``clones``: one row per clone, or per AIRR rearrangement), or as somebody worked them
    out before (table ``repertoire``: ``TRB.Shannon``, ``TRB-TRBV9``); where a patient has both, rows win.

    Parameters
    ----------
    depth : int, optional
        Reads per chain to which indices are rarefied, in expectation and without drawing. Gini, D50, D20 and the top
        share are then not given; chains of fewer reads, and indices worked out before, are not known.
    weigh : {"clones", "reads"}, default "clones"
        Whether a clone counts once in gene usage, or by its reads.
    min_known : float, default 0.1
        Least share of training patients who have a chain or gene that is given.

    Attributes
    ----------
    columns_ : list of str
        What is given: ``TRB_shannon``, ``TRB_TRBV9``.
    dropped_ : dict of str to str
        What is not, and why.

    Examples
    --------
    >>> out = RepertoireBlock().fit_transform(Cohort.from_tables(RepertoireBlock.example()))
    >>> out["repertoire__TRB_top_share"].round(2).tolist()
    [0.83, 0.4, 0.29]
    """

    spec = BlockSpec(
        "repertoire",
        "Clones of T and B cell receptors: diversity, clonality and gene usage by chain.",
        ("clones", _TABLE),
        (
            Column("chain", "receptor chain, else read from v", "IGH, IGK, IGL, TRA, TRB, TRD, TRG", example="TRB"),
            Column("v", "V gene (or v_call)", "IMGT name", example="TRBV9"),
            Column("j", "J gene (or j_call)", "IMGT name", example="TRBJ2-1"),
            Column("cdr3", "CDR3 (or junction_aa), or a clone id in clone_id", "amino acids", example="CASSVGTEAFF"),
            Column("count", "reads or molecules (or duplicate_count)", "whole number", example="120"),
            Column("<TRB.Shannon>", "or table repertoire: worked out before", "by index", example="5.1"),
        ),
        (
            *(Feature(f"<chain>_{n}", unit, about, doi) for n, (unit, about, doi, *_) in _ABOUT.items()),
            Feature("<chain>_<gene>", "0-1", "share of a V or J gene among the clones", "10.3389/fimmu.2018.02206"),
        ),
    )  # fmt: skip

    def __init__(self, depth: int | None = None, weigh: str = "clones", min_known: float = 0.1) -> None:
        self.depth, self.weigh, self.min_known = depth, weigh, min_known

    @classmethod
    def example(cls) -> dict[str, pd.DataFrame]:
        """Return a few made-up clones.

        Returns
        -------
        dict of str to DataFrame
            Events ``clones``.

        Examples
        --------
        >>> RepertoireBlock.example()["clones"].columns.tolist()
        ['chain', 'v', 'j', 'cdr3', 'count']
        """
        rows = [
            ("p1", "TRB", "TRBV9", "TRBJ2-1", "CASSVGTEQFF", 300),
            ("p1", "TRB", "TRBV5-1", "TRBJ1-1", "CASSLDTEAFF", 40),
            ("p1", "TRB", "TRBV9", "TRBJ1-1", "CASSPGTEAFF", 20),
            ("p1", "TRA", "TRAV12-2", "TRAJ33", "CAVNDSNYQLIW", 90),
            ("p1", "TRA", "TRAV1-2", "TRAJ33", "CAVMDSNYQLIW", 10),
            ("p2", "TRB", "TRBV5-1", "TRBJ2-7", "CASSLGYEQYF", 80),
            ("p2", "TRB", "TRBV5-1", "TRBJ2-1", "CASSLAGEQFF", 70),
            ("p2", "TRB", "TRBV20-1", "TRBJ1-2", "CSARDGYTF", 50),
            ("p2", "TRA", "TRAV12-2", "TRAJ42", "CAVGGSQGNLIF", 30),
            ("p3", "TRB", "TRBV20-1", "TRBJ2-7", "CSARGYEQYF", 20),
            ("p3", "TRB", "TRBV9", "TRBJ2-7", "CASSVAYEQYF", 20),
            ("p3", "TRB", "TRBV28", "TRBJ1-1", "CASSFNTEAFF", 20),
            ("p3", "TRB", "TRBV9", "TRBJ2-1", "CASSVRGEQFF", 10),
        ]
        table = pd.DataFrame(rows, columns=["patient_id", "chain", "v", "j", "cdr3", "count"])
        return {"clones": table.set_index("patient_id")}

    def learn(self, cohort: Cohort) -> None:
        """Choose chains and genes.

        Parameters
        ----------
        cohort : Cohort
            Training patients.

        Raises
        ------
        UsageError
            On an unknown `weigh`.

        Examples
        --------
        >>> block = RepertoireBlock()
        >>> block.learn(Cohort.from_tables(RepertoireBlock.example()))
        >>> [c for c in block.columns_ if "TRBV" in c]
        ['TRB_TRBV20-1', 'TRB_TRBV28', 'TRB_TRBV5-1', 'TRB_TRBV9']
        """
        if self.weigh not in ("clones", "reads"):
            raise UsageError("no such weigh", where="weigh", wanted="clones or reads")
        values, _ = self._values(cohort, None)
        people = max(int(values.notna().any(axis=1).sum()), 1)
        self.columns_: list[str] = []
        self.dropped_: dict[str, str] = {}
        for name, column in values.items():
            seen = column.notna() & ((column > 0) | (str(name).split("_", 1)[1] in INDICES))
            if seen.sum() < max(self.min_known * people, 1):
                self.dropped_[str(name)] = "known of too few training patients"
            elif column.nunique() < 2:
                self.dropped_[str(name)] = "the same in all training patients"
            else:
                self.columns_.append(str(name))

    def outputs(self) -> tuple[Feature, ...]:
        """List what was learned.

        Returns
        -------
        tuple of Feature
            None before `fit`.

        Examples
        --------
        >>> RepertoireBlock().outputs()
        ()
        """
        found = []
        for name in getattr(self, "columns_", ()):
            chain, what = name.split("_", 1)
            if what in _ABOUT:
                unit, about, reference, direction, scale = _ABOUT[what]
                deep = f"{about}, at {self.depth} reads" if self.depth and what in INDICES else about
                found.append(Feature(name, unit, f"{chain}: {deep}", reference, direction, scale))  # type: ignore[arg-type]
            else:
                about = f"share of {what} among the {self.weigh} of {chain}"
                found.append(Feature(name, "0-1", about, self.spec.features[-1].reference))
        return tuple(found)

    def check(self, cohort: Cohort) -> list[Problem]:
        """Refuse counts that are none, unknown chains, and indices that cannot be.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        list of Problem
            THX-D04, D13, D16, D20, D33.

        Examples
        --------
        >>> rows = pd.DataFrame({"patient_id": ["p"], "v": ["TRBV9"], "cdr3": ["CASS"], "count": [0.5]})
        >>> RepertoireBlock().check(Cohort.from_tables({"clones": rows}))[0].code
        'THX-D04'
        """
        found = read_clones(cohort.event("clones"), cohort.ids)[1]
        columns, problems = self._table(cohort)
        indices, usage = ready_made(columns)
        given = {ready_name(name) for name in columns}
        wrong = [
            (n, "lies outside 0-1", (c < 0) | (c > 1 + 1e-9))
            for n, c in indices.items()
            if n in given and str(n).split("_", 1)[1] in _SHARES
        ]
        wrong += [(n, "is above 1; give shares, not percent", (c < 0) | (c > 1 + 1e-6)) for n, c in usage.items()]
        for chain in {str(n)[:3] for n in indices}:
            if {f"{chain}_shannon", f"{chain}_clones"} <= set(indices):
                most = np.log(indices[f"{chain}_clones"].clip(lower=1)) + 1e-6
                what = "is above the logarithm of the clones; give it in nats (natural logarithm)"
                wrong.append((f"{chain}_shannon", what, indices[f"{chain}_shannon"] > most))
        for name, what, rows in sorted(wrong, key=lambda w: str(w[0])):
            if rows.any():
                at = tuple(int(i) for i in np.flatnonzero(rows))
                problems.append(Problem("THX-D16", f"{_TABLE}:{name}", what, at))
        return found + problems

    def measure(self, cohort: Cohort) -> Measured:
        """Compute indices and usage of each patient alone.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        Measured
            A gene that a patient's clones of that chain do not use has share 0.

        Examples
        --------
        >>> c = Cohort.from_tables(RepertoireBlock.example())
        >>> RepertoireBlock().fit(c).measure(c).values["TRB_clones"].tolist()
        [3.0, 3.0, 4.0]
        """
        values, notes = self._values(cohort, self.columns_)
        values = values.reindex(columns=self.columns_)
        return Measured.of(values, coverage=values.notna().mean(axis=1).fillna(0.0), notes=notes)

    def _table(self, cohort: Cohort) -> tuple[dict[str, pd.Series], list[Problem]]:
        """Columns of the ready-made table that name a chain."""
        table = cohort.table(_TABLE)
        # a table of a repertoire may hold much else: only what will be read can be wrong
        named = [c for c in table if ready_name(str(c))]
        readings = read_cells(table[named], _TABLE, **declared(cohort.units))
        return {str(c): readings.values[c] for c in named}, readings.problems

    def _values(self, cohort: Cohort, wanted: list[str] | None) -> tuple[pd.DataFrame, dict[str, list[str]]]:
        """Take indices and usage from rows where there are any, else from the table."""
        clones, _ = read_clones(cohort.event("clones"), cohort.ids)
        found = clone_indices(clones, self.depth)
        if self.depth:
            found = found[["reads", *(n for n, index in INDICES.items() if index in RAREFIED)]]
        flat = by_patient(found)
        usage = gene_usage(clones, self.weigh)
        genes = [c for c in wanted or () if c.split("_", 1)[1] not in INDICES]
        usage = usage.reindex(columns=sorted({*usage.columns, *genes}))
        # not used, where others of the chain and kind are
        kinds = usage.columns.map(_kind)
        parts = [usage.loc[:, kinds == kind] for kind in sorted(set(kinds))]
        parts = [part.fillna(0.0).where(part.notna().any(axis=1), axis=0) for part in parts]
        usage = pd.concat(parts, axis=1) if parts else usage
        indices, shares = ready_made(self._table(cohort)[0])
        notes: dict[str, list[str]] = {}
        if self.depth:
            for i in indices.index[indices.notna().any(axis=1)] if len(indices.columns) else ():
                notes.setdefault(str(i), []).append("indices worked out before are not of the common depth: left out")
            indices = indices.iloc[:, :0]
            for i, few in (found["reads"] < self.depth).groupby(level=0).sum().items():
                if few:
                    notes.setdefault(str(i), []).append(f"{few} chains have fewer than {self.depth} reads: not known")
        rows = pd.concat([flat, usage], axis=1).reindex(cohort.ids)
        table = pd.concat([indices, shares], axis=1).reindex(cohort.ids)
        columns = sorted({*rows.columns, *table.columns})
        values = rows.reindex(columns=columns).astype(np.float64)
        values = values.where(values.notna(), table.reindex(columns=columns).astype(np.float64))
        return values, {i: lines for i, lines in notes.items() if i in cohort.ids}


def _kind(column: str) -> str:
    """Chain, and V or J."""
    chain, gene = column.split("_", 1)
    return chain + gene[3:4]
