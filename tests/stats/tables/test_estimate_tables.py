"""Tables of estimates: what readers see, what a page sorts by, and what is copied."""

from __future__ import annotations

import csv
import io

import pandas as pd
import pytest

from gnomon.data.errors import InputError
from gnomon.stats.tables.estimate_table import EstimateTable, Interval, TableColumn, show_cell, table_of_texts
from gnomon.stats.tables.table_formats import TABLE_FORMATS, csv_text, latex_text, markdown_text

COLUMNS = (
    TableColumn("model", "Model"),
    TableColumn("size", "Size", "size"),
    TableColumn("n", "Trials", "count"),
    TableColumn("detection", "Detection", "rate", ("detection",)),
    TableColumn("net", "Net detection", "difference"),
)
ROWS = (
    {"model": "a_1", "size": 5e8, "n": 1200, "detection": Interval(0.31, 0.25, 0.38), "net": Interval(-0.05, -0.1, 0)},
    {"model": "=b|", "size": 7e9, "n": 90, "detection": Interval(0.004, 0.001, 0.011)},
)
TABLE = EstimateTable("try", "Means, 95 % intervals.", COLUMNS, ROWS, ("A note_1.",))


def test_cells_are_said_in_one_style():
    assert list(TABLE.texts()) == [
        ["a_1", "0.5B", "1,200", "31 % (25 to 38)", "−5 % (−10 to 0)"],
        ["=b|", "7B", "90", "0.4 % (0.1 to 1.1)", "–"],
    ]
    assert (show_cell(0.00003, "p"), show_cell(0.64, "p")) == ("< 0.001", "0.64")
    assert show_cell(-0.5, "number") == "−0.50"
    assert show_cell(Interval(1.2, 0.8, 1.6), "number") == "1.20 (0.80 to 1.60)"
    assert show_cell(Interval(0.83, 0.63, 0.93, "rate"), "number") == "83 % (63 to 93)"
    assert [show_cell(dose, "setting") for dose in (4.0, 0.75, 12)] == ["4", "0.75", "12"]
    assert show_cell(Interval(1.2, -0.8, 1.6, "log_odds"), "difference") == "+1.20 (−0.80 to +1.60)"
    assert show_cell(Interval(0.2, float("nan"), float("nan")), "rate") == "20 % (no interval)"


def test_a_range_is_its_ends_in_the_unit_of_the_cell():
    assert show_cell(Interval(0.0, -0.03, 0.09), "range") == "−3 to +9 %"
    assert show_cell(Interval(0.5, 0.4, 0.6, "rate"), "range") == "40 to 60 %"
    assert show_cell(Interval(0.5, 0.4, 0.6, "difference"), "range") == "+40 to +60 %"
    assert show_cell(Interval(1.0, -0.1, 2.0, "log_odds"), "range") == "−0.10 to +2.00"


def test_an_absent_value_is_a_dash():
    assert show_cell(float("nan"), "rate") == "–"


def test_a_page_sorts_by_the_value_and_not_by_the_text():
    table = EstimateTable(
        "s", "", (TableColumn("r", "R", "rate"),), ({"r": Interval(0.09, 0, 0.2)}, {"r": Interval(0.31, 0.2, 0.4)})
    )
    shown = table.value_frame()
    assert list(shown.sort_values("R")["R"]) == [0.09, 0.31]
    assert sorted(table.text_frame()["R"])[0].startswith("31"), "as text the order would be another"


def test_csv_has_the_values_and_the_ends_of_their_intervals_and_runs_nothing():
    rows = list(csv.DictReader(io.StringIO(csv_text(TABLE))))
    assert [rows[0][key] for key in ("detection", "detection_low", "detection_high")] == ["0.31", "0.25", "0.38"]
    assert rows[1]["net"] == ""
    assert rows[1]["model"] == "'=b|"


def test_markdown_and_latex_escape_what_they_would_read_as_markup():
    assert "| =b\\| | 7B | 90 | 0.4 % (0.1 to 1.1) | – |" in markdown_text(TABLE)
    told = latex_text(TABLE)
    assert r"a\_1 & 0.5B & 1,200 & 31 \% (25 to 38) & $-$5 \% ($-$10 to 0) \\" in told
    assert r"\caption{Means, 95 \% intervals.}" in told
    assert r"A note\_1." in told


@pytest.mark.parametrize("name", TABLE_FORMATS)
def test_every_format_takes_a_table_without_rows(name):
    assert TABLE_FORMATS[name](EstimateTable("none", "None.", COLUMNS, ())).strip()


def test_columns_without_a_value_are_left_out_and_a_stray_cell_is_refused():
    assert [each.name for each in EstimateTable("t", "", COLUMNS, ROWS[1:]).filled().columns] == [
        "model",
        "size",
        "n",
        "detection",
    ]
    with pytest.raises(InputError, match="no column is named nets"):
        EstimateTable("t", "", COLUMNS, ({"nets": 1},))


def test_a_frame_of_texts_becomes_a_table():
    table = table_of_texts("f", "", pd.DataFrame({"model": ["a", None], "n": [3, 4000]}))
    assert list(table.texts()) == [["a", "3"], ["–", "4,000"]]
