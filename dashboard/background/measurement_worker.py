"""Computes a measurement of a whole study in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

from pydantic import BaseModel

from gnomon.dashboard.background.measurements import MEASUREMENTS, Measurement, Result
from gnomon.dashboard.background.worker_process import answer_request, worker_answers
from gnomon.data.storage.store import Store


def measure_beside(
    measurement: Measurement[Result], url: str, arguments: Sequence[str], given: BaseModel | None
) -> Result:
    """The result, from a process of its own; it is equal to what `measurement.compute` returns here.

    Parameters
    ----------
    measurement : Measurement
        What to compute.
    url : str
        URL of the study's database.
    arguments : sequence of str
        Its arguments.
    given : BaseModel or None
        The result that it rests on.

    Raises
    ------
    NotEnoughDataError
        If the study lacks what is needed.
    StoreError
        If it cannot be computed; the message is the process's own.
    """
    request = {
        "url": url,
        "name": measurement.name,
        "arguments": list(arguments),
        "given": None if given is None else given.model_dump_json(),
    }
    (answer,) = worker_answers(__name__, request, measurement.name)
    return measurement.form.model_validate_json(answer)


def _respond(request: dict[str, Any]) -> Iterator[object]:
    measurement = MEASUREMENTS[request["name"]]
    basis = {}
    if measurement.rests_on is not None:
        basis["given"] = measurement.rests_on.model_validate_json(request["given"])
    with closing(Store.open(request["url"])) as store:
        yield measurement.compute(store, *request["arguments"], **basis).model_dump_json()


if __name__ == "__main__":
    answer_request(_respond)
