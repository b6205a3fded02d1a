"""Coordinates in which the coefficients' posterior is nearly isotropic for any scales, and their definition.

A sampler is slow if a posterior is narrow in one direction and wide in another, which is typical of hierarchical
models: the data's information on a coefficient is fixed, its group's information changes with the group's standard
deviation tau. Centred coordinates suit rich data, non-centred ones sparse data, and neither a sum of two groups (a
variant with one subject is identified only together with that subject). Here the coefficients beta of a stage are
written

    beta = A^-1 (pull + D mu) + L^-T z,      A = information + D(tau) = L L',

where D holds the prior precisions (1 / sd^2, or 1 / tau^2 of the group), mu the prior means, and `information` and
`pull` describe the likelihood of beta as normal (`inference.laplace_pilot`). If the likelihood were exactly normal, z
would be standard normal and independent of tau. It is nearly so, and a sampler's steps are long. With no information
this is the non-centred form. The posterior of beta is the same for any `information`.

Coefficients in `core` have the dense form, whose cost grows with their number cubed; those in `rest` a diagonal one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Coordinates(NamedTuple):
    """Assumed information of the data on the coefficients; C of them in the core, R in the rest, S stages.

    `core` (C) and `rest` (R) are positions among all coefficients; `information` (S, C, C), `pull` (S, C) and
    `rest_information`, `rest_pull` (R, S) are a normal likelihood in its natural parameters.
    """

    core: np.ndarray
    rest: np.ndarray
    information: np.ndarray
    pull: np.ndarray
    rest_information: np.ndarray
    rest_pull: np.ndarray


def noncentered_coordinates(coefficients: int, stages: int) -> Coordinates:
    """Non-centred coordinates: no information on any coefficient is assumed.

    Parameters
    ----------
    coefficients : int
        Number of coefficients.
    stages : int
        Number of stages S.
    """
    nothing, zero = np.zeros((coefficients, stages)), np.zeros((stages, 0))
    none = np.zeros(0, dtype=np.int64)
    return Coordinates(none, np.arange(coefficients), np.zeros((stages, 0, 0)), zero, nothing, nothing)
