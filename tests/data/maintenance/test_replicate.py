"""A study goes to another database, or into a backup, whole or not at all, and nobody writes to the old one."""

from __future__ import annotations

import threading

import database
import pytest
from database import together
from sqlalchemy import text

from gnomon.data.errors import InputError, StoreError
from gnomon.data.maintenance import replicate
from gnomon.data.maintenance.integrity import examine_database
from gnomon.data.maintenance.replicate import back_up_store, copy_tables, move_store, table_checksums
from gnomon.data.records import Facts, JudgeVersion, Label, Verdict
from gnomon.data.storage import tables
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store
from gnomon.judging.judge_spending import JudgeRunRow, TokenCounts

YES = Facts(claims=True, concept="ocean", coherent=True, refused=False)


@pytest.fixture
def full(store, make_trial):
    """A store with rows in every table that people fill."""
    ids = [make_trial(replicate=number, answer=f"naïve ☃ {number}").id for number in range(30)]
    store.save_settings({"name": "full", "concepts": ["ocean"]})
    store.add_judge(JudgeVersion("j1", "j", "lexicon", {"few": [1.5, None, "ü"]}))
    store.add_verdicts([Verdict(id_, "j1", YES) for id_ in ids])
    store.add_labels([Label(id_, "ann", YES) for id_ in ids[::-1]])
    store.add_fit(
        {"id": "f", "view": "x", "status": "ok", "data_hash": "d", "seed": 2**62, "priors": {}}
        | {"diagnostics": {}, "result": {"mean": 0.1 + 0.2}}
    )
    store.log_event("seen", {"b": 1, "a": 2})
    JudgeRunRow(store, "j", "j1").reserve_tokens(TokenCounts(2**40, 7, 3), lambda _: TokenCounts(5, 6))
    return store


@pytest.fixture(params=["sqlite", "postgresql"])
def other(request, tmp_path):
    kind = request.param
    url = request.getfixturevalue("other_postgres") if kind == "postgresql" else sqlite_url(tmp_path / "other.db")
    opened = Store.open(url)
    yield opened
    opened.close()


@pytest.fixture
def other_postgres(postgres_server):
    with database.fresh(postgres_server) as url:
        yield url


def all_of(store):
    with store.read_transaction() as connection:
        return table_checksums(connection)


def test_a_study_moves_with_every_row_and_the_order_of_events(full, other):
    before = all_of(full)
    with move_store(full, other) as told:
        pass
    assert told == before == all_of(other) == all_of(full)
    assert {name for name, one in before.items() if not one.rows} == {"vectors", "counts", "label_policies"}
    assert other.read_frame(tables.labels)["trial"].tolist() == full.read_frame(tables.labels)["trial"].tolist()
    assert examine_database(other.engine.url.render_as_string(hide_password=False)).damage == []
    assert other.add_labels([Label(full.load_trials()[0].id, "bob", YES)]) == 1


def test_the_old_database_takes_no_row_from_those_who_have_it_open(full, other):
    with move_store(full, other):
        pass
    with pytest.raises(InputError, match=r"this study was moved to .*: open it there"):
        full.add_labels([Label(full.load_trials()[0].id, "bob", YES)])


def test_a_row_that_comes_while_a_study_moves_is_in_the_new_database_or_refused(full, other):
    ids = [trial.id for trial in full.load_trials()]
    gone = []

    def label():
        for id_ in ids:
            try:
                full.add_labels([Label(id_, "bob", YES)])
            except InputError:
                gone.append(id_)

    def move():
        with move_store(full, other):
            pass

    together(label, move)
    stored = other.read_frame(tables.labels)
    assert set(stored.loc[stored["rater"] == "bob", "trial"]) == set(ids) - set(gone)


def test_what_breaks_off_is_done_again_and_what_is_there_already_is_left(full, other, monkeypatch):
    real = replicate._forbid_inserts
    monkeypatch.setattr(replicate, "_forbid_inserts", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt), move_store(full, other):
        pass
    monkeypatch.setattr(replicate, "_forbid_inserts", real)
    assert full.add_labels([Label(full.load_trials()[0].id, "bob", YES)]) == 1
    with pytest.raises(InputError, match="holds rows already"), move_store(full, other):
        pass
    assert all_of(full) != all_of(other)


def test_a_copy_that_comes_out_otherwise_is_not_kept(full, other, monkeypatch):
    seen = []
    real = replicate._row_parts

    def changing(connection, table):
        for part in real(connection, table):
            if table is tables.trials and len(seen) == 1:
                part[0]["answer"] += " and more"
            seen.extend([1] if table is tables.trials else [])
            yield part

    monkeypatch.setattr(replicate, "_row_parts", changing)
    with pytest.raises(StoreError, match="trials came out otherwise"), full.read_transaction() as connection:
        copy_tables(connection, other)
    monkeypatch.setattr(replicate, "_row_parts", real)
    assert not any(one.rows for one in all_of(other).values())


def test_a_backup_holds_one_state_while_others_write(full, tmp_path):
    trials = full.load_trials()
    stop = threading.Event()

    def write():
        for number in range(2000):
            full.add_labels([Label(trials[number % 30].id, f"rater {number}", YES)])
            if stop.is_set():
                return

    out = tmp_path / "backup.db"
    writer = threading.Thread(target=write)
    writer.start()
    told = back_up_store(full, out)
    stop.set()
    writer.join()
    copied = Store.open(sqlite_url(out))
    assert all_of(copied) == told
    assert copied.count_rows(tables.labels) <= full.count_rows(tables.labels)
    found = copied.read_frame(tables.labels)["trial"].tolist()
    assert found == full.read_frame(tables.labels)["trial"].tolist()[: len(found)]
    copied.close()
    assert [path.name for path in tmp_path.iterdir() if "backup" in path.name] == ["backup.db"]


def test_a_backup_overwrites_nothing_and_leaves_nothing_behind(full, tmp_path):
    out = tmp_path / "there.db"
    out.write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        back_up_store(full, out)
    with pytest.raises(InputError, match="cannot be written"):
        back_up_store(full, out / "under a file.db")
    assert out.read_text() == "mine"


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_damaged_study_is_not_backed_up_as_if_it_were_whole(full, tmp_path):
    with full.write_transaction() as connection:
        connection.execute(text("DROP TRIGGER labels_no_delete"))
        connection.execute(text("DELETE FROM labels WHERE id = 3"))
        connection.execute(text("DROP TABLE leases"))
    with pytest.raises(StoreError, match="table leases is missing"):
        back_up_store(full, tmp_path / "backup.db")
    assert not (tmp_path / "backup.db").exists()
