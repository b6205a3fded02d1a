"""Which stored trials belong to the design as the study file has it now. Figures count these alone.

A study file may change after trials were made: another scale of the vectors, another seed, a concept less. Trials of
both designs have the same names of concepts and strengths, and are not the same experiment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from sqlalchemy import ColumnElement, Connection, and_, false, func, not_, or_, select

from gnomon.data.arms import ADDED_CONCEPT, fixed_strengths, judged_arms, matched_arms, measured_arms
from gnomon.data.errors import StoreError
from gnomon.data.foreign_documents.validation_words import first_problem
from gnomon.data.records import GENERATED, REPORT
from gnomon.data.storage.store import Store
from gnomon.data.storage.stored_settings import SubjectAxes
from gnomon.data.storage.tables import counts, trials, vectors

SCOPE = "scope"
"""The study setting that holds a `DesignScope`."""


class DesignScope(BaseModel):
    """The conditions that a design plans, as they stand in trials.

    Attributes
    ----------
    seed : int
        The study's seed.
    arms, concepts, layers, strengths, spans : tuple
        Values of the axes.
    protocols : tuple of str or None
        Hashes of the protocols with all their questions; None where a protocol's file cannot be read.
    method, normalisation : str
        How concept vectors are made, as their recipes say; method None where their file cannot be read.
    match : str
        What is equal between a concept's vector and what control arms add: norm, kl or entropy.
    sources : tuple of str
        Hashes of the directions of a file, where vectors are from one.
    exclude : tuple of dict
        Conditions that are not planned: values by axis.
    subjects : dict of str to SubjectAxes
        Models with layers or strengths of their own, in place of `layers` and `strengths`.
    unresolved : tuple of str
        Models whose layers or strengths are not known yet: none of them is outside.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    seed: int
    arms: tuple[str, ...]
    concepts: tuple[str, ...]
    layers: tuple[int, ...]
    strengths: tuple[float, ...]
    spans: tuple[str, ...]
    protocols: tuple[str, ...] | None
    method: str | None
    normalisation: str
    exclude: tuple[dict[str, tuple[str | int | float, ...]], ...] = ()
    subjects: dict[str, SubjectAxes] = Field(default_factory=dict)
    unresolved: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    match: str = "norm"

    def to_setting(self) -> dict[str, JsonValue]:
        """As the study's settings hold it: what studies of other versions lack is left out where it is empty."""
        later = {name for name in ("subjects", "unresolved", "sources") if not getattr(self, name)}
        later |= {"match"} if self.match == "norm" else set()
        return self.model_dump(mode="json", exclude=later)


@dataclass(frozen=True, slots=True)
class _Outside:
    """Trials outside the design, for one state of a study: their number and the condition that finds them."""

    state: tuple[object, ...]
    count: int
    condition: ColumnElement[bool]


_KNOWN: WeakKeyDictionary[Store, _Outside] = WeakKeyDictionary()


def design_conditions(store: Store) -> tuple[ColumnElement[bool], ...]:
    """Conditions on trials that belong to the design as it stands; none where all stored trials do.

    Only trials that the study generated are asked: those of subjects that it holds vectors of.
    """
    outside = _find_outside(store)
    return (not_(outside.condition),) if outside.count else ()


def report_conditions(store: Store) -> tuple[ColumnElement[bool], ...]:
    """Conditions on trials of which judges and raters speak: they asked for a report, and belong to the design."""
    return (*report_trials(), *design_conditions(store))


def design_trials() -> ColumnElement[bool]:
    """Condition on trials that a study's design plans; those of the battery are planned by the battery."""
    return or_(trials.c.measure == REPORT, trials.c.arm.in_(measured_arms()))


def report_trials() -> tuple[ColumnElement[bool], ...]:
    """Conditions on trials whose answers judges and raters read, whatever the design is."""
    return trials.c.measure == REPORT, trials.c.arm.in_(judged_arms())


def task_conditions(store: Store) -> tuple[ColumnElement[bool], ...]:
    """Conditions on trials of tasks that belong to the design as it stands: seed, concepts, doses and vectors.

    The prompts, spans and arms of a task are its own, and are not asked. Nor are imported trials.
    """
    held = store.study_settings().get(SCOPE)
    if not held:
        return ()
    with store.read_transaction() as connection:
        return (or_(not_(_made_here(connection)), and_(*_planned_doses(connection, _design_scope(held)))),)


def report_counts() -> ColumnElement[bool]:
    """Condition on published counts of reports, of which fits and totals are; the others are of tasks."""
    return counts.c.measure == REPORT


def count_outside(store: Store) -> int:
    """Number of stored trials that were generated under another design than the study file has now."""
    return _find_outside(store).count


def outside_sentence(store: Store) -> str:
    """How many trials no figure counts because they lie outside the design; empty if there are none."""
    return describe_outside(count_outside(store))


def describe_outside(number: int) -> str:
    """That a number of trials lies outside the design; empty for 0."""
    if not number:
        return ""
    trials_lie = "1 trial lies" if number == 1 else f"{number:,} trials lie"
    return (
        f"{trials_lie} outside the design in study.toml (its seed, vectors, protocols or conditions have changed "
        "since) and no figure counts them."
    )


def _find_outside(store: Store) -> _Outside:
    """Looked up again when trials or vectors were added, or the design was changed.

    Nothing is counted where no trial can be outside: without a design, or without vectors of the study's own.
    """
    held = store.study_settings().get(SCOPE)
    if not held or not store.has_rows(vectors):
        return _Outside((), 0, false())
    state = (repr(held), store.additions_mark(trials), store.count_rows(vectors))
    with store.read_transaction() as connection:
        known = _KNOWN.get(store)
        if known is None or known.state != state:
            condition = _outside_condition(connection, _design_scope(held))
            query = select(func.count()).select_from(trials).where(condition)
            known = _Outside(state, int(connection.execute(query).scalar_one()), condition)
            _KNOWN[store] = known
    return known


def _design_scope(held: object) -> DesignScope:
    try:
        return DesignScope.model_validate(held)
    except ValidationError as error:
        raise StoreError(
            f"study settings in the database: {first_problem(error, SCOPE)}: run any command on the study's folder, "
            "which stores its settings again"
        ) from None


def _outside_condition(connection: Connection, scope: DesignScope) -> ColumnElement[bool]:
    trial = trials.c
    planned = [
        *_planned_doses(connection, scope),
        trial.arm.in_(scope.arms),
        trial.span.in_(scope.spans),
        *(not_(_rule_condition(rule)) for rule in scope.exclude),
    ]
    if scope.protocols is not None:
        planned.append(trial.protocol.in_(scope.protocols))
    return and_(design_trials(), _made_here(connection), not_(and_(*planned)))


def _made_here(connection: Connection) -> ColumnElement[bool]:
    """Trials that the study generated: those of subjects that it holds vectors of."""
    steered = list(connection.execute(select(vectors.c.subject).distinct()).scalars())
    return and_(trials.c.source == GENERATED, trials.c.subject.in_(steered))


def _planned_doses(connection: Connection, scope: DesignScope) -> list[ColumnElement[bool]]:
    """Seed, concepts, layers, strengths and vectors of the design."""
    trial = trials.c
    planned = [
        trial.study_seed == scope.seed,
        or_(trial.concept.is_(None), trial.concept.in_(scope.concepts)),
        or_(trial.layer.is_(None), _planned_site(scope)),
    ]
    if others := _vectors_of_others(connection, scope):
        planned.append(or_(trial.vector.is_(None), trial.vector.not_in(others)))
    if unmatched := _vectors_of_other_matches(connection, scope):
        planned.append(or_(trial.arm.not_in(matched_arms()), trial.vector.is_(None), trial.vector.not_in(unmatched)))
    return planned


def _planned_site(scope: DesignScope) -> ColumnElement[bool]:
    """Trials at a layer and strength that the design plans for their model."""
    trial = trials.c
    common = and_(trial.layer.in_(scope.layers), _planned_strength(scope.strengths))
    if not scope.subjects and not scope.unresolved:
        return common
    own = [
        and_(
            trial.subject == name,
            or_(false(), *(and_(trial.layer.in_(at), _planned_strength(of)) for of, at in _sites_of(axes).items())),
        )
        for name, axes in scope.subjects.items()
    ]
    others = and_(trial.subject.not_in([*scope.subjects, *scope.unresolved]), common)
    return or_(others, trial.subject.in_(scope.unresolved), *own)


def _sites_of(axes: SubjectAxes) -> dict[tuple[float, ...], list[int]]:
    """Layers of a model by the strengths that they have in common."""
    found: dict[tuple[float, ...], list[int]] = {}
    for layer, strengths in axes.doses.items():
        found.setdefault(strengths, []).append(layer)
    return found


def _planned_strength(strengths: Sequence[float]) -> ColumnElement[bool]:
    """Trials of one of the strengths; those of arms with a strength of their own have that one."""
    fixed = fixed_strengths()
    own = [and_(trials.c.arm.in_(arms), trials.c.strength == strength) for strength, arms in fixed.items()]
    named = [arm for arms in fixed.values() for arm in arms]
    return or_(and_(trials.c.arm.not_in(named), trials.c.strength.in_(strengths)), *own)


def _rule_condition(rule: dict[str, tuple[str | int | float, ...]]) -> ColumnElement[bool]:
    """Trials that agree with an exclusion; one without a vector has only an arm and a protocol."""
    agrees = [trials.c[axis].in_(values) for axis, values in rule.items()]
    if rule.keys() - {"arm", "protocol", "subject"}:
        agrees.append(trials.c.layer.is_not(None))
    return func.coalesce(and_(*agrees), false())


def _vectors_of_others(connection: Connection, scope: DesignScope) -> Sequence[str]:
    """Hashes of vectors whose recipe is not that of the design, or that are of a concept that it no longer lists.

    Additions go with the concept's vector they are of.
    """
    content = vectors.c.content
    keys = [content[name].as_string() for name in ("method", "normalisation", "source")]
    scale, rows = keys[1], connection.execute(select(vectors.c.hash, *keys)).all()
    mine = {
        hash_
        for hash_, how, norm, source in rows
        if norm == scope.normalisation
        and scope.method in (None, how)
        and (source is None or scope.method is None or source in scope.sources)
    }
    others = {hash_ for hash_, _, norm, _ in rows if norm is not None} - mine
    derived = select(vectors.c.hash, content).where(scale.is_(None))
    for hash_, recipe in connection.execute(derived):
        if not isinstance(recipe, dict):
            continue
        unlisted = recipe.get(ADDED_CONCEPT, scope.concepts[0]) not in scope.concepts
        if unlisted or others.intersection(map(_text, recipe.values())):
            others.add(hash_)
    return sorted(others)


def _vectors_of_other_matches(connection: Connection, scope: DesignScope) -> Sequence[str]:
    """Hashes of additions that were scaled to another effect than the design says."""
    content = vectors.c.content
    match = content["match"].as_string()
    query = select(vectors.c.hash, match).where(content["normalisation"].as_string().is_(None))
    return sorted(hash_ for hash_, how in connection.execute(query) if (how or "norm") != scope.match)


def _text(value: JsonValue) -> str:
    return value if isinstance(value, str) else ""
