"""A model's folder or GGUF file from a stranger loads, or is refused in one line; nothing outside it is opened."""

from __future__ import annotations

import json
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gnomon.data.errors import GnomonError, InputError
from gnomon.generation.prompts.protocol import ProtocolMessage, load_protocol
from gnomon.generation.prompts.tokenization import render_messages
from gnomon.generation.subjects.loading import load_subject
from gnomon.generation.subjects.model_documents import check_weight_index, tensor_sizes

pytestmark = pytest.mark.attack
Change = Callable[[Path], object]


class Running:
    def __reduce__(self) -> Any:
        return os.system, ("touch it_ran",)


def config(**changed: object) -> Change:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))

    return change


def text(name: str, content: str) -> Change:
    return lambda folder: (folder / name).write_text(content)


def pipe(name: str) -> Change:
    def change(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return change


def weights(make: Callable[[bytes], bytes]) -> Change:
    def change(folder: Path) -> None:
        path = folder / "model.safetensors"
        path.write_bytes(make(path.read_bytes()))

    return change


def header(content: object) -> Change:
    text = json.dumps(content).encode()
    return weights(lambda _old: struct.pack("<Q", len(text)) + text)


def index(name: str) -> Change:
    def change(folder: Path) -> None:
        (folder / "model.safetensors").rename(folder / "m1.safetensors")
        outside = folder.parent / "outside"
        outside.mkdir()
        (outside / "pytorch_model.bin").write_bytes(pickle.dumps(Running()))
        (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Running()))
        files = {"lm_head.weight": "m1.safetensors", "model.embed_tokens.weight": name}
        (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": files}))

    return change


HOSTILE: dict[str, tuple[Change, str]] = {
    "cut weights": (weights(lambda old: old[: len(old) // 2]), "lies outside the file"),
    "empty weights": (weights(lambda _old: b""), "cut off or no safetensors"),
    "header of 2^62 bytes": (weights(lambda old: struct.pack("<Q", 2**62) + old[8:]), "cut off or no safetensors"),
    "deep header": (weights(lambda _old: struct.pack("<Q", 5_000) + b'{"a":' + b"[" * 4_995), "nested too deeply"),
    "header that is a list": (header([]), "no JSON object"),
    "header without shapes": (header({"a": {"dtype": "F32"}}), "has no shape"),
    "huge shape": (header({"a": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 0]}}), "needs .* memory"),
    "deep config": (text("config.json", '{"a":' + "[" * 100_000), "nested too deeply"),
    "config that is a list": (text("config.json", "[]"), "no configuration"),
    "config that is text": (text("config.json", '"x"'), "no configuration"),
    "config with a key twice": (text("config.json", '{"model_type": "llama", "model_type": "gpt2"}'), "twice"),
    "model_type of a number": (config(model_type=5), "can't be loaded"),
    "no model_type": (text("config.json", "{}"), "can't be loaded"),
    "width of words": (config(hidden_size="abc"), "can't be loaded"),
    "negative width": (config(hidden_size=-4), "can't be loaded"),
    "no heads": (config(num_attention_heads=0), "can't be loaded"),
    "strange rope": (config(rope_parameters={"rope_type": "x"}), "can't be loaded"),
    "ten million layers": (config(num_hidden_layers=10**7), "'num_hidden_layers'.* more than 1,000 layers.*GNOMON_MAX"),
    "a hundred million words": (
        config(vocab_size=10**8),
        "config.json: has more than 50,000,000 weights.*_MAX_WEIGHTS",
    ),
    "wide heads": (config(head_dim=10**7), "more than 50,000,000 weights"),
    "layers of text part": (config(text_config={"num_layers": 10**7}), "more than 1,000 layers"),
    "deep tokenizer": (text("tokenizer.json", "[" * 100_000), "nested too deeply"),
    "empty tokenizer": (text("tokenizer.json", "{}"), "can't be loaded"),
    "kernel of the hub": (config(attn_implementation="of-nobody/kernel"), "names code that a library would fetch"),
    "kernel of a part": (config(text_config={"attn_implementation": {"": "a/b"}}), "names code that a library would"),
    "pipe for a config": (pipe("config.json"), "is a pipe, socket or device"),
    "pipe for a template": (pipe("chat_template.jinja"), "is a pipe, socket or device"),
    "index that leaves": (index("../outside/pytorch_model.bin"), "may name only .safetensors files in its own folder"),
    "index with a pickle": (index("pytorch_model.bin"), "may name only .safetensors files in its own folder"),
    "index with a root path": (index("/etc/passwd"), "may name only .safetensors files in its own folder"),
    "index that leaves by name": (index("../outside/x.safetensors"), "in its own folder"),
    "index that is a list": (text("model.safetensors.index.json", "[]"), "is no index of weights"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_folder_is_refused_in_one_line(
    model_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    change, problem = HOSTILE[name]
    folder = model_folder()
    change(folder)
    monkeypatch.chdir(tmp_path)
    opened = []
    monkeypatch.setattr(torch, "load", lambda *given, **_options: opened.append(given))
    with pytest.raises(GnomonError, match=problem) as caught:
        load_subject("mine", str(folder))
    assert str(caught.value).startswith("subject 'mine': ")
    assert "\n" not in str(caught.value)
    assert not opened
    assert not (tmp_path / "it_ran").exists()


def word(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text


def head(tensors: int, entries: int, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, entries)


ARRAY = struct.pack("<I", 9)
GGUF = {
    "empty": b"",
    "magic alone": b"GGUF",
    "2^62 entries": head(0, 2**62),
    "2^62 tensors": head(2**62, 0),
    "other version": head(0, 0, 77),
    "no architecture": head(0, 0),
    "long string": head(0, 1) + struct.pack("<Q", 2**63) + b"general.architecture",
    "long array": head(0, 1) + word(b"a") + ARRAY + struct.pack("<IQ", 4, 2**60),
    "nested arrays": head(0, 1) + word(b"a") + ARRAY + struct.pack("<IQ", 9, 1) * 20_000,
    "strange type": head(0, 1) + word(b"a") + struct.pack("<I", 99) + bytes(8),
    "no text": head(0, 1) + word(b"general.architecture") + struct.pack("<I", 8) + word(b"\xff\xfe"),
    "cut": head(3, 2) + word(b"general.architecture") + struct.pack("<I", 8) + word(b"llama"),
}


@pytest.mark.parametrize("name", GGUF)
def test_a_hostile_gguf_file_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(GGUF[name])
    with pytest.raises(InputError, match="can't be read as a GGUF model") as caught:
        load_subject("mine", str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("blocks", "width", "words"), [(2_000, 32, 4), (1, 400_000, 4), (1, 32, 10**8)])
def test_a_gguf_file_that_describes_more_than_it_holds_is_refused(
    tmp_path: Path, blocks: int, width: int, words: int
) -> None:
    import gguf

    writer = gguf.GGUFWriter(tmp_path / "model.gguf", "llama")
    writer.add_block_count(blocks)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(64)
    writer.add_head_count(4)
    writer.add_vocab_size(words)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(["<s>", "</s>", "a", "b"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(InputError, match=r"more than (1,000 layers|50,000,000 weights beyond).* set GNOMON_MAX_"):
        load_subject("mine", str(tmp_path / "model.gguf"))


def test_a_shard_beside_its_index_is_read_and_its_size_known(model_folder: Callable[..., Path]) -> None:
    folder = model_folder()
    numbers = load_subject("mine", str(folder)).parameters
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    names = [size.name for size in tensor_sizes(folder / "model-00001-of-00001.safetensors")]
    files = dict.fromkeys(names, "model-00001-of-00001.safetensors")
    path = folder / "model.safetensors.index.json"
    path.write_text(json.dumps({"metadata": {}, "weight_map": files}))
    check_weight_index(path)
    assert load_subject("mine", str(folder)).parameters == numbers


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "does not end: .*_SECONDS"),
        ("{{ 'a' * 10000000000 }}", "fills the memory: .*GNOMON_MAX_WORK_BYTES"),
        ("{{ raise_exception('no\\nsystem') }}", "refuses these messages"),
        ("{% if %}", "refuses these messages"),
    ],
)
def test_a_hostile_chat_template_is_refused_in_bounded_time_and_memory(
    monkeypatch: pytest.MonkeyPatch, template: str, problem: str
) -> None:
    from tiny_subjects import byte_tokenizer

    monkeypatch.setenv("GNOMON_MAX_SECONDS", "1")
    tokenizer = byte_tokenizer(template)
    with pytest.raises(InputError, match=problem):
        render_messages(tokenizer, (ProtocolMessage("user", "hello"), *load_protocol("plain").messages))
