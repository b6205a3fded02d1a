"""Claims about the prompts of the battery: what is drawn is balanced, reproducible, and the same in every arm."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest

from gnomon.data.arms.battery_measures import BATTERY, asked_tasks
from gnomon.data.errors import InputError, UnknownNameError
from gnomon.data.records import Span, canonical_hash
from gnomon.generation.battery import wordings
from gnomon.generation.battery.seeded_draws import drawn_number, drawn_order, rotated_place
from gnomon.generation.battery.task_prompts import EARLIER, SENTENCES, BatteryItem, shown_options, task_protocol
from gnomon.generation.prompts.protocol import Protocol

CONCEPTS = ("silence", "fear", "celebration", "ocean")
SAMPLED = {"transcribe", "timing"}
STEERED_SENTENCE = {"locate", "stronger", "transcribe"}


def prompt(task: str, number: int = 0, concept: str = "ocean", concepts: tuple[str, ...] = CONCEPTS) -> Protocol:
    return task_protocol(BatteryItem(task, concept, concepts, number))


def options_of(protocol: Protocol) -> dict[str, tuple[str, ...]]:
    assert protocol.measure is not None
    return dict(protocol.measure.options)


def last_words(protocol: Protocol) -> str:
    return protocol.messages[-1].content


@pytest.mark.parametrize("task", asked_tasks())
@pytest.mark.parametrize("number", [0, 5])
def test_every_task_has_a_prompt_that_holds_its_marks_once(task: str, number: int) -> None:
    protocol = prompt(task, number)
    words = "\n".join(message.content for message in protocol.messages)
    assert protocol.name.startswith(f"{task}: ")
    assert protocol.measure is not None
    assert protocol.measure.name == task
    assert protocol.measure.expected == (BATTERY[task].expected or None)
    if protocol.span == Span.FROM_MARKER:
        assert words.count(protocol.marker) == 1
    else:
        assert not protocol.marker
        assert protocol.span in {span.name for span in protocol.spans}
    assert all(words.count(span.text) == 1 for span in protocol.spans if span.text)
    assert (protocol.max_tokens > 0) == (task in SAMPLED)
    assert protocol.messages[0].role == "user"


@pytest.mark.parametrize("task", asked_tasks())
def test_an_item_depends_on_task_concept_and_number_alone(task: str) -> None:
    first = prompt(task, 3)
    random.seed(7)
    np.random.seed(7)
    for number in range(3):
        prompt(task, number)
    assert prompt(task, 3).protocol_hash == first.protocol_hash
    assert len({prompt(task, number).protocol_hash for number in range(8)}) >= 4


def test_the_words_of_an_item_stay() -> None:
    """They are part of the identity of stored trials."""
    hashes = {
        task: canonical_hash([prompt(task, number).protocol_hash for number in range(8)]) for task in asked_tasks()
    }
    assert canonical_hash(hashes) == STAYS


def test_right_options_go_through_all_places() -> None:
    for concept in CONCEPTS:
        for run in (range(4), range(4, 8)):
            places = [shown_options(BatteryItem("pick", concept, CONCEPTS, n)).index(concept) for n in run]
            assert sorted(places) == [0, 1, 2, 3]
        spans = Counter(prompt("locate", n, concept).span for n in range(SENTENCES))
        assert set(spans.values()) == {1}
        assert len(spans) == SENTENCES


@pytest.mark.parametrize(("task", "items", "place"), [("pick", 8, 0), ("locate", 10, 2), ("stronger", 8, 1)])
def test_a_subject_that_always_takes_one_place_is_right_as_often_as_by_chance(
    task: str, items: int, place: int
) -> None:
    right = []
    for concept in CONCEPTS:
        for number in range(items):
            protocol = prompt(task, number, concept)
            options = sorted(options_of(protocol).items(), key=lambda option: option[1])
            right.append(options[place][0] == (concept if task == "pick" else protocol.span))
    assert np.mean(right) == BATTERY[task].chance(len(options))


def test_what_is_picked_from_is_listed_with_its_letters() -> None:
    protocol = prompt("pick", 1)
    for word, (letter,) in options_of(protocol).items():
        assert f"({letter}) {word}" in last_words(protocol)
    assert set(options_of(protocol)) == set(CONCEPTS)


def test_a_long_list_is_cut_and_still_holds_the_concept() -> None:
    many = tuple(f"word{number}" for number in range(30))
    shown = [shown_options(BatteryItem("pick", "word3", many, number)) for number in range(8)]
    assert all(len(set(words)) == 8 and "word3" in words for words in shown)
    assert len({tuple(sorted(words)) for words in shown}) > 1


def test_the_stronger_sentence_stands_first_and_second_in_the_same_words() -> None:
    one, other = prompt("stronger", 2), prompt("stronger", 3)
    assert one.messages == other.messages
    assert one.name == other.name
    assert (one.span, one.also[0].span) == (other.also[0].span, other.span) == ("sentence_1", "sentence_2")
    assert one.also[0].share == other.also[0].share == 0.5
    assert one.protocol_hash != other.protocol_hash


def test_another_concept_is_asked_about_than_the_injected_one() -> None:
    for number in range(8):
        assert "ocean" not in last_words(prompt("about_other", number))
        assert "ocean" in last_words(prompt("about_same", number))
        assert any(word in last_words(prompt("about_other", number)) for word in CONCEPTS)


def test_questions_differ_in_nothing_but_their_own_words() -> None:
    """What stands before the question, and where the vector begins, is the same."""
    frames = set()
    for task in ("notice", "unrelated_no", "unrelated_yes", "about_same", "about_other", "pick", "rating", "timing"):
        protocol = prompt(task)
        frames.add((protocol.messages[:-1], protocol.marker, last_words(protocol).startswith(protocol.marker)))
    assert len(frames) == 1


def test_unrelated_questions_come_in_twos() -> None:
    assert len(wordings.UNRELATED_NO) == len(wordings.UNRELATED_YES) == len({*wordings.UNRELATED_YES})
    assert len(wordings.OTHER_QUESTIONS) == len(wordings.NOTICE_QUESTIONS)
    assert not {*wordings.UNRELATED_NO} & {*wordings.UNRELATED_YES}


def test_a_word_is_put_in_its_mouth_after_the_turn_that_is_steered() -> None:
    protocol = prompt("own_prefill")
    assert [message.role for message in protocol.messages] == ["user", "assistant", "user"]
    assert protocol.messages[1].content == "Ocean."
    assert protocol.span == EARLIER
    assert protocol.spans[0].turn == 0


@pytest.mark.parametrize("task", ["name", "transcribe"])
def test_some_answers_are_begun(task: str) -> None:
    protocol = prompt(task)
    assert protocol.messages[-1].role == "assistant"
    assert options_of(protocol)["ocean"] == ("ocean", "Ocean")


def test_sentences_that_hold_a_concept_are_not_used() -> None:
    concepts = ("cat", "train", "lamp")
    for number in range(12):
        said = last_words(prompt("locate", number, "cat", concepts)).lower()
        assert not any(word in said.split("\n\n")[1] for word in concepts)
    common = ("the", "a", "her", "my", "he", "she", "they", "two", "an")
    with pytest.raises(InputError, match="of its sentences hold none of the study's concepts"):
        prompt("locate", 0, "the", common)


@pytest.mark.parametrize("task", ["pick", "name", "about_other", "transcribe"])
def test_one_concept_is_too_few_to_choose_from(task: str) -> None:
    with pytest.raises(InputError, match=f"battery task '{task}': needs two concepts or more"):
        prompt(task, 0, "ocean", ("ocean",))


def test_an_unknown_task_names_those_there_are() -> None:
    with pytest.raises(UnknownNameError, match="battery task 'guess' is not known: choose from notice, "):
        prompt("guess")


def test_draws_are_even_and_depend_on_every_part() -> None:
    drawn = Counter(drawn_number(4, "task", number) for number in range(4000))
    assert min(drawn.values()) > 880
    assert drawn_order("abcdefgh", "x", 1) != drawn_order("abcdefgh", "x", 2)
    assert sorted(drawn_order("abcdefgh", "x", 1)) == list("abcdefgh")
    assert sorted(rotated_place(5, number, "t") for number in range(5, 10)) == [0, 1, 2, 3, 4]


STAYS = "53cdf91578cbf27932bd90706e90e41d"
