"""Imports ArviZ: caches of its libraries lie where they can be written, and its FutureWarning is suppressed."""

from __future__ import annotations

import warnings
from typing import Any

from gnomon.data.files import redirect_library_caches


def import_arviz() -> Any:
    """The module `arviz`; call it before nutpie or PyMC is imported, since they import it too.

    Once a day ArviZ warns that its next major version will differ. This distribution pins the present version, so the
    warning does not concern its users.
    """
    redirect_library_caches()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"\s*ArviZ is undergoing a major refactor", category=FutureWarning)
        import arviz

    return arviz
