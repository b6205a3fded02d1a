"""The truth of simulated studies: effects of all terms, and how much subjects and concepts differ.

`EVEN` is a mild invented world: refusal 22 % and false alarms 12 % at the middle size, injection changes both,
detection grows with size and strength, and subjects hardly differ. `UNEVEN` is the same with subjects that differ as
much as the priors' medians. `PUBLISHED` is the published study: posterior means of the effects of its counts, and
posterior medians of the subjects' deviations from the line in size (model version 4). Small subjects report thoughts
that nobody injected (0.5B: 29 % of its controls), large ones hardly ever (32B: 0.3 %), and refusal ranges from none of
1,600 to two thirds. What its counts do not determine (strength, depth, concepts, judges) is as in the other two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gnomon.stats.inference.hierarchical import OutcomeModel

Pair = tuple[float, float]

ERRORS = np.array([[[0.02, 0.02], [0.02, 0.12], [0.03, 0.06]], [[0.02, 0.03], [0.02, 0.1], [0.02, 0.15]]])
"""Odds of the two wrong classes against the correct one, by arm (injection, control) and true class."""
ACCURACY = 0.3
"""Standard deviation of the logits of judges' accuracies, by subject and by concept."""
NEGLIGIBLE = 0.15
"""Standard deviation of groups of deviations that a world does not name."""
DOSE: Mapping[str, Pair] = {
    "s:injection": (-0.3, 0.4), "s2:injection": (0.0, -0.2), "d:injection": (0.0, 0.3), "d2:injection": (0.0, -0.2),
}  # fmt: skip
MILD: Mapping[str, Pair] = {
    "level": (-1.3, -2.0), "injection": (-0.5, 1.0), "size": (0.1, -0.1), "size:injection": (0.0, 0.25), **DOSE,
}  # fmt: skip
FOUND: Mapping[str, Pair] = {
    "level": (-3.3, -3.2), "injection": (-0.9, 2.6), "size": (-0.4, -0.5), "size:injection": (-0.05, 0.6), **DOSE,
}  # fmt: skip


@dataclass(frozen=True)
class World:
    """Effects, and standard deviations of deviations, in logits of refusing and of the event among the engaged.

    Both by the names of the model's terms; a term that is not named has no effect. `subjects` describes the subjects of
    this world in words; "{models}" stands for their number and noun, "{n}" for the number.
    """

    subjects: str
    effects: Mapping[str, Pair]
    spread: Mapping[str, Pair]

    def draw(self, model: OutcomeModel, rng: np.random.Generator) -> np.ndarray:
        """A true parameter vector for a model with judges.

        Parameters
        ----------
        model : OutcomeModel
            The model.
        rng : numpy.random.Generator
            Source of randomness.
        """
        rows = []
        for term in (*model.design.fixed_terms, *model.design.random_terms):
            width = model.design.term_widths()[term.name]
            fixed = np.tile(self.effects.get(term.name, (0.0, 0.0)), (width, 1))
            each = rng.normal(0.0, 1.0, (width, 2)) * self.spread.get(term.name, (NEGLIGIBLE, NEGLIGIBLE))
            rows.append(fixed + each * term.deviations)
        v, point = model.verdicts, {name: np.zeros(shape) for name, shape in model.parameter_shapes.items()}
        assert v is not None
        point["coefficient"] = np.vstack(rows)
        point["wrong"] = np.log(ERRORS)[:, None] + rng.normal(0.0, 0.3, model.parameter_shapes["wrong"])
        point["accuracy"] = rng.normal(0.0, ACCURACY, model.parameter_shapes["accuracy"])
        point["wrong_deviation"] = rng.normal(0.0, ACCURACY, model.parameter_shapes["wrong_deviation"])
        return np.concatenate([values.ravel() for values in point.values()])


def _spread(level: Pair, injection: Pair, variant: Pair, variant_injection: Pair) -> dict[str, Pair]:
    subjects = {"subject": level, "subject:injection": injection}
    return {**subjects, "variant": variant, "variant:injection": variant_injection, "concept": (0.6, 0.6)}


EVEN = World("{n} similar models", MILD, _spread((0.6, 0.6), (0.4, 0.4), (0.5, 0.5), (0.5, 0.5)))
UNEVEN = World(
    "{models} that differ as the priors expect", MILD, _spread((1.0, 1.0), (0.67, 0.67), (0.67, 0.67), (0.67, 0.67))
)
PUBLISHED = World(
    "{models} as in the published study", FOUND, _spread((2.6, 1.05), (0.85, 1.0), (0.75, 0.65), (0.65, 0.55))
)
