"""What a run of a claim rested on, as it is kept, and whether that still stands."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from theracast.checks import listed
from theracast.predict.evidence.claims import TRAIN, Claim
from theracast.predict.evidence.code import code_of
from theracast.predict.evidence.sections import settings_in
from theracast.predict.files import replace_file
from theracast.provenance import digest_json, sha256_file

#: Folder of the records, in the evidence folder.
RUNS = "runs"


@dataclass(frozen=True)
class Run:
    """One run of a claim.

    Attributes
    ----------
    claim : str
        Its name.
    when : str
        When it ended, UTC.
    seconds : float
        How long it took.
    command : str
        What was run.
    simulated : str
        What is simulated; empty when nothing is.
    settings : str
        Digest of the YAML.
    data, code, outputs : dict of str to str
        Digests by name.
    environment : dict of str to str
        Versions of Python and the libraries.

    Examples
    --------
    >>> Run("a", "2026-01-01T00:00:00+00:00", 1.0, "python a.py").outputs
    {}
    """

    claim: str
    when: str
    seconds: float
    command: str
    simulated: str = ""
    settings: str = ""
    data: Mapping[str, str] = field(default_factory=dict)
    code: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


def record_of(claim: Claim) -> Path:
    """Name the file of a claim's last run.

    Parameters
    ----------
    claim : Claim
        Of the evidence folder.

    Returns
    -------
    Path
        ``runs/<name>.json`` in the folder.

    Examples
    --------
    >>> record_of(Claim("a", Path("experiments/a.yaml"), "")).as_posix()
    'experiments/runs/a.json'
    """
    return claim.folder / RUNS / f"{claim.name}.json"


def read_run(claim: Claim) -> Run | None:
    """Read the last run of a claim.

    Parameters
    ----------
    claim : Claim
        Of the evidence folder.

    Returns
    -------
    Run or None
        None when it was never run here, or the record cannot be read.

    Examples
    --------
    >>> read_run(Claim("a", Path("no/such/a.yaml"), "")) is None
    True
    """
    try:
        fields: dict[str, Any] = json.loads(record_of(claim).read_text(encoding="utf-8"))
        return Run(**fields)
    except (OSError, ValueError, TypeError):
        return None


def write_run(claim: Claim, run: Run) -> Path:
    """Keep a run.

    Parameters
    ----------
    claim : Claim
        Of the evidence folder.
    run : Run
        Of it.

    Returns
    -------
    Path
        The record.

    Examples
    --------
    >>> import tempfile
    >>> claim = Claim("a", Path(tempfile.mkdtemp(), "a.yaml"), "")
    >>> _ = write_run(claim, Run("a", "2026-01-01T00:00:00+00:00", 1.0, "python a.py"))
    >>> read_run(claim).command
    'python a.py'
    """
    text = json.dumps(asdict(run), indent=1, sort_keys=True) + "\n"
    return replace_file(record_of(claim), lambda p: p.write_text(text, encoding="utf-8"))


def code_here(claim: Claim) -> dict[str, str]:
    """Digest the code that a claim would be run by today.

    Parameters
    ----------
    claim : Claim
        Of the evidence folder.

    Returns
    -------
    dict of str to str
        As `theracast.predict.evidence.code.code_of`, and the settings of other YAMLs that its script names.

    Examples
    --------
    >>> "models/train.py" in code_here(Claim("a", Path("a.yaml"), "", by=TRAIN))
    True
    """
    if claim.by == TRAIN:
        return code_of(None, "theracast.models.train")
    code = code_of(claim.folder / claim.by.split()[0])
    # the YAMLs of others that a script reads: with other settings it would write other tables
    text = "\n".join((claim.folder / name).read_text(encoding="utf-8") for name in code if "/" not in name)
    if ".yaml" not in text:
        return code
    text += json.dumps(settings_in(claim.file))
    others = {f.name: f for f in sorted(claim.folder.glob("*.yaml")) if f != claim.file}
    read = [n for n, f in others.items() if f'"{f.stem}"' in text or f'"{n}"' in text]
    return code | {name: digest_json(settings_in(others[name]))[:16] for name in read}


def outputs_here(claim: Claim) -> dict[str, str]:
    """Digest what is kept of a claim.

    Parameters
    ----------
    claim : Claim
        Of the evidence folder.

    Returns
    -------
    dict of str to str
        File to SHA-256.

    Examples
    --------
    >>> outputs_here(Claim("a", Path("a.yaml"), ""))
    {}
    """
    return {name: sha256_file(file) for name, file in claim.written().items()}


def state_of(claim: Claim, run: Run | None) -> tuple[str, str]:
    """Say whether what is kept of a claim still stands.

    Parameters
    ----------
    claim : Claim
        Of the evidence folder.
    run : Run or None
        Its last.

    Returns
    -------
    state : str
        ``fresh``; ``stale``, when settings, data or code are others than those of the run; ``changed``, when a file is
        not the one that the run wrote; ``never run here``; ``not declared``.
    why : str
        What is another.

    Examples
    --------
    >>> state_of(Claim("a", Path("a.yaml"), "It works."), None)
    ('not declared', 'the YAML has no section run: by, data, outputs')
    """
    if not claim.declared:
        return "not declared", "the YAML has no section run: by, data, outputs"
    kept = outputs_here(claim)
    if run is None:
        count = f"{len(kept)} files are" if len(kept) != 1 else "1 file is"
        return "never run here", f"{count} kept, of a run without a record" if kept else "nothing is kept"
    moved = _apart(run.outputs, {name: digest for name, digest in kept.items() if name in run.outputs})
    if moved:
        return "changed", f"not as the run wrote them: {moved}"
    data = {name: digest for name, digest in claim.data_digests().items() if digest}
    away = sorted(set(run.data) - set(data))
    other = {
        "the YAML": "" if run.settings == claim.settings else "its settings",
        "data": listed([n for n, digest in data.items() if run.data.get(n) != digest], 3),
        "code": _apart(run.code, code_here(claim)),
    }
    told = [f"{part}: {what}" for part, what in other.items() if what]
    unseen = [f"data not here, not compared: {listed(away, 3)}"] if away else []
    alien = sorted(set(kept) - set(run.outputs))
    unseen += [f"not of this run: {listed(alien, 3)}"] if alien else []
    return "stale" if told else "fresh", "; ".join([*told, *unseen])


def overview(claims: Mapping[str, Claim]) -> pd.DataFrame:
    """List claims with their state.

    Parameters
    ----------
    claims : mapping of str to Claim
        From `theracast.predict.evidence.claims.read_claims`.

    Returns
    -------
    DataFrame
        One row per claim: ``claim``, ``simulated``, ``state``, ``why``, ``when`` (day, UTC), ``seconds``, ``run``,
        ``text``.

    Examples
    --------
    >>> overview({"a": Claim("a", Path("a.yaml"), "It works.")})[["claim", "state"]].to_numpy().tolist()
    [['a', 'not declared']]
    """
    rows = []
    for name, claim in claims.items():
        run = read_run(claim)
        state, why = state_of(claim, run)
        rows.append(
            {
                "claim": name,
                "simulated": "simulated" if claim.simulated else "",
                "state": state,
                "why": why,
                "when": run.when[:10] if run else "",
                "seconds": f"{run.seconds:.0f}" if run else "",
                "run": claim.command,
                "text": claim.text,
            }
        )
    return pd.DataFrame(rows)


def _apart(then: Mapping[str, str], now: Mapping[str, str]) -> str:
    return listed(sorted(k for k in {**then, **now} if then.get(k) != now.get(k)), 3)
