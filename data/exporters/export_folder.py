"""A folder that an export writes: it appears complete or not at all, and one that holds something is never changed."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gnomon.data.errors import InputError
from gnomon.data.files import check_name, scratch_path


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A scratch folder beside the folder, which takes its place at the end unless something fails.

    Raises
    ------
    InputError
        If the folder exists and is not empty, or is a file, or its name is no text.
    """
    check_name(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: is there already and not empty: name another folder; nothing is overwritten")
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = scratch_path(folder.absolute())  # a relative path such as s3:x is a URI to some libraries
    scratch.mkdir()
    try:
        yield scratch
        if folder.exists():
            folder.rmdir()
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def file_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of each file of a folder, by name in order."""
    return {path.name: _file_hash(path) for path in sorted(folder.iterdir())}


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
