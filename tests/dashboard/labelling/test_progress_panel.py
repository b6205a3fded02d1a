"""Progress in words and lines: what is told with a goal, without one, when it is reached, and when labels cannot."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gnomon.calibration.results.width_progress import LabelProgress, WidthPoint
from gnomon.dashboard.labelling.progress_panel import HIGH, progress_words, width_lines

NOW = LabelProgress(
    estimand="net_detection_corrected",
    now=WidthPoint(64, 0.14),
    earlier=(WidthPoint(20, 0.2), WidthPoint(40, 0.16)),
    ahead=(WidthPoint(20, 0.12), WidthPoint(40, 0.104)),
    target=0.1,
    goal=112,
    planned_at=64,
    from_fit=True,
)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (
            {},
            "**64 of 112 labels**: corrected net detection ±7.0 points now (±10.0 at 20), ±5.0 aimed at. "
            "40 more: about ±5.2.",
        ),
        (
            {"now": WidthPoint(112, 0.099), "earlier": (), "ahead": ()},
            "**112 labels**: corrected net detection ±5.0 points now, ±5.0 aimed at. No more labels are needed for it.",
        ),
        (
            {"goal": None, "ahead": ()},
            "**64 labels**: corrected net detection ±7.0 points now (±10.0 at 20), ±5.0 aimed at. Labels alone do not "
            "reach that: `gnomon plan DIR` says how many new trials it takes.",
        ),
        (
            {"planned_at": None, "goal": None, "ahead": ()},
            "**64 labels**: corrected net detection ±7.0 points now (±10.0 at 20), ±5.0 aimed at. "
            "What that takes is being simulated.",
        ),
        (
            {"target": None, "goal": None, "earlier": ()},
            "**64 labels**: corrected net detection ±7.0 points now. 40 more: about ±5.2. "
            "To aim at a width, write `width` under `[plan]` in study.toml.",
        ),
    ],
)
def test_progress_in_words(changed, told):
    assert progress_words(replace(NOW, **changed), "gnomon plan DIR") == told


def test_neither_words_nor_lines_tell_where_the_interval_lies():
    assert not hasattr(NOW, "value")
    assert set(width_lines(NOW)) == {"past", "ahead", "goal", "told"}


def test_lines_fall_as_the_interval_narrows_and_the_target_has_one_of_its_own():
    lines = width_lines(NOW)
    heights = [float(point.split(",")[1]) for point in lines["past"].split() + lines["ahead"].split()[1:]]
    assert heights == sorted(heights), "a narrower interval stands lower"
    assert max(heights) < lines["goal"] < HIGH
    assert width_lines(replace(NOW, target=0.5))["goal"] is None, "a target that is wider than all is off the chart"
