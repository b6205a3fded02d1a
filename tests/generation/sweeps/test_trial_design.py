"""Claims about plans: the right trials, each once, in an order that may be cut anywhere."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from types import SimpleNamespace

import pytest

from gnomon.data.errors import InputError
from gnomon.data.records import Arm, Span, canonical_hash
from gnomon.generation.prompts.protocol import load_protocol
from gnomon.generation.sweeps.trial_design import (
    PlannedProtocol,
    PlannedTrial,
    SweepDesign,
    _level_membership,
    balanced_order,
    planned_conditions,
)
from gnomon.generation.sweeps.trial_factory import all_protocols, plan_trials
from gnomon.generation.vectors.additions import vector_hash

DESIGN = SweepDesign(
    concepts=("ocean", "fear", "silence"),
    layers=(1, 2),
    strengths=(1.0, 2.0, 4.0),
    protocols=("plain", "stern"),
    spans=(Span.ALL, Span.GENERATION),
    replicates={Arm.INJECTION: 3, Arm.CONTROL: 50, Arm.RANDOM: 1},
)
SAID = [PlannedProtocol("plain", "p", Span.FROM_MARKER), PlannedProtocol("stern", "s", Span.FROM_MARKER)]
VECTORS = {(concept, layer): f"{concept}-{layer}" for concept in DESIGN.concepts for layer in DESIGN.layers}
CELLS = 3 * 2 * 3 * 2 * 2


def planned(design: SweepDesign = DESIGN) -> list[PlannedTrial]:
    return balanced_order(planned_conditions(design, "toy", "r0", SAID[: len(design.protocols)], VECTORS))


def test_arms_are_the_product_of_their_axes_and_controls_are_not() -> None:
    arms = Counter(trial.condition.arm for trial in planned())
    assert arms == {Arm.INJECTION: CELLS * 3, Arm.RANDOM: CELLS, Arm.CONTROL: 2 * 50}


def test_a_control_has_no_concept_layer_strength_or_vector() -> None:
    controls = {trial.condition for trial in planned() if trial.condition.arm is Arm.CONTROL}
    assert {(c.concept, c.layer, c.strength, c.vector) for c in controls} == {(None, None, 0.0, None)}


def test_a_random_trial_keeps_its_concept_and_names_its_own_recipe() -> None:
    trial = next(trial for trial in planned() if trial.condition.arm is Arm.RANDOM)
    vector = VECTORS[trial.condition.concept or "", trial.condition.layer or 0]
    assert trial.condition.vector == vector_hash(Arm.RANDOM, vector) != vector


def test_every_trial_is_planned_once_with_its_own_seed() -> None:
    trials = planned()
    assert len({trial.id for trial in trials}) == len({trial.trial_seed for trial in trials}) == len(trials)
    assert all(trial.id == trial.condition.trial_id(trial.replicate) for trial in trials)


def test_more_replicates_keep_the_trials_that_there_were() -> None:
    more = SweepDesign(**{**vars(DESIGN), "replicates": {Arm.INJECTION: 5, Arm.CONTROL: 60, Arm.RANDOM: 1}})
    assert {trial.id for trial in planned()} < {trial.id for trial in planned(more)}


@pytest.mark.parametrize("axis", ["arm", "concept", "layer", "strength", "span", "protocol"])
def test_every_beginning_holds_each_value_in_about_its_final_share(axis: str) -> None:
    trials = planned()
    values = [(trial.condition.arm, getattr(trial.condition, axis)) for trial in trials]
    final = Counter(values)
    for value, number in final.items():
        seen = 0
        for place, other in enumerate(values, start=1):
            seen += other == value
            assert abs(seen - place * number / len(trials)) <= 3


def test_no_spans_means_each_protocols_own() -> None:
    trials = planned(SweepDesign(**{**vars(DESIGN), "spans": ()}))
    assert {trial.condition.span for trial in trials} == {Span.FROM_MARKER}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"concepts": ()}, "'concepts' is empty"),
        ({"strengths": (1.0, 1.0)}, "'strengths' names a value twice: 1.0, 1.0"),
        ({"replicates": {Arm.CONTROL: -1}}, "negative"),
    ],
)
def test_a_design_that_makes_no_sense_is_refused(changed: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        planned(SweepDesign(**{**vars(DESIGN), **changed}))  # type: ignore[arg-type]


def test_a_negated_trial_names_its_own_recipe_at_the_strength_of_the_injected_one() -> None:
    trials = planned(SweepDesign(**{**vars(DESIGN), "arms": (Arm.NEGATED,), "replicates": {Arm.NEGATED: 1}}))
    assert len(trials) == CELLS
    assert {trial.condition.strength for trial in trials} == set(DESIGN.strengths)
    assert {trial.condition.vector for trial in trials} == {
        vector_hash(Arm.NEGATED, hash_) for hash_ in VECTORS.values()
    }


def test_sham_trials_have_strength_zero_once_whatever_the_strengths_are() -> None:
    trials = planned(SweepDesign(**{**vars(DESIGN), "arms": (Arm("sham"),), "replicates": {Arm("sham"): 2}}))
    assert len(trials) == CELLS // 3 * 2
    assert {(t.condition.strength, t.condition.vector is None) for t in trials} == {(0.0, False)}


def test_swapped_trials_take_the_other_concepts_in_turn_and_name_which_they_add() -> None:
    swapped = Arm("swapped")
    design = SweepDesign(**{**vars(DESIGN), "arms": (swapped,), "replicates": {swapped: 4}})
    trials = planned(design)
    assert len(trials) == len({trial.id for trial in trials}) == CELLS * 4
    named = {
        vector_hash(swapped, VECTORS[one, layer], VECTORS[other, layer]): (one, other)
        for one, layer in VECTORS
        for other in DESIGN.concepts
        if other != one
    }
    pairs = Counter(named[trial.condition.vector or ""] for trial in trials)
    assert {trial.condition.concept == named[trial.condition.vector or ""][0] for trial in trials} == {True}
    assert set(pairs.values()) == {CELLS * 4 // 6}
    fewer = planned(SweepDesign(**{**vars(design), "replicates": {swapped: 1}}))
    assert {trial.id for trial in fewer} < {trial.id for trial in trials}


def test_swapped_trials_of_a_part_of_the_concepts_are_those_of_the_whole_study() -> None:
    swapped = Arm("swapped")
    axes = {"arms": (swapped,), "replicates": {swapped: 2}, "listed": DESIGN.concepts}
    whole = planned(SweepDesign(**{**vars(DESIGN), **axes}))
    part = planned(SweepDesign(**{**vars(DESIGN), **axes, "concepts": ("fear",)}))
    assert {trial.id for trial in part} == {trial.id for trial in whole if trial.condition.concept == "fear"}
    with pytest.raises(InputError, match="arm 'swapped': adds the vector of another concept, and the study has one"):
        planned(SweepDesign(**{**vars(DESIGN), **axes, "concepts": ("fear",), "listed": ()}))


def test_mismatched_trials_are_asked_all_questions_with_a_vector_and_without() -> None:
    asked = tuple(f"q{number}" for number in range(20))
    said = [PlannedProtocol("plain", "p", Span.FROM_MARKER, lambda _arm, _concept: asked)]
    design = SweepDesign(
        **{**vars(DESIGN), "protocols": ("plain",), "arms": (Arm.MISMATCHED,), "replicates": {Arm.MISMATCHED: 3}}
    )
    trials = balanced_order(planned_conditions(design, "toy", "r0", said, VECTORS))
    steered = [trial.condition for trial in trials if trial.condition.concept is not None]
    plain = [trial.condition for trial in trials if trial.condition.concept is None]
    assert len(trials) == len({trial.id for trial in trials})
    assert (len(steered), len(plain)) == (3 * CELLS // 2, 3)
    assert {condition.protocol for condition in steered} == set(asked)
    assert {(c.layer, c.strength, c.vector) for c in plain} == {(None, 0.0, None)}
    most = Counter(condition.protocol for condition in steered)
    assert max(most.values()) - min(most.values()) <= 1


def test_what_is_excluded_is_not_planned_and_the_rest_keeps_its_ids() -> None:
    rules = ({"concept": "fear", "layer": 2}, {"arm": Arm.CONTROL, "protocol": "stern"}, {"strength": 4.0})
    left = planned(SweepDesign(**{**vars(DESIGN), "exclude": rules}))
    whole = {trial.id: trial.condition for trial in planned()}
    out = {
        id_
        for id_, c in whole.items()
        if (c.concept == "fear" and c.layer == 2) or c.strength == 4.0 or (c.arm is Arm.CONTROL and c.protocol == "s")
    }
    assert {trial.id for trial in left} == set(whole) - out
    assert out


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"colour": "red"}, "names the axis 'colour': choose from arm, concept, layer, strength, span, protocol"),
        ({"layer": 9}, "names the layer 9, which the design does not have: it has 1, 2"),
    ],
)
def test_an_exclusion_of_what_is_not_there_is_refused(rule: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        planned(SweepDesign(**{**vars(DESIGN), "exclude": (rule,)}))


def test_ids_of_trials_of_every_arm_are_what_they_were_before_arms_were_declared() -> None:
    names = ("injection", "control", "random", "negated", "mismatched")
    design = SweepDesign(
        concepts=("ocean", "fear", "silence"),
        layers=(2, 5),
        strengths=(0.5, 1.0),
        protocols=("plain", "stern", "direct", "task"),
        arms=tuple(Arm(name) for name in names),
        replicates={Arm(name): 3 + place for place, name in enumerate(names)},
        seed=7,
        exclude=({"concept": "fear", "layer": 2}, {"arm": Arm.MISMATCHED, "protocol": "task"}),
    )
    subject, protocols = (
        SimpleNamespace(name="m", revision="r", layers=12),
        [load_protocol(p) for p in design.protocols],
    )
    trials = plan_trials(design, subject, protocols)
    assert len(trials) == 807
    planned_ids = [[trial.id, trial.replicate] for trial in trials]
    assert canonical_hash(planned_ids) == "37e7b8cc27a2c94850fafc7d29de6ae2"
    put = [[p.protocol_hash, p.name, p.stored_content()] for p in all_protocols(design, protocols)]
    assert canonical_hash(put) == "634b6b5eb96e18818a36d3dad6c8999f"


@pytest.mark.attack
@pytest.mark.parametrize(
    ("axes", "problem"),
    [
        ({"replicates": {Arm.INJECTION: 10**9}}, "more than 2,000,000 trials: .* GNOMON_MAX_TRIALS"),
        ({"layers": tuple(range(10**6))}, "more than 100,000 conditions: .* GNOMON_MAX_CONDITIONS"),
        ({"concepts": tuple(map(str, range(10**5)))}, "more than 100,000 conditions"),
    ],
)
def test_a_design_without_end_is_refused_before_it_is_built(axes: dict[str, object], problem: str) -> None:
    with pytest.raises(InputError, match=rf"^design: has {problem}"):
        planned(replace(DESIGN, **axes))  # type: ignore[arg-type]


def test_thousands_of_conditions_are_ordered_in_the_memory_of_their_values() -> None:
    design = replace(DESIGN, concepts=tuple(map(str, range(400))), replicates={Arm.INJECTION: 1})
    made = planned_conditions(design, "toy", "r0", SAID, defaultdict(str))
    assert len(made) > 9_000
    assert _level_membership([condition for condition, _ in made]).size == 7 * len(made)
