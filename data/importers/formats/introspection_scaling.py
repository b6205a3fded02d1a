"""introspection-scaling (JSON lines): injected, uninjected and random-direction trials with four judge booleans."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

from gnomon.data.importers import row_builders
from gnomon.data.importers.field_parsers import (
    ImportReport,
    RowError,
    SourceLocation,
    arm_of,
    layer_of,
    parse_bool,
    parse_integer,
    parse_number,
    parse_rows,
    parse_text,
    parse_word,
    required_value,
)
from gnomon.data.importers.options import ImportOptions
from gnomon.data.importers.text_files import json_lines
from gnomon.data.records import Arm, Facts, JudgeVersion

NAME = "introspection-scaling"
TIMING = "detects_before_naming"
JUDGE = "introspection-scaling-judge"
FLAGS = ("coherent", "affirmative", TIMING, "correct_identification")


def read_files(
    paths: Sequence[Path], options: ImportOptions, report: ImportReport
) -> Iterator[row_builders.ImportedRow]:
    """Rows of all files.

    Parameters
    ----------
    paths : sequence of Path
        JSON-lines files.
    options : ImportOptions
        `subject`, `parameters` and `judge` give what the rows do not name.
    report : ImportReport
        Receives the rows that cannot be imported.
    """
    for path in paths:
        yield from parse_rows(json_lines(path, report), partial(_parse_row, options=options), report)


def _parse_row(place: SourceLocation, row: Mapping[str, object], options: ImportOptions) -> row_builders.ImportedRow:
    arm, target = arm_of(required_value(row, "condition"), "condition"), parse_word(row, "concept")
    if arm is Arm.INJECTION and target is None:
        raise RowError("'concept' is missing in an injected trial: name what was injected")
    layer, alpha, dose = layer_of(row, "layer"), parse_number(row, "alpha"), parse_number(row, "dose_fraction")
    seed, run = parse_integer(row, "seed"), required_value(row, "trial")
    subject = row_builders.subject_named(_parse_subject(row, options), options.parameters)
    said = _make_protocol()
    trial = row_builders.imported_trial(
        NAME,
        [arm, target, layer, alpha, dose, seed, str(run)],
        subject=subject,
        protocol=said,
        arm=arm,
        answer=parse_text(row, "transcript"),
        concept=target,
        layer=layer,
        strength=alpha if dose is None else dose,
        seed=seed or 0,
        magnitude=alpha,
    )
    return row_builders.ImportedRow(place, trial.id, trial, subject, said, _parse_verdicts(row, arm, target, options))


def _parse_subject(row: Mapping[str, object], options: ImportOptions) -> str:
    if row.get("model_id") is None and options.subject:
        return options.subject
    return parse_text(row, "model_id", 200)


@lru_cache(maxsize=1024)
def _make_protocol() -> row_builders.ImportedProtocol:
    return row_builders.imported_protocol(NAME, "trial")


def _parse_verdicts(
    row: Mapping[str, object], arm: Arm, target: str | None, options: ImportOptions
) -> tuple[row_builders.ImportedVerdict, ...]:
    """The judge's four answers; controls were also judged, against the concept that they are paired with."""
    kept = {name: row[name] for name in (*FLAGS, "success", "parse_error", "raw_judge") if name in row}
    if all(kept.get(name) is None for name in (*FLAGS, "raw_judge")):
        return ()
    facts, reason = None, ""
    try:
        facts = _facts_from_row(row, arm, target)
    except RowError as error:
        reason = str(error)
    raw = json.dumps(kept, ensure_ascii=False, sort_keys=True)
    return (row_builders.ImportedVerdict(_judge_version(options.judge or JUDGE), facts, raw, reason=reason),)


def _facts_from_row(row: Mapping[str, object], arm: Arm, target: str | None) -> Facts:
    if parse_bool(row, "parse_error"):
        raise RowError("the judge's reply could not be parsed")
    coherent, claims, right = (parse_bool(row, name) for name in ("coherent", "affirmative", "correct_identification"))
    facts = row_builders.facts_of_claim(
        claims, right, target, arm=arm, coherent=coherent, refused=parse_bool(row, "refused")
    )
    passed = parse_bool(row, "success") if arm is Arm.INJECTION else None
    return replace(row_builders.with_timing(facts, row.get(TIMING)), passed=passed)


@lru_cache(maxsize=1024)
def _judge_version(name: str) -> JudgeVersion:
    return row_builders.judge_version(NAME, name)
