"""What an arm adds to the residual stream, each declared once: how it is made of the concept's vector, and its recipe.

`ArmSpec.addition` names one of them. Knows nothing of trials, layers or prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gnomon.data.arms import ARMS, CONCEPT
from gnomon.data.errors import InputError
from gnomon.data.records import Arm, canonical_hash
from gnomon.data.registry import Registry
from gnomon.generation.engine.counter_rng import direction_noise
from gnomon.generation.vectors.concept_vectors import ConceptVector, random_direction
from gnomon.generation.vectors.vector_spec import NORM


@dataclass(frozen=True)
class SteeringAddition:
    """One kind of addition.

    Attributes
    ----------
    direction : callable
        From the concept's vector and the trial's seed to what is added at strength 1, shape (width,).
    recipe : callable, optional
        From the hash of the concept's vector to the recipe, JSON-able, whose hash names this addition; None where the
        concept's vector itself is added. Must differ between additions, and change when `direction` does.
    relative_norm : float
        Norm of what is added at strength 1, over that of the concept's vector.
    is_drawn : bool
        Whether `direction` depends on the trial's seed, so that each trial has a direction of its own.
    of_another : bool
        Whether `direction` takes the vector of another of the study's concepts at the same layer, brought to the norm
        of the concept's own, and `recipe` its hash. The hash of what a trial adds tells which one it is.
    """

    direction: Callable[[ConceptVector, int], Tensor]
    recipe: Callable[[str], Mapping[str, object]] | None = None
    relative_norm: float = 1.0
    of_another: bool = False
    is_drawn: bool = False

    def added_recipe(self, vector: str, other: str | None = None, match: str | None = None) -> dict[str, object] | None:
        """Recipe of what is added; None where that is the concept's vector itself.

        Parameters
        ----------
        vector : str
            Hash of the concept's vector.
        other : str, optional
            Hash of the other concept's vector, where `of_another`.
        match : str, optional
            What is equal to the concept's vector, where that is not the norm.
        """
        scaled = {"match": match} if match else {}
        if not self.of_another:
            return None if self.recipe is None else {**self.recipe(vector), **scaled}
        if other is None:
            raise ValueError("an addition of another concept's vector needs that vector's hash")
        made = {"method": "vector as it is", "of": other} if self.recipe is None else self.recipe(other)
        return {**made, "norm_of": vector, **scaled}

    def vector_hash(self, vector: str, other: str | None = None, match: str | None = None) -> str:
        """Hash of what is added.

        Parameters
        ----------
        vector : str
            Hash of the concept's vector.
        other : str, optional
            Hash of the other concept's vector, where `of_another`.
        match : str, optional
            What is equal to the concept's vector, where that is not the norm.
        """
        recipe = self.added_recipe(vector, other, match)
        return vector if recipe is None else canonical_hash(recipe)


ADDITIONS: Registry[SteeringAddition] = Registry("addition")
"""Every addition by the name that arms call it by."""


def register_addition(name: str, addition: SteeringAddition) -> SteeringAddition:
    """Add a kind of addition.

    Parameters
    ----------
    name : str
        As `ArmSpec.addition` names it.
    addition : SteeringAddition

    Raises
    ------
    InputError
        The name is taken.
    """
    return ADDITIONS.register(name, addition)


def addition_of(arm: Arm) -> SteeringAddition:
    """What an arm adds; raises `UnknownNameError` where nothing is registered under the name that it gives."""
    return ADDITIONS.find(ARMS[arm].addition)


def recipe_match(arm: Arm, match: str) -> str | None:
    """What recipes of an arm's additions say of the match: nothing where norms are equal, or the arm is not scaled.

    Parameters
    ----------
    arm : Arm
    match : str
        That of the design.
    """
    return match if match != NORM and ARMS[arm].is_matched else None


def vector_hash(arm: Arm, vector: str, other: str | None = None, match: str = NORM) -> str:
    """Hash of what an arm adds.

    Parameters
    ----------
    arm : Arm
    vector : str
        Hash of the concept's vector.
    other : str, optional
        Hash of the other concept's vector, for an arm that adds that of another.
    match : str
        What the design makes equal.
    """
    return addition_of(arm).vector_hash(vector, other, recipe_match(arm, match))


def takes_another(arm: Arm) -> bool:
    """Whether an arm adds the vector of another concept than its condition's."""
    return ARMS[arm].is_steered and addition_of(arm).of_another


def check_additions(arms: Sequence[Arm], concepts: Sequence[str]) -> None:
    """Raise `InputError` where an arm adds another concept's vector and there is no other.

    Parameters
    ----------
    arms : sequence of Arm
    concepts : sequence of str
        All concepts of the study.
    """
    for arm in arms:
        if len(concepts) < 2 and takes_another(arm):
            raise InputError(
                f"arm '{arm}': adds the vector of another concept, and the study has one: name a second in 'concepts'"
            )


def other_concepts(concept: str, concepts: Sequence[str]) -> tuple[str, ...]:
    """The other concepts in the order in which a condition's replicates take them: from the one after its own on.

    Parameters
    ----------
    concept : str
        The condition's concept.
    concepts : sequence of str
        All concepts of the study.
    """
    place = concepts.index(concept) if concept in concepts else -1
    return tuple(other for other in (*concepts[place + 1 :], *concepts[: max(place, 0)]) if other != concept)


def added_hashes(
    arm: Arm,
    concept: str,
    layer: int,
    concepts: Sequence[str],
    hashes: Mapping[tuple[str, int], str],
    match: str = NORM,
) -> tuple[str, ...]:
    """Hashes of all that an arm adds in a condition: one, or one for each other concept.

    Parameters
    ----------
    arm : Arm
        A steered arm.
    concept : str
        The condition's concept.
    layer : int
        Its layer, from 0.
    concepts : sequence of str
        All concepts of the study.
    hashes : mapping of (str, int) to str
        Hashes of the concept vectors, by concept and layer.
    match : str
        What the design makes equal.

    Returns
    -------
    tuple of str
        In the order in which replicates take them: replicate r takes element r modulo their number.
    """
    own = hashes[concept, layer]
    if not takes_another(arm):
        return (vector_hash(arm, own, None, match),)
    return tuple(vector_hash(arm, own, hashes[other, layer], match) for other in other_concepts(concept, concepts))


def steering_direction(
    arm: Arm,
    place: tuple[str, int],
    added: str | None,
    seed: int,
    vectors: Mapping[tuple[str, int], ConceptVector],
    match: str = NORM,
) -> Tensor:
    """What a trial adds at strength 1 where norms are equal, shape (width,).

    Parameters
    ----------
    arm : Arm
        The trial's arm.
    place : tuple of (str, int)
        Concept and layer of its condition.
    added : str or None
        Hash of what is added, as its condition says; tells which other concept's vector it is.
    seed : int
        Seed of the trial.
    vectors : mapping of (str, int) to ConceptVector
        Concept vectors, by concept and layer.
    match : str
        What the design makes equal; part of the hash of what is added.

    Raises
    ------
    InputError
        The arm adds another concept's vector, and none of these is the one that the condition names.
    """
    addition, own = addition_of(arm), vectors[place]
    if not addition.of_another:
        return addition.direction(own, seed)
    others = {concept: vector for (concept, layer), vector in vectors.items() if layer == place[1]}
    for concept, other in others.items():
        if concept != place[0] and addition.vector_hash(own.hash, other.hash, recipe_match(arm, match)) == added:
            tensor = other.tensor * (own.norm / max(other.norm, 1e-12))
            return addition.direction(replace(other, tensor=tensor, norm=own.norm), seed)
    raise InputError(
        f"arm '{arm}', concept '{place[0]}', layer {place[1]}: the vector that the trial adds is none of the study's: "
        "put the concept back that was taken from 'concepts'"
    )


def permuted_coordinates(vector: Tensor, seed: int) -> Tensor:
    """A vector's coordinates in an order drawn from a seed: the same values and norm in another direction.

    Parameters
    ----------
    vector : Tensor
        Shape (width,).
    seed : int
        Seed of the trial.
    """
    order = torch.from_numpy(direction_noise(seed, len(vector)).argsort(kind="stable"))
    return vector[order]


register_addition(CONCEPT, SteeringAddition(lambda vector, _seed: vector.tensor))
register_addition(
    "random",
    SteeringAddition(
        lambda vector, seed: random_direction(seed, len(vector.tensor), vector.norm),
        lambda hash_: {"method": "random direction", "norm_of": hash_},
        is_drawn=True,
    ),
)
register_addition(
    "negated",
    SteeringAddition(
        lambda vector, _seed: -vector.tensor,
        lambda hash_: {"method": "sign turned", "of": hash_},
    ),
)
register_addition(
    "shuffled",
    SteeringAddition(
        lambda vector, seed: permuted_coordinates(vector.tensor, seed),
        lambda hash_: {"method": "coordinates permuted", "of": hash_},
        is_drawn=True,
    ),
)
register_addition(
    "swapped",
    SteeringAddition(
        lambda vector, _seed: vector.tensor,
        lambda hash_: {"method": "vector of another concept", "of": hash_},
        of_another=True,
    ),
)
