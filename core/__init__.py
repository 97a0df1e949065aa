"""Theracast: predict how a patient will respond to a treatment, and say why, how sure, and when not to know.

The front door; names load when they are first used.

Examples
--------
>>> import theracast
>>> theracast.load_cohort("riaz2017_mel").name
'riaz2017_mel'
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_FRONT = {
    "BLOCKS": "theracast.features.blocks",
    "Cohort": "theracast.features.cohort",
    "Experiment": "theracast.models.config",
    "FeatureAssembler": "theracast.features.assembler",
    "FeatureMatrix": "theracast.features.matrix",
    "INDICATIONS": "theracast.models.indications",
    "Predictor": "theracast.predict.predictor",
    "ResponseModel": "theracast.models.base",
    "SelectionModel": "theracast.models.selection",
    "TherapySelector": "theracast.models.selector",
    "datasets": "theracast.features.datasets",
    "load_cohort": "theracast.features.datasets",
    "read_cohort": "theracast.features.readers",
    "train": "theracast.models.train",
}

__all__ = ["__version__", *_FRONT]


def __getattr__(name: str) -> Any:
    if name in _FRONT:
        return getattr(importlib.import_module(_FRONT[name]), name)
    raise AttributeError(f"module 'theracast' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
