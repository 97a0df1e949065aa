"""A feature matrix as MuData or AnnData and back, bit for bit, for the tools of scverse."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

from theracast.errors import DataError, SetupError
from theracast.features.matrix import FeatureMatrix
from theracast.provenance import Lineage

if TYPE_CHECKING:
    from anndata import AnnData
    from mudata import MuData

_LINEAGE = ("unit", "about", "reference", "kind")


def scverse(name: str) -> Any:
    """Import one of the optional packages, or say how to install it.

    Parameters
    ----------
    name : {"anndata", "mudata", "h5py"}
        Package.

    Returns
    -------
    module
        The package.

    Raises
    ------
    SetupError
        When it is not installed.

    Examples
    --------
    >>> scverse("no_such_package")
    Traceback (most recent call last):
    ...
    theracast.errors.SetupError: the package no_such_package is not installed | do: pip install 'theracast[omics]'
    """
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError:
        raise SetupError(f"the package {name} is not installed", fix="pip install 'theracast[omics]'") from None


def to_anndata(matrix: FeatureMatrix, block: str) -> AnnData:
    """Hand over one block.

    Parameters
    ----------
    matrix : FeatureMatrix
        Any size.
    block : str
        One of `matrix.blocks`.

    Returns
    -------
    AnnData
        `X` patients x features, NaN where not known; layers ``proxy`` and ``censored`` (sparse int8); `obs` with
        study, digest, tumour type, coverage and notes (a JSON list) of each patient; `var` with the lineage of each
        feature.

    Raises
    ------
    SetupError
        When anndata is not installed.

    Examples
    --------
    >>> from theracast import FeatureAssembler, load_cohort
    >>> c = load_cohort("riaz2017_mel")
    >>> to_anndata(FeatureAssembler(["pathology"]).fit(c).matrix(c), "pathology").layers["proxy"].nnz
    102
    """
    anndata = scverse("anndata")
    values = matrix.block(block)
    obs = pd.DataFrame(
        {
            "study": _words(matrix.studies),
            "digest": _words(matrix.digests),
            "tumour": _words(matrix.tumours),
            "coverage": matrix.coverage[block].to_numpy(dtype=np.float64),
            "notes": _words(json.dumps(matrix.notes.get(i, [])) for i in matrix.values.index),
        },
        index=_objects(matrix.values.index),
    )
    lineage = [matrix.lineage[c] for c in values.columns]
    var = {w: _words(getattr(x, w) for x in lineage) for w in _LINEAGE}
    var["sources"] = _words(json.dumps(x.sources) for x in lineage)
    made = anndata.AnnData(
        X=values.to_numpy(),
        obs=obs,
        var=pd.DataFrame(var, index=_objects(values.columns)),
        uns={"theracast": {"block": block}},
    )
    made.layers["proxy"] = _sparse(matrix.proxies, values)
    made.layers["censored"] = _sparse(matrix.limits, values)
    return made


def _objects(words: Iterable[object]) -> pd.Index:
    """Hold words as plain objects: anndata below 0.13 cannot write the strings of pandas 3."""
    return pd.Index([str(w) for w in words], dtype=object)


def _words(cells: Iterable[object]) -> pd.Categorical:
    """Hold words as anndata would store them, before it makes strings of pandas 3 of them."""
    words = _objects(cells)
    return pd.Categorical(words, categories=words.unique())


def _sparse(mask: pd.DataFrame, values: pd.DataFrame) -> csr_matrix:
    """Spread the columns of a narrow mask over those of the block."""
    at = values.columns.get_indexer(mask.columns)
    rows, columns = np.nonzero(mask.loc[:, at >= 0].to_numpy())
    cells = mask.loc[:, at >= 0].to_numpy()[rows, columns].astype(np.int8)
    return csr_matrix((cells, (rows, at[at >= 0][columns])), shape=values.shape, dtype=np.int8)


def to_mudata(matrix: FeatureMatrix) -> MuData:
    """Hand over all blocks: one modality each, as `to_anndata` makes it.

    Parameters
    ----------
    matrix : FeatureMatrix
        Any size.

    Returns
    -------
    MuData
        Modalities in the order of the blocks; every one holds every patient, NaN where nothing is known.

    Raises
    ------
    SetupError
        When mudata is not installed.

    Examples
    --------
    >>> from theracast import FeatureAssembler, load_cohort
    >>> c = load_cohort("riaz2017_mel")
    >>> list(to_mudata(FeatureAssembler(["clinical", "mutations"]).fit(c).matrix(c)).mod)
    ['clinical', 'mutations']
    """
    mudata = scverse("mudata")
    with mudata.set_options(pull_on_update=False):
        made = mudata.MuData({b: to_anndata(matrix, b) for b in matrix.blocks})
    for table in (made.obs, made.var):
        table.index = _objects(table.index)
    return made


def from_mudata(data: MuData) -> FeatureMatrix:
    """Read what `to_mudata` made, from memory or from an ``.h5mu`` file.

    Parameters
    ----------
    data : MuData
        Every modality with the same patients and the lineage in `var`.

    Returns
    -------
    FeatureMatrix
        Equal to the one it was made of, bit for bit.

    Raises
    ------
    DataError
        THX-D32 when it is not a feature matrix.

    Examples
    --------
    >>> from theracast import FeatureAssembler, load_cohort
    >>> c = load_cohort("riaz2017_mel")
    >>> m = FeatureAssembler(["clinical", "mutations"]).fit(c).matrix(c)
    >>> from_mudata(to_mudata(m)).values.equals(m.values)
    True
    """
    return _from_blocks(dict(data.mod))


def from_anndata(data: AnnData) -> FeatureMatrix:
    """Read what `to_anndata` made, from memory or from an ``.h5ad`` file.

    Parameters
    ----------
    data : AnnData
        With the lineage in `var`.

    Returns
    -------
    FeatureMatrix
        Of one block.

    Raises
    ------
    DataError
        THX-D32 when it is not a feature matrix.

    Examples
    --------
    >>> from theracast import FeatureAssembler, load_cohort
    >>> c = load_cohort("riaz2017_mel")
    >>> m = FeatureAssembler(["clinical", "mutations"]).fit(c).matrix(c)
    >>> from_anndata(to_anndata(m, "mutations")).blocks
    ('mutations',)
    """
    about = data.uns.get("theracast") or {}
    return _from_blocks({str(about.get("block", "")): data})


def _from_blocks(blocks: Mapping[str, AnnData]) -> FeatureMatrix:
    for name, part in blocks.items():
        if "theracast" not in part.uns or not {*_LINEAGE, "sources"} <= set(part.var.columns):
            raise DataError(
                "the container is not a feature matrix",
                code="THX-D32",
                where=name,
                wanted="what to_mudata or to_anndata made",
                fix="Put the file into a cohort's folder to read it as measurements.",
            )
    first = next(iter(blocks.values()))
    index = pd.Index(first.obs_names.astype(str), name="patient_id", dtype=str)
    if any(not part.obs_names.equals(first.obs_names) for part in blocks.values()):
        raise DataError("the modalities hold different patients", code="THX-D17", fix="Keep the same in each.")
    values = pd.concat([_framed(p.X, p, index) for p in blocks.values()], axis=1)
    proxies, limits = (
        pd.concat([_anywhere(p, layer, kind, index) for p in blocks.values()], axis=1)
        for layer, kind in (("proxy", bool), ("censored", np.int8))
    )
    coverage = pd.DataFrame({n: p.obs["coverage"].to_numpy() for n, p in blocks.items()}, index=index)
    notes = {i: json.loads(lines) for i, lines in zip(index, first.obs["notes"].astype(object), strict=True)}
    said = first.obs if "tumour" in first.obs else first.obs.assign(tumour="")
    studies, digests, tumours = (
        pd.Series(said[c].astype(object).to_numpy(), index=index, dtype=object) for c in ("study", "digest", "tumour")
    )
    lineage = {x.feature: x for name, p in blocks.items() for x in _lineage(name, p)}
    return FeatureMatrix(
        values, proxies, coverage, lineage, {i: n for i, n in notes.items() if n}, digests, studies, limits, tumours
    )


def _framed(cells: Any, part: AnnData, index: pd.Index) -> pd.DataFrame:
    return pd.DataFrame(cells, index=index, columns=part.var_names.astype(str), copy=False)


def _anywhere(part: AnnData, layer: str, kind: type, index: pd.Index) -> pd.DataFrame:
    """Return the columns of a mask that say something."""
    mask = csr_matrix(part.layers[layer])
    at = np.flatnonzero(np.diff(mask.tocsc().indptr))
    return pd.DataFrame(mask[:, at].toarray().astype(kind), index=index, columns=part.var_names[at].astype(str))


def _lineage(block: str, part: AnnData) -> list[Lineage]:
    words = {w: part.var[w].astype(object).tolist() for w in (*_LINEAGE, "sources")}
    return [
        Lineage(str(name), block, unit, about, reference, kind, tuple(json.loads(sources)))
        for name, unit, about, reference, kind, sources in zip(part.var_names, *words.values(), strict=True)
    ]
