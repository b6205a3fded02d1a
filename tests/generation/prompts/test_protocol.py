"""Claims about protocols and prompts: what was said is hashed whole, and the marker is found where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_subjects import TEMPLATE, byte_tokenizer

from gnomon.data.arms.measures import MEASURES
from gnomon.data.errors import InputError, UnknownNameError
from gnomon.data.records import Span
from gnomon.generation.prompts.protocol import Protocol, load_protocol, shipped_protocols
from gnomon.generation.prompts.question_protocols import question_protocols
from gnomon.generation.prompts.tokenization import make_prompt
from gnomon.generation.subjects.loading import LoadedSubject

GOOD = """
name = "mine"
span = "generation"
marker = "Now"
temperature = 0
max_tokens = 5
[[messages]]
role = "user"
content = "Wait. Now: do you notice a thought?"
"""


def written(folder: Path, text: str = GOOD) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", shipped_protocols())
def test_shipped_protocols_say_that_a_thought_may_or_may_not_be_injected(name: str) -> None:
    protocol = load_protocol(name)
    said = " ".join(message.content for message in protocol.messages)
    assert protocol.name == name
    assert "inject" in said
    assert "nothing" in said
    assert protocol.span is Span.FROM_MARKER


def test_there_are_a_direct_a_two_turn_a_system_and_a_task_form() -> None:
    assert shipped_protocols() == ["direct", "plain", "stern", "task"]
    assert [message.role for message in load_protocol("plain").messages] == ["user", "assistant", "user"]
    assert "task" in load_protocol("task").messages[0].content
    assert "system" not in [message.role for message in load_protocol("plain").messages]
    assert load_protocol("stern").messages[0].role == "system"


def test_ones_own_file_is_read(tmp_path: Path) -> None:
    protocol = load_protocol(written(tmp_path))
    assert (protocol.name, protocol.temperature, protocol.max_tokens) == ("mine", 0.0, 5)
    assert protocol.hashed_content()["messages"] == [{"role": "user", "content": "Wait. Now: do you notice a thought?"}]


@pytest.mark.parametrize(
    "change",
    [("mine", "other"), ("generation", "all"), ("Now", "NOW"), ("= 0", "= 0.1"), ("= 5", "= 6"), ("Wait", "Hm")],
)
def test_any_change_changes_the_hash(tmp_path: Path, change: tuple[str, str]) -> None:
    before = load_protocol(written(tmp_path)).protocol_hash
    assert before == load_protocol(written(tmp_path)).protocol_hash
    assert load_protocol(written(tmp_path, GOOD.replace(*change))).protocol_hash != before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("marker", "mark"), "key 'mark' is not known"),
        (("max_tokens = 5", ""), "'max_tokens' is missing"),
        (("= 5", '= "5"'), "'max_tokens' is missing or of the wrong kind"),
        (("= 5", "= true"), "'max_tokens' is missing or of the wrong kind"),
        (("= 5", "= 0"), "max_tokens 1 or more"),
        (("= 0", "= -1"), "temperature must be 0 or more"),
        (('"Now"', '"Then"'), "marker 'Then' stands 0 times"),
        (('"Now"', '"t"'), "marker 't' stands 4 times"),
        (('"generation"', '"answer"'), "span 'answer' is not known: choose from all, generation, from_marker"),
        (
            ('"user"', '"system"'),
            "the last message must be the user's, so that the subject answers it, or the assistant's",
        ),
        (('"user"', '"robot"'), "'role' out of system, user, assistant"),
        (("=", ":"), "fix that line"),
    ],
)
def test_a_wrong_file_is_refused_with_the_key(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_protocol(written(tmp_path, GOOD.replace(*change)))


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="protocol 'plane' is not known: choose from direct, plain, stern, task"):
        load_protocol("plane")


@pytest.mark.model
@pytest.mark.parametrize("name", shipped_protocols())
def test_the_marker_is_found_at_its_first_token_and_spans_begin_there(smollm: LoadedSubject, name: str) -> None:
    protocol = load_protocol(name)
    prompt = make_prompt(smollm.tokenizer, protocol)
    assert smollm.tokenizer.decode(prompt.ids[prompt.marker :]).startswith(protocol.marker)
    assert protocol.marker not in smollm.tokenizer.decode(prompt.ids[: prompt.marker])
    assert smollm.tokenizer.decode(prompt.ids).endswith("<|im_start|>assistant\n")
    starts = [prompt.first_position(span) for span in (Span.ALL, Span.FROM_MARKER, Span.GENERATION)]
    assert starts == [0, prompt.marker, len(prompt.ids) - 1]


def test_a_marker_inside_a_token_begins_at_that_token(tmp_path: Path) -> None:
    protocol = load_protocol(written(tmp_path))
    tokenizer = byte_tokenizer(TEMPLATE)
    prompt = make_prompt(tokenizer, protocol)
    assert tokenizer.decode(prompt.ids[prompt.marker :]).startswith("Now: do you")


def test_a_template_that_loses_the_marker_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="stands 0 times in the prompt that the subject reads"):
        make_prompt(byte_tokenizer("nothing"), load_protocol(written(tmp_path)))


def test_a_template_that_refuses_a_system_message_is_named() -> None:
    tokenizer = byte_tokenizer("{{ raise_exception('no system turns') }}")
    with pytest.raises(InputError, match=r"refuses these messages \(no system turns\)"):
        make_prompt(tokenizer, load_protocol("stern"))


def test_a_protocol_is_a_value() -> None:
    assert load_protocol("plain") == load_protocol("plain")
    assert isinstance(load_protocol("plain"), Protocol)


def test_texts_that_stop_an_answer_are_part_of_the_protocol_and_change_its_hash(tmp_path: Path) -> None:
    plain = load_protocol(written(tmp_path))
    stopping = load_protocol(written(tmp_path, GOOD.replace("max_tokens = 5", 'max_tokens = 5\nstop = ["\\n\\n"]')))
    assert stopping.stop == ("\n\n",)
    assert stopping.hashed_content()["stop"] == ["\n\n"]
    assert stopping.protocol_hash != plain.protocol_hash
    with pytest.raises(InputError, match="'stop' must be a list of texts"):
        load_protocol(written(tmp_path, GOOD.replace("max_tokens = 5", 'max_tokens = 5\nstop = "x"')))


def test_hashes_of_protocols_without_stop_are_what_they_were() -> None:
    assert [load_protocol(name).protocol_hash for name in ("plain", "stern")] == [
        "f74e61a1d7d7bc616d00f92b85193148",
        "55a85e4cadac5212d94d4a180d4e9337",
    ]


def test_a_mismatched_question_keeps_what_stands_before_and_the_markers_place() -> None:
    for name in shipped_protocols():
        protocol = load_protocol(name)
        asked = question_protocols(protocol, MEASURES["yes_no"], None, ())
        for other in asked:
            assert other.messages[:-1] == protocol.messages[:-1]
            assert sum(message.content.count(other.marker) for message in other.messages) == 1
            assert other.messages[-1].content.endswith("? Answer yes or no.")
        assert len({other.protocol_hash for other in asked}) == 20
