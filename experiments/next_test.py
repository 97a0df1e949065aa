"""How many tests does theracast next-test save? Each study left out, the tests of its complete patients hidden.

Every set of tests that a patient could have is asked once: what the model says with it, and what next-test says of the
rest. The policies (next_test_policies.py) walk through those answers. Writes policies.csv, curve.csv, calibration.csv
and the picture to experiments/next_test/; no patient's value.
Run: python experiments/next_test.py [melanoma_bundled] [pan_ici] [tcga_brca]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from next_test_policies import judged, told_and_seen, walked
from next_test_tcga import folds

from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.features.matrix import FeatureMatrix
from theracast.models.base import ResponseModel
from theracast.models.config import Experiment
from theracast.models.splits import family
from theracast.predict.diagnostic_tests import DiagnosticTests
from theracast.predict.next_test import next_tests

HERE = Path(__file__).parent
OUT = HERE / "next_test"


@dataclass(frozen=True)
class Answers:
    """What the model says of each patient with each set of tests done; arrays by set, a row for each patient."""

    tests: tuple[str, ...]
    y: np.ndarray
    prior: float
    decision: dict[frozenset[str], np.ndarray]
    probability: dict[frozenset[str], np.ndarray]
    same: dict[frozenset[str], np.ndarray]
    side: dict[frozenset[str], np.ndarray]
    following: dict[frozenset[str], np.ndarray]
    decides: dict[tuple[frozenset[str], str], np.ndarray]
    single: dict[frozenset[str], np.ndarray]


def main() -> None:
    """Ask, walk, judge and write."""
    settings = yaml.safe_load((HERE / "next_test.yaml").read_text(encoding="utf-8"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", nargs="*", choices=[*settings["recipes"], []], help="all by default")
    wanted = parser.parse_args().recipe or list(settings["recipes"])
    found: dict[str, list[pd.DataFrame]] = {"policies": [], "curve": [], "calibration": []}
    for recipe in wanted:
        answers = dict(_every(recipe, settings))
        walks = {cohort: walked(a, settings) for cohort, a in answers.items()}
        policies, curve = judged(answers, walks, settings)
        found["policies"].append(policies.assign(recipe=recipe))
        found["curve"].append(curve.assign(recipe=recipe))
        found["calibration"].append(told_and_seen(answers, settings).assign(recipe=recipe))
    OUT.mkdir(exist_ok=True)
    for name, parts in found.items():
        table = pd.concat([*_others(name, wanted), *parts], ignore_index=True)
        table.round(4).to_csv(OUT / f"{name}.csv", index=False)
        print(f"{name}\n{table.round(3).to_string(index=False)}\n")
    from next_test_page import draw

    draw(pd.read_csv(OUT / "curve.csv"), settings["level"]).savefig(OUT / "curve.png", dpi=150)


def _every(recipe: str, settings: dict[str, Any]) -> Iterator[tuple[str, Answers]]:
    how = settings["recipes"][recipe]
    if "folds" not in how:
        yield from asked(recipe, how)
        return
    tests = {t: tuple(blocks) for t, blocks in how["tests"].items()}
    yield recipe, together([answers_of(model, part, tests) for model, part in folds(how, settings["seed"])])


def together(parts: list[Answers]) -> Answers:
    """Put the folds of one cohort together; the average patient is that of all folds."""
    first = parts[0]
    stacked = {
        name: {key: np.concatenate([getattr(p, name)[key] for p in parts]) for key in getattr(first, name)}
        for name in ("decision", "probability", "same", "side", "following", "decides", "single")
    }
    y = np.concatenate([p.y for p in parts])
    return Answers(first.tests, y, float(np.mean([p.prior for p in parts])), **stacked)


def _others(name: str, wanted: list[str]) -> Iterator[pd.DataFrame]:
    """Keep what another run found for recipes that were not asked for now."""
    file = OUT / f"{name}.csv"
    if file.exists():
        kept = pd.read_csv(file)
        kept = kept[~kept["recipe"].isin(wanted)]
        if len(kept):
            yield kept


def asked(recipe: str, cohorts: dict[str, dict[str, list[str]]]) -> Iterator[tuple[str, Answers]]:
    """Train without the study of each cohort, and ask about its complete patients."""
    experiment = Experiment.from_yaml(HERE / f"{recipe}.yaml")
    tables = {name: experiment.admitted(load_cohort(name)) for name in experiment.cohorts}
    models: dict[frozenset[str], ResponseModel] = {}
    for cohort, tests in cohorts.items():
        rest = frozenset(n for n in experiment.cohorts if n not in family(cohort))
        if rest not in models:
            models[rest] = ResponseModel(experiment.indication, experiment.learner, options=experiment.options).fit(
                Cohort.concat([tables[n] for n in experiment.cohorts if n in rest])
            )
        patients = tables[cohort] if cohort in tables else experiment.admitted(load_cohort(cohort))
        yield cohort, answers_of(models[rest], patients, {t: tuple(b) for t, b in tests.items()})
        print(f"{recipe}: asked about {cohort}", flush=True)


def answers_of(model: ResponseModel, cohort: Cohort, tests: dict[str, tuple[str, ...]]) -> Answers:
    """Hide and show every set of tests of the labelled patients who have all."""
    y = cohort.response.to_numpy()
    matrix = model.matrix(cohort)
    needed = [b for blocks in tests.values() for b in blocks]
    complete = model.fusion_.present(matrix)[needed].all(axis=1).to_numpy() & ~np.isnan(y)
    matrix, listed = matrix.subset(complete), DiagnosticTests(tests={t: {"gives": b} for t, b in tests.items()})
    found: dict[str, dict[Any, np.ndarray]] = {
        k: {} for k in ("decision", "probability", "same", "side", "following", "decides", "single")
    }
    for done in map(frozenset, chain.from_iterable(combinations(tests, k) for k in range(len(tests) + 1))):
        hidden = without(matrix, [b for t, blocks in tests.items() if t not in done for b in blocks])
        said = model.respond(hidden).table
        found["decision"][done] = said["decision"].astype(str).to_numpy()
        found["probability"][done] = said["probability"].to_numpy()
        found["single"][done] = (said["set"].astype(str) != "both").to_numpy()
        if len(done) == len(tests):
            continue
        rows = next_tests(model, hidden, listed)
        first = rows.sort_values(["step", "rank"], kind="stable").drop_duplicates("patient_id").set_index("patient_id")
        first = first.loc[hidden.values.index]
        found["same"][done] = first["same_decision"].to_numpy()
        found["side"][done] = first["same_side"].to_numpy()
        found["following"][done] = first["test"].to_numpy()
        for test, part in rows.groupby("test"):
            found["decides"][done, str(test)] = part.set_index("patient_id")["decides"][hidden.values.index].to_numpy()
    return Answers(tuple(tests), y[complete].astype(int), model.fusion_.prior, **found)


def without(matrix: FeatureMatrix, blocks: list[str]) -> FeatureMatrix:
    """Forget blocks."""
    gone = [c for c in matrix.values if c.split("__", 1)[0] in blocks]
    coverage = matrix.coverage.assign(**{b: 0.0 for b in blocks if b in matrix.coverage})
    return replace(matrix, values=matrix.values.assign(**dict.fromkeys(gone, np.nan)), coverage=coverage)


if __name__ == "__main__":
    main()
