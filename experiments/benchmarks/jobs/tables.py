"""Tables before a model: imputation, normalisation, selection, dosages; against what one would use otherwise."""

import os
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from harness import largest, paired

from theracast.features.dosage import weighted_dosage
from theracast.features.imputation import NearestPatientsImputer
from theracast.features.normalisation import size_factors, tmm_factors
from theracast.features.selection import mrmr, mutual_information

#: THERACAST_BENCH_SMALL=1 runs the smallest size of each job only.
MOST = 1 if os.environ.get("THERACAST_BENCH_SMALL") else None


def imputation() -> list[dict]:
    """Five nearest patients, a tenth missing; SIMULATED."""
    from sklearn.impute import KNNImputer

    rows = []
    for n, p in ((300, 5000), (1000, 5000), (2000, 2000))[:MOST]:
        rng = np.random.default_rng(0)
        table = rng.normal(size=(n, p))
        table[rng.random(table.shape) < 0.1] = np.nan
        ours = partial(NearestPatientsImputer().fit_transform, table)
        peer = partial(KNNImputer().fit_transform, table)
        options = {"package": "scikit-learn", "differ": largest, "tolerance": 1e-14, "goal": 20}
        rows.append(paired("KNN imputation", f"{n} x {p}", ours, peer, **options))
    return rows


def counts(samples: int, genes: int) -> pd.DataFrame:
    """Negative binomial counts of different depth; SIMULATED."""
    rng = np.random.default_rng(0)
    mean = np.outer(rng.uniform(0.5, 2, samples), rng.gamma(0.4, 60, genes))
    return pd.DataFrame(rng.negative_binomial(3, 3 / (3 + mean)).astype(np.float64))


def normalisation() -> list[dict]:
    """TMM against rnanorm, median of ratios against pydeseq2."""
    from pydeseq2.preprocessing import deseq2_norm
    from rnanorm import TMM

    rows = []
    for n in (100, 300, 1000)[:MOST]:
        table = counts(n, 20_000)
        values = table.to_numpy()  # the same bytes: neither has to convert them
        # A is the mean of two logarithms in edgeR and here, half the logarithm of a product in rnanorm: their roundings
        # tie other genes. Of 300 samples 10 then keep other genes; rnanorm is 4e-4 from edgeR 3.40, theracast 2e-15
        options = {"package": "rnanorm", "differ": largest, "tolerance": 1e-3, "goal": 10}
        peer = partial(rnanorm_factors, TMM, values)
        rows.append(paired("TMM", f"{n} x 20k", partial(tmm_factors, table), peer, **options))
        options = {"package": "pydeseq2", "differ": largest, "tolerance": 1e-12, "goal": 4}
        peer = partial(lambda deseq2_norm, values: deseq2_norm(values)[1], deseq2_norm, values)
        rows.append(paired("median of ratios", f"{n} x 20k", partial(size_factors, table), peer, **options))
    return rows


def rnanorm_factors(tmm: Callable, values: np.ndarray) -> np.ndarray:
    """Fit and read the factors."""
    return tmm().fit(values).get_norm_factors(values)


def classes(n: int, p: int) -> tuple[pd.DataFrame, pd.Series]:
    """Features that tell two classes apart more or less; SIMULATED."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, n)
    names = [f"f{i}" for i in range(p)]
    return pd.DataFrame(rng.normal(size=(n, p)) + np.outer(y, rng.random(p)), columns=names), pd.Series(y)


def information() -> list[dict]:
    """Mutual information with the same noise, three neighbours."""
    from sklearn.feature_selection import mutual_info_classif

    rows = []
    for n, p in ((300, 200), (1000, 500), (3000, 500))[:MOST]:
        x, y = classes(n, p)
        noise = np.random.RandomState(0).standard_normal(x.shape)  # scikit-learn's
        options = {"package": "scikit-learn", "differ": largest, "tolerance": 1e-12, "goal": 30}
        ours = partial(mutual_information, x, y, noise=noise)
        peer = partial(mutual_info_classif, x, y, random_state=0)
        rows.append(paired("mutual information", f"{n} x {p}", ours, peer, **options))
    return rows


def selection() -> list[dict]:
    """Select the same features in the same order; the peer on two processes."""
    from mrmr import mrmr_classif

    rows = []
    for n, p, k in ((300, 300, 10), (300, 1000, 20), (300, 2000, 30))[:MOST]:
        x, y = classes(n, p)
        options = {"package": "mrmr-selection", "tolerance": 0.0, "goal": 20}
        peer = partial(mrmr_classif, x, y, k, show_progress=False, n_jobs=2)
        ours = partial(mrmr, x, y, k)
        rows.append(paired("mRMR", f"{n} x {p}, {k}", ours, peer, differ=lambda a, b: float(a != b), **options))
    return rows


def by_numpy(dosages: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Do what one would write: blocks of float64, missing as the mean."""
    out = np.zeros(len(dosages))
    for start in range(0, dosages.shape[1], 20_000):
        block = dosages[:, start : start + 20_000].astype(np.float64)
        block[block < 0] = np.nan
        out += np.where(np.isnan(block), np.nanmean(block, axis=0), block) @ weights[start : start + 20_000]
    return out


def read_once(dosages: np.ndarray) -> np.ndarray:
    """Read every byte, the floor; one core reads memory as fast as two."""
    return np.full(len(dosages), dosages.ravel().view(np.int64).sum())


def dosage() -> list[dict]:
    """Dosages with missing values: means of the same patients against numpy, given means against one read."""
    rows = []
    for n, m in ((200, 200_000), (1000, 200_000), (2000, 500_000))[:MOST]:
        rng = np.random.default_rng(0)
        values, weights = rng.integers(-1, 3, (n, m), dtype=np.int8), rng.normal(size=m)
        table, effect = pd.DataFrame(values, copy=False), pd.Series(weights)
        options = {"package": "numpy", "differ": largest, "tolerance": 1e-9, "goal": 40}
        ours, peer = partial(weighted_dosage, table, effect), partial(by_numpy, values, weights)
        rows.append(paired("dosages", f"{n} x {m // 1000}k", ours, peer, **options))
    # not within reach, about 3 times a read: the check that no dosage is above 2 is a read of its own, and the sums
    # take two, because making a float64 of a byte takes longer than reading it
    ours = partial(weighted_dosage, table, effect, means=pd.Series(1.0, index=effect.index))
    options = {"package": "numpy:sum", "differ": lambda a, b: 0.0, "tolerance": 0.0, "goal": 0.5}
    note = "peer: one read of the same bytes; 0.5 is twice as long"
    size = f"{n} x {m // 1000}k, means given"
    rows.append(paired("dosages", size, ours, partial(read_once, values), note=note, **options))
    return rows


def jobs() -> dict[str, Callable[[], list[dict]]]:
    """Return the jobs of this family."""
    return {
        "imputation": imputation,
        "normalisation": normalisation,
        "mutual_information": information,
        "mrmr": selection,
        "dosage": dosage,
    }
