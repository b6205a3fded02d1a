"""What a subject runs on: versions of the libraries and the device, on which the last bits of its answers depend."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

DTYPE = "dtype"
LIBRARIES = ("torch", "transformers", "tokenizers", "numpy")


def describe_environment(subject: object) -> dict[str, str]:
    """Versions of Python, libraries and driver, and the device of a loaded subject.

    On a GPU its number format too; and how its steps run, where that was found out.

    Parameters
    ----------
    subject : EngineSubject
        The subject; one without a torch model has no device here.
    """
    found = {"python": platform.python_version(), "machine": platform.machine()}
    found |= {name: told for name in LIBRARIES if (told := _installed(name))}
    return found | _device(subject) | _steps(subject)


def describe_changes(before: dict[str, str], now: dict[str, str]) -> str:
    """What differs between two environments, such as "torch 2.6.0, now 2.7.0"; empty if nothing does.

    The number format is left out: trials of another one are of another revision, and refused.

    Parameters
    ----------
    before, now : dict of str to str
        As `describe_environment` returns them.
    """
    names = [name for name in dict.fromkeys([*before, *now]) if before.get(name) != now.get(name) and name != DTYPE]
    return "; ".join(f"{name} {before.get(name, 'none')}, now {now.get(name, 'none')}" for name in names)


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _steps(subject: object) -> dict[str, str]:
    """How steps of decoding run, where that was found out (`generation.fast_engine.fast_proof`)."""
    proof = getattr(getattr(subject, "model", None), "_gnomon_steps", None)
    return {} if proof is None else {"steps": str(proof)}


def _device(subject: object) -> dict[str, str]:
    place = getattr(subject, "model_device", None)
    kind = getattr(place, "type", None)
    if kind is None:
        return {}
    if kind != "cuda":
        return {"device": str(kind)}
    import torch

    cuda = str(torch.version.cuda or torch.version.hip or "")
    dtype = str(getattr(getattr(subject, "model", None), "dtype", "")).removeprefix("torch.")
    return {"device": torch.cuda.get_device_name(place), "cuda": cuda, DTYPE: dtype}
