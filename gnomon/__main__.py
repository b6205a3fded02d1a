"""Entry point: runs a command and converts every expected error into one line and an exit status."""

from __future__ import annotations

import signal
import sys
from types import FrameType

INTERRUPTED = 130
STOPPED = "gnomon: stopped. What was reported as stored is stored; run the same command again to go on"


def main() -> None:
    """Run `gnomon` with the arguments of this process and exit with its status."""
    sys.exit(run(sys.argv[1:]))


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
    from gnomon.data.errors import GnomonError

    try:
        status = int(app(arguments or ["--help"], prog_name="gnomon", standalone_mode=False) or 0)
        if status == INTERRUPTED:  # typer converts Ctrl-C into this status without a message
            raise KeyboardInterrupt
        return status
    except typer.Abort as error:
        raise KeyboardInterrupt from error
    except typer.TyperException as error:
        print(f"gnomon: {_one_line(error.format_message())}: 'gnomon --help' lists what there is", file=sys.stderr)
        return 2
    except GnomonError as error:
        print(f"gnomon: {_one_line(str(error))}", file=sys.stderr)
        return error.exit_status
    except BrokenPipeError:
        return 1
    except OSError as error:
        print(f"gnomon: {_one_line(str(error))}: fix that and run the same command again", file=sys.stderr)
        return 1


def _one_line(text: str) -> str:
    return " ".join(text.split()).rstrip(".")


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
