"""What a page, a report and the command line say, as plain text, and the charts of a page as specifications."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pytest
from streamlit.testing.v1 import AppTest

from gnomon.dashboard import study_picker


@dataclass(frozen=True)
class PageReading:
    """All words of a page with the text of its table cells; its tables row by row, by heading; its cards and charts."""

    text: str
    rows: tuple[Mapping[str, str], ...]
    cards: tuple[tuple[str, str, str], ...]
    charts: tuple[Mapping[str, Any], ...]


def _one_page(url: str, view: str) -> None:
    from collections import defaultdict
    from importlib import import_module

    import streamlit as st

    from gnomon.dashboard import study_picker

    st.session_state["place"] = study_picker.StudyRef("mine", url)
    st.session_state["pages"] = defaultdict(lambda: "http://127.0.0.1/page")
    import_module(f"gnomon.dashboard.views.{view}").show_page()


def read_page(url: str, view: str) -> PageReading:
    """A page of a study, drawn without a browser.

    Parameters
    ----------
    url : str
        Database of the study.
    view : str
        Module of the page.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(study_picker.VARIABLE, study_picker.encode_studies([("mine", url)]))
        patch.setattr("sys.argv", ["app.py"])
        app = AppTest.from_function(_one_page, args=(url, view), default_timeout=240).run()
    assert not app.exception, app.exception[0].message
    words: list[str] = []
    rows: list[Mapping[str, str]] = []
    cards: list[tuple[str, str, str]] = []
    charts: list[Mapping[str, Any]] = []
    for element in app._tree:
        kind = element.type
        if kind == "code":
            continue
        if kind == "vega_lite_chart":
            charts.append(json.loads(element.proto.spec))
        elif kind in ("dataframe", "table"):
            rows += _rows(element.proto)
        elif kind == "metric":
            cards.append((plain(element.label), plain(element.value), plain(element.delta)))
        elif isinstance(getattr(element, "value", None), str):
            words.append(element.value)
    words += [cell for row in rows for cell in row.values()] + [word for card in cards for word in card]
    return PageReading(plain(" ".join(words)), tuple(rows), tuple(cards), tuple(charts))


def _rows(proto: Any) -> Iterator[Mapping[str, str]]:
    """Rows of a table with their cells as they are shown."""
    table = proto.arrow_data
    values = pa.ipc.open_stream(io.BytesIO(table.data)).read_all()
    shown = table.styler.display_values if table.HasField("styler") else b""
    cells = pa.ipc.open_stream(io.BytesIO(shown)).read_all() if shown else values
    for row in zip(*(column.to_pylist() for column in cells.columns), strict=True):
        yield {name: plain(str(cell)) for name, cell in zip(values.column_names, row, strict=True) if cell is not None}


def html_rows(page: str) -> Iterator[Mapping[str, str]]:
    """Rows of all tables of an HTML document, by heading."""
    for table in re.findall(r"(?s)<table.*?</table>", page):
        lines = [re.findall(r"(?s)<t[hd].*?</t[hd]>", line) for line in re.findall(r"(?s)<tr.*?</tr>", table)]
        texts = [[html_text(cell) for cell in line] for line in lines]
        yield from (dict(zip(texts[0], line, strict=False)) for line in texts[1:])


def plain(text: str) -> str:
    """Text with plain spaces and without Markdown's backslashes."""
    return " ".join(re.sub(r"\\(?=\W)", "", text.replace("\u00a0", " ")).split())


def html_text(page: str) -> str:
    """The words of an HTML document."""
    from html import unescape

    return plain(unescape(re.sub(r"<[^>]*>", " ", re.sub(r"(?s)<(style|script).*?</\1>", " ", page))))


def raw_tooltips(chart: Any, where: str = "") -> Iterator[str]:
    """Fields of a chart's tooltips that would be shown as raw numbers.

    Parameters
    ----------
    chart : object
        Specification in Vega-Lite, or a part of it.
    where : str
        Where the part stands.
    """
    if isinstance(chart, Mapping):
        told = chart.get("tooltip")
        for each in told if isinstance(told, list) else [told]:
            if isinstance(each, Mapping) and each.get("type") == "quantitative" and "format" not in each:
                yield f"{where}: {each.get('field')}"
        for name, part in chart.items():
            if name not in ("datasets", "data"):
                yield from raw_tooltips(part, f"{where}/{name}")
    elif isinstance(chart, list):
        for place, part in enumerate(chart):
            yield from raw_tooltips(part, f"{where}[{place}]")
