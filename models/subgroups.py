"""Groups of patients that a model may serve unequally: who they are is read in one way, for every cohort."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from theracast.checks import UNKNOWN
from theracast.errors import DataError, UsageError
from theracast.features.blocks import BLOCKS
from theracast.features.cohort import Cohort

NOT_KNOWN = "not known"
OTHERS = "other groups"
#: A group of fewer patients is told only together with others: who is alone in it could be known again.
SMALLEST = 5
#: What patients are grouped by, and how people call it.
ATTRIBUTES = {
    "sex": "sex",
    "age": "age in years",
    "ancestry": "ancestry, race or ethnicity, in the words of the study",
    "study": "study",
    "tumour": "tumour type",
    "prior_ici": "an earlier checkpoint inhibitor",
    "prior_treatment": "any earlier systemic treatment",
}
#: Columns of table ``clinical`` that may say the ancestry; the first that says it of a patient is read.
_ANCESTRY = ("ancestry", "race", "ethnicity")
_SILENT = UNKNOWN | {"u", "none", "refused", "declined", "prefer not to say", "not given", "not recorded"}
_LONGEST = 60
_BANDS = ("below 50", "50 to 64", "65 to 74", "75 and over")
_YES_NO = {1.0: "yes", 0.0: "no"}


def subgroups(cohort: Cohort) -> pd.DataFrame:
    """Say to which groups each patient belongs.

    Parameters
    ----------
    cohort : Cohort
        Patients; sex, age and earlier treatment are read as the block ``clinical`` reads them.

    Returns
    -------
    DataFrame of str
        Indexed by `Cohort.ids`, a column per attribute of `ATTRIBUTES`; ``not known`` where nothing is said.

    Examples
    --------
    >>> c = Cohort.from_tables({"clinical": pd.DataFrame({"sex": ["F", None], "age": [61, 80]}, index=["a", "b"])})
    >>> subgroups(c)[["sex", "age"]].values.tolist()
    [['female', '50 to 64'], ['not known', '75 and over']]
    """
    known = BLOCKS["clinical"]().measure(cohort).values
    bands = pd.cut(known["age"].astype(float), [-np.inf, 50, 65, 75, np.inf], right=False, labels=list(_BANDS))
    found = {
        "sex": known["male"].map({1.0: "male", 0.0: "female"}),
        "age": bands.astype(object),
        "ancestry": _ancestry(cohort),
        "study": cohort.studies.reindex(cohort.ids),
        "tumour": cohort.tumours.replace("", np.nan),
        "prior_ici": known["prior_ici"].astype(float).map(_YES_NO),
        "prior_treatment": known["prior_treatment"].map(_YES_NO),
    }
    return pd.DataFrame({name: pd.Series(list(v), index=cohort.ids, dtype=object) for name, v in found.items()}).fillna(
        NOT_KNOWN
    )


def of_predictions(predictions: pd.DataFrame, cohorts: Mapping[str, Cohort]) -> pd.DataFrame:
    """Give the groups of patients who were predicted.

    Parameters
    ----------
    predictions : DataFrame
        Indexed by patient id, with a column ``cohort``.
    cohorts : mapping of str to Cohort
        The cohorts that it names.

    Returns
    -------
    DataFrame of str
        In the order of the predictions, without ids: a column per attribute of `ATTRIBUTES`. Groups of fewer than
        `SMALLEST` patients are put together as ``other groups``, with the next larger ones while these are too few.

    Raises
    ------
    UsageError
        When a cohort is not given.
    DataError
        THX-D17 when a patient is not in the cohort.

    Examples
    --------
    >>> c = Cohort.from_tables({"clinical": pd.DataFrame({"sex": ["F"] * 6}, index=list("abcdef"))}, name="x")
    >>> of_predictions(pd.DataFrame({"cohort": "x"}, index=list("abcdef")), {"x": c})["sex"].unique().tolist()
    ['female']
    """
    found = pd.DataFrame(NOT_KNOWN, index=range(len(predictions)), columns=list(ATTRIBUTES), dtype=object)
    absent = [str(n) for n in predictions["cohort"].unique() if n not in cohorts]
    if absent:
        raise UsageError("predictions are of cohorts that are not given", got=", ".join(absent))
    for name in predictions["cohort"].unique():
        mine, cohort = (predictions["cohort"] == name).to_numpy(), cohorts[name]
        strangers = int((~predictions.index[mine].isin(cohort.ids)).sum())
        if strangers:
            raise DataError(
                "predictions are of patients who are not in the cohort",
                code="THX-D17",
                where=str(name),
                got=f"{strangers} unknown",
            )
        found.loc[mine, :] = subgroups(cohort).loc[predictions.index[mine]].to_numpy()
    return found.apply(_put_together)


def _put_together(groups: pd.Series) -> pd.Series:
    counts = groups.value_counts(sort=False).sort_values(kind="stable")
    small, total = list[str](), 0
    for name, n in counts.items():
        # one small group alone could be told by taking the others from the whole
        if n >= SMALLEST and (not small or total >= SMALLEST):
            break
        small.append(str(name))
        total += int(n)
    return groups.where(~groups.isin(small), OTHERS)


def _ancestry(cohort: Cohort) -> pd.Series:
    said = pd.Series(np.nan, index=cohort.ids, dtype=object)
    for column in _ANCESTRY:
        said = said.fillna(cohort.column(column, ["clinical"])[1].map(_word, na_action="ignore"))
    return said


def _word(text: object) -> object:
    word = " ".join(str(text).lower().split())[:_LONGEST]
    return np.nan if word in _SILENT else word


def ordered(attribute: str) -> Callable[[str], tuple[int, str]]:
    """Give the order in which the groups of an attribute are told.

    Parameters
    ----------
    attribute : str
        One of `ATTRIBUTES`.

    Returns
    -------
    callable
        A key to sort names by: ages by years, others by name; what is not known comes last.

    Examples
    --------
    >>> sorted(["not known", "75 and over", "below 50"], key=ordered("age"))
    ['below 50', '75 and over', 'not known']
    """
    bands = _BANDS if attribute == "age" else ()
    places = {band: at for at, band in enumerate((*bands, "", OTHERS, NOT_KNOWN))}
    return lambda name: (places.get(name, places[""]), name)
