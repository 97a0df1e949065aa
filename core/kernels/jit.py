"""The one place that spells numba's options.

``NUMBA_DISABLE_JIT=1`` runs every kernel as plain Python (debugging, coverage). ``NUMBA_NUM_THREADS``, or where that is
not set ``OMP_NUM_THREADS``, caps the threads.

Kernels survive fork (multiprocessing, Spark workers, servers) and calls from several threads at once. numba's first
choice on Linux, GNU OpenMP, kills every child forked after a kernel ran; its TBB layer needs a library outside numba
and hangs in a child forked while another thread computes. Its workqueue layer starts afresh in every child but aborts
when two threads enter it: so kernels run on workqueue, one at a time, and fork waits for the one that runs. A kernel
uses all threads by itself, so that taking turns costs nothing. Turns are among theracast's kernels only: a process that
runs another library's parallel numba code in a second thread at the same time should install TBB and set
``NUMBA_THREADING_LAYER=tbb``. That variable, and ``NUMBA_THREADING_LAYER_PRIORITY``, are obeyed.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Set
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import numba
from numba.core.registry import CPUDispatcher
from numba.np.ufunc import parallel as threads

#: No `nnan`, no `ninf`: omics is full of NaN, and full fast-math deletes the code that skips it.
FLAGS = frozenset({"nsz", "arcp", "contract", "afn", "reassoc"})

_cap = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
if "NUMBA_NUM_THREADS" not in os.environ and _cap.isdecimal() and not threads._is_initialized:
    # numba copied its number of threads when it was imported: both places must say the same
    threads.NUM_THREADS = numba.config.NUMBA_NUM_THREADS = max(1, min(int(_cap), threads.NUM_THREADS))
if not {"NUMBA_THREADING_LAYER", "NUMBA_THREADING_LAYER_PRIORITY"} & set(os.environ):
    numba.config.THREADING_LAYER_PRIORITY = ["workqueue", "tbb", "omp"]

_turn = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_turn.acquire, after_in_parent=_turn.release, after_in_child=_turn.release)


class _InTurn(CPUDispatcher):
    """A compiled kernel that runs alone."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with _turn:
            return super().__call__(*args, **kwargs)


@cache
def _sources() -> str:
    """Digest of all kernels' sources, this file's flags among them."""
    # through the importer: inside an archive there is no folder to list
    sources = sorted((f for f in files(__package__).iterdir() if f.name.endswith(".py")), key=lambda f: f.name)
    return sha256(b"\0".join(f.read_bytes() for f in sources)).hexdigest()


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a kernel: parallel, cached on disk where that is possible.

    numba finds no place for a cache when the package runs from a wheel or a read-only folder and raises at import; from
    a file named ``*.zip`` it takes the user's cache folder, and raises at the first call when that cannot be written,
    as on many clusters. There the kernel is compiled anew in each process, to the same numbers. A cache remembers the
    name of its module, and one written under another name (``core.kernels`` for ``theracast.kernels``) would break
    every later import: only modules under their installed name are cached.

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
    ... def doubled(values):
    ...     out = np.empty(values.size)
    ...     for i in prange(values.size):
    ...         out[i] = 2 * values[i]
    ...     return out
    >>> doubled(np.array([1.0, 2.0])).tolist()
    [2.0, 4.0]
    """
    return compiled(function, parallel=True)


def helper(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a small function that kernels call for one row: serial, inlined by the compiler.

    Parameters
    ----------
    function : callable
        A function of scalars and arrays.

    Returns
    -------
    callable
        The compiled function, same signature.

    Examples
    --------
    >>> @helper
    ... def half(x):
    ...     return x / 2
    >>> half(3.0)
    1.5
    """
    return compiled(function, parallel=False)


def strict(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a helper whose arithmetic is kept as written, where one last digit decides.

    Parameters
    ----------
    function : callable
        A function of scalars and arrays.

    Returns
    -------
    callable
        The compiled function, same signature.

    Examples
    --------
    >>> @strict
    ... def tenth(x):
    ...     return x / 10  # never x * 0.1
    >>> tenth(3.0)
    0.3
    """
    return compiled(function, parallel=False, flags=frozenset())


def compiled(function: Callable[..., Any], parallel: bool, flags: Set[str] = FLAGS) -> Callable[..., Any]:
    """Compile with the house's flags; the cache falls back where none can be written.

    Parameters
    ----------
    function : callable
        What to compile.
    parallel : bool
        Whether ``prange`` runs on several threads.
    flags : set of str
        What the compiler may do to arithmetic, among `FLAGS`.

    Returns
    -------
    callable
        Compiled at its first call, never at import.

    Examples
    --------
    >>> compiled(lambda x: x + 1, parallel=False)(1)
    2
    """
    options: dict[str, Any] = {"parallel": parallel, "nogil": True, "fastmath": set(flags), "error_model": "numpy"}
    if not function.__module__.startswith("theracast."):
        made = numba.njit(**options)(function)
    else:
        try:
            made = numba.njit(cache=True, **options)(function)
            _try_cache(made)
        except (RuntimeError, ValueError, OSError):
            made = numba.njit(**options)(function)
        # numba asks whether the kernel's own file has changed; a helper may stand in another
        stored = getattr(getattr(made, "_cache", None), "_cache_file", None)
        if stored is not None:
            stored._source_stamp = (stored._source_stamp, _sources())
    if parallel and isinstance(made, CPUDispatcher):  # not so under NUMBA_DISABLE_JIT
        made.__class__ = _InTurn
    return made


def _try_cache(made: Any) -> None:
    """Raise OSError where numba would only find at the first call that its folder for an archive cannot be written."""
    if isinstance(made, CPUDispatcher) and not Path(__file__).exists():
        place = Path(made._cache.cache_path)
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            pass
