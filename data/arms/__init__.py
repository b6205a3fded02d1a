"""The arms of a study, each declared once: what is added to the residual stream, what counts, and how it is shown.

Everything that must know an arm asks its `ArmSpec`: planning, generation, the informed rubric, outcomes, importers, the
model's terms, estimates, charts. A further arm is one `register_arm`; knows nothing of trials or tensors.
`gnomon.data` imports this module, so that no arm is unknown because nobody had asked for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from gnomon.data.arms.measures import MEASURES, YES_NO
from gnomon.data.errors import InputError
from gnomon.data.records import REPORT, Arm
from gnomon.data.registry import Registry

NOTHING = "none"
"""The addition of an arm in which no vector is added."""
CONCEPT = "concept"
"""The addition of an arm in which the concept's vector is added as it is."""
ADDED_CONCEPT = "added_concept"
"""Key of a stored vector that is another concept's than its own: the name of that concept."""
EVENT_RATE = "event_rate_"
"""Before an arm's name: the share of its trials in which the event happens, by itself."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_COLOUR = re.compile(r"#[0-9A-Fa-f]{6}")


class ArmEvent(StrEnum):
    """What counts in an arm: that the injected concept is named, or that anything is claimed."""

    IDENTIFIED = "identified"
    CLAIMED = "claimed"


@dataclass(frozen=True)
class ArmSpec:
    """An arm as a value.

    Attributes
    ----------
    name : str
        As studies, exports and databases write it: at most 32 lower-case letters, digits and underscores.
    label : str
        As people read it.
    described : str
        How an informed judge is told what was done; `{concept}` stands for the trial's concept.
    colour : str
        Its colour in every chart, "#RRGGBB"; "" takes one of the palette that no other arm has.
    addition : str
        What is added to the residual stream: `concept`, `random`, `negated`, `none`, or a name that was given to
        `gnomon.generation.vectors.additions.register_addition`.
    event : ArmEvent
        What counts as the event. An arm that counts identification asks for the concept that was injected.
    default_replicates : int
        Trials for each condition where the study file says nothing.
    measure : str
        What is asked: a registered measure (`gnomon.data.arms.measures`).
    aliases : tuple of str
        Further words by which imported tables may call it.
    fixed_strength : float or None
        The strength of all its conditions, whatever strengths a design has; None where it takes the design's.
    is_matched : bool
        Whether a design may scale what is added so that its effect, not its norm, is that of the concept's vector.
    in_rubric_hash : bool
        Whether `described` is part of the hash of informed rubrics. False for arms of the house that came after the
        rubrics: judges keep their versions, and a test keeps their words.

    Raises
    ------
    InputError
        A name, colour or number of replicates that cannot be, or a description with another placeholder.
    """

    name: str
    label: str
    described: str
    colour: str = ""
    addition: str = CONCEPT
    event: ArmEvent = ArmEvent.CLAIMED
    default_replicates: int = 5
    measure: str = REPORT
    aliases: tuple[str, ...] = ()
    fixed_strength: float | None = None
    is_matched: bool = False
    in_rubric_hash: bool = True

    def __post_init__(self) -> None:
        """Check the values."""
        if not _NAME.fullmatch(self.name):
            raise InputError(f"arm '{self.name}': write its name in at most 32 letters a-z, digits and underscores")
        if self.colour and not _COLOUR.fullmatch(self.colour):
            raise InputError(f"arm '{self.name}': colour '{self.colour}' is not known: write it as #RRGGBB")
        if self.default_replicates < 1:
            raise InputError(f"arm '{self.name}': {self.default_replicates} replicates by default: give 1 or more")
        try:
            self.described.format(concept="ocean")
        except (KeyError, IndexError, ValueError):
            raise InputError(
                f"arm '{self.name}': 'described' may hold {{concept}} and no other braces: change that text"
            ) from None

    @property
    def is_judged(self) -> bool:
        """Whether its answers are about what the subject notices, so that judges and raters read them."""
        return MEASURES.find(self.measure).is_judged

    @property
    def is_steered(self) -> bool:
        """Whether a vector is added, so that its conditions have a concept, a layer and a strength."""
        return self.addition != NOTHING

    @property
    def counts_identified(self) -> bool:
        """Whether the event is that the injected concept is named."""
        return self.event is ArmEvent.IDENTIFIED

    def strengths_of(self, planned: Iterable[float]) -> tuple[float, ...]:
        """Strengths of its conditions in a design that plans these."""
        return tuple(planned) if self.fixed_strength is None else (self.fixed_strength,)


ARMS: Registry[ArmSpec] = Registry("arm", "gnomon.arms")
"""Every arm by name: the house's own, then those that were registered, in their order."""


def register_arm(spec: ArmSpec) -> ArmSpec:
    """Add an arm; raises `InputError` where its name is taken."""
    return ARMS.register(spec.name, spec)


register_arm(
    ArmSpec(
        "injection",
        "injection",
        "the vector of the concept '{concept}' was added.",
        "#D55E00",
        event=ArmEvent.IDENTIFIED,
        default_replicates=10,
        aliases=("injected", "inject", "concept"),
    )
)
register_arm(
    ArmSpec(
        "control",
        "control",
        "nothing was added.",
        "#0072B2",
        addition=NOTHING,
        default_replicates=40,
        aliases=("no_injection", "baseline"),
    )
)
register_arm(
    ArmSpec(
        "random",
        "random direction",
        "a random vector, which stands for no concept, was added.",
        "#009E73",
        addition="random",
        is_matched=True,
        aliases=("random_direction",),
    )
)
register_arm(
    ArmSpec(
        "negated",
        "negated",
        "the vector of the concept '{concept}' was subtracted.",
        "#CC79A7",
        addition="negated",
    )
)
register_arm(
    ArmSpec(
        "mismatched",
        "mismatched question",
        "the vector of the concept '{concept}' was added, and another question asked.",
        measure=YES_NO,
    )
)
register_arm(
    ArmSpec(
        "sham",
        "sham",
        "a vector of zeros was added, which changes nothing.",
        "#999999",
        fixed_strength=0.0,
        in_rubric_hash=False,
    )
)
register_arm(
    ArmSpec(
        "shuffled",
        "shuffled vector",
        "the vector of the concept '{concept}' was added with its coordinates in random order, so that it stands for "
        "no concept.",
        "#E69F00",
        addition="shuffled",
        is_matched=True,
        in_rubric_hash=False,
        aliases=("permuted",),
    )
)
register_arm(
    ArmSpec(
        "swapped",
        "other concept",
        "the vector of another concept than '{concept}' was added.",
        "#56B4E9",
        addition="swapped",
        is_matched=True,
        in_rubric_hash=False,
        aliases=("other_concept",),
    )
)


Arm.declarations = ARMS


def judged_arms() -> list[str]:
    """Names of the arms whose answers judges and raters read."""
    return [name for name, spec in ARMS.items() if spec.is_judged]


def measured_arms() -> list[str]:
    """Names of the arms whose answers are read by a measure of their own, and by nobody else."""
    return [name for name, spec in ARMS.items() if not spec.is_judged]


def steered_arms() -> list[str]:
    """Names of the arms in which a vector is added."""
    return [name for name, spec in ARMS.items() if spec.is_steered]


def identified_arms() -> list[str]:
    """Names of the arms in which naming the injected concept is the event."""
    return [name for name, spec in ARMS.items() if spec.counts_identified]


def matched_arms() -> list[str]:
    """Names of the arms that a design may scale to the effect of the concept's vector."""
    return [name for name, spec in ARMS.items() if spec.is_matched]


def fixed_strengths() -> dict[float, list[str]]:
    """Names of the arms whose conditions all have one strength, by that strength."""
    found: dict[float, list[str]] = {}
    for name, spec in ARMS.items():
        if spec.fixed_strength is not None:
            found.setdefault(spec.fixed_strength, []).append(name)
    return found


def arm_aliases() -> dict[str, str]:
    """The arm that each word of a source means: its name and its aliases, in order."""
    return {word: name for name, spec in ARMS.items() for word in (name, *spec.aliases)}
