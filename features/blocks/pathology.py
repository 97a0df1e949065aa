"""Pathology: PD-L1 and tumour-infiltrating lymphocytes, by stain where there is one, by mRNA where there is not."""

from __future__ import annotations

import numpy as np
import pandas as pd

from theracast.checks import Problem
from theracast.features.base import Measured, OmicsBlock
from theracast.features.cohort import Cohort
from theracast.features.remarks import Remarks
from theracast.features.scores import implausible, set_scores
from theracast.features.spec import BlockSpec, Column, Feature
from theracast.features.stains import TOP, Stains, read_stains
from theracast.texts import Texts

_PROXY = {"pdl1": ("Target_marker_PDL1",), "til": ("CD8Tcell_sc", "CytoxAct_Rooney")}
#: Gene sets that stand in for a stain.
PROXY_SETS = tuple(s for sets in _PROXY.values() for s in sets)

#: Position of a stain between 0 and 1 by the label's own cut-points: the low, middle and upper third are what the
#: assays call negative, low and high (IC 0/1/2+; TPS <1, 1-49, >=50 %; CPS <1, 1-9, >=10). A level without a number
#: sits in the middle of its third. A convention, declared as such; in IMvigor210 the thirds hold 28, 38 and 34 %.
_SCALES = {
    "level": ([0, 1, 2, 3], [1 / 6, 1 / 2, 5 / 6, 5 / 6]),
    "tps": ([0, 1, 50, 100], [1 / 6, 1 / 3, 2 / 3, 1]),
    "cps": ([0, 1, 10, 100], [1 / 6, 1 / 3, 2 / 3, 1]),
    "binary": ([0, 1], [1 / 6, 2 / 3]),
    "phenotype": ([0, 1, 2], [1 / 6, 1 / 2, 5 / 6]),
    "percent": ([0, 10, 50, 100], [1 / 6, 1 / 3, 2 / 3, 1]),
}
#: What a unit may look like, and what a stain is called in a note.
_EXAMPLE = {"pdl1": "'22C3 TPS %'", "til": "'CD8 phenotype'"}
_WORDS = {"pdl1": "PD-L1", "til": "TIL"}


class PathologyBlock(OmicsBlock):
    """PD-L1 and TIL on one scale from 0 (none) to 1 (most).

    A stain is placed by the cut-points of its assay; a range or a bound (``1-49%``, ``>=50``) at the middle of its two
    ends on that scale, and a note says so. Where no stain was made, mRNA stands in as a declared proxy (CD274 for
    PD-L1; the mean of CD8A/CD8B and cytolytic activity for TIL), placed by its rank among the training patients.
    Density has no cut-points that hold between laboratories: it is kept as measured.

    Parameters
    ----------
    proxies : bool, default True
        Whether mRNA may stand in for a stain.

    Attributes
    ----------
    quantiles_ : dict of str to list of float
        Per proxy, 101 quantiles of the training patients.

    Examples
    --------
    >>> c = Cohort.from_tables({"pathology": pd.DataFrame(
    ...     {"pdl1": [60.0], "pdl1_unit": ["TPS %"], "til": [2], "til_unit": ["CD8 phenotype"]}, index=["p1"])})
    >>> PathologyBlock().fit_transform(c).round(2).iloc[0, :2].tolist()
    [0.73, 0.83]
    """

    spec = BlockSpec(
        "pathology",
        "PD-L1 and tumour-infiltrating lymphocytes.",
        ("pathology", "clinical"),
        (
            Column(
                "pdl1", "PD-L1 by immunohistochemistry: number, range or word", "by pdl1_unit", example="60|<1%|1-49%"
            ),
            Column("pdl1_unit", "its score and assay", "TPS %, CPS, IC level, 0/1", example="22C3 TPS %"),
            Column("til", "tumour-infiltrating lymphocytes", "by til_unit", example="2|desert|excluded"),
            Column(
                "til_unit", "how they were scored", "CD8 phenotype 0/1/2, %, density cells/mm2", example="CD8 phenotype"
            ),
        ),
        (
            Feature("pdl1", "position 0-1", "PD-L1, by stain or CD274 mRNA", "10.1038/nature14011", 1),
            Feature(
                "til",
                "position 0-1",
                "tumour-infiltrating lymphocytes, by stain or CD8 and cytolytic mRNA",
                "10.1038/nature13954",
                1,
            ),
            Feature("til_density", "cells/mm2", "CD8 density as measured", "10.1038/nature13954", 1, scale="log2"),
        ),
    )

    def __init__(self, proxies: bool = True) -> None:
        self.proxies = proxies

    def learn(self, cohort: Cohort) -> None:
        """Keep the quantiles of the mRNA proxies.

        Parameters
        ----------
        cohort : Cohort
            Training patients.

        Examples
        --------
        >>> block = PathologyBlock()
        >>> block.learn(Cohort.from_tables({"clinical": pd.DataFrame({"age": [1]}, index=["p"])}))
        >>> block.quantiles_
        {}
        """
        raw = self._proxies(cohort)
        self.quantiles_ = {
            name: np.quantile(values.dropna(), np.linspace(0, 1, 101)).tolist()
            for name, values in raw.items()
            if values.notna().any()
        }

    def check(self, cohort: Cohort) -> list[Problem]:
        """Refuse stains without a unit, outside their scale, or as a fraction where a percentage is meant.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        list of Problem
            THX-D14.

        Examples
        --------
        >>> c = Cohort.from_tables({"pathology": pd.DataFrame({"pdl1": [60.0]}, index=["p1"])})
        >>> PathologyBlock().check(c)[0].what
        "needs its score and assay; write them in pdl1_unit, such as '22C3 TPS %'"
        """
        found = super().check(cohort) + (implausible(cohort, PROXY_SETS) if self.proxies else [])
        for name, example in _EXAMPLE.items():
            where, _ = cohort.column(name, self.spec.tables)
            stains = read_stains(cohort, self.spec.tables, name)
            found += stains.problems
            low, high, kinds = stains.low.to_numpy(), stains.high.to_numpy(), Texts.of(stains.kinds)
            in_percent = kinds.isin(("tps", "percent")) & ~stains.percent.to_numpy()
            known = np.concatenate([low[in_percent], high[in_percent]])
            known = known[~np.isnan(known)]
            between = in_percent & (((low > 0) & (low < 1)) | ((high > 0) & (high < 1)))
            rows = [
                (
                    (~np.isnan(high) & kinds.isin({""})),
                    f"needs its score and assay; write them in {name}_unit, such as {example}",
                ),
                (low < 0, "should not be negative; leave unknown cells empty"),
                (
                    high > kinds.read(lambda k: TOP.get(k, np.nan), np.float64),
                    f"is above the top of its scale ({name}_unit)",
                ),
            ]
            if (~np.isnan(low[in_percent])).sum() > 1 and known.max() <= 1 and (known % 1 != 0).any():
                what = "should be in percent (0-100); got fractions (0-1). Multiply by 100"
                found.append(Problem("THX-D14", where, what))
            else:
                what = "between 0 and 1 may be a percentage or a fraction: write 0 for under 1 %, or percent (0-100)"
                rows.append((between, what))
            found += [Problem("THX-D14", where, what, _rows(mask)) for mask, what in rows if mask.any()]
        return found

    def measure(self, cohort: Cohort) -> Measured:
        """Place each patient by stain, or by proxy.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        Measured
            `proxy` is True where mRNA stood in.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> c = load_cohort("riaz2017_mel")
        >>> bool(PathologyBlock().fit(c).measure(c).proxy["pdl1"].all())
        True
        """
        raw = self._proxies(cohort) if self.proxies else {}
        columns: dict[str, np.ndarray] = {}
        proxy: dict[str, np.ndarray] = {}
        notes = Remarks(cohort.ids)
        for name in ("pdl1", "til"):
            stains = read_stains(cohort, self.spec.tables, name)
            placed = _placed(stains)
            ranged = stains.ranged.to_numpy() & ~np.isnan(placed)
            notes.add(ranged, f"{_WORDS[name]} was given as a range: its middle stands for it")
            proxy[name] = np.zeros(len(cohort), dtype=bool)
            if name in self.quantiles_ and name in raw:
                stand_in = raw[name].to_numpy()
                proxy[name] = np.isnan(placed) & ~np.isnan(stand_in)
                rank = np.interp(stand_in[proxy[name]], self.quantiles_[name], np.linspace(0, 1, 101))
                placed[proxy[name]] = rank
            columns[name] = placed
        density = Texts.of(stains.kinds).isin({"density"})
        columns["til_density"] = np.where(density, (stains.low.to_numpy() + stains.high.to_numpy()) / 2, np.nan)
        proxy["til_density"] = np.zeros(len(cohort), dtype=bool)
        frame, proxies = (pd.DataFrame(found, index=cohort.ids) for found in (columns, proxy))
        words = {
            "pdl1": "PD-L1 from CD274 mRNA, not from a stain",
            "til": "TIL from CD8 and cytolytic mRNA, not from a stain",
        }
        for name, text in words.items():
            notes.add(proxy[name], text)
        coverage = frame[["pdl1", "til"]].notna().mean(axis=1)
        return Measured.of(frame, proxy=proxies, coverage=coverage, notes=notes)

    def _proxies(self, cohort: Cohort) -> dict[str, pd.Series]:
        scores = set_scores(cohort, PROXY_SETS).values
        return {name: scores[list(sets)].mean(axis=1, skipna=False) for name, sets in _PROXY.items()}


def _placed(stains: Stains) -> np.ndarray:
    """Put both ends on the scale from 0 to 1, and take their middle."""
    kinds = Texts.of(stains.kinds)
    scales = [(kinds.isin({kind}), *scale) for kind, scale in _SCALES.items() if kind in kinds.cells]

    def on_scale(values: np.ndarray) -> np.ndarray:
        placed = np.full(len(values), np.nan)
        for mine, at, position in scales:
            placed[mine] = np.interp(values[mine], at, position)
        return np.where(np.isnan(values), np.nan, placed)

    low = on_scale(stains.low.to_numpy())
    high = low if stains.high is stains.low else on_scale(stains.high.to_numpy())
    return (low + high) / 2


def _rows(mask: np.ndarray) -> tuple[int, ...]:
    return tuple(int(i) for i in np.flatnonzero(mask))
