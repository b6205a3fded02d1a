"""Claims about thinking: it is kept apart from the answer, whichever of its marks stand in the prompt."""

from __future__ import annotations

from typing import Any

import pytest
from tiny_subjects import TEMPLATE, byte_tokenizer

from gnomon.data.records import Span
from gnomon.generation.prompts.protocol import Protocol, ProtocolMessage
from gnomon.generation.prompts.thinking import readable_text, split_thinking
from gnomon.generation.prompts.tokenization import make_prompt

MARKS = ("<think>", "</think>")


@pytest.mark.parametrize(
    ("text", "open_before", "thought", "answer"),
    [
        ("I notice nothing.", False, None, "I notice nothing."),
        (" spaces stay ", False, None, " spaces stay "),
        ("<think>hm</think>\n\nNo.", False, "hm", "No."),
        ("<think>\n</think>No.", False, None, "No."),
        ("<think>hm, it never", False, "hm, it never", ""),
        ("hm</think>No.", False, "hm", "No."),
        ("hm</think>No.", True, "hm", "No."),
        ("hm, it never", True, "hm, it never", ""),
        ("Well. <think>a</think>Yes.<think>b</think>", False, "a\n\nb", "Well. Yes."),
    ],
)
def test_the_answer_is_what_stands_outside_the_marks(
    text: str, open_before: bool, thought: str | None, answer: str
) -> None:
    assert split_thinking(text, MARKS, is_thinking=open_before) == (thought, answer)


@pytest.mark.parametrize(
    ("end", "is_open"), [("<think>", True), ("<think></think>", False), ("", False), ("</think><think>", True)]
)
def test_a_prompt_knows_whether_it_ends_in_a_thought(end: str, is_open: bool) -> None:
    asked = Protocol("p", (ProtocolMessage("user", "Hm?"),), "", Span.ALL, 0.0, 5, thinking=MARKS)
    assert make_prompt(byte_tokenizer(TEMPLATE + end), asked).is_thinking is is_open


def test_marks_that_are_special_tokens_are_read_and_others_dropped() -> None:
    tokenizer: Any = byte_tokenizer(TEMPLATE)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<think>", "</think>", "<pad>"]})
    tokens = tokenizer("<think>hm</think>No.<pad> Stop. More", add_special_tokens=False)["input_ids"]
    plain = tokenizer.decode(tokens, skip_special_tokens=True)
    assert "<think>" not in plain
    asked = Protocol("p", (ProtocolMessage("user", "Hm?"),), "", Span.ALL, 0.0, 5, stop=(" Stop",), thinking=MARKS)
    assert readable_text(tokenizer, asked, tokens, plain) == "<think>hm</think>No."
