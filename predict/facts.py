"""What the registry knows of a model, JSON-ready: for programs what ``theracast models show`` is for people."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from theracast.errors import ModelError
from theracast.predict.promotion import held
from theracast.predict.registry import list_models, load_any


def model_facts(name: str, version: str | None = None, *, tracking: str | None = None) -> dict[str, Any]:
    """Gather what is known of one version of a model; the model is loaded, so that its digests are checked.

    Parameters
    ----------
    name : str
        Registered model.
    version : str, optional
        The champion by default; the last one where there is none.
    tracking : str, optional
        As in `theracast.predict.store.store_uri`.

    Returns
    -------
    dict
        ``name``, ``champion`` (version, or None), ``version``, ``digest``, ``versions`` (as `list_models`), ``data``
        (cohort to sha256), ``validation``, ``mean``, ``coverage`` and ``sets`` (as
        `theracast.models.validate.Validation`; empty where none was kept), ``evidence`` (of a choice between
        therapies), ``trail`` (promotions, the oldest first), and ``outside_the_trail``, whether somebody moved the
        alias without it.

    Raises
    ------
    ModelError
        THX-R01 when there is no such model or version.

    Examples
    --------
    >>> model_facts("../../etc/passwd")
    Traceback (most recent call last):
    ...
    theracast.errors.UsageError: THX-A01: not a name of a model | ...
    """
    champion, trail = held(name, tracking=tracking)
    versions = list_models(tracking)
    versions = versions[versions["name"] == name]
    if not len(versions):
        raise ModelError(
            "no version of this model", code="THX-R01", where=name, fix="'theracast models list' shows all."
        )
    wanted = version or champion or str(versions["version"].iloc[-1])
    loaded = load_any(f"models:/{name}/{wanted}", tracking=tracking)
    about, last = loaded.about, [e for e in trail if e.after]
    return {
        "name": name,
        "champion": champion or None,
        "version": wanted,
        "digest": loaded.digest,
        "versions": versions.drop(columns="name").to_dict("records"),
        "data": about.get("data") or {},
        **{key: about.get(key) or [] for key in ("validation", "mean", "coverage", "evidence")},
        "sets": about.get("sets") or {},
        "trail": [asdict(e) for e in trail],
        "outside_the_trail": bool(last) and last[-1].after != champion,
    }
