"""Spark on machines where theracast is not installed: the wheel is sent as an archive (``--py-files``)."""

import json
import os
import shutil
import subprocess
import sysconfig
import venv
from pathlib import Path

import pandas as pd
import pytest
from archives import packed

from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.models.storage import save_model
from theracast.predict.predictor import Predictor

pytest.importorskip("pyspark", reason="pyspark is not installed: pip install 'theracast[spark]'")

SCRIPT = """
import sys
from pyspark.sql import SparkSession
try:
    import theracast
    sys.exit("theracast is installed: the test shows nothing")
except ModuleNotFoundError:
    pass
spark = (SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
         .config("spark.driver.host", "127.0.0.1").getOrCreate())
spark.sparkContext.addPyFile(sys.argv[1])  # what spark-submit --py-files does
from theracast.predict.spark import score_spark
lines = score_spark(sys.argv[3], sys.argv[2], spark=spark).frame.collect()
import json, theracast
print(json.dumps([theracast.__file__, {r.patient_id: r.probability.hex() for r in lines}]))
spark.stop()
"""


@pytest.mark.nightly
def test_a_wheel_sent_by_py_files_gives_the_same_bits(tmp_path):
    if not shutil.which("java"):
        pytest.skip("no java: Spark needs Java 17")
    archive = packed(tmp_path / "sent", "theracast-0.1.0-py3-none-any.zip")  # Spark puts *.zip on the path, not *.whl
    save_model(ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel")), tmp_path / "model")
    wide = load_cohort("riaz2017_mel").wide().reset_index()
    wide[[c for c in wide if not c.startswith("expression:")]].to_parquet(tmp_path / "wide.parquet", index=False)
    table = Predictor.from_folder(tmp_path / "model").score(pd.read_parquet(tmp_path / "wide.parquet")).table
    # the dependencies by their folder: the hook of the editable install, which lies in it, is not run from there
    bare = tmp_path / "bare"
    venv.create(bare, with_pip=False)
    inside = sysconfig.get_path("purelib", vars={"base": str(bare), "platbase": str(bare)})
    Path(inside, "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = str(bare / "bin" / "python")
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"PYSPARK_PYTHON": python}
    done = subprocess.run(
        [python, "-c", SCRIPT, archive, tmp_path / "model", tmp_path / "wide.parquet"],
        capture_output=True, text=True, timeout=400, check=False, cwd=tmp_path, env=environ,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    where, found = json.loads(done.stdout.splitlines()[-1])
    assert ".zip" in where
    assert found == dict(zip(table.patient_id, table.probability.map(float.hex), strict=True))
