"""Training of a choice between therapies: studies in, a fitted model and what each therapy's model rests on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from theracast.errors import UsageError
from theracast.features.datasets import load_cohort
from theracast.models.indications import SELECTIONS
from theracast.models.leakage import Finding
from theracast.models.selection import SelectionModel
from theracast.models.selection_leakage import checked_choice_waivers, look_at_choice
from theracast.provenance import digest_json


class SelectionExperiment(BaseModel):
    """Between which therapies is chosen, and how the choice is judged.

    Attributes
    ----------
    kind : {"selection"}
        What tells this experiment from others.
    name : str
        Name in `theracast.models.indications.SELECTIONS`, under which the model is registered.
    claim : str
        The sentence that the experiment supports.
    settings : dict
        Parameters of `theracast.models.selector.TherapySelector`.
    waive : dict of str to str
        Leakage sentinel (`theracast.models.selection_leakage.CHOICE_LOOKS`) to the reason why it may not stop the
        training; the reason is kept with the model.

    Examples
    --------
    >>> SelectionExperiment(kind="selection", name="ra_biologic").settings
    {}
    """

    # what the scripts in experiments/ are told of how to judge is no matter of the model
    model_config = ConfigDict(extra="ignore", frozen=True)

    kind: Literal["selection"]
    name: str
    claim: str = ""
    settings: dict[str, Any] = Field(default_factory=dict)
    waive: dict[str, str] = Field(default_factory=dict)

    @field_validator("name")
    @classmethod
    def _listed(cls, name: str) -> str:
        SELECTIONS[name]
        return name

    @field_validator("waive")
    @classmethod
    def _reasoned(cls, waive: dict[str, str]) -> dict[str, str]:
        return checked_choice_waivers(waive)

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self | None:
        r"""Read an experiment, if it is one of this kind.

        Parameters
        ----------
        path : str or Path
            YAML.

        Returns
        -------
        SelectionExperiment or None
            None when the file is of another kind, or cannot be read: others say so better.

        Raises
        ------
        UsageError
            When it is of this kind and not valid.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp(), "e.yaml")
        >>> _ = file.write_text("kind: selection\nname: crohns_ustekinumab\n")
        >>> SelectionExperiment.from_yaml(file).name
        'crohns_ustekinumab'
        """
        try:
            fields = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError, UnicodeDecodeError):
            return None
        if not isinstance(fields, dict) or fields.get("kind") != "selection":
            return None
        try:
            return cls(**fields)
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise UsageError("the experiment is not valid", where=str(path), got=wrong) from None

    @property
    def digest(self) -> str:
        """Digest of every field that decides the model.

        Returns
        -------
        str
            64 hexadecimal characters.

        Examples
        --------
        >>> a, b = (SelectionExperiment(kind="selection", name="ra_biologic", claim=c) for c in ("one", "two"))
        >>> a.digest == b.digest
        True
        """
        return digest_json(self.model_dump(exclude={"claim", "waive"}))


@dataclass(frozen=True)
class SelectionTraining:
    """A fitted choice, and the data it came from.

    Attributes
    ----------
    experiment : SelectionExperiment
        What was asked.
    model : SelectionModel
        Fitted; `SelectionModel.evidence_` says what each therapy's model reached on held-out patients.
    data : dict of str to str
        Digest of the files of each study.
    findings : tuple of Finding
        What the leakage sentinels found and was waived, with the reasons.

    Examples
    --------
    >>> list(SelectionTraining.__dataclass_fields__)
    ['experiment', 'model', 'data', 'findings']
    """

    experiment: SelectionExperiment
    model: SelectionModel
    data: dict[str, str]
    findings: tuple[Finding, ...] = ()


def train_selection(
    experiment: SelectionExperiment, progress: Callable[[str], None] = lambda step: None
) -> SelectionTraining:
    """Read the studies, look for leaks, and fit.

    Parameters
    ----------
    experiment : SelectionExperiment
        What to do.
    progress : callable, optional
        Told each step in words.

    Returns
    -------
    SelectionTraining
        Fitted.

    Raises
    ------
    UsageError
        When a study is not here.
    LeakError
        When a leakage sentinel finds what the experiment does not waive.

    Examples
    --------
    >>> callable(train_selection)
    True
    """
    studies = {}
    for name in SELECTIONS[experiment.name].studies:
        progress(f"read {name}")
        studies[name] = load_cohort(name)
    model = SelectionModel(experiment.name, experiment.settings or None)
    progress("look for leaks")
    before = look_at_choice(model, studies, "before", experiment.waive)
    progress("fit the model of each therapy")
    model.fit(studies)
    after = look_at_choice(model, studies, "after", experiment.waive)
    data = {n: digest_json({s.name: s.sha256 for s in cohort.sources}) for n, cohort in studies.items()}
    return SelectionTraining(experiment, model, data, (*before, *after))
