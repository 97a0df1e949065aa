"""What a card knows of a model: read from the model and from what was kept with it, and nowhere else."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version as installed
from typing import Any

import pandas as pd

from theracast.models.base import ResponseModel
from theracast.models.golden import environment as golden_environment
from theracast.models.schema import schema_of
from theracast.models.selection import SelectionModel
from theracast.models.selection_spec import SelectionSpec
from theracast.models.spec import ResponseSpec
from theracast.models.validate import Validation
from theracast.predict.card.cohorts import TRAINED, CohortFacts, cohort_facts, shown_name
from theracast.predict.kept import unpack_validation
from theracast.provenance import code_digest

#: Folders of a path within a text: they may name a person or a machine.
_FOLDERS = re.compile(r"(?:[A-Za-z]:)?[\\/](?:[^\\/,;:|]+[\\/])+")


@dataclass(frozen=True)
class CardFacts:
    """What is known of one version of a model.

    Attributes
    ----------
    name, digest, version, registered : str
        In the registry; of the model; number and date (UTC) there, empty where there is none.
    spec : ResponseSpec or SelectionSpec
        What it is for.
    about : mapping
        What was kept with it.
    features : tuple of dict
        What it reads: ``name``, ``unit``, ``about``, ``reference``, ``direction``.
    environment : mapping
        ``versions`` and, where they were kept, ``platform`` and ``code``.

    Examples
    --------
    >>> from theracast.models.indications import INDICATIONS
    >>> CardFacts("m", "ab", INDICATIONS["melanoma_ici"], {}).validation is None
    True
    """

    name: str
    digest: str
    spec: ResponseSpec | SelectionSpec
    about: Mapping[str, Any]
    version: str = ""
    registered: str = ""
    features: tuple[dict[str, Any], ...] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)

    @property
    def chooses(self) -> bool:
        """Whether it chooses between therapies.

        Returns
        -------
        bool
            False for a model of response to one.

        Examples
        --------
        >>> isinstance(CardFacts.chooses, property)
        True
        """
        return isinstance(self.spec, SelectionSpec)

    @cached_property
    def experiment(self) -> dict[str, Any]:
        """What was asked, as kept.

        Returns
        -------
        dict
            Empty where it was not kept.

        Examples
        --------
        >>> isinstance(CardFacts.experiment, cached_property)
        True
        """
        return dict(self.about.get("experiment") or {})

    @cached_property
    def cohorts(self) -> tuple[CohortFacts, ...]:
        """The cohorts that it was fitted and judged on.

        Returns
        -------
        tuple of CohortFacts
            Trained ones first.

        Examples
        --------
        >>> isinstance(CardFacts.cohorts, cached_property)
        True
        """
        return cohort_facts(self.about, self.spec.studies if isinstance(self.spec, SelectionSpec) else ())

    @property
    def trained(self) -> tuple[CohortFacts, ...]:
        """Those that it was fitted on.

        Returns
        -------
        tuple of CohortFacts
            In order.

        Examples
        --------
        >>> isinstance(CardFacts.trained, property)
        True
        """
        return tuple(c for c in self.cohorts if c.role == TRAINED)

    @cached_property
    def validation(self) -> Validation | None:
        """Tables of the validation.

        Returns
        -------
        Validation or None
            None where none was kept.

        Examples
        --------
        >>> isinstance(CardFacts.validation, cached_property)
        True
        """
        return unpack_validation(
            {k: _named(self.about.get(k)) for k in ("validation", "mean", "sets", "coverage", "net_benefit", "equity")}
        )

    def kept(self, key: str) -> pd.DataFrame | None:
        """Read a table that was kept as records.

        Parameters
        ----------
        key : str
            ``net_benefit``, ``equity``, ``sentinels`` or ``evidence``.

        Returns
        -------
        DataFrame or None
            None where it was not kept; empty where nothing was found.

        Examples
        --------
        >>> from theracast.models.indications import INDICATIONS
        >>> CardFacts("m", "", INDICATIONS["melanoma_ici"], {"sentinels": []}).kept("sentinels").empty
        True
        """
        records = self.about.get(key)
        return None if records is None else pd.DataFrame(_named(records))


def facts_of(
    model: ResponseModel | SelectionModel,
    about: Mapping[str, Any],
    *,
    name: str,
    digest: str,
    version: str = "",
    registered: str = "",
    environment: Mapping[str, Any] | None = None,
) -> CardFacts:
    """Gather what is known of a model.

    Parameters
    ----------
    model : ResponseModel or SelectionModel
        Fitted.
    about : mapping
        What was kept with it.
    name, digest, version, registered : str
        As in `CardFacts`.
    environment : mapping, optional
        Where it was written, if `about` does not say.

    Returns
    -------
    CardFacts
        For `theracast.predict.card.make.make_card`.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
    >>> facts_of(model, {}, name="m", digest="ab").features[0]["unit"]
    'position 0-1'
    """
    if isinstance(model, SelectionModel):
        spec: ResponseSpec | SelectionSpec = model.selection
        features = schema_of(*model.assemblers_.values())["features"]
    else:
        spec = model.spec
        read = {f"{b}__{f.name}" for b, features in model.fusion_.features.items() for f in features}
        features = [f for f in schema_of(model.assembler_)["features"] if f["name"] in read]
    return CardFacts(
        name, digest, spec, about, version, registered, tuple(features), about.get("environment") or environment or {}
    )


def environment() -> dict[str, Any]:
    """Say with what a model is trained here: versions and class of the platform, nothing of the machine or its user.

    Returns
    -------
    dict
        ``versions``, ``platform`` (system and processor), ``code`` (digest of the code).

    Examples
    --------
    >>> sorted(environment())
    ['code', 'platform', 'versions']
    """
    versions = golden_environment()["versions"] | {"mlflow": installed("mlflow")}
    return {"versions": versions, "platform": f"{platform.system()} {platform.machine()}", "code": code_digest()}


def _named(held: Any) -> Any:
    """Take the folders off the names of cohorts."""
    if isinstance(held, Mapping):
        return {k: _named(v) for k, v in held.items()}
    return [{k: _bare(k, v) for k, v in r.items()} for r in held or ()]


def _bare(name: str, held: Any) -> Any:
    if not isinstance(held, str) or name not in ("cohort", "what", "where"):
        return held
    return shown_name(held) if name == "cohort" else _FOLDERS.sub("", held)
