"""What a core scores in a second, here and on local Spark, and what that means for very many patients: scale.md.

``python experiments/scale.py [ROWS ...]``: 100,000 and 1,000,000 rows by default; the patients are bundled ones, drawn
again with noise: simulated.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent
TRAINED, DRAWN = ("liu2019_mel", "riaz2017_mel", "hugo2016_mel", "mgh2022_mel"), "riaz2017_mel"
PATIENTS = 1_000_000_000
CORES = (100, 1_000, 10_000)

ONE = """
import sys, time, json
t = time.monotonic()
from theracast.predict.batch import score_dataset
from theracast.predict.predictor import Predictor
predictor = Predictor.from_folder(sys.argv[1])
start = time.monotonic() - t
t = time.monotonic()
account = score_dataset(sys.argv[2], sys.argv[3], predictor)
print(json.dumps({"start": start, "seconds": time.monotonic() - t, "account": account}))
"""
SPARK = """
import os, sys, time, json, warnings
warnings.simplefilter("ignore")
os.environ["PYSPARK_PYTHON"] = sys.executable
t = time.monotonic()
from pyspark.sql import SparkSession
spark = (SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
         .config("spark.driver.host", "127.0.0.1").config("spark.driver.memory", "2g").getOrCreate())
spark.sparkContext.setLogLevel("OFF")
start = time.monotonic() - t
from theracast.predict.spark import score_spark
t = time.monotonic()
scores = score_spark(sys.argv[2], sys.argv[1], spark=spark)
judge = time.monotonic() - t
account = scores.write(sys.argv[3])
print(json.dumps({"start": start, "judge": judge, "seconds": time.monotonic() - t, "account": account}))
spark.stop()
"""


def simulated(rows: int, place: Path) -> Path:
    """Draw bundled patients again, numbers with 2% noise, into Parquet files of 100,000 rows: simulated."""
    from theracast.features.datasets import load_cohort

    known = load_cohort(DRAWN).wide()
    known = known[[c for c in known if not c.startswith("expression:")]]
    rng = np.random.default_rng(20261126)
    place.mkdir()
    for first in range(0, rows, 100_000):
        n = min(100_000, rows - first)
        part = known.iloc[rng.integers(0, len(known), n)].reset_index(drop=True)
        noisy = [c for c in part if part[c].dtype.kind == "f" and c.startswith("signatures:")]
        part[noisy] = part[noisy] * rng.normal(1.0, 0.02, (n, len(noisy)))
        ids = pd.DataFrame({"patient_id": [f"simulated-{first + k}" for k in range(n)]})
        pq.write_table(
            pa.Table.from_pandas(pd.concat([ids, part], axis=1), preserve_index=False), place / f"{first:09d}.parquet"
        )
    return place


def measured(script: str, *arguments: object) -> dict:
    """Run a script in a process of its own; sum up memory and processor time of it and of what it started."""
    peak, spent = 0, {}
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with tempfile.TemporaryFile("w+") as said:
        running = subprocess.Popen(
            [sys.executable, "-c", script, *map(str, arguments)], stdout=said, stderr=subprocess.DEVNULL, env=environ
        )
        tree = psutil.Process(running.pid)
        while running.poll() is None:
            held = 0
            for process in [tree, *_children(tree)]:
                try:
                    held += process.memory_info().rss
                    spent[process.pid] = sum(process.cpu_times()[:2])
                except psutil.Error:
                    continue
            peak = max(peak, held)
            time.sleep(0.25)
        said.seek(0)
        lines = said.read().splitlines()
    if running.returncode:
        sys.exit(f"a run failed with {running.returncode}")
    return {**json.loads(lines[-1]), "cpu": sum(spent.values()), "peak_mb": peak / 1e6}


def _children(tree: psutil.Process) -> list[psutil.Process]:
    try:
        return tree.children(recursive=True)
    except psutil.Error:
        return []


def size(place: Path) -> int:
    return sum(f.stat().st_size for f in place.rglob("*.parquet")) if place.is_dir() else place.stat().st_size


def same(one: Path, other: Path) -> bool:
    """Whether one process and Spark gave the same bits, patient by patient."""
    columns = ["patient_id", "probability", "lower", "upper", "decision", "provenance"]
    pair = [pd.read_parquet(p, columns=columns).sort_values("patient_id").reset_index(drop=True) for p in (one, other)]
    return pair[0].equals(pair[1])


def run(rows: int, folder: Path, model: Path) -> dict:
    wide = simulated(rows, folder / f"wide-{rows}")
    one = measured(ONE, model, wide, folder / f"one-{rows}.parquet")
    many = measured(SPARK, model, wide, folder / f"spark-{rows}")
    out = folder / f"spark-{rows}"
    return {
        "rows": rows,
        "columns": len(pq.read_schema(next(wide.glob("*.parquet"))).names),
        "in_bytes": size(wide),
        "out_bytes": size(folder / f"one-{rows}.parquet"),
        "spark_out_bytes": size(out),
        "one": one,
        "spark": many,
        "same": same(folder / f"one-{rows}.parquet", out),
    }


def page(runs: list[dict], machine: dict) -> str:
    table = [
        "| rows | how | start, s | judge, s | score and write, s | processor, s | rows per such second | peak, MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for r in runs:
        for name, how in (("one", "one process"), ("spark", "Spark local[2]")):
            m = r[name]
            judge = m.get("judge", 0.0)
            table.append(
                f"| {r['rows']:,} | {how} | {m['start']:.1f} | {judge:.1f} | {m['seconds'] - judge:.1f} | "
                f"{m['cpu']:.0f} | {r['rows'] / m['cpu']:,.0f} | {m['peak_mb']:,.0f} |"
            )
    last = runs[-1]
    rate, own = (last["rows"] / last[name]["cpu"] for name in ("spark", "one"))
    into, out = last["in_bytes"] / last["rows"], last["spark_out_bytes"] / last["rows"]
    plan = ["| cores | hours, at the rate of Spark | hours, at the rate of one process |", "|---|---|---|"]
    plan += [f"| {c:,} | {PATIENTS / rate / c / 3600:.2f} | {PATIENTS / own / c / 3600:.2f} |" for c in CORES]
    accounts = [{k: r["spark"]["account"][k] for k in ("rows_in", "scored", "abstained", "rejected")} for r in runs]
    agreed = all(r["same"] for r in runs)
    return f"""# Scale: from here to a thousand million patients

Generated by `python experiments/scale.py {" ".join(str(r["rows"]) for r in runs)}`; do not edit.

All rows are **simulated**: the {DRAWN} patients that ship with the package, drawn again with 2% noise on their
signatures, {last["columns"]} columns. The model is real: `melanoma_ici`, logistic, trained on {", ".join(TRAINED)}.

## Measured

{machine["when"]}, {machine["cpu"]}, {machine["cores"]} cores, {machine["memory"]:.0f} GB, {machine["system"]}; Python
{machine["python"]}, Spark {machine["spark"]}. One thread per process. Load
{machine["load"]:.1f} on {machine["cores"]} cores when the runs began: above 1, times on the clock say little. What a
core does is read from the processor time of all processes of a run together, start, JVM and judging included.

{chr(10).join(table)}

"Start" is imports and loading (one process), or the JVM (Spark); a Python worker of Spark loads the model once more,
which is inside "score and write". Memory and processor time are
those of all processes together, the JVM (2 GB heap) included. "Judge"
counts rows and repeats and asks the rules about whole columns, on the driver, of at most 50,000 rows.

- Probabilities, intervals, decisions and provenance of both ways, patient by patient:
  {"equal to the last bit, all rows" if agreed else "**NOT EQUAL**"}.
- Fates on Spark: {"; ".join(json.dumps(a) for a in accounts)}.
- Bytes: {into:,.0f} in and {out:,.0f} out per patient (Parquet, {last["rows"]:,} rows).

## Extrapolated, not run: 10^9 patients

Rows are scored one by one, so that work grows with their number; what stays on the driver does not. At the rates of
the {last["rows"]:,} rows above ({rate:,.0f} rows per processor second on Spark, {own:,.0f} in one process), on cores of
this kind that do nothing else:

{chr(10).join(plan)}

- **Input** {PATIENTS * into / 1e9:,.0f} GB, **output** {PATIENTS * out / 1e9:,.0f} GB of Parquet. The input is
  read four times: whole numbers and counts (their columns only), ids, the rows that the driver judges (all columns, one
  filter), scores.
- **Shuffle**: ids only, to find repeats: at most {PATIENTS * 24 / 1e9:,.0f} GB (24 bytes a row, before compression);
  Spark counts within a partition first. Rows move only for patients who stand there more than once
  ({into:,.0f} bytes each): with 1% of them {PATIENTS * 0.02 * into / 1e9:,.0f} GB. Above 2 million repeated
  ids all rows are shuffled, {PATIENTS * into / 1e9:,.0f} GB.
- **Memory** of an executor: a Python worker per core with the model and one batch of rows
  (`spark.sql.execution.arrow.maxRecordsPerBatch`, 10,000): it does not grow with the rows.
- **Start** is paid once per Python worker, a few seconds: with partitions of 1,000,000 rows it is lost in the noise.
- What this does not know: the network and the store of a cluster, stragglers, spot machines taken away (Spark does the
  lost partitions again; a partition that is scored twice gives the same bytes).
- With more than 50,000 rows a column in a wrong unit is found in about 50,000 of them, picked by a digest of the id.

## On a cluster

Where theracast is installed by name, `theracast score MODEL s3a://.../wide -o s3a://... --engine spark` under
`spark-submit`, or `score_spark(frame, model).write(address)` in a notebook. Where it is not, send the wheel **as
`.zip`** (`cp theracast-0.1.0-py3-none-any.whl theracast.zip; spark-submit --py-files theracast.zip`): Spark puts no
`.whl` on the path. Dependencies must be there. Kernels then compile once in each Python worker (no cache).

`mlflow.pyfunc.spark_udf` works too, with **all columns in one struct**:

```python
from pyspark.sql import functions as F

told = "probability double, lower double, upper double, decision string, reason string"
udf = mlflow.pyfunc.spark_udf(spark, "models:/melanoma_ici@champion", env_manager="local", result_type=told)
scored = frame.select("patient_id", udf(F.struct(*[F.col(f"`{{c}}`") for c in frame.columns])).alias("s"))
scored = scored.select("patient_id", "s.*")
```

Without arguments MLflow refuses ("optional columns"); columns one by one lose their names, and every row comes back
rejected. It judges repeats and whole columns batch by batch: use it for rows that are known to be clean.
"""


def main() -> None:
    rows = [int(a) for a in sys.argv[1:]] or [100_000, 1_000_000]
    from importlib.metadata import version

    from theracast.features.cohort import Cohort
    from theracast.features.datasets import load_cohort
    from theracast.models.base import ResponseModel
    from theracast.models.storage import save_model

    cpu = next(
        (line.split(": ")[1] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), ""
    )
    machine = {
        "when": datetime.now(UTC).date().isoformat(),
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory": psutil.virtual_memory().total / 1e9,
        "system": platform.platform(),
        "python": platform.python_version(),
        "spark": version("pyspark"),
        "load": os.getloadavg()[0],
    }
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        cohort = Cohort.concat([load_cohort(n) for n in TRAINED])
        save_model(ResponseModel("melanoma_ici").fit(cohort), folder / "model")
        runs: list[dict] = []
        for n in rows:
            runs.append(run(n, folder, folder / "model"))
            (HERE / "scale.md").write_text(page(runs, machine))  # what is measured stands, whatever comes later
            print(json.dumps(runs[-1]), flush=True)


if __name__ == "__main__":
    main()
