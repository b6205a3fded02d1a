"""The audit as text for a terminal: one table per judge, its verdict in words, contradictions and revisions."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

Row = Mapping[str, Any]
COUNTS = ("tp", "fp", "fn", "tn")
PIPED = 100
KEY = (
    "all: the study's pass and fail. By arm: the event, which is the injected concept identified and, without "
    "injection, anything claimed. may: whether rates may be corrected there. Intervals 95 %. Of the train split "
    "only imported judges are measured."
)


def print_audit(document: Row) -> None:
    """Print the document of `gnomon.calibration.audit.document.audit_views`."""
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else PIPED)
    if not document["judges"]:
        console.print("No judge has read anything in this study: run 'gnomon judge' or import verdicts.")
    for version in dict.fromkeys(entry["version"] for entry in document["judges"]):
        _print_judge(console, [entry for entry in document["judges"] if entry["version"] == version])
    if document["judges"]:
        console.print(Text(KEY, style="dim"))
        console.print()
        _print_panel(console, document["together"])
    for line in _closing_lines(document):
        console.print(line)


def _print_judge(console: Console, entries: Sequence[Row]) -> None:
    """One judge version: its rates by arm and its verdict for each view of the labels, then what holds for all."""
    first = entries[0]
    console.print(Text(f"{first['judge']}", style="bold") + Text(f"  {first['kind']}, version {first['version'][:12]}"))
    for same in _group_equal_views(entries):
        console.print(Text(f"{_view_names(same)}, {same[0]['labelled']}", style="bold"))
        if same[0]["labelled"]:
            console.print(_error_table(same[0]))
        console.print(same[0]["verdict"])
    notes = [f"{note[:1].upper()}{note[1:]}." for note in first["notes"] if not note.startswith("Youden")]
    for line in [*notes, first["drift"]["words"], *_repeats_line(first)]:
        console.print(line)
    console.print()


def _print_panel(console: Console, views: Mapping[str, Row]) -> None:
    """Estimates of the whole panel, by the first view of the labels that allows them."""
    for view, whole in views.items():
        rows = [*whole["arms"], {"arm": "net detection", **whole["net_detection_corrected"]}]
        known = [row for row in rows if row["independent"]]
        if not known or len(whole["judges"]) < 2:
            continue
        console.print(Text("All judges combined", style="bold") + Text(f"  by {view} labels, joint posterior"))
        shown = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
        shown.add_column("", no_wrap=True, min_width=15)
        shown.add_column("erring independently", no_wrap=True, min_width=24)
        shown.add_column("perhaps together", no_wrap=True)
        for row in known:
            shown.add_row(f"  {row['arm']}", *(_format_estimate(row[fit]) for fit in ("independent", "free")))
        console.print(shown)
        verdict = whole["verdict"]
        console.print(f"{verdict[:1].upper()}{verdict[1:]}.")
        console.print()
        return


def _format_estimate(figure: Row | None) -> str:
    if figure is None:
        return "not to be had"
    return f"{100 * figure['value']:.1f} % ({100 * figure['low']:.1f} to {100 * figure['high']:.1f})"


def _group_equal_views(entries: Sequence[Row]) -> Iterator[list[Row]]:
    """Views of the labels with equal estimates, grouped."""
    groups: dict[str, list[Row]] = {}
    for entry in entries:
        groups.setdefault(repr((entry["labelled"], entry["overall"], entry["strata"])), []).append(entry)
    yield from groups.values()


def _view_names(same: Sequence[Row]) -> str:
    names = [entry["labels"] for entry in same]
    told = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{told[:1].upper()}{told[1:]} labels"


def _error_table(entry: Row) -> Table:
    shown = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    shown.add_column("", no_wrap=True, min_width=11)
    for name in COUNTS:
        shown.add_column(name.upper(), justify="right", no_wrap=True, min_width=3)
    for name in ("sensitivity", "specificity", "Youden's J"):
        shown.add_column(name, no_wrap=True, min_width=15)
    shown.add_column("may", no_wrap=True)
    shown.add_row("  all, pass", *_rate_cells(entry["overall"]), "")
    for row in entry["strata"]:
        if row["concept"] is None and row["subject"] is None:
            shown.add_row(f"  {row['arm']}", *_rate_cells(row["as_event"]), "yes" if row["correctable"] else "no")
    return shown


def _rate_cells(rates: Row) -> list[str]:
    shares = [_rate_cell(rates[key]) for key in ("sensitivity", "specificity", "youden")]
    return [*(str(rates[key]) for key in COUNTS), *shares]


def _rate_cell(estimate: Row | None) -> str:
    if estimate is None:
        return "unknown"
    value, low, high = (_without_leading_zero(estimate[key]) for key in ("value", "low", "high"))
    return f"{value} ({low}{' to ' if estimate['low'] < 0 else '–'}{high})"


def _without_leading_zero(value: float) -> str:
    """Two decimals without the zero before the point: .95, -.03, 1.00."""
    text = f"{value:.2f}"
    return text.replace("0.", ".", 1) if abs(float(text)) < 1 else text


def _repeats_line(entry: Row) -> Iterator[str]:
    twice = entry["consistency"]
    if twice:
        same = _rate_cell(twice["same_outcome"])
        yield f"Asked again about {twice['trials']} transcripts, it gives one outcome on {same} of them."


def _closing_lines(document: Row) -> Iterator[str]:
    told = document["contradictions"]
    for name, each in [(row["judge"], row) for row in told["judges"]] + [(row["rater"], row) for row in told["raters"]]:
        kinds = [f"{kind['words']} ({kind['n']} of {kind['of']})" for kind in each["kinds"].values() if kind["n"]]
        if kinds:
            yield f"{name} contradicts itself on {each['any']['n']} of {each['read']} transcripts: {'; '.join(kinds)}."
    yield f"Labels: {document['revisions']['words']}"
    looks = document["test_split_looks"]
    yield f"The test split was looked at {looks} time{'' if looks == 1 else 's'} so far."
