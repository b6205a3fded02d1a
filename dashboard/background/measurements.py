"""The measurements of a whole study that pages show, and how each is computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel

from gnomon.calibration.cards.calibration_card import CalibrationCard
from gnomon.calibration.comparison.comparison_results import RubricComparison
from gnomon.calibration.comparison.policy_results import PolicyDocument
from gnomon.calibration.panel_worth.panel_results import PanelDocument
from gnomon.calibration.results.audit import ViewAudit
from gnomon.data.errors import NotEnoughDataError, UnknownNameError
from gnomon.data.storage.store import Store
from gnomon.stats.bounds.selection_bounds import EffectBounds
from gnomon.stats.cells.outcome_counts import OutcomeCount
from gnomon.stats.results import MissingVerdictRange, RuleEstimate

Result = TypeVar("Result", bound=BaseModel)
MANY_VERDICTS = 50_000
"""Verdicts from which it is made beside the page: fewer take about a second, and a process as long to start."""
COUNTED_AT_ONCE = 250_000
"""The same for counts, for which the database takes 1.3 µs a verdict (3,000,000 on SQLite): a third of a second."""
COUNTED_BY_EVERY_RULE = 100_000
"""The same for counts under every outcome rule, which are five."""


@dataclass(frozen=True, slots=True)
class Measurement(Generic[Result]):
    """Something measured on the whole study.

    Attributes
    ----------
    name : str
        What it is, as in "Computing the audit".
    form : type
        The form of the result, which is its own in JSON too.
    compute : callable
        From the store, the arguments (all str) and `given`, the result that it rests on, to the result.
    rests_on : type, optional
        The form of `given`; None if it rests on nothing.
    beside_from : int
        Verdicts of the study from which it is computed beside the page.
    """

    name: str
    form: type[Result]
    compute: Callable[..., Result]
    rests_on: type[BaseModel] | None = None
    beside_from: int = MANY_VERDICTS


class CountedOutcomes(BaseModel, frozen=True):
    """Outcomes by model and arm; empty without a verdict that counts."""

    rows: tuple[OutcomeCount, ...]


class RuleSensitivity(BaseModel, frozen=True):
    """Headline estimates under every outcome rule, and ranges for missing verdicts; empty without a verdict."""

    rules: tuple[RuleEstimate, ...] = ()
    missing: tuple[MissingVerdictRange, ...] = ()


class RefusalBounds(BaseModel, frozen=True):
    """Lee's bounds by model; a model that engaged with no trial of an arm is left out."""

    by_model: dict[str, EffectBounds]


class StandingCard(BaseModel, frozen=True):
    """A card, and in words what makes it stale."""

    card: CalibrationCard
    changed: tuple[str, ...]


def _audit(store: Store, view: str) -> ViewAudit:
    from gnomon.calibration.audit.document import audit_study

    return audit_study(store, view=view)


def _card(store: Store, view: str, version: str, *, given: ViewAudit) -> StandingCard:
    from gnomon.calibration.cards.card_assembly import make_card
    from gnomon.calibration.cards.staleness import card_staleness

    card = make_card(store, given, version, view=view)
    return StandingCard(card=card, changed=card_staleness(card, store))


def _panel_worth(store: Store, view: str) -> PanelDocument:
    from gnomon.calibration.panel_worth.panel_worth import panel_document

    return panel_document(store, view)


def _comparison(store: Store, view: str, first: str, second: str) -> RubricComparison:
    from gnomon.calibration.comparison.rubric_comparison import compare_rubrics

    return compare_rubrics(store, first, second, view=view)


def _guidelines(store: Store, view: str) -> PolicyDocument:
    from gnomon.calibration.comparison.label_policies import policy_document

    return policy_document(store, view)


def _outcomes(store: Store) -> CountedOutcomes:
    from gnomon.stats.cells.outcome_counts import study_outcomes

    try:
        return CountedOutcomes(rows=study_outcomes(store))
    except (NotEnoughDataError, UnknownNameError):
        return CountedOutcomes(rows=())


def _rules(store: Store, judge: str) -> RuleSensitivity:
    from gnomon.stats.estimands.rule_sensitivity import compare_outcome_rules, missing_verdict_ranges

    named = judge or None
    try:
        rules, missing = compare_outcome_rules(store, named), missing_verdict_ranges(store, named)
    except NotEnoughDataError:
        return RuleSensitivity()
    return RuleSensitivity(rules=tuple(rules), missing=tuple(missing))


def _bounds(store: Store, view: str, judge: str) -> RefusalBounds:
    from gnomon.stats.bounds.model_bounds import lee_bounds_by_model

    return RefusalBounds(by_model=lee_bounds_by_model(store, view, judge or None))


AUDIT = Measurement("the audit", ViewAudit, _audit)
CARD = Measurement("the card", StandingCard, _card, rests_on=ViewAudit)
PANEL_WORTH = Measurement("what the panel is worth", PanelDocument, _panel_worth)
COMPARISON = Measurement("the comparison of versions", RubricComparison, _comparison)
GUIDELINES = Measurement("the comparison of guidelines", PolicyDocument, _guidelines)
OUTCOMES = Measurement("outcomes by arm", CountedOutcomes, _outcomes, beside_from=COUNTED_AT_ONCE)
RULES = Measurement("outcome rules", RuleSensitivity, _rules, beside_from=COUNTED_BY_EVERY_RULE)
"""Arguments: the judge's name, "" for the study's first."""
BOUNDS = Measurement("bounds for refusals", RefusalBounds, _bounds, beside_from=COUNTED_AT_ONCE)
"""Arguments: view of the fit, and its judge's name, "" for the study's first."""
MEASUREMENTS = {each.name: each for each in (AUDIT, CARD, PANEL_WORTH, COMPARISON, GUIDELINES, OUTCOMES, RULES, BOUNDS)}
"""By name."""
