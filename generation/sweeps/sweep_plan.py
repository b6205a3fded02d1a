"""What a run generates: a design with its protocols and the trials that are planned of them. Plans nothing itself."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from gnomon.generation.prompts.protocol import Protocol
from gnomon.generation.sweeps.trial_design import PlannedTrial, SweepDesign


@dataclass(frozen=True)
class SweepPlan:
    """Everything that is to be generated of one subject.

    Attributes
    ----------
    design : SweepDesign
        Its axes: concepts and layers say which vectors are made, `arms` how they are added.
    protocols : tuple of Protocol
        What is put to the subject.
    trials : tuple of PlannedTrial
        In the order in which they are to be generated.
    """

    design: SweepDesign
    protocols: tuple[Protocol, ...]
    trials: tuple[PlannedTrial, ...]

    @property
    def ids(self) -> frozenset[str]:
        """Ids of the trials."""
        return frozenset(trial.id for trial in self.trials)

    @property
    def most_tokens(self) -> int:
        """Greatest number of tokens that the responses to all trials may have."""
        from gnomon.generation.sweeps.trial_factory import all_protocols

        longest = {each.protocol_hash: each.max_tokens for each in all_protocols(self.design, self.protocols)}
        return sum(longest[trial.condition.protocol] for trial in self.trials)

    def without(self, present: Collection[str]) -> SweepPlan:
        """The trials that are not there yet."""
        return replace(self, trials=tuple(trial for trial in self.trials if trial.id not in present))
