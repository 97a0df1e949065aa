"""Cohort: named tables keyed by patient id, every source hashed, every row accounted for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from theracast.errors import DataError
from theracast.features.columns import aligned, column_of, hand_down, response_of
from theracast.features.intake import split_wide, take_in
from theracast.features.scales import CANONICAL, EXPRESSION
from theracast.features.symbols import Harmonised
from theracast.features.tumours import tumours
from theracast.provenance import Source, digest_events, digest_frame


@dataclass(frozen=True)
class Cohort:
    """Patients and what was measured of them.

    Build one with `Cohort.from_tables`, `Cohort.from_wide` or `theracast.features.readers.read_cohort`.

    Attributes
    ----------
    name : str
        Name of the cohort.
    ids : Index of str
        The patients that can be used, each once.
    tables : mapping of str to DataFrame
        Each table indexed by patient id, unique; a table holds the patients it knows.
    roster : DataFrame
        One line per row read: ``patient_id``, ``repeats`` (row number of an identical earlier row, or -1),
        ``code`` and ``reason`` (empty unless the row was refused). Rows in = usable + repeated + refused.
    sources : tuple of Source
        What was read, hashed.
    units : mapping of str to str
        Declared units.
    studies : Series of str
        Study of each patient; one name unless cohorts were concatenated.
    events : mapping of str to DataFrame
        Tables with any number of rows per patient (`theracast.features.intake.EVENTS`), indexed by patient id.
    genes : mapping of str to Harmonised
        Per table of genes, what became of their names; empty once cohorts are put together.
    known : dict
        What was read of the columns already (`theracast.features.columns`): checks and measures ask for the same.

    Examples
    --------
    >>> cohort = Cohort.from_tables({"clinical": pd.DataFrame({"patient_id": ["a", "b"], "response": ["R", "NR"]})})
    >>> cohort.response.tolist()
    [1.0, 0.0]
    """

    name: str
    ids: pd.Index
    tables: Mapping[str, pd.DataFrame]
    roster: pd.DataFrame
    sources: tuple[Source, ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)
    studies: pd.Series = field(default_factory=lambda: pd.Series(dtype=object))
    events: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    genes: Mapping[str, Harmonised] = field(default_factory=dict)
    known: dict[tuple[str, ...], Any] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "known", {})  # never that of another cohort, whose tables may differ

    @classmethod
    def from_tables(
        cls,
        tables: Mapping[str, pd.DataFrame],
        *,
        name: str = "cohort",
        units: Mapping[str, str] | None = None,
        sources: Sequence[Source] = (),
    ) -> Cohort:
        """Build a cohort from tables in memory.

        Parameters
        ----------
        tables : mapping of str to DataFrame
            Patient ids in a column ``patient_id`` or in the index. ``expression``, ``counts`` and ``array`` may also
            hold genes in rows when the index is named ``gene``; a column ``ensembl`` then names rows that a
            spreadsheet spoilt. The tables of `theracast.features.intake.EVENTS` (``variants``, ``glucose``,
            ``ctdna`` and others) hold any number of rows per patient.
        name : str, default "cohort"
            Name of the cohort.
        units : mapping of str to str, optional
            ``{"expression": "TPM", "duplicate_genes": "max"}``.
        sources : sequence of Source, optional
            Files the tables were read from; hashed from memory when not given.

        Returns
        -------
        Cohort
            With `roster` saying what became of each row.

        Raises
        ------
        DataError
            Wrong scale, transposed tables, ids that match nowhere. A patient with an infinite or unreadable cell
            among the genes or gene sets is refused alone.

        Examples
        --------
        >>> Cohort.from_tables({"clinical": pd.DataFrame({"age": [61]}, index=["p1"])}).ids.tolist()
        ['p1']
        """
        units = dict(units or {})
        roster, unique, events, genes = take_in(tables, units, name)
        ids = pd.Index(roster.patient_id[(roster.code == "") & (roster.repeats < 0)], name="patient_id")
        if not sources:
            digests = {k: digest_frame(t) for k, t in unique.items()}
            digests |= {k: digest_events(t) for k, t in events.items()}
            sources = [Source(k, "memory", d) for k, d in digests.items()]
        studies = pd.Series(name, index=ids, dtype=object)
        return cls(name, ids, unique, roster, tuple(sources), units, studies, events, genes)

    @classmethod
    def from_wide(
        cls,
        wide: pd.DataFrame,
        *,
        name: str = "cohort",
        units: Mapping[str, str] | None = None,
        allow_empty: bool = False,
    ) -> Cohort:
        """Build a cohort from one table whose columns are named ``<table>:<column>``.

        Parameters
        ----------
        wide : DataFrame
            Ids in a column ``patient_id`` or in the index.
        name : str, default "cohort"
            Name of the cohort.
        units : mapping of str to str, optional
            As in `from_tables`.
        allow_empty : bool, default False
            Whether a table without any prefixed column is a cohort of whom nothing is known.

        Returns
        -------
        Cohort
            One table per prefix; a table without a value for a patient is a missing table for that patient.

        Raises
        ------
        DataError
            THX-D33 when no column has a prefix.

        Examples
        --------
        >>> Cohort.from_wide(pd.DataFrame({"clinical:age": [61.0]}, index=["p1"])).tables["clinical"].columns.tolist()
        ['age']
        """
        return cls.from_tables(split_wide(wide, allow_empty), name=name, units=units)

    @classmethod
    def concat(cls, cohorts: Sequence[Cohort]) -> Cohort:
        """Put cohorts together; ids become ``<cohort>:<id>`` because studies reuse ids.

        Parameters
        ----------
        cohorts : sequence of Cohort
            At least one.

        Returns
        -------
        Cohort
            `studies` says where each patient came from.

        Examples
        --------
        >>> a = Cohort.from_tables({"clinical": pd.DataFrame({"age": [1]}, index=["p"])}, name="a")
        >>> b = Cohort.from_tables({"clinical": pd.DataFrame({"age": [2]}, index=["p"])}, name="b")
        >>> Cohort.concat([a, b]).studies.to_dict()
        {'a:p': 'a', 'b:p': 'b'}
        """
        names = list(dict.fromkeys(t for c in cohorts for t in c.tables))
        renamed = [{i: f"{c.name}:{i}" for i in c.ids} for c in cohorts]
        parts = [
            [c.table(t).rename(index=r) for c, r in zip(cohorts, renamed, strict=True) if t in c.tables] for t in names
        ]
        tables = {t: pd.concat([p.dropna(axis=1, how="all") for p in ps]) for t, ps in zip(names, parts, strict=True)}
        events = {
            t: pd.concat([c.event(t).rename(index=r) for c, r in zip(cohorts, renamed, strict=True) if t in c.events])
            for t in dict.fromkeys(t for c in cohorts for t in c.events)
        }
        studies = pd.concat([c.studies.rename(index=r) for c, r in zip(cohorts, renamed, strict=True)])
        before = np.cumsum([0, *(len(c.roster) for c in cohorts)])
        rosters = [
            c.roster.assign(
                patient_id=f"{c.name}:" + c.roster.patient_id,
                repeats=c.roster.repeats.where(c.roster.repeats < 0, c.roster.repeats + start),
            )
            for c, start in zip(cohorts, before, strict=False)
        ]
        roster = pd.concat(rosters, ignore_index=True)
        sources = tuple(s for c in cohorts for s in c.sources)
        ids = pd.Index(studies.index, name="patient_id")
        name = "+".join(c.name for c in cohorts)
        return cls(name, ids, tables, roster, sources, {EXPRESSION: CANONICAL}, studies, events)

    def __len__(self) -> int:
        return len(self.ids)

    def table(self, name: str) -> pd.DataFrame:
        """Return one table with a row for every patient; unknown patients hold NaN.

        Parameters
        ----------
        name : str
            Table name; a table that is not there gives no columns.

        Returns
        -------
        DataFrame
            Indexed by `ids`.

        Examples
        --------
        >>> c = Cohort.from_tables({"clinical": pd.DataFrame({"age": [61]}, index=["p1"])})
        >>> c.table("expression").shape
        (1, 0)
        """
        if name not in self.tables:
            return pd.DataFrame(index=self.ids)
        table = self.tables[name]
        return table.set_axis(self.ids, axis=0) if aligned(self, name) else table.reindex(self.ids)

    def event(self, name: str) -> pd.DataFrame:
        """Return one table of events: any number of rows per patient, in the order given.

        Parameters
        ----------
        name : str
            Table name, one of `theracast.features.intake.EVENTS`; a table that is not there gives no rows.

        Returns
        -------
        DataFrame
            Indexed by patient id, which repeats.

        Examples
        --------
        >>> readings = pd.DataFrame({"patient_id": ["p", "p"], "glucose": [99.0, 104.0]})
        >>> c = Cohort.from_tables({"glucose": readings})
        >>> len(c), c.event("glucose")["glucose"].tolist()
        (1, [99.0, 104.0])
        """
        empty = pd.DataFrame(index=pd.Index([], name="patient_id", dtype=object))
        return self.events.get(name, empty)

    def column(self, name: str, tables: Sequence[str]) -> tuple[str, pd.Series]:
        """Find a column in the first table that holds it.

        Parameters
        ----------
        name : str
            Column name.
        tables : sequence of str
            Where to look, in this order.

        Returns
        -------
        where : str
            ``"<table>:<column>"`` for messages.
        values : Series
            One value per patient, all missing when no table has the column.

        Examples
        --------
        >>> c = Cohort.from_tables({"clinical": pd.DataFrame({"age": [61]}, index=["p1"])})
        >>> c.column("age", ["mutations", "clinical"])[0]
        'clinical:age'
        """
        return column_of(self, name, tables)

    def subset(self, ids: Sequence[str] | pd.Index) -> Cohort:
        """Keep some patients, in the order given.

        Parameters
        ----------
        ids : sequence of str
            Patient ids of this cohort.

        Returns
        -------
        Cohort
            With a roster of these patients only.

        Raises
        ------
        DataError
            THX-D17 when an id is not in the cohort.

        Examples
        --------
        >>> c = Cohort.from_tables({"clinical": pd.DataFrame({"age": [1, 2]}, index=["a", "b"])})
        >>> c.subset(["b"]).ids.tolist()
        ['b']
        """
        ids = pd.Index(ids, name="patient_id")
        everyone = ids.equals(self.ids)  # nothing is to be looked for
        ids = self.ids if everyone else ids
        if not everyone and not ids.isin(self.ids).all():
            raise DataError(
                "patient ids are not in the cohort",
                code="THX-D17",
                where=self.name,
                got=f"{len(ids.difference(self.ids))} unknown",
            )
        tables, events = self.tables, self.events
        if not everyone or len(self.roster) > len(ids):
            tables = {k: t.loc[t.index.intersection(ids)] for k, t in tables.items()}
            events = {k: t[t.index.isin(ids)] for k, t in events.items()}
        roster = pd.DataFrame({"patient_id": ids, "repeats": -1, "code": "", "reason": ""})
        studies = self.studies.reindex(ids)
        part = Cohort(self.name, ids, tables, roster, self.sources, self.units, studies, events, self.genes)
        hand_down(self, part)
        return part

    def wide(self) -> pd.DataFrame:
        """Put all tables side by side, columns named ``<table>:<column>``; events have no place in it.

        Returns
        -------
        DataFrame
            One row per patient, indexed by id; `from_wide` reads it back.

        Examples
        --------
        >>> Cohort.from_tables({"clinical": pd.DataFrame({"age": [61]}, index=["p1"])}).wide().columns.tolist()
        ['clinical:age']
        """
        return pd.concat([self.table(t).add_prefix(f"{t}:") for t in self.tables], axis=1)

    @property
    def tumours(self) -> pd.Series:
        """Tumour type of each patient, as `theracast.features.tumours.tumours` reads it.

        Returns
        -------
        Series of str
            Names of ``tables/tumour_types.csv``; empty where it is not known.

        Examples
        --------
        >>> Cohort.from_tables({"clinical": pd.DataFrame({"cancer_type": ["Kidney"]}, index=["p"])}).tumours.tolist()
        ['renal']
        """
        return tumours(self)

    @property
    def response(self) -> pd.Series:
        """Labels, from column ``response`` of ``clinical`` (R/NR or 1/0).

        Returns
        -------
        Series of float64
            1.0 responded, 0.0 did not, NaN unknown.

        Raises
        ------
        DataError
            THX-D15 on any other word.

        Examples
        --------
        >>> clinical = pd.DataFrame({"response": ["R", None]}, index=["a", "b"])
        >>> Cohort.from_tables({"clinical": clinical}).response.tolist()
        [1.0, nan]
        """
        return response_of(self)


def as_cohort(X: Cohort | pd.DataFrame) -> Cohort:
    """Take a cohort, or a wide table, so that blocks fit into scikit-learn pipelines.

    Parameters
    ----------
    X : Cohort or DataFrame
        A wide table has columns ``<table>:<column>``.

    Returns
    -------
    Cohort
        `X` itself, or built from it.

    Examples
    --------
    >>> len(as_cohort(pd.DataFrame({"clinical:age": [61.0]}, index=["p1"])))
    1
    """
    return X if isinstance(X, Cohort) else Cohort.from_wide(X)
