"""A study of a model and its variants on the same vectors: one study file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tiny_subjects import TEMPLATE, WIDTH, byte_tokenizer, tiny_model

from gnomon.api.study import open_study
from gnomon.data.storage import tables
from gnomon.data.storage.design_scope import count_outside
from gnomon.study_file import StudyFile

STUDY = """
name = "variants"
[[subjects]]
name = "tuned"
model = "{model}"
adapter = "adapter"
vectors_of = "base"
[[subjects]]
name = "ablated"
model = "{model}"
ablate = "refusal.npy"
vectors_of = "base"
[[subjects]]
name = "base"
model = "{model}"
[design]
concepts = ["ocean", "fear"]
layers = [1]
strengths = [2.0]
arms = ["injection", "swapped"]
spans = ["generation"]
protocols = ["short.toml"]
replicates = {{ injection = 2, swapped = 1 }}
"""
PROTOCOL = """
name = "short"
span = "generation"
temperature = 1.0
max_tokens = 2
messages = [{ role = "user", content = "Do you notice one?" }]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GNOMON_CACHE", str(tmp_path / "cache"))
    study = tmp_path / "study"
    tiny_model("llama").save_pretrained(study / "model")
    byte_tokenizer(TEMPLATE).save_pretrained(study / "model")
    (study / "adapter").mkdir()
    (study / "adapter" / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "lora_alpha": 2}))
    name = "base_model.model.model.layers.0.mlp.up_proj"
    low_rank = {f"{name}.lora_A.weight": torch.ones(1, WIDTH), f"{name}.lora_B.weight": torch.ones(64, 1)}
    save_file(low_rank, study / "adapter" / "adapter_model.safetensors")
    np.save(study / "refusal.npy", np.ones((1, WIDTH)))
    (study / "study.toml").write_text(STUDY.format(model=study / "model"), encoding="utf-8")
    (study / "short.toml").write_text(PROTOCOL, encoding="utf-8")
    return study


def test_variants_are_steered_with_the_same_vectors_and_go_on_where_they_stopped(folder: Path) -> None:
    with open_study(folder) as study:
        reports = study.generate(subjects=["tuned"]).subjects
        assert [(report.made, report.failed) for report in reports] == [(6, 0)]
    with open_study(folder) as study:
        reports = study.generate().subjects
        assert [(report.subject, report.made, report.already) for report in reports] == [
            ("tuned", 0, 6),
            ("ablated", 6, 0),
            ("base", 6, 0),
        ]
        vectors = study.store.read_frame(tables.vectors)
        concept = vectors[vectors["content"].map(lambda content: "sha256" in content)]
        hashes = concept.assign(sha=concept["content"].map(lambda content: content["sha256"]))
        assert set(hashes.groupby("concept")["sha"].nunique()) == {1}
        assert set(hashes.groupby("subject")["hash"].nunique()) == {2}
        assert len({subject.revision for subject in study.store.load_subjects()}) == 3
        assert count_outside(study.store) == 0


def test_a_lender_has_vectors_of_its_own(folder: Path) -> None:
    content = {
        "name": "t",
        "subjects": [{"name": "a", "vectors_of": "b"}, {"name": "b", "vectors_of": "a"}],
        "design": {"concepts": ["ocean"], "layers": [1], "strengths": [1.0]},
    }
    with pytest.raises(ValueError, match="vectors_of 'b' is no model with vectors of its own"):
        StudyFile.model_validate(content)
