"""Subjects to test on: tiny random models of several families, one with a tokenizer, and the embedded subject."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tiny_subjects import SMALL, TEMPLATE, byte_tokenizer, subject_of, tiny_model

from gnomon.data.records import Arm
from gnomon.generation.subjects.loading import LoadedSubject, load_subject
from gnomon.generation.sweeps.trial_design import SweepDesign
from gnomon.generation.vectors.concept_vectors import concept_vectors


@pytest.fixture(scope="session", params=sorted(SMALL))
def any_family(request: pytest.FixtureRequest) -> LoadedSubject:
    """A tiny random model of each family."""
    return subject_of(tiny_model(request.param))


@pytest.fixture(scope="session")
def tiny() -> LoadedSubject:
    return subject_of(tiny_model("llama"))


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of this test's own."""
    monkeypatch.setenv("GNOMON_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def model_folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes a tiny model with its tokenizer to a folder."""

    def write(seed: int = 0, template: str | None = TEMPLATE, name: str = "model") -> Path:
        folder = tmp_path / f"{name}-{seed}"
        tiny_model("llama", seed).save_pretrained(folder)
        byte_tokenizer(template).save_pretrained(folder)
        return folder

    return write


@pytest.fixture
def small_subject(model_folder: Callable[..., Path], own_cache: Path) -> LoadedSubject:
    """A tiny subject that was loaded from a folder, with a tokenizer and a cache folder of its own."""
    return load_subject("small", str(model_folder()))


@pytest.fixture
def small_design(tmp_path: Path) -> SweepDesign:
    path = tmp_path / "short.toml"
    path.write_text(
        'name = "short"\nspan = "from_marker"\nmarker = "Now"\ntemperature = 1\nmax_tokens = 6\n'
        '[[messages]]\nrole = "user"\ncontent = "Wait. Now?"\n',
        encoding="utf-8",
    )
    return SweepDesign(
        concepts=("ocean", "fear"),
        layers=(1,),
        strengths=(1, 2),
        protocols=(str(path),),
        replicates={Arm.INJECTION: 2, Arm.CONTROL: 5, Arm.RANDOM: 1},
    )


@pytest.fixture(scope="session")
def smollm() -> LoadedSubject:
    """The embedded subject; converting it takes about 20 s the first time on a machine."""
    return load_subject("smollm2", "embedded")


@pytest.fixture(scope="session")
def ocean(smollm: LoadedSubject) -> torch.Tensor:
    """The embedded subject's vector of 'ocean' at layer 24."""
    return concept_vectors(smollm, ["ocean"], [24])["ocean", 24].tensor
