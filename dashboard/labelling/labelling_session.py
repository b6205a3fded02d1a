"""One rater's labelling session: current transcript, draft answers, and the label events stored. Knows no screen."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from sqlalchemy import func, select

from gnomon.calibration.labels.sampling_strata import PICKED
from gnomon.calibration.queue.label_sampling import QueueItem, Strategy, next_items, queue_state
from gnomon.dashboard.auth import exposure_log
from gnomon.dashboard.labelling.past_labels import PastLabel, count_flagged, past_label, past_labels
from gnomon.dashboard.labelling.questions import CLAIMS, CONCEPT, contradiction_question, preset_answers
from gnomon.data.errors import NotEnoughDataError
from gnomon.data.facts import FactValue, asked_names, facts_from_answers
from gnomon.data.label_selection import LabelSelection
from gnomon.data.records import (
    LONGEST_NOTE,
    Exposure,
    Facts,
    Label,
    LabelKind,
    LabelPolicy,
    RaterKind,
    RaterRole,
    canonical_hash,
)
from gnomon.data.storage import tables
from gnomon.data.storage.store import LONGEST_LEASE, Store
from gnomon.data.study_settings import load_settings

BATCH = 10
LEASE = LONGEST_LEASE
SETTLE = 0.35


@dataclass(frozen=True, slots=True)
class LabelItem:
    """The current transcript. `revision` is the number that this rater's next event on it gets."""

    trial: str
    stratum: str
    probability: float
    role: RaterRole
    selection: LabelSelection | None
    revision: int
    exposure: Exposure
    answer: str
    messages: tuple[tuple[str, str], ...]

    @property
    def to_queue_item(self) -> QueueItem:
        """The item as the queue returned it."""
        return QueueItem(self.trial, self.stratum, self.probability, self.role, self.selection)


@dataclass(frozen=True, slots=True)
class LabelDraft:
    """What a rater had on the screen when a trial was saved or put back: it is there when the trial comes again."""

    given: dict[str, FactValue]
    undecided: frozenset[str]
    flagged: bool
    note: str


@dataclass
class LabellingSession:
    """The state of one rater's session.

    Every action names the trial that its button was drawn for. An action for another trial than the current one is
    ignored, and so is one within `SETTLE` seconds after a transcript was drawn: nobody can have read it by then, so
    that the action was meant for the previous one.

    Attributes
    ----------
    store : Store
        The study's store.
    rater : str
        Name of the rater.
    strategy : Strategy
        Order of the queue.
    clock : callable
        Returns the time in seconds, from any origin.
    item : LabelItem, optional
        The current transcript.
    given : dict of str to bool or str
        The rater's own answers so far, by fact; the one that was given last stands last.
    undecided : set of str
        Facts of which the rater says that either answer would be right.
    flagged : bool
        Whether the current transcript is flagged.
    note : str
        Note that the current transcript starts with.
    waiting, history : list of QueueItem
        Items ahead, and items saved in this session.
    skipped : list of str
        Trial ids left for later.
    labelled : int
        Number of trials labelled in this session.
    last : str, optional
        Trial labelled last.
    looking_back : PastLabel, optional
        A trial that the rater labelled or flagged before and looks at again, instead of the current one.
    revealed : bool
        Whether its verdicts are shown too.
    message : str
        Message for the rater.
    guideline : LabelPolicy, optional
        The guideline that the page shows and that the rater follows: labels carry its hash.
    """

    store: Store
    rater: str
    strategy: Strategy = "disputed"
    clock: Callable[[], float] = time.monotonic
    item: LabelItem | None = None
    given: dict[str, FactValue] = field(default_factory=dict)
    undecided: set[str] = field(default_factory=set)
    flagged: bool = False
    note: str = ""
    waiting: list[QueueItem] = field(default_factory=list)
    history: list[QueueItem] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    labelled: int = 0
    last: str | None = None
    looking_back: PastLabel | None = None
    revealed: bool = False
    message: str = ""
    guideline: LabelPolicy | None = None
    _shown: float | None = None
    _draws: int = 0
    _asked: dict[str, FactValue] | None = None
    _drafts: dict[str, LabelDraft] = field(default_factory=dict)
    _done: tuple[int, int] | None = None

    # -- current transcript -------------------------------------------------------------------------------

    def load_next(self) -> None:
        """Load the next transcript if there is no current one."""
        if self.item is None:
            self._next_item()

    def choose_queue(self, strategy: Strategy) -> bool:
        """Change the order of the queue: at once, or from the next transcript on where this one has answers already.

        Returns
        -------
        bool
            Whether it is in effect; the transcripts of the old queue are free for other raters.
        """
        if strategy == self.strategy:
            return True
        waiting, self.strategy, self.waiting = self.waiting, strategy, []
        begun = self.item is not None and bool(self.given or self.flagged or self.item.revision)
        if self.item is not None and not begun:
            waiting.append(self.item.to_queue_item)
            self._clear_draft()
        for queued in waiting:
            self.store.acquire_lease(queued.trial, self.rater, 0)
        return not begun

    def restore_skipped(self) -> None:
        """Offer the skipped transcripts again."""
        self.skipped.clear()
        self._next_item()

    def mark_shown(self) -> None:
        """Record that the current transcript is on the screen: from now on the rater can read it."""
        if self._shown is None:
            self._shown = self.clock()

    @property
    def draft(self) -> dict[str, FactValue]:
        """Answers so far, by fact: those that others force first, then the rater's own."""
        return {**preset_answers(self.given, self.undecided), **self.given}

    @property
    def is_complete(self) -> bool:
        """Whether every question has been answered."""
        return all(fact in self.draft for fact in asked_names())

    @property
    def is_ready(self) -> bool:
        """Whether there is anything to save."""
        return self.is_complete or self.flagged

    @property
    def all_labelled(self) -> int:
        """Trials that the rater has labelled in the whole study, as of the last event of this session."""
        return self._count_events()[0]

    @property
    def all_flagged(self) -> int:
        """Trials that the rater has flagged, as of the last event of this session."""
        return self._count_events()[1]

    # -- actions -----------------------------------------------------------------------------------------

    def answer_question(self, trial: str, fact: str, value: bool | str) -> None:
        """Answer one question; a second answer replaces the first.

        An answer sets what it forces of questions that are still open (`questions.preset_answers`). That nothing is
        claimed leaves no concept, also where one was named before; any other answer of the rater is never replaced.

        Parameters
        ----------
        trial : str
            Trial that the button was drawn for.
        fact : str
            Name of the fact that is answered, one of `asked_names()`.
        value : bool or str
            The answer; a concept's name for `concept`.
        """
        if self._is_current(trial):
            for replaced in (fact, CONCEPT) if fact == CLAIMS and value is False else (fact,):
                self.given.pop(replaced, None)
            self.given[fact], self.message = value, ""

    def toggle_undecided(self, trial: str) -> None:
        """Say of the question answered last that either answer would be right, or take that back.

        Parameters
        ----------
        trial : str
            Trial that the button was drawn for.
        """
        if not self._is_current(trial):
            return
        if not self.given:
            self.message = "Answer a question first: 'Either' is about the last answer."
            return
        self.undecided ^= {next(reversed(self.given))}
        self.message = ""

    def toggle_flag(self, trial: str) -> None:
        """Flag the transcript for somebody else's attention, or remove the flag; saving stores it.

        A flag needs two keys, and a label at least three, on purpose: a key held down stores nothing.
        """
        if self._is_current(trial):
            self.flagged = not self.flagged
            self.message = "Flagged: Enter saves the flag, with or without answers." if self.flagged else ""

    def save_label(self, trial: str, note: str = "") -> None:
        """Store the label, the flag or both, and load the next transcript; sets a message if there is neither yet.

        Answers that cannot be true together are asked about once, and saved by the next press.

        Parameters
        ----------
        trial : str
            Trial that the button was drawn for.
        note : str
            The rater's note.
        """
        if not self._is_current(trial) or self.item is None:
            return
        if not self.is_ready:
            open_, asked = sum(fact not in self.draft for fact in asked_names()), len(asked_names())
            self.message = f"Not saved: {open_} of {asked} questions are open."
            return
        if len(note) > LONGEST_NOTE:
            self.message = f"Not saved: the note has {len(note):,} characters, {LONGEST_NOTE:,} are the most."
            return
        doubt = contradiction_question(self.draft, self.undecided) if self.is_complete else ""
        if doubt and self._asked != self.given:
            self._asked, self._shown, self.message = dict(self.given), None, doubt
            return
        item, relabelled = self.item, self._has_label(trial)
        stored = not self.is_complete or self._store_event(item, LabelKind.LABEL, self._draft_facts(), note)
        if stored and self.flagged:
            stored = self._store_event(
                replace(item, revision=item.revision + self.is_complete), LabelKind.FLAG, None, note
            )
        told = ("Label and flag saved." if self.is_complete else "Flag saved.") if self.flagged else ""
        self.message = told if stored else "You labelled that one in another window: the first label stands."
        if stored:
            self._keep_draft(note)
            self.labelled += self.is_complete and not relabelled
            self.history = [one for one in self.history if one.trial != item.trial] + [item.to_queue_item]
            self.last = item.trial if self.is_complete else None
        self._next_item()

    def skip_item(self, trial: str) -> None:
        """Leave the transcript for later and release it for other raters."""
        if self._is_current(trial):
            self.skipped += [] if self._has_label(trial) else [trial]
            self.store.acquire_lease(trial, self.rater, 0)
            self._next_item()

    def undo_last(self, trial: str | None) -> None:
        """Retract the last label or flag of this session and load its transcript again, with the draft as it was.

        A label is not retracted if the rater has seen the verdicts since: a blind label would be replaced by one that
        knows the verdicts. It can be revised, and both labels are kept.
        """
        if not self.history or not self._is_current(trial):
            return
        taken = self._make_item(self.history[-1])
        if taken is None or taken.exposure is not Exposure.BLIND:
            self.message = "You have seen the verdicts of that one: its label stands, but you may revise it."
            return
        self.look_away()
        self.history.pop()
        self.labelled -= self._has_label(taken.trial)
        self._store_event(taken, LabelKind.RETRACTION, None, "")
        self._put_back()
        self._show_item(self._make_item(taken.to_queue_item))
        self.last, self.message = None, "Taken back, with your answers as they were: change them, or save again."

    def revise_label(self, trial: str) -> None:
        """Load a trial again that the rater labelled or flagged before, with the answers of the last label."""
        past = past_label(self.store, self.rater, trial)
        if past is None:
            return
        self.look_away()
        self._put_back()
        self._show_item(self._make_item(past.item))
        self.flagged = False
        if past.answers:
            self.given, self.undecided, self.note = dict(past.answers), set(past.undecided), past.note

    def offer_trial(self, trial: str) -> None:
        """Load one trial that the rater asks for; one that the rater labelled or flagged before is looked at again.

        Its label is of the stratum `picked`: its inclusion probability is not known, and no estimator takes it for a
        random draw.
        """
        if past_label(self.store, self.rater, trial) is not None:
            self.look_back(trial)
        elif trial not in queue_state(self.store).trials:
            self.message = f"Trial {trial[:8]} cannot be labelled: this study has no response under that id."
        elif not self.store.acquire_lease(trial, self.rater, LEASE):
            self.message = f"Trial {trial[:8]} is held by another rater at the moment: try again later."
        else:
            self.look_away()
            self._put_back()
            self._show_item(self._make_item(QueueItem(trial, PICKED, 1.0)))

    # -- looking back -----------------------------------------------------------------------------------------

    def look_back(self, trial: str) -> None:
        """Look at a trial that the rater labelled or flagged before; the current one waits."""
        self.looking_back, self.revealed = past_label(self.store, self.rater, trial), False
        self._shown, self.message = None, ""

    def view_item(self, past: PastLabel) -> LabelItem | None:
        """A trial that the rater labelled before, as it was shown; None if it is no longer there."""
        return self._make_item(past.item)

    def look_away(self) -> None:
        """Go back to the current trial, on which presses count once it can have been read."""
        self.looking_back, self.revealed, self._shown = None, False, None

    def step_back(self, older: bool) -> None:
        """Look at the next older or newer of the rater's trials; newer than the newest is the current one.

        Parameters
        ----------
        older : bool
            Whether to go back in time.
        """
        there = [past.trial for past in past_labels(self.store, self.rater)]
        seen = self.looking_back
        place = there.index(seen.trial) if seen is not None and seen.trial in there else -1
        wanted = place + 1 if older else place - 1
        if wanted < 0:
            self.look_away()
        elif wanted < len(there):
            self.look_back(there[wanted])

    def reveal_verdicts(self, trial: str | None = None) -> str | None:
        """Show verdicts and condition of a trial that the rater has labelled, after recording that the rater sees them.

        Parameters
        ----------
        trial : str, optional
            By default the one that was labelled last.

        Returns
        -------
        str or None
            The trial; None, and nothing is shown, if the rater has no label on it.
        """
        trial = self.last if trial is None else trial
        past = None if trial is None else past_label(self.store, self.rater, trial)
        if past is None or not past.answers:
            return None
        exposure_log.record_views(self.store, self.rater, [past.trial])
        self.looking_back, self.revealed, self._shown = past, True, None
        return past.trial

    # -- internals ------------------------------------------------------------------------------------------

    def _is_current(self, trial: str | None) -> bool:
        on_desk = None if self.item is None else self.item.trial
        if trial != on_desk:
            return False
        return trial is None or (self._shown is not None and self.clock() - self._shown >= SETTLE)

    def _draft_facts(self) -> Facts:
        return facts_from_answers(self.draft)

    def _store_event(self, item: LabelItem, kind: LabelKind, facts: Facts | None, note: str) -> bool:
        """Store an event; False if this rater's event with that number exists already."""
        event = Label(
            trial=item.trial,
            rater=self.rater,
            facts=facts,
            kind=kind,
            role=item.role,
            revision=item.revision,
            exposure=item.exposure,
            note=note.strip(),
            stratum=item.stratum,
            probability=item.probability,
            selection=item.selection,
            rater_kind=RaterKind.PERSON,
            undecided=tuple(name for name in asked_names() if name in self.undecided and kind is LabelKind.LABEL),
            policy="" if self.guideline is None else self.guideline.hash,
        )
        self._done = None
        return self.store.add_labels([event]) == 1

    def _count_events(self) -> tuple[int, int]:
        """Trials labelled and trials flagged by this rater, read again after each event of this session."""
        if self._done is None:
            self._done = labelled_by(self.store, self.rater), count_flagged(self.store, self.rater)
        return self._done

    def _next_item(self) -> None:
        self._clear_draft()
        for refill in (False, True):
            self.waiting = self._refill_queue() if refill else self.waiting
            while self.waiting:
                queued = self.waiting.pop(0)
                events = self._label_events(queued.trial)
                done = bool(events) and events[-1][1] is not LabelKind.RETRACTION
                if not done and self.store.acquire_lease(queued.trial, self.rater, LEASE):
                    self._show_item(self._make_item(queued))
                    return

    def _clear_draft(self) -> None:
        self.item, self.given, self.undecided, self.flagged, self.note = None, {}, set(), False, ""
        self._shown = self._asked = None

    def _refill_queue(self) -> list[QueueItem]:
        wanted = BATCH + len(self.skipped)
        seed = int(canonical_hash([self.rater, self._draws]), 16) % 2**32
        self._draws += 1
        view = load_settings(self.store).label_view
        draw = partial(next_items, self.store, self.rater, n=wanted, seed=seed, lease_seconds=LEASE, view=view)
        try:
            items = draw(strategy=self.strategy)
        except NotEnoughDataError as reason:
            self.message = f"Disputed ones for now: {reason}."
            items = draw()
        return [item for item in items if item.trial not in self.skipped]

    def _keep_draft(self, note: str) -> None:
        if self.item is not None:
            self._drafts[self.item.trial] = LabelDraft(dict(self.given), frozenset(self.undecided), self.flagged, note)

    def _put_back(self) -> None:
        if self.item is not None:
            self._keep_draft(self.note)
            self.waiting.insert(0, self.item.to_queue_item)
        self.item = None

    def _show_item(self, item: LabelItem | None) -> None:
        self._clear_draft()
        self.item = item
        if item is not None and (kept := self._drafts.get(item.trial)) is not None:
            self.given, self.undecided = dict(kept.given), set(kept.undecided)
            self.flagged, self.note = kept.flagged, kept.note

    def _make_item(self, queued: QueueItem) -> LabelItem | None:
        found = self.store.load_trials([queued.trial])
        if not found:
            return None
        events = self._label_events(queued.trial)
        return LabelItem(
            trial=queued.trial,
            stratum=queued.stratum,
            probability=queued.probability,
            role=queued.role,
            selection=queued.selection,
            revision=events[-1][0] + 1 if events else 0,
            exposure=exposure_log.rater_exposure(self.store, self.rater, queued.trial),
            answer=found[0].answer,
            messages=protocol_messages(self.store, found[0].condition.protocol),
        )

    def _label_events(self, trial: str) -> list[tuple[int, LabelKind]]:
        """Numbers and kinds of this rater's events on a trial, in order."""
        events = tables.labels.c
        query = select(events.revision, events.kind).where(events.trial == trial, events.rater == self.rater)
        with self.store.read_transaction() as connection:
            found = connection.execute(query.order_by(events.revision)).all()
        return [(row.revision, LabelKind(row.kind)) for row in found]

    def _has_label(self, trial: str) -> bool:
        """Whether the rater has a label on a trial that was not retracted; a later flag does not matter."""
        kinds = [kind for _, kind in self._label_events(trial) if kind is not LabelKind.FLAG]
        return bool(kinds) and kinds[-1] is LabelKind.LABEL


def protocol_messages(store: Store, protocol: str) -> tuple[tuple[str, str], ...]:
    """The conversation put to the subject, as (role, text) in order.

    Parameters
    ----------
    store : Store
        The study's store.
    protocol : str
        Hash of the protocol.
    """
    query = select(tables.protocols.c.content).where(tables.protocols.c.hash == protocol)
    with store.read_transaction() as connection:
        content = connection.execute(query).scalar() or {}
    return tuple((str(turn.get("role", "")), str(turn.get("content", ""))) for turn in content.get("messages", []))


def known_raters(store: Store) -> Sequence[str]:
    """Names of all raters with labels in the store, in order."""
    with store.read_transaction() as connection:
        return list(connection.execute(select(tables.labels.c.rater).distinct().order_by("rater")).scalars())


def labelled_by(store: Store, rater: str) -> int:
    """Number of trials that a rater has labelled; retracted labels do not count.

    Parameters
    ----------
    store : Store
        The study's store.
    rater : str
        Name of the rater.
    """
    kind, revision = tables.labels.c.kind, tables.labels.c.revision
    last = (
        select(tables.labels.c.trial, func.max(revision).label("revision"))
        .where(tables.labels.c.rater == rater, kind != str(LabelKind.FLAG))
        .group_by(tables.labels.c.trial)
        .subquery()
    )
    query = (
        select(func.count())
        .select_from(tables.labels)
        .join(last, (tables.labels.c.trial == last.c.trial) & (revision == last.c.revision))
        .where(tables.labels.c.rater == rater, kind == str(LabelKind.LABEL))
    )
    with store.read_transaction() as connection:
        return int(connection.execute(query).scalar_one())
