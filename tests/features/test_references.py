"""References: every DOI and PMID the package cites was looked up, and none that was found wrong comes back."""

import re
from pathlib import Path

import pandas as pd
import pytest

from theracast.features.tables import load_table

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("core", "features", "models", "predict")
KINDS = ("*.py", "*.csv", "*.md", "*.yaml")
DOI = re.compile(r"10\.\d{4,9}/(?:\(SICI\)[-\w().:;/<>]+|[-\w().:/]+)")
PUBMED = re.compile(r"(?:PMID[: ]*|pmid: ')(\d{6,8})|PMC ?(\d{6,8})")


def bare(text):
    """Without the full stop and the bracket of the sentence."""
    text = text.rstrip(".:;,")
    while text.endswith(")") and text.count(")") > text.count("("):
        text = text[:-1].rstrip(".:;,")
    return text


def cited(text):
    pubmed = {f"PMID:{m[1]}" if m[1] else f"PMC{m[2]}" for m in PUBMED.finditer(text)}
    return {bare(m.group()) for m in DOI.finditer(text)} | pubmed


@pytest.fixture(scope="module")
def known():
    table = pd.read_csv(ROOT / "tests/golden/references.csv", comment="#", dtype=str, keep_default_na=False)
    assert table["reference"].is_unique
    return table.set_index("reference")


@pytest.fixture(scope="module")
def used():
    files = [f for room in ROOMS for kind in KINDS for f in (ROOT / room).rglob(kind)] + [ROOT / "NOTICE"]
    places = {}
    for file in files:
        for reference in cited(file.read_text(encoding="utf-8")):
            places.setdefault(reference, set()).add(str(file.relative_to(ROOT)))
    return places


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("(Ripley 1977, 10.1111/j.2517-6161.1977.tb01615.x).", {"10.1111/j.2517-6161.1977.tb01615.x"}),
        ("as in (10.1016/S2213-8587(22)00319-9). Then", {"10.1016/S2213-8587(22)00319-9"}),
        ("10.1002/(SICI)1097-0258(19960229)15:4<361::AID-SIM168>3.0.CO;2-4).",
         {"10.1002/(SICI)1097-0258(19960229)15:4<361::AID-SIM168>3.0.CO;2-4"}),
        ("10.1002/sim.791; 10.1002/sim.1262, PMID 1248701; PMID:7165009", {
            "10.1002/sim.791", "10.1002/sim.1262", "PMID:1248701", "PMID:7165009"}),
        ("pmid: '26997480' and PMC 8484624", {"PMID:26997480", "PMC8484624"}),
    ],
)  # fmt: skip
def test_references_are_found_in_sentences(text, found):
    assert cited(text) == found


def test_every_reference_was_looked_up(known, used):
    unknown = {k: sorted(v) for k, v in used.items() if k not in known.index}
    assert unknown == {}, "look each up, and add a row to tests/golden/references.csv"


def test_no_wrong_reference_is_used(known, used):
    wrong = set(known.index[known["checked"].str.startswith("wrong")])
    assert len(wrong) >= 3
    assert {k: sorted(used[k]) for k in wrong & set(used)} == {}


def test_the_list_says_how_each_was_checked(known):
    assert known["checked"].str.match(r"(known$|found by search \(.+\)|not confirmed$|wrong \(.+\))").all()
    settled = known["checked"].str.match("known|found")
    assert known["paper"][settled].str.match(r".*(18|19|20)\d\d ").all()


def test_what_was_not_confirmed_comes_from_foreign_tables(known, used):
    typed = {f for k in known.index[known["checked"] == "not confirmed"] for f in used.get(k, ())}
    assert typed <= {"features/tables/immune_sets.csv", "features/tables/drb1_motifs.csv"}


def test_sizes_of_panels_are_the_papers():
    sizes = load_table("gene_panels").set_index("panel")
    assert sizes["mb"].astype(float).to_dict() == {
        "MSK-IMPACT341": 0.98, "MSK-IMPACT410": 1.06, "MSK-IMPACT468": 1.22, "FoundationOneCDx": 0.8,
    }  # fmt: skip
