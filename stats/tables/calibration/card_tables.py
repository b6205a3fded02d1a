"""A calibration card as tables of estimates, for page and report: intervals, n, and what each is conditioned on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gnomon.calibration.audit.audit_frames import COEFFICIENTS
from gnomon.calibration.cards.calibration_card import CalibrationCard, CardArm
from gnomon.calibration.results.agreement import PairAgreement
from gnomon.calibration.results.error_rates import ErrorRates
from gnomon.calibration.sequential.sequential_results import RunningErrors, RunningRate
from gnomon.calibration.susceptibility.judge_susceptibility import ERROR_WORDS
from gnomon.calibration.susceptibility.susceptibility_results import CovariateEffect
from gnomon.calibration.transport.transport_results import TransportAudit
from gnomon.data.records import LabelPolicy
from gnomon.data.results import Estimate
from gnomon.stats.narrative.formatting import READER_HEADINGS, format_percent
from gnomon.stats.tables.calibration.judge_tables import PAIR, interval_cell, measure_cell, measure_text
from gnomon.stats.tables.estimate_table import Cell, EstimateTable, TableColumn, show_cell

GIVEN = {
    "sensitivity": "labelled events",
    "specificity": "labelled non-events",
    "accuracy": "all labelled trials",
    "youden": "events and non-events",
}
RATE_NAMES = {"youden": "Youden's J"}
ARM_MEASURES = {"sensitivity": "Sensitivity", "specificity": "Specificity", "youden": "Youden's J"}
RATE_CAPTION = (
    "Rates of {judge} by arm with 95 % intervals (Wilson; Youden's J: Newcombe), for the event: the injected concept "
    "identified; without injection, anything claimed. n: labelled trials that a rate conditions on."
)
AGREEMENT_CAPTION = (
    "Agreement on the outcome with 95 % intervals, on trials that both read; trials that verdicts chose do not count. "
    "A coefficient is to be read beside its base rate: where that is near 100 %, it is low even for good judges."
)
RUNNING_CAPTION = (
    "Error rates of {judge} in the order in which verdict and label became known, outside the test split. Intervals "
    "hold at all times and for all rates together with {level} %, so that one may look after each label."
)
TRANSPORT_CAPTION = (
    "Each rate where it was learnt and where it would be used: difference, used less learnt, with its {level} % "
    "interval, within the margin where both one-sided tests reject."
)
COVARIATE_CAPTION = (
    "Errors of {judge} among labelled trials with a property and among the others: difference within arms with its "
    "95 % interval; exact tests, corrected by Holm's method for all of this judge."
)
ARM = TableColumn("arm", "Arm", terms=("arm",))
PLACES = (TableColumn("between", "Between"), TableColumn("place", "Place"))


def arm_table(card: CalibrationCard) -> EstimateTable:
    """One row an arm, for a terminal: labels, rates with intervals, marked where no gate may rely on them, evidence."""
    columns = (
        ARM,
        TableColumn("labels", "Labels", "count", ("label",)),
        TableColumn("base", "Base rate", "rate", ("event",)),
        *(TableColumn(name, heading) for name, heading in ARM_MEASURES.items()),
        TableColumn("evidence", "Evidence", terms=("evidence",)),
        TableColumn("correctable", "Correctable"),
    )
    rows = tuple(
        {
            **_arm_cells(each),
            **{name: _marked_measure(each, name) for name in ARM_MEASURES},
            "correctable": "yes" if each.correctable else "no",
        }
        for each in card.arms
    )
    caption = RATE_CAPTION.format(judge=card.basis.judge.name)
    return EstimateTable(f"card-arms-{card.basis.judge.name}", caption, columns, rows)


def rate_table(card: CalibrationCard) -> EstimateTable:
    """The judge's rates for the event by arm, with the trials that each conditions on and whether gates rely on it."""
    columns = (
        ARM,
        TableColumn("rate", "Rate", terms=("sensitivity", "specificity", "Youden's J")),
        TableColumn("estimate", "Estimate", "number"),
        TableColumn("right", "Right", "count"),
        TableColumn("n", "n", "count"),
        TableColumn("given", "Given"),
        TableColumn("gate", "Gates rely on it"),
    )
    rows = tuple(_rate_row(arm, name) for arm in card.arms for name in GIVEN)
    weighted = any(arm.event.is_weighted for arm in card.arms)
    note = "Labels were chosen with unequal probabilities: rates are weighted, and n are effective numbers."
    name, caption = f"card-rates-{card.basis.judge.name}", RATE_CAPTION.format(judge=card.basis.judge.name)
    return EstimateTable(name, caption, columns, rows, (note,) if weighted else ())


def use_table(card: CalibrationCard) -> EstimateTable:
    """What each arm's labels support: share of events, level of evidence, correction, and what is lacking."""
    columns = (
        ARM,
        TableColumn("labels", "Labels", "count", ("label",)),
        TableColumn("base", "Events by labels", "rate", ("event",)),
        TableColumn("evidence", "Evidence", terms=("evidence",)),
        TableColumn("corrected", "Event rate corrected", terms=("corrected",)),
        TableColumn("needs", "What it needs"),
    )
    rows = tuple(
        {
            **_arm_cells(each),
            "corrected": "yes" if each.correctable else "no",
            "needs": each.evidence.needs,
        }
        for each in card.arms
    )
    return EstimateTable("card-evidence", "What the labels of each arm support.", columns, rows).filled()


def outcome_table(card: CalibrationCard) -> EstimateTable:
    """Numbers of labelled trials by outcome: rows are the label's, columns the judge's."""
    cells = {(each.label, each.verdict): each.n for each in card.agreement.table}
    said = sorted({verdict for _, verdict in cells})
    columns = (TableColumn("label", "Label"), *(TableColumn(f"by {each}", each, "count") for each in said))
    rows: tuple[Mapping[str, Cell], ...] = tuple(
        {"label": label, **{f"by {each}": cells.get((label, each), 0) for each in said}}
        for label in sorted({label for label, _ in cells})
    )
    caption = (
        f"Outcome by label (rows) and by {card.basis.judge.name} (columns): labelled trials of all arms, without those "
        "that verdicts chose."
    )
    return EstimateTable("card-outcomes", caption, columns, rows)


def agreement_table(card: CalibrationCard) -> EstimateTable:
    """Coefficients of agreement on the outcome, each beside the base rate that it is to be read with."""
    columns = (
        TableColumn("between", "Between"),
        TableColumn("coefficient", "Coefficient", terms=("agreement", "Gwet's AC1", "Krippendorff's alpha")),
        TableColumn("estimate", "Estimate", "number"),
        TableColumn("n", "n", "count"),
        TableColumn("base", "Base rate"),
    )
    rows = [*_truth_rows(card)]
    for pair in card.agreement.raters:
        rows += _pair_rows(pair)
    among = card.agreement.among_raters
    if among is not None and among.members > PAIR:
        base = _base_words(among.base_outcome, among.base_rate)
        named = f"all {among.members} raters"
        pairs = (("ac1", among.ac1), ("alpha", among.alpha))
        rows += [_agreement_row(named, name, each, among.n, base) for name, each in pairs if each is not None]
    return EstimateTable("card-agreement", AGREEMENT_CAPTION, columns, tuple(rows))


def label_table(card: CalibrationCard, policies: Mapping[str, LabelPolicy]) -> EstimateTable:
    """The label set, the rules by which labels became right, and the guidelines.

    Parameters
    ----------
    card : CalibrationCard
        The card.
    policies : mapping of str to LabelPolicy
        The study's guidelines by hash.
    """
    labels, rules = card.basis.labels, card.basis.rules
    names = {key: each.name for key, each in policies.items()}
    guidelines = [f"{names.get(each, 'unnamed')} ({each[:12]})" for each in labels.policies]
    parts = {
        "labels": f"{labels.number:,} on {labels.trials:,} trials",
        "raters": ", ".join(f"{each.name} ({each.kind}, {each.labels:,})" for each in labels.raters),
        "guidelines": ", ".join(guidelines) or "none recorded",
        "what raters had seen": _counted(labels.exposure),
        "trials chosen": _counted(labels.chosen),
        "splits": _counted(labels.splits),
        "given": f"{str(labels.start)[:10]} to {str(labels.end)[:10]}" if labels.start else "",
        "view": rules.view,
        "truth of several labels": rules.truth,
        "outcome rule": rules.outcome,
        "margin of transport": "none said" if rules.margin is None else f"{rules.margin:g}",
        "looks at the test split": f"{card.test_split_looks:,}",
        "hash": labels.hash[:12],
    }
    rows = tuple({"part": part, "what": what} for part, what in parts.items())
    columns = (TableColumn("part", "Labels"), TableColumn("what", "What the card rests on"))
    caption = "The labels behind the card, and the rules that make them its truth."
    return EstimateTable("card-labels", caption, columns, rows)


def running_table(errors: RunningErrors) -> EstimateTable:
    """Error rates as they became known, with limits that hold at all times together, and what is said of drift."""
    columns = (
        ARM,
        TableColumn("rate", "Rate"),
        TableColumn("estimate", "Estimate", "rate"),
        TableColumn("errors", "Errors", "count"),
        TableColumn("n", "n", "count"),
        TableColumn("drift", "Drift", terms=("drift",)),
    )
    rows = tuple(
        {
            "arm": each.arm,
            "rate": each.kind,
            "estimate": interval_cell(each.rate),
            "errors": each.events,
            "n": each.trials,
            "drift": _drift_words(each),
        }
        for each in errors.rates
    )
    caption = RUNNING_CAPTION.format(judge=errors.judge, level=f"{100 * (1 - errors.error):g}")
    left = f"{errors.left_out:,} labels that verdicts chose are left out." if errors.left_out else ""
    return EstimateTable(f"running-errors-{errors.judge}", caption, columns, rows, (left,) if left else ())


def place_table(card: CalibrationCard) -> EstimateTable:
    """Whether the judge's errors travel to each place."""
    rows = tuple(
        {"between": between, "place": each.name, "outcome": str(each.outcome), "reason": each.reason}
        for between, audit in _audits(card)
        for each in audit.decisions
    )
    columns = (*PLACES, TableColumn("outcome", "Outcome"), TableColumn("reason", "Why"))
    caption = "Whether errors learnt on the other models, concepts or dates may be used in each place."
    return EstimateTable("card-places", caption, columns, rows)


def transport_table(card: CalibrationCard) -> EstimateTable:
    """Each rate where it was learnt and where it would be used."""
    audits = _audits(card)
    rows = tuple(
        {
            "between": between,
            "place": decision.name,
            "arm": each.arm,
            "rate": each.rate,
            "difference": interval_cell(each.difference),
            "learnt": f"{each.learnt.right:g} of {each.learnt.of:g}",
            "used": f"{each.used.right:g} of {each.used.of:g}",
            "outcome": str(each.outcome),
            "needs": each.needs,
        }
        for between, audit in audits
        for decision in audit.decisions
        for each in decision.rates
    )
    columns = (
        *PLACES,
        ARM,
        TableColumn("rate", "Rate"),
        TableColumn("difference", "Difference", "difference"),
        TableColumn("learnt", "Right where learnt"),
        TableColumn("used", "Right where used"),
        TableColumn("outcome", "Outcome"),
        TableColumn("needs", "What it needs"),
    )
    levels = {round(100 * (1 - 2 * audit.error)) for _, audit in audits}
    caption = TRANSPORT_CAPTION.format(level=" or ".join(str(level) for level in sorted(levels)) or "90")
    return EstimateTable("card-transport", caption, columns, rows).filled()


def covariate_table(card: CalibrationCard) -> EstimateTable:
    """How the judge's errors differ with properties of a trial."""
    found = card.parts.susceptibility
    columns = (
        TableColumn("property", "Property"),
        TableColumn("error", "Error"),
        TableColumn("difference", "Difference", "difference"),
        TableColumn("with", "Errors with it"),
        TableColumn("without", "Errors without it"),
        TableColumn("p", "p", "p"),
        TableColumn("corrected", "p, corrected", "p"),
        TableColumn("told", "Shown"),
    )
    rows = tuple(_effect_row(each) for each in (found.effects if found is not None else ()))
    caption = COVARIATE_CAPTION.format(judge=card.basis.judge.name)
    return EstimateTable("card-fooled-by", caption, columns, rows)


def attack_table(card: CalibrationCard) -> EstimateTable:
    """The newest result of attacks: how often hidden instructions change the verdict, beside a second reading."""
    attack = card.parts.attack
    columns = (
        TableColumn("reading", "Reading"),
        TableColumn("rate", "Verdict differs", "rate"),
        TableColumn("changed", "Changed", "count"),
        TableColumn("n", "n", "count"),
    )
    if attack is None:
        return EstimateTable("card-attack", "", columns, ())
    hidden = {"reading": "with hidden instructions", "rate": interval_cell(attack.flip_rate)}
    again = {"reading": "twice without an attack", "rate": interval_cell(attack.noise_rate)}
    rows: tuple[Mapping[str, Cell], ...] = (
        {**hidden, "changed": attack.flips, "n": attack.of},
        {**again, "changed": attack.noise, "n": attack.noise_of},
    )
    unusable = f"After {attack.unusable:,} attacks it gave no verdict." if attack.unusable else ""
    caption = f"Instructions hidden in a response, with exact 95 % intervals; measured {attack.at[:10]}."
    return EstimateTable("card-attack", caption, columns, rows, (unusable,) if unusable else ())


def charge_table(card: CalibrationCard) -> EstimateTable:
    """Rates with the intervals that pay for the looks at the test split."""
    charge = card.charge
    columns = (ARM, TableColumn("rate", "Rate"), TableColumn("estimate", "Estimate", "rate"))
    if charge is None:
        return EstimateTable("card-charged", "", columns, ())
    rows = tuple(
        {"arm": each.arm, "rate": name, "estimate": measure_cell(name, estimate)}
        for each in charge.rates
        for name, estimate in (("sensitivity", each.sensitivity), ("specificity", each.specificity))
    )
    caption = f"Rates with {100 * charge.level:.4g} % intervals, which pay for {charge.looks} looks at the test split."
    return EstimateTable("card-charged", caption, columns, rows)


def _arm_cells(arm: CardArm) -> dict[str, Cell]:
    """What every table of arms says first: labels, the share of events by them, and the level of evidence."""
    return {
        "arm": arm.arm,
        "labels": arm.labels,
        "base": interval_cell(arm.base_rate),
        "evidence": str(arm.evidence.level),
    }


def _marked_measure(arm: CardArm, name: str) -> str:
    estimate: Estimate | None = getattr(arm.event, name)
    mark = " withheld" if name in arm.withheld and estimate is not None else ""
    return f"{measure_text(name, estimate, 'unknown')}{mark}"


def _audits(card: CalibrationCard) -> list[tuple[str, TransportAudit]]:
    """What the places differ in, as readers call it, with the audit."""
    return [(READER_HEADINGS.get(axis, axis), audit) for axis, audit in (card.parts.transport or {}).items()]


def _rate_row(arm: CardArm, name: str) -> Mapping[str, Cell]:
    estimate: Estimate | None = getattr(arm.event, name)
    right, n = _counts_behind(name, arm.event)
    return {
        "arm": arm.arm,
        "rate": RATE_NAMES.get(name, name),
        "estimate": measure_cell(name, estimate),
        "right": right,
        "n": n,
        "given": GIVEN[name],
        "gate": arm.withheld.get(name) or ("yes" if estimate is not None else "unknown"),
    }


def _counts_behind(name: str, rates: ErrorRates) -> tuple[int | None, float | None]:
    """Labelled trials that the judge has right, and of how many; effective numbers where labels are weighted."""
    events, others = rates.effective_positives, rates.effective_negatives
    right, n = {
        "sensitivity": (rates.tp, events),
        "specificity": (rates.tn, others),
        "accuracy": (rates.tp + rates.tn, events + others),
        "youden": (None, events + others),
    }[name]
    if rates.is_weighted:
        return None, None if name == "accuracy" else round(n, 1)
    return right, n


def _truth_rows(card: CalibrationCard) -> Iterator[Mapping[str, Cell]]:
    found = card.agreement
    if found.label_events is None or found.expected is None:
        return
    by_judge = "" if found.judge_events is None else f", {100 * found.judge_events:.0f} % by the judge"
    base = f"events: {100 * found.label_events:.0f} % by labels{by_judge}; chance gives {100 * found.expected:.0f} %"
    for name in COEFFICIENTS:
        estimate: Estimate | None = getattr(found, name)
        if estimate is not None:
            yield _agreement_row("judge and labels", name, estimate, found.n, base)


def _pair_rows(pair: PairAgreement) -> Iterator[Mapping[str, Cell]]:
    base = _base_words(pair.base_outcome, pair.base_rate)
    for name in COEFFICIENTS:
        estimate: Estimate | None = getattr(pair, name)
        if estimate is not None:
            yield _agreement_row(f"{pair.a} and {pair.b}", name, estimate, pair.n, base)


def _agreement_row(between: str, name: str, estimate: Estimate, n: int, base: str) -> Mapping[str, Cell]:
    shown = COEFFICIENTS[name]
    return {"between": between, "coefficient": shown, "estimate": measure_cell(name, estimate), "n": n, "base": base}


def _base_words(outcome: str | None, rate: float | None) -> str:
    return "" if outcome is None or rate is None else f"{100 * rate:.0f} % {outcome}"


def _counted(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in numbers.items())


def _drift_words(rate: RunningRate) -> str:
    if (change := rate.change) is not None:
        before, after = format_percent(change.before.value), format_percent(change.after.value)
        return f"{before} to {after}, most likely since {str(change.since)[:16]}"
    run = next((each for each in rate.runs if each.excludes_zero), None)
    if run is not None:
        return f"{show_cell(run.difference.value, 'difference')} since the run of {run.start[:16]}"
    return "none shown"


def _effect_row(effect: CovariateEffect) -> Mapping[str, Cell]:
    return {
        "property": effect.about,
        "error": ERROR_WORDS[effect.error],
        "difference": interval_cell(effect.difference),
        "with": f"{effect.having.errors} of {effect.having.of}",
        "without": f"{effect.lacking.errors} of {effect.lacking.of}",
        "p": effect.p_exact,
        "corrected": effect.p_adjusted,
        "told": effect.reason or ("yes" if effect.is_shown else "no"),
    }
