"""Shows condition, verdicts and labels of one trial. Never drawn before a blind label is saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from gnomon.dashboard.transcripts.transcript_query import TrialDetails
from gnomon.data.facts import CORE, recorded_facts
from gnomon.data.records import NONE, LabelKind

if TYPE_CHECKING:
    from streamlit.elements.lib.column_types import ButtonColumnResult, ColumnConfig


def show_evidence(details: TrialDetails, *, with_condition: bool = True) -> None:
    """Draw condition, verdicts and label history of a trial.

    Parameters
    ----------
    details : TrialDetails
        The trial.
    with_condition : bool, default True
        Whether its condition is drawn too.
    """
    if with_condition:
        st.text(condition_line(details))
    st.caption("Verdicts")
    if details.verdicts.empty:
        st.text("No verdicts.")
    else:
        st.dataframe(details.verdicts.drop(columns="quote"), hide_index=True, column_config=_fact_columns())
        for quote in misquoted_judges(details):
            st.text(f"Quoted by a judge, but not in the response: {quote}")
    st.caption("Labels")
    if details.labels.empty:
        st.text("No labels.")
    else:
        st.dataframe(_label_table(details.labels), hide_index=True, column_config=_fact_columns())
        for line in note_lines(details.labels):
            st.text(line)


def _fact_columns() -> dict[str, ColumnConfig | ButtonColumnResult | str | None]:
    """How the columns of flags are shown, by the name of the fact."""
    flags = (fact for fact in (*CORE, *recorded_facts()) if fact.kind == "flag")
    return {fact.name: st.column_config.CheckboxColumn(fact.heading or fact.name) for fact in flags}


def misquoted_judges(details: TrialDetails) -> list[str]:
    """Quotations of judges that do not occur in the response."""
    return [quote for quote in details.quotes if quote.casefold() not in details.answer.casefold()]


def condition_line(details: TrialDetails) -> str:
    """The trial's condition in one line."""
    condition = details.condition
    what = [f"{condition['subject']}", f"arm {condition['arm']}"]
    if condition["concept"]:
        what.append(f"concept {condition['concept']}")
    if condition["layer"] is not None:
        what.append(f"layer {condition['layer']}, strength {condition['strength']:g}, span {condition['span']}")
    return " · ".join(what)


def note_lines(labels: pd.DataFrame) -> list[str]:
    """What raters wrote with their labels and flags, a line each; a table's edge would cut it."""
    rows = zip(labels["rater"], labels["kind"], labels["note"], labels["withdrawn"], strict=True)
    return [
        f"{'Flagged' if kind == str(LabelKind.FLAG) else 'Note'} by {rater}{' (retracted)' if gone else ''}"
        f"{f': {note}' if note else ''}"
        for rater, kind, note, gone in rows
        if note or kind == str(LabelKind.FLAG)
    ]


def _label_table(labels: pd.DataFrame) -> pd.DataFrame:
    shown = labels.drop(columns="note").assign(
        exposure=labels["exposure"].str.replace("_", " "),
        concept=labels["concept"].fillna(NONE).where(labels["kind"] == "label", ""),
    )
    return shown.rename(columns={"created_at": "at"})
