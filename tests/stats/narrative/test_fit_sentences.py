"""What fits say of themselves and of refusals, in words that a reader can check."""

from __future__ import annotations

from dataclasses import replace

import dashboard_demo as demo
import pandas as pd

from gnomon.stats.narrative import estimate_sentences
from gnomon.stats.narrative import fit_sentences as told
from gnomon.stats.narrative.fit_frames import FitFrames, read_fit
from gnomon.stats.results import (
    Diagnostics,
    IntervalRow,
    PredictiveCheck,
    PriorPredictiveRow,
    Reweighting,
    StoredFit,
    rows_frame,
)
from gnomon.stats.tables.diagnostics.diagnostic_tables import prior_posterior_table
from gnomon.stats.tables.estimate_table import Interval
from gnomon.stats.tables.models import size_tables

BOUNDS = pd.DataFrame(
    [
        {"subject": "a", "assuming": "monotone", "low": 0.40, "high": 0.41, "low95": 0.37, "high95": 0.44},
        {"subject": "b", "assuming": "monotone", "low": -0.008, "high": 0.439, "low95": -0.014, "high95": 0.478},
        {"subject": "c", "assuming": "monotone", "low": 0.1, "high": 0.3, "low95": 0.05, "high95": 0.35},
        {"subject": "b", "assuming": "none", "low": -0.5, "high": 0.9, "low95": -0.6, "high95": 1.0},
    ]
)


def fit_with(ladder: pd.DataFrame) -> FitFrames:
    fit = read_fit(StoredFit.from_row(demo.demo_fits()[0]))
    return replace(fit, estimands=estimands(), comparisons={"ladder": ladder})


def estimands() -> pd.DataFrame:
    usual = {"parameters": 1e9, "variant": "instruct", "axis": "", "value": "", "low95": 0.1, "high95": 0.3}
    rows = [{**usual, "subject": name, "estimand": "net_detection_engaged", "mean": 0.2} for name in "ab"]
    arms = {"estimand": "refusal", "axis": "arm"}
    rows += [
        {**usual, **arms, "subject": "b", "value": "injection", "mean": 0.23, "low95": 0.22, "high95": 0.25},
        {**usual, **arms, "subject": "b", "value": "control", "mean": 0.64, "low95": 0.63, "high95": 0.66},
    ]
    return pd.DataFrame(rows)


def test_a_figure_in_short_has_signs_only_where_it_can_be_negative() -> None:
    assert told.interval_phrase(IntervalRow(mean=0.41, low95=0.38, high95=0.44)) == "41 % (38 to 44)"
    assert told.interval_phrase(IntervalRow(mean=0.05, low95=-0.02, high95=0.12)) == "+5 % (−2 to +12)"
    assert told.interval_phrase(IntervalRow(mean=0.003, low95=0.001, high95=0.006)) == "0.3 % (0.1 to 0.6)"


def test_refusals_by_arm_are_one_sentence_a_model() -> None:
    assert list(told.refusal_sentences(estimands())) == [
        "b refuses 64 % (63 to 66) of control trials and 23 % (22 to 25) of injection trials."
    ]


def test_bounds_say_what_may_be_nothing_and_what_hides_hardly_anything() -> None:
    wide, middle, narrow = told.bounds_sentences(estimands(), BOUNDS)
    assert wide == ("b: engaged +20 %; bounds −0.8 to +43.9 %, 95 % limits −1.4 to +47.8: consistent with zero.")
    assert middle == "c: bounds +10.0 to +30.0 %, 95 % limits +5.0 to +35.0."
    assert narrow.startswith("a: engaged +20 %; the effect of excluding refusals is negligible")
    assert list(told.bounds_sentences(estimands(), BOUNDS.head(0))) == []


def test_convergence_says_how_a_fit_went_or_why_it_did_not() -> None:
    each = Diagnostics(max_rhat=1.004, min_ess_bulk=1500.0, min_ess_tail=900.0, divergences=1, draws=1000)
    line = told.convergence_sentence("judged", "passed", each)
    assert line == "judged: passed; R-hat 1.004, at least 900 effective draws, 1 divergence."
    weighted = each.model_copy(update={"reweighted": Reweighting(fit="0123456789ab", k=0.21, share=0.9)})
    assert "weighted from the draws of fit 01234567 (Pareto k 0.21)" in told.convergence_sentence(
        "c", "passed", weighted
    )
    failed = each.model_copy(update={"reasons": ("R-hat 1.210 is above 1.01",)})
    assert told.convergence_sentence("judged", "failed", failed).endswith("R-hat 1.210 is above 1.01.")
    assert "nothing was sampled" in told.convergence_sentence("corrected", "refused", Diagnostics())


def test_misfits_are_named_with_axis_and_value_and_their_absence_too() -> None:
    usual = {"subject": "a", "arm": "injection", "class": "event", "n": 80, "observed": 49, "mean": 38.6, "low95": 30.2,
             "high95": 47.0}  # fmt: skip
    good = {**usual, "p": 0.4, "p_family": 1.0}
    bad = {**usual, "axis": "layer x strength", "value": "38, 3", "groups": 20, "p": 1e-6, "p_family": 2e-6}
    labels = {**bad, "data": "labels", "subject": "", "axis": "strength", "value": "8", "p": 1e-4, "p_family": 2e-4}
    rows = rows_frame([PredictiveCheck.model_validate(row) for row in (good, bad, labels)])
    first, worst, other = told.misfit_sentences(rows)
    assert first.startswith("MISFIT in 2 of 3 checks (p below 0.01 after correction for their number)")
    assert worst == (
        "a, injection arm: event by layer x strength, at 38, 3: 49 of 80 observed, 38.6 expected (95 % interval 30 to "
        "47; p < 0.001, corrected p < 0.001)."
    )
    assert other.startswith("all models, injection arm: labels, event by strength, at 8: ")
    assert worst in str(told.misfit_headline(rows))
    assert len(list(told.misfit_sentences(rows, limit=1))) == 3
    (line,) = told.misfit_sentences(rows.head(1))
    assert line == "No misfit found in 1 check: the smallest has p = 0.40, p = 1.00 after correction for their number."
    assert told.misfit_headline(rows.head(1)) is None
    assert told.check_table(rows)["p"].is_monotonic_increasing
    (line,) = told.misfit_sentences(rows.head(1).assign(p_family=None))
    assert line.endswith("fit again.")
    assert list(told.misfit_sentences(pd.DataFrame())) == []


def test_prior_and_posterior_intervals_stand_side_by_side() -> None:
    prior = PriorPredictiveRow(subject="b", estimand="net_detection_engaged", low95=-0.9, low50=-0.3, median=0.0,
                               high50=0.3, high95=0.7)  # fmt: skip
    (row,) = prior_posterior_table(replace(fit_with(pd.DataFrame()), prior=rows_frame([prior]))).rows
    assert (row["model"], row["estimate"]) == ("b", "engaged net detection")
    assert (row["prior_difference"], row["posterior_difference"]) == (Interval(0.0, -0.9, 0.7), Interval(0.2, 0.1, 0.3))
    assert round(100 * row["width"], 1) == 12.5


def test_the_best_cell_is_not_quoted_at_its_luckiest() -> None:
    usual = {"subject": "a", "layer": None, "n": 40}
    rows = pd.DataFrame(
        [
            {**usual, "depth": 0.5, "strength": 2.0, "mean": 0.3, "low95": 0.2, "high95": 0.4, "naive": 0.28,
             "probability_best": 0.55},
            {**usual, "depth": 0.7, "strength": 4.0, "mean": 0.29, "low95": 0.1, "high95": 0.5, "naive": 0.45,
             "probability_best": 0.45},
        ]
    )  # fmt: skip
    (line,) = estimate_sentences.best_cells(rows)
    assert line.startswith("a: depth 0.50 at strength 2, +30 % (+20 to +40); P(best) 55.0 %")
    assert line.endswith(
        "The highest raw rate is +45 % in depth 0.70 at strength 4 (40 trials): "
        "selected as the maximum, so biased upward (winner's curse)."
    )


def test_every_step_at_once_is_told_where_there_are_several() -> None:
    ladder = pd.DataFrame(
        [
            {"estimand": "n", "from": "a", "to": "b", "mean": 0.1, "low95": 0.0, "high95": 0.2, "probability": 0.9},
            {"estimand": "n", "from": "a", "to": "c", "steps": 2.0, "probability": 0.7},
        ]
    )
    step, whole = size_tables.step_table(fit_with(ladder), "n").texts()
    assert whole == ["a", "c, at all 2 steps", "–", "70.0 %"]
    assert list(size_tables.step_table(fit_with(ladder.head(1)), "n").texts()) == [step]
    assert not size_tables.step_table(fit_with(pd.DataFrame()), "n")
