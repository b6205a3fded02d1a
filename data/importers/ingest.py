"""Writes parsed rows to the store in one transaction, in batches, so that memory does not grow with the rows.

Duplicates are counted; conflicts with stored facts are reported.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, func, select, tuple_, update

from gnomon.data.arms import ARMS
from gnomon.data.errors import InputError
from gnomon.data.foreign_documents.bounds import Allowance
from gnomon.data.importers.field_parsers import ImportReport, RowError, fold_name
from gnomon.data.importers.label_history import MARK, Chain, LabelEvent, extend_chain, label_chains
from gnomon.data.importers.row_builders import (
    UNKNOWN_SIZE,
    ImportedLabel,
    ImportedRow,
    ImportedVerdict,
    SourceKey,
    facts_of_plain_pass,
    renamed_judge,
    spelled_numbers,
)
from gnomon.data.records import NONE, OTHER, Arm, Facts, Label, Subject, Trial, Verdict, utc_timestamp
from gnomon.data.storage import tables
from gnomon.data.storage.row_keys import KEYS
from gnomon.data.storage.store import (
    IMPORTED,
    Store,
    count_row,
    judge_row,
    label_row,
    split_chunks,
    trial_row,
    verdict_row,
)
from gnomon.data.storage.stored_settings import COUNTS

BATCH = 5_000
FEWEST_CONTROLS = 3
"""Trials without an injection from which on none that passes is no accident."""
MOST_REASONS = 100
"""Reasons why verdicts of a judge cannot be used that are counted apart."""


@dataclass(slots=True)
class ImportCounts:
    """Rows that an import added, by table, and rows that the study already had.

    `usable` counts the new verdicts that can be used, by judge; `unusable` the others, by judge and reason.
    """

    new: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("trials", "verdicts", "labels"), 0))
    already: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("trials", "verdicts", "labels"), 0))
    revisions: int = 0
    accepted: int = 0
    repeated: int = 0
    unusable: Counter[tuple[str, str]] = field(default_factory=Counter)
    usable: Counter[str] = field(default_factory=Counter)

    def count_verdict(self, verdict: ImportedVerdict) -> None:
        """Count a new verdict, usable or not."""
        judge, reason = verdict.judge.name, verdict.reason or f"it is {verdict.state}"
        if verdict.facts is not None:
            self.usable[judge] += 1
        elif (judge, reason) in self.unusable or len(self.unusable) < MOST_REASONS:
            self.unusable[judge, reason] += 1
        else:
            self.unusable[judge, "other reasons"] += 1


@dataclass(slots=True)
class _KnownNames:
    """Names of raters, judges or models: one that differs from an earlier one only in case, spaces or '.0' is the same.

    `what` is how notes call them. Names that the study has stay apart.
    """

    what: str
    known: set[str]
    folded: dict[str, str]

    @classmethod
    def of_column(cls, connection: Connection, column: Any, what: str) -> _KnownNames:
        names = sorted(connection.execute(select(column).distinct()).scalars())
        return cls(what, set(names), {fold_name(name): name for name in reversed(names)})

    def resolve_name(self, name: str, report: ImportReport) -> str:
        if name in self.known:
            return name
        found = self.folded.setdefault(fold_name(name), name)
        if found == name:
            self.known.add(name)
        else:
            report.add_note(f"{self.what} '{name}' counts as '{found}': the names differ only in case, spaces or '.0'")
        return found


@dataclass(slots=True)
class _Import:
    """What one import remembers from batch to batch.

    `asked` counts verdicts of this file by trial and judge, where the order in the file decides which one is meant.
    """

    concepts: set[str]
    report: ImportReport
    moment: str
    raters: _KnownNames
    subjects: _KnownNames
    judges: _KnownNames
    allowance: Allowance | None = None
    pass_is_event: dict[str, bool] = field(default_factory=dict)
    told: dict[int, str] = field(default_factory=dict)
    first_verdict: int = 0
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    passes: Counter[tuple[str, bool, bool]] = field(default_factory=Counter)
    """New verdicts and labels by pass or fail alone: whose, whether the arm counts identification, and the result."""
    joining: set[str] = field(default_factory=set)
    """Judges whose verdicts are on trials that the study had."""
    sources: frozenset[str] = frozenset()
    """Sources of the trials that the study had before."""
    joined: int = 0
    made: int = 0
    """Rows by key alone that add to a trial, and those that make one."""
    again: Counter[str] = field(default_factory=Counter)
    """New verdicts, by judge, that are samples only because their row has the key of an earlier one."""
    times: dict[tuple[str, str, str], tuple[str, str]] = field(default_factory=dict)
    """Content of the verdicts of this file whose number the source gives."""


@dataclass(slots=True)
class _Samples:
    """The verdicts of one judge on one trial, in the order of their samples, found by their content and their time."""

    contents: list[tuple[str, str]] = field(default_factory=list)
    places: dict[tuple[str, str], int] = field(default_factory=dict)
    _times: set[str] = field(default_factory=set)
    _timed: int = 0

    def append(self, content: tuple[str, str]) -> None:
        self.places.setdefault(content, len(self.contents))
        self.contents.append(content)

    def has_time(self, time: str) -> bool:
        """Whether a verdict says that it is of this time; '' is none."""
        for content in self.contents[self._timed :]:
            self._times.add(_stored_time(content))
        self._timed = len(self.contents)
        return time in self._times


@dataclass(slots=True)
class _KnownRows:
    """Stored trials, verdicts and label histories that a batch of rows refers to; extended as rows are accepted.

    `verdicts` are those of each trial and judge in the order of their samples; `older` those stored before this file.
    """

    concepts: set[str]
    answers: dict[str, tuple[str, str | None]]
    verdicts: dict[tuple[str, str], _Samples]
    older: set[tuple[str, str]]
    labels: dict[tuple[str, str], Chain]
    judged: set[str]
    new_trials: list[Trial] = field(default_factory=list)
    new_verdicts: list[Verdict] = field(default_factory=list)
    new_labels: list[Label] = field(default_factory=list)


def store_rows(
    store: Store,
    rows: Iterable[ImportedRow],
    concepts: set[str],
    report: ImportReport,
    allowance: Allowance | None = None,
) -> ImportCounts:
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
    allowance : Allowance, optional
        How many facts the rows may bring; those of rows that refer to stored trials are known only here.

    Returns
    -------
    ImportCounts
        Counts of new, repeated and accepted rows.

    Raises
    ------
    DocumentError
        If there are more; nothing is stored then.
    """
    landed = ImportCounts()
    files: set[str] = set()
    with store.write_transaction() as connection:
        listed = concepts | _study_concepts(connection)
        names = (
            _KnownNames.of_column(connection, tables.labels.c.rater, "rater"),
            _KnownNames.of_column(connection, tables.subjects.c.name, "model"),
            _KnownNames.of_column(connection, tables.judges.c.name, "judge"),
        )
        run = _Import(listed, report, utc_timestamp(), *names, allowance=allowance)
        run.sources = frozenset(connection.execute(select(tables.trials.c.source).distinct()).scalars())
        for file, of_file in groupby(rows, key=lambda row: row.place.file):
            files.add(file)
            run.first_verdict = connection.execute(select(func.max(tables.verdicts.c.id))).scalar() or 0
            run.asked.clear()
            run.times.clear()
            for part in split_chunks(of_file, BATCH):
                _store_batch(store, connection, part, run, landed)
        if run.joined and run.made:
            report.add_note(
                f"{run.made} rows have keys that the study has not, and became trials without a response; {run.joined} "
                "others belong to trials of the study: correct the keys if these should as well"
            )
        _tell_identifying_passes(run, report)
        for judge, times in (+run.again).items():
            report.add_note(
                f"judge '{judge}': {times} verdicts are on trials whose key an earlier row has: they are its further "
                "samples, and estimates count the first; if they are of other responses, map what tells them apart"
            )
        if any(landed.new.values()):
            detail = {"files": sorted(files), "new": landed.new, "already": landed.already}
            store.insert_rows(connection, tables.events, [{"kind": IMPORTED, "detail": detail, "created_at": ""}])
            store.analyze_tables(connection)
    return landed


def _tell_identifying_passes(run: _Import, report: ImportReport) -> None:
    """Tell judges and raters that pass injections and no trial without one: they may say whether the concept was named.

    Raises
    ------
    InputError
        If a map can say so, because the verdicts are in a file of their own.
    """
    for who in {who for who, *_ in run.passes}:
        fails = run.passes[who, False, False]
        if fails >= FEWEST_CONTROLS and run.passes[who, True, True] and not run.passes[who, False, True]:
            text = (
                f"{who} fails all {fails} trials without an injection, which all count as false alarms: "
                "if that says whether the concept was identified, it does not answer whether anything is claimed"
            )
            if who in run.joining:
                raise InputError(f"{text}: map it as 'identified' beside 'claims'; nothing was stored")
            report.add_note(text)


def _store_batch(
    store: Store, connection: Connection, part: Sequence[ImportedRow], run: _Import, landed: ImportCounts
) -> None:
    whole = [_fold_subject(row, run) for row in part]
    _store_counts(store, connection, [row for row in whole if row.counted is not None], run, landed)
    single = [row.with_former_id() for row in whole if row.counted is None]
    rows = [_fold_judges(row, run) for row in _resolve_rows(connection, single, run)]
    known = _known_rows(connection, rows, run)
    for row in rows:
        _store_row(row, known, landed, run)
    _write_batch(store, connection, rows, known)
    run.told |= _file_keys(known)


def _fold_subject(row: ImportedRow, run: _Import) -> ImportedRow:
    """The row with its model as the study, or an earlier row, spells it."""
    if row.subject is None or (row.trial is None and row.counted is None):
        return row
    name = run.subjects.resolve_name(row.subject.name, run.report)
    if name == row.subject.name:
        return row
    if row.counted is not None:
        return replace(row, counted=replace(row.counted, subject=name), subject=replace(row.subject, name=name))
    assert row.trial is not None
    condition = replace(row.trial.condition, subject=name)
    trial = replace(row.trial, id=condition.trial_id(row.trial.replicate), condition=condition)
    key = row.key and replace(row.key, subject=row.key.subject and name)
    return replace(row, trial_id=trial.id, trial=trial, subject=replace(row.subject, name=name), key=key)


def _store_counts(
    store: Store, connection: Connection, rows: Sequence[ImportedRow], run: _Import, landed: ImportCounts
) -> None:
    """Store rows that count many trials; one whose cell is there with other numbers is reported."""
    if not rows:
        return
    subjects = _subjects_of(rows)
    store.insert_rows(connection, tables.subjects, [asdict(subject) for subject in subjects.values()])
    complete_sizes(connection, subjects.values())
    made_rows = [(count_row(row.counted), row.place) for row in rows if row.counted is not None]
    key = tuple_(*(tables.counts.c[name] for name in KEYS["counts"]))
    keys = list({tuple(made[name] for name in KEYS["counts"]) for made, _ in made_rows})
    stored = _by_trial(connection, select(tables.counts), key, keys)
    held = {tuple(row._mapping[name] for name in KEYS["counts"]): dict(row._mapping) for row in stored}
    fresh = []
    for made, place in made_rows:
        there = held.setdefault(tuple(made[name] for name in KEYS["counts"]), made)
        if there is made:
            fresh.append(made)
        elif there != made:
            run.report.add_problem(
                place, "its cell is there with other counts: nothing is overwritten; import it into another study"
            )
            continue
        landed.accepted += 1
        landed.repeated += there is not made
    store.insert_rows(connection, tables.counts, fresh)
    landed.new[COUNTS] = landed.new.get(COUNTS, 0) + len(fresh)
    landed.already[COUNTS] = landed.already.get(COUNTS, 0) + len(rows) - len(fresh)


def _fold_judges(row: ImportedRow, run: _Import) -> ImportedRow:
    """The row with its judges as the study, or an earlier row, spells them."""
    names = [run.judges.resolve_name(heard.judge.name, run.report) for heard in row.verdicts]
    if all(name == heard.judge.name for name, heard in zip(names, row.verdicts, strict=True)):
        return row
    verdicts = (
        replace(heard, judge=renamed_judge(heard.judge, name)) for name, heard in zip(names, row.verdicts, strict=True)
    )
    return replace(row, verdicts=tuple(verdicts))


@dataclass(frozen=True, slots=True)
class _StoredTrial:
    """A stored trial, as far as a row that refers to it needs it."""

    id: str
    source: str
    subject: str
    arm: Arm
    concept: str | None


def _resolve_rows(connection: Connection, rows: Sequence[ImportedRow], run: _Import) -> list[ImportedRow]:
    """The rows with id and facts of the stored trials that they refer to; those that refer to none are reported."""
    sources = {row.key.source if row.key else row.trial.source if row.trial else "" for row in rows}
    referring = [row for row in rows if row.key is not None]
    by_id = _stored_by_id(connection, [row.trial_id for row in referring if row.trial_id])
    by_key = _stored_by_key(connection, [row.key for row in referring if row.key and row.trial_id not in by_id])
    for source in sources | {trial.source for trial in by_id.values()}:
        if source not in run.pass_is_event:
            run.pass_is_event[source] = pass_is_event(connection, source)
    resolved = []
    for row in rows:
        try:
            resolved.append(_resolve_row(row, by_id, by_key, run))
        except RowError as error:
            run.report.add_problem(row.place, error)
    return resolved


def _resolve_row(
    row: ImportedRow,
    by_id: Mapping[str, _StoredTrial],
    by_key: Mapping[tuple[str, int, int], Sequence[_StoredTrial]],
    run: _Import,
) -> ImportedRow:
    if row.key is None:
        return row
    stored = by_id.get(row.trial_id) or _only_trial(row.key, by_key)
    if stored is None:
        if row.trial is not None:
            run.made += row.key.source in run.sources
            return row
        raise RowError(_absent_trial(row, run))
    run.joined += stored.source in run.sources
    if row.trial is not None and row.trial_id == stored.id:
        return row
    assert row.read_facts is not None
    facts = row.read_facts(stored.arm, stored.concept)
    if run.allowance is not None:
        run.allowance.take(len(facts.verdicts) + len(facts.labels))
    for problem in facts.problems:
        run.report.add_problem(row.place, problem)
    return replace(
        row,
        trial_id=stored.id,
        trial=None,
        subject=None,
        protocol=None,
        verdicts=facts.verdicts,
        labels=facts.labels,
        key=replace(row.key, source=stored.source),
    )


def _absent_trial(row: ImportedRow, run: _Import) -> str:
    """Why a row that refers to a stored trial is not taken."""
    if row.trial_id or row.key is None:
        return f"trial '{row.trial_id}' is not in this study: import its trial first, or fix the id"
    if run.sources and row.key.source not in run.sources:
        return (
            f"trial '{row.key}' of source '{row.key.source}' is not in this study, whose sources are "
            f"{', '.join(sorted(run.sources))}: name one as 'source' in the map"
        )
    return (
        f"trial '{row.key}' is not in this study: import its trial first, fix the key, or map 'subject' or 'answer' if "
        "the row is a trial of its own"
    )


def _only_trial(key: SourceKey, by_key: Mapping[tuple[str, int, int], Sequence[_StoredTrial]]) -> _StoredTrial | None:
    for numbers in spelled_numbers(key):
        found = by_key.get((key.source, *numbers), ())
        found = [trial for trial in found if key.subject in (None, trial.subject)]
        if len(found) > 1:
            raise RowError(
                f"'{key}' names {len(found)} trials of this study: map what tells them apart (subject), or name them "
                "by 'id'"
            )
        if found:
            return found[0]
    return None


def _stored_by_id(connection: Connection, ids: Sequence[str]) -> dict[str, _StoredTrial]:
    trial = tables.trials.c
    query = select(trial.id, trial.source, trial.subject, trial.arm, trial.concept)
    rows = _by_trial(connection, query, trial.id, list(set(ids)))
    return {row.id: _StoredTrial(row.id, row.source, row.subject, Arm(row.arm), row.concept) for row in rows}


def _stored_by_key(connection: Connection, keys: Sequence[SourceKey]) -> dict[tuple[str, int, int], list[_StoredTrial]]:
    wanted = {(key.source, *numbers) for key in keys for numbers in spelled_numbers(key)}
    trial = tables.trials.c
    query = select(
        trial.id, trial.source, trial.subject, trial.arm, trial.concept, trial.replicate, trial.study_seed
    ).where(trial.source.in_({source for source, _, _ in wanted}))
    found: dict[tuple[str, int, int], list[_StoredTrial]] = defaultdict(list)
    for row in _by_seed(connection, query, {seed for *_, seed in wanted}):
        place = (row.source, row.replicate, row.study_seed)
        if place in wanted:
            found[place].append(_StoredTrial(row.id, row.source, row.subject, Arm(row.arm), row.concept))
    return found


def _by_seed(connection: Connection, query: Any, seeds: Collection[int]) -> Iterable[Any]:
    """Trials by their study seeds, which no index leads to: SQLite reads its table once, however many are asked for."""
    column = tables.trials.c.study_seed
    if connection.dialect.name != "sqlite":
        return _by_trial(connection, query, column, list(seeds))
    listed = func.json_each(json.dumps(list(seeds))).table_valued("value")
    return connection.execute(query.where(column.in_(select(listed.c.value)))) if seeds else ()


def pass_is_event(connection: Connection, source: str) -> bool:
    """Whether in the stored control trials of a source a pass is the event, as earlier versions imported Inspect logs.

    Otherwise, and in all new studies, a control trial passes if nothing is claimed: a fail is the event.

    Parameters
    ----------
    connection : Connection
        A transaction that reads.
    source : str
        Where the trials are from.
    """
    trial = tables.trials.c
    for table in (tables.verdicts, tables.labels):
        facts = table.c
        query = (
            select(facts.claims, facts.passed)
            .join_from(table, tables.trials, facts.trial == trial.id)
            .where(trial.source == source, trial.arm == str(Arm.CONTROL), facts.passed.is_not(None))
            .where(facts.coherent.is_(True), facts.refused.is_(False))
            .limit(1)
        )
        if (row := connection.execute(query).first()) is not None:
            return bool(row.claims == row.passed)
    return False


def _study_concepts(connection: Connection) -> set[str]:
    """The study's closed list, and the concepts of its trials."""
    study, trial = tables.study.c, tables.trials.c
    listed = connection.execute(select(study.value).where(study.key == "concepts")).scalar() or []
    stored = connection.execute(select(trial.concept).distinct()).scalars()
    return {concept for concept in (*listed, *stored) if concept}


def _known_rows(connection: Connection, rows: Sequence[ImportedRow], run: _Import) -> _KnownRows:
    ids = list({id_ for row in rows for id_ in (row.trial_id, row.former_id) if id_})
    trial, verdict = tables.trials.c, tables.verdicts.c
    answers = _by_trial(connection, select(trial.id, trial.answer, trial.error), trial.id, ids)
    query = select(verdict.trial, verdict.judge, verdict.raw, verdict.state, verdict.sample, verdict.id)
    stored = [row.id for row in answers]
    rows_stored = sorted(_by_trial(connection, query, verdict.trial, stored), key=lambda row: int(row.sample))
    verdicts: dict[tuple[str, str], _Samples] = defaultdict(_Samples)
    for row in rows_stored:
        verdicts[row.trial, row.judge].append((row.raw, row.state))
    labels = label_chains(_by_trial(connection, select(tables.labels), tables.labels.c.trial, stored))
    for key, chain in labels.items():
        chain[:] = [replace(event, file=run.told.get(hash((*key, event.revision)), "")) for event in chain]
    return _KnownRows(
        run.concepts,
        {row.id: (row.answer, row.error) for row in answers},
        verdicts,
        {(row.trial, row.judge) for row in rows_stored if row.id <= run.first_verdict},
        labels,
        {row.trial for row in rows_stored},
    )


def _file_keys(known: _KnownRows) -> dict[int, str]:
    """The file of this import that contains each label, by a hash of the label's key: the store does not keep it."""
    return {
        hash((*key, event.revision)): event.file for key, chain in known.labels.items() for event in chain if event.file
    }


def _by_trial(connection: Connection, query: Any, column: Any, ids: Sequence[object]) -> list[Any]:
    return [row for part in split_chunks(ids) for row in connection.execute(query.where(column.in_(part)))]


def _store_row(row: ImportedRow, known: _KnownRows, landed: ImportCounts, run: _Import) -> None:
    row = _under_former_id(row, known)
    problems, before = len(run.report.problems), sum(landed.new.values())
    try:
        _store_trial(row, known, landed)
    except RowError as error:
        run.report.add_problem(row.place, error)
        return
    for said in row.labels:
        try:
            _store_label(row, said, known, landed, run)
        except RowError as error:
            run.report.add_problem(row.place, error)
    for heard in row.verdicts:
        try:
            _store_verdict(row, heard, known, landed, run)
        except RowError as error:
            run.report.add_problem(row.place, error)
    landed.accepted += 1
    landed.repeated += len(run.report.problems) == problems and sum(landed.new.values()) == before


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
    elif there != (row.trial.answer, row.trial.error) and row.key is None:
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


def _source_of(row: ImportedRow) -> str:
    return row.trial.source if row.trial is not None else row.key.source if row.key is not None else ""


def _is_pass_the_event(passed_in: Arm | None, row: ImportedRow, run: _Import) -> bool:
    """Whether a pass in this arm is the event in the trials that the study has of the row's source."""
    return passed_in is Arm.CONTROL and run.pass_is_event.get(_source_of(row), False)


def _event_facts(facts: Facts, passed_in: Arm | None, row: ImportedRow, run: _Import) -> Facts:
    """Facts of a pass or fail as this study reads it: studies in which a pass is the event keep that meaning."""
    if not _is_pass_the_event(passed_in, row, run):
        return facts
    source = _source_of(row)
    run.report.add_note(
        f"source '{source}': a pass is the event in the control trials that this study has, and in these rows as well"
    )
    assert facts.passed is not None
    plain = facts_of_plain_pass(facts.passed, coherent=facts.coherent, refused=facts.refused)
    return replace(plain, further=facts.further)


def _store_verdict(
    row: ImportedRow, heard: ImportedVerdict, known: _KnownRows, landed: ImportCounts, run: _Import
) -> None:
    key, content = (row.trial_id, heard.judge.version), (heard.raw, str(heard.state))
    there = known.verdicts.setdefault(key, _Samples())
    sample = _sample_number(key, heard, content, known, run)
    if sample == len(there.contents):
        there.append(content)
        known.judged.add(row.trial_id)
        facts = heard.facts and _event_facts(heard.facts, heard.passed_in, row, run)
        if facts is not None and facts == heard.facts and heard.passed_in is not None:
            who = f"judge '{heard.judge.name}'"
            run.joining |= {who} if row.trial is None else set()
            run.passes[who, ARMS[heard.passed_in].counts_identified, bool(facts.passed)] += 1
        facts = facts and _on_closed_list(facts, known.concepts)
        known.new_verdicts.append(
            Verdict(
                *key,
                facts,
                heard.state,
                sample=sample,
                quote=heard.quote,
                raw=heard.raw,
                created_at=heard.at,
                scores=heard.scores,
            )
        )
        landed.new["verdicts"] += 1
        landed.count_verdict(heard)
        run.again[heard.judge.name] += sample > 0 and heard.asked == ""
    elif there.contents[sample] == content:
        landed.already["verdicts"] += 1
    else:
        raise RowError(
            f"judge '{heard.judge.name}' has another verdict on trial '{row.trial_id}': nothing is overwritten; name "
            "this judge otherwise (--judge, or 'judge' in the map), or say which time it was asked (map 'sample')"
        )


def _sample_number(
    key: tuple[str, str], heard: ImportedVerdict, content: tuple[str, str], known: _KnownRows, run: _Import
) -> int:
    """Which of the judge's verdicts on a trial this is, from 0; the number of stored ones for a new one."""
    there = known.verdicts[key]
    if heard.asked is None:
        return 0
    if heard.asked:
        if (place := there.places.get(content)) is not None:
            return place
        asked = fold_name(heard.asked)
        earlier = run.times.setdefault((*key, asked), content)
        if earlier != content or there.has_time(asked):
            raise RowError(
                f"judge '{heard.judge.name}' has two verdicts for sample '{heard.asked}' of trial '{key[0]}': the "
                "first is kept; give each its own number"
            )
        return len(there.contents)
    if key not in known.older:
        return len(there.contents)
    run.asked[key] += 1
    return min(run.asked[key] - 1, len(there.contents))


def _stored_time(stored: tuple[str, str]) -> str:
    """Which time the judge was asked according to a stored verdict, as `fold_name` gives it, or ''."""
    try:
        kept = json.loads(stored[0])
    except (ValueError, RecursionError):
        return ""
    time = kept.get("sample") if isinstance(kept, dict) else None
    return "" if time is None or isinstance(time, dict | list) else fold_name(str(time))


def _store_label(row: ImportedRow, said: ImportedLabel, known: _KnownRows, landed: ImportCounts, run: _Import) -> None:
    said = replace(
        said,
        rater=run.raters.resolve_name(said.rater, run.report),
        facts=_event_facts(said.facts, said.passed_in, row, run),
    )
    chain = known.labels.setdefault((row.trial_id, said.rater), [])
    facts = _on_closed_list(said.facts, known.concepts)
    mark = said.mark if facts is said.facts else MARK + said.facts.concept
    event = LabelEvent(facts, mark, said.at or run.moment, row.place.file)
    label = extend_chain(chain, event, said, row.trial_id, judged=row.trial_id in known.judged)
    if label is None:
        landed.already["labels"] += 1
        return
    if said.passed_in is not None and not _is_pass_the_event(said.passed_in, row, run):
        run.passes[f"rater '{said.rater}'", ARMS[said.passed_in].counts_identified, bool(said.facts.passed)] += 1
    known.new_labels.append(label)
    landed.new["labels"] += 1
    landed.revisions += label.revision > 0


def _write_batch(store: Store, connection: Connection, rows: Sequence[ImportedRow], known: _KnownRows) -> None:
    subjects = _subjects_of(rows)
    protocols = {row.protocol.hash: row.protocol for row in rows if row.protocol}
    judges = {heard.judge.version: heard.judge for row in rows for heard in row.verdicts}
    store.insert_rows(connection, tables.subjects, [asdict(subject) for subject in subjects.values()])
    complete_sizes(connection, subjects.values())
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


def complete_sizes(connection: Connection, subjects: Iterable[Subject]) -> None:
    """Set the size of stored subjects whose size was unknown and is given by this import."""
    told: dict[float, list[str]] = defaultdict(list)
    for subject in subjects:
        if subject.parameters != UNKNOWN_SIZE:
            told[subject.parameters].append(subject.name)
    column = tables.subjects.c
    for size, names in told.items():
        unknown = column.name.in_(names) & (column.parameters == UNKNOWN_SIZE)
        connection.execute(update(tables.subjects).where(unknown).values(parameters=size))
