"""A card laid beside a registered version: written into its run before anyone can ask for it."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from theracast.models.base import ResponseModel
from theracast.models.selection import SelectionModel
from theracast.predict.card.facts import facts_of
from theracast.predict.card.make import make_card
from theracast.predict.card.writers import written

#: Folder of a run's artifacts.
FOLDER = "card"


def described(title: str, run_id: str) -> str:
    """Describe a version, and say where its card is.

    Parameters
    ----------
    title : str
        What the model predicts.
    run_id : str
        Of the run that the card lies in.

    Returns
    -------
    str
        For the description in the registry.

    Examples
    --------
    >>> described("Response of melanoma", "ab")
    'Response of melanoma. Model card: runs:/ab/card/card.html'
    """
    return f"{title}. Model card: runs:/{run_id}/{FOLDER}/card.html"


def attach_card(
    client: Any,
    version: Any,
    model: ResponseModel | SelectionModel,
    about: Mapping[str, Any],
    digest: str,
    environment: Mapping[str, Any] | None = None,
) -> None:
    """Write the card of a new version into its run; a version that gets no card is taken back.

    Parameters
    ----------
    client : mlflow.MlflowClient
        Of the store.
    version : mlflow ModelVersion
        Just created.
    model : ResponseModel or SelectionModel
        Fitted.
    about : mapping
        What was kept with it.
    digest : str
        Of the model.
    environment : mapping, optional
        Where it was written, if `about` does not say.

    Raises
    ------
    Exception
        As the store or the card raises; the version is gone then.

    Examples
    --------
    >>> callable(attach_card)
    True
    """
    now = datetime.datetime.now(datetime.UTC)
    facts = facts_of(
        model,
        about,
        name=version.name,
        digest=digest,
        version=str(version.version),
        registered=now.strftime("%Y-%m-%d %H:%M"),
        environment=environment,
    )
    try:
        for name, text in written(make_card(facts)).items():
            client.log_text(version.run_id, text, f"{FOLDER}/{name}")
    except BaseException:
        with suppress(Exception):  # what went wrong first is what counts
            client.delete_model_version(version.name, version.version)
        raise
