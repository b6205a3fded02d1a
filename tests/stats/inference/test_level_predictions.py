"""Levels that a study ran keep their own deviations; levels that it did not run are drawn from their group."""

from __future__ import annotations

import numpy as np
import pytest

from gnomon.stats.cells.aggregation import CellCounts
from gnomon.stats.cells.outcome_classes import EVENT, REFUSED, REST
from gnomon.stats.checks.simulation import cell_frame
from gnomon.stats.estimands.comparisons import rank_dose_cells
from gnomon.stats.estimands.definitions import SubjectPosterior
from gnomon.stats.inference.hierarchical import OutcomeModel, judged_model
from gnomon.stats.inference.sampler import SamplerSettings, sample_posterior
from gnomon.stats.model.priors import Priors

CLASSES = (REFUSED, EVENT, REST)
DRAWS = 4000


@pytest.fixture(scope="module")
def model() -> OutcomeModel:
    rows: list[dict[str, object]] = []
    for subject in ("a", "b"):
        rows.append({"subject": subject, "arm": "control"})
        rows += [
            {"subject": subject, "arm": "injection", "concept": word, "strength": dose}
            for word in ("fear", "ocean")
            for dose in (1.0, 2.0, 4.0)
        ]
    counts = np.tile([1, 7, 12], (len(rows), 1))
    return judged_model(CellCounts(cell_frame(rows), CLASSES, counts), Priors())


@pytest.fixture(scope="module")
def x(model: OutcomeModel) -> np.ndarray:
    """Parameters with no effect but that of the groups, each of standard deviation .5."""
    out = np.zeros((DRAWS, model.parameter_count))
    out[:, model.unpack_parameters(np.arange(model.parameter_count))["log_scale"].ravel()] = np.log(0.5)
    return out


def event_logits(model: OutcomeModel, share: np.ndarray) -> np.ndarray:
    place = model.classes.index(EVENT)
    return np.log(share[..., place] / share[..., place + 1 :].sum(axis=-1))


def test_levels_that_were_run_keep_their_own(model: OutcomeModel) -> None:
    x = np.random.default_rng(1).normal(0, 0.5, (30, model.parameter_count))
    frame = model.design.frame
    known = model.class_probabilities(model.coefficient_draws(x), frame)
    np.testing.assert_array_equal(known, model.predict_new_levels(x, frame, np.random.default_rng(0)))


def test_a_new_concept_deviates_as_much_as_its_groups_and_alike_in_all_its_cells(
    model: OutcomeModel, x: np.ndarray
) -> None:
    cells = model.design.frame[model.design.frame["arm"] == "injection"].assign(concept="silence")
    logits = event_logits(model, model.predict_new_levels(x, cells, np.random.default_rng(2)))
    groups = {term.name: term.new_variance for term in model.design.random_terms if "concept" in term.axes}
    assert set(groups) == {"concept", "subject x concept", "cell:injection"}
    assert groups["concept"] == pytest.approx(1.5), "one over the two concepts is the error of their mean"
    np.testing.assert_allclose(logits.std(axis=0), 0.5 * np.sqrt(sum(groups.values())), rtol=0.06)
    within = np.corrcoef(logits[:, 0], logits[:, 1])[0, 1]
    between = np.corrcoef(logits[:, 0], logits[:, 6])[0, 1]
    assert within == pytest.approx(2.5 / 3.5, abs=0.05), "one subject's cells share all but the cell's own"
    assert between == pytest.approx(1.5 / 3.5, abs=0.05), "two subjects share the concept alone"


def test_a_new_subject_deviates_in_both_arms(model: OutcomeModel, x: np.ndarray) -> None:
    frame = model.design.frame[model.design.frame["subject"] == "a"].assign(subject="c")
    logits = event_logits(model, model.predict_new_levels(x, frame, np.random.default_rng(3)))
    np.testing.assert_allclose(logits[:, 0].std(), 0.5, rtol=0.06, err_msg="the control has its level alone")
    assert (logits[:, 1:].std(axis=0) > 0.9).all()
    typical = model.class_probabilities(model.coefficient_draws(x), frame)
    assert np.ptp(event_logits(model, typical), axis=0).max() == 0.0


def test_layers_without_a_depth_are_told_apart() -> None:
    """One layer of four is twice as good as the others; all that the study knows of layers is their numbers."""
    rows: list[dict[str, object]] = [{"arm": "control"}]
    rows += [
        {"arm": "injection", "concept": "ocean", "layer": layer, "strength": 2.0} for layer in (3.0, 8.0, 9.0, 20.0)
    ]
    counts = np.array([[0, 4, 196], [0, 30, 70], [0, 32, 68], [0, 65, 35], [0, 28, 72]])
    cells = CellCounts(cell_frame(rows), CLASSES, counts)
    model = judged_model(cells, Priors())
    x = sample_posterior(
        model, SamplerSettings(draws=300, tune=250, chains=2, cores=1, target_accept=0.8), 1
    ).flat_values
    frame = model.design.frame
    share = model.class_probabilities(model.coefficient_draws(x), frame)
    found = rank_dose_cells(SubjectPosterior("s", model.classes, frame, share, cells.trial_counts, counts))
    assert [cell.layer for cell in found] == [3.0, 8.0, 9.0, 20.0]
    assert all(cell.low95 <= cell.naive <= cell.high95 for cell in found)
    assert found[2].probability_best > 0.95
    assert found[2].low95 > max(found[0].high95, found[3].high95)
