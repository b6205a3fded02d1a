"""Side by side: pairs agree in everything but what is compared; judges' differences come first."""

from __future__ import annotations

from itertools import count, product

import pytest

from gnomon.dashboard.transcripts import incremental_search, transcript_query, trial_order, trial_pairs
from gnomon.dashboard.transcripts.transcript_query import TrialFilters
from gnomon.dashboard.transcripts.trial_pairs import ConditionPair
from gnomon.data.records import Facts, JudgeVersion, Verdict, VerdictState

DENIES, CLAIMS = Facts(False, "none", True, False), Facts(True, "other", True, False)


@pytest.fixture
def trials(store, make_trial) -> dict[str, dict]:
    store.save_settings({"concepts": ["ocean", "fear"], "judges": ["a", "b"]})
    made = {}
    for concept, strength, protocol, replicate in product(("ocean", "fear"), (2.0, 4.0), ("p0", "p1"), range(2)):
        made_ = make_trial(concept=concept, strength=strength, protocol=protocol, replicate=replicate)
        made[made_.id] = {"concept": concept, "strength": strength, "protocol": protocol, "replicate": replicate}
    for protocol, replicate in product(("p0", "p1"), range(3)):
        made_ = make_trial(arm="control", protocol=protocol, replicate=replicate)
        made[made_.id] = {"concept": None, "strength": 0.0, "protocol": protocol, "replicate": replicate}
    return made


def pairs_of(store, wanted: ConditionPair, **filters) -> trial_pairs.PairSearch:
    choices = transcript_query.filter_choices(store)
    return trial_pairs.pair_trials(store, wanted, TrialFilters(**filters), choices)


@pytest.mark.parametrize("store_url", ["sqlite", "postgresql"], indirect=True)
def test_two_strengths_are_matched_in_all_else(store, trials):
    found = pairs_of(store, ConditionPair("strength", 2.0, 4.0))
    assert len(found.pairs) == 8
    assert found.is_complete
    for left, right in found.pairs:
        assert (trials[left]["strength"], trials[right]["strength"]) == (2.0, 4.0)
        assert all(trials[left][axis] == trials[right][axis] for axis in ("concept", "protocol", "replicate"))
    assert {"subject", "arm", "concept", "layer", "protocol"} == set(found.matched_on)
    narrowed = pairs_of(store, ConditionPair("strength", 2.0, 4.0), concept=("fear",), strength=(2.0,))
    assert len(narrowed.pairs) == 4, "a filter on the compared axis is ignored, others are not"
    choices = transcript_query.filter_choices(store)
    few = trial_pairs.pair_trials(
        store, ConditionPair("strength", 2.0, 4.0), TrialFilters(), choices, among=found.pairs[5]
    )
    assert few.pairs == (found.pairs[5],)


def test_two_protocols_and_two_concepts_are_matched_in_all_else(store, trials):
    found = pairs_of(store, ConditionPair("protocol", "p1", "p0"))
    assert len(found.pairs) == 8 + 3
    assert all(trials[left]["protocol"] == "p1" and trials[right]["protocol"] == "p0" for left, right in found.pairs)
    assert all(trials[left]["strength"] == trials[right]["strength"] for left, right in found.pairs)
    found = pairs_of(store, ConditionPair("concept", "ocean", "fear"))
    assert len(found.pairs) == 8
    assert all(trials[left]["strength"] == trials[right]["strength"] for left, right in found.pairs)


def test_an_arm_without_concepts_is_matched_in_what_both_have(store, trials):
    found = pairs_of(store, ConditionPair("arm", "injection", "control"))
    assert set(found.matched_on) == {"subject", "protocol"}
    assert len(found.pairs) == 6
    assert len({right for _, right in found.pairs}) == 6, "no trial stands in two pairs"
    assert all(trials[left]["protocol"] == trials[right]["protocol"] for left, right in found.pairs)


def test_a_search_ends_with_its_time_or_its_number_and_says_so(store, trials, monkeypatch):
    choices = transcript_query.filter_choices(store)
    wanted = ConditionPair("strength", 2.0, 4.0)
    hurried = trial_pairs.pair_trials(store, wanted, TrialFilters(), choices, count(0, 2 * trial_pairs.TIME).__next__)
    assert not hurried.is_complete
    assert len(hurried.pairs) == 4
    monkeypatch.setattr(trial_pairs, "MOST_PAIRS", 3)
    few = pairs_of(store, wanted)
    assert (len(few.pairs), few.is_complete) == (3, False)


def test_axes_that_can_be_compared_are_those_with_two_values(store, trials):
    choices = transcript_query.filter_choices(store)
    assert trial_pairs.comparable_axes(choices) == {
        "arm": ["control", "injection"],
        "concept": ["fear", "ocean"],
        "strength": [2.0, 4.0],
        "protocol": ["p0", "p1"],
    }


@pytest.mark.parametrize("store_url", ["sqlite", "postgresql"], indirect=True)
def test_trials_that_two_judges_read_differently_come_first(store, make_trial, monkeypatch):
    for name in ("a", "b"):
        store.add_judge(JudgeVersion(f"{name}-1", name, "lexicon", {}))
    store.save_settings({"concepts": ["ocean"], "judges": ["a", "b"]})
    made = sorted(make_trial(replicate=n).id for n in range(6))
    differ, same = [made[3], made[5]], [made[0], made[4]]
    verdicts = [Verdict(trial, "a-1", CLAIMS) for trial in differ + same]
    verdicts += [Verdict(trial, "b-1", DENIES) for trial in differ] + [Verdict(trial, "b-1", CLAIMS) for trial in same]
    verdicts += [Verdict(made[1], "a-1", CLAIMS), Verdict(made[1], "b-1", None, VerdictState.REFUSED)]
    verdicts += [Verdict(made[2], "b-1", DENIES)]
    store.add_verdicts(verdicts)
    conditions, plan = trial_pairs.plan_judge_pair(store, "a-1", "b-1")
    found = incremental_search.start_search(store, conditions, slow=True, wanted=9, order=plan)
    assert list(found.ids) == differ + same
    monkeypatch.setattr(incremental_search, "WHOLE", 0)
    monkeypatch.setattr(trial_order, "RANGES_OF_GROUP", 1)
    large = incremental_search.start_search(store, conditions, slow=True, wanted=2, order=plan)
    assert list(large.ids) == differ
