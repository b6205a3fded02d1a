"""Size of McNemar's tests and coverage of paired intervals for two judge versions on the same labels.

    python -m bench.calibration_methods.paired_comparison --out FILE [--runs 2000]

Every run is one line of FILE (a JSON object); a second call goes on where the file ends and prints the table. Monte
Carlo error of a share c: sqrt(c (1 - c) / runs).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bench.support.run_file import RunFile
from gnomon.calibration.comparison.comparison_results import PairedMeasure
from gnomon.calibration.comparison.paired_errors import compare_arms

ARMS = ("injection",)
MEASURES = ("sensitivity", "specificity", "accuracy", "youden", "kappa")


@dataclass(frozen=True)
class ComparedWorld:
    """Two judges on the same trials.

    `rates` are sensitivity and specificity of both; a share `together` of trials has one random number for both judges'
    errors, so that they err together. With `disputed`, trials on which the judges differ are labelled with probability
    1 and all others with `disputed`, and labels are weighted back.
    """

    name: str
    labels: int
    events: float
    rates: tuple[tuple[float, float], tuple[float, float]]
    together: float
    disputed: float = 1.0


WORLDS = (
    ComparedWorld("equal, 60 labels", 60, 0.4, ((0.85, 0.9), (0.85, 0.9)), 0.5),
    ComparedWorld("equal, 300 labels", 300, 0.3, ((0.9, 0.95), (0.9, 0.95)), 0.7),
    ComparedWorld("equal, rare events", 200, 0.08, ((0.8, 0.97), (0.8, 0.97)), 0.5),
    ComparedWorld("equal, nearly the same judge", 100, 0.4, ((0.9, 0.95), (0.9, 0.95)), 0.95),
    ComparedWorld("better, 60 labels", 60, 0.4, ((0.7, 0.9), (0.9, 0.95)), 0.5),
    ComparedWorld("better, 300 labels", 300, 0.3, ((0.8, 0.9), (0.9, 0.97)), 0.7),
    ComparedWorld("more sensitive, less specific", 200, 0.4, ((0.7, 0.97), (0.9, 0.85)), 0.3),
    ComparedWorld("equal, labels by dispute", 1000, 0.3, ((0.85, 0.9), (0.85, 0.9)), 0.6, 0.2),
    ComparedWorld("better, labels by dispute", 1000, 0.3, ((0.75, 0.9), (0.9, 0.93)), 0.6, 0.2),
)


def true_differences(world: ComparedWorld) -> dict[str, float]:
    """The second judge's measures minus the first's."""
    (se_a, sp_a), (se_b, sp_b) = world.rates
    share = world.events

    def kappa(se: float, sp: float) -> float:
        said = share * se + (1 - share) * (1 - sp)
        observed, expected = share * se + (1 - share) * sp, said * share + (1 - said) * (1 - share)
        return (observed - expected) / (1 - expected)

    accuracy = share * (se_b - se_a) + (1 - share) * (sp_b - sp_a)
    differences = {"sensitivity": se_b - se_a, "specificity": sp_b - sp_a, "accuracy": accuracy}
    return {**differences, "youden": se_b - se_a + sp_b - sp_a, "kappa": kappa(se_b, sp_b) - kappa(se_a, sp_a)}


def draw_rows(world: ComparedWorld, random: np.random.Generator) -> pd.DataFrame:
    """The labelled trials of one simulated study."""
    n = world.labels
    truth = random.random(n) < world.events
    shared, same = random.random(n), random.random(n) < world.together
    said = []
    for sensitivity, specificity in world.rates:
        place = np.where(same, shared, random.random(n))
        right = place < np.where(truth, sensitivity, specificity)
        said.append(np.where(right, truth, ~truth))
    chance = np.where(said[0] != said[1], 1.0, world.disputed)
    labelled = random.random(n) < chance
    rows = pd.DataFrame({"arm": ARMS[0], "a": said[0], "b": said[1], "truth": truth, "weight": 1 / chance})
    return rows[labelled].reset_index(drop=True)


def simulate_run(world: ComparedWorld, place: int, run: int) -> dict[str, object]:
    """Whether each interval holds the true difference, and both p-values below .05."""
    random = np.random.default_rng([2027, place, run])
    whole = compare_arms(draw_rows(world, random))[0]
    found = {each.measure: each for each in whole.measures}
    truth = true_differences(world)
    return {
        "world": world.name,
        "run": run,
        "holds": {name: _holds(found[name], truth[name]) for name in MEASURES},
        "width": {name: _width(found[name]) for name in MEASURES},
        "exact": {name: _below(found[name].p_exact) for name in MEASURES[:3]},
        "mid": {name: _below(found[name].p_mid) for name in MEASURES[:3]},
    }


def _holds(measure: PairedMeasure, truth: float) -> bool | None:
    return None if measure.difference is None else measure.difference.low <= truth <= measure.difference.high


def _width(measure: PairedMeasure) -> float | None:
    return None if measure.difference is None else measure.difference.high - measure.difference.low


def _below(p: float | None) -> bool | None:
    return None if p is None else p <= 0.05


def summarize_runs(lines: list[Mapping[str, object]]) -> Iterator[str]:
    """The table in Markdown: coverage by measure, then rejections by the exact test and by mid-p."""
    yield "| world | runs | " + " | ".join(MEASURES) + " | exact: se, sp, accuracy | mid-p |"
    yield "|---|---|" + "---|" * (len(MEASURES) + 2)
    frame = pd.DataFrame(lines)
    for world in WORLDS:
        mine = frame[frame["world"] == world.name]
        if len(mine):
            cover = pd.DataFrame(mine["holds"].tolist()).mean().map("{:.3f}".format)
            tests = (pd.DataFrame(mine[kind].tolist()).mean().map("{:.3f}".format) for kind in ("exact", "mid"))
            cells = [*(cover[name] for name in MEASURES), *(", ".join(each) for each in tests)]
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
        for run in range(asked.runs):
            if (world.name, run) not in done:
                held.add(simulate_run(world, place, run))
    print("\n".join(summarize_runs(held.lines)))


if __name__ == "__main__":
    main()
