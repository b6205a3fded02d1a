"""Charts draw what the audit says, for rich studies and for bare ones, and are saved as pictures with text."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import altair as alt
import pytest

from gnomon.calibration.audit import audit_charts, audit_frames
from gnomon.calibration.audit.document import audit_study
from gnomon.calibration.plotting import theme
from gnomon.data.errors import InputError

Simulate = Callable[..., Any]
COIN = {"coin": dict.fromkeys(("injection", "control"), (0.5, 0.5))}
TWO = {
    "careful": dict.fromkeys(("injection", "control"), (0.95, 0.9)),
    "hasty": dict.fromkeys(("injection", "control"), (0.8, 0.85)),
}


def charts(document: dict[str, Any], judge: str) -> dict[str, Any]:
    return {
        "heat": audit_charts.confusion_heat_map(audit_frames.class_frame(document, judge), judge=judge),
        "rates": audit_charts.error_rates(audit_frames.rate_frame(document)),
        "differences": audit_charts.youden_differences(audit_frames.difference_frame(document)),
        "agreement": audit_charts.agreement_matrix(audit_frames.agreement_frame(document)),
        "corrections": audit_charts.correction_methods_chart(audit_frames.comparison_frame(document), judge=judge),
    }


def texts(chart: Any, where: Path) -> str:
    return theme.save_chart(chart, where / "chart.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize("labelled", [0.5, 0.0], ids=["labelled", "no labels"])
def test_every_chart_can_be_saved_with_and_without_labels(simulate: Simulate, tmp_path: Path, labelled: float) -> None:
    document = audit_study(simulate(TWO, n=120, labelled=labelled).store)
    for name, chart in charts(document, "careful").items():
        picture = theme.save_chart(chart, tmp_path / f"{name}.png", dark=name == "heat")
        assert picture.read_bytes().startswith(b"\x89PNG")


def test_cells_of_the_heat_map_show_count_and_interval(simulate: Simulate, tmp_path: Path) -> None:
    document = audit_study(simulate(n=120).store)
    cell = next(row for row in document.judges[0].classes if row.truth == row.verdict == "event")
    drawn = texts(charts(document, "careful")["heat"], tmp_path)
    assert f"{cell.n} of {cell.of}" in drawn
    assert f"{100 * cell.low:.0f}–{100 * cell.high:.0f} %" in drawn
    assert "careful" in drawn


def test_a_refused_correction_is_written_not_drawn(simulate: Simulate, tmp_path: Path) -> None:
    document = audit_study(simulate(COIN, n=300).store)
    assert texts(charts(document, "coin")["corrections"], tmp_path).count(">refused<") == 6, "three methods, two arms"


def test_the_tables_behind_the_charts_hold_every_figure_with_its_interval(simulate: Simulate) -> None:
    document = audit_study(simulate(TWO, n=200).store)
    rates = audit_frames.rate_frame(document)
    assert len(rates) == 2 * 2 * 3
    assert (rates["low"] <= rates["value"]).all()
    assert (rates["value"] <= rates["high"]).all()
    own = document.judges[0].strata[0].as_event.sensitivity.value
    assert rates.iloc[0][["measure", "value"]].tolist() == ["Sensitivity", own]
    counts = document.judges[0].strata[0].as_event
    behind = [counts.tp + counts.fn, counts.fp + counts.tn, document.judges[0].strata[0].labelled]
    assert rates["of"].tolist()[:3] == behind
    assert set(audit_frames.comparison_frame(document)["method"]) == set(audit_frames.METHOD_NAMES.values())
    pairs = audit_frames.agreement_frame(document)
    assert set(pairs["coefficient"]) == set(audit_frames.COEFFICIENTS.values())
    assert len(audit_frames.difference_frame(document)) == 2


def test_the_theme_sets_ground_and_ink_and_leaves_the_chart_alone(simulate: Simulate) -> None:
    chart = charts(audit_study(simulate(n=60).store), "careful")["rates"]
    light, dark = (theme.apply_theme(chart, dark=dark).to_dict()["config"] for dark in (False, True))
    assert light["background"] != dark["background"]
    assert "config" not in json.loads(chart.to_json()) or chart.to_dict()["config"] != light


def test_pictures_have_text(tmp_path: Path) -> None:
    """vl-convert drops all text without a word where it knows no font of the family."""
    words = [alt.Chart({"values": [{}]}).mark_text(text=word).properties(width=90, height=30) for word in "AB"]
    drawn = {theme.save_chart(chart, tmp_path / f"{place}.png").read_bytes() for place, chart in enumerate(words)}
    assert len(drawn) == 2


def test_a_picture_of_another_kind_is_refused(tmp_path: Path, simulate: Simulate) -> None:
    chart = charts(audit_study(simulate(n=60).store), "careful")["rates"]
    with pytest.raises(InputError, match=r"chart file 'chart.gif': name it .png, .svg or .json"):
        theme.save_chart(chart, tmp_path / "chart.gif")
