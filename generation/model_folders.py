"""Atomic writes of files and folders to it."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from gnomon.data.errors import InputError
from gnomon.data.files import scratch_path

CACHE = "GNOMON_CACHE"
"""Environment variable: the cache folder."""


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Context manager yielding a temporary directory that is renamed to `target` on success and deleted on error.

    Two processes may fill the same target at once: the first to finish wins, the other's work is discarded.
    """
    work = _sibling_path(target)
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
    """Context manager yielding a temporary path that replaces `target` on success and is deleted on error."""
    work = _sibling_path(target)
    try:
        yield work / target.name
        (work / target.name).replace(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Context manager that converts errors of a full or read-only disk into a one-line `InputError` with the remedy."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        what = error.strerror if isinstance(error, OSError) else error
        raise InputError(
            f"cache folder {folder}: {what}: make room or make it writable, or name another in GNOMON_CACHE"
        ) from error


def _sibling_path(target: Path) -> Path:
    """A new temporary folder on the target's own disk, so that the last step is a rename."""
    with writing_to(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        made = scratch_path(target)
        made.mkdir(mode=0o700)
        return made
