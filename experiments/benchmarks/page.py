"""The page of the benchmarks: the table, the scaling curves and the cost of compiling, from their CSV files."""

from __future__ import annotations

import math
import platform
import re
from pathlib import Path

import numpy as np
import pandas as pd
from harness import threads

COLUMNS = ("job", "size", "ours", "peer", "theirs", "ratio (min-max)", "goal", "differs by", "MB ours / peer")
#: The goal for a first call from the cache, in seconds.
WARM = 0.3
#: Why a job may stay below its goal; said where it does.
_FEW = "With few samples, starting two threads per kernel, reading and checking the table cost more than the work"
WHY: dict[str, str] = {
    "ssgsea": "With few sets, ranking 20,000 genes is most of the time, whatever is scored; with 1,000, finding the "
    "names of their genes is a third. Promised were 300 x 50 and 100 x 1,000.",
    "aucell": "The promise rests on a time of the peer taken on a loaded machine, many times what it takes here.",
    "gsva_exact": "Promised was 300 samples: the exact form saves what grows with their square.",
    "gsva_decoupler": "Promised was a ratio seen on another machine, at 50 samples.",
    "KNN imputation": "Three matrix products, scikit-learn's to the bit so that ties break alike, are over half of our "
    "time.",
    "dosages": "Making a float64 of a byte takes longer than reading it, and the check that no dosage is above 2 is a "
    "read of its own: three passes.",
    "auc bootstrap": "A draw of scikit-learn hardly costs more for more patients, ours does. Promised was n = 1,000.",
    "treeshap": f"{_FEW}. Promised was 1,000 rows.",
    "IPCW Brier": "Its weights are a Kaplan-Meier curve, which takes most of the time, as above.",
    "Bray-Curtis": f"{_FEW}.",
    "treeshap_fast": "This peer takes less than half of xgboost's time; promised was a ratio beside xgboost and shap.",
    "treeshap_pairs_woodelf": "Within the spread of the pairs.",
    "cross-K": f"{_FEW}.",
    "concordance": f"{_FEW}.",
    "cgm metrics": f"{_FEW}.",
    "Kaplan-Meier": "A sort of one column: reading, checking and building the table cost more, in both programs.",
    "UniFrac": "With few samples, reading the tree and matching names costs more than the distances.",
    "weighted UniFrac": "With few samples, reading the tree and matching names costs more than the distances.",
}
#: Goals in seconds of ours, at the largest size, where a ratio would say little.
LIMITS = {"cgm all metrics": 0.3}
_COUNT = re.compile(r"(\d[\d,_]*(?:\.\d+)?)\s*([kM]?)(?![A-Za-z])")


def write_page(folder: Path, results: pd.DataFrame) -> None:
    """Write README.md and scaling.png beside results.csv; compile.csv is added where there is one."""
    judged = results[results["goal"].notna()]
    below = judged[judged["ratio"] < judged["goal"]]
    parts = [
        "# Benchmarks",
        "Written by `make bench`; simulated input. Ours and the peer alternate in one process with the same number of "
        "threads; agreement is checked before anything is timed. Seconds and ratios (peer / ours) are medians over the "
        "pairs. MB: by how much the process grew at most.",
        f"This page: {machine()}.",
        f"**{len(judged) - len(below)} of {len(judged)} rows reach their goal.**",
        *(["Below it:", "\n".join(missed(below))] if len(below) else []),
        *limited(results),
        table([cells(r) for _, r in results.iterrows()], COLUMNS),
        "![seconds against samples](scaling.png)",
    ]  # fmt: skip
    cost = folder / "compile.csv"
    if cost.exists():
        parts += ["## First calls", compile_section(pd.read_csv(cost, keep_default_na=False))]
    (folder / "README.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    draw(results, folder / "scaling.png")


def missed(below: pd.DataFrame) -> list[str]:
    """Say by how much each job misses its goal, and why."""
    lines = []
    for job, rows in below.groupby("job", sort=False):
        sizes = "; ".join(f"{r.size.split(' (')[0]}: {r.ratio:g} of {r.goal:g}" for r in rows.itertuples())
        lines.append(f"- {job}, {sizes}. {WHY.get(str(job), 'Not explained yet.')}")
    return lines


def limited(results: pd.DataFrame) -> list[str]:
    """Hold the largest size of some jobs against their goal in seconds."""
    lines = []
    for job, limit in LIMITS.items():
        rows = results[results["job"] == job].tail(1)
        for r in rows.itertuples():
            verdict = "met" if r.ours_s <= limit else "**NOT MET**"
            lines.append(f"{job}, {r.size.split(' (')[0]}: {seconds(r.ours_s)}, goal {limit:g} s: {verdict}.")
    return lines


def cells(row: pd.Series) -> list[str]:
    """Format one row; a lost goal is shouted."""
    ratio = f"{row['ratio']:g} ({row['ratio_min']:g}-{row['ratio_max']:g})"
    lost = pd.notna(row["goal"]) and row["ratio"] < row["goal"]
    goal = "" if pd.isna(row["goal"]) else f"{row['goal']:g}"
    memory = [("?" if pd.isna(v) else f"{v:.0f}") for v in (row["ours_peak_mb"], row["peer_peak_mb"])]
    return [
        str(row["job"]),
        str(row["size"]),
        seconds(row["ours_s"]),
        f"{row['peer']} {row['peer_version']}",
        seconds(row["peer_s"]),
        f"**{ratio}**" if lost else ratio,
        f"**{goal}: BELOW**" if lost else goal,
        f"{float(row['agreement']):.0e}",
        " / ".join(memory),
    ]


def seconds(value: float) -> str:
    """Format a duration with three digits."""
    return f"{value:.3g} s" if value >= 1 else f"{value * 1e3:.3g} ms" if value >= 1e-3 else f"{value * 1e6:.3g} us"


def table(rows: list[list[str]], head: tuple[str, ...]) -> str:
    """Write a table in Markdown."""
    return "\n".join("| " + " | ".join(r) + " |" for r in [list(head), ["---"] * len(head), *rows])


def machine() -> str:
    """Name what the figures depend on."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    from importlib.metadata import version

    return (
        f"{model}, {threads()} threads, {platform.system()}, Python {platform.python_version()}, "
        f"numpy {np.__version__}, numba {version('numba')}"
    )


def compile_section(cost: pd.DataFrame) -> str:
    """Say what the first call of each kernel costs; a lost goal is shouted."""
    rows, beyond = [], []
    floor = float(cost.loc[cost["kernel"] == "numba itself", "warm_s"].iloc[0])
    for r in cost.itertuples():
        more = f"{r.warm_s - floor:+.2f} s" if r.kernel != "numba itself" else ""
        if r.module and r.warm_s > WARM:
            beyond.append(f"{r.module}.{r.kernel}")
            more = f"**{more}: ABOVE**"
        name = f"{r.module}.{r.kernel}" if r.module else r.kernel
        rows.append([name, f"{r.import_s:.2f} s", f"{r.cold_s:.2f} s", f"{r.warm_s:.2f} s", more, str(r.loaded)])
    warm = cost.loc[cost["module"] != "", "warm_s"]
    kernels, alone = len(warm), int((warm - floor <= WARM).sum())
    head = (
        "Written by `make bench JOB=compile`: the kernel's docstring example in a fresh process, seconds beyond "
        "`import numba` and the import of its module. Cold compiles into an empty cache; warm reads it (median of "
        f"three). The first kernel of a process waits {floor:.2f} s for numba to set itself up: a cached "
        f"kernel that doubles an array shows it.\n\n**{kernels - len(beyond)} of {kernels} kernels "
        f"are warm within {WARM:g} s, "
        f"{alone} beyond what numba needs for itself.**" + (f" Above it: {', '.join(beyond)}." if beyond else "")
    )
    return f"{head}\n\n" + table(rows, ("kernel", "import", "cold", "warm", "warm beyond numba", "loaded"))


def samples(size: str) -> tuple[float, str]:
    """Read the number of samples, which is the first number of a size, and the rest of it."""
    found = _COUNT.search(size)
    if not found:
        return math.nan, size
    number = float(re.sub("[,_]", "", found[1])) * {"": 1, "k": 1e3, "M": 1e6}[found[2]]
    return number, (size[: found.start()] + "n" + size[found.end() :]).split(" (")[0]


def draw(results: pd.DataFrame, file: Path) -> None:
    """Draw seconds against samples, ours and the peer, a panel per job, both axes logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import NullFormatter

    jobs = list(dict.fromkeys(results["job"]))
    columns = min(4, max(1, len(jobs)))
    lines = max(1, math.ceil(len(jobs) / columns))
    figure, axes = plt.subplots(lines, columns, figsize=(3.4 * columns, 2.8 * lines), squeeze=False, layout="tight")
    for axis in axes.flat[len(jobs) :]:
        axis.set_axis_off()
    for axis, job in zip(axes.flat, jobs, strict=False):
        part = results[results["job"] == job]
        part = part.assign(n=[samples(s)[0] for s in part["size"]], rest=[samples(s)[1] for s in part["size"]])
        slopes = []
        for i, ((_, peer), curve) in enumerate(part.groupby(["rest", "peer"], sort=False)):
            line = curve.sort_values("n")
            style = ["-", "--", ":", "-."][i % 4]
            axis.plot(
                line["n"], line["ours_s"], style, color="#0b6e4f", marker="o", ms=3, label="theracast"[: 9 * (i == 0)]
            )
            axis.plot(line["n"], line["peer_s"], style, color="#b04a3a", marker="s", ms=3, label=peer.split(":")[0])
            if len(set(line["n"])) > 1:
                slopes.append(np.polyfit(np.log(line["n"]), np.log(line["ours_s"]), 1)[0])
        axis.set(xscale="log", yscale="log")
        axis.set_title(job + (f"   ours ~ n^{max(slopes):.1f}" if slopes else ""), fontsize=9)
        axis.tick_params(labelsize=7)
        for side in (axis.xaxis, axis.yaxis):  # labels between the powers of ten overlap
            side.set_minor_formatter(NullFormatter())
        axis.grid(alpha=0.3, which="major")
        handles = {label: h for h, label in zip(*axis.get_legend_handles_labels(), strict=True) if label}
        axis.legend(handles.values(), handles.keys(), fontsize=7, frameon=False)
    figure.supxlabel("samples", fontsize=9)
    figure.supylabel("seconds", fontsize=9)
    figure.savefig(file, dpi=110, metadata={"Software": None})
    plt.close(figure)
