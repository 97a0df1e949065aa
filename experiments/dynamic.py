"""Does what is measured under treatment update the probability? ctDNA after lung surgery, symptom scores in depression.

Writes experiments/dynamic/*.csv and dynamic.png; the YAML declares landmarks and horizons; `make readme` puts the
result on the page. Every probability is of patients left out, the baseline's too: where it is a term of the dynamic
model it is cross-fitted once more inside the training part.
Run: python experiments/dynamic.py (needs ../shared/data, or THERACAST_DATA)
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from dynamic_cohorts import Followed, depression, evidence, resected
from dynamic_page import draw
from joblib import Parallel, delayed
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from theracast.models.estimates import Estimate
from theracast.models.landmark import DynamicModel, outcome_within
from theracast.models.longitudinal import SUMMARIES, series_features
from theracast.models.resampling import reweighted_aucs

HERE = Path(__file__).parent
OUT = HERE / "dynamic"
#: The dynamic model, and what is dull beside it: summaries of the series, and whether the baseline is read.
MODELS: dict[str, tuple[tuple[str, ...], bool]] = {
    "dynamic": (SUMMARIES, True),
    "baseline only": ((), True),
    "last value only": (("last",), False),
    "change only": (("change",), False),
}
OURS, DULL = "dynamic", "baseline only"


def main() -> None:
    """Judge both, and write what comes out."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    settings = yaml.safe_load((HERE / "dynamic.yaml").read_text(encoding="utf-8"))
    data = Path(os.environ.get("THERACAST_DATA", HERE.parents[1] / "shared" / "data"))
    OUT.mkdir(exist_ok=True)
    lung, mood, outside = evidence(data), depression(data), resected(data)
    parts = [
        judged("EVIDENCE", left_out(lung, settings["evidence"], settings), settings),
        judged("EVIDENCE, calls only", left_out(lung.calls(), settings["evidence"], settings), settings),
        judged("resected NSCLC", carried_over(lung.calls(), outside, settings["resected"], settings), settings),
        judged("depression trial", left_out(mood, settings["depression"], settings), settings),
        judged(
            "depression trial, lost = no response",
            left_out(mood.lost_as_failures(), settings["depression"], settings),
            settings,
        ),
    ]
    pd.concat(parts).round(5).to_csv(OUT / "dynamic.csv", index=False)
    pd.DataFrame(
        [*at_risk(lung, settings["evidence"]), *at_risk(outside, settings["resected"]), *dropped(mood)]
    ).to_csv(OUT / "patients.csv", index=False)
    paths = trajectories(lung, settings)
    paths.round(5).to_csv(OUT / "trajectories_simulated.csv", index=False)
    draw(paths).savefig(OUT / "dynamic.png", dpi=150, metadata={"Software": None})


def baseline(train: Followed, test: pd.DataFrame, how: dict[str, Any]) -> np.ndarray:
    """Fit the model of what is known before any visit, and predict."""
    told = train.outcome_at_start(how)
    seen = told["y"].notna()
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
    X, y, weight = train.X.loc[told.index[seen]], told["y"][seen].astype(int), told["weight"][seen]
    return model.fit(X, y, logisticregression__sample_weight=weight.to_numpy()).predict_proba(test)[:, 1]


def cross_fitted(train: Followed, how: dict[str, Any], seed: int) -> pd.Series:
    """Baseline probabilities of the training patients, each by a model that had not seen them."""
    out = pd.Series(np.nan, index=train.X.index)
    for seen, unseen in StratifiedKFold(5, shuffle=True, random_state=seed).split(train.X, train.known()):
        out.iloc[unseen] = baseline(train.take(seen), train.X.iloc[unseen], how)
    return out


def answered(train: Followed, test: Followed, how: dict[str, Any], settings: dict[str, Any], seed: int) -> pd.DataFrame:
    """Predict the patients of a fold at every landmark, by every model."""
    inner, outer = cross_fitted(train, how, seed), pd.Series(baseline(train, test.X, how), index=test.X.index)
    rows = []
    for name, (uses, margin) in MODELS.items():
        model = DynamicModel(how["landmarks"], how.get("horizon"), uses, margin, tuple(settings["penalties"]))
        model.fit(inner, train.visits, train.outcome)
        for s in how["landmarks"]:
            p = model.predict(outer, test.visits, s)
            rows.append(pd.DataFrame({"patient_id": p.index, "landmark": s, "model": name, "p": p.to_numpy()}))
    return pd.concat(rows)


def with_outcome(said: pd.DataFrame, cohort: Followed, how: dict[str, Any]) -> pd.DataFrame:
    """Put the outcome beside each answer; those not at risk, or lost, drop out. Weights are of the whole cohort."""
    told = pd.concat(
        [
            cohort.outcome_at(s, how.get("horizon")).assign(landmark=s).rename_axis("patient_id").reset_index()
            for s in how["landmarks"]
        ]
    )
    return said.merge(told[told["y"].notna()], on=["patient_id", "landmark"])


def left_out(cohort: Followed, how: dict[str, Any], settings: dict[str, Any]) -> pd.DataFrame:
    """Predict patients left out, fold by fold."""
    tasks = (
        delayed(_fold)(cohort, train, test, how, settings, r, k)
        for r, folds in enumerate(splits(cohort, how, settings["seed"]))
        for k, (train, test) in enumerate(folds)
    )
    return with_outcome(pd.concat(Parallel(2)(tasks)), cohort, how)


def _fold(
    cohort: Followed, train: np.ndarray, test: np.ndarray, how: dict[str, Any], settings: dict[str, Any], r: int, k: int
) -> pd.DataFrame:
    return answered(cohort.take(train), cohort.take(test), how, settings, 100 * r + k).assign(repeat=r, fold=k)


def splits(cohort: Followed, how: dict[str, Any], seed: int) -> Iterator[list[tuple[np.ndarray, np.ndarray]]]:
    """Give the folds of each repeat: of whole sites where they are known, always balanced by the outcome.

    Folds that differ in outcome make a baseline without skill look worse than chance: the fewer responders left out,
    the more there are to train on, and the higher is every probability.
    """
    for r in range(how["repeats"]):
        kind = StratifiedKFold if cohort.site is None else StratifiedGroupKFold
        folds = kind(how["folds"], shuffle=True, random_state=seed + r)
        yield list(folds.split(cohort.X, cohort.known(), cohort.site))


def carried_over(train: Followed, test: Followed, how: dict[str, Any], settings: dict[str, Any]) -> pd.DataFrame:
    """Fit on one cohort, predict the other."""
    shared = [c for c in train.X if c in test.X]
    train, test = train.only(shared), test.only(shared)
    return with_outcome(answered(train, test, how, settings, 0).assign(repeat=0, fold=0), test, how)


# ---------------------------------------------------------------- what they are worth


def judged(cohort: str, said: pd.DataFrame, settings: dict[str, Any]) -> pd.DataFrame:
    """AUC and Brier per landmark and model, and by how much the dynamic model is better, paired by patient."""
    rng = np.random.default_rng(settings["seed"])
    rows = []
    wide = said.pivot_table(
        index=["landmark", "patient_id", "y", "weight", "repeat", "fold"], columns="model", values="p"
    ).reset_index()
    patients = wide["patient_id"].unique()
    n = len(patients)
    # the first are the patients as they are
    times = np.vstack([np.ones(n), rng.multinomial(n, np.full(n, 1 / n), settings["draws"])])
    means: dict[str, list[np.ndarray]] = {}
    for s, part in wide.groupby("landmark"):
        position = pd.Index(patients).get_indexer(part["patient_id"])
        found = _measures(part, times[:, position])
        for m, values in found.items():
            means.setdefault(m, []).append(values)
            rows.append(_row(cohort, f"{s:g}", m, values, found[OURS]) | _counts(part))
    for m, stacked in means.items():
        mean, ours = np.nanmean(stacked, axis=0), np.nanmean(means[OURS], axis=0)
        rows.append(_row(cohort, "mean", m, mean, ours) | {"n": n})
    return pd.DataFrame(rows)


def _counts(part: pd.DataFrame) -> dict[str, int]:
    one = part[part["repeat"] == part["repeat"].min()]
    return {"n": len(one), "events": int(one["y"].sum())}


def _measures(part: pd.DataFrame, times: np.ndarray) -> dict[str, np.ndarray]:
    """AUC within folds and Brier score of each model, a line for each row of `times`: how often a patient is there."""
    y, p, w = part["y"].to_numpy(), part[list(MODELS)], times * part["weight"].to_numpy()
    ranked, pairs = np.zeros((len(times), len(MODELS))), np.zeros((len(times), 1))
    # within a fold: the models of two folds differ in level, and their patients must not be ranked together
    for rows in part.groupby(["repeat", "fold"]).indices.values():
        both = w[:, rows[y[rows] == 1]].sum(axis=1) * w[:, rows[y[rows] == 0]].sum(axis=1)
        areas = reweighted_aucs(y[rows], p.iloc[rows], np.ascontiguousarray(w[:, rows]))
        ranked += areas.fillna(0.0).to_numpy() * both[:, None]
        pairs += both[:, None]
    area = np.divide(ranked, pairs, out=np.full_like(ranked, np.nan), where=pairs > 0)
    lost = w @ ((y[:, None] - p) ** 2).to_numpy()
    known = w.sum(axis=1)[:, None]
    brier = np.divide(lost, known, out=np.full_like(lost, np.nan), where=known > 0)
    return {m: np.column_stack([area[:, k], brier[:, k]]) for k, m in enumerate(MODELS)}


def _row(cohort: str, landmark: str, model: str, values: np.ndarray, ours: np.ndarray) -> dict[str, Any]:
    row: dict[str, Any] = {"cohort": cohort, "landmark": landmark, "model": model}
    for k, name in enumerate(("auc", "brier")):
        gain = ours[:, k] - values[:, k] if name == "auc" else values[:, k] - ours[:, k]
        for what, v in ((name, values[:, k]), (f"{name}_gain", gain)):
            if what.endswith("gain") and model == OURS:
                continue
            estimate = spread(v)
            row |= {what: estimate.value, f"{what}_lower": estimate.lower, f"{what}_upper": estimate.upper}
    return row


def spread(values: np.ndarray) -> Estimate:
    """Give the first value, with the percentile interval of the others."""
    low, high = np.nanquantile(values[1:], [0.025, 0.975])
    return Estimate(float(values[0]), float(low), float(high), float(np.nanstd(values[1:])))


# ---------------------------------------------------------------- who is there


def at_risk(cohort: Followed, how: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Count who is at risk at each landmark, has the event within the horizon, and is lost before it."""
    for s in how["landmarks"]:
        told = outcome_within(cohort.outcome["time"], cohort.outcome["event"], s, how["horizon"])
        visited = cohort.visits[(cohort.visits["time"] <= s) & cohort.visits["patient_id"].isin(told.index)]
        yield {
            "cohort": cohort.name,
            "group": f"at risk on day {s}",
            "patients": len(told),
            "events within the horizon": str(int((told["y"] == 1).sum())),
            "lost before it": str(int(told["y"].isna().sum())),
            "with a visit until then": str(visited["patient_id"].nunique()),
        }


def dropped(cohort: Followed) -> Iterator[dict[str, Any]]:
    """Hold those who left against those who stayed, at their last visit before the end."""
    change = series_features(cohort.visits, cohort.X.index, 32.0, ["change"])["hamd17__change"]
    for name, who in (("stayed", cohort.outcome["y"].notna()), ("left", cohort.outcome["y"].isna())):
        part = 2 ** change[who] - 1
        yield {
            "cohort": cohort.name,
            "group": f"{name} until week 6",
            "patients": int(who.sum()),
            "last change of HAMD-17 seen until day 32": f"{part.median():.0%} (median)",
        }


def trajectories(cohort: Followed, settings: dict[str, Any]) -> pd.DataFrame:
    """Follow SIMULATED patients of average baseline through the model fitted on all of EVIDENCE, with its spread."""
    how = settings["evidence"]
    stories = {
        "never positive": dict.fromkeys(range(0, 547, 91), 0),
        "positive from day 273": {day: int(day >= 273) for day in range(0, 547, 91)},
        "positive until day 91, then cleared": {day: int(day <= 91) for day in range(0, 547, 91)},
    }
    visits = pd.concat(
        [
            pd.DataFrame({"patient_id": name, "time": list(calls), "call": list(calls.values())})
            for name, calls in stories.items()
        ]
    )
    called = cohort.calls()
    average = float(np.mean(baseline(called, called.X, how)))
    rng, days = np.random.default_rng(settings["seed"]), np.arange(91, 547, 13)
    found = []
    for draw_number in range(101):
        rows = np.arange(len(called.X)) if not draw_number else rng.integers(0, len(called.X), len(called.X))
        drawn = called.drawn(rows)
        model = DynamicModel(how["landmarks"], how["horizon"], SUMMARIES, True, (0.1,))
        model.fit(cross_fitted(drawn, how, 0), drawn.visits, drawn.outcome)
        for day in days:
            p = model.predict(pd.Series(average, index=pd.Index(list(stories))), visits, float(day))
            found.append(pd.DataFrame({"patient": p.index, "day": day, "p": p.to_numpy(), "draw": draw_number}))
    table = pd.concat(found)
    first = table[table["draw"] == 0].set_index(["patient", "day"])["p"]
    others = table[table["draw"] > 0].groupby(["patient", "day"])["p"]
    out = pd.DataFrame({"p": first, "lower": others.quantile(0.025), "upper": others.quantile(0.975)}).reset_index()
    return out.assign(patient="simulated: " + out["patient"])


if __name__ == "__main__":
    main()
