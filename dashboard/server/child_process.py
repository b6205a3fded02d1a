"""Runs the app's server as a process that ends with its parent, however the parent ended.

    python -m gnomon.dashboard.server.child_process run ...

The parent holds the other end of standard input and never writes: when it is killed, the system closes that end.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from threading import Thread

from gnomon.dashboard.background.parent_watch import follow_parent

DESCRIPTORS = 4_096
"""Files that the server may have open: Streamlit keeps 3 for each of its last 128 closed sessions, beside those of open
ones, and some systems allow 256.
"""


def main() -> None:
    """Run Streamlit's command line, and stop it when standard input ends."""
    from streamlit.web.cli import main as streamlit

    allow_descriptors()
    Thread(target=follow_parent, args=(sys.stdin.fileno(),), daemon=True).start()
    streamlit()


def allow_descriptors() -> None:
    """Raise this process's own limit of open files as far as the system lets it; without limits it is no matter."""
    try:
        import resource
    except ImportError:  # Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


if __name__ == "__main__":
    main()
