"""Tiny random models of all families that are tested, and their answers as `generate` gives them with an own hook."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from tiny_subjects import LAYERS, VOCABULARY, WIDTH, Letters
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText

from gnomon.generation.engine.base import TrialRequest
from gnomon.generation.engine.injection import VectorAddition
from gnomon.generation.subjects.loading import LoadedSubject

BASE: dict[str, Any] = {
    "hidden_size": WIDTH,
    "intermediate_size": 64,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": VOCABULARY,
    "eos_token_id": 1,
    "bos_token_id": 0,
    "pad_token_id": 1,
    "initializer_range": 0.4,
    "max_position_embeddings": 512,
}
MOE: dict[str, Any] = {
    "num_experts": 4,
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "n_routed_experts": 4,
}
GPT: dict[str, Any] = {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": 4, "n_positions": 512, "n_ctx": 512}
MLA: dict[str, Any] = {
    **MOE,
    "n_group": 1,
    "topk_group": 1,
    "q_lora_rank": 16,
    "kv_lora_rank": 16,
    "qk_rope_head_dim": 4,
    "qk_nope_head_dim": 8,
    "v_head_dim": 8,
    "first_k_dense_replace": 1,
    "num_key_value_heads": 4,
}
DELTA: dict[str, Any] = {
    "head_dim": 8,
    "linear_num_value_heads": 2,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
}
MAMBA: dict[str, Any] = {"mamba_n_heads": 8, "mamba_d_head": 8, "mamba_d_state": 4, "mamba_n_groups": 1}
H8: dict[str, Any] = {"head_dim": 8}
WINDOW: dict[str, Any] = {"sliding_window": 6}
MIXED = ["sliding_attention", "full_attention"] * 2
GEMMA4: dict[str, Any] = {
    **H8,
    **WINDOW,
    "global_head_dim": 8,
    "vocab_size_per_layer_input": VOCABULARY,
    "hidden_size_per_layer_input": 8,
    "num_kv_shared_layers": 0,
    "layer_types": MIXED,
}
LLAMA4: dict[str, Any] = {
    **MOE,
    **H8,
    "attention_chunk_size": 6,
    "intermediate_size_mlp": 64,
    "interleave_moe_layer_step": 1,
}
VISION: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 28,
    "patch_size": 14,
}

FAMILIES: dict[str, dict[str, Any]] = {
    # keys and values of all positions
    "llama": {},
    "llama, tied": {"_type": "llama", "tie_word_embeddings": True},
    "qwen2": {},
    "qwen3": H8,
    "gemma": H8,
    "phi": {},
    "phi3": {},
    "olmo": {},
    "olmo2": {},
    "smollm3": {},
    "granite": {},
    "cohere": {},
    "glm": H8,
    "glm4": H8,
    "stablelm": {},
    "nemotron": {},
    "seed_oss": H8,
    "gpt2": GPT,
    "gpt_neo": {
        "num_layers": LAYERS,
        "num_heads": 4,
        "attention_types": [[["global", "local"], 2]],
        "window_size": 6,
    },
    "gpt_neox": {},
    "gptj": {**GPT, "rotary_dim": 4},
    "gpt_bigcode": GPT,
    "codegen": {**GPT, "rotary_dim": 4},
    "persimmon": {},
    "apertus": {},
    "arcee": {},
    "ernie4_5": H8,
    "hunyuan_v1_dense": H8,
    "diffllama": {},
    "helium": H8,
    "bitnet": {},
    "xglm": {"d_model": WIDTH, "num_layers": LAYERS, "attention_heads": 4, "ffn_dim": 64},
    "biogpt": {},
    "opt": {"ffn_dim": 64, "word_embed_proj_dim": WIDTH},
    # positions by a bias on attention
    "bloom": {"n_layer": LAYERS, "n_head": 4},
    "falcon": {"new_decoder_architecture": True, "num_kv_heads": 2},
    "falcon, alibi": {"_type": "falcon", "alibi": True},
    "mpt": {"d_model": WIDTH, "n_heads": 4, "n_layers": LAYERS, "max_seq_len": 512},
    # sliding windows and chunks
    "mistral": WINDOW,
    "ministral": {**H8, **WINDOW},
    "gemma2": {**H8, **WINDOW, "query_pre_attn_scalar": 8},
    "gemma3_text": {**H8, **WINDOW},
    "olmo3": WINDOW,
    "cohere2": WINDOW,
    "starcoder2": WINDOW,
    "exaone4": {**WINDOW, "sliding_window_pattern": 2},
    "gemma4_text": GEMMA4,
    "gemma4_text, shared": {"_type": "gemma4_text", **GEMMA4, "num_kv_shared_layers": 2},
    "gemma3n_text": {
        **H8,
        **WINDOW,
        "vocab_size_per_layer_input": VOCABULARY,
        "num_kv_shared_layers": 2,
        "hidden_size_per_layer_input": 8,
        "laurel_rank": 4,
        "activation_sparsity_pattern": [0.0] * LAYERS,
        "intermediate_size": [64] * LAYERS,
        "layer_types": MIXED,
    },
    # mixtures of experts
    "mixtral": MOE,
    "qwen2_moe": {**MOE, "shared_expert_intermediate_size": 32},
    "qwen3_moe": {**MOE, **H8},
    "olmoe": MOE,
    "granitemoe": MOE,
    "gpt_oss": {**MOE, **H8, **WINDOW},
    "deepseek_v2": {**MLA, "topk_method": "greedy"},
    "deepseek_v3": MLA,
    "glm4_moe": {**MOE, **H8, "n_group": 1, "topk_group": 1, "first_k_dense_replace": 1},
    "ernie4_5_moe": {**MOE, "moe_num_experts": 4, "moe_k": 2},
    "phimoe": MOE,
    "dbrx": {
        "d_model": WIDTH,
        "n_heads": 4,
        "n_layers": LAYERS,
        "max_seq_len": 512,
        "attn_config": {"kv_n_heads": 2, "rope_theta": 1e4, "clip_qkv": 8.0},
        "ffn_config": {"ffn_hidden_size": 64, "moe_num_experts": 4, "moe_top_k": 2, "ffn_act_fn": {"name": "silu"}},
    },
    "llama4_text": LLAMA4,
    # convolution, recurrent and linear-attention states
    "qwen3_next": {**MOE, **DELTA, "shared_expert_intermediate_size": 32},
    "qwen3_5_text": DELTA,
    "lfm2": {"full_attn_idxs": [1, 3], "block_ff_dim": 64},
    "falcon_h1": {"mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_state": 4, **H8},
    "jamba": {**MOE, "attn_layer_period": 2, "attn_layer_offset": 1, "use_mamba_kernels": False},
    "bamba": {**MAMBA, "attn_layer_indices": [1, 3], "mamba_chunk_size": 8},
    "granitemoehybrid": {
        **MOE,
        **MAMBA,
        "layer_types": ["mamba", "attention"] * 2,
        "shared_intermediate_size": 32,
        "mamba_chunk_size": 8,
    },
    "nemotron_h": {**MAMBA, "mamba_num_heads": 8, "mamba_head_dim": 8, "ssm_state_size": 4, "n_groups": 1, **H8},
    "zamba2": {"layers_block_type": ["linear_attention", "hybrid"] * 2, "mamba_d_state": 4, "chunk_size": 8},
    "mamba": {"state_size": 4},
    "mamba2": {"state_size": 4, "num_heads": 8, "head_dim": 8, "n_groups": 1, "chunk_size": 8},
    "falcon_mamba": {"state_size": 4},
    "minimax": {**MOE, **H8, "block_size": 4},
    "recurrent_gemma": {"lru_width": WIDTH, "attention_window_size": 8, **H8},
    "rwkv": {"attention_hidden_size": WIDTH},
    # keys of an index besides
    "deepseek_v32": {**MLA, "index_n_heads": 2, "index_head_dim": 8, "index_topk": 64},
    "glm_moe_dsa": {**MLA, "index_n_heads": 2, "index_head_dim": 8, "index_topk": 64},
}
WRAPPERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "gemma3": ({"model_type": "gemma3_text", **H8, **WINDOW}, {**VISION, "model_type": "siglip_vision_model"}),
    "mistral3": ({"model_type": "mistral", **H8, "sliding_window": None}, {**VISION, "model_type": "pixtral"}),
    "qwen3_5": ({"model_type": "qwen3_5_text", **DELTA}, {}),
    "qwen2_5_vl": (
        {
            "model_type": "qwen2_5_vl_text",
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [1, 1, 2]},
        },
        {"depth": 2, "hidden_size": 16, "intermediate_size": 32, "num_heads": 2, "out_hidden_size": WIDTH},
    ),
    "qwen3_vl": (
        {"model_type": "qwen3_vl_text", **H8},
        {
            "depth": 2,
            "hidden_size": 16,
            "intermediate_size": 32,
            "num_heads": 2,
            "out_hidden_size": WIDTH,
            "deepstack_visual_indexes": [0],
        },
    ),
    "llama4": ({"model_type": "llama4_text", **LLAMA4}, VISION),
    "gemma4": ({"model_type": "gemma4_text", **GEMMA4}, {}),
    "llava": ({"model_type": "llama"}, {**VISION, "model_type": "clip_vision_model"}),
}
"""Models that also see: the settings of their text part and of their vision part."""


REFUSED = {
    "gemma3n_text": "a block's output is",
    "recurrent_gemma": "in no cache that it gives back",
    "rwkv": "in no cache that it gives back",
    "zamba2": "with a cache, its logits are not those without one",
}
"""Families that can't be steered, with a part of what is told."""


def family_model(name: str) -> Any:
    """A tiny random model of a family or of a wrapper, in float32."""
    torch.manual_seed(0)
    if name in WRAPPERS:
        text, vision = WRAPPERS[name]
        more = {"vision_config": vision} if vision else {}
        config = AutoConfig.for_model(name, text_config={**BASE, **text}, **more)
        known = type(config) in AutoModelForCausalLM._model_mapping
        model = (AutoModelForCausalLM if known else AutoModelForImageTextToText).from_config(config)
    else:
        given = {**BASE, **FAMILIES[name]}
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(given.pop("_type", name), **given))
    for part in model.parameters():
        if part.dim() > 1 and part.std() < 0.05:
            part.data.normal_(0, 0.3)
    model.generation_config.eos_token_id = model.generation_config.pad_token_id = 1
    return model.eval().requires_grad_(False)


def family_subject(name: str) -> LoadedSubject:
    """A tiny model of a family as a subject."""
    return LoadedSubject(name, family_model(name), Letters(), LAYERS, WIDTH, name, 1e4)


def mixed_requests(tokens: int = 10) -> list[TrialRequest]:
    """Eight greedy rows: two prompts, plain and steered at every layer, from three places, in three strengths, once for
    a few positions only, and of different lengths, so that rows join and leave in mid-run."""
    generator = torch.Generator().manual_seed(1)
    prompts = [tuple(torch.randint(2, VOCABULARY, (length,), generator=generator).tolist()) for length in (9, 13)]
    found = []
    for number in range(8):
        prompt, delta = prompts[number % 2], torch.randn(WIDTH, generator=generator) * (1 + number % 3)
        start = (0, 4, len(prompt) - 1)[number % 3]
        end = start + 3 if number == 6 else None
        plain = number in (0, 5)
        additions = () if plain else (VectorAddition(number % LAYERS, delta, start, end),)
        found.append(TrialRequest(prompt, additions, number, 0.0, tokens - number % 3))
    return found


def generated(model: Any, blocks: Any, request: TrialRequest) -> tuple[int, ...]:
    """A request's tokens as `model.generate` gives them with a hook of this module.

    Positions are counted where tokens are embedded; a block may compute the last ones only.
    """
    read = 0

    def count(_module: Any, args: Any, _output: Any) -> None:
        nonlocal read
        read += args[0].shape[1]

    def hook(addition: VectorAddition) -> Callable[..., Any]:
        def add(_module: Any, _args: Any, output: Any) -> Any:
            hidden = (output[0] if isinstance(output, tuple) else output).clone()
            at = torch.arange(read - hidden.shape[1], read)
            due = (at >= addition.start) & (at < (10**9 if addition.end is None else addition.end))
            hidden[:, due] += addition.delta.to(hidden)
            return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

        return add

    handles = [model.get_input_embeddings().register_forward_hook(count)]
    handles += [blocks[each.layer].register_forward_hook(hook(each)) for each in request.additions]
    ids = torch.tensor([request.prompt])
    try:
        out = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=request.max_tokens, pad_token_id=1
        )
    finally:
        for handle in handles:
            handle.remove()
    found = out[0, len(request.prompt) :].tolist()
    return tuple(found[: found.index(1)] if 1 in found else found)
