"""Time the kernels beside their peers: same process, alternating, medians of pairs, agreement checked first.

Each file of jobs/ is a family of jobs; without a name all of JOBS run. Written beside this file: results.csv (rows of
jobs that did not run now stay), README.md and scaling.png. A peer that is not installed skips its job.

Run: make bench, or make bench JOB=resample (a family or a job), or make bench JOB="set_means cgm", or
make bench JOB=compile (what the first call of each kernel costs).
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from compile_cost import main as compile_cost
from harness import COLUMNS, Disagreement
from page import write_page

HERE = Path(__file__).parent
#: Families, in the order of the table.
JOBS = (
    "set_means",
    "enrichment",
    "gsva",
    "tables",
    "diversity",
    "series",
    "resample",
    "survival",
    "treeshap",
    "space",
)
Job = Callable[[], list[dict]]


def family(name: str) -> dict[str, Job]:
    """Load the jobs of one family; a missing file or peer is said and skipped."""
    file = HERE / "jobs" / f"{name}.py"
    if not file.exists():
        print(f"{name}: no jobs/{name}.py yet, skipped")
        return {}
    spec = importlib.util.spec_from_file_location(f"jobs_{name}", file)
    if spec is None or spec.loader is None:
        raise ImportError(file)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except ModuleNotFoundError as error:
        print(f"{name}: {error.name} is not installed, skipped (requirements.txt names the peers)")
        return {}
    return module.jobs()


def chosen(names: list[str]) -> dict[str, Job]:
    """Find families and jobs by name."""
    families = {name: family(name) for name in JOBS}
    every = {job: call for jobs in families.values() for job, call in jobs.items()}
    found: dict[str, Job] = {}
    for name in names or JOBS:
        if name not in JOBS and name not in every:
            raise SystemExit(f"no job {name!r}; families: {', '.join(JOBS)}; jobs: {', '.join(every)}")
        found |= families.get(name) or ({name: every[name]} if name in every else {})
    return found


def merged(old: list[dict], new: list[dict], dropped: set[str]) -> list[dict]:
    """Put new rows in the place of the old rows of the same jobs; those that failed lose theirs."""
    order = list(dict.fromkeys(row["job"] for row in [*old, *new]))
    fresh = {row["job"] for row in new} | dropped
    return sorted([*(r for r in old if r["job"] not in fresh), *new], key=lambda row: order.index(row["job"]))


def main() -> None:
    """Run the jobs named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", nargs="*", metavar="JOB", help=f"family or job; families: {', '.join(JOBS)}")
    parser.add_argument("--page", action="store_true", help="only write README.md and scaling.png from results.csv")
    asked = parser.parse_args()
    if asked.job == ["compile"]:
        return compile_cost()
    jobs = {} if asked.page else chosen(asked.job)
    unlisted = sorted({f.stem for f in (HERE / "jobs").glob("*.py")} - set(JOBS))
    if unlisted:
        print(f"not in JOBS, never run: {', '.join(unlisted)}")
    rows: list[dict] = []
    wrong: list[str] = []
    dropped: set[str] = set()
    for i, (name, call) in enumerate(jobs.items(), start=1):
        print(f"[{i}/{len(jobs)}] {name} ...", end=" ", flush=True)
        begun = time.perf_counter()
        try:
            made = call()
        except ModuleNotFoundError as error:
            print(f"{error.name} is not installed, skipped")
            continue
        except Disagreement as error:
            print(f"WRONG: {error}")
            wrong.append(name)
            dropped.add(error.job)
            continue
        rows += made
        print(", ".join(f"{r['ratio']}x" for r in made), f"({time.perf_counter() - begun:.0f} s)")
    file = HERE / "results.csv"
    old = pd.read_csv(file).to_dict("records") if file.exists() else []
    results = pd.DataFrame(merged(old, rows, dropped), columns=list(COLUMNS))
    results.to_csv(file, index=False)
    write_page(HERE, results)
    print(f"wrote {file}, README.md and scaling.png")
    if wrong:
        sys.exit(f"differ from their peers, so have no speed: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
