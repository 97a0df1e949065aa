"""Made-up patients: the examples of the blocks' specs, and what is plausible at its ends. Nobody's data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from theracast.features.base import OmicsBlock
from theracast.features.intake import EVENTS

#: Those of every block's example that are kept as they are.
_AS_GIVEN = ("p1", "p2")
#: Copies of the first, and what is another of them.
_LOW, _HIGH, _FIRST, _REST = "low", "high", "first table alone", "without the first table"


def made_up_tables(blocks: Sequence[OmicsBlock]) -> dict[str, pd.DataFrame]:
    """Make up six patients that blocks can read.

    Parameters
    ----------
    blocks : sequence of OmicsBlock
        Of a model; what several of them read is made up once.

    Returns
    -------
    dict of str to DataFrame
        Two patients as in the examples; one with every number at the lower end of what is plausible and one at the
        upper end, where a block has stated them; one with the first table alone, one with all but that.

    Examples
    --------
    >>> from theracast.features.blocks import BLOCKS
    >>> made_up_tables([BLOCKS["mutations"](), BLOCKS["clinical"]()])["clinical"].index.tolist()
    ['p1', 'p2', 'low', 'high', 'without the first table']
    """
    tables: dict[str, pd.DataFrame] = {}
    ends: dict[str, dict[str, tuple[float, float]]] = {}
    for block in blocks:
        for name, table in block.example().items():
            mine = table[table.index.isin(_AS_GIVEN)]
            known = tables.get(name)
            if known is None:
                tables[name] = mine
            elif name not in EVENTS:
                tables[name] = known.join(mine[[c for c in mine if c not in known]], how="outer")
        ends.setdefault(block.spec.tables[0], {}).update(
            {c.name: (c.low, c.high) for c in block.spec.inputs if not np.isnan(c.low) and not np.isnan(c.high)}
        )
    return {
        name: table if name in EVENTS else _copied(table, ends.get(name, {}), first=k == 0)
        for k, (name, table) in enumerate(tables.items())
    }


def packed_tables(tables: Mapping[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """Turn tables into what JSON holds.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Of `made_up_tables`.

    Returns
    -------
    list of dict
        ``table``, ``ids`` and ``columns``; the first leads the order of patients.

    Examples
    --------
    >>> packed_tables({"clinical": pd.DataFrame({"age": [61.0, np.nan]}, index=["a", "b"])})
    [{'table': 'clinical', 'ids': ['a', 'b'], 'columns': {'age': [61.0, None]}}]
    """
    return [
        {"table": name, "ids": [*map(str, t.index)], "columns": {str(c): [_cell(v) for v in t[c]] for c in t}}
        for name, t in tables.items()
    ]


def unpacked_tables(kept: Sequence[Mapping[str, Any]]) -> dict[str, pd.DataFrame]:
    """Turn what `packed_tables` made into tables again.

    Parameters
    ----------
    kept : sequence of mapping
        From `packed_tables`, also after a way through JSON.

    Returns
    -------
    dict of str to DataFrame
        Indexed by patient.

    Examples
    --------
    >>> tables = {"clinical": pd.DataFrame({"age": [61.0, np.nan]}, index=["a", "b"])}
    >>> unpacked_tables(packed_tables(tables))["clinical"]["age"].tolist()
    [61.0, nan]
    """
    return {
        t["table"]: pd.DataFrame(t["columns"], index=pd.Index(t["ids"], name="patient_id", dtype=object)) for t in kept
    }


def _copied(table: pd.DataFrame, ends: Mapping[str, tuple[float, float]], first: bool) -> pd.DataFrame:
    model = table.loc[[_AS_GIVEN[0]]]
    low, high = (
        model.assign(**{c: [str(pair[side])] for c, pair in ends.items() if c in model}).set_axis([name])
        for side, name in enumerate((_LOW, _HIGH))
    )
    return pd.concat([table, low, high, model.set_axis([_FIRST if first else _REST])]).rename_axis("patient_id")


def _cell(value: Any) -> Any:
    if pd.isna(value):
        return None
    return value.item() if isinstance(value, np.generic) else value if isinstance(value, int | float) else str(value)
