"""Immune repertoires: clones of each receptor chain, as rows (AIRR rearrangements) or as ready-made indices.

AIRR Community rearrangement schema: 10.3389/fimmu.2018.02206.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from theracast.checks import Problem
from theracast.features.richness import diversity, rarefied

CHAINS = ("IGH", "IGK", "IGL", "TRA", "TRB", "TRD", "TRG")
#: Indices of a chain, as features; in `richness` they are named by kinds, not clones and reads.
INDICES = {
    **{"clones": "kinds", "reads": "total", "shannon": "shannon", "pielou": "pielou", "simpson": "simpson"},
    **{"gini": "gini", "d50": "d50", "d20": "d20", "clonality": "clonality", "top_share": "top_share"},
}
#: Columns, as AIRR, Adaptive, MiXCR and immunarch name them.
_NAMES = {
    "chain": ("chain", "locus"),
    "v": ("v", "v_call", "v_gene", "v.name"),
    "j": ("j", "j_call", "j_gene", "j.name"),
    "cdr3": ("cdr3", "junction_aa", "cdr3_aa", "cdr3.aa", "cdr3_amino_acid", "amino_acid"),
    "clone": ("clonotype", "clone_id", "clone", "clonotype_id"),
    "count": ("count", "duplicate_count", "reads", "clones", "templates", "umi_count", "consensus_count"),
    "productive": ("productive",),
}
_CHAIN_WORDS = {
    **{w: f"TR{c}" for c, greek in zip("ABDG", ("alpha", "beta", "delta", "gamma"), strict=True)
       for w in (f"tr{c.lower()}", f"tcr{c.lower()}", greek, f"tcr{greek}", f"tcr {greek}")},
    **{"heavy": "IGH", "igh": "IGH", "kappa": "IGK", "igk": "IGK", "lambda": "IGL", "igl": "IGL"},
}  # fmt: skip
_TRUE = frozenset({"true", "t", "1", "1.0", "yes", "y", "in"})
_CALL = re.compile(r"(?:TR[ABDG]|IG[HKL])[VJ][0-9A-Z/-]*", re.IGNORECASE)
#: Ready-made columns: 'TRB.Shannon', 'TRB_d50', 'IGH.Reads.Chain'.
_READY = {
    "clones": ("clones", "clonotypes", "richness"),
    "reads": ("reads", "readschain", "totalreads"),
    "shannon": ("shannon",),
    "pielou": ("pielou", "normalisedshannon", "normalizedshannon", "evenness"),
    "simpson": ("simpson", "ginisimp", "ginisimpson"),
    "inverse_simpson": ("invsimp", "inversesimpson", "invsimpson"),
    "gini": ("gini",),
    "d50": ("d50",),
    "d20": ("d20",),
    "clonality": ("clonality",),
    "top_share": ("topshare", "topclone", "maxfrequency"),
}
_READY_BY_WORD = {w: name for name, words in _READY.items() for w in words}


def read_clones(events: pd.DataFrame, patients: pd.Index) -> tuple[pd.DataFrame, list[Problem]]:
    """Bring rows of clones to one form; rows of one clone are added up.

    A clone is its id where there is one, else V gene, J gene and CDR3 of a chain. V and J lose their allele; of
    several possible genes the first is taken. Rows that say they are not productive are left out.

    Parameters
    ----------
    events : DataFrame
        Indexed by patient id. Columns ``chain`` (or ``locus``, or read from V), ``v``, ``j``, ``cdr3`` or a clone id,
        ``count``; the names of the AIRR schema (``v_call``, ``j_call``, ``junction_aa``, ``duplicate_count``) as well.
    patients : Index
        Of the cohort, for the positions in problems.

    Returns
    -------
    clones : DataFrame
        Columns ``patient_id``, ``chain``, ``v``, ``j``, ``count``; a row per clone, by patient and chain.
    problems : list of Problem
        What cannot be read.

    Examples
    --------
    >>> rows = pd.DataFrame({"v_call": ["TRBV5-1*01", "TRBV5-1*02"], "junction_aa": "CASS", "duplicate_count": [3, 4]})
    >>> clones, _ = read_clones(rows.set_axis(["p", "p"]), pd.Index(["p"]))
    >>> clones[["chain", "v", "count"]].values.tolist()
    [['TRB', 'TRBV5-1', 7.0]]
    """
    columns = ["patient_id", "chain", "v", "j", "count"]
    nothing = pd.DataFrame(columns=columns).astype({"count": np.float64})
    if not len(events):
        return nothing, []
    by_name = {str(c).strip().lower(): c for c in events.columns}
    given = {k: events[by_name[n]] for k, names in _NAMES.items() for n in names[::-1] if n in by_name}
    problems = []
    if "count" not in given or not {"cdr3", "clone"} & set(given):
        lacks = "count" if "count" not in given else "cdr3 (or a clone id)"
        what = f"has no column {lacks}; AIRR names such as duplicate_count and junction_aa are read too"
        return nothing, [Problem("THX-D33", "clones", what)]
    text = {k: given.get(k, pd.Series("", index=events.index)) for k in _NAMES}
    cdr3, clone = (_each(text[k], str) for k in ("cdr3", "clone"))
    v, j = (_each(text[k], _gene) for k in ("v", "j"))
    chain = _each(text["chain"], lambda word: _CHAIN_WORDS.get(word.lower(), ""))
    for calls in (v, j):
        chain = np.where(chain == "", _each(pd.Series(calls), lambda gene: gene[:3]), chain)
    number = pd.to_numeric(_plain(given["count"]), errors="coerce").to_numpy(dtype=np.float64)
    finite = np.isfinite(number)
    whole = np.where(finite, number, 0.0) % 1 == 0
    people = events.index.astype(str)
    kept = _each(text["productive"], lambda word: word.lower() in {*_TRUE, ""}).astype(bool)
    for code, odd, what in (
        ("THX-D13", ~finite, "holds counts that cannot be read; give whole numbers of reads or molecules"),
        ("THX-D04", finite & (~whole | (number < 0)), "holds counts that are negative or not "
         "whole; give reads or molecules, not shares"),
        ("THX-D20", ~np.isin(chain.astype(str), CHAINS), f"holds clones of an unknown chain; known are "
         f"{', '.join(CHAINS)}"),
        ("THX-D33", (clone == "") & (cdr3 == ""), "holds clones without a CDR3 or clone id"),
    ):  # fmt: skip
        odd = odd & kept
        if odd.any():
            at = patients.get_indexer(people[odd].unique())
            problems.append(Problem(code, "clones", what, tuple(sorted(int(i) for i in at if i >= 0))))
            kept = kept & ~odd
    kept = kept & (number > 0)
    coded = {
        k: pd.factorize(np.asarray(words, dtype=object)[kept], sort=k not in ("cdr3", "clone"))
        for k, words in {"patient_id": people, "chain": chain, "v": v, "j": j, "cdr3": cdr3, "clone": clone}.items()
    }
    rows = pd.DataFrame({k: codes for k, (codes, _) in coded.items()}).assign(count=number[kept])
    named = clone[kept] != ""
    keys = [rows.patient_id, rows.chain, rows.clone, *(rows[k].mask(named, -1) for k in ("v", "j", "cdr3"))]
    found = rows.groupby([key.to_numpy() for key in keys], sort=True).agg(
        {"patient_id": "first", "chain": "first", "v": "min", "j": "min", "count": "sum"}
    )
    words = {k: coded[k][1][found[k].to_numpy()] for k in columns[:-1]}
    return pd.DataFrame({**words, "count": found["count"].to_numpy()}), problems


def clone_indices(clones: pd.DataFrame, depth: int | None = None) -> pd.DataFrame:
    """Compute the indices of every patient's chains.

    Parameters
    ----------
    clones : DataFrame
        From `read_clones`.
    depth : int, optional
        Reads to which indices are rarefied, in expectation; Gini, D50, D20 and the top share then have no closed form
        and are NaN.

    Returns
    -------
    DataFrame
        Indexed by patient and chain, columns `INDICES`.

    Examples
    --------
    >>> rows = pd.DataFrame({"chain": "TRB", "clone_id": ["a", "b"], "count": [1, 3]}, index=["p", "p"])
    >>> clone_indices(read_clones(rows, pd.Index(["p"]))[0])[["clones", "reads", "top_share"]].iloc[0].tolist()
    [2.0, 4.0, 0.75]
    """
    found = {}
    for key, counts in clones.groupby(["patient_id", "chain"], sort=True)["count"]:
        sizes = counts.to_numpy()
        one = {**rarefied(sizes, depth), "total": float(sizes.sum())} if depth else diversity(sizes)
        found[key] = [one.get(index, np.nan) for index in INDICES.values()]
    index = pd.MultiIndex.from_tuples(list(found), names=["patient_id", "chain"]) if found else pd.MultiIndex(
        [[], []], [[], []], names=["patient_id", "chain"]
    )  # fmt: skip
    return pd.DataFrame(list(found.values()), index=index, columns=list(INDICES), dtype=np.float64)


def by_patient(indices: pd.DataFrame) -> pd.DataFrame:
    """Put the chains of a patient side by side.

    Parameters
    ----------
    indices : DataFrame
        From `clone_indices`.

    Returns
    -------
    DataFrame
        Indexed by patient, columns ``<chain>_<index>``.

    Examples
    --------
    >>> rows = pd.DataFrame({"chain": "TRB", "clone_id": ["a", "b"], "count": [1, 3]}, index=["p", "p"])
    >>> by_patient(clone_indices(read_clones(rows, pd.Index(["p"]))[0])).loc["p", "TRB_reads"].item()
    4.0
    """
    chains = sorted(indices.index.unique("chain"))
    parts = [indices.xs(chain, level="chain").add_prefix(f"{chain}_") for chain in chains]
    return pd.concat(parts, axis=1).sort_index() if parts else pd.DataFrame(index=pd.Index([], dtype=object))


def gene_usage(clones: pd.DataFrame, weigh: str = "clones") -> pd.DataFrame:
    """Share of every V and J gene among the clones, or reads, of its chain.

    Parameters
    ----------
    clones : DataFrame
        From `read_clones`.
    weigh : {"clones", "reads"}, default "clones"
        Whether each clone counts once or by its reads.

    Returns
    -------
    DataFrame, patients x genes
        Columns ``<chain>_<gene>``; clones without a gene are left out of the whole. NaN where a patient has no clone
        of the chain with a gene of the kind.

    Examples
    --------
    >>> rows = pd.DataFrame({"v": ["TRBV5-1", "TRBV9"], "cdr3": ["CASS", "CAST"], "count": [1, 3]}, index=["p", "p"])
    >>> gene_usage(read_clones(rows, pd.Index(["p"]))[0], "reads").iloc[0].to_dict()
    {'TRB_TRBV5-1': 0.25, 'TRB_TRBV9': 0.75}
    """
    parts = []
    for kind in ("v", "j"):
        some = clones[clones[kind] != ""]
        weight = some["count"] if weigh == "reads" else some["count"] * 0 + 1
        tall = pd.DataFrame({"patient_id": some.patient_id, "chain": some.chain, "gene": some[kind], "n": weight})
        totals = tall.groupby(["patient_id", "chain", "gene"], sort=True)["n"].sum()
        wide = totals.reset_index().pivot_table(index="patient_id", columns=["chain", "gene"], values="n")
        for chain in sorted(tall.chain.unique()):
            part = wide[chain].dropna(how="all").fillna(0.0).sort_index(axis=1)
            parts.append(part.div(part.sum(axis=1), axis=0).add_prefix(f"{chain}_"))
    return pd.concat(parts, axis=1).sort_index(axis=1) if parts else pd.DataFrame(index=pd.Index([], dtype=object))


def ready_made(columns: Mapping[str, pd.Series]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read indices and gene usage that somebody computed before.

    Parameters
    ----------
    columns : mapping of str to Series of float64
        By name: ``TRB.Shannon``, ``IGH_d50``, ``TRB-TRBV5-1``.

    Returns
    -------
    indices : DataFrame
        Columns ``<chain>_<index>``. Pielou, clonality and Simpson are worked out where they follow from others.
    usage : DataFrame
        Columns ``<chain>_<gene>``.

    Examples
    --------
    >>> table = {"TRB.Shannon": pd.Series([1.0]), "TRB.Clones": pd.Series([np.e]), "TRB-TRBV9": pd.Series([0.2])}
    >>> indices, usage = ready_made(table)
    >>> indices[["TRB_pielou", "TRB_clonality"]].iloc[0].tolist(), usage.columns.tolist()
    ([1.0, 0.0], ['TRB_TRBV9'])
    """
    indices: dict[str, pd.Series] = {}
    usage: dict[str, pd.Series] = {}
    for name in sorted(columns):
        if place := ready_name(name):
            (usage if place[4:].startswith(place[:3]) else indices)[place] = columns[name]
    for chain in CHAINS:
        own = {k: indices.get(f"{chain}_{k}") for k in (*INDICES, "inverse_simpson")}
        if own["simpson"] is None and own["inverse_simpson"] is not None:
            indices[f"{chain}_simpson"] = 1 - 1 / own["inverse_simpson"]
        if own["pielou"] is None and own["shannon"] is not None and own["clones"] is not None:
            many = own["clones"].where(own["clones"] > 1)
            indices[f"{chain}_pielou"] = own["shannon"] / np.log(many)
        if own["clonality"] is None and f"{chain}_pielou" in indices:
            indices[f"{chain}_clonality"] = 1 - indices[f"{chain}_pielou"]
        indices.pop(f"{chain}_inverse_simpson", None)
    return pd.DataFrame(indices), pd.DataFrame(usage)


def ready_name(column: str) -> str:
    """Say under which name a ready-made column is known here.

    Parameters
    ----------
    column : str
        Name in a table.

    Returns
    -------
    str
        ``<chain>_<index>`` or ``<chain>_<gene>``; empty for a column that is neither.

    Examples
    --------
    >>> [ready_name(c) for c in ("IGH.Reads.Chain", "TRA-TRAV14/DV4", "isotype.IgA")]
    ['IGH_reads', 'TRA_TRAV14DV4', '']
    """
    chain, rest = str(column)[:3].upper(), str(column)[3:].lstrip("._- ")
    if chain not in CHAINS:
        return ""
    if rest.upper().startswith(chain):
        return f"{chain}_{rest.upper().replace('/', '')}"
    index = _READY_BY_WORD.get(re.sub(r"[^a-z0-9]", "", rest.lower()))
    return f"{chain}_{index}" if index else ""


def _each(values: pd.Series, rule: Callable[[str], object]) -> np.ndarray:
    """Apply a rule to the words of a column, once to each; what is missing is the empty word."""
    codes, cells = pd.factorize(values.astype(object))
    found = np.empty(len(cells) + 1, dtype=object)
    found[:] = [*(rule(str(cell).strip()) for cell in cells), rule("")]
    return found[codes]


def _plain(values: pd.Series) -> pd.Series:
    return values if pd.api.types.is_numeric_dtype(values) else pd.Series(_each(values, str))


def _gene(call: str) -> str:
    """First gene of a call, without its allele."""
    found = _CALL.search(call)
    return found[0].upper().replace("/", "").rstrip("-") if found else ""
