"""What a study file may name outside of its folder is the word of this machine's user, entry by entry."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import make_url

from gnomon.data.errors import InputError
from gnomon.data.foreign_documents.permissions import (
    KEY_HOSTS,
    PLACES,
    database_entry,
    is_allowed_database,
    is_allowed_path,
    is_allowed_server,
    permission_hint,
    server_entry,
)

pytestmark = pytest.mark.attack


@pytest.mark.parametrize(
    ("variable", "address", "allowed"),
    [
        ("OPENAI_API_KEY", "https://api.openai.com/v1", True),
        ("OPENAI_API_KEY", "https://API.OpenAI.com:443/v1", True),
        ("OPENAI_API_KEY", "http://api.openai.com/v1", False),
        ("OPENAI_API_KEY", "https://api.openai.com:8443/v1", False),
        ("OPENAI_API_KEY", "https://api.openai.com.of.nobody/v1", False),
        ("OPENAI_API_KEY", "https://of.nobody/api.openai.com", False),
        ("OPENAI_API_KEY", "https://api.openai.com@of.nobody/v1", False),
        ("OPENAI_API_KEY", "https://api.groq.com/openai/v1", False),
        ("AWS_SECRET_ACCESS_KEY", "https://api.openai.com/v1", False),
        ("MINE", "http://127.0.0.1:8000/v1", True),
        ("MINE", "http://[::1]:8000/v1", True),
        ("MINE", "http://localhost:8000/v1", True),
        ("MINE", "http://localhost.of.nobody/v1", False),
        ("MINE", "http://127.0.0.1.of.nobody/v1", False),
        ("MINE", "https://of.nobody/v1", False),
    ],
)
def test_a_key_goes_to_its_provider_and_to_this_machine_and_nowhere_else(variable, address, allowed):
    assert is_allowed_server(variable, address) is allowed


@pytest.mark.parametrize(
    "address", ["https://lab.org/v1", "https://lab.org:8443/v1", "http://lab.org/", "http://[::2]:1/"]
)
def test_the_entry_that_a_refusal_names_allows_that_variable_and_server_only(monkeypatch, address):
    assert not is_allowed_server("MINE", address)
    monkeypatch.setenv(KEY_HOSTS, json.dumps([server_entry("MINE", address)]))
    assert is_allowed_server("MINE", address)
    assert not is_allowed_server("OTHER", address)
    assert not is_allowed_server("MINE", address.replace("lab", "bal").replace("::2", "::3"))
    assert not is_allowed_server("MINE", address.replace("https", "ftp").replace("http:", "https:"))


def test_a_database_is_allowed_by_its_url_without_password_or_by_its_server(monkeypatch):
    url = make_url("postgresql+psycopg://u:hush@h:1/d?sslmode=require&sslpassword=hush")
    assert database_entry(url) == "postgresql+psycopg://u@h:1/d?sslmode=require"
    assert not is_allowed_database(url)
    monkeypatch.setenv(PLACES, json.dumps([database_entry(url)]))
    assert is_allowed_database(url)
    for other in (
        {"username": "v"},
        {"host": "i"},
        {"port": 2},
        {"database": "e"},
        {"query": {}},
        {"drivername": "mysql"},
    ):
        assert not is_allowed_database(url.set(**other)), other
    monkeypatch.setenv(PLACES, '["postgresql+psycopg://h:1"]')
    assert is_allowed_database(url.set(query={}))
    assert not is_allowed_database(url)
    assert not is_allowed_database(make_url("postgresql+psycopg://h:2/d"))


def test_an_allowed_folder_allows_what_is_in_it_wherever_links_lead(monkeypatch, tmp_path):
    study, place, other = (tmp_path / name for name in ("study", "place", "other"))
    for folder in (study, place, other):
        folder.mkdir()
    (place / "out").symlink_to(other)
    monkeypatch.setenv(PLACES, json.dumps([str(place), "relative"]))
    monkeypatch.chdir(tmp_path)
    allowed = [study / "a", place / "a", place / "sub" / "b", study / ".." / "place" / "a"]
    assert all(is_allowed_path(path, study) for path in allowed)
    refused = [other / "a", place / "out" / "a", tmp_path / "placebo" / "a", Path("relative") / "a"]
    assert not any(is_allowed_path(path, study) for path in refused)


@pytest.mark.parametrize("setting", ["/srv", '{"a": 1}', "[1]", '[""]', "[" * 2000])
def test_a_setting_that_is_no_list_is_told(monkeypatch, tmp_path, setting):
    monkeypatch.setenv(PLACES, setting)
    with pytest.raises(InputError, match=f"{PLACES}: is no JSON list"):
        is_allowed_path(tmp_path.parent, tmp_path)


def test_the_line_that_a_refusal_gives_keeps_earlier_entries_and_runs_nothing(monkeypatch):
    """A folder's name is a stranger's too, and the line is pasted into a shell."""
    monkeypatch.setenv(PLACES, '["/srv"]')
    name = "/x/'; echo it ran; '$(echo it ran)`echo it ran`"
    line = permission_hint(PLACES, name)
    shown = subprocess.run(["sh", "-c", f'{line}; printf %s "${PLACES}"'], capture_output=True, text=True, check=True)
    assert json.loads(shown.stdout) == ["/srv", name]
    assert shlex.split(line)[1].startswith(PLACES)
