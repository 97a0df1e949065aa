"""SelectionModel: the therapies of several studies side by side, each learned and ranked among its own patients."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from theracast.checks import Problem
from theracast.errors import DataError, UsageError
from theracast.features.assembler import FeatureAssembler
from theracast.features.blocks import BLOCKS
from theracast.features.cohort import Cohort
from theracast.models.indications import SELECTIONS
from theracast.models.lone_therapy import LoneTherapy
from theracast.models.positions import reference_of
from theracast.models.ranking import INSUFFICIENT, NOT_COMPARABLE, RANKED, RANKING, TRIED, Ranking
from theracast.models.selection_spec import Arm, SelectionSpec
from theracast.models.selector import TherapySelector
from theracast.provenance import digest_json

#: Column of table ``clinical`` that says what a training patient got.
TREATMENT = "treatment"
ONE_LEFT = "no other therapy of its study can be ranked: nothing to compare with"
ELSEWHERE = "other study: cannot be compared"
#: Share of a block's features that must be known of a patient.
_LEAST = 0.5
_NUMBERS = [c for c in RANKING if c not in ("patient_id", "therapy", "mechanism", "state", "reason")]


class SelectionModel(BaseEstimator):
    """One `TherapySelector` per study of a choice; what no study compared is not compared here.

    Parameters
    ----------
    spec : str or SelectionSpec
        Name in `theracast.models.indications.SELECTIONS`, or a choice of your own.
    settings : mapping, optional
        Parameters of `TherapySelector`: ``{"learner": "dr"}``; those of `LoneTherapy` among them hold where a study
        has one arm.

    Attributes
    ----------
    studies_ : tuple of str
        The studies it was fitted on.
    assemblers_ : dict of str to FeatureAssembler
        The blocks of each study, fitted on its patients.
    columns_ : dict of str to list of str
        Features of each study: those that differ among its patients.
    selectors_ : dict of str to TherapySelector or LoneTherapy
        One per study.
    references_ : dict of str to dict of str to list of float
        Per study, 101 quantiles of each feature among the patients it was learned from, in native units.
    evidence_ : DataFrame
        One line per therapy: ``study``, and what `TherapySelector.evidence_` says.

    Examples
    --------
    >>> spec = SelectionSpec("x", "X", "", "", "", tuple(Arm(t, "", "s", ("clinical",)) for t in "ab"), "", "")
    >>> rng = np.random.default_rng(0)
    >>> people = pd.DataFrame({"age": rng.uniform(20, 80, 200), "treatment": ["a", "b"] * 100}).rename(index=str)
    >>> older = people["age"] > rng.uniform(40, 60, 200)
    >>> people["response"] = np.where(older == (people["treatment"] == "a"), "R", "NR")
    >>> cohort = Cohort.from_tables({"clinical": people}, name="simulated")
    >>> model = SelectionModel(spec).fit({"s": cohort})
    >>> model.rank(cohort.subset(cohort.ids[:3])).table["therapy"].tolist()
    ['a', 'b', 'a', 'b', 'a', 'b']
    """

    def __init__(self, spec: str | SelectionSpec = "ra_biologic", settings: Mapping[str, Any] | None = None) -> None:
        self.spec, self.settings = spec, settings

    @property
    def selection(self) -> SelectionSpec:
        """The choice, as data.

        Returns
        -------
        SelectionSpec
            Looked up by name where a name was given.

        Examples
        --------
        >>> SelectionModel("ra_biologic").selection.studies[0]
        'ra_lipids_discovery'
        """
        return SELECTIONS[self.spec] if isinstance(self.spec, str) else self.spec

    def fit(self, cohorts: Mapping[str, Cohort]) -> Self:
        """Fit the blocks and the selector of every study.

        Parameters
        ----------
        cohorts : mapping of str to Cohort
            Study to its patients; table ``clinical`` holds ``treatment`` and ``response``. Patients without either,
            or of whom less than half of a block that the study's arms read is known, are not learned from.

        Returns
        -------
        self
            Fitted.

        Raises
        ------
        UsageError
            When a study is missing.
        DataError
            THX-D21 when a patient got something that is no arm of the study.

        Examples
        --------
        >>> SelectionModel("ra_biologic").fit({})
        Traceback (most recent call last):
        ...
        theracast.errors.UsageError: patients of a study are missing | ...
        """
        spec = self.selection
        missing = [s for s in spec.studies if s not in cohorts]
        if missing:
            raise UsageError("patients of a study are missing", where=spec.name, wanted=", ".join(missing))
        self.studies_ = spec.studies
        self.assemblers_: dict[str, FeatureAssembler] = {}
        self.columns_: dict[str, list[str]] = {}
        self.selectors_: dict[str, TherapySelector | LoneTherapy] = {}
        self.references_: dict[str, dict[str, list[float]]] = {}
        for study in spec.studies:
            self._fit_study(study, spec.of(study), cohorts[study])
        return self

    def _fit_study(self, study: str, arms: tuple[Arm, ...], cohort: Cohort) -> None:
        where, words = cohort.column(TREATMENT, ["clinical"])
        treatment = words.where(words.notna(), "").map(lambda v: str(v).strip())
        _known(treatment[treatment != ""].unique(), [a.therapy for a in arms], where)
        y = cohort.response
        cohort = cohort.subset(cohort.ids[(treatment.ne("") & y.notna()).to_numpy()])
        blocks = [BLOCKS[b](**self.selection.settings.get(b, {})) for b in arms[0].blocks]
        self.assemblers_[study] = FeatureAssembler(blocks).fit(cohort)
        values = self.assemblers_[study].matrix(cohort).values
        # of a single value nothing can be learned
        self.columns_[study] = [str(c) for c in values if values[c].max() > values[c].min()]
        X = values[self.columns_[study]]
        X = X[~self._lacking(study, X).any(axis=1).to_numpy()]
        self.references_[study] = reference_of(X)
        mechanisms = {a.therapy: a.mechanism for a in arms}
        self.selectors_[study] = self._selector(arms).fit(
            self.assemblers_[study].scaled(X),
            treatment[X.index].to_numpy(),
            y[X.index].to_numpy(),
            mechanisms=mechanisms,
        )

    def _selector(self, arms: tuple[Arm, ...]) -> TherapySelector | LoneTherapy:
        settings = dict(self.settings or {})
        if len(arms) == 1:
            return LoneTherapy(**{k: settings[k] for k in ("folds", "level", "min_treated", "seed") if k in settings})
        # patients of the other studies never got the standard of this one
        standard = self.selection.standard
        return TherapySelector(**{"standard": standard if standard in {a.therapy for a in arms} else "", **settings})

    def _lacking(self, study: str, X: pd.DataFrame) -> pd.DataFrame:
        """Say of which block too little is known: patients x blocks."""
        blocks = self.selection.of(study)[0].blocks
        known = {b: X.filter(regex=f"^{b}__").notna().mean(axis=1).fillna(0.0) for b in blocks}
        return pd.DataFrame(known, index=X.index) < _LEAST

    @property
    def evidence_(self) -> pd.DataFrame:
        """What each therapy's model rests on, and what it reached on held-out patients.

        Returns
        -------
        DataFrame
            One line per therapy.

        Examples
        --------
        >>> hasattr(SelectionModel(), "selectors_")
        False
        """
        parts = [s.evidence_.assign(study=study) for study, s in self.selectors_.items()]
        table = pd.concat(parts, ignore_index=True)
        return table[["study", *(c for c in table if c != "study")]]

    def rank(self, cohort: Cohort, tried: Mapping[str, Sequence[str]] | None = None, utility: Any = None) -> Ranking:
        """Put the therapies of all studies side by side; rank them within a study, never across.

        Parameters
        ----------
        cohort : Cohort
            Patients; any of the tables that the arms read.
        tried : mapping of str to sequence of str, optional
            Patient id to the therapies that failed already.
        utility : Utility, optional
            Prices and harms; the rank is by the probability of response without.

        Returns
        -------
        Ranking
            Patients in the order of the cohort, therapies in that of the choice. A patient of whom less than
            half of a study's blocks is known gets no probability from it.

        Raises
        ------
        UsageError
            On a tried therapy that is no arm; the nearest is named.

        Examples
        --------
        >>> SelectionModel("ra_biologic").rank(Cohort.from_tables({"clinical": pd.DataFrame({"age": [61]}, ["p"])}))
        Traceback (most recent call last):
        ...
        theracast.errors.UsageError: the model is not fitted | do: Call fit first.
        """
        if not hasattr(self, "selectors_"):
            raise UsageError("the model is not fitted", fix="Call fit first.")
        spec = self.selection
        failed = {str(i): list(t) for i, t in (tried or {}).items()}
        _known([t for ts in failed.values() for t in ts], [a.therapy for a in spec.arms], "tried", UsageError)
        parts = [self._rank_study(study, cohort, failed, utility) for study in spec.studies]
        # columns are of one kind whoever is asked about
        table = pd.concat(parts, ignore_index=True).astype({**dict.fromkeys(_NUMBERS, float), "n_treated": int})
        table.loc[_in_several(table), "reason"] = ELSEWHERE
        order = {i: k for k, i in enumerate(cohort.ids)}
        table = table.iloc[np.argsort(table["patient_id"].map(order).to_numpy(), kind="stable")]
        return Ranking(table[list(RANKING)].reset_index(drop=True), spec.standard or "as treated")

    def check(self, cohort: Cohort) -> list[Problem]:
        """List what the blocks of any study find implausible.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        list of Problem
            Each once.

        Examples
        --------
        >>> SelectionModel.from_state({"spec": asdict(SELECTIONS["ra_biologic"]), "studies": {}}).check(None)
        []
        """
        return list(dict.fromkeys(p for a in self.assemblers_.values() for p in a.check(cohort)))

    def digests(self, cohort: Cohort) -> pd.Series:
        """Digest what is read of each patient.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        Series of str
            64 hexadecimal characters, indexed by patient.

        Examples
        --------
        >>> nobody = Cohort.from_tables({"clinical": pd.DataFrame({"age": [61]}, ["p"])})
        >>> SelectionModel.from_state({"spec": asdict(SELECTIONS["ra_biologic"]), "studies": {}}).digests(nobody).size
        1
        """
        each = [list(a.matrix(cohort, checked=True).digests) for a in self.assemblers_.values()]
        return pd.Series([digest_json([d[k] for d in each]) for k in range(len(cohort))], cohort.ids, dtype=object)

    def _rank_study(
        self, study: str, cohort: Cohort, failed: Mapping[str, Sequence[str]], utility: Any
    ) -> pd.DataFrame:
        arms = self.selection.of(study)
        names = {a.therapy for a in arms}
        X = self.assemblers_[study].matrix(cohort, checked=True).values[self.columns_[study]]
        lacking = self._lacking(study, X)
        there = X[~lacking.any(axis=1).to_numpy()]
        mine = {i: [t for t in ts if t in names] for i, ts in failed.items()}
        parts = [self._unknown(arms, lacking[lacking.any(axis=1)], mine)]
        if len(there):
            kept = {i: ts for i, ts in mine.items() if ts and i in there.index}
            scaled = self.assemblers_[study].scaled(there)
            parts.append(_one_left(self.selectors_[study].rank(scaled, kept, utility).table))
        # of nobody there is an empty table, with its columns
        return pd.concat([p for p in parts if len(p)] or parts, ignore_index=True).assign(study=study)

    def _unknown(
        self, arms: tuple[Arm, ...], lacking: pd.DataFrame, failed: Mapping[str, Sequence[str]]
    ) -> pd.DataFrame:
        """Lines of patients of whom the study's model knows nothing: the study's response rate is no prediction."""
        treated = self.selectors_[arms[0].study].evidence_.set_index("therapy")["n"]
        lines = []
        for i, gone in lacking.iterrows():
            for arm in arms:
                state, reason = INSUFFICIENT, f"no {arm.reads or ', '.join(gone.index)} known"
                if not gone.all():
                    reason = f"{arm.reads} known in part: no {', '.join(gone.index[gone])}"
                if arm.therapy in failed.get(str(i), ()):
                    state, reason = TRIED, "it failed already"
                lines.append((str(i), arm.therapy, arm.mechanism, state, reason, treated.get(arm.therapy, 0)))
        table = pd.DataFrame(lines, columns=["patient_id", "therapy", "mechanism", "state", "reason", "n_treated"])
        return table.reindex(columns=list(RANKING)).astype(dict.fromkeys(_NUMBERS, float))

    def state(self) -> dict[str, Any]:
        """Return everything that was learned, JSON-ready.

        Returns
        -------
        dict
            The choice, the blocks and the selectors.

        Examples
        --------
        >>> SelectionModel.from_state({"spec": asdict(SELECTIONS["ra_biologic"]), "studies": {}}).selection.name
        'ra_biologic'
        """
        studies = {
            study: {
                "blocks": self.assemblers_[study].state(),
                "columns": self.columns_[study],
                "selector": self.selectors_[study].state(),
                "reference": self.references_[study],
            }
            for study in self.studies_
        }
        settings = dict(self.settings) if self.settings else None
        return {"spec": asdict(self.selection), "settings": settings, "studies": studies}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild from `state`.

        Parameters
        ----------
        state : mapping
            From `state`, also after a way through JSON.

        Returns
        -------
        SelectionModel
            Gives the same numbers.

        Examples
        --------
        >>> SelectionModel.from_state({"spec": asdict(SELECTIONS["ra_biologic"]), "studies": {}}).studies_
        ()
        """
        held = dict(state["spec"])
        arms = tuple(Arm(**{**a, "blocks": tuple(a["blocks"])}) for a in held.pop("arms"))
        spec = SelectionSpec(**{**held, "arms": arms, "references": tuple(held["references"])})
        made = cls(spec, state.get("settings"))
        made.studies_ = tuple(state["studies"])
        made.assemblers_, made.columns_, made.selectors_, made.references_ = {}, {}, {}, {}
        for study, kept in state["studies"].items():
            made.assemblers_[study] = FeatureAssembler.from_state(kept["blocks"])
            made.columns_[study], made.references_[study] = list(kept["columns"]), dict(kept["reference"])
            kind = TherapySelector if len(spec.of(study)) > 1 else LoneTherapy
            made.selectors_[study] = kind.from_state(kept["selector"])
        return made


def _known(given: Sequence[str], names: Sequence[str], where: str, error: type = DataError) -> None:
    """Refuse therapies that are no arm, and name the nearest that is."""
    odd = [t for t in given if t not in names]
    if odd:
        near = difflib.get_close_matches(odd[0].lower(), [n.lower() for n in names], n=1)
        nearest = next((n for n in names if near and n.lower() == near[0]), "")
        fix = f"Did you mean {nearest!r}?" if nearest else ""
        raise error(
            "no such therapy in this choice", code="THX-D21", where=where, got=repr(odd[0]),
            wanted=", ".join(names), fix=fix,
        )  # fmt: skip


def _one_left(table: pd.DataFrame) -> pd.DataFrame:
    """Take the rank from a therapy beside which no other of its study can stand."""
    ranked, tried = table["state"] == RANKED, table["state"] == TRIED
    alone = ranked & ((ranked | tried).groupby(table["patient_id"]).transform("sum") < 2)
    table.loc[alone, ["state", "rank", "reason"]] = [NOT_COMPARABLE, np.nan, ONE_LEFT]
    return table


def _in_several(table: pd.DataFrame) -> pd.Series:
    """Ranked lines of patients who have ranks in more than one study."""
    ranked = table["state"] == RANKED
    studies = table[ranked].groupby("patient_id")["study"].nunique()
    return ranked & table["patient_id"].map(studies).gt(1)
