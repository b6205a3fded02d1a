"""Prompts of the battery's tasks: from a concept, the study's concepts and an item's number to a protocol.

The question, the order of options and the sentences of an item are drawn from (task, concept, number) alone, so that
the same item is asked in every arm. Knows nothing of vectors, layers or subjects.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gnomon.data.arms.battery_measures import BATTERY, NO, SENTENCE, YES
from gnomon.data.errors import InputError
from gnomon.data.records import Span
from gnomon.generation.battery import wordings
from gnomon.generation.battery.seeded_draws import drawn_number, drawn_order, rotated_place, rotated_value
from gnomon.generation.prompts.protocol import Protocol, ProtocolMessage
from gnomon.generation.prompts.protocol_parts import AlsoSteered, NamedSpan, ProtocolMeasure

SENTENCES = 5
"""Sentences among which the steered one is to be found."""
MOST_OPTIONS = 8
"""Largest number of words to choose from."""
HALF = 0.5
"""Share of the strength at the weaker of two sentences."""
EARLIER = Span("earlier")
"""The turn of the user before a word is put in the subject's mouth."""
OPEN_TOKENS, COPY_TOKENS = 60, 40
Options = Mapping[str, tuple[str, ...]]
BuildPrompt = Callable[["BatteryItem"], Protocol]


@dataclass(frozen=True, slots=True)
class BatteryItem:
    """What a prompt is made from.

    Attributes
    ----------
    task : str
        Name of the task.
    concept : str
        The concept that the prompt is about, and that is injected where one is.
    concepts : tuple of str
        The study's concepts.
    number : int
        Number of the item, from 0.
    """

    task: str
    concept: str
    concepts: tuple[str, ...]
    number: int

    @property
    def others(self) -> list[str]:
        """The other concepts; raises `InputError` where there is none."""
        others = [concept for concept in self.concepts if concept != self.concept]
        if not others:
            raise InputError(f"battery task '{self.task}': needs two concepts or more: name more in [design]")
        return others

    def choose(self, values: Sequence[str], *parts: str) -> str:
        """One of several values for this item: each in turn, beginning at one that is drawn by concept."""
        return rotated_value(values, self.number, self.task, self.concept, *parts)

    def shuffle(self, values: Sequence[str], *parts: str | int) -> list[str]:
        """The values in an order that is drawn for this item."""
        return drawn_order(values, self.task, self.concept, *parts)


def task_protocol(item: BatteryItem) -> Protocol:
    """The protocol of an item: messages, the span at which its vector is added, and what is read.

    Raises
    ------
    UnknownNameError
        If there is no such task.
    InputError
        If the study has too few concepts for the task, or every sentence holds one of them.
    """
    BATTERY.find(item.task)
    return _BUILDERS[item.task](item)


def shown_options(item: BatteryItem) -> list[str]:
    """The words that an item offers, in their order: the concept in a place that goes through all, others as drawn."""
    count = min(len(item.others) + 1, MOST_OPTIONS)
    others = item.shuffle(item.others, "options", item.number)[: count - 1]
    place = rotated_place(count, item.number, item.task, item.concept)
    return [*others[:place], item.concept, *others[place:]]


def neutral_sentences(item: BatteryItem, count: int, number: int) -> list[str]:
    """Sentences that hold none of the study's concepts, in an order that is drawn.

    Parameters
    ----------
    item : BatteryItem
    count : int
        How many are wanted.
    number : int
        Number of the set.
    """
    free = [text for text in wordings.SENTENCES if not any(_holds_word(text, concept) for concept in item.concepts)]
    if len(free) < count:
        raise InputError(
            f"battery task '{item.task}': {len(free)} of its sentences hold none of the study's concepts, {count} are "
            "needed: leave the task out with --task"
        )
    return item.shuffle(free, "sentences", number)[:count]


def _holds_word(text: str, word: str) -> bool:
    return re.search(rf"\b{re.escape(word)}", text, re.IGNORECASE) is not None


def _yes_no_prompt(questions: Sequence[str], introduction: str = wordings.INTRODUCTION) -> BuildPrompt:
    """A builder of one of several questions after the same introduction, answered by yes or no."""

    def build(item: BatteryItem) -> Protocol:
        question = item.choose(questions).format(word=item.concept)
        return _question_protocol(item, question, wordings.YES_OR_NO, _yes_no_options(), introduction)

    return build


def _other_prompt(item: BatteryItem) -> Protocol:
    """The question of `about_same`, about a concept that is not injected."""
    other = item.others[drawn_number(len(item.others), item.task, item.concept, "other", item.number)]
    question = item.choose(wordings.ABOUT_QUESTIONS).format(word=other)
    return _question_protocol(item, question, wordings.YES_OR_NO, _yes_no_options())


def _pick_prompt(item: BatteryItem) -> Protocol:
    shown = shown_options(item)
    letters = dict(zip(shown, string.ascii_uppercase, strict=False))
    listed = ", ".join(f"({letter}) {word}" for word, letter in letters.items())
    question = f"{item.choose(wordings.PICK_QUESTIONS)} {listed}."
    options = {word: (letter,) for word, letter in letters.items()}
    return _question_protocol(item, question, "Answer with one letter.", options)


def _name_prompt(item: BatteryItem) -> Protocol:
    begun = item.choose(wordings.NAME_BEGINNINGS)
    messages = (
        *_opening(wordings.INTRODUCTION),
        _user(f"{wordings.TRIAL} {wordings.NAME_QUESTION}"),
        _assistant(begun),
    )
    _ = item.others
    return _battery_protocol(item, begun, messages, Span.FROM_MARKER, _word_options(item.concepts))


def _rating_prompt(item: BatteryItem) -> Protocol:
    question = item.choose(wordings.RATING_QUESTIONS)
    return _question_protocol(item, question, wordings.RATING_INSTRUCTION, {str(n): (str(n),) for n in range(10)})


def _locate_prompt(item: BatteryItem) -> Protocol:
    sentences = neutral_sentences(item, SENTENCES, item.number)
    steered = Span(f"sentence_{1 + rotated_place(SENTENCES, item.number, item.task, item.concept)}")
    words = (wordings.LOCATE_INTRODUCTION, wordings.LOCATE_QUESTION)
    return _sentence_protocol(item, words, sentences, steered, f"set {item.concept} {item.number}")


def _stronger_prompt(item: BatteryItem) -> Protocol:
    """Items come in twos with the same sentences: once the first is the stronger one, once the second."""
    pair, order = divmod(item.number, 2)
    sentences = neutral_sentences(item, 2, pair)
    steered, weaker = (Span(f"sentence_{place}") for place in ((1, 2) if order == 0 else (2, 1)))
    words = (wordings.STRONGER_INTRODUCTION, wordings.STRONGER_QUESTION)
    also = (AlsoSteered(weaker, HALF),)
    return _sentence_protocol(item, words, sentences, steered, f"pair {item.concept} {pair}", also)


def _sentence_protocol(
    item: BatteryItem,
    words: tuple[str, str],
    sentences: Sequence[str],
    steered: Span,
    said: str,
    also: tuple[AlsoSteered, ...] = (),
) -> Protocol:
    """Numbered sentences of which one is to be told by its number."""
    introduction, question = words
    numbered = "\n".join(f"{number}. {text}" for number, text in enumerate(sentences, 1))
    names = [f"sentence_{number}" for number in range(1, len(sentences) + 1)]
    spans = tuple(NamedSpan(name, text=text) for name, text in zip(names, sentences, strict=True))
    options = {name: (str(number),) for number, name in enumerate(names, 1)}
    message = _user(f"{introduction}\n\n{numbered}\n\n{question}")
    return _battery_protocol(item, said, (message,), steered, options, spans=spans, also=also)


def _transcribe_prompt(item: BatteryItem) -> Protocol:
    _ = item.others
    (sentence,) = neutral_sentences(item, 1, item.number)
    message = _user(f"{wordings.TRANSCRIBE_INTRODUCTION}\n\n{sentence}\n\n{wordings.TRANSCRIBE_QUESTION}")
    return _battery_protocol(
        item,
        sentence,
        (message, _assistant(wordings.TRANSCRIBE_BEGINNING)),
        Span(SENTENCE),
        _word_options(item.concepts),
        spans=(NamedSpan(SENTENCE, text=sentence),),
        max_tokens=COPY_TOKENS,
    )


def _own_prompt(item: BatteryItem) -> Protocol:
    question = item.choose(wordings.OWN_QUESTIONS)
    messages = (
        _user(item.choose(wordings.WORD_REQUESTS, "request")),
        _assistant(f"{item.concept.capitalize()}."),
        _user(f"{question.format(word=item.concept)} {wordings.YES_OR_NO}"),
    )
    spans = (NamedSpan(EARLIER, turn=0),)
    return _battery_protocol(item, question, messages, EARLIER, _yes_no_options(), spans=spans)


def _open_prompt(item: BatteryItem) -> Protocol:
    """The only task whose answer is sampled at length: a claim and a name have an order."""
    question = item.choose(wordings.OPEN_QUESTIONS)
    return _question_protocol(
        item, question, wordings.OPEN_INSTRUCTION, _yes_no_options(), max_tokens=OPEN_TOKENS, temperature=0.6
    )


_BUILDERS: Mapping[str, BuildPrompt] = {
    "notice": _yes_no_prompt(wordings.NOTICE_QUESTIONS),
    "unrelated_no": _yes_no_prompt(wordings.UNRELATED_NO),
    "unrelated_yes": _yes_no_prompt(wordings.UNRELATED_YES),
    "about_same": _yes_no_prompt(wordings.ABOUT_QUESTIONS),
    "about_other": _other_prompt,
    "third_person": _yes_no_prompt(wordings.OTHER_QUESTIONS, wordings.OTHER_INTRODUCTION),
    "pick": _pick_prompt,
    "name": _name_prompt,
    "locate": _locate_prompt,
    "stronger": _stronger_prompt,
    "rating": _rating_prompt,
    "transcribe": _transcribe_prompt,
    "own_prefill": _own_prompt,
    "timing": _open_prompt,
}


def _question_protocol(
    item: BatteryItem,
    question: str,
    instruction: str,
    options: Options,
    introduction: str = wordings.INTRODUCTION,
    *,
    max_tokens: int = 0,
    temperature: float = 0.0,
) -> Protocol:
    """Introduction, agreement, and a question from whose trial on the vector is added: the same frame for all."""
    messages = (*_opening(introduction), _user(f"{wordings.TRIAL} {question} {instruction}"))
    return _battery_protocol(
        item, question, messages, Span.FROM_MARKER, options, max_tokens=max_tokens, temperature=temperature
    )


def _battery_protocol(
    item: BatteryItem,
    said: str,
    messages: tuple[ProtocolMessage, ...],
    span: Span,
    options: Options,
    *,
    spans: tuple[NamedSpan, ...] = (),
    also: tuple[AlsoSteered, ...] = (),
    max_tokens: int = 0,
    temperature: float = 0.0,
) -> Protocol:
    """The protocol; its name is the task, a colon and the item, by which trials of all arms are compared."""
    return Protocol(
        name=f"{item.task}: {said}",
        messages=messages,
        marker=wordings.TRIAL if span == Span.FROM_MARKER else "",
        span=span,
        temperature=temperature,
        max_tokens=max_tokens,
        spans=spans,
        also=also,
        measure=ProtocolMeasure(item.task, tuple(options.items()), BATTERY[item.task].expected or None),
    )


def _opening(introduction: str) -> tuple[ProtocolMessage, ProtocolMessage]:
    return _user(introduction), _assistant(wordings.AGREEMENT)


def _user(content: str) -> ProtocolMessage:
    return ProtocolMessage("user", content)


def _assistant(content: str) -> ProtocolMessage:
    return ProtocolMessage("assistant", content)


def _yes_no_options() -> Options:
    return {YES: ("Yes", "yes"), NO: ("No", "no")}


def _word_options(words: Sequence[str]) -> Options:
    return {word: tuple(dict.fromkeys((word, word.capitalize()))) for word in words}
