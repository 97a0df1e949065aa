"""The nasty inputs of every kernel of series: values, clocks, and where segments are cut."""

import numpy as np


def walk(n):
    return 100 + np.cumsum(np.random.default_rng(3).normal(0, 10, n))


def holes(n):
    values = walk(n)
    values[np.random.default_rng(4).random(n) < 0.2] = np.nan
    return values


def frozen(values):
    values.setflags(write=False)
    return values


SERIES = {
    "plain": walk(60),
    "empty": walk(0),
    "one": walk(1),
    "two": walk(2),
    "ties": np.full(40, 70.0),
    "holes": holes(60),
    "all NaN": np.full(30, np.nan),
    "inf": np.where(np.arange(50) % 11 == 3, np.inf, walk(50)),
    "minus inf": np.full(9, -np.inf),
    "float32": walk(60).astype(np.float32),
    "strided": walk(120)[::2],
    "reversed": walk(60)[::-1],
    "read-only": frozen(walk(60)),
    "huge": walk(60) * 1e140,
    "tiny": walk(60) * 1e-140,
}
#: Values that a grid can be read from.
FINITE = {k: v for k, v in SERIES.items() if np.isfinite(v).all()}
CLOCKS = {
    "steady": lambda n: 300 * np.arange(n),
    "off the grid": lambda n: 300 * np.arange(n) + 77,
    "uneven": lambda n: np.cumsum(np.random.default_rng(5).choice([290, 300, 310, 900, 4000], n)),
    "before 1970": lambda n: 290 * np.arange(n) - 9_000,
    "sparse": lambda n: 5000 * np.arange(n) ** 2 // 7 + np.arange(n),
    "seconds": lambda n: np.arange(n) * 2,
    "nanoseconds": lambda n: 300 * np.arange(n) + 1_714_521_600_000_000_000,
    "strided": lambda n: (300 * np.arange(2 * n))[::2],
    "read-only": lambda n: frozen(300 * np.arange(n)),
}
#: As `CLOCKS`, with a sparse one that a slow twin can walk.
WALKED = CLOCKS | {"sparse": lambda n: CLOCKS["sparse"](n)[:20]}


def cuts(n):
    return [np.array([0, n]), np.array([0, n // 3, n // 3, n]), np.array([0])]
