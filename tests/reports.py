"""Reports in tests: scores with cells changed, what a page says in words, and what it would fetch."""

import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd

from theracast.models.fairness import COLUMNS
from theracast.models.indications import INDICATIONS
from theracast.models.validate import Validation

SPEC = INDICATIONS["melanoma_ici"]
HOSTILE = "<script>alert(1)</script>\"'><img src=https://evil.example/x onerror=alert(2)>"
CHROMIUM = Path("/usr/bin/chromium")
QUIET = [f"--disable-{x}" for x in ("gpu", "background-networking", "component-update", "sync")] + ["--no-sandbox"]


def row(cohort, model, auc, n=40, note=""):
    spread = {"auc": auc, "auc_lower": auc - 0.1, "auc_upper": auc + 0.1}
    return {"cohort": cohort, "model": model, "n": n, "R": n // 3, "NR": n - n // 3, **spread, "note": note}


TABLE = [
    *(row("first_mel", m, a) for m, a in [("theracast", 0.66), ("PD-L1", 0.55), ("TIL", 0.6), ("PD-L1 + TIL", 0.61)]),
    row("small_mel", "theracast", 0.7, 20, "too few for a claim"),
    row("one_class", "theracast", 0.5, 12, "not estimable: one class")
    | dict.fromkeys(("auc", "auc_lower", "auc_upper")),
]
MEAN = [{"model": "theracast", "auc": 0.67, "auc_lower": 0.6, "auc_upper": 0.74, "tau2": 0.0, "cohorts": 2}]
GAIN = {"gain": 0.11, "gain_lower": -0.02, "gain_upper": 0.2, "plain": 0.56}
PUBLISHED = row("", "gep", 0.56) | GAIN | {"cohorts": 2, "tau2": 0.0}
SETS = {"A": [MEAN[0] | {"auc": 0.71, "auc_lower": 0.65, "auc_upper": 0.77}, PUBLISHED]}
COVERAGE = [
    {"cohort": c, "n": 40, "coverage": share, "se": 0.05, "coverage_response": share, "coverage_no_response": None,
     "abstained": 0.6, "right_when_single": 0.75, "holds": share > 0.8, "within": True}
    for c, share in (("first_mel", 0.93), ("small_mel", 0.7))
]  # fmt: skip
WORTH = [
    {"cohort": c, "threshold": at, "net_benefit": 0.2, "lower": 0.1, "upper": 0.3, "treat_all": 0.3 - at, "gain": 0.02,
     "gain_lower": -0.05, "gain_upper": 0.09, "state": state}
    for c, state in (("first_mel", ""), ("small_mel", "too few to tell")) for at in (0.2, 0.3)
]  # fmt: skip
EQUITY = [
    dict.fromkeys(COLUMNS, None)
    | {"attribute": "sex", "group": group, "trained": 0.5, "share": 0.5, "n": 30.0, "R": 14.0, "NR": 16.0, "note": note}
    | {f"{m}{e}": v for m in ("auc", "abstains") for e, v in (("", auc), ("_lower", 0.3), ("_upper", 0.9))}
    for group, auc, note in (
        ("female", 0.6, "differs from the rest in abstains (1 cohort)"),
        ("male", None, "too few to tell"),
    )
]
ABOUT = {
    "experiment": {"name": "melanoma_ici", "claim": "A <b>claim</b>", "holdout": ["mgh2022_mel"]},
    "validation": TABLE,
    "mean": MEAN,
    "data": {"first_mel": "ab" * 32},
    "trained_at": "2026-01-31T12:00:00Z",
    "digest": "cd" * 32,
    "prior": 0.31,
}
VALIDATION = Validation(pd.DataFrame(), pd.DataFrame(TABLE), pd.DataFrame(MEAN))


def changed(scores, patient, **cells):
    """The same scores with some cells of one patient changed."""
    table = scores.table.astype(object)
    for name, value in cells.items():
        table.loc[table.patient_id == patient, name] = value
    return replace(scores, table=table)


def renamed(scores, old, new):
    e = scores.explanation
    frames = {k: getattr(e, k).rename(index={old: new}) for k in ("probability", "reference", "points", "values")}
    frames |= {k: getattr(e, k).rename(index={old: new}) for k in ("proxy", "percentile", "residual", "studies")}
    f = scores.fingerprint
    prints = {k: getattr(f, k).rename(index={old: new}) for k in ("percentiles", "beyond", "values", "indirect")}
    prints["blocks"] = f.blocks.rename(index={old: new}, level="patient_id")
    vector = replace(f, **prints)
    return replace(changed(scores, old, patient_id=new), explanation=replace(e, **frames), fingerprint=vector)


def withheld(scores, patient):
    points = scores.explanation.points.copy()
    points.loc[patient] = np.nan
    return replace(scores, explanation=replace(scores.explanation, points=points))


class Loads(HTMLParser):
    """Everything that a browser would fetch: sources, style sheets, forms; plain links are not fetched."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        fetching = {
            "src",
            "srcset",
            "data",
            "action",
            "poster",
            "background",
            "xlink:href",
            "" if tag == "a" else "href",
        }
        self.found += [v for k, v in attrs if k in fetching and not v.startswith(("#", "data:"))]


def loads(html):
    parser = Loads()
    parser.feed(html)
    styles = "".join(re.findall(r"<style>.*?</style>| style=\"[^\"]*\"", html, re.S))
    return parser.found + [u for u in re.findall(r"(?:url\(|@import)\s*[\"']?([^)\"'\s]+)", styles) if u[0] != "#"]


def words(html):
    html = re.sub(r"<(style|script|svg)\b.*?</\1>", " ", html, flags=re.S)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", html)))


def visit(browser, path, **options):
    """Open a page; whatever the browser complains of or fetches is kept in the list."""
    page, trouble = browser.new_context(**options).new_page(), []
    page.on("console", lambda m: trouble.append(m.text))
    page.on("pageerror", lambda e: trouble.append(str(e)))
    page.on("request", lambda r: trouble.append(r.url) if not r.url.startswith(("file:", "data:")) else None)
    page.goto(path.as_uri())
    return page, trouble


#: Text that axe leaves undecided (drawn in a figure, scrolled out of sight, one letter long) on its ground: each
#: opaque ground behind it, and in a figure each filled shape that it overlaps.
CONTRASTS = """nodes => {
  const parse = c => (c.match(/[\\d.]+/g) || []).map(Number);
  const over = ([r, g, b, a = 1], k, under) => [r, g, b].map((v, i) => v * a * k + under[i] * (1 - a * k));
  const light = c => {
    const [r, g, b] = c.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => {
    const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
    return (x + 0.05) / (y + 0.05);
  };
  const faded = e => { let k = 1; for (; e; e = e.parentElement) k *= +getComputedStyle(e).opacity; return k; };
  const meets = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2;
  return nodes.map(selector => {
    const e = document.querySelector(selector), style = getComputedStyle(e), svg = e.closest('svg');
    const layers = [];
    for (let up = e; up; up = up.parentElement) {
      const c = parse(getComputedStyle(up).backgroundColor);
      if (c.length && c[3] !== 0) { layers.unshift(c); if ((c[3] ?? 1) === 1) break; }
    }
    const ground = layers.reduce((under, c) => over(c, 1, under), [255, 255, 255]);
    const grounds = [ground];
    if (svg) for (const shape of svg.querySelectorAll('path, rect, circle, use')) {
      const fill = getComputedStyle(shape).fill, seen = fill.startsWith('rgb') && !shape.closest('defs');
      if (seen && meets(e.getBoundingClientRect(), shape.getBoundingClientRect()))
        grounds.push(over(parse(fill), faded(shape) * +getComputedStyle(shape).fillOpacity, ground));
    }
    const ink = parse(svg ? style.fill : style.color);
    return [selector, Math.min(...grounds.map(g => ratio(over(ink, faded(e), g), g)))];
  });
}"""


def findings(page):
    """What axe finds that is serious or critical, and text of too little contrast where it could not decide."""
    from axe_playwright_python.sync_playwright import Axe  # the other tests do without a browser

    found = Axe().run(page, options={"resultTypes": ["violations", "incomplete"]}).response
    grave = [
        f"{v['id']}: {n['html'][:120]}"
        for v in found["violations"]
        if v["impact"] in ("serious", "critical")
        for n in v["nodes"]
    ]
    undecided = {v["id"]: [n["target"][0] for n in v["nodes"]] for v in found["incomplete"]}
    # of a header that spans the one row of its group axe cannot say whether it has cells
    grave += [f"undecided: {name}" for name in undecided.keys() - {"color-contrast", "th-has-data-cells"}]
    texts = page.evaluate(CONTRASTS, undecided.get("color-contrast", []))
    return grave + [f"contrast {ratio:.2f}: {where}" for where, ratio in texts if not ratio >= 4.5]
