"""Coverage of 95 % intervals in simulated studies: our corrections, and those of common tools.

    python -m bench.validity.label_coverage [--json] [--studies 1500] [--workers N]

Nothing here is timed. Each number is a share of simulated studies: Monte Carlo error sqrt(c (1 - c) / studies).
"""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import numpy as np

from bench.support.machine import machine
from gnomon.calibration.numerics.proportions import difference_interval, lang_reiczigel, wilson_interval
from gnomon.calibration.posterior.judge_panel import VerdictPatterns, panel_posterior
from gnomon.calibration.posterior.single_judge import joint_difference, joint_posterior, marginal_posterior
from gnomon.data.errors import NotEnoughDataError
from gnomon.data.records import IntervalEstimate

STUDIES = 1500
RESAMPLES = 1000
ARENA = Path(__file__).parents[3] / "shared" / "data" / "arena-judges"
ARENA_LABELS, ARENA_STUDIES = 60, 500
Interval = tuple[float, float]
Result = Mapping[str, Interval | None]


@dataclass(frozen=True)
class Regime:
    """One judge, one arm: true rate, the judge's error rates, sizes of the calibration study and of the target."""

    name: str
    rate: float
    sensitivity: float
    specificity: float
    positives: int
    negatives: int
    unlabelled: int
    correctable: bool = True


REGIMES = (
    Regime("rare, specific", 0.05, 0.95, 0.98, 30, 270, 500),
    Regime("common, fair", 0.20, 0.90, 0.95, 60, 240, 200),
    Regime("very rare", 0.02, 0.90, 0.99, 15, 285, 300),
    Regime("few labels", 0.30, 0.97, 0.97, 30, 70, 100),
    Regime("perfect judge, 30 of 30 and 70 of 70", 0.40, 1.0, 1.0, 30, 70, 50),
    Regime("perfect sensitivity, 30 of 30", 0.40, 1.0, 0.90, 30, 70, 50),
    Regime("no information, J = 0.05", 0.30, 0.55, 0.50, 100, 100, 500, correctable=False),
)
ARMS = (Regime("injection", 0.1, 0.9, 0.98, 60, 140, 500), Regime("control", 0.1, 0.9, 0.90, 60, 140, 500))


@dataclass(frozen=True)
class Panel:
    """Two judges, one arm: true rate and error rates; 120 labels on 1,000 trials."""

    rate: float
    sensitivity: tuple[float, float]
    specificity: tuple[float, float]
    trials: int = 1000
    labels: int = 120

    @property
    def name(self) -> str:
        """True rate; sensitivities; specificities."""
        rates = [", ".join(f"{rate:g}" for rate in part) for part in (self.sensitivity, self.specificity)]
        return f"{self.rate:g}; {rates[0]}; {rates[1]}"


PANELS = (
    Panel(0.20, (0.90, 0.80), (0.95, 0.90)),
    Panel(0.05, (0.90, 0.80), (0.98, 0.95)),
    Panel(0.40, (0.97, 0.90), (0.76, 0.90)),
)


def interval(make: Callable[[], IntervalEstimate]) -> Interval | None:
    """Limits of an estimate, or None if it is refused."""
    try:
        found = make()
    except NotEnoughDataError:
        return None
    return found.low, found.high


def bootstrap_of_labels(
    apparent: tuple[int, int], hits: tuple[int, int], right: tuple[int, int], random: np.random.Generator
) -> np.ndarray:
    """Rogan-Gladen in resamples of the calibration labels alone: a common method that omits most of the error.

    Parameters
    ----------
    apparent : (k, n)
        Judged events of all judged trials.
    hits : (k, n)
        Hits of true events.
    right : (k, n)
        Correct rejections of true non-events.
    random : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    ndarray, shape (RESAMPLES,)
        Estimates.
    """
    se, sp = (random.binomial(n, k / max(n, 1), RESAMPLES) / max(n, 1) for k, n in (hits, right))
    informed = np.maximum(se + sp - 1, 1e-6)
    return np.asarray(np.clip((apparent[0] / apparent[1] + sp - 1) / informed, 0, 1))


def draw(regime: Regime, random: np.random.Generator) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Simulate the counts of one study.

    Parameters
    ----------
    regime : Regime
        Rates and sizes.
    random : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    ((int, int), (int, int), (int, int))
        Apparent events, hits and correct rejections, each (k, n).
    """
    judged = regime.rate * regime.sensitivity + (1 - regime.rate) * (1 - regime.specificity)
    return (
        (int(random.binomial(regime.unlabelled, judged)), regime.unlabelled),
        (int(random.binomial(regime.positives, regime.sensitivity)), regime.positives),
        (int(random.binomial(regime.negatives, regime.specificity)), regime.negatives),
    )


def one_arm(regime: Regime, seed: Sequence[int]) -> Result:
    """One simulated study of a regime: the interval of each method.

    Parameters
    ----------
    regime : Regime
        Rates and sizes.
    seed : sequence of int
        Seed of the study.
    """
    random = np.random.default_rng(seed)
    counts = draw(regime, random)
    low, high = np.quantile(bootstrap_of_labels(*counts, random), [0.025, 0.975])
    return {
        "joint": interval(partial(joint_posterior, *counts)),
        "lang_reiczigel": interval(partial(lang_reiczigel, *counts)),
        "naive": interval(partial(wilson_interval, *counts[0])),
        "calibration_bootstrap": (float(low), float(high)),
    }


def two_arms(seed: Sequence[int]) -> Result:
    """One study with different judge errors by arm: intervals of the difference between arms, whose true value is 0."""
    random = np.random.default_rng(seed)
    one, other = (draw(arm, random) for arm in ARMS)
    hits, right = ((a[0] + b[0], a[1] + b[1]) for a, b in zip(one[1:], other[1:], strict=True))
    pooled = [bootstrap_of_labels(arm[0], hits, right, random) for arm in (one, other)]
    low, high = np.quantile(pooled[0] - pooled[1], [0.025, 0.975])
    corrected = [partial(lang_reiczigel, *arm) for arm in (one, other)]
    return {
        "joint": interval(lambda: joint_difference(marginal_posterior(*one), marginal_posterior(*other))),
        "lang_reiczigel": interval(lambda: difference_interval(corrected[0](), corrected[1]())),
        "naive": interval(lambda: difference_interval(wilson_interval(*one[0]), wilson_interval(*other[0]))),
        "calibration_bootstrap": (float(low), float(high)),
    }


@dataclass(frozen=True)
class PanelStudy:
    """One study with two judges: intervals by method; error rates counted on labels, by how these were chosen."""

    intervals: Result
    naive_errors: Mapping[str, list[list[float]]]


class CoverageSummary(TypedDict):
    """Coverage and mean width by method; a method that refused every study has no width."""

    studies: int
    truth: float
    coverage: dict[str, float]
    mean_width: dict[str, float | None]
    width_ratio_to_lang_reiczigel: NotRequired[float]


class RegimeRow(CoverageSummary):
    """A simulated regime."""

    name: str
    correctable: bool


class GainRow(CoverageSummary):
    """Labels chosen by disagreement compared with as many random ones."""

    name: str
    times_narrower: float
    true_errors: list[list[float]]
    counted_errors: dict[str, list[list[float]]]


class ArenaRow(CoverageSummary):
    """Subsamples of human labels on one judge and event of the arena."""

    judge: str
    event: str
    judges_j: float


class CoverageDocument(TypedDict):
    """What the measurement prints."""

    machine: dict[str, str | int | None]
    regimes: list[RegimeRow]
    labels_by_disagreement: list[GainRow]
    arena: list[ArenaRow]


def panel_study(panel: Panel, seed: Sequence[int]) -> PanelStudy:
    """One study with two judges: intervals with random labels and with labels chosen by disagreement.

    Parameters
    ----------
    panel : Panel
        Rates and sizes.
    seed : sequence of int
        Seed of the study.
    """
    random = np.random.default_rng(seed)
    truth = random.random(panel.trials) < panel.rate
    pairs = zip(panel.sensitivity, panel.specificity, strict=True)
    read = np.array([np.where(truth, random.random(truth.size) < a, random.random(truth.size) >= b) for a, b in pairs])
    disputed = np.flatnonzero(read[0] != read[1])
    focused = random.permutation(disputed)[: panel.labels - panel.labels // 5]
    rest = np.setdiff1d(np.arange(panel.trials), focused)
    chosen = np.concatenate([focused, random.permutation(rest)[: panel.labels - len(focused)]])
    picks = {"random": random.permutation(panel.trials)[: panel.labels], "disputed": chosen}
    intervals: dict[str, tuple[float, float] | None] = {}
    naive_errors: dict[str, list[list[float]]] = {}
    for name, pick in picks.items():
        known = np.full(panel.trials, np.nan)
        known[pick] = truth[pick]
        posterior = panel_posterior(VerdictPatterns.pattern_counts(read.T, known), seed=int(random.integers(1 << 30)))
        estimate = posterior.posterior_estimate()
        counts = [_counted(read[judge][pick], truth[pick]) for judge in range(2)]
        intervals[name] = (estimate.low, estimate.high)
        naive_errors[name] = [[_share(part) for part in judge] for judge in counts]
        apparent = (int(read[0].sum()), panel.trials)
        intervals[f"lang_reiczigel_{name}"] = interval(partial(lang_reiczigel, apparent, *counts[0]))
        resampled = bootstrap_of_labels(apparent, *counts[0], random)
        low, high = np.quantile(resampled, [0.025, 0.975]).tolist()
        intervals[f"calibration_bootstrap_{name}"] = (low, high)
    intervals["naive"] = interval(partial(wilson_interval, int(read[0].sum()), panel.trials))
    return PanelStudy(intervals, naive_errors)


def _counted(read: np.ndarray, truth: np.ndarray) -> tuple[tuple[int, int], tuple[int, int]]:
    """Hits of events and correct rejections of non-events, as counted on labels."""
    return (int((read & truth).sum()), int(truth.sum())), (int((~read & ~truth).sum()), int((~truth).sum()))


def _share(count: tuple[int, int]) -> float:
    return count[0] / count[1] if count[1] else math.nan


def arena_study(truth: np.ndarray, read: np.ndarray, seed: Sequence[int]) -> Result:
    """One subsample of 60 human labels: intervals for the share of events among all items by the human decisions.

    Parameters
    ----------
    truth : ndarray of bool, shape (items,)
        Human decisions.
    read : ndarray, shape (items,)
        The judge's decisions, NaN for none.
    seed : sequence of int
        Seed of the subsample.
    """
    random = np.random.default_rng(seed)
    labelled = np.zeros(len(truth), dtype=bool)
    labelled[random.permutation(len(truth))[:ARENA_LABELS]] = True
    spoke = ~np.isnan(read)
    hits, right = _counted(read[labelled & spoke] == 1, truth[labelled & spoke])
    silent = truth[labelled & ~spoke]
    rest = read[~labelled & spoke]
    counts = ((int(rest.sum()), len(rest)), hits, right)
    prior = (1.0 + float(silent.sum()), 1.0 + float((~silent).sum()))
    low, high = np.quantile(bootstrap_of_labels(*counts, random), [0.025, 0.975])
    return {
        "joint": interval(partial(joint_posterior, *counts, internal=True, prior=prior)),
        "lang_reiczigel": interval(partial(lang_reiczigel, *counts)),
        "labels_alone": interval(partial(wilson_interval, int(truth[labelled].sum()), ARENA_LABELS)),
        "naive": interval(partial(wilson_interval, float(np.nansum(read)), float(spoke.sum()))),
        "calibration_bootstrap": (float(low), float(high)),
    }


def summarised(results: Sequence[Result], truth: float, methods: Sequence[str]) -> CoverageSummary:
    """Coverage and mean width of each method; a refused interval covers nothing and has no width.

    Parameters
    ----------
    results : sequence of Result
        Intervals by method, one mapping per study.
    truth : float
        True value.
    methods : sequence of str
        Methods to summarise.
    """
    document: CoverageSummary = {"studies": len(results), "truth": truth, "coverage": {}, "mean_width": {}}
    for method in methods:
        found = [result[method] for result in results]
        given = [limits for limits in found if limits is not None]
        document["coverage"][method] = sum(low <= truth <= high for low, high in given) / len(found)
        document["mean_width"][method] = float(np.mean([high - low for low, high in given])) if given else None
    if "lang_reiczigel" in methods:
        both = [(each["joint"], each["lang_reiczigel"]) for each in results if each["lang_reiczigel"]]
        ours, theirs = (np.mean([high - low for low, high in side]) for side in zip(*both, strict=True))
        document["width_ratio_to_lang_reiczigel"] = float(ours / theirs)
    return document


def run(studies: int, workers: int) -> CoverageDocument:
    """Simulate all regimes.

    Parameters
    ----------
    studies : int
        Number of studies per regime.
    workers : int
        Number of processes.
    """
    methods = ("joint", "lang_reiczigel", "naive", "calibration_bootstrap")
    with ProcessPoolExecutor(workers) as pool:

        def each(study: Callable[[list[int]], Any], place: int, number: int = studies) -> list[Any]:
            return list(pool.map(study, [[2026, place, s] for s in range(number)], chunksize=25))

        regimes: list[RegimeRow] = []
        for place, regime in enumerate(REGIMES):
            found = summarised(each(partial(one_arm, regime), place), regime.rate, methods)
            regimes.append({"name": regime.name, "correctable": regime.correctable, **found})
        found = summarised(each(two_arms, 50), 0.0, methods)
        regimes.append({"name": "errors that differ by arm (difference)", "correctable": True, **found})
        panels = [_panels(panel, each(partial(panel_study, panel), 60 + place)) for place, panel in enumerate(PANELS)]
        arena: list[ArenaRow] = [
            {
                "judge": judge,
                "event": event,
                "judges_j": youden,
                **summarised(
                    each(partial(arena_study, truth, read), 70 + place, ARENA_STUDIES),
                    float(truth.mean()),
                    (*methods, "labels_alone"),
                ),
            }
            for place, (judge, event, youden, truth, read) in enumerate(arena_items())
        ]
    regimes += [by_disagreement for by_disagreement, _ in panels]
    gains = [gain for _, gain in panels]
    return {"machine": machine(), "regimes": regimes, "labels_by_disagreement": gains, "arena": arena}


def _panels(panel: Panel, found: list[PanelStudy]) -> tuple[RegimeRow, GainRow]:
    """The regime of labels chosen by disagreement; and its comparison with as many random labels.

    In the regime our interval is compared with those from one judge: Lang-Reiczigel with random labels, which it
    requires, and the naive rate and the bootstrap with error rates counted on the chosen labels, which are biased.
    """
    shown = [
        {
            "joint": each["disputed"],
            "lang_reiczigel": each["lang_reiczigel_random"],
            "lang_reiczigel_on_chosen_labels": each["lang_reiczigel_disputed"],
            "naive": each["naive"],
            "calibration_bootstrap": each["calibration_bootstrap_disputed"],
        }
        for each in (study.intervals for study in found)
    ]
    regime = summarised(shown, panel.rate, list(shown[0]))
    pair = summarised([study.intervals for study in found], panel.rate, ("random", "disputed"))
    counted = {
        how: np.nanmean([study.naive_errors[how] for study in found], axis=0).round(4).tolist()
        for how in ("random", "disputed")
    }
    gain: GainRow = {
        "name": panel.name,
        **pair,
        "times_narrower": _ratio(pair["mean_width"]["random"], pair["mean_width"]["disputed"]),
        "true_errors": [list(pair) for pair in zip(panel.sensitivity, panel.specificity, strict=True)],
        "counted_errors": counted,
    }
    name = f"labels by disagreement, {panel.name}"
    return {"name": name, "correctable": True, **regime}, gain


def _ratio(one: float | None, other: float | None) -> float:
    return math.nan if one is None or other is None else one / other


def arena_items() -> list[tuple[str, str, float, np.ndarray, np.ndarray]]:
    """For each judge and event: its J on all items, the human decisions, the judge's (NaN for none)."""
    items = []
    for path in sorted(ARENA.glob("*.json")):
        rows = json.loads(path.read_text(encoding="utf-8"))
        model = min(rows[0]["model_a"], rows[0]["model_b"])
        seat = np.array([row["model_a"] == model for row in rows])
        human = np.array([row["human_winner"] == "model_a" for row in rows])
        first = np.array([np.nan if row["judge_pick"] is None else float(row["judge_pick"] == "A") for row in rows])
        for event, flip in ((f"{model} wins", ~seat), ("the first answer wins", np.zeros(len(rows), dtype=bool))):
            truth, read = human ^ flip, np.where(flip, 1 - first, first)
            youden = float(np.nanmean(read[truth]) - np.nanmean(read[~truth]))
            items.append((path.stem.split("_")[-1], event, round(youden, 3), truth, read))
    return items


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(prog="python -m bench.coverage", description=__doc__)
    options.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    options.add_argument("--studies", type=int, default=STUDIES)
    options.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    chosen = options.parse_args()
    document = run(chosen.studies, chosen.workers)
    print(json.dumps(document, indent=2) if chosen.json else table(document))


def table(document: CoverageDocument) -> str:
    """Coverage of each method, one line per regime."""
    lines = []
    named: list[tuple[str, CoverageSummary]] = [(row["name"], row) for row in document["regimes"]]
    named += [(row["name"], row) for row in document["labels_by_disagreement"]]
    named += [(f"{row['judge']}: {row['event']} (J {row['judges_j']:.2f})", row) for row in document["arena"]]
    for name, summary in named:
        shown = ", ".join(f"{method} {value:.3f}" for method, value in summary["coverage"].items())
        lines.append(f"{name}: coverage {shown}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
