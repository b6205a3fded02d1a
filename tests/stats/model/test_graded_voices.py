"""A graded verdict is an observation of more classes than there are outcomes; its levels sum to the rounded verdict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gnomon.stats.cells.aggregation import MISSING, VerdictPatternCells
from gnomon.stats.cells.graded_levels import GradedLevels
from gnomon.stats.checks.label_truth import imputed_patterns
from gnomon.stats.checks.simulation import cell_frame, draw_from_prior
from gnomon.stats.fit import FitRequest
from gnomon.stats.inference.hierarchical import OutcomeModel, corrected_model
from gnomon.stats.inference.inference_data import pointwise_log_likelihood, to_inference_data
from gnomon.stats.inference.sampler import PosteriorDraws, SamplerSettings
from gnomon.stats.model.judge_confusion import weighted_patterns
from gnomon.stats.model.priors import Priors

CLASSES = ("refused", "event", "rest")
CUTS = {(0, "control", True): (0.8,), (0, "injection", True): (0.7, 0.9), (0, "injection", False): (-0.2,)}


def patterns(level: int = MISSING, verdict: int = 1, cell: int = 1) -> VerdictPatternCells:
    """An unlabelled trial with a verdict of some level, and labelled ones of each arm."""
    frame = cell_frame([{"arm": "control"}, {"arm": "injection", "concept": "x", "strength": 2.0}])
    rows = np.array([[cell, MISSING, 1, verdict, level], [0, 2, 3, 1, 0], [1, 1, 4, 2, 1]])
    graded = GradedLevels(CUTS, rows[:, 4:5])
    return VerdictPatternCells(
        frame, CLASSES, ("judge",), rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3:4], graded=graded
    )


def prior_draws(model: OutcomeModel, many: int = 6) -> np.ndarray:
    rng = np.random.default_rng(1)
    return np.stack([draw_from_prior(model, rng) for _ in range(many)])


@pytest.mark.parametrize(("verdict", "cell", "levels"), [(1, 1, 3), (2, 1, 2), (0, 1, 2), (1, 0, 2), (2, 0, 1)])
def test_levels_sum_to_the_rounded_verdict(verdict: int, cell: int, levels: int) -> None:
    """Whatever the parameters: so a verdict without a score says what its levels say together."""
    draws = prior_draws(corrected_model(patterns(), Priors()))

    def first_row(level: int) -> np.ndarray:
        return pointwise_log_likelihood(corrected_model(patterns(level, verdict, cell), Priors()), draws)[:, 0]

    every = np.logaddexp.reduce([first_row(level) for level in range(levels)], axis=0)
    np.testing.assert_allclose(every, first_row(MISSING))


def test_before_any_label_a_sure_verdict_is_the_likelier_to_be_right() -> None:
    """In the mean of the prior, and not for certain: labels may show that a judge is surest where it is wrong."""
    model = corrected_model(patterns(), Priors())
    lean = model.unpack_parameters(prior_draws(model, 2000))["level_logit"][:, :, 0, 1]
    np.testing.assert_allclose(lean.mean(axis=(0, 1, 2)), [1.0, 2.0], atol=0.1)
    assert 0.1 < (lean[..., 0] < 0).mean() < 0.2


def test_rounded_verdicts_have_the_parameters_of_old(store) -> None:
    rounded = replace(patterns(), graded=None)
    old, new = corrected_model(rounded, Priors()), corrected_model(patterns(), Priors())
    assert set(new.parameter_shapes) - set(old.parameter_shapes) == {"level_logit", "level_shift", "level_dose"}
    assert list(new.parameter_shapes)[: len(old.parameter_shapes)] == list(old.parameter_shapes)
    assert new.structure_hash() != old.structure_hash()
    request = FitRequest("corrected", "corrected", "judge", "hash", Priors(), SamplerSettings(), 1)
    assert replace(request, graded=True).fit_id != request.fit_id


def test_rows_that_are_added_or_completed_keep_their_levels() -> None:
    many = replace(patterns(2), count=np.array([10**6, 3, 4]))
    weighted = weighted_patterns(many)
    assert weighted.graded.level[:, 0].tolist() == [2, 0, 1, 0, 1]
    model = corrected_model(many, Priors())
    assert model.require_verdicts().grades.level[:, 0].tolist() == [2, 0, 1, 0, 1]
    completed = imputed_patterns(many, np.zeros((0, 3)), np.random.default_rng(0))
    assert completed.graded is None, "design-based estimates read verdicts alone"


def test_parameters_of_levels_have_named_dimensions() -> None:
    model = corrected_model(patterns(1), Priors())
    draws = PosteriorDraws(prior_draws(model)[None], 0, 0.0, 0.0)
    data = to_inference_data(model, draws, ["judge"])
    assert data.posterior["level_logit"].dims[2:] == ("arm", "graded_judge", "level_part", "event_verdict", "level")
    assert data.posterior["graded_judge"].values.tolist() == ["judge"]
