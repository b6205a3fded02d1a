"""What docs/security.md promises of archives and of the app's server."""

from __future__ import annotations

import json
import zipfile

import pytest
from streamlit import config

from gnomon.dashboard.server import launch
from gnomon.data.importers import ImportOptions, parse_files


@pytest.mark.parametrize("option", ["server.enableXsrfProtection", "server.enableCORS"])
def test_requests_of_other_sites_are_refused_whatever_a_settings_file_says(option):
    assert config.get_config_options()[option].default_val is True
    assert launch._SETTINGS[option] == "true"


def test_a_bomb_in_an_archive_is_not_unpacked(tmp_path, monkeypatch):
    """A sample that says 1 kB and unpacks to more than may be kept is told, and its neighbour is read."""
    monkeypatch.setenv("GNOMON_MAX_BYTES", "10000")
    with zipfile.ZipFile(tmp_path / "log.eval", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", json.dumps({"eval": {"task": "t", "model": "Toy-1B"}}))
        for number, words in ((1, "x" * 1_000_000), (2, "x")):
            sample = {"id": str(number), "output": {"completion": words}}
            archive.writestr(f"samples/{number}.json", json.dumps(sample))
    parsed = parse_files("inspect", [tmp_path / "log.eval"], ImportOptions())
    assert parsed.seen.rows == 1
    [problem] = parsed.report.problems
    assert "has more than 10,000 bytes: if you trust it, set GNOMON_MAX_BYTES" in problem.text
