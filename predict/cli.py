"""The command line: thin verbs that read tables, call the library and say where the results are."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

import theracast
from theracast.errors import TheracastError, UsageError
from theracast.predict.cli_datasets import app as datasets
from theracast.predict.cli_features import blocks, build, check
from theracast.predict.console import CohortArgument, Units, cohort_named, err, out, show, steps

app = typer.Typer(
    name="theracast",
    help=(
        "Predict how a patient will respond to a treatment, with interval, evidence and abstention.\n\n"
        "Begin with [bold]theracast demo[/]; with data of your own, with [bold]theracast check FOLDER[/].\n\n"
        "MODEL is an MLflow URI such as models:/melanoma_ici@champion, or a "
        "folder. COHORT is a folder of tables (clinical.csv, expression.parquet, signatures.parquet: any subset), one "
        "wide table whose columns are named <table>:<column>, or the name of a data set.\n\n"
        "Exit codes: 0 done, 2 wrong call, 3 wrong data, 4 model or registry, 5 this machine."
    ),
    rich_markup_mode="rich",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
Tracking = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri", envvar="MLFLOW_TRACKING_URI", help="MLflow store; mlflow.db here or above by default."
    ),
]
Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="models:/NAME@ALIAS, models:/NAME/VERSION, runs:/..., or a folder.")
]


@app.command()
def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for scores, pages and pictures.")] = Path(
        "theracast-demo"
    ),
    tracking: Tracking = None,
) -> None:
    """Train on the real cohorts that ship with the package, register, score an unseen cohort, write the report."""
    from theracast.models.config import Experiment
    from theracast.predict.demo import run_demo
    from theracast.predict.tables import cohort_rows, mean_rows

    with steps() as step:
        done = run_demo(Experiment(indication="melanoma_ici"), output, tracking=tracking, progress=step)
    how = "trained" if done.trained else "reused (same data, same code)"
    out.print(f"\n[bold]{done.model_uri}[/] version {done.version}, {how}\n")
    show(cohort_rows(done.validation), "AUC on cohorts the model never saw (95% interval)")
    show(mean_rows(done.validation), "Random-effects mean over the cohorts")
    account = done.scores.account()
    out.print(f"{done.experiment.holdout[0]}: " + ", ".join(f"{v} {k.replace('_', ' ')}" for k, v in account.items()))
    for label, path in done.files.items():
        out.print(f"  {label:13} {escape(str(path))}", soft_wrap=True)
    out.print(f"\n{done.seconds:.0f} s. Next: theracast report {done.model_uri} {done.experiment.holdout[0]} -o r.html")


@app.command()
def indications(name: Annotated[str | None, typer.Argument(help="One indication, in full.")] = None) -> None:
    """List what can be predicted, for whom, and what it is not for."""
    import pandas as pd

    from theracast.models.indications import INDICATIONS

    if name is None:
        rows = [(n, s.title, s.endpoint, ", ".join(s.blocks)) for n, s in INDICATIONS.items()]
        show(pd.DataFrame(rows, columns=["indication", "title", "endpoint", "blocks"]), "Indications")
        return
    for field, held in vars(INDICATIONS[name]).items():
        value = escape(", ".join(held) if isinstance(held, tuple) else str(held))
        out.print(f"[bold]{field.replace('_', ' ')}[/]: {value}")


@app.command()
def train(
    experiment: Annotated[Path, typer.Argument(metavar="EXPERIMENT.yaml", help="See experiments/melanoma_ici.yaml.")],
    promote: Annotated[bool, typer.Option(help="Give the new version the alias champion.")] = True,
    tracking: Tracking = None,
) -> None:
    """Train, validate on whole cohorts left out, and register."""
    from theracast.models.config import Experiment
    from theracast.models.train import train as run
    from theracast.predict.registry import register
    from theracast.predict.tables import cohort_rows, mean_rows

    wanted = Experiment.from_yaml(experiment)
    with steps() as step:
        training = run(wanted, step)
        step("register the model")
        uri, version = register(training, tracking=tracking, promote=promote)
    show(cohort_rows(training.validation), "AUC on cohorts the model never saw (95% interval)")
    show(mean_rows(training.validation), "Random-effects mean over the cohorts")
    out.print(f"registered {uri} (version {version})")


@app.command()
def score(
    model: Model,
    cohort: CohortArgument,
    output: Annotated[Path, typer.Option("-o", "--output", help="Parquet file for the scores.")],
    strict: Annotated[bool, typer.Option(help="Stop at the first refused row.")] = False,
    unit: Units = None,
    tracking: Tracking = None,
) -> None:
    """Score every patient of a cohort; every row read is scored, abstained or rejected."""
    from theracast.predict.batch import write_scores
    from theracast.predict.registry import load_predictor

    with steps() as step:
        step("read the cohort")
        tables = cohort_named(cohort, unit)
        step("load the model")
        predictor = load_predictor(model, tracking=tracking)
        step(f"score {len(tables)} patients")
        scores = predictor.score(tables, strict=strict)
        account = write_scores(scores, output)
    for reason, n in scores.table.reason[scores.table.decision == "abstain"].value_counts().head(5).items():
        out.print(f"  abstained {n}: {escape(str(reason))}", highlight=False)
    for code, n in scores.rejects.code.value_counts().items():
        out.print(f"  rejected {n}: {code}, see {escape(str(output.with_suffix('.rejects.parquet')))}", highlight=False)
    out.print(json.dumps({**account, "output": str(output)}), highlight=False, soft_wrap=True)


@app.command()
def report(
    model: Model,
    cohort: CohortArgument,
    output: Annotated[Path, typer.Option("-o", "--output", help="HTML file.")],
    patient: Annotated[
        str | None, typer.Option("--patient", metavar="ID", help="One patient; the cohort by default.")
    ] = None,
    unit: Units = None,
    tracking: Tracking = None,
) -> None:
    """Write one self-contained page for a patient or a cohort."""
    from theracast.predict.registry import load_predictor
    from theracast.predict.report.page import cohort_page, patient_page, write_page

    with steps() as step:
        step("read the cohort")
        tables = cohort_named(cohort, unit)
        step("load the model")
        predictor = load_predictor(model, tracking=tracking)
        if patient is not None and patient not in tables.ids and patient not in set(tables.roster.patient_id):
            raise UsageError(
                "no such patient in the cohort",
                got=f"{len(tables)} patients",
                fix="Check the id; it is text, with leading zeros.",
            )
        step("explain")
        scores = predictor.score(tables, explained=True)
        step("write the page")
        spec, about = predictor.model.spec, predictor.about
        page = cohort_page(scores, spec, about) if patient is None else patient_page(scores, patient, spec, about)
        write_page(page, output)
    out.print(str(output), highlight=False, soft_wrap=True)


@app.command()
def models(tracking: Tracking = None) -> None:
    """List the registered models, their versions and aliases."""
    from theracast.predict.registry import list_models, store_uri

    show(list_models(tracking), f"Models in {escape(store_uri(tracking))}")


for verb in (blocks, check, build):
    app.command()(verb)
app.add_typer(datasets, name="datasets")


@app.callback(invoke_without_command=True)
def top(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Print the version, when asked."""
    if version:
        out.print(theracast.__version__, highlight=False)
        raise typer.Exit


def main() -> None:
    """Run the command line; an error made on purpose is one line and its exit code.

    Examples
    --------
    >>> callable(main)
    True
    """
    try:
        app()
    except TheracastError as error:
        err.print(f"[bold red]error[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
