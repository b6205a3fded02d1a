"""Telling: the words under the scaling figure say what the numbers say, and no more."""

from __future__ import annotations

import dashboard_demo as demo
import pandas as pd
import pytest

from gnomon.data.storage.store import Store
from gnomon.stats.bounds.selection_bounds import ArmCounts, bounds_with_interval
from gnomon.stats.narrative import estimate_sentences
from gnomon.stats.narrative.fit_frames import all_fitted, fit_for, read_fit
from gnomon.stats.results import ContrastRow, StoredFit
from gnomon.stats.tables.models import size_tables

NAMES = {"7B": "Qwen2.5-7B-Instruct", "14B": "Qwen2.5-14B-Instruct", "32B": "Qwen2.5-32B-Instruct"}


@pytest.fixture
def published():
    row = {"id": "x", "view": "published", "status": "passed", "diagnostics": {}, "result": demo.published_result()}
    return read_fit(StoredFit.from_row(row))


def test_14b_is_higher_than_7b_and_the_words_say_how_sure(published):
    row = estimate_sentences.find_contrast(published.contrasts, "net_detection_raw", NAMES["14B"], NAMES["7B"])
    said = estimate_sentences.contrast_sentence(row)
    assert said.startswith("Qwen2.5-14B-Instruct is higher than Qwen2.5-7B-Instruct: difference +10 points")
    assert said.endswith("probability that it is higher above 99.9 %.")


def test_a_contrast_turned_round_is_its_mirror(published):
    one = estimate_sentences.find_contrast(published.contrasts, "net_detection_raw", NAMES["14B"], NAMES["7B"])
    other = estimate_sentences.find_contrast(published.contrasts, "net_detection_raw", NAMES["7B"], NAMES["14B"])
    assert (other.mean, other.low95, other.high95) == (-one.mean, -one.high95, -one.low95)
    assert other.probability == pytest.approx(1 - one.probability)


@pytest.mark.parametrize(
    ("probability", "says"),
    [
        (0.99, "is higher than"),
        (0.95, "is probably higher than"),
        (0.5, "may not differ from"),
        (0.06, "is probably lower than"),
        (0.01, "is lower than"),
    ],
)
def test_a_verdict_is_no_surer_than_its_probability(probability, says):
    row = ContrastRow(estimand="n", a="x", b="y", mean=0.1, low95=0.0, high95=0.2, probability=probability)
    assert f"x {says} y" in estimate_sentences.contrast_sentence(row)


def test_the_ladder_compares_each_instruct_model_with_the_next_smaller_one(published):
    said = list(estimate_sentences.monotone_sentence(published.estimands, published.contrasts, "net_detection_raw"))
    assert len(said) == 5
    assert all("Coder" not in line for line in said)
    assert said[-1].startswith("Qwen2.5-32B-Instruct is lower than Qwen2.5-14B-Instruct")


def test_the_dip_of_the_32b_is_explained_by_whom_it_refuses(published):
    said = list(
        estimate_sentences.refusal_asymmetry(
            published.estimands,
            {NAMES["32B"]: bounds_with_interval(ArmCounts(1961, 2560, 407), ArmCounts(912, 2560, 7))},
        )
    )
    dip = next(line for line in said if line.startswith(NAMES["32B"]))
    assert "refuses 64 % of controls and 23 % of injections: the injection itself removes refusals" in dip
    assert "is −49 %; excluding refusals gives +20 %" in dip
    assert "between −0.8 and +43.9 % (Lee bounds, from the counts), with sampling error between −1.4 and +47.8 %" in dip
    assert not any(line.startswith(NAMES["14B"]) for line in said)


def test_one_subject_has_no_ladder_and_no_dip():
    judged = read_fit(StoredFit.from_row(demo.demo_fits()[0]))
    assert list(estimate_sentences.monotone_sentence(judged.estimands, judged.contrasts, "net_detection_raw")) == []
    assert list(estimate_sentences.trend_sentences(judged.comparison_entry("slopes"), "net_detection_raw")) == []
    assert not size_tables.odds_ratio_table(judged)


def test_the_trend_is_of_the_models_that_were_run_and_says_which_of_them_it_hangs_on(published):
    within, every = estimate_sentences.trend_sentences(published.comparison_entry("slopes"), "net_detection_raw")
    assert within.startswith(
        "Trend through the 6 models of the usual variant that were run: +2.6 points per doubling of size, 95 % "
        "interval +2.0 to +3.2; P(increase) above 99.9 %. It describes these models only."
    )
    assert within.endswith("between −5.7 (without Qwen2.5-0.5B-Instruct) and +16.5 (without Qwen2.5-32B-Instruct).")
    assert every.startswith("Trend through the 8 models that were run: +8.4 points")


def test_an_odds_ratio_says_how_much_of_it_the_prior_decides(published):
    assert list(size_tables.odds_ratio_table(published).texts()) == [
        ["refusing", "control level", "0.72 (0.40 to 1.30)", "8", "34 %"]
    ]


def test_nothing_is_certain():
    assert [estimate_sentences.format_probability(p) for p in (1.0, 0.0, 0.5)] == [
        "above 99.9 %",
        "below 0.1 %",
        "50.0 %",
    ]


def test_corrected_figures_come_from_the_corrected_fit_and_refusals_keep_their_reason(store: Store):
    demo.fill(store)
    fits = all_fitted(store)
    assert fit_for(fits, "net_detection_raw").view == "judged"
    corrected = fit_for(fits, "net_detection_corrected")
    assert corrected.view == "corrected"
    assert corrected.overall_estimates("net_detection_corrected").empty
    assert "carries no information" in corrected.why_not("net_detection_corrected")[0]
    assert fit_for({}, "net_detection_raw") is None


def test_figures_of_a_failed_fit_are_not_there_to_be_shown(store: Store):
    demo.fill_failed(store)
    fit = all_fitted(store)["judged"]
    assert fit.has_failed
    assert fit.estimands.empty
    assert fit.reasons == ("R-hat 1.210 above 1.01 for net_detection_raw",)


def test_axes_are_spread_over_two_columns():
    judged = read_fit(StoredFit.from_row(demo.demo_fits()[0]))
    assert judged.estimates_by_axis("net_detection_raw", "concept")["value"].tolist() == demo.CONCEPTS
    assert judged.estimates_by_axis("net_detection_raw", "strength")["value"].tolist() == [2.0, 4.0]
    assert isinstance(judged.curve, pd.DataFrame)
