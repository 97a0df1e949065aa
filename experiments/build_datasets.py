"""Write the small real cohorts that ship in the wheel: ``features/data/<name>/``.

Run from the repository root::

    .venv/bin/python experiments/build_datasets.py --source ../shared/data/ici

Only published, de-identified tables are read; what may not be redistributed is dropped here, by name, so that the
rule can be read. Every count in a card is computed from the tables written, none is typed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from theracast.provenance import digest_frame

ROOT = Path(__file__).resolve().parents[1]
COMMAND = "python experiments/build_datasets.py --source ../shared/data/ici"
N_GENES = 1500
COUNT = "nonsynonymous count (exome)"

#: Symbols of the matrices -> spelling of the gene sets (HGNC current/previous symbols of one and the same gene).
SPELLING = {
    "ADSS1": "ADSSL1",
    "C19orf10": "MYDGF",
    "C19orf59": "MCEMP1",
    "CCN2": "CTGF",
    "FAM150A": "ALKAL1",
    "IL8": "CXCL8",
    "INSYN2B": "FAM196B",
    "KIAA0125": "FAM30A",
    "KIAA1199": "CEMIP",
    "RFLNB": "FAM101B",
    "TMEM173": "STING1",
    "WARS": "WARS1",
    "YARS": "YARS1",
}

#: A second label (benefit_curated) invites mixing; the index column says the rest.
DROPPED = {
    "hugo2016_mel": ["benefit_curated"],
    "riaz2017_mel": [
        "benefit_curated",
        "cytolytic_score_source",
        "mutation_load",
        "neoantigen_load",
        "subtype",
    ],
    "vanallen2015_mel": ["benefit_curated", "compass_label", "response_group_source"],
    "mgh2022_mel": ["benefit_curated"],
    "imvigor210_uc": ["benefit_curated", "lund2", "tcga_subtype", "sample_age"],
}
#: Of liu2019_mel only these: the other columns are known from a GPL-2 table (vanallenlab/schadendorf-pd1).
LIU_KEPT = [
    *("patient_id", "cohort", "cancer_type", "treatment", "ici_target", "prior_ici"),
    *("response", "recist", "response_source", "pfs_months", "pfs_event", "os_months", "os_event"),
    *("sex", "stage", "tmb", "tmb_unit", "sample_timing"),
]

PREDICTIOR = {
    "repository": "bhklab/PredictioR@d29803c8",
    "licence": "MIT (LICENSE file; the package's DESCRIPTION says GPL-3)",
}
COMPASS = {"repository": "mims-harvard/COMPASS@15feee94", "licence": "MIT"}
IMVIGOR = {"repository": "IMvigor210CoreBiologies (Genentech)", "licence": "CC BY 3.0"}
READOUTS = "paper/05_feature_explaination/00_mean_score/01_avgAbd_readouts_geneset.csv"
LABELS = "paper/01_extract_readout/ITRP/00_clinical_label.csv"
FACTS = {"repository": "the paper", "licence": "published facts about patients, cited"}

COHORT_TRAP = (
    "Cohort effects exceed biology: standardise within the sample or against a frozen reference, and say which."
)
COUNT_TRAP = (
    "TMB: the source says mut/Mb (COMPASS real_TMB), the values (median {tmb_median:g}) are exome mutation counts; "
    "the same column holds the nonsynonymous count where it can be compared (Liu 2019, Van Allen 2015)."
)
HISTORY = "cohort .rda in its history"
PDATA = "pData, read from the copy in mimifp/IMvigor210_mUC@508772c4"
SMALL_TRAP = "Fewer than 30 labelled patients or fewer than 10 of one kind: an AUC has an interval of about +-0.2."

#: What a person knows and no table says. PMIDs: two checked by the README of the source, four against public pages.
ABOUT = {
    "liu2019_mel": {
        "title": "Integrative molecular and clinical modeling of clinical outcomes to PD1 blockade in patients with "
        "metastatic melanoma",
        "paper": "Liu et al., Nature Medicine 2019",
        "doi": "10.1038/s41591-019-0654-5",
        "clinical": [(PREDICTIOR, HISTORY), (COMPASS, LABELS), (FACTS, "single facts of Liu et al. 2019")],
        "expression": (PREDICTIOR, HISTORY),
        "traps": [
            "Two very different halves: ipilimumab-naive and ipilimumab-treated (prior_ici).",
            "Patients with a mixed response have no R/NR.",
            "tmb is the nonsynonymous count divided by 50 Mb; other cohorts divide by other numbers.",
            "Never add the bulk matrix of Jerby-Arnon 2018: it holds these same patients.",
            "Expression of many chemokines is missing (CCL3, CCL4, CCL5): the source matrix does not have them.",
            "The published signatures are on a lower scale than the expression gives: read one or the other.",
        ],
    },
    "hugo2016_mel": {
        "title": "Genomic and Transcriptomic Features of Response to Anti-PD-1 Therapy in Metastatic Melanoma",
        "paper": "Hugo et al., Cell 2016",
        "doi": "10.1016/j.cell.2016.02.065",
        "clinical": [(PREDICTIOR, "data/ICB_Hugo.rda"), (COMPASS, LABELS)],
        "expression": (PREDICTIOR, "data/ICB_Hugo.rda"),
        "traps": [
            COUNT_TRAP,
            "TPM was derived from FPKM by the source.",
            "The source lists every patient under pembrolizumab; the paper also treated with nivolumab.",
            "One on-treatment biopsy was dropped.",
        ],
    },
    "riaz2017_mel": {
        "title": "Tumor and Microenvironment Evolution during Immunotherapy with Nivolumab",
        "paper": "Riaz et al., Cell 2017",
        "doi": "10.1016/j.cell.2017.09.028",
        "clinical": [(PREDICTIOR, HISTORY), (COMPASS, LABELS), (FACTS, "single facts of Riaz et al. 2017")],
        "expression": (PREDICTIOR, HISTORY),
        "traps": [
            "Neither age nor sex is known.",
            "prior_ici 'CTLA4' are the patients who progressed on ipilimumab: half of the cohort.",
            "The lowest tmb are 1 or 2 mutations in an exome: rather a poor sample than a quiet tumour.",
        ],
    },
    "vanallen2015_mel": {
        "title": "Genomic correlates of response to CTLA-4 blockade in metastatic melanoma",
        "paper": "Van Allen et al., Science 2015",
        "doi": "10.1126/science.aad0095",
        "clinical": [(PREDICTIOR, HISTORY), (COMPASS, LABELS)],
        "expression": (PREDICTIOR, HISTORY),
        "traps": [
            "Anti-CTLA4: a different question from anti-PD1.",
            "Other sources count long survivors as responders; here RECIST CR/PR only.",
            "tmb is a mutation count divided by 64 Mb; other cohorts divide by other numbers.",
        ],
    },
    "mgh2022_mel": {
        "title": "Combined tumor and immune signals from genomes or transcriptomes predict outcomes of checkpoint "
        "inhibition in melanoma",
        "paper": "Freeman et al., Cell Reports Medicine 2022",
        "doi": "10.1016/j.xcrm.2021.100500",
        "clinical": [(COMPASS, LABELS)],
        "expression": None,
        "traps": [
            "Mixed anti-CTLA4 and anti-PD1 (ici_target); drugs are not named by the source.",
            "No RECIST: the label is the responder / non-responder of the paper.",
            "Ocular and mucosal melanoma are included.",
            COUNT_TRAP,
        ],
    },
    "imvigor210_uc": {
        "title": "TGFβ attenuates tumour response to PD-L1 blockade by contributing to exclusion of T cells",
        "paper": "Mariathasan et al., Nature 2018",
        "doi": "10.1038/nature25501",
        "clinical": [(IMVIGOR, PDATA), (PREDICTIOR, HISTORY), (COMPASS, LABELS)],
        "expression": (PREDICTIOR, HISTORY + ", made from IMvigor210CoreBiologies (CC BY 3.0)"),
        "traps": [
            "Only immune-panel genes: {n_genes} bundled genes are measured; kidney-site samples have no gene matrix.",
            "The gene matrix is on another scale than the published signatures: read one or the other.",
            "Patients without an evaluable RECIST have no response and no signatures, but some have expression.",
            "TMB is from a panel (FMOne); neoantigen_per_mb from the exome.",
            "til is the CD8 IHC phenotype: 0 desert, 1 excluded, 2 inflamed; pdl1 the SP142 immune-cell level.",
        ],
    },
}


def read_clinical(source: Path, name: str) -> pd.DataFrame:
    """Read one clinical table and drop what may not ship, is not before treatment, or is empty."""
    table = pd.read_csv(source / name / "clinical.csv", dtype={"patient_id": str}, low_memory=False)
    table = table[[c for c in LIU_KEPT if c in table]] if name == "liu2019_mel" else table.drop(columns=DROPPED[name])
    table["sample_timing"] = table["sample_timing"].replace({"Pre": "pre-treatment"})
    table = table[table["sample_timing"].isna() | (table["sample_timing"] == "pre-treatment")].copy()
    table["treatment"] = table["treatment"].str.lower().mask(table["treatment"] == "unknow")
    table["tmb_unit"] = table["tmb_unit"].replace({"mut/Mb (COMPASS real_TMB)": COUNT})
    table = table.dropna(axis=1, how="all").sort_values("patient_id", ignore_index=True)
    whole = [c for c in table.select_dtypes("float") if (table[c].dropna() % 1 == 0).all()]
    return table.astype(dict.fromkeys(whole, "Int64"))


def read_expression(source: Path, name: str, ids: pd.Series, set_genes: set[str]) -> pd.DataFrame | None:
    """Read one matrix, genes x patients kept, in the spelling of the gene sets."""
    file = source / name / "expression.parquet"
    if not file.exists():
        return None
    table = pd.read_parquet(file)
    have = set(table.index)
    renamed = {old: new for old, new in SPELLING.items() if old in have and new in set_genes - have}
    table = table.rename(index=renamed).rename_axis("gene")
    return table[[i for i in ids if i in table.columns]]


def choose_genes(matrices: dict[str, pd.DataFrame], set_genes: set[str], n_genes: int = N_GENES) -> list[str]:
    """Take every set gene measured anywhere, then others, evenly spaced along the average rank of their mean."""
    chosen = set_genes & set().union(*(m.index for m in matrices.values()))
    common = sorted(set.intersection(*(set(m.index) for m in matrices.values())) - set_genes)
    ranks = pd.DataFrame({name: m.loc[common].mean(axis=1).rank() for name, m in matrices.items()}).mean(axis=1)
    order = ranks.sort_values(kind="stable").index
    wanted = min(max(n_genes - len(chosen), 0), len(order))
    return sorted(chosen | set(order[np.linspace(0, len(order) - 1, wanted).round().astype(int)]))


def make_card(name: str, folder: Path, listed: pd.Series, genes: list[str], renamed: list[str]) -> dict:
    """Describe a cohort by what was written; read back, so that the counts are those of the files."""
    about = ABOUT[name]
    clinical = pd.read_csv(folder / "clinical.csv", dtype={"patient_id": str}, low_memory=False).set_index("patient_id")
    tables = {f.stem: pd.read_parquet(f) for f in sorted(folder.glob("*.parquet"))}
    expression = tables.get("expression", pd.DataFrame())
    known = {c: int(clinical[c].notna().sum()) if c in clinical else 0 for c in ("tmb", "pdl1", "til")}
    for c in ("pfs", "os"):
        pair = [f"{c}_months", f"{c}_event"]
        known[c] = int(clinical[pair].notna().all(axis=1).sum()) if set(pair) <= set(clinical) else 0
    counts = clinical["response"].value_counts()
    n_r, n_nr = int(counts.get("R", 0)), int(counts.get("NR", 0))
    facts = {"tmb_median": clinical["tmb"].median(), "n_genes": len(expression)}
    traps = [t.format(**facts) for t in about["traps"]]
    if len(expression) and name != "imvigor210_uc":
        traps.append(
            f"{len(genes) - len(expression)} of the {len(genes)} bundled genes are not measured in this cohort."
        )
    if renamed:
        traps.append(f"Renamed to the spelling of the gene sets: {', '.join(renamed)}.")
    if n_r + n_nr < 30 or min(n_r, n_nr) < 10:
        traps.append(SMALL_TRAP)
    parts = [{"file": "clinical.csv", "from": path, **origin} for origin, path in about["clinical"]]
    if about["expression"]:
        origin, path = about["expression"]
        parts.append({"file": "expression.parquet", "from": path, **origin})
    parts.append({"file": "signatures.parquet", "from": READOUTS, **COMPASS})
    short = dict.fromkeys(
        "CC BY 3.0" if p["licence"].startswith("CC") else "MIT" for p in parts if p["repository"] != "the paper"
    )
    return {
        "name": name,
        "title": about["title"],
        "paper": about["paper"],
        "doi": about["doi"],
        "pmid": str(int(listed["pmid"])),
        "pmid_checked": True,
        "cancer": str(listed["cancer"]),
        "drug": str(listed["drug"]),
        "licence": {"summary": " and ".join(short), "parts": parts},
        "n": len(clinical),
        "n_response": n_r,
        "n_no_response": n_nr,
        "n_unknown": len(clinical) - n_r - n_nr,
        "patients_with": {
            "expression": expression.shape[1],
            "signatures": len(tables["signatures"]),
            **known,
        },
        "n_genes": len(expression),
        "response_definition": str(listed["defn"]),
        "units": {
            **({"expression": "log2(TPM+1)"} if len(expression) else {}),
            "signatures": "gene-set mean of scaled log2(TPM+1), as published",
            **{k: str(clinical[f"{k}_unit"].dropna().iloc[0]) for k in ("tmb", "pdl1", "til") if known[k]},
        },
        "traps": [*traps, COHORT_TRAP],
        "digests": {"clinical": digest_frame(clinical), **{k: digest_frame(t) for k, t in tables.items()}},
        "build_command": COMMAND,
    }


def write_parquet(table: pd.DataFrame, file: Path, decimals: int) -> None:
    """Round, then compress; statistics of 132 columns would outweigh a small cohort."""
    arrow = pa.Table.from_pandas(table.astype(np.float64).round(decimals).astype(np.float32))
    pq.write_table(arrow, file, compression="zstd", compression_level=19, write_statistics=False)


def write_yaml(value: dict, file: Path) -> None:
    """Write keys in the order given."""
    file.write_text(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=110), encoding="utf-8")


def build(source: Path, out: Path) -> pd.DataFrame:
    """Write every cohort and return one line per cohort."""
    index = pd.read_csv(source / "index.csv").set_index("cohort")
    published = pd.read_csv(source / "published" / "compass_genesets.csv")
    set_genes = {g for genes in published["Genes"] for g in genes.split(":")}
    clinical = {name: read_clinical(source, name) for name in ABOUT}
    found = {name: read_expression(source, name, clinical[name]["patient_id"], set_genes) for name in ABOUT}
    matrices = {name: table for name, table in found.items() if table is not None}
    genes = choose_genes(matrices, set_genes)
    lines = []
    for name, table in clinical.items():
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        table.to_csv(folder / "clinical.csv", index=False, lineterminator="\n")
        signatures = pd.read_parquet(source / name / "signatures.parquet").rename_axis("patient_id")
        write_parquet(
            signatures.loc[[i for i in table["patient_id"] if i in signatures.index]],
            folder / "signatures.parquet",
            4,
        )
        renamed = []
        if name in matrices:
            written = matrices[name].loc[[g for g in genes if g in matrices[name].index]]
            write_parquet(written, folder / "expression.parquet", 3)
            raw = pd.read_parquet(source / name / "expression.parquet", columns=[]).index
            renamed = [f"{old} to {new}" for old, new in SPELLING.items() if new in written.index and new not in raw]
        card = make_card(name, folder, index.loc[name], genes, renamed)
        units = {k: v for k, v in card["units"].items() if k in ("expression", "signatures")}
        write_yaml(units, folder / "units.yaml")
        write_yaml(card, folder / "card.yaml")
        size = sum(f.stat().st_size for f in folder.iterdir()) / 1024
        lines.append(
            {k: card[k] for k in ("name", "n", "n_response", "n_no_response", "n_unknown", "n_genes")}
            | {"KiB": round(size)}
        )
    return pd.DataFrame(lines).set_index("name")


def main() -> None:
    """Read the arguments and build."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog=f"Default: {COMMAND}")
    parser.add_argument(
        "--source",
        type=Path,
        default=ROOT.parent / "shared" / "data" / "ici",
        help="the tidied public cohorts",
    )
    parser.add_argument("--out", type=Path, default=ROOT / "features" / "data", help="where to write")
    arguments = parser.parse_args()
    print(build(arguments.source, arguments.out).to_string())


if __name__ == "__main__":
    main()
