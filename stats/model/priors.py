"""The priors of the model as one argument: every number that does not come from the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from math import isfinite

from gnomon.data.errors import InputError
from gnomon.stats.cells.outcome_classes import EVENT, INCOHERENT, MISNAMED, REFUSED


@dataclass(frozen=True, slots=True)
class Priors:
    """Prior scales on the logit scale.

    Means are those of normal priors; a `*_sd` is the standard deviation of a normal prior on one coefficient;
    a `*_scale` is the scale of the half-normal prior on the standard deviation of a group of deviations. Scales
    are deliberately informative: with few subjects or concepts they are poorly identified under a weak prior.

    Parameters
    ----------
    refused_mean, event_mean, incoherent_mean, misnamed_mean : float
        Prior mean of the logit of each stage in the control arm, for a subject of the middle size.
    intercept_sd : float
        Its standard deviation; 2 covers rates from under 1 % to over 90 %.
    arm_sd : float
        Effect of the injection (or random) arm on a stage.
    size_sd, arm_size_sd : float
        Slope in log2(parameters), per doubling, of the control level and of the arm's effect.
    strength_sd, strength_squared_sd, depth_sd, depth_squared_sd, strength_depth_sd : float
        Linear and quadratic effects of standardised log strength and depth in the steered arms, and their product.
    protocol_sd, protocol_arm_sd, span_sd : float
        Effects of protocol, protocol by arm, and span, as contrasts that sum to zero.
    subject_scale, subject_arm_scale : float
        Deviations of subjects from the line in size: control level, and effect of the arm.
    variant_scale : float
        Deviations of variants (coder, insecure ...) from the instruct models.
    concept_scale, subject_concept_scale, subject_strength_scale, subject_depth_scale : float
        Deviations of concepts, of concepts within a subject, and of the strength and depth effects within a subject.
    strength_level_scale, layer_level_scale, wording_level_scale : float
        Deviations of the levels of strength, of layer, and of span and protocol, within a subject and steered arm.
    layer_strength_scale, concept_layer_scale, cell_scale : float
        Deviations of layer by strength, of concept by layer, and of each cell, within a subject and steered arm. In the
        published sweeps cells deviate by .85 and .97 (decision 18).
    judge_wrong_mean, judge_wrong_sd : float
        Logit of each wrong class against the correct one in a judge's confusion row. A mean of -2.5 means that
        judges are better than chance (about 3 in 4 correct), the standard deviation allows .3 to .97 (decision 0027).
    judge_wrong_sd_unlabelled : float
        The standard deviation in arms with too few labels to show how judges err (fewer than
        `judge_confusion.LABELS_FOR_ERRORS`): with a wide prior judges that are wrong more often than right would fit
        unlabelled verdicts as well (decision 0034).
    judge_wrong_alike : float
        Correlation of these logits within an arm, over all judges and classes, from 0 to below 1: answers that are hard
        to read are hard for every judge. With independent logits the priors would add up to a strong belief about
        the judges' overall error rate, which labels could hardly change (decision 0014).
    judge_scale : float
        Deviations of a judge's accuracy by concept, subject, span and protocol, within an arm.
    judge_dose_scale : float
        Deviations of every logit of a judge's wrong verdicts by strength and layer, within a steered arm: strong
        steering breaks the language of responses, and a judge may mistake the result for an event. The prior of their
        standard deviation is Rayleigh, not half-normal: it is 0 at 0, because a few labels without an error at one
        strength do not show that errors are the same at all (decision 0019).
    rater_accuracy : float
        Prior mean of the probability that a rater's label is right, above 0.5; with 1 every label is the truth.
    rater_wrong_sd, rater_wrong_alike : float
        Standard deviation of the logit of each wrong class for a rater, and the correlation of these logits. With .8 a
        rater is right in 90 to 99.5 % a priori. The correlation is .9 where no trial is labelled twice, and falls to
        this with 20 such trials (`stats.model.rater_confusion`).
    rater_scale : float
        Standard deviation of a rater's own logit of the right class, where there are several raters.
    judge_agreement_sd : float
        Extra log odds that two judges give the same verdict, given the truth, by arm: judges that read the same
        words make the same mistakes, and assuming independence would count those mistakes as evidence.
    """

    refused_mean: float = -2.0
    event_mean: float = -1.5
    incoherent_mean: float = -2.0
    misnamed_mean: float = -1.5
    intercept_sd: float = 2.0
    arm_sd: float = 2.0
    size_sd: float = 0.5
    arm_size_sd: float = 0.5
    strength_sd: float = 1.0
    strength_squared_sd: float = 0.5
    depth_sd: float = 1.0
    depth_squared_sd: float = 0.5
    strength_depth_sd: float = 0.5
    protocol_sd: float = 1.0
    protocol_arm_sd: float = 0.7
    span_sd: float = 0.7
    subject_scale: float = 1.5
    subject_arm_scale: float = 1.0
    variant_scale: float = 1.0
    concept_scale: float = 1.0
    subject_concept_scale: float = 0.5
    subject_strength_scale: float = 0.5
    subject_depth_scale: float = 0.5
    strength_level_scale: float = 0.7
    layer_level_scale: float = 1.0
    wording_level_scale: float = 0.5
    layer_strength_scale: float = 0.7
    concept_layer_scale: float = 1.0
    cell_scale: float = 1.0
    judge_wrong_mean: float = -2.5
    judge_wrong_sd: float = 2.0
    judge_wrong_sd_unlabelled: float = 1.5
    judge_wrong_alike: float = 0.5
    judge_scale: float = 0.5
    judge_dose_scale: float = 1.0
    judge_agreement_sd: float = 1.0
    rater_accuracy: float = 0.97
    rater_wrong_sd: float = 0.8
    rater_wrong_alike: float = 0.5
    rater_scale: float = 0.5

    @classmethod
    def from_mapping(cls, values: Mapping[str, object]) -> Priors:
        """Priors from a study file's table.

        Raises
        ------
        InputError
            If a name is unknown or a number is not allowed.
        """
        known = {field.name for field in fields(cls)}
        numbers = {}
        for name, value in values.items():
            if name not in known:
                raise InputError(f"prior '{name}' is not known: choose from {', '.join(sorted(known))}")
            mean = name.endswith("_mean")
            if not isinstance(value, int | float) or isinstance(value, bool) or not isfinite(value):
                raise InputError(f"prior '{name}' is {value!r}: give a {'finite' if mean else 'positive'} number")
            if not mean and value <= 0:
                raise InputError(f"prior '{name}' is {value!r}: give a positive number")
            if name.endswith("_accuracy") and not 0.5 < value <= 1:
                raise InputError(f"prior '{name}' is {value!r}: give a number above 0.5 and at most 1")
            if name.endswith("_alike") and value >= 1:
                raise InputError(f"prior '{name}' is {value!r}: it is a correlation: give a number between 0 and 1")
            numbers[name] = float(value)
        return cls(**numbers)

    def as_dict(self) -> dict[str, float]:
        """The numbers by name, as stored with each fit."""
        return asdict(self)

    def intercept_means(self) -> dict[str, float]:
        """Prior mean of the control logit by stage."""
        means = (self.refused_mean, self.event_mean, self.incoherent_mean, self.misnamed_mean)
        return dict(zip((REFUSED, EVENT, INCOHERENT, MISNAMED), means, strict=True))
