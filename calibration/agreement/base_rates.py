"""The base rate beside which chance-corrected agreement is to be read: the share of the commonest outcome."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gnomon.data.outcomes import Outcome


@dataclass(frozen=True, slots=True)
class BaseRate:
    """The commonest outcome among some answers, and its share; both None without an answer."""

    base_rate: float | None
    base_outcome: str | None


def commonest_outcome(counts: ArrayLike) -> BaseRate:
    """The base rate of answers that are counted by outcome.

    Two members who both always gave the commonest outcome would agree always, and two who gave it at random with this
    share would agree in more than its square: the nearer it is to 1, the lower chance-corrected coefficients are for
    the same number of disagreements.

    Parameters
    ----------
    counts : array (outcomes,)
        Number of answers with each outcome, in the order of `Outcome`; of two raters the sum of both.
    """
    number = np.asarray(counts, dtype=float)
    if not number.sum():
        return BaseRate(None, None)
    place = int(number.argmax())
    return BaseRate(float(number[place] / number.sum()), str(list(Outcome)[place]))
