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


def test_intervals_hold_the_truth_as_often_as_they_say(rng):
    """SIMULATED: of patients whose probability is exactly right, the net benefit at t is known by quadrature."""
    grid = np.linspace(0, 1, 10_001)
    at = 0.3
    truth = np.mean(np.where(grid >= at, grid - (1 - grid) * at / (1 - at), 0.0))
    hits = 0
    for i in range(300):
        p = rng.random(150)
        found = net_benefit((rng.random(150) < p).astype(int), p, [at], draws=300, seed=i)
        hits += bool(found.lower.item() <= truth <= found.upper.item())
    assert 0.91 <= hits / 300 <= 0.98


def test_draws_repeat_and_more_certainty_is_wider():
    one, again, other = net_benefit(Y, P, seed=1), net_benefit(Y, P, seed=1), net_benefit(Y, P, seed=2)
    assert one.equals(again)
    assert not one.lower.equals(other.lower)
    wide = net_benefit(Y, P, seed=1, level=0.99)
    assert (wide.upper - wide.lower >= one.upper - one.lower).all()


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"thresholds": [0.0]}, UsageError),
        ({"thresholds": [float("nan")]}, UsageError),
        ({"level": 1.0}, UsageError),
        ({"draws": 0}, UsageError),
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
    alone = net_benefit(known.y, known[MODEL], [0.3, 0.5], draws=500)
    assert len(known) == 79
    assert found[found.cohort == "a"][list(alone)].reset_index(drop=True).equals(alone)
    wide = found.pivot_table("gain", "threshold", "cohort")
    mean = found[found.cohort == MEAN_OF_COHORTS].set_index("threshold")
    for at in (0.3, 0.5):
        a, b = wide.loc[at, ["a", "b"]]
        assert mean.gain[at] == pytest.approx((a + b) / 2)
        # two values: their standard error is half their distance, and t on one degree of freedom is 12.706
        assert mean.gain_upper[at] - mean.gain[at] == pytest.approx(12.7062047 * abs(a - b) / 2)
        assert mean.gain_lower[at] == pytest.approx(2 * mean.gain[at] - mean.gain_upper[at])


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
