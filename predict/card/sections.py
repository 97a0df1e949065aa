"""Sections on what a model is: its use, its data, what it reads, how it is built, when it abstains."""

from __future__ import annotations

from collections.abc import Mapping

from theracast.models.fusion import SET_LEVEL
from theracast.models.prognosis import TOO_FEW, prognostic_features
from theracast.models.selection_spec import SelectionSpec
from theracast.predict.card.facts import CardFacts
from theracast.predict.card.leaks import left_out
from theracast.predict.card.parts import Bullets, Grid, Pairs, Part, Section, Words
from theracast.predict.card.said import estimate, listing
from theracast.predict.report.printed import readable

_UNKNOWN = "not known"


def use_section(facts: CardFacts) -> Section:
    """Say what the model is for, and what it is not for.

    Parameters
    ----------
    facts : CardFacts
        Of the model.

    Returns
    -------
    Section
        ``use``.

    Examples
    --------
    >>> from theracast.models.indications import INDICATIONS
    >>> use_section(CardFacts("m", "", INDICATIONS["melanoma_ici"], {})).name
    'use'
    """
    spec = facts.spec
    pairs = [
        ("Intended use", spec.intended_use),
        ("Not for", spec.not_for),
        ("For whom", spec.population),
        ("Predicts", spec.endpoint),
        ("When judged", spec.horizon),
    ]
    if isinstance(spec, SelectionSpec):
        pairs.append(("Therapies", listing([a.therapy for a in spec.arms])))
    pairs.append(("Status", "Research use; not a medical device."))
    return Section("use", "What it is for", (Pairs(tuple(pairs)),))


def data_section(facts: CardFacts) -> Section:
    """Say which cohorts it was fitted and judged on.

    Parameters
    ----------
    facts : CardFacts
        Of the model.

    Returns
    -------
    Section
        ``data``.

    Examples
    --------
    >>> from theracast.models.indications import INDICATIONS
    >>> data_section(CardFacts("m", "", INDICATIONS["melanoma_ici"], {})).parts[0].tone
    'open'
    """
    cohorts = facts.cohorts
    if not cohorts:
        return Section("data", "What it learned from", (Words("The run did not keep it: no cohort is named.", "open"),))
    unknown = {c.name: "–" if c.unknown is None else str(c.unknown) for c in cohorts}
    counts = tuple(
        (c.name, c.role, c.labelled, unknown[c.name], c.cancer or _UNKNOWN, c.treatment or _UNKNOWN) for c in cohorts
    )
    sources = tuple(
        (c.name, c.paper or _UNKNOWN, c.reference or _UNKNOWN, c.licence or _UNKNOWN, c.digest[:16] or _UNKNOWN)
        for c in cohorts
    )
    parts: list[Part] = [
        Grid(
            "Patients with a known response (responders / others), and without one",
            ("Cohort", "Role", "n (R / NR)", "Unknown", "Tumour or disease", "Treatment"),
            counts,
            ("Role", "Tumour or disease", "Treatment"),
        ),
        Grid(
            "Source, licence of its data, and the first 16 characters of the sha256 of its files",
            ("Cohort", "Paper", "Reference", "Licence", "Digest"),
            sources,
            ("Paper", "Reference", "Licence", "Digest"),
        ),
    ]
    found = facts.kept("sentinels")
    gone = left_out(found) if found is not None else []
    if gone:
        parts.append(Bullets(tuple(f"Left out before anything was fitted, {who}." for who in gone)))
    warned = [(c.name, t) for c in cohorts for t in c.traps]
    if warned:
        parts.append(
            Grid("What the data cards warn of", ("Cohort", "Warning"), tuple(warned), ("Warning",), folded=True)
        )
    return Section("data", "What it learned from, and was judged on", tuple(parts))


def inputs_section(facts: CardFacts) -> Section:
    """Say what it reads, and which of it also goes with survival without the treatment.

    Parameters
    ----------
    facts : CardFacts
        Of the model.

    Returns
    -------
    Section
        ``inputs``.

    Examples
    --------
    >>> from theracast.models.indications import INDICATIONS
    >>> inputs_section(CardFacts("m", "", INDICATIONS["melanoma_ici"], {})).name
    'inputs'
    """
    if not facts.features:
        return Section("inputs", "What it reads", (Words("The run did not keep it.", "open"),))
    rows = []
    for feature in facts.features:
        block, _, name = str(feature["name"]).partition("__")
        sign = {1: "response", -1: "no response"}.get(int(feature.get("direction") or 0), "")
        cells = (str(feature[k] or "") for k in ("unit", "about"))
        rows.append((readable(name), block, *cells, sign, str(feature.get("reference") or "")))
    columns = ("Feature", "Block", "Unit", "Meaning", "Higher speaks for", "Reference")
    words = ("Block", "Unit", "Meaning", "Higher speaks for", "Reference")
    title = f"{len(rows)} features in {len({r[1] for r in rows})} blocks; a block may be missing"
    parts: list[Part] = [Grid(title, columns, tuple(rows), words, folded=len(rows) > 12)]
    return Section("inputs", "What it reads", (*parts, *_prognostic(facts)))


def _prognostic(facts: CardFacts) -> tuple[Part, ...]:
    table = prognostic_features()
    read = {str(f["name"]) for f in facts.features}
    known = table[table.index.isin(read) & table["robust"].astype(bool) & (table["verdict"] != TOO_FEW)]
    if facts.chooses or known.empty:
        return ()
    rows = tuple(
        (readable(str(i).partition("__")[2]), str(r["verdict"]), estimate(r, "treated"), estimate(r, "untreated"))
        for i, r in known.to_dict("index").items()
    )
    return (
        Grid(
            "Predictive or prognostic: hazard ratios of death per step, with a checkpoint inhibitor and without, "
            "95% intervals",
            ("Feature", "Verdict", "On the drug", "Without it"),
            rows,
            ("Verdict",),
        ),
        Words(
            "Only verdicts that held in every check are shown. They come from public patients of one hospital who "
            "were not "
            "randomised: hints at what tells of the drug and what tells of the disease, and no proof."
        ),
    )


def method_section(facts: CardFacts, words: Mapping[str, str]) -> Section:
    """Say how it is built and judged.

    Parameters
    ----------
    facts : CardFacts
        Of the model.
    words : mapping of str to str
        Of `theracast.predict.card.words.words_of`.

    Returns
    -------
    Section
        ``method``.

    Examples
    --------
    >>> from theracast.models.indications import INDICATIONS
    >>> method_section(CardFacts("m", "", INDICATIONS["melanoma_ici"], {}), {"learner": "Ridge."}).parts[0].pairs[0]
    ('Model', 'Ridge.')
    """
    named = {
        "learner": "Model",
        "candidates": "Choice of features",
        "scaling": "Scale",
        "missing": "Missing values",
        "output": "Output",
        "design": "Judged by",
        "repeated": "Repeated each time",
        "updating": "Updating",
    }
    pairs = tuple((title, words[k]) for k, title in named.items() if words.get(k))
    settings = {
        k: v for k, v in facts.experiment.items() if k in ("learner", "options", "tumour_aware") and v not in ({}, "")
    }
    if settings:
        pairs += (("Settings", "; ".join(f"{k.replace('_', ' ')}: {v}" for k, v in settings.items())),)
    return Section("method", "How it is built and judged", (Pairs(pairs),))


def abstention_section(facts: CardFacts) -> Section:
    """Say when it gives no answer.

    Parameters
    ----------
    facts : CardFacts
        Of the model.

    Returns
    -------
    Section
        ``abstention``.

    Examples
    --------
    >>> from theracast.models.indications import INDICATIONS
    >>> len(abstention_section(CardFacts("m", "", INDICATIONS["melanoma_ici"], {})).parts[0].lines)
    5
    """
    spec = facts.spec
    if isinstance(spec, SelectionSpec):
        lines = [
            "A therapy is not ranked when its model does not order patients it had not seen.",
            "It is not ranked when too few patients like this one got it, or none of another therapy of its study.",
            "Therapies of different studies are never ranked against each other.",
        ]
    else:
        lines = [f"The {SET_LEVEL:.0%} set holds both answers: the evidence does not separate."]
        lines += [f"None of {listing(list(spec.core))} is known."] if spec.core else []
        lines += [
            f"Block {b} covers less than {least:.0%} of what the model reads." for b, least in spec.min_coverage.items()
        ]
        made_for = listing(list(spec.tumours)) if spec.tumours else "those that it was trained on"
        lines += [f"The tumour type is another than {made_for}.", "Nothing that the model reads is known."]
    lead = (
        "It then says so, and why. A row with an implausible value is refused with a code; nothing is predicted for it."
    )
    return Section("abstention", "When it gives no answer", (Bullets(tuple(lines)),), lead)


def environment_section(facts: CardFacts) -> Section:
    """Say with what it was trained.

    Parameters
    ----------
    facts : CardFacts
        Of the model.

    Returns
    -------
    Section
        ``environment``.

    Examples
    --------
    >>> from theracast.models.indications import INDICATIONS
    >>> environment_section(CardFacts("m", "", INDICATIONS["melanoma_ici"], {})).parts[0].tone
    'open'
    """
    kept = facts.environment
    if not kept:
        return Section("environment", "Environment", (Words("The run did not keep it.", "open"),))
    pairs = [("Packages", ", ".join(f"{k} {v}" for k, v in (kept.get("versions") or {}).items()))]
    pairs += [("Platform", str(kept["platform"]))] if kept.get("platform") else []
    pairs += [("Digest of the code", str(kept["code"]))] if kept.get("code") else []
    return Section("environment", "Environment", (Pairs(tuple(pairs), ("Digest of the code",)),))


def identity_section(facts: CardFacts, made: str) -> Section:
    """Say which model this is, and how it is cited.

    Parameters
    ----------
    facts : CardFacts
        Of the model.
    made : str
        Date of the card.

    Returns
    -------
    Section
        ``identity``.

    Examples
    --------
    >>> from theracast.models.indications import INDICATIONS
    >>> identity_section(CardFacts("m", "ab", INDICATIONS["melanoma_ici"], {}), "2026-01-31").parts[0].pairs[1]
    ('Version', 'not registered')
    """
    version = facts.version or "not registered"
    cited = f"{facts.spec.title}. theracast model {facts.name}" + (
        f", version {facts.version}" if facts.version else ""
    )
    digest = facts.digest[:16]
    pairs = [("Model", facts.name), ("Version", version), ("Digest", facts.digest)]
    pairs += [("Registered (UTC)", facts.registered)] if facts.registered else []
    pairs += [("Card made (UTC)", made)]
    experiment = str(facts.about.get("experiment_digest") or "")
    pairs += [("Digest of the experiment", experiment)] if experiment else []
    pairs += [
        ("Cite as", f"{cited}, sha256 {digest}" + (f", {facts.registered[:10]}" if facts.registered else "") + ".")
    ]
    pairs += [("References", "; ".join(facts.spec.references))] if facts.spec.references else []
    return Section("identity", "Which model this is", (Pairs(tuple(pairs), ("Digest", "Digest of the experiment")),))
