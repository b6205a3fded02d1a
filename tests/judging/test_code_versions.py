"""Local judges give the verdicts of the first version; one that gives others needs a new code version."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from gnomon.data import bundled
from gnomon.data.records import Facts
from gnomon.data.storage import tables
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store
from gnomon.judging.config import JudgeConfig
from gnomon.judging.registry import build_judge

FIXTURE = Path(__file__).parents[1] / "fixtures" / "first_version" / "gnomon.db.gz"
FACTS = ["claims", "concept", "coherent", "refused"]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A study of 360 trials with the verdicts that the first version's local judges gave."""
    file = tmp_path_factory.mktemp("first") / "gnomon.db"
    file.write_bytes(gzip.decompress(FIXTURE.read_bytes()))
    store = Store.open(sqlite_url(file))
    yield store
    store.close()


@pytest.mark.parametrize("kind", ["lexicon", pytest.param("learned", marks=pytest.mark.slow)])
def test_a_local_judge_gives_the_verdicts_of_the_first_version(first, kind):
    concepts = [str(concept) for concept in first.study_settings()["concepts"]]
    training = bundled.calibration_set().training_pairs()
    judge = build_judge(JudgeConfig(name=kind, kind=kind), concepts, training)
    stored = first.read_frame(tables.verdicts).query("judge == @judge.version.version").set_index("trial")
    trials = list(first.load_trials())
    assert len(stored) == len(trials) == 360
    verdicts = {verdict.trial: verdict.facts for verdict in judge.judge_trials(trials)}
    told = {trial: Facts(bool(row.claims), row.concept, bool(row.coherent), bool(row.refused))
            for trial, row in stored[FACTS].iterrows()}  # fmt: skip
    assert verdicts == told
