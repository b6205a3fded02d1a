"""Workflows, templates and citation of the repository: each command exists, each test is in a shard, one version."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def commands(workflow: Path) -> list[str]:
    jobs = yaml.safe_load(workflow.read_text())["jobs"].values()
    return [step["run"] for job in jobs for step in job["steps"] if "run" in step]


def test_every_make_target_of_a_workflow_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    nightly = yaml.safe_load((ROOT / ".github/workflows/nightly.yml").read_text())["jobs"]["simulations"]
    used = {what.split()[0] for what in nightly["strategy"]["matrix"]["what"]}
    for workflow in WORKFLOWS:
        used |= {name for run in commands(workflow) for name in re.findall(r"make ([a-z-]+)", run)}
    assert {"check", "docs", "test-ci", "demo", "test-all"} <= used <= targets


def test_every_test_is_in_one_shard():
    matrix = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["test"]["strategy"]["matrix"]
    paths = {shard["shard"]: shard["paths"].split() for shard in matrix["include"]}
    assert set(paths) == set(matrix["shard"])
    named = [path for name, words in paths.items() if name != "others" for path in words]
    assert len(named) == len(set(named))
    assert all((ROOT / path).is_dir() for path in named)
    assert sorted(paths["others"]) == sorted([*(f"--ignore={path}" for path in named), "tests"])


def test_tests_run_on_each_python_that_the_project_says_it_supports():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lowest, above = (int(minor) for minor in re.findall(r"3\.(\d+)", project["requires-python"]))
    matrix = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["test"]["strategy"]["matrix"]
    assert matrix["python"] == [f"3.{minor}" for minor in range(lowest, above)]


def test_the_citation_names_the_version_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]


def test_the_changelog_has_the_version_of_the_project_and_a_place_for_what_follows():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    heads = re.findall(r"^## \[([^\]]+)\](?: - (\d{4}-\d\d-\d\d))?$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert heads[0] == ("Unreleased", "")
    assert heads[1][0] == version
    assert all(day for _, day in heads[1:])


def test_the_version_stands_in_one_place_beside_the_citation():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    stated = re.compile(rf"""(?:__version__|version)\s*[=:]\s*["']?{re.escape(version)}\b""")
    files = [path for folder in ("gnomon", "data", "stats", "dashboard") for path in (ROOT / folder).rglob("*.py")]
    assert [path.name for path in files if stated.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("form", sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")), ids=lambda path: path.stem)
def test_a_form_for_faults_asks_for_what_doctor_says(form):
    fields = yaml.safe_load(form.read_text()).get("body", [])
    asked = " ".join(str(field["attributes"]) for field in fields)
    assert form.stem not in {"bug", "import"} or "gnomon doctor --json" in asked
