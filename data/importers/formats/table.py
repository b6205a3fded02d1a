"""Any table (CSV, JSON lines or Parquet) with a column map: one row per trial, with its verdicts and labels."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from gnomon.data.arms import ARMS
from gnomon.data.errors import InputError
from gnomon.data.facts import PASSED
from gnomon.data.importers import row_builders
from gnomon.data.importers.column_map import ColumnMap, read_map
from gnomon.data.importers.field_parsers import (
    ImportReport,
    RowError,
    SourceLocation,
    arm_of,
    is_empty,
    layer_of,
    limit_text,
    parse_bool,
    parse_integer,
    parse_judge_names,
    parse_number,
    parse_row_id,
    parse_rows,
    parse_timestamp,
    parse_word,
    quote_value,
    require_one_of,
)
from gnomon.data.importers.options import ImportOptions
from gnomon.data.importers.parquet_files import parquet_rows
from gnomon.data.importers.text_files import Rows, csv_rows, json_lines
from gnomon.data.outcomes import facts_from_pass_fail
from gnomon.data.records import Arm, Exposure, Facts, JudgeVersion, RaterKind, RaterRole, Span, Trial

NAME = "table"
Pick = Callable[[Mapping[str, object]], dict[str, object]]
WRITTEN = json.JSONEncoder(ensure_ascii=False, default=str, sort_keys=True)
SPANS = tuple(Span)
BESIDE = ("quote", "raw", "time")
PLAIN = frozenset((str, bool, type(None)))
"""Types whose equal values have the same JSON text, unlike 1, 1.0 and true."""
READERS: dict[str, Callable[[Path, ImportReport], Rows]] = {
    ".csv": csv_rows,
    ".jsonl": json_lines,
    ".ndjson": json_lines,
    ".parquet": parquet_rows,
}


def read_files(
    paths: Sequence[Path], options: ImportOptions, report: ImportReport
) -> Iterator[row_builders.ImportedRow]:
    """Rows of all files; the format of each is known from its file extension.

    Parameters
    ----------
    paths : sequence of Path
        CSV, JSON-lines or Parquet files.
    options : ImportOptions
        `map` is the column map; `parameters` the subject's size if the table does not give it.
    report : ImportReport
        Receives the rows that cannot be imported.

    Raises
    ------
    InputError
        If a file has another extension, or the map is missing, invalid or names a missing column.
    """
    columns = read_map(options.map)
    for path in paths:
        reader = READERS.get(path.suffix.lower())
        if reader is None:
            raise InputError(f"{path}: is no table that can be read: name a file that ends in {', '.join(READERS)}")
        yield from _read_rows(path, reader(path, report), columns, options, report)


def _read_rows(
    path: Path, rows: Rows, columns: ColumnMap, options: ImportOptions, report: ImportReport
) -> Iterator[row_builders.ImportedRow]:
    """CSV and Parquet rows all have the same columns; in JSON lines a field that a row lacks is empty."""
    reading = _TableReader.from_map(columns, options)
    empty_row = dict.fromkeys(_mapped_columns(columns)) if path.suffix.lower() in (".jsonl", ".ndjson") else {}
    whole = ((place, {**empty_row, **row}) for place, row in _check_columns(path, rows, columns))
    return parse_rows(whole, partial(_parse_row, reading=reading), report)


@dataclass(frozen=True, slots=True)
class _TableReader:
    """Functions that extract a row's fields by the map, built once for all rows."""

    columns: ColumnMap
    options: ImportOptions
    trial: Pick
    verdicts: Sequence[Pick]
    labels: Sequence[Pick]

    @classmethod
    def from_map(cls, columns: ColumnMap, options: ImportOptions) -> _TableReader:
        verdicts, labels = ([columns.row_picker(part) for part in parts] for parts in (columns.verdict, columns.label))
        return cls(columns, options, columns.row_picker(columns.trial), verdicts, labels)


def _check_columns(path: Path, rows: Rows, columns: ColumnMap) -> Rows:
    """The rows unchanged; the first of them is checked against the map."""
    for at, (place, row) in enumerate(rows):
        if not at:
            columns.check_columns(path, list(row))
        yield place, row


def _mapped_columns(columns: ColumnMap) -> list[str]:
    return [
        source
        for part in columns.list_sections()
        for source in part.mapped_sources().values()
        if isinstance(source, str)
    ]


def _parse_row(place: SourceLocation, row: Mapping[str, object], reading: _TableReader) -> row_builders.ImportedRow:
    about, columns, options = reading.trial(row), reading.columns, reading.options
    if columns.trial.id is not None:
        id_, trial, subject, said = parse_row_id(about, "id"), None, None, None
        arm: Arm | None = None
        target = None
    else:
        subject = row_builders.subject_named(
            str(parse_row_id(about, "subject")), parse_number(about, "parameters") or options.parameters
        )
        said = _make_protocol(columns.source, str(about.get("protocol") or "unknown"))
        trial = _parse_trial(about, columns.source, subject, said)
        id_, arm, target = trial.id, trial.condition.arm, trial.condition.concept
    verdicts = [_parse_verdict(pick(row), arm, target, columns.source) for pick in reading.verdicts]
    labels = [_parse_label(pick(row), arm, target, columns) for pick in reading.labels]
    heard, given = tuple(each for each in verdicts if each), tuple(each for each in labels if each)
    return row_builders.ImportedRow(place, id_, trial, subject, said, heard, given)


@lru_cache(maxsize=1024)
def _make_protocol(source: str, name: str) -> row_builders.ImportedProtocol:
    return row_builders.imported_protocol(source, name)


def _parse_trial(about: Mapping[str, object], source: str, subject: Any, said: row_builders.ImportedProtocol) -> Trial:
    arm = Arm.CONTROL if is_empty(about.get("arm")) else arm_of(about["arm"], "arm")
    concept, span = parse_word(about, "concept"), parse_word(about, "span") or Span.GENERATION
    if ARMS[arm].counts_identified and concept is None:
        raise RowError(f"'concept' is empty in an {arm} trial: name what was injected")
    require_one_of(span, "'span'", SPANS)
    if not isinstance(about["answer"], str):
        raise RowError(f"'answer' is {quote_value(about['answer'])}, not text: give the transcript")
    return row_builders.imported_trial(
        source,
        parse_row_id(about, "key"),
        subject=subject,
        protocol=said,
        arm=arm,
        answer=about["answer"],
        concept=concept,
        layer=layer_of(about, "layer"),
        strength=parse_number(about, "strength"),
        span=Span(span),
        seed=parse_integer(about, "seed") or 0,
        magnitude=parse_number(about, "magnitude"),
        depth=parse_number(about, "depth"),
        at=parse_timestamp(about, "time"),
    )


def _parse_facts(told: Mapping[str, object], arm: Arm | None, target: str | None) -> Facts | None:
    """Facts of a verdict or label; None if its columns are empty in this row."""
    flags, passed, named = row_builders.parse_flags(told), parse_bool(told, PASSED), parse_word(told, "concept")
    if flags["claims"] is None and passed is None:
        return None
    if flags["claims"] is not None:
        return row_builders.facts_from_fields(told, arm, target)
    if arm is None:
        raise RowError("'claims' is empty: a label for a trial by its id needs it")
    facts = facts_from_pass_fail(
        bool(passed), arm, target, coherent=bool(flags["coherent"]), refused=bool(flags["refused"]), named=named
    )
    return row_builders.with_further(facts, told)


def _parse_verdict(
    told: Mapping[str, object], arm: Arm | None, target: str | None, source: str
) -> row_builders.ImportedVerdict | None:
    """A judge's verdict, cached where the row has few distinct values, as most verdicts repeat earlier ones."""
    few = told.keys().isdisjoint(BESIDE) and PLAIN.issuperset(map(type, told.values()))
    return (_cached_verdict if few else _cached_verdict.__wrapped__)(tuple(told.items()), arm, target, source)


@lru_cache(maxsize=4096)
def _cached_verdict(
    columns: tuple[tuple[str, Any], ...], arm: Arm | None, target: str | None, source: str
) -> row_builders.ImportedVerdict | None:
    told = dict(columns)
    kept = {name: value for name, value in columns if name != "judge" and name not in BESIDE}
    if all(is_empty(value) for value in kept.values()):
        return None
    raw = told.get("raw")
    raw = raw if isinstance(raw, str) and raw else WRITTEN.encode(kept)
    judge = _judge_version(source, parse_row_id(told, "judge"))
    quote = told.get("quote")
    facts = _parse_facts(told, arm, target)
    return row_builders.ImportedVerdict(
        judge, facts, raw, quote if isinstance(quote, str) else "", parse_timestamp(told, "time")
    )


@lru_cache(maxsize=1024)
def _judge_version(source: str, name: str) -> JudgeVersion:
    return row_builders.judge_version(source, name)


def _parse_label(
    told: Mapping[str, object], arm: Arm | None, target: str | None, columns: ColumnMap
) -> row_builders.ImportedLabel | None:
    facts = _parse_facts(told, arm, target)
    if facts is None:
        return None
    rater = limit_text(parse_row_id(told, "rater"), "rater", 100)
    if columns.raters is not None and rater not in columns.raters:
        raise RowError(
            f"'rater' is {quote_value(rater)}, who is not among the map's raters: {', '.join(columns.raters)}"
        )
    exposure, role = parse_word(told, "exposure"), parse_word(told, "role") or RaterRole.RATER
    exposure = None if exposure is None else Exposure(require_one_of(exposure, "'exposure'", Exposure))
    role = RaterRole(require_one_of(role, "'role'", RaterRole))
    kind = parse_word(told, "kind")
    kind = None if kind is None else RaterKind(require_one_of(kind, "'kind'", RaterKind))
    probability = parse_number(told, "probability")
    if probability is not None and not 0 < probability <= 1:
        raise RowError(f"'probability' is {quote_value(probability)}: write a number above 0 and at most 1")
    note = told.get("note")
    return row_builders.ImportedLabel(
        rater=rater,
        facts=facts,
        note=note if isinstance(note, str) else "",
        at=(at := parse_timestamp(told, "time")),
        exact=bool(at),
        exposure=exposure,
        role=role,
        stratum="all" if is_empty(told.get("stratum")) else limit_text(str(told["stratum"]), "stratum", 64),
        probability=1.0 if probability is None else probability,
        chosen_by=parse_judge_names(told, "chosen_by"),
        rater_kind=kind,
    )
