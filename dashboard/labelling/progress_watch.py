"""What the Label page tells of the whole study, computed beside the page so that no key press waits for it.

It is computed anew after every few labels only: a number that changed with each label would say of that trial whether
judges, or other raters, agree on it, and the label could still be taken back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from threading import Lock, Thread
from weakref import WeakKeyDictionary

from gnomon.calibration.queue.queue_sizes import QueueSizes, queue_sizes
from gnomon.calibration.results.width_progress import LabelProgress
from gnomon.dashboard.labelling.progress_worker import progress_stages
from gnomon.data.errors import NotEnoughDataError
from gnomon.data.maintenance.fault_report import describe_error
from gnomon.data.storage.store import Store

EVERY = 5
"""Labels of the rater after which it is computed anew."""
STALE = 300.0
"""Seconds after which a page that opens computes it anew, for the labels of others."""
SHARED = 20.0
"""Seconds for which all raters of a study are shown the same progress."""
PATIENCE = 0.4
"""Seconds that a page which opens waits for a first answer."""
_ONE_AT_A_TIME = Lock()
_WATCHES: WeakKeyDictionary[Store, dict[str, ProgressWatch]] = WeakKeyDictionary()
_PROGRESS: WeakKeyDictionary[Store, tuple[LabelProgress, float]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class StudyFigures:
    """Numbers of the whole study when the rater had `labelled` labels in it.

    Attributes
    ----------
    labelled : int
        The rater's labels at that time.
    sizes : QueueSizes
        What each queue holds.
    progress : LabelProgress, optional
        How wide the planned interval is, and what is needed.
    lacking : str
        What the study lacks for that; "" where it lacks nothing, or it is not known yet.
    """

    labelled: int
    sizes: QueueSizes
    progress: LabelProgress | None = None
    lacking: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether all of it is known, the simulation of what is needed too."""
        return bool(self.lacking) or (self.progress is not None and self.progress.planned_at is not None)


@dataclass
class ProgressWatch:
    """Computes the numbers in a thread of its own, one rater's at a time.

    Attributes
    ----------
    rater : str
        Name of the rater.
    latest : StudyFigures, optional
        What was computed last.
    problem : str
        Why the last attempt failed; "" where it did not.
    clock : callable
        Returns the time in seconds, from any origin.
    """

    rater: str
    latest: StudyFigures | None = None
    problem: str = ""
    clock: Callable[[], float] = time.monotonic
    _thread: Thread | None = field(default=None, repr=False)
    _at: float = 0.0

    @property
    def is_busy(self) -> bool:
        """Whether something is being computed."""
        return self._thread is not None and self._thread.is_alive()

    def keep_up(self, store: Store, labelled: int) -> StudyFigures | None:
        """The latest numbers; starts to compute new ones if the rater has a few more or fewer labels since.

        Parameters
        ----------
        store : Store
            The study's store.
        labelled : int
            The rater's labels now.
        """
        known = self.latest
        due = known is None or abs(labelled - known.labelled) >= EVERY or self.clock() - self._at > STALE
        if due and not self.is_busy and not self.problem:
            self._at = self.clock()
            self._thread = Thread(target=self._compute, args=(store, labelled), daemon=True)
            self._thread.start()
            if known is None:
                self._thread.join(PATIENCE)
        return self.latest

    def _compute(self, store: Store, labelled: int) -> None:
        try:
            known = self.latest
            counted = StudyFigures(labelled, queue_sizes(store, self.rater))
            self.latest = counted if known is None else replace(known, labelled=labelled, sizes=counted.sizes)
            with _ONE_AT_A_TIME:
                for figures in _with_progress(store, counted, self.clock):
                    self.latest = figures
        except Exception as error:
            self.problem = describe_error(error)[0]


def _with_progress(store: Store, figures: StudyFigures, clock: Callable[[], float]) -> Iterator[StudyFigures]:
    """The numbers with the progress to the width that is aimed at, which the raters of a study share."""
    known, since = _PROGRESS.get(store, (None, 0.0))
    if known is not None and known.planned_at is not None and clock() - since < SHARED:
        yield replace(figures, progress=known)
        return
    try:
        for progress in progress_stages(store, known):
            _PROGRESS[store] = (progress, clock())
            yield replace(figures, progress=progress)
    except NotEnoughDataError as reason:
        yield replace(figures, lacking=str(reason))


def watch_of(store: Store, rater: str) -> ProgressWatch:
    """The one watch of a rater of a study, in whatever window: opening the page again computes nothing anew.

    Parameters
    ----------
    store : Store
        The study's store.
    rater : str
        Name of the rater.
    """
    return _WATCHES.setdefault(store, {}).setdefault(rater, ProgressWatch(rater))
