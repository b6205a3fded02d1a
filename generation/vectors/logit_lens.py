"""Logit lens: what each later block's state would say if it were the last one. Knows no study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gnomon.data.errors import InputError
from gnomon.generation.engine.forward import model_parts
from gnomon.generation.engine.injection import VectorAddition, decoder_blocks, injection_hooks
from gnomon.generation.prompts.tokenization import encode_text
from gnomon.generation.subjects.loading import LoadedSubject


@dataclass(frozen=True, slots=True)
class LensReading:
    """What the state of one block says of a word.

    Attributes
    ----------
    layer : int
        The block, from 0.
    log_probability : float
        Log of the probability that the next token begins the word, in nats.
    rank : int
        Rank of the likeliest of the word's first tokens in the vocabulary, from 1.
    """

    layer: int
    log_probability: float
    rank: int


@torch.no_grad()
def lens_log_probabilities(
    subject: LoadedSubject, prompt: Sequence[int], additions: Sequence[VectorAddition], layers: Sequence[int]
) -> Tensor:
    """Log-probabilities of the next token, read from the states of blocks as if each were the last.

    The state of the prompt's last token after a block goes through the model's own final normalisation and head: the
    model runs once more with the output of its last block replaced by it. At the last block this is the model's own
    distribution. Source: the logit lens of nostalgebraist (2020); states of early blocks are in another basis, and a
    word that is not read there may be there nevertheless.

    Parameters
    ----------
    subject : LoadedSubject
        The subject.
    prompt : sequence of int
        Token ids.
    additions : sequence of VectorAddition
        What is added while the prompt is read.
    layers : sequence of int
        Blocks that are read, from 0.

    Returns
    -------
    Tensor
        Float64, shape (layers, vocabulary).
    """
    blocks = decoder_blocks(subject.model)
    states: dict[int, Tensor] = {}

    def keep(layer: int) -> Any:
        def hook(_module: Any, _args: Any, output: Any) -> None:
            states[layer] = (output[0] if isinstance(output, tuple) else output)[:, -1:].clone()

        return hook

    def put(_module: Any, _args: Any, output: Any) -> Any:
        state = torch.cat([states[layer] for layer in layers])
        return (state, *output[1:]) if isinstance(output, tuple) else state

    device = subject.model_device
    with injection_hooks(subject.model, [tuple(additions)]):
        handles = [blocks[layer].register_forward_hook(keep(layer)) for layer in layers]
        try:
            model_parts(subject.model).last_logits(torch.tensor([list(prompt)], device=device))
        finally:
            for handle in handles:
                handle.remove()
    handle = blocks[len(blocks) - 1].register_forward_hook(put)
    try:
        logits = model_parts(subject.model).last_logits(torch.tensor([[prompt[-1]]] * len(layers), device=device))
    finally:
        handle.remove()
    return logits.double().log_softmax(dim=-1).cpu()


def read_word(
    subject: LoadedSubject,
    prompt: Sequence[int],
    additions: Sequence[VectorAddition],
    layers: Sequence[int],
    word: str,
) -> list[LensReading]:
    """What the states of blocks say of a word: its probability and rank as the next token.

    Parameters
    ----------
    subject : LoadedSubject
        The subject.
    prompt : sequence of int
        Token ids.
    additions : sequence of VectorAddition
        What is added while the prompt is read.
    layers : sequence of int
        Blocks that are read, from 0.
    word : str
        The word; with and without a capital and a space before it.

    Raises
    ------
    InputError
        The subject lacks a layer.
    """
    if wrong := [layer for layer in layers if not 0 <= layer < subject.layers]:
        raise InputError(f"layer {wrong[0]}: subject '{subject.name}' has layers 0 to {subject.layers - 1}")
    logs = lens_log_probabilities(subject, prompt, additions, layers)
    spellings = (word, word.capitalize(), f" {word}", f" {word.capitalize()}")
    tokens = sorted({encode_text(subject.tokenizer, spelling)[0] for spelling in spellings})
    likeliest = logs[:, tokens].max(dim=1, keepdim=True).values
    ranks = (logs > likeliest).sum(dim=1) + 1
    return [
        LensReading(layer, float(row[tokens].logsumexp(0)), int(rank))
        for layer, row, rank in zip(layers, logs, ranks, strict=True)
    ]
