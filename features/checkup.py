"""Checkup: everything that is wrong with a cohort at once, with what to do about each.

Reading a cohort stops at the first table that cannot be used. Here each table is read apart, then all together, then
every block looks at what it reads; nothing is measured. No value and no id of a patient is repeated, only rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from theracast.checks import Problem, listed
from theracast.errors import DataError, SetupError
from theracast.features.blocks import BLOCKS
from theracast.features.cohort import Cohort
from theracast.features.intake import EVENTS, EXPRESSION, keyed_by_patient
from theracast.features.layout import dates, misnamed, spelt_apart, unread_columns
from theracast.features.readers import SUFFIXES, cohort_sources, declared_units, read_table, read_tables

#: Blocks put the remedy into their sentence: where it begins.
_REMEDY = re.compile(
    r"(?:[.;:,] )(?=(?:call|convert|correct|declare|divide|drop|export|give|if these|if pixels|keep|leave|multiply|name"
    r"|rename|say|store|transpose|use|write)\b)", re.IGNORECASE
)  # fmt: skip
Places = dict[str, list[int]]
_CELLS = "Correct the cells, or leave them empty."
_TABLE = "Correct the table, or leave it out."


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Attributes
    ----------
    table, block : str
        Where it was found; the block is empty when the table itself is wrong.
    code, what, fix : str
        As in `DataError`.
    column : str
        Column, or empty.
    rows : tuple of int
        Rows of the table, from 1, without the header; of a table with many rows per patient, the patient's first.
        Empty when the whole column or table is wrong.

    Examples
    --------
    >>> Finding("clinical", "clinical", "THX-D15", "should be within 0-120 years", "Correct it.", "age", (2,)).rows
    (2,)
    """

    table: str
    block: str
    code: str
    what: str
    fix: str
    column: str = ""
    rows: tuple[int, ...] = ()


@dataclass(frozen=True)
class Checkup:
    """Everything that was found in one cohort.

    Attributes
    ----------
    tables : dict of str to int
        Table to its number of rows; 0 where it cannot be read.
    patients : int
        Patients that can be used.
    findings : list of Finding
        By table, in the order of the tables, then by block.
    unread : dict of str to list of str
        Table to the columns that no block reads.

    Examples
    --------
    >>> from theracast.features.datasets import dataset_path
    >>> checkup(dataset_path("riaz2017_mel")).findings
    []
    """

    tables: dict[str, int]
    patients: int
    findings: list[Finding]
    unread: dict[str, list[str]]

    def count(self) -> str:
        """Count what was found in one line.

        Returns
        -------
        str
            Problems, the rows concerned, and how many concern a whole column or table.

        Examples
        --------
        >>> Checkup({"clinical": 3}, 3, [Finding("clinical", "clinical", "THX-D15", "", "", "age", (1, 2))], {}).count()
        '1 problem: 2 rows concerned, 0 whole columns or tables'
        """
        rows = {(f.table, r) for f in self.findings for r in f.rows}
        whole = sum(not f.rows for f in self.findings)
        n = len(self.findings)
        return (
            f"{n} problem{'s' * (n != 1)}: {len(rows)} row{'s' * (len(rows) != 1)} concerned, "
            f"{whole} whole column{'s' * (whole != 1)} or table{'s' * (whole != 1)}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything, JSON-ready.

        Returns
        -------
        dict
            The attributes, and ``count``.

        Examples
        --------
        >>> sorted(Checkup({}, 0, [], {}).to_dict())
        ['count', 'findings', 'patients', 'tables', 'unread']
        """
        return {**asdict(self), "findings": [asdict(f) for f in self.findings], "count": self.count()}


def checkup(path: str | Path, units: Mapping[str, str] | None = None) -> Checkup:
    r"""Look at every table and block of a cohort.

    Parameters
    ----------
    path : str or Path
        A folder of tables, or one wide table.
    units : mapping of str to str, optional
        Overrides ``units.yaml``.

    Returns
    -------
    Checkup
        Empty of findings when all is well.

    Raises
    ------
    DataError
        THX-D33 when there is no such path.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "clinical.csv").write_text("patient_id,age,sex\na,61,1\nb,-4,F\n")
    >>> [(f.column, f.rows) for f in checkup(folder).findings]
    [('age', (2,)), ('sex', (1,))]
    """
    path = Path(path)
    if not path.exists():
        raise DataError("no such cohort", code="THX-D33", where=str(path), wanted="a folder of tables or a wide table")
    found: list[Finding] = []
    raw, said = _read(path, found)
    said |= units or {}
    places = {name: _places(name, table) for name, table in raw.items()}
    cohorts = _cohorts(raw, said, path.stem, found)
    for cohort in cohorts:
        found += _of_rows(cohort, places)
        _tried(partial(getattr, cohort, "response"), "clinical", found, column="response")
        found += [_placed(p, "", places, cohort) for p in dates(cohort)]
        for name, make in BLOCKS.items():
            if {*make.spec.tables} & {*cohort.tables, *cohort.events}:
                found += _of_block(name, places, cohort)
    if len(cohorts) == 1:
        found += [_placed(p, "", places) for p in spelt_apart({n: pd.Index(list(p)) for n, p in places.items()})]
    found += [_placed(p, "", places) for p in misnamed(raw, said)]
    order = [*raw, *(f.table for f in found)]
    unique = list(dict.fromkeys(found))
    unique.sort(key=lambda f: (order.index(f.table), list(BLOCKS).index(f.block) if f.block else -1))
    patients = max((len(c) for c in cohorts), default=0)
    return Checkup({n: len(t) for n, t in raw.items()}, patients, unique, unread_columns(raw))


def _read(path: Path, found: list[Finding]) -> tuple[dict[str, pd.DataFrame], dict[str, str]]:
    """Read each file apart; a wide table is parted into the tables that its columns name."""
    if path.is_file() and path.suffix in (".csv", ".tsv", ".parquet"):
        table = _tried(partial(read_table, path), path.name, found)
        return ({} if table is None else _parted(table, path.name, found)), {}
    raw: dict[str, pd.DataFrame] = {}
    for file in [path] if path.is_file() else _files(path, found):
        for given, frame in (_tried(partial(read_tables, file), file.stem, found) or {}).items():
            name = f"{file.stem}_obs" if given == "clinical" and given in raw else given
            if name not in raw:
                raw[name] = frame
            elif name in EVENTS:  # a file per patient
                raw[name] = pd.concat([raw[name], frame], ignore_index=True)
            else:
                found.append(Finding(name, "", "THX-D33", "the table is stored twice", "Remove one of the two."))
    said = _tried(partial(declared_units, path / "units.yaml"), "units.yaml", found) or {}
    return dict(sorted(raw.items(), key=lambda item: item[0] != "clinical")), said


def _files(folder: Path, found: list[Finding]) -> list[Path]:
    """List the tables of a folder; of two formats of one table the first is looked at."""
    sources = _tried(partial(cohort_sources, folder), "the folder", found)
    if sources is not None:
        return [Path(s.path) for s in sources]
    first = {f.stem: f for f in sorted(folder.iterdir(), reverse=True) if f.name.endswith(SUFFIXES)}
    return sorted(first.values(), key=lambda f: (f.stem != "clinical", f.name))


def _parted(wide: pd.DataFrame, name: str, found: list[Finding]) -> dict[str, pd.DataFrame]:
    prefixes = dict.fromkeys(str(c).split(":", 1)[0] for c in wide.columns if ":" in str(c))
    if not prefixes:
        _tried(partial(Cohort.from_wide, wide), name, found)
    ids = [c for c in wide.columns if c == "patient_id"]
    parts = {}
    for prefix in prefixes:
        part = wide[[*ids, *(c for c in wide.columns if str(c).startswith(f"{prefix}:"))]]
        parts[prefix] = part.rename(columns=lambda c, p=prefix: str(c).removeprefix(f"{p}:"))
    return parts


def _cohorts(raw: dict[str, pd.DataFrame], said: dict[str, str], name: str, found: list[Finding]) -> list[Cohort]:
    """Make one cohort of all tables; where that is refused, of those that agree, and of each other alone."""
    usable = {}
    for table, frame in raw.items():
        if not {"patient_id", "gene"} & {*frame.columns, frame.index.name} and isinstance(frame.index, pd.RangeIndex):
            what, fix = "no column patient_id", "Name the column of ids 'patient_id' (or 'gene', where genes are rows)."
            found.append(Finding(table, "", "THX-D17", what, fix))
            continue
        repeated = frame.columns[frame.columns.duplicated()]
        if len(repeated):
            what = f"columns occur more than once: {listed(repeated.unique())}"
            found.append(Finding(table, "", "THX-D03", what, "Keep one of each."))
            frame = frame.loc[:, ~frame.columns.duplicated()]
        usable[table] = frame
    if not usable:
        return []
    make = partial(Cohort.from_tables, name=name, units=said)
    together: list[Finding] = []
    whole = _tried(partial(make, usable), "", together)
    if whole is not None:
        return [whole]
    alone = {}
    for table, frame in usable.items():
        cohort = _tried(partial(make, {table: frame}), table, found)
        if cohort is not None:
            alone[table] = cohort
    kept: dict[str, pd.DataFrame] = {}
    joint, apart = None, []
    for table, cohort in alone.items():
        both = _tried(partial(make, {**kept, table: usable[table]}), table, found)
        if both is None:
            apart.append(cohort)
        else:
            joint, kept[table] = both, usable[table]
    return [*([joint] if joint is not None else []), *apart]


def _of_block(name: str, places: Mapping[str, Places], cohort: Cohort) -> list[Finding]:
    home = next(t for t in BLOCKS[name].spec.tables if t in {*cohort.tables, *cohort.events})
    try:
        block = BLOCKS[name]()
        return [_placed(p, name, places, cohort) for p in (*block.check(cohort), *block.ignored(cohort))]
    except (DataError, SetupError) as error:
        return [_refused(error, home, name)]


def _of_rows(cohort: Cohort, places: Mapping[str, Places]) -> list[Finding]:
    """Say which rows cannot be used at all; identical repeats can."""
    refused = cohort.roster[cohort.roster.code != ""]
    found = []
    for (code, reason), part in refused.groupby(["code", "reason"], sort=False):
        where, _, what = str(reason).partition(" ") if ":" in str(reason).split(" ")[0] else ("", "", str(reason))
        table = where.partition(":")[0] or next((t for t in places if f"'{t}'" in what), next(iter(places)))
        rows = tuple(sorted({r for i in part.patient_id for r in places.get(table, {}).get(i, [])}))
        what, fix = _parted_remedy(what, "Correct the rows, or leave them out.")
        found.append(Finding(table, "", str(code), what, fix, where.partition(":")[2], rows))
    return found


def _placed(problem: Problem, block: str, places: Mapping[str, Places], cohort: Cohort | None = None) -> Finding:
    """Turn positions in the cohort into rows of the table."""
    table, _, column = problem.where.partition(":")
    ids = cohort.ids[list(problem.rows)] if cohort is not None else ()
    rows = tuple(sorted({r for i in ids for r in places.get(table, {}).get(i, [])[:1]}))
    what, fix = _parted_remedy(problem.what, _CELLS if problem.rows else _TABLE)
    return Finding(table, block, problem.code, what, fix, column, rows)


def _parted_remedy(what: str, otherwise: str) -> tuple[str, str]:
    found = _REMEDY.search(what)
    if found is None:
        return what, otherwise
    fix = what[found.end() :].rstrip(".")
    return what[: found.start()], f"{fix[:1].upper()}{fix[1:]}."


def _places(name: str, table: pd.DataFrame) -> Places:
    """Rows of each id, from 1; columns of it, where genes are rows."""
    if name == EXPRESSION and "gene" in {*table.columns, table.index.name}:
        order = [str(c) for c in table.columns if c != "gene"]
    else:
        order = list(keyed_by_patient(table.loc[:, ~table.columns.duplicated()], name).index)
    found: Places = {}
    for row, i in enumerate(order, 1):
        found.setdefault(i, []).append(row)
    return found


def _refused(error: DataError | SetupError, table: str, block: str = "", column: str = "") -> Finding:
    what = ". ".join(filter(None, [error.what, error.got and f"Got {error.got}"]))
    fix = error.fix or (f"Give {error.wanted}." if error.wanted else _TABLE)
    return Finding(table, block, error.code, what, fix, column)


def _tried(make: Callable[[], Any], table: str, found: list[Finding], column: str = "") -> Any:
    try:
        return make()
    except DataError as error:
        found.append(_refused(error, table, column=column))
        return None
