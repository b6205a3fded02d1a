"""Coverage of the model's intervals in simulation, as measured by `bench interval_validity --ship`."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from pydantic import BaseModel, ConfigDict

PATH = Path(__file__).with_name("coverage.json")
COLUMNS = ("subjects", "world", "trials", "labels", "studies", "figure", "intervals", "coverage")


class CoverageRow(BaseModel):
    """Share of the `intervals` of one kind of estimate that held the truth."""

    model_config = ConfigDict(frozen=True)

    intervals: int
    coverage: float


class CoverageDesign(BaseModel):
    """One design that was simulated, with the coverage of each kind of estimate by name."""

    model_config = ConfigDict(frozen=True)

    subjects: int
    world: str
    trials: int
    labels: float
    studies: int
    figures: dict[str, CoverageRow]


class MeasuredCoverage(BaseModel):
    """The file `coverage.json`: the version of the model that was measured, and the designs by name."""

    model_config = ConfigDict(frozen=True)

    version: str
    parts: dict[str, CoverageDesign]


def interval_coverage(version: str) -> pd.DataFrame:
    """Coverage of nominal 95 % intervals of one version of the model, one row per design and kind of estimate.

    Columns: subjects, world (their properties: `bench.validity.worlds`), trials, labels (on average), studies
    (simulated), figure, intervals (of all studies together) and coverage (share of them that contain the truth). Empty
    if another version was measured.
    """
    found = MeasuredCoverage.model_validate_json(PATH.read_text(encoding="utf-8"))
    if found.version != version:
        return pd.DataFrame(columns=list(COLUMNS))
    rows = [
        {**part.model_dump(exclude={"figures"}), "figure": figure, **row.model_dump()}
        for part in found.parts.values()
        for figure, row in part.figures.items()
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))
