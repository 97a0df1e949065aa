"""Which test next: for each patient and each missing test, what its result could change, and in which order.

What a result could be is drawn from the training patients, given what is known of the patient
(`theracast.models.value_of_tests`). It says how the model would answer, not what a patient needs: nothing here advises
to order a test. How far it held where tests were hidden and shown: experiments/next_test/.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from theracast.features.cohort import Cohort
from theracast.features.matrix import FeatureMatrix
from theracast.models.base import OUTSIDE, ResponseModel
from theracast.models.combiner import best_combiner, patterns
from theracast.models.crossfit import margins_of
from theracast.models.logistic import Kinds
from theracast.models.recalibration import AS_TRAINED, Recalibration
from theracast.predict.alike import Alike
from theracast.predict.diagnostic_tests import DiagnosticTests
from theracast.predict.files import write_accounted
from theracast.predict.rows import refused_rows, usable_rows

#: Of what a row says, these are numbers of the test.
NUMBERS = ("decides", "changes", "information", "entropy_reduction", "set_reduction")
#: And these of the patient, the same in all of his rows.
OF_PATIENT = ("probability", "decision", "same_decision", "same_side", "expected_tests", "expected_cost", "outlook")
COLUMNS = (
    "patient_id", "test", "gives", "rank", "step", "reached", *NUMBERS, "cost", "currency", "cost_year", "days",
    "value_per_cost", *OF_PATIENT, "note",
)  # fmt: skip
_AT_ONCE = 256


@dataclass(frozen=True)
class NextTests:
    """What the tests of a cohort could change.

    Attributes
    ----------
    table : DataFrame
        From `next_tests`.
    roster : DataFrame
        One line per row read: ``patient_id`` and ``code``, empty where it was not refused.
    rejects : DataFrame
        Refused rows.

    Examples
    --------
    >>> roster = pd.DataFrame({"patient_id": ["p"], "code": ["THX-D15"]})
    >>> NextTests(pd.DataFrame(columns=COLUMNS), roster, pd.DataFrame()).account()["not_told"]
    1
    """

    table: pd.DataFrame
    roster: pd.DataFrame
    rejects: pd.DataFrame

    def account(self) -> dict[str, Any]:
        """Account for every row.

        Returns
        -------
        dict
            ``rows_in`` = ``told`` (at least one test has a rank) + ``not_told``; what the tests could do for the
            former, in ``outlooks``, and why of the latter, in ``reasons``.

        Examples
        --------
        >>> roster = pd.DataFrame({"patient_id": [], "code": []})
        >>> NextTests(pd.DataFrame(columns=COLUMNS), roster, pd.DataFrame()).account()
        {'rows_in': 0, 'told': 0, 'not_told': 0, 'outlooks': {}, 'reasons': {}}
        """
        ranked = set(self.table.loc[self.table["rank"].notna(), "patient_id"])
        first = self.table.drop_duplicates("patient_id").set_index("patient_id")
        read = (self.roster["code"] == "").to_numpy()
        told = read & self.roster["patient_id"].isin(ranked).to_numpy()
        silent = self.roster[read & ~told]
        reasons = silent["patient_id"].map(first["note"]).value_counts().to_dict()
        kinds = self.roster.loc[told, "patient_id"].map(first["outlook"].astype(str).str.split(":").str[0])
        codes = self.roster.loc[~read, "code"].value_counts().to_dict()
        counts = {"rows_in": len(self.roster), "told": int(told.sum()), "not_told": int((~told).sum())}
        outlooks = kinds.value_counts().to_dict()
        return {
            **counts,
            "outlooks": outlooks,
            "reasons": {**reasons, **{f"rejected: {c}": n for c, n in codes.items()}},
        }


def next_tests_of(
    model: ResponseModel,
    cohort: Cohort,
    tests: DiagnosticTests | None = None,
    budget: float | None = None,
    site: Recalibration = AS_TRAINED,
    strict: bool = False,
) -> NextTests:
    """Read a cohort and say of every row what the missing tests could change.

    Parameters
    ----------
    model : ResponseModel
        Fitted.
    cohort : Cohort
        Patients.
    tests : DiagnosticTests, optional
        Those that ship by default.
    budget : float, optional
        As in `next_tests`.
    site : Recalibration, optional
        As in `ResponseModel.respond`.
    strict : bool, default False
        Whether one refused row stops everything.

    Returns
    -------
    NextTests
        Told + not told = rows in.

    Raises
    ------
    DataError
        A column or table that is wrong as a whole; under `strict`, any row.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
    >>> next_tests_of(model, load_cohort("riaz2017_mel")).account()["told"]
    9
    """
    usable, roster = usable_rows(cohort, model.assembler_.check(cohort), strict)
    table = next_tests(model, model.matrix(usable, checked=True), tests, budget, site)
    return NextTests(table, roster, refused_rows(roster))


def next_tests(
    model: ResponseModel,
    matrix: FeatureMatrix,
    tests: DiagnosticTests | None = None,
    budget: float | None = None,
    site: Recalibration = AS_TRAINED,
) -> pd.DataFrame:
    """Say for each patient and each missing test what its result could change, and which order costs least.

    Parameters
    ----------
    model : ResponseModel
        Fitted.
    matrix : FeatureMatrix
        Made by the model.
    tests : DiagnosticTests, optional
        Those that ship by default; one whose blocks the model does not read has no row.
    budget : float, optional
        What the tests of one patient may cost together, in their currency; then a test whose cost is open is in no
        sequence. No limit by default.
    site : Recalibration, optional
        As in `ResponseModel.respond`.

    Returns
    -------
    DataFrame
        One row per patient and missing test, the best rank first; a patient who misses none has one row without a test.
        ``gives``, the missing blocks it fills. ``rank`` by ``value_per_cost`` where all costs are known, else by
        ``changes``, then by ``information``. ``step``, its place in the best sequence (`best_sequences`), and
        ``reached``, the chance that the patient has a decision by then; both are missing where it is in none.
        ``decides``, the share of draws in which the label set holds one answer; ``changes``, in which the decision is
        another than now, all grounds to abstain counted; ``information`` on the answer and ``entropy_reduction`` of the
        probability, in bits (the latter may be below 0); ``set_reduction``, by how many labels the set gets smaller.
        ``cost``, with ``currency`` and ``cost_year``, and ``days``, NaN where open; costs of several years are added
        as they stand. Of the patient: ``probability`` and ``decision`` now; ``same_decision``,
        the share of draws in which all tests together leave the decision as it is, and ``same_side``, in which they
        leave the probability on the same side of the average training patient's; ``expected_tests`` and
        ``expected_cost`` of the sequence, which stops at a decision; ``outlook``, in words. ``note``, why numbers are
        missing, or empty.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
    >>> rows = next_tests(model, model.matrix(load_cohort("riaz2017_mel")))
    >>> rows[rows.test != ""].test.value_counts().to_dict()
    {'panel': 9}
    """
    tests = DiagnosticTests.shipped() if tests is None else tests
    asked = {t: tuple(b for b in one.gives if b in model.fusion_.features) for t, one in tests.tests.items()}
    asked = {t: blocks for t, blocks in asked.items() if blocks}
    now = model.respond(matrix, site).table
    fusion, index = model.fusion_, matrix.values.index
    tumours = Kinds.of(matrix.tumours.to_numpy() if fusion.tumour_aware else np.full(len(index), "", dtype=object))
    margins = margins_of(fusion.experts, matrix, tumours).reindex(columns=list(fusion.features))
    present, held = fusion.present(matrix), _held(model, matrix, now)
    lines: list[dict[str, Any]] = []
    both = pd.concat([present, margins.notna().add_prefix("read ")], axis=1)
    for here, rows in patterns(both):
        missing = {t: tuple(b for b in blocks if b not in here) for t, blocks in asked.items()}
        missing = {t: blocks for t, blocks in missing.items() if blocks}
        known = tuple(b for b in fusion.features if f"read {b}" in here)
        usable = {t: blocks for t, blocks in missing.items() if _can(model, known, blocks)}
        core = bool({*model.spec.core} & {*here})
        for at in np.array_split(rows, -(-len(rows) // _AT_ONCE)):
            part = Alike(model, margins.iloc[at], tumours[at], now.iloc[at], held[at], core, site)
            lines += part.lines(missing, usable, tests, budget)
    table = pd.DataFrame(lines, columns=list(COLUMNS)).astype(dict.fromkeys(("rank", "step", "cost_year"), "Int64"))
    place = pd.Series(range(len(index)), index)
    order = pd.DataFrame({"patient": table["patient_id"].map(place), "rank": table["rank"].fillna(len(asked) + 1)})
    return table.loc[order.sort_values(["patient", "rank"], kind="stable").index].reset_index(drop=True)


def write_next_tests(found: NextTests, path: str | Path) -> dict[str, Any]:
    """Write the table; refused rows go to ``<name>.rejects.parquet``, the account to ``<name>.json``.

    Parameters
    ----------
    found : NextTests
        From `next_tests_of`.
    path : str or Path
        The Parquet file; replaced whole or not at all.

    Returns
    -------
    dict
        The account.

    Raises
    ------
    SetupError
        THX-S03 when the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> empty = NextTests(pd.DataFrame(columns=COLUMNS), pd.DataFrame({"patient_id": [], "code": []}), pd.DataFrame())
    >>> write_next_tests(empty, f"{tempfile.mkdtemp()}/n.parquet")["rows_in"]
    0
    """
    account = found.account()
    write_accounted(found.table, found.rejects, account, path)
    return account


def _can(model: ResponseModel, known: tuple[str, ...], blocks: tuple[str, ...]) -> bool:
    """Say whether results can be drawn and the model would read them beside what it reads now."""
    fusion = model.fusion_
    if fusion.block_margins is None or any(b not in fusion.block_margins.quantiles for b in blocks):
        return False
    now = best_combiner(fusion.combiners, known)
    larger = best_combiner(fusion.combiners, tuple(b for b in fusion.features if b in known or b in blocks))
    return larger is not None and {*blocks, *(now.blocks if now else ())} <= set(larger.blocks)


def _held(model: ResponseModel, matrix: FeatureMatrix, now: pd.DataFrame) -> np.ndarray:
    """Say who stays without a decision whatever a test says: out of domain, or a block too thin."""
    held: np.ndarray = now["reason"].astype(str).str.startswith(OUTSIDE).to_numpy()
    for block, least in model.spec.min_coverage.items():
        if block in matrix.coverage:
            share = matrix.coverage[block].to_numpy()
            held = held | ((share > 0) & (share < least))
    return held
