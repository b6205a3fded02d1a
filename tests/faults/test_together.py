"""Two of the same command at once end as one would have; a server that drops its connections costs a second run."""

from __future__ import annotations

import json
import subprocess

import pytest
from faults_killing import started
from faults_studies import ENVIRONMENT, FIT, GENERATE, IMPORT, JUDGE, ROOT, database, fill, rows, tiny
from sqlalchemy import create_engine

from gnomon.data.foreign_documents.permissions import PLACES
from gnomon.data.maintenance.integrity import examine_database
from gnomon.data.storage.store import Store


@pytest.mark.slow
@pytest.mark.parametrize(
    "case",
    [FIT, *(pytest.param(case, marks=pytest.mark.simulation) for case in (GENERATE, JUDGE, IMPORT))],
    ids=lambda case: case.name,
)
def test_two_at_once_end_as_one_would_have(case, tmp_path):
    folder, alone = tmp_path / "both", tmp_path / "alone"
    case.prepare(folder)
    case.prepare(alone)
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    runs = [
        subprocess.Popen(case.command(where), cwd=ROOT, env=case.environment(where), **pipes)
        for where in (folder, folder, alone)
    ]
    said = [run.communicate(timeout=300)[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0, 0], said
    assert rows(database(folder)) == rows(database(alone))
    assert examine_database(database(folder)).damage == []


@pytest.mark.slow
def test_connections_that_the_server_cuts_cost_a_second_run_at_most_and_no_row(tmp_path, postgres_url, monkeypatch):
    monkeypatch.setitem(ENVIRONMENT, PLACES, json.dumps([postgres_url]))
    study = tmp_path / "one"
    tiny(study, database=postgres_url)
    store = Store.open(postgres_url)
    fill(store, 3000)
    store.close()
    with started(JUDGE, study) as (process, lines):
        heard = ""
        for line in lines:
            heard += line
            if "lexicon: " in line and process.poll() is None:
                cut(postgres_url)
        process.wait(60)
    # a connection that is cut between two uses is made anew, and nobody notices
    assert process.returncode == 0 or "run the same command again" in heard, heard
    assert "Traceback" not in heard
    assert examine_database(postgres_url).damage == []
    again = subprocess.run(JUDGE.command(study), cwd=ROOT, env=ENVIRONMENT, capture_output=True, check=False)
    assert again.returncode == 0, again.stderr
    assert len(rows(postgres_url)["verdicts"]) == 3000


def cut(url: str) -> None:
    engine = create_engine(url)
    with engine.connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    engine.dispose()
