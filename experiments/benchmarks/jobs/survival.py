"""Concordance, Kaplan-Meier and the IPCW Brier score against lifelines."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from harness import largest, paired

from theracast.models.survival import brier_ipcw, concordance, kaplan_meier


def against_lifelines() -> list[dict]:
    """Run on times to one decimal, so that ties occur; SIMULATED."""
    from lifelines import KaplanMeierFitter
    from lifelines.utils import concordance_index

    rows = []
    for n in (1000, 5000, 20_000):
        rng = np.random.default_rng(0)
        time, event = np.round(rng.exponential(10, n), 1), (rng.random(n) < 0.6).astype(np.int64)
        risk = np.round(-time / 5 + rng.normal(0, 2, n), 2)

        def fitted(time: np.ndarray = time, event: np.ndarray = event) -> Any:
            return KaplanMeierFitter().fit(time, event).survival_function_.iloc[:, 0]

        def curves(a: Any, b: Any) -> float:
            return largest(a["survival"], b.reindex(a.index))

        options: dict[str, Any] = {"package": "lifelines", "tolerance": 1e-12, "goal": 10}
        ours, peer = partial(concordance, time, event, risk), partial(concordance_index, time, -risk, event)
        rows.append(paired("concordance", f"n={n}", ours, peer, differ=largest, **options))
        ours = partial(kaplan_meier, time, event)
        rows.append(paired("Kaplan-Meier", f"n={n}", ours, fitted, differ=curves, **options))
    return rows


def brier_by_lifelines(time: np.ndarray, event: np.ndarray, alive: np.ndarray, horizon: float) -> float:
    """Weigh by lifelines' curve of the censoring, as one would with it; times must not tie."""
    from lifelines import KaplanMeierFitter

    observed = KaplanMeierFitter().fit(time, 1 - event)
    before = observed.predict(np.nextafter(time, 0.0)).to_numpy()
    late = float(observed.predict(horizon))
    gone, beyond = (time <= horizon) & (event == 1), time > horizon
    return float(np.mean(np.where(gone, alive**2 / before, 0.0) + np.where(beyond, (1 - alive) ** 2 / late, 0.0)))


def brier() -> list[dict]:
    """Score predicted survival at a horizon; SIMULATED, no ties."""
    rows = []
    for n in (1000, 5000, 20_000):
        rng = np.random.default_rng(0)
        known = rng.exponential(10, n), (rng.random(n) < 0.6).astype(np.int64), rng.random(n), 8.0
        options: dict[str, Any] = {"package": "lifelines", "tolerance": 1e-12, "goal": 10, "differ": largest}
        ours, peer = partial(brier_ipcw, *known), partial(brier_by_lifelines, *known)
        rows.append(paired("IPCW Brier", f"n={n}", ours, peer, note="peer: its curve, then numpy", **options))
    return rows


def jobs() -> dict[str, Callable[[], list[dict]]]:
    """Return the jobs of this family."""
    return {"survival_curves": against_lifelines, "brier": brier}
