"""Any table (CSV, JSON lines or Parquet) with a column map: one row a trial, with its verdicts and labels."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from gnomon.data.errors import BadInput
from gnomon.data.importers import row_builders
from gnomon.data.importers.column_map import ColumnMap, read_map
from gnomon.data.importers.field_parsers import (
    BadRow,
    Place,
    Report,
    among,
    arm_of,
    empty,
    flag,
    integer,
    key,
    layer_of,
    moment,
    number,
    short,
    shown,
    taken,
    word,
)
from gnomon.data.importers.options import Options
from gnomon.data.importers.parquet_files import parquet_rows
from gnomon.data.importers.text_files import Rows, csv_rows, json_lines
from gnomon.data.outcomes import facts_of_pass
from gnomon.data.records import Arm, Exposure, Facts, JudgeVersion, RaterRole, Span, Trial

NAME = "table"
Pick = Callable[[Mapping[str, Any]], dict[str, Any]]
WRITTEN = json.JSONEncoder(ensure_ascii=False, default=str, sort_keys=True)
SPANS = tuple(Span)
BESIDE = ("quote", "raw", "time")
PLAIN = frozenset((str, bool, type(None)))
"""Types whose equal values are written alike, as 1, 1.0 and true are not."""
READERS: dict[str, Callable[[Path, Report], Rows]] = {
    ".csv": csv_rows,
    ".jsonl": json_lines,
    ".ndjson": json_lines,
    ".parquet": parquet_rows,
}


def read(paths: Sequence[Path], options: Options, report: Report) -> Iterator[row_builders.Row]:
    """Rows of all files, read by the endings of their names and by the map `options.map`."""
    columns = read_map(options.map)
    for path in paths:
        reader = READERS.get(path.suffix.lower())
        if reader is None:
            raise BadInput(f"{path}: is no table that can be read: name a file that ends in {', '.join(READERS)}")
        yield from _rows(path, reader(path, report), columns, options, report)


def _rows(path: Path, rows: Rows, columns: ColumnMap, options: Options, report: Report) -> Iterator[row_builders.Row]:
    """CSV and Parquet rows all have the same columns; in JSON lines a field that a row lacks is empty."""
    reading = _Reading.of(columns, options)
    empty_row = dict.fromkeys(_named(columns)) if path.suffix.lower() in (".jsonl", ".ndjson") else {}
    whole = ((place, {**empty_row, **row}) for place, row in _checked(path, rows, columns))
    return taken(whole, partial(_row, reading=reading), report)


@dataclass(frozen=True, slots=True)
class _Reading:
    """The map made ready: how a row's fields are picked, once for all rows."""

    columns: ColumnMap
    options: Options
    trial: Pick
    verdicts: Sequence[Pick]
    labels: Sequence[Pick]

    @classmethod
    def of(cls, columns: ColumnMap, options: Options) -> _Reading:
        verdicts, labels = ([columns.picker(part) for part in parts] for parts in (columns.verdict, columns.label))
        return cls(columns, options, columns.picker(columns.trial), verdicts, labels)


def _checked(path: Path, rows: Rows, columns: ColumnMap) -> Rows:
    """The rows as they are, the first of them held against the map."""
    for at, (place, row) in enumerate(rows):
        if not at:
            columns.check(path, list(row))
        yield place, row


def _named(columns: ColumnMap) -> list[str]:
    return [source for part in columns.parts() for source in part.sources().values() if isinstance(source, str)]


def _row(place: Place, row: Mapping[str, Any], reading: _Reading) -> row_builders.Row:
    about, columns, options = reading.trial(row), reading.columns, reading.options
    if columns.trial.id is not None:
        id_, trial, subject, said = key(about, "id"), None, None, None
        arm: Arm | None = None
        target = None
    else:
        subject = row_builders.subject_named(
            str(key(about, "subject")), number(about, "parameters") or options.parameters
        )
        said = _protocol(columns.source, str(about.get("protocol") or "unknown"))
        trial = _trial(about, columns.source, subject, said)
        id_, arm, target = trial.id, trial.condition.arm, trial.condition.concept
    verdicts = [_verdict(pick(row), arm, target, columns.source) for pick in reading.verdicts]
    labels = [_label(pick(row), arm, target, columns) for pick in reading.labels]
    heard, given = tuple(each for each in verdicts if each), tuple(each for each in labels if each)
    return row_builders.Row(place, id_, trial, subject, said, heard, given)


@lru_cache(maxsize=1024)
def _protocol(source: str, name: str) -> row_builders.Protocol:
    return row_builders.protocol(source, name)


def _trial(about: Mapping[str, Any], source: str, subject: Any, said: row_builders.Protocol) -> Trial:
    arm = Arm.CONTROL if empty(about.get("arm")) else arm_of(about["arm"], "arm")
    concept, span = word(about, "concept"), word(about, "span") or Span.GENERATION
    if arm is Arm.INJECTION and concept is None:
        raise BadRow("'concept' is empty in an injection trial: name what was injected")
    among(span, "'span'", SPANS)
    if not isinstance(about["answer"], str):
        raise BadRow(f"'answer' is {shown(about['answer'])}, not text: give the transcript")
    return row_builders.trial(
        source,
        key(about, "key"),
        subject=subject,
        protocol=said,
        arm=arm,
        answer=about["answer"],
        concept=concept,
        layer=layer_of(about, "layer"),
        strength=number(about, "strength"),
        span=Span(span),
        seed=integer(about, "seed") or 0,
        magnitude=number(about, "magnitude"),
        depth=number(about, "depth"),
        at=moment(about, "time"),
    )


def _facts(told: Mapping[str, Any], arm: Arm | None, target: str | None) -> Facts | None:
    """The facts of a verdict or label; None where its columns say nothing in this row."""
    claims, coherent, refused, passed = (flag(told, name) for name in row_builders.FLAGS)
    named = word(told, "concept")
    if claims is None and passed is None:
        return None
    if claims is not None:
        return row_builders.facts_told(told)
    if arm is None:
        raise BadRow("'claims' is empty: a label for a trial by its id needs it")
    return facts_of_pass(bool(passed), arm, target, coherent=coherent is not False, refused=bool(refused), named=named)


def _verdict(told: Mapping[str, Any], arm: Arm | None, target: str | None, source: str) -> row_builders.Heard | None:
    """What a judge said; judges say few different things, so that most verdicts have been worked out before."""
    few = told.keys().isdisjoint(BESIDE) and PLAIN.issuperset(map(type, told.values()))
    return (_heard if few else _heard.__wrapped__)(tuple(told.items()), arm, target, source)


@lru_cache(maxsize=4096)
def _heard(
    columns: tuple[tuple[str, Any], ...], arm: Arm | None, target: str | None, source: str
) -> row_builders.Heard | None:
    told = dict(columns)
    kept = {name: value for name, value in columns if name != "judge" and name not in BESIDE}
    if all(empty(value) for value in kept.values()):
        return None
    raw = told.get("raw")
    raw = raw if isinstance(raw, str) and raw else WRITTEN.encode(kept)
    judge = _judge(source, key(told, "judge"))
    quote = told.get("quote")
    facts = _facts(told, arm, target)
    return row_builders.Heard(judge, facts, raw, quote if isinstance(quote, str) else "", moment(told, "time"))


@lru_cache(maxsize=1024)
def _judge(source: str, name: str) -> JudgeVersion:
    return row_builders.judge_version(source, name)


def _label(
    told: Mapping[str, Any], arm: Arm | None, target: str | None, columns: ColumnMap
) -> row_builders.Said | None:
    facts = _facts(told, arm, target)
    if facts is None:
        return None
    rater = short(key(told, "rater"), "rater", 100)
    if columns.raters is not None and rater not in columns.raters:
        raise BadRow(f"'rater' is {shown(rater)}, who is not among the map's raters: {', '.join(columns.raters)}")
    exposure, role = word(told, "exposure"), word(told, "role") or RaterRole.RATER
    exposure = None if exposure is None else Exposure(among(exposure, "'exposure'", Exposure))
    role = RaterRole(among(role, "'role'", RaterRole))
    probability = number(told, "probability")
    if probability is not None and not 0 < probability <= 1:
        raise BadRow(f"'probability' is {shown(probability)}: write a number above 0 and at most 1")
    note = told.get("note")
    return row_builders.Said(
        rater=rater,
        facts=facts,
        note=note if isinstance(note, str) else "",
        at=(at := moment(told, "time")),
        exact=bool(at),
        exposure=exposure,
        role=role,
        stratum="all" if empty(told.get("stratum")) else short(str(told["stratum"]), "stratum", 64),
        probability=1.0 if probability is None else probability,
    )
