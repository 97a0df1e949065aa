"""LORIS: logistic scores from burden, blood, age, earlier treatment and cancer type or PD-L1."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import expit

from theracast.checks import UNKNOWN
from theracast.features.blocks import BLOCKS
from theracast.features.cohort import Cohort
from theracast.features.stains import read_stains
from theracast.features.tables import load_table
from theracast.models.published.levels import sum_known
from theracast.models.published.readings import readings, refused
from theracast.models.published.spec import PublishedScore

_TYPE = "type:"
_CLINICAL = ["prior_treatment", "albumin", "nlr", "age"]
#: Blocks give albumin in g/L, the formula takes g/dL.
_PER_DECILITRE = 10.0


def measure_pan(cohort: Cohort, unlisted: str = "nan") -> pd.Series:
    """Score by the pan-cancer formula.

    CNS tumours and unknown primaries have no term of their own and are scored without one, as the authors did for
    their cohort MSK2.

    Parameters
    ----------
    cohort : Cohort
        With burden, earlier treatment, albumin, NLR (or its counts), age and ``cancer_type``.
    unlisted : {"nan", "zero"}, default "nan"
        What a named cancer type that stands nowhere in ``tables/loris.csv`` means: not known, or no cancer term.

    Returns
    -------
    Series of float64
        Probability of response at a response rate of one half (the authors balanced the classes): read its order, not
        its level. NaN where anything it needs is not known.

    Raises
    ------
    DataError
        When a whole column is refused by its block.

    Examples
    --------
    >>> table = pd.DataFrame({"tmb": 60.0, "tmb_unit": "mut/Mb", "prior_treatment": "no", "albumin": 4.0, "nlr": 3.0,
    ...     "age": 60, "cancer_type": ["Melanoma", "Kidney", "Thyroid"]}, index=list("abc"))
    >>> measure_pan(Cohort.from_tables({"clinical": table})).round(4).tolist()
    [0.8914, 0.9346, nan]
    """
    rows = load_table("loris").query("model == 'pan'").set_index("term")
    types = _cancer_types(cohort)
    of_type = (_TYPE + types).map(rows["weight"])
    if unlisted == "zero":
        of_type = of_type.where(of_type.notna() | types.isin(UNKNOWN), 0.0)
    return expit(_score("pan", _common(cohort)) + of_type)


def measure_nsclc(cohort: Cohort) -> pd.Series:
    """Score patients with non-small-cell lung cancer by their own formula.

    Parameters
    ----------
    cohort : Cohort
        With burden, PD-L1 as a tumour proportion score, earlier treatment, albumin and NLR (or its counts).

    Returns
    -------
    Series of float64
        Probability of response at a response rate of one half. NaN for other cancers, and where anything it needs is
        not known; a PD-L1 that was reported as a range, or by another score than TPS, is not.

    Raises
    ------
    DataError
        When a whole column is refused by its block.

    Examples
    --------
    >>> table = pd.DataFrame({"tmb": 10.0, "tmb_unit": "mut/Mb", "prior_treatment": "yes", "albumin": 4.0, "nlr": 3.0,
    ...     "pdl1": 50, "pdl1_unit": ["TPS %", "CPS"], "cancer_type": "NSCLC"}, index=list("ab"))
    >>> measure_nsclc(Cohort.from_tables({"clinical": table})).round(4).tolist()
    [0.5281, nan]
    """
    block = BLOCKS["pathology"](proxies=False)
    stains = read_stains(cohort, block.spec.tables, "pdl1")
    known = (stains.kinds == "tps") & (stains.low == stains.high) & ~refused(block, cohort, ["pdl1"])["pdl1"]
    inputs = _common(cohort).assign(pdl1=stains.low.where(known))
    score = expit(_score("nsclc", inputs))
    return score.where(_cancer_types(cohort) == "NSCLC")


def _common(cohort: Cohort) -> pd.DataFrame:
    clinical = readings(BLOCKS["clinical"](), cohort, _CLINICAL)
    tmb = readings(BLOCKS["mutations"](), cohort, ["tmb"])
    return clinical.assign(albumin=clinical["albumin"] / _PER_DECILITRE, tmb=tmb["tmb"])


def _score(model: str, inputs: pd.DataFrame) -> pd.Series:
    """Log-odds from the capped inputs; a term that is not known makes the sum unknown."""
    rows = load_table("loris").query("model == @model").set_index("term")
    terms = [t for t in rows.index if t != "intercept" and not t.startswith(_TYPE)]
    capped = inputs[terms].clip(upper=rows["cap"][terms].fillna(np.inf), axis=1)
    total = rows["weight"]["intercept"] + sum_known(capped.mul(rows["weight"][terms], axis=1))
    return total.where(capped.notna().all(axis=1))


def _cancer_types(cohort: Cohort) -> pd.Series:
    """Name each cancer as the formula does; other words stay in lower case."""
    names: dict[str, str] = {}
    for row in load_table("loris").itertuples():
        if row.term.startswith(_TYPE):
            name = row.term.removeprefix(_TYPE)
            names |= dict.fromkeys((name.lower(), *str(row.also).split("|")), name)
    _, said = cohort.column("cancer_type", ["clinical"])
    words = said.astype(object).where(said.notna(), "").map(lambda w: str(w).strip().lower())
    return words.map(lambda w: names.get(w, w))


_NEEDS = ("clinical:prior_treatment", "clinical:albumin", "clinical:nlr", "mutations:tmb", "mutations:tmb_unit")
_BALANCED = "Its classes were balanced: its level is that of a response rate of one half."

LORIS_PAN = PublishedScore(
    name="loris_pan",
    title="LORIS, pan-cancer",
    about=f"Six clinical features; trained on loris_chowell_train_pan. {_BALANCED}",
    reference="10.1038/s43018-024-00772-7",
    needs=(*_NEEDS, "clinical:age", "clinical:cancer_type"),
    measure=measure_pan,
    unit="probability",
    is_probability=True,
)

LORIS_NSCLC = PublishedScore(
    name="loris_nsclc",
    title="LORIS, NSCLC",
    about=f"Adds the PD-L1 tumour proportion score; non-small-cell lung cancer only. {_BALANCED}",
    reference="10.1038/s43018-024-00772-7",
    needs=(*_NEEDS, "pathology:pdl1", "pathology:pdl1_unit", "clinical:cancer_type"),
    measure=measure_nsclc,
    unit="probability",
    is_probability=True,
)
