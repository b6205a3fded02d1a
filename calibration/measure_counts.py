"""Observations of measures that judges do not read: how often their event occurs, against guessing and a baseline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import select

from gnomon.calibration.numerics.proportions import wilson_interval
from gnomon.data.arms import ARMS, measured_arms
from gnomon.data.arms.measures import MEASURES, Measure, MeasuredAnswer, MeasureQuestion
from gnomon.data.records import IntervalEstimate
from gnomon.data.storage import tables
from gnomon.data.storage.design_scope import design_conditions
from gnomon.data.storage.store import Store

Steering = Literal["steered", "plain"]


@dataclass(frozen=True, slots=True)
class MeasureCount:
    """Observations of one measure on one subject, with a vector (`steered`) or without (`plain`).

    Attributes
    ----------
    arm, measure, subject : str
    steering : {"steered", "plain"}
    event : int
        Answers that are the event.
    unclear : int
        Answers whose words do not tell; they count as no event.
    n : int
        All answers.
    rate : IntervalEstimate, optional
        Share of the event of all answers (Wilson); None without answers.
    chance : float, optional
        Probability of the event for a subject that guesses.
    p_above_chance : float, optional
        Probability of so many events or more for a subject that guesses (exact binomial); None without a chance level.
    """

    arm: str
    measure: str
    subject: str
    steering: Steering
    event: int
    unclear: int
    n: int
    rate: IntervalEstimate | None
    chance: float | None = None
    p_above_chance: float | None = None


def measure_counts(store: Store, arm: str, subject: str) -> tuple[MeasureCount, MeasureCount]:
    """Counts of an arm's measure: with a vector, and without.

    Trials are pooled over concepts, layers, strengths and protocols, and nothing is corrected.

    Parameters
    ----------
    store : Store
    arm : str
        An arm with a measure of its own, such as `mismatched`.
    subject : str

    Raises
    ------
    UnknownNameError
        If the arm, or its measure, is not registered.
    """
    trial, protocol = tables.trials.c, tables.protocols.c
    query = select(trial.answer, trial.concept, trial.strength, protocol.content)
    query = query.join(tables.protocols, protocol.hash == trial.protocol)
    query = query.where(trial.subject == subject, trial.arm == arm, trial.error.is_(None), *design_conditions(store))
    measure = MEASURES.find(ARMS.find(arm).measure)
    with store.read_transaction() as connection:
        rows = connection.execute(query).all()
    observed: dict[bool, list[bool | None]] = {True: [], False: []}
    for row in rows:
        answer = MeasuredAnswer(row.answer, stored_question(row.content), row.concept)
        observed[row.strength != 0].append(measure.observe(answer))
    return (
        _measure_count(measure, arm, subject, "steered", observed[True]),
        _measure_count(measure, arm, subject, "plain", observed[False]),
    )


def all_measure_counts(store: Store, subjects: Iterable[str]) -> list[MeasureCount]:
    """Counts of every arm with a measure of its own, where it has answers.

    Parameters
    ----------
    store : Store
    subjects : iterable of str
    """
    pairs = ((arm, subject) for subject in subjects for arm in measured_arms())
    return [count for arm, subject in pairs for count in measure_counts(store, arm, subject) if count.n]


def stored_question(content: Mapping[str, object]) -> MeasureQuestion:
    """The question that a stored protocol puts: as it was kept, else the words of its last message."""
    kept = content.get("question")
    if isinstance(kept, Mapping):
        options = kept.get("options")
        chosen = tuple(str(option) for option in options) if isinstance(options, list) else ()
        return MeasureQuestion(str(kept.get("text", "")), str(kept.get("instruction", "")), chosen)
    messages = content.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else {}
    return MeasureQuestion(str(last.get("content", "")) if isinstance(last, Mapping) else "")


def _measure_count(
    measure: Measure, arm: str, subject: str, steering: Steering, observed: list[bool | None]
) -> MeasureCount:
    from scipy.stats import binomtest

    n, event = len(observed), sum(one is True for one in observed)
    chance = measure.chance
    return MeasureCount(
        arm,
        measure.name,
        subject,
        steering,
        event,
        sum(one is None for one in observed),
        n,
        wilson_interval(event, n) if n else None,
        chance,
        None if chance is None or not n else float(binomtest(event, n, chance, alternative="greater").pvalue),
    )
