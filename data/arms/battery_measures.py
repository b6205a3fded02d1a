"""Tasks of the battery: what each asks, which answer is right, how it is read, and what guessing gives.

An answer is read from the logits (`gnomon.data.readings`) where they were kept, else from its words. The right answer
is the one that would be right if the subject noticed what was added, in every arm: what an arm without a vector gives
is the base rate. Knows nothing of prompts, vectors or databases.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from gnomon.data.arms.measures import says_yes
from gnomon.data.errors import InputError
from gnomon.data.readings import OptionReading
from gnomon.data.registry import Registry

TaskKind = Literal["yes_no", "choice", "rating", "copy", "timing"]
YES, NO = "yes", "no"
"""Names of the options of a yes-or-no question."""
CONCEPT, SPAN = "{concept}", "{span}"
"""Right options that the trial tells: its concept, or the span at which the vector was added."""
COPIED = "{sentence}"
"""The right answer is the sentence that was read."""
SENTENCE = "sentence"
"""Span of the sentence that is to be copied."""
ITEMS = 8
"""Items of each task and concept by default: prompts that differ."""
CLAIM_FIRST, NAMED_FIRST, CLAIM_ONLY, NO_CLAIM = "claimed, then named", "named first", "claimed only", "no claim"
"""What an answer in words does, in the task `timing`."""


@dataclass(frozen=True)
class BatteryTask:
    """A task of the battery as a value.

    Attributes
    ----------
    name : str
        As trials have it in `measure`.
    title : str
        What tables and charts call it: "pick the word".
    label : str
        What is asked, as a sentence begins it: "asked whether it notices an injected thought".
    event : str
        What is counted, whatever is right: "yes", "names the concept".
    kind : {"yes_no", "choice", "rating", "copy", "timing"}
        Form of the answer: yes or no; one of several options; a digit; a sentence that is copied; free words of which
        the order counts.
    expected : str
        Name of the right option; `{concept}` or `{span}` where the trial tells; "" where no answer is right.
    is_guessable : bool
        Whether guessing among k options is right in 1 / k of the trials whatever the subject prefers, because the right
        option is drawn anew from trial to trial.
    is_about_concept : bool
        Whether the prompt or the right answer depends on the concept, so that a trial without a vector has one too.
    is_paired : bool
        Whether each prompt comes in two orders, so that a preference for a place cancels in the mean of both.
    asked_in : str
        The task of whose trials this is a second score; "" for its own.
    """

    name: str
    title: str
    label: str
    event: str
    kind: TaskKind
    expected: str = ""
    is_guessable: bool = False
    is_about_concept: bool = True
    is_paired: bool = False
    asked_in: str = ""

    def chance(self, options: int) -> float | None:
        """Probability of the right answer for a subject that guesses among a number of options; None if unknown."""
        return 1 / options if self.is_guessable and options > 1 else None


BATTERY: Registry[BatteryTask] = Registry("battery task")
"""Every task by name, in the order of the table."""


def register_task(task: BatteryTask) -> BatteryTask:
    """Add a task; raises `InputError` where its name is taken."""
    return BATTERY.register(task.name, task)


def task_title(name: str) -> str:
    """What tables and charts call a task; a question of the reader's own is called by its name."""
    return BATTERY[name].title if name in BATTERY else name


def task_event(name: str) -> str:
    """What is counted in a task."""
    return BATTERY[name].event if name in BATTERY else "right answer"


def battery_order(name: str) -> int:
    """Place of a task in tables and charts: tasks of the battery in its order, others after them."""
    return list(BATTERY).index(name) if name in BATTERY else len(BATTERY)


def asked_tasks() -> list[str]:
    """Names of the tasks that have trials of their own."""
    return [name for name, task in BATTERY.items() if not task.asked_in]


def has_options(task: BatteryTask) -> bool:
    """Whether a task is read from options that can be counted and guessed, not from free words."""
    return task.kind not in ("copy", "timing")


def tasks_read(measure: str) -> list[BatteryTask]:
    """The tasks that are read from trials of a measure: its own, and further scores of the same trials."""
    return [task for task in BATTERY.values() if measure in (task.name, task.asked_in)]


def expected_option(expected: str, concept: str | None, span: str) -> str:
    """The name of the right option in a trial; "" where there is none.

    Parameters
    ----------
    expected : str
        As the task, or the protocol, gives it.
    concept : str or None
        The trial's concept.
    span : str
        The trial's span.
    """
    return {CONCEPT: concept or "", SPAN: span}.get(expected, expected)


@dataclass(frozen=True)
class AnsweredTask:
    """An answer with what is needed to read it.

    Attributes
    ----------
    text : str
        The answer in words; "" where nothing was sampled.
    reading : OptionReading or None
        What was read from the logits where the answer begins.
    options : mapping of str to sequence of str
        Texts that stand for each option, by its name.
    expected : str
        Name of the right option, resolved; "" where there is none.
    concept : str or None
        The trial's concept.
    sentence : str
        The sentence that was to be copied; "" where there is none.
    """

    text: str
    reading: OptionReading | None
    options: Mapping[str, Sequence[str]] = field(default_factory=dict)
    expected: str = ""
    concept: str | None = None
    sentence: str = ""


@dataclass(frozen=True, slots=True)
class TaskObservation:
    """What an answer shows; None where that cannot be told.

    Attributes
    ----------
    picked : str or None
        The option that is chosen: the likeliest, or the one that the words name; of `timing` what the answer does.
    correct : bool or None
        Whether it is the right one.
    p_correct : float or None
        Probability of the right option given that one of the options is chosen.
    log_odds_yes : float or None
        log P(yes) - log P(no).
    score : float or None
        Of a rating: the expected value of the digit, or the digit that the words name.
    """

    picked: str | None = None
    correct: bool | None = None
    p_correct: float | None = None
    log_odds_yes: float | None = None
    score: float | None = None


def observe_task(task: BatteryTask, answer: AnsweredTask) -> TaskObservation:
    """Read an answer to a task.

    Parameters
    ----------
    task : BatteryTask
    answer : AnsweredTask
    """
    if task.kind == "timing":
        return _observe_timing(answer)
    if task.kind == "copy":
        copied = bool(answer.sentence) and _plain_words(answer.sentence) in _plain_words(answer.text)
        return TaskObservation(correct=copied if answer.sentence else None)
    picked = _picked_option(task.kind, answer)
    score = _rated_value(answer, picked) if task.kind == "rating" else None
    known = bool(answer.expected) and picked is not None
    return TaskObservation(
        picked=picked,
        correct=picked == answer.expected if known else None,
        p_correct=_expected_share(answer),
        log_odds_yes=_yes_odds(answer),
        score=score,
    )


def claim_timing(answer: str, concept: str | None) -> str:
    """Whether an answer claims a thought, and whether before or after it names the concept.

    Parameters
    ----------
    answer : str
        The answer in words.
    concept : str or None
        The injected concept.

    Returns
    -------
    str
        `CLAIM_FIRST`, `NAMED_FIRST`, `CLAIM_ONLY` or `NO_CLAIM`.
    """
    claim = _claim_place(answer)
    if claim is None:
        return NO_CLAIM
    named = re.search(rf"\b{re.escape(concept)}", answer, re.IGNORECASE) if concept else None
    if named is None:
        return CLAIM_ONLY
    return CLAIM_FIRST if claim < named.start() else NAMED_FIRST


_SENTENCES = re.compile(r"[^.!?\n]+")
_DENIAL = re.compile(r"\b(?:no|not|nothing|none|never|neither|cannot|without)\b|n['’]t\b", re.IGNORECASE)
_CLAIM = re.compile(
    r"^\W*(?:yes|yep|yeah|indeed)\b"
    r"|\bi (?:can |do |also |clearly |really )*(?:notice|detect|sense|feel|perceive|observe|find)\b"
    r"|\bi(?:'m| am) aware of\b|\bi have (?:a|an) \w* ?thought\b|\bthere (?:is|seems to be) (?:a|an)\b",
    re.IGNORECASE,
)


def _claim_place(answer: str) -> int | None:
    """Where the first claim begins: a sentence that affirms or reports, without a word of denial."""
    for sentence in _SENTENCES.finditer(answer):
        claim = _CLAIM.search(sentence[0])
        if claim and not _DENIAL.search(sentence[0]):
            return sentence.start() + claim.start()
    return None


def _observe_timing(answer: AnsweredTask) -> TaskObservation:
    told = claim_timing(answer.text, answer.concept)
    return TaskObservation(picked=told, correct=told == CLAIM_FIRST)


def _picked_option(kind: TaskKind, answer: AnsweredTask) -> str | None:
    if answer.reading is not None:
        chances = answer.reading.log_probabilities
        return max(chances, key=lambda name: chances[name])
    if kind == "yes_no":
        said = says_yes(answer.text)
        return None if said is None else YES if said else NO
    return _option_in_words(answer.text, answer.options)


def _option_in_words(text: str, options: Mapping[str, Sequence[str]]) -> str | None:
    """The only option that words name, by its name or by a text that stands for it; a letter counts at the start."""
    words = text.strip()
    named = {
        name
        for name, texts in options.items()
        for one in {name, *(each.strip() for each in texts)} - {""}
        if re.search(rf"^\W*{re.escape(one)}\b" if len(one) == 1 else rf"\b{re.escape(one)}\b", words, _case(one))
    }
    return named.pop() if len(named) == 1 else None


def _case(text: str) -> re.RegexFlag:
    return re.NOFLAG if len(text) == 1 else re.IGNORECASE


def _rated_value(answer: AnsweredTask, picked: str | None) -> float | None:
    if answer.reading is None:
        return float(picked) if picked is not None and picked.isdigit() else None
    shares = answer.reading.shares
    if not all(name.isdigit() for name in shares):
        raise InputError(f"rating: options {', '.join(shares)}: name each option by its number")
    return sum(float(name) * share for name, share in shares.items())


def _expected_share(answer: AnsweredTask) -> float | None:
    return None if answer.reading is None else answer.reading.shares.get(answer.expected)


def _yes_odds(answer: AnsweredTask) -> float | None:
    reading = answer.reading
    has_both = reading is not None and {YES, NO} <= reading.log_probabilities.keys()
    return reading.log_odds(YES, NO) if reading is not None and has_both else None


def _plain_words(text: str) -> str:
    """Words in lower case between single spaces, so that one text may be looked for in another."""
    words = re.findall(r"[^\W_]+", text.lower())
    return f" {' '.join(words)} "


register_task(
    BatteryTask(
        "notice",
        "notice a thought",
        "asked whether it notices an injected thought",
        YES,
        "yes_no",
        YES,
        is_about_concept=False,
    )
)
register_task(
    BatteryTask(
        "unrelated_no",
        "unrelated question, answer no",
        "asked an unrelated question whose answer is no",
        YES,
        "yes_no",
        NO,
        is_about_concept=False,
    )
)
register_task(
    BatteryTask(
        "unrelated_yes",
        "unrelated question, answer yes",
        "asked an unrelated question whose answer is yes",
        YES,
        "yes_no",
        YES,
        is_about_concept=False,
    )
)
register_task(
    BatteryTask(
        "about_same",
        "thought about the concept",
        "asked whether a thought is about the injected concept",
        YES,
        "yes_no",
        YES,
    )
)
register_task(
    BatteryTask(
        "about_other",
        "thought about another concept",
        "asked whether a thought is about another concept",
        YES,
        "yes_no",
        NO,
    )
)
register_task(
    BatteryTask(
        "third_person",
        "thought of another model",
        "asked the same of another model",
        YES,
        "yes_no",
        NO,
        is_about_concept=False,
    )
)
register_task(
    BatteryTask(
        "pick",
        "pick the word",
        "asked which of several words it is",
        "picks the concept",
        "choice",
        CONCEPT,
        is_guessable=True,
    )
)
register_task(
    BatteryTask(
        "name",
        "name the word",
        "made to name a word, its answer begun",
        "names the concept",
        "choice",
        CONCEPT,
        is_guessable=True,
    )
)
register_task(
    BatteryTask(
        "locate",
        "locate the sentence",
        "asked in which sentence it was",
        "finds the sentence",
        "choice",
        SPAN,
        is_guessable=True,
    )
)
register_task(
    BatteryTask(
        "stronger",
        "stronger of two sentences",
        "asked in which of two sentences it was stronger",
        "finds the sentence",
        "choice",
        SPAN,
        is_guessable=True,
        is_paired=True,
    )
)
register_task(
    BatteryTask(
        "rating",
        "rate the strength",
        "asked how strong it is, from 0 to 9",
        "rates it higher than control",
        "rating",
        is_about_concept=False,
    )
)
register_task(
    BatteryTask(
        "transcribe",
        "transcribe: the thought",
        "asked for the thought and for the sentence",
        "names the concept",
        "choice",
        CONCEPT,
        is_guessable=True,
    )
)
register_task(
    BatteryTask(
        "transcribe_copy",
        "transcribe: the sentence",
        "asked for the thought and for the sentence",
        "copies the sentence",
        "copy",
        COPIED,
        asked_in="transcribe",
    )
)
register_task(
    BatteryTask(
        "own_prefill", "prefilled word meant", "asked whether a word put in its mouth was meant", YES, "yes_no", YES
    )
)
register_task(
    BatteryTask(
        "timing",
        "claim before the name",
        "asked openly, answer sampled",
        "claims, and names the concept after it",
        "timing",
        CONCEPT,
    )
)
