"""The notebooks run from a clean kernel, and are stored without outputs."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "notebooks"
NOTEBOOKS = {
    "audit-a-judge.ipynb": [],
    "scaling-with-honest-intervals.ipynb": [pytest.mark.slow],
    "steer-and-run-the-battery.ipynb": [pytest.mark.slow, pytest.mark.model],
}
LONGEST = 900
"""Seconds that a cell may take on a busy machine."""


def run_notebook(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run all cells in `folder`; the text of all outputs."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(FOLDER / name, as_version=4)
    NotebookClient(notebook, timeout=LONGEST, kernel_name="python3", resources={"metadata": {"path": folder}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return "".join(output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs)


def test_these_are_the_notebooks():
    assert {path.name for path in FOLDER.iterdir() if path.suffix == ".ipynb"} == set(NOTEBOOKS)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_no_output_is_stored(name):
    cells = json.loads((FOLDER / name).read_text(encoding="utf-8"))["cells"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", [pytest.param(name, marks=marks) for name, marks in NOTEBOOKS.items()])
def test_it_runs_from_a_clean_kernel(name, tmp_path, monkeypatch):
    text = run_notebook(name, tmp_path, monkeypatch)
    assert text.strip()
    assert name != "audit-a-judge.ipynb" or "not run: open-introspection has no dev_calibration.jsonl" in text


@pytest.mark.slow
def test_the_audit_runs_on_the_public_label_files(tmp_path, monkeypatch, shared):
    monkeypatch.setenv("OPEN_INTROSPECTION", str(shared / "data" / "open-introspection"))
    text = run_notebook("audit-a-judge.ipynb", tmp_path, monkeypatch)
    assert "open-introspection-judge  injection  sensitivity      1.00" in text
