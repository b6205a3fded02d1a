"""Compiled code is never older than any source that it was made of."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from gnomon.calibration.numerics.numba_cache import sources_digest

ROOT = Path(__file__).resolve().parents[3]


def test_a_change_in_a_called_module_reaches_the_functions_that_call_it(tmp_path: Path) -> None:
    """numba's own cache is keyed by the caller's file alone and would answer 1 again."""
    for folder in ("", "calibration", "calibration/numerics", "data", "stats"):
        (tmp_path / "gnomon" / folder).mkdir()
        (tmp_path / "gnomon" / folder / "__init__.py").touch()
    for module in (Path("calibration", "numerics", "numba_cache.py"), Path("data", "errors.py")):
        shutil.copy(ROOT / module, tmp_path / "gnomon" / module)
    head = "from gnomon.calibration.numerics.numba_cache import compiled\n"
    (tmp_path / "gnomon" / "stats" / "outer.py").write_text(
        f"{head}from gnomon.stats.inner import inner\n@compiled\ndef outer():\n    return inner()\n", encoding="utf-8"
    )
    answers = []
    for value in (1, 2):
        (tmp_path / "gnomon" / "stats" / "inner.py").write_text(
            f"{head}@compiled\ndef inner():\n    return {value}\n", encoding="utf-8"
        )
        code = "from gnomon.stats.outer import outer; print(outer())"
        place = {"GNOMON_CACHE": str(tmp_path / "cache"), "PYTHONPATH": str(tmp_path), "PATH": ""}
        done = subprocess.run(
            [sys.executable, "-B", "-c", code], cwd=tmp_path, env=place, capture_output=True, text=True, check=True
        )
        answers.append(done.stdout.strip())
    assert answers == ["1", "2"]


def test_the_digest_is_of_compiled_sources_alone(tmp_path: Path) -> None:
    for room in ("calibration", "stats"):
        (tmp_path / room).mkdir()
    (tmp_path / "stats" / "fast.py").write_text("@compiled\ndef f(): ...\n", encoding="utf-8")
    before = sources_digest(tmp_path)
    (tmp_path / "stats" / "plain.py").write_text("def g(): ...\n", encoding="utf-8")
    assert sources_digest(tmp_path) == before
    (tmp_path / "stats" / "fast.py").write_text("@compiled\ndef f(): return 1\n", encoding="utf-8")
    assert sources_digest(tmp_path) != before
