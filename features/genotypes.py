"""Readers of genotypes: VCF, BGEN and PGEN to a table of dosages, with the genome build that the file tells."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from theracast.errors import DataError, SetupError
from theracast.features.weights import Weights, chromosome

#: Length of chromosome 1 by build (GRCh37 and GRCh38 of the Genome Reference Consortium).
CONTIG_BUILDS = {"249250621": "GRCh37", "248956422": "GRCh38"}
_Row = tuple[str, int, str, str, np.ndarray]


def read_dosages(path: str | Path, scores: Iterable[Weights] | None = None) -> pd.DataFrame:
    """Read copies of the alternative alleles, as table ``dosages`` of a cohort.

    Imputed dosages are taken where the file has them (VCF field DS), else genotypes are counted. A site with several
    alternatives gives one column each. A half call (``./1``) is missing, a site that is not in the file is no column:
    neither is ever the reference.

    Parameters
    ----------
    path : str or Path
        ``.vcf``, ``.vcf.gz`` or ``.bcf`` (cyvcf2), ``.bgen`` (bgen; its first allele is taken as REF, as plink2 writes
        with ``ref-first``), or ``.pgen`` with ``.pvar`` and ``.psam`` beside it (pgenlib).
    scores : iterable of Weights, optional
        Only the sites of these scores are kept, by position; all by default.

    Returns
    -------
    DataFrame of float32, shape (n_patients, n_alleles)
        Columns ``chrom:pos:ref:alt``; NaN is missing. ``attrs["genome_build"]`` is what the header tells, or empty:
        give it to the cohort as unit ``genome_build``.

    Raises
    ------
    SetupError
        The reader of this kind of file is not installed.
    DataError
        THX-D33 no such file, or of no known kind; THX-D31 a file that cannot be read; THX-D03 a variant twice.

    Examples
    --------
    >>> read_dosages("nowhere.vcf")
    Traceback (most recent call last):
    theracast.errors.DataError: THX-D33: no such file | where: nowhere.vcf | do: Check the path.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError("no such file", code="THX-D33", where=str(path), fix="Check the path.")
    kind = next((k for k in _READERS if path.name.endswith(k)), "")
    if not kind:
        raise DataError("unknown kind of file", code="THX-D33", where=str(path), wanted=f"one of {', '.join(_READERS)}")
    package, reader = _READERS[kind]
    module = load_reader(package)
    wanted = None
    if scores is not None:
        wanted = {(c, p) for s in scores for c, p in zip(s.variants["chrom"], s.variants["position"], strict=True)}
    try:
        samples, build, rows = reader(module, path)
        kept, twice = _keep(rows, wanted)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise DataError(
            "the genotypes cannot be read",
            code="THX-D31",
            where=str(path),
            got=type(error).__name__,
            fix="Check that the file is whole, for instance with plink2 --validate or bcftools view.",
        ) from None
    if twice:
        raise DataError(
            "variants occur more than once",
            code="THX-D03",
            where=str(path),
            got=f"{twice} repeats",
            fix="Keep one record of each, for instance with bcftools norm -d exact.",
        )
    ids = pd.Index([str(s) for s in samples], name="patient_id")
    table = np.column_stack(list(kept.values())) if kept else np.empty((len(ids), 0))
    out = pd.DataFrame(table.astype(np.float32), index=ids, columns=list(kept))
    out.attrs["genome_build"] = build
    return out


def _keep(rows: Iterator[_Row], wanted: set[tuple[str, int]] | None) -> tuple[dict[str, np.ndarray], int]:
    kept: dict[str, np.ndarray] = {}
    twice = 0
    for chrom, position, ref, alt, dosage in rows:
        if wanted is None or (chrom, position) in wanted:
            name = f"{chrom}:{position}:{ref}:{alt}"
            twice += name in kept
            kept[name] = dosage
    return kept, twice


def load_reader(name: str) -> Any:
    """Import an optional reader of genotypes.

    Parameters
    ----------
    name : str
        Name of its package.

    Returns
    -------
    module
        The package.

    Raises
    ------
    SetupError
        It is not installed; says how to get it.

    Examples
    --------
    >>> load_reader("no_such_reader")
    Traceback (most recent call last):
    theracast.errors.SetupError: the package no_such_reader is not installed | wanted: theracast[variants] | do: ...
    """
    try:
        return import_module(name)
    except ImportError:
        raise SetupError(
            f"the package {name} is not installed",
            wanted="theracast[variants]",
            fix="pip install 'theracast[variants]', or export a table with plink2 --export A.",
        ) from None


def told_build(header: str) -> str:
    """Tell the genome build from the length of chromosome 1.

    Parameters
    ----------
    header : str
        Header of a VCF.

    Returns
    -------
    str
        ``GRCh37``, ``GRCh38``, or empty where the header does not tell.

    Examples
    --------
    >>> told_build("##contig=<ID=chr1,length=248956422>")
    'GRCh38'
    """
    found = re.search(r"##contig=<ID=(?:chr)?1,[^>]*?length=(\d+)", header)
    return CONTIG_BUILDS.get(found[1], "") if found else ""


def _vcf(module: Any, path: Path) -> tuple[list[str], str, Iterator[_Row]]:
    reader = module.VCF(str(path))

    def rows() -> Iterator[_Row]:
        for variant in reader:
            calls = variant.genotype
            called = None if calls is None else calls.array()[:, :-1]
            imputed = variant.format("DS") if "DS" in (variant.FORMAT or []) else None
            for k, alt in enumerate(variant.ALT, start=1):
                if imputed is not None:
                    dosage = np.asarray(imputed, dtype=np.float64)[:, k - 1]
                elif called is None:
                    continue
                else:
                    missing = (called == -1).any(axis=1)
                    dosage = np.where(missing, np.nan, (called == k).sum(axis=1))
                yield chromosome(variant.CHROM), int(variant.POS), variant.REF.upper(), str(alt).upper(), dosage

    return list(reader.samples), told_build(reader.raw_header), rows()


def _bgen(module: Any, path: Path) -> tuple[list[str], str, Iterator[_Row]]:
    reader = module.BgenReader(str(path))

    def rows() -> Iterator[_Row]:
        for variant in reader:
            if len(variant.alleles) != 2:
                continue  # bgen writes several alternatives as sites of their own, or not at all
            ref, alt = (a.upper() for a in variant.alleles)
            # probabilities of 0, 1 and 2 copies of the second allele
            probabilities = np.asarray(variant.probabilities, dtype=np.float64)
            yield chromosome(variant.chrom), int(variant.pos), ref, alt, probabilities @ np.array([0.0, 1.0, 2.0])

    return list(reader.samples), "", rows()


def _pgen(module: Any, path: Path) -> tuple[list[str], str, Iterator[_Row]]:
    sites = path.with_suffix(".pvar").read_text(encoding="utf-8").splitlines()
    people = path.with_suffix(".psam").read_text(encoding="utf-8").splitlines()
    header = "\n".join(line for line in sites if line.startswith("##"))
    variants = [line.split("\t") for line in sites if line and not line.startswith("#")]
    names = next((line.lstrip("#").split() for line in people if line.startswith("#")), ["FID", "IID"])
    samples = [line.split()[names.index("IID")] for line in people if line and not line.startswith("#")]
    alternatives = [v[4].split(",") for v in variants]
    offsets = np.concatenate([[0], np.cumsum([len(a) + 1 for a in alternatives])]).astype(np.uintp)
    several = {"allele_idx_offsets": offsets} if any(len(a) > 1 for a in alternatives) else {}
    reader = module.PgenReader(str(path).encode(), raw_sample_ct=len(samples), variant_ct=len(variants), **several)

    def rows() -> Iterator[_Row]:
        for index, (variant, alts) in enumerate(zip(variants, alternatives, strict=True)):
            for k, alt in enumerate(alts, start=1):
                dosage = np.empty(len(samples), dtype=np.float64)
                reader.read_dosages(index, dosage, allele_idx=k)
                dosage[dosage < 0] = np.nan  # plink writes -9 for missing
                yield chromosome(variant[0]), int(variant[1]), variant[3].upper(), alt.upper(), dosage

    return samples, told_build(header), rows()


_READERS: dict[str, tuple[str, Callable[[Any, Path], tuple[list[str], str, Iterator[_Row]]]]] = {
    ".vcf": ("cyvcf2", _vcf),
    ".vcf.gz": ("cyvcf2", _vcf),
    ".bcf": ("cyvcf2", _vcf),
    ".bgen": ("bgen", _bgen),
    ".pgen": ("pgenlib", _pgen),
}
