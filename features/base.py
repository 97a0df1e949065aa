"""OmicsBlock: one omics layer as a scikit-learn transformer over a cohort."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin

from theracast.checks import Problem, out_of_range, refuse, to_numbers
from theracast.features.cohort import Cohort, as_cohort
from theracast.features.columns import texts_of
from theracast.features.spec import BlockSpec, Feature
from theracast.texts import Texts


@dataclass(frozen=True)
class Measured:
    """What a block measured of each patient.

    Attributes
    ----------
    values : DataFrame of shape (n_patients, n_features)
        Native units; NaN is not known.
    proxy : DataFrame of bool
        True where a stand-in was used for the thing itself; a feature without a column is nowhere one.
    coverage : Series of float, shape (n_patients,)
        Share of what the block reads that was there, in [0, 1].
    censored : DataFrame of int8
        -1 where the value is an upper limit (below detection), 1 where it is a lower limit, else 0; a feature without
        a column is nowhere censored.
    notes : mapping of str to list of str
        Per patient id, what a reader should know.

    Examples
    --------
    >>> Measured.of(pd.DataFrame({"a": [1.0, np.nan]})).coverage.tolist()
    [1.0, 0.0]
    """

    values: pd.DataFrame
    proxy: pd.DataFrame
    coverage: pd.Series
    censored: pd.DataFrame
    notes: Mapping[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, values: pd.DataFrame, **known: Any) -> Measured:
        """Fill in what the block did not say: nothing is a proxy or censored, coverage is the share of features.

        Parameters
        ----------
        values : DataFrame
            The features.
        **known : Any
            Any other field.

        Returns
        -------
        Measured
            Complete.

        Examples
        --------
        >>> Measured.of(pd.DataFrame({"a": [1.0]})).proxy.shape
        (1, 0)
        """
        nothing = pd.DataFrame(index=values.index)
        if "coverage" not in known:
            known["coverage"] = values.notna().mean(axis=1)
        return cls(values, **{"proxy": nothing, "censored": nothing, **known})


class OmicsBlock(TransformerMixin, BaseEstimator):
    """One omics layer: reads a cohort by its spec, refuses what is implausible, names what it gives.

    A block is one file: a subclass with a `spec` and `measure`; `learn` where something must be kept from the
    training cohorts, in attributes that end in ``_`` and that JSON can carry; `outputs` where the features are known
    only then.

    Examples
    --------
    >>> from theracast.features.blocks import BLOCKS
    >>> BLOCKS["mutations"]().get_feature_names_out().tolist()
    ['mutations__tmb']
    """

    spec: ClassVar[BlockSpec]

    def outputs(self) -> tuple[Feature, ...]:
        """List the features that `measure` gives.

        Returns
        -------
        tuple of Feature
            Those of the spec, unless the block learns or is told which.

        Examples
        --------
        >>> from theracast.features.blocks import BLOCKS
        >>> [f.name for f in BLOCKS["mutations"]().outputs()][:1]
        ['tmb']
        """
        return self.spec.features

    @classmethod
    def example(cls) -> dict[str, pd.DataFrame]:
        """Return small tables that the block reads, made up, to copy the layout from.

        Returns
        -------
        dict of str to DataFrame
            Table name to table, of three patients or more; from the examples of the spec, which may hold one cell
            per patient (``"63|48|71"``), where the block does not draw its own.

        Examples
        --------
        >>> from theracast.features.blocks import BLOCKS
        >>> BLOCKS["clinical"].example()["clinical"]["age"].tolist()[0]
        '63'
        """
        cells = {c.name: (c.example.split("|") * 3)[:3] for c in cls.spec.inputs}
        ids = pd.Index(["p1", "p2", "p3"], name="patient_id")
        return {cls.spec.tables[0]: pd.DataFrame(cells, index=ids)}

    @property
    def names(self) -> tuple[str, ...]:
        """Feature names as they stand in a matrix.

        Returns
        -------
        tuple of str
            ``<block>__<feature>``, in the order of `outputs`.

        Examples
        --------
        >>> from theracast.features.blocks import BLOCKS
        >>> BLOCKS["mutations"]().names[0]
        'mutations__tmb'
        """
        return tuple(f"{self.spec.name}__{f.name}" for f in self.outputs())

    def measure(self, cohort: Cohort) -> Measured:
        """Compute the features of each patient alone.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        Measured
            One row per patient; columns are `outputs` without the block's name.

        Examples
        --------
        >>> from theracast.features.blocks import BLOCKS
        >>> c = Cohort.from_tables({"mutations": pd.DataFrame({"tmb": [9.0], "tmb_unit": "mut/Mb"}, index=["p"])})
        >>> BLOCKS["mutations"]().fit(c).measure(c).values["tmb"].tolist()
        [9.0]
        """
        raise NotImplementedError

    def learn(self, cohort: Cohort) -> None:
        """Keep what must be kept from the training cohorts; nothing by default.

        Parameters
        ----------
        cohort : Cohort
            Training patients.

        Examples
        --------
        >>> from theracast.features.blocks import BLOCKS
        >>> BLOCKS["clinical"]().learn(Cohort.from_tables({"clinical": pd.DataFrame({"age": [61]}, index=["p"])}))
        """

    def check(self, cohort: Cohort) -> list[Problem]:
        """List everything implausible in what the block reads.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        list of Problem
            With rows, when single patients are concerned; without, when the column is.

        Examples
        --------
        >>> from theracast.features.blocks import BLOCKS
        >>> c = Cohort.from_tables({"clinical": pd.DataFrame({"age": [-1.0]}, index=["p"])})
        >>> BLOCKS["clinical"]().check(c)[0].code
        'THX-D15'
        """
        found = []
        for column in self.spec.inputs:
            if not np.isnan(column.low):
                where, values = cohort.column(column.name, self.spec.tables)
                numbers, problems = to_numbers(values, where)
                found += problems
                found += out_of_range(numbers, column.low, column.high, where, column.unit, column.code)
        return found

    def ignored(self, cohort: Cohort) -> list[Problem]:
        """List cells that are read as unknown because their words are not known here; scoring goes on without them.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        list of Problem
            Nothing, unless the block says otherwise.

        Examples
        --------
        >>> from theracast.features.blocks import BLOCKS
        >>> c = Cohort.from_tables({"clinical": pd.DataFrame({"stage": ["T4 maybe"]}, index=["p"])})
        >>> BLOCKS["clinical"]().ignored(c)[0].rows
        (0,)
        """
        return []

    def numbers(self, cohort: Cohort, name: str) -> pd.Series:
        """Read one numeric input; cells that `check` refuses are NaN.

        Parameters
        ----------
        cohort : Cohort
            Patients.
        name : str
            Input column.

        Returns
        -------
        Series of float64
            One value per patient.

        Examples
        --------
        >>> from theracast.features.blocks import BLOCKS
        >>> c = Cohort.from_tables({"clinical": pd.DataFrame({"age": ["61"]}, index=["p"])})
        >>> BLOCKS["clinical"]().numbers(c, "age").tolist()
        [61.0]
        """
        where, values = cohort.column(name, self.spec.tables)
        return to_numbers(values, where)[0]

    def words(self, cohort: Cohort, name: str) -> pd.Series:
        """Read one input as lower-case text; unknown is the empty string.

        Parameters
        ----------
        cohort : Cohort
            Patients.
        name : str
            Input column.

        Returns
        -------
        Series of str
            One value per patient.

        Examples
        --------
        >>> from theracast.features.blocks import BLOCKS
        >>> c = Cohort.from_tables({"clinical": pd.DataFrame({"sex": ["F "]}, index=["p"])})
        >>> BLOCKS["clinical"]().words(c, "sex").tolist()
        ['f']
        """
        words = self.texts(cohort, name).read(str)
        return pd.Series(words, index=cohort.ids, dtype=object, name=name)

    def texts(self, cohort: Cohort, name: str) -> Texts:
        """Read one input as `words` does, each different word a single time.

        Parameters
        ----------
        cohort : Cohort
            Patients.
        name : str
            Input column.

        Returns
        -------
        Texts
            One per patient, in lower case; unknown is the empty string.

        Examples
        --------
        >>> from theracast.features.blocks import BLOCKS
        >>> c = Cohort.from_tables({"clinical": pd.DataFrame({"sex": ["F "]}, index=["p"])})
        >>> BLOCKS["clinical"]().texts(c, "sex").tolist()
        ['f']
        """
        return texts_of(cohort, name, self.spec.tables).map(lambda text: text.strip().lower())

    def fit(self, X: Cohort | pd.DataFrame, y: object = None) -> Self:
        """Check the training patients and keep what `learn` keeps.

        Parameters
        ----------
        X : Cohort or wide DataFrame
            Training patients.
        y : ignored
            For scikit-learn.

        Returns
        -------
        self
            Fitted.

        Raises
        ------
        DataError
            On the first thing that `check` finds; the others are counted.

        Examples
        --------
        >>> from theracast.features.blocks import BLOCKS
        >>> from theracast.features.datasets import load_cohort
        >>> BLOCKS["pathology"]().fit(load_cohort("riaz2017_mel")).n_patients_
        51
        """
        cohort = as_cohort(X)
        refuse(self.check(cohort))
        self.learn(cohort)
        self.n_patients_ = len(cohort)
        return self

    def transform(self, X: Cohort | pd.DataFrame) -> pd.DataFrame:
        """Compute the features, refusing implausible input.

        Parameters
        ----------
        X : Cohort or wide DataFrame
            Patients.

        Returns
        -------
        DataFrame of float64, shape (n_patients, n_features)
            Columns ``<block>__<feature>``; NaN is not known.

        Raises
        ------
        DataError
            As `fit`.

        Examples
        --------
        >>> from theracast.features.blocks import BLOCKS
        >>> from theracast.features.datasets import load_cohort
        >>> BLOCKS["mutations"]().fit_transform(load_cohort("riaz2017_mel")).shape
        (51, 1)
        """
        cohort = as_cohort(X)
        refuse(self.check(cohort))
        return self.measure(cohort).values.add_prefix(f"{self.spec.name}__")

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Name the columns of `transform`.

        Parameters
        ----------
        input_features : ignored
            For scikit-learn.

        Returns
        -------
        ndarray of str
            ``<block>__<feature>``.

        Examples
        --------
        >>> from theracast.features.blocks import BLOCKS
        >>> BLOCKS["pathology"]().get_feature_names_out().tolist()[0]
        'pathology__pdl1'
        """
        return np.array(self.names, dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "n_patients_")
