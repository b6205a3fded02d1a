"""Tiny random models of several families, and a tokenizer of one token a byte."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from gnomon.generation.subjects.loading import LoadedSubject

VOCABULARY, WIDTH, LAYERS = 258, 32, 4
SMALL: dict[str, dict[str, Any]] = {
    "llama": {"num_key_value_heads": 2},
    "mistral": {"num_key_value_heads": 2, "sliding_window": 6},
    "qwen2": {"num_key_value_heads": 2},
    "qwen3": {"num_key_value_heads": 2, "head_dim": 8},
    "gemma3_text": {"num_key_value_heads": 2, "head_dim": 8, "sliding_window": 6},
    "gpt_neox": {},
    "gpt2": {"n_positions": 512},
}
TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


class Letters:
    """A tokenizer of which only decoding is used: token 65 is A."""

    eos_token_id = 1

    def decode(self, tokens: list[int], skip_special_tokens: bool = True) -> str:
        return " ".join(str(token) for token in tokens)


def tiny_model(family: str, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    sizes = {"hidden_size": WIDTH, "intermediate_size": 64, "num_hidden_layers": LAYERS, "num_attention_heads": 4}
    tokens = {"vocab_size": VOCABULARY, "eos_token_id": 1, "bos_token_id": 0, "pad_token_id": 1}
    config = AutoConfig.for_model(family, **sizes, **tokens, initializer_range=0.4, **SMALL[family])
    return AutoModelForCausalLM.from_config(config).eval().requires_grad_(False)


def subject_of(model: Any) -> LoadedSubject:
    return LoadedSubject("tiny", model, Letters(), LAYERS, WIDTH, "r0", 1e4)


def byte_tokenizer(template: str | None) -> Any:
    """One token a byte, with offsets, as a saved model folder has it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<s>": 0, "</s>": 1, **{letter: index + 2 for index, letter in enumerate(letters)}}
    inner = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>", pad_token="</s>")
    tokenizer.chat_template = template
    return tokenizer
