"""Shows a chart in the house theme, with alternative text, its data table and downloads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from textwrap import wrap
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st
from pandas.io.formats.style import Styler

from gnomon.calibration.audit import audit_charts
from gnomon.calibration.numerics.number_formats import format_coefficient, format_percent
from gnomon.calibration.plotting.theme import FONT, apply_theme, chart_bytes
from gnomon.dashboard.browser_window import is_dark, page_room
from gnomon.dashboard.components.table_panel import STYLED_CELLS
from gnomon.stats.charts.estimate_charts import PAGE_WIDTH, PANEL_WIDTH
from gnomon.stats.narrative.formatting import with_reader_headings
from gnomon.stats.tables.estimate_table import ABSENT
from gnomon.stats.tables.table_formats import guard_formula

# The name under which Streamlit bundles the font that the charts' theme asks for.
PAGE_FONT = "'Source Sans', " + FONT


WIDEST = 1240
"""Width in pixels up to which a chart grows with the page."""
LEAST_PANEL = 140
"""Width in pixels that a panel has in the narrowest window."""
GROWING = (PANEL_WIDTH, audit_charts.WIDTH, audit_charts.WIDE)
"""Widths of panels that may as well be wider; panels of others, as of cells with numbers in them, keep theirs."""
PANEL_GAP, EDGES = 20, 34
"""Pixels between two panels (Vega-Lite's), and at both ends of them, where the last label of an axis stands."""
CHARACTER, NUMBER_ROOM, LABEL_LIMIT = 6.4, 62, 260
"""Pixels of a character of a label, of an axis of numbers with its title, and at most of a label (the theme's)."""
SENTENCE_ENDS = (".", ":", ";")
LETTER = 5.2
"""Pixels of a letter of a chart's subtitle."""


def show_chart(chart: Any, name: str, table: pd.DataFrame, *, words: str, choice: str = "") -> dict[str, Any] | None:
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
    choice : str
        Name of a selection parameter of the chart; empty if clicks have no effect.

    Returns
    -------
    dict or None
        Fields of the mark that was clicked; None without a click.
    """
    dressed = apply_theme(chart, dark=is_dark())
    dressed.config.font = PAGE_FONT
    wrap_subtitle(dressed, page_room())
    fit_panels(dressed, page_room())
    dressed.usermeta = {"embedOptions": {"renderer": "canvas"}}  # as SVG its marks would be images without alt text
    width = full_width(dressed)
    if width:  # of a chart that is fitted to a height too, title and legend would take all of a low one
        dressed.autosize = alt.AutoSizeParams(type="fit-x", contains="padding")
    sent: Any = _SentChart(dressed)
    drawn_with: dict[str, Any] = {"theme": None, "alt": words, "key": f"chart {name}"}
    clicked: list[dict[str, Any]] = []
    with st.container(width=width or "stretch"):
        drawn_with["width"] = "stretch" if width else "content"
        if choice:
            event: Any = st.altair_chart(sent, on_select="rerun", selection_mode=choice, **drawn_with)
            clicked = event["selection"].get(choice, [])
        else:
            st.altair_chart(sent, **drawn_with)
    with st.expander("Data and downloads", type="compact"):
        st.dataframe(data_table(chart, table), hide_index=True, alt=f"Data of the chart: {words}")
        with st.container(horizontal=True, gap="small"):
            _download_button("CSV", name, "csv", "text/csv", partial(csv_bytes, table))
            _download_button("SVG", name, "svg", "image/svg+xml", partial(render_chart, chart, "svg"))
            _download_button("PNG", name, "png", "image/png", partial(render_chart, chart, "png"))
    return clicked[0] if clicked else None


@dataclass(frozen=True, slots=True)
class _SentChart:
    """A chart as `st.altair_chart` takes it, without checks against the schema of Vega-Lite.

    They took a fifth of the work of a page with five charts. Which charts are valid does not depend on the reader: the
    tests check them all, and so does every chart that is saved to a file.
    """

    chart: Any

    def to_dict(self) -> dict[str, Any]:
        """The chart in Vega-Lite."""
        specification: dict[str, Any] = self.chart.to_dict(validate=False)
        return specification


def data_table(chart: Any, table: pd.DataFrame) -> Styler | pd.DataFrame:
    """The data of a chart as readers see them: each column in the form that the chart's tooltips give it.

    Sorting uses the values; the CSV file keeps them unrounded.

    Parameters
    ----------
    chart : Chart
        Altair chart.
    table : DataFrame
        The data of the chart.
    """
    shown, formats = with_reader_headings(table), tooltip_formats(chart)
    forms = {
        heading: partial(show_number, form=formats.get(str(name), ""))
        for name, heading in zip(table.columns, shown.columns, strict=True)
        if pd.api.types.is_float_dtype(table[name])
    }
    if table.size > STYLED_CELLS:
        return shown.assign(**{heading: shown[heading].map(form) for heading, form in forms.items()})
    cells: dict[Any, Any] = dict(forms)
    return shown.style.format(cells)  # once: each call looks up every cell anew


def tooltip_formats(chart: Any) -> dict[str, str]:
    """Number format by field in the tooltips of a chart and of all charts that it is made of."""
    found: dict[str, str] = {}
    for part in _inner_charts(chart):
        tips = getattr(getattr(part, "encoding", alt.Undefined), "tooltip", alt.Undefined)
        for tip in tips if isinstance(tips, list) else [tips]:
            if isinstance(tip, alt.Tooltip) and isinstance(form := tip["format"], str):  # the attribute is a method
                found[str(tip["shorthand"]).partition(":")[0]] = form
    return found


def _inner_charts(chart: Any) -> Iterator[Any]:
    yield chart
    for name in ("spec", "layer", "concat", "hconcat", "vconcat"):
        parts = getattr(chart, name, alt.Undefined)
        if parts is not alt.Undefined and parts is not None:
            for part in parts if isinstance(parts, list) else [parts]:
                yield from _inner_charts(part)


def show_number(value: float, form: str) -> str:
    """A number of a chart's data: in percent where its tooltip says so, else a coefficient or a plain number.

    Parameters
    ----------
    value : float
        The number; NaN is absent.
    form : str
        Format of the tooltip in d3's notation, such as `.1%`, `.2f`, `,d`; "" if it has none.
    """
    if pd.isna(value):
        return ABSENT
    if form.endswith("%"):
        return format_percent(value, 1)
    if form.endswith("d") or value == round(value):
        return f"{value:,.0f}".replace("-", "−")
    return format_coefficient(value) if form.endswith("f") else f"{value:,.3g}".replace("-", "−")


def full_width(chart: Any) -> int | None:
    """Width that a chart of one panel takes, with its labels, where its column is wide enough; else the column's.

    A chart made for the whole page grows on with the page, up to `WIDEST`. None for charts of several panels and for
    those whose width follows from their categories: Vega-Lite cannot fit them to a width.
    """
    is_single = isinstance(chart, alt.Chart | alt.LayerChart)
    if not is_single or not isinstance(chart.width, int | float):
        return None
    return WIDEST if chart.width >= PAGE_WIDTH else int(chart.width)


def fit_panels(chart: Any, room: int) -> None:
    """Let panels fill the width of the page: Vega-Lite gives them a fixed width and a fixed number beside each other.

    Parameters
    ----------
    chart : FacetChart or other chart
        A copy; one without panels stays as it is. Panels of a width in `GROWING` share the page, of others as many as
        it has room for stand side by side.
    room : int
        Width of the page in pixels.
    """
    if not isinstance(chart, alt.FacetChart) or not isinstance(chart.facet, alt.Facet):
        return
    rows, width = chart.data, chart.spec.width
    if not isinstance(rows, pd.DataFrame) or not isinstance(width, int | float):
        return
    panels, beside = rows[_field_of(chart.facet)].nunique(), int(chart.columns)
    if width not in GROWING:
        left = min(room, WIDEST) - _label_room(chart) - EDGES + PANEL_GAP
        chart.columns = max(beside, min(panels, int(left // (width + PANEL_GAP))))
        return
    beside = min(beside, panels)
    labels = _label_room(chart) * (beside if _has_own_axes(chart) else 1)
    chart.spec = chart.spec.copy(deep=False)
    chart.spec.width = max(LEAST_PANEL, (min(room, WIDEST) - labels - PANEL_GAP * (beside - 1) - EDGES) // beside)


def _has_own_axes(chart: Any) -> bool:
    scale = chart.resolve.scale if isinstance(chart.resolve, alt.Resolve) else None
    return bool(scale is not None and scale["y"] == "independent")


def _label_room(chart: Any) -> int:
    """Pixels that the labels of the vertical axis take: its longest name, or a number and a title."""
    longest = 0
    for layer in chart.spec.layer if isinstance(chart.spec, alt.LayerChart) else [chart.spec]:
        y = layer.encoding.y
        if isinstance(y, alt.Y) and str(y.shorthand).endswith(":N"):
            names = layer.data if isinstance(layer.data, pd.DataFrame) else chart.data
            longest = max(longest, int(names[_field_of(y)].astype(str).str.len().max()))
    return min(LABEL_LIMIT, round(longest * CHARACTER)) + 12 if longest else NUMBER_ROOM


def _field_of(channel: Any) -> str:
    return str(channel.shorthand).partition(":")[0]


def wrap_subtitle(chart: Any, room: int) -> None:
    """Break the lines of a chart's subtitle that would make it wider than the page; a sentence that stands in two lines
    is broken anew.

    Parameters
    ----------
    chart : Chart
        A copy.
    room : int
        Width of the page in pixels.
    """
    title = chart.title
    if not isinstance(title, alt.TitleParams) or not isinstance(title.subtitle, str | list):
        return
    lines: list[str] = []
    for line in [title.subtitle] if isinstance(title.subtitle, str) else title.subtitle:
        if lines and not lines[-1].endswith(SENTENCE_ENDS):
            lines[-1] += f" {line}"
        else:
            lines.append(line)
    chart.title = title.copy(deep=False)
    chart.title.subtitle = [part for line in lines for part in wrap(line, int(min(room, WIDEST) / LETTER))]


def _download_button(label: str, name: str, ending: str, mime: str, make: Callable[[], bytes]) -> None:
    file = f"{name}.{ending}"
    st.download_button(label, make, file_name=file, mime=mime, key=f"download {file}", on_click="ignore")


def csv_bytes(table: pd.DataFrame) -> bytes:
    """A table as CSV in UTF-8; text that a spreadsheet would run as a formula is prefixed with an apostrophe."""
    return table.map(guard_formula).to_csv(index=False).encode()


def render_chart(chart: alt.TopLevelMixin, ending: str) -> bytes:
    """A chart as the bytes of an image file, in the light theme.

    Parameters
    ----------
    chart : TopLevelMixin
        Altair chart without a theme.
    ending : {"svg", "png"}
        File format.
    """
    return chart_bytes(chart, ending)
