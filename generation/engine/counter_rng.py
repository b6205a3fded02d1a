"""Counter-based random numbers that depend on a trial's seed and a counter only, not on batch, order or neighbours."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

DIRECTION = 2
GAMMA = 0x9E3779B97F4A7C15
FIRST, SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def stream_keys(seeds: Tensor, steps: Tensor) -> Tensor:
    """Keys of the noise streams of response tokens.

    Parameters
    ----------
    seeds : Tensor of int64
        Seeds of the trials.
    steps : Tensor of int64
        Index of the response token, from 0; same shape as `seeds`.

    Returns
    -------
    Tensor of int64
        Same shape as `seeds`.
    """
    return _mix_bits(_mix_bits(seeds) + (steps + 1) * _signed_integer(GAMMA))


def exponential_noise(keys: Tensor, counters: Tensor) -> Tensor:
    """Standard exponential noise from counter-based streams.

    Element `n` of the SplitMix64 sequence that starts at the key (Steele, Lea and Flood 2014); any element can be
    computed without those before it. Its upper 53 bits plus a half give a uniform number that is never 0 or 1.

    Parameters
    ----------
    keys : Tensor of int64
        Keys of the streams, from `stream_keys`.
    counters : Tensor of int64
        Index of the element of each stream; broadcast against `keys`.

    Returns
    -------
    Tensor of float64
        Positive values, of the broadcast shape.
    """
    bits = _mix_bits(keys + (counters + 1) * _signed_integer(GAMMA))
    uniform = (_shift_right(bits, 11).double() + 0.5) * 2.0**-53
    return -torch.log(uniform)


def direction_noise(seed: int, width: int) -> NDArray[np.float64]:
    """Standard normal coordinates of a trial's random direction: a Philox stream with the key (seed, purpose).

    Parameters
    ----------
    seed : int
        Seed of the trial, at least 0.
    width : int
        Number of coordinates.
    """
    key = np.array([seed, DIRECTION], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=0)).standard_normal(width)


def _mix_bits(state: Tensor) -> Tensor:
    """SplitMix64's output for a state; int64 wraps around as the unsigned arithmetic of the paper does."""
    state = (state ^ _shift_right(state, 30)) * _signed_integer(FIRST)
    state = (state ^ _shift_right(state, 27)) * _signed_integer(SECOND)
    return state ^ _shift_right(state, 31)


def _shift_right(bits: Tensor, places: int) -> Tensor:
    """Logical shift to the right; torch's own shift copies the sign."""
    return (bits >> places) & ((1 << (64 - places)) - 1)


def _signed_integer(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number
