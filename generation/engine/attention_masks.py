"""Says which columns of the batch's cache each row may attend to when it runs one token, for each kind of layer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gnomon.data.errors import InputError


def decode_masks(model: Any, positions: Tensor, width: int) -> Tensor | dict[str, Tensor]:
    """Masks (rows, 1, 1, width) for one token a row at `positions` (rows,), where column c holds position c.

    One mask where all layers are of a kind, else one for each kind, as transformers' own models take them.

    Raises
    ------
    InputError
        Layers of a kind that attend in another way.
    """
    text = model.config.get_text_config()
    kinds = getattr(text, "layer_types", None)
    if kinds:
        return {kind: _model_mask(model, _visible_positions(text, kind, positions, width)) for kind in set(kinds)}
    if getattr(text, "sliding_window", None) is not None:
        return _model_mask(model, _visible_positions(text, "sliding_attention", positions, width))
    kind = "full_attention" if getattr(text, "attention_chunk_size", None) is None else "chunked_attention"
    return _model_mask(model, _visible_positions(text, kind, positions, width))


def _visible_positions(text: Any, kind: str, positions: Tensor, width: int) -> Tensor:
    columns, here = torch.arange(width, device=positions.device)[None], positions[:, None]
    before: Tensor = columns <= here
    if kind == "full_attention":
        return before
    if kind == "sliding_attention":
        inside: Tensor = columns > here - text.sliding_window
        return before & inside
    if kind == "chunked_attention":
        same: Tensor = columns // text.attention_chunk_size == here // text.attention_chunk_size
        return before & same
    raise InputError(
        f"model {text.model_type}: layers of kind '{kind}' keep no keys and values by position: "
        "this architecture can't be steered in batches"
    )


def _model_mask(model: Any, seen: Tensor) -> Tensor:
    """As the attention in use wants it: truth values, or for the plain one what is added to the scores."""
    mask = seen[:, None, None, :]
    if model.config._attn_implementation != "eager":
        return mask
    lowest = torch.finfo(model.dtype).min
    return torch.zeros(mask.shape, dtype=model.dtype, device=mask.device).masked_fill_(~mask, lowest)
