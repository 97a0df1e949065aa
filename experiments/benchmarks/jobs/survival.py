"""Concordance and Kaplan-Meier against lifelines."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from harness import largest, paired

from theracast.models.survival import concordance, kaplan_meier


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


def jobs() -> dict[str, Callable[[], list[dict]]]:
    """Return the jobs of this family."""
    return {"survival": against_lifelines}
