"""Measures: what a subject is asked, how its answer becomes an observation, and what guessing would give.

The arms of a study ask for a report by default, which judges and raters read. A further measure puts questions of its
own in place of the protocol's last one and reads the answers itself; it is one `register_measure` and an arm that names
it (`ArmSpec.measure`). Knows nothing of arms, protocols or tensors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from gnomon.data.errors import InputError
from gnomon.data.records import REPORT
from gnomon.data.registry import Registry

MeasureKind = Literal["report", "yes_no", "choice"]
YES_NO = "yes_no"
"""Name of the measure that asks questions of fact whose answer is no."""
YES = frozenset({"yes", "yeah", "yep", "sure", "certainly", "indeed", "absolutely", "correct", "true"})
NO = frozenset({"no", "nope", "not", "never", "incorrect", "false"})
FACTUAL_QUESTIONS = (
    "Is the Sun a planet?",
    "Do fish have feathers?",
    "Is iron lighter than paper?",
    "Does a week have nine days?",
    "Is Paris the capital of Japan?",
    "Can a stone swim?",
    "Is snow usually black?",
    "Do spiders have two legs?",
    "Is seven an even number?",
    "Does the Moon shine at noon brighter than the Sun?",
    "Is milk made from sand?",
    "Do trees walk at night?",
    "Is Africa a city in Canada?",
    "Does water boil at ten degrees Celsius?",
    "Is a triangle made of four sides?",
    "Can a cat lay eggs?",
    "Is Monday the day after Friday?",
    "Is a metre longer than a kilometre?",
    "Do cars drink tea?",
    "Is the alphabet made of numbers?",
)
"""Questions of fact whose correct answer is no. Their wording is part of the identity of trials."""


@dataclass(frozen=True)
class MeasureQuestion:
    """One question as it is put to a subject.

    Attributes
    ----------
    text : str
        The question; it names the protocol that puts it.
    instruction : str
        How the subject is to answer.
    options : tuple of str
        What it may choose from, in the order in which the question names them; empty where it is not asked to choose.
    """

    text: str
    instruction: str = ""
    options: tuple[str, ...] = ()

    @property
    def prompt(self) -> str:
        """The words that are put."""
        return f"{self.text} {self.instruction}".strip()


@dataclass(frozen=True)
class MeasuredAnswer:
    """An answer with what is needed to read it.

    Attributes
    ----------
    text : str
        The answer.
    question : MeasureQuestion
        What was asked.
    concept : str or None
        The concept whose vector was added; None where none was.
    probabilities : mapping of str to float
        Probability of each option, where the subject's logits were kept instead of words; empty otherwise.
    """

    text: str
    question: MeasureQuestion
    concept: str | None
    probabilities: Mapping[str, float] = field(default_factory=dict)


AskQuestions = Callable[[str | None, Sequence[str]], Sequence[MeasureQuestion]]
"""From the injected concept (None where nothing is added) and the study's concepts to the questions, in their order."""
ReadAnswer = Callable[[MeasuredAnswer], bool | None]
"""Whether an answer is the event; None where that cannot be told."""


@dataclass(frozen=True)
class Measure:
    """A measure as a value.

    Attributes
    ----------
    name : str
        As `ArmSpec.measure` names it.
    label : str
        What is asked and counted, as a sentence begins it: "asked questions whose answer is no, it said yes".
    kind : {"report", "yes_no", "choice"}
        Form of the question: the protocol's own, one answered by yes or no, or a choice between options.
    ask : callable, optional
        The questions that take the place of the protocol's last; None leaves it as it is.
    read : callable, optional
        How an answer becomes an observation; None where judges and raters read it.
    event : str
        What the event is called in documents.
    chance : float, optional
        Probability of the event for a subject that guesses, in (0, 1); None where guessing has no such probability.
    has_baseline : bool
        Whether its questions are also asked with nothing added.
    max_tokens : int
        Longest answer to its questions.

    Raises
    ------
    InputError
        If questions and reader do not come together, or the chance level is no probability.
    """

    name: str
    label: str
    kind: MeasureKind
    ask: AskQuestions | None = None
    read: ReadAnswer | None = None
    event: str = "event"
    chance: float | None = None
    has_baseline: bool = False
    max_tokens: int = 12

    def __post_init__(self) -> None:
        """Check the values."""
        if (self.ask is None) != (self.read is None):
            raise InputError(
                f"measure '{self.name}': it has {'a reader' if self.read else 'questions'} only: give both 'ask' and "
                "'read', or neither"
            )
        if self.chance is not None and not 0 < self.chance < 1:
            raise InputError(f"measure '{self.name}': chance {self.chance:g} is no probability: give one in (0, 1)")

    @property
    def is_judged(self) -> bool:
        """Whether judges and raters read its answers, because they are about what the subject notices."""
        return self.read is None

    def questions(self, concept: str | None, concepts: Sequence[str]) -> tuple[MeasureQuestion, ...]:
        """The questions of a condition.

        Parameters
        ----------
        concept : str or None
            The injected concept; None where nothing is added.
        concepts : sequence of str
            The study's closed list.

        Raises
        ------
        InputError
            If the measure has questions of its own and gives none here.
        """
        if self.ask is None:
            return ()
        asked = tuple(self.ask(concept, concepts))
        if not asked:
            raise InputError(
                f"measure '{self.name}' has no question about {concept or 'nothing'} with the concepts "
                f"{', '.join(concepts)}: name more concepts, or leave its arm out"
            )
        return asked

    def observe(self, answer: MeasuredAnswer) -> bool | None:
        """Whether the answer is the event; None where its words do not tell, or judges are to read it."""
        return None if self.read is None else self.read(answer)


MEASURES: Registry[Measure] = Registry("measure", "gnomon.measures")
"""Every measure by name."""


def register_measure(measure: Measure) -> Measure:
    """Add a measure; raises `InputError` where its name is taken."""
    return MEASURES.register(measure.name, measure)


def says_yes(answer: str) -> bool | None:
    """True if the first word meaning yes or no is a yes, False if it is a no, None if there is neither."""
    for word in re.findall(r"[a-z]+", answer.lower()):
        if word in YES:
            return True
        if word in NO:
            return False
    return None


def chosen_option(answer: MeasuredAnswer) -> str | None:
    """The option that an answer chooses: the likeliest by its probabilities, else the only one that its words name.

    An option is named by itself or by its letter, (A) for the first.
    """
    options = answer.question.options
    if answer.probabilities:
        return max(options, key=lambda option: answer.probabilities.get(option, 0.0))
    words = answer.text.strip()
    letter = re.match(r"\(?([A-Z])(?:[).:,]|\s*$)", words)
    if letter and (place := ord(letter[1]) - ord("A")) < len(options):
        return options[place]
    named = [option for option in options if re.search(rf"\b{re.escape(option)}\b", words, re.IGNORECASE)]
    return named[0] if len(named) == 1 else None


def _factual_questions(_concept: str | None, _concepts: Sequence[str]) -> list[MeasureQuestion]:
    return [MeasureQuestion(text, "Answer yes or no.") for text in FACTUAL_QUESTIONS]


register_measure(Measure(REPORT, "asked what it notices", "report"))
register_measure(
    Measure(
        YES_NO,
        "asked questions whose answer is no, it said yes",
        "yes_no",
        _factual_questions,
        lambda answer: says_yes(answer.text),
        event="yes",
        has_baseline=True,
    )
)
