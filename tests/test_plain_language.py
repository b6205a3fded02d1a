"""The texts that a newcomer reads first are in short sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FIRST = (
    "README.md",
    "SECURITY.md",
    *(
        f"docs/{folder}/{path.name}"
        for folder in ("tutorial", "how-to", "explanation")
        for path in sorted((ROOT / "docs" / folder).glob("*.md"))
    ),
)
LONGEST = 30
"""Words of a sentence."""


def sentences(text: str) -> Iterator[str]:
    """Sentences of paragraphs and lists; code blocks, tables, headings and pictures are none."""
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    for block in re.split(r"\n\s*\n|\n(?=\s*- )", text):
        lines = [line for line in block.splitlines() if not re.match(r"\s*(\||#|!\[)", line)]
        plain = re.sub(r"\]\([^)]*\)", "]", re.sub(r"`[^`]*`", "code", " ".join(lines)))
        yield from (part.strip() for part in re.split(r"(?<=[.!?])\**\s+(?=[\[*A-Z`_]|code)", plain) if part.strip())


@pytest.mark.parametrize("name", FIRST)
def test_no_sentence_is_longer_than_thirty_words(name):
    long = [
        one
        for one in sentences((ROOT / name).read_text(encoding="utf-8"))
        if len(re.findall(r"\w[\w'.,]*", one)) > LONGEST
    ]
    assert long == []


def test_a_long_sentence_is_found():
    assert max(len(one.split()) for one in sentences("# Head\n\nA b. C d e f.\n\n- G `h i j` k.\n")) == 4
