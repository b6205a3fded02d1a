"""Further measurements of a judge for its card, each made by its own wing; what a study does not allow is left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import select

from gnomon.calibration.cards.calibration_card import AttackResult, CardParts
from gnomon.calibration.graded.study_calibration import graded_calibration
from gnomon.calibration.observations.trial_fields import declared_fields
from gnomon.calibration.panel_worth.panel_worth import panel_of_version
from gnomon.calibration.sequential.running_errors import running_errors
from gnomon.calibration.susceptibility.judge_susceptibility import judge_susceptibility
from gnomon.calibration.transport.transport_audit import audit_transport
from gnomon.calibration.transport.transport_results import TransportAudit
from gnomon.calibration.undecided.undecided_range import undecided_range
from gnomon.data.errors import NotEnoughDataError, UnknownNameError
from gnomon.data.storage.store import Store
from gnomon.data.storage.tables import events
from gnomon.data.study_settings import load_settings

Part = TypeVar("Part")
ATTACKED = "judge_attack"
"""Kind of event: attacks on a judge were measured; the detail is the report."""
PLACES = ("subject", "concept", "date")
"""What errors travel between on a card."""


def card_parts(store: Store, version: str, view: str) -> CardParts:
    """Every further measurement of a judge version that its study allows; none of them reads the test split.

    Parameters
    ----------
    store : Store
        Store of the study.
    version : str
        Judge version.
    view : {"blind", "first", "current"}
        Label view.
    """
    margin = load_settings(store).transport.margin
    return CardParts(
        transport=_part_or_none(lambda: _transport_by_axis(store, version, view)),
        panel=_part_or_none(lambda: panel_of_version(store, version, view)),
        running=_part_or_none(lambda: running_errors(store, version, view)),
        susceptibility=_part_or_none(lambda: judge_susceptibility(store, version, view)),
        undecided=_part_or_none(lambda: undecided_range(store, version, view)),
        attack=attack_result(store, version),
        graded=_part_or_none(lambda: graded_calibration(store, version, view, margin=margin)),
    )


def attack_result(store: Store, version: str) -> AttackResult | None:
    """The newest result of attacks on a judge version; None where there is none.

    Parameters
    ----------
    store : Store
        Store of the study.
    version : str
        Judge version.
    """
    column = events.c
    query = select(column.detail, column.created_at).where(column.kind == ATTACKED).order_by(column.id.desc())
    with store.read_transaction() as connection:
        rows = connection.execute(query).all()
    mine = next((row for row in rows if row.detail.get("version") == version), None)
    if mine is None:
        return None
    kept = {name: value for name, value in mine.detail.items() if name in AttackResult.model_fields}
    return AttackResult.model_validate({**kept, "at": mine.created_at})


def _part_or_none(measure: Callable[[], Part | None]) -> Part | None:
    try:
        return measure()
    except (NotEnoughDataError, UnknownNameError):
        return None


def _transport_by_axis(store: Store, version: str, view: str) -> dict[str, TransportAudit] | None:
    """By what the places differ in, declared fields such as the language included, where there are two or more."""
    axes = (*PLACES, *declared_fields(store))
    audits = {axis: audit_transport(store, version, axis, view=view) for axis in axes}
    return {axis: each for axis, each in audits.items() if len(each.decisions) > 1} or None
