"""A two-way forced choice, registered from outside, is asked, generated, read and counted against chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest

from gnomon.api.study import Study, open_study
from gnomon.calibration.measure_counts import all_measure_counts, measure_counts
from gnomon.calibration.observations.frames import trial_frame
from gnomon.chain.measure_summary import summarize_measure
from gnomon.commands.study.generate import print_measure
from gnomon.data.arms import ARMS, ArmSpec, register_arm
from gnomon.data.arms.measures import (
    MEASURES,
    Measure,
    MeasuredAnswer,
    MeasureQuestion,
    chosen_option,
    register_measure,
)
from gnomon.data.errors import InputError, UnknownNameError
from gnomon.data.records import Trial
from gnomon.data.storage import tables
from gnomon.data.storage.pending_verdicts import pending_trials
from gnomon.data.storage.store import Store
from gnomon.stats.narrative.battery.battery_sentences import measure_sentence
from gnomon.stats.narrative.study_overview import summarize_study

NAME = "forced_choice"
STUDY = """
name = "two of them"

[[subjects]]
name = "smol"
model = "embedded"

[design]
concepts = ["ocean", "fear", "silence"]
layers = [24]
strengths = [1.0]
arms = ["forced_choice"]
spans = ["generation"]
protocols = ["plain"]
replicates = { forced_choice = 4 }
"""


def ask_which(concept: str | None, concepts: Sequence[str]) -> list[MeasureQuestion]:
    """The injected concept against each other one, in both orders, so that a preference for a letter cancels."""
    pairs = [
        pair for other in concepts if concept and other != concept for pair in ((concept, other), (other, concept))
    ]
    return [
        MeasureQuestion(f"Which word is on your mind: (A) {one} or (B) {two}?", "Answer A or B.", (one, two))
        for one, two in pairs
    ]


def read_choice(answer: MeasuredAnswer) -> bool | None:
    chosen = chosen_option(answer)
    return None if chosen is None else chosen == answer.concept


@pytest.fixture(scope="module", autouse=True)
def choice() -> Iterator[Measure]:
    """The measure and the arm that asks it, as a plug-in would bring them."""
    measure = Measure(
        NAME,
        "asked which of two words, it chose the injected one",
        "choice",
        ask_which,
        read_choice,
        "right",
        0.5,
    )
    yield register_measure(measure)
    MEASURES.unregister(NAME)


@pytest.fixture(scope="module", autouse=True)
def arm(choice: Measure) -> Iterator[ArmSpec]:
    yield register_arm(ArmSpec(NAME, "forced choice", "the vector of '{concept}' was added.", measure=choice.name))
    ARMS.unregister(NAME)


@pytest.fixture(scope="module")
def study(arm: ArmSpec, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    folder = tmp_path_factory.mktemp("choice")
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    with open_study(folder) as made:
        made.generate(concepts=["ocean", "fear"])
        yield made


def test_each_trial_is_asked_about_its_own_concept_against_one_of_the_list(study: Study) -> None:
    trials = study.store.load_trials()
    contents = study.store.read_frame(tables.protocols).set_index("hash")["content"]
    assert len(trials) == 2 * 4
    assert {trial.error for trial in trials} == {None}
    for concept in ("ocean", "fear"):
        asked = [contents[trial.condition.protocol] for trial in trials if trial.condition.concept == concept]
        options = [tuple(content["question"]["options"]) for content in asked]
        assert len(set(options)) == 4, "both orders against both other concepts, the one that was left out included"
        assert all(concept in pair for pair in options)
        assert all(content["messages"][-1]["content"].endswith("Answer A or B.") for content in asked)


def test_what_was_generated_is_counted_against_chance(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    steered, plain = measure_counts(study.store, NAME, "smol")
    assert (steered.n, plain.n) == (8, 0)
    assert 0 <= steered.event + steered.unclear <= 8
    summary = summarize_measure(study.store, NAME, "smol")
    document = summary.json_content()
    print_measure("smol", summary)
    assert document["steered"]["chance"] == 0.5
    assert document["steered"]["right"] == steered.event
    assert "it chose the injected one in" in capsys.readouterr().err


def test_no_judge_rater_or_fit_sees_its_trials(study: Study) -> None:
    assert list(pending_trials(study.store, "any")) == []
    assert trial_frame(study.store).empty


@pytest.fixture
def answered(store: Store, make_trial: Callable[..., Trial]) -> Store:
    """Ten trials of which eight choose the injected concept, one another, and one nothing."""
    question = {"text": "Which: (A) ocean or (B) fear?", "instruction": "Answer A or B.", "options": ["ocean", "fear"]}
    store.add_protocol("asked", "plain: Which", {"messages": [], "question": question})
    answers = ["A", "(A)", "A.", "Ocean!", "ocean", "It is the ocean.", "A) ocean", "the ocean"]
    for place, answer in enumerate([*answers, "B", "Both, or neither."]):
        make_trial(NAME, replicate=place, answer=answer, protocol="asked")
    return store


def test_answers_are_read_by_letter_or_word_and_counted_exactly(answered: Store) -> None:
    (count,) = all_measure_counts(answered, ["toy"])
    assert (count.event, count.unclear, count.n, count.chance) == (8, 1, 10, 0.5)
    assert count.rate is not None
    assert count.rate.value == 0.8
    assert count.p_above_chance == pytest.approx(56 / 1024)  # (45 + 10 + 1) / 2^10: 8 or more of 10


def test_probabilities_of_the_options_are_read_before_words() -> None:
    question = MeasureQuestion("Which?", "", ("ocean", "fear"))
    kept = MeasuredAnswer("B", question, "ocean", {"ocean": 0.7, "fear": 0.3})
    assert read_choice(kept) is True


@pytest.mark.parametrize("answer", ["A dog.", "I do not know.", "C", "", "ocean or fear"])
def test_what_chooses_nothing_is_unclear(answer: str) -> None:
    assert read_choice(MeasuredAnswer(answer, MeasureQuestion("Which?", "", ("ocean", "fear")), "ocean")) is None


def test_a_measure_that_has_no_question_for_a_condition_says_so_in_one_line(choice: Measure) -> None:
    with pytest.raises(InputError, match="'forced_choice' has no question about ocean with the concepts ocean:"):
        choice.questions("ocean", ["ocean"])


def test_a_measure_that_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="give both 'ask' and 'read', or neither"):
        Measure("half", "asked", "choice", ask_which)
    with pytest.raises(InputError, match="no probability"):
        Measure("sure", "asked", "choice", ask_which, read_choice, chance=1.0)


def test_an_arm_with_an_unknown_measure_is_named(arm: ArmSpec) -> None:
    lost = ArmSpec("lost", "lost", "nothing was done.", measure="telepathy")
    with pytest.raises(UnknownNameError, match="measure 'telepathy' is not known: choose from report, yes_no"):
        _ = lost.is_judged


def test_the_overview_says_what_was_counted(answered: Store) -> None:
    overview = summarize_study(answered)
    (sentence,) = [measure_sentence(count) for count in overview.measured]
    assert sentence == (
        "toy, forced_choice arm: asked which of two words, it chose the injected one in 8 of 10 responses with a "
        "vector (80 %, 95 % interval 49 % to 94 %); guessing gives 50 % (p = 0.055); 1 could not be read."
    )
    assert overview.labelled_for_measuring == {}, "no rater can label it"
