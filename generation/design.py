"""Which trials a sweep makes: the product of its axes, in an order of which every beginning is balanced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from data.errors import BadInput
from data.records import Arm, Condition, Span, digest, trial_seed


@dataclass(frozen=True)
class Design:
    """The axes of a sweep.

    `replicates` are trials per condition and arm. A condition of the injection and random arms is a concept, layer,
    strength, span and protocol; one of the control arm is a protocol alone. No `spans`: each protocol's own.
    """

    concepts: tuple[str, ...]
    layers: tuple[int, ...]
    strengths: tuple[float, ...]
    protocols: tuple[str, ...] = ("plain",)
    arms: tuple[Arm, ...] = (Arm.INJECTION, Arm.CONTROL, Arm.RANDOM)
    spans: tuple[Span, ...] = ()
    replicates: Mapping[Arm, int] = field(default_factory=lambda: {Arm.INJECTION: 5, Arm.CONTROL: 40, Arm.RANDOM: 2})
    seed: int = 0


@dataclass(frozen=True)
class Said:
    """What planning needs to know of a protocol: its name, its hash and its own span."""

    name: str
    hash: str
    span: Span


@dataclass(frozen=True)
class Planned:
    """A trial to make."""

    id: str
    condition: Condition
    replicate: int

    @property
    def seed(self) -> int:
        """Seed of the trial's noise and of its random direction."""
        return trial_seed(self.id)


def random_vector_hash(vector: str) -> str:
    """Hash of the recipe 'a random direction of the norm of this vector, drawn from the trial's seed'."""
    return digest({"method": "random direction", "norm_of": vector})


def conditions(
    design: Design, subject: str, revision: str, protocols: Sequence[Said], vectors: Mapping[tuple[str, int], str]
) -> list[tuple[Condition, int]]:
    """Every condition of a design with its number of replicates; `vectors` are hashes by (concept, layer)."""
    check(design)
    made: list[tuple[Condition, int]] = []
    for arm, said in product(design.arms, protocols):
        spans = design.spans or (said.span,)
        if arm is Arm.CONTROL:
            nothing = Condition(subject, revision, arm, None, None, 0.0, spans[0], said.hash, None, design.seed)
            made.append((nothing, design.replicates.get(arm, 0)))
            continue
        for span, layer, strength, concept in product(spans, design.layers, design.strengths, design.concepts):
            vector = vectors[concept, layer]
            hash_ = random_vector_hash(vector) if arm is Arm.RANDOM else vector
            condition = Condition(
                subject, revision, arm, concept, layer, float(strength), span, said.hash, hash_, design.seed
            )
            made.append((condition, design.replicates.get(arm, 0)))
    return made


def check(design: Design) -> None:
    """Raise `BadInput` for a design with an empty axis, a value named twice or a negative number of replicates."""
    axes = {name: getattr(design, name) for name in ("concepts", "layers", "strengths", "protocols", "arms", "spans")}
    for name, values in axes.items():
        if not values and name != "spans":
            raise BadInput(f"design: '{name}' is empty: name at least one")
        if len(set(values)) != len(values):
            raise BadInput(f"design: '{name}' names a value twice: {', '.join(map(str, values))}")
    if any(number < 0 for number in design.replicates.values()):
        raise BadInput("design: 'replicates' holds a negative number: write 0 or more")


def balanced(counted: Sequence[tuple[Condition, int]]) -> list[Planned]:
    """All trials, ordered so that any beginning holds each arm, concept, layer ... in about its final share.

    Greedy: the next trial is of the condition that lags furthest behind its share, summed over the condition itself
    and each of its values.
    """
    numbers = np.array([number for _, number in counted], dtype=float)
    member = _levels([condition for condition, _ in counted])
    share = member.T @ numbers / max(numbers.sum(), 1.0)
    behind = np.zeros(member.shape[1])
    left, order = numbers.copy(), []
    for _ in range(int(numbers.sum())):
        behind += share
        chosen = int(np.argmax(np.where(left > 0, member @ behind, -np.inf)))
        behind -= member[chosen]
        condition, replicate = counted[chosen][0], int(numbers[chosen] - left[chosen])
        order.append(Planned(condition.trial_id(replicate), condition, replicate))
        left[chosen] -= 1
    return order


def _levels(chosen: Sequence[Condition]) -> np.ndarray:
    """Which condition (row) has which value (column): of its arm, of each axis within its arm, and itself."""
    axes = ("concept", "layer", "strength", "span", "protocol")
    keys = [
        [("arm", c.arm), *((axis, c.arm, getattr(c, axis)) for axis in axes), ("itself", index)]
        for index, c in enumerate(chosen)
    ]
    columns = {key: column for column, key in enumerate(dict.fromkeys(key for row in keys for key in row))}
    member = np.zeros((len(chosen), len(columns)))
    for row, row_keys in enumerate(keys):
        member[row, [columns[key] for key in row_keys]] = 1.0
    return member
