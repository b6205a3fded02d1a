"""A server that shows every kind of study; apart from tests/dashboard, so that another of pytest's workers runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from dashboard_browser import calm
from study_kinds import BAD_INPUTS, KINDS

from bench.support.browser import serving
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store


@pytest.fixture(scope="session")
def kind_urls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Databases of all kinds of study by name, each in a study's folder."""
    made = {}
    for kind in (*KINDS, *BAD_INPUTS):
        folder = tmp_path_factory.mktemp(kind.name)
        (folder / "study.toml").write_text(f'name = "{kind.name}"\n')
        made[kind.name] = sqlite_url(folder / "gnomon.db")
        store = Store.open(made[kind.name])
        kind.fill(store)
        store.close()
    return made


@pytest.fixture(scope="session")
def gallery(kind_urls: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a server that shows all kinds."""
    log = tmp_path_factory.mktemp("gallery") / "log.txt"
    with serving(kind_urls, log) as address:
        yield address
    assert "Traceback" not in log.read_text(), log.read_text()[-3000:]


@pytest.fixture(scope="session")
def profile(chromium: Any) -> Iterator[Any]:
    """One browser profile for all tests, so that the app's scripts are fetched once."""
    made = chromium.new_context(viewport={"width": 1440, "height": 1000})
    made.set_default_timeout(120_000)
    yield made
    made.close()


@pytest.fixture
def open_kind(profile: Any, gallery: str) -> Iterator[Callable[..., Any]]:
    """Opens a page of a kind of study and waits until it is drawn."""
    pages = []

    def open_(kind: str, path: str = "", *, dark: bool = False) -> Any:
        page = profile.new_page()
        pages.append(page)
        page.emulate_media(color_scheme="dark" if dark else "light")
        page.goto(f"{gallery}/{path}?study={kind}")
        calm(page)
        return page

    yield open_
    for page in pages:
        page.close()
