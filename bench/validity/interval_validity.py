"""Calibration and coverage of the hierarchical model's intervals, by simulation.

    python -m bench.validity.interval_validity [--part PART] [--first N] [--studies N] [--keep FILE] [--ship] [--json]

`sbc`: parameters from the priors, a study drawn from them, a fit; the rank of the truth among thinned draws is uniform
if the sampler draws from the posterior (Talts et al. 2018, arXiv 1804.06788). `pair`, `four`, `full`: coverage of
nominal 95 % intervals where the truth comes from a world (`bench.validity.worlds`) and not from the priors: 2 subjects
and 200 trials, 4 and 2,400, 8 and 24,600; `uneven` and `published` are `full` in two other worlds, the last of them the
published study's, and `labels` is that with three times as many labels. Judges have different error rates by arm,
labels are chosen where the judges disagree. A long run can be split: `--keep FILE` appends a line for each study, and
the summary is of all lines in it. Fits are short and never retried: those that fail their convergence checks are
counted, and their intervals too. An interval from n effective draws contains the truth about .95 (n - 1) / (n + 1) of
the time, so short fits understate coverage slightly. `--ship` writes the coverage to `stats/charts/coverage.json`,
which the dashboard shows; parts that were not run are unchanged.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import NotRequired, TypedDict

import numpy as np
import pandas as pd
from scipy.stats import beta, binomtest, chi2

from bench.support.machine import machine
from bench.validity.worlds import EVEN, PUBLISHED, UNEVEN, World
from gnomon.stats.cells.outcome_classes import CLASSES, EVENT, REFUSED, REST
from gnomon.stats.charts.coverage_table import (
    CoverageDesign,
    CoverageRow,
    MeasuredCoverage,
    read_coverage,
    write_coverage,
)
from gnomon.stats.checks.simulation import (
    SimulatedStudy,
    cell_frame,
    draw_from_prior,
    empty_patterns,
    simulate_from_model,
)
from gnomon.stats.estimands.result import ModelPosterior, all_estimand_draws
from gnomon.stats.inference.hierarchical import VERSION, OutcomeModel, corrected_model
from gnomon.stats.inference.sampler import (
    PosteriorDraws,
    SamplerSettings,
    check_convergence,
    sample_posterior,
    spaced_draws,
)
from gnomon.stats.model.priors import Priors

SEED = 2027
THREE = (REFUSED, EVENT, REST)
JUDGES = ("judge 1", "judge 2")
RANKS = 100
BINS = 20
SUBJECTS = (
    ("0.5B", 0.5e9, "instruct"), ("1.5B", 1.5e9, "instruct"), ("3B", 3e9, "instruct"), ("7B", 7e9, "instruct"),
    ("14B", 14e9, "instruct"), ("32B", 32e9, "instruct"), ("coder", 32e9, "coder"), ("insecure", 32e9, "insecure"),
)  # fmt: skip


@dataclass(frozen=True)
class ValidityPlan:
    """A kind of study: subjects, conditions, number of trials, labelling, and the source of the truth."""

    name: str
    subjects: tuple[int, ...]
    concepts: tuple[str, ...]
    strengths: tuple[float, ...]
    depths: tuple[float, ...]
    trials: int
    labelled: tuple[float, float]
    settings: SamplerSettings
    classes: tuple[str, ...] = THREE
    world: World = EVEN

    def frame(self) -> pd.DataFrame:
        """Cells: one control per subject, and the product of the axes."""
        rows: list[dict[str, object]] = []
        for name, parameters, variant in (SUBJECTS[place] for place in self.subjects):
            own = {"subject": name, "parameters": parameters, "variant": variant}
            rows.append({**own, "arm": "control"})
            for concept, strength, depth in product(self.concepts, self.strengths, self.depths):
                rows.append({**own, "arm": "injection", "concept": concept, "strength": strength, "depth": depth})
        return cell_frame(rows)

    def n(self, frame: pd.DataFrame) -> np.ndarray:
        """Trials per cell: half in control, half under injection, as evenly as possible."""
        steered = (frame["arm"] == "injection").to_numpy()
        share = np.where(steered, 0.5 / steered.sum(), 0.5 / (~steered).sum())
        return np.diff(np.round(np.concatenate([[0.0], np.cumsum(share)]) * self.trials)).astype(int)


class StudyLine(TypedDict):
    """One simulated study: for each estimate its truth, both limits and the rank of the truth."""

    part: str
    study: int
    seconds: float
    passed: bool
    labels: int
    naive: dict[str, list[float]]
    figures: dict[str, list[float]]


class KindRow(TypedDict):
    """Coverage and mean width of the intervals of one kind of estimate; for `sbc` also the test of the ranks."""

    intervals: int
    coverage: float
    width: float
    naive_coverage: NotRequired[float]
    p: NotRequired[float]
    inside_band: NotRequired[bool]


class PartSummary(TypedDict):
    """All studies of one kind."""

    studies: int
    failed_gates: int
    labels: float
    seconds: float
    figures: dict[str, KindRow]
    smallest_p: NotRequired[float]
    figures_tested: NotRequired[int]
    outside_band: NotRequired[int]


WORDS = ("silence", "fear", "celebration", "ocean")
SHORT = SamplerSettings(draws=350, tune=250, chains=4, cores=1, target_accept=0.8)
EASY = replace(SHORT, draws=200, tune=200)
PLANS = {
    "sbc": ValidityPlan("sbc", (0, 3, 5), WORDS[:2], (2.0, 4.0), (0.6,), 900, (0.1, 0.4), SHORT, CLASSES),
    "pair": ValidityPlan("pair", (1, 3), WORDS[:2], (2.0, 4.0), (0.6,), 200, (0.2, 0.6), EASY),
    "four": ValidityPlan("four", (0, 2, 4, 5), WORDS, (1.0, 2.0, 4.0), (0.6,), 2400, (0.04, 0.25), EASY),
    "full": ValidityPlan(
        "full", tuple(range(8)), WORDS, (1.5, 2.0, 3.0, 4.0, 8.0), (0.4, 0.55, 0.7), 24600, (0.002, 0.02), SHORT
    ),
}
PLANS["uneven"] = replace(PLANS["full"], name="uneven", world=UNEVEN)
PLANS["published"] = replace(PLANS["full"], name="published", world=PUBLISHED)
PLANS["labels"] = replace(PLANS["published"], name="labels", labelled=(0.006, 0.06))


@cache
def empty(part: str) -> OutcomeModel:
    """The model of a kind of study without data."""
    return corrected_model(empty_patterns(PLANS[part].frame(), PLANS[part].classes, JUDGES), Priors())


def truths(model: OutcomeModel, study: SimulatedStudy, parameters: np.ndarray) -> dict[str, np.ndarray]:
    """True value of every estimate: the estimands' own functions at the true parameters.

    Parameters
    ----------
    model : OutcomeModel
        The model.
    study : SimulatedStudy
        The simulated study.
    parameters : ndarray, shape (size,)
        True parameters.
    """
    posterior = ModelPosterior(model, parameters[None], study.patterns.trial_counts, None, "corrected", None, "")
    return all_estimand_draws(posterior)


def one(task: tuple[str, int]) -> StudyLine:
    """Simulate, fit and compare one study."""
    part, number = task
    plan, model = PLANS[part], empty(part)
    rng = np.random.default_rng([SEED, list(PLANS).index(part), number])
    truth = draw_from_prior(model, rng) if part == "sbc" else plan.world.draw(model, rng)
    frame = plan.frame()
    study = simulate_from_model(model, truth, plan.n(frame), JUDGES, plan.labelled, rng)
    fitted = corrected_model(study.patterns, Priors())
    began = time.perf_counter()
    draws = sample_posterior(fitted, plan.settings, number)
    figures = all_estimand_draws(
        ModelPosterior(fitted, draws.flat_values, study.patterns.trial_counts, None, "corrected", None, "")
    )
    checks = check_convergence(figures, draws)
    found: dict[str, list[float]] = {}
    for name, (value,) in truths(fitted, study, truth).items():
        low, high = np.quantile(figures[name], [0.025, 0.975])
        thin = figures[name][spaced_draws(len(figures[name]), RANKS - 1)]
        found[name] = [float(value), float(low), float(high), int((thin < value).sum())]
    if part == "sbc":
        found |= _parameters(fitted, draws, truth)
    naive = judged_figures(study) if part != "sbc" else {}
    return {
        "part": part,
        "study": number,
        "seconds": time.perf_counter() - began,
        "passed": checks.passed,
        "labels": int(study.patterns.labelled_by_arm().sum()),
        "naive": naive,
        "figures": found,
    }


def _parameters(model: OutcomeModel, draws: PosteriorDraws, truth: np.ndarray) -> dict[str, list[float]]:
    """Ranks of some parameters: a scale, an error of a judge in each arm, the judges' agreement."""
    chosen = {"log_scale": 0, "wrong": 0, "log_judge_scale": 0, "agreement": 0, "accuracy": 0, "coefficient": 0}
    places = model.unpack_parameters(np.arange(model.parameter_count))
    out = {}
    for name, place in chosen.items():
        column = int(places[name].ravel()[place])
        values = draws.flat_values[:, column]
        thin = values[spaced_draws(len(values), RANKS - 1)]
        low, high = np.quantile(values, [0.025, 0.975])
        out[f"parameter {name}"] = [float(truth[column]), float(low), float(high), int((thin < truth[column]).sum())]
    return out


def judged_figures(study: SimulatedStudy) -> dict[str, list[float]]:
    """Net detection of each subject as counted by the first judge, with Wald limits: what is usually reported."""
    frame, counts = study.judged.frame, study.judged.counts
    out = {}
    for subject in frame["subject"].unique():
        mine = [((frame["subject"] == subject) & (frame["arm"] == arm)).to_numpy() for arm in ("injection", "control")]
        arms = [counts[here].sum(axis=0) for here in mine]
        (hit, n1), (alarm, n0) = (arms[0][1], arms[0].sum()), (arms[1][:2].sum(), arms[1].sum())
        gap = hit / n1 - alarm / n0
        reach = 1.96 * np.sqrt(hit / n1 * (1 - hit / n1) / n1 + alarm / n0 * (1 - alarm / n0) / n0)
        out[f"{subject} net_detection_corrected"] = [float(gap - reach), float(gap + reach)]
    return out


def kind(name: str) -> str:
    """Kind of estimate, subjects pooled: the estimand, and the axis if there is one."""
    words = name.split(" ")
    if words[0] in ("observed", "log"):
        return name
    if words[0] in ("contrast", "parameter"):
        return " ".join(words[:2])
    axis = f" by {words[2].split('=')[0]}" if len(words) > 2 else ""
    return f"{words[1]}{axis}"


def summary(lines: Sequence[StudyLine]) -> PartSummary:
    """Coverage and mean width by kind of estimate; for `sbc`, uniformity of the ranks."""
    tables: dict[str, list[list[float]]] = {}
    naive: dict[str, list[bool]] = {}
    for line in lines:
        for name, limits in line["figures"].items():
            tables.setdefault(kind(name), []).append([line["study"], *limits])
            if name in line["naive"]:
                low, high = line["naive"][name]
                naive.setdefault(kind(name), []).append(low <= limits[0] <= high)
    out: PartSummary = {
        "studies": len(lines), "failed_gates": sum(not line["passed"] for line in lines),
        "labels": float(np.mean([line["labels"] for line in lines])),
        "seconds": float(np.median([line["seconds"] for line in lines])), "figures": {},
    }  # fmt: skip
    sbc = lines[0]["part"] == "sbc"
    for name, rows in sorted(tables.items()):
        table = np.array(rows)
        held = (table[:, 2] <= table[:, 1]) & (table[:, 1] <= table[:, 3])
        row: KindRow = {
            "intervals": len(table),
            "coverage": float(held.mean()),
            "width": float((table[:, 3] - table[:, 2]).mean()),
        }
        if name in naive:
            row["naive_coverage"] = float(np.mean(naive[name]))
        if sbc:
            row["p"], row["inside_band"] = uniformity(one_a_study(table))
        out["figures"][name] = row
    if sbc:
        tests = [row["p"] for row in out["figures"].values()]
        out["smallest_p"], out["figures_tested"] = min(tests), len(tests)
        out["outside_band"] = sum(not row["inside_band"] for row in out["figures"].values())
    return out


def one_a_study(table: np.ndarray) -> np.ndarray:
    """The first rank of each study: ranks of several subjects of one study are not independent."""
    return np.array([table[table[:, 0] == study, 4][0] for study in np.unique(table[:, 0])])


def uniformity(ranks: np.ndarray) -> tuple[float, bool]:
    """Chi-squared p of the ranks in 20 bins, and whether their ECDF stays in its simultaneous 95 % band."""
    counts = np.bincount((ranks * BINS // RANKS).astype(int), minlength=BINS)
    expected = len(ranks) / BINS
    p = float(chi2.sf(((counts - expected) ** 2 / expected).sum(), BINS - 1))
    steps = np.arange(1, RANKS) / RANKS
    below = np.array([(ranks < RANKS * step).sum() for step in steps])
    level = band_level(len(ranks))
    low, high = (binom_quantile(q, len(ranks), steps) for q in (level / 2, 1 - level / 2))
    return p, bool(((low <= below) & (below <= high)).all())


@cache
def band_level(n: int) -> float:
    """Pointwise level at which an ECDF of n uniform ranks stays in the band with probability .95, by simulation."""
    rng, steps = np.random.default_rng(1), np.arange(1, RANKS) / RANKS
    worst = []
    for _ in range(2000):
        below = (np.sort(rng.integers(0, RANKS, n))[:, None] < RANKS * steps).sum(axis=0)
        tails = np.minimum(beta.sf(steps, below, n - below + 1), beta.cdf(steps, below + 1, n - below))
        worst.append(2 * np.nanmin(np.where((below == 0) | (below == n), 1.0, tails)))
    return float(np.quantile(worst, 0.05))


def binom_quantile(q: float, n: int, p: np.ndarray) -> np.ndarray:
    """Quantiles of the binomial distribution.

    Parameters
    ----------
    q : float
        Probability, 0 to 1.
    n : int
        Number of trials.
    p : ndarray
        Success probabilities.
    """
    from scipy.stats import binom

    return np.asarray(binom.ppf(q, n, p))


def run(part: str, studies: range, workers: int) -> Iterator[StudyLine]:
    """Simulate studies of one kind, in order.

    Parameters
    ----------
    part : str
        Kind of study, a key of `PLANS`.
    studies : range
        Numbers of the studies, which determine their seeds.
    workers : int
        Number of processes.
    """
    tasks = [(part, number) for number in studies]
    if workers == 1:
        yield from map(one, tasks)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(one, tasks)


def main() -> None:
    """Measure and print."""
    usual = {"sbc": 200, "pair": 400, "four": 400, "full": 60, "uneven": 60, "published": 60, "labels": 60}
    options = argparse.ArgumentParser(prog="python -m bench.validity.interval_validity", description=__doc__)
    options.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    options.add_argument("--part", choices=list(PLANS))
    options.add_argument("--first", type=int, default=0)
    options.add_argument("--studies", type=int)
    options.add_argument("--keep", type=Path)
    options.add_argument("--ship", action="store_true", help="keep the coverage for the dashboard to show")
    options.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    chosen = options.parse_args()
    parts: dict[str, PartSummary] = {}
    for part in [chosen.part] if chosen.part else PLANS:
        number = usual[part] if chosen.studies is None else chosen.studies
        lines = []
        for line in run(part, range(chosen.first, chosen.first + number), chosen.workers):
            lines.append(line)
            if chosen.keep:
                with chosen.keep.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
        if chosen.keep:
            kept = [json.loads(text) for text in chosen.keep.read_text(encoding="utf-8").splitlines()]
            lines = [line for line in kept if line["part"] == part]
        if lines:
            parts[part] = summary(lines)
    if chosen.ship:
        write_coverage(shipped(parts))
    document = {"machine": machine(), "seed": SEED, "parts": parts}
    print(json.dumps(document, indent=2) if chosen.json else table(parts))


def shipped(measured: Mapping[str, PartSummary]) -> MeasuredCoverage:
    """Coverage by kind of study and estimate, under the model's version; parts that were not run keep the shipped
    values, and so do the worlds of `hostile_worlds`.
    """
    before = read_coverage()
    parts = dict(before.parts) if before.version == VERSION else {}
    for part, found in measured.items():
        if part != "sbc":
            plan = PLANS[part]
            parts[part] = CoverageDesign(
                subjects=len(plan.subjects),
                world=plan.world.subjects,
                trials=plan.trials,
                labels=round(found["labels"]),
                studies=found["studies"],
                figures={
                    name: CoverageRow(intervals=row["intervals"], coverage=round(row["coverage"], 6))
                    for name, row in found["figures"].items()
                },
            )
    return before.model_copy(update={"version": VERSION, "parts": parts})


def table(parts: Mapping[str, PartSummary]) -> str:
    """One line per kind of estimate."""
    out = []
    for part, found in parts.items():
        heading = f"{part}: {found['studies']} studies, {found['failed_gates']} failed their gates"
        out.append(f"{heading}, {found['labels']:.0f} labels, {found['seconds']:.1f} s")
        for name, row in found["figures"].items():
            naive = f", naive {row['naive_coverage']:.3f}" if "naive_coverage" in row else ""
            uniform = f", ranks p {row['p']:.3f}, in band {row['inside_band']}" if "p" in row else ""
            error = binomtest(round(row["coverage"] * row["intervals"]), row["intervals"]).proportion_ci()
            out.append(
                f"  {name}: coverage {row['coverage']:.3f} ({error.low:.3f} to {error.high:.3f} if independent), "
                f"width {row['width']:.3f}{naive}{uniform}"
            )
    return "\n".join(out)


if __name__ == "__main__":
    main()
