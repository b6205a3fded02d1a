"""Where made files are kept, and how a file or folder is put there whole or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs
from safetensors import SafetensorError

from gnomon.data.errors import InputError


def cache_folder() -> Path:
    """Folder of converted models and concept vectors: `GNOMON_CACHE`, else the user's cache folder."""
    chosen = os.environ.get("GNOMON_CACHE")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("gnomon"))


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Give an empty folder to fill; it becomes `target` when the block ends well, and vanishes when it doesn't.

    Two processes may fill the same target at once: the first to end wins, the other's work is dropped.
    """
    work = Path(_sibling_path(target))
    try:
        yield work
        try:
            work.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Give a path to write; it becomes `target`, replacing what is there, when the block ends well."""
    work = Path(_sibling_path(target))
    try:
        yield work / target.name
        (work / target.name).replace(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Turn a disk that is full or may not be written into one line that says what to do."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        what = error.strerror if isinstance(error, OSError) else error
        raise InputError(
            f"cache folder {folder}: {what}: make room or make it writable, or name another in GNOMON_CACHE"
        ) from error


def _sibling_path(target: Path) -> str:
    """A new temporary folder on the target's own disk, so that the last step is a rename."""
    with writing_to(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        return tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-")
