"""Spark: the same artifact, the same bits, whatever the partitions. Local, with the JVM of this machine."""

import shutil
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from service import choice_predictor

from theracast.errors import DataError, ModelError, UsageError
from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.models.recalibration import Recalibration
from theracast.models.storage import save_model, save_selection
from theracast.predict.predictor import Predictor
from theracast.predict.spark import score_spark
from theracast.predict.spark_task import Parcel, aligned
from theracast.predict.therapies import SelectionPredictor

pytest.importorskip("pyspark", reason="pyspark is not installed: pip install 'theracast[spark]'")
pytestmark = [
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # py4j leaves its sockets to the end
    pytest.mark.filterwarnings("ignore::DeprecationWarning:pyspark.*"),
]


@pytest.fixture(scope="module")
def spark():
    if not shutil.which("java") or subprocess.run(["java", "-version"], capture_output=True, check=False).returncode:
        pytest.skip("no java: Spark needs Java 17")
    from pyspark.sql import SparkSession

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        warnings.simplefilter("ignore")
        session = (
            SparkSession.builder.master("local[2]")
            .config("spark.ui.enabled", "false")
            .config("spark.driver.host", "127.0.0.1")
            .config("spark.sql.shuffle.partitions", "3")
            .config("spark.sql.execution.arrow.maxRecordsPerBatch", "40")
            .getOrCreate()
        )
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    cohort = Cohort.concat([load_cohort("liu2019_mel"), load_cohort("riaz2017_mel")])
    save_model(ResponseModel(learner="xgboost").fit(cohort), folder)
    return folder


@pytest.fixture(scope="module")
def wide():
    """Bundled patients, and rows of every fate: refused, identical repeats, a conflict, no id."""
    cohorts = [load_cohort(n).wide().reset_index() for n in ("mgh2022_mel", "riaz2017_mel", "hugo2016_mel")]
    table = pd.concat([c.assign(patient_id=[f"{k}.{i}" for i in c.patient_id]) for k, c in enumerate(cohorts)])
    genes = [c for c in table if c.startswith("expression:")][5:]
    table = table.drop(columns=genes).reset_index(drop=True)  # a plan of thousands of columns takes Spark a while
    table["clinical:ecog"] = pd.array([1] * (len(table) - 1) + [None], dtype="Int64")
    table.loc[3, "clinical:age"] = -1.0
    odd = [table.iloc[[5, 5]], table.iloc[[6]].assign(**{"clinical:age": 44.0}), table.iloc[[7]].assign(patient_id=" ")]
    spaced = table.iloc[[8]].assign(patient_id=f" {table.patient_id[8]}\t")
    return pd.concat([table, *odd, spaced, table.iloc[[9]].assign(patient_id=None)]).reset_index(drop=True)


#: Of the bundled cohorts.
UNITS = {"expression": "log2(TPM+1)"}


def single(folder, wide, **options):
    """What one process says, without the row numbers that a table without an order does not have."""
    lines = (
        Predictor.from_folder(folder, uri=str(folder)).score(Cohort.from_wide(wide, units=UNITS), **options).aligned()
    )
    times = lines.groupby("patient_id").patient_id.transform("size")
    again = (times > 1) & (lines.decision != "rejected")
    plain = lines.notes.str.replace(r"(; )?same as row \d+$", "", regex=True)
    lines["notes"] = plain.mask(again, plain + "; one of " + times.astype(str) + " identical rows")
    return sorted_lines(lines.assign(notes=lines.notes.str.removeprefix("; ")))


def sorted_lines(lines):
    return lines.sort_values(["patient_id", "reason"], kind="stable").reset_index(drop=True)


def given(spark, wide, tmp_path, parts=3):
    """As Spark meets data: files of Parquet."""
    place = tmp_path / f"wide-{parts}"
    place.mkdir()
    for k, rows in enumerate(np.array_split(np.arange(len(wide)), parts)):
        wide.iloc[rows].to_parquet(place / f"{k}.parquet", index=False)
    return spark.read.parquet(str(place))


def same_bits(one, other):
    assert one.columns.tolist() == other.columns.tolist()
    for column in one:
        pairs = zip(one[column], other[column], strict=True)
        assert all((pd.isna(a) and pd.isna(b)) or a == b for a, b in pairs), column


@pytest.mark.parametrize("parts", [1, pytest.param(4, marks=pytest.mark.nightly)])
def test_a09_numbers_fates_and_reasons_are_those_of_one_process(spark, folder, wide, tmp_path, parts):
    shuffled = wide.sample(frac=1.0, random_state=parts)
    result = score_spark(given(spark, shuffled, tmp_path, parts).repartition(parts), folder, units=UNITS)
    found = sorted_lines(result.frame.toPandas())
    wanted = single(folder, wide)
    same_bits(found, wanted)
    assert found.decision.value_counts()["rejected"] >= 5
    assert found.probability.notna().sum() > 100
    assert found.notes.str.contains("one of 3 identical rows").sum() == 3
    fates = Predictor.from_folder(folder).score(Cohort.from_wide(wide, units=UNITS)).account()
    assert result.account() == fates


def test_the_two_kinds_of_parts_are_scored_whatever_the_batches(folder, wide):
    """A rule about a whole column, broken by chance in a part of the rows, refuses the rows that the whole refuses."""
    plain = wide.iloc[:-5].drop_duplicates("patient_id").reset_index(drop=True)  # each patient once
    plain["mutations:tmb"], plain["mutations:tmb_unit"] = 5.0, "mut/Mb"
    plain.loc[plain.index[:40], "mutations:tmb"] = 450.0  # above what mut/Mb can be, a minority of all
    predictor = Predictor.from_folder(folder)
    whole = predictor.score(Cohort.from_wide(plain, units=UNITS)).aligned()
    assert (whole.decision == "rejected").sum() >= 40
    with pytest.raises(DataError, match="THX-D16"):
        predictor.score(Cohort.from_wide(plain.iloc[:60], units=UNITS))
    parts = [aligned(predictor, plain.iloc[k : k + 60], UNITS) for k in range(0, len(plain), 60)]
    same_bits(sorted_lines(pd.concat(parts)), sorted_lines(whole))


def test_a_column_that_is_wrong_as_a_whole_stops_the_job_before_anything_is_scored(spark, folder, wide, tmp_path):
    table = wide.assign(**{"mutations:tmb": 350.0, "mutations:tmb_unit": "mut/Mb"})
    frame = given(spark, table, tmp_path)
    with pytest.raises(DataError, match=r"THX-D16.*mutations:tmb"):
        score_spark(frame, folder, units=UNITS)
    with pytest.raises(DataError, match=r"THX-D16.*mutations:tmb"):
        score_spark(frame, folder, units=UNITS, judged=60)


def test_what_is_written_is_counted(spark, folder, wide, tmp_path):
    place = tmp_path / "wide.parquet"
    wide.to_parquet(place, index=False)
    result = score_spark(str(place), folder, spark=spark, units=UNITS)
    account = result.write(str(tmp_path / "scores"))
    assert account["rows_in"] == len(wide) == sum(v for k, v in account.items() if k != "rows_in")
    assert len(pd.read_parquet(tmp_path / "scores")) == len(wide)
    with pytest.raises(ModelError, match="THX-S01"):
        type(result)(result.frame.limit(5), len(wide)).account()


def test_A09_a_choice_between_therapies_has_the_ranks_of_one_process(spark, tmp_path):
    """SIMULATED patients; ranks, therapies and refusals, patient by patient."""
    save_selection(choice_predictor().model, tmp_path / "choice")
    rng = np.random.default_rng(2)
    table = pd.DataFrame({"patient_id": [f"simulated-{k}" for k in range(60)], "clinical:age": rng.uniform(20, 80, 60)})
    table.loc[4, "clinical:age"] = -1.0
    table.loc[5, "clinical:age"] = None
    table = pd.concat([table, table.iloc[[7]].assign(**{"clinical:age": 44.0})], ignore_index=True)  # a conflict
    result = score_spark(given(spark, table, tmp_path), tmp_path / "choice")
    predictor = SelectionPredictor.from_folder(tmp_path / "choice", uri=str(tmp_path / "choice"))
    whole = predictor.rank(Cohort.from_wide(table))
    wanted, found = sorted_lines(whole.aligned()), sorted_lines(result.frame.toPandas())
    same_bits(found, wanted)
    assert {"ranked", "rejected"} <= set(found.decision)
    assert {"etanercept", "rituximab"} <= set(found.therapy)
    assert result.account() == whole.account()
    with pytest.raises(UsageError, match="not recalibrated"):
        score_spark(given(spark, table, tmp_path, 2), tmp_path / "choice", site=Recalibration(0.5))


@pytest.mark.nightly
def test_only_repeats_when_every_row_must_be_shuffled(spark, folder, wide, tmp_path, monkeypatch):
    monkeypatch.setattr("theracast.predict.spark._SENT", 0)
    found = sorted_lines(score_spark(given(spark, wide, tmp_path), folder, units=UNITS).frame.toPandas())
    same_bits(found, single(folder, wide))


def test_what_is_known_of_a_site_moves_the_same_bits(spark, folder, wide, tmp_path):
    site = Recalibration.from_rate(0.4, 0.2)
    found = sorted_lines(score_spark(given(spark, wide, tmp_path), folder, units=UNITS, site=site).frame.toPandas())
    same_bits(found, single(folder, wide, site=site))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda t: t.drop(columns="patient_id"), "THX-D17"),
        (lambda t: t.assign(patient_id=np.arange(len(t)) / 2), "THX-D17"),
        (lambda t: t[["patient_id"]].assign(age=1), "THX-D33"),
    ],
    ids=["no ids", "ids of fractions", "no table"],
)
def test_a_table_of_another_shape_is_refused(spark, folder, wide, tmp_path, change, code):
    with pytest.raises(DataError, match=code):
        score_spark(given(spark, change(wide), tmp_path), folder, units=UNITS)


def test_the_scale_of_expression_is_declared_and_csv_is_not_read(spark, folder, wide, tmp_path):
    with pytest.raises(DataError, match="THX-D05"):
        score_spark(given(spark, wide, tmp_path), folder)
    with pytest.raises(UsageError, match="Spark reads Parquet"):
        score_spark(str(tmp_path / "wide.csv"), folder)


def test_a_parcel_that_changed_is_refused_and_leaves_nothing(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    parcel = Parcel.of(folder)
    files = dict(parcel.files)
    name = max(files, key=lambda n: len(files[n]))
    files[name] = files[name].replace(b"1", b"2", 1)
    with pytest.raises(ModelError, match=r"THX-R05.*on its way"):
        Parcel(files, parcel.digest).open()
    sound = parcel.open()
    assert sound is parcel.open()
    assert not list(tmp_path.iterdir())
