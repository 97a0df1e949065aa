"""What a block reads and what it gives, as data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Column:
    """One input column of a patients' table.

    Attributes
    ----------
    name, about : str
        Name in the table; what it holds.
    unit : str
        Unit, or the accepted words of a category.
    low, high : float
        Plausible range, inclusive; NaN for text.
    code : str
        Error code of a value outside the range.
    example : str
        A cell a user could write, or one per patient: ``"63|48|71"``.

    Examples
    --------
    >>> Column("age", "age at the start of treatment", "years", 0, 120, "THX-D15", "63").high
    120
    """

    name: str
    about: str
    unit: str = ""
    low: float = math.nan
    high: float = math.nan
    code: str = "THX-D16"
    example: str = ""


@dataclass(frozen=True)
class Feature:
    """One output column of a block.

    Attributes
    ----------
    name, unit, about : str
        Name without the block; native unit; meaning in a few words.
    reference : str
        DOI or PMID.
    direction : {-1, 0, 1}
        +1: higher is expected to mean 'more likely to respond'; 0: no expectation.
    scale : {"linear", "log2"}
        Scale on which differences mean the same: ``log2`` stands for log2(1 + x).
    most : float
        To a model, a higher value counts as this much (a published cut); the feature itself stays as measured.

    Examples
    --------
    >>> Feature("tmb", "mut/Mb", "tumour mutational burden", direction=1, most=50.0).most
    50.0
    """

    name: str
    unit: str
    about: str
    reference: str = ""
    direction: Literal[-1, 0, 1] = 0
    scale: Literal["linear", "log2"] = "linear"
    most: float = math.inf


@dataclass(frozen=True)
class BlockSpec:
    """One omics layer: its tables, inputs and features.

    Attributes
    ----------
    name, about : str
        Name of the block; one sentence.
    tables : tuple of str
        Tables in which the inputs are looked for, first match wins.
    inputs : tuple of Column
        What it reads.
    features : tuple of Feature
        What it gives.

    Examples
    --------
    >>> BlockSpec("mutations", "burden", ("mutations",), (), (Feature("tmb", "mut/Mb", ""),)).features[0].unit
    'mut/Mb'
    """

    name: str
    about: str
    tables: tuple[str, ...]
    inputs: tuple[Column, ...]
    features: tuple[Feature, ...]
