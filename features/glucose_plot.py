"""Ambulatory glucose profile: the mean day of a trace, drawn as the consensus asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from theracast.errors import DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BANDS, _SHARES = ("p05", "p25", "p50", "p75", "p95"), (0.05, 0.25, 0.5, 0.75, 0.95)
#: Legible on white (4.5:1) and on near-black (4.2:1).
_INK, _LINE = "#767676", "#1f77b4"


def glucose_profile(readings: pd.DataFrame, minutes: int = 15) -> pd.DataFrame:
    """Quantiles of glucose over the day (ambulatory glucose profile, Bergenstal 2013, 10.1089/dia.2013.0051).

    Parameters
    ----------
    readings : DataFrame
        Columns ``time`` (local) and ``glucose_mg_dl`` of one patient, or of several taken together.
    minutes : int, default 15
        Width of a part of the day; divides an hour or a day.

    Returns
    -------
    DataFrame
        ``p05``, ``p25``, ``p50``, ``p75`` and ``p95`` in mg/dL by hour of the day, at the middle of each part; the
        quantiles of a part and its two neighbours, so that the curve is smooth across midnight too.

    Raises
    ------
    DataError
        When there is no reading.

    Examples
    --------
    >>> time = pd.date_range("2024-05-01 00:00", periods=576, freq="5min")
    >>> glucose_profile(pd.DataFrame({"time": time, "glucose_mg_dl": 110.0})).loc[0.125].tolist()
    [110.0, 110.0, 110.0, 110.0, 110.0]
    """
    known = readings.dropna(subset=["time", "glucose_mg_dl"])
    if known.empty:
        raise DataError("no glucose readings", where="glucose_profile", fix="Give at least one day of readings.")
    parts = 1440 // minutes
    of_day = ((known["time"].dt.hour * 60 + known["time"].dt.minute) // minutes).to_numpy()
    values = known["glucose_mg_dl"].to_numpy(dtype=np.float64)
    near = [values[(of_day - p + 1) % parts <= 2] for p in range(parts)]
    table = [np.quantile(v, _SHARES) if v.size else np.full(len(_SHARES), np.nan) for v in near]
    return pd.DataFrame(
        table, columns=list(_BANDS), index=pd.Index((np.arange(parts) + 0.5) * minutes / 60, name="hour")
    )


def plot_glucose_profile(readings: pd.DataFrame, low: float = 70, high: float = 180, title: str = "") -> Figure:
    """Draw the ambulatory glucose profile of one patient.

    Parameters
    ----------
    readings : DataFrame
        Columns ``time`` (local) and ``glucose_mg_dl``.
    low, high : float, default 70, 180
        Target range, mg/dL.
    title : str, optional
        Over the picture, to the left.

    Returns
    -------
    Figure
        Median, the middle half and the middle nine tenths by time of day; ``savefig`` writes it.

    Raises
    ------
    DataError
        When there is no reading.

    Examples
    --------
    >>> time = pd.date_range("2024-05-01 00:00", periods=576, freq="5min")
    >>> figure = plot_glucose_profile(pd.DataFrame({"time": time, "glucose_mg_dl": 110.0}))
    >>> figure.axes[0].get_ylabel()
    'Glucose, mg/dL'
    """
    from matplotlib.figure import Figure

    profile = glucose_profile(readings)
    # midnight is drawn at both ends: the day has no beginning
    ends = [
        profile.iloc[[-1]].set_axis([profile.index[-1] - 24]),
        profile,
        profile.iloc[[0]].set_axis([profile.index[0] + 24]),
    ]
    around = pd.concat(ends)
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    axes = figure.add_subplot()
    axes.axhspan(low, high, color="#2ca02c", alpha=0.10, linewidth=0)
    for limit in (low, high):
        axes.axhline(limit, color="#2ca02c", linewidth=0.8)
    hours = around.index.to_numpy()
    axes.fill_between(hours, around["p05"], around["p95"], color=_LINE, alpha=0.18, linewidth=0, label="5-95%")
    axes.fill_between(hours, around["p25"], around["p75"], color=_LINE, alpha=0.38, linewidth=0, label="25-75%")
    axes.plot(hours, around["p50"], color=_LINE, linewidth=2, label="median")
    axes.set_xlim(0, 24)
    axes.set_xticks(range(0, 25, 3), [f"{h % 24:02d}:00" for h in range(0, 25, 3)])
    axes.set_ylim(40, max(260.0, float(np.nanmax(profile["p95"])) + 55))
    axes.set_yticks(sorted({54, int(low), int(high), 250, *range(300, int(axes.get_ylim()[1]), 50)}))
    axes.set_ylabel("Glucose, mg/dL", color=_INK)
    axes.set_xlabel("Time of day", color=_INK)
    axes.set_title(title, loc="left", color=_INK, fontsize=10)
    axes.tick_params(colors=_INK)
    axes.legend(loc="upper right", ncols=3, frameon=False, labelcolor=_INK, fontsize=8)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(_INK)
    return figure
