"""What every test may use: a store of its own on either database, trials, a browser, the shared real data."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import database
import pytest
import workers

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# Workers share the cores: with threads of their own, torch and BLAS in one wait for turns that the other has.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from bench.support.browser import ARGUMENTS, executable
from gnomon.data.foreign_documents.permissions import PLACES
from gnomon.data.records import Arm, Condition, Span, Subject, Trial, trial_seed
from gnomon.data.storage.store import Store

# A shell's background jobs ignore Ctrl-C, and so does what they start: tests of Ctrl-C would wait for ever there.
signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> workers.Rooms:
    """Where tests run in several processes (`make test`)."""
    return workers.Rooms(config, log)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    with database.server() as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """A new and empty database on a real PostgreSQL server."""
    with database.fresh(postgres_server) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> Iterator[str]:
    with database.migrated_template(postgres_server) as name:
        yield name


@pytest.fixture
def migrated_postgres_url(postgres_server: str, postgres_template: str) -> Iterator[str]:
    """A new database with tables and no rows on a real PostgreSQL server."""
    with database.fresh(postgres_server, postgres_template) as url:
        yield url


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite database with tables and no rows, to be copied."""
    return database.create_migrated_file(tmp_path_factory.mktemp("migrated") / "gnomon.db")


@pytest.fixture
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where `store` lies: in SQLite, unless a test is parametrized otherwise or its file says `store_url = on_both`."""
    return database.place(request, tmp_path, getattr(request, "param", "sqlite"))


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = Store.open(store_url)
    yield opened
    opened.close()


@pytest.fixture
def allowed_store(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """`store`, if it is a file, in a folder that study files may name."""
    monkeypatch.setenv(PLACES, json.dumps([str(tmp_path)]))
    return store


@pytest.fixture(scope="session")
def chromium():
    """A running browser: the machine's own, else Playwright's; skips, or fails where GNOMON_REQUIRE_BROWSER is 1."""
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=executable(), args=list(ARGUMENTS))
        except Error as error:
            reason = f"no Chromium to test the dashboard in: {str(error).splitlines()[0]}"
            if os.environ.get("GNOMON_REQUIRE_BROWSER") == "1":
                pytest.fail(reason)
            pytest.skip(reason)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"real data folder {SHARED} is absent")
    return SHARED


@pytest.fixture
def make_trial(store: Store) -> Callable[..., Trial]:
    """A trial of a made-up subject, added to the store with its subject and protocol."""

    def make(
        arm: str = "injection",
        concept: str | None = "ocean",
        strength: float = 2.0,
        layer: int | None = 20,
        replicate: int = 0,
        answer: str = "I notice nothing unusual.",
        subject: str = "toy",
        protocol: str = "p0",
    ) -> Trial:
        store.add_subjects([Subject(subject, 1e9, "toy", "instruct", "r0")])
        store.add_protocol(protocol, protocol, {"messages": []})
        nothing = arm == "control"
        condition = Condition(
            subject=subject,
            revision="r0",
            arm=Arm(arm),
            concept=None if nothing else concept,
            layer=None if nothing else layer,
            strength=0.0 if nothing else strength,
            span=Span.GENERATION,
            protocol=protocol,
            vector=None if nothing else f"v-{concept}-{layer}",
            seed=1,
        )
        id_ = condition.trial_id(replicate)
        depth = None if layer is None or nothing else (layer + 1) / 30
        trial = Trial(id_, condition, replicate, trial_seed(id_), answer, "stop", len(answer.split()), depth)
        store.add_trials([trial])
        return trial

    return make
