"""Disease activity: how active arthritis, Crohn's disease, depression or diabetes is before treatment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from theracast.checks import UNKNOWN, Problem, to_numbers
from theracast.features.base import Measured, OmicsBlock
from theracast.features.cohort import Cohort
from theracast.features.spec import BlockSpec, Column, Feature
from theracast.features.units import Reading, read_quantity, units_of

#: Input column to its quantity in ``tables/lab_units.csv``.
_QUANTITY = {
    "tender28": "joints28", "swollen28": "joints28", "crp": "crp", "esr": "esr", "patient_global": "global",
    "physician_global": "global", "das28_crp": "das28", "das28_esr": "das28", "das28": "das28", "ra_cdai": "ra_cdai",
    "sdai": "sdai", "haq": "haq", "calprotectin": "calprotectin", "crohns_cdai": "crohns_cdai", "phq9": "phq9",
    "hamd17": "hamd17", "hba1c": "hba1c",
}  # fmt: skip
#: What a laboratory may report as '<5' or '>1800'.
_WITH_LIMITS = ("crp", "esr", "calprotectin")
_POSITIVE = {"pos": 1.0, "positive": 1.0, "+": 1.0, "yes": 1.0, "neg": 0.0, "negative": 0.0, "-": 0.0, "no": 0.0}
#: Given score against the score of its own components: rounding, no more.
_AGREES = {"das28_crp": 0.06, "das28_esr": 0.06, "ra_cdai": 0.6, "sdai": 0.6}
#: The features that belong together: a patient is measured against the disease that is best known.
_FAMILIES = (
    ("tender28", "swollen28", "patient_global", "physician_global", "crp", "esr", "das28_crp", "das28_esr", "ra_cdai",
     "sdai", "haq", "rf_positive", "acpa_positive"),
    ("das28",),
    ("crohns_cdai", "calprotectin", "crp"),
    ("phq9", "hamd17"),
    ("hba1c",),
)  # fmt: skip


@dataclass(frozen=True)
class _Activity:
    """Every input of one cohort, in the first unit of its quantity."""

    read: dict[str, Reading]

    def __getitem__(self, name: str) -> pd.Series:
        return self.read[name].values

    def computed(self) -> dict[str, pd.Series]:
        """Compute each score from its components; NaN where one is not known."""
        tender, swollen, crp, esr = (self[n] for n in ("tender28", "swollen28", "crp", "esr"))
        patient, physician = self["patient_global"], self["physician_global"]
        joints = 0.56 * np.sqrt(tender) + 0.28 * np.sqrt(swollen) + 0.014 * patient
        cdai = tender + swollen + (patient + physician) / 10.0
        return {
            "das28_crp": joints + 0.36 * np.log(crp + 1.0) + 0.96,
            "das28_esr": joints + 0.70 * np.log(esr.clip(lower=1.0)),  # an ESR of 0 is read as 1, as calculators do
            "ra_cdai": cdai,
            "sdai": cdai + crp / 10.0,
        }


class DiseaseActivityBlock(OmicsBlock):
    """Activity scores as given, or from their components; HbA1c; antibodies of arthritis.

    ======================  ==========================================================================================
    DAS28-CRP               0.56 sqrt(tender) + 0.28 sqrt(swollen) + 0.36 ln(CRP + 1) + 0.014 global + 0.96, CRP in
                            mg/L, global in mm (10.1136/ard.2007.084459)
    DAS28-ESR               0.56 sqrt(tender) + 0.28 sqrt(swollen) + 0.70 ln(ESR) + 0.014 global, ESR in mm/h
                            (10.1002/art.1780380107)
    CDAI of arthritis       tender + swollen + patient's and physician's global in cm (10.1186/ar1740)
    SDAI                    CDAI + CRP in mg/dL (10.1093/rheumatology/keg072)
    HbA1c                   % = 0.09148 mmol/mol + 2.152 (10.1373/clinchem.2003.024802)
    ======================  ==========================================================================================

    Two scores are called CDAI: ``ra_cdai`` (arthritis, 0-76) and ``crohns_cdai`` (Crohn's disease, 0 to about 600). A
    column ``cdai`` is refused.

    Examples
    --------
    >>> table = pd.DataFrame({"tender28": [5], "swollen28": [4], "crp": [12.0], "crp_unit": ["mg/L"],
    ...                       "patient_global": [50], "patient_global_unit": ["mm"]}, index=["p"])
    >>> scores = DiseaseActivityBlock().fit_transform(Cohort.from_tables({"clinical": table}))
    >>> float(scores["disease_activity__das28_crp"].iloc[0].round(2))
    4.4
    """

    spec = BlockSpec(
        "disease_activity",
        "Activity of arthritis, Crohn's disease, depression and diabetes: scores and their components.",
        ("disease_activity", "clinical"),
        (
            Column("tender28", "tender joints of 28", "0-28", example="5|12|2"),
            Column("swollen28", "swollen joints of 28", "0-28", example="4|9|0"),
            Column("crp", "C-reactive protein; '<5' is kept as a limit", f"{units_of('crp')}, by crp_unit",
                   example="12|31|<5"),
            Column("crp_unit", "unit of crp", units_of("crp"), example="mg/L"),
            Column("esr", "erythrocyte sedimentation rate", "mm/h", example="28|52|9"),
            Column("patient_global", "patient's global assessment", "mm (0-100) or cm (0-10)", example="50|72|18"),
            Column("patient_global_unit", "unit of patient_global", "mm or cm", example="mm"),
            Column("physician_global", "physician's global assessment", "mm (0-100) or cm (0-10)", example="42|65|10"),
            Column("physician_global_unit", "unit of physician_global", "mm or cm", example="mm"),
            Column("das28_crp", "DAS28-CRP as given, else computed", "0-10", example=" "),
            Column("das28_esr", "DAS28-ESR as given, else computed", "0-10", example=" "),
            Column("das28", "DAS28 whose formula is not known", "0-10", example=" "),
            Column("ra_cdai", "CDAI of arthritis as given, else computed", "0-76", example=" "),
            Column("sdai", "SDAI as given, else computed", "0-136", example=" "),
            Column("haq", "health assessment questionnaire, disability index", "0-3", example="1.25|1.9|0.4"),
            Column("rf", "rheumatoid factor", "positive/negative, or a number with rf_uln", example="positive|84|6"),
            Column("rf_uln", "upper limit of normal of rf", "as rf", example="14"),
            Column("acpa", "antibodies to citrullinated proteins", "positive/negative, or a number with acpa_uln",
                   example="positive|negative|positive"),
            Column("acpa_uln", "upper limit of normal of acpa", "as acpa", example="20"),
            Column("crohns_cdai", "Crohn's disease activity index", "0-900", example="|255|"),
            Column("calprotectin", "calprotectin in stool; '>1800' is kept as a limit", "ug/g", example="|287|"),
            Column("phq9", "PHQ-9", "0-27", example="|11|4"),
            Column("hamd17", "HAM-D, 17 items", "0-52", example="|19|"),
            Column("hba1c", "glycated haemoglobin", f"{units_of('hba1c')}, by hba1c_unit", example="||7.1"),
            Column("hba1c_unit", "unit of hba1c", units_of("hba1c"), example="%"),
        ),
        (
            Feature("tender28", "joints", "tender joints of 28", "10.1002/art.1780380107"),
            Feature("swollen28", "joints", "swollen joints of 28", "10.1002/art.1780380107"),
            Feature("patient_global", "mm", "patient's global assessment", "10.1002/art.1780380107"),
            Feature("physician_global", "mm", "physician's global assessment", "10.1186/ar1740"),
            Feature("crp", "mg/L", "C-reactive protein", "10.1136/ard.2007.084459", scale="log2"),
            Feature("esr", "mm/h", "erythrocyte sedimentation rate", "10.1002/art.1780380107", scale="log2"),
            Feature("das28_crp", "score", "DAS28 with CRP", "10.1136/ard.2007.084459"),
            Feature("das28_esr", "score", "DAS28 with ESR", "10.1002/art.1780380107"),
            Feature("das28", "score", "DAS28, formula not known", "10.1002/art.1780380107"),
            Feature("ra_cdai", "score", "clinical disease activity index of arthritis", "10.1186/ar1740"),
            Feature("sdai", "score", "simplified disease activity index", "10.1093/rheumatology/keg072"),
            Feature("haq", "score", "disability index of the HAQ", "10.1002/art.1780230202"),
            Feature("rf_positive", "0/1", "rheumatoid factor above its upper limit", "10.1002/art.27584"),
            Feature("acpa_positive", "0/1", "antibodies to citrullinated proteins", "10.1002/art.27584"),
            Feature("crohns_cdai", "score", "Crohn's disease activity index", "PMID:1248701"),
            Feature("calprotectin", "ug/g", "calprotectin in stool", "10.1002/ibd.22917", scale="log2"),
            Feature("phq9", "score", "PHQ-9 of depression", "10.1046/j.1525-1497.2001.016009606.x"),
            Feature("hamd17", "score", "HAM-D of depression, 17 items", "10.1136/jnnp.23.1.56"),
            Feature("hba1c", "% (NGSP)", "glycated haemoglobin", "10.1373/clinchem.2003.024802"),
        ),
    )  # fmt: skip

    def check(self, cohort: Cohort) -> list[Problem]:
        """Refuse what cannot be, what has no unit, and scores that are not those of their components.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        list of Problem
            THX-D13, THX-D15, THX-D16.

        Examples
        --------
        >>> c = Cohort.from_tables({"clinical": pd.DataFrame({"cdai": [12.0]}, index=["p"])})
        >>> DiseaseActivityBlock().check(c)[0].what[:32]
        'is the name of two scores: call '
        """
        found: list[Problem] = []
        where, clash = cohort.column("cdai", self.spec.tables)
        if clash.notna().any():
            what = "is the name of two scores: call it ra_cdai (arthritis, 0-76) or crohns_cdai (Crohn's disease)"
            found.append(Problem("THX-D16", where, what))
        activity = self._read(cohort)
        for reading in activity.read.values():
            found += reading.problems
        for name, made in activity.computed().items():
            apart = ((activity[name] - made).abs() > _AGREES[name]).to_numpy()
            if apart.any():
                what = (
                    f"is not the score of its own components (more than {_AGREES[name]:g} apart): correct one of them "
                    f"(CRP in mg/L, global assessments in mm), or leave {name} empty and it is computed"
                )
                found.append(Problem("THX-D16", cohort.column(name, self.spec.tables)[0], what, _rows(apart)))
        for name in ("rf", "acpa"):
            found += self._antibody(cohort, name)[1]
        return found

    def measure(self, cohort: Cohort) -> Measured:
        """Read what is given, compute what can be.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        Measured
            Coverage is the share of the disease of which most is known.

        Examples
        --------
        >>> c = Cohort.from_tables({"clinical": pd.DataFrame({"hba1c": [53.0], "hba1c_unit": "mmol/mol"}, index=["p"])})
        >>> DiseaseActivityBlock().measure(c).values["hba1c"].round(2).tolist()
        [7.0]
        """
        activity = self._read(cohort)
        computed = activity.computed()
        columns = {name: activity[name] for name in _QUANTITY}
        notes: dict[str, list[str]] = {}
        for name, made in computed.items():
            for i in cohort.ids[(columns[name].isna() & made.notna()).to_numpy()]:
                notes.setdefault(i, []).append(f"{name} computed from its components")
            columns[name] = columns[name].fillna(made)
        for name in ("rf", "acpa"):
            columns[f"{name}_positive"] = self._antibody(cohort, name)[0]
        values = pd.DataFrame({f.name: columns[f.name] for f in self.spec.features})
        limits = pd.DataFrame({name: activity.read[name].limits for name in _WITH_LIMITS})
        for name, of in (("das28_crp", "crp"), ("sdai", "crp"), ("das28_esr", "esr")):
            limits[name] = limits[of].where(activity[name].isna() & computed[name].notna(), 0)
        for name in _WITH_LIMITS:
            for i in cohort.ids[(limits[name] != 0).to_numpy()]:
                notes.setdefault(i, []).append(f"{name} was given as a limit: the limit stands for the value")
        for i, text in (item for reading in activity.read.values() for item in reading.notes.items()):
            notes.setdefault(i, []).append(text)
        coverage = pd.concat([values[list(f)].notna().mean(axis=1) for f in _FAMILIES], axis=1).max(axis=1)
        return Measured.of(values, coverage=coverage, censored=limits, notes=notes)

    def _read(self, cohort: Cohort) -> _Activity:
        tables, block = self.spec.tables, self.spec.name
        read = {
            name: read_quantity(cohort, tables, name, block, of=of, limits=name in _WITH_LIMITS)
            for name, of in _QUANTITY.items()
        }
        return _Activity(read)

    def _antibody(self, cohort: Cohort, name: str) -> tuple[pd.Series, list[Problem]]:
        """Say whether an antibody is there: in words, or by a number over the upper limit of its assay."""
        where, cells = cohort.column(name, self.spec.tables)
        words = self.words(cohort, name)
        said = words.map(_POSITIVE).astype(float)
        titre, problems = to_numbers(cells.mask(said.notna()), where)
        beside, uln = cohort.column(f"{name}_uln", self.spec.tables)
        limit, more = to_numbers(uln, beside)
        lost = (titre.notna() & ~(limit > 0) & ~words.isin(UNKNOWN)).to_numpy()
        if lost.any():
            what = f"needs the upper limit of its assay in {name}_uln; or write positive or negative"
            problems.append(Problem("THX-D16", where, what, _rows(lost)))
        return said.fillna((titre > limit).astype(float).where(titre.notna() & (limit > 0))), problems + more


def _rows(mask: np.ndarray) -> tuple[int, ...]:
    return tuple(int(i) for i in np.flatnonzero(mask))
