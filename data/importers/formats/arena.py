"""arena-judges (JSON): comparisons of two models' answers, with a human winner and one judge's choice.

The two models are in random positions, so neither position is of interest. The event is fixed by name: the model whose
name comes first alphabetically wins. One file is one judge, named by the last part of its file name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path

from gnomon.data.importers import row_builders
from gnomon.data.importers.field_parsers import (
    ImportReport,
    RowError,
    SourceLocation,
    is_empty,
    parse_row_id,
    parse_rows,
    parse_text,
    parse_timestamp,
    quote_value,
)
from gnomon.data.importers.options import ImportOptions
from gnomon.data.importers.text_files import json_items
from gnomon.data.records import NONE, OTHER, Arm, Facts, JudgeVersion, Subject

NAME = "arena"
RATER = "human"
PLACES = {"model_a": "model_a", "a": "model_a", "model_b": "model_b", "b": "model_b"}


def read_files(
    paths: Sequence[Path], options: ImportOptions, report: ImportReport
) -> Iterator[row_builders.ImportedRow]:
    """Rows of all files; the same items in two files are two judges of one set of trials.

    Parameters
    ----------
    paths : sequence of Path
        JSON files.
    options : ImportOptions
        `judge` replaces the judge's name.
    report : ImportReport
        Receives the rows that cannot be imported.
    """
    for path in paths:
        judge = _judge_version(options.judge or path.stem.rsplit("_", 1)[-1])
        yield from parse_rows(json_items(path, report), partial(_parse_row, judge=judge), report)


def _parse_row(place: SourceLocation, row: Mapping[str, object], judge: JudgeVersion) -> row_builders.ImportedRow:
    models = (parse_text(row, "model_a", 90), parse_text(row, "model_b", 90))
    if models[0] == models[1]:
        raise RowError(f"'model_a' and 'model_b' are both {quote_value(models[0])}: name two models")
    first, second = sorted(models)
    subject = Subject(f"{first} vs {second}", row_builders.UNKNOWN_SIZE, row_builders.PAIR, "comparison")
    said = _make_protocol()
    trial = row_builders.imported_trial(
        NAME,
        parse_row_id(row, "id"),
        subject=subject,
        protocol=said,
        arm=Arm.CONTROL,
        answer=str(row.get("answer") or ""),
        at=parse_timestamp(row, "timestamp"),
    )
    return row_builders.ImportedRow(
        place, trial.id, trial, subject, said, _parse_verdicts(row, first, judge), _parse_labels(row, first)
    )


@lru_cache(maxsize=1024)
def _make_protocol() -> row_builders.ImportedProtocol:
    return row_builders.imported_protocol(
        NAME, "comparison", event="the model whose name comes first in the alphabet wins"
    )


def _facts_from_winner(row: Mapping[str, object], name: str, first: str) -> Facts:
    place = PLACES.get(str(row[name]).strip().lower())
    if place is None:
        raise RowError(
            f"'{name}' is {quote_value(row[name])}, no win of one model: leave ties out, or write model_a or model_b"
        )
    won = row[place] == first
    return Facts(won, OTHER if won else NONE, coherent=True, refused=False, passed=won)


def _parse_labels(row: Mapping[str, object], first: str) -> tuple[row_builders.ImportedLabel, ...]:
    if is_empty(row.get("human_winner")):
        return ()
    return (
        row_builders.ImportedLabel(
            RATER, _facts_from_winner(row, "human_winner", first), at=parse_timestamp(row, "timestamp")
        ),
    )


def _parse_verdicts(
    row: Mapping[str, object], first: str, judge: JudgeVersion
) -> tuple[row_builders.ImportedVerdict, ...]:
    if "judge_pick" not in row:
        return ()
    kept = {name: row[name] for name in ("judge_pick", "error", "judge_reasoning", "model_a") if name in row}
    raw = json.dumps(kept, ensure_ascii=False, sort_keys=True)
    facts: Facts | None = None
    reason = "no pick"
    if row["judge_pick"] is not None:
        try:
            facts, reason = _facts_from_winner(row, "judge_pick", first), ""
        except RowError as error:
            reason = str(error)
    return (row_builders.ImportedVerdict(judge, facts, raw, reason=reason),)


@lru_cache(maxsize=1024)
def _judge_version(name: str) -> JudgeVersion:
    return row_builders.judge_version(NAME, name)
