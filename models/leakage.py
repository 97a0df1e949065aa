"""Leakage sentinels: eight looks for what makes a model seem better than it is; each stops the training.

After the kinds of leakage that Kapoor and Narayanan found in 17 fields (10.1016/j.patter.2023.100804). A sentinel is
one function, and one line in `SENTINELS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from theracast.errors import DataError, UsageError
from theracast.models.leakage_evidence import Evidence, Leak
from theracast.models.leakage_features import cohort_too_good, late_feature, outcome_column, single_feature
from theracast.models.leakage_folds import fit_on_test_rows, near_duplicate, patient_in_two_folds
from theracast.models.leakage_labels import permuted_labels
from theracast.registry import Registry


@dataclass(frozen=True)
class Finding:
    """What a sentinel found, or why it may not stop the training.

    Attributes
    ----------
    sentinel : str
        Name in `SENTINELS`.
    what, where : str
        As in `Leak`; a waiver that was not needed says so.
    waived : bool
        Whether the experiment waives it.
    reason : str
        Why it does not stop the training: waived, or the patients are left out.

    Examples
    --------
    >>> Finding("single_feature", "one feature alone has an AUC of .99", "a, mutations__tmb").waived
    False
    """

    sentinel: str
    what: str
    where: str
    waived: bool = False
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return everything, JSON-ready.

        Returns
        -------
        dict
            Field to value.

        Examples
        --------
        >>> Finding("single_feature", "", "").to_dict()["sentinel"]
        'single_feature'
        """
        return asdict(self)


@dataclass(frozen=True)
class Sentinel:
    """One look.

    Attributes
    ----------
    look : callable
        Takes `Evidence`, gives each `Leak`.
    when : {"before", "after"}
        Before anything is fitted, or after.
    code : str
        Of the error.
    fix : str
        What to do about a finding.
    costly : bool
        Whether it need not look where another stops the training already.

    Examples
    --------
    >>> SENTINELS["single_feature"].when
    'before'
    """

    look: Callable[[Evidence], Iterable[Leak]]
    when: Literal["before", "after"]
    code: str
    fix: str
    costly: bool = False


#: In the order in which they look.
SENTINELS: Registry[Sentinel] = Registry(
    "sentinel",
    {
        "patient_in_two_folds": Sentinel(
            patient_in_two_folds,
            "before",
            "THX-D18",
            "Leave one of the two out, or name the cohorts in theracast.models.splits.SAME_PATIENTS.",
        ),
        "near_duplicate": Sentinel(
            near_duplicate, "before", "THX-D18", "Leave the repeated profiles out, or two cohorts out together."
        ),
        "late_feature": Sentinel(
            late_feature,
            "before",
            "THX-D22",
            "Leave out what was measured later (of samples the experiment does it: late: leave_out).",
        ),
        "outcome_column": Sentinel(
            outcome_column, "before", "THX-D23", "Take the outcome out of what is read; it belongs to clinical alone."
        ),
        "single_feature": Sentinel(
            single_feature,
            "before",
            "THX-D23",
            "Find out what the feature was made of; leave it out if of the outcome.",
        ),
        "permuted_labels": Sentinel(
            permuted_labels,
            "before",
            "THX-M04",
            "Find what reads the outcome: a block, or a step that is fitted on it.",
            costly=True,
        ),
        "fit_on_test_rows": Sentinel(
            fit_on_test_rows, "after", "THX-D23", "Fit everything on the training cohorts of a fold alone."
        ),
        "cohort_too_good": Sentinel(
            cohort_too_good, "after", "THX-D23", "Look for what else tells these patients' response."
        ),
    },
)


class LeakError(DataError):
    """A sentinel found a leak that no waiver covers.

    Parameters
    ----------
    findings : sequence of Finding
        At least one; the first is told, the others are named.

    Attributes
    ----------
    findings : tuple of Finding
        All.

    Examples
    --------
    >>> LeakError([Finding("single_feature", "one feature alone has an AUC of .99", "a, mutations__tmb")]).code
    'THX-D23'
    """

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        first, others = self.findings[0], self.findings[1:]
        sentinel = SENTINELS[first.sentinel]
        more = ", ".join(dict.fromkeys(f.sentinel for f in others))
        super().__init__(
            f"the sentinel {first.sentinel} stops the training: {first.what}",
            code=sentinel.code,
            where=first.where,
            got=f"{len(others)} further findings, of {more}" if others else "",
            wanted="patients, features and labels that a model could not have known",
            fix=f'{sentinel.fix} Or waive it with a reason, in the experiment: waive: {{{first.sentinel}: "why"}}',
        )


def look(
    evidence: Evidence,
    when: Literal["before", "after"],
    waive: Mapping[str, str] | None = None,
    looks: Mapping[str, Callable[[Any], Iterable[Leak]]] | None = None,
) -> tuple[Finding, ...]:
    """Let the sentinels look.

    Parameters
    ----------
    evidence : Evidence
        What they look at.
    when : {"before", "after"}
        Those that look before anything is fitted, or those after.
    waive : mapping of str to str, optional
        Sentinel to the reason why it may not stop the training.
    looks : mapping of str to callable, optional
        Those that look, and how; all, each as in `SENTINELS`, by default.

    Returns
    -------
    tuple of Finding
        What was found and waived, and the waivers for which nothing was found.

    Raises
    ------
    LeakError
        THX-D18, THX-D22, THX-D23 or THX-M04 with what was found and is not waived.

    Examples
    --------
    >>> from theracast.models.base import ResponseModel
    >>> look(Evidence(ResponseModel(), {}, {}), "after", {"cohort_too_good": "simulated"})[0].what
    'nothing was found'
    """
    waive = dict(waive or {})
    looks = {n: s.look for n, s in SENTINELS.items()} if looks is None else looks
    found: list[Finding] = []
    for name, sentinel in SENTINELS.items():
        stopped = any(not f.waived for f in found)
        if name in looks and sentinel.when == when and not (sentinel.costly and stopped):
            reason = waive.get(name, "")
            leaks = list(looks[name](evidence)) or ([Leak("nothing was found", "")] if reason else [])
            found += [Finding(name, leak.what, leak.where, bool(reason), reason) for leak in leaks]
    stopping = [f for f in found if not f.waived]
    if stopping:
        raise LeakError(stopping)
    return tuple(found)


def checked_waivers(waive: Mapping[str, str]) -> dict[str, str]:
    """Refuse waivers of unknown sentinels, and those without a reason.

    Parameters
    ----------
    waive : mapping of str to str
        Sentinel to reason.

    Returns
    -------
    dict of str to str
        The same.

    Raises
    ------
    UsageError
        Naming the sentinel.

    Examples
    --------
    >>> checked_waivers({"near_duplicate": "CheckMate 009 is in both; left out together"})["near_duplicate"][:9]
    'CheckMate'
    """
    for name, reason in waive.items():
        SENTINELS[name]  # an unknown name is refused with the nearest
        if not reason.strip():
            raise UsageError(
                "a sentinel is waived without a reason",
                where=f"waive: {name}",
                wanted="one sentence: who reads the model's card reads it",
            )
    return dict(waive)
