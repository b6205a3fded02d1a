"""Side by side: trials of two conditions, and two judges' verdicts on one trial."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd
import streamlit as st

from gnomon.dashboard.components.page_errors import tell_on_page
from gnomon.dashboard.components.trial_details import condition_line
from gnomon.dashboard.reading import reading_pane
from gnomon.dashboard.reading.trial_list import ListRow, show_trial_list
from gnomon.dashboard.transcripts import transcript_query, trial_links
from gnomon.dashboard.transcripts.transcript_query import FilterChoices, TrialDetails, TrialFilters
from gnomon.dashboard.transcripts.trial_pairs import (
    PROTOCOL,
    ConditionPair,
    PairSearch,
    Value,
    comparable_axes,
    pair_trials,
)
from gnomon.data.outcomes import Outcome
from gnomon.data.storage.store import Store
from gnomon.stats.narrative.formatting import count_noun, join_names

AXIS_NAMES = {
    "subject": "model",
    "arm": "arm",
    "concept": "concept",
    "layer": "layer",
    "strength": "strength",
    PROTOCOL: "protocol",
}
ONE_DRAW = "Trials beside each other are different draws: the difference of one pair is no effect."


def choose_judges(choices: FilterChoices) -> tuple[str, str]:
    """Draw the choice of two judges; returns their versions."""
    versions = list(choices.judge)
    named = choices.judge.__getitem__
    with st.container(horizontal=True, vertical_alignment="bottom"):
        one = st.selectbox("Judge", versions, format_func=named, key="judge_a", bind="query-params", width=220)
        others = [version for version in versions if version != one]
        other = st.selectbox("and judge", others, format_func=named, key="judge_b", bind="query-params", width=220)
    return one, other


def show_judge_facts(details: TrialDetails, judges: Sequence[str]) -> None:
    """Draw what two judges said of a trial, fact by fact, those on which they differ first.

    Parameters
    ----------
    details : TrialDetails
        The trial.
    judges : sequence of str
        Names of the two judges.
    """
    st.caption("Verdicts side by side, differences first")
    st.dataframe(judge_facts(details, judges), hide_index=True)


def judge_facts(details: TrialDetails, judges: Sequence[str]) -> pd.DataFrame:
    """What two judges said of a trial: columns fact, a judge, the other judge, differ; differences first.

    Parameters
    ----------
    details : TrialDetails
        The trial.
    judges : sequence of str
        Names of the two judges.
    """
    said = details.verdicts.set_index("judge")
    columns = [
        {fact: _shown(said.at[name, fact]) if name in said.index else "–" for fact in said.columns} for name in judges
    ]
    table = pd.DataFrame({"fact": list(said.columns)})
    for name, told in zip(judges, columns, strict=True):
        table[name] = [told[fact] for fact in said.columns]
    differ = table[judges[0]] != table[judges[1]]
    table["differ"] = differ.map({True: "≠", False: ""})
    return table.loc[differ.sort_values(ascending=False, kind="stable").index].reset_index(drop=True)


def _shown(value: object) -> str:
    if isinstance(value, str):
        return value or "–"
    if value is None or pd.isna(value):  # type: ignore[call-overload]
        return "–"
    return "yes" if value else "no"


def compare_conditions(
    store: Store,
    choices: FilterChoices,
    filters: TrialFilters,
    among: Sequence[str] | None,
    note: Callable[[list[str]], None],
) -> None:
    """Draw trials of two conditions side by side.

    Parameters
    ----------
    store : Store
        The study's store.
    choices : FilterChoices
        Values that occur in the study.
    filters : TrialFilters
        The page's filters; they hold for both conditions.
    among : sequence of str or None
        Ids to which the trials of both are restricted; None for all.
    note : callable
        Called with the ids of the trials that are shown with their verdicts.
    """
    wanted, judge = _choose_pair(choices)
    if wanted is None:
        return
    mark = repr((id(store), wanted, filters, judge, None if among is None else hash(tuple(among))))
    if st.session_state.get("pairs_of") != mark:
        found = pair_trials(store, wanted, filters, choices, among=among)
        st.session_state.update(pairs_of=mark, pair=0, pairs_found=found)
    found = st.session_state["pairs_found"]
    if not found.pairs:
        st.info("No trial of one condition has a counterpart of the other: change the filters or the conditions.")
        return
    outcomes = _outcomes(store, found, choices, judge)
    pairs = sorted(found.pairs, key=lambda pair: not is_difference(outcomes, pair))
    st.caption(_pair_summary(found, sum(is_difference(outcomes, pair) for pair in pairs)))
    at = min(int(st.session_state["pair"]), len(pairs) - 1)
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.button("Previous", shortcut="left", disabled=at == 0, on_click=tell_on_page(_go_to_pair), args=(at - 1,))
        st.button(
            "Next", shortcut="right", disabled=at + 1 >= len(pairs), on_click=tell_on_page(_go_to_pair), args=(at + 1,)
        )
        st.caption(f"Pair {at + 1:,} of {len(pairs):,}")
    with st.container(key="transcripts_desk"):
        for side, (column, trial) in enumerate(zip(st.columns(2, gap="large"), pairs[at], strict=True)):
            with column:
                _show_side(store, trial, ("left", "right")[side], outcomes.get(trial))
    names = [_value_name(choices, wanted.axis, value) for value in (wanted.left, wanted.right)]
    rows = [
        ListRow(
            f"Pair {place + 1:,}",
            tuple(f"{name}: {outcomes[trial]}" for name, trial in zip(names, pair, strict=True) if trial in outcomes),
            (),
            place == at,
        )
        for place, pair in enumerate(pairs)
    ]
    show_trial_list(rows, f"pairs {len(rows)}", _go_to_pair, "Pairs")
    note(list(pairs[at]))


def _outcomes(store: Store, found: PairSearch, choices: FilterChoices, judge: str) -> dict[str, str]:
    """What a judge's verdict on each trial leads to, by trial; empty without a judge."""
    if not judge:
        return {}
    trials = sorted({trial for pair in found.pairs for trial in pair})
    said = transcript_query.outcome_table(store, trials, {judge: choices.judge[judge]})
    return {str(trial): str(outcome) for trial, outcome in said[choices.judge[judge]].fillna("–").items()}


def is_difference(outcomes: Mapping[str, str], pair: tuple[str, str]) -> bool:
    """Whether the trials of a pair have different outcomes; a trial without one differs from nothing.

    Parameters
    ----------
    outcomes : mapping of str to str
        What the verdict on each trial leads to.
    pair : (str, str)
        Trial ids.
    """
    one, other = (outcomes.get(trial) for trial in pair)
    return one != other and one in list(Outcome) and other in list(Outcome)


def _choose_pair(choices: FilterChoices) -> tuple[ConditionPair | None, str]:
    """The two conditions, and the judge by whose outcomes pairs that differ come first."""
    axes = comparable_axes(choices)
    if not axes:
        st.info("Nothing to compare: this study has one model, arm, concept, layer, strength and protocol.")
        return None, ""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        axis = st.selectbox(
            "Compare by",
            list(axes),
            format_func=AXIS_NAMES.__getitem__,
            key="compare",
            bind="query-params",
            index=list(axes).index("strength") if "strength" in axes else 0,
            width=160,
        )

        def named(value: Value) -> str:
            return _value_name(choices, axis, value)

        values = axes[axis]
        first = st.selectbox("this", values, format_func=named, key=f"left_{axis}", bind="query-params", width=200)
        others = [value for value in values if value != first]
        second = st.selectbox("with", others, format_func=named, key=f"right_{axis}", bind="query-params", width=200)
        judge = (
            st.selectbox(
                "As read by",
                list(choices.judge),
                format_func=choices.judge.__getitem__,
                key="pair_judge",
                bind="query-params",
                width=200,
            )
            if choices.judge
            else ""
        )
    return ConditionPair(axis, first, second), judge


def _value_name(choices: FilterChoices, axis: str, value: Value) -> str:
    if axis == PROTOCOL:
        return choices.protocol[str(value)]
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _pair_summary(found: PairSearch, differ: int) -> str:
    on = join_names([AXIS_NAMES[axis] for axis in found.matched_on])
    first = "" if found.is_complete else "The first "
    return (
        f"{first}{count_noun(len(found.pairs), 'pair')} that agree in {on}; outcomes differ in {differ:,}, "
        f"which come first. {ONE_DRAW}"
    )


def _go_to_pair(place: int) -> None:
    st.session_state["pair"] = place


def _show_side(store: Store, trial: str, key: str, outcome: str | None) -> None:
    details = transcript_query.trial_details(store, trial)
    st.text(condition_line(details))
    if outcome:
        st.text(f"Outcome: {outcome}")
    reading_pane.show_response(store, details, key, small=True)
    reading_pane.show_prompt(details, key, is_open=False)
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.button("Read this one", key=f"{key} open", on_click=tell_on_page(_open_trial), args=(trial,))


def _open_trial(trial: str) -> None:
    """Go back to reading, with this trial open."""
    st.session_state["mode"] = "Read"
    st.query_params[trial_links.PARAMETER] = trial
