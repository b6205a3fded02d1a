"""The settings of a study that lie in its database, for readers that do not see the study file."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Literal, TypedDict, get_type_hints

from pydantic import BaseModel, ConfigDict, JsonValue, TypeAdapter, ValidationError

from gnomon.data.foreign_documents.validation_words import first_problem

COUNTS = "counts"
"""Kind of a study that holds published counts and no trials."""


VariantChange = Literal["adapter", "ablated", "informed"]
"""An adapter is merged into its weights, a direction is ablated, its prompts begin with further words."""


class SubjectAxes(BaseModel):
    """Layers and strengths that a design plans for one model: by layer, from 0, its strengths."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    doses: dict[int, tuple[float, ...]]


class SubjectVariant(BaseModel):
    """A model that the study file declares to be a variant of another: it is steered with the other's vectors.

    Attributes
    ----------
    variant, base : str
        Names of both models.
    changes : tuple of {"adapter", "ablated", "informed"}
        What is changed in it; empty where it is another model with the same vectors.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    variant: str
    base: str
    changes: tuple[VariantChange, ...] = ()


class StoredSettings(TypedDict, total=False):
    """Settings by key; a database of an older version may lack some."""

    name: str
    kind: Literal["trials", "counts"]
    generates: bool
    concepts: list[str]
    described: dict[str, str]
    judges: list[str]
    rule: str
    label_view: str
    truth: str
    rater_kinds: dict[str, str]
    admitted_raters: list[str]
    fit_judges: list[str]
    fit_graded: bool
    candidates: list[str]
    label_policy: str
    transport: dict[str, JsonValue]
    plan: dict[str, JsonValue]
    external: list[dict[str, JsonValue]]
    design: dict[str, JsonValue]
    scope: dict[str, JsonValue]
    variants: list[JsonValue]


def wrong_settings(values: Mapping[str, object]) -> dict[str, str]:
    """Settings that are not of their type, each with what is wrong; a setting that is not known is left alone."""
    found = {}
    for name, adapter in _adapters().items():
        if values.get(name) is not None:
            try:
                adapter.validate_python(values[name], strict=True)
            except ValidationError as error:
                found[name] = first_problem(error, name)
    return found


@cache
def _adapters() -> dict[str, TypeAdapter[object]]:
    return {name: TypeAdapter(kind) for name, kind in get_type_hints(StoredSettings).items()}
