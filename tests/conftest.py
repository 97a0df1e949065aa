"""Fixtures of every room: seeded numbers, and the public cohorts where they are."""

import os

os.environ.setdefault("NUMBA_NUM_THREADS", "2")  # before numba: one thread cannot show that threads do not matter

from pathlib import Path

import numpy as np
import pytest

SHARED = Path(os.environ.get("THERACAST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
_ABSENT = pytest.mark.skip(reason=f"no public cohorts in {SHARED}; set THERACAST_DATA")


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("shared") and not SHARED.exists():
            item.add_marker(_ABSENT)


@pytest.fixture
def rng():
    return np.random.default_rng(20260)


@pytest.fixture(scope="session")
def shared_data():
    if not SHARED.exists():
        pytest.skip(_ABSENT.kwargs["reason"])
    return SHARED
