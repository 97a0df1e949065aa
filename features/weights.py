"""Weight files of polygenic scores, in the format of the PGS Catalog."""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from theracast.checks import listed
from theracast.errors import DataError

#: Columns of `Weights.variants`; alleles in capitals, unknown is the empty string or -1.
COLUMNS = ("chrom", "position", "rsid", "effect", "other", "weight")
_NOT_ADDITIVE = ("is_interaction", "is_haplotype", "is_diplotype", "is_dominant", "is_recessive")
_BUILDS = {"37": "GRCh37", "hg19": "GRCh37", "b37": "GRCh37", "38": "GRCh38", "hg38": "GRCh38", "36": "NCBI36"}


@dataclass(frozen=True)
class Weights:
    """One polygenic score: what each copy of each effect allele adds.

    Attributes
    ----------
    name, build, trait, reference : str
        Name of the score (``PGS000001``); genome build of its positions, empty when not reported; what it predicts;
        DOI or PMID.
    variants : DataFrame
        Columns ``chrom``, ``position``, ``rsid``, ``effect``, ``other`` and ``weight``.

    Examples
    --------
    >>> table = {"rsID": ["rs1"], "effect_allele": ["A"], "effect_weight": [0.5]}
    >>> read_weights({"name": "toy", "variants": table}).variants.weight.tolist()
    [0.5]
    """

    name: str
    build: str
    trait: str
    reference: str
    variants: pd.DataFrame

    def state(self) -> dict[str, Any]:
        """Return the score as lists and words, which JSON can carry and `read_weights` reads back.

        Returns
        -------
        dict
            The fields; the variants by column.

        Examples
        --------
        >>> toy = {"name": "toy", "variants": {"rsID": ["rs1"], "effect_allele": ["A"], "effect_weight": [0.5]}}
        >>> read_weights(read_weights(toy).state()).name
        'toy'
        """
        words = {"name": self.name, "build": self.build, "trait": self.trait, "reference": self.reference}
        return {**words, "variants": {c: self.variants[c].tolist() for c in COLUMNS}}


def build_of(words: str) -> str:
    """Bring the name of a genome build to one spelling.

    Parameters
    ----------
    words : str
        As written: ``hg19``, ``GRCh38.p14``, ``NR``.

    Returns
    -------
    str
        ``GRCh37``, ``GRCh38`` or ``NCBI36``; empty when it is none of them.

    Examples
    --------
    >>> build_of("hg19"), build_of("GRCh38.p14"), build_of("NR")
    ('GRCh37', 'GRCh38', '')
    """
    found = re.fullmatch(r"\s*(?:grch|ncbi|build\s*)?(36|37|38|hg19|hg38|b37)(?:\.p\d+)?\s*", str(words).lower())
    return _BUILDS[found[1]] if found else ""


def read_weights(source: str | Path | pd.DataFrame | Mapping[str, Any]) -> Weights:
    r"""Read one score.

    Harmonised positions (``hm_chr``, ``hm_pos`` and their build) are taken where the file has them; a variant that
    could not be harmonised then has no position.

    Parameters
    ----------
    source : str, Path, DataFrame or mapping
        A file of the PGS Catalog, plain or gzipped: lines ``#pgs_id=...`` and ``#genome_build=...``, then columns
        ``rsID``, ``chr_name``, ``chr_position``, ``effect_allele``, ``other_allele`` and ``effect_weight``; a table
        with these columns (name and build from its ``attrs``: ``pgs_id``, ``genome_build``); or a mapping with
        ``name``, ``build`` and ``variants``.

    Returns
    -------
    Weights
        The score.

    Raises
    ------
    DataError
        THX-D33 no such file or no variants; THX-D32 columns missing, or effects that are not additive; THX-D13
        weights that are not numbers; THX-D03 a variant twice.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "toy.txt")
    >>> _ = file.write_text("#pgs_id=PGS0\n#genome_build=hg19\nchr_name\tchr_position\teffect_allele\teffect_weight\n"
    ...                     "1\t100\tA\t0.5\n")
    >>> read_weights(file).build
    'GRCh37'
    """
    if isinstance(source, Mapping):
        header = {"pgs_id": source.get("name", ""), "genome_build": source.get("build", "")}
        header |= {"trait_reported": source.get("trait", ""), "citation": source.get("reference", "")}
        table = pd.DataFrame(source.get("variants", {}))
    elif isinstance(source, pd.DataFrame):
        header, table = {str(k): str(v) for k, v in source.attrs.items()}, source
    else:
        header, table = _parse(Path(source))
    name = str(header.get("pgs_id") or header.get("pgs_name") or "score")
    if set(COLUMNS) <= set(table.columns):
        variants = table.loc[:, list(COLUMNS)]
    else:
        variants, harmonised = _named(table, name)
        if harmonised:
            header["genome_build"] = header.get("HmPOS_build") or header.get("genome_build", "")
    variants = _checked(variants.reset_index(drop=True), name)
    cited = re.search(r"10\.\d{4,}/\S+", header.get("citation", ""))
    reference = cited[0].rstrip(".,;") if cited else header.get("citation", "")
    return Weights(
        name, build_of(header.get("genome_build", "")), header.get("trait_reported", ""), reference, variants
    )


def _parse(path: Path) -> tuple[dict[str, str], pd.DataFrame]:
    if not path.is_file():
        raise DataError("no such weight file", code="THX-D33", where=str(path), fix="Check the path.")
    raw = path.read_bytes()
    try:
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8-sig")
    except (UnicodeDecodeError, OSError, EOFError):
        raise DataError(
            "the weight file cannot be read", code="THX-D31", where=str(path), wanted="text, plain or gzipped"
        ) from None
    lines = text.splitlines()
    told = [line.lstrip("#").split("=", 1) for line in lines if line.startswith("#") and "=" in line]
    body = "\n".join(line for line in lines if line and not line.startswith("#"))
    table = pd.read_csv(io.StringIO(body), sep="\t", dtype=str, keep_default_na=False) if body else pd.DataFrame()
    return {k.strip(): v.strip() for k, v in told}, table


def _named(table: pd.DataFrame, name: str) -> tuple[pd.DataFrame, bool]:
    """Rename the columns of the catalog; prefer the harmonised ones."""
    table = table.rename(columns={"hm_rsid": "hm_rsID", "variant_id": "rsID"})
    wanted = [c for c in ("effect_allele", "effect_weight") if c not in table]
    place = {"rsID", "hm_rsID"} & set(table) or {"chr_name", "chr_position"} <= set(table)
    if wanted or not (place or {"hm_chr", "hm_pos"} <= set(table)):
        raise DataError(
            "the weight file lacks columns",
            code="THX-D32",
            where=name,
            got=listed(table.columns),
            wanted="effect_allele, effect_weight, and rsID or chr_name with chr_position",
            fix="Take the file as the PGS Catalog gives it.",
        )
    for flag in _NOT_ADDITIVE:
        if flag in table and table[flag].astype(str).str.lower().isin(["true", "1"]).any():
            raise DataError(
                f"the score has effects that are not additive ({flag})",
                code="THX-D32",
                where=name,
                fix="Only sums of weight times dosage are computed here; choose another score.",
            )
    harmonised = {"hm_chr", "hm_pos"} <= set(table)
    empty = pd.Series("", index=table.index)

    def column(*names: str) -> pd.Series:
        out = empty
        for each in names:
            if each in table:
                text = table[each].astype(object).where(table[each].notna(), "").astype(str).str.strip()
                out = out.where(out != "", text)
        return out

    chrom, position = ("hm_chr", "hm_pos") if harmonised else ("chr_name", "chr_position")
    guessed = column("hm_inferOtherAllele")
    other = column("other_allele", "reference_allele")
    return pd.DataFrame(
        {
            "chrom": column(chrom),
            "position": pd.to_numeric(column(position).replace("", "-1"), errors="coerce").fillna(-1),
            "rsid": column("hm_rsID", "rsID"),
            "effect": column("effect_allele"),
            "other": other.where(other != "", guessed.where(guessed.str.fullmatch("[ACGTacgt]+"), "")),
            "weight": column("effect_weight"),
        }
    ), harmonised


def _checked(variants: pd.DataFrame, name: str) -> pd.DataFrame:
    weight = pd.to_numeric(variants["weight"], errors="coerce").astype(np.float64)
    unread = int((~np.isfinite(weight)).sum())
    if not len(variants) or unread:
        raise DataError(
            "weights are not numbers" if unread else "the score has no variants",
            code="THX-D13" if unread else "THX-D33",
            where=name,
            got=f"{unread} of {len(variants)} rows",
            fix="Correct the effect_weight of these rows, or leave them out." if unread else "Check the file.",
        )
    text = {c: variants[c].astype(str).str.strip() for c in ("chrom", "rsid", "effect", "other")}
    upper = {c: text[c].str.upper() for c in ("effect", "other")}
    position = variants["position"].astype(np.int64)
    out = pd.DataFrame({**text, **upper, "position": position, "weight": weight})[list(COLUMNS)]
    out["chrom"] = out["chrom"].map(chromosome)
    placed = out[(out["position"] > 0) & (out["chrom"] != "")]
    pair = [f"{min(e, o)}/{max(e, o)}" for e, o in zip(placed["effect"], placed["other"], strict=True)]
    twice = pd.DataFrame({"c": placed["chrom"], "p": placed["position"], "a": pair}).duplicated()
    named = out.loc[~out.index.isin(placed.index)]
    repeats = int(twice.sum()) + int(named.duplicated(["rsid", "effect", "other"]).sum())
    if repeats:
        raise DataError(
            "variants occur more than once",
            code="THX-D03",
            where=name,
            got=f"{repeats} repeats",
            fix="Keep one row per variant.",
        )
    return out


@cache
def chromosome(name: str) -> str:
    """Bring the name of a chromosome to one spelling.

    Parameters
    ----------
    name : str
        ``chr1``, ``01``, ``23``, ``chrM``.

    Returns
    -------
    str
        ``1`` to ``22``, ``X``, ``Y``, ``MT``, or what was given.

    Examples
    --------
    >>> [chromosome(c) for c in ("chr1", "01", "23", "chrM")]
    ['1', '1', 'X', 'MT']
    """
    bare = re.sub(r"^chr", "", str(name).strip(), flags=re.IGNORECASE).upper()
    bare = str(int(bare)) if bare.isdecimal() else bare
    return {"23": "X", "24": "Y", "25": "X", "26": "MT", "M": "MT"}.get(bare, bare)
