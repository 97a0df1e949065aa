"""A card in the XML of the Applied Model Card schema, version 0.2, of the Coalition for Health AI.

Only the names of its elements are used. Copyright of the schema (c) 2024 Coalition for Health AI, Inc.; its licence
permits any use, and its notice is in NOTICE. What theracast does not know says so in its element.
"""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

from theracast.models.validate import MODEL
from theracast.predict.card.checklists import Answered
from theracast.predict.card.parts import Bullets, Card, Grid, Pairs, Words

NAMESPACE = "https://mc.chai.org/v0.2/schema.xsd"
#: Section, table, what names a row, estimates of it, and the name of a row without one.
_ESTIMATES = (
    ("performance", "mean", (), {"auc": "Mean AUC"}, "all cohorts"),
    ("performance", "validation", ("cohort",), {"auc": "AUC"}, ""),
    ("equity", "equity", ("attribute", "group"), {"auc": "AUC", "calibration": "Observed - expected"}, ""),
    ("calibration", "validation", ("cohort",), {"calibration_slope": "Calibration slope"}, ""),
)
#: What an element says that only a person can fill in.
BLANK = "Open: only a person can answer."


def to_chai(card: Card) -> str:
    """Write a card in the schema of the Coalition for Health AI.

    Parameters
    ----------
    card : Card
        The card.

    Returns
    -------
    str
        XML; every element that the schema requires is there, in its order.

    Examples
    --------
    >>> "<ModelName>M</ModelName>" in to_chai(Card("m", "M", "1", "ab", "2026-01-31", "", (), ()))
    True
    """
    ElementTree.register_namespace("", NAMESPACE)
    root = ElementTree.Element(f"{{{NAMESPACE}}}AppliedModelCard")
    for name, held in _content(card).items():
        _add(root, name, held)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _content(card: Card) -> dict[str, object]:
    use, said = _pairs(card, "use"), _items(card)
    data, method = _text(card, "data"), _pairs(card, "method")
    summary = f"{card.headline}. {card.beneath}" if card.headline else BLANK
    return {
        "BasicInfo": {
            "ModelName": card.title,
            "ModelDeveloper": _of(said, "person developer"),
            "DeveloperContact": _of(said, "person contact"),
        },
        "ReleaseInfo": {
            "ReleaseStage": use.get("Status", BLANK),
            "ReleaseDate": _pairs(card, "identity").get("Registered (UTC)", "not registered"),
            "ReleaseVersion": f"{card.version or 'not registered'}, sha256 {card.digest}",
            "GlobalAvailability": BLANK,
            "RegulatoryApproval": _of(said, "person regulatory"),
        },
        "ModelSummary": {"Summary": summary, "Keywords": {"Keyword": card.name}},
        "UsesAndDirections": {
            "IntendedUseAndWorkflow": use.get("Intended use", BLANK),
            "PrimaryIntendedUsers": _of(said, "tripod 3b"),
            "HowToUse": _of(said, "tripod 27b"),
            "TargetedPatientPopulation": use.get("For whom", BLANK),
            "CautionedOutOfScopeSettings": use.get("Not for", BLANK),
        },
        "Warnings": {
            "KnownRisksAndLimitations": _text(card, "limits"),
            "KnownBiasesOrEthicalConsiderations": _text(card, "equity"),
            "ClinicalRiskLevel": _of(said, "person risk"),
        },
        "TrustIngredients": {
            "AISystemFacts": {
                "OutcomesAndOutputs": f"{use.get('Predicts', BLANK)}; {use.get('When judged', '')}. "
                f"{method.get('Output', '')}",
                "ModelType": method.get("Model", BLANK),
                "InputDataSource": data,
                "OutputAndInputDataTypes": _text(card, "inputs"),
                "DevelopmentDataCharacterization": data,
                "BiasMitigationApproaches": _of(said, "tripod 14"),
                "OngoingMaintenance": _of(said, "person maintenance"),
            },
            "TransparencyInformation": {
                "FundingSource": _of(said, "tripod 18a"),
                "StakeholdersConsulted": _of(said, "tripod 19"),
            },
        },
        "KeyMetrics": {
            "UsefulnessUsabilityEfficacy": _metric(
                card, ("performance", "utility"), "To tell responders from others on cohorts not seen.", data
            ),
            "FairnessEquity": _metric(card, ("equity",), "To be worth as much in every group of people.", data),
            "SafetyReliability": _metric(
                card,
                ("calibration", "coverage"),
                "To give right probabilities, and to abstain where it cannot tell.",
                data,
            ),
        },
        "Resources": {
            "PeerReviewedPublications": _publications(card),
            "PatientConsentOrDisclosure": _of(said, "person consent"),
        },
        "Bibliography": _bibtex(card),
    }


def _metric(card: Card, names: tuple[str, ...], goal: str, data: str) -> dict[str, object]:
    tables = [p for s in card.sections if s.name in names for p in s.parts if isinstance(p, Grid)]
    results = [{"Label": label, "ValueJson": json.dumps(value)} for label, value in _estimates(card, names)]
    results += [
        {
            "Label": p.title,
            "ValueJson": json.dumps([dict(zip(p.columns, row, strict=True)) for row in p.rows], ensure_ascii=False),
        }
        for p in tables
    ]
    none = [{"Label": "none", "ValueJson": "null"}]
    leads = " ".join(s.lead for s in card.sections if s.name in names and s.lead)
    return {
        "MetricGoal": goal,
        "Results": {"MetricResult": results or none},
        "Interpretation": leads or BLANK,
        "TestType": _test(card) if results else BLANK,
        "TestingDataDescription": data,
        "ValidationProcessAndJustification": _pairs(card, "method").get("Judged by", BLANK),
    }


def _estimates(card: Card, names: tuple[str, ...]) -> list[tuple[str, dict[str, Any]]]:
    """Give the estimates of some sections as the public examples of the schema write an estimate."""
    found = []
    for section, table, where, fields, label in _ESTIMATES:
        rows = [r for r in card.numbers.get(table, ()) if section in names and r.get("model", MODEL) == MODEL]
        for row in rows:
            name = " ".join(filter(None, (str(row.get(w) or "") for w in where)))
            for field, what in fields.items():
                told = [row.get(f"{field}{end}") for end in ("", "_lower", "_upper")]
                if all(isinstance(t, float) for t in told):
                    value = dict(zip(("estimate", "lower", "upper"), told, strict=True))
                    found.append((f"{what}, {name or label}", {"kind": "estimate_ci", **value, "level": 95}))
    return found


def _test(card: Card) -> str:
    if "validation" not in card.numbers:
        return "cross-fitting within a study; no study was held back"
    return "retrospective; internal-external validation, cohort by cohort"


def _publications(card: Card) -> str:
    known = _pairs(card, "identity").get("References")
    return f"{BLANK} None of this model is known to theracast." + (f" It rests on: {known}." if known else "")


def _bibtex(card: Card) -> str:
    title, note = (
        "".join(c for c in t if c not in "{}\\") for t in (card.title, f"theracast model, sha256 {card.digest}")
    )
    return f"@misc{{{card.name}, title = {{{title}}}, note = {{{note}}}}}"


def _items(card: Card) -> dict[str, Answered]:
    return {f"{c} {a.number}": a for c, items in card.checklists.items() for a in items}


def _of(items: dict[str, Answered], number: str) -> str:
    found = items.get(number)
    if found is None:
        return BLANK
    told = [found.answer] if found.answer else []
    told += [f"By a person: {found.person}"] if found.person else []
    return " ".join([*told, f"Open: {found.rest}"] if found.asks_a_person else told) or BLANK


def _pairs(card: Card, name: str) -> dict[str, str]:
    return {k: v for s in card.sections if s.name == name for p in s.parts if isinstance(p, Pairs) for k, v in p.pairs}


def _text(card: Card, name: str) -> str:
    """Give a section as lines of text."""
    lines = list[str]()
    for part in (p for s in card.sections if s.name == name for p in s.parts):
        if isinstance(part, Words):
            lines.append(part.text)
        elif isinstance(part, Bullets):
            lines += [f"- {line}" for line in part.lines]
        elif isinstance(part, Grid) and not part.folded:
            lines += [
                f"{part.title}: {', '.join(part.columns)}",
                *("- " + "; ".join(filter(None, row)) for row in part.rows),
            ]
    return "\n".join(lines) or BLANK


def _add(parent: ElementTree.Element, name: str, held: object) -> None:
    for one in held if isinstance(held, list) else [held]:
        element = ElementTree.SubElement(parent, f"{{{NAMESPACE}}}{name}")
        if isinstance(one, dict):
            for inner, value in one.items():
                _add(element, inner, value)
        else:
            # what XML 1.0 cannot hold is left out
            element.text = "".join(c for c in str(one) if c in "\t\n\r" or (ord(c) >= 32 and c not in "\ufffe\uffff"))
