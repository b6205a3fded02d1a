"""Speed of trials that are only read from logits, against trials that are decoded, in one process, same prompts.

The trials are those of `bench.performance.measure_generation` (4 concepts, 3 layers, 4 strengths; injection, random and
control; span from the marker), once with 60 new tokens and once with none and P(yes) read where the answer begins.
Rounds are interleaved, figures are medians over rounds, in trials a second of processor time, so that other work on the
machine counts little. `battery` puts each few trials to a prompt of their own that differs from the others after the
marker, as the tasks of a battery do; the prompts of `distinct` differ from their sixth token on, so that next to
nothing is shared but the blocks below the vector.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace

import torch

from bench.performance.measure_generation import requests, without_end
from bench.support.machine import machine
from gnomon.data.readings import ANSWER
from gnomon.generation.engine.base import ReadingRequest, TrialRequest
from gnomon.generation.engine.torch_engine import TorchEngine
from gnomon.generation.subjects.loading import LoadedSubject, load_subject

TOKENS, PER_PROMPT = 60, 4


def read_only(wanted: Sequence[TrialRequest], subject: LoadedSubject) -> list[TrialRequest]:
    """The same trials without sampling, each with P(yes) and P(no) read where the answer begins.

    Parameters
    ----------
    wanted : sequence of TrialRequest
        Trials that are decoded.
    subject : LoadedSubject
        The subject, whose tokenizer gives the options' tokens.
    """
    said = {"yes": ("Yes", " Yes", "yes", " yes"), "no": ("No", " No", "no", " no")}
    options = {
        name: tuple(subject.tokenizer(text, add_special_tokens=False)["input_ids"][0] for text in texts)
        for name, texts in said.items()
    }
    return [replace(each, max_tokens=0, readings=(ReadingRequest(ANSWER, options),)) for each in wanted]


def distinct_prompts(wanted: Sequence[TrialRequest], at: int) -> list[TrialRequest]:
    """The same trials with another token in the prompt after every few.

    Parameters
    ----------
    wanted : sequence of TrialRequest
        Trials of one prompt.
    at : int
        Position of that token.
    """
    return [
        replace(each, prompt=(*each.prompt[:at], 1000 + place // PER_PROMPT, *each.prompt[at + 1 :]))
        for place, each in enumerate(wanted)
    ]


def trials_per_second(subject: LoadedSubject, wanted: Sequence[TrialRequest], rows: int) -> float:
    """Trials a second of processor time of a new engine, its prompt caches included.

    Parameters
    ----------
    subject : LoadedSubject
        The subject.
    wanted : sequence of TrialRequest
        The trials.
    rows : int
        Rows that run together.
    """
    engine, started = TorchEngine(subject, rows), time.process_time()
    answers = engine.generate_all(wanted)
    seconds = time.process_time() - started
    if failed := [answer.error for answer in answers if answer.error]:
        raise SystemExit(f"a trial failed: {failed[0]}")
    return len(wanted) / seconds


def main() -> None:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser(prog="python -m bench.performance.measure_readings", description=__doc__)
    parser.add_argument("--rows", type=int, default=64, help="rows that run together")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trials", type=int, default=256, help="trials a round, 256 at most")
    parser.add_argument("--cases", nargs="*", help="read, decoded, read_battery, ...; all by default")
    options = parser.parse_args()
    subject = load_subject("smollm2", "embedded", device="cpu")
    decoded = [replace(each, max_tokens=TOKENS) for each in requests(subject, 0.6)[: options.trials]]
    marker = max(addition.start for each in decoded for addition in each.additions)
    read = read_only(decoded, subject)
    cases = {
        "decoded": decoded,
        "read": read,
        "decoded_battery": distinct_prompts(decoded, marker + 3),
        "read_battery": distinct_prompts(read, marker + 3),
        "decoded_distinct": distinct_prompts(decoded, 5),
        "read_distinct": distinct_prompts(read, 5),
    }
    cases = {name: cases[name] for name in options.cases or cases}
    found: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(options.rounds):
        for name, wanted in cases.items():
            with without_end():
                found[name].append(trials_per_second(subject, wanted, options.rows))
    middle = {name: statistics.median(values) for name, values in found.items()}
    document = {
        "machine": machine(),
        "threads": torch.get_num_threads(),
        "rows": options.rows,
        "trials": options.trials,
        "tokens": TOKENS,
        "trials_per_second": {name: round(value, 3) for name, value in middle.items()},
        "times_as_fast": {
            name: round(middle[name] / middle[name.replace("read", "decoded")], 2)
            for name in cases
            if "read" in name and name.replace("read", "decoded") in cases
        },
        "by_round": {name: [round(value, 3) for value in values] for name, values in found.items()},
    }
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
