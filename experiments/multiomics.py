"""Several omics layers of one data set through the blocks: a block missing at test time, and response of cell lines.

Each YAML names the data (under ../shared/data, or THERACAST_DATA), the tables and the blocks. Writes the table of each
experiment to experiments/multiomics/<name>.csv; `make readme` puts them on the page.
Run: python experiments/multiomics.py [brca_subtype] [gdsc2_response]
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from sklearn.dummy import DummyClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, log_loss, roc_auc_score
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from theracast.features.assembler import FeatureAssembler
from theracast.features.blocks.alterations import AlterationsBlock
from theracast.features.blocks.expression import ExpressionBlock
from theracast.features.cohort import Cohort
from theracast.features.panels import PanelBlock
from theracast.features.spec import BlockSpec, Column, Feature
from theracast.models.blockwise import BlockAverage
from theracast.models.masked_ridge import MaskedRidge

HERE = Path(__file__).parent
DATA = Path(os.environ.get("THERACAST_DATA", HERE.parents[1] / "shared" / "data"))
NAMES = ("brca_subtype", "gdsc2_response")


def main() -> None:
    """Run the experiments named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="*", choices=[*NAMES, []], help="experiments; all by default")
    if not DATA.exists():
        sys.exit(f"no data in {DATA}: set THERACAST_DATA to the folder of public cohorts")
    for name in parser.parse_args().name or NAMES:
        settings = yaml.safe_load((HERE / f"{name}.yaml").read_text())
        table = {"subtype": subtype, "drug_response": drug_response}[settings["kind"]](settings)
        (HERE / "multiomics").mkdir(exist_ok=True)
        table.to_csv(HERE / "multiomics" / f"{name}.csv", index=False)
        print(f"{name}\n{table.to_string(index=False)}\n")


def tables(settings: dict[str, Any], key: str) -> dict[str, pd.DataFrame]:
    """Read the tables of a data set, indexed by patient."""
    folder = DATA / settings["data"]
    found = {ours: pd.read_parquet(folder / f"{file}.parquet") for ours, file in settings["tables"].items()}
    return {name: table.set_index(key).rename_axis("patient_id") for name, table in found.items()}


# ---------------------------------------------------------------- subtype, a block missing at test time


def subtype(settings: dict[str, Any]) -> pd.DataFrame:
    """Train on patients with all blocks; test on patients without one."""
    clinical = pd.read_csv(DATA / settings["data"] / "clinical.csv", dtype=str).set_index("patient_id")
    given = tables(settings, "patient_id")
    parts = {}
    for split in ("train", "test"):
        ids = clinical.index[clinical["split"] == split]
        mine = {name: table.loc[table.index.intersection(ids)] for name, table in given.items()}
        mine = {name: table for name, table in mine.items() if len(table)}
        parts[split] = Cohort.from_tables(
            {"clinical": clinical.loc[ids, []], **mine}, name=split, units=settings["units"]
        )
    blocks = [ExpressionBlock(normalise="rank") if b == "expression" else b for b in settings["blocks"]]
    assembler = FeatureAssembler(blocks).fit(parts["train"])
    X, new = (assembler.matrix(parts[s]).values for s in ("train", "test"))
    y, truth = (clinical.loc[m.index, settings["label"]] for m in (X, new))

    def logistic(fill: Any) -> Any:
        return make_pipeline(fill, StandardScaler(), LogisticRegression(C=settings["C"], max_iter=2000))

    median = SimpleImputer(strategy="median", keep_empty_features=True)
    zero = SimpleImputer(strategy="constant", fill_value=0.0)
    models = {
        "prevalence of the classes": DummyClassifier(strategy="prior"),
        **{f"{b} alone": BlockAverage(logistic(median)) for b in settings["blocks"]},
        "average over the observed blocks": BlockAverage(logistic(median)),
        "all columns, missing block as zeros": logistic(zero),
        "all columns, missing block as medians": logistic(median),
    }
    rows = []
    for name, model in models.items():
        columns = [c for c in X if c.startswith(name.removesuffix(" alone") + "__")] or list(X)
        if new[columns].isna().all(axis=None):
            rows.append({"model": name, "AUC": "no such block in the test patients"})
            continue
        model.fit(X[columns], y)
        chances = pd.DataFrame(
            np.asarray(model.predict_proba(new[columns]), dtype=np.float64), new.index, model.classes_
        )
        chances = chances.div(chances.sum(axis=1), axis=0)  # float32 columns sum to 1 up to 1e-7 only
        rows.append({"model": name, **class_scores(chances, truth, settings)})
    return pd.DataFrame(rows).fillna("")


def class_scores(chances: pd.DataFrame, truth: pd.Series, settings: dict[str, Any]) -> dict[str, str]:
    """AUC (one against the rest, mean over classes), log loss and balanced accuracy, with bootstrap intervals."""
    rng = np.random.default_rng(settings["seed"])
    draws = [np.arange(len(truth))]
    while len(draws) <= settings["draws"]:
        drawn = rng.integers(0, len(truth), len(truth))
        if truth.iloc[drawn].nunique() == truth.nunique():
            draws.append(drawn)
    measures: dict[str, Callable[[pd.DataFrame, pd.Series], float]] = {
        "AUC": lambda p, t: roc_auc_score(t, p.to_numpy(), multi_class="ovr", labels=list(p.columns)),
        "log loss": lambda p, t: log_loss(t, p.to_numpy(), labels=list(p.columns)),
        "balanced accuracy": lambda p, t: balanced_accuracy_score(t, p.idxmax(axis=1)),
    }
    return {
        name: interval([call(chances.iloc[d], truth.iloc[d]) for d in draws], digits=3)
        for name, call in measures.items()
    } | {"n": str(len(truth))}


def interval(values: list[float], digits: int = 2) -> str:
    """Write the first of the values and the 95% range of the others."""
    low, high = np.quantile(values[1:], [0.025, 0.975])
    return f"{values[0]:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


# ---------------------------------------------------------------- drug response, cell lines left out


class RelativeExpressionBlock(PanelBlock):
    """Genes that were centred over all lines before they were published: good for cell lines, never for a patient."""

    spec = BlockSpec(
        "expression",
        "Genes, centred over the cell lines by the publishers.",
        ("relative_expression",),
        (Column("<gene>", "level of a gene, a column each", "log2 intensity, centred", example="0.3"),),
        (Feature("<gene>", "log2, centred", "level of a gene", "10.1016/j.cell.2016.06.017"),),
    )
    genes = True


def drug_response(settings: dict[str, Any]) -> pd.DataFrame:
    """Predict the response of unseen cell lines to every drug."""
    given = tables(settings, "cell_line")
    response = pd.read_parquet(DATA / settings["data"] / f"{settings['response']}.parquet").set_index("cell_line")
    lines = response.index.intersection(next(iter(given.values())).index)
    cohort = Cohort.from_tables(
        {name: t.loc[lines] for name, t in given.items()}, name="gdsc2", units=settings["units"]
    )
    y = response.loc[lines].to_numpy(dtype=np.float64)
    copies = list(given["copy_number"].columns)
    blocks = {
        "expression": RelativeExpressionBlock(),
        "alterations": AlterationsBlock(
            genes=list(given["mutation_matrix"].columns), amplified=copies, deleted=copies, deep=1
        ),
    }
    ways = {b: [b] for b in settings["blocks"]} | {" + ".join(settings["blocks"]): settings["blocks"]}
    said = {name: np.full(y.shape, np.nan) for name in ("mean of each drug", *ways)}
    folds = KFold(settings["folds"], shuffle=True, random_state=settings["seed"])
    for train, test in folds.split(lines):
        known, unseen = (cohort.subset(lines[rows]) for rows in (train, test))
        assembler = FeatureAssembler([blocks[b] for b in settings["blocks"]]).fit(known)
        X, new = (assembler.matrix(c).values for c in (known, unseen))
        fill = SimpleImputer(strategy="median")
        model = BlockAverage(make_pipeline(fill, StandardScaler(), MaskedRidge(settings["alphas"]))).fit(X, y[train])
        said["mean of each drug"][test] = np.nanmean(y[train], axis=0)
        for name, used in ways.items():  # a block that is left out has no say: one fit serves all
            said[name][test] = model.predict(new[[c for c in new if c.split("__", 1)[0] in used]])
    rng = np.random.default_rng(settings["seed"])
    draws = [np.arange(len(y)), *(rng.integers(0, len(y), len(y)) for _ in range(settings["draws"]))]
    baseline = said["mean of each drug"]
    return pd.DataFrame([{"model": name, **response_scores(y, p, baseline, draws)} for name, p in said.items()])


def response_scores(y: np.ndarray, said: np.ndarray, baseline: np.ndarray, draws: list[np.ndarray]) -> dict[str, str]:
    """Errors and correlations, over all pairs and within each drug; intervals by drawing cell lines."""
    error = [float(np.sqrt(np.nanmean((said[d] - y[d]) ** 2))) for d in draws]
    gain = [1 - e**2 / float(np.nanmean((baseline[d] - y[d]) ** 2)) for e, d in zip(error, draws, strict=True)]
    known = ~np.isnan(y)
    pairs = [float(np.corrcoef(said[d][known[d]], y[d][known[d]])[0, 1]) for d in draws[:201]]
    constant = np.allclose(np.nanstd(said, axis=0), 0, atol=0.02)
    within = "0 by definition" if constant else interval([within_drugs(y[d], said[d]) for d in draws[:201]])
    return {
        "RMSE": interval(error, digits=4),
        "error less than the drug means'": interval(gain, digits=3),
        "r over all pairs": interval(pairs, digits=3),
        "r within a drug, mean": within,
        "lines x drugs": f"{y.shape[0]} x {y.shape[1]}",
    }


def within_drugs(y: np.ndarray, said: np.ndarray) -> float:
    """Correlate predicted and measured response of the lines, drug by drug, and take the mean over drugs."""
    known = ~np.isnan(y)
    count = known.sum(axis=0)
    a, b = np.where(known, y, 0.0), np.where(known, said, 0.0)
    a, b = (np.where(known, v - v.sum(axis=0) / count, 0.0) for v in (a, b))
    return float(np.nanmean((a * b).sum(axis=0) / np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))))


if __name__ == "__main__":
    main()
