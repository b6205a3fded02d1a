"""Of a judge is asked exactly what it has not answered, page by page, however far it came before."""

from __future__ import annotations

import random

import pytest

from gnomon.data.records import Facts, JudgeVersion, Verdict, VerdictState
from gnomon.data.storage import pending_verdicts
from gnomon.data.storage.pending_verdicts import count_given, count_missing, pending_trials, tokens_used

YES = Facts(True, "ocean", True, False)


@pytest.fixture
def trials(make_trial):
    return sorted((make_trial(replicate=number) for number in range(23)), key=lambda trial: trial.id)


@pytest.fixture
def judged(store):
    store.add_judge(JudgeVersion("j1", "j", "openai", {}))
    store.add_judge(JudgeVersion("j2", "j", "openai", {}))

    def add(trial, sample=0, version="j1", state=VerdictState.OK, tokens=(0, 0)):
        facts = YES if state is VerdictState.OK else None
        store.add_verdicts([Verdict(trial.id, version, facts, state, sample, "", "", 0.0, *tokens)])

    return add


def asks(store, judge="j1", **more):
    return [(trial.id, sample) for trial, sample in pending_trials(store, judge, **more)]


@pytest.mark.parametrize("page", [1, 4, 250])
@pytest.mark.parametrize("samples", [1, 3])
def test_what_is_missing_is_what_no_verdict_of_any_state_was_given_on(
    store, trials, judged, monkeypatch, page, samples
):
    monkeypatch.setattr(pending_verdicts, "PAGE", page)
    every = {(trial.id, sample) for trial in trials for sample in range(samples)}
    given = set(random.Random(5).sample(sorted(every), len(every) // 3))
    known = {trial.id: trial for trial in trials}
    for id_, sample in given:
        judged(known[id_], sample, state=VerdictState.UNPARSABLE)
    found = asks(store, samples=samples)
    assert len(found) == len(set(found))
    assert set(found) == every - given
    assert count_missing(store, "j1", samples=samples) == len(found)
    assert count_given(store, "j1") == len(given)
    assert len(asks(store, "j2", samples=samples)) == len(every)


def test_whole_trials_come_back(store, trials):
    assert [trial for trial, _ in pending_trials(store, "j1")] == store.load_trials()


def test_a_limit_is_of_trials_that_want_something(store, trials, judged):
    for trial in trials[:5]:
        judged(trial)
    assert asks(store, limit=3) == [(trial.id, 0) for trial in trials[5:8]]
    both = asks(store, samples=2, limit=3)
    assert both == [(trial.id, 1) for trial in trials[:3]]
    assert count_missing(store, "j1", samples=2, limit=6) == 5 + 2


def test_verdicts_that_come_while_pages_are_read_disturb_nothing(store, trials, judged, monkeypatch):
    monkeypatch.setattr(pending_verdicts, "PAGE", 4)
    seen = []
    for trial, _ in pending_trials(store, "j1"):
        seen.append(trial.id)
        judged(trial)
    assert seen == [trial.id for trial in trials]


def test_tokens_are_summed_over_all_versions_of_a_name(store, trials, judged):
    judged(trials[0], tokens=(100, 7))
    judged(trials[1], version="j2", tokens=(50, 3))
    assert tokens_used(store, "j") == (150, 10)
    assert tokens_used(store, "k") == (0, 0)


def test_trials_are_taken_from_any_place_on_and_none_is_left_out(store, make_trial):
    every = sorted(make_trial(replicate=number).id for number in range(150))
    for start in ("", "4000", "8000", every[70], every[-1], "zz"):
        found = [trial.id for trial, _ in pending_trials(store, "j", start=start)]
        at = sum(id_ <= start for id_ in every)
        assert found == every[at:] + every[:at]
    assert [trial.id for trial, _ in pending_trials(store, "j", start="8000", limit=70)] == every[:70]
