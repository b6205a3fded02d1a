"""A study made by the first version opens: same trials, same judge versions, nothing asked again, estimates equal."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gnomon.calibration.labels.views import rater_kinds, reference_raters
from gnomon.chain.session import opened
from gnomon.data.records import RaterKind
from gnomon.data.storage import tables
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store

FIXTURE = Path(__file__).parent / "fixtures" / "first_version"
ROOT = Path(__file__).resolve().parents[1]
# Values that mean the same and are named otherwise today (docs/json.md).
RENAMED = {"detection": "identification", "claim": "detection", "net_claim": "net_detection_claimed"}
RENAMED |= {f"{old}_corrected": f"{new}_corrected" for old, new in RENAMED.items()}
COUNTED = {"test_split_looks"}  # every audit counts one more
LEGAL = re.compile(r"^\.contradictions\.\w+\[\d+\]\.(any|kinds\.incoherent_but_identified)\.")
"""An incoherent response that names the concept is no contradiction any more (CHANGELOG)."""
AUDIT_NAMES = {"net_detection_corrected": "net_detection_audit"}
"""The audit's pooled estimate has a name of its own, so that a fit's name means one number (CHANGELOG)."""


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
    store = Store.open(sqlite_url(study / "gnomon.db"))
    try:
        frame = store.read_frame(getattr(tables, table))
    finally:
        store.close()
    return sorted(map(tuple, frame.astype(str).to_numpy()))


def leaves(document: object, place: str = "") -> dict[str, object]:
    """The values of a JSON document by their place; sentences are left out, for they may be worded better."""
    if isinstance(document, dict):
        parts = [(f"{place}.{key}", value) for key, value in document.items() if key not in COUNTED]
    elif isinstance(document, list):
        names = [identity(value) or str(at) for at, value in enumerate(document)]
        counted = {name: names.count(name) for name in names}
        parts = [
            (f"{place}[{name if counted[name] == 1 else f'{name} {at}'}]", value)
            for at, (name, value) in enumerate(zip(names, document, strict=True))
        ]
    else:
        text = isinstance(document, str)
        return {} if text and re.search(r"\s", document) else {place: document}
    return {at: leaf for part, value in parts for at, leaf in leaves(value, part).items()}


def identity(entry: object) -> str:
    """What an entry of a list of estimates is about: its order in the list may follow the names."""
    if not isinstance(entry, dict) or "estimand" not in entry:
        return ""
    return " ".join(str(entry[key]) for key in sorted(entry) if isinstance(entry[key], str) and key != "reason")


def renamed(document: object) -> object:
    """A document of the first version with today's names of the estimands."""
    if isinstance(document, list):
        return [renamed(part) for part in document]
    if isinstance(document, dict):
        return {key: renamed(part) for key, part in document.items()}
    return RENAMED.get(document, document) if isinstance(document, str) else document


def same(old: object, new: object) -> bool:
    return new == old or (isinstance(old, float) and new == pytest.approx(old, rel=1e-9, abs=1e-12))


def differences(old: object, new: object) -> dict[str, tuple[object, object]]:
    """What the first version said (place: old and new value) and today's document does not."""
    now = leaves(new)
    return {
        at: (was, now.get(at, "gone")) for at, was in leaves(renamed(old)).items() if not same(was, now.get(at, "gone"))
    }


def printed(name: str) -> object:
    return json.loads(gzip.decompress((FIXTURE / f"{name}.json.gz").read_bytes()))


@pytest.mark.parametrize("name", ["calibrate", "recount"])
def test_a_study_of_the_first_version_gives_the_same_rates(study, name):
    before = {table: rows(study, table) for table in ("trials", "judges", "verdicts", "labels")}
    old, new = printed(name), json.loads(run(name, study, "--json").stdout)
    for pooled in old.get("together", {}).values():
        for was, now in AUDIT_NAMES.items():
            pooled[now] = pooled.pop(was)
    assert {at: both for at, both in differences(old, new).items() if not LEGAL.match(at)} == {}
    assert {table: rows(study, table) for table in before} == before


@pytest.mark.simulation
def test_its_fits_are_made_anew_by_the_model_of_today_and_the_old_ones_are_kept(study):
    """Version 5 of the statistical model gives other numbers (CHANGELOG), here inside the old intervals."""
    before, fits = {table: rows(study, table) for table in ("trials", "verdicts", "labels")}, rows(study, "fits")
    old = {identity(row): row for row in renamed(printed("fit"))["estimates"]}
    new = {identity(row): row for row in json.loads(run("fit", study, "--json").stdout)["estimates"]}
    shared = [name for name in old if name in new]
    assert len(shared) > len(old) / 2
    for name in shared:
        assert old[name]["low"] - 0.03 < new[name]["mean"] < old[name]["high"] + 0.03, name
    assert {table: rows(study, table) for table in before} == before
    assert set(fits) <= set(rows(study, "fits"))


def test_its_judges_are_the_ones_of_today_and_are_asked_nothing(study):
    before = rows(study, "verdicts")
    run("judge", study)
    assert rows(study, "verdicts") == before


def test_its_trials_are_the_ones_of_its_design_and_none_is_generated_again(study):
    before = rows(study, "trials")
    run("generate", study)
    assert rows(study, "trials") == before


def test_raters_of_the_first_version_are_models_by_their_names_and_count_with_its_calibration_set(study: Path) -> None:
    store = Store.open(sqlite_url(study / "gnomon.db"))
    try:
        stored = set(store.read_frame(tables.labels)["rater_kind"])
        kinds = rater_kinds(store)
        with opened(study) as same:
            counting = reference_raters(same.store)
    finally:
        store.close()
    assert stored == {None}
    assert set(kinds.values()) == {RaterKind.MODEL}
    assert set(counting) == set(kinds)


def test_fits_of_the_first_version_have_no_file_of_draws_that_is_believed(study: Path) -> None:
    with opened_store(study) as store:
        fits = store.read_frame(tables.fits).sort_values("created_at")  # the study may have been fitted again since
        assert fits["draws_sha256"].head(2).isna().all()
        assert store.fit_of_draws("0" * 64) is None


@contextmanager
def opened_store(study: Path) -> Iterator[Store]:
    store = Store.open(sqlite_url(study / "gnomon.db"))
    try:
        yield store
    finally:
        store.close()
