"""Therapies side by side for every patient of a cohort, and the account of every row."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import pandas as pd

from theracast.errors import DataError, ModelError
from theracast.features.cohort import Cohort, as_cohort
from theracast.models.ranking import RANKING, UNKNOWN, Ranking
from theracast.models.selection import SelectionModel
from theracast.models.storage import load_selection
from theracast.models.therapy_names import therapy_named
from theracast.models.utility import Utility
from theracast.predict.files import write_accounted
from theracast.predict.made_of import close_account, made_of, mark_column, provenance_of
from theracast.predict.rows import refused_rows, usable_rows

#: Columns of a rankings table beside those of `Ranking`.
BESIDE = ("study", "reads", "model_uri", "model_version", "provenance", "notes")


@dataclass(frozen=True)
class Rankings:
    """Every row read, in one of three fates.

    Attributes
    ----------
    table : DataFrame
        One line per patient and therapy: `theracast.models.ranking.RANKING` and `BESIDE`.
    rejects : DataFrame
        Refused rows: ``row`` (from 1), ``patient_id``, ``code``, ``reason``.
    roster : DataFrame
        One line per row read, as `theracast.features.cohort.Cohort.roster`.
    standard : str
        What a gain is measured against.
    parts : dict of str to str
        What all lines share, as `theracast.predict.made_of.made_of`.
    digests : Series of str
        What was read of each patient.
    about : dict
        ``model_uri``, ``model_version``, and what was ``asked``: ``tried``, ``utility``, ``therapies``. JSON-ready.

    Examples
    --------
    >>> Rankings.__dataclass_fields__["standard"].type
    'str'
    """

    table: pd.DataFrame
    rejects: pd.DataFrame
    roster: pd.DataFrame
    standard: str
    parts: Mapping[str, str] = field(default_factory=dict)
    digests: pd.Series = field(default_factory=lambda: pd.Series(dtype=object))
    about: Mapping[str, Any] = field(default_factory=dict)

    def best(self) -> pd.Series:
        """Name the first therapy of each patient.

        Returns
        -------
        Series of str
            Empty where none has a rank.

        Examples
        --------
        >>> lines = pd.DataFrame({"patient_id": ["p"], "therapy": ["a"], "rank": [1.0]})
        >>> Rankings(lines, pd.DataFrame(), pd.DataFrame(), "as treated").best().to_dict()
        {'p': 'a'}
        """
        return Ranking(self.table, self.standard).best()

    def account(self) -> dict[str, int]:
        """Count the fates of the rows.

        Returns
        -------
        dict of str to int
            ``rows_in``; ``scored``, rows of patients with a ranked therapy; ``abstained``, those without; ``rejected``.

        Raises
        ------
        ModelError
            THX-S01 when they do not add up: nothing may be written.

        Examples
        --------
        >>> roster = pd.DataFrame({"patient_id": ["p"], "code": [""]})
        >>> lines = pd.DataFrame({"patient_id": ["p"], "therapy": ["a"], "rank": [1.0]})
        >>> Rankings(lines, pd.DataFrame(), roster, "as treated").account()
        {'rows_in': 1, 'scored': 1, 'abstained': 0, 'rejected': 0}
        """
        ranked = self.table.groupby("patient_id")["rank"].count()
        found = ranked.reindex(self.roster.loc[self.roster["code"] == "", "patient_id"])
        scored, abstained = int((found > 0).sum()), int((found == 0).sum())
        if found.isna().any() or scored + abstained + len(self.rejects) != len(self.roster):
            raise ModelError("rows were lost", code="THX-S01", wanted=f"{len(self.roster)} rows")
        fates = {"scored": scored, "abstained": abstained, "rejected": len(self.rejects)}
        return {"rows_in": len(self.roster), **fates}

    def aligned(self) -> pd.DataFrame:
        """Return one line per row read, in order, with all therapies of the patient as JSON.

        Returns
        -------
        DataFrame
            ``patient_id``, ``therapy`` (the first; empty where none is, and where two studies have one each),
            ``decision`` (``ranked``, ``abstain`` or ``rejected``), ``probability``, ``lower``, ``upper``, ``gain``,
            ``reason`` and ``ranking``.

        Examples
        --------
        >>> roster = pd.DataFrame({"patient_id": ["p"], "code": ["THX-D15"], "reason": ["age is -1"]})
        >>> none = pd.DataFrame(columns=[*RANKING])
        >>> Rankings(none, pd.DataFrame({"row": [1]}), roster, "").aligned().decision.tolist()
        ['rejected']
        """
        numbers = ["probability", "lower", "upper", "gain"]
        best = self.best()
        first = self.table[self.table["therapy"] == self.table["patient_id"].map(best)].set_index("patient_id")
        ranked = set(self.table.loc[self.table["rank"].notna(), "patient_id"])
        shown = [c for c in RANKING if c != "patient_id"]
        told = {i: _json(part[shown]) for i, part in self.table.groupby("patient_id", sort=False)}
        lines = self.roster[["patient_id", "code", "reason"]].reset_index(drop=True)
        refused = lines["code"] != ""
        known = lines["patient_id"].isin(ranked) & ~refused
        mine = first.reindex(lines["patient_id"].where(~refused)).reset_index(drop=True)
        return pd.DataFrame(
            {
                "patient_id": lines["patient_id"],
                "therapy": mine["therapy"].fillna(""),
                "decision": known.map({True: "ranked", False: "abstain"}).mask(refused, "rejected"),
                **{c: mine[c].astype(float) for c in numbers},
                "reason": (lines["code"] + ": " + lines["reason"]).where(refused, ""),
                "ranking": [
                    told[i] if i in told and not r else "[]" for i, r in zip(lines["patient_id"], refused, strict=True)
                ],
            }
        )


class SelectionPredictor:
    """A fitted choice between therapies, ready for patients.

    Parameters
    ----------
    model : SelectionModel
        Fitted.
    digest : str
        Of the model.
    uri, version : str
        Where it came from, for the record.
    about : dict, optional
        What was kept beside the model.

    Examples
    --------
    >>> SelectionPredictor(SelectionModel(), "0" * 64).uri
    ''
    """

    def __init__(
        self,
        model: SelectionModel,
        digest: str,
        *,
        uri: str = "",
        version: str = "",
        about: dict[str, Any] | None = None,
    ) -> None:
        self.model, self.digest, self.uri, self.version, self.about = model, digest, uri, version, about or {}

    @classmethod
    def from_folder(cls, folder: str | Path, *, uri: str = "", version: str = "") -> Self:
        """Load a model that `theracast.models.storage.save_selection` wrote.

        Parameters
        ----------
        folder : str or Path
            The folder.
        uri, version : str, optional
            Where it came from, for the record.

        Returns
        -------
        SelectionPredictor
            Ready.

        Raises
        ------
        ModelError
            When bytes changed, or the format is not known.

        Examples
        --------
        >>> SelectionPredictor.from_folder("no/such/folder")
        Traceback (most recent call last):
        ...
        theracast.errors.ModelError: THX-R05: no model here | ...
        """
        model, about = load_selection(folder)
        return cls(model, about.pop("digest"), uri=uri or str(folder), version=version, about=about)

    @cached_property
    def parts(self) -> dict[str, str]:
        """What all rankings of this model share, in digests.

        Returns
        -------
        dict of str to str
            As `theracast.predict.made_of.made_of`.

        Examples
        --------
        >>> isinstance(SelectionPredictor.parts, cached_property)
        True
        """
        return made_of(self.digest, *self.model.assemblers_.values())

    def rank(
        self,
        X: Cohort | pd.DataFrame,
        *,
        tried: Mapping[str, Sequence[str]] | None = None,
        utility: Utility | None = None,
        therapies: Sequence[str] = (),
        strict: bool = False,
    ) -> Rankings:
        """Lay the therapies side by side for every patient.

        Parameters
        ----------
        X : Cohort or wide DataFrame
            Patients.
        tried : mapping of str to sequence of str, optional
            Therapies that failed already, by patient, by any name.
        utility : Utility, optional
            Declared prices and harms.
        therapies : sequence of str, optional
            Those to show, by any name; one that the model does not know gets a line that says so, and no rank. All that
            the model knows by default.
        strict : bool, default False
            Whether one refused row stops everything.

        Returns
        -------
        Rankings
            Scored + abstained + rejected = rows in.

        Raises
        ------
        DataError
            A column or table that is wrong as a whole; THX-D21 on a therapy in `tried` that means nothing here; under
            `strict`, any row.

        Examples
        --------
        >>> callable(SelectionPredictor.rank)
        True
        """
        cohort = as_cohort(X)
        usable, roster = usable_rows(cohort, self.model.check(cohort), strict)
        names = [a.therapy for a in self.model.selection.arms]
        failed = {i: [therapy_named(t, names) for t in ts] for i, ts in (tried or {}).items() if i in usable.ids}
        ranking = self.model.rank(usable, tried=failed, utility=utility)
        arms = {a.therapy: a for a in self.model.selection.arms}
        table = _asked(ranking.table, list(therapies), names)
        table["study"] = [arms[t].study if t in arms else "" for t in table["therapy"]]
        table["reads"] = [arms[t].reads if t in arms else "" for t in table["therapy"]]
        table["model_uri"], table["model_version"] = self.uri, self.version
        digests = self.model.digests(usable)
        table["provenance"] = mark_column(list(self.parts.values()), digests).reindex(table["patient_id"]).to_numpy()
        repeats = roster[(roster["code"] == "") & (roster["repeats"] >= 0)]
        again = repeats.groupby("patient_id").size()
        notes = {i: f"{n} more identical row{'s' if n > 1 else ''}" for i, n in again.items()}
        table["notes"] = [notes.get(i, "") for i in table["patient_id"]]
        worth = utility.model_dump(mode="json") if utility else None
        asked = {"tried": failed, "utility": worth, "therapies": list(therapies)}
        found = Rankings(
            table[[*RANKING, *BESIDE]],
            refused_rows(roster),
            roster,
            ranking.standard,
            self.parts,
            digests,
            {"model_uri": self.uri, "model_version": self.version, "asked": asked},
        )
        found.account()
        return found


def write_rankings(rankings: Rankings, path: str | Path, X: Cohort | None = None) -> dict[str, Any]:
    """Write the rankings; refused rows go to ``<name>.rejects.parquet``, the account to ``<name>.json``.

    Parameters
    ----------
    rankings : Rankings
        From `SelectionPredictor.rank`.
    path : str or Path
        The Parquet file; replaced whole or not at all.
    X : Cohort, optional
        What was ranked: with it `theracast.predict.verify.verify_scores` can name a table and column that changed.

    Returns
    -------
    dict
        The account; ``standard``; ``lines`` in the file; ``provenance`` (with the therapies tried and the utility that
        was declared) and ``sealed``, by which the rankings can be verified.

    Raises
    ------
    ModelError
        THX-S01 when a row was lost; nothing is written.
    SetupError
        THX-S03 when the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> roster = pd.DataFrame({"patient_id": ["p"], "code": [""]})
    >>> lines = pd.DataFrame({"patient_id": ["p"], "therapy": ["a"], "rank": [1.0]})
    >>> ranked = Rankings(lines, pd.DataFrame(), roster, "as treated")
    >>> write_rankings(ranked, f"{tempfile.mkdtemp()}/r.parquet")["standard"]
    'as treated'
    """
    account = {**rankings.account(), "standard": rankings.standard, "lines": len(rankings.table)}
    write_accounted(rankings.table, rankings.rejects, account, path)
    return close_account(Path(path), account, provenance_of(rankings.parts, X, **rankings.about))


def _asked(table: pd.DataFrame, therapies: list[str], names: list[str]) -> pd.DataFrame:
    """Keep the therapies asked for; one that is not known gets a line of its own. Ranks stay those among all."""
    if not therapies:
        return table.copy()
    meant, strange = [], {}
    for text in therapies:
        try:
            meant.append(therapy_named(text, names))
        except DataError as error:
            strange[text] = f"{error.what}. {error.fix}".strip()
    patients = table["patient_id"].unique()
    kept = table[table["therapy"].isin(meant)]
    lines = [
        {"patient_id": i, "therapy": text, "mechanism": "", "state": UNKNOWN, "reason": why}
        for i in patients
        for text, why in strange.items()
    ]
    if not lines:
        return kept.copy()
    both = pd.concat([kept, pd.DataFrame(lines).reindex(columns=table.columns).astype(_types(table))])
    order = {i: k for k, i in enumerate(patients)}
    return both.sort_values("patient_id", key=lambda s: s.map(order), kind="stable").reset_index(drop=True)


def _types(table: pd.DataFrame) -> dict[str, str]:
    return {str(c): "float64" for c in table if table[c].dtype.kind in "if"}


def _json(lines: pd.DataFrame) -> str:
    return json.dumps(lines.astype(object).where(lines.notna(), None).to_dict("records"))
