"""Measures coverage of the contrasts of a variant with its base in worlds that the estimator does not assume.

Both models share skewed effects of concepts and heavy-tailed effects of items; the variant adds effects of its own, by
concept and by item; the noise grows with the dose and differs between concepts. A variant

    same        differs from its base by concept and item, and not on average
    gain        notices more, some concepts much more than others
    more_yes    is pushed to yes further on every question, by concept, and notices no more
    willing     says yes more readily without a vector too (its refusal direction is ablated), and notices no more

`python -m bench.measures.variant_worlds --studies 400`; `--world`, `--design`, `--estimand` for some of it. With
`--into FILE` each world is appended to a file as soon as it is done, and worlds that the file holds are skipped.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

from bench.measures.measure_worlds import DESIGNS, BatteryDesign
from gnomon.data.results import Estimate
from gnomon.data.storage.stored_settings import SubjectVariant
from gnomon.stats.measures.measure_results import MeasuredEstimate
from gnomon.stats.measures.measured_trials_frame import LOGIT, PROBABILITY, Scale, checked_frame
from gnomon.stats.variants.variant_contrasts import paired_trials, variant_difference, variant_yes_corrected

SEED = 27
POPULATION = 20_000
DECLARED = SubjectVariant(variant="variant", base="base")
BASELINES = {"notice": -3.0, "unrelated_no": -4.0, "pick": -1.1}
CORRECTED_LOGIT, CORRECTED_SHARE, PICK_SHARE, PICK_ANSWERS = (
    "corrected logit",
    "corrected share",
    "pick share",
    "pick answers",
)
ESTIMANDS = (CORRECTED_LOGIT, CORRECTED_SHARE, PICK_SHARE, PICK_ANSWERS)
SPREAD, ITEM_SPREAD, NOISE = 0.8, 0.5, 1.0


@dataclass(frozen=True)
class VariantWorld:
    """What a variant does beyond its base, in log-odds.

    Attributes
    ----------
    gain : float
        Mean further push of a concept on what it is asked about itself: the question, and the choice.
    bias : float
        Mean further push to yes on every question with a vector.
    willing : float
        Further log-odds of yes on every question, with a vector and without.
    """

    gain: float = 0.0
    bias: float = 0.0
    willing: float = 0.0


WORLDS = {
    "same": VariantWorld(),
    "gain": VariantWorld(gain=1.5),
    "more_yes": VariantWorld(bias=2.0),
    "willing": VariantWorld(willing=2.0),
}


@dataclass(frozen=True)
class ConceptActs:
    """What concepts do: by task, arrays by concept of pushes in the base and of what the variant adds."""

    base: Mapping[str, np.ndarray]
    added: Mapping[str, np.ndarray]
    noise: np.ndarray


def concept_acts(world: VariantWorld, count: int, rng: np.random.Generator) -> ConceptActs:
    """Effects of drawn concepts: gamma distributed and correlated between tasks; the variant's own from t with 5.

    Parameters
    ----------
    world : VariantWorld
    count : int
    rng : Generator
    """

    def acts() -> np.ndarray:
        return np.asarray(rng.gamma(2.0, 0.5, count))

    common = acts()
    pushes = {"notice": 2.5, "unrelated_no": 1.5, "pick": 1.2}
    base = {task: push * (0.7 * common + 0.3 * acts()) for task, push in pushes.items()}
    bias = world.bias * (0.7 * common + 0.3 * acts())
    gains = world.gain * (0.5 * common + 0.5 * acts())
    added = {}
    for task in BASELINES:
        own = SPREAD * np.sqrt(3 / 5) * rng.standard_t(5, count)
        added[task] = own + (bias if task != "pick" else 0.0) + (gains if task != "unrelated_no" else 0.0)
    return ConceptActs(base, added, NOISE * rng.uniform(0.5, 1.5, count))


def item_acts(count: int, rng: np.random.Generator) -> np.ndarray:
    """Deviations of items, shape (count, 4): baseline, answer to a vector, and the variant's own of both.

    Parameters
    ----------
    count : int
    rng : Generator
    """
    scale = np.array([1.0, 0.5, ITEM_SPREAD, ITEM_SPREAD])
    return np.asarray(rng.standard_t(5, (count, 4)) * np.sqrt(3 / 5) * scale)


def world_odds(
    world: VariantWorld,
    task: str,
    acts: ConceptActs | None,
    items: np.ndarray,
    is_variant: bool,
    rng: np.random.Generator,
) -> np.ndarray:
    """Log-odds of a task's event by concept and item; one row without a vector.

    Parameters
    ----------
    world : VariantWorld
    task : str
    acts : ConceptActs or None
        None: nothing is added.
    items : ndarray, shape (items, 4) or (concepts, items, 4)
    is_variant : bool
    rng : Generator
    """
    own = 1.0 if is_variant else 0.0
    willing = world.willing * own if task != "pick" else 0.0
    plain = np.atleast_2d(BASELINES[task] + willing + items[..., 0] + own * items[..., 2])
    if acts is None:
        return np.asarray(plain + NOISE / 3 * rng.standard_normal(plain.shape))
    push = acts.base[task] + own * acts.added[task]
    steered = plain + push[:, None] + items[..., 1] + own * items[..., 3]
    return np.asarray(steered + acts.noise[:, None] * rng.standard_normal(steered.shape))


def world_study(
    world: VariantWorld, design: BatteryDesign, acts: ConceptActs, rng: np.random.Generator
) -> pd.DataFrame:
    """Trials of both models on all tasks.

    Parameters
    ----------
    world : VariantWorld
    design : BatteryDesign
    acts : ConceptActs
        Of its concepts.
    rng : Generator
    """
    parts = []
    for task in BASELINES:
        count = design.items if design.crossed else design.items * design.concepts
        items = item_acts(count, rng)
        names = np.arange(count) if design.crossed else np.arange(count).reshape(design.concepts, -1)
        by_concept = items if design.crossed else items.reshape(design.concepts, design.items, 4)
        for subject in (DECLARED.base, DECLARED.variant):
            steered, plain = (
                world_odds(world, task, each, given, subject == DECLARED.variant, rng)
                for each, given in ((acts, by_concept), (None, items))
            )
            concepts = np.repeat(np.arange(design.concepts), design.items)
            asked = np.broadcast_to(names, steered.shape).ravel()
            parts.append(_task_rows(subject, task, steered.ravel(), concepts, asked))
            parts.append(_task_rows(subject, task, plain.ravel(), None, np.arange(count)))
    frame = pd.concat(parts, ignore_index=True)
    return frame.assign(correct=(rng.random(len(frame)) < expit(frame["odds"])).astype(float))


def _task_rows(
    subject: str, task: str, odds: np.ndarray, concepts: np.ndarray | None, items: np.ndarray
) -> pd.DataFrame:
    is_choice = task == "pick"
    return pd.DataFrame(
        {
            "subject": subject,
            "task": task,
            "arm": "control" if concepts is None else "injection",
            "concept": None if concepts is None else [f"c{each}" for each in concepts],
            "layer": np.nan if concepts is None else 9,
            "strength": 0.0 if concepts is None else 4.0,
            "item": [f"q{each}" for each in items],
            "expected": "word" if is_choice else "no" if task == "unrelated_no" else "yes",
            "odds": odds,
            "log_odds_yes": np.nan if is_choice else odds,
            "p_correct": expit(odds) if is_choice else np.nan,
        }
    )


def true_contrast(world: VariantWorld, acts: ConceptActs, estimand: str, rng: np.random.Generator) -> float:
    """What an estimand is for given concepts, over the population of items.

    Parameters
    ----------
    world : VariantWorld
    acts : ConceptActs
    estimand : str
    rng : Generator
    """
    if estimand == CORRECTED_LOGIT:
        return float((acts.added["notice"] - acts.added["unrelated_no"]).mean())
    if estimand == CORRECTED_SHARE:
        return _share_gain(world, acts, "notice", rng) - _share_gain(world, acts, "unrelated_no", rng)
    return _share_gain(world, acts, "pick", rng)


def _share_gain(world: VariantWorld, acts: ConceptActs, task: str, rng: np.random.Generator) -> float:
    """Injection less control of the mean probability, variant less base."""
    size = max(40, (POPULATION if len(acts.noise) == POPULATION else POPULATION // 4) // len(acts.noise))
    items = item_acts(size * len(acts.noise), rng)
    by_concept = items.reshape(len(acts.noise), size, 4)
    sums = [
        expit(world_odds(world, task, acts, by_concept, own, rng)).mean()
        - expit(world_odds(world, task, None, items, own, rng)).mean()
        for own in (True, False)
    ]
    return float(sums[0] - sums[1])


@cache
def population_contrast(name: str, estimand: str) -> float:
    """What an estimand is for the concepts' population.

    Parameters
    ----------
    name : str
        Name of the world.
    estimand : str
    """
    rng = np.random.default_rng(SEED)
    return true_contrast(WORLDS[name], concept_acts(WORLDS[name], POPULATION, rng), estimand, rng)


def estimated_contrast(frame: pd.DataFrame, estimand: str) -> MeasuredEstimate | None:
    """The estimate of an estimand from a study's frame.

    Parameters
    ----------
    frame : DataFrame
    estimand : str
    """
    hidden = frame.assign(p_correct=np.nan) if estimand == PICK_ANSWERS else frame
    paired = paired_trials(checked_frame(hidden), DECLARED.variant, DECLARED.base)
    if estimand in (CORRECTED_LOGIT, CORRECTED_SHARE):
        scale: Scale = LOGIT if estimand == CORRECTED_LOGIT else PROBABILITY
        return variant_yes_corrected(paired, DECLARED, scale=scale)
    return variant_difference(paired, DECLARED, "pick")


def study_intervals(
    name: str, design: BatteryDesign, estimands: tuple[str, ...], number: int
) -> Iterator[tuple[str, str, float, float, Estimate]]:
    """Intervals of one simulated study: estimand, target, truth, estimate, interval.

    Parameters
    ----------
    name : str
        Name of the world.
    design : BatteryDesign
    estimands : tuple of str
    number : int
        Of the study; it sets the seed.
    """
    rng = np.random.default_rng([SEED, number, list(WORLDS).index(name)])
    acts = concept_acts(WORLDS[name], design.concepts, rng)
    frame = world_study(WORLDS[name], design, acts, rng)
    for estimand in estimands:
        found = estimated_contrast(frame, estimand)
        if found is None:
            continue
        if found.these is not None:
            truth = true_contrast(WORLDS[name], acts, estimand, rng)
            yield estimand, "these", truth, found.value, found.these
        if found.like_these is not None:
            yield estimand, "like_these", population_contrast(name, estimand), found.value, found.like_these


def measure_variant_world(
    name: str, design: BatteryDesign, estimands: tuple[str, ...], studies: int
) -> dict[str, dict[str, float]]:
    """Coverage, width and share of intervals above 0, by estimand and target.

    Parameters
    ----------
    name : str
        Name of the world.
    design : BatteryDesign
    estimands : tuple of str
    studies : int
    """
    lines: dict[str, list[tuple[float, float, float, float]]] = {}
    for number in range(studies):
        for estimand, target, truth, value, interval in study_intervals(name, design, estimands, number):
            lines.setdefault(f"{estimand}, {target}", []).append((truth, value, interval.low, interval.high))
    rows = {}
    for key, found in lines.items():
        truth, value, low, high = np.array(found).T
        rows[key] = {
            "intervals": len(found),
            "coverage": round(float(((low <= truth) & (truth <= high)).mean()), 4),
            "truth": round(float(truth.mean()), 4),
            "bias": round(float((value - truth).mean()), 4),
            "width": round(float((high - low).mean()), 4),
            "above_zero": round(float((low > 0).mean()), 4),
        }
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.measures.variant_worlds", description=__doc__)
    parser.add_argument("--studies", type=int, default=400)
    parser.add_argument("--design", choices=[name for name, design in DESIGNS.items() if design.subjects == 1])
    parser.add_argument("--world", choices=list(WORLDS))
    parser.add_argument("--estimand", choices=ESTIMANDS, nargs="*")
    parser.add_argument("--into", type=Path)
    chosen = parser.parse_args()
    held = chosen.into.read_text().splitlines() if chosen.into and chosen.into.exists() else []
    done = {json.loads(line)["name"] for line in held}
    designs = [chosen.design] if chosen.design else [name for name, each in DESIGNS.items() if each.subjects == 1]
    for design in designs:
        for world in [chosen.world] if chosen.world else WORLDS:
            name, began = f"{design} {world}", time.perf_counter()
            if name in done:
                continue
            estimands = tuple(chosen.estimand or ESTIMANDS)
            rows = measure_variant_world(world, DESIGNS[design], estimands, chosen.studies)
            line = json.dumps(
                {
                    "name": name,
                    "studies": chosen.studies,
                    "seconds": round(time.perf_counter() - began, 1),
                    "rows": rows,
                }
            )
            print(line, flush=True)
            if chosen.into:
                with chosen.into.open("a", encoding="utf-8") as file:
                    file.write(line + "\n")


if __name__ == "__main__":
    main()
