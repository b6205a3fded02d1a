"""Results of comparing variants with their base as values: what `--json` prints and what pages and sentences read."""

from __future__ import annotations

from gnomon.data.results import ResultPart
from gnomon.data.storage.stored_settings import SubjectVariant
from gnomon.stats.measures.measure_results import MeasuredEstimate


class VariantTask(ResultPart):
    """One task: variant less base, in the trials that both have. Of the estimates, `subject` is the variant."""

    task: str
    injected: MeasuredEstimate | None
    """Rate of the event with the concept's vector (variant_rate)."""
    control: MeasuredEstimate | None
    """The same in the control arm: how the variant differs without a vector (variant_rate)."""
    effect: MeasuredEstimate | None
    """Injection less control, variant less base (variant_difference): what the vector does beyond what it does in the
    base."""


class VariantComparison(ResultPart):
    """A variant against the model that it is a variant of, on the same vectors, concepts, doses and items."""

    variant: str
    base: str
    changes: tuple[str, ...]
    """What is changed in the variant: adapter, ablated, informed."""
    paired: int
    """Trials of the variant whose task, arm, concept, layer, strength and item the base has too: these count."""
    unpaired: int
    """Trials of either that the other has no counterpart of; they are left out."""
    tasks: tuple[VariantTask, ...] = ()
    yes_corrected: tuple[MeasuredEstimate, ...] = ()
    """Yes-corrected detection, variant less base (variant_yes_corrected): over the design, and by cell where there are
    several; in log-odds and in probability, or in rates where no logits were read."""

    @property
    def declared(self) -> SubjectVariant:
        """The variant as the study file declares it."""
        return SubjectVariant.model_validate(self.model_dump(include={"variant", "base", "changes"}))
