"""introspection-scaling (JSON lines): injected, uninjected and random-direction trials with four judge booleans."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from gnomon.data.importers import row_builders
from gnomon.data.importers.field_parsers import (
    BadRow,
    Place,
    Report,
    arm_of,
    flag,
    integer,
    layer_of,
    needed,
    number,
    taken,
    text,
    word,
)
from gnomon.data.importers.options import Options
from gnomon.data.importers.text_files import json_lines
from gnomon.data.records import Arm, Facts, JudgeVersion

NAME = "introspection-scaling"
JUDGE = "introspection-scaling-judge"
FLAGS = ("coherent", "affirmative", "detects_before_naming", "correct_identification")


def read(paths: Sequence[Path], options: Options, report: Report) -> Iterator[row_builders.Row]:
    """Rows of all files."""
    for path in paths:
        yield from taken(json_lines(path, report), partial(_row, options=options), report)


def _row(place: Place, row: Mapping[str, Any], options: Options) -> row_builders.Row:
    arm, target = arm_of(needed(row, "condition"), "condition"), word(row, "concept")
    if arm is Arm.INJECTION and target is None:
        raise BadRow("'concept' is missing in an injected trial: name what was injected")
    layer, alpha, dose = layer_of(row, "layer"), number(row, "alpha"), number(row, "dose_fraction")
    seed, run = integer(row, "seed"), needed(row, "trial")
    subject = row_builders.subject_named(_subject(row, options), options.parameters)
    said = _protocol()
    trial = row_builders.trial(
        NAME,
        [arm, target, layer, alpha, dose, seed, str(run)],
        subject=subject,
        protocol=said,
        arm=arm,
        answer=text(row, "transcript"),
        concept=target,
        layer=layer,
        strength=alpha if dose is None else dose,
        seed=seed or 0,
        magnitude=alpha,
    )
    return row_builders.Row(place, trial.id, trial, subject, said, _verdicts(row, arm, target, options))


def _subject(row: Mapping[str, Any], options: Options) -> str:
    if row.get("model_id") is None and options.subject:
        return options.subject
    return text(row, "model_id", 200)


@lru_cache(maxsize=1024)
def _protocol() -> row_builders.Protocol:
    return row_builders.protocol(NAME, "trial")


def _verdicts(row: Mapping[str, Any], arm: Arm, target: str | None, options: Options) -> tuple[row_builders.Heard, ...]:
    """The judge's four answers; controls too were judged against the concept that they are paired with."""
    kept = {name: row[name] for name in (*FLAGS, "success", "parse_error", "raw_judge") if name in row}
    if all(kept.get(name) is None for name in (*FLAGS, "raw_judge")):
        return ()
    facts: Facts | None = None
    if not flag(row, "parse_error"):
        facts = _facts(row, arm, target)
    raw = json.dumps(kept, ensure_ascii=False, sort_keys=True)
    return (row_builders.Heard(_judge(options.judge or JUDGE), facts, raw),)


def _facts(row: Mapping[str, Any], arm: Arm, target: str | None) -> Facts | None:
    try:
        coherent, claims, _, right = (flag(row, name) for name in FLAGS)
        facts = row_builders.facts_of_claim(claims, right, target, coherent=coherent, refused=flag(row, "refused"))
    except BadRow:
        return None
    return replace(facts, passed=flag(row, "success") if arm is Arm.INJECTION else None)


@lru_cache(maxsize=1024)
def _judge(name: str) -> JudgeVersion:
    return row_builders.judge_version(NAME, name)
