"""Predictor: load a model, check the tables against its contract, predict, account for every row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.special import expit

from theracast.errors import DataError, UsageError
from theracast.features.cohort import Cohort, as_cohort
from theracast.features.matrix import FeatureMatrix
from theracast.features.remarks import together
from theracast.models.base import OUTSIDE, ResponseModel
from theracast.models.fingerprint import fingerprint
from theracast.models.recalibration import AS_TRAINED, Recalibration
from theracast.models.storage import load_model
from theracast.predict.explain import TOLERANCE, explain
from theracast.predict.made_of import made_of, mark_column
from theracast.predict.records import COLUMNS, Scores
from theracast.predict.rows import Place, refused_rows, usable_rows
from theracast.texts import Texts

#: Note of a patient whose explanation is not given.
WITHHELD = "the explanation is withheld: it does not add up to the prediction"


@dataclass(frozen=True)
class Standing:
    """Log-odds of the patients of a site.

    Attributes
    ----------
    base : ndarray of float64, shape (n_patients,)
        Before anything is read of the patient but the tumour type and the blocks that are known.
    margin : ndarray of float64, shape (n_patients,)
        By the model.

    Examples
    --------
    >>> Standing(np.zeros(1), np.ones(1)).margin.tolist()
    [1.0]
    """

    base: np.ndarray
    margin: np.ndarray


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
        spread: bool = False,
        strict: bool = False,
        site: Recalibration = AS_TRAINED,
        place: Place | None = None,
    ) -> Scores:
        """Score every patient; implausible rows are refused one by one, an implausible column as a whole.

        Parameters
        ----------
        X : Cohort or wide DataFrame
            Patients.
        explained : bool, default False
            Whether to explain each prediction.
        spread : bool, default False
            Whether each explanation tells how far its contributions move when one study is left out of training.
        strict : bool, default False
            Whether one refused row stops everything.
        site : Recalibration, optional
            What is known of the site, such as its response rate (`ResponseModel.respond`); its note is kept with
            every patient.
        place : Place, optional
            Where the rows stand in a longer table of which these are a part.

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
        matrix, roster = self._read(as_cohort(X), strict, place)
        table = self.model.respond(matrix, site).table
        coverage = [c for c in table.columns if c.startswith("coverage_")]
        table["tumour_type"] = matrix.tumours
        same = np.zeros(len(table), dtype=np.intp)
        for name, said in (("model_uri", self.uri), ("model_version", self.version)):
            table[name] = Texts(same, (said,)).series(table.index)
        table["provenance"] = mark_column(list(self.parts.values()), matrix.digests)
        table["notes"] = _joined(matrix.notes, table.index, site.note).series(table.index)
        why = None
        if explained:
            why = explain(self.model, matrix, site, spread=spread, predicted=table.probability.to_numpy())
            lost = (why.residual.abs() > TOLERANCE).to_numpy()
            if lost.any():
                table.loc[lost, "notes"] = ["; ".join(filter(None, (n, WITHHELD))) for n in table.notes[lost]]
        kept = roster[(roster.code == "").to_numpy()]
        # every patient once, in the order of the rows: nothing is to be spread
        once = len(kept) == len(table) and pd.Index(kept.patient_id).equals(table.index)
        lines = (table if once else table.reindex(kept.patient_id)).reset_index(names="patient_id")
        again = np.flatnonzero(kept.repeats.to_numpy() >= 0)
        if again.size:
            first = (f"same as row {row + 1}" for row in kept.repeats.to_numpy()[again])
            told = ["; ".join(filter(None, pair)) for pair in zip(lines.notes.iloc[again], first, strict=True)]
            lines.iloc[again, lines.columns.get_loc("notes")] = told
        scores = Scores(
            lines[[*COLUMNS, *coverage]],
            refused_rows(roster),
            len(roster),
            why,
            tuple(kept.index.tolist()),
            self.model.fusion_.prior,
            site,
            fingerprint(matrix, self.model.reference_, cohort=", ".join(self.model.studies_)) if explained else None,
            matrix if explained else None,
            self.parts,
            matrix.digests,
        )
        scores.account()
        return scores

    def site(
        self,
        X: Cohort | pd.DataFrame | None = None,
        *,
        rate: float | None = None,
        labelled: Cohort | pd.DataFrame | None = None,
    ) -> Recalibration:
        """Say what is known of the site whose patients are scored: its response rate, or patients with labels.

        Both move probabilities and intervals; ranks, label sets and decisions stay.

        Parameters
        ----------
        X : Cohort or wide DataFrame, optional
            The patients to be scored, as many as come, not picked. With 20 or more, their mean probability becomes
            the rate; with fewer, the odds move from the rate that the model assumes for patients with the same tumour
            types and blocks. Those who are out of domain do not count.
        rate : float, optional
            Response rate of the site, in (0, 1).
        labelled : Cohort or wide DataFrame, optional
            Patients of the site with column ``response``, however few, picked without regard to it.

        Returns
        -------
        Recalibration
            For `score`; without rate and labels one that changes nothing.

        Raises
        ------
        UsageError
            When both are given, or the rate is not inside 0-1.
        DataError
            THX-D24 when no one has a label, or no one with a label is of those that the model was made for.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> predictor = Predictor(ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel")), "0" * 64)
        >>> riaz = load_cohort("riaz2017_mel")
        >>> site = predictor.site(riaz, rate=0.2)
        >>> site.note
        'response rate given: 20%, matched to the mean of 51 patients'
        >>> round(float(predictor.score(riaz, site=site).table.probability.mean()), 3)
        0.2
        >>> predictor.site(labelled=riaz).note
        'fitted to 49 labelled patients, 10 of them responders'
        """
        if rate is not None and labelled is not None:
            raise UsageError(
                "a response rate and labelled patients of one site", fix="Give one of them: labels tell the rate too."
            )
        if labelled is not None:
            return self._from_labels(as_cohort(labelled))
        if rate is None:
            return AS_TRAINED
        Recalibration.from_rate(self.model.fusion_.prior, rate)  # a wrong rate is told before any patient is measured
        return self.rated(rate, self.standing(as_cohort(X)) if X is not None else None)

    def standing(self, X: Cohort | pd.DataFrame) -> Standing:
        """Say where the patients stand whom the model was made for.

        Parameters
        ----------
        X : Cohort or wide DataFrame
            Patients.

        Returns
        -------
        Standing
            Those who are refused or out of domain are not in it.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> predictor = Predictor(ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel")), "0" * 64)
        >>> predictor.standing(load_cohort("riaz2017_mel")).margin.shape
        (51,)
        """
        matrix, _ = self._read(as_cohort(X))
        matrix = matrix.subset(self._inside(matrix))
        return Standing(self.model.fusion_.split(matrix)[0], self.model.fusion_.margin(matrix))

    def rated(self, rate: float, of: Standing | None) -> Recalibration:
        """Move the model to a response rate.

        Parameters
        ----------
        rate : float
            In (0, 1).
        of : Standing or None
            The patients of the site, where they are known.

        Returns
        -------
        Recalibration
            As `site`.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> predictor = Predictor(ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel")), "0" * 64)
        >>> predictor.rated(0.2, None).slope
        1.0
        """
        prior = self.model.fusion_.prior
        if of is None:
            return Recalibration.from_rate(prior, rate)
        return Recalibration.from_rate(float(expit(of.base).mean()) if len(of.base) else prior, rate, of.margin)

    def _from_labels(self, cohort: Cohort) -> Recalibration:
        """Fit to the labelled patients whom the model can read."""
        labels = cohort.response
        if not labels.notna().any():
            raise DataError(
                "no labels to recalibrate by",
                code="THX-D24",
                got=f"{len(labels)} patients, none with a response",
                wanted="column response in table clinical: R or NR for some of them",
                fix="Add labels, or tell the response rate of the site instead.",
            )
        matrix, _ = self._read(cohort)
        inside, y = self._inside(matrix), labels.reindex(matrix.values.index).to_numpy()
        used = inside & ~np.isnan(y)
        if not used.any():
            raise DataError(
                "no labelled patient is one that the model can judge",
                code="THX-D24",
                got=f"{int(labels.notna().sum())} with a label, {int((~inside).sum())} of {len(inside)} out of domain "
                "or with nothing known",
                fix="Take labelled patients of the tumour types that the model was made for.",
            )
        mine = matrix.subset(used)
        site = Recalibration.from_labels(self.model.fusion_.margin(mine), y[used], self.model.fusion_.prior)
        seen = int(mine.studies.isin(self.model.studies_).sum())
        if not seen:
            return site
        return replace(site, note=f"{site.note}, {seen} of studies that the model was trained on")

    @cached_property
    def parts(self) -> dict[str, str]:
        """What all predictions of this model share, in digests.

        Returns
        -------
        dict of str to str
            As `theracast.predict.made_of.made_of`.

        Examples
        --------
        >>> isinstance(Predictor.parts, cached_property)
        True
        """
        return made_of(self.digest, self.model.assembler_)

    def _read(
        self, cohort: Cohort, strict: bool = False, place: Place | None = None
    ) -> tuple[FeatureMatrix, pd.DataFrame]:
        """Measure the patients that are not refused; say of every row what became of it."""
        usable, roster = usable_rows(cohort, self.model.assembler_.check(cohort), strict, place)
        # checked above, with all rows: a rule about a whole column must not turn when the bad rows are gone
        return self.model.matrix(usable, checked=True), roster

    def _inside(self, matrix: FeatureMatrix) -> np.ndarray:
        """Say who has a probability that was meant for such patients."""
        table = self.model.respond(matrix).table
        return (table.probability.notna() & ~table.reason.str.startswith(OUTSIDE)).to_numpy()


def _joined(notes: Mapping[str, Sequence[str]], patients: pd.Index, more: str) -> Texts:
    """Put the notes of each patient on one line; most have the same ones."""
    codes, kinds = together(patients, [notes]).grouped()
    return Texts(codes, tuple("; ".join(filter(None, [*lines, more])) for lines in kinds))
