"""The MLflow store: where it is, how mlflow is imported, where the runs of a subject go."""

from __future__ import annotations

import logging
import os
import random
import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import ModuleType

from theracast.errors import ModelError, UsageError

#: The file that MLflow itself uses in a folder, so that ``mlflow ui`` there shows the same runs.
STORE = "mlflow.db"
#: Alias of the version that is meant where none is named.
CHAMPION = "champion"
#: Read before mlflow writes its own choice into the same variable.
_USERS_REGISTRY = os.environ.get("MLFLOW_REGISTRY_URI")
#: Seconds that a locked sqlite store, or the lock of a promotion, is waited for.
LOCK_WAIT = 20.0
#: How long and how often MLflow's client tries, where the user does not say: 120 s and 8 times are its own.
PATIENCE = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SQLITE = "sqlite:///"
#: Whose errors may be the store's.
_THEIRS = ("mlflow", "requests", "urllib3", "sqlalchemy", "sqlite3")
_guard = threading.Lock()
_inside: list[dict[str, str | None]] = []


def store_uri(tracking: str | None = None, create: bool = False) -> str:
    """Find the store: the flag, ``MLFLOW_TRACKING_URI``, or ``mlflow.db`` here or in a folder above.

    Parameters
    ----------
    tracking : str, optional
        Any MLflow tracking URI.
    create : bool, default False
        Whether a store may be begun in the current folder.

    Returns
    -------
    str
        An MLflow tracking URI.

    Raises
    ------
    ModelError
        THX-R01 when there is no store and none may be begun.

    Examples
    --------
    >>> store_uri("http://localhost:5000")
    'http://localhost:5000'
    """
    given = tracking or os.environ.get("MLFLOW_TRACKING_URI")
    if given:
        return given
    here = Path.cwd()
    found = next((f / STORE for f in (here, *here.parents) if (f / STORE).is_file()), None)
    if found is None and not create:
        raise ModelError(
            "no model store here or in a folder above",
            code="THX-R01",
            where=str(here),
            wanted=f"a file {STORE}, --tracking-uri or MLFLOW_TRACKING_URI",
            fix="Run 'theracast demo' or 'theracast train' here first, or name the store.",
        )
    return f"{_SQLITE}{found or here / STORE}"


def connect(tracking: str | None = None, create: bool = False) -> tuple[ModuleType, str]:
    """Import mlflow and point it at the store.

    Parameters
    ----------
    tracking : str, optional
        As in `store_uri`.
    create : bool, default False
        As in `store_uri`.

    Returns
    -------
    mlflow : module
        Ready.
    uri : str
        The store.

    Raises
    ------
    ModelError
        THX-R02 when an sqlite store stays locked by another process.

    Examples
    --------
    >>> callable(connect)
    True
    """
    uri = store_uri(tracking, create)
    wait_for_sqlite(uri)
    # hospitals ask: nothing is reported home, and nothing the registry holds is ever unpickled
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
    # it tells of every step; ours are enough
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    import mlflow

    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # tracebacks of what is told in one line
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(_USERS_REGISTRY or uri)
    return mlflow, uri


def experiment_id(mlflow: ModuleType, name: str, store: str) -> str:
    """Find or begin an MLflow experiment; next to a local store its artifacts get an absolute place.

    Parameters
    ----------
    mlflow : module
        From `connect`.
    name : str
        Of the experiment.
    store : str
        From `connect`.

    Returns
    -------
    str
        Its number in the store.

    Examples
    --------
    >>> callable(experiment_id)
    True
    """
    existing = mlflow.get_experiment_by_name(name)
    if existing is not None:
        return str(existing.experiment_id)
    place = None
    database = sqlite_file(store)
    if database is not None:
        place = (database.resolve().parent / "mlruns").as_uri()
    return str(mlflow.create_experiment(name, artifact_location=place))


def sqlite_file(store: str) -> Path | None:
    """Find the file of an sqlite store.

    Parameters
    ----------
    store : str
        An MLflow tracking URI.

    Returns
    -------
    Path or None
        None where the store is none.

    Examples
    --------
    >>> sqlite_file("sqlite:////srv/mlflow.db").as_posix(), sqlite_file("http://localhost:5000")
    ('/srv/mlflow.db', None)
    """
    return Path(store.removeprefix(_SQLITE)) if store.startswith(_SQLITE) else None


def safe_name(text: str, what: str = "model") -> str:
    """Let through only what is harmless in SQL, paths, logs and pages.

    Parameters
    ----------
    text : str
        Name of a model, alias or person.
    what : str, default "model"
        For the message.

    Returns
    -------
    str
        The same.

    Raises
    ------
    UsageError
        Something else than 1 to 64 letters, digits, dots, dashes and underscores; it is not repeated.

    Examples
    --------
    >>> safe_name("melanoma_ici")
    'melanoma_ici'
    """
    if not _NAME.fullmatch(text) or not text.strip("."):
        raise UsageError(
            f"not a name of a {what}",
            code="THX-A01",
            got=f"{len(text)} characters",
            wanted="1 to 64 letters, digits, dots, dashes or underscores",
        )
    return text


def shown(store: str) -> str:
    """Write a store's address without the password that may stand in it.

    Parameters
    ----------
    store : str
        An MLflow tracking URI.

    Returns
    -------
    str
        For messages.

    Examples
    --------
    >>> shown("https://me:secret@registry.example/mlflow?token=abc")
    'https://registry.example/mlflow'
    """
    return re.sub(r"\?.*$", "", re.sub(r"(?<=://)[^/@]*@", "", store))


def wait_for_sqlite(store: str) -> None:
    """Wait until an sqlite store can be written, but not for ever.

    Parameters
    ----------
    store : str
        An MLflow tracking URI; only sqlite is looked at.

    Raises
    ------
    ModelError
        THX-R02 when it stays locked for `LOCK_WAIT` seconds.

    Examples
    --------
    >>> wait_for_sqlite("http://localhost:5000")
    """
    file = sqlite_file(store)
    until = time.monotonic() + LOCK_WAIT
    while file is not None and file.is_file():
        try:
            with closing(sqlite3.connect(file, timeout=0.05)) as database:
                database.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error):
                return  # read-only, or no database: mlflow says which
        except sqlite3.DatabaseError:
            return
        if time.monotonic() > until:
            raise _locked(store) from None
        time.sleep(random.uniform(0.05, 0.25))  # noqa: S311 # spreads those who wait; no secret


@contextmanager
def reaching(store: str) -> Iterator[None]:
    """Bound how long MLflow tries, and turn what goes wrong into one line that names the store.

    Parameters
    ----------
    store : str
        From `connect`.

    Yields
    ------
    None
        The calls go here; an error of theracast's own passes through.

    Raises
    ------
    ModelError
        THX-R02 when an sqlite store is locked; THX-R01 when the store does not answer, or answers nonsense.

    Examples
    --------
    >>> with reaching("http://localhost:5000"):
    ...     "MLFLOW_HTTP_REQUEST_MAX_RETRIES" in os.environ
    True
    """
    _begin()
    try:
        yield
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in _THEIRS:
            raise
        raise _told(error, store) from None
    finally:
        _end()


def _begin() -> None:
    """Set the variables that the user did not set; the first of several threads does it."""
    with _guard:
        before = {k: os.environ.get(k) for k in PATIENCE}
        _inside.append(before if not _inside else _inside[0])
        for key, value in PATIENCE.items():
            os.environ.setdefault(key, value)


def _end() -> None:
    """Give the variables back; the last of several threads does it."""
    with _guard:
        before = _inside.pop()
        for key, value in before.items() if not _inside else ():
            if value is None:
                os.environ.pop(key, None)


def _told(error: Exception, store: str) -> ModelError:
    """Say what went wrong in our words: an answer may repeat anything, a password or a patient."""
    text = str(error)
    if "database is locked" in text:
        return _locked(store)
    status = re.search(r"error code (\d{3})|(\d{3}) error responses|status code[: ]+(\d{3})", text)
    code = str(getattr(error, "error_code", ""))
    kinds = (
        (status, f"it answered {next(filter(None, status.groups()), '')}" if status else ""),
        ("timed out" in text.lower() or "timeout exception" in text, "it did not answer in time"),
        ("valid JSON" in text, "it answered something that is not MLflow's"),
        ("API request to" in text or "ConnectionError" in text, "no connection"),
        (code not in ("", "INTERNAL_ERROR", "None"), code.lower().replace("_", " ")),
    )
    return ModelError(
        "the model registry cannot be used",
        code="THX-R01",
        where=shown(store),
        got=next((said for holds, said in kinds if holds), type(error).__name__),
        fix="Check that it runs and that you may use it, then try again; a folder that 'theracast models export' wrote "
        "needs no registry.",
    )


def _locked(store: str) -> ModelError:
    return ModelError(
        "the model registry is locked by another process",
        code="THX-R02",
        where=shown(store),
        got=f"locked for {LOCK_WAIT:g} s",
        fix="Try again when the other has finished; nothing was changed. For many writers run 'mlflow server'.",
    )
