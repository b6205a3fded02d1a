"""Every row of a query comes once, whatever the size of a batch, on both databases."""

from __future__ import annotations

import pytest
from database import on_both
from sqlalchemy import select

from gnomon.data.errors import StoreError
from gnomon.data.records import Subject
from gnomon.data.storage import tables
from gnomon.data.storage.columns import column_batches
from gnomon.data.storage.columns.column_batches import fetch_columns, text_array
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
    assert text_array(["a", None, "é"]).to_pylist() == ["a", None, "é"]
    assert text_array([None]).to_pylist() == [None]
    for wrong in ([b"a"], [1], ["a", b"b"], ["a", 1]):
        with pytest.raises(StoreError, match="no text"):
            text_array(wrong)
