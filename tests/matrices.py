"""Made-up feature matrices of two blocks, float64 beside float32, for tests of what is done with a matrix."""

import numpy as np
import pandas as pd

from theracast.features.matrix import FeatureMatrix
from theracast.provenance import Lineage, digest_rows

WIDTHS = {"a": 6, "b": 5}


def matrix_of(values, proxies=None, limits=None):
    index = pd.Index([f"p{i:03}" for i in range(len(values))], name="patient_id")
    names = [f"{b}__f{i}" for b, n in WIDTHS.items() for i in range(n)]
    values = pd.DataFrame(values, index=index, columns=names)
    values = values.astype({c: np.float32 for c in names if c.startswith("b")})
    lineage = {c: Lineage(c, c[0], "U/L", "made up", "10.1/x", "measured", ("t:0123456789ab",)) for c in names}
    coverage = pd.DataFrame({b: values.filter(like=f"{b}__").notna().mean(axis=1) for b in WIDTHS})
    studies = pd.Series("simulated", index=index, dtype=object)
    masks = [pd.DataFrame(index=index) if m is None else m.set_axis(index, axis=0) for m in (proxies, limits)]
    return FeatureMatrix(
        values, masks[0], coverage, lineage, {"p001": ["before"]}, digest_rows(values), studies, masks[1]
    )


def bits(frame):
    return frame.to_numpy(dtype=np.float64).tobytes()


def same(got, wanted):
    """Every part of two matrices is equal, to the last bit."""
    for part in ("values", "proxies", "limits", "coverage"):
        a, b = getattr(got, part), getattr(wanted, part)
        assert a.columns.tolist() == b.columns.tolist(), part
        assert a.dtypes.tolist() == b.dtypes.tolist(), part
        assert a.index.tolist() == b.index.tolist(), part
        assert bits(a) == bits(b), part
    assert got.lineage == wanted.lineage
    assert got.notes == wanted.notes
    assert got.digests.tolist() == wanted.digests.tolist()
    assert got.studies.tolist() == wanted.studies.tolist()
    assert got.tumours.tolist() == wanted.tumours.tolist()
    assert got.tumours.index.tolist() == wanted.values.index.tolist()
    assert got.blocks == wanted.blocks
