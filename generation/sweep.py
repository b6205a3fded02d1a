"""Runs a design on a subject: makes the trials that the store does not hold yet, batch by batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from data.errors import BadInput
from data.records import Arm, Subject, Trial
from data.store import Store
from generation.design import Design, Planned, Said, balanced, conditions, random_vector_hash
from generation.protocol import Protocol, load_protocol

if TYPE_CHECKING:
    from generation.batch import Answer, Request
    from generation.prompts import Prompt
    from generation.subjects import LoadedSubject
    from generation.vectors import ConceptVector

BATCH_SIZE = 64


@dataclass(frozen=True)
class SweepReport:
    """What a run did: trials of the plan, made now, there before, and failed among those made; seconds it took."""

    planned: int
    made: int
    already: int
    failed: int
    seconds: float


def plan(design: Design, subject: LoadedSubject, protocols: Sequence[Protocol]) -> list[Planned]:
    """Every trial of the design for a subject, each beginning balanced over the conditions; nothing is computed.

    Raises
    ------
    BadInput
        An empty axis, or a layer that the subject does not have.
    """
    from generation.vectors import check_layers, recipe_hash

    check_layers(subject, design.layers)
    said = [Said(protocol.name, protocol.hash, protocol.span) for protocol in protocols]
    hashes = {
        (concept, layer): recipe_hash(subject.revision, concept, layer)
        for concept in design.concepts
        for layer in design.layers
    }
    return balanced(conditions(design, subject.name, subject.revision, said, hashes))


def run(
    store: Store,
    subject: LoadedSubject,
    design: Design,
    *,
    record: Subject,
    batch_size: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SweepReport:
    """Make what is missing of a design.

    Each finished batch is stored in one transaction, so that an interruption loses the batch under way and nothing
    else; the next run makes only what is missing.

    Parameters
    ----------
    record : Subject
        What the store keeps of the subject; its name and revision are taken from `subject`.
    batch_size : int, optional
        Trials decoded together.
    progress : callable, optional
        Called with (trials stored or there before, trials planned), first before any work.
    """
    begun = time.monotonic()
    protocols = [load_protocol(name) for name in design.protocols]
    planned = plan(design, subject, protocols)
    present = store.trial_ids()
    missing = [trial for trial in planned if trial.id not in present]
    done, failed = len(planned) - len(missing), 0
    if progress:
        progress(done, len(planned))
    if missing:
        for trials in _made(store, subject, design, protocols, missing, record, batch_size or BATCH_SIZE):
            store.add_trials(trials)
            done, failed = done + len(trials), failed + sum(trial.error is not None for trial in trials)
            if progress:
                progress(done, len(planned))
    already = len(planned) - len(missing)
    return SweepReport(len(planned), len(missing), already, failed, time.monotonic() - begun)


def _made(
    store: Store,
    subject: LoadedSubject,
    design: Design,
    protocols: Sequence[Protocol],
    missing: Sequence[Planned],
    record: Subject,
    size: int,
) -> Iterator[list[Trial]]:
    """Decode the missing trials a batch at a time, after what they refer to has been stored."""
    from generation.engine import Engine
    from generation.prompts import prompt_of
    from generation.vectors import concept_vectors

    _add_subject(store, subject, record)
    steered = {Arm.INJECTION, Arm.RANDOM} & set(design.arms)
    vectors = concept_vectors(subject, design.concepts, design.layers) if steered else {}
    _add_vectors(store, subject, design, vectors)
    for protocol in protocols:
        store.add_protocol(protocol.hash, protocol.name, protocol.content())
    said = {p.hash: (p, prompt_of(subject.tokenizer, p)) for p in protocols}
    engine = Engine(subject, size)
    for begin in range(0, len(missing), size):
        batch = missing[begin : begin + size]
        requests = [_request(trial, *said[trial.condition.protocol], vectors) for trial in batch]
        answers = engine.answers(requests)
        yield [_trial(trial, answer, subject, vectors) for trial, answer in zip(batch, answers, strict=True)]


def _add_subject(store: Store, subject: LoadedSubject, record: Subject) -> None:
    """Keep the subject, or refuse one that shares its name with other weights."""
    store.add_subjects([replace(record, name=subject.name, revision=subject.revision)])
    kept = next(known for known in store.subjects() if known.name == subject.name)
    if kept.revision != subject.revision:
        raise BadInput(
            f"subject '{subject.name}': the study holds trials of other weights, template or dtype under this name "
            f"(revision {kept.revision[:8]}, now {subject.revision[:8]}): give it another name in study.toml"
        )


def _add_vectors(
    store: Store, subject: LoadedSubject, design: Design, vectors: Mapping[tuple[str, int], ConceptVector]
) -> None:
    for vector in vectors.values():
        rows: dict[Arm, tuple[str, Mapping[str, Any]]] = {
            Arm.INJECTION: (vector.hash, {**vector.recipe, "sha256": vector.sha256}),
            Arm.RANDOM: (random_vector_hash(vector.hash), {"method": "random direction", "norm_of": vector.hash}),
        }
        about = {"subject": subject.name, "concept": vector.concept}
        for arm, (hash_, content) in rows.items():
            if arm in design.arms:
                store.add_vector(hash_, layer=vector.layer, norm=vector.norm, content=content, **about)


def _request(
    trial: Planned, protocol: Protocol, prompt: Prompt, vectors: Mapping[tuple[str, int], ConceptVector]
) -> Request:
    from generation.batch import Request
    from generation.injection import Addition
    from generation.vectors import random_direction

    condition, addition = trial.condition, None
    if condition.concept is not None and condition.layer is not None:
        vector = vectors[condition.concept, condition.layer]
        tensor = vector.tensor
        if condition.arm is Arm.RANDOM:
            tensor = random_direction(trial.seed, len(tensor), vector.norm)
        addition = Addition(condition.layer, condition.strength * tensor, prompt.start(condition.span))
    return Request(prompt.ids, addition, trial.seed, protocol.temperature, protocol.max_tokens)


def _trial(
    planned: Planned, answer: Answer, subject: LoadedSubject, vectors: Mapping[tuple[str, int], ConceptVector]
) -> Trial:
    condition = planned.condition
    depth = magnitude = None
    if condition.concept is not None and condition.layer is not None:
        depth = (condition.layer + 1) / subject.layers
        magnitude = condition.strength * vectors[condition.concept, condition.layer].norm
    return Trial(
        id=planned.id,
        condition=condition,
        replicate=planned.replicate,
        seed=planned.seed,
        answer=answer.text,
        finish=answer.finish,
        tokens=len(answer.tokens),
        depth=depth,
        magnitude=magnitude,
        error=answer.error,
    )
