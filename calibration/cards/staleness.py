"""What has changed since a card was made, each part of its basis by name. Measures nothing and counts no look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from sqlalchemy import select

from gnomon.calibration.cards.calibration_card import AttackResult, CalibrationCard, CardBasis, CardJudge, CardLabels
from gnomon.calibration.cards.card_basis import AXES, card_basis, card_judge
from gnomon.calibration.cards.card_parts import attack_result
from gnomon.data.errors import UnknownNameError
from gnomon.data.storage.store import Store
from gnomon.data.storage.tables import judges as judge_table
from gnomon.data.study_settings import load_settings

SHOWN = 5
JUDGE_PARTS = {
    "kind": "kind",
    "model": "model",
    "rubric": "rubric",
    "edition": "edition of the rubric",
    "settings": "settings",
}


def card_staleness(card: CalibrationCard, store: Store) -> tuple[str, ...]:
    """Each part of what a card rests on that is no longer so, as a clause; empty where the card still holds.

    Parameters
    ----------
    card : CalibrationCard
        The card.
    store : Store
        Store of the study that it was made of.

    Returns
    -------
    tuple of str
        Clauses that begin with the part: judge, labels, raters, policy, view, rules, margin, panel, verdicts, models,
        concepts, arms, protocols, attack, code.
    """
    before = card.basis
    try:
        now = card_basis(store, before.judge.version, before.rules.view, before.rules.splits)
    except UnknownNameError as error:
        return (str(error),)
    return tuple(
        chain(
            newer_version_changes(before.judge, _newest_version(store, before.judge.name)),
            _label_changes(before.labels, now.labels),
            _rule_changes(before, now, load_settings(store).label_view),
            _verdict_changes(before, now),
            _scope_changes(before, now),
            _attack_changes(card.parts.attack, attack_result(store, before.judge.version)),
        )
    )


def newer_version_changes(before: CardJudge, newest: CardJudge) -> Iterator[str]:
    """How the newest version of a judge differs from the one on a card.

    Parameters
    ----------
    before : CardJudge
        The version on the card.
    newest : CardJudge
        The newest version of the same name.
    """
    if newest.version == before.version:
        return
    changed = [name for field, name in JUDGE_PARTS.items() if getattr(before, field) != getattr(newest, field)]
    if (before.examples, before.examples_hash) != (newest.examples, newest.examples_hash):
        changed.append("examples")
    yield (
        f"judge: the newest version of {before.name} is {newest.version[:12]}, the card is of {before.version[:12]}"
        + (f" (other {', '.join(changed)})" if changed else "")
    )


def _newest_version(store: Store, name: str) -> CardJudge:
    """The version of a judge that was stored last, with verdicts or without."""
    column = judge_table.c
    query = select(column.version).where(column.name == name).order_by(column.created_at.desc(), column.version)
    return card_judge(store, str(store.read_frame(query.limit(1))["version"].iloc[0]))


def _label_changes(before: CardLabels, now: CardLabels) -> Iterator[str]:
    kinds_before, kinds_now = ({rater.name: rater.kind for rater in each.raters} for each in (before, now))
    for name in sorted(kinds_before.keys() & kinds_now.keys()):
        if kinds_before[name] != kinds_now[name]:
            yield f"raters: {name} was a {kinds_before[name]} and is a {kinds_now[name]}"
    if joined := sorted(kinds_now.keys() - kinds_before.keys()):
        yield f"raters: {_listed(joined)} came in"
    if left := sorted(kinds_before.keys() - kinds_now.keys()):
        yield f"raters: labels of {_listed(left)} no longer count"
    if before.policies != now.policies:
        yield "policy: the labels follow other guidelines than those on the card"
    if before.hash != now.hash:
        more = now.number - before.number
        told = (
            f"{abs(more)} {'more' if more > 0 else 'fewer'} than on the card"
            if more
            else "as many, but some are revised"
        )
        yield f"labels: {told} ({now.number:,} now)"


def _rule_changes(before: CardBasis, now: CardBasis, view: str) -> Iterator[str]:
    if view != before.rules.view:
        yield f"view: the study's label view is {view}, the card's {before.rules.view}"
    for field, name in {"truth": "rule for the truth of labels", "outcome": "outcome rule"}.items():
        old, new = getattr(before.rules, field), getattr(now.rules, field)
        if old != new:
            yield f"rules: the {name} is {new}, the card's {old}"
    if now.rules.margin != before.rules.margin:
        yield f"margin: the study's margin of transport is {now.rules.margin}, the card's {before.rules.margin}"
    if now.panel != before.panel:
        yield "panel: the study's other judges, or their versions, are not those on the card"
    if before.code_version != now.code_version:
        yield f"code: made by Gnomon {before.code_version}, this is {now.code_version}"


def _verdict_changes(before: CardBasis, now: CardBasis) -> Iterator[str]:
    if more := now.verdicts.number - before.verdicts.number:
        told = f"{abs(more):,} {'more' if more > 0 else 'fewer'} than on the card"
        yield f"verdicts: {told}, the last of {now.verdicts.end}"
    elif before.verdicts != now.verdicts:
        yield "verdicts: other times than on the card"


def _scope_changes(before: CardBasis, now: CardBasis) -> Iterator[str]:
    """Models, concepts, arms, protocols and declared fields' values that the study had not when the card was made."""
    for axis in AXES:
        known, present = (
            {*getattr(scope.measured, axis), *getattr(scope.unmeasured, axis)}
            for scope in (before.valid_for, now.valid_for)
        )
        if fresh := sorted(present - known):
            yield f"{AXIS_WORDS[axis]}: {_listed(fresh)} outside of what the card is valid for"
    for name in sorted({*now.valid_for.measured.fields, *now.valid_for.unmeasured.fields}):
        known, present = (
            {*scope.measured.fields.get(name, ()), *scope.unmeasured.fields.get(name, ())}
            for scope in (before.valid_for, now.valid_for)
        )
        if fresh := sorted(present - known):
            yield f"{name}: {_listed(fresh)} outside of what the card is valid for"


def _attack_changes(before: AttackResult | None, now: AttackResult | None) -> Iterator[str]:
    if before != now and now is not None:
        yield f"attack: measured at {now.at[:16]}, after the card was made"


AXIS_WORDS: Mapping[str, str] = {"subjects": "models", "concepts": "concepts", "arms": "arms", "protocols": "protocols"}


def _listed(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
