"""Judges page: error rates by arm, whether they allow correction, agreement, revisions and drift."""

from __future__ import annotations

import streamlit as st

from gnomon.calibration.audit import audit_charts, audit_frames
from gnomon.calibration.audit.audit_frames import class_word
from gnomon.calibration.audit.narrative import further_sentences
from gnomon.calibration.labels.views import VIEWS
from gnomon.calibration.results.agreement import PairAgreement
from gnomon.calibration.results.audit import JudgeAudit, ViewAudit
from gnomon.calibration.results.error_rates import EvidenceLevel
from gnomon.calibration.sequential.look_charges import charge_looks
from gnomon.dashboard import study_picker
from gnomon.dashboard.background.kept_measurements import measured_or_waiting
from gnomon.dashboard.background.measurements import AUDIT
from gnomon.dashboard.components.chart_panel import show_chart
from gnomon.dashboard.components.table_panel import show_table
from gnomon.dashboard.labelling import labels_ahead_panel
from gnomon.dashboard.sections import comparison_section
from gnomon.dashboard.sections.next_step_section import show_way
from gnomon.dashboard.transcripts.matrix_cell import CONFUSED, PARTED, MatrixCell, go_to
from gnomon.data.glossary import define_terms
from gnomon.data.records import Split
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store
from gnomon.data.study_settings import load_settings
from gnomon.stats.narrative.formatting import count_noun, escape_markdown, format_percent, join_names, non_breaking
from gnomon.stats.narrative.next_steps import verdict_step
from gnomon.stats.tables.calibration import judge_tables

VIEW_NAMES = {"blind": "Blind only", "first": "First label of each rater", "current": "Current"}
FEW = 4
EVIDENCE_MARKS = {
    EvidenceLevel.STRONG: ":green[:material/check_circle:]",
    EvidenceLevel.MODERATE: ":green[:material/check:]",
    EvidenceLevel.WEAK: ":orange[:material/warning:]",
    EvidenceLevel.INVERTED: ":red[:material/swap_vert:]",
    EvidenceLevel.NONE: ":gray[:material/help:]",
}
READINGS: dict[audit_frames.Reading, str] = {
    "as_event": "Positive = claim or identification",
    "as_pass": "Positive = pass",
}


def show_page() -> None:
    """Draw the page."""
    st.title("Judges")
    place, store = study_picker.current_study()
    if not store.has_rows(tables.verdicts):
        show_way(place, store, verdict_step)
        return
    view = choose_view(store)
    stamp = study_picker.change_token(store)
    document = measured_or_waiting(AUDIT, store, place.url, stamp, view)
    if document is None:
        return
    judge = _choose_judge(document)
    _overall_entry(document, judge)
    _correctability(document, judge)
    labels_ahead_panel.show_labels_ahead(place, store)
    _error_rates(document)
    _confusion_matrix(document, judge, view)
    _agreement_section(document, view)
    _correction_methods(document, judge)
    _panel_section(document)
    comparison_section.show_panel_worth(store, place.url, view, stamp)
    comparison_section.show_comparison(store, place.url, view, stamp, judge)
    comparison_section.show_policies(store, place.url, view, stamp)
    _revision_section(document)
    _contradiction_section(document)
    _drift_section(document, judge)


def choose_view(store: Store) -> str:
    """The label view that is chosen in the sidebar, by default the study's."""
    usual = load_settings(store).label_view
    with st.sidebar:
        return st.radio(
            "Label view",
            VIEWS,
            index=VIEWS.index(usual) if usual in VIEWS else 0,
            format_func=VIEW_NAMES.__getitem__,
            key="view",
            bind="query-params",
            help="Blind: given before any verdict was seen. The others show what changes when later labels count.",
        )


def _choose_judge(document: ViewAudit) -> str:
    with st.sidebar:
        names = [each.judge for each in document.judges]
        return st.selectbox("Judge", names, key="judge", bind="query-params")


def _judge_entry(document: ViewAudit, judge: str) -> JudgeAudit:
    return next(each for each in document.judges if each.judge == judge)


def _overall_entry(document: ViewAudit, judge: str) -> None:
    splits = _judge_entry(document, judge).splits
    where = (
        "all splits, since it was imported" if str(Split.TRAIN) in splits else f"the {join_names(list(splits))} splits"
    )
    never = "" if str(Split.TRAIN) in splits else ", never on train"
    st.caption(
        f"{document.funnel.words} {escape_markdown(judge)} is measured on {where}{never}. "
        f"{escape_markdown(_look_words(document))}"
    )
    st.caption(non_breaking(escape_markdown(document.truth.words)))


def _look_words(document: ViewAudit) -> str:
    charge = charge_looks(document)
    return "The test split was looked at 0 times so far." if charge is None else charge.words


def _correctability(document: ViewAudit, judge: str) -> None:
    each = _judge_entry(document, judge)
    st.header(
        f"Can estimates be corrected for the errors of {escape_markdown(judge)}?",
        help=define_terms("corrected", "Youden's J", "evidence"),
    )
    if each.labelled:
        marks = [f"{EVIDENCE_MARKS[found.level]} {arm}: {found.level}" for arm, found in each.evidence.items()]
        st.markdown("&emsp;".join(marks))
        show_table(judge_tables.evidence_table(document, judge))
    else:
        st.text(non_breaking(each.verdict))
    for sentence in further_sentences(each) if each.labelled else ():
        st.text(non_breaking(sentence))
    for note in each.notes:
        st.text(non_breaking(f"{note[:1].upper()}{note[1:]}."))


def _error_rates(document: ViewAudit) -> None:
    st.header("Errors by arm", help=define_terms("sensitivity", "specificity", "Youden's J"))
    reading = st.segmented_control(
        "Counted as",
        list(READINGS),
        default="as_event",
        required=True,
        format_func=READINGS.__getitem__,
        key="reading",
        bind="query-params",
    )
    st.caption(
        "Claim or identification: the injected concept identified; in the other arms, anything claimed. Pass: the "
        "injected concept identified; in the other arms, a denial."
    )
    rates = audit_frames.rate_frame(document, reading or "as_event")
    if rates.empty:
        st.text("No trial has both a label and a verdict, so error rates are unknown.")
        return
    show_chart(
        audit_charts.error_rates(rates),
        "error-rates",
        rates,
        words="Sensitivity, specificity and Youden's J of each judge by arm, with 95 % intervals.",
    )
    show_table(judge_tables.error_rate_table(document, reading or "as_event"))
    differences = audit_frames.difference_frame(document)
    if not differences.empty:
        show_chart(
            audit_charts.youden_differences(differences),
            "youden-differences",
            differences,
            words="Difference of Youden's J between arms for each judge, with 95 % intervals.",
        )


def _confusion_matrix(document: ViewAudit, judge: str, view: str) -> None:
    classes = audit_frames.class_frame(document, judge)
    if classes.empty:
        return
    st.header("Confusion matrix", help=define_terms("confusion matrix", "outcome"))
    clicked = show_chart(
        audit_charts.confusion_heat_map(classes, judge=judge),
        f"confusion-{judge}",
        classes,
        words=f"Confusion matrix of {judge} in each arm: outcome class by label against verdict, as counts.",
        choice=audit_charts.CHOSEN,
    )
    names = ["arm", "truth", "verdict"]
    cells = {
        tuple(row[name] for name in names): (
            row["n"],
            MatrixCell(CONFUSED, view, (judge, *(row[name] for name in names))),
        )
        for row in classes.to_dict("records")
    }
    told = {
        cell: f"{key[0]}: label {class_word(key[1])}, verdict {class_word(key[2])} ({n})"
        for key, (n, cell) in cells.items()
        if n
    }
    _read_cell(told, cells[tuple(clicked[name] for name in names)][1] if clicked else None, "confusion cell")


def _read_cell(told: dict[MatrixCell, str], clicked: MatrixCell | None, key: str) -> None:
    """Open the trials of a cell that was clicked, or selected from a list without a mouse."""
    chosen = st.selectbox(
        "Open the trials of",
        list(told),
        index=None,
        format_func=told.__getitem__,
        key=key,
        placeholder="Click a cell above, or choose one here",
        width=480,
    )
    if clicked in told:
        go_to(clicked)
    elif chosen:
        go_to(chosen)


def _agreement_section(document: ViewAudit, view: str) -> None:
    st.header("Agreement", help=define_terms("agreement", "Gwet's AC1", "Krippendorff's alpha"))
    agreement = audit_frames.agreement_frame(document)
    if agreement.empty:
        st.text("No two judges or raters have trials in common.")
        return
    names = list(audit_frames.COEFFICIENTS.values())
    coefficient = st.segmented_control(
        "Coefficient", names, default="Gwet's AC1", required=True, key="coefficient", bind="query-params"
    )
    shown = coefficient or "Gwet's AC1"
    clicked = show_chart(
        audit_charts.agreement_matrix(agreement, coefficient=shown),
        "agreement",
        agreement,
        words=f"{shown} of each pair of judges and raters on the outcome, with 95 % intervals.",
        choice=audit_charts.CHOSEN,
    )
    pairs = document.agreement.pairs
    cells = {audit_frames.pair_names(pair): MatrixCell(PARTED, view, _of_pair(pair)) for pair in pairs}
    apart = {audit_frames.pair_names(pair): pair.disagreements for pair in pairs}
    told = {
        cell: f"{' and '.join(key)}: {apart[key]} with different outcomes" for key, cell in cells.items() if apart[key]
    }
    _read_cell(told, cells[clicked["a"], clicked["b"]] if clicked else None, "agreement cell")
    show_table(judge_tables.agreement_table(document))


def _of_pair(pair: PairAgreement) -> tuple[str, str, str, str]:
    return pair.a_kind, pair.a, pair.b_kind, pair.b


def _correction_methods(document: ViewAudit, judge: str) -> None:
    st.header("Correction methods compared", help=define_terms("confidence interval", "PPI++", "joint posterior"))
    comparison = audit_frames.comparison_frame(document)
    show_chart(
        audit_charts.correction_methods_chart(comparison, judge=judge),
        f"corrections-{judge}",
        comparison,
        words=f"Event rate by arm by {judge}'s verdicts and by correction method, with 95 % intervals.",
    )
    show_table(judge_tables.correction_table(document, judge))
    refused = comparison[(comparison["judge"] == judge) & comparison["reason"].notna()]
    reasons = list(refused["reason"].drop_duplicates())
    with st.container() if len(reasons) <= FEW else st.expander("Methods that cannot be used"):
        for reason in reasons:
            st.text(f"Refused: {reason}.")
    mine = comparison[comparison["judge"] == judge]
    for row in mine[mine["clipped"]].to_dict("records"):
        st.text(non_breaking(f"{row['arm'].capitalize()}, {row['method']}: lay outside 0 to 100 % and was cut to it."))
    st.caption("Scaling shows corrected estimates by model, from all labels.")


def _panel_section(document: ViewAudit) -> None:
    shown = audit_frames.panel_frame(document)
    if shown.empty or len(document.together.judges) < 2:
        return
    st.header(
        "All judges combined: audit estimate",
        help=define_terms("audit estimate", "joint posterior", "conditional independence"),
    )
    show_table(judge_tables.panel_table(document))
    verdict = document.together.verdict
    st.text(non_breaking(f"{verdict[:1].upper()}{verdict[1:]}."))


def _revision_section(document: ViewAudit) -> None:
    st.header("Changed labels", help=define_terms("exposure", "label view"))
    st.text(non_breaking(document.revisions.words))
    if document.revisions.moves:
        with st.expander("All changed labels, before and after"):
            st.dataframe(audit_frames.revision_frame(document), hide_index=True)


def _contradiction_section(document: ViewAudit) -> None:
    st.header("Inconsistent verdicts and labels", help=define_terms("inconsistency"))
    none = "None: no verdict or label holds facts that exclude each other."
    show_table(judge_tables.inconsistency_table(document), empty=none)


def _drift_section(document: ViewAudit, judge: str) -> None:
    st.header(f"Drift of {escape_markdown(judge)}", help=define_terms("drift"))
    each = _judge_entry(document, judge)
    st.text(non_breaking(each.drift.words))
    if again := each.consistency:
        same = again.same_outcome
        low, high = format_percent(same.low), format_percent(same.high)
        told = f"Asked again about {count_noun(again.trials, 'trial')}, it repeated its outcome on"
        st.text(non_breaking(f"{told} {format_percent(same.value)} of them (95 % interval {low} to {high})."))
    table = judge_tables.drift_table(document, judge)
    if len({row[end] for row in table.rows for end in ("from", "to")}) > 1:  # blocks of one minute are in no order
        show_table(table)
