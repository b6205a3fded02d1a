"""Reads options from logits at the places that requests name; answers requests that sample nothing, prompts only.

Rows of one prompt that sample nothing share its beginning twice: the positions before the first that they compute
themselves (as rows that are decoded do), and the blocks up to the first at which anything is added. Up to there they
are one row.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from gnomon.data.readings import OptionReading
from gnomon.generation.engine.base import EngineAnswer, TrialRequest
from gnomon.generation.engine.forward import HiddenStates
from gnomon.generation.engine.injection import Injection, InjectionError
from gnomon.generation.engine.kv_cache import BeginningCache
from gnomon.generation.engine.prompt_cache import PromptCache

READ = "read"
"""How a row ends of which nothing was to be sampled."""
TOKENS_TOGETHER = 4096
NumberedRequests = Sequence[tuple[int, TrialRequest]]


class PromptReader:
    """Answers requests that sample nothing.

    Parameters
    ----------
    injection : Injection
        The installed hooks.
    clean : PromptCache
        Caches of unsteered prompts.
    rows : int
        Largest number of rows that run together, no more than the slots of the injection.
    layers : int
        Number of the subject's blocks.
    """

    def __init__(self, injection: Injection, clean: PromptCache, rows: int, layers: int) -> None:
        self._injection, self._clean, self._rows, self._layers = injection, clean, rows, layers

    def answer_requests(self, requests: NumberedRequests) -> Iterator[tuple[int, EngineAnswer]]:
        """Answer requests, each with its number, those of the same prompt and first steered block together."""
        prompts: dict[tuple[int, ...], dict[tuple[int, int], list[tuple[int, TrialRequest]]]] = {}
        for number, request in requests:
            groups = prompts.setdefault(request.prompt, {})
            groups.setdefault((request.first_computed, _first_layer(request)), []).append((number, request))
        for prompt, groups in prompts.items():
            for (begin, _), members in groups.items():
                together = max(1, min(self._rows, TOKENS_TOGETHER // (len(prompt) - begin)))
                for start in range(0, len(members), together):
                    part = members[start : start + together]
                    answers = self._read_rows([request for _, request in part])
                    yield from zip((number for number, _ in part), answers, strict=True)

    def _read_rows(self, requests: Sequence[TrialRequest]) -> list[EngineAnswer]:
        """Answers to requests of one prompt and one first computed position."""
        prompt, begin = requests[0].prompt, requests[0].first_computed
        with self._injection.pause_steering():
            prefix = BeginningCache(self._clean.cached_prompt(prompt) if begin else [], begin, self._layers)
        for slot, request in enumerate(requests):
            self._injection.set_row(slot, request.additions)
        with self._injection.branch_rows(range(len(requests))):
            hidden = self._clean.run_prompt(prompt[begin:], begin, 1, prefix)
        answers = []
        for slot, (readings, error) in enumerate(read_options(hidden.repeat_rows(len(requests)), begin, requests)):
            touched, wrong = steered_as_due(self._injection, slot, requests[slot], len(prompt))
            finish = "error" if error or wrong else READ
            answers.append(EngineAnswer("", (), finish, wrong or error, touched, readings))
        return answers


def read_options(
    hidden: HiddenStates, begin: int, requests: Sequence[TrialRequest]
) -> list[tuple[dict[str, OptionReading], str | None]]:
    """What each row's request asks to be read, with the reason if its logits are not finite.

    Parameters
    ----------
    hidden : HiddenStates
        Hidden states of the rows, one for each request.
    begin : int
        Position of the first column.
    requests : sequence of TrialRequest
        The requests.

    Returns
    -------
    list of (dict of str to OptionReading, str or None)
        Readings by place, and an error; no readings where there is one.
    """
    found: list[tuple[dict[str, OptionReading], str | None]] = [({}, None) for _ in requests]
    wanted: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row, request in enumerate(requests):
        for number, reading in enumerate(request.readings):
            wanted[request.reading_position(reading)][row].append(number)
    for position, rows in wanted.items():
        states = hidden.at_column(position - begin)
        for part in states.head_slices():
            here = {row: numbers for row, numbers in rows.items() if part.start <= row < part.stop}
            if here:
                _read_slice(states.next_logits(part), part.start, here, requests, found)
    return [({}, error) if error else (readings, None) for readings, error in found]


def _read_slice(
    logits: Tensor,
    first: int,
    wanted: Mapping[int, Sequence[int]],
    requests: Sequence[TrialRequest],
    found: list[tuple[dict[str, OptionReading], str | None]],
) -> None:
    """Read what some rows want of a slice of logits, of which the first row is `first`."""
    asked = [requests[row].readings[number] for row, numbers in wanted.items() for number in numbers]
    tokens = sorted({token for reading in asked for ids in reading.options.values() for token in ids})
    column = {token: index for index, token in enumerate(tokens)}
    fine = torch.isfinite(logits).all(dim=1).tolist()
    shares = logits.double().log_softmax(dim=1)
    entropies = torch.special.entr(shares.exp()).sum(dim=1).tolist()
    chosen = shares[:, tokens].tolist()
    for row, numbers in wanted.items():
        for number in numbers:
            reading = requests[row].readings[number]
            if not fine[row - first]:
                why = f"logits at '{reading.place}' are not finite ({steering_text(requests[row])})"
                found[row] = (found[row][0], why)
                continue
            values = {
                option: _log_sum([chosen[row - first][column[token]] for token in ids])
                for option, ids in reading.options.items()
            }
            found[row][0][reading.place] = OptionReading(values, entropies[row - first])


def _log_sum(logs: Sequence[float]) -> float:
    """Logarithm of the probability of any of some tokens, at most 0 whatever the rounding."""
    most = max(logs)
    return min(most + math.log(math.fsum(math.exp(value - most) for value in logs)), 0.0)


def _first_layer(request: TrialRequest) -> int:
    """The first block at which anything is added; -1 if nothing is."""
    return min((addition.layer for addition in request.additions), default=-1)


def steered_as_due(
    injection: Injection, slot: int, request: TrialRequest, read: int
) -> tuple[tuple[range, ...], str | None]:
    """Where a row was steered, and what is wrong with that if anything is.

    Parameters
    ----------
    injection : Injection
        The hooks.
    slot : int
        Slot of the row.
    request : TrialRequest
        What was asked.
    read : int
        Number of positions that were computed.

    Returns
    -------
    (tuple of range, str or None)
        Positions touched by each addition, and an error.
    """
    due = tuple(addition.due_positions(read) for addition in request.additions)
    try:
        touched = injection.touched_positions(slot)
    except InjectionError as error:
        return (), str(error)
    if touched == due:
        return touched, None
    there, wanted = (", ".join(map(str, positions)) for positions in (touched, due))
    return touched, f"positions {there} were steered, {wanted} should have been"


def steering_text(request: TrialRequest) -> str:
    """What is added to a request's row, for a message: "vector added at layer 3"."""
    layers = sorted({addition.layer for addition in request.additions})
    if not layers:
        return "nothing was added"
    which = ", ".join(map(str, layers))
    return f"vector added at layer {which}" if len(layers) == 1 else f"vectors added at layers {which}"
