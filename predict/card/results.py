"""Sections on how well a model did: by cohort, calibration, sets, what acting on it is worth, by group of people."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pandas as pd

from theracast.models.baselines import BASELINES
from theracast.models.estimates import wilson
from theracast.models.fusion import SET_LEVEL
from theracast.models.published import PUBLISHED
from theracast.models.validate import MODEL, Validation
from theracast.predict.card.choices import choice_evidence
from theracast.predict.card.cohorts import shown_name
from theracast.predict.card.facts import CardFacts
from theracast.predict.card.groups import equity_section
from theracast.predict.card.parts import Grid, Part, Picture, Section, Words
from theracast.predict.card.plots import slopes
from theracast.predict.card.said import CHANCE, NOTHING, estimate, listing, model_title, share, short
from theracast.predict.card.small_cells import count, suppressed
from theracast.predict.report.decision_plot import decision_curves
from theracast.predict.report.plots import forest

#: Thresholds of a decision curve that the table tells; the figure has all.
_TOLD = (0.1, 0.2, 0.3, 0.4, 0.5)
#: For figures that read one table of a validation.
_NOBODY = Validation(pd.DataFrame(), pd.DataFrame(), pd.DataFrame())
_NO = "The run did not keep it: "


def result_sections(facts: CardFacts) -> tuple[Section, ...]:
    """Tell how well a model did.

    Parameters
    ----------
    facts : CardFacts
        Of the model.

    Returns
    -------
    tuple of Section
        Performance, calibration, coverage, decision curves and groups of people; what was not kept is said to be open.

    Examples
    --------
    >>> from theracast.models.indications import INDICATIONS
    >>> [s.name for s in result_sections(CardFacts("m", "", INDICATIONS["melanoma_ici"], {}))]
    ['performance', 'calibration', 'coverage', 'utility', 'equity']
    """
    if facts.chooses:
        return (_arms(facts),)
    validation = facts.validation
    return (
        _performance(validation),
        _calibration(facts),
        _coverage(validation),
        _utility(facts),
        equity_section(facts),
    )


def _performance(validation: Validation | None) -> Section:
    title = "How well it tells responders from others"
    if validation is None:
        return Section("performance", title, (Words(f"{_NO}no validation lies with the model.", "open"),))
    parts: list[Part] = [
        Picture(
            lambda: forest(validation),
            "AUC with interval by cohort, beside baselines; the tables below have the figures",
        ),
        _by_cohort(validation),
    ]
    if validation.table.model.isin(list(PUBLISHED)).any():
        parts.append(_by_cohort(validation, published=True))
    means = {"all cohorts": validation.mean} | {f"set {k}": v for k, v in validation.sets.items()}
    parts += [_means(name, mean, folded=at > 0) for at, (name, mean) in enumerate(means.items()) if len(mean)]
    return Section(
        "performance",
        title,
        tuple(parts),
        "AUC is the chance that a responder gets a higher probability than a non-responder; .5 is a coin. Each "
        "cohort was "
        "predicted by a model that had not seen it. Baselines and published scores are judged on the same patients.",
    )


def _by_cohort(validation: Validation, published: bool = False) -> Grid:
    table = validation.table
    beside = [
        str(m) for m in table.model.unique() if (m in PUBLISHED if published else m not in (MODEL, CHANCE, *PUBLISHED))
    ]
    area = table.pivot_table(index="cohort", columns="model", values="auc", dropna=False)
    rows = []
    for row in table[table.model == MODEL].to_dict("records"):
        others = [short(area.loc[row["cohort"], m]) if m in area else NOTHING for m in beside]
        n = f"{row['n']:.0f} ({row['R']:.0f} / {row['NR']:.0f})"
        rows.append((str(row["cohort"]), n, estimate(row, "auc"), *others, str(row["note"] or "")))
    columns = ("Cohort", "n (R / NR)", "Model", *map(model_title, beside), "Note")
    what = "published scores" if published else "baselines"
    title = f"AUC by cohort beside {what}, that of the model with its 95% interval"
    return Grid(title, columns, tuple(rows), ("Note",), published)


def _means(name: str, mean: pd.DataFrame, folded: bool) -> Grid:
    rows = []
    for row in mean.to_dict("records"):
        kind = "published" if row["model"] in PUBLISHED else "baseline" if row["model"] in BASELINES else ""
        told = ".50 by definition" if row["model"] == CHANCE else estimate(row, "auc")
        gain = "" if row["model"] == MODEL else estimate(row, "gain")
        rows.append((model_title(str(row["model"])), kind, told, gain, f"{row['cohorts']:.0f}"))
    title = f"Random-effects mean AUC over {name} with 95% interval; the model above each, on the same patients"
    columns = ("What", "Kind", "Mean AUC", "Model above it", "Cohorts")
    return Grid(title, columns, tuple(rows), ("Kind",), folded)


def _calibration(facts: CardFacts) -> Section:
    title = "Whether its probabilities are right"
    validation = facts.validation
    table = validation.table if validation is not None else pd.DataFrame()
    if "calibration_slope" not in table:
        return Section("calibration", title, (Words(f"{_NO}no calibration lies with the model.", "open"),))
    chance = table[table.model == CHANCE].set_index("cohort").brier if "brier" in table else pd.Series(dtype=float)
    mine = table[table.model == MODEL]
    apart = _observed(facts)
    rows = tuple(
        (
            str(r["cohort"]),
            estimate(apart.get(str(r["cohort"]), {}), "calibration"),
            estimate(r, "calibration_slope"),
            short(r.get("brier"), 3),
            short(chance.get(r["cohort"]), 3),
        )
        for r in mine.to_dict("records")
    )
    columns = ("Cohort", "Observed − expected", "Slope", "Brier", "Brier of the response rate")
    return Section(
        "calibration",
        title,
        (
            Picture(lambda: slopes(mine), "Calibration slope with interval by cohort; the table below has the figures"),
            Grid(
                "Observed less expected response rate and calibration slope with 95% intervals; Brier score of the "
                "model and of the response rate in training",
                columns,
                rows,
            ),
        ),
        "Observed − expected is the response rate less the mean probability: 0 is right, above 0 too few responses "
        "were predicted; a dash where there are too few patients. A slope of 1 is right; below 1 the probabilities are "
        "too far apart, above 1 not far enough. A Brier score "
        "is better "
        "the lower it is. The level of the probabilities rests on the response rate in training, unless a site "
        "tells its own.",
    )


def _observed(facts: CardFacts) -> dict[str, dict[str, Any]]:
    """Find observed less expected response rates, which the audit has for each study."""
    audit = facts.kept("equity")
    if audit is None or audit.empty:
        return {}
    rows = suppressed(audit[audit["attribute"] == "study"]).to_dict("records")
    return {shown_name(str(r["group"])): {str(k): v for k, v in r.items()} for r in rows}


def _coverage(validation: Validation | None) -> Section:
    title = f"How often its {SET_LEVEL:.0%} sets hold the answer"
    if validation is None or validation.coverage.empty:
        return Section("coverage", title, (Words(f"{_NO}no coverage lies with the model.", "open"),))
    held = validation.coverage.to_dict("records")
    shares = ("coverage_response", "coverage_no_response", "abstained", "right_when_single")
    rows = tuple(
        (
            str(r["cohort"]),
            f"{r['n']:.0f}",
            _counted(r["coverage"], r["n"]),
            *(share(r.get(k)) for k in shares),
            "" if r["holds"] else "too seldom",
        )
        for r in held
    )
    columns = ("Cohort", "n", "Held", "Among R", "Among NR", "Both possible", "Right when one", "Note")
    below = [str(r["cohort"]) for r in held if not r["holds"]]
    said = (
        f"More than two standard errors too seldom in {listing(below)}." if below else
        "In no cohort more than two standard errors too seldom."
    )  # fmt: skip
    return Section(
        "coverage",
        title,
        (
            Words(said),
            Grid(
                "Share of patients whose set holds their label, with 95% interval, and whose set holds both",
                columns,
                rows,
                ("Note",),
            ),
        ),
        "The set of a patient holds every label that cannot be excluded. Where it holds both, the model gives no "
        "decision.",
    )


def _counted(value: float, n: float) -> str:
    lower, upper = wilson(value * n, n)
    return estimate({"held": value, "held_lower": float(lower), "held_upper": float(upper)}, "held", percent=True)


def _utility(facts: CardFacts) -> Section:
    title = "What acting on it is worth"
    table = facts.kept("net_benefit")
    if table is None or table.empty:
        return Section("utility", title, (Words(f"{_NO}no decision curve lies with the model.", "open"),))
    near = [min(table.threshold.unique(), key=lambda t: abs(t - told)) for told in _TOLD]
    thresholds = [t for t in dict.fromkeys(near) if any(math.isclose(t, told, abs_tol=0.011) for told in _TOLD)]
    rows = []
    for cohort, part in table.groupby("cohort", sort=False):
        at = {r["threshold"]: r for r in part.to_dict("records")}
        cells = [estimate(at[t], "gain") if t in at else NOTHING for t in thresholds]
        state = str(part["state"].iloc[0] or "") if "state" in part else ""
        rows.append((str(cohort), *cells, state))
    columns = ("Cohort", *(f"from {t:.0%}" for t in thresholds), "Note")
    return Section(
        "utility",
        title,
        (
            Picture(
                lambda: decision_curves(replace(_NOBODY, net_benefit=table)),
                "Decision curves by cohort; the table below has the gains at some thresholds",
            ),
            Grid(
                "Net benefit above the better of treating all and treating no one, by the probability from which "
                "one would treat, with 95% interval",
                columns,
                tuple(rows),
                ("Note",),
            ),
        ),
        "Net benefit counts responses per patient, less the treatments in vain at the price that the threshold "
        "stands for: who treats from 20% up takes four in vain for one response. Above 0 the model is worth more than "
        "a rule for all.",
    )


def _arms(facts: CardFacts) -> Section:
    table = choice_evidence(facts)
    title = "What each therapy's model rests on"
    if table.empty:
        return Section("performance", title, (Words(f"{_NO}no evidence lies with the model.", "open"),))
    rows = tuple(
        (
            str(r["therapy"]),
            str(r.get("study", "")),
            count(r.get("n")),
            count(r.get("responders")),
            estimate(r, "auc"),
            f"{short(r.get('brier'), 3)} / {short(r.get('brier_rate'), 3)}",
            str(r.get("state") or ""),
            str(r.get("reason") or ""),
        )
        for r in table.to_dict("records")
    )
    columns = ("Therapy", "Study", "n", "Responders", "AUC", "Brier / of the rate", "State", "Reason")
    return Section(
        "performance",
        title,
        (
            Grid(
                "AUC with 90% interval and Brier score, of patients whom the model had not seen",
                columns,
                rows,
                ("Study", "State", "Reason"),
            ),
        ),
        "A therapy may be ranked only where its model orders patients it had not seen, and only beside others of "
        "its study.",
    )
