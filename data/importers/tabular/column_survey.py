"""A first pass over tables: which columns they have, and all values of the columns that say yes or no."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gnomon.data.errors import InputError
from gnomon.data.importers.column_map import ColumnMap, LabelPart, Source, VerdictPart, flag_value
from gnomon.data.importers.field_parsers import ImportReport, RowError, quote_value
from gnomon.data.importers.tabular.table_files import FileLayout, table_rows
from gnomon.data.importers.tabular.value_ranges import (
    CellRange,
    FlagColumn,
    FlagReader,
    flag_words,
    parse_threshold,
    parse_threshold_option,
    threshold_remark,
    value_word,
    word_number,
)
from gnomon.data.importers.text_files import MISSING, value_at

FactPart = VerdictPart | LabelPart
FlagColumns = tuple[int, Callable[[Mapping[str, object]], list[Mapping[str, object]]], list[tuple[str, Source]]]
MOST_COLUMNS = 1_000
NUMBER_FIELDS = ("layer", "strength", "magnitude", "depth", "parameters", "seed")
KEPT_SURVEYS = 4
_SURVEYS: dict[object, ColumnSurvey] = {}
"""The latest surveys by files, map and layout, because an import reads its rows twice."""


@dataclass(slots=True)
class ColumnSurvey:
    """The values of every yes-or-no column, by the number of the part in `ColumnMap.fact_parts` and the field."""

    ranges: dict[tuple[int, str], CellRange] = field(default_factory=dict)
    numbers: dict[str, CellRange] = field(default_factory=dict)
    """The values of the trial's number columns, by field."""
    rows: int = 0
    chosen: Counter[int] = field(default_factory=Counter)
    """Verdicts or labels by the number of the part."""
    unread: dict[int, str] = field(default_factory=dict)
    """Why the first element of a part that is none could not be read."""


def part_elements(part: FactPart) -> Callable[[Mapping[str, object]], list[Mapping[str, object]]]:
    """The function that gives the verdicts or labels of a row which a part of the map describes.

    It returns the row itself, the elements of the list that `each` names, or nothing if the row is not one of those
    that `where` selects. It raises `RowError` if an element is no object.
    """
    chosen = {
        column: {value_word(each) for each in (wanted if isinstance(wanted, list) else [wanted])}
        for column, wanted in part.where.items()
    }

    def elements(row: Mapping[str, object]) -> list[Mapping[str, object]]:
        for column, words in chosen.items():
            value = value_at(row, column)
            if value_word(None if value is MISSING else value) not in words:
                return []
        if part.each is None:
            return [row]
        found = value_at(row, part.each)
        if found is MISSING or found is None:
            return []
        if isinstance(found, Mapping):
            found = list(found.values())
        if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
            raise RowError(f"'{part.each}' is no list of objects: 'each' needs one")
        return found

    return elements


def survey_columns(paths: Sequence[Path], columns: ColumnMap, layout: FileLayout) -> ColumnSurvey:
    """Read all files once.

    Parameters
    ----------
    paths : sequence of Path
        The tables.
    columns : ColumnMap
        The column map.
    layout : FileLayout
        What the files do not show of how they are written.

    Raises
    ------
    InputError
        If a file cannot be read, or lacks a mapped column.
    """
    state = (tuple((path, _file_state(path)) for path in paths), columns.model_dump_json(), layout)
    if state not in _SURVEYS:
        while len(_SURVEYS) >= KEPT_SURVEYS:
            _SURVEYS.pop(next(iter(_SURVEYS)))
        _SURVEYS[state] = _survey_files(paths, columns, layout)
    return _SURVEYS[state]


def _file_state(path: Path) -> tuple[int, int]:
    try:
        about = path.stat()
    except OSError:
        return (0, 0)
    return (about.st_mtime_ns, about.st_size)


def _survey_files(paths: Sequence[Path], columns: ColumnMap, layout: FileLayout) -> ColumnSurvey:
    survey, parts = ColumnSurvey(), columns.fact_parts
    survey.numbers = {
        name: CellRange()
        for name, source in columns.trial.mapped_sources().items()
        if name in NUMBER_FIELDS and isinstance(source, str)
    }
    flags = [
        (number, part_elements(part), [(name, part.mapped_sources()[name]) for name in part.flag_names])
        for number, (_, part) in enumerate(parts)
    ]
    for number, _, names in flags:
        survey.ranges |= {(number, name): CellRange() for name, _ in names}
    for path in paths:
        _survey_file(path, columns, layout, survey, flags)
    _check_numbers(columns, survey)
    return survey


def _check_parts(columns: ColumnMap, survey: ColumnSurvey, report: ImportReport) -> None:
    """Refuse a part whose `each` names no list of objects, and parts that all read nothing; tell one whose `where`
    selects no row.
    """
    for number, (where, part) in enumerate(columns.fact_parts):
        if not survey.rows or number in survey.chosen:
            continue
        if number in survey.unread:
            raise InputError(f"[{where}]: {survey.unread[number]}; nothing was stored")
        if part.where:
            chosen = ", ".join(f"{name} = {value!r}" for name, value in part.where.items())
            text = f"[{where}]: 'where' ({chosen}) selects no row: write the values as the table has them"
            if not survey.chosen:
                raise InputError(f"{text}; nothing was stored")
            report.add_note(text)


def _check_numbers(columns: ColumnMap, survey: ColumnSurvey) -> None:
    """Refuse a column of numbers of which none but 0 can be read: the trials without one would be left."""
    for name, found in survey.numbers.items():
        if other := found.written_otherwise:
            raise InputError(
                f"column '{columns.trial.mapped_sources()[name]}', which the map names for '{name}', holds "
                f"{quote_value(other[0])}: write its numbers as 2.5; nothing was stored"
            )
        bad = [word for word in found.words if word_number(word) is None]
        if bad and not found.highest > 0 and not found.lowest < 0:
            raise InputError(
                f"column '{columns.trial.mapped_sources()[name]}', which the map names for '{name}', holds "
                f"{found.shown_words(3)}: none of them is a number as 2.5; nothing was stored"
            )


def _survey_file(
    path: Path, columns: ColumnMap, layout: FileLayout, survey: ColumnSurvey, flags: Sequence[FlagColumns]
) -> None:
    seen: dict[str, None] = {}
    missing = set(columns.needed_columns())
    sources = columns.trial.mapped_sources()
    rows = 0
    for _, row in table_rows(path, ImportReport(), layout):
        rows += 1
        if len(seen) < MOST_COLUMNS:
            seen.update(dict.fromkeys(row))
        if missing:
            missing = {column for column in missing if value_at(row, column) is MISSING}
        for name, cells in survey.numbers.items():
            value = value_at(row, str(sources[name]))
            cells.add(None if value is MISSING else value)
        for number, elements, names in flags:
            for element in _readable(elements, row, number, survey):
                survey.chosen[number] += 1
                for name, source in names:
                    value = value_at(element, source) if isinstance(source, str) else source.value
                    survey.ranges[number, name].add(None if value is MISSING else value)
    survey.rows += rows
    if rows:
        columns.check_columns(path, list(seen), missing)


def _readable(
    elements: Callable[[Mapping[str, object]], list[Mapping[str, object]]],
    row: Mapping[str, object],
    number: int,
    survey: ColumnSurvey,
) -> list[Mapping[str, object]]:
    try:
        return elements(row)
    except RowError as error:
        survey.unread.setdefault(number, str(error))
        return []


def flag_readers(
    columns: ColumnMap, survey: ColumnSurvey, report: ImportReport, threshold: str | None = None
) -> list[dict[str, FlagReader]]:
    """Readers of the yes-or-no columns of each part of `ColumnMap.fact_parts`, by field.

    Parameters
    ----------
    columns : ColumnMap
        The column map.
    survey : ColumnSurvey
        All values of the columns.
    report : ImportReport
        Receives notes on thresholds that divide nothing.
    threshold : str, optional
        From which number on grades are true in the parts that say nothing of it.

    Raises
    ------
    InputError
        If the meaning of a column's values cannot be known.
    """
    _check_parts(columns, survey, report)
    parts = columns.fact_parts
    bound = None if threshold is None else _default_threshold(columns, survey, threshold)
    uses = [name for _, part in parts for name in part.flag_names if isinstance(part.mapped_sources()[name], str)]
    readers = [
        {
            name: _flag_reader(columns, part, where, name, survey.ranges[number, name], uses.count(name), bound)
            for name in part.flag_names
        }
        for number, (where, part) in enumerate(parts)
    ]
    for number, names in enumerate(readers):
        for name, reader in names.items():
            found = survey.ranges[number, name]
            if reader.comparison and (remark := threshold_remark(found, (reader.comparison, reader.bound))):
                report.add_note(f"column '{parts[number][1].mapped_sources()[name]}': {remark}")
    return readers


def _default_threshold(columns: ColumnMap, survey: ColumnSurvey, threshold: str) -> tuple[str, float]:
    """Comparison and bound of a threshold that is for all graded columns: there must be only one."""
    graded = {
        str(part.mapped_sources()[name])
        for number, (_, part) in enumerate(columns.fact_parts)
        for name in part.flag_names
        if part.threshold is None and survey.ranges[number, name].is_graded
    }
    if len(graded) > 1:
        raise InputError(
            f"--threshold: columns {', '.join(sorted(graded))} all hold grades: give each its threshold in the map"
        )
    return parse_threshold_option(threshold)


def _flag_reader(
    columns: ColumnMap,
    part: FactPart,
    where: str,
    name: str,
    found: CellRange,
    uses: int,
    bound: tuple[str, float] | None,
) -> FlagReader:
    source = part.mapped_sources()[name]
    column = FlagColumn(name, source if isinstance(source, str) else str(source.value), where)
    threshold = parse_threshold(part.threshold) if part.threshold is not None and part.main_flag == name else None
    own, shared = part.values.get(name), columns.values.get(name)
    if own is not None or threshold is not None:
        return column.flag_reader(found, None if own is None else _flags_by_word(own), threshold)
    if shared is None or not isinstance(source, str):
        return column.flag_reader(found, None, bound if found.is_graded and part.main_flag == name else None)
    listed = _flags_by_word(shared)
    return column.flag_reader(found, listed if uses == 1 or _list_applies(column, found, listed) else None)


def _flags_by_word(listed: Mapping[str, object]) -> dict[str, bool | None]:
    return {value_word(key) or "": flag_value(value) for key, value in listed.items()}  # type: ignore[arg-type]


def _list_applies(column: FlagColumn, found: CellRange, listed: Mapping[str, bool | None]) -> bool:
    """Whether a list of values that several columns share is meant for this one.

    It is not meant for a column of booleans whose values it does not cover.

    Raises
    ------
    InputError
        If the column's values could be meant either way.
    """
    known = flag_words(column.name)
    is_plain = all(word in known for word in found.words)
    if not is_plain:
        return True
    is_covered = all(word in listed for word in found.words)
    both = len({known[word] for word in found.words}) == 2
    is_scale = any(word not in ("0", "1") and word_number(word) is not None for word in listed)
    if not is_scale or (both and not is_covered):
        return is_covered
    if is_covered and all(listed[word] == known[word] for word in found.words):
        return True
    raise InputError(
        f"{column} holds {found.shown_words()}, which [values.{column.name}] lists for several columns: give the "
        f"values of each column in {column.list_name}; nothing was stored"
    )
