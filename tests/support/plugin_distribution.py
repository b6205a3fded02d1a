"""A distribution with entry points, written into a folder that is put on the import path."""

from __future__ import annotations

from pathlib import Path


def write_distribution(folder: Path, name: str, code: str, group: str, *points: str) -> Path:
    """A module `name` with its metadata; `points` are lines such as "magic = module:object"."""
    (folder / f"{name}.py").write_text(code, encoding="utf-8")
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("\n".join([f"[{group}]", *points]) + "\n", encoding="utf-8")
    return folder
