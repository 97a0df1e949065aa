"""Somatic variants: what their words mean, which are the same, and whether they stand where their build says.

The events table ``variants`` holds one row per variant and patient: ``gene``, ``consequence``, ``protein``, ``chrom``,
``pos``, ``ref``, ``alt``, ``build``, ``vaf``; only the first two are always needed. `theracast.features.variant_files`
reads MAF and VCF into it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pandas as pd

from theracast.checks import INFINITE, UNKNOWN, Problem, to_numbers
from theracast.features.cohort import Cohort
from theracast.features.symbols import approved
from theracast.features.tables import load_table

#: Columns of the events table.
COLUMNS = ("gene", "consequence", "protein", "chrom", "pos", "ref", "alt", "build", "vaf")
#: Classes that change the protein: they make the burden, and a gene mutated.
NONSYNONYMOUS = ("missense", "nonsense", "frameshift", "inframe", "splice", "start_lost", "stop_lost")
#: What a fusion is called; it is counted on its own.
FUSION = "fusion"
#: A word that is in no list: neither silent nor damaging.
UNSEEN = "unknown"

_BUILDS = {
    **dict.fromkeys(("grch37", "hg19", "37", "b37", "hs37d5"), "GRCh37"),
    **dict.fromkeys(("grch38", "hg38", "38", "b38"), "GRCh38"),
}
_AMINO_ACIDS = {
    "Ala": "A", "Arg": "R", "Asn": "N", "Asp": "D", "Cys": "C", "Gln": "Q", "Glu": "E", "Gly": "G", "His": "H",
    "Ile": "I", "Leu": "L", "Lys": "K", "Met": "M", "Phe": "F", "Pro": "P", "Ser": "S", "Thr": "T", "Trp": "W",
    "Tyr": "Y", "Val": "V", "Ter": "*", "Sec": "U",
}  # fmt: skip
_CHANGE = re.compile(r"^(?P<before>[A-Z*])(?P<residue>\d+)(?P<after>.*)$")
_THREE = re.compile("|".join(_AMINO_ACIDS))


def classify(words: pd.Series) -> pd.Series:
    """Say what each consequence is; of several words (``&`` or ``,`` between them) the gravest.

    Parameters
    ----------
    words : Series of str
        MAF classifications, Sequence Ontology terms, or classes.

    Returns
    -------
    Series of str
        A class of ``features/tables/consequences.csv``; ``unknown`` for a word that is not in it, or for none.

    Examples
    --------
    >>> classify(pd.Series(["Missense_Mutation", "splice_region_variant&stop_gained", "sense?"])).tolist()
    ['missense', 'nonsense', 'unknown']
    """
    table = load_table("consequences")
    ranks = dict(zip(table["word"], zip(table["rank"], table["class"], strict=True), strict=True))

    def _gravest(text: str) -> str:
        known = [ranks.get(w.strip().lower(), (0, UNSEEN)) for w in re.split("[&,]", text)]
        listed = [k for k in known if k[1] != UNSEEN]
        # an unseen word beside a word that changes the protein does not make it less changed
        certain = [k for k in listed if k[1] in NONSYNONYMOUS or k[1] == FUSION]
        return min(certain)[1] if certain else (UNSEEN if len(listed) < len(known) else min(listed)[1])

    return _mapped(words, _gravest)


def short_changes(changes: pd.Series) -> pd.Series:
    """Write protein changes with one letter per amino acid and nothing before them.

    Parameters
    ----------
    changes : Series of str
        HGVS: ``p.Val600Glu``, ``ENSP00000288602.6:p.(V600E)``, ``V600E``.

    Returns
    -------
    Series of str
        ``V600E``; empty where unknown.

    Examples
    --------
    >>> short_changes(pd.Series(["ENSP00000288602.6:p.Val600Glu", "p.(Q61R)", "."])).tolist()
    ['V600E', 'Q61R', '']
    """

    def _short(text: str) -> str:
        text = text.rsplit(":", 1)[-1].strip().removeprefix("p.").strip("()").replace("%3D", "=")
        text = _THREE.sub(lambda m: _AMINO_ACIDS[m.group()], text)
        return text if _CHANGE.match(text) else ""

    return _mapped(changes, _short)


def residues(changes: pd.Series) -> pd.Series:
    """Name the residue that each short change hits first.

    Parameters
    ----------
    changes : Series of str
        As `short_changes` gives them.

    Returns
    -------
    Series of str
        ``V600``, ``X125_splice``; empty for none, for a silent change and for an insertion or deletion.

    Examples
    --------
    >>> residues(pd.Series(["V600E", "V600=", "E746_A750del", "X125_splice", ""])).tolist()
    ['V600', '', '', 'X125_splice', '']
    """

    def _residue(text: str) -> str:
        found = _CHANGE.match(text)
        if found is None:
            return ""
        if found["after"] == "_splice":
            return text
        single = len(found["after"]) == 1 and (found["after"].isalpha() or found["after"] == "*")
        return found["before"] + found["residue"] if single else ""

    return _mapped(changes, _residue)


def tidy_variants(events: pd.DataFrame, min_vaf: float = 0.0) -> pd.DataFrame:
    """Bring the events to one spelling and keep each variant of a patient once.

    Two rows are the same variant when place and alleles agree (with or without ``chr``), or, where the place is not
    given, gene and protein change. Of two annotations of one variant the graver counts.

    Parameters
    ----------
    events : DataFrame
        The events table ``variants``.
    min_vaf : float, default 0
        Rows with a known allele fraction below it are left out.

    Returns
    -------
    DataFrame
        Indexed by patient id; `COLUMNS` and ``residue``. ``consequence`` is a class.

    Examples
    --------
    >>> rows = {"gene": "BRAF", "consequence": "Missense_Mutation", "chrom": ["7", "chr7"], "pos": 140453136,
    ...         "ref": "A", "alt": "T", "protein": "p.V600E"}
    >>> tidy = tidy_variants(pd.DataFrame(rows, index=["p", "p"]))
    >>> tidy[["gene", "consequence", "residue"]].values.tolist()
    [['BRAF', 'missense', 'V600']]
    """
    text = {c: _text(events, c) for c in COLUMNS if c not in ("pos", "vaf")}
    table = pd.DataFrame(
        {
            # each gene by itself: beside its approved symbol an alias must mean the same as alone
            "gene": _mapped(text["gene"], lambda g: "" if g.lower() in ("unknown", ".", "") else approved([g])[0]),
            "consequence": classify(text["consequence"]),
            "protein": short_changes(text["protein"]),
            "chrom": _mapped(text["chrom"], _chromosome),
            "pos": _number(events, "pos"),
            "ref": _mapped(text["ref"], str.upper),
            "alt": _mapped(text["alt"], str.upper),
            "build": _mapped(text["build"], lambda b: _BUILDS.get(b.lower(), "")),
            "vaf": _number(events, "vaf"),
        },
        index=events.index,
    )
    table["residue"] = residues(table["protein"])
    table = _once(table)
    return table[~(table["vaf"] < min_vaf)]


def _once(table: pd.DataFrame) -> pd.DataFrame:
    """Keep one row of each variant: the gravest, then the best seen, whatever the order of the rows."""
    placed = table["pos"].notna() & (table["chrom"] != "") & (table["alt"] != "")
    named = ~placed & (table["gene"] != "") & (table["protein"] != "")
    keep = pd.Series(True, index=range(len(table)))
    flat = table.reset_index(names="patient_id")
    for mask, key in ((placed, ["chrom", "pos", "ref", "alt"]), (named, ["gene", "protein"])):
        mine = flat[mask.to_numpy()]
        twice = mine[mine.duplicated(["patient_id", *key], keep=False)]
        if len(twice):
            grave = twice.assign(rank=twice["consequence"].map(_severity()))
            order = ["patient_id", *key, "rank", "vaf", "gene", "protein"]
            grave = grave.sort_values(order, ascending=[o != "vaf" for o in order])
            keep[grave.index[grave.duplicated(["patient_id", *key])]] = False
    return table[keep.to_numpy()]


def burden(cohort: Cohort, min_vaf: float = 0.0) -> tuple[pd.Series, pd.Series]:
    """Count the variants that change the protein, and those of which nobody knows whether they do.

    Parameters
    ----------
    cohort : Cohort
        Patients, with events ``variants``.
    min_vaf : float, default 0
        As in `tidy_variants`.

    Returns
    -------
    counts, unseen : Series of float64
        Per patient; 0 for a patient without any, which means something only where a panel is declared.

    Examples
    --------
    >>> rows = {"gene": ["TP53", "NF1"], "consequence": ["Nonsense_Mutation", "Silent"]}
    >>> burden(Cohort.from_tables({"variants": pd.DataFrame(rows, index=["p", "p"])}))[0].tolist()
    [1.0]
    """
    tidy = tidy_variants(cohort.event("variants"), min_vaf)
    return (
        per_patient(tidy[tidy["consequence"].isin(NONSYNONYMOUS)], cohort.ids),
        per_patient(tidy[tidy["consequence"] == UNSEEN], cohort.ids),
    )


def per_patient(rows: pd.DataFrame, ids: pd.Index) -> pd.Series:
    """Count rows per patient.

    Parameters
    ----------
    rows : DataFrame
        Indexed by patient id.
    ids : Index
        Patients.

    Returns
    -------
    Series of float64
        0 for a patient without any.

    Examples
    --------
    >>> per_patient(pd.DataFrame(index=["p", "p"]), pd.Index(["p", "q"])).tolist()
    [2.0, 0.0]
    """
    place = ids.get_indexer(rows.index)
    return pd.Series(np.bincount(place[place >= 0], minlength=len(ids)).astype(np.float64), index=ids)


def variant_problems(cohort: Cohort) -> list[Problem]:
    """Find variants that cannot be: allele fractions outside 0-1, builds that are mixed, unknown or wrong.

    A build is wrong when a well-known change stands where it stands in the other build, or a position lies beyond
    the end of its chromosome.

    Parameters
    ----------
    cohort : Cohort
        Patients.

    Returns
    -------
    list of Problem
        THX-D11 and THX-D13 in numbers, THX-D16 in the range, THX-D26 in the build; rows are patients.

    Examples
    --------
    >>> row = {"patient_id": "p", "gene": "BRAF", "consequence": "missense", "protein": "V600E", "chrom": "7"}
    >>> wrong = pd.DataFrame([{**row, "pos": 140453136, "build": "GRCh38"}])
    >>> variant_problems(Cohort.from_tables({"variants": wrong}))[0].code
    'THX-D26'
    """
    events = cohort.event("variants")
    if not len(events):
        return []
    found = []
    for name, high, unit in (("vaf", 1.0, "as a fraction, not per cent"), ("pos", 3e8, "bases")):
        if name in events.columns:
            numbers = _number(events, name)
            unread = numbers.isna() & events[name].notna()
            rows = unread.to_numpy()
            problems = to_numbers(events.loc[rows, name], f"variants:{name}")[1]
            found += [_of_patients(p, events.index[rows], cohort) for p in problems]
            outside = ((numbers < 0) | (numbers > high)).to_numpy()
            found += _problem(cohort, events.index[outside], name, "THX-D16", f"should be within 0-{high:g} {unit}")
    given = _text(events, "build")
    builds = _mapped(given, lambda b: "" if b.lower() in UNKNOWN else _BUILDS.get(b.lower(), "?"))
    what = "is no known build: write GRCh37 (hg19) or GRCh38 (hg38)"
    found += _problem(cohort, events.index[(builds == "?").to_numpy()], "build", "THX-D26", what)
    several = builds[builds.isin(["GRCh37", "GRCh38"])].groupby(level=0).nunique()
    what = "holds two genome builds for one patient: lift one of them over, or leave it out"
    found += _problem(cohort, several.index[several > 1], "build", "THX-D26", what)
    what = "is not in the build declared: known changes stand where they stand in the other build, or beyond the end"
    return found + _problem(cohort, _misplaced(tidy_variants(events)), "pos", "THX-D26", what)


def _misplaced(tidy: pd.DataFrame) -> pd.Index:
    """List the patients of whom a variant stands where the other build has it, or beyond its chromosome."""
    tidy = tidy[(tidy["build"] != "") & tidy["pos"].notna()]
    marks = load_table("landmarks")
    marks = marks.groupby(["gene", "protein"])[["grch37", "grch38"]].agg(frozenset)
    lost: list[str] = []
    ends = load_table("chromosomes").astype({"chrom": str}).set_index("chrom")
    for build, other in (("GRCh37", "grch38"), ("GRCh38", "grch37")):
        mine = tidy[tidy["build"] == build]
        lost += mine.index[(mine["pos"] > mine["chrom"].map(ends[build.lower()])).to_numpy()].tolist()
        known = mine.join(marks, on=["gene", "protein"], how="inner")
        elsewhere = [p in there for p, there in zip(known["pos"], known[other], strict=True)]
        lost += known.index[elsewhere].tolist()
    return pd.Index(lost)


def _problem(cohort: Cohort, patients: pd.Index, column: str, code: str, what: str) -> list[Problem]:
    rows = sorted(set(cohort.ids.get_indexer(patients.unique()).tolist()) - {-1})
    return [Problem(code, f"variants:{column}", what, tuple(rows))] if rows else []


def _of_patients(problem: Problem, index: pd.Index, cohort: Cohort) -> Problem:
    """Turn rows of events into the patients that they are of."""
    patients = cohort.ids.get_indexer(index[list(problem.rows)].unique())
    return Problem(problem.code, problem.where, problem.what, tuple(sorted({int(i) for i in patients})))


def _severity() -> dict[str, int]:
    return load_table("consequences").groupby("class")["rank"].min().to_dict() | {UNSEEN: 99}


def _chromosome(text: str) -> str:
    bare = re.sub("^chr", "", text, flags=re.IGNORECASE).upper().removesuffix(".0")
    return {"23": "X", "24": "Y", "M": "MT"}.get(bare, bare)


def _text(events: pd.DataFrame, name: str) -> pd.Series:
    if name not in events.columns:
        return pd.Series("", index=events.index, dtype=object)
    return _mapped(events[name].astype(object).where(events[name].notna(), ""), lambda v: str(v).strip())


def _number(events: pd.DataFrame, name: str) -> pd.Series:
    if name not in events.columns:
        return pd.Series(np.nan, index=events.index)
    values = events[name]
    if pd.api.types.is_float_dtype(values) or pd.api.types.is_integer_dtype(values):  # millions of rows: no text made
        numbers = pd.Series(values.to_numpy(dtype=np.float64, na_value=np.nan), index=events.index)
        return numbers.mask(numbers.abs() >= INFINITE)
    return to_numbers(values, name)[0]


def _mapped(values: pd.Series, rule: Callable[[str], str]) -> pd.Series:
    """Apply a rule once per distinct value: tables of variants are long and repeat themselves."""
    codes, distinct = pd.factorize(values, use_na_sentinel=False)
    told = np.array([rule("" if pd.isna(v) else str(v)) for v in distinct], dtype=object)
    return pd.Series(told[codes] if len(told) else np.array([], dtype=object), index=values.index, dtype=object)
