"""Measures coverage of dose-response curves, of pooled cells and of the best cell. Prints one JSON document.

A cell (layer, strength) of a scripted subject has an effect that grows with the dose until it saturates, peaks at a
layer, and deviates by cell after a t distribution; concepts differ by gamma distributed factors and in each cell by
noise, items are shared by all concepts and cells. Intervals are for concepts like these. Subjects: `none` (no effect in
any cell), `flat` (alike in all), `peaked`. Measures: yes-corrected detection in log-odds; the right one of four options
in probability and in words, less control.

`python -m bench.measures.dose_worlds --studies 400 --append FILE`.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from bench.support.run_file import RunFile
from gnomon.stats.measures.doses.cell_pooling import CellEstimates, pool_cells
from gnomon.stats.measures.doses.dose_curves import DoseMeans, cell_estimates, dose_curves, dose_means, dose_measures
from gnomon.stats.measures.measured_trials_frame import checked_frame

SEED, POPULATION, CHANCE = 28, 2000, 0.25


@dataclass(frozen=True)
class DoseDesign:
    """How much is asked.

    Attributes
    ----------
    concepts, items, layers, strengths : int
    """

    concepts: int
    items: int
    layers: int
    strengths: int


DESIGNS = {"few": DoseDesign(4, 8, 2, 3), "usual": DoseDesign(8, 10, 3, 4)}
SUBJECTS = {"none": 0.0, "flat": 1.5, "peaked": 3.0}
TASKS = ("notice", "pick", "words")


def cell_effects(subject: str, design: DoseDesign, rng: np.random.Generator) -> np.ndarray:
    """Mean effects in log-odds, shape (layers, strengths).

    Parameters
    ----------
    subject : str
    design : DoseDesign
    rng : Generator
    """
    shape = (design.layers, design.strengths)
    if subject == "none":
        return np.zeros(shape)
    if subject == "flat":
        return np.full(shape, SUBJECTS[subject])
    dose = 1 - np.exp(-1.5 * np.arange(1, design.strengths + 1) / design.strengths)
    place = np.exp(-0.5 * (np.arange(design.layers) - design.layers / 3) ** 2)
    return np.asarray(SUBJECTS[subject] * np.outer(place, dose) + 0.4 * rng.standard_t(5, shape) * np.sqrt(0.6))


def study_frame(task: str, effects: np.ndarray, design: DoseDesign, rng: np.random.Generator) -> pd.DataFrame:
    """Trials of one study.

    Parameters
    ----------
    task : str
    effects : ndarray, shape (layers, strengths)
    design : DoseDesign
    rng : Generator
    """
    size = (design.concepts, design.items, *effects.shape)
    factor = rng.gamma(3, 1 / 3, design.concepts)
    own = 0.5 * rng.standard_normal((design.concepts, *effects.shape))
    rows = []
    for name, base in (
        {"notice": -4.0, "unrelated_no": -5.0}.items() if task == "notice" else {"pick": logit(CHANCE)}.items()
    ):
        items = rng.standard_t(5, design.items)
        answers = 0.5 * rng.standard_t(5, design.items)
        bias = 1.5 if task == "notice" else 0.0
        gains = factor[:, None, None] * effects + own if name != "unrelated_no" else 0.5 * own
        odds = base + (items + answers)[None, :, None, None] + bias + gains[:, None] + rng.standard_normal(size)
        plain = base + items + 0.3 * rng.standard_normal((design.concepts, design.items))
        c, i, layer, strength = (axis.ravel() for axis in np.indices(size))
        rows.append(_rows(name, "injection", odds.ravel(), c, i).assign(layer=layer + 1.0, strength=strength + 1.0))
        c, i = (axis.ravel() for axis in np.indices(plain.shape))
        rows.append(_rows(name, "control", plain.ravel(), c, i))
    frame = pd.concat(rows, ignore_index=True)
    answered = frame.pop("odds")
    if task == "notice":
        return checked_frame(frame.assign(log_odds_yes=answered, correct=np.nan))
    if task == "pick":
        return checked_frame(frame.assign(p_correct=expit(answered), correct=np.nan, chance=CHANCE))
    return checked_frame(
        frame.assign(correct=(rng.random(len(answered)) < expit(answered)).astype(float), chance=CHANCE)
    )


def _rows(task: str, arm: str, odds: np.ndarray, concepts: np.ndarray, items: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "subject": "scripted",
            "task": task,
            "arm": arm,
            "concept": [f"c{each}" for each in concepts],
            "layer": np.nan,
            "strength": 0.0,
            "item": [f"q{each}" for each in items],
            "expected": {"notice": "yes", "unrelated_no": "no"}.get(task, "a"),
            "odds": odds,
        }
    )


def true_effects(task: str, effects: np.ndarray) -> np.ndarray:
    """What the estimators aim at in each cell, shape (layers, strengths).

    Parameters
    ----------
    task : str
    effects : ndarray, shape (layers, strengths)
    """
    if task == "notice":
        return effects
    rng = np.random.default_rng(SEED)
    items, plain = logit(CHANCE) + rng.standard_t(5, POPULATION * 10), 0.3 * rng.standard_normal(POPULATION * 10)
    answers = 0.5 * rng.standard_t(5, items.shape) + np.sqrt(1.25) * rng.standard_normal(items.shape)
    factor = rng.gamma(3, 1 / 3, items.shape)
    steered = [expit(items + answers + factor * effect).mean() for effect in effects.ravel()]
    return np.asarray(np.reshape(steered, effects.shape) - expit(items + plain).mean())


def study_results(task: str, subject: str, design: DoseDesign, number: int) -> dict[str, list[float]]:
    """Whether intervals hold the truth, and errors, by what they are of.

    Parameters
    ----------
    task, subject : str
    design : DoseDesign
    number : int
        Of the study; it sets the seed.
    """
    rng = np.random.default_rng([SEED, number])
    effects = cell_effects(subject, design, rng)
    frame = study_frame(task, effects, design, rng)
    truth = true_effects(task, effects)
    (found,) = (dose_means(frame, "scripted", measure) for measure in dose_measures(frame, "scripted"))
    if found is None:
        raise ValueError("no cells")
    held: dict[str, list[float]] = {}
    for curve in dose_curves(found):
        aims = truth.mean(axis=0 if curve.axis == "strength" else 1)
        inside = [_holds(point.estimate.headline, aims[int(point.at) - 1]) for point in curve.points]
        held.setdefault("point", []).extend(inside)
        both = [_holds(point.simultaneous, aims[int(point.at) - 1]) for point in curve.points]
        held.setdefault("whole curve", []).append(float(all(both)))
        if curve.rise is not None:
            held["rise"] = [_holds(curve.rise.headline, aims[-1] - aims[0])]
    held |= _cell_results(found, truth)
    return held


def _cell_results(found: DoseMeans, truth: np.ndarray) -> dict[str, list[float]]:
    cells = cell_estimates(found)
    raw = list(cells.cells) if cells else []
    aims = [truth[int(cell.by["layer"]) - 1, int(cell.by["strength"]) - 1] for cell in raw]
    pooled = pool_cells([cells]) if cells else []
    alone = pool_cells([CellEstimates(raw)])
    best, highest, sole = (
        max(range(len(aims)), key=lambda place: values[place])
        for values in (
            [each.estimate.value for each in pooled],
            [each.value for each in raw],
            [each.estimate.value for each in alone],
        )
    )
    return {
        "cell": [_holds(cell.headline, aim) for cell, aim in zip(raw, aims, strict=True)],
        "pooled cell": [_holds(cell.estimate, aim) for cell, aim in zip(pooled, aims, strict=True)],
        "best cell, pooled": [_holds(pooled[best].estimate, aims[best])],
        "best cell, pooled without correlation": [_holds(alone[sole].estimate, aims[sole])],
        "best cell, raw": [_holds(raw[highest].headline, aims[highest])],
        "error of the best, pooled": [pooled[best].estimate.value - aims[best]],
        "error of the best, raw": [raw[highest].value - aims[highest]],
        "width, pooled": [cell.estimate.high - cell.estimate.low for cell in pooled],
        "width, raw": [cell.headline.high - cell.headline.low for cell in raw if cell.headline],
    }


def _holds(interval: object, truth: float) -> float:
    low, high = getattr(interval, "low", np.inf), getattr(interval, "high", -np.inf)
    return float(low <= truth <= high)


def measure_world(task: str, subject: str, design: DoseDesign, studies: int) -> dict[str, float]:
    """Mean of every result over studies.

    Parameters
    ----------
    task, subject : str
    design : DoseDesign
    studies : int
    """
    results: dict[str, list[float]] = {}
    for number in range(studies):
        for name, values in study_results(task, subject, design, number).items():
            results.setdefault(name, []).append(float(np.mean(values)))
    return {name: round(float(np.mean(values)), 4) for name, values in results.items()}


def main() -> None:
    """Measure and print; with `--append` each world goes to the file, and those in it are not repeated."""
    options = argparse.ArgumentParser(prog="python -m bench.measures.dose_worlds", description=__doc__)
    options.add_argument("--studies", type=int, default=400)
    options.add_argument("--task", choices=TASKS)
    options.add_argument("--subject", choices=list(SUBJECTS))
    options.add_argument("--design", choices=list(DESIGNS))
    options.add_argument("--append", type=Path)
    chosen = options.parse_args()
    held = RunFile(chosen.append)
    done = {each["world"] for each in held.lines}
    for design in [chosen.design] if chosen.design else DESIGNS:
        for task in [chosen.task] if chosen.task else TASKS:
            for subject in [chosen.subject] if chosen.subject else SUBJECTS:
                world = f"{design} {task} {subject} {chosen.studies}"
                if world in done:
                    continue
                rows = measure_world(task, subject, DESIGNS[design], chosen.studies)
                held.add({"world": world, "rows": rows})
    print(json.dumps({str(each["world"]): each["rows"] for each in held.lines}, indent=1))


if __name__ == "__main__":
    main()
