"""Whether scores that were written come out the same today; where they do not, which input is missing or another."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import theracast
from theracast.errors import DataError, ModelError, UsageError
from theracast.features.cohort import Cohort
from theracast.models.recalibration import AS_TRAINED, Recalibration
from theracast.predict.predictor import Predictor
from theracast.predict.registry import load_predictor

#: What is said of a line: equal to the last bit; something is another; something is not there.
OUTCOMES = ("same", "differs", "missing")
_WORDS = ("decision", "set", "reason")
_NUMBERS = ("probability", "lower", "upper")
_READ = ("patient_id", *_NUMBERS, *_WORDS, "model_uri", "model_version", "provenance")


def replay_scores(scores: str | Path, X: Cohort | pd.DataFrame, *, tracking: str | None = None) -> pd.DataFrame:
    """Score patients again with the version of the model that scored them, and compare to the last bit.

    Each line is asked with what its ``provenance`` stands for: the model, the code and the patient's own input. What
    was known of the site is taken from the account beside the scores.

    Parameters
    ----------
    scores : str or Path
        The Parquet file that `theracast.predict.batch` wrote, with its ``.json`` beside it.
    X : Cohort or wide DataFrame
        The patients' tables, as they were given then.
    tracking : str, optional
        As in `theracast.predict.store.store_uri`.

    Returns
    -------
    DataFrame
        One row per line of the scores, in order: ``patient_id``, ``outcome`` (`OUTCOMES`) and ``why``, empty where
        the bits are the same.

    Raises
    ------
    DataError
        THX-R11 when the file holds no scores.
    UsageError
        When the model is a choice between therapies.

    Examples
    --------
    >>> replay_scores("no/such.parquet", pd.DataFrame())
    Traceback (most recent call last):
    ...
    theracast.errors.DataError: THX-R11: no scores that can be replayed | where: no/such.parquet | ...
    """
    path = Path(scores)
    written, account = _written(path), _account(path)
    site = Recalibration.from_state(account["site"]) if account.get("site") else AS_TRAINED
    parts = []
    for (uri, version), lines in written.groupby(["model_uri", "model_version"], sort=False, dropna=False):
        parts.append(_part(lines, _pinned(str(uri), str(version)), X, site, account, tracking))
    told = pd.concat(parts).sort_index() if parts else pd.DataFrame(columns=["outcome", "why"])
    return told.set_axis(written.index).assign(patient_id=written.patient_id)[["patient_id", "outcome", "why"]]


def _part(
    lines: pd.DataFrame,
    uri: str,
    X: Cohort | pd.DataFrame,
    site: Recalibration,
    account: Mapping[str, Any],
    tracking: str | None,
) -> pd.DataFrame:
    """Replay the lines of one version of a model."""
    try:
        predictor = load_predictor(uri, tracking=tracking)
    except ModelError as error:
        outcome = "missing" if error.code in ("THX-R01", "THX-R05") else "differs"
        return _told(lines, [(outcome, f"the model {uri}: {error.code}, {error.what}")] * len(lines))
    was = account.get("model", predictor.digest)
    if was != predictor.digest:
        why = f"the model {uri} is another: {was[:16]} then, {predictor.digest[:16]} now"
        return _told(lines, [("differs", why)] * len(lines))
    return _told(lines, _fates(lines, predictor, X, site))


def _fates(
    lines: pd.DataFrame, predictor: Predictor, X: Cohort | pd.DataFrame, site: Recalibration
) -> list[tuple[str, str]]:
    scores = predictor.score(X, site=site)
    now = scores.table.drop_duplicates("patient_id").set_index("patient_id")
    refused = dict(zip(scores.rejects.patient_id, scores.rejects.code, strict=True))
    known = bool(lines.provenance.isin(now.provenance).any())
    fates = []
    for line in lines.to_dict("records"):
        patient = line["patient_id"]
        if patient in now.index:
            fates.append(_compared(line, now.loc[patient].to_dict(), known))
        elif patient in refused:
            fates.append(("differs", f"the patient's input: it is refused now, {refused[patient]}"))
        else:
            fates.append(("missing", "the patient's input: no row of this patient was given"))
    return fates


def _compared(line: Mapping[str, Any], now: Mapping[str, Any], known: bool) -> tuple[str, str]:
    """Compare a line with what is said today; `known` when the model and the code are those of another line."""
    other = [c for c in _NUMBERS if not np.array_equal(line[c], now[c], equal_nan=True)]
    other += [c for c in _WORDS if line[c] != now[c]]
    if line["provenance"] == now["provenance"]:
        return ("differs", f"{', '.join(other)}: of the same model, code and input") if other else ("same", "")
    here = "" if known else f", or the code: theracast {theracast.__version__} here"
    return "differs", f"the patient's input is another{here}"


def _told(lines: pd.DataFrame, fates: list[tuple[str, str]]) -> pd.DataFrame:
    return pd.DataFrame(fates, index=lines.index, columns=["outcome", "why"])


def _written(path: Path) -> pd.DataFrame:
    try:
        written = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise _no_scores(path, type(error).__name__) from None
    if "therapy" in written:
        raise UsageError(
            "a choice between therapies is not replayed",
            where=path.name,
            fix="Write 'theracast rank' again, with the model by its version, and compare the two files.",
        )
    missing = [c for c in _READ if c not in written]
    if missing:
        raise _no_scores(path, f"no column {missing[0]}")
    return written[[*_READ]].reset_index(drop=True)


def _account(path: Path) -> dict[str, Any]:
    try:
        account = json.loads(path.with_suffix(".json").read_text())
    except (OSError, ValueError) as error:
        raise _no_scores(path.with_suffix(".json"), type(error).__name__) from None
    if not isinstance(account, dict):
        raise _no_scores(path.with_suffix(".json"), type(account).__name__)
    return account


def _no_scores(path: Path, got: str) -> DataError:
    return DataError(
        "no scores that can be replayed",
        code="THX-R11",
        where=str(path),
        got=got,
        wanted="what 'theracast score' wrote: a Parquet file, and its .json beside it",
    )


def _pinned(uri: str, version: str) -> str:
    """Name the version that scored, wherever the alias points now."""
    return re.sub(r"^(models:/[^/@]+)@.*$", rf"\1/{version}", uri) if version else uri
