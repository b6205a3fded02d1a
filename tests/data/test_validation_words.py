"""Mistakes in a document are told in words of texts, lists and tables, with places as readers count them."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gnomon.data.foreign_documents.validation_words import first_problem

OF_PYTHON = ("Input should", "String should", "Field required", "List should", "valid ", "pattern", "Extra inputs")


class Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=2)
    kind: Literal["lexicon", "openai"] = "lexicon"
    letters: Annotated[str, Field(pattern="^[a-z]+$")] = "a"
    samples: int = Field(default=1, ge=1, le=9)
    share: float = Field(default=0.5, gt=0, lt=1, allow_inf_nan=False)
    on: bool = True
    more: list[int] = Field(default=[1], min_length=1, max_length=3)
    table: dict[str, int] = {}


class Document(BaseModel):
    judges: list[Entry]


MISTAKES = {
    "kind": "oracle",
    "letters": "A",
    "samples": 0,
    "share": 1.0,
    "on": "maybe",
    "more": [],
    "table": 3,
    "other": 1,
    "name": "x",
}
FURTHER = {"samples": ["ten", 2.5, 10], "share": [0, "x", float("nan")], "more": [3, [1, 2, 3, 4], ["a"]], "name": [4]}


@pytest.mark.parametrize(
    ("key", "value"), [*MISTAKES.items(), *((key, value) for key, values in FURTHER.items() for value in values)]
)
def test_no_mistake_is_told_in_words_of_python(key, value):
    held = {"judges": [{"name": "first"}, {"name": "second", key: value}]}
    with pytest.raises(ValidationError) as caught:
        Document.model_validate(held)
    told = first_problem(caught.value, document=held)
    named = "judges 2" if key == "name" and not isinstance(value, str) else f"judges 2 ('{held['judges'][1]['name']}')"
    assert told.startswith(f"{named}.{key}")
    assert not [words for words in OF_PYTHON if words in told]


def test_a_missing_key_is_named_with_its_table():
    with pytest.raises(ValidationError) as caught:
        Document.model_validate({"judges": [{}]})
    assert first_problem(caught.value) == "judges 1.name: is missing: write it"
