"""DrugRanker on SIMULATED screens whose truth is known, its contract and faults; and the committed GDSC2 tables."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge

from theracast.errors import DataError, UsageError
from theracast.models.choice_metrics import choice_metrics
from theracast.models.drug_ranking import DRUG_RANKING, DrugRanker, scaled_ridge

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


def simulated(n=300, drugs=12, genes=40, signal=0.08, noise=0.03, seed=0):
    """SIMULATED: each drug has a gene of its own that makes lines sensitive, a mean of its own, and gaps."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, genes)), [f"l{i}" for i in range(n)], [f"g{j}" for j in range(genes)])
    mean = np.linspace(0.5, 0.8, drugs)
    truth = mean + signal * X.to_numpy()[:, :drugs] + noise * rng.normal(size=(n, drugs))
    Y = pd.DataFrame(truth.clip(0, 1), X.index, [f"d{j}" for j in range(drugs)])
    return X, Y, Y.mask(rng.random(Y.shape) < 0.2)


@pytest.fixture(scope="module")
def screen():
    return simulated()


@pytest.fixture(scope="module")
def fitted(screen):
    X, _, Y = screen
    return DrugRanker().fit(X.iloc[:200], Y.iloc[:200])


def hits(ranker, X, Y, relative=False):
    """Share of the lines never seen whose best drug is first, by the ranker and by the drugs' means."""
    mean = ranker.evidence_["mean"].to_numpy()
    truth = (Y.to_numpy() - mean) / ranker.scale_ if relative else Y.to_numpy()
    said = (ranker.predict_relative(X) if relative else ranker.predict(X)).to_numpy()
    dull = np.zeros(truth.shape) if relative else np.tile(mean, (len(X), 1))
    return tuple(choice_metrics(truth, s, k=[1])["hit@1"].mean() for s in (said, dull))


# ---------------------------------------------------------------- simulated truth


@pytest.mark.parametrize("relative", [False, True])
def test_an_interaction_of_drug_and_gene_is_found(fitted, screen, relative):
    X, Y, _ = screen
    ours, means = hits(fitted, X.iloc[200:], Y.iloc[200:], relative)
    assert ours > 0.6
    assert ours > means + 0.25


@pytest.mark.parametrize("relative", [False, True])
def test_without_an_interaction_it_is_no_better_than_the_means(relative):
    X, Y, measured = simulated(signal=0.0, seed=3)
    ranker = DrugRanker().fit(X.iloc[:200], measured.iloc[:200])
    ours, means = hits(ranker, X.iloc[200:], Y.iloc[200:], relative)
    assert abs(ours - means) < 0.1
    assert ranker.evidence_["explained"].max() < 0.1
    dull = ranker.evidence_.index[ranker.evidence_["state"] == "mean only"]
    assert len(dull) >= 8
    assert (ranker.predict_relative(X)[dull] == 0).all(axis=None), "the mean is said, and nothing more"


def test_permuted_lines_teach_nothing(screen):
    X, Y, measured = screen
    shuffled = measured.iloc[np.random.default_rng(1).permutation(len(measured))].set_axis(measured.index)
    ranker = DrugRanker().fit(X.iloc[:200], shuffled.iloc[:200])
    ours, means = hits(ranker, X.iloc[200:], Y.iloc[200:])
    assert ours <= means + 0.05


def test_the_intervals_cover_at_their_level():
    """Over 10 simulated screens x 100 new lines x 12 drugs; lines of a screen share a model, hence the margin."""
    inside = []
    for seed in range(10):
        X, Y, measured = simulated(seed=seed)
        answer = DrugRanker(level=0.8, folds=3).fit(X.iloc[:200], measured.iloc[:200]).rank(X.iloc[200:])
        y = Y.iloc[200:].to_numpy().ravel()
        inside.append(((answer["lower"] <= y) & (y <= answer["upper"])).mean())
    assert np.mean(inside) == pytest.approx(0.8, abs=0.03)


def test_the_evidence_is_of_lines_held_out(fitted, screen):
    """Correlation on lines never seen is what the training lines promised."""
    X, Y, _ = screen
    seen = [fitted.predict(X.iloc[200:])[d].corr(Y.iloc[200:][d]) for d in Y]
    assert fitted.evidence_["r"].mean() == pytest.approx(np.mean(seen), abs=0.05)
    assert fitted.evidence_["n_lines"].tolist() == [int(v) for v in screen[2].iloc[:200].notna().sum()]


# ---------------------------------------------------------------- answer and contract


def test_the_answer_agrees_with_itself(fitted, screen):
    X, answer = screen[0].iloc[200:], fitted.rank(screen[0].iloc[200:])
    assert tuple(answer.columns) == DRUG_RANKING
    assert len(answer) == 100 * 12
    assert ((answer["lower"] <= answer["predicted"]) & (answer["predicted"] <= answer["upper"])).all()
    np.testing.assert_array_equal(answer["predicted"], fitted.predict(X).to_numpy().ravel())
    line = answer[answer["line"] == "l200"].set_index("drug")
    assert line["rank"].idxmin() == line["predicted"].idxmin()
    assert line["rank_relative"].idxmin() == line["relative"].idxmin()
    assert sorted(line["rank"]) == list(range(1, 13))


def test_a_choice_among_some_drugs_is_the_choice_among_all_without_the_others(fitted, screen):
    X = screen[0].iloc[200:210]
    some, every = fitted.rank(X, ["d7", "d2"]), fitted.rank(X)
    both = every[every["drug"].isin(["d7", "d2"])].set_index(["line", "drug"])
    pd.testing.assert_series_equal(
        some.set_index(["line", "drug"])["upper"], both["upper"].loc[some.set_index(["line", "drug"]).index]
    )
    assert set(some["rank"]) == {1, 2}


def test_clone_order_of_columns_and_subset_of_rows(fitted, screen):
    X, _, Y = screen
    again = clone(fitted).fit(X.iloc[:200], Y.iloc[:200])
    said = fitted.predict(X)
    pd.testing.assert_frame_equal(again.predict(X), said)
    pd.testing.assert_frame_equal(fitted.predict(X[X.columns[::-1]].assign(more=1.0)), said)
    pd.testing.assert_frame_equal(fitted.predict(X.iloc[[7, 3]]), said.iloc[[7, 3]], rtol=1e-12)
    turned = clone(fitted).fit(X.iloc[:200, ::-1], Y.iloc[:200, ::-1])
    pd.testing.assert_frame_equal(turned.predict(X)[list(said)], said, rtol=1e-8)


def test_the_input_is_left_alone(screen):
    X, _, Y = screen
    before = X.copy(), Y.copy()
    DrugRanker(folds=2).fit(X, Y).rank(X.iloc[:3])
    pd.testing.assert_frame_equal(X, before[0])
    pd.testing.assert_frame_equal(Y, before[1])


def test_an_estimator_of_ones_own():
    """Scikit-learn's ridge serves where there are no gaps; a drug's own units come back."""
    X, Y, _ = simulated(seed=5)
    ours = DrugRanker(Ridge(10.0)).fit(X, Y).predict(X)
    mean, scale = Y.mean().to_numpy(), Y.std(ddof=0).clip(lower=0.05).to_numpy()
    wanted = mean + scale * Ridge(10.0).fit(X, (Y.to_numpy() - mean) / scale).predict(X)
    np.testing.assert_allclose(ours, wanted.clip(0, 1), rtol=1e-9)


def test_groups_are_held_out_together(screen):
    """What a group shares and no other has cannot be promised: its evidence is lower than with lines at random."""
    X, _, Y = screen
    group = np.arange(len(X)) % 6
    only = pd.DataFrame(np.eye(6)[group] * 3, X.index, [f"tissue{i}" for i in range(6)])
    shifted = (Y + 0.1 * np.sin(group)[:, None]).clip(0, 1)
    apart, mixed = (DrugRanker(folds=3).fit(only, shifted, g).evidence_["explained"].mean() for g in (group, None))
    assert mixed > apart + 0.1


# ---------------------------------------------------------------- gaps and faults


def test_a_pair_that_was_not_tested_is_not_filled_in(screen):
    """A drug's numbers are those of a fit on its own lines."""
    X, _, Y = screen
    rows = Y["d3"].notna()
    ridge = scaled_ridge([10.0])
    together = DrugRanker(ridge, folds=2).fit(X, Y).predict(X)["d3"]
    np.testing.assert_allclose(Y.loc[rows, "d3"].mean(), DrugRanker(folds=2).fit(X, Y).evidence_.loc["d3", "mean"])
    wanted = Y.loc[rows, "d3"]
    scaled = (X - X.mean()) / X.std(ddof=0)
    alone = Ridge(10.0).fit(scaled[rows], wanted).predict(scaled)
    np.testing.assert_allclose(together, alone, rtol=1e-6)


def test_missing_features_are_medians_and_a_line_without_features_has_no_rank(fitted, screen):
    X = screen[0].iloc[200:203].copy()
    X.iloc[0, 12:20] = np.nan
    X.iloc[1] = np.nan
    answer = fitted.rank(X)
    state = answer.groupby("line")["state"].unique().map(list)
    assert state.to_dict() == {"l200": ["ranked"], "l201": ["insufficient"], "l202": ["ranked"]}
    gone = answer[answer["line"] == "l201"]
    assert gone[["predicted", "lower", "relative", "rank", "rank_relative"]].isna().all(axis=None)
    assert gone["reason"].iloc[0] == "0% of the features are known; at least 50% are asked"
    assert fitted.predict(X[["g0"]]).isna().all(axis=None)


def test_a_line_with_no_measured_drug_teaches_nothing(screen):
    X, _, Y = screen
    gap = Y.copy()
    gap.iloc[:5] = np.nan
    want = DrugRanker(folds=2).fit(X.iloc[5:], Y.iloc[5:]).predict(X)
    pd.testing.assert_frame_equal(DrugRanker(folds=2).fit(X, gap).predict(X), want, rtol=1e-9)


def test_a_drug_never_or_seldom_tested_is_not_ranked(screen):
    X, _, Y = screen
    odd = Y.assign(never=np.nan, seldom=Y["d0"].where(np.arange(len(Y)) < 20))
    ranker = DrugRanker(folds=2, min_lines=20).fit(X, odd)
    assert ranker.evidence_.loc["never", "reason"] == "tested on 0 training lines; at least 20 are asked"
    answer = ranker.rank(X.iloc[:4]).set_index("drug").loc[["never", "seldom"]]
    assert (answer["state"] == "insufficient").all()
    assert answer[["predicted", "upper", "usual", "rank", "rank_relative"]].isna().all(axis=None)
    pd.testing.assert_frame_equal(
        ranker.predict(X)[list(Y)], DrugRanker(folds=2).fit(X, Y).predict(X), rtol=1e-2, atol=1e-2
    )


def test_features_that_are_all_constant_leave_the_means(screen):
    X, _, Y = screen
    flat = pd.DataFrame(1.0, X.index, X.columns)
    ranker = DrugRanker(folds=2).fit(flat, Y)
    assert (ranker.evidence_["state"] == "mean only").all()
    answer = ranker.rank(flat.iloc[:2])
    np.testing.assert_allclose(answer["predicted"], answer["usual"])
    assert answer["rank"].tolist()[:12] == list(range(1, 13)), "the drugs' means are a rank"
    assert answer["rank_relative"].isna().all(), "nothing is unusual"


def test_a_drug_of_one_response_is_not_divided_by_zero(screen):
    X, _, Y = screen
    ranker = DrugRanker(folds=2).fit(X, Y.assign(d0=0.9))
    assert ranker.evidence_.loc["d0", "state"] == "mean only"
    np.testing.assert_allclose(ranker.predict(X)["d0"], 0.9)


def test_a_drug_misspelt_is_named_with_the_nearest(fitted, screen):
    with pytest.raises(DataError, match=r"THX-D21.*wanted: d1") as caught:
        fitted.rank(screen[0].iloc[:1], ["d1x"])
    assert caught.value.code == "THX-D21"


@pytest.mark.parametrize(
    ("wreck", "code"),
    [
        (lambda X, Y: (X, Y * 10), "THX-D15"),
        (lambda X, Y: (X, Y.replace(Y.iloc[0, 0], np.inf)), "THX-D15"),
        (lambda X, Y: (X, Y * np.nan), "THX-D10"),
        (lambda X, Y: (X * np.nan, Y), "THX-D10"),
        (lambda X, Y: (X.rename(index={"l1": "l0"}), Y.rename(index={"l1": "l0"})), "THX-D17"),
        (lambda X, Y: (X, Y.rename(columns={"d1": "d0"})), "THX-D17"),
        (lambda X, Y: (X.rename(columns={"g1": "g0"}), Y), "THX-D17"),
        (lambda X, Y: (X, Y.iloc[::-1]), ""),
    ],
)
def test_wrong_tables_are_refused(wreck, code):
    X, Y, _ = simulated(n=30)
    with pytest.raises(DataError) as caught:
        DrugRanker().fit(*wreck(X, Y))
    assert caught.value.code == code


def test_wrong_settings_are_refused(screen):
    X, _, Y = screen
    for settings in ({"floor": 0.0}, {"level": 1.0}, {"folds": 1}):
        with pytest.raises(UsageError):
            DrugRanker(**settings).fit(X, Y)
    with pytest.raises(DataError, match="groups"):
        DrugRanker().fit(X, Y, ["one"] * len(X))


def test_other_units_have_other_bounds(screen):
    X, _, Y = screen
    ic50 = DrugRanker(bounds=None, folds=2, floor=0.5).fit(X, 10 * Y - 5)
    assert ic50.predict(X).min(axis=None) < -1


# ---------------------------------------------------------------- GDSC2


@pytest.fixture
def experiment(monkeypatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    import drug_ranking

    yield drug_ranking
    for name in ("drug_ranking", "drug_ranking_page", "multiomics"):
        sys.modules.pop(name, None)


def committed(name):
    return pd.read_csv(EXPERIMENTS / "drugs" / f"{name}.csv", comment="#")


@pytest.mark.parametrize("name", ["scores", "differences", "folds", "curve", "coverage", "by_drug"])
def test_the_tables_are_of_the_settings(experiment, name):
    first = (EXPERIMENTS / "drugs" / f"{name}.csv").read_text(encoding="utf-8").splitlines()[0]
    assert first.endswith(experiment.digest(experiment.read_settings())), "run experiments/drug_ranking.py again"


def test_the_tables_show_what_the_claim_says():
    """Beside dull baselines, with intervals; where means win is shown too."""
    scores = committed("scores").set_index(["split", "view", "model"])
    value = scores["hit@5"].str.split(" ").str[0].astype(float)
    gap = committed("differences").set_index(["split", "view", "ranker less"])
    low = gap["hit@5"].str.extract(r"\((\S+) to")[0].astype(float)
    seen = "cell lines left out"
    assert value[seen, "response", "mean of each drug"] > 0.8, "a few drugs kill nearly every line"
    for view, dull in (("response, selective drugs", "mean of each drug"), ("relative sensitivity", "random drug")):
        assert value[seen, view, "ranker, expression"] > 1.5 * value[seen, view, dull]
        for other in (dull, "mean of each drug in the tissue", "best single marker of each drug"):
            assert low[seen, view, other] > 0, other
    assert scores["regret@1"].str.contains(r"\(.* to .*\)").all()


def test_the_page_is_made_of_the_tables(experiment):
    from drug_ranking_page import drugs_part

    page = drugs_part(EXPERIMENTS)
    assert "(drugs/drug_ranking.png)" in page
    assert committed("scores")["hit@1"].iloc[0] in page
    assert "TO BE" not in page


@pytest.mark.nightly
@pytest.mark.shared
def test_the_first_fold_gives_the_committed_headline(experiment, shared_data):
    settings = experiment.read_settings()
    settings["rankers"] = dict(list(settings["rankers"].items())[:1])
    screen = experiment.load_screen(settings)
    split = "cell lines left out"
    fold = next(experiment.folds_of(screen, settings, split))
    lines, _, _ = experiment.one_fold(screen, settings, split, *fold)
    got = experiment.fold_means(lines[lines["measured"] >= settings["least_measured"]])
    keys = ["split", "fold", "view", "model"]
    wanted = committed("folds").set_index(keys).loc[pd.MultiIndex.from_frame(got[keys])].reset_index()
    pd.testing.assert_frame_equal(got, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.shared
def test_lines_under_two_names_are_left_out_together(experiment, shared_data):
    settings = experiment.read_settings()
    screen = experiment.load_screen(settings)
    assert screen.groups["copies"].nunique() == len(screen.groups) - 2
    for split, rule in settings["splits"].items():
        for _, train, test in experiment.folds_of(screen, settings, split):
            mine = screen.groups[rule["by"]]
            assert not set(mine.iloc[train]) & set(mine.iloc[test])
