"""docs/commands.md is the command line's own account, and names all of it; public names stand in the Python page."""

from __future__ import annotations

import re
from pathlib import Path

from typer.main import get_command

import gnomon
from gnomon.cli import app
from gnomon.command_reference import REFERENCE, command_reference

DOCS = Path(__file__).parents[1] / "docs"


def test_it_is_current():
    assert REFERENCE.read_text(encoding="utf-8") == command_reference(), "run 'python -m gnomon.command_reference'"


def test_every_command_and_option_stands_in_its_section_with_a_meaning():
    sections = dict(
        re.findall(r"^## `gnomon ([a-z]+)`\n(.*?)(?=^## |\Z)", command_reference(), re.DOTALL | re.MULTILINE)
    )
    commands = get_command(app).commands
    assert list(sections) == list(commands)
    for name, command in commands.items():
        for option in (one for one in command.params if one.opts[0].startswith("--") and not one.hidden):
            (row,) = re.findall(rf"^\| `{option.opts[0]}[` ].*\|$", sections[name], re.MULTILINE)
            assert re.search(r"\| \w.* \|$", row)


def test_defaults_are_told_once():
    (row,) = [line for line in command_reference().splitlines() if line.startswith("| `--wait ")]
    assert row.endswith("(by default 15.0) |")
    assert "by default" not in next(line for line in command_reference().splitlines() if line.startswith("| `--quick`"))
    assert all(line.count("by default") < 2 for line in command_reference().splitlines())


def test_public_names_stand_in_the_page_on_python():
    page = (DOCS / "api.md").read_text(encoding="utf-8")
    assert [name for name in gnomon.__all__ if f"`{name}`" not in page] == []
