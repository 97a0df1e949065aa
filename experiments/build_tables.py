"""Write the immune gene sets with the constant of each published mean: ``features/tables/immune_sets.csv``.

Run from the repository root::

    .venv/bin/python experiments/build_tables.py --source ../shared/data/ici

A published gene-set mean is scale * mean(log2(TPM+1)) over the genes of the set that the source measured, with one
unpublished constant per set (not per gene: the genes of a set have one and the same coefficient). Both the constant
and the genes left out are recovered from patients for whom set means and genes are known. Responses are never read.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from build_datasets import SPELLING

ROOT = Path(__file__).resolve().parents[1]
COMMAND = "python experiments/build_tables.py --source ../shared/data/ici"

SCALED = "ravi2023_nsclc"  # its matrix is the one the set means were made from: the scales are fitted on it
CHECKED = "vanallen2015_mel"
SHOWN = (SCALED, CHECKED, "hugo2016_mel", "riaz2017_mel", "liu2019_mel", "imvigor210_uc")
UNKNOWN = {"FAM30A"}  # the source did not find it under its old name
EXACT = 0.001  # residual of a set that is explained to the precision of the published table


def read_sets(source: Path) -> pd.DataFrame:
    """Read the published gene sets; genes named twice stay twice, as they were averaged."""
    table = pd.read_csv(source / "published" / "compass_genesets.csv")
    reference = (
        table["Reference"]
        .str.replace(r"(PMID|PMC):\s*", r"\1 ", regex=True)
        .str.replace(r"\s*[;,]\s*", "; ", regex=True)
    )
    return pd.DataFrame(
        {
            "name": table["GeneSet"],
            "genes": table["Genes"],
            "pathway": table["BroadCelltypePathway"],
            "about": table["Description"].str.replace("#", "no.").str.strip(),
            "reference": reference.str.strip(),
        }
    )


def read_both(source: Path, name: str, genes: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read expression (patients x genes, NaN where not measured) and set means of the patients that have both."""
    matrix = pd.read_parquet(source / name / "expression.parquet")
    have = set(matrix.index)
    matrix = matrix.rename(
        index={o: n for o, n in SPELLING.items() if o in have and n not in have and n not in UNKNOWN}
    )
    published = pd.read_parquet(source / name / "signatures.parquet")
    ids = [i for i in published.index if i in matrix.columns]
    return matrix[ids].T.reindex(columns=genes).astype(np.float64), published.loc[ids].astype(np.float64)


def scale_of(values: pd.DataFrame, target: pd.Series) -> tuple[float, float]:
    """Fit target = scale * mean of values; return the scale and the standard deviation of what is left."""
    x, y = values.mean(axis=1).to_numpy(), target.to_numpy()
    scale = float((x @ y) / (x @ x))
    return scale, float((y - scale * x).std())


def scale_sets(sets: pd.DataFrame, lists: dict[str, list[str]], both: dict[str, tuple]) -> pd.DataFrame:
    """Add the constant of each set and the genes its published mean does not hold.

    Genes named twice count once. Starting from the genes measured in the first cohort, a gene is left out when that
    explains the published mean at least twice as well. A gene that the source filled with 0 in the first cohort is
    taken back when that explains the second cohort at least twice as well.
    """
    (expression, published), (other, other_published) = both[SCALED], both[CHECKED]
    rows = []
    for name, genes in lists.items():
        used = [g for g in genes if expression[g].notna().all()]
        scale, error = scale_of(expression[used], published[name])
        while error > EXACT and len(used) > 1:
            trials = [(scale_of(expression[[g for g in used if g != out]], published[name]), out) for out in used]
            (new_scale, new_error), out = min(trials, key=lambda t: t[0][1])
            if new_error > error / 2:
                break
            used, scale, error = [g for g in used if g != out], new_scale, new_error
        for gene in [g for g in genes if expression[g].isna().all() and other[g].notna().all()]:
            without = (other[used].mean(axis=1) * scale - other_published[name]).abs().median()
            wider = scale * (len(used) + 1) / len(used)
            if (other[[*used, gene]].mean(axis=1) * wider - other_published[name]).abs().median() < without / 2:
                used, scale = [*used, gene], wider
        rows.append((name, scale, error, ":".join(g for g in genes if g not in used)))
    fitted = pd.DataFrame(rows, columns=["name", "scale", "scale_error", "unused"])
    return sets.merge(fitted.round({"scale": 5, "scale_error": 5}), on="name", validate="1:1")


def build(source: Path, out: Path) -> list[str]:
    """Write the table and return its header."""
    sets = read_sets(source)
    lists = {s: list(dict.fromkeys(g.split(":"))) for s, g in zip(sets["name"], sets["genes"], strict=True)}
    genes = sorted({g for members in lists.values() for g in members})
    both = {name: read_both(source, name, genes) for name in SHOWN}
    sets = scale_sets(sets, lists, both)
    origin = "mims-harvard/COMPASS commit 15feee94 (Shen et al. 2025, medRxiv 10.1101/2025.05.01.25326820)"
    header = [
        f"Gene sets of {origin}, compass/tokenizer/conception.tsv",
        "Licence: MIT, Copyright (c) 2023 Artificial Intelligence for Medicine and Science @ Harvard (see NOTICE)",
        "The papers of the sets stand in column reference; symbols are spelled as published (XRC1 and TN-C too).",
        "published set mean = scale * mean of log2(TPM+1) over the genes but those of column unused, each gene once.",
        f"scale, scale_error (sd of what is left) and unused are derived by theracast from {SCALED}, "
        f"{len(both[SCALED][0])} patients with both tables ({CHECKED} for genes filled with 0 there); "
        "no response was read.",
        "Reproduced minus published, sets whose used genes are measured:",
    ]
    used = {
        s: [g for g in lists[s] if g not in u.split(":")] for s, u in zip(sets["name"], sets["unused"], strict=True)
    }
    scale = sets.set_index("name")["scale"]
    for name, (expression, published) in both.items():
        means = pd.DataFrame({s: expression[members].mean(axis=1, skipna=False) for s, members in used.items()}).dropna(
            axis=1
        )
        error = (means * scale[means.columns] - published[means.columns]).to_numpy()
        header.append(
            f"  {name}: {error.shape[0]} patients x {error.shape[1]} sets, residual sd {error.std():.4f}, "
            f"mean {error.mean():.4f}, median absolute {np.median(np.abs(error)):.4f}"
        )
    header.append(f"Command: {COMMAND}")
    text = "".join(f"# {line}\n" for line in header) + sets.to_csv(index=False, lineterminator="\n")
    (out / "immune_sets.csv").write_text(text, encoding="utf-8")
    return header


def main() -> None:
    """Read the arguments and build."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog=f"Default: {COMMAND}")
    parser.add_argument(
        "--source",
        type=Path,
        default=ROOT.parent / "shared" / "data" / "ici",
        help="the tidied public cohorts",
    )
    parser.add_argument("--out", type=Path, default=ROOT / "features" / "tables", help="where to write")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    print("\n".join(build(arguments.source, arguments.out)))


if __name__ == "__main__":
    main()
