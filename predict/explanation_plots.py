"""The pictures of an explanation, behind `Explanation.plot`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from theracast.errors import UsageError
from theracast.features.feature_names import block_of
from theracast.models.fingerprint import IN_PART, MEASURED, NO_REFERENCE, NOT_MEASURED, OUTER, Fingerprint

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from theracast.predict.explanation import Explanation


@dataclass(frozen=True, repr=False)
class ExplanationPlots:
    """Pictures of one explanation, each a matplotlib Figure.

    Attributes
    ----------
    explanation : Explanation
        What is drawn.

    Examples
    --------
    >>> ExplanationPlots(None)
    pictures of an explanation: .waterfall(patient_id), .fingerprint(patient_id), .beeswarm(), .dependence(feature),
    .importance()
    """

    explanation: Explanation

    def __repr__(self) -> str:
        pictures = ".waterfall(patient_id), .fingerprint(patient_id), .beeswarm(), .dependence(feature), .importance()"
        return f"pictures of an explanation: {pictures}"

    def waterfall(self, patient_id: str, top: int = 10) -> Figure:
        """Draw the way from the reference to one patient's prediction, feature by feature.

        Parameters
        ----------
        patient_id : str
            One of the patients; the id is not written into the figure.
        top : int, default 10
            Features drawn one by one; the others share a bar.

        Returns
        -------
        Figure
            The printed figures add up.

        Raises
        ------
        UsageError
            When there is no such patient.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> from theracast.models.base import ResponseModel
        >>> from theracast.predict.explain import explain
        >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
        >>> e = explain(model, model.matrix(load_cohort("riaz2017_mel")))
        >>> e.plot.waterfall("Pt1").axes[0].get_xlabel()
        'probability of response, %'
        """
        from theracast.predict.report.plots import contributions

        self._require(patient_id)
        return contributions(self.explanation, patient_id, top)

    def fingerprint(self, patient_id: str, phone: bool = False) -> Figure:
        """Draw where one patient stands among the training patients, block by block.

        Parameters
        ----------
        patient_id : str
            One of the patients; the id is not written into the figure.
        phone : bool, default False
            Draw for a width of 390 pixels.

        Returns
        -------
        Figure
            A block that was not measured is hatched. `Scores.fingerprint` knows limits of detection beside.

        Raises
        ------
        UsageError
            When there is no such patient.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> from theracast.models.base import ResponseModel
        >>> from theracast.predict.explain import explain
        >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
        >>> e = explain(model, model.matrix(load_cohort("riaz2017_mel")))
        >>> len(e.plot.fingerprint("Pt1").axes)
        1
        """
        from theracast.predict.report.fingerprint_plot import fingerprint_figure

        self._require(patient_id)
        return fingerprint_figure(_fingerprint_of(self.explanation, patient_id), patient_id, phone=phone)

    def beeswarm(self, top: int = 12) -> Figure:
        """Draw what each feature did to every patient: a dot each, coloured by the percentile of the value.

        Parameters
        ----------
        top : int, default 12
            Features drawn, the heaviest on average first.

        Returns
        -------
        Figure
            What is not known is a hollow grey dot.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> from theracast.models.base import ResponseModel
        >>> from theracast.predict.explain import explain
        >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
        >>> e = explain(model, model.matrix(load_cohort("riaz2017_mel")))
        >>> len(e.plot.beeswarm().axes)
        2
        """
        from theracast.predict.report.beeswarm_plot import beeswarm_figure

        return beeswarm_figure(self.explanation, top)

    def dependence(self, feature: str, by: str | None = None) -> Figure:
        """Draw a feature's points against its value, in native units, a colour per study.

        Parameters
        ----------
        feature : str
            ``<block>__<feature>``, or its name alone where that is of one block.
        by : str, optional
            Another feature, whose percentile colours the dots.

        Returns
        -------
        Figure
            With the median of the training patients.

        Raises
        ------
        UsageError
            When there is no such feature.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> from theracast.models.base import ResponseModel
        >>> from theracast.predict.explain import explain
        >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
        >>> e = explain(model, model.matrix(load_cohort("riaz2017_mel")))
        >>> e.plot.dependence("tmb").axes[0].get_xlabel()
        'TMB, mut/Mb'
        """
        from theracast.predict.report.dependence_plot import dependence_figure

        return dependence_figure(self.explanation, feature, by)

    def importance(self, level: str = "block", top: int = 12) -> Figure:
        """Draw what counts on average, in each cohort and over all, and whether the cohorts agree.

        Parameters
        ----------
        level : {"block", "pathway", "feature"}, default "block"
            What is drawn.
        top : int, default 12
            How many are drawn.

        Returns
        -------
        Figure
            The numbers are those of `theracast.predict.importance`.

        Raises
        ------
        UsageError
            When there is no such level.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> from theracast.models.base import ResponseModel
        >>> from theracast.predict.explain import explain
        >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
        >>> e = explain(model, model.matrix(load_cohort("riaz2017_mel")))
        >>> len(e.plot.importance("feature").axes)
        1
        """
        from theracast.predict.report.importance_plot import importance_figure

        return importance_figure(self.explanation, level, top)

    def _require(self, patient_id: str) -> None:
        if patient_id not in self.explanation.points.index:
            raise UsageError(
                "no such patient in the explanation",
                got=f"{len(self.explanation.points)} others",
                fix="Check the id: explanation.points.index lists them.",
            )


def _fingerprint_of(explanation: Explanation, patient_id: str) -> Fingerprint:
    """Place one patient by the percentiles that an explanation holds; a yes or no is never beyond the others."""
    row = pd.Index([patient_id], name="patient_id")
    places, values = explanation.percentile.loc[row], explanation.values.loc[row]
    graded = np.array([explanation.units.get(c) != "0/1" for c in places])
    beyond = ((places > OUTER[1]).astype(np.int8) - (places < OUTER[0]).astype(np.int8)) * graded
    owner = pd.Series([block_of(c) for c in places], index=places.columns)
    blocks = {}
    for block in dict.fromkeys(owner):
        names = [c for c in owner.index[owner == block] if not np.isnan(explanation.median.get(c, np.nan))]
        known = int(places[names].notna().sum(axis=1).iloc[0])
        state = NOT_MEASURED if not known else MEASURED if known == len(names) else IN_PART
        outside = float(beyond[names].abs().sum(axis=1).iloc[0]) / known if known else np.nan
        blocks[patient_id, block] = {
            "beyond": outside,
            "known": known,
            "features": len(names),
            "state": state if names else NO_REFERENCE,
        }
    table = pd.DataFrame.from_dict(blocks, orient="index")
    table.index = table.index.set_names(["patient_id", "block"])
    return Fingerprint(
        percentiles=places,
        beyond=beyond.astype(np.int8),
        values=values,
        indirect=explanation.proxy.loc[row],
        blocks=table,
        units=explanation.units,
        about=explanation.about,
        cohort=explanation.cohort,
    )
