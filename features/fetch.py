"""Fetch public data sets: files known by their digest, then cohorts in the layout of the project."""

from __future__ import annotations

import importlib.util
import logging
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from theracast.errors import SetupError, UsageError
from theracast.features.downloader import Progress, ResumingDownloader
from theracast.features.sources import PublicSource, data_folder, public_sources, shown
from theracast.features.tidy_loris import tidy_loris
from theracast.features.tidy_predictior import tidy_predictior

Converter = Callable[[Mapping[str, Path], str, Sequence[str]], dict[str, pd.DataFrame]]
CONVERTERS: dict[str, Converter] = {"loris": tidy_loris, "predictior": tidy_predictior}
_CARD = "card.yaml"


@dataclass(frozen=True)
class Fetched:
    """What a call of `fetch` left on the disk.

    Attributes
    ----------
    folder : Path
        As `data_folder` gives it.
    files : tuple of Path
        As downloaded, digests checked.
    cohorts : tuple of Path
        Folders that `theracast.features.datasets.load_cohort` reads by name; none where the files stay as they are.

    Examples
    --------
    >>> Fetched(Path("d"), (Path("d/sources/bms038/a.csv"),), ()).cohorts
    ()
    """

    folder: Path
    files: tuple[Path, ...]
    cohorts: tuple[Path, ...]


def fetch(
    name: str,
    *,
    to: str | Path | None = None,
    mirror: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
    sources: Mapping[str, PublicSource] | None = None,
    **options: Any,
) -> Fetched:
    """Fetch a public data set and turn it into cohorts.

    A file that is there with the right digest is not fetched again, also where it was brought by hand; what a broken
    connection left is completed. A file never stands in its place before its digest was checked.

    Parameters
    ----------
    name : str
        Name in `theracast.features.sources.public_sources`.
    to : str or Path, optional
        Folder; see `theracast.features.sources.data_folder`.
    mirror : str, optional
        URL of a server with the same paths as raw.githubusercontent.com; ``$THERACAST_MIRROR`` by default.
    force : bool
        Make the cohorts anew, though they were made from these files before.
    progress : callable, optional
        Told file name, bytes that are here and bytes in all.
    sources : mapping of str to PublicSource, optional
        Another list.
    **options : object
        ``attempts``, ``timeout`` and ``pause`` of `theracast.features.downloader.ResumingDownloader`.

    Returns
    -------
    Fetched
        Files and cohorts.

    Raises
    ------
    UsageError
        No such source, a mirror that is no URL, or a cohort of that name that was not fetched.
    SetupError
        THX-S03 no space or rights, THX-S04 no network, THX-S05 other bytes than listed, THX-S06 a package is missing.

    Examples
    --------
    >>> fetch("lorys")
    Traceback (most recent call last):
    ...
    theracast.errors.UsageError: no public source named 'lorys' | ... | do: Did you mean 'loris'?
    """
    source = (public_sources() if sources is None else sources)[name]
    mirror = mirror or os.environ.get("THERACAST_MIRROR", "")
    if mirror and not mirror.lower().startswith(("http://", "https://")):
        raise UsageError("a mirror is a URL", got=shown(mirror), wanted="http://... or https://...")
    folder = data_folder(to)
    try:
        files = _download(source, folder / "sources" / source.name, mirror, progress, options)
        cohorts = _convert(source, files, folder / "ici", force)
    except OSError as error:
        raise SetupError(
            "the data folder cannot be written",
            code="THX-S03",
            where=str(folder),
            got=error.strerror or type(error).__name__,
            fix="Check space and rights, or name another folder with --to or THERACAST_DATA.",
        ) from None
    return Fetched(folder, tuple(files.values()), cohorts)


def _download(
    source: PublicSource, folder: Path, mirror: str, progress: Progress | None, options: dict[str, Any]
) -> dict[str, Path]:
    import pooch

    folder.mkdir(parents=True, exist_ok=True)
    keeper = pooch.create(
        path=folder,
        base_url="",
        registry={f.name: f"sha256:{f.sha256}" for f in source.files},
        urls={f.name: f.at(mirror) for f in source.files},
    )
    with _silent(pooch.get_logger()):
        return {
            f.name: Path(keeper.fetch(f.name, downloader=ResumingDownloader(f, folder, progress, **options)))
            for f in source.files
        }


@contextmanager
def _silent(logger: logging.Logger) -> Iterator[None]:
    """Keep pooch from printing the URL, which may hold the password of a mirror."""
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _convert(source: PublicSource, files: dict[str, Path], folder: Path, force: bool) -> tuple[Path, ...]:
    card = {
        "source": source.name,
        "reference": source.reference,
        "licence": source.licence,
        "caveats": source.caveats,
        "files": {f.name: {"url": f.url, "sha256": f.sha256} for f in source.files},
    }
    made = [folder / cohort for cohort in source.cohorts]
    wanted = [cohort for cohort in made if force or _card(cohort) != {"name": cohort.name, **card}]
    for cohort in wanted:
        if cohort.exists() and "source" not in _card(cohort):
            raise UsageError(
                "a cohort of that name is there and was not fetched",
                where=str(cohort),
                fix="Name another folder with --to, or move that one away.",
            )
    absent = [package for package in source.needs if importlib.util.find_spec(package) is None]
    if wanted and absent:
        raise SetupError(
            f"turning {source.name} into cohorts needs {' and '.join(absent)}",
            code="THX-S06",
            where=str(files[source.files[0].name].parent),
            fix="pip install 'theracast[fetch]' and call again; the files are there.",
        )
    for cohort in wanted:
        tables = CONVERTERS[source.converter](files, cohort.name, source.cohorts[cohort.name])
        _replace_folder(cohort, tables, source.unit, {"name": cohort.name, **card})
    return tuple(made)


def _card(cohort: Path) -> dict[str, Any]:
    file = cohort / _CARD
    read = yaml.safe_load(file.read_text(encoding="utf-8")) if file.is_file() else None
    return read if isinstance(read, dict) else {}


def _replace_folder(place: Path, tables: dict[str, pd.DataFrame], unit: str, card: dict[str, Any]) -> None:
    """Write a cohort beside its place, then move it there."""
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
    beside.mkdir()
    try:
        tables["clinical"].to_csv(beside / "clinical.csv", index=False)
        if "expression" in tables:
            tables["expression"].to_parquet(beside / "expression.parquet", compression="zstd")
        if unit:
            (beside / "units.yaml").write_text(f"expression: {unit}\n", encoding="utf-8")
        (beside / _CARD).write_text(yaml.safe_dump(card, sort_keys=False, allow_unicode=True), encoding="utf-8")
        if place.exists():
            shutil.rmtree(place)
        beside.rename(place)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
