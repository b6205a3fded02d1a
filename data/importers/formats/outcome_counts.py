"""counts: how many trials of each cell ended in which outcome, of studies that are published without transcripts.

A file is taken whole or not at all: a cell that is missing from a table of counts cannot be seen in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import reduce
from itertools import combinations
from operator import add
from pathlib import Path

from pydantic import ValidationError
from sqlalchemy import select

from gnomon.data.arms import ARMS
from gnomon.data.errors import InputError
from gnomon.data.foreign_documents.toml_documents import read_toml_file
from gnomon.data.importers.field_parsers import ImportReport, RowError, fold_name
from gnomon.data.importers.formats.count_rows import (
    INSIDE,
    KNOWN,
    CountedCell,
    CountMap,
    OutcomeTally,
    check_shares,
    mapped_lines,
    named_rows,
    read_cell,
    tally_outcomes,
)
from gnomon.data.importers.ingest import ImportCounts, complete_sizes
from gnomon.data.importers.options import ImportOptions
from gnomon.data.importers.row_builders import UNKNOWN_SIZE, subject_named
from gnomon.data.importers.tabular.table_files import table_rows
from gnomon.data.records import CountRow, Subject
from gnomon.data.storage import tables
from gnomon.data.storage.design_scope import report_counts
from gnomon.data.storage.store import IMPORTED, Store, count_row
from gnomon.data.storage.stored_settings import COUNTS

NAME = "counts"
SOURCE = "imported"
"""Source of the counts: the same cell cannot be in a study twice, from whatever file."""
TOTALS = frozenset(("total", "totals", "grand total", "sum", "overall", "average", "mean", "all", "all models"))
"""Names of rows that sum up others."""
AXES = ("concept", "layer", "strength")
Counted = tuple[CountedCell, OutcomeTally]


@dataclass(frozen=True)
class CountTables:
    """The counts of all files, checked, with one row for each cell."""

    files: tuple[str, ...]
    subjects: tuple[Subject, ...]
    rows: tuple[CountRow, ...]

    @property
    def has_rows(self) -> bool:
        """Whether there is any cell."""
        return bool(self.rows)

    @property
    def study_settings(self) -> dict[str, object]:
        """What makes a study one of counts."""
        return {"kind": COUNTS}

    def store_into(self, store: Store, report: ImportReport) -> ImportCounts:
        """Add the counts to a store in one transaction; those that it has are counted as such.

        Parameters
        ----------
        store : Store
            Store of the study.
        report : ImportReport
            Not used: a file with a problem was refused when it was read.

        Raises
        ------
        InputError
            If the study has a cell with other counts; nothing is stored then.
        """
        landed = ImportCounts(new={NAME: 0}, already={NAME: 0})
        with store.write_transaction() as connection:
            store.insert_rows(connection, tables.subjects, [asdict(subject) for subject in self.subjects])
            complete_sizes(connection, self.subjects)
            stored = connection.execute(select(tables.counts).where(report_counts())).all()
            for name in INSIDE:
                if any((getattr(old, name) is None) != (getattr(self.rows[0], name) is None) for old in stored):
                    raise InputError(
                        f"{', '.join(self.files)}: '{name}' is counted there and not in the study, or the other way "
                        "round: nothing was stored; import the file into a study of its own (--study)"
                    )
            held = {(row.subject, row.arm, row.cell): row for row in stored if row.source == SOURCE}
            fresh = []
            for row in self.rows:
                made = count_row(row)
                there = held.get((row.subject, str(row.arm), row.cell))
                if there is None:
                    fresh.append(made)
                elif {**there._mapping, "depth": None} != {**made, "depth": None}:
                    raise InputError(
                        f"{', '.join(self.files)}: {cell_name(row)} is in the study with other counts: nothing was "
                        "stored; import the file into a study of its own (--study)"
                    )
            store.insert_rows(connection, tables.counts, fresh)
            landed.new[NAME], landed.already[NAME] = len(fresh), len(self.rows) - len(fresh)
            landed.accepted, landed.repeated = len(self.rows), landed.already[NAME]
            if fresh:
                detail = {"files": list(self.files), "new": landed.new, "already": landed.already}
                event = {"kind": IMPORTED, "detail": detail, "created_at": ""}
                store.insert_rows(connection, tables.events, [event])
        return landed


def read_files(paths: Sequence[Path], options: ImportOptions, report: ImportReport) -> CountTables:
    """Read and check all files.

    Parameters
    ----------
    paths : sequence of Path
        Tables of counts, each with a header.
    options : ImportOptions
        `subject` and `parameters` name the model where the file does not; `shared_controls` decides what control rows
        that repeat mean.
    report : ImportReport
        Receives the number of rows, and in sentences how they were read.

    Raises
    ------
    InputError
        If a file cannot be read, or anything in it is wrong or can be read in two ways; nothing is stored then.
    """
    counted: list[Counted] = []
    for path in paths:
        try:
            cells = _read_file(path, options, report)
        except RowError as error:
            raise InputError(f"{_located(path, error)}: nothing was stored") from None
        counted += cells
    counted = _folded_subjects(counted, report)
    try:
        _check_axes(counted)
        _check_told(counted)
        _check_sums(counted)
        if not options.add_repeated:
            _check_doubled(counted)
        whole = list(_joined_cells(counted, options.shared_controls, report))
        _tell_missing_arms(counted, report)
    except RowError as error:
        raise InputError(f"{error}: nothing was stored") from None
    sizes: dict[str, float | None] = {}
    for cell, _ in counted:
        sizes[cell.subject] = sizes.get(cell.subject) or cell.parameters
    try:
        subjects = [subject_named(name, size or options.parameters) for name, size in sizes.items()]
    except RowError as error:
        raise InputError(f"{paths[0]}: {error}: nothing was stored") from None
    if unknown := [subject.name for subject in subjects if subject.parameters == UNKNOWN_SIZE]:
        report.notes.append(f"number of parameters not known for {', '.join(unknown[:3])}: give it with --parameters")
    return CountTables(tuple(path.name for path in paths), tuple(subjects), tuple(whole))


def cell_name(row: CountRow | CountedCell) -> str:
    """A cell as an error message names it."""
    axes = [f"{name} {value}" for name in AXES if (value := getattr(row, name)) is not None]
    return " ".join([row.subject, str(row.arm), *axes])


def read_count_map(path: Path) -> CountMap:
    """Read a map of a table of counts: our names of columns, each with the table's name or {value = ...}.

    Raises
    ------
    InputError
        If it cannot be read, or a key is no column of counts.
    """
    try:
        told = CountMap.model_validate(read_toml_file(path)[1])
    except FileNotFoundError:
        raise InputError(f"{path}: is not there: name a TOML file (docs/importing.md)") from None
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"][:1])
        raise InputError(f"{path}: {where}: name a column or {{value = ...}} (docs/importing.md)") from None
    if unknown := [name for name in told.root if name not in KNOWN]:
        raise InputError(f"{path}: '{unknown[0]}' is no column of counts: choose from {', '.join(KNOWN)}")
    return told


def _folded_subjects(counted: Sequence[Counted], report: ImportReport) -> list[Counted]:
    """The rows with each model under the spelling that is seen first."""
    first: dict[str, str] = {}
    told: dict[str, str] = {}
    for cell, _ in counted:
        if (name := first.setdefault(fold_name(cell.subject), cell.subject)) != cell.subject:
            told[cell.subject] = name
    for name, own in told.items():
        report.add_note(f"model '{name}' counts as '{own}': the names differ only in writing")
    return [(replace(cell, subject=told.get(cell.subject, cell.subject)), tally) for cell, tally in counted]


def _located(path: Path, error: RowError) -> str:
    """The problem with its file, where it does not begin with it."""
    text = " ".join(str(error).split())
    return text if text.startswith(path.name) else f"{path}: {text}"


def _read_file(path: Path, options: ImportOptions, report: ImportReport) -> list[Counted]:
    layout = options.layout
    layout.check_names()
    seen = ImportReport()
    lines = list(table_rows(path, seen, layout))
    if seen.problems:
        raise RowError(seen.problems[0])
    if not lines:
        raise RowError("has no rows: name a file with counts")
    report.rows += len(lines)
    rows, columns = named_rows(lines if options.map is None else mapped_lines(lines, read_count_map(options.map)))
    cells = []
    for place, row in rows:
        try:
            cells.append(read_cell(place, row, columns, options.subject))
        except RowError as error:
            raise RowError(f"{place}: {error}") from None
    check_shares(rows, cells, columns)
    counted = list(zip(cells, tally_outcomes(cells, columns), strict=True))
    report.notes += [f"{path.name}: {note}" for note in columns.notes]
    return counted


def _check_axes(counted: Sequence[Counted]) -> None:
    """Refuse an axis that only some rows of the steered arms give."""
    steered = [cell for cell, _ in counted if ARMS[cell.arm].is_steered]
    for axis in ("layer", "strength"):
        empty = [cell for cell in steered if getattr(cell, axis) is None]
        if empty and len(empty) < len(steered):
            raise RowError(f"{empty[0].place}: '{axis}' is empty and other rows have one: give it")


def _check_told(counted: Sequence[Counted]) -> None:
    """Refuse an outcome that only some rows count: in the others it would be taken for a denial."""
    for name in INSIDE:
        told = {getattr(tally, name) is not None: cell for cell, tally in reversed(counted)}
        if len(told) > 1:
            raise RowError(
                f"{told[False].place}: '{name}' is not counted, and it is at {told[True].place}: import them into "
                "studies of their own, or count it in all"
            )


def _check_sums(counted: Sequence[Counted]) -> None:
    """Refuse a row of totals: its trials are those of the other rows."""
    for axis in ("subject", "concept", "protocol"):
        named = {str(value).strip().casefold() for cell, _ in counted if (value := getattr(cell, axis)) is not None}
        for cell, _ in counted if len(named) > 1 else ():
            if (value := getattr(cell, axis)) is not None and str(value).strip().casefold() in TOTALS:
                raise RowError(
                    f"{cell.place}: '{axis}' is '{value}', and other rows have names: a row of totals counts their "
                    "trials twice; leave it out"
                )


def _tell_missing_arms(counted: Sequence[Counted], report: ImportReport) -> None:
    """Remark on models of which only steered, or only other, trials are counted, where those of others are."""
    arms: dict[str, set[bool]] = defaultdict(set)
    for cell, _ in counted:
        arms[cell.subject].add(ARMS[cell.arm].is_steered)
    if len(set(map(frozenset, arms.values()))) == 1:
        return
    for steered, what in ((True, "no rows without an injection"), (False, "no rows of injections")):
        if names := [name for name, found in arms.items() if found == {steered}]:
            shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
            report.notes.append(f"{shown}: {what}, so that no difference between them can be estimated")


def _check_doubled(counted: Sequence[Counted]) -> None:
    """Refuse a cell that is there twice."""
    seen: dict[tuple[object, ...], CountedCell] = {}
    for cell, _ in counted:
        if cell.shared and not ARMS[cell.arm].is_steered:
            continue
        if (first := seen.setdefault(_row_key(cell), cell)) is not cell:
            many = sum(_row_key(other) == _row_key(cell) for other, _ in counted)
            raise RowError(
                f"{cell.place}: its cell ({cell_name(cell)}) is there {many} times, first at {first.place}: correct "
                "the file, or add the rows up with --add-repeated if they are different trials"
            )


def _row_key(cell: CountedCell) -> tuple[object, ...]:
    return (cell.subject, cell.arm, cell.concept, *cell.paired, cell.span, cell.protocol)


def _joined_cells(counted: Sequence[Counted], shared: bool | None, report: ImportReport) -> Iterator[CountRow]:
    """One row for each cell: where nothing was added, rows for several layers and strengths are one."""
    groups: dict[tuple[object, ...], list[Counted]] = defaultdict(list)
    steered: dict[tuple[object, ...], list[Counted]] = defaultdict(list)
    for cell, tally in counted:
        if ARMS[cell.arm].is_steered:
            steered[_row_key(cell)].append((cell, tally))
        else:
            groups[(cell.subject, cell.arm, cell.span, cell.protocol)].append((cell, tally))
    for some in steered.values():
        yield _count_row(some[0][0], _added_up(some))
        if len(some) > 1:
            report.add_note(f"{len(some)} rows of the cell {cell_name(some[0][0])} are added up")
    added = 0
    for group in groups.values():
        different = _different_trials(group, shared)
        by_concept: dict[str | None, list[Counted]] = defaultdict(list)
        for cell, tally in different:
            by_concept[cell.concept].append((cell, tally))
        for concept, some in by_concept.items():
            added += len(some) if len(some) > 1 else 0
            yield replace(_count_row(some[0][0], _added_up(some)), concept=concept)
    if added:
        report.notes.append(
            f"{added} control rows that differ in layer or strength alone are trials of the same kind: added up"
        )


def _different_trials(group: Sequence[Counted], shared: bool | None) -> list[Counted]:
    """The rows of an unsteered arm that are trials of their own."""
    told = {cell.shared if shared is None else shared for cell, _ in group}
    if len(told) > 1:
        raise RowError(f"{group[0][0].place}: 'shared_controls' differs between the rows of an arm: say it alike")
    wish = told.pop()
    repeats = len({cell.concept for cell, _ in group}) < len(group)
    if wish is False or (wish is None and not repeats):
        return list(group)
    found = next((some for axes in _axis_subsets() if (some := _one_by(group, axes)) is not None), None)
    if wish and found is None and len(group) > 1:
        raise RowError(
            f"{group[0][0].place}: the control rows are said to be shared, but their counts differ: give "
            "--no-shared-controls, or correct the column 'shared_controls'"
        )
    if wish is None and found is not None:
        raise RowError(
            f"{group[0][0].place}: it is not known whether the control rows are the same trials, repeated, or "
            f"{len(group)} times others: say --shared-controls or --no-shared-controls (or a column 'shared_controls')"
        )
    return list(group) if found is None else found


def _axis_subsets() -> Iterator[tuple[str, ...]]:
    """Axes by which shared controls may be divided, the fewest first."""
    for many in range(len(AXES)):
        yield from combinations(AXES, many)


def _one_by(group: Sequence[Counted], axes: Iterable[str]) -> list[Counted] | None:
    """One row for each value of the axes, if there are several of each and all have the same counts; else None."""
    kept = list(axes)
    by: dict[tuple[object, ...], list[Counted]] = defaultdict(list)
    for cell, tally in group:
        told: Mapping[str, object] = {"concept": cell.concept, "layer": cell.paired[0], "strength": cell.paired[1]}
        by[tuple(told[axis] for axis in kept)].append((cell, tally))
    if len(by) == len(group) or any(len({tally for _, tally in some}) > 1 for some in by.values()):
        return None
    whole = "concept" in kept or len({cell.concept for cell, _ in group}) == 1
    return [
        (cell if whole else replace(cell, concept=None), tally) for cell, tally in (some[0] for some in by.values())
    ]


def _added_up(some: Sequence[Counted]) -> OutcomeTally:
    return reduce(add, (tally for _, tally in some))


def _count_row(cell: CountedCell, tally: OutcomeTally) -> CountRow:
    return CountRow(
        SOURCE,
        cell.subject,
        cell.arm,
        tally.n,
        tally.refused,
        tally.event,
        concept=cell.concept,
        layer=cell.layer,
        depth=cell.depth,
        strength=cell.strength,
        span=cell.span,
        protocol=cell.protocol,
        incoherent=tally.incoherent,
        misnamed=tally.misnamed,
    )
