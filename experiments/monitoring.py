"""When does theracast monitor call an alarm, and how late? SIMULATED lives of a model, and real cohorts left out.

A life is told outcome by outcome, looked at after every tenth, and ends with its first alarm. lives_simulated.csv has
the share of lives with an alarm, curve_simulated.csv the same along the outcomes, drift_simulated.csv the notices of
drift, real.csv what monitoring says of each bundled cohort, scored by a model that never saw it.
Run: python experiments/monitoring.py
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from monitoring_page import draw
from scipy.special import expit, logit

from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.models.base import OUTSIDE, ResponseModel
from theracast.models.config import Experiment
from theracast.models.drift import DRIFTED, drift_table
from theracast.models.estimates import wilson
from theracast.models.fusion import SET_LEVEL
from theracast.models.positions import reference_of
from theracast.models.sequential import calibration_evidence, shortfall_evidence
from theracast.models.splits import family
from theracast.predict.monitor import monitor
from theracast.predict.monitor_promises import ALARM, SLACK, THRESHOLD, promises

HERE = Path(__file__).parent
OUT = HERE / "monitoring"
#: Weight of the block that moves: half the variance of the log-odds.
_WEIGHT = np.sqrt(0.5)
_FEATURES = 5


def main() -> None:
    """Simulate, monitor real cohorts, write and draw."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    settings = yaml.safe_load((HERE / "monitoring.yaml").read_text(encoding="utf-8"))
    OUT.mkdir(exist_ok=True)
    lives, curve = simulated_lives(settings)
    tables = {"lives_simulated": lives, "curve_simulated": curve, "drift_simulated": simulated_drift(settings)}
    tables["real"] = pd.DataFrame(real_cohorts(settings["step"]))
    for name, table in tables.items():
        table.round(4).to_csv(OUT / f"{name}.csv", index=False, lineterminator="\n")
        print(f"{name}\n{table.head(20).round(3).to_string(index=False)}\n", flush=True)
    draw(pd.read_csv(OUT / "curve_simulated.csv")).savefig(
        OUT / "monitoring_simulated.png", dpi=150, metadata={"Software": None}
    )


def simulated_lives(settings: dict[str, Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Live every scenario many times; one row per scenario, and the share that was alarmed along the outcomes."""
    looks = np.arange(settings["step"], settings["outcomes"] + 1, settings["step"])
    rows, curve = [], []
    for k, (name, scenario) in enumerate(settings["scenarios"].items()):
        rng = np.random.default_rng([settings["seed"], k])
        kind = "hold" if set(scenario) <= {"spread", "centre"} else "broken"
        lives, after = settings["lives"][kind], scenario.get("after", 0)
        found = [first_alarm(*life(rng, settings, scenario), looks) for _ in range(lives)]
        ended, gaps = np.array([f[0] for f in found]), [gap for *_, gap in found]
        ever = int(np.isfinite(ended).sum())
        low, high = wilson(ever, lives)
        middle = float(np.median(ended)) - after
        early = float((ended <= after).mean()) if after else float("nan")
        rows.append(
            {"simulated": "simulated", "scenario": name, "kind": kind, "off": float(np.mean(gaps)), "lives": lives}
            | {f"within {n}": float((ended <= n).mean()) for n in settings["within"]}
            | {"lower": float(low), "upper": float(high), "half of them after": middle if np.isfinite(middle) else None}
            | {"before it broke": early}
            | {part: float(np.mean([part in f[1] for f in found])) for part in ("probabilities", "sets")}
        )
        curve += [("simulated", name, int(n), float((ended <= n).mean())) for n in looks[4::5]]
        print(f"simulated: {name}: {ever} of {lives} lives with an alarm", flush=True)
    return pd.DataFrame(rows), pd.DataFrame(curve, columns=["simulated", "scenario", "outcomes", "alarmed"])


def life(
    rng: np.random.Generator, settings: dict[str, Any], scenario: dict[str, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float, float]:
    """Simulate outcomes, what was told, sets, the assumed rate, and how far on average the truth is off."""
    n, after = settings["outcomes"], int(scenario.get("after", 0))
    rate = scenario.get("centre", settings["centre"])
    middle, spread = float(logit(rate)), scenario.get("spread", settings["spread"])
    told = middle + spread * rng.standard_normal(n)
    truth = middle + scenario.get("shift", 0.0) + scenario.get("slope", 1.0) * (told - middle)
    # the block is read too high, the patients are as they were
    truth -= scenario.get("moved", 0.0) * _WEIGHT * spread
    truth[:after] = told[:after]
    y = (rng.random(n) < expit(truth)).astype(float)
    cover = np.where(y == 1, scenario.get("cover", SET_LEVEL), SET_LEVEL)
    held = rng.random(n) < cover
    held[:after] = rng.random(after) < SET_LEVEL
    sets = np.where(held, "both", np.where(y == 1, "no_response", "response"))
    p = expit(told)
    return y, p, sets, rate, float(np.abs(expit(truth) - p)[after:].mean())


def first_alarm(
    y: np.ndarray, p: np.ndarray, sets: np.ndarray, centre: float, gap: float, looks: np.ndarray
) -> tuple[float, tuple[str, ...], float]:
    """Say after how many outcomes a life ends (infinity: never), by which promises, and how far off it was."""
    # without evidence past the line there is no alarm: only the other looks have to be taken
    strong = calibration_evidence(y, p, centre, looks) >= THRESHOLD
    for value, right in ((1, "response"), (0, "no_response")):
        mine = y == value
        wrong = ~np.isin(sets[mine], (right, "both"))
        if wrong.any():
            gained = np.concatenate([[0.0], shortfall_evidence(wrong.astype(float), 1 - SET_LEVEL + SLACK)])
            strong |= gained[np.cumsum(mine)[looks - 1]] >= THRESHOLD
    for n in looks[strong]:
        broken = [q.name.split()[0] for q in promises(y[:n], p[:n], sets[:n], centre) if q.state == ALARM]
        if broken:
            return float(n), tuple(broken), gap
    return float("inf"), (), gap


def simulated_drift(settings: dict[str, Any]) -> pd.DataFrame:
    """Count lives with a notice of drift, by how far a block moved and how many new patients there are."""
    how, rng = settings["drift"], np.random.default_rng([settings["seed"], 999])
    names = [f"{block}__x{k}" for block in ("still", "moving") for k in range(_FEATURES)]
    rows = []
    for moved in how["moved"]:
        seen = {(n, told): [0, 0] for n in how["new"] for told in (True, False)}
        for _ in range(how["lives"]):
            before = pd.DataFrame(rng.standard_normal((how["reference"], len(names))), columns=names)
            new = pd.DataFrame(rng.standard_normal((max(how["new"]), len(names))), columns=names)
            new.iloc[:, _FEATURES:] += moved
            reference = reference_of(before)
            for (n, told), counts in seen.items():
                found = drift_table(reference, new.head(n), len(before) if told else float("inf"))
                drifted = found.loc[found["state"] == DRIFTED, "block"]
                counts[0] += int((drifted == "moving").any())
                counts[1] += int((drifted == "still").any())
        for (n, told), counts in seen.items():
            shares = [count / how["lives"] for count in counts]
            rows.append(("simulated", moved, n, "told" if told else "not told", how["lives"], *shares))
        print(f"simulated: drift where a block moved by {moved}", flush=True)
    columns = ["simulated", "moved", "new", "size of reference", "lives", "moving block", "still block"]
    return pd.DataFrame(rows, columns=columns)


def real_cohorts(step: int) -> Iterator[dict[str, object]]:
    """Monitor each bundled cohort, scored by a model that saw none of its study, outcomes in the order of the file."""
    experiment = Experiment.from_yaml(HERE / "melanoma_bundled.yaml")
    tables = {n: experiment.admitted(load_cohort(n)) for n in (*experiment.cohorts, *experiment.holdout)}
    for name, cohort in tables.items():
        rest = [tables[n] for n in experiment.cohorts if n not in family(name)]
        model = ResponseModel(experiment.indication, experiment.learner, options=experiment.options)
        model.fit(Cohort.concat(rest))
        scores = model.respond(model.matrix(cohort)).table.rename_axis("patient_id").reset_index()
        response = cohort.response.map({1.0: "R", 0.0: "NR"})
        outcomes = pd.DataFrame({"patient_id": cohort.response.index.astype(str), "response": response.to_numpy()})
        yield row_of(name, scores, outcomes, model.fusion_.prior, step) | {"in domain": True}
        # of a tumour that the model is not for, monitoring judges nobody; what it would have said is told beside
        if scores["reason"].str.startswith(OUTSIDE).any():
            all_in = scores.assign(reason="")
            yield row_of(name, all_in, outcomes, model.fusion_.prior, step) | {"in domain": False}


def row_of(name: str, scores: pd.DataFrame, outcomes: pd.DataFrame, prior: float, step: int) -> dict[str, object]:
    """Lay out what monitoring says at the end, and after how many outcomes it first called an alarm."""
    first, found = None, monitor(scores, outcomes, prior=prior)
    for n in range(step, len(outcomes) + step, step):
        so_far = monitor(scores, outcomes.head(n), prior=prior)
        if so_far.alarms:
            first = so_far.account["judged"]
            break
    figures = found.measures.set_index("measure")
    over = figures.loc["observed over expected responses"]
    row: dict[str, object] = {"cohort": name, "patients": found.account["scored"], "judged": found.account["judged"]}
    row |= {"observed over expected": over["value"], "lower": over["lower"], "upper": over["upper"]}
    row |= {p.name: p.state if not p.more else f"{p.state}: {p.more} more" for p in found.promises}
    return row | {"state": found.state, "first alarm after": first, "why": found.promises[0].why}


if __name__ == "__main__":
    main()
