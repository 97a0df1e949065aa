"""Numbers of iglu-python: episodes of the five people of iglu, and metrics of simulated traces.

Run with a Python that has iglu-python 0.4.3:
python tests/golden/make_cgm_peer.py <folder with iglu_five_subjects.parquet and iglu_reference_values.csv>
"""

import sys
from importlib.metadata import version
from pathlib import Path

import iglu_python as iglu
import numpy as np
import pandas as pd

folder, here = Path(sys.argv[1]), Path(__file__).parent
PEER = f"iglu-python {version('iglu-python')}"


def episodes(readings):
    """Hypo- and hyperglycaemic episodes per day."""
    found = iglu.episode_calculation(readings)
    names = found["type"] + "_" + found["level"]
    told = pd.DataFrame({"patient_id": found["id"], "metric": names, "value": found["avg_ep_per_day"]})
    return told[found["level"].isin(["lv1", "lv2"])].assign(source=f"{PEER} episode_calculation")


def simulated():
    """Three traces over four days, one with gaps, on the sensor's own clock; SIMULATED."""
    rng, parts = np.random.default_rng(20261125), []
    for k in range(3):
        n = 4 * 288
        at = 300 * np.arange(1, n + 1) + 60 * 13 * k
        level = 130 + 25 * k + 45 * np.sin(at / (7000 + 900 * k)) + 20 * np.sin(at / 2500) + rng.normal(0, 4 + 3 * k, n)
        time = pd.Timestamp("2024-03-04") + pd.to_timedelta(at, unit="s")
        part = pd.DataFrame({"id": f"s{k + 1}", "time": time, "gl": np.clip(np.round(level), 40, 400)})
        parts.append(part.drop(index=part.index[[*range(300, 306), *range(700, 760)]]) if k == 2 else part)
    return pd.concat(parts, ignore_index=True)


def of_peer(readings):
    """Metrics in which iglu-python follows R; not MAG, which it takes from all points and R from hourly ones."""
    calls = {
        "mean_glu": ["mean"], "sd_glu": ["SD"], "cv_glu": ["CV"], "gmi": ["GMI"], "ea1c": ["eA1C"],
        "j_index": ["J_index"],
        "m_value": ["M_value"], "grade": ["GRADE"], "cogi": ["COGI"], "gri": ["GRI"], "adrr": ["ADRR"],
        "modd": ["MODD"],
        "conga": ["CONGA"], "gvp": ["GVP"], "mad_glu": ["MAD"], "mage": ["MAGE"], "pgs": ["PGS"],
        "hypo_index": ["hypo_index"], "hyper_index": ["hyper_index"], "sd_roc": ["sd_roc"],
        "sd_measures": ["SDw", "SDhhmm", "SDdm", "SDb", "SDbdm"], "cv_measures": ["CVmean", "CVsd"],
    }  # fmt: skip
    parts = []
    for call, metrics in calls.items():
        found = getattr(iglu, call)(readings)
        for metric in metrics:
            told = pd.DataFrame({"patient_id": found["id"], "metric": metric, "value": found[metric].astype(float)})
            parts.append(told.assign(source=f"{PEER} {call}"))
    return pd.concat(parts)


readings = pd.read_parquet(folder / "iglu_five_subjects.parquet")
readings.columns = ["id", "time", "gl"]
known = pd.read_csv(folder / "iglu_reference_values.csv")
wanted = ["mean", "SD", "GMI", "in_range_70_180", "LBGI", "HBGI", "GRADE", "ADRR", "MODD", "CONGA", "M_value", "MAG"]
known = known[
    known["kwargs"].eq("{}") & known["metric"].isin(wanted) & known["patient_id"].isin(["Subject 1", "Subject 5"])
]
known = known.assign(source="R iglu 4.2.2, by staskh/iglu_python f4d1cb0 tests/expected_results.json")
table = pd.concat([known, episodes(readings)])
table[["patient_id", "metric", "value", "source"]].to_csv(here / "cgm_iglu.csv", index=False)

made = simulated()
columns = {"id": "patient_id", "gl": "glucose_mg_dl"}
made.rename(columns=columns).astype({"glucose_mg_dl": int}).to_csv(here / "cgm_simulated.csv", index=False)
pd.concat([of_peer(made), episodes(made)]).to_csv(here / "cgm_simulated_iglu_python.csv", index=False)
