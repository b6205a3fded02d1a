"""Coverage of a slope over eight subjects, by the prior on the subjects' deviations from the line.

    python -m bench.validity.slopes [--studies N] [--json]

One stage of the model alone: the logit of subject i is a + b x_i + variant + deviation, observed with an error of known
size, x the centred log2 of the published study's sizes. a ~ N(-1.5, 2), b ~ N(0, sd); the standard deviations of
deviations and variants have the priors compared here, and are integrated over on a grid, the rest exactly. So many
studies cost seconds where fits of the whole model cost days, and only the prior differs between the results. Decision
0015 is based on it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from bench.support.machine import machine
from bench.validity.interval_validity import SUBJECTS

SEED = 2027
Prior = Callable[[np.ndarray], np.ndarray]
"""Log density, up to a constant, of a standard deviation."""


@dataclass(frozen=True)
class Truth:
    """A slope per doubling, standard deviations of subjects and variants, and the standard error of a logit."""

    slope: float
    subject: float
    variant: float
    error: float


TRUTHS = {
    "even, levels": Truth(-0.1, 0.6, 0.5, 0.12),
    "even, injection": Truth(0.25, 0.4, 0.5, 0.12),
    "uneven, levels": Truth(-0.1, 1.0, 0.67, 0.12),
    "published, event": Truth(-0.5, 1.05, 0.65, 0.12),
    "published, refusal": Truth(-0.4, 2.6, 0.75, 0.2),
}
LEVEL, LEVEL_MEAN, LEVEL_SD, VARIANT_SCALE = -2.0, -1.5, 2.0, 1.0


def half_normal(scale: float) -> Prior:
    """Half-normal prior."""
    return lambda tau: -0.5 * (tau / scale) ** 2


def exponential(mean: float) -> Prior:
    """Exponential prior."""
    return lambda tau: -tau / mean


def half_t(df: float, scale: float) -> Prior:
    """Half-t prior.

    Parameters
    ----------
    df : float
        Degrees of freedom.
    scale : float
        Scale.
    """
    return lambda tau: -(df + 1) / 2 * np.log1p((tau / scale) ** 2 / df)


PRIORS: dict[str, tuple[Prior, float]] = {
    "half-normal 1.5, slope .5 (ours)": (half_normal(1.5), 0.5),
    "half-normal 1.0, slope .5": (half_normal(1.0), 0.5),
    "half-normal 2.5, slope 1": (half_normal(2.5), 1.0),
    "half-t 3, 1.0, slope .75": (half_t(3, 1.0), 0.75),
    "exponential 1.2, slope .75": (exponential(1.2), 0.75),
    "exponential .7, slope .75": (exponential(0.7), 0.75),
}


def coverage(truth: Truth, prior: Prior, slope_sd: float, studies: int) -> float:
    """Share of simulated studies whose central 95 % interval of the slope contains the truth.

    Parameters
    ----------
    truth : Truth
        True slope and standard deviations.
    prior : Prior
        Log prior density of the subjects' standard deviation.
    slope_sd : float
        Standard deviation of the slope's normal prior.
    studies : int
        Number of studies.
    """
    rng = np.random.default_rng(SEED)
    x = np.log2([size for _, size, _ in SUBJECTS])
    x -= x.mean()
    variants = np.array([[variant == one for one in ("coder", "insecure")] for _, _, variant in SUBJECTS], dtype=float)
    subjects = len(SUBJECTS)
    seen = LEVEL + truth.slope * x + truth.subject * rng.normal(size=(studies, subjects))
    seen += truth.variant * rng.normal(size=(studies, 2)) @ variants.T + truth.error * rng.normal(size=seen.shape)
    lines, precision = np.column_stack([np.ones(subjects), x]), np.diag([LEVEL_SD**-2, slope_sd**-2])
    apart, of_lines = seen - LEVEL_MEAN, lines @ np.linalg.inv(precision) @ lines.T
    logs, below = [], []
    for tau in np.geomspace(0.02, 8.0, 40):
        for spread in np.geomspace(0.03, 4.0, 14):
            errors = (tau**2 + truth.error**2) * np.eye(subjects) + spread**2 * variants @ variants.T
            whole = errors + of_lines
            fit = (
                -0.5 * np.einsum("ni,ij,nj->n", apart, np.linalg.inv(whole), apart) - 0.5 * np.linalg.slogdet(whole)[1]
            )
            weighed = lines.T @ np.linalg.inv(errors)
            covariance = np.linalg.inv(weighed @ lines + precision)
            mean = (apart @ weighed.T @ covariance)[:, 1]
            spaced = np.log(tau) + np.log(spread)
            logs.append(fit + prior(np.array(tau)) - 0.5 * (spread / VARIANT_SCALE) ** 2 + spaced)
            below.append(norm.cdf((truth.slope - mean) / covariance[1, 1] ** 0.5))
    weights = np.exp(np.array(logs) - np.max(logs, axis=0))
    place = (weights * np.array(below)).sum(axis=0) / weights.sum(axis=0)
    return float(((place > 0.025) & (place < 0.975)).mean())


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(prog="python -m bench.validity.slopes", description=__doc__)
    options.add_argument("--json", action="store_true", help="one JSON document instead of a table")
    options.add_argument("--studies", type=int, default=20_000)
    chosen = options.parse_args()
    found = {
        name: {world: round(coverage(truth, *prior, chosen.studies), 4) for world, truth in TRUTHS.items()}
        for name, prior in PRIORS.items()
    }
    if chosen.json:
        print(json.dumps({"machine": machine(), "seed": SEED, "studies": chosen.studies, "coverage": found}, indent=2))
        return
    print(f"{'':34}{''.join(f'{world:>20}' for world in TRUTHS)}")
    for name, row in found.items():
        print(f"{name:34}{''.join(f'{share:20.3f}' for share in row.values())}")


if __name__ == "__main__":
    main()
