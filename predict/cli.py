"""The command line: thin verbs that read tables, call the library and say where the results are.

Exit codes: 0 done; 2 the call is wrong; 3 the data are wrong, ``check`` found something, or ``verify`` and
``experiment`` found that something is another; 4 the model or its registry is wrong; 5 this machine or its
installation; 10 ``monitor`` raised an alarm. 1 is a fault of theracast.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

import theracast
from theracast.errors import TheracastError
from theracast.predict.cli_card import card
from theracast.predict.cli_datasets import app as datasets
from theracast.predict.cli_experiment import app as experiment
from theracast.predict.cli_explain import explain
from theracast.predict.cli_features import blocks, build, check
from theracast.predict.cli_models import app as models
from theracast.predict.cli_monitor import monitor
from theracast.predict.cli_next_test import next_test
from theracast.predict.cli_packet import packet
from theracast.predict.cli_rank import rank
from theracast.predict.cli_report import report
from theracast.predict.cli_score import Tracking, score
from theracast.predict.cli_serve import serve
from theracast.predict.cli_verify import verify
from theracast.predict.console import err, out, require_cohorts, show, steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from theracast.models.leakage import Finding
    from theracast.models.selection_train import SelectionExperiment
    from theracast.models.validate import Validation


app = typer.Typer(
    name="theracast",
    help=(
        "Predict how a patient will respond to a treatment, with interval, evidence and abstention.\n\n"
        "Begin with [bold]theracast demo[/]; with data of your own, with [bold]theracast check FOLDER[/].\n\n"
        "MODEL is an MLflow URI such as models:/melanoma_ici@champion, or a "
        "folder. COHORT is a folder of tables (clinical.csv, expression.parquet, signatures.parquet: any subset), one "
        "wide table whose columns are named <table>:<column>, or the name of a data set.\n\n"
        "Exit codes: 0 done, 2 wrong call, 3 wrong data or not the same as then, 4 model or registry, 5 this machine, "
        "10 alarm of monitor."
    ),
    rich_markup_mode="rich",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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

    with steps() as step:
        done = run_demo(Experiment(indication="melanoma_ici"), output, tracking=tracking, progress=step)
    how = "trained" if done.trained else "reused (same data, same code)"
    out.print(f"\n[bold]{done.model_uri}[/] version {done.version}, {how}\n")
    if not done.promoted:
        champion = f"models:/{done.experiment.name}@champion"
        out.print(
            f"{champion} was trained by another experiment and stays champion; the demo's model stands beside it.\n"
        )
    _show_validation(done.validation)
    account = done.scores.account()
    out.print(f"{done.experiment.holdout[0]}: " + ", ".join(f"{v} {k.replace('_', ' ')}" for k, v in account.items()))
    for label, path in done.files.items():
        out.print(f"  {label:13} {escape(str(path))}", soft_wrap=True)
    out.print(f"\n{done.seconds:.0f} s. Next: theracast report {done.model_uri} {done.experiment.holdout[0]} -o r.html")


@app.command()
def indications(name: Annotated[str | None, typer.Argument(help="One indication, in full.")] = None) -> None:
    """List what can be predicted, for whom, and what it is not for."""
    import pandas as pd

    from theracast.models.indications import INDICATIONS, SELECTIONS
    from theracast.registry import Registry

    if name is None:
        rows = [(n, s.title, s.endpoint, ", ".join(s.blocks)) for n, s in INDICATIONS.items()]
        show(pd.DataFrame(rows, columns=["indication", "title", "endpoint", "blocks"]), "Indications")
        choices = [(n, s.title, s.endpoint, ", ".join(a.therapy for a in s.arms)) for n, s in SELECTIONS.items()]
        show(pd.DataFrame(choices, columns=["choice", "title", "endpoint", "therapies"]), "Choices between therapies")
        return
    for field, held in vars(Registry("indication", {**INDICATIONS, **SELECTIONS})[name]).items():
        parts = [getattr(h, "therapy", h) for h in held] if isinstance(held, tuple) else [held]
        out.print(f"[bold]{field.replace('_', ' ')}[/]: {escape(', '.join(map(str, parts)))}")


@app.command()
def train(
    experiment: Annotated[Path, typer.Argument(metavar="EXPERIMENT.yaml", help="See experiments/melanoma_ici.yaml.")],
    promote: Annotated[bool, typer.Option(help="Give the new version the alias champion.")] = True,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", min=1, help="Processes; all cores where there are many cohorts, else one."),
    ] = None,
    tracking: Tracking = None,
) -> None:
    """Train, validate on whole cohorts left out, and register."""
    from theracast.models.config import Experiment
    from theracast.models.leakage import SENTINELS
    from theracast.models.selection_train import SelectionExperiment
    from theracast.models.train import train as run
    from theracast.predict.publish import register

    selection = SelectionExperiment.from_yaml(experiment)
    if selection is not None:
        _train_selection(selection, experiment, promote, tracking)
        return
    wanted = Experiment.from_yaml(experiment)
    names = [*wanted.cohorts, *wanted.holdout]
    require_cohorts(names, str(experiment))
    with steps(len(names)) as step:
        training = run(wanted, lambda text: step(text, done=text.startswith("predicted ")), jobs)
        step("register the model")
        uri, version = register(training, tracking=tracking, promote=promote)
    _show_validation(training.validation)
    _show_findings(training.findings, len(SENTINELS))
    out.print(f"registered {uri} (version {version})")


app.command()(score)


app.command()(report)
app.command()(explain)
app.command()(packet)
app.command()(card)
app.command("next-test")(next_test)
app.command()(monitor)


def _train_selection(wanted: SelectionExperiment, where: Path, promote: bool, tracking: str | None) -> None:
    from theracast.models.indications import SELECTIONS
    from theracast.models.selection_leakage import CHOICE_LOOKS
    from theracast.models.selection_train import train_selection
    from theracast.predict.publish import register_selection
    from theracast.predict.tables import evidence_rows

    require_cohorts(SELECTIONS[wanted.name].studies, str(where))
    with steps() as step:
        training = train_selection(wanted, step)
        step("register the model")
        uri, version = register_selection(training, tracking=tracking, promote=promote)
    show(evidence_rows(training.model), "What each therapy's model rests on (AUC of patients it did not see)")
    _show_findings(training.findings, len(CHOICE_LOOKS))
    out.print(f"registered {uri} (version {version})")


def _show_findings(findings: Sequence[Finding], looked: int) -> None:
    import pandas as pd

    if not findings:
        out.print(f"Leakage: {looked} sentinels looked, none found anything, none was waived.")
        return
    rows = [(f.sentinel, f.what, f.where, f.reason) for f in findings]
    columns = ["sentinel", "what it found", "where", "why it did not stop"]
    show(pd.DataFrame(rows, columns=columns), f"Leakage: of {looked} sentinels, these found something")


def _show_validation(validation: Validation) -> None:
    from theracast.predict.tables import cohort_rows, coverage_rows, decision_rows, equity_rows, mean_rows, set_rows

    show(cohort_rows(validation), "AUC on cohorts the model never saw (95% interval)")
    show(mean_rows(validation), "Random-effects mean over the cohorts")
    for name, rows in set_rows(validation).items():
        show(rows, f"Random-effects mean over set {escape(name)}")
    if len(validation.coverage):
        show(coverage_rows(validation), "Coverage of the label sets on cohorts the model never saw")
    if len(validation.net_benefit):
        title = "Treating by the model above the better of treating all and none: responses per 100 (95% interval)"
        show(decision_rows(validation), title)
        out.print("Which threshold is right is yours to say: from t up, (1 - t) / t treatments in vain per response.")
    if len(validation.equity):
        show(equity_rows(validation), "Equity: the same model by groups (AUC within cohorts)")


for verb in (rank, serve, verify, blocks, check, build):
    app.command()(verb)
app.add_typer(datasets, name="datasets")
app.add_typer(models, name="models")
app.add_typer(experiment, name="experiment")


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
