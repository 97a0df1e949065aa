"""Slow twins of `theracast.kernels.excursions`: the definition, spelled out."""

import math
import statistics
from itertools import groupby, pairwise

import numpy as np
from reference.grid import on_grid, usual_step


def parts(times, values, offsets):
    return [(times[a:b].tolist(), values[a:b].tolist()) for a, b in pairwise(offsets)]


def excursions(times, values, offsets, clock, gaps, windows, flat):
    out = []
    for when, what in parts(times, values, offsets):
        points = on_grid(when, what, *clock, gaps[0]) if when else []
        found = [(len(p) - 1, part(p, windows, flat)) for p in split(points, gaps[1] // clock[0])]
        heights = [[(w, f[name]) for w, f in found if name in f] for name in ("rise", "fall", "first", "larger")]
        heights.insert(2, heights[0] + heights[1])
        out.append([sum(w * v for w, v in h) / sum(w for w, _ in h) if h else math.nan for h in heights])
    return np.array(out).reshape(len(offsets) - 1, 5)


def split(points, longest):
    """Text of known and missing points, cut at long runs of missing ones."""
    found, begin, k = [], None, 0
    for missing, run in groupby(points, math.isnan):
        length = len(list(run))
        if missing and length > longest and begin is not None:
            found.append(points[begin:k])
            begin = None
        elif not missing and begin is None:
            begin = k
        k += length
    found += [points[begin:]] if begin is not None else []
    for p in found:
        while math.isnan(p[-1]):
            p.pop()
    return found


def part(points, windows, flat):
    known = [v for v in points if not math.isnan(v)]
    if len(points) < max(7, *windows) or len(known) < 2 or statistics.stdev(known) < flat:
        return {}
    short, long = (trailing(points, w) for w in windows)
    turns = turning(points, [a - b for a, b in zip(short, long, strict=True)])
    bound = statistics.stdev(known)
    rises, falls = climbs(turns, bound), climbs([-t for t in turns], bound)
    out = {}
    for name, pairs in (("rise", rises), ("fall", falls)):
        if pairs:
            out[name] = sum(abs(turns[b] - turns[a]) for a, b in pairs) / len(pairs)
    if out:
        out["first"] = out["rise"] if rises and (not falls or rises[0][1] <= falls[0][0]) else out["fall"]
        out["larger"] = max(out.get("rise", 0), out.get("fall", 0))
    return out


def trailing(points, window):
    out = []
    for k in range(len(points)):
        last = max(k + 1, window)
        known = [v for v in points[last - window : last] if not math.isnan(v)]
        out.append(sum(known) / len(known) if known else math.nan)
    return out


def turning(points, apart):
    crossings = [(0, apart[0] <= 0)]
    for k in range(1, len(points)):
        here, before, since = apart[k], apart[k - 1], apart[crossings[-1][0]]
        if any(map(math.isnan, (points[k], points[k - 1], here, before))):
            continue
        if here * before < 0 or here * since < 0:
            crossings.append((k, here < 0))
    crossings.append((len(points) - 1, None))
    values, left = [], 0
    for (_, low), (right, _) in pairwise(crossings):
        span = [(v, k) for k, v in enumerate(points) if left <= k <= right and not math.isnan(v)]
        value, left = min(span) if low else max(span, key=lambda vk: (vk[0], -vk[1]))
        values.append(value)
    return values


def climbs(turns, bound):
    """Pairs of turning points: a low, and the highest before the series falls back by more than the bound."""
    pairs, begin, k = [], 0, 0
    while k < len(turns):
        low = min(range(begin, k + 1), key=lambda i: turns[i])
        if turns[k] - turns[low] >= bound:
            end = next(
                (m for m in range(k, len(turns)) if turns[m] < max(turns[k : m + 1]) - bound),
                len(turns) - 1,
            )
            pairs.append((low, max(range(k, end + 1), key=lambda i: turns[i])))
            begin = k = end
            if end == len(turns) - 1:
                break
        else:
            k += 1
    return pairs


def spells(times, values, offsets, clock, gap, lasting, limits):
    out = np.full((len(offsets) - 1, 4), np.nan)
    for s, (when, what) in enumerate(parts(times, values, offsets)):
        if when:
            step = usual_step(when, *clock[:2])
            points = on_grid(when, what, step, clock[2], gap)
            begin, end = (math.ceil(length / step) for length in lasting)
            upper, lower = (numbered(points, limit, begin, end) for limit in limits)
            mild = [spell for spell in upper if not any(a in spell for other in lower for a in other)]
            known = sum(not math.isnan(v) for v in points)
            out[s] = len(upper), len(lower), len(mild), known * step / clock[2]
    return out


def numbered(points, limit, begin, end):
    """Spells as ranges of points."""
    text = "".join("n" if math.isnan(v) else "b" if v < limit else "a" for v in points) + "n"
    found, k = [], 0
    while (start := text.find("b" * begin, k)) >= 0:
        stops = [text.find("n", start), text.find("a" * end, start)]
        k = min(stop for stop in stops if stop >= 0)
        found.append(range(start, k))
    return found
