"""Planted leaks in other clothes: what must be seen under any name, and what a sentinel says it cannot see."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from clis import shell
from leaks import PLANTED, experiment

from theracast.errors import DataError
from theracast.features.cohort import Cohort
from theracast.models import train as training
from theracast.models.base import ResponseModel
from theracast.models.config import Experiment
from theracast.models.leakage_evidence import Evidence
from theracast.models.leakage_features import late_feature, outcome_column, single_feature
from theracast.models.leakage_folds import near_duplicate, patient_in_two_folds
from theracast.models.validate import Validation
from theracast.predict.cli import _show_findings

MODEL = ResponseModel(blocks=("clinical",))
EMPTY = Validation(pd.DataFrame(), pd.DataFrame(), pd.DataFrame())


def people(rng, n=40, prefix="Pat"):
    """SIMULATED patients of whom little is known."""
    table = {"sex": rng.choice(["F", "M"], n), "response": rng.choice(["R", "NR"], n), "age": rng.integers(40, 80, n)}
    return pd.DataFrame(table, index=[f"{prefix}{i:03}" for i in range(n)])


def two(a, b):
    cohorts = {n: Cohort.from_tables({"clinical": t}, name=n) for n, t in (("a", a), ("b", b))}
    return Evidence(MODEL, cohorts, {"a": ["b"], "b": ["a"]})


def one(**columns):
    ids = [f"p{i}" for i in range(len(next(iter(columns.values()))))]
    return Evidence(MODEL, {"a": Cohort.from_tables({"clinical": pd.DataFrame(columns, index=ids)}, name="a")}, {})


@pytest.mark.parametrize(
    "renamed",
    [str, str.upper, "SITE-{}".format, "{}_pre".format, "MEL_{}-01A".format, lambda i: i[3:].lstrip("0") or "0"],
    ids=["same", "case", "prefix", "suffix", "both", "no zeros"],
)  # fmt: skip
def test_D18_the_same_patients_under_other_spellings(renamed, rng):
    """Sex and response alone are known in both: no single patient could be told by them."""
    theirs = people(rng)[["sex", "response"]]
    copied = theirs.set_axis([renamed(i) for i in theirs.index]).iloc[::-1]
    assert [leak.where for leak in patient_in_two_folds(two(theirs, copied))] == ["a and b"]
    some = pd.concat([people(rng, prefix="other")[["sex", "response"]], theirs.iloc[:20]])
    assert [leak.what.split()[0] for leak in patient_in_two_folds(two(theirs, some))] == ["20"]


def test_D18_other_patients_of_the_same_numbers_pass(rng):
    """SIMULATED: most studies call their first patient 1; in a hundred pairs of them there is no alarm."""
    for _ in range(50):
        a, b = people(rng), people(rng)
        assert list(patient_in_two_folds(two(a, b))) == []
        assert list(patient_in_two_folds(two(a[["sex", "response"]], b[["sex", "response"]].iloc[:12]))) == []


@pytest.mark.parametrize(("r", "seen"), [(0.9995, True), (0.9991, True), (0.998, False)])
def test_D18_a_profile_with_noise(r, seen, rng):
    """SIMULATED; .998 is what the docstring says it cannot see: two biopsies of one tumour lie there."""
    genes = [f"G{i}" for i in range(1500)]
    one_profile = rng.normal(5, 2, (6, 1500))
    noise = rng.normal(0, 1, 1500) * one_profile[3].std() * np.sqrt(r**-2 - 1)
    other = rng.normal(5, 2, (5, 1500))
    other[2] = one_profile[3] + noise
    cohorts = {}
    for name, values in (("a", one_profile), ("b", other)):
        wide = pd.DataFrame(values, columns=genes).rename("x{}".format)
        plain = Cohort.from_tables({"clinical": pd.DataFrame({"age": 60.0}, index=wide.index)}, name=name)
        cohorts[name] = replace(plain, tables={**plain.tables, "wide": wide})
    found = list(near_duplicate(Evidence(MODEL, cohorts, {"a": ["b"]})))
    assert bool(found) is seen
    assert ".998" in near_duplicate.__doc__


@pytest.mark.parametrize(
    "column",
    ["sample_date", "biopsy_date", "date_of_biopsy", "BiopsyDate", "collected_on", "sample_dt", "albumin_date"],
)
def test_D22_a_date_under_any_name(column):
    given = {"albumin": [40.0, 41.0], column: ["2024-03-01", "2024-01-01"], "treatment_start": ["2024-02-01"] * 2}
    assert [leak.what for leak in late_feature(one(**given))] == ["1 patients were measured after treatment began"]


@pytest.mark.parametrize("cell", ["01/03/2024", "20240301", "2024/03/01", "01.03.2024", "March 1, 2024", "soon"])
@pytest.mark.parametrize("column", ["sample_date", "treatment_start"])
def test_D22_a_date_that_cannot_be_read_is_told(cell, column):
    given = {"albumin": [40.0, 41.0], "sample_date": ["2024-01-01"] * 2, "treatment_start": ["2024-02-01"] * 2}
    given[column] = [cell, given[column][1]]
    (leak,) = late_feature(one(**given))
    assert leak.what == "the dates of 1 patients cannot be read, late or not"
    assert leak.where == f"a, clinical:{column}"
    assert cell not in f"{leak.what} {leak.where}"


@pytest.mark.parametrize(
    "column", ["follow_up_date", "birth_date", "progression_date", "pfs_day_count", "treated_at_site"]
)
def test_D22_other_dates_are_no_alarm(column):
    given = {"albumin": [40.0, 41.0], column: ["31/12/2025"] * 2, "treatment_start": ["2024-02-01"] * 2}
    assert list(late_feature(one(**given))) == []


@pytest.mark.parametrize(("n", "seen"), [(16, False), (20, True), (40, True)])
def test_D23_the_outcome_as_zero_and_one_under_an_innocent_name(n, seen, rng):
    y = np.arange(n) % 2
    given = one(response=np.where(y, "R", "NR"), ecog=1.0 * y, age=rng.uniform(40, 80, n))
    assert [leak.where for leak in single_feature(given)] == (["a, clinical__ecog"] if seen else [])
    assert list(outcome_column(given)) == [], "response itself is for the other sentinel"
    assert "fewer than 20 patients" in single_feature.__doc__


def test_D23_a_feature_of_96_in_30_patients():
    """8 of 216 pairs stand the wrong way: the interval of the AUC begins below .80, and chance does not do it."""
    y = np.array([1] * 12 + [0] * 18)
    level = np.where(y == 1, 45.0, 35.0) + np.arange(30) / 100
    level[0] = 35.215
    area = np.mean(level[y == 1][:, None] > level[y == 0])
    assert 0.95 < area < 0.97
    (leak,) = single_feature(one(response=np.where(y, "R", "NR"), albumin=level))
    assert leak.where == "a, clinical__albumin"


def test_D23_good_features_by_chance_pass(rng):
    """SIMULATED: of 40 cohorts of 20 patients and what nobody made of the response, none is stopped."""
    for _ in range(40):
        n = 20
        values = {f: c + s * rng.normal(size=n) for f, c, s in (("albumin", 40, 3), ("ldh", 300, 60), ("nlr", 6, 1))}
        given = one(response=np.where(rng.permutation(n) < 8, "R", "NR"), age=rng.uniform(40, 80, n), **values)
        assert list(single_feature(given)) == []


def test_D22_a_cohort_of_which_nobody_is_left_is_refused():
    late = Cohort.from_tables({"clinical": pd.DataFrame({"sample_timing": ["post"] * 3}, index=list("xyz"))}, name="m")
    with pytest.raises(DataError, match="THX-D22") as error:
        Experiment(indication="melanoma_ici", late="leave_out").admitted(late)
    assert all(said in str(error.value) for said in ("where: m", "got: 3 patients", "Take the cohort out"))
    assert len(Experiment(indication="melanoma_ici").admitted(late)) == 3


def test_D22_who_is_left_out_is_told_by_the_training_and_the_command(tmp_path, monkeypatch, capsys):
    """Nothing is fitted here: who may train is what counts."""
    paths, given = PLANTED["late_feature"](tmp_path, monkeypatch), {}
    monkeypatch.setattr(training, "leave_cohorts_out", lambda _, cohorts, *a: given.update(cohorts) or EMPTY)
    monkeypatch.setattr(ResponseModel, "fit", lambda self, X, y=None: given.update(whole=X) or self)
    asked = experiment(paths).model_copy(update={"late": "leave_out"})
    (finding,) = training.train(asked).findings
    assert finding.what == "3 of 51 patients were sampled after treatment began"
    assert (finding.sentinel, finding.where, finding.waived) == ("late_feature", paths[1], False)
    assert [len(given[p]) for p in paths] == [42, 48, 26]
    assert len(given["whole"]) == 42 + 48 + 26
    _show_findings((finding,), 8)
    assert "left out (late: leave_out)" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\x00- a\n- b\n", "the experiment is not YAML"),
        ("indication: melanoma_ici\nlate: maybe\nlerner: forest\n", "lerner: Extra inputs"),
        ("indication: melanoma_ici\nwaive: {near_duplicates: known}\n", "Did you mean 'near_duplicate'"),
    ],
    ids=["bytes", "fields", "waiver"],
)
def test_R08_rubbish_given_to_train_is_one_line_and_an_exit_code(text, said, tmp_path):
    (tmp_path / "e.yaml").write_text(text)
    done = shell(tmp_path, "train", "e.yaml", "--tracking-uri", "sqlite:///m.db")
    assert done.returncode == 2, done.stderr
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert [f.name for f in tmp_path.iterdir()] == ["e.yaml"], "no store is made for what is not trained"
