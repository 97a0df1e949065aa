"""Who gains from ustekinumab? Policies learned out of fold on the randomised CERTIFI trial, and what they are worth.

Writes experiments/certifi/*.csv and certifi.png. The YAML names the data (under ../shared/data, or THERACAST_DATA) and
declares endpoint, folds, learners and thresholds; `make readme` puts the result on the page.
Run: python experiments/crohns_ustekinumab.py
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from crohns_page import draw
from scipy.stats import fisher_exact
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from theracast.features.assembler import FeatureAssembler
from theracast.features.cohort import Cohort
from theracast.features.crohns import DRUG, PLACEBO, read_certifi
from theracast.models.estimates import Estimate
from theracast.models.heterogeneity import effect_calibration, group_effects, qini, uplift_curve
from theracast.models.policy import (
    doubly_robust_scores,
    mean_estimate,
    policy_contributions,
    policy_gain,
    policy_value,
    self_normalised_value,
)
from theracast.models.scaling import Scaling
from theracast.models.selector import TherapySelector

HERE = Path(__file__).parent
DATA = Path(os.environ.get("THERACAST_DATA", HERE.parents[1] / "shared" / "data"))
OUT = HERE / "certifi"
#: Of the orders of patients, what is tested.
MEASURES = ("Qini area", "last third minus first", "calibration slope")


def main() -> None:
    """Judge the policies, and write what comes out."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    settings = yaml.safe_load((HERE / "crohns_ustekinumab.yaml").read_text(encoding="utf-8"))
    place = DATA / settings["data"]
    if not place.exists():
        sys.exit(f"no data in {place}: set THERACAST_DATA to the folder of public cohorts")
    OUT.mkdir(exist_ok=True)
    trial = Trial.of(read_certifi(place, settings["endpoint"]), settings["blocks"])
    first = settings["learners"][0]
    main_run = out_of_fold(trial, settings["learners"], settings)
    runs = {(settings["endpoint"], "declared", m): main_run for m in settings["learners"]}
    for endpoint in settings["other_endpoints"]:
        other = Trial.of(read_certifi(place, endpoint), settings["blocks"])
        runs[endpoint, "declared", first] = out_of_fold(other, [first], settings)
    wide = Trial.of(read_certifi(place, settings["endpoint"]), settings["blocks"], settings["wider"])
    runs[settings["endpoint"], "wider", first] = out_of_fold(wide, [first], settings)
    write("arms", arms(place, settings))
    write("left_out", left_out(trial, settings))
    write("values", pd.concat([values(run, key, settings) for key, run in runs.items()]))
    write("thresholds", pd.concat([thresholds(main_run, m, settings) for m in settings["learners"]]))
    write("states", pd.concat([run.states.assign(endpoint=k[0], features=k[1]) for k, run in once(runs)]))
    write("doses", doses(place, settings))
    chance = pd.DataFrame(list(simulated(trial, first, settings)), columns=list(MEASURES))
    chance.insert(0, "what", "z of a simulated trial with a constant effect")
    write("simulated", chance)
    spread = chance[list(MEASURES)].std().clip(lower=1.0)
    write("heterogeneity", pd.concat([heterogeneity(run, k, chance, spread) for k, run in runs.items()]))
    seen = main_run.seen(first)
    groups, _ = group_effects(*seen, groups=settings["groups"])
    write("groups", groups)
    curve = uplift_curve(*seen)
    write("curve", curve)
    draw(OUT).savefig(OUT / "certifi.png", dpi=150, metadata={"Software": None})


def write(name: str, table: pd.DataFrame) -> None:
    """Write one table and show it."""
    table.round(4).to_csv(OUT / f"{name}.csv", index=False)
    print(f"{name}\n{table.round(3).to_string(index=False)}\n", flush=True)


def once(runs: dict[tuple[str, str, str], Any]) -> Iterator[tuple[tuple[str, str, str], Any]]:
    """Give each run once, though several learners share it."""
    done: list[int] = []
    for key, run in runs.items():
        if id(run) not in done:
            done.append(id(run))
            yield key, run


# ---------------------------------------------------------------- out of fold


@dataclass(frozen=True)
class Trial:
    """What was known before treatment, what was given, and who responded."""

    X: pd.DataFrame
    treatment: np.ndarray
    y: np.ndarray

    @classmethod
    def of(cls, cohort: Cohort, blocks: Sequence[str], wider: str = "") -> Trial:
        """Measure the patients, each feature on the scale of its spec."""
        assembler = FeatureAssembler(list(blocks)).fit(cohort)
        X = assembler.matrix(cohort).values
        X = assembler.scaled(X.loc[:, X.max() > X.min()])
        if wider:
            X = X.join(cohort.table(wider).add_prefix(f"{wider}__"))
        return cls(X, cohort.table("clinical")["treatment"].to_numpy().astype(str), cohort.response.to_numpy())


@dataclass(frozen=True)
class Held:
    """What models said of patients whom they never saw; a list has an entry per repeat of the folds."""

    trial: Trial
    propensity: dict[str, float]
    folds: np.ndarray
    outcome: list[pd.DataFrame]
    gains: dict[str, np.ndarray]
    named: dict[str, np.ndarray]
    states: pd.DataFrame

    def scores(self) -> list[pd.DataFrame]:
        """Doubly robust scores, the predictions being those of the first learner."""
        return [doubly_robust_scores(self.trial.y, self.trial.treatment, self.propensity, o) for o in self.outcome]

    def effects(self) -> np.ndarray:
        """Score of the drug minus that of placebo, patients by repeats."""
        return np.column_stack([s[DRUG] - s[PLACEBO] for s in self.scores()])

    def seen(self, learner: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Effects, effects predicted by a learner, and folds."""
        return self.effects(), self.gains[learner], self.folds

    def contributions(self, policies: Sequence[Any]) -> np.ndarray:
        """Contribution of each patient, averaged over the repeats."""
        pairs = zip(self.scores(), policies, strict=True)
        return np.mean([policy_contributions(s, p) for s, p in pairs], axis=0)


def out_of_fold(
    trial: Trial, learners: Sequence[str], settings: dict[str, Any], propensity: dict[str, float] | None = None
) -> Held:
    """Learn on four fifths, rank the last, five times over, on folds balanced by treatment."""
    shares = propensity or settings["settings"]["propensity"]
    n, repeats = len(trial.y), settings["repeats"]
    folds = np.zeros((n, repeats), dtype=int)
    gains = {m: np.full((n, repeats), np.nan) for m in learners}
    named = {m: np.full((n, repeats), "", dtype=object) for m in learners}
    outcome = [pd.DataFrame(np.nan, trial.X.index, list(shares)) for _ in range(repeats)]
    states = []
    for repeat in range(repeats):
        split = StratifiedKFold(settings["folds"], shuffle=True, random_state=settings["seed"] + repeat)
        for fold, (train, test) in enumerate(split.split(trial.X, trial.treatment)):
            folds[test, repeat] = fold
            for learner in learners:
                selector = TherapySelector(learner, **{**settings["settings"], "propensity": shares})
                selector.fit(trial.X.iloc[train], trial.treatment[train], trial.y[train])
                ranking = selector.rank(trial.X.iloc[test])
                if DRUG in shares:
                    gains[learner][test, repeat] = ranking.wide("gain")[DRUG]
                named[learner][test, repeat] = ranking.best().to_numpy()
                states.append(ranking.table.assign(learner=learner).groupby(["learner", "therapy", "state"]).size())
                if learner == learners[0]:
                    outcome[repeat].iloc[test] = ranking.wide("probability")[list(shares)].to_numpy()
    counted = (pd.concat(states).groupby(level=[0, 1, 2]).sum() / repeats).rename("patients per repeat").reset_index()
    return Held(trial, shares, folds, outcome, gains, named, counted)


# ---------------------------------------------------------------- tables


def spelt(estimate: Estimate, prefix: str = "") -> dict[str, float]:
    """Lay an estimate out as columns."""
    return {
        f"{prefix}{n}": getattr(estimate, a) for n, a in (("value", "value"), ("lower", "lower"), ("upper", "upper"))
    }


def values(run: Held, key: tuple[str, str, str], settings: dict[str, Any]) -> pd.DataFrame:
    """Value of each policy, beside treating all and treating none."""
    endpoint, features, learner = key
    all_, none = ([t] * settings["repeats"] for t in (DRUG, PLACEBO))
    gains, named = run.gains[learner], run.named[learner]
    # where the selector names nobody, everybody gets what is better on average
    policies = {
        "treat all": all_,
        "treat none": none,
        "treat where a gain is predicted": [np.where(g > 0, DRUG, PLACEBO) for g in gains.T],
        "as the selector ranks, else treat": [np.where(b == "", DRUG, b).astype(str) for b in named.T],
        "treat the half that gains most": [np.where(g > np.median(g), DRUG, PLACEBO) for g in gains.T],
    }
    rows = []
    for name, policy in policies.items():
        mine = run.contributions(policy)
        shares = [np.mean(np.asarray(p) == DRUG) for p in policy]
        plain = [self_normalised_value(run.trial.y, run.trial.treatment, p, run.propensity) for p in policy]
        rows.append(
            {
                **{"endpoint": endpoint, "features": features, "learner": learner, "policy": name},
                "treated": float(np.mean(shares)),
                **spelt(mean_estimate(mine)),
                "weighted": float(np.mean([e.value for e in plain])),
                **spelt(mean_estimate(mine - run.contributions(all_)), "over all, "),
                **spelt(mean_estimate(mine - run.contributions(none)), "over none, "),
            }
        )
    return pd.DataFrame(rows)


def thresholds(run: Held, learner: str, settings: dict[str, Any]) -> pd.DataFrame:
    """Treat only where more than a least gain is predicted: who is treated, and what it is worth net of that price."""
    rows = []
    for least in settings["thresholds"]:
        policy = [np.where(g > least, DRUG, PLACEBO) for g in run.gains[learner].T]
        mine = run.contributions(policy)
        all_, none = (run.contributions([t] * len(policy)) for t in (DRUG, PLACEBO))
        treated = np.mean([p == DRUG for p in policy], axis=0)
        rows.append(
            {
                **{"learner": learner, "least gain": least, "treated": float(treated.mean())},
                **spelt(mean_estimate(mine)),
                **spelt(mean_estimate(mine - least * treated - (all_ - least)), "net over all, "),
                **spelt(mean_estimate(mine - least * treated - none), "net over none, "),
            }
        )
    return pd.DataFrame(rows)


def tested(run: Held, learner: str) -> list[Estimate]:
    """Estimate what `MEASURES` names."""
    seen = run.seen(learner)
    return [qini(*seen), group_effects(*seen)[1], effect_calibration(*seen)[1]]


def z_of(estimate: Estimate) -> float:
    """Divide by the standard error; nothing above chance when all predictions are the same."""
    return estimate.value / estimate.se if estimate.se > 0 else 0.0


def heterogeneity(run: Held, key: tuple[str, str, str], chance: pd.DataFrame, spread: pd.Series) -> pd.DataFrame:
    """Whether larger predicted effects are larger; intervals as wide as trials without any difference ask for."""
    rows = []
    for measure, found in zip(MEASURES, tested(run, key[2]), strict=True):
        half = (found.upper - found.value) * spread[measure]
        extreme = int((chance[measure].abs() >= abs(z_of(found))).sum())
        rows.append(
            {
                **{"endpoint": key[0], "features": key[1], "learner": key[2], "measure": measure},
                **{"value": found.value, "lower": found.value - half, "upper": found.value + half},
                "p": (1 + extreme) / (1 + len(chance)),
                # a test at .05 finds this much in four of five trials
                "findable": (1.96 + 0.84) * found.se * spread[measure],
            }
        )
    return pd.DataFrame(rows)


def simulated(trial: Trial, learner: str, settings: dict[str, Any]) -> Iterator[list[float]]:
    """Draw responses anew, the same effect for everybody in log-odds, and ask again; gives z of each measure."""
    rng = np.random.default_rng(settings["seed"])
    drug = (trial.treatment == DRUG).astype(float)[:, None]
    raw = trial.X.to_numpy(dtype=np.float64)
    design = np.hstack([Scaling.of(raw).apply(raw), drug])
    p = LogisticRegression(C=1.0).fit(design, trial.y).predict_proba(design)[:, 1]
    for _ in range(settings["simulated"]["draws"]):
        drawn = (rng.random(len(p)) < p).astype(float)
        run = out_of_fold(Trial(trial.X, trial.treatment, drawn), [learner], settings)
        yield [z_of(e) for e in tested(run, learner)]


def arms(place: Path, settings: dict[str, Any]) -> pd.DataFrame:
    """Count each dose, and set its responders above those on placebo."""
    rows = []
    for endpoint in (settings["endpoint"], *settings["other_endpoints"]):
        for by_dose in (False, True):
            cohort = read_certifi(place, endpoint, doses=by_dose)
            given, y = cohort.table("clinical")["treatment"].to_numpy().astype(str), cohort.response.to_numpy()
            shares = {str(t): float(np.mean(given == t)) for t in sorted(set(given))}
            rates = pd.DataFrame({t: np.full(len(y), y[given == t].mean()) for t in shares})
            for therapy in [t for t in shares if t != PLACEBO or not by_dose]:
                n, k = int((given == therapy).sum()), int(y[given == therapy].sum())
                value = policy_value(y, given, therapy, shares, rates)
                gain = policy_gain(y, given, therapy, PLACEBO, shares, rates)
                rows.append({"endpoint": endpoint, "therapy": therapy, "n": n, "responders": k, **spelt(value)}
                            | spelt(gain, "over placebo, "))  # fmt: skip
    return pd.DataFrame(rows)


def left_out(trial: Trial, settings: dict[str, Any]) -> pd.DataFrame:
    """Compare the file with the trial as published, to see whether who is not in it is like who is."""
    published = settings["published"]
    whole = {PLACEBO: published[PLACEBO], DRUG: np.sum([v for t, v in published.items() if t != PLACEBO], axis=0)}
    rows = []
    for therapy, (n, k) in whole.items():
        mine = trial.treatment == therapy
        here, well = int(mine.sum()), int(trial.y[mine].sum())
        rows.append({"therapy": therapy, "trial": int(n), "trial, responders": int(k), "file": here,
                     "file, responders": well, "left out": int(n) - here,
                     "left out, responders": int(k) - well})  # fmt: skip
    table = [[r["left out, responders"], r["left out"] - r["left out, responders"]] for r in rows]
    return pd.DataFrame(rows).assign(p=fisher_exact(table)[1])


def doses(place: Path, settings: dict[str, Any]) -> pd.DataFrame:
    """Choose among placebo and three doses: the same question with four arms."""
    trial = Trial.of(read_certifi(place, settings["endpoint"], doses=True), settings["blocks"])
    shares = {str(t): float(np.mean(trial.treatment == t)) for t in sorted(set(trial.treatment))}
    run = out_of_fold(trial, settings["learners"][:1], settings, shares)
    top = max(t for t in shares if t != PLACEBO)
    likeliest = [o.idxmax(axis=1).to_numpy().astype(str) for o in run.outcome]
    policies = {f"all on {t}": [t] * settings["repeats"] for t in shares}
    policies["the likeliest to respond of the four"] = likeliest
    everyone = run.contributions(policies[f"all on {top}"])
    rows = []
    for name, policy in policies.items():
        mine = run.contributions(policy)
        rows.append({"policy": name, **spelt(mean_estimate(mine)),
                     **spelt(mean_estimate(mine - everyone), f"over all on {top}, ")})  # fmt: skip
    return pd.DataFrame(rows)


if __name__ == "__main__":
    main()
