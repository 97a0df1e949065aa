"""How a training is logged and registered, whatever kind its model is of."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version as installed
from pathlib import Path
from types import ModuleType
from typing import Any

import theracast
from theracast.errors import ModelError
from theracast.models.base import ResponseModel
from theracast.models.config import Experiment
from theracast.models.selection import SelectionModel
from theracast.models.selection_train import SelectionExperiment, SelectionTraining
from theracast.models.storage import save_model, save_selection
from theracast.models.train import Training
from theracast.predict.artifact import INNER, digests_of, read_back
from theracast.predict.card.attach import attach_card, described
from theracast.predict.card.facts import environment
from theracast.predict.contract import input_columns, input_example
from theracast.predict.kept import pack_validation, validation_files, validation_metrics
from theracast.predict.promotion import promote as make_champion
from theracast.predict.report.plots import forest, to_png
from theracast.predict.store import connect, experiment_id, reaching
from theracast.provenance import code_digest, digest_json, sha256_file

_PINNED = ("numpy", "pandas", "scipy", "scikit-learn", "xgboost", "numba", "mlflow")


@dataclass(frozen=True)
class Package:
    """What is logged of a training, whatever kind its model is of.

    Attributes
    ----------
    name, subject, title, intended_use : str
        Name in the registry; MLflow experiment; for the description.
    script : str
        File in this folder that MLflow runs to load the model.
    blocks : tuple of str
        What the model reads.
    outputs : mapping of str to str
        Column to MLflow type.
    key : mapping of str to str
        Tags of the version: what decides the training.
    params, tags, metrics : mapping
        Of the run.
    model : ResponseModel or SelectionModel
        Fitted, for the card.
    about : mapping
        What is kept with it.
    digest : str
        Of the model.
    files : tuple of str
        Beside the model, in the folder that is logged.

    Examples
    --------
    >>> Package.__dataclass_fields__["script"].type
    'str'
    """

    name: str
    subject: str
    title: str
    intended_use: str
    script: str
    blocks: tuple[str, ...]
    outputs: Mapping[str, str]
    key: Mapping[str, str]
    model: ResponseModel | SelectionModel
    about: Mapping[str, Any]
    digest: str
    params: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    files: tuple[str, ...] = ()


def register(training: Training, *, tracking: str | None = None, promote: bool = True) -> tuple[str, str]:
    """Log a training, register its model, and make it the champion.

    Parameters
    ----------
    training : Training
        From `theracast.models.train.train`.
    tracking : str, optional
        As in `store_uri`.
    promote : bool, default True
        Whether the new version takes the alias ``champion``.

    Returns
    -------
    uri : str
        ``models:/<name>@champion``, or ``models:/<name>/<version>``.
    version : str
        The version registered.

    Raises
    ------
    ModelError
        THX-R04 when the model cannot be read back from the store as it was written: no version is registered.

    Examples
    --------
    >>> callable(register)
    True
    """
    experiment, validation = training.experiment, training.validation
    about = {
        "experiment": experiment.model_dump(),
        "experiment_digest": experiment.digest,
        "data": training.data,
        "environment": environment(),
        **pack_validation(validation),
        "sentinels": [f.to_dict() for f in training.findings],
        "prior": training.model.fusion_.prior,
    }
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        digest = save_model(training.model, folder / "model", about)
        tables = validation_files(validation)
        for name, table in tables.items():
            table.to_csv(folder / name, index=False)
        to_png(forest(validation), folder / "forest.png")
        spec = training.model.spec
        return _publish(
            Package(
                name=experiment.name,
                subject=experiment.indication,
                title=spec.title,
                intended_use=spec.intended_use,
                script="pyfunc.py",
                blocks=spec.blocks,
                outputs={"probability": "double", "decision": "string", "set": "string"},
                key=training_key(experiment, training.data),
                model=training.model,
                about=about,
                digest=digest,
                params={"learner": experiment.learner, "cohorts": ",".join(experiment.cohorts), **experiment.options},
                tags={f"data.{k}": v[:16] for k, v in training.data.items()} | {"model_digest": digest},
                metrics=validation_metrics(validation),
                files=(*tables, "forest.png"),
            ),
            folder,
            tracking,
            promote,
        )


def register_selection(
    training: SelectionTraining, *, tracking: str | None = None, promote: bool = True
) -> tuple[str, str]:
    """Log a choice between therapies, register it, and make it the champion.

    Parameters
    ----------
    training : SelectionTraining
        From `theracast.models.selection_train.train_selection`.
    tracking : str, optional
        As in `theracast.predict.store.store_uri`.
    promote : bool, default True
        Whether the new version takes the alias ``champion``.

    Returns
    -------
    uri : str
        ``models:/<name>@champion``, or ``models:/<name>/<version>``.
    version : str
        The version registered.

    Raises
    ------
    ModelError
        As `register`.

    Examples
    --------
    >>> callable(register_selection)
    True
    """
    experiment, model, spec = training.experiment, training.model, training.model.selection
    evidence = model.evidence_
    about = {
        "experiment": experiment.model_dump(),
        "experiment_digest": experiment.digest,
        "data": training.data,
        "environment": environment(),
        "evidence": json.loads(evidence.to_json(orient="records")),
        "sentinels": [f.to_dict() for f in training.findings],
    }
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        digest = save_selection(model, folder / "model", about)
        evidence.to_csv(folder / "evidence.csv", index=False)
        return _publish(
            Package(
                name=spec.name,
                subject=spec.name,
                title=spec.title,
                intended_use=spec.intended_use,
                script="pyfunc_selection.py",
                blocks=tuple(dict.fromkeys(b for a in spec.arms for b in a.blocks)),
                outputs={"therapy": "string", "decision": "string", "probability": "double", "ranking": "string"},
                key=training_key(experiment, training.data),
                model=model,
                about=about,
                digest=digest,
                params={"studies": ",".join(spec.studies), "therapies": len(spec.arms), **experiment.settings},
                tags={f"data.{k}": v[:16] for k, v in training.data.items()} | {"model_digest": digest},
                files=("evidence.csv",),
            ),
            folder,
            tracking,
            promote,
        )


def training_key(experiment: Experiment | SelectionExperiment, data: dict[str, str]) -> dict[str, str]:
    """Name what decides a training: equal keys, equal models.

    Parameters
    ----------
    experiment : Experiment or SelectionExperiment
        What is trained.
    data : dict of str to str
        Cohort to its digest.

    Returns
    -------
    dict of str to str
        The tags of a version.

    Examples
    --------
    >>> sorted(training_key(Experiment(indication="melanoma_ici"), {}))
    ['code_digest', 'data_digest', 'experiment_digest', 'theracast']
    """
    return {
        "experiment_digest": experiment.digest,
        "data_digest": digest_json(data),
        "theracast": theracast.__version__,
        "code_digest": code_digest(),
    }


def _publish(package: Package, folder: Path, tracking: str | None, promote: bool) -> tuple[str, str]:
    """Log ``folder/model`` and what lies beside it, register it, and make it the champion if it may be."""
    mlflow, store = connect(tracking, create=True)
    with reaching(store):
        number = _registered(mlflow, store, package, folder)
    if not promote:
        return f"models:/{package.name}/{number}", number
    return make_champion(package.name, number, tracking=store, reason="trained").uri, number


def _registered(mlflow: ModuleType, store: str, package: Package, folder: Path) -> str:
    """Log it, read it back, and register it."""
    script = Path(__file__).with_name(package.script)
    requirements = [f"theracast=={theracast.__version__}", *(f"{p}=={installed(p)}" for p in _PINNED)]
    written = {f"{INNER}/{name}": digest for name, digest in digests_of(folder / "model").items()}
    mlflow.set_experiment(experiment_id=experiment_id(mlflow, package.subject, store))
    with mlflow.start_run(run_name=package.name) as run:
        mlflow.log_params(dict(package.params))
        mlflow.set_tags(dict(package.tags))
        mlflow.log_metrics(dict(package.metrics))
        for name in package.files:
            mlflow.log_artifact(folder / name)
        info = mlflow.pyfunc.log_model(
            name=package.name,
            python_model=str(script),
            artifacts={"model": str(folder / "model")},
            signature=_signature(mlflow, package),
            input_example=input_example(package.blocks),
            pip_requirements=requirements,
            metadata={"indication": package.subject, "intended_use": package.intended_use},
        )
        client = mlflow.MlflowClient()
        try:
            read_back(mlflow, info, {**written, script.name: sha256_file(script)}, requirements)
        except ModelError:
            with suppress(mlflow.MlflowException):  # an orphan: no version ever names it
                client.delete_logged_model(info.model_id)
            raise
        with suppress(mlflow.MlflowException):  # it is there already
            client.create_registered_model(package.name, description=package.title)
        # with its tags, not before them: a version without would be half registered
        version = client.create_model_version(
            package.name,
            info.model_uri,
            run.info.run_id,
            tags=dict(package.key),
            description=described(package.title, run.info.run_id),
            model_id=info.model_id,
        )
        attach_card(client, version, package.model, package.about, package.digest)
    return str(version.version)


def _signature(mlflow: ModuleType, package: Package) -> Any:
    """Every column optional and of any type: our own contract checks units and ranges, and says so better."""
    from mlflow.types.schema import AnyType, ColSpec, Schema

    inputs = Schema([ColSpec(AnyType(), name=c, required=False) for c in input_columns(package.blocks)])
    outputs = Schema([ColSpec(t, name=n) for n, t in package.outputs.items()])
    return mlflow.models.ModelSignature(inputs=inputs, outputs=outputs)
