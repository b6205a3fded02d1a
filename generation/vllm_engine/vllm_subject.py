"""Subjects of the engine `vllm`: what planning needs of them, without loading weights, and their concept vectors."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gnomon.data.errors import InputError, UnknownNameError
from gnomon.data.foreign_documents.bounds import MODEL_LAYERS, DocumentError
from gnomon.data.records import canonical_hash
from gnomon.generation.engine.batch import end_tokens
from gnomon.generation.subjects.folder_identity import folder_identity
from gnomon.generation.subjects.loading import checked_dtype, load_subject
from gnomon.generation.subjects.memory_check import torch_device
from gnomon.generation.subjects.model_documents import EMBEDDED, check_model_folder, tensor_sizes
from gnomon.generation.subjects.silence_loading import silence_loading
from gnomon.generation.vectors.concept_vectors import (
    ConceptVector,
    adopt_vectors,
    check_layers,
    concept_vectors,
    missing_vectors,
)
from gnomon.generation.vectors.vector_spec import VectorMethod
from gnomon.generation.vllm_engine.vllm_environment import VllmEnvironment, find_environment
from gnomon.generation.vllm_engine.worker_messages import WorkerSettings
from gnomon.generation.vllm_engine.worker_process import PROGRAM, VllmProcess

AUTO = "auto"
FILES = ("*.safetensors", "*.json", "*.model", "*.jinja", "*.txt", "*.tiktoken")
"""Files of a hub model that are fetched."""


@dataclass
class _ProcessHolder:
    """The process in which vLLM runs the subject's model; started when it is first needed."""

    process: VllmProcess | None = None
    program: str = PROGRAM


@dataclass(frozen=True)
class VllmSubject:
    """A subject that vLLM will run; its weights are not loaded here.

    Its revision covers all files of its folder that can change an answer, the number format, and the version of vLLM:
    trials of two engines, or of two versions, are never of one subject. `ends` are the tokens that end a response.
    `files`, `first_revision` and `preface` are those of `LoadedSubject`.
    """

    name: str
    folder: str
    tokenizer: Any
    layers: int
    width: int
    positions: int
    revision: str
    parameters: float
    dtype: str
    ends: tuple[int, ...]
    installation: VllmEnvironment
    device: str | None = None
    trust_remote_code: bool = False
    files: str = ""
    first_revision: str = ""
    preface: str = ""
    holder: _ProcessHolder = field(default_factory=_ProcessHolder)

    @property
    def environment(self) -> dict[str, str]:
        """Versions of what its trials are made on, as `describe_environment` gives them for other subjects."""
        return {name.removesuffix("-cpu"): value for name, value in self.installation.libraries.items()}

    def started_process(self, rows: int, columns: int) -> VllmProcess:
        """The process with the model loaded; started anew where one that runs is too small.

        Parameters
        ----------
        rows : int
            Rows that run together.
        columns : int
            Positions of the longest row.

        Raises
        ------
        GnomonError
            If vLLM cannot load the model, or its architecture cannot be steered.
        """
        holder, running = self.holder, self.holder.process
        if running is not None and running.is_running:
            if running.settings.rows >= rows and running.settings.columns >= columns:
                return running
            rows, columns = max(rows, running.settings.rows), max(columns, running.settings.columns)
        if running is not None:
            running.close()
        parallel = 0 if self.device == AUTO else 1
        settings = WorkerSettings(
            self.folder, self.dtype, rows, columns, self.layers, self.width, self.trust_remote_code, parallel
        )
        holder.process = VllmProcess(self.name, self.installation, settings, self._variables(), holder.program)
        return holder.process

    def _variables(self) -> Mapping[str, str]:
        """Environment variables of vLLM's process: ours, without what would lead its Python to our libraries."""
        kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
        if self.device is not None and self.device.startswith("cuda:"):
            kept["CUDA_VISIBLE_DEVICES"] = self.device.removeprefix("cuda:")
        return kept


def load_vllm_subject(
    name: str,
    model: str,
    *,
    parameters: float | None = None,
    dtype: str | None = None,
    device: str | None = None,
    pickled_weights: bool = False,
    trust_remote_code: bool = False,
) -> VllmSubject:
    """What is to be known of a subject before vLLM runs it; vLLM is not started.

    Parameters
    ----------
    name : str
        Name of the subject in the study.
    model : str
        `embedded`, a folder of safetensors, or a name on the Hugging Face hub. A quantised folder says itself how.
    parameters : float, optional
        Number of parameters; by default that of the values in its files.
    dtype : {"float32", "bfloat16", "float16"}, optional
        Number format of weights and activations; by default bfloat16 on a GPU that computes in it, else float32.
    device : str, optional
        `auto` distributes each block over all GPUs of the machine, `cuda:1` names one; by default the first.
    pickled_weights : bool
        Refused: vLLM would open them itself.
    trust_remote_code : bool
        Run Python files that come with the model, with all permissions of the current account.

    Raises
    ------
    UserError
        If vLLM or the model is not there, or it is of a kind that this engine does not take.
    """
    dtype = checked_dtype(name, dtype, torch_device(name, None if device == "auto" else device))
    if pickled_weights or model.endswith(".gguf"):
        raise InputError(f"subject '{name}': engine 'vllm' takes safetensors only: convert the weights, or use 'torch'")
    installation = find_environment()
    folder = _model_folder(name, model, trust_remote_code)
    try:
        check_model_folder(folder)
        sizes = [size.values for path in folder.glob("*.safetensors") for size in tensor_sizes(path)]
    except DocumentError as error:
        raise InputError(f"subject '{name}': {error}") from error
    if not sizes:
        raise InputError(f"subject '{name}': folder {folder} holds no .safetensors file: convert its weights first")
    config, tokenizer, ends = _read_model(name, folder, trust_remote_code)
    described = {
        "files": folder_identity(folder, code=trust_remote_code),
        "template": getattr(tokenizer, "chat_template", None),
        "dtype": dtype,
        "vllm": installation.version,
    }
    return VllmSubject(
        name=name,
        folder=str(folder),
        tokenizer=tokenizer,
        layers=int(config.num_hidden_layers),
        width=int(config.hidden_size),
        positions=int(getattr(config, "max_position_embeddings", 0) or 0),
        revision=canonical_hash(described),
        parameters=float(parameters or sum(sizes)),
        dtype=dtype,
        ends=tuple(sorted(ends)),
        installation=installation,
        device=device,
        trust_remote_code=trust_remote_code,
    )


def _model_folder(name: str, model: str, code: bool) -> Path:
    """Folder of a model; of one on the hub, that of its files here, fetched if need be."""
    if model == EMBEDDED:
        from gnomon.generation.subjects.embedded import ensure_converted

        return ensure_converted()
    path = Path(model).expanduser()
    if path.is_dir():
        return path.absolute()
    if path.is_absolute() or model.startswith((".", "~")) or model.count("/") != 1:
        raise UnknownNameError(
            f"subject '{name}': there is no folder {model}: name a folder, a hub name or '{EMBEDDED}'"
        )
    from huggingface_hub import snapshot_download

    try:
        patterns = [*FILES, *(["*.py"] if code else [])]
        return Path(snapshot_download(model, allow_patterns=patterns))  # nosec B615: its files' hashes are recorded
    except Exception as error:  # libraries of the network raise what they meet
        raise InputError(
            f"subject '{name}': hub model '{model}' is not on this machine and can't be fetched: check the name and "
            "the network (and HF_TOKEN for a gated model), or give a local folder"
        ) from error


def _read_model(name: str, folder: Path, code: bool) -> tuple[Any, Any, frozenset[int]]:
    """Configuration of the text model, tokenizer, and the tokens that end a response."""
    from transformers import AutoConfig, AutoTokenizer, GenerationConfig

    try:
        with silence_loading():
            config = AutoConfig.from_pretrained(folder, trust_remote_code=code)  # nosec B615: a local folder
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=code)  # nosec B615: a local folder
            own = (folder / "generation_config.json").is_file()
            generation = (
                GenerationConfig.from_pretrained(folder)  # nosec B615: a local folder
                if own
                else GenerationConfig.from_model_config(config)
            )
        text = config.get_text_config()
        MODEL_LAYERS.check(text.num_hidden_layers, f"{folder}: 'num_hidden_layers'")
        return text, tokenizer, end_tokens(generation, tokenizer)
    except DocumentError as error:
        raise InputError(f"subject '{name}': {error}") from error
    except Exception as error:  # parsers of foreign bytes raise what they meet
        line = str(error).strip().splitlines()[:1]
        raise InputError(
            f"subject '{name}': folder {folder} can't be read: {type(error).__name__}: {''.join(line)[:200]}: it must "
            "hold a causal language model with its tokenizer"
        ) from error


def vllm_vectors(
    subject: Any, concepts: Sequence[str], layers: Sequence[int], kind: VectorMethod
) -> dict[tuple[str, int], ConceptVector]:
    """Concept vectors of a subject: those that transformers gives for the same files and number format.

    They are kept in the cache folder under the subject's own recipes; transformers loads the model only for those that
    are missing.

    Parameters
    ----------
    subject : VllmSubject
        The subject.
    concepts : sequence of str
        Concepts.
    layers : sequence of int
        Indices of the blocks, from 0.
    kind : VectorMethod
        Method and scale of the vectors.
    """
    check_layers(subject, layers)
    is_lent = kind.lender not in ("", subject.revision)
    if not is_lent and missing_vectors(subject, concepts, layers, kind):
        plain = load_subject(
            subject.name,
            subject.folder,
            dtype=subject.dtype,
            device=subject.device,
            trust_remote_code=subject.trust_remote_code,
        )
        adopt_vectors(subject, concept_vectors(plain, concepts, layers, kind), kind)
    return concept_vectors(subject, concepts, layers, kind)
