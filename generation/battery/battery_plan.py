"""The plan of a battery: prompts of every task, and the trials of every arm, cell and item. Generates nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

from gnomon.data.arms import ARMS
from gnomon.data.arms.battery_measures import BATTERY, ITEMS
from gnomon.data.errors import InputError
from gnomon.data.foreign_documents.bounds import TRIALS
from gnomon.data.records import Arm, Condition
from gnomon.generation.battery.seeded_draws import drawn_number
from gnomon.generation.battery.task_prompts import BatteryItem, task_protocol
from gnomon.generation.prompts.protocol import Protocol
from gnomon.generation.sweeps.sweep_plan import SweepPlan
from gnomon.generation.sweeps.trial_design import PlannedTrial, SweepDesign
from gnomon.generation.vectors.additions import added_hashes
from gnomon.generation.vectors.concept_vectors import check_layers
from gnomon.generation.vectors.vector_methods import recipe_hash

BASE_ARMS = tuple(map(Arm, ("injection", "control", "sham", "random")))
"""Arms of every task."""
FURTHER_ARMS = tuple(map(Arm, ("shuffled", "swapped")))
"""Arms of every task in a study whose design names them."""


def battery_design(design: SweepDesign) -> SweepDesign:
    """A study's design with the arms of the battery; its protocols, spans and replicates are not used."""
    further = tuple(arm for arm in FURTHER_ARMS if arm in design.arms)
    return replace(design, arms=BASE_ARMS + further, protocols=(), spans=(), replicates={})


def plan_battery(design: SweepDesign, subject: Any, tasks: Sequence[str], items: int = ITEMS) -> SweepPlan:
    """Every trial of the battery on a subject, so ordered that each beginning holds all tasks and concepts.

    An item that has the same prompt as an earlier one of its concept is asked once. A trial without a vector is asked
    once for each prompt, about the concept that the prompt is about if there is one; `sham` likewise, at the first
    layer.

    Parameters
    ----------
    design : SweepDesign
        As `battery_design` returns it.
    subject : LoadedSubject or SubjectInfo
        Anything with a name, a revision and a number of layers.
    tasks : sequence of str
        Names of tasks.
    items : int
        Items of each task and concept.

    Returns
    -------
    SweepPlan
        Protocols and trials.

    Raises
    ------
    InputError
        If the subject lacks a layer, there are too few concepts for a task, or too many trials.
    """
    if items < 1:
        raise InputError(f"battery: {items} items: ask for 1 or more")
    check_layers(subject, design.layers)
    doses = sum(len(list(_doses(design, arm, design.layers))) for arm in design.arms)
    TRIALS.check(len(tasks) * items * len(design.concepts) * doses, "battery")
    hashes = {
        (concept, layer): recipe_hash(subject.revision, concept, layer, design.vectors)
        for concept, layer in product(design.vector_concepts, design.layers)
    }
    protocols: dict[str, Protocol] = {}
    planned: dict[str, PlannedTrial] = {}
    for number, task, concept in product(range(items), tasks, design.concepts):
        protocol = task_protocol(BatteryItem(task, concept, design.closed_list, number))
        first = protocol.protocol_hash not in protocols
        protocols[protocol.protocol_hash] = protocol
        for condition in _conditions(design, subject, protocol, concept, hashes, first):
            trial = PlannedTrial(condition.trial_id(0), condition, 0)
            planned.setdefault(trial.id, trial)
    return SweepPlan(design, tuple(protocols.values()), tuple(planned.values()))


def _conditions(
    design: SweepDesign,
    subject: Any,
    protocol: Protocol,
    concept: str,
    hashes: Mapping[tuple[str, int], str],
    first: bool,
) -> Iterator[Condition]:
    """All conditions of one prompt and concept; `first` where no other concept has had the same prompt."""
    measure = protocol.measure
    about = concept if measure is None or BATTERY[measure.name].is_about_concept else None
    place, hash_ = protocol.span, protocol.protocol_hash
    plain = Condition(subject.name, subject.revision, Arm.CONTROL, about, None, 0.0, place, hash_, None, design.seed)
    for arm in design.arms:
        if not ARMS[arm].is_steered:
            if not _is_left_out(design, arm=arm):
                yield replace(plain, arm=arm)
            continue
        changes_nothing = ARMS[arm].fixed_strength == 0
        if changes_nothing and not first and about is None:
            continue
        layers = design.layers[:1] if changes_nothing else design.layers
        for layer, strength in _doses(design, arm, layers):
            if not _is_left_out(design, arm=arm, concept=concept, layer=layer, strength=strength):
                choices = added_hashes(arm, concept, layer, design.closed_list, hashes, design.vectors.match)
                vector = choices[drawn_number(len(choices), "vector", arm, concept, hash_)]
                yield replace(plain, arm=arm, concept=concept, layer=layer, strength=float(strength), vector=vector)


def _doses(design: SweepDesign, arm: Arm, layers: Sequence[int]) -> Iterator[tuple[int, float]]:
    for layer in layers:
        yield from ((layer, strength) for strength in ARMS[arm].strengths_of(design.strengths_at(layer)))


def _is_left_out(design: SweepDesign, **axes: str | float) -> bool:
    """Whether a study's design excludes a condition, by axes that the battery has too."""
    return any(all(key in axes and axes[key] == value for key, value in rule.items()) for rule in design.exclude)
