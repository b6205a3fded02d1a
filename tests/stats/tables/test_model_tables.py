"""The tables of the Scaling page: every model in one, trends, steps, pairs, and the trend without one model."""

from __future__ import annotations

import dashboard_demo as demo

from gnomon.stats.bounds.selection_bounds import EffectBounds
from gnomon.stats.estimand_registry import NET_RAW
from gnomon.stats.narrative.fit_frames import FitFrames, read_fit
from gnomon.stats.results import StoredFit
from gnomon.stats.tables.models import size_tables
from gnomon.stats.tables.models.model_table import model_table

ENDS = {"low95": -0.1, "high95": 0.3}


def fit_of(view: str = "judged", **result: object) -> FitFrames:
    rows = [
        demo.estimand(model, size, "instruct", name, mean, 0.02)
        for model, size in (("big", 7e9), ("small", 5e8))
        for name, mean in (("detection", 0.3), (NET_RAW if view == "judged" else f"{NET_RAW[:-4]}_corrected", 0.2))
    ]
    row = {"id": view, "view": view, "status": "passed", "diagnostics": {}}
    return read_fit(StoredFit.from_row({**row, "result": {"estimands": rows, **result}}))


def test_every_model_is_one_row_a_fit_ordered_by_size():
    method = {
        "subject": "big",
        "estimand": "net_detection_corrected",
        "mean": 0.15,
        "sd": 0.1,
        "headline": False,
        **ENDS,
    }
    bounds = {"judged": {"big": EffectBounds(-0.01, 0.09, -0.05, 0.12, 0.95, "Lee")}}
    corrected = fit_of("corrected", methods=[{**method, "method": "design", "headline": False}])
    table = model_table({"judged": fit_of(), "corrected": corrected}, bounds)
    shown = table.text_frame()
    assert list(shown["Model"]) == ["small", "small", "big", "big"]
    assert list(shown["Fit"]) == ["as judged", "corrected"] * 2
    assert list(shown["Size"]) == ["0.5B", "0.5B", "7B", "7B"]
    assert list(shown["Raw net detection"]) == ["+20 % (+16 to +24)"] * 4, "a corrected estimate in the same column"
    assert list(shown["Selection bounds"]) == ["–", "–", "−1 to +9 %", "–"]
    assert list(shown["Corrected, design-based"]) == ["–", "–", "–", "+15 % (−10 to +30)"]
    assert "Corrected, cut fit" not in shown, "a method without an estimate has no column"


def test_trends_steps_and_pairs_keep_their_numbers():
    slope = {"estimand": NET_RAW, "variants": "within", "mean": 0.026, "low95": 0.02, "high95": 0.032}
    left_out = [{"subject": "big", "mean": -0.057}, {"subject": "small", "mean": 0.165}]
    step = {"estimand": NET_RAW, "from": "small", "to": "big", "probability": 0.9996}
    pair = {"estimand": NET_RAW, "a": "big", "b": "small", "mean": 0.1, "probability": 0.5, **ENDS}
    fit = fit_of(
        comparisons={
            "slopes": [{**slope, "probability_positive": 0.97, "subjects": 3, "without": left_out}],
            "ladder": [{**step, "mean": 0.1, **ENDS}, {**step, "steps": 2}],
            "standard_contrasts": [{**pair, "mean": 0.05}],
            "odds_ratios": [],
        },
        contrasts=[pair],
    )
    (trend,) = size_tables.trend_table(fit, NET_RAW).texts()
    assert trend == ["all models", "3", "+2.6 (+2.0 to +3.2)", "97.0 %"]
    assert list(size_tables.leave_one_out_table(fit, NET_RAW).texts()) == [
        ["none", "+2.6 (+2.0 to +3.2)"],
        ["big", "−5.7"],
        ["small", "+16.5"],
    ]
    assert list(size_tables.step_table(fit, NET_RAW).texts()) == [
        ["small", "big", "+10 % (−10 to +30)", "above 99.9 %"],
        ["small", "big, at all 2 steps", "–", "above 99.9 %"],
    ]
    (both,) = size_tables.pair_table(fit, NET_RAW).texts()
    assert both == ["big", "small", "+10 % (−10 to +30)", "50.0 %", "+5 % (−10 to +30)"]
    assert not size_tables.odds_ratio_table(fit)
    assert not size_tables.trend_table(fit, "detection")
