"""What a test could change: where a patient's log-odds would land with its result, and what that is worth.

The blocks that a test gives are drawn together from the training patients, given the known ones
(`theracast.models.block_margins`), and read by the model as it would read the blocks themselves. The value of a result
is the chance that it changes the decision; its information is Lindley's, DOI 10.1214/aoms/1177728069.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import entr

from theracast.errors import UsageError
from theracast.models.block_margins import DRAWS
from theracast.models.combiner import best_combiner
from theracast.models.logistic import Kinds

if TYPE_CHECKING:
    from theracast.models.fusion import Fusion


class PossibleResults:
    """Results that tests could have for patients who have the same blocks, and what the model would say of each.

    Parameters
    ----------
    fusion : Fusion
        Fitted, with `block_margins`.
    margins : DataFrame of float64, shape (n_patients, n_blocks)
        Log-odds by each expert; NaN where a block is missing, the same blocks for all.
    tumours : Kinds, shape (n_patients,)
        Tumour type of each patient.
    gives : mapping of str to tuple of str
        Test to the missing blocks that it gives; each can be drawn.
    n : int, default 128
        Draws for each patient, equally likely, the same ones for every test.

    Raises
    ------
    UsageError
        When the model kept no margins, or patients differ in what is known.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> from theracast.models.base import ResponseModel
    >>> from theracast.models.crossfit import margins_of
    >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
    >>> matrix = model.matrix(load_cohort("riaz2017_mel")).subset([0])
    >>> known = margins_of(model.fusion_.experts, matrix, matrix.tumours.to_numpy()).assign(mutations=float("nan"))
    >>> one = PossibleResults(model.fusion_, known, Kinds.of(["melanoma"]), {"panel": ("mutations",)}, 4)
    >>> one.after(["panel"]).shape
    (1, 4)
    """

    def __init__(
        self,
        fusion: Fusion,
        margins: pd.DataFrame,
        tumours: Kinds,
        gives: Mapping[str, tuple[str, ...]],
        n: int = DRAWS,
    ) -> None:
        known = margins.notna()
        if fusion.block_margins is None or (len(known) and (known != known.iloc[0]).any(axis=None)):
            raise UsageError("results cannot be drawn", wanted="a model with margins, patients with the same blocks")
        self.fusion, self.tumours, self.gives, self.n = fusion, tumours, dict(gives), n
        self.known = {str(b): margins[b].to_numpy() for b in margins if known[b].any()}
        blocks = list(dict.fromkeys(b for given in gives.values() for b in given))
        drawn = fusion.block_margins.draws(margins, blocks, n) if blocks else np.empty((len(margins), n, 0))
        self.drawn = {b: drawn[:, :, k] for k, b in enumerate(blocks)}

    def after(self, tests: Collection[str]) -> np.ndarray:
        """Log-odds once some of the tests are done.

        Parameters
        ----------
        tests : collection of str
            Of `gives`; their order does not matter.

        Returns
        -------
        ndarray of float64, shape (n_patients, n_draws)
            NaN where nothing would be known still.

        Examples
        --------
        >>> hasattr(PossibleResults, "after")
        True
        """
        done = {b for t in tests for b in self.gives[t]}
        combiner = best_combiner(
            self.fusion.combiners, tuple(b for b in self.fusion.features if b in self.known or b in done)
        )
        out = np.full((len(self.tumours), self.n), np.nan)
        if combiner is None:
            return out
        out[:] = combiner.fit.intercepts(self.tumours)[:, None]
        weights = combiner.fit.weights(self.tumours)
        # block by block: a product of matrices adds one patient in another order than fifty, and the last bit differs
        for k, b in enumerate(combiner.blocks):
            out += weights[:, [k]] * (self.drawn[b] if b in done else self.known[b][:, None])
        return out


def entropy(p: np.ndarray) -> np.ndarray:
    """Say how open a yes-or-no question is.

    Parameters
    ----------
    p : ndarray of float64
        Probabilities, in [0, 1].

    Returns
    -------
    ndarray of float64
        Bits, in [0, 1]; 1 at even odds, 0 where the answer is certain, NaN where `p` is.

    Examples
    --------
    >>> entropy(np.array([0.5, 1.0])).tolist()
    [1.0, 0.0]
    """
    return np.asarray((entr(p) + entr(1.0 - np.asarray(p))) / np.log(2.0))


def information(after: np.ndarray) -> np.ndarray:
    """Say how much the result tells of the answer, on average: their mutual information.

    Parameters
    ----------
    after : ndarray of float64, shape (n_patients, n_draws)
        Probability of response with each result, in [0, 1]; results are equally likely.

    Returns
    -------
    ndarray of float64, shape (n_patients,)
        Bits, in [0, 1]: the entropy of the mean less the mean entropy. Never below 0.

    Examples
    --------
    >>> information(np.array([[0.0, 1.0], [0.5, 0.5]])).tolist()
    [1.0, 0.0]
    """
    return np.maximum(entropy(after.mean(axis=1)) - entropy(after).mean(axis=1), 0.0)
