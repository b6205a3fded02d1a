"""Every study-file key, JSON key and public name stands in the documentation; commands: test_command_reference.py."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

import gnomon
from gnomon.render.json_reference import SECTIONS
from gnomon.study_file import StudyFile
from gnomon.study_file_reference import REFERENCE, study_file_reference, study_tables

DOCS = Path(__file__).parents[1] / "docs"
ESTIMATORS = ("agreement", "bounds", "correction")
PYTHON = (DOCS / "reference/python.md").read_text(encoding="utf-8")
DIRECTIVES = re.findall(r"^::: (gnomon[\w.]+)$", PYTHON, re.MULTILINE)


def documented(names: list[str]) -> set[int]:
    """Identities of the objects that the reference of the Python API names."""
    return {id(getattr(import_module(name.rpartition(".")[0]), name.rpartition(".")[2])) for name in names}


def test_the_reference_of_study_files_is_current():
    told = "run 'python -m gnomon.study_file_reference'"
    assert REFERENCE.read_text(encoding="utf-8") == study_file_reference(), told


def test_every_key_of_the_study_file_has_a_meaning():
    page = (DOCS / "study-file.md").read_text(encoding="utf-8")
    words = set(re.findall(r"[\w]+", " ".join(re.findall(r"`([^`]*)`", page))))
    keys = {key for table in study_tables().values() for key in table}
    assert len(keys) > 80
    assert keys - words == set()


def test_defaults_are_those_that_a_study_has():
    tables = study_tables()
    assert tables["`[design]`"]["arms"] == ("list of text; at least 1 item", '`["injection", "control", "random"]`')
    assert tables["`[fit]`"]["draws"] == (
        "whole number; at least 200",
        f"`{StudyFile.model_fields['fit'].default.draws}`",
    )
    assert tables["`[[subjects]]`"]["name"][1] == "required"


def json_models(annotation: object) -> Iterator[type[BaseModel]]:
    """The model of a document and of its parts; one that is written by code of its own is described in a block."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        if not annotation.__pydantic_decorators__.model_serializers:
            for field in annotation.model_fields.values():
                yield from json_models(field.annotation)
    for part in get_args(annotation):
        yield from json_models(part)


def test_every_key_of_every_json_document_is_listed():
    page = (DOCS / "json.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    rows |= {word for block in re.findall(r"^```\n(.*?)^```", page, re.M | re.S) for word in re.findall(r"\w+", block)}
    fields = [
        (name, field)
        for section in SECTIONS
        for model in json_models(section.model)
        for name, field in model.model_fields.items()
        if not field.exclude
    ]
    keys = {field.serialization_alias or field.alias or name for name, field in fields}
    assert len(keys) > 200
    assert keys - rows == set()


@pytest.mark.parametrize("name", sorted({*gnomon.__all__} - {"__version__", *ESTIMATORS}))
def test_every_public_name_is_in_the_python_reference(name):
    assert id(getattr(gnomon, name)) in documented(DIRECTIVES)


@pytest.mark.parametrize("module", ESTIMATORS)
def test_every_estimator_is_in_the_python_reference(module):
    part = getattr(gnomon, module)
    assert f"`gn.{module}`" in PYTHON
    known = documented(DIRECTIVES)
    assert [name for name in part.__all__ if id(getattr(part, name)) not in known] == []
    assert "`gnomon.__version__`" in PYTHON
