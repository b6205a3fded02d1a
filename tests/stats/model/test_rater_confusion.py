"""A rater's label is a verdict with errors of its own: prior, exact labels, what informs the errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gnomon.data.errors import InputError
from gnomon.stats.cells.aggregation import MISSING, VerdictPatternCells
from gnomon.stats.checks.label_truth import imputed_patterns, label_probabilities, truth_probabilities, uncertain_rows
from gnomon.stats.checks.simulation import cell_frame, draw_from_prior
from gnomon.stats.inference.hierarchical import OutcomeModel, corrected_model
from gnomon.stats.inference.judge_youden import pattern_tables
from gnomon.stats.inference.sampler import SamplerSettings, sample_posterior
from gnomon.stats.model.judge_confusion import build_verdict_arrays, unlabelled_weight, weighted_patterns
from gnomon.stats.model.priors import Priors
from gnomon.stats.model.rater_confusion import label_weights
from gnomon.stats.model.rater_density import rater_accuracies, rater_confusions

CLASSES = ("refused", "event", "rest")


def patterns(raters: int = 2) -> VerdictPatternCells:
    """One cell: unlabelled trials, trials labelled once, one labelled twice and one adjudicated."""
    frame = cell_frame([{"arm": "control"}, {"arm": "injection", "concept": "x", "strength": 2.0}])
    rows = np.array(
        [  # cell, label, count, verdict, ann, bob, exact
            [0, MISSING, 50, 2, MISSING, MISSING, 0],
            [0, 1, 4, 2, 1, MISSING, 0],
            [0, 2, 1, 2, 2, 1, 0],
            [1, 1, 3, 1, 2, 1, 1],
            [1, 2, 5, 1, MISSING, 2, 0],
        ]
    )
    return VerdictPatternCells(
        frame, CLASSES, ("judge",), rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3:4],
        ("ann", "bob")[:raters], rows[:, 4 : 4 + raters], rows[:, 6] == 1,
    )  # fmt: skip


@pytest.fixture
def model() -> OutcomeModel:
    return corrected_model(patterns(), Priors())


@pytest.fixture
def draws(model: OutcomeModel) -> np.ndarray:
    rng = np.random.default_rng(1)
    return np.stack([draw_from_prior(model, rng) for _ in range(400)])


def test_the_prior_accuracy_is_the_one_that_was_asked_for() -> None:
    rng = np.random.default_rng(0)
    for accuracy in (0.9, 0.97):
        made = corrected_model(patterns(), Priors(rater_accuracy=accuracy))
        assert made.verdicts is not None
        some = np.stack([draw_from_prior(made, rng) for _ in range(3000)])
        point = made.unpack_parameters(some)
        weight = label_weights(patterns(), np.array([0, 1]))
        found = rater_accuracies(
            point["rater_wrong"], point["rater_deviation"], made.verdicts.possible, made.verdicts.raters, weight
        )
        np.testing.assert_allclose(found.mean(axis=0), accuracy, atol=0.012)
    assert weight.sum() == 4 + 1 + 3 + 1 + 3 + 5


def test_with_certain_raters_and_without_raters_labels_are_exact() -> None:
    sure = build_verdict_arrays(patterns(), Priors(rater_accuracy=1.0))
    nobody = build_verdict_arrays(replace(patterns(), raters=()), Priors())
    for arrays in (sure, nobody):
        assert arrays.raters.raters == 0
        assert arrays.label.tolist() == patterns().label.tolist()
    unsure = build_verdict_arrays(patterns(), Priors())
    assert unsure.label.tolist() == [MISSING, MISSING, MISSING, 1, MISSING], "only the adjudicated one is known"
    assert (unsure.raters.row >= 0).tolist() == [False, True, True, True, True]
    for wrong in (0.5, 1.1):
        with pytest.raises(InputError, match="rater_accuracy"):
            Priors.from_mapping({"rater_accuracy": wrong})


def test_the_truth_of_a_labelled_trial_is_bayes_of_its_cell_verdict_and_labels(
    model: OutcomeModel, draws: np.ndarray
) -> None:
    some, data, v = draws[:3], patterns(), model.verdicts
    assert v is not None
    found = truth_probabilities(model, some, data)
    share = model.class_probabilities(model.coefficient_draws(some), model.design.frame)
    point = model.unpack_parameters(some)
    for draw in range(3):
        table = pattern_tables(model, some)[draw]
        right = rater_confusions(
            np.ascontiguousarray(point["rater_wrong"][draw]),
            np.ascontiguousarray(point["rater_deviation"][draw]), v.possible, v.raters,
        )  # fmt: skip
        for place, row in enumerate(uncertain_rows(data)):
            joint = share[draw, data.cell[row]] * table[v.stratum[row], :, data.verdict[row, 0]]
            for rater, said in enumerate(data.ratings[row]):
                joint = joint * (right[rater, v.arm[v.stratum[row]], :, said] if said >= 0 else 1.0)
            np.testing.assert_allclose(found[draw, place], joint / joint.sum(), rtol=1e-6)


def test_imputed_labels_keep_trials_verdicts_and_adjudications(model: OutcomeModel, draws: np.ndarray) -> None:
    data = patterns()
    chance = truth_probabilities(model, draws[:1], data)[0]
    made = imputed_patterns(data, chance, np.random.default_rng(0))
    assert made.exact.sum() == (made.label != MISSING).sum(), "all labels are exact then"
    for cell, said in ((0, 2), (1, 1)):
        count = [one.count[(one.cell == cell) & (one.verdict[:, 0] == said)].sum() for one in (data, made)]
        assert count[0] == count[1]
    assert made.count[made.label == MISSING].sum() == 50
    assert made.count[(made.cell == 1) & (made.label == 1)].sum() >= 3


def test_a_label_that_may_be_wrong_is_expected_as_the_rater_gives_it(model: OutcomeModel, draws: np.ndarray) -> None:
    data, v = patterns(), model.verdicts
    assert v is not None
    certain = np.broadcast_to(np.eye(3)[2], (2, 4, 3))  # every labelled trial is of class rest
    found = label_probabilities(model, draws[:2], data, certain)
    point = model.unpack_parameters(draws[:2])
    right = rater_confusions(
        np.ascontiguousarray(point["rater_wrong"][0]),
        np.ascontiguousarray(point["rater_deviation"][0]), v.possible, v.raters,
    )  # fmt: skip
    np.testing.assert_allclose(found[0, 0], right[0, v.arm[v.stratum[1]], 2])
    np.testing.assert_allclose(found[0, 2], [0, 0, 1])


def test_labelled_trials_weigh_no_more_than_others_with_the_same_verdicts() -> None:
    """With weight w a labelled trial is P(verdicts)^w P(label | verdicts): w - 1 trials with its verdicts, no label."""
    data = patterns()
    many = replace(data, count=np.where(data.label == MISSING, 100_000, data.count))
    weight = unlabelled_weight(many)
    assert weight == pytest.approx(0.25)
    made = weighted_patterns(many)
    for cell, verdict, trials in ((0, 2, 100_005), (1, 1, 8)):
        here = (made.cell == cell) & (made.verdict[:, 0] == verdict)
        assert made.count[here].sum() == pytest.approx(weight * trials)
    assert made.count[made.label != MISSING].tolist() == [4, 1, 3, 5]
    assert weighted_patterns(data) is data


@pytest.mark.simulation
def test_labels_that_raters_got_wrong_no_longer_make_events() -> None:
    """Raters wrong in 5 % both ways call 9.5 % of the control trials events; 5 % are. A fifth is labelled twice."""
    rng = np.random.default_rng(4)
    frame = cell_frame([{"arm": "control"}, {"arm": "injection", "concept": "x", "strength": 2.0}])
    cell = np.repeat([0, 1], 600)
    truth = np.where(rng.random(1200) < np.array([0.05, 0.3])[cell], 1, 2)
    said = [np.where(rng.random(1200) < right, truth, 3 - truth) for right in (0.92, 0.9, 0.95, 0.95)]
    first = rng.random(1200) < 0.2
    second = first & (rng.random(1200) < 0.2)
    ratings = [np.where(known, said[2 + place], MISSING) for place, known in enumerate((first, second))]
    table = np.column_stack([cell, ratings[0], *ratings, *said[:2]])
    rows, count = np.unique(table, axis=0, return_counts=True)
    made = VerdictPatternCells(
        frame, CLASSES, ("one", "two"), rows[:, 0], rows[:, 1], count, rows[:, 4:],
        ("ann", "bob"), rows[:, 2:4], np.zeros(len(rows), dtype=bool),
    )  # fmt: skip
    rates = []
    for accuracy in (1.0, 0.97):
        model = corrected_model(made, Priors(rater_accuracy=accuracy))
        settings = SamplerSettings(draws=300, tune=250, chains=2, cores=1, target_accept=0.8)
        values = sample_posterior(model, settings, 1).flat_values
        share = model.class_probabilities(model.coefficient_draws(values), model.design.frame)
        control = share[:, (model.design.frame["arm"] == "control").to_numpy(), 1].mean(axis=1)
        rates.append(np.quantile(control, [0.025, 0.5, 0.975]))
    assert rates[0][1] > 0.065, "taken as the truth, labels overstate the rate"
    assert rates[1][0] < 0.05 < rates[1][2]
    assert abs(rates[1][1] - 0.05) < abs(rates[0][1] - 0.05)


def test_errors_of_one_class_are_not_learned_without_second_labels() -> None:
    def correlation(twice: int) -> float:
        study = patterns()
        count = study.count.copy()
        count[2:4] = [twice, 0]
        verdicts = corrected_model(replace(study, count=count), Priors()).verdicts
        assert verdicts is not None
        return verdicts.raters.wrong_alike

    assert correlation(0) == 0.9
    assert correlation(10) == pytest.approx(0.7)
    assert correlation(20) == correlation(200) == Priors().rater_wrong_alike
