"""Records: what is written of each patient, and the account of every row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from theracast.errors import ModelError
from theracast.features.matrix import FeatureMatrix
from theracast.models.fingerprint import Fingerprint
from theracast.models.recalibration import AS_TRAINED, Recalibration
from theracast.predict.explanation import Explanation

#: Columns of a scores table, in order; ``coverage_<block>`` columns follow.
COLUMNS = (
    "patient_id",
    "probability",
    "lower",
    "upper",
    "set",
    "decision",
    "reason",
    "tumour_type",
    "blocks_used",
    "blocks_missing",
    "model_uri",
    "model_version",
    "provenance",
    "notes",
)


@dataclass(frozen=True)
class Scores:
    """Every row read, in one of three fates.

    Attributes
    ----------
    table : DataFrame
        One row per row read that was not refused, with `COLUMNS`; an identical repeat of a patient has a row too.
    rejects : DataFrame
        The others: ``row`` (from 1), ``patient_id``, ``code``, ``reason``.
    rows_in : int
        How many rows were read.
    explanation : Explanation or None
        When asked for; one row per distinct patient.
    positions : tuple of int
        Row (from 0) at which each line of `table` was read.
    prior : float
        Response rate that the model assumes: that of its training studies, in [0, 1]; NaN when not told.
    site : Recalibration
        What was known of the site, and moved the probabilities; by default nothing.
    fingerprint : Fingerprint or None
        When explanations were asked for: where each patient stands among the training patients.
    matrix : FeatureMatrix or None
        When explanations were asked for: what was measured; one row per distinct patient.
    parts : dict of str to str
        What all predictions share, as `theracast.predict.made_of.made_of`; empty when not told.
    digests : Series of str
        Per distinct patient, the digest of what was read.

    Examples
    --------
    >>> table = pd.DataFrame({"decision": ["response", "abstain"]})
    >>> Scores(table, pd.DataFrame({"row": [3]}), 3).account()
    {'rows_in': 3, 'scored': 1, 'abstained': 1, 'rejected': 1}
    """

    table: pd.DataFrame
    rejects: pd.DataFrame
    rows_in: int
    explanation: Explanation | None = None
    positions: tuple[int, ...] = ()
    prior: float = float("nan")
    site: Recalibration = AS_TRAINED
    fingerprint: Fingerprint | None = None
    matrix: FeatureMatrix | None = None
    parts: Mapping[str, str] = field(default_factory=dict)
    digests: pd.Series = field(default_factory=lambda: pd.Series(dtype=object))

    def account(self) -> dict[str, int]:
        """Count the fates.

        Returns
        -------
        dict of str to int
            ``rows_in``, ``scored``, ``abstained``, ``rejected``.

        Raises
        ------
        ModelError
            When they do not add up: a row was lost, and nothing may be written.

        Examples
        --------
        >>> Scores(pd.DataFrame({"decision": ["response"]}), pd.DataFrame(), 2).account()
        Traceback (most recent call last):
        ...
        theracast.errors.ModelError: THX-S01: rows were lost | got: 1 scored + 0 abstained + 0 rejected | wanted: 2 rows
        """
        abstained = int((self.table.decision == "abstain").sum())
        scored, rejected = len(self.table) - abstained, len(self.rejects)
        if scored + abstained + rejected != self.rows_in:
            raise ModelError(
                "rows were lost",
                code="THX-S01",
                got=f"{scored} scored + {abstained} abstained + {rejected} rejected",
                wanted=f"{self.rows_in} rows",
            )
        return {"rows_in": self.rows_in, "scored": scored, "abstained": abstained, "rejected": rejected}

    def assumptions(self) -> dict[str, Any]:
        """Return what the probabilities rest on beside the patients' tables, JSON-ready.

        Returns
        -------
        dict
            ``prior``, the response rate that the model assumes (None when not told), and ``site``: ``intercept``,
            ``slope``, ``note`` and ``refused`` as in `Recalibration`.

        Examples
        --------
        >>> Scores(pd.DataFrame(), pd.DataFrame(), 0, prior=0.3).assumptions()
        {'prior': 0.3, 'site': {'intercept': 0.0, 'slope': 1.0, 'note': '', 'refused': False}}
        """
        return {"prior": None if self.prior != self.prior else self.prior, "site": self.site.state()}

    def aligned(self) -> pd.DataFrame:
        """Return one line per row read, in order; refused rows have the decision ``rejected`` and no number.

        Returns
        -------
        DataFrame
            With `COLUMNS`.

        Examples
        --------
        >>> t = pd.DataFrame({"patient_id": ["a"], "decision": ["response"], "reason": [""]})
        >>> r = pd.DataFrame({"row": [1], "patient_id": ["b"], "code": ["THX-D15"], "reason": ["age"]})
        >>> Scores(t, r, 2, positions=(1,)).aligned().decision.tolist()
        ['rejected', 'response']
        """
        refused = pd.DataFrame(
            {
                "patient_id": self.rejects.patient_id,
                "decision": "rejected",
                "reason": self.rejects.code + ": " + self.rejects.reason,
            }
        ).set_axis(self.rejects.row.astype(int) - 1)
        kept = self.table.set_axis(list(self.positions))
        return pd.concat([kept, refused]).reindex(columns=self.table.columns).sort_index().reset_index(drop=True)

    def prediction(self, patient_id: str) -> Prediction:
        """Return one patient's record.

        Parameters
        ----------
        patient_id : str
            One of the patients that were not refused.

        Returns
        -------
        Prediction
            JSON-ready.

        Raises
        ------
        ModelError
            When the patient is not there.

        Examples
        --------
        >>> t = pd.DataFrame({"patient_id": ["a"], "probability": [0.4], "decision": ["response"]})
        >>> Scores(t, pd.DataFrame(), 1).prediction("a").probability
        0.4
        """
        rows = self.table[self.table.patient_id == patient_id]
        if rows.empty:
            raise ModelError(
                "no such patient among the scored",
                got=f"{len(self.table)} others",
                fix="Check the id, and the rejects.",
            )
        fields = rows.iloc[0].to_dict()
        return Prediction(**{k: fields[k] for k in Prediction.__dataclass_fields__ if k in fields})


@dataclass(frozen=True)
class Prediction:
    """One patient's prediction.

    Attributes
    ----------
    patient_id : str
        As given.
    probability, lower, upper : float
        Probability of response and its interval, in [0, 1]; NaN when nothing is known.
    decision : str
        ``response``, ``no_response`` or ``abstain``.
    reason : str
        Why the model abstains, or empty.
    blocks_used, blocks_missing : str
        Comma-separated names.
    model_uri, model_version : str
        What predicted.
    provenance : str
        Digest of model, feature schema, version of the code, bundled tables and the patient's input.
    notes : str
        What a reader should know, separated by semicolons.
    set : str
        ``response``, ``no_response`` or ``both``: the answers that the 90% conformal set cannot exclude.
    tumour_type : str
        Tumour type that the patient was read as; empty when it is not known.

    Examples
    --------
    >>> Prediction("a", 0.4, 0.2, 0.6, "abstain").to_dict()["decision"]
    'abstain'
    """

    patient_id: str
    probability: float
    lower: float = float("nan")
    upper: float = float("nan")
    decision: str = ""
    reason: str = ""
    blocks_used: str = ""
    blocks_missing: str = ""
    model_uri: str = ""
    model_version: str = ""
    provenance: str = ""
    notes: str = ""
    set: str = ""
    tumour_type: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready form; NaN becomes None.

        Returns
        -------
        dict
            Field name to value.

        Examples
        --------
        >>> Prediction("a", float("nan")).to_dict()["probability"] is None
        True
        """
        return {k: None if isinstance(v, float) and v != v else v for k, v in vars(self).items()}

    def _repr_html_(self) -> str:
        from theracast.predict.report.cell import prediction_html

        return prediction_html(self)
