"""Ranking: the therapies of each patient side by side, and whether they may be compared at all."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

#: What can be said of a therapy for a patient. Only the first has a rank.
RANKED = "ranked"
NOT_COMPARABLE = "not comparable"
INSUFFICIENT = "insufficient"
TRIED = "tried"
UNKNOWN = "unknown"
STATES = (RANKED, NOT_COMPARABLE, INSUFFICIENT, TRIED, UNKNOWN)

#: Columns of a ranking, in order.
RANKING = (
    "patient_id",
    "therapy",
    "mechanism",
    "state",
    "rank",
    "probability",
    "lower",
    "upper",
    "gain",
    "gain_lower",
    "gain_upper",
    "utility",
    "n_treated",
    "n_comparable",
    "ess",
    "propensity",
    "reason",
)


@dataclass(frozen=True)
class Ranking:
    """One line per patient and therapy.

    Attributes
    ----------
    table : DataFrame
        Columns `RANKING`. ``probability``, ``lower``, ``upper``: of response, in [0, 1] (higher = more likely to
        respond); ``gain``, ``gain_lower``, ``gain_upper``: response probability above standard of care, in
        probability (positive = better); ``utility``: what the rank is by (the probability unless prices or harms were
        declared); ``n_treated``: training patients on the therapy; ``n_comparable``, ``ess``: those like this patient,
        counted and as an effective sample size; ``propensity``: how often patients like this one got the therapy, in
        [0, 1]; ``state``: one of `STATES`; ``rank``: 1 is best, missing unless ``state`` is ``ranked``; ``reason``:
        why there is no rank.
    standard : str
        What a gain is measured against: a therapy, or ``as treated``.

    Examples
    --------
    >>> lines = {"patient_id": ["p", "p"], "therapy": ["a", "b"], "state": ["ranked", "insufficient"]}
    >>> Ranking(pd.DataFrame({**lines, "rank": [1, None]}), "as treated").best().to_dict()
    {'p': 'a'}
    """

    table: pd.DataFrame
    standard: str

    def best(self) -> pd.Series:
        """Name the first therapy of each patient.

        Returns
        -------
        Series of str
            Indexed by patient; empty where no therapy has a rank, or where studies that cannot be compared each have
            a first.

        Examples
        --------
        >>> lines = {"patient_id": ["p"], "therapy": ["a"], "state": ["not comparable"], "rank": [None]}
        >>> Ranking(pd.DataFrame(lines), "as treated").best().to_dict()
        {'p': ''}
        """
        first = self.table[self.table["rank"] == 1].set_index("patient_id")["therapy"]
        first = first[~first.index.duplicated(keep=False)]
        return first.reindex(self.table["patient_id"].unique(), fill_value="").rename("therapy")

    def wide(self, column: str) -> pd.DataFrame:
        """Lay one column out with a row per patient and a column per therapy.

        Parameters
        ----------
        column : str
            One of `RANKING`.

        Returns
        -------
        DataFrame
            Patients and therapies in the order of `table`.

        Examples
        --------
        >>> lines = {"patient_id": ["p", "p"], "therapy": ["b", "a"], "probability": [0.5, 0.25]}
        >>> Ranking(pd.DataFrame(lines), "as treated").wide("probability").loc["p"].to_dict()
        {'b': 0.5, 'a': 0.25}
        """
        rows, columns = self.table["patient_id"].unique(), self.table["therapy"].unique()
        found = self.table.pivot_table(column, "patient_id", "therapy", aggfunc="first", dropna=False)
        return found.loc[rows, columns]
