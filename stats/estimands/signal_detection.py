"""Signal detection: sensitivity index d' and criterion c of each subject, from detection and false alarm.

Estimands: d' = z(H) - z(F) and c = -(z(H) + z(F)) / 2, where H = P(claim | injection) is detection, F = P(claim |
control) the false alarm rate, and z the normal quantile. d' is how far injected trials lie from control trials, in
standard deviations of the noise; c is how much evidence the subject wants before it claims: 0 is unbiased, positive is
reluctant. Both rates count every trial, so a refusal is not a claim.

Assumes the equal-variance normal model: one pair of rates cannot test it. Formula: in each posterior draw. A rate's
draws lie inside (0, 1) even where nothing was counted, so no correction of counts of 0 is needed; d' then rests on the
prior of the rate, and its interval is wide.

Source: Green and Swets (1966); Macmillan and Creelman (2005); Stanislaw and Todorov (1999), Behavior Research Methods,
Instruments and Computers 31.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from scipy.special import ndtri

from gnomon.stats.estimand_registry import DETECTION, FALSE_ALARM
from gnomon.stats.estimands.definitions import EstimandDraws, posterior_interval
from gnomon.stats.results import SignalDetectionIndex

D_PRIME, CRITERION = "d_prime", "criterion"
TINY = 1e-12
"""Distance from 0 and 1 that keeps rounding from making a rate exactly 0 or 1."""


def sensitivity_index(hit: np.ndarray, false_alarm: np.ndarray) -> np.ndarray:
    """d' = z(hit) - z(false alarm).

    Parameters
    ----------
    hit, false_alarm : ndarray, shape (draws,)
        P(claim | injection) and P(claim | control), inside (0, 1).
    """
    return np.asarray(_normal_quantile(hit) - _normal_quantile(false_alarm))


def response_criterion(hit: np.ndarray, false_alarm: np.ndarray) -> np.ndarray:
    """c = -(z(hit) + z(false alarm)) / 2.

    Parameters
    ----------
    hit, false_alarm : ndarray, shape (draws,)
        P(claim | injection) and P(claim | control), inside (0, 1).
    """
    return np.asarray(-(_normal_quantile(hit) + _normal_quantile(false_alarm)) / 2)


def signal_detection_indices(every: Iterable[EstimandDraws]) -> list[SignalDetectionIndex]:
    """Both indices of each subject that has detection and false alarm, from their draws over the whole design."""
    rates: dict[str, dict[str, np.ndarray]] = {}
    for figure in every:
        if figure.estimand in (DETECTION, FALSE_ALARM) and not figure.by:
            rates.setdefault(figure.subject, {})[figure.estimand] = figure.draws
    return [
        SignalDetectionIndex(subject=subject, estimand=name, **posterior_interval(index(*found.values())))
        for subject, drawn in rates.items()
        if len(found := {name: drawn[name] for name in (DETECTION, FALSE_ALARM) if name in drawn}) == 2
        for name, index in ((D_PRIME, sensitivity_index), (CRITERION, response_criterion))
    ]


def _normal_quantile(rate: np.ndarray) -> np.ndarray:
    return np.asarray(ndtri(np.clip(rate, TINY, 1.0 - TINY)))
