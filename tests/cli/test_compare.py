"""`gnomon judge --compare`, `gnomon calibrate --compare` and `--panel`: only labelled trials are asked about."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from judging_server import Server
from sqlalchemy import select

from gnomon.api.study import open_study
from gnomon.calibration.error_rates.confusion import spoken_versions
from gnomon.calibration.observations.frames import judge_frame
from gnomon.commands.judges.compare import ask_and_compare, estimate_comparison_cost, weigh_panel
from gnomon.data.errors import InputError, UnknownNameError
from gnomon.data.records import Facts, Label, Split
from gnomon.data.storage import tables

NOTHING = Facts(claims=False, concept="none", coherent=True, refused=False)


@pytest.fixture
def server():
    running = Server()
    yield running
    running.stop()


@pytest.fixture
def folder(tmp_path, allowed_store, make_trial, server):
    """Sixty trials, half of them labelled, and two judges of one model with different rubrics' editions."""
    study = tmp_path / "study"
    study.mkdir()
    head = f'name = "t"\nimported = true\nconcepts = ["fear", "ocean"]\ndatabase = "{allowed_store.engine.url}"\n'
    judges = [
        f'[[judges]]\nname = "{name}"\nkind = "openai"\nbase_url = "{server.url}"\nmodel = "m"\nedition = {edition}\n'
        for name, edition in (("old", 1), ("new", 2))
    ]
    (study / "study.toml").write_text("\n".join([head, *judges]))
    trials = [make_trial(replicate=place) for place in range(60)]
    allowed_store.add_labels([Label(trial.id, "ann", NOTHING) for trial in trials[::2]])
    return study


def splits_of(store):
    rows = store.read_frame(select(tables.trials.c.id, tables.trials.c.split))
    return dict(zip(rows["id"], rows["split"], strict=True))


def asked_trials(store):
    return store.read_frame(select(tables.verdicts.c.trial, tables.verdicts.c.judge))


def test_only_labelled_trials_outside_test_are_asked_about_and_once(folder, store, server):
    found = ask_and_compare(folder, "old", "new", None)
    split = splits_of(store)
    labelled = set(store.read_frame(select(tables.labels.c.trial))["trial"])
    wanted = {trial for trial in labelled if split[trial] != str(Split.TEST)}
    asked = asked_trials(store)
    assert set(asked["trial"]) == wanted
    assert len(asked) == 2 * len(wanted) == len(server.judged)
    assert found.labelled == len(wanted)
    ask_and_compare(folder, "old", "new", None)
    assert len(server.judged) == len(asked)


def test_a_version_that_read_labelled_trials_only_is_no_judge_of_the_study_yet(folder, store):
    ask_and_compare(folder, "old", "new", None)
    with open_study(folder) as study:
        assert judge_frame(study.store).empty
        assert spoken_versions(study.store) == []
        with pytest.raises(UnknownNameError, match="gnomon judge DIR --judge new"):
            judge_frame(study.store, ["new"])
        study.judge(judges=["new"])
        assert judge_frame(study.store)["name"].tolist() == ["new"]
        assert len(spoken_versions(study.store)) == 1


def test_a_judge_of_the_study_stays_one_when_it_is_compared(folder, store):
    with open_study(folder) as study:
        study.judge(judges=["old"])
    ask_and_compare(folder, "old", "new", None)
    with open_study(folder) as study:
        assert judge_frame(study.store)["name"].tolist() == ["old"]


def test_a_stored_version_is_compared_without_being_asked(folder, store, server):
    ask_and_compare(folder, "old", "new", None)
    version = next(iter(set(asked_trials(store)["judge"])))
    text = (folder / "study.toml").read_text().replace('name = "old"', 'name = "older"')
    (folder / "study.toml").write_text(text)
    calls = len(server.judged)
    found = ask_and_compare(folder, version[:10], "new" if version != judge_of(store, "new") else "older", None)
    assert found.a.version == version
    assert len(server.judged) - calls in (0, found.labelled)


def judge_of(store, name):
    rows = store.read_frame(select(tables.judges.c.version, tables.judges.c.name))
    return rows.loc[rows["name"] == name, "version"].iloc[0]


def test_the_cost_is_told_before_and_nothing_is_asked(folder, server):
    estimates = estimate_comparison_cost(folder, "old", "new", None).results
    assert [each.calls for each in estimates] == [estimates[0].calls] * 2
    assert 0 < estimates[0].calls < 30
    assert server.requests == []


def test_the_view_of_the_labels_is_chosen_and_an_unknown_one_is_refused_before_anything_is_asked(folder, server):
    with pytest.raises(UnknownNameError, match="label view 'blnd'"):
        ask_and_compare(folder, "old", "new", None, "blnd")
    assert server.requests == []
    assert ask_and_compare(folder, "old", "new", None, "current").view == "current"


def test_one_judge_twice_is_refused(folder):
    with pytest.raises(InputError, match="same version"):
        ask_and_compare(folder, "old", "old", None)


def test_a_comparison_from_the_shell_and_one_line_for_a_judge_that_is_not_there(gnomon, folder: Path):
    done = gnomon("judge", folder, "--compare", "old", "new", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {found["a"]["judge"], found["b"]["judge"]} == {"old", "new"}
    lonely = gnomon("calibrate", folder, "--compare", "old", "nobody")
    assert lonely.returncode == 2
    assert len(lonely.stderr.strip().splitlines()) == 1


def test_candidates_are_no_panel(folder):
    ask_and_compare(folder, "old", "new", None)
    found = weigh_panel(folder, None)
    assert found.judges is None
    assert "needs two" in found.reasons[0]
