"""A cohort as a folder of pages: an index, and one page for each patient."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from theracast.models.base import ResponseModel
from theracast.models.spec import ResponseSpec
from theracast.predict.records import Scores
from theracast.predict.report.frame import write_page
from theracast.predict.report.page import cohort_page, patient_page
from theracast.predict.report.patient_facts import Around, Reference

#: Page of the cohort.
INDEX = "index.html"
#: Model card beside it.
CARD = "card.html"


def write_pages(
    folder: str | Path,
    scores: Scores,
    spec: ResponseSpec,
    about: dict[str, Any],
    *,
    model: ResponseModel | None = None,
    reference: Reference | None = None,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Path:
    """Write a page of the cohort and one of each patient beside it; the index comes last.

    The files are numbered in the order of the patients: an id is data and never becomes a path.

    Parameters
    ----------
    folder : str or Path
        Where; it is made.
    scores : Scores
        Of a cohort.
    spec : ResponseSpec
        What the model predicts, for whom.
    about : dict
        As for `theracast.predict.report.page.patient_page`.
    model : ResponseModel, optional
        As there.
    reference : Cohort or (FeatureMatrix, array-like), optional
        As there.
    progress : callable, optional
        Told how many pages of how many are written.

    Returns
    -------
    Path
        The index.

    Raises
    ------
    ModelError
        THX-S01 when rows were lost: nothing is written.
    SetupError
        When the disk refuses.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> from theracast.models.indications import INDICATIONS
    >>> one = pd.DataFrame({"patient_id": ["../a"], "probability": [0.4], "decision": ["response"]})
    >>> index = write_pages(tempfile.mkdtemp(), Scores(one, pd.DataFrame(), 1), INDICATIONS["melanoma_ici"], {})
    >>> sorted(f.name for f in index.parent.iterdir())
    ['index.html', 'patient-1.html']
    """
    scores.account()
    folder = Path(folder)
    refused = scores.rejects.patient_id.tolist() if len(scores.rejects) else []
    patients = list(dict.fromkeys([*scores.table.patient_id, *refused]))
    wide = len(str(len(patients)))
    links = {p: f"patient-{n:0{wide}d}.html" for n, p in enumerate(patients, start=1)}
    around = Around.of(scores, model, reference, scores.table.patient_id)
    for done, (patient, name) in enumerate(links.items(), start=1):
        write_page(patient_page(scores, patient, spec, about, around=around, back=INDEX), folder / name)
        progress(done, len(links) + 1)
    index = write_page(cohort_page(scores, spec, about, links=links), folder / INDEX)
    progress(len(links) + 1, len(links) + 1)
    return index
