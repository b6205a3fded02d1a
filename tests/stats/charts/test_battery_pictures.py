"""The pictures of docs/battery.md show what its text says of each scripted subject."""

from __future__ import annotations

import pytest

from bench.measures.battery_pictures import SUBJECTS, subject_summary
from gnomon.stats.charts.battery_charts import battery_rows, yes_shift_rows


@pytest.mark.parametrize(("name", "found"), [("yes-bias", False), ("entropy", False), ("detection", True)])
def test_a_picture_shows_detection_where_there_is_some(name: str, found: bool) -> None:
    summary = subject_summary(SUBJECTS[name])
    whole = next(each for each in summary.yes_corrections if not each.corrected.by and each.corrected.scale == "logit")
    assert (whole.verdict == "detection") == found
    rows = battery_rows(summary, SUBJECTS[name].title)
    for task in ("pick", "locate", "stronger"):
        injected = rows[(rows["task"] == task) & (rows["arm"] == "injection")].iloc[0]
        assert (injected["low95"] > injected["chance"] + 0.05) == found, task
    copied = rows[rows["task"] == "transcribe_copy"].set_index("arm")["mean"]
    assert (copied["injection"] < copied["control"] - 0.1) == (name == "entropy")
    shifts = yes_shift_rows(summary, SUBJECTS[name].title)
    most = shifts[shifts["strength"] == 4.0].set_index("series")["mean"]
    assert (most["answer is no"] > 1) == (name != "detection")
    assert (most["answer is yes"] < -1) == (name == "entropy")
