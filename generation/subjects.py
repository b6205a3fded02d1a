"""Loads a subject (embedded, hub name, folder or GGUF file) and says which weights, layers and width it has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import BadInput, UnknownName
from data.records import digest
from generation.fitting import enough_memory, torch_device
from generation.folders import sha256_of
from generation.memory import is_lack_of_memory

EMBEDDED = "embedded"
DTYPES = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class LoadedSubject:
    """A subject ready to be steered.

    `revision` hashes weights, chat template and number format: two subjects of one revision answer alike.
    `model` is a transformers causal language model in evaluation mode, `tokenizer` its fast tokenizer.
    """

    name: str
    model: Any
    tokenizer: Any
    layers: int
    width: int
    revision: str
    parameters: float

    @property
    def device(self) -> Any:
        """Where the subject's inputs go."""
        return self.model.device


def load_subject(
    name: str, model: str, *, parameters: float | None = None, dtype: str = "float32", device: str | None = None
) -> LoadedSubject:
    """Load a subject.

    Parameters
    ----------
    name : str
        What the study calls it.
    model : str
        `embedded`, a name on the Hugging Face hub, a local folder, or a `.gguf` file.
    parameters : float, optional
        Number of parameters; counted where not given.
    dtype : {"float32", "bfloat16", "float16"}
        Number format of weights and activations.
    device : str, optional
        A torch device; `auto` spreads the blocks over all GPUs (and the CPU); by default a GPU where there is one.

    Raises
    ------
    UserError
        No such folder, file or hub model; no chat template; weights that are not safetensors or GGUF.
    """
    if dtype not in DTYPES:
        raise BadInput(f"subject '{name}': dtype '{dtype}' is not known: choose from {', '.join(DTYPES)}")
    spread = device == "auto"
    where = torch_device(name, None if spread else device)
    with enough_memory(name, model, dtype, where, spread):
        loaded, tokenizer, weights = _load(name, model, dtype, spread)
        loaded = loaded if spread else loaded.to(where)
    if not getattr(tokenizer, "chat_template", None):
        raise BadInput(
            f"subject '{name}': the tokenizer of '{model}' has no chat template: use its instruct variant, or put a "
            "chat_template.jinja beside its tokenizer"
        )
    text = loaded.config.get_text_config()
    loaded = loaded.eval().requires_grad_(False)
    return LoadedSubject(
        name=name,
        model=loaded,
        tokenizer=tokenizer,
        layers=int(text.num_hidden_layers),
        width=int(text.hidden_size),
        revision=digest({"weights": weights, "template": tokenizer.chat_template, "dtype": dtype}),
        parameters=float(parameters or sum(weight.numel() for weight in loaded.parameters())),
    )


def _load(name: str, model: str, dtype: str, spread: bool = False) -> tuple[Any, Any, str]:
    """Model, tokenizer and the identity of the weights."""
    if model == EMBEDDED:
        from generation.embedded import GGUF_SHA256, ensure_converted

        return *_from_folder(name, str(ensure_converted()), dtype, spread), GGUF_SHA256
    path = Path(model).expanduser()
    if model.endswith(".gguf"):
        return _from_gguf(name, path, dtype)
    if path.is_dir():
        return *_from_folder(name, str(path), dtype, spread), _weights_of(name, path)
    if path.is_absolute() or model.startswith((".", "~")) or model.count("/") != 1:
        raise UnknownName(
            f"subject '{name}': there is no folder {model}: name a folder, a .gguf file, a hub name or '{EMBEDDED}'"
        )
    loaded, tokenizer = _from_folder(name, model, dtype, spread)
    return loaded, tokenizer, f"{model}@{getattr(loaded.config, '_commit_hash', None)}"


def _from_gguf(name: str, path: Path, dtype: str) -> tuple[Any, Any, str]:
    if not path.is_file():
        raise UnknownName(f"subject '{name}': there is no file {path}: check 'model' in study.toml")
    import torch

    from generation.gguf import load_gguf

    try:
        model, tokenizer = load_gguf(path)
    except (ValueError, OSError, KeyError, RuntimeError) as error:
        raise BadInput(f"subject '{name}': {path} can't be read as a GGUF model: {_first_line(error)}") from error
    return model.to(getattr(torch, dtype)), tokenizer, sha256_of(path)


def _from_folder(name: str, place: str, dtype: str, spread: bool) -> tuple[Any, Any]:
    """Load a folder or hub name. No code of the model's authors is run, and no pickle is opened."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from generation.quiet import quiet

    safe: dict[str, Any] = {"trust_remote_code": False}
    over = {"device_map": "auto"} if spread else {}
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(place, **safe)  # nosec B615: its commit is recorded
            model = AutoModelForCausalLM.from_pretrained(  # nosec B615: its commit is recorded
                place, dtype=getattr(torch, dtype), use_safetensors=True, **safe, **over
            )
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        if is_lack_of_memory(error):
            raise
        raise _unloadable(name, place, error) from error
    return model, tokenizer


def _unloadable(name: str, place: str, error: Exception) -> BadInput:
    if Path(place).is_dir():
        return BadInput(
            f"subject '{name}': folder {place} can't be loaded: {_first_line(error)}: it must hold a causal language "
            "model in safetensors with its tokenizer"
        )
    return BadInput(
        f"subject '{name}': hub model '{place}' is not on this machine and can't be fetched: check the name and the "
        "network (and HF_TOKEN for a gated model), or give a local folder"
    )


def _weights_of(name: str, folder: Path) -> str:
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise BadInput(f"subject '{name}': folder {folder} holds no .safetensors file: convert its weights first")
    return digest([sha256_of(path) for path in files])


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
