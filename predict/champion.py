"""Which registered version an experiment has trained already, and whether the champion is its own."""

from __future__ import annotations

from typing import Any

from theracast.models.config import Experiment
from theracast.models.train import data_digests
from theracast.predict.publish import training_key
from theracast.predict.store import CHAMPION, connect, reaching, safe_name


def champion_of(experiment: Experiment, *, tracking: str | None = None) -> str | None:
    """Say which version is champion, if it was trained by this experiment on the same data with the same code.

    Parameters
    ----------
    experiment : Experiment
        What would be trained.
    tracking : str, optional
        As in `store_uri`.

    Returns
    -------
    str or None
        The version, or None when it has to be trained.

    Examples
    --------
    >>> callable(champion_of)
    True
    """
    found = _champion(experiment, tracking)
    key = training_key(experiment, data_digests(experiment)).items()
    return str(found.version) if found and key <= found.tags.items() else None


def version_of(experiment: Experiment, *, tracking: str | None = None) -> str | None:
    """Find the newest version that this experiment trained on the same data with the same code, champion or not.

    Parameters
    ----------
    experiment : Experiment
        What would be trained.
    tracking : str, optional
        As in `store_uri`.

    Returns
    -------
    str or None
        The version, or None when it has to be trained.

    Examples
    --------
    >>> callable(version_of)
    True
    """
    mlflow, store = connect(tracking, create=True)
    key = training_key(experiment, data_digests(experiment)).items()
    with reaching(store):
        found = mlflow.MlflowClient().search_model_versions(f"name='{safe_name(experiment.name)}'")
    return max((str(v.version) for v in found if key <= v.tags.items()), key=int, default=None)


def is_champion_of_another(experiment: Experiment, *, tracking: str | None = None) -> bool:
    """Say whether the champion of this name was trained by another experiment, so that it must not be displaced.

    Parameters
    ----------
    experiment : Experiment
        What would be trained.
    tracking : str, optional
        As in `store_uri`.

    Returns
    -------
    bool
        False where there is no champion, and where it is one of this experiment's, though of other data or code.

    Examples
    --------
    >>> callable(is_champion_of_another)
    True
    """
    found = _champion(experiment, tracking)
    return bool(found and found.tags.get("experiment_digest") != experiment.digest)


def _champion(experiment: Experiment, tracking: str | None) -> Any:
    mlflow, store = connect(tracking, create=True)
    with reaching(store):
        try:
            return mlflow.MlflowClient().get_model_version_by_alias(safe_name(experiment.name), CHAMPION)
        except mlflow.MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
            return None
