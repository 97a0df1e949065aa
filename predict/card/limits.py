"""Limits of a model as its own figures tell them; none is written by hand, and none is left out."""

from __future__ import annotations

import pandas as pd

from theracast.models.validate import MODEL, Validation
from theracast.predict.card.choices import choice_limits
from theracast.predict.card.cohorts import shown_name
from theracast.predict.card.facts import CardFacts
from theracast.predict.card.groups import by_tumour, differing
from theracast.predict.card.leaks import left_out, waivers
from theracast.predict.card.said import attribute_title, estimate, listing, ours, overlapping, short
from theracast.predict.card.small_cells import count, suppressed


def limits_of(facts: CardFacts) -> tuple[str, ...]:
    """List what a run knows of its own limits.

    Parameters
    ----------
    facts : CardFacts
        Of the model.

    Returns
    -------
    tuple of str
        Sentences.

    Examples
    --------
    >>> from theracast.models.indications import INDICATIONS
    >>> limits_of(CardFacts("m", "", INDICATIONS["melanoma_ici"], {}))[0]
    'No validation lies with the model: how well it does is not known from this card.'
    """
    said = [] if facts.chooses else _of_validation(facts.validation)
    said += choice_limits(facts) + _of_people(facts) + _of_leaks(facts) + _of_data(facts)
    said.append("Every cohort was collected before the model was made; the run knows of no prospective use.")
    return tuple(said)


def _of_validation(validation: Validation | None) -> list[str]:
    mean = ours(validation.mean) if validation is not None else None
    if validation is None or mean is None:
        return ["No validation lies with the model: how well it does is not known from this card."]
    table = validation.table[validation.table.model == MODEL]
    said = []
    coin = [str(r.cohort) for r in table.itertuples() if r.auc_lower <= 0.5]
    if coin:
        said.append(
            f"In {len(coin)} of {len(table)} cohorts the interval of the AUC holds .5 or less: {listing(coin)}."
        )
    for note, part in table[table.note.fillna("") != ""].groupby("note"):
        said.append(f"{str(note).capitalize()}: {listing(part.cohort.tolist())}.")
    rivals = overlapping(validation)
    if "Not shown" in rivals:
        said.append(rivals[rivals.index("Not shown") :])
    if "calibration_slope" in table:
        for off, what in (
            (table[table.calibration_slope_upper < 1], "too far apart (slope below 1)"),
            (table[table.calibration_slope_lower > 1], "not far enough apart (slope above 1)"),
        ):
            told = [f"{r['cohort']}, {estimate(r, 'calibration_slope')}" for r in off.to_dict("records")]
            if told:
                said.append(f"Probabilities are {what} in {'; '.join(told)}.")
        worse = _worse_than_rate(validation)
        if worse:
            said.append(f"Worse than the response rate in training alone (Brier score): {listing(worse)}.")
    if len(validation.coverage):
        below = validation.coverage[~validation.coverage.holds.astype(bool)]
        if len(below):
            told = [f"{r.cohort} ({r.coverage:.0%})" for r in below.itertuples()]
            said.append(f"Label sets held the answer too seldom in {listing(told)}.")
        said.append(
            f"Its sets hold both answers, and so give no decision, for {validation.coverage.abstained.min():.0%} to "
            f"{validation.coverage.abstained.max():.0%} of the patients of a cohort; it abstains for other reasons too."
        )
    if mean["cohorts"] < 10:
        said.append(
            f"The mean rests on {mean['cohorts']:.0f} cohorts; tau2 of {short(mean.get('tau2'))} is itself known "
            f"only roughly."
        )
    return said


def _worse_than_rate(validation: Validation) -> list[str]:
    table = validation.table
    if "brier" not in table:
        return []
    wide = table[table.model.isin([MODEL, "prevalence"])].pivot_table(index="cohort", columns="model", values="brier")
    if not {MODEL, "prevalence"} <= set(wide):
        return []
    return [str(c) for c in wide.index[wide[MODEL] > wide["prevalence"]]]


def _of_people(facts: CardFacts) -> list[str]:
    table = facts.kept("equity")
    if facts.chooses:
        return ["No audit by group of people is made of a choice between therapies."]
    if table is None:
        return ["No audit by group of people lies with the model."]
    if table.empty:
        return []
    table = suppressed(table)
    notes = table["note"].fillna("").astype(str)
    few = [f"{attribute_title(r.attribute)}: {r.group}" for r in table[notes.str.contains("too few")].itertuples()]
    unknown = [str(a) for a, part in table.groupby("attribute", sort=False) if set(part["group"]) == {"not known"}]
    said = _off_level(table) + _foreign(facts) + differing(table)
    if few:
        said.append(f"Groups of too few patients to tell: {listing(few, 12)}.")
    if unknown:
        said.append(f"Not known of any patient: {listing([attribute_title(u) for u in unknown])}.")
    return said


def _off_level(table: pd.DataFrame) -> list[str]:
    """Name the studies whose response rate the mean probability missed."""
    studies = table[table["attribute"] == "study"]
    if studies.empty or "calibration_lower" not in studies:
        return []
    said = []
    for off, what in (
        (studies[studies["calibration_lower"] > 0], "few"),
        (studies[studies["calibration_upper"] < 0], "many"),
    ):
        told = [f"{shown_name(str(r['group']))}, {estimate(r, 'calibration')}" for r in off.to_dict("records")]
        if told:
            said.append(f"Too {what} responses were predicted (observed − expected) in {'; '.join(told)}.")
    return said


def _foreign(facts: CardFacts) -> list[str]:
    """Tell of patients it was judged on whose tumour it is not made for."""
    _, foreign = by_tumour(facts)
    if foreign.empty:
        return []
    told = [f"{r.group} ({count(r.n)})" for r in foreign.itertuples()]
    return [
        f"It was also judged on patients with a tumour that it is not for, and for whom it abstains in use: "
        f"{listing(told)}. They are in every mean over all cohorts; by tumour, its own stand by themselves."
    ]


def _of_leaks(facts: CardFacts) -> list[str]:
    table = facts.kept("sentinels")
    if table is None:
        return ["Leakage sentinels did not run, or what they found was not kept."]
    gone = [f"Left out before anything was fitted: {'; '.join(who)}."] if (who := left_out(table)) else []
    return gone + [
        f"Leakage sentinel '{r.get('sentinel')}' was waived: {r.get('reason') or 'no reason given'}."
        for r in waivers(table)
    ]


def _of_data(facts: CardFacts) -> list[str]:
    said = []
    definitions = sorted({c.definition for c in facts.cohorts if c.definition})
    if len(definitions) > 1:
        said.append(f"Response was not defined alike in all cohorts: {'; '.join(definitions)}.")
    silent = [c.name for c in facts.cohorts if not c.licence]
    if silent:
        said.append(f"Source and licence are not known to theracast: {listing(silent)}.")
    if not facts.cohorts:
        said.append("Which cohorts it was trained on was not kept.")
    prior = facts.about.get("prior")
    if prior is not None and not pd.isna(prior):
        said.append(
            f"Probabilities assume the response rate of the training studies, {prior:.0%}, unless a site tells its own."
        )
    return said
