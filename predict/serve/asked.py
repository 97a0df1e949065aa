"""What was asked: patients as a request gives them, and the tables made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from theracast.features.blocks import BLOCKS
from theracast.features.cohort import Cohort
from theracast.features.intake import GENES, SIGNATURES, split_wide
from theracast.models.utility import Utility

#: Tables that some block reads; another name is a mistake that would go unseen.
TABLES = frozenset({t for b in BLOCKS.values() for t in b.spec.tables} | {SIGNATURES})
#: Tables of numbers only, and many of them.
_NUMERIC = tuple(f"{t}:" for t in (*GENES, SIGNATURES))
#: Names of columns that may stand in a message: they are ours.
OURS = frozenset(
    {c.name for b in BLOCKS.values() for c in b.spec.inputs} | TABLES | {"patient_id", "response", "cohort"}
)


@dataclass(frozen=True)
class Given:
    """One request as it was read, before a table is made of it: many are made into one table at less cost than each.

    Attributes
    ----------
    ids : tuple of str
        Of the patients, in order.
    cells : tuple of dict of str to Any
        Of each patient, by ``<table>:<column>``.
    events : dict of str to list of dict
        Rows of the tables with any number of rows per patient.
    units, strict, tried, therapies, utility
        As in `Asked`.

    Examples
    --------
    >>> Given(("p1",), ({"clinical:age": 61},)).asked().wide.to_dict("index")
    {'p1': {'clinical:age': 61}}
    """

    ids: tuple[str, ...]
    cells: tuple[dict[str, Any], ...]
    events: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    strict: bool = False
    tried: dict[str, list[str]] = field(default_factory=dict)
    therapies: tuple[str, ...] = ()
    utility: Utility | None = None

    def asked(self) -> Asked:
        """Make the tables.

        Returns
        -------
        Asked
            A row for each patient given.

        Examples
        --------
        >>> len(Given(("p1", "p2"), ({}, {})).asked().wide)
        2
        """
        events = {name: _table(lines) for name, lines in self.events.items()}
        wide = wide_table(self.ids, self.cells)
        return Asked(wide, events, self.units, self.strict, self.tried, self.therapies, self.utility)


@dataclass(frozen=True)
class Asked:
    """Patients of one request.

    Attributes
    ----------
    wide : DataFrame
        One row per patient given, in order; columns ``<table>:<column>``.
    events : dict of str to DataFrame
        Tables with any number of rows per patient.
    units : dict of str to str
        As `theracast.features.cohort.Cohort.from_tables` takes them.
    strict : bool
        Whether one refused row refuses all.
    tried : dict of str to list of str
        Therapies that failed, by patient.
    therapies : tuple of str
        Those to show.
    utility : Utility, optional
        Prices, routes and harms to rank by beside the probability.

    Examples
    --------
    >>> Asked(pd.DataFrame({"clinical:age": [61]}, index=["p1"])).cohort().ids.tolist()
    ['p1']
    """

    wide: pd.DataFrame
    events: dict[str, pd.DataFrame] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    strict: bool = False
    tried: dict[str, list[str]] = field(default_factory=dict)
    therapies: tuple[str, ...] = ()
    utility: Utility | None = None

    def cohort(self) -> Cohort:
        """Build the cohort, as a batch would from the same tables.

        Returns
        -------
        Cohort
            A row for each patient given.

        Raises
        ------
        DataError
            What `Cohort.from_tables` refuses.

        Examples
        --------
        >>> len(Asked(pd.DataFrame({"clinical:age": [61, 48]}, index=["p1", "p2"])).cohort())
        2
        """
        tables = split_wide(self.wide.dropna(axis=1, how="all"), allow_empty=True)
        return Cohort.from_tables({**tables, **self.events}, units=self.units)

    def secrets(self) -> set[str]:
        """List the texts that may stand in no message: ids, cells and names that are not ours.

        Returns
        -------
        set of str
            As `theracast.predict.serve.refusals.hiding` takes them.

        Examples
        --------
        >>> sorted(Asked(pd.DataFrame({"clinical:sex": ["zz"], "clinical:Doe": [1]}, index=["p1"])).secrets())
        ['Doe', 'p1', 'zz']
        """
        names = {str(c).split(":", 1)[-1] for c in self.wide} | {str(c) for t in self.events.values() for c in t}
        found = {*map(str, self.wide.index), *(names - OURS), *self.therapies, *self.units.values()}
        found |= {t for ts in self.tried.values() for t in ts}
        if self.utility is not None:
            burdens = self.utility.therapies
            found |= {self.utility.name, self.utility.currency, *burdens, *(b.source for b in burdens.values())}
        for table in (self.wide, *self.events.values()):
            for cells in table.select_dtypes(exclude="number").to_dict("list").values():
                found |= {v for v in cells if isinstance(v, str)}
        return {text for text in found if text not in OURS}


def wide_table(ids: Sequence[str], cells: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Make one table of the cells of patients.

    Parameters
    ----------
    ids : sequence of str
        Of the patients.
    cells : sequence of mapping of str to Any
        Of each, by ``<table>:<column>``.

    Returns
    -------
    DataFrame
        One row per patient; numbers stay numbers to the last bit, and whole ones whole.

    Examples
    --------
    >>> wide_table(["p1", "p2"], [{"clinical:age": 61}, {}]).dtypes.astype(str).tolist()
    ['Int64']
    """
    order = list(dict.fromkeys(c for patient in cells for c in patient))
    wide = pd.DataFrame({c: _column([p.get(c) for p in cells], measured(c)) for c in order})
    return wide.set_axis(pd.Index(ids, name="patient_id", dtype=object))


def measured(column: str) -> bool:
    """Say whether a column holds measurements, among which whole numbers are no kind of their own.

    Parameters
    ----------
    column : str
        ``<table>:<column>``.

    Returns
    -------
    bool
        True for genes and gene sets.

    Examples
    --------
    >>> measured("expression:CD274"), measured("clinical:ecog")
    (True, False)
    """
    return column.startswith(_NUMERIC)


def _table(lines: list[dict[str, Any]]) -> pd.DataFrame:
    order = list(dict.fromkeys(c for line in lines for c in line))
    return pd.DataFrame({c: _column([line.get(c) for line in lines]) for c in order})


def _column(values: list[Any], measured: bool = False) -> Any:
    """Numbers stay numbers to the last bit, and whole ones whole, whoever else is in the request."""
    kinds = {type(v) for v in values if v is not None}
    if kinds == {int} and not measured:
        return pd.array(values, dtype="Int64") if None in values else np.array(values, dtype=np.int64)
    if kinds and kinds <= {int, float}:
        return np.array(values, dtype=np.float64)
    return np.array([*values, None], dtype=object)[:-1]
