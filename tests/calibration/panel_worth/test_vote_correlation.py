"""The effective number of voters: simulated panels of known correlation, real judges, and properties."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gnomon.calibration.panel_worth.panel_votes import further_majority, majority_errors, weighted_vote
from gnomon.calibration.panel_worth.vote_correlation import effective_votes, kish_number
from gnomon.data.errors import InputError, NotEnoughDataError

ARENA = Path(__file__).parents[4] / "shared" / "data" / "arena-judges"
NINE = (9 / 2 - 1) / 8
"""Correlation with which nine judges are worth two: what Kohli (2026, arXiv 2605.29800) finds of nine models."""


def shared_errors(units, voters, rate, correlation, seed=0):
    """Errors whose probability differs between units by a beta distribution: every pair has this correlation."""
    random = np.random.default_rng(seed)
    size = 1 / correlation - 1
    chance = random.beta(rate * size, (1 - rate) * size, units)
    return (random.random((units, voters)) < chance[:, None]).astype(float)


def strata(units):
    return np.arange(units) % 2


def test_nine_judges_with_the_published_correlation_are_worth_about_two():
    found = effective_votes(shared_errors(1000, 9, 0.2, NINE, seed=1), strata(1000))
    assert found.effective.value == pytest.approx(2.0, abs=0.15)
    assert found.effective.low < 2.0 < found.effective.high
    assert found.effective.high - found.effective.low < 0.5
    assert found.correlation.value == pytest.approx(NINE, abs=0.04)


def test_independent_judges_are_worth_their_number():
    random = np.random.default_rng(3)
    found = effective_votes((random.random((2000, 5)) < 0.2).astype(float), strata(2000))
    assert found.effective.value == pytest.approx(5, abs=0.4)
    assert found.effective.high == pytest.approx(5)


def test_one_judge_copied_is_worth_one():
    errors = shared_errors(200, 1, 0.3, 0.5)
    found = effective_votes(np.repeat(errors, 4, axis=1), strata(200))
    assert found.correlation.value == pytest.approx(1.0)
    assert found.effective.value == pytest.approx(1.0)
    assert found.effective.high > 1.0


def test_correlation_is_counted_within_strata():
    """Judges that err independently, but far more often in one arm: between the arms only rates differ."""
    random = np.random.default_rng(7)
    arm = np.arange(1000) % 2
    errors = (random.random((1000, 3)) < np.where(arm, 0.5, 0.05)[:, None]).astype(float)
    assert effective_votes(errors, np.zeros(1000)).correlation.value > 0.15
    assert effective_votes(errors, arm).correlation.value == pytest.approx(0, abs=0.06)


def test_few_errors_that_never_meet_prove_no_independence():
    """Four errors on four trials: they might as well correlate by a half."""
    errors = np.zeros((200, 2))
    errors[[0, 1], 0] = errors[[2, 3], 1] = 1
    found = effective_votes(errors, np.zeros(200))
    assert found.correlation.high > 0.5
    assert found.effective.low < 1.4


def test_missing_votes_and_weights_change_the_number_no_more_than_units_do():
    errors = shared_errors(3000, 4, 0.25, 0.3, seed=2)
    random = np.random.default_rng(2)
    missing = np.where(random.random(errors.shape) < 0.3, np.nan, errors)
    whole, part = (effective_votes(each, strata(3000)).correlation for each in (errors, missing))
    assert part.value == pytest.approx(whole.value, abs=0.05)
    assert part.se > whole.se
    twice = effective_votes(np.repeat(errors, 2, axis=0), np.repeat(strata(3000), 2))
    weighted = effective_votes(errors, strata(3000), weight=np.full(3000, 2.0))
    assert twice.correlation.value == pytest.approx(weighted.correlation.value)


def test_panels_that_tell_nothing_are_refused():
    with pytest.raises(NotEnoughDataError, match="one voter"):
        effective_votes(np.zeros((50, 1)), np.zeros(50))
    with pytest.raises(NotEnoughDataError, match="varies"):
        effective_votes(np.zeros((50, 3)), np.zeros(50))
    with pytest.raises(InputError):
        effective_votes(np.zeros((50, 3)), np.zeros(49))


def test_more_voters_never_count_for_less():
    numbers = [kish_number(k, 0.3) for k in range(1, 12)]
    assert numbers == sorted(numbers)
    assert numbers[-1] < 1 / 0.3
    assert kish_number(3, -0.4) == 3


def test_majority_of_independent_voters_errs_as_condorcet_computes():
    random = np.random.default_rng(11)
    errors = (random.random((60_000, 3)) < 0.2).astype(float)
    found = majority_errors(errors)
    assert found[0].value == pytest.approx(0.2, abs=0.005)
    assert found[1].value == pytest.approx(0.2, abs=0.005)
    assert found[2].value == pytest.approx(3 * 0.2**2 * 0.8 + 0.2**3, abs=0.005)
    five = found[2].value + further_majority(errors, np.zeros(len(errors)), 5)
    assert five == pytest.approx(sum(m * 0.2**w * 0.8 ** (5 - w) for w, m in ((3, 10), (4, 5), (5, 1))), abs=0.005)


def test_further_judges_that_err_together_add_almost_nothing():
    together, apart = shared_errors(5000, 5, 0.2, 0.9), shared_errors(5000, 5, 0.2, 0.01)
    gains = [-further_majority(errors, np.zeros(5000), 7) for errors in (together, apart)]
    assert gains[0] < 0.003
    assert gains[1] > 0.015


def test_a_weighted_vote_trusts_the_judge_that_errs_alone_and_seldom():
    random = np.random.default_rng(5)
    truth = random.random(1000) < 0.4
    copied = (random.random(1000) < 0.25)[:, None].repeat(3, axis=1)
    errors = np.column_stack([copied, random.random(1000) < 0.1])
    said = (truth[:, None] != errors).astype(float)
    vote = weighted_vote(said, truth, np.zeros(1000))
    assert np.argmax(vote.weights) == 3
    assert vote.error.value < majority_errors(errors.astype(float))[-1].value - 0.05
    assert np.abs(vote.weights).sum() == pytest.approx(1)


def test_a_weighted_vote_learns_nothing_from_its_own_test():
    """Votes that know nothing: weights fitted to all units would look better than a coin."""
    random = np.random.default_rng(8)
    said, truth = (random.random((60, 12)) < 0.5).astype(float), random.random(60) < 0.5
    errors = [weighted_vote(said, truth, np.zeros(60), seed=seed).error.value for seed in range(8)]
    assert np.mean(errors) > 0.38


def arena_errors():
    wrong = {}
    for path in sorted(ARENA.glob("*.json")):
        for row in json.loads(path.read_text(encoding="utf-8")):
            pick = {"A": "model_a", "B": "model_b"}.get(row["judge_pick"])
            if pick is not None and row["human_winner"] in ("model_a", "model_b"):
                key = row["id"]
                wrong.setdefault(key, {})[path.stem] = (pick != row["human_winner"], row["human_winner"])
    both = [each for each in wrong.values() if len(each) == 2]
    errors = np.array([[float(said) for said, _ in each.values()] for each in both])
    return errors, np.array([next(iter(each.values()))[1] for each in both])


@pytest.mark.skipif(not ARENA.is_dir(), reason="shared/data/arena-judges is not on this machine")
def test_two_real_judges_of_an_arena_are_worth_less_than_two():
    found = effective_votes(*arena_errors())
    assert 1.0 < found.effective.low < found.effective.value < found.effective.high < 1.8
    assert found.correlation.low > 0.1
