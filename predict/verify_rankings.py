"""Rankings of therapies, made again from the cohort and from what was asked of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from theracast.errors import UsageError
from theracast.features.cohort import Cohort
from theracast.models.ranking import TRIED
from theracast.models.utility import Utility
from theracast.predict.therapies import SelectionPredictor
from theracast.predict.verify_account import no_scores
from theracast.predict.verify_lines import Again, placed
from theracast.predict.verify_rows import cells_of

#: What a line of a ranking is told by.
KEY = ["patient_id", "therapy"]


def of_rankings(
    predictor: SelectionPredictor,
    cohort: Cohort,
    path: Path,
    rows: int,
    account: Mapping[str, Any],
    *,
    in_place: bool = True,
) -> Again:
    """Rank a cohort again.

    Parameters
    ----------
    predictor : SelectionPredictor
        The model.
    cohort : Cohort
        The patients.
    path : Path
        The rankings.
    rows : int
        Lines in them.
    account : mapping
        From `theracast.predict.verify_account.read_account`. Of rankings that were written without it, what was asked
        is read off their lines; a utility is not told there.
    in_place : bool, default True
        As `theracast.predict.verify_lines.placed`.

    Returns
    -------
    Again
        A line is told by its patient and therapy.

    Raises
    ------
    DataError
        What the cohort is refused for; THX-R11 when what was asked cannot be asked of the model.

    Examples
    --------
    >>> callable(of_rankings)
    True
    """
    written = pd.DataFrame({c: cells_of(path, rows, c) for c in KEY})
    asked = (account.get("provenance") or {}).get("asked") or _read_off(path, rows, written)
    try:
        worth = Utility(**asked["utility"]) if asked.get("utility") else None
        found = predictor.rank(cohort, tried=asked.get("tried"), utility=worth, therapies=asked.get("therapies", ()))
    except UsageError as error:
        raise no_scores(path.with_suffix(".json"), f"account: provenance.asked: {error.what}") from None
    fates = {**found.account(), "standard": found.standard}
    return replace(placed(found, written, in_place=in_place), fates=fates)


def _read_off(path: Path, rows: int, written: pd.DataFrame) -> dict[str, Any]:
    tried = written[cells_of(path, rows, "state") == TRIED].groupby("patient_id")["therapy"].agg(list)
    return {"tried": tried.to_dict(), "therapies": written["therapy"].drop_duplicates().tolist()}
