"""Proteins: cytokines and plasma proteomes, as logarithms, with values below detection kept as such."""

from __future__ import annotations

import pandas as pd

from theracast.features.panels import PanelBlock
from theracast.features.spec import BlockSpec, Column, Feature


class ProteinsBlock(PanelBlock):
    """Levels of proteins on a log2 scale, and ratios of cytokines.

    Declare the unit in ``units.yaml`` (``proteins: NPX``, ``pg/mL``, ``intensity``, ``log2 intensity``) or in a column
    ``unit``. Parameters and attributes are those of `theracast.features.panels.PanelBlock`.

    Examples
    --------
    >>> from theracast.features.cohort import Cohort
    >>> table = pd.DataFrame({"IL6": ["<0.5", "4", "16"], "IL10": [2.0, 1.0, 4.0], "unit": "pg/mL"}, index=list("abc"))
    >>> out = ProteinsBlock().fit_transform(Cohort.from_tables({"proteins": table}))
    >>> out["proteins__IL6"].tolist(), out["proteins__ratio_il6_il10"].tolist()
    ([-1.0, 2.0, 4.0], [-2.0, 2.0, 2.0])
    """

    spec = BlockSpec(
        "proteins",
        "Cytokines and plasma proteins, by name; values below detection stay known to be below.",
        ("proteins",),
        (
            Column("<protein>", "level of a protein, a column each, named as in every table", "by unit", example="3.2"),
            Column("unit", "unit of the row, where units.yaml does not say", "NPX, pg/mL, intensity", example="pg/mL"),
        ),
        (Feature("<protein>", "NPX or log2 of the unit", "level of a protein", "10.1371/journal.pone.0095192"),),
    )

    genes = True

    @classmethod
    def example(cls) -> dict[str, pd.DataFrame]:
        """Return a small made-up panel with values below and above detection.

        Returns
        -------
        dict of str to DataFrame
            Table ``proteins``.

        Examples
        --------
        >>> ProteinsBlock.example()["proteins"]["IL6"].tolist()
        ['<0.4', '12.5', '3.1', '55']
        """
        return {
            "proteins": pd.DataFrame(
                {
                    "IL6": ["<0.4", "12.5", "3.1", "55"],
                    "IL10": ["0.8", "1.9", "LOW", "2.4"],
                    "TNF": ["4.1", "9.8", "6.0", ">400"],
                    "CRP": ["2.1e6", "8.4e7", "1.1e7", ""],
                    "ALB": ["4.4e10", "3.1e10", "4.0e10", "2.8e10"],
                    "unit": ["pg/mL"] * 4,
                },
                index=pd.Index(["p1", "p2", "p3", "p4"], name="patient_id"),
            )
        }
