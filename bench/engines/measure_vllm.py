"""The engine `vllm` against the engine `torch` on the embedded subject: same 256 trials, proof of steering, and speed.

    python -m bench.engines.measure_vllm [--parts bfloat16 controls ...] [--out FILE]

The trials are those of `bench.performance.measure_generation`: one prompt, 4 concepts, 3 layers, 4 strengths;
injection, random and control, mixed. vLLM runs in the environment that `make vllm` makes.

- *touched*: answers, greedy and sampled, whose steered positions are those that were due.
- *given the same prefix*: each answer of ours, whole, is read by both engines with its steering, and at each of its
  tokens the log-probabilities of the 20 tokens that are most probable there are compared: how often both have the same
  first token, and how far they are apart. *Free*: answers and tokens that are the same when each engine goes on from
  its own. As a scale for these, the engine `torch` is compared with itself in float32.
- *controls*: answers and log-probabilities of controls beside steered rows, beside the same rows unsteered, and after
  steered rows with the same prompt, in a process that has run nothing before.
- *faults*: hooks that do nothing from the start, hooks of one layer that do nothing later, prefix caching switched on.
  Each is put into vLLM's process by hand, and what is stored as a response is compared with the intact answer
  (meaningful in float32, where these are the same in any batch).
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

import torch

from bench.performance.measure_generation import TOKENS, requests
from bench.support.machine import machine
from gnomon.data.errors import GnomonError
from gnomon.data.readings import ANSWER
from gnomon.generation.engine.base import EngineAnswer, ReadingRequest, TrialRequest
from gnomon.generation.engine.injection import injection_hooks
from gnomon.generation.engine.torch_engine import TorchEngine
from gnomon.generation.subjects.loading import LoadedSubject, load_subject
from gnomon.generation.vllm_engine.vllm_engine import VllmEngine
from gnomon.generation.vllm_engine.vllm_subject import VllmSubject, load_vllm_subject
from gnomon.generation.vllm_engine.worker_process import PROGRAM

PARTS = ("bfloat16", "float32", "controls", "faults")
ROWS, TOP, LATE = 256, 20, 6
NAME = "smollm2"
SETUP, MAIN = PROGRAM.rsplit("main(", 1)[0], "main(int(sys.argv[2]))\n"
FAULTS = {
    "no hook": "from gnomon.generation.vllm_engine import steering_state as s\n"
    "s.SteeringState.add_vectors = lambda self, layer, output: output\n",
    "hooks of layer 18 stop after a while": "from gnomon.generation.vllm_engine import steering_state as s\n"
    "whole, calls = s.SteeringState.add_vectors, [0]\n"
    "def broken(self, layer, output):\n"
    "    calls[0] += layer == 18\n"
    f"    return output if layer == 18 and calls[0] > {LATE} else whole(self, layer, output)\n"
    "s.SteeringState.add_vectors = broken\n",
    "what is added is dropped after a while": "import torch\n"
    "from gnomon.generation.vllm_engine import steering_state as s\n"
    "whole, calls = torch.Tensor.index_copy, [0]\n"
    "def broken(self, *given):\n"
    "    calls[0] += 1\n"
    f"    return self if calls[0] > {LATE} else whole(self, *given)\n"
    "torch.Tensor.index_copy = broken\n",
    "prefix caching is on": "import vllm\n"
    "whole = vllm.LLM.__init__\n"
    "def broken(self, *given, **named):\n"
    "    whole(self, *given, **{**named, 'enable_prefix_caching': True})\n"
    "vllm.LLM.__init__ = broken\n",
}
"""What is broken in vLLM's process, by a name: Python that runs before it loads the model."""


class SharedPrefix(TypedDict):
    """Agreement of two engines at each token of given answers."""

    tokens: int
    same_first: float
    largest_difference: float
    mean_difference: float


def touched_as_due(wanted: Sequence[TrialRequest], answers: Sequence[EngineAnswer]) -> int:
    """Number of answers without an error whose steered positions are those that were due.

    Parameters
    ----------
    wanted : sequence of TrialRequest
        The requests.
    answers : sequence of EngineAnswer
        Their answers.
    """
    return sum(answer.error is None and _is_as_due(one, answer) for one, answer in zip(wanted, answers, strict=True))


def _is_as_due(request: TrialRequest, answer: EngineAnswer) -> bool:
    """Whether it was steered as is due: all tokens but the last are read back, and the last too before an end token."""
    read = len(request.prompt) + len(answer.tokens) - (answer.finish == "length")
    return answer.touched == tuple(addition.due_positions(read) for addition in request.additions)


def free_agreement(ours: Sequence[EngineAnswer], theirs: Sequence[EngineAnswer]) -> dict[str, float]:
    """Share of answers that are the same, and of tokens up to each answer's first difference.

    Parameters
    ----------
    ours, theirs : sequence of EngineAnswer
        Answers to the same requests.
    """
    same = sum(one.tokens == other.tokens for one, other in zip(ours, theirs, strict=True))
    tokens = sum(len(answer.tokens) for answer in ours)
    until = 0
    for one, other in zip(ours, theirs, strict=True):
        pairs = list(zip(one.tokens, other.tokens, strict=False))
        until += next((place for place, (a, b) in enumerate(pairs) if a != b), len(pairs))
    return {"answers": same / len(ours), "tokens_until_difference": until / tokens}


@torch.no_grad()
def answer_shares(subject: LoadedSubject, request: TrialRequest, answer: EngineAnswer) -> torch.Tensor:
    """Log-probabilities at each token of an answer that is read back, float64 (tokens, vocabulary).

    Parameters
    ----------
    subject : LoadedSubject
        The subject, run by transformers.
    request : TrialRequest
        The request.
    answer : EngineAnswer
        Its answer.
    """
    ids = torch.tensor([[*request.prompt, *answer.tokens[:-1]]])
    with injection_hooks(subject.model, [request.additions]):
        logits = subject.model(input_ids=ids, position_ids=torch.arange(ids.shape[1])[None], use_cache=False).logits
    shares: torch.Tensor = logits[0, len(request.prompt) - 1 :].double().log_softmax(dim=1)
    return shares


def top_tokens(shares: torch.Tensor) -> list[dict[int, float]]:
    """The most probable tokens of each row with their log-probabilities.

    Parameters
    ----------
    shares : Tensor, shape (rows, vocabulary)
        Log-probabilities.
    """
    found = shares.topk(TOP, dim=1)
    pairs = zip(found.indices.tolist(), found.values.tolist(), strict=True)
    return [dict(zip(tokens, values, strict=True)) for tokens, values in pairs]


def prefix_readings(
    wanted: Sequence[TrialRequest], answers: Sequence[EngineAnswer], tops: Sequence[Sequence[dict[int, float]]]
) -> list[TrialRequest]:
    """Requests that read those tokens where each answer has come so far, with its steering.

    Parameters
    ----------
    wanted : sequence of TrialRequest
        The requests.
    answers : sequence of EngineAnswer
        Their answers.
    tops : sequence of sequence of dict of int to float
        As `top_tokens` gives them.
    """
    return [
        replace(
            request,
            prompt=(*request.prompt, *answer.tokens[:-1]),
            max_tokens=0,
            readings=tuple(
                ReadingRequest(str(step), {str(token): (token,) for token in top}, len(request.prompt) - 1 + step)
                for step, top in enumerate(steps)
            ),
        )
        for request, answer, steps in zip(wanted, answers, tops, strict=True)
    ]


def compare_prefixes(
    tops: Sequence[Sequence[dict[int, float]]], read: Sequence[Sequence[dict[int, float]]]
) -> SharedPrefix:
    """Agreement of two engines, given log-probabilities of the same tokens at the same places.

    Parameters
    ----------
    tops, read : sequence of sequence of dict of int to float
        By answer and place, log-probability by token.
    """
    pairs = [
        (top, other) for steps, others in zip(tops, read, strict=True) for top, other in zip(steps, others, strict=True)
    ]
    apart = [abs(other[token] - value) for top, other in pairs for token, value in top.items()]
    same = sum(max(top, key=top.__getitem__) == max(other, key=other.__getitem__) for top, other in pairs)
    return SharedPrefix(
        tokens=len(pairs),
        same_first=same / len(pairs),
        largest_difference=max(apart),
        mean_difference=sum(apart) / len(apart),
    )


def read_prefixes(engine: VllmEngine, asked: Sequence[TrialRequest]) -> list[list[dict[int, float]]]:
    """Log-probabilities that vLLM gives, by answer and place.

    Parameters
    ----------
    engine : VllmEngine
        The engine.
    asked : sequence of TrialRequest
        As `prefix_readings` gives them.
    """
    return [
        [
            {int(token): value for token, value in answer.readings[str(step)].log_probabilities.items()}
            for step in range(len(request.readings))
        ]
        for request, answer in zip(asked, engine.generate_all(asked), strict=True)
    ]


def compare_controls(
    subject: VllmSubject, wanted: Sequence[TrialRequest], say: Callable[[str], object]
) -> dict[str, int]:
    """Number of controls that are the same beside steered rows as without them, by bits, and after them.

    Parameters
    ----------
    subject : VllmSubject
        The subject.
    wanted : sequence of TrialRequest
        The requests, sampled to their full length.
    say : callable
        Receives progress lines.
    """
    options = {str(token): (token,) for token in range(100, 120)}
    asked = [replace(each, readings=(ReadingRequest(ANSWER, options),)) for each in wanted]
    plain = [replace(each, additions=()) for each in asked]
    controls = [index for index, each in enumerate(asked) if not each.additions]
    engine = VllmEngine(replace(subject, ends=()), len(wanted))
    mixed = engine.generate_all(asked)
    after = engine.generate_all([asked[index] for index in controls])
    alike = engine.generate_all(plain)
    found = {
        "controls": len(controls),
        "touched": touched_as_due(asked, mixed),
        "same_beside_steered": sum(_same_bits(mixed[index], alike[index]) for index in controls),
        "steered_that_differ": sum(
            not _same_bits(mixed[index], alike[index]) for index in range(len(asked)) if asked[index].additions
        ),
    }
    say(json.dumps(found))
    close_process(subject)
    alone = VllmEngine(replace(subject, ends=()), len(wanted)).generate_all([asked[index] for index in controls])
    found["same_after_steered"] = sum(_same_bits(one, other) for one, other in zip(after, alone, strict=True))
    pairs = zip(controls, alone, strict=True)
    found["same_tokens_alone_and_mixed"] = sum(mixed[index].tokens == other.tokens for index, other in pairs)
    close_process(subject)
    return found


def _same_bits(one: EngineAnswer, other: EngineAnswer) -> bool:
    return (one.tokens, one.readings) == (other.tokens, other.readings)


def close_process(subject: VllmSubject) -> None:
    """End the subject's process; the next request starts another."""
    if subject.holder.process is not None:
        subject.holder.process.close()
    subject.holder.process = None


def break_steering(
    subject: VllmSubject, wanted: Sequence[TrialRequest], say: Callable[[str], object]
) -> dict[str, object]:
    """Break something in vLLM's process; count answers that pass as responses although they differ from intact ones.

    Parameters
    ----------
    subject : VllmSubject
        The subject.
    wanted : sequence of TrialRequest
        The requests.
    say : callable
        Receives progress lines.
    """
    found: dict[str, object] = {}
    whole = VllmEngine(subject, len(wanted)).generate_all(wanted)
    for name, code in FAULTS.items():
        close_process(subject)
        subject.holder.program = SETUP + code + MAIN
        try:
            answers = VllmEngine(subject, len(wanted)).generate_all(wanted)
        except GnomonError as error:
            found[name] = {"refused": str(error)}
        else:
            stored = [pair for pair in zip(whole, answers, strict=True) if pair[1].error is None]
            errors = Counter(answer.error for answer in answers if answer.error)
            found[name] = {
                "trials": len(wanted),
                "errors": sum(errors.values()),
                "stored_as_responses": len(stored),
                "stored_with_other_tokens": sum(intact.tokens != answer.tokens for intact, answer in stored),
                "for_example": next(iter(errors), None),
            }
        say(f"{name}: {found[name]}")
    close_process(subject)
    subject.holder.program = PROGRAM
    return found


def processor_seconds(subject: VllmSubject) -> float:
    """Processor time that the subject's process has used; 0 where there is none.

    Parameters
    ----------
    subject : VllmSubject
        The subject.
    """
    if subject.holder.process is None:
        return 0.0
    fields = Path(f"/proc/{subject.holder.process.number}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure_engines(dtype: str, trials: int, tokens: int, say: Callable[[str], object]) -> dict[str, object]:
    """Proof, agreement and speed in one number format.

    Parameters
    ----------
    dtype : str
        Number format of weights and activations.
    trials : int
        Number of trials.
    tokens : int
        Largest number of tokens of an answer.
    say : callable
        Receives progress lines.
    """
    plain, subject = load_subject(NAME, "embedded", dtype=dtype), load_vllm_subject(NAME, "embedded", dtype=dtype)
    greedy = [replace(one, max_tokens=tokens) for one in requests(plain, 0.0)[:trials]]
    found: dict[str, object] = {"dtype": dtype, "vllm": subject.installation.version}
    engine, started = VllmEngine(subject, min(ROWS, trials)), time.perf_counter()
    engine.generate_all(greedy[:1])
    found["start"] = {"seconds": time.perf_counter() - started, "processor_seconds": processor_seconds(subject)}
    begun, began = time.perf_counter(), processor_seconds(subject)
    theirs = engine.generate_all(greedy)
    found["vllm_greedy"] = {
        "tokens": sum(len(answer.tokens) for answer in theirs),
        "touched": touched_as_due(greedy, theirs),
        "seconds": time.perf_counter() - begun,
        "processor_seconds": processor_seconds(subject) - began,
    }
    found["trials"] = len(greedy)
    say(json.dumps(found))
    begun, began = time.perf_counter(), time.process_time()
    ours = TorchEngine(plain, 64).generate_all(greedy)
    found["torch_greedy"] = {
        "tokens": sum(len(answer.tokens) for answer in ours),
        "seconds": time.perf_counter() - begun,
        "processor_seconds": time.process_time() - began,
    }
    found["free"] = free_agreement(ours, theirs)
    say(json.dumps({key: found[key] for key in ("torch_greedy", "free")}))
    given = [(request, answer) for request, answer in zip(greedy, ours, strict=True) if answer.tokens]
    asked, answers = [request for request, _ in given], [answer for _, answer in given]
    tops = [top_tokens(answer_shares(plain, *pair)) for pair in given]
    read = read_prefixes(engine, prefix_readings(asked, answers, tops))
    found["given_same_prefix"] = compare_prefixes(tops, read)
    say(json.dumps(found["given_same_prefix"]))
    if dtype != "float32":
        exact = load_subject(NAME, "embedded")
        rows = [answer_shares(exact, *pair) for pair in given]
        again = [
            [{token: float(row[token]) for token in top} for row, top in zip(shares, steps, strict=True)]
            for shares, steps in zip(rows, tops, strict=True)
        ]
        found["torch_float32_given_same_prefix"] = compare_prefixes(tops, again)
        say(json.dumps(found["torch_float32_given_same_prefix"]))
    close_process(subject)
    return found


def main() -> None:
    """Measure, and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS, help="by default all")
    parser.add_argument("--tokens", type=int, default=TOKENS, help="of each answer")
    parser.add_argument("--trials", type=int, default=256, help="of the 256")
    parser.add_argument("--dtype", default="bfloat16", help="of controls and faults")
    parser.add_argument("--out", type=Path, help="write the document here too")
    options = parser.parse_args()

    def say(line: str) -> None:
        print(line, flush=True)

    document: dict[str, object] = {"machine": machine(), "tokens": options.tokens, "trials": options.trials}
    for dtype in ("bfloat16", "float32"):
        if dtype in options.parts:
            document[dtype] = measure_engines(dtype, options.trials, options.tokens, say)
    if {"controls", "faults"} & set(options.parts):
        subject = load_vllm_subject(NAME, "embedded", dtype=options.dtype)
        plain = load_subject(NAME, "embedded", dtype=options.dtype)
        greedy, sampled = (
            [replace(each, max_tokens=options.tokens) for each in requests(plain, at)[: options.trials]]
            for at in (0.0, 1.0)
        )
        if "controls" in options.parts:
            document["controls"] = compare_controls(subject, sampled, say)
            say(json.dumps(document["controls"]))
        if "faults" in options.parts:
            document["faults"] = break_steering(subject, greedy, say)
    text = json.dumps(document, indent=2)
    say(text)
    if options.out:
        options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
