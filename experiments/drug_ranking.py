"""Which drug for this cell line? Every drug was measured on the same line, so a choice can be held against the others.

Writes experiments/drugs/*.csv and drug_ranking.png; drug_ranking.yaml declares all of it (data under ../shared/data, or
THERACAST_DATA). Only measured pairs of line and drug count, in training and in judging: the choice is among the drugs
that were measured on the line.
Run: python experiments/drug_ranking.py
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from joblib import Parallel, delayed
from multiomics import RelativeExpressionBlock, tables
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import GroupKFold

from theracast.features.assembler import FeatureAssembler
from theracast.features.blocks.alterations import AlterationsBlock
from theracast.features.cohort import Cohort
from theracast.models.blockwise import BlockAverage
from theracast.models.choice_metrics import choice_metrics
from theracast.models.drug_ranking import DrugRanker, scaled_ridge
from theracast.provenance import digest_json

HERE = Path(__file__).parent
OUT = HERE / "drugs"
DATA = Path(os.environ.get("THERACAST_DATA", HERE.parents[1] / "shared" / "data"))
MEANS, RANDOM, POPULAR = "mean of each drug", "random drug", "most often among the best"
TISSUE, MARKER = "mean of each drug in the tissue", "best single marker of each drug"


@dataclass(frozen=True)
class Screen:
    """Cell lines with their tables, responses (lines x drugs, AUC, lower = more sensitive) and what they belong to."""

    cohort: Cohort
    response: pd.DataFrame
    tissue: pd.Series
    groups: pd.DataFrame
    alterations: pd.DataFrame


def main() -> None:
    """Leave lines out, then tissues; judge every way of choosing; write tables and picture."""
    from drug_ranking_page import draw

    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    settings = read_settings()
    screen = load_screen(settings)
    jobs = [(split, *fold) for split in settings["splits"] for fold in folds_of(screen, settings, split)]
    done = Parallel(n_jobs=min(2, os.cpu_count() or 1))(
        delayed(one_fold)(screen, settings, split, number, train, test) for split, number, train, test in jobs
    )
    lines, cover, drugs = (pd.concat([part[i] for part in done], ignore_index=True) for i in range(3))
    judged = lines[lines["measured"] >= settings["least_measured"]]
    OUT.mkdir(exist_ok=True)
    write(summary(judged, settings), "scores", settings)
    write(differences(judged, settings), "differences", settings)
    write(fold_means(judged), "folds", settings)
    write(curve(judged, settings), "curve", settings)
    write(coverage(cover, settings), "coverage", settings)
    write(by_drug(drugs), "by_drug", settings)
    draw(HERE).savefig(OUT / "drug_ranking.png", dpi=150, metadata={"Software": None})
    for name in ("scores", "differences", "coverage"):
        print(pd.read_csv(OUT / f"{name}.csv", comment="#", dtype=str).to_string(index=False), "\n")


def read_settings() -> dict[str, Any]:
    """Read what is declared."""
    settings: dict[str, Any] = yaml.safe_load((HERE / "drug_ranking.yaml").read_text(encoding="utf-8"))
    return settings


def digest(settings: dict[str, Any]) -> str:
    """Digest all that decides a number: the claim does not, nor how it is run."""
    return digest_json({k: v for k, v in settings.items() if k not in ("claim", "run")})


def write(table: pd.DataFrame, name: str, settings: dict[str, Any]) -> None:
    """Write a table below the digest of what it was made from."""
    head = f"# python experiments/drug_ranking.py; settings {digest(settings)}\n"
    (OUT / f"{name}.csv").write_text(head + table.to_csv(index=False, lineterminator="\n"), encoding="utf-8")


# ---------------------------------------------------------------- data and folds


def load_screen(settings: dict[str, Any]) -> Screen:
    """Read the tables; lines that are one under two names, and tissues of one organ, belong together."""
    given = tables(settings, "cell_line")
    response = pd.read_parquet(DATA / settings["data"] / f"{settings['response']}.parquet").set_index("cell_line")
    response = response.astype(np.float64).rename_axis(index=None, columns=None)
    given = {name: table.loc[response.index] for name, table in given.items()}
    cohort = Cohort.from_tables(given, name="gdsc2", units=settings["units"])
    tissue = pd.read_csv(OUT / "cell_lines.csv", comment="#", index_col="cell_line")["tissue"].reindex(response.index)
    organ_of = {t: organ for organ, members in settings["together"].items() for t in members}
    alike = np.corrcoef(given["relative_expression"].to_numpy(dtype=np.float64)) > settings["same_line_above"]
    groups = pd.DataFrame({"copies": connected_components(alike)[1], "organ": tissue.replace(organ_of)}, response.index)
    copies = list(given["copy_number"].columns)
    alterations = AlterationsBlock(
        genes=list(given["mutation_matrix"].columns), amplified=copies, deleted=copies, deep=1
    )
    # this block learns nothing: it measures each line alone, so that once is enough for all folds
    measured = FeatureAssembler([alterations]).fit(cohort).matrix(cohort).values
    return Screen(cohort, response, tissue, groups, measured)


def folds_of(screen: Screen, settings: dict[str, Any], split: str) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Split the lines; groups stay together, and a line without a group is left out of the split."""
    rule = settings["splits"][split]
    rows = np.flatnonzero(screen.groups[rule["by"]].notna())
    groups = screen.groups[rule["by"]].iloc[rows]
    cut = GroupKFold(rule["folds"], shuffle=True, random_state=settings["seed"])
    for number, (train, test) in enumerate(cut.split(rows, groups=groups)):
        yield number, rows[train], rows[test]


# ---------------------------------------------------------------- one fold


def one_fold(
    screen: Screen, settings: dict[str, Any], split: str, number: int, train: np.ndarray, test: np.ndarray
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Learn on some lines, and judge every way of choosing on the others.

    Returns one row per way, view and line; coverage per drug; predicted and measured of the headline ranker.
    """
    names = screen.response.index
    assembler = FeatureAssembler([RelativeExpressionBlock()]).fit(screen.cohort.subset(names[train]))
    X, new = (
        assembler.matrix(screen.cohort.subset(names[rows])).values.join(screen.alterations.iloc[rows])
        for rows in (train, test)
    )
    Y, truth = screen.response.iloc[train], screen.response.iloc[test]
    groups = screen.groups[settings["splits"][split]["by"]].iloc[train]
    said, headline = {}, None
    for name, blocks in settings["rankers"].items():
        mine = [c for c in X if c.split("__", 1)[0] in blocks]
        ridge = scaled_ridge(settings["alphas"])
        ranker = DrugRanker(
            ridge if len(blocks) == 1 else BlockAverage(ridge),
            floor=settings["floor"],
            level=settings["level"],
            folds=settings["inner_folds"],
            seed=settings["seed"],
        ).fit(X[mine], Y, groups.to_numpy())
        said[name] = ranker.predict_relative(new).to_numpy()
        headline = headline or ranker
    usual, scale = headline.evidence_["mean"].to_numpy(), headline.scale_
    z = (Y.to_numpy() - usual) / scale
    said[MEANS] = np.zeros(truth.shape)
    if set(screen.tissue.iloc[train]) & set(screen.tissue.iloc[test].dropna()):
        said[TISSUE] = tissue_means(z, screen.tissue.iloc[train], screen.tissue.iloc[test], settings["shrink"])
    said[MARKER] = single_markers(X, z, new, settings["carriers"])
    parts = []
    for view, rule in settings["views"].items():
        open_to = usual >= rule.get("least_mean", -np.inf)
        relative = bool(rule.get("relative"))
        measured = (truth.to_numpy() - usual) / scale if relative else truth.to_numpy()
        gain = np.maximum(-measured, 0.0) if relative else 1 - measured
        measured = np.where(open_to, measured, np.nan)
        scores = {name: v if relative else usual + scale * v for name, v in said.items()}
        trained = np.where(open_to, z if relative else Y.to_numpy(), np.nan)
        scores[POPULAR] = np.tile(-popularity(trained, settings["popular"]), (len(test), 1))
        if relative:
            scores.pop(MEANS)  # the same for all drugs by definition: a random choice
        many = sorted({*settings["k"], *settings["curve"]})
        for name, score in scores.items():
            parts.append(choice_metrics(measured, score, gain, many, seed=settings["seed"]).assign(model=name))
            parts[-1] = parts[-1].assign(view=view, line=names[test])
        rng = np.random.default_rng(settings["seed"])
        drawn = [
            choice_metrics(measured, rng.random(measured.shape), gain, many) for _ in range(settings["random_draws"])
        ]
        parts.append((sum(drawn[1:], drawn[0]) / len(drawn)).assign(model=RANDOM, view=view, line=names[test]))
    lines = pd.concat(parts, ignore_index=True).assign(split=split, fold=number)
    lines["cluster"] = lines["line"].map(screen.groups[settings["splits"][split]["by"]])
    return (
        lines,
        covered(headline, new, truth).assign(split=split),
        predicted(headline, new, truth).assign(split=split, fold=number),
    )


def tissue_means(z: np.ndarray, tissue: pd.Series, wanted: pd.Series, shrink: float) -> np.ndarray:
    """Mean of each drug over the training lines of the same tissue, drawn to the drug's mean, on the relative scale."""
    out = np.zeros((len(wanted), z.shape[1]))
    for name in wanted.dropna().unique():
        mine = z[(tissue == name).to_numpy()]
        out[(wanted == name).to_numpy()] = np.nansum(mine, axis=0) / ((~np.isnan(mine)).sum(axis=0) + shrink)
    return out


def single_markers(X: pd.DataFrame, z: np.ndarray, new: pd.DataFrame, carriers: int) -> np.ndarray:
    """Predict each drug by a line through the one feature that correlates best with it in the training lines."""
    a, known = X.dropna(axis=1, how="all"), ~np.isnan(z)
    a, new = a.to_numpy(dtype=np.float64), new[a.columns]
    middle = np.nanmedian(a, axis=0)
    a, b = (np.where(np.isnan(t), middle, t) for t in (a, new.to_numpy(dtype=np.float64)))
    most = np.array([np.unique(c, return_counts=True)[1].max() for c in a.T])
    keep = most <= len(a) - carriers
    a, b, y, w = a[:, keep], b[:, keep], np.where(known, z, 0.0), known.astype(np.float64)
    n = w.sum(axis=0)
    mean_a, mean_y = a.T @ w / n, y.sum(axis=0) / n
    product = a.T @ y / n - mean_a * mean_y
    variance = np.maximum((a**2).T @ w / n - mean_a**2, 1e-12)
    best, drugs = (product**2 / variance).argmax(axis=0), np.arange(z.shape[1])
    slope = (product / variance)[best, drugs]
    return mean_y + (b[:, best] - mean_a[best, drugs]) * slope


def popularity(trained: np.ndarray, first: int) -> np.ndarray:
    """Share of the training lines tested with a drug in which it is among the first."""
    known = ~np.isnan(trained)
    place = np.argsort(np.argsort(np.where(known, trained, np.inf), axis=1, kind="stable"), axis=1)
    return ((place < first) & known).sum(axis=0) / np.maximum(known.sum(axis=0), 1)


def covered(ranker: DrugRanker, new: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Say per drug how many measured responses lie within the interval, and how wide it is."""
    answer = ranker.rank(new)
    y = truth.to_numpy().ravel()
    inside = ((y >= answer["lower"]) & (y <= answer["upper"])).where(~np.isnan(y))
    held = pd.DataFrame({"drug": answer["drug"], "inside": inside.astype(float), "width": answer.upper - answer.lower})
    return (
        held[~np.isnan(y)]
        .groupby("drug", as_index=False)
        .agg(n=("inside", "size"), inside=("inside", "sum"), width=("width", "sum"))
    )


def predicted(ranker: DrugRanker, new: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Put predicted and measured relative response side by side, measured pairs only."""
    usual = ranker.evidence_["mean"].to_numpy()
    told, true = ranker.predict_relative(new).to_numpy(), (truth.to_numpy() - usual) / ranker.scale_
    return pd.DataFrame({"drug": np.tile(ranker.drugs_, len(new)), "true": true.ravel(), "told": told.ravel()}).dropna()


# ---------------------------------------------------------------- tables


def weights(judged: pd.DataFrame, settings: dict[str, Any]) -> tuple[pd.Index, np.ndarray]:
    """Weights of the lines in each bootstrap draw of whole clusters; the first draw is the data."""
    of_line = judged.drop_duplicates("line").set_index("line")["cluster"]
    codes, clusters = pd.factorize(of_line)
    rng = np.random.default_rng(settings["seed"])
    counts = rng.multinomial(len(clusters), np.full(len(clusters), 1 / len(clusters)), settings["draws"])
    return of_line.index, np.vstack([np.ones(len(codes)), counts[:, codes]])


def interval(values: pd.Series, weight: np.ndarray) -> str:
    """Write the mean over lines with the 95% range of the draws."""
    known = values.notna().to_numpy()
    if not known.any():
        return ""
    w = weight[:, known]
    means = w @ values.to_numpy()[known] / w.sum(axis=1)
    low, high = np.quantile(means[1:], [0.025, 0.975])
    text = [f"{round(v, 3) + 0.0:.3f}" for v in (means[0], low, high)]
    return f"{text[0]} ({text[1]} to {text[2]})"


def summary(judged: pd.DataFrame, settings: dict[str, Any]) -> pd.DataFrame:
    """Mean over lines of each measure, per split, view and way of choosing."""
    rows = []
    for (split, view), part in judged.groupby(["split", "view"], sort=False):
        index, weight = weights(part, settings)
        for model, mine in part.groupby("model", sort=False):
            values = mine.set_index("line").reindex(index)
            found = {m: interval(values[m], weight) for m in settings["measures"]}
            rows.append({"split": split, "view": view, "model": model, "lines": len(index), **found})
    return pd.DataFrame(rows)


def differences(judged: pd.DataFrame, settings: dict[str, Any]) -> pd.DataFrame:
    """Mean over lines of the headline ranker less each other way, on the same lines and the same draws."""
    first, rows = next(iter(settings["rankers"])), []
    for (split, view), part in judged.groupby(["split", "view"], sort=False):
        index, weight = weights(part, settings)
        ours = part[part["model"] == first].set_index("line").reindex(index)
        for model, mine in part[part["model"] != first].groupby("model", sort=False):
            values = ours[settings["measures"]] - mine.set_index("line").reindex(index)[settings["measures"]]
            found = {m: interval(values[m], weight) for m in settings["measures"]}
            rows.append({"split": split, "view": view, "ranker less": model, "lines": len(index), **found})
    return pd.DataFrame(rows)


def fold_means(judged: pd.DataFrame) -> pd.DataFrame:
    """Mean over the lines of each fold, in full digits, to be reproduced."""
    measures = ["hit@5", "regret@1", "chosen@1", "spearman"]
    means = judged.groupby(["split", "fold", "view", "model"], sort=False)[measures].mean().round(6)
    counts = judged.groupby(["split", "fold", "view", "model"], sort=False).size().rename("lines")
    return means.join(counts).reset_index()


def curve(judged: pd.DataFrame, settings: dict[str, Any]) -> pd.DataFrame:
    """Share of lines whose best drug is among the k first."""
    measures = [f"hit@{k}" for k in settings["curve"]]
    return judged.groupby(["split", "view", "model"], sort=False)[measures].mean().round(4).reset_index()


def coverage(held: pd.DataFrame, settings: dict[str, Any]) -> pd.DataFrame:
    """Share of measured responses within the headline ranker's interval, over all pairs and by drug."""
    sums = held.groupby(["split", "drug"], sort=False)[["n", "inside", "width"]].sum().reset_index()
    rows = []
    for split, part in sums.groupby("split", sort=False):
        share = part["inside"] / part["n"]
        rows.append(
            {
                "split": split,
                "asked": settings["level"],
                "covered, all pairs": round(part["inside"].sum() / part["n"].sum(), 3),
                "covered, by drug (5%-95% of drugs)": f"{share.quantile(0.05):.3f}-{share.quantile(0.95):.3f}",
                "mean width, AUC": round(part["width"].sum() / part["n"].sum(), 3),
                "pairs": int(part["n"].sum()),
            }
        )
    return pd.DataFrame(rows)


def by_drug(pairs: pd.DataFrame) -> pd.DataFrame:
    """Correlation of predicted and measured relative response for each drug, over lines never seen.

    Within each fold, then the mean weighted by lines: pooled over folds, a sensitive tissue that was left out lowers
    the correlation because the model that has not seen it expects less.
    """
    found = pairs.groupby(["split", "drug", "fold"], sort=False)[["true", "told"]]
    each = found.size().rename("lines").to_frame()
    each["r"] = found.apply(lambda p: p["true"].corr(p["told"]) if p["told"].std() > 0 else 0.0) * each["lines"]
    total = each.groupby(["split", "drug"], sort=False).sum()
    return total.assign(r=(total["r"] / total["lines"]).round(3)).reset_index()


if __name__ == "__main__":
    main()
