"""The house stands as DESIGN draws it: arrows between rooms point one way, and light rooms stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = {
    "data": set(),
    "generation": {"data"},
    "judging": {"data"},
    "calibration": {"data"},
    "stats": {"data", "calibration"},
    "dashboard": {"data", "calibration", "stats"},
    "gnomon": {"data", "generation", "judging", "calibration", "stats", "dashboard"},
}
HEAVY = ("torch", "transformers", "pymc", "nutpie", "arviz", "streamlit", "sklearn", "sentence_transformers", "openai")


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def modules(room: str) -> list[Path]:
    return [path for path in (ROOT / room).rglob("*.py") if "versions" not in path.parts]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_the_rooms_that_its_arrows_allow(room):
    for path in modules(room):
        foreign = imports(path) & set(ROOMS) - {room}
        assert foreign <= ROOMS[room], f"{path.relative_to(ROOT)} imports {foreign - ROOMS[room]}"


@pytest.mark.parametrize("room", ["data", "calibration", "stats", "dashboard"])
def test_rooms_that_read_never_name_a_language_model_library(room):
    for path in modules(room):
        assert not imports(path) & {"torch", "transformers", "sentence_transformers"}, path


@pytest.mark.parametrize("room", ["data", "generation", "judging"])
def test_rooms_that_make_never_name_the_sampler(room):
    for path in modules(room):
        assert not imports(path) & {"pymc", "nutpie", "arviz"}, path


def loaded_by(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


@pytest.mark.parametrize("room", ["data", "calibration", "stats"])
def test_importing_all_of_a_reading_room_loads_no_language_model_library(room):
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in modules(room)]
    names = [name.removesuffix(".__init__") for name in names if not name.startswith("data.migrations")]
    loaded = loaded_by("\n".join(f"import {name}" for name in names))
    assert not loaded & {"torch", "transformers", "sentence_transformers"}


def test_the_command_line_loads_no_heavy_library_before_it_needs_one():
    assert not loaded_by("import gnomon.cli") & {*HEAVY, "pandas", "sqlalchemy", "altair"}


def test_no_module_is_named_like_a_room():
    for room in ROOMS:
        for path in modules(room):
            assert path.stem not in ROOMS or path.parent.name == path.stem, path


def test_no_module_is_longer_than_a_reader_can_hold():
    for path in ROOT.rglob("*.py"):
        if ".venv" not in str(path):
            assert len(path.read_text(encoding="utf-8").splitlines()) <= 400, path
