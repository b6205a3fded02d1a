"""One running server for the whole session; every test has a page of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import dashboard_demo as demo
import pytest
from dashboard_browser import calm

from bench.support.browser import serving
from gnomon.data import bundled
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store

PICTURES = os.environ.get("GNOMON_SCREENSHOTS") == "1"
collect_ignore = [] if PICTURES else ["test_pictures.py"]

SERVED: dict[str, Callable[[Store], None]] = {
    "demo": demo.fill,
    "fitted": demo.fill_fitted,
    "published": demo.fill_published_fitted,
    "bare": lambda store: demo.fill(store, labels=False, fits=False),
    "rapid": lambda store: demo.fill(store, labels=False, fits=False),
    "journey": lambda store: demo.fill(store, labels=False, fits=False),
    "failed": demo.fill_failed,
}


@pytest.fixture(scope="session")
def urls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Databases of the served studies by name, each in a study's folder."""
    made = {}
    for name, fill in SERVED.items():
        folder = tmp_path_factory.mktemp(name)
        (folder / "study.toml").write_text(f'name = "{name}"\n')
        made[name] = sqlite_url(folder / "gnomon.db")
        store = Store.open(made[name])
        fill(store)
        store.close()
    broken = tmp_path_factory.mktemp("broken") / "gnomon.db"
    broken.write_text("This is no database. " * 100)
    pictured = _pictured(tmp_path_factory.mktemp("pictured")) if PICTURES else {}
    return {**made, "broken": sqlite_url(broken), **pictured}


def _pictured(folder: Path) -> dict[str, str]:
    """Studies for the documentation's pictures: the published counts with a real fit, and a copy of the database that
    GNOMON_SCREENSHOT_STUDY names (the tests' demo study where it names none)."""
    from gnomon.stats.fit import fit_published

    published = Store.open(sqlite_url(folder / "published.db"))
    bundled.add_published(published)
    published.save_settings({"name": "published", "kind": "counts"})
    fit_published(published)
    published.close()
    copy = folder / "gnomon.db"
    if source := os.environ.get("GNOMON_SCREENSHOT_STUDY"):
        shutil.copy(source, copy)
    else:
        store = Store.open(sqlite_url(copy))
        demo.fill(store)
        store.close()
    return {"published study": sqlite_url(folder / "published.db"), "SmolLM2-135M": sqlite_url(copy)}


@pytest.fixture(scope="session")
def server(urls: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a server that shows all of these studies, started exactly as `serve` starts it."""
    log = tmp_path_factory.mktemp("server") / "log.txt"
    with serving(urls, log) as address:
        yield address
    assert "Traceback" not in log.read_text(), log.read_text()[-3000:]


@pytest.fixture
def opened(urls: dict[str, str]) -> Iterator[Callable[[str], Store]]:
    """Opens a served study's store by name."""
    stores: list[Store] = []

    def open_(name: str) -> Store:
        stores.append(Store.open(urls[name]))
        return stores[-1]

    yield open_
    for store in stores:
        store.close()


@pytest.fixture(scope="session")
def context(chromium):
    """One profile for all tests, so that the app's scripts are fetched once; each page is a session of its own."""
    made = chromium.new_context(viewport={"width": 1440, "height": 1000})
    made.set_default_timeout(60_000)
    yield made
    made.close()


@pytest.fixture
def visit(context, server: str):
    """Opens a page of a study and waits until it is drawn; asserts at the end that nothing came from elsewhere."""
    pages, elsewhere = [], []

    def open_(study: str, path: str = "", query: str = "", *, dark: bool = False):
        page = context.new_page()
        pages.append(page)
        page.emulate_media(color_scheme="dark" if dark else "light")
        page.on("request", lambda request: elsewhere.append(request.url) if _foreign(request.url) else None)
        page.goto(f"{server}/{path}?study={study}{query}")
        calm(page)
        return page

    yield open_
    for page in pages:
        page.close()
    assert elsewhere == []


def _foreign(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:"))
