"""Filters and order of the Transcripts page, kept in its address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from gnomon.dashboard.components.view_filters import multi_select
from gnomon.dashboard.transcripts.transcript_query import FilterChoices, TrialFilters
from gnomon.dashboard.transcripts.trial_order import BY_CONDITION, BY_ID, BY_JUDGE, BY_LABELS, TrialOrder
from gnomon.data.facts import further_names
from gnomon.data.outcomes import Outcome
from gnomon.data.records import Split

LABELLED = {"": "All", "yes": "Labelled", "no": "Not labelled"}
DISPUTED, AGAINST, RATERS, FLAGGED, NOTED, MINE = "disputed", "against", "raters", "flagged", "noted", "mine"
ONLY = {
    DISPUTED: "Judges disagree",
    AGAINST: "Judge differs from label",
    RATERS: "Raters disagree",
    FLAGGED: "Flagged",
    NOTED: "With a note",
    MINE: "Labelled by me",
}
ONLY_HELP = (
    "All that are chosen must hold. A judge differs from the label if their outcomes differ, by the study's outcome "
    "rule and label view; which judge is chosen in the sidebar."
)


@dataclass(frozen=True, slots=True)
class ChosenFilters:
    """What the page's filters ask for.

    Attributes
    ----------
    filters : TrialFilters
        Filters that the database answers.
    against_label, raters_apart : bool
        Whether a judge must differ from the label, and raters from one another.
    """

    filters: TrialFilters
    against_label: bool
    raters_apart: bool


def choose_filters(choices: FilterChoices, rater: str | None) -> ChosenFilters:
    """Draw the filters: of conditions in the sidebar, of texts and readings on the page.

    Parameters
    ----------
    choices : FilterChoices
        Values that occur in the study.
    rater : str or None
        The session's rater, if there is one.
    """
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input("Text contains", key="text", bind="query-params", width=260)
        offered = [name for name in ONLY if name != MINE or rater]
        only = st.pills(
            "Only",
            offered,
            selection_mode="multi",
            format_func=ONLY.__getitem__,
            key="only",
            bind="query-params",
            help=ONLY_HELP,
        )
    with st.sidebar:
        st.caption("Filters")
        arm = multi_select("Arm", choices.arm, "arm")
        concept = multi_select("Concept", choices.concept, "concept")
        strength = multi_select("Strength", choices.strength, "strength", "{:g}".format)
        subject = multi_select("Model", choices.subject, "subject")
        protocol = multi_select("Protocol", list(choices.protocol), "protocol", choices.protocol.__getitem__)
        outcome = multi_select("Outcome", [str(outcome) for outcome in Outcome], "outcome")
        names = {"": "any judge", **choices.judge}
        judge = st.selectbox(
            "As read by", list(names), format_func=names.__getitem__, key="by_judge", bind="query-params"
        )
        reports = multi_select("Reported", list(further_names()), "reports") if further_names() else []
        labelled = st.radio(
            "Labels",
            list(LABELLED),
            format_func=LABELLED.__getitem__,
            horizontal=True,
            key="labelled",
            bind="query-params",
        )
        split = multi_select("Split", [str(split) for split in Split], "split")
    filters = TrialFilters(
        subject=tuple(subject),
        arm=tuple(arm),
        concept=tuple(concept),
        strength=tuple(strength),
        protocol=tuple(protocol),
        split=tuple(split),
        judge=judge,
        outcome=tuple(outcome),
        disputed=DISPUTED in only,
        labelled=labelled,
        text=text.strip(),
        reports=tuple(reports),
        labelled_by=rater if rater and MINE in only else "",
        flagged=FLAGGED in only,
        noted=NOTED in only,
    )
    return ChosenFilters(filters, AGAINST in only, RATERS in only)


def choose_order(choices: FilterChoices) -> TrialOrder:
    """Draw the choice of the order in which the whole study's trials are listed and walked through."""
    names = order_names(choices)
    by = st.selectbox(
        "Order by", list(names), format_func=names.__getitem__, key="order", bind="query-params", width=220
    )
    down = st.checkbox("Descending", key="down", bind="query-params")
    return TrialOrder(by, down)


def order_names(choices: FilterChoices) -> dict[str, str]:
    """Orders that the study has, by `TrialOrder.by`."""
    axes: dict[str, Sequence[object]] = {
        "subject": choices.subject,
        "arm": choices.arm,
        "concept": choices.concept,
        "strength": choices.strength,
    }
    told = {"subject": "Model", "arm": "Arm", "concept": "Concept", "strength": "Strength"}
    return {
        BY_ID: "Trial id (random)",
        BY_CONDITION: "Condition",
        **{axis: told[axis] for axis, values in axes.items() if len(values) > 1},
        **({"layer": "Layer"} if len({cell[3] for cell in choices.cells}) > 1 else {}),
        BY_LABELS: "Number of labels",
        **{f"{BY_JUDGE} {version}": f"Outcome by {name}" for version, name in choices.judge.items()},
    }
