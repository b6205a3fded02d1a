"""CPU time of a process of this machine, and its share of cores that others use too. Linux only."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def process_with(*words: str) -> int:
    """Id of the oldest process whose command line holds all of these words.

    Parameters
    ----------
    *words : str
        Whole arguments of the command line.

    Raises
    ------
    LookupError
        If there is none.
    """
    for folder in sorted(Path("/proc").glob("[0-9]*"), key=lambda each: int(each.name)):
        with suppress(OSError):
            if set(words) <= set((folder / "cmdline").read_text().split("\0")):
                return int(folder.name)
    raise LookupError(f"no process with {' '.join(words)}")


def cpu_seconds(pid: int) -> float:
    """CPU seconds that a process has used, its own and the system's for it, without those of its children.

    Parameters
    ----------
    pid : int
        Id of the process.
    """
    after_name = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(after_name[11]) + int(after_name[12])) / TICKS


def prefer_session(pid: int, level: int = -10) -> bool:
    """Give the session of a process priority over others (`/proc/PID/autogroup`); returns whether the system let it.

    Parameters
    ----------
    pid : int
        Id of a process of the session.
    level : int, default -10
        As `nice`: -20 to 19.
    """
    try:
        Path(f"/proc/{pid}/autogroup").write_text(str(level))
    except OSError:
        return False
    return True
