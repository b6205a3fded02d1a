"""`docs/json.md` says what the commands print: it is generated from the models, and every document is in it."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Literal

import pytest
from pydantic import ValidationError

from bench.house import ROOT
from gnomon.calibration.results.label_plan import LabelAllocation, LabelPlan, PlannedInterval
from gnomon.data.results import SCHEMA, Estimate, ResultDocument, ResultPart
from gnomon.render.json_reference import (
    REFERENCE,
    SCHEMA_FILE,
    SECTIONS,
    TEMPLATE,
    JsonSection,
    card_schema,
    render_reference,
)


class Leaf(ResultPart):
    """A part of the example."""

    rate: Estimate | None
    """As a fraction."""
    kind: Literal["a", "b"]


class Example(ResultDocument):
    """An example."""

    leaves: tuple[Leaf, ...]
    counts: dict[str, int]


def test_the_reference_is_what_the_models_say_today() -> None:
    told = "run 'python -m gnomon.render.json_reference'"
    assert REFERENCE.read_text(encoding="utf-8") == render_reference(SECTIONS, TEMPLATE.read_text("utf-8")), told


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.title)
def test_every_document_has_a_heading_and_a_schema(section: JsonSection) -> None:
    text = REFERENCE.read_text(encoding="utf-8")
    heading = ", ".join(f"`{name.strip()}`" for name in section.title.split(","))
    assert f"\n## {heading}\n" in text


def test_keys_types_and_meanings_come_from_the_model() -> None:
    text = render_reference(
        [JsonSection("gnomon one, gnomon two", Example)], "{{ document gnomon one, gnomon two }}\n{{ parts }}\n"
    )
    assert text.startswith("## `gnomon one`, `gnomon two`\n\nAn example.\n")
    assert "| `schema` | whole number |" in text
    assert "| `leaves` | list of [Leaf](#leaf) |  |" in text
    assert "| `counts` | object: name to whole number |  |" in text
    assert "### Leaf\n\nA part of the example." in text
    assert "| `rate` | [Estimate](#estimate) or null | As a fraction. |" in text
    assert "| `kind` | `a` or `b` |  |" in text
    assert text.index("### Estimate") < text.index("### Leaf")


def test_a_reference_that_is_current_passes_its_check() -> None:
    subprocess.run([sys.executable, "-m", "gnomon.render.json_reference", "--check"], check=True, cwd=ROOT)


def test_a_plan_is_read_back_from_its_json_with_the_key_from() -> None:
    now = Estimate(value=0.2, low=0.1, high=0.3, se=None, level=0.95, method="posterior")
    share = LabelAllocation(arm="control", pattern="judge yes", labels=3, free=9)
    plan = LabelPlan(
        estimand="net_detection_corrected",
        subject=None,
        view="blind",
        target=0.1,
        interval=PlannedInterval(
            source="fit", estimand="net_detection_corrected", subject=None, subjects=1, estimate=now
        ),
        now=now,
        width_now=0.2,
        labels_now=10,
        trials_now=20,
        reached=False,
        allocation=(share,),
        advice="label more",
    )
    document = plan.model_dump(mode="json")
    assert document["from"] == [{"arm": "control", "pattern": "judge yes", "labels": 3, "free": 9}]
    assert document["schema"] == SCHEMA
    assert LabelPlan.model_validate_json(plan.model_dump_json()) == plan


def test_a_result_does_not_change() -> None:
    now = Estimate(value=0.2, low=0.1, high=0.3, se=None, level=0.95, method="posterior")
    with pytest.raises(ValidationError, match="frozen"):
        now.value = 0.4  # type: ignore[misc]


def test_the_schema_of_cards_that_ships_is_that_of_the_models() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == card_schema(), "run 'python -m gnomon.render.json_reference'"


def test_every_part_of_a_document_has_its_keys() -> None:
    text = REFERENCE.read_text(encoding="utf-8")
    assert re.findall(r"### (\w+)\n[^#]*?\|---\|---\|---\|\n\n", text) == []
