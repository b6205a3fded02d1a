"""What identifies a model's folder: every file that can change what the model answers, by its content."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import JsonValue

from gnomon.data.foreign_documents.json_documents import read_json_file
from gnomon.data.records import canonical_hash
from gnomon.generation.model_folders import sha256_of

CONFIGS = ("config.json", "generation_config.json", "adapter_config.json")
"""Configurations, compared by their values without those of `VOLATILE`."""
TEXTS = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "tekken.json"),
    *("vocab.json", "vocab.txt", "merges.txt", "*.model", "*.tiktoken"),
    *("chat_template.json", "*.jinja", "additional_chat_templates/*.jinja"),
    *("*.index.json", "quantize_config.json", "hf_quant_config.json"),
)
"""Tokenizer, templates, indexes and settings of quantisation, compared byte by byte."""
VOLATILE = ("transformers_version", "_name_or_path", "_commit_hash", "torch_dtype", "dtype")
"""Keys of a configuration that say where it comes from. The number format is the study file's."""
BASE = "base_model_name_or_path"


def folder_identity(folder: Path, *, pickled: bool = False, code: bool = False) -> dict[str, str]:
    """Hash of each file of a model's folder that can change its answers, by path in the folder.

    An adapter's folder counts with the folder of its base model.

    Parameters
    ----------
    folder : Path
        The folder.
    pickled : bool
        Whether `.bin` files are opened.
    code : bool
        Whether Python files of the folder are run.
    """
    patterns = (*TEXTS, "*.safetensors", *(["*.bin"] if pickled else []))
    found = {path for pattern in patterns for path in folder.glob(pattern)}
    found |= set(folder.rglob("*.py")) if code else set()
    hashes = {str(path.relative_to(folder)): sha256_of(path) for path in sorted(found) if path.is_file()}
    for name, config in _configs(folder):
        hashes[name] = canonical_hash({key: value for key, value in config.items() if key not in VOLATILE}, 64)
        base = config.get(BASE)
        if isinstance(base, str) and (below := Path(base).expanduser()).is_dir() and below != folder:
            hashes |= {f"base/{path}": sha for path, sha in folder_identity(below, pickled=pickled, code=code).items()}
    return hashes


def _configs(folder: Path) -> Iterator[tuple[str, Mapping[str, JsonValue]]]:
    for name in CONFIGS:
        if (folder / name).is_file():
            config = read_json_file(folder / name)
            yield name, config if isinstance(config, dict) else {"": json.dumps(config)}
