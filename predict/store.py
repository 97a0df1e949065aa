"""The MLflow store: where it is, how mlflow is imported, where the runs of a subject go."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from types import ModuleType

from theracast.errors import ModelError

#: The file that MLflow itself uses in a folder, so that ``mlflow ui`` there shows the same runs.
STORE = "mlflow.db"
#: Alias of the version that is meant where none is named.
CHAMPION = "champion"
#: Read before mlflow writes its own choice into the same variable.
_USERS_REGISTRY = os.environ.get("MLFLOW_REGISTRY_URI")


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


def experiment_id(mlflow: ModuleType, name: str, store: str) -> str:
    """Find or begin an MLflow experiment; next to a local store its artifacts get an absolute place.

    Parameters
    ----------
    mlflow : module
        From `connect`.
    name : str
        Of the experiment.
    store : str
        From `connect`.

    Returns
    -------
    str
        Its number in the store.

    Examples
    --------
    >>> callable(experiment_id)
    True
    """
    existing = mlflow.get_experiment_by_name(name)
    if existing is not None:
        return str(existing.experiment_id)
    place = None
    if store.startswith("sqlite:///"):
        place = (Path(store.removeprefix("sqlite:///")).resolve().parent / "mlruns").as_uri()
    return str(mlflow.create_experiment(name, artifact_location=place))
