"""The audit of judges as tables: errors by arm, confusion matrix, agreement, corrections, inconsistencies, raters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import pandas as pd

from gnomon.calibration.audit import audit_frames
from gnomon.calibration.audit.audit_frames import class_word
from gnomon.calibration.labels.views import label_events, rater_kinds
from gnomon.calibration.results.agreement import GroupAgreement
from gnomon.calibration.results.audit import JudgeAudit, ViewAudit
from gnomon.calibration.results.panel import PanelEstimate
from gnomon.calibration.results.truth_summary import KIND_NOUNS
from gnomon.data.arms import ARMS
from gnomon.data.records import Split
from gnomon.data.results import Estimate
from gnomon.data.storage.store import Store
from gnomon.stats.narrative.study_overview import by_rater
from gnomon.stats.results import YoudenRow
from gnomon.stats.tables.estimate_table import Cell, ColumnKind, EstimateTable, Interval, TableColumn, show_cell
from gnomon.stats.tables.frame_tables import table_of_intervals

PAIR = 2
"""Members of a group that is a pair, whose own row has its coefficients."""
JUDGE = TableColumn("judge", "Judge", terms=("judge",))
ARM = TableColumn("arm", "Arm", terms=("arm",))
RATES_CAPTION = (
    "Error rates of each judge by arm, against labels, with 95 % intervals. Sensitivity conditions on labelled events, "
    "specificity on labelled non-events; numbers of labelled trials are plain counts."
)
WEIGHTED_NOTE = (
    "Where labels were chosen with unequal probabilities, rates are weighted back to all trials that the judge read "
    "and are no ratios of the counts; 'worth' is the effective number of labels."
)
EVENT_NOTE = "Positive = claim or identification: the injected concept identified; in the other arms, anything claimed."
PASS_NOTE = "Positive = pass: the injected concept identified; in the other arms, a denial."
MATRIX_CAPTION = (
    "Confusion matrix of {judge}: of the trials with each label in each arm, how many received each verdict, with the "
    "95 % interval of that share."
)
AGREEMENT_CAPTION = (
    "Agreement of judges and raters on the outcome, with 95 % intervals. Base: share of the commonest outcome among "
    "both members' answers; where it is near 1, coefficients are low for good members. Trials that were chosen because "
    "judges disagree are excluded."
)
CORRECTION_CAPTION = (
    "Event rate of each arm by the verdicts of {judge} and by each correction method, with 95 % intervals. Models "
    "pooled, on the trials that the audit measures on."
)
INCONSISTENCY_CAPTION = (
    "Verdicts and labels whose facts exclude each other, of those that could show it, with 95 % intervals."
)
EVIDENCE_CAPTION = "Whether labels support a correction of each judge's event rates by its own errors, arm by arm."
DRIFT_CAPTION = (
    "Verdicts of {judge} in the order of their dates: share of events among them, and share of labelled trials with "
    "the right verdict, with 95 % intervals."
)
MEASURE_KINDS: Mapping[str, ColumnKind] = {
    "sensitivity": "rate",
    "specificity": "rate",
    "accuracy": "rate",
    "agreement": "rate",
    "youden": "number",
    "cohen": "number",
    "ac1": "number",
    "alpha": "number",
    "kappa": "number",
    "base_rate": "rate",
    "error": "rate",
    "correlation": "number",
    "effective": "number",
}
"""How a measure of a judge or a panel is shown: a share in percent, a coefficient, which is no share, as 0.42."""
YOUDEN_CAPTION = "Youden's J of the event in each arm, posterior of the corrected fit from all labels and verdicts."
CUT = "was outside 0 to 100 %, cut"
RATER_CAPTION = (
    "Who labelled: kind of each rater, whether its labels count, labelled trials by split, and later changes."
)


def error_rate_table(audit: ViewAudit, reading: audit_frames.Reading = "as_event") -> EstimateTable:
    """Sensitivity, specificity and Youden's J of each judge in each arm, with the labels behind them.

    Parameters
    ----------
    audit : ViewAudit
    reading : {"as_event", "as_pass"}, default "as_event"
        What is counted as positive.
    """
    rows: list[dict[str, Cell]] = []
    weighted = False
    for judge in audit.judges:
        for stratum in (one for one in judge.strata if one.is_whole_arm):
            counts = stratum.as_pass if reading == "as_pass" else stratum.as_event
            positives, negatives = counts.tp + counts.fn, counts.fp + counts.tn
            if not positives + negatives:
                continue
            weighted |= counts.is_weighted
            worth = round(counts.effective_positives + counts.effective_negatives, 1)
            rows.append(
                {
                    "judge": judge_label(audit, judge),
                    "arm": stratum.arm,
                    "sensitivity": interval_cell(counts.sensitivity),
                    "specificity": interval_cell(counts.specificity),
                    "youden": interval_cell(counts.youden),
                    "positives": positives,
                    "negatives": negatives,
                    "worth": worth if counts.is_weighted else None,
                }
            )
    columns = (
        JUDGE,
        ARM,
        TableColumn("sensitivity", "Sensitivity", "rate", ("sensitivity",)),
        TableColumn("specificity", "Specificity", "rate", ("specificity",)),
        TableColumn("youden", "Youden's J", "number", ("Youden's J",)),
        TableColumn("positives", "Positives", "count", ("event",)),
        TableColumn("negatives", "Negatives", "count"),
        TableColumn("worth", "Worth", "count"),
    )
    note = PASS_NOTE if reading == "as_pass" else EVENT_NOTE
    notes = (note, WEIGHTED_NOTE) if weighted else (note,)
    shown = EstimateTable(f"judge-errors-{reading.removeprefix('as_')}", RATES_CAPTION, columns, tuple(rows), notes)
    return shown if weighted else shown.filled()


def judge_label(audit: ViewAudit, judge: JudgeAudit) -> str:
    """A judge as tables name it: with the beginning of its version where the audit has several of its name."""
    several = sum(each.judge == judge.judge for each in audit.judges) > 1
    return f"{judge.judge} {judge.version[:8]}" if several else judge.judge


def evidence_table(audit: ViewAudit, judge: str | None = None) -> EstimateTable:
    """Level of evidence for correcting each judge in each arm, what it rests on, and what the next level needs.

    Parameters
    ----------
    audit : ViewAudit
    judge : str, optional
        Only the judge of this name.
    """
    rows = tuple(
        {
            "judge": judge_label(audit, each),
            "arm": arm,
            "corrected": "yes" if each.correctable_arms.get(arm) else "no",
            "evidence": str(evidence.level),
            "youden": interval_cell(evidence.youden),
            "positives": evidence.positives,
            "negatives": evidence.negatives,
        }
        for each in audit.judges
        if judge in (None, each.judge)
        for arm, evidence in each.evidence.items()
    )
    columns = (
        JUDGE,
        ARM,
        TableColumn("corrected", "Corrected", terms=("corrected",)),
        TableColumn("evidence", "Evidence", terms=("evidence",)),
        TableColumn("youden", "Youden's J", "number", ("Youden's J",)),
        TableColumn("positives", "Events labelled", "count", ("event",)),
        TableColumn("negatives", "Others labelled", "count"),
    )
    judges = [each for each in audit.judges if judge in (None, each.judge)]
    notes = [
        note for each in judges for note in _evidence_notes(each, "" if judge else f"{judge_label(audit, each)}, ")
    ]
    return EstimateTable("judge-evidence", EVIDENCE_CAPTION, columns, rows, tuple(notes)).filled()


def _evidence_notes(judge: JudgeAudit, who: str) -> Iterator[str]:
    """Why an arm is not corrected, and what its next level of evidence needs."""
    for arm, evidence in judge.evidence.items():
        if not judge.correctable_arms.get(arm) and evidence.reason and evidence.positives + evidence.negatives:
            yield need_note(f"{who}{arm}", evidence.reason.removeprefix(f"{arm}: "))
        if evidence.needs:
            yield need_note(f"{who}{arm}", evidence.needs)


def need_note(where: str, needs: str) -> str:
    """A note below a table: what an arm's evidence lacks."""
    return f"{where[:1].upper()}{where[1:]}: {needs}."


def confusion_table(audit: ViewAudit, judge: str) -> EstimateTable:
    """Outcome by label against outcome by verdict, one row for each cell that has a trial.

    Parameters
    ----------
    audit : ViewAudit
    judge : str
        Name of the judge.
    """
    cells = audit_frames.class_frame(audit, judge)
    cells = cells[cells["n"] > 0].rename(columns={"share": "value"})
    cells = cells.assign(truth=cells["truth"].map(class_word), verdict=cells["verdict"].map(class_word))
    columns = (
        ARM,
        TableColumn("truth", "Label", terms=("label", "outcome")),
        TableColumn("verdict", "Verdict", terms=("verdict",)),
        TableColumn("n", "Trials", "count", ("trial",)),
        TableColumn("of", "With that label", "count"),
        TableColumn("estimate", "Share of the label", "rate", ("confusion matrix",)),
    )
    weighted = bool((cells["of"] - cells["effective"] > 0.005).any())
    name, caption = f"confusion-{judge}", MATRIX_CAPTION.format(judge=judge)
    return table_of_intervals(name, caption, cells, columns, notes=(WEIGHTED_NOTE,) if weighted else ())


def agreement_table(audit: ViewAudit) -> EstimateTable:
    """Every pair of judges and raters, and all of a kind together: coefficients beside the base rate."""
    rows: list[dict[str, Cell]] = []
    for pair in audit.agreement.pairs:
        if not pair.n + pair.selected:
            continue
        between = " and ".join(audit_frames.pair_names(pair))
        rows.append(
            {
                "between": between,
                "n": pair.n,
                "apart": pair.disagreements,
                "base": pair.base_rate,
                **{name: measure_cell(name, getattr(pair, name)) for name in audit_frames.COEFFICIENTS},
                "why": pair.reason,
            }
        )
    rows += [_group_row(group) for group in audit.agreement.groups if group.members > PAIR]
    columns = (
        TableColumn("between", "Between"),
        TableColumn("n", "Trials both read", "count", ("trial",)),
        TableColumn("apart", "Different outcomes", "count"),
        TableColumn("base", "Base", "rate"),
        TableColumn("agreement", "Agreement", "rate", ("agreement",)),
        TableColumn("cohen", "Cohen's kappa", "number", ("Cohen's kappa",)),
        TableColumn("ac1", "Gwet's AC1", "number", ("Gwet's AC1",)),
        TableColumn("alpha", "Krippendorff's alpha", "number", ("Krippendorff's alpha",)),
        TableColumn("why", "Not given because"),
    )
    return EstimateTable("agreement", AGREEMENT_CAPTION, columns, tuple(rows)).filled()


def _group_row(group: GroupAgreement) -> dict[str, Cell]:
    return {
        "between": f"all {group.members} {group.group}",
        "n": group.n,
        "base": group.base_rate,
        "ac1": interval_cell(group.ac1),
        "alpha": interval_cell(group.alpha),
        "why": group.reason,
    }


def correction_table(audit: ViewAudit, judge: str) -> EstimateTable:
    """The event rate of each arm by every method, or why a method is refused.

    Parameters
    ----------
    audit : ViewAudit
    judge : str
        Name of the judge.
    """
    found = audit_frames.comparison_frame(audit)
    mine = found[found["judge"] == judge]
    cut = [CUT if clipped else None for clipped in mine["clipped"]]
    why = mine["reason"].astype(object).fillna(pd.Series(cut, index=mine.index, dtype=object))
    shown = mine.assign(why=why).sort_values("arm", key=lambda arms: arms.map(list(ARMS).index), kind="stable")
    columns = (
        ARM,
        TableColumn("method", "Method", terms=("corrected",)),
        TableColumn("estimate", "Event rate", "rate", ("event",)),
        TableColumn("judged", "Trials judged", "count", ("verdict",)),
        TableColumn("labelled", "Labelled", "count", ("label",)),
        TableColumn("why", "Not given because"),
    )
    name, caption = f"corrections-{judge}", CORRECTION_CAPTION.format(judge=judge)
    return table_of_intervals(name, caption, shown, columns).filled()


def panel_table(audit: ViewAudit) -> EstimateTable:
    """Estimates by all judges together, one row for each assumption on their errors: independent, or correlated."""
    found = audit_frames.panel_rows(audit.together)
    assumptions: tuple[tuple[str, Callable[[PanelEstimate], Estimate | None]], ...] = (
        ("independent", lambda row: row.independent),
        ("correlated", lambda row: row.free),
    )
    rows = tuple(
        {"errors": errors, **{name: interval_cell(pick(row)) for name, row in found}} for errors, pick in assumptions
    )
    if not any(cell is not None for row in rows for name, cell in row.items() if name != "errors"):
        rows = ()
    columns = (
        TableColumn("errors", "Judges' errors", terms=("conditional independence",)),
        *(
            TableColumn(name, name[:1].upper() + name[1:], "difference" if name == audit_frames.PANEL_NET else "rate")
            for name, _ in found
        ),
    )
    reasons = dict.fromkeys(f"{name}: {row.reason}." for name, row in found if row.reason)
    return EstimateTable("all-judges", audit_frames.PANEL_NOTE, columns, rows, tuple(reasons)).filled()


def inconsistency_table(audit: ViewAudit) -> EstimateTable:
    """Facts that exclude each other, by judge and by rater; one row for each kind that occurs."""
    columns = (
        TableColumn("who", "Judge or rater"),
        TableColumn("what", "Inconsistency", terms=("inconsistency",)),
        TableColumn("n", "Times", "count"),
        TableColumn("of", "Of", "count"),
        TableColumn("estimate", "Share", "rate"),
        TableColumn("trials", "Trials, up to five", terms=("trial",)),
    )
    frame = audit_frames.contradiction_frame(audit)
    return table_of_intervals("inconsistencies", INCONSISTENCY_CAPTION, frame, columns)


def rater_table(store: Store) -> EstimateTable:
    """Every rater with its kind (person, language model, rule), whether its labels count, and how many there are."""
    kinds, events = rater_kinds(store), label_events(store, "everyone")
    counting = set(events.loc[events["counts"].astype(bool), "rater"])
    counted = by_rater(events).to_dict("records")
    names = list(dict.fromkeys(str(name) for row in counted for name in row if name != "rater"))
    rows = tuple(
        {
            "kind": KIND_NOUNS.get(kind := str(kinds.get(str(row["rater"]), "")), kind),
            "counts": "yes" if row["rater"] in counting else "no",
            **{str(key): cell for key, cell in row.items()},
        }
        for row in counted
    )
    splits = {str(split) for split in Split}
    columns = (
        TableColumn("rater", "Rater", terms=("rater",)),
        TableColumn("kind", "Kind", terms=("rater",)),
        TableColumn("counts", "Labels count"),
        *(
            TableColumn(name, name[:1].upper() + name[1:], "count", ("split",) if name in splits else ())
            for name in names
        ),
    )
    return EstimateTable("raters", RATER_CAPTION, columns, rows)


def drift_table(audit: ViewAudit, judge: str) -> EstimateTable:
    """Blocks of verdicts that follow each other in time.

    Parameters
    ----------
    audit : ViewAudit
    judge : str
        Name of the judge.
    """
    blocks = [block for each in audit.judges if each.judge == judge and each.newest for block in each.drift.blocks]
    rows = tuple(
        {
            "from": (block.start or "")[:16].replace("T", " "),
            "to": (block.end or "")[:16].replace("T", " "),
            "verdicts": block.verdicts,
            "events": interval_cell(block.positive_rate),
            "labelled": block.labelled,
            "right": interval_cell(block.accuracy),
        }
        for block in blocks
    )
    columns = (
        TableColumn("from", "From", terms=("drift",)),
        TableColumn("to", "To"),
        TableColumn("verdicts", "Verdicts", "count", ("verdict",)),
        TableColumn("events", "Events", "rate", ("event",)),
        TableColumn("labelled", "Labelled", "count", ("label",)),
        TableColumn("right", "Right verdicts", "rate", ("accuracy",)),
    )
    return EstimateTable(f"drift-{judge}", DRIFT_CAPTION.format(judge=judge), columns, rows)


def posterior_youden_table(rows: Sequence[YoudenRow]) -> EstimateTable:
    """Youden's J of the event of each judge in each arm, as a corrected fit has it; the audit has its own estimate.

    Parameters
    ----------
    rows : sequence of YoudenRow
        `judges` of a fit, of the event.
    """
    arms = list(dict.fromkeys(row.arm for row in rows))
    known = {(row.judge, row.arm): Interval(row.mean, row.low95, row.high95) for row in rows}
    columns = (JUDGE, *(TableColumn(arm, arm, "number", ("Youden's J",)) for arm in arms))
    made = tuple(
        {"judge": name, **{arm: known.get((name, arm)) for arm in arms}}
        for name in dict.fromkeys(row.judge for row in rows)
    )
    return EstimateTable("judge-youden", YOUDEN_CAPTION, columns, made)


def interval_cell(estimate: Estimate | None) -> Interval | None:
    """An estimate of the audit as a cell."""
    return None if estimate is None else Interval(estimate.value, estimate.low, estimate.high)


def measure_cell(name: str, estimate: Estimate | None) -> Interval | None:
    """A measure of a judge as a cell that is shown by the kind of the measure, whatever the kind of its column.

    Parameters
    ----------
    name : str
        Name of the measure in the audit: `sensitivity`, `youden`, `alpha`.
    estimate : Estimate or None
    """
    if estimate is None:
        return None
    return Interval(estimate.value, estimate.low, estimate.high, MEASURE_KINDS[name])


def measure_text(name: str, estimate: Estimate | None, absent: str = "") -> str:
    """A measure of a judge, or of a panel, as readers see it: `83 % (63 to 93)`, `0.78 (0.55 to 0.89)`.

    Parameters
    ----------
    name : str
        Name of the measure in the audit: a key of `MEASURE_KINDS`.
    estimate : Estimate or None
    absent : str, default ""
        What stands where there is no estimate.
    """
    return absent if estimate is None else show_cell(measure_cell(name, estimate), MEASURE_KINDS[name])
