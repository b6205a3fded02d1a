"""An engine that is registered outside the house generates a study's trials, with a subject and vectors of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_subjects import TEMPLATE, byte_tokenizer, tiny_model

from gnomon.__main__ import run
from gnomon.data.errors import PluginError
from gnomon.data.records import Arm, Subject
from gnomon.data.storage import tables
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store
from gnomon.generation.engine.base import (
    ENGINES,
    TORCH,
    EngineAnswer,
    EngineKind,
    EngineTimings,
    InferenceEngine,
    TrialRequest,
    register_engine,
)
from gnomon.generation.engine.torch_engine import TorchEngine
from gnomon.generation.subjects.loading import LoadedSubject, load_subject
from gnomon.generation.sweeps.runner import LocalWorker, run_sweep
from gnomon.generation.sweeps.trial_design import SweepDesign
from gnomon.generation.vectors.concept_vectors import ConceptVector

STUDY = """name = "t"

[[subjects]]
name = "far"
model = "a-server"

[design]
concepts = ["ocean", "fear"]
layers = [3]
strengths = [1.0]
protocols = ["plain"]
spans = ["from_marker"]
arms = ["injection", "control", "negated"]
replicates = { injection = 2, control = 3, negated = 1 }

[[judges]]
name = "lexicon"
kind = "lexicon"
"""
WIDTH = 8


@dataclass(frozen=True)
class RemoteSubject:
    """A subject without weights here."""

    name: str
    tokenizer: Any
    revision: str = "server-1"
    layers: int = 12
    width: int = WIDTH
    parameters: float = 7e9


class EchoEngine:
    """Answers from what it was told to add: no model runs."""

    prepared: tuple[tuple[str, int], ...] = ()

    def __init__(self, subject: RemoteSubject, rows: int | None) -> None:
        self.subject, self.rows, self.spent = subject, rows, EngineTimings()

    def prepare(self, vectors: Mapping[Any, Any]) -> None:
        EchoEngine.prepared = tuple(vectors)

    def generate_stream(self, requests: Sequence[TrialRequest]) -> Iterator[tuple[int, EngineAnswer]]:
        for index in reversed(range(len(requests))):
            request = requests[index]
            self.spent.admitted += 1
            added = [float(addition.delta[0]) for addition in request.additions]
            text = f"I notice an injected thought: {added[0]:g}." if added else "I notice nothing."
            touched = tuple(addition.due_positions(len(request.prompt) + 1) for addition in request.additions)
            yield index, EngineAnswer(text, (5, 6), "stop", None, touched)

    def max_rows(self, requests: Sequence[TrialRequest]) -> int:
        return 4


def load_remote(name: str, model: str, **options: Any) -> RemoteSubject:
    assert model == "a-server"
    return RemoteSubject(name, byte_tokenizer(TEMPLATE))


def remote_vectors(
    subject: RemoteSubject, concepts: Sequence[str], layers: Sequence[int], method: Any
) -> dict[tuple[str, int], ConceptVector]:
    return {
        (concept, layer): ConceptVector(
            f"{concept}@{layer}", concept, layer, torch.full((subject.width,), 2.0), 2.0 * WIDTH**0.5, "0" * 64, {}
        )
        for concept in concepts
        for layer in layers
    }


@pytest.fixture
def echo() -> Iterator[EngineKind]:
    yield register_engine(EngineKind("echo", EchoEngine, load_remote, remote_vectors))
    ENGINES.unregister("echo")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    study = tmp_path / "study"
    study.mkdir()
    (study / "study.toml").write_text(STUDY, encoding="utf-8")
    return study


def opened(folder: Path) -> Store:
    return Store.open(sqlite_url(folder / "gnomon.db"))


def test_a_study_is_estimated_generated_once_and_judged(
    echo: EngineKind, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["generate", str(folder), "--engine", "echo", "--dry-run", "--time", "--json"]) == 0
    (estimate,) = json.loads(capsys.readouterr().out)
    assert (estimate["planned"], estimate["missing"], estimate["rows"]) == (9, 9, 4)

    assert run(["generate", str(folder), "--engine", "echo", "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert (report["planned"], report["made"], report["failed"]) == (9, 9, 0)
    assert set(EchoEngine.prepared) == {("ocean", 3), ("fear", 3)}
    store = opened(folder)
    try:
        answers = {trial.id: (trial.condition.arm, trial.answer) for trial in store.load_trials()}
        assert [(subject.name, subject.parameters, subject.revision) for subject in store.load_subjects()] == [
            ("far", 7e9, "server-1")
        ]
        assert store.count_rows(tables.vectors) == 4
    finally:
        store.close()
    said = {arm: {answer for found, answer in answers.values() if found is arm} for arm in Arm}
    assert said[Arm.INJECTION] == {"I notice an injected thought: 2."}
    assert said[Arm.NEGATED] == {"I notice an injected thought: -2."}
    assert said[Arm.CONTROL] == {"I notice nothing."}

    assert run(["generate", str(folder), "--engine", "echo", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["made"] == 0
    assert run(["judge", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["new"] == 9


def test_the_engine_is_chosen_by_name_and_the_trials_of_torch_are_the_same_through_it(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    tiny_model("llama").save_pretrained(folder)
    byte_tokenizer(TEMPLATE).save_pretrained(folder)
    protocol = tmp_path / "short.toml"
    protocol.write_text(
        'name = "short"\nspan = "from_marker"\nmarker = "Now"\ntemperature = 1\nmax_tokens = 4\n'
        '[[messages]]\nrole = "user"\ncontent = "Wait. Now?"\n',
        encoding="utf-8",
    )
    design = SweepDesign(
        concepts=("ocean",),
        layers=(1,),
        strengths=(1,),
        protocols=(str(protocol),),
        replicates={Arm.INJECTION: 2, Arm.CONTROL: 2},
    )
    built: list[str] = []

    def build(subject: LoadedSubject, rows: int | None) -> InferenceEngine:
        built.append(subject.name)
        return TorchEngine(subject, rows)

    register_engine(EngineKind("wrapped", build))
    try:
        found = [_swept(tmp_path / f"{name}.db", folder, design, name) for name in (TORCH, "wrapped")]
    finally:
        ENGINES.unregister("wrapped")
    assert built == ["small"]
    assert found[0] == found[1] != {}


def _swept(path: Path, folder: Path, design: SweepDesign, engine: str) -> dict[str, str]:
    store = Store.open(sqlite_url(path))
    try:
        worker = LocalWorker(load_subject("small", str(folder)), 4, engine)
        run_sweep(store, worker, design, record=Subject("small", 1e6, "toy", "instruct"))
        return {trial.id: trial.answer for trial in store.load_trials()}
    finally:
        store.close()


def test_torch_is_an_engine_as_any_other() -> None:
    assert next(iter(ENGINES)) == TORCH
    assert callable(TorchEngine.prepare)
    for name in ("generate_stream", "max_rows"):
        assert callable(getattr(TorchEngine, name))


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (None, "engine 'none' is not known: choose from torch"),
        (lambda subject, rows: object(), "engine 'none': object lacks rows, spent, prepare, generate_stream, max_rows"),
    ],
)
def test_an_engine_that_is_unknown_or_incomplete_is_one_line_and_stores_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], build: Callable[..., Any] | None, said: str
) -> None:
    if build is not None:
        register_engine(EngineKind("none", build, load_remote, remote_vectors))
    try:
        assert run(["generate", str(folder), "--engine", "none"]) == 2
    finally:
        ENGINES.unregister("none")
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err
    store = opened(folder)
    try:
        assert store.count_rows(tables.trials) == 0
    finally:
        store.close()


def test_an_engine_says_what_it_lacks() -> None:
    with pytest.raises(PluginError, match=r"engine 'x': int lacks rows, spent, prepare, generate_stream, max_rows"):
        EngineKind("x", lambda subject, rows: 3).build_engine(RemoteSubject("a", None))
