"""Circulating tumour DNA: what serial blood samples say about the tumour until the day of the decision."""

from __future__ import annotations

import numpy as np
import pandas as pd

from theracast.checks import Problem
from theracast.errors import UsageError
from theracast.features.base import Measured, OmicsBlock
from theracast.features.cohort import Cohort
from theracast.features.serial_ctdna import FIELDS, event_problems, follow, read_samples
from theracast.features.spec import BlockSpec, Column, Feature


class CtdnaBlock(OmicsBlock):
    """Serial tumour fraction: baseline, clearance, slope, nadir and molecular response, up to a landmark day.

    Days count from the start of treatment: 0 is that day, samples before it are negative. Only samples at or before
    `landmark_day` are read, whatever else the table holds: a serial table has follow-up samples by nature, so later
    ones are left out with a note instead of refused (``late="refuse"`` refuses their patients).

    Parameters
    ----------
    landmark_day : float, default 0
        Day of the decision. With 0 only the baseline is known; clearance, nadir and ratio want a later landmark.
    baseline_day : float, default 0
        The baseline is the last sample at or before this day.
    window_days : float, default 28
        The molecular response is read from the last sample after the baseline that is at most so many days before the
        landmark.
    lod : float, default 1e-5
        Limit of detection, as a fraction, where column ``lod`` does not give it. Samples below it stand at it, and what
        is computed from them is marked as a limit.
    late : {"leave_out", "refuse"}, default "leave_out"
        What to do with samples after the landmark.

    Examples
    --------
    >>> samples = {"patient_id": ["p", "p"], "day": [0, 21], "tumour_fraction": [0.04, 0.01], "unit": ["fraction"] * 2}
    >>> c = Cohort.from_tables({"ctdna": pd.DataFrame(samples)})
    >>> float(CtdnaBlock(landmark_day=42).fit_transform(c)["ctdna__ratio"].iloc[0])
    0.25
    """

    spec = BlockSpec(
        "ctdna",
        "Serial tumour fraction in blood, until the day of the decision.",
        ("ctdna",),
        (
            Column("day", "day of the sample; 0 is the start of treatment", "days", example="-3"),
            Column("tumour_fraction", "tumour fraction of the cell-free DNA", "by unit", example="0.03"),
            Column("vaf", "or the mean allele fraction", "by unit", example="0.015"),
            Column("unit", "unit of the fractions", "fraction, %", example="fraction"),
            Column("call", "call of the assay, where it makes one", "positive, negative", example="positive"),
            Column("lod", "limit of detection of the sample", "by unit", example="0.0001"),
        ),
        (
            Feature("baseline", "fraction", "tumour fraction at the baseline", "10.1038/s43018-020-0096-5", -1),
            Feature("positive", "0/1", "ctDNA detected at the baseline", "10.1038/s43018-020-0096-5", -1),
            Feature("n_samples", "count", "samples until the landmark", "10.1016/j.annonc.2022.05.520"),
            Feature("cleared", "0/1", "a negative sample after a positive one", "10.1038/s41586-021-03642-9", 1),
            Feature(
                "time_to_clearance",
                "days",
                "from the start, or the first positive sample after it, to the first negative one",
                "10.1038/s41586-021-03642-9",
                -1,
            ),
            Feature(
                "slope", "log10/30 d", "slope of the logarithm of the fraction", "10.1016/j.annonc.2022.05.520", -1
            ),
            Feature("nadir", "fraction", "lowest fraction after the baseline", "10.1038/s43018-020-0096-5", -1),
            Feature(
                "ratio", "ratio", "fraction near the landmark over the baseline", "10.1158/2159-8290.CD-20-0047", -1
            ),
        ),
    )

    def __init__(
        self,
        landmark_day: float = 0.0,
        baseline_day: float = 0.0,
        window_days: float = 28.0,
        lod: float = 1e-5,
        late: str = "leave_out",
    ) -> None:
        self.landmark_day, self.baseline_day, self.window_days = landmark_day, baseline_day, window_days
        self.lod, self.late = lod, late

    @classmethod
    def example(cls) -> dict[str, pd.DataFrame]:
        """Return a small table of samples.

        Returns
        -------
        dict of str to DataFrame
            ``ctdna``, made up.

        Examples
        --------
        >>> len(CtdnaBlock.example()["ctdna"])
        8
        """
        rows = [
            ("p1", -3, 0.031, "positive"),
            ("p1", 21, 0.004, "positive"),
            ("p1", 63, 0.0, "negative"),
            ("p2", 0, 0.12, "positive"),
            ("p2", 40, 0.17, "positive"),
            ("p3", -8, 0.0, "negative"),
            ("p3", -1, 0.0002, "positive"),
            ("p4", 15, 0.02, "positive"),
        ]
        table = pd.DataFrame(rows, columns=["patient_id", "day", "tumour_fraction", "call"])
        return {"ctdna": table.assign(unit="fraction", lod=0.0001).set_index("patient_id")}

    def check(self, cohort: Cohort) -> list[Problem]:
        """Refuse levels without a unit or outside 0-1, days and calls that cannot be read.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        list of Problem
            THX-D11, THX-D13, THX-D16, THX-D20; THX-D22 for later samples when they are refused.

        Examples
        --------
        >>> late = {"patient_id": ["p"], "day": [50], "call": ["positive"]}
        >>> CtdnaBlock(late="refuse").check(Cohort.from_tables({"ctdna": pd.DataFrame(late)}))[0].code
        'THX-D22'
        """
        if self.late not in ("leave_out", "refuse"):
            raise UsageError("late should be leave_out or refuse", got=self.late)
        found = event_problems(cohort)
        if self.late == "refuse":
            samples = read_samples(cohort, self.lod)
            later = samples.index[(samples["day"] > self.landmark_day).to_numpy()].unique()
            rows = tuple(sorted(int(i) for i in cohort.ids.get_indexer(later)))
            if rows:
                what = f"is after the day of the decision ({self.landmark_day:g}): leave later samples out"
                found.append(Problem("THX-D22", "ctdna:day", what, rows))
        return found

    def measure(self, cohort: Cohort) -> Measured:
        """Follow the samples of each patient until the landmark.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        Measured
            `censored` is -1 where a sample below detection makes the value an upper limit, 1 where it makes it a lower
            one or clearance was not seen. `coverage` is the share of the two samples that matter, at the baseline
            and near a later landmark, that were there.

        Examples
        --------
        >>> measured = CtdnaBlock(landmark_day=70).measure(Cohort.from_tables(CtdnaBlock.example()))
        >>> measured.values.loc["p1", ["cleared", "time_to_clearance"]].tolist()
        [1.0, 63.0]
        """
        samples = read_samples(cohort, self.lod)
        early = samples[(samples["day"] <= self.landmark_day).to_numpy()]
        ids = cohort.ids
        values = np.full((len(ids), len(FIELDS)), np.nan)
        limits = np.zeros(values.shape, dtype=np.int8)
        coverage = np.zeros(len(ids))
        place = dict(zip(ids, range(len(ids)), strict=True))
        for patient, part in early.groupby(level=0, sort=False):
            i = place[patient]
            values[i], limits[i], coverage[i] = follow(part, self.landmark_day, self.baseline_day, self.window_days)
        frame = pd.DataFrame(values, index=ids, columns=list(FIELDS))
        return Measured.of(
            frame,
            censored=pd.DataFrame(limits, index=ids, columns=list(FIELDS)).where(frame.notna(), 0).astype(np.int8),
            coverage=pd.Series(coverage, index=ids),
            notes=self._notes(cohort, samples, early),
        )

    def _notes(self, cohort: Cohort, samples: pd.DataFrame, early: pd.DataFrame) -> dict[str, list[str]]:
        later = samples.index[(samples["day"] > self.landmark_day).to_numpy()].unique()
        notes = {i: [f"ctDNA samples after day {self.landmark_day:g} are left out"] for i in later}
        twice = early.index[early["same_day"].to_numpy()].unique()
        undated = cohort.ids[
            cohort.ids.isin(cohort.event("ctdna").index.unique()) & ~cohort.ids.isin(samples.index.unique())
        ]
        for text, patients in (
            ("ctDNA samples of one day are averaged", twice),
            ("no ctDNA sample has a day", undated),
        ):
            for i in patients:
                notes.setdefault(i, []).append(text)
        return notes
