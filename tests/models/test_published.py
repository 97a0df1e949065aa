"""Published scores: as their authors and other packages have them, and one patient alone as in a crowd."""

import json
import re
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from theracast.errors import DataError, SetupError, UsageError
from theracast.features.cohort import Cohort
from theracast.features.readers import read_cohort
from theracast.features.tables import load_table
from theracast.models.metrics import auc
from theracast.models.published import PUBLISHED
from theracast.models.published.levels import set_members
from theracast.models.published.loris import measure_nsclc, measure_pan
from theracast.models.published.scoring import published_scores
from theracast.models.published.tide import tide_scores

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


def simulated(drop=(), scale=np.log2, rows=slice(None)):
    tpm = pd.read_csv(GOLDEN / "published_tpm.csv", index_col=0).drop(columns=list(drop)).iloc[rows]
    return Cohort.from_tables({"expression": scale(tpm + 1)}, units={"expression": "log2(TPM+1)"})


def easier(name):
    return np.array(json.loads((GOLDEN / "published_easier.json").read_text())[name], dtype=float)


def clinic(**columns):
    told = {"tmb": 10.0, "tmb_unit": "mut/Mb", "prior_treatment": "no", "albumin": 4.0, "nlr": 3.0, "age": 60,
            "cancer_type": "NSCLC", "pdl1": 50.0, "pdl1_unit": "TPS %"}  # fmt: skip
    told |= columns
    n = max(len(v) if isinstance(v, list) else 1 for v in told.values())
    return Cohort.from_tables({"clinical": pd.DataFrame(told, index=[f"p{i}" for i in range(n)])})


def everything():
    """Patients of whom every score knows something, and one of whom nothing is known."""
    ids = [f"p{i}" for i in range(6)]
    rng = np.random.default_rng(4)
    genes = sorted({n.split(":")[1] for s in PUBLISHED.values() for n in s.needs if n.startswith("expression:")})
    expression = pd.DataFrame(rng.uniform(0, 9, (4, len(genes))), ids[:4], genes)
    sets = ["CytoxAct_Rooney", "CD8Tcell_sc", "Target_marker_PDL1", "Ayers_IFNg18", "Reference_NanoString09"]
    signatures = pd.DataFrame(rng.uniform(0.5, 2, (3, len(sets))), ids[2:5], sets)
    clinical = clinic(tmb=[1, 9, 80, 4, 7], nlr=[1.0, 2.0, 40.0, 3.0, 3.0]).tables["clinical"]
    clinical = pd.concat([clinical, pd.DataFrame({"age": [50]}, index=["p5"])])
    return Cohort.from_tables({"clinical": clinical, "expression": expression, "signatures": signatures})


# ---------------------------------------------------------------- the contract


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_score_keeps_the_contract(name):
    score, cohort = PUBLISHED[name], everything()
    before = {k: t.copy() for k, t in cohort.tables.items()}
    values = score.measure(cohort)
    assert score.name == name
    assert re.fullmatch(r"10\.\d{4}/\S+", score.reference)
    assert all(":" in n for n in score.needs)
    assert values.index.equals(cohort.ids)
    assert values.dtype == np.float64
    assert values.notna().any()
    assert np.isnan(values["p5"]), "nothing is known of the last: never a silent zero"
    assert not score.is_probability or values.dropna().between(0, 1).all()
    for k, table in before.items():
        pd.testing.assert_frame_equal(cohort.tables[k], table)


@pytest.mark.parametrize("name", PUBLISHED)
def test_one_patient_scores_alone_as_in_a_crowd(name):
    cohort = everything()
    crowd = PUBLISHED[name].measure(cohort)
    alone = pd.concat([PUBLISHED[name].measure(cohort.subset([i])) for i in cohort.ids])
    assert alone.tolist() == pytest.approx(crowd.tolist(), abs=0, rel=0, nan_ok=True)
    turned = PUBLISHED[name].measure(cohort.subset(cohort.ids[::-1]))
    pd.testing.assert_series_equal(turned[cohort.ids], crowd, check_exact=True)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_order_of_the_columns_is_of_no_account(name):
    cohort = everything()
    tables = {k: t[t.columns[::-1]] for k, t in cohort.tables.items()}
    turned = PUBLISHED[name].measure(Cohort.from_tables(tables))
    pd.testing.assert_series_equal(turned, PUBLISHED[name].measure(cohort), check_exact=True)


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_table_it_needs_is_enough_and_needed(name):
    """A cohort of which only other tables are known has no score."""
    cohort = everything()
    needed = {n.split(":")[0] for n in PUBLISHED[name].needs}
    needed = {"clinical" if n in ("mutations", "pathology") else n for n in needed}
    kept = Cohort.from_tables({k: t for k, t in cohort.tables.items() if k in needed})
    others = Cohort.from_tables({k: t for k, t in cohort.tables.items() if k not in needed})
    whole = PUBLISHED[name].measure(cohort)
    pd.testing.assert_series_equal(PUBLISHED[name].measure(kept).reindex(whole.index), whole, check_exact=True)
    assert PUBLISHED[name].measure(others).isna().all()


def test_scores_stand_side_by_side():
    cohort = everything()
    table = published_scores(cohort)
    assert list(table) == list(PUBLISHED)
    assert table.index.equals(cohort.ids)
    assert list(published_scores(cohort, ["tmb", "gep"])) == ["tmb", "gep"]
    with pytest.raises(UsageError, match="Did you mean 'impres'"):
        published_scores(cohort, ["impress"])


# ---------------------------------------------------------------- genes


@pytest.mark.parametrize("name", ["cytolytic", "gep", "impres"])
def test_gene_scores_are_those_of_easier(name):
    assert PUBLISHED[name].measure(simulated()).tolist() == pytest.approx(easier(name), rel=2e-6, abs=2e-6)


def test_impres_without_a_gene_is_scaled_to_fifteen_pairs_as_in_easier():
    got = PUBLISHED["impres"].measure(simulated(drop=["VSIR"]))
    assert got.tolist() == pytest.approx(easier("impres_without_VSIR"), rel=1e-9)
    assert PUBLISHED["impres"].measure(simulated(drop=["CD86"])).isna().all()


def test_the_pairs_of_impres_are_those_of_its_authors():
    theirs = pd.read_csv(GOLDEN / "published_impres_pairs.csv")
    ours = load_table("impres")
    assert len(ours) == 15
    assert set(map(tuple, ours.to_numpy())) == set(map(tuple, theirs.to_numpy()))


def test_gep_needs_nine_tenths_of_its_weight_and_its_housekeeping_genes():
    whole = PUBLISHED["gep"].measure(simulated())
    without = PUBLISHED["gep"].measure(simulated(drop=["CCL5"]))
    assert np.abs(without - whole).max() < 0.05
    assert (without != whole).all()
    assert PUBLISHED["gep"].measure(simulated(drop=["STAT1"])).isna().all()
    assert PUBLISHED["gep"].measure(simulated(drop=["TBP", "UBB"])).notna().all()
    assert PUBLISHED["gep"].measure(simulated(drop=["TBP", "UBB", "SDHA"])).isna().all()


def test_set_means_give_what_their_genes_give():
    """mean log2(TPM+1) of 3 and 5, published with the constant of the set: TPM 7 and 31, geometric mean of 8 and 32."""
    scale = load_table("immune_sets").set_index("name")["scale"]
    sets = pd.DataFrame({"CytoxAct_Rooney": [4 * scale["CytoxAct_Rooney"]], "CD8Tcell_sc": [2.5 * scale["CD8Tcell_sc"]],
                         "Target_marker_PDL1": [1.5 * scale["Target_marker_PDL1"]],
                         "Ayers_IFNg18": [3 * scale["Ayers_IFNg18"]],
                         "Reference_NanoString09": [7.5 * scale["Reference_NanoString09"]]}, index=["p"])  # fmt: skip
    got = published_scores(Cohort.from_tables({"signatures": sets})).iloc[0]
    assert got["cytolytic"] == pytest.approx(15)
    assert got["cd8a"] == pytest.approx(2.5)
    assert got["pdl1_expression"] == pytest.approx(1.5)
    assert got["expanded_immune"] == pytest.approx(-4.5)
    assert np.isnan(got[["gep", "impres"]].astype(float)).all()


def test_a_patient_with_both_is_read_from_the_set_means():
    """As the blocks do: so that most cohorts stand on one source."""
    scale = load_table("immune_sets").set_index("name")["scale"]["Target_marker_PDL1"]
    tables = {
        "expression": pd.DataFrame({"CD274": [5.0, 4.0]}, index=["p", "q"]),
        "signatures": pd.DataFrame({"Target_marker_PDL1": [2 * scale]}, index=["p"]),
    }
    assert PUBLISHED["pdl1_expression"].measure(Cohort.from_tables(tables)).tolist() == pytest.approx([2.0, 4.0])


def test_expanded_immune_is_the_mean_over_housekeeping():
    immune, base = set_members("Ayers_IFNg18"), set_members("Reference_NanoString09")
    assert len(immune) == 17
    assert "CCL5" not in immune
    assert not set(immune) & set(base)
    levels = pd.DataFrame([{**dict.fromkeys(immune, 4.0), **dict.fromkeys(base, 9.0)}], index=["p"])
    measure = PUBLISHED["expanded_immune"].measure
    assert measure(Cohort.from_tables({"expression": levels})).tolist() == [-5.0]
    assert measure(Cohort.from_tables({"expression": levels.drop(columns=list(immune[:4]))})).isna().all()


def test_impossible_set_means_are_not_known():
    sets = pd.DataFrame({"CytoxAct_Rooney": [-1.0, 900.0, 1.0]}, index=list("abc"))
    got = PUBLISHED["cytolytic"].measure(Cohort.from_tables({"signatures": sets}))
    assert got.isna().tolist() == [True, True, False]


def test_counts_are_not_tpm():
    counts = pd.DataFrame({"GZMA": [118], "PRF1": [40], "CD8A": [7], "CD274": [9]}, index=["p"])
    assert published_scores(Cohort.from_tables({"counts": counts})).isna().all(axis=None)


# ---------------------------------------------------------------- LORIS and burden


def test_loris_by_hand():
    """S = .0371*50 - 2.0886 + .5382*4 - .033*3 + .0049*60 - .0086 = 2.0556: melanoma, never treated, burden over 50."""
    got = measure_pan(clinic(tmb=60.0, cancer_type="Melanoma"))
    assert got.tolist() == pytest.approx([1 / (1 + np.exp(-2.1056))])
    # .0353*10 + .0111*50 - .375 + .2924*4 - .0103*25 - 1.5593 = -.1142
    got = measure_nsclc(clinic(prior_treatment="yes", nlr=40.0))
    assert got.tolist() == pytest.approx([1 / (1 + np.exp(0.1142))])


def test_loris_caps_burden_ratio_and_age():
    capped = clinic(tmb=50.0, nlr=25.0, age=85)
    over = clinic(tmb=120.0, nlr=60.0, age=90)
    assert measure_pan(capped).tolist() == measure_pan(over).tolist()
    assert measure_pan(clinic(tmb=49.0)).item() < measure_pan(clinic(tmb=50.0)).item()


def test_loris_reads_albumin_in_either_unit():
    grams = clinic(albumin=40.0, albumin_unit="g/L")
    assert measure_pan(grams).item() == pytest.approx(measure_pan(clinic(albumin=4.0)).item(), abs=1e-12)
    assert np.isnan(measure_pan(clinic(albumin=4.0, albumin_unit="g/L")).item())


def test_loris_makes_the_ratio_from_counts():
    counted = clinic(nlr=None, neutrophils=6.0, lymphocytes=2.0)
    assert measure_pan(counted).item() == pytest.approx(measure_pan(clinic(nlr=3.0)).item())


@pytest.mark.parametrize("missing", ["tmb", "prior_treatment", "albumin", "nlr", "age", "cancer_type"])
def test_loris_guesses_nothing(missing):
    assert measure_pan(clinic(**{missing: None})).isna().all()
    assert measure_nsclc(clinic(**{missing: None})).isna().all() == (missing != "age")


def test_loris_takes_only_the_tumour_proportion_score():
    told = {"pdl1": ["50", "1-49%", "50", "0", None], "pdl1_unit": ["TPS %", "TPS %", "22C3 CPS", "TPS %", "TPS %"]}
    assert measure_nsclc(clinic(**told)).notna().tolist() == [True, False, False, True, False]
    with pytest.raises(DataError, match="fractions"):
        measure_nsclc(clinic(pdl1=[0.5, 0.9, 0.01]))


def test_loris_knows_the_cancers_by_other_names():
    types = ["Urothelial", "Kidney", "Pancreas", "Colon", "glioblastoma", "Unknown primary", "Lung", "Melanomma", None]
    got = measure_pan(clinic(cancer_type=types))
    same = ["Bladder", "Renal", "Pancreatic", "Colorectal", "CNS", "CNS"]
    assert got.iloc[:6].tolist() == measure_pan(clinic(cancer_type=same)).tolist()
    assert got.iloc[6:].isna().all()
    unlisted = measure_pan(clinic(cancer_type=types), unlisted="zero")
    assert unlisted.iloc[6:8].tolist() == got.iloc[[4, 4]].tolist()
    assert np.isnan(unlisted.iloc[8])
    assert measure_nsclc(clinic(cancer_type=["SCLC", "Melanoma", "nsclc"])).notna().tolist() == [False, False, True]


def test_burden_goes_through_its_units():
    cohort = clinic(tmb=[10.0, 500.0, 7.0, 80.0], tmb_unit=["mut/Mb", "count (exome)", None, "count"])
    assert PUBLISHED["tmb"].measure(cohort).tolist() == pytest.approx([10, 10, np.nan, np.nan], nan_ok=True)


def test_one_bad_row_is_not_known_and_a_bad_column_is_refused():
    cohort = clinic(age=[60, -3], tmb=[9.0, 9.0])
    assert measure_pan(cohort).notna().tolist() == [True, False]
    with pytest.raises(DataError, match="THX-D16"):
        PUBLISHED["tmb"].measure(clinic(tmb=[300.0, 290.0, 350.0, 310.0, 280.0]))


@pytest.mark.shared
def test_loris_is_what_its_authors_stored(shared_data):
    """841 patients; the formula is printed with four decimals, the stored scores have more."""
    theirs = pd.read_csv(GOLDEN / "published_loris.csv", index_col=0)["loris"]
    ours = measure_pan(read_cohort(shared_data / "ici" / "loris_msk_nonici_control"))
    assert ours.notna().all()
    assert (ours[theirs.index] - theirs).abs().max() < 0.001


def area(folder, score, source=""):
    cohort = read_cohort(folder)
    values, y = PUBLISHED[score].measure(cohort), cohort.response
    known = values.notna() & y.notna()
    if source:
        known &= cohort.ids.isin(cohort.tables[source].index)
    return known.sum(), auc(y[known], values[known]).value


@pytest.mark.shared
def test_loris_has_its_published_area_under_the_curve(shared_data):
    n, got = area(shared_data / "ici" / "loris_chowell_test_pan", "loris_pan")
    assert n == 515
    assert got == pytest.approx(0.754, abs=0.0005)


@pytest.mark.shared
@pytest.mark.parametrize("score", ["cd8a", "pdl1_expression", "cytolytic"])
@pytest.mark.parametrize(
    ("cohort", "name"),
    [("kim2018_gastric", "Kim"), ("immotion150_rcc", "IMmotion150"), ("choueiri2016_rcc", "Choueiri"),
     ("rose2021_uc", "Rose"), ("mgh2022_mel", "MGH"), ("zhao2019_gbm", "Zhao"), ("hugo2016_mel", "Hugo"),
     ("imvigor210_uc", "IMVigor210"), ("snyder2017_uc", "Snyder")],
)  # fmt: skip
def test_areas_under_the_curve_are_those_of_compass(shared_data, cohort, name, score):
    """On its patients, where its labels are RECIST; its one-feature models keep the order of the patients."""
    table = pd.read_csv(shared_data / "ici/published/compass_loco_metrics.csv").set_index(["method", "test_cohort"])
    method = {"cd8a": "CD8", "pdl1_expression": "PDL1", "cytolytic": "ICA"}[score]
    _, got = area(shared_data / "ici" / cohort, score, "signatures")
    assert got == pytest.approx(table["ROC"][method, name], abs=0.0015)


@pytest.mark.shared
def test_loris_scores_msk2_without_a_cancer_term(shared_data):
    """CNS and unknown primary: scored by the authors; four patients of unknown earlier treatment are not."""
    cohort = read_cohort(shared_data / "ici" / "loris_msk2_pan")
    assert measure_pan(cohort).notna().sum() == 100
    assert set(cohort.tables["clinical"].cancer_type) == {"CNS", "Unknown primary"}


# ---------------------------------------------------------------- TIDE


def transcriptome():
    rng = np.random.default_rng(1)
    genes = [f"ENSG{i:011d}" for i in range(10_000)]
    table = pd.DataFrame(rng.uniform(0, 9, (12, len(genes))), [f"p{i}" for i in range(12)], genes)
    clinical = pd.DataFrame({"age": 60}, index=[*table.index, "none"])
    return Cohort.from_tables({"clinical": clinical}, name="c"), table


def as_if_tidepy(monkeypatch, seen):
    def tide(expression, cancer, pretreat, vthres, ignore_norm):
        print("[WARN] chatter")
        seen.update(expression=expression, cancer=cancer, ignore_norm=ignore_norm)
        return pd.DataFrame({"TIDE": np.arange(expression.shape[1])}, index=expression.columns).sort_values(
            "TIDE", ascending=False
        )

    module = types.ModuleType("tidepy.pred")
    module.TIDE = tide
    monkeypatch.setitem(sys.modules, "tidepy", types.ModuleType("tidepy"))
    monkeypatch.setitem(sys.modules, "tidepy.pred", module)


def with_expression(cohort, table):
    return Cohort(**{**vars(cohort), "tables": {**cohort.tables, "expression": table}})


def test_tide_is_centred_turned_round_and_silent(monkeypatch, capsys):
    seen = {}
    as_if_tidepy(monkeypatch, seen)
    cohort, table = transcriptome()
    got = tide_scores(with_expression(cohort, table), "NSCLC")
    assert got.index.equals(cohort.ids)
    assert got.iloc[:12].tolist() == [-float(i) for i in range(12)]
    assert np.isnan(got["none"])
    assert seen["cancer"] == "NSCLC"
    assert seen["ignore_norm"]
    assert np.abs(seen["expression"].mean(axis=1)).max() < 1e-9
    assert capsys.readouterr().out == ""


def test_tide_says_what_is_missing(monkeypatch):
    cohort, table = transcriptome()
    monkeypatch.setitem(sys.modules, "tidepy", None)
    monkeypatch.setitem(sys.modules, "tidepy.pred", None)
    with pytest.raises(SetupError, match=re.escape("theracast[peers]")):
        tide_scores(with_expression(cohort, table))
    with pytest.raises(DataError, match="THX-D25"):
        tide_scores(with_expression(cohort, table.iloc[:9]))
    with pytest.raises(DataError, match="THX-D08"):
        tide_scores(with_expression(cohort, table.iloc[:, :9_999]))


@pytest.mark.shared
def test_tide_of_van_allen_is_no_one(shared_data):
    """COMPASS prints 1.000 for its TIDE of Van Allen; tidepy 1.3.9 gives .58 by RECIST, as ../shared/data/ici says."""
    pytest.importorskip("tidepy", reason="optional: pip install theracast[peers]")
    cohort = read_cohort(shared_data / "ici" / "vanallen2015_mel")
    score, y = tide_scores(cohort), cohort.response
    known = score.notna() & y.notna()
    assert auc(y[known], score[known]).value == pytest.approx(0.58, abs=0.005)


def test_tidepy_is_not_imported_before_it_is_asked_for():
    ask = "import theracast.models.published.tide, sys; print(*[m for m in sys.modules if m.startswith('tidepy')])"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
