"""Explanations to and from the package shap, so that either's pictures can be drawn of the other's numbers.

Contributions to a margin (log-odds) become points of probability along the straight path from the base value to the
patient: each share is its Aumann-Shapley value, as in `theracast.predict.explain`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from theracast.errors import DataError, SetupError, UsageError
from theracast.models.positions import percentile
from theracast.predict.explanation import Explanation
from theracast.predict.report.printed import readable

LINKS = ("identity", "logit")
#: With fewer patients than this and no training data, a value has no place among the others.
FEW = 10
#: What shap sums may leave the range of a probability by, for they are often of single precision.
_SLACK = 1e-4


def to_shap(explanation: Explanation) -> Any:
    """Turn an explanation into one of shap's.

    Parameters
    ----------
    explanation : Explanation
        Of several patients.

    Returns
    -------
    shap.Explanation
        ``values`` are the points and ``base_values`` the references, both in probability, so that they sum to the
        prediction; ``data`` are the values in native units, NaN where not known. Patients whose explanation is withheld
        are left out; the others keep their order. No id is in it.

    Raises
    ------
    SetupError
        When shap is not installed.

    Examples
    --------
    >>> import pytest
    >>> _ = pytest.importorskip("shap")
    >>> from theracast.features.datasets import load_cohort
    >>> from theracast.models.base import ResponseModel
    >>> from theracast.predict.explain import explain
    >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
    >>> to_shap(explain(model, model.matrix(load_cohort("riaz2017_mel")))).shape
    (51, 30)
    """
    try:
        import shap
    except ImportError:
        raise SetupError("shap is not installed", fix="pip install 'theracast[shap]'") from None
    told = explanation.points.notna().all(axis=1)
    names = [readable(c) for c in explanation.points]
    twice = {n for n, k in Counter(names).items() if k > 1}
    full = [f"{n} ({c.split('__')[0]})" if n in twice else n for n, c in zip(names, explanation.points, strict=True)]
    return shap.Explanation(
        values=explanation.points[told].to_numpy(dtype=float),
        base_values=explanation.reference[told].to_numpy(dtype=float),
        data=explanation.values[told].to_numpy(dtype=float),
        feature_names=full,
    )


def from_shap(
    given: Any,
    link: str,
    *,
    patient_ids: Sequence[str] | None = None,
    training: pd.DataFrame | np.ndarray | None = None,
    studies: Sequence[str] | None = None,
    block: str = "model",
    units: Mapping[str, str] | None = None,
    about: Mapping[str, str] | None = None,
    cohort: str = "the background data",
) -> Explanation:
    """Read an explanation of shap's.

    Parameters
    ----------
    given : shap.Explanation
        Of one output, with ``values``, ``base_values`` and ``data``; of one patient or several.
    link : {"identity", "logit"}
        What it explains: a probability, or the log-odds of one, as `shap.TreeExplainer` does of a classifier of
        xgboost. Log-odds are turned into points of probability.
    patient_ids : sequence of str, optional
        By default the place: ``0``, ``1`` and so on.
    training : DataFrame or ndarray, shape (n, n_features), optional
        Where medians and percentiles come from, its columns as those of ``data``; by default the patients explained,
        when they are at least `FEW`.
    studies : sequence of str, optional
        Study of each patient.
    block : str, default "model"
        Block of the features whose name has none (``<block>__<feature>``).
    units, about : mapping of str to str, optional
        By the names in shap's explanation.
    cohort : str, optional
        What shap averaged over, for the sentences.

    Returns
    -------
    Explanation
        With every picture and sentence of ours.

    Raises
    ------
    UsageError
        No such link, several outputs, or shapes that do not fit.
    DataError
        THX-D11 for points that are not finite, THX-D15 for data that are no numbers and sums that are no probability.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> given = SimpleNamespace(values=np.array([[0.5, -1.0]]), base_values=np.array([0.0]),
    ...                         data=np.array([[9.0, 61.0]]), feature_names=["tmb", "age"])
    >>> e = from_shap(given, "logit", patient_ids=["p"])
    >>> round(float(e.probability["p"]), 4), e.points.columns.tolist()
    (0.3775, ['model__tmb', 'model__age'])
    """
    if link not in LINKS:
        raise UsageError("no such link", got=repr(link), wanted="identity (probabilities) or logit (log-odds)")
    parts, base, data = _arrays(given)
    names = _names(given, parts.shape[1], block)
    index = pd.Index(_fitting(patient_ids, len(parts), "patient_ids", map(str, range(len(parts)))), name="patient_id")
    if not index.is_unique:
        raise UsageError("a patient is there twice", where="patient_ids", fix="Give each row an id of its own.")
    reference, predicted, points = _probabilities(base, parts, link)
    values = pd.DataFrame(data, index=index, columns=names)
    background = _background(training, names, values)
    place = {n: percentile(values[n].to_numpy(), q) for n, q in background.items()}
    old = _given_names(given, len(names))
    table = pd.DataFrame(points, index=index, columns=names)
    probability, start = pd.Series(predicted, index=index), pd.Series(reference, index=index)
    return Explanation(
        probability=probability,
        reference=start,
        points=table,
        values=values,
        proxy=values.notna() & False,
        percentile=pd.DataFrame(place, index=index).reindex(columns=names).astype(float),
        median=pd.Series({n: float(np.median(q)) for n, q in background.items()}, dtype=float).reindex(names),
        units={n: (units or {}).get(o, "") for n, o in zip(names, old, strict=True)},
        about={n: (about or {}).get(o, "") for n, o in zip(names, old, strict=True)},
        residual=probability - start - table.sum(axis=1),
        cohort=cohort,
        studies=pd.Series(_fitting(studies, len(parts), "studies", [""] * len(parts)), index=index, dtype=object),
        reference_of=f"the starting point of shap, an average over {cohort},",
    )


def _arrays(given: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Take the three arrays out, two-dimensional, and refuse what is not one number per patient and feature."""
    missing = [k for k in ("values", "base_values", "data") if getattr(given, k, None) is None]
    if missing:
        raise UsageError("shap's explanation lacks a part", got=f"no {', '.join(missing)}", fix="Call explainer(X).")
    parts = np.asarray(given.values, dtype=float)
    parts = parts[None, :] if parts.ndim == 1 else parts
    if parts.ndim != 2:
        raise UsageError(
            "shap's explanation has several outputs",
            got=f"shape {parts.shape}",
            wanted="(patients, features)",
            fix="Choose one: explanation[..., 1].",
        )
    base = np.asarray(given.base_values, dtype=float)
    if base.size not in (1, len(parts)) or (base.ndim > 1 and base.shape[1] > 1):
        raise UsageError("base values do not fit", got=f"shape {base.shape}", wanted=f"one, or {len(parts)}")
    base = np.broadcast_to(base.reshape(-1), (len(parts),)).copy()
    try:
        # a table of words and numbers is an array of objects
        data = np.asarray(given.data, dtype=float).reshape(-1, parts.shape[1])
    except (TypeError, ValueError):
        raise DataError("shap's data are no table of numbers", code="THX-D15", fix="Encode the categories.") from None
    if data.shape != parts.shape:
        raise UsageError("data and values of shap differ in shape", got=f"{data.shape}", wanted=f"{parts.shape}")
    if not np.isfinite(parts).all() or not np.isfinite(base).all():
        raise DataError(
            "a contribution is not a number",
            code="THX-D11",
            got=f"{int((~np.isfinite(parts)).any(axis=1).sum())} of {len(parts)} patients",
            fix="Leave these patients out, or explain them anew.",
        )
    return parts, base, np.where(np.isinf(data), np.nan, data)


def _given_names(given: Any, n: int) -> list[str]:
    told = getattr(given, "feature_names", None)
    return [str(f) for f in told] if told is not None else [f"feature_{i}" for i in range(n)]


def _names(given: Any, n: int, block: str) -> list[str]:
    names = [f if "__" in f else f"{block}__{f}" for f in _given_names(given, n)]
    if len(names) != n:
        raise UsageError("feature names do not fit", got=f"{len(names)} names", wanted=f"{n}")
    if len(set(names)) != n:
        raise UsageError("two features have one name", got=f"{n - len(set(names))} repeated")
    return names


def _fitting(given: Sequence[str] | None, n: int, what: str, otherwise: Any) -> list[str]:
    found = list(otherwise) if given is None else [str(g) for g in given]
    if len(found) != n:
        raise UsageError("lengths differ", where=what, got=str(len(found)), wanted=f"{n}, one per patient")
    return found


def _probabilities(base: np.ndarray, parts: np.ndarray, link: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return reference, prediction and points, all of them in probability."""
    change = parts.sum(axis=1)
    if link == "identity":
        predicted = base + change
        outside = (np.minimum(base, predicted) < -_SLACK) | (np.maximum(base, predicted) > 1 + _SLACK)
        if outside.any():
            raise DataError(
                "base value and sum are no probabilities",
                code="THX-D15",
                got=f"{int(outside.sum())} of {len(base)} patients outside 0-1",
                fix='Of log-odds, say link="logit".',
            )
        return base, predicted, parts
    reference = expit(base)
    predicted = expit(base + change)
    slope = reference * (1.0 - reference)
    moved = np.abs(change) > 1e-9
    slope[moved] = (predicted - reference)[moved] / change[moved]
    return reference, predicted, parts * slope[:, None]


def _background(
    training: pd.DataFrame | np.ndarray | None, names: list[str], values: pd.DataFrame
) -> dict[str, np.ndarray]:
    """Keep 101 quantiles of each feature that is known of anyone."""
    if training is None:
        table = values if len(values) >= FEW else values.iloc[:0]
    else:
        array = np.asarray(training, dtype=float)
        if array.ndim != 2 or array.shape[1] != len(names):
            raise UsageError(
                "training data do not fit", got=f"shape {array.shape}", wanted=f"(n, {len(names)}), columns as in data"
            )
        table = pd.DataFrame(array, columns=names)
    grid = np.linspace(0, 1, 101)
    return {n: np.quantile(c.dropna(), grid) for n, c in table.items() if c.notna().any()}
