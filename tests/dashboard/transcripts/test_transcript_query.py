"""Browse: the database decides outcomes exactly as the rule does, and lists what the filters say, a page at a time."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product

import pytest
from sqlalchemy import select

from gnomon.calibration.observations.sql_outcomes import outcome_of
from gnomon.dashboard.transcripts import incremental_search, label_conditions, transcript_query
from gnomon.dashboard.transcripts.transcript_query import TrialFilters
from gnomon.data.outcomes import RULES, Outcome
from gnomon.data.records import Arm, Exposure, Facts, JudgeVersion, Label, LabelKind, Verdict, VerdictState
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store

SAYS = {
    "denied": Facts(False, "none", True, False),
    "claimed": Facts(True, "other", True, False),
    "refused": Facts(False, "none", True, True),
}


@pytest.fixture
def judges(store: Store) -> dict[str, str]:
    for name in ("a", "b"):
        store.add_judge(JudgeVersion(f"{name}-1", name, "lexicon", {}))
    store.save_settings({"concepts": ["ocean", "fear"], "judges": ["a", "b"]})
    return {"a-1": "a", "b-1": "b"}


def ids(store: Store, filters: TrialFilters, judges: dict[str, str]) -> set[str]:
    conditions = transcript_query.filter_conditions(
        store, filters, replace(transcript_query.filter_choices(store), judge=judges)
    )
    return set(incremental_search.start_search(store, conditions, slow=filters.shows_verdicts, wanted=1000).ids)


@pytest.mark.parametrize("name", ["subject", "arm", "concept", "strength", "protocol", "split"])
def test_some_most_or_all_values_of_a_field_are_found_as_if_each_row_were_looked_at(store, make_trial, judges, name):
    """Most are asked for by what is left out: what has no value there, a control's concept, is in none of them."""
    for place, (subject, concept) in enumerate(product(("tiny", "small", "large"), ("ocean", "fear", "silence"))):
        shared = {"subject": subject, "strength": float(place % 4), "protocol": f"p{place % 2}"}
        make_trial(**shared, concept=concept, replicate=place)
        make_trial(subject=subject, arm="control", replicate=place)
    stored = store.read_frame(tables.trials)
    values = sorted(stored[name].dropna().unique())
    assert len(values) > 1
    for many in range(1, len(values) + 1):
        for chosen in combinations(values, many):
            expected = set(stored.loc[stored[name].isin(chosen), "id"])
            assert ids(store, TrialFilters(**{name: chosen}), judges) == expected


@pytest.mark.parametrize("rule", list(RULES))
def test_the_database_derives_outcomes_as_the_rule_does(store, make_trial, judges, rule):
    expected = {}
    facts = [Facts(*each) for each in product((True, False), ("ocean", "none"), (True, False), (True, False))]
    for arm, (replicate, said) in product(Arm, enumerate(facts)):
        trial = make_trial(arm=str(arm), replicate=replicate)
        store.add_verdicts([Verdict(trial.id, "a-1", said)])
        expected[trial.id] = str(RULES[rule](said, arm, trial.condition.concept))
    outcome = outcome_of(RULES[rule])
    query = select(tables.trials.c.id, outcome).join(tables.verdicts, tables.verdicts.c.trial == tables.trials.c.id)
    with store.read_transaction() as connection:
        assert {row[0]: row[1] for row in connection.execute(query)} == expected
    assert len(expected) == 16 * len(Arm)


def test_each_filter_lets_through_what_it_names(store, make_trial, judges):
    ocean = make_trial(concept="ocean", strength=2.0, answer="a vast sea, 100% sure")
    fear = make_trial(concept="fear", strength=4.0, protocol="p1", answer="nothing")
    bare = make_trial(arm="control", answer="nothing at ALL")
    found = {
        name: ids(store, filters, judges)
        for name, filters in {
            "all": TrialFilters(),
            "concept": TrialFilters(concept=("fear",)),
            "strength": TrialFilters(strength=(2.0,)),
            "arm": TrialFilters(arm=("control",)),
            "protocol": TrialFilters(protocol=("p1",)),
            "text": TrialFilters(text="nothing at all"),
            "percent": TrialFilters(text="0%"),
            "wildcard": TrialFilters(text="_"),
            "two": TrialFilters(arm=("injection",), text="nothing"),
        }.items()
    }
    assert found == {
        "all": {ocean.id, fear.id, bare.id},
        "concept": {fear.id},
        "strength": {ocean.id},
        "arm": {bare.id},
        "protocol": {fear.id},
        "text": {bare.id},
        "percent": {ocean.id},
        "wildcard": set(),
        "two": {fear.id},
    }


def test_outcome_and_dispute_are_read_from_verdicts_that_count(store, make_trial, judges):
    agreed, disputed, half, failed = (make_trial(replicate=n) for n in range(4))
    store.add_verdicts(
        [
            Verdict(agreed.id, "a-1", SAYS["denied"]),
            Verdict(agreed.id, "b-1", SAYS["denied"]),
            Verdict(disputed.id, "a-1", SAYS["denied"]),
            Verdict(disputed.id, "b-1", SAYS["claimed"]),
            Verdict(half.id, "a-1", SAYS["claimed"]),
            Verdict(failed.id, "a-1", SAYS["denied"]),
            Verdict(failed.id, "b-1", None, VerdictState.UNPARSABLE),
            Verdict(agreed.id, "a-1", SAYS["refused"], sample=1),
        ]
    )
    assert ids(store, TrialFilters(disputed=True), judges) == {disputed.id}
    assert ids(store, TrialFilters(outcome=("claimed",)), judges) == {disputed.id, half.id}
    assert ids(store, TrialFilters(outcome=("claimed",), judge="a-1"), judges) == {half.id}
    assert ids(store, TrialFilters(outcome=("refused",)), judges) == set()
    table = transcript_query.outcome_table(store, [failed.id, half.id], judges)
    assert table.loc[failed.id].tolist() == [Outcome.DENIED, "failed: unparsable"]
    assert table.loc[half.id, "a"] == "claimed"
    mute = make_trial(replicate=9)
    store.add_verdicts([Verdict(mute.id, "a-1", None, VerdictState.REFUSED)])
    said = transcript_query.outcome_table(store, [mute.id], judges).loc[mute.id, "a"]
    assert said == "failed: refused", "a judge that refused to judge, not a response that refused"
    assert table.loc[half.id].isna().tolist() == [False, True]


def test_a_label_taken_back_is_no_label(store, make_trial, judges):
    kept, taken, flagged, none = (make_trial(replicate=n) for n in range(4))
    store.add_labels(
        [
            Label(kept.id, "ann", SAYS["denied"]),
            Label(kept.id, "bob", SAYS["denied"]),
            Label(taken.id, "ann", SAYS["denied"]),
            Label(taken.id, "ann", None, LabelKind.RETRACTION, revision=1),
            Label(flagged.id, "ann", None, LabelKind.FLAG),
        ]
    )
    assert ids(store, TrialFilters(labelled="yes"), judges) == {kept.id}
    assert ids(store, TrialFilters(labelled="no"), judges) == {taken.id, flagged.id, none.id}
    assert label_conditions.label_counts(store, [kept.id, taken.id, none.id]) == [2, 0, 0]


def test_rows_come_in_the_order_in_which_they_are_named(store, make_trial, judges):
    made = sorted(make_trial(replicate=n).id for n in range(5))
    for asked in (made, made[::-1], [made[3], made[0], made[4]]):
        assert list(transcript_query.trial_rows(store, asked)["id"]) == asked
    assert transcript_query.trial_rows(store, ["none of them"]).empty


def test_one_trials_details_hold_verdicts_and_the_whole_label_history(store, make_trial, judges):
    trial = make_trial(answer="the sea")
    store.add_verdicts([Verdict(trial.id, "a-1", SAYS["claimed"], quote="sea")])
    store.add_labels(
        [
            Label(trial.id, "ann", SAYS["denied"], created_at="2026-01-01T00:00:00.000000+00:00"),
            Label(
                trial.id, "ann", None, LabelKind.RETRACTION, revision=1, created_at="2026-01-02T00:00:00.000000+00:00"
            ),
            Label(trial.id, "ann", SAYS["claimed"], revision=2, exposure=Exposure.AFTER_VERDICT),
        ]
    )
    details = transcript_query.trial_details(store, trial.id)
    assert (details.answer, details.quotes) == ("the sea", ("sea",))
    assert details.verdicts[["judge", "outcome"]].to_numpy().tolist() == [["a", "claimed"]]
    assert details.labels["withdrawn"].tolist() == [True, False, False]
    assert details.condition["concept"] == "ocean"


def test_choices_are_the_values_that_occur(store, make_trial, judges):
    make_trial(strength=4.0)
    make_trial(arm="control")
    trial = make_trial(strength=2.0, concept="fear")
    store.add_verdicts([Verdict(trial.id, "a-1", SAYS["denied"])])
    found = transcript_query.filter_choices(store)
    assert found.arm == ["control", "injection"]
    assert found.concept == ["fear", "ocean"]
    assert found.strength == [0.0, 2.0, 4.0]
    assert found.judge == {"a-1": "a"}
