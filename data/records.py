"""The facts that travel between rooms: conditions, trials, verdicts, labels. No logic but their identity."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

NONE = "none"
OTHER = "other"
IMPORTED = "imported"
CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True)


class Arm(StrEnum):
    """What was added to the subject, and what it was asked.

    The concept's vector, nothing, a random direction of the same norm, the concept's vector with its sign turned; or
    (`mismatched`) the vector or nothing, but asked a question of fact whose answer is no.
    """

    INJECTION = "injection"
    CONTROL = "control"
    RANDOM = "random"
    NEGATED = "negated"
    MISMATCHED = "mismatched"

    @property
    def is_judged(self) -> bool:
        """Whether its answers are about what the subject notices, so that judges and raters can read them."""
        return self is not Arm.MISMATCHED


class Span(StrEnum):
    """Where the vector is added: prompt and answer, answer only, or from the protocol's marker on."""

    ALL = "all"
    GENERATION = "generation"
    FROM_MARKER = "from_marker"


class Split(StrEnum):
    """Which use of a labelled trial is allowed: teaching a judge, tuning it, or measuring it."""

    TRAIN = "train"
    DEV = "dev"
    TEST = "test"


class Exposure(StrEnum):
    """What the rater had seen when labelling."""

    BLIND = "blind"
    AFTER_VERDICT = "after_verdict"
    UNKNOWN = "unknown"


class VerdictState(StrEnum):
    """How a judge's call ended; only `ok` counts as a verdict."""

    OK = "ok"
    UNPARSABLE = "unparsable"
    REFUSED = "refused"
    TRUNCATED = "truncated"
    ERROR = "error"


class LabelKind(StrEnum):
    """A label, the withdrawal of one (undo), or a mark that the trial needs somebody else's eyes."""

    LABEL = "label"
    RETRACTION = "retraction"
    FLAG = "flag"


class RaterRole(StrEnum):
    """A rater's label, or the adjudication of raters who disagree."""

    RATER = "rater"
    ADJUDICATOR = "adjudicator"


def canonical_hash(value: Any, length: int = 32) -> str:
    """Hash of a JSON-able value in canonical form, as `length` hexadecimal digits of SHA-256."""
    return hashlib.sha256(CANONICAL.encode(value).encode()).hexdigest()[:length]


def utc_timestamp(after: str = "") -> str:
    """Current time, UTC, ISO 8601 with microseconds: sorts as text and is the same on every database.

    Later than `after`, another such time, even where the clock was set back in between; what is no time is ignored.
    """
    moment = _iso_format(datetime.now(UTC))
    if moment > after:
        return moment
    try:
        return _iso_format(datetime.fromisoformat(after) + timedelta(microseconds=1))
    except (ValueError, OverflowError):
        return moment


def _iso_format(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")


@dataclass(frozen=True, slots=True)
class Subject:
    """A model that is steered and questioned. `parameters` is a count, `revision` a hash of its weights."""

    name: str
    parameters: float
    family: str
    variant: str
    revision: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """All that is held fixed over the replicates of a trial.

    `protocol` and `vector` are hashes (what was said, and by which recipe the vector was made); `concept` in
    the control arm is None unless an imported study paired its controls; `seed` is the study's.
    """

    subject: str
    revision: str
    arm: Arm
    concept: str | None
    layer: int | None
    strength: float
    span: Span
    protocol: str
    vector: str | None
    seed: int

    def trial_id(self, replicate: int) -> str:
        """Identity of one trial: the same condition and replicate give the same id everywhere."""
        return canonical_hash({**{name: getattr(self, name) for name in self.__slots__}, "replicate": replicate})


def trial_seed(trial_id: str) -> int:
    """Seed of a trial's sampling noise, 63 bits, from its id: independent of batch, order and neighbours."""
    return int(trial_id[:16], 16) >> 1


def split_of(trial_id: str, test: float = 0.4, dev: float = 0.3) -> Split:
    """Split of a trial by the hash of its id: `test`, then `dev`, then the rest to train."""
    place = int(canonical_hash(["split", trial_id], 13), 16) / 16**13
    if place < test:
        return Split.TEST
    return Split.DEV if place < test + dev else Split.TRAIN


@dataclass(frozen=True, slots=True)
class Trial:
    """One answer of one subject under one condition.

    `depth` is (layer + 1) / layers of the subject, in (0, 1]; `magnitude` is strength times the vector's norm.
    `error` says why a trial gave no answer; such a trial counts nowhere.
    """

    id: str
    condition: Condition
    replicate: int
    seed: int
    answer: str
    finish: str
    tokens: int
    depth: float | None = None
    magnitude: float | None = None
    source: str = "generated"
    error: str | None = None
    code_version: str = ""
    created_at: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a judge or a rater reports; code derives the outcome from it (`data.outcomes`).

    `concept` is a name from the study's closed list, `none` or `other`. `passed` is the answer to the study's own
    question (pass or fail, told the condition) where that was asked; None where only the blind facts were.
    """

    claims: bool
    concept: str
    coherent: bool
    refused: bool
    passed: bool | None = None


@dataclass(frozen=True, slots=True)
class JudgeVersion:
    """A judge as it was when it spoke: model, rubric, few-shot set and sampling, hashed into `version`."""

    version: str
    name: str
    kind: str
    config: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one judge version said of one trial. `facts` is None unless `state` is ok; `raw` is kept in any case."""

    trial: str
    judge: str
    facts: Facts | None
    state: VerdictState = VerdictState.OK
    sample: int = 0
    quote: str = ""
    raw: str = ""
    seconds: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    created_at: str = ""


@dataclass(frozen=True, slots=True)
class Label:
    """One event of one rater on one trial; never overwritten.

    `revision` counts this rater's events on this trial from 0; `stratum` and `probability` say by which queue
    and with what inclusion probability the trial was chosen (1 where every trial was labelled).
    """

    trial: str
    rater: str
    facts: Facts | None
    kind: LabelKind = LabelKind.LABEL
    role: RaterRole = RaterRole.RATER
    revision: int = 0
    exposure: Exposure = Exposure.BLIND
    note: str = ""
    stratum: str = "all"
    probability: float = 1.0
    created_at: str = ""


@dataclass(frozen=True, slots=True)
class CountRow:
    """Published counts of one subject and arm: `event` and `refused` of `n` trials, event among the engaged."""

    source: str
    subject: str
    arm: Arm
    n: int
    refused: int
    event: int


@dataclass(frozen=True, slots=True)
class IntervalEstimate:
    """A figure with its interval. `level` is the interval's nominal coverage; `se` is NaN where none is defined."""

    value: float
    low: float
    high: float
    se: float
    level: float
    method: str
