"""Picture and page of experiments/drug_ranking.py, from the tables that it wrote."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import yaml
from matplotlib.figure import Figure

from theracast.predict.tables import markdown

HERE = Path(__file__).parent
#: Of Okabe and Ito's palette, told apart by their marks too.
LOOKS = {
    "ranker, expression": ("#0072B2", "o", "-"),
    "ranker, expression + alterations": ("#56B4E9", "s", "-"),
    "mean of each drug in the tissue": ("#D55E00", "D", "--"),
    "best single marker of each drug": ("#009E73", "^", "--"),
    "most often among the best": ("#CC79A7", "v", ":"),
    "mean of each drug": ("#000000", "x", ":"),
    "random drug": ("#767676", "+", ":"),
}
#: Columns of the page, and what they are called there.
SCORES = {
    "hit@1": "best is 1st",
    "hit@5": "best among 5",
    "precision@5": "precision@5",
    "ndcg@5": "NDCG@5",
    "regret@1": "regret of the 1st",
    "regret@3": "regret of the best of 3",
    "spearman": "Spearman",
}


def read(folder: Path, name: str) -> pd.DataFrame:
    """Read one table as it was written."""
    return pd.read_csv(folder / "drugs" / f"{name}.csv", comment="#")


def draw(folder: Path = HERE) -> Figure:
    """Draw the share of lines whose best drug is among the k first, a panel per split and view."""
    table = read(folder, "curve")
    splits, views = table["split"].unique(), table["view"].unique()
    figure = Figure(figsize=(3.5 * len(views), 3.0 * len(splits) + 0.9), layout="constrained")
    axes = figure.subplots(len(splits), len(views), sharex=True, squeeze=False)
    labelled: dict[str, object] = {}
    for i, split in enumerate(splits):
        for j, view in enumerate(views):
            axis, part = axes[i, j], table[(table["split"] == split) & (table["view"] == view)].set_index("model")
            for model, (colour, mark, style) in LOOKS.items():
                if model in part.index:
                    values = part.loc[model].filter(like="hit@").astype(float)
                    ks = [int(name.split("@")[1]) for name in values.index]
                    (line,) = axis.plot(ks, values, style, marker=mark, color=colour, markersize=4.5, linewidth=1.5)
                    labelled.setdefault(model, line)
            axis.set_ylim(0, 1 if view.startswith("response") else 0.6)
            axis.spines[["top", "right"]].set_visible(False)
            axis.set_title(f"{view}\n{split}", fontsize=9.5)
            axis.set_xticks([1, 5, 10, 15, 20])
            if i == len(splits) - 1:
                axis.set_xlabel("drugs taken from the top")
            if j == 0:
                axis.set_ylabel("best drug among them,\nshare of cell lines")
    names = [m for m in LOOKS if m in labelled]
    figure.legend([labelled[m] for m in names], names, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def drugs_part(folder: Path = HERE) -> str:
    """Claim, picture and tables as experiments/drug_ranking.py last wrote them, in Markdown."""
    settings = yaml.safe_load((folder / "drug_ranking.yaml").read_text(encoding="utf-8"))
    scores, against = (read(folder, n).fillna("") for n in ("scores", "differences"))
    parts = [
        settings["claim"].strip(),
        "![Share of cell lines whose best drug is among the first of the ranking](drugs/drug_ranking.png)",
    ]
    for (split, view), part in scores.groupby(["split", "view"], sort=False):
        counted = part["lines"].iloc[0]
        parts.append(f"**{view[0].upper()}{view[1:]}, {split}** ({counted} lines):")
        parts.append(markdown(part[["model", *SCORES]].rename(columns=SCORES)))
    against = against[against["ranker less"] != "random drug"]
    parts.append("The ranker on expression less each other way, on the same lines:")
    columns = {"split": "split", "view": "view", "ranker less": "ranker less"}
    parts.append(markdown(against[[*columns, "hit@5", "ndcg@5", "regret@1", "spearman"]].rename(columns=SCORES)))
    parts.append("Intervals of the ranker on expression, for responses of lines never seen:")
    parts.append(markdown(read(folder, "coverage").astype(str)))
    parts.append(
        "Only measured pairs count: the choice is among the drugs that were measured on the line, and a line with "
        f"fewer than {settings['least_measured']} is not judged. Response: AUC, 0-1, lower = more sensitive; selective "
        "drugs: those with a mean AUC over the training lines of "
        f"{settings['views']['response, selective drugs']['least_mean']} or more; regret: AUC of the drug taken less "
        "that of the line's best drug (for relative sensitivity in spreads of a drug); NDCG: each drug is worth "
        "1 - AUC, or its relative sensitivity where that is better than usual. By relative sensitivity the means "
        "of the drugs are all 0: to choose by them is a random choice. 95% intervals: bootstrap over cell "
        "lines, or over whole tissues where tissues are left out. Cell lines, not patients. "
        "[drug_ranking.yaml](drug_ranking.yaml)"
    )
    return "\n\n".join(parts)
