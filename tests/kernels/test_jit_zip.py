"""The package from a wheel on the path, as a cluster sends it: nothing is installed, nothing can be cached."""

import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from archives import packed
from grid import jitted

from theracast.features.datasets import load_cohort
from theracast.kernels.enrichment import set_means
from theracast.models.base import ResponseModel
from theracast.models.storage import save_model
from theracast.predict.predictor import Predictor

#: Scores from what stands at the first argument; the editable install is hidden.
SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in str(f).lower()]
import json
import pandas as pd
import theracast
from theracast.kernels.enrichment import set_means
from theracast.predict.predictor import Predictor
table = Predictor.from_folder(sys.argv[2]).score(pd.read_parquet(sys.argv[3])).table
import numpy as np
means = set_means(np.random.default_rng(0).normal(8, 3, (5, 40)), np.arange(40), np.array([0, 20, 40]), 0.8)
print(json.dumps([theracast.__file__, table.probability.map(float.hex).tolist(), means.tobytes().hex()]))
"""


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """A model in a folder, patients in a file, and the numbers of this process."""
    folder = tmp_path_factory.mktemp("job")
    save_model(ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel")), folder / "model")
    load_cohort("riaz2017_mel").wide().reset_index().to_parquet(folder / "wide.parquet")
    table = Predictor.from_folder(folder / "model").score(pd.read_parquet(folder / "wide.parquet")).table
    return folder, table.probability.map(float.hex).tolist()


@jitted
@pytest.mark.parametrize(
    "name",
    ["theracast-0.1.0-py3-none-any.whl", "theracast.zip", "theracast.zip.whl"],
    ids=["wheel", "zip", "a name that numba stumbles over"],
)
def test_an_archive_on_the_path_gives_the_same_numbers(tmp_path, job, name):
    archive = packed(tmp_path / "sent", name)
    home = tmp_path / "home"
    home.write_text("a file: no folder can be made in it, not even by root")
    folder, wanted = job
    environ = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT, archive, folder / "model", folder / "wide.parquet"],
        capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path,
        env={**environ, "HOME": str(home), "XDG_CACHE_HOME": str(home), "NUMBA_NUM_THREADS": "2"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    where, found, means = json.loads(done.stdout)
    assert where.startswith(str(archive))
    assert found == wanted
    here = set_means(np.random.default_rng(0).normal(8, 3, (5, 40)), np.arange(40), np.array([0, 20, 40]), 0.8)
    assert means == here.tobytes().hex()
