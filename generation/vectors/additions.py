"""What an arm adds to the residual stream, each declared once: how it is made of the concept's vector, and its recipe.

`ArmSpec.addition` names one of them. Knows nothing of trials, layers or prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from gnomon.data.arms import ARMS, CONCEPT
from gnomon.data.records import Arm, canonical_hash
from gnomon.data.registry import Registry
from gnomon.generation.vectors.concept_vectors import ConceptVector, random_direction


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
    """

    direction: Callable[[ConceptVector, int], Tensor]
    recipe: Callable[[str], Mapping[str, object]] | None = None
    relative_norm: float = 1.0

    def vector_hash(self, vector: str) -> str:
        """Hash of what is added, given that of the concept's vector."""
        return vector if self.recipe is None else canonical_hash(dict(self.recipe(vector)))


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


def vector_hash(arm: Arm, vector: str) -> str:
    """Hash of what an arm adds.

    Parameters
    ----------
    arm : Arm
    vector : str
        Hash of the concept's vector.
    """
    return addition_of(arm).vector_hash(vector)


register_addition(CONCEPT, SteeringAddition(lambda vector, _seed: vector.tensor))
register_addition(
    "random",
    SteeringAddition(
        lambda vector, seed: random_direction(seed, len(vector.tensor), vector.norm),
        lambda hash_: {"method": "random direction", "norm_of": hash_},
    ),
)
register_addition(
    "negated",
    SteeringAddition(
        lambda vector, _seed: -vector.tensor,
        lambda hash_: {"method": "sign turned", "of": hash_},
    ),
)
