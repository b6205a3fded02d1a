"""Draws leave the house as ArviZ data: named, with the likelihood that was sampled, and readable from a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gnomon.stats.cells.aggregation import CellCounts
from gnomon.stats.cells.outcome_classes import EVENT, REFUSED, REST
from gnomon.stats.checks.predictive_checks import draw_prior_parameters
from gnomon.stats.checks.simulation import cell_frame, even_error_confusion, simulate_study
from gnomon.stats.inference.arviz_import import import_arviz
from gnomon.stats.inference.hierarchical import OutcomeModel, corrected_model, judged_model
from gnomon.stats.inference.importance_reweighting import log_density
from gnomon.stats.inference.inference_data import pointwise_log_likelihood, to_inference_data
from gnomon.stats.inference.sampler import PosteriorDraws, SamplerSettings, sample_posterior
from gnomon.stats.model.priors import Priors

CLASSES = (REFUSED, EVENT, REST)
FRAME = cell_frame(
    [
        {"subject": name, "parameters": size, "arm": arm, "concept": concept, "strength": strength}
        for name, size in (("a", 1e9), ("b", 4e9))
        for arm, concept, strength in (
            ("control", None, 0.0),
            ("injection", "fear", 2.0),
            ("injection", "ocean", 2.0),
            ("injection", "ocean", 4.0),
        )
    ]
)


def simulated(judges: int) -> OutcomeModel:
    """The corrected model of this many judges."""
    share = np.tile([0.2, 0.3, 0.5], (len(FRAME), 1))
    confusion = {arm: np.stack([even_error_confusion(3, 0.8)] * judges) for arm in ("control", "injection")}
    number, rng = np.full(len(FRAME), 30), np.random.default_rng(1)
    return corrected_model(simulate_study(FRAME, number, CLASSES, share, confusion, (0.3, 0.6), rng).patterns, Priors())


def counted() -> OutcomeModel:
    """The model that takes counts at their word."""
    return judged_model(CellCounts(FRAME, CLASSES, np.tile([4, 6, 20], (len(FRAME), 1))), Priors())


def without_data(model: OutcomeModel) -> OutcomeModel:
    if model.verdicts is None:
        return replace(model, counts=np.zeros_like(np.asarray(model.counts)))
    return replace(model, verdicts=model.verdicts._replace(number=np.zeros_like(model.verdicts.number)))


MODELS = {"counts": counted, "one judge": lambda: simulated(1), "two judges": lambda: simulated(2)}


@pytest.mark.parametrize("name", MODELS)
def test_the_pointwise_likelihood_sums_to_what_the_data_add_to_the_density(name: str) -> None:
    model = MODELS[name]()
    x = draw_prior_parameters(model, 6, np.random.default_rng(2)).reshape(2, 3, -1)
    added = log_density(model, x) - log_density(without_data(model), x)
    assert np.ptp(added) > 1.0
    assert pointwise_log_likelihood(model, x).sum(axis=-1) == pytest.approx(added, rel=1e-8)


def test_parameters_of_two_judges_have_named_dimensions() -> None:
    model = simulated(2)
    prior = draw_prior_parameters(model, 8, np.random.default_rng(3))
    data = to_inference_data(model, PosteriorDraws(prior.reshape(2, 4, -1), 0, 0.0, 0.0), ("x", "y"), prior)
    assert data.posterior["wrong"].dims == ("chain", "draw", "arm", "judge", "true_class", "other_class")
    assert set(data.posterior["arm"].values) == {"injection", "control"}
    own = model.unpack_parameters(prior)["wrong"].reshape(2, 4, 2, 2, 3, 2)
    arm = list(data.posterior["arm"].values).index("control")
    chosen = data.posterior["wrong"].sel(arm="control", judge="y", true_class=EVENT)
    assert np.array_equal(chosen.values, own[:, :, arm, 1, CLASSES.index(EVENT)])
    assert list(data.posterior["judge_pair"].values) == ["x and y"]
    assert data.prior["coefficient"].shape[:2] == (1, 8)
    assert data.observed_data["weight"].sum() == 30 * len(FRAME)


def test_a_sampled_fit_is_summarised_compared_and_kept_in_a_file(tmp_path: Path) -> None:
    az, model = import_arviz(), counted()
    data = to_inference_data(model, sample_posterior(model, SamplerSettings(draws=300, tune=300, chains=2), 1))
    data.to_netcdf(str(tmp_path / "fit.nc"))
    read = az.from_netcdf(str(tmp_path / "fit.nc"))
    assert np.array_equal(read.posterior["coefficient"].values, data.posterior["coefficient"].values)
    assert (az.summary(read, var_names=["coefficient"])["r_hat"] < 1.05).all()
    with pytest.warns(UserWarning, match="shape parameter of Pareto"):  # cells of 30 trials are influential
        assert az.loo(read).n_data_points == len(FRAME)


def test_names_must_be_as_many_as_judges() -> None:
    model = simulated(1)
    draws = PosteriorDraws(np.zeros((1, 1, model.parameter_count)), 0, 0.0, 0.0)
    with pytest.raises(ValueError, match="2 names of judges for a model of 1"):
        to_inference_data(model, draws, ("x", "y"))
