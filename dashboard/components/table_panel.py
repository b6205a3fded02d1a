"""Shows a table of estimates: sorted by value, explained by the glossary, copied as CSV, Markdown or LaTeX."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import pandas as pd
import streamlit as st
from pandas.io.formats.style import Styler
from streamlit.elements.lib.column_types import ColumnConfig

from gnomon.data.glossary import define_terms
from gnomon.stats.narrative.formatting import escape_markdown, non_breaking
from gnomon.stats.tables.estimate_table import ABSENT, EstimateTable, TableColumn, show_cell
from gnomon.stats.tables.table_formats import TABLE_FORMATS

STYLED_CELLS = 4_000
"""Cells up to which each is shown with its own text; a larger table shows its values by columns."""


def show_table(table: EstimateTable, *, empty: str = "") -> None:
    """Draw a table with its caption, notes and copies.

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
    shown = styled_values(table) if len(table.rows) * len(table.columns) <= STYLED_CELLS else table.text_frame()
    st.dataframe(
        shown,
        hide_index=True,
        height="content" if len(table.rows) <= 40 else "auto",
        column_config={column.heading: _column_config(column) for column in table.columns},
        placeholder=ABSENT,
        alt=table.caption,
        key=f"table {table.name}",
    )
    with st.container(horizontal=True, gap="small", vertical_alignment="top"):
        with st.container(width="stretch"):
            for line in (table.caption, *table.notes):
                st.caption(non_breaking(escape_markdown(line)))
        with st.popover("Copy", icon=":material/content_copy:", key=f"copy {table.name}"):
            _show_copies(table)


def styled_values(table: EstimateTable) -> Styler:
    """The values of a table, each shown as its text: a page sorts by the first and shows the second."""
    values = table.value_frame()
    texts: dict[str, list[str]] = {
        column.heading: [show_cell(row.get(column.name), column.kind) for row in table.rows] for column in table.columns
    }
    styler = values.style
    for heading, shown in texts.items():
        for place, text in enumerate(shown):
            styler = styler.format(partial(_said, text), subset=pd.IndexSlice[[place], [heading]])
    return styler


def _said(text: str, _value: object) -> str:
    return text


def _column_config(column: TableColumn) -> ColumnConfig:
    help_ = define_terms(*column.terms) if column.terms else None
    if column.kind == "text":
        return st.column_config.TextColumn(column.heading, help=help_)
    return st.column_config.NumberColumn(column.heading, help=help_)


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
