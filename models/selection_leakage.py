"""Leakage sentinels before a choice between therapies: its models are judged on folds of their own studies.

`theracast.models.leakage.SENTINELS` look as they do for a model of one response, but a study stands on both sides of a
split: it trains for itself. ``fit_on_test_rows`` does not look. Blocks are fitted on all patients of a study, those
included on whom a therapy is judged, and are not given the response; one that reads it all the same is found by
``permuted_labels``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from sklearn.base import clone

from theracast.errors import UsageError
from theracast.features.blocks import BLOCKS
from theracast.features.cohort import Cohort
from theracast.features.matrix import FeatureMatrix
from theracast.models.base import ResponseModel
from theracast.models.estimates import Estimate
from theracast.models.leakage import Finding, checked_waivers, look
from theracast.models.leakage_evidence import Evidence, Leak
from theracast.models.leakage_features import (
    SUSPECT,
    TOO_GOOD,
    TOO_GOOD_N,
    cohort_too_good,
    late_feature,
    outcome_column,
    single_feature,
)
from theracast.models.leakage_folds import near_duplicate, patient_in_two_folds
from theracast.models.leakage_labels import PERMUTATIONS, permuted, without_skill
from theracast.models.selection import TREATMENT, SelectionModel

_SEED = 0


@dataclass(frozen=True)
class ChoiceEvidence(Evidence):
    """Everything a sentinel may look at of a choice between therapies.

    Attributes
    ----------
    choice : SelectionModel
        Its settings; fitted when `table` is there.
    parts : mapping of str to Evidence
        Each study alone, with the blocks that its arms read.

    Examples
    --------
    >>> people = pd.DataFrame({"treatment": ["placebo", "ustekinumab"]}, index=["a", "b"])
    >>> cohort = Cohort.from_tables({"clinical": people})
    >>> ChoiceEvidence.of(SelectionModel("crohns_ustekinumab"), {"certifi": cohort}).pairs
    [('certifi', 'certifi')]
    """

    choice: SelectionModel = field(default_factory=SelectionModel)
    parts: Mapping[str, Evidence] = field(default_factory=dict)

    @classmethod
    def of(cls, choice: SelectionModel, studies: Mapping[str, Cohort]) -> Self:
        """Gather.

        Parameters
        ----------
        choice : SelectionModel
            Fitted, or not yet.
        studies : mapping of str to Cohort
            Study to its patients.

        Returns
        -------
        ChoiceEvidence
            Of the choice's studies.

        Examples
        --------
        >>> people = pd.DataFrame({"treatment": ["placebo", "ustekinumab"]}, index=["a", "b"])
        >>> cohort = Cohort.from_tables({"clinical": people})
        >>> list(ChoiceEvidence.of(SelectionModel("crohns_ustekinumab"), {"certifi": cohort}).parts)
        ['certifi']
        """
        spec = choice.selection
        parts = {}
        for study in spec.studies:
            blocks = [BLOCKS[b](**spec.settings.get(b, {})) for b in spec.of(study)[0].blocks]
            parts[study] = Evidence(ResponseModel(blocks=tuple(blocks)), {study: studies[study]}, {})
        cohorts = {s: studies[s] for s in spec.studies}
        return cls(ResponseModel(), cohorts, {s: list(cohorts) for s in cohorts}, choice=choice, parts=parts)

    @cached_property
    def features(self) -> dict[str, FeatureMatrix]:
        """Measure every study by the blocks that its own arms read.

        Returns
        -------
        dict of str to FeatureMatrix
            Study to its features.

        Examples
        --------
        >>> isinstance(ChoiceEvidence.features, cached_property)
        True
        """
        return {study: part.features[study] for study, part in self.parts.items()}

    def arms(self, study: str) -> Evidence:
        """Take the patients of each therapy of a study apart.

        Parameters
        ----------
        study : str
            One of the choice.

        Returns
        -------
        Evidence
            A cohort per therapy that anybody got; none where the study has one arm.

        Examples
        --------
        >>> people = pd.DataFrame({"treatment": ["placebo", "ustekinumab"]}, index=["a", "b"])
        >>> studies = {"certifi": Cohort.from_tables({"clinical": people})}
        >>> list(ChoiceEvidence.of(SelectionModel("crohns_ustekinumab"), studies).arms("certifi").cohorts)
        ['certifi, ustekinumab', 'certifi, placebo']
        """
        part, cohort = self.parts[study], self.cohorts[study]
        given = cohort.column(TREATMENT, ["clinical"])[1].astype(str).str.strip()
        arms = self.choice.selection.of(study)
        mine = {f"{study}, {a.therapy}": cohort.subset(cohort.ids[(given == a.therapy).to_numpy()]) for a in arms}
        return Evidence(part.model, {n: c for n, c in mine.items() if len(c)} if len(arms) > 1 else {}, {})


def look_at_choice(
    choice: SelectionModel,
    studies: Mapping[str, Cohort],
    when: Literal["before", "after"],
    waive: Mapping[str, str] | None = None,
) -> tuple[Finding, ...]:
    """Let the sentinels look at the studies of a choice, or at what its models reached.

    Parameters
    ----------
    choice : SelectionModel
        Fitted, where they look after.
    studies : mapping of str to Cohort
        Study to its patients.
    when : {"before", "after"}
        Those that look before anything is fitted, or those after.
    waive : mapping of str to str, optional
        Sentinel to the reason why it may not stop the training.

    Returns
    -------
    tuple of Finding
        What was found and waived, and the waivers for which nothing was found.

    Raises
    ------
    LeakError
        As `theracast.models.leakage.look`.

    Examples
    --------
    >>> people = pd.DataFrame({"treatment": ["placebo", "ustekinumab"], "sample_timing": "on-treatment"})
    >>> studies = {"certifi": Cohort.from_tables({"clinical": people.rename(index=str)})}
    >>> look_at_choice(SelectionModel("crohns_ustekinumab"), studies, "before")
    Traceback (most recent call last):
    ...
    theracast.models.leakage.LeakError: THX-D22: the sentinel late_feature stops the training: ...
    """
    evidence = ChoiceEvidence.of(choice, studies)
    if when == "after":
        evidence = replace(evidence, table=_judged(choice.evidence_))
    return look(evidence, when, waive, CHOICE_LOOKS)


def checked_choice_waivers(waive: Mapping[str, str]) -> dict[str, str]:
    """Refuse waivers of sentinels that do not look at a choice, and those without a reason.

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
    >>> checked_choice_waivers({"fit_on_test_rows": "simulated"})
    Traceback (most recent call last):
    ...
    theracast.errors.UsageError: the sentinel does not look at a choice between therapies | ...
    """
    for name in checked_waivers(waive):
        if name not in CHOICE_LOOKS:
            raise UsageError(
                "the sentinel does not look at a choice between therapies",
                where=f"waive: {name}",
                wanted=", ".join(CHOICE_LOOKS),
            )
    return dict(waive)


def permuted_choice_auc(evidence: ChoiceEvidence, permutations: int = PERMUTATIONS) -> Estimate:
    """Mean AUC of the therapies' models after the outcome was permuted within every study, blocks measured anew.

    Parameters
    ----------
    evidence : ChoiceEvidence
        Of the studies.
    permutations : int, default 3
        How often labels are permuted.

    Returns
    -------
    Estimate
        As of `theracast.models.leakage_labels.permuted_auc`.

    Examples
    --------
    >>> from theracast.models.selection_spec import Arm, SelectionSpec
    >>> spec = SelectionSpec("x", "X", "", "", "", tuple(Arm(t, "", "s", ("clinical",)) for t in "ab"), "", "")
    >>> people = pd.DataFrame({"age": range(20, 80), "treatment": ["a", "b"] * 30}).rename(index=str)
    >>> people["response"] = np.where(people["age"] > 50, "R", "NR")
    >>> evidence = ChoiceEvidence.of(SelectionModel(spec), {"s": Cohort.from_tables({"clinical": people})})
    >>> permuted_choice_auc(evidence).contains(0.5)
    True
    """
    rng = np.random.default_rng(_SEED)
    judged = []
    for _ in range(permutations):
        studies = {n: permuted(replace(c, name=n), rng) for n, c in evidence.cohorts.items()}
        judged.append(clone(evidence.choice).fit(studies).evidence_.dropna(subset="auc"))
    table = pd.concat(judged)
    others = table.n - table.responders
    return without_skill(table.auc.tolist(), (12 * table.responders * others / (table.n + 1)).tolist())


def _in_parts(look_at: Callable[[Evidence], Iterable[Leak]]) -> Callable[[ChoiceEvidence], Iterator[Leak]]:
    def each(evidence: ChoiceEvidence) -> Iterator[Leak]:
        for part in evidence.parts.values():
            yield from look_at(part)

    return each


def _single_feature(evidence: ChoiceEvidence) -> Iterator[Leak]:
    """Look in each study; and, where no feature tells the response of all, among the patients of each therapy."""
    for study, part in evidence.parts.items():
        found = list(single_feature(part))
        yield from found or single_feature(evidence.arms(study))


def _permuted_labels(evidence: ChoiceEvidence) -> Iterator[Leak]:
    mean = permuted_choice_auc(evidence)
    # below .5 is no leak: held-out folds of few patients run against the rate of the others
    if mean.lower > 0.5:
        yield Leak(f"with permuted labels the mean AUC is still {mean}", "the pipeline, from tables to predictions")


def _judged(table: pd.DataFrame) -> pd.DataFrame:
    good = (table.auc >= TOO_GOOD) & (table.n >= TOO_GOOD_N)
    return pd.DataFrame({
        "cohort": table.study, "model": "the model of " + table.therapy, "auc": table.auc, "n": table.n,
        "note": np.where(good, SUSPECT, ""),
    })  # fmt: skip


#: Sentinel to how it looks at a choice.
CHOICE_LOOKS: dict[str, Callable[[Any], Iterable[Leak]]] = {
    "patient_in_two_folds": patient_in_two_folds,
    "near_duplicate": near_duplicate,
    "late_feature": _in_parts(late_feature),
    "outcome_column": _in_parts(outcome_column),
    "single_feature": _single_feature,
    "permuted_labels": _permuted_labels,
    "cohort_too_good": cohort_too_good,
}
