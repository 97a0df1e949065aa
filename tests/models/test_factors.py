"""Factors across blocks: multi-block PLS as ade4 has it, and patients who lack a block."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matrices import matrix_of
from sklearn.base import clone

from theracast.errors import DataError, UsageError
from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.models.factors import Factors

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


@pytest.fixture(scope="module")
def input_of_ade4():
    """SIMULATED: 40 patients of three kinds, three blocks."""
    table = pd.read_csv(GOLDEN / "factors_input.csv", index_col=0)
    return table.drop(columns="kind"), table["kind"]


@pytest.fixture(scope="module")
def fitted(input_of_ade4):
    return Factors(2).fit(*input_of_ade4)


def equals(factors, X, golden):
    wanted = np.array(golden["scores"])[:, : factors.n_factors]
    got = factors.transform(X).loc[golden["patients"]].to_numpy()
    np.testing.assert_allclose(got, wanted * np.sign((got * wanted).sum(axis=0)), atol=1e-7)
    importance = factors.importance_.loc[golden["blocks"]].to_numpy()
    np.testing.assert_allclose(importance, np.array(golden["importance"])[:, : factors.n_factors], atol=1e-7)


def test_equals_multi_block_pls_of_ade4(input_of_ade4):
    equals(Factors(3).fit(*input_of_ade4), input_of_ade4[0], json.loads((GOLDEN / "factors_ade4.json").read_text()))


@pytest.mark.shared
def test_equals_ade4_on_tcga_breast_cancer(shared_data):
    """Real: 150 patients with mRNA, miRNA and protein; the other 70 have no protein and are not fitted on."""
    folder = shared_data / "multiomics/tcga_brca_mixomics"
    parts = {b: pd.read_parquet(folder / f"{b}.parquet").set_index("patient_id") for b in ("mrna", "mirna", "protein")}
    X = pd.concat([t.add_prefix(f"{b}__") for b, t in parts.items()], axis=1)
    kind = pd.read_csv(folder / "clinical.csv").set_index("patient_id")["subtype"].reindex(X.index)
    factors = Factors(3).fit(X, kind)
    assert factors.n_fitted_ == 150
    equals(factors, X, json.loads((GOLDEN / "factors_tcga_ade4.json").read_text()))
    without = parts["mrna"].index.difference(parts["protein"].index)
    assert len(without) == 70
    known = factors.known(X.loc[without])
    assert known["note"].eq("without protein: 67% of what the factors read is known").all()
    # the subtypes, that nobody told them, are where those of the complete patients are
    scores, centres = factors.transform(X), factors.transform(X).groupby(kind).mean()
    first = ["factor_1", "factor_2"]
    apart = ((scores.loc[without, first].to_numpy()[:, None] - centres[first].to_numpy()) ** 2).sum(axis=2)
    assert (centres.index[apart.argmin(axis=1)] == kind[without]).mean() > 0.85


def test_without_labels_it_is_the_svd_of_the_scaled_blocks(input_of_ade4):
    X, _ = input_of_ade4
    factors = Factors(3).fit(X)
    Z = ((X - X.mean()) / X.std(ddof=0)).to_numpy() / np.sqrt(3 * np.repeat([8, 5, 3], [8, 5, 3]))
    assert (Z**2).sum(axis=1).mean() == pytest.approx(1.0)
    u, s, _ = np.linalg.svd(Z, full_matrices=False)
    got = factors.transform(X).to_numpy()
    np.testing.assert_allclose(np.abs(got), np.abs(u[:, :3] * s[:3]), atol=1e-9)
    assert factors.importance_.sum().tolist() == pytest.approx([1.0] * 3)


def test_loadings_are_regressions_on_the_scores(input_of_ade4, fitted):
    X, _ = input_of_ade4
    scores = fitted.transform(X).to_numpy()
    Z = ((X - X.mean()) / X.std(ddof=0)).to_numpy() / np.sqrt(3 * np.repeat([8, 5, 3], [8, 5, 3]))
    wanted = Z.T @ scores / (scores**2).sum(axis=0)
    np.testing.assert_allclose(pd.concat(fitted.loadings_.values()).loc[X.columns], wanted, atol=1e-9)


def test_a_wide_block_does_not_drown_a_narrow_one():
    """SIMULATED: 200 features of noise beside two that follow one factor."""
    rng = np.random.default_rng(1)
    shared = rng.normal(size=200)
    wide = pd.DataFrame(rng.normal(size=(200, 200))).add_prefix("wide__f")
    narrow = pd.DataFrame({f"narrow__f{i}": shared + 0.3 * rng.normal(size=200) for i in range(2)})
    score = Factors(1).fit(pd.concat([wide, narrow], axis=1)).transform(pd.concat([wide, narrow], axis=1))
    assert abs(np.corrcoef(score["factor_1"], shared)[0, 1]) > 0.9


def test_trimmed_score_regression_by_normal_equations(input_of_ade4, fitted):
    X, _ = input_of_ade4
    gone = X.columns[X.columns.str.startswith("rna__")]
    got = fitted.transform(X.assign(**dict.fromkeys(gone, np.nan)))
    Z = ((X - fitted.centre_) / fitted.scale_).to_numpy()
    there = ~X.columns.isin(gone)
    full, trimmed = Z @ fitted.rotations_, Z[:, there] @ fitted.rotations_[there]
    wanted = trimmed @ np.linalg.inv(trimmed.T @ trimmed) @ trimmed.T @ full
    np.testing.assert_allclose(got, wanted, atol=1e-9)
    known = fitted.known(X.assign(**dict.fromkeys(gone, np.nan)))
    np.testing.assert_allclose(
        known[["factor_1", "factor_2"]].iloc[0], 1 - ((full - wanted) ** 2).sum(0) / (full**2).sum(0), atol=1e-9
    )
    assert known["share"].to_numpy() == pytest.approx(np.full(40, 2 / 3))
    assert set(known["note"]) == {"without rna: 67% of what the factors read is known"}


def test_a_missing_block_is_not_the_average_of_it(input_of_ade4, fitted):
    X, _ = input_of_ade4
    gone = X.columns[X.columns.str.startswith("rna__")]
    missing = fitted.transform(X.assign(**dict.fromkeys(gone, np.nan)))
    average = fitted.transform(X.assign(**X[gone].mean()))
    truth = fitted.transform(X)
    assert ((missing - truth) ** 2).mean().lt(((average - truth) ** 2).mean()).all()


def test_nothing_known_has_no_score(input_of_ade4, fitted):
    X = input_of_ade4[0].copy()
    X.iloc[0] = np.nan
    assert fitted.transform(X).iloc[0].isna().all()
    assert fitted.transform(X).iloc[1:].notna().all(axis=None)
    row = fitted.known(X).iloc[0]
    assert row[["share", "factor_1", "factor_2"]].tolist() == [0.0, 0.0, 0.0]
    assert row["note"] == "nothing that the factors read is known"
    whole = fitted.known(X).iloc[1]
    assert whole[["share", "factor_1", "factor_2"]].tolist() == pytest.approx([1.0] * 3)
    assert whole["note"] == ""


def test_those_who_lack_something_do_not_move_the_factors(input_of_ade4):
    X, kind = input_of_ade4
    rest = X.iloc[:30]
    gaps = X.copy()
    gaps.loc[gaps.index[30:], "lipid__f0"] = np.nan
    found = Factors(2, min_known=0.7).fit(gaps, kind)
    assert found.n_fitted_ == 30
    pd.testing.assert_frame_equal(found.transform(rest), Factors(2).fit(rest, kind[:30]).transform(rest))
    unread = Factors(2).fit(gaps, kind)  # a quarter lack it: it is not read
    assert unread.n_fitted_ == 40
    assert "lipid__f0" not in unread.columns_


def test_order_does_not_matter_and_each_patient_is_alone(input_of_ade4, rng):
    X, kind = input_of_ade4
    X = X.mask(pd.DataFrame(rng.random(X.shape) < 0.1, X.index, X.columns))
    whole = Factors(2, min_known=0.5).fit(input_of_ade4[0], kind)
    scores = whole.transform(X)
    rows, columns = rng.permutation(len(X)), rng.permutation(X.columns)
    again = Factors(2, min_known=0.5).fit(input_of_ade4[0].iloc[rows][columns], kind.iloc[rows])
    pd.testing.assert_frame_equal(again.transform(X.iloc[rows]), scores.iloc[rows], atol=1e-9)
    pd.testing.assert_frame_equal(whole.transform(X.iloc[[7]][columns]), scores.iloc[[7]])


def test_what_is_the_same_for_all_is_left_out(input_of_ade4):
    X, kind = input_of_ade4
    found = Factors(2).fit(X.assign(rna__flat=3.0, protein__never=np.nan), kind)
    pd.testing.assert_frame_equal(found.transform(X), Factors(2).fit(X, kind).transform(X))


def test_numbers_may_stand_for_two_classes(input_of_ade4):
    X, kind = input_of_ade4
    one = (kind == "one").to_numpy()
    scores = [Factors(1).fit(X, y).transform(X) for y in (one.astype(float), np.where(one, "yes", "no"))]
    pd.testing.assert_frame_equal(*scores)


@pytest.mark.parametrize(
    ("change", "error", "what"),
    [
        (lambda X, y: (X.rename(columns={"rna__f0": "f0"}), y, 2), UsageError, "belongs to no block"),
        (lambda X, y: (X, y[:-1], 2), UsageError, "differ in number"),
        (lambda X, y: (X, y, 17), UsageError, "no such number of factors"),
        (lambda X, y: (X, y, 0), UsageError, "no such number of factors"),
        (lambda X, y: (X.iloc[:9], y[:9], 1), DataError, "THX-D25"),
        (lambda X, y: (X * np.nan, y, 1), DataError, "THX-D25"),
        (lambda X, y: (X, ["one"] * len(y), 1), DataError, "THX-D24"),
    ],
)
def test_what_cannot_be_fitted_is_refused(input_of_ade4, change, error, what):
    X, y, n = change(*input_of_ade4)
    with pytest.raises(error, match=what):
        Factors(n).fit(X, y)


def test_an_estimator_like_any_other(input_of_ade4):
    X, kind = input_of_ade4
    before = X.copy()
    factors = clone(Factors(2, min_known=0.9))
    assert factors.get_params() == {"n_factors": 2, "min_known": 0.9}
    pd.testing.assert_frame_equal(factors.fit_transform(X, kind), factors.transform(X))
    pd.testing.assert_frame_equal(X, before)


def test_matrices_of_a_bundled_cohort():
    cohort = load_cohort("liu2019_mel")
    model = ResponseModel("melanoma_ici").fit(cohort)
    matrix = model.matrix(cohort)
    y = cohort.response.to_numpy()
    factors = Factors(2).fit(matrix, y)
    scores, known = factors.transform(matrix), factors.known(matrix)
    assert scores.index.tolist() == matrix.values.index.tolist()
    assert set(factors.loadings_) <= set(matrix.blocks)
    assert factors.n_fitted_ == (known["note"].eq("") & ~np.isnan(y)).sum()
    assert scores.isna().all(axis=1).equals(known["share"] == 0)


def test_float32_beside_float64():
    values = np.random.default_rng(0).normal(size=(20, 11))
    assert Factors(2).fit(matrix_of(values)).transform(matrix_of(values)).dtypes.eq(np.float64).all()
