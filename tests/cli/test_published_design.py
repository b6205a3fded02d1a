"""The published design (eight models, depths .60 to .75) is one study file: balanced, and goes on where it stopped."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch
from tiny_subjects import TEMPLATE, VOCABULARY, byte_tokenizer
from transformers import AutoConfig, AutoModelForCausalLM

from gnomon.api.study import open_study
from gnomon.data.records import Arm
from gnomon.data.storage.design_scope import count_outside
from gnomon.generation.sweeps import runner
from gnomon.stats.narrative.study_overview import summarize_study

LAYERS = (6, 8, 10, 12, 14, 16, 20, 24)
DEPTHS = (0.60, 0.65, 0.70, 0.75)
PROTOCOL = """
name = "short"
marker = "Trial 1:"
span = "from_marker"
temperature = 1.0
max_tokens = 2
messages = [{ role = "user", content = "Trial 1: do you notice one?" }]
"""
STUDY = """
name = "as published"
{subjects}
[design]
concepts = ["ocean"]
depths = [0.60, 0.65, 0.70, 0.75]
strengths = [1.5]
arms = ["injection", "control", "sham"]
spans = ["from_marker"]
protocols = ["short.toml"]
replicates = {{ injection = 2, control = 4, sham = 1 }}
exclude = [{{ subject = "m6", depth = 0.65 }}]
"""


def write_model(folder: Path, layers: int) -> None:
    torch.manual_seed(layers)
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": layers, "num_attention_heads": 2}
    tokens = {"vocab_size": VOCABULARY, "eos_token_id": 1, "bos_token_id": 0, "pad_token_id": 1}
    config = AutoConfig.for_model("llama", **sizes, **tokens, num_key_value_heads=1, initializer_range=0.4)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    byte_tokenizer(TEMPLATE).save_pretrained(folder)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GNOMON_CACHE", str(tmp_path / "cache"))
    study = tmp_path / "study"
    for layers in LAYERS:
        write_model(study / f"model{layers}", layers)
    tables = "".join(f'[[subjects]]\nname = "m{layers}"\nmodel = "{study / f"model{layers}"}"\n' for layers in LAYERS)
    (study / "study.toml").write_text(STUDY.format(subjects=tables), encoding="utf-8")
    (study / "short.toml").write_text(PROTOCOL, encoding="utf-8")
    return study


@pytest.mark.slow
def test_eight_models_are_one_study_file_that_goes_on_where_it_stopped(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "TOGETHER", 4)
    add, stored = runner.Store.add_trials, []

    def stops_in_the_fourth_model(store: runner.Store, trials: list[object]) -> int:
        stored.append(add(store, trials))  # type: ignore[arg-type]
        if sum(stored) > 45:
            raise KeyboardInterrupt
        return stored[-1]

    with open_study(folder) as study:
        monkeypatch.setattr(runner.Store, "add_trials", stops_in_the_fourth_model)
        with pytest.raises(KeyboardInterrupt):
            study.generate()
        monkeypatch.setattr(runner.Store, "add_trials", add)
        before = {trial.id for trial in study.store.load_trials()}
        assert count_outside(study.store) == 0
    with open_study(folder) as study:
        reports = study.generate().subjects
        trials = study.store.load_trials()
        assert before < {trial.id for trial in trials}
        assert sum(report.made for report in reports) == len(trials) - len(before)
        assert sum(report.failed for report in reports) == 0
        assert count_outside(study.store) == 0
        assert summarize_study(study.store).missing.empty
        assert sum(report.made for report in study.generate().subjects) == 0

    by_model = {f"m{layers}": layers for layers in LAYERS}
    planned = {
        name: {min(range(layers), key=lambda block: (abs((block + 1) / layers - depth), -block)) for depth in DEPTHS}
        for name, layers in by_model.items()
    }
    planned["m6"] -= {3}  # .60 and .65 are the same block of six, and .65 is excluded
    for name, layers in by_model.items():
        mine = [trial for trial in trials if trial.condition.subject == name]
        counts = Counter((trial.condition.arm, trial.condition.layer) for trial in mine)
        assert counts == {
            (Arm.CONTROL, None): 4,
            **{(Arm.INJECTION, layer): 2 for layer in planned[name]},
            **{(Arm("sham"), layer): 1 for layer in planned[name]},
        }
        steered = [trial for trial in mine if trial.condition.layer is not None]
        assert {trial.depth for trial in steered} == {(layer + 1) / layers for layer in planned[name]}
    assert all(len(planned[f"m{layers}"]) == 4 for layers in (20, 24))
