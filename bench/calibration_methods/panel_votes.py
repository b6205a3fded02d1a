"""Coverage of the effective number of judges, and of the majority vote's error, on panels of known correlation.

    python -m bench.calibration_methods.panel_votes --out FILE [--runs 2000]

Errors of all judges on a trial have one probability, drawn from a beta distribution: every pair has the correlation
of the world. Every run is one line of FILE (a JSON object); a second call goes on where the file ends and prints the
table. Monte Carlo error of a share c: sqrt(c (1 - c) / runs).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.support.run_file import RunFile
from gnomon.calibration.panel_worth.panel_votes import majority_errors
from gnomon.calibration.panel_worth.vote_correlation import effective_votes, kish_number
from gnomon.data.errors import NotEnoughDataError

PUBLISHED = (9 / 2 - 1) / 8
"""Correlation at which nine judges are worth two (Kohli 2026, arXiv 2605.29800)."""
DRAWS = 400_000


@dataclass(frozen=True)
class PanelWorld:
    """So many labelled trials, judges, their error rate, and the correlation of two judges' errors."""

    name: str
    trials: int
    judges: int
    rate: float
    correlation: float

    def draw_errors(self, trials: int, random: np.random.Generator) -> NDArray[np.float64]:
        """Errors of the judges on so many trials: array (trials, judges)."""
        size = 1 / self.correlation - 1
        chance = random.beta(self.rate * size, (1 - self.rate) * size, trials)
        return (random.random((trials, self.judges)) < chance[:, None]).astype(float)


WORLDS = (
    PanelWorld("nine judges, published correlation", 300, 9, 0.2, PUBLISHED),
    PanelWorld("nine judges, published correlation, few labels", 100, 9, 0.2, PUBLISHED),
    PanelWorld("three judges", 150, 3, 0.08, 0.3),
    PanelWorld("three judges, few labels", 60, 3, 0.2, 0.3),
    PanelWorld("two judges", 100, 2, 0.1, 0.3),
    PanelWorld("two arena-like judges", 277, 2, 0.33, 0.25),
    PanelWorld("three good judges", 300, 3, 0.03, 0.3),
    PanelWorld("five independent judges", 500, 5, 0.1, 0.001),
)


def simulate_run(world: PanelWorld, place: int, run: int, lost: float) -> dict[str, object]:
    """Whether the intervals hold the truth; `lost` is the true error of the majority."""
    random = np.random.default_rng([2028, place, run])
    errors = world.draw_errors(world.trials, random)
    stratum = random.random(world.trials) < 0.4
    majority = majority_errors(errors)[-1]
    line = {"world": world.name, "run": run, "majority": majority.low <= lost <= majority.high}
    try:
        found = effective_votes(errors, stratum)
    except NotEnoughDataError:
        return {**line, "correlation": None, "effective": None, "value": None, "width": None}
    true = kish_number(world.judges, world.correlation)
    return {
        **line,
        "correlation": found.correlation.low <= world.correlation <= found.correlation.high,
        "effective": found.effective.low <= true <= found.effective.high,
        "value": found.effective.value,
        "width": found.effective.high - found.effective.low,
    }


def majority_error(world: PanelWorld, place: int) -> float:
    """The true error of the majority, by simulation."""
    errors = world.draw_errors(DRAWS, np.random.default_rng([2029, place])).sum(axis=1)
    return float((2 * errors > world.judges).mean() + (2 * errors == world.judges).mean() / 2)


def summarize_runs(lines: list[Mapping[str, object]]) -> Iterator[str]:
    """The table in Markdown."""
    yield "| world | runs | true n_eff | median n_eff | coverage of n_eff | mean width | coverage, majority's error |"
    yield "|---|---|---|---|---|---|---|"
    frame = pd.DataFrame(lines)
    for world in WORLDS:
        mine = frame[frame["world"] == world.name]
        if len(mine):
            known = mine.dropna(subset=["effective"])
            true = kish_number(world.judges, world.correlation)
            cells = [f"{true:.2f}", f"{known['value'].median():.2f}", f"{known['effective'].astype(bool).mean():.3f}"]
            cells += [f"{known['width'].mean():.2f}", f"{mine['majority'].astype(bool).mean():.3f}"]
            yield f"| {world.name} | {len(mine):,} | " + " | ".join(cells) + " |"


def main() -> None:
    """Run what the file lacks, and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=2000)
    asked = parser.parse_args()
    held = RunFile(asked.out)
    done = {(line["world"], line["run"]) for line in held.lines}
    for place, world in enumerate(WORLDS):
        lost = majority_error(world, place)
        for run in range(asked.runs):
            if (world.name, run) not in done:
                held.add(simulate_run(world, place, run, lost))
    print("\n".join(summarize_runs(held.lines)))


if __name__ == "__main__":
    main()
