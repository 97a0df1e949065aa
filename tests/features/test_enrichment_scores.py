"""Gene-set scores equal R's GSVA 1.46 and decoupler 2.2; singscore, which has neither, its paper."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from theracast.errors import DataError, TheracastError, UsageError
from theracast.features.enrichment import aucell, plage, singscore, ssgsea, zscore

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
SETS = json.loads((GOLDEN / "enrichment_sets.json").read_text())
R = json.loads((GOLDEN / "enrichment_r.json").read_text())
DECOUPLER = json.loads((GOLDEN / "enrichment_aucell.json").read_text())
both = pytest.mark.parametrize("name", ["plain", "ties"])
METHODS = [ssgsea, aucell, zscore, plage, lambda *a, **k: singscore(*a, **k).score]
methods = pytest.mark.parametrize("method", METHODS, ids=["ssgsea", "aucell", "zscore", "plage", "singscore"])


def table(name):
    return pd.read_csv(GOLDEN / f"enrichment_{name}.csv", comment="#", index_col=0)


@both
@pytest.mark.parametrize("normalised", [False, True])
def test_ssgsea_equals_gsva(name, normalised):
    got = ssgsea(table(name), SETS, normalised=normalised, min_size=1)
    wanted = R[name]["ssgsea_normalised" if normalised else "ssgsea"]
    np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12)
    assert list(got) == R["sets"]


@both
def test_zscore_equals_gsva(name):
    np.testing.assert_allclose(zscore(table(name), SETS, min_size=1), R[name]["zscore"], rtol=1e-12, atol=1e-12)


@both
def test_plage_equals_gsva_but_for_the_sign(name):
    got, wanted = plage(table(name), SETS, min_size=1).to_numpy(), np.array(R[name]["plage"])
    np.testing.assert_allclose(got, wanted * np.sign((got * wanted).sum(axis=0)), rtol=0, atol=1e-12)


@both
def test_aucell_equals_decoupler(name):
    got = aucell(table(name), SETS, top=0.1, min_size=1)
    np.testing.assert_array_equal(got, DECOUPLER[name])


def test_singscore_by_the_paper():
    """Ten genes, g9 the highest. Up g9 g8 g5: ranks 10 9 6, mean 25/3, least 2, greatest 9, score 19/21; MAD 1.

    Down g0 g2: ranks 1 3, mean 2, least 1.5, greatest 9.5, score 1/16; MAD 1.
    """
    x = pd.DataFrame([np.arange(10.0), np.arange(10.0)[::-1]], index=["p", "q"], columns=[f"g{i}" for i in range(10)])
    up, down = {"s": ["g9", "g8", "g5", "away"]}, {"s": ["g0", "g2"]}
    one = singscore(x, up, centred=False, min_size=2)
    both_ways = singscore(x, up, down=down, min_size=2)
    assert one.score.loc["p", "s"] == pytest.approx(19 / 21, rel=1e-14)
    assert one.dispersion.loc["p", "s"] == pytest.approx(1.4826, rel=1e-14)
    assert both_ways.score.loc["p", "s"] == pytest.approx(19 / 21 - 0.5 + 15 / 16 - 0.5, rel=1e-14)
    assert both_ways.score.loc["q", "s"] == pytest.approx(2 / 21 - 0.5 + 1 / 16 - 0.5, rel=1e-14)
    assert both_ways.dispersion.loc["p", "s"] == pytest.approx(1.4826, rel=1e-14)
    assert one.score.attrs["coverage"] == {"s": 0.75}


@methods
def test_contract(method, rng):
    x = table("ties")
    before = x.copy()
    got = method(x, SETS, min_size=4)
    pd.testing.assert_frame_equal(x, before)
    assert got.index.equals(x.index)
    assert list(got) == list(SETS)
    assert got[["S02", "S03"]].isna().all(axis=None)
    assert got.drop(columns=["S02", "S03"]).notna().all(axis=None)
    assert got.attrs["coverage"]["S05"] == pytest.approx(5 / 8 if method in (zscore, plage) else 6 / 8)
    again = method(x.iloc[::-1], SETS, min_size=4)
    np.testing.assert_allclose(again.iloc[::-1], got, rtol=0, atol=1e-12)
    if method in METHODS[2:4]:  # the order of tied genes decides the other scores
        turned = method(x[rng.permutation(x.columns)], SETS, min_size=4)
        np.testing.assert_allclose(turned, got, rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", [METHODS[0], METHODS[1], METHODS[4]], ids=["ssgsea", "aucell", "singscore"])
def test_a_patient_alone_is_the_same_to_the_bit(method):
    x = pd.concat([table("plain")] * 20, ignore_index=True)  # more than are ranked at a time
    alone = method(x.iloc[[280]], SETS)
    pd.testing.assert_frame_equal(method(x, SETS).iloc[[280]], alone, check_exact=True)
    unmeasured = x.iloc[[280]] * np.nan
    assert method(unmeasured, SETS).isna().all(axis=None)


def test_a_frozen_reference_makes_the_zscore_of_a_patient_alone_the_same():
    x = table("plain")
    crowd = zscore(x, SETS)
    turned = x.iloc[:, ::-1]
    pd.testing.assert_frame_equal(zscore(x.iloc[[3]], SETS, reference=turned), crowd.iloc[[3]], rtol=0, atol=1e-12)


def test_missing_values_are_left_out_of_zscores_and_their_genes_out_of_plage():
    x = table("plain")
    gene = SETS["S17"][0]
    holed = x.copy()
    holed.loc["P03", gene] = np.nan
    others = x.index != "P03"
    wanted = zscore(x.loc[others], {gene: [gene]}, min_size=1)
    got = zscore(holed, {gene: [gene]}, min_size=1)
    np.testing.assert_allclose(got.loc[others], wanted, rtol=1e-12)
    assert got.loc["P03"].isna().all()
    pd.testing.assert_frame_equal(plage(holed, SETS), plage(x.drop(columns=gene), SETS))


def test_float32_is_ranked_as_it_is():
    x = table("plain")
    np.testing.assert_allclose(ssgsea(x.astype(np.float32), SETS), ssgsea(x, SETS), rtol=1e-12)


def test_no_patients_score_to_no_rows():
    assert ssgsea(table("plain").iloc[:0], SETS).shape == (0, 7)
    assert ssgsea(table("plain").iloc[:0], SETS, normalised=True).shape == (0, 7)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda x: ssgsea(x.to_numpy(), SETS), UsageError, "ndarray"),
        (lambda x: ssgsea(x, {}), UsageError, "no set"),
        (lambda x: ssgsea(x, SETS, min_size=0), UsageError, "min_size=0"),
        (lambda x: ssgsea(x, {"s": "G001"}), UsageError, "split"),
        (lambda x: ssgsea(x, SETS, alpha=-1), UsageError, "-1"),
        (lambda x: ssgsea(x.iloc[:1], {"s": SETS["S40"]}, normalised=True), UsageError, "normalised=False"),
        (lambda x: aucell(x, SETS, top=5), UsageError, "0.05"),
        (lambda x: singscore(x, SETS, down={"T": ["G001"]}), UsageError, "same names"),
        (lambda x: ssgsea(x.T, SETS), DataError, "THX-D08"),
        (lambda x: plage(x.iloc[:1], SETS), DataError, "THX-D08"),
        (lambda x: aucell(x.assign(G001="high"), SETS), DataError, "THX-D13"),
        (lambda x: zscore(x.assign(G001=np.inf), {"s": ["G001", "G002"]}), DataError, "THX-D11"),
        (lambda x: zscore(pd.concat([x, x], axis=1), SETS), DataError, "THX-D03"),
    ],
)
def test_errors_say_what_to_do(call, error, says):
    with pytest.raises(TheracastError, match="do:") as raised:
        call(table("plain"))
    assert type(raised.value) is error
    assert says in str(raised.value)
