"""``theracast score --engine spark``: the rows are shared by the executors of a cluster."""

from __future__ import annotations

import json
import re
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theracast.errors import UsageError
from theracast.predict.console import cohort_named, declared, steps

if TYPE_CHECKING:
    from theracast.models.recalibration import Recalibration


class Engine(Enum):
    """What scores the rows.

    Examples
    --------
    >>> Engine("spark").name
    'spark'
    """

    local = "local"
    spark = "spark"


def score_on_spark(
    model: str,
    cohort: str,
    output: Path,
    *,
    labelled: str | None = None,
    unit: list[str] | None = None,
    tracking: str | None = None,
    **local: Any,
) -> tuple[Recalibration, dict[str, Any]]:
    """Score Parquet into a folder of Parquet; refused rows stand among the others, with their codes.

    Parameters
    ----------
    model, cohort, output, labelled, unit, tracking
        As typed.
    **local : object
        Options that only one process knows, where they were asked for.

    Returns
    -------
    site : Recalibration
        What is known of the site.
    account : dict
        Also written to ``<output>.json``.

    Raises
    ------
    UsageError
        When an option of one process was asked for, or the output is there already.

    Examples
    --------
    >>> score_on_spark("m", "wide.parquet", Path("scores"), strict=True)
    Traceback (most recent call last):
    ...
    theracast.errors.UsageError: --engine spark does not know an option | got: --strict | do: Leave it out.
    """
    asked = [f"--{name.replace('_', '-')}" for name, value in local.items() if value]
    if asked:
        raise UsageError("--engine spark does not know an option", got=", ".join(asked), fix="Leave it out.")
    if output.exists():
        raise UsageError("the output is there already", where=str(output), fix="Name another folder.")
    from theracast.models.recalibration import AS_TRAINED
    from theracast.predict.files import replace_file
    from theracast.predict.registry import load_predictor
    from theracast.predict.spark import score_spark

    site = AS_TRAINED
    with steps() as step:
        if labelled is not None:
            step("fit the model to the site")
            predictor = load_predictor(model, tracking=tracking)
            site = predictor.site(labelled=cohort_named(labelled, unit))
            if predictor.version:  # the version that the site was fitted to
                model = re.sub(r"@.*$", f"/{predictor.version}", model)
        step("judge the columns")
        scores = score_spark(cohort, model, tracking=tracking, units=declared(unit), site=site)
        step(f"score {scores.rows_in} rows")
        account: dict[str, Any] = {**scores.write(str(output)), "site": site.state(), "engine": "spark"}
    replace_file(output.with_name(f"{output.name}.json"), lambda p: p.write_text(json.dumps(account)))
    return site, account
