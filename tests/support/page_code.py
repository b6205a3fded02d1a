"""Code blocks of Markdown pages, run as a reader would: Bash and Python blocks of a page in order, in one folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(
    r"(?:^\*Not run by the tests: (?P<reason>[^\n]+)\.\*\n\n)?^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.M | re.S
)
LONGEST = 900
"""Seconds that a block may take on a busy machine."""


@dataclass(frozen=True)
class CodeBlock:
    """A fenced block: where it stands, its language, its text, and why it is not run (None where it is)."""

    place: str
    language: str
    code: str
    reason: str | None


class BlockError(Exception):
    """A block of a page does not do what the page says."""


def blocks_of(page: Path) -> list[CodeBlock]:
    """All fenced blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    name = page.relative_to(ROOT).as_posix()
    return [
        CodeBlock(
            f"{name}:{text.count(chr(10), 0, found.start('code'))}", found["language"], found["code"], found["reason"]
        )
        for found in FENCE.finditer(text)
    ]


def run_blocks(blocks: Sequence[CodeBlock], folder: Path, names: dict[str, object] | None = None) -> dict[str, object]:
    """Run blocks in `folder`: Bash with `gnomon` on the path, Python in one namespace; TOML is only parsed."""
    space: dict[str, object] = {"__name__": "page", **(names or {})}
    for block in blocks:
        if block.reason is not None or block.language == "text":
            continue
        try:
            if block.language == "bash":
                _run_bash(block.code, folder)
            elif block.language == "python":
                with chdir(folder):
                    exec(compile(block.code, block.place, "exec"), space)
            else:
                tomllib.loads(block.code)
        except Exception as error:
            raise BlockError(f"{block.place}: {type(error).__name__}: {error}") from error
    return space


def _run_bash(code: str, folder: Path) -> None:
    targets = re.findall(r"^make ([a-z-]+)", code, re.MULTILINE)
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    if targets:
        if missing := set(targets) - known:
            raise BlockError(f"make has no target {missing}")
        return
    command = folder / "bin" / "gnomon"
    if not command.exists():
        command.parent.mkdir()
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gnomon "$@"\n', encoding="utf-8")
        command.chmod(0o755)
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    if done.returncode:
        raise BlockError(f"status {done.returncode}: {done.stderr.strip()[-1000:]}")
