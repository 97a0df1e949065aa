"""Readers of VCF, BGEN and PGEN: the same dosages from each file that plink2 wrote of one set of genotypes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from theracast.errors import DataError, SetupError
from theracast.features.genotypes import read_dosages
from theracast.features.weights import read_weights

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


def counted():
    """From the text of the VCF, as plain as can be."""
    out, ids = {}, []
    for line in (GOLDEN / "polygenic.vcf").read_text().splitlines():
        cells = line.split("\t")
        if line.startswith("#CHROM"):
            ids = cells[9:]
        elif not line.startswith("#"):
            for k, alt in enumerate(cells[4].split(","), start=1):
                name = f"{cells[0].removeprefix('chr')}:{cells[1]}:{cells[3]}:{alt}"
                out[name] = [np.nan if "." in c else float(c.split("/").count(str(k))) for c in cells[9:]]
    return pd.DataFrame(out, index=pd.Index(ids, name="patient_id"), dtype=np.float32)


@pytest.mark.parametrize(("suffix", "package"), [("vcf", "cyvcf2"), ("bgen", "bgen"), ("pgen", "pgenlib")])
def test_every_format_gives_the_same(suffix, package):
    pytest.importorskip(package)
    got, wanted = read_dosages(GOLDEN / f"polygenic.{suffix}"), counted()
    if suffix == "bgen":  # written without the sites of more than two alleles
        wanted = wanted[[c for c in wanted if sum(d.split(":")[:2] == c.split(":")[:2] for d in wanted) == 1]]
    pd.testing.assert_frame_equal(got[wanted.columns], wanted, check_exact=False, atol=1e-4)
    assert got.shape == wanted.shape
    assert got.isna().sum().sum() > 50
    assert got.attrs["genome_build"] == ("" if suffix == "bgen" else "GRCh38")


def test_only_the_sites_of_a_score():
    pytest.importorskip("cyvcf2")
    score = read_weights(GOLDEN / "polygenic_catalog.txt")
    got = read_dosages(GOLDEN / "polygenic.vcf", [score])
    assert {int(c.split(":")[1]) for c in got} == set(score.variants["position"]) - {999}


def test_imputed_dosages_half_calls_and_phase(tmp_path):
    pytest.importorskip("cyvcf2")
    head = (
        "##fileformat=VCFv4.2\n##contig=<ID=1,length=249250621>\n"
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="g">\n##FORMAT=<ID=DS,Number=A,Type=Float,Description="d">\n'
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\tc\n"
    )
    rows = "1\t5\t.\tA\tG\t.\t.\t.\tGT\t./1\t0|1\t1|1\n1\t9\t.\tC\tT\t.\t.\t.\tGT:DS\t0/0:0.25\t./.:.\t1/1:1.5\n"
    (tmp_path / "t.vcf").write_text(head + rows)
    got = read_dosages(tmp_path / "t.vcf")
    np.testing.assert_array_equal(got["1:5:A:G"], [np.nan, 1.0, 2.0])
    np.testing.assert_array_equal(got["1:9:C:T"], [0.25, np.nan, 1.5])
    assert got.attrs["genome_build"] == "GRCh37"
    (tmp_path / "twice.vcf").write_text(head + rows + rows)
    with pytest.raises(DataError, match="THX-D03"):
        read_dosages(tmp_path / "twice.vcf")


def test_what_cannot_be_read(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="THX-D33"):
        read_dosages(tmp_path / "nowhere.vcf")
    (tmp_path / "a.ped").write_text("x")
    with pytest.raises(DataError, match="THX-D33"):
        read_dosages(tmp_path / "a.ped")
    (tmp_path / "a.vcf").write_text("this is no VCF")
    monkeypatch.setitem(__import__("sys").modules, "cyvcf2", None)
    with pytest.raises(SetupError, match="variants"):
        read_dosages(tmp_path / "a.vcf")


@pytest.mark.parametrize("suffix", ["vcf", "bgen"])
def test_a_broken_file_is_a_sentence(tmp_path, suffix):
    pytest.importorskip({"vcf": "cyvcf2"}.get(suffix, suffix))
    (tmp_path / f"a.{suffix}").write_bytes(b"this is no genotype file")
    with pytest.raises(DataError, match="THX-D31"):
        read_dosages(tmp_path / f"a.{suffix}")
