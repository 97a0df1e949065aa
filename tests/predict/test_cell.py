"""What a notebook shows: everything escaped, nothing loaded, small, and readable in both schemes."""

from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from explanations import explained, one_explained
from reports import loads, words

from theracast.models.indications import INDICATIONS
from theracast.predict.records import Prediction
from theracast.predict.sentences import sentences

NAN = float("nan")
HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>&amp;"
ONE = Prediction("p1", 0.41, 0.2, 0.6, "abstain", "the evidence does not separate", "pathology,clinical", "mutations")


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found, self.open = set(), []

    def handle_starttag(self, tag, attrs):
        self.found |= {tag, *(k for k, _ in attrs)}
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def tags(html):
    """Tags and attributes; each tag that is opened is closed."""
    parser = Tags()
    parser.feed(html)
    assert parser.open == []
    return parser.found


def test_a_prediction_says_answer_interval_and_what_is_missing():
    said = words(ONE._repr_html_())
    for part in ("The model abstains", "The evidence does not separate.", "Probability of response 41%", "20% to 60%",
                 "Missing: mutations", "Known: pathology, clinical"):  # fmt: skip
        assert part in said
    html = ONE._repr_html_()
    assert "left:20.0%;width:40.0%" in html
    assert "left:calc(41.0% - 6px)" in html
    assert len(html) < 4000


def test_the_intended_use_is_said_where_the_model_tells_the_indication():
    named = replace(ONE, model_uri="models:/melanoma_ici@champion", model_version="3")._repr_html_()
    assert INDICATIONS["melanoma_ici"].not_for in words(named)
    for uri in ("", "runs:/abc/model", "models:/elsewhere@champion", "/some/folder"):
        assert "Intended use" not in replace(ONE, model_uri=uri)._repr_html_()


def test_nothing_known_has_no_track():
    html = Prediction("p", NAN, decision="abstain", reason="nothing the model reads is known")._repr_html_()
    assert "There is no probability" in html
    assert 'role="img"' not in html
    assert "Known: nothing" in words(html)


@pytest.mark.parametrize(
    "field", ["patient_id", "reason", "model_uri", "model_version", "notes", "blocks_missing", "decision"]
)
def test_a_hostile_text_does_not_break_out_of_a_prediction(field):
    html = replace(ONE, model_uri="x", **{field: HOSTILE}) if field != "model_uri" else replace(ONE, model_uri=HOSTILE)
    found = tags(html._repr_html_())
    assert not found & {"script", "img", "onerror", "src"}
    assert loads(html._repr_html_()) == []


def test_an_explanation_of_many_says_what_there_is():
    e = explained(60)
    points, probability = e.points.copy(), e.probability.copy()
    points.iloc[:3] = NAN
    probability.iloc[0] = NAN
    html = replace(e, points=points, probability=probability)._repr_html_()
    said = words(html)
    for part in ("57 patients explained", "2 withheld", "1 without a prediction", "simulated_0", "3 studies",
                 ".plot.beeswarm()", ".patient(id)", ".to_shap()"):  # fmt: skip
        assert part in said
    mean = 100 * e.by_block()[points.notna().all(axis=1)].abs().mean()
    assert all(f"{m:.1f}" in said for m in mean)
    assert "p00000" not in html
    assert len(html) < 6000


def test_an_explanation_of_one_says_its_sentences():
    e = one_explained(0.3, [0.05, -0.02, 0.01], directions={"clinical__smoking": -1})
    said = words(e._repr_html_())
    assert all(s.text in said for s in sentences(e, "p"))
    for heading in ("For response", "Against response", "Unclear, no evidence either way"):
        assert said.count(heading) == 1


def test_a_withheld_one_is_honest():
    e = one_explained(0.3, [NAN, 0.1], probability=pd.Series({"p": 0.341}))
    assert "withheld" in words(e._repr_html_())


def test_nobody_explained():
    e = replace(explained(12), points=explained(12).points * NAN)
    assert "0 patients explained, 12 withheld" in words(e._repr_html_())


def test_hostile_names_do_not_break_out_of_an_explanation():
    for e in (explained(12), one_explained(0.3, [0.05, -0.02])):
        wild = {c: f"{c}{HOSTILE}" for c in e.points}
        frames = {k: getattr(e, k).rename(columns=wild) for k in ("points", "values", "proxy", "percentile")}
        bad = replace(
            e, **frames, median=e.median.rename(wild), units=dict.fromkeys(wild.values(), HOSTILE), cohort=HOSTILE
        )
        assert not tags(bad._repr_html_()) & {"script", "img", "onerror", "src"}


@pytest.mark.parametrize(
    ("paper", "ink"), [("rgb(255, 255, 255)", "rgb(0, 0, 0)"), ("rgb(17, 17, 17)", "rgb(222, 222, 222)")]
)
def test_in_a_browser_it_takes_the_ink_of_the_page_and_runs_nothing(browser, paper, ink):
    page, trouble = browser.new_context(viewport={"width": 600, "height": 900}).new_page(), []
    page.on("dialog", lambda d: (trouble.append(d.message), d.dismiss()))
    page.on("request", lambda r: trouble.append(r.url))
    bits = [replace(ONE, patient_id=HOSTILE)._repr_html_(), explained(30)._repr_html_()]
    bits.append(one_explained(0.3, [0.05, -0.02])._repr_html_())
    page.set_content(f"<body style='background:{paper};color:{ink}'>" + "".join(bits))
    inks = page.evaluate("[...new Set([...document.body.querySelectorAll('*')].map(e => getComputedStyle(e).color))]")
    assert inks == [ink]
    wide = "document.documentElement.scrollWidth <= innerWidth"
    assert page.evaluate(wide)
    assert trouble == []
    assert np.isclose(page.evaluate("document.querySelectorAll('[role=group]').length"), 3)
    page.context.close()
