"""One person's answers in a labelling tool as a label on a trial of the study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gnomon.data.arms import ARMS
from gnomon.data.facts import PASSED, asked_names
from gnomon.data.importers.field_parsers import (
    RowError,
    SourceLocation,
    is_empty,
    limit_text,
    parse_bool,
    parse_timestamp,
    quote_value,
)
from gnomon.data.importers.row_builders import (
    ImportedLabel,
    ImportedRow,
    RowFacts,
    SourceKey,
    facts_from_fields,
    parse_flags,
    with_further,
)
from gnomon.data.outcomes import facts_from_pass_fail
from gnomon.data.records import NONE, OTHER, Arm, Exposure, Facts

TRIAL, SHOWN = "trial", "exposure"
CLAIMS, CONCEPT = "claims", "concept"
NO_ANSWER = "no question is answered"


@dataclass(frozen=True, slots=True)
class ToolLabel:
    """What one person answered about one task.

    Attributes
    ----------
    trial : str
        Id of the trial.
    rater : str
        The person, as the tool calls it.
    answers : mapping of str to object
        Answers by the question's name.
    at : object
        When they were given; None if the tool does not say.
    exposure : Exposure or None
        What the person had seen, as far as it is known.
    note : str
        What the person wrote.
    """

    trial: str
    rater: str
    answers: Mapping[str, object]
    at: object = None
    exposure: Exposure | None = None
    note: str = ""

    @property
    def is_answered(self) -> bool:
        """Whether a question was answered that says what happened."""
        return any(not is_empty(self.answers.get(name)) for name in (CLAIMS, PASSED))


def trial_named(about: Mapping[str, object], tool: str) -> str:
    """The trial that a task names.

    Parameters
    ----------
    about : mapping of str to object
        The task's data.
    tool : str
        Name of the format, for the message.

    Raises
    ------
    RowError
        If it names none.
    """
    name = about.get(TRIAL)
    if not isinstance(name, str) or not name.strip():
        raise RowError(
            f"the task names no trial ('{TRIAL}'), as 'gnomon export --format {tool}' writes it: read data of another "
            "origin with the format 'table'"
        )
    return name.strip()


def exposure_told(about: Mapping[str, object], *, suggested: bool) -> Exposure | None:
    """What the rater had seen: a suggestion of the tool, or as the export said it of the task.

    Parameters
    ----------
    about : mapping of str to object
        The task's data.
    suggested : bool
        Whether the tool showed a model's answer.
    """
    if suggested:
        return Exposure.AFTER_VERDICT
    told = about.get(SHOWN)
    return Exposure(told) if isinstance(told, str) and told in list(Exposure) else None


def label_row(place: SourceLocation, label: ToolLabel, tool: str) -> ImportedRow:
    """A label as a row that refers to its trial.

    Parameters
    ----------
    place : SourceLocation
        Where it is.
    label : ToolLabel
        The label.
    tool : str
        Name of the format.

    Raises
    ------
    RowError
        If the rater has no name, or the time is none.
    """
    at = parse_timestamp({"time": label.at}, "time")
    made = ImportedLabel(
        limit_text(label.rater, "rater", 100),
        Facts(False, NONE, True, False),
        note=label.note,
        at=at,
        exposure=label.exposure,
        exact=bool(at),
    )

    def read_facts(arm: Arm, target: str | None) -> RowFacts:
        try:
            facts = _facts_of(label.answers, arm, target)
        except RowError as error:
            return RowFacts(problems=(str(error),))
        passed_in = arm if is_empty(label.answers.get(CLAIMS)) else None
        return RowFacts(labels=(replace(made, facts=facts, passed_in=passed_in),))

    key = SourceKey(tool, label.trial)
    return ImportedRow(place, label.trial, None, None, None, key=key, read_facts=read_facts)


def _facts_of(answers: Mapping[str, object], arm: Arm, target: str | None) -> Facts:
    known = {name: answers.get(name) for name in (*asked_names(), PASSED)}
    passed = parse_bool(known, PASSED)
    if not is_empty(known[CLAIMS]):
        facts = facts_from_fields(known, arm, target)
        named = str(known[CONCEPT] or "").strip().lower()
        if facts.claims and not named and passed is None and ARMS[arm].counts_identified:
            raise RowError(f"'{CLAIMS}' is yes and '{CONCEPT}' is not answered: choose the concept, or '{OTHER}'")
        return replace(facts, concept=(named or OTHER) if facts.claims else NONE)
    if passed is None:
        raise RowError(NO_ANSWER)
    flags = parse_flags(known)
    coherent, refused = bool(flags["coherent"]), bool(flags["refused"])
    return with_further(facts_from_pass_fail(passed, arm, target, coherent=coherent, refused=refused), known)


def single_choice(name: str, chosen: object) -> object:
    """The one answer to a question that a tool gives as a list.

    Parameters
    ----------
    name : str
        Name of the question.
    chosen : object
        A list of answers, or the answer.

    Raises
    ------
    RowError
        If several were chosen.
    """
    if not isinstance(chosen, list):
        return chosen
    if len(chosen) > 1:
        raise RowError(f"'{name}' has {len(chosen)} answers ({quote_value(chosen)}): choose one")
    return chosen[0] if chosen else None
