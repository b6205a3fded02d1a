"""TransformerLens at batch size 1: run by `bench measure_generation --peers` with the Python of its own environment.

    python peer_transformer_lens.py MODEL_FOLDER TRIALS.pt

TRIALS.pt holds (prompt ids, layer or None, first position, vector or None, temperature, tokens) of each trial. Prints
the seconds of each round of trials as JSON, and the difference of its logits for the first prompt from those of
transformers.
"""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

ROUNDS = 5


def load(folder: str) -> tuple[Any, Any]:
    """The model in transformers, and the same weights in TransformerLens."""
    lens, convert = (import_module(f"transformer_lens{name}") for name in ("", ".pretrained.weight_conversions"))
    written = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
    rope = written["rope_parameters"]["rope_theta"]  # older versions of transformers read it from elsewhere
    auto = import_module("transformers").AutoModelForCausalLM
    inner = auto.from_pretrained(folder, dtype=torch.float32, rope_theta=rope).eval()
    c = inner.config
    config = lens.HookedTransformerConfig(
        n_layers=c.num_hidden_layers, d_model=c.hidden_size, n_ctx=2048, d_vocab=c.vocab_size, eps=c.rms_norm_eps,
        d_head=c.hidden_size // c.num_attention_heads, n_heads=c.num_attention_heads, d_mlp=c.intermediate_size,
        n_key_value_heads=c.num_key_value_heads, act_fn="silu", normalization_type="RMS", final_rms=True,
        positional_embedding_type="rotary", rotary_adjacent_pairs=False, gated_mlp=True, rotary_base=int(rope),
        rotary_dim=c.hidden_size // c.num_attention_heads, original_architecture="LlamaForCausalLM", device="cpu",
    )  # fmt: skip
    model = lens.HookedTransformer(config)
    model.load_state_dict(convert.convert_llama_weights(inner, config), strict=False)
    # it is not used, but `generate` wants one
    model.tokenizer = import_module("transformers").PreTrainedTokenizerFast(
        tokenizer_file=str(Path(folder) / "tokenizer.json"), bos_token="<|im_start|>", eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
    )  # fmt: skip
    return inner, model.eval()


def steer(value: Any, hook: Any, *, start: int, vector: Any) -> Any:
    """Add a vector to the residual stream of a prompt from `start` on, and of every token after it.

    Parameters
    ----------
    value : torch.Tensor, shape (rows, positions, width)
        Residual stream, changed in place.
    hook : object
        Hook point, unused.
    start : int
        First position of the prompt.
    vector : torch.Tensor, shape (width,)
        Vector to add.
    """
    value[:, start if value.shape[1] > 1 else 0 :] += vector
    return value


@torch.no_grad()
def answer(model: Any, trial: Any) -> None:
    """Answer one trial.

    Parameters
    ----------
    model : object
        TransformerLens model.
    trial : tuple
        One entry of TRIALS.pt.
    """
    prompt, layer, start, vector, temperature, tokens = trial
    hooks = [] if layer is None else [(f"blocks.{layer}.hook_resid_post", partial(steer, start=start, vector=vector))]
    with model.hooks(fwd_hooks=hooks):
        model.generate(
            torch.tensor([prompt]), max_new_tokens=tokens, temperature=temperature, do_sample=True, stop_at_eos=False,
            use_past_kv_cache=True, verbose=False, return_type="tokens", prepend_bos=False,
        )  # fmt: skip


def main() -> None:
    """Time the rounds and print them."""
    folder, file = sys.argv[1:]
    trials = torch.load(file, weights_only=True)
    inner, model = load(folder)
    ids = torch.tensor([trials[0][0]])
    with torch.no_grad():
        apart = float((model(ids)[0, -1] - inner(ids).logits[0, -1]).abs().max())
    answer(model, trials[0])
    each = len(trials) // ROUNDS
    seconds = []
    for number in range(ROUNDS):
        began = time.perf_counter()
        for trial in trials[number * each : (number + 1) * each]:
            answer(model, trial)
        seconds.append((time.perf_counter() - began) / each)
    print(json.dumps({"seconds": seconds, "apart": apart, "threads": torch.get_num_threads()}))


if __name__ == "__main__":
    main()
