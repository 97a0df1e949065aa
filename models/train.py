"""Training: cohorts in, a fitted model and its validation out."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace

from theracast.errors import UsageError
from theracast.features.cohort import Cohort
from theracast.features.datasets import dataset_path, load_cohort
from theracast.features.readers import cohort_sources
from theracast.models.base import ResponseModel
from theracast.models.config import Experiment
from theracast.models.leakage import Finding, look
from theracast.models.leakage_evidence import Evidence, fold_of
from theracast.models.splits import family
from theracast.models.validate import Validation, leave_cohorts_out
from theracast.provenance import digest_json

#: With more cohorts than these, starting processes pays.
MANY = 8


@dataclass(frozen=True)
class Training:
    """A trained model with everything that speaks for or against it.

    Attributes
    ----------
    experiment : Experiment
        What was asked.
    model : ResponseModel
        Fitted on all cohorts but the holdout.
    validation : Validation
        Each cohort predicted by a model that never saw it.
    cohorts : dict of str to Cohort
        The data, holdout included.

    Examples
    --------
    >>> Training.__dataclass_fields__.keys() >= {"model", "validation"}
    True
    """

    experiment: Experiment
    model: ResponseModel
    validation: Validation
    cohorts: dict[str, Cohort]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the leakage sentinels found and was waived or left out, with the reasons.

        Returns
        -------
        tuple of Finding
            Empty where nothing was found and nothing waived.

        Examples
        --------
        >>> isinstance(Training.findings, property)
        True
        """
        return self.validation.findings

    @property
    def data(self) -> dict[str, str]:
        """Digest of the data of each cohort.

        Returns
        -------
        dict of str to str
            Cohort to 64 hexadecimal characters.

        Examples
        --------
        >>> isinstance(Training.data, property)
        True
        """
        return data_digests(self.experiment)


def data_digests(experiment: Experiment) -> dict[str, str]:
    """Digest the files of every cohort of an experiment, without reading their contents.

    Parameters
    ----------
    experiment : Experiment
        Names its cohorts.

    Returns
    -------
    dict of str to str
        Cohort to 64 hexadecimal characters.

    Raises
    ------
    UsageError
        When a cohort is not there.

    Examples
    --------
    >>> sorted(data_digests(Experiment(indication="melanoma_ici")))[0]
    'hugo2016_mel'
    """
    names = [*experiment.cohorts, *experiment.holdout]
    return {n: digest_json({s.name: s.sha256 for s in cohort_sources(dataset_path(n))}) for n in names}


def train(
    experiment: Experiment, progress: Callable[[str], None] = lambda step: None, jobs: int | None = None
) -> Training:
    """Train and validate.

    Parameters
    ----------
    experiment : Experiment
        What to do.
    progress : callable, optional
        Told each step in words.
    jobs : int, optional
        Processes; one for each core where there are more cohorts than `MANY`, else one.

    Returns
    -------
    Training
        Fitted and judged.

    Raises
    ------
    UsageError
        When a holdout cohort is also a training cohort.
    DataError
        When a cohort cannot be read or holds implausible values.
    LeakError
        When a leakage sentinel finds what the experiment does not waive.

    Examples
    --------
    >>> small = Experiment(indication="melanoma_ici", cohorts=["liu2019_mel", "riaz2017_mel"], holdout=["hugo2016_mel"])
    >>> train(small).validation.mean.model.tolist()[:5]
    ['theracast', 'prevalence', 'PD-L1', 'TIL', 'PD-L1 + TIL']
    """
    held = frozenset().union(*(family(c) for c in experiment.holdout))
    both = held & set(experiment.cohorts)
    if both or len(experiment.cohorts) < 2:
        raise UsageError(
            f"held out and trained on: {', '.join(sorted(both))}" if both else "too few cohorts to leave one out",
            wanted="two training cohorts or more, none of them in the holdout",
        )
    cohorts, left_out = {}, []
    for name in [*experiment.cohorts, *experiment.holdout]:
        progress(f"read {name}")
        read = load_cohort(name)
        cohorts[name] = experiment.admitted(read)
        gone = len(read) - len(cohorts[name])
        if gone:
            what = f"{gone} of {len(read)} patients were sampled after treatment began"
            left_out.append(Finding("late_feature", what, name, reason="they are left out (late: leave_out)"))
    model = ResponseModel(
        experiment.indication, experiment.learner, options=experiment.options, tumour_aware=experiment.tumour_aware
    )
    jobs = jobs or ((os.cpu_count() or 1) if len(cohorts) > MANY else 1)

    def _told(name: str) -> None:
        progress(f"predicted {name} by the others")

    progress("look for leaks")
    validation = leave_cohorts_out(
        model,
        cohorts,
        experiment.holdout,
        _told,
        experiment.sets,
        jobs,
        experiment.thresholds,
        experiment.waive,
    )
    progress("fit on all training cohorts")
    whole = Cohort.concat([cohorts[n] for n in experiment.cohorts])
    fitted = model.fit(whole)
    folds = [fold_of(n, fitted, whole, fitted.matrix(cohorts[n])) for n in experiment.holdout]
    late = look(Evidence(model, cohorts, {}, folds), "after", experiment.waive)
    new = [f for f in late if f not in validation.findings]
    return Training(experiment, fitted, replace(validation, findings=(*left_out, *validation.findings, *new)), cohorts)
