"""Open blocks: what is not known of a patient, and how far the probability could move if it were.

A missing block says nothing for or against. What it could say is drawn from the training patients, given the blocks
that are known (`theracast.models.block_margins`), and read by the model as it would read the block itself. The range
is where the probability would land; it is no interval of the truth, and no advice to order a test. Of cohorts that
were left out it held nearly 80% on average, and far less or more of single ones (experiments/open_blocks/coverage.csv).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import expit

from theracast.features.matrix import FeatureMatrix
from theracast.models.base import ResponseModel
from theracast.models.block_margins import BlockMargins
from theracast.models.combiner import Combiner, best_combiner, patterns
from theracast.models.conformal import SETS
from theracast.models.crossfit import margins_of
from theracast.models.fusion import Fusion
from theracast.models.logistic import Kinds
from theracast.models.recalibration import AS_TRAINED, Recalibration

#: Shares of the draws below the two ends.
RANGE = (0.1, 0.9)
#: Of what a row says, these are numbers.
NUMBERS = ("probability", "lower", "upper", "swing", "decides", "mean")
#: Why a row claims nothing.
EARLIER = "the model was stored by an earlier version, which kept nothing to tell this from: train it again"
FEW = "too few training patients had this block beside the known ones: nothing is claimed"
NOTHING = "nothing else is known: there is no probability to move from"
#: Rows of patients whose draws are held at once.
_AT_ONCE = 4096


def open_blocks(model: ResponseModel, matrix: FeatureMatrix, site: Recalibration = AS_TRAINED) -> pd.DataFrame:
    """Say for each missing block how far the probability could move if it were measured, all else as it is.

    Parameters
    ----------
    model : ResponseModel
        Fitted.
    matrix : FeatureMatrix
        Made by the model.
    site : Recalibration, optional
        As in `ResponseModel.respond`.

    Returns
    -------
    DataFrame
        One row per patient and missing block, in the order of the patients and of the model's blocks: ``patient_id``,
        ``block``, ``about``; ``probability`` as it is; ``lower`` and ``upper``, between which it would land in 80% of
        the draws; ``swing``, the mean absolute change, in [0, 1]; ``decides``, the share of draws in which the label
        set holds one answer (other reasons to abstain stay); ``mean``, where it would land on average; ``note``, why
        numbers are NaN, or empty. Blocks drawn are unknown to the intervals and to the explanation.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
    >>> rows = open_blocks(model, model.matrix(load_cohort("riaz2017_mel")))
    >>> rows.block.value_counts().to_dict()
    {'mutations': 9}
    >>> bool(((rows.lower <= rows["mean"]) & (rows["mean"] <= rows.upper)).all())
    True
    """
    fusion = model.fusion_
    index, tumours = matrix.values.index, Kinds.of(_tumours(fusion, matrix))
    margins = margins_of(fusion.experts, matrix, tumours).reindex(columns=list(fusion.features))
    missing = ~fusion.present(matrix).to_numpy()
    before = expit(site.apply(fusion.margin(matrix)))
    numbers = {name: np.full(missing.shape, np.nan) for name in NUMBERS}
    numbers["probability"][:] = before[:, None]
    notes = np.full(missing.shape, EARLIER if fusion.block_margins is None else FEW, dtype=object)
    for k, block in enumerate(fusion.features):
        if fusion.block_margins is None or block not in fusion.block_margins.quantiles:
            continue
        for known, rows in patterns(margins.notna()):
            larger = _larger(fusion, known, block)
            if larger is None or block in known:
                continue
            for at in np.array_split(rows, -(-len(rows) // _AT_ONCE)):
                drawn = _drawn(fusion.block_margins, larger, block, margins.iloc[at], tumours[at])
                for name, values in _said(fusion, drawn, site, before[at]).items():
                    numbers[name][at, k] = values
            notes[rows, k] = "" if known else NOTHING
    who, which = np.nonzero(missing)
    about = {b.spec.name: b.spec.about for b in model.assembler_.blocks_}
    blocks = np.array(list(fusion.features), dtype=object)[which]
    return pd.DataFrame(
        {
            "patient_id": index.to_numpy(dtype=object)[who],
            "block": blocks,
            "about": [about[b] for b in blocks],
            **{name: values[who, which] for name, values in numbers.items()},
            "note": notes[who, which],
        }
    )


def _larger(fusion: Fusion, known: tuple[str, ...], block: str) -> Combiner | None:
    """Find what would combine the larger set; None where it leaves out the block, or what is read now."""
    now = best_combiner(fusion.combiners, known)
    larger = best_combiner(fusion.combiners, tuple(b for b in fusion.features if b in known or b == block))
    wanted = {block, *(now.blocks if now else ())}
    return larger if larger and wanted <= set(larger.blocks) else None


def _drawn(
    distribution: BlockMargins, combiner: Combiner, block: str, margins: pd.DataFrame, tumours: Kinds
) -> np.ndarray:
    """Combine the known margins with each draw: log-odds of shape (n_patients, n_draws)."""
    at = combiner.blocks.index(block)
    rest = combiner.total(margins.assign(**{block: 0.0})[list(combiner.blocks)].to_numpy(), tumours)
    weight = combiner.fit.weights(tumours)[:, [at]]
    return np.asarray(rest[:, None] + weight * distribution.draws(margins, [block])[:, :, 0])


def _said(fusion: Fusion, drawn: np.ndarray, site: Recalibration, before: np.ndarray) -> dict[str, np.ndarray]:
    after = expit(site.apply(drawn))
    lower, upper = np.quantile(after, RANGE, axis=1)
    both = SETS.index("both")
    sure = fusion.sets.which(drawn.ravel()).reshape(drawn.shape) != both if fusion.sets else np.nan
    return {
        "lower": lower,
        "upper": upper,
        "swing": np.abs(after - before[:, None]).mean(axis=1),
        "decides": np.broadcast_to(sure, drawn.shape).mean(axis=1),
        "mean": after.mean(axis=1),
    }


def _tumours(fusion: Fusion, matrix: FeatureMatrix) -> np.ndarray:
    if fusion.tumour_aware:
        return matrix.tumours.to_numpy()
    return np.full(len(matrix.values), "", dtype=object)
