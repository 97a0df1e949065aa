"""Net benefit by hand, its limits, and intervals that hold on simulated truth."""

import numpy as np
import pandas as pd
import pytest

from theracast.errors import DataError, UsageError
from theracast.models.config import Experiment
from theracast.models.decision_curve import (
    MEAN_OF_COHORTS,
    PLAUSIBLE,
    THRESHOLDS,
    TOO_FEW,
    decision_table,
    net_benefit,
)
from theracast.models.train import train
from theracast.models.validate import MODEL, judged

#: Ten patients, three of whom responded. From .2: 6 are treated, 3 of them respond. From .5: 3, of whom 2 do.
Y = [1, 1, 1, 0, 0, 0, 0, 0, 0, 0]
P = [0.9, 0.6, 0.3, 0.7, 0.4, 0.2, 0.1, 0.1, 0.05, 0.05]


def test_by_hand():
    found = net_benefit(Y, P, [0.2, 0.5]).set_index("threshold")
    # 3/10 - 3/10 * .25 and 2/10 - 1/10 * 1; treating all: .3 - .7 * .25 and .3 - .7
    assert found.net_benefit.tolist() == pytest.approx([0.225, 0.1])
    assert found.treat_all.tolist() == pytest.approx([0.125, -0.4])
    assert found.gain.tolist() == pytest.approx([0.1, 0.1]), "at .5 nobody is the rule to beat"


def test_a_threshold_is_treated_from_and_the_limits_are_the_response_rate_and_nothing():
    assert net_benefit([1, 0], [0.5, 0.4], [0.5]).net_benefit.item() == 0.5
    assert net_benefit(Y, Y).net_benefit.tolist() == pytest.approx([0.3] * len(THRESHOLDS))
    assert net_benefit(Y, np.zeros(10)).net_benefit.eq(0).all()
    everyone = net_benefit(Y, np.ones(10))
    assert everyone.net_benefit.equals(everyone.treat_all)


@pytest.mark.parametrize("n", [20, 150])
@pytest.mark.parametrize("at", [0.1, 0.3, 0.5])
def test_intervals_hold_the_truth_as_often_as_they_say(n, at, rng):
    """SIMULATED: of patients whose probability is exactly right, the net benefit at t is known by quadrature."""
    grid = np.linspace(0, 1, 10_001) ** 2  # few are treated, where a bootstrap of 20 patients holds nothing
    price = at / (1 - at)
    truth = np.mean(np.where(grid >= at, grid - (1 - grid) * price, 0.0))
    everyone = np.mean(grid - (1 - grid) * price)
    hits, gains = [], []
    for _ in range(250):
        p = rng.random(n) ** 2
        found = net_benefit((rng.random(n) < p).astype(int), p, [at]).iloc[0]
        hits.append(found.lower <= truth <= found.upper)
        gains.append(found.gain_lower <= truth - (everyone if found.treat_all > 0 else 0.0) <= found.gain_upper)
    assert 0.92 <= np.mean(hits) <= 0.995
    assert np.mean(gains) >= 0.90


def test_the_interval_by_hand():
    """From .5 two of ten respond and one is treated in vain: Wilson's ends, their distances, their correlation."""
    found = net_benefit(Y, P, [0.5]).iloc[0]
    (a, b), (a_low, b_low), (a_high, b_high) = (0.2, 0.1), (0.0566822, 0.0178762), (0.5098375, 0.4041500)
    apart = np.sqrt(a * b / ((1 - a) * (1 - b)))
    down, up = (a - a_low, b_high - b), (a_high - a, b - b_low)
    reach = [np.sqrt(x**2 + y**2 + 2 * apart * x * y) for x, y in (down, up)]
    assert (found.lower, found.upper) == pytest.approx((0.1 - reach[0], 0.1 + reach[1]), abs=1e-6)
    assert (found.gain_lower, found.gain_upper) == (found.lower, found.upper), "nobody is the rule to beat"


def test_against_everyone_only_the_untreated_count():
    """From .2 four are untreated and none of them responds: four times the price is spared, of ten."""
    found = net_benefit(Y, P, [0.2]).iloc[0]
    # Wilson: 4 of 10 are .1682 to .6873, 0 of 10 are 0 to .2775; a response may be lost that was not seen
    assert found.gain == pytest.approx(0.4 * 0.25)
    assert found.gain_upper == pytest.approx(0.25 * 0.6873, abs=1e-4)
    assert found.gain_lower == pytest.approx(0.1 - np.hypot(0.25 * (0.4 - 0.1682), 0.2775), abs=1e-4)


def test_where_nobody_is_treated_the_interval_is_not_a_point():
    """Of 20 patients nobody reaches .5: that leaves room for one in six."""
    found = net_benefit([0, 1] * 10, np.full(20, 0.2), [0.5]).iloc[0]
    assert (found.net_benefit, found.gain) == (0.0, 0.0)
    assert found.upper == pytest.approx(0.1611252, abs=1e-6)
    assert found.lower == pytest.approx(-0.1611252, abs=1e-6)


def test_more_certainty_is_wider():
    narrow, wide = net_benefit(Y, P), net_benefit(Y, P, level=0.99)
    assert (wide.upper - wide.lower > narrow.upper - narrow.lower).all()


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"thresholds": [0.0]}, UsageError),
        ({"thresholds": [float("nan")]}, UsageError),
        ({"level": 1.0}, UsageError),
        ({"p": [0.1, 1.2]}, DataError),
        ({"y": [0, 2]}, DataError),
        ({"p": [0.1, float("nan")]}, DataError),
        ({"y": [], "p": []}, DataError),
    ],
)
def test_what_is_refused(given, error):
    with pytest.raises(error):
        net_benefit(**{"y": [0, 1], "p": [0.2, 0.6], **given})


# ---------------------------------------------------------------- in every validation


def cohorts(rng, sizes):
    """SIMULATED: calibrated predictions of cohorts of these sizes."""
    parts = []
    for name, n in sizes.items():
        p = rng.uniform(0.1, 0.8, n)
        parts.append(pd.DataFrame({"cohort": name, "y": (rng.random(n) < p).astype(float), "prior": 0.4, MODEL: p}))
    return pd.concat(parts)


def test_a_validation_tells_every_cohort_and_the_mean_of_the_large_ones(rng):
    predictions = cohorts(rng, {"a": 80, "tiny": 12, "b": 60})
    predictions.iloc[0, predictions.columns.get_loc(MODEL)] = np.nan
    found = judged(predictions, thresholds=[0.3, 0.5]).net_benefit
    assert found.cohort.tolist() == [c for c in ("a", "tiny", "b", MEAN_OF_COHORTS) for _ in range(2)]
    assert dict(zip(found.cohort, found.state, strict=True)) == {"a": "", "tiny": TOO_FEW, "b": "", MEAN_OF_COHORTS: ""}
    known = predictions[(predictions.cohort == "a") & predictions[MODEL].notna()]
    alone = net_benefit(known.y, known[MODEL], [0.3, 0.5])
    assert len(known) == 79
    assert found[found.cohort == "a"][list(alone)].reset_index(drop=True).equals(alone)
    wide = found.pivot_table("gain", "threshold", "cohort")
    ends = found.assign(reach=found.gain_upper - found.gain).pivot_table("reach", "threshold", "cohort")
    mean = found[found.cohort == MEAN_OF_COHORTS].set_index("threshold")
    for at in (0.3, 0.5):
        a, b = wide.loc[at, ["a", "b"]]
        assert mean.gain[at] == pytest.approx((a + b) / 2)
        # two values: their standard error is half their distance, and t on one degree of freedom is 12.706
        reach = max(12.7062047 * abs(a - b) / 2, np.hypot(*ends.loc[at, ["a", "b"]]) / 2)
        assert mean.gain_upper[at] - mean.gain[at] == pytest.approx(reach)
        assert mean.gain_lower[at] <= mean.gain[at]


def test_cohorts_that_agree_by_treating_nobody_leave_the_mean_an_interval():
    """Student's interval alone would be a point: 0 of 20, 0 of 20."""
    one = pd.DataFrame({"y": [0, 1] * 20, MODEL: 0.2})
    found = decision_table(pd.concat([one.assign(cohort=c) for c in "ab"]), MODEL, [0.5]).set_index("cohort")
    mean = found.loc[MEAN_OF_COHORTS]
    assert (mean.net_benefit, mean.gain) == (0.0, 0.0)
    assert mean.upper == pytest.approx(found.loc["a", "upper"] / np.sqrt(2))
    assert mean.gain_lower == pytest.approx(found.loc["a", "gain_lower"] / np.sqrt(2))
    assert mean.lower < 0 < mean.upper


def test_one_large_cohort_has_no_mean_and_nobody_no_rows(rng):
    one = decision_table(cohorts(rng, {"a": 80, "tiny": 12}), MODEL)
    assert MEAN_OF_COHORTS not in set(one.cohort)
    assert one.threshold.unique().tolist() == list(PLAUSIBLE)
    nobody = decision_table(cohorts(rng, {"a": 80}).assign(**{MODEL: np.nan}), MODEL)
    assert nobody.empty
    assert list(nobody) == list(one)


def test_the_thresholds_are_the_users_and_decide_no_model(tmp_path):
    file = tmp_path / "e.yaml"
    file.write_text("indication: melanoma_ici\nthresholds: [0.25, 0.4]\n")
    asked, plain = Experiment.from_yaml(file), Experiment(indication="melanoma_ici")
    assert asked.thresholds == [0.25, 0.4]
    assert plain.thresholds == list(PLAUSIBLE)
    assert asked.digest == plain.digest
    for wrong in ("[]", "[1.0]", "[0]", "half", "[.nan]"):
        file.write_text(f"indication: melanoma_ici\nthresholds: {wrong}\n")
        with pytest.raises(UsageError, match="thresholds"):
            Experiment.from_yaml(file)


def test_the_thresholds_reach_the_validation():
    asked = {"indication": "melanoma_ici", "cohorts": ["riaz2017_mel", "hugo2016_mel"], "holdout": []}
    found = train(Experiment(**asked, thresholds=[0.35])).validation.net_benefit
    assert set(found.threshold) == {0.35}
    assert set(found.cohort) == {*asked["cohorts"], MEAN_OF_COHORTS}
