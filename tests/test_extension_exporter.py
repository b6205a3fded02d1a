"""A format that is registered outside the house is written by `gnomon export --format` like the house's own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gnomon.__main__ import run
from gnomon.data.errors import InputError
from gnomon.data.exporters import EXPORTERS, Exporter, ExportReport, register_exporter
from gnomon.data.records import Trial
from gnomon.data.storage.store import Store


def write_notes(store: Store, folder: Path) -> ExportReport:
    if folder.exists():
        raise InputError(f"{folder}: is there already: name another folder")
    folder.mkdir()
    answers = [trial.answer for trial in store.load_trials()]
    path = folder / "answers.md"
    path.write_text("".join(f"- {answer}\n" for answer in answers), encoding="utf-8")
    return ExportReport(folder, {"trials": len(answers)}, {path.name: hashlib.sha256(path.read_bytes()).hexdigest()})


@pytest.fixture
def notes() -> Iterator[Exporter]:
    yield register_exporter(Exporter("notes", write_notes))
    EXPORTERS.unregister("notes")


@pytest.fixture
def folder(allowed_store: Store, tmp_path: Path, make_trial: Callable[..., Trial]) -> Path:
    study = tmp_path / "study"
    study.mkdir()
    text = f'name = "t"\nimported = true\nconcepts = ["ocean"]\ndatabase = "{allowed_store.engine.url}"\n'
    (study / "study.toml").write_text(text, encoding="utf-8")
    for number in range(3):
        make_trial(replicate=number, answer=f"=answer {number}")
    return study


def test_it_is_written_and_reported(
    notes: Exporter, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run(["export", str(folder), "--out", str(out), "--format", "notes", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["rows"], list(document["files"])) == ({"trials": 3}, ["answers.md"])
    assert "guarded_cells" not in document
    assert len((out / "answers.md").read_text(encoding="utf-8").splitlines()) == 3
    assert run(["export", str(folder), "--out", str(out), "--format", "notes"]) == 2
    assert "is there already" in capsys.readouterr().err


def test_the_house_formats_stay_and_csv_is_one_of_them(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, more in enumerate((["--csv"], ["--format", "csv"], [])):
        assert run(["export", str(folder), "--out", str(tmp_path / f"out{number}"), *more, "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
        assert document.get("guarded_cells", 0) == (3 if more else 0)
        assert (tmp_path / f"out{number}" / "trials.csv").exists() == bool(more)
        assert (tmp_path / f"out{number}" / "trials.parquet").exists()


def test_an_unknown_format_is_one_line_and_writes_nothing(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["export", str(folder), "--out", str(tmp_path / "out"), "--format", "word"]) == 2
    assert "format 'word' is not known: choose from gnomon, csv" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
