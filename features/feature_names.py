"""Names of features: ``<block>__<name>``, taken apart in one place."""

from __future__ import annotations


def block_of(feature: str) -> str:
    """Return the block of a feature.

    Parameters
    ----------
    feature : str
        ``<block>__<name>``.

    Returns
    -------
    str
        Its block.

    Examples
    --------
    >>> block_of("clinical__age")
    'clinical'
    """
    return feature.split("__", 1)[0]


def bare_name(feature: str) -> str:
    """Return the name of a feature within its block.

    Parameters
    ----------
    feature : str
        ``<block>__<name>``; a name without a block stays as it is.

    Returns
    -------
    str
        Without its block.

    Examples
    --------
    >>> bare_name("clinical__age"), bare_name("age")
    ('age', 'age')
    """
    return feature.split("__", 1)[-1]
