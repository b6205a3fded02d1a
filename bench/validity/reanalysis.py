"""Re-analyses the published study from its counts and prints the tables of `docs/reanalysis.md`.

    python -m bench.validity.reanalysis

Everything comes from `data/published`, except the judge's confusion counts that the study printed (both arms together)
and those that `gnomon calibrate` gives for its dev labels by arm (`open-introspection`). Its test labels by arm are in
`test_calibration_by_arm.csv`, as they were first recorded and as they stand. `bench.validity.sweep_clustering` prints
by how much the intervals are too narrow for other concepts, layers and strengths.
"""

from __future__ import annotations

import csv
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import beta

from gnomon.calibration.numerics.mcmc import summarize_draws
from gnomon.calibration.numerics.rating_arrays import Floats
from gnomon.calibration.posterior.single_judge import joint_difference, marginal_posterior
from gnomon.data import bundled
from gnomon.data.records import Arm, CountRow, IntervalEstimate
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store
from gnomon.stats.bounds.selection_bounds import ArmCounts, bounds_with_interval, worst_case_bounds
from gnomon.stats.fit import fit_published
from gnomon.stats.inference.sampler import SamplerSettings
from gnomon.stats.results import ContrastRow, FitResult, IntervalRow, SizeLadderStep

Count = tuple[int, int]
DRAWS = 200_000
STEPS = (
    ("Qwen2.5-14B-Instruct", "Qwen2.5-7B-Instruct"),
    ("Qwen2.5-7B-Instruct", "Qwen2.5-3B-Instruct"),
    ("Qwen2.5-14B-Instruct", "Qwen2.5-32B-Instruct"),
    ("Qwen2.5-Coder-32B-Instruct", "Qwen2.5-32B-Instruct"),
    ("Qwen-Coder-Insecure", "Qwen2.5-32B-Instruct"),
    ("Qwen2.5-Coder-32B-Instruct", "Qwen-Coder-Insecure"),
)


@dataclass(frozen=True)
class JudgeScenario:
    """The judge's (correct, all): passes and fails in injection; non-denials and denials in control."""

    name: str
    injection: tuple[Count, Count]
    control: tuple[Count, Count]


POOLED = ((57, 57), (36, 43))
DEV_FIRST = JudgeScenario("dev labels as first recorded", ((18, 18), (12, 15)), ((8, 8), (8, 8)))
DEV = JudgeScenario("dev labels as they stand", ((19, 19), (12, 14)), ((8, 8), (8, 8)))


def judge_on_test_labels(labels: str) -> JudgeScenario:
    """The judge's counts on the 51 test labels by arm.

    Parameters
    ----------
    labels : {"first_recorded", "as_they_stand"}
        Before or after ten labels were changed, all to the judge's answer.
    """
    with (bundled.HERE / "published" / "test_calibration_by_arm.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["labels"] == labels]
    counts = {(row["arm"], row["label"]): (int(row["right"]), int(row["of"])) for row in rows}
    injection, control = ("pass", "fail"), ("fail", "pass")  # a pass in the control arm is a denial
    return JudgeScenario(
        f"test labels, {labels}",
        (counts["injection", injection[0]], counts["injection", injection[1]]),
        (counts["control", control[0]], counts["control", control[1]]),
    )


def add_scenarios(name: str, one: JudgeScenario, other: JudgeScenario) -> JudgeScenario:
    """The judge on two sets of labels together.

    Parameters
    ----------
    name : str
        What the sum is called.
    one, other : JudgeScenario
        Counts on each set.
    """
    arms = [
        tuple((a + c, b + d) for (a, b), (c, d) in zip(mine, theirs, strict=True))
        for mine, theirs in ((one.injection, other.injection), (one.control, other.control))
    ]
    return JudgeScenario(name, (arms[0][0], arms[0][1]), (arms[1][0], arms[1][1]))


def judge_scenarios() -> tuple[JudgeScenario, ...]:
    """The judge's errors by arm: dev labels alone, and dev and test labels as they stand and as first recorded."""
    return (
        DEV,
        add_scenarios("dev and test labels as they stand", DEV, judge_on_test_labels("as_they_stand")),
        add_scenarios("dev and test labels as first recorded", DEV_FIRST, judge_on_test_labels("first_recorded")),
    )


def corrected(one: CountRow, zero: CountRow, judge: JudgeScenario) -> IntervalEstimate:
    """Raw net detection corrected for the judge's errors by arm; labels inform only the errors.

    Parameters
    ----------
    one : CountRow
        Counts of the injection arm.
    zero : CountRow
        Counts of the control arm.
    judge : JudgeScenario
        The judge's confusion counts.
    """
    parts = [
        marginal_posterior(apparent, *errors)
        for apparent, errors in (
            ((one.event, one.n), judge.injection),
            ((zero.event + (zero.refused or 0), zero.n), judge.control),
        )
    ]
    return joint_difference(*parts)


def pooled(one: CountRow, zero: CountRow, seed: int = 1) -> IntervalEstimate:
    """The same with one sensitivity and specificity of pass for both arms, as in the study's calibration.

    Draws of both are weighted by the probability of the counts of both arms, with flat priors on the rates.

    Parameters
    ----------
    one : CountRow
        Counts of the injection arm.
    zero : CountRow
        Counts of the control arm.
    seed : int, default 1
        Seed of the draws.
    """
    random = np.random.default_rng(seed)
    (hits, passes), (right, fails) = POOLED
    se, sp = random.beta(hits + 1, passes - hits + 1, DRAWS), random.beta(right + 1, fails - right + 1, DRAWS)
    arms = [
        _passing(row.n - (row.refused or 0) - row.event if row is zero else row.event, row.n, se, sp, random)
        for row in (one, zero)
    ]
    weight = arms[0][1] * arms[1][1]
    net = arms[0][0] - (1 - arms[1][0])
    chosen = net[random.choice(DRAWS, DRAWS, p=weight / weight.sum())]
    return summarize_draws(chosen)


def _passing(k: int, n: int, se: Floats, sp: Floats, random: np.random.Generator) -> tuple[Floats, Floats]:
    """A draw of the true pass rate for each (se, sp), and the probability of k passes in n given these."""
    law = beta(k + 1, n - k + 1)
    floor, top = law.cdf(1 - sp), law.cdf(se)
    room = np.maximum(top - floor, 0.0)
    seen = law.ppf(floor + random.random(len(se)) * room)
    informed = np.maximum(se + sp - 1, 1e-9)
    return np.clip((seen + sp - 1) / informed, 0, 1), room / informed


def fitted() -> FitResult:
    """The hierarchical fit of the published counts."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(sqlite_url(Path(folder) / "published.db"))
        bundled.add_published(store)
        fit = fit_published(store, settings=SamplerSettings(draws=2000, tune=1000, chains=4), seed=1)
        store.close()
    return fit.result


def main() -> None:
    """Print the tables."""
    _, counts = bundled.published_counts()
    arms = {(row.subject, row.arm): row for row in counts}
    result = fitted()
    wanted = ("net_detection_raw", "net_detection_engaged")
    figures = {(row.subject, row.estimand): row for row in result.overall_estimates}
    print("| model | raw | engaged | Lee bounds, with sampling error | no monotonicity |\n|---|---|---|---|---|")
    for subject in dict.fromkeys(row.subject for row in counts):
        rows = [arms[subject, arm] for arm in (Arm.INJECTION, Arm.CONTROL)]
        table = [ArmCounts(engaged=row.n - (row.refused or 0), n=row.n, events=row.event) for row in rows]
        lee, worst = bounds_with_interval(*table), worst_case_bounds(*table)
        shown = [_interval(figures[subject, name]) for name in wanted]
        held = (
            f"{_points(lee.low)} to {_points(lee.high)} ({_points(lee.interval_low)} to {_points(lee.interval_high)})"
        )
        print(f"| {subject} | {shown[0]} | {shown[1]} | {held} | {_points(worst[0])} to {_points(worst[1])} |")
    print("\n| difference | raw | probability | engaged | probability |\n|---|---|---|---|---|")
    pairs = {(row.estimand, row.a, row.b): row for row in result.contrasts}
    for a, b in STEPS:
        cells = [_contrast(pairs, name, a, b) for name in wanted]
        print(f"| {a} over {b} | {' | '.join(cells)} |")
    print("\n| odds ratio per doubling | median | prior decides |\n|---|---|---|")
    for odds in result.comparisons.odds_ratios:
        ends = f"{odds.median:.2f} ({odds.low95:.2f} to {odds.high95:.2f})"
        print(f"| {odds.stage}, {odds.effect} | {ends} | {100 * odds.prior_share:.0f} % |")
    _beside(result, wanted)
    judges = judge_scenarios()
    print("\n| model | uncorrected | published calibration, arms pooled |", " | ".join(j.name for j in judges), "|")
    print("|---|---|---|---|---|---|")
    for subject in dict.fromkeys(row.subject for row in counts):
        one, zero = arms[subject, Arm.INJECTION], arms[subject, Arm.CONTROL]
        raw = one.event / one.n - (zero.event + (zero.refused or 0)) / zero.n
        given = [pooled(one, zero), *(corrected(one, zero, judge) for judge in judges)]
        print(f"| {subject} | {_points(raw)} | {' | '.join(_span(e.value, e.low, e.high) for e in given)} |")


def _beside(result: FitResult, wanted: tuple[str, ...]) -> None:
    """The size ladder, the trends through the observed subjects, and the prediction for a further subject."""
    beside = result.comparisons
    print("\n| step | raw | probability | engaged | probability |\n|---|---|---|---|---|")
    steps: dict[tuple[str, str], list[str]] = {}
    for step in beside.ladder:
        if step.estimand not in wanted:
            continue
        gap = _interval(step) if isinstance(step, SizeLadderStep) else "every step up"
        steps.setdefault((step.from_subject, step.to_subject), []).append(f"{gap} | {_chance(step.probability)}")
    for (low, high), cells in steps.items():
        print(f"| {low} to {high} | {' | '.join(cells)} |")
    print("\n| trend per doubling through the models that were run | points | probability that it is positive |")
    print("|---|---|---|")
    for slope in beside.slopes:
        if slope.estimand not in wanted:
            continue
        chance = _chance(slope.probability_positive)
        print(f"| {slope.estimand}, {slope.variants} | {_interval(slope)} | {chance} |")
    print("\n| a further instruct model of | raw | engaged |\n|---|---|---|")
    sizes = sorted({point.parameters for point in beside.new_subject})
    for size in sizes:
        mine = {point.estimand: point for point in beside.new_subject if point.parameters == size}
        spans = [_interval(mine[name]) for name in wanted]
        print(f"| {size / 1e9:.1f} B | {' | '.join(spans)} |")
    print("\n| model | bounds from the posterior, their 95 % limits |\n|---|---|")
    for bounds in beside.bounds:
        if bounds.assuming == "monotone":
            ends = f"{_points(bounds.low)} to {_points(bounds.high)}"
            print(f"| {bounds.subject} | {ends} ({_points(bounds.low95)} to {_points(bounds.high95)}) |")


def _contrast(pairs: dict[tuple[str, str, str], ContrastRow], name: str, a: str, b: str) -> str:
    row, sign = (pairs[name, a, b], 1) if (name, a, b) in pairs else (pairs[name, b, a], -1)
    ends = sorted((sign * row.low95, sign * row.high95))
    chance = row.probability if sign == 1 else 1 - row.probability
    return f"{_span(sign * row.mean, *ends)} | {_chance(chance)}"


def _chance(probability: float) -> str:
    if probability > 0.999:
        return "> .999"
    return "< .001" if probability < 0.001 else f"{probability:.3f}".lstrip("0")


def _interval(row: IntervalRow) -> str:
    return _span(row.mean, row.low95, row.high95)


def _span(value: float, low: float, high: float) -> str:
    return f"{_points(value)} ({_points(low)} to {_points(high)})"


def _points(value: float) -> str:
    return f"{100 * value:+.1f}"


if __name__ == "__main__":
    main()
