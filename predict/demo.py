"""The first ten minutes in one command: train on real cohorts, register, score an unseen one, explain, report."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from theracast.errors import ModelError
from theracast.features.datasets import load_cohort
from theracast.models.config import Experiment
from theracast.models.train import Training, train
from theracast.models.validate import Validation
from theracast.predict.batch import write_scores
from theracast.predict.champion import champion_of, is_champion_of_another, version_of
from theracast.predict.promotion import GATES
from theracast.predict.publish import register
from theracast.predict.records import Scores
from theracast.predict.registry import load_predictor, load_validation
from theracast.predict.report.frame import write_page
from theracast.predict.report.page import cohort_page, patient_page
from theracast.predict.report.patient_facts import shipped_reference
from theracast.predict.report.plots import overview, to_png
from theracast.predict.store import CHAMPION, store_uri


@dataclass(frozen=True)
class Demo:
    """What the demo made.

    Attributes
    ----------
    experiment : Experiment
        What was trained.
    validation : Validation
        Every cohort predicted by a model that never saw it.
    model_uri, version : str
        The registered model.
    trained : bool
        False when the version of an earlier run was used again.
    promoted : bool
        Whether it is the champion; False where the champion is of another experiment, which keeps the alias.
    scores : Scores
        Of the held-out cohort.
    patient_id : str
        The patient whose page was written.
    files : dict of str to Path
        Where everything is.
    seconds : float
        How long it took.

    Examples
    --------
    >>> "files" in Demo.__dataclass_fields__
    True
    """

    experiment: Experiment
    validation: Validation
    model_uri: str
    version: str
    trained: bool
    promoted: bool
    scores: Scores
    patient_id: str
    files: dict[str, Path]
    seconds: float


def run_demo(
    experiment: Experiment,
    folder: str | Path = "theracast-demo",
    *,
    tracking: str | None = None,
    progress: Callable[[str], None] = lambda step: None,
) -> Demo:
    """Train or reuse a model, score the held-out cohort, write scores, pages and pictures.

    A champion of the same name that another experiment trained keeps its alias: the demo's model is then a version
    beside it.

    Parameters
    ----------
    experiment : Experiment
        With at least one held-out cohort.
    folder : str or Path, default "theracast-demo"
        Where the files go.
    tracking : str, optional
        MLflow tracking URI; a local sqlite store by default.
    progress : callable, optional
        Told each step in words.

    Returns
    -------
    Demo
        With the place of every file.

    Examples
    --------
    >>> callable(run_demo)
    True
    """
    begun = time.monotonic()
    folder = Path(folder)
    progress("look for a model of the same data and code")
    promoted = not is_champion_of_another(experiment, tracking=tracking)
    version = (champion_of if promoted else version_of)(experiment, tracking=tracking)
    trained = version is None
    if version is None:
        training = train(experiment, progress)
        progress("register the model")
        version, promoted = _registered(training, tracking, promoted)
    uri = f"models:/{experiment.name}@{CHAMPION}" if promoted else f"models:/{experiment.name}/{version}"
    progress(f"score {experiment.holdout[0]}, which the model never saw")
    predictor = load_predictor(uri, tracking=tracking)
    validation = load_validation(uri, tracking=tracking)
    unseen = load_cohort(experiment.holdout[0])
    scores = predictor.score(unseen, explained=True, spread=True)
    patient_id = _clearest(scores.table)
    progress("write scores, pages and pictures")
    model, spec = predictor.model, predictor.model.spec
    files = {
        "scores": folder / f"{experiment.holdout[0]}.parquet",
        "cohort page": folder / f"{experiment.holdout[0]}.html",
        "patient page": folder / "patient.html",
        "picture": folder / "overview.png",
    }
    write_scores(scores, files["scores"], unseen)
    write_page(cohort_page(scores, spec, predictor.about), files["cohort page"])
    page = patient_page(scores, patient_id, spec, predictor.about, model=model, reference=shipped_reference(model))
    write_page(page, files["patient page"])
    if scores.explanation is not None:
        to_png(overview(validation, scores.explanation, patient_id), files["picture"])
    files["store"] = Path(store_uri(tracking, create=True).removeprefix("sqlite:///"))
    took = time.monotonic() - begun
    return Demo(experiment, validation, uri, version, trained, promoted, scores, patient_id, files, took)


def _registered(training: Training, tracking: str | None, promote: bool) -> tuple[str, bool]:
    """Register; a champion that the gates find better keeps its alias."""
    try:
        return register(training, tracking=tracking, promote=promote)[1], promote
    except ModelError as error:
        version = version_of(training.experiment, tracking=tracking)
        if error.code != GATES or version is None:
            raise
        return version, False


def _clearest(table: pd.DataFrame) -> str:
    """Pick the patient with the narrowest interval among those decided, or among all."""
    decided = table[table.decision != "abstain"]
    pool = decided if len(decided) else table[table.probability.notna()]
    return str(pool.loc[(pool.upper - pool.lower).idxmin(), "patient_id"])
