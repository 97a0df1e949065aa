"""How fast explanations are, and whether the ranges of open blocks hold: the part of README.md."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from theracast.predict.tables import markdown

HERE = Path(__file__).parent


def explaining(folder: Path = HERE) -> str:
    """Say what experiments/benchmarks/explaining.py and experiments/open_blocks.py last found."""
    runs = pd.read_csv(folder / "benchmarks" / "explaining.csv")
    held = pd.read_csv(folder / "open_blocks" / "coverage.csv")
    many, one = runs[runs.rows > 1], runs[(runs.rows == 1) & runs.job.str.contains(": explain")]
    table = pd.DataFrame(
        {
            "simulated patients": many.rows.map("{:,}".format),
            "ours, s": many.ours_s.map("{:.3g}".format),
            "shap, s": many.peer_s.map("{:.3g}".format),
            "ratio (pairs)": [f"{r:.0f} ({n:.0f})" for r, n in zip(many.ratio, many.pairs, strict=True)],
            "memory per byte of output": many.peak_per_output.map("{:.1f}".format),
        }
    )
    names = one.job.str.removeprefix("one patient, ").str.replace(": explain", "")
    alone = "; ".join(f"{name} {1000 * s:.0f} ms" for name, s in zip(names, one.ours_s, strict=True))
    said = [
        f"Beside `shap.TreeExplainer` on the same {many.job.iloc[0].split(', ', 1)[1]}, margins equal within "
        f"{many.agreement.max():.0e} (`experiments/benchmarks/explaining.py`):",
        markdown(table),
        f"One patient, explained warm: {alone}.",
        f"Ranges of open blocks are meant to hold 80% (`experiments/open_blocks.py`): {_held(held)}.",
    ]
    return "\n\n".join(said)


def _held(coverage: pd.DataFrame) -> str:
    mean = coverage[coverage.left_out == "mean of all"].set_index("learner")
    each = coverage[coverage.left_out != "mean of all"].groupby("learner", sort=False).inside.agg(["min", "max"])
    return "; ".join(
        f"{learner} {row.inside:.0%} of {row.n:,.0f} hidden blocks of cohorts left out "
        f"({each['min'][learner]:.0%} to {each['max'][learner]:.0%} by cohort and block)"
        for learner, row in mean.iterrows()
    )
