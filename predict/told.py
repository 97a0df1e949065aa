"""What is told of an explanation, in plain words and numbers: the same through Python, batch and service."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from theracast.features.feature_names import bare_name, block_of
from theracast.predict.explain import TOLERANCE
from theracast.predict.explanation import Explanation


def told(explanation: Explanation, most: int | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Tell of one patient after the other what `Explanation` holds, with every bit.

    Parameters
    ----------
    explanation : Explanation
        Of some patients.
    most : int, optional
        How many features are told of each, the weightiest; all by default.

    Yields
    ------
    patient_id : str
        In the order of the explanation.
    content : dict
        As `json.dumps` takes it. ``reference`` (probability), ``withheld`` (whether it does not add up, to
        ``tolerance``), ``cohort``; ``blocks`` and ``pathways``, points by name, both empty where withheld; and
        ``features``, the known ones as `Explanation.patient` orders them: ``block``, ``feature``, ``about``, ``value``,
        ``unit``, ``proxy``, ``median``, ``percentile``, ``points``, ``pathway``, ``expectation``. Where the explanation
        has a spread, features have one, and ``block_spread`` is told. None is not known.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> from theracast.models.base import ResponseModel
    >>> from theracast.predict.explain import explain
    >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
    >>> all_of_them = dict(told(explain(model, model.matrix(load_cohort("riaz2017_mel"))), most=2))
    >>> len(all_of_them["Pt1"]["features"]), list(all_of_them["Pt1"]["blocks"])
    (2, ['pathology', 'mutations', 'signatures', 'clinical'])
    """
    names = explanation.points.columns
    about = [
        {"block": block_of(name), "feature": bare_name(name), "about": explanation.about.get(name, "")}
        for name in names
    ]
    units = [explanation.units.get(name, "") for name in names]
    pathways = [explanation.pathways.get(name, "") for name in names]
    medians = _numbers(explanation.median.reindex(names).to_numpy())
    blocks, groups = explanation.by_block(), explanation.by_pathway()
    expectation = explanation.expectation().to_numpy()
    frames = (explanation.values[names], explanation.proxy[names], explanation.percentile[names], explanation.points)
    values, proxy, percentile, points = (frame.to_numpy() for frame in frames)
    spread = None if explanation.spread is None else explanation.spread.to_numpy()
    for i, patient in enumerate(explanation.points.index):
        withheld = bool(np.isnan(points[i]).any())
        known = np.flatnonzero(~np.isnan(values[i]))
        order = known[np.argsort(-np.abs(points[i, known]), kind="stable")][:most]
        cells = [_numbers(column[i, order]) for column in (values, percentile, points)]
        features = [
            {
                **about[j],
                "value": value,
                "unit": units[j],
                "proxy": bool(proxy[i, j]),
                "median": medians[j],
                "percentile": place,
                "points": share,
                "pathway": pathways[j],
                "expectation": expectation[i, j],
            }
            for j, value, place, share in zip(order, *cells, strict=True)
        ]
        content = {
            "reference": _numbers(explanation.reference.iloc[[i]])[0],
            "withheld": withheld,
            "tolerance": TOLERANCE,
            "cohort": explanation.cohort,
            "blocks": {} if withheld else dict(zip(blocks, _numbers(blocks.iloc[i]), strict=True)),
            "pathways": {} if withheld else dict(zip(groups, _numbers(groups.iloc[i]), strict=True)),
            "features": features,
        }
        if spread is not None and explanation.block_spread is not None:
            for feature, width in zip(features, _numbers(spread[i, order]), strict=True):
                feature["spread"] = width
            widths = explanation.block_spread.iloc[i]
            content["block_spread"] = dict(zip(explanation.block_spread, _numbers(widths), strict=True))
        yield patient, content


def _numbers(values: Sequence[float] | np.ndarray) -> list[float | None]:
    """Make plain numbers; what is not finite is None."""
    return [x if math.isfinite(x) else None for x in np.asarray(values).tolist()]
