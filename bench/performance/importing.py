"""Times `gnomon import` and `gnomon export` on 100,000 rows per format, as whole processes, SQLite included."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.support.machine import machine

ROWS = 100_000
ANSWER = "I look at what is here, and there is a faint sense of water that I cannot place. " * 4
CONCEPTS = ("ocean", "fear", "silence", "celebration")


def _introspection(number: int) -> dict[str, object]:
    said = {"answer": "pass" if number % 3 else "fail", "coherent": True, "detected_concept": None, "refused": False}
    return {
        "id": f"t{number}",
        "concept": CONCEPTS[number % 4],
        "was_injected": bool(number % 2),
        "response": f"{ANSWER}{number}",
        "config": {"model": f"Toy-{number % 5 + 1}B-Instruct", "layer": 20, "strength": 2.0, "prompt_version": "v2"},
        "label": {**said, "labeler": "human", "timestamp": "2026-02-02T20:47:55.633Z"},
        "judge_result": {**said, "reasoning": ANSWER[:80]},
    }


def _scaling(number: int) -> dict[str, object]:
    flags = {"coherent": True, "affirmative": number % 3 == 0, "correct_identification": number % 6 == 0}
    where = {"condition": ("injected", "no_injection", "random_direction")[number % 3], "layer": 17, "alpha": 100.0}
    about = {"model_id": "Toy-7B", "concept": CONCEPTS[number % 4], "seed": number % 7, "trial": number}
    return {**about, **where, **flags, "detects_before_naming": False, "transcript": f"{ANSWER}{number}"}


def _llama(number: int) -> dict[str, object]:
    kind = ("concept", "control", "random")[number % 3]
    named = {"intervention": kind, "concept": CONCEPTS[number % 4] if number % 3 == 0 else "", "trial": number}
    facts = {"refusal": False, "affirmative": number % 2 == 0, "correct_id": "", "coherent": True}
    return {**named, "intervention_layer": 10, "strength": 2.0, "response": f"{ANSWER}{number}", **facts}


def _lines(path: Path, row: Callable[[int], dict[str, object]]) -> Path:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row(number)) + "\n" for number in range(ROWS))
    return path


def _sheet(path: Path, row: Callable[[int], dict[str, object]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(row(0)))
        writer.writeheader()
        writer.writerows(row(number) for number in range(ROWS))
    return path


def _seconds(*arguments: object) -> float:
    started = time.monotonic()
    line = [sys.executable, "-m", "gnomon", *map(str, arguments)]
    subprocess.run(line, capture_output=True, text=True, check=True)
    return round(time.monotonic() - started, 1)


def measured(folder: Path) -> Iterator[tuple[str, float]]:
    """Name and duration in seconds of each run."""
    first = _lines(folder / "all_calibration.jsonl", _introspection)
    yield "open-introspection", _seconds("import", "open-introspection", first, "--study", folder / "a")
    yield "open-introspection again", _seconds("import", "open-introspection", first, "--study", folder / "a")
    scaling = _lines(folder / "scaling.jsonl", _scaling)
    yield "introspection-scaling", _seconds("import", "introspection-scaling", scaling, "--study", folder / "b")
    llama = _sheet(folder / "8B.csv", _llama)
    yield "llama-introspection", _seconds("import", "llama-introspection", llama, "--study", folder / "c")
    yield "export", _seconds("export", folder / "a", "--out", folder / "out")
    yield "gnomon (trials, verdicts and labels)", _seconds("import", "gnomon", folder / "out", "--study", folder / "d")


def main() -> None:
    """Measure and print one JSON document."""
    with tempfile.TemporaryDirectory() as scratch:
        seconds = dict(measured(Path(scratch)))
    print(json.dumps({"machine": machine(), "rows": ROWS, "seconds": seconds}, indent=2))


if __name__ == "__main__":
    main()
