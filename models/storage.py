"""Models as folders of plain JSON, checked by digest before anything is read. Nothing is ever unpickled.

A folder holds ``model.json`` (what was learned), ``golden.json`` (what the model said of made-up patients, asked again
at every load, and what it was written with), ``schema.json`` (what it reads and computes, with units; for people and
other tools) and ``manifest.json`` (their digests).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import theracast
from theracast.errors import ModelError
from theracast.features.assembler import FeatureAssembler
from theracast.models.base import ResponseModel
from theracast.models.block_margins import BlockMargins
from theracast.models.fusion import Fusion
from theracast.models.golden import NOTE, golden_of, replay
from theracast.models.schema import schema_of
from theracast.models.sealed import seal, unsealed
from theracast.models.selection import SelectionModel
from theracast.provenance import digest_json

_MODEL, _GOLDEN, _SCHEMA = "model.json", "golden.json", "schema.json"
#: What a folder may hold beside its manifest, and how many bytes of it are read: ten times the largest ever written.
_MOST = {_MODEL: 128_000_000, _GOLDEN: 16_000_000, _SCHEMA: 16_000_000}
#: Of a response model.
FORMAT = 3
#: Of a choice between therapies.
SELECTION = "selection 1"
#: Parameters of blocks that may be the path of a file; what was read of it is kept under the name with an underscore.
_PATHS = ("sets", "signature", "scores")
_OTHER = {
    SELECTION: "It chooses between therapies: use 'theracast rank'.",
    FORMAT: "It predicts response: use 'theracast score' or 'theracast report'.",
}


def save_model(model: ResponseModel, folder: str | Path, about: dict[str, Any] | None = None) -> str:
    """Write a fitted model.

    Parameters
    ----------
    model : ResponseModel
        Fitted.
    folder : str or Path
        Made if it is not there.
    about : dict, optional
        JSON-ready facts to keep beside it (data digests, experiment).

    Returns
    -------
    str
        Digest of the model: the same parameters give the same digest.

    Examples
    --------
    >>> import tempfile
    >>> from theracast.features.datasets import load_cohort
    >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
    >>> len(save_model(model, tempfile.mkdtemp()))
    64
    """
    state = {
        "format": FORMAT,
        "theracast": theracast.__version__,
        "params": {k: list(v) if isinstance(v, tuple) else v for k, v in model.get_params(deep=False).items()},
        "blocks": model.assembler_.state(),
        "fusion": model.fusion_.state(),
        "margins": model.fusion_.block_margins.state() if model.fusion_.block_margins else None,
        "reference": model.reference_,
        "studies": list(model.studies_),
        "tumours": list(model.tumours_),
        "about": about or {},
    }
    write_state(state, folder, {_GOLDEN: golden_of(model), _SCHEMA: schema_of(model.assembler_)})
    return model_digest(state)


def load_model(folder: str | Path) -> tuple[ResponseModel, dict[str, Any]]:
    """Read a model back.

    Parameters
    ----------
    folder : str or Path
        Written by `save_model`.

    Returns
    -------
    model : ResponseModel
        Predicts the same numbers.
    about : dict
        What was kept beside it, with ``digest``.

    Raises
    ------
    ModelError
        THX-R05 when bytes changed since it was written; THX-R06 when its format is not known, or it does not say
        again what it said of its golden rows; THX-R08 and THX-R09 as `theracast.models.sealed.unsealed`.

    Examples
    --------
    >>> import tempfile
    >>> from theracast.features.datasets import load_cohort
    >>> folder = tempfile.mkdtemp()
    >>> _ = save_model(ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel")), folder)
    >>> load_model(folder)[0].indication
    'melanoma_ici'
    """
    return _loaded(folder, FORMAT, _response_model, model_digest)


def save_selection(model: SelectionModel, folder: str | Path, about: dict[str, Any] | None = None) -> str:
    """Write a fitted choice between therapies.

    Parameters
    ----------
    model : SelectionModel
        Fitted.
    folder : str or Path
        Made if it is not there.
    about : dict, optional
        JSON-ready facts to keep beside it.

    Returns
    -------
    str
        Digest of the model.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> from theracast.features.cohort import Cohort
    >>> from theracast.models.selection_spec import Arm, SelectionSpec
    >>> spec = SelectionSpec("x", "X", "", "", "", tuple(Arm(t, "", "s", ("clinical",)) for t in "ab"), "", "")
    >>> people = pd.DataFrame({"age": range(20, 80), "treatment": ["a", "b"] * 30, "response": ["R", "R", "NR"] * 20})
    >>> made_up = Cohort.from_tables({"clinical": people.rename(index=str)})
    >>> len(save_selection(SelectionModel(spec).fit({"s": made_up}), tempfile.mkdtemp()))
    64
    """
    learned = model.state()
    write_state(
        {"format": SELECTION, "theracast": theracast.__version__, "learned": learned, "about": about or {}},
        folder,
        {_GOLDEN: golden_of(model), _SCHEMA: schema_of(*model.assemblers_.values())},
    )
    return digest_json(learned)


def load_selection(folder: str | Path) -> tuple[SelectionModel, dict[str, Any]]:
    """Read a choice between therapies back.

    Parameters
    ----------
    folder : str or Path
        Written by `save_selection`.

    Returns
    -------
    model : SelectionModel
        Gives the same ranking.
    about : dict
        What was kept beside it, with ``digest``.

    Raises
    ------
    ModelError
        As `load_model`.

    Examples
    --------
    >>> load_selection("no/such/folder")
    Traceback (most recent call last):
    ...
    theracast.errors.ModelError: THX-R05: no model here | ...
    """
    return _loaded(
        folder, SELECTION, lambda s: SelectionModel.from_state(s["learned"]), lambda s: digest_json(s["learned"])
    )


def write_state(state: Mapping[str, Any], folder: str | Path, beside: Mapping[str, Any] | None = None) -> None:
    """Write what a model is, and the digest of the bytes beside it.

    Parameters
    ----------
    state : mapping
        JSON-ready, with ``format``.
    folder : str or Path
        Made if it is not there.
    beside : mapping of str to object, optional
        Further files, JSON-ready.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> write_state({"format": 0}, folder)
    >>> read_state(folder, 0)
    {'format': 0}
    """
    seal(folder, {_MODEL: state, **(beside or {})})


def chooses(folder: str | Path) -> bool:
    """Say whether a folder holds a choice between therapies.

    Parameters
    ----------
    folder : str or Path
        Of a model.

    Returns
    -------
    bool
        False for a response model.

    Raises
    ------
    ModelError
        As `read_state`.

    Examples
    --------
    >>> chooses("no/such/folder")
    Traceback (most recent call last):
    ...
    theracast.errors.ModelError: THX-R05: no model here | where: no/such/folder | ...
    """
    return read_state(folder, FORMAT, SELECTION)["format"] == SELECTION


def read_state(folder: str | Path, *formats: object) -> dict[str, Any]:
    """Read what a model is; its bytes are checked first.

    Parameters
    ----------
    folder : str or Path
        Written by `write_state`.
    *formats : object
        Those that the caller reads.

    Returns
    -------
    dict
        As written.

    Raises
    ------
    ModelError
        THX-R05 when there is none, or bytes changed; THX-R06 when the format is another; THX-R08 and THX-R09 as
        `theracast.models.sealed.unsealed`.

    Examples
    --------
    >>> read_state("no/such/folder", 3)
    Traceback (most recent call last):
    ...
    theracast.errors.ModelError: THX-R05: no model here | where: no/such/folder | ...
    """
    return _of_format(unsealed(folder, _MOST)[_MODEL], formats)


def model_digest(state: dict[str, Any]) -> str:
    """Digest what decides a prediction: parameters, blocks and fusion.

    Parameters
    ----------
    state : dict
        As written by `save_model`.

    Returns
    -------
    str
        64 hexadecimal characters.

    Examples
    --------
    >>> len(model_digest({"params": {}, "blocks": [], "fusion": {}}))
    64
    """
    return digest_json({k: state[k] for k in ("params", "blocks", "fusion")})


def _loaded(
    folder: str | Path, kind: object, rebuild: Callable[[dict[str, Any]], Any], digest: Callable[[dict[str, Any]], str]
) -> tuple[Any, dict[str, Any]]:
    """Rebuild a model and hold it to its golden rows."""
    contents = unsealed(folder, _MOST)
    state, golden = _of_format(contents[_MODEL], (kind,)), contents.get(_GOLDEN)
    try:
        _refuse_paths(state)
        model = rebuild(state)
        note = replay(model, golden) if golden is not None else "no golden rows were kept with it: nothing was replayed"
        about = {**state["about"], **({NOTE: note} if note else {}), "digest": digest(state)}
    except Exception as error:  # whatever numbers of a stranger do to code that was made for ours
        if isinstance(error, ModelError) and error.code:
            raise
        raise ModelError(
            "the model is not one that theracast writes",
            code="THX-R06",
            where=_MODEL,
            got=type(error).__name__,
            fix="Train again, or fetch the model from its registry anew.",
        ) from None
    return model, about


def _refuse_paths(state: Mapping[str, Any]) -> None:
    """Refuse blocks that would read a file here which the artifact names: fitted ones hold what they read."""
    for block in _blocks(state):
        params, fitted = block["params"], block["fitted"]
        asked = [params[p] for p in _PATHS if p in params and f"{p}_" not in fitted]
        asked += [fitted[f"{p}_"] for p in _PATHS if f"{p}_" in fitted]
        texts = [t for a in asked for t in (a if isinstance(a, list) else [a]) if isinstance(t, str)]
        if any("/" in t or "\\" in t or "." in t for t in texts):  # the shipped ones have plain names
            raise ModelError(
                "a block of the model names a file to be read here",
                code="THX-R09",
                where=_MODEL,
                wanted="blocks that hold what they learned",
                fix="Train again, or fetch the model from its registry anew.",
            )


def _blocks(state: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from state.get("blocks", ())
    for study in state.get("learned", {}).get("studies", {}).values():
        yield from study["blocks"]


def _response_model(state: dict[str, Any]) -> ResponseModel:
    params: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in state["params"].items()}
    model = ResponseModel(**params)
    model.assembler_ = FeatureAssembler.from_state(state["blocks"])
    model.fusion_ = Fusion.from_state(state["fusion"], {b.spec.name: b.outputs() for b in model.assembler_.blocks_})
    # models of earlier versions have none
    kept = state.get("margins")
    model.fusion_.block_margins = BlockMargins.from_state(kept) if kept is not None else None
    model.reference_, model.studies_ = state["reference"], tuple(state["studies"])
    model.tumours_ = tuple(state["tumours"])
    model.classes_ = np.array([0, 1])
    return model


def _of_format(state: Any, formats: tuple[object, ...]) -> dict[str, Any]:
    about = state if isinstance(state, dict) else {}
    # a stranger may have put anything there, also what no dict can hold as a key
    kind, by = (v if isinstance(v, str | int) else type(v).__name__ for v in map(about.get, ("format", "theracast")))
    if kind not in formats:
        raise ModelError(
            "the model is of another format",
            code="THX-R06",
            got=f"format {kind} by theracast {by}"[:200],
            wanted=f"format {' or '.join(map(str, formats))}, theracast {theracast.__version__}",
            fix=_OTHER.get(kind, "Install the theracast version that wrote it, or train again."),
        )
    return about
