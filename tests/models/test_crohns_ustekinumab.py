"""crohns_ustekinumab: what is declared, what the model may say, and whether the judgement finds what was planted."""

import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.special import expit

from theracast.features.crohns import read_certifi
from theracast.models.indications import SELECTIONS
from theracast.models.selection import SelectionModel
from theracast.models.selection_train import SelectionExperiment

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
YAML = EXPERIMENTS / "crohns_ustekinumab.yaml"
SETTINGS = yaml.safe_load(YAML.read_text(encoding="utf-8"))
SPEC = SELECTIONS["crohns_ustekinumab"]


@pytest.fixture(scope="module")
def experiment():
    sys.path.insert(0, str(EXPERIMENTS))
    try:
        import crohns_page
        import crohns_ustekinumab

        yield crohns_ustekinumab, crohns_page
    finally:
        sys.path.remove(str(EXPERIMENTS))


def table(name):
    return pd.read_csv(EXPERIMENTS / "certifi" / f"{name}.csv")


def primary(name):
    found = table(name)
    return found[(found["endpoint"] == SETTINGS["endpoint"]) & (found["features"] == "declared")]


# ---------------------------------------------------------------- what is declared


def test_the_choice_is_what_the_trial_randomised():
    assert [a.therapy for a in SPEC.arms] == ["ustekinumab", "placebo"]
    assert (SPEC.studies, SPEC.standard) == (("certifi",), "placebo")
    assert "primary endpoint" in SPEC.horizon
    assert SETTINGS["endpoint"] == "response_week6"
    assert tuple(SETTINGS["blocks"]) == SPEC.arms[0].blocks


def test_the_propensities_are_the_shares_of_the_arms():
    shares = SETTINGS["settings"]["propensity"]
    assert shares["ustekinumab"] == 312 / 424
    assert shares["placebo"] == 112 / 424
    assert SelectionExperiment.from_yaml(YAML).settings == SETTINGS["settings"]


@pytest.mark.shared
def test_the_model_ranks_nothing(shared_data):
    """Placebo's head is not told from chance: nothing to rank the drug against, whatever the averages are."""
    cohort = read_certifi(shared_data / SETTINGS["data"])
    model = SelectionModel(SPEC, SETTINGS["settings"]).fit({"certifi": cohort})
    ranking = model.rank(cohort).table
    states = ranking.groupby("therapy")["state"].unique().map(set)
    assert states["placebo"] == {"insufficient"}
    assert states["ustekinumab"] <= {"not comparable", "insufficient"}
    assert ranking["rank"].isna().all()
    placebo = ranking[ranking["therapy"] == "placebo"]
    assert placebo["reason"].str.startswith("no signal to choose by").mean() > 0.99
    gain = ranking[ranking["therapy"] == "ustekinumab"]["gain"].mean()
    assert gain == pytest.approx(105 / 312 - 31 / 112, abs=0.02)


# ---------------------------------------------------------------- what was written


def test_arms_are_those_of_the_file():
    arms = table("arms").set_index(["endpoint", "therapy"])
    assert arms.loc[("response_week6", "placebo"), ["n", "responders"]].tolist() == [112, 31]
    assert arms.loc[("response_week6", "ustekinumab"), ["n", "responders"]].tolist() == [312, 105]
    assert arms.loc[("response_week6", "ustekinumab"), "over placebo, value"] == pytest.approx(0.0598, abs=1e-4)
    doses = arms.loc["response_week6"].filter(like="mg/kg", axis=0)
    assert doses[["n", "responders"]].sum().tolist() == [312, 105]


def test_who_was_left_out_is_counted():
    """526 randomised, 36.6, 34.1 and 39.7% of them responders on the drug and 23.5% on placebo: 145 and 31."""
    published = SETTINGS["published"]
    rates = {t: round(100 * k / n, 1) for t, (n, k) in published.items()}
    assert list(rates.values()) == [23.5, 36.6, 34.1, 39.7]
    left = table("left_out").set_index("therapy")
    assert left.loc["placebo", ["left out", "left out, responders"]].tolist() == [20, 0]
    assert left.loc["ustekinumab", ["left out", "left out, responders"]].tolist() == [82, 40]
    assert left["p"].max() < 0.001


def test_treating_all_is_worth_the_response_rate_of_the_arm():
    found = primary("values").set_index(["learner", "policy"])
    for policy, rate in (("treat all", 105 / 312), ("treat none", 31 / 112)):
        rows = found.xs(policy, level="policy")
        assert rows["weighted"].to_numpy() == pytest.approx(rate, abs=1e-3)
        assert rows["value"].to_numpy() == pytest.approx(rate, abs=0.01)  # up to the augmentation
    assert (found.xs("treat all", level="policy")["over all, value"] == 0).all()


def test_policies_lie_within_their_intervals_and_shares():
    found = table("values")
    assert ((found["lower"] < found["value"]) & (found["value"] < found["upper"])).all()
    assert found["treated"].between(0, 1).all()
    curve = table("curve")
    assert curve["gain"].iloc[0] == 0
    assert curve["gain"].iloc[-1] == pytest.approx(curve["random"].iloc[-1], abs=1e-4)


def test_the_claim_is_what_the_tables_say():
    """No policy beats treating all, no test tells patients apart; every number of the claim is in a table."""
    values = primary("values")
    learned = values[~values["policy"].isin(["treat all", "treat none"])]
    assert (learned["over all, lower"] <= 0).all()
    tests = primary("heterogeneity")
    assert (tests["lower"] < 0).all()
    assert (tests["p"] > 0.05).all()
    assert "no group of patients" in SETTINGS["claim"]


def test_every_number_of_the_claim_is_in_a_table(experiment):
    _, page = experiment
    text = page.certifi_part(EXPERIMENTS)
    beyond = text.split(SETTINGS["claim"].strip(), 1)[1]
    numbers = re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.]*\d)", SETTINGS["claim"].replace("mg/kg", ""))
    assert len(numbers) > 5
    assert [n for n in numbers if n not in beyond] == []


def test_the_page_has_every_table(experiment):
    _, page = experiment
    text = page.certifi_part(EXPERIMENTS)
    assert "(certifi/certifi.png)" in text
    assert (EXPERIMENTS / "certifi" / "certifi.png").stat().st_size > 10_000
    assert text.count("| ---") + text.count("|---") >= 5
    assert "nan" not in text.lower().replace("finance", "")
    assert "simulated" in text


# ---------------------------------------------------------------- the judgement, on simulated trials


def simulated(planted, seed, n=424):
    """Simulated trial of CERTIFI's size; `planted`: what a standard deviation of the first feature adds, log-odds."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 4)), columns=list("abcd"), index=[f"p{i}" for i in range(n)])
    drug = rng.permutation(n) < round(n * 312 / 424)
    p = expit(-0.9 + 0.4 * X["b"] + drug * planted * X["a"])
    return X, np.where(drug, "ustekinumab", "placebo"), (rng.random(n) < p).astype(float).to_numpy()


def judged(experiment, planted, seed):
    crohns, _ = experiment
    settings = {**SETTINGS, "repeats": 1}
    run = crohns.out_of_fold(crohns.Trial(*simulated(planted, seed)), ["t"], settings)
    found = crohns.values(run, ("y", "declared", "t"), settings).set_index("policy")
    area = crohns.tested(run, "t")[0]
    return area.value / (1.3 * area.se), found.loc["treat where a gain is predicted"]


def test_planted_heterogeneity_is_found_and_its_policy_beats_treating_all(experiment):
    found = [judged(experiment, 1.8, seed) for seed in range(4)]
    assert sum(z > 1.96 for z, _ in found) >= 3
    assert sum(row["over all, lower"] > 0 for _, row in found) >= 3


@pytest.mark.nightly
def test_where_nothing_was_planted_nothing_is_found_beyond_the_error_rate(experiment):
    found = [judged(experiment, 0.0, seed) for seed in range(40)]
    assert sum(abs(z) > 1.96 for z, _ in found) <= 6  # 5% of 40, with what chance does to it: 1 in 100
    assert sum(row["over all, lower"] > 0 for _, row in found) <= 5


def test_held_out_means_held_out(experiment):
    """What is said of a fold does not move when the outcomes of that fold do."""
    crohns, _ = experiment
    settings = {**SETTINGS, "repeats": 1}
    X, given, y = simulated(1.0, 3)
    one = crohns.out_of_fold(crohns.Trial(X, given, y), ["t"], settings)
    mine = one.folds[:, 0] == 2
    other = crohns.out_of_fold(crohns.Trial(X, given, np.where(mine, 1 - y, y)), ["t"], settings)
    assert np.array_equal(one.folds, other.folds)
    assert np.array_equal(one.gains["t"][mine], other.gains["t"][mine])
    assert not np.array_equal(one.gains["t"][~mine], other.gains["t"][~mine])
