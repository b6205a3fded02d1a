"""`gnomon calibrate --card` and `gnomon gate` as a person or a CI runs them: status, and one line each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from simulated_study import fill_study

from gnomon.__main__ import run
from gnomon.calibration.cards.calibration_card import CARD_SCHEMA
from gnomon.calibration.cards.card_file import card_hash
from gnomon.data.records import Facts, Label
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store
from gnomon.render.json_reference import SCHEMA_FILE

STUDY = 'name = "sim"\nimported = true\nconcepts = ["ocean"]\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("study")
    (made / "study.toml").write_text(STUDY)
    store = Store.open(sqlite_url(made / "gnomon.db"))
    fill_study(store, n=200, labelled=0.9)
    store.close()
    return made


@pytest.fixture(scope="module")
def card(folder: Path) -> Path:
    assert run(["calibrate", str(folder), "--card", str(folder / "card.json"), "--json"]) == 0
    return folder / "card.json"


@pytest.fixture
def command(capsys):
    def go(*arguments):
        status = run([str(each) for each in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return status, out, err

    return go


def test_the_card_is_written_and_told(command, folder, tmp_path):
    status, out, _ = command("calibrate", folder, "--card", tmp_path / "card.json")
    assert status == 0
    assert "Calibration card of careful" in out
    assert "It agrees with the labels on the outcome of" in out
    assert "chance alone gives" in out
    content = json.loads((tmp_path / "card.json").read_text())
    assert content["schema"] == CARD_SCHEMA
    assert content["basis"]["labels"]["raters"][0]["name"] == "ann"


def test_a_written_card_obeys_the_schema_that_ships(card):
    schema = json.loads(SCHEMA_FILE.read_text())
    content = json.loads(card.read_text())
    validator = Draft202012Validator(schema)
    validator.check_schema(schema)
    assert [error.message for error in validator.iter_errors(content)] == []
    assert list(validator.iter_errors(content | {"arms": "none"}))
    assert list(validator.iter_errors({name: value for name, value in content.items() if name != "basis"}))


def test_a_requirement_that_is_met_is_one_line_and_status_0(command, card):
    status, out, err = command("gate", card, "--require", "control.specificity > .7 with 95 %")
    assert status == 0
    assert out.count("\n") == 1
    assert out.startswith("passed: control.specificity ")
    assert "--study" in err


def test_a_requirement_that_is_not_met_is_one_line_and_status_1(command, card):
    status, out, _ = command("gate", card, "--require", "control.specificity > .999 with 95 %")
    assert status == 1
    assert out.count("\n") == 1
    assert "not passed: control.specificity " in out
    assert "95 % interval" in out
    assert "required lower end > 99.9 %" in out


def test_several_requirements_are_a_line_each(command, card):
    status, out, _ = command("gate", card, "--require", "labels >= 10", "--require", "labels >= 10000")
    assert status == 1
    assert [line.partition(":")[0] for line in out.splitlines()] == ["passed", "not passed"]


@pytest.mark.parametrize(
    ("require", "told"),
    [
        ("control.specifity > .9", "perhaps control.specificity"),
        ("labels", "cannot be read"),
        ("labels > 1 with 3 %", "3 %"),
    ],
)
def test_a_mistake_in_a_requirement_is_one_line_and_status_2(command, card, require, told):
    status, out, err = command("gate", card, "--require", require)
    assert (status, out) == (2, "")
    assert told in err
    assert err.count("\n") == 1


def test_no_requirement_and_no_card_are_mistakes(command, card, tmp_path):
    assert command("gate", card)[0] == 2
    status, _, err = command("gate", tmp_path / "none.json", "--require", "labels > 1")
    assert status == 2
    assert "there is no such file" in err


def test_a_card_edited_by_hand_and_one_of_another_schema_are_mistakes(command, card, tmp_path):
    content = json.loads(card.read_text())
    edited = tmp_path / "edited.json"
    edited.write_text(json.dumps(content | {"study": "other"}))
    status, _, err = command("gate", edited, "--require", "labels > 1")
    assert status == 2
    assert "changed after it was made" in err
    newer = content | {"schema": CARD_SCHEMA + 1}
    edited.write_text(json.dumps(newer | {"hash": card_hash(newer)}))
    status, _, err = command("gate", edited, "--require", "labels > 1")
    assert status == 2
    assert f"has schema {CARD_SCHEMA + 1}" in err


def test_a_card_that_needs_a_judges_name_and_a_name_without_a_card(command, folder, tmp_path):
    status, _, err = command("calibrate", folder, "--card", tmp_path / "card.txt")
    assert status == 2
    assert "name it .json" in err
    status, _, err = command("calibrate", folder, "--judge", "careful")
    assert status == 2
    assert "give --card FILE too" in err
    status, _, err = command("calibrate", folder, "--card", tmp_path / "card.json", "--judge", "nobody")
    assert status == 2
    assert "judges with verdicts: careful" in err


def test_the_json_of_a_gate(command, card):
    status, out, _ = command("gate", card, "--require", "labels > 1", "--json")
    document = json.loads(out)
    assert status == 0
    assert (document["passed"], document["checked"]) == (True, False)
    assert document["requirements"][0]["met"] is True


def test_a_stale_card_does_not_pass(command, card, folder):
    status, out, err = command("gate", card, "--require", "labels > 1", "--study", folder)
    assert (status, err) == (0, "")
    store = Store.open(sqlite_url(folder / "gnomon.db"))
    store.add_labels([Label(trial, "bob", Facts(False, "none", True, False)) for trial in sorted(store.trial_ids())])
    store.close()
    status, out, _ = command("gate", card, "--require", "labels > 1", "--study", folder)
    assert status == 1
    assert "not passed: the card is stale: raters: bob came in" in out
