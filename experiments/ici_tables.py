"""The tables of experiments/ici.py, from predictions of patients whose whole cohort was unseen.

AUCs are compared on the same patients of a cohort (DeLong's paired variance); across cohorts stands the random-effects
mean (DerSimonian-Laird, modified Hartung-Knapp). Patients of two cohorts are never pooled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from theracast.models.decision_curve import net_benefit
from theracast.models.estimates import NOT_ESTIMABLE, Estimate
from theracast.models.metrics import auc, auc_difference, brier, calibration
from theracast.models.pooling import pooled_auc, random_effects
from theracast.models.validate import MODEL

#: Cohorts of this size or more can say something of calibration, and are named in the aims.
LARGE = 100
#: Where a calibration slope shall lie.
SLOPES = (0.8, 1.25)
Sets = Mapping[str, Sequence[str]]

#: Each rung of the ladder: its name, and the one below it.
LADDER = (
    ("prevalence", ""),
    ("PD-L1", "prevalence"),
    ("TIL", "prevalence"),
    ("PD-L1 + TIL", "PD-L1"),
    ("PD-L1 + TIL + TMB", "PD-L1 + TIL"),
    ("+ immune signatures", "PD-L1 + TIL + TMB"),
    ("+ clinical", "+ immune signatures"),
    ("tumour types known", "+ clinical"),
    ("settings chosen on unseen studies", "tumour types known"),
)

#: Name of each cohort in the table published with COMPASS, and of each method there.
COMPASS_COHORTS = {
    "vanallen2015_mel": "Allen",
    "choueiri2016_rcc": "Choueiri",
    "hugo2016_mel": "Hugo",
    "imvigor210_uc": "IMVigor210",
    "immotion150_rcc": "IMmotion150",
    "kim2018_gastric": "Kim",
    "liu2019_mel": "Liu",
    "mgh2022_mel": "MGH",
    "riaz2017_mel": "Riaz",
    "rose2021_uc": "Rose",
    "snyder2017_uc": "Snyder",
    "zhao2019_gbm": "Zhao",
}
COMPASS_METHODS = {
    "PFT": "COMPASS PFT",
    "LFT": "COMPASS LFT",
    "FFT": "COMPASS FFT",
    "NFT": "COMPASS NFT",
    "GEP": "GEP",
    "IFNG": "IFNG",
    "NetBio": "NetBio",
    "PDL1": "PDL1",
    "TIDE": "TIDE",
}


def spread(name: str, estimate: Estimate) -> dict[str, float]:
    """Three columns of an estimate."""
    return {name: estimate.value, f"{name}_lower": estimate.lower, f"{name}_upper": estimate.upper}


def known_pairs(frame: pd.DataFrame, *columns: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Cohorts with both classes, of the patients for whom all columns are known."""
    known = frame[frame[list(columns)].notna().all(axis=1)]
    yield from ((str(c), p) for c, p in known.groupby("cohort", sort=False) if p["y"].nunique() == 2)


def mean_auc(frame: pd.DataFrame, column: str) -> dict[str, float]:
    """Average the AUC of one column over cohorts."""
    parts = [p for _, p in known_pairs(frame, column)]
    areas = [auc(p["y"], p[column]) for p in parts]
    if not areas:
        return spread("auc", NOT_ESTIMABLE) | {"plain": np.nan, "cohorts": 0, "n": 0}
    pooled = pooled_auc(areas, modified=True)
    plain = float(np.mean([a.value for a in areas]))
    return spread("auc", pooled.mean) | {"plain": plain, "cohorts": pooled.k, "n": sum(map(len, parts))}


def mean_difference(frame: pd.DataFrame, ours: str, other: str) -> dict[str, float]:
    """Average over cohorts by how much one column orders the same patients better than another.

    Where both order all patients of a cohort alike, the difference is 0 without error, which random effects cannot
    weigh: such a cohort counts in ``plain_step`` and ``step_all`` alone.
    """
    parts = [p for _, p in known_pairs(frame, ours, other)]
    # by ranks: what orders alike is then equal, and not taken for a difference of unknown variance
    found = [auc_difference(p["y"], rankdata(p[ours]), rankdata(p[other])) for p in parts]
    known = [f for f in found if f.se > 0]
    pooled = random_effects([f.value for f in known], [f.se for f in known], modified=True)
    plain = float(np.mean([f.value for f in found])) if found else np.nan
    counts = {"plain_step": plain, "step_cohorts": len(known), "step_all": len(found), "step_n": sum(map(len, parts))}
    return spread("step", pooled.mean) | counts


def ladder(frame: pd.DataFrame, sets: Sets) -> pd.DataFrame:
    """Judge each rung of `LADDER` on named sets of cohorts, and the step from the rung below on the same patients."""
    rows = []
    for chosen, names in sets.items():
        part = frame[frame["cohort"].isin(names)]
        for rung, below in LADDER:
            row = {"set": chosen, "rung": rung, "below": below, **mean_auc(part, rung)}
            rows.append(row | (mean_difference(part, rung, below) if below else {}))
    return pd.DataFrame(rows)


def beside_published(frames: Mapping[str, pd.DataFrame], published: pd.DataFrame, sets: Sets) -> pd.DataFrame:
    """Set our AUCs beside those published with COMPASS, per cohort and as plain means over sets; seeds averaged."""
    method = published["method"].str.replace(r"_\d+$", "", regex=True)
    theirs = published.assign(method=method).groupby(["method", "test_cohort"])["ROC"].mean().reset_index()
    theirs = theirs.pivot_table("ROC", "test_cohort", "method")
    theirs = theirs.loc[list(COMPASS_COHORTS.values()), list(COMPASS_METHODS)].rename(columns=COMPASS_METHODS)
    found = pd.DataFrame(index=list(COMPASS_COHORTS))
    for name, frame in frames.items():
        found[name] = {c: auc(p["y"], p[MODEL]).value for c, p in known_pairs(frame, MODEL)}
    first = next(iter(frames.values()))
    for score in ("expanded_immune", "PD-L1"):
        found[f"{score} here"] = {c: auc(p["y"], p[score]).value for c, p in known_pairs(first, score)}
    found[theirs.columns] = theirs.set_axis(list(COMPASS_COHORTS), axis=0)
    means = {f"mean, set {s}": found.reindex(names).mean() for s, names in sets.items()}
    return pd.concat([found, pd.DataFrame(means).T]).rename_axis("cohort").reset_index()


def loris(ours: Mapping[str, pd.DataFrame], names: Sequence[str], score: str = "loris_pan") -> pd.DataFrame:
    """Set each of our models beside a published score, on the same patients of the cohorts named, and on average."""
    rows: list[dict[str, Any]] = []
    for model, frame in ours.items():
        part = frame[frame["cohort"].isin(names)]
        for cohort, p in known_pairs(part, MODEL, score):
            mine, theirs = auc(p["y"], p[MODEL]), auc(p["y"], p[score])
            step = auc_difference(p["y"], p[MODEL], p[score])
            row = {"model": model, "score": score, "cohort": cohort, "n": len(p), "R": int(p["y"].sum())}
            rows.append(row | spread("auc", mine) | spread("published", theirs) | spread("step", step))
        mean = mean_difference(part, MODEL, score)
        row = {"model": model, "score": score, "cohort": "mean", "n": mean["step_n"], "plain_step": mean["plain_step"]}
        both = part[part[score].notna()], part[part[MODEL].notna()]
        row |= {k: v for k, v in mean_auc(both[0], MODEL).items() if k.startswith("auc")}
        row |= {k.replace("auc", "published"): v for k, v in mean_auc(both[1], score).items() if k.startswith("auc")}
        rows.append(row | {k: mean[k] for k in ("step", "step_lower", "step_upper")})
    return pd.DataFrame(rows)


def dropped(frame: pd.DataFrame, blocks: Sequence[str], sets: Sets) -> pd.DataFrame:
    """Judge the model with and without each block, on the patients who had it (`had_<block>`) and kept another.

    ``nothing_left`` counts those who had no other: no probability is given for them.
    """
    rows = []
    for chosen, names in sets.items():
        part = frame[frame["cohort"].isin(names)]
        for block in blocks:
            column = f"without_{block}"
            mine = part[part[f"had_{block}"] & part[MODEL].notna()]
            both = mine[mine[column].notna()]
            row = {"set": chosen, "block": block, **mean_auc(both, MODEL)}
            row |= {f"without_{k}": v for k, v in mean_auc(both, column).items() if k not in ("n", "cohorts")}
            rows.append(row | mean_difference(both, MODEL, column) | {"nothing_left": len(mine) - len(both)})
    return pd.DataFrame(rows)


def calibrated(frame: pd.DataFrame, fewest: int = LARGE) -> pd.DataFrame:
    """Slope, intercept and Brier score of each large cohort, the latter beside two constants.

    ``brier_prevalence`` is that of the response rate in training, ``brier_own_rate`` that of the cohort's own rate,
    which nobody knows before.
    """
    rows = []
    for cohort, p in known_pairs(frame, MODEL):
        if len(p) < fewest:
            continue
        y, said = p["y"].to_numpy(), p[MODEL].to_numpy()
        slope, intercept = calibration(y, said)
        ours, rate = brier(y, said), brier(y, p["prevalence"])
        row = {"cohort": cohort, "n": len(p), "rate": y.mean(), "predicted": said.mean(), **spread("slope", slope)}
        row |= spread("intercept", intercept)
        row |= {"brier": ours, "brier_prevalence": rate, "brier_own_rate": brier(y, np.full(len(y), y.mean()))}
        within = SLOPES[0] <= slope.value <= SLOPES[1]
        rows.append(row | {"slope_within": within, "slope_could_be": slope.contains(1.0), "brier_below": ours < rate})
    return pd.DataFrame(rows)


def reliability(frame: pd.DataFrame, groups: int = 5, fewest: int = LARGE) -> pd.DataFrame:
    """Mean prediction and response rate, with Wilson's interval, of equal groups of each large cohort."""
    rows = []
    for cohort, p in known_pairs(frame, MODEL):
        if len(p) < fewest:
            continue
        ranked = p.sort_values(MODEL, kind="stable")
        for part in np.array_split(np.arange(len(ranked)), groups):
            mine = ranked.iloc[part]
            n, share = len(mine), float(mine["y"].mean())
            middle, half = _wilson(share, n)
            row = {"cohort": cohort, "n": n, "predicted": mine[MODEL].mean(), "rate": share}
            rows.append(row | {"rate_lower": middle - half, "rate_upper": middle + half})
    return pd.DataFrame(rows)


def decisions(frame: pd.DataFrame, fewest: int = LARGE) -> pd.DataFrame:
    """Net benefit of each large cohort, at every threshold."""
    parts = [
        net_benefit(p["y"], p[MODEL]).assign(cohort=cohort)
        for cohort, p in known_pairs(frame, MODEL)
        if len(p) >= fewest
    ]
    return pd.concat(parts)[["cohort", *parts[0].columns.drop("cohort")]] if parts else pd.DataFrame()


def _wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson 1927, DOI 10.1080/01621459.1927.10502953."""
    z = 1.96
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    return middle, z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
