"""FeatureMatrix: what was measured of each patient, with its mask and its lineage."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from theracast.errors import DataError
from theracast.provenance import Lineage

_META = b"theracast"


@dataclass(frozen=True)
class FeatureMatrix:
    """Features of patients: values, what was observed, what is a proxy, and where each column comes from.

    Attributes
    ----------
    values : DataFrame of float64, shape (n_patients, n_features)
        Native units, columns ``<block>__<feature>``; NaN is not known.
    proxies : DataFrame of bool
        True where a stand-in was used; only the features with one anywhere (`proxy` has them all).
    coverage : DataFrame of float, shape (n_patients, n_blocks)
        Share of what each block reads that was there.
    lineage : dict of str to Lineage
        Per feature.
    notes : dict of str to list of str
        Per patient id.
    digests : Series of str
        Per patient, the digest of the values read.
    studies : Series of str
        Study of each patient.
    limits : DataFrame of int8
        -1 where the value is an upper limit (below detection), 1 where it is a lower one, else 0; only the features
        with one anywhere (`censored` has them all).

    Examples
    --------
    >>> from theracast.features.assembler import FeatureAssembler
    >>> from theracast.features.datasets import load_cohort
    >>> cohort = load_cohort("riaz2017_mel")
    >>> matrix = FeatureAssembler(["clinical", "mutations"]).fit(cohort).matrix(cohort)
    >>> int(matrix.observed["mutations__tmb"].sum())
    42
    """

    values: pd.DataFrame
    proxies: pd.DataFrame
    coverage: pd.DataFrame
    lineage: dict[str, Lineage]
    notes: dict[str, list[str]]
    digests: pd.Series
    studies: pd.Series
    limits: pd.DataFrame = field(default_factory=pd.DataFrame)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def observed(self) -> pd.DataFrame:
        """The mask: where a value is known, measured or by proxy.

        Returns
        -------
        DataFrame of bool, shape (n_patients, n_features)
            As `values`.

        Examples
        --------
        >>> from theracast.features.assembler import FeatureAssembler
        >>> from theracast.features.datasets import load_cohort
        >>> c = load_cohort("riaz2017_mel")
        >>> int(FeatureAssembler(["mutations"]).fit(c).matrix(c).observed.sum().iloc[0])
        42
        """
        return self.values.notna()

    @property
    def proxy(self) -> pd.DataFrame:
        """Where a stand-in was used, for every feature.

        Returns
        -------
        DataFrame of bool, shape (n_patients, n_features)
            As `values`.

        Examples
        --------
        >>> from theracast.features.assembler import FeatureAssembler
        >>> from theracast.features.datasets import load_cohort
        >>> c = load_cohort("riaz2017_mel")
        >>> FeatureAssembler(["pathology"]).fit(c).matrix(c).proxy["pathology__pdl1"].all().item()
        True
        """
        return _spread(self.proxies, self.values, False, bool)

    @property
    def censored(self) -> pd.DataFrame:
        """Where a value is a limit, for every feature: -1 an upper limit (below detection), 1 a lower one, else 0.

        Returns
        -------
        DataFrame of int8, shape (n_patients, n_features)
            As `values`.

        Examples
        --------
        >>> from theracast.features.assembler import FeatureAssembler
        >>> from theracast.features.datasets import load_cohort
        >>> c = load_cohort("riaz2017_mel")
        >>> bool(FeatureAssembler(["clinical"]).fit(c).matrix(c).censored.any(axis=None))
        False
        """
        return _spread(self.limits, self.values, 0, np.int8)

    @property
    def blocks(self) -> tuple[str, ...]:
        """Names of the blocks, in order.

        Returns
        -------
        tuple of str
            As assembled.

        Examples
        --------
        >>> from theracast.features.assembler import FeatureAssembler
        >>> from theracast.features.datasets import load_cohort
        >>> c = load_cohort("riaz2017_mel")
        >>> FeatureAssembler(["mutations"]).fit(c).matrix(c).blocks
        ('mutations',)
        """
        return tuple(self.coverage.columns)

    def block(self, name: str) -> pd.DataFrame:
        """Return the columns of one block.

        Parameters
        ----------
        name : str
            Block name.

        Returns
        -------
        DataFrame
            A view of `values`.

        Examples
        --------
        >>> from theracast.features.assembler import FeatureAssembler
        >>> from theracast.features.datasets import load_cohort
        >>> c = load_cohort("riaz2017_mel")
        >>> FeatureAssembler(["clinical", "mutations"]).fit(c).matrix(c).block("mutations").shape
        (51, 1)
        """
        return self.values[[c for c in self.values.columns if c.startswith(f"{name}__")]]

    def present(self) -> pd.DataFrame:
        """Say which blocks hold at least one value for each patient.

        Returns
        -------
        DataFrame of bool, shape (n_patients, n_blocks)
            Indexed by patient.

        Examples
        --------
        >>> from theracast.features.assembler import FeatureAssembler
        >>> from theracast.features.datasets import load_cohort
        >>> c = load_cohort("riaz2017_mel")
        >>> int(FeatureAssembler(["mutations"]).fit(c).matrix(c).present()["mutations"].sum())
        42
        """
        return pd.DataFrame({b: self.block(b).notna().any(axis=1) for b in self.blocks}, index=self.values.index)

    def subset(self, rows: np.ndarray | Sequence[str]) -> FeatureMatrix:
        """Keep some patients.

        Parameters
        ----------
        rows : bool mask, positions or ids
            Which.

        Returns
        -------
        FeatureMatrix
            The same columns.

        Examples
        --------
        >>> from theracast.features.assembler import FeatureAssembler
        >>> from theracast.features.datasets import load_cohort
        >>> c = load_cohort("riaz2017_mel")
        >>> len(FeatureAssembler(["mutations"]).fit(c).matrix(c).subset([0, 1]))
        2
        """
        rows = np.asarray(rows)
        keep = self.values.index[rows] if rows.dtype.kind in "bui" else pd.Index(rows)
        notes = {i: self.notes[i] for i in keep if i in self.notes}
        return replace(
            self,
            values=self.values.loc[keep],
            proxies=self.proxies.loc[keep],
            limits=self.limits.loc[keep] if len(self.limits) else self.limits,
            coverage=self.coverage.loc[keep],
            notes=notes,
            digests=self.digests.loc[keep],
            studies=self.studies.loc[keep],
        )

    def describe(self) -> pd.DataFrame:
        """Summarise how much of each block is known, by study.

        Returns
        -------
        DataFrame of shape (n_studies, n_blocks + 1)
            Number of patients and share of them with at least one value per block.

        Examples
        --------
        >>> from theracast.features.assembler import FeatureAssembler
        >>> from theracast.features.datasets import load_cohort
        >>> c = load_cohort("riaz2017_mel")
        >>> FeatureAssembler(["mutations"]).fit(c).matrix(c).describe().loc["riaz2017_mel", "n"]
        np.float64(51.0)
        """
        by = self.present().astype(float).groupby(self.studies.to_numpy(), sort=False)
        return by.mean().assign(n=by.size().astype(float))[["n", *self.blocks]]

    def to_parquet(self, path: str | Path) -> None:
        """Write values, masks and lineage to one Parquet file.

        Parameters
        ----------
        path : str or Path
            Where.

        Examples
        --------
        >>> import tempfile
        >>> from theracast.features.assembler import FeatureAssembler
        >>> from theracast.features.datasets import load_cohort
        >>> c = load_cohort("riaz2017_mel")
        >>> m = FeatureAssembler(["mutations"]).fit(c).matrix(c)
        >>> file = f"{tempfile.mkdtemp()}/m.parquet"
        >>> m.to_parquet(file)
        >>> FeatureMatrix.from_parquet(file).values.equals(m.values)
        True
        """
        masks = [self.proxies.add_prefix("proxy:"), self.limits.add_prefix("limit:")]
        frame = pd.concat([self.values, *masks, self.coverage.add_prefix("coverage:")], axis=1)
        frame = frame.assign(**{"meta:study": self.studies, "meta:digest": self.digests}).rename_axis("patient_id")
        meta = {"lineage": [x.as_dict() for x in self.lineage.values()], "notes": self.notes, "blocks": self.blocks}
        table = pa.Table.from_pandas(frame)
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), _META: json.dumps(meta).encode()})
        pq.write_table(table, Path(path), compression="zstd")

    @classmethod
    def from_parquet(cls, path: str | Path) -> FeatureMatrix:
        """Read what `to_parquet` wrote.

        Parameters
        ----------
        path : str or Path
            The file.

        Returns
        -------
        FeatureMatrix
            Equal to the one written.

        Raises
        ------
        DataError
            THX-D32 when the file is not a feature matrix.

        Examples
        --------
        >>> from theracast.features.datasets import dataset_path
        >>> FeatureMatrix.from_parquet(dataset_path("riaz2017_mel") / "signatures.parquet")
        Traceback (most recent call last):
        ...
        theracast.errors.DataError: THX-D32: the file is not a feature matrix | ...
        """
        table = pq.read_table(Path(path))
        meta = (table.schema.metadata or {}).get(_META)
        if meta is None:
            raise DataError(
                "the file is not a feature matrix",
                code="THX-D32",
                where=str(path),
                fix="Make one with 'theracast build'.",
            )
        known = json.loads(meta)
        frame = table.to_pandas()
        lineage = {x["feature"]: Lineage(**{**x, "sources": tuple(x["sources"])}) for x in known["lineage"]}
        return cls(
            frame[list(lineage)],
            _prefixed(frame, "proxy:"),
            frame[[f"coverage:{b}" for b in known["blocks"]]].set_axis(known["blocks"], axis=1),
            lineage,
            known["notes"],
            frame["meta:digest"].rename(None),
            frame["meta:study"].rename(None),
            _prefixed(frame, "limit:"),
        )


def _spread(narrow: pd.DataFrame, values: pd.DataFrame, nowhere: bool | int, kind: type) -> pd.DataFrame:
    """Give every feature a column of a mask."""
    return narrow.reindex(index=values.index, columns=values.columns, fill_value=nowhere).astype(kind)


def _prefixed(frame: pd.DataFrame, prefix: str) -> pd.DataFrame:
    """Return the columns that begin so, without it."""
    found = frame[[c for c in frame.columns if c.startswith(prefix)]]
    return found.set_axis([c.removeprefix(prefix) for c in found.columns], axis=1)
