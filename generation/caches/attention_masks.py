"""Attention masks for single-token decoding: which cache columns each row may attend to, for each kind of layer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gnomon.data.errors import InputError

LINEAR = "linear_attention"
UNMASKED = frozenset({LINEAR, "conv", "mamba", "moe", "mlp"})
"""Kinds of layers that attend to no earlier position by a mask."""


def decode_masks(model: Any, positions: Tensor, width: int) -> Tensor | dict[str, Tensor | None]:
    """Attention masks for one token per row, where column c of the cache holds position c.

    Parameters
    ----------
    model : PreTrainedModel
        The subject's model; its config says which kinds of layer it has.
    positions : Tensor of int64, shape (rows,)
        Position of each row's token.
    width : int
        Number of cache columns, greater than every position.

    Returns
    -------
    Tensor or dict of str to (Tensor or None)
        Shape (rows, 1, 1, width). One mask if all layers are of one kind, else one per kind, as transformers' models
        expect them; None for layers that keep a state.

    Raises
    ------
    InputError
        If a layer is of a kind that does not keep keys and values by position.
    """
    text = model.config.get_text_config()
    kinds = getattr(text, "layer_types", None)
    if kinds:
        return {kind: _kind_mask(model, text, kind, positions, width) for kind in sorted(_mask_names(kinds))}
    if getattr(text, "sliding_window", None) is not None:
        return _model_mask(model, _visible_positions(text, "sliding_attention", positions, width))
    kind = "full_attention" if getattr(text, "attention_chunk_size", None) is None else "chunked_attention"
    return _model_mask(model, _visible_positions(text, kind, positions, width))


def column_mask(positions: Tensor, width: int) -> Tensor:
    """Which columns are filled in a step of decoding, of shape (rows, width), one where they are.

    Parameters
    ----------
    positions : Tensor of int64, shape (rows,)
        Position of each row's token.
    width : int
        Number of cache columns, greater than every position.
    """
    filled: Tensor = torch.arange(width, device=positions.device)[None] <= positions[:, None]
    return filled.long()


def _mask_names(kinds: Any) -> set[str]:
    """Names of the masks that a model may look for: hybrid layers ask for both of theirs."""
    both = {"hybrid": {"full_attention", LINEAR}, "hybrid_sliding": {"sliding_attention", LINEAR}}
    return {name for kind in set(kinds) for name in (kind, *both.get(kind, ()))}


def _kind_mask(model: Any, text: Any, kind: str, positions: Tensor, width: int) -> Tensor | None:
    """The mask of one kind of layer. Layers that keep a state, or nothing, need none: no token is padding."""
    if kind in UNMASKED:
        return None
    kind = {"hybrid": "full_attention", "hybrid_sliding": "sliding_attention"}.get(kind, kind)
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
    """The mask in the form of the attention in use: booleans, or for eager attention the values added to the scores."""
    mask = seen[:, None, None, :]
    if model.config._attn_implementation != "eager":
        return mask
    lowest = torch.finfo(model.dtype).min
    return torch.zeros(mask.shape, dtype=model.dtype, device=mask.device).masked_fill_(~mask, lowest)
