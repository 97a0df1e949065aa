"""The one place that spells numba's options.

``NUMBA_DISABLE_JIT=1`` runs every kernel as plain Python (debugging, coverage); ``NUMBA_NUM_THREADS`` caps the threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

#: No `nnan`, no `ninf`: omics is full of NaN, and full fast-math deletes the code that skips it.
FLAGS = {"nsz", "arcp", "contract", "afn", "reassoc"}


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a kernel: parallel, cached on disk where that is possible.

    numba finds no place for a cache when the package runs from a zip file or a read-only folder and raises at
    import; there the kernel is compiled anew in each process.

    Parameters
    ----------
    function : callable
        A function of arrays in the subset of Python that numba compiles.

    Returns
    -------
    callable
        The compiled kernel, same signature.

    Examples
    --------
    >>> import numpy as np
    >>> from numba import prange
    >>> @kernel
    ... def total(values):
    ...     out = 0.0
    ...     for i in prange(values.size):
    ...         out += values[i]
    ...     return out
    >>> float(total(np.array([1.0, 2.0])))
    3.0
    """
    options = {"parallel": True, "nogil": True, "fastmath": FLAGS, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:
        return numba.njit(cache=False, **options)(function)
