"""Coverage of what is said of model size: odds ratio per doubling, trend through the models that were run, and steps.

    python -m bench.validity.slopes [--studies N] [--json]

One stage of the model in two arms: the control logit of subject i is a + b x_i + variant + deviation, the effect of
injection the same with its own values, each observed with a normal error of known size; x is the centred log2 of the
published study's sizes. The intercepts have normal priors with sd 2, the slopes with sd .5, deviations and variants
half-normal ones; their standard deviations are integrated over on a grid, the rest exactly. An approximation:
errors of level and effect are taken as independent and judges' errors as part of them. So thousands of studies cost a
minute, where fits of the whole model cost days (`bench.validity.interval_validity` has those). Decision 22 rests on it.

| column | estimand |
|---|---|
| odds ratio, level; effect | exp(b) of the control logit and of the effect of injection, for a population of subjects |
| trend, control; net | least-squares slope of the rates of the six instruct models, and of injection - control |
| step | difference of the rates of neighbouring models, five in a study |
| typical | the slope in points of a subject without deviations: what was shown before (decision 15) |
| mean | the mean of such slopes over subjects drawn from the population, for the same interval |
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bench.support.machine import machine
from bench.validity.interval_validity import SUBJECTS

SEED = 2027
DRAWS = 400
MEAN_LEVEL, LEVEL_SD, SLOPE_SD, VARIANT_SCALE = -1.5, 2.0, 0.5, 1.0
TAUS, SPREADS = np.geomspace(0.02, 8.0, 40), np.geomspace(0.03, 4.0, 14)


@dataclass(frozen=True)
class StageTruth:
    """Intercept, slope per doubling, standard deviations of subjects and variants, and of the error of a logit."""

    level: float
    slope: float
    subject: float
    variant: float
    error: float


@dataclass(frozen=True)
class SlopeWorld:
    """One stage of the outcome in the control arm, and the effect of injection on it."""

    control: StageTruth
    effect: StageTruth


WORLDS: Mapping[str, SlopeWorld] = {
    "alike": SlopeWorld(StageTruth(-2.0, -0.1, 0.6, 0.5, 0.12), StageTruth(1.0, 0.25, 0.4, 0.5, 0.15)),
    "that differ": SlopeWorld(StageTruth(-2.0, -0.1, 1.0, 0.67, 0.12), StageTruth(1.0, 0.25, 0.67, 0.67, 0.15)),
    "as published, event": SlopeWorld(StageTruth(-3.2, -0.5, 1.05, 0.65, 0.2), StageTruth(2.6, 0.6, 1.0, 0.55, 0.25)),
    "as published, refusal": SlopeWorld(
        StageTruth(-3.3, -0.4, 2.6, 0.75, 0.2), StageTruth(-0.9, -0.05, 0.85, 0.65, 0.25)
    ),
}  # fmt: skip
"""As `bench.validity.worlds` has them."""
PRIOR_SCALES = (1.5, 1.0)
"""Half-normal scales of the subjects' deviations, in the control level and in the effect of injection."""


@dataclass(frozen=True)
class StagePosterior:
    """Draws of one stage's logits for each study.

    Attributes
    ----------
    logits : ndarray, shape (studies, draws, subjects)
    slope, level : ndarray, shape (studies, draws)
    """

    logits: np.ndarray
    slope: np.ndarray
    level: np.ndarray


def stage_posterior(
    seen: np.ndarray, error: float, scale: float, mean: float, rng: np.random.Generator
) -> StagePosterior:
    """The posterior of one stage from observed logits.

    Parameters
    ----------
    seen : ndarray, shape (studies, subjects)
        Observed logits.
    error : float
        Standard deviation of their errors.
    scale : float
        Half-normal scale of the subjects' deviations.
    mean : float
        Prior mean of the intercept.
    rng : numpy.random.Generator
        Source of the draws.
    """
    x, variants = _design()
    lines = np.column_stack([np.ones(len(x)), x])
    prior, apart = np.diag([LEVEL_SD**2, SLOPE_SD**2]), seen - mean
    cells = [(tau, spread) for tau in TAUS for spread in SPREADS]
    logs = np.empty((len(cells), len(seen)))
    for place, (tau, spread) in enumerate(cells):
        whole = _covariance(tau, spread, variants) + lines @ prior @ lines.T + error**2 * np.eye(len(x))
        inverse, (_, size) = np.linalg.inv(whole), np.linalg.slogdet(whole)
        fit = -0.5 * np.einsum("ni,ij,nj->n", apart, inverse, apart) - 0.5 * size
        prior_of = -0.5 * (tau / scale) ** 2 - 0.5 * (spread / VARIANT_SCALE) ** 2 + np.log(tau) + np.log(spread)
        logs[place] = fit + prior_of
    weights = np.exp(logs - logs.max(axis=0))
    chosen = _choose(weights / weights.sum(axis=0), rng)
    out = np.empty((len(seen), DRAWS, len(x) + 2))
    for place, (tau, spread) in enumerate(cells):
        study, draw = np.nonzero(chosen == place)
        if len(study):
            out[study, draw] = _conditional_draws(apart[study], tau, spread, error, lines, variants, prior, rng)
    return StagePosterior(out[..., : len(x)] + mean, out[..., -1], out[..., -2] + mean)


def _design() -> tuple[np.ndarray, np.ndarray]:
    """Centred log2 sizes and indicators of the variants."""
    x = np.log2([size for _, size, _ in SUBJECTS])
    variants = [[float(variant == one) for one in ("coder", "insecure")] for _, _, variant in SUBJECTS]
    return x - x.mean(), np.array(variants)


def _covariance(tau: float, spread: float, variants: np.ndarray) -> np.ndarray:
    return np.asarray(tau**2 * np.eye(len(variants)) + spread**2 * variants @ variants.T)


def _choose(weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Grid cells (studies, draws), each drawn with its weight (cells, studies)."""
    below = np.cumsum(weights, axis=0).T
    picks = [np.searchsorted(row, rng.random(DRAWS) * row[-1]) for row in below]
    return np.asarray(np.minimum(np.array(picks), len(weights) - 1))


def _conditional_draws(
    apart: np.ndarray,
    tau: float,
    spread: float,
    error: float,
    lines: np.ndarray,
    variants: np.ndarray,
    prior: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Logits, intercept and slope (n, subjects + 2) given the standard deviations: jointly normal with the data."""
    logits = _covariance(tau, spread, variants) + lines @ prior @ lines.T
    joint = np.block([[logits, lines @ prior], [prior @ lines.T, prior]])
    gain = joint[:, : len(lines)] @ np.linalg.inv(logits + error**2 * np.eye(len(lines)))
    left = joint - gain @ joint[: len(lines)]
    root = np.linalg.cholesky(left + 1e-9 * np.eye(len(left)))
    return np.asarray(apart @ gain.T + rng.normal(size=(len(apart), len(left))) @ root.T)


def coverage(world: SlopeWorld, studies: int) -> dict[str, float]:
    """Share of 95 % intervals that contain the truth, by estimand.

    Parameters
    ----------
    world : SlopeWorld
        The truth.
    studies : int
        Number of simulated studies.
    """
    rng = np.random.default_rng(SEED)
    x, variants = _design()
    truths, posteriors = [], []
    for truth, scale, mean in zip((world.control, world.effect), PRIOR_SCALES, (MEAN_LEVEL, 0.0), strict=True):
        own = truth.level + truth.slope * x + truth.subject * rng.normal(size=(studies, len(x)))
        own += truth.variant * rng.normal(size=(studies, 2)) @ variants.T
        seen = own + truth.error * rng.normal(size=own.shape)
        truths.append(own)
        posteriors.append(stage_posterior(seen, truth.error, scale, mean, rng))
    control, effect = posteriors
    usual = np.array([variant == "instruct" for _, _, variant in SUBJECTS])
    rates = [_rate(control.logits), _rate(control.logits + effect.logits)]
    real = [_rate(truths[0]), _rate(truths[0] + truths[1])]
    weight = (x[usual] - x[usual].mean()) / ((x[usual] - x[usual].mean()) ** 2).sum()
    found = {
        "odds ratio, level": _held(control.slope, np.full(studies, world.control.slope)),
        "odds ratio, effect": _held(effect.slope, np.full(studies, world.effect.slope)),
        "trend, control": _held(rates[0][..., usual] @ weight, real[0][:, usual] @ weight),
        "trend, net": _held((rates[1] - rates[0])[..., usual] @ weight, (real[1] - real[0])[:, usual] @ weight),
    }
    steps = [np.diff((one[1] - one[0])[..., usual], axis=-1) for one in (rates, real)]
    found["step"] = float(np.mean([_held(steps[0][..., k], steps[1][:, k]) for k in range(steps[0].shape[-1])]))
    ends = np.array([x.min(), x.max()])
    typical = (_rate(control.level[..., None] + control.slope[..., None] * ends) @ np.array([-1.0, 1.0])) / np.ptp(ends)
    line = world.control.level + world.control.slope * ends
    found["typical"] = _held(typical, np.full(studies, float(_rate(line) @ np.array([-1.0, 1.0])) / np.ptp(ends)))
    many = world.control.subject * rng.normal(size=(20_000, 1))
    mean_slope = float((_rate(line + many) @ np.array([-1.0, 1.0])).mean()) / np.ptp(ends)
    found["mean"] = _held(typical, np.full(studies, mean_slope))
    return found


def _rate(logits: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 / (1.0 + np.exp(-logits)))


def _held(draws: np.ndarray, truth: np.ndarray) -> float:
    """Share of studies whose central 95 % interval contains the truth."""
    low, high = np.quantile(draws, [0.025, 0.975], axis=1)
    return float(((low <= truth) & (truth <= high)).mean())


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(prog="python -m bench.validity.slopes", description=__doc__)
    options.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    options.add_argument("--studies", type=int, default=2_000)
    chosen = options.parse_args()
    found = {name: coverage(world, chosen.studies) for name, world in WORLDS.items()}
    if chosen.json:
        print(json.dumps({"machine": machine(), "seed": SEED, "studies": chosen.studies, "coverage": found}, indent=2))
        return
    columns = list(next(iter(found.values())))
    print(f"{'models':24}{''.join(f'{column:>20}' for column in columns)}")
    for name, row in found.items():
        print(f"{name:24}{''.join(f'{row[column]:20.3f}' for column in columns)}")


if __name__ == "__main__":
    main()
