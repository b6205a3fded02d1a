"""The checks see a model that does not fit and a prior that insists; the charts behind figures can be drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gnomon.stats.cells.aggregation import CellCounts
from gnomon.stats.cells.outcome_classes import EVENT, REFUSED, REST
from gnomon.stats.charts import diagnostic_charts
from gnomon.stats.charts.estimate_charts import result_frames, save_chart
from gnomon.stats.checks.predictive_checks import draw_prior_parameters, posterior_predictive_check, prior_predictive
from gnomon.stats.checks.simulation import cell_frame
from gnomon.stats.estimands.result import ModelPosterior, all_estimand_draws, build_result
from gnomon.stats.inference.hierarchical import OutcomeModel, judged_model
from gnomon.stats.inference.sampler import SamplerSettings, sample_posterior
from gnomon.stats.model.priors import Priors
from gnomon.stats.results import PriorPredictiveRow, rows_frame

CLASSES = (REFUSED, EVENT, REST)
STRENGTHS = (1.0, 2.0, 4.0, 8.0)


def fitted(rates: tuple[float, ...], priors: Priors | None = None) -> tuple[OutcomeModel, np.ndarray, np.ndarray]:
    """A subject whose detection by strength is as given, in shares of trials; refusal is 20 % everywhere."""
    rows = [{"arm": "injection", "concept": "ocean", "strength": s, "depth": d} for s in STRENGTHS for d in (0.3, 0.6)]
    frame = cell_frame([{"arm": "control"}, *rows])
    share = np.repeat(np.array([0.05, *rates]), [1, 2, 2, 2, 2])
    counts = np.round(200 * np.stack([0.2 + 0 * share, 0.8 * share, 0.8 * (1 - share)], axis=1)).astype(int)
    model = judged_model(CellCounts(frame, CLASSES, counts), priors or Priors())
    return model, sample_posterior(model, SamplerSettings(draws=300, tune=300), 1).flat_values, counts


def odd(rates: tuple[float, ...]) -> float:
    model, x, counts = fitted(rates)
    rows = posterior_predictive_check(model, x, counts, np.random.default_rng(0))
    assert {row.outcome_class for row in rows} == set(CLASSES)
    for row in rows:
        assert row.low95 <= row.observed <= row.high95, "totals by arm are fitted whatever the shape"
    return next(row.p for row in rows if row.arm == "injection")


def test_a_curve_that_the_model_cannot_make_is_seen() -> None:
    assert odd((0.1, 0.2, 0.3, 0.3)) > 0.1
    assert odd((0.1, 0.7, 0.1, 0.7)) < 0.01, "a quadratic has no two peaks"


def test_the_priors_leave_every_plausible_rate_open_and_a_narrow_one_is_seen() -> None:
    model, _, counts = fitted((0.1, 0.2, 0.3, 0.3))
    wide, narrow = (told(one, counts) for one in (model, fitted((0.1, 0.2, 0.3, 0.3), Priors(intercept_sd=0.05))[0]))
    for name in ("s identification", "s refusal", "s false_alarm"):
        row = wide[name]
        assert row.low95 < 0.05
        assert row.high95 > 0.6
        assert row.low50 < row.median < row.high50
    assert narrow["s false_alarm"].high95 - narrow["s false_alarm"].low95 < 0.1


def told(model: OutcomeModel, counts: np.ndarray) -> dict[str, PriorPredictiveRow]:
    x = draw_prior_parameters(model, 500, np.random.default_rng(3))
    rows = prior_predictive(all_estimand_draws(ModelPosterior(model, x, counts.sum(axis=1), None, "judged", None, "")))
    return {row.figure: row for row in rows}


@pytest.mark.parametrize("dark", [False, True])
def test_the_charts_behind_a_figure_can_be_drawn(tmp_path: Path, dark: bool) -> None:
    model, x, counts = fitted((0.1, 0.2, 0.3, 0.3))
    result = build_result(ModelPosterior(model, x, counts.sum(axis=1), counts, "judged", "j", "")).content
    estimands, _ = result_frames(result)
    charts = {
        "cells": diagnostic_charts.dose_heatmap(rows_frame(result.comparisons.best)),
        "predictive": diagnostic_charts.predictive_check_chart(rows_frame(result.predictive)),
        "bounds": diagnostic_charts.refusal_bounds_chart(estimands, rows_frame(result.comparisons.bounds)),
    }
    for name, chart in charts.items():
        text = save_chart(chart, tmp_path / f"{name}.svg", dark=dark).read_text(encoding="utf-8")
        assert "NaN" not in text
        assert {"cells": "±", "predictive": "control: refused", "bounds": "monotonicity"}[name] in text
