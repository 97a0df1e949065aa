"""Write ``features/tables/sources.yaml``: public data sets that are fetched, not shipped.

Run from the repository root, with bare git mirrors of the repositories in one folder, each at
``<owner>+<name>/repo``::

    .venv/bin/python experiments/build_sources.py --mirrors ../.mirror --index ../shared/data/ici/index.csv

Every commit, size and digest is read from a mirror, every PMID from the index; a file whose bytes the mirror does not
hold is left out, for what was never seen cannot be promised.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
import yaml

ROOT = Path(__file__).resolve().parents[1]
COMMAND = "python experiments/build_sources.py --mirrors ../.mirror --index ../shared/data/ici/index.csv"
HEADER = f"""\
# Public data sets that `theracast datasets fetch NAME` brings; nothing of them ships.
# Source: git repositories on github.com, each file at a full commit; sizes and sha256 computed from its bytes;
#   PMIDs from ../shared/data/ici/index.csv (31792460, 35243413 and 38831056 checked, the others not).
# Licence: Apache-2.0 for this list; that of each data set stands with it.
# Version: the commits below. Command: {COMMAND}
"""

PREDICTIOR = "bhklab/PredictioR"
#: Studies by file; all but two stand together in this commit, before the large files were removed.
TOGETHER = "61ca600"
STUDIES: dict[str, tuple[str, list[str], str]] = {
    "hugo2016_mel": ("9316508", ["data/ICB_Hugo.rda"], "One sample was taken on treatment (sample_timing)."),
    "hwang2020_nsclc": (TOGETHER, ["data/ICB/ICB_Hwang__Lung__PD-(L)1.rda"], "A panel of 383 genes."),
    "imvigor210_uc": ("d29803c8", ["data/ICB_small_Mariathasan.rda"], "1,768 genes; bladder samples only."),
    "jung2019_nsclc": (TOGETHER, ["data/ICB/sex/ICB_Jung__Lung__PD-(L)1__M.rda"], "Men only."),
    "limagne2022_nsclc": (TOGETHER, ["data/ICB/ICB_Limagne2__Lung__PD-(L)1.rda"], ""),
    "liu2019_mel": (
        TOGETHER,
        [f"data/ICB/sex/ICB_Liu__Melanoma__{arm}__{sex}.rda" for arm in ("PD-(L)1", "IO+combo") for sex in "FM"],
        "Two halves: ipilimumab-naive and ipilimumab-treated; two mixed responses stand as NR.",
    ),
    "miao2018_rcc": (TOGETHER, ["data/ICB/ICB_Miao1__Kidney__PD-(L)1.rda"], "Several drugs and combinations."),
    "nathanson2017_mel": (
        TOGETHER,
        ["data/ICB/ICB_Nathanson__Melanoma__CTLA4.rda"],
        "Anti-CTLA4; some biopsies were taken after treatment (sample_timing).",
    ),
    "padron2022_pdac": (
        TOGETHER,
        [f"data/ICB/sex/ICB_Padron__Pancreas__PD-(L)1__{sex}.rda" for sex in "FM"],
        "Three responders; chemotherapy in every arm.",
    ),
    "ravi2023_nsclc": (TOGETHER, ["data/ICB/ICB_Ravi__Lung__IO+combo.rda"], "The 16 patients of the combination."),
    "riaz2017_mel": (
        TOGETHER,
        [f"data/ICB/ICB_Riaz__Melanoma__{arm}.rda" for arm in ("PD-(L)1", "IO+combo")],
        "No age, sex or PFS; survival is counted in months of 28 days.",
    ),
    "roh2017_mel": (TOGETHER, ["data/ICB/ICB_Roh__Melanoma__CTLA4.rda"], "A panel of 721 genes; anti-CTLA4."),
    "shiuan2021_rcc": (TOGETHER, ["data/ICB/ICB_Shiuan__Kidney__PD-(L)1.rda"], ""),
    "snyder2017_uc": (TOGETHER, ["data/ICB/sex/ICB_Snyder__Ureteral__PD-(L)1__M.rda"], "Men only."),
    "thibaudin2023_crc": (
        TOGETHER,
        ["data/ICB/sex/ICB_Thibaudin__Colon__IO+chemo__F.rda"],
        "Women only; chemotherapy with ICI.",
    ),
    "vanallen2015_mel": (TOGETHER, ["data/ICB/ICB_Van_Allen__Melanoma__CTLA4.rda"], "Anti-CTLA4."),
    "vandenende2021_esophageal": (
        TOGETHER,
        ["data/ICB/ICB_VanDenEnde__Esophageal__PD-(L)1.rda"],
        "A panel of 1,364 genes; neoadjuvant with chemoradiation, pathological response.",
    ),
}
LORIS = {
    "Chowell_train": "loris_chowell_train_pan",
    "Chowell_test": "loris_chowell_test_pan",
    "MSK2": "loris_msk2_pan",
    "Kato_panCancer": "loris_kato_pan",
    "Vanguri_NSCLC": "loris_vanguri_nsclc",
    "Ravi_NSCLC": "loris_ravi_nsclc",
    "Pradat_panCancer": "loris_pradat_pan",
    "MSK_nonICB": "loris_msk_nonici_control",
}
NO_LICENCE = "none in the repository: research use inside a project, no redistribution"
#: Tables that come as they are: name -> repository, commit, path, study, licence, what it gives.
PLAIN = {
    "imvigor210_pdata": (
        *("mimifp/IMvigor210_mUC", "508772c4", "2_data/1_IMvigor210/pData_IMvigor210.csv", "imvigor210_uc"),
        f"{NO_LICENCE}; a copy of IMvigor210CoreBiologies, which is CC BY 3.0",
        "clinical table of IMvigor210: RECIST, PD-L1 on immune cells, immune phenotype, TMB, survival",
    ),
    "schadendorf_pd1": (
        *("vanallenlab/schadendorf-pd1", "536010aa", "data/Supplemental_Table_1_wAge.tsv", "liu2019_mel"),
        "GPL-2 (repository)",
        "clinical table of Liu 2019: LDH, ECOG, prior therapy, purity, neoantigens, age",
    ),
    "bms038": (
        *("riazn/bms038_analysis", "137111c3", "data/bms038_clinical_data.csv", "riaz2017_mel"),
        NO_LICENCE,
        "clinical table of Riaz 2017: RECIST, prior ipilimumab, stage, survival",
    ),
    "snyder2017": (
        *("hammerlab/multi-omic-urothelial-anti-pdl1", "804cbf16", "data_clinical.csv", "snyder2017_uc"),
        NO_LICENCE,
        "clinical table of Snyder 2017: RECIST, PD-L1, survival",
    ),
}


def git(mirrors: Path, repo: str, *arguments: str) -> bytes:
    folder = mirrors / repo.replace("/", "+") / "repo"
    place = folder / ".git" if (folder / ".git").exists() else folder
    return subprocess.run(["git", f"--git-dir={place}", *arguments], check=True, capture_output=True).stdout


def pinned(mirrors: Path, repo: str, commit: str, path: str) -> dict[str, Any]:
    """Describe one file by its bytes in the mirror."""
    full = git(mirrors, repo, "rev-parse", f"{commit}^{{commit}}").decode().strip()
    content = git(mirrors, repo, "cat-file", "blob", f"{full}:{path}")
    return {
        "name": Path(path).name,
        "url": f"https://raw.githubusercontent.com/{repo}/{full}/{quote(path)}",
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def build(mirrors: Path, index: pd.DataFrame) -> list[dict[str, Any]]:
    """List every source, in the order in which they are shown."""

    def paper(study: str) -> str:
        pmid = index.loc[study, "pmid"]
        return f"PMID {pmid}" if pmid else study

    loris = {
        "name": "loris",
        "about": "clinical tables of eight cohorts: TMB, PD-L1, albumin, NLR, prior therapy, age, response, survival",
        "reference": paper("loris_msk2_pan"),
        "licence": "GPL-3 (repository)",
        "caveats": "Ravi_NSCLC is the study of ravi2023_nsclc; its months look like days (median survival 402). Two "
        "more sheets (MSK1, Shim_NSCLC) are kept for judging models and are not tidied.",
        "converter": "loris",
        "unit": "",
        "needs": ["openpyxl"],
        "cohorts": dict(sorted({cohort: [sheet] for sheet, cohort in LORIS.items()}.items())),
        "files": [pinned(mirrors, "rootchang/LORIS", "eb87300f", "02.Input/AllData.xlsx")],
    }
    listed = [loris]
    for study, (commit, paths, caveats) in STUDIES.items():
        files = [pinned(mirrors, PREDICTIOR, commit, path) for path in paths]
        listed.append(
            {
                "name": f"predictior_{study}",
                "about": f"expression and clinical table: {index.loc[study, 'cancer']}, {index.loc[study, 'drug']}",
                "reference": paper(study),
                "licence": "MIT in LICENSE, GPL-3 in DESCRIPTION (repository)",
                "caveats": f"The patients of {study}. {caveats}".strip(),
                "converter": "predictior",
                "unit": "log2(TPM+1)" if "TPM+1" in index.loc[study, "unit"] else "",
                "needs": ["rdata"],
                "cohorts": {f"predictior_{study}": [f["name"] for f in files]},
                "files": files,
            }
        )
    for name, (repo, commit, path, study, licence, about) in PLAIN.items():
        listed.append(
            {
                "name": name,
                "about": about,
                "reference": paper(study),
                "licence": licence,
                "caveats": f"The patients of {study}. Fetched as it is: read it with pandas.",
                "converter": "",
                "unit": "",
                "needs": [],
                "cohorts": {},
                "files": [pinned(mirrors, repo, commit, path)],
            }
        )
    return listed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mirrors", type=Path, default=ROOT.parent / ".mirror")
    parser.add_argument("--index", type=Path, default=ROOT.parent / "shared" / "data" / "ici" / "index.csv")
    parser.add_argument("--out", type=Path, default=ROOT / "features" / "tables")
    chosen = parser.parse_args()
    index = pd.read_csv(chosen.index, dtype=str, keep_default_na=False).set_index("cohort")
    listed = build(chosen.mirrors, index)
    text = yaml.safe_dump(listed, sort_keys=False, width=118, allow_unicode=True)
    (chosen.out / "sources.yaml").write_text(HEADER + text, encoding="utf-8")
    print(f"{len(listed)} sources, {sum(len(s['files']) for s in listed)} files")


if __name__ == "__main__":
    main()
