"""Published counts of a task become rows of the frame that measures read."""

from __future__ import annotations

from pathlib import Path

import pytest

from gnomon.calibration.measures.measured_counts import measured_counts
from gnomon.calibration.measures.measured_trials import NUMBERS, TEXTS
from gnomon.data.importers import ImportOptions, parse_files
from gnomon.data.records import Arm, CountRow, Subject
from gnomon.data.storage.store import Store


def test_a_cell_is_a_row_with_its_share_and_its_number_of_trials(store: Store) -> None:
    store.add_subjects([Subject("m", 8e9, "f", "base")])
    report = CountRow("s", "m", Arm.INJECTION, 10, 0, 5)
    located = CountRow("s", "m", Arm.INJECTION, 500, None, 448, concept="dust", layer=2, measure="locate", chance=0.1)
    store.add_counts([report, located])
    frame = measured_counts(store)
    assert list(frame) == [*TEXTS, *NUMBERS, "n"]
    (row,) = frame.to_dict("records")
    assert (row["task"], row["concept"], row["layer"], row["n"]) == ("locate", "dust", 2.0, 500)
    assert (row["correct"], row["chance"], row["k"]) == (pytest.approx(0.896), 0.1, 10.0)


def test_a_study_without_counts_gives_no_row(store: Store) -> None:
    assert measured_counts(store).empty


def test_the_published_localisation_is_in_the_frame(store: Store, shared: Path) -> None:
    file = shared / "data" / "llama-introspection-new" / "output_localization_10sent_sweep2.csv"
    if not file.is_file():
        pytest.skip("the public files of llama-introspection-new are not on this machine")
    parse_files("llama-introspection-new", [file], ImportOptions()).ingest_into(store)
    frame = measured_counts(store)
    cell = frame[(frame["layer"] == 2) & (frame["strength"] == 5)]
    assert cell["n"].sum() == 10_000
    assert (cell["correct"] * cell["n"]).sum() / 10_000 == pytest.approx(0.8782)
    assert set(cell["chance"]) == {0.1}
