"""Samples of Inspect logs as trials with verdicts and labels.

These keys of a sample's metadata are read: arm (or injected, was_injected), concept, layer, strength, magnitude, depth,
span, and subject if the log names no model. A sample without an arm is a control trial, since nothing is known to have
been injected; a score that passes is a denial there, and one that fails its event.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from gnomon.data.arms import arm_aliases
from gnomon.data.errors import InputError
from gnomon.data.importers import row_builders
from gnomon.data.importers.field_parsers import (
    ImportReport,
    RowError,
    SourceLocation,
    arm_of,
    is_empty,
    layer_of,
    limit_text,
    parse_bool,
    parse_integer,
    parse_number,
    parse_row_id,
    parse_rows,
    parse_timestamp,
    parse_word,
    span_of,
)
from gnomon.data.importers.formats.inspect_log.log_files import LogHeader, Sample, read_log
from gnomon.data.importers.formats.inspect_log.log_survey import (
    NO_MODELS,
    LogSurvey,
    injection_flag,
    iter_scores,
    reports_facts,
    survey_logs,
)
from gnomon.data.importers.formats.inspect_log.own_exports import (
    complete_label,
    own_part,
    read_facts,
    read_measure,
    read_verdict,
)
from gnomon.data.importers.formats.inspect_log.score_history import FIELDS, ScoreEditing, ScoreState, trace_history
from gnomon.data.importers.formats.inspect_log.score_readings import ScoreReading, decide_readings
from gnomon.data.importers.label_history import next_instant
from gnomon.data.importers.options import ImportOptions
from gnomon.data.outcomes import facts_from_pass_fail
from gnomon.data.records import DECLARED_FIELDS, SCORE, Arm, Exposure, Facts, Span, Subject, Trial

NAME = "inspect"
OTHER_ARMS = ("condition", "intervention", "treatment", "trial_type")
"""Keys of metadata that may name the arm of a sample with a concept and a strength."""
RETRIED = "the sample is in the log of its retry, which counts"
INVALIDATED = "the sample was invalidated in Inspect"


@dataclass(frozen=True, slots=True)
class LogReading:
    """One log while it is read: its header, and what was decided from all logs together."""

    path: Path
    header: LogHeader
    survey: LogSurvey
    readings: Mapping[str, ScoreReading]
    options: ImportOptions
    report: ImportReport


@dataclass(frozen=True, slots=True)
class SampleCondition:
    """What the metadata of a sample say of what was added to the model; nothing where they name no arm."""

    layer: int | None = None
    strength: float | None = None
    magnitude: float | None = None
    depth: float | None = None
    span: Span = Span.GENERATION


def read_files(
    paths: Sequence[Path], options: ImportOptions, report: ImportReport
) -> Iterator[row_builders.ImportedRow]:
    """Rows of all logs; the `.eval` and `.json` files of one log count as one run.

    What a scorer's values mean is decided over all logs before the first row.

    Parameters
    ----------
    paths : sequence of Path
        Log files, and folders of logs.
    options : ImportOptions
        `subject`, `parameters` and `judge` name what is to be named otherwise; `score` and `threshold` say what of the
        scores is read and what passes.
    report : ImportReport
        Receives the samples that cannot be imported, and what was left out.

    Raises
    ------
    InputError
        If the logs hold no samples, the meaning of no score can be known, or an option does not fit the logs.
    """
    survey = survey_logs(paths)
    readings = _decided_readings(survey, options, report)
    for path, count in survey.samples.items():
        if not count:
            report.notes.append(f"{path}: has no samples: its run wrote none, or only its header was kept")
    report.notes += [f"{path}: is no Inspect log and was left out" for path in survey.others]
    for path in survey.samples:
        header, samples = read_log(path, report)
        if not header.is_complete:
            report.add_note(f"{path.name}: its run did not end ({header.status}): it may lack samples")
        log = LogReading(path, header, survey, readings, options, report)
        counted = _counted_samples(samples, log)
        yield from parse_rows(counted, partial(_parse_row, log=log), report)


def _decided_readings(survey: LogSurvey, options: ImportOptions, report: ImportReport) -> dict[str, ScoreReading]:
    """How each scorer is read; scorers that cannot be are told."""
    where = str(next(iter(survey.samples)))
    where += f" and {len(survey.samples) - 1} more" if len(survey.samples) > 1 else ""
    if not any(survey.samples.values()):
        if survey.problem:
            raise InputError(f"{where}: none of its samples can be read: {survey.problem}")
        raise InputError(f"{where}: no samples: their runs wrote none, or only headers were kept: name other logs")
    if options.subject and len(survey.models) > 1:
        names = ", ".join(sorted(survey.models))
        raise InputError(
            f"--subject {options.subject!r}: the logs have several models ({names}): import them one by one"
        )
    readings, undecided = decide_readings(survey.ranges, options.score, options.threshold)
    if undecided and not readings:
        raise InputError(f"{where}: {'; '.join(undecided)}; nothing was stored")
    report.notes += [f"{text}; its scores were left out" for text in undecided]
    if options.judge and len(readings) > 1:
        names = ", ".join(reading.name for reading in readings)
        raise InputError(f"--judge {options.judge!r}: the logs have several scorers ({names}): choose one with --score")
    edited = [reading.name for reading in readings if reading.scorer in survey.edited]
    if len({name for name in survey.edited if any(name == reading.scorer for reading in readings)}) > 1:
        raise InputError(
            f"{where}: people edited the scores of several scorers ({', '.join(edited)}), and a label answers one "
            "question: choose the scorer with --score"
        )
    return {reading.scorer: reading for reading in readings}


def _counted_samples(samples: Iterator[Sample], log: LogReading) -> Iterator[Sample]:
    """The samples that count; the others are left out and counted."""
    failed = 0
    for place, sample in samples:
        if log.survey.is_invalidated(log.header, sample):
            log.report.add_exclusion(place, INVALIDATED)
        elif log.survey.is_superseded(log.path, log.header, sample):
            log.report.add_exclusion(place, RETRIED)
        else:
            failed += bool(sample.get("error"))
            yield place, sample
    if failed:
        log.report.add_note(
            f"{log.path.name}: {failed} samples ended in an error: they are failed trials, and have no verdicts"
        )


def _parse_row(place: SourceLocation, sample: Mapping[str, object], log: LogReading) -> row_builders.ImportedRow:
    told = sample.get("metadata")
    about = told if isinstance(told, Mapping) else {}
    options, header = log.options, log.header
    arm, target = _parse_arm(about, log), _parse_target(about)
    if arm is Arm.INJECTION and target is None:
        raise RowError("metadata has no 'concept' in an injected sample: name what was injected")
    own = header.model if header.model.lower() not in NO_MODELS else about.get("subject") or header.model
    name = options.subject or own
    if not isinstance(name, str) or not name:
        raise RowError("the log names no model: name it with --subject")
    asked = {"messages": _question_text(sample)} if arm else {}
    measured = read_measure(own_part(about), NAME)
    declared = {DECLARED_FIELDS: dict(measured.fields)} if measured.fields else {}
    said = measured.protocol or row_builders.imported_protocol(NAME, header.task, **asked, **declared)
    subject = row_builders.subject_named(name, options.parameters)
    if options.parameters is not None and len(log.survey.models) <= 1:
        subject = replace(subject, parameters=options.parameters)
    condition = SampleCondition() if arm is None else _parse_condition(about)
    error = _error_text(sample)

    def make_trial(key: list[object], model: Subject) -> Trial:
        return row_builders.imported_trial(
            NAME,
            key,
            subject=model,
            protocol=said,
            arm=arm or Arm.CONTROL,
            answer=_answer_text(sample),
            concept=target,
            layer=condition.layer,
            strength=condition.strength,
            span=condition.span,
            magnitude=condition.magnitude,
            depth=condition.depth,
            error=error,
            measure=measured.measure,
            readings=measured.readings,
            thinking=measured.thinking,
            at=_time_of(sample.get("completed_at")) or _time_of(header.created),
        )

    trial = make_trial(_sample_identity(sample, header, failed=bool(error)), subject)
    former = make_trial(
        [*header.run, parse_row_id(sample, "id"), _epoch_of(sample)],
        row_builders.subject_named(_former_name(about, name), options.parameters),
    )
    verdicts: list[row_builders.ImportedVerdict] = []
    labels: list[row_builders.ImportedLabel] = []
    scores = {} if error else dict(iter_scores(sample))
    for scorer in () if error else log.survey.scorers.get(log.path, set()) & log.readings.keys() - scores.keys():
        log.report.empty_verdicts[(options.judge or log.readings[scorer].name)[:100]] += 1
    for scorer, score in scores.items():
        if (reading := log.readings.get(scorer)) is None:
            continue
        first, edits = trace_history(score)
        try:
            if first is not None:
                verdicts.append(_parse_verdict(first, score, sample, reading, options, arm, target))
            for label in _parse_edits(edits, reading, arm, target, judged=first is not None):
                if isinstance(label, RowError):
                    log.report.add_problem(place, label)
                else:
                    labels.append(label)
        except RowError as problem:
            log.report.add_problem(place, problem)
    return row_builders.ImportedRow(
        place,
        trial.id,
        trial,
        subject,
        said,
        tuple(verdicts),
        tuple(labels),
        former_id=str(own_part(about).get("trial") or former.id),
    )


def _former_name(about: Mapping[str, object], name: str) -> str:
    """The model's name as earlier versions read it: the sample's metadata came before the log."""
    own = about.get("subject")
    return own if isinstance(own, str) and 0 < len(own.strip()) <= 200 else name


def _sample_identity(sample: Mapping[str, object], header: LogHeader, *, failed: bool) -> list[object]:
    """What identifies a sample in every log that holds it: its uuid, or its id in the task that was run.

    A try that failed is a trial of its own beside the one that was tried again.
    """
    parse_row_id(sample, "id")
    own, epoch = sample["id"], _epoch_of(sample)
    uuid = sample.get("uuid")
    known = ["error", *header.run] if failed else []
    if isinstance(uuid, str) and uuid.strip():
        return ["uuid", uuid.strip(), own, epoch, *known]
    return ["sample", *([header.task_id, header.model] if header.task_id else header.run), own, epoch, *known]


def _epoch_of(sample: Mapping[str, object]) -> int:
    return parse_integer(sample, "epoch") or 1


def _time_of(value: object) -> str:
    """A time as the store writes it; '' if it is none."""
    try:
        return parse_timestamp({"time": value}, "time")
    except RowError:
        return ""


def _parse_target(about: Mapping[str, object]) -> str | None:
    """The concept of a sample; another task's metadata of that name, which is no word, is none."""
    try:
        return parse_word(about, "concept")
    except RowError:
        if is_empty(about.get("arm")):
            return None
        raise


def _parse_condition(about: Mapping[str, object]) -> SampleCondition:
    numbers = {name: parse_number(about, name) for name in ("strength", "magnitude", "depth")}
    return SampleCondition(layer=layer_of(about, "layer"), span=span_of(about, "span"), **numbers)


def _parse_arm(about: Mapping[str, object], log: LogReading) -> Arm | None:
    """The arm that the metadata name; None if they name none."""
    if not is_empty(about.get("arm")):
        return arm_of(about["arm"], "metadata.arm")
    if log.survey.means_other_injections:
        return None
    injected = injection_flag(about)
    if injected is None and not is_empty(about.get("concept")) and _is_number(about.get("strength")):
        for name in OTHER_ARMS:
            if isinstance(word := about.get(name), str) and word.strip().lower() in arm_aliases():
                return arm_of(word, f"metadata.{name}")
        log.report.add_note(
            f"{log.path.name}: samples whose metadata name a concept and a strength, and no arm, count as injections"
        )
        return Arm.INJECTION
    return None if injected is None else Arm.INJECTION if injected else Arm.CONTROL


def _is_number(value: object) -> bool:
    try:
        return bool(parse_number({"value": value}, "value"))
    except RowError:
        return False


def _resolve_attachment(value: Any, sample: Mapping[str, object]) -> str:
    """Text of a message: plain, in parts, or stored among the sample's attachments."""
    if isinstance(value, list):
        parts = [part.get("text") or "" for part in value if isinstance(part, Mapping) and part.get("type") == "text"]
        return "\n".join(_resolve_attachment(part, sample) for part in parts)
    if not isinstance(value, str):
        return ""
    mark, _, name = value.partition("attachment://")
    attached = sample.get("attachments")
    return str(attached.get(name, value)) if not mark and name and isinstance(attached, Mapping) else value


def _question_text(sample: Mapping[str, object]) -> Any:
    asked = sample.get("input")
    if isinstance(asked, list):
        turns = [turn for turn in asked if isinstance(turn, Mapping)]
        return [
            {"role": turn.get("role"), "content": _resolve_attachment(turn.get("content"), sample)} for turn in turns
        ]
    return [{"role": "user", "content": _resolve_attachment(asked, sample)}]


def _answer_text(sample: Mapping[str, object]) -> str:
    output = sample.get("output")
    if not isinstance(output, Mapping):
        return ""
    if isinstance(whole := output.get("completion"), str) and whole:
        return _resolve_attachment(whole, sample)
    choices = output.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, Mapping) else None
    return _resolve_attachment(message.get("content"), sample) if isinstance(message, Mapping) else ""


def _error_text(sample: Mapping[str, object]) -> str | None:
    error = sample.get("error")
    if not error:
        return None
    message = error.get("message") if isinstance(error, Mapping) else error
    return str(message or "error")


def _parse_verdict(
    state: ScoreState,
    score: Mapping[str, object],
    sample: Mapping[str, object],
    reading: ScoreReading,
    options: ImportOptions,
    arm: Arm | None,
    target: str | None,
) -> row_builders.ImportedVerdict:
    """The scorer's own verdict, before any edit."""
    said, told = state["explanation"], score.get("reason")
    quote = _resolve_attachment(said, sample) if isinstance(said, str) else ""
    name = limit_text(options.judge or reading.name, "scorer", 100)
    if own := own_part(state["metadata"]):
        return read_verdict(own, name, quote)
    facts, reason = _read_facts(state, reading, arm, target)
    raw = json.dumps({part: state[part] for part in FIELDS}, ensure_ascii=False, sort_keys=True)
    if reason and isinstance(told, str) and told.strip():
        reason = f"{reason}: {told.strip()[:60]}"
    known = {"part": reading.part, "threshold": reading.threshold and str(reading.threshold)}
    judge = row_builders.judge_version(NAME, name, **{key: value for key, value in known.items() if value})
    passed_in = _passed_in(facts, state, arm)
    number = None if reports_facts(state) else reading.graded_number(state["value"])
    scores = None if number is None else {SCORE: number}
    return row_builders.ImportedVerdict(judge, facts, raw, quote, reason=reason, passed_in=passed_in, scores=scores)


def _parse_edits(
    edits: Sequence[ScoreEditing], reading: ScoreReading, arm: Arm | None, target: str | None, *, judged: bool
) -> Iterator[row_builders.ImportedLabel | RowError]:
    """A label for each edit of the value, or why it is none; those of one person are in order, also where their times
    are equal.
    """
    last: dict[str, str] = {}
    for edit in edits:
        if not edit.sets_value:
            continue
        rater = limit_text(edit.author, "author of an edit", 100)
        own = own_part(edit.about)
        facts, reason = (read_facts(own), "") if own else _read_facts(edit.state, reading, arm, target)
        if facts is None:
            yield RowError(f"the score that '{rater}' set is no label: {reason}; the edit was left out")
            continue
        at = _time_of(edit.at)
        if at and rater in last and at <= last[rater]:
            at = next_instant(last[rater])
        last[rater] = at
        exposure = Exposure.AFTER_VERDICT if judged else None
        label = row_builders.ImportedLabel(rater, facts, note=edit.reason, at=at, exposure=exposure, exact=bool(at))
        label = replace(label, passed_in=None if own else _passed_in(facts, edit.state, arm))
        yield complete_label(label, own) if own else label


def _read_facts(
    state: ScoreState, reading: ScoreReading, arm: Arm | None, target: str | None
) -> tuple[Facts | None, str]:
    """Facts that a score or its metadata report as single fields, else those implied by pass or fail; or why not."""
    value, about = state["value"], state["metadata"]
    try:
        if reports_facts(state):
            told = value if isinstance(value, Mapping) and not is_empty(value.get("claims")) else about
            assert isinstance(told, Mapping)
            return row_builders.facts_from_fields(told, arm, target), ""
    except RowError as error:
        return None, str(error)
    passed, reason = reading.read_value(value)
    if passed is None:
        return None, reason
    seen = about if isinstance(about, Mapping) else {}
    try:
        coherent, refused = parse_bool(seen, "coherent") is not False, parse_bool(seen, "refused") is True
    except RowError as error:
        return None, str(error)
    return facts_from_pass_fail(passed, arm or Arm.CONTROL, target, coherent=coherent, refused=refused), ""


def _passed_in(facts: Facts | None, state: ScoreState, arm: Arm | None) -> Arm | None:
    """The arm of facts that follow from a pass or fail alone."""
    return None if facts is None or reports_facts(state) else arm or Arm.CONTROL
