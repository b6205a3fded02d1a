"""Filters shared by pages, kept in the URL so that a view can be sent as a link."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import streamlit as st

from gnomon.stats.narrative.fit_frames import EVERY_SUBJECT, FitFrames

Value = TypeVar("Value", str, float)
SUBJECT_COLUMNS = ("subject", "a", "b", "from", "to", "from_subject", "to_subject")
"""Columns of a fit's tables that name a model."""


def multi_select(label: str, options: Sequence[Value], key: str, shown: Callable[[Any], str] = str) -> list[Value]:
    """Select some of the options; an empty selection means all.

    Nothing is drawn if there are fewer than two options. Values that another page or study selected and that are not
    among the options are dropped.

    Parameters
    ----------
    label : str
        Label of the element.
    options : sequence of str or float
        Values to choose from.
    key : str
        Key of the element in the session state and in the URL.
    shown : callable
        Formats a value for display.

    Returns
    -------
    list of str or float
        Selected values.
    """
    if len(options) < 2:
        return []
    kept = st.session_state.get(key)
    if kept is not None and any(value not in options for value in kept):
        st.session_state[key] = [value for value in kept if value in options]
    return st.multiselect(label, options, key=key, format_func=shown, bind="query-params")


def filter_fit(fit: FitFrames) -> FitFrames:
    """A fit restricted to the models, concepts and strengths of the sidebar's filters. No estimate changes."""
    rows = fit.estimands
    with st.sidebar:
        st.caption("Filters")
        subjects = multi_select("Model", _column_values(rows, "subject"), "subject")
        concepts = multi_select("Concept", _column_values(rows[rows["axis"] == "concept"], "value"), "concept")
        steps = [float(value) for value in _column_values(rows[rows["axis"] == "strength"], "value")]
        strengths = multi_select("Strength", steps, "strength", "{:g}".format)
    kept = _rows_among(rows, "subject", subjects)
    for axis, values in (("concept", concepts), ("strength", strengths)):
        kept = kept[(kept["axis"] != axis) | kept["value"].isin(values)] if values else kept
    contrasts = _of_subjects(fit.contrasts, subjects)
    beside = {name: _of_subjects(table, subjects) for name, table in fit.comparisons.items()}
    return replace(fit, estimands=kept, contrasts=contrasts, comparisons=beside)


def _of_subjects(table: Any, chosen: Sequence[str]) -> Any:
    """The rows that name chosen models alone, in each column that names one."""
    for column in SUBJECT_COLUMNS:
        table = _rows_among(table, column, chosen)
    return table


def _column_values(rows: Any, column: str) -> list[Any]:
    return sorted({value for value in rows[column] if value != EVERY_SUBJECT})


def _rows_among(table: Any, column: str, chosen: Sequence[str]) -> Any:
    if not chosen or column not in table.columns:
        return table
    return table[table[column].isin([*chosen, EVERY_SUBJECT])].reset_index(drop=True)
