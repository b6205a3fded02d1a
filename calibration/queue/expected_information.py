"""Expected variance reduction from labelling each stratum (Bayes-linear look-ahead)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gnomon.calibration.numerics.rating_arrays import Floats


def best_order(estimand: Floats, event: Floats, free: Sequence[int], n: int) -> tuple[list[int], Floats]:
    """Strata in which to label the next n trials, in order, and the expected remaining variance.

    Estimand: the expected posterior variance of `estimand` after the labels. A label in stratum s is Bernoulli
    with probability pi_s, so its posterior covariance with the estimand gives the expected reduction of the variance,
    Cov(estimand, pi_s)^2 / (E pi_s (1 - E pi_s)): exact for one label. For later labels the covariances
    are updated as if all were jointly normal (Bayes linear), which ranks strata well but predicts widths only roughly;
    reported widths come from simulation (`gnomon.calibration.queue.sample_size`).
    Source: Goldstein and Wooff (2007), Bayes Linear Statistics; expected-variance design as in MacKay (1992).

    Parameters
    ----------
    estimand : array (draws,)
        Posterior draws of the estimand.
    event : array (draws, strata)
        Posterior draws of the probability of the event in each stratum.
    free : sequence of int
        Number of unlabelled trials in each stratum.
    n : int
        Labels to place; fewer are returned if fewer trials are free.

    Returns
    -------
    list of int, array (labels + 1,)
        The stratum of each label in turn; the estimand's variance before the first and after each.
    """
    state = np.column_stack([estimand, event])
    spread = np.atleast_2d(np.cov(state, rowvar=False))
    noise = np.maximum((event * (1 - event)).mean(axis=0), 1e-9)
    left = np.array(free, dtype=int)
    order: list[int] = []
    variances = [float(spread[0, 0])]
    for _ in range(min(n, int(left.sum()))):
        gain = spread[0, 1:] ** 2 / (np.diag(spread)[1:] + noise)
        gain[left <= 0] = -1.0
        chosen = int(gain.argmax())
        column = spread[:, chosen + 1]
        spread = spread - np.outer(column, column) / (column[chosen + 1] + noise[chosen])
        left[chosen] -= 1
        order.append(chosen)
        variances.append(max(float(spread[0, 0]), 0.0))
    return order, np.asarray(variances)
