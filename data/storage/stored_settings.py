"""The settings of a study that lie in its database, for readers that do not see the study file."""

from __future__ import annotations

from typing import Literal, TypedDict

from pydantic import BaseModel, ConfigDict, JsonValue

COUNTS = "counts"
"""Kind of a study that holds published counts and no trials."""


class SubjectAxes(BaseModel):
    """Layers and strengths that a design plans for one model: by layer, from 0, its strengths."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    doses: dict[int, tuple[float, ...]]


class StoredSettings(TypedDict, total=False):
    """Settings by key; a database of an older version may lack some."""

    name: str
    kind: Literal["trials", "counts"]
    concepts: list[str]
    described: dict[str, str]
    judges: list[str]
    rule: str
    label_view: str
    truth: str
    rater_kinds: dict[str, str]
    admitted_raters: list[str]
    fit_judges: list[str]
    design: dict[str, JsonValue]
    scope: dict[str, JsonValue]
