"""Clinical: who the patient is, how far the disease is, and what was given before."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from theracast.checks import UNKNOWN, Problem
from theracast.features.base import Measured, OmicsBlock
from theracast.features.cohort import Cohort
from theracast.features.remarks import Remarks
from theracast.features.spec import BlockSpec, Column, Feature
from theracast.features.units import Reading, read_quantity, units_of
from theracast.texts import Texts

_SEX = {"m": 1.0, "male": 1.0, "man": 1.0, "f": 0.0, "female": 0.0, "woman": 0.0}
_UNKNOWN = UNKNOWN | {"u"}
#: U/L are over the first, multiples of the upper limit of normal under the second.
_LDH_LEAST, _ULN_MOST = 20.0, 80.0
#: Melanoma by AJCC 7: M1c (visceral, or raised LDH) is the worst. Plain stages stand where the substage is unknown.
_STAGE = {
    **dict.fromkeys(("i", "ii", "ia", "ib", "iia", "iib", "iic"), 0.0),
    **dict.fromkeys(("iii", "iiia", "iiib", "iiic", "iiid", "m0"), 1.0),
    "m1a": 2.0, "m1b": 3.0, "m1c": 4.0, "m1d": 4.0, "iv": 3.0, "iva": 2.0, "ivb": 3.0, "ivc": 4.0,
}  # fmt: skip
_ODD = "{} is written in a way that is not known here: left out"
_YES = {"yes": 1.0, "y": 1.0, "1": 1.0, "1.0": 1.0, "no": 0.0, "n": 0.0, "0": 0.0, "0.0": 0.0}
#: A word that names no drug class is unknown, not one of the two classes.
_ICI, _NO_ICI = (
    r"ctla|pd-?l?-?1|nivo|pembro|ipili|atezo|durva|avelu|^(?:yes|y|1|1\.0)$",
    r"^(?:none|no|n|0|0\.0|never)$",
)
_TARGET = r"ctla|pd-?l?-?1|lag-?3|^other$"
_SMOKING = {
    "never": 0.0,
    "non-smoker": 0.0,
    "former": 1.0,
    "ex": 1.0,
    "previous": 1.0,
    "ex-smoker": 1.0,
    "current": 2.0,
}
_LDH_UNITS = r"uln|u/l|units?/l"
#: Read in the units of ``tables/lab_units.csv``.
_MEASURED = ("albumin", "creatinine", "glucose", "neutrophils", "lymphocytes", "nlr", "prior_lines", "bmi", "weight",
             "height", "pack_years")  # fmt: skip
#: The features that every clinic knows; blood and build are measured against their own kind.
_WHO = ("age", "male", "stage", "ecog", "ldh", "prior_ici", "prior_treatment", "anti_ctla4_only")
#: A ratio further than this from its own counts was not made from them.
_NLR_TOLERANCE = 0.15


def _measured(name: str, about: str, example: str, unit_example: str = "") -> tuple[Column, ...]:
    value = Column(name, about, f"{units_of(name)}, by {name}_unit", example=example)
    return (value, Column(f"{name}_unit", f"unit of {name}", units_of(name), example=unit_example or units_of(name)))


class ClinicalBlock(OmicsBlock):
    """Age, sex, stage, performance, blood values, build, smoking, earlier treatment, and the class of the planned drug.

    Blood values are read in the unit that a column ``<name>_unit`` or ``units.yaml`` declares, else in the first unit
    of ``tables/lab_units.csv``; NLR is read, or made from the counts, BMI is read, or made from weight and height.
    The tumour type is no feature here: `FeatureMatrix.tumours` carries it, and a model says which types it knows.

    Parameters
    ----------
    ldh_uln : float, default 250
        Upper limit of normal of LDH, in U/L, for values that are not given as a multiple of it.

    Examples
    --------
    >>> c = Cohort.from_tables({"clinical": pd.DataFrame({"age": [61], "sex": ["F"], "stage": ["M1c"]}, index=["p1"])})
    >>> ClinicalBlock().fit_transform(c)[["clinical__age", "clinical__male", "clinical__stage"]].iloc[0].tolist()
    [61.0, 0.0, 4.0]
    """

    spec = BlockSpec(
        "clinical",
        "The patient, the stage, earlier treatment and the planned drug.",
        ("clinical",),
        (
            Column("age", "age at the start of treatment", "years", 0, 120, "THX-D15", "63|48|71"),
            Column("sex", "sex", "M, F or unknown", code="THX-D15", example="F|M|F"),
            Column("stage", "AJCC stage or M category", "III, IV, M1a, M1b, M1c", example="M1b|III|M1c"),
            Column("ecog", "ECOG performance status", "0-4", 0, 4, "THX-D16", "1"),
            Column("ldh", "lactate dehydrogenase", "U/L, or xULN by ldh_unit", 0, 20_000, "THX-D16", "310"),
            Column("ldh_unit", "unit of ldh", "U/L or xULN", example="U/L"),
            Column("prior_ici", "earlier checkpoint inhibitor", "none, CTLA4, PD1", example="none"),
            Column("prior_treatment", "any earlier systemic treatment", "yes, no", example="no"),
            Column("cancer_type", "tumour type", "a name or spelling of tables/tumour_types.csv", example="melanoma"),
            Column("ici_target", "target of the planned drug", "PD1, PDL1, CTLA4, PD1+CTLA4", example="PD1"),
            *_measured("albumin", "serum albumin", "41", "g/L"),
            *_measured("creatinine", "serum creatinine", "78", "umol/L"),
            *_measured("glucose", "plasma glucose, fasting", "5.2", "mmol/L"),
            *_measured("neutrophils", "neutrophils in blood", "4.2", "10^9/L"),
            *_measured("lymphocytes", "lymphocytes in blood", "1.5", "10^9/L"),
            Column("nlr", "neutrophil-to-lymphocyte ratio, where no counts are given", "ratio", example="2.8"),
            Column("prior_lines", "earlier lines of systemic treatment", "lines", example="1"),
            Column("bmi", "body-mass index, where no weight and height are given", "kg/m2", example="24.8"),
            *_measured("weight", "body weight", "71", "kg"),
            *_measured("height", "body height", "169", "cm"),
            Column("smoking_status", "smoking", "never, former, current", example="former"),
            Column("pack_years", "packs a day times years", "pack-years", example="20"),
        ),
        (
            Feature("age", "years", "age at the start of treatment", "10.1158/1078-0432.CCR-18-1116"),
            Feature("male", "0/1", "sex: 1 male, 0 female", "10.1016/S1470-2045(18)30261-4"),
            Feature("stage", "0-4", "0 I-II, 1 III, 2 M1a, 3 M1b, 4 M1c", "10.1200/JCO.2009.23.4799", -1),
            Feature("ecog", "0-4", "ECOG performance status", "PMID:7165009", -1),
            Feature(
                "ldh",
                "xULN",
                "lactate dehydrogenase over its upper limit of normal",
                "10.1200/JCO.2009.23.4799",
                -1,
                "log2",
            ),
            Feature("prior_ici", "0/1", "an earlier checkpoint inhibitor", "10.1001/jama.2016.4059"),
            Feature("prior_treatment", "0/1", "any earlier systemic treatment", "10.1038/s43018-024-00772-7", -1),
            Feature("anti_ctla4_only", "0/1", "the planned drug is anti-CTLA4 alone", "10.1056/NEJMoa1503093", -1),
            Feature("albumin", "g/L", "serum albumin", "10.1038/s43018-024-00772-7", 1),
            Feature("creatinine", "umol/L", "serum creatinine", "10.7326/0003-4819-130-6-199903160-00002"),
            Feature("glucose", "mmol/L", "plasma glucose, fasting", "10.2337/dc24-S002"),
            Feature("nlr", "ratio", "neutrophils over lymphocytes", "10.1038/s43018-024-00772-7", -1, most=25.0),
            Feature("prior_lines", "lines", "earlier lines of systemic treatment", "10.1038/s43018-024-00772-7"),
            Feature("bmi", "kg/m2", "body-mass index", "10.1016/S1470-2045(18)30078-0"),
            Feature("smoking", "0-2", "0 never, 1 former, 2 current", "10.1126/science.aaa1348"),
            Feature("pack_years", "pack-years", "packs a day times years", "10.1126/science.aaa1348", scale="log2"),
        ),
    )

    def __init__(self, ldh_uln: float = 250.0) -> None:
        self.ldh_uln = ldh_uln

    def check(self, cohort: Cohort) -> list[Problem]:
        """Refuse ages, sexes and blood values that cannot be, and name the unit that they would fit.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        list of Problem
            THX-D15, THX-D16.

        Examples
        --------
        >>> c = Cohort.from_tables({"clinical": pd.DataFrame({"sex": ["1"]}, index=["p"])})
        >>> ClinicalBlock().check(c)[0].what
        'should be M, F or unknown; write words, codes such as 1/2 differ between hospitals'
        """
        found = super().check(cohort)
        where, _ = cohort.column("sex", self.spec.tables)
        odd = ~self.texts(cohort, "sex").isin({*_SEX, *_UNKNOWN})
        if odd.any():
            what = "should be M, F or unknown; write words, codes such as 1/2 differ between hospitals"
            found.append(Problem("THX-D15", where, what, tuple(int(i) for i in np.flatnonzero(odd))))
        where, _ = cohort.column("ldh", self.spec.tables)
        ldh, unit = self.numbers(cohort, "ldh").to_numpy(), self.texts(cohort, "ldh_unit")
        multiple = unit.matches("uln")
        for rows, should in (
            (
                ~np.isnan(ldh) & ~unit.isin(_UNKNOWN) & ~unit.matches(_LDH_UNITS),
                "have the unit U/L or xULN in ldh_unit; multiply ukat/L by 60",
            ),
            (multiple & (ldh > _ULN_MOST), f"be in xULN (under {_ULN_MOST:g}); if these are U/L, say so in ldh_unit"),
            (~multiple & (ldh < _LDH_LEAST), f"be in U/L (over {_LDH_LEAST:g}); if these are xULN, say so in ldh_unit"),
        ):
            if rows.any():
                found.append(Problem("THX-D16", where, f"should {should}", tuple(int(i) for i in np.flatnonzero(rows))))
        readings = self._readings(cohort)
        found += [problem for reading in readings.values() for problem in reading.problems]
        nlr, made = _ratio({name: reading.values for name, reading in readings.items()})
        apart = ((nlr - made).abs() > _NLR_TOLERANCE * made).to_numpy()
        if apart.any():
            where, _ = cohort.column("nlr", self.spec.tables)
            what = "is not neutrophils / lymphocytes as given; correct one of the three, or leave nlr empty"
            found.append(Problem("THX-D16", where, what, tuple(int(i) for i in np.flatnonzero(apart))))
        return found

    def ignored(self, cohort: Cohort) -> list[Problem]:
        """List words of stage, smoking, earlier treatment and drug that are not known here.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        list of Problem
            THX-D20.

        Examples
        --------
        >>> c = Cohort.from_tables({"clinical": pd.DataFrame({"ici_target": ["anti-X"]}, index=["p"])})
        >>> ClinicalBlock().ignored(c)[0].what
        'holds words that are not known here; write PD1, PDL1, CTLA4, PD1+CTLA4, or leave the cell empty'
        """
        said = {n: Remarks(cohort.ids) for n in ("stage", "prior_treatment", "smoking_status")}
        for (name, odd), codes in zip(said.items(), (_STAGE, _YES, _SMOKING), strict=True):
            self._coded(cohort, name, codes, odd)
        for name, pattern in (("prior_ici", f"{_ICI}|{_NO_ICI}"), ("ici_target", _TARGET)):
            self._named(cohort, name, pattern, said.setdefault(name, Remarks(cohort.ids)))
        units = {c.name: c.unit for c in self.spec.inputs}
        what = "holds words that are not known here; write {}, or leave the cell empty"
        return [
            Problem("THX-D20", cohort.column(name, self.spec.tables)[0], what.format(units[name]),
                    tuple(int(i) for i in np.flatnonzero(odd.concerned)))
            for name, odd in said.items() if odd
        ]  # fmt: skip

    def measure(self, cohort: Cohort) -> Measured:
        """Read the clinical table.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        Measured
            Words that are not understood are unknown, with a note. Coverage is that of the better known half: who the
            patient is and what was given, or blood, build and smoking.

        Examples
        --------
        >>> c = Cohort.from_tables({"clinical": pd.DataFrame({"ldh": [500.0]}, index=["p"])})
        >>> ClinicalBlock().measure(c).values["ldh"].tolist()
        [2.0]
        """
        notes = Remarks(cohort.ids)
        ldh, unit = self.numbers(cohort, "ldh"), self.texts(cohort, "ldh_unit")
        prior = self._named(cohort, "prior_ici", f"{_ICI}|{_NO_ICI}", notes)
        target = self._named(cohort, "ici_target", _TARGET, notes)
        ctla4_only = target.matches(r"ctla-?4") & ~target.matches("pd")
        readings = self._readings(cohort)
        for reading in readings.values():
            notes.extend({i: [text] for i, text in reading.notes.items()})
        read = {name: reading.values for name, reading in readings.items()}
        nlr, made = _ratio(read)
        values = pd.DataFrame(
            {
                "age": self.numbers(cohort, "age").clip(upper=90),  # older patients are re-identifiable: pooled at 90
                "male": self._coded(cohort, "sex", _SEX, notes),
                "stage": self._coded(cohort, "stage", _STAGE, notes),
                "ecog": self.numbers(cohort, "ecog"),
                "ldh": ldh.where(unit.matches("uln"), ldh / self.ldh_uln),
                "prior_ici": np.where(prior.isin(_UNKNOWN), np.nan, ~prior.matches(_NO_ICI)),
                "prior_treatment": self._coded(cohort, "prior_treatment", _YES, notes),
                "anti_ctla4_only": np.where(target.isin(_UNKNOWN), np.nan, ctla4_only),
                "albumin": read["albumin"],
                "creatinine": read["creatinine"],
                "glucose": read["glucose"],
                "nlr": nlr.fillna(made),
                "prior_lines": read["prior_lines"],
                "bmi": read["bmi"].fillna(read["weight"] / (read["height"] / 100.0) ** 2),
                "smoking": self._coded(cohort, "smoking_status", _SMOKING, notes),
                "pack_years": read["pack_years"],
            }
        )
        known = values.notna()
        coverage = np.fmax(known[list(_WHO)].mean(axis=1), known.drop(columns=list(_WHO)).mean(axis=1))
        return Measured.of(values, coverage=coverage, notes=notes)

    def _readings(self, cohort: Cohort) -> dict[str, Reading]:
        return {name: read_quantity(cohort, self.spec.tables, name, "clinical") for name in _MEASURED}

    def _named(self, cohort: Cohort, name: str, pattern: str, notes: Remarks) -> Texts:
        """Read words that name a drug class; others become unknown, with a note."""
        words, known = self.texts(cohort, name), re.compile(pattern)

        def odd(word: str) -> bool:
            return word not in _UNKNOWN and known.search(word) is None

        notes.add(words.read(odd, bool), _ODD.format(name))
        return words.map(lambda word: "" if odd(word) else word)

    def _coded(self, cohort: Cohort, name: str, codes: dict[str, float], notes: Remarks) -> np.ndarray:
        words = self.texts(cohort, name)
        notes.add(~words.isin({*codes, *_UNKNOWN}), _ODD.format(name))
        return words.read(lambda word: codes.get(word, np.nan), np.float64)


def _ratio(read: Mapping[str, pd.Series]) -> tuple[pd.Series, pd.Series]:
    """Neutrophils over lymphocytes, as given and as made from the counts; no lymphocytes, no ratio."""
    lymphocytes = read["lymphocytes"]
    return read["nlr"], read["neutrophils"] / lymphocytes.where(lymphocytes > 0)
