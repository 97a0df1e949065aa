"""PublishedScore: one score of the literature, as its paper defines it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from theracast.features.cohort import Cohort


@dataclass(frozen=True)
class PublishedScore:
    """A score that others published, to be measured against.

    Nothing is fitted, ranked or standardised within the cohort: a patient scores alone as in a crowd.

    Attributes
    ----------
    name, title, about : str
        Identifier, readable title, and what to know before comparing with it.
    reference : str
        DOI of the paper.
    needs : tuple of str
        What it reads, as ``table:column``.
    measure : callable
        Takes a cohort and gives a Series of float64 indexed by its ids: higher means likelier to respond, NaN means
        that something it needs is not known.
    unit : str
        Of the score.
    is_probability : bool
        Whether it claims to be a probability of response.

    Examples
    --------
    >>> from theracast.models.published import PUBLISHED
    >>> PUBLISHED["cytolytic"].needs
    ('expression:GZMA', 'expression:PRF1', 'signatures:CytoxAct_Rooney')
    """

    name: str
    title: str
    about: str
    reference: str
    needs: tuple[str, ...]
    measure: Callable[[Cohort], pd.Series]
    unit: str
    is_probability: bool = False
