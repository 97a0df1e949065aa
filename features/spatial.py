"""Scores of cells in a tissue: distances, cross-K and cross-G, mixing, infiltration, contacts beyond chance.

One table is one image: a row per cell with ``x``, ``y`` and ``cell_type``. No border is corrected for: cells near the
edge of the image miss neighbours, so compare images of like shape. Nearest distances are scipy's k-d tree: a kernel
did not beat it by enough to be worth one, and pykdtree, twice as quick, brings GNU OpenMP, which kills every child
forked after its first query.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from theracast.checks import listed
from theracast.errors import DataError, UsageError
from theracast.kernels.space import contacts, pairs_within, permuted_contacts

_NEEDED = ("x", "y", "cell_type")


def nearest_distances(cells: pd.DataFrame) -> pd.DataFrame:
    """Distance of each cell to the nearest other cell of each type.

    Parameters
    ----------
    cells : DataFrame
        One image: ``x``, ``y``, ``cell_type``.

    Returns
    -------
    DataFrame of float64
        A row per cell, a column per type; inf where no other cell has the type.

    Examples
    --------
    >>> cells = pd.DataFrame({"x": [0.0, 3.0], "y": [0.0, 4.0], "cell_type": ["tumour", "immune"]})
    >>> nearest_distances(cells).loc[0].tolist()
    [5.0, inf]
    """
    places, codes, names = _checked(cells)
    out = np.full((len(places), len(names)), np.inf)
    for t in range(len(names)):
        mine = codes == t
        tree = cKDTree(places[mine])
        out[~mine, t] = tree.query(places[~mine])[0] if (~mine).any() else 0.0
        if mine.sum() > 1:
            out[mine, t] = tree.query(places[mine], k=2)[0][:, 1]
    return pd.DataFrame(out, index=cells.index, columns=pd.Index(names, name="cell_type"))


def cross_k(cells: pd.DataFrame, of: str, to: str, radii: Sequence[float], area: float | None = None) -> pd.DataFrame:
    """Ripley's cross-K: how many `to` cells lie within each radius of a `of` cell, over their density.

    Parameters
    ----------
    cells : DataFrame
        One image: ``x``, ``y``, ``cell_type``.
    of, to : str
        Types of cell; where both are the same, a cell is not its own neighbour.
    radii : sequence of float
        Ascending, in the unit of ``x``.
    area : float, optional
        Of the tissue; by default the rectangle around all cells.

    Returns
    -------
    DataFrame
        Per ``radius``: ``pairs``, and ``k`` (``pi r^2`` expected where both lie independently).

    Examples
    --------
    >>> cells = pd.DataFrame({"x": [0.0, 3.0], "y": [0.0, 4.0], "cell_type": ["tumour", "immune"]})
    >>> cross_k(cells, "tumour", "immune", [1, 5])
       radius  pairs     k
    0     1.0      0   0.0
    1     5.0      1  12.0
    """
    places, codes, names = _checked(cells)
    first, second = (places[codes == _code(t, names)] for t in (of, to))
    r = _radii(radii)
    found = _pairs(first, second, r)
    chances = len(first) * len(second)
    if of == to:
        found, chances = found - len(first), chances - len(first)
    size = float(np.prod(np.ptp(places, axis=0))) if area is None else float(area)
    k = found * (size / chances) if chances else np.full(r.size, np.nan)
    return pd.DataFrame({"radius": r, "pairs": found, "k": k})


def cross_g(cells: pd.DataFrame, of: str, to: str, radii: Sequence[float]) -> pd.DataFrame:
    """Share of `of` cells whose nearest `to` cell lies within each radius.

    Parameters
    ----------
    cells : DataFrame
        One image: ``x``, ``y``, ``cell_type``.
    of, to : str
        Types of cell; where both are the same, a cell is not its own neighbour.
    radii : sequence of float
        Ascending, in the unit of ``x``.

    Returns
    -------
    DataFrame
        Per ``radius``: ``g``, from 0 to 1.

    Examples
    --------
    >>> cells = pd.DataFrame({"x": [0.0, 3.0], "y": [0.0, 4.0], "cell_type": ["tumour", "immune"]})
    >>> cross_g(cells, "tumour", "immune", [1, 5])["g"].tolist()
    [0.0, 1.0]
    """
    places, codes, names = _checked(cells)
    first, second = (places[codes == _code(t, names)] for t in (of, to))
    r = _radii(radii)
    if of == to and len(first) == 1:
        nearest = np.array([np.inf])
    else:
        found = cKDTree(second).query(first, k=[2 if of == to else 1])[0]
        nearest = found[:, 0]
    shares = np.searchsorted(np.sort(nearest), r, side="right") / len(first)
    return pd.DataFrame({"radius": r, "g": shares})


def mixing_scores(cells: pd.DataFrame, tumour: str, immune: str, radius: float) -> pd.Series:
    """How far immune cells mix with tumour cells.

    Mixing is the number of tumour-immune neighbour pairs over that of immune-immune pairs (Keren 2018,
    DOI 10.1016/j.cell.2018.08.039); infiltration is the share of immune cells with a tumour cell within `radius`.

    Parameters
    ----------
    cells : DataFrame
        One image: ``x``, ``y``, ``cell_type``.
    tumour, immune : str
        Types of cell.
    radius : float
        Cells at most so far apart are neighbours.

    Returns
    -------
    Series of float64
        ``mixing`` (NaN where no two immune cells are neighbours: Keren calls such a tumour cold) and
        ``infiltration``.

    Examples
    --------
    >>> cells = pd.DataFrame({"x": [0.0, 1.0, 2.0, 9.0], "y": 0.0, "cell_type": ["t", "i", "i", "i"]})
    >>> mixing_scores(cells, "t", "i", radius=1).round(3).tolist()
    [1.0, 0.333]
    """
    across = int(cross_k(cells, immune, tumour, [radius], area=1.0)["pairs"].iloc[0])
    within = int(cross_k(cells, immune, immune, [radius], area=1.0)["pairs"].iloc[0]) // 2
    near = float(cross_g(cells, immune, tumour, [radius])["g"].iloc[0])
    return pd.Series({"mixing": across / within if within else np.nan, "infiltration": near})


def contact_scores(cells: pd.DataFrame, radius: float, permutations: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Contacts between types of cells against what shuffled types would give.

    Parameters
    ----------
    cells : DataFrame
        One image: ``x``, ``y``, ``cell_type``.
    radius : float
        Cells at most so far apart are neighbours.
    permutations : int, default 1000
        Shuffles of the types among the cells.
    seed : int, default 0
        Of the shuffles; the same seed gives the same result on any number of threads.

    Returns
    -------
    DataFrame
        A row per ordered pair of types: ``of``, ``to``, ``count``, ``expected``, ``z`` (NaN where shuffling never
        changes the count).

    Examples
    --------
    >>> cells = pd.DataFrame({"x": [0.0, 1.0, 8.0, 9.0], "y": 0.0, "cell_type": ["a", "a", "b", "b"]})
    >>> contact_scores(cells, radius=1)[["of", "to", "count"]].values.tolist()
    [['a', 'a', 2], ['a', 'b', 0], ['b', 'a', 0], ['b', 'b', 2]]
    """
    if permutations < 2:
        raise UsageError("permutations must be at least 2", got=str(permutations))
    if seed < 0:
        raise UsageError("seed must not be negative", got=str(seed))
    places, codes, names = _checked(cells)
    reach = float(_radii([radius])[0])
    order = np.lexsort((codes, places[:, 0], places[:, 1] // max(reach, 1e-9)))  # rows in any order, same shuffles
    places, codes = places[order], codes[order]
    pairs = cKDTree(places).query_pairs(reach, output_type="ndarray")
    starts, others = _listed_once(pairs, len(places))
    found = contacts(starts, others, codes, len(names))
    drawn = permuted_contacts(starts, others, codes, len(names), permutations, seed)
    mean, spread = drawn.mean(axis=0), drawn.std(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(spread > 0, (found - mean) / spread, np.nan)
    of, to = np.repeat(names, len(names)), np.tile(names, len(names))
    return pd.DataFrame({"of": of, "to": to, "count": found.ravel(), "expected": mean.ravel(), "z": z.ravel()})


def _checked(cells: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    missing = [c for c in _NEEDED if c not in cells]
    if missing:
        raise DataError(f"columns {listed(missing)} are missing", where="cells", wanted=", ".join(_NEEDED))
    if cells.empty:
        raise DataError("there are no cells", where="cells")
    try:
        places = cells[["x", "y"]].to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError("x and y must be numbers", where="cells") from error
    bad = ~(np.abs(places) < 1e9).all(axis=1) | cells["cell_type"].isna().to_numpy()
    if bad.any():
        raise DataError(
            "x, y or cell_type are missing or not finite",
            where=f"cells, rows {listed(np.flatnonzero(bad) + 1)}",
            fix="Drop these cells.",
        )
    codes, names = pd.factorize(cells["cell_type"], sort=True)
    return places, codes.astype(np.uint8 if len(names) < 256 else np.int64), np.asarray(names, dtype=object)


def _code(name: str, names: np.ndarray) -> int:
    found = np.flatnonzero(names == name)
    if not found.size:
        raise DataError(f"no cell has the type {name!r}", where="cells:cell_type", wanted=listed(names))
    return int(found[0])


def _radii(radii: Sequence[float]) -> np.ndarray:
    r = np.asarray(radii, dtype=np.float64)
    if r.ndim != 1 or not r.size or not (np.isfinite(r) & (r >= 0)).all() or (np.diff(r) < 0).any():
        raise UsageError("radii must be finite, not negative and ascending", wanted="at least one radius")
    return r


def _pairs(first: np.ndarray, second: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Sort both into squares (the queries too: neighbours then share the cache) and count."""
    low = second.min(axis=0)
    extent = second.max(axis=0) - low
    # as fine as half of the reach, but not many more squares than points
    side = max(radii[-1] / 2, float(np.sqrt(extent[0] * extent[1] / len(second))) / 2, extent.max() / 10_000, 1e-9)
    columns, lines = (int(v) + 1 for v in extent // side)
    squares = _square(second, low, side, columns, lines)
    starts = np.concatenate([[0], np.cumsum(np.bincount(squares, minlength=columns * lines))]).astype(np.int64)
    grid = np.array([low[0], low[1], side, columns, lines])
    order = np.argsort(squares, kind="stable")
    queries = first[np.argsort(_square(first, low, side, columns, lines), kind="stable")]
    return pairs_within(queries, second[order], starts, grid, radii)


def _square(places: np.ndarray, low: np.ndarray, side: float, columns: int, lines: int) -> np.ndarray:
    at = np.clip(np.floor((places - low) / side), 0, [columns - 1, lines - 1]).astype(np.int64)
    return (at[:, 1] * columns + at[:, 0]).astype(np.min_scalar_type(columns * lines))  # two bytes sort fastest


def _listed_once(pairs: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """List each pair under its lower cell."""
    once = csr_array((np.ones(len(pairs), dtype=np.int8), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    return once.indptr.astype(np.int64), once.indices.astype(np.int32)
