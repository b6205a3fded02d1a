"""The house stands as DESIGN draws it: arrows between rooms point one way, and light rooms stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from bench import house

ROOT = house.ROOT
ARROWS = {
    "data": set(),
    "generation": {"data"},
    "judging": {"data"},
    "calibration": {"data"},
    "stats": {"data", "calibration"},
    "dashboard": {"data", "calibration", "stats"},
    "gnomon": {"data", "generation", "judging", "calibration", "stats", "dashboard"},
    "bench": {"data", "generation", "judging", "calibration", "stats", "dashboard", "gnomon"},
}
READING = ["data", "calibration", "stats", "dashboard"]
MAKING = ["data", "generation", "judging"]
MODEL_LIBRARIES = {"torch", "transformers", "sentence_transformers"}
SAMPLER = {"pymc", "nutpie", "arviz"}
HEAVY = MODEL_LIBRARIES | SAMPLER | {"streamlit", "sklearn", "openai", "pandas", "sqlalchemy", "altair"}


@pytest.fixture(scope="module")
def modules() -> list[house.Module]:
    return house.house_modules()


@pytest.fixture(scope="module")
def report() -> house.HouseReport:
    return house.measure_house()


def written(folder: Path, **files: str) -> list[house.Module]:
    """A small house of its own: keywords are `room__module`, values are source code."""
    for room in (*house.ROOMS, "gnomon", "bench"):
        (folder / room).mkdir()
    for name, code in files.items():
        (folder / name.replace("__", "/")).with_suffix(".py").write_text(code, encoding="utf-8")
    return house.house_modules(folder)


@pytest.mark.parametrize("room", ARROWS)
def test_a_room_imports_only_the_rooms_that_its_arrows_allow(modules, room):
    rooms = {module.name: module.room for module in modules}
    graph = house.import_graph(modules)
    for module in modules:
        if module.room == room:
            foreign = {target for target in graph[module.name] if rooms[target] not in ARROWS[room] | {room}}
            assert not foreign, f"{module.name} imports {foreign}"


def test_nobody_imports_a_room_by_its_bare_name(modules):
    for module in modules:
        assert not house.imported_libraries(module) & set(house.ROOMS), module.name


@pytest.mark.parametrize("room", READING)
def test_rooms_that_read_never_name_a_language_model_library(modules, room):
    for module in modules:
        if module.room == room:
            assert not house.imported_libraries(module) & MODEL_LIBRARIES, module.name


@pytest.mark.parametrize("room", MAKING)
def test_rooms_that_make_never_name_the_sampler(modules, room):
    for module in modules:
        if module.room == room:
            assert not house.imported_libraries(module) & SAMPLER, module.name


def loaded_by(*names: str) -> set[str]:
    imports = "\n".join(f"import {name}" for name in names)
    code = f"import sys\n{imports}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


@pytest.mark.parametrize("room", ["data", "calibration", "stats"])
def test_importing_all_of_a_reading_room_loads_no_language_model_library(modules, room):
    names = [each.name for each in modules if each.room == room and "migrations" not in each.name]
    assert not loaded_by(*names) & MODEL_LIBRARIES


def test_the_command_line_loads_no_heavy_library_before_it_needs_one():
    assert not loaded_by("gnomon.cli") & HEAVY


def test_no_module_is_named_like_a_room(modules):
    for module in modules:
        last = module.name.split(".")[-1]
        assert last not in house.ROOMS or module.path.name == "__init__.py", module.name


@pytest.mark.slow  # `make check` counts the same
@pytest.mark.parametrize("bar", house.BARS)
def test_the_house_reaches_its_bars(report, bar):
    assert not [line for line in report.missed_bars() if line.startswith(f"{bar} ")]


def test_a_circle_is_found_inside_functions_and_under_type_checking(tmp_path):
    modules = written(
        tmp_path,
        data__first="def load_second():\n    from gnomon.data import second\n    return second\n",
        data__second="from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .third import Third\n",
        data__third="import gnomon.data.first as first\nclass Third: ...\n",
    )
    circles = house.import_circles(house.import_graph(modules))
    assert circles == (("gnomon.data.first", "gnomon.data.second", "gnomon.data.third"),)


def test_a_chain_has_no_circle_and_as_many_layers_as_modules(tmp_path):
    modules = written(
        tmp_path, stats__low="", stats__middle="from gnomon.stats import low", stats__top="from . import middle"
    )
    assert house.import_circles(house.import_graph(modules)) == ()
    assert house.layer_count(house.wing_graph(modules, "stats")) == 3


def test_a_class_name_in_two_rooms_is_found(tmp_path):
    modules = written(tmp_path, data__one="class Row: ...", stats__two="class Row: ...\nclass Column: ...")
    assert house.doubled_classes(modules) == {"Row": ("gnomon.data.one", "gnomon.stats.two")}


def test_annotations_that_say_any_are_counted(tmp_path):
    modules = written(tmp_path, data__one="a: dict[str, Any]\nb: Mapping[str, Any]\nc: Mapping[str, object]\n")
    assert house.untyped_mappings(modules) == {"gnomon.data.one": 2}


def test_a_parameter_section_that_differs_from_the_signature_is_found(tmp_path):
    docstring = '    """Add.\n\n    Parameters\n    ----------\n    left, {} : int\n        Terms.\n    """\n'
    code = "def add_terms(left, right):\n"
    good = written(tmp_path, data__good=code + docstring.format("right"), data__bad=code + docstring.format("write"))
    right, wrong = house.public_functions(good)[::-1]
    assert house.parameter_section(right.docstring) == right.parameters == ("left", "right")
    assert house.parameter_section(wrong.docstring) == ("left", "write")


def test_a_function_without_a_section_has_none():
    tree = ast.parse('def add_terms(left, right):\n    """Add."""\n')
    assert house.parameter_section(ast.get_docstring(tree.body[0])) is None


def test_streamlit_finds_no_folder_of_pages_beside_the_app():
    assert not (ROOT / "dashboard" / "pages").exists()


def test_coroutines_of_tests_run_in_a_thread_of_their_own():
    """A browser test of the same process leaves its event loop in the first thread, where no other can run."""
    asks = "asyncio.run" + "("
    files = (ROOT / "tests").rglob("*.py")
    assert [str(path) for path in files if asks in path.read_text(encoding="utf-8")] == []
