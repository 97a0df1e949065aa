"""Scores to Parquet, atomically, with the rejects and the account beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from theracast.predict.files import replace_file
from theracast.predict.records import Scores


def write_scores(scores: Scores, path: str | Path) -> dict[str, Any]:
    """Write a scores table; refused rows go to ``<name>.rejects.parquet``, the account to ``<name>.json``.

    Parameters
    ----------
    scores : Scores
        From `Predictor.score`.
    path : str or Path
        The Parquet file; replaced whole or not at all.

    Returns
    -------
    dict
        The account: ``rows_in``, ``scored``, ``abstained``, ``rejected``; and ``prior`` and ``site`` of
        `Scores.assumptions`.

    Raises
    ------
    ModelError
        THX-S01 when a row was lost; nothing is written.
    SetupError
        THX-S03 when the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> table = pd.DataFrame({"patient_id": ["a"], "decision": ["response"]})
    >>> write_scores(Scores(table, pd.DataFrame({"row": []}), 1), f"{tempfile.mkdtemp()}/s.parquet")["scored"]
    1
    """
    path = Path(path)
    account = {**scores.account(), **scores.assumptions()}
    replace_file(path, lambda temporary: scores.table.to_parquet(temporary, index=False))
    rejects = path.with_suffix(".rejects.parquet")
    if len(scores.rejects):
        replace_file(rejects, lambda temporary: scores.rejects.to_parquet(temporary, index=False))
    else:
        rejects.unlink(missing_ok=True)
    replace_file(path.with_suffix(".json"), lambda temporary: temporary.write_text(json.dumps(account)))
    return account
