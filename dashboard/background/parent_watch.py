"""A process that ends with the one that started it, however that one ended."""

from __future__ import annotations

import os
import signal


def follow_parent(held: int) -> None:
    """End this process when its parent does, whose end of a pipe the system then closes.

    Parameters
    ----------
    held : int
        File descriptor of the pipe, from which there is nothing to read.
    """
    while os.read(held, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
