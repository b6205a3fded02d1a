"""Imports ArviZ: its caches can be written, its FutureWarning is hidden, a study's folder gives it no settings."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

from gnomon.data.files import redirect_library_caches


def import_arviz() -> Any:
    """The module `arviz`; call it before nutpie or PyMC is imported, since they import it too.

    Once a day ArviZ warns that its next major version will differ. This distribution pins the present version, so the
    warning does not concern its users.
    """
    redirect_library_caches()
    with warnings.catch_warnings(), _away_from_data():
        warnings.filterwarnings("ignore", message=r"\s*ArviZ is undergoing a major refactor", category=FutureWarning)
        import arviz

    return arviz


@contextmanager
def _away_from_data() -> Iterator[None]:
    """Leave the current folder for the import where Python may import nothing from it, as in every command.

    ArviZ and Matplotlib, which it imports, take settings from files `arvizrc` and `matplotlibrc` there, and it may be a
    study of somebody else.
    """
    if "arviz" in sys.modules or not os.environ.get("PYTHONSAFEPATH"):
        yield
        return
    with chdir(Path(__file__).parent):
        yield
