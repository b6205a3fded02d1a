"""One order over the whole study: sorted at once, by the database or group by group, it is the same list."""

from __future__ import annotations

from itertools import count, product

import pytest
from sqlalchemy import literal

from gnomon.dashboard.transcripts import incremental_search, transcript_query, trial_order
from gnomon.dashboard.transcripts.trial_order import TrialOrder, plan_order
from gnomon.data.records import Facts, JudgeVersion, Label, LabelKind, Verdict, VerdictState
from gnomon.data.storage import tables

EVERY = [literal(True)]
EVEN = [tables.trials.c.replicate % 2 == 0]
DENIES, NAMES, REFUSES = (
    Facts(False, "none", True, False),
    Facts(True, "ocean", True, False),
    Facts(False, "none", True, True),
)
ORDERS = ["condition", "subject", "arm", "concept", "layer", "strength", "labels", "judge a-1"]


@pytest.fixture
def study(store, make_trial) -> dict[str, tuple[object, ...]]:
    """Trials of every kind; for each what it is sorted by, in the order of ORDERS."""
    store.add_judge(JudgeVersion("a-1", "a", "lexicon", {}))
    store.save_settings({"concepts": ["ocean", "fear"], "judges": ["a"]})
    found, verdicts, labels = {}, [], []
    for place in range(30):
        arm = "control" if place % 4 == 0 else "injection"
        where = {"subject": ("tiny", "large")[place % 2], "arm": arm, "replicate": place}
        where |= {"concept": ("ocean", "fear")[place % 3 == 0], "strength": (2.0, 10.0, 4.0)[place % 3]}
        trial = make_trial(**where)
        hit = arm == "injection" and trial.condition.concept == "ocean"
        said = [(DENIES, VerdictState.OK, 2), (NAMES, VerdictState.OK, 4 if hit else 3), (REFUSES, VerdictState.OK, 0)]
        said += [(None, VerdictState.UNPARSABLE, 6), (None, VerdictState.REFUSED, 7)]
        rank = 99
        if place % 7 < len(said):
            facts, state, rank = said[place % 7]
            verdicts.append(Verdict(trial.id, "a-1", facts, state))
        raters = ("ann", "bob", "cleo")[: place % 7 if place % 7 < 4 else 0]
        labels += [Label(trial.id, rater, DENIES) for rater in raters]
        labels += [Label(trial.id, "ann", None, LabelKind.RETRACTION, revision=1)] if place == 3 else []
        is_ = trial.condition
        cell = (is_.subject, str(is_.arm), is_.concept, is_.layer, is_.strength)
        found[trial.id] = (cell, *cell, len(raters) - (place == 3), rank)
    store.add_verdicts(verdicts)
    store.add_labels(labels)
    return found


def nulls_first(value):
    return [(each is not None, each) for each in (value if isinstance(value, tuple) else (value,))]


def expected(study, by: str, down: bool) -> list[str]:
    place = ORDERS.index(by)
    return sorted(sorted(study), key=lambda id_: nulls_first(study[id_][place]), reverse=down)


def ordered(store, order: TrialOrder, conditions, *, slow: bool, wanted: int) -> list[str]:
    """Ids of a search that is resumed until it is complete."""
    plan = plan_order(store, order, transcript_query.filter_choices(store))
    found = incremental_search.start_search(store, conditions, slow=slow, wanted=wanted, order=plan)
    for _ in range(9999):
        if found.is_complete:
            return list(found.ids)
        before = found.ids
        clock = count(0.0, incremental_search.BEST_PART / 6).__next__
        found = incremental_search.resume_search(
            store, conditions, found, len(before) + wanted, clock=clock, order=plan
        )
        assert found.ids[: len(before)] == before
    raise AssertionError("never complete")


@pytest.mark.parametrize("store_url", ["sqlite", "postgresql"], indirect=True)
@pytest.mark.parametrize("orders", [ORDERS[:4], ORDERS[4:]])
def test_the_order_is_that_of_a_plain_sort_however_it_is_made(store, study, monkeypatch, orders):
    even = set(incremental_search.start_search(store, EVEN, slow=True, wanted=99).ids)
    assert len(even) == len(study) / 2
    for by, down in product(orders, (False, True)):
        order, wanted = TrialOrder(by, down), expected(study, by, down)
        with monkeypatch.context() as patched:
            assert ordered(store, order, EVERY, slow=False, wanted=5) == wanted
            patched.setattr(incremental_search, "WHOLE", 10)
            patched.setattr(incremental_search, "FEW", 10)
            patched.setattr(incremental_search, "MANY", -1)
            patched.setattr(incremental_search, "SORTED_AT_ONCE", 7)
            patched.setattr(trial_order, "RANGES_OF_GROUP", 5)
            assert ordered(store, order, EVERY, slow=False, wanted=12) == wanted
            plan = _plan(store, order)
            first = incremental_search.start_search(store, EVERY, slow=False, wanted=9, order=plan, reads_text=True)
            assert list(first.ids) == wanted[: len(first.ids)]
            found = ordered(store, order, EVEN, slow=True, wanted=12)
            assert found == [id_ for id_ in wanted if id_ in even]
        assert list(incremental_search.filter_ids(store, EVEN, sorted(study), plan).ids) == found


def _plan(store, order):
    return plan_order(store, order, transcript_query.filter_choices(store))


def test_the_first_page_of_a_large_study_holds_the_first_trials_of_all(store, study, monkeypatch):
    """Not the first by id, sorted: what a table does that sorts the rows it shows."""
    monkeypatch.setattr(incremental_search, "WHOLE", 10)
    monkeypatch.setattr(incremental_search, "FEW", 10)
    for by in ORDERS:
        plan = _plan(store, TrialOrder(by, True))
        found = incremental_search.start_search(store, EVERY, slow=False, wanted=3, order=plan)
        assert list(found.ids[:3]) == expected(study, by, True)[:3]


def test_an_order_that_the_study_does_not_have_is_that_of_ids(store, study):
    choices = transcript_query.filter_choices(store)
    for by in ("", "judge of-another-study", "answer; DROP TABLE trials", "judge"):
        assert plan_order(store, TrialOrder(by), choices) is None


def test_without_labels_all_trials_are_one_group(store, make_trial):
    made = sorted(make_trial(replicate=n).id for n in range(5))
    assert ordered(store, TrialOrder("labels", True), EVERY, slow=False, wanted=2) == made
