"""Inspect logs: samples as trials, scores as verdicts of the scorer.

These keys of a sample's metadata are read: arm (or injected, was_injected), concept, layer, strength, magnitude, span,
subject. A sample without an arm is a control trial, since nothing is known to have been injected; its event is that the
score is correct.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

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
    require_one_of,
    required_value,
)
from gnomon.data.importers.formats.inspect_files import find_logs, read_log
from gnomon.data.importers.options import ImportOptions
from gnomon.data.outcomes import facts_from_pass_fail
from gnomon.data.records import NONE, OTHER, Arm, Facts, Span

NAME = "inspect"
MARKS = {"c": True, "correct": True, "pass": True, "i": False, "incorrect": False, "fail": False, "n": False}


@dataclass(frozen=True, slots=True)
class InspectLog:
    """Header of a log: the run (part of every trial's identity), the task and the model."""

    run: tuple[str, ...]
    task: str
    model: str
    created: str


def read_files(
    paths: Sequence[Path], options: ImportOptions, report: ImportReport
) -> Iterator[row_builders.ImportedRow]:
    """Rows of all logs; the `.eval` and `.json` files of one log count as one run.

    Parameters
    ----------
    paths : sequence of Path
        Log files, and folders of logs.
    options : ImportOptions
        `subject`, `parameters` and `judge` give what the logs do not name.
    report : ImportReport
        Receives the samples that cannot be imported.
    """
    for path in find_logs(list(paths)):
        header, samples = read_log(path, report)
        log = _parse_header(header, path)
        yield from parse_rows(samples, partial(_parse_row, log=log, options=options), report)


def _parse_header(head: Mapping[str, object], path: Path) -> InspectLog:
    names = ("eval_id", "run_id", "task_id", "created")
    run = tuple(str(head[name]) for name in names if head.get(name)) or (path.stem,)
    return InspectLog(
        run, str(head.get("task") or "task"), str(head.get("model") or ""), str(head.get("created") or "")
    )


def _parse_row(
    place: SourceLocation, sample: Mapping[str, object], log: InspectLog, options: ImportOptions
) -> row_builders.ImportedRow:
    about = sample.get("metadata") if isinstance(sample.get("metadata"), Mapping) else {}
    assert isinstance(about, Mapping)
    arm, target = _parse_arm(about), parse_word(about, "concept")
    if arm is Arm.INJECTION and target is None:
        raise RowError("metadata has no 'concept' in an injected sample: name what was injected")
    name = about.get("subject") or options.subject or log.model
    if not isinstance(name, str) or not name:
        raise RowError("the log names no model: name it with --subject")
    subject = row_builders.subject_named(name, options.parameters)
    said = row_builders.imported_protocol(NAME, log.task, **({"messages": _question_text(sample)} if arm else {}))
    trial = row_builders.imported_trial(
        NAME,
        [*log.run, parse_row_id(sample, "id"), parse_integer(sample, "epoch") or 1],
        subject=subject,
        protocol=said,
        arm=arm or Arm.CONTROL,
        answer=_answer_text(sample),
        concept=target,
        layer=layer_of(about, "layer"),
        strength=parse_number(about, "strength"),
        span=_parse_span(about),
        magnitude=parse_number(about, "magnitude"),
        error=_error_text(sample),
        at=parse_timestamp(sample, "completed_at") or parse_timestamp({"created": log.created}, "created"),
    )
    verdicts = () if trial.error else tuple(_parse_verdicts(sample, arm, target, options))
    return row_builders.ImportedRow(place, trial.id, trial, subject, said, verdicts)


def _parse_arm(about: Mapping[str, object]) -> Arm | None:
    """The arm that the metadata name; None if they name none."""
    if not is_empty(about.get("arm")):
        return arm_of(about["arm"], "metadata.arm")
    injected = next((parse_bool(about, name) for name in ("injected", "was_injected") if name in about), None)
    if injected is None and not is_empty(about.get("concept")) and parse_number(about, "strength"):
        return Arm.INJECTION
    return None if injected is None else Arm.INJECTION if injected else Arm.CONTROL


def _parse_span(about: Mapping[str, object]) -> Span:
    return Span(require_one_of(parse_word(about, "span") or Span.GENERATION, "metadata 'span'", Span))


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


def _parse_verdicts(
    sample: Mapping[str, object], arm: Arm | None, target: str | None, options: ImportOptions
) -> Iterator[row_builders.ImportedVerdict]:
    scores = sample.get("scores")
    if not isinstance(scores, Mapping):
        scores = {"scorer": sample["score"]} if isinstance(sample.get("score"), Mapping) else {}
    for scorer, score in scores.items():
        if isinstance(score, Mapping) and score.get("value") is not None:
            name = options.judge if options.judge and len(scores) == 1 else scorer
            judge = row_builders.judge_version(NAME, limit_text(str(name), "scorer", 100))
            said = score.get("explanation")
            quote = _resolve_attachment(said, sample) if isinstance(said, str) else ""
            kept = {part: score.get(part) for part in ("value", "answer", "explanation", "metadata")}
            raw = json.dumps(kept, ensure_ascii=False, sort_keys=True)
            yield row_builders.ImportedVerdict(judge, _facts_from_score(score, arm, target), raw, quote)


def _facts_from_score(score: Mapping[str, object], arm: Arm | None, target: str | None) -> Facts | None:
    """Facts that the score or its metadata report as single fields, else those implied by correct or incorrect."""
    value, about = score["value"], score.get("metadata")
    try:
        for told in (value, about):
            if isinstance(told, Mapping) and not is_empty(told.get("claims")):
                return row_builders.facts_from_fields(told, arm, target)
        right = _is_correct(value)
    except RowError:
        return None
    if arm is not None:
        seen = about if isinstance(about, Mapping) else {}
        coherent, refused = seen.get("coherent") is not False, seen.get("refused") is True
        return facts_from_pass_fail(right, arm, target, coherent=coherent, refused=refused)
    return Facts(right, OTHER if right else NONE, coherent=True, refused=False, passed=right)


def _is_correct(value: Any) -> bool:
    """Whether a score means correct; raises `RowError` for a partial or graded score."""
    if isinstance(value, str) and value.strip().lower() in MARKS:
        return MARKS[value.strip().lower()]
    known = parse_bool({"value": value}, "value")
    return bool(required_value({"value": known}, "value"))
