"""Computes the progress of labelling in a process of its own, at low priority, so that no key press waits for it.

    python -m gnomon.dashboard.labelling.progress_worker < request

A thread would hold the interpreter's lock while a page is drawn. The request is a JSON object on standard input,
because the address of a database may hold a password; the answer is one JSON object a line: what is quick first.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

from pydantic import TypeAdapter

from gnomon.data.errors import NotEnoughDataError, StoreError
from gnomon.data.maintenance.fault_report import describe_error
from gnomon.data.storage.store import Store
from gnomon.stats.label_progress import LabelProgress, label_progress

LOW_PRIORITY = 10
PROGRESS, LACKING, PROBLEM = "progress", "lacking", "problem"
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
    with subprocess.Popen(
        [sys.executable, "-P", "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(request))
        process.stdin.close()
        for line in process.stdout:
            answer = json.loads(line)
            if LACKING in answer:
                raise NotEnoughDataError(answer[LACKING])
            if PROBLEM in answer:
                raise StoreError(answer[PROBLEM])
            yield _ADAPTER.validate_python(answer[PROGRESS])
    if process.returncode:
        raise StoreError(
            f"the process that computes the progress ended with status {process.returncode}: open the page again"
        )


def main() -> None:
    """Read a request from standard input and answer it."""
    if hasattr(os, "nice"):
        os.nice(LOW_PRIORITY)
    request = json.load(sys.stdin)
    known = None if request["known"] is None else _ADAPTER.validate_python(request["known"])
    try:
        with closing(Store.open(request["url"])) as store:
            for simulate in (False, True):
                found = label_progress(store, known, simulate=simulate)
                _answer(PROGRESS, _ADAPTER.dump_python(found, mode="json"))
                if found.planned_at is not None:
                    return
    except NotEnoughDataError as reason:
        _answer(LACKING, str(reason))
    except Exception as error:
        _answer(PROBLEM, describe_error(error)[0])


def _answer(key: str, value: object) -> None:
    print(json.dumps({key: value}), flush=True)


if __name__ == "__main__":
    main()
