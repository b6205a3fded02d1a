"""Reader: the pieces of a marked text are the text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dashboard.reader import parts


@given(st.text(), st.lists(st.text(max_size=4), max_size=3), st.lists(st.text(max_size=4), max_size=3))
def test_pieces_joined_are_the_text_again(text, words, quotes):
    assert "".join(piece for piece, _ in parts(text, words, quotes)) == text


def test_whole_words_that_begin_with_a_concept_are_marked_in_any_case():
    assert parts("Oceans, not devotion", ["ocean"]) == [("Oceans", True), (", not devotion", False)]


def test_a_quotation_is_marked_word_for_word():
    assert parts("a (b.c) d", quotes=["(b.c)"]) == [("a ", False), ("(b.c)", True), (" d", False)]
