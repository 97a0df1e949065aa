"""Explanation: what each value of a patient did to the probability, in probability points that add up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from theracast.errors import UsageError
from theracast.features.feature_names import bare_name, block_of

if TYPE_CHECKING:
    from theracast.predict.explanation_plots import ExplanationPlots
    from theracast.predict.sentences import Sentence

#: From here on a contribution is not printed as zero, in probability (0.1 of a percentage point, rounded).
PRINTED = 0.0005
#: Spreads beyond which a contribution is firm, where it is not told how many trainings they are of.
CLEAR = 1.96
#: Percentiles between which a value is neither high nor low.
MIDDLE = (25.0, 75.0)
#: What `Explanation.patient` says of the direction of a contribution.
AS_EXPECTED, AGAINST = "as expected", "against expectation"
EXPECTATION = {1: AS_EXPECTED, -1: AGAINST, 0: ""}


@dataclass(frozen=True)
class Explanation:
    """Why each patient got the probability it got.

    Attributes
    ----------
    probability : Series of float, shape (n_patients,)
        The prediction, in [0, 1].
    reference : Series of float, shape (n_patients,)
        Prediction for the average training patient with the same blocks known and the same tumour type, in [0, 1].
    points : DataFrame of float, shape (n_patients, n_features)
        Contributions in probability (0.05 is 5 points); positive = towards response. NaN where withheld.
    values : DataFrame of float, same shape
        What was measured, in native units; NaN is not known.
    proxy : DataFrame of bool, same shape
        True where a stand-in was used.
    percentile : DataFrame of float, same shape
        Position of the value among the training patients, in [0, 100].
    median : Series of float, shape (n_features,)
        Median of the training patients, in native units.
    units, about : dict of str to str
        Per feature.
    residual : Series of float, shape (n_patients,)
        How far ``reference + points.sum()`` is from the prediction.
    cohort : str
        The reference cohort: the training studies.
    studies : Series of str, shape (n_patients,)
        Study of each patient.
    directions : dict of str to int
        Per feature: 1 where higher is expected to mean 'more likely to respond', -1 lower, 0 no expectation.
    pathways : dict of str to str
        Per feature, the pathway or programme it tells of; features without one are left out.
    spread : DataFrame of float, shape (n_patients, n_features), or None
        Standard error of each contribution over training without one study at a time, in probability; when asked for.
    block_spread : DataFrame of float, shape (n_patients, n_blocks), or None
        The same of each block's sum.
    replicas : Series of int, shape (n_patients,), or None
        How many of the trainings without one study could tell of the patient; below two there is no spread.
    reference_of : str
        Whose prediction the reference is, where it is another than that.
    site : str
        What moved the probabilities to a site, reference and all; empty where nothing did.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> from theracast.models.base import ResponseModel
    >>> from theracast.predict.explain import explain
    >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
    >>> e = explain(model, model.matrix(load_cohort("riaz2017_mel")))
    >>> bool(((e.reference + e.points.sum(axis=1) - e.probability).abs() < 1e-6).all())
    True
    """

    probability: pd.Series
    reference: pd.Series
    points: pd.DataFrame
    values: pd.DataFrame
    proxy: pd.DataFrame
    percentile: pd.DataFrame
    median: pd.Series
    units: dict[str, str]
    about: dict[str, str]
    residual: pd.Series
    cohort: str
    studies: pd.Series = field(default_factory=lambda: pd.Series(dtype=object))
    directions: dict[str, int] = field(default_factory=dict)
    pathways: dict[str, str] = field(default_factory=dict)
    spread: pd.DataFrame | None = None
    block_spread: pd.DataFrame | None = None
    replicas: pd.Series | None = None
    reference_of: str = ""
    site: str = ""

    @property
    def plot(self) -> ExplanationPlots:
        """The pictures of the explanation.

        Returns
        -------
        ExplanationPlots
            Each picture is a method that gives a matplotlib Figure.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> from theracast.models.base import ResponseModel
        >>> from theracast.predict.explain import explain
        >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
        >>> e = explain(model, model.matrix(load_cohort("riaz2017_mel")))
        >>> [name for name in dir(e.plot) if name[0] != "_"]
        ['beeswarm', 'dependence', 'explanation', 'fingerprint', 'importance', 'waterfall']
        """
        from theracast.predict.explanation_plots import ExplanationPlots

        return ExplanationPlots(self)

    def sentences(self, patient_id: str, top: int = 5) -> list[Sentence]:
        """Say why one patient got its probability; see `theracast.predict.sentences.sentences`.

        Parameters
        ----------
        patient_id : str
            One of the patients.
        top : int, default 5
            Contributions of either sign that have a sentence of their own.

        Returns
        -------
        list of Sentence
            Their printed points add up to the printed prediction.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> from theracast.models.base import ResponseModel
        >>> from theracast.predict.explain import explain
        >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
        >>> said = explain(model, model.matrix(load_cohort("riaz2017_mel"))).sentences("Pt1")
        >>> said[0].kind, said[-1].kind
        ('reference', 'prediction')
        """
        from theracast.predict.sentences import sentences

        return sentences(self, patient_id, top)

    def to_shap(self) -> Any:
        """Turn the explanation into one of shap's; see `theracast.predict.shap_bridge.to_shap`.

        Returns
        -------
        shap.Explanation
            In probability, of the patients whose explanation is not withheld.

        Examples
        --------
        >>> import pytest
        >>> _ = pytest.importorskip("shap")
        >>> from theracast.features.datasets import load_cohort
        >>> from theracast.models.base import ResponseModel
        >>> from theracast.predict.explain import explain
        >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
        >>> explain(model, model.matrix(load_cohort("riaz2017_mel"))).to_shap().shape
        (51, 30)
        """
        from theracast.predict.shap_bridge import to_shap

        return to_shap(self)

    @classmethod
    def from_shap(cls, given: Any, link: str, **told: Any) -> Explanation:
        """Read an explanation of shap's, of any model; see `theracast.predict.shap_bridge.from_shap`.

        Parameters
        ----------
        given : shap.Explanation
            Of one output.
        link : {"identity", "logit"}
            Whether it explains a probability, or log-odds.
        **told
            As there: ``patient_ids``, ``training``, ``studies``, ``block``, ``units``, ``about``, ``cohort``.

        Returns
        -------
        Explanation
            With every picture and sentence of ours.

        Examples
        --------
        >>> from types import SimpleNamespace
        >>> given = SimpleNamespace(values=[[0.1]], base_values=0.3, data=[[9.0]], feature_names=["tmb"])
        >>> float(Explanation.from_shap(given, "identity").probability.iloc[0])
        0.4
        """
        from theracast.predict.shap_bridge import from_shap

        return from_shap(given, link, **told)

    def _repr_html_(self) -> str:
        from theracast.predict.report.cell import explanation_html

        return explanation_html(self)

    def by_block(self) -> pd.DataFrame:
        """Sum the points of each block.

        Returns
        -------
        DataFrame of float, shape (n_patients, n_blocks)
            Also sums to prediction minus reference.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> from theracast.models.base import ResponseModel
        >>> from theracast.predict.explain import explain
        >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
        >>> explain(model, model.matrix(load_cohort("riaz2017_mel"))).by_block().columns.tolist()
        ['pathology', 'mutations', 'signatures', 'clinical']
        """
        return self._summed([block_of(c) for c in self.points.columns])

    def by_pathway(self) -> pd.DataFrame:
        """Sum the points of each pathway; features that tell of none stand together under the name of their block.

        Returns
        -------
        DataFrame of float, shape (n_patients, n_groups)
            Also sums to prediction minus reference.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> from theracast.models.base import ResponseModel
        >>> from theracast.predict.explain import explain
        >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
        >>> "clinical" in explain(model, model.matrix(load_cohort("riaz2017_mel"))).by_pathway()
        True
        """
        return self._summed([self.pathways.get(c) or block_of(c) for c in self.points.columns])

    def firm(self, level: float = 0.8) -> pd.DataFrame:
        """Say which contributions are clear of their spread: whatever study is left out, they have their sign.

        Parameters
        ----------
        level : float, default 0.8
            In (0, 1): a contribution is clear where it is larger than its spread times `reach`. By default the level
            of the predictions' intervals.

        Returns
        -------
        DataFrame of bool, shape (n_patients, n_features)
            False where there is no spread, and where a feature has no say.

        Raises
        ------
        UsageError
            When the explanation was made without spread.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> from theracast.models.base import ResponseModel
        >>> from theracast.predict.explain import explain
        >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
        >>> e = explain(model, model.matrix(load_cohort("riaz2017_mel")), spread=True)
        >>> 0 < int(e.firm().sum(axis=None)) < e.points.size
        True
        """
        if self.spread is None:
            raise UsageError("the explanation was made without spread", fix="Call explain(..., spread=True).")
        return self.points.abs() > self.spread.mul(self.reach(level), axis=0)

    def reach(self, level: float = 0.8) -> pd.Series:
        """Say how many times its spread a contribution must be to be firm.

        Parameters
        ----------
        level : float, default 0.8
            In (0, 1).

        Returns
        -------
        Series of float, shape (n_patients,)
            The two-sided quantile of Student's t at this level, with one degree of freedom less than there are
            `replicas`; 1.96 where it is not told how many trainings the spread is of.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> from theracast.models.base import ResponseModel
        >>> from theracast.predict.explain import explain
        >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
        >>> bool((explain(model, model.matrix(load_cohort("riaz2017_mel")), spread=True).reach() > 1.28).all())
        True
        """
        if self.replicas is None:
            return pd.Series(CLEAR, index=self.points.index)
        return pd.Series(student.ppf(0.5 + level / 2, np.maximum(self.replicas - 1, 1)), index=self.points.index)

    def expectation(self) -> pd.DataFrame:
        """Say which contributions have the direction that is expected, as `patient` does, for all patients.

        Returns
        -------
        DataFrame of str, shape (n_patients, n_features)
            "as expected", "against expectation" or empty.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> from theracast.models.base import ResponseModel
        >>> from theracast.predict.explain import explain
        >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
        >>> said = explain(model, model.matrix(load_cohort("riaz2017_mel"))).expectation()
        >>> "as expected" in set(said["mutations__tmb"])
        True
        """
        said = np.array([EXPECTATION[k] for k in (0, 1, -1)], dtype=object)[self._agreement(self.points.index)]
        return pd.DataFrame(said, self.points.index, self.points.columns)

    def _agreement(self, patients: Sequence[str] | pd.Index) -> np.ndarray:
        """Say 1 where a contribution has the expected direction, -1 where it has the other, 0 where none is expected.

        A value in the middle half of the reference is neither high nor low: models compare with a mean of their own,
        not with the median. Beyond it, the side on which it stands, times its direction, is the sign that is expected.
        """
        names = self.points.columns
        points, places = (f.loc[patients, names].to_numpy(dtype=float) for f in (self.points, self.percentile))
        expected = np.where(places > MIDDLE[1], 1.0, np.where(places < MIDDLE[0], -1.0, 0.0))
        expected *= [self.directions.get(name, 0) for name in names]
        return np.nan_to_num(expected * np.where(np.abs(points) >= PRINTED, np.sign(points), 0.0)).astype(int)

    def _summed(self, groups: list[str]) -> pd.DataFrame:
        names, owner = list(dict.fromkeys(groups)), np.array(groups)
        points = self.points.to_numpy()
        # row by row in memory, or numpy adds one patient in another order than fifty, and the last bit differs
        sums = [np.ascontiguousarray(points[:, owner == name]).sum(axis=1) for name in names]
        return pd.DataFrame(dict(zip(names, sums, strict=True)), index=self.points.index)

    def patient(self, patient_id: str) -> pd.DataFrame:
        """List what counted for one patient, the weightiest first.

        Parameters
        ----------
        patient_id : str
            One of the patients.

        Returns
        -------
        DataFrame
            One row per known feature: ``block``, ``feature``, ``about``, ``value``, ``unit``, ``proxy``, ``median``,
            ``percentile``, ``points``, ``pathway``, ``spread`` (NaN where it was not asked for) and ``expectation``:
            "against expectation" where a contribution that is not printed as zero contradicts `directions`, given
            that the value is high or low (outside the middle half of the reference); "as expected" where it does
            not; else empty.

        Examples
        --------
        >>> from theracast.features.datasets import load_cohort
        >>> from theracast.models.base import ResponseModel
        >>> from theracast.predict.explain import explain
        >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
        >>> e = explain(model, model.matrix(load_cohort("riaz2017_mel")))
        >>> "points" in e.patient(e.points.index[0])
        True
        """
        names = pd.Series(self.points.columns)
        rows = pd.DataFrame(
            {
                "block": names.map(block_of),
                "feature": names.map(bare_name),
                "about": names.map(self.about),
                "value": self.values.loc[patient_id].to_numpy(),
                "unit": names.map(self.units),
                "proxy": self.proxy.loc[patient_id].to_numpy(),
                "median": self.median.reindex(names).to_numpy(),
                "percentile": self.percentile.loc[patient_id].to_numpy(),
                "points": self.points.loc[patient_id].to_numpy(),
                "pathway": names.map(lambda name: self.pathways.get(name, "")),
                "spread": np.nan if self.spread is None else self.spread.loc[patient_id].to_numpy(),
            }
        )
        rows["expectation"] = [EXPECTATION[k] for k in self._agreement([patient_id])[0]]
        known = rows[rows.value.notna()]
        return known.sort_values("points", key=lambda p: -p.abs(), kind="stable", ignore_index=True)
