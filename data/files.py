"""Atomic file writes, with scratch files that a later command sweeps if one was killed, and the folder of caches."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import socket
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import platformdirs

from gnomon.data.errors import InputError

DRAWS_FOLDER = "draws"
"""Folder of a study in which draws of its newest fits lie, for refits and plots; it may be deleted at any time."""
SUFFIX = "gnomon-part"
OLD, OLDER = 3600.0, 86400.0
"""Ages in seconds from which a scratch file of an ended process, and of any process, is swept without its machine."""
_SCRATCH = re.compile(rf"\..*\.(?P<host>[\w-]+)\.(?P<pid>\d+)\.[0-9a-f]{{8}}\.{SUFFIX}(-wal|-shm|-journal)?", re.DOTALL)
_FIRST = re.compile(r"\..*\.(?P<pid>\d+)\.part(-wal|-shm|-journal)?", re.DOTALL)


def cache_folder() -> Path:
    """Folder of converted models, vectors and compiled code: `GNOMON_CACHE`, else the user's cache folder."""
    chosen = os.environ.get("GNOMON_CACHE")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("gnomon"))


def redirect_library_caches() -> None:
    """Let PyTensor and matplotlib keep their files in Gnomon's cache where the home folder cannot be written.

    Call it before they are imported. Where the cache cannot be written either, they get a temporary folder.
    """
    if _is_writable(Path(os.environ.get("HOME") or "/nonexistent")):
        return
    base = cache_folder()
    try:
        base.mkdir(parents=True, exist_ok=True)
        writable = _is_writable(base)
    except OSError:
        writable = False
    if not writable:
        base = Path(tempfile.mkdtemp(prefix="gnomon-cache-"))  # code is compiled there: nobody else may write it
        atexit.register(shutil.rmtree, base, ignore_errors=True)
    os.environ.setdefault("MPLCONFIGDIR", str(base / "matplotlib"))
    flags = os.environ.get("PYTENSOR_FLAGS", "")
    if "base_compiledir" not in flags:
        os.environ["PYTENSOR_FLAGS"] = ",".join(filter(None, [flags, f"base_compiledir={base / 'pytensor'}"]))


def _is_writable(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that readers see either the old content or the complete new content, never a part.

    Parameters
    ----------
    path : Path
        File to write; a temporary file is created beside it and renamed.
    content : bytes
        The complete new content.
    """
    fresh = scratch_path(path)
    try:
        with fresh.open("xb") as file:  # never through a link that lies there already
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def check_name(path: Path) -> None:
    """Check that a path is text, which URLs, databases and several libraries need.

    Raises
    ------
    InputError
        If it is not UTF-8, or has a NUL character.
    """
    name = str(path.absolute())
    try:
        name.encode()
    except UnicodeEncodeError:
        whole = False
    else:
        whole = "\0" not in name
    if not whole:
        shown = os.fsencode(name).decode("utf-8", "backslashreplace").replace("\0", "\\x00")
        raise InputError(f"{shown}: its name is not UTF-8 text without NUL: rename it")


def scratch_path(target: Path) -> Path:
    """A new path beside the target for what is written before it takes the target's place.

    What commands that were killed have left beside the target is removed first.
    """
    sweep_leftovers(target)
    return target.with_name(f".{target.name[:40]}.{_host()}.{os.getpid()}.{uuid4().hex[:8]}.{SUFFIX}")


def sweep_leftovers(target: Path) -> None:
    """Remove scratch files and folders beside the target whose process has ended.

    Those of another machine, which may share the folder, are removed after a day. Earlier versions wrote no machine
    into the name: theirs are removed after an hour, and only those of this very target.
    """
    with suppress(OSError):
        for path in sorted(target.parent.iterdir()):
            if _is_leftover(path, target.name):
                with suppress(OSError):
                    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _is_leftover(path: Path, name: str) -> bool:
    found = _SCRATCH.fullmatch(path.name)
    if found is None and path.name.startswith(f".{name}."):
        found = _FIRST.fullmatch(path.name)
        return found is not None and _age(path) > OLD and not _is_running(int(found["pid"]))
    if found is None:
        return False
    if _age(path) > OLDER:
        return True
    return found["host"] == _host() and not _is_running(int(found["pid"]))


def _age(path: Path) -> float:
    """Seconds since the last change of a file, or of a folder's list of files."""
    return time.time() - path.lstat().st_mtime


def _host() -> str:
    """This machine, and the space of its process numbers: containers may share a name and folders."""
    space = ""
    with suppress(OSError):
        space = re.sub(r"\D", "", str(Path("/proc/self/ns/pid").readlink()))
    return re.sub(r"[^\w-]", "-", f"{socket.gethostname()[:40]}-{space}", flags=re.ASCII)


def _is_running(process: int) -> bool:
    """Whether there is a process of that number on this machine; True where that cannot be asked."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
