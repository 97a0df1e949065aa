"""Glucose metrics against iglu-python, and the range metrics of many patients against numpy patient by patient."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from harness import largest, paired

from theracast.features.glucose import glucose_metrics

SAME = ("mean_glu:mean", "sd_glu:SD", "gmi:GMI", "j_index:J_index", "lbgi:LBGI", "hbgi:HBGI", "adrr:ADRR", "modd:MODD")
OURS = ["mean", "sd", "gmi", "j_index", "lbgi", "hbgi", "adrr", "modd"]


def simulated(patients: int) -> pd.DataFrame:
    """Two weeks of readings every five minutes; SIMULATED."""
    rng = np.random.default_rng(0)
    n = 14 * 288
    level = (
        140
        + 50 * np.sin(np.arange(n, dtype=np.float32) / 30)
        + 20 * rng.standard_normal((patients, n), dtype=np.float32)
    )
    time = pd.Timestamp("2024-05-01") + pd.to_timedelta(np.arange(n) * 300, unit="s")
    names = pd.Categorical.from_codes(np.repeat(np.arange(patients), n), [f"p{i:05d}" for i in range(patients)])
    values = np.clip(np.round(level), 40, 400).astype(np.float32).ravel()
    return pd.DataFrame({"patient_id": names, "time": np.tile(time, patients), "glucose_mg_dl": values})


def against_iglu() -> list[dict]:
    """Eight metrics of iglu against all of ours."""
    import iglu_python as iglu

    rows = []
    for patients in (2, 5, 10):
        table = simulated(patients)
        theirs = table.set_axis(["id", "time", "gl"], axis=1).astype({"id": str, "gl": float})

        def peer(theirs=theirs) -> np.ndarray:
            pairs = (name.split(":") for name in SAME)
            return np.column_stack([getattr(iglu, call)(theirs)[column] for call, column in pairs])

        def differ(a: pd.DataFrame, b: np.ndarray) -> float:
            at = [i for i, name in enumerate(OURS) if name not in ("lbgi", "hbgi")]  # iglu-python: 22.7708 for 22.77
            return largest(a[OURS].to_numpy()[:, at], b[:, at])

        size = f"{patients} patients x 14 d"
        rows.append(
            paired(
                "cgm metrics",
                size,
                partial(glucose_metrics, table),
                peer,
                package="iglu-python",
                differ=differ,
                tolerance=1e-6,
                goal=100,
                note=f"ours all metrics, peer {len(SAME)}",
            )
        )
    return rows


def many(job: str = "cgm range metrics", timed: bool = False, goal: float = 1) -> list[dict]:
    """Metrics of many patients; by default those that do not read the clock."""
    rows = []
    for patients in (100, 1000, 10_000):
        table = simulated(patients)

        def by_patient(table=table, patients=patients) -> np.ndarray:
            values = table["glucose_mg_dl"].to_numpy().reshape(patients, -1)
            return np.array(
                [
                    [x.mean(dtype=np.float64), x.std(ddof=1, dtype=np.float64), 100 * ((x >= 70) & (x <= 180)).mean()]
                    for x in values
                ]
            )

        def differ(a: pd.DataFrame, b: np.ndarray) -> float:
            return largest(a[["mean", "sd", "in_70_180"]], b)

        rows.append(
            paired(
                job,
                f"{patients} patients x 14 d",
                partial(glucose_metrics, table, timed=timed),
                by_patient,
                package="numpy",
                differ=differ,
                tolerance=1e-9,
                goal=goal,
                note="ours all, peer 3 metrics",
            )
        )
    return rows


def jobs() -> dict[str, Callable[[], list[dict]]]:
    """Return the jobs of this family."""
    everything = partial(many, "cgm all metrics", timed=True, goal=float("nan"))  # page.py has its goal, in seconds
    return {"cgm": against_iglu, "cgm_many": many, "cgm_all": everything}
