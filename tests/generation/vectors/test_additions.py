"""Claims about what arms add: by which rule, and that each trial's record tells what it was."""

from __future__ import annotations

import pytest
import torch

from gnomon.data.arms import ARMS
from gnomon.data.errors import InputError
from gnomon.data.records import Arm
from gnomon.generation.vectors.additions import (
    added_hashes,
    addition_of,
    other_concepts,
    permuted_coordinates,
    steering_direction,
)
from gnomon.generation.vectors.concept_vectors import ConceptVector

WIDTH = 64
CONCEPTS = ("ocean", "fear", "silence")


def made(concept: str, place: int, layer: int = 3) -> ConceptVector:
    tensor = torch.randn(WIDTH, generator=torch.Generator().manual_seed(place)) * (place + 1)
    return ConceptVector(f"{concept}@{layer}", concept, layer, tensor, float(tensor.norm()), "", {})


VECTORS = {(concept, 3): made(concept, place) for place, concept in enumerate(CONCEPTS)}
HASHES = {place: vector.hash for place, vector in VECTORS.items()}


def added(arm: str, concept: str, hash_: str, seed: int = 7) -> torch.Tensor:
    return steering_direction(Arm(arm), (concept, 3), hash_, seed, VECTORS)


@pytest.mark.parametrize("arm", [name for name, spec in ARMS.items() if spec.is_steered])
def test_every_arm_adds_the_norm_that_its_record_says_in_a_direction_of_its_hash(arm: str) -> None:
    hashes = added_hashes(Arm(arm), "fear", 3, CONCEPTS, HASHES)
    assert len(set(hashes)) == len(hashes)
    for hash_ in hashes:
        direction = added(arm, "fear", hash_)
        assert float(direction.norm()) == pytest.approx(VECTORS["fear", 3].norm * addition_of(Arm(arm)).relative_norm)


def test_shuffled_coordinates_are_the_same_values_in_another_order_of_the_trials_seed() -> None:
    tensor = VECTORS["fear", 3].tensor
    once, again, other = (permuted_coordinates(tensor, seed) for seed in (7, 7, 8))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)
    assert torch.equal(once.sort().values, tensor.sort().values)
    assert abs(float(torch.cosine_similarity(once, tensor, dim=0))) < 0.5


def test_swapped_adds_the_concept_that_the_hash_names_and_no_other() -> None:
    hashes = added_hashes(Arm("swapped"), "fear", 3, CONCEPTS, HASHES)
    assert other_concepts("fear", CONCEPTS) == ("silence", "ocean")
    for other, hash_ in zip(("silence", "ocean"), hashes, strict=True):
        found = added("swapped", "fear", hash_)
        assert torch.cosine_similarity(found, VECTORS[other, 3].tensor, dim=0) == pytest.approx(1, abs=1e-6)
    with pytest.raises(InputError, match=r"arm 'swapped', concept 'fear', layer 3: .* none of the study's"):
        added("swapped", "fear", "another")


def test_sham_is_the_concepts_own_vector_at_strength_zero() -> None:
    assert ARMS["sham"].fixed_strength == 0.0
    assert added_hashes(Arm("sham"), "fear", 3, CONCEPTS, HASHES) == ("fear@3",)


def test_words_that_informed_judges_read_of_arms_that_are_in_no_rubrics_hash_stay() -> None:
    told = {name: spec.described for name, spec in ARMS.items() if not spec.in_rubric_hash}
    assert told == {
        "sham": "a vector of zeros was added, which changes nothing.",
        "shuffled": "the vector of the concept '{concept}' was added with its coordinates in random order, so that it "
        "stands for no concept.",
        "swapped": "the vector of another concept than '{concept}' was added.",
    }
