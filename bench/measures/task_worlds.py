"""Measures coverage of rates, d', c, areas, paired rates and bits of scripted subjects. Prints one JSON document.

The worlds are not drawn from the model of the estimators: concepts differ by skewed effects, items by a t distribution,
options are preferred unequally, answers are drawn from the probabilities, and controls are near 0 or 1 where real ones
are. What is measured is named `task quantity`:

    notice d_prime, criterion   answers in words to the yes-or-no question
    timing rate, difference     claimed before it is named, in words, control near 0
    stronger rate, probability  which of two: both orders, with a preference for a place
    rating auc                  the expected digit
    pick rate, probability, difference, bits    one of all concepts, with a subject's preferences

`python -m bench.measures.task_worlds --studies 400`; `--task pick --subject none --append FILE` for some of it, and to
go on where an earlier run stopped.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit, ndtri, softmax

from bench.support.run_file import RunFile
from gnomon.data.results import Estimate
from gnomon.stats.measures.arm_rates import arm_rate, control_difference
from gnomon.stats.measures.graded_detection import area_under_curve, detection_indices
from gnomon.stats.measures.identification_bits import identification_bits, table_information
from gnomon.stats.measures.measure_results import MeasuredEstimate
from gnomon.stats.measures.measured_trials_frame import PROBABILITY, RATE, Scale, checked_frame

SEED, POPULATION = 27, 2_000
INJECTION, CONTROL = "injection", "control"


@dataclass(frozen=True)
class TaskDesign:
    """How much is asked.

    Attributes
    ----------
    concepts, items : int
    crossed : bool
        Whether all concepts have the same items.
    """

    concepts: int
    items: int
    crossed: bool = True


DESIGNS = {"few": TaskDesign(4, 8), "usual": TaskDesign(8, 12), "nested": TaskDesign(8, 8, crossed=False)}


@dataclass(frozen=True)
class TaskScript:
    """What a subject answers, in log-odds of the event without and with a vector.

    Attributes
    ----------
    base : float
        Without a vector.
    push : float
        Mean push of a vector on the event, gamma distributed over concepts.
    spread : float
        Coefficient of variation of the pushes.
    item_sd : float
        Of items' log-odds.
    place : float
        Preference for a place, or for an option: standard deviation, in log-odds.
    """

    base: float
    push: float
    spread: float = 0.7
    item_sd: float = 0.8
    place: float = 1.0


SCRIPTS = {
    "none": TaskScript(-4.0, 0.0),
    "some": TaskScript(-3.0, 2.5),
    "most": TaskScript(-1.0, 4.0),
}


class Covered(NamedTuple):
    """One interval of one study."""

    quantity: str
    target: str
    truth: float
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class DrawnConcepts:
    """Concepts of a study: pushes, and how much a subject likes each as an answer."""

    push: np.ndarray
    liked: np.ndarray


Truths = dict[str, float]
MakeOdds = Callable[[TaskScript, DrawnConcepts, np.ndarray, bool, np.random.Generator], np.ndarray]


def drawn_concepts(script: TaskScript, count: int, rng: np.random.Generator) -> DrawnConcepts:
    """Concepts with gamma distributed pushes and normal preferences.

    Parameters
    ----------
    script : TaskScript
    count : int
    rng : Generator
    """
    shape = 1 / script.spread**2
    return DrawnConcepts(script.push * rng.gamma(shape, 1 / shape, count), script.place * rng.standard_normal(count))


def drawn_items(script: TaskScript, count: int, rng: np.random.Generator) -> np.ndarray:
    """Log-odds that items add, Student's t with 5 degrees of freedom, shape (count,).

    Parameters
    ----------
    script : TaskScript
    count : int
    rng : Generator
    """
    return np.asarray(script.item_sd * rng.standard_t(5, count) * np.sqrt(3 / 5))


def event_odds(
    script: TaskScript, concepts: DrawnConcepts, items: np.ndarray, steered: bool, rng: np.random.Generator
) -> np.ndarray:
    """Log-odds of the event, shape (concepts, items).

    Parameters
    ----------
    script : TaskScript
    concepts : DrawnConcepts
    items : ndarray, shape (concepts, items)
    steered : bool
    rng : Generator
    """
    noise = rng.standard_normal(items.shape) * (0.8 if steered else 0.3)
    return np.asarray(script.base + items + noise + (concepts.push[:, None] if steered else 0.0))


def pair_odds(
    script: TaskScript, concepts: DrawnConcepts, items: np.ndarray, steered: bool, rng: np.random.Generator
) -> np.ndarray:
    """Log-odds of the right one of two in both orders, shape (2, concepts, items); a place is preferred.

    Parameters
    ----------
    script : TaskScript
    concepts : DrawnConcepts
    items : ndarray, shape (concepts, items)
    steered : bool
    rng : Generator
    """
    place = 1.5 + items
    push = 0.5 * concepts.push[:, None] if steered else 0.0
    return np.stack([push + side * place + 0.5 * rng.standard_normal(items.shape) for side in (1, -1)])


def option_shares(
    script: TaskScript, concepts: DrawnConcepts, items: np.ndarray, steered: bool, rng: np.random.Generator
) -> np.ndarray:
    """Probabilities of all concepts as answers, shape (concepts, items, concepts).

    Parameters
    ----------
    script : TaskScript
    concepts : DrawnConcepts
    items : ndarray, shape (concepts, items)
        Not used: an item is an order, in which every place has a preference of its own.
    steered : bool
    rng : Generator
    """
    size = len(concepts.push)
    odds = concepts.liked + rng.standard_normal((*items.shape, size)) * script.item_sd
    if steered:
        odds = odds + np.eye(size)[:, None, :] * concepts.push[:, None, None]
    return np.asarray(softmax(odds, axis=-1))


def frame_of(
    task: str, arm: str, columns: dict[str, np.ndarray], names: np.ndarray, pair: bool = False
) -> pd.DataFrame:
    """Trials of one arm from tables by concept and item.

    Parameters
    ----------
    task, arm : str
    columns : dict of str to ndarray, shape (concepts, items)
    names : ndarray, shape (concepts, items)
        Numbers of items.
    pair : bool
        Whether two orders of an item are a pair.
    """
    concepts = np.repeat(np.arange(names.shape[0]), names.shape[1])
    steered = arm == INJECTION
    has_concept = steered or task not in ("notice", "rating")
    frame = pd.DataFrame(
        {
            "subject": "scripted",
            "task": task,
            "arm": arm,
            "concept": [f"c{each}" for each in concepts] if has_concept else None,
            "layer": 9.0 if steered else np.nan,
            "strength": 4.0 if steered else 0.0,
            "item": [f"q{each}" for each in names.ravel()],
            "expected": "yes" if task == "notice" else [f"c{each}" for each in concepts],
            "correct": np.nan,
            **{name: values.ravel() for name, values in columns.items()},
        }
    )
    return frame.assign(pair=[f"{c}: {i}" for c, i in zip(concepts, names.ravel(), strict=True)]) if pair else frame


def study_lines(task: str, script: TaskScript, design: TaskDesign, number: int) -> Iterator[Covered]:
    """Intervals of one simulated study.

    Parameters
    ----------
    task : str
    script : TaskScript
    design : TaskDesign
    number : int
        Of the study; it sets the seed.
    """
    rng = np.random.default_rng([SEED, number])
    concepts = drawn_concepts(script, design.concepts, rng)
    yield from TASKS[task](script, design, concepts, rng)


def _item_table(script: TaskScript, design: TaskDesign, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    shape = (design.concepts, design.items)
    if design.crossed:
        made = drawn_items(script, design.items, rng)
        return np.broadcast_to(made, shape), np.broadcast_to(np.arange(design.items), shape)
    return drawn_items(script, shape[0] * shape[1], rng).reshape(shape), np.arange(shape[0] * shape[1]).reshape(shape)


def _many_items(script: TaskScript, concepts: int, rng: np.random.Generator) -> np.ndarray:
    size = max(40, POPULATION // concepts)
    return drawn_items(script, concepts * size, rng).reshape(concepts, size)


def _lines(quantity: str, found: MeasuredEstimate | None, these: float, like: float) -> Iterator[Covered]:
    if found is None:
        return
    for target, truth, interval in (("these", these, found.these), ("like_these", like, found.like_these)):
        if interval is not None:
            yield _line(quantity, target, truth, interval)


def _line(quantity: str, target: str, truth: float, interval: Estimate) -> Covered:
    return Covered(quantity, target, truth, interval.value, interval.low, interval.high)


@cache
def _population(script: TaskScript) -> DrawnConcepts:
    return drawn_concepts(script, 20_000, np.random.default_rng(SEED))


def _event_rate(script: TaskScript, concepts: DrawnConcepts, steered: bool) -> float:
    rng = np.random.default_rng(SEED + 1)
    return float(expit(event_odds(script, concepts, _many_items(script, len(concepts.push), rng), steered, rng)).mean())


@cache
def _population_rate(script: TaskScript, steered: bool) -> float:
    return _event_rate(script, _population(script), steered)


def _plain_items(items: np.ndarray, names: np.ndarray, design: TaskDesign) -> tuple[np.ndarray, np.ndarray]:
    """Items of a control without concepts: each once."""
    return (items[:1], names[:1]) if design.crossed else (items.reshape(1, -1), names.reshape(1, -1))


def _notice_lines(
    script: TaskScript, design: TaskDesign, concepts: DrawnConcepts, rng: np.random.Generator
) -> Iterator[Covered]:
    items, names = _item_table(script, design, rng)
    plain, plain_names = _plain_items(items, names, design)
    steered = event_odds(script, concepts, items, True, rng)
    without = script.base + plain + 0.3 * rng.standard_normal(plain.shape)
    frame = pd.concat(
        [
            frame_of("notice", arm, {"correct": (rng.random(odds.shape) < expit(odds)).astype(float)}, which)
            for arm, odds, which in ((INJECTION, steered, names), (CONTROL, without, plain_names))
        ]
    )
    alarm = ndtri(_population_rate(script, False))
    hits = [ndtri(_event_rate(script, concepts, True)), ndtri(_population_rate(script, True))]
    truths = {"d_prime": [hit - alarm for hit in hits], "criterion": [-(hit + alarm) / 2 for hit in hits]}
    for found in detection_indices(checked_frame(frame), "scripted"):
        yield from _lines(f"notice {found.estimand}", found, *map(float, truths[found.estimand]))


def _timing_lines(
    script: TaskScript, design: TaskDesign, concepts: DrawnConcepts, rng: np.random.Generator
) -> Iterator[Covered]:
    items, names = _item_table(script, design, rng)
    frame = pd.concat(
        [
            frame_of(
                "timing",
                arm,
                {
                    "correct": (
                        rng.random(items.shape) < expit(event_odds(script, concepts, items, arm == INJECTION, rng))
                    ).astype(float)
                },
                names,
            )
            for arm in (INJECTION, CONTROL)
        ]
    )
    frame = checked_frame(frame.assign(picked="no claim"))
    these, like = _event_rate(script, concepts, True), _population_rate(script, True)
    plain = _population_rate(script, False)
    yield from _lines("timing rate", arm_rate(frame, "scripted", "timing", INJECTION), these, like)
    yield from _lines("timing difference", control_difference(frame, "scripted", "timing"), these - plain, like - plain)


def _stronger_lines(
    script: TaskScript, design: TaskDesign, concepts: DrawnConcepts, rng: np.random.Generator
) -> Iterator[Covered]:
    items, names = _item_table(script, design, rng)
    odds = pair_odds(script, concepts, items, True, rng)
    frame = checked_frame(
        pd.concat(
            [
                frame_of(
                    "stronger",
                    INJECTION,
                    {"p_correct": expit(each), "correct": (rng.random(each.shape) < expit(each)).astype(float)},
                    names,
                    pair=True,
                )
                for each in odds
            ]
        ).assign(chance=0.5)
    )
    truths = _pair_rate(script, concepts), _population_pair_rate(script)
    scales: dict[str, Scale] = {"rate": RATE, "probability": PROBABILITY}
    for name, scale in scales.items():
        found = arm_rate(frame, "scripted", "stronger", INJECTION, scale=scale)
        yield from _lines(f"stronger {name}", found, *truths)


def _pair_rate(script: TaskScript, concepts: DrawnConcepts) -> float:
    rng = np.random.default_rng(SEED + 2)
    return float(expit(pair_odds(script, concepts, _many_items(script, len(concepts.push), rng), True, rng)).mean())


@cache
def _population_pair_rate(script: TaskScript) -> float:
    return _pair_rate(script, _population(script))


def _rating_lines(
    script: TaskScript, design: TaskDesign, concepts: DrawnConcepts, rng: np.random.Generator
) -> Iterator[Covered]:
    items, names = _item_table(script, design, rng)
    plain, plain_names = _plain_items(items, names, design)
    steered = event_odds(script, concepts, items, True, rng)
    without = script.base + plain + 0.3 * rng.standard_normal(plain.shape)
    frame = checked_frame(
        pd.concat(
            [
                frame_of("rating", arm, {"score": 9 * expit(odds / 2)}, which).assign(expected=None)
                for arm, odds, which in ((INJECTION, steered, names), (CONTROL, without, plain_names))
            ]
        )
    )
    found = area_under_curve(frame, "scripted", task="rating")
    yield from _lines("rating auc", found, _area(script, concepts), _population_area(script))


def _area(script: TaskScript, concepts: DrawnConcepts) -> float:
    rng = np.random.default_rng(SEED + 3)
    steered = event_odds(script, concepts, _many_items(script, len(concepts.push), rng), True, rng).ravel()
    plain = np.sort(script.base + drawn_items(script, 20_000, rng) + 0.3 * rng.standard_normal(20_000))
    return float(np.searchsorted(plain, steered).mean() / len(plain))


@cache
def _population_area(script: TaskScript) -> float:
    return _area(script, _population(script))


def _pick_lines(
    script: TaskScript, design: TaskDesign, concepts: DrawnConcepts, rng: np.random.Generator
) -> Iterator[Covered]:
    items, names = _item_table(script, design, rng)
    arms = []
    for arm in (INJECTION, CONTROL):
        shares = option_shares(script, concepts, items, arm == INJECTION, rng)
        picked = (
            (shares.cumsum(axis=-1) < rng.random((*shares.shape[:2], 1))).sum(axis=-1).clip(max=design.concepts - 1)
        )
        right = np.take_along_axis(shares, np.arange(design.concepts)[:, None, None], axis=-1)[..., 0]
        correct = (picked == np.arange(design.concepts)[:, None]).astype(float)
        frame = frame_of("pick", arm, {"correct": correct, "p_correct": right}, names)
        arms.append(frame.assign(picked=[f"c{each}" for each in picked.ravel()]))
    frame = checked_frame(pd.concat(arms).assign(k=design.concepts, chance=1 / design.concepts))
    rate, plain, bits = _choice_truth(script, concepts)
    like, like_plain = _population_choice(script, design.concepts)
    scales: dict[str, Scale] = {"rate": RATE, "probability": PROBABILITY}
    for name, scale in scales.items():
        found = arm_rate(frame, "scripted", "pick", INJECTION, scale=scale)
        yield from _lines(f"pick {name}", found, rate, like)
        against = control_difference(frame, "scripted", "pick", scale=scale)
        yield from _lines(f"pick {name} difference", against, rate - plain, like - like_plain)
    told = identification_bits(frame, "scripted")
    if told is not None:
        yield _line("pick bits", "these", bits, told.estimate)


def _choice_truth(script: TaskScript, concepts: DrawnConcepts) -> tuple[float, float, float]:
    """Rates of the right option with and without a vector, and bits, over the population of orders."""
    rng, count = np.random.default_rng(SEED + 4), len(concepts.push)
    many = np.zeros((count, POPULATION // count))
    steered, plain = (option_shares(script, concepts, many, arm, rng).mean(axis=1) for arm in (True, False))
    return (
        float(np.diag(steered).mean()),
        float(np.diag(plain).mean()),
        float(table_information(steered)) if script.push else 0.0,
    )


@cache
def _population_choice(script: TaskScript, count: int) -> tuple[float, float]:
    rng = np.random.default_rng(SEED + 5)
    found = [_choice_truth(script, drawn_concepts(script, count, rng))[:2] for _ in range(300)]
    steered, plain = np.mean(found, axis=0)
    return float(steered), float(plain)


TASKS: dict[str, Callable[[TaskScript, TaskDesign, DrawnConcepts, np.random.Generator], Iterator[Covered]]] = {
    "notice": _notice_lines,
    "timing": _timing_lines,
    "stronger": _stronger_lines,
    "rating": _rating_lines,
    "pick": _pick_lines,
}


def coverage_rows(lines: list[Covered]) -> dict[str, dict[str, float]]:
    """Coverage by quantity and target."""
    rows = {}
    for quantity, target in dict.fromkeys((line.quantity, line.target) for line in lines):
        found = [line for line in lines if (line.quantity, line.target) == (quantity, target)]
        truth, value, low, high = np.array([line[2:] for line in found]).T
        rows[f"{quantity} {target}"] = {
            "intervals": len(found),
            "coverage": round(float(((low <= truth) & (truth <= high)).mean()), 4),
            "low_misses": round(float((truth < low).mean()), 4),
            "high_misses": round(float((truth > high).mean()), 4),
            "width": round(float((high - low).mean()), 4),
            "bias": round(float((value - truth).mean()), 4),
            "truth": round(float(truth.mean()), 4),
        }
    return rows


def main() -> None:
    """Measure and print; with `--append` each world goes to the file, and those in it are not repeated."""
    options = argparse.ArgumentParser(prog="python -m bench.measures.task_worlds", description=__doc__)
    options.add_argument("--studies", type=int, default=400)
    options.add_argument("--task", choices=list(TASKS))
    options.add_argument("--subject", choices=list(SCRIPTS))
    options.add_argument("--design", choices=list(DESIGNS))
    options.add_argument("--append", type=Path)
    chosen = options.parse_args()
    held = RunFile(chosen.append)
    done = {each["world"] for each in held.lines}
    for design in [chosen.design] if chosen.design else DESIGNS:
        for task in [chosen.task] if chosen.task else TASKS:
            for subject in [chosen.subject] if chosen.subject else SCRIPTS:
                world = f"{design} {task} {subject} {chosen.studies}"
                if world in done:
                    continue
                each = range(chosen.studies)
                lines = [one for n in each for one in study_lines(task, SCRIPTS[subject], DESIGNS[design], n)]
                held.add({"world": world, "rows": coverage_rows(lines)})
    print(json.dumps({str(each["world"]): each["rows"] for each in held.lines}, indent=1))


if __name__ == "__main__":
    main()
