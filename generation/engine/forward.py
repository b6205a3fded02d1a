"""Runs a model in two parts: its body over all rows, and its LM head over a few rows at a time.

Logits of a large vocabulary take about as much memory as a row's cache, and those of all rows are never needed at
once, because the next token of a row depends on that row only. The body therefore runs over all rows, and the head,
which is the model's own with any scaling and capping, runs over `ROWS` rows at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers.cache_utils import Cache

ROWS = 32


@dataclass(frozen=True)
class LastHidden:
    """Final hidden state of one position of each row, before the LM head; `last` has shape (rows, 1, width)."""

    model: Any
    last: Tensor
    kind: type

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.last)

    def head_slices(self) -> list[slice]:
        """Slices of rows that the head processes together."""
        return [slice(start, start + ROWS) for start in range(0, len(self), ROWS)]

    @torch.no_grad()
    def next_logits(self, rows: slice) -> Tensor:
        """Logits of a slice of rows, shape (rows, vocabulary), at least float32."""
        with _substitute_body(self.model, self.kind(last_hidden_state=self.last[rows])):
            logits: Tensor = self.model(input_ids=None, use_cache=False, logits_to_keep=1).logits[:, -1]
        return logits if logits.dtype == torch.float64 else logits.float()


@dataclass(frozen=True)
class HiddenStates:
    """Final hidden states of every row and column, before the LM head; `states` has shape (rows, columns, width)."""

    model: Any
    states: Tensor
    kind: type

    def at_column(self, column: int) -> LastHidden:
        """The states of one column, counted from the end if negative."""
        return LastHidden(self.model, self.states[:, column, None].clone(), self.kind)

    def repeat_last(self, rows: int) -> HiddenStates:
        """As many rows: the last one stands for all that it lacks."""
        last = self.states[-1:].expand(rows - len(self.states), -1, -1)
        return HiddenStates(self.model, torch.cat([self.states, last]), self.kind)


@torch.no_grad()
def hidden_states(model: Any, ids: Tensor, positions: Tensor, mask: Any, cache: Cache) -> HiddenStates:
    """Run the body of a model.

    Parameters
    ----------
    model : PreTrainedModel
        A causal language model.
    ids : Tensor of int64, shape (rows, columns)
        Token ids.
    positions : Tensor of int64, shape (rows, columns)
        Their positions.
    mask : Tensor or dict of str to Tensor
        Attention mask, in a form that the model accepts.
    cache : Cache
        Keys and values of earlier positions; those of `ids` are added to it.

    Returns
    -------
    HiddenStates
        Hidden states of all columns.
    """
    body = model.base_model
    output = body(input_ids=ids, position_ids=positions, attention_mask=mask, past_key_values=cache, use_cache=True)
    return HiddenStates(model, output.last_hidden_state, type(output))


def last_hidden(model: Any, ids: Tensor, positions: Tensor, mask: Any, cache: Cache) -> LastHidden:
    """Run the body of a model and keep each row's last column only.

    Parameters
    ----------
    model, ids, positions, mask, cache
        As for `hidden_states`.
    """
    return hidden_states(model, ids, positions, mask, cache).at_column(-1)


class _PrecomputedBody(nn.Module):
    """Replaces a model's body and returns the output that the body has already computed."""

    def __init__(self, output: Any) -> None:
        super().__init__()
        self._output = output

    def forward(self, *_args: Any, **_more: Any) -> Any:
        """The body's output, whatever the arguments."""
        return self._output


@contextmanager
def _substitute_body(model: Any, output: Any) -> Iterator[None]:
    """Make the model's own forward pass use a precomputed body; the body's hooks are not called again."""
    body, name = model.base_model, model.base_model_prefix
    setattr(model, name, _PrecomputedBody(output))
    try:
        yield
    finally:
        setattr(model, name, body)
