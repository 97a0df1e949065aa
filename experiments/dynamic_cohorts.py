"""The cohorts of experiments/dynamic.py: what is known before, what is measured under treatment, what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from theracast.models.landmark import outcome_within


@dataclass(frozen=True)
class Followed:
    """Patients with a baseline, visits and an outcome.

    Attributes
    ----------
    name : str
        Of the cohort.
    X : DataFrame
        Baseline, no NaN.
    visits : DataFrame
        As `theracast.models.longitudinal.series_features` takes it.
    outcome : DataFrame
        ``time`` and ``event``, or ``y``.
    site : Series or None
        Where they were treated.
    """

    name: str
    X: pd.DataFrame
    visits: pd.DataFrame
    outcome: pd.DataFrame
    site: pd.Series | None = None

    def take(self, rows: np.ndarray) -> Self:
        """Keep some patients."""
        site = None if self.site is None else self.site.iloc[rows]
        kept = self.X.iloc[rows]
        visits = self.visits[self.visits["patient_id"].isin(kept.index)]
        return replace(self, X=kept, visits=visits, outcome=self.outcome.iloc[rows], site=site)

    def drawn(self, rows: np.ndarray) -> Self:
        """Draw patients with replacement; one drawn twice is two."""
        names = pd.Index([f"{i}-{k}" for k, i in enumerate(self.X.index[rows])])
        pairs = pd.DataFrame({"patient_id": self.X.index[rows], "new": names})
        visits = self.visits.merge(pairs, on="patient_id").drop(columns="patient_id")
        return replace(
            self,
            X=self.X.iloc[rows].set_axis(names),
            visits=visits.rename(columns={"new": "patient_id"}),
            outcome=self.outcome.iloc[rows].set_axis(names),
        )

    def only(self, columns: list[str]) -> Self:
        """Keep some columns of the baseline."""
        return replace(self, X=self.X[columns])

    def calls(self) -> Self:
        """Keep of each visit whether it was positive: what cohorts with other assays share."""
        return replace(self, visits=self.visits[["patient_id", "time", "call"]])

    def lost_as_failures(self) -> Self:
        """Count whoever left as without a response."""
        return replace(self, outcome=self.outcome.fillna({"y": 0.0}))

    def known(self) -> pd.Series:
        """Say which kind of outcome each patient has, to balance folds by it."""
        return self.outcome["event"] if "event" in self.outcome else self.outcome["y"].fillna(2).astype(int)

    def outcome_at(self, landmark: float, horizon: float | None) -> pd.DataFrame:
        """Say what is to be predicted at a landmark."""
        if horizon is not None:
            return outcome_within(self.outcome["time"], self.outcome["event"], landmark, horizon)
        return pd.DataFrame({"y": self.outcome["y"], "weight": self.outcome["y"].notna().astype(float)})

    def outcome_at_start(self, how: dict[str, Any]) -> pd.DataFrame:
        """Say what a model of the baseline is fitted to: the event until the middle landmark's horizon."""
        if "horizon" not in how:
            return self.outcome_at(0.0, None)
        middle = how["landmarks"][len(how["landmarks"]) // 2]
        return self.outcome_at(0.0, middle + how["horizon"])


def evidence(data: Path) -> Followed:
    """EVIDENCE: adjuvant icotinib or chemotherapy, EGFR-mutant NSCLC; relapse or death; days since randomisation."""
    folder = data / "ctdna" / "evidence_icotinib"
    table = pd.read_csv(folder / "clinical.csv", dtype={"patient_id": str}).set_index("patient_id")
    X = pd.DataFrame(
        {
            "icotinib": table["arm"] == "icotinib",
            "male": table["sex"] == "male",
            "smoker": table["smoking"] == "yes",
            "age": table["age"],
            "ecog": table["ecog"],
            "size, cm": table["tumor_size_cm"],
            "N2": table["n_stage"] == "N2",
            "stage III": table["tnm_stage"] == "IIIA",
            "L858R": table["egfr"] == "EGFR_L858R",
            # one has no sample of the baseline: taken as negative, as most are
            "ctDNA before": table["mrd_baseline"] == "Positive",
        }
    ).astype(float)
    visits = pd.read_parquet(folder / "visits.parquet")
    series = pd.DataFrame(
        {
            "patient_id": visits["patient_id"].astype(str),
            "time": visits["day_since_randomisation"].astype(float),
            "call": (visits["mrd"] == "Positive").astype(float),
            "level": np.log10(1 + 100 * visits["ctdna_hge_per_ml"]),
        }
    )
    outcome = pd.DataFrame({"time": table["dfs_days"].astype(float), "event": table["dfs_event"].astype(int)})
    return Followed("EVIDENCE", X, series, outcome)


def resected(data: Path) -> Followed:
    """Resected NSCLC, another assay and no randomisation; relapse or death; days since surgery."""
    folder = data / "ctdna" / "resected_nsclc"
    table = pd.read_csv(folder / "clinical.csv", dtype={"patient_id": str}).set_index("patient_id")
    visits = pd.read_parquet(folder / "visits.parquet")
    series = pd.DataFrame(
        {
            "patient_id": visits["patient_id"].astype(str),
            "time": visits["month"].astype(float) * 30.44,
            "call": (visits["ctdna"] == "Pos").astype(float),
        }
    )
    X = pd.DataFrame(
        {
            "male": table["sex"] == "Male",
            "smoker": table["smoking"] == "yes",
            "N2": table["n_stage"] != "N0-1",
            "stage III": table["stage"] == "III/IV",
        }
    ).astype(float)
    outcome = pd.DataFrame({"time": table["dfs_days"].astype(float), "event": table["dfs_event"].astype(int)})
    return Followed("resected NSCLC", X, series, outcome)


def depression(data: Path) -> Followed:
    """Masked antidepressant trial; response (HAMD-17 down by half) at week 6 among those who stayed."""
    folder = data / "depression" / "antidepressant_trial"
    table = pd.read_csv(folder / "clinical.csv", dtype={"patient_id": str, "site_pool": str}).set_index("patient_id")
    visits = pd.read_parquet(folder / "visits.parquet")
    visits["patient_id"] = visits["patient_id"].astype(str)
    # the visit of week 6 is the outcome itself: it must not be there even where it came early
    early = visits[visits["visit"].astype(str) != "7"]
    begin = pd.DataFrame({"patient_id": table.index, "day": 0.0, "hamd17": table["hamd17_baseline"].to_numpy()})
    series = pd.concat([begin, early])[["patient_id", "day", "hamd17"]].rename(columns={"day": "time"})
    # doublings: a change is then relative, as the response is
    series["hamd17"] = np.log2(1 + series["hamd17"].astype(float))
    X = pd.DataFrame(
        {"drug": table["arm"] == "drug", "male": table["sex"] == "M", "HAMD-17": table["hamd17_baseline"]}
    ).astype(float)
    outcome = pd.DataFrame({"y": table["response_week6"].astype(float)})
    return Followed("depression trial", X, series, outcome, table["site_pool"])
