"""Random numbers that depend on a trial's seed and a counter alone, never on batch, order or neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SAMPLING, DIRECTION = 1, 2


def _stream(seed: int, purpose: int, counter: int) -> np.random.Generator:
    """Philox stream: the key is (seed, purpose), the counter starts far from any other step's."""
    key = np.array([seed, purpose], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=np.array([0, 0, 0, counter], dtype=np.uint64)))


def sampling_noise(seed: int, step: int, size: int) -> NDArray[np.float64]:
    """Standard exponential noise for the choice of answer token number `step`, one value a token of the vocabulary.

    The token with the greatest p / noise is a draw from p (the exponential form of the Gumbel-max trick). Unlike
    the inverse of the cumulative distribution it doesn't jump when rounding moves the logits a little. In double
    precision: single precision draws an exact 0, which always wins, once in some hundred answer tokens.
    """
    return _stream(seed, SAMPLING, step).standard_exponential(size)


def direction_noise(seed: int, width: int) -> NDArray[np.float64]:
    """Standard normal coordinates of a trial's random direction."""
    return _stream(seed, DIRECTION, 0).standard_normal(width)
