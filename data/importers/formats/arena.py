"""arena-judges (JSON): comparisons of two models' answers, with a human winner and one judge's pick.

The two models stand in random places, so neither place is a thing to measure. The event is fixed by name: the
model whose name comes first in the alphabet wins. One file is one judge, named by the last part of its file name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from gnomon.data.importers import row_builders
from gnomon.data.importers.field_parsers import BadRow, Place, Report, empty, key, moment, shown, taken, text
from gnomon.data.importers.options import Options
from gnomon.data.importers.text_files import json_items
from gnomon.data.records import NONE, OTHER, Arm, Facts, JudgeVersion, Subject

NAME = "arena"
RATER = "human"
PLACES = {"model_a": "model_a", "a": "model_a", "model_b": "model_b", "b": "model_b"}


def read(paths: Sequence[Path], options: Options, report: Report) -> Iterator[row_builders.Row]:
    """Rows of all files; the same items in two files are two judges of one set of trials."""
    for path in paths:
        judge = _judge(options.judge or path.stem.rsplit("_", 1)[-1])
        yield from taken(json_items(path, report), partial(_row, judge=judge), report)


def _row(place: Place, row: Mapping[str, Any], judge: JudgeVersion) -> row_builders.Row:
    models = (text(row, "model_a", 90), text(row, "model_b", 90))
    if models[0] == models[1]:
        raise BadRow(f"'model_a' and 'model_b' are both {shown(models[0])}: name two models")
    first, second = sorted(models)
    subject = Subject(f"{first} vs {second}", row_builders.UNKNOWN_SIZE, row_builders.PAIR, "comparison")
    said = _protocol()
    trial = row_builders.trial(
        NAME,
        key(row, "id"),
        subject=subject,
        protocol=said,
        arm=Arm.CONTROL,
        answer=str(row.get("answer") or ""),
        at=moment(row, "timestamp"),
    )
    return row_builders.Row(place, trial.id, trial, subject, said, _verdicts(row, first, judge), _labels(row, first))


@lru_cache(maxsize=1024)
def _protocol() -> row_builders.Protocol:
    return row_builders.protocol(NAME, "comparison", event="the model whose name comes first in the alphabet wins")


def _wins(row: Mapping[str, Any], name: str, first: str) -> Facts:
    place = PLACES.get(str(row[name]).strip().lower())
    if place is None:
        raise BadRow(
            f"'{name}' is {shown(row[name])}, no win of one model: leave ties out, or write model_a or model_b"
        )
    won = row[place] == first
    return Facts(won, OTHER if won else NONE, coherent=True, refused=False, passed=won)


def _labels(row: Mapping[str, Any], first: str) -> tuple[row_builders.Said, ...]:
    if empty(row.get("human_winner")):
        return ()
    return (row_builders.Said(RATER, _wins(row, "human_winner", first), at=moment(row, "timestamp")),)


def _verdicts(row: Mapping[str, Any], first: str, judge: JudgeVersion) -> tuple[row_builders.Heard, ...]:
    if "judge_pick" not in row:
        return ()
    kept = {name: row[name] for name in ("judge_pick", "error", "judge_reasoning", "model_a") if name in row}
    raw = json.dumps(kept, ensure_ascii=False, sort_keys=True)
    try:
        facts: Facts | None = None if row["judge_pick"] is None else _wins(row, "judge_pick", first)
    except BadRow:
        facts = None
    return (row_builders.Heard(judge, facts, raw),)


@lru_cache(maxsize=1024)
def _judge(name: str) -> JudgeVersion:
    return row_builders.judge_version(NAME, name)
