"""MicroRNA: levels by name, as logarithms."""

from __future__ import annotations

import pandas as pd

from theracast.features.panels import PanelBlock
from theracast.features.spec import BlockSpec, Column, Feature


class MirnaBlock(PanelBlock):
    """Levels of microRNAs on a log2 scale.

    Declare the unit in ``units.yaml`` (``mirna: log2 intensity``, ``intensity``) or in a column ``unit``. Parameters
    and attributes are those of `theracast.features.panels.PanelBlock`.

    Examples
    --------
    >>> from theracast.features.cohort import Cohort
    >>> table = pd.DataFrame({"hsa-mir-21": [8.0, 16.0], "unit": "intensity"}, index=["a", "b"])
    >>> MirnaBlock().fit_transform(Cohort.from_tables({"mirna": table}))["mirna__hsa-mir-21"].tolist()
    [3.0, 4.0]
    """

    spec = BlockSpec(
        "mirna",
        "MicroRNAs, by name.",
        ("mirna",),
        (
            Column("<microRNA>", "level of a microRNA, a column each, always named alike", "by unit", example="9.1"),
            Column("unit", "unit of the row, if units.yaml is silent", "log2 intensity", example="log2 intensity"),
        ),
        (Feature("<microRNA>", "log2 of the unit", "level of a microRNA", "10.1093/nar/gky1141"),),
    )

    @classmethod
    def example(cls) -> dict[str, pd.DataFrame]:
        """Return a small made-up table.

        Returns
        -------
        dict of str to DataFrame
            Table ``mirna``.

        Examples
        --------
        >>> MirnaBlock.example()["mirna"].shape
        (3, 3)
        """
        levels = {"hsa-mir-21": [9.1, 11.4, 10.2], "hsa-mir-155": [4.0, 6.3, 5.1], "unit": ["log2 intensity"] * 3}
        return {"mirna": pd.DataFrame(levels, index=pd.Index(["p1", "p2", "p3"], name="patient_id"))}
