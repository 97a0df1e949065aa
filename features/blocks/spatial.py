"""Spatial: how far immune cells reach into a tumour, from cells placed in an image."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from theracast.checks import Problem, to_numbers
from theracast.features.base import Measured, OmicsBlock
from theracast.features.cohort import Cohort
from theracast.features.spatial import contact_scores, cross_k, mixing_scores, nearest_distances
from theracast.features.spec import BlockSpec, Column, Feature

_TUMOUR = r"tumou?r|cancer|malignan|carcinoma|melanoma|epithelial"
_IMMUNE = r"immune|lymph|\btils?\b|\bcd[348]\b|\bcd(?:20|45|56|68)\b|t[ _-]?cell|b[ _-]?cell|\bnk\b|macrophage|plasma"
#: No cell is narrower than this many micrometres: nearer neighbours mean another unit.
_CELL = 1.0
#: A slide is not larger than this many micrometres.
_SLIDE = 200_000.0
#: Mixed tumours of the breast did worse than compartmentalised ones (Keren 2018): the direction of mixing, cross-K and
#: contacts is left open. Responders to anti-PD-1 in melanoma had immune cells near the tumour cells (Gide 2020).
_KEREN, _GIDE = "10.1016/j.cell.2018.08.039", "10.1080/2162402X.2019.1659093"
_NAMES = ("infiltration", "mixing", "nearest_immune", "cross_k", "contact_z", "immune_share")


class SpatialBlock(OmicsBlock):
    """Infiltration, mixing, distance and contacts of immune cells with tumour cells.

    Each image is measured alone; a patient with several gets their mean, weighted by the number of cells. A patient's
    images must hold cells of both kinds; without an immune cell the tumour is bare: infiltration is not known, the
    share of immune cells is 0.

    Parameters
    ----------
    radius : float, default 30
        Cells at most so many micrometres apart are neighbours.
    permutations : int, default 200
        Shuffles of the cell types behind ``contact_z``; the seed is fixed.
    tumour, immune : str
        Regular expressions of the names of cell types, in lower case; other types count as other.

    Examples
    --------
    >>> cohort = Cohort.from_tables(SpatialBlock.example())
    >>> SpatialBlock().fit_transform(cohort)["spatial__infiltration"].round(2).tolist()
    [1.0, 0.5, 0.0]
    """

    spec = BlockSpec(
        "spatial",
        "Immune cells among tumour cells, from cells placed in an image.",
        ("cells",),
        (
            Column("x", "place of the cell", "um", example="12.5"),
            Column("y", "place of the cell", "um", example="80.0"),
            Column("cell_type", "kind of cell", "tumour, immune, CD8, ...; else other", example="tumour"),
            Column("image", "image of the cell, where a patient has several", "name", example="core 1"),
        ),
        (
            Feature("infiltration", "share", "immune cells with a tumour cell within the radius", _GIDE, 1),
            Feature("mixing", "ratio", "tumour-immune over immune-immune neighbours", _KEREN, scale="log2"),
            Feature("nearest_immune", "um", "median distance from a tumour cell to the nearest immune cell", _GIDE, -1,
                    "log2"),
            Feature("cross_k", "ratio", "cross-K of tumour to immune at the radius, over that of independent cells",
                    "10.1111/j.2517-6161.1977.tb01615.x"),
            Feature("contact_z", "z", "tumour-immune contacts against shuffled cell types", "10.1038/nmeth.4391"),
            Feature("immune_share", "share", "immune cells among all cells", "10.1038/nature13954", 1),
        ),
    )  # fmt: skip

    def __init__(
        self, radius: float = 30.0, permutations: int = 200, tumour: str = _TUMOUR, immune: str = _IMMUNE
    ) -> None:
        self.radius, self.permutations, self.tumour, self.immune = radius, permutations, tumour, immune

    @classmethod
    def example(cls) -> dict[str, pd.DataFrame]:
        """Return three made-up images: inflamed, half excluded, excluded.

        Returns
        -------
        dict of str to DataFrame
            ``cells``, simulated.

        Examples
        --------
        >>> SpatialBlock.example()["cells"].columns.tolist()
        ['x', 'y', 'cell_type', 'image']
        """
        rows: list[tuple[str, float, float, str, str]] = []
        for i, shift in enumerate((10.0, 45.0, 300.0)):
            for k in range(12):
                x, y = 15.0 * (k % 4), 15.0 * (k // 4)
                rows.append((f"p{i + 1}", x, y, "tumour", "core 1"))
                rows.append((f"p{i + 1}", x + shift, y + 5.0, "CD8 T cell", "core 1"))
        table = pd.DataFrame(rows, columns=["patient_id", "x", "y", "cell_type", "image"])
        return {"cells": table.set_index("patient_id")}

    def check(self, cohort: Cohort) -> list[Problem]:
        """Refuse cells without a place or kind, and places that are not in micrometres.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        list of Problem
            THX-D13, THX-D16, THX-D20; rows are the patients concerned.

        Examples
        --------
        >>> cells = pd.DataFrame({"x": [0.1, 0.2], "y": [0.1, 0.1], "cell_type": ["tumour", "CD8"]}, index=["p", "p"])
        >>> SpatialBlock().check(Cohort.from_tables({"cells": cells}))[0].code
        'THX-D16'
        """
        cells = cohort.event("cells")
        if not len(cells):
            return []
        absent = [c for c in ("x", "y", "cell_type") if c not in cells]
        if absent:
            what = f"lacks the column {', '.join(absent)}; give x and y in um, and cell_type"
            return [Problem("THX-D33", "cells", what)]
        found: list[Problem] = []
        for name in ("x", "y"):
            numbers, problems = to_numbers(cells[name], f"cells:{name}")
            found += [Problem(p.code, p.where, p.what, _patients(cohort, cells.index[list(p.rows)])) for p in problems]
            empty = cells[name].isna().to_numpy()
            far = (numbers.abs() > _SLIDE).to_numpy()
            for rows, what in ((empty, "is empty for some cells; leave those cells out"),
                               (far, f"is beyond {_SLIDE:g} um, the size of a slide; convert it to um")):  # fmt: skip
                if rows.any():
                    found.append(Problem("THX-D16", f"cells:{name}", what, _patients(cohort, cells.index[rows])))
        untyped = cells["cell_type"].isna().to_numpy()
        if untyped.any():
            what = "is empty for some cells; write 'other' or leave those cells out"
            found.append(Problem("THX-D20", "cells:cell_type", what, _patients(cohort, cells.index[untyped])))
        if found:
            return found
        kinds = self._kinds(cells["cell_type"])
        if not kinds.isin(["tumour", "immune"]).any():
            what = "names no tumour and no immune cell; use words such as tumour, immune, CD8, lymphocyte"
            return [Problem("THX-D20", "cells:cell_type", what)]
        return self._scale(cohort)

    def measure(self, cohort: Cohort) -> Measured:
        """Measure each image, and average a patient's images by their cells.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        Measured
            Coverage is 1 where cells of both kinds were there, 0.5 where one.

        Examples
        --------
        >>> SpatialBlock().measure(Cohort.from_tables(SpatialBlock.example())).coverage.tolist()
        [1.0, 1.0, 1.0]
        """
        values = pd.DataFrame(np.nan, index=cohort.ids, columns=list(_NAMES))
        coverage = pd.Series(0.0, index=cohort.ids)
        notes: dict[str, list[str]] = {}
        for i, images in self._images(cohort).items():
            kinds = {k for image in images for k in image["cell_type"]} & {"tumour", "immune"}
            coverage[i] = len(kinds) / 2
            scores = np.array([self._measured(image) for image in images])
            weights = np.array([len(image) for image in images], dtype=np.float64)[:, None] * ~np.isnan(scores)
            total = weights.sum(axis=0)
            with np.errstate(invalid="ignore"):
                values.loc[i] = np.where(total > 0, np.nansum(scores * weights, axis=0) / total, np.nan)
            if len(kinds) < 2:
                notes[i] = ["the images do not hold both tumour and immune cells: only their share is known"]
            elif len(images) > 1:
                notes[i] = [f"mean of {len(images)} images, weighted by cells"]
        values.loc[coverage == 0] = np.nan
        return Measured.of(values, coverage=coverage, notes=notes)

    def _measured(self, image: pd.DataFrame) -> list[float]:
        kinds = image["cell_type"]
        share = float((kinds == "immune").mean())
        if not {"tumour", "immune"} <= set(kinds):
            return [np.nan, np.nan, np.nan, np.nan, np.nan, share]
        mixed = mixing_scores(image, "tumour", "immune", self.radius)
        nearest = nearest_distances(image).loc[kinds == "tumour", "immune"]
        extent = image[["x", "y"]].max() - image[["x", "y"]].min()
        area = float(extent["x"] * extent["y"])
        k = cross_k(image, "tumour", "immune", [self.radius])["k"].iloc[0] if area > 0 else np.nan
        contacts = contact_scores(image, self.radius, self.permutations, seed=0)
        z = contacts.loc[(contacts["of"] == "tumour") & (contacts["to"] == "immune"), "z"].iloc[0]
        ratio = k / (np.pi * self.radius**2)
        return [mixed["infiltration"], mixed["mixing"], float(nearest.median()), ratio, z, share]

    def _images(self, cohort: Cohort) -> dict[str, list[pd.DataFrame]]:
        """Part the cells by patient and image, each in an order that does not depend on the order given."""
        cells = cohort.event("cells")
        if not {"x", "y", "cell_type"} <= set(cells.columns):
            return {}
        named = cells["image"].astype(object).where(cells["image"].notna(), "") if "image" in cells else ""
        table = pd.DataFrame(
            {
                "x": to_numbers(cells["x"], "cells:x")[0],
                "y": to_numbers(cells["y"], "cells:y")[0],
                "cell_type": self._kinds(cells["cell_type"]),
                "image": pd.Series(named, index=cells.index, dtype=object).map(str),
            }
        )
        table = table[table["x"].notna() & table["y"].notna() & cells["cell_type"].notna()]
        found: dict[str, list[pd.DataFrame]] = {}
        for (i, _), part in table.groupby([table.index, "image"], sort=True):
            ordered = part.sort_values(["x", "y", "cell_type"], kind="stable").reset_index(drop=True)
            found.setdefault(str(i), []).append(ordered[["x", "y", "cell_type"]])
        return {str(i): found[i] for i in cohort.ids if i in found}

    def _kinds(self, types: pd.Series) -> pd.Series:
        known = {t: self._kind(str(t).lower()) for t in types.dropna().unique()}
        return types.map(known).astype(object).where(types.notna(), "other")

    def _kind(self, word: str) -> str:
        if re.search(self.immune, word):  # a tumour-infiltrating lymphocyte is no tumour cell
            return "immune"
        return "tumour" if re.search(self.tumour, word) else "other"

    def _scale(self, cohort: Cohort) -> list[Problem]:
        """Refuse images whose cells stand closer than a cell is wide: pixels, millimetres or shares of the image."""
        close = []
        for i, images in self._images(cohort).items():
            nearest = [nearest_distances(image).min(axis=1).median() for image in images if len(image) > 1]
            if nearest and min(nearest) < _CELL:
                close.append(i)
        what = (
            f"x and y should be in um; half of the cells stand within {_CELL:g} um of each other. If these are mm, "
            "multiply by 1000; if pixels, by their size"
        )
        return [Problem("THX-D16", "cells:x, y", what, _patients(cohort, close))] if close else []


def _patients(cohort: Cohort, ids: Sequence[str] | pd.Index) -> tuple[int, ...]:
    return tuple(int(i) for i in np.flatnonzero(cohort.ids.isin(list(ids))))
