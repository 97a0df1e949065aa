"""What a Spark executor does: take the model out of the bytes that it was sent, and score a part of the rows."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from threadpoolctl import threadpool_limits

from theracast.errors import DataError, ModelError
from theracast.features.cohort import Cohort
from theracast.features.intake import keyed_by_patient
from theracast.models.recalibration import AS_TRAINED, Recalibration
from theracast.models.storage import chooses
from theracast.predict.predictor import Predictor
from theracast.predict.therapies import SelectionPredictor

#: Gene tables on a scale that cannot be: no fewer rows make it another.
_SCALE = ("THX-D04", "THX-D05", "THX-D06")
_SAME = re.compile(r"(?:; )?same as row \d+$")
#: Digest to model: a Python worker of Spark scores many parts one after the other.
_loaded: dict[str, Predictor | SelectionPredictor] = {}


@dataclass(frozen=True)
class Parcel:
    """A model's folder as bytes, on its way to the executors.

    Attributes
    ----------
    files : dict of str to bytes
        File name to content.
    digest : str
        Of names and contents, told apart from them.
    uri, version : str
        Where the model came from, for the record.

    Examples
    --------
    >>> Parcel({"model.json": b"{}"}, "0" * 64).version
    ''
    """

    files: Mapping[str, bytes]
    digest: str
    uri: str = ""
    version: str = ""

    @classmethod
    def of(cls, folder: str | Path, uri: str = "", version: str = "") -> Parcel:
        """Take a folder in.

        Parameters
        ----------
        folder : str or Path
            Of a model.
        uri, version : str, optional
            Where it came from.

        Returns
        -------
        Parcel
            Its plain files; what is no model is found when it is opened.

        Examples
        --------
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "model.json").write_bytes(b"{}")
        >>> sorted(Parcel.of(folder).files)
        ['model.json']
        """
        files = {f.name: f.read_bytes() for f in sorted(Path(folder).iterdir()) if f.is_file()}
        return cls(files, _digest(files), uri, version)

    def open(self) -> Predictor | SelectionPredictor:
        """Load the model, once in a process.

        Returns
        -------
        Predictor or SelectionPredictor
            Ready.

        Raises
        ------
        ModelError
            THX-R05 when the bytes are not those that were sent, or are no model.

        Examples
        --------
        >>> Parcel({"model.json": b"{}"}, "0" * 64).open()
        Traceback (most recent call last):
        ...
        theracast.errors.ModelError: THX-R05: the model changed on its way to the executor | ...
        """
        key = f"{self.digest} {self.uri} {self.version}"
        if key not in _loaded:
            got = _digest(self.files)
            if got != self.digest:
                raise ModelError(
                    "the model changed on its way to the executor",
                    code="THX-R05",
                    got=got[:12],
                    wanted=self.digest[:12],
                    fix="Start the job again.",
                )
            with tempfile.TemporaryDirectory(prefix="theracast-") as scratch:
                for name, content in self.files.items():
                    (Path(scratch) / Path(name).name).write_bytes(content)
                kind = SelectionPredictor if chooses(scratch) else Predictor
                _loaded[key] = kind.from_folder(scratch, uri=self.uri, version=self.version)
        return _loaded[key]


@dataclass(frozen=True)
class Task:
    """How a part of the rows is scored.

    Attributes
    ----------
    sent : pyspark.Broadcast
        Of a `Parcel`: pickled by its number, its ``value`` is fetched once by an executor.
    schema : Schema
        Of Arrow, of what is given back.
    units : mapping of str to str
        Declared units.
    site : Recalibration
        As in `Predictor.score`.
    loose : tuple of str
        Columns of true and false with empty cells somewhere: read as objects in every part.

    Examples
    --------
    >>> Task(None, pa.schema([])).loose
    ()
    """

    sent: Any
    schema: pa.Schema
    units: Mapping[str, str] = field(default_factory=dict)
    site: Recalibration = AS_TRAINED
    loose: tuple[str, ...] = ()

    def batches(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Score rows of different patients, batch after batch.

        Parameters
        ----------
        batches : iterable of RecordBatch
            As Spark cuts them.

        Yields
        ------
        RecordBatch
            One line per row, in order.

        Examples
        --------
        >>> list(Task(None, pa.schema([])).batches([]))
        []
        """
        for batch in batches:
            if batch.num_rows:
                yield from self._scored(batch.to_pandas())

    def partition(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Score rows among which patients repeat: the part is judged as one.

        Parameters
        ----------
        batches : iterable of RecordBatch
            All rows of every patient in them.

        Yields
        ------
        RecordBatch
            One line per row, in order.

        Examples
        --------
        >>> list(Task(None, pa.schema([])).partition([]))
        []
        """
        held = [batch for batch in batches if batch.num_rows]
        if held:
            yield from self._scored(pa.Table.from_batches(held).to_pandas())

    def _scored(self, frame: pd.DataFrame) -> Iterator[pa.RecordBatch]:
        frame = frame.astype({c: object for c in self.loose if c in frame.columns})
        with threadpool_limits(1):  # Spark runs one worker per core
            lines = aligned(self.sent.value.open(), frame, self.units, self.site)
        cells = [pa.array(lines[f.name].to_numpy(dtype=object), type=f.type, from_pandas=True) for f in self.schema]
        yield pa.RecordBatch.from_arrays(cells, schema=self.schema)


def aligned(
    predictor: Predictor | SelectionPredictor,
    frame: pd.DataFrame,
    units: Mapping[str, str],
    site: Recalibration = AS_TRAINED,
) -> pd.DataFrame:
    """Score a part of a table as if it stood in the whole; the whole columns were judged before.

    A rule about a whole column may be broken in a part of the rows by chance. Then the part is halved until the rule
    holds: what stays refused are the rows that the whole would refuse.

    Parameters
    ----------
    predictor : Predictor or SelectionPredictor
        The model.
    frame : DataFrame
        Wide, with column ``patient_id``; all rows of each of its patients.
    units : mapping of str to str
        Declared units.
    site : Recalibration, optional
        As in `Predictor.score`.

    Returns
    -------
    DataFrame
        One line per row, in order; rows of a patient that are all the same say so, whichever comes first.

    Raises
    ------
    DataError
        When a column is wrong for a single patient and as a whole, or genes are on a scale that cannot be.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> from theracast.models.base import ResponseModel
    >>> predictor = Predictor(ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel")), "0" * 64)
    >>> wide = pd.DataFrame({"patient_id": ["a", "b", "a"], "clinical:age": [61.0, -1.0, 61.0]})
    >>> aligned(predictor, wide, {}).decision.tolist()
    ['abstain', 'rejected', 'abstain']
    """
    try:
        lines = _at_once(predictor, frame, units, site)
    except DataError as error:
        ids = keyed_by_patient(frame[["patient_id"]], "wide table").index.to_numpy(dtype=object)
        patients = pd.unique(ids)
        if error.code in _SCALE or len(patients) < 2:
            raise
        first = np.isin(ids, patients[: len(patients) // 2])
        parts = [np.flatnonzero(first), np.flatnonzero(~first)]
        done = pd.concat([aligned(predictor, frame.iloc[p], units, site) for p in parts])
        lines = done.iloc[np.argsort(np.concatenate(parts), kind="stable")]
    return lines.reset_index(drop=True)


def _at_once(
    predictor: Predictor | SelectionPredictor, frame: pd.DataFrame, units: Mapping[str, str], site: Recalibration
) -> pd.DataFrame:
    cohort = Cohort.from_wide(frame, name="wide", units=units)
    if isinstance(predictor, SelectionPredictor):
        return predictor.rank(cohort).aligned()
    lines = predictor.score(cohort, site=site).aligned()
    times = lines.groupby("patient_id").patient_id.transform("size")
    for k in np.flatnonzero(((times > 1) & (lines.decision != "rejected")).to_numpy()):
        said = _SAME.sub("", lines.loc[k, "notes"])
        lines.loc[k, "notes"] = "; ".join(filter(None, [said, f"one of {times[k]} identical rows"]))
    return lines


def _digest(files: Mapping[str, bytes]) -> str:
    whole = sha256()
    for name in sorted(files):
        whole.update(f"{name}\0{len(files[name])}\0".encode() + files[name])
    return whole.hexdigest()
