"""The world of the published study, in which coverage is simulated, is what its counts say."""

from __future__ import annotations

import numpy as np
import pytest

from bench.validity.interval_validity import empty
from bench.validity.worlds import EVEN, PUBLISHED, UNEVEN
from gnomon.data import bundled
from gnomon.data.storage.store import Store
from gnomon.stats.cells.aggregation import published_cells
from gnomon.stats.inference.hierarchical import judged_model
from gnomon.stats.inference.sampler import SamplerSettings, sample_posterior
from gnomon.stats.model.priors import Priors


def test_the_published_world_is_the_posterior_of_the_published_counts(store: Store) -> None:
    bundled.add_published(store)
    model = judged_model(published_cells(store), Priors())
    found = model.unpack_parameters(sample_posterior(model, SamplerSettings(draws=500, tune=400), seed=1).flat_values)
    coefficients, scales = found["coefficient"], np.exp(found["log_scale"])
    for row, term in enumerate(model.design.fixed_terms):
        here = coefficients[:, row]
        assert PUBLISHED.effects[term.name] == pytest.approx(here.mean(0), abs=0.3 * here.std(0).min()), term.name
    for row, term in enumerate(model.design.random_terms):
        assert PUBLISHED.spread[term.name] == pytest.approx(np.median(scales[:, row], axis=0), rel=0.2), term.name


def test_worlds_differ_in_what_they_say_they_do() -> None:
    model = empty("pair")
    places = model.unpack_parameters(np.arange(model.parameter_count))["coefficient"][
        : len(model.design.fixed_terms)
    ].ravel()
    even, uneven, published = (world.draw(model, np.random.default_rng(1)) for world in (EVEN, UNEVEN, PUBLISHED))
    assert (even[places] == uneven[places]).all()
    assert not (even[places] == published[places]).all()
    subjects = [
        model.unpack_parameters(truth)["coefficient"][len(model.design.fixed_terms) :] for truth in (even, uneven)
    ]
    assert np.abs(subjects[1]).sum() > np.abs(subjects[0]).sum()
