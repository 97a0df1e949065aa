"""Metabolites and lipids: levels as logarithms, ratios of paths, and totals of lipid-mediator families."""

from __future__ import annotations

import pandas as pd

from theracast.features.panels import PanelBlock
from theracast.features.spec import BlockSpec, Column, Feature


class MetabolitesBlock(PanelBlock):
    """Levels of metabolites and lipids on a log2 scale, ratios, and totals by family of lipid mediators.

    Declare the unit in ``units.yaml`` (``metabolites: umol/L``, ``pg/mL``, ``intensity``, ``log2 intensity``) or in a
    column ``unit``. Sums of different molecules (Fischer ratio, family totals) are given for concentrations only.
    Parameters and attributes are those of `theracast.features.panels.PanelBlock`.

    Examples
    --------
    >>> from theracast.features.cohort import Cohort
    >>> table = pd.DataFrame({"kynurenine": [2.0, 4.0], "tryptophan": [64.0, 32.0], "unit": "umol/L"}, index=["a", "b"])
    >>> MetabolitesBlock().fit_transform(Cohort.from_tables({"metabolites": table})).iloc[:, -1].tolist()
    [-5.0, -3.0]
    """

    spec = BlockSpec(
        "metabolites",
        "Metabolites and lipids, by name; values below detection stay known to be below.",
        ("metabolites",),
        (
            Column("<metabolite>", "level of a metabolite or lipid, a column each", "by unit", example="3.2"),
            Column(
                "unit", "unit of the row, where units.yaml does not say", "umol/L, pg/mL, intensity", example="pg/mL"
            ),
        ),
        (Feature("<metabolite>", "log2 of the unit", "level of a metabolite", "10.1016/j.chemosphere.2006.04.051"),),
    )

    @classmethod
    def example(cls) -> dict[str, pd.DataFrame]:
        """Return a small made-up panel of amino acids and lipid mediators.

        Returns
        -------
        dict of str to DataFrame
            Table ``metabolites``.

        Examples
        --------
        >>> MetabolitesBlock.example()["metabolites"].shape
        (4, 12)
        """
        cells = {
            "kynurenine": ["1.9", "2.8", "2.2", "4.1"],
            "tryptophan": ["61", "44", "57", ""],
            "leucine": ["130", "112", "121", "99"],
            "isoleucine": ["66", "58", "62", "51"],
            "valine": ["240", "201", "222", "190"],
            "phenylalanine": ["58", "71", "60", "88"],
            "tyrosine": ["63", "59", "66", "70"],
            "RvE1": ["<0.0003", "0.002", "0.0011", "0.0004"],
            "RvE2": ["0.006", "BDL", "0.004", "0.009"],
            "LTB4": ["0.02", "0.11", "0.05", "0.2"],
            "20-OH-LTB4": ["0.004", "0.008", "0.003", "<0.001"],
            "unit": ["umol/L"] * 4,
        }
        return {"metabolites": pd.DataFrame(cells, index=pd.Index(["p1", "p2", "p3", "p4"], name="patient_id"))}
