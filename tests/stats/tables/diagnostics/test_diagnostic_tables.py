"""Diagnostics as tables: fits side by side, prior beside posterior, checks, and convergence of each estimate."""

from __future__ import annotations

from typing import Any

import dashboard_demo as demo
import numpy as np
import pytest

from gnomon.stats.narrative.fit_frames import FitFrames, read_fit
from gnomon.stats.results import StoredFit
from gnomon.stats.tables.diagnostics.diagnostic_tables import (
    all_fits_table,
    predictive_table,
    prior_posterior_table,
    sampling_table,
)
from gnomon.stats.tables.diagnostics.fit_table import fit_table

WHO = ("toy", 1e9, "instruct")


def stored(view: str, *rows: dict[str, Any], **result: Any) -> StoredFit:
    return StoredFit.model_validate(demo._fit(view, {"judge": "lexicon", "estimands": list(rows), **result}))


@pytest.fixture
def fits() -> dict[str, FitFrames]:
    check = {
        "data": "outcomes", "subject": "", "arm": "control", "class": "event", "n": 30, "observed": 9, "mean": 8.2,
        "low95": 3, "high95": 14, "p": 0.4, "p_family": 1.0,
    }  # fmt: skip
    prior = {
        "subject": "toy", "estimand": "net_detection_raw", "low95": -0.8, "low50": -0.3, "median": -0.1, "high50": 0.1,
        "high95": 0.4,
    }  # fmt: skip
    judged = stored("judged", demo.estimand(*WHO, "net_detection_raw", 0.2, 0.05), predictive=[check], prior=[prior])
    corrected = stored("corrected", demo.estimand(*WHO, "net_detection_corrected", -0.1, 0.1))
    return {each.view: read_fit(each) for each in (corrected, judged)}


def test_a_corrected_estimate_stands_beside_the_one_that_it_corrects(fits: dict[str, FitFrames]) -> None:
    table = all_fits_table(fits).text_frame()
    assert table.columns.tolist() == ["Model", "Estimate", "as judged", "corrected"]
    assert table.iloc[0].tolist() == ["toy", "raw net detection", "+20 % (+10 to +30)", "−10 % (−30 to +10)"]


def test_prior_and_posterior_stand_side_by_side_with_the_ratio_of_their_widths(fits: dict[str, FitFrames]) -> None:
    (row,) = prior_posterior_table(fits["judged"]).rows
    assert row["width"] == pytest.approx(0.196 / 1.2)
    shown = prior_posterior_table(fits["judged"]).text_frame()
    assert shown["Prior, difference"].tolist() == ["−10 % (−80 to +40)"]
    assert not prior_posterior_table(fits["corrected"])


def test_checks_keep_observed_expected_and_both_p_values(fits: dict[str, FitFrames]) -> None:
    shown = predictive_table(fits["judged"]).text_frame().iloc[0]
    assert (shown["Model"], shown["Observed"], shown["Expected (95 %)"]) == ("all models", "9", "8 (3 to 14)")
    assert shown["p"] == "0.40"


def test_convergence_is_told_of_each_estimate_and_a_constant_one_has_none() -> None:
    mixed = np.random.default_rng(3).normal(size=(4, 400))
    apart = mixed + np.arange(4)[:, None]
    table = sampling_table(
        {("toy", "refusal"): mixed, ("toy", "false_alarm"): apart, ("toy", "detection"): np.ones((4, 400))}, "judged"
    )
    good, bad, still = table.rows
    assert good["rhat"] < 1.02  # type: ignore[operator]
    assert bad["rhat"] > 1.5  # type: ignore[operator]
    assert good["bulk"] > 1000  # type: ignore[operator]
    assert still.get("rhat") is None


def test_a_failed_fit_says_why_and_a_refused_one_has_no_draws() -> None:
    failed = StoredFit.model_validate(demo._fit("judged", {"judge": "lexicon", "estimands": []}, "failed"))
    (row,) = fit_table([failed]).rows
    assert row["status"] == "failed: R-hat 1.210 above 1.01 for net_detection_raw"
    none = {"max_rhat": None, "draws": 0, "chains": 0, "passed": False, "reasons": []}
    refused = StoredFit.model_validate({**demo._fit("corrected", {"estimands": []}, "refused"), "diagnostics": none})
    (row,) = fit_table([refused]).rows
    assert (row["status"], row.get("draws")) == ("refused", None)
