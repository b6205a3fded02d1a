"""Measures coverage of the battery's intervals on scripted subjects whose logits we set. Prints one JSON document.

The worlds are not drawn from the model of the estimators: concepts differ by skewed effects, items by a t distribution,
the noise grows with the dose and differs between concepts, and few concepts stand for many. A subject is

    yes_bias    pushed to yes on every question, more by some concepts and on some questions than on others
    detection   pushed to yes likewise, and on the question itself further where it notices
    neither     damaged: pushed to yes or to no by chance, by each concept and on each task otherwise
    flattened   made less certain: its log-odds shrink to 0, more by some concepts than by others
    below       the same, and the question stands below its matched questions, not above them
    mixed       made less certain: a share of its answers is drawn by a coin; the question stands below
    above       pushed to yes, and the question stands above its matched questions
    certain     detects while it is made less certain

`python -m bench.measures.measure_worlds --studies 400`; `--scale logit --design few` for some of it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal, NotRequired, TypedDict

import numpy as np
import pandas as pd
from scipy.special import expit

from gnomon.data.results import Estimate
from gnomon.stats.measures.graded_detection import area_under_curve
from gnomon.stats.measures.measure_results import MeasuredEstimate
from gnomon.stats.measures.measured_trials_frame import LOGIT, PROBABILITY, RATE, Scale, checked_frame
from gnomon.stats.measures.yes_correction import yes_corrected_detection, yes_diagnosis

SubjectKind = Literal["yes_bias", "detection", "neither", "flattened", "below", "mixed", "above", "certain"]
SUBJECTS: tuple[SubjectKind, ...] = (
    "yes_bias", "detection", "neither", "flattened", "below", "mixed", "above", "certain",
)  # fmt: skip
SEED = 26
BASELINES = {"notice": -5.0, "unrelated_no": -5.0, "unrelated_yes": 5.0}
BEYOND, AUC = "beyond", "auc"
SCALES = (LOGIT, PROBABILITY, RATE, BEYOND, AUC)
"""What is measured: yes-corrected detection on three scales, detection beyond flattening, the area under the curve."""
CORRECTED_SCALES: Mapping[str, Scale] = {LOGIT: LOGIT, PROBABILITY: PROBABILITY, RATE: RATE}
POPULATION = 20_000
"""Concepts and items of which a population's mean is made."""


@dataclass(frozen=True)
class ScriptedSubject:
    """What a vector does to the log-odds of yes.

    Attributes
    ----------
    kind : str
    bias : float
        Mean push to yes on every question.
    detection : float
        Mean push on the question itself, further to the bias.
    damage : float
        Standard deviation of a concept's push on a task, to yes or to no.
    shrinkage : float
        Mean share of log-odds that is lost, 0 to .5.
    mixture : float
        Mean share of answers that are drawn by a coin, 0 to .5.
    concept_spread : float
        Coefficient of variation of a concept's pushes.
    item_sd : float
        Standard deviation of items' baselines and, by half, of their answers to the vector.
    noise : float
        Standard deviation of steered log-odds of a concept and item; without a vector a third of it.
    notice : float
        How much higher the question itself stands than its matched questions without a vector.
    """

    kind: SubjectKind
    bias: float = 0.0
    detection: float = 0.0
    damage: float = 0.0
    shrinkage: float = 0.0
    mixture: float = 0.0
    concept_spread: float = 0.5
    item_sd: float = 1.0
    noise: float = 1.5
    notice: float = 0.0

    def baseline(self, task: str) -> float:
        """Log-odds of yes without a vector, of a usual item."""
        return BASELINES[task] + (self.notice if task == "notice" else 0.0)


SCRIPTS = {
    "yes_bias": ScriptedSubject("yes_bias", bias=4.0),
    "detection": ScriptedSubject("detection", bias=2.0, detection=3.0),
    "neither": ScriptedSubject("neither", damage=1.5),
    "flattened": ScriptedSubject("flattened", shrinkage=0.4, notice=2.0),
    "below": ScriptedSubject("below", shrinkage=0.4, notice=-2.0),
    "mixed": ScriptedSubject("mixed", mixture=0.2, notice=-2.0),
    "above": ScriptedSubject("above", bias=4.0, notice=2.0),
    "certain": ScriptedSubject("certain", detection=5.0, shrinkage=0.4, notice=1.0),
}


@dataclass(frozen=True)
class BatteryDesign:
    """How much is asked.

    Attributes
    ----------
    concepts : int
    items : int
        Items of each task: of all concepts alike if `crossed`, else of each concept its own.
    crossed : bool
    replicates : int
        Responses to each concept and item, for rates.
    subjects : int
    """

    concepts: int
    items: int
    crossed: bool = True
    replicates: int = 1
    subjects: int = 1


DESIGNS = {
    "few": BatteryDesign(4, 10),
    "usual": BatteryDesign(8, 12),
    "nested": BatteryDesign(8, 8, crossed=False),
    "many": BatteryDesign(10, 20),
    "eight": BatteryDesign(6, 10, subjects=8),
}


@dataclass(frozen=True)
class ConceptPushes:
    """What concepts do in one subject: arrays by concept; `pushes` by task."""

    pushes: Mapping[str, np.ndarray]
    kept: np.ndarray
    drawn: np.ndarray
    noise: np.ndarray


class WorldRow(TypedDict):
    """Coverage of one estimand in one world."""

    studies: int
    intervals: int
    coverage: float
    low_misses: float
    high_misses: float
    width: float
    bias: float
    wrong_verdicts: NotRequired[float]
    detections: NotRequired[float]


def concept_pushes(script: ScriptedSubject, count: int, rng: np.random.Generator) -> ConceptPushes:
    """Pushes of drawn concepts: gamma distributed, and correlated, for a concept that acts strongly does so everywhere.

    Parameters
    ----------
    script : ScriptedSubject
    count : int
    rng : Generator
    """

    def acts() -> np.ndarray:
        return np.asarray(rng.gamma(shape, 1 / shape, count))

    shape = 1 / script.concept_spread**2
    common = acts()
    pushes = {
        task: script.bias * (0.8 * common + 0.2 * acts()) + script.damage * rng.standard_t(5, count) * np.sqrt(0.6)
        for task in BASELINES
    }
    pushes["notice"] = pushes["notice"] + script.detection * (0.5 * common + 0.5 * acts())
    kept = 1 - script.shrinkage * rng.uniform(0.4, 1.6, count)
    noise = script.noise * rng.uniform(0.6, 1.4, count)
    return ConceptPushes(pushes, kept, script.mixture * rng.uniform(0.4, 1.6, count), noise)


def item_effects(script: ScriptedSubject, count: int, rng: np.random.Generator) -> np.ndarray:
    """Deviations of items, shape (count, 2): of their baseline, and of their answer to a vector. Student's t with 5.

    Parameters
    ----------
    script : ScriptedSubject
    count : int
    rng : Generator
    """
    return np.asarray(rng.standard_t(5, (count, 2)) * np.sqrt(3 / 5) * script.item_sd * np.array([1.0, 0.5]))


def set_log_odds(
    script: ScriptedSubject,
    task: str,
    pushes: ConceptPushes | None,
    items: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Log-odds of yes, shape (concepts, items); (1, items) without a vector.

    Parameters
    ----------
    script : ScriptedSubject
    task : str
    pushes : ConceptPushes or None
        None: nothing is added.
    items : ndarray, shape (items, 2) or (concepts, items, 2)
    rng : Generator
    """
    base = script.baseline(task) + items[..., 0]
    if pushes is None:
        return np.asarray(np.atleast_2d(base) + rng.normal(0, script.noise / 3, np.atleast_2d(base).shape))
    steered = pushes.kept[:, None] * base + pushes.pushes[task][:, None] + items[..., 1]
    steered = np.asarray(steered + pushes.noise[:, None] * rng.standard_normal(steered.shape))
    return _mixed_odds(steered, pushes.drawn[:, None]) if script.mixture else steered


def _mixed_odds(odds: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Log-odds of answers of which a share is drawn by a coin."""
    yes, no = ((1 - share) * expit(side * odds) + share / 2 for side in (1, -1))
    return np.asarray(np.log(yes) - np.log(no))


def scripted_study(
    script: ScriptedSubject, design: BatteryDesign, rng: np.random.Generator
) -> tuple[pd.DataFrame, ConceptPushes]:
    """One subject's trials of the three yes-or-no tasks, and what its concepts do.

    Parameters
    ----------
    script : ScriptedSubject
    design : BatteryDesign
    rng : Generator
    """
    pushes = concept_pushes(script, design.concepts, rng)
    rows: list[pd.DataFrame] = []
    for task in BASELINES:
        shape = design.items if design.crossed else design.concepts * design.items
        items = item_effects(script, shape, rng)
        by_concept = items if design.crossed else items.reshape(design.concepts, design.items, 2)
        steered = set_log_odds(script, task, pushes, by_concept, rng)
        plain = set_log_odds(script, task, None, items, rng)
        names = np.arange(shape) if design.crossed else np.arange(shape).reshape(design.concepts, design.items)
        concepts = np.repeat(np.arange(design.concepts), design.items)
        rows.append(
            _task_rows(task, "injection", steered.ravel(), concepts, np.broadcast_to(names, steered.shape).ravel())
        )
        rows.append(_task_rows(task, "control", plain.ravel(), None, np.arange(shape)))
    frame = pd.concat(rows, ignore_index=True)
    frame = frame.loc[frame.index.repeat(design.replicates)].reset_index(drop=True)
    yes = rng.random(len(frame)) < expit(frame["log_odds_yes"])
    right_is_yes = frame["expected"] == "yes"
    return frame.assign(correct=(yes == right_is_yes).astype(float)), pushes


def _task_rows(task: str, arm: str, odds: np.ndarray, concepts: np.ndarray | None, items: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "subject": "scripted",
            "task": task,
            "arm": arm,
            "concept": None if concepts is None else [f"c{each}" for each in concepts],
            "layer": np.nan if concepts is None else 9,
            "strength": 0.0 if concepts is None else 4.0,
            "item": [f"q{each}" for each in items],
            "expected": "no" if task == "unrelated_no" else "yes",
            "log_odds_yes": odds,
        }
    )


def mean_rate(script: ScriptedSubject, task: str, pushes: ConceptPushes | None, rng: np.random.Generator) -> float:
    """Mean probability of yes over the concepts given, and over the population of items.

    Parameters
    ----------
    script : ScriptedSubject
    task : str
    pushes : ConceptPushes or None
    rng : Generator
    """
    if pushes is None:
        return float(expit(set_log_odds(script, task, None, item_effects(script, POPULATION, rng), rng)).mean())
    size = max(20, POPULATION // len(pushes.noise))
    items = item_effects(script, size * len(pushes.noise), rng).reshape(len(pushes.noise), size, 2)
    return float(expit(set_log_odds(script, task, pushes, items, rng)).mean())


def true_corrections(
    script: ScriptedSubject, pushes: ConceptPushes, scale: str, rng: np.random.Generator
) -> dict[str, float]:
    """Yes-corrected detection for these concepts and for concepts like these.

    Parameters
    ----------
    script : ScriptedSubject
    pushes : ConceptPushes
        Of the study's concepts.
    scale : str
        "logit", or a rate.
    rng : Generator
    """
    if scale == "logit":
        population = _logit_correction(script, _population(script))
        return {"these": _logit_correction(script, pushes), "like_these": population}
    return {"these": _rate_correction(script, pushes, rng), "like_these": _population_rate_correction(script)}


def _logit_correction(script: ScriptedSubject, pushes: ConceptPushes) -> float:
    if script.mixture:
        return _simulated_correction(script, pushes)
    shifts = {task: (pushes.pushes[task] + (pushes.kept - 1) * script.baseline(task)).mean() for task in BASELINES}
    return float(shifts["notice"] - shifts["unrelated_no"])


def _simulated_correction(script: ScriptedSubject, pushes: ConceptPushes) -> float:
    rng, shifts = np.random.default_rng(SEED), {}
    for task in ("notice", "unrelated_no"):
        size = max(20, POPULATION // len(pushes.noise))
        items = item_effects(script, size * len(pushes.noise), rng).reshape(len(pushes.noise), size, 2)
        shifts[task] = float(set_log_odds(script, task, pushes, items, rng).mean()) - script.baseline(task)
    return shifts["notice"] - shifts["unrelated_no"]


@cache
def _population(script: ScriptedSubject) -> ConceptPushes:
    return concept_pushes(script, POPULATION, np.random.default_rng(SEED))


@cache
def _population_rate_correction(script: ScriptedSubject) -> float:
    return _rate_correction(script, _population(script), np.random.default_rng(SEED))


def _rate_correction(script: ScriptedSubject, pushes: ConceptPushes, rng: np.random.Generator) -> float:
    rates = {task: mean_rate(script, task, pushes, rng) - mean_rate(script, task, None, rng) for task in BASELINES}
    return rates["notice"] - rates["unrelated_no"]


def study_lines(
    script: ScriptedSubject, design: BatteryDesign, scale: str, number: int
) -> Iterator[tuple[str, float, MeasuredEstimate, Estimate, str]]:
    """Estimates of one simulated study: target, truth, estimate, its interval, verdict.

    Parameters
    ----------
    script : ScriptedSubject
    design : BatteryDesign
    scale : str
    number : int
        Of the study; it sets the seed.
    """
    rng = np.random.default_rng([SEED, number, SUBJECTS.index(script.kind)])
    for _ in range(design.subjects):
        frame, pushes = scripted_study(script, design, rng)
        trials = checked_frame(frame)
        if scale == AUC:
            yield from _area_lines(script, pushes, trials, rng)
            continue
        if scale == BEYOND:
            yield from _beyond_lines(script, pushes, trials)
            continue
        if scale == RATE:
            trials = trials.assign(log_odds_yes=np.nan)
        found = yes_corrected_detection(trials, "scripted", scale=CORRECTED_SCALES[scale])
        if found is None:
            continue
        for target, truth in true_corrections(script, pushes, scale, rng).items():
            interval = found.corrected.these if target == "these" else found.corrected.like_these
            if interval is not None:
                yield target, truth, found.corrected, interval, found.verdict


def _beyond_lines(
    script: ScriptedSubject, pushes: ConceptPushes, trials: pd.DataFrame
) -> Iterator[tuple[str, float, MeasuredEstimate, Estimate, str]]:
    """Detection beyond bias and flattening: the push on the question less that on matched questions."""
    found = yes_diagnosis(trials, "scripted")
    if found is None or found.beyond is None:
        return
    for target, interval, concepts in (
        ("these", found.beyond.these, pushes),
        ("like_these", found.beyond.like_these, _population(script)),
    ):
        if interval is not None:
            yield target, _beyond_truth(script, concepts), found.beyond, interval, ""


def _beyond_truth(script: ScriptedSubject, pushes: ConceptPushes) -> float:
    shifts = {task: (pushes.pushes[task] + (pushes.kept - 1) * script.baseline(task)).mean() for task in BASELINES}
    gap = script.baseline("unrelated_yes") - script.baseline("unrelated_no")
    slope = (shifts["unrelated_yes"] - shifts["unrelated_no"]) / gap
    distance = script.baseline("notice") - script.baseline("unrelated_no")
    return float(shifts["notice"] - shifts["unrelated_no"] - slope * distance)


def _area_lines(
    script: ScriptedSubject, pushes: ConceptPushes, trials: pd.DataFrame, rng: np.random.Generator
) -> Iterator[tuple[str, float, MeasuredEstimate, Estimate, str]]:
    """The AUC of the question's log-odds, items of both arms drawn anew."""
    found = area_under_curve(trials, "scripted")
    if found is None:
        return
    for target, interval in (("these", found.these), ("like_these", found.like_these)):
        truth = _area(script, pushes, rng) if target == "these" else _population_area(script)
        if interval is not None:
            yield target, truth, found, interval, ""


@cache
def _population_area(script: ScriptedSubject) -> float:
    return _area(script, _population(script), np.random.default_rng(SEED))


def _area(script: ScriptedSubject, pushes: ConceptPushes, rng: np.random.Generator) -> float:
    size = max(20, POPULATION // len(pushes.noise))
    items = item_effects(script, size * len(pushes.noise), rng).reshape(len(pushes.noise), size, 2)
    steered = set_log_odds(script, "notice", pushes, items, rng).ravel()
    plain = np.sort(set_log_odds(script, "notice", None, item_effects(script, POPULATION, rng), rng).ravel())
    return float(np.searchsorted(plain, steered).mean() / len(plain))


def measure_world(script: ScriptedSubject, design: BatteryDesign, scale: str, studies: int) -> dict[str, WorldRow]:
    """Coverage by target in one world.

    Parameters
    ----------
    script : ScriptedSubject
    design : BatteryDesign
    scale : str
    studies : int
    """
    lines: dict[str, list[tuple[float, float, float, float, str]]] = {}
    for number in range(studies):
        for target, truth, estimate, interval, verdict in study_lines(script, design, scale, number):
            lines.setdefault(target, []).append((truth, estimate.value, interval.low, interval.high, verdict))
    rows: dict[str, WorldRow] = {}
    for target, found in lines.items():
        table = np.array([line[:4] for line in found])
        truth, value, low, high = table.T
        rows[target] = {
            "studies": studies,
            "intervals": len(table),
            "coverage": round(float(((low <= truth) & (truth <= high)).mean()), 4),
            "low_misses": round(float((truth < low).mean()), 4),
            "high_misses": round(float((truth > high).mean()), 4),
            "width": round(float((high - low).mean()), 4),
            "bias": round(float((value - truth).mean()), 4),
        }
        wrong = "detection" if script.detection == 0 else "nothing_left"
        if found[0][4]:
            rows[target]["detections"] = round(float(np.mean([line[4] == "detection" for line in found])), 4)
            rows[target]["wrong_verdicts"] = round(float(np.mean([line[4] == wrong for line in found])), 4)
    return rows


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(prog="python -m bench.measures.measure_worlds", description=__doc__)
    options.add_argument("--studies", type=int, default=400)
    options.add_argument("--design", choices=list(DESIGNS))
    options.add_argument("--scale", choices=SCALES)
    options.add_argument("--subject", choices=list(SUBJECTS))
    options.add_argument("--replicates", type=int, default=1)
    chosen = options.parse_args()
    began = time.perf_counter()
    worlds: dict[str, dict[str, WorldRow]] = {}
    for design in [chosen.design] if chosen.design else DESIGNS:
        for scale in [chosen.scale] if chosen.scale else SCALES:
            for kind in [chosen.subject] if chosen.subject else SUBJECTS:
                plan = replace(DESIGNS[design], replicates=chosen.replicates)
                worlds[f"{design} {scale} {kind}"] = measure_world(SCRIPTS[kind], plan, scale, chosen.studies)
    document = {"seed": SEED, "seconds": round(time.perf_counter() - began, 1), "worlds": worlds}
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
