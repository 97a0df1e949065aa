"""Pharmacogenes: every diplotype of CPIC's table, the activity of alleles added up, and calls from genotypes."""

import itertools

import numpy as np
import pandas as pd
import pytest

from theracast.errors import UsageError
from theracast.features.blocks.pharmacogenes import PharmacogenesBlock
from theracast.features.cohort import Cohort
from theracast.features.guidelines import recommendations
from theracast.features.star_calls import CALLED, call_diplotypes, positions
from theracast.features.stars import pharmacogenes, read_diplotype
from theracast.features.tables import load_table


def cohort_of(**columns):
    n = len(next(iter(columns.values())))
    return Cohort.from_tables({"diplotypes": pd.DataFrame(columns, index=[f"p{i}" for i in range(n)])})


def turned(table):
    """Every diplotype with its alleles in the other order; of names that hold a slash, by the alleles of the gene."""
    singles = set(table.diplotype[~table.diplotype.str.contains("/")]) | {"Telti/Kobe"}
    out = []
    for gene, text in zip(table.gene, table.diplotype, strict=True):
        cuts = [i for i, c in enumerate(text) if c == "/"]
        cuts = [i for i in cuts if gene != "G6PD" or {text[:i], text[i + 1 :]} <= singles]
        whole = not cuts or (gene == "G6PD" and text == "Telti/Kobe")
        out.append(text if whole else f"{text[cuts[0] + 1 :]}/{text[: cuts[0]]}")
    return out


@pytest.mark.shared
@pytest.mark.parametrize("other_order", [False, True], ids=["as written", "other order"])
def test_all_diplotypes_of_cpic(shared_data, other_order):
    """Phenotype and activity score of 50,934 diplotypes, read from the source and not from our copy."""
    table = pd.read_parquet(shared_data / "pgx" / "diplotype_phenotype.parquet")
    assert len(table) == 50_934
    table["cell"] = turned(table) if other_order else table.diplotype
    assert (table.cell != table.diplotype).sum() == (49_790 if other_order else 0)
    wide = pd.DataFrame({g: t.cell.reset_index(drop=True) for g, t in table.groupby("gene")})
    cohort = Cohort.from_tables({"diplotypes": wide.set_index(wide.index.map(str))})
    calls, measured = PharmacogenesBlock().calls(cohort), PharmacogenesBlock().fit(cohort).measure(cohort)
    checked = 0
    for gene, rows in table.groupby("gene"):
        got = calls[gene].iloc[: len(rows)]
        score = rows.activity_score.replace("n/a", None).fillna("")
        assert [c.phenotype for c in got] == rows.phenotype.tolist()
        assert [c.score for c in got] == score.tolist()
        assert [c.candidates for c in got] == [(d,) for d in rows.diplotype]
        checked += len(rows)
        if gene in ("CYP2C9", "CYP2D6", "DPYD"):
            numbers = measured.values[f"{gene}_activity"].iloc[: len(rows)]
            np.testing.assert_array_equal(numbers, pd.to_numeric(score.str.lstrip("≥").replace("", None)))
            limits = measured.censored[f"{gene}_activity"].iloc[: len(rows)]
            assert (limits == 1).tolist() == score.str.startswith("≥").tolist()
    assert checked == 50_934
    assert cohort.ids.size == 17_765


@pytest.mark.shared
@pytest.mark.parametrize("gene", ["CYP2C9", "CYP2D6", "DPYD"])
def test_activity_is_that_of_the_alleles_added_up(shared_data, gene):
    """A second way to the scores: the activity values of allele_function.csv, summed."""
    values = pd.read_csv(shared_data / "pgx" / "allele_function.csv").query("gene == @gene").set_index("allele")
    values = values["activity_value"].fillna("")
    checked = 0
    for a, b in itertools.combinations_with_replacement(values.index, 2):
        pair = [str(values[a]), str(values[b])]
        if "" not in pair:
            least = "≥" if any(v.startswith("≥") for v in pair) else ""
            assert read_diplotype(gene, f"{a}/{b}").score == least + str(sum(float(v.lstrip("≥")) for v in pair))
            checked += 1
    print(f"{gene}: {checked} diplotypes")
    assert checked > 500


@pytest.mark.parametrize(
    ("gene", "cell", "wanted"),
    [
        ("CYP2C19", "*17/*1", "*1/*17"),
        ("CYP2C19", " CYP2C19*1 | CYP2C19*17 ", "*1/*17"),
        ("CYP2C19", "1/17", "*1/*17"),
        ("CYP2C19", "*01/*02", "*1/*2"),
        ("CYP2C19", "*2.001/*1.002", "*1/*2"),
        ("CYP2D6", "*1×2/*4", "*1x2/*4"),
        ("CYP2D6", "*4/*1x>=3", "*1x≥3/*4"),
        ("CYP2D6", "*1x4/*4", "*1x≥3/*4"),
        ("DPYD", "*1/*2A", "Reference/c.1905+1G>A (*2A)"),
        ("DPYD", "HapB3/reference", "Reference/c.1129-5923C>G, c.1236G>A (HapB3)"),
        ("G6PD", "Telti/Kobe", "Telti/Kobe"),
        ("G6PD", "Telti/Kobe/A", "A/Telti/Kobe"),
        ("G6PD", "B", "B (reference)"),
        ("UGT1A1", "*80+*28/*1", "*1/*80+*28"),
        ("VKORC1", "A/G", "rs9923231 reference (C)/rs9923231 variant (T)"),
        ("MT-RNR1", "m.1555A>G", "m.1555A>G"),
    ],
)
def test_spellings_of_a_diplotype(gene, cell, wanted):
    assert read_diplotype(gene, cell).candidates == (wanted,)


def test_features_by_hand():
    cohort = cohort_of(
        CYP2C19=["*1/*2", "*10/*35", "*17/*17", None],
        CYP2D6=["*4/*4", "*1x3/*1", "*57/*104", ""],
        CYP3A5=["*3/*3", "*1/*3", "*1/*1", "unknown"],
    )
    measured = PharmacogenesBlock(["CYP2C19", "CYP2D6", "CYP3A5"]).fit(cohort).measure(cohort)
    wanted = {
        "CYP2C19_phenotype": [1.0, 0.0, 4.0, np.nan],
        "CYP2C19_actionable": [1.0, 1.0, 1.0, np.nan],
        "CYP2D6_phenotype": [0.0, 4.0, np.nan, np.nan],
        "CYP2D6_activity": [0.0, 4.0, np.nan, np.nan],
        "CYP2D6_actionable": [1.0, 1.0, np.nan, np.nan],
        "CYP3A5_phenotype": [0.0, 1.0, 2.0, np.nan],
        "CYP3A5_actionable": [0.0, 1.0, 1.0, np.nan],
    }
    assert list(measured.values) == list(wanted)
    for name, values in wanted.items():
        np.testing.assert_array_equal(measured.values[name], values, err_msg=name)
    assert measured.proxy["CYP2C19_phenotype"].tolist() == [False, True, False, False]  # likely poor
    assert measured.censored["CYP2D6_activity"].tolist() == [0, 1, 0, 0]
    assert measured.coverage.tolist() == pytest.approx([1.0, 1.0, 2 / 3, 0.0])
    assert set(measured.notes) == {"p1", "p2"}


def test_genes_are_checked():
    with pytest.raises(UsageError, match="CYP2C19"):
        PharmacogenesBlock(["CYP2C91"]).outputs()
    with pytest.raises(UsageError, match="no genes"):
        PharmacogenesBlock([]).outputs()
    assert PharmacogenesBlock(["VKORC1"]).get_feature_names_out().tolist() == ["pharmacogenes__VKORC1_phenotype"]


def test_every_phenotype_has_a_code_or_is_uncertain():
    phenotypes = load_table("cpic_phenotypes")[["gene", "phenotype"]].drop_duplicates()
    codes = load_table("cpic_codes")
    assert len(codes) == len(phenotypes.merge(codes, validate="1:1"))
    assert set(codes[codes.code.isna()].phenotype.str.split().str[0]) == {"Indeterminate", "uncertain"}


# ---------------------------------------------------------------- calls from genotypes


def reference(gene, **changed):
    """Every position covered and as in the genome, but those named by rsid."""
    names = {p.rsid: p.name for p in positions(gene)}
    return {p.name: "ref" for p in positions(gene)} | {names[rsid]: cell for rsid, cell in changed.items()}


@pytest.mark.parametrize("gene", CALLED)
def test_every_diplotype_is_found_again(gene):
    """Two named alleles laid out as unphased genotypes: the pair is a candidate, and the phenotype never another."""
    table = load_table("cpic_definitions").query("gene == @gene")
    usual_bases = table[table.is_reference].set_index("position")["base"]
    plain = table.groupby("allele").base.agg(lambda b: not b.isin(list("RYSWKM")).any())
    alleles = [a for a in plain.index[plain] if read_diplotype(gene, f"{a}/{a}").candidates]
    rng = np.random.default_rng(5)
    pairs = list(itertools.combinations_with_replacement(alleles, 2))
    for k in rng.choice(len(pairs), size=min(60, len(pairs)), replace=False):
        a, b = pairs[k]
        one, two = ({**usual_bases, **table[table.allele == x].set_index("position")["base"]} for x in (a, b))
        cells = {p.name: f"{two[int(p.name.split(':')[1])]}/{one[int(p.name.split(':')[1])]}" for p in positions(gene)}
        call, truth = call_diplotypes(gene, cells), read_diplotype(gene, f"{a}/{b}")
        assert truth.candidates[0] in call.candidates
        assert call.phenotype in (truth.phenotype, "Indeterminate")
        if len(call.candidates) == 1:
            assert call.phenotype == truth.phenotype


@pytest.mark.parametrize(
    ("gene", "changed", "phenotype"),
    [
        ("CYP2C19", {"rs4244285": "A/G", "rs12769205": "A/G", "rs3758581": "G/G"}, "Intermediate Metabolizer"),
        ("CYP2C19", {"rs12248560": "C/T", "rs3758581": "G/G"}, "Rapid Metabolizer"),
        ("CYP2C9", {"rs1799853": "C/T", "rs1057910": "A/C"}, "Poor Metabolizer"),
        ("SLCO1B1", {"rs4149056": "T/C"}, "Decreased Function"),
        ("NUDT15", {"rs116855232": "T|T"}, "Poor Metabolizer"),
        ("DPYD", {"rs3918290": "C/T"}, "Intermediate Metabolizer"),
        ("UGT1A1", {"rs3064744": "CATAT/CATAT", "rs887829": "T/T"}, "Poor Metabolizer"),
        ("CYP3A5", {"rs776746": "C/C"}, "Poor Metabolizer"),
        ("VKORC1", {"rs9923231": "T/T"}, "-1639 AA"),
    ],
)
def test_calls_that_a_textbook_has(gene, changed, phenotype):
    assert call_diplotypes(gene, reference(gene, **changed)).phenotype == phenotype


def test_the_block_calls_where_nothing_was_typed():
    cells = pd.DataFrame([reference("CYP2C9", rs1057910="C/C")] * 2, index=["a", "b"])
    typed = pd.DataFrame({"CYP2C9": ["*1/*1", None]}, index=["a", "b"])
    cohort = Cohort.from_tables({"diplotypes": typed, "genotypes": cells})
    measured = PharmacogenesBlock(["CYP2C9"]).fit(cohort).measure(cohort)
    assert measured.values["CYP2C9_activity"].tolist() == [2.0, 0.0]


# ---------------------------------------------------------------- recommendations


def test_recommendations_are_those_of_the_table():
    found = recommendations("Clopidogrel", {"CYP2C19": "Poor Metabolizer"})
    assert set(found.population) == {"CVI ACS PCI", "CVI non-ACS non-PCI", "NVI"}
    assert found.attrs["date"] == "2023-08"
    assert recommendations("fluorouracil", {"DPYD": "1.0"}).recommendation[0].startswith("Reduce starting dose by 50%")
    both = recommendations("azathioprine", {"TPMT": "Normal Metabolizer", "NUDT15": "Poor Metabolizer"})
    assert both.lookup.tolist() == ["NUDT15=Poor Metabolizer; TPMT=Normal Metabolizer"]
    assert recommendations("azathioprine", {"NUDT15": "Poor Metabolizer"}).lookup.tolist() == [
        "NUDT15=Poor Metabolizer; TPMT=No Result"
    ]
    with pytest.raises(UsageError, match="clopidogrel"):
        recommendations("clopidogrell", {})
    assert pharmacogenes()[-1] == "VKORC1"
