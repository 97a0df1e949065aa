"""TreeSHAP equals its definition over all subsets, and xgboost's own contributions and interactions."""

import json

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb
from grid import TABLES, by_threads, over
from reference import treeshap as twin
from reference import treeshap_pairs as pairs_twin
from reference import treeshap_program as program_twin

from theracast.errors import DataError, ModelError
from theracast.kernels.treeshap import shap_values
from theracast.kernels.treeshap_pairs import shap_interactions
from theracast.kernels.treeshap_program import shap_program
from theracast.models.treeshap import TreeTables

KINDS = (np.int32, np.int32, np.int32, np.float64, np.int32, np.float64, np.float64)


def grown(seed, shapes, features):
    """Random trees: (depth, chance of a split) each; few features, so that they repeat on a path."""
    rng = np.random.default_rng(seed)
    rows, roots = [], []

    def grow(depth, chance, cover):
        place = len(rows)
        rows.append([-1, -1, 0, 0.0, 0, cover, 10 * rng.normal()])
        if depth > 0 and rng.random() < chance:
            share = rng.random()
            rows[place][2:5] = rng.integers(features), float(np.float32(rng.normal())), rng.integers(2)
            rows[place][0] = grow(depth - 1, chance, cover * share)
            rows[place][1] = grow(depth - 1, chance, cover * (1 - share))
        return place

    for depth, chance in shapes:
        roots.append(grow(depth, chance, 100.0))
    trees = [np.array([r[k] for r in rows], dtype=kind) for k, kind in enumerate(KINDS)]
    return *trees, np.array(roots), np.arange(len(roots)) % 2


def barren(trees):
    """No weight came by in half of the nodes."""
    cover = trees[5].copy()
    cover[1::2] = 0.0
    return *trees[:5], cover, *trees[6:]


TREES = {
    "stump": grown(1, [(1, 1.0)], 1),
    "one leaf": grown(2, [(0, 0.0)], 1),
    "leaves between": grown(3, [(0, 0.0), (2, 1.0), (0, 0.0)], 3),
    "full": grown(4, [(3, 1.0), (4, 1.0)], 5),
    "ragged": grown(5, [(5, 0.7)] * 4, 5),
    "one feature, deep": grown(6, [(6, 0.8)], 1),
    "two features, deep": grown(7, [(7, 0.75)] * 2, 2),
    "no cover": barren(grown(8, [(3, 1.0), (4, 0.8)], 4)),
}


def normal(rows):
    return np.random.default_rng(9).normal(size=(rows, 5))


#: The grid, its columns repeated to five; as it lies in memory, and where it holds five or more columns, as it is.
VALUES = {name: np.take(t, np.arange(5) % t.shape[1], axis=1) for name, t in TABLES.items() if t.shape[1]} | {
    "more than a block": normal(131),
    "as strided": TABLES["strided"][:, :5],
    "as reversed": TABLES["reversed"][:, :5],
    "as Fortran order": TABLES["Fortran order"][:, :5],
    "as read-only": TABLES["read-only"][:, :5],
}


@pytest.mark.parametrize(
    ("kernel", "slow"),
    [(shap_values, twin.shap_values), (shap_interactions, pairs_twin.shap_interactions)],
    ids=["shap_values", "shap_interactions"],
)
@over("values", VALUES)
@over("trees", TREES)
def test_equals_its_twin(trees, values, kernel, slow):
    columns, base, before = np.array([3, 0, 4, 1, 2]), np.array([0.25, -7.0]), values.copy()
    code, number, means = shap_program(*trees)
    slow_code, slow_number, slow_means = program_twin.shap_program(*trees)
    np.testing.assert_allclose(means, slow_means, rtol=1e-12)
    with np.errstate(all="ignore"):
        got = kernel(values, columns, code, number, base)
        wanted = slow(values, columns, slow_code, slow_number, base)
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-11)
    np.testing.assert_array_equal(values, before)


def test_two_features_by_hand():
    """if a < 0: 0, else if b < 0: 0, else 4; all covers halve: a row with both adds 4 - 1 = 3, half to each."""
    trees = (
        np.array([1, -1, 3, -1, -1], np.int32),
        np.array([2, -1, 4, -1, -1], np.int32),
        np.array([0, 0, 1, 0, 0], np.int32),
        np.zeros(5),
        np.zeros(5, np.int32),
        np.array([4.0, 2, 2, 1, 1]),
        np.array([0.0, 0, 0, 0, 4]),
        np.array([0]),
        np.array([0]),
    )
    code, number, means = shap_program(*trees)
    got = shap_values(np.array([[1.0, 1.0], [-1.0, 1.0]]), np.array([0, 1]), code, number, means)[:, 0]
    np.testing.assert_allclose(got, [[1.5, 1.5, 1.0], [-1.5, 0.5, 1.0]], atol=1e-15)


@pytest.mark.parametrize("kernel", [shap_values, shap_interactions], ids=lambda kernel: kernel.__name__)
def test_threads_and_neighbours_do_not_change_a_bit(kernel):
    code, number, means = shap_program(*TREES["ragged"])
    values, columns, base = normal(150), np.arange(5), means[:2]
    found = by_threads(lambda: kernel(values, columns, code, number, base).tobytes())
    assert len(set(found)) == 1
    alone = [kernel(values[[i]], columns, code, number, base)[0] for i in (0, 7, 127, 128, 149)]
    crowd = kernel(values, columns, code, number, base)[[0, 7, 127, 128, 149]]
    assert np.array(alone).tobytes() == crowd.tobytes()


# ---------------------------------------------------------------- xgboost


def table(rows=200, features=12):
    rng = np.random.default_rng(5)
    X = np.round(rng.normal(size=(rows, features)), 1).astype(np.float32)  # rows lie on thresholds
    y = X[:, 0] + X[:, 1] * X[:, -2] - np.abs(X[:, -1]) + rng.normal(size=rows) / 4
    X[rng.random(X.shape) < 0.15] = np.nan
    return X, y


def trained(rounds=3, width=12, labels=lambda y: y, **settings):
    X, y = table(features=width)
    settings = {"max_depth": 3, "min_child_weight": 0, "nthread": 1, "seed": 1, **settings}
    return xgb.train(settings, xgb.DMatrix(X, label=labels(y), nthread=1), rounds), X


def above(y):
    return (y > 0).astype(int)


def positive(y):
    return np.exp(y / 2)


CASES = {
    "squared error": {},
    "base score": {"base_score": 0.5},
    "logistic": {"objective": "binary:logistic", "labels": above},
    "logistic, base score": {"objective": "binary:logistic", "labels": above, "base_score": 0.2},
    "logitraw": {"objective": "binary:logitraw", "labels": above, "base_score": 0.3},
    "poisson": {"objective": "count:poisson", "labels": positive},
    "gamma": {"objective": "reg:gamma", "labels": positive, "base_score": 2.0},
    "tweedie": {"objective": "reg:tweedie", "labels": positive},
    "cox": {"objective": "survival:cox", "labels": positive, "base_score": 0.7},
    "hinge": {"objective": "binary:hinge", "labels": above},
    "absolute error": {"objective": "reg:absoluteerror"},
    "classes": {"objective": "multi:softprob", "num_class": 3, "labels": lambda y: np.digitize(y, [-1, 0.5])},
    "targets": {"labels": lambda y: np.column_stack([y, -2 * y])},
    "forest": {"num_parallel_tree": 3, "subsample": 0.7, "colsample_bynode": 0.7},
    "class forests": {
        "objective": "multi:softmax",
        "num_class": 3,
        "num_parallel_tree": 2,
        "labels": lambda y: np.digitize(y, [-1, 0.5]),
        "rounds": 2,
    },
    "leaves only": {"gamma": 1e9},
    "pruned": {"gamma": 0.8, "max_depth": 6},
    "no trees": {"rounds": 0},
    "depth 1": {"max_depth": 1},
    "depth 10": {"max_depth": 10, "rounds": 2, "lambda": 0.0},
    "depth 10, two features": {"max_depth": 10, "width": 2, "rounds": 2},
    "by leaves": {"grow_policy": "lossguide", "max_leaves": 9, "max_depth": 0, "tree_method": "hist"},
    "exact": {"tree_method": "exact", "max_depth": 5},
}


def leaf_sums(booster, X):
    """Sum of the leaves' values in float64, without a base score."""
    model = json.loads(bytes(booster.save_raw("json")))["learner"]["gradient_booster"]["model"]
    shape = (len(X), len(model["trees"]))
    places = booster.predict(xgb.DMatrix(X), pred_leaf=True, strict_shape=True).astype(int).reshape(shape)
    sums = np.zeros((len(X), max(model["tree_info"], default=0) + 1))
    for t, (tree, group) in enumerate(zip(model["trees"], model["tree_info"], strict=True)):
        sums[:, group] += np.float32(tree["split_conditions"])[places[:, t]]
    return sums


@pytest.mark.filterwarnings("ignore:.*(Unknown objective|not used).*")
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_equals_xgboost(case):
    booster, X = trained(**case)
    X = X[:70]
    tables = TreeTables.from_booster(booster)
    got, wanted = tables.contributions(X), booster.predict(xgb.DMatrix(X), pred_contribs=True)
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(got.sum(-1), booster.predict(xgb.DMatrix(X), output_margin=True), rtol=1e-5, atol=1e-5)
    if case.get("rounds", 1):  # additive in float64, the constant base score apart
        base = got.sum(-1).reshape(len(X), -1) - leaf_sums(booster, X)
        np.testing.assert_allclose(base, np.broadcast_to(base[0], base.shape), rtol=0, atol=1e-11)


@pytest.mark.filterwarnings("ignore:.*(Unknown objective|not used).*")
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_pairs_equal_xgboost(case):
    booster, X = trained(**case)
    X = X[:20]
    tables = TreeTables.from_booster(booster)
    got, wanted = tables.interactions(X), booster.predict(xgb.DMatrix(X), pred_interactions=True)
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(got.sum(-1), tables.contributions(X), rtol=0, atol=1e-11)
    np.testing.assert_array_equal(got, np.swapaxes(got, -1, -2))
    used = np.append(tables.columns, X.shape[1])
    np.testing.assert_array_equal(tables.interactions(X, only_used=True), got[..., used[:, None], used])


def test_base_score_is_exact():
    booster, X = trained(objective="binary:logistic", labels=above, base_score=0.2)
    got = TreeTables.from_booster(booster).contributions(X[:5]).sum(1) - leaf_sums(booster, X[:5])[:, 0]
    np.testing.assert_allclose(got, np.log(np.float32(0.2) / (1 - np.float64(np.float32(0.2)))), rtol=1e-9)


def test_rows_at_a_threshold_go_xgboosts_way():
    booster, _ = trained(rounds=1, max_depth=2)
    tables = TreeTables.from_booster(booster)
    rows = np.zeros((len(tables.number) * 3, 12))
    for i, (step, number) in enumerate(zip(tables.code, tables.number, strict=True)):
        edge = np.float32(number[0])
        column = tables.columns[step[5]]
        rows[3 * i : 3 * i + 3, column] = np.nextafter(edge, -np.inf), edge, np.float64(edge) * (1 - 1e-12)
    wanted = booster.predict(xgb.DMatrix(rows), pred_contribs=True)
    np.testing.assert_allclose(tables.contributions(rows), wanted, rtol=1e-5, atol=1e-5)


def test_rounds_as_in_predict():
    X, y = table()
    settings = {"max_depth": 3, "eta": 1.0, "nthread": 1}
    parts = [xgb.DMatrix(X[a:b], label=y[a:b]) for a, b in ((0, 120), (120, 200))]
    booster = xgb.train(settings, parts[0], 12, evals=[(parts[1], "v")], early_stopping_rounds=2, verbose_eval=False)
    best = booster.best_iteration + 1
    assert best < booster.num_boosted_rounds()
    for mine, theirs in ((None, (0, best)), ((0, 0), (0, 0)), ((1, 3), (1, 3))):
        got = TreeTables.from_booster(booster, mine).contributions(X[:9])
        part = booster[theirs[0] : theirs[1] or booster.num_boosted_rounds()]
        wanted = part.predict(xgb.DMatrix(X[:9]), pred_contribs=True)
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)
    with pytest.raises(ModelError, match="no such rounds"):
        TreeTables.from_booster(booster, (0, 99))


def test_stored_and_loaded_is_the_same_to_the_bit(tmp_path):
    booster, X = trained(**CASES["classes"])
    tables = TreeTables.from_booster(booster)
    tables.save(tmp_path / "t")
    loaded = TreeTables.load(tmp_path / "t")
    assert loaded.contributions(X[:9]).tobytes() == tables.contributions(X[:9]).tobytes()
    (tmp_path / "junk").write_bytes(b"junk")
    np.savez(tmp_path / "other.npz", a=1)
    np.savez(tmp_path / "newer.npz", format=99)
    np.save(tmp_path / "one.npy", np.zeros(3))
    (tmp_path / "cut").write_bytes((tmp_path / "t").read_bytes()[:-40])
    for name in ("junk", "other.npz", "newer.npz", "one.npy", "cut"):
        with pytest.raises(ModelError, match="tables"):
            TreeTables.load(tmp_path / name)


@pytest.mark.parametrize(
    ("field", "place", "value"),
    [("code", (0, k), v) for k in range(10) for v in (-1, 10_000)]
    + [("columns", 0, -1), ("columns", 0, 10_000), ("number", slice(0, 1), []), ("bias", 0, "text"), ("code", 0, None)],
)
def test_tables_that_point_outside_are_refused(field, place, value):
    """Kernels check nothing: a changed file must not make them read or write elsewhere."""
    state = TreeTables.from_booster(trained()[0]).state()
    assert TreeTables.from_state(json.loads(json.dumps(state))).state() == state
    part = state[field]
    if isinstance(place, tuple):
        part, place = part[place[0]], place[1]
    part[place] = value
    with pytest.raises(ModelError, match="tables"):
        TreeTables.from_state(state)


def test_columns_must_be_the_models():
    X, y = table(features=3)
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    tables = TreeTables.from_booster(xgb.train({"nthread": 1, "max_depth": 2}, xgb.DMatrix(frame, label=y), 2))
    assert tables.contributions(frame[:3]).tobytes() == tables.contributions(X[:3]).tobytes()
    assert tables.contributions(frame[:0]).shape == (0, 4)
    with pytest.raises(DataError, match="not the model's"):
        tables.contributions(frame[["b", "a", "c"]])
    with pytest.raises(DataError, match="wrong shape"):
        tables.contributions(X[:, :2])


def test_what_has_no_tables_is_refused():
    X, y = table(features=3)
    frame = pd.DataFrame({"a": pd.Categorical(np.arange(200) % 5), "b": X[:, 0]})
    kinds = xgb.DMatrix(frame, label=(np.arange(200) % 5 == 2) + y / 9, enable_categorical=True)
    wide = xgb.DMatrix(X, label=np.column_stack([y, y]))
    data = xgb.DMatrix(np.nan_to_num(X), label=y)
    refused = {
        "categorical": xgb.train({"max_cat_to_onehot": 1, "nthread": 1}, kinds, 1),
        "dart": xgb.train({"booster": "dart", "rate_drop": 0.5, "nthread": 1}, data, 2),
        "gblinear": xgb.train({"booster": "gblinear", "updater": "coord_descent", "nthread": 1}, data, 1),
        "vector": xgb.train({"multi_strategy": "multi_output_tree", "tree_method": "hist", "nthread": 1}, wide, 1),
    }
    for what, booster in refused.items():
        with pytest.raises(ModelError, match=what):
            TreeTables.from_booster(booster)
