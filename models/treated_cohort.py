"""What a selector learns from, and what it reads, checked: patients, treatments, outcomes, therapies that failed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from theracast.checks import INFINITE, UNKNOWN, listed
from theracast.errors import DataError, UsageError
from theracast.models.heads import Head
from theracast.models.overlap import Propensity
from theracast.registry import Registry


@dataclass(frozen=True)
class Treated:
    """Patients, what they got and how it went.

    Attributes
    ----------
    X : ndarray of float64, shape (n, p)
        Native units, NaN where not known.
    arm : ndarray of int, shape (n,)
        Therapy of each, 0 to k - 1.
    y : ndarray of float64, shape (n,)
        1 responded, 0 did not.
    folds : ndarray of int, shape (n,)
        Fold of each.
    propensity : ndarray of float64, shape (n, k)
        Of each therapy, by a model that did not see the patient's fold, or known by design.
    enough : tuple of bool, length k
        Which therapies have patients enough of both outcomes for a model of their own; the others have their rate.
    reference : int
        The therapy that effects are measured against.
    model : Propensity
        What `propensity` is by, of all patients; for new ones.

    Examples
    --------
    >>> arm = np.array([0, 1])
    >>> Treated(np.zeros((2, 1)), arm, np.array([0.0, 1.0]), arm, np.full((2, 2), 0.5), (False, False), 0).k
    2
    """

    X: np.ndarray
    arm: np.ndarray
    y: np.ndarray
    folds: np.ndarray
    propensity: np.ndarray
    enough: tuple[bool, ...]
    reference: int
    model: Propensity = field(default_factory=lambda: Propensity(np.ones(1)))

    @property
    def k(self) -> int:
        """Count the therapies.

        Returns
        -------
        int
            How many there are.

        Examples
        --------
        >>> Treated(*[np.zeros(0)] * 5, (True, True, False), 0).k
        3
        """
        return len(self.enough)

    def rate(self, k: int) -> Head:
        """Give a therapy's rate as a head.

        Parameters
        ----------
        k : int
            Therapy.

        Returns
        -------
        Head
            The same for all patients.

        Examples
        --------
        >>> Treated(*[np.zeros(1)] * 5, (False,), 0).rate(0).slope
        0.0
        """
        mine = self.arm == k
        return Head.of_rate(int(self.y[mine].sum()), int(mine.sum()))


def read_patients(X: pd.DataFrame, columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Read patients' features.

    Parameters
    ----------
    X : DataFrame of shape (n_patients, n_features)
        Numbers, NaN where not known; indexed by patient.
    columns : sequence of str, optional
        The features wanted, in any order; any features by default, one patient or more.

    Returns
    -------
    DataFrame of float64
        Indexed and headed by text.

    Raises
    ------
    DataError
        THX-D33 without features, or without patients where any features will do; THX-D17 on repeated patients; THX-D03
        on repeated features; THX-D08 on other features than wanted; THX-D13 on text; THX-D11 on infinite values.

    Examples
    --------
    >>> read_patients(pd.DataFrame({"age": [61]}, index=[7])).index.tolist()
    ['7']
    """
    if not isinstance(X, pd.DataFrame):
        raise DataError("patients come as a DataFrame", code="THX-D33", where="X", got=type(X).__name__)
    table = X.set_axis(X.index.map(str), axis=0).set_axis([str(c) for c in X.columns], axis=1)
    if not table.shape[1] or (columns is None and not len(table)):
        raise DataError("no patients or no features", code="THX-D33", where="X", got=f"{len(X)} x {X.shape[1]}")
    if table.index.has_duplicates:
        raise DataError(
            f"{int(table.index.duplicated().sum())} patients occur again",
            code="THX-D17",
            where="index of X",
            fix="Keep one row per patient.",
        )
    if table.columns.has_duplicates:
        twice = table.columns[table.columns.duplicated()].unique()
        raise DataError("features occur again", code="THX-D03", where=listed(twice), fix="Keep one of each.")
    if columns is not None and set(table.columns) != set(columns):
        lacking, more = sorted(set(columns) - set(table.columns)), sorted(set(table.columns) - set(columns))
        raise DataError(
            "other features than the selector was fitted with",
            code="THX-D08",
            where="columns of X",
            got="; ".join(f"{what}: {listed(c)}" for what, c in (("lacking", lacking), ("not known", more)) if c),
            fix="Give the features of the fit; leave what is not known empty.",
        )
    text = [c for c in table if not pd.api.types.is_numeric_dtype(table[c])]
    if text:
        raise DataError("holds something else than numbers", code="THX-D13", where=listed(text), wanted="float64, NaN")
    table = pd.DataFrame(table.to_numpy(dtype=np.float64, na_value=np.nan), table.index, table.columns)
    infinite = (table.abs() >= INFINITE).any()
    if infinite.any():
        raise DataError(
            "holds infinite values (1e30 or more)",
            code="THX-D11",
            where=listed(table.columns[infinite]),
            fix="Leave unknown cells empty.",
        )
    return table


def read_treatments(treatment: Any, patients: pd.DataFrame) -> np.ndarray:
    """Read the therapy that each patient got.

    Parameters
    ----------
    treatment : array-like of str, shape (n_patients,)
        Names.
    patients : DataFrame
        From `read_patients`.

    Returns
    -------
    ndarray of str, shape (n_patients,)
        Without blanks around them.

    Raises
    ------
    DataError
        THX-D24 on another number than patients, or another order; THX-D21 on treatments that are not known.

    Examples
    --------
    >>> read_treatments([" a", "b"], pd.DataFrame(index=["p", "q"])).tolist()
    ['a', 'b']
    """
    values = pd.Series(_in_order(treatment, patients, "treatment"), dtype=object)
    names = values.where(values.notna(), "").map(str).str.strip()
    blank = names.str.lower().isin(UNKNOWN)
    if blank.any():
        raise DataError(
            f"the treatment of {int(blank.sum())} patients is not known",
            code="THX-D21",
            where="treatment",
            fix="Leave these patients out.",
        )
    return names.to_numpy(dtype=object)


def read_outcomes(y: Any, patients: pd.DataFrame) -> np.ndarray:
    """Read whether each patient responded.

    Parameters
    ----------
    y : array-like of 0 and 1, shape (n_patients,)
        1 responded.
    patients : DataFrame
        From `read_patients`.

    Returns
    -------
    ndarray of float64, shape (n_patients,)
        0 and 1.

    Raises
    ------
    DataError
        THX-D24 on another number than patients, another order, or other values than 0 and 1.

    Examples
    --------
    >>> read_outcomes([True, False], pd.DataFrame(index=["p", "q"])).tolist()
    [1.0, 0.0]
    """
    values = pd.to_numeric(pd.Series(_in_order(y, patients, "y"), dtype=object), errors="coerce").to_numpy(np.float64)
    if not np.isin(values, (0.0, 1.0)).all():
        raise DataError(
            f"{int((~np.isin(values, (0.0, 1.0))).sum())} outcomes are something else than 0 and 1",
            code="THX-D24",
            where="y",
            wanted="1 responded, 0 did not",
            fix="Leave out patients whose outcome is not known.",
        )
    return values


def read_shares(shares: Mapping[str, float], therapies: Registry[str]) -> np.ndarray:
    """Read the shares of the therapies in a randomised trial.

    Parameters
    ----------
    shares : mapping of str to float
        Probability of each therapy.
    therapies : Registry
        Those that patients got.

    Returns
    -------
    ndarray of float64, shape (k,)
        In the order of `therapies`.

    Raises
    ------
    UsageError
        On a therapy that no patient got, one without a share, or shares that are none or do not add up to 1.

    Examples
    --------
    >>> read_shares({"b": 0.75, "a": 0.25}, Registry("therapy", {"a": "a", "b": "b"})).tolist()
    [0.25, 0.75]
    """
    for name in shares:
        _ = therapies[name]
    lacking = [t for t in therapies if t not in shares]
    if lacking:
        raise UsageError("a therapy has no share", where="propensity", got=f"nothing for {listed(lacking)}")
    values = np.array([float(shares[t]) for t in therapies])
    if not ((values > 0) & (values < 1)).all() or abs(values.sum() - 1.0) > 1e-6:
        raise UsageError("shares lie within 0-1 and add up to 1", where="propensity", got=f"a sum of {values.sum():g}")
    return values


def read_tried(
    tried: Mapping[str, Sequence[str]], patients: pd.DataFrame, therapies: Registry[str]
) -> dict[int, tuple[str, ...]]:
    """Read the therapies that failed already.

    Parameters
    ----------
    tried : mapping of str to sequence of str
        By patient.
    patients : DataFrame
        From `read_patients`.
    therapies : Registry
        Those that the selector knows.

    Returns
    -------
    dict of int to tuple of str
        By row of `patients`.

    Raises
    ------
    DataError
        On patients who are not there; THX-D21 on an unknown therapy, with the nearest name.

    Examples
    --------
    >>> read_tried({"q": "a"}, pd.DataFrame(index=["p", "q"]), Registry("therapy", {"a": "a"}))
    {1: ('a',)}
    """
    found, strangers = {}, 0
    rows = {patient: i for i, patient in enumerate(patients.index)}
    for patient, given in tried.items():
        names = (given,) if isinstance(given, str) else tuple(given)
        for name in names:
            if name not in therapies:
                near = difflib.get_close_matches(str(name), list(therapies), n=1)
                raise DataError(
                    "a therapy that was tried is none that the selector knows",
                    code="THX-D21",
                    where="tried",
                    wanted=f"one of {', '.join(therapies)}",
                    fix=f"Is it {near[0]!r}? Leave out what is none of them." if near else "Leave it out.",
                )
        if str(patient) in rows:
            found[rows[str(patient)]] = names
        else:
            strangers += 1
    if strangers:
        raise DataError(f"{strangers} patients who tried a therapy are not among the patients", where="tried")
    return found


def _in_order(values: Any, patients: pd.DataFrame, name: str) -> np.ndarray:
    array = np.asarray(values, dtype=object)
    if array.shape != (len(patients),):
        raise DataError(
            "patients and what is said of them differ in number",
            code="THX-D24",
            where=name,
            got=f"{len(array) if array.ndim else 'one value'} for {len(patients)} patients",
        )
    if isinstance(values, pd.Series):
        ids = values.index.map(str)
        if set(ids) == set(patients.index) and not ids.equals(patients.index):
            raise DataError(
                "patients stand in another order", code="THX-D24", where=name, fix="Put both into one order by id."
            )
    return array
