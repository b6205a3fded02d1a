"""Coverage of the model's intervals in simulation, as measured by `bench interval_validity --ship`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

PATH = Path(__file__).with_name("coverage.json")
COLUMNS = ("subjects", "world", "trials", "labels", "studies", "figure", "intervals", "coverage")


def interval_coverage(version: str) -> pd.DataFrame:
    """Coverage of nominal 95 % intervals of one version of the model, one row per design and kind of estimate.

    Columns: subjects, world (their properties: `bench.validity.worlds`), trials, labels (on average), studies
    (simulated), figure, intervals (of all studies together) and coverage (share of them that contain the truth). Empty
    if another version was measured.
    """
    found: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
    if found["version"] != version:
        return pd.DataFrame(columns=list(COLUMNS))
    rows = [
        {**{name: part[name] for name in COLUMNS[:5]}, "figure": figure, **row}
        for part in found["parts"].values()
        for figure, row in part["figures"].items()
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))
