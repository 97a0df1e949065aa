"""Scores on Spark: the same artifact, the same numbers, on as many machines as there are."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from theracast.errors import DataError, ModelError, SetupError, UsageError
from theracast.features.cohort import Cohort
from theracast.models.recalibration import AS_TRAINED, Recalibration
from theracast.predict.predictor import Predictor
from theracast.predict.registry import fetch_model
from theracast.predict.rows import usable_rows
from theracast.predict.spark_task import Parcel, Task, aligned
from theracast.predict.therapies import SelectionPredictor

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

#: Rows from which the driver judges what concerns a whole column.
JUDGED = 50_000
#: Repeated ids that are sent to every executor; where there are more, all rows are shuffled.
_SENT = 2_000_000
#: Rows of repeated patients that are judged in one part.
_PART = 20_000
_NUMBERS = frozenset({"probability", "lower", "upper", "gain"})
#: White space as Python strips it from ids.
_STRIP = r"(?U)^\s+|\s+$"


@dataclass(frozen=True)
class SparkScores:
    """Scores that Spark computes when they are asked for, and how many rows they must have.

    Attributes
    ----------
    frame : pyspark.sql.DataFrame
        One line per row read, as `theracast.predict.records.Scores.aligned`; refused rows have the decision
        ``rejected`` and a reason that begins with its code. Unknown numbers are null.
    rows_in : int
        How many rows were read.

    Examples
    --------
    >>> SparkScores(None, 5).rows_in
    5
    """

    frame: DataFrame
    rows_in: int

    def account(self) -> dict[str, int]:
        """Count the fates; this scores all rows.

        Returns
        -------
        dict of str to int
            ``rows_in``, ``scored``, ``abstained``, ``rejected``.

        Raises
        ------
        ModelError
            THX-S01 when they do not add up.

        Examples
        --------
        >>> callable(SparkScores.account)
        True
        """
        return _account(self.frame, self.rows_in)

    def write(self, path: str) -> dict[str, int]:
        """Write a folder of Parquet files, and count the fates in what was written.

        Parameters
        ----------
        path : str
            Any address that Spark can write; nothing may be there yet.

        Returns
        -------
        dict of str to int
            As `account`.

        Raises
        ------
        ModelError
            THX-S01 when a row was lost on the way: the folder is not to be used.

        Examples
        --------
        >>> callable(SparkScores.write)
        True
        """
        self.frame.write.mode("error").parquet(path)
        return _account(self.frame.sparkSession.read.parquet(path), self.rows_in)


def score_spark(
    source: DataFrame | str,
    model: str | Path,
    *,
    spark: SparkSession | None = None,
    tracking: str | None = None,
    units: Mapping[str, str] | None = None,
    site: Recalibration = AS_TRAINED,
    judged: int = JUDGED,
) -> SparkScores:
    """Score a wide table on Spark: numbers, fates and reasons are those of one process, whatever the partitions.

    The driver loads and checks the model, judges the columns as a whole on `judged` rows picked by their ids, and
    counts rows and repeated ids. Executors get the bytes of the model by broadcast, check their digest, and load it
    once per Python worker. Rows of patients who stand there once are never shuffled; those of others are brought
    together, so that identical rows are scored alike and different ones refused. The source is read four times; it
    must not change in between.

    Parameters
    ----------
    source : pyspark.sql.DataFrame or str
        Wide: ``patient_id`` (text or whole numbers) and columns ``<table>:<column>``; or the address of Parquet files.
    model : str or Path
        As `theracast.predict.registry.load_any`; an alias is pinned to its version here.
    spark : pyspark.sql.SparkSession, optional
        For an address; the active one by default, or a local one.
    tracking : str, optional
        As in `theracast.predict.store.store_uri`.
    units : mapping of str to str, optional
        Declared units; that of ``expression`` must be declared where there are columns of it.
    site : Recalibration, optional
        As in `Predictor.score`.
    judged : int, default 50,000
        With this many rows or fewer the verdict on whole columns is that of one process; with more it is that on
        about so many of them.

    Returns
    -------
    SparkScores
        Nothing is scored before it is asked for.

    Raises
    ------
    DataError
        What the table is refused for: THX-D17 no column of ids, THX-D03 a column twice, THX-D05 expression without a
        unit, THX-D16 a column in another unit.
    ModelError
        As `theracast.predict.registry.load_any`.
    SetupError
        THX-S06 when pyspark is missing.
    UsageError
        When a choice between therapies is to be moved to a site.

    Examples
    --------
    >>> callable(score_spark)
    True
    """
    functions = _pyspark()
    folder, number = fetch_model(str(model), tracking)
    parcel = Parcel.of(folder, str(model), number)
    predictor = parcel.open()
    if isinstance(predictor, SelectionPredictor) and site is not AS_TRAINED:
        raise UsageError("a choice between therapies is not recalibrated", fix="Leave the site out.")
    frame = _opened(source, spark) if isinstance(source, str) else source
    units = dict(units or {})
    _columns(frame, units)
    frame = _keyed(frame, functions)
    rows, frame, loose = _typed(frame, functions)
    empty = aligned(predictor, pd.DataFrame({c: pd.Series(dtype=object) for c in frame.columns}), units, site)
    schema = pa.schema([pa.field(str(c), _kind(str(c))) for c in empty.columns])
    _judge(predictor, frame, rows, judged, units, loose, functions)
    sent = frame.sparkSession.sparkContext.broadcast(parcel)
    task = Task(sent, schema, units, site, loose)
    shape = ", ".join(f"`{f.name}` {'double' if f.type == pa.float64() else 'string'}" for f in schema)
    parts = [part.mapInArrow(how, shape) for part, how in _parted(frame, task, functions)]
    return SparkScores(reduce(lambda a, b: a.unionByName(b), parts), rows)


def _pyspark() -> Any:
    try:
        from pyspark.sql import functions
    except ImportError:
        raise SetupError(
            "pyspark is not installed", code="THX-S06", fix="pip install 'theracast[spark]'; it needs Java 17."
        ) from None
    return functions


def _opened(address: str, spark: SparkSession | None) -> DataFrame:
    from pyspark.sql import SparkSession

    if address.endswith((".csv", ".tsv", ".txt", ".gz")):
        raise UsageError(
            "Spark reads Parquet here", where=address, fix="Give a DataFrame of your own, or leave out --engine spark."
        )
    # a local Spark starts "python3" of the path otherwise, where theracast may not be
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    spark = spark or SparkSession.builder.appName("theracast").getOrCreate()
    return spark.read.parquet(address)


def _columns(frame: DataFrame, units: Mapping[str, str]) -> None:
    """Refuse what is wrong with the names, before anything is read."""
    names = frame.columns
    if len(set(names)) < len(names):
        raise DataError("columns occur more than once", code="THX-D03", where="wide table", fix="Keep one of each.")
    kind = dict(frame.dtypes).get("patient_id", "")
    if kind not in ("string", "tinyint", "smallint", "int", "bigint"):
        raise DataError(
            "the table has no ids of patients",
            code="THX-D17",
            where="wide table",
            got=f"column patient_id of type {kind}" if kind else "no column patient_id",
            wanted="a column patient_id of text or whole numbers",
        )
    if not any(":" in name for name in names):
        raise DataError(
            "no column is named <table>:<column>",
            code="THX-D33",
            where="wide table",
            got=f"{len(names)} columns",
            fix="Name columns like clinical:age, expression:CD274 or signatures:Ayers_IFNg18.",
        )
    if "expression" not in units and any(name.startswith("expression:") for name in names):
        raise DataError(
            "the scale of expression is not declared",
            code="THX-D05",
            where="wide table",
            fix="Declare it: --unit expression=TPM, or 'log2(TPM+1)'.",
        )


def _named(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _keyed(frame: DataFrame, functions: Any) -> DataFrame:
    key = functions.coalesce(functions.regexp_replace(functions.col("patient_id").cast("string"), _STRIP, ""),
                             functions.lit(""))  # fmt: skip
    wanted = ["patient_id", *(c for c in frame.columns if ":" in c)]
    return frame.select(*(functions.col(_named(c)) for c in wanted)).withColumn("patient_id", key)


def _typed(frame: DataFrame, functions: Any) -> tuple[int, DataFrame, tuple[str, ...]]:
    """Count the rows, and give whole numbers the type of the whole column: with an empty cell anywhere, double."""
    kinds = dict(frame.dtypes)
    whole = [c for c, t in kinds.items() if t in ("tinyint", "smallint", "int", "bigint", "boolean")]
    counts = [functions.count(functions.lit(1))]
    counts += [functions.count(functions.col(_named(c))) for c in whole]
    (found,) = frame.agg(*(c.alias(f"n{k}") for k, c in enumerate(counts))).collect()
    rows, *known = found
    gaps = {c for c, n in zip(whole, known, strict=True) if n < rows}
    cast = [
        functions.col(_named(c)).cast("double").alias(c) if c in gaps and t != "boolean" else functions.col(_named(c))
        for c, t in kinds.items()
    ]
    return int(rows), frame.select(*cast), tuple(c for c in gaps if kinds[c] == "boolean")


def _judge(
    predictor: Predictor | SelectionPredictor,
    frame: DataFrame,
    rows: int,
    judged: int,
    units: Mapping[str, str],
    loose: tuple[str, ...],
    functions: Any,
) -> None:
    """Ask the rules about whole columns, as one process would, of all rows or of some picked by their ids."""
    some = frame
    if rows > judged:
        # by a digest of the id: neither the order of the rows nor their partitions pick others
        mark = functions.pmod(functions.xxhash64("patient_id"), functions.lit(1_000_000))
        some = frame.where(mark < int(1_000_000 * judged / rows) + 1)
    seen = some.toArrow().to_pandas() if hasattr(some, "toArrow") else some.toPandas()
    if len(seen):
        seen = seen.astype(dict.fromkeys(loose, object))
        cohort = Cohort.from_wide(seen, name="wide", units=units)
        model = predictor.model
        problems = model.check(cohort) if isinstance(predictor, SelectionPredictor) else model.assembler_.check(cohort)
        usable_rows(cohort, problems)  # raises what concerns a column as a whole


def _parted(frame: DataFrame, task: Task, functions: Any) -> list[tuple[DataFrame, Any]]:
    """Part the rows of patients who stand there once from those of others, and say how each is scored."""
    id_ = functions.col("patient_id")
    counts = frame.where(id_ != "").groupBy("patient_id").count().where(functions.col("count") > 1)
    (total,) = counts.agg(functions.count(functions.lit(1)), functions.sum("count")).collect()
    again, lines = int(total[0]), int(total[1] or 0)
    if not again:
        return [(frame, task.batches)]
    pieces = max(1, -(-lines // _PART))
    if again > _SENT:
        rows = frame.repartition(max(pieces, frame.rdd.getNumPartitions()), "patient_id")
        return [(rows, task.partition)]
    ids = functions.broadcast(counts.select("patient_id"))
    once = frame.join(ids, "patient_id", "left_anti").select(*(functions.col(_named(c)) for c in frame.columns))
    others = frame.join(ids, "patient_id", "left_semi").select(*(functions.col(_named(c)) for c in frame.columns))
    return [(once, task.batches), (others.repartition(pieces, "patient_id"), task.partition)]


def _account(frame: DataFrame, rows_in: int) -> dict[str, int]:
    found = {r["decision"]: int(r["count"]) for r in frame.groupBy("decision").count().collect()}
    rejected, abstained = found.pop("rejected", 0), found.pop("abstain", 0)
    scored = sum(found.values())
    if scored + abstained + rejected != rows_in:
        raise ModelError(
            "rows were lost",
            code="THX-S01",
            got=f"{scored} scored + {abstained} abstained + {rejected} rejected",
            wanted=f"{rows_in} rows",
            fix="The source changed while it was read: score a copy that stands still.",
        )
    return {"rows_in": rows_in, "scored": scored, "abstained": abstained, "rejected": rejected}


def _kind(column: str) -> pa.DataType:
    return pa.float64() if column in _NUMBERS or column.startswith("coverage_") else pa.string()
