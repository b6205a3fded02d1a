"""The cut fit: labels teach what verdicts mean, unlabelled verdicts do not, and disputes may choose the labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from word_salad import DETECTION, STRENGTHS, word_salad

from gnomon.stats.cells.aggregation import MISSING
from gnomon.stats.estimands.definitions import EstimandDraws, cut_estimand_draws
from gnomon.stats.methods import cut_posterior
from gnomon.stats.methods.cut_posterior import completed_counts
from gnomon.stats.model.priors import Priors


def figure(made: list[EstimandDraws], name: str, **by: float) -> np.ndarray:
    (found,) = [one.draws for one in made if one.estimand == name and dict(one.by) == by]
    return found


@pytest.mark.parametrize("disputed", [False, True])
def test_word_salad_that_fools_judges_is_taken_out_at_every_strength(disputed: bool) -> None:
    made = cut_estimand_draws(word_salad(1, 150, disputed=disputed), Priors(), draws=400, seed=1)
    truth = np.mean(DETECTION)
    low, high = np.quantile(figure(made, "identification"), [0.005, 0.995])
    assert low < truth < high
    assert high - low < 0.25
    for strength, rate in zip(STRENGTHS, DETECTION, strict=True):
        at = figure(made, "identification", strength=strength)
        assert abs(at.mean() - rate) < 3 * at.std()


def test_unlabelled_verdicts_do_not_teach_what_a_verdict_means() -> None:
    """Ten times as many unlabelled trials in the same proportions: the same share of events, drawn more surely."""
    few = word_salad(2, 60, disputed=True)
    many = replace(few, count=np.where(few.label == MISSING, 10 * few.count, few.count))
    spread, centre = [], []
    for patterns in (few, many):
        counts = completed_counts(patterns, Priors(), 400, 3)[:, 1:]
        share = counts[..., 1].sum(axis=1) / counts.sum(axis=(1, 2))
        centre.append(share.mean())
        spread.append(share.std())
    assert abs(centre[0] - centre[1]) < 0.015
    assert 0.75 < spread[1] / spread[0] < 1.1, "labels alone limit it"


def test_labels_stay_what_they_are_and_no_trial_is_lost() -> None:
    patterns = word_salad(4, 60, disputed=False)
    counts = completed_counts(patterns, Priors(), 50, 1)
    np.testing.assert_allclose(counts.sum(axis=2), np.broadcast_to(patterns.trial_counts, (50, 5)))
    known = np.zeros((5, 3))
    labelled = patterns.label != MISSING
    np.add.at(known, (patterns.cell[labelled], patterns.label[labelled]), patterns.count[labelled])
    assert (counts >= known).all()


def test_an_arm_without_labels_has_no_estimates() -> None:
    patterns = word_salad(5, 30, disputed=False)
    label = np.where(patterns.frame["arm"].to_numpy()[patterns.cell] == "control", MISSING, patterns.label)
    found = {one.estimand for one in cut_estimand_draws(replace(patterns, label=label), Priors(), draws=50)}
    assert "identification" in found
    assert not found & {"false_alarm", "net_detection_raw", "net_detection_engaged"}


def test_the_gradient_of_the_regression_is_its_slope(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[cut_posterior.LabelRegression] = []
    monkeypatch.setattr(
        cut_posterior.LabelRegression,
        "probability_draws",
        lambda self, draws, seed: seen.append(self) or np.zeros((draws, *self.labels.shape)) + 1 / self.labels.shape[1],
    )
    completed_counts(word_salad(6, 40, disputed=False), Priors(), 2, 0)
    rng = np.random.default_rng(0)
    for model in seen:
        density, x = model.density_function(), rng.normal(size=model.size)
        _, gradient = density(x)
        for _ in range(5):
            way = rng.normal(size=model.size)
            slope = (density(x + 1e-6 * way)[0] - density(x - 1e-6 * way)[0]) / 2e-6
            assert slope == pytest.approx(gradient @ way, rel=1e-5, abs=1e-5)
