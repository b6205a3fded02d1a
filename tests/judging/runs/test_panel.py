"""A panel asks only for what is missing, keeps what it was told, and outlives a judge that stops."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence

import pytest
from judging_server import failure

from gnomon.data.errors import JudgeError, NotEnoughDataError, StoreError
from gnomon.data.records import Facts, JudgeVersion, Trial, Verdict, VerdictState
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store
from gnomon.judging.judges.lexicon import LexiconJudge
from gnomon.judging.judges.openai_compatible import OpenAICompatibleJudge
from gnomon.judging.protocols import make_judge_version
from gnomon.judging.runs import panel
from gnomon.judging.runs.panel import run_panel

CONCEPTS = ("ocean", "fear")


class ScriptedJudge:
    """Gives the states it was told to, then goes on with ok; an exception in the list is raised."""

    def __init__(self, name: str, *script: VerdictState | BaseException) -> None:
        self._version = make_judge_version(name, "scripted", {})
        self.script = list(script)
        self.asked: list[str] = []

    @property
    def version(self) -> JudgeVersion:
        return self._version

    @property
    def enforces_schema(self) -> bool | None:
        return None

    def judge_trials(self, trials: Sequence[Trial]) -> Generator[Verdict, None, None]:
        for trial in trials:
            step = self.script.pop(0) if self.script else VerdictState.OK
            if isinstance(step, BaseException):
                raise step
            self.asked.append(trial.id)
            facts = Facts(False, "none", True, False) if step is VerdictState.OK else None
            yield Verdict(trial.id, self._version.version, facts, step, raw="said")


@pytest.fixture
def trials(make_trial: Callable[..., Trial]) -> list[Trial]:
    return [make_trial(replicate=number) for number in range(7)]


def stored(store: Store) -> int:
    return store.count_rows(tables.verdicts)


def test_each_judge_gives_one_verdict_on_each_trial(store, trials):
    reports = run_panel(store, [ScriptedJudge("a"), LexiconJudge(CONCEPTS)])
    assert [(report.judge, report.asked, report.new, report.already) for report in reports] == [
        ("a", 7, 7, 0),
        ("lexicon", 7, 7, 0),
    ]
    assert stored(store) == 14
    assert reports[0].by_state == {"ok": 7}


def test_a_second_run_asks_nothing(store, trials):
    run_panel(store, [ScriptedJudge("a")])
    again = ScriptedJudge("a")
    (report,) = run_panel(store, [again])
    assert again.asked == []
    assert (report.asked, report.new, report.already, report.error) == (0, 0, 7, None)


def test_new_trials_are_the_only_ones_asked(store, trials, make_trial):
    run_panel(store, [ScriptedJudge("a")])
    late = make_trial(replicate=99)
    judge = ScriptedJudge("a")
    run_panel(store, [judge])
    assert judge.asked == [late.id]


def test_failed_calls_are_asked_again_and_other_endings_are_not(store, trials):
    endings = [VerdictState.ERROR, VerdictState.UNPARSABLE, VerdictState.REFUSED, VerdictState.TRUNCATED]
    first = ScriptedJudge("a", *endings)
    (report,) = run_panel(store, [first])
    assert report.by_state == {"error": 1, "unparsable": 1, "refused": 1, "truncated": 1, "ok": 3}
    assert (report.asked, report.new) == (7, 6)
    second = ScriptedJudge("a")
    run_panel(store, [second])
    assert second.asked == first.asked[:1]
    raw = store.read_frame(tables.verdicts).query("state == 'unparsable'")["raw"]
    assert list(raw) == ["said"]


@pytest.mark.parametrize("stop", [JudgeError("judge 'a': dead"), NotEnoughDataError("judge 'a': no labels")])
def test_a_judge_that_stops_keeps_its_verdicts_and_the_others_go_on(store, trials, stop):
    reports = run_panel(store, [ScriptedJudge("a", VerdictState.OK, VerdictState.OK, stop), ScriptedJudge("b")])
    assert [(report.new, report.error) for report in reports] == [(2, str(stop)), (7, None)]
    assert stored(store) == 9


def test_an_interrupt_loses_no_verdict_that_was_given(store, trials):
    with pytest.raises(KeyboardInterrupt):
        run_panel(store, [ScriptedJudge("a", VerdictState.OK, VerdictState.OK, VerdictState.OK, KeyboardInterrupt())])
    assert stored(store) == 3
    (report,) = run_panel(store, [ScriptedJudge("a")])
    assert (report.asked, report.already) == (4, 3)


def test_verdicts_are_on_disk_before_the_run_ends_and_before_they_are_told(store, trials, monkeypatch):
    monkeypatch.setattr(panel, "BATCH", 3)
    seen = []
    run_panel(store, [ScriptedJudge("a")], progress=lambda _judge, done, _: seen.append((done, stored(store))))
    assert seen == [(0, 0), (3, 3), (6, 6), (7, 7)]


def test_slow_verdicts_are_stored_by_the_clock(store, trials):
    ticks = iter(range(0, 1000, 3))
    seen = []
    run_panel(store, [ScriptedJudge("a")], progress=lambda *_: seen.append(stored(store)), clock=lambda: next(ticks))
    assert seen == [0, 1, 2, 3, 4, 5, 6, 7]


def test_a_broken_database_is_not_blamed_on_the_judge(store, trials, monkeypatch):
    def full(_verdicts: object) -> int:
        raise StoreError("disk is full")

    monkeypatch.setattr(store, "add_verdicts", full)
    with pytest.raises(StoreError, match="disk is full"):
        run_panel(store, [ScriptedJudge("a")])


def test_a_limit_asks_part_and_the_next_run_the_rest(store, trials):
    first, second = ScriptedJudge("a"), ScriptedJudge("a")
    run_panel(store, [first], limit=3)
    run_panel(store, [second])
    assert (len(first.asked), len(second.asked)) == (3, 4)
    assert not set(first.asked) & set(second.asked)


def test_each_judge_tells_its_own_progress_up_to_its_total(store, trials, monkeypatch):
    monkeypatch.setattr(panel, "BATCH", 1)
    seen = []
    run_panel(store, [ScriptedJudge("a"), ScriptedJudge("b")], progress=lambda *step: seen.append(step))
    for name in "ab":
        assert [step for step in seen if step[0] == name] == [(name, done, 7) for done in range(8)]


def test_judges_work_side_by_side(store, trials, server, config):
    """Two servers' judges are in the middle of their work at the same time."""
    both = threading.Barrier(2, timeout=30)
    answer, met = server.script, set()

    def script(request):
        if len(request["messages"]) > 1 and request["model"] not in met:
            met.add(request["model"])
            server.lock.release_batch()
            try:
                both.wait()
            finally:
                server.lock.acquire()
        return answer(request)

    server.script = script
    judges = [OpenAICompatibleJudge(config(name=name, model=name, concurrency=1), CONCEPTS) for name in "ab"]
    assert [report.new for report in run_panel(store, judges)] == [7, 7]


def test_each_run_is_recorded_with_what_came_of_it(store, trials):
    run_panel(store, [ScriptedJudge("a", VerdictState.UNPARSABLE)])
    run_panel(store, [ScriptedJudge("a")])
    (event,) = store.read_frame(tables.events).query("kind == 'judge_run'").to_dict("records")
    assert event["detail"]["by_state"] == {"unparsable": 1, "ok": 6}


def test_a_server_judge_resumes_where_its_server_died(store, trials, server, config, monkeypatch, tmp_path):
    """The key is in none of what is left on disk."""
    monkeypatch.setenv("GNOMON_TEST_KEY", "sk-hush-42")
    keyed = config(api_key_env="GNOMON_TEST_KEY", concurrency=1, stop_after=1)
    answer, calls = server.script, 0

    def dying(request):
        nonlocal calls
        calls += 1
        return answer(request) if calls <= 4 else failure(400, "sk-hush-42 is out of order")

    server.script = dying
    (report,) = run_panel(store, [OpenAICompatibleJudge(keyed, CONCEPTS)])
    assert (report.new, report.by_state) == (3, {"ok": 3, "error": 1})
    assert report.error is not None
    server.script = answer
    (report,) = run_panel(store, [OpenAICompatibleJudge(keyed, CONCEPTS)])
    assert (report.asked, report.new, report.already, report.enforces_schema) == (4, 4, 3, False)
    store.close()
    left = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"sk-hush-42" not in left
    assert b"GNOMON_TEST_KEY" not in left
    assert b"judge_run" in left


def test_ctrl_c_keeps_what_the_server_has_answered(store, trials, server, config):
    """A real SIGINT while the fourth answer is under way."""
    answer, third_is_there, ended = server.script, threading.Event(), threading.Event()

    def interrupting(request):
        if len(server.judged) == 4:
            assert third_is_there.wait(timeout=30)
            os.kill(os.getpid(), signal.SIGINT)
            ended.wait(timeout=30)  # the answer must not be faster than the signal
        return answer(request)

    def progress(_judge: str, done: int, _total: int) -> None:
        if done == 3:
            third_is_there.set()

    server.script = interrupting
    with pytest.raises(KeyboardInterrupt):
        run_panel(store, [OpenAICompatibleJudge(config(concurrency=1), CONCEPTS)], progress=progress)
    ended.set()
    assert stored(store) == 3
    server.script = answer
    (report,) = run_panel(store, [OpenAICompatibleJudge(config(concurrency=1), CONCEPTS)])
    assert (report.asked, report.new, report.already) == (4, 4, 3)
