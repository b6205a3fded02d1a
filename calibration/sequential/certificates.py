"""Certificates: whether a true rate is below or above a bound, shown with an imperfect judge; takes counts.

Estimand: the probability of the event among the trials that the judge read. Three ways lead to it:

- labels alone: the share of events among labelled trials;
- error rates: q = P(judge sees an event), s = P(it does | event), f = P(it does | none); the rate is (q - f) / (s - f),
  which rises with q and falls with s and f;
- predictive values: q, and the shares u and v of events among trials with and without such a verdict; the rate is
  q u + (1 - q) v, which rises with u and v, and with q where u exceeds v.

Each way is given a third of the error, each of its counts an equal part of that, and limits of the rate follow from
limits of the counts (Bonferroni): the probability that a limit is wrong is at most the error, whatever the judge's
errors are and however the counts depend on each other. That is conservative: the variance-corrected threshold of Noisy
but Valid (arXiv 2601.20913) is narrower and holds its size for large samples only. Limits of the counts are those of
Clopper and Pearson for one look, and those of a confidence sequence for looks at any time. Assumes that labels are the
truth, that labelled trials are a random sample of the judged ones, and that trials are independent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from gnomon.calibration.numerics.proportions import Count
from gnomon.calibration.sequential.confidence_sequences import one_sided_limit
from gnomon.calibration.sequential.sequential_results import BoundPart, CertificateOutcome, RateBound

Side = Literal["upper", "lower"]
PARTS = 3
WAYS = 3
_TINY = 1e-9


@dataclass(frozen=True, slots=True)
class CertificateCounts:
    """Verdicts of a judge on all trials of an arm, and verdicts against labels on the labelled ones.

    Attributes
    ----------
    judged : (k, n)
        Trials in which the judge sees an event, of all judged trials.
    hits : (k, n)
        Labelled events in which it sees one, of all labelled events.
    alarms : (k, n)
        Labelled non-events in which it sees one, of all labelled non-events.
    """

    judged: Count
    hits: Count
    alarms: Count

    @property
    def labelled(self) -> Count:
        """Labelled events of all labelled trials."""
        return self.hits[1], self.hits[1] + self.alarms[1]

    @property
    def with_verdict(self) -> Count:
        """Labelled events among labelled trials in which the judge sees an event."""
        return self.hits[0], self.hits[0] + self.alarms[0]

    @property
    def without_verdict(self) -> Count:
        """Labelled events among labelled trials in which the judge sees none."""
        missed = self.hits[1] - self.hits[0]
        return missed, missed + self.alarms[1] - self.alarms[0]

    def grown(self, labels: float, trials: float) -> CertificateCounts:
        """The counts with more labels and more trials of the same shares.

        Parameters
        ----------
        labels, trials : float
            Factors of the labelled and of the judged trials.
        """
        judged = (self.judged[0] * trials, self.judged[1] * trials)
        hits, alarms = ((k * labels, n * labels) for k, n in (self.hits, self.alarms))
        return replace(self, judged=judged, hits=hits, alarms=alarms)


def certificate_bounds(
    counts: CertificateCounts, *, error: float = 0.05, anytime: bool = True, representative: bool = True
) -> tuple[RateBound, ...]:
    """Limits of the true rate by each way; that any on one side is wrong has a probability of at most `error`.

    Parameters
    ----------
    counts : CertificateCounts
        What is known.
    error : float, default 0.05
        Greatest probability that the largest lower limit, or the smallest upper limit, of all ways is wrong.
    anytime : bool, default True
        Whether the limits hold at all times, so that one may look after each label; else for one look.

    representative : bool, default True
        Whether the labelled trials are a random sample of the judged ones. If not (a calibration set with more events
        than there are), only the way by error rates holds, and has the whole error.

    Returns
    -------
    tuple of RateBound
        By labels alone, by error rates, by predictive values.
    """
    if not representative:
        return (_by_rates(counts, error / PARTS, anytime),)
    direct = _limits(counts.labelled, error / WAYS, anytime)
    alone = RateBound(
        way="labels alone",
        low=direct[0],
        high=direct[1],
        parts=(_part("labelled events", counts.labelled, direct),),
    )
    share = error / WAYS / PARTS
    q, u, v = (_limits(count, share, anytime) for count in (counts.judged, counts.with_verdict, counts.without_verdict))
    values = RateBound(
        way="predictive values",
        low=min(_mix(each, u[0], v[0]) for each in q),
        high=max(_mix(each, u[1], v[1]) for each in q),
        parts=(
            _part("judged events", counts.judged, q),
            _part("events where it sees one", counts.with_verdict, u),
            _part("events where it sees none", counts.without_verdict, v),
        ),
    )
    return alone, _by_rates(counts, share, anytime), values


def _by_rates(counts: CertificateCounts, share: float, anytime: bool) -> RateBound:
    """Limits by error rates, each count's limits wrong with a probability of at most `share`."""
    q, s, f = (_limits(count, share, anytime) for count in (counts.judged, counts.hits, counts.alarms))
    return RateBound(
        way="error rates",
        low=_by_error_rates(q[0], s[1], f[1]),
        high=_by_error_rates(q[1], s[0], f[0], upper=True),
        parts=(
            _part("judged events", counts.judged, q),
            _part("sensitivity", counts.hits, s),
            _part("false alarm rate", counts.alarms, f),
        ),
    )


def decide_certificate(
    bounds: tuple[RateBound, ...], bound: float, *, below: bool
) -> tuple[CertificateOutcome, float, float]:
    """Whether a rate is shown to be below (or above) a bound: outcome, lower and upper limit of the rate.

    Parameters
    ----------
    bounds : tuple of RateBound
        Limits by each way; the nearer of each side counts.
    bound : float
        The bound of the statement.
    below : bool
        Whether the rate is stated to be below it.
    """
    low, high = max(each.low for each in bounds), min(each.high for each in bounds)
    is_below, is_above = high < bound, low > bound
    if is_below == is_above:
        return CertificateOutcome.UNDECIDED, low, high
    return (CertificateOutcome.SHOWN if is_below == below else CertificateOutcome.REFUTED), low, high


def corrected_rate(counts: CertificateCounts) -> float | None:
    """Estimate of the rate by predictive values; None without a labelled trial for each verdict that occurs.

    Parameters
    ----------
    counts : CertificateCounts
        What is known.
    """
    (k, n), (hit, seen), (missed, unseen) = counts.judged, counts.with_verdict, counts.without_verdict
    if not n or (k and not seen) or (n - k and not unseen):
        return None
    return float(_mix(k / n, hit / seen if seen else 0.0, missed / unseen if unseen else 0.0))


def _limits(count: Count, share: float, anytime: bool) -> tuple[float, float]:
    return _limit(count, "lower", share, anytime), _limit(count, "upper", share, anytime)


@lru_cache(maxsize=50_000)
def _limit(count: Count, side: Side, share: float, anytime: bool) -> float:
    from scipy.stats import beta

    k, n = count
    if anytime:
        return one_sided_limit(k, n, side, error=share)
    if side == "lower":
        return float(beta.ppf(share, k, n - k + 1)) if k > 0 else 0.0
    return float(beta.ppf(1 - share, k + 1, n - k)) if k < n else 1.0


def _by_error_rates(judged: float, sensitivity: float, alarms: float, *, upper: bool = False) -> float:
    """The rate from limits of the three shares; the trivial limit where they leave the judge uninformative."""
    if sensitivity - alarms <= _TINY:
        return 1.0 if upper else 0.0
    return min(1.0, max(0.0, (judged - alarms) / (sensitivity - alarms)))


def _mix(judged: float, with_verdict: float, without: float) -> float:
    return judged * with_verdict + (1 - judged) * without


def _part(name: str, count: Count, limits: tuple[float, float]) -> BoundPart:
    return BoundPart(name=name, events=count[0], of=count[1], low=limits[0], high=limits[1])
