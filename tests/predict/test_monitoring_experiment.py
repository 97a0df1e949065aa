"""The simulated lives of experiments/monitoring.py: an alarm is found where each look would have found it."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from theracast.predict.monitor_promises import promises

FOLDER = Path(__file__).parents[2] / "experiments"


@pytest.fixture(scope="module")
def parts():
    sys.path.insert(0, str(FOLDER))
    try:
        import monitoring
        import monitoring_page
    finally:
        sys.path.remove(str(FOLDER))
    return monitoring, monitoring_page


@pytest.fixture(scope="module")
def settings():
    told = yaml.safe_load((FOLDER / "monitoring.yaml").read_text(encoding="utf-8"))
    return told | {"outcomes": 300, "lives": {"hold": 3, "broken": 3}, "within": [100, 300]}


@pytest.mark.parametrize(
    "scenario", [{"shift": -1.0}, {"shift": -0.4}, {"cover": 0.5}, {"slope": 0.0, "after": 100}, {"moved": 1.0}, {}]
)
def test_the_first_alarm_is_that_of_all_looks(parts, settings, rng, scenario):
    looks = np.arange(10, 301, 10)
    y, p, sets, rate, gap = parts[0].life(rng, settings, scenario)
    slowly = (n for n in looks if any(q.state == "alarm" for q in promises(y[:n], p[:n], sets[:n], rate)))
    assert parts[0].first_alarm(y, p, sets, rate, gap, looks)[0] == next(slowly, np.inf)


def test_a_life_is_off_by_what_it_says(parts, settings, rng):
    """Simulated: outcomes of many patients are as the truth says, sets as the cover says."""
    many = settings | {"outcomes": 20_000}
    y, p, sets, _, gap = parts[0].life(rng, many, {"shift": -1.0, "cover": 0.7})
    assert p.mean() - y.mean() == pytest.approx(gap, abs=0.015)
    assert (sets[y == 1] == "both").mean() == pytest.approx(0.7, abs=0.02)
    assert (sets[y == 0] == "both").mean() == pytest.approx(0.9, abs=0.02)
    assert parts[0].life(rng, many, {})[-1] == 0


def test_a_moved_block_is_noticed_and_its_table_is_marked(parts, settings):
    how = settings["drift"] | {"lives": 3, "moved": [1.5], "new": [100]}
    found = parts[0].simulated_drift(settings | {"drift": how})
    assert found["moving block"].tolist() == [1, 1]
    assert set(found["simulated"]) == {"simulated"}


def test_what_is_kept_says_simulated_and_stays_below_what_is_allowed(parts):
    page = parts[1].monitoring_part()
    assert page.count("**Simulated.**") == 3
    lives = pd.read_csv(FOLDER / "monitoring" / "lives_simulated.csv")
    hold = lives[lives["kind"] == "hold"]
    assert (hold["lower"] <= 0.05).all()
    assert (hold["within 1000"] <= 0.05).all()
    assert set(lives["scenario"]) == {s for names in parts[1].PARTS.values() for s in names} | set(hold["scenario"])
    assert set(lives["simulated"]) == {"simulated"}
