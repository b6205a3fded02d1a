"""Judges: may they be believed, in which arm, by which labels; nothing corrected that the labels do not allow."""

from __future__ import annotations

from typing import Any

import streamlit as st

from gnomon.calibration.audit import audit_charts, audit_frames
from gnomon.calibration.audit.document import audit
from gnomon.calibration.labels.views import VIEWS
from gnomon.dashboard import study_picker
from gnomon.dashboard.components.chart_panel import show_chart
from gnomon.dashboard.transcripts.matrix_cell import CONFUSED, PARTED, Cell, go_to
from gnomon.data.records import Split
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store
from gnomon.stats.narrative.fit_sentences import arm_sentence
from gnomon.stats.narrative.formatting import count, listed, literal, percent, unbroken

VIEW_NAMES = {"blind": "Blind only", "first": "As first given", "current": "As they stand now"}
_SHARES = {
    name: st.column_config.NumberColumn(shown, format="percent")
    for name, shown in {"value": "share", "low": "95 % from", "high": "to"}.items()
}
_TOGETHER: dict[str, Any] = {
    **_SHARES,
    "rate": "",
    "errors": "judges err",
    "value": st.column_config.NumberColumn("rate", format="percent"),
}
FEW = 4
READINGS = {"as_event": "The event", "as_pass": "The study's pass"}


def show() -> None:
    """Draw the page."""
    st.title("Judges")
    place, store = study_picker.current()
    if not store.count(tables.verdicts):
        st.info("No judge has read anything in this study.")
        return
    view = _view(store)
    document = _audit(place.url, view, study_picker.stamp(store), store)
    judge = _judge(document)
    _overall(document, judge)
    _verdict(document, judge)
    _errors(document)
    _confusion(document, judge, view)
    _agreement(document, view)
    _corrections(document, judge)
    _together(document)
    _revisions(document)
    _contradictions(document)
    _drift(document, judge)


@st.cache_data(max_entries=32, show_spinner="Measuring the judges")
def _audit(url: str, view: str, stamp: tuple[int, ...], _store: Store) -> dict[str, Any]:
    """The audit, kept until a fact is added: each new one counts as a look at the test split."""
    return audit(_store, view=view)


def _view(store: Store) -> str:
    usual = str(store.study().get("label_view", "blind"))
    with st.sidebar:
        return st.radio(
            "Labels that count",
            VIEWS,
            index=VIEWS.index(usual) if usual in VIEWS else 0,
            format_func=VIEW_NAMES.__getitem__,
            key="view",
            bind="query-params",
            help="Blind: given before any verdict was seen. The others show what changes when later labels count.",
        )


def _judge(document: dict[str, Any]) -> str:
    with st.sidebar:
        names = [str(each["judge"]) for each in document["judges"]]
        return st.selectbox("Judge", names, key="judge", bind="query-params")


def _entry(document: dict[str, Any], judge: str) -> dict[str, Any]:
    return next(each for each in document["judges"] if each["judge"] == judge)


def _overall(document: dict[str, Any], judge: str) -> None:
    labels = count(document["labelled"], "labelled transcript")
    looks = count(document["test_split_looks"], "time")
    splits = _entry(document, judge)["splits"]
    where = "all splits, since it was imported" if str(Split.TRAIN) in splits else f"the {listed(splits)} splits"
    never = "" if str(Split.TRAIN) in splits else ", never on train"
    st.caption(
        f"{labels} in this view. {literal(judge)} is measured on {where}{never}. "
        f"The test split was looked at {looks} so far."
    )


def _verdict(document: dict[str, Any], judge: str) -> None:
    each = _entry(document, judge)
    st.subheader(f"May {literal(judge)} be corrected?")
    if each["correctable"]:
        st.markdown(":green[:material/check_circle:] Yes: its errors are known in both arms that net detection needs.")
    else:
        st.markdown(":red[:material/cancel:] No, not for net detection:")
    st.text(unbroken(each["verdict"]))
    for note in each["notes"]:
        st.text(unbroken(f"{note[:1].upper()}{note[1:]}."))
    rates = audit_frames.rates(document)
    for arm in rates.loc[rates["judge"] == judge, "arm"].drop_duplicates():
        mine = rates[(rates["judge"] == judge) & (rates["arm"] == arm)]
        st.text(unbroken(arm_sentence(mine, judge, str(arm))))


def _errors(document: dict[str, Any]) -> None:
    st.subheader("Errors by arm")
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
        "The event: the injected concept identified; in the other arms, anything claimed. The study's pass: the "
        "injected concept identified; in the other arms, everything plainly denied."
    )
    rates = audit_frames.rates(document, reading or "as_event")
    if rates.empty:
        st.text("No label stands on a transcript that a judge read, so errors are not known.")
        return
    show_chart(
        audit_charts.error_rates(rates),
        "error-rates",
        rates,
        words="Sensitivity, specificity and Youden's J of each judge by arm, with 95 % intervals.",
    )
    differences = audit_frames.differences(document)
    if not differences.empty:
        show_chart(
            audit_charts.youden_differences(differences),
            "youden-differences",
            differences,
            words="Difference of Youden's J between arms for each judge, with 95 % intervals.",
        )


def _confusion(document: dict[str, Any], judge: str, view: str) -> None:
    classes = audit_frames.classes(document, judge)
    if classes.empty:
        return
    st.subheader("What was taken for what")
    clicked = show_chart(
        audit_charts.confusion_heat_map(classes, judge=judge),
        f"confusion-{judge}",
        classes,
        words=f"Outcome class by label against the verdict of {judge} in each arm, as counts.",
        legend_below=True,
        choice=audit_charts.CHOSEN,
    )
    names = ["arm", "truth", "verdict"]
    cells = {
        tuple(row[name] for name in names): (row["n"], Cell(CONFUSED, view, (judge, *(row[name] for name in names))))
        for row in classes.to_dict("records")
    }
    told = {cell: f"{key[0]}: label {key[1]}, verdict {key[2]} ({n})" for key, (n, cell) in cells.items() if n}
    _read_cell(told, cells[tuple(clicked[name] for name in names)][1] if clicked else None, "confusion cell")


def _read_cell(told: dict[Cell, str], clicked: Cell | None, key: str) -> None:
    """Go to the transcripts of a cell that was clicked, or chosen from a list by who cannot click one."""
    chosen = st.selectbox(
        "Read the transcripts of",
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


def _agreement(document: dict[str, Any], view: str) -> None:
    st.subheader("Who agrees with whom")
    agreement = audit_frames.agreement(document)
    if agreement.empty:
        st.text("No two judges or raters read the same transcripts.")
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
    pairs = document["agreement"]["pairs"]
    cells = {audit_frames.pair_names(pair): Cell(PARTED, view, _of_pair(pair)) for pair in pairs}
    apart = {audit_frames.pair_names(pair): _apart(pair) for pair in pairs}
    told = {cell: f"{' and '.join(key)}: {apart[key]} read differently" for key, cell in cells.items() if apart[key]}
    _read_cell(told, cells[clicked["a"], clicked["b"]] if clicked else None, "agreement cell")
    st.caption(
        "Transcripts that were chosen because judges disagree are left out here: on them agreement is low by choice."
    )


def _of_pair(pair: dict[str, Any]) -> tuple[str, str, str, str]:
    return pair["a_kind"], pair["a"], pair["b_kind"], pair["b"]


def _apart(pair: dict[str, Any]) -> int:
    """On how many transcripts the two differ."""
    return round(pair["n"] * (1 - pair["agreement"]["value"])) if pair["agreement"] else 0


def _corrections(document: dict[str, Any], judge: str) -> None:
    st.subheader("Corrected, by several methods")
    comparison = audit_frames.comparison(document)
    show_chart(
        audit_charts.corrections(comparison, judge=judge),
        f"corrections-{judge}",
        comparison,
        words=f"Event rate by arm as {judge} reads it and by correction method, with 95 % intervals.",
    )
    refused = comparison[(comparison["judge"] == judge) & comparison["reason"].notna()]
    reasons = list(refused["reason"].drop_duplicates())
    with st.container() if len(reasons) <= FEW else st.expander("Why methods are refused"):
        for reason in reasons:
            st.text(f"Refused: {reason}.")
    st.caption(
        "The corrected figures of the Scaling page come from the joint posterior, which uses all judges and labels."
    )


def _together(document: dict[str, Any]) -> None:
    shown = audit_frames.together(document)
    if shown.empty or len(document["together"]["judges"]) < 2:
        return
    st.subheader("All judges together")
    told = shown.assign(
        rate=shown["rate"].str.capitalize(),
        errors=shown["errors"].map({"independent": "Apart", "free": "Perhaps together"}),
    )
    st.dataframe(told, hide_index=True, column_config=_TOGETHER)
    verdict = document["together"]["verdict"]
    st.text(unbroken(f"{verdict[:1].upper()}{verdict[1:]}."))
    st.caption(
        "Event rates from the joint posterior of all judges and labels, 95 % credible intervals. Net detection: "
        "identified in injection minus not denied in control."
    )


def _revisions(document: dict[str, Any]) -> None:
    st.subheader("Labels that were changed")
    st.text(unbroken(document["revisions"]["words"]))
    if document["disagreements"]:
        st.text(f"Raters disagree on {count(document['disagreements'], 'transcript')}.")
    if document["revisions"]["moves"]:
        with st.expander("Every label that was changed, before and after"):
            st.dataframe(audit_frames.moves(document), hide_index=True)


def _contradictions(document: dict[str, Any]) -> None:
    st.subheader("Who contradicts themselves")
    shown = audit_frames.contradictions(document)
    if shown.empty:
        st.text("Nobody: no verdict and no label holds facts that exclude each other.")
        return
    st.dataframe(shown, hide_index=True, column_config=_SHARES)


def _drift(document: dict[str, Any], judge: str) -> None:
    st.subheader(f"Does {literal(judge)} judge alike over time?")
    each = _entry(document, judge)
    st.text(unbroken(each["drift"]["words"]))
    if again := each["consistency"]:
        same = again["same_outcome"]
        low, high = percent(same["low"]), percent(same["high"])
        told = f"Asked again about {count(again['trials'], 'transcript')} it gave one outcome on"
        st.text(unbroken(f"{told} {percent(same['value'])} of them (95 % interval {low} to {high})."))
