"""A judge's grade is kept beside its verdict, unrounded, the higher the surer; what is no grade is not one."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import select

from gnomon.data.importers import ImportOptions, parse_files
from gnomon.data.importers.formats.inspect_log.score_readings import ScoreReading, parse_threshold
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store

PASSED = """[trial]
key = "id"
[verdict]
judge = {value = "j"}
passed = "grade"
"""
CLAIMS = """[trial]
key = "id"
[verdict]
judge = {value = "j"}
claims = "said"
score = "grade"
"""
Bring = Callable[[Sequence[tuple[str, object]], str], list[str]]


@pytest.fixture
def memory() -> Iterator[Store]:
    opened = Store.open("sqlite://")
    yield opened
    opened.close()


@pytest.fixture
def bring(memory: Store, tmp_path: Path) -> Bring:
    """Import rows of (said, grade) by a map; returns the states of the verdicts."""

    def go(rows: Sequence[tuple[str, object]], map_: str) -> list[str]:
        path, columns = tmp_path / "t.csv", tmp_path / "map.toml"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("id", "said", "grade"))
            writer.writerows((number, *row) for number, row in enumerate(rows))
        columns.write_text(map_)
        parse_files("table", [path], ImportOptions(map=columns)).ingest_into(memory)
        return verdicts(memory)["state"].tolist()

    return go


def verdicts(store: Store):
    return store.read_frame(select(tables.verdicts).order_by(tables.verdicts.c.raw))


@pytest.mark.parametrize(
    ("sign", "scores"), [(">=", [{"score": 2.5}, {"score": 7.0}]), ("<", [{"score": -2.5}, {"score": -7.0}])]
)
def test_the_number_that_a_threshold_compares_is_the_score(
    bring: Bring, memory: Store, sign: str, scores: list[dict[str, float]]
) -> None:
    bring([("", 2.5), ("", 7)], PASSED + f'threshold = "{sign} 5"\n')
    assert sorted(verdicts(memory)["scores"].tolist(), key=str) == sorted(scores, key=str)
    assert sorted(verdicts(memory)["passed"].tolist()) == [False, True]


def test_words_and_plain_yes_or_no_are_no_scores(bring: Bring, memory: Store) -> None:
    bring([("", "pass"), ("", "fail"), ("", "1")], PASSED)
    assert verdicts(memory)["scores"].isna().all()


def test_a_column_of_scores_beside_claims_is_their_probability(bring: Bring, memory: Store) -> None:
    assert bring([("yes", 0.93), ("no", ""), ("no", 0.02)], CLAIMS) == ["ok"] * 3
    assert verdicts(memory)["scores"].dropna().tolist() == [{"claims": 0.02}, {"claims": 0.93}]


def test_a_score_that_cannot_be_read_loses_its_verdict(bring: Bring, memory: Store) -> None:
    states = bring([("yes", 0.93), ("no", 7), ("no", "much")], CLAIMS)
    assert sorted(states) == ["ok", "unparsable", "unparsable"]


def test_scores_of_inspect_logs_are_what_their_threshold_compares() -> None:
    part = {"grade": 8.5, "why": "good"}
    assert ScoreReading("s", "grade", parse_threshold(">= 7")).graded_number(part) == 8.5
    assert ScoreReading("s", "grade", parse_threshold("< 7")).graded_number(part) == -8.5
    assert ScoreReading("s", None, parse_threshold("== A, B")).graded_number("A") is None
    assert ScoreReading("s").graded_number(1) is None


def test_scores_survive_a_second_import_of_the_same_rows(bring: Bring, memory: Store) -> None:
    rows = [("", 2.5), ("", 7)]
    bring(rows, PASSED + "threshold = 5\n")
    before = json.dumps(verdicts(memory)["scores"].tolist())
    bring(rows, PASSED + "threshold = 5\n")
    assert json.dumps(verdicts(memory)["scores"].tolist()) == before
