"""Trials of a study with their verdicts and labels, as formats write them that hold one record per answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from gnomon.data.errors import InputError
from gnomon.data.importers.ingest import pass_is_event
from gnomon.data.outcomes import is_pass, rule_named
from gnomon.data.records import Arm, Facts, LabelKind
from gnomon.data.storage import tables
from gnomon.data.storage.design_scope import report_trials
from gnomon.data.storage.fact_columns import facts_from_row
from gnomon.data.storage.store import Store, split_chunks
from gnomon.data.study_settings import StudySettings, load_settings

BATCH = 500


@dataclass(frozen=True, slots=True)
class ExportedTrial:
    """A trial with everything that was said of it.

    Attributes
    ----------
    row : Row
        The trial as a row of its table.
    verdicts : list of Row
        Verdicts of all judges, in the order in which they were stored.
    labels : dict of str to list of Row
        Labels by rater in the order of their revisions, from the last withdrawal on.
    """

    row: Any
    verdicts: list[Any] = field(default_factory=list)
    labels: dict[str, list[Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExportedStudy:
    """What an export says of the whole study.

    Attributes
    ----------
    settings : StudySettings
        Its settings.
    judges : dict of str to Row
        Judges by version.
    judge_names : dict of str to str
        By version a name that no other version has.
    questions : dict of str to list of dict
        The conversation put to the subject by protocol, as role and content.
    protocols : dict of str to dict
        What is stored of each protocol, by its hash.
    generic_sources : set of str
        Sources that know no arms: their results are passes and fails of control trials.
    pass_is_event : dict of str to bool
        By source of trials, whether a pass is the event in control trials.
    """

    settings: StudySettings
    judges: Mapping[str, Any]
    judge_names: Mapping[str, str]
    questions: Mapping[str, list[dict[str, str]]]
    protocols: Mapping[str, Mapping[str, object]]
    generic_sources: frozenset[str]
    pass_is_event: Mapping[str, bool]

    @property
    def name(self) -> str:
        """Name of the study."""
        return self.settings.name or "study"

    def is_generic(self, trial: Any) -> bool:
        """Whether the trial's source knows no arms and reports passes, as other studies' data do."""
        return trial.source in self.generic_sources

    def is_passed(self, facts: Facts, trial: Any) -> bool:
        """Whether facts mean a pass: as their source says it, else the event of a generic study, else by the rule.

        Parameters
        ----------
        facts : Facts
            A verdict's or a label's facts.
        trial : Row
            The trial.
        """
        if facts.passed is not None:
            return facts.passed
        arm = Arm(trial.arm)
        if arm is Arm.CONTROL and self.pass_is_event.get(trial.source, False):
            return facts.claims
        return is_pass(rule_named(self.settings.rule)(facts, arm, trial.concept), arm)


def read_study(store: Store) -> ExportedStudy:
    """The parts of a study that are not single trials.

    Raises
    ------
    InputError
        If the study holds no responses, which formats with one record per answer need.
    """
    settings = load_settings(store)
    if not store.has_rows(tables.trials):
        raise InputError(f"study '{settings.name}': holds no responses: export its tables with --format gnomon")
    judges, protocols = tables.judges, tables.protocols
    with store.read_transaction() as connection:
        known = {row.version: row for row in connection.execute(select(judges).order_by(judges.c.created_at))}
        contents = {row.hash: row.content for row in connection.execute(select(protocols))}
        sources = connection.execute(select(tables.trials.c.source).distinct()).scalars().all()
        events = {source: pass_is_event(connection, source) for source in sources}
        generic = frozenset(source for source in sources if _knows_no_arms(connection, source))
    counts = defaultdict(list)
    for row in known.values():
        counts[row.name].append(row.version)
    names = {
        version: row.name if len(counts[row.name]) == 1 else f"{row.name} {version[:8]}"
        for version, row in known.items()
    }
    for version, name in names.items():
        if sum(name == other for other in names.values()) > 1:
            names[version] = f"{known[version].name} {version}"
    asked = {hash_: _conversation(content) for hash_, content in contents.items()}
    return ExportedStudy(settings, known, names, asked, contents, generic, events)


def _knows_no_arms(connection: Connection, source: str) -> bool:
    """Whether all trials of a source are control trials, and its results are passes and fails."""
    trial = tables.trials.c
    steered = select(trial.id).where(trial.source == source, trial.arm != str(Arm.CONTROL)).limit(1)
    if connection.execute(steered).first() is not None:
        return False
    results = (
        select(table.c.passed).join_from(table, tables.trials, table.c.trial == trial.id)
        .where(trial.source == source, table.c.passed.is_not(None)).limit(1)
        for table in (tables.verdicts, tables.labels)
    )  # fmt: skip
    return any(connection.execute(query).first() is not None for query in results)


def _conversation(content: Mapping[str, Any]) -> list[dict[str, str]]:
    turns = content.get("messages")
    return [
        {"role": str(turn.get("role")), "content": str(turn.get("content"))}
        for turn in (turns if isinstance(turns, list) else [])
        if isinstance(turn, Mapping)
    ]


def subjects_with_trials(connection: Connection) -> list[str]:
    """Names of the subjects that have trials, in order."""
    column = tables.trials.c.subject
    return [str(name) for name in connection.execute(select(column).distinct().order_by(column)).scalars()]


def iter_trials(
    connection: Connection, subject: str | None = None, *, failed: bool = True, reports_only: bool = False
) -> Iterator[ExportedTrial]:
    """Trials in the order of their ids, which are hashes: an order that nothing measured has a part in.

    Parameters
    ----------
    connection : Connection
        A transaction that reads.
    subject : str, optional
        The subject; all of them without it.
    failed : bool, default True
        Whether trials without an answer are among them.
    reports_only : bool, default False
        Whether trials of other measures, which judges and raters do not read, are left out.
    """
    trial = tables.trials.c
    query = select(trial.id).order_by(trial.id)
    if subject is not None:
        query = query.where(trial.subject == subject)
    if not failed:
        query = query.where(trial.error.is_(None))
    if reports_only:
        query = query.where(*report_trials())
    ids = list(connection.execute(query).scalars())
    for part in split_chunks(ids, BATCH):
        yield from _read_trials(connection, part)


def _read_trials(connection: Connection, ids: Sequence[str]) -> Iterator[ExportedTrial]:
    trial, verdict, label = tables.trials, tables.verdicts, tables.labels
    found = {row.id: ExportedTrial(row) for row in connection.execute(select(trial).where(trial.c.id.in_(ids)))}
    for row in connection.execute(select(verdict).where(verdict.c.trial.in_(ids)).order_by(verdict.c.id)):
        found[row.trial].verdicts.append(row)
    events = select(label).where(label.c.trial.in_(ids)).order_by(label.c.rater, label.c.revision)
    for row in connection.execute(events):
        standing = found[row.trial].labels.setdefault(row.rater, [])
        if row.kind == LabelKind.RETRACTION:
            standing.clear()
        elif row.kind == LabelKind.LABEL:
            standing.append(row)
    for id_ in ids:
        kept = {rater: events for rater, events in found[id_].labels.items() if events}
        yield ExportedTrial(found[id_].row, found[id_].verdicts, kept)


def facts_of(row: Any) -> Facts | None:
    """The facts of a verdict's or label's row."""
    return facts_from_row(row._mapping)
