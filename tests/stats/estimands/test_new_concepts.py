"""An estimate for concepts like these is as uncertain as the number of concepts makes it."""

from __future__ import annotations

import numpy as np
import pytest

from gnomon.stats.cells.aggregation import CellCounts
from gnomon.stats.cells.outcome_classes import EVENT, REFUSED, REST
from gnomon.stats.checks.simulation import cell_frame
from gnomon.stats.estimands.definitions import EstimandDraws
from gnomon.stats.estimands.new_concepts import new_concept_estimands, new_concept_rows
from gnomon.stats.estimands.result import ModelPosterior, build_result
from gnomon.stats.inference.hierarchical import OutcomeModel, judged_model
from gnomon.stats.model.priors import Priors
from gnomon.stats.results import DESIGN, JOINT

DRAWS = 900
WORDS = ("ocean", "fear", "silence", "celebration")
RNG = np.random.default_rng(3)


def model_of(concepts: tuple[str, ...], subjects: tuple[str, ...] = ("a",)) -> OutcomeModel:
    rows = [{"subject": s, "parameters": 1e9, "arm": "control"} for s in subjects]
    rows += [
        {"subject": s, "parameters": 1e9, "arm": "injection", "concept": word, "strength": dose}
        for s in subjects
        for word in concepts
        for dose in (2.0, 4.0)
    ]
    cells = cell_frame(rows)
    counts = np.tile([0, 10, 30], (len(cells), 1))
    return judged_model(CellCounts(cells, (REFUSED, EVENT, REST), counts), Priors())


def known_parameters(model: OutcomeModel, spread: dict[str, float]) -> np.ndarray:
    """Draws that all say the same: no effects, logits of the level, standard deviations of groups by term."""
    point = {name: np.zeros(shape) for name, shape in model.parameter_shapes.items()}
    point["coefficient"][0] = (-3.0, -0.5)
    scales = [spread.get(term.name, 1e-6) for term in model.design.random_terms]
    point["log_scale"][:] = np.log(np.array(scales))[:, None]
    return np.tile(np.concatenate([values.ravel() for values in point.values()]), (DRAWS, 1))


def rates(model: OutcomeModel, spread: dict[str, float]) -> dict[tuple[str, str], np.ndarray]:
    weights = np.full(len(model.design.frame), 40.0)
    made = new_concept_estimands(model, known_parameters(model, spread), weights, np.random.default_rng(0))
    return {(each.subject, each.estimand): each.draws for each in made}


def logistic(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-x)))


def test_it_is_the_mean_over_a_population_whose_level_these_concepts_tell_only_roughly() -> None:
    tau = 1.2
    found = rates(model_of(WORDS), {"concept": tau})["a", "identification"]
    refused, event = RNG.normal(0, tau, (2, 1000, 1)) / np.sqrt(len(WORDS))
    new = RNG.normal(0, tau, (2, 1, 20_000))
    engaged = 1 - logistic(-3.0 - refused + new[0]).mean(axis=1)
    expected = engaged * logistic(-0.5 - event + new[1]).mean(axis=1)
    assert found.mean() == pytest.approx(expected.mean(), abs=0.015)
    assert found.std() == pytest.approx(expected.std(), rel=0.1)


def test_without_deviations_it_is_the_estimate_for_these_concepts() -> None:
    found = rates(model_of(WORDS), {})
    share = (1 - logistic(np.array(-3.0))) * logistic(np.array(-0.5))
    assert np.ptp(found["a", "identification"]) < 1e-4
    assert found["a", "identification"].mean() == pytest.approx(float(share), abs=1e-4)
    assert found["a", "net_detection_engaged"].mean() == pytest.approx(0.0, abs=1e-4)


def test_the_control_arm_has_no_concepts_to_be_unsure_of() -> None:
    assert np.ptp(rates(model_of(WORDS), {"concept": 1.5})["a", "false_alarm"]) < 1e-12


def test_more_concepts_tell_more() -> None:
    few, many = (
        rates(model_of(words), {"concept": 1.0})["a", "identification"].std()
        for words in (WORDS, tuple(f"word {place}" for place in range(16)))
    )
    assert few / many == pytest.approx(2.0, rel=0.1)


def test_models_share_their_concepts_so_their_difference_is_better_known() -> None:
    model = model_of(WORDS, ("a", "b"))
    shared = rates(model, {"concept": 1.0})
    gap = shared["a", "identification"] - shared["b", "identification"]
    assert gap.std() < 1e-6
    own = rates(model, {"subject x concept": 1.0})
    apart = own["a", "identification"] - own["b", "identification"]
    assert apart.std() == pytest.approx(2 * own["a", "identification"].std(), rel=0.1), (
        "of two, one is the other's mirror"
    )


def test_one_concept_says_nothing_of_others() -> None:
    assert rates(model_of(WORDS[:1]), {}) == {}


def test_a_row_says_how_many_concepts_it_rests_on() -> None:
    model = model_of(WORDS[:3])
    made = [EstimandDraws("a", "identification", np.linspace(0.1, 0.3, 101))]
    (row,) = new_concept_rows(made, model.design.frame)
    assert (row.subject, row.concepts, row.mean) == ("a", 3, pytest.approx(0.2))
    assert (row.low95, row.high95) == pytest.approx((0.105, 0.295))


def test_a_joint_fit_that_labels_contradict_says_nothing_of_further_concepts() -> None:
    model = model_of(WORDS)
    counts = np.tile([0, 10, 30], (len(model.design.frame), 1))
    x = known_parameters(model, {"concept": 1.0})
    posterior = ModelPosterior(model, x, counts.sum(axis=1).astype(float), None, "corrected", "j", "")
    by_design = {
        shift: [
            EstimandDraws("a", name, RNG.normal(mean + shift, 0.02, DRAWS))
            for name, mean in (("identification", 0.36), ("net_detection_raw", 0.0), ("false_alarm", 0.36))
        ]
        for shift in (0.0, 0.4)
    }
    agreeing = build_result(posterior, others={DESIGN: by_design[0.0]}).content
    assert agreeing.headline is not None
    assert agreeing.headline.method == JOINT
    assert agreeing.comparisons.new_concepts
    contradicting = build_result(posterior, others={DESIGN: by_design[0.4]}).content
    assert contradicting.headline is not None
    assert contradicting.headline.method == DESIGN
    assert contradicting.comparisons.new_concepts == ()
