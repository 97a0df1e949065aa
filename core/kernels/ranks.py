"""Genes of each sample in the order of their values, and their ranks.

One sort per sample serves every rank-based score. numpy sorts integers about twenty times faster than numba sorts
anything, and far faster than it finds the sorting order: each value therefore becomes one integer, with a key of the
same order in the high bits and its column in the low ones. The key of a float32 fits whole. The key of a float64 is
cut to 48 bits beside 16 bits of column; samples in which the cut merges two different values, and tables of more than
65,536 genes, are sorted anew by their values. The result is exact either way, and ties keep the order of the columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
from numba import prange

from theracast.kernels.jit import kernel

#: Samples that share one buffer of keys.
_BLOCK = 64
_NAN = np.uint64(0xFFFFFFFFFFFFFFFF)
_SIGN32, _ALL32, _SHIFT31, _SHIFT32 = np.uint64(1 << 31), np.uint64(0xFFFFFFFF), np.uint64(31), np.uint64(32)
_SIGN64, _SHIFT63, _HIGH48 = np.uint64(1 << 63), np.uint64(63), np.uint64(0xFFFFFFFFFFFF0000)


def ranks(values: np.ndarray) -> np.ndarray:
    """Rank the genes within each sample, 1 the lowest; tied genes share the mean of their ranks.

    ``rank = #(lower) + (#(equal) + 1) / 2`` over the genes that were measured; equal to ``scipy.stats.rankdata``
    with ``nan_policy="omit"``. Cost: O(samples x genes log genes), a numpy sort per sample on all threads. Ties:
    Kendall 1945, DOI 10.1093/biomet/33.3.239.

    Parameters
    ----------
    values : ndarray of float32 or float64, shape (n_samples, n_genes)
        NaN where not measured.

    Returns
    -------
    ndarray of float64, shape (n_samples, n_genes)
        NaN where not measured.

    Examples
    --------
    >>> ranks(np.array([[0.5, 7.0, np.nan, 0.5]]))
    array([[1.5, 3. , nan, 1.5]])
    """
    out = np.empty(values.shape)
    for begin, keys, low in _sorted_keys(values):
        _mean_ranks(keys, low, out[begin : begin + len(keys)])
    return out


def sorted_genes(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sort the genes of each sample by value, the lowest first; tied genes stay in the order of their columns.

    Cost: O(samples x genes log genes), a numpy sort per sample on all threads; 5 bytes per value. The key of a float
    that sorts as an integer: Herf 2001, http://stereopsis.com/radix.html.

    Parameters
    ----------
    values : ndarray of float32 or float64, shape (n_samples, n_genes)
        NaN where not measured.

    Returns
    -------
    order : ndarray of int32, shape (n_samples, n_genes)
        Columns by ascending value; -1 from where the measured genes end.
    tied : ndarray of bool, shape (n_samples, n_genes)
        Whether the gene at this place has the value of the one before it.

    Examples
    --------
    >>> order, tied = sorted_genes(np.array([[0.5, 7.0, np.nan, 0.5]]))
    >>> order, tied
    (array([[ 0,  3,  1, -1]], dtype=int32), array([[False,  True, False, False]]))
    """
    order, tied = np.empty(values.shape, np.int32), np.empty(values.shape, np.bool_)
    for begin, keys, low in _sorted_keys(values):
        _unpack(keys, low, order[begin : begin + len(keys)], tied[begin : begin + len(keys)])
    return order, tied


def _sorted_keys(values: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.uint64]]:
    """Yield, block by block, the first sample, the sorted keys, and the mask of the low bits that hold the column."""
    if values.dtype not in (np.float32, np.float64):
        values = values.astype(np.float64)
    single, n_genes = values.dtype == np.float32, values.shape[1]
    width = 32 if single or n_genes > 1 << 16 else 16
    low, threads = np.uint64((1 << width) - 1), numba.get_num_threads()
    with ThreadPoolExecutor(threads) as pool:
        for begin in range(0, len(values), _BLOCK):
            block = np.ascontiguousarray(values[begin : begin + _BLOCK])
            keys = np.empty(block.shape, np.uint64)
            again: Iterable[int] = range(len(block))
            if single or width == 16:
                (_pack32 if single else _pack48)(block, block.view(np.uint32 if single else np.uint64), keys)
                list(pool.map(_sort, np.array_split(keys, threads)))
                again = range(0) if single else np.flatnonzero(_merged(keys, block))
            for i in again:
                keys[i] = _keys_by_value(block[i], width)
            yield begin, keys, low


def _sort(keys: np.ndarray) -> None:
    keys.sort(axis=1)


def _keys_by_value(row: np.ndarray, width: int) -> np.ndarray:
    """Return the sorted keys of one sample, the number of the distinct value in place of its bits."""
    order = np.argsort(row, kind="stable")
    ascending = row[order]
    number = np.cumsum(np.append(0, ascending[1:] != ascending[:-1])[: row.size]).astype(np.uint64)
    keys = (number << np.uint64(width)) | order.astype(np.uint64)
    keys[np.isnan(ascending)] = _NAN
    return keys


@kernel
def _pack32(values: np.ndarray, bits: np.ndarray, keys: np.ndarray) -> None:
    """Write the whole key of a float32 above its column. Negative numbers: all bits flipped; positive: the sign."""
    for i in prange(values.shape[0]):
        for g in range(values.shape[1]):
            if np.isnan(values[i, g]):
                keys[i, g] = _NAN
                continue
            b = np.uint64(bits[i, g]) if values[i, g] != 0 else np.uint64(0)  # -0 is 0
            b ^= _ALL32 if b >> _SHIFT31 else _SIGN32
            keys[i, g] = (b << _SHIFT32) | np.uint64(g)


@kernel
def _pack48(values: np.ndarray, bits: np.ndarray, keys: np.ndarray) -> None:
    """Write the upper 48 bits of the key of a float64 above its column."""
    for i in prange(values.shape[0]):
        for g in range(values.shape[1]):
            if np.isnan(values[i, g]):
                keys[i, g] = _NAN
                continue
            b = np.uint64(bits[i, g]) if values[i, g] != 0 else np.uint64(0)
            b ^= _NAN if b >> _SHIFT63 else _SIGN64
            keys[i, g] = (b & _HIGH48) | np.uint64(g)


@kernel
def _merged(keys: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Say in which samples two different values share their 48 bits."""
    low = np.uint64(0xFFFF)
    out = np.zeros(keys.shape[0], np.bool_)
    for i in prange(keys.shape[0]):
        for p in range(1, keys.shape[1]):
            one, two = keys[i, p - 1], keys[i, p]
            if two == _NAN:
                break
            if (one ^ two) <= low and values[i, np.int64(one & low)] != values[i, np.int64(two & low)]:
                out[i] = True
                break
    return out


@kernel
def _mean_ranks(keys: np.ndarray, low: np.uint64, out: np.ndarray) -> None:
    """Turn sorted keys into ranks, in the order of the columns."""
    n_genes = keys.shape[1]
    for i in prange(keys.shape[0]):
        n = n_genes
        while n > 0 and keys[i, n - 1] == _NAN:
            n -= 1
        if n < n_genes:
            out[i, :] = np.nan
        first = 0
        for p in range(1, n + 1):
            if p == n or (keys[i, p - 1] ^ keys[i, p]) > low:
                for q in range(first, p):
                    out[i, np.int64(keys[i, q] & low)] = 0.5 * (first + 1 + p)
                first = p


@kernel
def _unpack(keys: np.ndarray, low: np.uint64, order: np.ndarray, tied: np.ndarray) -> None:
    """Turn sorted keys into columns, and say which have the value of the one before."""
    for i in prange(keys.shape[0]):
        for p in range(keys.shape[1]):
            measured = keys[i, p] != _NAN
            order[i, p] = np.int32(keys[i, p] & low) if measured else np.int32(-1)
            tied[i, p] = measured and p > 0 and (keys[i, p - 1] ^ keys[i, p]) <= low
