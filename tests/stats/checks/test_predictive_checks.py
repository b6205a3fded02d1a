"""The checks see a model that does not fit and a prior that insists; the charts behind figures can be drawn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.stats import chi2

from gnomon.calibration.plotting.theme import arm_colours
from gnomon.stats.cells.aggregation import CellCounts, VerdictPatternCells
from gnomon.stats.cells.outcome_classes import EVENT, REFUSED, REST
from gnomon.stats.charts import diagnostic_charts
from gnomon.stats.charts.estimate_charts import result_frames, save_chart
from gnomon.stats.checks.discrepancies import BinaryQuestion, group_counts, predictive_p_value
from gnomon.stats.checks.predictive_checks import (
    DESIGN_AXES,
    corrected_predictive_check,
    draw_prior_parameters,
    posterior_predictive_check,
    prior_predictive,
)
from gnomon.stats.checks.simulation import cell_frame, empty_patterns, simulate_from_model
from gnomon.stats.estimands.definitions import SubjectPosterior, subject_estimands
from gnomon.stats.estimands.result import ModelPosterior, build_result
from gnomon.stats.inference.hierarchical import OutcomeModel, corrected_model, judged_model
from gnomon.stats.inference.sampler import SamplerSettings, sample_posterior
from gnomon.stats.model.priors import Priors
from gnomon.stats.results import PredictiveCheck, PriorPredictiveRow, rows_frame

CLASSES = (REFUSED, EVENT, REST)
STRENGTHS = (1.0, 2.0, 4.0, 8.0)
SMOOTH = Priors(
    **{name: 0.01 for name in Priors().as_dict() if name.endswith(("_level_scale", "cell_scale"))}
    | {"layer_strength_scale": 0.01, "concept_layer_scale": 0.01}
)
"""Priors under which strength and layer have smooth effects only."""


def fitted(rates: tuple[float, ...], priors: Priors | None = None) -> tuple[OutcomeModel, np.ndarray, np.ndarray]:
    """A subject whose detection by strength is as given, in shares of trials; refusal is 20 % everywhere."""
    rows = [{"arm": "injection", "concept": "ocean", "strength": s, "depth": d} for s in STRENGTHS for d in (0.3, 0.6)]
    frame = cell_frame([{"arm": "control"}, *rows])
    share = np.repeat(np.array([0.05, *rates]), [1, 2, 2, 2, 2])
    counts = np.round(200 * np.stack([0.2 + 0 * share, 0.8 * share, 0.8 * (1 - share)], axis=1)).astype(int)
    model = judged_model(CellCounts(frame, CLASSES, counts), priors or Priors())
    return model, sample_posterior(model, SamplerSettings(draws=300, tune=300), 1).flat_values, counts


def worst(rates: tuple[float, ...]) -> PredictiveCheck:
    """The check with the smallest p-value."""
    model, x, counts = fitted(rates, SMOOTH)
    rows = posterior_predictive_check(model, x, counts, np.random.default_rng(0))
    assert {row.outcome_class for row in rows} == set(CLASSES[:-1])
    for row in rows:
        if not row.axis:
            assert row.low95 <= row.observed <= row.high95, "totals by arm are fitted whatever the shape"
    return min(rows, key=lambda row: row.p)


def test_a_curve_that_the_model_cannot_make_is_seen_and_its_axis_named() -> None:
    assert not worst((0.1, 0.2, 0.3, 0.3)).is_misfit
    found = worst((0.1, 0.7, 0.1, 0.7))
    assert found.is_misfit, "a quadratic has no two peaks"
    assert (found.arm, found.axis, found.outcome_class) == ("injection", "strength", EVENT)
    assert not found.low95 <= found.observed <= found.high95


def test_a_rare_class_does_not_hide_a_misfit() -> None:
    """Pearson's chi-squared has terms of 500 where .002 trials are expected and one comes; these drown all others."""
    groups, draws = 40, 400
    rng = np.random.default_rng(0)
    units = pd.DataFrame({"subject": "s", "arm": "injection", "layer": np.arange(groups, dtype=float)})
    n = np.full(groups, 20)
    share = np.tile([0.002 / 20, 0.4, 0.6], (groups, 1))
    counts = np.stack([rng.multinomial(20, [0.0, p, 1 - p]) for p in np.tile([0.2, 0.6], groups // 2)])
    rare, common = (
        BinaryQuestion("outcomes", name, units, n, counts[:, k], np.tile(share[:, k], (draws, 1)), (("layer",),))
        for k, name in enumerate((REFUSED, EVENT))
    )
    p = [next(group_counts(one, ("arm",), rng))[3].p for one in (rare, common)]
    assert p[0] > 0.5
    assert p[1] < 1e-6


def test_p_values_beyond_the_number_of_draws_are_those_of_the_exact_tail() -> None:
    rng = np.random.default_rng(1)
    for tail in (1e-3, 1e-5):
        beyond = np.full(400, chi2.isf(tail, 8))
        found = [
            predictive_p_value(chi2.rvs(8, size=400, random_state=rng), beyond, further)
            for further in (
                [(chi2.rvs(8, size=10_000, random_state=rng), np.full(10_000, beyond[0]))] for _ in range(20)
            )
        ]
        assert 0.4 * tail < np.exp(np.mean(np.log(found))) < 2.5 * tail


def test_one_surprising_label_among_many_certain_ones_is_no_misfit() -> None:
    """Where replicates hardly vary, the tail is that of rare events and not of a chi-squared."""
    units = pd.DataFrame({"subject": "s", "arm": ["injection"] * 4, "strength": STRENGTHS})
    n, chance = np.full(4, 10), np.full((400, 4), 0.9995)
    one = BinaryQuestion("labels", EVENT, units, n, np.array([10, 10, 10, 9]), chance, (("strength",),))
    found = next(group_counts(one, ("arm",), np.random.default_rng(0)))[3]
    assert 0.005 < found.p < 0.05
    two = replace(one, observed=np.array([10, 10, 10, 7]))
    assert next(group_counts(two, ("arm",), np.random.default_rng(0)))[3].p < 2e-4


def test_p_is_seldom_small_where_the_model_holds() -> None:
    """Counts drawn from the fitted probabilities: about one family of checks in twenty has a corrected p below .05."""
    rng = np.random.default_rng(2)
    units = cell_frame(
        [{"arm": "injection", "concept": c, "layer": layer, "strength": s} for c in "abc" for layer in (1.0, 2.0, 3.0)
         for s in STRENGTHS]
    )  # fmt: skip
    chance, n = np.tile(rng.beta(0.5, 2.0, size=len(units)), (400, 1)), np.full(len(units), 12)
    small = 0
    for _ in range(100):
        one = BinaryQuestion("outcomes", EVENT, units, n, rng.binomial(n, chance[0]), chance, DESIGN_AXES)
        found = [found.p for *_, found in group_counts(one, ("arm",), rng)]
        small += len(found) * min(found) < 0.05
    assert len(found) == 7
    assert small <= 9


def drawn_study(seed: int) -> tuple[OutcomeModel, np.ndarray, VerdictPatternCells]:
    """A study drawn from a corrected model at known parameters, and draws of the parameters that are all these."""
    frame = cell_frame(
        [{"arm": "control"}, *({"arm": "injection", "concept": c, "strength": s} for c in "ab" for s in STRENGTHS)]
    )
    model = corrected_model(empty_patterns(frame, CLASSES, ("one", "two")), Priors())
    at = model.to_parameters(model.prior_centre())
    n = np.array([300, *[120] * 8])
    study = simulate_from_model(model, at, n, ("one", "two"), (0.2, 0.8), np.random.default_rng(seed)).patterns
    return corrected_model(study, Priors()), np.tile(at, (400, 1)), study


def corrected_checks(study: VerdictPatternCells, model: OutcomeModel, x: np.ndarray) -> tuple[PredictiveCheck, ...]:
    return corrected_predictive_check(model, x, study, np.random.default_rng(0))


def test_labels_and_verdicts_of_a_corrected_fit_are_checked_and_seldom_raise_a_false_alarm() -> None:
    least = []
    for seed in range(4):
        model, x, study = drawn_study(seed)
        rows = corrected_checks(study, model, x)
        least.append(min(row.p_family for row in rows if row.p_family is not None))
    assert {row.data for row in rows} == {"labels", "verdicts of one", "verdicts of two", "verdicts of one and two"}
    assert {row.axis for row in rows if row.data == "labels"} >= {
        "",
        "strength",
        "concept",
        "strength x verdict of one",
    }
    assert sum(p < 0.05 for p in least) <= 1
    for kind in ("labels", "verdicts"):
        family = [row for row in rows if row.data.startswith(kind)]
        worst = min(family, key=lambda row: row.p)
        assert worst.p_family == pytest.approx(min(2 * len(family) * worst.p, 1.0))
    labelled = study.label >= 0
    whole = {row.arm: row.n for row in rows if row.data == "labels" and not row.axis and row.outcome_class == REFUSED}
    arms = study.frame["arm"].to_numpy()[study.cell]
    assert whole == {arm: study.count[labelled & (arms == arm)].sum() for arm in ("control", "injection")}


def test_labels_that_contradict_the_errors_at_one_strength_are_seen() -> None:
    """Raters find no event at the highest strength, where a fit with the same errors at every strength expects 14."""
    model, x, study = drawn_study(3)
    top = study.frame["strength"].to_numpy()[study.cell] == STRENGTHS[-1]
    event = CLASSES.index(EVENT)
    wrong = top & (study.label == event)
    label = np.where(wrong, CLASSES.index(REST), study.label)
    rows = corrected_checks(replace(study, label=label), model, x)
    odd = min(rows, key=lambda row: row.p)
    assert odd.is_misfit
    assert (odd.data, odd.arm, odd.outcome_class) == ("labels", "injection", EVENT)
    assert "strength" in odd.axis
    assert odd.value.startswith("8")


def test_the_priors_leave_every_plausible_rate_open_and_a_narrow_one_is_seen() -> None:
    model, _, counts = fitted((0.1, 0.2, 0.3, 0.3))
    wide, narrow = (told(one, counts) for one in (model, fitted((0.1, 0.2, 0.3, 0.3), Priors(intercept_sd=0.05))[0]))
    for name in ("identification", "refusal", "false_alarm"):
        row = wide[name]
        assert row.low95 < 0.05
        assert row.high95 > 0.6
        assert row.low50 < row.median < row.high50
    assert narrow["false_alarm"].high95 - narrow["false_alarm"].low95 < 0.1


def told(model: OutcomeModel, counts: np.ndarray) -> dict[str, PriorPredictiveRow]:
    x = draw_prior_parameters(model, 500, np.random.default_rng(3))
    frame = model.design.frame
    share = model.class_probabilities(model.coefficient_draws(x), frame)
    source = SubjectPosterior("s", model.classes, frame, share, counts.sum(axis=1), None)
    draws = {(each.subject, each.estimand): each.draws for each in subject_estimands(source) if not each.by}
    return {row.estimand: row for row in prior_predictive(draws)}


def test_the_chart_of_checks_has_room_for_its_counts_with_one_model(tmp_path: Path) -> None:
    usual = {"subject": "s", "class": "event", "n": 100, "p": 0.5, "p_family": 1.0}
    rows = rows_frame(
        PredictiveCheck.model_validate({**usual, "arm": arm, "observed": k, "mean": k, "low95": k - 9, "high95": k + 9})
        for arm, k in (("injection", 80), ("control", 10))
    )
    labels = rows.head(1).assign(data="labels", subject="")
    chart = diagnostic_charts.predictive_check_chart(pd.concat([rows, labels], ignore_index=True))
    drawn = save_chart(chart, tmp_path / "checks.png")
    pixels = np.asarray(Image.open(drawn).convert("RGB")).astype(int)
    places = [np.median(columns_of(pixels, arm_colours()[arm])) for arm in ("injection", "control")]
    assert abs(places[0] - places[1]) > 0.25 * pixels.shape[1], "the points at 10 and 80 % are far apart"


def columns_of(pixels: np.ndarray, colour: str) -> np.ndarray:
    """Columns of a picture in which a colour is drawn."""
    wanted = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
    return np.flatnonzero((np.abs(pixels - wanted).sum(axis=-1) < 30).any(axis=0))


@pytest.mark.parametrize("dark", [False, True])
def test_the_charts_behind_a_figure_can_be_drawn(tmp_path: Path, dark: bool) -> None:
    model, x, counts = fitted((0.1, 0.2, 0.3, 0.3))
    result = build_result(ModelPosterior(model, x, counts.sum(axis=1), counts, "judged", "j", "")).content
    estimands, _ = result_frames(result)
    assert {(row.subject, row.estimand) for row in result.prior} == {
        (row.subject, row.estimand) for row in result.overall_estimates
    }
    charts = {
        "cells": diagnostic_charts.dose_heatmap(rows_frame(result.comparisons.best)),
        "predictive": diagnostic_charts.predictive_check_chart(rows_frame(result.predictive)),
        "refusal": diagnostic_charts.refusal_chart(estimands),
        "bounds": diagnostic_charts.bounds_chart(estimands, rows_frame(result.comparisons.bounds)),
    }
    held = {"cells": "±", "predictive": "control: refused", "refusal": "control", "bounds": "one way only"}
    for name, chart in charts.items():
        text = save_chart(chart, tmp_path / f"{name}.svg", dark=dark).read_text(encoding="utf-8")
        assert "NaN" not in text
        assert held[name] in text
