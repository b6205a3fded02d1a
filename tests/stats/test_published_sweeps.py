"""Intervals of a real sweep hold its own counts, whatever its curves look like; the best cell is the best one."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from bench.validity.published_sweeps import published_sweep
from gnomon.stats.checks.predictive_checks import posterior_predictive_check
from gnomon.stats.estimands.comparisons import rank_dose_cells
from gnomon.stats.estimands.definitions import EstimandDraws, SubjectPosterior, subject_estimands
from gnomon.stats.inference.hierarchical import judged_model
from gnomon.stats.inference.sampler import SamplerSettings, sample_posterior
from gnomon.stats.model.priors import Priors

SHORT = SamplerSettings(draws=400, tune=250, chains=4, cores=1, target_accept=0.8)
SWEEPS = (("32B", "all"), ("3B", "generation"), ("7B", "generation"), ("32B", "generation"))


@cache
def swept(subject: str, span: str, *, with_depth: bool = True) -> tuple[SubjectPosterior, float]:
    """A fit to one sweep, and the smallest p of its predictive checks, all checks together."""
    cells = published_sweep([subject], span, with_depth=with_depth)
    model = judged_model(cells, Priors())
    x = sample_posterior(model, SHORT, 1).flat_values
    frame = model.design.frame
    share = model.class_probabilities(model.coefficient_draws(x), frame)
    checks = posterior_predictive_check(model, x, cells.counts, np.random.default_rng(1))
    source = SubjectPosterior(subject, model.classes, frame, share, cells.trial_counts, cells.counts)
    return source, min(check.p_family for check in checks if check.p_family is not None)


def holds_its_count(figure: EstimandDraws) -> bool:
    """A rate of no event at all lies in no interval of a rate: half an event does."""
    low, high = np.quantile(figure.draws, [0.025, 0.975])
    assert figure.observed is not None
    assert figure.n is not None
    return low - 0.5 / figure.n <= figure.observed <= high


@pytest.mark.simulation
@pytest.mark.parametrize(("subject", "span"), SWEEPS)
def test_intervals_by_strength_and_concept_hold_what_was_counted(subject: str, span: str) -> None:
    source, p = swept(subject, span)
    figures = [figure for figure in subject_estimands(source) if figure.estimand == "identification"]
    by_strength = [figure for figure in figures if "strength" in figure.by]
    assert len(by_strength) == 5
    assert all(holds_its_count(figure) for figure in figures)
    cells = rank_dose_cells(source)
    outside = [cell for cell in cells if not cell.low95 <= cell.naive <= cell.high95]
    assert len(cells) == 20
    assert len(outside) <= 1
    assert p > 0.05, "the predictive check sees no misfit"


@pytest.mark.simulation
@pytest.mark.parametrize("with_depth", [True, False])
def test_the_cell_with_the_most_events_of_2000_is_probably_the_best(with_depth: bool) -> None:
    cells = rank_dose_cells(swept("32B", "all", with_depth=with_depth)[0])
    counted = max(cells, key=lambda cell: cell.naive)
    assert (counted.layer, counted.strength) == (38.0, 3.0)
    assert counted.probability_best > 0.5
    assert counted.low95 <= counted.naive <= counted.high95
    assert sum(cell.probability_best for cell in cells) == pytest.approx(1.0)
