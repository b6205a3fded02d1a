"""Hides the progress bars and messages of transformers while a model is loaded, and restores them afterwards."""

from __future__ import annotations

import io
import logging as levels
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

from transformers.utils import logging


@contextmanager
def silence_loading() -> Iterator[None]:
    """Context manager in which nothing is displayed; errors are raised as usual."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(levels.ERROR)
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        with redirect_stderr(io.StringIO()):  # the progress bar of the GGUF reader ignores all settings
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
