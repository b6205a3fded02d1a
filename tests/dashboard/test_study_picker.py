"""Studies: which are served, under what names, and what their commands look like."""

from __future__ import annotations

from pathlib import Path

import pytest

from gnomon.dashboard.study_picker import VARIABLE, StudyRef, change_token, configured_studies, encode_studies
from gnomon.data.errors import InputError
from gnomon.data.records import Facts, Label
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store


def test_studies_come_from_the_environment_then_from_arguments():
    environment = {VARIABLE: encode_studies([("a", "sqlite:///a.db")])}
    found = configured_studies(environment, ["--study", "b=sqlite:///b.db?x=1"])
    assert found == [StudyRef("a", "sqlite:///a.db"), StudyRef("b", "sqlite:///b.db?x=1")]


def test_equal_names_are_told_apart():
    environment = {VARIABLE: encode_studies([("a", "x"), ("a", "y"), ("a", "z")])}
    assert [place.name for place in configured_studies(environment, [])] == ["a", "a (2)", "a (3)"]


@pytest.mark.parametrize(
    ("environment", "arguments", "says"),
    [
        ({}, [], "no study given"),
        ({VARIABLE: "{"}, [], VARIABLE),
        ({VARIABLE: '[{"name": "a"}]'}, [], VARIABLE),
        ({}, ["--study", "nothing"], "NAME=URL"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(environment, arguments, says):
    with pytest.raises(InputError, match=says):
        configured_studies(environment, arguments)


def test_commands_name_the_folder_of_the_study_file(tmp_path: Path, monkeypatch):
    folder = tmp_path / "my study"
    folder.mkdir()
    (folder / "study.toml").touch()
    place = StudyRef("a", sqlite_url(folder / "gnomon.db"))
    assert place.shell_command("judge") == f"gnomon judge '{folder}'"
    monkeypatch.chdir(tmp_path)
    assert place.shell_command("judge") == "gnomon judge 'my study'"


@pytest.mark.parametrize("url", ["postgresql+psycopg://u:secret@h/d", "sqlite:////nowhere/gnomon.db", "nonsense"])
def test_commands_show_no_url_where_the_folder_is_not_known(url):
    assert StudyRef("a", url).shell_command("fit") == "gnomon fit DIR"


def test_the_stamp_changes_with_each_kind_of_fact(store: Store, make_trial):
    seen = {change_token(store)}
    trial = make_trial()
    seen.add(change_token(store))
    store.add_labels([Label(trial.id, "ann", Facts(True, "ocean", True, False))])
    seen.add(change_token(store))
    assert len(seen) == 3
    assert change_token(store) in seen
