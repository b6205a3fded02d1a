"""A server that shows every kind of study; apart from tests/dashboard, so that another of pytest's workers runs it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import dashboard_demo as demo
import pytest
from dashboard_browser import calm
from study_kinds import BAD_INPUTS, KINDS, fill_one_model, fit_study, make_study

from bench.support.browser import serving
from gnomon.data.storage.store import Store

PICTURES = os.environ.get("GNOMON_SCREENSHOTS") == "1"
FOR_PICTURES: dict[str, Callable[[Store], None]] = {
    "counts": demo.fill_published_fitted,
    "one-model": partial(fill_one_model, fits=False, hostile=False),
}
"""Kinds whose pictures show what a reader of the documentation should see: published counts, responses without code."""
SAMPLED = ("one-model",)
"""Kinds whose pictures show real fits of the made-up trials, with their draws."""


@pytest.fixture(scope="session")
def kind_urls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Databases of all kinds of study by name, each in a study's folder."""
    made = {}
    for kind in (*KINDS, *BAD_INPUTS):
        folder = tmp_path_factory.mktemp(kind.name)
        fill = FOR_PICTURES.get(kind.name, kind.fill) if PICTURES else kind.fill
        made[kind.name] = make_study(replace(kind, fill=fill), folder)
        if PICTURES and kind.name in SAMPLED:
            fit_study(made[kind.name], folder)
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
