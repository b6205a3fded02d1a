"""`docs/json.md`, generated from the models of the JSON documents: every key with its type and its meaning.

`python -m gnomon.render.json_reference` writes it; with `--check` it exits with status 1 if the file is out of date.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from typing import Any

from pydantic import BaseModel, JsonValue
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import ModelSchema

from gnomon.calibration.cards.calibration_card import CARD_SCHEMA, CalibrationCard
from gnomon.calibration.cards.requirements import GateDocument
from gnomon.calibration.comparison.comparison_results import RubricComparison
from gnomon.calibration.comparison.policy_results import PolicyDocument
from gnomon.calibration.panel_worth.panel_results import PanelDocument
from gnomon.calibration.results.audit import AuditDocument, RecountDocument
from gnomon.calibration.results.label_plan import LabelPlan
from gnomon.calibration.sequential.sequential_results import Certificate, RunningErrors
from gnomon.calibration.transport.transport_results import TransportAudit
from gnomon.chain.battery_run import BatteryDocument
from gnomon.chain.strength_search import StrengthsDocument
from gnomon.chain.trial_generation import SweepForecast
from gnomon.chain.verdict_collection import FlipRateReport, ReleasedReservation
from gnomon.data.files import write_atomically
from gnomon.data.results import SCHEMA
from gnomon.render import documents

TEMPLATE = Path(__file__).parents[1] / "templates" / "json.md"
SCHEMA_FILE = Path(__file__).parents[1] / "templates" / "calibration_card.schema.json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
MARK = re.compile(r"\{\{ (document|parts|schema)(?: ([^}]+))? \}\}")
TYPE_WORDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "json.md"


@dataclass(frozen=True, slots=True)
class JsonSection:
    """One section of the reference: the command, or commands, that print a document, and the model of the document."""

    title: str
    model: type[BaseModel]


SECTIONS = (
    JsonSection("gnomon fit", documents.EstimatesDocument),
    JsonSection("gnomon demo", documents.DemoDocument),
    JsonSection("gnomon generate --dry-run", SweepForecast),
    JsonSection("gnomon battery", BatteryDocument),
    JsonSection("gnomon strengths", StrengthsDocument),
    JsonSection("gnomon judge --attack", FlipRateReport),
    JsonSection("gnomon judge --compare, gnomon calibrate --compare", RubricComparison),
    JsonSection("gnomon judge --release", ReleasedReservation),
    JsonSection("gnomon import", documents.ImportDocument),
    JsonSection("gnomon export", documents.ExportDocument),
    JsonSection("gnomon doctor --study", documents.DatabaseCheckDocument),
    JsonSection("gnomon move", documents.MoveDocument),
    JsonSection("gnomon backup", documents.BackupDocument),
    JsonSection("gnomon recount", RecountDocument),
    JsonSection("gnomon calibrate", AuditDocument),
    JsonSection("gnomon calibrate --card", CalibrationCard),
    JsonSection("gnomon gate", GateDocument),
    JsonSection("gnomon calibrate --panel", PanelDocument),
    JsonSection("gnomon certify", Certificate),
    JsonSection("gnomon transport", TransportAudit),
    JsonSection("gnomon drift", RunningErrors),
    JsonSection("gnomon calibrate --policies", PolicyDocument),
    JsonSection("gnomon plan", LabelPlan),
)


def render_reference(sections: Sequence[JsonSection], template: str) -> str:
    """The reference as Markdown.

    Parameters
    ----------
    sections : sequence of JsonSection
        Documents that the template may ask for by `document(title)`.
    template : str
        Markdown with marks. `{{ document TITLE }}` becomes the heading and the keys of a document, `{{ parts }}` the
        keys of every model that the documents above it refer to, `{{ schema }}` the number of the present form.

    Returns
    -------
    str
        Markdown that ends with a line feed.
    """
    described: dict[str, Mapping[str, JsonValue]] = {}
    models = {section.title: section.model for section in sections}

    def fill_mark(mark: re.Match[str]) -> str:
        if mark[1] == "schema":
            return str(SCHEMA)
        if mark[1] == "parts":
            return "\n\n".join(f"### {name}\n\n{_describe_model(part)}" for name, part in sorted(described.items()))
        schema = models[mark[2]].model_json_schema(mode="serialization", schema_generator=_DescribedSchema)
        described.update(_definitions(schema))
        heading = ", ".join(f"`{name.strip()}`" for name in mark[2].split(","))
        return f"## {heading}\n\n{_describe_model(schema)}"

    return MARK.sub(fill_mark, template)


def card_schema() -> str:
    """The JSON schema of a calibration card, for programs of others that read or check cards."""
    schema = CalibrationCard.model_json_schema(mode="serialization", schema_generator=_DescribedSchema)
    named = {"$schema": DIALECT, "title": f"Gnomon calibration card, schema {CARD_SCHEMA}"}
    return json.dumps({**schema, **named}, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the reference and the schema of cards; with `--check` compare only."""
    text = render_reference(SECTIONS, TEMPLATE.read_text(encoding="utf-8"))
    for path, content in {REFERENCE: text, SCHEMA_FILE: card_schema()}.items():
        if "--check" not in sys.argv[1:]:
            write_atomically(path, content.encode())
        elif path.read_text(encoding="utf-8") != content:
            sys.exit(f"{path}: out of date: run 'python -m gnomon.render.json_reference'")


class _DescribedSchema(GenerateJsonSchema):
    """A JSON schema whose keys are described by the docstrings below the attributes of the models."""

    def model_schema(self, schema: ModelSchema) -> JsonSchemaValue:
        made = super().model_schema(schema)
        model = schema["cls"]
        for name, text in _attribute_docstrings(model).items():
            key = model.model_fields[name].serialization_alias or name
            if key in made["properties"]:  # a field that is excluded is none of the document
                made["properties"][key].setdefault("description", text)
        return made

    def ser_schema(self, schema: Any) -> JsonSchemaValue | None:
        """Of a model whose serializer adds keys of the study's own, such as arms, the keys that it always has."""
        return None if schema["type"] == "function-wrap" else super().ser_schema(schema)


def _attribute_docstrings(model: type[BaseModel]) -> dict[str, str]:
    """Docstrings of a model's fields, those of its bases included."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, BaseModel) and base is not BaseModel:
            (defined,) = ast.parse(dedent(inspect.getsource(base))).body
            body = defined.body if isinstance(defined, ast.ClassDef) else []
            for attribute, below in pairwise(body):
                if isinstance(attribute, ast.AnnAssign) and isinstance(below, ast.Expr):
                    found[ast.unparse(attribute.target)] = inspect.cleandoc(ast.literal_eval(below.value))
    return {name: text for name, text in found.items() if name in model.model_fields}


def _definitions(schema: Mapping[str, JsonValue]) -> dict[str, dict[str, JsonValue]]:
    found = schema.get("$defs", {})
    return {name: part for name, part in found.items() if isinstance(part, dict)} if isinstance(found, dict) else {}


def _describe_model(schema: Mapping[str, JsonValue]) -> str:
    docstring = inspect.cleandoc(str(schema.get("description", "")))
    if "properties" not in schema:  # a set of words, or any value
        values = _describe_type(schema)
        return f"{docstring}\n\n{values[:1].upper()}{values[1:]}.".strip()
    return f"{docstring}\n\n| key | value | meaning |\n|---|---|---|\n" + "\n".join(_key_rows(schema))


def _key_rows(schema: Mapping[str, JsonValue]) -> Iterator[str]:
    properties = schema.get("properties", {})
    for name, part in properties.items() if isinstance(properties, dict) else ():
        if isinstance(part, dict):
            meaning = " ".join(str(part.get("description", "")).split())
            yield f"| `{name}` | {_describe_type(part)} | {meaning} |"


def _describe_type(schema: Mapping[str, JsonValue]) -> str:
    """A JSON schema in words: number; list of [Part](#part); text or null."""
    choices, values = schema.get("anyOf"), schema.get("enum")
    if isinstance(choices, list):
        return " or ".join(_describe_type(choice) for choice in choices if isinstance(choice, dict))
    if isinstance(values, list):
        return " or ".join(f"`{value}`" for value in values)
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    return f"`{schema['const']}`" if "const" in schema else _describe_container(schema)


def _describe_container(schema: Mapping[str, JsonValue]) -> str:
    kind = str(schema.get("type", "any JSON value"))
    if kind == "array":
        return f"list of {_describe_items(schema)}"
    inner = schema.get("additionalProperties")
    if kind == "object" and isinstance(inner, dict):
        return f"object: name to {_describe_type(inner)}"
    return TYPE_WORDS.get(kind, kind)


def _describe_items(schema: Mapping[str, JsonValue]) -> str:
    items = schema.get("items")
    if isinstance(items, dict):
        return _describe_type(items)
    fixed = schema.get("prefixItems")
    parts = fixed if isinstance(fixed, list) else []
    return ", ".join(_describe_type(each) for each in parts if isinstance(each, dict)) or "any JSON value"


if __name__ == "__main__":
    main()
