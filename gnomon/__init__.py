"""Gnomon: how often does a language model notice an injected thought, and how sure may we be, given a fallible judge?

    import gnomon as gn

Public names are loaded when they are first used, so that importing costs nothing. docs/api.md describes each.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gnomon.api import agreement as agreement
    from gnomon.api import bounds as bounds
    from gnomon.api import correction as correction
    from gnomon.api.frame_audit import audit as audit
    from gnomon.api.steering import concept_vector as concept_vector
    from gnomon.api.steering import load_model as load_model
    from gnomon.api.steering import steer as steer
    from gnomon.api.study import Study as Study
    from gnomon.api.study import open_study as open_study
    from gnomon.api.study_creation import create_study as create_study
    from gnomon.data.arms import register_arm as register_arm
    from gnomon.data.errors import GnomonError as GnomonError
    from gnomon.data.exporters import register_exporter as register_exporter
    from gnomon.data.facts import register_fact as register_fact
    from gnomon.data.importers import register_importer as register_importer
    from gnomon.judging.kinds import register_judge as register_judge
    from gnomon.stats.bounds.selection_bounds import ArmCounts as ArmCounts
    from gnomon.stats.estimand_registry import register_estimand as register_estimand
    from gnomon.stats.model.priors import Priors as Priors

    __version__: str

_OLDEST = (3, 11)
"""Oldest Python that runs Gnomon, as `requires-python` in pyproject.toml says."""


def _refuse_old_python(version: tuple[int, int]) -> None:
    """End with one line under a Python that is too old: status 2 where Gnomon is run, else an ImportError."""
    if version >= _OLDEST:
        return
    line = (
        f"gnomon: Python {version[0]}.{version[1]} is too old: install Python {_OLDEST[0]}.{_OLDEST[1]} or "
        f"{_OLDEST[0]}.{_OLDEST[1] + 1}, and Gnomon with it (make setup PYTHON=/path/to/python3.11)"
    )
    if sys.argv[:1] != ["-m"]:  # imported, not run as `python -m gnomon`
        raise ImportError(line)
    sys.stderr.write(f"{line}\n")
    raise SystemExit(2)


_refuse_old_python((sys.version_info[0], sys.version_info[1]))

_PLACES = {
    "ArmCounts": "gnomon.stats.bounds.selection_bounds:ArmCounts",
    "GnomonError": "gnomon.data.errors:GnomonError",
    "Priors": "gnomon.stats.model.priors:Priors",
    "Study": "gnomon.api.study:Study",
    "agreement": "gnomon.api.agreement",
    "audit": "gnomon.api.frame_audit:audit",
    "bounds": "gnomon.api.bounds",
    "concept_vector": "gnomon.api.steering:concept_vector",
    "correction": "gnomon.api.correction",
    "create_study": "gnomon.api.study_creation:create_study",
    "load_model": "gnomon.api.steering:load_model",
    "open_study": "gnomon.api.study:open_study",
    "register_arm": "gnomon.data.arms:register_arm",
    "register_estimand": "gnomon.stats.estimand_registry:register_estimand",
    "register_exporter": "gnomon.data.exporters:register_exporter",
    "register_fact": "gnomon.data.facts:register_fact",
    "register_importer": "gnomon.data.importers:register_importer",
    "register_judge": "gnomon.judging.kinds:register_judge",
    "steer": "gnomon.api.steering:steer",
}
"""Where each public name is defined: a module, or a module and a name in it."""

__all__ = [
    "ArmCounts",
    "GnomonError",
    "Priors",
    "Study",
    "__version__",
    "agreement",
    "audit",
    "bounds",
    "concept_vector",
    "correction",
    "create_study",
    "load_model",
    "open_study",
    "register_arm",
    "register_estimand",
    "register_exporter",
    "register_fact",
    "register_importer",
    "register_judge",
    "steer",
]


def __getattr__(name: str) -> Any:
    """A public name, loaded when it is first asked for (PEP 562)."""
    if name == "__version__":
        value: Any = _installed_version()
    elif name in _PLACES:
        from gnomon.data.errors import missing_packages_named

        module, _, attribute = _PLACES[name].partition(":")
        with missing_packages_named():
            value = getattr(import_module(module), attribute) if attribute else import_module(module)
    else:
        raise AttributeError(f"module 'gnomon' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)


def _installed_version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    from gnomon.data.errors import DISTRIBUTION

    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return "unknown"
