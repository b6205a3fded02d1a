"""Random numbers that depend on a trial's seed and a counter alone, never on batch, order or neighbours."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

DIRECTION = 2
GAMMA = 0x9E3779B97F4A7C15
FIRST, SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def stream_keys(seeds: Tensor, steps: Tensor) -> Tensor:
    """Key of the noise of answer token number `steps` of the trials with these seeds: int64, shaped like both."""
    return _mix_bits(_mix_bits(seeds) + (steps + 1) * _signed_integer(GAMMA))


def exponential_noise(keys: Tensor, counters: Tensor) -> Tensor:
    """Standard exponential noise number `counters` of the streams `keys`, float64.

    Element `n` of the SplitMix64 sequence that starts at the key (Steele, Lea and Flood 2014), of which any element
    can be had without those before it; its upper 53 bits and a half are a uniform number that is never 0 or 1.
    """
    bits = _mix_bits(keys + (counters + 1) * _signed_integer(GAMMA))
    uniform = (_shift_right(bits, 11).double() + 0.5) * 2.0**-53
    return -torch.log(uniform)


def direction_noise(seed: int, width: int) -> NDArray[np.float64]:
    """Standard normal coordinates of a trial's random direction: a Philox stream of the key (seed, purpose)."""
    key = np.array([seed, DIRECTION], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=0)).standard_normal(width)


def _mix_bits(state: Tensor) -> Tensor:
    """SplitMix64's output for a state; int64 wraps as the unsigned arithmetic of the paper does."""
    state = (state ^ _shift_right(state, 30)) * _signed_integer(FIRST)
    state = (state ^ _shift_right(state, 27)) * _signed_integer(SECOND)
    return state ^ _shift_right(state, 31)


def _shift_right(bits: Tensor, places: int) -> Tensor:
    """Logical shift to the right: torch's own copies the sign."""
    return (bits >> places) & ((1 << (64 - places)) - 1)


def _signed_integer(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number
