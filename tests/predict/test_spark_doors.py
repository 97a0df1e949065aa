"""Spark by the command line, and by mlflow's own spark_udf."""

import json
import shutil
import sys

import pandas as pd
import pytest
from clis import run, shell

from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.models.config import Experiment
from theracast.models.storage import save_model
from theracast.models.train import train
from theracast.predict.predictor import Predictor
from theracast.predict.publish import register
from theracast.predict.store import connect

pytest.importorskip("pyspark", reason="pyspark is not installed: pip install 'theracast[spark]'")
java = pytest.mark.skipif(not shutil.which("java"), reason="no java: Spark needs Java 17")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = tmp_path_factory.mktemp("doors")
    save_model(ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel")), place / "model")
    wide = load_cohort("riaz2017_mel").wide().reset_index()
    wide[[c for c in wide if not c.startswith("expression:")]].to_parquet(place / "wide.parquet", index=False)
    return place


@java
@pytest.mark.nightly
def test_the_command_writes_the_bits_of_one_process(place):
    done = shell(place, "score", "model", "wide.parquet", "-o", "scores", "--engine", "spark")
    assert done.returncode == 0, done.stderr[-2000:]
    account = json.loads(done.stdout.splitlines()[-1])
    table = Predictor.from_folder(place / "model", uri="model").score(pd.read_parquet(place / "wide.parquet")).table
    found = pd.read_parquet(place / "scores").set_index("patient_id").loc[table.patient_id].reset_index()
    for column in ("probability", "lower", "upper", "decision", "provenance", "model_uri"):
        assert found[column].tolist() == table[column].tolist()
    assert (account["rows_in"], account["rejected"], account["engine"]) == (len(table), 0, "spark")
    kept = json.loads((place / "scores.json").read_text())
    assert kept == {k: v for k, v in account.items() if k != "output"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--strict"], "--strict"),
        (["--response-rate", "0.3"], "--response-rate"),
        (["--explain", "top5"], "--explain"),
        (["--workers", "2"], "--workers"),
    ],
    ids=lambda o: o[0] if isinstance(o, list) else "",
)
def test_options_of_one_process_are_refused(place, options, said):
    done = run("score", place / "model", place / "wide.parquet", "-o", place / "new", "--engine", "spark", *options)
    assert done.exit_code != 0
    assert said in str(done.exception)


def test_an_output_that_is_there_is_left_alone(place):
    done = run("score", place / "model", place / "wide.parquet", "-o", place / "model", "--engine", "spark")
    assert "already" in str(done.exception)


@java
@pytest.mark.nightly
@pytest.mark.filterwarnings("ignore")
def test_mlflows_spark_udf_takes_all_columns_in_one_struct(place, tmp_path, monkeypatch):
    """As experiments/scale.md tells: a struct keeps the names; without one MLflow refuses, or every row is rejected."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    uri, _ = register(train(Experiment(indication="melanoma_ici", cohorts=["liu2019_mel", "riaz2017_mel"],
                                       holdout=["mgh2022_mel"])))  # fmt: skip
    mlflow, _ = connect(f"sqlite:///{tmp_path / 'mlflow.db'}")
    from pyspark.sql import SparkSession, functions

    spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    try:
        frame = spark.read.parquet(str(place / "wide.parquet")).withColumn(
            "clinical:ecog", functions.lit(1).cast("bigint")
        )
        told = "probability double, decision string"
        udf = mlflow.pyfunc.spark_udf(spark, uri, env_manager="local", result_type=told)
        columns = [functions.col(f"`{c}`") for c in frame.columns]
        found = (
            frame.select("patient_id", udf(functions.struct(*columns)).alias("s"))
            .select("patient_id", "s.*")
            .toPandas()
        )
        wanted = mlflow.pyfunc.load_model(uri).predict(frame.toPandas())
        assert found.probability.tolist() == wanted.probability.tolist()
        assert found.decision.tolist() == wanted.decision.tolist()
        with pytest.raises(mlflow.MlflowException, match="optional columns"):
            udf()
        lost = frame.select(udf(*columns).alias("s")).select("s.*").toPandas()
        assert set(lost.decision) == {"rejected"}
    finally:
        spark.stop()
