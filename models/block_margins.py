"""What is not known of a patient: how the margins of missing blocks could stand, given those of the known ones.

A Gaussian copula: each block's margins keep their own distribution among the training patients, and hang together as
their normal scores do. The draws are a fixed lattice, not random numbers: the same patient gets the same answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from theracast.checks import listed
from theracast.errors import ModelError, UsageError
from theracast.models.combiner import patterns
from theracast.models.positions import normal_score, percentile

#: Draws for each patient.
DRAWS = 128
_STEPS = np.linspace(0.0, 1.0, 101)
#: Fewest patients whose margins tell a distribution, and by as many the correlation of two blocks is drawn to 0.
_FEWEST = 20
#: Least eigenvalue of the correlation.
_LEAST = 0.05


@dataclass(frozen=True)
class BlockMargins:
    """Distribution of the experts' margins among the training patients, as aggregates: no patient's values.

    Attributes
    ----------
    quantiles : dict of str to ndarray of float64, shape (101,)
        Per block, the quantiles of the margins (log-odds) by experts that had not seen the patient's study; ascending.
        Blocks known in fewer than 20 patients are left out.
    correlation : ndarray of float64, shape (n_blocks, n_blocks)
        Of the normal scores of the margins, in the order of `quantiles`; positive definite.

    Examples
    --------
    >>> margins = pd.DataFrame({"a": np.linspace(-1.0, 1.0, 41), "b": np.linspace(-2.0, 2.0, 41)})
    >>> one = BlockMargins.of(margins)
    >>> one.correlation.round(2).tolist()
    [[1.0, 0.67], [0.67, 1.0]]
    """

    quantiles: dict[str, np.ndarray]
    correlation: np.ndarray

    @classmethod
    def of(cls, margins: pd.DataFrame, weight: np.ndarray | None = None) -> Self:
        """Describe the margins of training patients.

        Parameters
        ----------
        margins : DataFrame of float64, shape (n_patients, n_blocks)
            Log-odds; NaN where a block is missing.
        weight : ndarray of float64, shape (n_patients,), optional
            Of each patient, positive; 1 by default.

        Returns
        -------
        BlockMargins
            Blocks are correlated over the patients who have both, drawn to 0 where they are few.

        Examples
        --------
        >>> BlockMargins.of(pd.DataFrame({"a": [0.5] * 19})).quantiles
        {}
        """
        weight = np.ones(len(margins)) if weight is None else weight
        kept = margins.loc[:, margins.notna().sum() >= _FEWEST]
        quantiles = {str(b): _quantiles(m.to_numpy(dtype=np.float64), weight) for b, m in kept.items()}
        return cls(quantiles, _correlation(_scores(kept, quantiles), weight))

    def draws(self, margins: pd.DataFrame, blocks: Sequence[str], n: int = DRAWS) -> np.ndarray:
        """Draw the margins of blocks, given those of all others that a patient has.

        Parameters
        ----------
        margins : DataFrame of float64, shape (n_patients, n_blocks)
            Log-odds by each expert; NaN where the block is missing. Values of `blocks` themselves are not read.
        blocks : sequence of str
            To be drawn, together.
        n : int, default 128
            Draws for each patient.

        Returns
        -------
        ndarray of float64, shape (n_patients, n, n_drawn_blocks)
            Log-odds; equally likely draws.

        Raises
        ------
        UsageError
            When the distribution of a block is not known, or a block is named twice, or `n` is less than 1.

        Examples
        --------
        >>> margins = pd.DataFrame({"a": np.linspace(-1.0, 1.0, 41), "b": np.linspace(-2.0, 2.0, 41)})
        >>> one = BlockMargins.of(margins)
        >>> one.draws(pd.DataFrame({"a": [-1.0, 1.0], "b": np.nan}), ["b"], 3)[:, :, 0].round(1).tolist()
        [[-2.0, -1.8, -1.4], [1.4, 1.8, 2.0]]
        """
        unknown = [b for b in blocks if b not in self.quantiles]
        if unknown or len(set(blocks)) < len(blocks) or n < 1:
            raise UsageError(
                "these blocks cannot be drawn",
                got=f"{n} draws of {listed(blocks)}",
                wanted=f"1 draw or more, each block once, of {listed(list(self.quantiles))}",
            )
        names, lattice = list(self.quantiles), ndtri(_lattice(n, len(blocks)))
        drawn = [names.index(b) for b in blocks]
        out = np.empty((len(margins), n, len(blocks)))
        others = [b for b in names if b in margins and b not in blocks]
        for given, rows in patterns(margins[others].notna()):
            at = [names.index(b) for b in given]
            part = margins.iloc[rows]
            scores = _scores(part, {b: self.quantiles[b] for b in given})
            weights = np.linalg.solve(self.correlation[np.ix_(at, at)], self.correlation[np.ix_(at, drawn)])
            left = self.correlation[np.ix_(drawn, drawn)] - self.correlation[np.ix_(drawn, at)] @ weights
            # term by term: a product of matrices adds one patient in another order than fifty, and the last bit differs
            middle = sum((s[:, None] * w for s, w in zip(scores.T, weights, strict=True)), np.zeros((1, len(drawn))))
            normal = middle[:, None, :] + lattice @ np.linalg.cholesky(left).T
            for k, b in enumerate(blocks):
                out[rows, :, k] = np.interp(ndtr(normal[:, :, k]), _STEPS, self.quantiles[b])
        return out

    def state(self) -> dict[str, Any]:
        """Return it, JSON-ready.

        Returns
        -------
        dict
            ``blocks``, and in their order ``quantiles`` and ``correlation``.

        Examples
        --------
        >>> sorted(BlockMargins.of(pd.DataFrame({"a": np.arange(20.0)})).state())
        ['blocks', 'correlation', 'quantiles']
        """
        return {
            "blocks": list(self.quantiles),
            "quantiles": [q.tolist() for q in self.quantiles.values()],
            "correlation": self.correlation.tolist(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild from `state`, of which nothing is taken on trust.

        Parameters
        ----------
        state : mapping
            From `state`.

        Returns
        -------
        BlockMargins
            Gives the same draws.

        Raises
        ------
        ModelError
            THX-R06 when it is no such state: quantiles that do not ascend or are no numbers, or no correlation.

        Examples
        --------
        >>> one = BlockMargins.of(pd.DataFrame({"a": np.arange(20.0)}))
        >>> float(BlockMargins.from_state(one.state()).quantiles["a"][50])
        9.5
        """
        try:
            blocks = [str(b) for b in state["blocks"]]
            quantiles = np.array(state["quantiles"], dtype=np.float64).reshape(len(blocks), len(_STEPS))
            correlation = np.array(state["correlation"], dtype=np.float64).reshape(len(blocks), len(blocks))
        except (TypeError, ValueError, KeyError, OverflowError):
            raise _not_ours("numbers of another shape") from None
        if len(set(blocks)) < len(blocks):
            raise _not_ours("a block that is named twice")
        if not (np.isfinite(quantiles).all() and (np.diff(quantiles, axis=1) >= 0).all()):
            raise _not_ours("quantiles that do not ascend")
        sound = np.isfinite(correlation).all() and (correlation == correlation.T).all()
        if not sound or (np.diag(correlation) != 1.0).any() or _least(correlation) < _LEAST / 2:
            raise _not_ours("correlations that cannot be")
        return cls(dict(zip(blocks, quantiles, strict=True)), correlation)


def _not_ours(got: str) -> ModelError:
    return ModelError(
        "the margins of the blocks are none that theracast writes",
        code="THX-R06",
        got=got,
        fix="Train again, or fetch the model from its registry anew.",
    )


def _scores(margins: pd.DataFrame, quantiles: Mapping[str, np.ndarray]) -> np.ndarray:
    out = np.empty((len(margins), len(quantiles)))
    for k, (b, mine) in enumerate(quantiles.items()):
        out[:, k] = normal_score(percentile(margins[b].to_numpy(dtype=np.float64), mine))
    return out


def _quantiles(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Interpolate between the middles of the weights; with equal ones as `numpy.quantile` does."""
    known = ~np.isnan(values)
    order = np.argsort(values[known], kind="stable")
    ascending, mine = values[known][order], weight[known][order]
    middle = np.cumsum(mine) - mine / 2.0
    return np.interp(_STEPS, (middle - middle[0]) / (middle[-1] - middle[0]), ascending)


def _correlation(scores: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Correlate pairwise complete columns around 0, drawn to 0 by number and then as far as makes them agree."""
    known = ~np.isnan(scores)
    filled = np.where(known, scores, 0.0)
    both = known.T.astype(np.float64) @ known
    weighed = filled * weight[:, None]
    # the variances over the patients who have both, or a pair's correlation could exceed 1
    squares = (filled * weighed).T @ known
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.nan_to_num(weighed.T @ filled / np.sqrt(squares * squares.T))
    found = np.clip(found, -1.0, 1.0) * both / (both + _FEWEST)
    found = (found + found.T) / 2.0
    np.fill_diagonal(found, 1.0)
    least = _least(found)
    if least < _LEAST:
        found *= 1.0 - (_LEAST - least) / (1.0 - least)
        np.fill_diagonal(found, 1.0)
    return found


def _least(correlation: np.ndarray) -> float:
    return float(np.linalg.eigvalsh(correlation)[0]) if len(correlation) else 1.0


def _lattice(n: int, dimensions: int) -> np.ndarray:
    """Points that fill the unit cube evenly: equal steps on the first axis, then powers of a golden ratio."""
    ratio = 1.0
    for _ in range(64):  # the positive root of x^d = x + 1, found by going round
        ratio = (1.0 + ratio) ** (1.0 / max(dimensions, 2))
    steps = np.arange(n) + 0.5
    return np.column_stack([steps / n] + [(0.5 + steps / ratio**k) % 1.0 for k in range(1, dimensions)])
