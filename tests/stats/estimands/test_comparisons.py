"""Comparisons are made draw by draw: picking the best of many is not knowing it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gnomon.stats.bounds import selection_bounds
from gnomon.stats.cells.aggregation import CellCounts
from gnomon.stats.cells.outcome_classes import CLASSES, EVENT, MISNAMED, REFUSED, REST
from gnomon.stats.checks.simulation import cell_frame
from gnomon.stats.estimand_registry import NET_RAW
from gnomon.stats.estimands.comparisons import (
    engaged_effect_bounds,
    observed_slopes,
    predict_new_subject,
    rank_concepts,
    rank_dose_cells,
    rate_ratios,
    size_ladder_steps,
)
from gnomon.stats.estimands.definitions import EstimandDraws, SubjectPosterior
from gnomon.stats.estimands.result import ModelPosterior, all_estimand_draws, build_result
from gnomon.stats.inference.hierarchical import judged_model
from gnomon.stats.inference.sampler import SamplerSettings, sample_posterior
from gnomon.stats.model.linear_predictor import add_covariates
from gnomon.stats.model.priors import Priors
from gnomon.stats.results import SizeLadderSpan, SizeLadderStep

RNG = np.random.default_rng(4)
SIZES = {"a": 1e9, "b": 2e9, "c": 4e9, "coder": 4e9}


def frame() -> pd.DataFrame:
    kinds = {name: "coder" if name == "coder" else "instruct" for name in SIZES}
    rows = [
        {"subject": s, "parameters": SIZES[s], "variant": kinds[s], "arm": arm}
        for s in SIZES
        for arm in ("control", "injection")
    ]
    return add_covariates(cell_frame(rows))


def figure(subject: str, mean: float, sd: float = 0.02, name: str = NET_RAW, **by: str) -> EstimandDraws:
    return EstimandDraws(subject, name, RNG.normal(mean, sd, 4000), by)


def test_the_ladder_says_each_step_and_all_of_them() -> None:
    every = [figure("a", 0.1), figure("b", 0.2), figure("c", 0.21), figure("coder", 0.9)]
    rows = size_ladder_steps(every, frame())
    steps = {(row.from_subject, row.to_subject): row for row in rows if isinstance(row, SizeLadderStep)}
    assert set(steps) == {("a", "b"), ("b", "c")}, "variants are no rung"
    assert steps["a", "b"].probability > 0.99
    assert 0.5 < steps["b", "c"].probability < 0.8
    (whole,) = [row for row in rows if isinstance(row, SizeLadderSpan)]
    assert whole.probability <= min(row.probability for row in steps.values())


def test_two_models_of_one_size_are_no_step() -> None:
    same = frame()
    same.loc[same["subject"] == "b", "parameters"] = 4e9
    rows = size_ladder_steps([figure(name, 0.1) for name in "abc"], same)
    assert rows == []


def test_a_ratio_of_rates_says_how_many_times() -> None:
    every = [figure("a", 0.4, name="identification"), figure("b", 0.2, name="identification")]
    (row,) = rate_ratios(every)
    assert row.median == pytest.approx(2.0, abs=0.05)
    assert row.low95 < 2.0 < row.high95
    assert row.probability > 0.99


def test_places_of_alike_concepts_are_not_known() -> None:
    rates = {"silence": 0.5, "fear": 0.2, "ocean": 0.2}
    rows = rank_concepts([figure(s, rate, concept=word) for s in "ab" for word, rate in rates.items()])
    found = {row.concept: row for row in rows}
    assert rows[0].concept == "silence"
    assert found["silence"].probability_first > 0.99
    assert (found["silence"].place_low, found["silence"].place_high) == (1, 1)
    assert (found["fear"].place_low, found["fear"].place_high) == (2, 3)
    missing = rank_concepts(
        [figure("a", 0.5, concept="silence"), figure("a", 0.2, concept="fear"), figure("b", 0.2, concept="fear")]
    )
    assert missing == [], "subjects with other concepts are not averaged"


def test_slopes_within_a_variant_and_over_all() -> None:
    every = [figure("a", 0.1), figure("b", 0.2), figure("c", 0.3), figure("coder", 0.9)]
    found = {row.variants: row for row in observed_slopes(every, frame())}
    assert found["within"].mean == pytest.approx(0.1, abs=0.002)
    assert found["all"].mean > 0.2


@pytest.fixture(scope="module")
def posterior() -> ModelPosterior:
    """Twelve cells of one true rate: the best of them as counted is luck."""
    rng = np.random.default_rng(2)
    rows = [{"arm": "control"}] + [
        {"arm": "injection", "concept": "ocean", "strength": s, "depth": d, "layer": round(20 * d)}
        for s in (1.0, 2.0, 4.0) for d in (0.2, 0.4, 0.6, 0.8)
    ]  # fmt: skip
    cells = cell_frame(rows)
    n = np.where(cells["arm"] == "control", 200, 20)
    counts = np.stack([rng.multinomial(size, [0.1, 0.2, 0.0, 0.7]) for size in n])
    counts[1:, 2] = rng.binomial(counts[1:, 3], 0.2)
    counts[:, 3] -= counts[:, 2]
    classes = (REFUSED, EVENT, MISNAMED, REST)
    model = judged_model(CellCounts(cells, classes, counts), Priors())
    draws = sample_posterior(model, SamplerSettings(draws=400, tune=300), 1)
    return ModelPosterior(model, draws.flat_values, counts.sum(axis=1), counts, "judged", "j", "")


def source(posterior: ModelPosterior) -> SubjectPosterior:
    model, cells = posterior.model, posterior.model.design.frame
    share = model.class_probabilities(model.coefficient_draws(posterior.x), cells)
    assert posterior.counts is not None
    return SubjectPosterior("s", model.classes, cells, share, posterior.weights, posterior.counts)


def test_the_best_cell_is_shrunk_and_not_sure(posterior: ModelPosterior) -> None:
    rows = rank_dose_cells(source(posterior))
    assert len(rows) == 12
    assert sum(row.probability_best for row in rows) == pytest.approx(1.0)
    winner = max(rows, key=lambda row: row.naive)
    assert winner.mean < winner.naive - 0.03, "the winner's curse is taken off"
    assert max(row.probability_best for row in rows) < 0.8


def test_bounds_from_the_posterior_stand_around_those_from_counts(posterior: ModelPosterior) -> None:
    monotone, worst = engaged_effect_bounds(source(posterior))
    counts = posterior.counts
    assert counts is not None
    arms = [counts[1:].sum(axis=0), counts[0]]
    low, high = selection_bounds.lee_bounds(
        *[selection_bounds.ArmCounts(int(c.sum() - c[0]), int(c.sum()), int(c[1])) for c in arms]
    )
    assert monotone.low == pytest.approx(low, abs=0.04)
    assert monotone.high == pytest.approx(high, abs=0.04)
    assert monotone.low95 < monotone.low <= monotone.high < monotone.high95
    assert worst.low <= monotone.low
    assert worst.high >= monotone.high


def test_noticing_is_counted_apart_from_naming(posterior: ModelPosterior) -> None:
    assert posterior.model.classes == tuple(name for name in CLASSES if name != "incoherent")
    found = {row.estimand: row for row in build_result(posterior).content.estimands if not row.by}
    assert found["detection"].observed > found["identification"].observed
    assert found["detection"].low95 < found["detection"].observed < found["detection"].high95
    gap = found["detection"].mean - found["false_alarm"].mean
    assert found["net_detection_claimed"].mean == pytest.approx(gap)
    assert {"s detection", "s net_detection_claimed"} <= set(all_estimand_draws(posterior))


@pytest.fixture(scope="module")
def six() -> ModelPosterior:
    """Six subjects of sizes that double, which deviate from the line in size."""
    rng = np.random.default_rng(7)
    sizes = {name: 1e9 * 2**place for place, name in enumerate("abcdef")}
    words = {"control": None, "injection": "ocean"}
    rows = [
        {"subject": s, "parameters": p, "arm": arm, "strength": 2.0, "concept": word}
        for s, p in sizes.items()
        for arm, word in words.items()
    ]
    cells = cell_frame(rows)
    deviation = dict(zip(sizes, rng.normal(0, 1.0, 6), strict=True))
    rate = np.array([1 / (1 + np.exp(1.5 - deviation[s])) for s in cells["subject"]])
    counts = np.stack([rng.multinomial(400, [0.1, 0.9 * r, 0.9 * (1 - r)]) for r in rate])
    model = judged_model(CellCounts(cells, (REFUSED, EVENT, REST), counts), Priors())
    x = sample_posterior(model, SamplerSettings(draws=300, tune=300), 1).flat_values
    return ModelPosterior(model, x, counts.sum(axis=1), counts, "judged", "j", "")


def test_a_new_subject_is_less_known_than_the_line(six: ModelPosterior) -> None:
    rows = predict_new_subject(six.model, six.x, six.weights, np.random.default_rng(0))
    line = {round(p.parameters): p for p in build_result(six).content.curve if p.estimand == NET_RAW}
    for row in (rows[0], rows[-2]):
        near = line[min(line, key=lambda at: abs(at - row.parameters))]
        assert row.high95 - row.low95 > 1.2 * (near.high95 - near.low95)


def test_the_trend_through_the_subjects_as_they_are_is_shown_as_it_is_drawn(six: ModelPosterior) -> None:
    draws = all_estimand_draws(six)
    shown = [row for row in build_result(six).content.comparisons.slopes if row.variants == "within"]
    assert {row.estimand: row.mean for row in shown} == pytest.approx(
        {name.split()[-1]: values.mean() for name, values in draws.items() if name.startswith("observed slope within")}
    )


def test_an_odds_ratio_of_the_population_says_how_much_the_prior_decides(six: ModelPosterior) -> None:
    draws = all_estimand_draws(six)
    rows = {(row.stage, row.effect): row for row in build_result(six).content.comparisons.odds_ratios}
    assert set(rows) == {(s, e) for s in (REFUSED, EVENT) for e in ("control level", "effect of injection")}
    for (stage, effect), row in rows.items():
        logits = draws[f"log odds ratio {stage} {effect}"]
        assert row.median == pytest.approx(np.exp(np.median(logits)), rel=1e-6)
        assert row.prior_share == pytest.approx(min(1.0, (logits.std() / 0.5) ** 2), rel=1e-6)
    assert rows[EVENT, "control level"].prior_share > rows[REFUSED, "control level"].prior_share, "they differ more"
