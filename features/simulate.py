"""Simulated patients with known truth: real covariates, planted responses to several therapies, biased treatment.

What is real is the covariates; every response and every treatment is simulated. The truth, and the probability of each
treatment, are known for each patient, also for the therapies that the patient did not get.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit, softmax
from scipy.stats import norm

from theracast.errors import DataError, UsageError

#: Mechanisms of the biologics and targeted drugs of rheumatoid arthritis.
MECHANISMS = ("TNF", "IL-6", "CD20", "JAK", "CTLA4-Ig")
_KNOWN, _COMMONEST = 0.9, 0.25
_BEND, _TOGETHER, _APART, _PULL = 2.0, 0.15, 0.1, 0.5


@dataclass(frozen=True)
class Planted:
    """Simulated patients and what is true of them.

    Attributes
    ----------
    X : DataFrame of shape (n_patients, n_covariates)
        Covariates in native units; NaN is not known.
    treatment : Series of str
        The therapy that each patient got.
    y : Series of int
        1 responded to it, 0 did not.
    truth : DataFrame of shape (n_patients, n_therapies)
        True probability of response to each therapy, in [0, 1] (higher = better).
    propensity : DataFrame of shape (n_patients, n_therapies)
        True probability of getting each therapy, in [0, 1]; rows sum to 1.
    drivers : dict of str to str
        Therapy -> the covariate that drives the response to it; ``severity`` -> the one that lowers all responses.

    Examples
    --------
    >>> X = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 20))).add_prefix("x")
    >>> sim = simulate_patients(plant(X), X, 30)
    >>> sim.X.shape, sim.truth.shape
    ((30, 20), (30, 5))
    """

    X: pd.DataFrame
    treatment: pd.Series
    y: pd.Series
    truth: pd.DataFrame
    propensity: pd.DataFrame
    drivers: dict[str, str]


@dataclass(frozen=True)
class Surfaces:
    """Planted truth: how covariates make each therapy work, and how they steer who gets it.

    Attributes
    ----------
    drivers : dict of str to str
        Therapy -> the covariate that drives it.
    severity : str
        Covariate that lowers the response to every therapy, and steers treatment.
    scales : DataFrame
        Rows are covariates; ``mean`` and ``sd`` of the covariate, ``bent_mean`` and ``bent_sd`` after bending.
    intercept, strength : float
        Log-odds of an average patient; log-odds per unit of score.
    burden : float
        How much of a score one standard deviation of severity takes from every therapy.
    insight : float
        How far treatment follows the scores, so that standard of care responds as often as planted.

    Examples
    --------
    >>> X = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 20))).add_prefix("x")
    >>> sorted(plant(X, ("TNF", "JAK"), oracle=0.8).drivers)
    ['JAK', 'TNF']
    """

    drivers: dict[str, str]
    severity: str
    scales: pd.DataFrame
    intercept: float
    strength: float
    burden: float
    insight: float

    def truth(self, X: pd.DataFrame) -> pd.DataFrame:
        """Compute the true probability of response to each therapy.

        The log-odds are the therapy's own driver above the mean of all drivers (what speaks for one therapy speaks
        against the others), less the severity. Every covariate saturates (2 tanh(z / 2)); driver and severity interact.

        Parameters
        ----------
        X : DataFrame
            Covariates in native units; one that is missing counts as average.

        Returns
        -------
        DataFrame of shape (n_patients, n_therapies)
            In [0, 1]; higher is better.

        Examples
        --------
        >>> X = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 20))).add_prefix("x")
        >>> bool(plant(X).truth(X).max(axis=1).mean() > 0.95)
        True
        """
        return expit(self.intercept + self.strength * self._scores(X))

    def propensity(self, X: pd.DataFrame, confounding: float = 1.0, never: float = 0.0) -> pd.DataFrame:
        """Compute the true probability of getting each therapy.

        Treatment follows the severity (the first therapy goes to the mild, the last to the severe) and the drivers,
        but those of the neighbouring therapies: whoever treats reads what the response depends on, and does not know
        who will respond, so that standard of care stays about what it is.

        Parameters
        ----------
        X : DataFrame
            Covariates in native units.
        confounding : float, default 1
            0: randomised, all therapies alike; upward: patients of different therapies overlap less and less.
        never : float, default 0
            Share of patients, the most severe, who never get the last therapy: nothing can be learned of them there.

        Returns
        -------
        DataFrame of shape (n_patients, n_therapies)
            Rows sum to 1.

        Raises
        ------
        UsageError
            On a negative confounding, or a share outside 0-1.

        Examples
        --------
        >>> X = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 20))).add_prefix("x")
        >>> plant(X).propensity(X, confounding=0).round(2).iloc[0].tolist()
        [0.2, 0.2, 0.2, 0.2, 0.2]
        """
        if confounding < 0 or not 0 <= never < 1:
            raise UsageError(
                "confounding is 0 or more, and a share lies between 0 and 1", got=f"{confounding}, {never}"
            )
        bent = self._bent(X)
        own = bent[list(self.drivers.values())].to_numpy()
        line = np.linspace(-1.0, 1.0, len(self.drivers))
        habit = (np.roll(own, -1, axis=1) - np.roll(own, 1, axis=1)) / np.sqrt(2)
        pull = _PULL * (line * bent[[self.severity]].to_numpy() + habit + self.insight * own)
        chances = pd.DataFrame(softmax(confounding * pull, axis=1), X.index, list(self.drivers))
        if never:
            chances.loc[bent[self.severity] > norm.ppf(1 - never), chances.columns[-1]] = 0.0
        return chances.div(chances.sum(axis=1), axis=0)

    def _bent(self, X: pd.DataFrame) -> pd.DataFrame:
        s = self.scales
        bent = _BEND * np.tanh((X[s.index] - s["mean"]) / s["sd"] / _BEND)
        return ((bent - s["bent_mean"]) / s["bent_sd"]).fillna(0.0)

    def _scores(self, X: pd.DataFrame) -> pd.DataFrame:
        bent = self._bent(X)
        severity = bent[self.severity]
        own = pd.DataFrame({t: bent[d] * (1 + _TOGETHER * severity) for t, d in self.drivers.items()})
        # the later a therapy the better it is: a naive mean says the opposite, for it goes to the severe
        own = own + np.linspace(-_APART, _APART, len(self.drivers))
        return own.sub(own.mean(axis=1) + self.burden * severity, axis=0)


def plant(
    covariates: pd.DataFrame,
    mechanisms: Sequence[str] = MECHANISMS,
    *,
    standard: float = 0.45,
    oracle: float = 0.965,
    burden: float = 0.15,
    seed: int = 0,
) -> Surfaces:
    """Plant a truth into real covariates.

    Parameters
    ----------
    covariates : DataFrame of shape (n_real_patients, n_covariates)
        Numbers. Drivers are drawn from those that 90% of the patients have, that no quarter of them share one value
        of, and that are as little correlated as the data allow.
    mechanisms : sequence of str
        Therapies, two or more.
    standard : float, default 0.45
        Response rate if every patient got a therapy at random, and under a confounding of 1, in (0, 1).
    oracle : float, default 0.965
        Response rate if every patient got the truly best one; above `standard`.
    burden : float, default 0.15
        How much the severity takes from every therapy, against 1 of its driver: the confounder's strength.
    seed : int, default 0
        Of the choice of drivers.

    Returns
    -------
    Surfaces
        Scaled so that both rates hold among the real patients.

    Raises
    ------
    DataError
        THX-D12 when too few covariates can drive anything.
    UsageError
        When no strength reaches the oracle's rate.

    Examples
    --------
    >>> X = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 20))).add_prefix("x")
    >>> truth = plant(X).truth(X)
    >>> round(float(truth.mean(axis=None)), 2), round(float(truth.max(axis=1).mean()), 2)
    (0.45, 0.96)
    """
    chosen = _choose(covariates, len(mechanisms) + 1, np.random.default_rng(seed))
    drivers = dict(zip(mechanisms, chosen[1:], strict=True))
    scales = pd.DataFrame({"mean": covariates[chosen].mean(), "sd": covariates[chosen].std()})
    bent = _BEND * np.tanh((covariates[chosen] - scales["mean"]) / scales["sd"] / _BEND)
    scales["bent_mean"], scales["bent_sd"] = bent.mean(), bent.std()
    base = Surfaces(drivers, chosen[0], scales, 0.0, 1.0, burden, 0.0)
    scores = base._scores(covariates).to_numpy()

    def _intercept(strength: float) -> float:
        far = 50 * (1 + strength)
        return float(brentq(lambda b: expit(b + strength * scores).mean() - standard, -far, far))

    def _excess(strength: float) -> float:
        return float(expit(_intercept(strength) + strength * scores).max(axis=1).mean() - oracle)

    ends = (1e-3, 40.0)
    if not _excess(ends[0]) < 0 < _excess(ends[1]):
        raise UsageError("no strength reaches the rate", where="oracle", got=str(oracle), wanted=f"above {standard}")
    strength = float(brentq(_excess, *ends))
    found = replace(base, intercept=_intercept(strength), strength=strength)
    truth = found.truth(covariates)

    def _gained(insight: float) -> float:
        chances = replace(found, insight=insight).propensity(covariates)
        return float((chances * truth).sum(axis=1).mean()) - standard

    return replace(found, insight=float(brentq(_gained, -3.0, 3.0)))


def resample(covariates: pd.DataFrame, n: int, smoothing: float = 0.2, seed: int = 0) -> pd.DataFrame:
    """Draw patients like the real ones: a real patient each, every covariate moved a little.

    A value is moved on the scale of normal scores, z to sqrt(1 - h^2) z + h e with e standard normal, and read back
    from the observed quantiles (a smoothed bootstrap, 10.1093/biomet/74.3.469, on the copula). Each covariate
    so keeps its distribution and range; correlations fall by the factor 1 - h^2. A value that many patients share
    (below detection, a category) comes up as often as before; what is missing of a patient stays missing.

    Parameters
    ----------
    covariates : DataFrame of shape (n_real_patients, n_covariates)
        Numbers.
    n : int
        Patients to draw, with replacement.
    smoothing : float, default 0.2
        h, in [0, 1); 0 draws real patients as they are.
    seed : int, default 0
        Of the draw.

    Returns
    -------
    DataFrame of float64, shape (n, n_covariates)
        Indexed ``sim1``, ``sim2``, ...

    Raises
    ------
    UsageError
        On a smoothing outside 0-1.

    Examples
    --------
    >>> resample(pd.DataFrame({"a": [0.0, 0.0, 3.0, 5.0]}), 3, seed=1).shape
    (3, 1)
    """
    if not 0 <= smoothing < 1:
        raise UsageError("smoothing lies between 0 and 1", got=str(smoothing))
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, len(covariates), n)
    drawn = covariates.to_numpy(dtype=np.float64)[rows]
    if smoothing:
        for j in range(drawn.shape[1]):
            known = ~np.isnan(drawn[:, j])
            pool = np.sort(covariates.iloc[:, j].dropna().to_numpy(dtype=np.float64))
            drawn[known, j] = _moved(drawn[known, j], pool, smoothing, rng)
    return pd.DataFrame(drawn, [f"sim{i + 1}" for i in range(n)], covariates.columns)


def simulate_patients(
    surfaces: Surfaces,
    covariates: pd.DataFrame,
    n: int,
    *,
    confounding: float = 1.0,
    never: float = 0.0,
    smoothing: float = 0.2,
    hide: bool = False,
    seed: int = 0,
) -> Planted:
    """Simulate patients, the treatment they got and how they responded.

    Parameters
    ----------
    surfaces : Surfaces
        The planted truth.
    covariates : DataFrame
        Real patients to resample; leave some out to test on patients who resemble nobody in training.
    n : int
        Patients.
    confounding, never : float
        As in `Surfaces.propensity`.
    smoothing : float, default 0.2
        As in `resample`.
    hide : bool, default False
        Whether the severity is left out of `Planted.X`: an unmeasured confounder.
    seed : int, default 0
        Of patients, treatments and responses.

    Returns
    -------
    Planted
        Simulated, but for the values of the covariates.

    Examples
    --------
    >>> X = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 20))).add_prefix("x")
    >>> sim = simulate_patients(plant(X), X, 500, hide=True)
    >>> sim.drivers["severity"] in sim.X
    False
    """
    X = resample(covariates, n, smoothing, seed)
    # streams of their own: the same patients are treated at every confounding, and respond by the same luck
    luck = np.random.default_rng([seed, 1]).random((n, 2))
    truth, propensity = surfaces.truth(X), surfaces.propensity(X, confounding, never)
    upto = propensity.to_numpy().cumsum(axis=1)
    got = (luck[:, [0]] * upto[:, [-1]] >= upto).sum(axis=1)
    y = (luck[:, 1] < truth.to_numpy()[np.arange(n), got]).astype(int)
    return Planted(
        X.drop(columns=surfaces.severity) if hide else X,
        pd.Series(truth.columns.to_numpy(dtype=object)[got], X.index, name="treatment"),
        pd.Series(y, X.index, name="response"),
        truth,
        propensity,
        {**surfaces.drivers, "severity": surfaces.severity},
    )


def _choose(covariates: pd.DataFrame, count: int, rng: np.random.Generator) -> list[str]:
    """Draw covariates that are known, vary, and are correlated as little as can be had."""
    common = covariates.apply(lambda c: c.value_counts(normalize=True).max() if c.notna().any() else 1.0)
    able = [c for c in covariates if covariates[c].notna().mean() >= _KNOWN and common[c] <= _COMMONEST]
    if len(able) < count:
        raise DataError("too few covariates vary", code="THX-D12", got=str(len(able)), wanted=f"{count} or more")
    order = [able[i] for i in rng.permutation(len(able))]
    tied = covariates[order].corr(method="spearman").abs()
    for limit in (0.2, 0.3, 0.4, 0.5, 0.7, 1.0):
        kept: list[str] = []
        for c in order:
            if tied.loc[c, kept].max() <= limit or not kept:
                kept.append(c)
        if len(kept) >= count:
            break
    return kept[:count]


def _moved(values: np.ndarray, pool: np.ndarray, smoothing: float, rng: np.random.Generator) -> np.ndarray:
    """Move values on the normal scores of the sorted pool; a shared value takes a random one of its ranks."""
    m = len(pool)
    low, high = np.searchsorted(pool, values, "left"), np.searchsorted(pool, values, "right")
    z = norm.ppf((low + rng.random(len(values)) * (high - low)) / m)
    place = m * norm.cdf(np.sqrt(1 - smoothing**2) * z + smoothing * rng.standard_normal(len(values))) - 0.5
    left = np.clip(np.floor(place).astype(int), 0, m - 1)
    right = np.minimum(left + 1, m - 1)
    shared = np.searchsorted(pool, pool, "right") - np.searchsorted(pool, pool, "left") > 1
    part = np.clip(place - left, 0.0, 1.0)
    part = np.where(shared[left] | shared[right], np.round(part), part)
    return (1 - part) * pool[left] + part * pool[right]
