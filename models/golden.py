"""Golden rows: what a model said of made-up patients when it was written, said again when it is loaded.

An equal answer is stronger evidence than an equal version: a model of another numpy or Python is taken when its golden
rows come out the same, and a note says so; it is refused when they do not, whatever the versions are.

Two stages keep the load short. The features of the golden rows are kept, and what the model makes of them is asked at
every load. That the same features come out of the made-up tables is asked only where libraries, code or tables of
knowledge are others than those that wrote the model: equal ones have nothing to differ by.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib import metadata
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd

import theracast
from theracast.checks import listed
from theracast.errors import ModelError
from theracast.features.assembler import FeatureAssembler
from theracast.features.cohort import Cohort
from theracast.features.matrix import FeatureMatrix
from theracast.models.base import ResponseModel
from theracast.models.golden_rows import made_up_tables, packed_tables, unpacked_tables
from theracast.models.selection import SelectionModel
from theracast.provenance import digest_json

#: How far a number may be from what it was.
TOLERANCE = 1e-9
#: Key of a load's note in what is kept beside a model.
NOTE = "loaded"
_LIBRARIES = {
    "numpy": "numpy",
    "pandas": "pandas",
    "scipy": "scipy",
    "scikit-learn": "sklearn",
    "xgboost": "xgboost",
    "numba": "numba",
}
_BELOW = ("features", "features.blocks", "kernels", "models", "models.indications")
_FLOORS = ("theracast", *(f"theracast.{f}" for f in _BELOW))
_NUMBERS = ("rank", "probability", "lower", "upper", "gain")
_WORDS = ("therapy", "state", "set", "decision")
#: Percentiles of the training patients at which every feature stands in the last golden rows: nobody's values.
_AT = (25, 75)


def golden_of(model: ResponseModel | SelectionModel) -> dict[str, Any]:
    """Make up at most eight patients, and keep what the model says of them.

    Parameters
    ----------
    model : ResponseModel or SelectionModel
        Fitted.

    Returns
    -------
    dict
        JSON-ready: ``written_by`` (`environment`), ``tables`` (made up from the examples of the blocks, nobody's),
        and per study of a choice, or once, ``features`` and ``answers``.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> golden = golden_of(ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel")))
    >>> len(golden["features"]["response"]["rows"])
    8
    """
    parts = _assemblers(model)
    tables = packed_tables(made_up_tables([b for a in parts.values() for b in a.blocks_]))
    cohort = _cohort(tables)
    features = {
        part: _packed(matrix, _at_percentiles(model, part, matrix)) for part, matrix in _measured(model, cohort).items()
    }
    answers = {part: _answers(model, part, _unpacked(kept)) for part, kept in features.items()}
    return {"written_by": environment(), "tables": tables, "features": features, "answers": answers}


def replay(model: ResponseModel | SelectionModel, golden: Mapping[str, Any]) -> str:
    """Ask a model again what it said when it was written.

    Parameters
    ----------
    model : ResponseModel or SelectionModel
        As loaded.
    golden : mapping
        From `golden_of`.

    Returns
    -------
    str
        What differs here from where the model was written, and did not matter; empty when nothing does.

    Raises
    ------
    ModelError
        THX-R06 when a probability differs by more than `TOLERANCE`, or a decision, a set, a state or a rank at all,
        with the versions there and here, and the tables of knowledge that changed.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
    >>> replay(model, golden_of(model))
    ''
    """
    there, here = golden["written_by"], environment()
    for part, kept in golden["features"].items():
        _hold(_answers(model, part, _unpacked(kept)), golden["answers"][part], there, here)
    changed = _differences(there, here)
    if not changed:
        return ""
    for part, matrix in _measured(model, _cohort(golden["tables"])).items():
        found, kept = _answers(model, part, matrix), golden["answers"][part]
        rows = set(matrix.values.index)
        mine = [k for k, i in enumerate(kept["row"]) if i in rows]
        _hold(found, {c: [v[k] for k in mine] for c, v in kept.items()}, there, here)
    return f"written by another environment; its golden rows come out the same here: {changed}"


def environment() -> dict[str, Any]:
    """Say what could change a number: libraries, our code, our tables of knowledge.

    Returns
    -------
    dict
        ``versions``; ``code``, a digest of the modules below `theracast.predict`; ``tables``, file name to sha256. What
        cannot be read, as in an archive on the path, is the empty string, and counts as another.

    Examples
    --------
    >>> sorted(environment())
    ['code', 'tables', 'versions']
    """
    versions = {"theracast": theracast.__version__, "python": platform.python_version()}
    versions |= {name: _version(name, module) for name, module in _LIBRARIES.items()}
    modules = {
        f"{floor}/{f.name}": sha256(f.read_bytes()).hexdigest()
        for floor in _FLOORS
        for f in files(floor).iterdir()
        if f.name.endswith(".py")
    }
    tables = {
        f.name: sha256(f.read_bytes()).hexdigest()
        for f in files("theracast.features.tables").iterdir()
        if f.name.endswith((".csv", ".parquet", ".yaml"))
    }
    return {"versions": versions, "code": digest_json(modules), "tables": dict(sorted(tables.items()))}


def _version(name: str, module: str) -> str:
    loaded = getattr(sys.modules.get(module), "__version__", None)  # of what computes, not of what is installed
    if loaded:
        return str(loaded)
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def _assemblers(model: ResponseModel | SelectionModel) -> dict[str, FeatureAssembler]:
    return {"response": model.assembler_} if isinstance(model, ResponseModel) else model.assemblers_


def _measured(model: ResponseModel | SelectionModel, cohort: Cohort) -> dict[str, FeatureMatrix]:
    if isinstance(model, ResponseModel):
        return {"response": model.matrix(cohort, checked=True)}
    return {study: a.matrix(cohort, checked=True) for study, a in model.assemblers_.items()}


def _answers(model: ResponseModel | SelectionModel, part: str, matrix: FeatureMatrix) -> dict[str, list[Any]]:
    """Ask the model, or its study, about features; JSON-ready."""
    if isinstance(model, ResponseModel):
        table = model.respond(matrix).table.rename_axis("row").reset_index()
    else:
        scaled = model.assemblers_[part].scaled(matrix.values[model.columns_[part]])
        table = model.selectors_[part].rank(scaled).table.rename(columns={"patient_id": "row"})
    numbers = {c: [None if np.isnan(v) else float(v) for v in table[c].astype(float)] for c in _NUMBERS if c in table}
    return {"row": [*map(str, table["row"])], **numbers, **{c: [*map(str, table[c])] for c in _WORDS if c in table}}


def _hold(
    found: Mapping[str, list[Any]], wanted: Mapping[str, list[Any]], there: Mapping[str, Any], here: Mapping[str, Any]
) -> None:
    """Refuse what is not said again."""
    wrong: list[str] = []
    if set(found) != set(wanted) or found["row"] != wanted["row"]:
        wrong.append("other rows or columns")
    else:
        for column in found:
            if column in _NUMBERS:
                old, new = (np.array(v[column], dtype=np.float64) for v in (wanted, found))
                same = (np.abs(old - new) <= TOLERANCE) | (np.isnan(old) & np.isnan(new))
                apart = np.abs(old - new)[~same]
                if len(apart):
                    size = f"by up to {np.nanmax(apart):.2g}" if not np.isnan(apart).all() else "known or not"
                    wrong.append(f"{column} differs in {len(apart)} of {len(same)}, {size}")
            elif found[column] != wanted[column]:
                n = sum(a != b for a, b in zip(found[column], wanted[column], strict=True))
                wrong.append(f"{column} differs in {n} of {len(found[column])}")
    if wrong:
        changed = _differences(there, here) or "nothing here"
        raise ModelError(
            "the model does not say again what it said when it was written",
            code="THX-R06",
            where="its golden rows",
            got=f"{'; '.join(wrong)}; here {_named(here['versions'])}",
            wanted=f"the answers of {_named(there['versions'])}",
            fix=f"Install the versions that wrote it, or train again. Changed since: {changed}.",
        )


def _named(versions: Mapping[str, Any]) -> str:
    return ", ".join(f"{k} {v}" for k, v in versions.items())


def _differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> str:
    """Name what is another here."""
    old, new = there["versions"], here["versions"]
    told = [f"{k} {old.get(k)} there, {v} here" for k, v in new.items() if old.get(k) != v]
    tables = [k for k in {**there["tables"], **here["tables"]} if there["tables"].get(k) != here["tables"].get(k)]
    if tables:
        told.append(f"tables {listed(sorted(tables))}")
    if there["code"] != here["code"]:
        told.append("code of theracast")
    return "; ".join(told)


def _cohort(tables: Sequence[Mapping[str, Any]]) -> Cohort:
    return Cohort.from_tables(unpacked_tables(tables), name="golden rows")


def _at_percentiles(model: ResponseModel | SelectionModel, part: str, matrix: FeatureMatrix) -> FeatureMatrix:
    """Patients of whom every feature that the model reads is known, also what the made-up tables do not reach."""
    reference = model.reference_ if isinstance(model, ResponseModel) else model.references_[part]
    rows = [f"every feature at percentile {q}" for q in _AT]
    held = {c: [reference[c][q] if c in reference else np.nan for q in _AT] for c in matrix.values}
    values = pd.DataFrame(held, index=rows).astype(matrix.values.dtypes)
    tumour = model.tumours_[0] if isinstance(model, ResponseModel) and model.tumours_ else ""
    return _matrix(values, pd.DataFrame(1.0, rows, matrix.coverage.columns), [tumour] * len(rows), {})


def _matrix(
    values: pd.DataFrame, coverage: pd.DataFrame, tumours: list[str], notes: dict[str, list[str]]
) -> FeatureMatrix:
    index, empty = values.index, pd.Series("", values.index, dtype=object)
    nowhere = pd.DataFrame(index=index)
    of_type = pd.Series(tumours, index, dtype=object)
    return FeatureMatrix(values, nowhere, coverage, {}, notes, empty, empty, nowhere, of_type)


def _packed(*matrices: FeatureMatrix) -> dict[str, Any]:
    """Features as JSON holds them: numbers to the last bit, what is not known as null."""
    values, coverage = (pd.concat([getattr(m, part) for m in matrices]) for part in ("values", "coverage"))
    single = [str(c) for c, kind in values.dtypes.items() if kind == np.float32]
    return {
        "rows": [*map(str, values.index)],
        "values": {str(c): _numbers(values[c]) for c in values},
        "single": single,
        "coverage": {str(c): _numbers(coverage[c]) for c in coverage},
        "tumours": [str(t) for m in matrices for t in m.tumours],
        "notes": {i: lines for m in matrices for i, lines in m.notes.items() if lines},
    }


def _unpacked(kept: Mapping[str, Any]) -> FeatureMatrix:
    index = pd.Index(kept["rows"], dtype=object, name="patient_id")
    values, coverage = (pd.DataFrame(kept[part], index=index, dtype=np.float64) for part in ("values", "coverage"))
    values = values.astype(dict.fromkeys(kept["single"], np.float32))
    return _matrix(values, coverage, kept["tumours"], kept["notes"])


def _numbers(column: pd.Series) -> list[float | None]:
    return [None if np.isnan(v) else float(v) for v in column]
