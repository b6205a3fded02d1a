"""Records that importers build from a row: a trial with its subject and protocol, judges' verdicts, raters' labels."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from itertools import islice, product
from typing import Any

from gnomon.data.arms import ARMS
from gnomon.data.facts import CORE, PASSED, facts_from_answers, recorded_facts, recorded_names
from gnomon.data.importers.field_parsers import (
    WHOLE,
    RowError,
    SourceLocation,
    limit_text,
    parse_bool,
    parse_word,
)
from gnomon.data.readings import Readings
from gnomon.data.records import (
    CANONICAL,
    IMPORTED,
    NONE,
    OTHER,
    REPORT,
    Arm,
    Condition,
    CountRow,
    Exposure,
    Facts,
    FurtherFacts,
    JudgeVersion,
    RaterKind,
    RaterRole,
    Span,
    Subject,
    Trial,
    VerdictState,
    canonical_hash,
)

UNKNOWN_SIZE = 1.0
MOST_SPELLINGS = 40
PAIR = "pair"
_SIZE = re.compile(r"(?:(\d+)x)?(\d+(?:\.\d+)?)([bm])", re.IGNORECASE)
_UNITS = {"b": 1e9, "m": 1e6}
_EARLY = ("coder", "math", "code", "vl", "instruct", "chat", "base", "distill")
_SAME = {"it": "instruct"}


@dataclass(frozen=True, slots=True)
class ImportedProtocol:
    """The prompt of an imported study, as far as the source gives it."""

    hash: str
    name: str
    content: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ImportedVerdict:
    """One judge's verdict in a row; `facts` is None if the judge's answer cannot be used, and `reason` says why.

    `asked` is None where a judge has one verdict on a trial. Where it was asked repeatedly, it is what the source calls
    this time, or '' if it says nothing: then the order of rows decides. `passed_in`: the arm, where the facts
    follow from a pass or fail alone. `scores` is what a judge that grades gave (`gnomon.data.records.Verdict`).
    """

    judge: JudgeVersion
    facts: Facts | None
    raw: str
    quote: str = ""
    at: str = ""
    reason: str = ""
    asked: str | None = None
    passed_in: Arm | None = None
    ended: VerdictState = VerdictState.UNPARSABLE
    scores: Mapping[str, float] | None = None

    @property
    def state(self) -> VerdictState:
        """`ok` if there are facts, else what the source says of how the judge's call ended, or `unparsable`."""
        return self.ended if self.facts is None else VerdictState.OK


@dataclass(frozen=True, slots=True)
class ImportedLabel:
    """One rater's label in a row.

    `exposure` is None if the source does not give it. `before_verdict`: the row holds this label as it was when the
    row's verdict was made. `chosen_by`: judges whose verdicts took part in choosing the trial; None if not
    known. `exact`: the source gives each label its own time, so that two labels at the same time contradict each other.
    `mark` is what the source reports beyond the facts, and part of the label. `rater_kind` is None if the source does
    not say what the rater is. `passed_in`: the arm, where the facts follow from a pass or fail alone. `policy`: hash of
    the guideline that the rater followed, "" if it is not known. `undecided`: facts of which the rater said that either
    answer would be right, None if the source does not say.
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
    chosen_by: tuple[str, ...] | None = None
    rater_kind: RaterKind | None = None
    passed_in: Arm | None = None
    policy: str = ""
    undecided: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class SourceKey:
    """A source's own name of a trial, by which a row may refer to a stored one; `subject` is None if it is not said."""

    source: str
    key: str | tuple[str, ...]
    subject: str | None = None

    @property
    def spellings(self) -> tuple[str | list[str | int], ...]:
        """The key as it is, and with whole numbers as other formats write them: without '.0', and, in a key of several
        parts, as numbers.
        """
        if isinstance(self.key, str):
            return tuple(dict.fromkeys((self.key, _without_zero(self.key))))
        each = [_spellings_of_part(part) for part in self.key]
        return tuple(list(parts) for parts in islice(product(*each), MOST_SPELLINGS))

    @property
    def other_writing(self) -> str | list[str] | None:
        """The key as it reads after a program that turned its whole numbers into fractions ('1.0'), or back."""
        parts = [self.key] if isinstance(self.key, str) else list(self.key)
        other = [_without_zero(part) for part in parts]
        if other == parts:
            other = [f"{part}.0" if part.isdecimal() and part.isascii() else part for part in parts]
        if other == parts:
            return None
        return other[0] if isinstance(self.key, str) else other

    def __str__(self) -> str:
        """As messages name it."""
        return self.key if isinstance(self.key, str) else " / ".join(self.key)


def _spellings_of_part(part: str) -> list[str | int]:
    short = _without_zero(part)
    number: list[str | int] = [int(short)] if short.isdecimal() and len(short) < 19 and str(int(short)) == short else []
    return [*dict.fromkeys((part, short)), *number]


def _without_zero(key: str) -> str:
    whole = WHOLE.fullmatch(key)
    return whole[1] if whole else key


@dataclass(frozen=True, slots=True)
class RowFacts:
    """The verdicts and labels of a row, and what could not be read of it."""

    verdicts: tuple[ImportedVerdict, ...] = ()
    labels: tuple[ImportedLabel, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportedRow:
    """One row of a source. `trial` is None if the row refers to a trial of the study by `trial_id` or `key`.

    `key` without `trial`: the trial is the stored one of this key, or, if `trial_id` is not empty, that of this id.
    With both, the row adds to the stored trial of this key if there is one. `read_facts` makes the verdicts and labels
    when that trial is known, from its arm and its concept. `former_id`
    is the id under which an earlier version of Gnomon, or another writing of the key, stored the trial: one that has it
    is not added again; `own_key` is the key of which another writing may be stored, from which it is made only when the
    row is stored. `counted` is in place of a trial: the row counts many.
    """

    place: SourceLocation
    trial_id: str
    trial: Trial | None
    subject: Subject | None
    protocol: ImportedProtocol | None
    verdicts: tuple[ImportedVerdict, ...] = ()
    labels: tuple[ImportedLabel, ...] = ()
    former_id: str = ""
    own_key: SourceKey | None = None
    key: SourceKey | None = None
    read_facts: Callable[[Arm, str | None], RowFacts] | None = None
    counted: CountRow | None = None

    def with_former_id(self) -> ImportedRow:
        """The row with the id that its trial has under another writing of its key, if there is one."""
        if self.own_key is None or self.trial is None or self.own_key.other_writing is None:
            return self
        return replace(self, former_id=id_by_other_writing(self.trial, self.own_key))

    @property
    def fact_count(self) -> int:
        """How many facts it brings: its trial, verdicts and labels, as far as they are known."""
        return 1 + len(self.verdicts) + len(self.labels)


def imported_protocol(source: str, name: str, **content: Any) -> ImportedProtocol:
    """A protocol of an imported study, identified by the hash of everything known about it.

    Parameters
    ----------
    source : str
        Name of the format or source.
    name : str
        The source's name of the protocol.
    **content : object
        What else is known of it, as JSON values.

    Raises
    ------
    RowError
        If the name is longer than 100 characters.
    """
    known = {"source": source, "name": name, **content}
    return ImportedProtocol(
        canonical_hash(["imported protocol", known]), limit_text(f"{source} {name}".strip(), "protocol", 100), known
    )


def judge_version(source: str, name: str, **config: Any) -> JudgeVersion:
    """A judge of an imported study; its version is the hash of everything known about it.

    Parameters
    ----------
    source : str
        Name of the format or source.
    name : str
        The source's name of the judge.
    **config : object
        What else is known of it, as JSON values.

    Raises
    ------
    RowError
        If the name is blank or longer than 100 characters.
    """
    known = {"source": source, "name": limit_text(name, "judge", 100), **config}
    return JudgeVersion(canonical_hash(["imported judge", known]), known["name"], IMPORTED, known)


def renamed_judge(judge: JudgeVersion, name: str) -> JudgeVersion:
    """The same judge of an imported study under another spelling of its name.

    Parameters
    ----------
    judge : JudgeVersion
        A judge of `judge_version`.
    name : str
        The name.
    """
    known = {**judge.config, "name": name}
    return JudgeVersion(canonical_hash(["imported judge", known]), name, IMPORTED, known)


@lru_cache(maxsize=1024)
def subject_named(name: str, parameters: float | None = None) -> Subject:
    """A subject by its model's name, from which size, family and variant are read (Qwen2.5-14B, Llama-3.1 1B).

    Parameters
    ----------
    name : str
        Name of the model, with or without its organisation.
    parameters : float, optional
        Number of parameters, used if the name contains no size; without it the size is `UNKNOWN_SIZE`.

    Raises
    ------
    RowError
        If the name is blank or longer than 200 characters.
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


def key_numbers(source: str, key: object) -> tuple[int, int]:
    """Replicate number and study seed of the trial that a source names so: a hash, by which it is found again.

    Parameters
    ----------
    source : str
        Name of the format or source.
    key : object
        The source's own identifier of the trial, any JSON value.
    """
    hashed = canonical_hash([source, key], 24)
    return int(hashed[:8], 16) >> 1, int(hashed[8:], 16) >> 1


@lru_cache(maxsize=8192)
def spelled_numbers(key: SourceKey) -> tuple[tuple[int, int], ...]:
    """The numbers of `key_numbers` for each spelling of a key, in their order: each part is encoded once.

    Parameters
    ----------
    key : SourceKey
        The source's own name of the trial.
    """
    if isinstance(key.key, str):
        texts = [CANONICAL.encode(spelling) for spelling in key.spellings]
    else:
        parts = [[CANONICAL.encode(spelling) for spelling in _spellings_of_part(part)] for part in key.key]
        texts = [f"[{','.join(each)}]" for each in islice(product(*parts), MOST_SPELLINGS)]
    source = CANONICAL.encode(key.source)
    hashed = [sha256(f"[{source},{text}]".encode()).hexdigest() for text in texts]
    return tuple((int(each[:8], 16) >> 1, int(each[8:24], 16) >> 1) for each in hashed)


def id_by_other_writing(trial: Trial, key: SourceKey) -> str:
    """The id that a trial has if its key is written otherwise; "" if there is no other writing.

    Parameters
    ----------
    trial : Trial
        The trial under the key as it is.
    key : SourceKey
        The key.
    """
    if (other := key.other_writing) is None:
        return ""
    replicate, seed = key_numbers(key.source, other)
    return replace(trial.condition, seed=seed).trial_id(replicate)


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
    measure: str = REPORT,
    readings: Readings | None = None,
    thinking: str | None = None,
) -> Trial:
    """A trial of an imported study.

    Its replicate number and study seed are the hash of source and key (94 bits), so that the id depends neither on the
    file that contains it nor on its position there. In an arm that adds nothing, layer, strength, depth
    and magnitude are dropped; a concept that the source pairs with the control is kept.

    Parameters
    ----------
    source : str
        Name of the format or source.
    key : object
        The source's own identifier of the trial, any JSON value.
    subject : Subject
        The model.
    protocol : ImportedProtocol
        The prompt.
    arm : Arm
        Arm of the trial.
    answer : str
        What the subject answered.
    concept : str, optional
        Injected concept.
    layer : int, optional
        Layer at which the vector was added, from 0.
    strength : float, optional
        Factor of the vector; None counts as 0.
    span : Span, default Span.GENERATION
        Positions at which the vector was added.
    seed : int, default 0
        Sampling seed.
    magnitude : float, optional
        Norm of what was added.
    depth : float, optional
        Relative depth of the layer, in (0, 1].
    finish : str, default ""
        Why the answer ended; cut to 16 characters.
    tokens : int, default 0
        Number of tokens of the answer.
    error : str, optional
        Why there is no answer.
    at : str, default ""
        Time of the trial, as the store writes it; "" for the time of the import.
    measure : str, default "report"
        What was asked.
    readings : Readings, optional
        What the source read from the subject's logits.
    thinking : str, optional
        What the subject wrote on a channel of its own before the answer.
    """
    nothing, (replicate, study_seed) = not ARMS[arm].is_steered, key_numbers(source, key)
    condition = Condition(
        subject=subject.name,
        revision="",
        arm=arm,
        concept=concept,
        layer=None if nothing else layer,
        strength=0.0 if nothing or strength is None else strength + 0.0,  # never -0.0, which SQLite cannot store
        span=span,
        protocol=protocol.hash,
        vector=None,
        seed=study_seed,
    )
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
        measure=measure,
        readings=readings,
        thinking=thinking,
        created_at=at,
    )


def facts_from_fields(told: Mapping[str, object], arm: Arm | None = None, target: str | None = None) -> Facts:
    """Facts that a source reports as single fields by their names, of which `claims` must be present.

    A source may report `claims` and `passed` and name no concept. Then `passed` says whether the injected concept was
    identified: a claim that passes names it. In arms where nothing can be identified such a `passed` is kept only where
    it agrees with the claim, because false there means that nothing was identified and not that the answer fails.

    Parameters
    ----------
    told : mapping of str to object
        Fields by name.
    arm : Arm, optional
        Arm of the trial, if known.
    target : str, optional
        Injected concept.

    Raises
    ------
    RowError
        If a field cannot be read.
    """
    flags, passed, named = parse_flags(told), parse_bool(told, PASSED), parse_word(told, "concept")
    if named is None and passed is not None and arm is not None:
        if ARMS[arm].counts_identified:
            named = target if passed and flags["claims"] else None
        elif passed != (not flags["claims"] and flags["coherent"] and not flags["refused"]):
            passed = None
    return facts_from_answers({**flags, "concept": named or (OTHER if flags["claims"] else NONE)}, passed)


def parse_flags(told: Mapping[str, object]) -> dict[str, bool | None]:
    """The flags among the facts that a source reports by name, each as it is assumed where nothing is said of it."""
    flags = {
        fact.name: (parse_bool(told, fact.name), fact.assumed)
        for fact in (*CORE, *recorded_facts())
        if fact.kind == "flag"
    }
    return {name: assumed if said is None else said for name, (said, assumed) in flags.items()}


def with_further(facts: Facts, told: Mapping[str, object]) -> Facts:
    """The facts with what a source reports by name of registered further ones. Raises `RowError`."""
    further = {name: said for name in recorded_names() if (said := parse_bool(told, name)) is not None}
    return replace(facts, further=FurtherFacts(further)) if further else facts


def with_timing(facts: Facts, said: object) -> Facts:
    """The facts with whether the claim comes before the concept is named; what cannot be read is not kept.

    Parameters
    ----------
    facts : Facts
        What the judge reported.
    said : object
        The source's value.
    """
    try:
        return with_further(facts, {"detects_before_naming": said})
    except RowError:
        return facts


def facts_of_claim(
    claims: bool | None,
    right: bool | None,
    target: str | None,
    *,
    arm: Arm,
    coherent: bool | None,
    refused: bool | None,
) -> Facts:
    """Facts of a judge that reports whether the answer claims and whether it names the right concept.

    Parameters
    ----------
    claims : bool or None
        Whether the answer claims to notice something.
    right : bool or None
        Whether it names the injected concept.
    target : str or None
        The injected concept.
    arm : Arm
        Arm of the trial.
    coherent : bool or None
        Whether the answer is coherent.
    refused : bool or None
        Whether it is a refusal; None counts as no.

    Raises
    ------
    RowError
        If `claims` or `coherent` is None, or `right` is where a claim counts as identified or not by it.
    """
    for name, value in (("affirmative", claims), ("coherent", coherent)):
        if value is None:
            raise RowError(f"'{name}' is empty: the judge's answer cannot be used")
    if claims and right is None and ARMS[arm].counts_identified:
        raise RowError("whether the concept is the right one is empty where the answer claims")
    concept = target if right and target else OTHER if claims else NONE
    return Facts(bool(claims), concept, bool(coherent), bool(refused))


def facts_of_plain_pass(passed: bool, *, coherent: bool = True, refused: bool = False) -> Facts:
    """Facts of a pass or fail in a control trial of a study in which a pass is the event (earlier Inspect imports).

    Parameters
    ----------
    passed : bool
        The source's result.
    coherent : bool, default True
        Whether the source calls the answer coherent.
    refused : bool, default False
        Whether the source calls the answer a refusal.
    """
    return Facts(passed, OTHER if passed else NONE, coherent, refused, passed=passed)
