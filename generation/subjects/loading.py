"""Loads a subject (embedded, hub name, folder or GGUF file) with the hash of its weights, its layers and its width."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gnomon.data.errors import InputError, UnknownNameError
from gnomon.data.foreign_documents.bounds import MODEL_LAYERS, WEIGHTS, DocumentError
from gnomon.data.records import canonical_hash
from gnomon.generation.model_folders import sha256_of
from gnomon.generation.subjects.device_memory import is_lack_of_memory, release_memory
from gnomon.generation.subjects.folder_identity import folder_identity
from gnomon.generation.subjects.memory_check import default_dtype, enough_memory, torch_device
from gnomon.generation.subjects.model_documents import (
    EMBEDDED,
    WEIGHT_INDEX,
    check_gguf_header,
    check_model_folder,
    check_weight_index,
)

CONFIG, HUB_SECONDS = "config.json", 10.0
"""The file that every hub model has, and how long the hub is waited for where it is asked whether it has it."""
WEIGHTS_PER_BYTE = 8
"""Weights that a byte of a file may hold: packed ones take half a byte or more, and some are held once for several."""
DTYPES = ("float32", "bfloat16", "float16")
WIDEST = "float32"
"""The default before GPUs had one of their own."""


@dataclass(frozen=True)
class LoadedSubject:
    """A subject ready to be steered.

    Two subjects with the same revision respond alike (`SubjectEditions`). `files` names all files of a subject whose
    study holds it under a revision of the first edition, which covers some of them; it is empty for others. `model` is
    a transformers causal language model in evaluation mode, `tokenizer` its fast tokenizer. `preface` is what the
    first message of each of its prompts begins with; it is part of the revision.
    """

    name: str
    model: Any
    tokenizer: Any
    layers: int
    width: int
    revision: str
    parameters: float
    files: str = ""
    first_revision: str = ""
    preface: str = ""

    @property
    def model_device(self) -> Any:
        """The torch device of the subject's inputs."""
        return self.model.device


def load_subject(
    name: str,
    model: str,
    *,
    parameters: float | None = None,
    dtype: str | None = None,
    device: str | None = None,
    pickled_weights: bool = False,
    trust_remote_code: bool = False,
    known_revision: str | None = None,
) -> LoadedSubject:
    """Load a subject.

    Parameters
    ----------
    name : str
        Name of the subject in the study.
    model : str
        `embedded`, a name on the Hugging Face hub, a local folder, or a `.gguf` file.
    parameters : float, optional
        Number of parameters; counted if not given.
    dtype : {"float32", "bfloat16", "float16"}, optional
        Number format of weights and activations; by default that of `default_dtype`, or float32 if the study holds
        trials of the same weights in it.
    device : str, optional
        A torch device; `auto` distributes the blocks over all GPUs (and the CPU); by default a GPU if there is one.
    pickled_weights : bool
        Open `.bin` files if there are no safetensors, with torch's reader that only builds tensors.
    trust_remote_code : bool
        Run Python files that come with the model, with all permissions of the current account.
    known_revision : str, optional
        Revision under which the study holds its trials. It is kept if it is the first edition of these files.

    Raises
    ------
    UserError
        If there is no such folder, file or hub model; if the weights are not safetensors or GGUF, or the model needs
        code of its authors, and the user did not allow that.
    """
    spread = device == "auto"
    where = torch_device(name, None if spread else device)
    is_given, dtype = dtype is not None, checked_dtype(name, dtype, where)
    source = _ModelSource(name, dtype, spread, pickled_weights, trust_remote_code)
    try:
        if (folder := Path(model).expanduser()).is_dir():
            check_model_folder(folder)
        with enough_memory(name, model, dtype, where, spread):
            loaded, tokenizer, weights = _load_model(source, model)
            files = folder_identity(folder, pickled=pickled_weights, code=trust_remote_code) if folder.is_dir() else {}
            loaded = loaded if spread else loaded.to(where)
    except DocumentError as error:
        raise InputError(f"subject '{name}': {error}") from error
    layers, width = _model_sizes(name, loaded)
    loaded = loaded.eval().requires_grad_(False)
    described = {"weights": weights, "template": getattr(tokenizer, "chat_template", None), "dtype": dtype}
    editions = SubjectEditions.of_subject(described, files)
    if not is_given and dtype != WIDEST and known_revision is not None:
        earlier = SubjectEditions.of_subject({**described, "dtype": WIDEST}, files)
        if known_revision in (earlier.first, earlier.second):
            del loaded
            release_memory(where)
            return load_subject(
                name,
                model,
                parameters=parameters,
                dtype=WIDEST,
                device=device,
                pickled_weights=pickled_weights,
                trust_remote_code=trust_remote_code,
                known_revision=known_revision,
            )
    return LoadedSubject(
        name=name,
        model=loaded,
        tokenizer=tokenizer,
        layers=layers,
        width=width,
        revision=editions.revision_for(known_revision),
        parameters=float(parameters or sum(weight.numel() for weight in loaded.parameters())),
        files=editions.second if editions.revision_for(known_revision) != editions.second else "",
        first_revision=editions.first,
    )


def checked_dtype(name: str, dtype: str | None, device: Any) -> str:
    """The number format that is asked for, or the default of a device.

    Parameters
    ----------
    name : str
        Name of the subject, for the error message.
    dtype : str, optional
        The format that is asked for.
    device : torch.device
        Where the subject is loaded.

    Raises
    ------
    InputError
        If there is no such format.
    """
    if dtype is None:
        return default_dtype(device)
    if dtype not in DTYPES:
        raise InputError(f"subject '{name}': dtype '{dtype}' is not known: choose from {', '.join(DTYPES)}")
    return dtype


@dataclass(frozen=True, slots=True)
class SubjectEditions:
    """The two editions of a subject's revision.

    The first hashed weights, chat template and dtype. The second hashes all files of a model's folder that can change
    its answers. A hub model's commit and the hash of a GGUF file cover all of them: their editions are the same.
    """

    first: str
    second: str

    @classmethod
    def of_subject(cls, described: Mapping[str, object], files: Mapping[str, str]) -> SubjectEditions:
        """The editions of a subject.

        Parameters
        ----------
        described : mapping of str to object
            Identity of its weights, its chat template and its dtype.
        files : mapping of str to str
            Hashes of the files of its folder; empty for a subject that is no folder.
        """
        first = canonical_hash(dict(described))
        return cls(first, canonical_hash({**described, "files": dict(files)}) if files else first)

    def revision_for(self, known: str | None) -> str:
        """The revision to use, given the one under which a study holds the subject's trials."""
        return self.first if known == self.first else self.second


def _model_sizes(name: str, model: Any) -> tuple[int, int]:
    """Number of layers and width of a loaded model."""
    try:
        text = model.config.get_text_config()
        return int(text.num_hidden_layers), int(text.hidden_size)
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(
            f"subject '{name}': its configuration does not say how many layers it has and how wide they are "
            f"({_first_line(error)}): name a causal language model"
        ) from error


@dataclass(frozen=True)
class _ModelSource:
    """Options of loading that do not depend on the source, including what the user trusts."""

    name: str
    dtype: str
    spread: bool
    pickled: bool
    code: bool


def _load_model(source: _ModelSource, model: str) -> tuple[Any, Any, str]:
    """Model, tokenizer and the identity of the weights."""
    if model == EMBEDDED:
        from gnomon.generation.subjects.embedded import GGUF_SHA256, ensure_converted

        return *_from_folder(source, str(ensure_converted())), GGUF_SHA256
    path = Path(model).expanduser()
    if model.endswith(".gguf"):
        return _from_gguf(source, path)
    if path.is_dir():
        return *_from_folder(source, str(path)), _weights_of(source, path)
    if path.is_absolute() or model.startswith((".", "~")) or model.count("/") != 1:
        raise UnknownNameError(
            f"subject '{source.name}': there is no folder {model}: name a folder, a .gguf file, a hub name or "
            f"'{EMBEDDED}'"
        )
    loaded, tokenizer = _from_folder(source, model)
    return loaded, tokenizer, f"{model}@{getattr(loaded.config, '_commit_hash', None)}"


def _from_gguf(source: _ModelSource, path: Path) -> tuple[Any, Any, str]:
    if not path.is_file():
        raise UnknownNameError(f"subject '{source.name}': there is no file {path}: check 'model' in study.toml")
    import torch

    from gnomon.generation.subjects.gguf import load_gguf
    from gnomon.generation.subjects.silence_loading import silence_loading

    check_gguf_header(path)
    try:
        with silence_loading():
            _check_described_size(path.parent, path.name)
        model, tokenizer = load_gguf(path)
    except DocumentError:
        raise
    except Exception as error:  # a parser of foreign bytes raises what it meets
        if is_lack_of_memory(error):
            raise
        raise InputError(
            f"subject '{source.name}': {path} can't be read as a GGUF model: {_first_line(error)}"
        ) from error
    return model.to(getattr(torch, source.dtype)), tokenizer, sha256_of(path)


def _from_folder(source: _ModelSource, place: str) -> tuple[Any, Any]:
    """Load a folder or hub name. Without the user's consent no code of its authors is run and no pickle is opened."""
    import torch
    from transformers import AutoTokenizer

    from gnomon.generation.subjects.silence_loading import silence_loading

    safe: dict[str, Any] = {"trust_remote_code": source.code}
    over = {"device_map": "auto"} if source.spread else {}
    try:
        if not Path(place).is_dir():
            with silence_loading():
                _check_hub_name(place)
            if not source.pickled:
                _check_hub_index(place)
        with silence_loading():
            if not source.code and Path(place).is_dir():
                _check_described_size(Path(place), "config.json")
            tokenizer = AutoTokenizer.from_pretrained(place, **safe)  # nosec B615: its commit is recorded
            model = _model_class(place, safe).from_pretrained(  # nosec B615: its commit is recorded
                place,
                dtype=getattr(torch, source.dtype),
                use_safetensors=None if source.pickled else True,
                weights_only=True,
                **safe,
                **over,
            )
    except DocumentError:
        raise
    except Exception as error:  # parsers of foreign bytes raise what they meet
        if is_lack_of_memory(error):
            raise
        raise _load_error(source, place, error) from error
    return model, tokenizer


def _model_class(place: str, options: Mapping[str, Any]) -> Any:
    """The library's loader for a model: that of causal language models, or else of those that see and write.

    Parameters
    ----------
    place : str
        Folder or hub name.
    options : mapping of str to object
        Whether code of its authors may run.
    """
    from transformers import AutoConfig

    return _class_for(AutoConfig.from_pretrained(place, **options))  # nosec B615: its commit is recorded


def _class_for(config: Any) -> Any:
    from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

    known: Any = AutoModelForImageTextToText
    sees = type(config) in known._model_mapping and type(config) not in AutoModelForCausalLM._model_mapping
    return AutoModelForImageTextToText if sees else AutoModelForCausalLM


def _check_described_size(folder: Path, name: str) -> None:
    """Check that a configuration describes no more weights than its files can hold; nothing is allocated for that.

    A library would allocate what the configuration says and fill what the files lack. `name` is that of the file in the
    folder that holds the configuration: `config.json`, or a GGUF file.
    """
    import torch
    from transformers import AutoConfig

    gguf = {"gguf_file": name} if name.endswith(".gguf") else {}
    try:
        config = AutoConfig.from_pretrained(str(folder), **gguf)  # nosec B615: a local folder
        layers = config.get_text_config().num_hidden_layers
        MODEL_LAYERS.check(layers, f"{folder / name}: 'num_hidden_layers'")
        with torch.device("meta"):
            model = _class_for(config).from_config(config)
    except DocumentError:
        raise
    except Exception:  # what is wrong is told when the model itself is loaded
        return
    described = sum(part.numel() for part in (*model.parameters(), *model.buffers()))
    files = (
        [folder / name] if gguf else [path for pattern in ("*.safetensors", "*.bin") for path in folder.glob(pattern)]
    )
    held = sum(path.stat().st_size for path in files)
    WEIGHTS.check(described - WEIGHTS_PER_BYTE * held, folder / name)


def _check_hub_name(place: str) -> None:
    """Ask once whether the hub has a model that is not on this machine: the library would try a wrong name many times.

    What it raises is that of the library.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache

    if not isinstance(try_to_load_from_cache(place, CONFIG), str):
        get_hf_file_metadata(hf_hub_url(place, CONFIG), timeout=HUB_SECONDS)


def _check_hub_index(place: str) -> None:
    """Check the index of a hub model's weights before a file that it names is fetched or opened."""
    from transformers.utils.hub import cached_file

    found = cached_file(
        place,
        WEIGHT_INDEX,
        _raise_exceptions_for_gated_repo=False,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    if found is not None:
        check_weight_index(Path(found))


def _load_error(source: _ModelSource, place: str, error: Exception) -> InputError:
    said, folder = f"subject '{source.name}'", Path(place)
    if "trust_remote_code" in str(error):
        return InputError(
            f"{said}: '{place}' wants to run Python code of its authors: read that code, and if you trust it, write "
            "trust_remote_code = true for this subject in study.toml"
        )
    if (
        folder.is_dir()
        and not source.pickled
        and not _matching_files(folder, "*.safetensors")
        and _matching_files(folder, "*.bin")
    ):
        return InputError(
            f"{said}: folder {place} holds pickled weights, which can run code: convert them to safetensors, or write "
            "pickled_weights = true for this subject in study.toml"
        )
    if folder.is_dir():
        return InputError(
            f"{said}: folder {place} can't be loaded: {_first_line(error)}: it must hold a causal language "
            "model in safetensors with its tokenizer"
        )
    return InputError(
        f"{said}: hub model '{place}' is not on this machine and can't be fetched: check the name and the "
        "network (and HF_TOKEN for a gated model), or give a local folder"
    )


def _weights_of(source: _ModelSource, folder: Path) -> str:
    files = _matching_files(folder, "*.safetensors") or (_matching_files(folder, "*.bin") if source.pickled else [])
    if not files:
        raise InputError(
            f"subject '{source.name}': folder {folder} holds no .safetensors file: convert its weights first"
        )
    code = _matching_files(folder, "*.py") if source.code else []
    return canonical_hash([sha256_of(path) for path in [*files, *code]])


def _matching_files(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern))


def _first_line(error: Exception) -> str:
    said = str(error).strip().splitlines()[:1]
    return f"{type(error).__name__}: {said[0][:200]}" if said else type(error).__name__
