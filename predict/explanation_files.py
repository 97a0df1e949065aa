"""An explanation as files: a long table of points, importance per cohort, and pictures."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from theracast.errors import UsageError
from theracast.features.feature_names import bare_name, block_of
from theracast.predict.files import replace_file
from theracast.predict.importance import ALL, importance

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from theracast.predict.explanation import Explanation

#: Features that have a picture of their own.
PICTURED = 3


def points_table(explanation: Explanation) -> pd.DataFrame:
    """Lay an explanation out as one line per patient and value.

    Parameters
    ----------
    explanation : Explanation
        Of several patients.

    Returns
    -------
    DataFrame
        ``patient_id``, ``block``, ``pathway``, ``feature``, ``value`` (native units, NaN is not known), ``unit``,
        ``proxy``, ``percentile``, ``points`` and ``spread`` (both in percentage points). What is not known and moved
        nothing has no line, nor has a patient whose explanation is withheld: the points of a patient sum to prediction
        minus reference.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> from theracast.models.base import ResponseModel
    >>> from theracast.predict.explain import explain
    >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
    >>> e = explain(model, model.matrix(load_cohort("riaz2017_mel")))
    >>> rows = points_table(e)
    >>> change = 100 * (e.probability["Pt1"] - e.reference["Pt1"])
    >>> bool(abs(rows[rows.patient_id == "Pt1"].points.sum() - change) < 1e-6)
    True
    """
    told = explanation.points.notna().all(axis=1).to_numpy()
    index, names = explanation.points.index[told], explanation.points.columns
    points, values = explanation.points[told].to_numpy(), explanation.values[told].to_numpy(dtype=float)
    row, column = np.nonzero(~np.isnan(values) | (points != 0.0))
    chosen = pd.DataFrame(
        {
            "block": names.map(block_of),
            "pathway": [explanation.pathways.get(n, "") for n in names],
            "feature": names.map(bare_name),
            "unit": [explanation.units.get(n, "") for n in names],
        }
    ).iloc[column]
    spread = None if explanation.spread is None else explanation.spread[told].to_numpy()
    return pd.DataFrame(
        {
            "patient_id": index[row],
            "block": chosen["block"].to_numpy(),
            "pathway": chosen["pathway"].to_numpy(),
            "feature": chosen["feature"].to_numpy(),
            "value": values[row, column],
            "unit": chosen["unit"].to_numpy(),
            "proxy": explanation.proxy[told].to_numpy()[row, column],
            "percentile": explanation.percentile[told].to_numpy()[row, column],
            "points": 100 * points[row, column],
            "spread": np.nan if spread is None else 100 * spread[row, column],
        }
    )


def patients_table(explanation: Explanation) -> pd.DataFrame:
    """Say where each patient starts and ends.

    Parameters
    ----------
    explanation : Explanation
        Of several patients.

    Returns
    -------
    DataFrame
        ``patient_id``, ``study``, ``reference`` and ``prediction`` (in percent; NaN where there is no prediction), and
        ``withheld``: whether its points are not told, because they do not add up or there is no prediction.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> from theracast.models.base import ResponseModel
    >>> from theracast.predict.explain import explain
    >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
    >>> patients_table(explain(model, model.matrix(load_cohort("riaz2017_mel")))).withheld.sum().item()
    0
    """
    index = explanation.points.index
    return pd.DataFrame(
        {
            "patient_id": index,
            "study": explanation.studies.reindex(index).fillna("").to_numpy(),
            "reference": 100 * explanation.reference.reindex(index).to_numpy(dtype=float),
            "prediction": 100 * explanation.probability.reindex(index).to_numpy(dtype=float),
            "withheld": explanation.points.isna().any(axis=1).to_numpy(),
        }
    )


def write_explanation(
    explanation: Explanation,
    folder: str | Path,
    *,
    parquet: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Path]:
    """Write tables and pictures into a folder.

    Parameters
    ----------
    explanation : Explanation
        Of several patients.
    folder : str or Path
        Is made.
    parquet : bool, default False
        Whether the tables are Parquet rather than CSV.
    progress : callable, optional
        Told what is under way.

    Returns
    -------
    list of Path
        ``patients``, ``points`` and ``importance`` as tables, ``beeswarm.png``, ``importance.png``,
        ``importance_features.png`` and ``dependence_<feature>.png`` of the `PICTURED` heaviest features.

    Raises
    ------
    UsageError
        When the folder is a file.
    SetupError
        THX-S03 when the disk refuses; each file is whole or not there.

    Examples
    --------
    >>> import tempfile
    >>> from theracast.features.datasets import load_cohort
    >>> from theracast.models.base import ResponseModel
    >>> from theracast.predict.explain import explain
    >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
    >>> e = explain(model, model.matrix(load_cohort("riaz2017_mel")))
    >>> [p.name for p in write_explanation(e, tempfile.mkdtemp())[:4]]
    ['patients.csv', 'points.csv', 'importance.csv', 'beeswarm.png']
    """
    from theracast.predict.report.plots import to_png

    folder = Path(folder)
    if folder.is_file():
        raise UsageError("the output is a file", where=str(folder), wanted="a folder")
    weights = importance(explanation)
    tables = {
        "patients": patients_table(explanation),
        "points": points_table(explanation),
        "importance": weights.assign(points=100 * weights["points"]),
    }
    written = []
    for name, table in tables.items():
        progress(f"write {name}")
        written.append(_write(table, folder / f"{name}.{'parquet' if parquet else 'csv'}", parquet))
    plot = explanation.plot
    drawn: dict[str, Callable[[], Figure]] = {
        "beeswarm": plot.beeswarm,
        "importance": plot.importance,
        "importance_features": partial(plot.importance, "feature"),
    }
    heaviest = weights[(weights["level"] == "feature") & (weights["cohort"] == ALL) & (weights["points"] > 0)]
    for feature in heaviest["name"].head(PICTURED):
        drawn[f"dependence_{feature}"] = partial(plot.dependence, feature)
    for name, draw in drawn.items():
        progress(f"draw {name}")
        written.append(replace_file(folder / f"{name}.png", partial(to_png, draw())))
    return written


def _write(table: pd.DataFrame, path: Path, parquet: bool) -> Path:
    def write(scratch: Path) -> None:
        if parquet:
            table.to_parquet(scratch, index=False)
        else:
            table.to_csv(scratch, index=False)

    return replace_file(path, write)
