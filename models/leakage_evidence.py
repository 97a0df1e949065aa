"""What the sentinels look at: cohorts, who trains for whom, their features, and what each fitted model remembers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property

import numpy as np
import pandas as pd

from theracast.features.assembler import FeatureAssembler
from theracast.features.base import OmicsBlock
from theracast.features.blocks import BLOCKS
from theracast.features.cohort import Cohort
from theracast.features.matrix import FeatureMatrix
from theracast.features.tables import load_table
from theracast.models.base import ResponseModel

#: A patient is told by as many values that few share: fewer may agree by chance.
_TELLING = 3


@dataclass(frozen=True)
class Leak:
    """One thing that a sentinel saw.

    Attributes
    ----------
    what : str
        In one clause, with counts and never a patient's id or value.
    where : str
        Cohorts, tables, columns.

    Examples
    --------
    >>> Leak("a date after treatment began", "clinical:sample_date").where
    'clinical:sample_date'
    """

    what: str
    where: str


@dataclass(frozen=True)
class Fold:
    """What a fitted model remembers of its training, held against those it is judged on.

    Attributes
    ----------
    cohort : str
        Those it is judged on.
    patients : int
        Those it should have been fitted on.
    fitted : mapping of str to int
        Per block, the patients that it was fitted on.
    repeated : int
        Patients it is judged on whose rows, to the last digit, are among those it was fitted on.

    Examples
    --------
    >>> Fold("a", 40, {"clinical": 40}, 0).repeated
    0
    """

    cohort: str
    patients: int
    fitted: Mapping[str, int]
    repeated: int


@dataclass(frozen=True)
class Evidence:
    """Everything a sentinel may look at.

    Attributes
    ----------
    model : ResponseModel
        Its settings.
    cohorts : mapping of str to Cohort
        All, by the names under which they are left out.
    trains : mapping of str to sequence of str
        Cohort to those that train a model for it.
    folds : sequence of Fold
        Of each fitted model; none before anything is fitted.
    table : DataFrame
        `theracast.models.validate.Validation.table`; empty before anything is judged.

    Examples
    --------
    >>> c = {n: Cohort.from_tables({"clinical": pd.DataFrame({"age": [61]}, index=["p"])}) for n in "ab"}
    >>> Evidence(ResponseModel(), c, {"a": ["b"], "b": ["a"]}).pairs
    [('a', 'b')]
    """

    model: ResponseModel
    cohorts: Mapping[str, Cohort]
    trains: Mapping[str, Sequence[str]]
    folds: Sequence[Fold] = ()
    table: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Pair the cohorts of which one trains a model for the other; one that trains for itself, with itself.

        Returns
        -------
        list of (str, str)
            Each pair once.

        Examples
        --------
        >>> Evidence(ResponseModel(), {}, {"a": ["b"], "b": ["a"], "c": ["a"]}).pairs
        [('a', 'b'), ('c', 'a')]
        """
        found: dict[frozenset[str], tuple[str, str]] = {}
        for test, others in self.trains.items():
            for other in others:
                found.setdefault(frozenset((test, other)), (test, other))
        return list(found.values())

    @property
    def blocks(self) -> list[OmicsBlock]:
        """Build the blocks that the model reads.

        Returns
        -------
        list of OmicsBlock
            Not fitted.

        Examples
        --------
        >>> [b.spec.name for b in Evidence(ResponseModel(blocks=("mutations",)), {}, {}).blocks]
        ['mutations']
        """
        return [BLOCKS[b]() if isinstance(b, str) else b for b in self.model.blocks or self.model.spec.blocks]

    @property
    def read(self) -> tuple[str, ...]:
        """Name the tables that the blocks read.

        Returns
        -------
        tuple of str
            Each once.

        Examples
        --------
        >>> Evidence(ResponseModel(blocks=("mutations",)), {}, {}).read
        ('mutations', 'clinical', 'variants')
        """
        return tuple(dict.fromkeys(t for b in self.blocks for t in b.spec.tables))

    @cached_property
    def features(self) -> dict[str, FeatureMatrix]:
        """Measure every cohort once, by blocks that were fitted on all: for looking, never for judging.

        Returns
        -------
        dict of str to FeatureMatrix
            Cohort to its features.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> c = {"riaz2017_mel": load_cohort("riaz2017_mel")}
        >>> len(Evidence(ResponseModel(blocks=("mutations",)), c, {}).features["riaz2017_mel"])
        51
        """
        whole = Cohort.concat([replace(c, name=n) for n, c in self.cohorts.items()])
        matrix = FeatureAssembler(self.model.blocks or self.model.spec.blocks).fit(whole).matrix(whole)
        ends = np.cumsum([len(c) for c in self.cohorts.values()])
        return {
            n: matrix.subset(np.arange(end - len(c), end))
            for (n, c), end in zip(self.cohorts.items(), ends, strict=True)
        }


def fold_of(name: str, fitted: ResponseModel, train: Cohort, unseen: FeatureMatrix) -> Fold:
    """Hold what a model remembers of its training against those it is judged on.

    Parameters
    ----------
    name : str
        Cohort it is judged on.
    fitted : ResponseModel
        The model.
    train : Cohort
        Those it should have been fitted on.
    unseen : FeatureMatrix
        Those it is judged on, as it measures them.

    Returns
    -------
    Fold
        Rows in which few values are known, or only values that many share, are not counted as repeated.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> train, test = load_cohort("liu2019_mel"), load_cohort("riaz2017_mel")
    >>> model = ResponseModel("melanoma_ici").fit(train)
    >>> fold_of("riaz2017_mel", model, train, model.matrix(test)).repeated
    0
    """
    rare = [c for c, v in unseen.values.items() if 2 * v.nunique() > v.count() > 0]
    telling = (unseen.values[rare].notna().sum(axis=1) >= _TELLING).to_numpy()
    repeated = int((unseen.digests.isin(fitted.digests_).to_numpy() & telling).sum())
    return Fold(name, len(train), {b.spec.name: b.n_patients_ for b in fitted.assembler_.blocks_}, repeated)


def is_outcome(name: str) -> bool:
    """Say whether a column is named as one that tells how a patient did (``tables/outcome_columns.csv``).

    Parameters
    ----------
    name : str
        Name of a column, in any spelling.

    Returns
    -------
    bool
        What is known of the disease before treatment is none.

    Examples
    --------
    >>> [is_outcome(n) for n in ("RECIST", "PFS.months", "best overall response", "ldh", "prior_treatment")]
    [True, True, True, False, False]
    """
    plain = re.sub(r"[^a-z0-9]+", "_", str(name).lower()).strip("_")
    return _outcomes().fullmatch(plain) is not None


@cache
def _outcomes() -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{p})" for p in load_table("outcome_columns").pattern))
