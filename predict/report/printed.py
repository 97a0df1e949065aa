"""An explanation as it is printed: rounded so that it still adds up, in words and colours for people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from theracast.predict.explanation import Explanation

#: After Okabe and Ito, safe for colour-blind readers; one colour per block, in the order of the blocks. The purple
#: is darker than theirs, to stand out from white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#B5548A", "#A67C00", "#3C8DBC")
_WORDS = {
    w.replace("-", "").lower(): w for w in ("PD-L1", "TIL", "TMB", "LDH", "ECOG", "ICI", "CTLA-4", "DNA", "NLR", "BMI")
} | {
    "tgf": "TGF",
    "apobec": "APOBEC",
}


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
        owner = points.index.str.split("__").str[0]
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
    exact = parts.round(6)  # else a -1e-18 would be rounded down to -1
    low = np.floor(exact).astype(int)
    order = np.argsort(-(exact - low).to_numpy(), kind="stable")
    up = np.zeros(len(low), dtype=int)
    up[order[: max(total - int(low.sum()), 0)]] = 1
    return low + up


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
    words = [_WORDS.get(w, w) for w in name.split("__")[-1].split("_")]
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
    blocks = dict.fromkeys(c.split("__")[0] for c in explanation.points.columns)
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
