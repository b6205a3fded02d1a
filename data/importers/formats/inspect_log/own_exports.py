"""What Gnomon writes into an Inspect log of its own: under one key, the facts exactly as they are stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from gnomon.data.facts import CORE_FLAGS, PASSED, asked_names, recorded_names
from gnomon.data.importers.field_parsers import (
    RowError,
    limit_text,
    parse_bool,
    parse_number,
    parse_timestamp,
    require_one_of,
)
from gnomon.data.importers.label_history import SEPARATOR, mark_of
from gnomon.data.importers.row_builders import ImportedLabel, ImportedProtocol, ImportedVerdict, imported_protocol
from gnomon.data.readings import Readings, parse_readings
from gnomon.data.records import (
    DECLARED_FIELDS,
    IMPORTED,
    REPORT,
    Exposure,
    Facts,
    FurtherFacts,
    JudgeVersion,
    RaterKind,
    RaterRole,
    VerdictState,
    check_field,
)
from gnomon.data.storage.columns.column_values import are_scores
from gnomon.data.storage.fact_columns import FURTHER

OWN = "gnomon"
"""Key of the metadata of samples, scores and edits that holds what Gnomon wrote."""
JsonObject = dict[str, object]


def own_part(about: object) -> Mapping[str, object]:
    """What Gnomon wrote into metadata; empty if they are of another origin."""
    own = about.get(OWN) if isinstance(about, Mapping) else None
    return own if isinstance(own, Mapping) else {}


@dataclass(frozen=True, slots=True)
class MeasuredSample:
    """What a sample was asked other than for a report, what was read from its logits, and what was thought."""

    measure: str = REPORT
    readings: Readings | None = None
    thinking: str | None = None
    protocol: ImportedProtocol | None = None
    fields: Mapping[str, str | int | float] = field(default_factory=dict)


def read_measure(own: Mapping[str, object], source: str) -> MeasuredSample:
    """What Gnomon wrote of a sample's measure; a report without readings where it wrote nothing.

    Parameters
    ----------
    own : mapping of str to object
        What Gnomon wrote into the sample's metadata.
    source : str
        Name of the format.

    Raises
    ------
    RowError
        If it was changed to something that is none.
    """
    try:
        readings = parse_readings(own.get("readings"))
        declared = own.get(DECLARED_FIELDS)
        told = declared if isinstance(declared, Mapping) else {}
        fields = {str(name): check_field(str(name), value) for name, value in told.items()}
    except ValueError as error:
        raise RowError(str(error)) from None
    thinking, content = own.get("thinking"), own.get("protocol")
    measure = limit_text(str(own.get("measure") or REPORT), "measure", 32)
    protocol = None
    if measure != REPORT and isinstance(content, Mapping):
        rest = {str(name): value for name, value in content.items() if name not in ("source", "name")}
        protocol = imported_protocol(source, str(content.get("name") or measure)[:80], **rest)
    return MeasuredSample(measure, readings, thinking if isinstance(thinking, str) else None, protocol, fields)


def read_facts(own: Mapping[str, object]) -> Facts | None:
    """The facts that Gnomon wrote; None if it wrote none.

    Raises
    ------
    RowError
        If they were changed to something that is none.
    """
    told = own.get("facts")
    if not isinstance(told, Mapping):
        return None
    flags = {name: bool(parse_bool(told, name)) for name in CORE_FLAGS}
    further = told.get(FURTHER)
    known = (
        {str(name): value for name, value in further.items() if isinstance(value, bool)}
        if isinstance(further, Mapping)
        else {}
    )
    concept = limit_text(str(told.get("concept") or "none"), "concept", 100)
    return Facts(**flags, concept=concept, passed=parse_bool(told, PASSED), further=FurtherFacts(known))


def read_verdict(own: Mapping[str, object], name: str, quote: str) -> ImportedVerdict:
    """A verdict that Gnomon wrote, of the judge version that gave it.

    Parameters
    ----------
    own : mapping of str to object
        What Gnomon wrote into the score's metadata.
    name : str
        Name of the judge.
    quote : str
        The score's explanation.

    Raises
    ------
    RowError
        If it was changed to something that is none.
    """
    version = limit_text(str(own.get("judge") or ""), "judge", 64)
    state = VerdictState(require_one_of(own.get("state"), "'state'", VerdictState))
    facts = read_facts(own) if state is VerdictState.OK else None
    judge = JudgeVersion(version, name, IMPORTED, {"source": "inspect", "name": name, "version": version})
    raw, at = own.get("raw"), parse_timestamp(own, "created_at")
    ended = VerdictState.UNPARSABLE if state is VerdictState.OK else state
    asked = str(own.get("sample") or 0)
    made = ImportedVerdict(judge, facts, str(raw or ""), quote, at, asked=asked, ended=ended)
    scores = own.get("scores")
    if scores is None:
        return made
    if not are_scores(scores):
        raise RowError("'scores' in what Gnomon wrote is no object of finite numbers by name: it was changed")
    return replace(made, scores=cast("Mapping[str, float]", scores))


def complete_label(label: ImportedLabel, own: Mapping[str, object]) -> ImportedLabel:
    """A label with everything else that Gnomon wrote of it.

    Parameters
    ----------
    label : ImportedLabel
        The label as the edit alone gives it.
    own : mapping of str to object
        What Gnomon wrote into the edit.

    Raises
    ------
    RowError
        If it was changed to something that is none.
    """
    kind, chosen, probability = own.get("rater_kind"), own.get("chosen_by"), parse_number(own, "probability")
    note = str(own.get("note") or "")
    mark = mark_of(note)
    return replace(
        label,
        note=note.removeprefix(mark + SEPARATOR) if mark else note,
        mark=mark,
        exposure=Exposure(require_one_of(own.get("exposure"), "'exposure'", Exposure)),
        role=RaterRole(require_one_of(own.get("role"), "'role'", RaterRole)),
        stratum=limit_text(str(own.get("stratum") or "all"), "stratum", 64),
        probability=1.0 if probability is None else probability,
        chosen_by=tuple(str(each) for each in chosen) if isinstance(chosen, list) else None,
        rater_kind=None if kind is None else RaterKind(require_one_of(kind, "'rater_kind'", RaterKind)),
        undecided=_read_undecided(own),
    )


def _read_undecided(own: Mapping[str, object]) -> tuple[str, ...]:
    """Facts of which the rater said that either answer would be right; logs from before it was written hold none."""
    names = own.get("undecided") or []
    known = (*asked_names(), *recorded_names())
    if not isinstance(names, list) or not all(name in known for name in names):
        raise RowError("'undecided' in what Gnomon wrote is no list of facts: it was changed")
    return tuple(names)
