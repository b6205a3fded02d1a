"""Times the demo, as whole processes on an empty folder, after install and conversion: full and quick."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.support.machine import machine


def run(folder: Path, *options: str) -> dict[str, object]:
    """Run one `gnomon demo` as a process.

    Parameters
    ----------
    folder : Path
        Folder of the demo's study.
    *options : str
        Further command-line options.

    Returns
    -------
    dict of str to object
        trials, seconds (wall time and the command's own timings) and diagnostics of the fit.
    """
    started = time.monotonic()
    line = [sys.executable, "-m", "gnomon", "demo", str(folder), "--no-dashboard", "--json", *options]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    document = json.loads(done.stdout)
    parts = {"wall": round(time.monotonic() - started, 1), **document["seconds"]}
    if "published" in document:
        parts["fit_published"] = document["published"]["seconds"]["fit"]
    return {"trials": document["trials"], "seconds": parts, "diagnostics": _short(document["diagnostics"])}


def _short(diagnostics: dict[str, object]) -> dict[str, object]:
    return {name: diagnostics[name] for name in ("max_rhat", "min_ess", "divergences")}


def main() -> None:
    """Measure and print one JSON document."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        result = {
            "machine": machine(),
            "full": run(folder / "full"),
            "full_again": run(folder / "full"),
            "quick": run(folder / "quick", "--quick"),
            "published_only": run(folder / "published", "--published-only"),
        }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
