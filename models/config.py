"""Experiments as YAML: one file per claim."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from theracast.errors import DataError, UsageError
from theracast.features.cohort import Cohort
from theracast.features.layout import before_treatment
from theracast.models.decision_curve import PLAUSIBLE
from theracast.models.experts import EXPERTS
from theracast.models.indications import INDICATIONS
from theracast.models.leakage import checked_waivers
from theracast.provenance import digest_json


class Experiment(BaseModel):
    """What to train, on which cohorts, judged how.

    Attributes
    ----------
    indication : str
        Name of the indication; alone it is enough, the rest has the indication's own values.
    name : str
        Name under which the model is registered.
    claim : str
        The sentence that the experiment supports.
    cohorts, holdout : list of str
        Names of cohorts, or paths; `holdout` is never trained on.
    learner : str
        ``logistic`` or ``xgboost``.
    options : dict
        Options of the learner; a list is a choice that each block makes for itself on studies left out.
    tumour_aware : bool
        Whether tumour types have weights and response rates of their own.
    sets : dict of str to list of str
        Named sets of the cohorts, for which mean AUCs are given too.
    thresholds : list of float
        Probabilities from which one would treat, at which every validation tells the net benefit: from t up,
        (1 - t) / t treatments in vain are taken for one response.
    late : {"refuse", "leave_out"}
        What becomes of patients whose sample was taken after treatment began: the sentinel ``late_feature`` stops the
        training, or they are left out, and the model's card says so.
    waive : dict of str to str
        Leakage sentinel (`theracast.models.leakage.SENTINELS`) to the reason why it may not stop the training; the
        reason is kept with the model.
    run : dict
        How the claim is run, as `theracast.predict.evidence` reads it; it decides nothing of the model.

    Examples
    --------
    >>> Experiment(indication="melanoma_ici").holdout
    ['mgh2022_mel']
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    indication: str
    name: str = Field(default="", pattern=r"^[A-Za-z0-9._-]{0,64}$")
    claim: str = ""
    cohorts: list[str] = Field(default_factory=list)
    holdout: list[str] = Field(default_factory=list)
    learner: Literal["logistic", "xgboost"] = "logistic"
    options: dict[str, Any] = Field(default_factory=dict)
    tumour_aware: bool = True
    sets: dict[str, list[str]] = Field(default_factory=dict)
    thresholds: list[Annotated[float, Field(gt=0, lt=1)]] = Field(default_factory=lambda: list(PLAUSIBLE), min_length=1)
    late: Literal["refuse", "leave_out"] = "refuse"
    waive: dict[str, str] = Field(default_factory=dict)
    run: dict[str, Any] = Field(default_factory=dict)

    def model_post_init(self, context: object) -> None:
        """Fill in what the indication knows.

        Parameters
        ----------
        context : object
            Given by pydantic.

        Examples
        --------
        >>> Experiment(indication="melanoma_ici").name
        'melanoma_ici'
        """
        spec = INDICATIONS[self.indication]
        filled = {"name": spec.name, "cohorts": list(spec.cohorts), "holdout": list(spec.holdout)}
        for key, value in filled.items():
            if key not in self.model_fields_set:
                object.__setattr__(self, key, value)
        checked_waivers(self.waive)
        known = [p for p in inspect.signature(EXPERTS[self.learner]).parameters if p != "features"]
        if not set(self.options) <= set(known):
            wrong = ", ".join(f"options: {o}" for o in self.options if o not in known)
            raise UsageError("the learner has no such option", got=wrong, wanted=f"{self.learner}: {', '.join(known)}")
        for option, given in self.options.items():
            tried = given if isinstance(given, list) else [given]
            allowed = [v for v in tried if _sensible(option, v)]
            if not tried or len(allowed) < len(tried):
                raise UsageError(
                    "an option has a value that no model can have",
                    where=f"options: {option}",
                    got=", ".join(map(repr, tried)) or "no choice at all",
                    wanted="a number above 0" + (", or none" if option == "tie" else ""),
                )
        strangers = sorted({c for chosen in self.sets.values() for c in chosen} - {*self.cohorts, *self.holdout})
        if strangers:
            raise UsageError("a set names cohorts that are not in the experiment", got=", ".join(strangers))

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        r"""Read an experiment.

        Parameters
        ----------
        path : str or Path
            YAML with the fields of `Experiment`.

        Returns
        -------
        Experiment
            Checked.

        Raises
        ------
        UsageError
            Naming the file and every wrong field.

        Examples
        --------
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp(), "e.yaml")
        >>> _ = file.write_text("indication: melanoma_ici\nlearner: forest\n")
        >>> Experiment.from_yaml(file)
        Traceback (most recent call last):
        ...
        theracast.errors.UsageError: the experiment is not valid | where: ...
        """
        try:
            fields = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
            return cls(**(fields or {}))
        except OSError:
            raise UsageError(
                "no such experiment", where=str(path), wanted="a YAML file such as experiments/melanoma_ici.yaml"
            ) from None
        except (yaml.YAMLError, UnicodeDecodeError, TypeError) as error:
            raise UsageError("the experiment is not YAML", where=str(path), got=str(error).splitlines()[0]) from None
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            raise UsageError(
                "the experiment is not valid",
                where=str(path),
                got=wrong,
                wanted=f"fields {', '.join(cls.model_fields)}",
            ) from None

    def admitted(self, cohort: Cohort) -> Cohort:
        """Keep the patients of a cohort whom the experiment takes.

        Parameters
        ----------
        cohort : Cohort
            One of the experiment's.

        Returns
        -------
        Cohort
            Without those sampled after treatment began, where `late` leaves them out; else as it is.

        Raises
        ------
        DataError
            THX-D22 when all were sampled after treatment began.

        Examples
        --------
        >>> import pandas as pd
        >>> table = pd.DataFrame({"sample_timing": ["pre-treatment", "post"]}, index=["a", "b"])
        >>> cohort = Cohort.from_tables({"clinical": table})
        >>> len(Experiment(indication="melanoma_ici", late="leave_out").admitted(cohort))
        1
        """
        if self.late == "refuse":
            return cohort
        kept = before_treatment(cohort)
        if len(cohort) and not len(kept):
            raise DataError(
                "every patient was sampled after treatment began",
                code="THX-D22",
                where=cohort.name,
                got=f"{len(cohort)} patients, none of them left",
                wanted="samples that were taken before treatment",
                fix="Take the cohort out of the experiment.",
            )
        return kept

    @property
    def digest(self) -> str:
        """Digest of every field that decides the model.

        Returns
        -------
        str
            64 hexadecimal characters.

        Examples
        --------
        >>> a, b = (Experiment(indication="melanoma_ici", claim=c) for c in ("one", "two"))
        >>> a.digest == b.digest
        True
        """
        return digest_json(self.model_dump(exclude={"claim", "sets", "thresholds", "waive", "run"}))


def _sensible(option: str, value: Any) -> bool:
    """Say whether a learner can be built with it."""
    if value is None:
        return option == "tie"
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and (value > 0 or (option == "seed" and value == 0)) and value < float("inf")
