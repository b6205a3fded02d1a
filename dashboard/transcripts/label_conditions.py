"""SQL conditions on trials by their label events: labelled, by whom, flagged, noted. Retracted events do not count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, exists, func, select

from gnomon.data.records import LabelKind
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store

_id = tables.trials.c.id


def standing_events(kinds: Sequence[LabelKind]) -> tuple[FromClause, list[ColumnElement[bool]]]:
    """The table of label events, and the conditions under which one is of these kinds and was not retracted.

    Parameters
    ----------
    kinds : sequence of LabelKind
        Labels, flags or both.
    """
    given, taken = tables.labels.alias("given"), tables.labels.alias("taken")
    withdrawn = exists().where(
        taken.c.trial == given.c.trial,
        taken.c.rater == given.c.rater,
        taken.c.kind == str(LabelKind.RETRACTION),
        taken.c.revision > given.c.revision,
    )
    return given, [given.c.kind.in_([str(kind) for kind in kinds]), ~withdrawn]


def labelled_trials(rater: str | None = None) -> Select[Any]:
    """Ids of the trials with a label, of one rater if one is named."""
    given, standing = standing_events([LabelKind.LABEL])
    named = [] if rater is None else [given.c.rater == rater]
    return select(given.c.trial).where(*standing, *named)


def trials_labelled_often(number: int) -> Select[Any]:
    """Ids of the trials that at least so many raters have labelled."""
    given, standing = standing_events([LabelKind.LABEL])
    query = select(given.c.trial).where(*standing).group_by(given.c.trial)
    return query.having(func.count(given.c.rater.distinct()) >= number)


def is_labelled(rater: str | None = None) -> ColumnElement[bool]:
    """The trial has a label, of one rater if one is named."""
    return _id.in_(labelled_trials(rater))


def is_flagged() -> ColumnElement[bool]:
    """A rater flagged the trial for review."""
    given, standing = standing_events([LabelKind.FLAG])
    return _id.in_(select(given.c.trial).where(*standing))


def has_note() -> ColumnElement[bool]:
    """A rater wrote a note with a label or flag of the trial."""
    given, standing = standing_events([LabelKind.LABEL, LabelKind.FLAG])
    return _id.in_(select(given.c.trial).where(*standing, given.c.note != ""))


def label_counts(store: Store, trials: Sequence[str]) -> list[int]:
    """For each trial, the number of raters with a label on it; retracted labels do not count.

    Parameters
    ----------
    store : Store
        The study's store.
    trials : sequence of str
        Trial ids.
    """
    given, standing = standing_events([LabelKind.LABEL])
    query = select(given.c.trial, func.count(given.c.rater.distinct())).where(
        given.c.trial.in_(list(trials)), *standing
    )
    with store.read_transaction() as connection:
        found = {row[0]: int(row[1]) for row in connection.execute(query.group_by(given.c.trial))}
    return [found.get(trial, 0) for trial in trials]


def most_labels(store: Store) -> int:
    """The greatest number of raters that have labelled one trial."""
    given, standing = standing_events([LabelKind.LABEL])
    counts = select(func.count(given.c.rater.distinct()).label("raters")).where(*standing).group_by(given.c.trial)
    with store.read_transaction() as connection:
        return int(connection.execute(select(func.coalesce(func.max(counts.subquery().c.raters), 0))).scalar_one())
