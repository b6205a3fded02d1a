"""Work per row of an import does not grow with its rows: counted in calls and in stored rows that are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gnomon.data.importers import ImportOptions, ingest, parse_files, row_builders
from gnomon.data.importers.field_parsers import MOST_NOTES, ImportReport
from gnomon.data.importers.ingest import ImportCounts
from gnomon.data.importers.row_builders import MOST_SPELLINGS, SourceKey, key_numbers, spelled_numbers
from gnomon.data.records import Arm, CountRow
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store

pytestmark = pytest.mark.attack
ROWS = 300
VERDICTS = 'source = "x"\n[trial]\nkey = "k"\n[[verdict]]\njudge = {value = "j"}\npassed = "p"\nsample = "n"\n'


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str], Counter[str]]:
    """Counts the calls of a function of a module."""
    calls: Counter[str] = Counter()

    def count(owner: Any, name: str) -> Counter[str]:
        plain = getattr(owner, name)

        def counting(*args: Any, **kwargs: Any) -> Any:
            made = plain(*args, **kwargs)
            calls[name] += 1
            calls["rows"] += len(made) if isinstance(made, list) else 0
            return made

        monkeypatch.setattr(owner, name, counting)
        return calls

    return count


def imported(folder: Path, table: str, columns: str) -> tuple[ImportCounts, ImportReport]:
    (folder / "t.csv").write_text(table, encoding="utf-8")
    (folder / "map.toml").write_text(columns, encoding="utf-8")
    parsed = parse_files("table", [folder / "t.csv"], ImportOptions(map=folder / "map.toml"))
    with closing(Store.open(sqlite_url(folder / "gnomon.db"))) as store:
        return parsed.ingest_into(store), parsed.report


def test_times_of_verdicts_on_one_trial_are_read_once_each(tmp_path, counted):
    calls = counted(ingest, "_stored_time")
    table = "k,p,n\n" + "".join(f"1,{at % 2},{at}\n" for at in range(ROWS))
    landed, _ = imported(tmp_path, table, VERDICTS)
    assert landed.new["verdicts"] == ROWS
    assert 0 < calls["_stored_time"] <= ROWS


def test_a_second_verdict_of_one_time_is_refused_and_the_same_one_repeated(tmp_path):
    landed, report = imported(tmp_path, "k,p,n\n1,1,a\n1,0,b\n1,1,a\n1,0,a\n", VERDICTS)
    assert landed.new["verdicts"] == 2
    assert landed.already["verdicts"] == 1
    assert "two verdicts for sample 'a'" in report.problems[0].text


def test_counts_are_compared_with_their_own_cells_alone(tmp_path, counted, monkeypatch):
    monkeypatch.setattr(ingest, "BATCH", 20)
    calls = counted(ingest, "_by_trial")
    subject = row_builders.subject_named("Toy-1B")
    rows = [
        row_builders.ImportedRow(
            row_builders.SourceLocation("t.csv", at), "", None, subject, None,
            counted=CountRow("s", subject.name, Arm.INJECTION, 9, 1, 2, concept=f"c{at % 150}"),
        )
        for at in range(ROWS)
    ]  # fmt: skip
    with closing(Store.open(sqlite_url(tmp_path / "gnomon.db"))) as store:
        landed = ingest.store_rows(store, iter(rows), set(), ImportReport())
    assert landed.new["counts"] == landed.repeated == 150
    assert calls["rows"] <= 150 + 20


@pytest.mark.parametrize("key", ["1.0", "a", ("1.0", "b", "3"), ("7",) * 6, ("1.0",) * 6])
def test_the_spellings_of_a_key_are_hashed_as_the_key_itself_is(key):
    named = SourceKey("s", key)
    assert spelled_numbers(named) == tuple(key_numbers("s", spelling) for spelling in named.spellings)


def test_the_parts_of_a_key_that_can_be_written_in_many_ways_are_encoded_once_each(counted, monkeypatch):
    class Encoder:
        encode = row_builders.CANONICAL.encode

    monkeypatch.setattr(row_builders, "CANONICAL", Encoder)
    calls = counted(Encoder, "encode")
    assert len(spelled_numbers.__wrapped__(SourceKey("s", ("1.0",) * 6))) == MOST_SPELLINGS
    assert calls["encode"] <= 3 * 6 + 1


def test_a_rater_has_a_bounded_number_of_labels_on_a_trial(tmp_path, monkeypatch):
    monkeypatch.setenv("GNOMON_MAX_REVISIONS", "5")
    columns = (
        'source = "x"\n[trial]\nkey = "k"\nsubject = {value = "m"}\n'
        '[[label]]\nrater = {value = "r"}\npassed = "p"\ntime = "t"\n'
    )
    table = "k,p,t\n" + "".join(f"1,{at % 2},2026-02-01T00:00:{at:02}Z\n" for at in range(8))
    landed, report = imported(tmp_path, table, columns)
    assert landed.new["labels"] == 5
    assert "has more than 5 labels of one rater on one trial" in report.problems[0].text
    assert "set GNOMON_MAX_REVISIONS" in report.problems[0].text


def test_remarks_are_kept_up_to_a_number_and_each_once():
    report = ImportReport()
    for at in range(2 * MOST_NOTES):
        report.add_note(f"a{at}")
        report.add_note("a0")
    assert len(report.notes) == MOST_NOTES + 1
    assert report.notes[-1] == f"further remarks than {MOST_NOTES} are left out"


def test_the_other_writing_of_a_key_is_hashed_only_when_its_row_is_stored(tmp_path, counted):
    calls = counted(row_builders, "id_by_other_writing")
    table = "k,a\n" + "".join(f"{at},x\n" for at in range(ROWS))
    imported(tmp_path, table, 'source = "x"\n[trial]\nkey = "k"\nanswer = "a"\n')
    assert calls["id_by_other_writing"] == ROWS


def test_stored_trials_are_searched_once_for_all_keys_of_a_batch(tmp_path, counted):
    calls = counted(ingest, "_by_seed")
    columns = 'source = "x"\n[trial]\nkey = ["a", "b", "c", "d"]\n[[verdict]]\njudge = {value = "j"}\npassed = "p"\n'
    table = "a,b,c,d,p\n" + "".join(f"{at}.0,1.0,2,3,{at % 2}\n" for at in range(ROWS))
    landed, _ = imported(tmp_path, table.replace(".0,1.0,", ",1,"), columns)
    assert landed.new["trials"] == ROWS
    again, _ = imported(tmp_path, table, columns)
    assert again.new == {"trials": 0, "verdicts": 0, "labels": 0}
    assert calls["_by_seed"] == 2
