"""Probabilities of answers are read where the answers stand in a reply, however it is cut into tokens."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from judging_tokens import DENIAL_REPLY, reply_tokens

from gnomon.judging.rubrics.answer_scores import ReplyToken, answer_scores

CONCEPTS = ("ocean", "oceanic", "fear")
SAID = {"claims": True, "coherent": True, "refused": False}
REPLY = '{"claims_quote": "caf\u00e9 {\\"claims\\": false}", "claims": true, "concept": "ocean", "coherent": true, '
REPLY += '"refused": false}'


def scored(tokens: list[ReplyToken], concept: str | None = "ocean") -> dict[str, float]:
    return answer_scores(tokens, SAID, concept, CONCEPTS)


def test_the_probability_of_yes_is_that_among_yes_and_no() -> None:
    tokens = reply_tokens(REPLY, {'"claims": ': {"true": 0.6, "false": 0.2, "null": 0.2}})
    assert scored(tokens)["claims"] == pytest.approx(0.75)


def test_all_writings_of_an_answer_add_up() -> None:
    shares = {"true": 0.3, " true": 0.1, "True": 0.1, "tr": 0.1, '"yes': 0.1, "fal": 0.1, " FALSE": 0.1, '"': 0.1}
    assert scored(reply_tokens(REPLY, {'"claims": ': shares}))["claims"] == pytest.approx(0.7 / 0.9)


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ({"true": 0.9, "null": 0.02}, 0.9 / 0.92),  # no more than the least listed token
        ({"true": 0.9, "null": 0.09}, 0.9 / 0.91),  # no more than what is left
    ],
)
def test_an_answer_that_is_not_listed_counts_with_the_most_that_it_can_have(
    shares: dict[str, float], expected: float
) -> None:
    assert scored(reply_tokens(REPLY, {'"claims": ': shares}))["claims"] == pytest.approx(expected)
    said = {**SAID, "claims": False}
    reply = REPLY.replace('"claims": true', '"claims": false')
    other = reply_tokens(reply, {'"claims": ': {"false" if word == "true" else word: p for word, p in shares.items()}})
    assert answer_scores(other, said, "ocean", CONCEPTS)["claims"] == pytest.approx(1 - expected)


def test_there_is_no_score_where_neither_answer_is_among_the_most_probable_tokens() -> None:
    """A schema may force an answer that the model hardly thinks of: the sampled token alone says nothing of the other.

    Found with SmolLM2-135M: true had .00002, and the least of 20 listed tokens .0005, which no could have had as well.
    """
    cut = reply_tokens(REPLY, {'"claims": ': {"true": 0.00002, "null": 0.9, "maybe": 0.0005}})
    found = scored([replace(token, least=0.0005) if len(token.listed) == 3 else token for token in cut])
    assert "claims" not in found
    assert "coherent" in found


def test_there_are_no_shares_of_names_where_none_is_among_the_most_probable_tokens() -> None:
    cut = reply_tokens(REPLY, {'"concept": "': {"ocean": 0.00002, "the": 0.9, "a": 0.0005}})
    found = scored([replace(token, least=0.0005) if len(token.listed) == 3 else token for token in cut])
    assert not any(name.startswith("names") for name in found)


def test_without_other_tokens_the_rest_of_the_probability_bounds_the_other_answer() -> None:
    assert scored(reply_tokens(REPLY, {'"claims": ': {"true": 0.8}}))["claims"] == pytest.approx(0.8)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_it_does_not_matter_how_the_reply_is_cut(size: int) -> None:
    """Answers are looked for by place: tokens of any bytes, ends of characters among them, hold the same reply."""
    content = REPLY.encode()
    parts = [content[start : start + size] for start in range(0, len(content), size)]
    found = scored([ReplyToken(part, {part: math.log(0.9)}) for part in parts])
    known = {name: value for name, value in found.items() if name in SAID}
    if size == 1000:
        assert known == {}  # one token for the whole reply says nothing of one answer
    else:
        assert all((value > 0.5) is SAID[name] for name, value in known.items())
    if size == 1:
        assert set(known) == set(SAID)


def test_names_of_the_list_have_the_product_of_their_tokens() -> None:
    cut = reply_tokens(
        REPLY,
        {
            '"concept": "': {"oc": 0.6, "fear": 0.3, "no": 0.1},
            '"concept": "oc': {"ean": 0.9, "xx": 0.1},
            '"concept": "ocean': {'",': 0.5, '"': 0.2, "ic": 0.3},
        },
    )
    found = scored(cut)
    total = 0.3 + 0.1 + 0.6 * 0.9
    assert found["names ocean"] == pytest.approx(0.6 * 0.9 * 0.7 / total)
    assert found["names oceanic"] == pytest.approx(0.6 * 0.9 * 0.3 / total)
    assert found["names fear"] == pytest.approx(0.3 / total)
    assert found["names none"] == pytest.approx(0.1 / total)
    assert "names other" not in found


def test_a_token_that_begins_several_names_counts_for_none_of_them() -> None:
    reply = REPLY.replace('"concept": "ocean"', '"concept": "fear"')
    found = scored(reply_tokens(reply, {'"concept": "': {"fear": 0.5, "oc": 0.5}}), "fear")
    assert found["names fear"] == pytest.approx(0.5, abs=0.001)
    assert "names ocean" not in found


def test_the_answers_are_those_of_the_last_object_that_says_what_was_read() -> None:
    draft = REPLY.replace('"claims": true', '"claims": false')
    text = f"<think>First {draft} but no.</think>\n{REPLY}"
    last = text[text.index("no.</think>") : text.rindex('true, "concept"')]
    tokens = reply_tokens(text, {last: {"true": 0.7, "false": 0.3}})
    assert scored(tokens)["claims"] == pytest.approx(0.7)


def test_of_an_object_that_is_said_twice_the_last_one_counts() -> None:
    """A reasoning may draft the reply: the answer that was given is the one after it."""
    text = f"<think>I will say {REPLY}.</think>\n{REPLY}"
    last = text[text.index("</think>") : text.rindex('true, "concept"')]
    assert scored(reply_tokens(text, {last: {"true": 0.7, "false": 0.3}}))["claims"] == pytest.approx(0.7)


def test_tokens_of_another_text_give_no_score() -> None:
    assert scored(reply_tokens(DENIAL_REPLY, {})) == {}
    assert scored([]) == {}


def test_tokens_as_vocabularies_write_them_are_read() -> None:
    tokens = reply_tokens(REPLY.replace("caf\u00e9 ", ""), {'"claims": ': {"true": 0.6, "false": 0.4}})
    written = [
        ReplyToken(
            token.text.replace(b" ", "\u0120".encode()),
            {word.replace(b" ", "\u0120".encode()): value for word, value in token.listed.items()},
            token.least,
        )
        for token in tokens
    ]
    assert scored(written)["claims"] == pytest.approx(0.6)


def test_a_name_that_is_written_with_escapes_has_no_score() -> None:
    reply = REPLY.replace('"ocean"', '"oce\\u0061n"')
    assert not any(name.startswith("names") for name in scored(reply_tokens(reply, {})))
