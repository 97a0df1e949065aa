"""Predictor: load a model, check the tables against its contract, predict, account for every row."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

import theracast
from theracast.checks import Problem
from theracast.errors import DataError
from theracast.features.cohort import Cohort, as_cohort
from theracast.models.base import ResponseModel
from theracast.models.recalibration import Recalibration
from theracast.models.storage import load_model
from theracast.predict.explain import explain
from theracast.predict.records import COLUMNS, Scores
from theracast.provenance import digest_json

_AS_TRAINED = Recalibration()


class Predictor:
    """A fitted model ready to score patients.

    Parameters
    ----------
    model : ResponseModel
        Fitted.
    digest : str
        Of the model.
    uri, version : str
        Where it came from, for the record.
    about : dict, optional
        What was kept beside the model.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> predictor = Predictor(ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel")), "0" * 64)
    >>> predictor.score(load_cohort("riaz2017_mel")).account()["rows_in"]
    51
    """

    def __init__(
        self,
        model: ResponseModel,
        digest: str,
        *,
        uri: str = "",
        version: str = "",
        about: dict[str, Any] | None = None,
    ) -> None:
        self.model, self.digest, self.uri, self.version, self.about = model, digest, uri, version, about or {}

    @classmethod
    def from_folder(cls, folder: str | Path, *, uri: str = "", version: str = "") -> Self:
        """Load a model that `save_model` wrote.

        Parameters
        ----------
        folder : str or Path
            The folder.
        uri, version : str, optional
            Where it came from, for the record.

        Returns
        -------
        Predictor
            Ready.

        Raises
        ------
        ModelError
            When bytes changed, or the format is not known.

        Examples
        --------
        >>> import tempfile
        >>> from theracast.features.datasets import load_cohort
        >>> from theracast.models.storage import save_model
        >>> folder = tempfile.mkdtemp()
        >>> _ = save_model(ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel")), folder)
        >>> Predictor.from_folder(folder).model.indication
        'melanoma_ici'
        """
        model, about = load_model(folder)
        return cls(model, about.pop("digest"), uri=uri or str(folder), version=version, about=about)

    def score(
        self,
        X: Cohort | pd.DataFrame,
        *,
        explained: bool = False,
        strict: bool = False,
        site: Recalibration = _AS_TRAINED,
    ) -> Scores:
        """Score every patient; implausible rows are refused one by one, an implausible column as a whole.

        Parameters
        ----------
        X : Cohort or wide DataFrame
            Patients.
        explained : bool, default False
            Whether to explain each prediction.
        strict : bool, default False
            Whether one refused row stops everything.
        site : Recalibration, optional
            What is known of the site, such as its response rate (`ResponseModel.respond`); its note is kept with
            every patient.

        Returns
        -------
        Scores
            Scored + abstained + rejected = rows in.

        Raises
        ------
        DataError
            A column or table that is wrong as a whole; under `strict`, any row.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> predictor = Predictor(ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel")), "0" * 64)
        >>> wide = pd.DataFrame({"clinical:age": [61.0, -1.0]}, index=["p1", "p2"])
        >>> predictor.score(wide).rejects.code.tolist()
        ['THX-D15']
        """
        cohort = as_cohort(X)
        problems = self.model.assembler_.check(cohort)
        _stop(problems)
        roster = _with_problems(cohort, problems)
        if strict and (roster.code != "").any():
            first = roster[roster.code != ""].iloc[0]
            raise DataError(
                first.reason,
                code=first.code,
                where=f"row {first.name + 1}",
                fix="Correct the row, or leave out --strict.",
            )
        usable = cohort.subset(roster.patient_id[(roster.code == "") & (roster.repeats < 0)])
        # checked above, with all rows: a rule about a whole column must not turn when the bad rows are gone
        matrix = self.model.matrix(usable, checked=True)
        table = self.model.respond(matrix, site).table
        coverage = [c for c in table.columns if c.startswith("coverage_")]
        table["model_uri"], table["model_version"] = self.uri, self.version
        table["provenance"] = [digest_json([self.digest, theracast.__version__, d]) for d in matrix.digests]
        table["notes"] = ["; ".join(filter(None, [*matrix.notes.get(i, []), site.note])) for i in table.index]
        kept = roster[roster.code == ""]
        lines = table.reindex(kept.patient_id).reset_index(names="patient_id")
        lines["notes"] = [
            "; ".join(filter(None, [note, f"same as row {first + 1}" if first >= 0 else ""]))
            for note, first in zip(lines.notes, kept.repeats, strict=True)
        ]
        refused = roster[roster.code != ""]
        rejects = pd.DataFrame(
            {"row": refused.index + 1, "patient_id": refused.patient_id, "code": refused.code, "reason": refused.reason}
        ).reset_index(drop=True)
        scores = Scores(
            lines[[*COLUMNS, *coverage]],
            rejects,
            len(roster),
            explain(self.model, matrix, site) if explained else None,
            tuple(int(i) for i in kept.index),
        )
        scores.account()
        return scores


def _stop(problems: list[Problem]) -> None:
    whole = [p for p in problems if not p.rows]
    if whole:
        more = f" ({len(whole) - 1} more)" if len(whole) > 1 else ""
        raise DataError(
            whole[0].what + more, code=whole[0].code, where=whole[0].where, fix="Correct the column or its unit."
        )


def _with_problems(cohort: Cohort, problems: list[Problem]) -> pd.DataFrame:
    """Mark in the roster the rows that a block refuses; a repeat shares the fate of its first row."""
    roster = cohort.roster.copy()
    refused: dict[str, tuple[str, str]] = {}
    for problem in problems:
        for i in cohort.ids[np.asarray(problem.rows, dtype=int)]:
            refused.setdefault(i, (problem.code, f"{problem.where} {problem.what}"))
    for i, (code, reason) in refused.items():
        mine = (roster.patient_id == i) & (roster.code == "")
        roster.loc[mine, ["code", "reason"]] = [code, reason]
    return roster
