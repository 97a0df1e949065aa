"""A claim run again: what it writes is recorded, or held against what is kept."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from theracast.errors import DataError, SetupError, UsageError
from theracast.models.config import Experiment
from theracast.models.train import train
from theracast.predict.evidence.claims import TRAIN, Claim, twins_of
from theracast.predict.evidence.records import Run, code_here, outputs_here, read_run, record_of, write_run
from theracast.predict.kept import validation_files
from theracast.predict.made_of import here

#: Where what a compared run wrote is left, when it differs; not in git.
LEFT = ".runs/differs"


@dataclass(frozen=True)
class Difference:
    """A figure that did not come out again.

    Attributes
    ----------
    file : str
        Within the evidence folder.
    figure : str
        Row and column, or what is wrong with the file as a whole.
    kept, found : str
        What was written then, and what came out now.

    Examples
    --------
    >>> str(Difference("a/means.csv", "row 3 (model theracast), auc", "0.65", "0.64"))
    'a/means.csv: row 3 (model theracast), auc: 0.65 kept, 0.64 now'
    """

    file: str
    figure: str
    kept: str = ""
    found: str = ""

    def __str__(self) -> str:
        return f"{self.file}: {self.figure}" + (f": {self.kept} kept, {self.found} now" if self.kept else "")


def run_claim(claim: Claim, progress: Callable[[str], None] = lambda text: None) -> Run:
    """Run a claim, and record what it rested on, for each claim that the same run serves.

    Parameters
    ----------
    claim : Claim
        Of the evidence folder.
    progress : callable, optional
        Told each line that the run prints.

    Returns
    -------
    Run
        As kept; its outputs are the files that it wrote, and not what lay beside them.

    Raises
    ------
    UsageError
        When the YAML does not say how.
    DataError
        THX-D33 when data are not here.
    SetupError
        When the script fails, with its last line.

    Examples
    --------
    >>> run_claim(Claim("a", Path("a.yaml"), "It works."))
    Traceback (most recent call last):
    ...
    theracast.errors.UsageError: the claim does not say how it is run | where: a.yaml | ...
    """
    served = [(twin, _required(twin), twin.settings, code_here(twin)) for twin in twins_of(claim)]
    before, began = {twin.name: _written_at(twin) for twin, *_ in served}, time.monotonic()
    if claim.by == TRAIN:
        _train(claim, progress)
    else:
        _script(claim, progress)
    when, seconds = datetime.now(UTC).isoformat(timespec="seconds"), round(time.monotonic() - began, 1)
    environment, runs = here()["versions"], []
    for twin, data, settings, code in served:
        # a file that lay there before is no proof of this run
        written = {name for name, at in _written_at(twin).items() if at != before[twin.name].get(name)}
        outputs = {name: digest for name, digest in outputs_here(twin).items() if name in written}
        if not outputs:
            wanted = ", ".join(twin.outputs) or "outputs"
            raise SetupError("the run wrote none of its outputs", where=twin.file.name, wanted=wanted)
        told = (twin.name, when, seconds, twin.command, twin.simulated)
        runs.append((twin, Run(*told, settings, data, code, outputs, environment)))
    for twin, run in runs:
        write_run(twin, run)
    return runs[0][1]


def compare_claim(claim: Claim, progress: Callable[[str], None] = lambda text: None) -> list[Difference]:
    """Run a claim again and hold its tables against those that are kept, which stay as they are.

    Parameters
    ----------
    claim : Claim
        With kept outputs.
    progress : callable, optional
        As `run_claim`.

    Returns
    -------
    list of Difference
        Empty when every table came out again: to the last digit, or within the tolerance that the YAML gives a reason
        for. Pictures are not compared. Where something differs, what came out now is left in ``.runs/differs``.

    Raises
    ------
    UsageError, DataError, SetupError
        As `run_claim`; UsageError when nothing is kept.

    Examples
    --------
    >>> compare_claim(Claim("a", Path("a.yaml"), "It works.", by="a.py"))
    Traceback (most recent call last):
    ...
    theracast.errors.UsageError: nothing is kept that a run could be compared with | where: a.yaml | ...
    """
    kept, recorded = claim.written(), read_run(claim)
    if not kept:
        raise UsageError(
            "nothing is kept that a run could be compared with",
            where=claim.file.name,
            fix=f"Run it first: theracast experiment run {claim.name}",
        )
    _required(claim)
    records = {file: file.read_bytes() if file.exists() else None for file in map(record_of, twins_of(claim))}
    with tempfile.TemporaryDirectory() as folder:
        then = {name: _put(file, Path(folder, name)) for name, file in kept.items()}
        try:
            run = run_claim(claim, progress)
            found = {name: file for name, file in claim.written().items() if name in run.outputs}
            # tables that other scripts wrote beside them are not of this run
            ours = {*run.outputs, *(recorded.outputs if recorded else kept)}
            apart = compared(claim, {name: file for name, file in then.items() if name in ours}, found)
            left = claim.folder / LEFT / claim.name
            shutil.rmtree(left, ignore_errors=True)
            for name, file in found.items() if apart else ():
                _put(file, left / name)
        finally:
            for name in set(claim.written()) - set(kept):
                (claim.folder / name).unlink()
            for name, file in then.items():
                _put(file, claim.folder / name)
            for file, was in records.items():
                if was is not None:
                    file.write_bytes(was)
                else:
                    file.unlink(missing_ok=True)
    return apart


def compared(claim: Claim, kept: Mapping[str, Path], found: Mapping[str, Path]) -> list[Difference]:
    """Hold tables against each other, cell by cell.

    Parameters
    ----------
    claim : Claim
        Says how far a number may be from the kept one.
    kept, found : mapping of str to Path
        Files of then and of now.

    Returns
    -------
    list of Difference
        The first of each file, and files that are not on both sides.

    Examples
    --------
    >>> compared(Claim("a", Path("a.yaml"), ""), {"a.csv": Path("x")}, {})
    [Difference(file='a.csv', figure='was not written', kept='', found='')]
    """
    apart = []
    for name in sorted({**kept, **found}):
        if name not in found or name not in kept:
            apart.append(Difference(name, "was not written" if name in kept else "was not there before"))
        elif name.endswith(".csv") and kept[name].read_bytes() != found[name].read_bytes():
            one = _first_apart(name, kept[name], found[name], float(claim.tolerance.get("value", 0.0)))
            apart += [one] if one else []
    return apart


def _first_apart(name: str, kept: Path, found: Path, tolerance: float) -> Difference | None:
    was, now = (pd.read_csv(f, dtype=str, comment="#", keep_default_na=False) for f in (kept, found))
    if list(was) != list(now):
        return Difference(name, "other columns", ", ".join(was), ", ".join(now))
    if len(was) != len(now):
        return Difference(name, "other rows", str(len(was)), str(len(now)))
    other = (was != now).to_numpy()
    if tolerance:
        a, b = (t.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64) for t in (was, now))
        other &= ~(np.abs(a - b) <= tolerance)
    if not other.any():
        return None
    row, column = (int(k[0]) for k in np.nonzero(other))
    words = [f"{c} {was[c].iloc[row]}" for c in was if not _is_number(was[c].iloc[row])][:3]
    more = f" and {int(other.sum()) - 1} figures more" if other.sum() > 1 else ""
    figure = f"row {row + 1} ({', '.join(words)}), {was.columns[column]}{more}"
    return Difference(name, figure, was.iat[row, column] or "empty", now.iat[row, column] or "empty")  # noqa: PD009


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return not text
    return True


def _written_at(claim: Claim) -> dict[str, tuple[int, int]]:
    """When each file was written, and as which file."""
    return {name: (file.stat().st_mtime_ns, file.stat().st_ino) for name, file in claim.written().items()}


def _required(claim: Claim) -> dict[str, str]:
    if not claim.declared:
        raise UsageError(
            "the claim does not say how it is run",
            where=claim.file.name,
            wanted="run: {by: <script of the folder> or train, data: [...], outputs: [...]}",
        )
    data = claim.data_digests()
    away = claim.missing_data()
    if away:
        raise DataError(
            "data of the claim are not here",
            code="THX-D33",
            where=claim.file.name,
            got=f"{len(away)} of {len(data)} missing: {', '.join(away[:5])}",
            fix="Set THERACAST_DATA to the folder of public data; 'theracast datasets' says what can be fetched.",
        )
    return data


def _train(claim: Claim, progress: Callable[[str], None]) -> None:
    trained = train(Experiment.from_yaml(claim.file), progress)
    folder = claim.folder / claim.name
    folder.mkdir(exist_ok=True)
    for name, table in validation_files(trained.validation).items():
        if len(table):
            table.round(4).to_csv(folder / name, index=False, lineterminator="\n")


def _script(claim: Claim, progress: Callable[[str], None]) -> None:
    script, *arguments = claim.by.split()
    last = ""
    command = [sys.executable, str(claim.folder / script), *arguments]
    with subprocess.Popen(  # noqa: S603 - a script of the folder that the user named
        command, cwd=claim.folder.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            for line in process.stdout or ():
                last = line.strip() or last
                progress(last)
        except BaseException:
            # it would go on writing over what is put back
            process.kill()
            raise
    if process.returncode:
        raise SetupError(
            "the script of the claim failed",
            where=claim.command,
            got=f"exit code {process.returncode}: {last[:200]}",
            fix="Run it by hand to see all that it says.",
        )


def _put(source: Path, to: Path) -> Path:
    to.parent.mkdir(parents=True, exist_ok=True)
    return shutil.copyfile(source, to)
