"""Data frames as the store of a study without a folder: every row is checked before any is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pandas as pd

from gnomon.data.errors import InputError
from gnomon.data.importers.field_parsers import (
    RowError,
    arm_of,
    is_empty,
    layer_of,
    limit_text,
    parse_bool,
    parse_integer,
    parse_judge_names,
    parse_number,
    parse_row_id,
    parse_timestamp,
    parse_word,
    quote_value,
    require_one_of,
)
from gnomon.data.importers.row_builders import facts_from_fields, subject_named
from gnomon.data.label_selection import LabelSelection
from gnomon.data.outcomes import facts_from_pass_fail, rule_named
from gnomon.data.records import (
    IMPORTED,
    Arm,
    Condition,
    Exposure,
    Facts,
    JudgeVersion,
    Label,
    RaterKind,
    RaterRole,
    Span,
    Subject,
    Trial,
    Verdict,
    VerdictState,
)
from gnomon.data.storage.store import Store

Made = TypeVar("Made")
Fields = Mapping[str, object]
PROTOCOL = "unknown"
MODEL = "model"
"""What a subject is called that the trials do not name."""
REQUIRED = {"trials": ("trial", "arm"), "verdicts": ("trial", "judge"), "labels": ("trial",)}
OBSERVED = ("claims", "passed")
"""One of them must be a column of verdicts and of labels."""


@dataclass(frozen=True, slots=True)
class FrameContent:
    """What data frames hold, row by row."""

    trials: Sequence[Trial]
    verdicts: Sequence[Verdict]
    labels: Sequence[Label]
    subjects: Sequence[Subject]
    judges: Sequence[str]


def store_frames(content: FrameContent, rule: str = "strict") -> Store:
    """A store in memory with what the frames hold; whoever opened it closes it.

    Parameters
    ----------
    content : FrameContent
        From `read_frames`.
    rule : str
        Outcome rule: how facts become outcomes.

    Raises
    ------
    UnknownNameError
        If there is no such rule.
    """
    rule_named(rule)
    store = Store.open("sqlite://")
    concepts = sorted({trial.condition.concept for trial in content.trials if trial.condition.concept})
    store.save_settings({"name": "frames", "kind": "trials", "rule": rule, "concepts": concepts})
    store.save_settings({"judges": list(content.judges), "label_view": "blind"})
    store.add_subjects(content.subjects)
    store.add_protocol(PROTOCOL, PROTOCOL, {})
    store.add_trials(content.trials)
    for judge in content.judges:
        store.add_judge(JudgeVersion(judge, judge, IMPORTED, {}))
    store.add_verdicts(content.verdicts)
    store.add_labels(content.labels)
    return store


def read_frames(trials: pd.DataFrame, verdicts: pd.DataFrame, labels: pd.DataFrame) -> FrameContent:
    """Read trials, verdicts and labels from data frames; other columns than those named here are ignored.

    Parameters
    ----------
    trials : DataFrame
        One row a trial. Columns `trial` (its name), `arm` (injection, control, random ...), and, in the injection arm,
        `concept`. Optional: `subject` (the language model), `parameters`, `layer`, `strength`, `answer`.
    verdicts : DataFrame
        One row a verdict. Columns `trial`, `judge`, and `claims` (the answer claims to notice something) or `passed`
        (the study's own pass). Optional: `concept` (which one the answer names), `coherent`, `refused`, `sample`,
        `time`. A row that has neither claims nor passed is a call that gave no verdict.
    labels : DataFrame
        One row a label. Columns `trial`, and `claims` or `passed`. Optional: `rater`, `concept`, `coherent`,
        `refused`, `exposure` (blind, after_verdict, unknown; without it labels count as blind), `revision`, `role`,
        `stratum`, `probability`, `rater_kind` (person, model or rule; by default as
        the name tells), `chosen_by` (judges whose verdicts took part in choosing the trial, separated by ";",
        or random), `time`.

    Raises
    ------
    InputError
        If a column is missing or doubled, a value has the wrong type, a name stands twice, or a verdict or label is of
        a trial that is not among the trials.
    """
    rows = {"trials": trials, "verdicts": verdicts, "labels": labels}
    for name, frame in rows.items():
        _check_columns(name, frame)
    known = {trial.id: trial for trial in _read_trials(trials)}
    heard = _read_rows("verdicts", verdicts, lambda row, _number: _verdict(row, known))
    given = _read_rows("labels", labels, lambda row, _number: _label(row, known))
    _check_unique("verdicts", [(verdict.trial, verdict.judge, str(verdict.sample)) for verdict in heard])
    _check_unique("labels", [(label.trial, label.rater, str(label.revision)) for label in given])
    return FrameContent(
        trials=list(known.values()),
        verdicts=heard,
        labels=given,
        subjects=_subjects(trials),
        judges=list(dict.fromkeys(verdict.judge for verdict in heard)),
    )


def _check_columns(name: str, frame: pd.DataFrame) -> None:
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"{name}: is a {type(frame).__name__}: give a pandas DataFrame")
    columns = [str(column) for column in frame.columns]
    for column, times in Counter(columns).items():
        if times > 1:
            raise InputError(f"{name}: column '{column}' stands {times} times: rename or drop one")
    held = ", ".join(columns[:12]) or "no columns"
    for column in REQUIRED[name]:
        if column not in columns:
            raise InputError(f"{name}: column '{column}' is missing: it has {held} (docs/api.md lists what is read)")
    if name != "trials" and not set(OBSERVED) & set(columns):
        raise InputError(f"{name}: column 'claims' or 'passed' is missing: it has {held}")


def _read_rows(name: str, frame: pd.DataFrame, make: Callable[[Fields, int], Made]) -> list[Made]:
    """What the rows make; the first that does not fit is named."""
    made = []
    for number, (place, row) in enumerate(zip(frame.index, _records(frame), strict=True)):
        try:
            made.append(make(row, number))
        except RowError as error:
            raise InputError(f"{name} row {place}: {error}") from error
    return made


def _records(frame: pd.DataFrame) -> Iterator[Fields]:
    """The rows; what pandas marks as missing is None."""
    for row in frame.astype(object).where(frame.notna(), None).to_dict("records"):
        yield {str(key): value for key, value in row.items()}


def _check_unique(name: str, keys: Sequence[tuple[str, ...]]) -> None:
    seen: set[tuple[str, ...]] = set()
    for key in keys:
        if key in seen:
            said = " of ".join(f"'{part}'" for part in reversed(key[:2]))
            column = {"trials": "", "verdicts": ": number them in a column 'sample'"}
            raise InputError(
                f"{name}: {said} stands twice: keep one row"
                + column.get(name, ": number a rater's changes of mind in a column 'revision', from 0")
            )
        seen.add(key)


def _read_trials(frame: pd.DataFrame) -> list[Trial]:
    made = _read_rows("trials", frame, _trial)
    _check_unique("trials", [(trial.id,) for trial in made])
    return made


def _trial(row: Fields, number: int) -> Trial:
    arm, concept = arm_of(row["arm"], "arm"), parse_word(row, "concept")
    if arm is Arm.INJECTION and concept is None:
        raise RowError("'concept' is empty in an injection trial: name what was injected")
    answer = row.get("answer")
    nothing = arm is Arm.CONTROL
    strength = parse_number(row, "strength")
    condition = Condition(
        subject=_subject_name(row),
        revision="",
        arm=arm,
        concept=concept,
        layer=None if nothing else layer_of(row, "layer"),
        strength=0.0 if nothing or strength is None else strength + 0.0,
        span=Span.GENERATION,
        protocol=PROTOCOL,
        vector=None,
        seed=0,
    )
    if not (answer is None or isinstance(answer, str)):
        raise RowError(f"'answer' is {quote_value(answer)}, not text: give the response, or leave the column out")
    return Trial(parse_row_id(row, "trial"), condition, number, 0, answer or "", "", 0, source="frames")


def _subject_name(row: Fields) -> str:
    return MODEL if is_empty(row.get("subject")) else parse_row_id(row, "subject")


def _subjects(frame: pd.DataFrame) -> list[Subject]:
    """The language models of the trials, each with the size that the frame or its name tells."""
    found: dict[str, Subject] = {}
    for row in _records(frame):
        name = _subject_name(row)
        if name not in found:
            found[name] = subject_named(name, parse_number(row, "parameters"))
    return list(found.values())


def _verdict(row: Fields, trials: Mapping[str, Trial]) -> Verdict:
    trial = _known_trial(row, trials)
    facts = _facts(row, trial)
    return Verdict(
        trial=trial.id,
        judge=limit_text(parse_row_id(row, "judge"), "judge", 64),
        facts=facts,
        state=VerdictState.UNPARSABLE if facts is None else VerdictState.OK,
        sample=parse_integer(row, "sample") or 0,
        created_at=parse_timestamp(row, "time"),
    )


def _label(row: Fields, trials: Mapping[str, Trial]) -> Label:
    trial = _known_trial(row, trials)
    facts = _facts(row, trial)
    if facts is None:
        raise RowError("neither 'claims' nor 'passed' is given: a label needs one of them")
    probability = parse_number(row, "probability")
    if probability is not None and not 0 < probability <= 1:
        raise RowError(f"'probability' is {quote_value(probability)}: write a number above 0 and at most 1")
    exposure = require_one_of(parse_word(row, "exposure") or Exposure.BLIND, "'exposure'", Exposure)
    role = require_one_of(parse_word(row, "role") or RaterRole.RATER, "'role'", RaterRole)
    kind = parse_word(row, "rater_kind")
    return Label(
        trial=trial.id,
        rater="rater" if is_empty(row.get("rater")) else limit_text(parse_row_id(row, "rater"), "rater", 100),
        facts=facts,
        role=RaterRole(role),
        revision=parse_integer(row, "revision") or 0,
        exposure=Exposure(exposure),
        stratum="all" if is_empty(row.get("stratum")) else limit_text(str(row["stratum"]), "stratum", 64),
        probability=1.0 if probability is None else probability,
        selection=None if (chosen := parse_judge_names(row, "chosen_by")) is None else LabelSelection(chosen),
        rater_kind=None if kind is None else RaterKind(require_one_of(kind, "'rater_kind'", RaterKind)),
        created_at=parse_timestamp(row, "time"),
    )


def _known_trial(row: Fields, trials: Mapping[str, Trial]) -> Trial:
    id_ = parse_row_id(row, "trial")
    if id_ not in trials:
        raise RowError(f"trial '{id_}' is not among the trials: add it there, or drop the row")
    return trials[id_]


def _facts(row: Fields, trial: Trial) -> Facts | None:
    claims, passed = parse_bool(row, "claims"), parse_bool(row, "passed")
    if claims is not None:
        return facts_from_fields(row, trial.condition.arm, trial.condition.concept)
    if passed is None:
        return None
    coherent, refused = parse_bool(row, "coherent"), parse_bool(row, "refused")
    condition = trial.condition
    return facts_from_pass_fail(
        passed,
        condition.arm,
        condition.concept,
        coherent=coherent is not False,
        refused=bool(refused),
        named=parse_word(row, "concept"),
    )
