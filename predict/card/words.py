"""The words that a card's checklists are filled in with; what the run does not know is missing here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from theracast.models.base import LEVEL
from theracast.models.fusion import SET_LEVEL
from theracast.models.prognosis import EVENTS_PER_FEATURE
from theracast.models.selection_spec import SelectionSpec
from theracast.models.validate import MODEL
from theracast.predict.card.checklists import filled, read_knowledge
from theracast.predict.card.choices import HUNDRED, choice_words
from theracast.predict.card.cohorts import CohortFacts
from theracast.predict.card.facts import CardFacts
from theracast.predict.card.leaks import left_out, passed, waivers
from theracast.predict.card.said import (
    attribute_title,
    best_rival,
    estimate,
    heterogeneous,
    listing,
    ours,
    overlapping,
)
from theracast.predict.tables import EQUITY_SHOWN


def words_of(facts: CardFacts, headline: str, limits: int) -> dict[str, str]:
    """Say in words what a run knows.

    Parameters
    ----------
    facts : CardFacts
        Of the model.
    headline : str
        What was found, in a sentence.
    limits : int
        How many limits the card lists.

    Returns
    -------
    dict of str to str
        Name to words; what is not known is missing or empty.

    Examples
    --------
    >>> from theracast.models.indications import INDICATIONS
    >>> words = words_of(CardFacts("m", "ab", INDICATIONS["melanoma_ici"], {}), "", 0)
    >>> words["horizon"], "performance" in words
    ('best response on treatment', False)
    """
    spec, experiment = facts.spec, facts.experiment
    words = {
        k: str(getattr(spec, k)) for k in ("title", "endpoint", "horizon", "population", "intended_use", "not_for")
    }
    words |= {"headline": headline, "digest": facts.digest, "n_limits": str(limits) if limits else ""}
    words |= {"experiment_digest": str(facts.about.get("experiment_digest") or "")}
    words |= {"claim": str(experiment.get("claim") or "").strip()}
    words |= {"theracast": str((facts.environment.get("versions") or {}).get("theracast") or "")}
    words |= {"code_digest": str(facts.environment.get("code") or "")}
    words |= {"n_features": str(len(facts.features)) if facts.features else ""}
    words |= _built(facts) | _data(facts) | _performance(facts) | _trust(facts) | choice_words(facts)
    return words


def _built(facts: CardFacts) -> dict[str, str]:
    """Say how it is built; true of every model of the kind."""
    design = read_knowledge("design.yaml")
    levels = {"level": f"{LEVEL:.0%}", "set_level": f"{SET_LEVEL:.0%}"}
    words = {k: filled(v, levels) for k, v in design["selection" if facts.chooses else "response"].items()}
    learner = str(facts.experiment.get("learner") or "")
    if facts.chooses or learner not in design["learners"]:
        return words
    words |= {"learner": design["learners"][learner], "scaling": design["scales"][learner]}
    words |= {"reply_learner": "yes", "reply_scaling": "yes" if learner == "xgboost" else "probably yes"}
    choices = {k: v for k, v in (facts.experiment.get("options") or {}).items() if isinstance(v, list)}
    if choices:
        words["learner"] += f" Chosen on studies left out: {listing(list(choices))}."
    if facts.validation is not None:
        held = [c.name for c in facts.cohorts if c not in facts.trained]
        words["design"] = (
            "Each cohort was predicted by a model fitted on the other training cohorts, without any that holds the "
            "same patients; no patient was split off at random."
        ) + (f" Never trained on: {listing(held)}." if held else " No cohort was held back from the final model.")
        words["reply_design"] = "yes"
    return words


def _data(facts: CardFacts) -> dict[str, str]:
    cohorts, trained = facts.cohorts, facts.trained
    if not cohorts:
        return {}
    words = {}
    if all(c.paper or c.reference for c in cohorts):
        words["sources"] = (
            "; ".join(f"{c.name}: {', '.join(filter(None, (c.paper, c.reference)))}" for c in cohorts) + "."
        )
    if all(c.treatment for c in cohorts):
        words["treatments"] = _counted(c.treatment for c in cohorts)
    elif isinstance(facts.spec, SelectionSpec):
        words["treatments"] = listing([a.therapy for a in facts.spec.arms])
    if all(c.definition for c in cohorts):
        kinds = sorted({c.definition for c in cohorts})
        words["definitions"] = (
            f"{len(kinds)} definition{'s' if len(kinds) > 1 else ''} in the data: {'; '.join(kinds)}."
        )
        words["reply_definitions"] = "probably yes" if len(kinds) == 1 else "probably no"
    if all(c.licence for c in cohorts):
        words["data_sharing"] = "Licence of each cohort: " + "; ".join(f"{c.name} {c.licence}" for c in cohorts) + "."
    if all(c.known is not None for c in cohorts):
        words["known_of"] = (
            "Patients of whom there is a value, by cohort: "
            + "; ".join(f"{c.name} " + ", ".join(f"{k} {v}" for k, v in (c.known or {}).items()) for c in cohorts) + "."
        )  # fmt: skip
    if all(c.n is not None for c in trained):
        n, r = sum(c.n or 0 for c in trained), sum(c.responders or 0 for c in trained)
        words |= {"n_trained": str(n), "r_trained": str(r)} | _events(facts, r, n - r)
    if all(c.n is not None for c in cohorts):
        judged = sum(c.n or 0 for c in cohorts)
        words["n_judged"] = f"{judged} patients of {len(cohorts)} cohorts to judge it."
        words["rates"] = "; ".join(f"{c.name} {_rate(c)}" for c in cohorts)
        tumours = f"Disease: {_counted(c.cancer for c in cohorts if c.cancer)}; " if cohorts[0].cancer else ""
        rates = sorted(map(_rate, cohorts), key=_as_number)
        words["differences"] = f"{tumours}response rates from {rates[0]} to {rates[-1]}."
        unknown = sum(c.unknown or 0 for c in cohorts)
        lost = f" {unknown} without a response were not used." if all(c.unknown is not None for c in cohorts) else ""
        words["flow"] = f"{judged} patients with a response: {sum(c.responders or 0 for c in cohorts)} responded.{lost}"
        gone = left_out(found) if (found := facts.kept("sentinels")) is not None else []
        words["flow"] += f" Left out: {'; '.join(gone)}." if gone else ""
    return words | _prepared(cohorts)


def _prepared(cohorts: tuple[CohortFacts, ...]) -> dict[str, str]:
    """Say whether predictors were prepared alike, as far as the data cards tell."""
    warned = [c.name for c in cohorts if c.traps]
    one = "One code computes every feature, of each patient alone"
    if warned:
        text = f"{one}, but the data cards of {listing(warned)} warn of differences that lie before it."
        return {"prepared": text, "reply_prepared": "probably no"}
    return {
        "prepared": f"{one}; what was done before the tables is not known to it.",
        "reply_prepared": "no information",
    }


def _events(facts: CardFacts, r: int, nr: int) -> dict[str, str]:
    if not facts.features:
        return {}
    per = min(r, nr) / len(facts.features)
    return {
        "events": f"{min(r, nr)} patients of the rarer outcome for {len(facts.features)} features: {per:.0f} per "
        f"feature; "
        f"{EVENTS_PER_FEATURE} are asked of a model without a penalty.",
        "reply_events": "probably yes" if per >= EVENTS_PER_FEATURE else "probably no",
    }


def _performance(facts: CardFacts) -> dict[str, str]:
    validation = facts.validation
    mean = ours(validation.mean) if validation is not None else None
    if validation is None or mean is None:
        return {}
    table = validation.table[validation.table.model == MODEL]
    large = [str(r.cohort) for r in table.itertuples() if min(r.R, r.NR) >= HUNDRED]
    said = f"Mean AUC {estimate(mean, 'auc')} over {mean['cohorts']:.0f} cohorts not seen."
    words = {
        "performance": f"{said} By cohort in the table.",
        "heterogeneity": heterogeneous(validation, mean),
        "interpretation": overlapping(validation),
        "hundred": f"{len(large)} of {len(table)} cohorts have {HUNDRED} patients of either kind or more"
        + (f": {listing(large)}." if large else "."),
        "reply_hundred": "probably yes" if len(large) == len(table) else "probably no",
    }
    rival = best_rival(validation)
    words["beside"] = f"The strongest of what stands beside it: {rival}." if rival else ""
    worth = facts.kept("net_benefit")
    told = ["AUC with interval", "paired gain over baselines and published scores", "Brier score", "calibration slope"]
    audit = facts.kept("equity")
    large_scale = audit is not None and len(audit) and (audit["attribute"] == "study").any()
    told += ["observed minus expected response rate"] if large_scale else []
    told += ["coverage of the sets"] if len(validation.coverage) else []
    told += ["net benefit"] if worth is not None and len(worth) else []
    words["measures"] = f"By cohort: {listing(told)}; random-effects means."
    words["reply_measures"] = "yes" if "net benefit" in told and large_scale else "probably yes"
    return words


def _trust(facts: CardFacts) -> dict[str, str]:
    words, equity, found = {}, facts.kept("equity"), facts.kept("sentinels")
    if equity is not None:
        shown = [a for a in dict.fromkeys(equity["attribute"]) if a in EQUITY_SHOWN] if len(equity) else []
        told = listing([attribute_title(str(a)) for a in shown]) if shown else "no group"
        words["fairness"] = f"The model has no constraint of fairness; what it does is measured by {told}."
        words["subgroups"] = f"Subgroups by {told} in tables of their own." if shown else "No group was known."
    if found is not None:
        waived = [str(r["sentinel"]) for r in waivers(found)]
        words["leakage"] = passed(found)
        words["reply_leakage"] = "probably no" if waived else "probably yes" if facts.chooses else "yes"
        words["timing"] = (
            f"{words['leakage']} One sentinel looks for what was measured after treatment began, where the tables date "
            "it or name the sampling; elsewhere the run does not know."
        )
        words["reply_timing"] = "probably no" if "late_feature" in waived else "probably yes"
    return words


def _rate(cohort: CohortFacts) -> str:
    return f"{(cohort.responders or 0) / max(cohort.n or 0, 1):.0%}"


def _as_number(percent: str) -> int:
    return int(percent.removesuffix("%"))


def _counted(names: Iterable[str]) -> str:
    return ", ".join(f"{name} ({n} cohort{'s' if n > 1 else ''})" for name, n in Counter(names).items())
