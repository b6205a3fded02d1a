"""Judges: may they be believed, in which arm, by which labels; nothing corrected that the labels do not allow."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from calibration import figures, tidy
from calibration.audit import audit
from calibration.labels import VIEWS
from dashboard import studies
from dashboard.charts import show_chart
from dashboard.fitted import records
from dashboard.words import count, listed, literal, percent, unbroken
from data import tables
from data.store import Store

VIEW_NAMES = {"blind": "Blind only", "first": "As first given", "current": "As they stand now"}
READINGS = {"as_event": "The event", "as_pass": "The study's pass"}
SIGNIFICANT = 0.05


def show() -> None:
    """Draw the page."""
    st.title("Judges")
    place, store = studies.current()
    if not store.count(tables.verdicts):
        st.info("No judge has read anything in this study.")
        return
    view = _view(store)
    document = _audit(place.url, view, studies.stamp(store), store)
    _overall(document)
    judge = _judge(document)
    _verdict(document, judge)
    _errors(document)
    _confusion(document, judge)
    _agreement(document)
    _corrections(document, judge)
    _revisions(document)


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


def _overall(document: dict[str, Any]) -> None:
    labels = count(document["labels"], "labelled transcript")
    looks = count(document["test_split_looks"], "time")
    st.caption(
        f"{labels} in this view. Judges are measured on the {listed(document['splits'])} splits, never on train. "
        f"The test split was looked at {looks} so far."
    )


def _verdict(document: dict[str, Any], judge: str) -> None:
    each = next(each for each in document["judges"] if each["judge"] == judge)
    st.subheader(f"May {literal(judge)} be corrected?")
    if each["correctable"]:
        st.markdown(":green[:material/check_circle:] Yes: its errors are known in both arms that net detection needs.")
    else:
        st.markdown(":red[:material/cancel:] No, not for net detection:")
    for reason in each["reasons"]:
        st.text(f"{reason}.")
    for note in each["notes"]:
        st.text(f"{note[:1].upper()}{note[1:]}.")
    rates = tidy.rates(document)
    for arm in rates.loc[rates["judge"] == judge, "arm"].drop_duplicates():
        mine = rates[(rates["judge"] == judge) & (rates["arm"] == arm)]
        st.text(unbroken(arm_sentence(mine, judge, str(arm))))


def arm_sentence(rates: pd.DataFrame, judge: str, arm: str) -> str:
    """What a judge's error rates in one arm say, in words."""
    by = {str(row["measure"]): row for row in records(rates)}
    parts = []
    for measure, verb in (("Sensitivity", "finds {} of the events"), ("Specificity", "passes over {} of the rest")):
        if row := by.get(measure):
            value, low, high = (percent(float(row[key])) for key in ("value", "low", "high"))
            parts.append(f"{verb.format(value)} (95 % interval {low} to {high})")
    told = f"In the {arm} arm {judge} " + " and ".join(parts) + "."
    if row := by.get("Youden's J"):
        told += f" Youden's J {row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f})."
    return told


def _errors(document: dict[str, Any]) -> None:
    st.subheader("Errors by arm")
    reading = st.segmented_control(
        "Counted as", list(READINGS), default="as_event", required=True, format_func=READINGS.__getitem__, key="reading"
    )
    st.caption(
        "The event: the injected concept identified; in the other arms, anything claimed. The study's pass: the "
        "injected concept identified; in the other arms, everything plainly denied."
    )
    rates = tidy.rates(document, reading or "as_event")
    if rates.empty:
        st.text("No label stands on a transcript that a judge read, so errors are not known.")
        return
    show_chart(
        figures.error_rates(rates),
        "error-rates",
        rates,
        words="Sensitivity, specificity and Youden's J of each judge by arm, with 95 % intervals.",
    )
    differences = tidy.differences(document)
    if not differences.empty:
        show_chart(
            figures.youden_differences(differences),
            "youden-differences",
            differences,
            words="Difference of Youden's J between arms for each judge, with 95 % intervals.",
        )


def _confusion(document: dict[str, Any], judge: str) -> None:
    classes = tidy.classes(document, judge)
    if classes.empty:
        return
    st.subheader("What was taken for what")
    show_chart(
        figures.confusion_heat_map(classes, judge=judge),
        f"confusion-{judge}",
        classes,
        words=f"Outcome class by label against the verdict of {judge} in each arm, as counts.",
        legend_below=True,
    )


def _agreement(document: dict[str, Any]) -> None:
    st.subheader("Who agrees with whom")
    agreement = tidy.agreement(document)
    if agreement.empty:
        st.text("No two judges or raters read the same transcripts.")
        return
    names = list(tidy.COEFFICIENTS.values())
    coefficient = st.segmented_control("Coefficient", names, default="Gwet's AC1", required=True, key="coefficient")
    shown = coefficient or "Gwet's AC1"
    show_chart(
        figures.agreement_matrix(agreement, coefficient=shown),
        "agreement",
        agreement,
        words=f"{shown} of each pair of judges and raters on the outcome, with 95 % intervals.",
    )
    st.caption(
        "Transcripts that were chosen because judges disagree are left out here: on them agreement is low by choice."
    )


def _corrections(document: dict[str, Any], judge: str) -> None:
    st.subheader("Corrected, by several methods")
    comparison = tidy.comparison(document)
    show_chart(
        figures.corrections(comparison, judge=judge),
        f"corrections-{judge}",
        comparison,
        words=f"Event rate by arm as {judge} reads it and by correction method, with 95 % intervals.",
    )
    refused = comparison[(comparison["judge"] == judge) & comparison["reason"].notna()]
    for reason in refused["reason"].drop_duplicates():
        st.text(f"Refused: {reason}.")
    st.caption(
        "The corrected figures of the Scaling page come from the joint posterior, which uses all judges and labels."
    )


def _revisions(document: dict[str, Any]) -> None:
    st.subheader("Labels that were changed")
    st.text(revision_sentence(document["revisions"]))
    if document["disagreements"]:
        st.text(f"Raters disagree on {count(document['disagreements'], 'transcript')}.")
    if document["revisions"]["trials"]:
        with st.expander("Trials whose label changed after a verdict was seen"):
            st.dataframe(pd.DataFrame({"trial": document["revisions"]["trials"]}), hide_index=True)


def revision_sentence(revisions: dict[str, Any]) -> str:
    """How labels were changed, in words."""
    if not revisions["n"]:
        return "No label was changed after it was given."
    changed = f"{count(revisions['n'], 'label')} changed, {revisions['after_verdict']} after a verdict had been seen"
    if not revisions["after_verdict"]:
        return f"{changed}."
    toward, away = revisions["toward_judge"], revisions["away_from_judge"]
    told = f"{changed}: {toward} towards what the judges said, {away} away from it."
    p = revisions["p_value"]
    if p is not None and p < SIGNIFICANT:
        told += f" Chance alone would hardly do that (exact p {p:.3f}): trust the blind labels."
    return told
