"""Records shared by all rooms: conditions, trials, verdicts, labels. No logic beyond their identity."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from math import isfinite
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from gnomon.data.errors import UnknownNameError
from gnomon.data.label_selection import LabelSelection
from gnomon.data.readings import Readings

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

NONE = "none"
OTHER = "other"
IMPORTED = "imported"
GENERATED = "generated"
"""Source of a trial that `gnomon generate` made."""
LEARNED = "learned"
"""Kinds of judges that were brought along, and that were trained on the labels of the study's train split."""
REPORT = "report"
"""The measure in which a subject reports what it notices, and judges and raters read its answer."""
CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True)


class ArmTable(Protocol):
    """Where arms are declared: `gnomon.data.arms.ARMS`."""

    def __contains__(self, name: object, /) -> bool:
        """Whether an arm has this name."""

    def __iter__(self) -> Iterator[str]:
        """The names, in order."""

    def __len__(self) -> int:
        """How many there are."""

    def find(self, name: str, /) -> object:
        """The arm called `name`; raises `UnknownNameError` with the names there are."""


class _ArmNames(type):
    """Makes the class of arms iterable, as an enumeration is."""

    declarations: ArmTable

    def __iter__(cls) -> Iterator[Arm]:
        return (Arm(name) for name in cls.declarations)

    def __len__(cls) -> int:
        return len(cls.declarations)

    def __contains__(cls, name: object) -> bool:
        return name in cls.declarations


class Arm(str, metaclass=_ArmNames):
    """The name of an arm: what was added to the subject's activations, and what it was asked.

    Injection: the concept's vector; control: nothing; random: a random direction of the same norm; negated: the
    concept's vector with its sign reversed. Mismatched: the vector or nothing, but with a factual question whose
    correct answer is no. Sham: the concept's vector at strength 0; shuffled: its coordinates in random order; swapped:
    another concept's vector, of the same norm. `gnomon.data.arms` declares these and further ones. `list(Arm)` is all
    of them, in order; a name is one object, so that `is` compares.

    Parameters
    ----------
    name : str
        Name of a declared arm.

    Raises
    ------
    UnknownNameError
        No arm has the name; the message lists those there are.
    """

    __slots__ = ()
    INJECTION: ClassVar[Arm]
    CONTROL: ClassVar[Arm]
    RANDOM: ClassVar[Arm]
    NEGATED: ClassVar[Arm]
    MISMATCHED: ClassVar[Arm]

    def __new__(cls, name: str) -> Arm:
        """The arm called `name`."""
        if name not in cls.declarations:
            cls.declarations.find(name)
        return _member_called(name)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        """How pydantic reads an arm: a text that is the name of one."""
        from pydantic_core import core_schema

        written = core_schema.to_string_ser_schema(when_used="json")
        return core_schema.no_info_after_validator_function(_parse_arm, core_schema.str_schema(), serialization=written)


def _member_called(name: str) -> Arm:
    return _MEMBERS.setdefault(str(name), str.__new__(Arm, name))


def _parse_arm(name: str) -> Arm:
    try:
        return Arm(name)
    except UnknownNameError as error:
        raise ValueError(str(error)) from None


_MEMBERS: dict[str, Arm] = {}
Arm.INJECTION, Arm.CONTROL, Arm.RANDOM = (
    _member_called("injection"),
    _member_called("control"),
    _member_called("random"),
)
Arm.NEGATED, Arm.MISMATCHED = _member_called("negated"), _member_called("mismatched")


class _SpanNames(type):
    """Makes the class of spans iterable over those that every protocol has."""

    def __iter__(cls) -> Iterator[Span]:
        return iter(_EVERYWHERE)

    def __len__(cls) -> int:
        return len(_EVERYWHERE)


class Span(str, metaclass=_SpanNames):
    """The name of the positions at which a vector is added.

    Every protocol has `all` (prompt and answer), `generation` (answer only) and `from_marker` (from the protocol's
    marker on); `list(Span)` is these three. A protocol may name further ones: a sentence, a token, an earlier turn.

    Parameters
    ----------
    name : str
        At most 32 lower-case letters, digits and underscores, beginning with a letter.

    Raises
    ------
    ValueError
        The name cannot be one.
    """

    __slots__ = ()
    ALL: ClassVar[Span]
    GENERATION: ClassVar[Span]
    FROM_MARKER: ClassVar[Span]

    def __new__(cls, name: str) -> Span:
        """The span called `name`; one object for each name."""
        if not _SPAN_NAME.fullmatch(name):
            raise ValueError(f"span '{name}': write its name in at most 32 letters a-z, digits and underscores")
        return _SPANS.setdefault(str(name), str.__new__(cls, name))

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        """How pydantic reads a span: a text that can be the name of one."""
        from pydantic_core import core_schema

        written = core_schema.to_string_ser_schema(when_used="json")
        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema(), serialization=written)


_SPAN_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_SPANS: dict[str, Span] = {}
Span.ALL, Span.GENERATION, Span.FROM_MARKER = Span("all"), Span("generation"), Span("from_marker")
_EVERYWHERE = (Span.ALL, Span.GENERATION, Span.FROM_MARKER)


DECLARED_FIELDS = "fields"
"""Key of a protocol's content under which it declares further fields of its trials, such as their language."""
PLACES = ("subject", "concept", "protocol", "date")
"""What every study's trials and verdicts are told apart by; `date` is the day of the verdict (UTC)."""
TRIAL_FIELDS = ("layer", "strength", "span", "measure", "source")
SUBJECT_FIELDS = ("family", "variant")
"""Further fields of every trial: its own, and those of its subject."""
_FIELD_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
LONGEST_FIELD = 100
"""Characters of the longest value of a declared field."""


def check_field(name: str, value: object) -> str | int | float:
    """A declared field's value without white space around it.

    Parameters
    ----------
    name : str
        Name of the field.
    value : object
        A text or a number.

    Raises
    ------
    ValueError
        If the name is taken or no name of a field, or the value is none; the message says what to write.
    """
    if not _FIELD_NAME.fullmatch(name) or name in (
        *PLACES,
        *TRIAL_FIELDS,
        *SUBJECT_FIELDS,
        "arm",
        "study",
        DECLARED_FIELDS,
    ):
        raise ValueError(f"field '{name}': has the name of something else: write its name in letters a-z, 0-9 and _")
    if isinstance(value, str) and 0 < len(value.strip()) <= LONGEST_FIELD:
        return value.strip()
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError(f"field '{name}': write a number, or a text of at most {LONGEST_FIELD} characters")
    return value


class Split(StrEnum):
    """The permitted use of a labelled trial: training a judge, tuning it, or measuring it."""

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
    TOO_LONG = "too_long"
    ERROR = "error"


class LabelKind(StrEnum):
    """A label, the retraction of one (undo), or a flag that the trial needs another rater."""

    LABEL = "label"
    RETRACTION = "retraction"
    FLAG = "flag"


class RaterRole(StrEnum):
    """A rater's label, or the adjudication of raters who disagree."""

    RATER = "rater"
    ADJUDICATOR = "adjudicator"


class RaterKind(StrEnum):
    """Who labels: a person, a language model, or a rule such as a list of keywords. Only people's labels are human."""

    PERSON = "person"
    MODEL = "model"
    RULE = "rule"


def canonical_hash(value: Any, length: int = 32) -> str:
    """SHA-256 of a value's canonical JSON (sorted keys, no spaces, ASCII).

    Parameters
    ----------
    value : object
        Any value that JSON can represent.
    length : int, default 32
        Number of hexadecimal digits to keep, at most 64.
    """
    return hashlib.sha256(CANONICAL.encode(value).encode()).hexdigest()[:length]


def utc_timestamp(after: str = "") -> str:
    """Current time in UTC, ISO 8601 with microseconds: sorts as text and is the same on every database.

    If the clock is not later than `after` (another such time), the result is `after` plus one microsecond; an `after`
    that is not a time is ignored.
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
    """Everything that is constant over the replicates of a trial.

    `protocol` and `vector` are hashes (of the prompt, and of the recipe of the vector); `concept` in the control arm is
    None unless an imported study paired its controls; `seed` is the study's.
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
    """Split of a trial, determined by the hash of its id alone.

    Parameters
    ----------
    trial_id : str
        Id of the trial.
    test : float, default 0.4
        Share of trials in the test split, 0 to 1.
    dev : float, default 0.3
        Share of trials in the dev split; the rest is the train split.
    """
    place = int(canonical_hash(["split", trial_id], 13), 16) / 16**13
    if place < test:
        return Split.TEST
    return Split.DEV if place < test + dev else Split.TRAIN


@dataclass(frozen=True, slots=True)
class Trial:
    """One answer of one subject under one condition.

    `depth` is (layer + 1) / number of layers, in (0, 1]; `magnitude` is strength times the vector's norm. `error` says
    why a trial gave no answer; such trials are excluded from all counts. `measure` is what was asked
    (`gnomon.data.arms.measures`); `readings` what was read from the subject's logits, by the name of the place;
    `thinking` what it wrote on a channel of its own before the answer.
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
    source: str = GENERATED
    error: str | None = None
    code_version: str = ""
    created_at: str = ""
    measure: str = REPORT
    readings: Readings | None = None
    thinking: str | None = None


class FurtherFacts(Mapping[str, bool]):
    """Answers on registered facts beyond the first four, by name; hashable. A fact that was not asked is absent."""

    __slots__ = ("_answers",)

    def __init__(self, answers: Mapping[str, bool] | None = None) -> None:
        self._answers = dict(sorted((answers or {}).items()))

    def __getitem__(self, name: str) -> bool:
        """The answer on a fact."""
        return self._answers[name]

    def __iter__(self) -> Iterator[str]:
        """Names, sorted."""
        return iter(self._answers)

    def __len__(self) -> int:
        """How many were answered."""
        return len(self._answers)

    def __hash__(self) -> int:
        """Equal answers, equal hash."""
        return hash(tuple(self._answers.items()))

    def __repr__(self) -> str:
        """As it is written in Python."""
        return f"FurtherFacts({self._answers})"


NO_FURTHER = FurtherFacts()


@dataclass(frozen=True, slots=True)
class Facts:
    """What a judge or a rater reports; the outcome is derived from it (`data.outcomes`).

    `concept` is a name from the study's closed list, `none` or `other`. `passed` is the answer to the study's own
    pass-or-fail question, asked with knowledge of the condition; None if only the blind questions were asked. `further`
    are the registered facts beyond these (`data.facts`).
    """

    claims: bool
    concept: str
    coherent: bool
    refused: bool
    passed: bool | None = None
    further: FurtherFacts = NO_FURTHER


@dataclass(frozen=True, slots=True)
class JudgeVersion:
    """A judge at the time of its verdicts: model, rubric, few-shot examples and sampling, hashed into `version`."""

    version: str
    name: str
    kind: str
    config: Mapping[str, object]


SCORE = "score"
"""Name of the single score of a pass (imported, or of the informed rubric): the higher, the surer of a pass."""
ABOUT = "about "
"""Beginning of the name of the score P(yes) of the question whether the claim is about a concept."""
NAMES = "names "
"""Beginning of the name of the probability that the answer on `concept` is a name of the closed list, none or other."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One judge version's verdict on one trial. `facts` is None unless `state` is ok; `raw` is always kept.

    `scores` is what a judge that grades gave, unrounded, by name: P(yes) of a question, such as `claims`, the
    probability of a name of the closed list (`NAMES`), or the score (`SCORE`) of the source that it was imported from,
    or of a pass. None of a judge that only decides.
    """

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
    scores: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class LabelPolicy:
    """A guideline by which raters label: its text, and the name that people know it by."""

    name: str
    text: str
    created_at: str = ""

    @property
    def hash(self) -> str:
        """The same text is the same policy, under whatever name."""
        return canonical_hash(["label policy", self.text], 16)


LONGEST_NOTE = 100_000
"""Characters of the longest note that is stored with a label."""


@dataclass(frozen=True, slots=True)
class Label:
    """One event of one rater on one trial; never overwritten.

    `revision` counts this rater's events on this trial from 0; `stratum` and `probability` say by which queue
    and with what inclusion probability in that call the trial was chosen (1 where every trial was labelled);
    `selection` which judges took part in the choice and the inclusion probability over all calls, None if unknown;
    `rater_kind` what the rater is, None if it was not recorded (then the name tells: `gnomon.data.raters`); `policy`
    the hash of the guideline that the rater followed (`LabelPolicy`), "" if none was recorded; `undecided` the names of
    facts on which either answer would be right by the rater, who gives one in `facts` all the same.
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
    selection: LabelSelection | None = None
    rater_kind: RaterKind | None = None
    created_at: str = ""
    policy: str = ""
    undecided: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CountRow:
    """Counts of `n` trials of one subject and arm, or of one cell of an arm, by outcome. No trial is in two outcomes.

    Attributes
    ----------
    source : str
        Where the counts are from; the same cell can be there once by source.
    subject : str
        Name of the model.
    arm : Arm
        Arm of the trials.
    n : int
        Number of trials.
    refused, incoherent, misnamed : int or None
        Refusals, incoherent answers, claims that do not name the injected concept; None where the source does not count
        them. What is neither of these nor the event is the rest: denials and all that was not counted by itself.
    event : int
        Trials with the event of the arm (`ArmSpec.event`).
    concept, layer, depth, strength, span, protocol : optional
        The cell, as far as the source divides its trials by it; `depth` is as in `Trial`.
    measure : str
        What was asked, as in `Trial`. Of one other than a report, the event is the right answer.
    chance : float or None
        Probability of the event for a subject that guesses, in (0, 1); None where guessing has none.
    """

    source: str
    subject: str
    arm: Arm
    n: int
    refused: int | None
    event: int
    concept: str | None = None
    layer: int | None = None
    depth: float | None = None
    strength: float | None = None
    span: str | None = None
    protocol: str | None = None
    incoherent: int | None = None
    misnamed: int | None = None
    measure: str = REPORT
    chance: float | None = None

    @property
    def cell(self) -> str:
        """Hash of the cell; "" for a whole arm of reports."""
        return count_cell(self.concept, self.layer, self.strength, self.span, self.protocol, measure=self.measure)


def count_cell(*axes: str | float | None, measure: str = REPORT) -> str:
    """Hash of the axes by which counts are divided; "" without any.

    Parameters
    ----------
    *axes : str or float or None
        The axes in the order of `CountRow`, `depth` left out.
    measure : str, default "report"
        What was asked; of reports it is left out of the hash.
    """
    told = [float(axis) if isinstance(axis, int | float) else axis for axis in axes]
    told += [] if measure == REPORT else [measure]
    return "" if all(axis is None for axis in told) else canonical_hash(["counted cell", told])


@dataclass(frozen=True, slots=True)
class IntervalEstimate:
    """A point estimate with its interval. `level` is the nominal coverage; `se` is NaN if no standard error is
    defined.
    """

    value: float
    low: float
    high: float
    se: float
    level: float
    method: str
