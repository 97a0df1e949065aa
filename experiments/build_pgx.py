"""Write the pharmacogene tables of ``features/tables`` from the CPIC tables of ../shared.

Run from the repository root::

    .venv/bin/python experiments/build_pgx.py --source ../shared/data/pgx
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[1]
COMMAND = "python experiments/build_pgx.py --source ../shared/data/pgx"
SOURCE = (
    "CPIC, by way of PharmGKB/PharmCAT: commit 5431bf1187e5 (v3.1.1, 2025-11), and for CYP2D6, G6PD, RYR1 and every "
    "recommendation commit c115ed253a48 (CPIC 1.28, 2023-08)"
)
LICENCE = "CC0 1.0 (cpicpgx/cpic-data); attribution to CPIC is asked for and given here"

#: Ordered codes: more activity is higher. A word before them (likely, possible) says that CPIC is not sure.
CODES = {
    "Poor Metabolizer": 0, "Intermediate Metabolizer": 1, "Normal Metabolizer": 2, "Rapid Metabolizer": 3,
    "Ultrarapid Metabolizer": 4, "Poor Function": 0, "Decreased Function": 1, "Normal Function": 2,
    "Increased Function": 3, "Deficient with CNSHA": 0, "Deficient": 1, "Variable": 2, "Normal": 3,
    "Uncertain Susceptibility": 0, "Malignant Hyperthermia Susceptibility": 1,
    "ivacaftor non-responsive in CF patients": 0, "ivacaftor responsive in CF patients": 1,
    "normal risk of aminoglycoside-induced hearing loss": 0, "increased risk of aminoglycoside-induced hearing loss": 1,
    "-1639 GG": 0, "-1639 AG": 1, "-1639 AA": 2,
}  # fmt: skip
UNSURE = ("Likely ", "Possible ")
#: Nothing changes for these; for CYP3A5 the common genotype is the one without function.
USUAL = {
    "Normal Metabolizer", "Normal Function", "Normal", "Uncertain Susceptibility",
    "ivacaftor non-responsive in CF patients", "normal risk of aminoglycoside-induced hearing loss", "-1639 GG",
}  # fmt: skip
USUAL_OF = {"CYP3A5": {"Poor Metabolizer"}}


def write(table: pd.DataFrame, file: Path, about: str) -> None:
    """Write a small Parquet table that says where it is from."""
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    told = {"about": about, "source": SOURCE, "licence": LICENCE, "command": COMMAND}
    arrow = arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), **told})
    pq.write_table(arrow, file, compression="zstd", compression_level=19)


def advice(recommendations: pd.DataFrame) -> pd.DataFrame:
    """One row per gene and phenotype that a recommendation names, with the other genes it holds for."""
    rows = []
    for r in recommendations.itertuples():
        named = dict(p.split("=", 1) for p in r.phenotypes.split("; ") if "=" in p)
        for gene, phenotype in named.items():
            rest = "; ".join(f"{g}={p}" for g, p in sorted(named.items()) if g != gene)
            rows.append((gene, phenotype, r.drug, r.population, rest, r.recommendation, r.classification))
    columns = ["gene", "phenotype", "drug", "population", "rest", "recommendation", "classification"]
    return pd.DataFrame(rows, columns=columns)


def codes(phenotypes: pd.DataFrame, recommendations: pd.DataFrame) -> pd.DataFrame:
    """Give every phenotype its code, and say whether CPIC advises something else than for the usual one."""
    told = advice(recommendations)
    rows = []
    for gene, phenotype in phenotypes[["gene", "phenotype"]].drop_duplicates().itertuples(index=False):
        bare = phenotype
        for word in UNSURE:
            bare = bare.removeprefix(word)
        code = CODES.get(bare)
        usual = USUAL_OF.get(gene, USUAL)
        of_gene = told[told.gene == gene]
        if code is None or not len(of_gene):
            actionable = None
        else:
            mine = of_gene[(of_gene.phenotype == phenotype) & of_gene.classification.isin(["Strong", "Moderate"])]
            base = (
                of_gene[of_gene.phenotype.isin(usual)].groupby(["drug", "population", "rest"]).recommendation.agg(set)
            )
            keys = list(zip(mine.drug, mine.population, mine.rest, strict=True))
            told_else = [r not in base.get(k, {"none"}) for k, r in zip(keys, mine.recommendation, strict=True)]
            actionable = int(phenotype not in usual and any(told_else))
        rows.append((gene, phenotype, code, int(bare != phenotype), actionable))
    table = pd.DataFrame(rows, columns=["gene", "phenotype", "code", "unsure", "actionable"])
    return table.astype({"code": "Int64", "actionable": "Int64"}).sort_values(["gene", "code", "unsure", "phenotype"])


def build(source: Path, out: Path) -> None:
    """Write the four tables."""
    phenotypes = pd.read_parquet(source / "diplotype_phenotype.parquet")
    phenotypes["activity_score"] = phenotypes["activity_score"].replace("n/a", None)
    kept = ["gene", "diplotype", "phenotype", "activity_score", "lookup_key"]
    write(phenotypes[kept], out / "cpic_phenotypes.parquet", "diplotype to phenotype and activity score")

    definitions = pd.read_parquet(source / "allele_definitions.parquet")
    chromosomes = pd.read_csv(source / "genes.csv").set_index("gene")["chromosome"]
    definitions.insert(1, "chromosome", definitions["gene"].map(chromosomes))
    kept = ["gene", "chromosome", "allele", "is_reference", "position", "rsid", "base"]
    write(definitions[kept], out / "cpic_definitions.parquet", "bases of named alleles, GRCh38, forward strand")

    recommendations = pd.read_parquet(source / "recommendations.parquet")
    recommendations["population"] = recommendations["population"].str.strip()
    kept = ["drug", "population", "lookup", "implications", "recommendation", "classification", "comments"]
    write(recommendations[kept], out / "cpic_recommendations.parquet", "drug recommendations, CPIC 1.28 of 2023-08")

    header = [
        "Ordered code of each phenotype of CPIC (more activity is higher; empty: indeterminate or uncertain),",
        "unsure: CPIC calls it likely or possible; actionable: CPIC has a strong or moderate recommendation for it",
        "that differs from the one for the usual phenotype (empty: the gene is in no recommendation of 2023-08)",
        f"Source: {SOURCE}; codes and comparison by theracast",
        f"Licence: {LICENCE}",
        f"Command: {COMMAND}",
    ]
    text = "".join(f"# {line}\n" for line in header) + codes(phenotypes, recommendations).to_csv(index=False)
    (out / "cpic_codes.csv").write_text(text, encoding="utf-8")


def main() -> None:
    """Read the arguments and build."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog=f"Default: {COMMAND}")
    parser.add_argument("--source", type=Path, default=ROOT.parent / "shared" / "data" / "pgx")
    parser.add_argument("--out", type=Path, default=ROOT / "features" / "tables")
    arguments = parser.parse_args()
    build(arguments.source, arguments.out)


if __name__ == "__main__":
    main()
