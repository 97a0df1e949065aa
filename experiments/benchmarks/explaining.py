"""Explain simulated patients end to end, beside shap; and one patient of a real model, warm.

python experiments/benchmarks/explaining.py [--rows 1000 10000 100000] [--pairs 5] [--one 30]

Ours: `theracast.predict.explain.explain` and the sums by block: points in probability, percentiles among the training
patients, proxies, frames and all. Peer: ``shap.TreeExplainer(booster).shap_values(X)`` of the same 500 trees of depth 6
over 200 features, in margin units, on as many threads. The patients are SIMULATED; expert, combiner and fusion are the
package's own. Both must agree first: contributions to the margin within 1e-5. Ours and the peer alternate in one
process; ``ratio`` is the median of the pairs. From 100,000 rows on the peer needs minutes: it explains a tenth of the
rows in every pair, ten times its time counts, and ``peer_whole_s`` is its time for all rows, taken once.
``peak_per_output`` is by how much the process grew at most while ours ran, for each byte of the frames returned
(points, percentiles, proxies and blocks; the values are the matrix's own). One patient: medians of repeated
calls, and the mean of their CPU seconds, which the load of the machine moves less.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import time
from collections.abc import Callable
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import xgboost as xgb
from harness import largest, measured, threads, timed

from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.features.matrix import FeatureMatrix
from theracast.features.spec import Feature
from theracast.models.base import ResponseModel
from theracast.models.combiner import fit_combiner
from theracast.models.fusion import Fusion
from theracast.models.indications import INDICATIONS
from theracast.models.positions import reference_of
from theracast.models.trees import TreeExpert
from theracast.predict.explain import TOLERANCE, explain
from theracast.predict.explanation import Explanation
from theracast.predict.predictor import Predictor
from theracast.provenance import Lineage

TREES, DEPTH, FEATURES, TRAINED_ON = 500, 6, 200, 16_000
#: From so many rows on the peer explains a tenth of them in every pair.
LONG = 100_000
AGREE, GOAL, GOAL_MS, GOAL_MEMORY = 1e-5, 25.0, 20.0, 4.0
COLUMNS = (
    "job",
    "rows",
    "ours_s",
    "ours_cpu_s",
    "peer",
    "peer_s",
    "peer_whole_s",
    "ratio",
    "ratio_min",
    "ratio_max",
    "pairs",
    "agreement",
    "largest_residual",
    "output_mb",
    "peak_mb",
    "peak_per_output",
    "load",
    "goal",
)


def values(rows: int, seed: int = 0) -> pd.DataFrame:
    """Draw SIMULATED values of one block: standard normals, one in twenty missing."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, FEATURES))
    X[rng.random(X.shape) < 0.05] = np.nan
    names = [f"simulated__f{k}" for k in range(FEATURES)]
    return pd.DataFrame(X, index=[f"simulated-{i}" for i in range(rows)], columns=names, copy=False)


def matrix(rows: int, seed: int = 0) -> FeatureMatrix:
    """Wrap SIMULATED values."""
    frame = values(rows, seed)
    origin = {name: Lineage(name, "simulated", "a.u.", "simulated feature", "", "measured", ()) for name in frame}
    study = pd.Series("simulated", index=frame.index)
    coverage = pd.DataFrame({"simulated": 1.0}, index=frame.index)
    return FeatureMatrix(frame, pd.DataFrame(index=frame.index), coverage, origin, {}, study, study)


@cache
def model() -> ResponseModel:
    """Train one expert and one combiner on SIMULATED patients."""
    train, later = values(TRAINED_ON, 1), values(TRAINED_ON, 2)
    features = [Feature(name.split("__")[1], "a.u.", "simulated feature") for name in train]

    def labels(frame: pd.DataFrame) -> np.ndarray:
        known = frame.fillna(0.0).to_numpy()
        noise = np.random.default_rng(len(frame)).normal(size=len(frame))
        return (known[:, 0] + known[:, 1] * known[:, 2] + noise > 0).astype(int)

    same = np.full(TRAINED_ON, "simulated")
    expert = TreeExpert(features, rounds=TREES, depth=DEPTH).fit(train, labels(train), np.ones(TRAINED_ON), same)
    margins = expert.split(later)[1].sum(axis=1, keepdims=True)
    none = np.full(TRAINED_ON, "", dtype=object)
    fusion = Fusion({"simulated": features}, "xgboost", {"rounds": TREES, "depth": DEPTH}, tumour_aware=False)
    fusion.experts, fusion.replicas = {"simulated": expert}, []
    fusion.combiners = {("simulated",): fit_combiner(("simulated",), margins, labels(later), same, none)}
    whole = ResponseModel(learner="xgboost")
    whole.fusion_, whole.reference_, whole.studies_ = fusion, reference_of(train), ("simulated",)
    return whole


def told(m: FeatureMatrix) -> tuple[Explanation, pd.DataFrame]:
    """Explain, and sum by block."""
    found = explain(model(), m)
    return found, found.by_block()


def beside_shap(rows: int, pairs: int) -> dict[str, object]:
    """Compare with shap on some number of rows."""
    import shap

    m, expert, combiner = matrix(rows), model().fusion_.experts["simulated"], model().fusion_.combiners["simulated",]
    booster = xgb.Booster({"nthread": threads()})
    booster.load_model(expert.booster.save_raw("json"))  # the expert's own is held to one thread
    booster.set_param({"nthread": threads()})
    peer = shap.TreeExplainer(booster).shap_values
    told(matrix(100))  # compiles
    (found, blocks), peak = measured(partial(told, m))
    frames = (found.points, found.percentile, found.proxy, blocks)
    output = sum(int(f.memory_usage(index=False).sum()) for f in frames) / 2**20
    long = rows >= LONG
    X = m.values.to_numpy()
    part = X[: rows // 10] if long else X
    few = m.subset(np.arange(len(part))) if long else m
    whole: float | str = ""
    if long:
        began = time.perf_counter()
        theirs = peer(X)
        whole = time.perf_counter() - began
        agreement = largest(model().fusion_.shares(m).parts / combiner.fit.coef[0], theirs)
        del theirs
    else:
        agreement = largest(model().fusion_.shares(few).parts / combiner.fit.coef[0], peer(part))
    residual = float(found.residual.abs().max())
    if not agreement <= AGREE or not residual <= TOLERANCE:
        raise SystemExit(f"{rows} rows: differs from shap by {agreement:.2g}, from its prediction by {residual:.2g}")
    del found, blocks
    times = [(timed(partial(told, m)), timed(partial(peer, part)) * (10 if long else 1)) for _ in range(pairs)]
    ratios = [p / o for o, p in times]
    return {
        "job": f"simulated patients, {TREES} trees of depth {DEPTH}, {FEATURES} features, {threads()} threads",
        "rows": rows,
        "ours_s": round(statistics.median(o for o, _ in times), 4),
        "peer": f"shap {version('shap')} TreeExplainer" + (", a tenth of the rows, times ten" if long else ""),
        "peer_s": round(statistics.median(p for _, p in times), 3),
        "peer_whole_s": whole if whole == "" else round(float(whole), 1),
        "ratio": round(statistics.median(ratios), 1),
        "ratio_min": round(min(ratios), 1),
        "ratio_max": round(max(ratios), 1),
        "pairs": pairs,
        "agreement": f"{agreement:.0e}",
        "largest_residual": f"{residual:.0e}",
        "output_mb": round(output, 1),
        "peak_mb": round(peak, 1),
        "peak_per_output": round(peak / output, 2),
        "load": round(os.getloadavg()[0], 1),
        "goal": f"{GOAL:g}x, memory under {GOAL_MEMORY:g}x",
    }


def one_patient(repeats: int) -> list[dict[str, object]]:
    """Time one patient of a real model, warm: the explanation alone, the score, and both."""
    cohort = Cohort.concat([load_cohort(n) for n in INDICATIONS["melanoma_ici"].cohorts])
    unseen = load_cohort("riaz2017_mel")
    lines = []
    for learner in ("logistic", "xgboost"):
        predictor = Predictor(ResponseModel(learner=learner).fit(cohort), "0" * 64)
        one = unseen.subset(unseen.ids[:1])
        m = predictor.model.matrix(one)
        calls: dict[str, Callable[[], object]] = {
            "explain": partial(explain, predictor.model, m),
            "explain, with spread": partial(explain, predictor.model, m, spread=True),
            "score": partial(predictor.score, one),
            "score, explained": partial(predictor.score, one, explained=True),
        }
        for name, call in calls.items():
            for _ in range(3):
                call()
            began = time.process_time()
            for _ in range(repeats):
                call()
            cpu = (time.process_time() - began) / repeats
            spent = [timed(call) for _ in range(repeats)]
            goal = f"{GOAL_MS:g} ms" if name == "explain" else ""
            line = {"job": f"one patient, {learner}: {name}", "rows": 1, "pairs": repeats, "goal": goal}
            lines.append(
                line
                | {
                    "ours_s": round(statistics.median(spent), 5),
                    "ours_cpu_s": round(cpu, 5),
                    "load": round(os.getloadavg()[0], 1),
                }
            )
    return lines


def main() -> None:
    """Run the jobs asked for and write ``explaining.csv``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--one", type=int, default=30)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".csv"))
    asked = parser.parse_args()
    lines = one_patient(asked.one) if asked.one else []
    for line in lines:
        print(line, flush=True)
    for rows in asked.rows:
        lines.append(beside_shap(rows, asked.pairs))
        print(lines[-1], flush=True)
    with asked.output.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(lines)


if __name__ == "__main__":
    main()
