"""How much this machine can hold, asked before a file is decoded: few bytes can claim to be many."""

from __future__ import annotations

import os


def memory() -> int:
    """Return the memory of this machine.

    Returns
    -------
    int
        Bytes; 1 TB where the system does not say.

    Examples
    --------
    >>> memory() > 10**8
    True
    """
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}):
        return 10**12
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
