"""Write the immune gene sets with their scale, and a scale per gene: ``features/tables/``.

Run from the repository root::

    .venv/bin/python experiments/build_tables.py --source ../shared/data/ici

A published gene-set mean is scale * mean(log2(TPM+1)) over the genes of the set that the source measured, with one
unpublished constant per set (not per gene: the genes of a set have one and the same coefficient). Both the constant
and the genes left out are recovered from patients for whom set means and genes are known. Responses are never read.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from build_datasets import SPELLING
from scipy.optimize import lsq_linear

ROOT = Path(__file__).resolve().parents[1]
COMMAND = "python experiments/build_tables.py --source ../shared/data/ici"

#: Cohorts with both tables; the first two come from the very pipeline of the set means: weight 5, squared.
COHORTS = {"ravi2023_nsclc": 25.0, "vanallen2015_mel": 25.0, "hugo2016_mel": 1.0, "riaz2017_mel": 1.0}
SHOWN = ("liu2019_mel", "imvigor210_uc")  # processed otherwise: shown, never fitted
SCALED = "ravi2023_nsclc"  # its matrix is the one the set means were made from
CHECKED = "vanallen2015_mel"
UNKNOWN = {"FAM30A"}  # the source did not find it under its old name
FLOOR = 0.5  # a gene that is hardly expressed is scaled as if its mean were this
RIDGE = 0.1  # (weighted residual / spread of weight * mean)^2 = (0.2 / 0.6)^2, pulls towards the inverse mean
BAND = (0.3, 3.0)  # a fitted weight lies within these times the inverse mean
RESOLVED = 0.1  # least share of a weight that must come from the data and not from the pull
EXACT = 0.001  # residual of a set that is explained to the precision of the published table


@dataclass(frozen=True)
class Pairs:
    """Patients of one cohort with both tables.

    Attributes
    ----------
    expression : array of shape (n_patients, n_genes)
        0 where the gene is not measured.
    members : array of shape (n_sets, n_genes)
        Share of each gene in each complete set.
    published : array of shape (n_patients, n_sets)
        Published means.
    means : Series
        Mean of each measured gene.
    """

    expression: np.ndarray
    members: np.ndarray
    published: np.ndarray
    means: pd.Series

    def residuals(self, weights: np.ndarray) -> np.ndarray:
        """Reproduced minus published set means, patients x sets."""
        return (self.expression * weights) @ self.members.T - self.published


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


def make_pairs(expression: pd.DataFrame, published: pd.DataFrame, used: dict[str, list[str]]) -> Pairs:
    """Arrange one cohort for the fit of the genes: the sets all of whose used genes are measured."""
    complete = [s for s, members in used.items() if expression[members].notna().all(axis=None)]
    members = np.zeros((len(complete), expression.shape[1]))
    for row, s in enumerate(complete):
        members[row, expression.columns.get_indexer(used[s])] = 1 / len(used[s])
    return Pairs(expression.fillna(0).to_numpy(), members, published[complete].to_numpy(), expression.mean())


def fit(pairs: dict[str, Pairs]) -> pd.DataFrame:
    """Estimate the weights: least squares in a box, pulled towards the inverse mean.

    Only an approximation: the published constant belongs to the set. Weights that the data do not determine are the
    inverse mean.
    """
    mean = pd.concat([p.means for p in pairs.values()], axis=1).mean(axis=1)
    n = len(mean)
    gram, moment = np.zeros((n, n)), np.zeros(n)
    for name, p in pairs.items():
        gram += COHORTS[name] * (p.expression.T @ p.expression) * (p.members.T @ p.members)
        moment += COHORTS[name] * ((p.expression.T @ p.published) * p.members.T).sum(axis=1)
    measured = mean.notna().to_numpy()
    level = mean.fillna(0).clip(lower=FLOOR).to_numpy()
    pull = RIDGE * level**2
    resolution = 1 - pull * np.diag(np.linalg.inv(gram + np.diag(pull)))

    def solve(inverse: np.ndarray, fixed: np.ndarray) -> np.ndarray:
        weights, free = inverse.copy(), ~fixed
        lower = np.linalg.cholesky(gram[np.ix_(free, free)] + np.diag(pull[free]))
        target = moment[free] + pull[free] * inverse[free] - gram[np.ix_(free, fixed)] @ inverse[fixed]
        solution = lsq_linear(
            lower.T * inverse[free], np.linalg.solve(lower, target), bounds=BAND, method="bvls", max_iter=5000
        )
        weights[free] = solution.x * inverse[free]
        return weights

    scale, fixed = 1.0, ~measured
    well = measured & (resolution > 0.8) & (mean.fillna(0).to_numpy() > FLOOR)
    for _ in range(5):
        scale = float(np.median((solve(scale / level, fixed) * level)[well]))
    inverse = scale / level
    fixed = fixed | (resolution < RESOLVED)
    weights = solve(inverse, fixed)
    at_bound = ~fixed & ~((weights > 1.001 * BAND[0] * inverse) & (weights < 0.999 * BAND[1] * inverse))
    how = np.select([~measured, fixed, at_bound], ["not measured", "inverse mean", "at bound"], "fitted")
    table = pd.DataFrame(
        {"gene": mean.index, "weight": weights, "how": how, "mean": mean.to_numpy(), "resolution": resolution}
    )
    table.loc[~measured, ["weight", "resolution"]] = np.nan
    table.attrs["scale"] = scale
    return table


def write(table: pd.DataFrame, file: Path, header: list[str]) -> None:
    """Write a CSV under its comment lines."""
    text = "".join(f"# {line}\n" for line in header) + table.to_csv(index=False, lineterminator="\n")
    file.write_text(text, encoding="utf-8")


def build(source: Path, out: Path) -> list[str]:
    """Write both tables and return their headers."""
    sets = read_sets(source)
    lists = {s: list(dict.fromkeys(g.split(":"))) for s, g in zip(sets["name"], sets["genes"], strict=True)}
    genes = sorted({g for members in lists.values() for g in members})
    both = {name: read_both(source, name, genes) for name in (*COHORTS, *SHOWN)}
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
    write(sets, out / "immune_sets.csv", header)

    pairs = {name: make_pairs(*both[name], used) for name in COHORTS}
    table = fit(pairs)
    weights = table["weight"].fillna(0).to_numpy()
    second = [
        "A weight per gene, so that mean over genes of weight * log2(TPM+1) comes near the published set mean.",
        "AN APPROXIMATION, and a gene's weight means nothing by itself: the published constant belongs to the set.",
        "Exact: columns scale and unused of immune_sets.csv.",
        f"Estimated by theracast from expression and set means of {origin} and bhklab/PredictioR d29803c8 (both MIT).",
        "No response was read. A gene 'not measured' is in no cohort and has no weight: leave it out of a mean.",
        f"how: {', '.join(f'{k} {v}' for k, v in table['how'].value_counts().items())}.",
        f"inverse mean = {table.attrs['scale']:.4f} / max(mean, {FLOOR}), where less than {RESOLVED} of the weight "
        f"comes from the data (column resolution); at bound = {BAND[0]} or {BAND[1]} times that.",
        "Reproduced minus published, sets whose used genes are measured (left out: fitted without that cohort):",
    ]
    for name, p in pairs.items():
        error = p.residuals(weights)
        without = fit({k: v for k, v in pairs.items() if k != name})["weight"].fillna(0).to_numpy()
        second.append(
            f"  {name}: {error.shape[0]} patients x {error.shape[1]} sets, residual sd {error.std():.4f}, "
            f"median absolute {np.median(np.abs(error)):.4f}; left out sd {p.residuals(without).std():.4f}; "
            f"sd of the published {p.published.std():.3f}"
        )
    second.append(f"Command: {COMMAND}")
    write(table.round({"weight": 5, "mean": 4, "resolution": 3}), out / "gene_reference.csv", second)
    return [*header, "", *second]


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
