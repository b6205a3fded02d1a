"""A study made by the first version opens: same trials, same judge versions, nothing asked again, estimates equal."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gnomon.data.storage import tables
from gnomon.data.storage.store import Store

FIXTURE = Path(__file__).parent / "fixtures" / "first_version"
ROOT = Path(__file__).resolve().parents[1]
# Values that mean the same and are named otherwise today (docs/json.md).
RENAMED = {"detection": "identification", "claim_rate": "detection", "net_claim_rate": "net_detection"}
COUNTED = {"test_split_looks"}  # every audit counts one more


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("first") / "study"
    folder.mkdir()
    shutil.copy(FIXTURE / "study.toml", folder)
    (folder / "gnomon.db").write_bytes(gzip.decompress((FIXTURE / "gnomon.db.gz").read_bytes()))
    return folder


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "gnomon", *map(str, arguments)]
    done = subprocess.run(line, check=False, capture_output=True, text=True, timeout=600, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done


def rows(study: Path, table: str) -> list[tuple[object, ...]]:
    store = Store.open(f"sqlite:///{study / 'gnomon.db'}")
    try:
        frame = store.read_frame(getattr(tables, table))
    finally:
        store.close()
    return sorted(map(tuple, frame.astype(str).to_numpy()))


def differences(old: object, new: object, place: str = "") -> list[str]:
    """Where a document of today lacks what the first version said, or says another number or name."""
    if isinstance(old, dict):
        if not isinstance(new, dict):
            return [f"{place}: {type(new).__name__}, was a table"]
        lost = [f"{place}.{key}: gone" for key in old if key not in new and RENAMED.get(key, key) not in new]
        kept = [(key, key if key in new else RENAMED.get(key, key)) for key in old]
        pairs = [(key, name) for key, name in kept if name in new and key not in COUNTED]
        return lost + [line for key, name in pairs for line in differences(old[key], new[name], f"{place}.{key}")]
    if isinstance(old, list):
        if not isinstance(new, list) or len(old) != len(new):
            return [f"{place}: another length"]
        pairs_ = enumerate(zip(old, new, strict=True))
        return [line for at, (was, now) in pairs_ for line in differences(was, now, f"{place}[{at}]")]
    if isinstance(old, float | int) and not isinstance(old, bool):
        same = isinstance(new, float | int) and new == pytest.approx(old, rel=1e-9, abs=1e-12)
        return [] if same else [f"{place}: {new}, was {old}"]
    if isinstance(old, str) and re.search(r"\s", old):
        return [] if isinstance(new, str) else [f"{place}: no text"]  # sentences may be worded better
    same = new == old or (isinstance(old, str) and new == RENAMED.get(old))
    return [] if same else [f"{place}: {new}, was {old}"]


def printed(name: str) -> object:
    return json.loads(gzip.decompress((FIXTURE / f"{name}.json.gz").read_bytes()))


@pytest.mark.parametrize("name", ["calibrate", "recount", "fit"])
def test_a_study_of_the_first_version_gives_the_same_estimates(study, name):
    before = {table: rows(study, table) for table in ("trials", "judges", "verdicts", "labels")}
    new = json.loads(run(name, study, "--json").stdout)
    assert differences(printed(name), new) == []
    assert {table: rows(study, table) for table in before} == before


def test_its_judges_are_the_ones_of_today_and_are_asked_nothing(study):
    before = rows(study, "verdicts")
    run("judge", study)
    assert rows(study, "verdicts") == before


def test_its_trials_are_the_ones_of_its_design_and_none_is_generated_again(study):
    before = rows(study, "trials")
    run("generate", study)
    assert rows(study, "trials") == before
