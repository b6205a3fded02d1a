"""Reads options from logits at the places that requests name; answers requests that sample nothing, prompts only.

Rows that sample nothing share what they have in common twice: the positions before the first that they compute
themselves, also with rows of other prompts that begin with the same tokens; and, with rows of the same prompt, the
blocks up to the first at which anything is added to them. Up to there they are one row.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from gnomon.data.readings import OptionReading
from gnomon.generation.caches.kv_cache import BeginningCache
from gnomon.generation.engine.base import EngineAnswer, TrialRequest
from gnomon.generation.engine.forward import POSITIONS, HiddenStates
from gnomon.generation.engine.injection import NEVER, Injection, InjectionError
from gnomon.generation.engine.prompt_cache import PromptCache, shared_length

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
        """Answer requests, each with its number: those of one prompt together, prompts that begin alike in turn."""
        prompts: dict[tuple[int, ...], list[tuple[int, TrialRequest]]] = defaultdict(list)
        for number, request in requests:
            prompts[request.prompt].append((number, request))
        order = sorted(prompts)
        for prompt, following in zip(order, [*order[1:], ()], strict=True):
            for begin, members in self._groups_by_begin(prompts[prompt], shared_length(prompt, following)).items():
                members.sort(key=lambda numbered: _first_layer(numbered[1]))
                together = max(1, min(self._rows, TOKENS_TOGETHER // (len(prompt) - begin)))
                for start in range(0, len(members), together):
                    part = members[start : start + together]
                    answers = self._read_rows([request for _, request in part], begin)
                    yield from zip((number for number, _ in part), answers, strict=True)

    def _groups_by_begin(self, members: NumberedRequests, shared: int) -> dict[int, list[tuple[int, TrialRequest]]]:
        """Requests of one prompt by the position from which they are computed, in its order.

        Rows to which nothing is added may be computed from any position up to their first: they go along with steered
        ones, or else begin where the prompt departs from those before or after it.

        Parameters
        ----------
        members : sequence of (int, TrialRequest)
        shared : int
            Number of tokens that the prompt shares with the next one.
        """
        if self._clean.form.cache != POSITIONS:
            return {min(self._clean.first_computed(request) for _, request in members): [*members]}
        begins = sorted({request.first_computed for _, request in members if request.additions})
        groups: dict[int, list[tuple[int, TrialRequest]]] = {begin: [] for begin in begins}
        for numbered in members:
            begin = numbered[1].first_computed
            if not numbered[1].additions:
                earlier = [each for each in begins if each <= begin]
                common = max(shared, self._clean.shared_positions(numbered[1].prompt))
                begin = earlier[-1] if earlier else min(begin, common)
            groups.setdefault(begin, []).append(numbered)
        return dict(sorted(groups.items()))

    def _read_rows(self, requests: Sequence[TrialRequest], begin: int) -> list[EngineAnswer]:
        """Answers to requests of one prompt, in the order of their first blocks, computed from a position on."""
        for slot, request in enumerate(requests):
            self._injection.set_row(slot, request.additions)
        run = self._run_branching if self._clean.form.cache == POSITIONS else self._run_whole
        hidden = run(requests[0].prompt, begin, len(requests))
        answers = []
        for slot, (readings, error) in enumerate(read_options(hidden, begin, requests)):
            touched, wrong = steered_as_due(self._injection, slot, requests[slot], len(requests[0].prompt))
            finish = "error" if error or wrong else READ
            answers.append(EngineAnswer("", (), finish, wrong or error, touched, readings))
        return answers

    def _run_branching(self, prompt: tuple[int, ...], begin: int, rows: int) -> HiddenStates:
        """Run rows of a prompt, as one row until the blocks where they differ."""
        with self._injection.pause_steering():
            prefix = BeginningCache(self._clean.cached_beginning(prompt[:begin]) if begin else [], begin, self._layers)
        with self._injection.branch_rows(range(rows)):
            return self._clean.run_prompt(prompt[begin:], begin, 1, prefix).repeat_last(rows)

    def _run_whole(self, prompt: tuple[int, ...], begin: int, rows: int) -> HiddenStates:
        """Run rows of a prompt of a model that keeps more than keys and values, each on its own."""
        with self._injection.pause_steering():
            cache = self._clean.begun_cache(prompt, begin, rows, len(prompt))
        self._injection.select_rows(range(rows))
        return self._clean.run_prompt(prompt[begin:], begin, rows, cache)


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
                option: log_sum([chosen[row - first][column[token]] for token in ids])
                for option, ids in reading.options.items()
            }
            found[row][0][reading.place] = OptionReading(values, entropies[row - first])


def log_sum(logs: Sequence[float]) -> float:
    """Logarithm of the probability of any of some tokens, at most 0 whatever the rounding."""
    most = max(logs)
    return min(most + math.log(math.fsum(math.exp(value - most) for value in logs)), 0.0)


def _first_layer(request: TrialRequest) -> int:
    """The first block at which anything is added; after all blocks if nothing is."""
    return min((addition.layer for addition in request.additions), default=NEVER)


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
    return touched, misplaced_steering(touched, due)


def misplaced_steering(touched: Sequence[range], due: Sequence[range]) -> str | None:
    """What to say where additions were made at other positions than those at which they were due; None if they agree.

    Parameters
    ----------
    touched : sequence of range
        Positions at which each addition was made.
    due : sequence of range
        Positions at which it should have been.
    """
    if list(touched) == list(due):
        return None
    there, wanted = (", ".join(map(str, positions)) for positions in (touched, due))
    return f"positions {there} were steered, {wanted} should have been"


def steering_text(request: TrialRequest) -> str:
    """What is added to a request's row, for a message: "vector added at layer 3"."""
    layers = sorted({addition.layer for addition in request.additions})
    if not layers:
        return "nothing was added"
    which = ", ".join(map(str, layers))
    return f"vector added at layer {which}" if len(layers) == 1 else f"vectors added at layers {which}"
