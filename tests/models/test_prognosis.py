"""Predictive or prognostic: equal to R's survival, right on simulated truth, honest on the public patients."""

import importlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from theracast.errors import DataError, SetupError
from theracast.features.assembler import FeatureAssembler
from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.models import prognosis
from theracast.models.effects import hazard_effects, odds_effects
from theracast.models.prognosis import (
    NO_EFFECT,
    PREDICTIVE,
    PROGNOSTIC,
    STRONGER,
    TOO_FEW,
    WEAKER,
    Followed,
    prognostic_effects,
    prognostic_features,
    propensity,
)
from theracast.models.survival import concordance

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"
R = json.loads((GOLDEN / "prognosis_r.json").read_text())
TABLE = pd.read_csv(GOLDEN / "prognosis_input.csv")
FEATURES = ["marker", "albumin", "earlier"]


def followed(table):
    return Followed(table[FEATURES], table["months"], table["died"], table["tumour"], table["response"].astype(float))


TREATED, UNTREATED = (followed(TABLE[TABLE["treated"] == g]) for g in (1, 0))


def simulated(rng, effects, n=700, rate=0.6):
    """Survival of simulated patients whose hazard rises by `effects` per unit of each feature."""
    X = pd.DataFrame(rng.normal(size=(n, len(effects))), columns=list(effects))
    time = rng.exponential(12 * np.exp(-X @ list(effects.values())))
    seen = rng.exponential(12 * rate / (1 - rate), n)
    columns = (np.minimum(time, seen), (time <= seen).astype(float), rng.choice(["a", "b"], n), np.full(n, np.nan))
    return Followed(X, *(pd.Series(c) for c in columns))


# ---------------------------------------------------------------- equal to R


def agrees(found, known, group, steps):
    """The ratio and the end of its interval, per step."""
    for feature, step in steps.items():
        log, se = (known[group][k][feature] * step for k in ("log_ratio", "se"))
        assert np.log(found.loc[feature, group]) == pytest.approx(log, abs=1e-6)
        assert np.log(found.loc[feature, f"{group}_upper"]) == pytest.approx(log + 1.959963984540054 * se, abs=1e-6)


@pytest.mark.parametrize("group", ["response", "treated", "untreated", "interaction"])
def test_equal_to_r(group):
    known = R["simulated"]
    found = prognostic_effects(TREATED, UNTREATED)
    assert found.loc["earlier", "step"] == 1, "a feature of two values is taken from the lower to the higher"
    agrees(found, known, group, found["step"])
    for column in ("p", "p_holm"):
        np.testing.assert_allclose(found[column], [known[column][f] for f in FEATURES], rtol=1e-4)


@pytest.mark.shared
@pytest.mark.usefixtures("shared_data")
def test_equal_to_r_on_the_public_patients():
    """The whole way, from the tables through the blocks, beside an R script that reads the files itself."""
    found = prognostic_features()
    ours = dict(zip(("age", "earlier", "albumin", "nlr", "tmb"), found.index, strict=True))
    assert found["n_untreated"].iloc[0] == R["n"]["untreated"]
    assert found["n_treated"].iloc[0] == R["n"]["treated"]
    for theirs, feature in ours.items():
        unit = 10 if theirs == "albumin" else 1  # R read g/dL
        for group in ("response", "treated", "untreated", "interaction"):
            log = R["real"][group]["log_ratio"][theirs] * found.loc[feature, "step"] / unit
            assert np.log(found.loc[feature, group]) == pytest.approx(log, abs=2e-4)  # four decimals were kept
        assert found.loc[feature, "p_holm"] == pytest.approx(R["real"]["p_holm"][theirs], abs=1e-4)


def test_the_concordance_within_strata_is_that_of_r():
    g = UNTREATED
    found = concordance(g.time, g.event, g.features["albumin"], g.strata)
    assert found == pytest.approx(R["concordance"], abs=1e-12)
    assert found != concordance(g.time, g.event, g.features["albumin"])
    with pytest.raises(DataError, match="unequal lengths"):
        concordance(g.time, g.event, g.features["albumin"], g.strata[1:])


def test_by_hand():
    """Three deaths among four patients: the top of the likelihood is the root of a quadratic."""
    # events at 1 (x = 1), 2 (x = 0), 3 (x = 1), one left (x = 0), b = the hazard ratio:
    # b / (2b + 2) * 1 / (b + 2) * b / (b + 1); its logarithm is flat where 2 = 2b / (b + 1) + b / (b + 2)
    b = (1 + np.sqrt(17)) / 2
    found = hazard_effects(pd.DataFrame({"x": [1, 0, 1, 0]}), [1, 2, 3, 4], [1, 1, 1, 0])
    assert np.exp(found.loc["x", "log_ratio"]) == pytest.approx(b, rel=1e-6)


def test_the_odds_ratio_of_a_table_by_hand():
    """12 of 20 against 5 of 25: 12 * 20 / (8 * 5), variance the sum of the reciprocals."""
    x, y = np.repeat([1, 1, 0, 0], [12, 8, 5, 20]), np.repeat([1, 0, 1, 0], [12, 8, 5, 20])
    found = odds_effects(pd.DataFrame({"x": x}), y).loc["x"]
    assert np.exp(found["log_ratio"]) == pytest.approx(6.0, rel=1e-6)
    assert found["se"] == pytest.approx(np.sqrt(1 / 12 + 1 / 8 + 1 / 5 + 1 / 20), rel=1e-6)
    more = pd.DataFrame({"x": np.append(x, [0, 1, 0])})
    same = odds_effects(more, np.append(y, [1, 1, 1]), np.repeat(["a", "all respond"], [45, 3])).loc["x"]
    assert same["log_ratio"] == pytest.approx(found["log_ratio"], rel=1e-6), "such a stratum says nothing"


# ---------------------------------------------------------------- simulated truth


def test_the_verdicts_are_right_where_the_truth_is_known(rng):
    on = {"prognostic": 0.5, "predictive": -0.5, "stronger": 0.9, "weaker": 0.3, "none": 0.0}
    without = {"prognostic": 0.5, "predictive": 0.0, "stronger": 0.3, "weaker": 0.9, "none": 0.0}
    found = prognostic_effects(simulated(rng, on, 2500), simulated(rng, without, 2500))
    assert found["verdict"].to_dict() == {
        "prognostic": PROGNOSTIC,
        "predictive": PREDICTIVE,
        "stronger": STRONGER,
        "weaker": WEAKER,
        "none": NO_EFFECT,
    }
    assert found.loc["predictive", "treated_upper"] < 1 < found.loc["prognostic", "treated_lower"]


def test_few_patients_can_tell_nothing(rng):
    truth = {"prognostic": 0.2, "predictive": -0.2, "none": 0.0}
    found = prognostic_effects(simulated(rng, truth, 40), simulated(rng, truth | {"predictive": 0.0}, 40))
    assert found["verdict"].tolist() == [TOO_FEW] * 3
    loud = simulated(rng, {"x": 3.0}, 400)
    few = loud.subset(np.arange(400) < 14)
    assert few.event.sum() < prognosis.EVENTS_PER_FEATURE
    assert prognostic_effects(loud, few)["verdict"].tolist() == [TOO_FEW], "a strong effect, but too few deaths"


@pytest.mark.nightly
def test_what_is_only_prognostic_is_rarely_called_predictive(rng):
    """At most 5% of families: three features, all prognostic or nothing."""
    truth = {"a": 0.4, "b": 0.0, "c": -0.3}
    called = 0
    for _ in range(60):
        found = prognostic_effects(simulated(rng, truth, 200), simulated(rng, truth, 200))
        called += bool((found["p_holm"] < 0.05).any())
    assert called <= 8, "P(more than 8 of 60 at 5%) < 1%"


def test_the_scale_changes_the_words_of_a_ratio_not_the_verdict():
    once = prognostic_effects(TREATED, UNTREATED)
    other = prognostic_effects(TREATED, UNTREATED, scale=2 * once["step"])
    np.testing.assert_allclose(np.log(other["treated"]), 2 * np.log(once["treated"]), rtol=1e-5)
    assert other["verdict"].tolist() == once["verdict"].tolist()
    tenfold = [replace(g, features=g.features * 10) for g in (TREATED, UNTREATED)]
    np.testing.assert_allclose(prognostic_effects(*tenfold)["treated"][:2], once["treated"][:2], rtol=1e-6)


def test_propensities_tell_groups_apart_where_they_differ(rng):
    alike = [simulated(rng, {"x": 0.0}, 300) for _ in range(2)]
    apart = replace(alike[0], features=alike[0].features + 4)
    on, without = propensity(*alike)
    assert on.between(*prognosis.COMMON).all()
    assert without.between(*prognosis.COMMON).all()
    on, without = propensity(apart, alike[1])
    assert on.mean() > 0.9
    assert without.mean() < 0.1


def test_a_landmark_forgets_the_early_dead():
    late = UNTREATED.landmark(6)
    kept = UNTREATED.time > 6
    assert len(late) == kept.sum() < len(UNTREATED)
    assert late.time.tolist() == (UNTREATED.time[kept] - 6).tolist()
    assert late.event.tolist() == UNTREATED.event[kept].tolist()


# ---------------------------------------------------------------- faults


def test_D24_no_event_is_an_error_not_a_ratio():
    nobody = replace(UNTREATED, event=UNTREATED.event * 0)
    with pytest.raises(DataError, match="no event"):
        prognostic_effects(TREATED, nobody)


def test_D24_response_of_one_kind_is_not_estimable():
    found = prognostic_effects(replace(TREATED, response=TREATED.response * 0), UNTREATED)
    assert found["response"].isna().all()
    assert found["treated"].notna().all()
    with pytest.raises(DataError, match="of one kind"):
        odds_effects(TREATED.features, TREATED.response * 0)


def test_D24_an_empty_group_is_named():
    nobody = UNTREATED.subset(np.zeros(len(UNTREATED), bool))
    with pytest.raises(DataError, match=r"no patients \| where: untreated"):
        prognostic_effects(TREATED, nobody)
    with pytest.raises(DataError, match="no patients"):
        propensity(nobody, UNTREATED)


def test_D11_missing_values_are_not_filled():
    holes = TREATED.features.copy()
    holes.iloc[3, 1] = np.nan
    with pytest.raises(DataError, match="missing values"):
        prognostic_effects(replace(TREATED, features=holes), UNTREATED)
    with pytest.raises(DataError, match="missing values"):
        hazard_effects(TREATED.features, TREATED.time, TREATED.event, TREATED.strata.mask(TREATED.strata == "skin"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"features": TREATED.features.assign(albumin=40.0)}, "cannot be told apart"),
        ({"features": TREATED.features.assign(albumin=2 * TREATED.features["marker"])}, "copy or a sum"),
        ({"time": -TREATED.time}, "negative"),
        ({"event": TREATED.event + 1}, "other values than 0 and 1"),
        ({"features": TREATED.features.rename(columns={"marker": "other"})}, "the same features"),
        ({"features": TREATED.features.iloc[:, :0]}, "the same features"),
    ],
)
def test_D12_what_no_fit_can_tell_is_refused(change, says):
    with pytest.raises(DataError, match=says):
        prognostic_effects(replace(TREATED, **change), UNTREATED)


def test_D12_a_fit_that_runs_away_is_no_estimate():
    x = pd.DataFrame({"x": np.repeat([0.0, 1.0], 30)})
    died = np.repeat([0.0, 1.0], 30)
    assert hazard_effects(x, np.arange(60) + 1.0, died).isna().all(axis=None)
    assert odds_effects(x, died).isna().all(axis=None)
    group = Followed(x, *(pd.Series(v) for v in (np.arange(60) + 1.0, died, np.repeat("a", 60), died)))
    assert prognostic_effects(group, group)["verdict"].tolist() == [TOO_FEW]


def test_D16_days_are_not_taken_for_months():
    clinical = pd.DataFrame({"os_months": [434.0, 161.0], "os_event": 1, "cancer_type": "NSCLC"}, index=["a", "b"])
    cohort = Cohort.from_tables({"clinical": clinical})
    with pytest.raises(DataError, match=r"THX-D16: survival cannot be in months .*Divide days by 30\.44") as error:
        Followed.of(cohort, pd.DataFrame({"x": [1.0, 2.0]}, index=cohort.ids))
    assert "434" not in str(error.value)


@pytest.mark.shared
@pytest.mark.usefixtures("shared_data")
def test_D16_ravi_is_in_days():
    """The published table of Ravi 2023 calls days months: its column is not to be pooled with the others."""
    cohort = load_cohort("loris_ravi_nsclc")
    values = FeatureAssembler(["mutations"]).fit(cohort).matrix(cohort).values
    with pytest.raises(DataError, match="THX-D16"):
        Followed.of(cohort, values)


def test_without_statsmodels_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "statsmodels.duration.hazard_regression", None)
    with pytest.raises(SetupError, match=r"theracast\[survival\]"):
        prognostic_effects(TREATED, UNTREATED)


# ---------------------------------------------------------------- what is shipped


def test_the_shipped_table_bears_out_the_claim():
    found = prognostic_features()
    stated = found["verdict"].where(found["robust"], TOO_FEW)
    assert stated.to_dict() == {
        "clinical__age": TOO_FEW,
        "clinical__prior_treatment": TOO_FEW,
        "clinical__albumin": PROGNOSTIC,
        "clinical__nlr": WEAKER,
        "mutations__tmb": PREDICTIVE,
    }
    assert "NSCLC alone" not in found.loc["mutations__tmb", "same_in"], "the claim says so"
    assert found.loc["clinical__prior_treatment", "verdict"] == PREDICTIVE, "not robust: the claim says so"


@pytest.mark.nightly
@pytest.mark.shared
def test_the_command_makes_the_tables(tmp_path, shared_data):
    (tmp_path / "features" / "tables").mkdir(parents=True)
    (tmp_path / "experiments").mkdir()
    for file in ("prognosis.py", "prognosis_page.py", "prognosis.yaml"):
        (tmp_path / "experiments" / file).write_text((EXPERIMENTS / file).read_text())
    environment = {"THERACAST_DATA": str(shared_data), "PATH": ""}
    script = tmp_path / "experiments" / "prognosis.py"
    subprocess.run([sys.executable, script], check=True, capture_output=True, env=environment)
    for name in ("effects", "sensitivity", "overlap", "scores"):
        made, kept = (pd.read_csv(f / "prognosis" / f"{name}.csv") for f in (script.parent, EXPERIMENTS))
        pd.testing.assert_frame_equal(made, kept, rtol=1e-3, atol=2e-4)
    shipped = (tmp_path / "features" / "tables" / "prognosis.csv").read_text()
    assert [line for line in shipped.splitlines() if line.startswith("#")]


def test_the_shipped_table_is_that_of_the_experiment():
    kept = pd.read_csv(EXPERIMENTS / "prognosis" / "effects.csv", index_col="feature")
    pd.testing.assert_frame_equal(prognostic_features(), kept)


def test_a_clinical_score_is_prognosis_too():
    """Without the burden a score fitted to response orders untreated patients as well: the page must show it."""
    scores = pd.read_csv(EXPERIMENTS / "prognosis" / "scores.csv", index_col="score")
    on, without = (scores[f"C, {g}"].str.split(" ").str[0].astype(float) for g in ("treated", "untreated"))
    assert without["without TMB"] > on["without TMB"] - 0.02 > 0.6
    assert without["TMB alone"] < 0.5 < on["TMB alone"]
    assert scores["verdict"]["TMB alone"] == PREDICTIVE
    assert scores["verdict"]["LORIS, as published"] == STRONGER
    assert without["LORIS, as published"] > 0.57


def test_the_page_holds_every_table(monkeypatch):
    monkeypatch.syspath_prepend(EXPERIMENTS)
    page = importlib.import_module("prognosis_page").prognosis_part()
    for row in ("| serum albumin |", "| NSCLC alone |", "| without TMB |", "| AUC of telling the groups apart |"):
        assert row in page
    assert "no proof" in page
    assert "(prognosis/prognosis.png)" in page
    assert (EXPERIMENTS / "prognosis" / "prognosis.png").stat().st_size > 10_000
