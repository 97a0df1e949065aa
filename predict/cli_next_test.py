"""The verb ``theracast next-test``: what each missing test of a patient could change, and in which order."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from theracast.errors import UsageError
from theracast.predict.cli_report import require_patient
from theracast.predict.cli_score import Model, Tracking
from theracast.predict.console import CohortArgument, Units, cohort_named, out, show, steps

if TYPE_CHECKING:
    import pandas as pd


def an_amount(budget: float | None) -> float | None:
    """Refuse an impossible budget before anything is read.

    Parameters
    ----------
    budget : float or None
        As typed.

    Returns
    -------
    float or None
        The same.

    Raises
    ------
    UsageError
        When it is not a number above 0.

    Examples
    --------
    >>> an_amount(500.0)
    500.0
    """
    if budget is not None and not (math.isfinite(budget) and budget > 0):
        raise UsageError("a budget is an amount above 0", where="--budget", got=f"{budget:g}")
    return budget


def next_test(
    model: Model,
    cohort: CohortArgument,
    costs: Annotated[
        Path | None,
        typer.Option(
            "--costs",
            metavar="YAML",
            help="Your tests: the blocks each gives, cost and days with source and year, one currency. Those that ship "
            "have few figures, and say where from (features/tables/test_costs.yaml).",
        ),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            "--budget",
            metavar="AMOUNT",
            callback=an_amount,
            help="What one patient's tests may cost together, in the currency of the list; a test whose cost is open "
            "is then in no sequence.",
        ),
    ] = None,
    patient: Annotated[str | None, typer.Option("--patient", metavar="ID", help="Only this patient.")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Parquet file: a line per patient and test.")
    ] = None,
    strict: Annotated[bool, typer.Option(help="Stop at the first refused row.")] = False,
    unit: Units = None,
    tracking: Tracking = None,
) -> None:
    """Say what each missing test could change, at what cost, and which order is likely to end soonest.

    Of each test: the chance that it changes the decision, and that one
    label is left in the 90% set; its information on the answer, in bits;
    cost and days where they are known. Where no test would settle a
    patient, it says so, with the chance at most.

    It is what the model would say, drawn from other patients with the same
    blocks. It is no advice to order a test.

    \b
      theracast next-test models:/melanoma_ici@champion COHORT -o next.parquet
      theracast next-test MODEL COHORT --costs costs.yaml --budget 1500
      theracast next-test MODEL COHORT --patient ID
    """  # noqa: D301 # \b is how click keeps lines apart
    from theracast.predict.diagnostic_tests import DiagnosticTests
    from theracast.predict.next_test import NextTests, next_tests_of, write_next_tests
    from theracast.predict.registry import load_any
    from theracast.predict.therapies import SelectionPredictor

    tests = DiagnosticTests.from_yaml(costs) if costs else DiagnosticTests.shipped()
    with steps() as step:
        step("read the cohort")
        tables = cohort_named(cohort, unit)
        require_patient(tables, patient)
        step("load the model")
        predictor = load_any(model, tracking=tracking)
        if isinstance(predictor, SelectionPredictor):
            raise UsageError("a choice between therapies has no tests to weigh", fix="Name a model of one treatment.")
        step(f"weigh the tests of {1 if patient else len(tables)} patients")
        found = next_tests_of(predictor.model, tables, tests, budget, strict=strict)
        if patient is not None:
            mine = found.roster["patient_id"] == patient
            found = NextTests(
                found.table[found.table["patient_id"] == patient],
                found.roster[mine],
                found.rejects[found.rejects["patient_id"] == patient],
            )
        account = write_next_tests(found, output) if output else found.account()
    _tell(found.table, patient, tests.currency, account.pop("outlooks"))
    for reason, n in account.pop("reasons").items():
        out.print(f"  not told {n}: {escape(str(reason))}", highlight=False, soft_wrap=True)
    out.print(json.dumps({**account, **({"output": str(output)} if output else {})}), highlight=False, soft_wrap=True)


def _tell(table: pd.DataFrame, patient: str | None, currency: str, outlooks: dict[str, int]) -> None:
    import pandas as pd

    told = table[table["rank"].notna()]
    if told.empty:
        return
    rows = told if patient is not None else told.groupby("test", sort=False)
    if isinstance(rows, pd.DataFrame):
        show(_printed(rows, currency).assign(step=rows["step"].astype(str).replace("<NA>", "")), "What could change")
        out.print(f"  {escape(str(told['outlook'].iloc[0]))}", highlight=False, soft_wrap=True)
    else:
        means = rows[["decides", "changes", "information", "cost", "cost_year", "days"]].mean().reset_index()
        counts = rows.agg(patients=("rank", "size"), first=("step", lambda s: int((s == 1).sum()))).reset_index()
        show(_printed(means, currency).merge(counts, on="test"), "On average, of the patients who miss it")
        for kind, n in outlooks.items():
            out.print(f"  {n}: {escape(str(kind))}", highlight=False, soft_wrap=True)
    out.print("What the model would say, drawn from other patients; no advice to order a test.", highlight=False)


def _printed(rows: pd.DataFrame, currency: str) -> pd.DataFrame:
    import pandas as pd

    def shares(name: str) -> pd.Series:
        return rows[name].map("{:.0%}".format)

    return pd.DataFrame(
        {
            "test": rows["test"],
            "changes the decision": shares("changes"),
            "one label": shares("decides"),
            "bits": rows["information"].map("{:.3f}".format),
            f"cost{f', {currency} (year)' if currency else ''}": [
                "open" if cost != cost else f"{cost:,.0f} ({year:.0f})"
                for cost, year in zip(rows["cost"], rows["cost_year"], strict=True)
            ],
            "days": rows["days"].map(lambda v: "open" if v != v else f"{v:.0f}"),
        }
    )
