"""Snippets: the match stands in them as it is written; without one they are the first words."""

from __future__ import annotations

from gnomon.dashboard.transcripts.snippets import LENGTH, make_snippet


def whole(pieces) -> str:
    return "".join(text for text, _ in pieces)


def matches(pieces) -> list[str]:
    return [text for text, match in pieces if match]


def test_a_match_far_into_the_text_is_shown_with_what_stands_around_it():
    answer = "one two three " * 60 + "a Faint sense " + "four five six " * 60
    pieces = make_snippet(answer, "faint SENSE")
    assert matches(pieces) == ["Faint sense"]
    assert whole(pieces).startswith("… ")
    assert whole(pieces).endswith(" …")
    before = pieces[1][0]
    assert before.endswith("three a ")
    assert len(whole(pieces)) <= LENGTH + 6


def test_without_a_match_the_first_words_are_shown_on_one_line():
    assert make_snippet("I notice\n\n  nothing.", "ocean") == [("I notice nothing.", False)]
    assert make_snippet("I notice") == [("I notice", False)]
    assert whole(make_snippet("  \n")) == "(empty response)"
    assert len(whole(make_snippet("a" * 1000))) == LENGTH + 2


def test_marks_of_patterns_are_taken_literally_and_hostile_text_stays_text():
    pieces = make_snippet("<b>1+1</b> (see [x])", "(see [x])")
    assert matches(pieces) == ["(see [x])"]
    assert whole(pieces) == "<b>1+1</b> (see [x])"
