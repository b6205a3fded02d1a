"""What each queue holds and what is told when it is empty; the numbers of the page follow in steps, beside the page."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gnomon.calibration.queue.queue_sizes import QueueSizes, queue_sizes
from gnomon.calibration.results.width_progress import LabelProgress, WidthPoint
from gnomon.dashboard.labelling import progress_watch
from gnomon.dashboard.labelling.progress_watch import EVERY, SHARED, STALE, ProgressWatch, watch_of
from gnomon.dashboard.labelling.queue_words import count_left, empty_words
from gnomon.data.errors import NotEnoughDataError
from gnomon.data.records import Facts, JudgeVersion, Label, LabelKind, RaterRole, Verdict
from gnomon.data.storage.store import Store

DENIES = Facts(False, "none", True, False)
CLAIMS = Facts(True, "ocean", True, False)
FULL = QueueSizes(
    trials=30, labelled=10, unlabelled=20, disputed=12, second=4, twice=6, disagreements=7, adjudicated=4, adjudicable=3
)


@pytest.fixture(autouse=True)
def no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_watch, "progress_stages", lambda store, known: iter(()))


@pytest.fixture
def trials(store: Store, make_trial) -> list[str]:
    made = [make_trial(replicate=replicate).id for replicate in range(12)]
    for judge in ("one", "two"):
        store.add_judge(JudgeVersion(judge, judge, "lexicon", {}))
    for place, trial in enumerate(made):
        store.add_verdicts([Verdict(trial, "one", DENIES), Verdict(trial, "two", CLAIMS if place < 5 else DENIES)])
    return made


def test_queues_are_counted_for_the_rater_who_asks(store, trials):
    store.add_labels([Label(trial, "ann", DENIES) for trial in trials[:4]])
    store.add_labels([Label(trials[0], "bob", CLAIMS), Label(trials[1], "bob", DENIES)])
    store.add_labels([Label(trials[11], "bob", None, kind=LabelKind.FLAG)])
    store.acquire_lease(trials[10], "eve", 900)
    found = queue_sizes(store, "bob")
    assert found == QueueSizes(
        trials=12,
        labelled=4,
        unlabelled=7,
        disputed=1,
        second=2,
        twice=2,
        disagreements=1,
        adjudicated=0,
        adjudicable=0,
    )
    assert queue_sizes(store, "eve").adjudicable == 1
    store.add_labels([Label(trials[0], "eve", CLAIMS, role=RaterRole.ADJUDICATOR)])
    assert empty_words("adjudicate", queue_sizes(store, "bob")) == "1 disagreement, all adjudicated."


def test_counts_stand_beside_the_queues_and_few_disputed_trials_are_not_counted_out():
    left = {queue: count_left(queue, FULL) for queue in ("disputed", "uncertain", "random", "second", "adjudicate")}
    assert left == {"disputed": "12", "uncertain": "20", "random": "20", "second": "4", "adjudicate": "3 of 7"}
    for few in (0, 1, 9):
        assert count_left("disputed", replace(FULL, disputed=few)) == "under 10"
    assert count_left("disputed", replace(FULL, disputed=0, unlabelled=0)) == "0"


@pytest.mark.parametrize(
    ("queue", "changed", "told"),
    [
        ("adjudicate", {"adjudicated": 7, "adjudicable": 0}, "7 disagreements, all adjudicated."),
        ("adjudicate", {"disagreements": 0}, "Raters agree on all 6 trials"),
        ("adjudicate", {"twice": 0, "disagreements": 0}, "take the queue 'Second rater' first"),
        ("adjudicate", {"adjudicable": 0}, "you have labelled them yourself, so that another person must decide"),
        ("second", {"second": 0}, "Done: 6 trials have labels of two or more raters"),
        ("second", {"second": 0, "twice": 0}, "Nobody else has labelled"),
        ("second", {}, "4 trials with one other label left"),
        ("random", {}, "10 of 30 trials have a label"),
        ("disputed", {"unlabelled": 0}, "All 30 trials have a label"),
    ],
)
def test_an_empty_queue_says_what_is_done_or_what_to_do(queue, changed, told):
    assert told in empty_words(queue, replace(FULL, **changed))


def test_numbers_are_computed_anew_after_a_few_labels_and_never_after_each(store, trials, monkeypatch):
    asked: list[str] = []
    monkeypatch.setattr(progress_watch, "PATIENCE", 20.0)
    monkeypatch.setattr(progress_watch, "queue_sizes", lambda store, rater: asked.append(rater) or FULL)
    watch = ProgressWatch("ann")
    first = watch.keep_up(store, 0)
    assert (first.labelled, first.sizes) == (0, FULL)
    for labelled in range(1, EVERY):
        assert watch.keep_up(store, labelled) is first
    assert asked == ["ann"]
    watch.keep_up(store, EVERY)
    watch._thread.join(20)
    assert watch.latest.labelled == EVERY
    assert watch.keep_up(store, EVERY - 1) is watch.latest, "a label that is taken back changes nothing"
    assert watch_of(store, "ann") is watch_of(store, "ann"), "nor does opening the page again"
    assert watch_of(store, "bob") is not watch_of(store, "ann")


def test_labels_of_others_are_counted_after_a_while(store, trials, monkeypatch):
    monkeypatch.setattr(progress_watch, "PATIENCE", 20.0)
    now = [0.0]
    watch = ProgressWatch("ann", clock=lambda: now[0])
    first = watch.keep_up(store, 0)
    now[0] = STALE + 1
    watch.keep_up(store, 0)
    watch._thread.join(20)
    assert watch.latest is not first


def test_a_failure_is_told_once_and_not_tried_again(store, trials, monkeypatch):
    def fail(store: Store, rater: str) -> QueueSizes:
        raise OSError("the disk is gone")

    monkeypatch.setattr(progress_watch, "PATIENCE", 20.0)
    monkeypatch.setattr(progress_watch, "queue_sizes", fail)
    watch = ProgressWatch("ann")
    assert watch.keep_up(store, 0) is None
    assert "the disk is gone" in watch.problem
    watch.keep_up(store, 10)
    assert not watch.is_busy


def test_raters_share_the_progress_which_is_told_as_soon_as_its_width_is_known(store, trials, monkeypatch):
    whole = LabelProgress("net_detection_corrected", WidthPoint(9, 0.2), (), (), 0.1, 20, 9, from_fit=False)
    told: list[tuple[object, object]] = []
    watch = ProgressWatch("ann", clock=lambda: 0.0)

    def stages(store: Store, known: LabelProgress | None):
        yield replace(whole, planned_at=None)
        told.append((known, watch.latest.is_whole))
        yield whole

    monkeypatch.setattr(progress_watch, "PATIENCE", 20.0)
    monkeypatch.setattr(progress_watch, "progress_stages", stages)
    watch.keep_up(store, 0)
    assert (watch.latest.progress, watch.latest.is_whole) == (whole, True)
    assert told == [(None, False)]
    other = ProgressWatch("bob", clock=lambda: 1.0)
    assert other.keep_up(store, 0).progress == whole
    assert len(told) == 1
    late = ProgressWatch("eve", clock=lambda: 1.0 + SHARED)
    late.keep_up(store, 0)
    assert told[1:] == [(whole, True)]


def test_what_a_study_lacks_is_told(store, trials, monkeypatch):
    def stages(store: Store, known: LabelProgress | None):
        raise NotEnoughDataError("no labels in the control arm")
        yield

    monkeypatch.setattr(progress_watch, "PATIENCE", 20.0)
    monkeypatch.setattr(progress_watch, "progress_stages", stages)
    watch = ProgressWatch("ann")
    watch.keep_up(store, 0)
    assert (watch.latest.lacking, watch.latest.is_whole, watch.problem) == ("no labels in the control arm", True, "")
