"""Runs the app's server as a process that ends with its parent, however the parent ended.

    python -m gnomon.dashboard.server.child_process run ...

The parent holds the other end of standard input and never writes: when it is killed, the system closes that end.
"""

from __future__ import annotations

import os
import signal
import sys
from threading import Thread


def main() -> None:
    """Run Streamlit's command line, and stop it when standard input ends."""
    from streamlit.web.cli import main as streamlit

    Thread(target=_follow_parent, args=(sys.stdin.fileno(),), daemon=True).start()
    streamlit()


def _follow_parent(held: int) -> None:
    while os.read(held, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
