"""The card: what the run knows is in it, what only a person knows is open, and small cells are not told."""

import json
import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from cards import EQUITY, FULL, MADE, SHIPPED, SPEC, card_of, item, renamed, section
from reports import GAIN, HOSTILE, loads, row, words
from service import choice_predictor

from theracast.errors import UsageError
from theracast.features.tables import load_table
from theracast.predict.card.answers import Answers
from theracast.predict.card.chai import NAMESPACE, to_chai
from theracast.predict.card.checklists import CHECKLISTS, REPLIES, filled, items, read_knowledge
from theracast.predict.card.facts import CardFacts, environment, facts_of
from theracast.predict.card.make import make_card
from theracast.predict.card.page import card_page
from theracast.predict.card.parts import NOT_APPLICABLE, OPEN, PARTLY, PERSON, Grid, Words
from theracast.predict.card.small_cells import suppressed
from theracast.predict.card.words import words_of
from theracast.predict.card.writers import account, open_items, to_json, to_markdown, written

# ---------------------------------------------------------------- checklists


def test_tripod_has_its_27_items_and_52_with_letters():
    numbers = [i["number"] for i in items("tripod")]
    assert len(numbers) == len(set(numbers)) == 52
    assert sorted({int(re.match(r"\d+", n)[0]) for n in numbers}) == list(range(1, 28))
    letters = {"3": "abc", "5": "ab", "6": "abc", "8": "abc", "9": "abc", "12": "abcdefg", "18": "abcdef",
               "20": "abc", "23": "ab", "27": "abc"}  # fmt: skip
    wanted = [n + x for n in map(str, range(1, 28)) for x in letters.get(n, [""])]
    assert numbers == wanted
    development = {i["number"] for i in items("tripod") if i["about"] == "D"}
    assert development == {"9a", "12a", "12b", "12c", "15", "22", "27a", "27b"}
    assert {i["number"] for i in items("tripod") if i["about"] == "E"} == {"12f", "12g", "20c", "24"}


def test_probast_has_16_questions_on_development_and_18_on_evaluation():
    numbers = [i["number"] for i in items("probast")]
    for part, last in (("development", 5), ("evaluation", 7)):
        asked = [n.split()[1] for n in numbers if n.startswith(part) and not n.endswith("ratings")]
        domains = {1: 3, 2: 4, 3: 4, 4: last}
        assert asked == [f"{d}.{q}" for d, k in domains.items() for q in range(1, k + 1)]
    assert len([n for n in numbers if not n.endswith("ratings")]) == 16 + 18


def test_every_item_points_to_a_section_that_is_there():
    names = {s.name for s in card_of().sections} | {"short"}
    for checklist in CHECKLISTS:
        assert {i["where"] for i in items(checklist) if "where" in i} <= names
        assert all(("alone" in i) != ("answer" in i) for i in items(checklist))


def test_a_reply_is_one_that_the_tool_has():
    replies = {a.reply for a in card_of().checklists["probast"]} - {""}
    assert replies <= set(REPLIES)
    assert {"yes", "probably no", NOT_APPLICABLE} <= replies


def test_names_that_the_run_does_not_know_leave_the_item_open():
    assert filled("{a} and {b}", {"a": "x"}) == ""
    assert filled("{a} {claim}", {"a": "x"}) == "x"
    known = {n for c in CHECKLISTS for i in items(c) for n in re.findall(r"{(\w+)}", str(i.get("answer", "")))}
    known |= {n for i in items("probast") for n in re.findall(r"{(\w+)}", i.get("reply", ""))}
    about = FULL | {"validation": renamed(), "mean": FULL["mean"] + [row("", "TIL", 0.5) | GAIN | {"cohorts": 2}]}
    facts = CardFacts("m", "cd", SPEC, about, features=({"name": "mutations__tmb"},), environment=FULL["environment"])
    found = words_of(facts, "h", 3)
    assert known - {k for k, v in found.items() if v} == {"claim"}


def test_what_only_a_person_knows_is_open_whatever_the_run_kept():
    for number in ("3c", "5b", "8b", "8c", "17", "18a", "18b", "18d", "19", "27c"):
        found = item(card_of(), "tripod", number)
        assert (found.status, found.answer) == (OPEN, "")
        assert found.rest
    for number in ("development ratings", "evaluation ratings"):
        assert item(card_of(), "probast", number).status == OPEN
    assert item(card_of(), "person", "contact").status == OPEN


def test_a_model_of_an_earlier_version_has_a_card_with_more_left_open():
    bare = card_of({})
    assert len(bare.open) > len(card_of().open)
    for name in ("performance", "calibration", "coverage", "utility", "equity", "data", "leakage", "environment"):
        assert section(bare, name).parts[0].tone == "open"
    assert item(bare, "probast", "evaluation 4.5").status == OPEN
    assert item(bare, "tripod", "23a").status == OPEN
    assert not bare.headline
    assert all(written(bare).values())


def test_the_words_of_the_papers_are_not_ours():
    """Sentences of the instruments; none may come in."""
    text = " ".join(str(v) for c in CHECKLISTS for i in items(c) for v in i.values()).lower()
    for theirs in ("were appropriate data sources used", "identify the study as developing", "healthcare context",
                   "without knowledge of outcome data", "give the source of funding"):  # fmt: skip
        assert theirs not in text


# ---------------------------------------------------------------- what a run says of itself


def test_limits_follow_from_the_figures():
    said = " ".join(section(card_of(), "limits").parts[0].lines)
    assert "Too few for a claim: small_mel." in said
    assert "Not estimable: one class: one_class." in said
    assert "too seldom in small_mel (70%)" in said
    better = [dict(r, note="") | {"auc_lower": 0.6} for r in FULL["validation"]]
    assert "Too few for a claim" not in " ".join(
        section(card_of(FULL | {"validation": better}), "limits").parts[0].lines
    )


def test_a_waiver_stands_in_the_card_and_changes_the_answers():
    finding = {"sentinel": "late_feature", "what": "measured later", "where": "x", "waived": True, "reason": "agreed"}
    waived = card_of(FULL | {"sentinels": [finding]})
    assert item(card_of(), "probast", "evaluation 4.5").reply == "yes"
    assert item(waived, "probast", "evaluation 4.5").reply == "probably no"
    assert item(waived, "probast", "development 2.4").reply == "probably no"
    assert section(waived, "leakage").parts[0].text == "Found, and waived with a reason: late_feature."
    assert section(waived, "leakage").parts[1].rows == (("late_feature", "measured later", "x", "agreed"),)
    assert "'late_feature' was waived: agreed" in " ".join(section(waived, "limits").parts[0].lines)
    unneeded = card_of(FULL | {"sentinels": [finding | {"waived": False}]})
    assert item(unneeded, "probast", "evaluation 4.5").reply == "yes"


def test_counts_of_the_cohorts_are_those_of_the_validation():
    facts = CardFacts("m", "", SPEC, FULL | {"validation": renamed()[:-1]})
    assert [c.labelled for c in facts.cohorts] == ["40 (13 / 27)", "20 (6 / 14)", "–"]
    assert facts.cohorts[2].role == "held out"
    assert words_of(facts, "", 0)["n_trained"] == "60"
    assert facts.cohorts[0].reference == "10.1038/s41591-019-0654-5"
    assert facts.cohorts[0].licence == "MIT"


def test_only_robust_verdicts_are_shown():
    names = [{"name": n, "unit": "", "about": "", "reference": "", "direction": 0} for n in
             ("clinical__prior_treatment", "clinical__nlr", "mutations__tmb", "clinical__age")]  # fmt: skip
    table = next(
        p
        for p in section(card_of(features=tuple(names)), "inputs").parts
        if isinstance(p, Grid) and "prognostic" in p.title
    )
    robust = load_table("prognosis").query("robust")
    assert len(table.rows) == 2 < len(robust)
    assert "prior" not in str(table.rows)
    assert "too few" not in str(table.rows)


def test_the_environment_names_no_host_and_no_user():
    import getpass
    import platform

    text = json.dumps(environment())
    assert platform.node() not in text or len(platform.node()) < 3
    assert getpass.getuser() not in text or getpass.getuser() in ("root",)
    assert sorted(environment()) == ["code", "platform", "versions"]


def test_a_choice_between_therapies_has_a_card():
    chosen = choice_predictor()
    evidence = json.loads(chosen.model.evidence_.to_json(orient="records"))
    facts = facts_of(chosen.model, {"evidence": evidence, "data": {"simulated": "ab"}}, name="c", digest=chosen.digest)
    card = make_card(facts, made=MADE)
    assert len(section(card, "performance").parts[0].rows) == 2
    assert "rank" in card.headline
    assert item(card, "probast", "evaluation 4.6").reply == "probably no"  # blocks are fitted once
    assert re.search(r"etanercept \d+ for 16 and", item(card, "probast", "development 4.1").answer)
    assert "of one study" in item(card, "tripod", "23b").answer
    assert any("are not given the response" in text for text in section(card, "limits").parts[0].lines)
    assert all(written(card).values())
    assert "etanercept" in to_markdown(card)


def test_a_choice_says_which_sentinel_does_not_look_and_how_its_patients_were_chosen():
    """SIMULATED; a therapy beside which no other of its study can stand is not called one that can be ranked."""
    chosen = choice_predictor()
    evidence = chosen.model.evidence_.assign(study="simulated", state=["ranked", "insufficient"])
    settings = {"propensity": {"etanercept": 0.7, "rituximab": 0.3}}
    kept = {"sentinels": [], "experiment": {"settings": settings}, "evidence": evidence.to_dict("records")}
    card = make_card(facts_of(chosen.model, kept, name="c", digest=chosen.digest), made=MADE)
    assert section(card, "leakage").parts[1].text.startswith("The sentinel fit_on_test_rows does not look at a choice")
    assert item(card, "probast", "evaluation 4.5").reply == "probably yes"
    assert "by lot, in known shares: etanercept 70% and rituximab 30%" in section(card, "limits").parts[0].lines[0]
    assert card.headline.startswith("No therapy can be ranked")
    assert section(card, "performance").parts[0].rows[0][6] == "not comparable"


# ---------------------------------------------------------------- people


def test_small_cells_are_not_told():
    card = card_of()
    table = next(p for p in section(card, "equity").parts if isinstance(p, Grid))
    assert [r[2] for r in table.rows] == ["45", "60", "–"]
    assert [r[3] for r in table.rows] == ["20 / 25", "20 / 40", "– / –"]
    assert [r[4] for r in table.rows][2] == "–"
    kept = card.numbers["equity"][2]
    assert (kept["n"], kept["auc"], kept["R"]) == (None, None, None)
    for text in (to_json(card), to_markdown(card), words(card_page(card)), to_chai(card)):
        assert "43" not in re.findall(r"\b43\b", text)


def test_a_group_with_few_responders_tells_neither_count():
    table = pd.DataFrame([EQUITY[0] | {"R": 4, "NR": 39}])
    assert np.isnan(suppressed(table)[["R", "NR"]].to_numpy()).all()
    assert suppressed(table)["n"].tolist() == [43]
    assert suppressed(pd.DataFrame(EQUITY[:2]))["n"].tolist() == [43, 61]


# ---------------------------------------------------------------- answers of a person


def test_an_answer_is_marked_as_given_by_a_person():
    told = Answers(by="the developers", date=MADE, tripod={19: "None."}, person={"contact": "a@b.org"},
                   probast={"development 1.1": "Probably yes: registries."})  # fmt: skip
    card = card_of(answers=told)
    assert item(card, "tripod", "19").status == PERSON
    assert item(card, "probast", "development 1.1").answer == item(card_of(), "probast", "development 1.1").answer
    assert len(card.open) == len(card_of().open) - 3
    for text in (to_markdown(card), words(card_page(card))):
        assert "a person: None." in text
        assert "the developers, 2026-01-31" in text
    assert account(card)["tripod"][PERSON] == 1


def test_the_example_is_a_file_that_can_be_filled_in(tmp_path):
    file = tmp_path / "answers.yaml"
    text = Answers.example_file()
    file.write_text(text)
    with pytest.raises(UsageError, match="not valid"):
        Answers.from_yaml(file)
    text = text.replace('by: ""', "by: me").replace('date: ""', f"date: {MADE}").replace("  # 19: ", "  19: ")
    file.write_text(text)
    assert list(Answers.from_yaml(file).tripod) == ["19"]


# ---------------------------------------------------------------- writers


def test_the_three_writers_say_the_same():
    card = card_of()
    held, markdown, page = json.loads(to_json(card)), to_markdown(card), words(card_page(card))
    assert [s["title"] for s in held["sections"]] == re.findall(r"^## (.*)$", markdown, re.M)[: len(card.sections)]
    for s in card.sections:
        assert s.title in page
    assert len(held["open"]) == len(open_items(card)) == len(card.open)
    assert held["model"]["digest"] == "cd" * 32
    for text in (markdown, page):
        assert "first_mel" in text
    for c, a in open_items(card):
        assert a.rest in page, (c, a.number)
    assert "the wording of the items is ours" in markdown
    assert "the wording of the items is ours" in page


def test_the_page_loads_nothing_and_runs_nothing():
    html = card_page(card_of())
    assert loads(html) == []
    assert "script-src 'none'" in html.replace("&#39;", "'")


def test_chai_has_the_elements_of_the_schema_in_its_order():
    root = ElementTree.fromstring(to_chai(card_of()))
    name = lambda e: e.tag.removeprefix(f"{{{NAMESPACE}}}")  # noqa: E731
    assert [name(e) for e in root] == ["BasicInfo", "ReleaseInfo", "ModelSummary", "UsesAndDirections", "Warnings",
                                       "TrustIngredients", "KeyMetrics", "Resources", "Bibliography"]  # fmt: skip
    wanted = {
        "BasicInfo": ["ModelName", "ModelDeveloper", "DeveloperContact"],
        "ReleaseInfo": ["ReleaseStage", "ReleaseDate", "ReleaseVersion", "GlobalAvailability", "RegulatoryApproval"],
        "UsesAndDirections": ["IntendedUseAndWorkflow", "PrimaryIntendedUsers", "HowToUse",
                              "TargetedPatientPopulation", "CautionedOutOfScopeSettings"],
        "Warnings": ["KnownRisksAndLimitations", "KnownBiasesOrEthicalConsiderations", "ClinicalRiskLevel"],
        "KeyMetrics": ["UsefulnessUsabilityEfficacy", "FairnessEquity", "SafetyReliability"],
        "Resources": ["PeerReviewedPublications", "PatientConsentOrDisclosure"],
    }  # fmt: skip
    for part, elements in wanted.items():
        assert [name(e) for e in root.find(f"{{{NAMESPACE}}}{part}")] == elements
    for metric in root.find(f"{{{NAMESPACE}}}KeyMetrics"):
        assert [name(e) for e in metric] == ["MetricGoal", "Results", "Interpretation", "TestType",
                                             "TestingDataDescription", "ValidationProcessAndJustification"]  # fmt: skip
        for result in metric[1]:
            json.loads(result[1].text)
    assert all((e.text or "").strip() for e in root.iter() if not len(e))


def test_chai_gives_estimates_as_numbers_and_does_not_call_a_choice_external():
    root = ElementTree.fromstring(to_chai(card_of()))
    held = {e[0].text: e[1].text for e in root.iter(f"{{{NAMESPACE}}}MetricResult")}
    told = json.loads(held["Mean AUC, all cohorts"])
    assert told == {"kind": "estimate_ci", "estimate": 0.67, "lower": 0.6, "upper": 0.74, "level": 95}
    assert json.loads(held["AUC, sex female"])["upper"] == 0.7
    assert "AUC, sex other groups" not in held
    tests = [e.text for e in root.iter(f"{{{NAMESPACE}}}TestType")]
    assert set(tests) == {"retrospective; internal-external validation, cohort by cohort"}
    chosen = {"evidence": [{"therapy": "a", "study": "s", "n": 40, "responders": 20, "state": "ranked"}]}
    root = ElementTree.fromstring(to_chai(make_card(CardFacts("m", "ab", choice_predictor().model.selection, chosen))))
    assert "no study was held back" in next(root.iter(f"{{{NAMESPACE}}}TestType")).text
    assert next(root.iter(f"{{{NAMESPACE}}}PeerReviewedPublications")).text.startswith("Open")


def test_hostile_text_is_text():
    about = FULL | {"experiment": SHIPPED["experiment"] | {"claim": HOSTILE}, "data": {HOSTILE: HOSTILE}}
    about |= {
        "sentinels": [{"sentinel": HOSTILE, "what": "|x|\n# y", "where": HOSTILE, "waived": True, "reason": HOSTILE}]
    }
    card = card_of(about, Answers(by="x", date=MADE, tripod={"19": HOSTILE}))
    html = card_page(card)
    assert loads(html) == []
    assert "<script>alert" not in html
    markdown = to_markdown(card)
    assert not re.search(r"(?<!\\)<(script|img)", markdown)
    assert "\n# y" not in markdown
    ElementTree.fromstring(to_chai(card))
    json.loads(to_json(card))


def test_no_figure_is_not_a_number_in_json():
    assert "NaN" not in to_json(card_of(FULL | {"prior": float("nan")}))


def test_the_status_is_one_of_five():
    for about in ({}, FULL):
        statuses = {a.status for answers in card_of(about).checklists.values() for a in answers}
        assert statuses <= {OPEN, PARTLY, PERSON, NOT_APPLICABLE, "answered"}


def test_phrases_of_the_design_name_only_what_is_filled_in():
    for kind in ("response", "selection"):
        for phrase in read_knowledge("design.yaml")[kind].values():
            assert not re.search(r"\d+%", phrase)
            assert set(re.findall(r"{(\w+)}", phrase)) <= {"level", "set_level"}


def test_open_sections_say_so_in_words():
    found = [p for s in card_of({}).sections for p in s.parts if isinstance(p, Words) and p.tone == "open"]
    assert all("did not keep" in p.text for p in found)
