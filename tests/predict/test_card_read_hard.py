"""What a hard reader of a card asks: who was left out, whom it is not for, how sure each figure is, what is open."""

from cards import EQUITY, FULL, card_of, item, renamed, section

from theracast.predict.card.page import card_page
from theracast.predict.card.writers import open_items, to_markdown


def test_patients_left_out_are_told_and_no_sentinel_is_said_to_have_passed_without_them():
    what, why = "4 of 53 patients were sampled after treatment began", "they are left out (late: leave_out)"
    gone = {"sentinel": "late_feature", "what": what, "where": "riaz2017_mel", "waived": False, "reason": why}
    about = FULL | {"sentinels": [gone], "validation": renamed()}
    card = card_of(about)
    assert section(card, "leakage").parts[0].text.startswith("Every sentinel passed once the patients named had been")
    told = f"riaz2017_mel: {what}"
    assert f"Left out before anything was fitted, {told}." in section(card, "data").parts[2].lines
    assert f"Left out: {told}." in item(card, "tripod", "20a").answer
    assert any(told in line for line in section(card, "limits").parts[0].lines)
    assert item(card, "probast", "evaluation 4.5").reply == "yes"
    assert "Left out" not in item(card_of(about | {"sentinels": []}), "tripod", "20a").answer


def test_data_cards_that_warn_speak_against_alike_preprocessing():
    warned = item(card_of(FULL | {"validation": renamed()}), "probast", "development 2.2")
    assert warned.reply == "probably no"
    assert "riaz2017_mel" in warned.answer
    silent = item(card_of(FULL | {"experiment": {"cohorts": ["ward"]}, "data": {}}), "probast", "evaluation 2.2")
    assert silent.reply == "no information"


def test_patients_whose_tumour_it_is_not_for_are_told():
    row = EQUITY[0] | {"attribute": "tumour"}
    about = FULL | {"equity": [row | {"group": "urothelial", "n": 298}, row | {"group": "melanoma"}]}
    limits = section(card_of(about), "limits").parts[0].lines
    assert any("not for" in line and "urothelial (298)." in line and "melanoma" not in line for line in limits)
    assert ("AUC, melanoma alone", ".60 (.50–.70)") in card_of(about).key
    about = FULL | {"equity": [row | {"group": "melanoma"}, row | {"group": "not known"}]}
    assert not any("tumour that it is not for" in line for line in section(card_of(about), "limits").parts[0].lines)
    assert not any("alone" in name for name, _ in card_of(about).key)


def test_a_difference_between_groups_is_told_with_its_interval_and_p_value():
    gap = {"auc_gap": -0.24, "auc_gap_lower": -1.0, "auc_gap_upper": 0.63, "auc_gap_p": 0.0097}
    row = EQUITY[0] | gap | {"note": "differs from the rest in auc (2 cohorts)"}
    wide = EQUITY[1] | {"calibration_lower": -1.0, "calibration_upper": 1.0}
    shown = section(card_of(FULL | {"equity": [row, wide]}), "equity")
    assert shown.parts[0].lines == (
        "By sex: female differs from the rest in AUC (2 cohorts). Against the other patients of the same cohorts, "
        "female: AUC −.24 (−1.00 to .63), p .010.",
    )
    assert shown.parts[2].rows[1][-1] == "too few cohorts to tell observed − expected"
    assert shown.parts[2].rows[0][-1] == "differs from the rest in AUC (2 cohorts)"


def test_calibration_has_observed_less_expected_and_coverage_an_interval():
    study = EQUITY[0] | {"attribute": "study", "group": "first_mel"}
    card = card_of(FULL | {"equity": [study], "validation": [
        r | {"calibration_slope": 0.5, "calibration_slope_lower": 0.1, "calibration_slope_upper": 0.8, "brier": 0.2}
        for r in FULL["validation"]]})  # fmt: skip
    assert not any("observed − expected" in line for line in section(card, "limits").parts[0].lines)
    off = study | {"calibration": 0.1, "calibration_lower": 0.03, "calibration_upper": 0.18}
    lines = section(card_of(FULL | {"equity": [off]}), "limits").parts[0].lines
    assert "Too few responses were predicted (observed − expected) in first_mel, .10 (.03–.18)." in lines
    grid = section(card, "calibration").parts[1]
    assert [r[1] for r in grid.rows] == [".10 (.00–.20)", "–", "–"]
    assert "observed minus expected" in item(card, "tripod", "12e").answer
    assert any("too far apart (slope below 1) in first_mel, .50 (.10–.80)" in x for x in
               section(card, "limits").parts[0].lines)  # fmt: skip
    assert section(card, "coverage").parts[1].rows[0][2] == "93% (81–98%)"
    assert item(card, "probast", "evaluation 4.7").reply == "yes"
    assert item(card_of(), "probast", "evaluation 4.7").reply == "probably yes"


def test_how_much_is_open_stands_at_the_head():
    card = card_of()
    left = len(open_items(card))
    assert f"**{left} items are left to a person" in "\n".join(to_markdown(card).splitlines()[:14])
    html = card_page(card)
    assert f'<a href="#left">{left}</a>' in html
    assert "nothing was sent" not in html
