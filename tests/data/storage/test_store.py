"""The store keeps facts: once, for good, and in the shape that it was given."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from database import together
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, insert, inspect, text

from gnomon.data.errors import InputError, StoreError, StoreVersionError
from gnomon.data.readings import OptionReading
from gnomon.data.records import (
    LONGEST_NOTE,
    Arm,
    Condition,
    Facts,
    JudgeVersion,
    Label,
    LabelPolicy,
    Span,
    Subject,
    Trial,
    Verdict,
    split_of,
    trial_seed,
)
from gnomon.data.storage import tables
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import LONGEST_LEASE, Store

YES = Facts(claims=True, concept="ocean", coherent=True, refused=False)


def test_a_trial_comes_back_as_it_went_in(store, make_trial):
    trial = make_trial(answer="naïve ☃ \u202e answer\n\twith\ttabs")
    (back,) = store.load_trials()
    assert back.answer == trial.answer
    assert back.condition == trial.condition
    assert (back.id, back.seed, back.replicate) == (trial.id, trial.seed, trial.replicate)
    assert back.created_at


text_without_nul = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=200)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    answer=text_without_nul,
    strength=st.floats(-100, 100),
    layer=st.one_of(st.none(), st.integers(0, 200)),
    arm=st.sampled_from(list(Arm)),
    span=st.sampled_from(list(Span)),
    replicate=st.integers(0, 2**31 - 1),
)
def test_any_trial_round_trips(store, answer, strength, layer, arm, span, replicate):
    store.add_subjects([Subject("s", 1e9, "f", "v")])
    store.add_protocol("p", "p", {})
    condition = Condition("s", "r", arm, "ocean", layer, strength, span, "p", "v", 7)
    id_ = condition.trial_id(replicate)
    trial = Trial(
        id_,
        condition,
        replicate,
        trial_seed(id_),
        answer,
        "stop",
        3,
        magnitude=2.5,
        source="t",
        measure="pick",
        readings={"answer": OptionReading({"cat": -0.5, "dog": -2.0}, 1.25)},
        thinking=answer,
        code_version="v1",
        created_at="2026-01-01T00:00:00.000000+00:00",
    )
    if store.add_trials([trial]):
        assert store.load_trials([id_]) == [trial]
    else:
        assert store.load_trials([id_])[0].condition == condition


def test_readings_and_thinking_come_back_as_they_were(store, make_trial):
    reading = OptionReading({"yes": -0.25, "no": -2.0}, entropy=1.5)
    trial = replace(make_trial(), measure="notice", readings={"answer": reading}, thinking="Hm.")
    other = replace(trial, id=trial.condition.trial_id(7), replicate=7)
    store.add_trials([other])
    (found,) = store.load_trials([other.id])
    assert (found.measure, found.readings, found.thinking) == ("notice", {"answer": reading}, "Hm.")
    assert reading.mass == pytest.approx(0.9141, abs=1e-4)
    assert sum(reading.shares.values()) == pytest.approx(1.0)


def test_the_same_trial_asked_for_twice_is_made_once(store, make_trial):
    trial = make_trial()
    assert store.add_trials([trial, trial]) == 0
    assert store.count_rows(tables.trials) == 1


def test_the_id_tells_subjects_apart():
    first = Condition("a", "r", Arm.CONTROL, None, None, 0.0, Span.ALL, "p", None, 1)
    second = Condition("b", "r", Arm.CONTROL, None, None, 0.0, Span.ALL, "p", None, 1)
    assert first.trial_id(0) != second.trial_id(0)
    assert first.trial_id(0) != first.trial_id(1)


@pytest.mark.parametrize("table", tables.APPEND_ONLY)
@pytest.mark.parametrize("action", ["UPDATE", "DELETE"])
def test_facts_are_never_changed_or_taken_away(store, make_trial, table, action):
    trial = make_trial()
    store.add_judge(JudgeVersion("j1", "j", "lexicon", {}))
    store.add_verdicts([Verdict(trial.id, "j1", YES)])
    store.add_label_policies([LabelPolicy("first", "A claim is a claim.")])
    store.add_labels([Label(trial.id, "ann", YES)])
    store.add_fit(
        {"id": "f", "view": "x", "status": "ok", "data_hash": "d", "seed": 1, "priors": {}}
        | {"diagnostics": {}, "result": {}}
    )
    store.log_event("seen", {})
    column = next(iter(tables.metadata.tables[table].columns)).name
    statement = f"UPDATE {table} SET {column} = {column}" if action == "UPDATE" else f"DELETE FROM {table}"
    with pytest.raises(InputError, match="append-only"), store.write_transaction() as connection:
        connection.execute(text(statement))


def test_a_verdict_for_a_trial_that_is_not_there_is_refused_whole(store, make_trial):
    trial = make_trial()
    store.add_judge(JudgeVersion("j1", "j", "lexicon", {}))
    with pytest.raises(InputError, match=r"(?i)foreign key.*add what the row refers to first"):
        store.add_verdicts([Verdict(trial.id, "j1", YES), Verdict("nobody", "j1", YES)])
    assert store.count_rows(tables.verdicts) == 0


def test_a_label_is_one_event_however_often_it_is_sent(store, make_trial):
    label = Label(make_trial().id, "ann", YES)
    assert [store.add_labels([label]), store.add_labels([label])] == [1, 0]
    assert store.next_revision(label.trial, "ann") == 1
    assert store.next_revision(label.trial, "bob") == 0


def test_a_lease_keeps_others_away_until_it_ends(store, make_trial):
    trial = make_trial()
    assert store.acquire_lease(trial.id, "ann", 60)
    assert not store.acquire_lease(trial.id, "bob", 60)
    assert store.leased_to_others("bob") == {trial.id}
    assert store.leased_to_others("ann") == set()
    assert store.acquire_lease(trial.id, "ann", -1)
    assert store.acquire_lease(trial.id, "bob", 60)


@pytest.mark.attack
def test_a_lease_by_a_clock_that_was_ahead_holds_no_trial(store, make_trial):
    """A server whose clock was a month ahead, and one that asks for a month."""
    trials = [make_trial(replicate=number) for number in range(2)]
    late = datetime.now(UTC) + timedelta(days=30)
    with store.write_transaction() as connection:
        connection.execute(insert(tables.leases).values(trial=trials[0].id, rater="far", expires_at=late.isoformat()))
    assert store.leased_to_others("near") == set()
    assert store.acquire_lease(trials[0].id, "near", 60)
    assert store.acquire_lease(trials[1].id, "far", 30 * 86400)
    assert store.leased_to_others("near") == {trials[1].id}
    ends = store.read_frame(tables.leases).set_index("trial")["expires_at"][trials[1].id]
    assert datetime.fromisoformat(ends) <= datetime.now(UTC) + timedelta(seconds=LONGEST_LEASE + 5)


@pytest.mark.attack
def test_a_note_that_would_be_kept_for_ever_has_a_bound(store, make_trial):
    trial = make_trial()
    fits = Label(trial.id, "ann", YES, note="n" * LONGEST_NOTE)
    with pytest.raises(InputError, match=f"its note has {LONGEST_NOTE + 1} characters: {LONGEST_NOTE} are the most"):
        store.add_labels([replace(fits, rater="bob"), replace(fits, note=fits.note + "n")])
    assert store.count_rows(tables.labels) == 0
    assert store.add_labels([fits]) == 1


def test_two_writers_at_once_lose_nothing(store, make_trial):
    trials = [make_trial(replicate=number) for number in range(40)]
    store.add_judge(JudgeVersion("j1", "j", "lexicon", {}))

    def write(part):
        for trial in part:
            store.add_verdicts([Verdict(trial.id, "j1", YES)])

    together(lambda: write(trials[::2]), lambda: write(trials[1::2]))
    assert store.count_rows(tables.verdicts) == 40


def test_the_migrations_make_the_tables_that_the_code_knows(store):
    made = inspect(store.engine)
    for name, table in tables.metadata.tables.items():
        columns = {column["name"]: column["nullable"] for column in made.get_columns(name)}
        assert columns == {column.name: column.nullable for column in table.columns}, name
        indexes = {tuple(index["column_names"]) for index in made.get_indexes(name) if not index["unique"]}
        assert indexes == {tuple(column.name for column in index.columns) for index in table.indexes}, name
    assert set(made.get_table_names()) == {*tables.metadata.tables, "alembic_version"}


def test_a_database_of_a_newer_version_is_left_alone(tmp_path):
    path = tmp_path / "gnomon.db"
    Store.open(sqlite_url(path)).close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(StoreVersionError, match=r"newer version of Gnomon \(schema 9999.*upgrade gnomon"):
        Store.open(sqlite_url(path))


def test_somebody_elses_database_is_left_alone(tmp_path):
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE cats (name TEXT)")
    connection.close()
    with pytest.raises(InputError, match="tables that are not Gnomon's"):
        Store.open(sqlite_url(path))


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("nonsense", InputError, "use sqlite:///FILE"),
        ("oracledb+what://x", InputError, "use sqlite:///FILE"),
        ("sqlite:////no/such/folder/x.db", StoreError, "make its folder"),
    ],
)
def test_a_url_that_leads_nowhere_is_said_in_one_line(url, error, message):
    with pytest.raises(error, match=message) as caught:
        Store.open(url)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_database_is_named(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("these are notes, and long enough to be no database header at all\n" * 20)
    with pytest.raises(StoreError, match="is no SQLite database"):
        Store.open(sqlite_url(path))


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_full_disk_is_one_line_and_loses_nothing(store, make_trial):
    trial = make_trial()
    with store.read_transaction() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
    condition = trial.condition
    big = []
    for replicate in range(1, 30):
        id_ = condition.trial_id(replicate)
        big.append(Trial(id_, condition, replicate, trial_seed(id_), "x" * 50_000, "stop", 3))
    with store.engine.connect() as connection:
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 2}")
    with pytest.raises(StoreError, match=r"disk is full: make room on the disk and run the same command again"):
        store.add_trials(big)
    assert [trial.id for trial in store.load_trials()] == [trial.id]


def test_splits_have_the_shares_that_they_promise():
    ids = [f"{number:032x}" for number in range(6000)]
    shares = {name: sum(split_of(id_) == name for id_ in ids) / len(ids) for name in ("train", "dev", "test")}
    assert shares == pytest.approx({"train": 0.3, "dev": 0.3, "test": 0.4}, abs=0.02)


def test_settings_that_another_command_changes_meanwhile_are_kept(store):
    """An import's second command found the study without a design, and wrote that over the design of the first."""
    store.save_settings({"name": "t"})
    other = Store.open(store.engine.url.render_as_string(hide_password=False))
    asked = []

    def settled(held):
        if not asked:
            other.save_settings({"design": {"layers": [1]}})
        asked.append(held)
        return {"name": "new", "design": held.get("design", {})}

    store.update_settings(settled)
    assert store.study_settings() == {"name": "new", "design": {"layers": [1]}}
    other.close()
    store.update_settings(dict)
    assert len(asked) == 2


def test_scores_policies_and_undecided_facts_are_read_as_they_were_stored(store, make_trial):
    trial = make_trial()
    policy = LabelPolicy("first", "A claim is a claim.")
    assert store.add_label_policies([policy, LabelPolicy("the same under another name", policy.text)]) == 1
    store.add_judge(JudgeVersion("j1", "j", "logprob", {}))
    store.add_verdicts([Verdict(trial.id, "j1", YES, scores={"claims": 1 / 3})])
    store.add_labels(
        [Label(trial.id, "ann", YES, policy=policy.hash, undecided=("claims",)), Label(trial.id, "bob", YES)]
    )
    assert [each.text for each in store.label_policies().values()] == [policy.text]
    assert store.read_frame(tables.verdicts)["scores"].tolist() == [{"claims": 1 / 3}]
    labels = store.read_frame(tables.labels)
    assert labels["policy"].tolist() == [policy.hash, ""]
    assert labels["undecided"].tolist() == [["claims"], None]


def test_whether_a_table_has_rows_is_asked_without_counting(store: Store) -> None:
    assert not store.has_rows(tables.subjects)
    store.add_subjects([Subject("s", 1e9, "f", "v")])
    asked: list[str] = []
    event.listen(store.engine, "before_cursor_execute", lambda *of: asked.append(str(of[2])))
    assert store.has_rows(tables.subjects)
    assert not [each for each in asked if "count" in each.lower()]


def test_the_mark_of_a_table_of_facts_grows_with_every_row(store: Store, make_trial: Callable[..., Trial]) -> None:
    marks = [store.additions_mark(tables.trials)]
    for replicate in range(3):
        make_trial(replicate=replicate)
        marks.append(store.additions_mark(tables.trials))
    assert marks == sorted(set(marks))
    if store.engine.dialect.name == "sqlite":
        with store.read_transaction() as connection:
            plan = connection.execute(text("EXPLAIN QUERY PLAN SELECT max(rowid) FROM trials")).all()
        assert [step[3] for step in plan] == ["SEARCH trials"], "the last row, not all of them"
