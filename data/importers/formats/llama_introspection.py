"""llama-introspection (CSV): trials with interventions, read by one grader; no human label."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from gnomon.data.errors import BadInput
from gnomon.data.importers import row_builders
from gnomon.data.importers.field_parsers import (
    BadRow,
    Place,
    Report,
    arm_of,
    empty,
    flag,
    layer_of,
    needed,
    number,
    short,
    taken,
    word,
)
from gnomon.data.importers.options import Options
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


def read(paths: Sequence[Path], options: Options, report: Report) -> Iterator[row_builders.Row]:
    """Rows of all files; the subject is the file's name without its ending, or `options.subject`."""
    for path in paths:
        subject = row_builders.subject_named(options.subject or path.stem, options.parameters)
        yield from taken(_injected(path, report), partial(_row, subject=subject, options=options), report)


def _injected(path: Path, report: Report) -> Rows:
    """The file's rows but for those whose intervention belongs to no arm."""
    for place, row in csv_rows(path, report):
        if absent := [name for name in NEEDED if name not in row]:
            raise BadInput(f"{path}: has no column '{absent[0]}': it has {', '.join(row)}")
        if row["intervention"].strip().lower() == "scale":
            report.leave_out(place, SCALE)
        else:
            yield place, row


def _row(place: Place, row: Mapping[str, str], subject: Any, options: Options) -> row_builders.Row:
    arm, target = arm_of(row["intervention"], "intervention"), word(row, "concept")
    if arm is Arm.INJECTION and target is None:
        raise BadRow("'concept' is empty in a concept trial: name what was injected")
    layer, strength = layer_of(row, "intervention_layer"), number(row, "strength")
    said = _protocol(_prompt(row))
    trial = row_builders.trial(
        NAME,
        [arm, target, layer, strength, short(row["trial"], "trial", 200)],
        subject=subject,
        protocol=said,
        arm=arm,
        answer=str(needed(row, "response")),
        concept=target,
        layer=layer,
        strength=strength,
        magnitude=_magnitude(row),
    )
    return row_builders.Row(place, trial.id, trial, subject, said, _verdicts(row, target, options))


def _prompt(row: Mapping[str, str]) -> str:
    """What stands before the answer in the whole text: the messages as the subject's template wrote them."""
    whole, answer = row.get("full_text") or "", row["response"]
    end = whole.rfind(answer) if answer else len(whole)
    return whole[:end].rstrip() if end >= 0 else ""


@lru_cache(maxsize=1024)
def _protocol(prompt: str) -> row_builders.Protocol:
    return row_builders.protocol(NAME, "trial", messages=[{"role": "prompt", "content": prompt}] if prompt else [])


def _magnitude(row: Mapping[str, str]) -> float | None:
    moved = number(row, "l2_distance")
    return None if moved is None else abs(moved)


def _verdicts(row: Mapping[str, str], target: str | None, options: Options) -> tuple[row_builders.Heard, ...]:
    kept = {name: row[name] for name in SAID if name in row}
    if all(empty(value) for value in kept.values()):
        return ()
    try:
        flags = {name: flag(row, name) for name in ("affirmative", "correct_id", "coherent", "refusal")}
        facts: Facts | None = row_builders.facts_of_claim(
            flags["affirmative"],
            flags["correct_id"],
            target,
            coherent=flags["coherent"],
            refused=flags["refusal"],
        )
    except BadRow:
        facts = None
    raw = json.dumps(kept, ensure_ascii=False, sort_keys=True)
    return (row_builders.Heard(_judge(options.judge or GRADER), facts, raw, kept.get("grader_reasoning", "")),)


@lru_cache(maxsize=1024)
def _judge(name: str) -> JudgeVersion:
    return row_builders.judge_version(NAME, name)
