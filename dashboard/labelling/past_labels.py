"""What one rater has labelled and flagged, newest first: the rater's own words alone, nothing of arm or verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import RowMapping, func, select

from gnomon.calibration.queue.label_sampling import QueueItem
from gnomon.data.facts import FACTS, FactValue, asked_names, reported_answers
from gnomon.data.label_selection import LabelSelection
from gnomon.data.records import LabelKind, RaterRole
from gnomon.data.storage import tables
from gnomon.data.storage.fact_columns import facts_from_row
from gnomon.data.storage.store import Store

SHOWN = 20
"""Trials that a rater can jump back to."""
BEGINNING = 120
"""Characters of a response that a list shows."""


@dataclass(frozen=True, slots=True)
class PastLabel:
    """A trial that a rater has labelled, flagged or both, as far as that was not taken back.

    Attributes
    ----------
    item : QueueItem
        The trial as the queue gave it.
    answers : dict of str to bool or str
        Answers of the last label by fact; empty where the trial was only flagged.
    undecided : tuple of str
        Facts of which either answer would be right.
    flagged : bool
        Whether it is flagged.
    note : str
        The last note.
    beginning : str
        First characters of the response.
    """

    item: QueueItem
    answers: dict[str, FactValue]
    undecided: tuple[str, ...]
    flagged: bool
    note: str
    beginning: str

    @property
    def trial(self) -> str:
        """The trial's id."""
        return self.item.trial

    @property
    def summary(self) -> str:
        """The answers as the texts of their buttons, in the order of the questions; "no label" without any."""
        told = [_choice_text(name, self.answers[name]) for name in asked_names() if name in self.answers]
        return ", ".join(told) or "no label"


def past_labels(store: Store, rater: str, *, flagged: bool = False, n: int = SHOWN) -> list[PastLabel]:
    """Trials that a rater labelled or flagged last, newest first.

    Parameters
    ----------
    store : Store
        The study's store.
    rater : str
        Name of the rater.
    flagged : bool
        Only those that the rater has flagged.
    n : int
        Most trials.
    """
    event = tables.labels.c
    newest = func.max(event.id).label("newest")
    query = select(event.trial, newest).where(event.rater == rater, event.kind != str(LabelKind.RETRACTION))
    if flagged:
        query = query.where(event.kind == str(LabelKind.FLAG))
    with store.read_transaction() as connection:
        trials = list(connection.execute(query.group_by(event.trial).order_by(newest.desc()).limit(2 * n)).scalars())
    known = _standing(store, rater, trials)
    found = (known[trial] for trial in trials if trial in known)
    return [one for one in found if one.flagged or not flagged][:n]


def count_flagged(store: Store, rater: str) -> int:
    """Number of trials that a rater has flagged, without flags that were taken back.

    Parameters
    ----------
    store : Store
        The study's store.
    rater : str
        Name of the rater.
    """
    event = tables.labels.c
    query = select(event.trial, event.kind, event.revision).where(event.rater == rater)
    query = query.where(event.kind.in_([str(LabelKind.FLAG), str(LabelKind.RETRACTION)])).order_by(event.revision)
    with store.read_transaction() as connection:
        last = {row.trial: row.kind for row in connection.execute(query)}
    return sum(kind == str(LabelKind.FLAG) for kind in last.values())


def past_label(store: Store, rater: str, trial: str) -> PastLabel | None:
    """What stands of a rater's events on one trial; None if nothing does.

    Parameters
    ----------
    store : Store
        The study's store.
    rater : str
        Name of the rater.
    trial : str
        Trial id.
    """
    return _standing(store, rater, [trial]).get(trial)


def _standing(store: Store, rater: str, trials: Sequence[str]) -> dict[str, PastLabel]:
    """What stands of a rater's events, by trial; trials on which nothing does are left out."""
    event = tables.labels.c
    text = func.substr(tables.trials.c.answer, 1, BEGINNING).label("beginning")
    query = select(tables.labels, text).join(tables.trials, tables.trials.c.id == event.trial)
    query = query.where(event.trial.in_(trials), event.rater == rater).order_by(event.revision)
    standing: dict[str, list[RowMapping]] = {}
    with store.read_transaction() as connection:
        for row in connection.execute(query).mappings():
            if row["kind"] == str(LabelKind.RETRACTION):  # it takes back all that is older
                standing.pop(row["trial"], None)
            else:
                standing.setdefault(row["trial"], []).append(row)
    return {trial: _label_of(rows) for trial, rows in standing.items()}


def _label_of(rows: Sequence[RowMapping]) -> PastLabel:
    labels = [row for row in rows if row["kind"] == str(LabelKind.LABEL)]
    last = (labels or rows)[-1]
    facts = facts_from_row(last) if labels else None
    return PastLabel(
        item=QueueItem(
            last["trial"],
            last["stratum"],
            last["probability"],
            RaterRole(last["role"]),
            LabelSelection.from_document(last["selection"]),
        ),
        answers={} if facts is None else reported_answers(facts),
        undecided=tuple(last["undecided"] or ()) if labels else (),
        flagged=any(row["kind"] == str(LabelKind.FLAG) for row in rows),
        note=rows[-1]["note"],
        beginning=last["beginning"] or "",
    )


def _choice_text(name: str, value: FactValue) -> str:
    """The button's text of an answer, with the heading of its fact where "Yes" alone would say nothing."""
    fact = FACTS[name]
    text = next((choice.text for choice in fact.choices if choice.value == value), str(value))
    return text if fact.kind == "concept" else f"{fact.heading or fact.name}: {text.lower()}"
