"""What weighted trials are worth: Kish's effective number of them, and of those that are right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gnomon.calibration.numerics.proportions import Count
from gnomon.calibration.numerics.rating_arrays import Floats

Flags = NDArray[np.bool_]


def effective_number(weight: Floats) -> float:
    """Kish's effective number of trials, (sum of weights)^2 / sum of squared weights (Kish 1965); 0 of none."""
    return float(weight.sum() ** 2 / (weight**2).sum()) if len(weight) else 0.0


def effective_count(right: Flags, among: Flags, weight: Floats) -> Count:
    """Effective numbers of right trials, and of all, in a group: weighted share times effective number.

    Parameters
    ----------
    right : array of bool (n,)
        Which trials count.
    among : array of bool (n,)
        Which are in the group.
    weight : array (n,)
        Inverse inclusion probabilities on any scale.

    Returns
    -------
    (float, float)
        Right, all; zeros for an empty group.
    """
    inside = weight[among]
    if not len(inside):
        return 0.0, 0.0
    effective = effective_number(inside)
    return float(inside[right[among]].sum() / inside.sum()) * effective, effective
