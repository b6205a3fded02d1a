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

Coefficients in `core` have the dense form, whose cost grows with their number cubed. Those in `rest`, which may be
hundreds, follow one by one, each given the core and those before it: for coefficient r of precision a = own + D

    beta_r = (pull_r + D mu_r - sum_j value_rj beta_j) / a + z / sqrt(a),

the conditional normal approximation of a deviation given all coarser effects of its cells.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Coordinates(NamedTuple):
    """Assumed information of the data on the coefficients; C of them in the core, R in the rest, S stages.

    `core` (C) and `rest` (R) are positions among all coefficients; `information` (S, C, C), `pull` (S, C) and
    `rest_information`, `rest_pull` (R, S) are a normal likelihood in its natural parameters. `indptr` (R + 1), `column`
    and `value` (entries, S) are, in compressed rows, the information that coefficients of the rest share with earlier
    ones, whose positions are `column`.
    """

    core: np.ndarray
    rest: np.ndarray
    information: np.ndarray
    pull: np.ndarray
    rest_information: np.ndarray
    rest_pull: np.ndarray
    indptr: np.ndarray
    column: np.ndarray
    value: np.ndarray


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
    none, starts = np.zeros(0, dtype=np.int64), np.zeros(coefficients + 1, dtype=np.int64)
    return Coordinates(
        none,
        np.arange(coefficients),
        np.zeros((stages, 0, 0)),
        zero,
        nothing,
        nothing,
        starts,
        none,
        np.zeros((0, stages)),
    )
