"""Shows a table of estimates: sorted by value, explained by the glossary, copied as CSV, Markdown or LaTeX."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st
from pandas.io.formats.style import Styler
from streamlit.elements.lib.column_types import ColumnConfig

from gnomon.dashboard.browser_window import page_room
from gnomon.data.glossary import define_terms
from gnomon.stats.narrative.formatting import escape_markdown, non_breaking
from gnomon.stats.tables.column_widths import fit_columns
from gnomon.stats.tables.estimate_table import ABSENT, EstimateTable, Interval, TableColumn, show_cell
from gnomon.stats.tables.table_formats import TABLE_FORMATS

EXPANDER = 34
"""Pixels that the frame of a part that opens takes from the page's width: a table may stand in one."""
SCROLLS = "The table is wider than the page: scroll inside it for its last columns."
STYLED_CELLS = 4_000
"""Cells up to which each is shown with its own text; a larger table shows its values by columns."""


def show_table(table: EstimateTable, *, empty: str = "") -> None:
    """Draw a table with its caption, notes and copies.

    Long texts wrap where the page is too narrow; where that does not do, the table scrolls sideways and its first
    column stays in sight.

    Parameters
    ----------
    table : EstimateTable
    empty : str
        What is said where it has no row; nothing is drawn without it.
    """
    if not table:
        if empty:
            st.text(empty)
        return
    widths = fit_columns(table, page_room() - EXPANDER)
    shown = styled_values(table) if len(table.rows) * len(table.columns) <= STYLED_CELLS else table.text_frame()
    st.dataframe(
        shown,
        hide_index=True,
        height="content" if len(table.rows) <= 40 else "auto",
        row_height=widths.row_height,
        column_config={
            column.heading: _column_config(column, pinned=place == 0 and not widths.fits, width=widths.given)
            for place, column in enumerate(table.columns)
        },
        placeholder=ABSENT,
        alt=table.caption,
        key=f"table {table.name}",
    )
    with st.container(horizontal=True, gap="small", vertical_alignment="top"):
        with st.container(width="stretch"):
            for line in (table.caption, *table.notes, *(() if widths.fits else (SCROLLS,))):
                st.caption(non_breaking(escape_markdown(line)))
        with st.popover("Copy", icon=":material/content_copy:", key=f"copy {table.name}"):
            _show_copies(table)


def styled_values(table: EstimateTable) -> Styler:
    """The values of a table, each shown as its text: a page sorts by the first and shows the second."""
    frame = table.value_frame()
    formats: dict[Any, str | Callable[[object], str] | None] = {}
    others: dict[tuple[str, str], list[int]] = {}
    for column in table.columns:
        formats[column.heading] = partial(show_cell, kind=column.kind)
        cells = [row.get(column.name) for row in table.rows]
        if not any(isinstance(cell, Interval) for cell in cells):
            continue
        # The value that is sorted by does not know its interval: its text is looked up by it, but for the few values
        # of several intervals.
        texts = [show_cell(cell, column.kind) for cell in cells]
        keys = [_as_key(value) for value in frame[column.heading]]
        by_value = dict(zip(keys, texts, strict=True))
        formats[column.heading] = partial(_look_up, by_value)
        for place, (key, text) in enumerate(zip(keys, texts, strict=True)):
            if by_value[key] != text:
                others.setdefault((column.heading, text), []).append(place)
    styler = frame.style.format(formats)  # few calls: each looks up its cells in the frame anew
    for (heading, text), places in others.items():
        styler = styler.format(partial(_said, text), subset=pd.IndexSlice[places, [heading]])
    return styler


def _as_key(value: object) -> object:
    return None if pd.isna(value) else value  # type: ignore[call-overload]


def _look_up(texts: Mapping[object, str], value: object) -> str:
    return texts[_as_key(value)]


def _said(text: str, _value: object) -> str:
    return text


def _column_config(column: TableColumn, *, pinned: bool, width: Mapping[str, int]) -> ColumnConfig:
    help_ = define_terms(*column.terms) if column.terms else None
    kind = st.column_config.TextColumn if column.kind == "text" else st.column_config.NumberColumn
    return kind(column.heading, help=help_, pinned=pinned or None, width=width.get(column.heading))


def _show_copies(table: EstimateTable) -> None:
    """Each format in a tab with the copy button of its code block, and as a download."""
    endings: Mapping[str, str] = {"CSV": "csv", "Markdown": "md", "LaTeX": "tex"}
    for tab, (name, make) in zip(st.tabs(list(TABLE_FORMATS)), TABLE_FORMATS.items(), strict=True):
        with tab:
            text = make(table)
            st.code(text, language=None, height=240)
            file = f"{table.name}.{endings[name]}"
            st.download_button(
                f"Download {file}", text, file_name=file, key=f"download table {file}", on_click="ignore"
            )
