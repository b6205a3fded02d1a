"""How far readings lie from a plain forward pass of `transformers`: probabilities and log-probabilities, any batch.

The trials are those of the battery on the embedded model in float32 (every task that is read, injection at several
strengths, control), in a drawn order. The other side is `model(input_ids)` of one unpadded prompt with hooks of its
own, without a cache, in float32 and in float64; its softmax is in float64. Prints one JSON document.

`python -m bench.measures.reading_exactness --trials 60`
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from gnomon.data.arms.battery_measures import asked_tasks
from gnomon.data.readings import OptionReading
from gnomon.generation.battery.battery_plan import battery_design, plan_battery
from gnomon.generation.engine.base import TrialRequest
from gnomon.generation.engine.injection import VectorAddition, decoder_blocks
from gnomon.generation.engine.torch_engine import TorchEngine
from gnomon.generation.subjects.loading import LoadedSubject, load_subject
from gnomon.generation.sweeps.trial_design import SweepDesign
from gnomon.generation.sweeps.trial_factory import TrialFactory

DESIGN = SweepDesign(("ocean", "fear", "silence", "celebration"), (12, 18, 24), (1.0, 2.0, 4.0))
ROWS = (1, 7, 64)
SEED = 26


def battery_requests(subject: LoadedSubject, count: int, items: int = 2) -> list[TrialRequest]:
    """Some of the battery's trials, of all tasks, layers and strengths; nothing is sampled of any.

    Parameters
    ----------
    subject : LoadedSubject
    count : int
    items : int, default 2
        Items of each task and concept from which they are drawn.
    """
    plan = plan_battery(battery_design(DESIGN), subject, asked_tasks(), items)
    factory = TrialFactory(subject, plan.design, plan.protocols)
    chosen = random.Random(SEED).sample(plan.trials, count)
    return [replace(factory.make_request(trial), max_tokens=0, stop=()) for trial in chosen]


@contextmanager
def hooked(model: Any, additions: Sequence[VectorAddition]) -> Iterator[None]:
    """Context in which other hooks than the engine's make the additions of one row.

    Parameters
    ----------
    model : PreTrainedModel
    additions : sequence of VectorAddition
    """
    handles = []
    for addition in additions:

        def steer(_module: Any, _args: Any, output: Any, one: VectorAddition = addition) -> Any:
            hidden = (output[0] if isinstance(output, tuple) else output).clone()
            hidden[:, one.start : one.end] += one.delta.to(hidden)
            return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

        handles.append(decoder_blocks(model)[addition.layer].register_forward_hook(steer))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def plain_logs(model: Any, request: TrialRequest) -> np.ndarray:
    """Log-probabilities of the options where the answer begins, of one forward pass, shape (options,).

    Parameters
    ----------
    model : PreTrainedModel
    request : TrialRequest
    """
    with hooked(model, request.additions):
        logits = model(input_ids=torch.tensor([request.prompt]), use_cache=False).logits[0, -1]
    shares = logits.double().log_softmax(dim=0)
    options = request.readings[0].options.values()
    return np.array([float(shares[list(tokens)].logsumexp(dim=0)) for tokens in options])


def read_logs(answer_reading: OptionReading) -> np.ndarray:
    """Log-probabilities of a reading's options, shape (options,)."""
    return np.array(list(answer_reading.log_probabilities.values()))


def farthest(found: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> dict[str, float]:
    """Largest distance of log-probabilities, of probabilities, and of shares among the options.

    Parameters
    ----------
    found, other : sequence of ndarray
        Log-probabilities of the options of each trial.
    """
    pairs = list(zip(found, other, strict=True))
    shares = [(np.exp(a - np.logaddexp.reduce(a)), np.exp(b - np.logaddexp.reduce(b))) for a, b in pairs]
    return {
        "log_probability": float(max(abs(a - b).max() for a, b in pairs)),
        "probability": float(max(abs(np.exp(a) - np.exp(b)).max() for a, b in pairs)),
        "share": float(max(abs(a - b).max() for a, b in shares)),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.measures.reading_exactness", description=__doc__)
    parser.add_argument("--trials", type=int, default=60)
    options = parser.parse_args()
    subject = load_subject("smollm2", "embedded", device="cpu")
    requests = battery_requests(subject, options.trials)
    found = {
        f"rows {rows}": [
            read_logs(answer.readings["answer"]) for answer in TorchEngine(subject, rows).generate_all(requests)
        ]
        for rows in ROWS
    }
    single = [plain_logs(subject.model, request) for request in requests]
    subject.model.double()
    exact = [plain_logs(subject.model, request) for request in requests]
    document = {
        "trials": len(requests),
        "against_transformers": {name: farthest(logs, single) for name, logs in found.items()},
        "against_float64": {name: farthest(logs, exact) for name, logs in {**found, "transformers": single}.items()},
    }
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
