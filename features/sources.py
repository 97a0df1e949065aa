"""Public data sets that do not ship: where their files are, what they must be, and where they are kept here."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import yaml

from theracast.errors import UsageError
from theracast.registry import Registry

#: Where every listed file is served, unless a mirror is named.
ORIGIN = "https://raw.githubusercontent.com"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.()+-]*")


@dataclass(frozen=True)
class RemoteFile:
    """One file at one address, known by its bytes.

    Attributes
    ----------
    name : str
        What it is called here: a plain name, no path.
    url : str
        Address that holds a full commit, so that its content never changes.
    bytes : int
        Size.
    sha256 : str
        64 hexadecimal characters.

    Raises
    ------
    UsageError
        The name is a path, or the digest is none.

    Examples
    --------
    >>> RemoteFile("a.csv", "https://example.org/a.csv", 3, "0" * 64).at("http://mirror/")
    'https://example.org/a.csv'
    """

    name: str
    url: str
    bytes: int
    sha256: str

    def __post_init__(self) -> None:
        plain_name(self.name)
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise UsageError("the file has no sha256", where=self.name, wanted="64 hexadecimal characters")

    def at(self, mirror: str) -> str:
        """Return its address at a mirror that serves the same paths.

        Parameters
        ----------
        mirror : str
            Stands in for `ORIGIN`; empty for none.

        Returns
        -------
        str
            URL.

        Examples
        --------
        >>> RemoteFile("a.csv", f"{ORIGIN}/who/what/a.csv", 3, "0" * 64).at("http://mirror/")
        'http://mirror/who/what/a.csv'
        """
        inside = self.url.removeprefix(f"{ORIGIN}/")
        return f"{mirror.rstrip('/')}/{inside}" if mirror and inside != self.url else self.url


@dataclass(frozen=True)
class PublicSource:
    """A public data set: its files, its papers and licence, and the cohorts that they become.

    Attributes
    ----------
    name, about, reference, licence, caveats : str
        What the list shows.
    converter : str
        Name of what turns the files into cohorts; empty when they stay as they are.
    unit : str
        Of the expression, where the source leaves no doubt.
    needs : tuple of str
        Packages that the converter needs.
    cohorts : dict of str to tuple of str
        Cohort to its parts: sheets of a workbook, or files.
    files : tuple of RemoteFile
        All of them are needed.

    Examples
    --------
    >>> public_sources()["loris"].bytes
    839216
    """

    name: str
    about: str
    reference: str
    licence: str
    caveats: str
    converter: str
    unit: str
    needs: tuple[str, ...]
    cohorts: dict[str, tuple[str, ...]]
    files: tuple[RemoteFile, ...]

    def __post_init__(self) -> None:
        for name in (self.name, *self.cohorts):
            plain_name(name)

    @property
    def bytes(self) -> int:
        """Size of all files.

        Returns
        -------
        int
            Bytes.

        Examples
        --------
        >>> public_sources()["schadendorf_pd1"].bytes
        27668
        """
        return sum(f.bytes for f in self.files)

    def state(self, folder: Path) -> str:
        """Say whether it is there, by the sizes of its files.

        Parameters
        ----------
        folder : Path
            As `data_folder` gives it.

        Returns
        -------
        str
            ``"there"``, ``"files only"`` (not yet turned into cohorts), ``"in part"`` or ``"no"``.

        Examples
        --------
        >>> public_sources()["loris"].state(Path("no", "such", "folder"))
        'no'
        """
        kept = folder / "sources" / self.name
        sizes = [(kept / f.name).stat().st_size if (kept / f.name).is_file() else -1 for f in self.files]
        if all(size == f.bytes for size, f in zip(sizes, self.files, strict=True)):
            made = all((folder / "ici" / c / "clinical.csv").is_file() for c in self.cohorts)
            return "there" if made else "files only"
        return "in part" if any((kept / f"{f.name}.part").is_file() for f in self.files) or max(sizes) >= 0 else "no"


def plain_name(name: str) -> str:
    """Refuse a name that could lead out of its folder.

    Parameters
    ----------
    name : str
        Of a file, a source or a cohort.

    Returns
    -------
    str
        The name.

    Raises
    ------
    UsageError
        It holds a separator, begins with a dot, or is empty.

    Examples
    --------
    >>> plain_name("../secret")
    Traceback (most recent call last):
    ...
    theracast.errors.UsageError: a name is not a path | got: '../secret' | ...
    """
    if not _NAME.fullmatch(name):
        raise UsageError("a name is not a path", got=repr(name), wanted="letters, digits and _ . ( ) + -")
    return name


def shown(url: str) -> str:
    """Return a URL as it may be printed: without user, password, query and fragment.

    Parameters
    ----------
    url : str
        Possibly with credentials.

    Returns
    -------
    str
        What stood before ``@`` is ``***``.

    Examples
    --------
    >>> shown("https://me:secret@host:8443/a?token=t#f")
    'https://***@host:8443/a?***'
    """
    parts = urlsplit(url)
    _, at, host = parts.netloc.rpartition("@")
    return urlunsplit((parts.scheme, f"***@{host}" if at else host, parts.path, "***" if parts.query else "", ""))


def data_folder(to: str | Path | None = None) -> Path:
    """Return where fetched data are kept.

    Parameters
    ----------
    to : str or Path, optional
        Asked for; else ``$THERACAST_DATA``, else the user's cache folder.

    Returns
    -------
    Path
        Holds ``sources/<name>/`` as downloaded and ``ici/<cohort>/`` as tables.

    Examples
    --------
    >>> data_folder("/data").as_posix()
    '/data'
    """
    import pooch

    return Path(to or os.environ.get("THERACAST_DATA") or pooch.os_cache("theracast")).expanduser()


def read_sources(path: Path) -> Registry[PublicSource]:
    """Read a list of public sources.

    Parameters
    ----------
    path : Path
        YAML as in ``features/tables/sources.yaml``.

    Returns
    -------
    Registry of PublicSource
        By name.

    Examples
    --------
    >>> read_sources(Path(str(files("theracast.features.tables"))) / "sources.yaml")["bms038"].files[0].name
    'bms038_clinical_data.csv'
    """
    found = {}
    for entry in yaml.safe_load(path.read_text(encoding="utf-8")):
        remote = tuple(RemoteFile(**f) for f in entry.pop("files"))
        cohorts = {c: tuple(parts) for c, parts in entry.pop("cohorts").items()}
        needs = tuple(entry.pop("needs"))
        found[entry["name"]] = PublicSource(**entry, needs=needs, cohorts=cohorts, files=remote)
    return Registry("public source", found)


def public_sources() -> Registry[PublicSource]:
    """List the public sources that `theracast.features.fetch.fetch` knows.

    Returns
    -------
    Registry of PublicSource
        By name.

    Examples
    --------
    >>> list(public_sources())[:2]
    ['loris', 'predictior_hugo2016_mel']
    """
    return _listed()


@cache
def _listed() -> Registry[PublicSource]:
    return read_sources(Path(str(files("theracast.features.tables"))) / "sources.yaml")
