"""Database queries for transcripts, one page at a time: filters, outcomes by the study's rule, details of one trial."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import pandas as pd
from pydantic import JsonValue
from sqlalchemy import ColumnElement, ScalarSelect, case, exists, func, select

from gnomon.calibration.observations.frames import judge_frame
from gnomon.calibration.observations.sql_outcomes import is_counted_verdict, outcome_of
from gnomon.dashboard.transcripts import label_conditions
from gnomon.dashboard.transcripts.steered_spans import Content, SteeredPrompt, mark_steered
from gnomon.data.facts import CORE_FACTS
from gnomon.data.outcomes import rule_named
from gnomon.data.readings import OptionReading
from gnomon.data.records import LabelKind, Split, VerdictState
from gnomon.data.storage import tables
from gnomon.data.storage.fact_columns import FURTHER, further_value
from gnomon.data.storage.store import Store
from gnomon.data.study_settings import load_settings
from gnomon.stats.narrative.formatting import count_noun, format_percent

PAGE = 20
AXES = ("subject", "arm", "concept", "strength")
CELL_AXES = ("subject", "arm", "concept", "layer", "strength")
"""What makes a condition, in the order of the index that covers it."""

Cell = tuple[str | int | float | None, ...]

NO_OUTCOME = "no outcome"
"""Shown where a verdict does not report what the study's rule reads."""
MISSING = {
    str(state): f"failed: {str(state).replace('_', ' ')}" for state in VerdictState if state is not VerdictState.OK
}
"""How a failed verdict is shown, by its state."""

_trial = tables.trials.c
_verdict = tables.verdicts.c


@dataclass(frozen=True, slots=True)
class TrialFilters:
    """Filters of the list; an empty field does not filter.

    `outcome` is by `judge`, or by any judge if that is empty; so is `reports`, flags that a verdict reports as true.
    `labelled_by` is a rater's name.
    """

    subject: tuple[str, ...] = ()
    arm: tuple[str, ...] = ()
    concept: tuple[str, ...] = ()
    strength: tuple[float, ...] = ()
    protocol: tuple[str, ...] = ()
    split: tuple[str, ...] = ()
    judge: str = ""
    outcome: tuple[str, ...] = ()
    disputed: bool = False
    labelled: str = ""
    text: str = ""
    reports: tuple[str, ...] = ()
    labelled_by: str = ""
    flagged: bool = False
    noted: bool = False

    @property
    def shows_verdicts(self) -> bool:
        """Whether membership in the list reveals something about a verdict."""
        return bool(self.outcome or self.disputed or self.reports)


@dataclass(frozen=True, slots=True)
class FilterChoices:
    """Values that occur in a study, by axis; protocols and judges map hash or version to name.

    `cells` are the conditions that occur, each the values of `CELL_AXES`, in order; None stands first.
    """

    subject: list[str] = field(default_factory=list)
    arm: list[str] = field(default_factory=list)
    concept: list[str] = field(default_factory=list)
    strength: list[float] = field(default_factory=list)
    protocol: dict[str, str] = field(default_factory=dict)
    judge: dict[str, str] = field(default_factory=dict)
    cells: tuple[Cell, ...] = ()


def filter_choices(store: Store) -> FilterChoices:
    """Values to filter by: those that occur, protocol hashes and judge versions with their names."""
    protocols = select(tables.protocols.c.hash, tables.protocols.c.name)
    with store.read_transaction() as connection:
        occur = connection.execute(select(*[_trial[name] for name in CELL_AXES]).distinct()).all()
        named = {row.hash: row.name for row in connection.execute(protocols.order_by("name", "hash"))}
    axes = {name: sorted({row[CELL_AXES.index(name)] for row in occur} - {None}) for name in AXES}
    cells = sorted((tuple(row) for row in occur), key=lambda cell: [(value is not None, value) for value in cell])
    judges = judge_frame(store)
    judged = dict(zip(judges["version"], judges["name"], strict=True))
    return FilterChoices(**axes, protocol=named, judge=judged, cells=tuple(cells))


def filter_conditions(store: Store, filters: TrialFilters, there: FilterChoices) -> list[ColumnElement[bool]]:
    """The filters as SQL conditions on trials.

    Parameters
    ----------
    store : Store
        The study's store; its outcome rule is read.
    filters : TrialFilters
        The filters.
    there : FilterChoices
        Values that occur in the study.
    """
    outcome = outcome_of(rule_named(load_settings(store).rule))
    found: list[ColumnElement[bool]] = []
    for name in (*AXES, "protocol"):
        if wanted := getattr(filters, name):
            found.append(_one_of(_trial[name], wanted, getattr(there, name)))
    if filters.split:
        found.append(_one_of(_trial.split, filters.split, tuple(Split)))
    if filters.text:
        found.append(_trial.answer.icontains(filters.text, autoescape=True))
    if filters.outcome or filters.reports:
        judges = [filters.judge] if filters.judge else list(there.judge)
        said = [outcome.in_(filters.outcome)] if filters.outcome else []
        said += [_flag_value(name).is_(True) for name in filters.reports]
        found.append(
            exists().where(_verdict.trial == _trial.id, is_counted_verdict(judges), *said).correlate(tables.trials)
        )
    if filters.disputed:
        found.append(is_disputed(outcome, list(there.judge)))
    if filters.labelled:
        labelled = label_conditions.is_labelled()
        found.append(labelled if filters.labelled == "yes" else ~labelled)
    if filters.labelled_by:
        found.append(label_conditions.is_labelled(filters.labelled_by))
    if filters.flagged:
        found.append(label_conditions.is_flagged())
    if filters.noted:
        found.append(label_conditions.has_note())
    return found


def _flag_value(name: str) -> ColumnElement[bool]:
    return _verdict[name] if name in CORE_FACTS else further_value(tables.verdicts, name)


def _with_further_columns(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with a column for each further fact that any of them reports, in place of the one that holds all."""
    held = [value or {} for value in rows[FURTHER]]
    place = list(rows.columns).index(FURTHER)
    for name in sorted({name for values in held for name in values}):
        rows.insert(place, name, pd.Series([values.get(name) for values in held], index=rows.index, dtype=object))
    return rows.drop(columns=FURTHER)


def _one_of(column: ColumnElement[Any], wanted: Collection[Any], there: Collection[Any]) -> ColumnElement[bool]:
    """The column holds one of these values; if they are most of the values, expressed by the others.

    SQLite then scans the table instead of looking up nearly all of its rows one by one in an index.
    """
    others = [value for value in there if value not in wanted]
    if len(others) >= len(wanted):
        return column.in_(wanted)
    return column.not_in(others) if others else column.is_not(None)


def is_disputed(outcome: ColumnElement[str], versions: Sequence[str]) -> ColumnElement[bool]:
    """SQL condition: judges give different outcomes on a trial. Evaluated trial by trial, so that a few are found fast.

    Parameters
    ----------
    outcome : ColumnElement
        SQL expression of a verdict's outcome.
    versions : sequence of str
        Judge versions that count.
    """
    mine = (
        select(_verdict.trial).where(_verdict.trial == _trial.id, is_counted_verdict(versions)).group_by(_verdict.trial)
    )
    return mine.having(func.min(outcome) != func.max(outcome)).correlate(tables.trials).exists()


def trial_rows(store: Store, trials: Sequence[str]) -> pd.DataFrame:
    """One row per trial, in the order in which they are named: condition and the response.

    Parameters
    ----------
    store : Store
        The study's store.
    trials : sequence of str
        Trial ids.
    """
    names = ("id", "measure", "subject", "arm", "concept", "strength", "layer", "protocol", "split", "replicate")
    query = select(*[_trial[name] for name in names], _trial.answer).where(_trial.id.in_(list(trials)))
    found = store.read_frame(query).set_index("id", drop=False)
    return found.reindex([trial for trial in trials if trial in found.index]).reset_index(drop=True)


def shown_outcome(store: Store) -> ColumnElement[str]:
    """SQL expression over verdicts and trials: the outcome by the study's rule, or why there is none.

    A judge may fail because it refused to judge: its verdict must not read as a response that refused.
    """
    outcome = outcome_of(rule_named(load_settings(store).rule))
    return func.coalesce(outcome, case(MISSING, value=_verdict.state, else_=NO_OUTCOME))


def outcome_said_by(store: Store, version: str) -> ScalarSelect[str]:
    """SQL expression over trials: the outcome that a judge found, or why there is none; NULL without a verdict.

    Parameters
    ----------
    store : Store
        The study's store; its outcome rule is read.
    version : str
        Version of the judge.
    """
    found = select(shown_outcome(store)).where(
        _verdict.trial == _trial.id, _verdict.judge == version, _verdict.sample == 0
    )
    return found.correlate(tables.trials).scalar_subquery()


def outcome_table(store: Store, trials: Sequence[str], judges: Mapping[str, str]) -> pd.DataFrame:
    """Outcomes of trials by judge.

    Parameters
    ----------
    store : Store
        The study's store; its outcome rule is read.
    trials : sequence of str
        Trial ids.
    judges : mapping of str to str
        Names of judges by version.

    Returns
    -------
    DataFrame
        One row per trial, in the order of `trials`, one column per judge name; of a failed verdict it says why.
    """
    query = select(_verdict.trial, _verdict.judge, shown_outcome(store).label("outcome"))
    query = query.join(tables.trials, _trial.id == _verdict.trial)
    query = query.where(_verdict.sample == 0, _verdict.judge.in_(list(judges)), _verdict.trial.in_(list(trials)))
    frame = store.read_frame(query)
    wide = frame.assign(judge=frame["judge"].map(judges)).pivot(index="trial", columns="judge", values="outcome")
    return wide.reindex(index=list(trials), columns=list(judges.values()))


@dataclass(frozen=True, slots=True)
class TrialDetails:
    """Everything known about one trial.

    Attributes
    ----------
    answer, thinking : str
        The response, and what the model wrote on a channel of its own before it.
    condition : dict of str to JsonValue
        The trial's condition.
    verdicts, labels : DataFrame
        Newest verdicts with their outcomes, and all label events.
    quotes : tuple of str
        What judges quoted.
    prompt : SteeredPrompt
        What the model was asked, with the steered texts marked.
    protocol : str
        What is known of the protocol, in one line.
    readings : tuple of str
        What was read from the model's logits, a line for each place.
    ended : str
        How the response ended, or why there is none.
    """

    answer: str
    condition: dict[str, JsonValue]
    verdicts: pd.DataFrame
    labels: pd.DataFrame
    quotes: tuple[str, ...]
    prompt: SteeredPrompt
    protocol: str
    thinking: str = ""
    readings: tuple[str, ...] = ()
    ended: str = ""


def has_trial(store: Store, trial: str) -> bool:
    """Whether the study has a trial.

    Parameters
    ----------
    store : Store
        The study's store.
    trial : str
        Trial id.
    """
    with store.read_transaction() as connection:
        return connection.execute(select(_trial.id).where(_trial.id == trial)).first() is not None


def trial_details(store: Store, trial: str) -> TrialDetails:
    """One trial with its prompt, its newest verdicts, their outcomes, and all label events.

    Parameters
    ----------
    store : Store
        The study's store.
    trial : str
        Trial id.
    """
    found = store.load_trials([trial])[0]
    judges = judge_frame(store)
    named = dict(zip(judges["version"], judges["name"], strict=True))
    names = [*CORE_FACTS, FURTHER, "quote"]
    query = select(_verdict.judge, *(_verdict[name] for name in names)).where(
        _verdict.trial == trial, _verdict.sample == 0, _verdict.judge.in_(list(named))
    )
    said = _with_further_columns(store.read_frame(query))
    outcomes = outcome_table(store, [trial], named).iloc[0]
    said.insert(1, "outcome", [outcomes.get(named[judge]) for judge in said["judge"]])
    said["judge"] = said["judge"].map(named)
    condition = found.condition
    name, content = _stored_protocol(store, condition.protocol)
    informed = any(
        each.variant == condition.subject and "informed" in each.changes for each in load_settings(store).variants
    )
    return TrialDetails(
        answer=found.answer,
        condition={f.name: getattr(condition, f.name) for f in fields(condition)},
        verdicts=said,
        labels=label_history(store, trial),
        quotes=tuple(dict.fromkeys(str(quote) for quote in said["quote"] if quote)),
        prompt=mark_steered(
            content,
            arm=str(condition.arm),
            span=str(condition.span),
            strength=condition.strength,
            source=found.source,
            has_preface=informed,
        ),
        protocol=_protocol_line(name, content),
        thinking=found.thinking or "",
        readings=tuple(_reading_line(place, reading) for place, reading in (found.readings or {}).items()),
        ended=f"No response: {found.error}" if found.error else _ended(found.finish, found.tokens),
    )


def _stored_protocol(store: Store, protocol: str) -> tuple[str, Content]:
    stored = tables.protocols.c
    with store.read_transaction() as connection:
        row = connection.execute(select(stored.name, stored.content).where(stored.hash == protocol)).first()
    return ("", {}) if row is None else (str(row.name), row.content if isinstance(row.content, Mapping) else {})


def _protocol_line(name: str, content: Content) -> str:
    parts = [f"protocol {name}"]
    if isinstance(temperature := content.get("temperature"), int | float):
        parts.append(f"temperature {temperature:g}")
    if isinstance(most := content.get("max_tokens"), int):
        parts.append(f"at most {count_noun(most, 'token')}")
    if isinstance(stop := content.get("stop"), list) and stop:
        parts.append(f"stops before {', '.join(map(repr, stop))}")
    return " · ".join(parts)


def _ended(finish: str, tokens: int) -> str:
    how = {"stop": "the model ended it", "length": "cut off at the greatest length", "read": "nothing was sampled"}
    return " · ".join(part for part in (how.get(finish, finish), count_noun(tokens, "token") if tokens else "") if part)


def _reading_line(place: str, reading: OptionReading) -> str:
    whole = "of these options" if reading.relative else "of all next tokens"
    shares = [f"{name} {format_percent(math.exp(value), 1)}" for name, value in reading.log_probabilities.items()]
    return f"Read at {place}: {', '.join(shares)} ({whole})"


def label_history(store: Store, trial: str) -> pd.DataFrame:
    """All label events on one trial, oldest first, and whether the rater retracted each later.

    Parameters
    ----------
    store : Store
        The study's store.
    trial : str
        Trial id.
    """
    label = tables.labels.c
    shown = ["rater", "kind", *CORE_FACTS, FURTHER, "exposure", "note", "revision", "created_at"]
    query = select(*[label[name] for name in shown]).where(label.trial == trial)
    events = store.read_frame(query.order_by(label.created_at, label.rater, label.revision))
    events = _with_further_columns(events)
    last = events[events["kind"] == str(LabelKind.RETRACTION)].groupby("rater")["revision"].max()
    withdrawn = events["revision"] < events["rater"].map(last).fillna(-1)
    return events.assign(withdrawn=withdrawn).drop(columns="revision")
