"""Readings of the blocks, as published scores take them: what a block refuses is not known."""

from __future__ import annotations

import numpy as np
import pandas as pd

from theracast.checks import refuse
from theracast.features.base import OmicsBlock
from theracast.features.cohort import Cohort


def readings(block: OmicsBlock, cohort: Cohort, names: list[str]) -> pd.DataFrame:
    """Read some features of a block that has seen no other patients.

    Parameters
    ----------
    block : OmicsBlock
        Such as clinical or mutations.
    cohort : Cohort
        Patients.
    names : list of str
        Features that are inputs of the same name too.

    Returns
    -------
    DataFrame of float64, shape (n_patients, n_names)
        In the units of the block; NaN where a cell was refused, or not known.

    Raises
    ------
    DataError
        When the block refuses a whole column, such as burdens in another unit than they say.

    Examples
    --------
    >>> from theracast.features.blocks import BLOCKS
    >>> c = Cohort.from_tables({"clinical": pd.DataFrame({"age": [61.0, -1.0]}, index=["p", "q"])})
    >>> readings(BLOCKS["clinical"](), c, ["age"])["age"].tolist()
    [61.0, nan]
    """
    wrong = refused(block, cohort, names)
    block.learn(cohort.subset([]))
    return block.measure(cohort).values[names].astype(np.float64).mask(wrong)


def refused(block: OmicsBlock, cohort: Cohort, names: list[str]) -> pd.DataFrame:
    """Say which cells a block refuses.

    Parameters
    ----------
    block : OmicsBlock
        Such as clinical or mutations.
    cohort : Cohort
        Patients.
    names : list of str
        Inputs; a refused unit is held against its value.

    Returns
    -------
    DataFrame of bool, shape (n_patients, n_names)
        True where the cell is refused.

    Raises
    ------
    DataError
        When a whole column is.

    Examples
    --------
    >>> from theracast.features.blocks import BLOCKS
    >>> c = Cohort.from_tables({"clinical": pd.DataFrame({"age": [61.0, -1.0]}, index=["p", "q"])})
    >>> refused(BLOCKS["clinical"](), c, ["age"])["age"].tolist()
    [False, True]
    """
    wrong = pd.DataFrame(False, index=cohort.ids, columns=names)
    for problem in block.check(cohort):
        name = problem.where.rpartition(":")[2].removesuffix("_unit")
        if name in names:
            refuse([] if problem.rows else [problem])
            wrong.iloc[list(problem.rows), wrong.columns.get_loc(name)] = True
    return wrong
