"""Episodes of iglu-python on the five people of iglu; run with a Python that has iglu-python 0.4.3.

Run: python tests/golden/make_cgm.py <folder with iglu_five_subjects.parquet and iglu_reference_values.csv>
"""

import sys
from importlib.metadata import version
from pathlib import Path

import iglu_python as iglu
import pandas as pd

folder, here = Path(sys.argv[1]), Path(__file__).parent
readings = pd.read_parquet(folder / "iglu_five_subjects.parquet")
readings.columns = ["id", "time", "gl"]
found = iglu.episode_calculation(readings)
found["patient_id"], found["metric"], found["value"] = (
    found["id"],
    found["type"] + "_" + found["level"],
    found["avg_ep_per_day"],
)
found["source"] = f"iglu-python {version('iglu-python')} episode_calculation"
known = pd.read_csv(folder / "iglu_reference_values.csv")
wanted = ["mean", "SD", "GMI", "in_range_70_180", "LBGI", "HBGI", "GRADE", "ADRR", "MODD", "CONGA", "M_value", "MAG"]
known = known[
    known["kwargs"].eq("{}") & known["metric"].isin(wanted) & known["patient_id"].isin(["Subject 1", "Subject 5"])
]
known = known.assign(source="R iglu 4.2.2, by staskh/iglu_python f4d1cb0 tests/expected_results.json")
table = pd.concat([known, found[found["level"].isin(["lv1", "lv2"])]])
table[["patient_id", "metric", "value", "source"]].to_csv(here / "cgm_iglu.csv", index=False)
