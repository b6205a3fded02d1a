"""Requirements on a card: a figure, a comparison, a bound, and perhaps the interval that must lie beyond it.

    FIELD OPERATOR BOUND [with LEVEL %]

as in `control.specificity > .9 with 95 %`, `injection.youden >= .5`, `labels >= 100`, `control.evidence >= moderate`.
Without a level the figure itself is compared; with one, the end of its two-sided interval that lies nearer the bound.
"""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from gnomon.calibration.cards.calibration_card import CalibrationCard
from gnomon.calibration.cards.gate_values import GateValue, Unit, gate_values
from gnomon.calibration.numerics.number_formats import format_coefficient, format_percent
from gnomon.calibration.results.error_rates import EvidenceLevel
from gnomon.data.errors import InputError, UnknownNameError
from gnomon.data.results import Estimate, ResultDocument, ResultPart

OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
RANGES: Mapping[Unit, tuple[float, float]] = {
    "share": (0.0, 1.0),
    "probability": (0.0, 1.0),
    "difference": (-1.0, 1.0),
}
EXAMPLE = "write it as in 'control.specificity > .9 with 95 %'"
_WRITTEN = re.compile(
    r"\s*(?P<field>[A-Za-z_][\w-]*(?:\.[\w-]+)*)\s*(?P<operator>>=|<=|>|<)\s*"
    r"(?P<bound>-?(?:\d+(?:\.\d*)?|\.\d+)|[a-z]+)\s*(?P<percent>%)?"
    r"(?:\s+with\s+(?P<level>\d+(?:\.\d+)?)\s*%)?\s*"
)


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement as it was written.

    Attributes
    ----------
    text, field, operator : str
        As written; the path of the figure; `>`, `>=`, `<` or `<=`.
    bound : float or str
        A number, or the name of a level.
    level : float or None
        Nominal coverage of the interval; None without one.
    """

    text: str
    field: str
    operator: str
    bound: float | str
    level: float | None


class RequirementOutcome(ResultPart):
    """Whether a card meets one requirement, with what was compared."""

    requirement: str
    field: str
    met: bool
    value: float | None
    """The figure; null where the card has none."""
    low: float | None
    """Lower end of the interval; null without one."""
    high: float | None
    level: float | None
    """Nominal coverage of the interval."""
    bound: float
    words: str
    """The outcome in one line."""


class GateDocument(ResultDocument):
    """What `gnomon gate` prints: whether a card meets every requirement and still holds."""

    card: str
    """Hash of the card."""
    judge: str
    version: str
    passed: bool
    checked: bool
    """Whether the card was compared with its study."""
    stale: tuple[str, ...]
    """What has changed since it was made."""
    obstacles: tuple[str, ...]
    """Why the card passes nothing, whatever is required: arms in which the judge is inverted."""
    requirements: tuple[RequirementOutcome, ...]


def parse_requirement(text: str) -> Requirement:
    """Read one requirement.

    Raises
    ------
    InputError
        If it is none.
    """
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise InputError(f"requirement '{text[:80]}': cannot be read: {EXAMPLE}")
    level = None if found["level"] is None else float(found["level"]) / 100
    if level is not None and not 0.5 <= level < 1:
        raise InputError(f"requirement '{text}': an interval of {found['level']} %: name a level of 50 to below 100 %")
    written, share = found["bound"], 100 if found["percent"] else 1
    bound = written if written[0].isalpha() else float(written) / share
    return Requirement(text.strip(), found["field"], found["operator"], bound, level)


def check_card(
    card: CalibrationCard, requirements: Sequence[Requirement], stale: Sequence[str] | None = None
) -> GateDocument:
    """Whether a card meets every requirement; a stale card, or one of an inverted judge, passes nothing.

    Parameters
    ----------
    card : CalibrationCard
        The card.
    requirements : sequence of Requirement
        At least one.
    stale : sequence of str, optional
        What has changed since the card was made (`card_staleness`); None if that was not looked at.

    Raises
    ------
    UnknownNameError
        If a requirement names a field that no card has.
    InputError
        If there is no requirement, or a bound lies outside of what its field can be.
    """
    if not requirements:
        raise InputError(f"gate: nothing is required: name a requirement with --require; {EXAMPLE}")
    values = gate_values(card)
    outcomes = tuple(check_requirement(each, values) for each in requirements)
    inverted = [each.arm for each in card.arms if each.evidence.level is EvidenceLevel.INVERTED]
    obstacles = tuple(f"{arm}: the judge is inverted, it says yes where labels say no" for arm in inverted)
    return GateDocument(
        card=card.hash,
        judge=card.basis.judge.name,
        version=card.basis.judge.version,
        passed=not stale and not obstacles and all(each.met for each in outcomes),
        checked=stale is not None,
        stale=tuple(stale or ()),
        obstacles=obstacles,
        requirements=outcomes,
    )


def check_requirement(requirement: Requirement, values: Mapping[str, GateValue]) -> RequirementOutcome:
    """Whether one requirement is met; never, where the figure is missing or rests on too little.

    Parameters
    ----------
    requirement : Requirement
        The requirement.
    values : mapping of str to GateValue
        Figures of the card, by path.
    """
    found = _named_value(requirement, values)
    bound = _bound_of(requirement, found)
    shown = None
    problem = found.withheld or (None if found.value is not None else "the card has no such figure")
    if requirement.level is not None and problem is None:
        shown, problem = _interval_at(requirement, found)
    compared = _compared_end(requirement, found, shown)
    met = problem is None and compared is not None and OPERATORS[requirement.operator](compared, bound)
    if shown is None and found.interval is not None and requirement.level is None:
        shown = found.interval(0.95)
    return RequirementOutcome(
        requirement=requirement.text,
        field=requirement.field,
        met=met,
        value=found.value,
        low=shown.low if shown else None,
        high=shown.high if shown else None,
        level=shown.level if shown else None,
        bound=bound,
        words=_outcome_words(requirement, found, shown, problem, met, bound),
    )


def _named_value(requirement: Requirement, values: Mapping[str, GateValue]) -> GateValue:
    if requirement.field not in values:
        near = difflib.get_close_matches(requirement.field, values, 3, 0.5) or list(values)[:3]
        raise UnknownNameError(
            f"requirement '{requirement.text}': a card has no '{requirement.field}': perhaps {', '.join(near)}"
        )
    return values[requirement.field]


def _bound_of(requirement: Requirement, found: GateValue) -> float:
    """The bound as a number, after a check that the figure could reach it."""
    written, told = requirement.bound, f"requirement '{requirement.text}': {requirement.field}"
    if found.unit == "level":
        if written not in found.levels:
            raise InputError(f"{told} is compared with a level: {', '.join(found.levels)}")
        return found.levels[str(written)]
    if isinstance(written, str):
        raise InputError(f"{told} is compared with a number")
    low, high = RANGES.get(found.unit, (float("-inf"), float("inf")))
    if not low <= written <= high:
        raise InputError(f"{told} lies between {low:g} and {high:g}: write .9 or 90 %")
    return written


def _interval_at(requirement: Requirement, found: GateValue) -> tuple[Estimate | None, str | None]:
    """The figure with the interval that a requirement asks for, or why the card does not give it."""
    level = requirement.level or 0.0
    shown = found.interval(level) if found.interval is not None else None
    if shown is not None:
        return shown, None
    usual = found.interval(0.95) if found.interval is not None else None
    if usual is None:
        return None, f"{requirement.field} has no interval: leave out 'with'"
    return None, f"the card keeps no counts for an interval of {100 * level:g} %, only that of 95 %"


def _compared_end(requirement: Requirement, found: GateValue, shown: Estimate | None) -> float | None:
    if requirement.level is None or shown is None:
        return found.value
    return shown.low if requirement.operator.startswith(">") else shown.high


def _outcome_words(
    requirement: Requirement, found: GateValue, shown: Estimate | None, problem: str | None, met: bool, bound: float
) -> str:
    figure = requirement.field if found.value is None else f"{requirement.field} {_format_figure(found)}"
    if shown is not None:
        ends = " to ".join(_format_figure(replace(found, value=end)) for end in (shown.low, shown.high))
        figure += f" ({100 * shown.level:g} % interval {ends}, {shown.method})"
    rule = f"{requirement.operator} {_format_figure(replace(found, value=bound))}"
    if requirement.level is not None:
        rule = f"{'lower' if requirement.operator.startswith('>') else 'upper'} end {rule}"
    verdict = "passed" if met else "not passed"
    return f"{verdict}: {figure}, required {rule}" + (f": {problem}" if problem else "")


def _format_figure(found: GateValue) -> str:
    value = found.value or 0.0
    if found.unit == "level":
        return next(name for name, place in found.levels.items() if place == value)
    if found.unit == "share":
        return format_percent(value, 1)
    return f"{value:,.0f}" if found.unit == "count" else format_coefficient(value, 3)
