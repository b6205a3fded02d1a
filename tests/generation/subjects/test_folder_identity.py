"""A model's revision changes with every file that can change an answer, and old studies keep theirs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from gnomon.data.errors import InputError
from gnomon.data.records import Subject
from gnomon.data.storage.store import Store
from gnomon.generation.subjects.environment import describe_changes, describe_environment
from gnomon.generation.subjects.folder_identity import folder_identity
from gnomon.generation.subjects.loading import LoadedSubject, load_subject
from gnomon.generation.sweeps.runner import ENVIRONMENT, FILES, LocalWorker, run_sweep
from gnomon.generation.sweeps.trial_design import SweepDesign
from gnomon.generation.vectors.concept_vectors import _vector_path
from gnomon.generation.vectors.vector_spec import PLAIN

RECORD = Subject("ignored", 1e6, "toy", "instruct")


def config_of(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}), encoding="utf-8")


def swapped(folder: Path) -> None:
    """Two letters of the tokenizer change places."""
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    letters = content["model"]["vocab"]
    letters["a"], letters["b"] = letters["b"], letters["a"]
    path.write_text(json.dumps(content), encoding="utf-8")


def added(name: str, text: str = "{}") -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")

    return change


CHANGES: dict[str, Callable[[Path], None]] = {
    "activation": lambda folder: config_of(folder, hidden_act="relu"),
    "norm": lambda folder: config_of(folder, rms_norm_eps=0.5),
    "tokenizer": swapped,
    "special tokens": added("special_tokens_map.json", '{"eos_token": "a"}'),
    "added tokens": added("added_tokens.json", '{"<x>": 300}'),
    "generation settings": added("generation_config.json", '{"eos_token_id": 7}'),
    "index": added("model.safetensors.index.json", '{"weight_map": {"x": "model.safetensors"}}'),
    "further weights": added("more.safetensors", "x"),
    "adapter": added("adapter_config.json", '{"r": 8}'),
    "template": added("chat_template.jinja", "{{ messages }}"),
    "further template": added("additional_chat_templates/tools.jinja", "{{ tools }}"),
}
HARMLESS: dict[str, Callable[[Path], None]] = {
    "version": lambda folder: config_of(folder, transformers_version="9.9"),
    "path": lambda folder: config_of(folder, _name_or_path="/elsewhere"),
    "dtype": lambda folder: config_of(folder, dtype="bfloat16"),
    "readme": added("README.md", "words"),
    "log": added("trainer_state.json"),
    "code that is not run": added("modeling_x.py", "1/0"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_can_change_an_answer_changes_the_identity(
    model_folder: Callable[..., Path], change: Callable[[Path], None]
) -> None:
    folder = model_folder()
    before = folder_identity(folder)
    change(folder)
    assert folder_identity(folder) != before


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_what_changes_no_answer_does_not(model_folder: Callable[..., Path], change: Callable[[Path], None]) -> None:
    folder = model_folder()
    before = folder_identity(folder)
    change(folder)
    assert folder_identity(folder) == before


def test_code_that_is_run_pickles_and_the_base_of_an_adapter_count(model_folder: Callable[..., Path]) -> None:
    folder, base = model_folder(), model_folder(seed=1)
    plain = folder_identity(folder)
    (folder / "part").mkdir()
    (folder / "part" / "layers.py").write_text("x = 1\n", encoding="utf-8")
    (folder / "weights.bin").write_bytes(b"x")
    assert folder_identity(folder) == plain
    assert {"part/layers.py", "weights.bin"} <= set(folder_identity(folder, pickled=True, code=True))
    added("adapter_config.json", json.dumps({"base_model_name_or_path": str(base)}))(folder)
    adapted = folder_identity(folder)
    config_of(base, rms_norm_eps=0.5)
    assert folder_identity(folder) != adapted


def test_a_changed_configuration_is_another_subject(model_folder: Callable[..., Path], own_cache: Path) -> None:
    folder = model_folder()
    before = load_subject("a", str(folder))
    config_of(folder, hidden_act="relu")
    after = load_subject("a", str(folder))
    assert (before.first_revision, before.files) == (after.first_revision, "")
    assert before.revision != after.revision


@pytest.fixture
def old(store: Store, small_subject: LoadedSubject, small_design: SweepDesign) -> LoadedSubject:
    """The subject of a study of the first edition, which holds trials."""
    first = replace(small_subject, revision=small_subject.first_revision)
    run_sweep(store, LocalWorker(first, 4), small_design, record=RECORD)
    return first


def test_an_old_study_keeps_its_trials_and_goes_on_with_the_same_files_alone(
    store: Store, old: LoadedSubject, small_design: SweepDesign, model_folder: Callable[..., Path]
) -> None:
    folder = model_folder()
    loaded = load_subject("small", str(folder), known_revision=old.revision)
    assert (loaded.revision, bool(loaded.files)) == (old.revision, True)
    assert run_sweep(store, LocalWorker(loaded, 4), small_design, record=RECORD).made == 0
    more = replace(small_design, concepts=("ocean", "fear", "joy"))
    assert run_sweep(store, LocalWorker(loaded, 4), more, record=RECORD).made
    assert len(store.event_details(FILES)) == 1
    config_of(folder, hidden_act="relu")
    changed = load_subject("small", str(folder), known_revision=old.revision)
    assert changed.revision == old.revision
    with pytest.raises(InputError, match="configuration, tokenizer or generation settings of its model are not those"):
        run_sweep(store, LocalWorker(changed, 4), replace(more, strengths=(3,)), record=RECORD)
    paths = {_vector_path(each, "ocean", 1, PLAIN) for each in (old, loaded, changed)}
    assert len(paths) == 3


def test_what_trials_are_made_on_is_recorded_once_and_a_change_is_told(
    store: Store, small_subject: LoadedSubject, small_design: SweepDesign, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    run_sweep(store, LocalWorker(small_subject, 4), small_design, record=RECORD, tell=told.append)
    run_sweep(store, LocalWorker(small_subject, 4), replace(small_design, seed=5), record=RECORD, tell=told.append)
    (event,) = store.event_details(ENVIRONMENT)
    assert event == {"subject": "small", "environment": describe_environment(small_subject)}
    assert {"python", "torch", "transformers", "device"} <= set(event["environment"])
    assert told == []
    other = {**describe_environment(small_subject), "torch": "1.0"}
    monkeypatch.setattr("gnomon.generation.sweeps.runner.describe_environment", lambda _subject: other)
    run_sweep(store, LocalWorker(small_subject, 4), replace(small_design, seed=6), record=RECORD, tell=told.append)
    (line,) = told
    assert line.startswith("small: earlier trials were made on torch ")
    assert ", now 1.0: rounding may differ" in line
    assert describe_changes({"a": "1"}, {"a": "1", "b": "2"}) == "b none, now 2"


def test_on_a_gpu_the_number_format_is_recorded_and_alone_is_no_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _place: "a card")
    model = SimpleNamespace(dtype=torch.bfloat16)
    found = describe_environment(SimpleNamespace(model_device=torch.device("cuda"), model=model))
    assert (found["device"], found["dtype"]) == ("a card", "bfloat16")
    assert describe_changes({**found, "dtype": "float32"}, found) == ""
