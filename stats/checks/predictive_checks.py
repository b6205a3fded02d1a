"""Prior and posterior predictive checks.

Prior: the distribution of every estimate under the priors alone; shows a prior that excludes a plausible rate or
insists on an extreme one. Posterior: replicated counts compared with the observed ones; shows what the model misses.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gnomon.stats.checks.simulation import draw_from_prior
from gnomon.stats.inference.hierarchical import OutcomeModel
from gnomon.stats.results import PredictiveCheck, PriorPredictiveRow

MAX_CHECK_DRAWS = 400


def draw_prior_parameters(model: OutcomeModel, number: int, rng: np.random.Generator) -> np.ndarray:
    """Parameters drawn from the priors; `result.all_estimand_draws` computes estimates from them.

    Parameters
    ----------
    model : OutcomeModel
        The model.
    number : int
        Number of draws.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    ndarray, shape (number, size)
        One parameter vector per row.
    """
    return np.stack([draw_from_prior(model, rng) for _ in range(number)])


def prior_predictive(figures: Mapping[str, np.ndarray]) -> list[PriorPredictiveRow]:
    """Prior distribution of each estimate over the whole design: median, 50 and 95 % limits."""
    rows = []
    for name, draws in figures.items():
        if "=" not in name and not name.startswith("contrast"):
            low, quarter, middle, three, high = np.quantile(draws, [0.025, 0.25, 0.5, 0.75, 0.975])
            rows.append(
                PriorPredictiveRow(figure=name, low95=low, low50=quarter, median=middle, high50=three, high95=high)
            )
    return rows


def posterior_predictive_check(
    model: OutcomeModel, x: np.ndarray, counts: np.ndarray, rng: np.random.Generator
) -> list[PredictiveCheck]:
    """Posterior predictive check: replicated and observed counts by subject, arm and class, with p-values.

    `p` is the posterior predictive p-value of Pearson's chi-squared over the cells of a subject and arm (Gelman, Meng
    and Stern 1996, Statistica Sinica 6): the share of draws in which replicated counts are further from their
    expectation than the observed ones. Near 0 the model misses something. It is not uniform under the model but
    concentrated around .5.

    Parameters
    ----------
    model : OutcomeModel
        The fitted model.
    x : ndarray, shape (draws, size)
        Posterior draws of the parameters.
    counts : ndarray, shape (cells, K)
        Observed counts by class.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    list of PredictiveCheck
        subject, arm, class, n, p, mean, low95, high95 (of replicated counts) and observed.
    """
    some = x[np.linspace(0, len(x) - 1, min(MAX_CHECK_DRAWS, len(x))).astype(int)]
    frame, n = model.design.frame, counts.sum(axis=1)
    share = model.class_probabilities(model.coefficient_draws(some), frame)
    share = share / share.sum(axis=-1, keepdims=True)
    anew = rng.multinomial(n, share)
    expected = n[:, None] * share
    far = [((table - expected) ** 2 / np.maximum(expected, 1e-9)).sum(axis=-1) for table in (anew, counts)]
    out = []
    for subject, arm in frame[["subject", "arm"]].drop_duplicates().itertuples(index=False):
        cells = np.flatnonzero((frame["subject"] == subject) & (frame["arm"] == arm))
        p = float((far[0][:, cells].sum(axis=1) >= far[1][:, cells].sum(axis=1)).mean())
        for place, name in enumerate(model.classes):
            drawn = anew[:, cells, place].sum(axis=1)
            low, high = np.quantile(drawn, [0.025, 0.975])
            out.append(
                PredictiveCheck(
                    subject=str(subject),
                    arm=str(arm),
                    outcome_class=name,
                    n=int(n[cells].sum()),
                    p=p,
                    observed=int(counts[cells, place].sum()),
                    mean=float(drawn.mean()),
                    low95=float(low),
                    high95=float(high),
                )
            )
    return out
