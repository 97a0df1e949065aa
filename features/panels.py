"""PanelBlock: what proteins, metabolites and lipids have in common as blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pandas as pd

from theracast.checks import Problem, listed
from theracast.errors import UsageError
from theracast.features.base import Measured, OmicsBlock
from theracast.features.cohort import Cohort
from theracast.features.panel_tables import UNITS, Panel, feature_name, read_panel
from theracast.features.ratios import described, known_families, known_ratios, ratio, total
from theracast.features.spec import Feature

#: Of a normal distribution: standard deviation over the median, and over the mean, of absolute deviations.
_MAD, _MEAN_AD = 1.482602218505602, 1.2533141373155001
#: A patient whose middle analyte is further from training than this, in log2, is in another unit; and of how many.
_FAR, _MANY = 6.0, 5


class PanelBlock(OmicsBlock):
    """A panel of named molecules: logarithms, with values beyond detection kept at their limit and marked.

    Parameters
    ----------
    select : sequence of str, optional
        Columns to give; all with enough known values when not given.
    scaling : {"none", "robust"}, default "none"
        ``robust``: distance from the median of the training patients over 1.4826 times their median absolute
        deviation, a reference that is frozen at fit.
    zero_is_below_detection : bool, default False
        Whether 0 in a linear unit means below detection, as ``zeros: below detection`` in ``units.yaml`` says; else
        zeros are refused.
    min_known : float, default 0.5
        Least share of training patients with a value, or a limit, of a column that is kept.
    ratios : bool, default True
        Whether to add ratios and family totals (`features/tables/panel_ratios.csv`, `lipid_families.csv`) of columns
        that are kept.

    Attributes
    ----------
    columns_ : list of str
        Columns that are given.
    dropped_ : dict of str to str
        Columns that are not, and why.
    renamed_ : dict of str to str
        Genes that stood under another name in training: approved symbol to the name given.
    unit_ : str
        Unit of the training patients.
    limits_ : dict of str to [float, float]
        log2 of the value that stands for "below" and for "above" where the cell names no limit: the least (greatest)
        limit that a training patient has, else the least (greatest) value.
    reference_ : dict of str to [float, float]
        Median and spread of each column in training.
    ratios_, totals_ : dict
        Columns of each ratio and family.

    Examples
    --------
    >>> from theracast.features.blocks import BLOCKS
    >>> issubclass(BLOCKS["proteins"], PanelBlock)
    True
    """

    #: Whether columns are named by genes.
    genes: ClassVar[bool] = False

    def __init__(
        self,
        select: Sequence[str] | None = None,
        scaling: str = "none",
        zero_is_below_detection: bool = False,
        min_known: float = 0.5,
        ratios: bool = True,
    ) -> None:
        self.select, self.scaling, self.zero_is_below_detection = select, scaling, zero_is_below_detection
        self.min_known, self.ratios = min_known, ratios

    def read(self, cohort: Cohort) -> Panel:
        """Read the panel in the unit of training.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        Panel
            Logarithms and sides.

        Examples
        --------
        >>> from theracast.features.blocks import BLOCKS
        >>> block = BLOCKS["proteins"]()
        >>> sorted(block.read(Cohort.from_tables(block.example())).values)[:2]
        ['ALB', 'CRP']
        """
        trained = getattr(self, "unit_", "")
        return read_panel(cohort, self.spec.tables[0], trained, self.zero_is_below_detection, self.genes)

    def fit(self, X: Cohort | pd.DataFrame, y: object = None) -> PanelBlock:
        """Forget what was learned, then fit as any block.

        Parameters
        ----------
        X : Cohort or wide DataFrame
            Training patients.
        y : ignored
            For scikit-learn.

        Returns
        -------
        self
            Fitted.

        Examples
        --------
        >>> from theracast.features.blocks import BLOCKS
        >>> BLOCKS["proteins"]().fit(Cohort.from_tables(BLOCKS["proteins"].example())).unit_
        'pg/ml'
        """
        for name in [k for k in vars(self) if k.endswith("_")]:
            delattr(self, name)
        return super().fit(X, y)

    def learn(self, cohort: Cohort) -> None:
        """Choose columns, and keep their limits and reference.

        Parameters
        ----------
        cohort : Cohort
            Training patients.

        Raises
        ------
        UsageError
            On an unknown `scaling`.

        Examples
        --------
        >>> from theracast.features.blocks import BLOCKS
        >>> block = BLOCKS["proteins"](select=["IL6"])
        >>> block.learn(Cohort.from_tables(block.example()))
        >>> block.columns_
        ['IL6']
        """
        if self.scaling not in ("none", "robust"):
            raise UsageError("no such scaling", where="scaling", wanted="none or robust")
        panel = self.read(cohort)
        used = sorted(u for u in panel.units.unique() if u)
        self.unit_ = used[0] if used else ""
        self.renamed_ = dict(sorted(panel.renamed.items()))
        measured = panel.units.ne("").to_numpy()
        values, sides = panel.values[measured], panel.sides[measured]
        self.columns_: list[str] = []
        self.dropped_: dict[str, str] = {}
        self.limits_: dict[str, list[float]] = {}
        self.reference_: dict[str, list[float]] = {}
        wanted = list(values) if self.select is None else sorted(dict.fromkeys(self.select))
        for name in wanted:
            why = "not in the table" if name not in values else self._column(name, values[name], sides[name])
            if why:
                self.dropped_[name] = why
            else:
                self.columns_.append(name)
        absolute = bool(self.unit_) and UNITS[self.unit_].quantity in ("pg/mL", "umol/L")
        chosen = self.columns_ if self.ratios else []
        self.ratios_ = known_ratios(self.spec.name, chosen, absolute)
        self.totals_ = known_families(chosen) if absolute and self.spec.name == "metabolites" else {}

    def _column(self, name: str, values: pd.Series, sides: pd.Series) -> str:
        """Keep limits and reference of one column, or say why it is dropped."""
        numbers, side = values.to_numpy(), sides.to_numpy()
        known = ~np.isnan(numbers)
        if not len(known) or (self.select is None and (known | (side != 0)).mean() < self.min_known):
            return "known of too few training patients"
        exact = np.unique(numbers[known & (side == 0)])
        if len(exact) < 2:
            return "the same in all training patients" if len(exact) else "no value within limits"
        stated = [np.unique(numbers[known & (side == s)]) for s in (-1, 1)]
        low = stated[0][0] if len(stated[0]) else exact[0]
        high = stated[1][-1] if len(stated[1]) else exact[-1]
        self.limits_[name] = [float(low), float(high)]
        filled = np.where(known, numbers, np.where(side < 0, low, np.where(side > 0, high, np.nan)))
        filled = np.sort(filled[~np.isnan(filled)])
        centre = np.median(filled)
        apart = np.sort(np.abs(filled - centre))
        self.reference_[name] = [float(centre), float(_MAD * np.median(apart) or _MEAN_AD * apart.mean())]
        return ""

    def outputs(self) -> tuple[Feature, ...]:
        """List the columns, ratios and totals that were learned.

        Returns
        -------
        tuple of Feature
            None before `fit`.

        Examples
        --------
        >>> from theracast.features.blocks import BLOCKS
        >>> BLOCKS["metabolites"]().outputs()
        ()
        """
        if not hasattr(self, "columns_"):
            return ()
        kept = UNITS[self.unit_].kept if self.unit_ else "log2"
        unit = f"spreads of {kept}" if self.scaling == "robust" else kept
        template = self.spec.features[0]
        levels = (Feature(feature_name(c), unit, f"level of {c}", template.reference) for c in self.columns_)
        return (*levels, *described(self.ratios_, self.totals_, kept))

    def check(self, cohort: Cohort) -> list[Problem]:
        """Refuse cells that cannot be read, undeclared or foreign units, and names that clash.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        list of Problem
            THX-D03, D05, D11, D13, D16.

        Examples
        --------
        >>> from theracast.features.blocks import BLOCKS
        >>> c = Cohort.from_tables({"proteins": pd.DataFrame({"CRP": ["1,5"], "unit": "mg/L"}, index=["p"])})
        >>> BLOCKS["proteins"]().check(c)[0].code
        'THX-D13'
        """
        panel = self.read(cohort)
        found = list(panel.problems)
        names = pd.Series({c: feature_name(c) for c in panel.values}, dtype=object)
        clash = names[names.duplicated(keep=False)]
        if len(clash):
            what = f"columns would become one feature: {listed(clash.index)}; rename one"
            found.append(Problem("THX-D03", self.spec.tables[0], what))
        far = self._far(panel)
        if far.any():
            what = (
                f"lies 64-fold or more from the training patients in its middle column; declare the unit (these were "
                f"{self.unit_} in training)"
            )
            found.append(Problem("THX-D16", self.spec.tables[0], what, tuple(np.flatnonzero(far).tolist())))
        return found

    def _far(self, panel: Panel) -> np.ndarray:
        """Say which patients are nowhere near the training patients: another unit, or logarithms of linear values."""
        columns = [c for c in getattr(self, "columns_", ()) if c in panel.values]
        if not columns:
            return np.zeros(len(panel.values), dtype=bool)
        centre = np.array([self.reference_[c][0] for c in columns])
        apart = np.abs(panel.values[columns].to_numpy() - centre)
        many = (~np.isnan(apart)).sum(axis=1) >= _MANY
        middle = np.zeros(len(apart))
        middle[many] = np.nanmedian(apart[many], axis=1)
        return middle > _FAR

    def measure(self, cohort: Cohort) -> Measured:
        """Read the panel; put limits where only a side is known; add ratios and totals.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        Measured
            ``censored`` says which values are limits.

        Examples
        --------
        >>> from theracast.features.blocks import BLOCKS
        >>> block, c = BLOCKS["proteins"](), Cohort.from_tables(BLOCKS["proteins"].example())
        >>> block.fit(c).measure(c).censored["IL6"].tolist()
        [-1, 0, 0, 0]
        """
        panel = self.read(cohort)
        values = panel.values.reindex(columns=self.columns_)
        sides = panel.sides.reindex(columns=self.columns_, fill_value=0)
        beyond = sides.to_numpy()
        low, high = (np.array([self.limits_[c][k] for c in self.columns_]) for k in (0, 1))
        numbers = values.to_numpy(dtype=np.float64)
        bare = np.isnan(numbers)
        numbers = np.where(bare & (beyond < 0), low, np.where(bare & (beyond > 0), high, numbers))
        numbers[panel.units.eq("").to_numpy()] = np.nan
        known = ~np.isnan(numbers)
        sides = sides.where(known, 0)
        values = pd.DataFrame(numbers, values.index, values.columns)
        derived, derived_sides, proxy = self._derived(values, sides)
        if self.scaling == "robust":
            centre, spread = (np.array([self.reference_[c][k] for c in self.columns_]) for k in (0, 1))
            values = (values - centre) / spread
        names = [feature_name(c) for c in self.columns_]
        notes = self._notes(panel, (sides.to_numpy() != 0).sum(axis=1), known.sum(axis=1))
        return Measured.of(
            pd.concat([values.set_axis(names, axis=1), derived], axis=1),
            censored=pd.concat([sides.set_axis(names, axis=1), derived_sides], axis=1),
            proxy=proxy,
            coverage=pd.Series(known.sum(axis=1) / max(len(self.columns_), 1), index=values.index),
            notes=notes,
        )

    def _derived(self, values: pd.DataFrame, sides: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        """Ratios and totals: values, sides, and whether members were left out."""
        found = {f"ratio_{n}": ratio(*(total(values[c], sides[c]) for c in both)) for n, both in self.ratios_.items()}
        found |= {f"total_{n}": total(values[c], sides[c]) for n, c in self.totals_.items()}
        one, two, three = (pd.DataFrame({n: f[k] for n, f in found.items()}, index=values.index) for k in range(3))
        return one, two, three

    def _notes(self, panel: Panel, beyond: np.ndarray, known: np.ndarray) -> dict[str, list[str]]:
        what = self.spec.tables[0]
        notes: dict[str, list[str]] = {}
        for i, n, of in zip(panel.values.index, beyond, known, strict=True):
            if n:
                notes.setdefault(i, []).append(f"{n} of {of} {what} are beyond a detection limit: given as the limit")
        for i in panel.assumed.index[panel.assumed]:
            notes.setdefault(i, []).append(f"the unit of {what} is not declared: taken as {self.unit_}")
        return notes
