"""What a model's folder may do: pickled weights and code of its authors are used where the user says so, not else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_subjects import tiny_model

from gnomon.chain.trial_generation import load_options
from gnomon.data.errors import InputError, StudyFileError
from gnomon.data.foreign_documents.permissions import TRUSTED_CODE
from gnomon.generation.subjects.loading import load_subject
from gnomon.study_file import SubjectSpec


class Running:
    """An object whose pickle writes a file when it is opened."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


@pytest.fixture
def pickled(model_folder: Callable[..., Path]) -> Callable[[Any], Path]:
    """Writes a model's folder whose weights are this object, pickled."""

    def write(weights: Any) -> Path:
        folder = model_folder(name="pickled")
        (folder / "model.safetensors").unlink()
        torch.save(weights, folder / "pytorch_model.bin")
        return folder

    return write


def test_pickled_weights_are_opened_where_the_user_says_so(pickled: Callable[[Any], Path]) -> None:
    folder = str(pickled(tiny_model("llama").state_dict()))
    with pytest.raises(
        InputError, match=r"holds pickled weights.*pickled_weights = true for this subject in study\.toml"
    ):
        load_subject("mine", folder)
    subject = load_subject("mine", folder, pickled_weights=True)
    for name, weight in tiny_model("llama").state_dict().items():
        assert torch.equal(subject.model.state_dict()[name], weight)
    (Path(folder) / "pytorch_model.bin").write_bytes(b"")
    torch.save(tiny_model("llama", 1).state_dict(), Path(folder) / "pytorch_model.bin")
    assert load_subject("mine", folder, pickled_weights=True).revision != subject.revision


@pytest.mark.parametrize("said", [False, True])
def test_a_pickle_that_would_run_something_does_not_run_it(
    pickled: Callable[[Any], Path], tmp_path: Path, said: bool
) -> None:
    mark = tmp_path / "it ran"
    folder = pickled({"lm_head.weight": Running(mark)})
    torch.load(folder / "pytorch_model.bin", weights_only=False)
    assert mark.exists()
    mark.unlink()
    with pytest.raises(InputError) as caught:
        load_subject("mine", str(folder), pickled_weights=said)
    assert "\n" not in str(caught.value)
    assert not mark.exists()


@pytest.fixture
def coded(model_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model's folder with Python code of its authors, which writes a file when it runs."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    folder = model_folder(name="coded")
    mark = tmp_path / "it ran"
    code = f"""from pathlib import Path

from transformers import LlamaConfig, LlamaForCausalLM

Path({str(mark)!r}).touch()


class Config(LlamaConfig):
    model_type = "of-nobody"


class Theirs(LlamaForCausalLM):
    config_class = Config
"""
    (folder / "theirs.py").write_text(code)
    config = json.loads((folder / "config.json").read_text())
    classes = {"AutoConfig": "theirs.Config", "AutoModelForCausalLM": "theirs.Theirs"}
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "of-nobody", "auto_map": classes}))
    return folder


def test_code_of_a_models_authors_runs_where_the_user_says_so(coded: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"wants to run Python code of its authors.*trust_remote_code = true"):
        load_subject("mine", str(coded))
    assert not (tmp_path / "it ran").exists()
    subject = load_subject("mine", str(coded), trust_remote_code=True)
    assert (tmp_path / "it ran").exists()
    assert type(subject.model).__name__ == "Theirs"


@pytest.mark.attack
@pytest.mark.parametrize("key", ["trust_remote_code", "pickled_weights"])
def test_a_study_file_alone_lets_no_code_of_a_model_run(
    coded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """A stranger's study brings the model, its code and the permission."""
    spec = SubjectSpec.model_validate({"name": "mine", "model": str(coded), key: True})
    named = SubjectSpec.model_validate({"name": "mine", "model": "org/name", key: True})
    monkeypatch.chdir(tmp_path)
    for entries in ([], ["org/other", str(tmp_path / "elsewhere")]):
        monkeypatch.setenv(TRUSTED_CODE, json.dumps(entries))
        for each in (spec, named):
            with pytest.raises(StudyFileError, match=rf"{key} = true counts only for .*export {TRUSTED_CODE}="):
                load_options(each)
    monkeypatch.setenv(TRUSTED_CODE, json.dumps(["org/name", str(coded)]))
    assert load_options(spec)[key]
    assert load_options(named)[key]
    (tmp_path / "org" / "name").mkdir(parents=True)  # the hub's model is trusted, not a folder of its name
    with pytest.raises(StudyFileError, match=str(tmp_path / "org" / "name")):
        load_options(named)


def test_a_study_file_trusts_nothing_unless_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TRUSTED_CODE, '["embedded"]')
    plain = load_options(SubjectSpec(name="mine"))
    assert (plain["pickled_weights"], plain["trust_remote_code"]) == (False, False)
    told = load_options(
        SubjectSpec.model_validate({"name": "mine", "pickled_weights": True, "trust_remote_code": True})
    )
    assert (told["pickled_weights"], told["trust_remote_code"]) == (True, True)
