"""open-introspection (JSON lines): trials with a human label and, in calibration files, the judge's verdict."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from gnomon.data.importers import row_builders
from gnomon.data.importers.field_parsers import (
    BadRow,
    Place,
    Report,
    among,
    empty,
    flag,
    integer,
    key,
    layer_of,
    moment,
    needed,
    number,
    shown,
    taken,
    text,
    word,
)
from gnomon.data.importers.options import Options
from gnomon.data.importers.text_files import json_lines, loads
from gnomon.data.outcomes import facts_of_pass
from gnomon.data.records import Arm, Exposure, Facts, Span

NAME = "open-introspection"
JUDGE = "open-introspection-judge"
SPANS = {"generation": Span.GENERATION, "all": Span.ALL, "from_marker": Span.FROM_MARKER}
ANSWERS = {"pass": True, "fail": False}


def read(paths: Sequence[Path], options: Options, report: Report) -> Iterator[row_builders.Row]:
    """Rows of all files, those of files with verdicts first: they hold the labels as they stood before."""
    for path in sorted(paths, key=lambda path: not _judged(path)):
        yield from taken(json_lines(path, report), partial(_row, options=options), report)


def _judged(path: Path) -> bool:
    rows = json_lines(path, Report())
    return "_calibration" in path.stem or any(row.get("judge_result") is not None for _, row in rows)


@lru_cache(maxsize=1024)
def _protocol(version: str) -> row_builders.Protocol:
    return row_builders.protocol(NAME, version, prompt_version=version)


def _row(place: Place, row: Mapping[str, Any], options: Options) -> row_builders.Row:
    config = _mapping(row, "config") or {}
    injected, target = flag(row, "was_injected"), word(row, "concept")
    if injected is None:
        raise BadRow("'was_injected' is missing or null: write true or false")
    arm = Arm.INJECTION if injected else Arm.CONTROL
    if injected and target is None:
        raise BadRow("'concept' is missing in an injected trial: name what was injected")
    judged, labelled = _mapping(row, "judge_result"), _mapping(row, "label")
    label = _label(labelled, row, arm, target, judged is not None) if labelled else None
    subject = row_builders.subject_named(_subject(config, row, options), options.parameters)
    said = _protocol(str(config.get("prompt_version") or "unknown"))
    trial = row_builders.trial(
        NAME,
        key(row, "id"),
        subject=subject,
        protocol=said,
        arm=arm,
        answer=text(row, "response"),
        concept=target,
        layer=layer_of(config, "layer"),
        strength=number(config, "strength"),
        span=_span(config),
        seed=integer(config, "seed") or 0,
        magnitude=number(config, "magnitude"),
        at=moment(row, "timestamp"),
    )
    verdicts = (_verdict(judged, row, arm, target, options),) if judged else ()
    return row_builders.Row(place, trial.id, trial, subject, said, verdicts, (label,) if label else ())


def _mapping(row: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """A table within the row, or the JSON text of one; None where the field says nothing."""
    value = row.get(name)
    if empty(value):
        return None
    if isinstance(value, str):
        try:
            value = loads(value)
        except BadRow as error:
            raise BadRow(f"'{name}' is text that {error}") from None
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise BadRow(f"'{name}' is {shown(value)}: write an object")
    return value


def _subject(config: Mapping[str, Any], row: Mapping[str, Any], options: Options) -> str:
    name = config.get("model") or row.get("model") or options.subject
    if not isinstance(name, str):
        raise BadRow("'config.model' is missing: name the model there, or with --subject")
    return name


def _span(config: Mapping[str, Any]) -> Span:
    return SPANS[among(config.get("inject_style") or "generation", "'inject_style'", SPANS)]


def _facts(said: Mapping[str, Any], arm: Arm, target: str | None) -> Facts:
    answer = needed(said, "answer")
    if str(answer).lower() not in ANSWERS:
        raise BadRow(f"'answer' is {shown(answer)}: write pass or fail")
    coherent, refused = flag(said, "coherent"), flag(said, "refused")
    return facts_of_pass(
        ANSWERS[str(answer).lower()],
        arm,
        target,
        coherent=coherent is not False,
        refused=refused is True,
        named=word(said, "detected_concept"),
    )


def _label(
    said: Mapping[str, Any], row: Mapping[str, Any], arm: Arm, target: str | None, judged: bool
) -> row_builders.Said | None:
    if said.get("answer") is None:
        return None
    facts = _facts(said, arm, target)
    named, exposure = word(said, "detected_concept"), word(said, "exposure")
    notes = [note for note in (said.get("reasoning"), row.get("comment")) if isinstance(note, str) and note]
    return row_builders.Said(
        rater=str(said.get("labeler") or "unnamed rater")[:100],
        facts=facts,
        note="\n".join(notes),
        mark=f"detected: {named}" if named is not None and named != facts.concept else "",
        at=moment(said, "timestamp"),
        exposure=None if exposure is None else Exposure(among(exposure, "'exposure'", Exposure)),
        before_verdict=judged,
    )


def _verdict(
    said: Mapping[str, Any], row: Mapping[str, Any], arm: Arm, target: str | None, options: Options
) -> row_builders.Heard:
    places = (said.get("judge"), said.get("judge_model"), said.get("model"), row.get("judge_model"), row.get("judge"))
    named = next((name for name in places if isinstance(name, str) and name), JUDGE)
    judge = _judge(options.judge or named)
    raw = json.dumps(said, ensure_ascii=False, sort_keys=True)
    quote = said.get("reasoning")
    try:
        facts: Facts | None = _facts(said, arm, target)
    except BadRow:
        facts = None
    return row_builders.Heard(judge, facts, raw, quote if isinstance(quote, str) else "", moment(said, "timestamp"))


@lru_cache(maxsize=1024)
def _judge(name: str) -> Any:
    return row_builders.judge_version(NAME, name)
