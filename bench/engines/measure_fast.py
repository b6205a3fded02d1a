"""The fast engine beside the eager one on the embedded subject: the same responses, and processor seconds.

Trials are those of `measure_generation`: 256 of mixed conditions (injection, random, control). `--identity` compares
responses and touched positions, greedy and sampled, of three ways to run them: the eager engine, the fast engine as it
runs on a CPU, and in the shapes that it has on a GPU. Seconds are those of the processor, interleaved: the clock says
little on a shared machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Sequence

import torch

from bench.engines.step_operations import ON_A_GPU
from bench.performance.measure_generation import TRIALS, requests, without_end
from bench.support.machine import machine
from gnomon.generation.engine.base import EngineAnswer, TrialRequest
from gnomon.generation.engine.torch_engine import TorchEngine
from gnomon.generation.fast_engine.fast_engine import FastEngine
from gnomon.generation.subjects.loading import LoadedSubject, load_subject

WAYS = ("eager", "fast", "fast in shapes of a GPU")


def engine_of(way: str, subject: LoadedSubject, rows: int) -> TorchEngine:
    """A new engine.

    Parameters
    ----------
    way : str
        One of `WAYS`.
    subject : LoadedSubject
        The subject.
    rows : int
        Rows that run together.
    """
    if way == "eager":
        return TorchEngine(subject, rows)
    return FastEngine(subject, rows, None if way == "fast" else ON_A_GPU)


def timed(engine: TorchEngine, wanted: Sequence[TrialRequest]) -> tuple[list[EngineAnswer], float]:
    """Answers, and processor seconds.

    Parameters
    ----------
    engine : TorchEngine
        The engine.
    wanted : sequence of TrialRequest
        The requests.
    """
    begun = time.process_time()
    return engine.generate_all(wanted), time.process_time() - begun


def identity(subject: LoadedSubject, rows: int) -> dict[str, object]:
    """How many of the 256 responses are the same, by temperature.

    Parameters
    ----------
    subject : LoadedSubject
        The subject.
    rows : int
        Rows that run together.
    """
    document: dict[str, object] = {}
    for name, temperature in (("greedy", 0.0), ("sampled", 0.6)):
        wanted = requests(subject, temperature)
        engines = {way: engine_of(way, subject, rows) for way in WAYS}
        found = {way: timed(engine, wanted) for way, engine in engines.items()}
        expected = found["eager"][0]
        document[name] = {
            way: {
                "same": sum(one == other for one, other in zip(answers, expected, strict=True)),
                "errors": sum(answer.error is not None for answer in answers),
                "tokens": sum(len(answer.tokens) for answer in answers),
                "settled": engines[way].spent.settled,
                "processor_seconds": round(seconds, 1),
            }
            for way, (answers, seconds) in found.items()
        }
        print(name, json.dumps(document[name]), flush=True)
    return document


def speed(subject: LoadedSubject, rows: int, trials: int, rounds: int) -> dict[str, object]:
    """Processor seconds of the same trials, in turn.

    Parameters
    ----------
    subject : LoadedSubject
        The subject.
    rows : int
        Rows that run together.
    trials : int
        Number of trials of a round.
    rounds : int
        Number of rounds.
    """
    wanted = requests(subject, 0.6)[:trials]
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    with without_end():
        for number in range(rounds):
            order = WAYS[number % 3 :] + WAYS[: number % 3]
            for way in order:
                found[way].append(timed(engine_of(way, subject, rows), wanted)[1])
            print({way: round(values[-1], 2) for way, values in found.items()}, flush=True)
    ratios = {way: statistics.median(e / o for e, o in zip(found["eager"], found[way], strict=True)) for way in WAYS}
    return {"seconds": found, "speed_against_eager": {way: round(ratio, 3) for way, ratio in ratios.items()}}


def main() -> None:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser(prog="python -m bench.engines.measure_fast", description=__doc__)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=TRIALS, help="trials of a round")
    parser.add_argument("--identity", action="store_true", help="compare the responses of all 256 trials")
    options = parser.parse_args()
    subject = load_subject("smollm2", "embedded", device="cpu")
    document = {"machine": machine(), "threads": torch.get_num_threads(), "rows": options.rows}
    if options.rounds:
        document["speed"] = speed(subject, options.rows, options.trials, options.rounds)
    if options.identity:
        document["identity"] = identity(subject, options.rows)
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
