"""Coordinates in which the coefficients' posterior is nearly round whatever the scales are, and the way back.

A sampler is slow where a posterior is narrow in one direction and wide in another, and hierarchical models are so by
nature: what the data say of a coefficient is fixed, what its group says of it changes with the group's standard
deviation tau. Centred coordinates suit rich data, non-centred ones poor data, and neither a sum of two groups (a
variant with one subject is known only together with that subject). Here the coefficients beta of a stage are written

    beta = A^-1 (pull + D mu) + L^-T z,      A = information + D(tau) = L L',

where D holds the prior precisions (1 / sd^2, or 1 / tau^2 of the group), mu the prior means, and `information` and
`pull` say what the data tell of beta (`inference.laplace_pilot`). If the likelihood were the normal one that they
describe, z
would be standard normal and independent of tau. It is not quite, so z is close to that, and a sampler's steps are
long. With no information this is the non-centred form. The posterior of beta is the same whatever `information` is.

Coefficients in `core` get the dense form, whose cost grows with their number cubed; each of the `rest` its own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Coordinates(NamedTuple):
    """What the data are taken to tell of the coefficients. C of them in the core, R in the rest, S stages.

    `core` (C) and `rest` (R) are places among all coefficients; `information` (S, C, C), `pull` (S, C) and
    `rest_information`, `rest_pull` (R, S) are a normal likelihood in its natural parameters.
    """

    core: np.ndarray
    rest: np.ndarray
    information: np.ndarray
    pull: np.ndarray
    rest_information: np.ndarray
    rest_pull: np.ndarray


def noncentered_coordinates(coefficients: int, stages: int) -> Coordinates:
    """Non-centred coordinates: nothing is taken to be known of any coefficient."""
    nothing, zero = np.zeros((coefficients, stages)), np.zeros((stages, 0))
    none = np.zeros(0, dtype=np.int64)
    return Coordinates(none, np.arange(coefficients), np.zeros((stages, 0, 0)), zero, nothing, nothing)
