"""The picture of a molecular fingerprint: one strip per block, and what each block does to each therapy.

Across a strip runs the reference cohort on a normal scale, so that its ends are not crowded: the dark band holds its
middle 50%, the light one its middle 90%. A block without a value is hatched: it has no place, least of all the middle.
"""

from __future__ import annotations

import re
from textwrap import wrap
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from theracast.errors import UsageError
from theracast.models.fingerprint import NO_REFERENCE, NOT_MEASURED, OUTER, Fingerprint, by_block
from theracast.models.positions import normal_score
from theracast.predict.report.plots import INK, STYLE, TIP
from theracast.predict.report.printed import PALETTE, readable, value_in

#: A block with more known features than this is drawn as a density.
DOTS = 40
#: Therapies that have a column, on a page and on a phone; the others are left to the table.
COLUMNS, COLUMNS_PHONE = 4, 3
#: Features of a block that are all named, wherever they stand.
_FEW = 3
_NAMED = 3
_EDGE = 2.9
_UP, _DOWN = PALETTE[0], PALETTE[1]
_TICKS = (1, 5, 25, 50, 75, 95, 99)
_SMALL = 7.4
_SCALE, _LONG = re.compile(r"\d ?[-–] ?\d"), 12


def fingerprint_figure(
    fingerprint: Fingerprint,
    patient_id: str,
    drivers: pd.DataFrame | None = None,
    *,
    phone: bool = False,
    unit: str = "log-odds",
) -> Figure:
    """Draw where a patient stands against the reference cohort, block by block.

    Parameters
    ----------
    fingerprint : Fingerprint
        Of several patients.
    patient_id : str
        One of them; the id is not written into the figure.
    drivers : DataFrame of float, shape (n_therapies, n_features), optional
        Contribution of each feature to the margin of each therapy for this patient (positive = towards response),
        therapies in the order of their ranks; the first `COLUMNS` are drawn, summed over blocks.
    phone : bool, default False
        Draw for a width of 390 pixels rather than 700: labels above the strips, therapies below them.
    unit : str, default "log-odds"
        Of `drivers`.

    Returns
    -------
    Figure
        For `to_svg` and `to_png` of `theracast.predict.report.plots`.

    Raises
    ------
    UsageError
        When there is no such patient, or `drivers` hold a feature that the fingerprint does not.

    Examples
    --------
    >>> from theracast import ResponseModel, load_cohort
    >>> from theracast.models.fingerprint import fingerprint
    >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
    >>> f = fingerprint(model.matrix(load_cohort("riaz2017_mel")), model.reference_)
    >>> len(fingerprint_figure(f, "Pt1").axes)
    1
    """
    rows = _rows(fingerprint, patient_id, drivers)
    sums = None if drivers is None or drivers.empty else by_block(drivers).reindex(columns=list(rows.index))
    shown = None if sums is None else sums.iloc[: COLUMNS_PHONE if phone else COLUMNS]
    n, tall = len(rows), 0.72 if phone else 0.60
    below, above = 1.05 if phone else 0.88 if rows.known.max() > DOTS else 0.72, 0.10
    head = 0.0 if shown is None else 0.145 * max(len(_title(t)) for t in shown.index) + 0.06
    grid = 0.0 if shown is None or not phone else 0.42 * n + head + 0.45
    width, height = 3.6 if phone else 7.2, tall * n + below + grid + (above if phone else max(above, head))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height))
        span = (0.02, 0.98) if phone else (0.24, 0.98) if shown is None else (0.24, 0.60)
        bottom = (below + grid) / height
        ax = figure.add_axes((span[0], bottom, span[1] - span[0], tall * n / height))
        _draw_strips(ax, fingerprint, rows, patient_id, phone)
        if shown is not None:
            left, right = (0.30, 0.99) if phone else (0.62, 0.995)
            place = (0.45 / height, 0.42 * n / height) if phone else (bottom, tall * n / height)
            more = len(sums) - len(shown) if sums is not None else 0
            _draw_drivers(figure, shown, (left, place[0], right - left, place[1]), unit, more, phone)
    return figure


def fingerprint_words(
    fingerprint: Fingerprint, patient_id: str, drivers: pd.DataFrame | None = None, unit: str = "log-odds"
) -> str:
    """Say what `fingerprint_figure` shows, for a reader who cannot see it.

    Parameters
    ----------
    fingerprint : Fingerprint
        Of several patients.
    patient_id : str
        One of them; the id is not said.
    drivers : DataFrame of float, shape (n_therapies, n_features), optional
        As there.
    unit : str, default "log-odds"
        Of `drivers`.

    Returns
    -------
    str
        A sentence per block, and one per therapy, all of them.

    Raises
    ------
    UsageError
        As there.

    Examples
    --------
    >>> from theracast import ResponseModel, load_cohort
    >>> from theracast.models.fingerprint import fingerprint
    >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
    >>> f = fingerprint(model.matrix(load_cohort("riaz2017_mel")), model.reference_)
    >>> "mutations: not measured." in fingerprint_words(f, "Pt1")
    True
    """
    rows = _rows(fingerprint, patient_id, drivers)
    parts = [f"Molecular fingerprint against {fingerprint.cohort or 'the reference cohort'}."]
    for block, row in rows.iterrows():
        if row.state in (NOT_MEASURED, NO_REFERENCE):
            parts.append(f"{readable(str(block))}: {row.state}.")
            continue
        said = [f"{side}: {_listed(names)}" for side, names in (("low", row.low), ("high", row.high)) if names]
        named = f" ({'; '.join(said)})" if said else ""
        parts.append(f"{readable(str(block))}: {row.known} of {row.features} known, {_outside(row)}{named}.")
    if drivers is not None:
        for therapy, sums in by_block(drivers).reindex(columns=list(rows.index)).iterrows():
            each = ", ".join(f"{readable(str(b))} {_amount(v)}" for b, v in sums.items())
            parts.append(f"Contributions to {therapy}, {unit}: {each}.")
    return " ".join(parts)


def _rows(fingerprint: Fingerprint, patient_id: str, drivers: pd.DataFrame | None) -> pd.DataFrame:
    """List the blocks of a patient, with the names to be written on either side."""
    if patient_id not in fingerprint.percentiles.index:
        raise UsageError("no such patient in the fingerprint", fix="Check the id.")
    weight = pd.Series(0.0, index=fingerprint.percentiles.columns)
    if drivers is not None:
        foreign = drivers.columns.difference(weight.index)
        if len(foreign):
            raise UsageError("a driver is no feature of the fingerprint", got=str(foreign[0]))
        weight = drivers.abs().max().reindex(weight.index).fillna(0.0)
    rows = fingerprint.blocks.xs(patient_id, level="patient_id").copy()
    named = [_names(fingerprint, patient_id, str(b), weight) for b in rows.index]
    rows["low"], rows["high"] = ([side[i] for side in named] for i in (0, 1))
    return rows


def _names(fingerprint: Fingerprint, patient_id: str, block: str, weight: pd.Series) -> tuple[list[str], list[str]]:
    """Choose what is named: what lies beyond the cohort and what counts most; of few features, all."""
    places = fingerprint.percentiles.loc[patient_id]
    places = places[places.index.str.startswith(f"{block}__") & places.notna()]
    order = pd.DataFrame({"weight": -weight[places.index], "far": -(places - 50).abs(), "name": places.index})
    ranked = order.sort_values(["weight", "far", "name"]).index
    beyond = fingerprint.beyond.loc[patient_id, ranked] != 0
    heaviest = [f for f in ranked[:1] if weight[f] > 0]
    chosen = set(ranked) if len(ranked) <= _FEW else {*ranked[beyond], *heaviest}
    values = fingerprint.values.loc[patient_id]
    below, above = (
        [
            f"{readable(f)} {_measured(fingerprint.units.get(f, ''), values[f])}"
            for f in ranked
            if mine[f] and f in chosen
        ]
        for mine in (places < 50, places >= 50)
    )
    return below, above


def _measured(unit: str, value: float) -> str:
    """Write a value; what is no unit but a scale, or takes a line of its own, is left to the table."""
    return value_in("" if unit != "0/1" and (_SCALE.search(unit) or len(unit) > _LONG) else unit, value)


def _listed(names: list[str], room: float = np.inf) -> str:
    """Join as many names as there is room for, in characters; at least one."""
    for count in range(min(_NAMED, len(names)), 0, -1):
        more = [f"{len(names) - count} more"] if len(names) > count else []
        text = ", ".join(names[:count] + more)
        if len(text) <= room:
            return text
    return text[: int(room) - 1] + "…" if names else ""


def _outside(row: pd.Series) -> str:
    count = round(row.beyond * row.known)
    return f"{count or 'none'} outside the middle {OUTER[1] - OUTER[0]:.0f}%"


def _draw_strips(ax: Any, fingerprint: Fingerprint, rows: pd.DataFrame, patient_id: str, phone: bool) -> None:
    ax.set(xlim=(-_EDGE, _EDGE), ylim=(len(rows) - 0.5, -0.5), yticks=[])
    ax.set_xticks(normal_score(np.array(_TICKS)), [str(t) for t in _TICKS])
    ax.set_xlabel("percentile in the reference cohort", labelpad=2, fontsize=8)
    ax.patch.set_visible(False)
    ax.spines[["left", "right", "top"]].set_visible(False)
    ax.tick_params(labelsize=_SMALL, length=3)
    half, points = 0.20, ax.get_position().width * ax.figure.get_figwidth() * 72
    marks: set[str] = set()
    for y, (block, row) in enumerate(rows.iterrows()):
        middle = y + 0.02 if phone else y - 0.06
        _name(ax, middle, str(block), row, phone)
        if row.state in (NOT_MEASURED, NO_REFERENCE):
            gap = 36 * 2 * _EDGE / points  # for the words
            for x in (-_EDGE, gap):
                frame = Rectangle((x, middle - half), _EDGE - gap, 2 * half, fill=False, ec=INK, lw=0, hatch="/////")
                frame.set_alpha(0.45)
                ax.add_patch(frame)
            ax.text(0, middle, row.state, ha="center", va="center", fontsize=8.4, style="italic")
            continue
        for reach, alpha in ((1.645, 0.11), (0.674, 0.15)):
            ax.add_patch(Rectangle((-reach, middle - half), 2 * reach, 2 * half, color=INK, alpha=alpha, lw=0))
        ax.plot([0, 0], [middle - half, middle + half], color=INK, lw=0.8, alpha=0.7)
        marks |= _draw_features(ax, fingerprint, str(block), patient_id, middle, half, points)
        room = points / 4.3 - 2  # mean width of a character in this size
        split = room * np.clip(len(_listed(row.low)) / max(len(_listed(row.low) + _listed(row.high)), 1), 0.4, 0.6)
        low = _listed(row.low, split if row.high else room)
        high = _listed(row.high, room - split if row.low else room)
        for text, x, side in ((low, 0.0, "left"), (high, 1.0, "right")):
            ax.text(
                x, middle + half + 0.14, text, ha=side, va="center", fontsize=_SMALL, transform=ax.get_yaxis_transform()
            )
    _key(ax, marks, phone)


def _name(ax: Any, y: float, block: str, row: pd.Series, phone: bool) -> None:
    known = f"{row.known} of {row.features} known" if row.features else ""
    outside = _outside(row) if row.beyond > 0 else ""
    if phone:
        where = {"transform": ax.get_yaxis_transform(), "va": "center"}
        ax.text(0, y - 0.36, readable(block), weight="bold", fontsize=8.8, **where)
        ax.text(1, y - 0.36, ", ".join(t for t in (known, outside) if t), fontsize=_SMALL, ha="right", **where)
        return
    place = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "ha": "right", "va": "center"}
    for text, up, size in ((readable(block), 9, 8.8), (known, -2, _SMALL), (outside, -12, _SMALL)):
        weight = "bold" if size > _SMALL else "normal"
        ax.annotate(text, (0, y), (-8, up), fontsize=size, weight=weight, **place)


def _draw_features(
    ax: Any, fingerprint: Fingerprint, block: str, patient_id: str, y: float, half: float, points: float
) -> set[str]:
    places = fingerprint.percentiles.loc[patient_id]
    places = places[places.index.str.startswith(f"{block}__") & places.notna()].sort_values(kind="stable")
    scores = normal_score(places.to_numpy())
    sides = fingerprint.beyond.loc[patient_id, places.index].to_numpy()
    if len(places) > DOTS:
        edges = np.arange(-10, 11) * 1.645 / 6  # so that the 5th and 95th percentile are edges
        height = np.histogram(scores, edges)[0] / len(scores) / np.diff(edges)
        scale = 2 * half / max(height.max(), 0.42)
        colours = [_DOWN if abs(m) > 1.645 else _UP for m in (edges[1:] + edges[:-1]) / 2]
        drawn = ax.bar(
            edges[:-1], -height * scale, np.diff(edges), y + half, align="edge", color=colours, alpha=0.85, lw=0
        )
        for part, share in zip(drawn, height * np.diff(edges), strict=True):
            part.set_gid(f"{TIP}{share * len(scores):.0f} of {len(scores)} features")
        x = np.linspace(-2.7, 2.7, 109)
        curve = y + half - np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi) * scale
        ax.plot(x, curve, color=INK, lw=1.1, ls=(0, (3, 2)))
        return {"density"}
    size, stack = 5.2, np.zeros(len(scores))
    wide = size * 1.05 * 2 * _EDGE / points
    for i, x in enumerate(scores):
        stack[i] = 1 + max((stack[j] for j in range(i) if x - scores[j] < wide), default=0)
    offset = (stack // 2) * np.where(stack % 2, -1, 1)
    offset *= min(half * 0.5, half * 0.85 / max(np.abs(offset).max(initial=1), 1))
    for x, up, side, name in zip(scores, offset, sides, places.index, strict=True):
        colour = _DOWN if side else _UP
        indirect = fingerprint.indirect.loc[patient_id, name]
        marker = {-1: "<", 0: "o", 1: ">"}[int(side)]
        # blue is dim on a dark page's band: the rim is in the page's own ink
        rim, wide_rim = (_DOWN if side else INK, 1.2) if indirect else (INK, 0.6)
        face = "none" if indirect else colour
        said = TIP + _told(fingerprint, patient_id, name, bool(indirect))
        ax.plot(x, y + up, marker, ms=size + 0.8 * abs(side), mfc=face, mec=rim, mew=wide_rim, gid=said)
    hollow = fingerprint.indirect.loc[patient_id, places.index].any()
    return {"dot"} | ({"hollow"} if hollow else set()) | ({"beyond"} if (sides != 0).any() else set())


def _told(fingerprint: Fingerprint, patient_id: str, name: str, indirect: bool) -> str:
    place = float(fingerprint.percentiles.loc[patient_id, name])
    value = value_in(fingerprint.units.get(name, ""), float(fingerprint.values.loc[patient_id, name]))
    return f"{readable(name)}: {value}, percentile {place:.0f}{', stand-in or limit' if indirect else ''}"


def _key(ax: Any, marks: set[str], phone: bool) -> None:
    keys = [
        (Patch(color=INK, alpha=0.25, lw=0, label="middle 50%"), True),
        (Patch(color=INK, alpha=0.11, lw=0, label="middle 90% of the cohort"), True),
        (_mark("o", _UP, "a feature"), "dot" in marks),
        (_mark(">", _DOWN, "outside"), "beyond" in marks),
        (Line2D([], [], ls="", marker="o", ms=5, color=INK, mfc="none", label="stand-in or limit"), "hollow" in marks),
        (Patch(color=_UP, alpha=0.85, lw=0, label="this patient's features"), "density" in marks),
        (Line2D([], [], color=INK, lw=1.1, ls=(0, (3, 2)), label="as in the cohort"), "density" in marks),
    ]
    shown = [k for k, wanted in keys if wanted]
    left = 0.0 if phone else -ax.get_position().x0 / ax.get_position().width + 0.02
    below = -0.42 / (ax.get_position().height * ax.figure.get_figheight())
    ax.legend(
        handles=shown, loc="upper left", bbox_to_anchor=(left, below), ncols=2 if phone else min(len(shown), 5),
        frameon=False, fontsize=_SMALL, handletextpad=0.4, columnspacing=1.0, borderpad=0, handlelength=1.3,
        labelspacing=0.25,
    )  # fmt: skip


def _mark(marker: str, colour: str, label: str) -> Line2D:
    return Line2D([], [], ls="", marker=marker, ms=5, mfc=colour, mec=INK, mew=0.6, label=label)


def _title(therapy: object) -> list[str]:
    lines = wrap(str(therapy), 13)
    return lines if len(lines) <= 3 else [*lines[:2], lines[2][:12] + "…"]


def _amount(value: float) -> str:
    return "unknown" if np.isnan(value) else "0.00" if abs(value) < 0.005 else f"{value:+.2f}".replace("-", "−")


def _draw_drivers(
    figure: Figure, sums: pd.DataFrame, place: tuple[float, float, float, float], unit: str, more: int, phone: bool
) -> None:
    left, bottom, width, height = place
    each = min(width / len(sums), 1.1 / figure.get_figwidth())
    reach = max(float(np.nanmax(sums.abs().to_numpy(), initial=0.0)), 1e-9) * 1.12
    shift = 0.0 if phone else -0.06
    for i, (therapy, parts) in enumerate(sums.iterrows()):
        ax = figure.add_axes((left + i * each, bottom, each * 0.92, height))
        ax.set(xlim=(-reach, reach), ylim=(sums.shape[1] - 0.5, -0.5), xticks=[], yticks=[])
        ax.patch.set_visible(False)
        ax.spines[:].set_visible(False)
        ax.set_title("\n".join(_title(therapy)), fontsize=7.2, pad=3, linespacing=1.15)
        for y, value in enumerate(parts.to_numpy(dtype=float)):
            ax.text(
                0.5, y + shift + 0.34, _amount(value).replace("unknown", "–"), ha="center", va="center",
                fontsize=_SMALL, transform=ax.get_yaxis_transform(),
            )  # fmt: skip
            ax.plot([0, 0], [y + shift - 0.18, y + shift + 0.18], color=INK, lw=0.8)
            if not np.isnan(value):
                ax.barh(y + shift, value, height=0.3, color=_UP if value > 0 else _DOWN, lw=0)
            if phone and i == 0:
                ax.text(-0.06, y, readable(str(sums.columns[y])), ha="right", va="center", fontsize=8,
                        transform=ax.get_yaxis_transform())  # fmt: skip
    lines = [f"{unit}, right = towards response", *([f"{more} more in the table"] if more else [])]
    figure.text(
        left + each * len(sums) / 2, bottom - 0.07 / figure.get_figheight(), "\n".join(lines), ha="center", va="top",
        fontsize=_SMALL,
    )  # fmt: skip
