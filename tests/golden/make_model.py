"""Write model_format_3/ and model_format_3.json: a model of SIMULATED patients, and what it says of seven others.

With another theracast, `python tests/golden/make_model.py 2` writes the model alone, as model_format_2/.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

from theracast.features.cohort import Cohort
from theracast.models.base import ResponseModel
from theracast.models.storage import save_model

HERE = Path(__file__).parent
FORMAT = sys.argv[1] if len(sys.argv) > 1 else "3"


def simulated(name, cancer_type, seed, n=40):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "cancer_type": cancer_type,
            "age": rng.uniform(40, 80, n).round(),
            "albumin": rng.normal(40, 4, n).round(1),
            "tmb": rng.lognormal(1.5, 1.0, n).round(1),
            "tmb_unit": "mut/Mb",
            "pdl1": rng.integers(0, 101, n),
            "pdl1_unit": "TPS %",
        },
        index=[f"{name}:{i}" for i in range(n)],
    )
    truth = (table.albumin - 40) / 4 + 0.05 * table.tmb + 0.02 * table.pdl1 - 2
    table["response"] = np.where(rng.binomial(1, expit(truth)), "R", "NR")
    return Cohort.from_tables({"clinical": table}, name=name)


types = ("Melanoma", "NSCLC", "Melanoma", "NSCLC")
train = Cohort.concat([simulated(f"simulated{i}", kind, i) for i, kind in enumerate(types)])
options = {"options": {"C": [0.1, 1.0], "tie": [30.0, None]}} if FORMAT == "3" else {}
model = ResponseModel("melanoma_ici", blocks=("pathology", "mutations", "clinical"), **options).fit(train)
digest = save_model(model, HERE / f"model_format_{FORMAT}")
if FORMAT == "3":
    patients = {
        "clinical:cancer_type": ["Melanoma", "Melanoma", "NSCLC", "chordoma", "", "Melanoma", "Melanoma"],
        "clinical:age": [45.0, 70.0, 61.0, 61.0, 61.0, None, 50.0],
        "clinical:albumin": [48.0, 30.0, 41.0, 41.0, 41.0, None, 44.0],
        "pathology:pdl1": [100.0, 0.0, 50.0, 50.0, 50.0, None, None],
        "pathology:pdl1_unit": ["TPS %"] * 7,
        "mutations:tmb": [50.0, 1.0, 9.0, 9.0, 9.0, None, 90.0],
        "mutations:tmb_unit": ["mut/Mb"] * 7,
    }
    ids = [f"simulated{i}" for i in range(7)]
    table = model.respond(pd.DataFrame(patients, index=ids)).table
    found = {c: table[c].tolist() for c in ("probability", "lower", "upper", "set", "decision", "reason")}
    written = {"digest": digest, "ids": ids, "patients": patients} | found
    (HERE / "model_format_3.json").write_text(json.dumps(written, indent=1) + "\n")
