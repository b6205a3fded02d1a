"""Stored results of fits, brought to the present schema when they are read: the database keeps what was written.

| schema | since |
|---|---|
| 1 (no number) | `detection` was naming the concept, `claim` noticing it, `net_claim` that less false alarms |
| 2 | `identification`, `detection` and `net_detection_claimed` |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RESULT_SCHEMA = 2
_NAMES_SINCE_2 = {"detection": "identification", "claim": "detection", "net_claim": "net_detection_claimed"}


def upgrade_result(result: Mapping[str, object]) -> dict[str, object]:
    """A fit's result as the present version writes it; a result of that version comes back equal."""
    schema = result.get("schema", 1)
    if isinstance(schema, int) and schema >= RESULT_SCHEMA:
        return dict(result)
    return {"schema": RESULT_SCHEMA, **{key: _renamed(value) for key, value in result.items()}}


def _renamed(value: Any) -> Any:
    """The value with the estimands in it, at any depth, under their present names."""
    if isinstance(value, list):
        return [_renamed(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    renamed = {key: _renamed(each) for key, each in value.items()}
    if isinstance(name := renamed.get("estimand"), str):
        renamed["estimand"] = _NAMES_SINCE_2.get(name, name)
    return renamed
