"""Errors of a judge in each place of a study, and errors that come from another study."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from gnomon.calibration.transport.transport_audit import TransportPlan, audit_external, audit_transport
from gnomon.calibration.transport.transport_results import TransportOutcome
from gnomon.data.errors import InputError, UnknownNameError
from gnomon.data.records import (
    Arm,
    Condition,
    Facts,
    JudgeVersion,
    Label,
    Span,
    Split,
    Subject,
    Trial,
    Verdict,
    split_of,
    trial_seed,
)
from gnomon.data.storage.store import Store
from gnomon.data.study_settings import ExternalRow
from gnomon.stats.narrative.caveats import external_caveats

CLAIM = Facts(claims=True, concept="none", coherent=True, refused=False)
DENIAL = Facts(claims=False, concept="none", coherent=True, refused=False)
MARGIN = TransportPlan(margin=0.15)


@pytest.fixture
def two_models(store: Store) -> Callable[..., Store]:
    """Control trials of two models; a judge with sensitivity and specificity by model, known exactly."""

    def fill(errors: Mapping[str, tuple[float, float]], n: int = 300) -> Store:
        store.save_settings({"name": "s", "concepts": ["ocean"], "judges": ["j"], "rule": "strict"})
        store.add_protocol("p0", "plain", {"messages": []})
        store.add_judge(JudgeVersion("j-1", "j", "simulated", {}))
        random = np.random.default_rng(5)
        for name, rates in errors.items():
            store.add_subjects([Subject(name, 1e9, "toy", "instruct", "r0")])
            condition = Condition(name, "r0", Arm.CONTROL, None, None, 0.0, Span.GENERATION, "p0", None, 1)
            ids = [condition.trial_id(place) for place in range(n)]
            store.add_trials([Trial(i, condition, k, trial_seed(i), f"a {k}", "stop", 2) for k, i in enumerate(ids)])
            truth = {i: k % 2 == 0 for k, i in enumerate(ids)}
            right = {i: random.random() < rates[0 if truth[i] else 1] for i in ids}
            store.add_verdicts(
                [Verdict(i, "j-1", CLAIM if truth[i] == right[i] else DENIAL) for i in ids],
            )
            store.add_labels([Label(i, "ann", CLAIM if truth[i] else DENIAL) for i in ids])
        return store

    return fill


def test_equal_errors_travel_and_others_do_not(two_models):
    store = two_models({"a": (0.95, 0.95), "b": (0.95, 0.95), "c": (0.95, 0.4)})
    found = audit_transport(store, "j", "subject", TransportPlan(0.15, learnt=("a",)))
    assert found.outcomes == {"b": TransportOutcome.PASS, "c": TransportOutcome.FAIL}
    assert not found.travels
    assert "pass for b; fail for c" in found.words
    assert "for all 2 together" in found.words


def test_each_place_is_compared_with_all_others_by_default(two_models):
    found = audit_transport(two_models({"a": (0.95, 0.95), "b": (0.95, 0.4)}), "j", "subject", MARGIN)
    assert set(found.outcomes.values()) == {TransportOutcome.FAIL}


def test_the_test_split_is_never_read(two_models):
    store = two_models({"a": (0.95, 0.95), "b": (0.95, 0.95)}, n=100)
    found = audit_transport(store, "j", "subject", MARGIN)
    condition = Condition("b", "r0", Arm.CONTROL, None, None, 0.0, Span.GENERATION, "p0", None, 1)
    kept = sum(split_of(condition.trial_id(place)) is not Split.TEST for place in range(100))
    decision = next(each for each in found.decisions if each.name == "b")
    assert sum(rate.used.of for rate in decision.rates) == kept < 100


def test_without_a_margin_nothing_is_decided(two_models):
    found = audit_transport(two_models({"a": (0.95, 0.95), "b": (0.95, 0.95)}, n=60), "j", "subject")
    assert set(found.outcomes.values()) == {TransportOutcome.NOT_CHECKED}
    assert "was not checked: no margin was said beforehand" in found.words


@pytest.mark.parametrize(("axis", "place"), [("protocol", "plain"), ("concept", None), ("date", "20")])
def test_other_axes_name_their_places(two_models, axis, place):
    found = audit_transport(two_models({"a": (0.9, 0.9)}, n=20), "j", axis, MARGIN)
    assert [name[: len(place)] for name in found.outcomes] == [place] if place else found.outcomes == {}


def test_an_unknown_axis_place_or_judge_is_told(two_models):
    store = two_models({"a": (0.9, 0.9)}, n=20)
    with pytest.raises(InputError, match="field 'moon': no trial has it: choose from "):
        audit_transport(store, "j", "moon", MARGIN)
    with pytest.raises(UnknownNameError, match="subject 'z': has no verdict of j: choose from a"):
        audit_transport(store, "j", "subject", TransportPlan(0.1, learnt=("z",)))
    with pytest.raises(UnknownNameError, match="judge 'k'"):
        audit_transport(store, "k", "subject", MARGIN)


def external(right: int, wrong: int, **more: bool) -> list[ExternalRow]:
    return [
        ExternalRow(judge="j", arm="control", truth="rest", said="rest", n=right, **more),
        ExternalRow(judge="j", arm="control", truth="refused", said="event", n=wrong, **more),
    ]


def test_errors_of_another_study_are_compared_with_own_labels(two_models):
    store = two_models({"a": (0.95, 0.95)})
    (good,), (bad,) = (audit_external(store, external(*counts), MARGIN) for counts in ((190, 10), (60, 140)))
    assert (good.outcomes, bad.outcomes) == ({"control": "pass"}, {"control": "fail"})
    (rate,) = good.decisions[0].rates
    assert (rate.rate, rate.learnt.right, rate.learnt.of) == ("specificity", 190, 200)
    assert not good.decisions[0].unchecked


def test_what_is_used_unchecked_is_told_unless_it_passes(two_models):
    store = two_models({"a": (0.95, 0.95)})
    (good,), (bad,) = (audit_external(store, external(*k, unchecked=True), MARGIN) for k in ((190, 10), (60, 140)))
    assert (good.decisions[0].unchecked, bad.decisions[0].unchecked) == (False, True)
    assert "Used unchecked, as the study file says: control." in bad.words


def test_a_judge_without_verdicts_here_is_not_checked(store):
    (found,) = audit_external(store, external(190, 10), MARGIN)
    assert (found.version, found.outcomes) == ("", {"control": TransportOutcome.NOT_CHECKED})


def test_the_caveat_stands_beside_corrected_figures(two_models):
    store = two_models({"a": (0.95, 0.95)})
    assert external_caveats(store) == ()
    rows = [each.model_dump() for each in external(190, 10)]
    store.save_settings({"external": rows})
    (told,) = external_caveats(store)
    assert "it is not shown that they hold here (not checked: no margin was said beforehand" in told
    store.save_settings({"external": rows, "transport": {"margin": 0.15}})
    assert "passed the check against the margin" in external_caveats(store)[0]
    store.save_settings({"external": [row | {"unchecked": True, "said": "event"} for row in rows]})
    assert "unchecked, as the study file says (unchecked = true; fail" in external_caveats(store)[0]


@pytest.fixture
def two_languages(store: Store) -> Callable[..., Store]:
    """Control trials under two prompts whose protocols say their language; the judge's errors differ by it."""

    def fill(rates: Mapping[str, tuple[float, float]], n: int = 300) -> Store:
        store.save_settings({"name": "s", "concepts": ["ocean"], "judges": ["j"], "rule": "strict"})
        store.add_subjects([Subject("a", 1e9, "toy", "instruct", "r0")])
        store.add_judge(JudgeVersion("j-1", "j", "simulated", {}))
        random = np.random.default_rng(5)
        for name, right in rates.items():
            fields = {} if name == "none" else {"fields": {"language": name, "prompt": 2}}
            store.add_protocol(name, "asked", {"messages": [], "temperature": 1.0, **fields})
            condition = Condition("a", "r0", Arm.CONTROL, None, None, 0.0, Span.GENERATION, name, None, 1)
            ids = [condition.trial_id(place) for place in range(n)]
            store.add_trials([Trial(i, condition, k, trial_seed(i), f"a {k}", "stop", 2) for k, i in enumerate(ids)])
            truth = {i: k % 2 == 0 for k, i in enumerate(ids)}
            good = {i: random.random() < right[0 if truth[i] else 1] for i in ids}
            store.add_verdicts([Verdict(i, "j-1", CLAIM if truth[i] == good[i] else DENIAL) for i in ids])
            store.add_labels([Label(i, "ann", CLAIM if truth[i] else DENIAL) for i in ids])
        return store

    return fill


def test_places_may_differ_in_any_field_that_trials_carry(two_languages):
    store = two_languages({"en": (0.95, 0.95), "de": (0.95, 0.95), "fr": (0.95, 0.4)})
    found = audit_transport(store, "j", "language", TransportPlan(0.15, learnt=("en",)))
    assert found.outcomes == {"de": TransportOutcome.PASS, "fr": TransportOutcome.FAIL}
    assert "learnt on trials of another language" in found.words
    assert audit_transport(store, "j", "prompt", MARGIN).outcomes == {"2": TransportOutcome.NOT_CHECKED}


def test_trials_without_the_field_are_left_out_and_told(two_languages):
    found = audit_transport(two_languages({"en": (0.9, 0.9), "de": (0.9, 0.9), "none": (0.9, 0.1)}), "j", "language")
    labelled = sum(rate.used.of for each in found.decisions for rate in each.rates)
    assert set(found.outcomes) == {"en", "de"}
    assert found.without == pytest.approx(labelled / 2, rel=0.2)
    with_margin = audit_transport(two_languages({}), "j", "language", MARGIN)
    assert f"Without a language, and left out: {found.without} labelled trials." in with_margin.words


def test_an_unknown_field_is_told_with_those_that_exist(two_languages):
    store = two_languages({"en": (0.9, 0.9)}, n=10)
    with pytest.raises(InputError, match=r"field 'moon': no trial has it: choose from .*language, prompt, temp"):
        audit_transport(store, "j", "moon", MARGIN)


def test_errors_of_another_study_must_hold_in_each_language_where_the_study_says_so(two_languages):
    """On average they hold; in one language, where nobody looked, they do not."""
    store = two_languages({"en": (0.95, 0.99), "de": (0.95, 0.7)})
    settings = store.study_settings()
    (whole,) = audit_external(store, external(170, 30), MARGIN)
    assert whole.outcomes == {"control": "pass"}
    store.save_settings({**settings, "transport": {"margin": 0.15, "error": 0.05, "by": ["language"]}})
    (found,) = audit_external(store, external(170, 30))
    assert set(found.outcomes) == {"control, language de", "control, language en"}
    assert not found.travels
    (waived,) = audit_external(store, external(170, 30, unchecked=True))
    assert {each.unchecked for each in waived.decisions if each.outcome != "pass"} == {True}


def test_trials_without_the_field_must_pass_too(two_languages):
    store = two_languages({"en": (0.95, 0.95), "none": (0.95, 0.3)})
    store.save_settings({**store.study_settings(), "transport": {"margin": 0.15, "error": 0.05, "by": ["language"]}})
    (found,) = audit_external(store, external(190, 10))
    assert found.outcomes == {"control, language en": "pass", "control, no language": "fail"}


def test_an_arm_without_trials_is_not_checked_and_not_forgotten(two_languages):
    store = two_languages({"en": (0.95, 0.95)}, n=20)
    store.save_settings({**store.study_settings(), "transport": {"margin": 0.15, "error": 0.05, "by": ["language"]}})
    (found,) = audit_external(store, [row.model_copy(update={"arm": "random"}) for row in external(190, 10)])
    assert found.outcomes == {"random": "not checked"}


def test_a_field_that_no_trial_has_is_told_where_figures_stand(two_languages):
    store = two_languages({"none": (0.95, 0.95)})
    settings = {"transport": {"margin": 0.15, "error": 0.05, "by": ["language"]}}
    store.save_settings(
        {**store.study_settings(), **settings, "external": [row.model_dump() for row in external(9, 1)]}
    )
    (told,) = external_caveats(store)
    assert "was not checked: field 'language': no trial has it" in told
