"""Inputs and outside numbers for published scores: SIMULATED expression, IMPRES pairs, LORIS of the control patients.

Run: python tests/golden/make_published.py DIR_OF_IMPRES_CODES DIR_OF_LORIS (openpyxl, scipy).
Then: Rscript tests/golden/published.R DIR_OF_EASIER
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.io import loadmat

HERE = Path(__file__).parent
SEED = 20261126
GENES = [
    "ABCF1", "CCL5", "CD200", "CD27", "CD274", "CD276", "CD28", "CD40", "CD80", "CD86", "CD8A", "CMKLR1", "CTLA4",
    "CXCL9", "CXCR6", "G6PD", "GZMA", "HAVCR2", "HLA-DQA1", "HLA-DRB1", "HLA-E", "IDO1", "LAG3", "NKG7", "NRDE2",
    "OAZ1", "PDCD1", "PDCD1LG2", "POLR2A", "PRF1", "PSMB10", "SDHA", "STAT1", "STK11IP", "TBC1D10B", "TBP", "TIGIT",
    "TNFRSF14", "TNFSF4", "TNFSF9", "UBB", "VSIR", "ZBTB34",
]  # fmt: skip


def simulated_tpm():
    """Log-normal TPM of 12 patients; a twentieth is zero."""
    rng = np.random.default_rng(SEED)
    level = rng.normal(2.0, 1.2, len(GENES))
    tpm = np.exp(level + rng.normal(0, 1.0, (12, len(GENES))))
    tpm[rng.random(tpm.shape) < 0.05] = 0.0
    index = pd.Index([f"s{i + 1}" for i in range(12)], name="patient_id")
    pd.DataFrame(tpm, index, GENES).round(4).to_csv(HERE / "published_tpm.csv", lineterminator="\n")


def impres_pairs(folder):
    """Decode the features of the authors: positions in the list of all ordered pairs of 28 checkpoint genes."""
    mat = Path(folder) / "MAIN_CODES" / "Melanoma Prediction"
    genes = sorted(str(g[0][0]) for g in loadmat(mat / "CPall.mat")["CPall"])
    upper = [(i, j) for i in range(len(genes)) for j in range(i + 1, len(genes))]
    ordered = [(genes[j], genes[i]) for i, j in upper] + [(genes[i], genes[j]) for i, j in upper]
    chosen = [ordered[k - 1] for k in loadmat(mat / "FEATS.mat")["FEATS"].ravel()]
    frame = pd.DataFrame(chosen, columns=["above", "below"]).replace("C10orf54", "VSIR")
    frame.to_csv(HERE / "published_impres_pairs.csv", index=False, lineterminator="\n")


def loris(folder):
    """Keep the score that the authors stored for the patients without immunotherapy."""
    sheet = pd.read_excel(Path(folder) / "02.Input" / "AllData.xlsx", sheet_name="MSK_nonICB")
    ids = [f"nonICB_{i + 1}" for i in range(len(sheet))]
    frame = pd.DataFrame({"patient_id": ids, "loris": sheet["LORIS"].round(6)})
    frame.to_csv(HERE / "published_loris.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    simulated_tpm()
    impres_pairs(sys.argv[1])
    loris(sys.argv[2])
