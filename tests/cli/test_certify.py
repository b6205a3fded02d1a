"""Certificates, transport and drift as a person runs them: exit status, lines, what looks cost."""

from __future__ import annotations

from pathlib import Path

import pytest
from simulated_study import fill_study

from gnomon.__main__ import run
from gnomon.calibration.sequential.look_record import count_test_looks
from gnomon.calibration.sequential.sequential_results import Certificate, RunningErrors
from gnomon.calibration.transport.transport_results import TransportAudit
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store

STUDY = 'name = "sim"\nimported = true\nconcepts = ["ocean"]\n\n[transport]\nmargin = 0.2\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("study")
    (made / "study.toml").write_text(STUDY)
    store = Store.open(sqlite_url(made / "gnomon.db"))
    fill_study(store, n=200, labelled=0.9)
    store.close()
    return made


@pytest.fixture
def command(capsys):
    def go(*arguments):
        status = run([str(each) for each in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return status, out, err

    return go


@pytest.mark.parametrize(
    ("statement", "status", "outcome"),
    [
        ("control.claim < .8", 0, "shown"),
        ("control.claim < .05", 1, "refuted"),
        ("control.claim < 40 %", 1, "undecided"),
    ],
)
def test_the_status_tells_what_is_shown(command, folder, statement, status, outcome):
    found, out, _ = command("certify", folder, statement)
    assert found == status
    assert f"'{statement}' is {outcome}" in out
    assert ("To decide: " in out) == (outcome == "undecided")
    assert "by labels alone:" in out


def test_a_mistake_is_one_line_and_status_2(command, folder):
    status, out, err = command("certify", folder, "control.cliam < .05")
    assert (status, out) == (2, "")
    assert err == (
        "gnomon: statement 'control.cliam < .05': 'control.cliam' is not counted: choose from control.event, "
        "control.claim, control.pass\n"
    )


def test_labels_of_the_test_split_are_a_recorded_look(command, folder):
    store = Store.open(sqlite_url(folder / "gnomon.db"))
    for _ in range(2):
        command("certify", folder, "control.claim < .8")
        assert count_test_looks(store) == 1
    store.close()


def test_each_fixed_look_at_a_statement_costs_more(command, folder):
    looks = [
        Certificate.model_validate_json(command("certify", folder, text, "--once", "--json")[1])
        for text in ("control.claim < .7", "control.claim<.7", "control.claim < .6")
    ]
    assert [each.look for each in looks] == [1, 2, 1]
    assert looks[1].high > looks[0].high


def test_transport_and_drift_are_told_in_words_and_json(command, folder):
    status, out, _ = command("transport", folder, "--by", "concept")
    assert status == 0
    assert "not checked for ocean" in out
    assert TransportAudit.model_validate_json(command("transport", folder, "--json")[1]).margin == 0.2
    status, out, _ = command("drift", folder)
    assert status == 0
    assert "No drift is shown so far; one may look again after each label." in out
    assert RunningErrors.model_validate_json(command("drift", folder, "--json")[1]).judge == "careful"


def test_an_unknown_axis_or_a_margin_of_ten_is_the_users_mistake(command, folder):
    assert command("transport", folder, "--by", "moon")[0] == 2
    status, _, err = command("transport", folder, "--by", "subject", "--margin", "10")
    assert status == 2
    assert "margin 10: is not between 0 and 1" in err
