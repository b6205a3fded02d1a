"""Whether the probability of an event has changed at some unknown time: a test that may be looked at after each trial.

Null hypothesis: independent trials with one probability, whatever it is. The e-process divides a mixture by the
greatest likelihood under the null hypothesis (universal inference: Wasserman, Ramdas, Balakrishnan 2020, PNAS 117).
The mixture has a change after 1, 2, 3, 4, 5, 8, 11, 16, ... trials (powers of the square root of 2), with weights
1 / (m (m + 1)), and beta distributions of the rates before and after; a change that comes between two of these times is
found nearly as soon. That the evidence ever reaches 1 / error has a probability of at most `error` without a change.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp, xlogy

from gnomon.calibration.numerics.rating_arrays import Floats
from gnomon.calibration.sequential.confidence_sequences import cumulative_counts, log_mixture


@dataclass(frozen=True, slots=True)
class ChangeEvidence:
    """Evidence for a change after each of n trials.

    Attributes
    ----------
    log_evidence : array (n,)
        Logarithm of the e-process.
    decided : int or None
        Number of trials after which it first reached 1 / error; None if it never did.
    change : int or None
        Most likely number of trials before the change, by the trials until it was decided; None if undecided.
    """

    log_evidence: Floats
    decided: int | None
    change: int | None


def change_evidence(events: Sequence[bool] | np.ndarray, *, error: float = 0.05) -> ChangeEvidence:
    """Evidence that the probability of an event changed, after each trial of a sequence.

    Parameters
    ----------
    events : sequence of bool, length n
        Whether each trial is an event, in the order in which they became known.
    error : float, default 0.05
        Greatest probability that a change is ever told where there is none.
    """
    if not len(events):
        return ChangeEvidence(np.zeros(0), None, None)
    k, n = cumulative_counts(events)
    whole, greatest = log_mixture(k, n), xlogy(k, k / n) + xlogy(n - k, 1 - k / n)
    times = _candidate_times(len(k))
    terms = [np.log(1 / (len(times) + 1)) + whole]
    for place, time in enumerate(times, start=1):
        after = whole.copy()
        after[time:] = whole[time - 1] + log_mixture(k[time:] - k[time - 1], n[time:] - n[time - 1])
        terms.append(after - math.log(place * (place + 1)))
    evidence = np.asarray(logsumexp(np.stack(terms), axis=0) - greatest)
    reached = np.flatnonzero(evidence >= -math.log(error))
    if not len(reached):
        return ChangeEvidence(evidence, None, None)
    decided = int(reached[0]) + 1
    return ChangeEvidence(evidence, decided, likeliest_change(events[:decided]))


def _candidate_times(n: int) -> list[int]:
    """Distinct whole powers of the square root of 2 below n."""
    powers = (math.floor(2 ** (power / 2)) for power in range(2 * math.ceil(math.log2(n)) + 1 if n > 1 else 0))
    return sorted({time for time in powers if time < n})


def likeliest_change(events: Sequence[bool] | np.ndarray) -> int:
    """Number of trials before a change at which the likelihood of two rates is greatest; 0 with fewer than two trials.

    Parameters
    ----------
    events : sequence of bool
        Whether each trial is an event, in order.
    """
    k, n = cumulative_counts(events)
    if len(k) < 2:
        return 0
    before, left, after, right = k[:-1], n[:-1], k[-1] - k[:-1], n[-1] - n[:-1]
    likelihood = xlogy(before, before / left) + xlogy(left - before, 1 - before / left)
    likelihood = likelihood + xlogy(after, after / right) + xlogy(right - after, 1 - after / right)
    return int(np.argmax(likelihood)) + 1
