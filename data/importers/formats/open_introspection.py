"""open-introspection (JSON lines): trials with a human label and, in calibration files, the judge's verdict."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from gnomon.data.importers import row_builders
from gnomon.data.importers.field_parsers import (
    ImportReport,
    RowError,
    SourceLocation,
    is_empty,
    layer_of,
    limit_text,
    parse_bool,
    parse_integer,
    parse_number,
    parse_row_id,
    parse_rows,
    parse_text,
    parse_timestamp,
    parse_word,
    quote_value,
    require_one_of,
    required_value,
)
from gnomon.data.importers.options import ImportOptions
from gnomon.data.importers.text_files import json_lines, parse_json
from gnomon.data.outcomes import facts_from_pass_fail
from gnomon.data.raters import JUDGE_PREFIX
from gnomon.data.records import Arm, Exposure, Facts, Span

NAME = "open-introspection"
JUDGE = "open-introspection-judge"
SPANS = {"generation": Span.GENERATION, "all": Span.ALL, "from_marker": Span.FROM_MARKER}
ANSWERS = {"pass": True, "fail": False}


def read_files(
    paths: Sequence[Path], options: ImportOptions, report: ImportReport
) -> Iterator[row_builders.ImportedRow]:
    """Rows of all files. Files with verdicts come first: they hold the labels as they were before the verdicts.

    Parameters
    ----------
    paths : sequence of Path
        JSON-lines files.
    options : ImportOptions
        `subject`, `parameters` and `judge` give what the rows do not name.
    report : ImportReport
        Receives the rows that cannot be imported.
    """
    for path in sorted(paths, key=lambda path: not _has_verdicts(path)):
        yield from parse_rows(json_lines(path, report), partial(_parse_row, options=options), report)


def _has_verdicts(path: Path) -> bool:
    rows = json_lines(path, ImportReport())
    return "_calibration" in path.stem or any(row.get("judge_result") is not None for _, row in rows)


@lru_cache(maxsize=1024)
def _make_protocol(version: str) -> row_builders.ImportedProtocol:
    return row_builders.imported_protocol(NAME, version, prompt_version=version)


def _parse_row(place: SourceLocation, row: Mapping[str, object], options: ImportOptions) -> row_builders.ImportedRow:
    config = _require_mapping(row, "config") or {}
    injected, target = parse_bool(row, "was_injected"), parse_word(row, "concept")
    if injected is None:
        raise RowError("'was_injected' is missing or null: write true or false")
    arm = Arm.INJECTION if injected else Arm.CONTROL
    if injected and target is None:
        raise RowError("'concept' is missing in an injected trial: name what was injected")
    judged, labelled = _require_mapping(row, "judge_result"), _require_mapping(row, "label")
    by_judge = labelled is not None and str(labelled.get("labeler") or "").lower().startswith(JUDGE_PREFIX)
    label = _parse_label(labelled, row, arm, target, judged is not None) if labelled and not by_judge else None
    subject = row_builders.subject_named(_parse_subject(config, row, options), options.parameters)
    said = _make_protocol(str(config.get("prompt_version") or "unknown"))
    trial = row_builders.imported_trial(
        NAME,
        parse_row_id(row, "id"),
        subject=subject,
        protocol=said,
        arm=arm,
        answer=parse_text(row, "response"),
        concept=target,
        layer=layer_of(config, "layer"),
        strength=parse_number(config, "strength"),
        span=_parse_span(config),
        seed=parse_integer(config, "seed") or 0,
        magnitude=parse_number(config, "magnitude"),
        at=parse_timestamp(row, "timestamp"),
    )
    verdicts = [_parse_verdict(judged, row, arm, target, options)] if judged else []
    if labelled and by_judge and (told := _verdict_of_labeler(labelled, arm, target)) is not None:
        verdicts += [told] if all(each.judge != told.judge for each in verdicts) else []
    return row_builders.ImportedRow(place, trial.id, trial, subject, said, tuple(verdicts), (label,) if label else ())


def _require_mapping(row: Mapping[str, object], name: str) -> Mapping[str, object] | None:
    """An object within the row, or one given as JSON text; None if the field is empty."""
    value = row.get(name)
    if is_empty(value):
        return None
    if isinstance(value, str):
        try:
            value = parse_json(value)
        except RowError as error:
            raise RowError(f"'{name}' is text that {error}") from None
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise RowError(f"'{name}' is {quote_value(value)}: write an object")
    return value


def _parse_subject(config: Mapping[str, object], row: Mapping[str, object], options: ImportOptions) -> str:
    name = config.get("model") or row.get("model") or options.subject
    if not isinstance(name, str):
        raise RowError("'config.model' is missing: name the model there, or with --subject")
    return name


def _parse_span(config: Mapping[str, object]) -> Span:
    return SPANS[require_one_of(config.get("inject_style") or "generation", "'inject_style'", SPANS)]


def _facts_from_label(said: Mapping[str, object], arm: Arm, target: str | None) -> Facts:
    answer = required_value(said, "answer")
    if str(answer).lower() not in ANSWERS:
        raise RowError(f"'answer' is {quote_value(answer)}: write pass or fail")
    coherent, refused = parse_bool(said, "coherent"), parse_bool(said, "refused")
    return facts_from_pass_fail(
        ANSWERS[str(answer).lower()],
        arm,
        target,
        coherent=coherent is not False,
        refused=refused is True,
        named=parse_word(said, "detected_concept"),
    )


def _parse_label(
    said: Mapping[str, object], row: Mapping[str, object], arm: Arm, target: str | None, judged: bool
) -> row_builders.ImportedLabel | None:
    if said.get("answer") is None:
        return None
    facts = _facts_from_label(said, arm, target)
    named, exposure = parse_word(said, "detected_concept"), parse_word(said, "exposure")
    notes = [note for note in (said.get("reasoning"), row.get("comment")) if isinstance(note, str) and note]
    return row_builders.ImportedLabel(
        rater=str(said.get("labeler") or "unnamed rater")[:100],
        facts=facts,
        note="\n".join(notes),
        mark=f"detected: {named}" if named is not None and named != facts.concept else "",
        at=parse_timestamp(said, "timestamp"),
        exposure=None if exposure is None else Exposure(require_one_of(exposure, "'exposure'", Exposure)),
        before_verdict=judged,
    )


def _parse_verdict(
    said: Mapping[str, object], row: Mapping[str, object], arm: Arm, target: str | None, options: ImportOptions
) -> row_builders.ImportedVerdict:
    places = (said.get("judge"), said.get("judge_model"), said.get("model"), row.get("judge_model"), row.get("judge"))
    named = next((name for name in places if isinstance(name, str) and name), JUDGE)
    judge = _judge_version(options.judge or named)
    raw = json.dumps(said, ensure_ascii=False, sort_keys=True)
    quote = said.get("reasoning")
    try:
        facts: Facts | None = _facts_from_label(said, arm, target)
    except RowError:
        facts = None
    return row_builders.ImportedVerdict(
        judge, facts, raw, quote if isinstance(quote, str) else "", parse_timestamp(said, "timestamp")
    )


def _verdict_of_labeler(
    said: Mapping[str, object], arm: Arm, target: str | None
) -> row_builders.ImportedVerdict | None:
    """The verdict of a labeler called `judge:NAME`; None if the label is empty."""
    if said.get("answer") is None:
        return None
    name = limit_text(str(said["labeler"])[len(JUDGE_PREFIX) :].strip() or JUDGE, "labeler", 100)
    raw, quote = json.dumps(said, ensure_ascii=False, sort_keys=True), said.get("reasoning")
    facts, at = _facts_from_label(said, arm, target), parse_timestamp(said, "timestamp")
    return row_builders.ImportedVerdict(_judge_version(name), facts, raw, quote if isinstance(quote, str) else "", at)


@lru_cache(maxsize=1024)
def _judge_version(name: str) -> Any:
    return row_builders.judge_version(NAME, name)
