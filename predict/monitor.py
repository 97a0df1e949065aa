"""Monitoring: scores that were given, outcomes that came later, and whether the promises held."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from theracast.errors import DataError, ModelError
from theracast.models.base import OUTSIDE
from theracast.models.drift import drift_table
from theracast.models.estimates import wilson
from theracast.models.validate import Validation
from theracast.predict.monitor_promises import ALARM, QUIET, TOO_FEW, Promise, measures, promises
from theracast.predict.monitor_tables import one_model, read_outcomes


@dataclass(frozen=True)
class Monitoring:
    """What became of the patients who were scored.

    Attributes
    ----------
    account : dict of str to int
        Fates of the rows: see `account_of`.
    promises : tuple of Promise
        What was promised, whether it held, and the evidence against it.
    measures : DataFrame
        ``measure``, ``value``, ``lower``, ``upper``, ``before`` (what validation or a reference had), ``n``, ``note``.
    groups : DataFrame
        Patients by probability: ``n``, ``predicted``, ``observed``, ``lower``, ``upper``, all shares in 0-1.
    drift : DataFrame
        As `theracast.models.drift.drift_table`, with ``of``: ``scores`` or ``features``; empty without a reference.
    model : dict of str to str
        ``uri`` and ``version`` of what gave the scores.
    prior : float
        Response rate that the model assumed; NaN when not told.

    Examples
    --------
    >>> Monitoring({}, (), pd.DataFrame(), pd.DataFrame()).state
    'too few'
    """

    account: dict[str, int]
    promises: tuple[Promise, ...]
    measures: pd.DataFrame
    groups: pd.DataFrame
    drift: pd.DataFrame = field(default_factory=pd.DataFrame)
    model: dict[str, str] = field(default_factory=dict)
    prior: float = float("nan")

    @property
    def state(self) -> str:
        """Say it in a word.

        Returns
        -------
        str
            ``alarm`` when a promise is broken, ``quiet`` when the probabilities could be judged, else ``too few``.

        Examples
        --------
        >>> Monitoring({}, (), pd.DataFrame(), pd.DataFrame()).alarms
        []
        """
        if self.alarms:
            return ALARM
        return QUIET if self.promises and self.promises[0].state == QUIET else TOO_FEW

    @property
    def alarms(self) -> list[str]:
        """Name the promises that are broken.

        Returns
        -------
        list of str
            Their names.

        Examples
        --------
        >>> Monitoring({}, (), pd.DataFrame(), pd.DataFrame()).alarms
        []
        """
        return [p.name for p in self.promises if p.state == ALARM]

    def to_dict(self) -> dict[str, Any]:
        """Give everything to a machine.

        Returns
        -------
        dict
            JSON-ready, without an id of a patient: ``state``, ``alarms``, ``account``, ``model``, ``prior``,
            ``promises``, ``measures``, ``groups``, ``drift``; what could not be estimated is None.

        Examples
        --------
        >>> Monitoring({"scored": 0}, (), pd.DataFrame(), pd.DataFrame()).to_dict()["account"]
        {'scored': 0}
        """
        tables = {name: json.loads(getattr(self, name).to_json(orient="records")) for name in _TABLES}
        return {
            "state": self.state,
            "alarms": self.alarms,
            "account": self.account,
            "model": self.model,
            "prior": None if np.isnan(self.prior) else self.prior,
            "promises": [p.to_dict() for p in self.promises],
            **tables,
        }


_TABLES = ("measures", "groups", "drift")


def monitor(
    scores: pd.DataFrame,
    outcomes: pd.DataFrame,
    *,
    prior: float = float("nan"),
    validation: Validation | None = None,
    reference: pd.DataFrame | None = None,
    features: pd.DataFrame | None = None,
    precision: float = 0.1,
) -> Monitoring:
    """Hold scores against outcomes.

    Parameters
    ----------
    scores : DataFrame
        As `theracast.predict.batch.write_scores` writes them: ``patient_id``, ``probability``, ``set``, ``decision``.
    outcomes : DataFrame
        ``patient_id`` and ``response`` (R or NR; empty or absent while it is not known).
    prior : float, optional
        Response rate that the model assumed; its Brier score is what the model has to beat.
    validation : Validation, optional
        Of the model, to stand beside.
    reference : DataFrame, optional
        Earlier scores, for drift.
    features : DataFrame, optional
        Drift of the features, from `theracast.models.drift.drift_table`.
    precision : float, default 0.1
        Half width of the 95% interval that is enough, as a share.

    Returns
    -------
    Monitoring
        Every row accounted for.

    Raises
    ------
    DataError
        THX-D17 when a patient has two different scores or outcomes, or no outcome is of one who was scored, THX-D20
        for unknown sets, THX-D33 when a column is missing; what `theracast.features.cohort.Cohort.response` refuses.
    ModelError
        THX-S01 when a row was lost.

    Examples
    --------
    >>> scores = pd.DataFrame({"patient_id": ["a", "b"], "probability": [0.2, 0.7], "set": "both",
    ...                        "decision": "abstain", "reason": ""})
    >>> monitor(scores, pd.DataFrame({"patient_id": ["b", "z"], "response": "R"})).account["unknown"]
    1
    """
    table, labels = one_model(scores), read_outcomes(outcomes)
    joined = table.drop_duplicates("patient_id").set_index("patient_id")
    y = labels.reindex(joined.index)
    reasons = joined["reason"] if "reason" in joined else pd.Series("", index=joined.index)
    outside = reasons.fillna("").astype(str).str.startswith(OUTSIDE)
    judged = joined[y.notna() & joined["probability"].notna() & ~outside]
    account = account_of(scores, outcomes, joined, labels, judged)
    if account["scored"] and account["unknown"] and not account["judged"] + account["not_judged"]:
        raise DataError(
            "no outcome is of a patient who was scored",
            code="THX-D17",
            where="outcomes:patient_id",
            got=f"{account['unknown']} patients, all unknown to the scores",
            fix="Write ids as the scores have them, zeros and all; a model just put to use has to wait.",
        )
    truth, p = y.loc[judged.index].to_numpy(float), judged["probability"].to_numpy(float)
    drift = [features.assign(of="features")] if features is not None else []
    if reference is not None:
        drift.insert(0, score_drift(reference, table).assign(of="scores"))
    told = {k: c for k, c in (("uri", "model_uri"), ("version", "model_version")) if c in table and len(table)}
    return Monitoring(
        account,
        promises(truth, p, judged["set"].astype(str).to_numpy(), prior if 0 < prior < 1 else 0.5, precision),
        measures(truth, judged, joined, prior, validation, reference),
        groups(truth, p),
        pd.concat(drift, ignore_index=True) if drift else pd.DataFrame(),
        {k: str(table[c].iloc[0]) for k, c in told.items()},
        prior,
    )


def account_of(
    scores: pd.DataFrame, outcomes: pd.DataFrame, joined: pd.DataFrame, labels: pd.Series, judged: pd.DataFrame
) -> dict[str, int]:
    """Count the fates of every row of both tables.

    Parameters
    ----------
    scores, outcomes : DataFrame
        As read.
    joined : DataFrame
        One row per patient scored.
    labels : Series
        Outcomes by patient.
    judged : DataFrame
        Patients with a probability within the domain of the model, and an outcome.

    Returns
    -------
    dict of str to int
        ``scored`` (rows) = ``judged`` + ``not_judged`` (an outcome, but out of domain or without a probability) +
        ``without_outcome`` + ``repeats``; ``outcomes`` (rows) = ``judged`` + ``not_judged`` + ``unknown`` (patients
        who were not scored) + ``empty`` + ``outcome_repeats``.

    Raises
    ------
    ModelError
        THX-S01 when the sums do not come out.

    Examples
    --------
    >>> one = pd.DataFrame({"patient_id": ["a"]})
    >>> labels = pd.Series([1.0], ["a"])
    >>> account_of(one, one, one.set_index("patient_id"), labels, one.set_index("patient_id"))["judged"]
    1
    """
    known = labels[labels.notna()]
    met = int(known.index.isin(joined.index).sum())
    account = {
        "scored": len(scores),
        "judged": len(judged),
        "not_judged": met - len(judged),
        "without_outcome": len(joined) - met,
        "repeats": len(scores) - len(joined),
        "outcomes": len(outcomes),
        "unknown": len(known) - met,
        "empty": len(labels) - len(known),
        "outcome_repeats": len(outcomes) - len(labels),
    }
    fates = [account[k] for k in ("judged", "not_judged", "without_outcome", "repeats")]
    others = [account[k] for k in ("judged", "not_judged", "unknown", "empty", "outcome_repeats")]
    if min(account.values()) < 0 or sum(fates) != len(scores) or sum(others) != len(outcomes):
        raise ModelError("rows were lost", code="THX-S01", got=str(account))
    return account


def score_drift(reference: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Hold scores against earlier ones: the probability, and how much of each block was covered.

    Parameters
    ----------
    reference, scores : DataFrame
        Of `one_model`.

    Returns
    -------
    DataFrame
        As `theracast.models.drift.drift_table`.

    Examples
    --------
    >>> before = pd.DataFrame({"patient_id": ["a"], "probability": [0.2], "set": "both", "decision": "abstain"})
    >>> score_drift(before, before)["state"].tolist()
    ['too few']
    """
    columns = {"probability": "scores__probability"}
    columns |= {c: f"{c.removeprefix('coverage_')}__coverage" for c in scores if str(c).startswith("coverage_")}
    before, now = (one_model(t).drop_duplicates("patient_id").rename(columns=columns) for t in (reference, scores))
    shared = [c for c in columns.values() if c in before and c in now]
    held = {c: before[c].to_numpy(dtype=np.float64, na_value=np.nan) for c in shared}
    return drift_table(held, now[shared], len(before))


def groups(y: np.ndarray, p: np.ndarray, most: int = 10, least: int = 15) -> pd.DataFrame:
    """Sort patients by probability into groups of one size, to be drawn.

    Parameters
    ----------
    y, p : ndarray of shape (n_patients,)
        Outcome 0/1 and probability 0-1.
    most, least : int
        Groups at most, and patients in a group at least.

    Returns
    -------
    DataFrame
        As `Monitoring.groups`; intervals are Wilson's.

    Examples
    --------
    >>> groups(np.array([0.0, 1.0] * 20), np.linspace(0, 1, 40))["n"].tolist()
    [20, 20]
    """
    k = min(most, len(p) // least)
    rows = []
    for part in np.array_split(np.argsort(p, kind="stable"), k) if k else []:
        low, high = wilson(y[part].sum(), len(part))
        rows.append((len(part), p[part].mean(), y[part].mean(), float(low), float(high)))
    return pd.DataFrame(rows, columns=["n", "predicted", "observed", "lower", "upper"])
