"""The tables of experiments/multiomics.py are what the command makes, and what they must show holds."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
NAMES = ["brca_subtype", "gdsc2_response"]


def table(folder, name):
    return pd.read_csv(folder / "multiomics" / f"{name}.csv", dtype=str)


@pytest.mark.nightly
@pytest.mark.shared
@pytest.mark.parametrize("name", NAMES)
def test_the_command_makes_the_table(name, tmp_path, shared_data):
    for file in ("multiomics.py", f"{name}.yaml"):
        (tmp_path / file).write_text((EXPERIMENTS / file).read_text())
    environment = {"THERACAST_DATA": str(shared_data), "PATH": ""}
    subprocess.run([sys.executable, tmp_path / "multiomics.py", name], check=True, capture_output=True, env=environment)
    pd.testing.assert_frame_equal(table(tmp_path, name), table(EXPERIMENTS, name))


def test_a_model_beside_the_dull_baselines():
    """A correlation over all pairs is mostly that of the drugs' means: the table must show it."""
    brca, gdsc = (table(EXPERIMENTS, name).set_index("model") for name in NAMES)
    assert {"prevalence of the classes", "average over the observed blocks"} <= set(brca.index)
    assert brca.loc["proteins alone", "AUC"] == "no such block in the test patients"
    means, best = (float(gdsc.loc[m, "r over all pairs"].split()[0]) for m in ("mean of each drug", "expression"))
    assert means > 0.7
    assert best > means
    assert gdsc.loc["mean of each drug", "r within a drug, mean"] == "0 by definition"
    assert all("(" in v for v in gdsc["RMSE"]), "an interval each"
