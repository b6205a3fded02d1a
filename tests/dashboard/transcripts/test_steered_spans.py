"""Marks of steered spans lie where the engine's own positions lie; what is not stored is said and not marked."""

from __future__ import annotations

import pytest

from gnomon.dashboard.transcripts.steered_spans import SteeredPrompt, mark_steered

PLAIN = {
    "marker": "Round 1.",
    "messages": [
        {"role": "system", "content": "You are tested."},
        {"role": "user", "content": "Ready? Round 1. Do you notice anything?"},
    ],
}


def mark(content=PLAIN, *, arm="injection", span="from_marker", strength=2.0, **further) -> SteeredPrompt:
    return mark_steered(content, arm=arm, span=span, strength=strength, **further)


def marked(prompt: SteeredPrompt) -> list[str]:
    return ["".join(text for text, steered in turn.pieces if steered) for turn in prompt.turns]


@pytest.mark.parametrize(
    ("span", "texts", "answer"),
    [
        ("all", ["You are tested.", "Ready? Round 1. Do you notice anything?"], True),
        ("generation", ["", ""], True),
        ("from_marker", ["", "Round 1. Do you notice anything?"], True),
    ],
)
def test_the_spans_of_every_protocol_are_marked(span, texts, answer):
    prompt = mark(span=span)
    assert (marked(prompt), prompt.is_answer_steered) == (texts, answer)
    assert [turn.text for turn in prompt.turns] == [each["content"] for each in PLAIN["messages"]]
    assert [turn.role for turn in prompt.turns] == ["system", "user"]


@pytest.mark.parametrize(
    ("named", "texts", "answer", "says"),
    [
        ({"text": "you"}, ["", "you"], False, "at the text marked here, span 'it'"),
        ({"text": "Ready?", "to": "notice"}, ["", "Ready? Round 1. Do you notice"], False, "span 'it'"),
        ({"text": "tested.", "to": "Ready?"}, ["tested.", "Ready?"], False, "span 'it'"),
        ({"turn": 0, "answer": True}, ["You are tested.", ""], True, "and at the response"),
        ({"text": "Round 1.", "part": "last"}, ["", "Round 1."], False, "at the last token of the text marked here"),
        ({"text": "notice", "to": "Ready?"}, ["", ""], False, "does not say where that is"),
        ({"text": "e"}, ["", ""], False, "does not say where that is"),
        ({"text": "<template>"}, ["", ""], False, "does not say where that is"),
        ({"turn": 7}, ["", ""], False, "does not say where that is"),
        ("damaged", ["", ""], False, "does not say where that is"),
    ],
)
def test_a_protocols_own_spans_are_marked_or_their_place_is_said_to_be_unknown(named, texts, answer, says):
    prompt = mark({**PLAIN, "spans": {"it": named}}, span="it")
    assert (marked(prompt), prompt.is_answer_steered) == (texts, answer)
    assert says in prompt.notes[0]


def test_further_spans_are_marked_with_their_share():
    content = {**PLAIN, "spans": {"first": {"text": "Ready?"}, "second": {"text": "notice"}}}
    prompt = mark({**content, "also": [{"span": "second", "share": 0.5}]}, span="first")
    assert marked(prompt) == ["", "Ready?notice"]
    assert "also added, at 0.5 times the strength, at the text marked here, span 'second'" in prompt.notes[1]


def test_nothing_is_marked_where_nothing_was_added():
    prompt = mark(arm="control")
    assert (marked(prompt), prompt.is_answer_steered, prompt.notes) == (["", ""], False, ("No vector was added.",))
    assert any("strength was 0" in note for note in mark(arm="sham", strength=0.0).notes)


def test_what_cannot_be_known_is_said():
    assert any("not stored" in note for note in mark({}).notes)
    lost = mark({**PLAIN, "marker": ""})
    assert marked(lost) == ["", ""]
    assert "does not show" in lost.notes[0]
    imported = mark(span="generation", source="a table")
    assert any("imported" in note for note in imported.notes)
    assert any("does not say, the response is assumed" in note for note in imported.notes)
    assert any("preface" in note for note in mark(has_preface=True).notes)
    assert any("token by token" in note for note in mark().notes)
    for damaged in ({"messages": "text"}, {"messages": [1, None]}, {"messages": [{}]}, {"also": 3, "spans": 4}):
        mark({**PLAIN, **damaged})


def test_the_bundled_protocols_are_marked_from_their_marker_on():
    from gnomon.generation.prompts.protocol import load_protocol

    for name in ("plain", "stern", "task", "direct"):
        protocol = load_protocol(name)
        prompt = mark(protocol.stored_content())
        last = protocol.messages[-1].content
        assert marked(prompt)[-1] == last[last.index(protocol.marker) :]
        assert not any(marked(prompt)[:-1])
