"""Runs a model in two parts: its body over all rows, and its LM head over a few rows at a time.

Logits of a large vocabulary take about as much memory as a row's cache, and those of all rows are never needed at
once, because the next token of a row depends on that row only. The body therefore runs over all rows, and the head,
which is the model's own with any scaling and capping, runs over `ROWS` rows at a time.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers.cache_utils import Cache

ROWS = 32
_KEPT_AS = "_gnomon_parts"
NO_IDS, IDS, EMBEDDINGS = "without token ids", "with token ids", "by its output embeddings"
HEADS = (NO_IDS, IDS, EMBEDDINGS)
"""How a head is run: by the model's own forward pass around a body that has run already, without or with (any) token
ids, or as the output embeddings with the capping or scaling that the configuration names."""
KINDS, COLUMNS, UNMASKED = "one for each kind of layer", "columns that are filled", "none"
"""Masks of a step of decoding: which columns each row may attend to, by kind of layer; in two dimensions and the same
for all layers, for models that compute positions from such a mask; or none at all, for models that keep states only."""
POSITIONS, SLOTS, OWN = "keys and values by position", "positions and states by slot", "the model's own, row by row"
"""What is kept of earlier positions: keys and values only, states too, or whatever the model keeps, for rows that go in
step."""


@dataclass(frozen=True)
class ModelForm:
    """In which form a model is called; `gnomon.generation.engine.steering_probe` finds it.

    Attributes
    ----------
    body : str
        Name of the submodule whose output the head reads; empty for `model.base_model`.
    head, masks, cache : str
        One of `HEADS`; `KINDS`, `COLUMNS` or `UNMASKED`; `POSITIONS`, `SLOTS` or `OWN`.
    continues : bool
        Whether several tokens may be run behind a cache of earlier ones. If not, rows begin at position 0.
    """

    body: str = ""
    head: str = NO_IDS
    masks: str = KINDS
    cache: str = POSITIONS
    continues: bool = True


class ModelParts:
    """A model's body and head.

    Parameters
    ----------
    model : PreTrainedModel
        A causal language model.
    form : ModelForm
        How its parts are called.

    Attributes
    ----------
    is_proven : bool
        Whether the form is known to give the model's own logits.
    running : Tensor or None
        Position of each row and column of the call in progress, shape (rows, columns), whether or not the model is
        told; None while no call of `run_body` is in progress.
    """

    def __init__(self, model: Any, form: ModelForm) -> None:
        self.model, self.form = model, form
        self.is_proven = False
        self.body_name = form.body or _name_of(model, model.base_model)
        self.body: Any = model.get_submodule(self.body_name)
        self.running: Tensor | None = None
        self._body_names = set(inspect.signature(self.body.forward).parameters)
        self._body_accepts = _accepted(self.body)

    @torch.no_grad()
    def run_body(self, ids: Tensor, positions: Tensor, mask: Any, cache: Cache | None) -> HiddenStates:
        """Run the body; the parameters are those of `hidden_states`."""
        name = "cache_params" if "cache_params" in self._body_names else "past_key_values"
        more = _only(self._body_accepts, {"position_ids": positions})
        with self._running_at(positions):
            output = self.body(input_ids=ids, attention_mask=mask, use_cache=True, **{name: cache}, **more)
        return HiddenStates(self, output.last_hidden_state, type(output), getattr(output, name, None) or cache)

    @torch.no_grad()
    def last_logits(self, ids: Tensor) -> Tensor:
        """Logits of the last of some columns, from position 0 on, by the model's own forward pass.

        Parameters
        ----------
        ids : Tensor of int64, shape (rows, columns)
            Token ids.

        Returns
        -------
        Tensor, shape (rows, vocabulary)
        """
        positions = torch.arange(ids.shape[1], device=ids.device).expand(len(ids), -1)
        more = _only(_accepted(self.model), {"position_ids": positions, "logits_to_keep": 1})
        with self._running_at(positions):
            logits: Tensor = self.model(input_ids=ids, use_cache=False, **more).logits
        return logits[:, -1]

    @contextmanager
    def _running_at(self, positions: Tensor) -> Iterator[None]:
        self.running = positions
        try:
            yield
        finally:
            self.running = None

    @torch.no_grad()
    def run_head(self, last: Tensor, kind: type) -> Tensor:
        """Logits of hidden states.

        Parameters
        ----------
        last : Tensor, shape (rows, columns, width)
            The body's output.
        kind : type
            Class of the body's output.

        Returns
        -------
        Tensor, shape (rows, columns, vocabulary)
        """
        if self.form.head == EMBEDDINGS:
            return _scaled(self.model.config.get_text_config(), self.model.get_output_embeddings()(last))
        ids = None if self.form.head == NO_IDS else torch.zeros(last.shape[:2], dtype=torch.long, device=last.device)
        with self._body_replaced(_PrecomputedBody(kind(last_hidden_state=last))):
            logits: Tensor = self.model(input_ids=ids, use_cache=False).logits
        return logits

    @contextmanager
    def _body_replaced(self, given: nn.Module) -> Iterator[None]:
        """Make the model's own forward pass use a precomputed body; the body's hooks are not called again."""
        place, _, name = self.body_name.rpartition(".")
        parent = self.model.get_submodule(place)
        setattr(parent, name, given)
        try:
            yield
        finally:
            setattr(parent, name, self.body)


def model_parts(model: Any) -> ModelParts:
    """The parts of a model, in the form that was set for it, else in the one that most families have."""
    found: ModelParts | None = model.__dict__.get(_KEPT_AS)
    return found if found is not None else set_model_form(model, ModelForm())


def set_model_form(model: Any, form: ModelForm) -> ModelParts:
    """Set the form in which a model is called from now on; its parts are kept with it."""
    parts = model.__dict__[_KEPT_AS] = ModelParts(model, form)
    return parts


def _accepted(module: Any) -> set[str] | None:
    """Names of the arguments of a module's forward pass; None if it takes any."""
    named = inspect.signature(module.forward).parameters
    return None if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in named.values()) else set(named)


def _only(accepted: set[str] | None, arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if accepted is None or name in accepted}


def _name_of(model: Any, part: Any) -> str:
    return next((name for name, module in model.named_modules() if module is part), "")


def _scaled(text: Any, logits: Tensor) -> Tensor:
    """What the configuration names to be done to a head's output, as the families' own code does it."""
    if (factor := getattr(text, "logit_scale", None)) is not None:
        logits = logits * factor
    if (divisor := getattr(text, "logits_scaling", None)) is not None:
        logits = logits / divisor
    if (cap := getattr(text, "final_logit_softcapping", None)) is not None:
        logits = torch.tanh(logits / cap) * cap
    return logits


@dataclass(frozen=True)
class LastHidden:
    """Final hidden state of one position of each row, before the LM head; `last` has shape (rows, 1, width)."""

    parts: ModelParts
    last: Tensor
    kind: type

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.last)

    def head_slices(self) -> list[slice]:
        """Slices of rows that the head processes together."""
        return [slice(start, start + ROWS) for start in range(0, len(self), ROWS)]

    def next_logits(self, rows: slice) -> Tensor:
        """Logits of a slice of rows, shape (rows, vocabulary), at least float32."""
        logits = self.parts.run_head(self.last[rows], self.kind)[:, -1]
        return logits if logits.dtype == torch.float64 else logits.float()


@dataclass(frozen=True)
class HiddenStates:
    """Final hidden states of every row and column, before the LM head; `states` has shape (rows, columns, width).

    `cache` is the one that the model has filled: that which it was given, or else one of its own.
    """

    parts: ModelParts
    states: Tensor
    kind: type
    cache: Cache | None = None

    def at_column(self, column: int) -> LastHidden:
        """The states of one column, counted from the end if negative."""
        return LastHidden(self.parts, self.states[:, column, None].clone(), self.kind)

    def repeat_last(self, rows: int) -> HiddenStates:
        """As many rows: the last one stands for all that it lacks."""
        last = self.states[-1:].expand(rows - len(self.states), -1, -1)
        return HiddenStates(self.parts, torch.cat([self.states, last]), self.kind)


def hidden_states(model: Any, ids: Tensor, positions: Tensor, mask: Any, cache: Cache | None) -> HiddenStates:
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
    cache : Cache, optional
        What is kept of earlier positions; `ids` are added to it. By default the model makes one of its own.

    Returns
    -------
    HiddenStates
        Hidden states of all columns.
    """
    return model_parts(model).run_body(ids, positions, mask, cache)


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
