"""Computes the progress of labelling in a process of its own, so that no key press waits for it.

It answers in stages: what is quick first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

from pydantic import TypeAdapter

from gnomon.calibration.results.width_progress import LabelProgress
from gnomon.dashboard.background.worker_process import answer_request, worker_answers
from gnomon.data.storage.store import Store
from gnomon.stats.label_progress import progress_steps

_ADAPTER = TypeAdapter(LabelProgress)


def progress_stages(store: Store, known: LabelProgress | None = None) -> Iterator[LabelProgress]:
    """The progress as soon as its width is known, and again with what is simulated, from a process of its own.

    Parameters
    ----------
    store : Store
        The study's store.
    known : LabelProgress, optional
        What was computed last, as in `gnomon.stats.label_progress.label_progress`.

    Raises
    ------
    NotEnoughDataError
        If the study lacks labels or verdicts for it.
    StoreError
        If it cannot be computed; the message is the process's own.
    """
    url = store.engine.url.render_as_string(hide_password=False)
    request = {"url": url, "known": None if known is None else _ADAPTER.dump_python(known, mode="json")}
    yield from map(_ADAPTER.validate_python, worker_answers(__name__, request, "the progress"))


def _respond(request: dict[str, Any]) -> Iterator[object]:
    known = None if request["known"] is None else _ADAPTER.validate_python(request["known"])
    with closing(Store.open(request["url"])) as store:
        for found in progress_steps(store, known):
            yield _ADAPTER.dump_python(found, mode="json")


if __name__ == "__main__":
    answer_request(_respond)
