"""Files of somatic variants, MAF and annotated VCF, to the events table ``variants``."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from theracast.checks import UNKNOWN, listed, to_numbers
from theracast.errors import DataError, SetupError
from theracast.features.tables import load_table
from theracast.features.variants import COLUMNS, NONSYNONYMOUS, classify

#: MAF columns, lower case, by what is read from them; the first that is there.
_MAF = {
    "gene": ("hugo_symbol",),
    "consequence": ("variant_classification",),
    "protein": ("hgvsp_short", "protein_change", "amino_acid_change", "hgvsp"),
    "chrom": ("chromosome",),
    "pos": ("start_position", "start_pos"),
    "ref": ("reference_allele",),
    "alt": ("tumor_seq_allele2",),
    "build": ("ncbi_build",),
    "vaf": ("t_vaf", "tumor_vaf"),
}
_PATIENT = ("patient_id", "tumor_sample_barcode")
_TCGA = re.compile(r"^(TCGA-\w{2}-\w{4})-(\d{2})")
#: Names of samples that are no patients.
_TUMOUR = frozenset({"tumor", "tumour", "sample", "unknown", "t"})
_NORMAL = frozenset({"normal", "n", "blood", "germline"})


def read_maf(path: str | Path) -> pd.DataFrame:
    r"""Read a Mutation Annotation Format file, plain or gzipped.

    Rows that ``Mutation_Status`` calls germline are left out. Patients are ``patient_id`` where the file has it, else
    ``Tumor_Sample_Barcode``, of which TCGA's is cut down to the patient.

    Parameters
    ----------
    path : str or Path
        The file; lines that begin with ``#`` come before its header.

    Returns
    -------
    DataFrame
        ``patient_id`` and the columns of `theracast.features.variants.COLUMNS`; ``vaf`` is the share of the alternate
        reads.

    Raises
    ------
    DataError
        THX-D31 when it cannot be read, THX-D33 when columns are missing, THX-D26 when it holds two builds, THX-D17
        when a TCGA patient has two tumours, THX-D13 when counts are no numbers.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp(), "a.maf")
    >>> header = "#version 2.4\nHugo_Symbol\tVariant_Classification\tTumor_Sample_Barcode"
    >>> _ = file.write_text(f"{header}\nNF1\tSilent\tp1\n")
    >>> read_maf(file)[["patient_id", "gene", "consequence"]].values.tolist()
    [['p1', 'NF1', 'Silent']]
    """
    table = _table(Path(path))
    table.columns = [c.strip().lower() for c in table.columns]
    missing = [c for c in ("hugo_symbol", "variant_classification") if c not in table.columns]
    if missing or not set(_PATIENT) & set(table.columns):
        raise DataError(
            "columns of a MAF are missing",
            code="THX-D33",
            where=str(path),
            got=listed(table.columns),
            wanted="Hugo_Symbol, Variant_Classification, Tumor_Sample_Barcode",
            fix="Name the columns as the GDC does.",
        )
    if "mutation_status" in table.columns:
        table = table[table["mutation_status"].str.strip().str.lower() != "germline"]
    events = pd.DataFrame({"patient_id": _patients(table, path)})
    for name, columns in _MAF.items():
        given = next((c for c in columns if c in table.columns), None)
        events[name] = table[given].str.strip() if given else ""
    events["pos"] = _numbers(events["pos"], "Start_Position", path)
    events["vaf"] = _allele_fraction(table, events["vaf"], path)
    builds = {_build(b) for b in events["build"].unique()} - {""}
    if len(builds) > 1:
        raise DataError(
            "two genome builds in one file",
            code="THX-D26",
            where=f"{path}: NCBI_Build",
            got=f"{len(builds)} builds",
            wanted="one of GRCh37 and GRCh38",
            fix="Lift one part over, or give the parts as files of their own patients.",
        )
    return events.reset_index(drop=True)


def read_vcf(path: str | Path) -> pd.DataFrame:
    """Read a VCF that VEP (``CSQ``) or SnpEff (``ANN``) has annotated; needs the extra ``variants``.

    Records that did not pass their filters are left out. Of the annotations of an allele counts the one that VEP
    picked, else that of the canonical transcript, else the gravest. The sample named in ``##normal_sample`` and samples
    called NORMAL are no patients; a sample called TUMOR is the patient that the file is named after.

    Parameters
    ----------
    path : str or Path
        The file, plain or (b)gzipped.

    Returns
    -------
    DataFrame
        As `read_maf`, one row per alternate allele and sample that carries it.

    Raises
    ------
    SetupError
        When cyvcf2 is not installed.
    DataError
        THX-D31 when it cannot be read, THX-D33 when it is not annotated or has no sample.

    Examples
    --------
    >>> read_vcf("no such file.vcf")
    Traceback (most recent call last):
        ...
    theracast.errors.DataError: THX-D33: no such file | where: no such file.vcf
    """
    path = Path(path)
    if not path.is_file():
        raise DataError("no such file", code="THX-D33", where=str(path))
    try:
        from cyvcf2 import VCF
    except ImportError:
        raise SetupError(
            "reading VCF needs cyvcf2", where=str(path), fix="pip install 'theracast[variants]', or give a MAF."
        ) from None
    try:
        reader = VCF(str(path))
        header = reader.raw_header
        field, names = _annotation(header, path)
        samples = _samples(reader.samples, header, path)
        build = _header_build(header)
        rows = [row for record in reader for row in _alleles(record, field, names, samples, build)]
    except DataError:
        raise
    except Exception as error:  # htslib's errors come as half a dozen kinds
        raise DataError(
            "the VCF cannot be read",
            code="THX-D31",
            where=str(path),
            got=f"{type(error).__name__}, {path.stat().st_size} bytes",
            fix="Copy it again and compare its size; `bcftools view` says where it breaks.",
        ) from None
    return pd.DataFrame(rows, columns=["patient_id", *COLUMNS])


def variant_tables(path: Path) -> dict[str, pd.DataFrame]:
    """Read a file of variants by its name, as a table of a cohort.

    Parameters
    ----------
    path : Path
        A file that ends as one of `VARIANT_FILES`.

    Returns
    -------
    dict of str to DataFrame
        ``variants``.

    Examples
    --------
    >>> VARIANT_FILES
    ('.maf', '.maf.gz', '.vcf', '.vcf.gz')
    """
    is_maf = path.name.lower().removesuffix(".gz").endswith(".maf")
    return {"variants": read_maf(path) if is_maf else read_vcf(path)}


#: How the names of files of variants end.
VARIANT_FILES = (".maf", ".maf.gz", ".vcf", ".vcf.gz")


def _table(path: Path) -> pd.DataFrame:
    """Read tab-separated text as text; refuse rows of another width, which would shift columns."""
    why = ""
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8-sig")
    except (OSError, EOFError, zlib.error) as error:
        why, text = f": {type(error).__name__}", ""
    except UnicodeDecodeError as error:
        why, text = f": byte {error.start} is not UTF-8", ""
    lines = text.splitlines()
    first = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines))
    if "\0" in text:
        why = ": it holds NUL bytes"
    elif first < len(lines):
        width = lines[first].count("\t")
        odd = next((i for i, line in enumerate(lines[first:], first) if line and line.count("\t") != width), None)
        if odd is not None:
            why = f": line {odd + 1} has {lines[odd].count(chr(9)) + 1} columns, the header {width + 1}"
    if why:
        raise DataError(
            f"the MAF cannot be parsed{why}",
            code="THX-D31",
            where=str(path),
            wanted="tab-separated UTF-8 text, the same number of columns in every row",
            fix="Copy or export it again.",
        )
    if first == len(lines):
        raise DataError("the file is empty", code="THX-D33", where=str(path), wanted="a header line at least")
    body = io.StringIO("\n".join(line for line in lines[first:] if line))
    return pd.read_csv(body, sep="\t", dtype=str, keep_default_na=False, quoting=3, index_col=False)


def _patients(table: pd.DataFrame, path: str | Path) -> pd.Series:
    if "patient_id" in table.columns:
        return table["patient_id"].str.strip()
    barcodes = table["tumor_sample_barcode"].str.strip()
    found = barcodes.str.extract(_TCGA)
    samples = found.dropna().drop_duplicates()
    if samples[0].duplicated().any():
        raise DataError(
            "a patient has two tumours",
            code="THX-D17",
            where=f"{path}: Tumor_Sample_Barcode",
            got=f"{samples[0].duplicated().sum()} patients",
            wanted="one tumour per patient",
            fix="Keep one of them, or tell them apart in a column patient_id.",
        )
    # a barcode without its sample part is the patient's already
    return found[0].fillna(barcodes)


def _numbers(values: pd.Series, name: str, path: str | Path) -> pd.Series:
    numbers, problems = to_numbers(values.where(values != ".", ""), name)
    if problems:
        raise DataError(problems[0].what, code=problems[0].code, where=f"{path}: {name}", got=f"{len(values)} rows")
    return numbers


def _allele_fraction(table: pd.DataFrame, given: pd.Series, path: str | Path) -> pd.Series:
    """Alternate reads over all reads; a fraction that was written down stays as it is, to be checked later."""
    if "t_alt_count" not in table.columns or (given != "").any():
        return given.replace("", np.nan).astype(object)
    alternate = _numbers(table["t_alt_count"], "t_alt_count", path)
    depth = pd.Series(np.nan, index=table.index)
    if "t_ref_count" in table.columns:
        depth = alternate + _numbers(table["t_ref_count"], "t_ref_count", path)
    if "t_depth" in table.columns:
        depth = depth.fillna(_numbers(table["t_depth"], "t_depth", path))
    return alternate / depth.where(depth > 0)


def _build(text: str) -> str:
    """Find a build in a cell; what is none stays as it is."""
    low = text.strip().lower()
    if low in UNKNOWN:
        return ""
    for build, marks in (("GRCh38", ("grch38", "hg38")), ("GRCh37", ("grch37", "hg19", "b37", "hs37"))):
        if any(m in low for m in marks) or low == build[-2:]:
            return build
    return text.strip()


def _header_build(header: str) -> str:
    """Find the build of a VCF: by the length of a chromosome, which cannot lie, or by the name of its reference."""
    ends = load_table("chromosomes").astype({"chrom": str}).set_index("chrom")
    for name, length in re.findall(r"##contig=<ID=(?:chr)?(\w+),.*?length=(\d+)", header):
        for build in ("GRCh37", "GRCh38"):
            if name in ends.index and ends.loc[name, build.lower()] == int(length):
                return build
    reference = re.search(r"##reference=(.*)", header)
    found = _build(reference[1]) if reference else ""
    return found if found in ("GRCh37", "GRCh38") else ""


def _annotation(header: str, path: Path) -> tuple[str, list[str]]:
    """Find the annotation and the names of its parts."""
    vep = re.search(r'##INFO=<ID=CSQ,.*Format: ([^"]+)"', header)
    if vep:
        return "CSQ", [n.strip().lower() for n in vep[1].split("|")]
    if "##INFO=<ID=ANN," in header:
        return "ANN", ["allele", "consequence", "impact", "symbol", *("",) * 6, "hgvsp"]
    raise DataError(
        "the VCF says neither gene nor consequence",
        code="THX-D33",
        where=str(path),
        wanted="INFO field CSQ (VEP) or ANN (SnpEff)",
        fix="Annotate it: vep --vcf --symbol --hgvs --pick, or snpEff.",
    )


def _samples(names: list[str], header: str, path: Path) -> dict[int, str]:
    """Tell which samples are tumours, and of whom."""
    normal = {n.lower() for n in re.findall(r"##normal_sample=(\S+)", header)} | _NORMAL
    stem = path.name.removesuffix(".gz").removesuffix(".vcf")
    found = {i: stem if n.lower() in _TUMOUR else n for i, n in enumerate(names) if n.lower() not in normal}
    if not found:
        raise DataError(
            "the VCF has no tumour sample",
            code="THX-D33",
            where=str(path),
            got=f"{len(names)} samples",
            fix="Keep the column of genotypes; its name is the patient.",
        )
    return found


def _alleles(record: Any, field: str, names: list[str], samples: dict[int, str], build: str) -> Iterator[tuple]:
    if record.FILTER is not None:  # cyvcf2 gives None for PASS and for no filter
        return
    entries = [dict(zip(names, e.split("|"), strict=False)) for e in (record.INFO.get(field) or "").split(",") if e]
    for k, alt in enumerate(record.ALT, 1):
        best = _best(entries, k, record.REF, alt, len(record.ALT))
        change = best.get("hgvsp", "").replace("%3D", "=")
        row = (best.get("symbol", ""), best.get("consequence", ""), change, record.CHROM, record.POS, record.REF, alt)
        for i, patient in samples.items():
            if k in record.genotypes[i][:-1]:
                yield (patient, *row, build, _fraction(record, i, k))


def _best(entries: list[dict[str, str]], k: int, ref: str, alt: str, alleles: int) -> dict[str, str]:
    """Choose the annotation of one allele."""
    mine = [e for e in entries if e.get("allele_num", str(k)) == str(k)]
    if alleles > 1 and mine and "allele_num" not in mine[0]:
        # VEP leaves out the first base of an indel
        spelled = {alt, alt[1:] if len(alt) != len(ref) else alt} | ({"-"} if len(alt) == 1 and len(ref) > 1 else set())
        mine = [e for e in mine if e.get("allele") in spelled]
    if not mine:
        return {}
    for flag, wanted in (("pick", "1"), ("canonical", "YES")):
        chosen = [e for e in mine if e.get(flag) == wanted]
        if chosen:
            mine = chosen
            break
    changing = classify(pd.Series([e.get("consequence", "") for e in mine])).isin(NONSYNONYMOUS).tolist()
    return next((e for e, c in zip(mine, changing, strict=True) if c), mine[0])


def _fraction(record: Any, sample: int, k: int) -> float:
    for name, rule in (
        ("AF", lambda v: v[k - 1] if len(v) >= k else np.nan),
        ("AD", lambda v: v[k] / sum(v) if len(v) > k and sum(v) > 0 else np.nan),
    ):
        values = record.format(name) if name in (record.FORMAT or ()) else None
        if values is not None:
            value = float(rule(values[sample]))
            return value if 0 <= value <= 1 else np.nan
    return np.nan
