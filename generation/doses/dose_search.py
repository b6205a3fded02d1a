"""Finds the strengths at which given shares of answers stay coherent, by bisection. Knows no model and no text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

SHARES = (0.95, 0.8, 0.5)
"""Shares of answers that stay coherent, whose doses are sought."""
CLOSE = 1.2
"""A dose lies between two strengths whose ratio is at most this."""
DOUBLINGS = 10
"""Doublings and halvings from the first strength, at most."""
FEWEST = 8
"""Fewest answers that are coherent with nothing added."""

Answers = Callable[[float], Sequence[bool]]
"""From a strength to whether each of the same questions has a coherent answer, in the same order."""


@dataclass(frozen=True, slots=True)
class FoundDose:
    """A strength at which a share of answers stays coherent, with a 95 % interval; None where it was not reached."""

    share: float
    strength: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class DoseSearch:
    """Result of a search.

    Attributes
    ----------
    doses : tuple of FoundDose
        One for each share.
    strengths : tuple of float
        All strengths that were tried, ascending.
    coherent : tuple of int
        Coherent answers at each.
    answers : int
        Coherent answers with nothing added.
    asked : int
        Answers at each strength.
    """

    doses: tuple[FoundDose, ...]
    strengths: tuple[float, ...]
    coherent: tuple[int, ...]
    answers: int
    asked: int


def search_doses(ask: Answers, start: float, shares: Sequence[float] = SHARES, fewest: int = FEWEST) -> DoseSearch:
    """Find the strengths at which given shares of answers stay coherent.

    Estimand: for each share q, the strength at which the share of coherent answers is q times that with nothing added.
    The share is taken to fall, or stay, with the strength, from that with nothing added on; measured shares that rise
    are pooled (pool adjacent violators, Ayer et al. 1955), and the dose is interpolated linearly in log strength
    between neighbouring strengths; nothing added counts as half of the weakest strength tried. The interval lies
    between the strengths at which the share is a binomial quantile of the one that is sought (the distribution-free
    interval of a quantile, Thompson 1936), widened for the error of the share with nothing added, which is taken as
    independent. It takes questions as drawn from all questions; the bisection itself ends within a factor of `CLOSE`.

    Parameters
    ----------
    ask : callable
        From a strength to whether each question's answer is coherent. The same questions and seeds at each strength.
    start : float
        A strength to begin with, positive.
    shares : sequence of float
        Shares, each in (0, 1).
    fewest : int
        Fewest answers that must be coherent with nothing added; with fewer no dose is sought.

    Returns
    -------
    DoseSearch
        Doses are None if too few answers are coherent with nothing added, or if more than the share stay coherent after
        `DOUBLINGS` doublings of the first strength.
    """
    plain = np.array(ask(0.0), dtype=bool)
    if int(plain.sum()) < fewest:
        nothing = tuple(FoundDose(share, None, None, None) for share in shares)
        return DoseSearch(nothing, (), (), int(plain.sum()), len(plain))
    base = float(plain.mean())
    found: dict[float, float] = {}

    def share_at(strength: float) -> float:
        if strength not in found:
            found[strength] = float(np.mean(ask(strength)))
        return found[strength]

    _bracket_shares(share_at, start, base * min(shares), base * max(shares))
    for share in shares:
        _narrow_bracket(share_at, found, base * share)
    strengths = sorted(found)
    levels = [base, *(found[strength] for strength in strengths)]
    places = [strengths[0] / 2, *strengths]
    return DoseSearch(
        tuple(_with_interval(places, levels, share, len(plain)) for share in shares),
        tuple(strengths),
        tuple(round(found[strength] * len(plain)) for strength in strengths),
        int(plain.sum()),
        len(plain),
    )


def _bracket_shares(share_at: Callable[[float], float], start: float, lowest: float, highest: float) -> None:
    """Double the strength until fewer than the lowest share are coherent, halve it until the highest is."""
    high = start
    for _ in range(DOUBLINGS):
        if share_at(high) < lowest:
            break
        high *= 2
    low = start
    for _ in range(DOUBLINGS):
        if share_at(low) >= highest:
            break
        low /= 2


def _narrow_bracket(share_at: Callable[[float], float], found: Mapping[float, float], share: float) -> None:
    """Bisect, in log strength, between the strongest dose that keeps the share and the next that does not."""
    while True:
        tried = sorted(found)
        keeps = [strength for strength in tried if found[strength] >= share]
        loses = [strength for strength in tried if keeps and strength > keeps[-1]]
        if not keeps or not loses or loses[0] <= CLOSE * keeps[-1]:
            return
        share_at(float(f"{np.sqrt(keeps[-1] * loses[0]):.4g}"))


def _with_interval(strengths: Sequence[float], levels: Sequence[float], share: float, number: int) -> FoundDose:
    """The dose of a share; `levels` are shares of coherent answers, the first with nothing added, of `number`."""
    base = -float(_pooled_means(-np.asarray(levels))[0])
    sought = base * share
    found = dose_of_share(strengths, levels, sought)
    if found is None:
        return FoundDose(share, None, None, None)
    wider = np.sqrt(1 + share**2 * base * (1 - base) / (sought * (1 - sought)))
    tails = [sought + wider * (float(binom.ppf(tail, number, sought)) / number - sought) for tail in (0.025, 0.975)]
    high, low = (dose_of_share(strengths, levels, tail) for tail in tails)
    return FoundDose(
        share,
        _rounded(found),
        _rounded(min(strengths[0] if low is None else low, found)),
        _rounded(max(strengths[-1] if high is None else high, found)),
    )


def _rounded(strength: float) -> float:
    return float(f"{strength:.3g}")


def dose_of_share(
    strengths: Sequence[float], shares: Sequence[float] | NDArray[np.float64], share: float
) -> float | None:
    """The strength at which a falling curve passes a share, interpolated linearly in log strength.

    Parameters
    ----------
    strengths : sequence of float
        Positive, ascending.
    shares : sequence of float
        Measured shares, one for each strength; where they rise they are pooled.
    share : float
        The share that is sought.

    Returns
    -------
    float or None
        None if the curve does not pass it between the first and the last strength.
    """
    falling = -_pooled_means(-np.asarray(shares, dtype=float))
    above = np.flatnonzero(falling >= share)
    if not len(above) or above[-1] == len(falling) - 1:
        return None
    left = int(above[-1])
    x = np.log(np.asarray(strengths[left : left + 2], dtype=float))
    drop = falling[left] - falling[left + 1]
    return float(np.exp(x[0] + (x[1] - x[0]) * (falling[left] - share) / drop))


def _pooled_means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nearest ascending sequence in least squares: pool adjacent violators."""
    blocks: list[tuple[float, int]] = []
    for value in values:
        mean, size = float(value), 1
        while blocks and blocks[-1][0] > mean:
            before, many = blocks.pop()
            mean, size = (before * many + mean * size) / (many + size), many + size
        blocks.append((mean, size))
    return np.repeat([mean for mean, _ in blocks], [size for _, size in blocks])
