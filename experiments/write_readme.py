"""Write the generated parts of README.md and experiments/README.md from a run of the demo.

Everything between ``<!-- begin NAME -->`` and ``<!-- end NAME -->`` is replaced; nothing there is typed by hand.
Run: make readme
"""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path

import pandas as pd
import yaml
from choice_page import choice_parts, choice_summary
from dynamic_page import dynamic_part
from equity_page import equity_part
from explain_page import explaining
from ici_page import aims, loris_rows
from ici_page import mean_rows as ici_mean_rows
from ici_page import write_page as write_ici
from monitoring_page import monitoring_part, monitoring_summary
from next_test_page import next_test_part, next_test_summary
from prognosis_page import prognosis_part

from theracast.features.blocks import BLOCKS
from theracast.features.cohort import Cohort
from theracast.models.base import LEVEL
from theracast.models.config import Experiment
from theracast.predict.demo import run_demo
from theracast.predict.evidence.claims import read_claims
from theracast.predict.evidence.pages import index_page
from theracast.predict.report.plots import overview, to_png
from theracast.predict.tables import cohort_rows, markdown, mean_rows

ROOT = Path(__file__).parents[1]


def put(path: Path, parts: dict[str, str]) -> None:
    """Replace the marked parts of a file."""
    text = path.read_text(encoding="utf-8")
    for name, part in parts.items():
        found = re.search(f"<!-- begin {name} -->\n(.*?)<!-- end {name} -->", text, flags=re.DOTALL)
        if found is None:
            raise SystemExit(f"{path}: no place marked {name!r}")
        text = f"{text[: found.start(1)]}{part}\n{text[found.end(1) :]}"
    path.write_text(text, encoding="utf-8")


def bench_rows(file: Path) -> pd.DataFrame:
    """Return the largest size of each benchmark; experiments/benchmarks/README.md has them all."""
    found = pd.read_csv(file).groupby("job", sort=False).tail(1)
    peer = found["peer"].str.split(":").str[0] + " " + found["peer_version"].astype(str)
    columns = {"job": found["job"], "size": found["size"].str.split(" \\(").str[0], "ours, s": found["ours_s"]}
    columns |= {"peer": peer, "peer, s": found["peer_s"], "ratio": found["ratio"], "goal": found["goal"]}
    return pd.DataFrame(columns).map(lambda v: "" if v != v else f"{v:.3g}" if isinstance(v, float) else v)


def block_rows() -> pd.DataFrame:
    """List the blocks: what each reads, how many features it gives on its example, and what it is."""
    rows = []
    for name, kind in BLOCKS.items():
        block = kind().fit(Cohort.from_tables(kind.example()))
        read = list(dict.fromkeys([*kind.example(), *kind.spec.tables]))
        rows.append((name, ", ".join(read), len(block.names), kind.spec.about))
    return pd.DataFrame(rows, columns=["block", "tables", "features", "about"]).astype(str)


def multiomics_parts() -> dict[str, str]:
    """Claim and table of each experiment of experiments/multiomics.py, as it last ran."""
    parts = {}
    for file in sorted((ROOT / "experiments" / "multiomics").glob("*.csv")):
        claim = yaml.safe_load((ROOT / "experiments" / f"{file.stem}.yaml").read_text(encoding="utf-8"))["claim"]
        parts[file.stem] = f"{claim.strip()}\n\n{markdown(pd.read_csv(file, dtype=str).fillna(''))}"
    return parts


def ici_summary(folder: Path = ROOT / "experiments" / "ici") -> str:
    """Say what experiments/ici.py last found, in short."""
    means, loris = (pd.read_csv(folder / f"{name}.csv") for name in ("means", "loris"))
    return "\n\n".join((aims(means), markdown(ici_mean_rows(means)), markdown(loris_rows(loris))))


def main() -> None:
    """Run the demo in a folder of its own and write what it gave."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    experiment = Experiment.from_yaml(ROOT / "experiments" / "melanoma_bundled.yaml")
    with tempfile.TemporaryDirectory() as folder:
        done = run_demo(experiment, folder, tracking=f"sqlite:///{folder}/mlflow.db")
        if done.scores.explanation is None:
            raise SystemExit("the demo explained nothing")
        to_png(
            overview(done.validation, done.scores.explanation, done.patient_id), ROOT / "experiments" / "overview.png"
        )
    account = done.scores.account()
    person = done.scores.prediction(done.patient_id)
    told = (
        f"Scored: {experiment.holdout[0]}, which the model never saw: "
        + ", ".join(f"{v} {k.replace('_', ' ')}" for k, v in account.items())
        + f". The patient in the picture: {person.probability:.0%} ({LEVEL:.0%} interval {person.lower:.0%}-"
        + f"{person.upper:.0%}), decision `{person.decision}`."
    )
    means = markdown(mean_rows(done.validation))
    bench = markdown(bench_rows(ROOT / "experiments" / "benchmarks" / "results.csv"))
    blocks = markdown(block_rows())
    put(ROOT / "README.md", {"result": f"{means}\n\n{told}", "bench": bench, "blocks": blocks, "ici": ici_summary()})
    put(ROOT / "README.md", {"choice": choice_summary(), "explaining": explaining()})
    table = markdown(cohort_rows(done.validation))
    bundled = {"melanoma_bundled": f"{experiment.claim.strip()}\n\n{table}\n\n{means}"}
    put(ROOT / "experiments" / "README.md", bundled | multiomics_parts() | {"prognosis": prognosis_part()})
    put(ROOT / "experiments" / "README.md", choice_parts() | {"equity": equity_part(), "next_test": next_test_part()})
    put(ROOT / "experiments" / "README.md", {"dynamic": dynamic_part(), "monitoring": monitoring_part()})
    put(ROOT / "README.md", {"trust": "\n".join((*next_test_summary(), monitoring_summary()))})
    write_ici(ROOT / "experiments" / "README.md", ROOT / "experiments" / "ici")
    put(ROOT / "experiments" / "README.md", {"claims": index_page(read_claims(ROOT / "experiments"))})


if __name__ == "__main__":
    main()
