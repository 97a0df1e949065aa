"""What is known of a site whose table is too long to hold: its response rate, matched chunk by chunk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from theracast.features.cohort import Cohort
from theracast.features.intake import split_wide
from theracast.models.recalibration import Recalibration
from theracast.predict.predictor import Predictor, Standing
from theracast.predict.stream_repeats import find_repeats
from theracast.predict.stream_size import rows_at_once
from theracast.predict.stream_source import open_source


def site_of(
    source: Any, predictor: Predictor, rate: float, *, chunk_rows: int | None, units: Mapping[str, str] | None = None
) -> Recalibration:
    """Move a model to the response rate of a site, as `Predictor.site` does with the whole table.

    Parameters
    ----------
    source : object
        As `open_source` takes it; read once more than for the scores. 16 bytes a row are kept.
    predictor : Predictor
        The model.
    rate : float
        Response rate of the site, in (0, 1).
    chunk_rows : int or None
        Rows that are measured at a time; None as `theracast.predict.stream_size.rows_at_once` has it.
    units : mapping of str to str, optional
        Declared units.

    Returns
    -------
    Recalibration
        The same numbers, whatever the size of the chunks.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> from theracast.features.datasets import load_cohort
    >>> from theracast.models.base import ResponseModel
    >>> path = Path(tempfile.mkdtemp(), "wide.parquet")
    >>> pd.DataFrame({"patient_id": ["a"], "mutations:tmb": [9.0], "mutations:tmb_unit": "mut/Mb"}).to_parquet(path)
    >>> predictor = Predictor(ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel")), "0" * 64)
    >>> site_of(path, predictor, 0.2, chunk_rows=10).note[:24]
    'response rate given: 20%'
    """
    table, units = open_source(source), units or {}
    repeats = find_repeats(table, units)
    seen = [*repeats.first, *repeats.conflicts]
    parts = []
    for start, frame in table.chunks(chunk_rows or rows_at_once(len(table.columns))):
        once = np.isin(np.arange(start, start + len(frame)), seen, invert=True)
        cohort = Cohort.from_tables(split_wide(frame[once], allow_empty=False), units=units)
        parts.append(predictor.standing(cohort))
    return predictor.rated(
        rate, Standing(*(np.concatenate([getattr(p, k) for p in parts]) for k in ("base", "margin")))
    )
