"""Claims about plans: the right trials, each once, in an order that may be cut anywhere."""

from __future__ import annotations

from collections import Counter

import pytest

from data.errors import BadInput
from data.records import Arm, Span
from generation.design import Design, Planned, Said, balanced, conditions, random_vector_hash

DESIGN = Design(
    concepts=("ocean", "fear", "silence"),
    layers=(1, 2),
    strengths=(1.0, 2.0, 4.0),
    protocols=("plain", "stern"),
    spans=(Span.ALL, Span.GENERATION),
    replicates={Arm.INJECTION: 3, Arm.CONTROL: 50, Arm.RANDOM: 1},
)
SAID = [Said("plain", "p", Span.FROM_MARKER), Said("stern", "s", Span.FROM_MARKER)]
VECTORS = {(concept, layer): f"{concept}-{layer}" for concept in DESIGN.concepts for layer in DESIGN.layers}
CELLS = 3 * 2 * 3 * 2 * 2


def planned(design: Design = DESIGN) -> list[Planned]:
    return balanced(conditions(design, "toy", "r0", SAID[: len(design.protocols)], VECTORS))


def test_arms_are_the_product_of_their_axes_and_controls_are_not() -> None:
    arms = Counter(trial.condition.arm for trial in planned())
    assert arms == {Arm.INJECTION: CELLS * 3, Arm.RANDOM: CELLS, Arm.CONTROL: 2 * 50}


def test_a_control_has_no_concept_layer_strength_or_vector() -> None:
    controls = {trial.condition for trial in planned() if trial.condition.arm is Arm.CONTROL}
    assert {(c.concept, c.layer, c.strength, c.vector) for c in controls} == {(None, None, 0.0, None)}


def test_a_random_trial_keeps_its_concept_and_names_its_own_recipe() -> None:
    trial = next(trial for trial in planned() if trial.condition.arm is Arm.RANDOM)
    vector = VECTORS[trial.condition.concept or "", trial.condition.layer or 0]
    assert trial.condition.vector == random_vector_hash(vector) != vector


def test_every_trial_is_planned_once_with_its_own_seed() -> None:
    trials = planned()
    assert len({trial.id for trial in trials}) == len({trial.seed for trial in trials}) == len(trials)
    assert all(trial.id == trial.condition.trial_id(trial.replicate) for trial in trials)


def test_more_replicates_keep_the_trials_that_there_were() -> None:
    more = Design(**{**vars(DESIGN), "replicates": {Arm.INJECTION: 5, Arm.CONTROL: 60, Arm.RANDOM: 1}})
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
    trials = planned(Design(**{**vars(DESIGN), "spans": ()}))
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
    with pytest.raises(BadInput, match=message):
        planned(Design(**{**vars(DESIGN), **changed}))  # type: ignore[arg-type]
