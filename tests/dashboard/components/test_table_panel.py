"""A table of a page: each value shown as its text, in few passes over the frame."""

from __future__ import annotations

from pandas.io.formats.style import Styler

from gnomon.dashboard.components.table_panel import styled_values
from gnomon.stats.tables.estimate_table import EstimateTable, Interval, TableColumn


def table(rows: int) -> EstimateTable:
    columns = (
        TableColumn("model", "Model"),
        TableColumn("n", "n", "count"),
        *(TableColumn(name, name, "rate") for name in "abcdef"),
    )
    filled = [
        {"model": f"m{row}", "n": 1000 + row, **{name: Interval(row / 100, 0.0, 1.0) for name in "abcdef"}}
        for row in range(rows)
    ]
    return EstimateTable("made", "A table.", columns, tuple(filled))


def shown(styler: Styler) -> list[list[str]]:
    body = styler._translate(False, False)["body"]
    return [[str(cell["display_value"]) for cell in row if cell["type"] == "td"] for row in body]


def test_cells_show_what_the_table_says():
    made = table(3)
    assert shown(styled_values(made)) == list(made.texts())


def test_equal_values_with_other_intervals_keep_their_texts():
    rows = tuple({"a": Interval(0.5, low, 0.9)} for low in (0.1, 0.2, 0.1, 0.2))
    made = EstimateTable("made", "A table.", (TableColumn("a", "A", "rate"),), rows)
    assert shown(styled_values(made)) == list(made.texts())


def test_a_table_is_formatted_in_one_pass_and_one_for_each_text_of_equal_values(monkeypatch):
    passes, usual = [], Styler.format
    monkeypatch.setattr(Styler, "format", lambda self, *of, **more: passes.append(of) or usual(self, *of, **more))
    styled_values(table(30))
    assert len([of for of in passes if of]) == 1
    rows = tuple({"a": Interval(0.5, low, 0.9)} for low in (0.1, 0.2, 0.1, 0.2))
    styled_values(EstimateTable("made", "A table.", (TableColumn("a", "A", "rate"),), rows))
    assert len([of for of in passes if of]) == 3  # a style begins with one of nothing
