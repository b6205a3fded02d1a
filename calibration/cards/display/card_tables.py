"""A card's figures as tidy tables, for page and report: an interval as columns value, low, high; n; what it is given.

`written_table` turns the three columns of an interval into one text for places where nothing is sorted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from gnomon.calibration.audit.audit_frames import COEFFICIENTS, INTERVAL
from gnomon.calibration.cards.calibration_card import CalibrationCard, CardArm
from gnomon.calibration.numerics.multiple_testing import format_p
from gnomon.calibration.results.agreement import PairAgreement
from gnomon.calibration.results.error_rates import ErrorRates
from gnomon.calibration.sequential.sequential_results import RunningErrors, RunningRate
from gnomon.calibration.susceptibility.judge_susceptibility import ERROR_WORDS
from gnomon.calibration.susceptibility.susceptibility_results import CovariateEffect
from gnomon.data.results import Estimate

Cell = str | float | int | bool | None
GIVEN = {
    "sensitivity": "labelled events",
    "specificity": "labelled non-events",
    "accuracy": "all labelled trials",
    "youden": "labelled events and non-events",
}
LABEL, JUDGE = "label", "by the judge"


def rate_table(card: CalibrationCard) -> pd.DataFrame:
    """The judge's rates for the event by arm.

    Returns
    -------
    pandas.DataFrame
        Columns arm, rate, value, low, high (95 %), right, n (labelled trials that the rate is a share of; effective
        numbers where labels are weighted), given (the trials that it is conditioned on), gate (`yes`, or why a gate may
        not rely on it).
    """
    rows = [_rate_row(arm, name) for arm in card.arms for name in GIVEN]
    return pd.DataFrame(rows, columns=["arm", "rate", *INTERVAL, "right", "n", "given", "gate"])


def use_table(card: CalibrationCard) -> pd.DataFrame:
    """What each arm's labels support.

    Returns
    -------
    pandas.DataFrame
        Columns arm, labels, value, low, high (share of events by the labels), evidence, corrected (whether the event
        rate may be corrected), needs (what better evidence needs).
    """
    rows = [
        {
            "arm": each.arm,
            "labels": each.labels,
            **interval_cells(each.base_rate),
            "evidence": str(each.evidence.level),
            "corrected": "yes" if each.correctable else "no",
            "needs": each.evidence.needs or "",
        }
        for each in card.arms
    ]
    return pd.DataFrame(rows, columns=["arm", "labels", *INTERVAL, "evidence", "corrected", "needs"])


def outcome_table(card: CalibrationCard) -> pd.DataFrame:
    """Numbers of labelled trials by outcome: rows are the label's, columns the judge's.

    Returns
    -------
    pandas.DataFrame
        Columns label, then one for each outcome that the judge gave; no row where no trial counts.
    """
    pairs = pd.DataFrame([(each.label, each.verdict, each.n) for each in card.agreement.table])
    if pairs.empty:
        return pd.DataFrame(columns=[LABEL])
    pairs.columns = pd.Index([LABEL, JUDGE, "n"])
    wide = pairs.pivot_table(index=LABEL, columns=JUDGE, values="n", aggfunc="sum", fill_value=0)
    wide.columns.name = None
    return wide.reset_index()


def agreement_table(card: CalibrationCard) -> pd.DataFrame:
    """Coefficients of agreement on the outcome, each beside the base rate that it is to be read with.

    Returns
    -------
    pandas.DataFrame
        Columns between, coefficient, value, low, high (95 %), n, base (the base rates in words).
    """
    rows = [*_truth_rows(card)]
    for pair in card.agreement.raters:
        rows += _pair_rows(pair)
    among = card.agreement.among_raters
    if among is not None:
        base = _base_words(among.base_outcome, among.base_rate)
        for name, estimate in (("ac1", among.ac1), ("alpha", among.alpha)):
            if estimate is not None:
                rows.append(_agreement_row(f"all {among.members} raters", name, estimate, among.n, base))
    return pd.DataFrame(rows, columns=["between", "coefficient", *INTERVAL, "n", "base"])


def label_table(card: CalibrationCard, policies: Mapping[str, str]) -> pd.DataFrame:
    """The label set, its rules and its guidelines: columns part and what.

    Parameters
    ----------
    card : CalibrationCard
        The card.
    policies : mapping of str to str
        Names of the study's guidelines by hash.
    """
    labels, rules = card.basis.labels, card.basis.rules
    guidelines = [f"{policies.get(each, 'unnamed')} ({each[:12]})" for each in labels.policies]
    parts = {
        "labels": f"{labels.number:,} on {labels.trials:,} trials",
        "raters": ", ".join(f"{each.name} ({each.kind}, {each.labels:,})" for each in labels.raters),
        "guidelines": ", ".join(guidelines) or "none recorded",
        "seen before labelling": _counted(labels.exposure),
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
    return pd.DataFrame(list(parts.items()), columns=["part", "what"])


def running_table(errors: RunningErrors) -> pd.DataFrame:
    """Error rates as they became known, with limits that hold at all times together, and what is said of drift.

    Returns
    -------
    pandas.DataFrame
        Columns arm, rate, value, low, high, errors, n, drift.
    """
    rows = [
        {
            "arm": each.arm,
            "rate": each.kind,
            **interval_cells(each.rate),
            "errors": each.events,
            "n": each.trials,
            "drift": _drift_words(each),
        }
        for each in errors.rates
    ]
    return pd.DataFrame(rows, columns=["arm", "rate", *INTERVAL, "errors", "n", "drift"])


def transport_table(card: CalibrationCard) -> pd.DataFrame:
    """Each rate where it was learnt and where it would be used.

    Returns
    -------
    pandas.DataFrame
        Columns between, place, arm, rate, value, low, high (the difference, 90 %), learnt and used (right of labelled),
        outcome, needs.
    """
    rows = [
        {
            "between": axis,
            "place": decision.name,
            "arm": each.arm,
            "rate": each.rate,
            **interval_cells(each.difference),
            "learnt": f"{each.learnt.right:g} of {each.learnt.of:g}",
            "used": f"{each.used.right:g} of {each.used.of:g}",
            "outcome": str(each.outcome),
            "needs": each.needs or "",
        }
        for axis, audit in (card.parts.transport or {}).items()
        for decision in audit.decisions
        for each in decision.rates
    ]
    columns = ["between", "place", "arm", "rate", *INTERVAL, "learnt", "used", "outcome", "needs"]
    return pd.DataFrame(rows, columns=columns)


def place_table(card: CalibrationCard) -> pd.DataFrame:
    """Whether the judge's errors travel to each place.

    Returns
    -------
    pandas.DataFrame
        Columns between, place, outcome, reason.
    """
    rows = [
        (axis, each.name, str(each.outcome), each.reason)
        for axis, audit in (card.parts.transport or {}).items()
        for each in audit.decisions
    ]
    return pd.DataFrame(rows, columns=["between", "place", "outcome", "reason"])


def covariate_table(card: CalibrationCard) -> pd.DataFrame:
    """How the judge's errors differ with properties of a trial.

    Returns
    -------
    pandas.DataFrame
        Columns property, error, value, low, high (the difference, 95 %), with and without (errors of labelled trials),
        p, p corrected (Holm, all tests of this judge), told (`yes`, `no`, or why there is no difference).
    """
    found = card.parts.susceptibility
    rows = [_effect_row(each) for each in (found.effects if found is not None else ())]
    columns = ["property", "error", *INTERVAL, "with", "without", "p", "p corrected", "told"]
    return pd.DataFrame(rows, columns=columns)


def attack_table(card: CalibrationCard) -> pd.DataFrame:
    """The newest result of attacks: columns reading, value, low, high, changed, n; empty where there is none."""
    attack = card.parts.attack
    columns = ["reading", *INTERVAL, "changed", "n"]
    if attack is None:
        return pd.DataFrame(columns=columns)
    rows = [
        {
            "reading": "with hidden instructions",
            **interval_cells(attack.flip_rate),
            "changed": attack.flips,
            "n": attack.of,
        },
        {
            "reading": "twice without an attack",
            **interval_cells(attack.noise_rate),
            "changed": attack.noise,
            "n": attack.noise_of,
        },
    ]
    return pd.DataFrame(rows, columns=columns)


def charge_table(card: CalibrationCard) -> pd.DataFrame:
    """Rates with the intervals that pay for the looks at the test split: columns arm, rate, value, low, high."""
    rows = [
        {"arm": each.arm, "rate": name, **interval_cells(getattr(each, name))}
        for each in (card.charge.rates if card.charge is not None else ())
        for name in ("sensitivity", "specificity")
    ]
    return pd.DataFrame(rows, columns=["arm", "rate", *INTERVAL])


def written_table(table: pd.DataFrame, digits: int = 2, heading: str = "estimate") -> pd.DataFrame:
    """A table with its interval as one text, `0.93 (0.90 to 0.95)`, and p-values in words.

    Parameters
    ----------
    table : pandas.DataFrame
        A table of this module, with columns value, low and high.
    digits : int, default 2
        Decimals.
    heading : str, default "estimate"
        Heading of the column with the interval.
    """
    written = table.astype(object)
    for name in ("p", "p corrected"):
        if name in written:
            written[name] = [
                "" if pd.isna(p) else format_p(p).removeprefix("p ").removeprefix("= ") for p in table[name]
            ]
    if not set(INTERVAL) <= set(table.columns):
        return written
    place = list(table.columns).index("value")
    texts = [_written_interval(*row, digits) for row in table[list(INTERVAL)].itertuples(index=False, name=None)]
    written = written.drop(columns=list(INTERVAL))
    written.insert(place, heading, texts)
    return written


def interval_cells(estimate: Estimate | None) -> dict[str, float | None]:
    """An estimate as the three cells of a table; all empty where there is none."""
    if estimate is None:
        return dict.fromkeys(INTERVAL)
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}


def _written_interval(value: float | None, low: float | None, high: float | None, digits: int) -> str:
    if value is None or pd.isna(value):
        return "unknown"
    return f"{value:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def _rate_row(arm: CardArm, name: str) -> dict[str, Cell]:
    estimate: Estimate | None = getattr(arm.event, name)
    right, n = _counts_behind(name, arm.event)
    shown = name.replace("youden", "Youden's J")
    gate = arm.withheld.get(name) or ("yes" if estimate is not None else "unknown")
    return {
        "arm": arm.arm,
        "rate": shown,
        **interval_cells(estimate),
        "right": right,
        "n": n,
        "given": GIVEN[name],
        "gate": gate,
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


def _truth_rows(card: CalibrationCard) -> Iterator[dict[str, Cell]]:
    found = card.agreement
    if found.label_events is None or found.expected is None:
        return
    by_judge = "" if found.judge_events is None else f", {100 * found.judge_events:.0f} % by the judge"
    base = (
        f"events: {100 * found.label_events:.0f} % by labels{by_judge}; equal by chance: {100 * found.expected:.0f} %"
    )
    for name in COEFFICIENTS:
        estimate: Estimate | None = getattr(found, name)
        if estimate is not None:
            yield _agreement_row("judge and labels", name, estimate, found.n, base)


def _pair_rows(pair: PairAgreement) -> Iterator[dict[str, Cell]]:
    base = _base_words(pair.base_outcome, pair.base_rate)
    for name in COEFFICIENTS:
        estimate: Estimate | None = getattr(pair, name)
        if estimate is not None:
            yield _agreement_row(f"{pair.a} and {pair.b}", name, estimate, pair.n, base)


def _agreement_row(between: str, name: str, estimate: Estimate, n: int, base: str) -> dict[str, Cell]:
    return {"between": between, "coefficient": COEFFICIENTS[name], **interval_cells(estimate), "n": n, "base": base}


def _base_words(outcome: str | None, rate: float | None) -> str:
    return "" if outcome is None or rate is None else f"{100 * rate:.0f} % {outcome}"


def _counted(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{n:,} {name.replace('_', ' ')}" for name, n in numbers.items())


def _drift_words(rate: RunningRate) -> str:
    if (change := rate.change) is not None:
        return f"{change.before.value:.2f} to {change.after.value:.2f}, most likely since {str(change.since)[:16]}"
    run = next((each for each in rate.runs if each.excludes_zero), None)
    if run is not None:
        return f"{run.difference.value:+.2f} since the run of {run.start[:16]}"
    return "none shown"


def _effect_row(effect: CovariateEffect) -> dict[str, Cell]:
    told = effect.reason or ("yes" if effect.is_shown else "no")
    return {
        "property": effect.about,
        "error": ERROR_WORDS[effect.error],
        **interval_cells(effect.difference),
        "with": f"{effect.having.errors} of {effect.having.of}",
        "without": f"{effect.lacking.errors} of {effect.lacking.of}",
        "p": effect.p_exact,
        "p corrected": effect.p_adjusted,
        "told": told,
    }
