"""A judge's reply is read wherever its object stands, and never guessed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gnomon.data.records import Facts, VerdictState
from gnomon.judging.rubrics.reply_parser import read_reply

CONCEPTS = ("ocean", "fear")
GOOD = {"claims": True, "concept": "ocean", "coherent": True, "refused": False, "claims_quote": "the sea"}
OTHER = {**GOOD, "claims": False, "concept": "none"}
FACTS = Facts(True, "ocean", True, False)


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(GOOD),
        f"```json\n{json.dumps(GOOD, indent=1)}\n```",
        f'<think>It may be {{"claims": false}} or so</think>{json.dumps(GOOD)}',
        f'It may be {{"claims": false}} {json.dumps(OTHER)}</think>{json.dumps(GOOD)}',
        f"<think>no</think>{json.dumps(OTHER)}</think>{json.dumps(GOOD)}",
        f"{json.dumps(OTHER)}<think>no</think>yes</think>{json.dumps(GOOD)}",
        f"[THINK]{json.dumps(OTHER)}[/THINK]{json.dumps(GOOD)}",
        f"<|channel|>analysis<|message|>{json.dumps(OTHER)}<|end|><|channel|>final<|message|>{json.dumps(GOOD)}",
        f"Here you are: {json.dumps(GOOD)} Anything else?",
        json.dumps({**GOOD, "concept": " Ocean ", "confidence": 0.9}),
        json.dumps({**GOOD, "claims": "true", "coherent": "yes"}),
        f"{json.dumps(GOOD)} {json.dumps(GOOD)}",
        f"{{not json}} {json.dumps(GOOD)}",
    ],
)
def test_the_object_is_found(text: str):
    state, facts, quote = read_reply(text, CONCEPTS)
    assert (state, facts, quote) == (VerdictState.OK, FACTS, "the sea")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "claims: true",
        '{"claims": true',
        "[true]",
        json.dumps({**GOOD, "concept": "dog"}),
        json.dumps({key: GOOD[key] for key in ("claims", "concept", "coherent")}),
        json.dumps({**GOOD, "refused": None}),
        json.dumps({"verdict": "pass"}),
        f"{json.dumps(GOOD)} {json.dumps({**GOOD, 'claims': False})}",
        "{" * 5000,
        '{"a":' * 5000,
    ],
)
def test_what_is_no_one_verdict_is_unparsable(text: str):
    assert read_reply(text, CONCEPTS) == (VerdictState.UNPARSABLE, None, "")


@pytest.mark.parametrize("text", ["I'm sorry, but I can't help with that.", "I cannot judge this text."])
def test_a_judge_that_declines_has_refused(text: str):
    assert read_reply(text, CONCEPTS)[0] is VerdictState.REFUSED


@pytest.mark.parametrize("tag", ["<think>", "</think>", "[/THINK]", "<|channel|>final<|message|>", '</think>{"a": 1}'])
def test_tags_inside_a_quotation_are_the_transcripts_words_and_cut_nothing(tag: str):
    """A transcript that quotes a closing tag must not make its judge's verdict unreadable."""
    text = json.dumps({**GOOD, "coherent_quote": f"the sea {tag} and more"})
    assert read_reply(text, CONCEPTS) == (VerdictState.OK, FACTS, "the sea")


def test_long_quotes_and_control_characters_are_cut():
    _, _, quote = read_reply(json.dumps({**GOOD, "claims_quote": "\x00\u202e" + "q" * 1000}), CONCEPTS)
    assert quote == "q" * 400


@given(st.text())
def test_no_text_breaks_the_reader(text: str):
    state, facts, _ = read_reply(text, CONCEPTS)
    assert (facts is not None) == (state is VerdictState.OK)
