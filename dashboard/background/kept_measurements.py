"""Measurements that a page asks for: kept until a fact is added, computed beside the page in a large study.

A page never waits for long: where a study has many verdicts it tells that the measurement is being made, for how long
already, and is drawn again once it is there. Whoever asks for the same meanwhile, in whatever session, gets the same
one: an audit counts as one look at the test split.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import Any

import streamlit as st
from pydantic import BaseModel

from gnomon.dashboard.background.measurement_worker import measure_beside
from gnomon.dashboard.background.measurements import Measurement, Result
from gnomon.data.errors import NotEnoughDataError
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store
from gnomon.stats.narrative.formatting import count_noun

KEPT = 32
"""Results of each kind of measurement that are kept."""
PATIENCE = 0.3
"""Seconds that a page waits for a measurement that is made beside it before it says so."""
POLL = 1.0
"""Seconds between two looks at whether it is there."""
Key = tuple[object, ...]


@dataclass
class _Kept:
    """What was asked for last, the newest at the end, and one process at a time."""

    asked: OrderedDict[Key, _Asked] = field(default_factory=OrderedDict)
    lock: Lock = field(default_factory=Lock)
    one_at_a_time: Lock = field(default_factory=Lock)


@dataclass(slots=True, eq=False)
class _Asked:
    """A measurement that was asked for, since when (monotonic seconds), and of how many verdicts, once counted."""

    future: Future[Any]
    since: float
    verdicts: int = 0


@st.cache_resource(show_spinner=False)
def _kept_measurements() -> _Kept:
    return _Kept()


def measured_or_waiting(
    measurement: Measurement[Result],
    store: Store,
    url: str,
    stamp: tuple[int, ...],
    *arguments: str,
    given: BaseModel | None = None,
) -> Result | None:
    """The result; None if it is still being computed, which the page then tells.

    Parameters
    ----------
    measurement : Measurement
        What to measure.
    store : Store
        Store of the study.
    url : str
        URL of its database.
    stamp : tuple of int
        The study's change token: a result is kept until it changes.
    *arguments : str
        Arguments of the measurement.
    given : BaseModel, optional
        The result that it rests on, of the same stamp and arguments.

    Raises
    ------
    NotEnoughDataError
        If the study lacks what is needed.
    StoreError
        If it cannot be computed; it is tried again when it is asked for again.
    """
    kept = _kept_measurements()
    key = (measurement.name, url, stamp, arguments)
    asked, is_new = _ask(kept, key)

    def beside() -> Result:
        with kept.one_at_a_time:
            return measure_beside(measurement, url, arguments, given)

    def here() -> Result:
        basis = {} if given is None else {"given": given}
        return measurement.compute(store, *arguments, **basis)

    if is_new:
        asked.verdicts = store.count_rows(tables.verdicts)  # of millions it takes a tenth of a second: only once
        if is_made_beside(measurement, asked.verdicts):
            Thread(target=_fulfil, args=(asked, beside), daemon=True).start()
        else:
            with st.spinner(f"Computing {measurement.name}"):
                _fulfil(asked, here)
    if not _is_there(asked):
        st.fragment(_tell_and_look, run_every=POLL)(asked, measurement.name)
        return None
    try:
        found: Result = asked.future.result()
    except NotEnoughDataError:
        raise
    except Exception:
        with kept.lock:
            kept.asked.pop(key, None)
        raise
    return found


def is_made_beside(measurement: Measurement[Any], verdicts: int) -> bool:
    """Whether a measurement of a study with so many verdicts is made beside the page."""
    return verdicts >= measurement.beside_from


def _ask(kept: _Kept, key: Key) -> tuple[_Asked, bool]:
    """The request for a measurement, and whether it is a new one."""
    with kept.lock:
        known = kept.asked.get(key)
        if known is None:
            kept.asked[key] = _Asked(Future(), time.monotonic())
            same = [each for each in kept.asked if each[0] == key[0]]
            for old in same[:-KEPT]:
                del kept.asked[old]
        kept.asked.move_to_end(key)
        return kept.asked[key], known is None


def _fulfil(asked: _Asked, compute: Callable[[], object]) -> None:
    try:
        asked.future.set_result(compute())
    except BaseException as error:
        asked.future.set_exception(error)


def _is_there(asked: _Asked) -> bool:
    try:
        asked.future.exception(max(0.0, PATIENCE - (time.monotonic() - asked.since)))
    except TimeoutError:
        return False
    return True


def _tell_and_look(asked: _Asked, name: str) -> None:
    """Tell how long it has been computed; draw the page once more when it is there, or has failed."""
    if asked.future.done():
        st.rerun()
    seconds = time.monotonic() - asked.since
    st.info(
        f"Computing {name} of {count_noun(asked.verdicts, 'verdict')}, for {seconds:.0f} s so far. "
        "It is computed once and kept until a fact is added. You can use the other pages meanwhile.",
        icon=":material/hourglass_top:",
    )
