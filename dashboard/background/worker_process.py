"""Work in a process of its own, at low priority, so that no page waits for it: a request in, answers out.

A thread would hold the interpreter's lock while a page is drawn. The request is one line of JSON on standard input,
because the address of a database may hold a password; the answers are one JSON object a line. The process ends with
the one that started it, which holds the other end of standard input and writes no more.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from threading import Thread
from typing import Any

from gnomon.dashboard.background.parent_watch import follow_parent
from gnomon.data.errors import NotEnoughDataError, StoreError
from gnomon.data.maintenance.fault_report import describe_error

LOW_PRIORITY = 10
ANSWER, LACKING, PROBLEM = "answer", "lacking", "problem"


def worker_answers(module: str, request: object, work: str) -> Iterator[Any]:
    """Run a module as a process, and yield its answers as they come.

    Parameters
    ----------
    module : str
        Name of a module that calls `answer_request`.
    request : object
        The request, ready for JSON.
    work : str
        What it computes, for the message if the process dies: "the progress".

    Raises
    ------
    NotEnoughDataError
        If the study lacks what is needed.
    StoreError
        If it cannot be computed; the message is the process's own.
    """
    with subprocess.Popen(
        [sys.executable, "-P", "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        for line in process.stdout:
            answer = json.loads(line)
            if LACKING in answer:
                raise NotEnoughDataError(answer[LACKING])
            if PROBLEM in answer:
                raise StoreError(answer[PROBLEM])
            yield answer[ANSWER]
    if process.returncode:
        raise StoreError(
            f"the process that computes {work} ended with status {process.returncode}: open the page again"
        )


def answer_request(respond: Callable[[Any], Iterable[object]]) -> None:
    """In the process: read the request from standard input and write the answers, ready for JSON, as they come.

    Parameters
    ----------
    respond : callable
        From the request to its answers.
    """
    if hasattr(os, "nice"):
        os.nice(LOW_PRIORITY)
    request = json.loads(sys.stdin.readline())
    Thread(target=follow_parent, args=(sys.stdin.fileno(),), daemon=True).start()
    try:
        for found in respond(request):
            _write_line(ANSWER, found)
    except NotEnoughDataError as reason:
        _write_line(LACKING, str(reason))
    except Exception as error:
        _write_line(PROBLEM, describe_error(error)[0])


def _write_line(key: str, value: object) -> None:
    print(json.dumps({key: value}), flush=True)
