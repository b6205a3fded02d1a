"""Coverage of 95 % intervals in simulation, as measured by `bench.validity` and stored in `coverage.json`.

Two kinds of studies: drawn from the statistical model itself (`interval_validity`), which shows that fits are computed
correctly, and from worlds that the statistical model did not draw (`hostile_worlds`), which shows what holds where the
model is wrong.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

PATH = Path(__file__).with_name("coverage.json")
COLUMNS = ("subjects", "world", "trials", "labels", "studies", "figure", "intervals", "coverage")
WORLD_COLUMNS = (
    "world",
    "about",
    "trials",
    "labels",
    "studies",
    "studies_alone",
    "figure",
    "intervals",
    "withheld",
    "coverage",
    "bias",
    "width",
)


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


class WorldCoverageRow(BaseModel):
    """One kind of estimate in a world: intervals given and withheld, coverage, mean error and mean width."""

    model_config = ConfigDict(frozen=True)

    intervals: int
    withheld: int
    coverage: float | None
    bias: float | None
    width: float | None


class WorldCoverage(BaseModel):
    """One world that the statistical model did not draw, with the coverage of each kind of estimate by name.

    `studies` were fitted; in `studies_alone` more only the design-based estimates were computed.
    """

    model_config = ConfigDict(frozen=True)

    about: str
    trials: int
    labels: int
    studies: int
    studies_alone: int = 0
    figures: dict[str, WorldCoverageRow]


class MeasuredCoverage(BaseModel):
    """The file `coverage.json`: designs drawn from the statistical model, and worlds that it did not draw, by name.

    `version` and `worlds_version` are the versions of the statistical model of which each was measured.
    """

    model_config = ConfigDict(frozen=True)

    version: str
    parts: dict[str, CoverageDesign]
    worlds_version: str = ""
    worlds: dict[str, WorldCoverage] = Field(default_factory=dict)


def read_coverage() -> MeasuredCoverage:
    """The stored measurements."""
    return MeasuredCoverage.model_validate_json(PATH.read_text(encoding="utf-8"))


def write_coverage(measured: MeasuredCoverage) -> None:
    """Replace the stored measurements."""
    PATH.write_text(measured.model_dump_json(indent=1) + "\n", encoding="utf-8")


def interval_coverage(version: str) -> pd.DataFrame:
    """Coverage of nominal 95 % intervals of one version of the model, one row per design and kind of estimate.

    Columns: subjects, world (their properties: `bench.validity.worlds`), trials, labels (on average), studies
    (simulated), figure, intervals (of all studies together) and coverage (share of them that contain the truth). Empty
    if another version was measured.
    """
    found = read_coverage()
    if found.version != version:
        return pd.DataFrame(columns=list(COLUMNS))
    rows = [
        {**part.model_dump(exclude={"figures"}), "figure": figure, **row.model_dump()}
        for part in found.parts.values()
        for figure, row in part.figures.items()
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def world_coverage(version: str) -> pd.DataFrame:
    """Coverage in worlds that the statistical model did not draw, one row per world and kind of estimate.

    Columns: world (its name in `bench.validity.hostile_worlds`), about (in words), trials, labels, studies, figure,
    intervals (given), withheld (estimates without an interval), coverage (share of the intervals given that contain the
    truth), bias (mean of estimate minus truth) and width. Empty if another version was measured.
    """
    found = read_coverage()
    if found.worlds_version != version:
        return pd.DataFrame(columns=list(WORLD_COLUMNS))
    rows = [
        {"world": name, **world.model_dump(exclude={"figures"}), "figure": figure, **row.model_dump()}
        for name, world in found.worlds.items()
        for figure, row in world.figures.items()
    ]
    return pd.DataFrame(rows, columns=list(WORLD_COLUMNS))
