"""How sentences, tables and charts write a number: rates in percent, coefficients (J, kappa, AC1) to two decimals."""

from __future__ import annotations

import math
from typing import Protocol


class ValueWithInterval(Protocol):
    """A value with the ends of its interval."""

    @property
    def value(self) -> float:
        """The estimate."""

    @property
    def low(self) -> float:
        """Lower end."""

    @property
    def high(self) -> float:
        """Upper end."""


def format_percent(value: float | None, digits: int = 0) -> str:
    """A rate as `41 %`; an en dash if there is none.

    Parameters
    ----------
    value : float or None
        The rate, 0 to 1; None or NaN if there is none.
    digits : int, default 0
        Number of decimals.
    """
    if value is None or math.isnan(value):
        return "–"
    return f"{100 * value:.{digits}f} %"


def format_points(rate: float, digits: int = 0, sign: bool = True) -> str:
    """A rate or difference in percentage points with its sign: `+41`, `−49`; zero has none.

    Parameters
    ----------
    rate : float
        The rate, as a fraction.
    digits : int, default 0
        Number of decimals.
    sign : bool, default True
        Show the sign.
    """
    shown = f"{abs(100 * rate):.{digits}f}"
    if not sign or float(shown) == 0:
        return shown
    return f"{'−' if rate < 0 else '+'}{shown}"


def format_probability(probability: float) -> str:
    """A probability in percent; none is shown as certain."""
    if probability > 0.999:
        return "above 99.9 %"
    return "below 0.1 %" if probability < 0.001 else f"{100 * probability:.1f} %"


def format_coefficient(value: float, digits: int = 2, sign: bool = False) -> str:
    """A number that is no rate, such as Youden's J or kappa: `0.67`, `−0.02`.

    Parameters
    ----------
    value : float
        The number.
    digits : int, default 2
        Number of decimals.
    sign : bool, default False
        Show a plus sign too.
    """
    return f"{value:{'+' if sign else ''}.{digits}f}".replace("-", "−")


SMALL = 0.02
"""Intervals of rates that end below this are shown with a decimal."""


def format_interval(mean: float, low: float, high: float, sign: bool) -> str:
    """An estimate in short: `41 % (38 to 44)`, `+7 % (−5 to +19)`; with a decimal if it is small.

    Parameters
    ----------
    mean, low, high : float
        The estimate and the ends of its interval, as fractions.
    sign : bool
        Show the signs.
    """
    digits = int(max(abs(low), abs(high)) < SMALL)
    shown, below, above = (format_points(end, digits, sign) for end in (mean, low, high))
    return f"{shown} % ({below} to {above})"


def rate_with_interval(estimate: ValueWithInterval) -> str:
    """A rate with its interval: `41 % (38 to 44)`."""
    return format_interval(estimate.value, estimate.low, estimate.high, sign=False)


def difference_with_interval(estimate: ValueWithInterval) -> str:
    """A difference of rates with its interval: `+7 % (−5 to +19)`."""
    return format_interval(estimate.value, estimate.low, estimate.high, sign=True)


def coefficient_with_interval(estimate: ValueWithInterval, sign: bool = False) -> str:
    """A coefficient with its interval: `0.67 (0.20 to 0.94)`.

    Parameters
    ----------
    estimate : ValueWithInterval
        The coefficient.
    sign : bool, default False
        Show plus signs, as of a difference.
    """
    value, low, high = (format_coefficient(end, sign=sign) for end in (estimate.value, estimate.low, estimate.high))
    return f"{value} ({low} to {high})"
