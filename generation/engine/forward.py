"""Runs a model in two parts: its body over every row, and its head over a few rows at a time.

Logits of a large vocabulary take as much memory as a good part of a row's cache, and nobody needs those of all rows at
once: the next token of a row is a function of its own. So the body runs all rows, and the head, which is the model's
own, with its scaling and capping if it has any, runs over `ROWS` of them at a time.
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
    """What the body made of each row's last column: `last` (rows, 1, width). The head has not seen it yet."""

    model: Any
    last: Tensor
    kind: type

    def __len__(self) -> int:
        """How many rows."""
        return len(self.last)

    def head_slices(self) -> list[slice]:
        """Rows that the head takes together."""
        return [slice(start, start + ROWS) for start in range(0, len(self), ROWS)]

    @torch.no_grad()
    def next_logits(self, rows: slice) -> Tensor:
        """Logits (rows, vocabulary) of some rows, float32 at least."""
        with _substitute_body(self.model, self.kind(last_hidden_state=self.last[rows])):
            logits: Tensor = self.model(input_ids=None, use_cache=False, logits_to_keep=1).logits[:, -1]
        return logits if logits.dtype == torch.float64 else logits.float()


@torch.no_grad()
def last_hidden(model: Any, ids: Tensor, positions: Tensor, mask: Any, cache: Cache) -> LastHidden:
    """Run the body of a model over `ids` (rows, columns) at their `positions`, its cache before them."""
    body = model.base_model
    output = body(input_ids=ids, position_ids=positions, attention_mask=mask, past_key_values=cache, use_cache=True)
    return LastHidden(model, output.last_hidden_state[:, -1:].clone(), type(output))


class _PrecomputedBody(nn.Module):
    """Stands where a model's body was, and gives what that has given already."""

    def __init__(self, output: Any) -> None:
        super().__init__()
        self._output = output

    def forward(self, *_args: Any, **_more: Any) -> Any:
        """The body's output, whatever is asked."""
        return self._output


@contextmanager
def _substitute_body(model: Any, output: Any) -> Iterator[None]:
    """Let the model's own forward find that its body has run already; the body's hooks are not called again."""
    body, name = model.base_model, model.base_model_prefix
    setattr(model, name, _PrecomputedBody(output))
    try:
        yield
    finally:
        setattr(model, name, body)
