"""The history of a rater's labels on a trial: decides whether an imported label is known, a revision or a conflict."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from gnomon.data.foreign_documents.bounds import REVISIONS
from gnomon.data.importers.field_parsers import RowError
from gnomon.data.importers.row_builders import ImportedLabel
from gnomon.data.label_selection import LabelSelection
from gnomon.data.raters import kind_of_name
from gnomon.data.records import LONGEST_NOTE, OTHER, Exposure, Facts, Label, LabelKind
from gnomon.data.storage.fact_columns import facts_from_row

SEPARATOR = " | "
MARK = "detected: "


@dataclass(frozen=True, slots=True)
class LabelEvent:
    """One label: its content, its time, and the file of the current import that contains it, if any."""

    facts: Facts | None
    mark: str
    at: str
    file: str = ""
    revision: int = 0
    policy: str = ""
    undecided: tuple[str, ...] = ()


Chain = list[LabelEvent]


def label_chains(rows: Iterable[Any]) -> dict[tuple[str, str], Chain]:
    """Stored label events (rows of `tables.labels`) by trial and rater, in the order of their revisions."""
    found: dict[tuple[str, str], Chain] = {}
    for row in sorted(rows, key=lambda each: int(each.revision)):
        facts = facts_from_row(row._mapping) if row.kind == LabelKind.LABEL else None
        open_facts = tuple(row.undecided or ())
        event = LabelEvent(facts, mark_of(row.note), row.created_at, "", row.revision, row.policy, open_facts)
        found.setdefault((row.trial, row.rater), []).append(event)
    return found


def mark_of(note: str) -> str:
    """The mark at the beginning of a stored note, or ''."""
    mark, separator, _ = note.partition(SEPARATOR)
    return mark if separator and mark.startswith(MARK) else ""


def two_at_once(rater: str, trial: str, at: str) -> RowError:
    """The error for a rater with two different labels on one trial at the same time.

    Parameters
    ----------
    rater : str
        Name of the rater.
    trial : str
        Id of the trial.
    at : str
        Time of the labels, as stored.
    """
    return RowError(
        f"rater '{rater}' has two labels on trial '{trial}' at one instant ({at}): the first is kept; give the later "
        "one its own time"
    )


def extend_chain(chain: Chain, event: LabelEvent, said: ImportedLabel, trial: str, *, judged: bool) -> Label | None:
    """Append a label to its rater's history on a trial; returns None if the label is already known.

    Parameters
    ----------
    chain : list of LabelEvent
        The history so far; the new label is appended.
    event : LabelEvent
        The label's content and time.
    said : ImportedLabel
        The label as the source gives it.
    trial : str
        Id of the trial.
    judged : bool
        Whether a verdict on the trial is known from earlier rows or imports.

    Raises
    ------
    RowError
        If the rater has more labels on the trial than allowed, or the label cannot be ordered: the same rater has a
        different one at the same time in the same file, it is older than one of an earlier row of the file, or it
        precedes a verdict although a label without a verdict is already stored.
    """
    note = event.mark + SEPARATOR + said.note if event.mark else said.note
    if len(note) > LONGEST_NOTE:
        raise RowError(f"the note of '{said.rater}' has {len(note)} characters: {LONGEST_NOTE} are the most")
    known = _is_known(chain, event, said)
    if _find_conflict(chain, event, said.exact) and (said.exact or not known):
        raise two_at_once(said.rater, trial, event.at)
    if known:
        _read_again(chain, event, said.exact)
        return None
    if chain and said.exact and chain[-1].file == event.file and event.at < chain[-1].at:
        raise RowError(
            f"the label of '{said.rater}' on trial '{trial}' ({event.at}) is older than that of an earlier row, which "
            "counts: give the rows of a trial in the order of their times"
        )
    if len(chain) >= REVISIONS.most:
        raise RowError(f"the history of '{said.rater}' on trial '{trial}' {REVISIONS.refusal}")
    exposure = said.exposure or Exposure.UNKNOWN
    at = event.at
    if chain:
        if said.before_verdict and not judged:
            raise RowError(
                f"the label of '{said.rater}' on trial '{trial}' differs from the stored one and is from before it, so "
                "it is not taken: import the calibration file first, or both files together, into a new study"
            )
        exposure = said.exposure or (Exposure.AFTER_VERDICT if judged else Exposure.UNKNOWN)
        at = max(at, next_instant(chain[-1].at))
    revision = chain[-1].revision + 1 if chain else 0
    chain.append(LabelEvent(event.facts, event.mark, at, event.file, revision, said.policy, said.undecided or ()))
    return Label(
        trial,
        said.rater,
        event.facts,
        role=said.role,
        revision=revision,
        exposure=exposure,
        note=note,
        stratum=said.stratum,
        probability=said.probability,
        selection=None if said.chosen_by is None else LabelSelection(said.chosen_by),
        rater_kind=said.rater_kind or kind_of_name(said.rater),
        created_at=at,
        policy=said.policy,
        undecided=said.undecided or (),
    )


def _is_known(chain: Chain, event: LabelEvent, said: ImportedLabel) -> bool:
    """Whether the label was read before: it is the current one, or, by `before_verdict` or its time, an earlier one.

    The same answer under another guideline, or under one where none was recorded, is a label of its own; so is one that
    leaves other facts open, where the source says which.
    """
    alike = [
        each
        for each in chain
        if _event_content(each) == _event_content(event)
        and said.policy in ("", each.policy)
        and said.undecided in (None, each.undecided)
    ]
    if not alike:
        return False
    return alike[-1] is chain[-1] or said.before_verdict or any(each.at == event.at for each in alike)


def _read_again(chain: Chain, event: LabelEvent, exact: bool) -> None:
    """Note that this file also holds a stored label, so that a different one at the same time in it is a conflict.

    A label without a time has that of its import: read again, it is as old as the other labels of the file.
    """
    alike = [place for place, each in enumerate(chain) if _event_content(each) == _event_content(event)]
    for place in alike:
        if chain[place].at == event.at or (place == alike[-1] and not exact):
            chain[place] = replace(chain[place], at=event.at, file=event.file)


def _find_conflict(chain: Chain, event: LabelEvent, exact: bool) -> bool:
    """Whether the rater gave a different label at the same time, in the same file or, with exact times, in any."""
    there = [each for each in chain if each.at == event.at and (exact or each.file == event.file)]
    return any(_event_content(each) != _event_content(event) for each in there)


def _event_content(event: LabelEvent) -> tuple[Facts | None, str]:
    """Content of a label, independent of the closed list at the time of storage."""
    if event.facts is not None and event.facts.concept == OTHER and event.mark:
        return replace(event.facts, concept=event.mark.removeprefix(MARK)), ""
    return event.facts, event.mark


def next_instant(at: str) -> str:
    """The time one microsecond later, the store's resolution."""
    try:
        return (datetime.fromisoformat(at) + timedelta(microseconds=1)).isoformat(timespec="microseconds")
    except ValueError:
        return at
