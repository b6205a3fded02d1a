"""Search: stretch by stretch it finds what one query would find, in order, and stops when the time is up."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest
from sqlalchemy import literal, select

from gnomon.dashboard.transcripts import incremental_search
from gnomon.data.storage import tables

EVEN = tables.trials.c.replicate % 2 == 0


@pytest.fixture
def evens(store, make_trial) -> list[str]:
    made = {replicate: make_trial(replicate=replicate).id for replicate in range(60)}
    return sorted(id_ for replicate, id_ in made.items() if replicate % 2 == 0)


def test_few_are_fetched_whole_and_counted(store, evens):
    found = incremental_search.start_search(store, [EVEN], slow=False, wanted=5)
    assert (list(found.ids), found.total, found.is_complete) == (evens, 30, True)


def test_many_are_counted_and_found_as_far_as_they_are_wanted(store, evens, monkeypatch):
    monkeypatch.setattr(incremental_search, "FEW", 10)
    found = incremental_search.start_search(store, [EVEN], slow=False, wanted=5)
    assert found.total == 30
    assert list(found.ids) == evens[: len(found.ids)]
    assert 5 <= len(found.ids) < 30


def test_many_in_the_first_stretch_are_counted_without_being_fetched(store, evens, monkeypatch):
    fetch, asked = incremental_search._matching_rows, []
    monkeypatch.setattr(incremental_search, "MANY", -1)
    monkeypatch.setattr(
        incremental_search, "_matching_rows", lambda *query: asked.append(len(query[1])) or fetch(*query)
    )
    found = incremental_search.start_search(store, [EVEN], slow=False, wanted=5)
    assert (found.total, list(found.ids)) == (30, evens[: len(found.ids)])
    assert len(asked) == found.reached
    assert all(conditions > 1 for conditions in asked)


def test_stretch_by_stretch_nothing_is_missed_or_found_twice(store, evens):
    found, seen = incremental_search.SearchState(), [0]
    while not found.is_complete:
        found = incremental_search.resume_search(store, [EVEN], found, len(found.ids) + 1)
        seen.append(len(found.ids))
    assert list(found.ids) == evens
    assert seen == sorted(seen)
    assert found.searched_share == 1


def test_a_small_study_is_looked_through_at_once(store, evens, monkeypatch):
    monkeypatch.setattr(incremental_search, "BEST_PART", 0.0)
    found = incremental_search.start_search(store, [EVEN], slow=True, wanted=1)
    assert (list(found.ids), found.is_complete) == (evens, True)


def test_ids_that_are_no_hashes_are_found_too(store, make_trial, monkeypatch):
    monkeypatch.setattr(incremental_search, "WHOLE", 0)
    trial = store.load_trials([make_trial().id])[0]
    with store.write_transaction() as connection:
        row = dict(connection.execute(select(tables.trials)).mappings().one())
        for id_ in ("", "zz", "Ü", "00", "ff"):
            store.insert_rows(connection, tables.trials, [{**row, "id": id_}])
    found = incremental_search.start_search(store, [literal(True)], slow=True, wanted=99)
    assert sorted(found.ids) == sorted([trial.id, "", "zz", "Ü", "00", "ff"])


def test_a_search_stops_when_its_time_is_up_and_goes_on_from_there(store, evens):
    ticks = count(0.0, incremental_search.BEST_PART)
    found = incremental_search.resume_search(
        store, [EVEN], incremental_search.SearchState(), 1000, clock=lambda: next(ticks)
    )
    assert found.reached == 2
    assert not found.is_complete
    rest = incremental_search.resume_search(store, [EVEN], found, 1000)
    assert list(rest.ids) == evens


def test_among_given_ids_those_that_fit_are_found_in_order(store, evens, monkeypatch):
    monkeypatch.setattr(incremental_search, "AT_ONCE", 7)
    everyone = incremental_search.start_search(store, [literal(True)], slow=False, wanted=99).ids
    found = incremental_search.filter_ids(store, [EVEN], everyone[::-1])
    assert (list(found.ids), found.total, found.is_complete) == (evens, 30, True)


def test_a_trial_that_failed_is_no_transcript_and_is_not_counted(store, make_trial, evens, monkeypatch):
    lost = replace(make_trial(replicate=99), id="f" * 32, replicate=100, answer="", error="out of memory")
    store.add_trials([lost])
    assert incremental_search.start_search(store, [EVEN], slow=False, wanted=5).total == 30
    monkeypatch.setattr(incremental_search, "FEW", 10)
    found = incremental_search.start_search(store, [EVEN], slow=False, wanted=99)
    assert (list(found.ids), found.total) == (evens, 30)
