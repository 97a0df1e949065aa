"""Polygenic: inherited risk as weighted sums of dosages, and the shared epitope from typed HLA-DRB1 alleles."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
import pandas as pd

from theracast.checks import UNKNOWN, Problem, listed, out_of_range, table_to_numbers
from theracast.errors import UsageError
from theracast.features.alleles import USED, Match, Sites, match_alleles, report_matches
from theracast.features.base import Measured, OmicsBlock
from theracast.features.cohort import Cohort
from theracast.features.epitope import SHARED_EPITOPE, drb1_class, drb1_motif
from theracast.features.polygenic import CATALOG, mean_copies, sum_score
from theracast.features.spec import BlockSpec, Column, Feature
from theracast.features.weights import Weights, build_of, read_weights

_TABLE = "dosages"
#: Columns that are checked at once, so that memory stays bounded.
_AT_ONCE = 4096
_TYPED = ("DRB1_1", "DRB1_2")


class PolygenicBlock(OmicsBlock):
    """Polygenic scores of given weight files, and the shared epitope of HLA-DRB1.

    Dosages stand in the table ``dosages``: one column per variant, named ``chrom:pos:ref:alt`` (copies of ALT, 0 to
    2), ``rsid_allele`` (copies of that allele) or ``rsid`` (copies of the effect allele, taken on trust). A missing
    dosage counts as the mean of the training patients, twice the allele's frequency, as in plink2; a variant that no
    training patient has is left out of the score for everyone.

    Parameters
    ----------
    scores : sequence of str, Path, mapping or DataFrame, default ()
        Weight files of the PGS Catalog; see `theracast.features.weights.read_weights`. A fitted block keeps the
        weights itself and needs no file.
    build : str, default ""
        Genome build of the dosages (``GRCh38``), unless the cohort declares it as unit ``genome_build``.
    keep_ambiguous : bool, default False
        Whether A/T and C/G variants are taken as they stand; else they are dropped, for they read the same on both
        strands.
    least : float, default 0.75
        Share of a score's summed absolute weight that must be known of a patient; below, the score is not known.
    mismatches : float, default 0.01
        Largest share of the variants found by position whose alleles agree on neither strand.

    Attributes
    ----------
    scores_ : list of dict
        Per score: name, build, trait, reference, its variants and their mean dosages, mean and standard deviation
        over the training patients.
    report_ : dict of str to dict
        Per score: how many variants were matched, swapped, flipped, ambiguous, mismatched or absent.

    Examples
    --------
    >>> typed = pd.DataFrame({"DRB1_1": ["DRB1*04:01"], "DRB1_2": ["DRB1*15:01"]}, index=["p"])
    >>> PolygenicBlock().fit_transform(Cohort.from_tables({"hla": typed}))["polygenic__shared_epitope"].tolist()
    [1.0]
    """

    spec = BlockSpec(
        "polygenic",
        "Inherited risk: polygenic scores from dosages, and the shared epitope from typed HLA-DRB1 alleles.",
        ("hla", _TABLE),
        (
            Column("DRB1_1", "HLA-DRB1 allele, four digits", "such as DRB1*04:01", example="DRB1*04:01|DRB1*03:01"),
            Column("DRB1_2", "the other HLA-DRB1 allele", "such as DRB1*04:01", example="DRB1*15:01|DRB1*04:04"),
            Column("<chrom:pos:ref:alt>", "copies of ALT of a variant, table dosages", "0-2", example="1.0"),
        ),
        (
            Feature("shared_epitope", "copies", "DRB1 alleles with QKRAA, QRRAA or RRRAA", "10.1002/art.1780301102"),
            Feature("epitope_s2", "copies", "DRB1 alleles of class S2 (K at 71)", "10.1002/art.20989"),
            Feature("epitope_s3p", "copies", "DRB1 alleles of class S3P (R at 71, Q or R at 70)", "10.1002/art.20989"),
            Feature("deraa", "copies", "DRB1 alleles with DERAA, which protect", "10.1002/art.20989"),
        ),
    )

    def __init__(
        self,
        scores: Sequence[Any] = (),
        build: str = "",
        keep_ambiguous: bool = False,
        least: float = 0.75,
        mismatches: float = 0.01,
    ) -> None:
        self.scores, self.build, self.keep_ambiguous = scores, build, keep_ambiguous
        self.least, self.mismatches = least, mismatches

    @classmethod
    def example(cls) -> dict[str, pd.DataFrame]:
        """Return typed alleles of three made-up patients, and dosages of two variants.

        Returns
        -------
        dict of str to DataFrame
            Tables ``hla`` and ``dosages``.

        Examples
        --------
        >>> list(PolygenicBlock.example())
        ['hla', 'dosages']
        """
        ids = pd.Index(["p1", "p2", "p3"], name="patient_id")
        typed = {
            "DRB1_1": ["DRB1*04:01", "DRB1*03:01", "HLA-DRB1*04:04"],
            "DRB1_2": ["DRB1*15:01", "DRB1*13:01", "DRB1*10:01"],
        }
        dosages = {"1:113834946:A:G": [2.0, 1.0, np.nan], "6:32658525:C:T": [0.0, 0.97, 1.0]}
        return {"hla": pd.DataFrame(typed, index=ids), _TABLE: pd.DataFrame(dosages, index=ids)}

    def fit(self, X: Cohort | pd.DataFrame, y: object = None) -> Self:
        """Read the weights anew, check the training patients and keep what `learn` keeps.

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

        Examples
        --------
        >>> PolygenicBlock().fit(Cohort.from_tables(PolygenicBlock.example())).scores_
        []
        """
        if hasattr(self, "scores_"):
            del self.scores_
        return super().fit(X, y)

    def outputs(self) -> tuple[Feature, ...]:
        """List the features: the epitope, and three per score.

        Returns
        -------
        tuple of Feature
            ``<score>`` (raw sum), ``<score>_z`` (in standard deviations of the training patients) and
            ``<score>_coverage`` (share of its absolute weight that was known).

        Examples
        --------
        >>> toy = {"name": "toy", "variants": {"rsID": ["rs1"], "effect_allele": ["A"], "effect_weight": [1.0]}}
        >>> [f.name for f in PolygenicBlock([toy]).outputs()][-3:]
        ['toy', 'toy_z', 'toy_coverage']
        """
        found = list(self.spec.features)
        for score in self._scores():
            about = f"polygenic score {score.name}" + (f" of {score.trait}" if score.trait else "")
            cited = score.reference if score.reference.startswith(("10.", "PMID:")) else CATALOG
            found.append(Feature(score.name, "sum of weights", about, cited))
            found.append(Feature(f"{score.name}_z", "SD", f"{about}, standardised on the training patients", cited))
            found.append(Feature(f"{score.name}_coverage", "share", f"{about}: share of its weight known", cited))
        return tuple(found)

    def learn(self, cohort: Cohort) -> None:
        """Keep the weights, the mean dosages and the distribution of each score.

        Parameters
        ----------
        cohort : Cohort
            Training patients.

        Examples
        --------
        >>> toy = {"name": "toy", "variants": {"rsID": ["rs1"], "effect_allele": ["A"], "effect_weight": [1.0]}}
        >>> block = PolygenicBlock([toy])
        >>> block.learn(Cohort.from_tables({"dosages": pd.DataFrame({"rs1_A": [0.0, 2.0]}, index=["a", "b"])}))
        >>> block.scores_[0]["means"], block.scores_[0]["mean"], block.scores_[0]["sd"]
        ([1.0], 1.0, 1.0)
        """
        learned, self.report_ = [], {}
        sites = self._sites(cohort)
        for score in self._scores():
            matches = match_alleles(score, sites, keep_ambiguous=self.keep_ambiguous)
            self.report_[score.name] = report_matches(score, matches)
            means = mean_copies(cohort, matches)
            kept = {**score.state(), "means": [None if math.isnan(m) else m for m in means]}
            raw, coverage = self._sum(kept, matches, cohort)
            known = raw[(coverage >= self.least).to_numpy()].dropna().tolist()
            mean = math.fsum(known) / len(known) if known else 0.0
            sd = math.sqrt(math.fsum((v - mean) ** 2 for v in known) / len(known)) if known else 0.0
            learned.append({**kept, "mean": mean, "sd": sd})
        self.scores_ = learned

    def check(self, cohort: Cohort) -> list[Problem]:
        """Refuse dosages outside 0-2, repeated variants, another genome build and alleles that do not agree.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        list of Problem
            THX-D03, THX-D11, THX-D13, THX-D15, THX-D26.

        Examples
        --------
        >>> toy = {"name": "toy", "build": "hg19", "variants": {"rsID": ["rs1"], "effect_allele": ["A"],
        ...        "effect_weight": [1.0]}}
        >>> c = Cohort.from_tables({"dosages": pd.DataFrame({"rs1_A": [0.0]}, index=["a"])},
        ...                        units={"genome_build": "GRCh38"})
        >>> PolygenicBlock([toy]).check(c)[0].code
        'THX-D26'
        """
        sites, scores = self._sites(cohort), list(self._scores())
        twice = [s.name for i, s in enumerate(scores) if s.name in [t.name for t in scores[:i]]]
        if twice:
            raise UsageError("two scores have one name", got=listed(twice), fix="Name each score once.")
        found = []
        if sites.repeated and scores:
            what = f"holds {len(sites.repeated)} variants twice, written in two ways; keep one column of each"
            found.append(Problem("THX-D03", _TABLE, what))
        declared = build_of(cohort.units.get("genome_build", "") or self.build)
        used: dict[str, None] = {}
        for score in scores:
            matches = match_alleles(score, sites, keep_ambiguous=self.keep_ambiguous)
            used |= dict.fromkeys(c for m in matches for c in m.columns)
            found += self._agreement(score, matches, declared if _TABLE in cohort.tables else "")
        names = sorted(used)
        for first in range(0, len(names), _AT_ONCE):
            part = cohort.tables[_TABLE].reindex(index=cohort.ids, columns=names[first : first + _AT_ONCE])
            numbers, problems = table_to_numbers(part, _TABLE)
            found += problems
            values = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
            for j in np.flatnonzero(((values < 0) | (values > 2)).any(axis=0)):
                where = f"{_TABLE}:{numbers.columns[j]}"
                found += out_of_range(pd.Series(values[:, j]), 0, 2, where, "copies (empty when missing)", "THX-D15")
        return found

    def ignored(self, cohort: Cohort) -> list[Problem]:
        """List typed alleles that say nothing of the shared epitope.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        list of Problem
            THX-D20.

        Examples
        --------
        >>> c = Cohort.from_tables({"hla": pd.DataFrame({"DRB1_1": ["DRB1*04"]}, index=["p"])})
        >>> PolygenicBlock().ignored(c)[0].rows
        (0,)
        """
        found = []
        for column in _TYPED:
            typed = self.words(cohort, column)
            unread = ((typed.map(drb1_motif) == "") & ~typed.isin(UNKNOWN)).to_numpy(dtype=bool)
            if unread.any():
                what = "holds alleles of which the shared epitope is not known; write four digits, such as DRB1*04:01"
                where, rows = f"hla:{column}", tuple(int(i) for i in np.flatnonzero(unread))
                found.append(Problem("THX-D20", where, what, rows))
        return found

    def measure(self, cohort: Cohort) -> Measured:
        """Sum the scores and count the epitope.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        Measured
            Coverage is the mean over the typed alleles and the scores.

        Examples
        --------
        >>> typed = pd.DataFrame({"DRB1_1": ["DRB1*04"], "DRB1_2": ["DRB1*01:01"]}, index=["p"])
        >>> PolygenicBlock().measure(Cohort.from_tables({"hla": typed})).notes["p"][0][:40]
        'DRB1_1 is typed in a way that says no sh'
        """
        notes: dict[str, list[str]] = {}
        values, shares = self._epitope(cohort, notes)
        sites = self._sites(cohort)
        for state in getattr(self, "scores_", [{**s.state(), "means": None} for s in self._scores()]):
            score = read_weights(state)
            matches = match_alleles(score, sites, keep_ambiguous=self.keep_ambiguous)
            if state["means"] is None:  # not fitted: nothing can stand for a missing dosage
                state = {**state, "means": [None] * len(matches), "mean": 0.0, "sd": 0.0}
            raw, coverage = self._sum(state, matches, cohort)
            known = raw.where(coverage >= self.least)
            values[score.name] = known
            values[f"{score.name}_z"] = (known - state["mean"]) / state["sd"] if state["sd"] > 0 else np.nan
            values[f"{score.name}_coverage"] = coverage.where(coverage > 0)
            shares.append(coverage)
            trusted = sum(m.state == "unchecked" for m in matches)
            for i in coverage.index[(coverage > 0) & (coverage < 1)]:
                left = "left out" if coverage[i] < self.least else "the rest is the training mean or unmatched"
                notes.setdefault(i, []).append(f"{score.name}: {coverage[i]:.0%} of its weight is known: {left}")
            for i in coverage.index[coverage > 0] if trusted else ():
                notes.setdefault(i, []).append(f"{score.name}: {trusted} variants by rsid alone, alleles not checked")
        return Measured.of(values, coverage=sum(shares) / len(shares), notes=notes)

    def coverage_report(self) -> pd.DataFrame:
        """Say, per score, what became of its variants in the training patients' table.

        Returns
        -------
        DataFrame
            Indexed by score; see `theracast.features.alleles.report_matches`.

        Examples
        --------
        >>> toy = {"name": "toy", "variants": {"rsID": ["rs1"], "effect_allele": ["A"], "effect_weight": [1.0]}}
        >>> dosages = pd.DataFrame({"rs1_A": [0.0, 2.0]}, index=["a", "b"])
        >>> block = PolygenicBlock([toy]).fit(Cohort.from_tables({"dosages": dosages}))
        >>> block.coverage_report().loc["toy", ["matched", "absent", "weight_share"]].tolist()
        [1.0, 0.0, 1.0]
        """
        return pd.DataFrame(self.report_).T.rename_axis("score")

    def _scores(self) -> Iterator[Weights]:
        return (read_weights(s) for s in getattr(self, "scores_", self.scores))

    def _sites(self, cohort: Cohort) -> Sites:
        return Sites.of(cohort.tables[_TABLE].columns if _TABLE in cohort.tables else ())

    def _sum(self, state: dict[str, Any], matches: list[Match], cohort: Cohort) -> tuple[pd.Series, pd.Series]:
        means = np.array([np.nan if m is None else m for m in state["means"]], dtype=np.float64)
        weights = np.array(state["variants"]["weight"], dtype=np.float64)
        raw, share = sum_score(cohort, matches, weights, means)
        return pd.Series(raw, index=cohort.ids).where(share > 0), pd.Series(share, index=cohort.ids)

    def _agreement(self, score: Weights, matches: list[Match], declared: str) -> list[Problem]:
        """Hold build against build, and alleles against alleles."""
        where = f"{_TABLE} and {score.name}"
        if declared and score.build and declared != score.build:
            what = f"are on {declared}, the score on {score.build}; take the score's file for {declared}"
            return [Problem("THX-D26", where, what)]
        wrong = sum(m.state == "mismatch" for m in matches)
        placed = wrong + sum(m.state in USED or m.state == "ambiguous" for m in matches)
        if wrong <= self.mismatches * placed:
            return []
        what = (
            f"disagree on the alleles of {wrong} of {placed} variants at one position (most {self.mismatches:.0%}): "
            "another genome build, or REF and ALT that are not those of the reference; lift one of the two over"
        )
        return [Problem("THX-D26", where, what)]

    def _epitope(self, cohort: Cohort, notes: dict[str, list[str]]) -> tuple[pd.DataFrame, list[pd.Series]]:
        motifs = {}
        for column in _TYPED:
            typed = self.words(cohort, column)
            motifs[column] = typed.map(drb1_motif)
            for i in typed.index[(motifs[column] == "") & ~typed.isin(UNKNOWN)]:
                notes.setdefault(i, []).append(f"{column} is typed in a way that says no shared epitope: left unknown")
        both = pd.DataFrame(motifs, index=cohort.ids)
        whole = (both != "").all(axis=1)
        counts = {
            "shared_epitope": both.isin(list(SHARED_EPITOPE)),
            "epitope_s2": both.map(drb1_class) == "S2",
            "epitope_s3p": both.map(drb1_class) == "S3P",
            "deraa": both == "DERAA",
        }
        values = pd.DataFrame({k: v.sum(axis=1).astype(float).where(whole) for k, v in counts.items()})
        return values, [(both != "").mean(axis=1)]
