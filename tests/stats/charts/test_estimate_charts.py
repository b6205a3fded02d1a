"""Charts hold the figures that they are given, with intervals; captions say them in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gnomon.stats.charts import estimate_charts
from gnomon.stats.results import ContrastRow, EstimateRow, FitResult

ENDS = {"low50": -0.01, "high50": 0.01, "low80": -0.02, "high80": 0.02, "low95": -0.03, "high95": 0.03}


def row(subject: str, size: float, mean: float, **more: Any) -> dict[str, Any]:
    usual = {"variant": "instruct", "estimand": "net_detection_raw", "by": {}, "sd": 0.015, "observed": mean, "n": 100}
    return {"subject": subject, "parameters": size, **usual, "mean": mean, **shifted(mean), **more}


def shifted(mean: float) -> dict[str, float]:
    return {name: mean + gap for name, gap in ENDS.items()}


WHOLE = [
    row("tiny", 1.35e8, -0.3),
    row("small", 1e9, 0.1),
    row("big", 3.2e10, 0.4),
    row("big coder", 3.2e10, 0.6, variant="coder"),
]
OTHER = [row("big", 3.2e10, 0.4, estimand=name) for name in ("net_detection_engaged", "identification")]
WORDS = [
    row(*model, 0.2, by={"concept": word}) for model in (("small", 1e9), ("big", 3.2e10)) for word in ("fear", "joy")
]
DOSES = [row("big", 3.2e10, 0.1 * dose, by={"strength": dose}) for dose in (1.0, 2.0, 4.0)]
SIZES = (1.35e8, 2e9, 3.2e10)
LINE = [{"estimand": "net_detection_raw", "parameters": size, "mean": 0.1, **shifted(0.1)} for size in SIZES]
RESULT = {"estimands": [*WHOLE, *OTHER, *WORDS, *DOSES], "curve": LINE}


@pytest.fixture
def tidy() -> tuple[pd.DataFrame, pd.DataFrame]:
    return estimate_charts.result_frames(FitResult.model_validate(RESULT))


def data(chart: Any) -> list[dict[str, Any]]:
    """All rows of a chart's data sets."""
    return [one for rows in chart.to_dict()["datasets"].values() for one in rows]


def test_scaling_shows_every_model_of_the_whole_design_and_the_line(tidy: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    chart = estimate_charts.scaling_chart(*tidy, estimand="net_detection_raw")
    rows = data(chart)
    assert {one["subject"] for one in rows if "subject" in one} == {"tiny", "small", "big", "big coder"}
    assert sum("subject" in one for one in rows) == 4, "by concept and by strength are other charts"
    assert sum("subject" not in one and "mean" in one for one in rows) == 3
    x = {one["subject"]: one["x"] for one in rows if "subject" in one}
    assert x["tiny"] == 1.35e8
    assert x["big"] < 3.2e10 < x["big coder"], "models of one size stand side by side"
    assert "typical instruct model" in str(chart.to_dict()["title"])


def test_without_a_curve_scaling_promises_no_line(tidy: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    chart = estimate_charts.scaling_chart(tidy[0], pd.DataFrame(), estimand="net_detection_raw")
    assert "Line" not in str(chart.to_dict()["title"])
    assert len(chart.to_dict()["layer"]) == 4


def test_variants_have_their_own_colour_and_shape(tidy: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    point = estimate_charts.scaling_chart(*tidy, estimand="net_detection_raw").to_dict()["layer"][-1]["encoding"]
    assert point["color"]["scale"]["domain"] == point["shape"]["scale"]["domain"] == ["instruct", "coder"]
    assert len(set(point["color"]["scale"]["range"])) == len(set(point["shape"]["scale"]["range"])) == 2


@pytest.mark.parametrize("dark", [False, True])
def test_every_chart_can_be_drawn(tidy: tuple[pd.DataFrame, pd.DataFrame], tmp_path: Path, dark: bool) -> None:
    rows, curve = tidy
    whole = rows[rows["axis"] == ""]
    charts = [
        estimate_charts.scaling_chart(rows, curve, estimand="net_detection_raw"),
        estimate_charts.forest_plot(whole),
        estimate_charts.forest_plot(whole[whole["subject"] == "big"]),
        estimate_charts.concept_chart(rows, estimand="net_detection_raw"),
        estimate_charts.strength_chart(rows, estimand="net_detection_raw"),
    ]
    for place, chart in enumerate(charts):
        drawn = estimate_charts.save_chart(chart, tmp_path / f"{place}.svg", dark=dark).read_text()
        assert drawn.startswith("<svg")
        assert "NaN" not in drawn
        assert "undefined" not in drawn


def test_sizes_are_read_in_millions_and_billions(tidy: tuple[pd.DataFrame, pd.DataFrame], tmp_path: Path) -> None:
    drawn = estimate_charts.save_chart(
        estimate_charts.scaling_chart(*tidy, estimand="net_detection_raw"), tmp_path / "a.svg"
    ).read_text()
    for label in ("135M", "1B", "32B"):
        assert f">{label}<" in drawn


def test_captions_say_figure_interval_and_condition() -> None:
    figure = EstimateRow.model_validate(row("Qwen2.5-14B", 1.4e10, 0.4106, low95=0.38, high95=0.44))
    assert estimate_charts.estimate_caption(figure) == "Qwen2.5-14B: 41 % net detection, 95 % interval 38 to 44"
    assert estimate_charts.estimate_caption(figure.model_copy(update={"by": {"concept": "fear"}})).startswith(
        "Qwen2.5-14B (concept fear): 41 %"
    )
    assert "interval 0 to 44" in estimate_charts.estimate_caption(figure.model_copy(update={"low95": -0.001}))


def test_a_contrast_names_the_likelier_one_first() -> None:
    pair = {"estimand": "net_detection_raw", "a": "7B", "b": "14B", "mean": -0.098, "low95": -0.13, "high95": -0.06}
    said = estimate_charts.contrast_caption(ContrastRow.model_validate({**pair, "probability": 0.012}))
    assert said == "14B is above 7B in net detection by 10 points (95 % interval 6 to 13); probability 0.988"
    surest = ContrastRow.model_validate({**pair, "probability": 0.0})
    assert "probability over 0.999" in estimate_charts.contrast_caption(surest)


def test_models_outside_the_band_for_a_further_one_are_ringed(tidy: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    band = pd.DataFrame(
        [{"estimand": "net_detection_raw", "parameters": size, "low95": 0.0, "high95": 0.5} for size in SIZES]
    )
    chart = estimate_charts.scaling_chart(*tidy, estimand="net_detection_raw", predictive=band)
    assert chart.to_dict()["title"]["subtitle"][-1] == (
        "Dashed: 95 % predictive interval for a further instruct model. Ringed: models outside it."
    )
    points = pd.DataFrame(WHOLE)
    assert dict(zip(points["subject"], estimate_charts.outside_band(points, band), strict=True)) == {
        "tiny": True,
        "small": False,
        "big": False,
        "big coder": False,
    }, "the band is for the usual variant"
    assert not estimate_charts.outside_band(points, band.head(0)).any()
