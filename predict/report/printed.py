"""An explanation as it is printed: rounded so that it still adds up, in words and colours for people."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from theracast.features.feature_names import bare_name, block_of
from theracast.predict.explanation import Explanation

#: After Okabe and Ito, safe for colour-blind readers; one colour per block, in the order of the blocks. The purple
#: is darker than theirs, to stand out from white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#B5548A", "#A67C00", "#3C8DBC")
_WORDS = {
    w.replace("-", "").lower(): w
    for w in (
        "PD-L1", "PD-1", "TIL", "TMB", "LDH", "ECOG", "ICI", "CTLA-4", "DNA", "RNA", "mRNA", "miRNA", "ctDNA", "NLR",
        "BMI", "TGF", "APOBEC", "MSI", "CRP", "ESR", "DAS28", "CDAI", "SDAI", "HAQ", "RF", "ACPA", "PHQ-9", "HAMD-17",
        "HbA1c", "RA", "NK", "SD", "CV", "IQR", "GMI", "LBGI", "HBGI", "GRI", "ADRR", "MAGE", "MODD", "CONGA", "MAG",
        "GVP", "COGI", "PGS", "HRV", "RMSSD", "RMSE", "DERAA", "IL", "IFN",
    )
} | {"crohns": "Crohn's"}  # fmt: skip
#: Names that no rule turns into words.
_NAMES = {
    "tender28": "tender joints of 28",
    "swollen28": "swollen joints of 28",
    "das28_crp": "DAS28-CRP",
    "das28_esr": "DAS28-ESR",
    "n_hotspots": "number of hotspots",
    "n_samples": "number of samples",
    "anti_ctla4_only": "anti-CTLA-4 only",
    "in_70_180": "time in 70–180 mg/dL",
    "in_70_140": "time in 70–140 mg/dL",
    "below_70": "time below 70 mg/dL",
    "below_54": "time below 54 mg/dL",
    "above_180": "time above 180 mg/dL",
    "above_250": "time above 250 mg/dL",
}
_SCALE, _LONG = re.compile(r"\d ?[-–] ?\d"), 12
_CODED = re.compile(r"^\d-\d$")
#: Said by the name already, or by nobody.
_BARE = {"ratio", "score", "count", "share", "fraction", "joints", "ordered code", "z", "lines", "copies"}


@dataclass(frozen=True)
class Printed:
    """One explanation in percent with one decimal, rounded so that the printed figures add up exactly.

    Attributes
    ----------
    reference, prediction : float
        Probabilities, in percent.
    blocks, features : Series of float
        Contributions in percentage points; each is its exact value rounded up or down to the next 0.1, and both
        sum to prediction minus reference as printed.

    Examples
    --------
    >>> Printed(30.0, 34.1, pd.Series({"pathology": 4.1}), pd.Series({"pathology__til": 4.1})).prediction
    34.1
    """

    reference: float
    prediction: float
    blocks: pd.Series
    features: pd.Series

    @classmethod
    def of(cls, explanation: Explanation, patient_id: str) -> Printed | None:
        """Round one patient's explanation.

        Parameters
        ----------
        explanation : Explanation
            Of several patients.
        patient_id : str
            One of them.

        Returns
        -------
        Printed or None
            None where the explanation is withheld, or the patient has none.

        Examples
        --------
        >>> from types import SimpleNamespace
        >>> e = SimpleNamespace(points=pd.DataFrame({"a__x": [0.0407], "a__y": [0.0001]}, index=["p"]),
        ...                     reference=pd.Series({"p": 0.3}), probability=pd.Series({"p": 0.3408}))
        >>> Printed.of(e, "p").features.tolist()
        [4.1, 0.0]
        """
        if patient_id not in explanation.points.index:
            return None
        points = explanation.points.loc[patient_id].astype(float)
        if points.isna().any():
            return None
        start, end = (round(1000 * float(s[patient_id])) for s in (explanation.reference, explanation.probability))
        owner = points.index.map(block_of)
        blocks = apportion(1000 * points.groupby(owner, sort=False).sum(), end - start)
        parts = [apportion(1000 * points[owner == b], tenths) for b, tenths in blocks.items()]
        features = pd.concat(parts).reindex(points.index)
        return cls(start / 10, end / 10, blocks / 10, features / 10)


def apportion(parts: pd.Series, total: int) -> pd.Series:
    """Round parts to integers that sum to a total, by largest remainders.

    Parameters
    ----------
    parts : Series of float
        Sum to `total`, but for rounding.
    total : int
        What the rounded parts must sum to.

    Returns
    -------
    Series of int
        Each part rounded up or down.

    Examples
    --------
    >>> apportion(pd.Series([1.4, 1.4, 1.2]), 4).tolist()
    [2, 1, 1]
    """
    exact = np.round(parts.to_numpy(dtype=float), 6)  # else a -1e-18 would be rounded down to -1
    low = np.floor(exact).astype(int)
    left, lacking = exact - low, total - int(low.sum())
    # start and end are rounded too, so that one more or less may be needed: the heaviest part bears it, never a zero
    order = np.lexsort((-np.abs(exact), -left if lacking > 0 else left))
    np.add.at(low, np.resize(order, abs(lacking)), 1 if lacking > 0 else -1)
    return pd.Series(low, index=parts.index)


def readable(name: str) -> str:
    """Turn a name of the code into one for people.

    Parameters
    ----------
    name : str
        Feature or block, with or without its block.

    Returns
    -------
    str
        Words, with abbreviations as they are usually written.

    Examples
    --------
    >>> readable("pathology__pdl1"), readable("t_cell_inflamed")
    ('PD-L1', 'T cell inflamed')
    """
    bare = bare_name(name)
    if bare in _NAMES:
        return _NAMES[bare]
    words = [_WORDS.get(w, w) for w in bare.split("_")]
    return " ".join([words[0].upper() if len(words[0]) == 1 else words[0], *words[1:]])


def number(value: float) -> str:
    """Write a measured value with three significant digits.

    Parameters
    ----------
    value : float
        In its native unit.

    Returns
    -------
    str
        An en dash where it is not known.

    Examples
    --------
    >>> number(0.45678), number(12345.6), number(float("nan"))
    ('0.457', '12,346', '–')
    """
    if np.isnan(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}".replace("-", "−")


def value_in(unit: str, value: float) -> str:
    """Write a measured value with its unit; a yes or no in words.

    Parameters
    ----------
    unit : str
        Of the feature; ``"0/1"`` is a yes or no.
    value : float
        In that unit.

    Returns
    -------
    str
        For people.

    Examples
    --------
    >>> value_in("mut/Mb", 9.4), value_in("0/1", 1.0)
    ('9.4 mut/Mb', 'yes')
    """
    if unit == "0/1":
        return "–" if np.isnan(value) else "yes" if value >= 0.5 else "no"
    return f"{number(value)} {unit}".strip()


def measured(unit: str, value: float, about: str = "") -> str:
    """Write a measured value for a sentence: codes in words, and no unit where it is a scale or says nothing.

    Parameters
    ----------
    unit : str
        Of the feature.
    value : float
        In that unit.
    about : str, optional
        What the feature is; that of a code says what each code stands for.

    Returns
    -------
    str
        For people; ``not known`` where it is not known.

    Examples
    --------
    >>> measured("mut/Mb", 9.4), measured("ratio", 9.1), measured("0-2", 1.0, "0 never, 1 former, 2 current")
    ('9.4 mut/Mb', '9.1', 'former')
    """
    if np.isnan(value):
        return "not known"
    if unit == "0/1":
        return value_in(unit, value)
    codes = dict(re.findall(r"\b(\d) ([^,;]+)", about)) if _CODED.match(unit) else {}
    if codes and f"{value:g}" in codes:
        return codes[f"{value:g}"]
    return value_in("" if unit in _BARE or _SCALE.search(unit) or len(unit) > _LONG else unit, value)


def stand_in(feature: str) -> str:
    """Name what stood in where a value was not measured itself.

    Parameters
    ----------
    feature : str
        ``<block>__<feature>``.

    Returns
    -------
    str
        For people.

    Examples
    --------
    >>> stand_in("pathology__pdl1"), stand_in("mutations__tmb")
    ('mRNA proxy', 'stand-in')
    """
    return "mRNA proxy" if feature.startswith("pathology__") else "stand-in"


def colours(explanation: Explanation) -> dict[str, str]:
    """Give each block its colour.

    Parameters
    ----------
    explanation : Explanation
        Its features name the blocks.

    Returns
    -------
    dict of str to str
        Block to hexadecimal colour.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> colours(SimpleNamespace(points=pd.DataFrame(columns=["pathology__til", "mutations__tmb"])))["mutations"]
    '#D55E00'
    """
    blocks = dict.fromkeys(block_of(c) for c in explanation.points.columns)
    return {b: PALETTE[i % len(PALETTE)] for i, b in enumerate(blocks)}


def signed(points: float) -> str:
    """Write a contribution with its sign and one decimal.

    Parameters
    ----------
    points : float
        In percentage points.

    Returns
    -------
    str
        Nothing is neither plus nor minus.

    Examples
    --------
    >>> signed(4.1), signed(-0.52), signed(-0.01)
    ('+4.1', '−0.5', '0.0')
    """
    return "0.0" if abs(points) < 0.05 else f"{points:+.1f}".replace("-", "−")
