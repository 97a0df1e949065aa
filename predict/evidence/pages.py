"""Claims and their tables as Markdown, simulated ones marked."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from theracast.predict.evidence.claims import Claim
from theracast.predict.evidence.records import overview, read_run, state_of
from theracast.predict.tables import markdown

#: Rows of a table that are shown; the file has them all.
MOST_ROWS = 40


def index_page(claims: Mapping[str, Claim]) -> str:
    """List all claims: what is claimed, whether it is simulated, whether it stands, how it is run.

    Parameters
    ----------
    claims : mapping of str to Claim
        From `theracast.predict.evidence.claims.read_claims`.

    Returns
    -------
    str
        Markdown.

    Examples
    --------
    >>> from pathlib import Path
    >>> index_page({"a": Claim("a", Path("a.yaml"), "It works. Or so.", simulated="all")}).splitlines()[2]
    '| [a](a.yaml) | It works. | simulated: all | not declared |  |  |'
    """
    found = overview(claims)
    table = pd.DataFrame(
        {
            "claim": [f"[{name}]({claim.file.name})" for name, claim in claims.items()],
            "in one sentence": [_first(claim.text) for claim in claims.values()],
            "simulated": [f"simulated: {c.simulated}" if c.simulated else "" for c in claims.values()],
            "state": found["state"],
            "last run (UTC)": found["when"],
            "run": [f"`{run}`" if run else "" for run in found["run"]],
        }
    )
    return markdown(table.astype(str))


def claim_page(claim: Claim) -> str:
    """Show one claim: what it says, what it rests on, and its tables.

    Parameters
    ----------
    claim : Claim
        Of the evidence folder.

    Returns
    -------
    str
        Markdown; above every table of a simulated claim stands that it is simulated.

    Examples
    --------
    >>> from pathlib import Path
    >>> "nothing is kept" in claim_page(Claim("a", Path("a.yaml"), "It works.", by="a.py"))
    True
    """
    run = read_run(claim)
    state, why = state_of(claim, run)
    parts = [f"# {claim.name}", claim.text, f"State: {state}{': ' + why if why else ''}."]
    if claim.simulated:
        parts.append(f"**Simulated**: {claim.simulated}.")
    if claim.command:
        parts.append(f"Run: `theracast experiment run {claim.name}`, which is `{claim.command}`.")
    if run is not None:
        digests = pd.DataFrame({"data": list(run.data), "sha256": [d[:16] for d in run.data.values()]})
        parts.append(f"Last run {run.when}, {run.seconds:.0f} s, on")
        parts.append(markdown(digests.astype(str)))
    mark = "Simulated. " if claim.simulated else ""
    for name, file in claim.written().items():
        if not name.endswith(".csv"):
            parts.append(f"{mark}[{name}]({name})")
            continue
        table = pd.read_csv(file, dtype=str, comment="#", keep_default_na=False)
        more = f" The first {MOST_ROWS} of {len(table)} rows." if len(table) > MOST_ROWS else ""
        parts += [f"{mark}{name}:{more}", markdown(table.head(MOST_ROWS))]
    return "\n\n".join(parts)


def _first(text: str) -> str:
    """Return the first sentence; a claim about simulated patients begins with that word."""
    return text.split(". ")[0].rstrip(".").replace("|", "/") + "."
