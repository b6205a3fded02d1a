"""The version stands in pyproject.toml; whatever else names it agrees, and the changelog has its section."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import gnomon

ROOT = Path(__file__).resolve().parents[1]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
PACKAGES = ("data", "generation", "judging", "calibration", "stats", "dashboard", "gnomon", "bench")


def test_the_installed_version_is_that_of_the_project():
    assert gnomon.__version__ == VERSION


def test_the_citation_names_the_version():
    assert re.findall(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.M) == [VERSION]


def test_no_module_spells_the_version():
    spelt = re.compile(rf"[\"']v?{re.escape(VERSION)}[\"']")
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if not path.is_symlink()]
    assert len(files) > 300
    assert [path for path in files if spelt.search(path.read_text(encoding="utf-8"))] == []


def test_the_newest_release_of_the_changelog_is_the_version():
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    first, *releases = headings
    assert first == "[Unreleased]"
    assert re.fullmatch(rf"\[{re.escape(VERSION)}\] - \d{{4}}-\d\d-\d\d", releases[0])
