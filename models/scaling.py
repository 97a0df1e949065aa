"""Scaling: native units into numbers of one scale, gaps filled, and what a gap itself may say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

#: Standardised values beyond this are as good as this: one outlier must not carry a patient.
_CLIP = 3.0
#: That a value is missing is learned from only where this many patients, and this share of them, lack it, and have it.
_LEARNABLE, _LEARNABLE_SHARE = 20, 0.1


@dataclass(frozen=True)
class Scaling:
    """What turns native units into numbers of one scale, gaps filled.

    Attributes
    ----------
    centre, spread, fill : ndarray of float64, shape (p,)
        Mean and standard deviation of the known values, and their median, which stands in where a value is missing.
        A spread of 0: the feature says nothing.
    gaps : ndarray of int, shape (g,)
        Features of which it is also learned that they were missing.
    gap_rate : ndarray of float64, shape (g,)
        Share of patients who lacked them.

    Examples
    --------
    >>> Scaling.of(np.array([[0.0], [2.0], [np.nan]])).apply(np.array([[2.0], [np.nan]])).tolist()
    [[1.0], [0.0]]
    """

    centre: np.ndarray
    spread: np.ndarray
    fill: np.ndarray
    gaps: np.ndarray
    gap_rate: np.ndarray

    @classmethod
    def of(cls, X: np.ndarray) -> Self:
        """Learn from patients.

        Parameters
        ----------
        X : ndarray of float64, shape (n, p)
            NaN where not known.

        Returns
        -------
        Scaling
            Gaps that always come together are learned from once.

        Examples
        --------
        >>> Scaling.of(np.array([[1.0, np.nan], [3.0, np.nan]])).spread.tolist()
        [1.0, 0.0]
        """
        missing = np.isnan(X)
        known = len(X) - missing.sum(axis=0)
        usable = known > 1
        centre, spread, fill = np.zeros((3, X.shape[1]))
        if usable.any():
            some = X[:, usable]
            centre[usable], fill[usable] = np.nanmean(some, axis=0), np.nanmedian(some, axis=0)
            spread[usable] = np.nanstd(some, axis=0)
            # rounding leaves a spread to what is the same for everyone
            spread[usable] *= np.nanmax(some, axis=0) > np.nanmin(some, axis=0)
        least = max(_LEARNABLE, _LEARNABLE_SHARE * len(X))
        told = np.flatnonzero(np.minimum(known, len(X) - known) >= least)
        gaps = told[np.sort(np.unique(missing[:, told], axis=1, return_index=True)[1])]
        return cls(centre, spread, fill, gaps, missing[:, gaps].mean(axis=0))

    def apply(self, X: np.ndarray) -> np.ndarray:
        """Standardise.

        Parameters
        ----------
        X : ndarray of float64, shape (n, p)
            NaN where not known.

        Returns
        -------
        ndarray of float64, shape (n, p + g)
            Within -3 to 3, no NaN.

        Examples
        --------
        >>> Scaling.of(np.array([[0.0], [2.0]])).apply(np.array([[99.0]])).tolist()
        [[3.0]]
        """
        missing = np.isnan(X)
        spread = np.where(self.spread > 0, self.spread, np.inf)
        values = (np.where(missing, self.fill, X) - self.centre) / spread
        told = (missing[:, self.gaps] - self.gap_rate) / np.sqrt(self.gap_rate * (1 - self.gap_rate))
        return np.clip(np.hstack([values, told]), -_CLIP, _CLIP)

    @property
    def live(self) -> int:
        """Count what says something.

        Returns
        -------
        int
            Features that differ between patients, and gaps that are learned from.

        Examples
        --------
        >>> Scaling.of(np.array([[0.0, 1.0], [2.0, 1.0]])).live
        1
        """
        return int((self.spread > 0).sum()) + len(self.gaps)

    def state(self) -> dict[str, Any]:
        """Return the numbers, JSON-ready.

        Returns
        -------
        dict
            Of lists.

        Examples
        --------
        >>> sorted(Scaling.of(np.array([[0.0], [2.0]])).state())
        ['centre', 'fill', 'gap_rate', 'gaps', 'spread']
        """
        return {name: getattr(self, name).tolist() for name in ("centre", "spread", "fill", "gaps", "gap_rate")}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild from `state`.

        Parameters
        ----------
        state : mapping
            From `state`.

        Returns
        -------
        Scaling
            The same numbers, to the bit.

        Examples
        --------
        >>> Scaling.from_state(Scaling.of(np.array([[0.0], [2.0]])).state()).centre.tolist()
        [1.0]
        """
        kinds = {"gaps": np.int64}
        return cls(**{name: np.array(v, dtype=kinds.get(name, np.float64)) for name, v in state.items()})
