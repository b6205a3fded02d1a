"""Columns of a table: long texts wrap in a narrow page, numbers never do, and what can't fit scrolls."""

from __future__ import annotations

import pytest

from gnomon.stats.tables.column_widths import LEAST_ROW, WIDEST, fit_columns
from gnomon.stats.tables.estimate_table import EstimateTable, TableColumn

LONG = "labels are worth 4 positives, a gate needs 10, so that none passes"


def table_of(text: str, numbers: int = 1) -> EstimateTable:
    counts = tuple(TableColumn(f"n{place}", f"Number of trials {place}", "count") for place in range(numbers))
    columns = (TableColumn("arm", "Arm"), *counts, TableColumn("why", "Gates rely on it"))
    row = {"arm": "injection", "why": text, **{column.name: 3 for column in counts}}
    return EstimateTable("arms", "Arms.", columns, (row,))


def test_a_table_that_fits_is_left_alone():
    assert fit_columns(table_of("yes"), 1000).given == {}
    assert fit_columns(table_of("yes"), 1000).row_height is None


def test_a_long_text_of_a_late_row_has_its_width_where_there_is_room():
    table = table_of("yes")
    late = EstimateTable("arms", "Arms.", table.columns, (*table.rows * 20, table_of(LONG).rows[0]))
    found = fit_columns(late, 1000)
    assert found.given == fit_columns(table_of(LONG), 1000).given
    assert 5 * len(LONG) < found.given["Gates rely on it"] < 8 * len(LONG)
    assert found.row_height is None


@pytest.mark.parametrize("room", [500, 480, 450])
def test_a_long_text_wraps_in_what_the_numbers_leave(room):
    found = fit_columns(table_of(LONG), room)
    assert found.fits
    assert list(found.given) == ["Gates rely on it"]
    numbers = fit_columns(table_of(""), 10_000)
    assert numbers.given == {}
    assert found.given["Gates rely on it"] < room - 150
    assert found.row_height is not None
    assert found.row_height >= LEAST_ROW


def test_a_text_that_no_column_can_hold_wraps_even_in_a_wide_page():
    found = fit_columns(table_of(LONG * 3), 2000)
    assert found.fits
    assert found.given["Gates rely on it"] > WIDEST


def test_more_lines_need_a_higher_row():
    heights = [fit_columns(table_of(LONG * 2), room).row_height or 0 for room in (900, 500, 460)]
    assert heights == sorted(heights)
    assert heights[0] < heights[-1]


def test_what_cannot_fit_scrolls_with_its_columns_as_wide_as_their_texts():
    for found in (fit_columns(table_of(LONG, numbers=8), 650), fit_columns(table_of(LONG * 40), 450)):
        assert not found.fits
        assert found.given == {}


def test_a_table_without_rows_fits():
    assert fit_columns(EstimateTable("none", "None.", (TableColumn("a", "A"),), ()), 200).fits
