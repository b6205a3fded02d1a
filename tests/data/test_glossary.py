"""The glossary: one definition for each term, the same in the wheel and in docs/, for every term that pages explain."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

from gnomon.data.errors import UnknownNameError
from gnomon.data.glossary import SOURCE, define_terms, load_glossary, parse_glossary
from gnomon.data.outcomes import Outcome
from gnomon.data.records import Exposure
from gnomon.stats.estimand_registry import further_estimands, listed_estimands

ROOT = Path(__file__).resolve().parents[2]
TERMS = parse_glossary(SOURCE.read_text(encoding="utf-8"))


def terms_in_code(folder: Path) -> set[str]:
    """Terms that code under a folder asks the glossary for."""
    calls = (
        node
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "define_terms"
    )
    return {part.value for call in calls for part in call.args if isinstance(part, ast.Constant)}


def test_the_documentation_has_the_glossary_that_ships():
    same = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8") == SOURCE.read_text(encoding="utf-8")
    assert same, "run: cp data/glossary/glossary.md docs/glossary.md"


def test_every_term_has_one_name_and_one_sentence():
    names = Counter(name for term in TERMS for name in (term.name, *term.other_names))
    assert [name for name, times in names.items() if times > 1] == []
    for term in TERMS:
        assert term.section, term
        assert term.definition.endswith("."), term
        assert ". " not in term.definition, term


def test_outcomes_exposures_and_the_built_in_estimands_are_defined():
    glossary = load_glossary()
    text = " ".join(term.definition for term in TERMS)
    assert {str(outcome) for outcome in Outcome} <= set(glossary)
    assert all(f"`{exposure}`" in text for exposure in Exposure)
    own = {name: each.label for name, each in listed_estimands().items() if name not in further_estimands()}
    assert {name: label for name, label in own.items() if not {name, label} & set(glossary)} == {}


def test_every_term_that_a_page_explains_is_in_the_glossary():
    used = terms_in_code(ROOT / "dashboard")
    assert used - set(load_glossary()) == set()


def test_a_tooltip_has_a_paragraph_for_each_term():
    sensitivity, youden = load_glossary()["sensitivity"], load_glossary()["Youden's J"]
    paragraphs = define_terms("sensitivity", "Youden's J").split("\n\n")
    assert paragraphs == [f"**Sensitivity**: {sensitivity.definition}", f"**Youden's J**: {youden.definition}"]


def test_another_name_leads_to_the_same_definition():
    assert load_glossary()["subject"] is load_glossary()["model"]


def test_an_unknown_term_is_named():
    with pytest.raises(UnknownNameError, match="term 'gnomon' is not in the glossary"):
        define_terms("gnomon")
