"""Adds vectors to the residual stream inside vLLM, for each running request, and records where it did. Needs no vLLM.

vLLM lays the tokens of all running requests in one row. Before each step the state is told which request each stretch
of that row belongs to, and from which position on; after each block a hook adds the vectors that are due there. A mark
is made for a position of a request only where the output of the block has changed at its token, and at the position
with which the model itself was called. At the end, marks must be those that were due at each step: one a step for each
position, none elsewhere. A request that was interrupted and computed again has several.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnomon.generation.vllm_engine.worker_messages import AdditionMessage, PlaceMessage


@dataclass(frozen=True)
class StepRow:
    """A request's part of a step: its number, first position that is computed, and number of positions."""

    number: int
    start: int
    count: int


@dataclass(frozen=True)
class RowEvidence:
    """What is known of a request at its end.

    Attributes
    ----------
    read : int
        Number of positions that were computed, without a gap from 0 on.
    touched : tuple of tuple of (int, int)
        Runs of positions at which each addition was made, as in `AnswerMessage`.
    readings : mapping of str to (list of float, float)
        As in `AnswerMessage`.
    error : str or None
        What is wrong with it.
    """

    read: int
    touched: tuple[tuple[tuple[int, int], ...], ...]
    readings: Mapping[str, tuple[list[float], float]]
    error: str | None


@dataclass
class _RowState:
    """A running request: its additions with a slot each, what is to be read, and what has happened."""

    additions: tuple[AdditionMessage, ...]
    places: tuple[PlaceMessage, ...]
    slots: list[int]
    read: int = 0
    readings: dict[str, tuple[list[float], float]] = field(default_factory=dict)
    error: str | None = None


@dataclass(frozen=True)
class _DueTokens:
    """What is added after a block in a step: indices of tokens, each once, and the slot of each."""

    tokens: Tensor
    slots: Tensor


class SteeringState:
    """The steering of all running requests of one model.

    Parameters
    ----------
    width : int
        Width of the residual stream.
    dtype : torch.dtype
        Number format of the stream.
    device : torch.device
        Where the model runs.
    columns : int
        Positions of the longest request.
    """

    def __init__(self, width: int, dtype: torch.dtype, device: torch.device, columns: int) -> None:
        self.width, self.dtype, self.device, self.columns = width, dtype, device, columns
        self._vectors: dict[str, Tensor] = {}
        self._rows: dict[int, _RowState] = {}
        self._free: list[int] = []
        self._bank = torch.zeros(0, width, dtype=dtype, device=device)
        self._marks = torch.zeros(0, columns, dtype=torch.int16, device=device)
        self._expected: NDArray[np.int16] = np.zeros((0, columns), dtype=np.int16)
        self._due: dict[int, list[_DueTokens]] = {}
        self._step: list[StepRow] = []
        self._positions: Tensor | None = None

    # -- requests ------------------------------------------------------------------------------------------

    def hold_vectors(self, names: Sequence[str], values: NDArray[np.float32]) -> None:
        """Keep vectors by name.

        Parameters
        ----------
        names : sequence of str
            Names.
        values : ndarray of float32, shape (names, width)
            The vectors.
        """
        for name, row in zip(names, values, strict=True):
            self._vectors[name] = torch.from_numpy(row.copy())

    def forget_vectors(self, names: Sequence[str]) -> None:
        """Forget vectors that no waiting request names."""
        for name in names:
            self._vectors.pop(name, None)

    def add_row(self, number: int, additions: Sequence[AdditionMessage], places: Sequence[PlaceMessage]) -> None:
        """Take a request: nothing has been added to it yet.

        Parameters
        ----------
        number : int
            Its number.
        additions : sequence of AdditionMessage
            What is added to it.
        places : sequence of PlaceMessage
            Where log-probabilities are read.
        """
        slots = [self._take_slot() for _ in additions]
        for slot, addition in zip(slots, additions, strict=True):
            self._bank[slot] = self._vectors[addition.vector].to(self.device, self.dtype)
            self._marks[slot], self._expected[slot] = 0, 0
        self._rows[number] = _RowState(tuple(additions), tuple(places), slots)

    def has_row(self, number: int) -> bool:
        """Whether a request is known."""
        return number in self._rows

    def report_error(self, number: int, error: str) -> None:
        """Note what is wrong with a request; the first error stays."""
        row = self._rows[number]
        row.error = row.error or error

    def take_evidence(self, number: int) -> RowEvidence:
        """What is known of a request, which is forgotten.

        Parameters
        ----------
        number : int
            Its number.
        """
        row = self._rows.pop(number)
        marks = self._marks[row.slots].cpu().numpy()
        error = row.error
        for slot, made in zip(row.slots, marks, strict=True):
            if error is None and not np.array_equal(made, self._expected[slot]):
                error = _wrong_marks(made, self._expected[slot])
        self._free += row.slots
        touched = tuple(tuple(_runs_of(made > 0)) for made in marks)
        return RowEvidence(row.read, touched, row.readings, error)

    def drop_row(self, number: int) -> None:
        """Forget a request, if it is known."""
        if number in self._rows:
            self._free += self._rows.pop(number).slots

    def _take_slot(self) -> int:
        if not self._free:
            held = len(self._bank)
            more = max(64, held)
            self._bank = torch.cat([self._bank, self._bank.new_zeros(more, self.width)])
            self._marks = torch.cat([self._marks, self._marks.new_zeros(more, self.columns)])
            self._expected = np.concatenate([self._expected, np.zeros((more, self.columns), dtype=np.int16)])
            self._free = list(range(held, held + more))
        return self._free.pop()

    # -- a step --------------------------------------------------------------------------------------------

    def begin_step(self, rows: Sequence[StepRow], positions: Tensor | None) -> None:
        """Before the model runs: which tokens belong to which request, and what is due at them.

        Parameters
        ----------
        rows : sequence of StepRow
            Requests in the order in which their tokens lie.
        positions : Tensor of int64, shape (tokens,)
            The position of each token, as the model is called with it; None where the run is no step of requests.
        """
        self._step, self._positions = list(rows), positions
        due: dict[int, list[list[NDArray[np.int64]]]] = {}
        first = 0
        for step in rows:
            row = self._rows[step.number]
            if step.start <= row.read:
                row.read = max(row.read, step.start + step.count)
            turns: dict[int, int] = {}
            for slot, addition in zip(row.slots, row.additions, strict=True):
                begin = max(step.start, addition.start)
                end = step.start + step.count if addition.end is None else min(step.start + step.count, addition.end)
                if begin >= end:
                    continue
                self._expected[slot, begin:end] += 1
                tokens = np.arange(begin, end) + (first - step.start)
                turn = turns.get(addition.layer, 0)
                turns[addition.layer] = turn + 1
                rounds = due.setdefault(addition.layer, [])
                if turn == len(rounds):
                    rounds.append([])
                rounds[turn].append(np.stack([tokens, np.full_like(tokens, slot)]))
            first += step.count
        self._due = {
            layer: [_DueTokens(*torch.from_numpy(np.concatenate(each, axis=1)).to(self.device)) for each in rounds]
            for layer, rounds in due.items()
        }

    def add_vectors(self, layer: int, output: Any) -> Any:
        """The output of a block with what is due after it.

        Blocks of vLLM give the stream in two parts, the output of the MLP and the rest, or as one; the first part is
        added to. Requests of several additions at a token have them one after the other, in their order.

        Parameters
        ----------
        layer : int
            Index of the block.
        output : Tensor or tuple of Tensor
            Its output.

        Returns
        -------
        Tensor or tuple of Tensor
            As `output`, with a new first tensor where anything is added.
        """
        rounds = self._due.get(layer)
        if not rounds or self._positions is None:
            return output
        hidden = output[0] if isinstance(output, tuple) else output
        for each in rounds:
            before = hidden[each.tokens]
            added = self._bank[each.slots]
            after = before + added
            hidden = hidden.index_copy(0, each.tokens, after)
            self._mark_changes(each, before, hidden[each.tokens], added)
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    def _mark_changes(self, due: _DueTokens, before: Tensor, after: Tensor, added: Tensor) -> None:
        """Mark the tokens at which the stream is another now; a vector of zeros changes nothing and counts as made."""
        assert self._positions is not None
        changed = (after != before).any(dim=1) | (added == 0).all(dim=1)
        places = self._positions[due.tokens]
        self._marks.index_put_((due.slots, places), changed.to(torch.int16), accumulate=True)

    @property
    def step_tokens(self) -> int:
        """Number of tokens of the step that runs."""
        return sum(step.count for step in self._step)

    def end_step(self) -> None:
        """After the model has run: nothing is added to what else it computes."""
        self._due, self._step, self._positions = {}, [], None

    def wanted_states(self) -> list[tuple[int, PlaceMessage, int]]:
        """Readings of this step: number of the request, place, and index of the token whose hidden state it needs."""
        found, first = [], 0
        for step in self._step:
            for place in self._rows[step.number].places:
                if step.start <= place.position < step.start + step.count:
                    found.append((step.number, place, first + place.position - step.start))
            first += step.count
        return found

    def keep_readings(self, wanted: Sequence[tuple[int, PlaceMessage, int]], logits: Tensor) -> None:
        """Take readings from logits.

        Parameters
        ----------
        wanted : sequence of (int, PlaceMessage, int)
            As `wanted_states` gives them.
        logits : Tensor, shape (wanted, vocabulary)
            Their logits.
        """
        fine = torch.isfinite(logits).all(dim=1).tolist()
        shares = logits.double().log_softmax(dim=1)
        entropies = torch.special.entr(shares.exp()).sum(dim=1).tolist()
        for (number, place, _), row, entropy, is_finite in zip(wanted, shares, entropies, fine, strict=True):
            if is_finite:
                self._rows[number].readings[place.place] = (row[list(place.tokens)].tolist(), entropy)
            else:
                self.report_error(number, f"logits at '{place.place}' are not finite ({self.steering_of(number)})")

    def steering_of(self, number: int) -> str:
        """What is added to a request, for a message."""
        layers = sorted({addition.layer for addition in self._rows[number].additions})
        if not layers:
            return "nothing was added"
        return f"vector{'s' * (len(layers) > 1)} added at layer{'s' * (len(layers) > 1)} {', '.join(map(str, layers))}"


def stream_parts(values: Sequence[object], tokens: int, width: int) -> list[Tensor]:
    """Those of a block's inputs or outputs that are parts of the residual stream: it is their sum.

    Parameters
    ----------
    values : sequence of object
        Inputs or outputs.
    tokens : int
        Number of tokens of the step.
    width : int
        Width of the stream.
    """
    return [
        each
        for each in values
        if isinstance(each, Tensor) and each.is_floating_point() and tuple(each.shape) == (tokens, width)
    ]


def _runs_of(marks: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """First position, and the one after the last, of each run of marked positions."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marks, [False]]).astype(np.int8)))
    yield from ((int(first), int(end)) for first, end in edges.reshape(-1, 2))


def _wrong_marks(made: NDArray[np.int16], expected: NDArray[np.int16]) -> str:
    wrong = np.flatnonzero(made != expected)
    place = int(wrong[0])
    return (
        f"a vector was added {int(made[place])} times at position {place}, {int(expected[place])} were due there, and "
        f"{len(wrong)} positions differ so"
    )
