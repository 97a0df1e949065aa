"""Score a long simulated table, Parquet to Parquet, beside bare xgboost; and one patient through the command line.

python experiments/benchmarks/scoring.py [--rows 100000 ...] [--pairs 5] [--cold 5]

Ours: `theracast.predict.batch.score_dataset`, one process, every row with interval, label set, decision, reason, notes
and provenance. Two peers, each `inplace_predict` after a read of the same file, all columns, a batch at a time:
``same_size``, one booster of as many trees of the same depth over as many features as all experts and replicas of the
model together; ``reference``, 500 trees of depth 6 over 200 features. The table has no 200 numeric columns: it is read
as it is, and its numeric columns are repeated, side by side, until they are 200. The time of that copy is not counted.
Ours and the peers alternate; medians of the pairs stand in ``scoring.csv``. All run in one thread, and CPU seconds are
compared: the load of the machine does not enter. The wall seconds of ours stand beside them.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import xgboost as xgb

from theracast.features.blocks.pathology import PROXY_SETS
from theracast.features.blocks.signatures import SignaturesBlock
from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.features.scores import HOUSEKEEPING
from theracast.models.base import ResponseModel
from theracast.models.storage import save_model

HERE = Path(__file__).parent
STUDIES = ("liu2019_mel", "riaz2017_mel", "hugo2016_mel", "mgh2022_mel")
AT_ONCE = 100_000
#: Trees, depth and features of the larger peer: row 10 of the reference timings.
REFERENCE = (500, 6, 200)
OURS = """
import json, sys, time
from pathlib import Path
from theracast.predict.batch import score_dataset
from theracast.predict.predictor import Predictor
predictor = Predictor.from_folder(sys.argv[1])
began, used = time.monotonic(), time.process_time()
account = score_dataset(sys.argv[2], sys.argv[3], predictor)
wall, used = time.monotonic() - began, time.process_time() - used
# the kernel counts in ru_maxrss what the parent held before this program began
peak = next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps({"wall": wall, "s": used, "mb": int(peak) // 1024,
                  "rows": account["rows_in"]}))
"""


def simulated(n: int, start: int) -> pd.DataFrame:
    """Make up patients with clinical, mutation, pathology and signature columns; cells are missing at random."""
    r = np.random.default_rng(start)

    def some(values: np.ndarray, missing: float) -> pd.Series:
        return pd.Series(values).mask(r.random(n) < missing)

    absent = r.random(n) < 0.3
    sets = dict.fromkeys((*SignaturesBlock.set_names(), *PROXY_SETS, HOUSEKEEPING))
    return pd.DataFrame(
        {
            "patient_id": [f"simulated-{i}" for i in range(start, start + n)],
            "clinical:age": some(r.normal(62, 12, n).clip(20, 100).round(1), 0.05),
            "clinical:sex": some(r.choice(["M", "F"], n), 0.02),
            "clinical:stage": some(r.choice(["III", "M1a", "M1b", "M1c"], n), 0.1),
            "clinical:ecog": some(r.integers(0, 4, n).astype(float), 0.2),
            "clinical:ldh": some(r.lognormal(5.4, 0.4, n).round().clip(60, 5000), 0.3),
            "clinical:ldh_unit": "U/L",
            "clinical:prior_ici": some(r.choice(["none", "CTLA4", "PD1"], n), 0.1),
            "clinical:ici_target": some(r.choice(["PD1", "PDL1", "CTLA4", "PD1+CTLA4"], n), 0.05),
            "clinical:cancer_type": "melanoma",
            "mutations:tmb": some(r.lognormal(2, 1, n).clip(0, 300).round(2), 0.3),
            "mutations:tmb_unit": "mut/Mb",
            "pathology:pdl1": some(r.integers(1, 100, n).astype(float), 0.5),
            "pathology:pdl1_unit": "22C3 TPS %",
            **{f"signatures:{s}": pd.Series(r.gamma(8, 0.13, n).astype(np.float32)).mask(absent) for s in sets},
        }
    )


def write_table(rows: int, path: Path) -> None:
    """Write a simulated table, a row group at a time."""
    out = None
    for start in range(0, rows, AT_ONCE):
        part = pa.Table.from_pandas(simulated(min(AT_ONCE, rows - start), start), preserve_index=False)
        out = out or pq.ParquetWriter(path, part.schema)
        out.write_table(part)
    if out:
        out.close()


def trained(learner: str, folder: Path) -> tuple[int, int]:
    """Train on the cohorts that ship with the package; say how many trees and features the model has in all."""
    model = ResponseModel("melanoma_ici", learner=learner).fit(Cohort.concat([load_cohort(s) for s in STUDIES]))
    save_model(model, folder)
    experts = [e for part in (model.fusion_.experts, *(e for e, _ in model.fusion_.replicas)) for e in part.values()]
    trees = sum(getattr(e, "rounds", 60) for e in experts)
    return trees, sum(len(e.features) for e in model.fusion_.experts.values())


def peer(trees: int, depth: int, features: int) -> xgb.Booster:
    """Fit a booster of a size to noise."""
    r = np.random.default_rng(0)
    data = xgb.DMatrix(r.normal(size=(2000, features)), label=r.integers(0, 2, 2000), nthread=1)
    return xgb.train({"max_depth": depth, "nthread": 1, "objective": "binary:logistic"}, data, trees)


def peer_seconds(booster: xgb.Booster, path: Path) -> float:
    """Read the file, all columns, and predict, a batch at a time; one thread."""
    booster.set_param({"nthread": 1})
    columns = [f.name for f in pq.read_schema(path) if pa.types.is_floating(f.type)]
    width, spent, began = booster.num_features(), 0.0, time.process_time()
    for batch in pq.ParquetFile(path).iter_batches(AT_ONCE, use_threads=False):
        known = np.column_stack([batch.column(c).to_numpy(zero_copy_only=False) for c in columns[:width]])
        copying = time.process_time()
        values = np.ascontiguousarray(np.tile(known, -(-width // known.shape[1]))[:, :width])
        spent += time.process_time() - copying
        booster.inplace_predict(values)
    return time.process_time() - began - spent


def ours(folder: Path, path: Path, sink: Path) -> dict[str, float]:
    """Score the file in a process of its own: its peak of memory is its own."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    call = [sys.executable, "-c", OURS, str(folder), str(path), str(sink)]
    done = subprocess.run(call, capture_output=True, text=True, check=True, env=env)
    return json.loads(done.stdout.splitlines()[-1])


def cold(folder: Path, where: Path, pairs: int) -> tuple[float, float, float]:
    """Time one row through the command line against the import of pandas and xgboost: wall times and their ratio."""
    simulated(1, 0).to_csv(where / "one.csv", index=False)
    score = [sys.executable, "-c", "from theracast.predict.cli import main; main()", "score", str(folder)]
    calls = ([*score, str(where / "one.csv"), "-o", str(where / "one.parquet")],
             [sys.executable, "-c", "import pandas, xgboost"])  # fmt: skip
    times: list[list[float]] = [[], []]
    for _ in range(pairs + 1):  # the first warms the caches
        for call, mine in zip(calls, times, strict=True):
            began = time.monotonic()
            subprocess.run(call, capture_output=True, check=True)
            mine.append(time.monotonic() - began)
    one, base = (statistics.median(t[1:]) for t in times)
    return one, base, statistics.median(a / b for a, b in zip(times[0][1:], times[1][1:], strict=True))


def main() -> None:
    """Run the jobs asked for and write ``scoring.csv``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--cold", type=int, default=5)
    parser.add_argument("--learners", nargs="+", default=["xgboost", "logistic"])
    parser.add_argument("--output", type=Path, default=HERE / "scoring.csv")
    asked = parser.parse_args()
    lines = []
    with tempfile.TemporaryDirectory() as scratch:
        where = Path(scratch)
        sizes = {learner: trained(learner, where / learner) for learner in asked.learners}
        for rows in asked.rows:
            write_table(rows, where / "wide.parquet")
            for learner, size in sizes.items():
                peers = {"same_size": peer(size[0], 2, size[1]), "reference": peer(*REFERENCE)}
                runs = []
                for k in range(asked.pairs):
                    found = ours(where / learner, where / "wide.parquet", where / "scores.parquet")
                    beside = {name: peer_seconds(booster, where / "wide.parquet") for name, booster in peers.items()}
                    runs.append((found, beside))
                    told = ", ".join(f"{name} {s:.2f} s" for name, s in beside.items())
                    print(f"{learner}, {rows} rows, {k + 1} of {asked.pairs}: {found['s']:.2f} s, {told}", flush=True)
                mine, wall = (statistics.median(f[k] for f, _ in runs) for k in ("s", "wall"))
                for name in peers:
                    other = statistics.median(b[name] for _, b in runs)
                    ratio = statistics.median(b[name] / f["s"] for f, b in runs)
                    seconds = [round(mine, 2), round(other, 2), round(ratio, 4), round(rows / mine)]
                    peak = max(f["mb"] for f, _ in runs)
                    about = [f"simulated table, {learner}", rows, name]
                    lines.append([*about, *seconds, peak, round(wall, 2), asked.pairs])
                    print(lines[-1], flush=True)
        if asked.cold:
            one, base, ratio = cold(where / asked.learners[0], where, asked.cold)
            lines.append(
                [
                    "one row from cold",
                    1,
                    "import pandas, xgboost",
                    round(one, 2),
                    round(base, 2),
                    round(ratio, 2),
                    "",
                    "",
                    "",
                    asked.cold,
                ]
            )
            print(lines[-1], flush=True)
    with asked.output.open("w", newline="") as file:
        head = ["job", "rows", "peer", "ours_s", "peer_s", "ratio", "rows_per_cpu_s", "peak_mb", "ours_wall_s", "pairs"]
        csv.writer(file).writerows([head, *lines])


if __name__ == "__main__":
    main()
