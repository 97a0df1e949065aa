"""Claims: YAML files that say what is claimed, on which data, how it is run, and what it writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import theracast
from theracast.errors import DataError, UsageError
from theracast.models.config import Experiment
from theracast.predict.evidence.data import data_digest
from theracast.predict.evidence.sections import FIELDS, SECTION, read_yaml, settings_in, wrong_in
from theracast.provenance import digest_json

#: A claim of an `Experiment` is trained and validated; its tables are written by theracast itself.
TRAIN = "train"


@dataclass(frozen=True)
class Claim:
    """One claim, as its YAML declares it.

    Attributes
    ----------
    name : str
        Of the file.
    file : Path
        The YAML.
    text : str
        What is claimed.
    by : str
        ``train``, or a script of the folder with its arguments; empty when it is not declared.
    data : tuple of str
        Names of cohorts, or paths under the folder of shared data.
    outputs : tuple of str
        Files in the folder, or patterns of them.
    simulated : str
        What is simulated; empty when nothing is.
    minutes : float
        How long a run takes, about; NaN when it is not declared.
    tolerance : dict
        ``value``, how far a number of a table may be from the kept one, and ``why``; empty for to the last digit.

    Examples
    --------
    >>> Claim("a", Path("a.yaml"), "It works.", by="a.py").declared
    True
    """

    name: str
    file: Path
    text: str
    by: str = ""
    data: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    simulated: str = ""
    minutes: float = float("nan")
    tolerance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def declared(self) -> bool:
        """Whether the YAML says how the claim is run.

        Returns
        -------
        bool
            Only then it can be.

        Examples
        --------
        >>> Claim("a", Path("a.yaml"), "It works.").declared
        False
        """
        return bool(self.by)

    @property
    def folder(self) -> Path:
        """The evidence folder.

        Returns
        -------
        Path
            Where the YAML lies.

        Examples
        --------
        >>> Claim("a", Path("experiments/a.yaml"), "").folder.name
        'experiments'
        """
        return self.file.parent

    @property
    def command(self) -> str:
        """How it is run by hand.

        Returns
        -------
        str
            One line.

        Examples
        --------
        >>> Claim("a", Path("experiments/a.yaml"), "", by="a.py one").command
        'python experiments/a.py one'
        """
        if not self.declared:
            return ""
        return f"theracast train experiments/{self.file.name}" if self.by == TRAIN else f"python experiments/{self.by}"

    @cached_property
    def settings(self) -> str:
        """Digest of all that the YAML says but the claim itself and how it is run.

        Returns
        -------
        str
            64 hexadecimal characters.

        Examples
        --------
        >>> isinstance(Claim.settings, cached_property)
        True
        """
        return digest_json(settings_in(self.file))

    def written(self) -> dict[str, Path]:
        """Find the files that a run wrote.

        Returns
        -------
        dict of str to Path
            Path within the folder to file, sorted; only what is there.

        Examples
        --------
        >>> Claim("a", Path("experiments/a.yaml"), "", outputs=("no_such/*.csv",)).written()
        {}
        """
        found = {f for pattern in self.outputs for f in self.folder.glob(pattern) if f.is_file()}
        return {f.relative_to(self.folder).as_posix(): f for f in sorted(found)}

    def missing_data(self) -> list[str]:
        """Name the data that are not here.

        Returns
        -------
        list of str
            As `data`; empty when the claim can be run.

        Examples
        --------
        >>> Claim("a", Path("a.yaml"), "", data=("riaz2017_mel", "no/such")).missing_data()
        ['no/such']
        """
        return [name for name, digest in self.data_digests().items() if not digest]

    def data_digests(self) -> dict[str, str]:
        """Digest the data as they are here.

        Returns
        -------
        dict of str to str
            Name to 64 hexadecimal characters; empty where the data are not here.

        Examples
        --------
        >>> list(Claim("a", Path("a.yaml"), "", data=("riaz2017_mel", "no/such")).data_digests().values())[1]
        ''
        """
        return {name: data_digest(name) for name in self.data}


def evidence_folder(given: str | Path | None = None) -> Path:
    """Find the evidence folder: the one given, ``experiments`` here, or that of the repository theracast runs from.

    Parameters
    ----------
    given : str or Path, optional
        As typed.

    Returns
    -------
    Path
        With at least one claim.

    Raises
    ------
    UsageError
        When there is none: an installed theracast carries no evidence.

    Examples
    --------
    >>> evidence_folder("no/such/folder")
    Traceback (most recent call last):
    ...
    theracast.errors.UsageError: no folder of experiments | where: no/such/folder | ...
    """
    places = [Path(given)] if given else [Path("experiments"), Path(theracast.__file__).parents[1] / "experiments"]
    for place in places:
        if any(True for _ in _claims(place)):
            return place.resolve()
    raise UsageError(
        "no folder of experiments",
        where=" or ".join(map(str, places)),
        wanted="a folder with one YAML per claim, as the repository of theracast has it",
        fix="Run it in a checkout of the repository, or name the folder: --folder PATH. A wheel holds no experiments.",
    )


def read_claims(folder: str | Path) -> dict[str, Claim]:
    """Read all claims of a folder.

    Parameters
    ----------
    folder : str or Path
        From `evidence_folder`.

    Returns
    -------
    dict of str to Claim
        By name, sorted; a YAML without ``claim`` is none.

    Raises
    ------
    DataError
        THX-D31 when a YAML cannot be read, or does not say what it must.

    Examples
    --------
    >>> read_claims("no/such/folder")
    {}
    """
    return {file.stem: _claim(file, fields) for file, fields in _claims(Path(folder))}


def claim_named(folder: Path, name: str) -> Claim:
    """Find one claim.

    Parameters
    ----------
    folder : Path
        From `evidence_folder`.
    name : str
        Of its YAML.

    Returns
    -------
    Claim
        That one.

    Raises
    ------
    UsageError
        When there is none; says which there are.

    Examples
    --------
    >>> claim_named(Path("no/such"), "a")
    Traceback (most recent call last):
    ...
    theracast.errors.UsageError: no such experiment | ...
    """
    claims = read_claims(folder)
    if name not in claims:
        raise UsageError("no such experiment", where=str(folder), got=repr(name), wanted=", ".join(claims) or "a YAML")
    return claims[name]


def twins_of(claim: Claim) -> list[Claim]:
    """Find the claims that the same run serves: those of the same script with the same arguments.

    Parameters
    ----------
    claim : Claim
        Of the evidence folder.

    Returns
    -------
    list of Claim
        The claim itself first; alone where theracast trains it.

    Examples
    --------
    >>> len(twins_of(Claim("a", Path("no/such/a.yaml"), "It works.", by="a.py")))
    1
    """
    others = read_claims(claim.folder).values() if claim.by not in ("", TRAIN) else ()
    return [claim, *(c for c in others if c.by == claim.by and c.name != claim.name)]


def _claims(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    for file in sorted(folder.glob("*.yaml")):
        fields = read_yaml(file)
        if isinstance(fields.get("claim"), str):
            yield file, fields


def _claim(file: Path, fields: Mapping[str, Any]) -> Claim:
    section = fields.get(SECTION) or {}
    wrong = wrong_in(section)
    if wrong:
        raise DataError(
            "a claim does not say how it is run",
            code="THX-D31",
            where=f"{file.name}: {SECTION}",
            got=", ".join(wrong),
            wanted=f"{', '.join(FIELDS)}; lists of data and outputs; minutes, a number; tolerance: value and why",
        )
    tolerance = section.get("tolerance") or {}
    named = list(section.get("data") or [])
    if "indication" in fields:
        experiment = Experiment.from_yaml(file)
        named = [*experiment.cohorts, *experiment.holdout, *named]
    return Claim(
        file.stem,
        file,
        " ".join(str(fields["claim"]).split()),
        str(section.get("by") or ""),
        tuple(map(str, named)),
        tuple(map(str, section.get("outputs") or [])),
        str(section.get("simulated") or ""),
        float(section.get("minutes") or float("nan")),
        dict(tolerance),
    )
