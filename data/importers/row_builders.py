"""What an importer makes of a row: a trial with its subject and protocol, verdicts of judges, labels of raters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gnomon.data.importers.field_parsers import RowError, SourceLocation, limit_text, parse_bool, parse_word
from gnomon.data.records import (
    IMPORTED,
    NONE,
    OTHER,
    Arm,
    Condition,
    Exposure,
    Facts,
    JudgeVersion,
    RaterRole,
    Span,
    Subject,
    Trial,
    VerdictState,
    canonical_hash,
)

UNKNOWN_SIZE = 1.0
FLAGS = ("claims", "coherent", "refused", "passed")
PAIR = "pair"
_SIZE = re.compile(r"(?:(\d+)x)?(\d+(?:\.\d+)?)([bm])", re.IGNORECASE)
_UNITS = {"b": 1e9, "m": 1e6}
_EARLY = ("coder", "math", "code", "vl", "instruct", "chat", "base", "distill")
_SAME = {"it": "instruct"}


@dataclass(frozen=True, slots=True)
class ImportedProtocol:
    """What was said to the subject, as far as the source tells."""

    hash: str
    name: str
    content: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ImportedVerdict:
    """One judge's verdict in a row; `facts` is None where the judge's answer cannot be used."""

    judge: JudgeVersion
    facts: Facts | None
    raw: str
    quote: str = ""
    at: str = ""

    @property
    def state(self) -> VerdictState:
        """Only facts make a verdict that counts."""
        return VerdictState.UNPARSABLE if self.facts is None else VerdictState.OK


@dataclass(frozen=True, slots=True)
class ImportedLabel:
    """One rater's label in a row.

    `exposure` is None where the source does not say. `before_verdict`: the row holds this label as it stood
    when the row's verdict was made. `exact`: two labels at one instant contradict each other, because the source
    gives each its own time. `mark` is what the source says beyond the facts, and part of the label.
    """

    rater: str
    facts: Facts
    note: str = ""
    mark: str = ""
    at: str = ""
    exposure: Exposure | None = None
    before_verdict: bool = False
    exact: bool = False
    role: RaterRole = RaterRole.RATER
    stratum: str = "all"
    probability: float = 1.0


@dataclass(frozen=True, slots=True)
class ImportedRow:
    """One row of a source. `trial` is None where it speaks of a trial that the study has, by `trial_id`."""

    place: SourceLocation
    trial_id: str
    trial: Trial | None
    subject: Subject | None
    protocol: ImportedProtocol | None
    verdicts: tuple[ImportedVerdict, ...] = ()
    labels: tuple[ImportedLabel, ...] = ()


def imported_protocol(source: str, name: str, **content: Any) -> ImportedProtocol:
    """A protocol of an imported study, under the hash of all that is known of it."""
    known = {"source": source, "name": name, **content}
    return ImportedProtocol(
        canonical_hash(["imported protocol", known]), limit_text(f"{source} {name}".strip(), "protocol", 100), known
    )


def judge_version(source: str, name: str, **config: Any) -> JudgeVersion:
    """A judge of an imported study: its version is the hash of what is known of it."""
    known = {"source": source, "name": limit_text(name, "judge", 100), **config}
    return JudgeVersion(canonical_hash(["imported judge", known]), known["name"], IMPORTED, known)


@lru_cache(maxsize=1024)
def subject_named(name: str, parameters: float | None = None) -> Subject:
    """A subject by its model's name: size, family and variant are read from it (Qwen2.5-14B, Llama-3.1 1B).

    `parameters` stands in where the name tells no size; without it the size is `UNKNOWN_SIZE`.
    """
    name = limit_text(name, "subject", 200)
    words = [part for part in re.split(r"[-_ :]+", name.rsplit("/", 1)[-1]) if part]
    place = next((number for number, part in enumerate(words) if _SIZE.fullmatch(part)), None)
    early = words if place is None else words[:place]
    family = "-".join(part for part in early if part.lower() not in _EARLY) or "unknown"
    rest = [part for part in early if part.lower() in _EARLY] + ([] if place is None else words[place + 1 :])
    variant = "-".join(_SAME.get(part.lower(), part.lower()) for part in rest) or "base"
    size = parameters or UNKNOWN_SIZE if place is None else _parameters_in_name(words[place])
    return Subject(name, size, family[:100], variant[:100])


def _parameters_in_name(part: str) -> float:
    found = _SIZE.fullmatch(part)
    assert found is not None
    return int(found[1] or 1) * float(found[2]) * _UNITS[found[3].lower()]


def imported_trial(
    source: str,
    key: Any,
    *,
    subject: Subject,
    protocol: ImportedProtocol,
    arm: Arm,
    answer: str,
    concept: str | None = None,
    layer: int | None = None,
    strength: float | None = None,
    span: Span = Span.GENERATION,
    seed: int = 0,
    magnitude: float | None = None,
    depth: float | None = None,
    finish: str = "",
    tokens: int = 0,
    error: str | None = None,
    at: str = "",
) -> Trial:
    """A trial of an imported study.

    Its replicate number and study seed are the hash of format and source key, 94 bits, so that its id depends
    neither on the file that it came in nor on its place there, and no two keys meet. Nothing is added in the control
    arm: layer and strength are dropped, a concept that the source pairs with the control is kept.
    """
    nothing, hashed = arm is Arm.CONTROL, canonical_hash([source, key], 24)
    condition = Condition(
        subject=subject.name,
        revision="",
        arm=arm,
        concept=concept,
        layer=None if nothing else layer,
        strength=0.0 if nothing or strength is None else strength + 0.0,  # never -0.0, which SQLite cannot keep
        span=span,
        protocol=protocol.hash,
        vector=None,
        seed=int(hashed[8:], 16) >> 1,
    )
    replicate = int(hashed[:8], 16) >> 1
    return Trial(
        id=condition.trial_id(replicate),
        condition=condition,
        replicate=replicate,
        seed=seed,
        answer=answer,
        finish=finish[:16],
        tokens=tokens,
        depth=None if nothing else depth,
        magnitude=None if nothing else magnitude,
        source=source,
        error=error,
        created_at=at,
    )


def facts_from_fields(told: Mapping[str, Any]) -> Facts:
    """Facts that a source reports one by one (`FLAGS` and concept); `claims` is there. Raises `RowError`."""
    claims, coherent, refused, passed = (parse_bool(told, name) for name in FLAGS)
    concept = parse_word(told, "concept") or (OTHER if claims else NONE)
    return Facts(bool(claims), concept, coherent is not False, bool(refused), passed)


def facts_of_claim(
    claims: bool | None, right: bool | None, target: str | None, *, coherent: bool | None, refused: bool | None
) -> Facts:
    """Facts of a judge that says whether the answer claims and whether it names the right concept.

    Raises `RowError` where it did not say what facts need.
    """
    for name, value in (("affirmative", claims), ("coherent", coherent)):
        if value is None:
            raise RowError(f"'{name}' is empty: the judge's answer cannot be used")
    concept = target if right and target else OTHER if claims else NONE
    return Facts(bool(claims), concept, bool(coherent), bool(refused))
