"""Operations of one decoding step at 256 rows, by engine: kernels, waits of the host, reads of the head.

The model is random: 28 layers of Qwen2's kind, 8 wide, in bfloat16, as in the count that led to the fast engine. A
quarter of the rows is unsteered, the others have vectors after one of four blocks.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import Any, TypedDict

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from bench.support.machine import machine
from gnomon.generation.engine.base import TrialRequest
from gnomon.generation.engine.batch import BatchRow, ContinuousBatch
from gnomon.generation.engine.injection import VectorAddition, injection_hooks
from gnomon.generation.engine.prompt_cache import PromptCache
from gnomon.generation.engine.steering_probe import find_model_form
from gnomon.generation.engine.torch_engine import DecodingBatch
from gnomon.generation.fast_engine.fast_batch import FastBatch
from gnomon.generation.fast_engine.operation_count import OperationCount
from gnomon.generation.fast_engine.step_shapes import ROW_COUNTS, StepOptions
from gnomon.generation.subjects.loading import LoadedSubject

LAYERS, WIDTH, PROMPT, TOKENS = 28, 8, 129, 64
STEERED = (5, 10, 15, 20)
ON_A_GPU = StepOptions(ROW_COUNTS, 64, is_static=True, ahead=1)
"""What a GPU would run, without graphs."""


class StepCount(TypedDict):
    """What one step does; `seconds` is the median of some steps on this machine."""

    rows: int
    kernels: int
    host_reads: dict[str, int]
    sent_lists: int
    head_runs: int
    seconds: float


class _Letters:
    """A tokenizer of which only decoding is used."""

    eos_token_id = None

    def decode(self, tokens: list[int], skip_special_tokens: bool = True) -> str:
        return " ".join(map(str, tokens))


def random_subject(vocabulary: int) -> LoadedSubject:
    """A random model of the shape that is counted.

    Parameters
    ----------
    vocabulary : int
        Number of tokens.
    """
    sizes = {"hidden_size": WIDTH, "intermediate_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": 4}
    more = {"num_key_value_heads": 2, "head_dim": 2, "vocab_size": vocabulary}
    config = AutoConfig.for_model("qwen2", **sizes, **more, eos_token_id=None, bos_token_id=0, pad_token_id=1)
    torch.manual_seed(0)
    maker: Any = AutoModelForCausalLM
    model = maker.from_config(config).to(torch.bfloat16).eval().requires_grad_(False)
    return LoadedSubject("random", model, _Letters(), LAYERS, WIDTH, "r", 1e4)


def counted_requests(rows: int, prompt: int = PROMPT) -> list[TrialRequest]:
    """Requests of one prompt, three quarters of them steered.

    Parameters
    ----------
    rows : int
        Number of requests.
    prompt : int
        Number of tokens of the prompt.
    """
    tokens = tuple(range(2, 2 + prompt))
    made = []
    for number in range(rows):
        vector = torch.randn(WIDTH, generator=torch.Generator().manual_seed(number))
        steered = VectorAddition(STEERED[number % len(STEERED)], vector, prompt - 22)
        made.append(TrialRequest(tokens, (steered,) if number % 4 else (), number, 0.6, TOKENS))
    return made


def count_step(subject: LoadedSubject, engine: str, requests: list[TrialRequest], timed: int = 1) -> StepCount:
    """Operations of one step of all rows together.

    Parameters
    ----------
    subject : LoadedSubject
        The subject.
    engine : {"eager", "fast"}
        Whose step.
    requests : list of TrialRequest
        The rows.
    timed : int
        Steps that are timed.
    """
    find_model_form(subject)
    rows, columns, clean = len(requests), max(each.cache_columns for each in requests), PromptCache(subject)
    heads = 0

    def note(*_given: Any) -> None:
        nonlocal heads
        heads += 1

    handle = subject.model.get_output_embeddings().register_forward_hook(note)
    with injection_hooks(subject.model, [None] * (rows + 1)) as injection:
        batch: DecodingBatch
        if engine == "fast":
            batch = FastBatch(subject, injection, clean, rows, columns, ON_A_GPU)
        else:
            batch = ContinuousBatch(subject, injection, clean, rows, columns)
        batch.add_rows([BatchRow(index, each) for index, each in enumerate(requests)])
        for _ in range(2):  # the first step has nothing to read yet
            batch.decode_step()
        heads = 0
        with OperationCount() as count:
            batch.decode_step()
        found, seconds = heads, []
        for _ in range(timed):
            begun = time.perf_counter()
            batch.decode_step()
            seconds.append(time.perf_counter() - begun)
        if isinstance(batch, FastBatch):
            batch.close()
    handle.remove()
    return StepCount(
        rows=rows,
        kernels=count.kernels,
        host_reads=dict(count.host_reads),
        sent_lists=count.sent_lists,
        head_runs=found,
        seconds=statistics.median(seconds),
    )


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--vocabulary", type=int, default=2000)
    options = parser.parse_args()
    subject, requests = random_subject(options.vocabulary), counted_requests(options.rows)
    found = {engine: count_step(subject, engine, requests, 10) for engine in ("eager", "fast")}
    print(json.dumps({"machine": machine(), "vocabulary": options.vocabulary, **found}, indent=2))


if __name__ == "__main__":
    main()
