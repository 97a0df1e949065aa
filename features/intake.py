"""Intake: from tables as they were given to tables that agree, with an account of every row."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from theracast.checks import Problem, listed, table_to_numbers
from theracast.errors import DataError
from theracast.features.genes import harmonised_genes, patients_in_rows, with_ensembl
from theracast.features.scales import ARRAY, CANONICAL, COUNTS, EXPRESSION, as_array, as_counts, kind_of, to_canonical
from theracast.features.symbols import Harmonised
from theracast.provenance import digest_rows

#: Table whose columns are gene sets, and the tables whose columns are genes; the others are clinical-style tables.
SIGNATURES = "signatures"
GENES = (EXPRESSION, COUNTS, ARRAY)
#: Tables with any number of rows per patient: what was called, read, drawn or seen again and again.
EVENTS = ("variants", "glucose", "wearables", "ctdna", "clones", "cells")


def take_in(
    tables: Mapping[str, pd.DataFrame], units: dict[str, str], name: str
) -> tuple[pd.DataFrame, dict[str, pd.DataFrame], dict[str, pd.DataFrame], dict[str, Harmonised]]:
    """Bring the tables of a cohort to one form and account for their rows.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        As given by the user; the first leads the order of patients.
    units : dict of str to str
        Declared units, of a table (``expression``) or of a column (``clinical.albumin``); the inferred unit of
        ``expression`` is added. An expression table declared to be counts or array intensities becomes table
        ``counts`` or ``array``.
    name : str
        Of the cohort, for messages.

    Returns
    -------
    roster : DataFrame
        One line per row: ``patient_id``, ``repeats``, ``code``, ``reason``.
    unique : dict of str to DataFrame
        The tables, indexed by patient id, each usable patient once; genes by approved symbol, expression in
        log2(TPM+1).
    events : dict of str to DataFrame
        The tables of `EVENTS`, indexed by patient id, rows of usable patients in the order given.
    genes : dict of str to Harmonised
        What became of the gene names of each table of `GENES`.

    Raises
    ------
    DataError
        Wrong scale, transposed tables, repeated columns or genes, ids that match nowhere.

    Examples
    --------
    >>> roster, unique, _, _ = take_in({"clinical": pd.DataFrame({"age": [1, 1]}, index=["a", "a"])}, {}, "cohort")
    >>> roster.repeats.tolist(), len(unique["clinical"])
    ([-1, 0], 1)
    """
    tables = _by_scale(tables, units)
    seen: list[tuple[pd.Index, pd.Index]] = []
    keyed = {k: _with_units(keyed_by_patient(t, k, seen), k, units) for k, t in tables.items() if k not in GENES}
    unread: dict[str, Problem] = {}
    genes: dict[str, Harmonised] = {}
    if SIGNATURES in keyed:
        keyed[SIGNATURES] = _numeric(keyed[SIGNATURES], SIGNATURES, unread)
    of_genes = [k for k in GENES if k in tables]
    known = frozenset().union(*(t.index for t in keyed.values())) if keyed and of_genes else frozenset()
    for k in of_genes:
        keyed[k], genes[k] = _genes(tables[k], k, units, known, unread)
    keyed = {k: keyed[k] for k in tables}  # the order given is the order kept
    if not keyed:
        raise DataError("no tables", code="THX-D33", where=name, fix="Give at least one table, such as clinical.csv.")
    _matching(keyed)
    events = {k: _all_named(keyed.pop(k), k) for k in EVENTS if k in keyed}
    roster, unique, usable = _roster(keyed, events, unread)
    return roster, unique, {k: t[t.index.isin(usable)] for k, t in events.items()}, genes


def split_wide(wide: pd.DataFrame, allow_empty: bool) -> dict[str, pd.DataFrame]:
    """Part one table whose columns are named ``<table>:<column>``: the work of `Cohort.from_wide`.

    Parameters
    ----------
    wide : DataFrame
        Ids in a column ``patient_id`` or in the index.
    allow_empty : bool
        Whether no such column is an empty table ``clinical``.

    Returns
    -------
    dict of str to DataFrame
        One table per prefix.

    Raises
    ------
    DataError
        THX-D33 when no column has a prefix.

    Examples
    --------
    >>> list(split_wide(pd.DataFrame({"clinical:age": [61.0], "mutations:tmb": [9.0]}, index=["p1"]), False))
    ['clinical', 'mutations']
    """
    wide = keyed_by_patient(wide, "wide table")
    split = {c: str(c).split(":", 1) for c in wide.columns if ":" in str(c)}
    if not split and not allow_empty:
        raise DataError(
            "no column is named <table>:<column>",
            code="THX-D33",
            where="wide table",
            got=f"{wide.shape[1]} columns",
            fix="Name columns like clinical:age, expression:CD274 or signatures:Ayers_IFNg18.",
        )
    tables = {}
    for prefix in dict.fromkeys(table for table, _ in split.values()):
        mine = [c for c, (table, _) in split.items() if table == prefix]
        tables[prefix] = wide[mine].set_axis([split[c][1] for c in mine], axis=1)
    return tables or {"clinical": wide.iloc[:, :0]}


def keyed_by_patient(
    table: pd.DataFrame, name: str, seen: list[tuple[pd.Index, pd.Index]] | None = None
) -> pd.DataFrame:
    """Index a table by patient id as text, every column once.

    Parameters
    ----------
    table : DataFrame
        Ids in a column ``patient_id`` or in the index.
    name : str
        Of the table, for the message.
    seen : list of (Index, Index), optional
        Indices of other tables and what they were read as: tables that share one keep to share one.

    Returns
    -------
    DataFrame
        Indexed by ``patient_id``; an unknown id is the empty string.

    Raises
    ------
    DataError
        THX-D03 when a column occurs more than once.

    Examples
    --------
    >>> keyed_by_patient(pd.DataFrame({"patient_id": [7], "age": [61]}), "clinical").index.tolist()
    ['7']
    """
    repeated = table.columns[table.columns.duplicated()]
    if len(repeated):
        raise DataError(
            "columns occur more than once",
            code="THX-D03",
            where=name,
            got=listed(repeated.unique()),
            fix="Keep one of each.",
        )
    if "patient_id" in table.columns:
        table = table.set_index("patient_id")
    ids = next((read for given, read in seen or () if given.is_(table.index)), None)
    if ids is None:
        ids = _ids(table)
        if seen is not None:
            seen.append((table.index, ids))
    return table.set_axis(ids, axis=0)


def _with_units(table: pd.DataFrame, name: str, units: Mapping[str, str]) -> pd.DataFrame:
    """Write a unit declared as ``clinical.albumin: g/dL`` beside the column: there it outlives every later step."""
    for key, unit in units.items():
        head, _, column = key.partition(".")
        if head == name and column in table.columns:
            beside = f"{column}_unit"
            said = table[beside].astype(object) if beside in table.columns else pd.Series(None, table.index, object)
            table = table.assign(**{beside: said.where(said.notna(), unit)})
    return table


def _ids(table: pd.DataFrame) -> pd.Index:
    try:
        plain = np.array([*map(str.strip, table.index.tolist()), ""], dtype=object)[:-1]
        return pd.Index(plain, name="patient_id", dtype=object)
    except TypeError:  # not all of them are text
        pass
    codes, names = pd.factorize(table.index)  # of a million events few patients
    texts = np.array([*(str(i).strip() for i in names), ""], dtype=object)  # -1, no id, is the last
    return pd.Index(texts[codes], name="patient_id", dtype=object)


def _numeric(table: pd.DataFrame, name: str, unread: dict[str, Problem]) -> pd.DataFrame:
    """Read genes or gene sets as numbers; note the patients with a cell that is none."""
    numbers, problems = table_to_numbers(table, name)
    for problem in problems:
        for i in _ids(table)[list(problem.rows)]:
            unread.setdefault(i, problem)
    return numbers


def _all_named(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Refuse rows that belong to nobody."""
    lost = int((table.index == "").sum())
    if lost:
        raise DataError(
            "rows have no patient_id",
            code="THX-D17",
            where=name,
            got=f"{lost} of {len(table)} rows",
            wanted="the patient of every row",
            fix="Fill the ids in, or leave the rows out.",
        )
    return table


def _by_scale(tables: Mapping[str, pd.DataFrame], units: dict[str, str]) -> dict[str, pd.DataFrame]:
    """Call an expression table what its unit says that it is: blocks that need TPM do not find counts."""
    kind = kind_of(units.get(EXPRESSION)) if EXPRESSION in tables else EXPRESSION
    if kind == EXPRESSION:
        return dict(tables)
    if kind in tables:
        raise DataError(
            f"table '{EXPRESSION}' is declared to be {kind}, and there is a table '{kind}' too",
            code="THX-D03",
            where=f"{EXPRESSION} and {kind}",
            fix="Leave one of them out, or declare the unit of the first.",
        )
    units[kind] = units.pop(EXPRESSION)
    return {kind if k == EXPRESSION else k: t for k, t in tables.items()}


def _genes(
    table: pd.DataFrame, name: str, units: dict[str, str], known: frozenset[str], unread: dict[str, Problem]
) -> tuple[pd.DataFrame, Harmonised]:
    """Bring a table of genes to patients in rows, one column per approved symbol, one scale."""
    if "patient_id" in table.columns:
        table = table.set_index("patient_id")
    elif "gene" in table.columns:
        table = table.set_index("gene")
    if table.index.name == "gene":
        table = with_ensembl(table)
    table = _numeric(patients_in_rows(table, name, known), name, unread)
    table, found = harmonised_genes(table, name, units.get("duplicate_genes", "refuse"))
    if name == EXPRESSION:
        table = to_canonical(table, units.get(EXPRESSION), EXPRESSION)
        units[EXPRESSION] = units.get(EXPRESSION) or f"{CANONICAL} (inferred)"
    else:
        table = (as_counts if name == COUNTS else as_array)(table, name)
        units.setdefault(name, "counts" if name == COUNTS else "log2 intensity")
    return keyed_by_patient(table, name), found


def _matching(keyed: Mapping[str, pd.DataFrame]) -> None:
    """Refuse tables that share no patient with the first: ids were written in two ways."""
    names = [k for k, t in keyed.items() if len(t)]
    for name in names[1:]:
        if keyed[name].index.equals(keyed[names[0]].index):
            continue
        here, first = set(keyed[name].index), set(keyed[names[0]].index)
        if here & first:
            continue
        hint = "Use the same ids in every table."
        for label, rule in (("upper/lower case", str.lower), ("leading zeros", lambda i: i.lstrip("0"))):
            if {rule(i) for i in here} & {rule(i) for i in first}:
                hint = f"They would match but for {label}: write them the same way in every table."
        raise DataError(
            "no patient id is shared",
            code="THX-D17",
            where=f"{name} and {names[0]}",
            got=f"{len(here)} and {len(first)} ids, none in common",
            wanted="the same ids in every table",
            fix=hint,
        )


def _everyone(ids: pd.Index | list[str]) -> pd.DataFrame:
    return pd.DataFrame({"patient_id": list(ids), "repeats": -1, "code": "", "reason": ""})


def _roster(
    keyed: Mapping[str, pd.DataFrame], events: Mapping[str, pd.DataFrame], unread: Mapping[str, Problem]
) -> tuple[pd.DataFrame, dict[str, pd.DataFrame], frozenset[str]]:
    """Account for every row: first of its id, identical repeat, or refused; and say who can be used."""
    leads = next(iter(keyed.values())).index if keyed else pd.Index([], dtype=object)
    shared = not (unread or events) and all(t.index.is_(leads) for t in keyed.values())
    if shared and leads.is_unique and "" not in leads:  # the usual table: every row is a patient
        return _everyone(leads), dict(keyed), frozenset()
    leading, known = list(leads), set(leads)
    more = [t.index for t in (*keyed.values(), *events.values()) if not t.index.equals(leads)]
    others = dict.fromkeys(i for index in more for i in index.unique())
    order = [*leading, *(i for i in others if i not in known)]
    conflicting: dict[str, str] = {}
    for name, table in keyed.items():
        twice = table[table.index.duplicated(keep=False)]
        digests = digest_rows(twice) if len(twice) else pd.Series(dtype=object)
        for i, group in digests.groupby(level=0):
            if len(set(group)) > 1:
                conflicting.setdefault(str(i), name)
    if not (conflicting or unread) and leads.is_unique and "" not in known and "" not in others:
        return (
            _everyone(order),
            {k: t[~t.index.duplicated()] if t.index.has_duplicates else t for k, t in keyed.items()},
            (frozenset(order)),
        )
    first: dict[str, int] = {}
    lines = []
    for row, i in enumerate(order):
        repeats, code, reason = first.get(i, -1), "", ""
        if i == "":
            repeats, code, reason = -1, "THX-D17", "the row has no patient_id"
        elif i in conflicting:
            repeats, code, reason = (
                -1,
                "THX-D17",
                f"the patient stands in '{conflicting[i]}' twice with different values",
            )
        elif i in unread:
            repeats, code, reason = -1, unread[i].code, f"{unread[i].where} {unread[i].what}"
        first.setdefault(i, row)
        lines.append((i, repeats, code, reason))
    roster = pd.DataFrame(lines, columns=["patient_id", "repeats", "code", "reason"])
    drop = {"", *conflicting, *unread}
    unique = {}
    for k, t in keyed.items():
        keep = ~t.index.duplicated() & ~t.index.isin(list(drop))
        unique[k] = t if keep.all() else t[keep]  # a table of genes is not copied without need
    return roster, unique, frozenset(first) - drop
