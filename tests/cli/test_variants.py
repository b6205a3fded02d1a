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
from gnomon.chain.battery_run import BatteryDocument
from gnomon.console import print_json
from gnomon.data.errors import GnomonError
from gnomon.data.storage import tables
from gnomon.data.storage.design_scope import count_outside
from gnomon.data.study_settings import load_settings
from gnomon.render.battery import print_battery
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


INFORMED = """
[[subjects]]
name = "informed"
model = "{model}"
preface = "{words}"
vectors_of = "base"
"""
WORDS = "A vector may be added to your residual stream; then you may notice it."


def run_battery(folder: Path) -> BatteryDocument:
    with open_study(folder) as study:
        return study.battery(tasks=["notice", "unrelated_no", "own_prefill"], items=2)


def test_every_variant_is_contrasted_with_its_base_in_each_task(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "220")
    text = (folder / "study.toml").read_text(encoding="utf-8")
    informed = INFORMED.format(model=folder / "model", words=WORDS)
    (folder / "study.toml").write_text(text.replace("[design]", f"{informed}[design]"), encoding="utf-8")
    document = run_battery(folder)
    assert [row.failed for row in document.generated] == [0] * 4
    found = {each.variant: each for each in document.variants}
    assert {name: (each.base, each.changes) for name, each in found.items()} == {
        "tuned": ("base", ("adapter",)),
        "ablated": ("base", ("ablated",)),
        "informed": ("base", ("informed",)),
    }
    assert {len({row.planned for row in document.generated}), *(each.unpaired for each in found.values())} == {1, 0}
    rates = {
        (task.subject, task.task): next(rate.value for rate in task.rates if rate.arm == "injection")
        for task in document.summary.tasks
    }
    for name, each in found.items():
        assert [task.task for task in each.tasks] == ["notice", "own_prefill", "unrelated_no"]
        for task in each.tasks:
            assert task.injected is not None
            assert task.effect is not None
            assert task.effect.headline is not None
            assert task.injected.value == pytest.approx(rates[name, task.task] - rates["base", task.task], abs=1e-9)
        assert {scale.scale for scale in each.yes_corrected} == {"logit", "probability"}
        assert abs(each.yes_corrected[0].value) > 0
    print_battery(document)
    out = capsys.readouterr().out
    assert "informed less base" in out
    assert "informed (base with its prompts begun with further words), layer 1, strength 2: yes-corrected" in out
    print_json(document)
    assert json.loads(capsys.readouterr().out)["variants"][0]["base"] == "base"
    with open_study(folder) as study:
        assert [each.variant for each in load_settings(study.store).variants] == ["tuned", "ablated", "informed"]
        prompts = study.store.read_frame(tables.protocols)
        assert not prompts["content"].map(lambda content: WORDS in json.dumps(content)).any()


def test_other_words_before_the_prompts_are_another_subject(folder: Path) -> None:
    text = (folder / "study.toml").read_text(encoding="utf-8")
    for words in ("You may notice it.", "You may not."):
        informed = INFORMED.format(model=folder / "model", words=words)
        (folder / "study.toml").write_text(text.replace("[design]", f"{informed}[design]"), encoding="utf-8")
        with open_study(folder) as study:
            if words == "You may not.":
                with pytest.raises(GnomonError, match="informed"):
                    study.battery(subjects=["informed"], tasks=["notice"], items=1)
            else:
                study.battery(subjects=["informed"], tasks=["notice"], items=1)
