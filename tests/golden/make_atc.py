"""Pick the ATC codes of our drugs out of the WHO's index: python tests/golden/make_atc.py FILE."""

import sys
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
HEADER = """\
# ATC codes (WHO Collaborating Centre for Drug Statistics Methodology) of the drugs of features/tables/drugs.csv, and
# the substance that each stands for. Facts, from "WHO ATC-DDD 2026-04-25.csv" of fabkury/atcd 1e92aec7c52c; nothing
# else of that repository (CC BY-NC-SA 4.0) is here. Command: python tests/golden/make_atc.py FILE
"""

drugs = pd.read_csv(ROOT / "features/tables/drugs.csv", comment="#", keep_default_na=False)
codes = {code for cell in drugs["atc"] for code in cell.split("|") if code}
index = pd.read_csv(sys.argv[1], dtype=str)[["atc_code", "atc_name"]].drop_duplicates()
found = index[index["atc_code"].isin(codes)].sort_values("atc_code")
(ROOT / "tests/golden/atc_codes.csv").write_text(HEADER + found.to_csv(index=False), encoding="utf-8")
