"""Drugs: every spelling has one name, a misspelling has none, and the table agrees with the WHO's index."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theracast.errors import DataError
from theracast.features import drugs as room
from theracast.features.drug_words import LONGEST, is_missing, key, plain
from theracast.features.drugs import known_drugs, read_drug, read_regimen, read_regimens

GOLDEN = Path(__file__).parents[1] / "golden"
TABLE = known_drugs()
DRUGS = TABLE.index[TABLE["kind"] == "drug"]

SPELLINGS = [
    # names, cases, spaces, signs
    ("adalimumab", "adalimumab"), ("  ADALIMUMAB\t", "adalimumab"), ("Humira®", "adalimumab"),
    ("HUMIRA™", "adalimumab"), ("Humira&reg;", "adalimumab"), ("Humira(R)", "adalimumab"),
    ("Etanercept\u00a0", "etanercept"), ("ＭＴＸ", "methotrexate"), ("certolizumab\u2010pegol", "certolizumab pegol"),
    ("Certolizumab", "certolizumab pegol"), ("certolizumab_pegol", "certolizumab pegol"),
    ("toci\u200blizumab", "tocilizumab"), ("Tocilizumab.", "tocilizumab"),
    # brands of two continents, biosimilars
    ("RoActemra", "tocilizumab"), ("Actemra", "tocilizumab"), ("MabThera", "rituximab"),
    ("Rituxan Hycela", "rituximab"), ("Benepali", "etanercept"), ("Simponi Aria", "golimumab"),
    ("Xeljanz XR", "tofacitinib"), ("Smyraf", "peficitinib"), ("Entyvio", "vedolizumab"),
    ("Skyrizi", "risankizumab"), ("Tyvyt", "sintilimab"), ("Tevimbra", "tislelizumab"),
    ("infliximab biosimilar", "infliximab"), ("ustekinumab-AUUB", "ustekinumab"),
    # salts and other names
    ("Tofacitinib citrate", "tofacitinib"), ("methotrexate sodium", "methotrexate"),
    ("sulphasalazine", "sulfasalazine"), ("hydroxychloroquine sulphate", "hydroxychloroquine"),
    ("Hydroxychloroquine Sulfate", "hydroxychloroquine"), ("filgotinib maleate", "filgotinib"),
    ("cyclosporine", "ciclosporin"), ("mesalamine", "mesalazine"), ("MK-3475", "pembrolizumab"),
    ("MPDL3280A", "atezolizumab"), ("lambrolizumab", "pembrolizumab"),
    # abbreviations
    ("MTX", "methotrexate"), ("lef", "leflunomide"), ("HCQ", "hydroxychloroquine"), ("SSZ", "sulfasalazine"),
    ("ADA", "adalimumab"), ("ETN", "etanercept"), ("ABT", "abatacept"), ("RTX", "rituximab"), ("TCZ", "tocilizumab"),
    ("CZP", "certolizumab pegol"), ("GOL", "golimumab"), ("IFX", "infliximab"), ("Pembro", "pembrolizumab"),
    ("5-ASA", "mesalazine"), ("5ASA", "mesalazine"), ("VDZ", "vedolizumab"), ("UST", "ustekinumab"),
    # doses and routes
    ("MTX 15 mg/week", "methotrexate"), ("Entyvio 300mg IV q8w", "vedolizumab"),
    ("tocilizumab 8 mg/kg", "tocilizumab"), ("rituximab (1000 mg)", "rituximab"),
    ("adalimumab 40 mg sc", "adalimumab"), ("methotrexate 7.5mg once weekly", "methotrexate"),
    # the same said twice
    ("etanercept (Enbrel)", "etanercept"), ("methotrexate (MTX)", "methotrexate"),
    ("Infliximab [anti-TNF]", "infliximab"), ("TNF inhibitor (adalimumab)", "adalimumab"),
    ("nivolumab (anti-PD-1)", "nivolumab"), ("MTX + MTX", "methotrexate"),
    # combinations: any order, any sign
    ("MTX+LEF", "methotrexate + leflunomide"), ("LEF / MTX", "methotrexate + leflunomide"),
    ("MTXLEF", "methotrexate + leflunomide"), ("methotrexate and leflunomide", "methotrexate + leflunomide"),
    ("LEF with MTX", "methotrexate + leflunomide"), ("MTXLEFHCQ", "methotrexate + leflunomide + hydroxychloroquine"),
    ("MTX/HCQ", "methotrexate + hydroxychloroquine"),
    ("mtx, lef, and hcq", "methotrexate + leflunomide + hydroxychloroquine"),
    ("MTX5-ASA", "methotrexate + mesalazine"), ("MTX-HCQ", "methotrexate + hydroxychloroquine"),
    ("MTX &amp; HCQ", "methotrexate + hydroxychloroquine"),
    ("adalimumab in combination with methotrexate", "methotrexate + adalimumab"),
    ("ipilimumab + nivolumab", "nivolumab + ipilimumab"), ("Opdualag", "nivolumab + relatlimab"),
    ("nivolumab and relatlimab-rmbw", "nivolumab + relatlimab"), ("Nivolumab + LAG-3", "nivolumab + anti-LAG-3"),
    ("Pembrolizumab + Carboplatin + Pemetrexed", "pembrolizumab + carboplatin + pemetrexed"),
    # classes and controls
    ("anti-TNFα", "anti-TNF"), ("TNFi", "anti-TNF"), ("csDMARDs", "csDMARD"), ("anti PD1", "anti-PD-1"),
    ("JAKi", "JAK inhibitor"), ("PD1/PDL1", "anti-PD-1/PD-L1"), ("anti-PD-(L)1", "anti-PD-1/PD-L1"),
    ("PD1+CTLA4", "anti-PD-1 + anti-CTLA-4"), ("anti-IL-12/23", "anti-IL-12/23"),
    ("ICB", "immune checkpoint inhibitor"), ("no ICI (control)", "no immune checkpoint inhibitor"),
    # nothing given
    ("", ""), ("  ", ""), (None, ""), (np.nan, ""), (np.float32("nan"), ""), (pd.NA, ""), (pd.NaT, ""), ("NA", ""),
    ("unknown", ""), ("-", ""), ("?", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "label"), SPELLINGS)
def test_spellings(text, label):
    assert read_regimen(text).label == label


#: FDA, list of biosimilars, as printed in explorationpub.com/Journals/Tables/100798/t3 and on fda.gov (2024-12).
BIOSIMILARS = {
    "adalimumab": "Abrilada-afzb Amjevita-atto Cyltezo-adbm Hadlima-bwwd Hulio-fkjp Hyrimoz-adaz Idacio-aacf",
    "infliximab": "Avsola-axxq Inflectra-dyyb Ixifi-qbtx Renflexis-abda Zymfentra-dyyb",
    "etanercept": "Erelzi-szzs Eticovo-ykro",
    "tocilizumab": "Avtozma-anoh",
    "rituximab": "Riabni-arrx Ruxience-pvvr",
    "ustekinumab": "Imuldosa-srlf Otulfi-aauz Pyzchiva-ttwe Selarsdi-aekn Steqeyma-stba Yesintek-kfce",
}


@pytest.mark.parametrize(("name", "products"), BIOSIMILARS.items())
def test_biosimilars_of_the_fda(name, products):
    for brand, suffix in (p.split("-") for p in products.split()):
        assert read_drug(brand).name == read_drug(f"{name}-{suffix}").name == name
        assert read_drug(f"{brand} ({name}-{suffix})").name == name


def test_the_codes_are_those_of_the_who():
    index = pd.read_csv(GOLDEN / "atc_codes.csv", comment="#").set_index("atc_code")["atc_name"]
    ours = {code: name for name, cell in TABLE["atc"].items() for code in cell.split("|") if code}
    assert ours == index.to_dict()
    assert len(ours) == 76
    # the group that the WHO gives a drug is the mechanism here
    groups = {"L04AB": "TNF", "L04AF": "JAK", "L01FF": ("PD-1", "PD-L1"), "L01FA": "CD20", "L04AK": "csDMARD"}
    for code, name in ours.items():
        if code[:5] in groups:
            assert read_drug(name).mechanism in groups[code[:5]]


def test_no_word_means_two_drugs_but_those_that_must():
    doubled = {word: [m[0].name for m in meant] for word, meant in room._spellings().items() if len(meant) > 1}
    interferons = ["interferon alfa-2b", "interferon gamma"]
    assert doubled == {
        "ifn": interferons, "interferon": interferons, "inf": ["infliximab", *interferons],
        "pem": ["pembrolizumab", "pemetrexed"], "pred": ["prednisone", "prednisolone"],
    }  # fmt: skip
    assert "" not in room._spellings()
    assert TABLE.index.is_unique


def test_every_word_of_the_table_reads_and_every_label_is_a_fixed_point():
    for name, row in TABLE.iterrows():
        assert read_regimen(name).label == name
        words = [w for column in ("brands", "other") for w in row[column].split("|") if w]
        words += [f"{name} {salt}" for salt in row["salts"].split("|") if salt]
        words += [f"{name}-{suffix}" for suffix in row["suffixes"].split("|") if suffix]
        assert {read_regimen(w).label for w in words if len(room._spellings()[key(plain(w))]) == 1} <= {name}
    for first, second in zip(DRUGS, DRUGS[::-1], strict=True):
        label = read_regimen(f"{second} + {first}").label
        assert read_regimen(label).label == label == read_regimen(f"{first}, {second}").label


def test_the_table_is_whole():
    assert set(TABLE["kind"]) == {"drug", "class", "control", "combination"}
    drugs = TABLE[TABLE["kind"] == "drug"]
    assert (drugs["mechanism"] != "").all()
    assert set("|".join(filter(None, drugs["approved"])).split("|")) == {"EMA", "FDA", "PMDA", "NMPA"}
    # the rows of classes name mechanisms that drugs have, but for those whose drugs are not told apart
    free = {"PD-1/PD-L1", "immune checkpoint", "chemoradiation"}
    assert set(TABLE.loc[TABLE["kind"] == "class", "mechanism"]) - set(drugs["mechanism"]) == free
    assert not TABLE["suffixes"][~TABLE.index.str.contains(r"mab$|cept$")].any()
    for wanted in ("anakinra", "sarilumab", "baricitinib", "upadacitinib", "dostarlimab", "toripalimab", "relatlimab"):
        assert wanted in drugs.index


def test_a_regimen_knows_what_it_acts_on():
    regimen = read_regimen("ipilimumab + nivolumab + placebo")
    assert regimen.mechanisms == ("PD-1", "CTLA-4")
    assert bool(regimen)
    assert not read_regimen("")
    assert read_regimen("MTX + LEF").mechanisms == ("csDMARD",)
    assert read_drug("Jyseleca").approved == ("EMA",)
    assert read_drug("peficitinib").approved == ("PMDA",)
    assert read_drug(None) is None


def test_a_column_is_read_by_row():
    column = pd.Series(["MTX", "etanarcept", None, "LEF+MTX", "etanarcept", "MTX then LEF"], index=list("abcdef"))
    labels, problems = read_regimens(column, "clinical:drug")
    assert labels.to_dict() == {
        "a": "methotrexate", "b": "", "c": "", "d": "methotrexate + leflunomide", "e": "", "f": ""
    }  # fmt: skip
    assert [(p.code, p.where, p.rows) for p in problems] == [
        ("THX-D21", "clinical:drug", (1, 4)), ("THX-D21", "clinical:drug", (5,))
    ]  # fmt: skip
    assert "Did you mean 'etanercept'?" in problems[0].what
    assert read_regimens(column.astype("category"), "x")[0].tolist() == labels.tolist()
    assert read_regimens(column.iloc[:0], "x")[0].tolist() == []


def refused(text):
    with pytest.raises(DataError) as caught:
        read_regimen(text)
    assert caught.value.code == "THX-D21"
    return str(caught.value)


def test_long_and_hostile_text_takes_no_time():
    texts = [c * 1_000_000 for c in ("(", "+", "-", "a", "é", "&", "1", " adalimumab")]
    texts += [s * 100_000 for s in ("a-", "and ", "1 mg ", "mtxlef", "[(", "&reg;", "mtx/", "m\u0301")]
    start = time.perf_counter()
    for text in texts:
        refused(text)
    assert time.perf_counter() - start < 5
    # what is cut off may say anything: nothing is read from the rest
    refused("adalimumab" + " " * 10_000 + "stopped")
    refused("adalimumab" + " " * LONGEST)
    many = pd.Series([f"drug {i:05d}" for i in range(20_000)])
    start = time.perf_counter()
    labels, problems = read_regimens(many, "x")
    assert time.perf_counter() - start < 20
    assert set(labels) == {""}
    assert sum(len(p.rows) for p in problems) == len(many)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_case_and_spacing_leave_the_answer(data):
    text, label = data.draw(
        st.sampled_from([(t, x) for t, x in SPELLINGS if isinstance(t, str) and x and "&" not in t])
    )
    cases = data.draw(st.lists(st.booleans(), min_size=len(text), max_size=len(text)))
    # ſ and such: upper case of some signs is more than one letter
    shaken = "".join(
        c.swapcase() if swap and len(c.swapcase()) == 1 else c for c, swap in zip(text, cases, strict=True)
    )
    space = data.draw(st.sampled_from([" ", "  ", "\t", "\u00a0", " \n "]))
    assert read_regimen(space + shaken.replace(" ", space) + space).label == label


@settings(deadline=None, max_examples=150)
@given(st.text(max_size=60) | st.text("abcdeilmnotux -+/()&;.", max_size=30) | st.integers() | st.floats())
def test_any_text_reads_or_is_missing_or_is_refused_with_a_name_of_the_table(text):
    label, problems = read_regimens(pd.Series([text], dtype=object), "x")
    assert (label.item() == "") == (bool(problems) or is_missing(text))
    assert read_regimen(label.item()).label == label.item()
    if problems:
        message = refused(text)
        if "is not one that is known here" in message:
            named = message.split("'")[1]
            assert key(plain(named)) in room._spellings()
    else:
        assert read_regimen(text).label == label.item()


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(list(DRUGS)), st.data())
def test_a_slip_of_the_pen_is_suggested_and_never_taken(name, data):
    at = data.draw(st.integers(0, len(name) - 1))
    letter = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz"))
    slip = data.draw(
        st.sampled_from(
            [name[:at] + name[at + 1 :], name[:at] + letter + name[at + 1 :], name[:at] + letter + name[at:]]
        )
    )
    if key(plain(slip)) in room._spellings():
        return
    message = refused(slip)
    assert "is not one that is known here" in message
    assert "Did you mean" in message or len(slip) < 8


@pytest.mark.shared
def test_every_drug_of_the_shared_cohorts_reads(shared_data):
    files = dict.fromkeys((shared_data / "ra").glob("*/*.csv"), ("drug", "drug_class", "regimen", "arm"))
    files |= dict.fromkeys((shared_data / "ici").glob("*/clinical.csv"), ("treatment", "ici_target"))
    files[shared_data / "ctdna/evidence_icotinib/clinical.csv"] = ("arm",)
    told, kept = {}, set()
    for file, columns in sorted(files.items()):
        table = pd.read_csv(file, low_memory=False)
        for column in (c for c in columns if c in table):
            labels, problems = read_regimens(table[column], f"{file.parent.name}:{column}")
            told.update({(p.where, table[column].iloc[list(p.rows)].iloc[0]): len(p.rows) for p in problems})
            kept |= set(labels)
    # alternatives, one after the other, a word that is no drug, arms of a trial that are numbered: none may be guessed
    assert told == {
        ("padron2022_pdac:treatment", "nivolumab and/or sotigalimab + chemotherapy"): 45,
        ("roh2017_mel:treatment", "ipilimumab (then anti-PD1)"): 16,
        ("mgh2022_mel:ici_target", "Other"): 2,
        ("ravi2023_nsclc:ici_target", "Other"): 6,
    }
    assert {"methotrexate + leflunomide", "certolizumab pegol", "anti-TNF", "csDMARD", "ustekinumab", "placebo"} <= kept
    assert {"durvalumab + tremelimumab + FOLFOX", "atezolizumab + chemoradiation", "icotinib"} <= kept


@pytest.mark.shared
def test_the_regimens_agree_with_the_flags_of_the_proteome_cohort(shared_data):
    table = pd.read_csv(shared_data / "ra/plasma_proteome_csdmard/clinical.csv").dropna(subset="regimen")
    assert len(table) == 178
    names = table["regimen"].map(lambda text: {d.name for d in read_regimen(text).drugs})
    for drug in ("methotrexate", "leflunomide", "hydroxychloroquine"):
        assert names.map(lambda s, d=drug: d in s).tolist() == table[drug].astype(bool).tolist()
    assert names.map(lambda s: "mesalazine" in s).tolist() == table["sulfasalazine_or_5asa"].astype(bool).tolist()
