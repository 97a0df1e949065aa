"""The wide table that a registered model reads: its columns, and an example of it."""

from __future__ import annotations

import math

import pandas as pd

from theracast.features.blocks import BLOCKS
from theracast.features.blocks.pathology import PROXY_SETS
from theracast.features.blocks.signatures import SignaturesBlock
from theracast.features.intake import EVENTS
from theracast.features.scores import HOUSEKEEPING, genes_of


def input_columns(blocks: tuple[str, ...]) -> dict[str, str]:
    """List the columns of the wide table that a model reads.

    Parameters
    ----------
    blocks : tuple of str
        Blocks of the model.

    Returns
    -------
    dict of str to str
        ``<table>:<column>`` to its unit.

    Examples
    --------
    >>> input_columns(("mutations",))["mutations:tmb"]
    'mut/Mb or count'
    """
    columns = {"patient_id": ""}
    for b in blocks:
        spec = BLOCKS[b].spec
        columns.update(
            {
                f"{t}:{c.name}": c.unit
                for t in spec.tables
                for c in spec.inputs
                if t not in EVENTS and not c.name.startswith("<")  # events have no place in a wide table
            }
        )
    sets = [
        *(SignaturesBlock.set_names() if "signatures" in blocks else ()),
        *(PROXY_SETS if "pathology" in blocks else ()),
    ]
    if sets:
        columns.update({f"signatures:{s}": "published set mean" for s in (*sets, HOUSEKEEPING)})
        columns.update({f"expression:{g}": "log2(TPM+1)" for g in genes_of(sets)})
    return columns


def input_example(blocks: tuple[str, ...]) -> pd.DataFrame:
    """Make up one patient from the examples in the blocks' specs; nobody's data leaves with a model.

    Parameters
    ----------
    blocks : tuple of str
        Blocks of the model.

    Returns
    -------
    DataFrame of shape (1, n_columns)
        Columns of `input_columns`.

    Examples
    --------
    >>> input_example(("mutations",)).iloc[0].to_dict() # doctest: +NORMALIZE_WHITESPACE
    {'patient_id': 'example', 'mutations:tmb': 9.4, 'mutations:tmb_unit': 'mut/Mb', 'mutations:panel_mb': 1.2,
     'mutations:panel': 'exome'}
    """
    row: dict[str, object] = {"patient_id": "example"}
    for b in blocks:
        spec = BLOCKS[b].spec
        for column in spec.inputs:
            if spec.tables[0] not in EVENTS and not column.name.startswith("<"):
                number, cell = not math.isnan(column.low), column.example.split("|")[0]
                row[f"{spec.tables[0]}:{column.name}"] = float(cell) if number else cell
    if "signatures" in blocks:
        row |= {f"signatures:{s}": 1.0 for s in (*SignaturesBlock.set_names(), HOUSEKEEPING)}
    return pd.DataFrame([row])
