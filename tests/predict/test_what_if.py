"""What if: only inputs that can be changed, one at a time, by asking the model anew."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from theracast.errors import UsageError
from theracast.features.blocks import BLOCKS
from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.features.tables import load_table
from theracast.models.base import ResponseModel
from theracast.models.experts import EXPERTS
from theracast.models.indications import INDICATIONS
from theracast.models.recalibration import AS_TRAINED, Recalibration
from theracast.predict.what_if import NONE_KNOWN, NONE_READ, NOTE, modifiable, what_if

COLUMNS = ["feature", "about", "unit", "value", "to", "probability", "changed", "points"]


def simulated(n=240):
    """Patients of two studies who respond less the higher their glucose, and more the higher their BMI."""
    rng = np.random.default_rng(0)
    bmi, glucose, age = rng.normal(26, 4, n), rng.normal(6, 1.2, n), rng.normal(60, 9, n)
    odds = 0.25 * (bmi - 26) - 0.9 * (glucose - 6)
    response = np.where(rng.random(n) < 1 / (1 + np.exp(-odds)), "R", "NR")
    table = pd.DataFrame(
        {"bmi": bmi.round(1), "glucose": glucose.round(1), "glucose_unit": "mmol/L", "age": age.round(), "sex": "F"}
        | {"smoking_status": rng.choice(["never", "former"], n), "response": response, "cancer_type": "melanoma"},
        index=[f"simulated{k}" for k in range(n)],
    )
    half = n // 2
    return Cohort.concat(
        [Cohort.from_tables({"clinical": t}, name=f"s{k}") for k, t in enumerate((table[:half], table[half:]))]
    )


@pytest.fixture(scope="module", params=sorted(EXPERTS))
def trained(request):
    cohort = simulated()
    model = ResponseModel("pan_ici", learner=request.param, blocks=("clinical",)).fit(cohort)
    return model, model.matrix(cohort)


@pytest.fixture
def case(trained):
    model, matrix = trained
    return model, matrix, matrix.values.index[7]


def test_the_list_names_features_that_blocks_give_with_ranges_that_are_ones():
    table = load_table("modifiable")
    for name in table["feature"]:
        block, feature = name.split("__")
        assert feature in {f.name for f in BLOCKS[block].spec.features}
    assert (table["low"] < table["high"]).all()
    known = pd.read_csv("tests/golden/references.csv", comment="#", dtype=str).set_index("reference")["checked"]
    assert known.reindex(table["reference"]).str.match("known|found").all()
    assert table["feature"].is_unique


@pytest.mark.parametrize(
    "kept", ["ldh", "albumin", "ecog", "nlr", "age", "prior_treatment", "anti_ctla4_only", "smoking"]
)
def test_what_cannot_be_changed_on_purpose_is_not_in_the_list(kept):
    assert f"clinical__{kept}" not in set(load_table("modifiable")["feature"])


def test_by_default_each_known_value_is_moved_to_the_median(case):
    model, matrix, patient = case
    found = what_if(model, matrix, patient)
    assert found.columns.tolist() == COLUMNS
    assert found.feature.tolist() == ["clinical__glucose", "clinical__bmi"]
    assert found.unit.tolist() == ["mmol/L", "kg/m2"]
    assert found.to.tolist() == [model.reference_[f][50] for f in found.feature]
    assert found.value.tolist() == matrix.values.loc[patient, found.feature].tolist()
    assert found.attrs["note"] == NOTE
    assert "not tell what happens" in NOTE


@pytest.mark.parametrize("site", [AS_TRAINED, Recalibration(0.4, 0.7)])
def test_the_model_is_asked_anew(case, site):
    """Against a table in which the value was other from the start."""
    model, matrix, patient = case
    cohort, at = simulated(), matrix.values.index.get_loc(patient)
    for name, column, to in (("clinical__bmi", "bmi", 19.5), ("clinical__glucose", "glucose", 4.0)):
        row = what_if(model, matrix, patient, {name: to}, site).iloc[0]
        table = cohort.tables["clinical"].copy()
        table.loc[patient, column] = to
        said = model.respond(replace(cohort, tables={"clinical": table}), site).table.probability
        assert row.changed == pytest.approx(said.iloc[at], abs=1e-12)
        assert row.probability == model.respond(matrix, site).table.probability.iloc[at]
        assert row.points == row.changed - row.probability
        assert abs(row.points) > 0.005


def test_each_is_moved_alone(case):
    model, matrix, patient = case
    both = {"clinical__bmi": 20.0, "clinical__glucose": 8.0}
    found = what_if(model, matrix, patient, both)
    for k, (name, to) in enumerate(both.items()):
        alone = what_if(model, matrix, patient, {name: to})
        pd.testing.assert_frame_equal(found.iloc[[k]].reset_index(drop=True), alone, check_exact=True)


def test_the_value_as_it_is_moves_nothing(case):
    model, matrix, patient = case
    value = float(matrix.values.loc[patient, "clinical__bmi"])
    assert what_if(model, matrix, patient, {"clinical__bmi": value}).points.tolist() == [0.0]


def test_the_matrix_is_not_changed(case):
    model, matrix, patient = case
    kept = matrix.values.copy()
    what_if(model, matrix, patient)
    pd.testing.assert_frame_equal(matrix.values, kept)


def test_the_others_do_not_matter(case):
    model, matrix, patient = case
    alone = what_if(model, matrix.subset([patient]), patient)
    pd.testing.assert_frame_equal(alone, what_if(model, matrix, patient), check_exact=True)


@pytest.mark.parametrize("to", [20, np.float32(20.0), np.int64(20), Fraction(20)])
def test_any_number_will_do(case, to):
    assert what_if(*case, {"clinical__bmi": to}).to.tolist() == [20.0]


def test_ends_of_the_range_are_inside(case):
    low, high = modifiable(case[0])["clinical__bmi"]
    assert len(what_if(*case, {"clinical__bmi": low})) == len(what_if(*case, {"clinical__bmi": high})) == 1


@pytest.mark.parametrize("to", [11.9, 71, -1.0, float("nan"), float("inf"), 10**400, "22", None, True, [22.0]])
def test_what_is_not_plausible_is_refused_without_the_value(case, to):
    model, matrix, patient = case
    with pytest.raises(UsageError, match=r"where: clinical__bmi .* wanted: a number from 12 to 70 \| do:") as caught:
        what_if(model, matrix, patient, {"clinical__bmi": to})
    assert patient not in str(caught.value)


def test_yes_is_no_number(case, monkeypatch):
    monkeypatch.setattr("theracast.predict.what_if._ranges", lambda: {"clinical__bmi": (0.0, 70.0)})
    assert len(what_if(*case, {"clinical__bmi": 1})) == 1
    with pytest.raises(UsageError, match="got: no number"):
        what_if(*case, {"clinical__bmi": True})


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("clinical__age", "cannot be changed on purpose"),
        ("clinical__smoking", "cannot be changed on purpose"),
        ("clinical__no_such", "cannot be changed on purpose"),
        ("bmi", "cannot be changed on purpose"),
        ("disease_activity__hba1c", "that the model does not read"),
        (3, "cannot be changed on purpose"),
    ],
)
def test_what_is_no_modifiable_input_is_refused(case, name, why):
    with pytest.raises(UsageError, match=rf"{why} \| where: .* wanted: clinical__glucose, clinical__bmi"):
        what_if(*case, {name: 20.0})


def test_a_value_that_is_not_known_is_no_change(case):
    model, matrix, patient = case
    values = matrix.values.copy()
    values.loc[patient, "clinical__bmi"] = np.nan
    without = replace(matrix, values=values)
    assert what_if(model, without, patient).feature.tolist() == ["clinical__glucose"]
    with pytest.raises(UsageError, match=r"not known of the patient .* wanted: clinical__glucose"):
        what_if(model, without, patient, {"clinical__bmi": 20.0})
    values.loc[patient, "clinical__glucose"] = np.nan
    found = what_if(model, without, patient)
    assert (len(found), found.attrs["note"]) == (0, NONE_KNOWN)


def test_a_stranger_is_refused_and_not_named(case):
    with pytest.raises(UsageError, match="not in the matrix") as caught:
        what_if(case[0], case[1], "secret patient")
    assert "secret" not in str(caught.value)


def test_no_changes_no_rows_and_the_note_is_still_there(case):
    found = what_if(*case, {})
    assert found.columns.tolist() == COLUMNS
    assert len(found) == 0
    assert found.attrs["note"]


@pytest.mark.parametrize("name", INDICATIONS)
def test_the_models_of_the_bundled_cohorts_read_nothing_that_can_be_changed(name):
    """None of the six cohorts wrote down weight or glucose: the answer is empty, and says why."""
    model = ResponseModel(name).fit(load_cohort("liu2019_mel"))
    matrix = model.matrix(load_cohort("riaz2017_mel"))
    found = what_if(model, matrix, matrix.values.index[0])
    assert modifiable(model) == {}
    assert (len(found), found.columns.tolist(), found.attrs["note"]) == (0, COLUMNS, NONE_READ)
    with pytest.raises(UsageError, match="this model reads no input that can be changed"):
        what_if(model, matrix, matrix.values.index[0], {"clinical__bmi": 22.0})
