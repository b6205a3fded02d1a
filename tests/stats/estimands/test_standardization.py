"""Subjects that were run differently are compared on one mix of conditions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gnomon.stats.cells.aggregation import CellCounts
from gnomon.stats.cells.outcome_classes import EVENT, REFUSED, REST
from gnomon.stats.checks.simulation import cell_frame
from gnomon.stats.estimand_registry import NET_RAW
from gnomon.stats.estimands.result import ModelPosterior, all_estimand_draws, build_result
from gnomon.stats.estimands.standardization import (
    share_within_support,
    standardized_contrasts,
    standardized_estimands,
    standardized_rows,
)
from gnomon.stats.inference.hierarchical import judged_model
from gnomon.stats.inference.sampler import SamplerSettings, sample_posterior
from gnomon.stats.model.linear_predictor import add_covariates
from gnomon.stats.model.priors import Priors

CLASSES = (REFUSED, EVENT, REST)


def lopsided() -> CellCounts:
    """Two subjects with the same rate in each concept; one was asked about the easy one four times as often."""
    rows, counts = [], []
    for name, size, (easy, hard) in (("a", 1e9, (800, 200)), ("b", 2e9, (200, 800))):
        rows.append({"subject": name, "parameters": size, "arm": "control"})
        counts.append([0, 50, 950])
        for concept, n, rate in (("fear", easy, 0.8), ("ocean", hard, 0.2)):
            rows.append({"subject": name, "parameters": size, "arm": "injection", "concept": concept, "strength": 2.0})
            counts.append([0, round(n * rate), n - round(n * rate)])
    return CellCounts(cell_frame(rows), CLASSES, np.array(counts))


@pytest.fixture(scope="module")
def fitted() -> ModelPosterior:
    cells = lopsided()
    model = judged_model(cells, Priors())
    draws = sample_posterior(model, SamplerSettings(draws=800, tune=400), 1)
    return ModelPosterior(model, draws.flat_values, cells.trial_counts, cells.counts, "judged", None, "")


def test_what_the_mix_made_is_gone_on_one_mix(fitted: ModelPosterior) -> None:
    own = all_estimand_draws(fitted)
    gap = own[f"a {NET_RAW}"] - own[f"b {NET_RAW}"]
    assert gap.mean() == pytest.approx(0.36, abs=0.05), "each at its own mix"
    made = standardized_estimands(fitted.model, fitted.x, fitted.weights)
    (row,) = [row for row in standardized_contrasts(made) if row.estimand == NET_RAW]
    assert (row.a, row.b) == ("a", "b")
    assert row.low95 < 0.0 < row.high95
    assert row.mean == pytest.approx(0.0, abs=0.05)
    means = [figure.draws.mean() for figure in made if figure.estimand == NET_RAW]
    assert means == pytest.approx([0.45, 0.45], abs=0.05), "half of the pooled mix is easy"


def test_the_result_holds_them_and_leaves_out_what_is_refused(fitted: ModelPosterior) -> None:
    compared = build_result(fitted).content.comparisons
    assert {row.subject for row in compared.standard} == {"a", "b"}
    assert all(row.inside == 1.0 for row in compared.standard)
    assert [row.estimand for row in compared.standard_contrasts].count(NET_RAW) == 1
    some = build_result(fitted, lambda figure: "no" if figure.subject == "a" else None).content.comparisons
    assert {row.subject for row in some.standard} == {"b"}
    assert some.standard_contrasts == ()


def test_with_the_same_mix_for_all_they_are_the_figures_themselves() -> None:
    cells = lopsided()
    even = CellCounts(cells.frame, CLASSES, np.tile([[0, 50, 950], [0, 100, 400], [0, 200, 300]], (2, 1)))
    model = judged_model(even, Priors())
    x = np.random.default_rng(1).normal(0, 0.3, (50, model.parameter_count))
    own = all_estimand_draws(ModelPosterior(model, x, even.trial_counts, even.counts, "judged", None, ""))
    for figure in standardized_estimands(model, x, even.trial_counts):
        if figure.estimand != "refusal":
            np.testing.assert_allclose(figure.draws, own[f"{figure.subject} {figure.estimand}"])


def test_one_subject_has_nobody_to_be_compared_with() -> None:
    cells = lopsided()
    mine = (cells.frame["subject"] == "a").to_numpy()
    alone = CellCounts(cells.frame[mine].reset_index(drop=True), CLASSES, cells.counts[mine])
    model = judged_model(alone, Priors())
    assert standardized_estimands(model, np.zeros((5, model.parameter_count)), alone.trial_counts) == []


def test_inside_is_the_share_of_the_mix_that_a_subject_was_run_with() -> None:
    rows = [
        {"subject": "a", "parameters": 1e9, "arm": "injection", "concept": "fear", "strength": 2.0},
        {"subject": "b", "parameters": 2e9, "arm": "injection", "concept": "fear", "strength": 2.0},
        {"subject": "b", "parameters": 2e9, "arm": "injection", "concept": "ocean", "strength": 2.0},
        {"subject": "a", "parameters": 1e9, "arm": "control"},
    ]
    frame: pd.DataFrame = add_covariates(cell_frame(rows))
    n = np.array([10.0, 20.0, 70.0, 5.0])
    assert share_within_support(frame, n, "a") == pytest.approx(0.3)
    assert share_within_support(frame, n, "b") == 1.0
    assert standardized_rows([], frame, n) == []
