"""Clinical: who the patient is, how far the disease is, and what was given before."""

from __future__ import annotations

import numpy as np
import pandas as pd

from theracast.checks import UNKNOWN, Problem
from theracast.features.base import Measured, OmicsBlock
from theracast.features.cohort import Cohort
from theracast.features.spec import BlockSpec, Column, Feature

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
_YES = {"yes": 1.0, "y": 1.0, "1": 1.0, "1.0": 1.0, "no": 0.0, "n": 0.0, "0": 0.0, "0.0": 0.0}


class ClinicalBlock(OmicsBlock):
    """Age, sex, stage, performance, LDH, earlier treatment, and the class of the planned drug.

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
            Column("ici_target", "target of the planned drug", "PD1, PDL1, CTLA4, PD1+CTLA4", example="PD1"),
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
            Feature("prior_treatment", "0/1", "any earlier systemic treatment", "10.1001/jama.2016.4059"),
            Feature("anti_ctla4_only", "0/1", "the planned drug is anti-CTLA4 alone", "10.1056/NEJMoa1503093", -1),
        ),
    )

    def __init__(self, ldh_uln: float = 250.0) -> None:
        self.ldh_uln = ldh_uln

    def check(self, cohort: Cohort) -> list[Problem]:
        """Refuse ages, sexes and LDH values that cannot be.

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
        odd = ~self.words(cohort, "sex").isin([*_SEX, *_UNKNOWN]).to_numpy()
        if odd.any():
            what = "should be M, F or unknown; write words, codes such as 1/2 differ between hospitals"
            found.append(Problem("THX-D15", where, what, tuple(int(i) for i in np.flatnonzero(odd))))
        where, _ = cohort.column("ldh", self.spec.tables)
        ldh, unit = self.numbers(cohort, "ldh"), self.words(cohort, "ldh_unit")
        multiple = unit.str.contains("uln")
        for rows, should in (
            (multiple & (ldh > _ULN_MOST), f"be in xULN (under {_ULN_MOST:g}); if these are U/L, say so in ldh_unit"),
            (~multiple & (ldh < _LDH_LEAST), f"be in U/L (over {_LDH_LEAST:g}); if these are xULN, say so in ldh_unit"),
        ):
            if rows.any():
                found.append(Problem("THX-D16", where, f"should {should}", tuple(int(i) for i in np.flatnonzero(rows))))
        return found

    def measure(self, cohort: Cohort) -> Measured:
        """Read the clinical table.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        Measured
            Words that are not understood are unknown, with a note.

        Examples
        --------
        >>> c = Cohort.from_tables({"clinical": pd.DataFrame({"ldh": [500.0]}, index=["p"])})
        >>> ClinicalBlock().measure(c).values["ldh"].tolist()
        [2.0]
        """
        notes: dict[str, list[str]] = {}
        ldh, unit = self.numbers(cohort, "ldh"), self.words(cohort, "ldh_unit")
        prior = self.words(cohort, "prior_ici")
        target = self.words(cohort, "ici_target")
        ctla4_only = target.str.contains(r"ctla-?4") & ~target.str.contains("pd")
        values = pd.DataFrame(
            {
                "age": self.numbers(cohort, "age").clip(upper=90),  # older patients are re-identifiable: pooled at 90
                "male": self._coded(cohort, "sex", _SEX, notes),
                "stage": self._coded(cohort, "stage", _STAGE, notes),
                "ecog": self.numbers(cohort, "ecog"),
                "ldh": ldh.where(unit.str.contains("uln"), ldh / self.ldh_uln),
                "prior_ici": (prior != "none").astype(float).mask(prior.isin(_UNKNOWN)),
                "prior_treatment": self._coded(cohort, "prior_treatment", _YES, notes),
                "anti_ctla4_only": ctla4_only.astype(float).mask(target.isin(_UNKNOWN)),
            }
        )
        return Measured.of(values, notes=notes)

    def _coded(self, cohort: Cohort, name: str, codes: dict[str, float], notes: dict[str, list[str]]) -> pd.Series:
        words = self.words(cohort, name)
        for i in words.index[~words.isin([*codes, *_UNKNOWN])]:
            notes.setdefault(i, []).append(f"{name} is written in a way that is not known here: left out")
        return words.map(codes).astype(float)
