"""No byte that others wrote reaches a terminal uncleaned, and every error is one line."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
import typer

from gnomon import __main__ as entry
from gnomon import cli, console
from gnomon.data.errors import InputError
from gnomon.render.text_console import TextConsole, bold_text

pytestmark = pytest.mark.attack
PACKAGE = Path(console.__file__).parent
STRANGE = "[/red]\x1b]0;title\x07[bold]\x9b31m\u202ename\u200b:smile:"
CLEAN = "[/red]]0;title[bold]31mname:smile:"


def calls_of(name):
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
                yield path.relative_to(PACKAGE).as_posix()


def test_everything_is_printed_by_functions_that_clean_it():
    assert set(calls_of("print")) <= {"console.py", "__main__.py", "commands/transfer.py", "render/json_reference.py"}
    assert set(calls_of("Console")) <= {"console.py"}


def test_status_lines_results_and_tables_are_cleaned(capsys):
    console.print_status(STRANGE)
    assert capsys.readouterr().err == f"{CLEAN}\n"
    console.print_text(STRANGE)
    assert capsys.readouterr().out == f"{CLEAN}\n"
    from rich.table import Table

    shown = Table(STRANGE, STRANGE, title=STRANGE)
    shown.add_row(STRANGE, bold_text(STRANGE))
    TextConsole(200).print(shown, STRANGE)
    printed = capsys.readouterr().out
    assert printed.count(CLEAN) == 6
    assert "\x1b" not in printed


def test_a_json_document_on_stdout_keeps_every_character_as_an_escape_sequence(capsys):
    console.print_json({"name": STRANGE})
    printed = capsys.readouterr().out
    assert printed.isascii()
    assert json.loads(printed) == {"name": STRANGE}


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (InputError(f"{STRANGE}\nnext"), 2, f"gnomon: {CLEAN} next"),
        (typer.BadParameter(STRANGE), 2, f"gnomon: Invalid value: {CLEAN}: 'gnomon doctor --help' lists what there is"),
        (OSError(STRANGE), 1, f"gnomon: {CLEAN}: fix that and run the same command again"),
        (MemoryError(), 1, "gnomon: the memory is full: end other programs, or name a smaller input"),
        (RecursionError(STRANGE), 1, f"gnomon: this is a fault of Gnomon (RecursionError: {CLEAN}): nothing that"),
        (InputError("a " * 50_000), 2, f"gnomon: {'a ' * 1_000} ...\n"),
        (KeyError("x"), 1, "gnomon: this is a fault of Gnomon (KeyError: 'x'): nothing that"),
    ],
)
def test_every_error_is_one_clean_line_and_a_status(monkeypatch, capsys, tmp_path, error, status, line):
    def fails(*_arguments, **_options):
        raise error

    monkeypatch.setattr(cli, "app", fails)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert entry.run(["doctor"]) == status
    said = capsys.readouterr().err
    assert said.startswith(line)
    assert said.count("\n") == 1
    logs = list(tmp_path.glob("gnomon-*.log"))
    assert [name for name in logs if str(name) in said] == logs
    assert len(logs) == ("fault of Gnomon" in line)
    assert all("Traceback" in log.read_text(encoding="utf-8") and log.stat().st_mode & 0o077 == 0 for log in logs)
