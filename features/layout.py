"""Layout: what can be wrong with a cohort's tables before any value is read: names, ids, dates."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from theracast.checks import Problem
from theracast.features.blocks import BLOCKS
from theracast.features.cohort import Cohort
from theracast.features.intake import EVENTS, EXPRESSION, SIGNATURES

#: Columns that are read by no block but by the library: ids, labels, how the sample was taken.
_OTHERS = {"patient_id", "gene", "response", "sample_timing", "treatment_start", "sample_date"}
#: Tables whose columns have fixed names, whatever else a block reads.
_NAMED = ("clinical", "mutations", "variants")
#: So like a name that a slip of the pen is likelier than another meaning.
_LIKE = 0.88
_DATE = re.compile(r"(?:^|_)date(?:$|_)|^treatment_start$")
_BIRTH = re.compile(r"birth|^dob$")
#: What words of timing say of samples taken once treatment had begun: words, weeks and months, cycles, days from 2.
_AFTER = re.compile(
    r"post|on[- _]?(?:treat|therapy|drug)|under (?:treat|therapy)|during|after|progress|follow[- _]?up|\bedt\b"
    r"|(?:\b|_)(?:w|wk|weeks?|mo|months?)[ _]?0*[1-9]|(?:\b|_)c(?:ycles?)?[ _]?0*(?:[2-9]|1\d|1[ _]?d0*(?:[2-9]|\d\d))"
    r"|(?:\b|_)d(?:ays?)?[ _]?0*(?:[2-9]|[1-9]\d)"
)
#: What begins with one of these was taken before, whatever else it was taken after, unless treatment is named.
_BEFORE = re.compile(r"\W*(?:pre|before|prior|baseline|screening)")
_AFTER_TREATMENT = re.compile(r"(?:post|on|during|after)[- _]*(?:treat|therapy|dose|progress)|post\W*$")


def misnamed(raw: Mapping[str, pd.DataFrame], said: Mapping[str, str]) -> list[Problem]:
    """Find tables, columns and declared units whose names are nearly those that are read.

    Parameters
    ----------
    raw : mapping of str to DataFrame
        The tables as given.
    said : mapping of str to str
        Declared units.

    Returns
    -------
    list of Problem
        THX-D33, THX-D16.

    Examples
    --------
    >>> misnamed({"clinical": pd.DataFrame(columns=["patient_id", "Age"])}, {})[0].what
    "is read by no block: rename it to 'age'"
    """
    found = []
    tables = {t for b in BLOCKS.values() for t in b.spec.tables} | {*EVENTS, EXPRESSION, SIGNATURES}
    for table in raw:
        if table not in tables:
            near = _near(table, tables - set(raw))
            if near:
                found.append(Problem("THX-D33", table, f"is read by no block: rename the table to '{near}'"))
            continue
        names = _read_of(table)
        if names:
            columns = [str(c) for c in raw[table].columns]
            for column in columns:
                near = _near(column, names - set(columns)) if column not in names else ""
                if near:
                    found.append(Problem("THX-D33", f"{table}:{column}", f"is read by no block: rename it to '{near}'"))
    for key in said:
        table, dot, column = key.partition(".")
        if dot and column not in raw.get(table, pd.DataFrame()).columns:
            what = f"declares a unit for '{key}', which is not there: correct the name of the table or column"
            found.append(Problem("THX-D16", "units.yaml", what))
    return found


def unread_columns(raw: Mapping[str, pd.DataFrame]) -> dict[str, list[str]]:
    """List the columns that no block reads; they do no harm.

    Parameters
    ----------
    raw : mapping of str to DataFrame
        The tables as given.

    Returns
    -------
    dict of str to list of str
        Tables that a block reads by fixed names, and their other columns.

    Examples
    --------
    >>> unread_columns({"clinical": pd.DataFrame(columns=["patient_id", "age", "hospital"])})
    {'clinical': ['hospital']}
    """
    rest = {t: [str(c) for c in f.columns if str(c) not in _read_of(t)] for t, f in raw.items() if _read_of(t)}
    return {t: columns for t, columns in rest.items() if columns}


def spelt_apart(ids: Mapping[str, pd.Index]) -> list[Problem]:
    """Find tables where some ids would match those of the first table but for the way they are written.

    Parameters
    ----------
    ids : mapping of str to Index
        Ids of each table; the first table leads.

    Returns
    -------
    list of Problem
        THX-D17.

    Examples
    --------
    >>> ids = {"clinical": pd.Index(["007", "12"]), "mutations": pd.Index(["7", "12"])}
    >>> [p.what for p in spelt_apart(ids)]
    ['1 patient id would match but for leading zeros: write ids the same way in every table']
    """
    found = []
    names = [n for n, i in ids.items() if len(i)]
    rules = {
        "leading zeros": lambda i: i.lstrip("0"),
        "upper and lower case": str.lower,
        "'.0' at the end": lambda i: i.removesuffix(".0"),
        "dots, dashes and underscores": lambda i: re.sub(r"[-_. ]", "", i),
    }
    for other in names[1:]:
        here, first = set(ids[other]) - {""}, set(ids[names[0]]) - {""}
        lost = here - first
        for label, rule in rules.items():
            alike = {rule(i) for i in lost} & {rule(i) for i in first - here}
            if alike:
                many = f"{len(alike)} patient id{'s' * (len(alike) > 1)}"
                what = f"{many} would match but for {label}: write ids the same way in every table"
                found.append(Problem("THX-D17", f"{other} and {names[0]}", what))
                break
    return found


def dates(cohort: Cohort) -> list[Problem]:
    """Refuse dates that cannot be, and samples taken after treatment began.

    Parameters
    ----------
    cohort : Cohort
        Patients; columns of ``clinical`` named ``..._date``, ``treatment_start``, ``sample_timing``.

    Returns
    -------
    list of Problem
        THX-D22; THX-D15 for dates of birth.

    Examples
    --------
    >>> table = pd.DataFrame({"sample_date": ["2020-03-01"], "treatment_start": ["2020-02-01"]}, index=["p"])
    >>> dates(Cohort.from_tables({"clinical": table}))[0].rows
    (0,)
    """
    table = cohort.table("clinical")
    found: list[Problem] = []
    days: dict[str, pd.Series] = {}
    for column in map(str, table.columns):
        where, cells = f"clinical:{column}", table[column]
        if _BIRTH.search(column.lower()) and cells.notna().any():
            found.append(Problem("THX-D15", where, "identifies patients: give the age in years in the column age"))
        elif _DATE.search(column.lower()):
            day = days[column.lower()] = days_of(cells)
            given = cells.notna() & (cells.astype(str).str.strip() != "")
            rows = {
                "should be dates such as 2024-03-31; write them so": given & day.isna(),
                "lies in the future; correct the date": day > pd.Timestamp.now().normalize() + pd.Timedelta(days=1),
            }
            found += [Problem("THX-D22", where, what, _rows(mask)) for what, mask in rows.items() if mask.any()]
    return [*found, *_sampled_late(table, days)]


def is_late(word: object) -> bool:
    """Say whether a word of timing tells that treatment had begun.

    Parameters
    ----------
    word : object
        Such as ``pre-treatment``, ``on-treatment, week 4`` or ``C2D1``; day 1 is the day treatment begins.

    Returns
    -------
    bool
        False too where it says nothing.

    Examples
    --------
    >>> [is_late(w) for w in ("on-treatment", "C2D1", "week 6", "pre-treatment, post-surgery", "day 1", None)]
    [True, True, True, False, False, False]
    """
    text = "" if pd.isna(word) else str(word).lower()
    return bool((_AFTER_TREATMENT if _BEFORE.match(text) else _AFTER).search(text))


def before_treatment(cohort: Cohort) -> Cohort:
    """Leave out the patients whose sample was taken after treatment began.

    Parameters
    ----------
    cohort : Cohort
        Patients; read are ``sample_timing``, ``sample_date`` and ``treatment_start`` of ``clinical``.

    Returns
    -------
    Cohort
        Those of whom it is not said that they were sampled late.

    Examples
    --------
    >>> table = pd.DataFrame({"sample_timing": ["pre-treatment", "on-treatment", None]}, index=["a", "b", "c"])
    >>> before_treatment(Cohort.from_tables({"clinical": table})).ids.tolist()
    ['a', 'c']
    """
    table = cohort.table("clinical")
    days = {c.lower(): days_of(table[c]) for c in map(str, table.columns) if _DATE.search(c.lower())}
    late = [row for problem in _sampled_late(table, days) for row in problem.rows]
    return cohort.subset(cohort.ids.delete(sorted(set(late))))


def _sampled_late(table: pd.DataFrame, days: Mapping[str, pd.Series]) -> list[Problem]:
    """Find samples taken after treatment began; `days` holds the dates by column."""
    found = []
    start = days.get("treatment_start", days.get("treatment_start_date"))
    if start is not None and "sample_date" in days:
        late = days["sample_date"] > start
        if late.any():
            what = "lies after treatment began; leave these samples out, a prediction reads what was known before"
            found.append(Problem("THX-D22", "clinical:sample_date", what, _rows(late)))
    if "sample_timing" in table:
        late = table["sample_timing"].map(is_late).astype(bool)
        if late.any():
            what = "says that the sample was taken after treatment began; leave these samples out"
            found.append(Problem("THX-D22", "clinical:sample_timing", what, _rows(late)))
    return found


def days_of(cells: pd.Series) -> pd.Series:
    """Read dates; a time of day behind them is left out.

    Parameters
    ----------
    cells : Series
        Such as 2024-03-31, or 2024-03-31T09:15.

    Returns
    -------
    Series of datetime64
        Missing where a cell is no date.

    Examples
    --------
    >>> days_of(pd.Series(["2024-03-31T09:15", "soon", None])).notna().tolist()
    [True, False, False]
    """
    text = cells.astype(object).where(cells.notna(), "").map(lambda c: str(c).strip()[:10])
    return pd.to_datetime(text.where(text != ""), format="%Y-%m-%d", errors="coerce")


def _read_of(table: str) -> set[str]:
    """List the columns that are read from a table by name; none where a block reads any name, as of genes."""
    columns = {c.name for b in BLOCKS.values() if table in b.spec.tables for c in b.spec.inputs}
    named = {c for c in columns if not c.startswith("<")}
    # a block that reads genes from a table of its own may fall back on named columns of these
    return {*named, *_OTHERS} if named and (named == columns or table in _NAMED) else set()


def _near(name: str, names: set[str]) -> str:
    plain = {re.sub(r"[^a-z0-9]", "", n.lower()): n for n in sorted(names)}
    near = difflib.get_close_matches(re.sub(r"[^a-z0-9]", "", name.lower()), plain, n=1, cutoff=_LIKE)
    return plain[near[0]] if near and len(name) > 2 else ""


def _rows(mask: pd.Series) -> tuple[int, ...]:
    return tuple(int(i) for i in np.flatnonzero(mask.to_numpy()))
