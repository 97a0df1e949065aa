"""A person with a browser uploads one patient and reads the report: both schemes, narrow and wide, keys alone."""

import pytest
from service import Client, as_patients, listening, response_predictor

from theracast.features.datasets import load_cohort

#: Every focusable thing has a name and shows where the focus is; every picture, field and table says what it is.
UNNAMED = """() => {
  const named = e => (e.getAttribute('aria-label') || e.textContent || '').trim()
    || (e.labels && e.labels.length) || e.getAttribute('aria-labelledby');
  const bare = [...document.querySelectorAll('a[href], button, input, select, summary, [tabindex="0"]')]
    .filter(e => !named(e));
  const pictures = [...document.querySelectorAll('svg, img')]
    .filter(e => !(e.getAttribute('aria-hidden') || e.getAttribute('aria-label')
      || e.getAttribute('aria-labelledby') || e.getAttribute('alt')));
  const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
  const lost = [...document.querySelectorAll('[aria-labelledby], [aria-describedby]')]
    .flatMap(e => ((e.getAttribute('aria-labelledby') || '') + ' ' + (e.getAttribute('aria-describedby') || ''))
      .split(/\\s+/).filter(i => i && !document.getElementById(i)));
  const levels = [...document.querySelectorAll('h1, h2, h3, h4')].map(e => +e.tagName[1]);
  return {bare: bare.map(e => e.outerHTML), pictures: pictures.map(e => e.outerHTML.slice(0, 80)), lost,
    twice: ids.filter((i, k) => ids.indexOf(i) !== k), first: levels[0],
    jumps: levels.filter((l, k) => k && l > levels[k - 1] + 1), mains: document.querySelectorAll('main').length,
    lang: document.documentElement.lang};
}"""
GOOD = {"bare": [], "pictures": [], "lost": [], "twice": [], "first": 1, "jumps": [], "mains": 1, "lang": "en"}


@pytest.fixture(scope="module")
def client():
    return Client(response_predictor())


@pytest.fixture(scope="module")
def address(client):
    with listening(client.app) as found:
        yield found


@pytest.fixture(scope="module")
def patient():
    wide = load_cohort("mgh2022_mel").wide().iloc[[3]]
    return wide.astype(dict.fromkeys(wide.columns[wide.dtypes == "float32"], "float64")).round(4)


def visit(browser, address, **options):
    """Open the form; whatever the browser complains of, or fetches from elsewhere, is kept in the list."""
    page, trouble = browser.new_context(**options).new_page(), []
    page.on("console", lambda m: trouble.append(m.text))
    page.on("pageerror", lambda e: trouble.append(str(e)))
    page.on("request", lambda r: trouble.append(r.url) if not r.url.startswith((address, "data:")) else None)
    page.goto(address)
    return page, trouble


def fits(page):
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
def test_a_patient_is_uploaded_by_keyboard_and_the_report_read(
    browser, client, address, patient, tmp_path, scheme, width
):
    file = tmp_path / "patient.csv"
    patient.to_csv(file)
    (line,) = client.post("/predict", {"patients": as_patients(patient)}).json()["predictions"]
    page, trouble = visit(browser, address, color_scheme=scheme, viewport={"width": width, "height": 800})
    assert fits(page)
    assert page.evaluate(UNNAMED) == GOOD
    assert page.screenshot(path=tmp_path / "form.png", full_page=True)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().top >= 0"), "seen once it has the focus"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "file"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.set_input_files("#file", file)  # the window of the system is none that a test can reach
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.innerText") == "Write the report"
    with page.expect_navigation():
        page.keyboard.press("Enter")

    assert page.url == f"{address}/report"
    assert fits(page)
    assert page.evaluate(UNNAMED) == GOOD
    assert page.screenshot(path=tmp_path / "report.png", full_page=True)
    text = page.inner_text("body")
    assert f"{100 * line['probability']:.0f}%" in text
    assert line["provenance"] in page.content()
    assert patient.index[0] in text
    assert not trouble


def test_a_file_that_is_none_is_told_where_it_can_be_chosen_again(browser, address, tmp_path):
    file = tmp_path / "patient.csv"
    file.write_text("patient_id,clinical:age\np1\n")
    page, trouble = visit(browser, address, viewport={"width": 390, "height": 800})
    page.set_input_files("#file", file)
    with page.expect_navigation():
        page.click("text=Write the report")
    assert "line 2" in page.inner_text("[role=alert]")
    assert page.title().startswith("Not read")
    assert fits(page)
    assert page.evaluate(UNNAMED) == GOOD
    assert page.screenshot(path=tmp_path / "refused.png", full_page=True)
    file.write_text("patient_id,clinical:age,clinical:sex\np1,61,F\n")
    page.set_input_files("#file", file)
    with page.expect_navigation():
        page.click("text=Write the report")
    assert "p1" in page.inner_text("body")
    # the one thing the browser says is the status of the first answer
    assert [t for t in trouble if "422" not in t] == []
