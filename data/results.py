"""Typed results that travel between rooms and leave as JSON: parts, documents with a schema number, estimates."""

from __future__ import annotations

import math

from pydantic import BaseModel, ConfigDict, Field

from gnomon.data.records import IntervalEstimate

SCHEMA = 2
"""Number of the present form of every JSON document; a document without one has the form 1."""


class ResultPart(BaseModel):
    """A part of a result: values that cannot change, and JSON with the names that users know."""

    model_config = ConfigDict(
        defer_build=True,
        frozen=True,
        extra="forbid",
        validate_by_name=True,
        serialize_by_alias=True,
        allow_inf_nan=False,
    )


class ResultDocument(ResultPart):
    """A whole result, as a command prints it: `schema` says which form its JSON has."""

    schema_version: int = Field(default=SCHEMA, serialization_alias="schema", validation_alias="schema")
    """Number of the form of the document."""


class Estimate(ResultPart):
    """An estimate with its interval, as fractions.

    `level` is the nominal coverage of the interval, `se` the standard error (null where none is defined), `method`
    how the interval was made.
    """

    value: float
    low: float
    high: float
    se: float | None
    level: float
    method: str

    @classmethod
    def from_interval(cls, interval: IntervalEstimate) -> Estimate:
        """The estimate that an array function returned."""
        return cls(
            value=float(interval.value),
            low=float(interval.low),
            high=float(interval.high),
            se=finite_number(interval.se),
            level=float(interval.level),
            method=interval.method,
        )


def finite_estimate(interval: IntervalEstimate | None) -> Estimate | None:
    """The estimate of an interval; None where there is none or its limits are not finite."""
    if interval is None or not (math.isfinite(interval.low) and math.isfinite(interval.high)):
        return None
    return Estimate.from_interval(interval)


def finite_number(value: float) -> float | None:
    """A number as JSON can hold it: None where it is infinite or not a number."""
    return float(value) if math.isfinite(value) else None
