"""Who becomes champion: gates, waivers, the audit trail, the way back; on sqlite, and with real models."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from registries import MELANOMA, SMALL, commands, versions_of
from typer.testing import CliRunner

from theracast.errors import ModelError, UsageError
from theracast.features.datasets import load_cohort
from theracast.predict.cli_models import app
from theracast.predict.gates import Gates, judge
from theracast.predict.promotion import held, promote, rollback
from theracast.predict.registry import list_models, load_predictor
from theracast.predict.store import connect
from theracast.predict.trail import Entry, champions, next_entry, read_trail

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:mlflow.*", "ignore::ResourceWarning")
AT_HAND = {"liu2019_mel": "a" * 64, "riaz2017_mel": "b" * 64}


def about(auc=0.7, slope=1.0, coverage=0.9, n=119, data=AT_HAND, **more):
    """What is kept with a model that was judged on two cohorts."""
    row = {"model": "theracast", "R": 40, "NR": n - 40, "note": "", "n": n}
    table = [
        {"cohort": c, **row, "auc": auc, "auc_lower": auc - 0.1, "auc_upper": auc + 0.1}
        | {"calibration_slope": slope, "calibration_slope_lower": slope - 0.3, "calibration_slope_upper": slope + 0.3}
        for c in AT_HAND
    ]
    mean = [{"model": "theracast", "auc": auc, "auc_lower": auc - 0.05, "auc_upper": auc + 0.05}]
    covered = [{"cohort": c, "n": n, "coverage": coverage, "se": 0.03, "holds": True} for c in AT_HAND]
    kept = {"validation": table, "mean": mean, "coverage": covered, "data": data}
    return kept | {"experiment": {"indication": "melanoma_ici"}} | more


def arms(auc, n=200, therapies=("anti-TNF", "anti-IL-6")):
    rows = [{"study": "s", "therapy": t, "n": n, "auc": auc, "auc_lower": auc - 0.1} for t in therapies]
    return {"evidence": rows, "data": {"s": "c" * 64}, "experiment": {"name": "ra"}}


# ---------------------------------------------------------------- gates


def test_equals_pass_every_gate():
    verdict = judge(about(), about())
    assert verdict.passed
    assert {c.gate for c in verdict.checks} == {"auc", "mean auc", "calibration slope", "coverage"}
    assert len(verdict.checks) == 7  # three of each cohort, and the mean
    assert judge(None, about(0.3)).passed  # nothing to compare with


@pytest.mark.parametrize(
    ("change", "gate"),
    [
        ({"auc": 0.59}, "auc"),
        ({"auc": 0.64}, "mean auc"),
        ({"slope": 2.4}, "calibration slope"),
        ({"slope": 0.1}, "calibration slope"),
        ({"coverage": 0.83}, "coverage"),
    ],
)
def test_what_is_worse_fails_by_its_gate(change, gate):
    verdict = judge(about(), about(**change))
    assert not verdict.passed
    assert gate in {c.gate for c in verdict.against}
    assert {c.outcome for c in verdict.against} == {"fail"}


def test_the_edges_of_the_gates():
    assert judge(about(), about(0.651)).passed  # inside all intervals
    assert judge(about(slope=2.4), about(slope=2.4)).passed  # the champion is as far off
    assert judge(about(coverage=0.8), about(coverage=0.8)).passed
    assert judge(about(slope=2.4), about(slope=2.29)).passed  # its interval reaches into the bounds
    assert not judge(about(), about(0.651), Gates(cohorts=("hugo2016_mel",))).passed
    assert judge(about(), about(0.62), Gates(auc_margin=0.05)).passed


def test_small_cohorts_decide_nothing_unless_named():
    small, worse = about(n=29), about(0.3, n=29)
    verdict = judge(small, worse)
    assert [c.outcome for c in verdict.checks] == ["not comparable"]
    named = judge(small, worse, Gates(cohorts=("liu2019_mel",)))
    assert "auc" in {c.gate for c in named.against if c.outcome == "fail"}


def test_other_data_other_patients_or_another_question_are_not_comparable():
    for other in (
        about(data=dict.fromkeys(AT_HAND, "f" * 64)),
        about(data={}),
        about(validation=[]),
        about(experiment={"indication": "pan_ici"}),
        arms(0.7),
    ):
        verdict = judge(about(), other)
        assert not verdict.passed
        assert {c.outcome for c in verdict.checks} == {"not comparable"}
    one_changed = judge(about(), about(data={**AT_HAND, "riaz2017_mel": "f" * 64}))
    assert one_changed.passed
    assert {c.cohort for c in one_changed.checks} == {"liu2019_mel"}  # and no mean over other cohorts
    assert "other patients" not in judge(about(), about(n=118)).summary()
    assert {c.outcome for c in judge(about(), about(n=118)).against} == {"not comparable"}


def test_choices_between_therapies_are_compared_arm_by_arm():
    assert judge(arms(0.7), arms(0.65)).passed
    assert [c.cohort for c in judge(arms(0.7), arms(0.55)).against] == ["s, anti-TNF", "s, anti-IL-6"]
    (gone,) = judge(arms(0.7), arms(0.7, therapies=("anti-TNF",))).against
    assert (gone.gate, gone.cohort, gone.outcome) == ("arm", "s, anti-IL-6", "fail")


def test_the_file_holds_the_defaults():
    file = Path(__file__).parents[2] / "experiments" / "gates.yaml"
    assert Gates.from_yaml(file) == Gates()
    assert set(yaml.safe_load(file.read_text())) == set(Gates.model_fields)


@pytest.mark.parametrize(
    "text", ["auc: 1", "min_patients: 0", "cohorts: [a, a]", "slope_low: 2", "[", "coverage_level: 90"]
)
def test_gates_that_say_nonsense_are_refused(tmp_path, text):
    (tmp_path / "g.yaml").write_text(text)
    with pytest.raises(UsageError, match="the gates cannot be read"):
        Gates.from_yaml(tmp_path / "g.yaml")


# ---------------------------------------------------------------- the trail


def entries(*kinds):
    trail = ()
    for kind, before, after in kinds:
        trail += (next_entry(trail, at="t", by="me", kind=kind, before=before, after=after),)
    return trail


def test_the_trail_is_replayed_as_a_stack():
    assert champions(entries(("promote", "", "1"), ("promote", "1", "2"), ("promote", "2", "3"))) == ["1", "2", "3"]
    back = (("promote", "", "1"), ("promote", "1", "2"), ("rollback", "2", "1"))
    assert champions(entries(*back)) == ["1"]
    assert champions(entries(*back, ("promote", "1", "3"))) == ["1", "3"]
    assert champions(entries(("promote", "4", "5"))) == ["4", "5"]  # 4 became champion before there was a trail
    assert champions(entries(*back[:2], ("abandoned", "2", "1"))) == ["1"]  # the alias never moved
    assert champions(entries(*back, ("abandoned", "1", "2"))) == ["1", "2"]
    assert champions(entries(*back[:2], ("abandoned", "", ""))) == ["1", "2"]  # a process died before it wrote one


def test_a_changed_or_missing_entry_is_seen():
    trail = entries(("promote", "", "1"), ("promote", "1", "2"), ("promote", "2", "3"))
    tags = dict(e.tag for e in trail)
    assert read_trail({**tags, "other": "tag"}, "m") == trail
    first, second, _ = tags
    for wrong in (
        {k: v for k, v in tags.items() if k != second},
        {k: v for k, v in tags.items() if k != first},
        {**tags, second: dataclasses.replace(trail[1], by="you").tag[1]},
        {**tags, first: "{}"},
        {**tags, second: "no json"},
    ):
        with pytest.raises(ModelError, match="THX-R05: the audit trail was changed"):
            read_trail(wrong, "m")
    # what MLflow cannot forbid: the last entry has no successor that vouches for it
    assert len(read_trail({k: v for k, v in tags.items() if k in (first, second)}, "m")) == 2


# ---------------------------------------------------------------- with models in a store


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Three versions of one experiment: equal, of fewer cohorts, and equal again; none is champion."""
    return versions_of(
        tmp_path_factory.mktemp("promotion"), SMALL, SMALL.model_copy(update={"learner": "xgboost"}), SMALL
    )


@pytest.fixture
def fresh(store):
    """The store without alias and trail."""
    mlflow, _ = connect(store)
    client = mlflow.MlflowClient()
    model = client.get_registered_model(MELANOMA)
    for alias in model.aliases:
        client.delete_registered_model_alias(MELANOMA, alias)
    for key in model.tags:
        client.delete_registered_model_tag(MELANOMA, key)
    return store


def test_promotion_keeps_who_when_from_to_and_why(fresh):
    first = promote(MELANOMA, "1", tracking=fresh, reason="first of all", by="j.doe")
    assert (first.before, first.after, first.entry.gates) == ("", "1", "no champion to compare with")
    second = promote(MELANOMA, "3", tracking=fresh, expected="1")
    assert second.verdict.passed
    assert second.verdict.checks
    champion, trail = held(MELANOMA, tracking=fresh)
    assert champion == "3"
    assert [(e.number, e.kind, e.before, e.after) for e in trail] == [(1, "promote", "", "1"), (2, "promote", "1", "3")]
    assert (trail[0].by, trail[0].reason, trail[0].waiver) == ("j.doe", "first of all", "")
    assert trail[0].at.endswith("+00:00")
    assert trail[1].gates.startswith(f"{len(second.verdict.checks)} of {len(second.verdict.checks)} checks passed")
    again = promote(MELANOMA, "3", tracking=fresh)
    assert again.entry is None
    assert len(held(MELANOMA, tracking=fresh)[1]) == 2


def test_r03_another_champion_than_expected_names_both(fresh):
    promote(MELANOMA, "1", tracking=fresh)
    for expected in ("2", ""):
        with pytest.raises(ModelError, match=r"THX-R03.*got: version 1.*wanted: version (2|none)") as caught:
            promote(MELANOMA, "3", tracking=fresh, expected=expected)
        assert caught.value.exit_code == 4
    assert held(MELANOMA, tracking=fresh)[0] == "1"


def test_what_is_worse_needs_a_waiver_that_is_kept(fresh):
    promote(MELANOMA, "1", tracking=fresh)
    strict = Gates(cohorts=("hugo2016_mel",))
    with pytest.raises(ModelError, match=r"THX-R12.*not comparable: needs --waive.*1 stays champion"):
        promote(MELANOMA, "3", tracking=fresh, gates=strict)
    assert held(MELANOMA, tracking=fresh)[0] == "1"
    for wrong in ({"waive": "too short", "by": "me"}, {"waive": "long enough a reason"}):
        with pytest.raises(UsageError):
            promote(MELANOMA, "3", tracking=fresh, gates=strict, **wrong)
    promote(MELANOMA, "3", tracking=fresh, gates=strict, waive="hugo2016 was withdrawn", by="j.doe")
    champion, trail = held(MELANOMA, tracking=fresh)
    assert (champion, trail[-1].waiver, trail[-1].by) == ("3", "hugo2016 was withdrawn", "j.doe")
    assert "hugo2016_mel" in trail[-1].gates


def test_a_waiver_that_is_not_needed_is_not_kept(fresh):
    promote(MELANOMA, "1", tracking=fresh)
    done = promote(MELANOMA, "3", tracking=fresh, waive="just to be sure of it", by="me")
    assert done.entry.waiver == ""


def test_r10_rollback_goes_back_and_scores_reproduce(fresh):
    cohort = load_cohort("mgh2022_mel")
    promote(MELANOMA, "1", tracking=fresh)
    before = load_predictor(f"models:/{MELANOMA}@champion", tracking=fresh).score(cohort).table
    promote(MELANOMA, "2", tracking=fresh, waive="another learner, on trial", by="me")
    other = load_predictor(f"models:/{MELANOMA}@champion", tracking=fresh).score(cohort).table
    assert not np.array_equal(before.probability, other.probability, equal_nan=True)
    done = rollback(MELANOMA, tracking=fresh, reason="complaints", by="me")
    assert (done.before, done.after, done.entry.kind) == ("2", "1", "rollback")
    after = load_predictor(f"models:/{MELANOMA}@champion", tracking=fresh).score(cohort).table
    np.testing.assert_array_equal(before.probability, after.probability)
    assert before.provenance.tolist() == after.provenance.tolist()
    with pytest.raises(ModelError, match="THX-R10: there is no champion before this one"):
        rollback(MELANOMA, tracking=fresh)


def test_an_alias_that_others_moved_is_not_rolled_back(fresh):
    promote(MELANOMA, "1", tracking=fresh)
    promote(MELANOMA, "3", tracking=fresh)
    mlflow, _ = connect(fresh)
    mlflow.MlflowClient().set_registered_model_alias(MELANOMA, "champion", "2")
    with pytest.raises(ModelError, match=r"THX-R03: the alias was moved without the audit trail.*version 2.*version 3"):
        rollback(MELANOMA, tracking=fresh)
    promote(MELANOMA, "3", tracking=fresh, waive="others moved the alias", by="me")
    assert rollback(MELANOMA, tracking=fresh).after == "2"


@pytest.mark.parametrize(("name", "version"), [("nothing", "1"), (MELANOMA, "99")])
def test_r01_what_is_not_there(fresh, name, version):
    with pytest.raises(ModelError, match="THX-R01"):
        promote(name, version, tracking=fresh)
    with pytest.raises(ModelError, match=r"THX-R(01|10)"):
        rollback(name, tracking=fresh)


def test_a_version_that_does_not_load_is_not_promoted(fresh):
    mlflow, _ = connect(fresh)
    client = mlflow.MlflowClient()
    broken = str(client.create_model_version(MELANOMA, "file:///nowhere/at/all").version)
    with pytest.raises(ModelError, match=r"THX-R0[15]"):
        promote(MELANOMA, broken, tracking=fresh)
    assert held(MELANOMA, tracking=fresh) == ("", ())
    client.set_registered_model_alias(MELANOMA, "champion", broken)
    with pytest.raises(ModelError, match=r"THX-R12.*the champion does not load"):
        promote(MELANOMA, "1", tracking=fresh)
    promote(MELANOMA, "1", tracking=fresh, waive="the champion is broken", by="me")
    client.delete_model_version(MELANOMA, broken)


def test_the_commands(fresh):
    said = commands(fresh)
    assert f"models:/{MELANOMA}@champion is version 1 now; before: none" in said("promote", MELANOMA, "1")
    assert "pass            auc of liu2019_mel" in said("promote", MELANOMA, "3", "--by", "j.doe", "--expect", "1")
    assert "is version 3 already" in said("promote", MELANOMA, "3")
    shown = said("show", MELANOMA)
    for wanted in ("champion", "liu2019_mel", "Audit trail", "j.doe", "1 to 3", "Random-effects mean", "both trained"):
        assert wanted in shown
    assert "is version 1 now; before: version 3" in said("rollback", MELANOMA, "--reason", "trial over")
    assert "rollback" in said("show", MELANOMA, "--version", "2")
    assert "champion" in said("list")
    assert said() == said("list")
    assert list_models(fresh).aliases.tolist()[:3].count("champion") == 1


def test_the_store_may_be_named_before_the_verb_or_after_it(fresh, monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/elsewhere.db")
    for words in (["--tracking-uri", fresh, "list"], ["list", "--tracking-uri", fresh], ["--tracking-uri", fresh]):
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, done.output
        assert MELANOMA in done.output
    assert not list(tmp_path.iterdir())


def test_an_entry_says_nothing_of_patients():
    assert [f.name for f in dataclasses.fields(Entry)] == [
        *("number", "at", "by", "kind", "before", "after", "reason", "gates", "waiver", "previous")
    ]


def test_the_commands_speak_json(fresh):
    said = commands(fresh)
    promote(MELANOMA, "1", tracking=fresh, reason="first of all", by="j.doe")
    listed = json.loads(said("list", "--json"))
    assert (MELANOMA, "1", "champion") in [(v["name"], v["version"], v["aliases"]) for v in listed]
    told = json.loads(said("show", MELANOMA, "--json"))
    loaded = load_predictor(f"models:/{MELANOMA}@champion", tracking=fresh)
    assert (told["champion"], told["version"], told["digest"]) == ("1", "1", loaded.digest)
    assert set(told["data"]) == {"liu2019_mel", "riaz2017_mel", "mgh2022_mel"}
    assert {v["cohort"] for v in told["validation"]} >= {"liu2019_mel", "mgh2022_mel"}
    assert {m["model"] for m in told["mean"]} >= {"theracast"}
    assert [(e["by"], e["reason"], e["after"]) for e in told["trail"]] == [("j.doe", "first of all", "1")]
    assert told["outside_the_trail"] is False
    assert json.loads(said("show", MELANOMA, "--version", "2", "--json"))["digest"] != loaded.digest
    mlflow, _ = connect(fresh)
    mlflow.MlflowClient().set_registered_model_alias(MELANOMA, "champion", "2")
    assert json.loads(said("show", MELANOMA, "--json"))["outside_the_trail"] is True
    with pytest.raises(ModelError, match="THX-R01"):
        said("show", "nothing", "--json")
