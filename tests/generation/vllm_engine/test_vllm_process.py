"""vLLM itself, on a tiny model in float32: the same answers and readings as the engine `torch`, and proof of steering.

Needs the environment that `make vllm` makes, or the one that GNOMON_VLLM_PYTHON names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_subjects import TEMPLATE, VOCABULARY, byte_tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

from gnomon.__main__ import run
from gnomon.data.errors import GnomonError, MissingPackageError
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store
from gnomon.generation.engine.base import EngineAnswer, ReadingRequest, TrialRequest
from gnomon.generation.engine.injection import VectorAddition
from gnomon.generation.engine.torch_engine import TorchEngine
from gnomon.generation.subjects.loading import load_subject
from gnomon.generation.vllm_engine.vllm_engine import VllmEngine
from gnomon.generation.vllm_engine.vllm_environment import find_environment
from gnomon.generation.vllm_engine.vllm_subject import VllmSubject, load_vllm_subject
from gnomon.generation.vllm_engine.worker_process import PROGRAM

pytestmark = pytest.mark.slow
WIDTH, LAYERS = 64, 4
BEGINNING, MAIN = PROGRAM.rsplit("main(", 1)[0], "main(int(sys.argv[2]))\n"
STATE = "from gnomon.generation.vllm_engine.steering_state import SteeringState\n"
STUDY = """name = "t"

[[subjects]]
name = "small"
model = "{model}"

[design]
concepts = ["ocean", "fear"]
layers = [1]
strengths = [1.0, 4.0]
protocols = ["short.toml"]
spans = ["from_marker"]
arms = ["injection", "control", "random"]
replicates = {{ injection = 2, control = 3, random = 1 }}
"""
PROTOCOL = (
    'name = "short"\nspan = "from_marker"\nmarker = "Now"\ntemperature = 1\nmax_tokens = 6\n'
    '[[messages]]\nrole = "user"\ncontent = "Wait. Now?"\n'
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model whose heads are wide enough for vLLM."""
    try:
        find_environment()
    except MissingPackageError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=WIDTH,
        intermediate_size=64,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        num_key_value_heads=1,
        vocab_size=VOCABULARY,
        bos_token_id=0,
        eos_token_id=1,
        initializer_range=0.4,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    byte_tokenizer(TEMPLATE).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def subject(folder: Path) -> Iterator[VllmSubject]:
    found = load_vllm_subject("small", str(folder))
    yield found
    if found.holder.process is not None:
        found.holder.process.close()


def mixed_requests() -> list[TrialRequest]:
    """Prompts, layers, strengths, spans and seeds that differ; greedy, sampled, with stop texts, and read only."""
    draw = torch.Generator().manual_seed(1)
    ocean, fear = torch.randn(2, WIDTH, generator=draw)
    options = {"a": (70, 71), "b": (80,)}
    places = (ReadingRequest("answer", options), ReadingRequest("early", options, 2))
    added: Sequence[tuple[VectorAddition, ...]] = (
        (),
        (VectorAddition(1, ocean, 3),),
        (VectorAddition(3, 4 * fear, 0, 4), VectorAddition(3, ocean, 2), VectorAddition(0, fear, 5, 6)),
        (VectorAddition(2, 0 * ocean, 1),),
    )
    found = []
    for number in range(48):
        prompt = tuple(range(20 + number % 5, 28 + number % 5 + number % 3))
        one = TrialRequest(prompt, added[number % 4], number, float(number % 2), 12, readings=places)
        if number % 7 == 3:
            one = replace(one, max_tokens=0)
        if number % 5 == 4:
            one = replace(one, stop=("e", "t", "\u0120"))
        found.append(one)
    return found


def test_answers_readings_and_steered_positions_are_those_of_the_other_engine(
    subject: VllmSubject, folder: Path
) -> None:
    wanted = mixed_requests()
    theirs = VllmEngine(subject, 16).generate_all(wanted)
    ours = TorchEngine(load_subject("small", str(folder)), 16).generate_all(wanted)
    assert [answer.error for answer in theirs] == [None] * len(wanted)
    for one, other in zip(ours, theirs, strict=True):
        assert (other.tokens, other.text, other.finish, other.touched) == (
            one.tokens,
            one.text,
            one.finish,
            one.touched,
        )
        for place, reading in one.readings.items():
            assert other.readings[place].log_probabilities == pytest.approx(reading.log_probabilities, abs=1e-3)
            assert other.readings[place].entropy == pytest.approx(reading.entropy, abs=1e-3)
    assert {answer.finish for answer in ours} >= {"length", "read"}


def test_an_interrupted_stream_leaves_the_process_usable(subject: VllmSubject) -> None:
    wanted = [each for each in mixed_requests() if each.max_tokens]
    stream = VllmEngine(subject, 4).generate_stream(wanted)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert all(answer.error is None for answer in VllmEngine(subject, 4).generate_all(wanted[:6]))


def broken_answers(folder: Path, code: str) -> list[EngineAnswer]:
    subject = load_vllm_subject("small", str(folder))
    subject.holder.program = BEGINNING + code + MAIN
    try:
        return VllmEngine(subject, 16).generate_all(mixed_requests())
    finally:
        if subject.holder.process is not None:
            subject.holder.process.close()


def test_a_hook_that_does_nothing_is_refused_before_any_trial(folder: Path) -> None:
    with pytest.raises(GnomonError, match=r"can't run it: RuntimeError: .*added 0 times") as told:
        broken_answers(folder, STATE + "SteeringState.add_vectors = lambda self, layer, output: output\n")
    assert "\n" not in str(told.value)


def test_with_a_prefix_cache_no_steered_answer_passes_that_was_not_steered_as_due(folder: Path) -> None:
    """Blocks of 16 positions are cached; the prompts are made longer than that."""
    code = (
        "import vllm\nwhole = vllm.LLM.__init__\n"
        "def broken(self, *given, **named):\n"
        "    whole(self, *given, **{**named, 'enable_prefix_caching': True})\n"
        "vllm.LLM.__init__ = broken\n"
    )
    subject = load_vllm_subject("small", str(folder))
    subject.holder.program = BEGINNING + code + MAIN
    delta = torch.ones(WIDTH)
    wanted = [TrialRequest(tuple(range(10, 210)), (VectorAddition(1, delta, 4),), 0, 0.0, 3)] * 3
    try:
        engine = VllmEngine(subject, 1)
        first, second = engine.generate_all(wanted[:1]), engine.generate_all(wanted[1:])
    finally:
        if subject.holder.process is not None:
            subject.holder.process.close()
    assert first[0].error is None
    assert all("positions were computed" in (answer.error or "") for answer in second)


@pytest.mark.usefixtures("own_cache")
def test_a_study_is_generated_resumed_and_not_mixed_with_another_engine(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tmp_path / "study"
    study.mkdir()
    (study / "study.toml").write_text(STUDY.format(model=folder), encoding="utf-8")
    (study / "short.toml").write_text(PROTOCOL, encoding="utf-8")
    assert run(["generate", str(study), "--engine", "vllm", "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert (report["planned"], report["made"], report["failed"]) == (15, 15, 0)
    assert run(["generate", str(study), "--engine", "vllm", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["made"] == 0
    store = Store.open(sqlite_url(study / "gnomon.db"))
    try:
        assert all(trial.error is None for trial in store.load_trials())
    finally:
        store.close()
    assert run(["generate", str(study), "--json"]) == 2
    assert "give it another name in study.toml" in capsys.readouterr().err
