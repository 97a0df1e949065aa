"""Ratios and totals of a panel, with limits of detection carried through."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import pandas as pd

from theracast.features.spec import Feature
from theracast.features.tables import load_table

#: Share of the members of a total that must be known.
_ENOUGH = 0.5


def find_names(columns: Iterable[str], wanted: str) -> list[list[str]]:
    """Find the members of a sum among the columns of a table.

    Parameters
    ----------
    columns : iterable of str
        Names of a table.
    wanted : str
        Members parted by ``;``, synonyms by ``|``.

    Returns
    -------
    list of list of str
        The columns of each member, in the order of the synonyms; empty where there is none.

    Examples
    --------
    >>> find_names(["il-6", "CRP"], "IL6|interleukin-6;TNF")
    [['il-6'], []]
    """
    by_key: dict[str, list[str]] = {}
    for c in sorted(columns):
        by_key.setdefault(_key(c), []).append(c)
    return [[c for name in member.split("|") for c in by_key.get(_key(name), [])] for member in wanted.split(";")]


def known_ratios(block: str, columns: Iterable[str], absolute: bool) -> dict[str, list[list[str]]]:
    """Find the ratios that a panel can give.

    Parameters
    ----------
    block : str
        Name of the block.
    columns : iterable of str
        What the panel holds.
    absolute : bool
        Whether values are concentrations: sums of different molecules mean something.

    Returns
    -------
    dict of str to [list of str, list of str]
        Columns above and below the line.

    Examples
    --------
    >>> known_ratios("proteins", ["IL6", "IL10", "CRP"], True)
    {'il6_il10': [['IL6'], ['IL10']]}
    """
    table = load_table("panel_ratios")
    columns = list(columns)
    found = {}
    for row in table[(table.block == block) & (absolute | (table.absolute == 0))].itertuples():
        sides = [find_names(columns, str(text)) for text in (row.up, row.down)]
        if all(member for side in sides for member in side):
            found[str(row.name)] = [[member[0] for member in side] for side in sides]
    return found


def known_families(columns: Iterable[str]) -> dict[str, list[str]]:
    """Find the families of lipid mediators of which a panel holds two members or more.

    Parameters
    ----------
    columns : iterable of str
        What the panel holds.

    Returns
    -------
    dict of str to list of str
        The columns of each family.

    Examples
    --------
    >>> known_families(["RvE1", "RvE2", "LTB4"])
    {'e_resolvins': ['RvE1', 'RvE2']}
    """
    columns = list(columns)
    found = {
        str(r.family): [m[0] for m in find_names(columns, str(r.members)) if m]
        for r in load_table("lipid_families").itertuples()
    }
    return {family: members for family, members in found.items() if len(members) > 1}


def described(names: Iterable[str], families: Iterable[str], unit: str) -> tuple[Feature, ...]:
    """Describe ratios and totals.

    Parameters
    ----------
    names, families : iterable of str
        Of `known_ratios` and `known_families`.
    unit : str
        Of the panel's logarithms.

    Returns
    -------
    tuple of Feature
        Named ``ratio_<name>`` and ``total_<family>``.

    Examples
    --------
    >>> [f.name for f in described(["fischer"], ["lipoxins"], "log2 pg/mL")]
    ['ratio_fischer', 'total_lipoxins']
    """
    ratios, lipids = load_table("panel_ratios").set_index("name"), load_table("lipid_families").set_index("family")
    return (
        *(
            Feature(f"ratio_{n}", "log2 ratio", str(r["about"]), str(r["reference"]), int(r["direction"]))  # type: ignore[arg-type]
            for n in names
            for r in [ratios.loc[n]]
        ),
        *(
            Feature(f"total_{n}", unit, f"total of {r['about']}", str(r["reference"]))
            for n in families
            for r in [lipids.loc[n]]
        ),
    )


def total(values: pd.DataFrame, sides: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Add up molecules that are given as logarithms to base 2.

    Parameters
    ----------
    values : DataFrame of shape (n_patients, n_members)
        Logarithms; where beyond a limit, the limit's.
    sides : DataFrame of int8
        -1 below the limit, 1 above it.

    Returns
    -------
    logarithms : ndarray of shape (n_patients,)
        Of the sum; NaN where fewer than half of the members are known, or some are above and some below a limit.
    side : ndarray of int8
        On which side of it the truth lies.
    partial : ndarray of bool
        Some members are not known, and left out.

    Examples
    --------
    >>> one = pd.DataFrame({"a": [1.0], "b": [1.0]})
    >>> total(one, pd.DataFrame({"a": [-1], "b": [0]}))[:2]
    (array([2.]), array([-1], dtype=int8))
    """
    known = values.notna().to_numpy()
    linear = np.where(known, np.exp2(np.ascontiguousarray(values.to_numpy(dtype=np.float64))), 0.0)
    summed = np.zeros(len(values))
    for column in linear.T:
        summed = summed + column
    below, above = ((sides.to_numpy() == s) & known for s in (-1, 1))
    below, above = below.any(axis=1), above.any(axis=1)
    enough = (known.mean(axis=1) >= _ENOUGH) & (summed > 0) & ~(below & above)
    logs = np.log2(np.where(enough, summed, 1.0))
    side = (above.astype(np.int8) - below.astype(np.int8)) * enough
    return np.where(enough, logs, np.nan), side.astype(np.int8), enough & ~known.all(axis=1)


def ratio(
    up: tuple[np.ndarray, np.ndarray, np.ndarray], down: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Divide one `total` by another.

    Parameters
    ----------
    up, down : tuple of ndarray
        From `total`.

    Returns
    -------
    tuple of ndarray
        As `total`: log2 of the ratio. A limit below the line bounds the ratio on the other side; with limits that
        pull both ways nothing is known.

    Examples
    --------
    >>> a, none, no = np.array([3.0]), np.array([0], dtype=np.int8), np.array([False])
    >>> ratio((a, none, no), (a - 1, none - 1, no))
    (array([1.]), array([1], dtype=int8), array([False]))
    """
    pulled = {int(s): (up[1] == s) | (down[1] == -s) for s in (-1, 1)}
    value = np.where(pulled[-1] & pulled[1], np.nan, up[0] - down[0])
    known = ~np.isnan(value)
    side = (pulled[1].astype(np.int8) - pulled[-1].astype(np.int8)) * known
    return value, side.astype(np.int8), (up[2] | down[2]) & known


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", str(name).lower())
