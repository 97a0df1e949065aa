"""Cells in a tissue: kernels equal their twins and scipy; scores by hand."""

import numba
import numpy as np
import pandas as pd
import pytest
from grid import TABLES, by_threads, frozen
from reference import space as twin
from scipy.spatial import cKDTree

from theracast.errors import DataError, UsageError
from theracast.features import spatial
from theracast.kernels.space import contacts, pairs_within, permuted_contacts


def places(n, seed=0, wide=100.0):
    return np.random.default_rng(seed).uniform(0, wide, (n, 2))


#: Queries and points: the first columns of the grid, where they are places, and cases of their own.
PLACES = {
    **{
        n: (t[:, :2], t[::-1, :2])
        for n, t in TABLES.items()
        if len(t) and t.shape[1] > 1 and np.abs(t[:, :2]).max(initial=0) < 1e9
    },
    "plain": (places(40), places(50, 1)),
    "no queries": (places(0), places(5, 1)),
    "one each": (places(1), places(1, 1)),
    "the same": (places(30), places(30)),
    "all in one place": (np.ones((20, 2)), np.ones((30, 2))),
    "on a line": (places(20) * [1, 0], places(30, 1) * [1, 0]),
    "on a lattice": tuple(np.round(places(60, s, 8)) for s in (0, 1)),
    "far apart": (places(20), places(20, 1) + 1e6),
    "an outlier": (places(20), np.vstack([places(20, 1), [[1e6, 1e6]]])),
    "negative": (places(20) - 1e3, places(20, 1) - 1e3),
    "float32": (places(20).astype(np.float32), places(20, 1)),
    "strided": (places(40)[::2], places(40, 1)[::-2]),
    "Fortran order": (np.asfortranarray(places(20)), np.asfortranarray(places(20, 1))),
    "read-only": (frozen(places(20)), frozen(places(20, 1))),
    "tiny": (places(20) * 1e-6, places(20, 1) * 1e-6),
    "huge": (places(20) * 1e6, places(20, 1) * 1e6),
}
RADII = {
    "one": [10.0],
    "zero": [0.0],
    "many": [0.0, 1.0, 2.0, 2.0, 3.0, 5.0, 8.0, 13.0, 40.0],
    "lattice": [1.0, np.sqrt(2), 2.0, np.sqrt(5)],
    "everything": [1e-7, 1e9],
    "tiny": [1e-5, 5e-5, 1e-4],
}


@pytest.mark.parametrize("radii", RADII.values(), ids=RADII)
@pytest.mark.parametrize(("queries", "points"), PLACES.values(), ids=PLACES)
def test_pairs_within_equals_its_twin_and_scipy(queries, points, radii):
    r, before = np.array(radii), (queries.copy(), points.copy())
    got = spatial._pairs(queries, points, r)
    assert got.dtype == np.int64
    whole = np.array([*points.min(axis=0), 1e12, 1.0, 1.0])
    one_square = pairs_within(queries, points.astype(float), np.array([0, len(points)]), whole, r)
    wanted = twin.pairs_within(queries, points, None, None, r)
    np.testing.assert_array_equal(got, wanted)
    if len(queries) and radii != RADII["lattice"]:  # scipy rounds sqrt(2) ** 2 as we do, but promises nothing
        np.testing.assert_array_equal(got, cKDTree(queries).count_neighbors(cKDTree(points), r))
    if queries.min(initial=0) >= whole[:2].min() or len(queries) == 0:
        np.testing.assert_array_equal(one_square, wanted)
    np.testing.assert_array_equal(queries, before[0])
    np.testing.assert_array_equal(points, before[1])


def graph(n, reach, seed=0):
    pairs = cKDTree(places(n, seed)).query_pairs(reach, output_type="ndarray")
    return spatial._listed_once(pairs, n)


GRAPHS = {
    "plain": (*graph(50, 15.0), np.random.default_rng(0).integers(0, 3, 50), 3),
    "many": (*graph(2100, 2.0), np.random.default_rng(0).integers(0, 5, 2100), 5),
    "no pairs": (*graph(10, 1e-9), np.zeros(10, dtype=np.int64), 1),
    "no cells": (np.array([0]), np.array([], dtype=np.int64), np.array([], dtype=np.int64), 2),
    "one cell": (np.array([0, 0]), np.array([], dtype=np.int64), np.array([0]), 1),
    "everyone": (*graph(20, 1e3), np.arange(20) % 2, 2),
    "a type without cells": (*graph(20, 30.0), np.ones(20, dtype=np.int64), 3),
    "uint8": (*graph(50, 15.0), np.arange(50, dtype=np.uint8) % 4, 4),
    "read-only": (*graph(50, 15.0), frozen(np.arange(50) % 4), 4),
    "strided": (*graph(50, 15.0), (np.arange(100) % 4)[::2], 4),
}


@pytest.mark.parametrize(("starts", "others", "labels", "types"), GRAPHS.values(), ids=GRAPHS)
def test_contacts_equal_their_twins(starts, others, labels, types):
    before = labels.copy()
    np.testing.assert_array_equal(contacts(starts, others, labels, types), twin.contacts(starts, others, labels, types))
    for draws, seed in ((0, 0), (1, 2**40 + 1), (4, 7)):
        got = permuted_contacts(starts, others, labels, types, draws, seed)
        wanted = twin.permuted_contacts(starts, others, labels, types, draws, seed)
        np.testing.assert_array_equal(got, wanted)
        assert got.shape == (draws, types, types)
    np.testing.assert_array_equal(labels, before)


def test_the_number_of_threads_does_not_change_a_count():
    starts, others, labels, types = GRAPHS["many"]

    def counted():
        one = permuted_contacts(starts, others, labels, types, 9, 3), contacts(starts, others, labels, types)
        two = spatial._pairs(places(3000), places(2000, 1), np.array([1.0, 3.0]))
        return b"".join(a.tobytes() for a in (*one, two))

    assert len(set(by_threads(counted))) == 1


def test_shuffles_are_fair():
    """Two cells of ten are 'a': each pair is the a-a contact in 1 of 45 shuffles."""
    draws = 400 if numba.config.DISABLE_JIT else 20_000
    labels = np.array([1, 1, 0, 0, 0, 0, 0, 0, 0, 0])
    for low, high in ((0, 1), (0, 9), (4, 5), (8, 9)):
        starts = np.where(np.arange(11) > low, 1, 0)
        c = permuted_contacts(starts, np.array([high]), labels, 2, draws, 0)
        rate, spread = 1 / 45, np.sqrt(1 / 45 * 44 / 45 / draws)
        assert abs((c[:, 1, 1] == 2).mean() - rate) < 4 * spread


# ---------------------------------------------------------------- tables


@pytest.fixture
def cells(rng):
    kinds = rng.choice(["tumour", "immune", "stroma"], 300, p=[0.5, 0.3, 0.2])
    return pd.DataFrame({"x": rng.uniform(0, 100, 300), "y": rng.uniform(0, 80, 300), "cell_type": kinds})


def tree(cells, kind):
    return cKDTree(cells.loc[cells.cell_type == kind, ["x", "y"]])


def test_distances_equal_all_against_all(cells):
    xy = cells[["x", "y"]].to_numpy()
    apart = np.hypot(*(xy[:, None] - xy[None]).transpose(2, 0, 1))
    np.fill_diagonal(apart, np.inf)
    got = spatial.nearest_distances(cells.set_axis([f"c{i}" for i in range(300)]))
    assert got.columns.tolist() == ["immune", "stroma", "tumour"]
    assert got.index[0] == "c0"
    for kind in got:
        np.testing.assert_allclose(got[kind], apart[:, cells.cell_type == kind].min(axis=1), rtol=1e-12)


def test_cross_k_equals_scipy(cells):
    radii = [1, 5, 20]
    got = spatial.cross_k(cells, "tumour", "immune", radii, area=8000)
    wanted = tree(cells, "tumour").count_neighbors(tree(cells, "immune"), radii)
    assert got["pairs"].tolist() == wanted.tolist()
    n, m = ((cells.cell_type == k).sum() for k in ("tumour", "immune"))
    np.testing.assert_allclose(got["k"], 8000 * wanted / (n * m))
    own = spatial.cross_k(cells, "immune", "immune", radii, area=8000)
    np.testing.assert_allclose(own["pairs"], tree(cells, "immune").count_neighbors(tree(cells, "immune"), radii) - m)
    np.testing.assert_allclose(own["k"], 8000 * own["pairs"] / (m * (m - 1)))


def test_cross_g_is_the_share_of_near_cells(cells):
    apart = spatial.nearest_distances(cells)
    for of, to in (("tumour", "immune"), ("immune", "immune")):
        got = spatial.cross_g(cells, of, to, [0, 2, 4, 1000])["g"].tolist()
        near = apart.loc[cells.cell_type == of, to].to_numpy()
        assert got == [(near <= r).mean() for r in (0, 2, 4, 1000)]
        assert got[-1] == 1.0


def test_mixing_by_hand():
    """A tumour cell with two immune neighbours that are neighbours of each other, and one immune cell alone."""
    table = pd.DataFrame({"x": [0, 1, 1, 50], "y": [0, 0, 1, 50], "cell_type": ["t", "i", "i", "i"]})
    got = spatial.mixing_scores(table, "t", "i", radius=1.5)
    assert got.round(6).to_dict() == {"mixing": 2.0, "infiltration": 0.666667}
    cold = spatial.mixing_scores(table.iloc[[0, 1]], "t", "i", radius=1.5)
    assert np.isnan(cold["mixing"])
    assert cold["infiltration"] == 1.0


def test_contacts_of_separate_types_are_rarer_than_chance(rng):
    x = np.concatenate([rng.uniform(0, 50, 150), rng.uniform(50, 100, 150)])
    table = pd.DataFrame({"x": x, "y": rng.uniform(0, 50, 300), "cell_type": ["a"] * 150 + ["b"] * 150})
    got = spatial.contact_scores(table, 8, permutations=100, seed=1).set_index(["of", "to"])
    assert got.loc[("a", "b"), "z"] < -5 < 5 < got.loc[("a", "a"), "z"]
    assert got.loc[("a", "b")].equals(got.loc[("b", "a")])
    mixed = table.assign(cell_type=rng.permutation(table["cell_type"]))
    assert spatial.contact_scores(mixed, 8, permutations=100)["z"].abs().max() < 4


def test_order_of_cells_does_not_change_a_score(cells):
    shuffled = cells.sample(frac=1, random_state=0)
    for score in (
        lambda t: spatial.cross_k(t, "tumour", "immune", [3, 9]),
        lambda t: spatial.contact_scores(t, 5, permutations=9),
        lambda t: spatial.mixing_scores(t, "tumour", "immune", 5).to_frame(),
    ):
        pd.testing.assert_frame_equal(score(cells), score(shuffled))


def test_one_cell_of_a_type():
    table = pd.DataFrame({"x": [0.0], "y": [0.0], "cell_type": ["t"]})
    assert spatial.nearest_distances(table).to_numpy().tolist() == [[np.inf]]
    assert spatial.cross_g(table, "t", "t", [1])["g"].tolist() == [0.0]
    assert spatial.cross_k(table, "t", "t", [1])["k"].isna().all()
    assert spatial.contact_scores(table, 1, permutations=2)["z"].isna().all()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: t.drop(columns="y"), "columns y are missing"),
        (lambda t: t.iloc[:0], "no cells"),
        (lambda t: t.assign(x="far"), "must be numbers"),
        (lambda t: t.assign(x=t["x"].where(t.index != 3)), "rows 4"),
        (lambda t: t.assign(x=np.inf), "not finite"),
        (lambda t: t.assign(cell_type=t["cell_type"].where(t.index != 0)), "rows 1"),
        (lambda t: t.assign(cell_type="stroma"), "no cell has the type 'tumour'"),
    ],
)
def test_wrong_tables_are_told(cells, spoil, message):
    with pytest.raises(DataError, match=message):
        spatial.cross_k(spoil(cells), "tumour", "immune", [1])


@pytest.mark.parametrize("radii", [[], [2, 1], [-1], [np.nan], [np.inf]])
def test_wrong_radii_are_told(cells, radii):
    with pytest.raises(UsageError, match="radii"):
        spatial.cross_k(cells, "tumour", "immune", radii)


def test_wrong_permutations_are_told(cells):
    with pytest.raises(UsageError, match="permutations"):
        spatial.contact_scores(cells, 1, permutations=1)
    with pytest.raises(UsageError, match="seed"):
        spatial.contact_scores(cells, 1, seed=-1)
