"""What a page, a report and the command line say, as plain text, and the charts of a page as specifications."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pytest
from rich.table import Table
from rich.text import Text
from streamlit.testing.v1 import AppTest
from told_estimates import ToldTable

from gnomon.dashboard import study_picker
from gnomon.render.text_console import TextConsole


@dataclass(frozen=True)
class PageReading:
    """All words of a page with the text of its table cells; its tables, its cards and charts, and the commands that it
    suggests.
    """

    text: str
    tables: tuple[ToldTable, ...]
    cards: tuple[tuple[str, str, str], ...]
    charts: tuple[Mapping[str, Any], ...]
    commands: tuple[str, ...] = ()

    @property
    def rows(self) -> tuple[Mapping[str, str], ...]:
        """Rows of all tables, by heading."""
        return tuple(row for table in self.tables for row in table.rows)


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
    tables: list[ToldTable] = []
    cards: list[tuple[str, str, str]] = []
    charts: list[Mapping[str, Any]] = []
    commands: list[str] = []
    for element in app._tree:
        kind = element.type
        if kind == "code":
            commands += [element.value] if element.value.startswith("gnomon ") else []
            continue
        if kind == "vega_lite_chart":
            charts.append(_chart_with_data(element.proto))
        elif kind in ("dataframe", "table"):
            tables.append(ToldTable(tuple(_rows(element.proto)), plain(getattr(element.proto, "alt", ""))))
        elif kind == "metric":
            cards.append((plain(element.label), plain(element.value), plain(element.delta)))
        elif isinstance(getattr(element, "value", None), str):
            words.append(element.value)
    words += [cell for table in tables for row in table.rows for cell in row.values()]
    words += [word for card in cards for word in card]
    return PageReading(plain(" ".join(words)), tuple(tables), tuple(cards), tuple(charts), tuple(commands))


def _chart_with_data(proto: Any) -> dict[str, Any]:
    """A chart's specification with the data that the page sends beside it."""
    found = {
        each.name: pa.ipc.open_stream(io.BytesIO(each.data.data)).read_all().to_pylist() for each in proto.datasets
    }
    return {**json.loads(proto.spec), "datasets": found}


def _rows(proto: Any) -> Iterator[Mapping[str, str]]:
    """Rows of a table with their cells as they are shown."""
    table = proto.arrow_data
    values = pa.ipc.open_stream(io.BytesIO(table.data)).read_all()
    shown = table.styler.display_values if table.HasField("styler") else b""
    cells = pa.ipc.open_stream(io.BytesIO(shown)).read_all() if shown else values
    for row in zip(*(column.to_pylist() for column in cells.columns), strict=True):
        yield {name: plain(str(cell)) for name, cell in zip(values.column_names, row, strict=True) if cell is not None}


def html_tables(page: str) -> list[ToldTable]:
    """Tables of an HTML report, with title, caption and notes, and the heading of their section."""
    found, section = [], ""
    for heading, figure in re.findall(r"(?s)(<h2.*?</h2>)|(<figure class=\"table.*?</figure>)", page):
        section = html_text(re.sub(r"<span.*?</span>", "", heading)) if heading else section
        lines = [re.findall(r"(?s)<t[hd].*?</t[hd]>", line) for line in re.findall(r"(?s)<tr.*?</tr>", figure)]
        texts = [[html_text(cell) for cell in line] for line in lines]
        around = html_text(re.sub(r"(?s)<table.*</table>", " ", figure))
        rows = tuple(dict(zip(texts[0], line, strict=True)) for line in texts[1:])
        found += [ToldTable(rows, re.sub(r"^Table \d+\. ", "", around), section)] if rows else []
    return found


def markdown_tables(page: str) -> list[ToldTable]:
    """Tables of a report in Markdown, as `html_tables`."""
    found, section, around = [], "", ""
    for block in page.split("\n\n"):
        if block.startswith("## "):
            section = plain(re.sub(r"^## \d+\. ", "", block))
        elif block.startswith("| "):
            lines = [[plain(cell) for cell in re.split(r"(?<!\\) ?\| ?", line)[1:-1]] for line in block.splitlines()]
            rows = tuple(dict(zip(lines[0], line, strict=True)) for line in lines[2:])
            found.append(ToldTable(rows, around, section))
        elif title := re.match(r"\*\*Table \d+\. (.*)\*\* \(\[CSV\]", block):
            around = plain(title[1])
        else:
            around = f"{around} {plain(block)}"
    return found


def printed_tables(say: Callable[[], object]) -> list[ToldTable]:
    """Tables that a command prints, with its title and the two lines in bold before it."""
    found: list[ToldTable] = []
    said: list[str] = []

    def keep(_console: TextConsole, *objects: Any, **_options: Any) -> None:
        for each in objects:
            if isinstance(each, Text) and each.style == "bold":
                said.append(each.plain)
            elif isinstance(each, Table):
                found.append(_printed_table(each, " ".join(said[-2:])))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TextConsole, "print", keep)
        say()
    return found


def _printed_table(table: Table, before: str) -> ToldTable:
    heads = [plain(str(column.header)) for column in table.columns]
    positive = f"positive = {heads[0]}" if heads[0] in ("event", "pass") else ""
    heads[0] = {"event": "Arm", "pass": "Arm", "pair": "Between", "judges' errors": ""}.get(heads[0], heads[0])
    heads = ["Krippendorff's alpha" if head == "alpha" else head for head in heads]
    cells = zip(*([plain(str(cell)) for cell in column.cells] for column in table.columns), strict=True)
    title = plain(str(table.title)) if table.title is not None else ""
    return ToldTable(tuple(dict(zip(heads, row, strict=True)) for row in cells), f"{title} {before} {positive}".strip())


def plain(text: str) -> str:
    """Text with plain spaces and without Markdown's backslashes."""
    return " ".join(re.sub(r"\\(?=[\W_])", "", text.replace("\u00a0", " ")).split())


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
