"""Predictive or prognostic: whether what goes with response also goes with survival without the drug.

Patients who did not get the drug are the comparison. Nobody drew lots for who got it, so a difference between both
groups is a hint at a predictive feature and no proof.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd
from scipy.special import ndtr
from sklearn.linear_model import LogisticRegression

from theracast.errors import DataError
from theracast.features.cohort import Cohort
from theracast.features.tables import load_table
from theracast.models.effects import hazard_effects, odds_effects
from theracast.models.estimates import normal_quantile

#: The words of a verdict.
PROGNOSTIC = "prognostic (without the drug too)"
STRONGER = "prognostic, more so on the drug"
WEAKER = "prognostic, less so on the drug"
PREDICTIVE = "predictive (interaction)"
NO_EFFECT = "no effect seen"
TOO_FEW = "too few to tell"

#: Deaths per feature below which a Cox fit is not trusted (Peduzzi 1995, 10.1016/0895-4356(95)00048-8).
EVENTS_PER_FEATURE = 10
#: Two intervals within it and 1 over it are of no effect, not of too few patients.
NEGLIGIBLE = 1.25
#: Propensities between which patients of both groups are compared (Crump 2009, 10.1093/biomet/asn055).
COMMON = (0.1, 0.9)
#: No cancer cohort is followed for longer; a larger number is of days.
_MOST_MONTHS = 360.0


@dataclass(frozen=True)
class Followed:
    """Patients whose survival is known, with their features.

    Attributes
    ----------
    features : DataFrame of shape (n_patients, n_features)
        No NaN, on the scale on which effects are wanted.
    time, event : Series of float
        Months to death or end of observation; 1 = died, 0 = alive when last seen.
    strata : Series of str
        Such as the tumour type.
    response : Series of float
        1 responded, 0 did not, NaN unknown.

    Examples
    --------
    >>> one = pd.Series([1.0], ["p"])
    >>> len(Followed(one.to_frame("age"), one, one, one.astype(str), one))
    1
    """

    features: pd.DataFrame
    time: pd.Series
    event: pd.Series
    strata: pd.Series
    response: pd.Series

    @classmethod
    def of(cls, cohort: Cohort, features: pd.DataFrame) -> Self:
        """Read survival and tumour type from the clinical table; leave out patients of whom anything is unknown.

        Parameters
        ----------
        cohort : Cohort
            With ``os_months``, ``os_event`` and ``cancer_type`` in table ``clinical``.
        features : DataFrame
            One row per patient of the cohort.

        Returns
        -------
        Followed
            Complete patients only.

        Raises
        ------
        DataError
            THX-D16 when the times cannot be months.

        Examples
        --------
        >>> clinical = pd.DataFrame({"os_months": [9, None], "os_event": 1, "cancer_type": "SCLC"}, index=["a", "b"])
        >>> cohort = Cohort.from_tables({"clinical": clinical})
        >>> len(Followed.of(cohort, pd.DataFrame({"x": [1.0, 2.0]}, index=cohort.ids)))
        1
        """
        time, event, strata = (cohort.column(n, ["clinical"])[1] for n in ("os_months", "os_event", "cancer_type"))
        time, event = pd.to_numeric(time), pd.to_numeric(event)
        if time.max() > _MOST_MONTHS:
            raise DataError(
                "survival cannot be in months",
                code="THX-D16",
                where=f"{cohort.name}: clinical:os_months",
                wanted=f"at most {_MOST_MONTHS:g} months",
                fix="Divide days by 30.44.",
            )
        found = cls(features.loc[cohort.ids], time, event, strata, cohort.response)
        return found.subset(found.features.notna().all(axis=1) & time.notna() & event.notna() & strata.notna())

    def __len__(self) -> int:
        return len(self.features)

    def subset(self, keep: pd.Series | np.ndarray) -> Self:
        """Keep some patients.

        Parameters
        ----------
        keep : Series or ndarray of bool
            In the order of the patients.

        Returns
        -------
        Followed
            Those.

        Examples
        --------
        >>> one = pd.Series([1.0, 2.0])
        >>> len(Followed(one.to_frame("x"), one, one, one, one).subset(np.array([True, False])))
        1
        """
        rows = np.flatnonzero(np.asarray(keep, dtype=bool))
        parts = (self.features, self.time, self.event, self.strata, self.response)
        return type(self)(*(p.iloc[rows] for p in parts))

    def landmark(self, months: float) -> Self:
        """Keep the patients who are still followed at a time, and count from there.

        Differences in who can die early (a start that one must have lived to see) are then gone.

        Parameters
        ----------
        months : float
            The landmark.

        Returns
        -------
        Followed
            Times are since the landmark.

        Examples
        --------
        >>> one = pd.Series([1.0, 9.0])
        >>> Followed(one.to_frame("x"), one, one, one, one).landmark(3).time.tolist()
        [6.0]
        """
        kept = self.subset(self.time > months)
        return type(self)(kept.features, kept.time - months, kept.event, kept.strata, kept.response)


def prognostic_effects(
    treated: Followed, untreated: Followed, scale: pd.Series | None = None, level: float = 0.95
) -> pd.DataFrame:
    """Hold what each feature does to survival on the drug against what it does without it.

    Cox regression in each group, each feature given the others, stratified by `Followed.strata`; both groups are fitted
    apart, so that the interaction is the difference of two independent estimates.

    Parameters
    ----------
    treated, untreated : Followed
        With the same features.
    scale : Series of float, optional
        Per feature, the step that ratios are of, in both groups alike. The default is one standard deviation of the
        treated patients, and from the lower to the higher for a feature of two values.
    level : float, default 0.95
        Coverage of the intervals; the verdict uses them and ``1 - level``.

    Returns
    -------
    DataFrame
        One row per feature: ``step``, ``smd`` (difference of the means in steps), patients and deaths;
        ``response`` (odds ratio for response of the treated, above 1 is good), ``treated`` and ``untreated`` (hazard
        ratios, above 1 is bad), ``interaction`` (the first hazard ratio over the second), each with ``_lower`` and
        ``_upper``; ``p`` of the interaction, ``p_holm`` (Holm 1979, Scand J Stat 6:65), and ``verdict`` in words.

    Raises
    ------
    DataError
        When a group is empty, has no event or missing values, or the features differ.
    SetupError
        When statsmodels is not installed.

    Examples
    --------
    >>> rng = np.random.default_rng(0)  # simulated: the hazard rises with x on the drug only
    >>> def group(effect):
    ...     x, censored = rng.normal(size=(2, 400))
    ...     time = rng.exponential(np.exp(-effect * x))
    ...     return Followed(pd.DataFrame({"x": x}), *(pd.Series(v) for v in (time, censored > -1, censored * 0, x > 0)))
    >>> prognostic_effects(group(0.7), group(0.0))["verdict"].tolist()
    ['predictive (interaction)']
    """
    for name, group in (("treated", treated), ("untreated", untreated)):
        if not len(group):
            raise DataError("no patients", where=name)
    if list(treated.features) != list(untreated.features):
        raise DataError("both groups need the same features", where="features")
    if scale is None:
        width = treated.features.max() - treated.features.min()
        scale = treated.features.std().where(treated.features.nunique() > 2, width).replace(0.0, 1.0)
    step = scale.reindex(treated.features.columns)
    table = pd.DataFrame({"step": step, "smd": (treated.features.mean() - untreated.features.mean()) / step})
    fits = {}
    for name, group in (("treated", treated), ("untreated", untreated)):
        table[f"n_{name}"], table[f"deaths_{name}"] = len(group), int(group.event.sum())
        fits[name] = hazard_effects(group.features / step, group.time, group.event, group.strata)
    change = fits["treated"]["log_ratio"] - fits["untreated"]["log_ratio"]
    error = np.sqrt(fits["treated"]["se"] ** 2 + fits["untreated"]["se"] ** 2)
    fits = {
        "response": _response(treated, step),
        **fits,
        "interaction": pd.DataFrame({"log_ratio": change, "se": error}),
    }
    z = normal_quantile(level)
    for name, fit in fits.items():
        for end, shift in (("", 0.0), ("_lower", -z), ("_upper", z)):
            table[f"{name}{end}"] = np.exp(fit["log_ratio"] + shift * fit["se"])
    table["p"] = 2 * ndtr(-(change / error).abs())
    table["p_holm"] = _holm(table["p"])
    table["verdict"] = [_verdict(row, 1 - level, len(table)) for _, row in table.iterrows()]
    return table.rename_axis("feature")


def propensity(treated: Followed, untreated: Followed) -> tuple[pd.Series, pd.Series]:
    """Estimate the chance of having been treated, from the features and the stratum, by logistic regression.

    Parameters
    ----------
    treated, untreated : Followed
        With the same features.

    Returns
    -------
    treated, untreated : Series of float
        On 0-1, per patient. Outside `COMMON`, few of the other group are alike.

    Raises
    ------
    DataError
        When a group is empty.

    Examples
    --------
    >>> one = pd.Series([1.0, 2.0])
    >>> group = Followed(one.to_frame("x"), one, one, one * 0, one)
    >>> propensity(group, group)[0].round(2).tolist()
    [0.5, 0.5]
    """
    if not len(treated) or not len(untreated):
        raise DataError("no patients", where="treated" if not len(treated) else "untreated")
    features = pd.concat([treated.features, untreated.features], ignore_index=True)
    strata = pd.concat([treated.strata, untreated.strata], ignore_index=True)
    X = pd.concat([(features - features.mean()) / features.std(), pd.get_dummies(strata, dtype=float)], axis=1)
    given = np.arange(len(X)) < len(treated)
    chance = LogisticRegression(C=1.0, max_iter=1000).fit(X.to_numpy(), given).predict_proba(X.to_numpy())[:, 1]
    return pd.Series(chance[given], treated.features.index), pd.Series(chance[~given], untreated.features.index)


def prognostic_features() -> pd.DataFrame:
    """Read which clinical features and whether the burden go with survival without a checkpoint inhibitor too.

    From the public patients of one hospital, as `experiments/prognosis.py` last ran; their numbers are in the table.

    Returns
    -------
    DataFrame
        As `prognostic_effects`, indexed by feature (``<block>__<feature>``).

    Examples
    --------
    >>> prognostic_features().loc["mutations__tmb", "verdict"]
    'predictive (interaction)'
    """
    return load_table("prognosis").set_index("feature")


def _holm(p: pd.Series) -> pd.Series:
    """Correct for the number of tests; what is not known is not counted."""
    from statsmodels.stats.multitest import multipletests

    known = p.dropna()
    corrected = multipletests(known, method="holm")[1] if len(known) else []
    return pd.Series(corrected, known.index, dtype=float).reindex(p.index)


def _response(treated: Followed, step: pd.Series) -> pd.DataFrame:
    """Odds ratios for response; NaN where responses are unknown or of one kind."""
    labelled = treated.subset(treated.response.notna())
    if labelled.response.nunique() < 2:
        return pd.DataFrame(np.nan, index=step.index, columns=["log_ratio", "se"])
    return odds_effects(labelled.features / step, labelled.response, labelled.strata)


def _verdict(row: pd.Series, alpha: float, n_features: int) -> str:
    groups = ("treated", "untreated")
    if min(row[f"deaths_{g}"] for g in groups) < EVENTS_PER_FEATURE * n_features or np.isnan(row["p"]):
        return TOO_FEW
    signs = {g: int(row[f"{g}_lower"] > 1) - int(row[f"{g}_upper"] < 1) for g in groups}
    both = signs["treated"] * signs["untreated"] == 1
    if row["p_holm"] < alpha:
        more = abs(np.log(row["treated"])) > abs(np.log(row["untreated"]))
        return PREDICTIVE if not both else STRONGER if more else WEAKER
    if both:
        return PROGNOSTIC
    within = all(row[f"{g}_lower"] > 1 / NEGLIGIBLE and row[f"{g}_upper"] < NEGLIGIBLE for g in groups)
    return NO_EFFECT if within and not any(signs.values()) else TOO_FEW
