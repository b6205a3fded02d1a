"""Coverage of estimates by calibrated scores and of calibration curves; size of the test whether a map holds elsewhere.

    python -m bench.calibration_methods.graded_scores --out FILE [--runs 2000]

Every run is one line of FILE (a JSON object); a second call goes on where the file ends and prints the tables. Monte
Carlo error of a share c: sqrt(c (1 - c) / runs). Real scores (`cje-arena-sample`) are left out where they are absent.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import TypedDict

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnomon.calibration.graded.calibration_curve import monotone_band
from gnomon.calibration.graded.graded_mean import graded_mean, regression_mean
from gnomon.calibration.graded.graded_results import TransferStatus
from gnomon.calibration.graded.isotonic_map import fit_isotonic
from gnomon.calibration.graded.level_posterior import level_posterior
from gnomon.calibration.graded.map_transfer import check_transfer, transferred_mean
from gnomon.calibration.posterior.single_judge import joint_posterior

Floats = NDArray[np.float64]
Curve = Callable[[Floats], Floats]
ARENA = Path(__file__).parents[3] / "shared" / "data" / "cje-arena-sample" / "scores.csv"
ARENA_RUNS, ARENA_LABELS = 500, 60
ARENA_MARGIN = 0.05
TRUTH_DRAWS = 400_000


class GradedRun(TypedDict):
    """One line of the file: which world and run, and numbers by name (shares as 0 and 1)."""

    world: str
    run: int
    numbers: dict[str, float]


@dataclass(frozen=True)
class ScoreWorld:
    """A judge's scores (beta, `levels` of them if above 0) and P(event | score).

    Trials are labelled with the same probability or, with `chosen` above 1, with a probability that is so many times as
    high where the score is above 1/2.
    """

    name: str
    shape: tuple[float, float]
    curve: Curve
    labels: int
    pool: int = 500
    levels: int = 0
    chosen: float = 1.0


WORLDS = (
    ScoreWorld("calibrated, 60 labels", (1, 2), lambda s: s, 60),
    ScoreWorld("calibrated, 200 labels", (1, 2), lambda s: s, 200),
    ScoreWorld("overconfident, 60 labels", (0.5, 0.5), lambda s: 0.3 + 0.3 * s, 60),
    ScoreWorld("event from .8 on, 60 labels", (1, 1), lambda s: 1 / (1 + np.exp(-25 * (s - 0.8))), 60),
    ScoreWorld("event from .8 on, 200 labels", (1, 1), lambda s: 1 / (1 + np.exp(-25 * (s - 0.8))), 200),
    ScoreWorld("rare events, 120 labels", (1, 6), lambda s: 0.6 * s**1.5, 120, 2000),
    ScoreWorld("four levels, 60 labels", (1, 1.5), lambda s: s**2, 60, levels=4),
    ScoreWorld("useless, 60 labels", (1, 1), lambda s: 0.3 + 0 * s, 60),
    ScoreWorld("inverted, 60 labels", (1, 1), lambda s: 0.8 - 0.6 * s, 60),
    ScoreWorld("few labels, 30", (1, 2), lambda s: s, 30),
    ScoreWorld("labels by score, 90", (1, 2), lambda s: s, 90, chosen=4.0),
)
"""Worlds of the estimate; the increasing ones also of the band, and of the test of a map."""
INCREASING = tuple(world for world in WORLDS if not world.name.startswith(("inverted", "labels by")))
WITH_LEVELS = ("calibrated, 60 labels", "event from .8 on, 60 labels", "rare events, 120 labels", "few labels, 30")
"""Worlds of the posterior with levels, which takes longest."""
SLICES = (60, 200)
SHIFTS = (-0.1, 0.1)


def draw_scores(world: ScoreWorld, n: int, random: np.random.Generator) -> tuple[Floats, Floats]:
    """Scores and events of n trials.

    Parameters
    ----------
    world : ScoreWorld
        The world.
    n : int
        Number of trials.
    random : numpy.random.Generator
        Source of randomness.
    """
    scores = random.beta(*world.shape, n)
    if world.levels:
        scores = np.floor(scores * world.levels) / (world.levels - 1)
    return scores, (random.random(n) < world.curve(scores)).astype(float)


def true_rate(world: ScoreWorld) -> float:
    """Event rate of a world, by its expected value over many scores."""
    return float(world.curve(draw_scores(world, TRUTH_DRAWS, np.random.default_rng(1))[0]).mean())


def estimate_run(world: ScoreWorld, rate: float, random: np.random.Generator) -> dict[str, float]:
    """Whether each interval for the event rate holds it, and its width.

    Parameters
    ----------
    world : ScoreWorld
        The world.
    rate : float
        Its event rate.
    random : numpy.random.Generator
        Source of randomness.
    """
    scores, events = draw_scores(world, world.pool, random)
    tilt = np.where(scores > 0.5, world.chosen, 1.0)
    if world.chosen > 1:
        chance = np.minimum(1.0, tilt * world.labels / tilt.sum())
        chosen = np.flatnonzero(random.random(world.pool) < chance)
    else:
        chosen = random.choice(world.pool, world.labels, replace=False)
    weights, said = 1 / tilt[chosen], (scores >= 0.5).astype(float)
    sample = (events[chosen], scores[chosen])
    found = {
        "graded": graded_mean(*sample, scores, weights, superpopulation=True),
        "rounded": regression_mean(sample[0], said[chosen], said, weights, superpopulation=True),
        "labels": regression_mean(sample[0], said[chosen], said, weights, 0.0, superpopulation=True),
    }
    held = {name: float(each.low <= rate <= each.high) for name, each in found.items()}
    return held | {f"{name} width": each.high - each.low for name, each in found.items()}


def level_run(world: ScoreWorld, rate: float, random: np.random.Generator) -> dict[str, float]:
    """Whether the posteriors with levels and with rounded verdicts hold the event rate, and their widths.

    Parameters
    ----------
    world : ScoreWorld
        The world.
    rate : float
        Its event rate.
    random : numpy.random.Generator
        Source of randomness.
    """
    scores, events = draw_scores(world, world.pool, random)
    chosen = np.zeros(world.pool, dtype=bool)
    chosen[random.choice(world.pool, world.labels, replace=False)] = True
    said, event = scores >= 0.5, events == 1
    hits, rejections = ((float((chosen & event & said).sum()), float((chosen & event).sum())),
                        (float((chosen & ~event & ~said).sum()), float((chosen & ~event).sum())))  # fmt: skip
    if not (hits[1] and rejections[1]):
        return {}
    rest = (float(said[~chosen].sum()), float((~chosen).sum()))
    found = {
        "levels": level_posterior(events[chosen], scores[chosen], scores[~chosen]),
        "joint": joint_posterior(rest, hits, rejections, internal=True),
    }
    held = {name: float(each.low <= rate <= each.high) for name, each in found.items()}
    return held | {f"{name} width": each.high - each.low for name, each in found.items()}


def band_run(world: ScoreWorld, random: np.random.Generator) -> dict[str, float]:
    """Whether the band holds the whole curve, and its mean width.

    Parameters
    ----------
    world : ScoreWorld
        A world whose curve does not decrease.
    random : numpy.random.Generator
        Source of randomness.
    """
    scores, events = draw_scores(world, world.labels, random)
    band = monotone_band(scores, events)
    curve = world.curve(band.scores)
    return {
        "band": float(((band.low <= curve) & (curve <= band.high)).all()),
        "band width": float((band.high - band.low).mean()),
    }


def transfer_run(world: ScoreWorld, labelled: int, shift: float, random: np.random.Generator) -> dict[str, float]:
    """Whether a map passes where it is off by exactly the margin, by a tenth of it and not at all.

    The target's P(event | score) is the learnt map moved by `shift` within [0, 1]; the margin is the mean residual that
    this makes, so the first map is off by it exactly.

    Parameters
    ----------
    world : ScoreWorld
        The world of the source.
    labelled : int
        Labels of the target.
    shift : float
        What is added to the map on the target.
    random : numpy.random.Generator
        Source of randomness.
    """
    scores, events = draw_scores(world, world.labels, random)
    pool = draw_scores(world, 1000, random)[0]
    learnt = fit_isotonic(scores, events)
    calibrated = learnt.calibrate(pool)
    moved = np.clip(calibrated + shift, 0, 1)
    margin = abs(float((moved - calibrated).mean()))
    if margin < 1e-3:
        return {}
    numbers = {}
    for name, chance in (("at the margin", moved), ("a map that holds", calibrated)):
        chosen = random.choice(len(pool), labelled, replace=False)
        labels = (random.random(labelled) < chance[chosen]).astype(float)
        taught, there = (scores, events, None), (pool[chosen], labels, None)
        found = check_transfer(taught, pool, there, margin, source="A", target="B")
        numbers[name] = float(found.status is TransferStatus.PASS)
        numbers[f"unsupported, {name}"] = float(found.status is TransferStatus.UNSUPPORTED)
        if found.is_usable:
            mean = transferred_mean(taught, pool, found)
            numbers[f"mean elsewhere, {name}"] = float(mean.low <= chance.mean() <= mean.high)
    return numbers


def arena_run(table: pd.DataFrame, run: int) -> dict[str, float]:
    """One subsample of 60 oracle labels of the base policy: intervals of its oracle mean, and the other policy refused.

    Parameters
    ----------
    table : pandas.DataFrame
        `cje-arena-sample`: policy, judge_score, oracle_label.
    run : int
        Number of the subsample.
    """
    base = table[table["policy"] == "base"].dropna()
    other = table.loc[table["policy"] != "base", "judge_score"].to_numpy(dtype=float)
    scores, labels = (base[name].to_numpy(dtype=float) for name in ("judge_score", "oracle_label"))
    said, truth = (scores >= 0.5).astype(float), float(labels.mean())
    chosen = np.random.default_rng([27, run]).choice(len(labels), ARENA_LABELS, replace=False)
    found = {
        "graded": graded_mean(labels[chosen], scores[chosen], scores),
        "rounded": regression_mean(labels[chosen], said[chosen], said),
        "labels": regression_mean(labels[chosen], said[chosen], said, lam=0.0),
    }
    moved = check_transfer(
        (scores[chosen], labels[chosen], None), other, ([], [], None), ARENA_MARGIN, source="base", target="other"
    )
    held = {name: float(each.low <= truth <= each.high) for name, each in found.items()}
    widths = {f"{name} width": each.high - each.low for name, each in found.items()}
    return held | widths | {"refused": float(moved.status is TransferStatus.UNSUPPORTED)}


def all_runs(runs: int) -> Iterator[tuple[str, int, Callable[[], dict[str, float]]]]:
    """Name, number and work of every run, in order.

    Parameters
    ----------
    runs : int
        Simulated studies of each world.
    """
    if ARENA.exists():
        table = pd.read_csv(ARENA)
        for run in range(ARENA_RUNS):
            yield "cje-arena-sample", run, partial(arena_run, table, run)
    for place, world in enumerate(WORLDS):
        rate = true_rate(world)
        for run in range(runs):
            yield world.name, run, partial(estimate_run, world, rate, np.random.default_rng([2027, 1, place, run]))
    for place, world in enumerate(WORLDS):
        rate = true_rate(world)
        for run in range(runs if world.name in WITH_LEVELS else 0):
            yield (
                f"levels: {world.name}",
                run,
                partial(level_run, world, rate, np.random.default_rng([2027, 4, place, run])),
            )
    for place, world in enumerate(INCREASING):
        for run in range(runs):
            yield f"band: {world.name}", run, partial(band_run, world, np.random.default_rng([2027, 2, place, run]))
        for size, shift in product(SLICES, SHIFTS):
            name = f"map: {world.name}, {size} there, {shift:+g}"
            for run in range(runs):
                random = np.random.default_rng([2027, 3, place, size, int(shift > 0), run])
                yield name, run, partial(transfer_run, world, size, shift, random)


def summarize_runs(lines: list[GradedRun]) -> Iterator[str]:
    """The tables in Markdown: estimates, bands, maps used elsewhere."""
    frame = pd.DataFrame([{"world": line["world"], **line["numbers"]} for line in lines])
    means = frame.groupby("world", sort=False).mean()
    numbers = frame["world"].value_counts().to_dict()
    rows = [(str(world), f"{numbers[world]:,}", row) for world, row in means.iterrows()]
    yield "| world | runs | graded | rounded | labels | width over rounded | over labels |"
    yield "|---|---|---|---|---|---|---|"
    for world, n, row in rows:
        if not world.startswith(("band: ", "map: ", "levels: ")):
            widths = (row["graded width"] / row[f"{name} width"] for name in ("rounded", "labels"))
            cells = [f"{row[name]:.3f}" for name in ("graded", "rounded", "labels")] + [
                f"{each:.3f}" for each in widths
            ]
            yield f"| {world} | {n} | " + " | ".join(cells) + " |"
    yield ""
    yield "| posterior | runs | levels | yes or no | width of levels over yes or no |"
    yield "|---|---|---|---|---|"
    for world, n, row in rows:
        if world.startswith("levels: "):
            width = row["levels width"] / row["joint width"]
            yield f"| {world[8:]} | {n} | {row['levels']:.3f} | {row['joint']:.3f} | {width:.3f} |"
    yield ""
    yield "| band | runs | holds everywhere | mean width |"
    yield "|---|---|---|---|"
    for world, n, row in rows:
        if world.startswith("band: "):
            yield f"| {world[6:]} | {n} | {row['band']:.3f} | {row['band width']:.2f} |"
    yield ""
    names = ("at the margin", "a map that holds", "unsupported, a map that holds", "mean elsewhere, a map that holds")
    yield "| map | runs | " + " | ".join(names) + " |"
    yield "|---|---|" + "---|" * len(names)
    for world, n, row in rows:
        if world.startswith("map: "):
            yield f"| {world[5:]} | {n} | " + " | ".join(f"{row[each]:.3f}" for each in names) + " |"
    if "refused" in means:
        yield ""
        refused = means["refused"].dropna().iloc[0]
        yield f"The other policy of cje-arena-sample was refused in {refused:.3f} of subsamples."


def main() -> None:
    """Run what the file lacks, and print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--only", default="", help="worlds whose names begin so")
    asked = parser.parse_args()
    there = asked.out.read_text(encoding="utf-8").splitlines() if asked.out.exists() else []
    lines: list[GradedRun] = [json.loads(line) for line in there]
    done = {(line["world"], line["run"]) for line in lines}
    with asked.out.open("a", encoding="utf-8") as file:
        for world, run, work in all_runs(asked.runs):
            if world.startswith(asked.only) and (world, run) not in done:
                line = GradedRun(world=world, run=run, numbers=work())
                lines.append(line)
                file.write(json.dumps(line) + "\n")
    print("\n".join(summarize_runs(lines)))


if __name__ == "__main__":
    main()
