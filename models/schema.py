"""The schema of a model, as data: what it reads and what it computes, with units."""

from __future__ import annotations

import math
from typing import Any

from theracast.features.assembler import FeatureAssembler


def schema_of(*assemblers: FeatureAssembler) -> dict[str, Any]:
    """List inputs and features of fitted blocks.

    Parameters
    ----------
    *assemblers : FeatureAssembler
        Of a model; blocks that several have are listed once.

    Returns
    -------
    dict
        JSON-ready: ``inputs`` (block, tables, name, unit, plausible range) and ``features`` (name, unit, meaning,
        reference, expected direction).

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> schema_of(FeatureAssembler(["mutations"]).fit(load_cohort("riaz2017_mel")))["features"][0]["unit"]
    'mut/Mb'
    """
    blocks = {b.spec.name: b for a in assemblers for b in a.blocks_}
    inputs = [
        {
            "block": name,
            "tables": list(b.spec.tables),
            "name": c.name,
            "unit": c.unit,
            "low": None if math.isnan(c.low) else c.low,
            "high": None if math.isnan(c.high) else c.high,
        }
        for name, b in blocks.items()
        for c in b.spec.inputs
    ]
    features = {
        f"{b.spec.name}__{f.name}": (f.unit, f.about, f.reference, f.direction)
        for a in assemblers
        for b in a.blocks_
        for f in b.outputs()
    }
    return {
        "inputs": inputs,
        "features": [
            {"name": n, "unit": u, "about": a, "reference": r, "direction": d} for n, (u, a, r, d) in features.items()
        ],
    }
