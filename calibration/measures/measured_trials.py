"""Frame of trials that measures read, from logits or from words: one row for each score of a trial.

Knows nothing of estimates: `gnomon.stats.measures` takes this frame, and `measure_rates` counts it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sqlalchemy import Row, Select, select

from gnomon.data.arms.battery_measures import (
    NO,
    SENTENCE,
    YES,
    AnsweredTask,
    BatteryTask,
    TaskKind,
    TaskObservation,
    expected_option,
    has_options,
    observe_task,
    tasks_read,
)
from gnomon.data.readings import ANSWER, OptionReading, Readings, parse_readings
from gnomon.data.records import REPORT
from gnomon.data.storage.design_scope import task_conditions
from gnomon.data.storage.store import Store
from gnomon.data.storage.tables import protocols as protocol_table
from gnomon.data.storage.tables import subjects as subject_table
from gnomon.data.storage.tables import trials as trial_table

TEXTS = ("trial", "subject", "task", "arm", "concept", "span", "protocol", "item", "pair", "expected", "picked")
NUMBERS = (
    "parameters",
    "layer",
    "depth",
    "strength",
    "k",
    "chance",
    "correct",
    "p_correct",
    "log_odds_yes",
    "mass",
    "entropy",
    "score",
)
"""Columns of the frame; a number that does not apply is NaN, a text None."""


@dataclass(frozen=True, slots=True)
class _MeasuredProtocol:
    """What a stored protocol says of its measure: the item, texts of its options, the right one, and the sentence."""

    item: str
    options: Mapping[str, tuple[str, ...]]
    expected: str
    sentence: str


def measured_trials(store: Store) -> pd.DataFrame:
    """Trials of every measure that judges do not read, in the order of their ids.

    Of those that the study generated, the trials of its design as it stands (`design_scope.task_conditions`).

    Columns, a row for each score of a trial:

    - `trial`, `subject`, `parameters`, `arm`, `concept` (that the prompt is about, also where nothing is added),
      `layer`, `depth`, `strength`, `span`, `protocol` as stored; `task` is the task of the battery, or the measure.
    - `item`: the question, order of options or set of sentences; the same text in all arms. `pair`: the two trials of
      which one has the stronger sentence first and the other second have the same text; else None.
    - `k`: number of options. `chance`: probability of the right answer for a guess, NaN if it is not known.
    - `expected`: the right option if the subject noticed what was added, also in arms without a vector.
    - `picked`: the likeliest option, or the one that the words name. `correct`: 1.0 if it is the expected one, else
      0.0; NaN where the words do not tell. `p_correct`: its share of the probability of all options.
    - `log_odds_yes`: log P(yes) - log P(no). `mass`: probability of all options together. `entropy`: of the next token,
      in nats. `score`: of a rating, the expected digit.

    Parameters
    ----------
    store : Store
        The study's store.

    Returns
    -------
    DataFrame
        With the columns `TEXTS` and `NUMBERS`.
    """
    query = _trial_query().where(*task_conditions(store))
    with store.read_transaction() as connection:
        rows = connection.execute(query).all()
        kept = connection.execute(select(protocol_table.c.hash, protocol_table.c.content)).all()
    contents = {row.hash: row.content for row in kept}
    protocols = {hash_: _read_protocol(contents.get(hash_)) for hash_ in {row.protocol for row in rows}}
    records = [record for row in rows for record in _score_rows(row, protocols[row.protocol])]
    frame = pd.DataFrame.from_records(records, columns=[*TEXTS, *NUMBERS])
    return frame.astype(dict.fromkeys(NUMBERS, float))


def _trial_query() -> Select[Any]:
    column = trial_table.c
    query = select(
        column.id,
        column.subject,
        subject_table.c.parameters,
        column.measure,
        column.arm,
        column.concept,
        column.layer,
        column.depth,
        column.strength,
        column.span,
        column.protocol,
        column.answer,
        column.readings,
    ).join(subject_table, subject_table.c.name == column.subject)
    # Their ids are found in the index of conditions: where there are none, no answer of a large study is read.
    others = select(column.id).where(column.measure != REPORT)
    return query.where(column.id.in_(others), column.error.is_(None)).order_by(column.id)


def _read_protocol(content: object) -> _MeasuredProtocol:
    """Of a protocol that says nothing of a measure, as some imports store it, only the name is known."""
    held = _table(content)
    measure = _table(held.get("measure"))
    sentence = _table(_table(held.get("spans")).get(SENTENCE))
    name = str(held.get("name", ""))
    return _MeasuredProtocol(
        item=name.partition(": ")[2] or name,
        options={str(key): _texts(texts) for key, texts in _table(measure.get("options")).items()},
        expected=str(measure.get("expected") or ""),
        sentence=str(sentence.get("text") or ""),
    )


def _table(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else (str(value),)


def _score_rows(row: Row[Any], protocol: _MeasuredProtocol) -> Iterator[dict[str, object]]:
    reading = _answer_reading(parse_readings(row.readings))
    for task in tasks_read(row.measure) or [_unknown_task(row.measure, protocol, reading)]:
        expected = expected_option(task.expected or protocol.expected, row.concept, row.span)
        answer = AnsweredTask(row.answer, reading, protocol.options, expected, row.concept, protocol.sentence)
        yield _score_row(row, task, protocol, answer, observe_task(task, answer))


def _answer_reading(readings: Readings | None) -> OptionReading | None:
    """The reading where the answer begins; that of the only place where there is one of another name."""
    if not readings:
        return None
    return readings.get(ANSWER) or (next(iter(readings.values())) if len(readings) == 1 else None)


def _unknown_task(measure: str, protocol: _MeasuredProtocol, reading: OptionReading | None) -> BatteryTask:
    """A measure of somebody's own protocol."""
    options = set(protocol.options) or set(reading.log_probabilities if reading else ())
    kind: TaskKind = "yes_no" if options == {YES, NO} else "choice"
    return BatteryTask(measure, measure, measure, protocol.expected or "expected option", kind, protocol.expected)


def _score_row(
    row: Row[Any],
    task: BatteryTask,
    protocol: _MeasuredProtocol,
    answer: AnsweredTask,
    seen: TaskObservation,
) -> dict[str, object]:
    reading = answer.reading
    k = len(reading.log_probabilities if reading else answer.options)
    counted = has_options(task) and k > 0
    return {
        "trial": row.id,
        "subject": row.subject,
        "parameters": row.parameters,
        "task": task.name,
        "arm": row.arm,
        "concept": row.concept,
        "layer": row.layer,
        "depth": row.depth,
        "strength": row.strength,
        "span": row.span,
        "protocol": row.protocol,
        "item": protocol.item,
        "pair": f"{row.concept}: {protocol.item}" if task.is_paired else None,
        "k": k if counted else np.nan,
        "chance": task.chance(k) if counted else None,
        "expected": answer.expected or None,
        "picked": seen.picked,
        "correct": seen.correct,
        "p_correct": seen.p_correct,
        "log_odds_yes": seen.log_odds_yes,
        "mass": reading.mass if reading and counted else None,
        "entropy": reading.entropy if reading and counted else None,
        "score": seen.score,
    }
