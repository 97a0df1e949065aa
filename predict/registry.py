"""The model registry: how a model is found again.

With `store`, `publish` and the pyfunc scripts the only file that knows mlflow, and it asks for it late.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

from theracast.errors import ModelError
from theracast.models.storage import chooses
from theracast.models.validate import Validation
from theracast.predict.artifact import model_folder
from theracast.predict.kept import unpack_validation
from theracast.predict.predictor import Predictor
from theracast.predict.store import CHAMPION, connect, reaching, safe_name, shown
from theracast.predict.therapies import SelectionPredictor
from theracast.predict.turns import is_turn

#: MLflow's words for what is not there.
_ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND")


def load_predictor(model_uri: str, *, tracking: str | None = None) -> Predictor:
    """Load a response model from the registry, a run, or a folder.

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
    folder, number = fetch_model(model_uri, tracking)
    return Predictor.from_folder(folder, uri=model_uri, version=number)


def load_any(model_uri: str, *, tracking: str | None = None) -> Predictor | SelectionPredictor:
    """Load whatever is registered under an address.

    Parameters
    ----------
    model_uri : str
        As in `load_predictor`.
    tracking : str, optional
        As in `theracast.predict.store.store_uri`.

    Returns
    -------
    Predictor or SelectionPredictor
        Ready.

    Raises
    ------
    ModelError
        As `load_predictor`.

    Examples
    --------
    >>> load_any("no/such/folder")
    Traceback (most recent call last):
    ...
    theracast.errors.ModelError: THX-R01: no such model | where: no/such/folder | ...
    """
    folder, number = fetch_model(model_uri, tracking)
    kind = SelectionPredictor if chooses(folder) else Predictor
    return kind.from_folder(folder, uri=model_uri, version=number)


def load_selection_predictor(model_uri: str, *, tracking: str | None = None) -> SelectionPredictor:
    """Load a choice between therapies from the registry, a run, or a folder.

    Parameters
    ----------
    model_uri : str
        As in `load_predictor`.
    tracking : str, optional
        As in `theracast.predict.store.store_uri`.

    Returns
    -------
    SelectionPredictor
        Ready to rank.

    Raises
    ------
    ModelError
        As `load_predictor`.

    Examples
    --------
    >>> load_selection_predictor("no/such/folder")
    Traceback (most recent call last):
    ...
    theracast.errors.ModelError: THX-R01: no such model | where: no/such/folder | ...
    """
    folder, number = fetch_model(model_uri, tracking)
    return SelectionPredictor.from_folder(folder, uri=model_uri, version=number)


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
    mlflow, store = connect(tracking)
    with reaching(store):
        client = mlflow.MlflowClient()
        rows = [
            (model.name, str(v.version), ", ".join(_aliases(model, v.version)), _when(v), v.tags.get("theracast", ""))
            for model in _all(client.search_registered_models)
            if not is_turn(model)
            # a quote in a name that others gave would end the filter
            for v in (_all(client.search_model_versions, f"name='{model.name}'") if "'" not in model.name else ())
        ]
    return pd.DataFrame(rows, columns=["name", "version", "aliases", "registered", "theracast"])


def fetch_folder(name: str, version: str, tracking: str | None = None) -> Path:
    """Bring the whole folder of a registered version here, as MLflow keeps it.

    Parameters
    ----------
    name, version : str
        Of the model.
    tracking : str, optional
        As in `theracast.predict.store.store_uri`.

    Returns
    -------
    Path
        With ``MLmodel``; in a temporary place where the store is not on this machine.

    Raises
    ------
    ModelError
        As `load_predictor`.

    Examples
    --------
    >>> callable(fetch_folder)
    True
    """
    return fetch_model(f"models:/{safe_name(name)}/{version}", tracking)[0].parent.parent


def version_at(model: str, *, tracking: str | None = None) -> tuple[str, str]:
    """Read what a user calls a registered model, and pin it to its version.

    Parameters
    ----------
    model : str
        A name, which means its champion, ``NAME@ALIAS`` or ``NAME/VERSION``, with or without ``models:/``.
    tracking : str, optional
        As in `theracast.predict.store.store_uri`.

    Returns
    -------
    name, version : str
        Of the registry.

    Raises
    ------
    UsageError
        THX-A01 when it is no such name.
    ModelError
        THX-R01 when there is none.

    Examples
    --------
    >>> version_at("../../etc/passwd")
    Traceback (most recent call last):
    ...
    theracast.errors.UsageError: THX-A01: not a name of a model | ...
    """
    said = model.removeprefix("models:/")
    match = re.fullmatch(r"([^/@]+)(?:@(.+)|/(\d+))?", said)
    name = safe_name(match[1] if match else said)
    if match and match[3]:
        return name, match[3]
    mlflow, store = connect(tracking)
    with reaching(store):
        uri = f"models:/{name}@{match[2] if match and match[2] else CHAMPION}"
        return name, _version(mlflow.MlflowClient(), uri, store)


def _all(search: Any, *filters: str) -> list[Any]:
    """Turn the pages of a search."""
    found, token = [], None
    while True:
        page = search(*filters, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def _aliases(model: Any, version: object) -> list[str]:
    return [alias for alias, number in model.aliases.items() if str(number) == str(version)]


def _when(version: Any) -> str:
    return pd.Timestamp(version.creation_timestamp, unit="ms", tz="UTC").strftime("%Y-%m-%d %H:%M")


def fetch_model(model_uri: str, tracking: str | None = None) -> tuple[Path, str]:
    """Bring a model's folder here, and say which version it is.

    Parameters
    ----------
    model_uri : str
        As in `load_predictor`.
    tracking : str, optional
        As in `theracast.predict.store.store_uri`.

    Returns
    -------
    folder : Path
        Of the model itself; nothing of it was opened.
    version : str
        Empty where there is none.

    Raises
    ------
    ModelError
        As `load_predictor`.

    Examples
    --------
    >>> fetch_model("no/such/folder")
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
        return model_folder(model_uri), ""
    mlflow, store = connect(tracking)
    with reaching(store):
        number = _version(mlflow.MlflowClient(), model_uri, store)
        pinned = re.sub(r"@.*$", f"/{number}", model_uri) if number else model_uri
        try:
            folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=pinned))
        except (mlflow.MlflowException, OSError) as error:
            if getattr(error, "error_code", "") not in _ABSENT and not isinstance(error, FileNotFoundError):
                raise
            raise ModelError(
                "the model cannot be fetched",
                code="THX-R01",
                where=f"{model_uri} in {shown(store)}",
                got="it is not there",
                fix="'theracast models list' shows what there is.",
            ) from None
    return model_folder(folder), number


def _version(client: Any, model_uri: str, store: str) -> str:
    """Pin an alias to its version, once, at the start."""
    from mlflow.exceptions import MlflowException

    match = re.fullmatch(r"models:/([^/@]+)(?:@(.+)|/(\d+))", model_uri)
    if not match:
        return ""
    name, alias, number = match.groups()
    safe_name(name)
    if number:
        return str(number)
    try:
        return str(client.get_model_version_by_alias(name, safe_name(alias, "alias")).version)
    except MlflowException as error:
        if error.error_code not in _ABSENT:
            raise
        there = list_models(store)
        known = ", ".join(f"{r.name}@{r.aliases}" if r.aliases else f"{r.name}/{r.version}" for r in there.itertuples())
        raise ModelError(
            "no such model",
            code="THX-R01",
            where=f"{model_uri} in {shown(store)}",
            got=f"registered: {known or 'nothing'}",
            fix="Train it with 'theracast train experiments/<name>.yaml', or name another.",
        ) from None
