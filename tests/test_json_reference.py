"""`docs/json.md` says what the commands print: it is generated from the models, and every document is in it."""

from __future__ import annotations

import subprocess
import sys
from typing import Literal

import pytest

from bench.house import ROOT
from gnomon.data.results import Estimate, ResultDocument, ResultPart
from gnomon.render.json_reference import REFERENCE, SECTIONS, TEMPLATE, JsonSection, render_reference


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
