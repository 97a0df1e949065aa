"""A picture of what is missing: patients down, features across, legible for twenty columns and for twenty thousand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from theracast.features.coverage import known_by_patient

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from theracast.features.matrix import FeatureMatrix

#: State of a cell and its colour: after Okabe and Ito, apart in lightness too, so that a grey print can be read.
STATES = {"missing": "#E4E4E4", "measured": "#0072B2", "by proxy": "#E69F00", "censored": "#44224A"}
#: Up to so many features each column of the picture is named.
NAMED = 60
#: Pixels of the picture that blocks and studies share.
WIDE, HIGH = 1000, 640
#: Cells that are coloured in one go.
CELLS = 4_000_000
#: Least share of the width or height that a block or a study gets.
LEAST = 0.025


def draw(matrix: FeatureMatrix) -> Figure:
    """Draw it: the work of `FeatureMatrix.plot_missing`.

    A cell of the picture stands for one value, or, where there are more values than pixels, for the mean colour of
    those beneath it. Within a study patients are sorted by the blocks they have and by how much is known of them.

    Parameters
    ----------
    matrix : FeatureMatrix
        Any size; it is looked through in parts.

    Returns
    -------
    matplotlib Figure
        Made without pyplot: ``figure.savefig("missing.png")``.

    Examples
    --------
    >>> from theracast import FeatureAssembler, load_cohort
    >>> c = load_cohort("riaz2017_mel")
    >>> figure = draw(FeatureAssembler(["clinical", "pathology"]).fit(c).matrix(c))
    >>> [len(text.get_texts()) for text in figure.legends]
    [4]
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    blocks = {b: matrix.block(b).shape[1] for b in matrix.blocks}
    blocks = {b: n for b, n in blocks.items() if n}
    names = matrix.studies.to_numpy(dtype=object)
    studies = {s: np.flatnonzero(names == s) for s in dict.fromkeys(names)}
    known = {b: known_by_patient(matrix.block(b)) for b in blocks}
    few = sum(blocks.values()) <= NAMED
    figure = Figure(figsize=(12, 8.4 if few else 7.2), facecolor="white", layout="constrained")
    axes = figure.add_subplot()
    across = _shares({b: n if few else np.sqrt(n) for b, n in blocks.items()}, WIDE)
    down = _shares({s: np.sqrt(len(rows)) for s, rows in studies.items()}, HIGH)
    for study, rows in studies.items():
        order = _sorted_patients({b: k[rows] for b, k in known.items()})
        for block in blocks:
            _panel(axes, matrix, block, rows[order], across[block], down[study])
    _label(axes, matrix, {b: (n, known[b]) for b, n in blocks.items()}, across, few)
    axes.set_yticks([sum(down[s]) / 2 for s in studies], [f"{s}\nn = {len(rows)}" for s, rows in studies.items()])
    axes.set(xlim=(0, WIDE), ylim=(HIGH, 0))
    axes.tick_params(length=0, labelsize=9)
    axes.spines[:].set_visible(False)
    patches = [Patch(facecolor=c, edgecolor="#767676", linewidth=0.5, label=s) for s, c in STATES.items()]
    figure.legend(handles=patches, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    return figure


def _shares(weights: dict[str, float], pixels: int, gap: int = 6) -> dict[str, tuple[float, float]]:
    """Divide the pixels by weight, nobody below the least share; return where each begins and ends."""
    if not weights:
        return {}
    share = np.array(list(weights.values()), dtype=np.float64)
    share = np.maximum(share / share.sum(), min(LEAST, 0.5 / len(weights)))
    room = share / share.sum() * (pixels - gap * (len(weights) - 1))
    ends = np.cumsum(room + gap) - gap
    return {name: (end - r, end) for name, end, r in zip(weights, ends, room, strict=True)}


def _sorted_patients(known: dict[str, np.ndarray]) -> np.ndarray:
    counts = np.array(list(known.values())).T
    keys = [-counts.sum(axis=1), *(-(counts[:, ::-1] > 0).T.astype(int))]
    return np.lexsort(keys)


def _panel(
    axes: Axes,
    matrix: FeatureMatrix,
    block: str,
    rows: np.ndarray,
    across: tuple[float, float],
    down: tuple[float, float],
) -> None:
    """Colour the cells of one block in one study."""
    from matplotlib.colors import to_rgb

    colours = np.array([to_rgb(c) for c in STATES.values()])
    values = matrix.block(block)
    high, wide = (max(1, round(2 * (end - begin))) for begin, end in (down, across))
    row_starts, column_starts = _starts(len(rows), high), _starts(values.shape[1], wide)
    picture = np.empty((len(row_starts), len(column_starts), 3))
    step = max(1, CELLS // max(1, len(rows)) * len(column_starts) // values.shape[1])
    for first in range(0, len(column_starts), step):
        starts = column_starts[first : first + step]
        ends = [*column_starts, values.shape[1]]
        part = values.iloc[rows, starts[0] : ends[first + len(starts)]]
        states = _states(matrix, part, rows)
        cells = np.zeros((len(row_starts), len(starts), 3))
        for state, colour in enumerate(colours):
            mine = np.add.reduceat((states == state).astype(np.float32), row_starts, axis=0)
            mine = np.add.reduceat(mine, starts - starts[0], axis=1)
            cells += mine[:, :, None] * colour
        picture[:, first : first + len(starts)] = cells
    many = np.diff([*row_starts, len(rows)])[:, None] * np.diff([*column_starts, values.shape[1]])[None, :]
    axes.imshow(
        np.clip(picture / many[:, :, None], 0, 1),
        extent=(*across, down[1], down[0]),
        interpolation="nearest",
        aspect="auto",
    )


def _starts(n: int, pixels: int) -> np.ndarray:
    """Where each of at most so many bins of n things begins."""
    bins = min(n, pixels)
    return np.arange(bins) * n // max(1, bins)


def _states(matrix: FeatureMatrix, part: pd.DataFrame, rows: np.ndarray) -> np.ndarray:
    states = part.notna().to_numpy().astype(np.int8)
    for state, mask in ((2, matrix.proxies), (3, matrix.limits)):
        for at in np.flatnonzero(part.columns.isin(mask.columns)):
            on = mask[part.columns[at]].to_numpy()[rows] != 0
            states[on & (states[:, at] > 0), at] = state
    return states


def _label(
    axes: Axes,
    matrix: FeatureMatrix,
    blocks: dict[str, tuple[int, np.ndarray]],
    across: dict[str, tuple[float, float]],
    few: bool,
) -> None:
    """Name the blocks above and, where there is room, the features below."""
    crowded = any(end - begin < 90 for begin, end in across.values())
    for block, (n, known) in blocks.items():
        share = known.sum() / max(1, n * len(known))
        text = f"{block} ({n:,}): {share:.0%} known" if crowded else f"{block}\n{n:,} features\n{share:.0%} known"
        turned = {"rotation": 40, "ha": "left", "rotation_mode": "anchor"} if crowded else {"ha": "center"}
        axes.text(sum(across[block]) / 2, -8, text, va="bottom", fontsize=9, **turned)
    ticks = [
        (begin + (end - begin) * (i + 0.5) / n, name)
        for (block, (n, _)), (begin, end) in zip(blocks.items(), across.values(), strict=True)
        for i, name in enumerate(c.removeprefix(f"{block}__") for c in matrix.block(block).columns)
        if few
    ]
    axes.set_xticks([t for t, _ in ticks], [name for _, name in ticks], rotation=90)
