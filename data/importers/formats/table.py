"""Any table with a column map: one row per trial, verdict or label. Trials are new, or the study's by their key."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from gnomon.data.arms import ARMS
from gnomon.data.errors import InputError
from gnomon.data.facts import PASSED
from gnomon.data.importers import row_builders
from gnomon.data.importers.column_map import (
    FIELD_KEY,
    ColumnMap,
    ConstantColumn,
    LabelPart,
    RowNumberKey,
    Source,
    VerdictPart,
    parse_map,
    read_map,
    words_by_value,
)
from gnomon.data.importers.field_parsers import (
    ImportReport,
    RowError,
    SourceLocation,
    arm_of,
    fold_name,
    is_empty,
    layer_of,
    limit_text,
    parse_integer,
    parse_judge_names,
    parse_name,
    parse_number,
    parse_row_id,
    parse_rows,
    parse_timestamp,
    parse_word,
    quote_value,
    require_one_of,
    span_of,
)
from gnomon.data.importers.ingest import FEWEST_CONTROLS
from gnomon.data.importers.options import ImportOptions
from gnomon.data.importers.tabular.column_survey import flag_readers, part_elements, survey_columns
from gnomon.data.importers.tabular.map_suggestion import suggest_map
from gnomon.data.importers.tabular.table_files import FileLayout, table_rows
from gnomon.data.importers.tabular.value_ranges import FlagReader, value_word
from gnomon.data.importers.text_files import MISSING, value_at
from gnomon.data.outcomes import facts_from_pass_fail
from gnomon.data.records import (
    DECLARED_FIELDS,
    NONE,
    OTHER,
    SCORE,
    Arm,
    Exposure,
    Facts,
    JudgeVersion,
    RaterKind,
    RaterRole,
    Trial,
    check_field,
)

NAME = "table"
TOTALS = frozenset(("total", "totals", "grand total", "subtotal"))
UNNAMED = "unknown"
"""The subject of a table that names none."""
Row = Mapping[str, object]
WRITTEN = json.JSONEncoder(ensure_ascii=False, default=str, sort_keys=True)
BESIDE = ("quote", "raw", "time")
PLAIN = frozenset((str, bool, type(None)))
"""Types whose equal values have the same JSON text, unlike 1, 1.0 and true."""
CONDITION = frozenset(("arm", "concept", "layer", "strength", "magnitude", "depth", "span", "protocol", "seed"))


def read_files(
    paths: Sequence[Path], options: ImportOptions, report: ImportReport
) -> Iterator[row_builders.ImportedRow]:
    """Rows of all files; the format of each is known from its file extension.

    Parameters
    ----------
    paths : sequence of Path
        CSV, Excel, JSON, JSON-lines or Parquet files.
    options : ImportOptions
        `map` is the column map; `subject` and `parameters` the subject's name and size if the table does not give
        them; `separator` and `encoding` how text files are written.
    report : ImportReport
        Receives the rows that cannot be imported.

    Raises
    ------
    InputError
        If a file has another extension, the map is missing, invalid or names a missing column, or the meaning of a
        column's values cannot be known.
    """
    columns = read_map(options.map) if options.map is not None else _suggested_map(paths, options, report)
    said = options.layout
    layout = FileLayout(
        said.separator or columns.separator,
        said.encoding or columns.encoding,
        said.sheet or columns.sheet,
        said.rows or columns.rows,
    )
    layout.check_names()
    _check_file_names(paths, columns)
    reading = _TableReader.from_files(paths, columns, layout, options, report)
    for path in paths:
        numbered = _number_rows(table_rows(path, report, layout))
        yield from parse_rows(numbered, partial(_parse_row, reading=reading), report)
    reading.tally.tell(columns, report)


def _suggested_map(paths: Sequence[Path], options: ImportOptions, report: ImportReport) -> ColumnMap:
    """The map that the columns suggest, if they leave no question open."""
    layout = options.layout
    layout.check_names()
    found = suggest_map(paths, layout, options.threshold)
    if found.doubts:
        raise InputError(
            f"{paths[0]}: no column map is named (--map), and {found.doubts[0]}: write a map with "
            f"'gnomon import --suggest {paths[0]} > map.toml', and change it where it is not sure"
        )
    columns = parse_map(found.text, f"{paths[0]}: suggested map")
    mapped = ", ".join(f"{name} = '{column}'" for column, name in columns.needed_columns().items())
    report.add_note(f"{paths[0].name}: read without a column map: {mapped} (gnomon import --suggest shows all of it)")
    return columns


def _check_file_names(paths: Sequence[Path], columns: ColumnMap) -> None:
    """Refuse files of one name whose rows are known by the file's name and their number."""
    names = Counter(path.name for path in paths)
    if isinstance(columns.trial.key, RowNumberKey) and (twice := [name for name in names if names[name] > 1]):
        raise InputError(
            f"{twice[0]}: {names[twice[0]]} files have this name, and the key of a row is its number in the file: "
            "rename one, or map a column as 'key'"
        )


def _number_rows(rows: Iterator[tuple[SourceLocation, Row]]) -> Iterator[tuple[SourceLocation, tuple[int, Row]]]:
    for number, (place, row) in enumerate(rows, start=1):
        yield place, (number, row)


@dataclass(slots=True)
class _RowTally:
    """What shows only when all rows are read: rows without an arm, and passes by part and arm."""

    without_arm: int = 0
    passes: Counter[tuple[int, bool, bool]] = field(default_factory=Counter)
    """Verdicts by pass or fail alone: part, whether the arm counts identification, and the result."""

    def tell(self, columns: ColumnMap, report: ImportReport) -> None:
        """Add notes; refuse a result that can only be meant otherwise."""
        if self.without_arm:
            report.add_note(
                f"{self.without_arm} rows have no arm in column '{columns.trial.arm}': they count as control trials"
            )
        for part in {number for number, _, _ in self.passes}:
            fails = self.passes[part, False, False]
            if self.passes[part, True, True] and fails >= FEWEST_CONTROLS and not self.passes[part, False, True]:
                raise InputError(
                    f"column '{columns.verdict[part].passed}', which the map names for 'passed', is false in all "
                    f"{fails} trials without an injection, which would all be false alarms: if it says whether the "
                    "concept was identified, map it as 'identified' and the claim as 'claims'; if not, map it as "
                    "'claims' with [verdict.values.claims]; nothing was stored"
                )


@dataclass(frozen=True, eq=False, slots=True)
class _PartReader:
    """Reads the verdicts or labels that one part of the map describes."""

    source: str
    elements: Callable[[Row], list[Row]]
    pick: Callable[[Row], dict[str, object]]
    flags: Mapping[str, FlagReader]
    written: Mapping[str, Mapping[str, object]]
    """Translations of words that are also in `raw`: those of the shared lists."""
    asked: bool = False
    named: Sequence[str] = ()

    def decode_flags(self, told: dict[str, Any]) -> tuple[dict[str, Any], str, str]:
        """The fields with yes or no as booleans; which of them cannot be read, and how to mend it."""
        decoded, reason, problem = dict(told), "", ""
        for name, reader in self.flags.items():
            try:
                decoded[name] = reader.read_cell(told[name])
            except RowError as error:
                decoded[name] = None
                reason, problem = reason or f"'{name}' is {quote_value(told[name])}", problem or str(error)
        return decoded, reason, problem

    def read_scores(self, told: Mapping[str, Any]) -> Mapping[str, float] | None:
        """What the judge gave as a grade: the column `score`, or the number that a threshold makes a pass of."""
        number = parse_number(told, "score")
        if self.is_by_pass:
            reader = self.flags.get(PASSED)
            if number is None and reader is not None:
                number = reader.graded_number(told.get(PASSED))
            return None if number is None else {SCORE: number}
        if number is None:
            return None
        if not 0 <= number <= 1:
            raise RowError(f"'score' is {number:g}: beside 'claims' it is the probability of a claim, from 0 to 1")
        return {"claims": number}

    @property
    def is_by_pass(self) -> bool:
        """Whether a pass or fail is all that is mapped."""
        return "claims" not in self.flags


@dataclass(frozen=True, eq=False, slots=True)
class _TableReader:
    """Functions that extract a row's fields by the map, built once for all rows."""

    columns: ColumnMap
    options: ImportOptions
    report: ImportReport
    trial: Callable[[Row], dict[str, object]]
    verdicts: Sequence[_PartReader]
    labels: Sequence[_PartReader]
    raters: Mapping[str, str] | None
    joins_by_key: bool
    tally: _RowTally = field(default_factory=_RowTally)

    @classmethod
    def from_files(
        cls,
        paths: Sequence[Path],
        columns: ColumnMap,
        layout: FileLayout,
        options: ImportOptions,
        report: ImportReport,
    ) -> _TableReader:
        survey = survey_columns(paths, columns, layout)
        flags = flag_readers(columns, survey, report, options.threshold)
        repeats = not any(isinstance(part.rater, str) or part.each for part in columns.label)
        parts = [
            _part_reader(columns, part, readers, repeats)
            for (_, part), readers in zip(columns.fact_parts, flags, strict=True)
        ]
        raters = None if columns.raters is None else {fold_name(name): name for name in columns.raters}
        many = len(columns.verdict)
        pick, joins = columns.row_picker(columns.trial), _joins_by_key(columns)
        return cls(columns, options, report, pick, parts[:many], parts[many:], raters, joins)


def _part_reader(
    columns: ColumnMap, part: VerdictPart | LabelPart, flags: Mapping[str, FlagReader], repeats: bool
) -> _PartReader:
    shared = {name: columns.values[name] for name in flags if name in columns.values and name not in part.values}
    asked = isinstance(part, VerdictPart) and (part.sample is not None or repeats)
    constants = (name for name, source in part.mapped_sources().items() if isinstance(source, ConstantColumn))
    return _PartReader(
        columns.source,
        part_elements(part),
        columns.row_picker(part),
        flags,
        {name: words_by_value(listed) for name, listed in shared.items()},
        asked,
        [*constants, *(() if isinstance(part, LabelPart) else ("judge", "sample"))],
    )


def _parse_row(place: SourceLocation, numbered: tuple[int, Row], reading: _TableReader) -> row_builders.ImportedRow:
    number, row = numbered
    about, columns = reading.trial(row), reading.columns
    key = _row_key(place, number, row, about, columns)
    read_facts = partial(_read_facts, row, reading)
    if columns.is_reference:
        named = str(key.key) if columns.trial.id is not None else ""
        return row_builders.ImportedRow(place, named, None, None, None, key=key, read_facts=read_facts)
    name = parse_name(about, "subject") if columns.trial.subject is not None else reading.options.subject or UNNAMED
    subject = row_builders.subject_named(name, parse_number(about, "parameters") or reading.options.parameters)
    fields = ((name, _field_text(name, about[FIELD_KEY + name])) for name in sorted(columns.trial.fields))
    given = tuple((name, text) for name, text in fields if text is not None)
    said = _make_protocol(columns.source, str(about.get("protocol") or "unknown"), given)
    trial = _parse_trial(about, key, subject, said)
    reading.tally.without_arm += columns.trial.arm is not None and is_empty(about.get("arm"))
    facts = _read_facts(row, reading, trial.condition.arm, trial.condition.concept, own=True)
    for problem in facts.problems:
        reading.report.add_problem(place, problem)
    return row_builders.ImportedRow(
        place,
        trial.id,
        trial,
        subject,
        said,
        facts.verdicts,
        facts.labels,
        own_key=key,
        key=key if reading.joins_by_key else None,
        read_facts=read_facts if reading.joins_by_key else None,
    )


def _joins_by_key(columns: ColumnMap) -> bool:
    """Whether rows may be of trials that the study has: they have no response, and nothing of a trial's condition."""
    about = columns.trial.mapped_sources()
    return not isinstance(about.get("answer"), str) and not columns.trial.fields and not about.keys() & CONDITION


def _row_key(place: SourceLocation, number: int, row: Row, about: Row, columns: ColumnMap) -> row_builders.SourceKey:
    part = columns.trial
    subject = None if part.subject is None else parse_name(about, "subject")
    if isinstance(part.key, RowNumberKey):
        return row_builders.SourceKey(columns.source, f"{place.file} row {number}", subject)
    if isinstance(part.key, list):
        parts = [_key_cell(row, column) for column in part.key]
        return row_builders.SourceKey(columns.source, tuple(parts) if len(parts) > 1 else parts[0], subject)
    if part.id is not None:
        return row_builders.SourceKey(columns.source, parse_row_id(about, "id"), subject)
    assert part.key is not None
    return row_builders.SourceKey(columns.source, _key_cell(row, part.key, "key"), subject)


def _key_cell(row: Row, column: Source, name: str | None = None) -> str:
    if isinstance(column, ConstantColumn):
        return parse_row_id({"key": column.value}, "key")
    value = value_at(row, column)
    found = parse_row_id({name or column: None if value is MISSING else value}, name or column)
    if found.casefold() in TOTALS:
        raise RowError(f"'{name or column}' is {quote_value(found)}: a row of totals is no trial; leave it out")
    if found != "NA" and is_empty(found):  # NA may be the code of a country
        raise RowError(f"'{name or column}' is {quote_value(found)}, which stands for no value: give the row a key")
    return found


@lru_cache(maxsize=1024)
def _make_protocol(source: str, name: str, fields: tuple[tuple[str, str], ...] = ()) -> row_builders.ImportedProtocol:
    """The protocol of a row; what is said of its trials by further fields is part of it and stands in its name."""
    if not fields:
        return row_builders.imported_protocol(source, name)
    made = row_builders.imported_protocol(source, name, **{DECLARED_FIELDS: dict(fields)})
    shown = ", ".join(f"{field} {value}" for field, value in fields)
    return replace(made, name=f"{made.name} ({shown})"[:100])


def _field_text(name: str, value: object) -> str | None:
    """A further field of a trial; None in an empty cell. A whole number is the same however the file writes it."""
    if is_empty(value):
        return None
    try:
        text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
        return str(check_field(name, text))
    except ValueError as error:
        raise RowError(str(error)) from None


def _parse_trial(about: Row, key: row_builders.SourceKey, subject: Any, said: row_builders.ImportedProtocol) -> Trial:
    arm = Arm.CONTROL if is_empty(about.get("arm")) else arm_of(about["arm"], "arm")
    concept, span = parse_word(about, "concept"), span_of(about, "span")
    if ARMS[arm].counts_identified and concept is None:
        raise RowError(f"'concept' is empty in an {arm} trial: name what was injected")
    answer = _answer_text(about.get("answer"))
    return row_builders.imported_trial(
        key.source,
        key.key,
        subject=subject,
        protocol=said,
        arm=arm,
        answer=answer,
        concept=concept,
        layer=layer_of(about, "layer"),
        strength=parse_number(about, "strength"),
        span=span,
        seed=parse_integer(about, "seed") or 0,
        magnitude=parse_number(about, "magnitude"),
        depth=parse_number(about, "depth"),
        at=parse_timestamp(about, "time"),
    )


def _answer_text(value: object) -> str:
    """The response as text: a number is what the model said, and an empty cell an empty response."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, int | float):
        return json.dumps(value)
    if not isinstance(value, str):
        raise RowError(f"'answer' is {quote_value(value)}, not text: give the transcript")
    return value


def _read_facts(
    row: Row, reading: _TableReader, arm: Arm, target: str | None, *, own: bool = False
) -> row_builders.RowFacts:
    """Verdicts and labels of a row; what cannot be read of one of them leaves the others as they are. `own`: the row's
    own trial, and not a stored one.
    """
    problems: list[str] = []
    verdicts: list[row_builders.ImportedVerdict] = []
    labels: list[row_builders.ImportedLabel] = []
    for number, part in enumerate(reading.verdicts):
        for told in _part_fields(part, row, problems):
            try:
                verdict = _parse_verdict(told, part, arm, target)
            except RowError as error:
                problems.append(str(error))
                continue
            if verdict is None:
                reading.report.empty_verdicts[str(told["judge"])[:100]] += 1
            else:
                verdicts.append(verdict)
                if own and part.is_by_pass and verdict.facts is not None:
                    identifies = ARMS[arm].counts_identified
                    reading.tally.passes[number, identifies, bool(verdict.facts.passed)] += 1
    for part in reading.labels:
        for told in _part_fields(part, row, problems):
            try:
                label = _parse_label(told, part, (arm, target), reading)
            except RowError as error:
                problems.append(str(error))
                continue
            labels += [label] if label is not None else []
    return row_builders.RowFacts(tuple(verdicts), tuple(labels), tuple(problems))


def _part_fields(part: _PartReader, row: Row, problems: list[str]) -> list[dict[str, object]]:
    try:
        return [part.pick(element) for element in part.elements(row)]
    except RowError as error:
        problems.append(str(error))
        return []


def _parse_facts(told: dict[str, Any], part: _PartReader, arm: Arm, target: str | None) -> Facts | None:
    """Facts of a verdict or label whose flags are decoded; None if its columns are empty in this row."""
    flags, passed, named = row_builders.parse_flags(told), told.get(PASSED), parse_word(told, "concept")
    if flags["claims"] is None and passed is None:
        return None
    coherent, refused = bool(flags["coherent"]), bool(flags["refused"])
    if flags["claims"] is not None:
        if "identified" in part.flags:
            told = {**told, "concept": named or _named_concept(told, arm, target)}
        return row_builders.facts_from_fields(told, arm, target)
    facts = facts_from_pass_fail(bool(passed), arm, target, coherent=coherent, refused=refused, named=named)
    return row_builders.with_further(facts, told)


def _named_concept(told: Mapping[str, Any], arm: Arm, target: str | None) -> str:
    """The concept that an answer names according to `claims` and `identified`."""
    if not told["claims"]:
        return NONE
    if told["identified"] is None and ARMS[arm].counts_identified:
        raise RowError("'identified' is empty where 'claims' is true")
    return target if told["identified"] and target is not None else OTHER


def _parse_verdict(
    told: dict[str, object], part: _PartReader, arm: Arm, target: str | None
) -> row_builders.ImportedVerdict | None:
    """A judge's verdict, cached where the row has few distinct values, as most verdicts repeat earlier ones."""
    few = told.keys().isdisjoint(BESIDE) and PLAIN.issuperset(map(type, told.values()))
    parse = _cached_verdict if few else _cached_verdict.__wrapped__
    return parse(tuple(told.items()), part, arm, target)


@lru_cache(maxsize=4096)
def _cached_verdict(
    fields: tuple[tuple[str, Any], ...], part: _PartReader, arm: Arm, target: str | None
) -> row_builders.ImportedVerdict | None:
    told = dict(fields)
    kept = {name: _written_value(part, name, value) for name, value in fields if name not in (*BESIDE, "judge")}
    if all(is_empty(value) for name, value in kept.items() if name not in part.named):
        return None
    raw = told.get("raw")
    raw = raw if isinstance(raw, str) and raw else WRITTEN.encode(kept)
    judge = _judge_version(part.source, parse_name(told, "judge"))
    quote, asked = told.get("quote"), None
    if part.asked:
        asked = "" if is_empty(told.get("sample")) else parse_row_id(told, "sample")
    decoded, reason, _ = part.decode_flags(told)
    facts: Facts | None = None
    scores: Mapping[str, float] | None = None
    try:
        scores = part.read_scores(told)
        facts = None if reason else _parse_facts(decoded, part, arm, target)
        reason = reason or ("" if facts else f"'{'passed' if part.is_by_pass else 'claims'}' is empty")
    except RowError as error:
        reason = str(error)
    return row_builders.ImportedVerdict(
        judge,
        facts,
        raw,
        quote if isinstance(quote, str) else "",
        parse_timestamp(told, "time"),
        reason=reason,
        asked=asked,
        passed_in=arm if facts is not None and part.is_by_pass else None,
        scores=scores,
    )


def _written_value(part: _PartReader, name: str, value: object) -> object:
    listed = part.written.get(name)
    return value if listed is None else listed.get(value_word(value) or "", value)


@lru_cache(maxsize=1024)
def _judge_version(source: str, name: str) -> JudgeVersion:
    return row_builders.judge_version(source, name)


def _parse_label(
    told: dict[str, object], part: _PartReader, about: tuple[Arm, str | None], reading: _TableReader
) -> row_builders.ImportedLabel | None:
    decoded, _, problem = part.decode_flags(told)
    if problem:
        raise RowError(problem)
    facts = _parse_facts(decoded, part, *about)
    if facts is None:
        return None
    rater = limit_text(parse_name(told, "rater"), "rater", 100)
    if reading.raters is not None:
        if fold_name(rater) not in reading.raters:
            allowed = ", ".join(reading.columns.raters or ())
            raise RowError(f"'rater' is {quote_value(rater)}, who is not among the map's raters: {allowed}")
        rater = reading.raters[fold_name(rater)]
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
        rater_kind=kind or reading.options.rater_kind,
        passed_in=about[0] if part.is_by_pass else None,
    )
