"""Imports ArviZ, and what imports it, without its notice of the day."""

from __future__ import annotations

import warnings
from typing import Any


def import_arviz() -> Any:
    """The module `arviz`; call it before nutpie or PyMC is imported, since they import it too.

    Once a day ArviZ warns that its next major version will differ. This distribution pins the present one, so the
    warning helps nobody who runs it.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"\s*ArviZ is undergoing a major refactor", category=FutureWarning)
        import arviz

    return arviz
