"""Entry point: runs a command and converts every expected error into one line and an exit status."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typer import TyperException

INTERRUPTED = 130
STOPPED = "gnomon: stopped. What was reported as stored is stored; run the same command again to go on"
NUMBA = ".numba_config.yaml"
"""File of the current folder from which numba takes settings, among them a folder whose files it runs."""


def main() -> None:
    """Run `gnomon` with the arguments of this process and exit with its status."""
    leave_current_folder()
    sys.exit(run(sys.argv[1:]))


def leave_current_folder() -> None:
    """Import nothing from the current folder, here and in every process that is started: it may be a study from
    somebody else, which is data. A folder that PYTHONPATH names in full stays, and the one that holds Gnomon itself.
    """
    from gnomon.dashboard.server.module_path import OWN, VARIABLE, absolute_path

    here, path = os.path.realpath(Path.cwd()), absolute_path(os.environ.get(VARIABLE, ""))
    if here != OWN and here not in {os.path.realpath(part) for part in path.split(os.pathsep) if part}:
        sys.path[:] = [part for part in sys.path if os.path.realpath(part or ".") != here]
    if VARIABLE in os.environ:
        os.environ[VARIABLE] = path
    os.environ["PYTHONSAFEPATH"] = "1"


def run(arguments: list[str]) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : list of str
        Command-line arguments, without the program's name.

    Returns
    -------
    int
        Exit status: 0 done, 1 failed, 2 the user's mistake, 130 stopped by the user.
    """
    try:
        signal.signal(signal.SIGTERM, _interrupt)
        return _run(arguments)
    except KeyboardInterrupt:
        print(f"\n{STOPPED}", file=sys.stderr)
        return INTERRUPTED


def _run(arguments: list[str]) -> int:
    import typer

    from gnomon.cli import app
    from gnomon.data.errors import InputError

    try:
        if Path(NUMBA).exists():
            raise InputError(f"{NUMBA}: a library would run code that it names: delete it, or use another folder")
        status = int(app(arguments or ["--help"], prog_name="gnomon", standalone_mode=False) or 0)
        if status == INTERRUPTED:  # typer converts Ctrl-C into this status without a message
            raise KeyboardInterrupt
        return status
    except typer.Abort as error:
        raise KeyboardInterrupt from error
    except BrokenPipeError:
        return 1
    except Exception as error:
        said, status = _describe_error(error, arguments)
        print(f"gnomon: {said}", file=sys.stderr)
        return status


def _describe_error(error: Exception, arguments: list[str]) -> tuple[str, int]:
    """One line about an error of a command with these arguments, and the exit status."""
    import typer

    from gnomon.data.maintenance.fault_report import describe_error, shorten_line

    if isinstance(error, typer.TyperException):
        context = getattr(error, "ctx", None)
        command = _command_of(arguments) if context is None else context.command_path
        return f"{shorten_line(_usage_message(error))}: '{command} --help' lists what there is", 2
    return describe_error(error)


def _command_of(arguments: list[str]) -> str:
    """The command that arguments begin with; some errors about them do not say it."""
    return f"gnomon {arguments[0]}" if arguments and arguments[0].isalpha() else "gnomon"


def _usage_message(error: TyperException) -> str:
    """What was wrong with the arguments; for an unknown option, the nearest that there is."""
    name, known = getattr(error, "option_name", None), getattr(error, "possibilities", None)
    if not known or not isinstance(name, str):
        return error.format_message()
    return f"No such option: {name}. Did you mean '{known[0]}'?"


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
