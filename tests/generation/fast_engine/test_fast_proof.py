"""What is taken by the fast engine, on which proof, what a step costs, and what is said of a subject it can't run."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from family_models import family_subject
from tiny_subjects import subject_of, tiny_model

from bench.engines.step_operations import count_step, counted_requests, random_subject
from gnomon.data.errors import InputError
from gnomon.generation.engine.base import EAGER, ENGINES, FAST, TORCH
from gnomon.generation.engine.torch_engine import TorchEngine
from gnomon.generation.fast_engine import decode_step, engine_choice, fast_proof
from gnomon.generation.fast_engine.dense_steering import DenseSteering
from gnomon.generation.fast_engine.fast_engine import FastEngine
from gnomon.generation.fast_engine.fast_proof import find_fast_steps, prove_fast_steps
from gnomon.generation.fast_engine.operation_count import OperationCount
from gnomon.generation.subjects.environment import describe_environment
from gnomon.generation.subjects.loading import LoadedSubject


@pytest.fixture
def own() -> LoadedSubject:
    return subject_of(tiny_model("llama"))


def test_a_step_reads_once_runs_the_head_once_and_starts_few_kernels() -> None:
    """Of 28 layers; the numbers do not depend on that of the rows (256 in bench/RESULTS.md)."""
    subject = random_subject(300)
    fast = count_step(subject, "fast", counted_requests(16, 24))
    assert fast["host_reads"] == {"tolist": 1}
    assert (fast["sent_lists"], fast["head_runs"]) == (0, 1)
    assert fast["kernels"] <= 1400


def test_what_the_host_reads_is_counted() -> None:
    numbers = torch.arange(4)
    with OperationCount() as count:
        numbers.nonzero()
        numbers[numbers > 1]
        numbers.sum().item()
        bool(numbers.any())
        numbers.tolist()
    assert sum(count.host_reads.values()) == 5
    with OperationCount() as count:
        numbers.view(2, 2).T[0] + torch.tensor([1, 2])
    assert (count.kernels, sum(count.host_reads.values()), count.sent_lists) == (1, 0, 1)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("dbrx", "its forward pass reads values of the device on the host in each step ("),
        ("lfm2", "it keeps states beside keys and values"),
        ("gpt_neo", "its rows go in step in a cache of its own"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_a_family_it_cannot_run_is_told_in_one_line_and_left_to_the_eager_engine(name: str, why: str) -> None:
    subject = family_subject(name)
    with pytest.raises(InputError, match=f"^subject '{name}': engine 'fast' can't run it: ") as told:
        FastEngine(subject)
    assert why in str(told.value)
    assert "\n" not in str(told.value)
    assert describe_environment(subject)["steps"].startswith(f"eager: {why}")


@pytest.mark.parametrize(
    ("place", "name", "instead", "why"),
    [
        (DenseSteering, "add_vectors", lambda _self, _layer, output: output, "in steps, its logits are not its own"),
        (
            DenseSteering,
            "take_marks",
            lambda self, slots: 0 * self.marks[:, slots],
            "range(0, 0) were steered, range(1",
        ),
        (decode_step, "step_masks", lambda *_given: None, "in steps, its logits are not its own"),
        (fast_proof, "choose_tokens", None, "its tokens are not those that the other sampler draws"),
    ],
)
def test_steps_that_are_wrong_are_refused(
    own: LoadedSubject, place: Any, name: str, instead: Any, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if instead is None:
        choose: Any = vars(fast_proof)["choose_tokens"]

        def other(*given: Any) -> Any:
            found = choose(*given)
            found.tokens.add_(1)
            return found

        instead = other
    monkeypatch.setattr(place, name, instead)
    with pytest.raises(InputError, match=r"^subject 'tiny': engine 'fast' can't run it: ") as told:
        prove_fast_steps(own)
    assert why in str(told.value)


def test_the_default_is_eager_on_a_cpu_and_fast_on_a_gpu_that_allows_it(
    own: LoadedSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert type(ENGINES.find(TORCH).build_engine(own)) is TorchEngine
    assert type(ENGINES.find(EAGER).build_engine(own)) is TorchEngine
    assert type(ENGINES.find(FAST).build_engine(own)) is FastEngine
    assert describe_environment(own)["steps"] == "fast"
    monkeypatch.setattr(engine_choice, "_is_on_gpu", lambda _subject: True)
    assert type(ENGINES.find(TORCH).build_engine(own)) is FastEngine
    monkeypatch.setattr(DenseSteering, "add_vectors", lambda _self, _layer, output: output)
    other = subject_of(tiny_model("llama"))
    assert type(ENGINES.find(TORCH).build_engine(other)) is TorchEngine
    assert describe_environment(other)["steps"].startswith("eager: in steps, its logits are not its own")


def test_a_proof_is_made_once_for_a_model(own: LoadedSubject, monkeypatch: pytest.MonkeyPatch) -> None:
    first = find_fast_steps(own)
    monkeypatch.setattr(fast_proof, "probe_reference", None)
    assert find_fast_steps(own) is first
