"""Mutations: tumour mutational burden, harmonised to mutations per megabase."""

from __future__ import annotations

import numpy as np
import pandas as pd

from theracast.checks import Problem
from theracast.features.base import Measured, OmicsBlock
from theracast.features.cohort import Cohort
from theracast.features.gene_panels import panel_mb, panel_names, panel_problems
from theracast.features.remarks import Remarks
from theracast.features.spec import BlockSpec, Column, Feature
from theracast.features.variants import burden, variant_problems

#: Megabases by which an exome's count is divided when no size is given: the size by which Liu 2019's burden and
#: count agree (PredictioR), the largest melanoma cohort here.
EXOME_MB = 50.0

#: No burden of 5,000 patients in the public cohorts is above 369 mut/Mb; mislabelled counts have a median of 200-500.
_MOST, _MEDIAN, _ENOUGH = 400.0, 150.0, 5

#: Unit labels that are known to be wrong at their source. COMPASS calls exome counts (median 496) mut/Mb.
_MISLABELLED_COUNTS = ("compass real_tmb",)


class MutationsBlock(OmicsBlock):
    """Tumour mutational burden in mutations per megabase.

    A count becomes a burden through the size of what was sequenced: column ``panel_mb``, a known ``panel``, or a whole
    exome. Then the result of one patient never depends on the others. Counts over unknown territory have no such size;
    they are refused, or, on request, placed by their rank within the cohort, which needs a cohort.

    Where no burden is written down, the variants of table ``variants`` are counted that change the protein, over the
    size of the panel, which must be declared: a table of variants does not say where else was looked. It gives the
    burden alone, and `alterations` the rest, so that models of the burden stay as they are.

    Parameters
    ----------
    exome_mb : float, default 50
        Size of an exome, in megabases, for counts that say 'exome' and give no ``panel_mb``.
    sizeless : {"refuse", "rank"}, default "refuse"
        What to do with counts over unknown territory: refuse the rows, or give each the burden that the training
        patients have at the same rank (a proxy, and noted as one).
    min_vaf : float, default 0
        Variants with a known allele fraction below it are not counted.

    Attributes
    ----------
    quantiles_ : list of float
        101 quantiles of the burden of the training patients, in mut/Mb; empty when none is known.

    Examples
    --------
    >>> c = Cohort.from_tables({"mutations": pd.DataFrame(
    ...     {"tmb": [500.0], "tmb_unit": ["nonsynonymous count (exome)"]}, index=["p1"])})
    >>> MutationsBlock().fit_transform(c)["mutations__tmb"].tolist()
    [10.0]
    """

    spec = BlockSpec(
        "mutations",
        "Mutations of the tumour, as burden.",
        ("mutations", "clinical", "variants"),
        (
            Column("tmb", "tumour mutational burden or count", "mut/Mb or count", 0, 20_000, "THX-D16", "9.4|2.5|31"),
            Column("tmb_unit", "unit of tmb", "'mut/Mb ...' or '... count (exome)'", example="mut/Mb"),
            Column("panel_mb", "size of what was sequenced, for counts", "Mb", 0.01, 100, "THX-D16", "1.2"),
            Column("panel", "what was sequenced", "MSK-IMPACT468, FoundationOneCDx, exome ...", example="exome"),
        ),
        (
            Feature(
                "tmb",
                "mut/Mb",
                "nonsynonymous mutations per megabase",
                "10.1038/s41588-018-0312-8",
                direction=1,
                most=50.0,  # as LORIS, 10.1038/s43018-024-00772-7: within it, steps count the same
            ),
        ),
    )

    def __init__(self, exome_mb: float = EXOME_MB, sizeless: str = "refuse", min_vaf: float = 0.0) -> None:
        self.exome_mb, self.sizeless, self.min_vaf = exome_mb, sizeless, min_vaf

    def learn(self, cohort: Cohort) -> None:
        """Keep the distribution of the burden, on which ranks can be placed.

        Parameters
        ----------
        cohort : Cohort
            Training patients.

        Examples
        --------
        >>> c = Cohort.from_tables({"mutations": pd.DataFrame({"tmb": [9.0], "tmb_unit": "mut/Mb"}, index=["p"])})
        >>> block = MutationsBlock()
        >>> block.learn(c)
        >>> block.quantiles_[50]
        9.0
        """
        tmb, kind, size = self._read(cohort)
        known = tmb.where(kind != "count", tmb / size).fillna(self._counted(cohort)[0]).dropna()
        self.quantiles_ = np.quantile(known, np.linspace(0, 1, 101)).tolist() if len(known) else []

    def check(self, cohort: Cohort) -> list[Problem]:
        """Refuse burdens without a unit, and counts labelled mut/Mb.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        list of Problem
            THX-D16 for the whole column, or by row.

        Examples
        --------
        >>> c = Cohort.from_tables({"mutations": pd.DataFrame({"tmb": [500.0], "tmb_unit": "mut/Mb"}, index=["p"])})
        >>> print(MutationsBlock().check(c)[0].what[:40])
        should be in mut/Mb (under 400). If thes
        """
        found = super().check(cohort)
        where, _ = cohort.column("tmb", self.spec.tables)
        tmb, kind, size = self._read(cohort)
        unlabelled = (tmb.notna() & (kind == "")).to_numpy()
        if unlabelled.any():
            rows = tuple(int(i) for i in np.flatnonzero(unlabelled))
            found.append(Problem("THX-D16", where, "needs a unit in tmb_unit: 'mut/Mb' or 'count (exome)'", rows))
        per_mb = tmb.to_numpy()[(kind == "mut/Mb") & tmb.notna().to_numpy()]
        fix = "If these are counts, write 'count (exome)' in tmb_unit, or give panel_mb"
        above = ((kind == "mut/Mb") & (tmb > _MOST)).to_numpy()
        if len(per_mb) >= _ENOUGH and (middle := np.median(per_mb)) > _MEDIAN:
            got = f"should be in mut/Mb (median under {_MEDIAN:g}); got median {middle:.3g}. {fix}"
            found.append(Problem("THX-D16", where, got))
        elif above.any():
            rows = tuple(int(i) for i in np.flatnonzero(above))
            found.append(Problem("THX-D16", where, f"should be in mut/Mb (under {_MOST:g}). {fix}", rows))
        sizeless = (tmb.notna() & (kind == "count") & size.isna()).to_numpy()
        if sizeless.any() and self.sizeless == "refuse":
            rows = tuple(int(i) for i in np.flatnonzero(sizeless))
            found.append(
                Problem("THX-D16", where, "is a count of unknown territory: give panel_mb, or say '(exome)'", rows)
            )
        where, _ = cohort.column("panel", self.spec.tables)
        if any(self.texts(cohort, "panel").cells):
            found += panel_problems(where, self.words(cohort, "panel"), self.numbers(cohort, "panel_mb"))
        return found + variant_problems(cohort)

    def measure(self, cohort: Cohort) -> Measured:
        """Divide counts by the megabases sequenced.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        Measured
            ``tmb``.

        Examples
        --------
        >>> c = Cohort.from_tables({"clinical": pd.DataFrame({"tmb": [9.0], "tmb_unit": "mut/Mb"}, index=["p"])})
        >>> MutationsBlock().fit(c).measure(c).values["tmb"].tolist()
        [9.0]
        """
        tmb, kind, size = self._read(cohort)
        counted = kind == "count"
        values = tmb.where(~counted, tmb / size)
        notes = Remarks(cohort.ids)
        told = np.flatnonzero(counted & values.notna().to_numpy())
        notes.add_each(told, [f"TMB from a count over {mb:g} Mb" for mb in size.to_numpy()[told].tolist()])
        ranked = tmb.notna() & counted & size.isna()
        if ranked.any() and self.quantiles_:
            share = (tmb[ranked].rank() - 0.5) / ranked.sum()
            values[ranked] = np.interp(share, np.linspace(0, 1, 101), self.quantiles_)
            notes.add(ranked.to_numpy(), "TMB placed by its rank within this cohort, not by its size")
        found, least = self._counted(cohort)
        found, least = found.where(values.isna()), least & values.isna() & found.notna()
        said = "TMB counted from the variants listed"
        notes.add((found.notna() & ~least).to_numpy(), said)
        lower = "; a lower limit, variants of unknown consequence are not counted"
        notes.add((found.notna() & least).to_numpy(), f"{said}{lower}")
        known = values.fillna(found)
        if "variants" in cohort.events:
            listed = cohort.ids.isin(cohort.event("variants").index.unique())
            silent = "TMB not counted: neither panel nor panel_mb says what was sequenced"
            notes.add(known.isna().to_numpy() & listed, silent)
        return Measured.of(
            pd.DataFrame({"tmb": known}),
            proxy=pd.DataFrame({"tmb": ranked}),
            censored=pd.DataFrame({"tmb": least.astype(np.int8)}),
            notes=notes,
        )

    def _counted(self, cohort: Cohort) -> tuple[pd.Series, pd.Series]:
        """Count the variants of each patient over the panel declared; and say where some could not be judged."""
        if "variants" not in cohort.events:
            return pd.Series(np.nan, index=cohort.ids), pd.Series(False, index=cohort.ids)
        counts, unseen = burden(cohort, self.min_vaf)
        return counts / self._declared(cohort), unseen > 0

    def _declared(self, cohort: Cohort) -> pd.Series:
        size = self.numbers(cohort, "panel_mb")
        panel = self.texts(cohort, "panel")
        named = panel_mb(panel_names(pd.Series(panel.cells, dtype=object)), self.exome_mb).to_numpy()
        return size.fillna(pd.Series(named[panel.codes], index=size.index))

    def _read(self, cohort: Cohort) -> tuple[pd.Series, np.ndarray, pd.Series]:
        tmb, size = self.numbers(cohort, "tmb"), self._declared(cohort)
        unit = self.texts(cohort, "tmb_unit")
        kind = unit.read(_kind, "U8")
        exome = unit.matches("exome|compass")
        return tmb, kind, size.where(size.notna(), np.where(exome, self.exome_mb, np.nan))


def _kind(unit: str) -> str:
    if "count" in unit or any(m in unit for m in _MISLABELLED_COUNTS):
        return "count"
    return "mut/Mb" if "/mb" in unit else ""
