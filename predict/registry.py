"""Everything MLflow: where the store is, how a training is logged and registered, how a model is found again.

The only file, with `pyfunc`, that imports mlflow, and it does so late: most commands never need it.
"""

from __future__ import annotations

import logging
import os
import re
import tempfile
from contextlib import suppress
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
from theracast.provenance import code_digest, digest_json

#: The file that MLflow itself uses in a folder, so that ``mlflow ui`` there shows the same runs.
STORE = "mlflow.db"
CHAMPION = "champion"
#: Read before mlflow writes its own choice into the same variable.
_USERS_REGISTRY = os.environ.get("MLFLOW_REGISTRY_URI")
_OUTPUTS = {"probability": "double", "decision": "string", "set": "string"}
_PINNED = ("numpy", "pandas", "scipy", "scikit-learn", "xgboost", "numba", "mlflow")


def store_uri(tracking: str | None = None, create: bool = False) -> str:
    """Find the store: the flag, ``MLFLOW_TRACKING_URI``, or ``mlflow.db`` here or in a folder above.

    Parameters
    ----------
    tracking : str, optional
        Any MLflow tracking URI.
    create : bool, default False
        Whether a store may be begun in the current folder.

    Returns
    -------
    str
        An MLflow tracking URI.

    Raises
    ------
    ModelError
        THX-R01 when there is no store and none may be begun.

    Examples
    --------
    >>> store_uri("http://localhost:5000")
    'http://localhost:5000'
    """
    given = tracking or os.environ.get("MLFLOW_TRACKING_URI")
    if given:
        return given
    here = Path.cwd()
    found = next((f / STORE for f in (here, *here.parents) if (f / STORE).is_file()), None)
    if found is None and not create:
        raise ModelError(
            "no model store here or in a folder above",
            code="THX-R01",
            where=str(here),
            wanted=f"a file {STORE}, --tracking-uri or MLFLOW_TRACKING_URI",
            fix="Run 'theracast demo' or 'theracast train' here first, or name the store.",
        )
    return f"sqlite:///{found or here / STORE}"


def connect(tracking: str | None = None, create: bool = False) -> tuple[ModuleType, str]:
    """Import mlflow and point it at the store.

    Parameters
    ----------
    tracking : str, optional
        As in `store_uri`.
    create : bool, default False
        As in `store_uri`.

    Returns
    -------
    mlflow : module
        Ready.
    uri : str
        The store.

    Examples
    --------
    >>> callable(connect)
    True
    """
    uri = store_uri(tracking, create)
    # hospitals ask: nothing is reported home, and nothing the registry holds is ever unpickled
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
    # it tells of every step; ours are enough
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    import mlflow

    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(_USERS_REGISTRY or uri)
    return mlflow, uri


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
    mlflow, store = connect(tracking, create=True)
    experiment, model = training.experiment, training.model
    mlflow.set_experiment(experiment_id=_experiment_id(mlflow, experiment.indication, store))
    with mlflow.start_run(run_name=experiment.name) as run, tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        validation = training.validation
        about = {
            "experiment": experiment.model_dump(),
            "experiment_digest": experiment.digest,
            "data": training.data,
            **pack_validation(validation),
            "prior": model.fusion_.prior,
        }
        digest = save_model(model, folder / "model", about)
        mlflow.log_params(
            {"learner": experiment.learner, "cohorts": ",".join(experiment.cohorts), **experiment.options}
        )
        mlflow.set_tags({f"data.{k}": v[:16] for k, v in training.data.items()} | {"model_digest": digest})
        mlflow.log_metrics(validation_metrics(validation))
        for name, table in validation_files(validation).items():
            table.to_csv(folder / name, index=False)
            mlflow.log_artifact(folder / name)
        to_png(forest(validation), folder / "forest.png")
        mlflow.log_artifact(folder / "forest.png")
        info = mlflow.pyfunc.log_model(
            name=experiment.name,
            python_model=str(Path(__file__).with_name("pyfunc.py")),
            artifacts={"model": str(folder / "model")},
            signature=_signature(mlflow, model.spec.blocks),
            input_example=input_example(model.spec.blocks),
            pip_requirements=[f"theracast=={theracast.__version__}", *(f"{p}=={installed(p)}" for p in _PINNED)],
            metadata={"indication": experiment.indication, "intended_use": model.spec.intended_use},
        )
        client = mlflow.MlflowClient()
        with suppress(mlflow.MlflowException):  # it is there already
            client.create_registered_model(experiment.name, description=model.spec.title)
        version = client.create_model_version(experiment.name, info.model_uri, run.info.run_id, model_id=info.model_id)
        number = str(version.version)
        for key, value in training_key(experiment, training.data).items():
            client.set_model_version_tag(experiment.name, number, key, value)
        if not promote:
            return f"models:/{experiment.name}/{number}", number
        client.set_registered_model_alias(experiment.name, CHAMPION, number)
    return f"models:/{experiment.name}@{CHAMPION}", number


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


def _experiment_id(mlflow: ModuleType, name: str, store: str) -> str:
    """Find or begin an experiment; next to a local store its artifacts get an absolute place."""
    existing = mlflow.get_experiment_by_name(name)
    if existing is not None:
        return str(existing.experiment_id)
    place = None
    if store.startswith("sqlite:///"):
        place = (Path(store.removeprefix("sqlite:///")).resolve().parent / "mlruns").as_uri()
    return str(mlflow.create_experiment(name, artifact_location=place))


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


def _signature(mlflow: ModuleType, blocks: tuple[str, ...]) -> Any:
    """Every column optional and of any type: our own contract checks units and ranges, and says so better."""
    from mlflow.types.schema import AnyType, ColSpec, Schema

    inputs = Schema([ColSpec(AnyType(), name=c, required=False) for c in input_columns(blocks)])
    outputs = Schema([ColSpec(t, name=n) for n, t in _OUTPUTS.items()])
    return mlflow.models.ModelSignature(inputs=inputs, outputs=outputs)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200]
