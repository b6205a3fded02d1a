"""Whatever a page, a fragment or a button raises is one line on the page: no traceback, and a forged row is named."""

from __future__ import annotations

import ast
import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import dashboard_demo as demo
import pytest
from sqlalchemy import make_url
from streamlit.testing.v1 import AppTest

import gnomon.dashboard
from gnomon.dashboard import study_picker
from gnomon.dashboard.views import study
from gnomon.data.errors import InputError
from gnomon.data.maintenance import fault_report
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store

pytestmark = pytest.mark.attack
FOLDER = Path(str(gnomon.dashboard.__file__)).parent


@pytest.fixture
def url(tmp_path: Path) -> str:
    made = sqlite_url(tmp_path / "gnomon.db")
    with closing(Store.open(made)) as store:
        demo.fill(store, fits=False)
    return made


@pytest.fixture
def app(url, monkeypatch) -> AppTest:
    monkeypatch.setenv(study_picker.VARIABLE, study_picker.encode_studies([("demo", url)]))
    monkeypatch.setattr("sys.argv", ["app.py"])
    return AppTest.from_file(str(FOLDER / "app.py"), default_timeout=60)


def forge(url: str, statement: str, value: object) -> None:
    with closing(sqlite3.connect(str(make_url(url).database))) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(statement, (json.dumps(value),))
        connection.commit()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KeyError("messages"), "this is a fault of Gnomon (KeyError: 'messages')"),
        (RecursionError("too\x1b[31m deep\nhere"), "this is a fault of Gnomon (RecursionError: too[31m deep here)"),
        (Exception("of a library"), "this is a fault of Gnomon (Exception: of a library)"),
        (OSError(28, "No space left"), "[Errno 28] No space left: fix that and run the same command again"),
        (MemoryError(), "the memory is full: end other programs, or name a smaller input"),
        (InputError("a: is wrong: fix it"), "a: is wrong: fix it"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_any_error_of_a_page_is_one_line(app, monkeypatch, error, said):
    def show_page() -> None:
        raise error

    monkeypatch.setattr(study, "show_page", show_page)
    app.run()
    assert not app.exception
    assert [each.value for each in app.error] == ["This page cannot be shown."]
    (line,) = (each.value for each in app.text if each.value != "demo")
    assert line.startswith(said)
    assert "\n" not in line


FORGED = {
    "study": (
        "UPDATE study SET value = ? WHERE key = 'design'",
        {"concepts": 7},
        "study settings in the database: design.concepts: ",
    ),
    "scaling": ("UPDATE fits SET result = ?", {"estimands": [[7]]}, "its stored result cannot be read"),
    "battery": ("UPDATE trials SET readings = ?, measure = 'notice'", {"answer": 7}, "table trials, row "),
    "refusal": ("UPDATE fits SET priors = ?", {"x": [7]}, "its stored result cannot be read"),
    "judges": ("UPDATE labels SET selection = ?", ["x"], "table labels, row "),
    "label": ("UPDATE protocols SET content = ?", {"messages": [7]}, "table protocols, row p-"),
    "transcripts": (
        "UPDATE study SET value = ? WHERE key = 'concepts'",
        7,
        "study settings in the database: concepts: ",
    ),
    "diagnostics": ("UPDATE fits SET diagnostics = ?", {"reasons": 7}, "its stored result cannot be read"),
}
"""By page: what is forged of what it reads, and what the page says then."""


@pytest.mark.parametrize("page", FORGED)
def test_a_document_of_another_shape_is_one_line_on_every_page(url, page):
    statement, document, said = FORGED[page]
    if "fits" in statement:
        with closing(Store.open(url)) as store:
            [store.add_fit(fit) for fit in demo.demo_fits()]
    forge(url, statement, document)

    def draw(url: str, page: str) -> None:
        from importlib import import_module

        import streamlit as st

        from gnomon.dashboard import study_picker
        from gnomon.dashboard.components.page_errors import errors_in_one_line

        st.session_state["place"] = study_picker.StudyRef("demo", url)
        st.session_state["rater"], st.session_state["labels"] = "ann", True
        with errors_in_one_line():
            import_module(f"gnomon.dashboard.views.{page}").show_page()

    app = AppTest.from_function(draw, args=(url, page), default_timeout=60).run()
    assert not app.exception
    assert [each.value for each in app.error][-1:] == ["This page cannot be shown."]
    (line,) = (each.value for each in app.text if said in each.value)
    assert "\n" not in line


def test_a_fault_that_a_row_explains_does_not_blame_gnomon(app, url, monkeypatch):
    forge(url, "INSERT INTO events (kind, detail, created_at) VALUES ('judge_run', ?, '2026-01-01')", {})

    def show_page() -> None:
        raise KeyError("judge")

    monkeypatch.setattr(study, "show_page", show_page)
    app.run()
    (line,) = (each.value for each in app.text if each.value != "demo")
    assert re.search(r"table events, row \d+: 'detail' of event 'judge_run' has no text 'judge'", line)


def test_what_a_button_could_not_do_is_told_on_the_page():
    def draw() -> None:
        import streamlit as st

        from gnomon.dashboard.components.page_errors import errors_in_one_line, tell_on_page
        from gnomon.data.errors import StoreError

        def fail() -> None:
            raise StoreError("database: the disk is full: make room")

        with errors_in_one_line():
            st.button("Save", on_click=tell_on_page(fail))

    app = AppTest.from_function(draw, default_timeout=60).run()
    app.button[0].click().run()
    assert not app.exception
    assert [each.value for each in app.error] == ["This could not be done."]
    assert app.text[0].value == "database: the disk is full: make room"
    assert not app.run().error


def test_one_log_is_written_for_one_fault_however_often_a_page_meets_it():
    def fail() -> Exception:
        try:
            raise KeyError("x")
        except KeyError as error:
            return error

    said = {fault_report.describe_error(fail())[0] for _ in range(3)}
    assert len(said) == 1
    assert ".log" in said.pop()


def calls(tree: ast.AST, name: str) -> list[ast.keyword]:
    return [word for node in ast.walk(tree) if isinstance(node, ast.Call) for word in node.keywords if word.arg == name]


MODULES = sorted(FOLDER.rglob("*.py"))
HARMLESS = ("st.login", "st.logout", "_turn_page", "_move_to", "matrix_cell.clear_cell", "lambda: st.session_state")
"""Callbacks that read and write no study."""


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_every_fragment_and_button_has_the_border_for_errors(module):
    tree = ast.parse(module.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            above = [ast.unparse(each) for each in node.decorator_list]
            if any(each.startswith("st.fragment") or each.startswith("st.dialog") for each in above):
                assert "with_errors_in_one_line" in above, f"{module.stem}.{node.name}"
    for name in ("on_click", "on_change"):
        for word in calls(tree, name):
            given = ast.unparse(word.value)
            assert given.startswith(("tell_on_page(", "'ignore'", "'rerun'", *HARMLESS)), (
                f"{module.stem}: {name}={given}"
            )


def test_every_page_is_drawn_inside_the_border():
    tree = ast.parse((FOLDER / "app.py").read_text(encoding="utf-8"))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    pages = [node for name, node in functions.items() if name.endswith("_page") and name != "_draw_page"]
    assert len(pages) == len(list((FOLDER / "views").glob("[!_]*.py")))
    for page in pages:
        assert ast.unparse(page.body[-1]).startswith("_draw_page("), page.name
    assert ast.unparse(functions["_draw_page"].body[-1]).startswith("with errors_in_one_line():")
