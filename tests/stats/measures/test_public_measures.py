"""Published readings give the published figures, now with intervals."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gnomon.calibration.measures.measured_trials import measured_trials
from gnomon.data.importers import ImportOptions, parse_files
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store
from gnomon.stats.measures.arm_rates import arm_rate
from gnomon.stats.measures.measured_trials_frame import checked_frame
from gnomon.stats.measures.yes_correction import yes_shift

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "data" / "llama-introspection-new"
FOLDERS = (FOLDER, Path("/work/shared/data/llama-introspection-new"))


@pytest.fixture(scope="module")
def folder() -> Path:
    for each in FOLDERS:
        if each.is_dir():
            return each
    pytest.skip("the public readings of llama-introspection-new are not on this machine")


def test_the_yes_shift_of_unrelated_questions(folder: Path) -> None:
    rows = pd.read_csv(folder / "output_control_question.csv")
    frame = checked_frame(
        pd.DataFrame(
            {
                "subject": "llama",
                "task": "unrelated_no",
                "arm": np.where(rows["coeff"] == 0, "control", "injection"),
                "concept": rows["concept"],
                "layer": rows["layer"],
                "strength": rows["coeff"],
                "item": "the question",
                "correct": np.nan,
                "expected": "no",
                "log_odds_yes": rows["logit_diff"],
            }
        )
    )
    plain = arm_rate(frame, "llama", "unrelated_no", "control", scale="logit")
    steered = arm_rate(frame, "llama", "unrelated_no", "injection", (9, 8), scale="logit")
    shift = yes_shift(frame, "llama", (9, 8))
    assert plain is not None
    assert steered is not None
    assert shift is not None
    assert plain.value == pytest.approx(-14.90, abs=0.01)
    assert steered.value == pytest.approx(-0.66, abs=0.01)
    assert (shift.concepts, shift.items, shift.value) == (10, 1, pytest.approx(14.25, abs=0.01))
    assert shift.like_these is not None
    assert shift.like_these.low == pytest.approx(12.6, abs=0.2)
    assert shift.like_these.high == pytest.approx(15.9, abs=0.2)


def test_the_same_yes_shift_comes_of_the_imported_file(folder: Path, tmp_path: Path) -> None:
    parsed = parse_files("llama-introspection-new", [folder / "output_control_question.csv"], ImportOptions())
    with closing(Store.open(sqlite_url(tmp_path / "gnomon.db"))) as store:
        parsed.ingest_into(store)
        frame = checked_frame(measured_trials(store))
    shift = yes_shift(frame, frame["subject"].iloc[0], (9, 8))
    assert shift is not None
    assert shift.like_these is not None
    assert (shift.concepts, shift.value) == (10, pytest.approx(14.25, abs=0.01))
    assert (shift.like_these.low, shift.like_these.high) == pytest.approx((12.6, 15.9), abs=0.2)


def test_the_localisation_of_ten_sentences(folder: Path) -> None:
    rows = pd.read_csv(folder / "output_localization_10sent_sweep2.csv")
    frame = checked_frame(
        pd.DataFrame(
            {
                "subject": "llama",
                "task": "locate",
                "arm": "injection",
                "concept": rows["concept"],
                "layer": rows["layer"],
                "strength": rows["coeff"],
                "item": rows["vec_type"],
                "correct": rows["correct_predictions"] / rows["total_predictions"],
                "n": rows["total_predictions"],
                "chance": 0.1,
                "expected": "{span}",
            }
        )
    )
    found = arm_rate(frame, "llama", "locate", "injection", (2, 5))
    assert found is not None
    assert (found.value, found.n, found.reference) == (pytest.approx(0.8782), 10_000, 0.1)
    assert found.like_these is not None
    assert found.like_these.low == pytest.approx(0.80, abs=0.03), "concepts differ: 10,000 trials are not independent"
    assert found.probability is not None
    assert found.probability > 0.999
