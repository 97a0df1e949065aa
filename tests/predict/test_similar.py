"""Similar patients: against a slow twin, with nobody their own neighbour, and nothing that tells who they are."""

import re
import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from theracast.errors import DataError, UsageError
from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.models.estimates import wilson
from theracast.models.experts import EXPERTS
from theracast.predict.similar import ALL, FEWEST, NOTHING, TOO_FEW, reference_cohort, similar_patients

COLUMNS = ["n", "responders", "rate", "lower", "upper", "note"]
STUDIES = ("liu2019_mel", "hugo2016_mel", "vanallen2015_mel", "imvigor210_uc")


@pytest.fixture(scope="module")
def reference():
    return reference_cohort(STUDIES)


@pytest.fixture(scope="module", params=sorted(EXPERTS))
def model(request, reference):
    return ResponseModel("pan_ici", learner=request.param).fit(reference)


@pytest.fixture(scope="module")
def theirs(model, reference):
    return model.matrix(reference), reference.response.to_numpy()


@pytest.fixture(scope="module")
def matrix(model):
    return model.matrix(load_cohort("riaz2017_mel"))


def hide(matrix, *blocks):
    gone = [c for c in matrix.values if c.split("__")[0] in blocks]
    return replace(matrix, values=matrix.values.assign(**dict.fromkeys(gone, np.nan)))


def slow(model, matrix, others, y, k):
    """One pair after the other; contributions of the other by what the model would say of it with the same blocks."""
    present, able = model.fusion_.present(matrix), model.fusion_.present(others)
    read = [f"{b}__{f.name}" for b, e in model.fusion_.experts.items() for f in e.features]
    rows = []
    for i in range(len(matrix)):
        blocks = [b for b in present.columns if present.iloc[i][b]]
        mine = [f for f in read if f.split("__")[0] in blocks]
        alike = hide(others, *(set(present.columns) - set(blocks)))
        _, at = model.fusion_.split(matrix.subset([i]))
        _, there = model.fusion_.split(alike)
        v, w = matrix.values.iloc[i], others.values
        found, twins = [], 0
        for j in range(len(others)):
            if not able.iloc[j][blocks].all() or matrix.tumours.iloc[i] != others.tumours.iloc[j] or np.isnan(y[j]):
                continue
            own = matrix.values.index[i].removeprefix(f"{matrix.studies.iloc[i]}:")
            if others.values.index[j] == f"{matrix.studies.iloc[i]}:{own}":
                continue
            known = [f for f in mine if not np.isnan(v[f])]
            both = [f for f in known if not np.isnan(w[f].iloc[j])]
            if 2 * len(both) < len(known):
                continue
            same = len(both) == len(known) and all(np.isclose(v[f], w[f].iloc[j], rtol=1e-9, atol=0) for f in both)
            twins += same
            d = sum((at[f].iloc[0] - there[f].iloc[j]) ** 2 for f in both) * len(known) / len(both)
            found.append((np.sqrt(d), same, y[j]))
        found = sorted(f for f in found if not f[1] or twins >= FEWEST)
        if len(found) < FEWEST or not blocks:
            rows.append((np.nan, np.nan))
            continue
        edge = found[min(k, len(found)) - 1][0] * (1 + 1e-9)
        near = [f for f in found if f[0] <= edge]
        rows.append((len(near), sum(f[2] for f in near)))
    return rows


@pytest.mark.parametrize("hidden", [(), ("mutations",), ("signatures", "pathology", "mutations")], ids=len)
@pytest.mark.parametrize("k", [5, 20])
def test_counts_are_those_of_the_slow_twin(model, matrix, theirs, hidden, k):
    few = hide(matrix, *hidden).subset([0, 9, 30])
    part = theirs[0].subset(np.arange(0, len(theirs[1]), 4)), theirs[1][::4]
    found = similar_patients(model, few, part, k)
    assert found[["n", "responders"]].to_numpy().tolist() == [list(r) for r in slow(model, few, *part, k)]


def test_the_frame(model, matrix, reference):
    found = similar_patients(model, matrix, reference)
    assert found.columns.tolist() == COLUMNS
    assert found.index.equals(matrix.values.index)
    assert (found.n >= 20).all()
    assert (found.rate == found.responders / found.n).all()
    assert ((found.lower < found.rate) & (found.rate < found.upper)).all()
    assert (found.note == "").all()
    assert "no proof" in found.attrs["note"]


def test_a_cohort_its_matrix_and_its_wide_table_say_the_same(model, matrix, reference, theirs):
    found = similar_patients(model, matrix, reference)
    pd.testing.assert_frame_equal(similar_patients(model, matrix, theirs), found, check_exact=True)
    hugo = load_cohort("hugo2016_mel")
    wanted = similar_patients(model, matrix, hugo)
    pd.testing.assert_frame_equal(similar_patients(model, matrix, hugo.wide()), wanted)


def test_wilson_by_hand():
    """8 of 10 at 95%: z = 1.959964; centre (.8 + .192073)/1.384146 = .716740; reach 1.959964 x sqrt(.016 + .0096036)
    / 1.384146 = .226577."""
    lower, upper = wilson([8], [10])
    assert lower[0] == pytest.approx(0.716740 - 0.226577, abs=2e-6)
    assert upper[0] == pytest.approx(0.716740 + 0.226577, abs=2e-6)


def test_wilson_solves_its_own_equation_and_stays_inside():
    """Its ends are the shares from which the counted one is z standard errors away."""
    k, n = np.array([1, 3, 19, 10, 250]), np.array([20, 5, 20, 20, 1000])
    for end in wilson(k, n, 0.9):
        np.testing.assert_allclose(np.abs(k / n - end), 1.6448536 * np.sqrt(end * (1 - end) / n), rtol=1e-6)
    assert [float(e[0]) for e in wilson([0], [20])] == [0.0, pytest.approx(0.16113, abs=1e-5)]
    assert [float(e[0]) for e in wilson([20], [20])] == [pytest.approx(0.83887, abs=1e-5), 1.0]
    assert np.isnan(wilson([0, np.nan], [0, np.nan])).all()
    with pytest.raises(UsageError):
        wilson([1], [2], 1.0)


def test_the_intervals_are_wilsons(model, matrix, theirs):
    found = similar_patients(model, matrix, theirs)
    lower, upper = wilson(found.responders, found.n)
    assert (found.lower == lower).all()
    assert (found.upper == upper).all()


def test_nobody_is_their_own_neighbour(model, theirs):
    """A reference in which only the patient responded: nobody has a responder for a neighbour but of others."""
    others, y = theirs
    melanoma = np.flatnonzero((others.tumours == "melanoma").to_numpy() & ~np.isnan(y))
    for at in melanoma[::12]:
        alone = np.where(np.arange(len(y)) == at, 1.0, 0.0)
        found = similar_patients(model, others.subset([at]), (others, alone), 5)
        assert found.responders.iloc[0] in (0.0,) or np.isnan(found.responders.iloc[0])


def test_the_same_person_under_another_name_is_left_out(model, theirs):
    others, _ = theirs
    complete = np.flatnonzero(model.fusion_.present(others).all(axis=1) & (others.tumours == "melanoma"))[::9]
    one = others.subset(complete)
    renamed = replace(one, values=one.values.set_axis([f"someone{k}" for k in range(len(one))], axis=0))
    renamed = replace(
        renamed,
        **{a: getattr(one, a).set_axis(renamed.values.index) for a in ("studies", "tumours", "digests")},
        coverage=one.coverage.set_axis(renamed.values.index),
        proxies=one.proxies.set_axis(renamed.values.index),
        limits=pd.DataFrame(),
    )
    renamed = replace(renamed, studies=pd.Series("elsewhere", index=renamed.values.index))
    for k in range(len(one)):
        mine = np.where(np.arange(len(others)) == complete[k], 1.0, 0.0)
        found = similar_patients(model, renamed.subset([k]), (others, mine), 5)
        assert found.responders.iloc[0] == 0.0


def test_the_same_id_in_the_same_study_is_left_out_though_measured_anew(model, theirs):
    others, _ = theirs
    rows = np.flatnonzero(model.fusion_.present(others).all(axis=1) & (others.tumours == "melanoma"))[::9]
    anew = replace(others, values=others.values * 1.01)
    for at in rows:
        own = np.where(np.arange(len(others)) == at, 1.0, 0.0)
        assert similar_patients(model, anew.subset([at]), (others, own), 5).responders.iloc[0] == 0.0
        elsewhere = replace(anew.subset([at]), studies=pd.Series("elsewhere", index=others.values.index[[at]]))
        assert similar_patients(model, elsewhere, (others, own), 5).responders.iloc[0] == 1.0


def test_values_that_many_share_tell_nobody_and_count(model, theirs):
    """Of whom only sex and stage are known, those with the same count: nobody could say who of them it is.

    In trees, what else is known of them has a part in what sex and stage contribute: not all are equally near.
    """
    others, y = theirs
    known = ["clinical__male", "clinical__stage"]
    only = [c for c in others.values if c not in known]
    little = replace(others, values=others.values.assign(**dict.fromkeys(only, np.nan)))
    full = (little.values[known].notna().all(axis=1) & (little.tumours == "melanoma")).to_numpy()
    one = little.subset(np.flatnonzero(full)[:1])
    twins = (others.values[known] == one.values[known].iloc[0]).all(axis=1) & (others.tumours == "melanoma")
    twins = twins.to_numpy() & ~np.isnan(y)
    assert twins.sum() > FEWEST
    mine = np.where(twins, 1.0, y * 0.0)
    found = similar_patients(model, one, (others, mine), 5)
    assert found[["n", "responders"]].to_numpy().tolist() == [list(r) for r in slow(model, one, others, mine, 5)]
    assert found.responders.iloc[0] == (twins.sum() - 1 if model.learner == "logistic" else 4)


def test_those_with_less_than_half_of_what_is_known_do_not_count(model, theirs):
    others, y = theirs
    clinical = hide(others, "pathology", "mutations", "signatures").subset([0])
    read = [f"clinical__{f.name}" for f in model.fusion_.experts["clinical"].features]
    mine = [c for c in read if clinical.values[c].notna().iloc[0]]
    assert len(mine) >= 3
    rest = [c for c in others.values if c != mine[0]]
    bare = replace(others, values=others.values.assign(**dict.fromkeys(rest, np.nan)))
    assert similar_patients(model, clinical, (bare, y)).note.tolist() == [TOO_FEW]


def test_only_those_with_the_same_blocks_and_tumour_count(model, matrix, theirs):
    others, y = theirs
    urothelial = similar_patients(model, replace(matrix, tumours=matrix.tumours.map(lambda _: "urothelial")), theirs)
    only = (others.tumours == "urothelial").to_numpy()
    alone = similar_patients(
        model, replace(matrix, tumours=matrix.tumours.map(lambda _: "urothelial")), (others.subset(only), y[only])
    )
    pd.testing.assert_frame_equal(urothelial, alone, check_exact=True)
    without = hide(others, "mutations")
    found = similar_patients(model, matrix, (without, y))
    has = model.fusion_.present(matrix)["mutations"].to_numpy()
    assert (found.note[has] == TOO_FEW).all()
    assert (found.note[~has] == "").all()


@pytest.mark.parametrize("left", [0, 1, 4, 5, 12])
def test_fewer_than_five_are_not_told_of(model, matrix, theirs, left):
    others, y = theirs
    complete = np.flatnonzero(model.fusion_.present(others).all(axis=1) & (others.tumours == "melanoma"))
    kept = complete[~np.isnan(y[complete])][:left]
    found = similar_patients(model, matrix.subset(np.arange(5)), (others.subset(kept), y[kept]))
    numbers = found[COLUMNS[:-1]]
    if left < FEWEST:
        assert numbers.isna().all(axis=None)
        assert (found.note == TOO_FEW).all()
    else:
        for k in (20, left):
            found = similar_patients(model, matrix.subset(np.arange(5)), (others.subset(kept), y[kept]), k)
            assert (found.n == left).all()
            assert (found.note == ALL).all()


def test_of_whom_nothing_is_known_nothing_is_told(model, matrix, theirs):
    found = similar_patients(model, hide(matrix, *model.fusion_.features).subset([0]), theirs)
    assert found.note.tolist() == [NOTHING]
    assert found[COLUMNS[:-1]].isna().all(axis=None)


def test_no_id_and_no_distance_is_told(model, matrix, theirs, reference):
    found = similar_patients(model, matrix, theirs)
    ids = {i.split(":")[-1] for i in reference.ids}
    words = set(re.findall(r"\w+", " ".join([*found.note, found.attrs["note"], *found.columns])))
    assert not words & ids
    assert not any("distan" in c for c in found.columns)


def test_neither_order_nor_company_matters(model, matrix, theirs):
    others, y = theirs
    found, rng = similar_patients(model, matrix, theirs), np.random.default_rng(0)
    order, mixed = rng.permutation(len(y)), rng.permutation(len(matrix))
    again = similar_patients(model, matrix.subset(mixed), (others.subset(order), y[order]))
    pd.testing.assert_frame_equal(again.loc[found.index], found, check_exact=True)
    alone = pd.concat([similar_patients(model, matrix.subset([k]), theirs) for k in range(8)])
    pd.testing.assert_frame_equal(alone, found.iloc[:8], check_exact=True)


def test_equally_near_ones_all_count(model, matrix, theirs):
    """Every patient of the reference three times: whoever is near is so three times."""
    others, y = theirs
    melanoma = np.flatnonzero((others.tumours == "melanoma").to_numpy())
    part = others.subset(melanoma)
    thrice = []
    for k in range(3):
        ids = pd.Index([f"{i}-{k}" for i in part.values.index], name="patient_id")
        moved = {a: getattr(part, a).set_axis(ids, axis=0) for a in ("values", "coverage", "proxies")}
        moved |= {a: getattr(part, a).set_axis(ids) for a in ("studies", "tumours", "digests")}
        thrice.append(moved)
    whole = {a: pd.concat([t[a] for t in thrice]) for a in thrice[0]}
    large = replace(part, notes={}, limits=pd.DataFrame(), **whole)
    found = similar_patients(model, matrix, (large, np.tile(y[melanoma], 3)), 20)
    assert (found.n % 3 == 0).all()
    assert (found.n >= 21).all()


def test_a_larger_k_counts_the_same_and_more(model, matrix, theirs):
    counts = [similar_patients(model, matrix, theirs, k) for k in (5, 10, 20, 40)]
    for fewer, more in pairwise(counts):
        assert (more.n > fewer.n).all()
        assert (more.responders >= fewer.responders).all()


def test_neighbours_have_probabilities_alike(model, matrix, theirs):
    """The rate among them goes with the prediction: alike is meant as the model sees it."""
    found = similar_patients(model, matrix, theirs)
    assert found.rate.corr(model.respond(matrix).table.probability) > 0.4


@pytest.mark.parametrize("k", [4, 1, 0, -5, 5.0, "20", True, None])
def test_fewer_than_five_are_refused(model, matrix, theirs, k):
    with pytest.raises(UsageError, match=r"wanted: a whole number, 5 or more \| do:"):
        similar_patients(model, matrix, theirs, k)


@pytest.mark.parametrize("labels", [[1.0], [[1.0, 0.0]], 3, ["R"] * 537, [2.0] * 537, [float("inf")] * 537])
def test_labels_that_are_none_are_refused(model, matrix, theirs, labels):
    with pytest.raises(DataError, match="THX-D24"):
        similar_patients(model, matrix, (theirs[0], labels))


def test_a_reference_without_labels_is_too_few(model, matrix):
    hugo = load_cohort("hugo2016_mel")
    found = similar_patients(model, matrix, (model.matrix(hugo), np.full(len(hugo), np.nan)))
    assert (found.note == TOO_FEW).all()


def test_only_cohorts_that_ship_are_loaded():
    assert reference_cohort([]) is None
    assert reference_cohort(["our hospital"]) is None
    found = reference_cohort(["riaz2017_mel", "hugo2016_mel", "our hospital"])
    assert sorted(found.studies.unique()) == ["hugo2016_mel", "riaz2017_mel"]
    assert isinstance(found, Cohort)


def test_a_thousand_patients_against_500_in_about_a_second(model, matrix, theirs):
    many = np.resize(np.arange(len(matrix)), 1000)
    ids = pd.Index([f"simulated{k}" for k in range(1000)], name="patient_id")
    shaken = matrix.values.iloc[many].set_axis(ids) * np.random.default_rng(0).uniform(0.9, 1.1, (1000, 1))
    moved = {a: getattr(matrix, a).iloc[many].set_axis(ids) for a in ("studies", "tumours", "digests")}
    large = replace(matrix, values=shaken, proxies=pd.DataFrame(index=ids), notes={}, limits=pd.DataFrame(), **moved)
    large = replace(large, coverage=matrix.coverage.iloc[many].set_axis(ids))
    begin = time.perf_counter()
    assert len(similar_patients(model, large, theirs)) == 1000
    assert time.perf_counter() - begin < 3.0
