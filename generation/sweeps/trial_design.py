"""Plans the trials of a sweep: the product of its axes, in an order of which every beginning is balanced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import product
from typing import Any, TypeVar

import numpy as np

from gnomon.data.arms import ARMS
from gnomon.data.arms.measures import MEASURES
from gnomon.data.errors import InputError
from gnomon.data.foreign_documents.bounds import CONDITIONS, TRIALS
from gnomon.data.foreign_documents.chat_templates import PROMPT_DATE
from gnomon.data.records import Arm, Condition, Span, trial_seed
from gnomon.generation.vectors.additions import added_hashes, check_additions, takes_another
from gnomon.generation.vectors.vector_spec import PLAIN, VectorMethod

Choice = TypeVar("Choice", str, str | None)
DENSE = 4_000
"""Most conditions that are ordered by a matrix: the last bits of its sums decide the order of equal conditions."""


@dataclass(frozen=True, slots=True)
class VectorRecord:
    """A vector as the store keeps it: under the hash of its recipe, with its norm and how it was made (`content`)."""

    hash: str
    subject: str
    concept: str
    layer: int
    norm: float
    content: Mapping[str, object]


@dataclass(frozen=True)
class SweepDesign:
    """The axes of a sweep.

    `replicates` are trials per condition and arm. A condition of a steered arm is a concept, layer, strength, span and
    protocol; one of an arm that adds nothing is a protocol only. An arm with questions of its own
    (mismatched) may have both, the latter as its baseline, each replicate with another question. Without `spans`, each
    protocol's own is used. `exclude` leaves out conditions: each entry names values of some axes, and conditions that
    agree with all of them are not planned. `layer_strengths` are the strengths of layers that have others than
    `strengths`, which then holds all of them. `listed` are all concepts of the study, `concepts` those that are
    injected. `day` is what a chat template that prints today's date prints.
    """

    concepts: tuple[str, ...]
    layers: tuple[int, ...]
    strengths: tuple[float, ...]
    protocols: tuple[str, ...] = ("plain",)
    arms: tuple[Arm, ...] = (Arm.INJECTION, Arm.CONTROL, Arm.RANDOM)
    spans: tuple[Span, ...] = ()
    replicates: Mapping[Arm, int] = field(default_factory=lambda: {Arm.INJECTION: 5, Arm.CONTROL: 40, Arm.RANDOM: 2})
    seed: int = 0
    exclude: tuple[Mapping[str, object], ...] = ()
    vectors: VectorMethod = PLAIN
    listed: tuple[str, ...] = ()
    day: date = PROMPT_DATE
    layer_strengths: Mapping[int, tuple[float, ...]] = field(default_factory=dict)

    def strengths_at(self, layer: int) -> tuple[float, ...]:
        """Strengths of a layer."""
        return self.layer_strengths.get(layer, self.strengths)

    @property
    def closed_list(self) -> tuple[str, ...]:
        """The study's concepts, from which questions choose: `listed`, by default `concepts`."""
        return self.listed or self.concepts

    @property
    def vector_concepts(self) -> tuple[str, ...]:
        """Concepts whose vectors its arms add: those that are injected, and where an arm adds others', all."""
        if any(takes_another(arm) for arm in self.arms):
            return tuple(dict.fromkeys((*self.concepts, *self.closed_list)))
        return self.concepts


@dataclass(frozen=True)
class PlannedProtocol:
    """Protocol metadata used for planning.

    `question_hashes` gives the hashes of the protocol with each question that an arm asks about a concept (None where
    nothing is added); it is not called for arms that ask the protocol's own question.
    """

    name: str
    hash: str
    span: Span
    question_hashes: Callable[[Arm, str | None], Sequence[str]] = lambda _arm, _concept: ()


@dataclass(frozen=True)
class PlannedTrial:
    """A trial that is to be generated."""

    id: str
    condition: Condition
    replicate: int

    @property
    def trial_seed(self) -> int:
        """Seed of the trial's noise and of its random direction."""
        return trial_seed(self.id)


def planned_conditions(
    design: SweepDesign,
    subject: str,
    revision: str,
    protocols: Sequence[PlannedProtocol],
    vectors: Mapping[tuple[str, int], str],
) -> list[tuple[Condition, int]]:
    """Every condition of a design with its number of replicates.

    Parameters
    ----------
    design : SweepDesign
        The design.
    subject : str
        Name of the subject.
    revision : str
        Its revision.
    protocols : sequence of PlannedProtocol
        Metadata of the design's protocols.
    vectors : mapping of (str, int) to str
        Hashes of the concept vectors, by concept and layer; of `closed_list` where an arm adds that of another concept.

    Returns
    -------
    list of (Condition, int)
        In the order of arms and protocols.

    Raises
    ------
    InputError
        If the design is not valid, see `check_design`.
    """
    check_design(design)
    made: list[tuple[Condition, int]] = []
    for arm, said in product(design.arms, protocols):
        number = design.replicates.get(arm, 0)
        for place, (span, concept, layer, strength) in enumerate(_condition_axes(design, arm, said)):
            added: Sequence[str | None] = [None]
            if concept is not None and layer is not None:
                added = added_hashes(arm, concept, layer, design.closed_list, vectors, design.vectors.match)
            for protocol, asked in (
                _spread_counts(said.question_hashes(arm, concept), place, number)
                if MEASURES.find(ARMS[arm].measure).ask
                else [(said.hash, number)]
            ):
                for hash_, replicates in _spread_counts(added, 0, asked):
                    condition = Condition(
                        subject, revision, arm, concept, layer, float(strength), span, protocol, hash_, design.seed
                    )
                    made.append((condition, replicates))
    return made


def _condition_axes(
    design: SweepDesign, arm: Arm, said: PlannedProtocol
) -> Iterator[tuple[Span, str | None, int | None, float]]:
    """Span, concept, layer and strength of an arm's conditions with one protocol."""
    spans = design.spans or (said.span,)
    has_baseline = MEASURES.find(ARMS[arm].measure).has_baseline
    if (has_baseline or not ARMS[arm].is_steered) and not _is_excluded(design, arm=arm, protocol=said.name):
        yield spans[0], None, None, 0.0
    if not ARMS[arm].is_steered:
        return
    for span, layer in product(spans, design.layers):
        for strength, concept in product(ARMS[arm].strengths_of(design.strengths_at(layer)), design.concepts):
            axes = {"arm": arm, "protocol": said.name, "span": span}
            if not _is_excluded(design, **axes, layer=layer, strength=strength, concept=concept):
                yield span, concept, layer, strength


def _is_excluded(design: SweepDesign, **axes: Any) -> bool:
    return any(all(key in axes and axes[key] == value for key, value in rule.items()) for rule in design.exclude)


def _spread_counts(choices: Sequence[Choice], place: int, number: int) -> list[tuple[Choice, int]]:
    """Questions (or vectors) of a condition's replicates, by their hashes, with their numbers.

    Each condition continues where the previous one ended, so that few replicates do not mean few questions. With one
    choice, it has all replicates, none included.
    """
    if len(choices) == 1:
        return [(choices[0], number)]
    chosen = Counter(choices[(place * number + one) % len(choices)] for one in range(number))
    return list(chosen.items())


def check_design(design: SweepDesign) -> None:
    """Validate a design.

    Raises
    ------
    InputError
        If an axis is empty, names a value twice, an exclusion names an unknown value, a number of replicates is
        negative, or there are more conditions or trials than allowed.
    """
    axes = {name: getattr(design, name) for name in ("concepts", "layers", "strengths", "protocols", "arms", "spans")}
    for name, values in axes.items():
        if not values and name != "spans":
            raise InputError(f"design: '{name}' is empty: name at least one")
        if len(set(values)) != len(values):
            raise InputError(f"design: '{name}' names a value twice: {', '.join(map(str, values))}")
    for rule in design.exclude:
        for key, value in rule.items():
            _check_excluded(design, key, value)
    if any(number < 0 for number in design.replicates.values()):
        raise InputError("design: 'replicates' holds a negative number: write 0 or more")
    check_additions(design.arms, design.closed_list)
    _check_size(design)


def _check_size(design: SweepDesign) -> None:
    """Bound the conditions and trials, those that `exclude` leaves out included, before any is built."""
    sites = sum(len(design.strengths_at(layer)) for layer in design.layers)
    steered = len(design.spans or (None,)) * sites * len(design.concepts)
    sizes = {arm: len(design.protocols) * (1 + ARMS[arm].is_steered * steered) for arm in design.arms}
    CONDITIONS.check(sum(sizes.values()), "design")
    TRIALS.check(sum(size * design.replicates.get(arm, 0) for arm, size in sizes.items()), "design")


def _check_excluded(design: SweepDesign, key: str, value: Any) -> None:
    known = {"arm": design.arms, "concept": design.concepts, "layer": design.layers, "strength": design.strengths}
    known |= {"span": design.spans or tuple(Span), "protocol": design.protocols}
    if key not in known:
        raise InputError(f"design: 'exclude' names the axis '{key}': choose from {', '.join(known)}")
    if value not in known[key]:
        has = ", ".join(map(str, known[key]))
        raise InputError(f"design: 'exclude' names the {key} {value}, which the design does not have: it has {has}")


def balanced_order(counted: Sequence[tuple[Condition, int]]) -> list[PlannedTrial]:
    """All trials, ordered so that any beginning holds each arm, concept, layer etc. in about its final share.

    Greedy: the next trial belongs to the condition that lags furthest behind its share, summed over the condition
    itself and each of its values.
    """
    numbers = np.array([number for _, number in counted], dtype=float)
    member = _level_membership([condition for condition, _ in counted])
    share = np.bincount(member.ravel(), np.repeat(numbers, member.shape[1])) / max(numbers.sum(), 1.0)
    behind = np.zeros(len(share))
    lag_of = _lag_function(member, len(share))
    left, order = numbers.copy(), []
    for _ in range(int(numbers.sum())):
        behind += share
        chosen = int(np.argmax(np.where(left > 0, lag_of(behind), -np.inf)))
        behind[member[chosen]] -= 1.0
        condition, replicate = counted[chosen][0], int(numbers[chosen] - left[chosen])
        order.append(PlannedTrial(condition.trial_id(replicate), condition, replicate))
        left[chosen] -= 1
    return order


def _lag_function(member: np.ndarray, columns: int) -> Callable[[np.ndarray], np.ndarray]:
    """Sum of each condition's values; a matrix of very many conditions would fill the memory."""
    if len(member) > DENSE:
        return lambda behind: behind[member].sum(axis=1)
    dense = np.zeros((len(member), columns))
    np.put_along_axis(dense, member, 1.0, axis=1)
    return lambda behind: dense @ behind


def _level_membership(chosen: Sequence[Condition]) -> np.ndarray:
    """Numbers of each condition's values (row): of its arm, of each axis within its arm, and of itself."""
    axes = ("concept", "layer", "strength", "span", "protocol")
    keys = [
        [("arm", c.arm), *((axis, c.arm, getattr(c, axis)) for axis in axes), ("itself", index)]
        for index, c in enumerate(chosen)
    ]
    columns = {key: column for column, key in enumerate(dict.fromkeys(key for row in keys for key in row))}
    return np.array([[columns[key] for key in row] for row in keys], dtype=int).reshape(len(keys), len(axes) + 2)
