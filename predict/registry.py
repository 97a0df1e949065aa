"""The model registry: how a training is logged and registered, how a model is found again.

With `store` and the pyfunc scripts the only file that knows mlflow, and it asks for it late: most commands never do.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version as installed
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

import theracast
from theracast.errors import ModelError
from theracast.models.config import Experiment
from theracast.models.storage import save_model
from theracast.models.train import Training
from theracast.models.validate import Validation
from theracast.predict.contract import input_columns, input_example
from theracast.predict.kept import pack_validation, unpack_validation, validation_files, validation_metrics
from theracast.predict.predictor import Predictor
from theracast.predict.report.plots import forest, to_png
from theracast.predict.store import connect, experiment_id
from theracast.provenance import code_digest, digest_json

CHAMPION = "champion"
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
        **pack_validation(validation),
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
                params={"learner": experiment.learner, "cohorts": ",".join(experiment.cohorts), **experiment.options},
                tags={f"data.{k}": v[:16] for k, v in training.data.items()} | {"model_digest": digest},
                metrics=validation_metrics(validation),
                files=(*tables, "forest.png"),
            ),
            folder,
            tracking,
            promote,
        )


def load_predictor(model_uri: str, *, tracking: str | None = None) -> Predictor:
    """Load a model from the registry, a run, or a folder.

    Parameters
    ----------
    model_uri : str
        ``models:/<name>@<alias>``, ``models:/<name>/<version>``, ``runs:/...``, or a path.
    tracking : str, optional
        As in `store_uri`.

    Returns
    -------
    Predictor
        Ready to score.

    Raises
    ------
    ModelError
        THX-R01 when it is not there, with what is; THX-R05 when its bytes changed.

    Examples
    --------
    >>> load_predictor("no/such/folder")
    Traceback (most recent call last):
    ...
    theracast.errors.ModelError: THX-R01: no such model | where: no/such/folder | ...
    """
    if not re.match(r"^(models|runs|mlflow-artifacts):/", model_uri):
        if not Path(model_uri).is_dir():
            raise ModelError(
                "no such model",
                code="THX-R01",
                where=model_uri,
                wanted="a folder, or a URI such as models:/melanoma_ici@champion",
            )
        inner = Path(model_uri) / "artifacts" / "model"
        return Predictor.from_folder(inner if inner.is_dir() else model_uri, uri=model_uri)
    mlflow, store = connect(tracking)
    number = _version(mlflow, model_uri, store)
    pinned = re.sub(r"@.*$", f"/{number}", model_uri) if number else model_uri
    try:
        folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=pinned))
    except mlflow.MlflowException as error:
        raise ModelError(
            "the model cannot be fetched", code="THX-R01", where=f"{model_uri} in {store}", got=_first_line(error)
        ) from None
    return Predictor.from_folder(folder / "artifacts" / "model", uri=model_uri, version=number)


def load_validation(model_uri: str, *, tracking: str | None = None) -> Validation:
    """Load the validation that was logged with a model.

    Parameters
    ----------
    model_uri : str
        ``models:/<name>@<alias>`` or ``models:/<name>/<version>``.
    tracking : str, optional
        As in `store_uri`.

    Returns
    -------
    Validation
        Tables only: the predictions of single patients are not kept in the registry.

    Raises
    ------
    ModelError
        THX-R01 when the model is not there, or no validation was kept with it.

    Examples
    --------
    >>> callable(load_validation)
    True
    """
    found = unpack_validation(load_predictor(model_uri, tracking=tracking).about)
    if found is None:
        raise ModelError("no validation was kept with the model", code="THX-R01", where=model_uri)
    return found


def list_models(tracking: str | None = None) -> pd.DataFrame:
    """List what is registered.

    Parameters
    ----------
    tracking : str, optional
        As in `store_uri`.

    Returns
    -------
    DataFrame
        One row per version: ``name``, ``version``, ``aliases``, ``registered`` (UTC), ``theracast``.

    Examples
    --------
    >>> callable(list_models)
    True
    """
    mlflow, _ = connect(tracking)
    client = mlflow.MlflowClient()
    rows = []
    for model in client.search_registered_models():
        aliases: dict[str, list[str]] = {}
        for alias, number in model.aliases.items():
            aliases.setdefault(str(number), []).append(alias)
        for v in client.search_model_versions(f"name='{model.name}'"):
            when = pd.Timestamp(v.creation_timestamp, unit="ms", tz="UTC").strftime("%Y-%m-%d %H:%M")
            names = ", ".join(aliases.get(str(v.version), []))
            rows.append((model.name, str(v.version), names, when, v.tags.get("theracast", "")))
    return pd.DataFrame(rows, columns=["name", "version", "aliases", "registered", "theracast"])


def training_key(experiment: Experiment, data: dict[str, str]) -> dict[str, str]:
    """Name what decides a training: equal keys, equal models.

    Parameters
    ----------
    experiment : Experiment
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
    """Log ``folder/model`` and what lies beside it, and register it."""
    mlflow, store = connect(tracking, create=True)
    mlflow.set_experiment(experiment_id=experiment_id(mlflow, package.subject, store))
    with mlflow.start_run(run_name=package.name) as run:
        mlflow.log_params(dict(package.params))
        mlflow.set_tags(dict(package.tags))
        mlflow.log_metrics(dict(package.metrics))
        for name in package.files:
            mlflow.log_artifact(folder / name)
        info = mlflow.pyfunc.log_model(
            name=package.name,
            python_model=str(Path(__file__).with_name(package.script)),
            artifacts={"model": str(folder / "model")},
            signature=_signature(mlflow, package),
            input_example=input_example(package.blocks),
            pip_requirements=[f"theracast=={theracast.__version__}", *(f"{p}=={installed(p)}" for p in _PINNED)],
            metadata={"indication": package.subject, "intended_use": package.intended_use},
        )
        client = mlflow.MlflowClient()
        with suppress(mlflow.MlflowException):  # it is there already
            client.create_registered_model(package.name, description=package.title)
        version = client.create_model_version(package.name, info.model_uri, run.info.run_id, model_id=info.model_id)
        number = str(version.version)
        for key, value in package.key.items():
            client.set_model_version_tag(package.name, number, key, value)
        if not promote:
            return f"models:/{package.name}/{number}", number
        client.set_registered_model_alias(package.name, CHAMPION, number)
    return f"models:/{package.name}@{CHAMPION}", number


def _version(mlflow: ModuleType, model_uri: str, store: str) -> str:
    """Pin an alias to its version, once, at the start."""
    match = re.fullmatch(r"models:/([^/@]+)(?:@(.+)|/(\d+))", model_uri)
    if not match:
        return ""
    name, alias, number = match.groups()
    try:
        client = mlflow.MlflowClient()
        return number or str(client.get_model_version_by_alias(name, alias).version)
    except mlflow.MlflowException:
        there = list_models(store)
        known = ", ".join(f"{r.name}@{r.aliases}" if r.aliases else f"{r.name}/{r.version}" for r in there.itertuples())
        raise ModelError(
            "no such model",
            code="THX-R01",
            where=f"{model_uri} in {store}",
            got=f"registered: {known or 'nothing'}",
            fix="Train it with 'theracast train experiments/<name>.yaml', or name another.",
        ) from None


def _signature(mlflow: ModuleType, package: Package) -> Any:
    """Every column optional and of any type: our own contract checks units and ranges, and says so better."""
    from mlflow.types.schema import AnyType, ColSpec, Schema

    inputs = Schema([ColSpec(AnyType(), name=c, required=False) for c in input_columns(package.blocks)])
    outputs = Schema([ColSpec(t, name=n) for n, t in package.outputs.items()])
    return mlflow.models.ModelSignature(inputs=inputs, outputs=outputs)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200]
