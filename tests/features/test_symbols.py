"""Gene symbols: every spelling to its approved symbol, by a dated table; thirty well-known cases by hand."""

import time

import numpy as np
import pandas as pd
import pytest

from theracast.errors import DataError
from theracast.features import symbols
from theracast.features.cohort import Cohort
from theracast.features.datasets import datasets, load_cohort
from theracast.features.excel_dates import genes_of_date
from theracast.features.genes import harmonised_genes, patients_in_rows, set_genes, unique_genes, with_ensembl
from theracast.features.scores import genes_of, set_scores
from theracast.features.symbols import approved, harmonise, read_hgnc, symbol_table
from theracast.features.tables import load_table

#: From genenames.org, by hand: old symbols, aliases and protein names that reports are full of.
KNOWN = {
    "PDL1": "CD274", "PD-L1": "CD274", "PD-1": "PDCD1", "CTLA-4": "CTLA4", "HER2": "ERBB2",
    "CD20": "MS4A1", "P53": "TP53", "MARCH1": "MARCHF1", "SEPT9": "SEPTIN9", "SEPT2": "SEPTIN2",
    "MARC1": "MTARC1", "NOV": "CCN3", "CTGF": "CCN2", "CYR61": "CCN1", "IL8": "CXCL8", "SEP15": "SELENOF",
    "DEC1": "DELEC1", "FAM46C": "TENT5C", "C11orf95": "ZFTA", "KIAA1524": "CIP2A", "MLL": "KMT2A", "OX40": "TNFRSF4",
    "GPR56": "ADGRG1", "AARS": "AARS1", "OCT4": "POU5F1", "STRA13": "CENPX", "GIF": "CBLIF", "WISP1": "CCN4",
    "HIST1H3B": "H3C2", "4-1BB": "TNFRSF9", "TIM-3": "HAVCR2", "TMEM173": "STING1", "MB21D1": "CGAS",
    "FAM19A5": "TAFA5",
}  # fmt: skip
IDS = {
    "ENSG00000120217": "CD274", "ENSG00000188389.11": "PDCD1", "ENSG00000153563.16": "CD8A",
    "ensg00000141510": "TP53", "ENSG00000184640.20": "SEPTIN9", "CD274|29126": "CD274", "?|5133": "PDCD1",
}  # fmt: skip

DAYS = [*((9, n, "Sep") for n in range(1, 16)), *((3, n, "Mar") for n in range(1, 12)), (12, 1, "Dec"), (12, 2, "Dec")]
FORMATS = {
    "2-Sep": lambda m, d, name: f"{d}-{name}",
    "02-Sep-2023": lambda m, d, name: f"{d:02d}-{name}-2023",
    "2023-09-02": lambda m, d, name: f"2023-{m:02d}-{d:02d}",
    "serial": lambda m, d, name: str((pd.Timestamp(2021, m, d) - pd.Timestamp(1899, 12, 30)).days),
}


def gene_of_day(month, day):
    """The gene by hand: what HGNC called it until 2019, and calls it now."""
    special = {(9, 13): "SEPTIN7P2", (9, 15): "SELENOF", (12, 1): "DELEC1", (12, 2): "BHLHE41"}
    return special.get((month, day), f"{'SEPTIN' if month == 9 else 'MARCHF'}{day}")


@pytest.mark.parametrize(("spelling", "gene"), {**KNOWN, **IDS}.items())
def test_well_known_spellings(spelling, gene):
    assert harmonise([spelling]).mapping == {spelling: gene}
    assert harmonise([spelling.lower()]).mapping == {spelling.lower(): gene}
    assert harmonise([gene]).counts == {"approved": 1}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("day", DAYS, ids=lambda d: f"{d[2]}{d[1]}")
def test_D01_every_gene_of_the_date_families(day, form):
    label = FORMATS[form](*day)
    wanted = gene_of_day(*day[:2])
    assert wanted in symbol_table().approved
    if day[0] == 3 and day[1] < 3:
        assert genes_of_date(label) == (wanted, f"MTARC{day[1]}")
        assert harmonise([label]).counts == {"date": 1}
        beside = {"MARCHF1": "ENSG00000145416", "MARCHF2": "ENSG00000099785"}[wanted]
        assert harmonise([f"{label}|{beside}.9"]).mapping == {f"{label}|{beside}.9": wanted}
    else:
        assert genes_of_date(label) == (wanted,)
        assert harmonise([label]).mapping == {label: wanted}


@pytest.mark.parametrize(
    ("label", "genes"),
    [
        ("44441", ("SEPTIN2",)),
        ("44806", ("SEPTIN2",)),
        ("2. Sep", ("SEPTIN2",)),
        ("Sep-02", ("SEPTIN2",)),
        ("2-Sept", ("SEPTIN2",)),
        ("03-Mrz", ("MARCHF3",)),
        ("1-Dez", ("DELEC1",)),
        ("2023-09-02 00:00:00", ("SEPTIN2",)),
        ("9/2/2023", ("SEPTIN2",)),
        ("02.09.2023", ("SEPTIN2",)),
        ("3/9/2023", ("MARCHF9", "SEPTIN3")),
        ("2-Feb", ()),
        ("16-Sep", ()),
        ("99999", ()),
        ("12345", ()),
        ("CD274", ()),
        ("1-8D", ()),
        ("", ()),
    ],
)
def test_other_dates_and_none(label, genes):
    assert genes_of_date(label) == genes


def test_what_is_ambiguous_stays_and_is_counted():
    found = harmonise(["TAZ", "CEA", "CD8A", "odd", ""])
    assert found.mapping == {}
    assert found.counts == {"ambiguous": 2, "approved": 1, "unknown": 2}
    assert found.spellings["ambiguous"] == ["TAZ", "CEA"]
    assert "April 2022" in str(found)


def test_an_approved_symbol_is_never_another_and_an_alias_gives_way_to_it():
    # ACAT1 is an alias of SOAT1, ALB one of FBF1, AK6 one of AK3
    assert harmonise(["ACAT1", "ALB", "AK6"]).counts == {"approved": 3}
    found = harmonise(["CD274", "PDL1", "cd274", "ENSG00000120217"])
    assert found.mapping == {}
    assert found.counts == {"approved": 1, "beside": 3}


def test_several_spellings_of_one_gene_stay_and_are_named():
    found = harmonise(["PDL1", "PD-L1", "HER2"])
    assert found.mapping == {"HER2": "ERBB2"}
    assert found.clashes == {"CD274": ["PDL1", "PD-L1"]}
    assert found.counts == {"clash": 2, "other": 1}


def test_the_copy_on_y_of_a_pseudoautosomal_gene_is_another_column():
    names = ["ENSG00000182378.15", "ENSG00000182378.15_PAR_Y"]
    assert harmonise(names).mapping == {names[0]: "PLCXD1"}


def test_numbers_are_entrez_ids_where_most_names_are_numbers():
    assert harmonise(["29126", "5133", "925", "44441"]).mapping == {"29126": "CD274", "5133": "PDCD1", "925": "CD8A"}
    assert harmonise(["CD274", "PDCD1", "44441"]).mapping == {"44441": "SEPTIN2"}


def test_the_table_is_sound():
    table = symbol_table()
    assert len(table.approved) > 43_000
    assert set(table.others.values()) <= table.approved
    assert not set(table.others) & table.approved
    assert not table.ambiguous & (table.approved | set(table.others))
    assert {*table.ensembl.values(), *table.entrez.values()} <= table.approved
    assert {table.folded[s.lower()] for s in table.approved} == table.approved


@pytest.mark.shared
def test_the_table_is_the_pinned_one(shared_data):
    """Every unambiguous spelling of the source leads where the source says, dates and the hand-made list aside."""
    pairs = pd.read_parquet(shared_data / "genes" / "symbols.parquet")
    genes = pairs.groupby("symbol")["approved_symbol"].agg(list)
    table = symbol_table()
    assert table.approved == set(pairs["approved_symbol"])
    one = genes[genes.map(len) == 1].map(lambda g: g[0])
    differs = {s for s, g in one.items() if s not in table.approved and table.others.get(s) != g}
    assert all(any(c.isdigit() for c in s) and len(s) <= 6 and not s[0].isalpha() for s in differs)
    ids = pd.read_parquet(shared_data / "genes" / "ensembl.parquet")
    ids = ids[ids["symbol"].isin(table.approved) & ~ids["ensembl_gene"].duplicated(keep=False)]
    got = [table.ensembl[i.removeprefix("ENSG").lstrip("0")] for i in ids["ensembl_gene"]]
    assert got == ids["symbol"].tolist()


def test_a_newer_table(tmp_path, monkeypatch):
    rows = pd.DataFrame(
        {
            "symbol": ["FIRRM", "CD274", "OLD"],
            "status": ["Approved", "Approved", "Entry Withdrawn"],
            "alias_symbol": ["FLJ10706|apoptosis", "B7-H|PDL1", ""],
            "prev_symbol": ["C1orf112", "PDCD1LG1", ""],
            "ensembl_gene_id": ["ENSG00000000460", "ENSG00000120217", ""],
            "entrez_id": ["55732", "29126", ""],
            "date_modified": ["2026-03-01", "2024-01-01", "2020-01-01"],
        }
    )
    file = tmp_path / "hgnc_complete_set.txt"
    rows.to_csv(file, sep="\t", index=False)
    for table in (read_hgnc(file), read_hgnc(rows)):
        found = harmonise(["C1orf112", "PDL1", "OLD", "ENSG00000000460.9"], table)
        assert found.mapping == {"PDL1": "CD274"}
        assert found.clashes == {"FIRRM": ["C1orf112", "ENSG00000000460.9"]}
        assert "2026-03-01" in found.source
    monkeypatch.setenv(symbols.VARIABLE, str(file))
    genes = pd.DataFrame({"C1orf112": [1.0, 2.0]}, index=["a", "b"])
    cohort = Cohort.from_tables({"expression": genes})
    assert cohort.table("expression").columns.tolist() == ["FIRRM"] == approved(["C1orf112"])
    assert "2026-03-01" in cohort.genes["expression"].source
    for bad in (tmp_path / "none.txt", file.with_name("empty.txt")):
        bad.with_name("empty.txt").write_text("a\tb\n1\t2\n")
        with pytest.raises(DataError, match="THX-D02"):
            read_hgnc(bad)


def test_twenty_thousand_names_at_once():
    table = symbol_table()
    names = [
        *list(table.approved)[:12_000],
        *list(table.others)[:6_000],
        *(f"ENSG{int(n):011d}.3" for n in table.ensembl),
    ]
    names = [*names[:19_000], *(f"RP11-{i}A" for i in range(1_000))]
    harmonise(names)
    best = min(_timed(lambda: harmonise(names)) for _ in range(3))
    assert best < 0.5  # 0.03 s where nothing else runs


def _timed(call):
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


# ---------------------------------------------------------------- tables of genes


def test_the_ensembl_column_of_a_table_of_genes():
    rows = pd.DataFrame({"gene": ["1-Mar", "CD8A", "odd"], "ensembl": ["ENSG00000145416.3", "wrong", None], "p": 1.5})
    cohort = Cohort.from_tables({"expression": rows})
    assert cohort.table("expression").columns.tolist() == ["MARCHF1", "CD8A", "odd"]
    assert with_ensembl(rows[["gene", "p"]].set_index("gene")).shape == (3, 1)


@pytest.mark.parametrize("rule", ["max", "mean"])
def test_a_declared_rule_makes_one_column(rule, rng):
    values = rng.normal(5, 1, (4, 4))
    table = pd.DataFrame(values, columns=["PDL1", "CD8A", "PD-L1", "B7-H1"])
    got, found = harmonised_genes(table, "expression", rule)
    assert got.columns.tolist() == ["CD274", "CD8A"]
    np.testing.assert_allclose(got["CD274"], getattr(values[:, [0, 2, 3]], rule)(axis=1))
    assert found.clashes["CD274"] == ["PDL1", "PD-L1", "B7-H1"]
    other = unique_genes(table.iloc[:, [3, 2, 1, 0]].set_axis(["CD274", "CD274", "CD8A", "CD274"], axis=1), "x", rule)
    assert other["CD274"].tolist() == got["CD274"].tolist()


def test_ensembl_ids_tell_which_way_a_table_lies():
    ids = pd.Index([f"ENSG{n:011d}" for n in range(20)], name="patient_id")
    with pytest.raises(DataError, match="THX-D07"):
        patients_in_rows(pd.DataFrame({"a": 1.0}, index=ids), "expression")


def test_gene_sets_are_read_by_the_same_table():
    spelled = {g for text in load_table("immune_sets")["genes"] for g in text.split(":")}
    assert {"CTGF", "ADSSL1", "FAM196B", "FAM101B"} <= spelled  # the sets spell these as of old
    assert {"CCN2", "ADSS1", "INSYN2B", "RFLNB"} <= set_genes()
    assert len(set_genes()) == len(spelled)


def test_old_and_new_spellings_score_the_same():
    """D02: an alias in place of its symbol leaves every bit of every score."""
    cohort = load_cohort("riaz2017_mel")
    sets = [n for n in load_table("immune_sets")["name"] if n != "Reference_NanoString09"]
    genes = cohort.tables["expression"]
    wanted = set_scores(Cohort.from_tables({"expression": genes}), sets)
    assert wanted.values.notna().any(axis=None)
    of = {}
    for name, gene in symbol_table().others.items():
        of.setdefault(gene, name)
    old = genes.rename(columns={g: of[g] for g in genes.columns[::2] if g in of})
    assert (old.columns != genes.columns).sum() > 500
    got = set_scores(Cohort.from_tables({"expression": old}), sets)
    pd.testing.assert_frame_equal(got.values, wanted.values, check_exact=True)
    assert got.coverage.equals(wanted.coverage)


@pytest.mark.parametrize("name", datasets()["name"])
def test_the_bundled_cohorts_keep_their_genes(name):
    cohort = load_cohort(name)
    if "expression" not in cohort.tables:
        pytest.skip("no expression")
    found = cohort.genes["expression"]
    assert set(found.counts) <= {"approved", "other"}
    read = genes_of([n for n in load_table("immune_sets")["name"] if n != "Reference_NanoString09"])
    have = cohort.tables["expression"].columns
    assert len(have) == sum(found.counts.values())
    known = {
        "hugo2016_mel": 919,
        "imvigor210_uc": 341,
        "liu2019_mel": 856,
        "riaz2017_mel": 919,
        "vanallen2015_mel": 920,
    }
    assert (
        sum(g in have for g in read) == known[name]
    )  # as many as by the spelling of the sets, before tables were harmonised
