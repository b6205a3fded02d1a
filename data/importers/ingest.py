"""Writes parsed rows to the store in one transaction, in batches, so that memory does not grow with the rows.

Duplicates are counted; conflicts with stored facts are reported.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, select, update

from gnomon.data.importers.field_parsers import ImportReport, RowError
from gnomon.data.importers.label_history import MARK, Chain, LabelEvent, extend_chain, label_chains
from gnomon.data.importers.row_builders import UNKNOWN_SIZE, ImportedLabel, ImportedRow, ImportedVerdict
from gnomon.data.records import NONE, OTHER, Facts, Label, Subject, Trial, Verdict, utc_timestamp
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store, judge_row, label_row, split_chunks, trial_row, verdict_row

BATCH = 5_000


@dataclass(slots=True)
class ImportCounts:
    """Rows that an import added, by table, and rows that the study already had.

    `unusable` counts the new verdicts that cannot be used, by judge and reason.
    """

    new: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("trials", "verdicts", "labels"), 0))
    already: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("trials", "verdicts", "labels"), 0))
    revisions: int = 0
    accepted: int = 0
    repeated: int = 0
    unusable: Counter[tuple[str, str]] = field(default_factory=Counter)


@dataclass(slots=True)
class _KnownRows:
    """Stored trials, verdicts and label histories that a batch of rows refers to; extended as rows are accepted."""

    concepts: set[str]
    answers: dict[str, tuple[str, str | None]]
    verdicts: dict[tuple[str, str], tuple[str, str]]
    labels: dict[tuple[str, str], Chain]
    judged: set[str]
    new_trials: list[Trial] = field(default_factory=list)
    new_verdicts: list[Verdict] = field(default_factory=list)
    new_labels: list[Label] = field(default_factory=list)


def store_rows(store: Store, rows: Iterable[ImportedRow], concepts: set[str], report: ImportReport) -> ImportCounts:
    """Add rows to a store in one transaction: all of them, or none if anything fails.

    Rows are in the order in which their source recorded them: a label that differs from the same rater's label in an
    earlier row is a revision. A row that contradicts a stored fact is reported and skipped: facts are never
    overwritten.

    Parameters
    ----------
    store : Store
        Store of the study.
    rows : iterable of ImportedRow
        Parsed rows.
    concepts : set of str
        Concepts that the rows' trials inject; they extend the study's closed list.
    report : ImportReport
        Receives the rows that were not taken.

    Returns
    -------
    ImportCounts
        Counts of new, repeated and accepted rows.
    """
    landed, moment = ImportCounts(), utc_timestamp()
    files: set[str] = set()
    told: dict[int, str] = {}
    with store.write_transaction() as connection:
        listed = concepts | _study_concepts(connection)
        for part in split_chunks(rows, BATCH):
            known = _known_rows(connection, part, listed, told)
            for row in part:
                _store_row(row, known, landed, report, moment)
            _write_batch(store, connection, part, known)
            told |= _file_keys(known)
            files |= {row.place.file for row in part}
        if any(landed.new.values()):
            detail = {"files": sorted(files), "new": landed.new, "already": landed.already}
            store.insert_rows(
                connection, tables.events, [{"kind": "import", "detail": detail, "created_at": utc_timestamp()}]
            )
            store.analyze_tables(connection)
    return landed


def _study_concepts(connection: Connection) -> set[str]:
    """The study's closed list, and the concepts of its trials."""
    study, trial = tables.study.c, tables.trials.c
    listed = connection.execute(select(study.value).where(study.key == "concepts")).scalar() or []
    stored = connection.execute(select(trial.concept).distinct()).scalars()
    return {concept for concept in (*listed, *stored) if concept}


def _known_rows(
    connection: Connection, rows: Sequence[ImportedRow], concepts: set[str], told: Mapping[int, str]
) -> _KnownRows:
    ids = list({id_ for row in rows for id_ in (row.trial_id, row.former_id) if id_})
    trial, verdict = tables.trials.c, tables.verdicts.c
    answers = _by_trial(connection, select(trial.id, trial.answer, trial.error), trial.id, ids)
    query = select(verdict.trial, verdict.judge, verdict.raw, verdict.state).where(verdict.sample == 0)
    stored = [row.id for row in answers]
    verdicts = _by_trial(connection, query, verdict.trial, stored)
    labels = label_chains(_by_trial(connection, select(tables.labels), tables.labels.c.trial, stored))
    for key, chain in labels.items():
        chain[:] = [replace(event, file=told.get(hash((*key, event.revision)), "")) for event in chain]
    return _KnownRows(
        concepts,
        {row.id: (row.answer, row.error) for row in answers},
        {(row.trial, row.judge): (row.raw, row.state) for row in verdicts},
        labels,
        {row.trial for row in verdicts},
    )


def _file_keys(known: _KnownRows) -> dict[int, str]:
    """The file of this import that contains each label, by a hash of the label's key: the store does not keep it."""
    return {
        hash((*key, event.revision)): event.file for key, chain in known.labels.items() for event in chain if event.file
    }


def _by_trial(connection: Connection, query: Any, column: Any, ids: Sequence[str]) -> list[Any]:
    return [row for part in split_chunks(ids) for row in connection.execute(query.where(column.in_(part)))]


def _store_row(row: ImportedRow, known: _KnownRows, landed: ImportCounts, report: ImportReport, moment: str) -> None:
    row = _under_former_id(row, known)
    problems, before = len(report.problems), sum(landed.new.values())
    try:
        _store_trial(row, known, landed)
    except RowError as error:
        report.add_problem(row.place, error)
        return
    for said in row.labels:
        try:
            _store_label(row, said, known, landed, moment)
        except RowError as error:
            report.add_problem(row.place, error)
    for heard in row.verdicts:
        try:
            _store_verdict(row, heard, known, landed)
        except RowError as error:
            report.add_problem(row.place, error)
    landed.accepted += 1
    landed.repeated += len(report.problems) == problems and sum(landed.new.values()) == before


def _under_former_id(row: ImportedRow, known: _KnownRows) -> ImportedRow:
    """The row under the id that an earlier version gave its trial, if the study has it so."""
    if row.trial is None or row.former_id not in known.answers or row.trial_id in known.answers:
        return row
    return replace(row, trial_id=row.former_id, trial=replace(row.trial, id=row.former_id))


def _store_trial(row: ImportedRow, known: _KnownRows, landed: ImportCounts) -> None:
    there = known.answers.get(row.trial_id)
    if row.trial is None:
        if there is None:
            raise RowError(f"trial '{row.trial_id}' is not in this study: import its trial first, or fix the id")
        return
    if there is None:
        known.answers[row.trial_id] = (row.trial.answer, row.trial.error)
        known.new_trials.append(row.trial)
        landed.new["trials"] += 1
    elif there != (row.trial.answer, row.trial.error):
        raise RowError(
            f"trial '{row.trial_id}' is there with another answer: nothing is overwritten; fix the row's key, or "
            "import it into another study"
        )
    else:
        landed.already["trials"] += 1


def _on_closed_list(facts: Facts, concepts: set[str]) -> Facts:
    """Facts with a concept that is not on the study's closed list replaced by `other`."""
    if facts.concept in concepts or facts.concept in (NONE, OTHER):
        return facts
    return replace(facts, concept=OTHER)


def _store_verdict(row: ImportedRow, heard: ImportedVerdict, known: _KnownRows, landed: ImportCounts) -> None:
    key = (row.trial_id, heard.judge.version)
    there = known.verdicts.get(key)
    if there is None:
        known.verdicts[key] = (heard.raw, heard.state)
        known.judged.add(row.trial_id)
        facts = None if heard.facts is None else _on_closed_list(heard.facts, known.concepts)
        made = Verdict(*key, facts, heard.state, quote=heard.quote, raw=heard.raw, created_at=heard.at)
        known.new_verdicts.append(made)
        landed.new["verdicts"] += 1
        if facts is None:
            landed.unusable[heard.judge.name, heard.reason or f"it is {heard.state}"] += 1
    elif there == (heard.raw, heard.state):
        landed.already["verdicts"] += 1
    else:
        raise RowError(
            f"judge '{heard.judge.name}' has another verdict on trial '{row.trial_id}': nothing is overwritten; name "
            "this judge otherwise with --judge"
        )


def _store_label(row: ImportedRow, said: ImportedLabel, known: _KnownRows, landed: ImportCounts, moment: str) -> None:
    chain = known.labels.setdefault((row.trial_id, said.rater), [])
    facts = _on_closed_list(said.facts, known.concepts)
    mark = said.mark if facts is said.facts else MARK + said.facts.concept
    event = LabelEvent(facts, mark, said.at or moment, row.place.file)
    label = extend_chain(chain, event, said, row.trial_id, judged=row.trial_id in known.judged)
    if label is None:
        landed.already["labels"] += 1
        return
    known.new_labels.append(label)
    landed.new["labels"] += 1
    landed.revisions += label.revision > 0


def _write_batch(store: Store, connection: Connection, rows: Sequence[ImportedRow], known: _KnownRows) -> None:
    subjects = _subjects_of(rows)
    protocols = {row.protocol.hash: row.protocol for row in rows if row.protocol}
    judges = {heard.judge.version: heard.judge for row in rows for heard in row.verdicts}
    store.insert_rows(connection, tables.subjects, [asdict(subject) for subject in subjects.values()])
    _complete_sizes(connection, subjects.values())
    store.insert_rows(connection, tables.protocols, [asdict(each) for each in protocols.values()])
    store.insert_rows(connection, tables.judges, [judge_row(judge) for judge in judges.values()])
    store.bulk_insert(connection, tables.trials, [trial_row(trial) for trial in known.new_trials])
    store.bulk_insert(connection, tables.verdicts, [verdict_row(verdict) for verdict in known.new_verdicts])
    store.bulk_insert(connection, tables.labels, [label_row(label) for label in known.new_labels])


def _subjects_of(rows: Sequence[ImportedRow]) -> dict[str, Subject]:
    """Subjects by name, each from the first row that gives its size."""
    found: dict[str, Subject] = {}
    for subject in (row.subject for row in rows if row.subject):
        if subject.name not in found or found[subject.name].parameters == UNKNOWN_SIZE:
            found[subject.name] = subject
    return found


def _complete_sizes(connection: Connection, subjects: Iterable[Subject]) -> None:
    """Set the size of stored subjects whose size was unknown and is given by this import."""
    told: dict[float, list[str]] = defaultdict(list)
    for subject in subjects:
        if subject.parameters != UNKNOWN_SIZE:
            told[subject.parameters].append(subject.name)
    column = tables.subjects.c
    for size, names in told.items():
        unknown = column.name.in_(names) & (column.parameters == UNKNOWN_SIZE)
        connection.execute(update(tables.subjects).where(unknown).values(parameters=size))
