"""The documentation names what there is: files, modules, tests, commands with their options, links."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.main import get_command

from gnomon.cli import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "data" / "calibration" / "README.md"]
PAGES += sorted((ROOT / "docs").rglob("*.md"))
FOLDERS = "data|generation|judging|calibration|stats|dashboard|gnomon|bench|tests|docs"
FILE = re.compile(rf"(?<![\w./-])((?:{FOLDERS})/[\w./*-]*[\w*])")
MODULE = re.compile(r"python -m ((?:bench|gnomon)(?:\.\w+)*)")
DOTTED = re.compile(r"`(gnomon\.[a-z_]+\.[\w.]+)`")
TEST = re.compile(r"`(test_[a-z0-9_]+)`")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
COMMAND = re.compile(r"(?<!import )gnomon ([a-z]+)\b([^`\n]*)")
KEYS = {"test_split_looks"}
"""Keys of JSON documents that look like the name of a test."""
OPTION = re.compile(r"--[a-z][a-z-]*")


@pytest.fixture(params=PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def page(request: pytest.FixtureRequest) -> tuple[Path, str]:
    return request.param, request.param.read_text(encoding="utf-8")


def test_every_file_that_is_named_exists(page):
    named = FILE.findall(page[1])
    assert [name for name in named if not list(ROOT.glob(name))] == []


def test_every_module_that_is_named_exists(page):
    assert [name for name in MODULE.findall(page[1]) if find_spec(name) is None] == []
    missing = []
    for name in DOTTED.findall(page[1]):
        parent, _, last = name.rpartition(".")
        path = ROOT.joinpath(*parent.split("."))
        files = [file for file in (path.with_suffix(".py"), path / "__init__.py") if file.exists()]
        held = "".join(file.read_text(encoding="utf-8") for file in files)
        if not (path / last).exists() and not path.joinpath(f"{last}.py").exists() and last not in held:
            missing.append(name)
    assert missing == []


def test_every_test_that_is_named_exists(page):
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py"))
    assert [name for name in TEST.findall(page[1]) if name not in KEYS and f"def {name}(" not in sources] == []


def test_every_link_leads_somewhere(page):
    path, text = page
    links = [link for link in LINK.findall(text) if not link.startswith(("http:", "https:", "mailto:"))]
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_every_command_and_option_that_is_named_exists(page):
    commands = get_command(app).commands  # type: ignore[attr-defined]
    wrong = []
    for name, rest in COMMAND.findall(page[1]):
        if name not in commands:
            wrong.append(name)
            continue
        known = {option for each in commands[name].params for option in (*each.opts, *each.secondary_opts)}
        wrong += [f"{name} {option}" for option in OPTION.findall(rest) if option not in {*known, "--help"}]
    assert wrong == []
