"""FeatureMatrix: what was measured of each patient, with its mask and its lineage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from theracast.features.coverage import Trace, describe, known_by_patient, spread_mask, trace
from theracast.features.remarks import Remarks
from theracast.provenance import Lineage

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mudata import MuData


@dataclass(frozen=True)
class FeatureMatrix:
    """Features of patients: values, what was observed, what is a proxy, and where each column comes from.

    Attributes
    ----------
    values : DataFrame of float64 or float32, shape (n_patients, n_features)
        Native units, columns ``<block>__<feature>``, block after block; NaN is not known.
    proxies : DataFrame of bool
        True where a stand-in was used; only the features with one anywhere (`proxy` has them all).
    coverage : DataFrame of float, shape (n_patients, n_blocks)
        Share of what each block reads that was there.
    lineage : dict of str to Lineage
        Per feature.
    notes : mapping of str to list of str
        Per patient id.
    digests : Series of str
        Per patient, the digest of the values read.
    studies : Series of str
        Study of each patient.
    limits : DataFrame of int8
        -1 where the value is an upper limit (below detection), 1 where it is a lower one, else 0; only the features
        with one anywhere (`censored` has them all).
    tumours : Series of str
        Tumour type of each patient (`theracast.features.tumours`); empty where it is not known.

    Examples
    --------
    >>> from theracast import FeatureAssembler, load_cohort
    >>> cohort = load_cohort("riaz2017_mel")
    >>> matrix = FeatureAssembler(["clinical", "mutations"]).fit(cohort).matrix(cohort)
    >>> int(matrix.observed["mutations__tmb"].sum())
    42
    """

    values: pd.DataFrame
    proxies: pd.DataFrame
    coverage: pd.DataFrame
    lineage: dict[str, Lineage]
    notes: Mapping[str, list[str]]
    digests: pd.Series
    studies: pd.Series
    limits: pd.DataFrame = field(default_factory=pd.DataFrame)
    tumours: pd.Series = field(default_factory=lambda: pd.Series(dtype=object))

    def __post_init__(self) -> None:
        if len(self.tumours) == 0:
            object.__setattr__(self, "tumours", pd.Series("", index=self.values.index, dtype=object))

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
        >>> from theracast import FeatureAssembler, load_cohort
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
        >>> from theracast import FeatureAssembler, load_cohort
        >>> c = load_cohort("riaz2017_mel")
        >>> FeatureAssembler(["pathology"]).fit(c).matrix(c).proxy["pathology__pdl1"].all().item()
        True
        """
        return spread_mask(self.proxies, self.values, False, bool)

    @property
    def censored(self) -> pd.DataFrame:
        """Where a value is a limit, for every feature: -1 an upper limit (below detection), 1 a lower one, else 0.

        Returns
        -------
        DataFrame of int8, shape (n_patients, n_features)
            As `values`.

        Examples
        --------
        >>> from theracast import FeatureAssembler, load_cohort
        >>> c = load_cohort("riaz2017_mel")
        >>> bool(FeatureAssembler(["clinical"]).fit(c).matrix(c).censored.any(axis=None))
        False
        """
        return spread_mask(self.limits, self.values, 0, np.int8)

    @property
    def blocks(self) -> tuple[str, ...]:
        """Names of the blocks, in order.

        Returns
        -------
        tuple of str
            As assembled.

        Examples
        --------
        >>> from theracast import FeatureAssembler, load_cohort
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
            A view of `values`, without a copy.

        Examples
        --------
        >>> from theracast import FeatureAssembler, load_cohort
        >>> c = load_cohort("riaz2017_mel")
        >>> FeatureAssembler(["clinical", "mutations"]).fit(c).matrix(c).block("mutations").shape
        (51, 1)
        """
        at = np.flatnonzero(self.values.columns.str.startswith(f"{name}__"))
        together = len(at) > 0 and at[-1] - at[0] == len(at) - 1
        return self.values.iloc[:, slice(at[0], at[-1] + 1) if together else at]

    def present(self) -> pd.DataFrame:
        """Say which blocks hold at least one value for each patient.

        Returns
        -------
        DataFrame of bool, shape (n_patients, n_blocks)
            Indexed by patient.

        Examples
        --------
        >>> from theracast import FeatureAssembler, load_cohort
        >>> c = load_cohort("riaz2017_mel")
        >>> int(FeatureAssembler(["mutations"]).fit(c).matrix(c).present()["mutations"].sum())
        42
        """
        known = {b: known_by_patient(self.block(b)) > 0 for b in self.blocks}
        return pd.DataFrame(known, index=self.values.index)

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
        >>> from theracast import FeatureAssembler, load_cohort
        >>> c = load_cohort("riaz2017_mel")
        >>> len(FeatureAssembler(["mutations"]).fit(c).matrix(c).subset([0, 1]))
        2
        """
        rows = np.asarray(rows)
        keep = self.values.index[rows] if rows.dtype.kind in "bui" else pd.Index(rows)
        if isinstance(self.notes, Remarks):
            notes: Mapping[str, list[str]] = self.notes.take(self.values.index.get_indexer(keep))
        else:
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
            tumours=self.tumours.loc[keep],
        )

    def describe(self) -> pd.DataFrame:
        """Summarise what is known, by study and block.

        Returns
        -------
        DataFrame of shape (n_studies x n_blocks, 8)
            Indexed by study: `block`; `n` patients; `features`; `present`, patients with at least one value;
            `coverage`, the mean share of what the block reads; `known`, the share of cells with a value; `proxy` and
            `censored`, the shares of these that are stand-ins and limits.

        Examples
        --------
        >>> from theracast import FeatureAssembler, load_cohort
        >>> c = load_cohort("riaz2017_mel")
        >>> FeatureAssembler(["mutations"]).fit(c).matrix(c).describe()[["block", "n", "present"]]
                          block   n  present
        study
        riaz2017_mel  mutations  51       42
        """
        return describe(self)

    def trace(self, feature: str) -> Trace:
        """Tell where one feature comes from and how much of it is known.

        Parameters
        ----------
        feature : str
            ``<block>__<feature>``.

        Returns
        -------
        Trace
            Unit, sources with digests, block, reference, kind, known values, range and studies; `str` and `as_dict`.

        Raises
        ------
        UsageError
            When there is no such feature.

        Examples
        --------
        >>> from theracast import FeatureAssembler, load_cohort
        >>> c = load_cohort("riaz2017_mel")
        >>> FeatureAssembler(["mutations"]).fit(c).matrix(c).trace("mutations__tmb").as_dict()["known"]
        42
        """
        return trace(self, feature)

    def plot_missing(self) -> Figure:
        """Draw what is missing: patients down, features across, by study and block.

        Returns
        -------
        matplotlib Figure
            Of any number of columns.

        Examples
        --------
        >>> from theracast import FeatureAssembler, load_cohort
        >>> c = load_cohort("riaz2017_mel")
        >>> len(FeatureAssembler(["mutations"]).fit(c).matrix(c).plot_missing().axes)
        1
        """
        from theracast.features.missing_map import draw

        return draw(self)

    def to_parquet(self, path: str | Path) -> None:
        """Write values, masks and lineage to one Parquet file, a group of patients at a time.

        Parameters
        ----------
        path : str or Path
            Where.

        Examples
        --------
        >>> import tempfile
        >>> from theracast import FeatureAssembler, load_cohort
        >>> c = load_cohort("riaz2017_mel")
        >>> m = FeatureAssembler(["mutations"]).fit(c).matrix(c)
        >>> file = f"{tempfile.mkdtemp()}/m.parquet"
        >>> m.to_parquet(file)
        >>> FeatureMatrix.from_parquet(file).values.equals(m.values)
        True
        """
        from theracast.features.parquet import write_matrix

        write_matrix(self, path)

    @classmethod
    def from_parquet(
        cls,
        path: str | Path,
        *,
        columns: Sequence[str] | None = None,
        rows: np.ndarray | Sequence[str] | None = None,
    ) -> FeatureMatrix:
        """Read what `to_parquet` wrote, or a part of it.

        Parameters
        ----------
        path : str or Path
            The file.
        columns : sequence of str, optional
            Names of features or of whole blocks; all by default.
        rows : bool mask, positions or ids, optional
            Which patients; all by default.

        Returns
        -------
        FeatureMatrix
            Equal to the one written, or to that part of it.

        Raises
        ------
        DataError
            THX-D32 when the file is damaged, or is not a feature matrix.

        Examples
        --------
        >>> from theracast.features.datasets import dataset_path
        >>> FeatureMatrix.from_parquet(dataset_path("riaz2017_mel") / "signatures.parquet")
        Traceback (most recent call last):
        ...
        theracast.errors.DataError: THX-D32: the file is not a feature matrix | ...
        """
        from theracast.features.parquet import read_matrix

        return read_matrix(path, columns, rows)

    def to_mudata(self) -> MuData:
        """Hand all blocks to scverse tools, as `theracast.features.containers.to_mudata` says; `to_anndata` takes one.

        Returns
        -------
        MuData
            One modality per block; `from_mudata` reads it back.

        Examples
        --------
        >>> from theracast import FeatureAssembler, load_cohort
        >>> c = load_cohort("riaz2017_mel")
        >>> list(FeatureAssembler(["mutations"]).fit(c).matrix(c).to_mudata().mod)
        ['mutations']
        """
        from theracast.features.containers import to_mudata

        return to_mudata(self)

    @classmethod
    def from_mudata(cls, data: MuData) -> FeatureMatrix:
        """Read what `to_mudata` made.

        Parameters
        ----------
        data : MuData
            With the lineage in `var`.

        Returns
        -------
        FeatureMatrix
            Equal to the one it was made of, bit for bit.

        Examples
        --------
        >>> from theracast import FeatureAssembler, load_cohort
        >>> c = load_cohort("riaz2017_mel")
        >>> m = FeatureAssembler(["mutations"]).fit(c).matrix(c)
        >>> FeatureMatrix.from_mudata(m.to_mudata()).values.equals(m.values)
        True
        """
        from theracast.features.containers import from_mudata

        return from_mudata(data)
