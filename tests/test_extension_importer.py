"""A format that is registered outside the house is imported like its own: stored once, with line numbers for faults."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from gnomon.__main__ import run
from gnomon.data.importers import IMPORTERS, Importer, ImportOptions, ImportReport, register_importer
from gnomon.data.importers.field_parsers import RowError, SourceLocation, parse_rows
from gnomon.data.importers.row_builders import ImportedRow, imported_protocol, imported_trial, subject_named
from gnomon.data.records import Arm
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store
from gnomon.study_file import read_study

LINES = "ocean|I notice the sea.\n|Nothing.\nfear\nfear|I am afraid.\n"


def read_bars(paths: Sequence[Path], options: ImportOptions, report: ImportReport) -> Iterator[ImportedRow]:
    """Lines `concept|answer`; a line without a concept is a control."""

    def parse(place: SourceLocation, line: str) -> ImportedRow:
        concept, bar, answer = line.partition("|")
        if not bar:
            raise RowError("there is no '|': write concept|answer")
        subject = subject_named(options.subject or "Toy-7B", options.parameters)
        protocol = imported_protocol("bars", "asked")
        arm = Arm.INJECTION if concept else Arm.CONTROL
        trial = imported_trial(
            "bars", line, subject=subject, protocol=protocol, arm=arm, answer=answer, concept=concept or None
        )
        return ImportedRow(place, trial.id, trial, subject, protocol)

    for path in paths:
        lines = path.read_text(encoding="utf-8").splitlines()
        yield from parse_rows(((SourceLocation(str(path), n + 1), line) for n, line in enumerate(lines)), parse, report)


@pytest.fixture
def bars() -> Iterator[Importer]:
    yield register_importer(Importer("bars", read_bars, rule="claim_first"))
    IMPORTERS.unregister("bars")


def test_it_is_imported_once_and_its_faults_have_a_line(
    bars: Importer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, folder = tmp_path / "trials.bars", tmp_path / "study"
    path.write_text(LINES, encoding="utf-8")
    assert run(["import", "bars", str(path), "--study", str(folder), "--subject", "Other-3B", "--json"]) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert (document["format"], document["new"]["trials"], document["rejected"]) == ("bars", 3, 1)
    assert document["problems"][0]["problem"] == "there is no '|': write concept|answer"
    assert "line 3" in err

    study = read_study(folder)
    assert (study.rule, [judge.kind for judge in study.judges]) == ("claim_first", ["lexicon"])
    store = Store.open(sqlite_url(folder / "gnomon.db"))
    try:
        assert [(subject.name, subject.parameters) for subject in store.load_subjects()] == [("Other-3B", 3e9)]
        assert {trial.source for trial in store.load_trials()} == {"bars"}
    finally:
        store.close()

    assert run(["import", "bars", str(path), "--study", str(folder), "--subject", "Other-3B"]) == 0
    assert "nothing new" in capsys.readouterr().err
    assert run(["judge", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["new"] == 3, "its trials are judged like any others"


def test_an_importer_that_reads_nothing_and_a_doubled_name_are_refused(
    bars: Importer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x"
    path.write_text("x", encoding="utf-8")
    register_importer(Importer("empty"))
    try:
        assert run(["import", "empty", str(path), "--study", str(tmp_path / "s")]) == 2
    finally:
        IMPORTERS.unregister("empty")
    assert "format 'empty': it was registered with nothing to read it" in capsys.readouterr().err
    assert run(["import", "nothing", str(path), "--study", str(tmp_path / "s")]) == 2
    assert "format 'nothing' is not known: choose from open-introspection," in capsys.readouterr().err
    assert not (tmp_path / "s").exists()
