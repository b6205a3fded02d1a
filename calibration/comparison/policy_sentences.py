"""Labels by guideline in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from gnomon.calibration.comparison.comparison_sentences import format_change
from gnomon.calibration.comparison.policy_results import PolicyChange, PolicyDocument, PolicyLabels
from gnomon.calibration.numerics.multiple_testing import format_p
from gnomon.calibration.numerics.number_formats import format_coefficient


def policy_sentences(found: PolicyDocument) -> tuple[str, ...]:
    """What each guideline's labels are, and what each change of the guideline moves."""
    names = {policy.policy: policy.name for policy in found.policies}
    told = [sentence for change in found.changes for sentence in _change_sentences(change, names)]
    return (*(_labels_sentence(policy) for policy in found.policies), *told, _condition_sentence(found))


def _labels_sentence(policy: PolicyLabels) -> str:
    rates = ", ".join(f"{100 * rate.value:.0f} % in {arm}" for arm, rate in policy.base_rates.items())
    told = f"{policy.name}: {policy.trials:,} trials by {_raters(policy)}; events: {rates}"
    if policy.alpha is not None:
        return f"{told}; Krippendorff's alpha of its raters {format_coefficient(policy.alpha.value)}."
    return f"{told}; no agreement is known: {policy.agreement_reason}." if policy.agreement_reason else f"{told}."


def _raters(policy: PolicyLabels) -> str:
    return "1 rater" if len(policy.raters) == 1 else f"{len(policy.raters)} raters"


def _change_sentences(change: PolicyChange, names: dict[str, str]) -> Iterator[str]:
    a, b = names[change.a], names[change.b]
    if change.both:
        told = (
            f"From {a} to {b}: {change.moved} of {change.both} trials labelled under both have another outcome, "
            f"{change.to_event} have the event only under {b} and {change.from_event} only under {a}"
        )
        if change.event_difference is not None and change.p_exact is not None:
            told += f"; share of events {format_change(change.event_difference)}, {format_p(change.p_exact)}"
        yield f"{told}."
    for arm, difference in change.unpaired.items():
        yield (
            f"Between different trials of {arm}, the share of events changes by {format_change(difference)} from {a} "
            f"to {b}: too few are labelled under both to tell the guideline from the choice of trials."
        )
    for row in change.judges:
        if row.difference is not None and row.p_exact is not None and row.a is not None and row.b is not None:
            yield (
                f"{row.judge} has the label's answer on {100 * row.a.value:.0f} % under {a} and on "
                f"{100 * row.b.value:.0f} % under {b}: {format_change(row.difference)}, {format_p(row.p_exact)}."
            )
    if change.best_a and change.best_b and change.best_a != change.best_b:
        yield f"The judge that agrees most often is {change.best_a} under {a} and {change.best_b} under {b}."


def _condition_sentence(found: PolicyDocument) -> str:
    return (
        f"By {found.view} labels; judges on {' and '.join(found.splits)}, never on test. Where raters or time changed "
        "with the guideline, a difference may be theirs."
    )
