"""Reader: the pieces of a marked text are the text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gnomon.dashboard.components.transcript_view import split_highlights


@given(st.text(), st.lists(st.text(max_size=4), max_size=3), st.lists(st.text(max_size=4), max_size=3))
def test_pieces_joined_are_the_text_again(text, words, quotes):
    assert "".join(piece for piece, _, _ in split_highlights(text, words, quotes)) == text


def test_whole_words_that_begin_with_a_concept_are_marked_in_any_case():
    assert split_highlights("Oceans, not devotion", ["ocean"]) == [
        ("Oceans", True, False),
        (", not devotion", False, False),
    ]


def test_a_quotation_is_found_word_for_word_and_may_hold_a_marked_word():
    found = split_highlights("a (the sea.) d", ["sea"], ["(the SEA.)"])
    assert found == [
        ("a ", False, False),
        ("(the ", False, True),
        ("sea", True, True),
        (".)", False, True),
        (" d", False, False),
    ]


def test_quotations_that_overlap_are_both_found():
    assert split_highlights("abc", quotes=["ab", "bc"]) == [("a", False, True), ("b", False, True), ("c", False, True)]
