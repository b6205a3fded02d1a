"""Claims about the tasks of the battery: how an answer is read, and what guessing gives."""

from __future__ import annotations

import math

import pytest

from gnomon.data.arms.battery_measures import (
    BATTERY,
    CLAIM_FIRST,
    CLAIM_ONLY,
    NAMED_FIRST,
    NO_CLAIM,
    AnsweredTask,
    TaskObservation,
    asked_tasks,
    claim_timing,
    expected_option,
    observe_task,
    tasks_read,
)
from gnomon.data.errors import InputError
from gnomon.data.readings import OptionReading

WORDS = {"ocean": ("A",), "fear": ("B",), "silence": ("C",)}


def reading(**probabilities: float) -> OptionReading:
    return OptionReading({name: math.log(value) for name, value in probabilities.items()}, 1.0)


def seen(task: str, text: str = "", **more: object) -> TaskObservation:
    return observe_task(BATTERY[task], AnsweredTask(text, **{"reading": None, **more}))


def test_a_yes_no_question_is_read_from_its_log_odds() -> None:
    found = seen("notice", reading=reading(yes=0.3, no=0.1), expected="yes")
    assert found.picked == "yes"
    assert found.correct is True
    assert found.p_correct == pytest.approx(0.75)
    assert found.log_odds_yes == pytest.approx(math.log(3))


def test_the_right_answer_of_an_unrelated_question_is_no() -> None:
    found = seen("unrelated_no", reading=reading(yes=0.3, no=0.1), expected="no")
    assert found.correct is False
    assert found.p_correct == pytest.approx(0.25)
    assert found.log_odds_yes == pytest.approx(math.log(3))


def test_words_are_read_where_there_is_no_reading() -> None:
    assert seen("notice", "Yes, I do.", expected="yes").correct is True
    assert seen("notice", "No.", expected="yes").correct is False
    assert seen("notice", "Perhaps.", expected="yes").correct is None
    assert seen("notice", "Yes.", expected="yes").p_correct is None


@pytest.mark.parametrize(
    ("text", "picked"),
    [
        ("B", "fear"),
        ("(B) fear", "fear"),
        ("B.", "fear"),
        ("It is about fear", "fear"),
        ("A fear of heights", None),
        ("fear or silence", None),
        ("", None),
    ],
)
def test_a_choice_in_words_is_one_option_or_none(text: str, picked: str | None) -> None:
    assert seen("pick", text, options=WORDS, expected="fear").picked == picked


def test_the_likeliest_option_is_picked_whatever_the_words_say() -> None:
    found = seen("pick", "A", reading=reading(ocean=0.1, fear=0.2), options=WORDS, expected="ocean")
    assert (found.picked, found.correct) == ("fear", False)
    assert found.p_correct == pytest.approx(1 / 3)
    assert found.log_odds_yes is None


def test_a_rating_is_the_expected_digit() -> None:
    digits = OptionReading({"0": math.log(0.1), "4": math.log(0.1), "8": math.log(0.2)}, 1.0)
    assert seen("rating", reading=digits).score == pytest.approx(0.25 * 4 + 0.5 * 8)
    assert seen("rating", "7", options={str(n): (str(n),) for n in range(10)}).score == 7
    assert seen("rating", reading=digits).correct is None
    with pytest.raises(InputError, match="name each option by its number"):
        seen("rating", reading=reading(low=0.5, high=0.5))


def test_a_copy_counts_word_for_word_and_whatever_the_marks() -> None:
    line = "A grey cat slept on the chair."
    assert seen("transcribe_copy", "fear\nSentence: a grey cat slept, on the chair", sentence=line).correct is True
    assert seen("transcribe_copy", "A grey cat slept on a chair.", sentence=line).correct is False
    assert seen("transcribe_copy", "A grey cat", sentence="").correct is None


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("Yes, I notice a thought about the ocean.", CLAIM_FIRST),
        ("I detect something. Oceans, perhaps.", CLAIM_FIRST),
        ("The ocean is wide. Yes, I notice a thought about it.", NAMED_FIRST),
        ("I notice a thought.", CLAIM_ONLY),
        ("I do not notice a thought about the ocean.", NO_CLAIM),
        ("No. I notice nothing unusual.", NO_CLAIM),
        ("The ocean is wide and blue.", NO_CLAIM),
        ("I don't detect anything", NO_CLAIM),
        ("", NO_CLAIM),
    ],
)
def test_a_claim_comes_before_or_after_the_name(answer: str, told: str) -> None:
    assert claim_timing(answer, "ocean") == told
    assert seen("timing", answer, concept="ocean").correct is (told == CLAIM_FIRST)


def test_without_a_concept_nothing_is_named() -> None:
    assert claim_timing("I notice a thought about the ocean.", None) == CLAIM_ONLY


def test_the_trial_tells_the_right_option() -> None:
    assert expected_option("{concept}", "ocean", "all") == "ocean"
    assert expected_option("{concept}", None, "all") == ""
    assert expected_option("{span}", "ocean", "sentence_2") == "sentence_2"
    assert expected_option("no", "ocean", "all") == "no"


def test_guessing_has_a_chance_only_where_the_right_option_is_drawn_anew() -> None:
    assert BATTERY["pick"].chance(4) == 0.25
    assert BATTERY["stronger"].chance(2) == 0.5
    assert BATTERY["notice"].chance(2) is None
    assert BATTERY["pick"].chance(1) is None
    guessed = {name for name, task in BATTERY.items() if task.is_guessable}
    assert guessed == {"pick", "name", "locate", "stronger", "transcribe"}


def test_one_trial_may_have_two_scores() -> None:
    assert [task.name for task in tasks_read("transcribe")] == ["transcribe", "transcribe_copy"]
    assert [task.name for task in tasks_read("notice")] == ["notice"]
    assert tasks_read("of somebody else") == []
    assert "transcribe_copy" not in asked_tasks()
