"""Models as folders of plain JSON, checked by digest before anything is read. Nothing is ever unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

import theracast
from theracast.errors import ModelError
from theracast.features.assembler import FeatureAssembler
from theracast.models.base import ResponseModel
from theracast.models.fusion import Fusion
from theracast.models.selection import SelectionModel
from theracast.provenance import digest_json, sha256_file

_MODEL, _MANIFEST = "model.json", "manifest.json"
#: Of a response model.
FORMAT = 3
#: Of a choice between therapies.
SELECTION = "selection 1"
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
        "reference": model.reference_,
        "studies": list(model.studies_),
        "tumours": list(model.tumours_),
        "about": about or {},
    }
    write_state(state, folder)
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
        THX-R05 when bytes changed since it was written; THX-R06 when its format is not known.

    Examples
    --------
    >>> import tempfile
    >>> from theracast.features.datasets import load_cohort
    >>> folder = tempfile.mkdtemp()
    >>> _ = save_model(ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel")), folder)
    >>> load_model(folder)[0].indication
    'melanoma_ici'
    """
    state = read_state(folder, FORMAT)
    params: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in state["params"].items()}
    model = ResponseModel(**params)
    model.assembler_ = FeatureAssembler.from_state(state["blocks"])
    model.fusion_ = Fusion.from_state(state["fusion"], {b.spec.name: b.outputs() for b in model.assembler_.blocks_})
    model.reference_, model.studies_ = state["reference"], tuple(state["studies"])
    model.tumours_ = tuple(state["tumours"])
    model.classes_ = np.array([0, 1])
    return model, {**state["about"], "digest": model_digest(state)}


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
        {"format": SELECTION, "theracast": theracast.__version__, "learned": learned, "about": about or {}}, folder
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
        As `read_state`.

    Examples
    --------
    >>> load_selection("no/such/folder")
    Traceback (most recent call last):
    ...
    theracast.errors.ModelError: THX-R05: no model here | ...
    """
    state = read_state(folder, SELECTION)
    return SelectionModel.from_state(state["learned"]), {**state["about"], "digest": digest_json(state["learned"])}


def write_state(state: Mapping[str, Any], folder: str | Path) -> None:
    """Write what a model is, and the digest of the bytes beside it.

    Parameters
    ----------
    state : mapping
        JSON-ready, with ``format``.
    folder : str or Path
        Made if it is not there.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> write_state({"format": 0}, folder)
    >>> read_state(folder, 0)
    {'format': 0}
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MODEL).write_text(json.dumps(state, sort_keys=True), encoding="utf-8")
    (folder / _MANIFEST).write_text(json.dumps({_MODEL: sha256_file(folder / _MODEL)}), encoding="utf-8")


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
        THX-R05 when there is none, or bytes changed; THX-R06 when the format is another.

    Examples
    --------
    >>> read_state("no/such/folder", 3)
    Traceback (most recent call last):
    ...
    theracast.errors.ModelError: THX-R05: no model here | where: no/such/folder | ...
    """
    folder = Path(folder)
    try:
        # one name is looked up: whatever else a manifest names is never opened
        wanted = str(json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))[_MODEL])
        content = (folder / _MODEL).read_bytes()
    except (OSError, ValueError, TypeError, KeyError):
        raise ModelError(
            "no model here", code="THX-R05", where=str(folder), wanted=f"{_MODEL}, and {_MANIFEST} with its digest"
        ) from None
    got = sha256(content).hexdigest()
    if got != wanted:
        raise ModelError(
            "the model changed after it was written",
            code="THX-R05",
            where=_MODEL,
            got=got[:12],
            wanted=wanted[:12],
            fix="Register it again, or fetch it from its registry anew.",
        )
    state = json.loads(content)
    about = state if isinstance(state, dict) else {}
    if about.get("format") not in formats:
        raise ModelError(
            "the model is of another format",
            code="THX-R06",
            got=f"format {about.get('format')} by theracast {about.get('theracast')}",
            wanted=f"format {' or '.join(map(str, formats))}, theracast {theracast.__version__}",
            fix=_OTHER.get(about.get("format"), "Install the theracast version that wrote it, or train again."),
        )
    return state


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
