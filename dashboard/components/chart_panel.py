"""Shows a chart in the house theme, with alternative text, its data table and downloads."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import wrap
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from gnomon.calibration.plotting.theme import FONT, apply_theme, save_chart, theme_config
from gnomon.stats.narrative.formatting import with_reader_headings

# The name under which Streamlit bundles the font that the charts' theme asks for.
PAGE_FONT = "'Source Sans', " + FONT

_FORMULA = re.compile(r"^[=+\-@\t\r]")


LINE = 88
"""Characters in a line of a chart's subtitle: as many as the column of a window that is 1,024 pixels wide holds."""


def is_dark() -> bool:
    """Whether this session's page uses the dark theme."""
    return st.context.theme.type == "dark"


def show_chart(
    chart: Any, name: str, table: pd.DataFrame, *, words: str, legend_below: bool = False, choice: str = ""
) -> dict[str, Any] | None:
    """Draw a chart with its data and downloads below.

    Parameters
    ----------
    chart : Chart
        Altair chart without a theme.
    name : str
        File name of the downloads, without extension.
    table : DataFrame
        The data of the chart.
    words : str
        Text alternative of the chart, for screen readers.
    legend_below : bool
        Whether the legend is below; for a chart as wide as the page.
    choice : str
        Name of a selection parameter of the chart; empty if clicks have no effect.

    Returns
    -------
    dict or None
        Fields of the mark that was clicked; None without a click.
    """
    dressed = apply_theme(chart, dark=is_dark())
    dressed.config.font = PAGE_FONT
    wrap_subtitle(dressed)
    dressed.usermeta = {"embedOptions": {"renderer": "canvas"}}  # as SVG its marks would be images without alt text
    if legend_below:
        dressed.config.legend = {**theme_config(dark=is_dark())["legend"], "orient": "bottom", "gradientLength": 240}
    width = full_width(dressed)
    drawn_with: dict[str, Any] = {"theme": None, "alt": words, "key": f"chart {name}"}
    clicked: list[dict[str, Any]] = []
    with st.container(width=width or "stretch"):
        drawn_with["width"] = "stretch" if width else "content"
        if choice:
            event: Any = st.altair_chart(dressed, on_select="rerun", selection_mode=choice, **drawn_with)
            clicked = event["selection"].get(choice, [])
        else:
            st.altair_chart(dressed, **drawn_with)
    with st.expander("Data and downloads", type="compact"):
        st.dataframe(with_reader_headings(table), hide_index=True, alt=f"Data of the chart: {words}")
        with st.container(horizontal=True, gap="small"):
            _download_button("CSV", name, "csv", "text/csv", partial(csv_bytes, table))
            _download_button("SVG", name, "svg", "image/svg+xml", partial(render_chart, chart, "svg"))
            _download_button("PNG", name, "png", "image/png", partial(render_chart, chart, "png"))
    return clicked[0] if clicked else None


def full_width(chart: Any) -> int | None:
    """Width that a chart of one panel takes, with its labels, where its column is wide enough; else the column's.

    None for charts of several panels and for those whose width follows from their categories: Vega-Lite cannot fit
    them to a width.
    """
    is_single = isinstance(chart, alt.Chart | alt.LayerChart)
    return int(chart.width) if is_single and isinstance(chart.width, int | float) else None


def wrap_subtitle(chart: Any) -> None:
    """Break the lines of a chart's subtitle that would make the chart wider than its column."""
    title = chart.title
    if not isinstance(title, alt.TitleParams) or not isinstance(title.subtitle, str | list):
        return
    lines = [title.subtitle] if isinstance(title.subtitle, str) else title.subtitle
    chart.title = title.copy(deep=False)
    chart.title.subtitle = [part for line in lines for part in wrap(line, LINE)]


def _download_button(label: str, name: str, ending: str, mime: str, make: Callable[[], bytes]) -> None:
    file = f"{name}.{ending}"
    st.download_button(label, make, file_name=file, mime=mime, key=f"download {file}", on_click="ignore")


def csv_bytes(table: pd.DataFrame) -> bytes:
    """A table as CSV in UTF-8; text that a spreadsheet would run as a formula is prefixed with an apostrophe."""
    safe = table.map(lambda cell: f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell)
    return safe.to_csv(index=False).encode()


def render_chart(chart: alt.TopLevelMixin, ending: str) -> bytes:
    """A chart as the bytes of an image file, in the light theme.

    Parameters
    ----------
    chart : TopLevelMixin
        Altair chart without a theme.
    ending : {"svg", "png"}
        File format.
    """
    with TemporaryDirectory() as folder:
        return save_chart(chart, Path(folder) / f"chart.{ending}").read_bytes()
