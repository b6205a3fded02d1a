"""A card in words, for terminal, page and report: what it rests on, what it shows, its use."""

from __future__ import annotations

from collections.abc import Sequence

from gnomon.calibration.cards.calibration_card import LANGUAGE, AttackResult, CalibrationCard, CardAxes
from gnomon.calibration.numerics.number_formats import coefficient_with_interval, rate_with_interval
from gnomon.data.results import Estimate

SHORT = 12
MOST = 6
AXES = {"subjects": "models", "concepts": "concepts", "arms": "arms", "protocols": "protocols"}
LOW_CARD = (
    "A gate passes nothing for a figure that is missing or withheld, for an inverted judge, and for a stale card."
)


def card_sentences(card: CalibrationCard) -> list[str]:
    """What a card says, sentence by sentence: judge, labels, use, agreement, repeats, drift, validity."""
    return [
        judge_sentence(card),
        label_sentence(card),
        card.verdict,
        agreement_sentence(card),
        *repeat_sentences(card),
        card.drift.words,
        *scope_sentences(card),
        *(f"{note[:1].upper()}{note[1:]}." for note in card.notes),
        *part_sentences(card),
    ]


def part_sentences(card: CalibrationCard) -> list[str]:
    """What the further measurements of a card say."""
    parts = card.parts
    told = [each.words for each in (parts.transport or {}).values()]
    told += [parts.running.words] if parts.running is not None else []
    for words in (
        parts.graded.words if parts.graded is not None else (),
        parts.panel.words if parts.panel is not None else (),
        parts.susceptibility.words if parts.susceptibility is not None else (),
        parts.undecided.words if parts.undecided is not None else (),
    ):
        told += words
    told += [attack_sentence(parts.attack)] if parts.attack is not None else []
    told += [card.charge.words] if card.charge is not None else []
    return [line for line in told if line]


def attack_sentence(attack: AttackResult) -> str:
    """How often instructions hidden in a response changed the verdict, beside the noise of reading twice."""
    noise = (
        f"; read twice without an attack, it differs in {attack.noise} of {attack.noise_of}" if attack.noise_of else ""
    )
    return (
        f"Instructions hidden in a response changed its verdict in {attack.flips} of {attack.of} attacks "
        f"(share {_rate(attack.flip_rate)}){noise}."
    )


def judge_sentence(card: CalibrationCard) -> str:
    """Which judge version a card is of."""
    judge = card.basis.judge
    parts = [judge.kind, f"version {judge.version[:SHORT]}"]
    parts += [f"model {judge.model}"] if judge.model else []
    parts += [f"rubric {judge.rubric[:SHORT]}, edition {judge.edition}"] if judge.rubric else []
    parts += [f"{judge.examples} examples"] if judge.examples else []
    return f"{judge.name}: {', '.join(parts)}."


def label_sentence(card: CalibrationCard) -> str:
    """By which labels a card was made."""
    labels, rules = card.basis.labels, card.basis.rules
    raters = [f"{rater.name} ({rater.kind}, {rater.labels})" for rater in labels.raters]
    chosen = [f"{n} {name}" for name, n in labels.chosen.items()]
    policy = f" under {len(labels.policies)} guideline{'s' * (len(labels.policies) != 1)}" if labels.policies else ""
    looks = card.test_split_looks
    return (
        f"Measured on {labels.trials:,} trials of the splits {_joined(rules.splits)} with {rules.view} labels of "
        f"{_joined(raters)}{policy}; chosen: {_joined(chosen)}. "
        f"The test split was looked at {looks} time{'s' * (looks != 1)}."
    )


def agreement_sentence(card: CalibrationCard) -> str:
    """Agreement with the labels beside what chance gives at the base rates."""
    found = card.agreement
    if found.agreement is None or found.expected is None or found.label_events is None:
        return f"{found.n} trials count for agreement with the labels: too few for a coefficient."
    coefficients = [
        f"{name} {coefficient_with_interval(estimate)}"
        for name, estimate in {"Krippendorff's alpha": found.alpha, "Gwet's AC1": found.ac1}.items()
        if estimate is not None
    ]
    base = f"events: {100 * found.label_events:.0f} % by labels, {100 * (found.judge_events or 0):.0f} % by the judge"
    return (
        f"It agrees with the labels on the outcome of {100 * found.agreement.value:.0f} % of {found.n} trials; chance "
        f"alone gives {100 * found.expected:.0f} % at these base rates ({base})"
        + (f"; {', '.join(coefficients)}." if coefficients else ".")
    )


def repeat_sentences(card: CalibrationCard) -> list[str]:
    """How often it repeated itself, where it was asked again."""
    if (again := card.consistency) is None:
        return []
    same = _rate(again.same_outcome)
    return [f"Asked again about {again.trials} trials, it repeated its outcome on {same} of them."]


def scope_sentences(card: CalibrationCard) -> list[str]:
    """What a card is valid for, and what the study holds besides, without a label."""
    scope, verdicts = card.basis.valid_for, card.basis.verdicts
    dates = f", verdicts of {str(verdicts.start)[:10]} to {str(verdicts.end)[:10]}" if verdicts.start else ""
    told = [f"Valid for {_axes_phrase(scope.measured)}{dates}; language: {_joined(scope.languages or ['not known'])}."]
    others = [f"language {_joined(named)}"] if (named := scope.unmeasured.fields.get(LANGUAGE)) else []
    if besides := "; ".join(filter(None, [_axes_phrase(scope.unmeasured), *others])):
        told.append(f"Not for what the study has besides, of which no trial is labelled: {besides}.")
    return told


def withheld_sentences(card: CalibrationCard) -> list[str]:
    """Why rates of an arm are withheld from gates, one sentence for each reason."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for each in card.arms:
        for rate, why in each.withheld.items():
            reasons.setdefault((each.arm, why), []).append(rate)
    return [f"{arm}: {_joined(rates)} withheld from gates: {why}." for (arm, why), rates in reasons.items()]


def _rate(estimate: Estimate | None) -> str:
    return "unknown" if estimate is None else rate_with_interval(estimate)


def _axes_phrase(axes: CardAxes) -> str:
    parts = []
    for axis, name in AXES.items():
        values: Sequence[str] = getattr(axes, axis)
        if values:
            shown = [value.removesuffix("@") if axis == "subjects" else value[:32] for value in values]
            parts.append(f"{name} {_joined(shown)}")
    parts += [f"{name} {_joined(values)}" for name, values in axes.fields.items() if name != LANGUAGE]
    return "; ".join(parts)


def _joined(names: Sequence[str]) -> str:
    more = len(names) - MOST
    return ", ".join(names[:MOST]) + (f" and {more} more" if more > 0 else "")
