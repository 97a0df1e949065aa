"""Deconvolution: solvers are SciPy's and scikit-learn's, mixtures of known cells come back, diagnostics are true."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import nnls
from sklearn.base import clone
from sklearn.svm import NuSVR

from theracast.errors import UsageError
from theracast.features.blocks.deconvolution import DeconvolutionBlock
from theracast.features.cohort import Cohort
from theracast.features.deconvolution import fit_nnls, fit_nusvr, read_signature

GOLDEN = json.loads((Path(__file__).resolve().parents[1] / "golden" / "deconvolution.json").read_text())
CELLS = ["b_cells", "myeloid_cells", "nk_cells", "t_cells"]
both = pytest.mark.parametrize("method", ["nnls", "nusvr"])


@pytest.fixture
def signature():
    return read_signature("blood_cells")


def cohort_of(tpm):
    return Cohort.from_tables({"expression": np.log2(tpm + 1)}, units={"expression": "log2(TPM+1)"})


def simulated(signature, rng, n=40, noise=0.0):
    """SIMULATED mixtures in TPM with known fractions."""
    fractions = rng.dirichlet(np.full(signature.shape[1], 0.8), n)
    tpm = fractions @ signature.to_numpy().T * rng.lognormal(0, noise, (n, len(signature)))
    ids = pd.Index([f"simulated{i}" for i in range(n)], name="patient_id")
    return pd.DataFrame(tpm, ids, signature.index.tolist()), fractions


def fractions_of(method, tpm, **options):
    cohort = cohort_of(tpm)
    return DeconvolutionBlock(method, **options).fit(cohort).measure(cohort)


# ---------------------------------------------------------------- numbers from outside


def test_nnls_equals_the_recorded_scipy():
    for case in GOLDEN["cases"]:
        s, y = np.array(case["signature"]), np.array(case["mixture"])
        fit = fit_nnls(y, s)
        wanted = np.array(case["nnls"])
        np.testing.assert_allclose(fit.fractions, wanted / wanted.sum(), rtol=0, atol=1e-12)
        np.testing.assert_array_equal(fit.fractions, nnls(s, y)[0] / nnls(s, y)[0].sum())
        assert fit.rmse == pytest.approx(np.sqrt(np.mean((s @ wanted - y) ** 2)) / y.std(), rel=1e-9)
        assert fit.correlation == pytest.approx(np.corrcoef(s @ wanted, y)[0, 1], rel=1e-9)


def test_nusvr_equals_the_recorded_scikit_learn():
    for case in GOLDEN["cases"]:
        fit = fit_nusvr(np.array(case["mixture"]), np.array(case["signature"]))
        np.testing.assert_allclose(fit.fractions, case["nusvr"], rtol=0, atol=1e-6)


def test_nusvr_is_the_best_of_three_direct_calls(signature, rng):
    tpm, _ = simulated(signature, rng, n=5, noise=0.5)
    s = (signature.to_numpy() - signature.to_numpy().mean()) / signature.to_numpy().std()
    for row in tpm.to_numpy():
        y = (row - row.mean()) / row.std()
        tried = []
        for nu in (0.25, 0.5, 0.75):
            w = NuSVR(kernel="linear", nu=nu, C=1.0).fit(s, y).coef_.ravel().copy()
            w[w < 0] = 0
            w /= w.sum()
            tried.append((np.sqrt(np.mean((s @ w - y) ** 2)), w))
        error, wanted = min(tried, key=lambda t: t[0])
        fit = fit_nusvr(row, signature.to_numpy())
        np.testing.assert_array_equal(fit.fractions, wanted)
        assert fit.rmse == pytest.approx(error, rel=1e-12)


# ---------------------------------------------------------------- known truth


@both
@pytest.mark.parametrize(("missing", "least"), [(0.0, 0.95), (0.1, 0.95)])
def test_simulated_mixtures_come_back(signature, rng, method, missing, least):
    tpm, truth = simulated(signature, rng)
    gone = rng.choice(tpm.columns, round(missing * len(tpm.columns)), replace=False)
    measured = fractions_of(method, tpm.drop(columns=gone))
    got = measured.values[CELLS].to_numpy()
    assert min(np.corrcoef(got[:, k], truth[:, k])[0, 1] for k in range(4)) > least
    np.testing.assert_allclose(got.sum(axis=1), 1.0, rtol=1e-12)
    assert (got >= 0).all()
    if method == "nnls":
        np.testing.assert_allclose(got, truth, rtol=0, atol=1e-5)  # a cohort holds float32
    assert measured.coverage.tolist() == pytest.approx([1 - len(gone) / len(signature)] * 40)
    assert (measured.values["fit_correlation"] > 0.95).all()


@both
def test_noise_is_seen_in_the_diagnostics(signature, rng, method):
    """The error of nu-SVR is of profiles standardised one by one: it is not 0 without noise."""
    clean, _ = simulated(signature, rng, n=20)
    noisy = clean * rng.lognormal(0, 1.0, clean.shape)
    quiet, loud = (fractions_of(method, t).values for t in (clean, noisy))
    if method == "nnls":
        assert (quiet["fit_rmse"] < 1e-4).all()
        assert (loud["fit_rmse"] > 0.1).all()
    assert (loud["fit_correlation"] < quiet["fit_correlation"]).mean() > 0.9


def test_fractions_are_those_of_tpm_and_not_of_logarithms(signature):
    """Half and half in TPM: solved in logarithms, 0.5 would not come back."""
    mixed = 0.5 * signature["B cells"] + 0.5 * signature["T cells"]
    tpm = pd.DataFrame([mixed.to_numpy()], ["p"], signature.index.tolist())
    got = fractions_of("nnls", tpm).values.loc["p"]
    assert got[CELLS].tolist() == pytest.approx([0.5, 0, 0, 0.5], abs=1e-5)
    logged = fit_nnls(np.log2(mixed.to_numpy() + 1), signature.to_numpy()).fractions
    assert np.abs(logged - [0.5, 0, 0, 0.5]).max() > 0.01


def test_other_genes_and_their_order_change_no_bit(signature, rng):
    tpm, _ = simulated(signature, rng, n=4)
    wanted = fractions_of("nusvr", tpm).values
    more = tpm.assign(KRT5=3.0, ALB=7.0).iloc[:, ::-1]
    pd.testing.assert_frame_equal(fractions_of("nusvr", more).values, wanted, check_exact=True)


# ---------------------------------------------------------------- signatures of the user


def test_a_matrix_by_path_table_or_mapping(signature, rng, tmp_path):
    own = signature[["B cells", "T cells"]].iloc[:30]
    own.to_csv(tmp_path / "own.csv")
    own.to_csv(tmp_path / "own.txt", sep="\t")
    tpm, _ = simulated(own, rng, n=3)
    wanted = fractions_of("nnls", tpm, signature=own).values
    assert wanted.columns.tolist() == ["b_cells", "t_cells", "fit_correlation", "fit_rmse"]
    for source in (str(tmp_path / "own.csv"), tmp_path / "own.txt", own.to_dict()):
        pd.testing.assert_frame_equal(fractions_of("nnls", tpm, signature=source).values, wanted, check_exact=True)


def test_a_fitted_block_needs_no_file(signature, rng, tmp_path):
    file = tmp_path / "own.csv"
    signature.iloc[:, :3].to_csv(file)
    tpm, _ = simulated(signature, rng, n=3)
    block = DeconvolutionBlock(signature=str(file)).fit(cohort_of(tpm))
    wanted = block.transform(cohort_of(tpm))
    stored = json.loads(json.dumps({"params": block.get_params(), "signature_": block.signature_}))
    file.unlink()
    read = DeconvolutionBlock(**stored["params"])
    read.signature_ = stored["signature_"]
    pd.testing.assert_frame_equal(read.transform(cohort_of(tpm)), wanted, check_exact=True)
    with pytest.raises(UsageError, match="no such signature matrix"):
        clone(read).fit(cohort_of(tpm))


def test_unknown_method(signature, rng):
    with pytest.raises(UsageError, match="nnls, nusvr, markers"):
        fractions_of("cibersort", simulated(signature, rng, n=2)[0])


# ---------------------------------------------------------------- markers


def test_markers_are_means_of_logarithms_by_hand():
    genes = {"CD8A": 3.0, "CD8B": 7.0}  # log2(TPM+1)
    tpm = pd.DataFrame([{g: 2.0**v - 1 for g, v in genes.items()}], ["p"])
    measured = fractions_of("markers", tpm)
    assert measured.values.loc["p", "cd8_t_cells"] == pytest.approx(5.0)
    assert measured.values.notna().sum(axis=1).tolist() == [1]
    assert "14 cell types left out" in measured.notes["p"][0]


@pytest.mark.shared
@both
def test_on_real_tumours_it_agrees_with_markers(shared_data, method):
    """Roughly, and in a cohort that the genes of the matrix were chosen with."""
    x = pd.read_parquet(shared_data / "ici" / "jung2019_nsclc" / "expression.parquet").T
    cohort = Cohort.from_tables({"expression": x}, units={"expression": "log2(TPM+1)"})
    cells = DeconvolutionBlock(method).fit(cohort).measure(cohort)
    markers = DeconvolutionBlock("markers").fit(cohort).measure(cohort).values
    assert (cells.coverage > 0.9).all()
    one = markers[["b_cells", "nk_cells", "t_cells"]].assign(
        myeloid_cells=(markers.monocytes + markers.macrophages) / 2
    )
    relative = one.sub(one.mean(axis=1), axis=0)
    found = cells.values[CELLS].corrwith(relative[CELLS], method="spearman")
    assert (found > 0.3).all()
