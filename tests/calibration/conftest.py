"""Simulated studies (`simulated_study`), in the store of a test and in stores that several tests read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import pytest
from simulated_study import FACTS, Study, fill_study

from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store

__all__ = ["FACTS", "Study", "fill_study", "simulate", "simulate_once"]


@pytest.fixture
def simulate(store: Store) -> Callable[..., Study]:
    """Fill the store with one study; `errors` is sensitivity and specificity by judge and arm."""
    return partial(fill_study, store)


@pytest.fixture(scope="module")
def simulate_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Study]]:
    """As `simulate`, in a new store at each call, for studies that several tests only read."""
    opened: list[Store] = []

    def make(**options: object) -> Study:
        opened.append(Store.open(sqlite_url(tmp_path_factory.mktemp("study") / "gnomon.db")))
        return fill_study(opened[-1], **options)

    yield make
    for store in opened:
        store.close()
