"""Claims about named spans and options: they are found where they stand, or refused in one line before any trial."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tiny_subjects import TEMPLATE, byte_tokenizer

from gnomon.data.errors import InputError
from gnomon.data.records import Span
from gnomon.generation.prompts.protocol import Protocol, ProtocolMessage, load_protocol
from gnomon.generation.prompts.protocol_parts import AlsoSteered, NamedSpan, PlainFormat, ProtocolMeasure
from gnomon.generation.prompts.tokenization import make_prompt

MESSAGES = (
    ProtocolMessage("user", "One sea. Two sea. Three."),
    ProtocolMessage("assistant", "Yes."),
    ProtocolMessage("user", "Which? Yes."),
)
YES_NO = ProtocolMeasure("asked", (("yes", ("Yes", "yes")), ("no", ("No", "no"))), "yes")
TOML = """
name = "mine"
span = "second"
temperature = 0
max_tokens = 0
thinking = ["<think>", "</think>"]
[[messages]]
role = "user"
content = "First one. Second one. Which?"
[[messages]]
role = "assistant"
content = "It is the"
[spans.first]
text = "First one."
[spans.second]
text = "Second"
to = "Which"
part = "last"
answer = true
[[also]]
span = "first"
share = 0.5
[measure]
name = "which"
options = { one = ["first"], two = ["second"] }
expected = "{span}"
places = ["first"]
[template]
enable_thinking = false
[plain]
user = "Q: {content}\\n"
answer = "A:"
[fields]
language = "en"
version = 2
"""


def protocol(*spans: NamedSpan, **more: Any) -> Protocol:
    return Protocol("mine", MESSAGES, "", Span.ALL, 0.0, 5, spans=spans, **more)


def words(tokenizer: Any, prompt: Any, name: str) -> list[str]:
    return [tokenizer.decode(prompt.ids[slice(*part)]) for part in prompt.span_ranges(Span(name))]


@pytest.mark.parametrize(
    ("span", "said"),
    [
        (NamedSpan("s", text="Two sea."), ["Two sea."]),
        (NamedSpan("s", text="One", to="Two"), ["One sea. Two"]),
        (NamedSpan("s", text="Two sea.", part="first"), ["T"]),
        (NamedSpan("s", text="Two sea.", part="middle"), [" "]),
        (NamedSpan("s", text="Two sea.", part="last"), ["."]),
        (NamedSpan("s", turn=0), ["One sea. Two sea. Three."]),
        (NamedSpan("s", turn=1), ["Yes."]),
        (NamedSpan("s", turn=2), ["Which? Yes."]),
        (NamedSpan("s", turn=1, part="first"), ["Y"]),
        (NamedSpan("s", text="Three", answer=True), ["Three", ">"]),
        (NamedSpan("s", text="<assistant>Y", answer=True), ["<assistant>Y", ">"]),
    ],
)
def test_a_span_is_the_tokens_of_its_words(span: NamedSpan, said: list[str]) -> None:
    tokenizer = byte_tokenizer(TEMPLATE)
    prompt = make_prompt(tokenizer, protocol(span))
    assert words(tokenizer, prompt, "s") == said
    ends = [end for _, end in prompt.span_ranges(Span("s"))]
    assert [end is None for end in ends] == [*[False] * (len(ends) - 1), span.answer]


def test_a_span_up_to_the_prompts_end_and_the_answer_are_one_range() -> None:
    begun = replace(protocol(NamedSpan("s", text="Wh", to="mine is", answer=True)))
    begun = replace(begun, messages=(*MESSAGES, ProtocolMessage("assistant", "Hm, mine is")))
    prompt = make_prompt(byte_tokenizer(TEMPLATE), begun)
    assert prompt.span_ranges(Span("s")) == ((prompt.first_position(Span("s")), None),)


@pytest.mark.model
def test_a_sentence_of_a_real_tokenizer_is_its_own_tokens(smollm: Any) -> None:
    spans = (NamedSpan("two", text="Two sea."), NamedSpan("reply", turn=1), NamedSpan("end", turn=2, part="last"))
    prompt = make_prompt(smollm.tokenizer, protocol(*spans, measure=YES_NO))
    said = [words(smollm.tokenizer, prompt, span.name) for span in spans]
    assert said == [[" Two sea."], ["Yes."], ["."]]
    decoded = {name: {smollm.tokenizer.decode([token]) for token in ids} for name, ids in prompt.options.items()}
    assert decoded == {"yes": {"Yes", " Yes", "yes", " yes"}, "no": {"No", " No", "no", " no"}}


@pytest.mark.parametrize(
    ("span", "said"),
    [
        (NamedSpan("s", text="Four"), r"\[spans.s\]: text 'Four' stands 0 times in the prompt"),
        (NamedSpan("s", text="sea"), r"\[spans.s\]: text 'sea' stands 2 times in the prompt"),
        (NamedSpan("s", text="One", to="Yes."), r"\[spans.s\]: to 'Yes.' stands 2 times"),
        (NamedSpan("s", text="Two", to="One"), r"\[spans.s\]: 'to' stands before 'text'"),
        (NamedSpan("s", turn=3), r"\[spans.s\]: there is no turn 3: turns are 0 to 2"),
    ],
)
def test_a_mark_that_is_not_in_the_prompt_once_is_refused(span: NamedSpan, said: str) -> None:
    with pytest.raises(InputError, match=said):
        make_prompt(byte_tokenizer(TEMPLATE), protocol(span))


def test_a_turn_that_the_template_rewrites_is_refused_and_a_span_that_is_not_there_too() -> None:
    louder = TEMPLATE.replace("m.content", "m.content | upper")
    with pytest.raises(InputError, match=r"\[spans.s\]: the chat template changes turn 1: give 'text' instead"):
        make_prompt(byte_tokenizer(louder), protocol(NamedSpan("s", turn=1)))
    shorter = TEMPLATE.replace("m.content", "m.content.split('sea')[-1]")
    with pytest.raises(InputError, match=r"\[spans.s\]: the chat template changes turn 0: give 'text' instead"):
        make_prompt(byte_tokenizer(shorter), protocol(NamedSpan("s", turn=0)))
    for wrong in (replace(protocol(), span=Span("s")), protocol(also=(AlsoSteered(Span("s")),))):
        with pytest.raises(
            InputError, match="span 's': the protocol has none of this name: choose from all, generation"
        ):
            make_prompt(byte_tokenizer(TEMPLATE), wrong)
    with pytest.raises(InputError, match="choose from all, generation"):
        make_prompt(byte_tokenizer(TEMPLATE), protocol()).span_ranges(Span.FROM_MARKER)


def test_an_answer_that_is_begun_ends_the_prompt() -> None:
    tokenizer = byte_tokenizer(TEMPLATE)
    begun = replace(protocol(), messages=(*MESSAGES, ProtocolMessage("assistant", "I notice a")))
    assert begun.is_answer_begun
    assert not protocol().is_answer_begun
    assert tokenizer.decode(make_prompt(tokenizer, begun).ids).endswith("Which? Yes.\n<assistant>I notice a")


@pytest.mark.parametrize("template", ["{{ raise_exception('users only') }}", "<x>{{ messages[0].content }}"])
def test_a_template_that_refuses_or_drops_a_begun_answer_is_one_line(template: str) -> None:
    begun = replace(protocol(), messages=(*MESSAGES, ProtocolMessage("assistant", "I notice a")))
    with pytest.raises(InputError, match="use a protocol without an answer that is begun") as caught:
        make_prompt(byte_tokenizer(template), begun)
    assert "\n" not in str(caught.value)


def test_options_are_first_tokens_of_their_texts_and_a_space_is_none() -> None:
    prompt = make_prompt(byte_tokenizer(TEMPLATE), protocol(measure=YES_NO))
    tokenizer = byte_tokenizer(TEMPLATE)
    assert {name: tokenizer.decode(list(ids)) for name, ids in prompt.options.items()} == {"yes": "Yy", "no": "Nn"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((("elk", ("Elk",)), ("eel", ("Eel",))), "options 'elk' and 'eel' begin with the same token 'E'"),
        ((("a", (" ",)), ("b", ("b",))), "option 'a' has no token of its own"),
    ],
)
def test_options_that_cannot_be_told_apart_are_refused(options: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        make_prompt(byte_tokenizer(TEMPLATE), protocol(measure=ProtocolMeasure("m", options)))


def test_options_are_read_after_a_span_as_they_would_follow_it(tmp_path: Any) -> None:
    measure = replace(YES_NO, places=(Span("two"), Span("end")))
    spans = (NamedSpan("two", text="Two sea."), NamedSpan("end", text="Which", answer=True))
    prompt = make_prompt(byte_tokenizer(TEMPLATE), protocol(*spans, measure=measure))
    assert {place: at for place, (at, _) in prompt.places.items()} == {
        name: prompt.span_ranges(Span(name))[0][1] - 1  # type: ignore[operator]
        for name in ("two", "end")
    }
    assert {place: options for place, (_, options) in prompt.places.items()} == dict.fromkeys(
        ("two", "end"), prompt.options
    )


def test_template_arguments_reach_the_template() -> None:
    tokenizer = byte_tokenizer(TEMPLATE + "{% if enable_thinking is false %}<no think>{% endif %}")
    texts = [
        tokenizer.decode(make_prompt(tokenizer, each).ids)
        for each in (protocol(), protocol(template=(("enable_thinking", False),)))
    ]
    assert texts[1] == texts[0] + "<no think>"


def test_a_model_without_a_template_is_asked_in_plain_text_and_one_with_a_template_is_not() -> None:
    plain = PlainFormat("Q: {content}\n", "A: {content}\n", "{content}\n\n", "A:")
    bare, chat = byte_tokenizer(None), byte_tokenizer(TEMPLATE)
    asked = protocol(NamedSpan("s", turn=1), plain=plain)
    text = "Q: One sea. Two sea. Three.\nA: Yes.\nQ: Which? Yes.\nA:"
    prompt = make_prompt(bare, asked)
    assert bare.decode(prompt.ids) == text
    assert words(bare, prompt, "s") == ["Yes."]
    begun = replace(asked, messages=(*MESSAGES, ProtocolMessage("assistant", "I say")))
    assert bare.decode(make_prompt(bare, begun).ids) == text + " I say"
    assert "<user>" in chat.decode(make_prompt(chat, asked).ids)
    with pytest.raises(InputError, match=r"protocol 'mine': the model's tokenizer has no chat template: .*\[plain\]"):
        make_prompt(bare, protocol())


def test_a_file_says_all_of_it(tmp_path: Any) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(TOML, encoding="utf-8")
    found = load_protocol(path)
    assert found == Protocol(
        "mine",
        (ProtocolMessage("user", "First one. Second one. Which?"), ProtocolMessage("assistant", "It is the")),
        "",
        Span("second"),
        0.0,
        0,
        spans=(
            NamedSpan("first", text="First one."),
            NamedSpan("second", text="Second", to="Which", part="last", answer=True),
        ),
        also=(AlsoSteered(Span("first"), 0.5),),
        measure=ProtocolMeasure("which", (("one", ("first",)), ("two", ("second",))), "{span}", (Span("first"),)),
        template=(("enable_thinking", False),),
        plain=PlainFormat(user="Q: {content}\n", answer="A:"),
        thinking=("<think>", "</think>"),
        fields=(("language", "en"), ("version", 2)),
    )
    content = found.hashed_content()
    assert content["spans"] == {
        "first": {"text": "First one."},
        "second": {"text": "Second", "to": "Which", "part": "last", "answer": True},
    }
    assert replace(found, spans=(NamedSpan("first", turn=0), found.spans[1])).hashed_content()["spans"] == {
        "first": {"turn": 0},
        "second": content["spans"]["second"],  # type: ignore[index, call-overload]
    }
    hashes = {
        replace(found, **change).protocol_hash
        for change in (
            {},
            {"spans": found.spans[1:]},
            {"also": ()},
            {"also": (AlsoSteered(Span("first"), 0.25),)},
            {"measure": None},
            {"measure": replace(found.measure, expected=None)},
            {"measure": replace(found.measure, places=())},
            {"template": ()},
            {"plain": None},
            {"plain": PlainFormat()},
            {"thinking": None},
            {"fields": ()},
            {"fields": (("language", "de"), ("version", 2))},
        )
    }
    assert len(hashes) == 13
    assert "fields" not in replace(found, fields=()).hashed_content()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('text = "First one."', ""), r"\[spans.first\]: give 'text', from which 'to' may lead on, or 'turn'"),
        (('text = "First one."', 'turn = 0\nto = "x"'), r"\[spans.first\]: give 'text'"),
        (('text = "First one."', 'text = ""'), r"\[spans.first\]: 'text' must be a str that is not empty"),
        (('text = "First one."', "turn = true"), r"\[spans.first\]: 'turn' must be a int"),
        (('text = "First one."', 'words = "x"'), r"\[spans.first\]: key 'words' is not known"),
        (("[spans.first]", "[spans.all]"), r"\[spans.all\]: choose a name"),
        (("[spans.first]", "[spans.First]"), r"\[spans.First\]: choose a name"),
        (('part = "last"', 'part = "end"'), "'part' is one of first, middle, last"),
        (
            ('span = "second"', 'span = "third"'),
            "span 'third' is not known: choose from all, generation, from_marker, f",
        ),
        (('span = "second"', 'span = "from_marker"'), "'marker' is missing"),
        (('span = "first"\n', 'span = "none"\n'), "span 'none' is not known"),
        (("share = 0.5", "share = true"), "'share' must be a finite number"),
        (("share = 0.5", "share = inf"), "share is not a finite number"),
        (('name = "which"', 'name = "Which one"'), r"\[measure\]: 'name' must be at most 32 letters"),
        (
            ('name = "which"', 'name = "report"'),
            "measure 'report' is what judges read, and max_tokens 0 leaves no answer",
        ),
        ((', two = ["second"]', ""), "'options' needs two or more"),
        (('["second"]', "[]"), "option 'two' has no text"),
        (('["second"]', '"second"'), "option 'two' must be a list of texts"),
        (('"{span}"', '"three"'), "expected 'three' is no option: choose from one, two, {concept}, {span}"),
        (
            ('places = ["first"]', 'places = ["all"]'),
            r"\[measure\]: place 'all' is none of its own spans: choose from f",
        ),
        (('places = ["first"]', 'places = "first"'), r"\[measure\]: 'places' must be a list of texts"),
        (("enable_thinking = false", "tokenize = false"), r"\[template\]: 'tokenize' can't be given here"),
        (("enable_thinking = false", "tools = []"), r"\[template\]: 'tools' can't be given here"),
        (('"Q: {content}\\n"', '"Q:"'), r"\[plain\]: 'user' must be a text with {content} in it 1 times"),
        (('"A:"', '"A: {content}"'), r"\[plain\]: 'answer' must be a text with {content} in it 0 times"),
        (('language = "en"', 'layer = "en"'), r"\[fields\]: field 'layer': has the name of something else"),
        (('language = "en"', "language = true"), r"\[fields\]: field 'language': write a number, or a text"),
        (('language = "en"', 'language = " "'), r"\[fields\]: field 'language': write a number, or a text"),
        ((', "</think>"]', "]"), "'thinking' must be two texts"),
        (('role = "assistant"', 'role = "system"'), "the last message must be the user's"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(tmp_path: Any, change: tuple[str, str], said: str) -> None:
    assert change[0] in TOML
    path = tmp_path / "mine.toml"
    path.write_text(TOML.replace(*change), encoding="utf-8")
    with pytest.raises(InputError, match=said) as caught:
        load_protocol(path)
    assert "\n" not in str(caught.value)


def test_tokens_may_be_none_only_where_something_is_read(tmp_path: Any) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(TOML[: TOML.index("[measure]")], encoding="utf-8")
    with pytest.raises(InputError, match=r"max_tokens 1 or more, or 0 where \[measure\] is read"):
        load_protocol(path)
