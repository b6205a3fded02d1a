"""What a step of decoding reads of each slot besides its cache: one table on the device, written in place."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gnomon.generation.engine.base import TrialRequest

IDS, POSITIONS, LIMITS, SEEDS, STEPS = range(5)


class SlotTable:
    """Token that is read next, its position, the last position, seed, number of tokens drawn and temperature by slot.

    A slot without a row stays at position 0: it is computed with the others, and nobody looks.

    Parameters
    ----------
    slots : int
        Number of slots.
    device : torch.device
        Where the model runs.
    """

    def __init__(self, slots: int, device: torch.device) -> None:
        self.numbers = torch.zeros(5, slots, dtype=torch.long, device=device)
        self.temperatures = torch.zeros(slots, dtype=torch.float64, device=device)

    def add_rows(self, slots: Tensor, requests: Sequence[TrialRequest]) -> None:
        """Put new rows of one prompt in slots; `IDS` waits for their first tokens.

        Parameters
        ----------
        slots : Tensor of int64, shape (rows,)
            Their slots.
        requests : sequence of TrialRequest
            Their requests.
        """
        rows = [(0, len(each.prompt), each.cache_columns, each.seed, 0) for each in requests]
        self.numbers[:, slots] = torch.tensor(rows, device=slots.device).T
        self.temperatures[slots] = torch.tensor(
            [each.temperature for each in requests], dtype=torch.float64, device=slots.device
        )

    def first_tokens(self, slots: Tensor, tokens: Tensor) -> None:
        """The prompts of new rows have given their first tokens.

        Parameters
        ----------
        slots : Tensor of int64, shape (rows,)
            Their slots.
        tokens : Tensor of int64, shape (rows,)
            The tokens.
        """
        self.numbers[IDS, slots] = tokens
        self.numbers[STEPS, slots] = 1

    def advance(self, rows: int, tokens: Tensor) -> None:
        """After a step of the first rows: each reads its new token next, one position further.

        Parameters
        ----------
        rows : int
            Number of rows of the step.
        tokens : Tensor of int64, shape (rows,)
            The tokens drawn.
        """
        positions = self.numbers[POSITIONS, :rows]
        self.numbers[IDS, :rows] = tokens
        self.numbers[STEPS, :rows] += 1
        torch.minimum(positions + 1, self.numbers[LIMITS, :rows], out=positions)

    def rewind(self, slot: int, token: int, position: int, step: int) -> None:
        """A row goes on from another token than the one that was drawn.

        Parameters
        ----------
        slot : int
            Its slot.
        token : int
            The token that it reads next.
        position : int
            The position of this token.
        step : int
            Number of tokens that the row has, this one included.
        """
        changed = torch.tensor([token, position, step], device=self.numbers.device)
        self.numbers[[IDS, POSITIONS, STEPS], slot] = changed

    def release(self, slots: Tensor) -> None:
        """The rows of some slots have left."""
        self.numbers[:, slots] = 0
        self.temperatures[slots] = 0.0

    def move(self, sources: Tensor, targets: Tensor) -> None:
        """Move rows to other slots.

        Parameters
        ----------
        sources : Tensor of int64, shape (rows,)
            Their slots.
        targets : Tensor of int64, shape (rows,)
            Their new slots, which hold no row.
        """
        self.numbers[:, targets] = self.numbers[:, sources]
        self.temperatures[targets] = self.temperatures[sources]
        self.release(sources)
