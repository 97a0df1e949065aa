"""Simulated patients: the truth is the truth, the covariates are real, treatment is as biased as was asked for."""

import numpy as np
import pandas as pd
import pytest

from theracast.errors import DataError, UsageError
from theracast.features.datasets import load_cohort
from theracast.features.simulate import MECHANISMS, plant, resample, simulate_patients


@pytest.fixture(scope="module")
def covariates():
    """132 signatures of 298 patients: real."""
    return load_cohort("imvigor210_uc").tables["signatures"]


@pytest.fixture(scope="module")
def surfaces(covariates):
    return plant(covariates, seed=3)


def test_a_seed_says_everything(surfaces, covariates):
    one, again, other = (simulate_patients(surfaces, covariates, 80, seed=s) for s in (5, 5, 6))
    for field in ("X", "truth", "propensity"):
        pd.testing.assert_frame_equal(getattr(one, field), getattr(again, field))
    assert one.y.tolist() == again.y.tolist()
    assert one.treatment.tolist() == again.treatment.tolist() != other.treatment.tolist()
    assert plant(covariates, seed=3).drivers == surfaces.drivers != plant(covariates, seed=4).drivers


def test_nobody_touches_the_covariates(surfaces, covariates):
    before = covariates.copy()
    simulate_patients(surfaces, covariates, 50)
    pd.testing.assert_frame_equal(covariates, before)


@pytest.mark.parametrize("seed", range(5))
def test_the_planted_rates_hold_among_new_patients(covariates, seed):
    """At random and as treated 45% respond, with the best therapy of each 96.5%."""
    sim = simulate_patients(plant(covariates, seed=seed), covariates, 4000, seed=seed)
    assert sim.truth.mean(axis=None) == pytest.approx(0.45, abs=0.02)
    assert sim.y.mean() == pytest.approx(0.45, abs=0.04)
    assert sim.truth.max(axis=1).mean() == pytest.approx(0.965, abs=0.01)
    assert sim.truth.idxmax(axis=1).value_counts(normalize=True).reindex(MECHANISMS).min() > 0.1


@pytest.mark.parametrize("confounding", [0.0, 2.0])
def test_responses_are_as_frequent_as_the_truth_says(surfaces, covariates, confounding):
    """Within each therapy and tenth of the true probability, inside 4.5 standard errors."""
    sim = simulate_patients(surfaces, covariates, 20000, confounding=confounding, seed=8)
    p = pd.Series(sim.truth.to_numpy()[np.arange(20000), sim.truth.columns.get_indexer(sim.treatment)], sim.y.index)
    table = pd.DataFrame({"y": sim.y, "p": p, "v": p * (1 - p), "arm": sim.treatment, "tenth": (10 * p).astype(int)})
    found = table.groupby(["arm", "tenth"]).agg(n=("y", "size"), y=("y", "sum"), p=("p", "sum"), v=("v", "sum"))
    found = found[found["v"] > 3]
    assert len(found) > 40
    assert (np.abs(found["y"] - found["p"]) < 4.5 * np.sqrt(found["v"])).all()


def test_treatments_are_as_frequent_as_the_propensity_says(surfaces, covariates):
    sim = simulate_patients(surfaces, covariates, 20000, confounding=1.0, seed=8)
    np.testing.assert_allclose(sim.propensity.sum(axis=1), 1.0)
    for arm in MECHANISMS:
        p, got = sim.propensity[arm], sim.treatment == arm
        for tenth in pd.qcut(p, 10).cat.categories:
            here = (p > tenth.left) & (p <= tenth.right)
            error = np.sqrt((p[here] * (1 - p[here])).sum())
            assert abs(got[here].sum() - p[here].sum()) < 4.5 * error


def test_without_confounding_treatment_is_randomised(surfaces, covariates):
    sim = simulate_patients(surfaces, covariates, 5000, confounding=0.0, seed=2)
    np.testing.assert_allclose(sim.propensity, 0.2)
    drivers = sim.X[list(sim.drivers.values())]
    apart = drivers.groupby(sim.treatment).mean().sub(drivers.mean()).div(drivers.std() / np.sqrt(1000))
    assert np.abs(apart).to_numpy().max() < 4


def test_overlap_falls_with_confounding(surfaces, covariates):
    sims = [simulate_patients(surfaces, covariates, 1000, confounding=c, seed=2) for c in (0, 1, 2, 4)]
    rare = [(s.propensity < 0.02).mean(axis=None) for s in sims]
    assert rare[0] == 0.0
    assert rare[1] < 0.02
    assert rare == sorted(rare)
    assert rare[3] > 0.25
    for s in sims[1:]:
        pd.testing.assert_frame_equal(s.truth, sims[0].truth)


def test_what_never_happens_never_happens(surfaces, covariates):
    sim = simulate_patients(surfaces, covariates, 3000, confounding=0.0, never=0.25, seed=1)
    last = sim.propensity[MECHANISMS[-1]]
    assert (last == 0).mean() == pytest.approx(0.25, abs=0.08)
    severity = sim.X[sim.drivers["severity"]]
    assert severity[last == 0].min() > severity[last > 0].max()
    assert not (sim.treatment[last == 0] == MECHANISMS[-1]).any()


def test_the_hidden_confounder_steers_and_is_not_seen(surfaces, covariates):
    seen, hidden = (simulate_patients(surfaces, covariates, 2000, confounding=2.0, hide=h) for h in (False, True))
    name = seen.drivers["severity"]
    assert hidden.X.equals(seen.X.drop(columns=name))
    assert hidden.y.equals(seen.y)
    by_arm = seen.X[name].groupby(seen.treatment).mean()
    assert by_arm[MECHANISMS[-1]] - by_arm[MECHANISMS[0]] > seen.X[name].std() * 0.5


def test_covariates_stay_real(covariates):
    """Marginals and ranges as observed; correlations fall by no more than the smoothing takes (4%)."""
    drawn = resample(covariates, 4000, smoothing=0.2, seed=1)
    shares = np.linspace(0.05, 0.95, 19)
    apart = (drawn.quantile(shares) - covariates.quantile(shares)).abs() / covariates.std()
    assert apart.to_numpy().max() < 0.2
    assert (drawn.max() <= covariates.max()).all()
    assert (drawn.min() >= covariates.min()).all()
    real, ours = (t.corr(method="spearman").to_numpy() for t in (covariates, drawn))
    strong = (np.abs(real) > 0.5) & (real < 0.999)
    assert np.median(ours[strong] / real[strong]) == pytest.approx(0.96, abs=0.02)
    assert not drawn.duplicated().any()


def test_without_smoothing_patients_are_the_real_ones(covariates):
    drawn = resample(covariates, 100, smoothing=0.0, seed=1)
    known = set(covariates.apply(tuple, axis=1))
    assert set(drawn.apply(tuple, axis=1)) <= known


def test_below_detection_and_missing_stay_what_they_are(rng):
    real = pd.DataFrame({"floor": np.r_[np.zeros(60), rng.lognormal(size=40)], "flag": [0.0, 1.0] * 50})
    real.loc[:29, "flag"] = np.nan
    drawn = resample(real, 20000, smoothing=0.3, seed=0)
    assert (drawn["floor"] == 0).mean() == pytest.approx(0.6, abs=0.02)
    assert set(drawn["flag"].dropna()) == {0.0, 1.0}
    assert drawn["flag"].isna().mean() == pytest.approx(0.3, abs=0.02)


def test_a_missing_driver_counts_as_average(surfaces, covariates):
    X = covariates.head(3).copy()
    X[surfaces.drivers["TNF"]] = np.nan
    middle = covariates.head(3).copy()
    s = surfaces.scales.loc[surfaces.drivers["TNF"]]
    middle[surfaces.drivers["TNF"]] = s["mean"] + s["sd"] * 2 * np.arctanh(s["bent_mean"] / 2)
    pd.testing.assert_frame_equal(surfaces.truth(X), surfaces.truth(middle))


def test_what_cannot_be_planted_is_said(covariates):
    with pytest.raises(DataError, match="THX-D12: too few covariates vary"):
        plant(covariates.iloc[:, :5])
    with pytest.raises(UsageError, match="no strength reaches"):
        plant(covariates, standard=0.5, oracle=0.4)
    with pytest.raises(UsageError, match="smoothing"):
        resample(covariates, 5, smoothing=1.0)
    with pytest.raises(UsageError, match="confounding"):
        simulate_patients(plant(covariates), covariates, 5, confounding=-1)


@pytest.mark.shared
@pytest.mark.parametrize("path", ["ra/lipid_mediators/lipid_mediators", "multiomics/gdsc2_cell_lines/expression"])
def test_it_plants_into_lipids_and_cell_lines(shared_data, path):
    table = pd.read_parquet(shared_data / f"{path}.parquet")
    table = table.set_index(table.columns[0]).iloc[:, :200]
    table = np.log2(1 + table) if "lipid" in path else table
    sim = simulate_patients(plant(table, seed=1), table, 2000, seed=1)
    assert sim.truth.max(axis=1).mean() > 0.95
    assert sim.y.mean() == pytest.approx(0.45, abs=0.05)
