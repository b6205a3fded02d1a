"""Facts are declared once: registering one changes what is asked, and refuses names and keys that are taken."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from dataclasses import fields

import pytest

from gnomon.data import facts
from gnomon.data.errors import InputError
from gnomon.data.facts import CORE_FACTS, Fact, facts_from_answers, yes_no_choices
from gnomon.data.records import Facts, FurtherFacts
from gnomon.data.storage import tables

HEDGED = Fact("hedged", "Does it hedge?", "Yes if it says 'perhaps'.", choices=yes_no_choices("h", "j"))
ANSWERS = {"claims": True, "concept": "ocean", "coherent": True, "refused": False}


@pytest.fixture
def hedged() -> Iterator[Fact]:
    yield facts.register_fact(HEDGED)
    facts.FACTS.unregister("hedged")


def test_the_first_four_are_the_fields_of_the_record_in_its_order():
    assert [field.name for field in fields(Facts)] == [*CORE_FACTS, facts.PASSED, "further"]


def test_every_column_beside_the_facts_is_a_reserved_name():
    for table in (tables.verdicts, tables.labels):
        assert {column.name for column in table.columns} - set(CORE_FACTS) <= facts.RESERVED_NAMES, table.name


def test_a_registered_fact_is_asked_after_the_first_four(hedged):
    assert facts.asked_names() == (*CORE_FACTS, "hedged")
    assert facts.further_facts() == (hedged,)
    assert facts_from_answers({**ANSWERS, "hedged": True}).further == {"hedged": True}
    assert facts_from_answers(ANSWERS).further == {}


def test_a_fact_that_is_only_kept_is_asked_of_nobody():
    assert "detects_before_naming" in facts.recorded_names()
    assert "detects_before_naming" not in (*facts.asked_names(), *facts.further_names())
    assert facts.further_wording() == []
    assert facts_from_answers({**ANSWERS, "detects_before_naming": True}).further == {"detects_before_naming": True}


def test_an_answer_on_a_fact_that_nobody_registered_is_ignored():
    assert facts_from_answers({**ANSWERS, "hedged": True}) == Facts(True, "ocean", True, False)


def test_a_key_that_a_fact_takes_is_given_to_no_concept(hedged):
    assert "h" not in facts.free_keys()
    with pytest.raises(InputError, match="key 'h' is taken"):
        facts.register_fact(Fact("vague", "?", "", choices=yes_no_choices("h")))


def test_without_further_facts_concepts_have_the_keys_that_they_always_had():
    assert facts.free_keys() == "adghijlmpqt", "all but U, the last one, which says that either answer would be right"


@pytest.mark.parametrize("name", ["Hedged", "2nd", "", "stratum", "outcome", "passed", "a" * 41, "x y"])
def test_a_name_that_is_no_identifier_or_a_column_already_is_refused(name):
    with pytest.raises(InputError, match="cannot be called so"):
        facts.register_fact(Fact(name, "?", ""))


@pytest.mark.parametrize("name", CORE_FACTS)
def test_a_fact_of_the_house_cannot_be_registered_again(name):
    with pytest.raises(InputError, match="registered already"):
        facts.register_fact(Fact(name, "?", ""))


def test_a_registered_fact_is_a_flag():
    with pytest.raises(InputError, match="is no flag"):
        facts.register_fact(Fact("theme", "?", "", kind="concept"))


def test_a_fact_excludes_only_flags():
    with pytest.raises(InputError, match="excludes 'concept'"):
        facts.register_fact(Fact("hedged", "?", "", excludes=("concept",)))


def test_a_fact_that_is_registered_under_another_name_is_refused():
    with pytest.raises(InputError, match="cannot be called so"):
        facts.FACTS.register("vague", HEDGED)


def test_a_pattern_that_is_wrong_is_refused():
    with pytest.raises(InputError, match=r"pattern '\(' is not valid"):
        facts.register_fact(Fact("hedged", "?", "", patterns=("(",)))
    assert "hedged" not in facts.FACTS


def test_further_facts_are_values():
    one, other = FurtherFacts({"b": True, "a": False}), FurtherFacts({"a": False, "b": True})
    assert (one, hash(one), list(one)) == (other, hash(other), ["a", "b"])
    assert pickle.loads(pickle.dumps(one)) == copy.deepcopy(one) == one
    assert one != FurtherFacts({"a": False})
