"""The audit as text for a terminal: one table per judge, its verdict in words, contradictions and revisions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.table import Table
from rich.text import Text

from gnomon.calibration.agreement.pairwise import JUDGE, RATER
from gnomon.calibration.audit.audit_frames import COEFFICIENTS, PANEL_NOTE, pair_names, panel_rows
from gnomon.calibration.audit.narrative import needs_sentences
from gnomon.calibration.results.agreement import Agreement, GroupAgreement, PairAgreement
from gnomon.calibration.results.audit import AuditDocument, JudgeAudit
from gnomon.calibration.results.error_rates import ErrorRates
from gnomon.calibration.results.label_funnel import LabelFunnel
from gnomon.calibration.results.panel import PanelSummary
from gnomon.calibration.sequential.look_charges import charge_looks
from gnomon.data.results import Estimate
from gnomon.render.text_console import TextConsole
from gnomon.stats.narrative.formatting import format_percent, join_names
from gnomon.stats.tables.calibration.judge_tables import interval_cell, measure_text
from gnomon.stats.tables.estimate_table import show_cell

COUNTS = ("tp", "fp", "fn", "tn")
MOST_PAIRS = 12
SHOWN_COEFFICIENTS = ("agreement", "cohen", "alpha")
KEY = (
    "Event: the injected concept identified and, without injection, anything claimed. Pass: the injected concept "
    "identified and, without injection, a denial. Evidence: how well the labels support a correction for the judge's "
    "errors (none, inverted, weak, moderate, strong; docs/calibration.md). Intervals 95 %. Of the train split only "
    "imported judges are measured."
)
WEIGHTED = (
    "(w) weighted back to all trials that the judge read, since labels were chosen with unequal chances: not the ratio "
    "of the counts beside it. Labels are worth {worth}."
)


def print_audit(audit: AuditDocument) -> None:
    """Print an audit of all views of the labels."""
    console = TextConsole()
    if not audit.judges:
        console.print(
            "No judge has read anything in this study: run 'gnomon generate', then 'gnomon judge', or import verdicts."
        )
    views_of: dict[str, list[str]] = {}
    for view, truth in audit.truth.items():
        views_of.setdefault(truth.words, []).append(view)
    for words, views in views_of.items():
        console.print(f"Raters, {join_names(views)} labels: {words}")
    console.print()
    for version in dict.fromkeys(entry.version for entry in audit.judges):
        _print_judge(console, [entry for entry in audit.judges if entry.version == version])
    if audit.judges:
        console.print(Text(KEY, style="dim"))
        console.print()
        _print_panel(console, audit.together)
    _print_agreement(console, audit.agreement)
    for line in _closing_lines(audit):
        console.print(line)


def _print_judge(console: TextConsole, entries: Sequence[JudgeAudit]) -> None:
    """One judge version: its rates by arm and its verdict for each view of the labels, then what holds for all."""
    first = entries[0]
    console.print(Text(f"{first.judge}", style="bold") + Text(f"  {first.kind}, version {first.version[:12]}"))
    for same in _group_equal_views(entries):
        console.print(Text(f"{_view_names(same)}, {same[0].labelled}", style="bold"))
        if same[0].labelled:
            _print_rates(console, same[0])
        console.print(same[0].verdict)
        for line in needs_sentences(same[0]):
            console.print(line)
    notes = [f"{note[:1].upper()}{note[1:]}." for note in first.notes if not note.startswith("Youden")]
    for line in [*notes, first.drift.words, *_repeats_line(first)]:
        console.print(line)
    console.print()


def _print_panel(console: TextConsole, views: Mapping[str, PanelSummary]) -> None:
    """Estimates of the whole panel, by the first view of the labels that allows them."""
    for view, whole in views.items():
        known = [(name, row) for name, row in panel_rows(whole) if row.independent]
        if not known or len(whole.judges) < 2:
            continue
        console.print(Text("All judges combined, audit estimate", style="bold") + Text(f"  by {view} labels"))
        shown = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
        shown.add_column("  judges' errors", no_wrap=True, min_width=15)
        shown.add_column("independent", no_wrap=True, min_width=24)
        shown.add_column("correlated", no_wrap=True)
        for name, row in known:
            signed = row is whole.net_detection_audit
            shown.add_row(f"  {name}", _format_estimate(row.independent, signed), _format_estimate(row.free, signed))
        console.print(shown)
        console.print(Text(PANEL_NOTE, style="dim"))
        verdict = whole.verdict
        console.print(f"{verdict[:1].upper()}{verdict[1:]}.")
        console.print()
        return


def _print_agreement(console: TextConsole, views: Mapping[str, Agreement]) -> None:
    """Pairs of raters, and of raters and judges, by the first view in which two of them have trials in common."""
    for view, agreement in views.items():
        pairs = [pair for pair in agreement.pairs if pair.n and {pair.a_kind, pair.b_kind} != {JUDGE}]
        if not pairs:
            continue
        ranked = sorted(pairs, key=lambda pair: (JUDGE in (pair.a_kind, pair.b_kind), -pair.n))
        console.print(Text("Agreement on the outcome", style="bold") + Text(f"  by {view} labels"))
        shown = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
        for name in ("  pair", "trials", "differ", "base rate", *(COEFFICIENTS[key] for key in SHOWN_COEFFICIENTS)):
            shown.add_column(name.removeprefix("Krippendorff's "), no_wrap=name != "  pair")
        for pair in ranked[:MOST_PAIRS]:
            cells = [
                "too few" if pair.reason else measure_text(key, getattr(pair, key), "unknown")
                for key in SHOWN_COEFFICIENTS
            ]
            shown.add_row(
                f"  {' and '.join(_told_names(pair))}",
                f"{pair.n:,}",
                f"{pair.disagreements:,}",
                _base_cell(pair),
                *cells,
            )
        console.print(shown)
        for group in agreement.groups:
            if group.alpha is not None:
                told = f"All {group.members} {group.group}, {group.n:,} trials: Krippendorff's alpha"
                base = f", beside a base rate of {_base_cell(group)}" if group.base_rate is not None else ""
                console.print(f"{told} {measure_text('alpha', group.alpha)}{base}.")
        if len(pairs) > MOST_PAIRS:
            console.print(f"{len(pairs) - MOST_PAIRS:,} more pairs: --json lists all.")
        console.print()
        return


def _told_names(pair: PairAgreement) -> list[str]:
    """The two names, with what they are unless they are people: a table of people and judges has room for that."""
    return [name.removesuffix(f" ({RATER})") for name in pair_names(pair)]


def _base_cell(each: PairAgreement | GroupAgreement) -> str:
    """The commonest outcome and its share."""
    if each.base_rate is None:
        return ""
    return f"{each.base_outcome} {format_percent(each.base_rate)}"


def _format_estimate(estimate: Estimate | None, signed: bool) -> str:
    if estimate is None:
        return "not available"
    return show_cell(interval_cell(estimate), "difference" if signed else "rate")


def _group_equal_views(entries: Sequence[JudgeAudit]) -> Iterator[list[JudgeAudit]]:
    """Views of the labels with equal estimates, grouped."""
    groups: list[list[JudgeAudit]] = []
    for entry in entries:
        same = (group for group in groups if _have_equal_rates(group[0], entry))
        if (group := next(same, None)) is not None:
            group.append(entry)
        else:
            groups.append([entry])
    yield from groups


def _have_equal_rates(one: JudgeAudit, other: JudgeAudit) -> bool:
    return (one.labelled, one.overall, one.strata) == (other.labelled, other.overall, other.strata)


def _view_names(same: Sequence[JudgeAudit]) -> str:
    names = [entry.labels for entry in same]
    told = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{told[:1].upper()}{told[1:]} labels"


def _print_rates(console: TextConsole, entry: JudgeAudit) -> None:
    """One table for the event and one for the study's pass: one definition of a positive in each."""
    whole = [row for row in entry.strata if row.is_whole_arm]
    by_event = {row.arm: row.as_event for row in whole}
    levels = {row.arm: str(row.evidence.level) for row in whole}
    console.print(_error_table("event", entry.overall.as_event, by_event, levels))
    by_pass = {row.arm: row.as_pass for row in whole}
    console.print(_error_table("pass", entry.overall.as_pass, by_pass, {}))
    worth = [
        f"{rates.effective_positives:.0f} events and {rates.effective_negatives:.0f} others in {arm}"
        for arm, rates in by_event.items()
        if rates.is_weighted
    ]
    if worth:
        console.print(Text(WEIGHTED.format(worth=", ".join(worth)), style="dim"))


def _error_table(
    positive: str, overall: ErrorRates, by_arm: Mapping[str, ErrorRates], levels: Mapping[str, str]
) -> Table:
    shown = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    shown.add_column(f"  {positive}", no_wrap=True, min_width=11)
    for name in COUNTS:
        shown.add_column(name.upper(), justify="right", no_wrap=True, min_width=3)
    for name in ("sensitivity", "specificity", "Youden's J"):
        shown.add_column(name, no_wrap=True, min_width=13)
    shown.add_column("evidence" if levels else "", no_wrap=True)
    for arm, rates in {**({"all": overall} if len(by_arm) > 1 else {}), **by_arm}.items():
        shown.add_row(f"  {arm}", *_rate_cells(rates), levels.get(arm, ""))
    return shown


def _rate_cells(rates: ErrorRates) -> list[str]:
    counts = map(str, (rates.tp, rates.fp, rates.fn, rates.tn))
    mark = " (w)" if rates.is_weighted else ""
    shown = [measure_text(name, getattr(rates, name), "unknown") for name in ("sensitivity", "specificity", "youden")]
    return [*counts, *(f"{cell}{mark}" for cell in shown[:2]), shown[2]]


def _repeats_line(entry: JudgeAudit) -> Iterator[str]:
    twice = entry.consistency
    if twice:
        same = measure_text("agreement", twice.same_outcome)
        yield f"Asked again about {twice.trials} transcripts, it gives one outcome on {same} of them."


def _closing_lines(audit: AuditDocument) -> Iterator[str]:
    for name, each in audit.contradictions.by_name():
        kinds = [f"{kind.words} ({kind.n} of {kind.of})" for kind in each.kinds.values() if kind.n]
        if kinds:
            yield f"{name}: answers on {each.anything.n} of {each.read} trials are inconsistent: {'; '.join(kinds)}."
    for funnel in _merged_funnels(audit.funnel.values()):
        yield f"Labels: {funnel.words}"
    yield f"Changed labels: {audit.revisions.words}"
    yield from _look_lines(audit)


def _look_lines(audit: AuditDocument) -> Iterator[str]:
    """How often the test split was looked at, what that costs, and the error rates at the level that pays for it."""
    charge = charge_looks(audit)
    if charge is None:
        yield "The test split was looked at 0 times so far."
        return
    yield charge.words
    newest = {entry.version for entry in audit.judges if entry.newest}
    for each in charge.rates:
        if each.view == audit.views[0] and each.version in newest:
            rates = [
                f"{name} {measure_text(name, rate)}"
                for name, rate in (("sensitivity", each.sensitivity), ("specificity", each.specificity))
                if rate is not None
            ]
            yield f"  {each.judge}, {each.arm}, paid for: {', '.join(rates)}"


def _merged_funnels(funnels: Iterable[LabelFunnel]) -> Iterator[LabelFunnel]:
    """Funnels of views with equal counts as one, named after all of them."""
    views: dict[LabelFunnel, list[str]] = {}
    for funnel in funnels:
        views.setdefault(funnel.model_copy(update={"view": ""}), []).append(funnel.view)
    for counts, names in views.items():
        told = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
        yield counts.model_copy(update={"view": told})
