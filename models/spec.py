"""ResponseSpec: what a model predicts, for whom, from what, and what it is not for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ResponseSpec:
    """One indication, as data.

    Attributes
    ----------
    name, title : str
        Identifier and readable title.
    endpoint, horizon, population : str
        What 'response' means, when it is judged, and in whom.
    blocks : tuple of str
        Blocks that are used where they are known.
    core : tuple of str
        At least one of these must be known, or the model abstains.
    min_coverage : mapping of str to float
        Per block, the least share of its inputs with which it was tested; below it the model abstains.
    tumours : tuple of str
        Tumour types of the population (`theracast.features.tumours`); empty: any that the model was trained on.
    cohorts : tuple of str
        Training and validation cohorts.
    holdout : tuple of str
        Cohorts that are never trained on.
    intended_use, not_for : str
        For the report and the card.
    references : tuple of str
        DOIs.

    Examples
    --------
    >>> from theracast.models.indications import INDICATIONS
    >>> INDICATIONS["melanoma_ici"].core
    ('pathology', 'signatures')
    """

    name: str
    title: str
    endpoint: str
    horizon: str
    population: str
    blocks: tuple[str, ...]
    core: tuple[str, ...]
    cohorts: tuple[str, ...]
    holdout: tuple[str, ...]
    intended_use: str
    not_for: str
    references: tuple[str, ...] = ()
    tumours: tuple[str, ...] = ()
    min_coverage: Mapping[str, float] = field(default_factory=dict)
