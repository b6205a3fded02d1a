"""P-values: their correction for the number of tests, and how every sentence and table writes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SMALLEST_P = 0.001
"""P-values below it are written as below it."""


def format_p(p: float) -> str:
    """A p-value, three decimals below 0.1 and two from there: p = 0.012, p = 0.64, p < 0.001."""
    if p < SMALLEST_P:
        return f"p < {SMALLEST_P:g}"
    return f"p = {p:.2f}" if p >= 0.0995 else f"p = {p:.3f}"


def holm_adjusted(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted by Holm's step-down method: those below a level are significant at it in all tests together.

    The i-th smallest of m is multiplied by m - i + 1, and none is below a smaller one's (Holm 1979). It holds for any
    dependence between the tests. Not statsmodels' `multipletests`, which collects Python's garbage on every call: .05
    to .2 seconds, for each cell that a page opens.

    Parameters
    ----------
    p_values : sequence of float
        P-values of all tests.

    Returns
    -------
    list of float
        In the same order, at most 1.
    """
    values = np.asarray(p_values, dtype=float)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(stepped, 1.0)
    return [float(value) for value in adjusted]
