"""The options of the abundance blocks keep the contract too, to the last bit, on tables of a real width."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from theracast.features.blocks import BLOCKS
from theracast.features.cohort import Cohort

N = 40


def panel(rng):
    table = pd.DataFrame(rng.lognormal(3, 2, (N, 150)), columns=[f"M{i}" for i in range(150)])
    table = table.mask(rng.random((N, 150)) < 0.2, 0.0).mask(rng.random((N, 150)) < 0.1)
    families = ("RvE1", "RvE2", "RvE3", "LTB4", "20-OH-LTB4", "PGD2", "PGE2", "TXB2", "kynurenine", "tryptophan")
    return table.rename(columns=dict(zip(table.columns, families, strict=False)))


def community(rng):
    names = [
        f"k__B;p__{'Firmicutes' if i % 3 else 'Bacteroidota'};f__F{i % 40};g__G{i % 90};s__s{i}" for i in range(260)
    ]
    abundance = rng.lognormal(1, 2, (N, 260)) * rng.binomial(1, 0.4, (N, 260))
    return pd.DataFrame(rng.poisson(abundance) + (rng.random((N, 260)) < 0.02), columns=names)


def clones(rng):
    n = 4000
    return pd.DataFrame(
        {
            "patient_id": rng.integers(0, N, n).astype(str),
            "v": np.array([f"TRBV{i}" for i in range(1, 30)])[rng.integers(0, 29, n)],
            "j": np.array(["TRBJ1-1", "TRBJ2-7"])[rng.integers(0, 2, n)],
            "cdr3": rng.integers(0, 60, n).astype(str),
            "count": rng.zipf(1.6, n).clip(max=5000),
        }
    )


TREE = (
    "(" + ",".join(f"'{c}':{1 + i / 7:.3f}" for i, c in enumerate(community(np.random.default_rng(0)).columns)) + ");"
)
CASES = {
    "proteins robust": ("proteins", panel, {"scaling": "robust", "zero_is_below_detection": True}),
    "metabolites": ("metabolites", panel, {"zero_is_below_detection": True, "min_known": 0.2}),
    "microbiome clr": ("microbiome", community, {"tree": TREE}),
    "microbiome pseudocount": ("microbiome", community, {"zeros": "pseudocount", "rank": "s"}),
    "microbiome rclr": ("microbiome", community, {"log_ratio": "rclr", "rank": "f", "depth": 900}),
    "repertoire reads": ("repertoire", clones, {"weigh": "reads"}),
    "repertoire depth": ("repertoire", clones, {"depth": 150}),
}


@pytest.mark.parametrize("case", CASES)
def test_one_patient_a_crowd_and_any_order_give_the_same_bits(case, rng):
    name, make, options = CASES[case]
    key = "clones" if make is clones else name
    table = make(rng)
    if make is not clones:
        table = table.set_axis([str(i) for i in range(N)])
    units = {name: "pg/mL"} if make is panel else {}
    cohort = Cohort.from_tables({key: table}, units=units)
    block = BLOCKS[name](**options).fit(cohort)
    wanted = block.transform(cohort)
    assert wanted.notna().to_numpy().mean() > 0.4
    assert not np.isinf(wanted.to_numpy()).any()
    mixed = Cohort.from_tables(
        {key: table.iloc[rng.permutation(len(table)), rng.permutation(table.shape[1])]}, units=units
    )
    again = clone(block).fit(mixed).transform(mixed).loc[wanted.index, wanted.columns]
    assert again.to_numpy().tobytes() == wanted.to_numpy().tobytes()
    for i in cohort.ids[::9]:
        assert block.transform(cohort.subset([i])).to_numpy().tobytes() == wanted.loc[[i]].to_numpy().tobytes()
