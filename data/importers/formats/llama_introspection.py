"""llama-introspection (CSV): trials with interventions, read by one automatic grader; no human labels."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

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
    parse_number,
    parse_rows,
    parse_word,
    required_value,
)
from gnomon.data.importers.options import ImportOptions
from gnomon.data.importers.text_files import Rows, csv_rows
from gnomon.data.records import Arm, Facts, JudgeVersion

NAME = "llama-introspection"
GRADER = "llama-introspection-grader"
NEEDED = ("intervention", "response", "trial", "affirmative", "coherent")
SAID = ("refusal", "affirmative", "correct_id", "early_detection", "coherent", "grader_reasoning")
SCALE = (
    "intervention 'scale': it multiplies the residual stream and injects neither a concept nor a direction, "
    "so it belongs to no arm of this study"
)


def read_files(
    paths: Sequence[Path], options: ImportOptions, report: ImportReport
) -> Iterator[row_builders.ImportedRow]:
    """Rows of all files; the subject is named by the file's stem, or by `options.subject`.

    Parameters
    ----------
    paths : sequence of Path
        CSV files.
    options : ImportOptions
        `subject`, `parameters` and `judge` give what the files do not name.
    report : ImportReport
        Receives the rows that cannot be imported.

    Raises
    ------
    InputError
        If a file lacks a required column.
    """
    for path in paths:
        subject = row_builders.subject_named(options.subject or path.stem, options.parameters)
        yield from parse_rows(
            _rows_with_arm(path, report), partial(_parse_row, subject=subject, options=options), report
        )


def _rows_with_arm(path: Path, report: ImportReport) -> Rows:
    """The file's rows without those whose intervention belongs to no arm."""
    for place, row in csv_rows(path, report):
        if absent := [name for name in NEEDED if name not in row]:
            raise InputError(f"{path}: has no column '{absent[0]}': it has {', '.join(row)}")
        if str(row["intervention"]).strip().lower() == "scale":
            report.add_exclusion(place, SCALE)
        else:
            yield place, row


def _parse_row(
    place: SourceLocation, row: Mapping[str, str], subject: Any, options: ImportOptions
) -> row_builders.ImportedRow:
    arm, target = arm_of(row["intervention"], "intervention"), parse_word(row, "concept")
    if arm is Arm.INJECTION and target is None:
        raise RowError("'concept' is empty in a concept trial: name what was injected")
    layer, strength = layer_of(row, "intervention_layer"), parse_number(row, "strength")
    said = _make_protocol(_prompt_text(row))
    trial = row_builders.imported_trial(
        NAME,
        [arm, target, layer, strength, limit_text(row["trial"], "trial", 200)],
        subject=subject,
        protocol=said,
        arm=arm,
        answer=str(required_value(row, "response")),
        concept=target,
        layer=layer,
        strength=strength,
        magnitude=_parse_magnitude(row),
    )
    return row_builders.ImportedRow(place, trial.id, trial, subject, said, _parse_verdicts(row, arm, target, options))


def _prompt_text(row: Mapping[str, str]) -> str:
    """The text before the answer: the messages as formatted by the subject's chat template."""
    whole, answer = row.get("full_text") or "", row["response"]
    end = whole.rfind(answer) if answer else len(whole)
    return whole[:end].rstrip() if end >= 0 else ""


@lru_cache(maxsize=1024)
def _make_protocol(prompt: str) -> row_builders.ImportedProtocol:
    return row_builders.imported_protocol(
        NAME, "trial", messages=[{"role": "prompt", "content": prompt}] if prompt else []
    )


def _parse_magnitude(row: Mapping[str, str]) -> float | None:
    moved = parse_number(row, "l2_distance")
    return None if moved is None else abs(moved)


def _parse_verdicts(
    row: Mapping[str, str], arm: Arm, target: str | None, options: ImportOptions
) -> tuple[row_builders.ImportedVerdict, ...]:
    kept = {name: row[name] for name in SAID if name in row}
    if all(is_empty(value) for value in kept.values()):
        return ()
    facts: Facts | None = None
    reason = ""
    try:
        flags = {name: parse_bool(row, name) for name in ("affirmative", "correct_id", "coherent", "refusal")}
        claimed = row_builders.facts_of_claim(
            flags["affirmative"],
            flags["correct_id"],
            target,
            arm=arm,
            coherent=flags["coherent"],
            refused=flags["refusal"],
        )
        facts = row_builders.with_timing(claimed, row.get("early_detection"))
    except RowError as error:
        reason = str(error)
    raw = json.dumps(kept, ensure_ascii=False, sort_keys=True)
    return (
        row_builders.ImportedVerdict(
            _judge_version(options.judge or GRADER), facts, raw, kept.get("grader_reasoning", ""), reason=reason
        ),
    )


@lru_cache(maxsize=1024)
def _judge_version(name: str) -> JudgeVersion:
    return row_builders.judge_version(NAME, name)
