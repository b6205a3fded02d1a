"""Claims about `gnomon strengths`: it finds a scripted model's doses, stores them, and shares of the limit use them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import exp
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from tiny_subjects import TEMPLATE, byte_tokenizer

from gnomon.__main__ import run
from gnomon.api.study import open_study
from gnomon.data.storage.design_scope import count_outside
from gnomon.generation.engine.base import (
    ENGINES,
    EngineAnswer,
    EngineKind,
    EngineTimings,
    TrialRequest,
    register_engine,
)
from gnomon.generation.vectors.concept_vectors import ConceptVector
from gnomon.stats.narrative.study_overview import summarize_study

STUDY = """name = "t"

[[subjects]]
name = "steady"
model = "a-server"

[design]
concepts = ["ocean", "fear"]
depths = [0.5, 1.0]
strengths = ["0.5 of limit", "1 of limit"]
protocols = ["plain"]
spans = ["from_marker"]
arms = ["injection", "sham"]
replicates = { injection = 1, sham = 1 }
"""
SENSE = "Bread is made of flour and water, and the dough has to rest in a warm place before it goes into the oven."
SALAD = "zq zq kx kx kx blorp qqz zq zq kx kx kx blorp qqz zq zq kx kx kx blorp qqz zq"
WIDTH, LAYERS, RESIDUAL = 8, 4, 6.0


@dataclass(frozen=True)
class ScriptedSubject:
    name: str
    tokenizer: Any
    revision: str = "server-1"
    layers: int = LAYERS
    width: int = WIDTH
    parameters: float = 7e9


class ScriptedEngine:
    """Each row makes sense up to a strength of its own; rows at the last layer stand half as much."""

    asked: ClassVar[list[float]] = []
    sense = SENSE

    def __init__(self, subject: ScriptedSubject, rows: int | None) -> None:
        self.subject, self.rows, self.spent = subject, rows, EngineTimings()

    def prepare(self, vectors: Mapping[Any, Any]) -> None:
        pass

    def generate_stream(self, requests: Sequence[TrialRequest]) -> Iterator[tuple[int, EngineAnswer]]:
        for index in range(len(requests)):
            request = requests[index]
            strength = sum(float(added.delta.norm()) for added in request.additions) / 2
            ScriptedEngine.asked.append(strength)
            limit = exp((request.seed % 1000) / 1000 - 0.5) * (
                1.0 if any(a.layer > 2 for a in request.additions) else 2
            )
            touched = tuple(range(added.start, len(request.prompt) + 4) for added in request.additions)
            yield index, EngineAnswer(self.sense if strength < limit else SALAD, (5,), "stop", None, touched)

    def max_rows(self, requests: Sequence[TrialRequest]) -> int:
        return 4


def scripted_vectors(
    subject: ScriptedSubject, concepts: Sequence[str], layers: Sequence[int], method: Any
) -> dict[tuple[str, int], ConceptVector]:
    tensor = torch.zeros(subject.width)
    tensor[0] = 2.0
    about = {"residual_norm": RESIDUAL, "steering": 0.0}
    return {
        (concept, layer): ConceptVector(f"{concept}@{layer}", concept, layer, tensor, 2.0, "0" * 64, {}, about)
        for concept in concepts
        for layer in layers
    }


@pytest.fixture(autouse=True)
def scripted() -> Iterator[None]:
    def load(name: str, model: str, **_options: Any) -> ScriptedSubject:
        return ScriptedSubject(name, byte_tokenizer(TEMPLATE))

    register_engine(EngineKind("scripted", ScriptedEngine, load, scripted_vectors))
    ScriptedEngine.asked.clear()
    yield
    ENGINES.unregister("scripted")
    ScriptedEngine.sense = SENSE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "study.toml").write_text(STUDY, encoding="utf-8")
    return tmp_path


@pytest.fixture
def strengths(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    def call(*options: str, status: int = 0) -> Any:
        assert run(["strengths", str(folder), "--engine", "scripted", "--answers", "16", "--json", *options]) == status
        return json.loads(capsys.readouterr().out)["searches"]

    return call


def test_the_doses_of_each_layer_are_found_and_stored_and_not_sought_again(strengths: Callable[..., Any]) -> None:
    first, last = strengths()
    assert [(row["layer"], row["depth"], row["stored"], row["problem"]) for row in (first, last)] == [
        (1, 0.5, False, None),
        (3, 1.0, False, None),
    ]
    assert [dose["share"] for dose in first["doses"]] == [0.95, 0.8, 0.5]
    for row, middle in ((first, 2.0), (last, 1.0)):
        found = [dose["strength"] for dose in row["doses"]]
        assert found == sorted(found)
        assert middle * exp(-0.6) < found[0] < found[2] < middle * exp(0.6)
        assert row["doses"][2]["low"] <= found[2] <= row["doses"][2]["high"]
        assert row["doses"][2]["of_residual"] == pytest.approx(found[2] * 2.0 / RESIDUAL, rel=0.01)
    many = len(ScriptedEngine.asked)
    again = strengths()
    assert [row["stored"] for row in again] == [True, True]
    assert [row["doses"] for row in again] == [first["doses"], last["doses"]]
    assert len(ScriptedEngine.asked) == many
    assert [row["stored"] for row in strengths("--again")] == [False, False]


def test_shares_of_the_limit_are_each_layers_own_and_need_a_search(
    folder: Path, strengths: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["generate", str(folder), "--engine", "scripted"]) == 2
    assert "'steady', layer 1: strengths are shares of its limit" in capsys.readouterr().err
    limits = {row["layer"]: row["doses"][2]["strength"] for row in strengths()}
    assert run(["generate", str(folder), "--engine", "scripted"]) == 0
    with open_study(folder) as study:
        planned = {(t.condition.layer, t.condition.strength) for t in study.store.load_trials()}
        assert planned == {
            (layer, float(f"{share * limit:.6g}")) for layer, limit in limits.items() for share in (0, 0.5, 1)
        }
        assert summarize_study(study.store).missing.empty
        assert count_outside(study.store) == 0


def test_a_table_says_each_dose_with_its_interval(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["strengths", str(folder), "--engine", "scripted", "--answers", "16"]) == 0
    shown = capsys.readouterr().out
    assert "95 %" in shown
    assert "steady" in shown
    assert " to " in shown


def test_a_model_that_is_incoherent_by_itself_is_one_line_and_no_dose(
    strengths: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    ScriptedEngine.sense = SALAD
    first, _ = strengths(status=1)
    assert [dose["strength"] for dose in first["doses"]] == [None, None, None]
    assert first["problem"].startswith("subject 'steady', layer 1: 0 of 16 answers are coherent with nothing added")
