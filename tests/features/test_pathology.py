"""Stains as intervals, words and numbers; cells of images as features."""

import numpy as np
import pandas as pd
import pytest

from theracast.features.blocks import BLOCKS
from theracast.features.cohort import Cohort
from theracast.features.spatial import contact_scores, cross_k, mixing_scores, nearest_distances


def stained(value, unit, name="pdl1"):
    return Cohort.from_tables({"pathology": pd.DataFrame({name: [value], f"{name}_unit": [unit]}, index=["p"])})


def placed(value, unit, name="pdl1"):
    block, cohort = BLOCKS["pathology"](), stained(value, unit, name)
    assert block.check(cohort) == []
    return block.fit(cohort).measure(cohort)


@pytest.mark.parametrize(
    ("text", "unit", "place"),
    [
        ("60", "TPS %", 2 / 3 + 1 / 15),
        ("1-49%", "TPS %", (1 / 3 + 1 / 3 + 48 / 49 / 3) / 2),
        (">=50%", "TPS %", 5 / 6),
        ("<1%", "TPS %", (1 / 6 + 1 / 3) / 2),
        ("negative", "22C3 TPS %", (1 / 6 + 1 / 3) / 2),
        ("negative", "IC level", 1 / 6),
        ("IC2+", "", 5 / 6),
        ("CPS 10", "", 2 / 3),
        ("1-9", "CPS", (1 / 3 + 1 / 3 + 8 / 9 / 3) / 2),
    ],
)
def test_a_stain_is_placed_at_the_middle_of_its_interval(text, unit, place):
    got = placed(text, unit)
    assert got.values["pdl1"].iloc[0] == pytest.approx(place)
    ranged = any(mark in text for mark in ("-", "<", ">", "neg")) and unit != "IC level"
    assert ("range" in str(got.notes.get("p"))) == ranged
    assert text not in str(got.notes)


def test_a_number_is_placed_where_it_was():
    for value in (0.0, 1.0, 5.0, 49.0, 50.0, 100.0):
        assert placed(value, "TPS %").values["pdl1"].iloc[0] == placed(str(value), "TPS %").values["pdl1"].iloc[0]


@pytest.mark.parametrize(
    ("value", "unit", "til", "density"),
    [
        ("desert", None, 1 / 6, np.nan),
        ("Excluded", "CD8 phenotype", 1 / 2, np.nan),
        ("inflamed", "CD8 phenotype", 5 / 6, np.nan),
        ("10%", "TIL %", 1 / 3, np.nan),
        (10.0, "TIL %", 1 / 3, np.nan),
        ("30-70", "TIL %", (1 / 2 + 2 / 3 + 2 / 15) / 2, np.nan),
        (350.0, "CD8 density cells/mm2", np.nan, 350.0),
        ("300-400", "CD8 density cells/mm2", np.nan, 350.0),
    ],
)
def test_infiltrate_as_word_percentage_and_density(value, unit, til, density):
    got = placed(value, unit, "til").values.iloc[0]
    np.testing.assert_allclose(got[["til", "til_density"]].to_numpy(dtype=float), [til, density], atol=1e-12)


# cells of images


@pytest.fixture
def cells(rng):
    """Two images of one patient and one of another, in um; SIMULATED."""
    parts = []
    for who, image, n, shift in (("a", "1", 300, 0.0), ("a", "2", 100, 400.0), ("b", "1", 200, 30.0)):
        kinds = np.where(rng.random(n) < 0.4, "CD8 T cell", "tumour")
        x = rng.uniform(0, 400, n) + shift * (kinds == "tumour")
        part = pd.DataFrame({"x": x, "y": rng.uniform(0, 400, n), "cell_type": kinds, "image": image})
        parts.append(part.assign(patient_id=who))
    return pd.concat(parts, ignore_index=True)


def test_images_are_measured_by_the_scores_of_a_tissue_and_averaged_by_cells(cells):
    block = BLOCKS["spatial"]()
    got = block.fit_transform(Cohort.from_tables({"cells": cells})).add_prefix("").rename(columns=lambda c: c[9:])
    wanted = {}
    for (who, image), part in cells.groupby(["patient_id", "image"]):
        part = part.replace({"cell_type": {"CD8 T cell": "immune"}}).sort_values(["x", "y"]).reset_index(drop=True)
        mixed = mixing_scores(part, "tumour", "immune", 30.0)
        near = nearest_distances(part).loc[part.cell_type == "tumour", "immune"].median()
        area = np.ptp(part.x) * np.ptp(part.y)
        k = cross_k(part, "tumour", "immune", [30.0], area=area)["k"].iloc[0] / (np.pi * 900.0)
        z = contact_scores(part, 30.0, 200, seed=0).set_index(["of", "to"]).loc[("tumour", "immune"), "z"]
        share = (part.cell_type == "immune").mean()
        wanted[who, image] = (len(part), [mixed["infiltration"], mixed["mixing"], near, k, z, share])
    by_hand = (300 * np.array(wanted["a", "1"][1]) + 100 * np.array(wanted["a", "2"][1])) / 400
    np.testing.assert_allclose(got.loc["a"], by_hand, rtol=1e-12)
    np.testing.assert_allclose(got.loc["b"], wanted["b", "1"][1], rtol=1e-12)


def test_infiltrated_beats_excluded():
    got = BLOCKS["spatial"]().fit_transform(Cohort.from_tables(BLOCKS["spatial"].example()))
    assert got["spatial__infiltration"].is_monotonic_decreasing
    assert got["spatial__nearest_immune"].is_monotonic_increasing
    assert got["spatial__contact_z"].is_monotonic_decreasing


def test_a_bare_tumour_has_a_share_and_nothing_else(cells):
    bare = cells.assign(cell_type="tumour")
    got = BLOCKS["spatial"]().measure(Cohort.from_tables({"cells": bare}))
    assert got.values["immune_share"].tolist() == [0.0, 0.0]
    assert got.values.drop(columns="immune_share").isna().all(axis=None)
    assert got.coverage.tolist() == [0.5, 0.5]
    assert "only their share" in got.notes["a"][0]


def test_one_cell_and_cells_on_a_line():
    one = pd.DataFrame({"x": [1.0], "y": [1.0], "cell_type": ["CD8"]}, index=["p"])
    line = pd.DataFrame({"x": [0.0, 20.0, 40.0], "y": 0.0, "cell_type": ["tumour", "CD8", "CD8"]}, index=["q"] * 3)
    cohort = Cohort.from_tables({"cells": pd.concat([one, line])})
    assert BLOCKS["spatial"]().check(cohort) == []
    got = BLOCKS["spatial"]().measure(cohort).values
    assert got.loc["p", "immune_share"] == 1.0
    assert got.loc["q", "nearest_immune"] == 20.0
    assert np.isnan(got.loc["q", "cross_k"])
