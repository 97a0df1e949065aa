"""Ridge with gaps among the targets: scikit-learn's, target by target."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge

from theracast.models.masked_ridge import MaskedRidge


def simulated(n=50, p=80, targets=4, seed=0):
    """More features than patients; a fifth of the targets missing, one target altogether; SIMULATED."""
    rng = np.random.default_rng(seed)
    X = rng.normal(3.0, 1.0, (n, p))
    Y = X[:, :3] @ rng.normal(size=(3, targets)) + rng.normal(size=(n, targets))
    Y[rng.random(Y.shape) < 0.2] = np.nan
    Y[:, -1] = np.nan
    return X, Y


@pytest.mark.parametrize("alpha", [0.1, 10.0, 1e4])
def test_equals_scikit_learn_on_the_patients_who_have_the_target(alpha):
    X, Y = simulated()
    got = clone(MaskedRidge([alpha])).fit(X, Y).predict(X[:7])
    for target in range(Y.shape[1] - 1):
        rows = ~np.isnan(Y[:, target])
        wanted = Ridge(alpha=alpha).fit(X[rows], Y[rows, target]).predict(X[:7])
        np.testing.assert_allclose(got[:, target], wanted, rtol=1e-9)
    assert got[:, -1].tolist() == [0.0] * 7


def test_the_penalty_is_chosen_among_those_given():
    X, Y = simulated()
    assert MaskedRidge([1.0, 100.0]).fit(X, Y).alpha_ in (1.0, 100.0)
    strong = MaskedRidge([1e12]).fit(X, Y)
    np.testing.assert_allclose(strong.predict(X)[:, 0], np.nanmean(Y[:, 0]), atol=1e-6)
