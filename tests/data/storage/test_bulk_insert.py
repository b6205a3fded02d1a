"""Rows that go in by the thousand are the rows that go in by the few; one that is there takes all of them back."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from database import on_both
from sqlalchemy import select

from gnomon.data.errors import InputError, StoreError
from gnomon.data.records import Facts, JudgeVersion, Verdict, VerdictState
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store, trial_row, verdict_row

store_url = on_both
TIME = "2026-01-01T00:00:00.000000+00:00"
BOTH = (tables.trials, tables.verdicts)
JUDGE = JudgeVersion("v1", "a judge", "lexicon", {})
SAID = 'tab\there, line\nthere, \\N, "quoted", naïve \U0001f30a'


def stored(store, table):
    with store.read_transaction() as connection:
        return rows_of(connection, table)


def rows_of(connection, table):
    """Rows of a table without the numbers that the database gives out."""
    columns = [column for column in table.columns if not (column.name == "id" and table is tables.verdicts)]
    return [tuple(row) for row in connection.execute(select(*columns).order_by(*columns[:3]))]


@pytest.fixture
def rows(store, make_trial):
    """Trials that the store has not, with verdicts of a judge that it has: every kind of value, and none."""
    known = make_trial()
    store.add_judge(JUDGE)
    conditions = [replace(known.condition, seed=2**62 + number) for number in range(3)]
    trials = [
        replace(known, id=each.trial_id(number), condition=each, replicate=number, answer=f"{SAID}{number}", depth=0.5)
        for number, each in enumerate(conditions)
    ]
    facts = Facts(claims=False, concept="none", coherent=True, refused=False, passed=True)
    verdicts = [
        Verdict(trials[0].id, "v1", facts, quote=SAID, seconds=0.25),
        Verdict(trials[1].id, "v1", None, VerdictState.UNPARSABLE, raw=SAID),
        Verdict(trials[2].id, "v1", replace(facts, passed=None), input_tokens=3),
    ]
    return [trial_row(trial) for trial in trials], [verdict_row(verdict) for verdict in verdicts]


def taken_back(store, add, rows):
    """The rows of both tables after these went in by `add`, in a transaction that does not end well."""
    timed = [[{**row, "created_at": TIME} for row in part] for part in rows]
    with suppress(ZeroDivisionError), store.write_transaction() as connection:
        for table, part in zip(BOTH, timed, strict=True):
            add(store, connection, table, part)
        found = [rows_of(connection, table) for table in BOTH]
        raise ZeroDivisionError
    return found


def test_filled_rows_are_the_rows_that_are_inserted(store, rows):
    before = [stored(store, table) for table in BOTH]
    inserted, filled = (taken_back(store, add, rows) for add in (Store.insert_rows, Store.bulk_insert))
    assert filled == inserted
    assert [len(part) for part in filled] == [4, 3]
    assert [stored(store, table) for table in BOTH] == before


def test_a_filled_row_that_is_there_is_one_line_and_takes_the_others_back(store, rows):
    trials, _ = rows
    with store.write_transaction() as connection:
        store.bulk_insert(connection, tables.trials, trials[:1])
    before = stored(store, tables.trials)
    with pytest.raises(InputError) as told, store.write_transaction() as connection:
        store.bulk_insert(connection, tables.trials, trials[::-1])
    assert "\n" not in str(told.value)
    assert "unique" in str(told.value).lower()
    assert stored(store, tables.trials) == before


def test_a_filled_row_that_refers_to_nothing_is_told_with_what_mends_it(store, rows):
    _, verdicts = rows
    with pytest.raises(InputError, match="add what the row refers to first"), store.write_transaction() as connection:
        store.bulk_insert(connection, tables.verdicts, verdicts)
    assert stored(store, tables.verdicts) == []


def test_filled_rows_without_a_time_get_one_each_later_than_the_last(store, rows):
    trials, verdicts = rows
    with store.write_transaction() as connection:
        store.bulk_insert(connection, tables.trials, trials)
        store.bulk_insert(connection, tables.verdicts, verdicts)
        times = list(connection.execute(select(tables.verdicts.c.created_at).order_by(tables.verdicts.c.id)).scalars())
    assert times == sorted(set(times))
    assert len(times) == 3


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_a_connection_that_is_cut_before_rows_are_filled_is_one_line_and_stores_none(store, rows):
    trials = [{**row, "created_at": TIME} for row in rows[0]]  # times are not asked for: COPY is the first to notice
    before = stored(store, tables.trials)
    ended = pytest.raises(StoreError, match="run the same command again")
    with ended, store.write_transaction() as connection:
        store.bulk_insert(connection, tables.trials, trials[:1])
        backend = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        with store.read_transaction() as other:
            other.exec_driver_sql(f"SELECT pg_terminate_backend({backend}, 5000)")
        store.bulk_insert(connection, tables.trials, trials[1:])
    assert stored(store, tables.trials) == before


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_a_text_that_postgresql_does_not_keep_is_told_with_what_mends_it(store, rows):
    trials, _ = rows
    with (
        pytest.raises(StoreError, match="take it out, or keep the study in SQLite"),
        store.write_transaction() as connection,
    ):
        store.bulk_insert(connection, tables.trials, [trials[0], {**trials[1], "answer": "\x00"}])
    assert len(stored(store, tables.trials)) == 1
