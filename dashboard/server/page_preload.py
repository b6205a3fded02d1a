"""Imports what the pages need while the server starts, and counts the first study, so that no reader waits for it."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from pathlib import Path
from threading import Thread

from altair.utils import schemapi

VIEWS = Path(__file__).parents[1] / "views"
LATER = ("scipy.stats", "gnomon.calibration.audit.document", "gnomon.calibration.cards.card_assembly")
"""What pages import only when they compute something of it."""


@asynccontextmanager
async def pages_preloaded(_app: object) -> AsyncIterator[None]:
    """Context manager around the server's life: begins to import, in a thread, once the runtime is there.

    Components of pages register with the runtime when their modules are imported: earlier would be lost.
    """
    Thread(target=_prepare, daemon=True).start()
    yield


def _prepare() -> None:
    preload_pages()
    with suppress(Exception):  # a study that cannot be opened or counted says so on its page
        count_first_study()


def count_first_study() -> None:
    """What the first page of the first study shows: of a million trials it takes a second, and is then kept."""
    from gnomon.dashboard import study_picker
    from gnomon.dashboard.sections.next_step_section import study_overview

    place = study_picker.all_places()[0]
    store = study_picker.open_store(place)
    study_overview(place.url, study_picker.change_token(store), store)


def preload_pages() -> None:
    """Import every page, and take what is there then out of the collector's work.

    Streamlit collects all garbage after every run of a page. Modules never become garbage, and looking through those
    of the pages took .17 s each time. Parts of charts are not checked as they are made: that is for tests, which
    make the same ones.
    """
    schemapi.disable_debug_mode()
    for path in sorted(VIEWS.glob("[!_]*.py"), key=lambda path: path.stem != "study"):
        import_module(f"gnomon.dashboard.views.{path.stem}")
    for name in LATER:
        import_module(name)
    gc.collect()
    gc.freeze()
