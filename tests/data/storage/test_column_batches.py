"""Every row of a query comes once, whatever the size of a batch, on both databases."""

from __future__ import annotations

import pytest
from database import on_both
from sqlalchemy import select

from gnomon.data.errors import StoreError
from gnomon.data.records import Subject
from gnomon.data.storage import tables
from gnomon.data.storage.columns import column_batches
from gnomon.data.storage.columns.column_batches import check_texts, equal_width_bytes, fetch_columns
from gnomon.data.storage.store import Store

store_url = on_both


def test_every_row_comes_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(column_batches, "BATCH", 3)
    column = tables.subjects.c
    query = select(column.name, column.parameters).order_by(column.name)
    for number in range(9):
        if number:
            store.add_subjects([Subject(f"toy {number}", 1e9 * number, "toy", "instruct", "r0")])
        with store.read_transaction() as connection:
            batches = list(fetch_columns(connection, query))
        assert [name for names, _ in batches for name in names] == [f"toy {n}" for n in range(1, number + 1)]
        assert [size for _, sizes in batches for size in sizes] == [1e9 * n for n in range(1, number + 1)]


def test_texts_are_texts() -> None:
    check_texts(["a", None, "é"])
    check_texts([None])
    for wrong in ([b"a"], [1], ["a", b"b"], ["a", 1]):
        with pytest.raises(StoreError, match="no text"):
            check_texts(wrong)


def test_only_texts_of_one_length_are_bytes_in_rows() -> None:
    found = equal_width_bytes(["ab", "cd", "ef"])
    assert found is not None
    assert found.tobytes() == b"abcdef"
    for others in ([], ["ab", "c", "def"], ["ab", None], ["", ""], ["éa", "bb"], [1, 2]):
        assert equal_width_bytes(others) is None
